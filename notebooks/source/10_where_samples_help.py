# %% [markdown]
# # 10 · Where samples help
#
# **The question.** Where should generated samples enter, and how many?
#
# Notebook 09 put five drawings of $G$ behind each example and let the learner adapt. That is one
# place of many. Generated drawings can join the support or the query or both, at test time or in
# training. There can be one or sixty-four of them, with equal weights or with weights that $D$
# gives them. They can even become whole classes that nobody ever drew. You will try the test-time
# places yourself, and read a study of the others, failures included. (Drawings are used as they are
# here. Notebook 11 asks what is left once they are normalised.)
#
# **You need** notebook 09. **Time**: 35 minutes, and about 35 more with the three exercises.
#
# Parameters as in notebook 00. For images of your own: `dataset = "folder:/path"`, one subfolder
# for each class.

# %% tags=["parameters"]
import os

profile = os.environ.get("COURSE_PROFILE", "cpu")
dataset = os.environ.get("COURSE_DATASET", "glyphs")
device = os.environ.get("COURSE_DEVICE", "auto")
seed = int(os.environ.get("COURSE_SEED", "0"))

# %%
from functools import partial

import matplotlib.pyplot as plt
import torch
from IPython.display import Markdown, display

from course_checks import nb10 as checks
from course_lib import (
    augmentations, checkpoints, datasets, episodes, learners, networks, pairs, placements, runtime,
    statistics,
)
from course_tools import notebook, plots, records

sizes, device, results = notebook.setup("10_where_samples_help", profile, dataset, device, seed,
                                        split="val")
train, val = (datasets.load(dataset, split=split).to(device) for split in ("train", "val"))
notebook.enough(dataset, train, val, drawings=4)
n_way = min(20, *map(val.alphabets.count, val.alphabets))

# %% [markdown]
# We need a ProtoNet that was trained on real drawings only, and the warp generator of notebook 08
# with its discriminator. On `glyphs` both come from checkpoints; on other data they are trained
# right here for a short time.

# %%
runtime.seed_everything(seed)
network = learners.train_protonet(networks.ConvNet(1, width=32).to(device), train,
                                  n_steps=sizes.pick(smoke=5, cpu=500, gpu=5_000),
                                  rng=runtime.rng(seed, device))
G, D = networks.WarpGenerator().to(device), networks.PairDiscriminator().to(device)
if dataset == "glyphs":
    folder = runtime.project_root() / "checkpoints"
    for player, name in ((G, "warp_glyphs.safetensors"), (D, "warp_glyphs_D.safetensors")):
        checkpoints.load_into(player, folder / name, device)
else:
    G = pairs.train_generator(G, D, train, n_steps=sizes.pick(smoke=5, cpu=600, gpu=20_000),
                              rng=runtime.rng(seed, device)).G
network.eval(), G.eval(), D.eval()
quarter = augmentations.STRENGTH.times(0.25)            # chosen on val, for drawings as they are
methods = {"GAN": augmentations.generated(G), "classical": augmentations.classical(quarter)}

# %% [markdown]
# ## 1 · One side or both
#
# At test time there are two places: the support, and the query. **Augmented copies of the query?**
# Why not: the query is one drawing, with quirks of its own, and what the network sees of it can be
# averaged over augmented copies just as well. Each query is treated alone, so this stays inductive.
#
# ### Exercise 1 · Averaged features (★, important, 10 minutes)
#
# `features` maps images `[B, 1, H, W]` to `[B, F]`, and `augment` maps images to new drawings of
# the same shape. Return the mean of the features over the images themselves and `n - 1` augmented
# copies of each.

# %%
def my_averaged_features(features, x, augment, n):
    """Features [B, F], averaged over images x [B, 1, H, W] and n - 1 augmented copies of each."""
    ### BEGIN SOLUTION
    return torch.stack([features(x)] + [features(augment(x)) for _ in range(n - 1)]).mean(0)
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.averaged_features(my_averaged_features)

# %% [markdown]
# **Predict** the error if the features are averaged over 1, 2, 4, ... 64 images: of the support
# alone; of the query alone; of both; by $G$ and by classical augmentation. The first image is the
# drawing itself, all others are augmented copies of it, so 1 image means no augmentation. All
# numbers are read from the same features: the mean of the first $n$.

# %%
@torch.no_grad()
def features_of_copies(x, task, augment, n):
    """Features [n, T, M, F] of images x [T, M, 1, 28, 28] and n - 1 augmented copies, x first."""
    rng = runtime.rng(1000 + seed + x.shape[1], device)         # other noise for support and query
    images = [x] + [augment(x, rng, task) for _ in range(n - 1)]
    return torch.stack([network.features(image.flatten(0, 1)).view(*x.shape[:2], -1)
                        for image in images])


def right(tasks, support, query):
    """The fraction of queries named correctly, from features [T, M, F]: [T]."""
    tasks = tasks._replace(support_x=support, query_x=query)
    logits = learners.protonet_logits(lambda features: features, tasks)
    return (logits.argmax(2) == tasks.query_y).float().mean(1)


most = sizes.pick(smoke=4, cpu=64, gpu=64)
tasks = episodes.sample(val, n_way=n_way, k_shot=1, q_query=3, within_alphabet=True,
                        n_tasks=sizes.pick(smoke=3, cpu=40, gpu=400), rng=runtime.rng(seed, device))
seen = {name: [features_of_copies(x, tasks.support_x, augment, most)
               for x in (tasks.support_x, tasks.query_x)] for name, augment in methods.items()}

# %%
counts = [2 ** i for i in range(most.bit_length())]
curves = {}
for name, (support, query) in seen.items():
    for side in ("support", "query", "support and query"):
        curves[name, side] = [1 - right(tasks, support[:n if "support" in side else 1].mean(0),
                                        query[:n if "query" in side else 1].mean(0))
                              for n in counts]
plain = 100 * curves["GAN", "support"][0].mean()
lowest = min(curves, key=lambda place: curves[place][-1].mean())
figure, ax = plt.subplots(figsize=(13, 5.5))
for i, ((name, side), curve) in enumerate(curves.items()):
    ax.plot(counts, [100 * error.mean() for error in curve], ("s--", "^:", "o-")[i % 3],
            color=plots.COLOURS[i // 3], label=f"{name}: {side}")
ax.set(xscale="log", xticks=counts, xticklabels=counts, ylabel=f"error, {n_way}-way 1-shot (%)",
       xlabel="images averaged: the drawing and its augmented copies",
       title=f"Error {plain:.0f} % without augmentation, "
             f"{100 * curves[lowest][-1].mean():.0f} % with {counts[-1]} images: "
             f"{' on '.join(lowest)}")
ax.minorticks_off()
figure.legend(loc="outside right center", fontsize=12)
plots.save(figure, "10_copies")
plt.show()

# %%
def points(record):
    """A difference of errors, for people: '-2.1 ± 0.4 points'."""
    half = 50 * (record["high"] - record["low"])
    return f"{100 * record['value']:+.1f} ± {half:.1f} points"


marks = {}
for (name, side), curve in curves.items():
    place = {"unit": "error", "setting": "inductive"}
    for count, error in ((counts[0], curve[0]), (counts[-1], curve[-1])):
        results.add("error", error, arm=f"{name}: {side}", versions_of_each=count, **place)
    marks[name, side] = results.add(
        "error, difference", statistics.paired_difference(curve[-1], curve[0]),
        arm=f"{name}: {side} - no augmentation", versions_of_each=counts[-1], **place)
    print(f"{name:9} {side:17}: {points(marks[name, side]):>18} of error with {counts[-1]} images")

# %% [markdown]
# Why should sides matter? Here is one possible reason. Averaging moves a drawing's features towards
# *the mean of its augmented copies*, away from where single drawings lie. Do it to one side alone,
# and a smooth prototype faces a sharp query, or the reverse. Do it to both, and they meet again. If
# that is so, each side alone must do worse than both together: check it in the figure. (The network
# was trained on single real drawings. One that was trained on augmented copies is used to them: see
# section 3.)
#
# In our run on `glyphs` it is so for either kind: augmented copies on one side alone add errors,
# copies by $G$ on both sides remove some, and classical copies on both sides end where they began,
# as far as the interval tells. How many? Eight images make most of the difference, and from then on
# the curves are nearly flat. The exception is the last curve, *classical* on both sides: its error
# rises at first, and slowly comes down again.
#
# ## 2 · What D thinks of it
#
# Not every drawing of $G$ is good, and we own a critic. Notebook 01: the best discriminator's logit
# is $\ell = \log (p / q)$, with $p$ the density of real pairs and $q$ that of generated ones. So
# $e^{\ell}$ is an **importance weight**: averaged with it, $G$'s samples stand for real ones. In
# practice $D$ is not the best one, and ours was also trained to refuse real drawings of wrong
# characters (notebook 08). Its best logit is
# $\log \bigl( p / (q + \tfrac12 p_{\text{wrong}}) \bigr)$, with $p_{\text{wrong}}$ their density.
# So take the weights for what they are, an opinion. The blunt way is to keep the best and to drop
# the rest.

# %% [markdown]
# ### Exercise 2 · Weights from a critic (★★, important, 15 minutes)
#
# `logits` `[n, B]` of `n` drawings for each of `B` examples. Return weights `[n, B]`, proportional
# to $e^{\ell}$, that sum to 1 over the drawings of each example. Logits of ±200 must not make
# `nan`.

# %%
def my_weights(logits):
    """Importance weights [n, B] of generated drawings, from D's logits [n, B]; sum over n: 1."""
    ### BEGIN SOLUTION
    return logits.softmax(dim=0)        # e^logit / sum of e^logit, but never a large e^logit
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.critic_weights(my_weights)

# %% [markdown]
# ### Exercise 3 · Keep the best (★, 10 minutes)
#
# Weights again, but blunt: of the `n` drawings for each example, the `keep` with the highest logits
# share the weight evenly; the others get 0.

# %%
def my_filter(logits, keep):
    """Weights [n, B]: 1 / keep for the `keep` highest logits of each column, 0 for the others."""
    ### BEGIN SOLUTION
    best = logits.topk(keep, dim=0).indices
    return torch.zeros_like(logits).scatter(0, best, 1 / keep)
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.critic_filter(my_filter)

# %% [markdown]
# (The library has both: `placements.importance_weights` and `placements.keep_best`.) Now make
# sixteen drawings for each support example, and let $D$ give each drawing its logit. The prototype
# is half the example and half the weighted mean of the drawings. There are four ways to weight
# them, and the same for the queries.

# %%
@torch.no_grad()
def drawn_and_scored(x, task, n):
    """Features [n, T, M, F] of n drawings of G from each of x [T, M, ...]; D's logits [n, T, M]."""
    rng, found = runtime.rng(2000 + seed + x.shape[1], device), []
    for _ in range(n):
        image = methods["GAN"](x, rng, task)
        logits = D(image.flatten(0, 1), x.flatten(0, 1)[:, None], task).view(x.shape[:2])
        found.append((network.features(image.flatten(0, 1)).view(*x.shape[:2], -1), logits))
    return [torch.stack(part) for part in zip(*found)]


n = sizes.pick(smoke=4, cpu=16, gpu=16)
both = [drawn_and_scored(x, tasks.support_x, n) for x in (tasks.support_x, tasks.query_x)]
one = [seen["GAN"][side][0] for side in (0, 1)]                  # of the real drawings themselves
weights = {"all alike": lambda logits: torch.full_like(logits, 1 / n),
           "importance weights": placements.importance_weights,
           "the best half": partial(placements.keep_best, keep=n // 2),
           "the best one": partial(placements.keep_best, keep=1)}

# %%
unweighted = {}
print(f"without any drawing of G: error {100 * (1 - right(tasks, *one)).mean():.1f} %")
for name, weigh in weights.items():
    mixed = [(own + (weigh(logits.flatten(1)).view_as(logits)[..., None] * features).sum(0)) / 2
             for own, (features, logits) in zip(one, both)]
    for side, error in (("support", 1 - right(tasks, mixed[0], one[1])),
                        ("support and query", 1 - right(tasks, *mixed))):
        reference = unweighted.setdefault(side, error)
        mark = results.add("error less than unweighted", error - reference, unit="error",
                           setting="inductive", arm=name, side=side)
        against = "–" if error is reference else points(mark)
        print(f"{name:18} {side:17}: error {100 * error.mean():.1f} %, "
              f"against all alike: {against}")

# %% [markdown]
# Did $D$'s opinion beat *all alike*? Not in our run on `glyphs`. Importance weights hardly change
# the error, and the best half does as well as all, as far as these intervals tell. The best one
# alone does worse: what is gained by a mean over many drawings is given away for one that $D$
# likes.
#
# ## 3 · In training
#
# Training is where the most drawings are used, so it may be where generated ones matter most, or do
# the most harm. `studies/placements.py` trains a ProtoNet on **five** simulated alphabets, as few
# as the small Omniglot set has, in eleven ways and three seeds each, and tests each in five ways:
#
# * **no augmentation**: real drawings only
# * **support and query**: each training drawing is replaced by a new one: by $G$, by classical
#   augmentation (full or half strength), or by classical augmentation of $G$'s drawings
# * **support** and **query** alone: by $G$
# * **cross-fitted**: $G$ was trained on five *other* alphabets, so that it cannot hand on what it
#   knows of the learner's own (and brings what it knows of the others)
# * **hallucinated classes**: in each task, half of the real classes give way to characters that an
#   unconditional generator (notebook 03) made up, drawn by the conditional one
# * **one added**: a drawing of $G$ joins each support example
# * **jointly**: the same, and $G$ goes on training together with the learner, for the learner's
#   loss and not for $D$'s approval (Wang et al. 2018)
#
# **Predict**: the best row, the worst row, and whether the columns agree.

# %%
BASELINE = "no augmentation"
study = records.read(runtime.project_root() / "figures" / "results" / "placements.jsonl")
cells = {(r["arm"], r["at_test"]): r for r in study if r["name"] == "error"}
gains = {(r["arm"], r["at_test"]): r for r in study if r["name"] != "error"}
rows, columns = (list(dict.fromkeys(key[i] for key in cells)) for i in (0, 1))
errors = torch.tensor([[100 * cells[row, column]["value"] for column in columns] for row in rows])
figure, ax = plt.subplots(figsize=(13, 7))
ax.imshow(errors, cmap="cividis_r", aspect="auto")
for i, j in torch.cartesian_prod(torch.arange(len(rows)), torch.arange(len(columns))).tolist():
    ax.text(j, i, f"{errors[i, j]:.1f}", ha="center", va="center",
            color="white" if errors[i, j] > errors.mean() else "black")
ax.set(yticks=range(len(rows)), yticklabels=rows, xticks=range(len(columns)), ylabel="in training",
       xlabel="at test time (mean over the drawing and 7 augmented copies)",
       xticklabels=[column.replace(" and", "\nand").replace(", ", ",\n") for column in columns],
       title=f"Error (%), 20-way 1-shot: {100 * cells[BASELINE, BASELINE]['value']:.1f} without "
             f"augmentation, {errors.min():.1f} at best")
plots.save(figure, "10_placements")
plt.show()

# %%
ranked = sorted(cells, key=lambda key: cells[key]["value"])
lines = ["| in training | at test time | error | against no augmentation at all |",
         "|---" * 4 + "|"]
for row, column in ranked[:5] + ranked[-3:]:
    gain = gains[row, column]       # by how much the error is less
    against = f"{-100 * gain['value']:+.1f} ± {50 * (gain['high'] - gain['low']):.1f}"
    if (row, column) == (BASELINE, BASELINE):
        against = "–"
    lines.append(f"| {row} | {column} | {records.percent(cells[row, column])} | {against} |")
display(Markdown("The five best and the three worst of the table (error, and its difference in "
                 "points; intervals over episodes of three seeds)\n\n" + "\n".join(lines)))

# %% [markdown]
# The worst row is easy: in every column, training on real drawings only has the highest error, by
# the point estimates. (The rows near it are mostly *jointly*, *one added* and *hallucinated
# classes*, some with intervals that overlap its own.) On the best row the columns do not agree.
# Where $G$ makes all augmented copies at test time, the rows of $G$ on both sides are ahead of the
# classical ones; where classical augmentation makes them, it is the reverse. So training should see
# the kind of drawings that the test will average. (With classical copies on both sides, the
# intervals of *half classical* and $G$ overlap: a trend, and no proof.)
#
# Now read along the rows: every row, including those trained with classical augmentation, has its
# lowest error with copies by $G$ on both sides. And *cross-fitted*, whose $G$ never saw the
# learner's alphabets, does as well as the $G$ that did, as far as the intervals tell. So the gain
# need not come from what $G$ remembers of the learner's own characters.

# %% [markdown]
# ## The answer

# %%
best, worst = ranked[0], ranked[-1]
place = min(marks, key=lambda place: marks[place]["value"])
display(Markdown(
    f"At test time, in this run, the best of {len(marks)} places is **{place[0]}, {place[1]}**: "
    f"{points(marks[place])} of error with {counts[-1]} images. In the study, real drawings alone "
    f"err in {records.percent(cells[BASELINE, BASELINE])}. The best of {len(cells)} combinations, "
    f"*{best[0]}* in training and *{best[1]}* at test time, errs in "
    f"**{records.percent(cells[best])}**. The worst, *{worst[0]}* and *{worst[1]}*, errs in "
    f"{records.percent(cells[worst])}. The best of many is partly luck: the table shows its "
    "neighbours. (One generator of each kind, three seeds of the learner, validation alphabets of "
    "`glyphs`. The intervals are over episodes, and another generator or split could move more "
    "than they say.)"))

# %% [markdown]
# *That* augmented copies help is one finding. *What* in them helps is the question of
# [notebook 11](11_why_it_helps.ipynb). There are other ways on, too: your own images in notebooks
# 08 and 09 (`folder:/path`), the official Omniglot challenge (INSTALL.md), and a place for $G$'s
# drawings that the table does not have.
#
# **Read next.** Wang et al. 2018, *Low-shot learning from imaginary data* (arXiv 1801.05401), for
# training the generator for the task; Ni et al. 2021, *Data augmentation for meta-learning*, for
# support, query and task augmentation compared.
