# %% [markdown]
# # 09 · GAN-augmented adaptation
#
# **The question.** Does the generator help the learner?
#
# All parts are ready: episodes and baselines (06), MAML (07), and a generator that draws an unseen
# character anew from one example (08). Now put them together and let $G$ enlarge the support before
# the learner adapts. Whether that helps must be measured.
#
# The notebook opens with the course's most careful measurement. Then you write the augmenter and
# compare five *arms* yourself. As in a medical trial, the arms differ in one thing, here in what is
# added to the support. At the end you read a study of four learners, up to five shots, as a
# sceptical statistician would.
#
# **You need** notebooks 06, 07 and 08. **Time**: 50 minutes, and about 50 more with the three
# exercises.
#
# All drawings are normalised (notebook 06). Without that a learner is weak, and almost anything
# that is added to it seems to help.
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
import matplotlib.pyplot as plt
import torch
from IPython.display import Markdown, display
from scipy.stats import t as student

from course_checks import nb09 as checks
from course_files import drawings
from course_lib import (
    augmentations, checkpoints, classifier, datasets, episodes, learners, networks, pairs,
    placements, runtime, statistics,
)
from course_tools import notebook, pad, plots, records

sizes, device, results = notebook.setup("09_gan_augmented_adaptation", profile, dataset, device,
                                        seed, split="val")
train, val = (datasets.load(dataset, split=split).to(device).normalised()
              for split in ("train", "val"))
notebook.enough(dataset, train, val, drawings=11)
n_way = min(20, *map(val.alphabets.count, val.alphabets))
print(f"{len(train.names)} characters to learn from; "
      f"{n_way}-way tasks within the alphabets of {len(val.names)} others")

# %% [markdown]
# ## 1 · The trial
#
# Whoever measures many things can pick the one that came out well. So a **trial** asks one
# question, and the question is written down before the answer is known. Ours stands at the top of
# `studies/trial.py`: on real characters, 20-way 1-shot within an alphabet, **are the copies of a
# generator better than classical ones?**
#
# Both kinds of copies are used in the same way. A ProtoNet trains on copies alone. At test time it
# averages the features of each drawing and of seven copies. Notebook 10 found this way best, on
# drawings that are not normalised. Both kinds of copies are tuned alike.
#
# Eight alphabets are tested, each after training on other alphabets. For each of them there are
# five generators, and each of the two arms has five networks. The unit is the *alphabet*, because
# tasks of one alphabet share its characters. So the interval is over eight alphabets. Section 8
# explains the p-value beside it. **Predict** the sign of GAN minus classical.

# %%
folder = runtime.project_root() / "figures" / "results"
trial = records.read(folder / "trial.jsonl")
primary = next(r for r in trial if r.get("role") == "primary")
arms = {r["arm"]: r for r in trial if r["name"] == "accuracy"}


def points(record):
    """A difference of accuracies, for people: '+2.1 ± 0.4'."""
    return f"{100 * record['value']:+.1f} ± {50 * (record['high'] - record['low']):.1f}"


# %%
def style(arm):
    """How the course draws an arm: one colour for each method, and two for a mixture."""
    if arm in ("both", "GAN + classical"):
        return {"color": plots.METHODS["GAN"], "fillstyle": "left",
                "markerfacecoloralt": plots.METHODS["classical"]}
    method = {"no augmentation": "none", "oracle": "real"}.get(arm, arm)
    return {"color": plots.METHODS.get(method, "#999999")}


def dots(ax, rows):
    """One row for each (name, value, half of its interval or nan, style)."""
    for row, (_, value, half, looks) in enumerate(rows):
        ax.errorbar(value, row, xerr=half, fmt="o", markersize=12, **looks)
    names = [name.replace("_", " ") for name, *_ in rows]
    ax.set(yticks=range(len(rows)), yticklabels=names, ylim=(len(rows) - 0.5, -0.5))


def against(arm, other):
    """The difference of two arms of the trial in points, and half its interval."""
    for name, sign in ((f"{arm} - {other}", 1), (f"{other} - {arm}", -1)):
        for r in trial:
            if r["arm"] == name:
                return sign * 100 * r["value"], 50 * (r["high"] - r["low"])


# %%
figure, axes = plt.subplots(2, 1, figsize=(9, 9), height_ratios=(5, 9))
dots(axes[0], [(arm, *against(arm, "classical"), style(arm))
               for arm in arms if arm != "classical"])
axes[0].set(xlabel="accuracy, less that of classical copies (points)", title="every arm")
each = sorted(primary["by_alphabet"].items(), key=lambda item: item[1])
dots(axes[1], [(name, 100 * value, float("nan"), style("GAN")) for name, value in each]
     + [("all eight", *against("GAN", "classical"), {"color": "black"})])
axes[1].set(xlabel="accuracy by G's copies, less that by classical copies (points)",
            title="the question, by alphabet")
for ax in axes:
    ax.axvline(0, color="black", linestyle=":")
figure.suptitle(f"Real characters, 20-way 1-shot: copies by G change the accuracy\n"
                f"by {points(primary)} points against classical copies", fontsize=16)
plots.save(figure, "09_trial")
plt.show()

# %%
verdict = ("no difference was found" if primary["low"] < 0 < primary["high"] else
           "G's copies are better" if primary["value"] > 0 else "classical copies are better")
display(Markdown(
    f"In one sentence, **{verdict}** ({points(primary)} points of accuracy, eight alphabets, "
    f"p = {primary['p']:.2f} by a permutation test). All other arms are exploratory, and most have "
    "one seed. *Shuffled GAN* gives each drawing the settings that G chose for another one. *Both* "
    "mixes the two kinds of copies. *Oracle* adds five real drawings to the classical arm's "
    "support."))

# %% [markdown]
# ## 2 · The augmenter
#
# Everything that may enlarge a support follows one contract. It takes the support and returns **the
# originals, followed by what is added**. What is added comes from an *augmentation*. This is a
# function that makes, of each image, a new drawing of the same character, an **augmented copy**.
# The augmenter treats classical and generated copies alike.
#
# ### Exercise 1 · An augmenter (★★, very important, 15 minutes)
#
# The support of one task is `support_x` `[S, 1, H, W]`, with labels `support_y` `[S]` in any order.
# For each class, add `n_extra` augmented copies of its examples, taken in turn (first, second, ...,
# and again). `augmentation(images, rng)` takes images `[B, 1, H, W]` and keeps their shape.

# %%
def my_augmenter(support_x, support_y, augmentation, n_extra, rng):
    """(x, y): the support and, behind it, n_extra augmented copies for each class."""
    ### BEGIN SOLUTION
    rows = []
    for label in support_y.unique():
        examples = (support_y == label).nonzero().squeeze(1)            # rows of this class
        rows.append(examples[torch.arange(n_extra) % len(examples)])    # in turn
    rows = torch.cat(rows)
    copies = augmentation(support_x[rows], rng)
    return torch.cat([support_x, copies]), torch.cat([support_y, support_y[rows]])
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.augmenter(my_augmenter)

# %% [markdown]
# `placements.adding(augmentation, n_extra)` is the same for many tasks at once, whose supports come
# sorted by class. Now compare five arms. In four of them each class gets five more drawings.
#
# | arm | what is added | what it asks |
# |---|---|---|
# | no augmentation | – | where do we start? |
# | classical | random affine maps, bends, stroke widths | how far does one get without learning? |
# | GAN | drawings of $G$ | does the idea of this course work? |
# | GAN + classical | classical augmentation of drawings of $G$ | do the two add up? |
# | oracle | five more real drawings | what would more *data* do? |
#
# No arm should beat the oracle, as long as the queries are not augmented. The generator is the warp
# generator of notebook 08. On `glyphs` it comes from its checkpoint. On other data it is trained
# right here for a short time.

# %%
N_EXTRA = 5
G = networks.WarpGenerator().to(device)
if dataset == "glyphs":
    file = runtime.project_root() / "checkpoints" / "warp-normalised_glyphs.safetensors"
    checkpoints.load_into(G, file, device)
else:
    D = networks.PairDiscriminator().to(device)
    G = pairs.train_generator(G, D, train, n_steps=sizes.pick(smoke=5, cpu=600, gpu=20_000),
                              rng=runtime.rng(seed, device)).G
classical = augmentations.classical(augmentations.STRENGTH.times(0.5))
generated = augmentations.generated(G)
methods = {"classical": classical, "GAN": generated,
           "GAN + classical": augmentations.chain(generated, classical)}
BASELINE, ORACLE = "no augmentation", "oracle"
ARMS = (BASELINE, *methods, ORACLE)

# %%
task = episodes.sample(val, n_way=min(5, n_way), k_shot=1 + N_EXTRA, q_query=1, n_tasks=1,
                       within_alphabet=True, rng=runtime.rng(seed, device))
people = task.support_x.view(-1, 1 + N_EXTRA, 1, 28, 28)                       # [N, 6, 1, 28, 28]
rng = runtime.rng(seed + 1, device)
added = {name: torch.stack([augment(people[None, :, 0], rng)[0] for _ in range(N_EXTRA)], dim=1)
         for name, augment in methods.items()}
figure, axes = plt.subplots(2, 2, figsize=(9, 8.4))
for ax, (name, images) in zip(axes.flat, (added | {ORACLE: people[:, 1:]}).items()):
    plots.sheet(torch.cat([people[:, :1], images], dim=1).cpu(), ax)
    ax.set_title(name, color=style(name)["color"])
figure.suptitle(f"One example of each class (left), and {N_EXTRA} more drawings", fontsize=18)
plots.save(figure, "09_arms")
plt.show()

# %% [markdown]
# ## 3 · Fair, or not
#
# **Predict**: how could an augmented arm win although the generator is no good? Four ways have been
# published. Write yours down while the two learners of the next section train. One is a ProtoNet,
# and the other is a classifier whose head is to be fine-tuned. Both train on the training alphabets
# *without* any augmentation.

# %%
def train_classifier():
    """A classifier of all training characters."""
    n_classes, n_drawings = train.images.shape[:2]
    labels = torch.arange(n_classes, device=device).repeat_interleave(n_drawings)
    return classifier.train(train.ink.view(-1, 1, 28, 28), labels, n_classes=n_classes, batch=128,
                            n_steps=sizes.pick(smoke=5, cpu=500, gpu=5_000), width=32,
                            keep_map=True, rng=runtime.rng(seed, device))


runtime.seed_everything(seed)
network = learners.train_protonet(networks.ConvNet(1, width=32, keep_map=True).to(device), train,
                                  n_steps=sizes.pick(smoke=5, cpu=400, gpu=5_000),
                                  rng=runtime.rng(seed, device))
candidates = {"ProtoNet": learners.protonet(network),
              "fine-tuning": learners.fine_tune(train_classifier(), lr=0.03, steps=20,
                                                head_only=True)}

# %% [markdown]
# Here are the four ways, and what is done about each. An arm can win for these reasons.
#
# * It takes **more gradient steps**, because its data set is larger. Here every arm takes the same
#   number.
# * Its **episodes are easier**. Here all arms see the same episodes. Each episode has the six shots
#   that the oracle needs, and all other arms see only the first (`placements.first_shots`).
# * The **baseline is not tuned**. Here the strength of *classical* and the reach of $G$'s noise
#   were tuned alike. For each, the best of the same four factors was taken on the validation
#   alphabets of `glyphs`. *This notebook* measures on these alphabets, so it flatters both a
#   little. The study below tests on other alphabets.
# * $G$ has **seen the classes**. Here it was not trained on these alphabets.
#
# ## 4 · Two learners, five arms
#
# Now the exam: both learners, in all five arms, on the same episodes.

# %%
def in_arm(arm, learner, k_shot=1):
    """The learner as it is in one arm, for episodes with N_EXTRA more shots than it may see."""
    if arm == ORACLE:
        return learner
    augmenter = placements.adding(methods.get(arm), 0 if arm == BASELINE else N_EXTRA)
    augmented = placements.with_support(learner, augmenter, runtime.rng(1000 + seed, device))
    return placements.first_shots(augmented, k_shot)


def accuracies(learner):
    """The accuracy on each episode of the exam, the same episodes at every call."""
    return episodes.accuracies(learner, val, n_way=n_way, k_shot=1 + N_EXTRA, q_query=5, chunk=10,
                               n_episodes=sizes.pick(smoke=4, cpu=80, gpu=1_000),
                               within_alphabet=True, rng=runtime.rng(seed, device))


# %%
exam = f"{n_way}-way 1-shot"
scores = {(name, arm): accuracies(in_arm(arm, learner))
          for name, learner in candidates.items() for arm in ARMS}
for (name, arm), values in scores.items():
    mark = results.add(exam, values, unit="accuracy", setting="inductive", arm=arm, learner=name)
    print(f"{name:12} {arm:16} {records.percent(mark)}")

# %% [markdown]
# Some intervals overlap. Does that mean that there is no difference? No, because the arms saw *the
# same episodes*, and the paired difference cancels how hard the episodes are (notebook 06).

# %%
def record_difference(name, arm, values, other):
    """Store by how much `values` of an arm exceed the scores of another; and half its interval."""
    mark = results.add(f"{exam}, difference",
                       statistics.paired_difference(values, scores[name, other]), unit="accuracy",
                       setting="inductive", arm=f"{arm} - {other}", learner=name)
    return 100 * mark["value"], 50 * (mark["high"] - mark["low"])


def gains(arm):
    """The gain in points of each learner, for the title."""
    return " and ".join(f"{100 * (scores[name, arm] - scores[name, BASELINE]).mean():+.1f}"
                        for name in candidates)


# %%
figure, axes = plt.subplots(2, 1, figsize=(9, 7.5), sharex=True)
for ax, name in zip(axes, candidates):
    dots(ax, [(arm, *record_difference(name, arm, scores[name, arm], BASELINE), style(arm))
              for arm in ARMS[1:]])
    ax.axvline(0, color="black", linestyle=":")
    ax.set(title=name)
axes[1].set_xlabel("gain in accuracy over no augmentation (points)")
figure.suptitle(f"Gain in accuracy, {exam} (ProtoNet and fine-tuning):\ngenerated drawings "
                f"{gains('GAN')} points, real drawings {gains(ORACLE)}", fontsize=16)
plots.save(figure, "09_paired")
plt.show()

# %% [markdown]
# ### Draw your own
#
# Here you draw one episode. In JupyterLab, run the next cell and clear the pads. Draw five
# characters once each, and one of them again on the last pad. **Predict**: does the ProtoNet name
# it? Is it surer with five drawings of $G$ for each character, or less sure?
#
# Then run the cells *below* the pads again, because Jupyter does not run them by itself. The cell
# of the pads would bring our drawings back, so leave it alone. On a static page, the picture shows
# our drawings.

# %% tags=["machine"]
mine = pad.Pads(5, strokes=drawings.FIVE)
again = pad.Pads(1, label="one of them again", strokes=[drawings.AGAIN])
display(mine, again)

# %%
examples, asked = (pads.classes().normalised().to(device).ink.view(1, -1, 1, 28, 28)
                   for pads in (mine, again))


@torch.no_grad()
def shares(n_extra):
    """The ProtoNet's probabilities [5], with n_extra drawings of G for each character."""
    enlarged = placements.adding(generated, n_extra)
    x, y = enlarged(examples, torch.arange(5, device=device)[None], runtime.rng(seed, device))
    yours = episodes.Episodes(x, y, asked, None)            # only you know the label of the query
    return learners.protonet_logits(network.eval().features, yours).softmax(2)[0, 0].cpu()


alone, with_G = shares(0), shares(N_EXTRA)

# %%
figure, axes = plt.subplots(2, 6, figsize=(13, 5.4), height_ratios=(1, 1.1))
for ax, image, name in zip(axes[0], [*examples[0], asked[0, 0]], [*mine.labels, *again.labels]):
    plots.show(ax, image, name)
for ax, *both in zip(axes[1], (100 * alone).tolist(), (100 * with_G).tolist()):
    bars = ax.bar(("alone", "with G"), both, color=[plots.METHODS[of] for of in ("none", "GAN")])
    ax.bar_label(bars, fmt="%.0f %%")
    ax.set(ylim=(0, 115), yticks=[])
axes[1, 0].set_ylabel("probability")
axes[1, 5].axis("off")
figure.suptitle(f"ProtoNet alone: {mine.labels[alone.argmax()]}; with G's drawings: "
                f"{mine.labels[with_G.argmax()]}", fontsize=18)
plots.save(figure, "09_yours")
plt.show()

# %% [markdown]
# One query is an anecdote, even if it is yours. The measurement is the figure above the pads.
#
# ## 5 · Why it may help, and why it may not
#
# A prototype is the mean of a class's support in feature space. From one example it *is* the
# example, with all its quirks, such as a round corner or a stroke that is too long. The class's
# centre is where the mean of many people's drawings lies. So measure how far the prototype of each
# arm is from that centre. **Predict**: can the mean of augmented copies of one drawing lie nearer
# to the centre of the class than the drawing itself?

# %%
@torch.no_grad()
def distance_to_centre(arm):
    """How far each prototype in an arm lies from the centre of its class, in features: [C]."""
    drawings = val.ink.view(len(val.names), -1, 1, 28, 28)
    x, rest = drawings[:, 0], drawings[:, 1 + N_EXTRA:]
    centre = classifier.features(network, rest.flatten(0, 1)).view(*rest.shape[:2], -1).mean(1)
    rng, made = runtime.rng(seed + 2, device), [x]
    if arm == ORACLE:
        made += drawings[:, 1:1 + N_EXTRA].unbind(1)
    elif arm != BASELINE:
        for _ in range(N_EXTRA):        # each alphabet is a task
            made.append(torch.cat([methods[arm](part[None], rng)[0] for part in x.split(counts)]))
    prototype = torch.stack([classifier.features(network, images) for images in made]).mean(0)
    return (prototype - centre).norm(dim=1)


counts = [val.alphabets.count(alphabet) for alphabet in dict.fromkeys(val.alphabets)]
away = {arm: distance_to_centre(arm) for arm in ARMS}
print(f"The example itself is {away[BASELINE].mean():.3f} away from the centre of its class.")
for arm in ARMS[1:]:
    nearer = statistics.paired_difference(away[BASELINE], away[arm])
    mark = results.add("nearer to the centre", nearer, unit="feature space", setting="-", arm=arm)
    print(f"{arm:16} {mark['value']:+.3f} ± {(mark['high'] - mark['low']) / 2:.3f} nearer")

# %% [markdown]
# What could move the prototype? If the augmented copies lie *evenly* around the example in feature
# space, their mean stays where the example is, however many there are. To come nearer to the
# centre, the copies must lean towards it.
#
# A generator that learned the distribution of pairs has a reason to lean, *regression to the mean*.
# After a drawing with an unusually wide loop, the next drawing of the class usually has a less wide
# one. Notebook 11 measures which habits regress. Classical augmentation does not look at the
# drawing. Copies of either kind can also lean away from the centre. The network learned from real
# drawings, so it may put an unusual copy far from them.
#
# The numbers say which of these happened, but not why. And nearer is not yet better, because a
# query must lie nearer to its own prototype than to the others, and these have moved as well.
#
# One unusual thing can be seen in the pictures above. Every warp resamples the drawing and blurs it
# a little, and *GAN + classical* does so twice. No learner here saw blurred drawings in training.
# Suppose we add the example itself five times, not warped, but blurred as much as a warp blurs it
# on average. **Predict**: what does the blur cost?

# %%
def blurred(x, rng, task=None):
    """Each image as resampling at a random place between pixels leaves it, on average."""
    weights = torch.tensor([1 / 12, 5 / 6, 1 / 12], device=x.device)    # neighbours share a sixth
    kernel = (weights[:, None] * weights)[None, None]                   # [1, 1, 3, 3]
    return torch.nn.functional.conv2d(x.flatten(0, 1), kernel, padding=1).view_as(x)


for name, learner in candidates.items():
    enlarged = placements.with_support(learner, placements.adding(blurred, N_EXTRA), None)
    values = accuracies(placements.first_shots(enlarged, 1))
    gain, half = record_difference(name, "blurred copies", values, BASELINE)
    print(f"{name:12} blurred copies: {gain:+.1f} ± {half:.1f} points against no augmentation")

# %% [markdown]
# *Classical* and *GAN* are both blurred by one warp, so the blur does not spoil their comparison. *No
# augmentation* has sharp drawings alone. In our run on `glyphs`, blurred copies cost the ProtoNet
# nothing that the interval shows. So what it loses in the figure of section 4, it loses by the
# warps.
#
# ## 6 · Test-time augmentation
#
# So far the two sides are not treated alike. Prototypes that are five sixths generated face a real
# query, and the features may well tell generated from real. So treat the query as the support is
# treated. Make five augmented copies of it as well, let the learner name all six, and let the six
# predictions **vote** (`placements.with_votes`). If several names get the most votes, the name that
# the query itself got wins. If that name is not among them, the class with the lowest number wins.
#
# This is *test-time augmentation*. The learner needs no other training, takes no further step, and
# sees no other query, so it stays inductive. **Predict**: does it help classical augmentation as
# much as the GAN?

# %%
def with_test_time_augmentation(arm, learner):
    """The learner in one arm, if each query has N_EXTRA augmented copies and all six vote."""
    rng = runtime.rng(2000 + seed, device)
    enlarged = placements.with_support(learner, placements.adding(methods[arm], N_EXTRA), rng)
    voting = placements.with_votes(enlarged, methods[arm], 1 + N_EXTRA, rng)
    return placements.first_shots(voting, 1)


for name, learner in candidates.items():
    for arm in ("classical", "GAN"):
        values = accuracies(with_test_time_augmentation(arm, learner))
        said = []
        for other in (BASELINE, arm):
            gain, half = record_difference(name, f"{arm}, test-time augmentation", values, other)
            said.append(f"{gain:+5.1f} ± {half:.1f} against {other}")
        print(f"{name:12} {arm}, test-time augmentation:".ljust(48), "   ".join(said))

# %% [markdown]
# ## 7 · The study
#
# One seed and one kind of episode are an anecdote. `studies/augmentation.py` runs the five arms,
# and two with test-time augmentation, for four learners of `studies/few_shot.py` with three seeds
# each. The tasks are 20-way with 1, 2 and 5 shots, and 5-way with 1 shot, on the ten test alphabets
# of `glyphs`. The matcher is tested with 1 shot only. Intervals are over these alphabets. The study
# is *exploratory*, because it looks at many things and asks no single question. It has one
# generator. On real characters, the trial of section 1 is the answer.
#
# What fraction of the gain from extra *real* drawings does each method recover? The gap lies
# between *no augmentation* and the *oracle*. The **fraction of the gap recovered** is
#
# $$ r = \frac{\overline{\text{arm}} - \overline{\text{no augmentation}}}
#             {\overline{\text{oracle}} - \overline{\text{no augmentation}}}. $$

# %% [markdown]
# ### Exercise 2 · A fraction and its interval (★★, important, 20 minutes)
#
# `baseline` (no augmentation), `arm` and `oracle` hold the accuracies of the same `n` runs, each as
# `[n]`. There are two traps. One is to average the ratios of the runs, because one run with a small
# denominator can ruin the mean. The other is to take the interval of the numerator alone, because
# the denominator is uncertain too.
#
# The **jackknife** (Tukey 1958) avoids both. Let $r$ be the fraction above, with means over all
# runs, and $r_{-i}$ the same without run $i$. Then the pseudo-values $n r - (n - 1) r_{-i}$ behave
# like $n$ independent measurements. Return them as `[n]`.

# %%
def my_pseudo_values(baseline, arm, oracle):
    """The jackknife's pseudo-values [n] of the fraction of the gap that `arm` recovers."""
    ### BEGIN SOLUTION
    gained, possible, n = arm - baseline, oracle - baseline, len(baseline)
    fraction = gained.sum() / possible.sum()
    without = (gained.sum() - gained) / (possible.sum() - possible)
    return n * fraction - (n - 1) * without
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.fraction_recovered(my_pseudo_values)

# %%
study = records.read(folder / "augmentation.jsonl")


def stored(name, arm, learner="ProtoNet"):
    """One record of the study."""
    return next(r for r in study if (r["name"], r["arm"], r["learner"]) == (name, arm, learner))


one_shot = "20-way 1-shot, within alphabet"
LEARNERS = ("distortion matching in pixels", "fine-tuning the head", "ProtoNet", "MAML")
SHOWN = (BASELINE, "classical", "GAN", "GAN + classical", "classical, test-time augmentation",
         "GAN, test-time augmentation", ORACLE)
lines = [f"| learner | {' | '.join(SHOWN)} |", "|---" * (1 + len(SHOWN)) + "|"]
for learner in LEARNERS:
    marks = [stored(one_shot, arm, learner) for arm in SHOWN]
    cells = " | ".join(records.percent(mark).removesuffix(" %") for mark in marks)
    lines.append(f"| {learner} | {cells} |")
display(Markdown("`glyphs`, normalised, 20-way 1-shot within an alphabet, inductive: accuracy in "
                 "%, 95 % interval over alphabets\n\n" + "\n".join(lines)))

# %% [markdown]
# The next figure sums up the study. It shows the fraction of the gap recovered, by number of shots,
# without the matcher. **Predict its shape first**: with more real examples at hand, does a
# generator matter more, or less?

# %%
SHOTS = (1, 2, 5)


def recovered(learner, arm):
    """The fraction of the gap that an arm recovers, a record for each number of shots."""
    return [stored(f"20-way {k}-shot, within alphabet, fraction of the gap recovered", arm, learner)
            for k in SHOTS]


# %%
figure, ax = plt.subplots(figsize=(9, 6.5))
names, wide = [], []
for learner in LEARNERS[1:]:
    for i, k in enumerate(SHOTS):
        marks = [(arm, recovered(learner, arm)[i]) for arm in ("classical", "GAN")]
        if k == SHOTS[-1]:
            wide += [mark for _, mark in marks]
            continue
        for (arm, mark), shift in zip(marks, (-0.14, 0.14)):
            ax.errorbar(100 * mark["value"], len(names) + shift, markersize=10, fmt="o",
                        xerr=50 * (mark["high"] - mark["low"]), color=style(arm)["color"])
        names.append(f"{learner}, {k} shot{'s' * (k > 1)}")
for arm, place in (("classical", -0.14), ("GAN", 0.14)):
    ax.text(35, place, arm, va="center", color=style(arm)["color"])
ax.axvline(0, color="black", linestyle=":")
ax.set(yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.5, -0.5),
       xlabel="fraction of the gap recovered (%), and its 95 % interval")
first = [100 * recovered(learner, "GAN")[0]["value"] for learner in LEARNERS[1:]]
ax.set_title(f"From one example, copies by G recover\n{min(first):.0f} to {max(first):.0f} % "
             "of the gap to real drawings", loc="right")
plots.save(figure, "09_gap_recovered")
plt.show()
print(f"At 5 shots the intervals reach from {100 * min(r['low'] for r in wide):.0f} to "
      f"{100 * max(r['high'] for r in wide):.0f} %, so they are left out.")

# %% [markdown]
# Mind the denominators. At five shots, five more real drawings bring little, so the fractions have
# intervals that are too wide for the figure. A fraction below zero is a *loss*. If the gap shrinks
# faster than the gain in points, the fraction rises although the gain falls. The *oracle* has no
# test-time augmentation. So it is no upper bound for the arms that have it, and their fraction can
# exceed 100 %.
#
# Now compare the figure with what you predicted. Each learner here was trained on real drawings
# alone, and without test-time augmentation a prototype that is five sixths generated faces a real
# query. In the trial and in notebook 10 the learner meets copies in training as well.
#
# ## 8 · Many ways to be lucky
#
# The study makes many comparisons, of ten pairs of arms for each learner and kind of episode. The
# *p-value* of a comparison is the probability that equal arms would show a difference at least as
# large as the measured one. Below 0.05 the difference is called "significant". So of twenty
# comparisons of *equal* arms, one looks significant on average. Whoever reports only the best of
# many comparisons may report luck.
#
# The correction by Holm (1979) keeps the chance of *any* false alarm at 5 %. First sort the $m$
# p-values. The smallest must be at most $\alpha / m$, and the next at most $\alpha / (m - 1)$. Go
# on so, and stop at the first p-value above its bound. Those before it **stand**, which means that
# they are significant. Here $\alpha = 0.05$ is the level of the test, not MAML's learning rate.

# %% [markdown]
# ### Exercise 3 · Holm's correction (★★, important, 15 minutes)
#
# The p-values `p` `[m]` come in any order. Return which of them stand, in the order of `p`.

# %%
def my_holm(p, alpha):
    """For p-values p [m], which differences stand: bool [m]."""
    ### BEGIN SOLUTION
    order, m = p.argsort(), len(p)
    passes = p[order] <= alpha / torch.arange(m, 0, -1)
    stands = torch.zeros(m, dtype=torch.bool)
    stands[order] = passes.cumprod(0).bool()            # after the first that fails, all fail
    return stands
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.holm(my_holm)

# %% [markdown]
# `statistics.holm` does the same. Now apply it to the study, to all comparisons together and not to
# each table by itself. Each p-value is that of a t-test over the alphabets. The mean difference
# over them is divided by its standard error and compared with Student's distribution with $n - 1$
# degrees of freedom. The stored intervals are made from the same distribution, so the standard
# error can be recovered from them.
#
# The table below shows six of the ten pairs, and Holm counts all ten. These four are left out.
#
# * *GAN + classical* against *no augmentation*
# * *classical, test-time augmentation* against *no augmentation*
# * *GAN, test-time augmentation* against *GAN*
# * *GAN, test-time augmentation* against *classical*

# %%
def p_value(record):
    """Of a mean being 0, by the t-test that its interval belongs to."""
    freedom = record["n"] - 1
    error = (record["high"] - record["low"]) / 2 / float(student.ppf(0.975, freedom))
    if not error:
        return float(record["value"] == 0)
    return 2 * float(student.sf(abs(record["value"]) / error, freedom))


compared = [r for r in study if r["name"].endswith(", difference") and "-shot" in r["name"]]
p_values = torch.tensor([p_value(r) for r in compared])
stands = statistics.holm(p_values, 0.05)                  # of all comparisons of the study together


# %%
def standing(arm):
    """Of the comparisons of two arms: how many; then above and below 0, before and after Holm."""
    mine = torch.tensor([r["arm"] == arm for r in compared])
    up = torch.tensor([r["value"] > 0 for r in compared])
    return [int(mine.sum())] + [int((mine & which & sign).sum())
                                for which in (p_values < 0.05, stands) for sign in (up, ~up)]


lines = ["| comparison | number | better, p < 0.05 | worse, p < 0.05 | better, Holm | "
         "worse, Holm |", "|---" * 6 + "|"]
for arm in ("GAN - no augmentation", "classical - no augmentation", "GAN - classical",
            "GAN + classical - classical", "GAN, test-time augmentation - no augmentation",
            "GAN, test-time augmentation - classical, test-time augmentation"):
    lines.append(f"| {arm} | " + " | ".join(map(str, standing(arm))) + " |")
display(Markdown("\n".join(lines)))

# %% [markdown]
# Comparisons that share episodes and networks are not independent. Holm's guarantee holds
# nevertheless, as far as each p-value is right. The ten alphabets are the unit here, as in the
# trial. They share one generator and three networks. So the p-values say what to expect of other
# alphabets, but not of another generator. If few differences stand, the others need not be small,
# because with only ten alphabets Holm lets only large effects stand.
#
# ## 9 · The challenge
#
# How well does all this do on the course's hardest test? It is the test of the Omniglot challenge,
# 20-way 1-shot within one alphabet, with only *five* background alphabets to learn from.
# `course challenge` puts a learner together from these parts, all on normalised drawings.
#
# * The **matching** of notebook 06 has learned nothing.
# * The **network** is a ProtoNet that learned from the five alphabets and from `glyphs`.
# * **Copies** can be averaged at test time. The network sees the drawing and fifteen copies of it,
#   for each support image and each query. They are classical, or by a $G$ that was trained on the
#   same five alphabets.
# * Matching and network can be added up (**matching + network**).
#
# **Predict** which part does most.

# %%
parts = [r for r in records.read(folder / "parts.jsonl") if r["name"] == "error"]
apart = {r["arm"]: r for r in records.read(folder / "parts.jsonl") if r["name"] != "error"}
kind = "20-way 1-shot within alphabet"
bars = [(f"{r['arm']}, {r['alphabets']}", 100 - float(r["accuracy"][kind]), 0)
        for r in records.read(folder / "published.jsonl") if kind in r["accuracy"]]
bars += [(f"ours: {r['arm']}", 100 * r["value"], 50 * (r["high"] - r["low"])) for r in parts]
bars.sort(key=lambda bar: -bar[1])
ours = {True: {"color": "black"}, False: {"color": "#777777"}}
figure, ax = plt.subplots(figsize=(9.5, 9))
dots(ax, [(name, error, half or float("nan"), ours[name.startswith("ours")])
          for name, error, half in bars])
for label in ax.get_yticklabels():
    label.set_color(ours[label.get_text().startswith("ours")]["color"])
ax.set(xlabel="error, 20-way 1-shot within an alphabet (%)", xlim=(0, None),
       title="grey: published, with the number of alphabets")
best_part = min(parts, key=lambda r: r["value"])
figure.suptitle("Real characters from 5 alphabets, normalised:\n"
                f"{records.percent(best_part)} error by {best_part['arm']}", fontsize=16)
plots.save(figure, "09_challenge")
plt.show()

# %%
PAIRS = {"copies by G, against no copies": "network, copies by G - network",
         "classical copies, against no copies": "network, classical copies - network",
         "copies by G, against classical copies":
             "network, copies by G - network, classical copies"}
for name, pair in PAIRS.items():
    print(f"{name:38} {points(apart[pair])} points of error")

# %% [markdown]
# Be careful with this picture. The published errors are of the twenty official runs, on ten other
# alphabets. Ours are of two alphabets, katakana and Sanskrit, and of one network. The intervals are
# over episodes. For a fair comparison, take the official runs and use `course challenge`
# (INSTALL.md).
#
# Notebook 11 measures what $G$ learned, and how much of that is only to move drawings back to the
# middle of the image.

# %%
def answer(learner):
    """What generated drawings bring one learner, as a line of a list."""
    voting, classical_too = ("GAN, test-time augmentation", "classical, test-time augmentation")
    gain, over, gain_at_test, over_at_test = (
        points(stored(f"{one_shot}, difference", arms, learner))
        for arms in (f"GAN - {BASELINE}", "GAN - classical", f"{voting} - {BASELINE}",
                     f"{voting} - {classical_too}"))
    return (f"* {learner}: {gain} over no augmentation and {over} over classical augmentation, or "
            f"{gain_at_test} and {over_at_test} with test-time augmentation")


# %% [markdown]
# ## The answer
#
# **Not more than classical copies do, once drawings are normalised.** The trial on real characters
# found no difference, and its interval leaves little room for a gain. Neither kind of copies brings
# much there, but five real drawings bring a lot. So there is room for a better generator, and this
# one does not fill it.

# %%
oracle = next(r for r in trial if r["arm"] == "oracle - classical")
display(Markdown(f"In the trial, copies by G change the accuracy by **{points(primary)}** points "
                 f"against classical copies, over {primary['n']} alphabets. Five more real "
                 f"drawings add {points(oracle)} points."))
lines = [answer(learner) for learner in LEARNERS]
display(Markdown("On simulated characters (normalised, 20-way 1-shot within an alphabet), five "
                 "generated drawings for each class bring, in points:\n\n" + "\n".join(lines)))
matching, alone, classical_copies, both = (
    records.percent(next(r for r in parts if r["arm"] == arm)) for arm in
    ("matching", "network", "network, classical copies", "matching + network, classical copies"))
display(Markdown(
    "In the challenge's setting, matching alone errs in "
    f"{matching}, a ProtoNet in {alone}, with classical copies in {classical_copies}, and matching "
    f"and ProtoNet together in **{both}**. There copies by G, against classical ones, change the "
    f"error by {points(apart[PAIRS['copies by G, against classical copies']])} points."))

# %% [markdown]
# **Read next.**
#
# * Antoniou et al. 2017, section 5, for gains on Omniglot.
# * Ravuri & Vinyals 2019, *Classification accuracy score*, for how realistic samples can be
#   useless.
# * Beckham et al. 2022, for how the split decides.
#
# Then go on to [notebook 10](10_where_samples_help.ipynb), because five drawings behind each
# example are one place of many.
