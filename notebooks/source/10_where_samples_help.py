# %% [markdown]
# # 10 · Where samples help
#
# **The question.** Where should generated samples enter, and how many?
#
# Notebook 09 put five drawings of $G$ behind each example and let the learner adapt. That is one
# place of many. Generated drawings can join the support or the queries or both, at test time or in
# training. There can be one or sixty-four of them, with equal weights or with weights that $D$
# gives them. They can even become whole classes that nobody ever drew.
#
# You will try the places at test time yourself, and read a study of the others, failures included.
# At the end you propose a place of your own, predict what it does, and put it to a trial. Here the
# drawings are not normalised. Notebook 11 asks what is left once they are.
#
# **You need** notebook 09. **Time**: 45 minutes, and about 80 more with the five exercises.
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
from course_tools import diagrams, notebook, plots, records

sizes, device, results = notebook.setup("10_where_samples_help", profile, dataset, device, seed,
                                        split="val")
train, val = (datasets.load(dataset, split=split).to(device) for split in ("train", "val"))
notebook.enough(dataset, train, val, drawings=4)
n_way = min(20, *map(val.alphabets.count, val.alphabets))

# %% [markdown]
# We need a ProtoNet that was trained on real drawings only, and the warp generator of notebook 08
# with its discriminator. On `glyphs` both come from checkpoints. On other data they are trained
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
# ## 1 · Four places
#
# Generated drawings can enter a few-shot learner in four places. The arms of notebook 09 used place
# 3, and its test-time augmentation used places 3 and 4.

# %%
figure = diagrams.placements()
plots.save(figure, "10_places")
plt.show()

# %% [markdown]
# ## 2 · One side or both
#
# At test time there are two places, the support and the query. **Augmented copies of a query** make
# sense for the same reason as copies of an example. The query is one drawing with quirks of its
# own, and a mean over augmented copies has fewer of them. Each query is treated alone, so the
# learner stays inductive.
#
# ### Exercise 1 · Averaged features (★, important, 10 minutes)
#
# `features` maps images `[B, 1, H, W]` to `[B, F]`. `augment` maps images to new drawings of the
# same shape. Return the mean of the features over the images themselves and `n - 1` augmented
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
# **Predict** how the error changes if the features are averaged over 1, 2, 4, ... 64 images.
# Predict it for copies of the support alone, of the query alone, and of both, once by $G$ and once
# classical. The first image is the drawing itself and all others are augmented copies of it, so 1
# image means no augmentation. The images are made once, and the point at $n$ averages the first $n$
# of them.

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


# %%
def name_ends(ax, ends):
    """Names at the right ends of curves {name: y}, apart enough to be read."""
    at, gap = -float("inf"), 0.08 * (ax.get_ylim()[1] - ax.get_ylim()[0])
    for name, y in sorted(ends.items(), key=lambda end: end[1]):
        at = max(at + gap, y)
        ax.annotate(name, (1.02, at), xycoords=("axes fraction", "data"), va="center")


def draw_curves(ax, method):
    """By how much copies by a method change the error, for each side; {side: the last change}."""
    ends = {}
    for i, (name, side) in enumerate(place for place in curves if place[0] == method):
        pairs = [statistics.mean_interval(error - curves[name, side][0])
                 for error in curves[name, side]]
        middle, half = ([100 * part for part in parts] for parts in zip(*pairs))
        ax.errorbar([n * (1 + 0.05 * (i - 1)) for n in counts], middle, yerr=half, capsize=3,
                    marker="s^o"[i], linestyle=("--", ":", "-")[i], color=plots.METHODS[method])
        ends["both" if "and" in side else side] = middle[-1]
    ax.axhline(0, color="black", linewidth=1)
    ax.set(xscale="log", xticks=counts, xticklabels=counts, ylabel="change of error (points)")
    ax.set_title("copies by G" if method == "GAN" else "classical copies",
                 color=plots.METHODS[method])
    ax.minorticks_off()
    return ends


# %%
figure, axes = plt.subplots(2, 1, figsize=(9, 9), sharex=True, sharey=True)
last = {method: draw_curves(ax, method) for ax, method in zip(axes, methods)}
for ax, method in zip(axes, methods):
    name_ends(ax, last[method])
axes[1].set_xlabel("images averaged: the drawing and its augmented copies")
figure.suptitle(f"{n_way}-way 1-shot, {counts[-1]} images in place of one: copies by G\n"
                f"change the error of {plain:.0f} % by {last['GAN']['both']:+.1f} points on both "
                "sides,\n"
                f"{last['GAN']['support']:+.1f} on the support alone, "
                f"{last['GAN']['query']:+.1f} on the query alone",
                fontsize=16)
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
# *the mean of its augmented copies*, away from where single drawings lie. If it is done to one side
# alone, a smooth prototype faces a sharp query, or the reverse. If it is done to both, they meet
# again. If that is so, each side alone must do worse than both together. Check it in the figure.
#
# In our run on `glyphs` it is so for either kind. Compared with no augmentation, augmented copies
# on one side alone add errors, copies by $G$ on both sides remove some, and classical copies on
# both sides end where they began, as far as the interval tells. Eight images make most of the
# difference, and from then on the curves are nearly flat. The exception is *classical* on both
# sides, because its error rises at first and then slowly comes down again.
#
# This network was trained on single real drawings. Section 4 also has networks that were trained on
# augmented copies, and so are used to them.
#
# ## 3 · What D thinks of it
#
# Not every drawing of $G$ is good, and we own a critic. In notebook 01 the best discriminator's
# logit is $\ell = \log (p / q)$, with $p$ the density of real pairs and $q$ that of generated ones.
# So $e^{\ell}$ is an **importance weight**. With these weights, an average over $G$'s samples
# estimates the average over real ones.
#
# Our $D$ is not the best one. It was also trained to refuse real drawings of wrong characters
# (notebook 08). So the logit that it strives for is
# $\log \bigl( p / (q + \tfrac12 p_{\text{wrong}}) \bigr)$, with $p_{\text{wrong}}$ the density of those
# wrong pairs. So the weights are only $D$'s opinion. A blunter way is to keep the best drawings and to drop the rest.

# %% [markdown]
# ### Exercise 2 · Weights from a critic (★★, important, 15 minutes)
#
# `logits` `[n, B]` belong to `n` drawings for each of `B` examples. Return weights `[n, B]`,
# proportional to $e^{\ell}$, that sum to 1 over the drawings of each example. Logits of ±200 must
# not make `nan`.

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
# Return weights again, but blunt ones. Of the `n` drawings for each example, the `keep` with the
# highest logits share the weight evenly, and the others get 0. Keep exactly `keep` drawings even if
# logits are equal. Which of the equal ones you keep does not matter.

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
# The library has both, as `placements.importance_weights` and `placements.keep_best`. Now make
# sixteen drawings for each support example, and let $D$ give each drawing its logit. The prototype
# is half the example and half the weighted mean of the drawings. Compare four ways to weight the
# drawings: all alike, importance weights, the best half alike, and the best one alone. Then do the
# same for the queries too. **Predict** which of the four has the lowest error.

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
# alone does worse, because a mean over many drawings is given up for one that $D$ likes.
#
# ## 4 · In training
#
# Most drawings are used in training, so generated ones may matter most there, or do the most harm.
# `studies/placements.py` trains a ProtoNet on **five** simulated alphabets, as few as the small
# Omniglot set has. It does so in eleven ways with three seeds each. Each is tested without copies,
# and with seven copies in four ways. One way has copies by $G$ on the support alone. The other
# three have copies on both sides, by $G$, by classical augmentation of half strength, or by
# classical augmentation of $G$'s drawings. The eleven ways of training are these.
#
# * **no augmentation**: the learner sees real drawings only.
# * **support and query**: each training drawing is replaced by a new one. It is made by $G$, by
#   classical augmentation of full or half strength, or by classical augmentation of $G$'s drawings.
# * **support** alone and **query** alone: the drawings of one side are replaced by $G$'s.
# * **cross-fitted**: $G$ was trained on five *other* alphabets. So whatever it brings to the
#   learner comes from those other alphabets.
# * **hallucinated classes**: in each task, half of the real classes give way to invented ones. An
#   unconditional generator (notebook 03) makes up the characters, and the conditional one draws
#   them.
# * **one added**: a drawing of $G$ joins each support example.
# * **jointly**: the same, and $G$ goes on training together with the learner. Then $G$ is trained
#   to lower the learner's loss, and no longer to convince $D$ (Wang et al. 2018).
#
# In the table each way of training is a row, and each way of testing is a column. **Predict** the
# best row, the worst row, and whether all columns have the same best row.

# %%
BASELINE = "no augmentation"
study = records.read(runtime.project_root() / "figures" / "results" / "placements.jsonl")
cells = {(r["arm"], r["at_test"]): r for r in study if r["name"] == "error"}
gains = {(r["arm"], r["at_test"]): r for r in study if r["name"] != "error"}
rows, columns = (list(dict.fromkeys(key[i] for key in cells)) for i in (0, 1))
errors = torch.tensor([[100 * cells[row, column]["value"] for column in columns] for row in rows])
figure, ax = plt.subplots(figsize=(10, 9))
ax.imshow(errors, cmap="cividis_r", aspect="auto")
for i, j in torch.cartesian_prod(torch.arange(len(rows)), torch.arange(len(columns))).tolist():
    ax.text(j, i, f"{errors[i, j]:.1f}", ha="center", va="center",
            color="white" if errors[i, j] > errors.mean() else "black")
ax.set(yticks=range(len(rows)), yticklabels=[row.replace(": ", ":\n") for row in rows],
       xticks=range(len(columns)), ylabel="in training",
       xlabel="at test time (mean over the drawing and 7 augmented copies)",
       xticklabels=[column.replace(" and", "\nand").replace(", ", ",\n").replace(" + ", "\n+ ")
                    for column in columns])
figure.suptitle(f"Error (%), 20-way 1-shot: {100 * cells[BASELINE, BASELINE]['value']:.1f} without "
                f"augmentation, {errors.min():.1f} at best", fontsize=16)
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
# The worst row is easy to tell, because in every column, training on real drawings only has the
# highest error, by the point estimates. The rows near it are mostly *jointly*, *one added* and
# *hallucinated classes*. Some of their intervals overlap its own.
#
# On the best row the columns do not agree. Where $G$ makes all augmented copies at test time, the
# rows of $G$ on both sides are ahead of the classical ones. Where classical augmentation makes
# them, the classical rows are ahead. So training should see the kind of drawings that the test will
# average. But where classical copies are averaged, the intervals of the rows *half classical* and
# $G$ overlap. So this is a trend and no proof.
#
# Now read along the rows. Every row, including those trained with classical augmentation, has its
# lowest error with copies by $G$ on both sides. And *cross-fitted*, whose $G$ never saw the
# learner's alphabets, does as well as the $G$ that did, as far as the intervals tell. So the gain
# need not come from what $G$ remembers of the learner's own characters.

# %% [markdown]
# ## 5 · A place of your own
#
# The table does not have every place. Now propose one and run the science: write down a prediction,
# run your place and a baseline on the same tasks, and let the interval decide. First write the
# rules of such a trial (notebook 09), because they must not depend on what you hope for.
#
# ### Exercise 4 · A trial (★★, important, 15 minutes)
#
# `mine` and `baseline` are functions that return the error on each of the `tasks`, as `[T]`.
# `prediction` is one of `checks.VERDICTS`: `"less error"`, `"more error"` or
# `"no difference found"`. Return `(low, high, verdict)`: the ends of the 95 % interval of mine -
# baseline, and what it says.
#
# * Without a valid prediction, raise a `ValueError` before anything runs.
# * Run each arm once, on all tasks.
# * The verdict follows from the interval alone.

# %%
def my_trial(prediction, mine, baseline, tasks):
    """(low, high, verdict): the paired interval of mine - baseline, and what it says."""
    ### BEGIN SOLUTION
    if prediction not in checks.VERDICTS:
        raise ValueError(f"write down a prediction first, one of {checks.VERDICTS}")
    difference = statistics.paired_difference(mine(tasks), baseline(tasks))
    middle, half = statistics.mean_interval(difference)
    low, high = middle - half, middle + half
    less, more, neither = checks.VERDICTS
    return low, high, less if high < 0 else more if low > 0 else neither
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.trial(my_trial)

# %% [markdown]
# ### Exercise 5 · Your place (★★★, open, 30 minutes)
#
# A placement is a function `(tasks, see, draw) -> (support, query)`. It returns the features
# `[T, M, F]` of the support and of the queries that the ProtoNet will compare. `see(x)` gives the
# features of images `x` `[T, M, 1, H, W]`, such as `tasks.support_x` or `tasks.query_x`. `draw(x)`
# gives one new drawing by $G$ of each image. Here are two placements: the best of section 2, and an
# example.

# %%
def best_so_far(tasks, see, draw):
    """The mean over each drawing and seven copies of it, on both sides."""
    return tuple(torch.stack([see(x)] + [see(draw(x)) for _ in range(7)]).mean(0)
                 for x in (tasks.support_x, tasks.query_x))


def placement(tasks, see, draw):
    """An example: each drawing counts as much as its seven copies together, on both sides."""
    return tuple((see(x) + torch.stack([see(draw(x)) for _ in range(7)]).mean(0)) / 2
                 for x in (tasks.support_x, tasks.query_x))


# %% [markdown]
# Write your own. It must use `draw`, treat every query alone, and ask for no label of a query.
# Nobody knows the right answer. Some ideas to start from:
#
# * more copies on one side than on the other
# * copies of copies
# * the median in place of the mean
# * features of length 1 before the mean
# * another reference point, such as the mean of the task's support, and then features of length 1
#
# The baseline sees eight images of each drawing. If yours sees more, a lower error may come from
# the number of images, and not from your idea.

# %%
def my_placement(tasks, see, draw):
    """Features (support, query) for a ProtoNet, with drawings of G in a place of your choice."""
    ### BEGIN SOLUTION
    def mean(x):            # a second generation: four copies, and copies of three of them
        copies = [draw(x) for _ in range(4)]
        rows = [x, *copies, *(draw(copy) for copy in copies[:3])]
        return torch.stack([see(row) for row in rows]).mean(0)

    return mean(tasks.support_x), mean(tasks.query_x)
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.placement(my_placement)

# %% [markdown]
# **Write your prediction down** in the next cell, before you run the cells below it. Ours is for
# copies of copies. We expect more error, because they drift away from the character. Replace both
# lines by your own.

# %%
prediction = "more error"       # or "less error", or "no difference found"
because = "copies of copies drift away from the character"

# %%
use_mine = True                 # False: an example in place of your placement


def errors_of(place):
    """A function of tasks: the error [T] of a ProtoNet with this placement."""
    @torch.no_grad()
    def errors(tasks):
        rng = runtime.rng(3000 + seed, device)
        support, query = place(
            tasks, lambda x: network.features(x.flatten(0, 1)).view(*x.shape[:2], -1),
            lambda x: methods["GAN"](x, rng, tasks.support_x))
        return 1 - right(tasks, support, query)
    return errors


def trial(prediction, mine, baseline, tasks):
    """What runs until yours passes its check: the interval without a verdict."""
    found = results.add("own placement", mine(tasks) - baseline(tasks), unit="error",
                        setting="inductive", arm="example - best so far")
    return found["low"], found["high"], "yours to say"


# %%
place = notebook.choose(use_mine, my_placement, checks.placement, placement)
judge = notebook.choose(use_mine, my_trial, checks.trial, trial)
fresh = episodes.sample(val, n_way=n_way, k_shot=1, q_query=3, within_alphabet=True,
                        n_tasks=sizes.pick(smoke=3, cpu=60, gpu=400),
                        rng=runtime.rng(4000 + seed, device))
low, high, verdict = judge(prediction, errors_of(place), errors_of(best_so_far), fresh)
if place is not placement:      # the example of this notebook has no prediction of its own
    print(f"predicted: {prediction}, because {because}")
print(f"measured:  {place.__name__} - best_so_far: {100 * low:+.1f} to {100 * high:+.1f} points of "
      f"error, on {len(fresh.support_x)} tasks")
print(f"verdict:   {verdict}")

# %% [markdown]
# Did your prediction hold? If it did not, you have learned something about your reason. Three
# things limit what you may say.
#
# * *No difference found* does not mean that there is none. The ends of the interval say how large
#   it could be.
# * The tasks come from the validation alphabets, with one generator and one network.
# * A second idea on the same tasks is a second comparison. Take other tasks for it (change 4000),
#   and count your ideas for Holm's correction (notebook 09).

# %% [markdown]
# ## The answer

# %%
best, worst = ranked[0], ranked[-1]
side = min(marks, key=lambda place: marks[place]["value"])
display(Markdown(
    f"**In the study, the best combination is *{best[0]}* in training and *{best[1]}* at test "
    f"time.** The error falls from {records.percent(cells[BASELINE, BASELINE])} with real drawings "
    f"alone to **{records.percent(cells[best])}**. In this run, with test time alone, the best of "
    f"{len(marks)} places is *{side[0]}: {side[1]}*, and {counts[-1]} images change the error by "
    f"{points(marks[side])}.\n\n"
    f"* The best of {len(cells)} combinations is partly luck, so look at its neighbours in the "
    "table.\n"
    f"* The worst, *{worst[0]}* in training and *{worst[1]}* at test time, errs in "
    f"{records.percent(cells[worst])}.\n"
    "* There is one generator of each kind, with three seeds of the learner, on the validation "
    "alphabets of `glyphs`.\n"
    "* The intervals are over episodes. Another generator or split could change more than they "
    "say."))

# %% [markdown]
# *That* augmented copies help is one finding. *What* in them helps is the question of [notebook
# 11](11_why_it_helps.ipynb). You can also go on with your own images in notebooks 08 and 09
# (`folder:/path`), or with the official Omniglot challenge (INSTALL.md).
#
# **Read next.**
#
# * Wang et al. 2018, *Low-shot learning from imaginary data* (arXiv 1801.05401), train the
#   generator for the task.
# * Ni et al. 2021, *Data augmentation for meta-learning*, compare augmentation of support, query
#   and task.
