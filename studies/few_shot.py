"""Ten learners, four kinds of episodes, simulated and real characters, three seeds: the baselines of the course.

    COURSE_DATA=... python studies/few_shot.py train        (TIME on one core; goes on where it was stopped)
    COURSE_DATA=... python studies/few_shot.py tune         (rates and steps at test time, on glyphs' val alphabets)
    COURSE_DATA=... python studies/few_shot.py test         (writes few_shot, few_shot_curves and published.jsonl)

All learners see normalised drawings and have the same network, `ConvNet(width=64, keep_map=True)`. Each is trained once
and serves all kinds of episodes. MAML and its relatives are trained on 20-way 1-shot tasks, three in each outer step
(Reptile: one, ten shots, each inner step sees another drawing of each character); a 5-way learner keeps five of the
twenty rows of the head. ProtoNet has 60-way tasks, as Snell et al. 2017 advise, and the classifier all classes at once.
MAML, FOMAML and ANIL are trained inductively, with the batch statistics of the support alone.

What all drawings share would steer the inner steps, so the learners that adapt see features less the mean of the
support's, each at one length; "ANIL, plain features" shows what that is worth. MAML and ANIL learn a rate for each
inner step. FOMAML does not: by the first-order gradient its rates grew until it learned less. The outer step of
Reptile is Adam's, too. The head starts with small random rows, because with equal ones the first inner step cannot
move the features, and MAML begins as ANIL (see notebook 07).

glyphs: trained on the train alphabets, best look on the val alphabets, tested on the test alphabets.
omniglot: trained on the five alphabets of omniglot-small1 and their quarter turns, for a fixed number of steps; tested
on the alphabets that only omniglot-small2 has. There every learner sees augmented drawings in training
(`augmentations.classical` at half strength); on glyphs none does. All rates and sizes were chosen on glyphs' val
alphabets.

The steps are what a small budget allowed: one to five minutes for each network. How far the learners were still
improving is in few_shot_curves.jsonl. `train --times 3` takes as many times the steps; empty runs/few_shot first.
Seconds are those of the processor, on one thread of a busy machine, for training alone.
"""

import argparse
import json
import time
from functools import partial
from typing import NamedTuple

import torch
from torch.func import functional_call
from torch.nn.functional import cross_entropy

import shared
from course_files import writing
from course_lib import augmentations, checkpoints, datasets, learners, maml, networks, placements, runtime
from course_lib.episodes import sample
from course_lib.statistics import mean_interval, paired_difference
from course_tools import records
from shared import Kind, accuracies

SEEDS = (0, 1, 2)
FOLDER = runtime.project_root() / "runs" / "few_shot"

KINDS = {"5-way 1-shot": Kind(5, 1, 15), "5-way 5-shot": Kind(5, 5, 15), "20-way 1-shot": Kind(20, 1, 5),
         "20-way 1-shot within alphabet": Kind(20, 1, 5, within_alphabet=True)}
N_EPISODES = {5: 40, 20: 16}        # of each kind, for each seed
LOOKS = 8                           # at the validation accuracy, evenly spaced


class Adapting(networks.ConvNet):
    """The network of a learner that adapts, and a rate for each of its inner steps, which the outer loop may learn."""

    def __init__(self, n_way, rates, length=32):
        super().__init__(n_way, width=64, norm=networks.BatchNorm, keep_map=True, length=length)
        self.log_rates = torch.nn.Parameter(torch.tensor(rates).log())


def rates_apart(weights, lr):
    """Adam for an `Adapting`. Its log rates, the first of its weights, move at a rate of their own, which stays."""
    return torch.optim.Adam([{"params": weights[1:]}, {"params": weights[:1], "lr": 1e-2}], lr)


def inner_backward(model, tasks, *, first_order=False):
    """A gradient for `maml.fit`: MAML or FOMAML of an `Adapting`, inductive. MAML learns the rates, too."""
    rates = model.log_rates.exp()
    rates = rates.detach() if first_order else rates
    return maml.backward(model, tasks, inner_lr=rates, steps=len(rates), first_order=first_order, inductive=True)


def head_backward(model, tasks):
    """A gradient for `maml.fit`: ANIL of an `Adapting`, inductive, with learned rates; features are made once."""
    rates = model.log_rates.exp()
    loss = 0
    for support_x, support_y, query_x, query_y in zip(*tasks):
        features, n = model.features(torch.cat([support_x, query_x]), len(support_x)), len(support_x)
        adapted = maml.adapt(model.head, dict(model.head.named_parameters()), features[:n], support_y, lr=rates,
                             steps=len(rates))
        loss = loss + cross_entropy(functional_call(model.head, adapted, features[n:]), query_y) / len(tasks[0])
    loss.backward()
    return loss.detach()


def classifier_backward(model, batch):
    """A gradient for `maml.fit`: plain classification of images by all classes at once."""
    loss = cross_entropy(model.train()(batch[0]), batch[1])
    loss.backward()
    return loss.detach()


class Recipe(NamedTuple):
    """How one learner is trained: gradient, outer steps, the tasks of each, outer rate, and inner rates at first."""

    gradient: object
    steps: dict
    n_way: int = 20
    q_query: int = 3
    n_tasks: int = 3
    outer_lr: float = 3e-3
    rates: tuple = ()       # none: the learner does not adapt
    length: int = 32        # of features, see `networks.ConvNet`


RECIPES = {
    "classifier": Recipe(classifier_backward, {"glyphs": 800, "omniglot": 480}, outer_lr=1.5e-3),
    "ProtoNet": Recipe(learners.protonet_backward, {"glyphs": 1600, "omniglot": 800}, n_way=60, n_tasks=1),
    "MAML": Recipe(inner_backward, {"glyphs": 500, "omniglot": 240}, rates=(0.1,) * 3),
    "FOMAML": Recipe(partial(inner_backward, first_order=True), {"glyphs": 450, "omniglot": 200}, rates=(1.0,) * 5,
                     length=10),
    "ANIL": Recipe(head_backward, {"glyphs": 800, "omniglot": 400}, rates=(0.1,) * 10),
    "Reptile": Recipe(partial(maml.reptile_backward, inner_lr=0.1, steps=10, batches=10),
                      {"glyphs": 1200, "omniglot": 560}, q_query=9, n_tasks=1, rates=(0.1,) * 10),
}
PLAIN = "ANIL, plain features"      # for the curves alone: what `length` is worth
RECIPES[PLAIN] = RECIPES["ANIL"]._replace(steps={"glyphs": 800}, length=0)
ADAPTING = ("MAML", "FOMAML", "ANIL", "Reptile")
# (learner, way, shot): rate and steps of the adaptation, or in what multiples of its rates, from `tune`.
AT_TEST = {
    ("fine-tuning the head", 5, 1): (0.003, 20), ("fine-tuning the head", 5, 5): (0.01, 20),
    ("fine-tuning the head", 20, 1): (0.01, 20), ("fine-tuning the whole", 5, 1): (0.003, 10),
    ("fine-tuning the whole", 5, 5): (0.01, 10), ("fine-tuning the whole", 20, 1): (0.01, 10),
    ("MAML", 5, 1): (0.125,), ("MAML", 5, 5): (0.25,), ("MAML", 20, 1): (1,), ("FOMAML", 5, 1): (0.25,),
    ("FOMAML", 5, 5): (0.125,), ("FOMAML", 20, 1): (0.5,), ("ANIL", 5, 1): (1,), ("ANIL", 5, 5): (0.5,),
    ("ANIL", 20, 1): (1,), ("Reptile", 5, 1): (1,), ("Reptile", 5, 5): (0.125,), ("Reptile", 20, 1): (2,),
}


def training_classes(dataset):
    classes = (datasets.load("glyphs", split="train") if dataset == "glyphs" else
               datasets.load("omniglot-small1").turned())
    return classes.normalised()


def test_classes(dataset):
    return datasets.load("glyphs" if dataset == "glyphs" else "omniglot-small2", split="test").normalised()


def draw(rng, classes, recipe, augmentation):
    """What an outer step is trained on: a task, or, for the classifier, 128 images and the numbers of their classes."""
    if recipe.gradient is classifier_backward:
        rows = torch.randint(len(classes.ink), (128,), generator=rng)
        images = classes.ink[rows].view(1, -1, *classes.images.shape[2:])
        return (augmentation(images, rng) if augmentation else images)[0], rows // classes.images.shape[1]
    tasks = sample(classes, n_way=recipe.n_way, k_shot=1, q_query=recipe.q_query, n_tasks=recipe.n_tasks, rng=rng)
    return placements.in_training(augmentation)(tasks, rng) if augmentation else tasks


class Clock(torch.nn.Module):
    """The seconds of training so far, and at each look; as a module, so that `maml.fit` keeps it when it is stopped."""

    def __init__(self):
        super().__init__()
        self.register_buffer("seconds", torch.zeros(LOOKS + 1, dtype=torch.float64))    # total, then each look's
        self.since = time.process_time()

    def gradient(self, gradient):
        """The gradient function, timed together with all that happened since the last call or look."""
        def timed(model, tasks):
            loss = gradient(model, tasks)
            self.tick()
            return loss
        return timed

    def tick(self):
        now = time.process_time()
        self.seconds[0] += now - self.since
        self.since = now

    def look(self):
        self.tick()
        self.seconds[1 + int((self.seconds[1:] > 0).sum())] = self.seconds[0]


def train(dataset, seed, name, times=1):
    """Train one learner, unless that is done, from where it was stopped. Its best parameters go to FOLDER."""
    path, recipe = FOLDER / f"{dataset}-{seed}-{name}.safetensors", RECIPES[name]
    if path.exists():
        return
    classes, clock, n_steps = training_classes(dataset), Clock(), times * recipe.steps[dataset]
    runtime.seed_everything(seed)
    n_rows = len(classes.names) if name == "classifier" else recipe.n_way
    network = (Adapting(n_rows, recipe.rates, recipe.length) if recipe.rates else
               networks.ConvNet(n_rows, width=64, keep_map=True))
    with torch.no_grad():
        network.head.weight *= 0.1
        network.head.bias.zero_()
    val = datasets.load("glyphs", split="val").normalised()

    def validate(model):
        clock.look()
        learner = (as_learner(name, dict(model.named_parameters()), 20) if recipe.rates else learners.protonet(model))
        score = accuracies(learner, val, KINDS["20-way 1-shot"], n_episodes=40, rng=runtime.rng(1)).mean()
        clock.since = time.process_time()
        return score

    augmentation = augmentations.classical(augmentations.STRENGTH.times(0.5)) if dataset == "omniglot" else None
    optimiser = rates_apart if recipe.rates else torch.optim.Adam
    made = {"n_way": recipe.n_way, "q_query": recipe.q_query, "outer_lr": recipe.outer_lr, "steps": n_steps,
            "n_tasks": recipe.n_tasks, "rates": list(recipe.rates)}
    trained = maml.fit(network, partial(draw, classes=classes, recipe=recipe, augmentation=augmentation),
                       gradient=clock.gradient(recipe.gradient), n_steps=n_steps, rng=runtime.rng(seed), clock=clock,
                       optimiser=optimiser, outer_lr=recipe.outer_lr, save_every=100, made=made,
                       validate=validate if dataset == "glyphs" else None, validate_every=-(-n_steps // LOOKS),
                       path=FOLDER / f"{path.stem}.part")
    clock.tick()
    checkpoints.save(path, trained.params, dataset=dataset, profile="cpu", seed=seed, learner=name,
                     n_way=len(trained.params["head.bias"]), steps=trained.best_step,
                     seconds=clock.seconds[0].item(), looks={"seconds": clock.seconds[1:].tolist(),
                                                             "accuracy": trained.scores.tolist()},
                     made_by="studies/few_shot.py")
    (FOLDER / f"{path.stem}.part").unlink()
    print(dataset, seed, name, trained.best_step, round(clock.seconds[0].item()),
          [round(x, 3) for x in trained.scores.tolist()], flush=True)


def as_learner(name, params, n_way, factor=1, inductive=True):
    """The learner `name` with n_way rows of its head, at `factor` times its rates. ANIL moves the head alone."""
    params = params | {key: params[key][:n_way] for key in ("head.weight", "head.bias")}
    rates = factor * params["log_rates"].detach().exp()
    return maml.learner(Adapting(n_way, [1.0] * len(rates), RECIPES[name].length), params, inner_lr=rates,
                        steps=len(rates), only="head" if "ANIL" in name else "", inductive=inductive)


def trained_learners(dataset, seed, n_way, k_shot):
    """{(name, "inductive" or "transductive"): learner} of one seed, for one kind of episodes of normalised drawings."""
    saved = {name: checkpoints.load(FOLDER / f"{dataset}-{seed}-{name}.safetensors")
             for name in RECIPES if name != PLAIN}
    networks_of = {}
    for name in ("classifier", "ProtoNet"):
        networks_of[name] = networks.ConvNet(len(saved[name]["head.bias"]), width=64, keep_map=True).eval()
        networks_of[name].load_state_dict(saved[name])
    found = {("nearest neighbour in pixels", "inductive"): learners.nearest_neighbour,
             ("distortion matching in pixels", "inductive"): learners.matching,
             ("ProtoNet", "inductive"): learners.protonet(networks_of["ProtoNet"]),
             ("frozen features + prototypes", "inductive"): learners.protonet(networks_of["classifier"])}
    for name in ("fine-tuning the head", "fine-tuning the whole"):
        rate, steps = AT_TEST[name, n_way, k_shot]
        found[name, "inductive"] = learners.fine_tune(networks_of["classifier"], head_only="head" in name, lr=rate,
                                                      steps=steps)
    for name in ADAPTING:
        found[name, "inductive"] = as_learner(name, saved[name], n_way, *AT_TEST[name, n_way, k_shot])
    found["MAML", "transductive"] = as_learner("MAML", saved["MAML"], n_way, *AT_TEST["MAML", n_way, k_shot],
                                               inductive=False)
    return found


GRID = {"fine-tuning the head": [(lr, 20) for lr in (0.003, 0.01, 0.03, 0.1)],
        "fine-tuning the whole": [(lr, 10) for lr in (0.003, 0.01)],
        **{name: [(factor,) for factor in (0.125, 0.25, 0.5, 1, 2)] for name in ADAPTING}}


def tune():
    """Print, for seed 0 on glyphs' val alphabets, what the rates and steps at test time do; the best go to AT_TEST."""
    val = datasets.load("glyphs", split="val").normalised()
    for kind in list(KINDS.values())[:3]:
        for name, grid in GRID.items():
            scores = {}
            for settings in grid:
                AT_TEST[name, kind.n_way, kind.k_shot] = settings
                learner = trained_learners("glyphs", 0, kind.n_way, kind.k_shot)[name, "inductive"]
                scores[settings] = accuracies(learner, val, kind, n_episodes=12, rng=runtime.rng(1)).mean().item()
            best = max(scores, key=scores.get)
            shown = {settings: round(100 * score, 1) for settings, score in scores.items()}
            print(f"    {(name, kind.n_way, kind.k_shot)}: {best},     # of {shown}", flush=True)


def test(chosen=("glyphs", "omniglot")):
    """Write every accuracy, one record for each seed and one over the seeds, and the differences that matter."""
    results = shared.results("few_shot", profile="cpu", device="cpu")
    published()
    curves()
    for dataset in chosen:
        classes, split = test_classes(dataset), {"dataset": dataset, "split": "test"}
        for kind_name, kind in KINDS.items():
            by_arm = {}
            for seed in SEEDS:
                for (name, setting), learner in trained_learners(dataset, seed, kind.n_way, kind.k_shot).items():
                    if "in pixels" in name and seed > 0:
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


def curves():
    """Write figures/results/few_shot_curves.jsonl: the validation accuracy and the seconds of each learner's looks."""
    results = shared.results("few_shot_curves", profile="cpu", device="cpu", dataset="glyphs", split="val", seed="all")
    for name in RECIPES:
        runs = [json.loads((FOLDER / f"glyphs-{seed}-{name}.json").read_text(encoding="utf-8")) for seed in SEEDS]
        for look in range(LOOKS):
            each, seconds = ([run["looks"][what][look] for run in runs] for what in ("accuracy", "seconds"))
            results.add("20-way 1-shot on val", each, unit="accuracy", setting="inductive", each=each, seconds=seconds,
                        arm=name, look=look + 1)


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
    with writing.atomic_path(runtime.output_dir() / "figures" / "results" / "published.jsonl") as part:
        part.write_text("".join(json.dumps(
            {"arm": arm, "source": source, "alphabets": alphabets, "setting": setting,
             "accuracy": {kind: value for kind, value in zip(KINDS, values) if value}}, ensure_ascii=False) + "\n"
            for arm, source, alphabets, setting, values in PUBLISHED), encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("train", "tune", "test"))
    parser.add_argument("--datasets", nargs="+", default=["glyphs", "omniglot"])
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--learners", nargs="+", default=[*RECIPES])
    parser.add_argument("--times", type=int, default=1, help="as many times the steps")
    options = parser.parse_args()
    if options.what != "train":
        return tune() if options.what == "tune" else test(options.datasets)
    for dataset in options.datasets:
        for seed in options.seeds:
            for name in options.learners:
                if dataset in RECIPES[name].steps:
                    train(dataset, seed, name, options.times)


if __name__ == "__main__":
    main()
