"""Does a generator help a learner, once every drawing is normalised? A trial on real characters.

    COURSE_DATA=... python studies/trial.py train      (goes on where it was stopped)
    COURSE_DATA=... python studies/trial.py test       (writes figures/results/trial.jsonl)
    --profile gpu                                      (everything ten times as long, on cuda)
    --folds 0 --seeds 0 1                              (a part of it, for a process of its own)

Written down before it was run:

Question. 20-way 1-shot within one alphabet, real characters, drawings centred and scaled by their moments. A ProtoNet
learns from augmented copies alone (every training drawing is replaced by a copy), and averages at test time the
features of each drawing, support and query, over itself and seven copies. That placement did best in notebook 10.
Are the copies of a generator better there than classical ones?

Primary comparison. Accuracy with the generator's copies minus accuracy with classical copies. The eight alphabets of
the two small Omniglot sets are cut into three folds; each fold is tested after training on the other alphabets and
their quarter turns, with five seeds, and each seed has a generator and networks of its own. The unit is the alphabet:
its value is the mean over the five seeds, and the interval is Student's, over eight alphabets (7 degrees of freedom).
Beside it stands an exact permutation test, which turns the signs of the alphabets' values.

Both arms are tuned alike, in each fold, on two of its training alphabets after training on the others: the strength of
classical augmentation in training and at test time, and how far z reaches (a factor on the noise of the generator) in
training and at test time.

All else is exploratory: no augmentation, the generator with its settings shuffled among the drawings, both (each copy
is the generator's or a classical one, by chance), and the oracle (classical, with five more real drawings a class).
"""

import argparse
import itertools
from functools import partial

import torch

import shared
from course_lib import augmentations, checkpoints, datasets, gan, learners, networks, pairs, placements, runtime
from course_lib.datasets import ImageClasses
from shared import DEVICE, LONGER, Kind, accuracies, load

FOLDER = runtime.project_root() / "runs" / "trial"
FOLDS, SEEDS, EXPLORED = range(3), range(5), range(1)       # the exploratory arms have the first seed
ITERATIONS, STEPS, N_VERSIONS, N_EPISODES, N_EXTRA = 800, 800, 8, 20, 5
# what tuning chooses from: strengths of classical augmentation, reaches of z; in training, and at test time
STRENGTHS, REACHES = ((0.5, 1.0), (0.25, 0.5, 1.0)), ((0.5, 1.0), (0.25, 0.5, 1.0))
PRIMARY = ("GAN", "classical")
ARMS = (*PRIMARY, "no augmentation", "shuffled GAN", "both")


def eight_alphabets():
    """All drawings of the two small Omniglot sets, normalised."""
    one, two = datasets.load("omniglot-small1"), datasets.load("omniglot-small2")
    two = two.take(i for i, alphabet in enumerate(two.alphabets) if alphabet not in one.alphabets)
    return ImageClasses(torch.cat([one.images, two.images]), one.alphabets + two.alphabets,
                        one.names + two.names).normalised()


def of(classes, alphabets):
    return classes.take(i for i, alphabet in enumerate(classes.alphabets) if alphabet in alphabets)


def fold(number):
    """(alphabets to train on, alphabets to test on). The order is a shuffle by seed 0 of the sorted names."""
    names = sorted({*datasets.load("omniglot-small1").alphabets, *datasets.load("omniglot-small2").alphabets})
    names = [names[i] for i in torch.randperm(len(names), generator=runtime.rng(0))]
    held = names[number::len(FOLDS)]
    return [name for name in names if name not in held], held


def inner_fold(number):
    """The same for tuning: the first two of the fold's training alphabets with 20 characters are held out."""
    names, _ = fold(number)
    held = [name for name in names if name != "Tagalog"][:2]
    return [name for name in names if name not in held], held


def copies_by(G, reach=1.0, shuffled=False):
    """`augmentations.generated`, with the noise times `reach`; shuffled: each drawing gets the settings of another."""
    @torch.no_grad()
    def augmentation(x, rng, task=None):
        settings = G.settings(reach * gan.noise(G, x.shape[0] * x.shape[1], rng), x.flatten(0, 1)[:, None],
                              x if task is None else task)
        if shuffled:
            other = torch.randperm(len(settings[0]), device=x.device, generator=rng)
            settings = [part[other] for part in settings]
        return networks.warp(x.flatten(0, 1), *settings).view_as(x)
    return augmentation


def classical(strength):
    return augmentations.classical(augmentations.STRENGTH.times(strength))


def either(one, other):
    """Each copy is by the one or by the other, with equal chance."""
    def augmentation(x, rng, task=None):
        coin = torch.rand(x.shape[:2], device=x.device, generator=rng) < 0.5
        return torch.where(coin[..., None, None, None], one(x, rng, task), other(x, rng, task))
    return augmentation


def trained_generator(path, classes, seed, options):
    """G(z, example, task) trained on the classes, or read from `path` where that is done."""
    if not path.exists():
        runtime.seed_everything(seed)
        G, D = networks.WarpGenerator().to(options.device), networks.PairDiscriminator().to(options.device)
        trained = pairs.train_generator(G, D, classes, n_steps=LONGER[options.profile] * ITERATIONS,
                                        rng=runtime.rng(seed, options.device), path=path.with_suffix(".part"))
        checkpoints.save(path, trained.G.state_dict())
        print(path.stem, flush=True)
    return load(networks.WarpGenerator, path, options.device)


def trained_network(path, classes, seed, augmentation, options):
    """A ProtoNet trained on augmented copies of the classes (None: on the drawings), or read from `path`."""
    def make():
        return networks.ConvNet(1, width=64, keep_map=True).to(options.device)

    if not path.exists():
        runtime.seed_everything(seed)
        place = placements.in_training(augmentation) if augmentation else None
        network = learners.train_protonet(make(), classes, n_steps=LONGER[options.profile] * STEPS, place=place,
                                          rng=runtime.rng(seed, options.device), path=path.with_suffix(".part"))
        checkpoints.save(path, network.state_dict())
        print(path.stem, flush=True)
    return load(make, path, options.device)


def score(network, augmentation, classes, seed, oracle=False):
    """{alphabet: accuracy on each episode} of averaged features; the episodes depend on the seed alone.

    oracle: five more real drawings of each class join the support.
    """
    found = {}
    learner = learners.protonet(network, N_VERSIONS if augmentation else 1, augmentation, runtime.rng(1000 + seed))
    if not oracle:
        learner = placements.first_shots(learner, 1)
    for alphabet in dict.fromkeys(classes.alphabets):
        members = of(classes, [alphabet])
        kind = Kind(min(20, len(members.names)), 1 + N_EXTRA, 3, within_alphabet=True)
        found[alphabet] = accuracies(learner, members, kind, n_episodes=N_EPISODES, rng=runtime.rng(seed), chunk=1)
    return found


def tune(number, options):
    """{"classical" or "GAN": (in training, at test time)}: the best on two alphabets held out of the training ones."""
    path = FOLDER / f"{number}-tuned.safetensors"
    if path.exists():
        return checkpoints.load(path)
    names, held = inner_fold(number)
    classes, val = (of(eight_alphabets(), part).to(options.device) for part in (names, held))
    G = trained_generator(FOLDER / f"{number}-inner-G.safetensors", classes.turned(), 0, options)
    best = {}
    for arm, make, sizes in (("classical", classical, STRENGTHS), ("GAN", partial(copies_by, G), REACHES)):
        errors = {}
        for in_training in sizes[0]:
            network = trained_network(FOLDER / f"{number}-inner-{arm}-{in_training}.safetensors", classes.turned(), 0,
                                      make(in_training), options)
            for at_test in sizes[1]:
                found = score(network, make(at_test), val, 0)
                errors[in_training, at_test] = 1 - torch.stack([x.mean() for x in found.values()]).mean().item()
        best[arm] = min(errors, key=errors.get)
        print(number, arm, {key: round(100 * error, 1) for key, error in errors.items()}, flush=True)
    checkpoints.save(path, best)
    return best


def arms_of(number, seed, options):
    """{arm: (augmentation in training, augmentation at test time)} of one seed in one fold; trains its generator."""
    best = tune(number, options)
    G = trained_generator(FOLDER / f"{number}-{seed}-G.safetensors", of(eight_alphabets(), fold(number)[0]).turned()
                          .to(options.device), seed, options)
    warped = [classical(strength) for strength in best["classical"]]
    generated = [copies_by(G, reach) for reach in best["GAN"]]
    return {"classical": warped, "GAN": generated, "no augmentation": (None, None),
            "shuffled GAN": [copies_by(G, reach, shuffled=True) for reach in best["GAN"]],
            "both": [either(*pair) for pair in zip(generated, warped)]}


def train(options):
    """Score every arm of every seed in every fold, unless that is done."""
    for seed, number in itertools.product(options.seeds, options.folds):
        path = FOLDER / f"{number}-{seed}-scores.safetensors"
        if path.exists():
            continue
        (names, held), classes = fold(number), eight_alphabets()
        train, test = (of(classes, part).to(options.device) for part in (names, held))
        scores = {}
        for arm, (in_training, at_test) in arms_of(number, seed, options).items():
            if arm in PRIMARY or seed in EXPLORED:
                network = trained_network(FOLDER / f"{number}-{seed}-{arm.replace(' ', '-')}.safetensors",
                                          train.turned(), seed, in_training, options)
                scores[arm] = score(network, at_test, test, seed)
                if arm == "classical":
                    scores["oracle"] = score(network, at_test, test, seed, oracle=True)
        checkpoints.save(path, scores)
        print(number, seed, {arm: round(100 * torch.stack([x.mean() for x in found.values()]).mean().item(), 1)
                             for arm, found in scores.items()}, flush=True)


def permutation_p(values):
    """How often the mean of values [n] is as far from 0 if each sign is turned by chance: all 2^n ways."""
    signs = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=len(values))), dtype=torch.float64)
    means = (signs * values.double()).mean(1).abs()
    return (means >= values.double().mean().abs() - 1e-12).double().mean().item()


def test(options):
    """Write figures/results/trial.jsonl: every interval is over the eight alphabets, each the mean of its seeds."""
    results = shared.results("trial", profile=options.profile, device=options.device, split="test",
                             dataset="omniglot, eight alphabets")
    runs = {(number, seed): checkpoints.load(FOLDER / f"{number}-{seed}-scores.safetensors")
            for number in FOLDS for seed in SEEDS}
    chosen = {str(number): checkpoints.load(FOLDER / f"{number}-tuned.safetensors") for number in FOLDS}

    def by_alphabet(arm, seeds):
        """{alphabet: accuracy, the mean over its episodes and these seeds}"""
        found = {}
        for (_, seed), scores in runs.items():
            if seed in seeds:
                for alphabet, values in scores[arm].items():
                    found.setdefault(alphabet, []).append(values.mean())
        return {alphabet: torch.stack(values).mean() for alphabet, values in sorted(found.items())}

    def add(name, values, unit="accuracy", **about):
        """A record whose interval is over alphabets."""
        record = results.add(name, torch.stack([*values.values()]), unit=unit, setting="inductive", by_alphabet={
            alphabet: round(value.item(), 4) for alphabet, value in values.items()}, **about)
        print(name, about, f"{100 * record['value']:.2f} ± {50 * (record['high'] - record['low']):.2f}", flush=True)

    for arm in (*ARMS, "oracle"):
        seeds = SEEDS if arm in (*PRIMARY, "oracle") else EXPLORED
        add("accuracy", by_alphabet(arm, seeds), arm=arm, seeds=len(seeds), tuned=chosen if arm in PRIMARY else {})
    for a, b in (*itertools.combinations(ARMS, 2), ("oracle", "classical"), ("oracle", "GAN")):
        primary = (a, b) == PRIMARY
        seeds = SEEDS if {a, b} <= {*PRIMARY, "oracle"} else EXPLORED
        one, other = by_alphabet(a, seeds), by_alphabet(b, seeds)
        apart = {alphabet: one[alphabet] - other[alphabet] for alphabet in one}
        p = permutation_p(torch.stack([*apart.values()]))
        add("difference", apart, arm=f"{a} - {b}", seeds=len(seeds), p=p, role="primary" if primary else "exploratory")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("train", "test"))
    parser.add_argument("--folds", type=int, nargs="+", default=FOLDS)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--profile", choices=tuple(LONGER), default="cpu")
    options = parser.parse_args()
    options.device = DEVICE[options.profile]
    {"train": train, "test": test}[options.what](options)


if __name__ == "__main__":
    main()
