"""Eight learners, four kinds of episodes, simulated and real characters, three seeds: the yardsticks of the course.

    COURSE_DATA=... python benchmarks/few_shot.py train        (about 1 hour on 2 cores; goes on where it was stopped)
    COURSE_DATA=... python benchmarks/few_shot.py tune         (rates and steps at test time, on glyphs' val alphabets)
    COURSE_DATA=... python benchmarks/few_shot.py test         (writes figures/results/few_shot.json and published.json)

`torchrun --nproc-per-node 2 benchmarks/few_shot.py train` gives each of two processes one of the two tasks in each step
of MAML, FOMAML, ANIL and Reptile; the others train as ever.

All learners have the same network, `ConvNet(width=32, pool=3)`. Each is trained once, on 20-way 1-shot episodes
(ProtoNet 60-way, as Snell et al. 2017 advise; the classifier on all classes at once), and serves all kinds of
episodes: a 5-way learner keeps five of the twenty rows of the head, which start from 0 and stay nearly alike.

glyphs: trained on the train alphabets, early best on the val alphabets, tested on the test alphabets.
omniglot: trained on the five alphabets of omniglot-small1 and their quarter turns, for a fixed number of steps; tested
on the alphabets that only omniglot-small2 has. There ProtoNet sees every drawing varied (`augmentations.classical`).
All rates and sizes were chosen on glyphs' val alphabets or, for the network and ProtoNet's steps and variations, on two
of the five real alphabets (Greek, Korean) after training on the other three.
"""

import argparse
import json
import os
from functools import partial
from typing import NamedTuple

import torch

from course_lib import augmentations, checkpoints, classifier, datasets, episodes, learners, maml, networks, parallel, placements, records, runtime, statistics

SEEDS = (0, 1, 2)
FOLDER = runtime.project_root() / "runs" / "few_shot"


class Kind(NamedTuple):
    """A kind of episodes."""

    n_way: int
    k_shot: int
    q_query: int
    n_episodes: int
    within_alphabet: bool = False


KINDS = {"5-way 1-shot": Kind(5, 1, 15, 120), "5-way 5-shot": Kind(5, 5, 15, 120), "20-way 1-shot": Kind(20, 1, 5, 60),
         "20-way 1-shot within alphabet": Kind(20, 1, 5, 60, True)}


class Recipe(NamedTuple):
    """How one learner is trained: outer steps on glyphs and on omniglot, their rate and optimiser, and the gradient."""

    steps: dict
    gradient: object
    n_way: int = 20
    q_query: int = 3
    n_tasks: int = 2
    lr: float = 3e-3
    optimiser: object = torch.optim.Adam
    norm: object = networks.BatchNorm
    legs: int = 1           # on glyphs
    vary: bool = False      # on omniglot: another variation of every drawing in every step


INNER = {"lr": 1.6, "steps": 1}
RECIPES = {
    "ProtoNet": Recipe({"glyphs": 900, "omniglot": 2000}, learners.protonet_backward, n_way=60, n_tasks=1,
                       norm=torch.nn.BatchNorm2d, vary=True),
    "MAML": Recipe({"glyphs": 1500, "omniglot": 500}, partial(maml.backward, **INNER), legs=2),
    "FOMAML": Recipe({"glyphs": 500, "omniglot": 200}, partial(maml.backward, first_order=True, lr=0.3, steps=5)),
    "ANIL": Recipe({"glyphs": 1500, "omniglot": 500}, partial(maml.backward, only="head", **INNER), legs=2),
    "Reptile": Recipe({"glyphs": 600, "omniglot": 250}, partial(maml.reptile_backward, lr=0.2, steps=5), lr=1.0,
                      optimiser=torch.optim.SGD),
}
CLASSIFIER_STEPS = {"glyphs": 1000, "omniglot": 500}
# (learner, way, shot): rate and steps of the adaptation. From runs of `tune` with 40 episodes, most over other grids
# than today's: fine-tuning the whole was tried from 0.03 up only, for 5-shot and for 20-way.
AT_TEST = {
    ("fine-tuning the head", 5, 1): (0.01, 20), ("fine-tuning the head", 5, 5): (0.01, 20),
    ("fine-tuning the head", 20, 1): (0.03, 20), ("fine-tuning the whole", 5, 1): (0.01, 10),
    ("fine-tuning the whole", 5, 5): (0.01, 10), ("fine-tuning the whole", 20, 1): (0.03, 10),
    ("MAML", 5, 1): (0.4, 3), ("MAML", 5, 5): (0.4, 1), ("MAML", 20, 1): (1.6, 1),
    ("ANIL", 5, 1): (0.4, 3), ("ANIL", 5, 5): (0.4, 1), ("ANIL", 20, 1): (1.6, 1),
    ("FOMAML", 5, 1): (0.15, 5), ("FOMAML", 5, 5): (0.15, 5), ("FOMAML", 20, 1): (0.15, 5),
    ("Reptile", 5, 1): (0.1, 5), ("Reptile", 5, 5): (0.2, 5), ("Reptile", 20, 1): (0.2, 5),
}


def training_classes(dataset):
    return datasets.load("glyphs", split="train") if dataset == "glyphs" else datasets.load("omniglot-small1").turned()


def test_classes(dataset):
    return datasets.load("glyphs" if dataset == "glyphs" else "omniglot-small2", split="test")


def new_network(n_way, seed, norm):
    runtime.seed_everything(seed)
    network = networks.ConvNet(n_way, width=32, norm=norm, pool=3)
    torch.nn.init.zeros_(network.head.weight)       # all classes alike: labels are dealt anew in each episode
    torch.nn.init.zeros_(network.head.bias)
    return network


def draw(rng, classes, recipe, vary):
    tasks = episodes.sample(classes, n_way=recipe.n_way, k_shot=1, q_query=recipe.q_query, n_tasks=recipe.n_tasks,
                            rng=rng)
    return placements.in_training(augmentations.classical())(tasks, rng) if vary else tasks


def accuracies(learner, classes, kind, n_episodes=None, seed=0):
    sizes = kind._asdict() | {"n_episodes": n_episodes or kind.n_episodes}
    return episodes.accuracies(learner, classes, rng=runtime.rng(seed), **sizes)


def train(dataset, seed, name):
    """Train one learner, or go on with it; leaves its best parameters in FOLDER."""
    path, recipe = FOLDER / f"{dataset}-{seed}-{name}.safetensors", RECIPES[name]
    if parallel.from_first(path.exists()):
        return
    classes, network = training_classes(dataset), new_network(recipe.n_way, seed, recipe.norm)
    val = datasets.load("glyphs", split="val") if dataset == "glyphs" else None

    def validate(model):
        learner = (learners.protonet(model) if name == "ProtoNet" else
                   as_learner(name, dict(model.named_parameters()), 20, **AT_VALIDATION[name]))
        return accuracies(learner, val, KINDS["20-way 1-shot"], n_episodes=50, seed=1).mean()

    n_steps, legs = recipe.steps[dataset], recipe.legs if dataset == "glyphs" else 1
    vary = recipe.vary and dataset == "omniglot"
    inner = getattr(recipe.gradient, "keywords", {})
    made = {"n_way": recipe.n_way, "q_query": recipe.q_query, "n_tasks": recipe.n_tasks, "outer_lr": recipe.lr,
            "vary": vary, **inner}
    for leg in range(legs):     # each begins with the best of the one before, and the outer rate falls anew
        trained = maml.fit(network, partial(draw, classes=classes, recipe=recipe, vary=vary), gradient=recipe.gradient,
                           n_steps=n_steps, rng=runtime.rng(seed + 100 * leg), optimiser=recipe.optimiser,
                           lr=recipe.lr, validate=validate if val else None, validate_every=n_steps // 5,
                           path=FOLDER / f"{path.stem}{'-second-leg' * leg}.part", save_every=200, made=made)
        network.load_state_dict(trained.params)
    if parallel.processes()[0] > 0:
        return
    checkpoints.save(path, trained.params, dataset=dataset, profile="cpu", seed=seed, learner=name, n_way=recipe.n_way,
                 steps=trained.best_step + (legs - 1) * n_steps, made_by="benchmarks/few_shot.py")
    print(dataset, seed, name, trained.best_step, [round(x, 3) for x in trained.scores.tolist()], flush=True)


AT_VALIDATION = {"MAML": INNER, "ANIL": INNER, "FOMAML": {"lr": 0.15, "steps": 5}, "Reptile": {"lr": 0.2, "steps": 10}}


def train_classifier(dataset, seed):
    """Train the classifier that is fine-tuned."""
    path, classes = FOLDER / f"{dataset}-{seed}-classifier.safetensors", training_classes(dataset)
    if path.exists() or parallel.processes()[0] > 0:
        return
    n_classes, n_drawings = classes.images.shape[:2]
    network = classifier.train(classes.ink.view(-1, 1, 28, 28), n_classes=n_classes, width=32, pool=3,
                                        labels=torch.arange(n_classes).repeat_interleave(n_drawings), batch=128,
                                        n_steps=CLASSIFIER_STEPS[dataset], rng=runtime.rng(seed))
    checkpoints.save(path, network.state_dict())
    print(dataset, seed, "classifier", flush=True)


def as_learner(name, params, n_way, *, lr, steps, inductive=False):
    """The learner `name` with the first n_way rows of its head."""
    params = params | {key: params[key][:n_way] for key in ("head.weight", "head.bias")}
    network = networks.ConvNet(n_way, width=32, norm=networks.BatchNorm, pool=3)
    return maml.learner(network, params, lr=lr, steps=steps, only="head" if name == "ANIL" else "", inductive=inductive)


def learners(dataset, seed, n_way, k_shot):
    """{(name, "inductive" or "transductive"): learner} of one seed, for one kind of episodes."""
    saved = {name: checkpoints.load(FOLDER / f"{dataset}-{seed}-{name}.safetensors") for name in (*RECIPES, "classifier")}
    prototypes = networks.ConvNet(60, width=32, pool=3)
    prototypes.load_state_dict(saved["ProtoNet"])
    classifier = networks.ConvNet(len(saved["classifier"]["head.bias"]), width=32, pool=3)
    classifier.load_state_dict(saved["classifier"])
    found = {("nearest neighbour in pixels", "inductive"): learners.nearest_neighbour,
             ("ProtoNet", "inductive"): learners.protonet(prototypes)}
    for name, head_only in (("fine-tuning the head", True), ("fine-tuning the whole", False)):
        found[name, "inductive"] = learners.fine_tune(classifier, head_only=head_only, **at_test(name, n_way, k_shot))
    for name in ("MAML", "FOMAML", "ANIL", "Reptile"):
        for setting in ("inductive", "transductive"):
            found[name, setting] = as_learner(name, saved[name], n_way, inductive=setting == "inductive",
                                              **at_test(name, n_way, k_shot))
    return found


def at_test(name, n_way, k_shot):
    rate, steps = AT_TEST[name, n_way, k_shot]
    return {"lr": rate, "steps": steps}


GRID = {"fine-tuning the head": [(lr, 20) for lr in (0.003, 0.01, 0.03, 0.1)],
        "fine-tuning the whole": [(lr, 10) for lr in (0.003, 0.01, 0.03, 0.1)],
        "MAML": [(0.4, 1), (0.4, 3), (1.6, 1)], "ANIL": [(0.4, 1), (0.4, 3), (1.6, 1)],
        "FOMAML": [(0.07, 5), (0.15, 5), (0.3, 5)], "Reptile": [(0.05, 5), (0.1, 5), (0.2, 5), (0.4, 5)]}


def fitting(classes, kind):
    """The classes; within alphabets, only those of alphabets that have enough of them (Tagalog has 17)."""
    if not kind.within_alphabet:
        return classes
    return classes.take(i for i, a in enumerate(classes.alphabets) if classes.alphabets.count(a) >= kind.n_way)


def tune():
    """Print, for seed 0 on glyphs' val alphabets, what the rates and steps at test time do; the best go to AT_TEST."""
    val = datasets.load("glyphs", split="val")
    for kind in list(KINDS.values())[:3]:
        for name, grid in GRID.items():
            scores = {}
            for rate, steps in grid:
                AT_TEST.update({(other, kind.n_way, kind.k_shot): (rate, steps) for other in GRID})
                learner = learners("glyphs", 0, kind.n_way, kind.k_shot)[name, "inductive"]
                scores[rate, steps] = accuracies(learner, val, kind, n_episodes=40, seed=1).mean().item()
            best = max(scores, key=scores.get)
            shown = {settings: round(100 * score, 1) for settings, score in scores.items()}
            print(f"    {(name, kind.n_way, kind.k_shot)}: {best},     # of {shown}", flush=True)


def test():
    """Write every accuracy, one record for each seed and one over the seeds, and the differences that matter."""
    os.environ.setdefault("COURSE_OUT", str(runtime.project_root()))
    published()
    results = records.Results("few_shot", profile="cpu", device="cpu")
    for dataset in ("glyphs", "omniglot"):
        classes, split = test_classes(dataset), {"dataset": dataset, "split": "test"}
        for kind_name, kind in KINDS.items():
            by_arm = {}
            for seed in SEEDS:
                for (name, setting), learner in learners(dataset, seed, kind.n_way, kind.k_shot).items():
                    if name == "nearest neighbour in pixels" and seed > 0:
                        continue        # nothing in it depends on the seed
                    scores = accuracies(learner, fitting(classes, kind), kind)
                    by_arm.setdefault((name, setting), []).append(scores)
                    results.add(kind_name, scores, unit="accuracy", arm=name, setting=setting, seed=seed, **split)
                    print(dataset, kind_name, seed, name, setting, records.percent(results.records[-1]), flush=True)
            for (name, setting), scores in by_arm.items():
                if len(scores) == len(SEEDS):
                    results.add(kind_name, [s.mean() for s in scores], unit="accuracy", arm=name, setting=setting,
                                seed="all", **split)
            for a, b in PAIRS:
                differences = [statistics.paired_difference(x, y) for x, y in zip(by_arm[a], by_arm[b])]
                results.add(f"{kind_name}, difference", [d.mean() for d in differences], unit="accuracy", seed="all",
                            arm=f"{a[0]} ({a[1]}) - {b[0]} ({b[1]})", setting="-", **split,
                            paired=[statistics.mean_interval(d) for d in differences])


PAIRS = [(("ProtoNet", "inductive"), ("MAML", "inductive")), (("MAML", "inductive"), ("FOMAML", "inductive")),
         (("MAML", "inductive"), ("ANIL", "inductive")), (("MAML", "transductive"), ("MAML", "inductive")),
         (("ProtoNet", "inductive"), ("fine-tuning the whole", "inductive"))]


# Accuracies in %, as published; "" is a kind of episode that was not published. Finn, Nichol and Snell trained on 1,200
# characters of all 50 alphabets and tested on the others; the challenge tests on 10 alphabets never trained on.
CHARACTERS = "50, split by character"
PUBLISHED = [
    ("MAML", "Finn et al. 2017", CHARACTERS, "transductive", ("98.7 ± 0.4", "99.9 ± 0.1", "95.8 ± 0.3", "")),
    ("FOMAML", "Nichol et al. 2018", CHARACTERS, "transductive", ("98.3 ± 0.5", "99.2 ± 0.2", "89.4 ± 0.5", "")),
    ("Reptile", "Nichol et al. 2018", CHARACTERS, "inductive", ("95.39 ± 0.09", "98.90 ± 0.10", "88.14 ± 0.15", "")),
    ("Reptile", "Nichol et al. 2018", CHARACTERS, "transductive", ("97.68 ± 0.04", "99.48 ± 0.06", "89.43 ± 0.14", "")),
    ("ProtoNet", "Snell et al. 2017", CHARACTERS, "inductive", ("98.8", "99.7", "96.0", "")),
    ("ProtoNet", "Lake et al. 2019", "30", "inductive", ("", "", "", "86.3")),
    ("ProtoNet", "Lake et al. 2019", "5 (minimal)", "inductive", ("", "", "", "69.9")),
    ("RCN", "Lake et al. 2019", "30", "inductive", ("", "", "", "92.7")),
    ("Siamese net", "Koch et al. 2015", "30", "inductive", ("", "", "", "92.0")),
    ("ConvNet", "Lake et al. 2015", "30", "inductive", ("", "", "", "86.5")),
    ("ConvNet", "Lake et al. 2015", "5 (small1)", "inductive", ("", "", "", "76.0")),
    ("ConvNet", "Lake et al. 2015", "5 (small2)", "inductive", ("", "", "", "77.7")),
    ("Hausdorff", "Lake et al. 2015", "none", "inductive", ("", "", "", "61.2")),
    ("BPL", "Lake et al. 2015", "30", "inductive", ("", "", "", "96.7")),
    ("BPL", "Lake et al. 2015", "5 (small1)", "inductive", ("", "", "", "95.7")),
    ("BPL", "Lake et al. 2015", "5 (small2)", "inductive", ("", "", "", "96.0")),
    ("people", "Lake et al. 2015", "-", "-", ("", "", "", "95.5")),
]


def published():
    """Write figures/results/published.json."""
    rows = [{"arm": arm, "source": source, "alphabets": alphabets, "setting": setting,
             "accuracy": {kind: value for kind, value in zip(KINDS, values) if value}}
            for arm, source, alphabets, setting, values in PUBLISHED]
    with runtime.atomic_path(runtime.output_dir() / "figures" / "results" / "published.json") as part:
        part.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("train", "tune", "test"))
    parser.add_argument("--datasets", nargs="+", default=["glyphs", "omniglot"])
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--learners", nargs="+", default=[*RECIPES, "classifier"])
    options = parser.parse_args()
    if options.what != "train":
        return {"tune": tune, "test": test}[options.what]()
    parallel.join_processes()
    for seed in options.seeds:
        for dataset in options.datasets:
            for name in options.learners:
                train_classifier(dataset, seed) if name == "classifier" else train(dataset, seed, name)


if __name__ == "__main__":
    main()
