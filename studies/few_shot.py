"""Eight learners, four kinds of episodes, simulated and real characters, three seeds: the baselines of the course.

    COURSE_DATA=... python studies/few_shot.py train        (about 1 hour on 2 cores; goes on where it was stopped)
    COURSE_DATA=... python studies/few_shot.py tune         (rates and steps at test time, on glyphs' val alphabets)
    COURSE_DATA=... python studies/few_shot.py test         (writes figures/results/few_shot.jsonl and published.jsonl)

`torchrun --nproc-per-node 2 studies/few_shot.py train` gives each of two processes one of the two tasks in each step
of MAML, FOMAML, ANIL and Reptile. The other learners are not divided.

All learners have the same network, `ConvNet(width=32, pool=3)`. Each is trained once, on 20-way 1-shot episodes
(ProtoNet 60-way, as Snell et al. 2017 advise; the classifier on all classes at once), and serves all kinds of
episodes: a 5-way learner keeps five of the twenty rows of the head, which start from 0 and stay nearly alike.

glyphs: trained on the train alphabets, early best on the val alphabets, tested on the test alphabets.
omniglot: trained on the five alphabets of omniglot-small1 and their quarter turns, for a fixed number of steps; tested
on the alphabets that only omniglot-small2 has. There ProtoNet sees an augmented copy of every drawing
(`augmentations.classical`). The network, ProtoNet's steps and its augmentation were chosen on two of the five real
alphabets (Greek, Korean) after training on the other three. All other rates and sizes were chosen on glyphs' val
alphabets.
"""

import argparse
import json
from functools import partial
from typing import NamedTuple

import torch

import shared
import torchrun
from course_lib import augmentations, checkpoints, classifier, datasets, learners, maml, networks, placements, runtime
from course_lib.episodes import sample
from course_lib.statistics import mean_interval, paired_difference
from course_tools import records
from shared import Kind, accuracies, new_network

SEEDS = (0, 1, 2)
FOLDER = runtime.project_root() / "runs" / "few_shot"

KINDS = {"5-way 1-shot": Kind(5, 1, 15), "5-way 5-shot": Kind(5, 5, 15), "20-way 1-shot": Kind(20, 1, 5),
         "20-way 1-shot within alphabet": Kind(20, 1, 5, within_alphabet=True)}
N_EPISODES = {5: 120, 20: 60}       # of each kind, for each seed


class Recipe(NamedTuple):
    """How one learner is trained: outer steps on glyphs and on omniglot, their rate and optimiser, and the gradient."""

    steps: dict
    gradient: object
    n_way: int = 20
    q_query: int = 3
    n_tasks: int = 2
    outer_lr: float = 3e-3
    optimiser: object = torch.optim.Adam
    norm: object = networks.BatchNorm
    legs: int = 1           # on glyphs
    augment: bool = False   # on omniglot: a new augmented copy of every drawing in every step


INNER = {"inner_lr": 1.6, "steps": 1}
RECIPES = {
    "ProtoNet": Recipe({"glyphs": 900, "omniglot": 2000}, learners.protonet_backward, n_way=60, n_tasks=1,
                       norm=torch.nn.BatchNorm2d, augment=True),
    "MAML": Recipe({"glyphs": 1500, "omniglot": 500}, partial(maml.backward, **INNER), legs=2),
    "FOMAML": Recipe({"glyphs": 500, "omniglot": 200}, partial(maml.backward, first_order=True, inner_lr=0.3, steps=5)),
    "ANIL": Recipe({"glyphs": 1500, "omniglot": 500}, partial(maml.backward, only="head", **INNER), legs=2),
    "Reptile": Recipe({"glyphs": 600, "omniglot": 250}, partial(maml.reptile_backward, inner_lr=0.2, steps=5),
                      outer_lr=1.0, optimiser=torch.optim.SGD),
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


def draw(rng, classes, recipe, place):
    tasks = sample(classes, n_way=recipe.n_way, k_shot=1, q_query=recipe.q_query, n_tasks=recipe.n_tasks, rng=rng)
    return place(tasks, rng) if place else tasks


def train(dataset, seed, name):
    """Train one learner, unless that is done, from where it was stopped. Its best parameters go to FOLDER."""
    path, recipe = FOLDER / f"{dataset}-{seed}-{name}.safetensors", RECIPES[name]
    if path.exists():
        return
    classes, network = training_classes(dataset), new_network(recipe.n_way, seed, norm=recipe.norm, pool=3)
    val = datasets.load("glyphs", split="val") if dataset == "glyphs" else None

    def validate(model):
        learner = (learners.protonet(model) if name == "ProtoNet" else
                   as_learner(name, dict(model.named_parameters()), 20, **AT_VALIDATION[name]))
        return accuracies(learner, val, KINDS["20-way 1-shot"], n_episodes=50, rng=runtime.rng(1)).mean()

    n_steps, legs = recipe.steps[dataset], recipe.legs if dataset == "glyphs" else 1
    augmented = recipe.augment and dataset == "omniglot"
    place = placements.in_training(augmentations.classical()) if augmented else None
    made = {"n_way": recipe.n_way, "q_query": recipe.q_query, "n_tasks": recipe.n_tasks, "outer_lr": recipe.outer_lr,
            "augmented": augmented, **getattr(recipe.gradient, "keywords", {})}
    gradient = torchrun.divided(recipe.gradient) if recipe.n_tasks > 1 else recipe.gradient
    for leg in range(legs):     # each begins with the best of the one before, and the outer rate falls anew
        trained = maml.fit(network, partial(draw, classes=classes, recipe=recipe, place=place),
                           gradient=gradient, n_steps=n_steps, rng=runtime.rng(seed + 100 * leg),
                           optimiser=recipe.optimiser, outer_lr=recipe.outer_lr, validate=validate if val else None,
                           validate_every=n_steps // 5, save_every=200, made=made,
                           path=FOLDER / f"{path.stem}{'-second-leg' * leg}.part")
        network.load_state_dict(trained.params)
    if torchrun.processes()[0] > 0:
        return
    checkpoints.save(path, trained.params, dataset=dataset, profile="cpu", seed=seed, learner=name, n_way=recipe.n_way,
                     steps=trained.best_step + (legs - 1) * n_steps, made_by="studies/few_shot.py")
    print(dataset, seed, name, trained.best_step, [round(x, 3) for x in trained.scores.tolist()], flush=True)


AT_VALIDATION = {"MAML": INNER, "ANIL": INNER, "FOMAML": {"inner_lr": 0.15, "steps": 5},
                 "Reptile": {"inner_lr": 0.2, "steps": 10}}


def train_classifier(dataset, seed):
    """Train the classifier that is fine-tuned, unless that is done."""
    path, classes = FOLDER / f"{dataset}-{seed}-classifier.safetensors", training_classes(dataset)
    if path.exists() or torchrun.processes()[0] > 0:
        return
    n_classes, n_drawings = classes.images.shape[:2]
    network = classifier.train(classes.ink.view(-1, 1, 28, 28), n_classes=n_classes, width=32, pool=3,
                               labels=torch.arange(n_classes).repeat_interleave(n_drawings), batch=128,
                               n_steps=CLASSIFIER_STEPS[dataset], rng=runtime.rng(seed))
    checkpoints.save(path, network.state_dict())
    print(dataset, seed, "classifier", flush=True)


def as_learner(name, params, n_way, *, inner_lr, steps, inductive=False):
    """The learner `name` with the first n_way rows of its head."""
    params = params | {key: params[key][:n_way] for key in ("head.weight", "head.bias")}
    network = networks.ConvNet(n_way, width=32, norm=networks.BatchNorm, pool=3)
    return maml.learner(network, params, inner_lr=inner_lr, steps=steps, only="head" if name == "ANIL" else "",
                        inductive=inductive)


def trained_learners(dataset, seed, n_way, k_shot):
    """{(name, "inductive" or "transductive"): learner} of one seed, for one kind of episodes."""
    saved = {name: checkpoints.load(FOLDER / f"{dataset}-{seed}-{name}.safetensors")
             for name in (*RECIPES, "classifier")}
    prototypes = networks.ConvNet(60, width=32, pool=3)
    prototypes.load_state_dict(saved["ProtoNet"])
    network = networks.ConvNet(len(saved["classifier"]["head.bias"]), width=32, pool=3)
    network.load_state_dict(saved["classifier"])
    found = {("nearest neighbour in pixels", "inductive"): learners.nearest_neighbour,
             ("ProtoNet", "inductive"): learners.protonet(prototypes)}
    for name, head_only in (("fine-tuning the head", True), ("fine-tuning the whole", False)):
        rate, steps = AT_TEST[name, n_way, k_shot]
        found[name, "inductive"] = learners.fine_tune(network, head_only=head_only, lr=rate, steps=steps)
    for name in ("MAML", "FOMAML", "ANIL", "Reptile"):
        rate, steps = AT_TEST[name, n_way, k_shot]
        for setting in ("inductive", "transductive"):
            found[name, setting] = as_learner(name, saved[name], n_way, inductive=setting == "inductive",
                                              inner_lr=rate, steps=steps)
    return found


GRID = {"fine-tuning the head": [(lr, 20) for lr in (0.003, 0.01, 0.03, 0.1)],
        "fine-tuning the whole": [(lr, 10) for lr in (0.003, 0.01, 0.03, 0.1)],
        "MAML": [(0.4, 1), (0.4, 3), (1.6, 1)], "ANIL": [(0.4, 1), (0.4, 3), (1.6, 1)],
        "FOMAML": [(0.07, 5), (0.15, 5), (0.3, 5)], "Reptile": [(0.05, 5), (0.1, 5), (0.2, 5), (0.4, 5)]}


def tune():
    """Print, for seed 0 on glyphs' val alphabets, what the rates and steps at test time do; the best go to AT_TEST."""
    val = datasets.load("glyphs", split="val")
    for kind in list(KINDS.values())[:3]:
        for name, grid in GRID.items():
            scores = {}
            for rate, steps in grid:
                AT_TEST.update({(other, kind.n_way, kind.k_shot): (rate, steps) for other in GRID})
                learner = trained_learners("glyphs", 0, kind.n_way, kind.k_shot)[name, "inductive"]
                scores[rate, steps] = accuracies(learner, val, kind, n_episodes=40, rng=runtime.rng(1)).mean().item()
            best = max(scores, key=scores.get)
            shown = {settings: round(100 * score, 1) for settings, score in scores.items()}
            print(f"    {(name, kind.n_way, kind.k_shot)}: {best},     # of {shown}", flush=True)


def test():
    """Write every accuracy, one record for each seed and one over the seeds, and the differences that matter."""
    results = shared.results("few_shot", profile="cpu", device="cpu")
    published()
    for dataset in ("glyphs", "omniglot"):
        classes, split = test_classes(dataset), {"dataset": dataset, "split": "test"}
        for kind_name, kind in KINDS.items():
            by_arm = {}
            for seed in SEEDS:
                for (name, setting), learner in trained_learners(dataset, seed, kind.n_way, kind.k_shot).items():
                    if name == "nearest neighbour in pixels" and seed > 0:
                        continue        # its answers do not depend on the seed
                    scores = accuracies(learner, classes, kind, n_episodes=N_EPISODES[kind.n_way], rng=runtime.rng(0))
                    by_arm.setdefault((name, setting), []).append(scores)
                    record = results.add(kind_name, scores, unit="accuracy", arm=name, setting=setting, seed=seed,
                                         **split)
                    print(dataset, kind_name, seed, name, setting, records.percent(record), flush=True)
            for (name, setting), scores in by_arm.items():
                if len(scores) == len(SEEDS):
                    results.add(kind_name, [s.mean() for s in scores], unit="accuracy", arm=name, setting=setting,
                                seed="all", **split)
            for a, b in PAIRS:
                differences = [paired_difference(x, y) for x, y in zip(by_arm[a], by_arm[b])]
                results.add(f"{kind_name}, difference", [d.mean() for d in differences], unit="accuracy", seed="all",
                            arm=f"{a[0]} ({a[1]}) - {b[0]} ({b[1]})", setting="-", **split,
                            paired=[mean_interval(d) for d in differences])


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
    ("Hausdorff", "Lake et al. 2015", "0", "inductive", ("", "", "", "61.2")),
    ("BPL", "Lake et al. 2015", "30", "inductive", ("", "", "", "96.7")),
    ("BPL", "Lake et al. 2015", "5 (small1)", "inductive", ("", "", "", "95.7")),
    ("BPL", "Lake et al. 2015", "5 (small2)", "inductive", ("", "", "", "96.0")),
    ("people", "Lake et al. 2015", "-", "-", ("", "", "", "95.5")),
]


def published():
    """Write figures/results/published.jsonl."""
    with runtime.atomic_path(runtime.output_dir() / "figures" / "results" / "published.jsonl") as part:
        part.write_text("".join(json.dumps(
            {"arm": arm, "source": source, "alphabets": alphabets, "setting": setting,
             "accuracy": {kind: value for kind, value in zip(KINDS, values) if value}}, ensure_ascii=False) + "\n"
            for arm, source, alphabets, setting, values in PUBLISHED), encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("train", "tune", "test"))
    parser.add_argument("--datasets", nargs="+", default=["glyphs", "omniglot"])
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--learners", nargs="+", default=[*RECIPES, "classifier"])
    options = parser.parse_args()
    if options.what != "train":
        return {"tune": tune, "test": test}[options.what]()
    torchrun.join()
    for seed in options.seeds:
        for dataset in options.datasets:
            for name in options.learners:
                train_classifier(dataset, seed) if name == "classifier" else train(dataset, seed, name)


if __name__ == "__main__":
    main()
