# %% [markdown]
# # 09 · Where samples help
#
# **The question.** Where should generated samples enter, and how many?
#
# Notebook 08 put five drawings of $G$ behind each example and let the learner adapt. That is one place of many. Generated drawings can
# join the support or the query or both, at test time or in training, by one or by sixty-four, all alike or
# weighted by what $D$ thinks of them; they can even become whole classes that nobody ever drew. You will try the test-time places yourself, and
# read a study of the others, failures included.
#
# **You need** notebook 08. **Time**: 35 minutes, and about 35 more with the three exercises.
#
# Parameters as in notebook 00. For images of your own: `dataset = "folder:/path"`, one subfolder for each class.

# %% tags=["parameters"]
import os

profile = os.environ.get("COURSE_PROFILE", "cpu")
dataset = os.environ.get("COURSE_DATASET", "glyphs")
device = os.environ.get("COURSE_DEVICE", "auto")
seed = int(os.environ.get("COURSE_SEED", "0"))

# %%
import json
from functools import partial

import matplotlib.pyplot as plt
import torch
from IPython.display import Markdown, display

from course_lib import augmentations, checkpoints, datasets, episodes, learners, networks, pairs, placements, plots, records, runtime, statistics

plots.use_style()
sizes = runtime.profile(profile)
device = runtime.device(device)
results = records.Results("10_where_samples_help", dataset=dataset, split="val", profile=profile, seed=seed, device=device)
train, val = (datasets.load(dataset, split=split).to(device) for split in ("train", "val"))
n_way = min(20, *map(val.alphabets.count, val.alphabets))

# %% [markdown]
# A ProtoNet that was trained on real drawings and nothing else, and the warp generator of notebook 05 with its discriminator (on `glyphs`
# from checkpoints, elsewhere trained right here for a short time).

# %%
runtime.seed_everything(seed)
network = learners.train_protonet(networks.ConvNet(1, width=32).to(device), train,
                                   n_steps=sizes.pick(smoke=5, cpu=500, gpu=5_000), rng=runtime.rng(seed, device))
G, D = networks.WarpGenerator().to(device), networks.PairDiscriminator().to(device)
if dataset == "glyphs":
    for network_of, name in ((G, "warp_glyphs.safetensors"), (D, "warp_glyphs_D.safetensors")):
        network_of.load_state_dict(checkpoints.load(runtime.project_root() / "checkpoints" / name, device))
else:
    G = pairs.train_generator(G, D, train, n_steps=sizes.pick(smoke=5, cpu=600, gpu=20_000),
                                rng=runtime.rng(seed, device)).G
network.eval(), G.eval(), D.eval()
variations = {"GAN": augmentations.generated(G), "classical": augmentations.classical(augmentations.STRENGTH.times(0.25))}    # as in notebook 08

# %% [markdown]
# ## 1 · One side or both
#
# At test time there are two places: the support, and the query. **Versions of the query?** Why not: it is one drawing, with quirks of its
# own, and what the network sees of it can be averaged over versions just as well. Each query is treated alone, so this stays inductive.
#
# ### Exercise 1 · Averaged features (★, important, 10 minutes)
#
# `features` maps images `[B, 1, H, W]` to `[B, F]`, `vary` images to new drawings of the same shape. Return the mean of the
# features over the images themselves and `n - 1` variations of each.

# %%
def my_averaged_features(features, x, vary, n):
    """Features [B, F] of images x [B, 1, H, W], averaged over x and n - 1 variations of it."""
    ### BEGIN SOLUTION
    return torch.stack([features(x)] + [features(vary(x)) for _ in range(n - 1)]).mean(0)
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.averaged_features(my_averaged_features)

# %% [markdown]
# **Predict** the error for 1, 2, 4, ... 64 versions: of the support alone; of the query alone; of both; by $G$ and by classical variations. (One version is the
# drawing itself.) All are read from the same features: the mean of the first $n$.

# %%
@torch.no_grad()
def version_features(x, task, vary, n):
    """Features [n, T, M, F] of n versions of images x [T, M, 1, 28, 28]; the first is x itself."""
    g = runtime.rng(1000 + seed + x.shape[1], device)         # other noise for support and query
    versions = [x] + [vary(x, g, task) for _ in range(n - 1)]
    return torch.stack([network.features(v.flatten(0, 1)).view(*x.shape[:2], -1) for v in versions])


def right(tasks, support, query):
    """The share of queries named rightly, from features [T, M, F]: [T]."""
    logits = learners.protonet_logits(lambda features: features, tasks._replace(support_x=support, query_x=query))
    return (logits.argmax(2) == tasks.query_y).float().mean(1)


n_tasks, most = sizes.pick(smoke=3, cpu=40, gpu=400), sizes.pick(smoke=4, cpu=64, gpu=64)
tasks = episodes.sample(val, n_way=n_way, k_shot=1, q_query=3, n_tasks=n_tasks, within_alphabet=True,
                        rng=runtime.rng(seed, device))
seen = {name: [version_features(x, tasks.support_x, vary, most) for x in (tasks.support_x, tasks.query_x)]
        for name, vary in variations.items()}

# %%
counts = [2 ** i for i in range(most.bit_length())]
curves = {}
for name, (support, query) in seen.items():
    for side in ("support", "query", "support and query"):
        curves[name, side] = [1 - right(tasks, support[:n].mean(0) if "support" in side else support[0],
                                        query[:n].mean(0) if "query" in side else query[0]) for n in counts]
lowest = min(curves, key=lambda place: curves[place][-1].mean())
figure, ax = plt.subplots(figsize=(10, 5.5))
for i, ((name, side), curve) in enumerate(curves.items()):
    ax.plot(counts, [100 * error.mean() for error in curve], ("s--", "^:", "o-")[i % 3], color=plots.COLOURS[i // 3],
            label=f"{name}: {side}")
ax.set(xscale="log", xticks=counts, xticklabels=counts, xlabel="versions of each drawing", ylabel=f"error, {n_way}-way 1-shot (%)",
       title=f"Lowest error with {counts[-1]} versions: {' on '.join(lowest)}")
ax.minorticks_off()
ax.legend(fontsize=12)
plots.save(figure, "10_versions")
plt.show()

# %%
marks = {}
for (name, side), curve in curves.items():
    for count, error in ((counts[0], curve[0]), (counts[-1], curve[-1])):
        results.add("error", error, unit="error", setting="inductive", arm=f"{name}: {side}", versions_of_each=count)
    marks[name, side] = results.add("error, difference", statistics.paired_difference(curve[-1], curve[0]), unit="error", setting="inductive",
                                    arm=f"{name}: {side} - one version", versions_of_each=counts[-1])
    shown = marks[name, side]
    print(f"{name:9} {side:17}: {100 * shown['value']:+5.1f} ± {50 * (shown['high'] - shown['low']):.1f} points of error with {counts[-1]} versions")

# %% [markdown]
# Why should sides matter? One reason to think of: averaging moves a drawing's features towards *the mean of its versions*, away from where single
# drawings lie. Do it to one side alone, and a smooth prototype faces a sharp query, or the reverse. Do it to both, and they meet again. If that is
# so, each side alone must do worse than both together: check it in the figure. (The network was trained on single real drawings. One that was trained on
# variations is used to them: see section 3.)
#
# In our run on `glyphs` it is so for either kind: versions of one side alone add errors, versions of $G$ on both sides remove some, and classical ones on both
# sides end where they began, as far as the interval tells. How many? Eight make most of the difference, and from then on the curves are nearly flat. The exception
# is the last one, *classical* on both sides: its error rises at first, and slowly comes down again.
#
# ## 2 · What D thinks of it
#
# Not every drawing of $G$ is good, and we own a critic. Notebook 01: the best discriminator's logit is $\ell = \log (p / q)$, with $p$ the density of
# real pairs and $q$ that of generated ones. So $e^{\ell}$ is an **importance weight**: averaged with it, $G$'s samples stand
# for real ones. In practice $D$ is not the best one, and ours was also trained to refuse real drawings of wrong characters (notebook 05): its best logit
# is $\log \bigl( p / (q + \tfrac12 p_{\text{wrong}}) \bigr)$, with $p_{\text{wrong}}$ their density. So take the weights for what they are, an
# opinion. The blunt way: keep the best, drop the rest.
#
# ### Exercise 2 · Weights from a critic (★★, important, 15 minutes)
#
# `logits` `[n, B]` of `n` drawings for each of `B` examples. Return weights `[n, B]`, proportional to $e^{\ell}$, that sum to 1 over the
# drawings of each example. Logits of ±200 must not make `nan`.

# %%
def my_weights(logits):
    """Importance weights [n, B] of generated drawings, from D's logits [n, B]; they sum to 1 over n."""
    ### BEGIN SOLUTION
    return logits.softmax(dim=0)        # e^logit / sum of e^logit, without ever computing a large e^logit
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.critic_weights(my_weights)

# %% [markdown]
# ### Exercise 3 · Keep the best (★, 10 minutes)
#
# Weights again, but blunt: of the `n` drawings for each example, the `keep` with the highest logits share the weight evenly; the others get 0.

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
# (The library has both: `placements.importance_weights` and `placements.keep_best`.) Sixteen drawings for each support example, judged by $D$; the prototype is the
# example and their weighted mean, half and half. Four ways to weight them, and the same for the queries.

# %%
@torch.no_grad()
def judged(x, task, n):
    """Features [n, T, M, F] of n drawings of G from each of x [T, M, 1, 28, 28], and D's logits [n, T, M]."""
    g, found = runtime.rng(2000 + seed + x.shape[1], device), []
    for _ in range(n):
        image = variations["GAN"](x, g, task)
        logits = D(image.flatten(0, 1), x.flatten(0, 1)[:, None], task).view(x.shape[:2])
        found.append((network.features(image.flatten(0, 1)).view(*x.shape[:2], -1), logits))
    return [torch.stack(part) for part in zip(*found)]


n = sizes.pick(smoke=4, cpu=16, gpu=16)
both = [judged(x, tasks.support_x, n) for x in (tasks.support_x, tasks.query_x)]
one = [seen["GAN"][side][0] for side in (0, 1)]                                  # of the drawings themselves


weights = {"all alike": lambda logits: torch.full_like(logits, 1 / n),
           "importance weights": placements.importance_weights,
           "the best half": partial(placements.keep_best, keep=n // 2), "the best one": partial(placements.keep_best, keep=1)}

# %%
unweighted = {}
print(f"without any drawing of G: error {100 * (1 - right(tasks, *one)).mean():.1f} %")
for name, weigh in weights.items():
    mixed = [(own + (weigh(logits.flatten(1)).view_as(logits)[..., None] * features).sum(0)) / 2
             for own, (features, logits) in zip(one, both)]
    for side, error in (("support", 1 - right(tasks, mixed[0], one[1])), ("support and query", 1 - right(tasks, *mixed))):
        reference = unweighted.setdefault(side, error)
        mark = results.add("error less than unweighted", error - reference, unit="error", setting="inductive", arm=name, side=side)
        against = "–" if error is reference else f"{100 * mark['value']:+.1f} ± {50 * (mark['high'] - mark['low']):.1f} points"
        print(f"{name:18} {side:17}: error {100 * error.mean():.1f} %, against all alike: {against}")

# %% [markdown]
# Did $D$'s opinion beat *all alike*? Not in our run on `glyphs`. Importance weights change next to nothing, and the best half does as well as all, as far as these
# intervals tell. The best one alone does worse: what is gained by a mean over many drawings is given away for one that $D$ likes.
#
# ## 3 · In training
#
# Training is where the most drawings are used, so it may be where generated ones matter most; or do the most harm. `benchmarks/placements.py` trains a
# ProtoNet on **five** simulated alphabets, as few as the small Omniglot set has, in eleven ways and three seeds each, and tests each in five ways:
#
# * **nowhere**: real drawings only
# * **support and query**: each training drawing is replaced by a new one, by $G$, by classical variations (full or half strength), or by these of $G$'s drawings;
#   **support** and **query** alone, by $G$
# * **cross-fitted**: $G$ was trained on five *other* alphabets, so that it cannot hand on what it knows of the learner's own (and brings what it knows of theirs)
# * **imagined classes**: in each task, half of the real classes give way to characters that an unconditional generator (notebook 03) made up, drawn by the
#   conditional one
# * **one added**: a drawing of $G$ joins each support example; **jointly**: the same, and $G$ goes on training together with the learner, for the
#   learner's loss and not for $D$'s approval (Wang et al. 2018)
#
# **Predict**: the best row, the worst row, and whether the columns agree.

# %%
study = json.loads((runtime.project_root() / "figures" / "results" / "placements.json").read_text(encoding="utf-8"))
cells = {(r["arm"], r["at_test"]): r for r in study if r["name"] == "error"}
gains = {(r["arm"], r["at_test"]): r for r in study if r["name"] != "error"}
rows, columns = (list(dict.fromkeys(key[i] for key in cells)) for i in (0, 1))
errors = torch.tensor([[100 * cells[row, column]["value"] for column in columns] for row in rows])
figure, ax = plt.subplots(figsize=(13, 7))
ax.imshow(errors, cmap="cividis_r", aspect="auto")
for i, j in torch.cartesian_prod(torch.arange(len(rows)), torch.arange(len(columns))).tolist():
    dark = errors[i, j] > errors.mean()
    ax.text(j, i, f"{errors[i, j]:.1f}", ha="center", va="center", color="white" if dark else "black")
ax.set(yticks=range(len(rows)), yticklabels=rows, xticks=range(len(columns)),
       xticklabels=[column.replace(" and query, ", "\nand query,\n").replace("support, ", "support,\n") for column in columns],
       xlabel="at test time (averaged over 8 versions)", title=f"Error (%), 20-way 1-shot: real drawings alone {100 * cells['nowhere', 'nothing']['value']:.1f}, at best {errors.min():.1f}", ylabel="in training")
plots.save(figure, "10_placements")
plt.show()

# %%
lines = ["| in training | at test time | error | against nowhere and nothing |", "|---" * 4 + "|"]
for row, column in sorted(cells, key=lambda key: cells[key]["value"])[:5] + sorted(cells, key=lambda key: cells[key]["value"])[-3:]:
    gain = gains[row, column]
    against = f"{-100 * gain['value']:+.1f} ± {50 * (gain['high'] - gain['low']):.1f}" if (row, column) != ("nowhere", "nothing") else "–"
    lines.append(f"| {row} | {column} | {records.percent(cells[row, column])} | {against} |")
display(Markdown("The five best and the three worst of the table (error, and its difference in points; intervals over episodes of three seeds)\n\n"
                 + "\n".join(lines)))

# %% [markdown]
# The worst row is easy: in every column, no way to train errs in more queries than *nowhere*, by the point estimates. (Near it stand mostly *jointly*,
# *one added* and *imagined classes*, some with intervals that overlap its own.) On the best row the columns do not agree. Where $G$ makes all versions at test
# time, the rows of $G$ on both sides are ahead of the classical ones; where classical variations make them, it is the reverse. So training should see the
# kind of drawings that the test will average. (With versions on both sides, the intervals of *half classical* and $G$ overlap: a trend, and no proof.)
#
# Now read along the rows: each of them, those trained on classical variations too, has its lowest error with versions of $G$ on both sides. And *cross-fitted*,
# whose $G$ never saw the learner's alphabets, does as well as the $G$ that did, as far as the intervals tell. So the gain need not come from what $G$ remembers
# of the learner's own characters.

# %% [markdown]
# ## The answer

# %%
best, worst = (choose(cells, key=lambda key: cells[key]["value"]) for choose in (min, max))
plain = cells["nowhere", "nothing"]
at_test = min(((key, mark) for key, mark in marks.items()), key=lambda pair: pair[1]["value"])
display(Markdown(
    f"At test time, in this run, the best of {len(marks)} places is **{at_test[0][0]}, {at_test[0][1]}**: {100 * at_test[1]['value']:+.1f} ± "
    f"{50 * (at_test[1]['high'] - at_test[1]['low']):.1f} points of error with {counts[-1]} versions. In the study, real drawings alone err in "
    f"{records.percent(plain)}; the best of {len(cells)} combinations, *{best[0]}* in training and *{best[1]}* at test time, in "
    f"**{records.percent(cells[best])}**; the worst, *{worst[0]}* and *{worst[1]}*, in {records.percent(cells[worst])}. The best of many is partly "
    f"luck: the table shows its neighbours. (One generator of each kind, three seeds of the learner, validation alphabets of `glyphs`; the intervals are over "
    f"episodes, and another generator or split could move more than they say.)"))

# %% [markdown]
# **You have come to the end.** Three ways on: your own images in notebooks 05 and 08 (`folder:/path`), the official Omniglot challenge (README), and a place
# for $G$'s drawings that the table does not have.
#
# **Read next.** Wang et al. 2018, *Low-shot learning from imaginary data* (arXiv 1801.05401), for training the generator for the task; Ni et al. 2021, *Data
# augmentation for meta-learning*, for support, query and task augmentation compared.
