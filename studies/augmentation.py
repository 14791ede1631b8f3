"""Does a generator help a learner that has seen one example? Five arms, four learners, one to five shots.

    COURSE_DATA=... python studies/augmentation.py train       (2 hours on 2 cores; goes on where it was stopped)
    COURSE_DATA=... python studies/augmentation.py test        (half an hour; goes on where it was stopped)
    python studies/augmentation.py write                       (writes figures/results/augmentation.jsonl)

Worlds: `glyphs-0`, `glyphs-1`, `glyphs-2` are three ways to divide the 50 simulated alphabets into 35 that train, 5
that validate and 10 that test (0 is the course's own); `omniglot` trains on the five alphabets of omniglot-small1 and
their quarter turns and tests on those that only omniglot-small2 has. In each world one generator is trained, and five
seeds of each learner, never with augmentation. The arms differ only in what is added to the support at test time,
`N_EXTRA` drawings a class: no augmentation, classical augmentation, the generator's copies, classical augmentation of
these, or real drawings (the oracle). All arms see the same episodes and the same queries and take as many gradient
steps. Two more arms have test-time augmentation: each query gets `N_EXTRA` copies as well, and the labels of all six
are votes.

The drawings are used as they are, not normalised, and the network is an earlier one: four blocks of 32 filters, whose
last map is averaged. `trial.py` asks what is left of the gains once drawings are normalised.

`--profile gpu` trains everything ten times as long on cuda. The learners' settings, the strength of the classical arm
and the test-time augmentation were chosen on glyphs-0's val alphabets (a few of which test in glyphs-1 and glyphs-2).
The generator's settings were chosen on Greek and Korean after training on the other three real alphabets.
"""

import argparse
from functools import partial
from typing import NamedTuple

import torch

import shared
from course_lib import (
    augmentations,
    checkpoints,
    classifier,
    datasets,
    learners,
    maml,
    networks,
    pairs,
    placements,
    runtime,
)
from course_lib.episodes import sample
from course_lib.statistics import fraction_recovered, paired_difference
from shared import LONGER, Kind, accuracies, load

FOLDER = runtime.project_root() / "runs" / "augmentation"
SEEDS = range(5)
WORLDS = ("glyphs-0", "glyphs-1", "glyphs-2", "omniglot")
N_EXTRA = 5


class World(NamedTuple):
    train: datasets.ImageClasses
    test: datasets.ImageClasses


def world(name):
    """The classes of one world."""
    if name == "omniglot":
        return World(datasets.load("omniglot-small1").turned(), datasets.load("omniglot-small2", split="test"))
    classes, number = datasets.load("glyphs"), int(name[-1])
    alphabets = sorted(set(classes.alphabets))
    if number:
        order = torch.randperm(len(alphabets), generator=runtime.rng(number))
        alphabets = [alphabets[i] for i in order]
    return World(of_alphabets(classes, set(alphabets[:35])), of_alphabets(classes, set(alphabets[40:])))


def of_alphabets(classes, alphabets):
    return classes.take(i for i, alphabet in enumerate(classes.alphabets) if alphabet in alphabets)


GENERATORS = {"warp": networks.WarpGenerator, "pixel": networks.PixelGenerator,
              "warp, no task": partial(networks.WarpGenerator, task=False),
              "warp, unconditional D": networks.WarpGenerator, "warp, normalised": networks.WarpGenerator}
ITERATIONS = 4000


def generator_path(world_name, kind):
    return FOLDER / f"{world_name}-{kind.replace(', ', '-').replace(' ', '-')}.safetensors"


def train_generator(world_name, kind, options):
    """Train one generator of GENERATORS in one world, unless that is done, from where it was stopped."""
    path = generator_path(world_name, kind)
    if path.exists():
        return
    unconditional = "unconditional" in kind
    runtime.seed_everything(0)
    G = GENERATORS[kind]().to(options.device)
    with_task = kind in ("warp", "pixel", "warp, normalised")
    D = networks.PairDiscriminator(task=with_task, pair=not unconditional).to(options.device)
    classes = world(world_name).train.to(options.device)
    if "normalised" in kind:
        classes = classes.normalised()
    iterations = LONGER[options.profile] * ITERATIONS
    trained = pairs.train_generator(G, D, classes, n_steps=iterations,
                                    penalty=pairs.R1 if unconditional else pairs.PENALTY,
                                    rng=runtime.rng(0, options.device), path=path.with_suffix(".part"),
                                    made={"kind": kind})
    made = {"dataset": world_name, "profile": options.profile, "seed": 0, "iterations": iterations, "kind": kind,
            "made_by": "studies/augmentation.py"}
    checkpoints.save(path, trained.G.state_dict(), **made)
    checkpoints.save(path.with_stem(path.stem + "-D"), D.state_dict(), **made)
    losses = [round(x[-200:].mean().item(), 3) for x in (trained.d_loss, trained.g_loss)]
    print(world_name, kind, iterations, losses, flush=True)


def generator_of(world_name, kind="warp"):
    return load(GENERATORS[kind], generator_path(world_name, kind))


# adapted 20-way, 1-shot; 5-way learners keep five rows of the head, which starts at 0
INNER = {"MAML": {"inner_lr": 1.6, "steps": 1}, "FOMAML": {"inner_lr": 0.4, "steps": 3, "first_order": True}}
STEPS = {"ProtoNet": 800, "MAML": 500, "FOMAML": 500, "classifier": 1000}


def new_network(n_way, seed, *, norm=torch.nn.BatchNorm2d):
    """A `ConvNet` of width 32. Its head starts at 0, all classes alike, because each episode deals the labels anew."""
    runtime.seed_everything(seed)
    network = networks.ConvNet(n_way, width=32, norm=norm)
    torch.nn.init.zeros_(network.head.weight)
    torch.nn.init.zeros_(network.head.bias)
    return network


def train_learner(world_name, seed, name, options):
    """Train one learner in one world, unless that is done."""
    path = FOLDER / f"{world_name}-{seed}-{name}.safetensors"
    if path.exists():
        return
    classes, rng = world(world_name).train.to(options.device), runtime.rng(seed, options.device)
    n_steps = LONGER[options.profile] * STEPS[name]
    if name == "classifier":
        n_classes, n_drawings = classes.images.shape[:2]
        labels = torch.arange(n_classes, device=options.device).repeat_interleave(n_drawings)
        runtime.seed_everything(seed)
        network = classifier.train(classes.ink.view(-1, 1, 28, 28), labels, n_classes=n_classes, width=32,
                                   n_steps=n_steps, batch=128, rng=rng)
    elif name == "ProtoNet":
        network = learners.train_protonet(new_network(60, seed).to(options.device), classes, n_way=60,
                                          n_steps=n_steps, rng=rng)
    else:
        network = new_network(20, seed, norm=networks.BatchNorm).to(options.device)
        maml.fit(network, lambda rng: sample(classes, n_way=20, k_shot=1, q_query=3, n_tasks=2, rng=rng),
                 gradient=partial(maml.backward, **INNER[name]), rng=rng, outer_lr=3e-3, n_steps=n_steps)
    checkpoints.save(path, network.state_dict())
    print(world_name, seed, name, flush=True)


# rates and steps at test time, for 5-way and 20-way
AT_TEST = {"fine-tuning": {5: (0.01, 20), 20: (0.03, 20)}, "MAML": {5: (0.4, 3), 20: (1.6, 1)},
           "FOMAML": {5: (0.2, 3), 20: (0.4, 5)}}


def trained_learners(world_name, seed, n_way):
    """{(name, setting): learner}"""
    saved = {name: checkpoints.load(FOLDER / f"{world_name}-{seed}-{name}.safetensors") for name in STEPS}

    def network(name):
        net = networks.ConvNet(len(saved[name]["head.bias"]), width=32)
        net.load_state_dict(saved[name])
        return net

    rate, steps = AT_TEST["fine-tuning"][n_way]
    fine_tuned = learners.fine_tune(network("classifier"), head_only=True, lr=rate, steps=steps)
    found = {("fine-tuning", "inductive"): fine_tuned,
             ("ProtoNet", "inductive"): learners.protonet(network("ProtoNet"))}
    for name, setting in LEARNERS[2:]:
        params = saved[name] | {key: saved[name][key][:n_way] for key in ("head.weight", "head.bias")}
        rate, steps = AT_TEST[name][n_way]
        found[name, setting] = maml.learner(networks.ConvNet(n_way, width=32, norm=networks.BatchNorm), params,
                                            inductive=setting == "inductive", inner_lr=rate, steps=steps)
    return found


LEARNERS = [("fine-tuning", "inductive"), ("ProtoNet", "inductive"), ("MAML", "inductive"), ("MAML", "transductive"),
            ("FOMAML", "inductive")]


def named(kind):
    """What records call a kind of episodes: '20-way 1-shot, within alphabet'."""
    return f"{kind.n_way}-way {kind.k_shot}-shot, {'within alphabet' if kind.within_alphabet else 'mixed'}"


KINDS = [Kind(n_way, k_shot, {5: 10, 20: 5}[n_way], within) for within in (True, False) for n_way in (5, 20)
         for k_shot in (1, 2, 5)]
ARMS = ("no augmentation", "classical", "GAN", "GAN + classical", "oracle")
VOTED = ("classical, test-time augmentation", "GAN, test-time augmentation")
STRENGTH = augmentations.STRENGTH.times(0.25)     # of the classical arm: the best of `tune`
N_EPISODES = {"glyphs": 6, "omniglot": 14}   # of each kind, for each seed of each world


def arms(G, k_shot, rng, strength=STRENGTH):
    """{arm: function of a learner that returns it as it is in that arm}, for episodes with N_EXTRA more shots."""
    classical, gan = augmentations.classical(strength), augmentations.generated(G)
    added = {"no augmentation": None, "classical": classical, "GAN": gan,
             "GAN + classical": augmentations.chain(gan, classical)}

    def few(augmentation):
        augmenter = placements.adding(augmentation, N_EXTRA if augmentation else 0)
        return lambda learner: placements.first_shots(placements.with_support(learner, augmenter, rng), k_shot)
    return {arm: few(augmentation) for arm, augmentation in added.items()} | {"oracle": lambda learner: learner}


def voted_arms(G, k_shot, rng, strength=STRENGTH):
    """The same for the arms with test-time augmentation: every query has as many copies too, and a vote."""
    def both(augmentation):
        augmenter = placements.adding(augmentation, N_EXTRA)
        return lambda learner: placements.first_shots(
            placements.with_votes(placements.with_support(learner, augmenter, rng), augmentation, 1 + N_EXTRA, rng),
            k_shot)
    return dict(zip(VOTED, map(both, (augmentations.classical(strength), augmentations.generated(G)))))


def with_extra_shots(learner, classes, kind, n_episodes, seed=0):
    """Accuracy of `learner` on episodes that hold N_EXTRA more shots, for the arms to use or leave: [n_episodes]."""
    return accuracies(learner, classes, kind._replace(k_shot=kind.k_shot + N_EXTRA), n_episodes=n_episodes,
                      rng=runtime.rng(seed), chunk=5)


def score(world_name, seed):
    """Keep the accuracy of every learner in every arm on the test alphabets of one world, for one seed."""
    path = FOLDER / f"scores-{world_name}-{seed}.safetensors"
    classes, G = world(world_name).test, generator_of(world_name)
    scores = checkpoints.load(path) if path.exists() else {}
    for kind in KINDS:
        for (name, setting), learner in trained_learners(world_name, seed, kind.n_way).items():
            for made, first in ((arms, 1000), (voted_arms, 2000)):
                by_arm = made(G, kind.k_shot, runtime.rng(first + seed))
                keys = {arm: "|".join((named(kind), name, setting, arm)) for arm in by_arm}
                if not scores.keys() >= set(keys.values()):
                    scores |= {keys[arm]: with_extra_shots(arm_of(learner), classes, kind,
                                                           N_EPISODES[world_name.split("-")[0]], seed=seed)
                               for arm, arm_of in by_arm.items()}
                    checkpoints.save(path, scores)
        print(world_name, seed, named(kind), flush=True)


def tune():
    """Print, on glyphs-0's val alphabets, what the strength of the classical arm does to two learners."""
    val, G = datasets.load("glyphs", split="val"), generator_of("glyphs-0")
    for kind in (Kind(5, 1, 10, True), Kind(20, 1, 5, True)):
        by_name = {name: learner for (name, _), learner in trained_learners("glyphs-0", 0, kind.n_way).items()}
        for name in ("fine-tuning", "ProtoNet"):
            for factor in (0.25, 0.5, 0.75, 1.0):
                by_arm = arms(G, kind.k_shot, runtime.rng(1000), augmentations.STRENGTH.times(factor))
                scores = {arm: with_extra_shots(by_arm[arm](by_name[name]), val, kind, 40).mean()
                          for arm in ARMS[:2]}
                print(named(kind), name, factor, *(f"{arm} {score:.3f}" for arm, score in scores.items()), flush=True)


def collect(results):
    """Records over the runs (one seed in one world each): every arm, differences, the fraction of the gap recovered."""
    for dataset in ("glyphs", "omniglot"):
        runs = [checkpoints.load(path) for path in sorted(FOLDER.glob(f"scores-{dataset}*.safetensors"))]
        for kind in map(named, KINDS):
            for name, setting in LEARNERS:
                mean = {arm: torch.stack([run["|".join((kind, name, setting, arm))].mean() for run in runs])
                        for arm in (*ARMS, *VOTED)}
                about = {"learner": name, "setting": setting, "dataset": dataset, "seed": "all"}
                for arm in mean:
                    results.add(kind, mean[arm], unit="accuracy", arm=arm, **about)
                for a, b in DIFFERENCES + VOTED_DIFFERENCES:
                    results.add(f"{kind}, difference", paired_difference(mean[a], mean[b]), unit="accuracy",
                                arm=f"{a} - {b}", **about)
                for arm in (*ARMS[1:4], *VOTED):
                    results.add(f"{kind}, fraction of the gap recovered", unit="fraction", arm=arm, **about,
                                values=fraction_recovered(mean["no augmentation"], mean[arm], mean["oracle"]))


DIFFERENCES = [("GAN", "no augmentation"), ("classical", "no augmentation"), ("GAN + classical", "no augmentation"),
               ("GAN", "classical"), ("GAN + classical", "classical")]
VOTED_DIFFERENCES = [(VOTED[1], "no augmentation"), (VOTED[0], "no augmentation"), (VOTED[1], "classical"),
                     (VOTED[1], VOTED[0]), (VOTED[1], "GAN")]


def test(options):
    for name in options.worlds:
        for seed in options.seeds:
            score(name, seed)


def write(options):
    """Write figures/results/augmentation.jsonl from all scores."""
    results = shared.results("augmentation", profile=options.profile, device=options.device, split="test")
    collect(results)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("train", "tune", "test", "write"))
    parser.add_argument("--worlds", nargs="+", default=WORLDS)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--only", nargs="+", default=[*GENERATORS, *STEPS])
    parser.add_argument("--profile", choices=tuple(LONGER), default="cpu")
    options = parser.parse_args()
    options.device = runtime.device("cuda" if options.profile == "gpu" else "cpu")
    if options.what != "train":
        {"tune": lambda options: tune(), "test": test, "write": write}[options.what](options)
    else:
        for name in options.worlds:
            for kind in options.only:
                if kind in GENERATORS and (kind == "warp" or name == "glyphs-0"):     # notebook 08 compares the others
                    train_generator(name, kind, options)
                elif kind in STEPS:
                    for seed in options.seeds:
                        train_learner(name, seed, kind, options)


if __name__ == "__main__":
    main()
