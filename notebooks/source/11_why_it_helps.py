# %% [markdown]
# # 11 · Why it helps
#
# **The question.** What can generated samples add, and what can they never add?
#
# In notebook 10, copies by $G$ on both sides lowered the errors of a ProtoNet. This notebook asks *what* in the copies helps,
# because that decides what to try next. First it takes $G$ apart. What does $G$ change in a drawing, and do people vary the same
# things? Does something simpler than a GAN do as well? Then a toy world, simple enough for formulas, tells how much samples *can*
# add. At the end we compare these formulas with what was measured.
#
# **You need** notebooks 06, 08 and 10. **Time**: 55 minutes, and about 55 more with the five exercises.
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

import matplotlib.pyplot as plt
import torch
from IPython.display import Markdown, display

from course_checks import nb11 as checks
from course_lib import (
    augmentations, checkpoints, datasets, episodes, flows, gan, learners, networks, normalisation,
    pairs, runtime, statistics,
)
from course_tools import notebook, plots, records

sizes, device, results = notebook.setup("11_why_it_helps", profile, dataset, device, seed,
                                        split="val")
train, val = (datasets.load(dataset, split=split).to(device) for split in ("train", "val"))
notebook.enough(dataset, train, val, drawings=4)
worlds = {"raw": (train, val), "normalised": (train.normalised(), val.normalised())}

# %% [markdown]
# This notebook uses two worlds. In the **raw** world, drawings are as people left them. In the **normalised** world, each drawing
# is centred and scaled by its own moments, as in notebook 06. Each world has a generator of its own, trained by the code of
# notebook 08 on the drawings of that world. On `glyphs` both generators come from checkpoints. On other data they are trained
# right here for a short time. All drawings that we look at come from the validation alphabets.

# %%
FILES = {"raw": "warp_glyphs.safetensors", "normalised": "warp-normalised_glyphs.safetensors"}
generators, ink = {}, {}
n_drawings = min(sizes.pick(smoke=4, cpu=10, gpu=20), val.images.shape[1])
for world, (known, judged) in worlds.items():
    runtime.seed_everything(seed)
    G = networks.WarpGenerator().to(device)
    if dataset == "glyphs":
        path = runtime.project_root() / "checkpoints" / FILES[world]
        checkpoints.load_into(G, path, device)
    else:
        G = pairs.train_generator(G, networks.PairDiscriminator().to(device), known,
                                  n_steps=sizes.pick(smoke=5, cpu=600, gpu=20_000),
                                  rng=runtime.rng(seed, device)).G
    generators[world] = G.eval()
    every = judged.ink.view(len(judged.names), -1, 1, 28, 28)                   # [C, M, 1, 28, 28]
    order = torch.rand(every.shape[:2], generator=runtime.rng(seed + 1)).argsort(1).to(device)
    rows = torch.arange(len(every), device=device)[:, None]
    ink[world] = every[rows, order[:, :n_drawings]]     # in each row, another order of the people

# %% [markdown]
# $G$ also looks at the task, which is a set of characters of one alphabet. So we cut the validation drawings into tasks. Each
# task holds one drawing of each character of an alphabet, and different people drew them.

# %%
def by_task(world, function):
    """What `function` makes of tasks x [T, N, 1, 28, 28], an alphabet at a time: [C, T, ...]."""
    made = [None] * len(val.names)
    for alphabet in dict.fromkeys(val.alphabets):
        members = [i for i, name in enumerate(val.alphabets) if name == alphabet]
        of_alphabet = function(ink[world][members].transpose(0, 1)).transpose(0, 1)
        for i, rows in zip(members, of_alphabet):
            made[i] = rows
    return torch.stack(made)


def copies(world, augmentation, n):
    """n augmented copies of every drawing: [C, T, n, 1, 28, 28]."""
    rng = runtime.rng(seed + 2, device)
    return by_task(world, lambda x: torch.stack([augmentation(x, rng) for _ in range(n)], dim=2))


# %% [markdown]
# ## 1 · Six numbers of a drawing
#
# A drawing may stand too far left, be small, or lean. Six numbers describe such habits. All but the last come from moments of the
# ink (notebook 06).
#
# * **Place**, across and down, is the mean of the ink.
# * **Size** is the logarithm of the ink's spread.
# * **Proportions** are the logarithm of its width over its height.
# * **Slant** is from −1 to 1. It is the correlation of the ink's places to the right and up.
# * **Stroke width** is a logarithm, too. A stroke has an edge on either side, so its width is twice its ink over the length of
#   the edge.

# %%
NAMES = ("place across", "place down", "size", "proportions", "slant", "stroke width")


def measures(images):
    """The six numbers of images [..., 1, H, W]: [..., 6]."""
    x = images.flatten(0, -4)[:, 0]
    mean, spread = normalisation.moments(x)                                     # [B, 2], [B, 2]
    right, down = ((2 * torch.arange(n, device=x.device) + 1) / n - 1 for n in (x.shape[2],
                                                                               x.shape[1]))
    total = x.sum((1, 2)).clamp(min=1e-6)
    together = torch.einsum("bij,i,j->b", x, down, right) / total - mean.prod(1)
    wide, high = spread.clamp(min=0.01).unbind(1)
    edge = torch.hypot(x.diff(dim=2)[:, 1:], x.diff(dim=1)[:, :, 1:]).sum((1, 2)).clamp(min=1e-6)
    found = [*mean.unbind(1), (wide * high).log() / 2, (wide / high).log(),
             -together / (wide * high), (2 * total / edge).clamp(min=1e-3).log()]
    return torch.stack(found, dim=1).view(*images.shape[:-3], 6)


# %% [markdown]
# A drawing $x$ stands further left than most. How far left does $G(z, x)$ stand? Fit a line that predicts a number of $G(z, x)$
# from the same number of $x$. With a **slope** of 1, $G$ hands the habit on. With a slope of 0, $G$ forgets it.
#
# ### Exercise 1 · A slope (★, very important, 10 minutes)
#
# `a` and `b` are `[C, n]`, with a row for each character. `a[c, i]` is one of the six numbers, say the size, of drawing i.
# `b[c, i]` is the size of another drawing of the same character. Return the slope of the least-squares line of `b` on `a` through
# all C·n points, with an intercept. Its formula is $\sum (a - \bar a)(b - \bar b) \, / \sum (a - \bar a)^2$.

# %%
def my_slope(a, b):
    """The slope of the least-squares line of b on a, both [C, n]: one number."""
    ### BEGIN SOLUTION
    a, b = a - a.mean(), b - b.mean()
    return (a * b).sum() / a.square().sum()
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.slope(my_slope)

# %% [markdown]
# **Predict** the slope of the place across for three drawings: a copy by $G$, a classical copy and *another person's drawing of
# the same character*. Is the last slope 0?
#
# Besides the slope we measure the **scatter**, which says how far the points lie from the line. Its unit is the scatter of
# people. Drawings of one character belong together, so intervals are taken over characters. They come from a jackknife, which
# leaves out one character at a time (as in `statistics.fraction_recovered`).

# %%
def slopes(a, b):
    """Jackknife values [C, F] of the slopes of b on a, both [C, n, F]; their mean is the slope."""
    a, b = a - a.mean((0, 1)), b - b.mean((0, 1))
    up, along = (a * b).sum(1), a.square().sum(1)                               # [C, F] each
    without = (up.sum(0) - up) / (along.sum(0) - along)
    return len(a) * up.sum(0) / along.sum(0) - (len(a) - 1) * without


def left_over(a, b, slope):
    """How far b [C, n, F] scatters about the line of that slope, by character: [C, F]."""
    away = b - b.mean((0, 1)) - slope * (a - a.mean((0, 1)))
    return away.square().mean(1).sqrt()


# %%
QUARTER = augmentations.STRENGTH.times(0.25)                                    # as in notebook 10
SLOPE, SCATTER = "slope on the example", "scatter about the line, over people's"
found = {}
for world, images in ink.items():
    a = measures(images)
    others = {"people": a.roll(1, 1),                      # by somebody else, of the same character
              "G": measures(copies(world, augmentations.generated(generators[world]), 1))[:, :, 0],
              "classical": measures(copies(world, augmentations.classical(QUARTER), 1))[:, :, 0]}
    usual = left_over(a, others["people"], slopes(a, others["people"]).mean(0)).mean(0)
    for who, b in others.items():
        steep = slopes(a, b)
        loose = left_over(a, b, steep.mean(0)) / usual
        for i, name in enumerate(NAMES):
            if world == "normalised" and i < 3:             # normalisation takes these out of x
                continue
            details = {"unit": "ratio", "setting": "-", "arm": who, "world": world, "of": name}
            found[world, who, name] = [results.add(SLOPE, steep[:, i].cpu(), **details),
                                       results.add(SCATTER, loose[:, i].cpu(), **details)]

# %%
figure, axes = plt.subplots(2, 2, figsize=(9, 8.6), height_ratios=(6, 3.3), sharex="col")
COLOUR = {"people": "real", "G": "GAN", "classical": "classical"}
for row, world in zip(axes, worlds):
    names = [name for name in NAMES if (world, "G", name) in found]
    for k, ax in enumerate(row):
        for i, (who, method) in enumerate(COLOUR.items()):
            shown = [found[world, who, name][k] for name in names]
            values = [mark["value"] for mark in shown]
            ax.errorbar(values, torch.arange(len(names)) + 0.2 * (i - 1), fmt="oD^"[i],
                        xerr=[(mark["high"] - mark["low"]) / 2 for mark in shown], markersize=8,
                        color=plots.METHODS[method])
            if ax is axes[0, 0]:
                ax.annotate(who, (values[0], -0.45), ha="center", va="bottom",
                            color=plots.METHODS[method])
        ax.axvline(1, color="black", linestyle=":", linewidth=1)
        ax.set(yticks=range(len(names)), title=f"{world} drawings", xlim=(0, None),
               yticklabels=names if k == 0 else [], ylim=(len(names) - 0.5, -0.9))
axes[1, 0].set_xlabel("slope on the example\n(1: handed on, 0: forgotten)")
axes[1, 1].set_xlabel("scatter about the line\n(people: 1)")
place = [100 * found["raw", who, NAMES[0]][0]["value"] for who in ("G", "people", "classical")]
figure.suptitle(f"Place across: copies by G keep {place[0]:.0f} % of the example's deviation,\n"
                f"people {place[1]:.0f} %, classical copies {place[2]:.0f} %", fontsize=16)
plots.save(figure, "11_slopes")
plt.show()

# %% [markdown]
# Intervals are over characters, and each generator was trained once. On `glyphs`, people are simulated, so the simulator's
# settings decide how much they vary.
#
# **People.** Their slope is not 0, because two drawings of one character share the character. Let $a = c + e$ and $b = c + e'$.
# Here $c$ is the character's own number, and $e$ and $e'$ are the deviations of two people. The slope is
#
# $$ \frac{\operatorname{cov}(a, b)}{\operatorname{var}(a)} = \frac{\operatorname{var}(c)}{\operatorname{var}(c) + \operatorname{var}(e)}, $$
#
# which is the character's share of the variance. So people **regress to the mean**, too (Galton 1886). A perfect $G$ would have
# *their* slope, which is neither 0 nor 1.
#
# **Raw drawings.** The place of a copy by $G$ is a compromise. About half of $x$'s habit is forgotten, and the scatter is nearly
# that of people. In size, proportions and slant $G$ is timid, because its slopes are near 1 and it scatters far less than people
# do. Stroke width is a case of its own, because every warp samples the image anew and softens its edges. So of all that people
# vary, this $G$ learned to vary **the place**. The places of its copies regress to the mean, as people's places do.
#
# **Normalised drawings.** The place is the same in all drawings, so $D$ cannot judge by it. So the second $G$ learned other
# things. Now its slopes of proportions, slant and stroke width lie nearer to those of people than the slopes of the first $G$
# did. Section 3 asks whether this better imitation helps.
#
# ## 2 · Raw drawings: is it the place?
#
# $G$ mostly moves drawings towards the middle. Perhaps that is all that the ProtoNet of notebook 10 wants. Four arms take $G$'s
# copies apart.
#
# * **only G's place** is $x$ itself, moved to where $G(z, x)$ stands.
# * **G without its place** is $G(z, x)$, moved back to where $x$ stands. One warp does both, because two would blur the ink
#   twice.
# * **G, shuffled** warps every drawing by the settings that $G$ chose for *another* one.
# * **no G: centred** averages the drawing and its centred self (`normalisation.centred`).
#
# ### Exercise 2 · Shuffled settings (★★, important, 10 minutes)
#
# `settings` holds three tensors for B images: `affine` `[B, 2, 3]`, `field` `[B, 2, 5, 5]` and `stroke_width` `[B]`. Return the
# same three tensors in another order along B, chosen by chance from `rng`. No image keeps its own settings. All three settings of
# an image come from one other image, and each image's settings are used once.

# %%
def my_shuffled(settings, rng):
    """(affine, field, stroke_width), where no image keeps its own; rng is on the CPU."""
    ### BEGIN SOLUTION
    order = torch.randperm(len(settings[0]), generator=rng)
    source = torch.empty_like(order)
    source[order] = order.roll(1)               # one long cycle: each takes what the one before had
    return tuple(part[source] for part in settings)
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.shuffled(my_shuffled)

# %% [markdown]
# Now we write the arms as augmentations. Like those of notebook 09, they are functions of tasks `[T, N, 1, 28, 28]`.

# %%
def chosen(G, x, rng):
    """The settings that G chooses for images x [T, N, 1, 28, 28], each of length T * N."""
    flat = x.flatten(0, 1)
    with torch.no_grad():
        return G.settings(gan.noise(G, len(flat), rng), flat[:, None], x)

def moved(x, place):
    """Images x [B, 1, 28, 28] with their ink's mean at place [B, 2], by a shift alone."""
    affine = torch.zeros(len(x), 2, 3, device=x.device)
    affine[:, :, 2] = normalisation.moments(x[:, 0])[0] - place
    none = torch.zeros(len(x), 2, 5, 5, device=x.device)
    return networks.warp(x, affine, none, none[:, 0, 0, 0])


def centre(x):
    return normalisation.moments(x[:, 0])[0]


# %%
def place_only(G):
    def augmentation(x, rng, task=None):
        flat = x.flatten(0, 1)
        return moved(flat, centre(networks.warp(flat, *chosen(G, x, rng)))).view_as(x)
    return augmentation


def all_but_place(G):
    def augmentation(x, rng, task=None):
        flat, (affine, field, stroke_width) = x.flatten(0, 1), chosen(G, x, rng)
        away = centre(flat) - centre(networks.warp(flat, affine, field, stroke_width))
        back = away + (affine[:, :, :2] @ away[:, :, None])[:, :, 0]    # in the example's places
        affine = torch.cat([affine[:, :, :2], affine[:, :, 2:] - back[:, :, None]], dim=2)
        return networks.warp(flat, affine, field, stroke_width).view_as(x)
    return augmentation

# %%
def centred(x, rng, task=None):
    return normalisation.centred(x)


def shuffled(G):
    def augmentation(x, rng, task=None):
        settings = [part.view(*x.shape[:2], *part.shape[1:]) for part in chosen(G, x, rng)]
        far = int(torch.randint(1, max(2, x.shape[1]), (), device=x.device, generator=rng))
        settings = [part.roll(far, 1).flatten(0, 1) for part in settings]
        return networks.warp(x.flatten(0, 1), *settings).view_as(x)
    return augmentation


G, classical = generators["raw"], augmentations.classical(QUARTER)
arms = {"raw": {"no augmentation": None, "G": augmentations.generated(G),
        "only G's place": place_only(G), "G without its place": all_but_place(G),
        "G, shuffled": shuffled(G), "classical × 0.25": classical, "no G: centred": centred}}

# %%
x = ink["raw"][:8].transpose(0, 1)                                              # [T, 8, ...]
shown = {"x": x[0]} | {name: arms["raw"][name](x, runtime.rng(seed, device))[0]
                       for name in ("G", "only G's place", "G without its place", "no G: centred")}
figure, axes = plt.subplots(5, 1, figsize=(9, 6.4))
for ax, (name, images) in zip(axes, shown.items()):
    plots.sheet(images[None].cpu(), ax)
    ax.set_ylabel(name, rotation=0, ha="right", va="center")
    for column in range(len(images)):
        ax.plot([30 * column + 13.5] * 2, [0, 27], color=plots.COLOURS[3], linewidth=0.8)
    ax.plot([0, 30 * len(images) - 3], [13.5] * 2, color=plots.COLOURS[3], linewidth=0.8)
far = {}
for name in ("G", "classical × 0.25"):
    pair = ink["raw"], copies("raw", arms["raw"][name], 1)[:, :, 0]
    there, here = (normalisation.moments(each.flatten(0, 2))[0] for each in pair)
    far[name] = 14 * (there - here).norm(dim=1).mean()              # 14 pixels: half of the image
figure.suptitle(f"The ink's middle moves by {far['G']:.1f} pixels in a copy by G,\nby "
                f"{far['classical × 0.25']:.1f} pixels in a classical copy", fontsize=16)
plots.save(figure, "11_apart")
plt.show()

# %% [markdown]
# **Predict** which arms make fewer errors than no augmentation does, and which one makes the fewest.
#
# The ProtoNet is that of notebook 10, trained on raw drawings without augmentation. In support and query, a drawing's features
# are means over the drawing and its augmented copies. Many episodes use the same drawing, so we compute its mean features once.
# The episodes then hold no images. In place of each drawing they hold its index, written as three bytes. All arms see the same
# episodes, so differences are paired.

# %%
n_way = min(20, *map(val.alphabets.count, val.alphabets))
versions = sizes.pick(smoke=2, cpu=12, gpu=16)
number = torch.arange(len(val.names) * n_drawings).view(len(val.names), n_drawings)
digits = torch.stack([number // 256 ** 2, number // 256 % 256, number % 256], dim=2)
tickets = datasets.ImageClasses(digits[:, :, None, None].to(torch.uint8), val.alphabets, val.names)
tasks = episodes.sample(tickets, n_way=n_way, k_shot=1, q_query=min(3, n_drawings - 1),
                        n_tasks=sizes.pick(smoke=20, cpu=200, gpu=1_000), within_alphabet=True,
                        rng=runtime.rng(seed + 3))
support, query = ((255 * x.flatten(2)).round().long() @ torch.tensor([256 ** 2, 256, 1])
                  for x in (tasks.support_x, tasks.query_x))                    # [T, N], [T, N*Q]
asked = (query // n_drawings).flatten()                                         # the characters


def by_character(wrong):
    """The error of each character's queries, from wrong [T, N*Q] of 0 and 1: [C]."""
    counts = asked.bincount(minlength=len(val.names))
    return (asked.bincount(wrong.flatten(), len(val.names)) / counts)[counts > 0]


# %%
def trained(world, keep_map):
    """A ProtoNet's network, trained on the world's drawings without augmentation."""
    runtime.seed_everything(seed)
    network = networks.ConvNet(1, width=32, keep_map=keep_map).to(device)
    return learners.train_protonet(network, worlds[world][0], rng=runtime.rng(seed, device),
                                   n_steps=sizes.pick(smoke=5, cpu=500, gpu=5_000)).eval()


@torch.no_grad()
def errors(world, network, augmentation):
    """Each character's error [C] with features averaged over a drawing and its copies."""
    rng, n_copies = runtime.rng(seed + 4, device), 0
    if augmentation:
        n_copies = 1 if augmentation in ALWAYS_ALIKE else versions - 1

    def features(x):
        images = [x] + [augmentation(x, rng) for _ in range(n_copies)]
        return sum(network.features(image.flatten(0, 1)).view(*x.shape[:2], -1)
                   for image in images) / len(images)

    seen = by_task(world, features).flatten(0, 1).cpu()                         # [C * M, F]
    nearest = torch.cdist(seen[query], seen[support]).argmin(2)                 # one shot
    return by_character((nearest != tasks.query_y.cpu()).float())


# %%
ALWAYS_ALIKE = [centred]                            # augmentations without chance: one copy is all
marks, wrong = {}, {}


def measure(world, learner, error_of, names=None):
    """Error of every arm, and its paired difference from no augmentation and from G: records."""
    for arm in names or arms[world]:
        wrong[world, learner, arm] = error = error_of(arms[world][arm])
        details = {"unit": "error", "setting": "inductive", "world": world, "learner": learner}
        marks[world, learner, arm] = [results.add("error", error, arm=arm, **details)]
        for other in ("no augmentation", "G"):
            if (world, learner, other) in wrong and other != arm:
                less = statistics.paired_difference(error, wrong[world, learner, other])
                marks[world, learner, arm].append(results.add(
                    "error, difference", less, arm=f"{arm} - {other}", **details))


network = trained("raw", keep_map=False)
measure("raw", "ProtoNet", lambda augmentation: errors("raw", network, augmentation))

# %%
def points(record):
    """A difference of errors, for people: '-2.1 ± 0.4 points'."""
    half = 50 * (record["high"] - record["low"])
    return f"{100 * record['value']:+.1f} ± {half:.1f} points"


def method_of(arm):
    """The colour of an arm, that of its method; arms without a method are black."""
    names = {"classical": "classical", "regression": "regression"} | dict.fromkeys(
        ("G", "only G", "half of G"), "GAN")
    found_in = [method for start, method in names.items() if arm.startswith(start)]
    return plots.METHODS[found_in[0]] if found_in else "black"


def chart(world, learner, ax):
    """The arms' paired differences from no augmentation, as a row each; parts of G are hollow."""
    for i, arm in enumerate(list(arms[world])[1:]):
        mark, colour = marks[world, learner, arm][1], method_of(arm)
        hollow = arm != "G" and colour == plots.METHODS["GAN"]
        ax.errorbar(100 * mark["value"], -i, xerr=50 * (mark["high"] - mark["low"]), fmt="o",
                    markersize=10, color=colour, markerfacecolor="white" if hollow else colour)
    ax.axvline(0, color="black", linestyle=":", linewidth=1)
    ax.set(yticks=[-i for i in range(len(arms[world]) - 1)], yticklabels=list(arms[world])[1:],
           xlabel=f"error minus that without augmentation (points)\n{n_way}-way 1-shot")

# %%
figure, ax = plt.subplots(figsize=(9, 4.8))
chart("raw", "ProtoNet", ax)
best = ["G", "only G's place", "G without its place"]
changes = [f"{arm} {100 * marks['raw', 'ProtoNet', arm][1]['value']:+.1f}" for arm in best]
figure.suptitle("Raw drawings, change of the error by copies (points):\n" + ", ".join(changes),
                fontsize=16)
plots.save(figure, "11_place")
plt.show()

# %% [markdown]
# Intervals are over characters, with the same drawings in all arms. Hollow dots mark parts of $G$.
#
# The place explains the gain. Without its place, $G$ adds errors. Copies with $G$'s place alone take off more errors than $G$'s
# own copies do. With shuffled settings the gain is gone, because where to move depends on where the drawing stands. To move a
# drawing to the middle needs no generator at all. A line of arithmetic does as well as *only G's place*, with no trained weight.
# **Most of what $G$ brings there is re-centring.**
#
# ## 3 · Normalised drawings: does it take a GAN?
#
# So we normalise all drawings, which centres them for every arm, and ask again. The ProtoNet is now trained on normalised
# drawings and keeps its last map (notebook 06). The $G$ of normalised drawings meets these rivals.
#
# * **classical** augmentation has four strengths.
# * **half of G** halves all of $G$'s settings, because classical copies have a choice of strengths, too.
# * **G, shuffled** tests whether it is of use that $G$ looks at the drawing.
# * **a Gaussian** has the mean and covariance of $G$'s settings over training drawings, which are 57 numbers for each drawing.
#   Each copy is warped by a sample of this Gaussian, whatever the drawing.
# * **regression** is the same network as $G$, trained without any $D$. It warps $x$ so that its blurred pixels come near those of
#   another person's drawing of the character.
# * **regression, best of 4** makes four warps of $x$, and its loss counts only the nearest one. So it may vary its warps (Li &
#   Malik 2018, *Implicit maximum likelihood estimation*).
# * **blurred** averages the drawing and a blurred copy, because every warp blurs a little.
#
# ### Exercise 3 · A Gaussian of warps (★★, important, 15 minutes)
#
# `settings` `[B, F]` holds the numbers that $G$ chose for B drawings. Return n samples `[n, F]` of a Gaussian with their mean and
# covariance $\Sigma$. If $A A^\top = \Sigma$ and $z$ is standard normal, $A z$ has the covariance $\Sigma$. Mind that `torch.cov`
# takes variables as rows. If some directions never vary, $\Sigma$ is singular, and rounding can make an eigenvalue a little less
# than 0.

# %%
def my_gaussian(settings, n, rng):
    """Samples [n, F] of a Gaussian with the mean and the covariance of settings [B, F]."""
    ### BEGIN SOLUTION
    values, vectors = torch.linalg.eigh(settings.T.cov())
    root = vectors * values.clamp(min=0).sqrt()                             # root @ root.T = cov
    z = torch.randn(n, settings.shape[1], generator=rng)
    return settings.mean(0) + z @ root.T
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.gaussian(my_gaussian)

# %%
def in_a_row(settings):
    """Settings of B images as their 57 numbers: [B, 57]."""
    return torch.cat([part.reshape(len(part), -1) for part in settings], dim=1)

G = generators["normalised"]
draw = pairs.sampler(worlds["normalised"][0], n_tasks=sizes.pick(smoke=4, cpu=80, gpu=200))
_, examples, known_tasks = draw(runtime.rng(seed + 5, device))


@torch.no_grad()
def numbers(G, seed_of_z):
    """G's 57 numbers for training drawings: [B, 57]."""
    z = gan.noise(G, len(examples), runtime.rng(seed_of_z, device))
    return in_a_row(G.settings(z, examples, known_tasks))


one, two = numbers(G, seed + 6), numbers(G, seed + 7)           # the same drawings, other noise
away = [part - part.mean(0) for part in (one, two)]
decided = results.add("share of the settings' variance that the drawing decides",
                      ((away[0] * away[1]).sum(1) / one.var(0).sum()).cpu(), unit="fraction",
                      setting="-", arm="G", world="normalised")

# %%
def regression(best_of, n_steps):
    """A WarpGenerator without D: its warp of x comes near another person's drawing."""
    runtime.seed_everything(seed)
    R, rng = networks.WarpGenerator().to(device), runtime.rng(seed, device)
    optimiser = torch.optim.Adam(R.parameters(), 1e-3)
    draw = pairs.sampler(worlds["normalised"][0])
    for step in runtime.progress(range(n_steps), desc="regression"):
        optimiser.param_groups[0]["lr"] = 1e-3 * (1 - step / n_steps)
        real, example, task = draw(rng)
        warped = [R(gan.noise(R, len(real), rng), example, task) for _ in range(best_of)]
        target = flows.blur(real, 1.0)
        apart = [(flows.blur(each, 1.0) - target).square().sum((1, 2, 3)) for each in warped]
        loss = torch.stack(apart).min(0).values.mean()                          # of the nearest
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return augmentations.generated(R.eval())

# %%
def half_of_g(x, rng, task=None):
    settings = [part / 2 for part in chosen(generators["normalised"], x, rng)]
    return networks.warp(x.flatten(0, 1), *settings).view_as(x)


def blurred(x, rng, task=None):
    return flows.blur(x.flatten(0, 1), 0.5).view_as(x)

# %%
values, vectors = torch.linalg.eigh(one.T.cov())
root = vectors * values.clamp(min=0).sqrt()


def gaussian(x, rng, task=None):
    z = torch.randn(x.shape[0] * x.shape[1], 57, device=x.device, generator=rng)
    affine, field, stroke_width = (one.mean(0) + z @ root.T).split([6, 50, 1], dim=1)
    return networks.warp(x.flatten(0, 1), affine.view(-1, 2, 3), field.view(-1, 2, 5, 5),
                         stroke_width[:, 0]).view_as(x)



ALWAYS_ALIKE.append(blurred)
n_steps = sizes.pick(smoke=3, cpu=500, gpu=4_000)
arms["normalised"] = {
    "no augmentation": None, "G": augmentations.generated(G),
    **{f"classical × {t}": augmentations.classical(augmentations.STRENGTH.times(t))
       for t in (0.125, 0.25, 0.5, 1)},
    "half of G": half_of_g, "G, shuffled": shuffled(G), "a Gaussian": gaussian,
    "regression": regression(1, n_steps), "regression, best of 4": regression(4, n_steps),
    "blurred": blurred}

# %% [markdown]
# **Predict** which rival does as well as $G$, and which one does better.

# %%
network = trained("normalised", keep_map=True)
measure("normalised", "ProtoNet", lambda augmentation: errors("normalised", network, augmentation))
figure, ax = plt.subplots(figsize=(9, 6.5))
chart("normalised", "ProtoNet", ax)
gain = marks["normalised", "ProtoNet", "G"][1]
plain = marks["normalised", "ProtoNet", "no augmentation"][0]
figure.suptitle(f"Normalised drawings: error {100 * plain['value']:.1f} % without augmentation,\n"
                f"changed by copies of G by {points(gain)}", fontsize=16)
plots.save(figure, "11_rivals")
plt.show()

# %%
lines = ["| arm | error | against no augmentation | against G |", "|---" * 4 + "|"]
for arm in arms["normalised"]:
    mark, *differences = marks["normalised", "ProtoNet", arm]
    cells = [points(each) for each in differences] + ["–", "–"]
    lines.append(f"| {arm} | {records.percent(mark)} | {cells[0]} | {cells[1]} |")
display(Markdown("\n".join(lines)))
print(f"Share of its settings' variance that the drawing decides: {decided['value']:.2f}")

# %% [markdown]
# Intervals are over characters, with one training of each network.
#
# After normalisation no arm clearly takes errors off, and $G$ is no exception. As far as the intervals tell, *all rivals but
# classical copies at full strength* do as well as $G$, and so does no augmentation. Shuffled settings do as well, though each
# drawing decides a part of its settings. So does a regression that never met a $D$. This learner has no use for the better
# imitation of people. *Half of G* has the lowest error of this run, but the interval of its difference from no augmentation
# contains 0.
#
# **A learner that has learned nothing.** Perhaps a trained ProtoNet has nothing left to gain. The matcher of notebook 06 has
# learned nothing, and bends drawings by itself. Here each cost is a mean over four pairs. One pair is the query and the example.
# Each of the other three is a copy of the query and a copy of the example.

# %%
few = episodes.sample(worlds["normalised"][1], n_way=n_way, k_shot=1, within_alphabet=True,
                      q_query=min(3, val.images.shape[1] - 1), rng=runtime.rng(seed + 8, device),
                      n_tasks=sizes.pick(smoke=3, cpu=20, gpu=200))


def matched(augmentation):
    """The matcher's error in each of the few episodes, with costs averaged over copies: [T]."""
    rng, n_copies = runtime.rng(seed + 9, device), 3 if augmentation else 0
    costs = 0
    for copy in range(1 + n_copies):
        two = [augmentation(x, rng) if copy else x for x in (few.query_x, few.support_x)]
        costs = costs + torch.stack([learners.matching_costs(*pair) for pair in zip(*two)])
    return (costs.argmin(2) != few.query_y).float().mean(1).cpu()


SOME = ("no augmentation", "G", "classical × 0.25", "G, shuffled", "regression, best of 4")
measure("normalised", "matcher", matched, SOME)
for arm in SOME:
    mark, *differences = marks["normalised", "matcher", arm]
    against = f", against no augmentation {points(differences[0])}" if differences else ""
    print(f"matcher, {arm:22} {records.percent(mark)}{against}")

# %% [markdown]
# Intervals are over episodes.
#
# The matcher already bends drawings a little. Mild classical copies hardly change its errors. $G$'s copies add some, shuffled or
# not.
#
# ## 4 · What copies can never add
#
# Let $y$ be the class. A copy is made of $x$ and of noise that knows nothing of $y$. So $y \to x \to G(z, x)$ is a Markov chain.
# The mutual information $I$ says how much two things tell of each other. By the data processing inequality (Cover & Thomas 2006,
# section 2.8),
#
# $$ I\bigl(y;\, x, G(z, x)\bigr) = I(y;\, x). $$
#
# **No copy brings news of this character.** Five real drawings do, so the oracle of notebook 09 stays out of reach. All that $G$
# can bring is what it learned from other characters of *how people vary*. The other support drawings of the task, which $G$ sees,
# count as a part of $x$.
#
# This knowledge helps a learner only if the learner does not have it yet. On raw drawings the ProtoNet had not learned that the
# place means nothing. $G$ told it, and the mean of the ink would have told it, too. After normalisation the ProtoNet can learn
# the rest by itself, because it is trained on the same drawings as $G$. This reading fits our numbers, but it is no proof. A
# generator may still help if it knows what the learner was never shown.

# %% [markdown]
# ## 5 · A world where everything has a closed form
#
# Could the measurements have been predicted? We take a world in which formulas give every answer. A drawing is a point in $d$
# dimensions. The characters lie about the origin, $\mu \sim N(0, \Sigma_b)$, where *b* stands for *between*. People's drawings
# lie about their character, $x = \mu + \varepsilon$ with $\varepsilon \sim N(0, \Sigma_w)$, where *w* stands for *within*.
#
# Let $G$ be **perfect**. Then its samples have the distribution that other people's drawings of the character have, given $x$.
# The mean of infinitely many samples is the *posterior mean* of the character,
#
# $$ \operatorname{E} G(z, x) = \operatorname{E}[\mu \mid x] = A x, \qquad
#    A = \Sigma_b \, (\Sigma_b + \Sigma_w)^{-1}. $$
#
# In one dimension $A$ is the slope of people in section 1, a number between 0 and 1. So averaging perfect samples **shrinks** the
# example towards the mean of all characters. It shrinks most in the directions in which people vary most. James & Stein showed in
# 1961 that shrinking beats the example itself from three dimensions on, even if nobody knows $\Sigma_b$.
#
# ### Exercise 4 · The perfect generator's mean (★★, important, 10 minutes)
#
# The rows of `x` `[N, d]` are drawings. `between` and `within` `[d, d]` are $\Sigma_b$ and $\Sigma_w$. Return $A x$ for each row,
# `[N, d]`. Both covariances are symmetric. Is $A$?

# %%
def my_posterior_mean(x, between, within):
    """What a perfect generator's samples are on average, for each row of x: [N, d]."""
    ### BEGIN SOLUTION
    return x @ torch.linalg.solve(between + within, between)        # x A', and A' = (b+w)^-1 b
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.posterior_mean(my_posterior_mean)

# %% [markdown]
# A one-shot learner names the class of the nearest example. We try the placements of notebook 10 with infinitely many samples of
# the perfect $G$.
#
# * **none** picks the example $x_c$ that is nearest to the query $q$.
# * **support alone** picks the $A x_c$ that is nearest to $q$.
# * **both sides** picks the $A x_c$ that is nearest to $A q$.
# * **Bayes** picks the most probable character. Given $x_c$, a drawing of it has the mean $A x_c$ and the covariance
#   $S = \Sigma_w + A \Sigma_w$. The first term is people's own spread, and the second is what $x_c$ leaves unknown of the
#   character.
#
# **Predict** the order of these four in two worlds of ten dimensions. In the *round* one, people vary alike in all directions. In
# the *long* one, they vary little in some and much in others.

# %%
def power(covariance, exponent):
    """A power of a symmetric matrix; eigenvalues near 0, where nothing varies, count a little."""
    values, vectors = torch.linalg.eigh(covariance)
    return vectors * values.clamp(min=1e-3 * values.max()) ** exponent @ vectors.T


def perfect(between, within):
    """A and S of the text, for covariances between and within characters."""
    A = between @ power(between + within, -1)
    return A, within + A @ within


# %%
def toy_errors(between, within, n_way, n_tasks):
    """{placement: the error of each one-shot task [n_tasks]}, with one query of each class."""
    d, rng = len(between), runtime.rng(seed + 10)
    A, S = perfect(between, within)
    roots, whiten, wrong = [power(c, 0.5) for c in (between, within, within)], power(S, -0.5), {}
    for _ in range(n_tasks):
        mean, *noise = (torch.randn(n_way, d, generator=rng) @ root for root in roots)
        x, q = (mean + part for part in noise)
        seen = {"none": (q, x), "support alone": (q, x @ A.T), "both sides": (q @ A.T, x @ A.T),
                "Bayes": (q @ whiten, x @ A.T @ whiten)}
        for name, pair in seen.items():
            nearest = torch.cdist(*pair).argmin(1)
            wrong.setdefault(name, []).append((nearest != torch.arange(n_way)).float().mean())
    return {name: torch.stack(errors) for name, errors in wrong.items()}


# %%
shapes = {"round": torch.full((10,), 0.6), "long": torch.logspace(-1.3, 0.5, 10)}
lines = ["| world | none | support alone | both sides | Bayes |", "|---" * 5 + "|"]
for shape, variances in shapes.items():
    errors_of = toy_errors(torch.eye(10), variances.diag(), n_way=20,
                           n_tasks=sizes.pick(smoke=40, cpu=2_000, gpu=20_000))
    row = [results.add("error", error, unit="error", setting="inductive", arm=name, world=shape,
                       split="-") for name, error in errors_of.items()]
    lines.append(f"| {shape} | {' | '.join(map(records.percent, row))} |")
display(Markdown("\n".join(lines)))

# %% [markdown]
# In the round world the first and the third number are the same to the last digit, and so are the second and the fourth. In the
# long world both sides beat support alone. The formulas say why. In the round world $A$ is a number $a$. So *both sides*
# multiplies all distances by $a$, and **no decision changes**. *Support alone* is **Bayes' rule** there, because $S$ is the same
# in all directions. In the long world $A$ shrinks the unreliable directions. So *both sides* is a metric that trusts the reliable
# ones.
#
# Support alone helps in both worlds, but in notebook 10 it added errors. Section 6 comes back to this.
#
# ### How many samples?
#
# The mean of $n$ samples scatters about $A x$ with the covariance $S / n$. Take one direction of the round world, with variances
# $b$ and $w$ and $a = b / (b + w)$. The prototype is $x$ itself or the mean of $n$ samples. On average, the squared error of a
# prototype is
#
# $$ \underbrace{w}_{x \text{ itself}} \qquad\text{or}\qquad
#    \underbrace{a w}_{\text{floor}} + \frac{1}{n} (w + a w) . $$
#
# The two are equal at $n = (1 + a) / (1 - a)$, so with fewer samples the example alone is better. From $n = 10\,(1 + a) / a$ on,
# the error is at most a tenth above its floor, so more samples hardly help.

# %%
b, w = 1.0, 0.6
a = b / (b + w)


def formula(n):
    return a * w + (w + a * w) / n

counts = torch.tensor([1, 2, 3, 5, 8, 13, 21, 34, 55])
rng, n_drawn = runtime.rng(seed + 11), sizes.pick(smoke=2_000, cpu=20_000, gpu=200_000)
mean = torch.randn(n_drawn, generator=rng)
x = mean + w ** 0.5 * torch.randn(n_drawn, generator=rng)
measured = []
for n in counts.tolist():
    samples_mean = a * x + ((w + a * w) / n) ** 0.5 * torch.randn(n_drawn, generator=rng)
    squares = (samples_mean - mean).square()
    measured.append(results.add("squared error of a prototype", squares, unit="squared error",
                                setting="-", arm=f"{n} samples", world="round", split="-"))
equal, enough = (1 + a) / (1 - a), 10 * (1 + a) / a

# %%
figure, ax = plt.subplots(figsize=(9, 5))
many = torch.logspace(0, math.log10(counts.max()), 100)
ax.plot(many, formula(many), color=plots.METHODS["GAN"])
ax.errorbar(counts, [m["value"] for m in measured], [(m["high"] - m["low"]) / 2 for m in measured],
            fmt="o", color=plots.METHODS["GAN"])
ax.annotate("mean of samples\n(line: formula, dots: measured)", (1, formula(1)), xytext=(40, 4),
            textcoords="offset points", va="top", color=plots.METHODS["GAN"])
for height, words, va in ((w, "the example itself", "bottom"),
                          (a * w, "floor: infinitely many samples", "top")):
    ax.axhline(height, color=plots.METHODS["real"] if height == w else "black", linestyle="--")
    ax.text(1, height + (0.02 if va == "bottom" else -0.03), words, va=va,
            color=plots.METHODS["real"] if height == w else "black")
ax.set(xscale="log", xlabel="samples of a perfect generator", xticks=counts.tolist(),
       xticklabels=counts.tolist(), ylabel="squared error of the prototype", ylim=(0, None),
       title=f"It takes {equal:.1f} perfect samples to equal one real drawing;\n"
             f"from {enough:.0f} on, the error is at most a tenth above its floor")
ax.minorticks_off()
plots.save(figure, "11_how_many")
plt.show()

# %% [markdown]
# ### A generator with faults
#
# No $G$ is perfect. Let ours have the slope $\alpha$ in place of $a$, and a bias $\beta$ in every direction. There are $k$ real
# drawings of the character, with the mean $\bar x$, and many samples of $G(z, \bar x)$. The prototype gives the samples the
# weight $\lambda$ and the real drawings the rest. With $\gamma = 1 - \alpha$,
#
# $$ p = (1 - \lambda)\, \bar x + \lambda (\alpha \bar x + \beta) = (1 - \lambda\gamma)\, \bar x + \lambda \beta . $$
#
# Its squared error in one direction is, on average,
#
# $$ f(\lambda) = (1 - \lambda\gamma)^2 \, \frac{w}{k} + \lambda^2 \bigl(\gamma^2 b + \beta^2\bigr) . $$
#
# The first term is people's variety, which real drawings average away as $1/k$. The second is what the generator gets wrong, and
# no number of samples takes it away.
#
# ### Exercise 5 · The best weight (★★, important, 10 minutes)
#
# Return the $\lambda$ that makes $f$ smallest. It may lie above 1, so do not cut it off there.

# %%
def my_weight(shots, between, within, slope, bias):
    """The best weight of samples against `shots` real drawings; slope is alpha, bias is beta."""
    ### BEGIN SOLUTION
    gamma, noise = 1 - slope, within / shots
    return gamma * noise / (gamma ** 2 * (noise + between) + bias ** 2)
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.weight(my_weight)

# %% [markdown]
# Suppose that the samples stand *in place of* the real drawings, so $\lambda = 1$. **Predict**: from how many shots on would the
# real drawings alone have been better?

# %%
slope, bias, shots = a, 0.3, range(1, 11)


def prototype_errors(k, weight):
    """Squared errors of n_drawn prototypes with this weight: [n_drawn]."""
    real = mean + (w / k) ** 0.5 * torch.randn(n_drawn, generator=rng)
    return ((1 - weight * (1 - slope)) * real + weight * bias - mean).square()


def formula_of(k, weight):
    fault = (1 - slope) ** 2 * b + bias ** 2
    return (1 - weight * (1 - slope)) ** 2 * w / k + weight ** 2 * fault


def best_weight(k):
    return (1 - slope) * w / k / ((1 - slope) ** 2 * (w / k + b) + bias ** 2)

# %%
weights = {"real drawings alone": lambda k: 0, "samples alone": lambda k: 1,
           "the best weight": best_weight}
labels = zip((1, 6, 3), ((12, 0), (0, 10), (-70, -34)), ("real", "GAN", "none"))
figure, ax = plt.subplots(figsize=(9, 5))
for (name, weight_of), marker, (at, away, method) in zip(weights.items(), "sDo", labels):
    colour = plots.METHODS[method]
    ax.plot(shots, [formula_of(k, weight_of(k)) for k in shots], color=colour)
    drawn = [results.add("squared error with a biased generator", prototype_errors(k, weight_of(k)),
                         unit="squared error", setting="-", arm=name, world="round", shots=k,
                         split="-") for k in shots]
    ax.errorbar(shots, [m["value"] for m in drawn], [(m["high"] - m["low"]) / 2 for m in drawn],
                fmt=marker, color=colour)
    ax.annotate(name, (at, formula_of(at, weight_of(at))), xytext=away, color=colour,
                textcoords="offset points", va="center" if at == 1 else "baseline")
turn = (1 - slope ** 2) * w / ((1 - slope) ** 2 * b + bias ** 2)
ax.set(xlabel="real drawings (shots)", ylabel="squared error of the prototype", ylim=(0, None))
ax.set_title(f"Samples in place of real drawings do harm from {turn:.1f} shots on\n"
             "(lines: formula, dots: measured)")
plots.save(figure, "11_break_even")
plt.show()

# %% [markdown]
# The curves of real drawings and of samples cross where $f(0) = f(1)$. That is at
# $k = (1 - \alpha^2) \, w / (\gamma^2 b + \beta^2)$. With the best weight the samples never do harm, but what they add is soon
# gone. To compute the best weight takes $\alpha$, $\beta$, $b$ and $w$. Anyone who knows all these hardly needs a generator.
#
# <details><summary>Two further readings: can D mend the bias, and copies as a penalty</summary>
#
# **Can $D$ mend the bias?** The best $D$ knows the ratio of the two densities, $D / (1 - D)$, and samples weighted by this ratio
# have the right mean. But weights waste samples. Let the means of $G$ and of people lie $\delta$ standard deviations apart. Then
# $n$ weighted samples are worth only $n\,e^{-\delta^2}$. Half a standard deviation in each of ten dimensions makes
# $\delta^2 = 2.5$, and a sample is worth $e^{-2.5} \approx 0.08$. Perhaps this is why $D$'s weights did so little in notebook 10.
#
# **Copies as a penalty.** Train a linear learner with weights $v$ on noisy copies of $x$, with noise of variance $\sigma^2$. On
# average, its squared loss is that of the originals plus $\sigma^2 \lVert v \rVert^2$, which is *ridge regression* (Bishop 1995).
# Suppose that a group of transformations leaves the true answer unchanged. Then averaging over the group takes variance away and
# adds no bias (Chen, Dobriban & Lee 2020). Here, too, copies bring *knowledge of what does not matter*, and none of the
# character.
#
# </details>
#
# ## 6 · From the toy to the course
#
# Does the toy say anything about real features? Take the ProtoNet of section 3 and its features of the *training* alphabets. How
# drawings scatter about their character gives $\Sigma_w$. How characters scatter about the mean of their alphabet gives
# $\Sigma_b$. With both, the toy foretells what samples of a *perfect* generator would do on the validation alphabets.
# **Predict**: will they help this learner?

# %%
@torch.no_grad()
def featured(classes):
    """The network's features of all drawings: [C, M, F]."""
    images = classes.ink.view(-1, 1, *classes.images.shape[3:]).to(device)
    parts = [network.features(part) for part in images.split(2_000)]
    return torch.cat(parts).view(*classes.images.shape[:2], -1).cpu()


def scatter(features, alphabets):
    """(between, within): covariances [F, F] of characters in their alphabet, and of drawings."""
    n, m = features.shape[:2]
    middle = features.mean(1)
    away = (features - middle[:, None]).flatten(0, 1)
    within = away.T @ away / (n * (m - 1))
    for alphabet in set(alphabets):
        members = [i for i, name in enumerate(alphabets) if name == alphabet]
        middle[members] -= middle[members].mean(0)
    between = middle.T @ middle / (n - len(set(alphabets))) - within / m
    return power(between, 1), within                    # estimated, so it could dip below 0


between, within = scatter(featured(worlds["normalised"][0]), train.alphabets)
few_tasks = sizes.pick(smoke=4, cpu=60, gpu=600)
as_estimated = toy_errors(between, within, n_way, few_tasks)["none"].mean()

# %%
def placed(shrink=None, metric=None, copies_of=None):
    """The error of each character [C], where the support, the queries or the metric are changed."""
    x, q = (seen_plain[part] for part in (support, query))                      # [T, N, F]
    middle = x.mean(1, keepdim=True)                    # of the task: what the shrinking is towards
    if copies_of is not None:
        x, q = (seen_copies[part] if side in copies_of else plain
                for side, part, plain in (("support", support, x), ("query", query, q)))
    if shrink is not None:
        x, q = (middle + (part - middle) @ A.T if side in shrink else part
                for side, part in (("support", x), ("query", q)))
    if metric is not None:
        x, q = x @ metric, q @ metric
    return by_character((torch.cdist(q, x).argmin(2) != tasks.query_y.cpu()).float())


# %%
@torch.no_grad()
def seen_by(augmentation, n_copies):
    """Mean features [C * M, F] over a drawing and its copies, of the validation drawings."""
    def features(x):
        images = [x] + [augmentation(x, rng) for _ in range(n_copies)]
        return sum(network.features(image.flatten(0, 1)).view(*x.shape[:2], -1)
                   for image in images) / len(images)

    rng = runtime.rng(seed + 4, device)
    return by_task("normalised", features).flatten(0, 1).cpu()


# %%
CHANGE = "error in features, difference"
A, S = perfect(between, within)
whiten = power(S, -0.5)
seen_plain, seen_copies = seen_by(None, 0), seen_by(augmentations.generated(G), versions - 1)
errors_at = {"no augmentation": placed(), "support alone": placed(shrink=("support",)),
             "both sides": placed(shrink=("support", "query")),
             "Bayes": placed(shrink=("support",), metric=whiten),
             "support alone, copies by G": placed(copies_of=("support",)),
             "both sides, copies by G": placed(copies_of=("support", "query"))}

# %% [markdown]
# The toy's error is far too low, as the next cell prints. Real characters come in pairs that look alike, and some drawings are
# far from all others. So we fit one number. We widen people's spread until the toy makes the error that was measured without
# augmentation on the validation alphabets. The *changes* are then predictions.

# %%
low, high = 1.0, 32.0
for _ in range(7):                                                      # bisection, on a log scale
    wider = (low * high) ** 0.5
    toy_error = toy_errors(between, wider * within, n_way, few_tasks)["none"].mean()
    low, high = (wider, high) if toy_error < errors_at["no augmentation"].mean() else (low, wider)
predicted = toy_errors(between, wider * within, n_way, 5 * few_tasks)
print(f"error without augmentation: {as_estimated:.3f} in the toy as estimated, "
      f"{predicted['none'].mean():.3f} with {wider:.1f} times the variance within")

# %%
foretold, measured = {}, {}
for name, error in errors_at.items():
    details = {"unit": "error", "setting": "inductive", "arm": name, "world": "features"}
    results.add("error in features", error, **details)
    if name != "no augmentation":
        foretold[name] = results.add(f"{CHANGE}, predicted", predicted[name.split(",")[0]]
                                     - predicted["none"], **details)
        measured[name] = results.add(f"{CHANGE}, measured", statistics.paired_difference(
            error, errors_at["no augmentation"]), **details)
lines = ["| placement | predicted change of the error | measured |", "|---" * 3 + "|"]
for name in foretold:
    lines.append(f"| {name} | {points(foretold[name])} | {points(measured[name])} |")
display(Markdown("\n".join(lines)))

# %%
figure, ax = plt.subplots(figsize=(9, 4.8))
for i, name in enumerate(foretold):
    for shift, mark, face in ((0.13, foretold[name], "white"), (-0.13, measured[name], None)):
        colour = plots.METHODS["GAN"] if "G" in name else "black"
        ax.errorbar(100 * mark["value"], shift - i, xerr=50 * (mark["high"] - mark["low"]),
                    fmt="o", markersize=10, color=colour, markerfacecolor=face or colour)
        if i == 2:
            ax.annotate("measured" if face is None else "predicted",
                        (100 * mark["value"], shift - i), ha="center", xytext=(0, 12),
                        textcoords="offset points")
ax.axvline(0, color="black", linestyle=":", linewidth=1)
ax.set(yticks=[-i for i in range(len(foretold))], yticklabels=list(foretold),
       xlabel="change of the error (points)\n(hollow: predicted, filled: measured)")
figure.suptitle("Change of the error, predicted and then measured:\n" + "; ".join(
    f"{name} {100 * foretold[name]['value']:+.1f} and {100 * measured[name]['value']:+.1f}"
    for name in ("support alone", "both sides")) + " points", fontsize=16)
plots.save(figure, "11_predicted")
plt.show()

# %% [markdown]
# Intervals of predictions are over tasks of the toy, those of measurements over characters.
#
# The formulas of *support alone* and *both sides* need two covariances and no adversary, and on `glyphs` both take errors off
# this ProtoNet. $G$'s copies take the same two places and do not. So there is room for a gain, but this $G$ does not fill it. The
# copies of a perfect $G$ have the mean feature $A x$. So they would change the error about as much as the formula does.
#
# *Support alone* was predicted. The rest shows where the theory fails.
#
# * The *level* of the error was wrong, so it had to be fitted.
# * The theory promised nothing for *both sides*, which did as well as support alone.
# * The theory promised most for *Bayes*, which does harm. Bayes' metric trusts just those directions in which people hardly
#   varied on the training alphabets. On new alphabets they may vary there.
# * The theory says that support alone helps, while in notebook 10 support alone *added* errors.
#
# Why these predictions fail was not tested.
#
# **Who gains most?** Section 4 says that all help is prior knowledge, so a learner that already has it gains less. That predicts
# an order for the learners of notebook 09: first the matcher, next the head on a classifier's features, last ProtoNet and MAML.
# The matcher has learned nothing, and the classifier never met a one-shot task. ProtoNet and MAML were trained on such tasks.
# Mind that the matcher of notebook 09 takes no means over copies. There, each copy of an example is one more drawing that a query
# may fit.

# %%
folder = runtime.project_root() / "figures" / "results"
gains = {r["learner"]: r for r in records.read(folder / "augmentation.jsonl")
         if (r["name"], r["arm"]) == ("20-way 1-shot, within alphabet, difference",
                                      "GAN - no augmentation")}
order = ("distortion matching in pixels", "fine-tuning the head", "ProtoNet", "MAML")
for learner in order:
    print(f"{learner:30} accuracy with copies by G, less without: {points(gains[learner])}")
values = [gains[learner]["value"] for learner in order]
as_predicted = min(values[0], values[1]) > max(values[2:]) and values[0] > values[1]
print("The order is", "as predicted." if as_predicted else "not as predicted.")

# %%
def difference(world, arm, learner="ProtoNet"):
    return f"{points(marks[world, learner, arm][1])}"


def slope_of(who, name, world="raw"):
    mark = found[world, who, name][0]
    return f"{mark['value']:.2f} ± {(mark['high'] - mark['low']) / 2:.2f}"


# %%
key = "normalised", "ProtoNet"
rivals = [arm for arm in arms["normalised"] if arm not in ("no augmentation", "G")]
as_well = [arm for arm in rivals if marks[*key, arm][2]["low"] <= 0]
better = [arm for arm in ["G", *rivals] if marks[*key, arm][1]["high"] < 0]
errs = {world: records.percent(marks[world, 'ProtoNet', 'no augmentation'][0]) for world in worlds}

# %% [markdown]
# ## The answer

# %%
display(Markdown(
    "Generated samples can add what $G$ knows of how people vary, but never news of the character. "
    f"On raw drawings, a ProtoNet errs in {errs['raw']}, and copies by $G$ change that by "
    f"{difference('raw', 'G')}, while centring without any generator changes it by "
    f"**{difference('raw', 'no G: centred')}**. On normalised drawings it errs in "
    f"{errs['normalised']}, and copies by $G$ change that by **{difference('normalised', 'G')}**."
    "\n\n"
    f"* **The place.** $G$'s slope of the place across is {slope_of('G', 'place across')} (people: "
    f"{slope_of('people', 'place across')}), that of slant {slope_of('G', 'slant')} (people: "
    f"{slope_of('people', 'slant')}). Only $G$'s place changes the error on raw drawings by "
    f"**{difference('raw', best[1])}**, $G$ without its place by {difference('raw', best[2])}.\n"
    f"* **The rivals.** On normalised drawings, shuffled settings change the error by "
    f"{difference('normalised', 'G, shuffled')}, a Gaussian by "
    f"{difference('normalised', 'a Gaussian')}, a regression without $D$ by "
    f"{difference('normalised', 'regression, best of 4')}. Arms whose interval lies below 0: "
    f"{', '.join(better) or 'none'}. As far as the intervals tell, {len(as_well)} of {len(rivals)} "
    "rivals are not worse than $G$.\n"
    f"* **The theory.** It takes {equal:.1f} perfect samples to equal one real drawing in our toy. "
    "Shrinking by two covariances, with no generator at all, changes the error of the same "
    f"ProtoNet by **{points(measured['both sides'])}** (predicted "
    f"{points(foretold['both sides'])}), copies by $G$ in the same place by "
    f"{points(measured['both sides, copies by G'])}.\n"
    "* **Caveats.** Intervals are over characters. Each generator and each ProtoNet was trained "
    "once, the latter without augmentation."))

# %% [markdown]
# **Read next.**
#
# * Efron & Morris 1977, *Stein's paradox in statistics*, tells with baseball why shrinking helps.
# * Bishop 1995, *Training with noise is equivalent to Tikhonov regularization*.
# * Chen, Dobriban & Lee 2020, *A group-theoretic framework for data augmentation* (arXiv 1907.10905).
# * Miller, Matsakis & Viola 2000, *Learning from one example through shared densities on transforms*. They learn a density of
#   warps from some characters and lend it to others, without any adversary.
# * Boutin et al. 2022, *Diversity vs. recognizability* (arXiv 2205.10370), measure both for many one-shot generators.
# * Boutin et al. 2023, *Diffusion models as artists* (arXiv 2301.11722), do the same for diffusion.
