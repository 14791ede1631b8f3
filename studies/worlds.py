"""What carries over to other worlds: a learner's features, and a generator's knowledge of how copies differ.

    COURSE_DATA=... python studies/worlds.py train [--seeds 0 1 2]      (TRAINTIME on one core; goes on where it stopped)
    COURSE_DATA=... python studies/worlds.py tune                       (strengths, on validation classes)
    COURSE_DATA=... python studies/worlds.py test                       (writes worlds.jsonl)

Five worlds train: glyphs, print, spoken, textures and Omniglot. Each has a learner of its own (a ProtoNet) and a
generator of its own (warps, against a discriminator of pairs). For each world there are also a learner and a generator
of *all other* worlds, and there is one of each for all five, the generator with and without its task description. All
have the same network and the same number of steps. Three worlds never train: digits, spoken digits of real people, and
Fashion-MNIST, which no choice of this study ever saw. Drawings of ink are normalised; textures and sounds are not.

Episodes are Meta-Dataset's, `episodes.sample_varied`, on the test classes. The copies enter by test-time augmentation, the
best place in notebook 10: the features of support and query are means over the image and COPIES copies of it. Classical
augmentation and all generators have one knob each, a factor of their strength, chosen on validation classes. Every arm
sees the same episodes.
"""

import argparse
import itertools
from typing import NamedTuple

import torch
from torch.nn.functional import cross_entropy

import shared
from course_lib import (
    augmentations, checkpoints, datasets, episodes, learners, networks, pairs, placements, quality, runtime,
)
from course_lib.statistics import mean_interval

SEEDS = (0, 1, 2)
FOLDER = runtime.project_root() / "runs" / "worlds"
COPIES, N_EPISODES = 3, 30          # N_EPISODES for each seed
LEARNER_STEPS, G_STEPS = 600, 600
FACTORS = (0.25, 0.5, 1.0)
STRENGTH = {"classical": 0.5, "G": 1.0}         # from `tune`


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
          "omniglot": World(("omniglot-small1", "train"), ("omniglot-small1", "val"), ("omniglot-small2", "test"), True),
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
    """The set of all other worlds."""
    return f"all but {name}" if name in TRAINED else "all"


def learner_network():
    return networks.ConvNet(1, width=32, keep_map=True)


def path_of(kind, name, seed):
    return FOLDER / f"{kind}-{name}-{seed}.safetensors"


def train(seed):
    """The learners and the generators of every set of worlds, unless they are there."""
    worlds = {name: classes_of(name, "train") for name in TRAINED}
    for name, members in SETS.items():
        mine, made = [worlds[member] for member in members], {"seed": seed, "worlds": list(members), "profile": "cpu",
                                                              "dataset": " + ".join(members),
                                                              "made_by": "studies/worlds.py"}
        if name != "all, no task" and not path_of("learner", name, seed).exists():
            runtime.seed_everything(seed)
            network = learners.train_protonet(learner_network(), *mine, n_steps=LEARNER_STEPS, n_way=20,
                                              rng=runtime.rng(seed))
            checkpoints.save(path_of("learner", name, seed), network.state_dict(), **made, kind="ProtoNet",
                             steps=LEARNER_STEPS)
        if not path_of("G", name, seed).exists():
            runtime.seed_everything(seed)
            task = name != "all, no task"
            D = networks.PairDiscriminator(task=task)
            G = pairs.train_generator(networks.WarpGenerator(task=task), D, *mine, n_steps=G_STEPS,
                                      rng=runtime.rng(seed)).G
            checkpoints.save(path_of("D", name, seed), D.state_dict())
            checkpoints.save(path_of("G", name, seed), G.state_dict(), **made, kind="warp", task=task, steps=G_STEPS)
        print(seed, name, flush=True)


class Pixels:
    """A network that has learned nothing: its features are the pixels."""

    def eval(self):
        return self

    def features(self, x):
        return x.flatten(1)


def network_of(name, seed):
    return Pixels() if name == "pixels" else shared.load(learner_network, path_of("learner", name, seed))


def generated(name, seed, factor):
    """The augmentation by a generator whose warps are `factor` times as far from none."""
    G = shared.load(lambda: networks.WarpGenerator(task="no task" not in name), path_of("G", name, seed))

    @torch.no_grad()
    def augmentation(x, rng, task=None):
        flat, task = x.flatten(0, 1), x if task is None else task
        z = torch.randn(len(flat), G.z_dim, generator=rng)
        return networks.warp(flat, *(factor * part for part in G.settings(z, flat[:, None], task))).view_as(x)
    return augmentation


def augmentation_of(name, seed, factor=None):
    """By name: "none", "classical", or a generator's set of worlds."""
    if name == "none":
        return None
    if name == "classical":
        return augmentations.classical(augmentations.STRENGTH.times(factor or STRENGTH["classical"]))
    return generated(name, seed, factor or STRENGTH["G"])


def versions_of(tasks, augmentation, seed):
    """Support and query, and COPIES copies of either: a list of `Episodes`, the originals first."""
    rng, versions = runtime.rng(seed), [tasks]
    for _ in range(COPIES if augmentation else 0):
        versions.append(tasks._replace(support_x=augmentation(tasks.support_x, rng, tasks.support_x),
                                       query_x=augmentation(tasks.query_x, rng, tasks.support_x)))
    return versions


@torch.no_grad()
def accuracy(network, versions):
    """The accuracy of prototypes in the mean features of all versions."""
    of_each = [placements.mean_features(network)(tasks) for tasks in versions]
    tasks = versions[0]._replace(support_x=sum(t.support_x for t in of_each), query_x=sum(t.query_x for t in of_each))
    labels = learners.protonet_logits(lambda features: features, tasks).argmax(2)
    return (labels == tasks.query_y).double().mean().item()


def scores(classes, arms, seed, n_episodes=N_EPISODES):
    """{(learner, augmentation): accuracies [n_episodes]} on the same episodes. arms: such pairs of names, or factors too.

    An augmentation is a name or (name, factor). Its copies are drawn once for all learners.
    """
    rng, networks_of = runtime.rng(100 + seed), {name: network_of(name, seed) for name, _ in arms}
    how = {name: augmentation_of(*(name[:1] if isinstance(name, tuple) else (name,)), seed,
                                 *(name[1:] if isinstance(name, tuple) else ())) for _, name in arms}
    found = {arm: [] for arm in arms}
    for number in runtime.progress(range(n_episodes), desc="episodes"):
        tasks = episodes.sample_varied(classes, rng=rng)
        for name, augmentation in how.items():
            versions = versions_of(tasks, augmentation, number)
            for learner in (one for one, other in arms if other == name):
                found[learner, name].append(accuracy(networks_of[learner], versions))
    return {arm: torch.tensor(values) for arm, values in found.items()}


def tune():
    """Print the gain of each factor on validation classes, of each world's own learner; seed 0."""
    for kind in STRENGTH:
        gains = {factor: [] for factor in FACTORS}
        for world in TRAINED:
            arms = [(world, "none"), *((world, (kind if kind == "classical" else world, f)) for f in FACTORS)]
            found = scores(classes_of(world, "val"), arms, 0)
            for (_, name), values in list(found.items())[1:]:
                gains[name[1]].append((values - found[world, "none"]).mean().item())
        for factor, each in gains.items():
            print(kind, factor, [round(100 * gain, 1) for gain in each], round(100 * sum(each) / len(each), 2), flush=True)


def test():
    raise NotImplementedError


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=["train", "tune", "test"])
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    options = parser.parse_args()
    if options.what == "train":
        for seed in options.seeds:
            train(seed)
    else:
        {"tune": tune, "test": test}[options.what]()
