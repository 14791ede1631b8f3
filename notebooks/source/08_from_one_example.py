# %% [markdown]
# # 05 · From one example
#
# **The question.** Can a generator draw a character it has never seen, from one drawing of it?
#
# The label of notebook 04 named a class that the generator had trained on. A few-shot learner meets classes that nobody trained
# on, and brings one thing: an example. So the generator will take **noise, an example, and a description of the task** at hand. You
# will write the parts that its training rests on, compare two designs that could hardly differ more, take a widely published
# recipe apart, and judge everything on alphabets that took no part in training.
#
# **You need** notebook 04. **Time**: 45 minutes, and about 65 more with the four exercises.
#
# | parameter | what it does |
# |---|---|
# | `retrain` | `False`: the generators are loaded from checkpoints where there are some (`glyphs`); `True`: you train them (40 minutes on a laptop) |
#
# The others as in notebook 00. For images of your own: `dataset = "folder:/path"`, one subfolder for each class.

# %% tags=["parameters"]
import os

profile = os.environ.get("COURSE_PROFILE", "cpu")
dataset = os.environ.get("COURSE_DATASET", "glyphs")
device = os.environ.get("COURSE_DEVICE", "auto")
seed = int(os.environ.get("COURSE_SEED", "0"))
retrain = False

# %%
import matplotlib.pyplot as plt
import torch
from IPython.display import Markdown, display
from torch import nn
from torch.nn.functional import max_pool2d

from course_lib import augmentations, checkpoints, classifier, datasets, episodes, gan, learners, networks, pairs, plots, quality, records, runtime, statistics
from course_lib.datasets import glyphs

plots.use_style()
sizes = runtime.profile(profile)
device = runtime.device(device)
results = records.Results("08_from_one_example", dataset=dataset, split="val", profile=profile, seed=seed, device=device)
train, val = (datasets.load(dataset, split=split).to(device) for split in ("train", "val"))
print(f"{len(train.names)} characters to learn from; {len(val.names)} of other alphabets to be judged on")

# %% [markdown]
# ## 1 · What real pairs look like
#
# Another drawing of the same character, by another hand: that is what is asked for. So look at what people do. Each row: a
# drawing, then seven others of the same class. **Predict** before you look on: what changes from hand to hand, and what never does?

# %%
rows = torch.randperm(len(val.names), generator=runtime.rng(seed))[:8].tolist()
figure, ax = plt.subplots(figsize=(8, 8))
plots.sheet(val.images[rows][:, :8], ax, title="Eight characters, eight hands: what stays is the character")
plots.save(figure, "08_pairs")
plt.show()

# %% [markdown]
# Slant, size, place, proportions, the pen: they vary. Which strokes there are and how they meet does not. A generator must learn this
# difference *in general*, as a rule that holds for characters it never saw. So it must not learn characters, but **pairs**:
#
# $$ \min_G \max_D \; \mathbb{E}_{(x, x') \sim p_{\text{pair}}} \log D(x', x) + \mathbb{E}_{x, z} \log\bigl(1 - D(G(z, x), x)\bigr). $$
#
# $p_{\text{pair}}$ draws a class and then two *different* drawings of it: $x$, the **example**, and $x'$. $D$ sees the example beside the candidate, so it
# asks two questions at once: *is $x'$ a real drawing? Is it the same character as $x$?* (Antoniou et al. 2017, DAGAN.)
#
# ### Exercise 1 · Pairs (★★, very important, 15 minutes)
#
# `images` `[C, M, 1, H, W]`. Draw `n` classes **without replacement**, and of each two different drawings.

# %%
def my_pairs(images, n, rng):
    """(real, example): n drawings [n, 1, H, W] and another drawing of the same class for each."""
    ### BEGIN SOLUTION
    classes = torch.randperm(len(images), generator=rng)[:n]
    two = torch.rand(n, images.shape[1], generator=rng).topk(2).indices       # [n, 2]: never one twice
    return images[classes, two[:, 0]], images[classes, two[:, 1]]
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.pairs(my_pairs)

# %% [markdown]
# ## 2 · The task, as a set
#
# An example is not all there is. The support of a 12-way task holds twelve drawings of one alphabet; they tell about its script
# and its pens. A description of a *set* must not depend on the order, and should take sets of any size: a mean of features
# does both (Zaheer et al. 2017). `networks.SetEncoder` is three layers and a mean.

# %% tags=["nbval-check-output"]
encode = networks.SetEncoder(64)
task = torch.rand(2, 12, 1, 28, 28)                                 # two tasks of twelve support images each
print("a description of each task:", tuple(encode(task).shape))
print("the same in another order:", torch.allclose(encode(task), encode(task.flip(1)), atol=1e-5))

# %% [markdown]
# `pairs.sampler` draws four tasks of twelve characters, each within one alphabet, and returns `(real, example, task)`: your
# exercise with a task around it. Whether the description of the task is of use is a question for section 6.
#
# ## 3 · Two generators
#
# **Pixel by pixel** (`networks.PixelGenerator`). A U-Net: the example goes down to $7 \times 7$, noise and task join there, and skip
# connections hand the details over on the way up. It can draw anything. That is its strength and its danger.
#
# **By warping** (`networks.WarpGenerator`). A small network looks at noise, example and task and *chooses numbers*: an affine map (6), a smooth
# field of shifts on a $5 \times 5$ grid (50) and a pen (1). `networks.warp` then moves the ink of the example accordingly. Its ink is the
# example's: it has to *work* to lose the character, and cannot smuggle in one from training.
#
# **Predict**: which will keep the character? Which will vary more? Which will fool $D$ better?

# %%
example = val.ink[:1].view(1, 1, 28, 28)
nothing = {"affine": torch.zeros(1, 2, 3), "field": torch.zeros(1, 2, 5, 5), "pen": torch.zeros(1)}
slant, bend = torch.tensor([[[0.0, 0.4, 0.0], [0.0, 0.0, 0.0]]]), torch.randn(1, 2, 5, 5, generator=runtime.rng(seed + 1))
changes = {"as it is": {}, "slant": {"affine": slant}, "smaller": {"affine": 0.3 * torch.eye(2, 3)[None]},
           "bend": {"field": 2 * bend}, "thick pen": {"pen": torch.ones(1)}, "thin pen": {"pen": -0.6 * torch.ones(1)}}
figure, axes = plt.subplots(1, 6, figsize=(13, 2.9))
for ax, (name, change) in zip(axes, changes.items()):
    plots.show(ax, networks.warp(example.cpu(), **(nothing | change))[0], name)
figure.suptitle("What 57 numbers can do to a drawing", fontsize=17)
plots.save(figure, "08_warp")
plt.show()

# %% [markdown]
# ### Exercise 2 · The pen (★, 10 minutes)
#
# One number for the pen, and differentiable, so that $G$ can learn it. The maximum over each $3 \times 3$ neighbourhood thickens every
# stroke by a pixel on either side; the minimum thins it. For `pen` `[B]` from −1 to 1, blend: 0 leaves the image, 1 is the
# maximum, −1 the minimum, and halfway is halfway. (`max_pool2d(x, 3, 1, 1)` is the maximum; for the minimum, think of $-x$.)

# %%
def my_pen(x, pen):
    """Images x [B, 1, H, W], drawn with a thicker or a thinner pen [B]."""
    ### BEGIN SOLUTION
    thick, thin = max_pool2d(x, 3, 1, 1), -max_pool2d(-x, 3, 1, 1)
    pen = pen[:, None, None, None]
    return x + pen.relu() * (thick - x) + (-pen).relu() * (thin - x)
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.pen(my_pen)

# %% [markdown]
# ## 4 · A discriminator of pairs
#
# `networks.PairDiscriminator` stacks candidate and example as two channels of one picture: each layer can compare them. But
# will it? At first $G$'s samples are so poor that *is it real?* decides every case, and *is it the same character?* is
# never asked. So ask it directly, with drawings that are **real but wrong** (Reed et al. 2016):
#
# $$ \mathcal{L}_D = \underbrace{-\log D(x', x)}_{\text{a real pair}} \; \underbrace{- \log\bigl(1 - D(G(z, x), x)\bigr)}_{\text{generated}}
#   \; \underbrace{- \; w \log\bigl(1 - D(x'_{\text{other}}, x)\bigr)}_{\text{real, of another class}} $$
#
# with a weight $w$, in the library $\tfrac12$.
#
# ### Exercise 3 · Real but wrong (★★, very important, 15 minutes)
#
# Write the third term for `real` `[B, ...]` and `example` `[B, ...]`, whose rows are of different classes. `D(real, example)` returns
# logits. Beside each example, put the real drawing of *the row before* (for the first row: of the last).

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
# `pairs.train_generator` is `gan.fit` of notebook 03 on such pairs, with your term and R1. First a few turns of your own...

# %%
def new_pair(make_G, **parts):
    """An untrained generator and its discriminator. parts: of the discriminator."""
    runtime.seed_everything(seed)
    return make_G().to(device), networks.PairDiscriminator(**parts).to(device)


def trained(make_G, turns, penalty=pairs.PENALTY, path=None, **parts):
    """A generator after so many turns against a discriminator of pairs."""
    G, D = new_pair(make_G, **parts)
    return pairs.train_generator(G, D, train, n_steps=turns, penalty=penalty, path=path,
                                   rng=runtime.rng(seed, device), made={"dataset": dataset, "seed": seed})


mine = trained(networks.WarpGenerator, sizes.pick(smoke=5, cpu=300, gpu=2_000))

# %%
figure, ax = plt.subplots(figsize=(10, 4))
for loss, name in ((mine.d_loss, "D"), (mine.g_loss, "G")):
    ax.plot(loss, label=name, linewidth=1)
ax.set(xlabel="turn", ylabel="loss", title=f"The first {len(mine.d_loss)} turns of the warp generator and its D")
ax.legend()
plots.save(figure, "08_losses")
plt.show()

# %% [markdown]
# ... then the long runs, of the very same code with 4,000 turns. They lie in `checkpoints/` for `glyphs`
# (`benchmarks/augmentation.py` made them); for other data, short runs are trained right here. Two designs, and two that lack
# something: in *warp, no task* neither player sees the task; in *warp, blind D* the discriminator sees the drawing and nothing else.
# The second asks what notebook 04 asked: if $D$ does not see the condition, nothing rewards obedience. **Predict**: will its $G$ keep the
# character, and will it vary it?

# %%
KINDS = {"pixel": ("pixel_glyphs.safetensors", networks.PixelGenerator, {}),
         "warp": ("warp_glyphs.safetensors", networks.WarpGenerator, {}),
         "warp, no task": ("warp-no-task_glyphs.safetensors", lambda: networks.WarpGenerator(task=False), {"task": False}),
         "warp, blind D": ("warp-blind-D_glyphs.safetensors", networks.WarpGenerator,
                           {"pair": False, "task": False, "penalty": pairs.R1})}
turns = sizes.pick(smoke=5, cpu=4_000 if retrain else 200, gpu=40_000)
found, root = {}, runtime.project_root()
for kind, (file, make_G, parts) in KINDS.items():
    if dataset == "glyphs" and not retrain:
        found[kind] = make_G().to(device).eval()
        found[kind].load_state_dict(checkpoints.load(root / "checkpoints" / file, device))
        continue
    file = file.replace("glyphs", datasets.short_name(dataset))
    found[kind] = trained(make_G, turns, path=root / "runs" / "checkpoints" / f"{file}.{turns}.part" if retrain else None, **parts).G
    checkpoints.save(runtime.output_dir() / "checkpoints" / file, found[kind].state_dict(), turns=turns, kind=kind, dataset=dataset,
                 profile=profile, seed=seed, notebook="08_from_one_example")
variations = {"classical": augmentations.classical(), **{kind: augmentations.generated(G) for kind, G in found.items()}}

# %% [markdown]
# `augmentations.classical()` joins them as a yardstick: random affine maps, bends and pens, the same for any example, learned from nothing.
# From here on, every example is of a character of the validation alphabets.

# %%
ink = val.ink.view(len(val.names), -1, 1, 28, 28)                   # [C, M, 1, 28, 28]


@torch.no_grad()
def versions(augmentation, n, drawing=0):
    """n new drawings of every character, from its drawing of that number: [C, n, 1, 28, 28]."""
    g, drawn = runtime.rng(seed + 3, device), []
    for alphabet in dict.fromkeys(val.alphabets):                   # each alphabet is a task
        x = ink[[i for i, a in enumerate(val.alphabets) if a == alphabet], drawing][None]
        drawn.append(torch.stack([augmentation(x, g)[0] for _ in range(n)], dim=1))
    return torch.cat(drawn)


# %%
shown = {"real": ink[:, 1:6], **{name: versions(v, 5) for name, v in variations.items() if name in ("classical", "pixel", "warp")}}
figure, axes = plt.subplots(1, 5, figsize=(15, 6.6), width_ratios=(1, 5, 5, 5, 5))
plots.sheet(ink[rows, :1].cpu(), axes[0], title="x")
for ax, (name, images) in zip(axes[1:], shown.items()):
    plots.sheet(images[rows].cpu(), ax, title=name)
figure.suptitle("Characters that no generator has seen, from the one drawing at the left", fontsize=18)
plots.save(figure, "08_drawn")
plt.show()

# %% [markdown]
# Cover the titles: which block would you take for people's? Which rows have changed into another character? Do the five
# differ as much as five people would? Your eye asks the right questions; now the numbers.
#
# ## 6 · Judged on alphabets never seen
#
# Three verdicts, by two networks that took no part in any training of $G$. (The settings of $G$, such as its rates, were not chosen on these
# alphabets of `glyphs` either, but on two real ones, Greek and Korean. Greek validates in `omniglot-small1`: there, the verdicts flatter a little.
# The test alphabets wait for notebook 08.)
#
# * **Identity, by a learner** (a *ProtoNet*, which notebook 06 takes apart): it gets one real drawing of each character, and must name a *generated* one, made
#   from another real drawing. If it names these as often as the real drawings they were made from, the character was kept.
# * **Identity and diversity, by a classifier** of the validation characters: does it find the character, and how far apart (in its features)
#   are two drawings made from one example, against two people's?
# * **Distance to the truth.** For one example, $G(z, x)$ should have the distribution of the class. The energy distance of two distributions
#   (Székely & Rizzo 2013), $2\,\mathbb{E}\lVert a - b\rVert - \mathbb{E}\lVert a - a'\rVert - \mathbb{E}\lVert b - b'\rVert$ with $a, a'$ drawn from
#   the one and $b, b'$ from
#   the other, is 0 only if they are equal; we take it between the classifier's features. On `glyphs` the truth can be sampled: the simulator calls in
#   new people. (The last column is the Fréchet distance of notebook 03, of all characters together.)
#
# **Predict**: copies of the example are perfect in identity. What will the distance to the truth say of them?

# %%
runtime.seed_everything(seed)
network = learners.train_protonet(networks.ConvNet(1, width=32).to(device), train,
                                   n_steps=sizes.pick(smoke=5, cpu=500, gpu=5_000), rng=runtime.rng(seed + 4, device))
protonet = learners.protonet(network)

# %%
half = ink.shape[1] // 2                                            # the judge learns from the first half of the drawings
labels = torch.arange(len(ink), device=device)
judge = classifier.train(ink[:, :half].flatten(0, 1), labels.repeat_interleave(half), n_classes=len(ink), batch=64,
                                  n_steps=sizes.pick(smoke=10, cpu=1_800, gpu=5_000), width=32,
                                  rng=runtime.rng(seed + 2, device))


def features(images):
    """What the judge sees: [C, n, 1, 28, 28] -> [C, n, F]."""
    return classifier.features(judge, images.flatten(0, 1)).view(*images.shape[:2], -1)


def energy_distance(a, b):
    """Of two sets of features [n, F] and [m, F], without bias: pairs of a point with itself are left out."""
    within = [torch.pdist(part).mean() for part in (a, b)]
    return 2 * torch.cdist(a, b).mean() - sum(within)


# %% [markdown]
# The truth: on `glyphs`, what new people write; elsewhere, the drawings that nobody used, the example's own class.

# %%
fresh = ink[:, half + 1:]
if dataset == "glyphs":
    everyone = datasets.load("glyphs")
    number = {name: i for i, name in enumerate(zip(everyone.alphabets, everyone.names))}
    programs = glyphs.take(glyphs.programs(), torch.tensor([number[name] for name in zip(val.alphabets, val.names)]))
    people = glyphs.draw(programs, sizes.pick(smoke=12, cpu=40, gpu=100), runtime.rng(seed + 5))
    fresh = people.to(device).float() / 255
truth = features(fresh)
print(f"the truth about each character: {fresh.shape[1]} drawings that no network here was trained on")

# %%
def frechet(seen, rest, parts=4):
    """The Fréchet distance of features seen [C, n, F] to rest [C, m, F], for `parts` disjoint parts of each."""
    seen, rest = (part.flatten(0, 1) for part in (seen, rest))
    size = min(len(seen), len(rest)) // parts
    a, b = (part[torch.randperm(len(part), generator=runtime.rng(seed)).to(device)][:parts * size].split(size)
            for part in (seen, rest))
    return [quality.frechet_distance(*pair) for pair in zip(a, b)]


def kept(augmentation):
    """How often the ProtoNet names drawings made from the queries rightly; None: the queries themselves. [episodes]"""
    g, n_way = runtime.rng(seed + 6, device), min(20, *map(val.alphabets.count, val.alphabets))

    @torch.no_grad()
    def learner(tasks):
        return protonet(tasks._replace(query_x=augmentation(tasks.query_x, g, tasks.support_x)) if augmentation else tasks)

    return episodes.accuracies(learner, val, n_way=n_way, k_shot=1, q_query=3, within_alphabet=True, chunk=10,
                               n_episodes=sizes.pick(smoke=4, cpu=60, gpu=600), rng=runtime.rng(seed, device))


# %%
def judged(name, augmentation, n=8):
    """All verdicts on one way to draw; `variation` None stands for real people."""
    drawn = fresh[:, :n] if augmentation is None else versions(augmentation, n, drawing=half)
    seen, rest = features(drawn), truth[:, n:] if augmentation is None else truth
    found = classifier.conditional_accuracy(judge, drawn.flatten(0, 1), labels.repeat_interleave(drawn.shape[1])).view(drawn.shape[:2])
    spread = torch.stack([torch.pdist(a).mean() for a in seen]) / torch.stack([torch.pdist(b).mean() for b in truth]).mean()
    scores = {"kept: ProtoNet": kept(augmentation), "kept: classifier": found.mean(1), "spread": spread,
              "distance to the truth": torch.stack([energy_distance(a, b) for a, b in zip(seen, rest)]),
              "Fréchet distance": frechet(seen, rest)}
    verdicts[name] = {what: torch.as_tensor(values).cpu() for what, values in scores.items()}
    return {what: results.add(what, values, arm=name, setting="inductive", unit="accuracy" if "kept" in what else "ratio")
            for what, values in verdicts[name].items()}


# %%
def copies(x, rng, task=None):
    """The example, handed back."""
    return x


verdicts = {}
table = {"people": judged("people", None), "copies of the example": judged("copies of the example", copies)}
table |= {name: judged(name, augmentation) for name, augmentation in variations.items()}

# %%
lines = [f"| who draws | {' | '.join(next(iter(table.values())))} |", "|---" * 6 + "|"]
for name, row in table.items():
    cells = [records.percent(r) if r["unit"] == "accuracy" else f"{r['value']:.2f} ± {(r['high'] - r['low']) / 2:.2f}" for r in row.values()]
    lines.append(f"| {name} | {' | '.join(cells)} |")
display(Markdown("\n".join(lines)))

# %%
figure, ax = plt.subplots(figsize=(10, 5.5))
for i, (name, row) in enumerate(table.items()):
    right, spread = row["kept: ProtoNet"], row["spread"]
    ax.errorbar(spread["value"], 100 * right["value"], xerr=(spread["high"] - spread["low"]) / 2,
                yerr=50 * (right["high"] - right["low"]), fmt="o*sD^vP"[i], markersize=13, color=plots.COLOURS[i], label=name)
ax.axhline(100 * table["people"]["kept: ProtoNet"]["value"], color="black", linestyle=":")
ax.axvline(1, color="black", linestyle=":")
shares = ", ".join(f"{name} {100 * table[name]['kept: ProtoNet']['value']:.0f} %" for name in ("people", "warp", "pixel", "classical"))
ax.set(xlabel="spread of drawings of one character (people: 1)", ylabel="character kept (%)",
       title=f"Characters kept: {shares}")
ax.legend(fontsize=12)
plots.save(figure, "08_judged")
plt.show()

# %% [markdown]
# How to read it. *Copies* keep everything and spread nothing, and their distance to the truth shows what that costs. Moving right at the same
# height is a better imitation of people; moving down is forgetting the character. Two cautions. The judges are networks
# with errors of their own: that is why people stand in the table, not 100 %. And the intervals are over episodes and characters:
# each generator was trained once, so a small difference between two of them may be that of two runs.
#
# **What each part is good for.** Compare *warp* with *warp, no task*, which lacks the task, and with *warp, blind D*, which lacks more: its $D$ sees
# neither task nor example, and therefore pays no third term (section 4), for without an example no drawing is the wrong one. (Papers call this
# an *ablation*.) All arms met the same characters and episodes, so the differences are paired.

# %%
for other in ("warp, no task", "warp, blind D", "pixel"):
    for what in ("kept: ProtoNet", "spread", "distance to the truth"):
        difference = results.add(f"{what}, difference", statistics.paired_difference(verdicts["warp"][what], verdicts[other][what]),
                                 arm=f"warp - {other}", setting="inductive", unit="accuracy" if "kept" in what else "ratio")
        print(f"warp - {other:14} {what:22} {difference['value']:+.3f} ± {(difference['high'] - difference['low']) / 2:.3f}")

# %% [markdown]
# With a blind $D$, a warp has an easy way out: hand the example back. It is a real drawing, so a $D$ that sees nothing else can have no objection: of such
# copies its loss should be $2 \log 2$, that of a coin (notebook 01). The character is kept, and nothing is gained: look at the spread. Only a $D$ that sees the
# example beside the drawing can demand *another* drawing of it. The description of the task adds little, for an example says most of what the set says: in this
# design and on these data, no difference is clear.
#
# ## 7 · Autopsy of a recipe
#
# The idea of this course has been published many times as a recipe with code, much like the cell below: *"the generator receives the task's examples and a
# latent code, and the discriminator tells its samples from real ones."* The code runs nowhere near what the sentence says. **Find five faults
# before you go on.**

# %%
class RecipeG(nn.Module):
    """'Receives the examples of the task and a latent code.'"""

    def __init__(self, z_dim=32, n_classes=5):
        super().__init__()
        self.z_dim, self.n_classes = z_dim, n_classes
        self.layers = nn.Sequential(nn.Linear(z_dim, 128), nn.ReLU(), nn.Linear(128, 784), nn.Sigmoid())

    def forward(self, z, label):
        return self.layers(torch.cat([z, nn.functional.one_hot(label, self.n_classes)], dim=1)).view(-1, 1, 28, 28)


# %%
class RecipeD(nn.Module):
    """'Tells generated samples from real ones.'"""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 1), nn.Sigmoid())

    def forward(self, x):
        return self.layers(x).squeeze(1)


def recipe_d_loss(G, D, real, label, z):
    """D's loss in the recipe: the values of D are probabilities."""
    return -(torch.log(D(real)) + torch.log(1 - D(G(z, label)))).mean()

# %% [markdown]
# **Fault 1: the widths do not fit.** Predict the symptom.

# %% tags=["nbval-check-output"]
z, label = torch.randn(10, 32, generator=runtime.rng(seed)), torch.arange(5).repeat(2)
recipe_G, recipe_D = RecipeG(), RecipeD()
try:
    recipe_G(z, label)
except RuntimeError as error:
    print("RuntimeError:", str(error).split(" (")[0])
recipe_G.layers[0] = nn.Linear(32 + 5, 128)                         # the fix: noise and label have 37 numbers together
print("after the fix:", tuple(recipe_G(z, label).shape))

# %% [markdown]
# That was the friendly fault, for it is loud. The others are not.
#
# **Fault 2: a label is no example.** Label 3 of an episode is one character today and another tomorrow: labels are dealt anew. The
# recipe's sentence says *examples*; its code never sees one. Symptom: exchange all characters of the task, and see what changes.

# %% tags=["nbval-check-output"]
one, other = (episodes.sample(val, n_way=min(5, len(val.names)), k_shot=1, q_query=1, n_tasks=1, rng=runtime.rng(s, device))
              for s in (1, 2))
n = one.support_x.shape[1]
ours = augmentations.generated(found["warp"])
change = {"the recipe's G": (recipe_G(z[:n], one.support_y[0].cpu()) - recipe_G(z[:n], other.support_y[0].cpu())).abs().max(),
          "G(z, x, task)": (ours(one.support_x, runtime.rng(0, device)) - ours(other.support_x, runtime.rng(0, device))).abs().max()}
for name, value in change.items():
    print(f"{name:15} another task, another drawing: {value.item() > 0}")

# %% [markdown]
# **Fault 3: $D$ sees no condition.** So $G$ may ignore its own. You measured it twice: in notebook 04 with labels, and above as *blind
# D*, where $G$ took the cheapest way out.
#
# **Fault 4: the logarithm of a sigmoid.** On paper, $D$ pays $-\log(1 - \sigma(\ell))$ for a generated image with logit $\ell$: about $\ell$ where it was
# fooled, with slope 1. In float32, $\sigma(\ell)$ is exactly 1 from $\ell \approx 17$ on. The usual bandage is a clamp. Predict the loss
# and the gradient of each for a $D$ that is fooled more and more.

# %% tags=["nbval-check-output"]
ways = {"recipe": lambda logit: -torch.log(1 - logit.sigmoid()),
        "with a clamp": lambda logit: -torch.log((1 - logit.sigmoid()).clamp(min=1e-7)), "from the logit": nn.functional.softplus}
for value in (2.0, 10.0, 30.0):
    for name, loss_of in ways.items():
        logit = torch.tensor(value, requires_grad=True)
        loss = loss_of(logit)
        loss.backward()
        print(f"logit {value:4.0f}, {name:14}: loss {loss.item():6.2f}, gradient {logit.grad.item():5.2f}")

# %% [markdown]
# `inf` and `nan` end a run, and that is the better case: with the clamp, a $D$ that is completely fooled has a gradient of exactly 0, goes on and
# learns nothing.
#
# **Fault 5: $G$'s graph in $D$'s step.** `G(z, label)` is computed with its graph, `backward` walks through it, and the result is
# thrown away. Symptom: time and memory, and one that is worse. **Which step will use the gradient that is left in $G$?**

# %% tags=["nbval-check-output"]
real = torch.rand(10, 1, 28, 28, generator=runtime.rng(seed))
recipe_d_loss(recipe_G, recipe_D, real, label, z).backward()
print("gradient that D's step left in G:", all(p.grad is not None for p in recipe_G.parameters()))

# %% [markdown]
# The next step of $G$, unless it clears first: and this gradient points towards making $D$'s work *easier*.
#
# ### Exercise 4 · Repair the recipe (★★★, very important, 25 minutes)
#
# Write $D$'s loss for players that are repaired: in this `G(z, example)` faults 1 and 2 are mended already, and `D(image, example)` returns **logits**.
# The other three are yours: $D$ sees the example beside real and generated alike, any logit gives a finite loss with a right gradient, and nothing is left
# in $G$. Both means over the batch are added; the third term of section 4 is not wanted here.

# %%
def my_d_loss(G, D, real, example, z):
    """D's loss for real [B, ...] and what G makes of z and example [B, ...]: a scalar."""
    ### BEGIN SOLUTION
    with torch.no_grad():
        fake = G(z, example)
    return nn.functional.softplus(-D(real, example)).mean() + nn.functional.softplus(D(fake, example)).mean()
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.d_loss_of_pairs(my_d_loss)

# %% [markdown]
# ## The answer
#
# Yes, to a degree. Keeping a character and varying it as people do are two things, and each has its number.

# %%
warp, pixel, people, copied = (table[name] for name in ("warp", "pixel", "people", "copies of the example"))
display(Markdown(
    f"On characters of alphabets never trained on, a learner names **{records.percent(warp['kept: ProtoNet'])}** of the warp "
    f"generator's drawings rightly, {records.percent(pixel['kept: ProtoNet'])} of the pixel generator's, and "
    f"{records.percent(people['kept: ProtoNet'])} of people's. Drawings from one example spread **{warp['spread']['value']:.2f}** times "
    f"as far as people's (pixel: {pixel['spread']['value']:.2f}), and lie {warp['distance to the truth']['value']:.2f} from the truth "
    f"(pixel: {pixel['distance to the truth']['value']:.2f}; copies of the example: {copied['distance to the truth']['value']:.2f}; "
    f"classical variations: {table['classical']['distance to the truth']['value']:.2f}; people: {people['distance to the truth']['value']:.2f}). Each generator was trained once."))

# %% [markdown]
# **Read next.** Antoniou, Storkey & Edwards 2017, *Data augmentation generative adversarial networks* (arXiv 1711.04340), sections 3 and
# 4. Whether such drawings *help a learner* is another question than whether they look right: notebook 08 asks it. First, the learner:
# [notebook 06](06_episodes.ipynb).
