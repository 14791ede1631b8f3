# %% [markdown]
# # 08 · From one example
#
# **The question.** Can a generator draw a character it has never seen, from one drawing of it?
#
# The label of notebook 04 named a class that the generator had trained on. The learners of notebooks 06 and 07 meet
# classes that nobody trained on, and all they bring is one example. So the generator will take **noise, an example, and
# a description of the task**. You will write the parts that its training rests on, and compare two designs that could
# hardly differ more. Both are judged on alphabets that took no part in training.
#
# **You need** notebooks 05 and 06. **Time**: 45 minutes, and about 40 more with the three exercises.
#
# | parameter | what it does |
# |---|---|
# | `retrain` | `False`: for `glyphs`, the generators are loaded from checkpoints; `True`: you train them (40 minutes on a laptop) |
#
# The other parameters are those of notebook 00. For images of your own, use `dataset = "folder:/path"` with one
# subfolder per class.

# %% tags=["parameters"]
import os

profile = os.environ.get("COURSE_PROFILE", "cpu")
dataset = os.environ.get("COURSE_DATASET", "glyphs")
device = os.environ.get("COURSE_DEVICE", "auto")
seed = int(os.environ.get("COURSE_SEED", "0"))
retrain = False

# %%
import math

import matplotlib.pyplot as plt
import torch
from IPython.display import Markdown, display
from torch import nn
from torch.nn.functional import max_pool2d

from course_checks import nb08 as checks
from course_files import drawings, glyphs
from course_lib import (
    augmentations, checkpoints, classifier, datasets, episodes, learners, networks, pairs, quality,
    runtime, statistics,
)
from course_tools import notebook, pad, plots, records

sizes, device, results = notebook.setup("08_from_one_example", profile, dataset, device, seed,
                                        split="val")
train, val = (datasets.load(dataset, split=split).to(device) for split in ("train", "val"))
notebook.enough(dataset, train, val, drawings=9)
print(f"{len(train.names)} characters to learn from; {len(val.names)} of other alphabets to judge")

# %% [markdown]
# ## 1 · What real pairs look like
#
# The generator is to make another drawing of the same character, by another hand. So look at what people do. Each row
# shows a drawing, then seven others of the same class. **Predict** before you look: what changes from hand to hand, and
# what never does?

# %%
rows = torch.randperm(len(val.names), generator=runtime.rng(seed))[:8].tolist()
figure, ax = plt.subplots(figsize=(8, 8))
plots.sheet(val.images[rows][:, :8], ax,
            title="Eight characters, eight hands: what stays is the character")
plots.save(figure, "08_pairs")
plt.show()

# %% [markdown]
# Slant, size, place, proportions and stroke width vary. Which strokes there are and how they meet does not. A generator
# must learn this difference *in general*, as a rule that holds for characters it never saw. So it must not learn
# characters, but **pairs**:
#
# $$ \min_G \max_D \; \mathbb{E}_{(x, x') \sim p_{\text{pair}}} \log D(x', x) + \mathbb{E}_{x, z} \log\bigl(1 - D(G(z, x), x)\bigr). $$
#
# $p_{\text{pair}}$ samples a class and then two *different* drawings of it: $x$, the **example**, and $x'$. As in the
# mended recipe of notebook 05, $D$ sees the example beside the candidate, so it asks two questions at once: *is $x'$ a
# real drawing? Is it the same character as $x$?* (Antoniou et al. 2017, DAGAN.)
#
# ### Exercise 1 · Pairs (★★, very important, 15 minutes)
#
# `images` `[C, M, 1, H, W]`. Sample `n` classes **without replacement**, and of each class two different drawings.

# %%
def my_pairs(images, n, rng):
    """(real, example): n drawings [n, 1, H, W] and another drawing of the same class for each."""
    ### BEGIN SOLUTION
    classes = torch.randperm(len(images), generator=rng)[:n]
    two = torch.rand(n, images.shape[1], generator=rng).topk(2).indices       # [n, 2]: two numbers
    return images[classes, two[:, 0]], images[classes, two[:, 1]]
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.pairs(my_pairs)

# %% [markdown]
# ## 2 · The task, as a set
#
# The task knows more than one example. The support of a 12-way task holds twelve drawings of one alphabet, and they
# tell about its script and its stroke widths. A description of a *set* must not depend on the order, and should take
# sets of any size. A mean of features does both (Zaheer et al. 2017), just as the prototypes of notebook 06 did.
# `networks.SetEncoder` is three layers and a mean.

# %% tags=["nbval-check-output"]
encode = networks.SetEncoder(64)
task = torch.rand(2, 12, 1, 28, 28)                             # two tasks, each of twelve drawings
print("a description of each task:", tuple(encode(task).shape))
same = torch.allclose(encode(task), encode(task.flip(1)), atol=1e-5)
print("the same in another order:", same)

# %% [markdown]
# `pairs.sampler` samples four tasks of twelve characters, each within one alphabet, and returns
# `(real, example, task)`: your exercise with a task around it. Section 6 asks whether the description of the task is of
# use.
#
# ## 3 · Two generators
#
# **Pixel by pixel** (`networks.PixelGenerator`). In this U-Net the example goes down to $7 \times 7$, noise and task
# join there, and skip connections hand the details over on the way up. It can draw anything. That is its strength and
# its danger.
#
# **By warping** (`networks.WarpGenerator`). A small network looks at noise, example and task and *chooses numbers*: an
# affine map (6), a smooth field of shifts on a $5 \times 5$ grid (50) and a stroke width (1). `networks.warp` then
# moves the ink of the example accordingly. Its ink is the example's, so it has to *work* to lose the character, and it
# cannot smuggle in one from training.
#
# **Predict**: which will preserve the character? Which will vary more? Which will fool $D$ better?

# %%
example = val.ink[:1].view(1, 1, 28, 28).cpu()
unchanged = {"affine": torch.zeros(1, 2, 3), "field": torch.zeros(1, 2, 5, 5),
             "stroke_width": torch.zeros(1)}
slant = torch.tensor([[[0.0, 0.4, 0.0], [0.0, 0.0, 0.0]]])
bend = torch.randn(1, 2, 5, 5, generator=runtime.rng(seed + 1))
changes = {"unchanged": {}, "slant": {"affine": slant},
           "smaller": {"affine": 0.3 * torch.eye(2, 3)[None]}, "bend": {"field": 2 * bend},
           "thick strokes": {"stroke_width": torch.ones(1)},
           "thin strokes": {"stroke_width": -0.6 * torch.ones(1)}}
figure, axes = plt.subplots(1, 6, figsize=(13, 2.9))
for ax, (name, change) in zip(axes, changes.items()):
    plots.show(ax, networks.warp(example, **(unchanged | change))[0], name)
figure.suptitle("What 57 numbers can do to a drawing", fontsize=17)
plots.save(figure, "08_warp")
plt.show()

# %% [markdown]
# ### Exercise 2 · The stroke width (★, 10 minutes)
#
# One number sets the stroke width, and it must be differentiable so that $G$ can learn it. The maximum over each
# $3 \times 3$ neighbourhood thickens every stroke by a pixel on either side; the minimum thins it. For `stroke_width`
# `[B]` from −1 to 1, blend: 0 leaves the image, 1 is the maximum, −1 is the minimum, and halfway is halfway.
# (`max_pool2d(x, 3, 1, 1)` is the maximum. For the minimum, think of $-x$.)

# %%
def my_stroke_width(x, stroke_width):
    """Images x [B, 1, H, W], drawn with thicker or thinner strokes: stroke_width [B]."""
    ### BEGIN SOLUTION
    thick, thin = max_pool2d(x, 3, 1, 1), -max_pool2d(-x, 3, 1, 1)
    width = stroke_width[:, None, None, None]
    return x + width.relu() * (thick - x) + (-width).relu() * (thin - x)
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.stroke_width(my_stroke_width)

# %% [markdown]
# ## 4 · A discriminator of pairs
#
# `networks.PairDiscriminator` stacks candidate and example as two channels of one picture, so each layer can compare
# them. But will it? At first $G$'s samples are so poor that *is it real?* decides every case, and *is it the same
# character?* is never asked. So ask it directly, with drawings that are **real but wrong** (Reed et al. 2016):
#
# $$ \mathcal{L}_D = \underbrace{-\log D(x', x)}_{\text{a real pair}} \; \underbrace{- \log\bigl(1 - D(G(z, x), x)\bigr)}_{\text{generated}}
#   \; \underbrace{- \; w \log\bigl(1 - D(x'_{\text{other}}, x)\bigr)}_{\text{real, of another class}} $$
#
# with a weight $w$, which is $\tfrac12$ in the library.
#
# ### Exercise 3 · Real but wrong (★★, very important, 15 minutes)
#
# Write the third term for `real` `[B, ...]` and `example` `[B, ...]`, whose rows are of different classes.
# `D(real, example)` returns logits. Pair example $i$ with real drawing $i-1$, and example 0 with the last drawing.

# %%
def my_mismatch(D, real, example, weight):
    """What D must pay for taking real drawings of the wrong character for right: a scalar."""
    ### BEGIN SOLUTION
    wrong = D(real.roll(1, dims=0), example)
    return weight * nn.functional.softplus(wrong).mean()        # -log(1 - D), from logits
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.mismatch(my_mismatch)

# %% [markdown]
# ## 5 · Train, and look
#
# `pairs.train_generator` is `gan.fit` of notebook 03 on such pairs, with your term and R1. First a few iterations of
# your own...

# %%
def new_pair(make_G, **parts):
    """An untrained generator and its discriminator. parts: of the discriminator."""
    runtime.seed_everything(seed)
    return make_G().to(device), networks.PairDiscriminator(**parts).to(device)


def trained(make_G, iterations, penalty=pairs.PENALTY, path=None, **parts):
    """A generator after so many iterations against a discriminator of pairs."""
    G, D = new_pair(make_G, **parts)
    return pairs.train_generator(G, D, train, n_steps=iterations, penalty=penalty, path=path,
                                 rng=runtime.rng(seed, device),
                                 made={"dataset": dataset, "seed": seed})


mine = trained(networks.WarpGenerator, sizes.pick(smoke=5, cpu=300, gpu=2_000))

# %%
guessing = (1 + 1 + 0.5) * math.log(2)          # the three terms of L_D where every logit is 0
figure, ax = plt.subplots(figsize=(10, 4.5))
for loss, name in ((mine.d_loss, "D"), (mine.g_loss, "G")):
    ax.plot(loss, linewidth=1)
    ax.text(1.01 * len(loss), loss[-20:].mean(), name, fontsize=16, color=ax.lines[-1].get_color())
ax.axhline(guessing, color="black", linestyle=":")
ax.text(0, guessing, "a D that guesses", va="bottom")
ax.set(xlabel="iteration", ylabel="loss (nats)",
       title=f"After {len(mine.d_loss)} iterations D pays {mine.d_loss[-20:].mean():.2f} nats; "
             f"guessing costs {guessing:.2f}")
plots.save(figure, "08_losses")
plt.show()

# %% [markdown]
# ... then the long runs, of the very same code with 4,000 iterations. For `glyphs` they lie in `checkpoints/`
# (`studies/generators.py` made them); for other data, short runs are trained right here. There are two designs, and
# two warp generators that lack something. In *warp, no task* neither player sees the task. In *warp, unconditional D*
# the discriminator sees the drawing and nothing else, which is fault 3 of notebook 05. **Predict**: will its $G$
# preserve the character, and will it vary it?

# %%
KINDS = {"pixel": ("pixel_glyphs.safetensors", networks.PixelGenerator, {}),
         "warp": ("warp_glyphs.safetensors", networks.WarpGenerator, {}),
         "warp, no task": ("warp-no-task_glyphs.safetensors",
                           lambda: networks.WarpGenerator(task=False), {"task": False}),
         "warp, unconditional D": ("warp-unconditional-D_glyphs.safetensors",
                                   networks.WarpGenerator,
                                   {"pair": False, "task": False, "penalty": pairs.R1})}
iterations = sizes.pick(smoke=5, cpu=4_000 if retrain else 200, gpu=40_000)
generators, root = {}, runtime.project_root()
for kind, (file, make_G, parts) in KINDS.items():
    if dataset == "glyphs" and not retrain:
        generators[kind] = checkpoints.load_into(make_G().to(device).eval(),
                                                 root / "checkpoints" / file, device)
        continue
    file = file.replace("glyphs", datasets.short_name(dataset))
    path = root / "runs" / "checkpoints" / f"{file}.{iterations}.part" if retrain else None
    generators[kind] = trained(make_G, iterations, path=path, **parts).G
    checkpoints.save(runtime.output_dir() / "checkpoints" / file, generators[kind].state_dict(),
                     iterations=iterations, kind=kind, dataset=dataset, profile=profile, seed=seed,
                     notebook="08_from_one_example")

# %% [markdown]
# `augmentations.classical()` joins them as a baseline: random affine maps, bends and stroke widths, the same for any
# example, learned from no data. It is at full strength here, which no tuning chose. Notebooks 09 to 11 use a quarter of
# it, so read the characters that it loses as those of this strength. From here on, every example is of a character of
# the validation alphabets.

# %%
arms = {"classical": augmentations.classical()}
arms |= {kind: augmentations.generated(G) for kind, G in generators.items()}
ink = val.ink.view(len(val.names), -1, 1, 28, 28)                   # [C, M, 1, 28, 28]


@torch.no_grad()
def copies_of(augmentation, n, drawing=0):
    """n augmented copies of every character's drawing of that number: [C, n, 1, 28, 28]."""
    rng, drawn = runtime.rng(seed + 3, device), []
    for alphabet in dict.fromkeys(val.alphabets):                   # each alphabet is a task
        members = [i for i, name in enumerate(val.alphabets) if name == alphabet]
        x = ink[members, drawing][None]
        drawn.append(torch.stack([augmentation(x, rng)[0] for _ in range(n)], dim=1))
    return torch.cat(drawn)


# %%
shown = {"people": ink[:, 1:6]}
shown |= {name: copies_of(arms[name], 5) for name in ("classical", "pixel", "warp")}
figure, axes = plt.subplots(1, 5, figsize=(15, 6.6), width_ratios=(1, 5, 5, 5, 5))
plots.sheet(ink[rows, :1].cpu(), axes[0], title="x")
for ax, (name, images) in zip(axes[1:], shown.items()):
    plots.sheet(images[rows].cpu(), ax, title=name)
figure.suptitle("Characters that no generator has seen, from the drawing at the left", fontsize=18)
plots.save(figure, "08_drawn")
plt.show()

# %% [markdown]
# Cover the titles: which block would you take for people's? Which rows have changed into another character? Do the five
# differ as much as five people would?
#
# ### $G$ redraws yours
#
# In JupyterLab, run the next cell, clear the five pads and draw characters that nobody has seen. The five are one
# task. **Predict**: which of them will $G$ vary well, and which will it spoil? Then run the cell *below* the pads
# again, because Jupyter does not run it by itself. (The cell of the pads itself would bring our drawings back, which
# the picture on a static page shows.)

# %% tags=["machine"]
mine = pad.Pads(5, strokes=drawings.FIVE)
display(mine)

# %%
yours = mine.classes().ink.view(1, -1, 1, 28, 28).to(device)        # one task: [1, 5, 1, 28, 28]
rng = runtime.rng(seed + 7, device)
redrawn = torch.stack([arms["warp"](yours, rng)[0] for _ in range(8)], dim=1)  # [5, 8, 1, 28, 28]
figure, axes = plt.subplots(1, 2, figsize=(10, 5.8), width_ratios=(1, 8))
plots.sheet(yours[0, :, None].cpu(), axes[0], title="x")
plots.sheet(redrawn.cpu(), axes[1], title="warp")
figure.suptitle("Your drawing at the left, and eight that G makes of it", fontsize=18)
plots.save(figure, "08_yours")
plt.show()

# %% [markdown]
# Your eye asks the right questions; now the numbers.
#
# ## 6 · Judged on alphabets never seen
#
# Two networks that took no part in any training of $G$ give three verdicts. (The settings of $G$, such as its rates,
# were not chosen on these alphabets of `glyphs` either, but on two real ones, Greek and Korean. Greek validates in
# `omniglot-small1`, so there the verdicts flatter a little. The test alphabets wait for notebook 09.)
#
# * **Class preservation, by a learner**: the ProtoNet of notebook 06 gets one real drawing of each character, and must
#   name a *generated* one, made from another real drawing. Each drawing is judged by itself, so the setting is
#   inductive. If the ProtoNet names the generated drawings as often as the real ones they were made from, the class was
#   preserved.
# * **Class preservation and diversity, by an evaluation classifier** of the validation characters: does it find the
#   character? And how far apart, in its features, are two drawings made from one example, against two people's?
# * **Distance to the truth.** For one example, $G(z, x)$ should have the distribution of the class. The energy distance
#   of two distributions is
#   $2\,\mathbb{E}\lVert a - b\rVert - \mathbb{E}\lVert a - a'\rVert - \mathbb{E}\lVert b - b'\rVert$ with $a, a'$
#   sampled from the one and $b, b'$ from the other (Székely & Rizzo 2013). It is 0 only if they are equal. We take it
#   between the evaluation classifier's features. On `glyphs` the truth can be sampled: the simulator calls in new
#   people. (The last column is the Fréchet distance of notebook 03, of all characters together.)
#
# **Predict**: copies of the example preserve the class perfectly. What will the distance to the truth say of them?

# %%
runtime.seed_everything(seed)
network = learners.train_protonet(networks.ConvNet(1, width=32).to(device), train,
                                  n_steps=sizes.pick(smoke=5, cpu=500, gpu=5_000),
                                  rng=runtime.rng(seed + 4, device))
protonet = learners.protonet(network)

# %%
half = ink.shape[1] // 2                            # the evaluation classifier learns from these
labels = torch.arange(len(ink), device=device)
evaluator = classifier.train(ink[:, :half].flatten(0, 1), labels.repeat_interleave(half),
                             n_classes=len(ink), batch=64, width=32,
                             n_steps=sizes.pick(smoke=10, cpu=1_800, gpu=5_000),
                             rng=runtime.rng(seed + 2, device))


def features(images):
    """What the evaluation classifier sees: [C, n, 1, 28, 28] -> [C, n, F]."""
    return classifier.features(evaluator, images.flatten(0, 1)).view(*images.shape[:2], -1)


def energy_distance(a, b):
    """Of features [n, F] and [m, F], without bias: no pair of a point with itself."""
    within = [torch.pdist(part).mean() for part in (a, b)]
    return 2 * torch.cdist(a, b).mean() - sum(within)


# %% [markdown]
# The truth: on `glyphs`, what new people write; elsewhere, the drawings of the example's class that nobody used. Every
# arm is compared with the first half of it. The second half stands in the table as *people*, and every other arm draws
# as many, because a Fréchet distance depends on the number of drawings.

# %%
n_true = sizes.pick(smoke=12, cpu=40, gpu=100)
truth = ink[:, half + 1:][:, :n_true]
if dataset == "glyphs":
    everyone = datasets.load("glyphs")
    number = {name: i for i, name in enumerate(zip(everyone.alphabets, everyone.names))}
    chosen = torch.tensor([number[name] for name in zip(val.alphabets, val.names)])
    people = glyphs.draw(glyphs.take(glyphs.programs(), chosen), n_true, runtime.rng(seed + 5))
    truth = people.to(device).float() / 255
n = truth.shape[1] // 2
true_features = features(truth[:, :2 * n])                          # [C, 2n, F]
print(f"{2 * n} drawings of each character that trained no network here: {n} are the truth, "
      f"{n} are people's")

# %%
def frechet(seen, rest, parts=4):
    """The Fréchet distance of features seen [C, n, F] to rest [C, n, F], for disjoint parts."""
    seen, rest = seen.flatten(0, 1), rest.flatten(0, 1)
    size = max(2, len(seen) // parts)
    order = torch.randperm(len(seen), generator=runtime.rng(seed)).to(device)
    rows = order[:len(order) // size * size].view(-1, size)
    return [quality.frechet_distance(seen[part], rest[part]) for part in rows]


def preserved(augmentation):
    """How often the ProtoNet names augmented queries rightly; None: the queries themselves."""
    rng = runtime.rng(seed + 6, device)

    @torch.no_grad()
    def learner(tasks):
        if augmentation:
            tasks = tasks._replace(query_x=augmentation(tasks.query_x, rng, tasks.support_x))
        return protonet(tasks)

    n_way = min(20, *map(val.alphabets.count, val.alphabets))
    return episodes.accuracies(learner, val, n_way=n_way, k_shot=1, q_query=3, chunk=10,
                               n_episodes=sizes.pick(smoke=4, cpu=60, gpu=600),
                               within_alphabet=True, rng=runtime.rng(seed, device))


# %%
KEPT = "class preservation: ProtoNet"
scores = {}                                     # arm: {name of the record: values}


def judged(name, augmentation):
    """All verdicts on one way to draw, as records; `augmentation` None stands for real people."""
    drawn = copies_of(augmentation, n, drawing=half) if augmentation else truth[:, n:2 * n]
    seen, rest = features(drawn), true_features[:, :n]
    asked = labels.repeat_interleave(drawn.shape[1])
    found = classifier.conditional_accuracy(evaluator, drawn.flatten(0, 1), asked)
    usual = torch.stack([torch.pdist(b).mean() for b in true_features]).mean()
    scores[name] = {
        KEPT: preserved(augmentation),
        "class preservation: evaluation classifier": found.view(drawn.shape[:2]).mean(1),
        "diversity": torch.stack([torch.pdist(a).mean() for a in seen]) / usual,
        "distance to the truth": torch.stack([energy_distance(*ab) for ab in zip(seen, rest)]),
        "Fréchet distance": frechet(seen, rest)}
    scores[name] = {what: torch.as_tensor(values).cpu() for what, values in scores[name].items()}
    return {what: results.add(what, values, arm=name, setting="inductive",
                              unit="accuracy" if "class" in what else "ratio")
            for what, values in scores[name].items()}


# %%
def copies(x, rng, task=None):
    """The example, handed back."""
    return x


table = {"people": judged("people", None),
         "copies of the example": judged("copies of the example", copies)}
table |= {name: judged(name, augmentation) for name, augmentation in arms.items()}

# %%
def cell(record):
    """A record as a cell of the table."""
    if record["unit"] == "accuracy":
        return records.percent(record)
    return f"{record['value']:.2f} ± {(record['high'] - record['low']) / 2:.2f}"


lines = [f"| who draws | {' | '.join(next(iter(table.values())))} |", "|---" * 6 + "|"]
lines += [f"| {name} | {' | '.join(map(cell, row.values()))} |" for name, row in table.items()]
display(Markdown("\n".join(lines)))

# %%
figure, ax = plt.subplots(figsize=(10, 6))
for i, (name, row) in enumerate(table.items()):
    right, wide = row[KEPT], row["diversity"]
    ax.errorbar(wide["value"], 100 * right["value"], xerr=(wide["high"] - wide["low"]) / 2,
                yerr=50 * (right["high"] - right["low"]), fmt="o*sD^vP"[i], markersize=13,
                color=plots.COLOURS[i], label=name)
ax.axhline(100 * table["people"][KEPT]["value"], color="black", linestyle=":")
ax.axvline(1, color="black", linestyle=":")
found = ", ".join(f"{name} {100 * table[name][KEPT]['value']:.0f} %"
                  for name in ("people", "warp", "pixel", "classical"))
ax.set(xlabel="diversity of drawings of one character (people: 1)", ylabel="class preservation (%)",
       title=f"Class preservation: {found}")
ax.legend(fontsize=13)
plots.save(figure, "08_judged")
plt.show()

# %% [markdown]
# How to read it: *copies* preserve every class and have no diversity, and their distance to the truth shows what that
# costs. Moving right at the same height is a better imitation of people. Moving down means that characters are lost.
# There are two cautions. Both networks that judge make errors of their own, and that is why people stand in the table
# and not 100 %. The evaluation classifier is weak: it names fewer than half of people's drawings, so diversity and
# distance, which are measured in its features, are rough. And the intervals are over episodes and characters, but each generator was trained once, so a small
# difference between two of them may be that of two runs.
#
# **What each part is good for.** Compare *warp* with *warp, no task*, which lacks the task, and with *warp,
# unconditional D*, which lacks more: its $D$ sees neither task nor example. It therefore pays no third term (section
# 4), because without an example no drawing is the wrong one. All arms met the same characters and episodes, so the
# differences of this ablation are paired (notebook 06).

# %%
for other in ("warp, no task", "warp, unconditional D", "pixel"):
    for what in (KEPT, "diversity", "distance to the truth"):
        values = statistics.paired_difference(scores["warp"][what], scores[other][what])
        difference = results.add(f"{what}, difference", values, arm=f"warp - {other}",
                                 setting="inductive",
                                 unit="accuracy" if "class" in what else "ratio")
        half_width = (difference["high"] - difference["low"]) / 2
        print(f"warp - {other:22} {what:29} {difference['value']:+.3f} ± {half_width:.3f}")

# %% [markdown]
# With an unconditional $D$, a warp has an easy way out: hand the example back. It is a real drawing, so a $D$ that sees
# only this drawing cannot reject it. On such copies its loss should be $2 \log 2$, that of a coin (notebook 01). The
# character is preserved, but the diversity is almost 0. Only a $D$ that sees the example beside the drawing can demand
# *another* drawing of it. The description of the task adds little, because an example says most of what the set says:
# in this design and on these data, no difference is clear.

# %% [markdown]
# ## The answer
#
# Yes, to a degree. Preserving a character and varying it as people do are two things, so each has its number.

# %%
warp, pixel, people = (table[name] for name in ("warp", "pixel", "people"))
times, far = ({name: f"{row[what]['value']:.2f}" for name, row in table.items()}
              for what in ("diversity", "distance to the truth"))
display(Markdown(
    "On characters of alphabets never trained on, a ProtoNet names "
    f"**{records.percent(warp[KEPT])}** of the warp generator's drawings rightly, "
    f"{records.percent(pixel[KEPT])} of the pixel generator's, and "
    f"{records.percent(people[KEPT])} of people's. The warp generator's drawings of one character "
    f"are **{times['warp']}** times as diverse as people's (pixel: {times['pixel']}). "
    f"Their distance to the truth is {far['warp']}, against {far['pixel']} for the pixel "
    f"generator, {far['classical']} for classical augmentation, "
    f"{far['copies of the example']} for copies "
    f"of the example and {far['people']} for people.\n\nEach generator was trained once."))

# %% [markdown]
# **Read next.** Antoniou, Storkey & Edwards 2017, *Data augmentation generative adversarial networks* (arXiv
# 1711.04340), sections 3 and
# 4. Such drawings may look right and still not *help a learner*, so [notebook 09](09_gan_augmented_adaptation.ipynb)
#    asks whether they do.
