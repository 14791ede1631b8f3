"""Where should generated drawings enter? A ProtoNet with few characters to learn from, trained and tested in many ways.

    python studies/placements.py train       (half an hour on 2 cores; goes on where it was stopped)
    python studies/placements.py test        (writes figures/results/placements.jsonl)
    --profile gpu                            (everything ten times as long, on cuda)

The learner trains on the first five simulated alphabets (125 characters, as few as omniglot-small1 has) for 500 steps,
three seeds, and is scored on the validation alphabets, 20-way 1-shot within an alphabet. What differs is where
augmented copies, by a generator or classical ones at full or half strength, take the place of real drawings in
training, and what is averaged at test time. The generator trains on the same five alphabets; cross-fitted, on five
others.
"""

import argparse
from functools import partial

import torch

import shared
from course_lib import augmentations, checkpoints, datasets, gan, learners, losses, networks, pairs, penalties, runtime
from course_lib import placements as places
from course_lib.statistics import paired_difference
from shared import DEVICE, LONGER, Kind, accuracies, load

FOLDER = runtime.project_root() / "runs" / "placements"
SEEDS, STEPS, ITERATIONS, SKETCH_ITERATIONS, N_VERSIONS, N_EPISODES = range(3), 500, 2000, 800, 8, 24
KIND = Kind(20, 1, 5, within_alphabet=True)


def alphabets(first, last):
    """The simulated alphabets with these numbers."""
    classes = datasets.load("glyphs")
    return classes.take(i for i, name in enumerate(classes.alphabets) if first <= int(name[-2:]) <= last)


def few(profile):
    return alphabets(0, 4).to(DEVICE[profile])


def train_generator(name, classes, profile):
    """Train G(z, example, task) on pairs of these classes, unless that is done."""
    path = FOLDER / f"{name}.safetensors"
    if not path.exists():
        runtime.seed_everything(0)
        device = DEVICE[profile]
        G, D = networks.WarpGenerator().to(device), networks.PairDiscriminator().to(device)
        G = pairs.train_generator(G, D, classes.to(device), n_steps=LONGER[profile] * ITERATIONS,
                                  rng=runtime.rng(0, device), path=path.with_suffix(".part")).G
        checkpoints.save(path, G.state_dict())


def train_sketcher(classes, profile):
    """Train G(z), as in notebook 03, unless that is done. It invents the characters of the hallucinated classes."""
    path = FOLDER / "sketcher.safetensors"
    if path.exists():
        return
    runtime.seed_everything(0)
    images, device = classes.ink.view(-1, 1, 28, 28), DEVICE[profile]
    trained = gan.fit(networks.ImageGenerator().to(device), networks.ImageDiscriminator().to(device), ema=0.995,
                      n_steps=LONGER[profile] * SKETCH_ITERATIONS,
                      draw=lambda g: (images[torch.randint(len(images), (64,), generator=g, device=device)],),
                      loss=losses.NON_SATURATING, penalty=partial(penalties.r1, gamma=1.0), lr=(2e-3, 2e-3),
                      betas=(0.0, 0.99), rng=runtime.rng(0, device), path=path.with_suffix(".part"))
    checkpoints.save(path, trained.G.state_dict())


def augmented_by(profile):
    """{name: augmentation}"""
    Gs = {"GAN": FOLDER / "same.safetensors", "GAN, cross-fitted": FOLDER / "cross.safetensors"}
    found = {name: augmentations.generated(load(networks.WarpGenerator, path, DEVICE[profile]))
             for name, path in Gs.items()}
    classical = augmentations.classical()
    half = augmentations.classical(augmentations.STRENGTH.times(0.5))
    both = augmentations.chain(found["GAN"], classical)
    return found | {"classical": classical, "half classical": half, "GAN + classical": both}


def places_of(profile):
    """{name: function (Episodes, rng) -> Episodes}, at work on every training episode."""
    by = augmented_by(profile)
    sketcher = load(networks.ImageGenerator, FOLDER / "sketcher.safetensors", DEVICE[profile])
    both = {f"{name}: support and query": places.in_training(augmentation) for name, augmentation in by.items()}
    return {"no augmentation": lambda tasks, rng: tasks,
            "GAN: support": lambda tasks, rng: tasks._replace(support_x=by["GAN"](tasks.support_x, rng)),
            "GAN: query": lambda tasks, rng: tasks._replace(query_x=by["GAN"](tasks.query_x, rng, tasks.support_x)),
            "GAN: hallucinated classes": partial(hallucinated, sketcher, by["GAN"]), **both}


@torch.no_grad()
def hallucinated(sketcher, augmentation, tasks, rng):
    """Half of the classes become hallucinated ones: the sketcher invents a character, the other generator draws it."""
    n_way, q_query = tasks.support_x.shape[1], tasks.query_x.shape[1] // tasks.support_x.shape[1]
    new = sketcher(gan.noise(sketcher, n_way // 2, rng))[None]                    # [1, N/2, 1, 28, 28]
    support_x, query_x = tasks.support_x.clone(), tasks.query_x.clone()
    support_x[:, :n_way // 2] = new
    query_x[:, :n_way // 2 * q_query] = augmentation(new.repeat_interleave(q_query, dim=1), rng, support_x)
    return tasks._replace(support_x=support_x, query_x=query_x)


def joint_backward(G, rng, network, tasks):
    """Learner and generator descend the learner's loss together: prototypes are means of an example and one of G's.

    Where G's parameters ask for no gradient, only the learner does: the control.
    """
    z = gan.noise(G, tasks.support_x.shape[1], rng)
    drawn = G(z, tasks.support_x[0][:, None], tasks.support_x)[None]
    enlarged = torch.cat([tasks.support_x, drawn], dim=1)
    return learners.protonet_backward(network, tasks._replace(support_x=enlarged,
                                                              support_y=tasks.support_y.repeat(1, 2)))


def train_learner(name, seed, profile):
    path = FOLDER / f"{name}-{seed}.safetensors"
    if path.exists():
        return
    runtime.seed_everything(seed)
    network, rng = networks.ConvNet(1, width=32).to(DEVICE[profile]), runtime.rng(seed, DEVICE[profile])
    train = partial(learners.train_protonet, network, few(profile), n_way=60, n_steps=LONGER[profile] * STEPS, rng=rng)
    if name in ("GAN: one added", "GAN: jointly"):
        G = load(networks.WarpGenerator, FOLDER / "same.safetensors", DEVICE[profile]).train()
        G.requires_grad_(name == "GAN: jointly")
        train(gradient=partial(joint_backward, G, rng), G=G, optimiser=lambda _, lr: torch.optim.Adam(
            [{"params": network.parameters()}, {"params": G.parameters(), "lr": 2e-4}], lr))
        checkpoints.save(path.with_stem(path.stem + "-G"), G.state_dict())
    else:
        train(place=places_of(profile)[name])
    checkpoints.save(path, network.state_dict())
    print(name, seed, flush=True)


NAMES = ("no augmentation", "classical: support and query", "half classical: support and query", "GAN: support",
         "GAN: query", "GAN: support and query", "GAN + classical: support and query",
         "GAN, cross-fitted: support and query", "GAN: hallucinated classes", "GAN: one added", "GAN: jointly")


def at_test(network, G, seed):
    """{what is averaged: learner}"""
    rng, plain = runtime.rng(1000 + seed, network.head.weight.device), learners.protonet(network)
    by_gan, classical = augmentations.generated(G), augmentations.classical(augmentations.STRENGTH.times(0.5))
    averaged = partial(learners.protonet, network, N_VERSIONS, rng=rng)
    return {"no augmentation": plain,
            "support, GAN": places.with_support(plain, places.adding(by_gan, N_VERSIONS - 1), rng),
            "support and query, GAN": averaged(augmentation=by_gan),
            "support and query, half classical": averaged(augmentation=classical),
            "support and query, GAN + half classical": averaged(augmentation=augmentations.chain(by_gan, classical))}


def test(profile):
    results = shared.results("placements", dataset="glyphs", split="val", profile=profile, device=DEVICE[profile],
                             seed="all")
    val, base = datasets.load("glyphs", split="val").to(DEVICE[profile]), None
    for name in NAMES:
        scores = {}
        for seed in SEEDS:
            network = load(partial(networks.ConvNet, 1, width=32), FOLDER / f"{name}-{seed}.safetensors",
                           DEVICE[profile])
            G = load(networks.WarpGenerator, FOLDER / (f"{name}-{seed}-G.safetensors" if name == "GAN: jointly"
                                                       else "same.safetensors"), DEVICE[profile])
            for what, learner in at_test(network, G, seed).items():
                accuracy = accuracies(learner, val, KIND, n_episodes=N_EPISODES, chunk=5,
                                      rng=runtime.rng(seed, DEVICE[profile]))
                scores.setdefault(what, []).append(accuracy)
        base = base or scores
        for what, runs in scores.items():
            runs, reference = torch.cat(runs), torch.cat(base["no augmentation"])
            about = {"unit": "error", "setting": "inductive", "arm": name, "at_test": what}
            results.add("error", 1 - runs, **about)
            results.add("error less than without any augmentation", paired_difference(runs, reference), **about)
        print(name, *(f"{what} {100 - 100 * torch.cat(runs).mean():.1f}" for what, runs in scores.items()), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("train", "test"))
    parser.add_argument("--profile", choices=tuple(LONGER), default="cpu")
    options = parser.parse_args()
    if options.what == "test":
        return test(options.profile)
    train_generator("same", few(options.profile), options.profile)
    train_generator("cross", alphabets(5, 9), options.profile)
    train_sketcher(few(options.profile), options.profile)
    for seed in SEEDS:
        for name in NAMES:
            train_learner(name, seed, options.profile)


if __name__ == "__main__":
    main()
