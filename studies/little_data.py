"""GANs with little data: the generator of notebook 08, trained on 1 to 20 alphabets by five recipes.

    python studies/little_data.py time          (iterations in SECONDS, of each recipe by turns)
    python studies/little_data.py tune          (a knob of each recipe, on two alphabets, judged on val)
    python studies/little_data.py train         (two hours on one core; goes on where it was stopped)
    python studies/little_data.py train --seeds 0 1     (a part of it, for a process of its own)
    python studies/little_data.py test          (writes figures/results/little_data.jsonl)

Drawings are normalised, and of each character the last HELD drawings are kept from training. The alphabets are the
first of an order that depends on the seed alone, so all recipes meet the same. All recipes have the wrong pairs of
notebook 08, and as many seconds: each as many iterations as fit into them.

* no penalty
* R1: the recipe of notebook 08
* augmented: R1, and D sees real and generated pairs only after `augmented` (after DiffAugment, Zhao et al. 2020)
* adaptive: the same, with a chance of each change that follows D's logits at real pairs (Karras et al. 2020)
* relativistic: D compares each generated drawing with a real one, with R1 and R2 (Huang et al. 2024)

D's overfit says where its mean logit at real pairs of the drawings held out lies, on the way from that at real pairs it
trains on (0) to that at generated ones (1). G is judged by the energy distance to the truth, on the alphabets of val.
"""

import argparse
import itertools
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import nn
from torch.nn.functional import affine_grid, grid_sample

import shared
from course_lib import augmentations, checkpoints, datasets, gan, losses, networks, pairs, penalties, runtime
from course_lib.datasets import ImageClasses
from course_lib.statistics import fraction_recovered
from judging import Judge

FOLDER = runtime.project_root() / "runs" / "little_data"
ALPHABETS, SEEDS, SECONDS, HELD, LOOKS = (1, 2, 5, 10, 20), range(5), 30, 5, 4
RATES = (4e-4, 8e-4)                # of G and of D


def augmented(x, chance, rng):
    """Images x [B, C, 28, 28], all C of a row alike: shifted by up to 4 pixels, a square left out; differentiable.

    Each of the two with a chance of its own. While it is below 1, drawings as they are stay the most frequent, so that
    G cannot hide in a shifted world: the changes do not leak (Karras et al. 2020, section 2.2).
    """
    b, size = len(x), x.shape[-1]

    def happens():
        return torch.rand(b, 1, generator=rng) < chance

    shift = torch.where(happens(), torch.randint(-4, 5, (b, 2), generator=rng), 0) * 2 / size       # whole pixels
    places = torch.cat([torch.eye(2).expand(b, 2, 2), shift[:, :, None]], dim=2)
    moved = grid_sample(x, affine_grid(places, x.shape, align_corners=False), align_corners=False)
    line, corner = torch.arange(size), torch.randint(size - 7, (2, b, 1), generator=rng)
    down, right = ((line >= at) & (line < at + 8) for at in corner)                                 # [B, size] each
    gap = down[:, :, None] & right[:, None] & happens()[:, None]
    return moved * ~gap[:, None]


class Augmented(nn.Module):
    """D of pairs, of which it sees `augmented` ones alone: real and generated, in D's step and in G's."""

    def __init__(self, chance, seed, target=None):
        super().__init__()
        self.D, self.chance, self.target, self.rng = networks.PairDiscriminator(), chance, target, runtime.rng(seed)

    def forward(self, image, x, task):
        both = augmented(torch.cat([image, x[:, 0]], dim=1), self.chance, self.rng)
        return self.D(both[:, :1], both[:, 1:, None], task)

    def adapt(self, discriminator, real, fake, rng, *, step=0.01):
        """A penalty of 0 that sets the chance: up while D takes more real pairs for real than the target says."""
        with torch.no_grad():
            surplus = discriminator(real).sign().mean() - self.target
        self.chance = min(max(self.chance + step * surplus.sign().item(), 0.0), 0.8)
        return 0.0


class Relativistic(nn.Module):
    """D(x) - D(real): how much more real than the real drawing of its row. The loss of notebook 02 does the rest."""

    def __init__(self):
        super().__init__()
        self.D, self.real = networks.PairDiscriminator(), None      # real: of this iteration, set by the sampler

    def forward(self, image, x, task):
        return self.D(image, x, task) - self.D(self.real, x, task)


def r2(discriminator, real, fake, rng=None, *, gamma):
    return penalties.r1(discriminator, fake, gamma=gamma)


class Recipe(NamedTuple):
    iterations: int         # in SECONDS: what `time` found
    knobs: tuple            # values that `tune` tries
    knob: float             # the best of them
    make: Callable          # (knob, seed) -> D and penalty


def _penalty(gamma, *more):
    lazy = [penalties.lazily(partial(each, gamma=gamma), every=4) for each in (penalties.r1, *more)]
    return penalties.total(penalties.mismatch, *lazy)


def _plain(knob, seed):
    return networks.PairDiscriminator(), penalties.mismatch


def _with_r1(gamma, seed):
    return networks.PairDiscriminator(), _penalty(gamma)


def _augmented(chance, seed):
    return Augmented(chance, seed), _penalty(1.0)


def _adaptive(target, seed):
    D = Augmented(0.0, seed, target)
    return D, penalties.total(_penalty(1.0), D.adapt)


def _relativistic(gamma, seed):
    return Relativistic(), _penalty(gamma, r2)


RECIPES = {"no penalty": Recipe(400, (0,), 0, _plain), "R1": Recipe(392, (0.1, 1.0, 10.0), 1.0, _with_r1),
           "augmented": Recipe(360, (0.1, 0.3, 0.6), 0.1, _augmented),
           "adaptive": Recipe(332, (0.3, 0.6, 0.8), 0.6, _adaptive),
           "relativistic": Recipe(256, (0.1, 1.0, 10.0), 1.0, _relativistic)}


def drawings(seed, n):
    """(known, held): the first n alphabets of the seed's order; their drawings to train on, and those kept back."""
    train = datasets.load("glyphs", split="train").normalised()
    names = sorted(set(train.alphabets))
    chosen = {names[i] for i in torch.randperm(len(names), generator=runtime.rng(seed))[:n]}
    few = train.take(i for i, name in enumerate(train.alphabets) if name in chosen)
    return tuple(ImageClasses(images, few.alphabets, few.names)
                 for images in (few.images[:, :-HELD], few.images[:, -HELD:]))


def fit(recipe, known, seed, iterations, knob, watch=None):
    """The `gan.TrainedGAN` of a recipe, and its D."""
    runtime.seed_everything(seed)
    G, (D, penalty), draw = networks.WarpGenerator(), recipe.make(knob, seed), pairs.sampler(known, n_tasks=2)

    def remembered(rng):
        batch = draw(rng)
        D.real = batch[0]
        return batch

    trained = gan.fit(G, D, remembered if isinstance(D, Relativistic) else draw, n_steps=iterations,
                      loss=losses.NON_SATURATING, penalty=penalty, lr=RATES, betas=(0.0, 0.99), ema=0.99,
                      rng=runtime.rng(seed), watch=watch and partial(watch, getattr(D, "D", D)))
    return trained


@torch.no_grad()
def logits(D, G, classes, generated=False):
    """D's mean logit at pairs of the classes, or at G's drawings beside the same examples."""
    rng, found = runtime.rng(1), []
    for _ in range(4):
        real, x, task = pairs.sampler(classes)(rng)
        found.append(D(G(gan.noise(G, len(real), rng), x, task) if generated else real, x, task))
    return torch.cat(found).mean().item()


def run(name, n_alphabets, seed, judge, knob=None, path=None):
    """Train one G; {what: value}. The logits are those of D without augmentation, at LOOKS times."""
    recipe, (known, held) = RECIPES[name], drawings(seed, n_alphabets)
    found = {"known": [], "held": [], "generated": []}

    def watch(D, iteration, G):
        if iteration and iteration % (recipe.iterations // LOOKS) == 0:
            found["known"].append(logits(D, G, known))
            found["held"].append(logits(D, G, held))
            found["generated"].append(logits(D, G, known, generated=True))

    G = fit(recipe, known, seed, recipe.iterations, recipe.knob if knob is None else knob, watch).G
    scores = judge(augmentations.generated(G))
    return found | {key: values.mean().item() for key, values in scores._asdict().items()}


def measure_time(options):
    """Print how many iterations fit into SECONDS, from rounds of 60 by turns."""
    known, _ = drawings(0, 5)
    spent = dict.fromkeys(RECIPES, 0.0)
    for _, (name, recipe) in itertools.product(range(3), RECIPES.items()):
        start = time.process_time()
        fit(recipe, known, 0, 60, recipe.knob)
        spent[name] += time.process_time() - start
    for name, seconds in spent.items():
        print(f"{name:15} {1000 * seconds / 180:.0f} ms, {10 * round(SECONDS / (seconds / 180) / 10)} iterations")


def tune(options):
    """Print the distance to the truth of each knob, on two alphabets, two seeds that the study does not use."""
    judge = Judge("val")
    for name, recipe in RECIPES.items():
        for knob in recipe.knobs:
            runs = [run(name, 2, seed, judge, knob) for seed in (100, 101)]
            print(name, knob, *(round(sum(r[key] for r in runs) / 2, 3) for key in ("distance", "preserved")), runs[0],
                  flush=True)


def path_of(name, n_alphabets, seed):
    return FOLDER / f"{name.replace(' ', '-')}-{n_alphabets}-{seed}.safetensors"


def train(options):
    judge = Judge("val")
    for seed, n_alphabets, name in itertools.product(options.seeds, ALPHABETS, options.recipes):
        path = path_of(name, n_alphabets, seed)
        if not path.exists():
            checkpoints.save(path, run(name, n_alphabets, seed, judge))
            print(path.stem, flush=True)


def test(options):
    """Write the distances, D's overfit, the share of runs near the best, and the spread between seeds."""
    results = shared.results("little_data", profile="cpu", device="cpu", dataset="glyphs, normalised", split="val",
                             seed="all")
    runs = {(name, n): [checkpoints.load(path_of(name, n, seed)) for seed in SEEDS]
            for name, n in itertools.product(RECIPES, ALPHABETS)}
    distance = {key: torch.tensor([run["distance"] for run in found]) for key, found in runs.items()}
    for (name, n), found in runs.items():
        about = {"arm": name, "alphabets": n, "setting": "-"}
        for what, (key, unit) in MEASURES.items():
            results.add(what, torch.tensor([run[key] for run in found]), unit=unit, **about)
        if name != "R1":
            results.add("distance to the truth, difference", distance[name, n] - distance["R1", n], unit="ratio",
                        **about | {"arm": f"{name} - R1"})
        for pool, look in itertools.product(POOLS, range(LOOKS)):
            results.add("D's logit", torch.tensor([run[pool][look] for run in found]), unit="logit", pool=pool,
                        share=(look + 1) / LOOKS, **about)
        known, held, generated = (torch.tensor([run[pool][-1] for run in found]) for pool in POOLS)
        results.add("D's overfit", fraction_recovered(known, held, generated), unit="ratio", **about)
    best = {n: min(distance[name, n].min() for name in RECIPES) for n in ALPHABETS}
    for name in RECIPES:
        near = torch.cat([(distance[name, n] <= 1.1 * best[n]).float() for n in ALPHABETS])
        results.add("share of runs within 10 % of the best", near, unit="fraction", setting="-", arm=name)
        spread = torch.stack([distance[name, n].std() / distance[name, n].mean() for n in ALPHABETS])
        results.add("spread between seeds, relative", spread, unit="fraction", setting="-", arm=name)


POOLS = "known", "held", "generated"
MEASURES = {"distance to the truth": ("distance", "ratio"), "class preservation": ("preserved", "accuracy"),
            "diversity": ("diversity", "ratio")}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("time", "tune", "train", "test"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[*SEEDS])
    parser.add_argument("--recipes", nargs="+", default=[*RECIPES], choices=[*RECIPES])
    options = parser.parse_args()
    torch.set_num_threads(1)
    {"time": measure_time, "tune": tune, "train": train, "test": test}[options.what](options)


if __name__ == "__main__":
    main()
