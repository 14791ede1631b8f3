"""Does a generator help a learner that has seen one example? Seven arms, four learners, one to five shots.

    python studies/few_shot.py train --datasets glyphs      (the learners)
    python studies/augmentation.py tune         (strengths and reaches, on glyphs' val alphabets; five minutes)
    python studies/augmentation.py test         (writes figures/results/augmentation.jsonl; half an hour;
                                                 goes on where it was stopped)

Exploratory: it looks at many learners and arms on simulated characters; `trial.py` asks one question on real ones. The
learners are those of `few_shot.py`, three seeds each, trained on normalised drawings without augmentation. The
generator is notebook 11's, trained on the same normalised alphabets. The arms differ only in what is added to the
support at test time, `N_EXTRA` drawings a class: no augmentation, classical augmentation, the generator's copies,
classical augmentation of these, or real drawings (the oracle). All arms see the same episodes and the same queries and
take as many gradient steps. Two more arms have test-time augmentation: each query gets `N_EXTRA` copies as well, and
the labels of all six are votes.

The unit is the alphabet: its value is the mean over the seeds and their episodes, and intervals are over the ten test
alphabets.
"""

import argparse
import itertools
from functools import partial

import torch

import few_shot
import shared
from course_lib import augmentations, checkpoints, datasets, networks, placements, runtime
from course_lib.statistics import fraction_recovered
from shared import Kind, accuracies
from trial import classical, copies_by, of

FOLDER = runtime.project_root() / "runs" / "augmentation"
SEEDS, N_EXTRA, N_EPISODES = few_shot.SEEDS, 5, 1
LEARNERS = ("distortion matching in pixels", "fine-tuning the head", "ProtoNet", "MAML")
KINDS = [Kind(5, 1, 10, True), *(Kind(20, k_shot, 5, True) for k_shot in (1, 2, 5))]
VOTED = ", test-time augmentation"
ARMS = ("no augmentation", "classical", "GAN", "GAN + classical", f"classical{VOTED}", f"GAN{VOTED}", "oracle")
# how strong classical augmentation is and how far z reaches, in the support alone and with test-time augmentation: what
# `tune` found best of GRID
GRID = (0.125, 0.25, 0.5, 1.0)
TUNED = {"classical": 0.5, "GAN": 1.0, f"classical{VOTED}": 0.5, f"GAN{VOTED}": 0.5}


def named(kind):
    """What records call a kind of episodes: '20-way 1-shot, within alphabet'."""
    return f"{kind.n_way}-way {kind.k_shot}-shot, within alphabet"


def generator():
    G = networks.WarpGenerator()
    G.load_state_dict(checkpoints.load(runtime.project_root() / "checkpoints" / "warp-normalised_glyphs.safetensors"))
    return G.eval()


def in_arm(arm, learner, k_shot, G, rng, tuned=TUNED):
    """The learner as it is in one arm, for episodes with N_EXTRA more shots than it may see."""
    if arm == "oracle":
        return learner
    by_gan = copies_by(G, tuned[f"GAN{VOTED}" if VOTED in arm else "GAN"])
    by_hand = classical(tuned[f"classical{VOTED}" if VOTED in arm else "classical"])
    augmentation = {"no augmentation": None, "classical": by_hand, "GAN": by_gan,
                    "GAN + classical": augmentations.chain(by_gan, by_hand)}[arm.removesuffix(VOTED)]
    learner = placements.with_support(learner, placements.adding(augmentation, N_EXTRA if augmentation else 0), rng)
    if VOTED in arm:
        learner = placements.with_votes(learner, augmentation, 1 + N_EXTRA, rng)
    return placements.first_shots(learner, k_shot)


def with_extra_shots(learner, classes, kind, n_episodes, seed):
    """Accuracy of `learner` on episodes that hold N_EXTRA more shots, for the arms to use or leave: [n_episodes]."""
    return accuracies(learner, classes, kind._replace(k_shot=kind.k_shot + N_EXTRA), n_episodes=n_episodes,
                      rng=runtime.rng(seed), chunk=1)


def learners_of(seed, kind):
    found = few_shot.trained_learners("glyphs", seed, kind.n_way, k_shot=1)     # rates at test time: for one shot
    return {name: found[name, "inductive"] for name in LEARNERS if seed in seeds_of(name, kind)}


def seeds_of(name, kind):
    """Matching is slow, and has learned nothing that depends on a seed: one set of episodes, from one example."""
    return SEEDS if "matching" not in name else SEEDS[:1] if kind.k_shot == 1 else ()


def tune():
    """Print, on glyphs' val alphabets, the mean accuracy of three learners by strength; the best go to TUNED."""
    val, G, kind = datasets.load("glyphs", split="val").normalised(), generator(), KINDS[1]
    by_name = learners_of(0, kind)
    for arm in TUNED:
        scores = {}
        for size in GRID:
            tuned = dict.fromkeys(TUNED, size)
            scores[size] = torch.stack([
                with_extra_shots(in_arm(arm, by_name[name], 1, G, runtime.rng(1000), tuned), val, kind, 15, 1).mean()
                for name in ("fine-tuning the head", "ProtoNet", "MAML")]).mean().item()
        print(f'    "{arm}": {max(scores, key=scores.get)},', {size: round(100 * x, 1) for size, x in scores.items()},
              flush=True)


def score(kind, seed):
    """{learner|arm: accuracy of each test alphabet [10]} for one kind of episodes and one seed, unless that is done."""
    path = FOLDER / f"{kind.n_way}-{kind.k_shot}-{seed}.safetensors"
    if path.exists():
        return checkpoints.load(path)
    classes, G, found = datasets.load("glyphs", split="test").normalised(), generator(), {}
    alphabets = [of(classes, [name]) for name in dict.fromkeys(classes.alphabets)]
    for (name, learner), arm in itertools.product(learners_of(seed, kind).items(), ARMS):
        learner_of = partial(in_arm, arm, learner, kind.k_shot, G)
        found[f"{name}|{arm}"] = torch.stack([
            with_extra_shots(learner_of(runtime.rng(1000 + seed)), members, kind, N_EPISODES, seed).mean()
            for members in alphabets])
    checkpoints.save(path, found)
    print(named(kind), seed, flush=True)
    return found


def test(options):
    """Write every arm, the differences and the fraction of the gap recovered; intervals over alphabets."""
    if options.part:
        for kind, seed in itertools.product(KINDS, options.part):
            score(kind, seed)
        return
    results = shared.results("augmentation", profile="cpu", device="cpu", dataset="glyphs", split="test", seed="all")
    for kind, name in itertools.product(KINDS, LEARNERS):
        runs = [score(kind, seed) for seed in seeds_of(name, kind)]
        if not runs:
            continue
        by_arm = {arm: torch.stack([run[f"{name}|{arm}"] for run in runs]).mean(0) for arm in ARMS}
        about = {"learner": name, "setting": "inductive"}
        for arm, values in by_arm.items():
            results.add(named(kind), values, unit="accuracy", arm=arm, **about)
        for a, b in DIFFERENCES:
            results.add(f"{named(kind)}, difference", by_arm[a] - by_arm[b], unit="accuracy", arm=f"{a} - {b}", **about)
        for arm in ARMS[1:-1]:
            results.add(f"{named(kind)}, fraction of the gap recovered", unit="fraction", arm=arm, **about,
                        values=fraction_recovered(by_arm["no augmentation"], by_arm[arm], by_arm["oracle"]))


DIFFERENCES = [("GAN", "no augmentation"), ("classical", "no augmentation"), ("GAN + classical", "no augmentation"),
               ("GAN", "classical"), ("GAN + classical", "classical"),
               (f"GAN{VOTED}", "no augmentation"), (f"classical{VOTED}", "no augmentation"),
               (f"GAN{VOTED}", "classical"), (f"GAN{VOTED}", f"classical{VOTED}"), (f"GAN{VOTED}", "GAN")]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("tune", "test"))
    parser.add_argument("--part", type=int, nargs="+", help="score these seeds alone; write nothing")
    options = parser.parse_args()
    tune() if options.what == "tune" else test(options)


if __name__ == "__main__":
    main()
