# %% [markdown]
# # 13 · Other worlds
#
# **The question.** Does it carry over to other tasks, and can one generator serve many?
#
# So far every generator met new characters, but always of the kind that it was trained on.
# Knowledge could also cross from one *world* to another. This notebook has four worlds to train in,
# which are handwriting, printed letters, spoken words and textures. You train learners in one world
# and test them in the others. Then you load a generator of each world and let it copy the others'
# drawings. So you see what $G$ knows about copies, and where that knowledge is wrong.
#
# **You need** notebooks 06, 08, 09, 10 and 11. **Time**: 45 minutes, and about 35 more with the
# three exercises.
#
# The parameters are those of notebook 00. If you set another dataset, the learners of section 3 are
# tested in it as well. Nothing is trained in it. Try `dataset = "fashion-mnist"`, or
# `"folder:/path"` for your own pictures.

# %% tags=["parameters"]
import os

profile = os.environ.get("COURSE_PROFILE", "cpu")
dataset = os.environ.get("COURSE_DATASET", "glyphs")
device = os.environ.get("COURSE_DEVICE", "auto")
seed = int(os.environ.get("COURSE_SEED", "0"))

# %%
import matplotlib.pyplot as plt
import torch
from IPython.display import Markdown, display

from course_checks import nb13 as checks
from course_lib import (
    augmentations, checkpoints, datasets, episodes, learners, networks, runtime, statistics,
)
from course_tools import notebook, plots, records

sizes, device, results = notebook.setup("13_other_worlds", profile, dataset, device, seed,
                                        split="test")

# %% [markdown]
# ## 1 · Worlds of one type
#
# Every world is an `ImageClasses` object, so it holds classes of drawings of 28×28 pixels, bright on
# dark. The worlds differ in what a *class* is and in what a *drawing* is.
#
# | world | a class is | a drawing is | from |
# |---|---|---|---|
# | `glyphs` | a character | a drawer's hand | the simulator of notebook 06 |
# | `print` | a letter of five scripts | a font | the fonts that matplotlib brings |
# | `spoken` | a word | a voice | two speech synthesisers |
# | `textures` | a mix of wavelengths and directions | new noise, filtered by them | a formula |
# | `digits` | a digit | a writer | scikit-learn |
#
# A spoken word is a picture here. Time runs to the right and pitch upwards. Loud sounds are bright
# pixels in the data. Figures print bright pixels dark, like ink. Notebook 14 is about that world.
# Drawings of ink are normalised as in notebook 06, and pictures that fill the frame stay as they
# are.

# %%
def world(name, split):
    classes = datasets.load(name, split=split)
    share = classes.images[:, :20].float().mean() / 255             # of the frame that is bright
    return (classes.normalised() if share < 0.25 else classes).to(device)


HOMES = ("glyphs", "print", "spoken", "textures")
train = {name: world(name, "train") for name in HOMES}
test = {name: world(name, "test") for name in HOMES} | {"digits": world("digits", "all")}
if dataset not in test:
    test[datasets.short_name(dataset)] = world(dataset, "all")
for name, classes in test.items():
    notebook.at_least(name, "classes", len(classes.names), 5)
    notebook.at_least(name, "drawings of each class", classes.images.shape[1], 2)

# %%
figure, axes = plt.subplots(1, len(test), figsize=(2.3 * len(test), 3.6))
for ax, (name, classes) in zip(axes, test.items()):
    rows = torch.randperm(len(classes.names), generator=runtime.rng(seed))[:5].to(device)
    plots.sheet(classes.images[rows, :4].cpu(), ax, title=name)
figure.get_layout_engine().set(wspace=0.04)
figure.suptitle("In each world, the drawings of a class (a row) differ in another way", fontsize=17)
plots.save(figure, "13_worlds")
plt.show()

# %% [markdown]
# Look along the rows. Between two hands, strokes bend and lean. Between two fonts, the weight and
# the slant change. Between two voices, the word is spoken faster here and higher there. In a texture,
# every detail changes its place, so no bending turns one drawing into another.
#
# ## 2 · Episodes of any size
#
# 5-way 1-shot is a fixed size, but real tasks come in all sizes. So **Meta-Dataset** (Triantafillou
# et al. 2020) also samples the size of every episode. The number of classes $N$ is uniform between
# 5 and 50. If a world has fewer than 50 classes, their number is the upper limit. The number of
# queries of each class is
#
# $$ q = \min\bigl(10,\ \lfloor \tfrac12 \min_c |c| \rfloor\bigr), $$
#
# where $|c|$ is the number of drawings of class $c$. The size of the support depends on a number
# $\beta$, sampled uniformly from $(0, 1]$. The support may hold at most
#
# $$ |S| = \min\Bigl(500,\ \sum_c \bigl\lceil \beta \min(100, |c| - q) \bigr\rceil\Bigr) $$
#
# examples. Every class gets one of them. The others are divided, and class $c$ gets a share $R_c$.
# These shares are unequal, because each class has a weight $e^{\alpha_c}$, with $\alpha_c$ uniform
# between $\log \frac12$ and $\log 2$. The share of class $c$ and its *shots*, the number of its
# examples, are
#
# $$ R_c = \frac{e^{\alpha_c} |c|}{\sum_{c'} e^{\alpha_{c'}} |c'|}, \qquad
#    k_c = \min\bigl(\lfloor R_c\,(|S| - N) \rfloor + 1,\ |c| - q\bigr). $$
#
# ### Exercise 1 · How many shots? (★★, very important, 15 minutes)
#
# `n_images` `[N]` holds $|c|$ as whole numbers, `beta` is a number, `alpha` is `[N]`. Return $q$ as
# an `int`, and the shots $k_c$ as a tensor of whole numbers `[N]`.

# %%
def my_shots(n_images, beta, alpha):
    """The number of queries of each class, and the number of examples of each, [N]."""
    ### BEGIN SOLUTION
    q = min(10, int(n_images.min()) // 2)
    support = min(500, int((beta * (n_images - q).clamp(max=100)).ceil().sum()))
    weights = alpha.exp() * n_images
    share = weights / weights.sum()
    return q, ((share * (support - len(n_images))).floor().long() + 1).minimum(n_images - q)
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.shots(my_shots)

# %% [markdown]
# `episodes.sample_varied` samples such an episode. It comes as a batch of one, because episodes of
# different sizes do not fit into one batch. Take the most uneven of a hundred supports.
# **Predict**: how many times as many examples does its largest class have as its smallest?

# %%
rng = runtime.rng(seed, device)
drawn = [episodes.sample_varied(test["spoken"], rng=rng) for _ in range(100)]
shots = [tasks.support_y[0].bincount() for tasks in drawn]
figure, axes = plt.subplots(1, 2, figsize=(12, 4.4))
axes[0].plot([len(k) for k in shots], [int(k.sum()) for k in shots], "ko", alpha=0.5)
axes[0].set(xlabel="ways N", ylabel="examples in the support", title="a hundred episodes")
k = max(shots, key=lambda k: int(k.max()) / int(k.min()))
axes[1].bar(range(len(k)), k.sort(descending=True).values.tolist(), color="#666666")
axes[1].set(xlabel="class, the largest first", ylabel="examples", title="the most uneven of them")
figure.suptitle(f"Episodes have {min(map(len, shots))} to {max(map(len, shots))} ways, and the "
                f"largest class up to {int(k.max()) / int(k.min()):.0f} times the examples "
                "of the smallest", fontsize=16)
plots.save(figure, "13_sizes")
plt.show()

# %% [markdown]
# ## 3 · A learner in other worlds
#
# Now one ProtoNet (notebook 06) is trained in each world, and tested in all of them on varied
# episodes. Uneven classes are no problem for prototypes, because a class can have any number of
# examples and its mean is still a mean. For comparison, the last row of the figure uses plain
# pixels as features, without any training. **Predict**: which world teaches the most useful
# features? Which world is the hardest for the learners of the other worlds?

# %%
def trained(*names):
    """A ProtoNet of one or more worlds."""
    runtime.seed_everything(seed)
    network = networks.ConvNet(1, width=32, keep_map=True).to(device)
    learners.train_protonet(network, *(train[name] for name in names), n_way=20,
                            n_steps=sizes.pick(smoke=5, cpu=300, gpu=3_000),
                            rng=runtime.rng(seed, device))
    return network.eval()


@torch.no_grad()
def accuracies(features, classes, n):
    """Of prototypes in these features, on n varied episodes, always the same ones: [n]."""
    rng, scores = runtime.rng(seed + 1, device), []
    for _ in range(n):
        tasks = episodes.sample_varied(classes, rng=rng)
        labels = learners.protonet_logits(features, tasks).argmax(2)
        scores.append((labels == tasks.query_y).float().mean().cpu())
    return torch.stack(scores)


networks_of = {name: trained(name) for name in HOMES}
features = {name: network.features for name, network in networks_of.items()}
features["pixels, untrained"] = lambda x: x.flatten(1)

# %%
n_episodes = sizes.pick(smoke=4, cpu=30, gpu=300)
cells = {(home, place): results.add("accuracy", accuracies(function, classes, n_episodes),
                                    arm=home, world=place, setting="inductive", unit="accuracy")
         for home, function in features.items() for place, classes in test.items()}
percent = torch.tensor([[100 * cells[home, place]["value"] for place in test]
                        for home in features])


def heat(ax, numbers, rows, columns, limits, cmap, text="{:.0f}"):
    """A heat map with its numbers, dark ones in white."""
    low, high = limits
    ax.imshow(numbers, cmap=cmap, vmin=low, vmax=high, aspect="auto")
    for r, row in enumerate(numbers.tolist()):
        for c, number in enumerate(row):
            share = (number - low) / (high - low)
            dark = share < 0.45 if cmap == "cividis" else abs(share - 0.5) > 0.35
            ax.text(c, r, text.format(number), ha="center", va="center", fontsize=13,
                    color="white" if dark else "black")
    ax.set(xticks=range(len(columns)), yticks=range(len(rows)))
    ax.set_xticklabels(columns, rotation=25, ha="right", fontsize=12)
    ax.set_yticklabels(rows, fontsize=13)
    ax.spines[:].set_visible(False)

# %%
home_score = percent[:4, :4].diag().mean().item()
abroad = percent[:4, :4][~torch.eye(4, dtype=torch.bool)].mean().item()
figure, ax = plt.subplots(figsize=(9.5, 5.2))
heat(ax, percent, list(features), list(test), (30, 100), "cividis")
ax.set(xlabel="tested in", ylabel="trained in")
ax.set_title(f"Mean accuracy of four worlds: {home_score:.0f} % in the own world, {abroad:.0f} %\n"
             f"in another one, and {percent[4, :4].mean():.0f} % with plain pixels")
plots.save(figure, "13_abroad")
plt.show()

# %% [markdown]
# Compare each column with its last row, the plain pixels. Features from another world are useful
# only where they beat the pixels, because pixels need no training.
#
# ## 4 · A generator in other worlds
#
# $G$ of notebook 08 makes a copy by warping its example, so it can copy *anything*. It has learned
# which warps are likely. `studies/worlds.py` trained one $G$ in each world on pairs of drawings of
# one class, and you load them. **Predict**: what does the $G$ of handwriting do to a spoken word? And
# what will the $G$ of textures do to a letter?

# %%
FILES = ("G-glyphs_worlds.safetensors", "G-print_worlds.safetensors",
         "G-spoken_worlds.safetensors", "G-textures_worlds.safetensors")


def generator(file):
    path = runtime.project_root() / "checkpoints" / file
    G = networks.WarpGenerator().to(device).eval()
    return augmentations.generated(checkpoints.load_into(G, path, device))


copiers = {f"G of {home}": generator(file) for home, file in zip(HOMES, FILES)}
copiers["classical"] = augmentations.classical()
figure, axes = plt.subplots(1, len(HOMES), figsize=(11, 5.2))
for ax, place in zip(axes, HOMES):
    tasks = episodes.sample(test[place], n_way=5, k_shot=1, q_query=1, n_tasks=1,
                            rng=runtime.rng(seed + 2, device))
    x = tasks.support_x[:, :1].expand(-1, 3, -1, -1, -1)                # one example, three times
    rows = [copy(x, runtime.rng(seed, device), tasks.support_x)[0] for copy in copiers.values()]
    plots.sheet(torch.stack([x[0], *rows]).cpu(), ax, title=place)
    ax.set(yticks=[14 + 30 * i for i in range(6)] if ax is axes[0] else [])
axes[0].set_yticklabels(["the example", *copiers], fontsize=13)
figure.suptitle("Each G makes the changes of its own world, whatever the example (first row) is",
                fontsize=16)
plots.save(figure, "13_copies")
plt.show()

# %% [markdown]
# Each $G$ makes the changes that it learned in its own world, whatever it is given. The $G$ of print
# makes strokes thinner or thicker, also in a spoken word.
#
# Do such copies help a learner? In each world (a row below), the study trained a learner four
# times. The learner saw plain drawings, classical copies, copies by the $G$ of its own world, or
# copies by the $G$ of *all other* worlds. Then all learners were tested in every world (columns) on
# the same varied episodes. A number is the gain in points over training on plain drawings. You
# should know some facts about this study:
#
# * Omniglot joins as a fifth world for training. Three more worlds serve only for tests. They are
#   `digits`, spoken digits of real people, and Fashion-MNIST.
# * Classical copies and generators each have one setting, their strength. It was chosen on
#   validation classes, with earlier generators. The present generators learned faster, but
#   the strength was not chosen again.
#
# **Predict**: which copies bring the largest gain, and in which worlds?

# %%
stored = records.read(runtime.project_root() / "figures" / "results" / "worlds.jsonl")
study = {(r["name"], r["arm"], r.get("copies"), r.get("world")): r for r in stored}
places = list(dict.fromkeys(r["world"] for r in stored if r["name"] == "gain"))
homes = [name for name in places if ("accuracy", name, "none", name) in study]
ARMS = ["classical", "G, own", "G, other worlds"]


def value(name, arm, copies, place):
    return study[name, arm, copies, place]["value"]


def points(record):
    """A difference of accuracies, for people: '+2.1 ± 0.4'."""
    return f"{100 * record['value']:+.1f} ± {50 * (record['high'] - record['low']):.1f}"


# %%
gains = {copies: torch.tensor([[100 * value("gain", home, copies, place) for place in places]
                               for home in homes]) for copies in ARMS}
figure, axes = plt.subplots(3, 1, figsize=(9, 11), sharex=True)
for ax, (copies, numbers) in zip(axes, gains.items()):
    heat(ax, numbers, homes, places, (-8, 8), "PuOr", "{:+.1f}")
    ax.set(title=f"copies: {copies}, {numbers.mean():+.1f} points on average", ylabel="trained in")
axes[-1].set_xlabel("tested in")
best = max(ARMS, key=lambda copies: gains[copies].mean())
figure.suptitle("Over all cells, the most is gained by "
                + {"G, own": "the own world's G", "G, other worlds": "the G of other worlds"}.get(
                    best, best) + f": {gains[best].mean():+.1f} points", fontsize=16)
plots.save(figure, "13_gains")
plt.show()

# %% [markdown]
# ### Exercise 2 · Which gains are significant? (★★, important, 10 minutes)
#
# With so many cells, chance alone makes some of them look large. You are given the mean gains `[m]`
# and the half-widths `[m]` of their 95 % intervals. A half-width is $1.96$ standard errors, and $z$
# is the distance of the mean from 0 in standard errors, so $z \ge 0$. By the normal distribution, the
# two-sided p-value is $\operatorname{erfc}(z / \sqrt 2)$, which is `torch.erfc`. Compute all p-values.
# Then let `statistics.holm(p, 0.05)` (notebook 10) say which gains *stand*, that is, are significant
# at level 0.05 when all are taken together. Return a tensor of `bool` `[m]`.

# %%
def my_standing(means, halves):
    """Which of the mean gains [m] differ from 0 when all are taken together: bool [m]."""
    ### BEGIN SOLUTION
    z = means.abs() / (halves / 1.96)
    return statistics.holm(torch.erfc(z / 2 ** 0.5), 0.05)
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.standing(my_standing)

# %%
cells_of = [r for r in stored if r["name"] == "gain" and r["copies"] in ARMS and r["arm"] in homes]
lines = ["| copies | cells | significant gains | significant losses |", "|---|---|---|---|"]
for copies in ARMS:
    mine = [r for r in cells_of if r["copies"] == copies]
    up, down = (sum(r["stands"] and sign * r["value"] > 0 for r in mine) for sign in (1, -1))
    lines.append(f"| {copies} | {len(mine)} | {up} | {down} |")
display(Markdown("\n".join(lines)))

# %% [markdown]
# Holm's correction counts all cells of the three maps, as in your exercise. The intervals cover
# other episodes. They do not cover another training, because each network was trained once. So
# after another training, a cell may well lie outside its interval.
#
# Why do some learners gain in worlds that they have not seen? The simplest explanation is that the
# $G$ of all other worlds has seen the world in which the learner is tested. It has seen other
# classes of that world, not the test classes. So look separately at the three worlds in which
# nothing was trained. No $G$ has seen these. But some have seen a neighbour, because handwriting is
# near `digits`, and `spoken` is near the spoken digits of people. **Predict**: is a gain left
# there?

# %%
means = {(r["name"], r["arm"], r.get("copies")): r for r in stored if r["name"].startswith("mean")}
WHERE = ("at home", "tested abroad, in worlds that train", "tested where nothing trains")
LABELS = ("the learner's own world", "another world, seen by some G", "a world that no G has seen")
LOOKS = {"classical": ("classical", "s"), "G, own": ("GAN", "D"), "G, other worlds": ("GAN", "o")}
figure, ax = plt.subplots(figsize=(10, 4.8))
for i, where in enumerate(WHERE):
    for j, (copies, (method, mark)) in enumerate(LOOKS.items()):
        r, colour = means["mean gain", where, copies], plots.METHODS[method]
        ax.errorbar(100 * r["value"], 0.25 - 0.25 * j - i, xerr=50 * (r["high"] - r["low"]),
                    fmt=mark, markersize=10, color=colour, mfc=colour if mark != "D" else "white")
        if i == 2:
            ax.annotate(copies, (100 * r["high"], 0.25 - 0.25 * j - i), xytext=(9, 0), va="center",
                        textcoords="offset points", color=colour, fontsize=14)
ax.axvline(0, color="black", linestyle=":", lw=1.5)
ax.set(yticks=[0, -1, -2], yticklabels=LABELS, ylim=(-2.5, 0.5), xlim=(-4.5, 6.5),
       xlabel="mean gain in points over training on plain drawings")
more = means["mean gain over classical", WHERE[2], "G, other worlds"]
figure.suptitle("In worlds that no G has seen, the G of other worlds brings\n"
                f"{points(more)} points more than classical copies do", fontsize=16)
plots.save(figure, "13_where")
plt.show()

# %% [markdown]
# So a generator of many worlds knows something useful, even for a world that neither it nor the
# learner has met. A learner of textures alone gains the most by it. It also has the most to gain,
# for abroad it is the weakest. At home it costs accuracy, probably because the copies make changes
# that the learner's own world does not have. The generator of the learner's *own* world brings
# little, because it knows only what the learner has been shown as well (notebook 11).
#
# ## 5 · One generator for all worlds
#
# Perhaps one $G$ can serve all worlds, and no world needs its own. This $G$ sees a description of
# the task, which is the support of the episode. In notebook 08, the description brought no gain
# that could be measured, because all tasks were handwriting. Here the world decides which copies
# are right, so a description could help more.
#
# But training one network on many worlds can **interfere**, which means that a step that helps one
# world hurts another. You can measure that. Take the gradient of the loss in each world, at the same
# weights, and look at the angle between two gradients. If the cosine is below 0, a small step for the
# one world is a step against the other.
#
# ### Exercise 3 · Do the worlds pull together? (★, important, 10 minutes)
#
# $$ \cos(g_a, g_b) = \frac{g_a \cdot g_b}{\lVert g_a \rVert\, \lVert g_b \rVert}, $$
#
# where $g_a$ holds the gradients of *all* parameters in world $a$, one after the other. `gradients`
# is a list with one entry for each world. An entry is the tuple of gradients that
# `torch.autograd.grad` returns, with a tensor of any shape for each parameter. Return the cosines of
# all pairs as one tensor `[worlds, worlds]`.

# %%
def my_cosines(gradients):
    """The cosines between the gradients of all worlds, each a tuple of tensors: [W, W]."""
    ### BEGIN SOLUTION
    flat = torch.stack([torch.cat([part.flatten() for part in each]) for each in gradients])
    flat = flat / flat.norm(dim=1, keepdim=True)
    return flat @ flat.T
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.cosines(my_cosines)

# %% [markdown]
# Below you see the cosines from the study, at the end of training, for the learner of all five
# worlds and for its generator. A gradient from a few episodes is noisy. So the study computed each
# world's gradient several times, from independent episodes. The diagonal compares these with each
# other. Without noise it would be 1. Noise pulls the other cells towards 0 as well. The largest cosine that two
# worlds could show is about $\sqrt{ab}$, where $a$ and $b$ are their two diagonal cells.

# %%
cosines = {(r["arm"], *r["worlds"]): r["value"] for r in stored
           if r["name"] == "cosine of gradients"}
tables = {player: torch.tensor([[cosines.get((player, a, b), cosines.get((player, b, a)))
                                 for b in homes] for a in homes]) for player in ("learner", "G")}
apart = ~torch.eye(len(homes), dtype=torch.bool)
figure, axes = plt.subplots(2, 1, figsize=(8, 9.6), sharex=True)
for ax, (player, numbers) in zip(axes, tables.items()):
    heat(ax, numbers, homes, homes, (-1, 1), "PuOr", "{:+.2f}")
    ax.set_title(f"{player}: mean cosine within one world {numbers.diag().mean():+.2f}")
between = {player: numbers[apart].mean() for player, numbers in tables.items()}
figure.suptitle(f"Gradients of two worlds: mean cosine {between['learner']:+.2f} for the learner,\n"
                f"{between['G']:+.2f} for G", fontsize=16)
plots.save(figure, "13_cosines")
plt.show()

# %% [markdown]
# The learner's worlds hardly agree, and textures pull against print and against speech. The
# generator's worlds all pull to one side. A likely reason is that one $D$ judges all worlds, and
# some of its demands are the same in all. So sharing should cost the learner more than the
# generator.
#
# Now look at what sharing costs and what it brings. The table compares the learner and the $G$ of
# all worlds with *one each*. That means a learner and a $G$ of the column's world alone. The
# learner of all worlds had no more steps than a learner of one world. So each world got only a
# fifth of these steps. The copies are judged twice. Their *distance to the truth* is the energy
# distance to other drawings of the class (notebook 08), in units of the usual distance of two
# drawings. Their *worth* is a gain in points in 5-way 1-shot episodes. There the learner of all
# worlds gets five copies of each example. **Predict**: are the copies by the generator of all
# worlds worth more if it sees the description of the task?

# %%
def shown(name, arm, place, times=100, digits=1):
    record = study[name, arm, None, place]
    half = times * (record["high"] - record["low"]) / 2
    return f"{times * record['value']:+.{digits}f} ± {half:.{digits}f}"


rows = {"one learner for all, minus one each (points)":
        ("accuracy, difference", "all - own", homes),
        "learner of all other worlds, minus its own (points)":
        ("accuracy, difference", "all but {} - own", homes),
        "G of all, minus one each: worth of copies (points)":
        ("gain, 5-way 1-shot, difference", "all - {}", homes),
        "with the task's description, minus without: worth of copies (points)":
        ("gain, 5-way 1-shot, difference", "all - all, no task", places)}
# %%
lines = ["| | " + " | ".join(places) + " |", "|---" * (len(places) + 1) + "|"]
for title, (name, arm, where) in rows.items():
    lines.append(f"| {title} | " + " | ".join(
        shown(name, arm.format(place), place) if place in where else "–"
        for place in places) + " |")
for title, arm, where in (("G of all, minus one each: distance", "all - {}", homes),
                          ("with the description, minus without: distance",
                           "all - all, no task", places)):
    lines.append(f"| {title} | " + " | ".join(
        shown("distance to the truth, difference", arm.format(place), place, 1, 2)
        if place in where else "–" for place in places) + " |")
display(Markdown("\n".join(lines)))

# %% [markdown]
# In the last two rows, a number below 0 is better, because the distance became smaller. The learner
# pays for sharing in every world, the most in textures. The generator pays little: its copies are
# as near to the truth, or nearer, in three worlds of five. The description brings no world clearly
# nearer to the truth, and in several it brings the copies farther away. In some worlds, the copies
# by the $G$ of all are also worth less than those by the world's own $G$, most of all in speech.
#
# **Copies by the generator of another world.** Last, the support of every world is enlarged by each
# generator in turn. Each example gets five copies, episodes are 5-way 1-shot, and one learner
# serves all.

# %%
SMALL = "gain, 5-way 1-shot"
who = [name for name in ("classical", *homes, "all", "all, no task")
       if (SMALL, name, None, places[0]) in study]
crossing = torch.tensor([[100 * value(SMALL, name, None, place) for place in places]
                         for name in who])
at_home, foreign = (means[f"mean {SMALL}", f"{whose} G", None]
                    for whose in ("the world's own", "another world's"))
figure, ax = plt.subplots(figsize=(10, 6))
heat(ax, crossing, [name if name == "classical" else f"G of {name}" for name in who], places,
     (-8, 8), "PuOr", "{:+.1f}")
ax.set(xlabel="support of", ylabel="copies by")
ax.set_title(f"Mean gain in the five worlds that train: {points(at_home)} points by\n"
             f"the world's own G, {points(foreign)} by the G of another one", fontsize=16)
plots.save(figure, "13_crossing")
plt.show()
others = [100 * value(SMALL, home, None, place) for home in homes for place in homes
          if home != place != "textures"]
print("mean gain by another world's G, without the supports of textures: "
      f"{sum(others) / len(others):+.1f} points")

# %% [markdown]
# ## 6 · A world that was kept back
#
# Seven of the study's worlds were looked at while it was built. Fashion-MNIST was not. After its
# numbers were seen, no network was trained and no strength was chosen. So its column is the best
# hint at what to expect of your own pictures. But it is one world.

# %%
KEPT = "fashion"
kept = {home: study["accuracy", home, "none", KEPT] for home in [*homes, "all", "pixels"]}
lines = ["| trained in | accuracy | " + " | ".join(f"gain by {copies}" for copies in ARMS) + " |",
         "|---" * 5 + "|"]
for home, record in kept.items():
    cells_here = [points(study["gain", home, copies, KEPT])
                  if ("gain", home, copies, KEPT) in study else "–" for copies in ARMS]
    lines.append(f"| {home} | {records.percent(record)} | " + " | ".join(cells_here) + " |")
display(Markdown("\n".join(lines)))

# %%
native, others, untrained = (records.percent(means["mean accuracy", whose, "none"])
                             for whose in ("own", "all other worlds", "pixels"))
here, abroad_gain, nowhere = ({copies: points(means["mean gain", where, copies])
                               for copies in ARMS} for where in WHERE)
task_gain = points(means[f"mean {SMALL}", "all - all, no task", None])
best_here = max([*homes, "all"], key=lambda home: kept[home]["value"])

# %% [markdown]
# ## The answer

# %%
display(Markdown(
    "**In part.** A learner of the world itself names "
    f"**{native}** of the queries correctly, one of all *other* worlds **{others}**, and plain "
    f"pixels {untrained}. Copies by a generator of many worlds bring a learner of one world "
    f"**{nowhere[ARMS[2]]}** points in worlds where nothing was trained, but they cost it points "
    "at home. One generator can serve many worlds, but a description of the task did not pay, "
    f"because it changes the worth of copies by {task_gain} points.\n\n"
    "| points gained by copies in training | at home | abroad | where nothing was trained |\n"
    "|---|---|---|---|\n"
    + "\n".join(f"| {copies} | {here[copies]} | {abroad_gain[copies]} | {nowhere[copies]} |"
                for copies in ARMS)
    + f"\n\n* In a support, a world's own generator brings {points(at_home)} points, and another "
    f"world's **{points(foreign)}**.\n"
    "* In Fashion-MNIST, the world that was kept back, pixels reach "
    f"{records.percent(kept['pixels'])}, and the best learner ({best_here}) "
    f"{records.percent(kept[best_here])}.\n"
    "* All this holds for pictures of 28×28 and for small networks, each trained once for a few "
    "hundred steps."))

# %% [markdown]
# **Read next.** Triantafillou, Zhu, Dumoulin and others 2020, *Meta-Dataset: a dataset of datasets
# for learning to learn from few examples* (arXiv 1903.03096). Yu, Kumar, Gupta and others 2020,
# *Gradient surgery for multi-task learning* (arXiv 2001.06782), change gradients that point against
# each other.
