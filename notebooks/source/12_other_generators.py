# %% [markdown]
# # 12 · Other generators
#
# **The question.** Is a GAN the right generator?
#
# Since 2014 the GAN has had successors. Diffusion models and flows draw the pictures that the world talks about, and they need no
# discriminator at all. So this notebook puts six kinds of generators in the place of $G$, trained on the same pairs of drawings
# for the same time. The same metrics and the same learners judge them. The last section asks what becomes of a GAN when there are
# few alphabets to learn from, and whether the known cures help.
#
# **You need** notebooks 08, 09 and 11. **Time**: 45 minutes, and about 40 more with the three exercises.
#
# Parameters as in notebook 00. For images of your own, set `dataset = "folder:/path"`, with one subfolder for each class.

# %% tags=["parameters"]
import os

profile = os.environ.get("COURSE_PROFILE", "cpu")
dataset = os.environ.get("COURSE_DATASET", "glyphs")
device = os.environ.get("COURSE_DEVICE", "auto")
seed = int(os.environ.get("COURSE_SEED", "0"))

# %%
import math
from types import SimpleNamespace

import matplotlib.pyplot as plt
import torch
from IPython.display import Markdown, display
from torch import nn

from course_checks import nb12 as checks
from course_lib import (
    augmentations, checkpoints, classifier, datasets, flows, networks, pairs, quality, runtime,
)
from course_tools import notebook, plots, records

sizes, device, results = notebook.setup("12_other_generators", profile, dataset, device, seed,
                                        split="val")
train, val = (datasets.load(dataset, split=split).normalised().to(device)
              for split in ("train", "val"))
notebook.enough(dataset, train, val, drawings=4)

# %% [markdown]
# ## 1 · Noise that flows
#
# A GAN learns because $D$ finds its mistakes. A **flow** learns by regression (Lipman et al. 2023, *flow matching*). Take a
# sample of noise $z$ and a sample of data $y$. Walk straight from $z$ to $y$ in one unit of time.
#
# $$ a_t = (1 - t)\, z + t\, y, \qquad \frac{\mathrm{d} a_t}{\mathrm{d} t} = y - z. $$
#
# A network $v(a, t)$ learns the velocity at place $a$ and time $t$. Many such walks cross the same place, from different noise to
# different data. Least squares makes $v$ the **mean** of their velocities.
#
# $$ \min_v \; \mathbb{E}\,\bigl\lVert v(a_t, t) - (y - z) \bigr\rVert^2. $$
#
# To sample, start in the noise and follow $v$ from $t = 0$ to $t = 1$. Each walker follows a mean, and yet the end points have
# the distribution of the data (theorem 1 of Lipman et al.). For this, $v$ must be exact and the steps small. Euler's method takes
# the way in $n$ steps, $a \leftarrow a + v(a, t) / n$.
#
# ### Exercise 1 · The flow-matching loss (★★, very important, 15 minutes)
#
# `y` and `z` are `[B, F]`, and `t` `[B]` holds a time for each row. `velocity(places, times)` returns `[B, F]`. Return the loss,
# which is the mean of the squared differences over all B·F numbers.

# %%
def my_matching_loss(velocity, y, z, t):
    """The mean of (v - (y - z))^2 on the straight way from noise z to data y, at times t [B]."""
    ### BEGIN SOLUTION
    at = (1 - t)[:, None] * z + t[:, None] * y
    return (velocity(at, t) - (y - z)).square().mean()
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.matching_loss(my_matching_loss)

# %% [markdown]
# The data are now eight heaps of points in the plane, the world of notebook 02, where a GAN lost some of them.
# `flows.matching_loss` is your loss, but it samples noise and times by itself. With it we train a small network. **Predict**:
# where do the walkers arrive who take the whole way in *one* step?

# %%
def heaps(n, rng):
    angle = torch.randint(8, (n,), generator=rng) * math.pi / 4
    middle = 2 * torch.stack([angle.cos(), angle.sin()], dim=1)
    return middle + 0.15 * torch.randn(n, 2, generator=rng)


runtime.seed_everything(seed)
plain = nn.Sequential(nn.Linear(3, 128), nn.SiLU(), nn.Linear(128, 128), nn.SiLU(),
                      nn.Linear(128, 128), nn.SiLU(), nn.Linear(128, 2))


def velocity(at, t):
    return plain(torch.cat([at, t[:, None]], dim=1))


plane = SimpleNamespace(velocity=lambda at, t, x, condition: velocity(at, t),
                        condition=lambda z, x, task: None)              # no example, no task


rng, optimiser = runtime.rng(seed), torch.optim.Adam(plain.parameters(), 2e-3)
for _ in range(sizes.pick(smoke=20, cpu=3_000, gpu=10_000)):
    loss = flows.matching_loss(plane, heaps(256, rng), None, None, rng)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()

# %%
@torch.no_grad()
def walk(z, n):
    """The places of z [B, 2] after 0, 1, ... n steps of Euler's method: [n + 1, B, 2]."""
    places = [z]
    for step in range(n):
        t = torch.full((len(z),), step / n)
        places.append(places[-1] + velocity(places[-1], t) / n)
    return torch.stack(places)

# %%
start, truth, off = torch.randn(600, 2, generator=runtime.rng(seed + 1)), heaps(600, rng), {}
figure, axes = plt.subplots(2, 2, figsize=(9, 9.4), sharex=True, sharey=True)
for ax, n in zip(axes.flat, (1, 2, 4, 16)):
    places = walk(start, n)
    off[n] = 0.0 + round(quality.energy_distance(places[-1], truth).item(), 2)
    ax.plot(*places[:, :60].unbind(2), color="#999999", linewidth=0.8)
    ax.plot(*places[-1].T, ".", color=plots.METHODS["flow"], markersize=4)
    ax.set(title=f"{n} step{'s' if n > 1 else ''}: distance {off[n]:.2f}", aspect="equal",
           xlim=(-3.2, 3.2), ylim=(-3.2, 3.2), xticks=(-2, 0, 2), yticks=(-2, 0, 2))
figure.suptitle(f"The walkers' distance to the data falls from {off[1]:.2f} after one step\n"
                f"to {off[16]:.2f} after sixteen", fontsize=16)
plots.save(figure, "12_walks")
plt.show()
angle = torch.arange(8) * math.pi / 4
nearest = torch.cdist(places[-1], 2 * torch.stack([angle.cos(), angle.sin()], dim=1)).argmin(1)
least = nearest.bincount(minlength=8).min().item() / len(start)
print(f"{100 * least:.0f} % of the walkers end at the emptiest heap; a fair share is 12.5 %")

# %% [markdown]
# The titles give an energy distance (notebook 08). It compares the points where the walkers arrive with as many points of the
# data. If both have the same distribution, it is 0 up to chance. Grey lines are the ways of 60 walkers.
#
# One step lands in the middle. At $t = 0$ a walker may still end anywhere, so the mean of all ways is the way to the *mean* of
# the data. A regression without noise blurs for the same reason. With more steps, each walker can turn as its target becomes
# clear. A flow has no $D$ to fight with. But its samples cost more time, because each step asks the network once.
#
# ## 2 · Flows that draw
#
# `networks.PixelFlow` does the same in 784 dimensions, one for each pixel. Its velocity is a U-Net that also gets the example,
# the task and the time. As every generator of this course, it is called as `G(z, x, task)`, with a `z` of 784 numbers.
#
# `networks.WarpFlow` lives in the 57 numbers of a warp, like the generator of notebook 08. But a flow needs *data* to flow to,
# and nobody has told us which warp leads from one person's drawing to another's. So we search for this warp. For each pair,
# `flows.warps_between` starts from no warp at all. Then gradient steps lower the squared difference between the two blurred
# drawings.

# %%
draw = pairs.sampler(train, n_tasks=sizes.pick(smoke=2, cpu=4, gpu=4))
rng, batches = runtime.rng(seed + 2, device), sizes.pick(smoke=3, cpu=20, gpu=200)
found = []
for _ in runtime.progress(range(batches), desc="warps"):
    real, x, task = draw(rng)
    found.append((flows.warps_between(x[:, 0], real), x, task))
settings = torch.cat([batch[0] for batch in found])                         # [B, 57]


def warped_by(x, settings):
    affine, field, stroke_width = networks.apart(settings)
    return networks.warp(x, affine, field, stroke_width.clamp(-1, 1))


near = warped_by(x[:, 0], found[-1][0])
before, after = ((flows.blur(image, 1.0) - flows.blur(real, 1.0)).square().sum().item()
                 for image in (x[:, 0], near))
figure, axes = plt.subplots(3, 1, figsize=(9, 4.4))
for ax, images, name in zip(axes, (x[:, 0], near, real), ("x", "x, warped", "somebody\nelse's")):
    plots.sheet(images[None, :8].cpu(), ax)
    ax.set_ylabel(name, rotation=0, ha="right", va="center")
figure.suptitle(f"The found warps take away {100 * (1 - after / before):.0f} % of the squared\n"
                "difference between two people's blurred drawings", fontsize=16)
plots.save(figure, "12_found")
plt.show()

# %% [markdown]
# Now there are data. For each pair, we have 57 numbers that warp one drawing nearly into the other. The simplest generator of
# such numbers is a Gaussian with their mean and their covariance, whatever the drawing. It has no network, and its training is
# one line of algebra (exercise 3 of notebook 11).

# %%
class GaussianWarps(nn.Module):
    """z [B, 57], x, task -> the first example, warped by settings of one Gaussian."""

    z_dim = 57

    def __init__(self, settings):
        super().__init__()
        values, vectors = torch.linalg.eigh(settings.T.cov())
        self.mean, self.root = settings.mean(0), vectors * values.clamp(min=0).sqrt()

    def forward(self, z, x, task):
        return warped_by(x[:, 0], self.mean + z @ self.root.T)


# %% [markdown]
# ## 3 · Six kinds in one place
#
# | kind | what it draws | what it learns from |
# |---|---|---|
# | GAN, warps | 57 numbers of a warp | a discriminator of pairs |
# | GAN, pixels | every pixel | a discriminator of pairs |
# | flow, warps | 57 numbers of a warp | warps that were found |
# | flow, pixels | every pixel | the other drawing of the pair |
# | Gaussian of warps | 57 numbers of a warp | warps that were found |
# | regression, best of 4 | 57 numbers of a warp | the other drawing and the nearest of 4 warps |
#
# `studies/other_generators.py` trained them on the normalised drawings of the training alphabets. Each had the same number of
# seconds on one processor, including the search for warps. On `glyphs` you load generators that were trained for four minutes,
# but the Gaussian learns from the warps above. On other data, three kinds are trained right here for a short time.

# %%
MAKE = {"GAN, warps": networks.WarpGenerator, "GAN, pixels": networks.PixelGenerator,
        "flow, warps": networks.WarpFlow, "flow, pixels": networks.PixelFlow,
        "regression, best of 4": networks.WarpGenerator}


def flow_here():
    """A flow of warps, trained on the warps that were found above."""
    runtime.seed_everything(seed)
    G = networks.WarpFlow().to(device)
    G.mean, G.std = settings.mean(0), settings.std(0)

    def batch(rng):
        chosen, x, task = found[int(torch.randint(len(found), (), device=device, generator=rng))]
        return G.target(chosen), x, task

    return flows.fit(G, batch, n_steps=sizes.pick(smoke=5, cpu=500, gpu=5_000), lr=3e-3,
                     rng=runtime.rng(seed, device))

# %%
generators = {"Gaussian of warps": GaussianWarps(settings)}
if dataset == "glyphs":
    for kind, make_G in MAKE.items():
        file = f"{kind.replace(', ', '-').replace(' ', '-')}_glyphs.safetensors"
        generators[kind] = checkpoints.load_into(
            make_G().to(device).eval(), runtime.project_root() / "checkpoints" / file, device)
else:
    runtime.seed_everything(seed)
    G, D = networks.WarpGenerator().to(device), networks.PairDiscriminator().to(device)
    generators["GAN, warps"] = pairs.train_generator(
        G, D, train, n_steps=sizes.pick(smoke=5, cpu=600, gpu=20_000),
        rng=runtime.rng(seed, device)).G
    generators["flow, warps"] = flow_here()
arms = {kind: augmentations.generated(generators[kind]) for kind in [*MAKE, "Gaussian of warps"]
        if kind in generators}

# %% [markdown]
# **Predict** before you look. Which row has the most variety? In which row do drawings turn into other characters? In which one
# do strokes look unlike ink?

# %%
ink = val.ink.view(len(val.names), -1, 1, 28, 28)                               # [C, M, 1, 28, 28]
half = ink.shape[1] // 2                    # the judge of section 4 learns from the drawings before
tasks = [[i for i, name in enumerate(val.alphabets) if name == alphabet]
         for alphabet in dict.fromkeys(val.alphabets)]


def copies_of(augmentation, n):
    """n copies of one drawing of every character: [C, n, 1, 28, 28]. Each alphabet is a task."""
    rng = runtime.rng(seed + 3, device)
    return torch.cat([torch.stack([augmentation(ink[task, half][None], rng)[0] for _ in range(n)],
                                  dim=1) for task in tasks])


# %%
COLOUR = {"people": "real", "classical": "classical", "GAN": "GAN", "flow": "flow",
          "regression": "regression"}


def look(name):
    """The colour and the filling of a kind's dots: a colour for each method, hollow in pixels."""
    method = [COLOUR[start] for start in COLOUR if name.startswith(start)]
    colour = plots.METHODS[method[0]] if method else "black"
    return {"color": colour, "markerfacecolor": "white" if "pixels" in name else colour}

# %%
shown = torch.randperm(len(val.names), generator=runtime.rng(seed))[:3].tolist()
blocks = {"people": ink[:, :4]} | {name: copies_of(arm, 4) for name, arm in arms.items()}
figure, axes = plt.subplots(1, len(shown), figsize=(10, 6.2))
for ax, character in zip(axes, shown):
    example = torch.zeros(1, *blocks["people"].shape[1:], device=device)
    example[0, 0] = ink[character, half]
    rows = torch.cat([example, *(images[character][None] for images in blocks.values())])
    plots.sheet(rows.cpu(), ax)
axes[0].set(yticks=[30 * i + 13.5 for i in range(len(rows))], yticklabels=["x", *blocks])
axes[0].tick_params(length=0)
for label, name in zip(axes[0].get_yticklabels()[1:], blocks):
    label.set_color(look(name)["color"])
figure.suptitle(f"Three characters that no generator has seen, by people and by {len(arms)} kinds",
                fontsize=16)
plots.save(figure, "12_drawn")
plt.show()

# %% [markdown]
# ## 4 · Judged on alphabets never seen
#
# The metrics are those of notebook 08, in the features of an evaluation classifier of the validation characters. *Class
# preservation* says how often the classifier finds the right character. *Diversity* is the mean distance of two drawings made
# from one example, divided by that of two people's drawings of a character. The *distance to the truth* is the energy distance of
# $G(z, x)$ to other people's drawings of the character.

# %%
labels = torch.arange(len(ink), device=device)
judge = classifier.train(ink[:, :half].flatten(0, 1), labels.repeat_interleave(half), batch=64,
                         n_classes=len(ink), width=32, keep_map=True,
                         n_steps=sizes.pick(smoke=10, cpu=1_200, gpu=5_000),
                         rng=runtime.rng(seed + 4, device))


def features(images):
    """What the judge sees: [C, n, 1, 28, 28] -> [C, n, F]."""
    return classifier.features(judge, images.flatten(0, 1)).view(*images.shape[:2], -1)


true_features = features(ink[:, half + 1:])                         # no example, in no training
usual = torch.stack([torch.pdist(each).mean() for each in true_features]).mean()


def judged(drawn):
    """Class preservation, diversity and distance of drawings [C, n, 1, 28, 28], for each [C]."""
    seen, asked = features(drawn), labels.repeat_interleave(drawn.shape[1])
    return {"class preservation": classifier.conditional_accuracy(
                judge, drawn.flatten(0, 1), asked).view(drawn.shape[:2]).mean(1),
            "diversity": torch.stack([torch.pdist(each).mean() for each in seen]) / usual,
            "distance to the truth": torch.stack(
                [quality.energy_distance(*both) for both in zip(seen, true_features)])}

# %%
def keep(name, arm):
    """The verdicts on an arm's drawings, as records."""
    drawn = copies_of(arm, true_features.shape[1]) if arm else ink[:, half + 1:]
    verdicts = judged(drawn)
    if not arm:
        del verdicts["distance to the truth"]               # people are the truth
    return {what: results.add(what, values.cpu(), arm=name, setting="-",
                              unit="accuracy" if "class" in what else "ratio")
            for what, values in verdicts.items()}

# %%
halved = augmentations.STRENGTH.times(0.5)
baselines = {"people": None, "classical × 0.5": augmentations.classical(halved),
             "classical × 1": augmentations.classical()}
table = {name: keep(name, arm) for name, arm in (baselines | arms).items()}
# %%
PLACE = {"Gaussian of warps": (-10, -22), "flow, warps": (-20, -5), "GAN, warps": (22, -5)}
figure, ax = plt.subplots(figsize=(9, 6.2))
for name, row in table.items():
    right, wide = row["class preservation"], row["diversity"]
    ax.errorbar(wide["value"], 100 * right["value"], xerr=(wide["high"] - wide["low"]) / 2,
                yerr=50 * (right["high"] - right["low"]), fmt="o", markersize=11, **look(name))
    away = PLACE.get(name, (8, 8))
    ax.annotate(name, (wide["value"], 100 * right["value"]), xytext=away, fontsize=13,
                ha="right" if away[0] < 0 else "left", textcoords="offset points",
                color=look(name)["color"])
ax.set(xlabel="diversity of drawings of one character (people: 1)", xlim=(0, 1.38),
       ylabel="class preservation (%)")
kept = {kind: f"{100 * row['class preservation']['value']:.0f} %" for kind, row in table.items()}
words = {"people": "people", "GAN, warps": "GAN of warps", "flow, pixels": "flow of pixels"}
figure.suptitle("Class preservation of drawings by\n" + ", ".join(
    f"{name} {kept[kind]}" for kind, name in words.items() if kind in kept), fontsize=16)
plots.save(figure, "12_judged")
plt.show()

# %% [markdown]
# Intervals are over characters, and each generator was trained once. Hollow dots are kinds that draw pixels. The classifier makes
# errors of its own, which count in all numbers, people's too.
#
# **What a step costs.** A flow may take few steps or many, without new training. **Predict**: what does a flow of one step draw?
# Remember the plane.

# %%
LOOKS, KEEPS = "distance to the truth, by steps", "class preservation, by steps"
counts = (1, 2, 4, 8, 16)
by_steps, n_few = {}, sizes.pick(smoke=2, cpu=5, gpu=10)
flowing = [kind for kind in arms if kind.startswith("flow")]
for kind in flowing:
    usual_steps = generators[kind].steps
    for n in counts:
        generators[kind].steps = n
        verdict = judged(copies_of(arms[kind], n_few))
        details = {"arm": kind, "steps": n, "setting": "-"}
        by_steps[kind, n] = [
            results.add(LOOKS, verdict["distance to the truth"].cpu(), unit="ratio", **details),
            results.add(KEEPS, verdict["class preservation"].cpu(), unit="accuracy", **details)]
    generators[kind].steps = usual_steps

# %%
figure, axes = plt.subplots(1, 2, figsize=(10, 4.8))
for i, kind in enumerate(flowing):
    for ax, k, scale in zip(axes, (0, 1), (1, 100)):
        line = [by_steps[kind, n][k] for n in counts]
        ax.errorbar([n * 1.04 ** (2 * i - 1) for n in counts], [scale * r["value"] for r in line],
                    [scale * (r["high"] - r["low"]) / 2 for r in line], fmt="o-", **look(kind))
        if k:
            ax.annotate(kind, (counts[2], 100 * line[2]["value"]), textcoords="offset points",
                        xytext=(-14, -34) if i else (8, 22), ha="right" if i else "left",
                        color=look(kind)["color"])
        ax.set(xscale="log", xticks=counts, xticklabels=counts, xlabel="steps of Euler's method")
        ax.minorticks_off()
axes[0].set(ylabel="distance to the truth", ylim=(0, None))
axes[1].set(ylabel="class preservation (%)")
figure.suptitle("From 1 to 16 steps, the distance to the truth goes\n" + " and ".join(
    f"from {by_steps[kind, 1][0]['value']:.1f} to {by_steps[kind, 16][0]['value']:.1f} ({kind})"
    for kind in flowing), fontsize=16)
plots.save(figure, "12_steps")
plt.show()

# %% [markdown]
# Intervals are over characters. With more steps a flow comes nearer to what people draw, but more of its drawings lose their
# character.
#
# ## 5 · Six kinds on equal terms
#
# One training says little. So `studies/other_generators.py` trained each kind for one minute with each of five seeds, and once
# for four minutes. It judged them on the ten **test** alphabets, which earlier studies had used, too. Then two learners of
# notebook 09 got five copies of each example. *Distortion matching* has learned nothing, and *fine-tuning the head* starts from a
# trained network. Their tasks are 20-way 1-shot within one alphabet. All of it is exploratory, and the controls (mild classical,
# blurred, halved and shuffled copies) were added after the first results. **Predict** with notebook 11: which of the two learners
# gains more? Does the better imitation bring the larger gain?

# %%
folder = runtime.project_root() / "figures" / "results"
stored = records.read(folder / "other_generators.jsonl")
study = {(r["name"], r["arm"], r["budget"]): r for r in stored}
kinds = list(dict.fromkeys(r["arm"] for r in stored if r["budget"] == "short"))
MATCHING, TUNING = "distortion matching in pixels", "fine-tuning the head"


def plus_minus(record, digits=1, times=1):
    half = times * (record["high"] - record["low"]) / 2
    return f"{times * record['value']:.{digits}f} ± {half:.{digits}f}"


def points(record):
    """A difference of accuracies, for people: '+2.1 ± 0.4'."""
    return f"{100 * record['value']:+.1f} ± {50 * (record['high'] - record['low']):.1f}"


def row_of(kind, budget):
    cells = [records.percent(study["class preservation", kind, budget]),
             plus_minus(study["diversity", kind, budget], 2),
             plus_minus(study["distance to the truth", kind, budget], 2)]
    gains = [study.get((f"gain, {learner}", kind, budget)) for learner in (MATCHING, TUNING)]
    return cells + [points(gain) if gain else "–" for gain in gains]

# %%
def show_table(rows):
    """A table of rows (kind, budget, what to call the budget)."""
    head = ["who draws", "trained for", "class preservation", "diversity", "distance to the truth",
            "gain: matching", "gain: fine-tuning"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    lines += [f"| {kind} | {name} | " + " | ".join(row_of(kind, budget)) + " |"
              for kind, budget, name in rows if ("diversity", kind, budget) in study]
    display(Markdown("\n".join(lines)))


others = [r["arm"] for r in stored if r["name"] == "diversity" and r["budget"] == "-"]
show_table([*((kind, "-", "–") for kind in others), *((kind, budget, name) for budget, name in (
    ("short", "1 min, 5 seeds"), ("long", "4 min, 1 seed")) for kind in kinds)])

# %%
figure, axes = plt.subplots(1, 3, figsize=(10, 5.4), sharey=True)
for i, kind in enumerate(kinds):
    seeds = study["distance of each seed", kind, "short"]["by_seed"]
    axes[0].plot(seeds, [-i] * len(seeds), "o", markersize=9, alpha=0.6, **look(kind))
    for ax, learner in zip(axes[1:], (MATCHING, TUNING)):
        gain = study[f"gain, {learner}", kind, "short"]
        ax.errorbar(100 * gain["value"], -i, xerr=50 * (gain["high"] - gain["low"]), fmt="o",
                    markersize=10, **look(kind))
usual = study["distance to the truth", "classical × 0.5", "-"]["value"]
axes[0].axvline(usual, color=plots.METHODS["classical"], linestyle=":")
axes[0].text(1.05 * usual, -2.5, "classical\n× 0.5", color=plots.METHODS["classical"], va="center")
axes[0].set(yticks=[-i for i in range(len(kinds))], yticklabels=kinds, xscale="log",
            xticks=(6, 8, 12, 18, 25), xticklabels=(6, 8, 12, 18, 25),
            xlabel="distance to the truth\n(a dot for each seed)")
axes[0].minorticks_off()
for ax, learner in zip(axes[1:], ("matching", "fine-tuning")):
    ax.axvline(0, color="black", linestyle=":", linewidth=1)
    ax.set(xlabel=f"gain of {learner}\nby five copies (points)", xlim=(-5, 8.5))
worth = [points(study[f"gain, {MATCHING}", kind, "short"]).split(" ±")[0]
         for kind in ("regression, best of 4", "flow, warps")]
figure.suptitle(f"The regression is farther from the truth than the flow of warps,\nand its copies "
                f"bring matching {worth[0]} points against {worth[1]}", fontsize=16)
plots.save(figure, "12_equal")
plt.show()

# %% [markdown]
# Intervals of gains are over ten alphabets, the others over characters. In the rows of one minute, each value is a mean over five
# seeds.
#
# * **Over warps, the flow needs less time than the GAN.** After one minute each, all five seeds of the flow are nearer to the
#   truth than all five of the GAN, and they scatter less. After four minutes no difference is clear. Mind that the GANs' learning
#   rates do not fall to 0 during training, but those of all other kinds do.
# * **A Gaussian that looks at no drawing is nearly as near.** So these generators mostly learn *which warps people make*, and
#   little of *which warp suits this drawing*.
# * **In pixels, the two ways fail in opposite directions.** The GAN hands the example back. The flow varies a character as people
#   do, and loses most characters on the way.
# * **Nearness to the truth does not make copies useful.** The flow in pixels is as near to the truth as the flow of warps, and
#   its copies take accuracy away from both learners. The regression is farther from the truth than every other kind of warp, and
#   its copies bring both learners the most. For matching it beats the GAN's copies and classical ones by several points. For
#   fine-tuning, its lead over classical copies is not clear.
# * **As notebook 11 predicted**, the learner that knows nothing of how people vary gains more than the trained one. This holds
#   for the copies of each kind of warp, but the intervals overlap.
#
# **Why the regression?** Look for the cheapest explanation first. One is *caution*, because the regression's copies are less
# diverse than those of other warps and more of them keep their character. To test this, halve all settings of the other kinds.
# Another is that the regression *looks at the drawing*. To test this, give each drawing the warp that was chosen for another one.
# **Predict** what the table will say of each.

# %%
show_table([(kind, budget, f"1 min, warps {budget}") for budget in ("halved", "shuffled")
            for kind in kinds])

# %% [markdown]
# * **It is not just caution.** Halve all settings of the GAN, the flow or the Gaussian, or take classical copies at a quarter.
#   Then their diversity falls to the regression's or below, and they keep more characters, and yet the gain stays small.
# * **It is not just softness.** Warps soften a drawing, but in this section's first table, blurred copies bring no clear gain.
# * **It is hardly the look at the drawing.** With the warps of other drawings, matching keeps most of its gain, and fine-tuning
#   keeps about half.
#
# So for matching, what helps is mostly which warps the regression makes, whatever the drawing. Its loss asks for warps that come
# near another person's drawing, and never for as much variety as people have. What its useful warps have in common was not found
# here. To find it would be a good project.
#
# **What each kind costs.** The last table of this section counts seconds of training and drawings a second. A seed has *failed*
# if its drawings are farther from the truth than classical copies at half strength.

# %%
def value(what, kind, budget="short"):
    return study[what, kind, budget]["value"]


FAILED, GAIN = "seeds farther from the truth than classical copies", f"gain, {MATCHING}"
lines = ["| who draws | seconds | drawings a second | failed seeds |", "|---" * 4 + "|"]
lines += [f"| {kind} | {value('seconds', kind):.0f} | {value('samples a second', kind):,.0f} "
          f"| {5 * value(FAILED, kind):.0f} of 5 |" for kind in kinds]
display(Markdown("\n".join(lines)))

# %% [markdown]
# ## 6 · GANs with little data
#
# All this was learned from 35 alphabets. If there is only one, $D$ can learn its drawings by heart. Then $D$ takes these for real
# and all others for generated, and $G$ learns nothing useful from it. To detect this, keep some real drawings away from $D$. A
# $D$ that judges has the same mean logits for known and held-back real pairs. A $D$ that remembers has higher logits for known
# pairs.
#
# ### Exercise 2 · Read the overfit (★, important, 10 minutes)
#
# During training we look at $D$ `L` times. `known`, `held` and `generated` are its logits `[L, n]` at real pairs that $D$ trains
# on, at real pairs held back, and at pairs by $G$. Take means over `n`. Return `[L]` numbers that say where `held` lies on the
# way from `known`, at 0, to `generated`, at 1. The source is Karras et al. 2020, *Training generative adversarial networks with
# limited data*, eq. 1.

# %%
def my_overfit(known, held, generated):
    """How far D overfits at each look [L]: 0 where held is as known, 1 where it is as generated."""
    ### BEGIN SOLUTION
    known, held, generated = (logits.mean(1) for logits in (known, held, generated))
    return (known - held) / (known - generated)
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.overfit(my_overfit)

# %% [markdown]
# The known cures are each one line.
#
# * **R1** (notebook 02) makes $D$ flat at the real drawings, so it is harder to raise logits there.
# * **Augmentation of what $D$ sees** makes few drawings many (Zhao et al. 2020, *Differentiable augmentation for data-efficient
#   GAN training*). **Adaptive** augmentation grows while $D$ is too sure of its real pairs, and shrinks otherwise (Karras et al.
#   2020).
# * **Relativistic, R1 + R2** asks $D$ only which of two drawings is *more* real. $D$ is made flat at generated drawings, too
#   (Huang et al. 2024, *The GAN is dead; long live the GAN!*).
#
# Augmentation has a trap. If only the real drawings are shifted, $G$ learns to draw shifted drawings. Then the augmentation
# **leaks**. If both are shifted in $D$'s loss but not in $G$'s, then $G$ learns from a $D$ that was trained on other pictures.
# Augmentation can leak even when it is done rightly. If all images are turned by random quarter turns, no $D$ can tell an upright
# $G$ from a turned one. So some images must stay as they are.
#
# ### Exercise 3 · An augmentation that must not leak (★★, very important, 15 minutes)
#
# Write both non-saturating losses of notebook 02. $D$ must see only what `augment` makes of an image, and each time that $D$
# looks, images are augmented anew. Here `D` takes images alone, without examples. `fake` has a graph back to $G$. The gradient of
# $G$'s loss must reach $G$ through this graph, and that of $D$'s loss must not. $D$'s loss is the sum of two means, and $G$'s
# loss is one mean.

# %%
def my_augmented_losses(D, real, fake, augment):
    """(d_loss, g_loss), non-saturating, where D sees augmented images alone."""
    ### BEGIN SOLUTION
    softplus = nn.functional.softplus
    d_loss = softplus(-D(augment(real))).mean() + softplus(D(augment(fake.detach()))).mean()
    g_loss = softplus(-D(augment(fake))).mean()
    return d_loss, g_loss
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.augmented_losses(my_augmented_losses)

# %% [markdown]
# `studies/little_data.py` trained the warp generator on 1, 2, 5, 10 and 20 alphabets by five recipes, with five seeds each. Every
# run had thirty seconds, so a costly recipe gets fewer iterations. The distance to the truth is measured on the validation
# alphabets, of which no training saw anything. Each recipe's settings were chosen by the same distance, in runs with two
# alphabets and other seeds. **Predict**: which recipe needs the alphabets least?

# %%
little = records.read(folder / "little_data.jsonl")
recipes = list(dict.fromkeys(r["arm"] for r in little if r["name"] == "diversity"))
alphabets = sorted({r["alphabets"] for r in little if "alphabets" in r})
of_recipe = {(r["name"], r["arm"], r.get("alphabets")): r for r in little}
looks = {(r["arm"], r["pool"], r["share"]): r for r in little
         if r["name"] == "D's logit" and r["alphabets"] == 1}
shares = sorted({share for _, _, share in looks})

# %%
figure, axes = plt.subplots(1, 2, figsize=(9, 5), sharey=True)
POOLS = {"known": ("real", "-", 8), "held": ("real", ":", 8), "generated": ("GAN", "-", -18)}
for ax, name in zip(axes, recipes):
    for pool, (method, style, up) in POOLS.items():
        line = [looks[name, pool, share] for share in shares]
        ax.errorbar([100 * share for share in shares], [r["value"] for r in line],
                    [(r["high"] - r["low"]) / 2 for r in line], fmt="o", linestyle=style,
                    color=plots.METHODS[method])
        if ax is axes[0]:
            ax.annotate(pool, (100 * shares[-2], line[-2]["value"]), xytext=(-8, up), ha="right",
                        textcoords="offset points", color=plots.METHODS[method])
    ax.set(xlabel="share of the training (%)", xticks=[100 * share for share in shares],
           title=name)
axes[0].set_ylabel("D's mean logit, 1 alphabet")
gap = [of_recipe["D's overfit", name, 1]["value"] for name in recipes[:2]]
figure.suptitle(f"One alphabet: held pairs lie {100 * gap[0]:.0f} % of the way from known\nto "
                f"generated without a penalty, {100 * gap[1]:.0f} % with R1", fontsize=16)
plots.save(figure, "12_little")
plt.show()

# %% [markdown]
# *Held* are five drawings of each character that no training saw. Intervals are over five seeds.
#
# Without a penalty, the $D$ of one alphabet learns its drawings by heart, and held pairs slide towards generated ones. R1 does
# **not** lower this overfit, as exercise 2 measures it. It makes all of $D$'s answers small, and perhaps with them the harm that
# a remembered drawing can do. What matters is the distance that $G$ reaches.

# %%
figure, axes = plt.subplots(2, 2, figsize=(9, 7), sharex=True, sharey=True)
rivals = [name for name in recipes if name != "R1"]
worse = {name: [of_recipe["distance to the truth, difference", f"{name} - R1", n]
                for n in alphabets] for name in rivals}
for ax, name in zip(axes.flat, rivals):
    ax.errorbar(alphabets, [r["value"] for r in worse[name]],
                [(r["high"] - r["low"]) / 2 for r in worse[name]], fmt="o-",
                color=plots.METHODS["GAN"])
    ax.axhline(0, color="black", linestyle=":", linewidth=1)
    ax.set(xscale="log", xticks=alphabets, xticklabels=alphabets, title=name)
    ax.minorticks_off()
figure.supxlabel("alphabets to learn from")
figure.supylabel("distance to the truth, minus that with R1")
figure.suptitle("Above 0, G is farther from the truth than with R1.\nWithout a penalty it is "
                f"farther by {worse[rivals[0]][0]['value']:.1f} with 1 alphabet, by "
                f"{worse[rivals[0]][2]['value']:.1f} with {alphabets[2]}", fontsize=16)
plots.save(figure, "12_recipes")
plt.show()

# %% [markdown]
# Intervals are over five seeds.
#
# With one or two alphabets, $G$ comes nearer to the truth with R1 than without a penalty. From five alphabets on, further
# alphabets bring R1 no clear gain. Perhaps 57 numbers of a warp are soon learned, from whichever characters.
#
# The stronger cures do not pay here. Augmentation brings no clear gain at one alphabet, and at ten and twenty $G$ ends farther
# from the truth. Perhaps $D$ has more to learn in the same time. The relativistic recipe is farther from the truth than R1 from
# two alphabets on. Its iterations cost more, so it makes only about two thirds as many as R1. Both cures were made for much
# longer runs, with a generator that can draw anything. This $G$ can only warp the example, so it could hardly copy training
# drawings.
#
# **Stable training, as a number.** A recipe is stable if the seed hardly matters. The last column of the table is the spread of
# five seeds about their mean. The column before it says what share of a recipe's 25 runs came *near the best*. Such a run has a
# distance at most a tenth above that of the best run with the same number of alphabets. So this column asks for stable *and* good
# runs.

# %%
lines = ["| recipe | " + " | ".join(f"distance, {n} alphabet{'s' if n > 1 else ''}"
                                    for n in alphabets) + " | near the best | spread |",
         "|---" * (3 + len(alphabets)) + "|"]
NEAR, SPREAD = "share of runs within 10 % of the best", "spread between seeds, relative"
for name in recipes:
    cells = [plus_minus(of_recipe["distance to the truth", name, n], 2) for n in alphabets]
    near, spread = (100 * of_recipe[what, name, None]["value"] for what in (NEAR, SPREAD))
    lines.append(f"| {name} | {' | '.join(cells)} | {near:.0f} % | {spread:.0f} % |")
display(Markdown("\n".join(lines)))

# %%
seeds_of = {kind: study["distance of each seed", kind, "short"] for kind in kinds}
purposes = {
    "drawings like people's": (lambda kind: -value("distance to the truth", kind),
                               lambda kind: f"distance {value('distance to the truth', kind):.2f}"),
    "copies for a learner that has learned nothing": (
        lambda kind: value(GAIN, kind),
        lambda kind: f"{points(study[GAIN, kind, 'short'])} points"),
    "the same result from any seed": (
        lambda kind: -(seeds_of[kind]["high"] / seeds_of[kind]["value"] - 1),
        lambda kind: f"distance {plus_minus(seeds_of[kind], 2)} over seeds"),
    "many drawings, fast": (lambda kind: value("samples a second", kind),
                            lambda kind: f"{value('samples a second', kind):,.0f} a second")}
take = {purpose: max(kinds, key=score) for purpose, (score, _) in purposes.items()}
choice = ["| purpose | take | its number |", "|---|---|---|"]
choice += [f"| {purpose} | {take[purpose]} | {says(take[purpose])} |"
           for purpose, (_, says) in purposes.items()]
far = {kind: f"{value('distance to the truth', kind):.2f}" for kind in kinds}
won = {kind: points(study[GAIN, kind, "short"]) for kind in kinds}

# %% [markdown]
# ## The answer

# %%
display(Markdown(
    "For these drawings, a GAN is not the right generator. Five copies bring matching "
    f"**{won['regression, best of 4']}** points of accuracy if a regression makes them, which "
    "needs no discriminator, and "
    f"**{won['GAN, warps']}** if a GAN does. Yet the regression's copies are farther from what "
    f"people draw, at a distance to the truth of {far['regression, best of 4']} against "
    f"{far['GAN, warps']} for the GAN's. So a generator that draws as people do is one thing, "
    "and one that helps a learner is another.\n\n" + "\n".join(choice) + "\n\n"
    f"* A flow of warps is the nearest to the truth, at **{far['flow, warps']}**, and brings "
    f"matching {won['flow, warps']} points. A Gaussian of warps is at {far['Gaussian of warps']} "
    f"and brings {won['Gaussian of warps']}.\n"
    "* Every kind was trained for one minute with each of five seeds. Longer runs, larger networks "
    "or richer drawings may change the order.\n"
    "* The characters are simulated and normalised. The intervals of gains are over ten test "
    "alphabets."))

# %% [markdown]
# **Read next.**
#
# * Lipman, Chen, Ben-Hamu, Nickel & Le 2023, *Flow matching for generative modeling* (arXiv 2210.02747).
# * Huang, Gokaslan, Kuleshov & Tompkin 2024, *The GAN is dead; long live the GAN!* (arXiv 2501.05441).
# * Li & Malik 2018, *Implicit maximum likelihood estimation* (arXiv 1809.09087).
