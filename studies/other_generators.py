"""Is a GAN the right generator? Six kinds of G(z, x, task) for notebook 12, on the same pairs of normalised drawings.

    python studies/other_generators.py time     (what a step of each kind costs, by turns)
    python studies/other_generators.py tune     (the settings of each kind, judged on val)
    python studies/other_generators.py train    (an hour on one core; goes on where it was stopped)
    python studies/other_generators.py test     (writes figures/results/other_generators.jsonl, on the test alphabets)
    python studies/other_generators.py train --kinds "flow, warps" --budgets short --seeds 0 1       (a part of it)

* GAN, warps: the warp generator of notebook 08; GAN, pixels: its pixel generator
* flow, warps: `networks.WarpFlow`; flow, pixels: `networks.PixelFlow`
* Gaussian of warps: mean and covariance of the settings that carry one drawing to another (`flows.warps_between`)
* regression, best of 4: the warp generator without D, paid for the nearest of four warps to another person's drawing

The short budget gives all kinds SHORT seconds of one thread, with five seeds; the long one LONG seconds, with one seed.
The numbers of steps were set from what `time` measured. Then all are judged alike, on the test alphabets: by the
metrics of notebook 08 (`judging`), and by what five copies of each example add to two learners of notebook 09. Controls
added after the first results: classical copies at a quarter, blurred copies, the same generators with all their
settings halved, and the regression with the settings it chose for another drawing.
"""

import argparse
import itertools
import json
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import nn

import few_shot
import shared
from course_lib import (
    augmentations,
    checkpoints,
    datasets,
    flows,
    gan,
    losses,
    networks,
    pairs,
    placements,
    runtime,
)
from judging import Judge
from little_data import RATES, RECIPES
from shared import Kind, accuracies
from trial import classical, copies_by, of

FOLDER = runtime.project_root() / "runs" / "other_generators"
SHORT, LONG, SEEDS = 60, 240, range(5)
DOWNSTREAM, N_EXTRA, N_EPISODES = Kind(20, 1, 5, within_alphabet=True), 5, 2
LEARNERS = ("distortion matching in pixels", "fine-tuning the head")


class GaussianWarps(nn.Module):
    """z [B, 57], x, task -> the first example, warped by settings of a Gaussian; whatever the drawing."""

    z_dim = 57

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(57))
        self.register_buffer("root", torch.zeros(57, 57))

    def learn(self, settings):
        values, vectors = torch.linalg.eigh(settings.T.cov())
        self.mean, self.root = settings.mean(0), vectors * values.clamp(min=0).sqrt()

    def settings(self, z, x, task):
        affine, field, stroke_width = networks.apart(self.mean + z @ self.root.T)
        return affine, field, stroke_width.clamp(-1, 1)

    def forward(self, z, x, task):
        return networks.warp(x[:, 0], *self.settings(z, x, task))


def adversarial(make_G):
    """Training against a D of pairs, with the rates and the penalty of `little_data`."""
    def train(classes, steps, seed, factor=1.0):
        G, (D, penalty) = make_G(), RECIPES["R1"].make(RECIPES["R1"].knob, seed)
        return gan.fit(G, D, pairs.sampler(classes, n_tasks=2), n_steps=steps, loss=losses.NON_SATURATING,
                       penalty=penalty, lr=[factor * rate for rate in RATES], betas=(0.0, 0.99), ema=0.99,
                       rng=runtime.rng(seed)).G
    return train


def warps(classes, n, seed):
    """n batches of (settings [48, 57], x, task), each found for fresh pairs."""
    draw, rng = pairs.sampler(classes), runtime.rng(seed)
    found = []
    for _ in runtime.progress(range(n), desc="warps"):
        real, x, task = draw(rng)
        found.append((flows.warps_between(x[:, 0], real), x, task))
    return found


def gaussian(classes, steps, seed):
    G = GaussianWarps()
    G.learn(torch.cat([settings for settings, _, _ in warps(classes, steps, seed)]))
    return G


def flow_of_warps(classes, steps, seed, factor=1.0):
    """steps: (batches of warps, steps of the flow)."""
    found, G = warps(classes, steps[0], seed), networks.WarpFlow()
    settings = torch.cat([batch[0] for batch in found])
    G.mean, G.std = settings.mean(0), settings.std(0)

    def draw(rng):
        settings, x, task = found[int(torch.randint(len(found), (), generator=rng))]
        return G.target(settings), x, task

    return flows.fit(G, draw, n_steps=steps[1], rng=runtime.rng(seed), lr=3e-3 * factor)


def flow_of_pixels(classes, steps, seed, factor=1.0):
    G, pairs_of = networks.PixelFlow(), pairs.sampler(classes)

    def draw(rng):
        real, x, task = pairs_of(rng)
        return G.target(real), x, task

    return flows.fit(G, draw, n_steps=steps, rng=runtime.rng(seed), lr=2e-3 * factor)


def nearest_of_four(G, real, x, task, rng):
    """The squared distance of the nearest of four warps to the other drawing, blurred (Li & Malik 2018, IMLE)."""
    warped = [G(gan.noise(G, len(real), rng), x, task) for _ in range(4)]
    apart = [(flows.blur(each, 1.0) - flows.blur(real, 1.0)).square().sum((1, 2, 3)) for each in warped]
    return torch.stack(apart).min(0).values.mean()


def regression(classes, steps, seed, factor=1.0):
    return flows.fit(networks.WarpGenerator(), pairs.sampler(classes), n_steps=steps, rng=runtime.rng(seed),
                     lr=3e-3 * factor, objective=nearest_of_four)


class Recipe(NamedTuple):
    make: Callable          # the network, untrained
    train: Callable         # (classes, steps, seed) -> the network, trained
    short: object           # steps in SHORT seconds
    long: object            # steps in LONG seconds


REGRESSION = "regression, best of 4"
KINDS = {
    "GAN, warps": Recipe(networks.WarpGenerator, adversarial(networks.WarpGenerator), 690, 2760),
    "GAN, pixels": Recipe(networks.PixelGenerator, adversarial(networks.PixelGenerator), 590, 2360),
    "flow, warps": Recipe(networks.WarpFlow, flow_of_warps, (80, 1100), (320, 4400)),
    "flow, pixels": Recipe(networks.PixelFlow, flow_of_pixels, 690, 2760),
    "Gaussian of warps": Recipe(GaussianWarps, gaussian, 106, 424),
    REGRESSION: Recipe(networks.WarpGenerator, regression, 560, 2240),
}


def path_of(kind, budget, seed):
    return FOLDER / f"{kind.replace(', ', '-').replace(' ', '-')}-{budget}-{seed}.safetensors"


def measure_time(options):
    """Print the steps that fit into SHORT seconds, from three rounds by turns."""
    classes, spent = datasets.load("glyphs", split="train").normalised(), dict.fromkeys(KINDS, 0.0)
    for _, (kind, recipe) in itertools.product(range(3), KINDS.items()):
        start = time.process_time()
        recipe.train(classes, (1, 40) if kind == "flow, warps" else 40, 0)
        spent[kind] += time.process_time() - start
    for kind, seconds in spent.items():
        print(f"{kind:22} {1000 * seconds / 120:.0f} ms, {SHORT / (seconds / 120):.0f} steps")


def tune(options):
    """Print the scores on val after training for SHORT seconds with slower and faster rates, on a seed of its own."""
    judge, classes = Judge("val"), datasets.load("glyphs", split="train").normalised()
    for (kind, recipe), factor in itertools.product(KINDS.items(), (0.4, 1.0, 2.5)):
        if recipe.train is gaussian:
            continue
        runtime.seed_everything(100)
        G = recipe.train(classes, recipe.short, 100, factor).eval()
        print(kind, factor, *(f"{values.mean():.3f}" for values in judge(augmentations.generated(G))), flush=True)


def train(options):
    classes = datasets.load("glyphs", split="train").normalised()
    for budget, seed, kind in itertools.product(options.budgets, options.seeds, options.kinds):
        path, recipe = path_of(kind, budget, seed), KINDS[kind]
        if path.exists() or (budget == "long" and seed):
            continue
        runtime.seed_everything(seed)
        start = time.process_time()
        G = recipe.train(classes, getattr(recipe, budget), seed)
        made = {"dataset": "glyphs, normalised", "profile": "cpu", "seed": seed, "kind": kind,
                "steps": getattr(recipe, budget), "seconds": round(time.process_time() - start),
                "made_by": "studies/other_generators.py"}
        checkpoints.save(path, G.state_dict(), **made)
        print(path.stem, made["seconds"], flush=True)


def downstream(augmentation, learner, classes):
    """The accuracy of a learner on each alphabet [A], with N_EXTRA copies of each example in the support."""
    found = []
    for name in dict.fromkeys(classes.alphabets):
        helped = learner
        if augmentation:
            helped = placements.with_support(learner, placements.adding(augmentation, N_EXTRA), runtime.rng(1000))
        found.append(accuracies(helped, of(classes, [name]), DOWNSTREAM, n_episodes=N_EPISODES, rng=runtime.rng(0),
                                chunk=1).mean())
    return torch.stack(found)


def per_second(G, classes, n=480, rounds=5):
    """Samples a second on one thread: the median of five rounds."""
    _, x, task = pairs.sampler(classes, n_tasks=n // 12)(runtime.rng(0))
    seconds = []
    for _ in range(rounds):
        start = time.process_time()
        with torch.no_grad():
            G(gan.noise(G, len(x), runtime.rng(0)), x, task)
        seconds.append(time.process_time() - start)
    return n / sorted(seconds)[rounds // 2]


def score(kind, budget, seed, judge, learners):
    """All that is measured of one G, or of a baseline where `budget` is None; kept in FOLDER."""
    path = path_of(kind, "short" if budget in CONTROLS else budget or "baseline", seed)
    scores = path.with_stem(f"scores-{f'{budget}-' * (budget in CONTROLS)}{path.stem}")
    if scores.exists():
        return checkpoints.load(scores)
    augmentation, found = BASELINES.get(kind), {}
    if budget:
        G = shared.load(KINDS[kind].make, path)
        augmentation, found["samples a second"] = augmentations.generated(G), per_second(G, judge.classes)
        augmentation = CONTROLS[budget](G) if budget in CONTROLS else augmentation
        found["seconds"] = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["seconds"]
    if kind != "no augmentation":
        found |= judge(augmentation)._asdict()
    if kind != "people":
        found |= {name: downstream(augmentation, learner, judge.classes) for name, learner in learners.items()}
    checkpoints.save(scores, found)
    print(scores.stem, flush=True)
    return found


def copies(x, rng, task=None):
    return x


def blurred(sigma):
    """Copies softened by sigma pixels: is it only that warps sample an image anew?"""
    return lambda x, rng, task=None: flows.blur(x.flatten(0, 1), sigma).view_as(x)


def halved(G):
    """Copies by warps half as far as G's: is it only a matter of strength?"""
    @torch.no_grad()
    def augmentation(x, rng, task=None):
        z = gan.noise(G, x.shape[0] * x.shape[1], rng)
        settings = G.settings(z, x.flatten(0, 1)[:, None], x if task is None else task)
        return networks.warp(x.flatten(0, 1), *(part / 2 for part in settings)).view_as(x)
    return augmentation


CONTROLS = {"halved": halved, "shuffled": partial(copies_by, shuffled=True)}
BASELINES = {"no augmentation": None, "people": None, "copies of the example": copies,
             "classical × 0.25": classical(0.25), "classical × 0.5": classical(0.5), "classical × 1": classical(1.0),
             "blurred by 0.5": blurred(0.5), "blurred by 1": blurred(1.0)}


def test(options):
    """Write, for each kind and budget, the scores, the gains of two learners, and what it costs."""
    judge, found = Judge("test"), few_shot.trained_learners("glyphs", 0, DOWNSTREAM.n_way, DOWNSTREAM.k_shot)
    learners = {name: found[name, "inductive"] for name in LEARNERS}
    results = shared.results("other_generators", profile="cpu", device="cpu", dataset="glyphs, normalised",
                             split="test", seed="all")
    rows = {(kind, "-"): [score(kind, None, 0, judge, learners)] for kind in BASELINES}
    for budget, seeds in (("short", SEEDS), ("long", SEEDS[:1])):
        rows |= {(kind, budget): [score(kind, budget, seed, judge, learners) for seed in seeds] for kind in KINDS}
    for control, kinds in (("halved", [kind for kind in KINDS if "warps" in kind]), ("shuffled", [REGRESSION])):
        rows |= {(kind, control): [score(kind, control, seed, judge, learners) for seed in SEEDS] for kind in kinds}
    rival = torch.stack([run["distance"] for run in rows["classical × 0.5", "-"]]).mean()
    for (kind, budget), runs in rows.items():
        about = {"arm": kind, "budget": budget, "seeds": len(runs), "setting": "inductive"}
        mean = {key: torch.stack([torch.as_tensor(run[key]) for run in runs]).float().mean(0) for key in runs[0]}
        for what, (key, unit) in MEASURES.items():
            if key in mean:
                results.add(what, mean[key], unit=unit, **about)
        for name in LEARNERS:
            if name in mean:
                plain = rows["no augmentation", "-"][0][name]
                results.add(f"accuracy, {name}", mean[name], unit="accuracy", **about)
                results.add(f"gain, {name}", mean[name] - plain, unit="accuracy", **about)
                rival_runs = rows["GAN, warps", "long" if budget == "long" else "short"]
                rival_mean = torch.stack([run[name] for run in rival_runs]).mean(0)
                if kind != "GAN, warps" or budget in CONTROLS:
                    results.add(f"against the GAN, {name}", mean[name] - rival_mean, unit="accuracy", **about)
                for other in ("classical × 0.25", "classical × 0.5"):
                    if kind != other:
                        results.add(f"against {other}, {name}", mean[name] - rows[other, "-"][0][name],
                                    unit="accuracy", **about)
        if len(runs) > 1:
            each = torch.stack([run["distance"].mean() for run in runs])
            results.add("distance of each seed", each, unit="ratio", **about, by_seed=each.tolist())
            results.add("seeds farther from the truth than classical copies", (each > rival).float(), unit="fraction",
                        **about)
        for what in ("seconds", "samples a second"):
            if what in mean and len(runs) > 1:
                results.add(what, torch.tensor([float(run[what]) for run in runs]), unit=what, **about)


MEASURES = {"class preservation": ("preserved", "accuracy"), "diversity": ("diversity", "ratio"),
            "distance to the truth": ("distance", "ratio")}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("time", "tune", "train", "test"))
    parser.add_argument("--kinds", nargs="+", default=[*KINDS], choices=[*KINDS])
    parser.add_argument("--budgets", nargs="+", default=["short", "long"], choices=("short", "long"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[*SEEDS])
    options = parser.parse_args()
    torch.set_num_threads(1)
    {"time": measure_time, "tune": tune, "train": train, "test": test}[options.what](options)


if __name__ == "__main__":
    main()
