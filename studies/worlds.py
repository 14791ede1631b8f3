"""What carries over to other worlds: a learner's features, and a generator's knowledge of how copies differ.

    COURSE_DATA=... python studies/worlds.py train [--seeds 0 1 2]      (an hour on one core; goes on where it stopped)
    COURSE_DATA=... python studies/worlds.py tune                       (strengths, on validation classes)
    COURSE_DATA=... python studies/worlds.py test                       (writes worlds.jsonl)

Five worlds train: glyphs, print, spoken, textures and Omniglot. Each has a generator of its own (warps, against a
discriminator of pairs) and learners of its own (ProtoNets). For each world there are also a generator and a learner of
*all other* worlds, and there is one of each for all five; its generator with and without the task description. All have
the same network and the same number of steps. Three worlds never train: digits, spoken digits of real people, and
Fashion-MNIST, which no choice of this study ever saw. Drawings of ink are normalised; textures and sounds are not.

A learner is trained on 1-shot tasks, in which every image gives way to a copy: by nobody, by classical augmentation,
by the generator of its own world, or by the generator of all other worlds. It is tested on Meta-Dataset's episodes,
`episodes.sample_varied`, of test classes. All arms see the same episodes. Classical augmentation and the generators
have one knob each, a factor of their strength, chosen on validation classes, with generators of slower rates and an
earlier `spoken`; it was not chosen again for these. Then samples cross worlds: in 5-way 1-shot
episodes the support gets COPIES copies of each example by another world's generator, and one learner judges them all.
"""

import argparse
import itertools
from typing import NamedTuple

import torch
from torch.nn.functional import cross_entropy

import shared
from course_lib import (
    augmentations,
    checkpoints,
    datasets,
    episodes,
    gan,
    learners,
    losses,
    networks,
    pairs,
    placements,
    quality,
    runtime,
    statistics,
)
from little_data import RATES

SEEDS = (0,)
FOLDER = runtime.project_root() / "runs" / "worlds"
COPIES, N_EPISODES, N_SMALL = 5, 40, 200        # episodes for each seed: varied ones, and 5-way 1-shot ones
LEARNER_STEPS, G_STEPS = 600, 600
REPEATS = 5             # means of gradients in each world
FACTORS = (0.25, 0.5, 1.0)
STRENGTH = {"classical": 0.25, "G": 1.0}         # from `tune`


class World(NamedTuple):
    """Where the classes of a world lie: (dataset, split) of each use; ink is normalised."""

    train: tuple = None
    val: tuple = None
    test: tuple = None
    ink: bool = False


def split(name, ink=False):
    return World((name, "train"), (name, "val"), (name, "test"), ink)


WORLDS = {"glyphs": split("glyphs", ink=True), "print": split("print", ink=True), "spoken": split("spoken"),
          "textures": split("textures"),
          "omniglot": World(("omniglot-small1", "train"), ("omniglot-small1", "val"), ("omniglot-small2", "test"),
                            ink=True),
          "digits": World(test=("digits", "all"), ink=True), "spoken digits": World(test=("spoken-digits", "all")),
          "fashion": World(test=("fashion-mnist", "all"))}
TRAINED = tuple(name for name, world in WORLDS.items() if world.train)
SETS = {name: (name,) for name in TRAINED} | {"all": TRAINED, "all, no task": TRAINED} | {
    f"all but {name}": tuple(other for other in TRAINED if other != name) for name in TRAINED}


def classes_of(name, use):
    dataset, part = getattr(WORLDS[name], use)
    classes = datasets.load(dataset, split=part)
    return classes.normalised() if WORLDS[name].ink else classes


def but(name):
    """The set of all worlds but this one."""
    return f"all but {name}" if name in TRAINED else "all"


def learner_network():
    return networks.ConvNet(1, width=32, keep_map=True)


def path_of(kind, *names):
    return FOLDER / f"{'-'.join(map(str, (kind, *names)))}.safetensors"


def train_generators(seed):
    """The generator of every set of worlds, and its discriminator, unless they are there."""
    for name, members in SETS.items():
        if not path_of("G", name, seed).exists():
            runtime.seed_everything(seed)
            task, worlds = name != "all, no task", [classes_of(member, "train") for member in members]
            D = networks.PairDiscriminator(task=task)
            G = gan.fit(networks.WarpGenerator(task=task), D, pairs.sampler(*worlds, n_tasks=2), n_steps=G_STEPS,
                        loss=losses.NON_SATURATING, penalty=pairs.PENALTY, lr=RATES, betas=(0.0, 0.99), ema=0.99,
                        rng=runtime.rng(seed)).G
            checkpoints.save(path_of("D", name, seed), D.state_dict())
            checkpoints.save(path_of("G", name, seed), G.state_dict(), dataset=" + ".join(members), profile="cpu",
                             seed=seed, kind="warp", task=task, steps=G_STEPS, made_by="studies/worlds.py")


def arms_of(name):
    """{arm: what augments the training of a learner of this set of worlds}, the latter a name of `augmentation_of`."""
    arms = {"none": "none", "classical": "classical", "G, own": name}
    return arms | {"G, other worlds": but(name)} if name in TRAINED else arms


def train_learner(name, how, seed, factor=None):
    """A learner of a set of worlds, whose training images are copies; from its file where there is one."""
    path, network = path_of("learner", name, how, *([factor] if factor else []), seed), learner_network()
    if path.exists():
        return checkpoints.load_into(network, path).eval()
    runtime.seed_everything(seed)
    network, augmentation = learner_network(), augmentation_of(how, seed, factor)
    learners.train_protonet(network, *(classes_of(member, "train") for member in SETS[name]), n_steps=LEARNER_STEPS,
                            n_way=20, rng=runtime.rng(seed),
                            place=placements.in_training(augmentation) if augmentation else None)
    checkpoints.save(path, network.state_dict(), dataset=" + ".join(SETS[name]), profile="cpu", seed=seed,
                     kind="ProtoNet", augmentation=how, steps=LEARNER_STEPS, made_by="studies/worlds.py")
    return network.eval()


def train(seed):
    train_generators(seed)
    for name in (name for name in SETS if name != "all, no task"):
        for how in arms_of(name).values():
            train_learner(name, how, seed)
        print(seed, name, flush=True)


class Pixels:
    """A network that has learned nothing: its features are the pixels."""

    def features(self, x):
        return x.flatten(1)


def augmentation_of(name, seed, factor=None):
    """By name: "none", "classical", or a generator's set of worlds."""
    if name == "none":
        return None
    if name == "classical":
        return augmentations.classical(augmentations.STRENGTH.times(factor or STRENGTH["classical"]))
    G = shared.load(lambda: networks.WarpGenerator(task="no task" not in name), path_of("G", name, seed))
    return shared.scaled(G, factor or STRENGTH["G"])


@torch.no_grad()
def accuracies_of(tried, tasks_of_all):
    """{name: accuracy in each task} of prototypes in the features of networks, {name: network}."""
    found = {name: [] for name in tried}
    for tasks in tasks_of_all:
        for name, network in tried.items():
            labels = learners.protonet_logits(network.features, tasks).argmax(2)
            found[name].append((labels == tasks.query_y).double().mean(1))
    return {name: torch.cat(values) for name, values in found.items()}


def varied(world, use, seed):
    """N_EPISODES varied episodes of a world, the same at each call."""
    rng, classes = runtime.rng(100 + seed), classes_of(world, use)
    return (episodes.sample_varied(classes, rng=rng) for _ in runtime.progress(range(N_EPISODES), desc=world))


def tune():
    """Print the gain of each factor on validation classes, in each world: own learner, copies in training, seed 0."""
    for kind in STRENGTH:
        rows = []
        for world in TRAINED:
            how = world if kind == "G" else kind
            tried = {factor: train_learner(world, how, 0, factor) for factor in FACTORS}
            found = accuracies_of({"none": train_learner(world, "none", 0), **tried}, varied(world, "val", 0))
            rows.append([100 * (found[factor] - found["none"]).mean().item() for factor in FACTORS])
            print(kind, world, f"{100 * found['none'].mean():.1f}", [f"{gain:+.1f}" for gain in rows[-1]], flush=True)
        print(kind, FACTORS, [f"{sum(gains) / len(gains):+.2f}" for gains in zip(*rows)], flush=True)


@torch.no_grad()
def distances(world, seed):
    """{generator: energy distance of its copies to the other drawings, mean over the test classes}, over the usual one.

    In the features of the learner of all worlds. The copies are of each class's first drawing; each alphabet is a task,
    of at most 12 classes. Usual: the mean distance of two drawings of one class.
    """
    classes, network = classes_of(world, "test"), train_learner("all", "none", seed)
    ink = classes.ink.view(len(classes.names), -1, 1, 28, 28)
    ink = ink[:, ::max(1, ink.shape[1] // 20)][:, :20]           # of all who drew or spoke
    tasks = [rows for alphabet in dict.fromkeys(classes.alphabets)
             for rows in torch.tensor([i for i, a in enumerate(classes.alphabets) if a == alphabet]).split(12)]
    features = network.features(ink.flatten(0, 1)).view(*ink.shape[:2], -1)
    usual, found = torch.stack([torch.pdist(each).mean() for each in features]).mean(), {}
    for name in ("none", "classical", *SETS):
        augmentation, rng, drawn = augmentation_of(name, seed), runtime.rng(seed), []
        for rows in tasks:
            x = ink[rows, :1].expand(-1, ink.shape[1] - 1, -1, -1, -1)                  # [N, n, 1, 28, 28]
            task = ink[rows, 0][None]
            drawn.append(augmentation(x.reshape(1, -1, 1, 28, 28), rng, task).view_as(x) if augmentation else x)
        copies = network.features(torch.cat(drawn).flatten(0, 1)).view(len(ink), -1, features.shape[-1])
        found[name] = torch.stack([quality.energy_distance(*pair) for pair in zip(copies, features[:, 1:])]) / usual
    return found


def gradient(loss_of, parameters, n=20):
    """The direction of the mean gradient of loss_of() over n calls: a vector of length 1."""
    total = 0
    for _ in range(n):
        total = total + torch.cat([g.flatten() for g in torch.autograd.grad(loss_of(), parameters)])
    return torch.nn.functional.normalize(total, dim=0)


def cosines(seed):
    """{player: directions of gradients [worlds, REPEATS, n]}, REPEATS independent ones of each world."""
    network, rng = train_learner("all", "none", seed).train(), runtime.rng(seed)
    G = shared.load(networks.WarpGenerator, path_of("G", "all", seed))
    D = shared.load(networks.PairDiscriminator, path_of("D", "all", seed))
    of = {"learner": [], "G": []}
    for name in TRAINED:
        classes = classes_of(name, "train")
        draw = pairs.sampler(classes)

        def learner_loss(classes=classes):
            tasks = episodes.sample(classes, n_way=20, k_shot=1, q_query=3, n_tasks=1, rng=rng)
            logits = learners.protonet_logits(network.features, tasks)
            return cross_entropy(logits.flatten(0, 1), tasks.query_y.flatten())

        def g_loss(draw=draw):
            real, x, task = draw(rng)
            return losses.NON_SATURATING.g(D(G(gan.noise(G, len(real), rng), x, task), x, task))

        for player, loss, parameters in (("learner", learner_loss, [*network.blocks.parameters()]),
                                         ("G", g_loss, [*G.parameters()])):
            of[player].append(torch.stack([gradient(loss, parameters) for _ in range(REPEATS)]))
    return {player: torch.stack(each) for player, each in of.items()}


CROSS = ("classical", *TRAINED, "all", "all, no task")      # who draws copies for the learner of all worlds


@torch.no_grad()
def crossed(world, seed):
    """{who draws: accuracies} of the learner of all worlds, 5-way 1-shot, with COPIES copies of each example."""
    network, rng = train_learner("all", "none", seed), runtime.rng(200 + seed)
    tasks = episodes.sample(classes_of(world, "test"), n_way=5, k_shot=1, q_query=5, n_tasks=N_SMALL, rng=rng)
    found = {}
    for name in ("none", *CROSS):
        augmentation, rng, given = augmentation_of(name, seed), runtime.rng(seed), tasks
        if augmentation:
            x, y = placements.adding(augmentation, COPIES)(tasks.support_x, tasks.support_y, rng)
            given = tasks._replace(support_x=x, support_y=y)
        labels = learners.protonet_logits(network.features, given).argmax(2)
        found[name] = (labels == tasks.query_y).double().mean(1)
    return found


def standing(gains):
    """Which of the gains, a list of values [n] each, differ from 0 at level 0.05, all taken together (Holm 1979)."""
    z = torch.stack([values.mean() / values.std() * len(values) ** 0.5 for values in gains])
    return statistics.holm(torch.erfc(z.nan_to_num().abs() / 2 ** 0.5), 0.05).tolist()


def test(seeds=SEEDS):
    """Every arm in every world, on the same episodes; every difference is paired, over the episodes of all seeds."""
    results = shared.results("worlds", profile="cpu", seed=0, device="cpu", dataset="-")

    def add(name, values, arm, unit="accuracy", **details):
        results.add(name, values, unit=unit, arm=arm, setting="inductive", seeds=len(seeds), **details)

    found, small = {}, {}       # {(world, learner, arm): values [seeds * N_EPISODES]}, {(world, who draws): values}
    for world in WORLDS:
        rows = [*TRAINED, but(world), *(["all"] if world in TRAINED else [])]
        for seed in seeds:
            tried = {(row, arm): train_learner(row, how, seed) for row in rows for arm, how in arms_of(row).items()}
            tried["pixels", "none"] = Pixels()
            for key, values in accuracies_of(tried, varied(world, "test", seed)).items():
                found.setdefault((world, *key), []).append(values)
            for name, values in crossed(world, seed).items():
                small.setdefault((world, name), []).append(values)
        print(world, flush=True)
    found, small = ({key: torch.cat(each) for key, each in parts.items()} for parts in (found, small))
    gains = {key: values - found[*key[:2], "none"] for key, values in found.items() if key[2] != "none"}
    cells = [key for key in gains if key[1] in TRAINED]
    stands = dict(zip(cells, standing([gains[key] for key in cells])))
    for (world, row, arm), values in found.items():
        add("accuracy", values, row, copies=arm, world=world)
        if arm != "none":
            add("gain", gains[world, row, arm], row, copies=arm, world=world, stands=stands.get((world, row, arm)))
        if arm.startswith("G"):
            add("gain over classical", values - found[world, row, "classical"], row, copies=arm, world=world)
    for (world, name), values in small.items():
        add("accuracy, 5-way 1-shot", values, name, world=world)
        if name != "none":
            add("gain, 5-way 1-shot", values - small[world, "none"], name, world=world)
    for world in WORLDS:
        for row in ("all", but(world)) if world in TRAINED else ():
            add("accuracy, difference", found[world, row, "none"] - found[world, world, "none"], f"{row} - own",
                world=world)
        pairs_of_G = [("all", "all, no task"), *([("all", world)] if world in TRAINED else [])]
        apart = [distances(world, seed) for seed in seeds]
        apart = {name: torch.cat([each[name] for each in apart]) for name in apart[0]}
        for name, values in apart.items():
            add("distance to the truth", values, name, unit="usual distances", world=world)
        for one, other in pairs_of_G:
            add("gain, 5-way 1-shot, difference", small[world, one] - small[world, other], f"{one} - {other}",
                world=world)
            add("distance to the truth, difference", apart[one] - apart[other], f"{one} - {other}",
                unit="usual distances", world=world)

    def mean(values):
        return torch.stack(list(values)).mean(0)

    for arm, row in (("own", "{}"), ("all other worlds", "all but {}"), ("all", "all"), ("pixels", "pixels")):
        add("mean accuracy", mean(found[w, row.format(w), "none"] for w in TRAINED), arm, copies="none")
    columns = {"all cells": WORLDS, "tested abroad, in worlds that train": TRAINED,
               "tested where nothing trains": [w for w in WORLDS if w not in TRAINED]}
    for where, tested in columns.items():
        cells_of = [(w, row) for w in tested for row in TRAINED if "abroad" not in where or w != row]
        of = {copies: mean(gains[*cell, copies] for cell in cells_of)
              for copies in ("classical", "G, own", "G, other worlds")}
        for copies, values in of.items():
            add("mean gain", values, where, copies=copies)
        add("mean gain over classical", of["G, other worlds"] - of["classical"], where, copies="G, other worlds")
    for copies in ("classical", "G, own", "G, other worlds"):
        add("mean gain", mean(gains[w, w, copies] for w in TRAINED), "at home", copies=copies)
    crossing = {(w, name): small[w, name] - small[w, "none"] for w, name in small}
    add("mean gain, 5-way 1-shot", mean(crossing[w, w] for w in TRAINED), "the world's own G")
    add("mean gain, 5-way 1-shot", mean(crossing[w, "classical"] for w in TRAINED), "classical")
    add("mean gain, 5-way 1-shot", mean(crossing[w, g] for w in TRAINED for g in TRAINED if g != w),
        "another world's G")
    add("mean gain, 5-way 1-shot", mean(small[w, "all"] - small[w, "all, no task"] for w in WORLDS),
        "all - all, no task")
    each = [cosines(seed) for seed in seeds]
    for player in ("learner", "G"):
        for i, j in itertools.combinations_with_replacement(range(len(TRAINED)), 2):
            values = torch.cat([(g[player][i] * g[player][j].roll(1, 0)).sum(1) for g in each])
            add("cosine of gradients", values, player, unit="cosine", worlds=[TRAINED[i], TRAINED[j]])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=["train", "tune", "test"])
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    options = parser.parse_args()
    if options.what == "train":
        for seed in options.seeds:
            train(seed)
    elif options.what == "tune":
        tune()
    else:
        test(options.seeds)
