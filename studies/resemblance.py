"""How much do simulated glyphs resemble real handwriting? Looked at, measured, and put to use.

    COURSE_DATA=... python studies/resemblance.py        (about 10 minutes on 2 cores)

Writes figures/glyphs_vs_omniglot.png and figures/results/resemblance.jsonl:

- ratio: distance in pixels between drawings of one character / of different characters of its alphabet;
- 5-way 1-shot accuracy on real Omniglot of the nearest neighbour in pixels, and of a ProtoNet (Snell et al. 2017)
  that was trained on glyphs only. Inductive: batch norm keeps the statistics of the glyphs.

The simulator was tuned looking at omniglot-small1's train and val alphabets (Balinese, Early Aramaic, Latin, Greek),
and the encoder was chosen by its accuracy on them. Korean and the alphabets that only omniglot-small2 has (split
"test") were used for no choice: that row is the clean, held-out number.
"""

import argparse
import math
import time
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

import shared
from course_lib import datasets, episodes, learners, runtime
from course_tools import plots

N_WAY, K_SHOT, Q_QUERY = 5, 1, 15       # of the evaluation
TRAIN_WAY, TRAIN_QUERY = 64, 3          # harder than the test, as Snell et al. advise


def encoder(width=32):
    """Four convolution blocks, images [B, 1, 28, 28] -> features [B, 4 * width]; the first halves by stride."""
    def block(n_in, n_out, size=3, stride=1):
        return nn.Conv2d(n_in, n_out, size, stride, size // 2, bias=False), nn.BatchNorm2d(n_out), nn.ReLU()

    return nn.Sequential(*block(1, width, 5, 2), *block(width, 2 * width), nn.MaxPool2d(2),         # 28 -> 14 -> 7
                         *block(2 * width, 2 * width), nn.MaxPool2d(2, ceil_mode=True),             # 7 -> 4
                         *block(2 * width, 4 * width), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def turned(x, turn):
    """Classes x [N, M, 1, H, W] turned by quarters (turn [N] % 4) and mirrored (turn >= 4): eightfold new classes."""
    x = x.clone()
    for t in range(1, 8):
        quarter = torch.rot90(x[turn == t], t % 4, (-2, -1))
        x[turn == t] = quarter.flip(-1) if t >= 4 else quarter
    return x


def train(classes, steps, seed, lr=2e-3):
    """A ProtoNet encoder trained on `classes`, ready for use (batch norm in eval mode)."""
    runtime.seed_everything(seed)       # the initial weights
    rng, net = runtime.rng(seed), encoder().to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(net.parameters(), lr)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda i: 0.5 + 0.5 * math.cos(math.pi * i / steps))
    for _ in runtime.progress(range(steps), desc=f"seed {seed}"):
        task = episodes.sample(classes, n_way=TRAIN_WAY, k_shot=1, q_query=TRAIN_QUERY, n_tasks=1, rng=rng)
        x = torch.cat([task.support_x[0][:, None], task.query_x[0].unflatten(0, (TRAIN_WAY, TRAIN_QUERY))], 1)
        x = turned(x, torch.randint(8, (TRAIN_WAY,), generator=rng))                # [N, 1+Q, 1, 28, 28]
        z = net(x.flatten(0, 1).contiguous(memory_format=torch.channels_last)).unflatten(0, x.shape[:2])
        logits = -torch.cdist(z[:, 1:].flatten(0, 1), z[:, 0]).square()             # [N*Q, N]
        optimiser.zero_grad()
        F.cross_entropy(logits, task.query_y[0]).backward()
        optimiser.step()
        schedule.step()
    return net.eval()


@torch.no_grad()
def score(learner, classes, n_episodes):
    """Accuracy on each of `n_episodes` episodes; the same episodes for every learner."""
    return episodes.accuracies(learner, classes, n_way=N_WAY, k_shot=K_SHOT, q_query=Q_QUERY, n_episodes=n_episodes,
                               rng=runtime.rng(0))


def protonet(net, tasks):
    return learners.protonet_logits(net, tasks).argmax(2)


def ratios(classes):
    """For each class: mean pixel distance between its drawings / to the other classes of its alphabet."""
    found = []
    for alphabet in dict.fromkeys(classes.alphabets):
        x = classes.images[[a == alphabet for a in classes.alphabets]].flatten(2).float()          # [C, M, 784]
        n, m = x.shape[:2]
        distance = torch.cdist(x.flatten(0, 1), x.flatten(0, 1)).view(n, m, n, m).sum((1, 3))      # [C, C]
        within = distance.diagonal() / (m * (m - 1))
        found.append(within / ((distance.sum(1) - distance.diagonal()) / ((n - 1) * m * m)))
    return torch.cat(found)


def picture(glyphs, real, columns=10):
    """Both data sets side by side: a character in a row, a drawer in a column; four characters of two alphabets."""
    plots.use_style()
    figure, axes = plots.plt.subplots(1, 2, figsize=(8.8, 4.2))
    for ax, classes, name in zip(axes, (glyphs, real), ("simulated: glyphs", "handwritten: Omniglot")):
        starts = [classes.alphabets.index(alphabet) for alphabet in list(dict.fromkeys(classes.alphabets))[:2]]
        chosen = [start + step for start in starts for step in (2, 7, 12, 17)]
        plots.sheet(classes.images[chosen, :columns], ax, name)
    figure.suptitle("A network that has seen only the left can read the right", fontsize=16)
    return plots.save(figure, "glyphs_vs_omniglot")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=600, help="training steps of the ProtoNet")
    parser.add_argument("--episodes", type=int, default=1000, help="test episodes behind each number")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="one ProtoNet for each")
    options = parser.parse_args()
    glyphs, small1 = datasets.load("glyphs"), datasets.load("omniglot-small1")
    seen = small1.take(i for i, a in enumerate(small1.alphabets) if a != "Korean")
    exams = {("omniglot-small1", "all"): small1, ("omniglot-small1", "train+val"): seen,
             ("omniglot-small2", "test"): datasets.load("omniglot-small2", split="test")}
    results = shared.results("resemblance", profile="cpu", device="cpu")
    kind = {"unit": "accuracy", "setting": "inductive"}

    for dataset, split, classes in (("glyphs", "all", glyphs), ("omniglot-small1", "train+val", seen)):
        show(results.add("within / between distance", ratios(classes), unit="ratio", setting="-", dataset=dataset,
                         split=split, seed=0))
    for (dataset, split), classes in exams.items():
        show(results.add("5-way 1-shot", score(learners.nearest_neighbour, classes, options.episodes),
                         arm="nearest neighbour in pixels", dataset=dataset, split=split, seed=0, **kind))
    for seed in options.seeds:
        start = time.perf_counter()
        net = train(glyphs, options.steps, seed)
        minutes = (time.perf_counter() - start) / 60
        for (dataset, split), classes in exams.items():
            accuracy = score(partial(protonet, net), classes, options.episodes)
            show(results.add("5-way 1-shot", accuracy, arm="ProtoNet trained on glyphs", dataset=dataset, split=split,
                             seed=seed, steps=options.steps, minutes=round(minutes, 2), **kind))

    print(picture(glyphs, seen))


def show(record):
    print(f"{record['dataset']:>16} {record['split']:<10} {record['name']:<26} {record['arm']:<28} "
          f"seed {record['seed']}: {record['value']:.4f} [{record['low']:.4f}, {record['high']:.4f}]", flush=True)


if __name__ == "__main__":
    main()
