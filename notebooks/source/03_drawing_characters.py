# %% [markdown]
# # 03 · Drawing characters
#
# **The question.** Does adversarial training work on images, and how do you know?
#
# A generator of *images* is easy to admire and hard to evaluate. You will train one on characters, watch it learn, and measure
# three things: how near its drawings come to real ones (**fidelity**), how much of the real variety they cover (**diversity**), and
# whether it merely copies (**memorisation**). Then you will cheat on purpose, see which metric notices, and look at what lies
# between two drawings.
#
# **You need** notebooks 01 and 02. **Time**: 40 minutes, and about 45 more with the three exercises.
#
# | parameter | means |
# |---|---|
# | `profile`, `dataset`, `device`, `seed` | as in notebook 00 |
# | `retrain` | `False`: the long run of section 5 is loaded from a checkpoint; `True`: you train it (half an hour on a laptop) |

# %% tags=["parameters"]
import os

profile = os.environ.get("COURSE_PROFILE", "cpu")
dataset = os.environ.get("COURSE_DATASET", "glyphs")
device = os.environ.get("COURSE_DEVICE", "auto")
seed = int(os.environ.get("COURSE_SEED", "0"))
retrain = False

# %%
import math
import sys
from functools import partial

import matplotlib.pyplot as plt
import torch
from IPython.display import Markdown, display
from torch.nn.functional import avg_pool2d

from course_checks import nb03 as checks
from course_lib import (
    checkpoints, classifier, datasets, gan, losses, networks, penalties, quality, runtime,
)
from course_tools import notebook, plots, records

sizes, device, results = notebook.setup("03_drawing_characters", profile, dataset, device, seed,
                                        split="train")

# %% [markdown]
# ## 1 · The data, and what we keep from the generator
#
# We take all drawings of the training alphabets without their labels, so this generator learns only to "draw something of this
# kind". Of every class we hold some drawings back. No network is trained on them. They show what *new real drawings* look like, and
# every metric below needs them.

# %%
classes = datasets.load(dataset, split="train").to(device)
n_classes, n_drawings = classes.images.shape[:2]
ink = classes.ink.view(n_classes, n_drawings, 1, 28, 28)            # [C, M, 1, 28, 28] in [0, 1]
order = torch.randperm(n_drawings, generator=runtime.rng(0))    # the same are held out at all seeds
n_held = n_drawings // 5
training, held_out = ink[:, order[n_held:]].flatten(0, 1), ink[:, order[:n_held]].flatten(0, 1)
notebook.at_least(dataset, "drawings in a fifth of its split 'train'", len(held_out), 16)
print(f"{n_classes} classes: {len(training)} drawings to train on, {len(held_out)} held out")

# %% [markdown]
# ## 2 · Two networks that mirror each other
#
# $G$ unfolds 64 numbers into an image: a linear map to $7 \times 7$, then two convolutions that double the side. $D$
# folds an image up again, by strides. Both are in the manner of DCGAN (Radford et al. 2016), made small enough for a laptop.
#
# **Predict** before you run: which of the two has more parameters, and where do they sit?

# %% tags=["nbval-check-output"]
G, D = networks.ImageGenerator(), networks.ImageDiscriminator()
z = torch.randn(5, G.z_dim)
print("noise", tuple(z.shape), "-> images", tuple(G(z).shape), "-> logits", tuple(D(G(z)).shape))
for name, network in (("G", G), ("D", D)):
    print(name, f"{sum(p.numel() for p in network.parameters()):8,d} parameters, the largest layer",
          max(network.named_parameters(), key=lambda pair: pair[1].numel())[0])

# %% [markdown]
# The first layer of $G$ is a table of 64 rough sketches, each $7 \times 7$ with 64 channels; the noise mixes them.

# %% [markdown]
# ## 3 · Train
#
# In notebook 02, the non-saturating loss with a gradient penalty on real data (R1) covered the ring in every game. We use it
# unchanged. `gan.fit` only repeats an *iteration*: take a batch, do one `gan.d_step` and one `gan.g_step`. It returns a copy of $G$
# whose weights are a running average over the last few hundred iterations, because $G$ itself jitters and the average does not.

# %%
def draw(rng):
    """A batch of training drawings."""
    rows = torch.randint(len(training), (sizes.batch,), generator=rng, device=device)
    return (training[rows],)


def train(n_iterations, path=None, watch=None):
    """G after so many iterations. With a path, an interrupted run goes on from there."""
    runtime.seed_everything(seed)
    G, D = networks.ImageGenerator().to(device), networks.ImageDiscriminator().to(device)
    return gan.fit(G, D, draw, n_steps=n_iterations, loss=losses.NON_SATURATING,
                   penalty=partial(penalties.r1, gamma=1.0), lr=(2e-3, 2e-3), betas=(0.0, 0.99),
                   ema=0.995, rng=runtime.rng(seed, device), watch=watch, path=path,
                   made={"dataset": dataset, "profile": profile, "seed": seed})

# %% [markdown]
# While it trains we look over its shoulder: the same 12 noise vectors at several moments, so each column below shows how one
# drawing develops. `gan.fit` calls `watch` after every iteration with the averaged $G$.

# %%
n_iterations = sizes.pick(smoke=20, cpu=700, gpu=20_000)
moments = sorted({round(n_iterations * t) for t in (0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.6, 0.8, 1)})
fixed_z = torch.randn(12, 64, generator=runtime.rng(seed), device=device)
seen = {}


def watch(iteration, average):
    """Keep what the averaged G draws at some moments: 12 fixed drawings, and many to measure."""
    if iteration in moments:
        many = sample(average, sizes.pick(smoke=50, cpu=800, gpu=800))
        seen[iteration] = (sample(average, 12, z=fixed_z), many)


@torch.no_grad()
def sample(G, n, z=None):
    """n drawings of G: [n, 1, 28, 28]. The same noise every time, unless z is given."""
    z = gan.noise(G, n, runtime.rng(seed + 1, device)) if z is None else z
    return G.eval()(z)


mine = train(n_iterations, watch=watch)

# %%
figure, ax = plt.subplots(figsize=(10, 0.9 * len(moments)))
plots.sheet(torch.stack([seen[moment][0] for moment in moments]), ax,
            title=f"Twelve noise vectors after {', '.join(map(str, moments))} iterations")
plots.save(figure, "03_growing_up")
plt.show()

# %% [markdown]
# First there are blots, then strokes, then strokes that join. Choose a moment at which *you* would have stopped. The losses do not
# help, because they measure the balance of two players and not the quality of the drawings.

# %%
figure, ax = plt.subplots(figsize=(10, 4))
ax.plot(mine.d_loss, label="D", linewidth=1)
ax.plot(mine.g_loss, label="G", linewidth=1)
ax.set(xlabel="iteration", ylabel="loss", ylim=(0, 3),
       title="The losses settle long before the drawings do")
ax.legend()
plots.save(figure, "03_losses")
plt.show()

# %% [markdown]
# ## 4 · A metric for fidelity
#
# To say "these look like those" in a number, we compare *features* instead of pixels. Features are the numbers that a network
# computes to tell characters apart. Ours come from an **evaluation classifier**: a network that we train here to name the classes of
# the training drawings. Its last layer but one turns an image into 64 numbers. (Papers use Inception, which was trained on
# photographs and is of no use for handwriting.)

# %%
labels = torch.arange(n_classes, device=device).repeat_interleave(n_drawings - n_held)
held_labels = torch.arange(n_classes, device=device).repeat_interleave(n_held)
evaluator = classifier.train(training, labels, n_classes=n_classes,
                             n_steps=sizes.pick(smoke=10, cpu=1_200, gpu=5_000),
                             batch=sizes.batch, rng=runtime.rng(seed + 2, device))
named = results.add("held-out drawings that the evaluation classifier names correctly",
                    classifier.conditional_accuracy(evaluator, held_out, held_labels),
                    unit="accuracy", setting="inductive", arm="real")
print(f"{records.percent(named)} of held-out drawings named correctly among {n_classes} classes")

# %% [markdown]
# Now think of the features of many drawings as a cloud, and of the cloud as a Gaussian with mean $\mu$ and covariance $\Sigma$. The
# **Fréchet distance** $d$ between two such Gaussians is given by its square. Papers report the square under the same name (Heusel
# et al. 2017):
#
# $$ d^2 = \lVert \mu_a - \mu_b \rVert^2 + \operatorname{tr}\!\left( \Sigma_a + \Sigma_b - 2 (\Sigma_a \Sigma_b)^{1/2} \right). $$
#
# ### Exercise 1 · The Fréchet distance (★★, important, 15 minutes)
#
# If the features were independent, $\Sigma$ would be diagonal, with the variances $\sigma^2$ in it, and the trace becomes a sum
# of one simple term for each feature. Work it out on paper. Then write a function from features `a` `[N, F]` and `b` `[M, F]` to one
# number, $d^2$.

# %%
def my_frechet(a, b):
    """The (squared) Fréchet distance of two Gaussians with independent features [N, F], [M, F]."""
    ### BEGIN SOLUTION
    return ((a.mean(0) - b.mean(0)) ** 2 + (a.std(0) - b.std(0)) ** 2).sum()
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.frechet(my_frechet)

# %% [markdown]
# Features are not independent. So from here on we use the library's `quality.frechet_distance`, which keeps the whole covariances.
#
# **The floor.** Two finite sets of *real* drawings differ as well, by chance, so a distance has no meaning by itself. We compare it at
# equal $n$ with the distance between two sets of held-out real drawings. No generator can honestly get below that.
#
# **Predict.** What happens to the floor when $n$ is halved?

# %%
real = classifier.features(evaluator, held_out)
n = min(sizes.pick(smoke=50, cpu=800, gpu=800), len(real) // 2)
floors = {size: quality.frechet_floor(real, size, repeats=10, rng=runtime.rng(seed))
          for size in (n // 4, n // 2, n)}
for size, values in floors.items():
    print(f"two sets of {size:4d} real drawings: {values.mean():6.2f} apart "
          f"(standard deviation {values.std():.2f})")

# %% [markdown]
# Smaller sets are farther apart, because the distance of finite sets has a bias, which shrinks like $1/n$.

# %%
shuffled = held_out[torch.randperm(len(held_out), generator=runtime.rng(seed)).to(device)]
# the real drawings that we compare with, and others that stand for a perfect G
reference, fresh = shuffled[:n], shuffled[n:]
reference_features = classifier.features(evaluator, reference)
drawn = [classifier.features(evaluator, seen[moment][1][:n]) for moment in moments]
curve = [quality.frechet_distance(found, reference_features) for found in drawn]
figure, ax = plt.subplots(figsize=(10, 4.5))
ax.plot(moments, curve, "o-", label="drawings of G")
ax.axhline(floors[n].mean(), color="black", linestyle=":", label="floor: real drawings")
ax.set(xlabel="iteration", ylabel="Fréchet distance", yscale="log",
       ylim=(floors[n].mean() / 2, None), title=f"After {n_iterations} iterations the distance is "
       f"{curve[-1] / floors[n].mean():.0f} times the floor")
ax.legend()
plots.save(figure, "03_frechet")
plt.show()

# %% [markdown]
# ## 5 · What time buys
#
# Your run was short. The result of a longer run, with the same code and many more iterations, is stored in `checkpoints/`. (It is
# for `glyphs`, made in profile `cpu`. For other data, or to make it again, set `retrain = True`.)

# %%
long = sizes.pick(smoke=40, cpu=8_000, gpu=100_000)
root, file = runtime.project_root(), f"characters_{datasets.short_name(dataset)}.safetensors"
checkpoint = root / "checkpoints" / file
arms = {"your run": mine.G}
if retrain:     # stopped half-way, it goes on from the unfinished checkpoint next time
    unfinished = root / "runs" / "checkpoints" / f"{file}.{profile}_{seed}.part"
    arms["long run"] = train(long, path=unfinished).G
    checkpoints.save(runtime.output_dir() / "checkpoints" / file,
                     arms["long run"].state_dict(), iterations=long, dataset=dataset,
                     profile=profile, seed=seed, notebook="03_drawing_characters")
elif checkpoint.is_file():
    arms["long run"] = checkpoints.load_into(networks.ImageGenerator().to(device), checkpoint,
                                             device)
best = list(arms.values())[-1]
print(*arms, sep=", ")

# %%
shown = {"real, held out": reference, **{name: sample(G, 40) for name, G in arms.items()}}
figure, axes = plt.subplots(1, len(shown), figsize=(5 * len(shown), 6.2))
for ax, (name, images) in zip(axes, shown.items()):
    plots.sheet(images[:40].view(8, 5, 1, 28, 28), ax, title=name)
plots.save(figure, "03_samples")
plt.show()

# %% [markdown]
# Look for what gives the drawings away: specks, strokes that fade, characters with too many strokes. Cover the titles and ask
# a neighbour.
#
# ## 6 · Fidelity and diversity, apart
#
# One number mixes two faults: bad drawings, and too few kinds of drawings. Imagine around every real drawing a ball that reaches to
# its $k$-th nearest other real drawing (in features). Then define (Kynkäänniemi et al. 2019; Naeem et al. 2020):
#
# * fidelity: **precision** is the fraction of generated drawings that lie in at least one real ball. **Density** is the number of
#   real balls around a generated drawing, on average, divided by $k$. A real drawing lies in $k$ balls on average, so real drawings
#   have a density of about 1.
# * diversity: **recall** is the fraction of real drawings that lie in a ball around a generated one. **Coverage** is the fraction of
#   real balls that hold a generated drawing.
#
# ### Exercise 2 · Coverage (★★, important, 15 minutes)
#
# `torch.cdist` gives a table of distances. The nearest real drawing to a real drawing is the drawing itself, so leave it out. Find it
# by its place (on the diagonal, or first in order) and not by `> 0`, because `cdist` rounds and may return a little more than 0.

# %%
def my_coverage(real, fake, k):
    """The fraction of real [N, F] with a fake [M, F] nearer than their k-th nearest other real."""
    ### BEGIN SOLUTION
    radius = torch.cdist(real, real).kthvalue(k + 1, dim=1).values      # [N]: the first is itself
    nearest = torch.cdist(real, fake).min(dim=1).values                 # [N]
    return (nearest <= radius).float().mean()
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.coverage(my_coverage)

# %% [markdown]
# ## 7 · Memorisation
#
# A generator that stores its training drawings would score perfectly in all metrics so far. So look up the nearest *training*
# drawing, in pixels, for some of its drawings.

# %%
fakes = sample(best, 10)
_, nearest = quality.nearest_training(fakes, training)
figure, ax = plt.subplots(figsize=(10, 2.6))
plots.sheet(torch.stack([fakes, training[nearest.to(device)]]), ax,
            title="Above: generated. Below: the nearest training drawing")
plots.save(figure, "03_nearest")
plt.show()

# %% [markdown]
# They look alike. Are they copies? *Alike* needs a baseline, which is how near held-out real drawings come to the training drawings.
# So the metric is the probability that a generated drawing is nearer to its nearest training drawing than a held-out one is to its
# own. It is 0.5 for a perfect generator and 1 for one that copies (Meehan et al. 2020).
#
# ### Exercise 3 · Copied or not (★★, important, 15 minutes)
#
# Images as rows of `P` pixels: `fake` `[N, P]`, `training` `[M, P]`, `held_out` `[L, P]`. Compare every fake with every held-out image.

# %%
def my_memorisation(fake, training, held_out):
    """The probability that a fake lies nearer to the training set than a held-out image does."""
    ### BEGIN SOLUTION
    fake_distance = torch.cdist(fake, training).min(dim=1).values           # [N]
    real_distance = torch.cdist(held_out, training).min(dim=1).values       # [L]
    return (fake_distance[:, None] < real_distance[None]).float().mean()
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.memorisation(my_memorisation)

# %% [markdown]
# ## 8 · Cheat, and see who notices
#
# Metrics must be tested, too. Here are six cheats beside honest drawings. **Predict** which column of the table gives each away:
#
# * *copies*: training drawings, passed off as new
# * *shifted copies*: training drawings, moved one pixel to the right
# * *augmented copies*: training drawings, each rotated, moved and scaled a little by the standard augmentation of torchvision.
#   As a *control*, new real drawings get the same maps.
# * *half the classes*, *a tenth of the classes*: training drawings, but of some of the characters only
# * *blurred*: fresh real drawings, each pixel averaged with its neighbours
#
# The next cell imports torchvision. With a build of torch that does not match it (often torch for the CPU beside torchvision from
# PyPI), the import fails with `operator torchvision::nms does not exist`, and then the cell declares the two missing operators and
# imports again. In a project of your own, install both from the same index, or use this cell if you need no operator of torchvision.

# %%
try:
    from torchvision.transforms import v2
except RuntimeError as error:
    if "torchvision::nms does not exist" not in str(error):
        raise
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]                   # half imported
    declared = torch.library.Library("torchvision", "FRAGMENT")     # declarations die with it
    for name in ("nms", "qnms"):
        declared.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    from torchvision.transforms import v2

# %%
affine = v2.RandomAffine(degrees=10, translate=(0.05, 0.05), scale=(0.9, 1.1),
                         interpolation=v2.InterpolationMode.BILINEAR)


def augmented(images, repeat):
    """A copy of each image under a random affine map of its own: [N, 1, 28, 28]."""
    with torch.random.fork_rng(devices=[]):     # torchvision uses torch's global random numbers
        torch.default_generator.manual_seed(200 + repeat)
        return torch.stack([affine(image) for image in images])     # a batch would get one map


# %%
def pick(images, repeat):
    """n of the images, others at each repeat."""
    order = torch.randperm(len(images), generator=runtime.rng(100 + repeat))
    return images[order[:n].to(device)]


def sources(repeat):
    """What to measure: name -> n images."""
    honest = {"real, held out": pick(fresh, repeat)}
    for name, G in arms.items():
        honest[name] = sample(G, n, gan.noise(G, n, runtime.rng(seed + 50 + repeat, device)))
    return honest | {"cheat: copies": pick(training, repeat),
                     "cheat: shifted copies": pick(training, repeat).roll(1, dims=3),
                     "cheat: augmented copies": augmented(pick(training, repeat), repeat),
                     "control: augmented, held out": augmented(pick(fresh, repeat), repeat),
                     "cheat: half the classes": pick(training[:len(training) // 2], repeat),
                     "cheat: a tenth of the classes": pick(training[:len(training) // 10], repeat),
                     "cheat: blurred": avg_pool2d(pick(fresh, repeat), 3, stride=1, padding=1)}


# %%
def measure(images):
    """All metrics at once."""
    found = classifier.features(evaluator, images)
    return {"Fréchet distance": quality.frechet_distance(found, reference_features),
            **quality.prdc(reference_features, found)._asdict(),
            "memorisation": quality.memorisation(images, training, reference)}


# %%
repeats = [{name: measure(images) for name, images in sources(repeat).items()}
           for repeat in range(sizes.pick(smoke=2, cpu=3, gpu=10))]
columns = list(repeats[0]["real, held out"])
table = {name: {column: results.add(column, [row[name][column] for row in repeats], unit=column,
                                    setting="-", arm=name)
                for column in columns} for name in repeats[0]}
lines = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
for name, row in table.items():
    cells = [f"{r['value']:.2f} ± {(r['high'] - r['low']) / 2:.2f}" for r in row.values()]
    lines.append(f"| {name} | " + " | ".join(cells) + " |")
display(Markdown("\n".join(lines)))

# %% [markdown]
# The ± is over several sets of drawings from the same sources. Another training run could move the rows of $G$ by more. Read the table
# row by row:
#
# * **Copies** pass every test of fidelity and diversity. Only the last column detects them, because it asks where the drawings come
#   from.
# * **Shifted copies** get a lower value there than blurred drawings, which copy no drawing. Moved by a single pixel, a copy is nearly as
#   far from its original as a stranger is. Distances in pixels do not see what is obvious to you, and a test of memorisation is only
#   as good as its distance.
# * **Augmented copies** lower the value in the last column from 1 to 0.68, again below blurred drawings. And half of what is left above
#   0.5 is not due to copying: the *control*, new real drawings under the same maps, gets 0.59, because the interpolation smooths the
#   strokes. So one line of standard augmentation hides most of the copying from this metric. The Fréchet distance rises, but not
#   because of the copying: it is about as large for the control and for the long run of $G$.
# * **A tenth of the classes**: every drawing is real, so precision stays high. The missing classes show in recall and coverage. But
#   with **half the classes** recall and coverage hardly change, and the Fréchet distance changes a little, because on `glyphs` half of
#   the characters look much like the other half. The metrics measure the diversity of features, and features do not contain names. (The
#   last column detects both cheats only because these are training drawings.)
# * **Blurred** drawings get *better* values than real ones in precision and density, because they lie in the middle of the cloud. Recall
#   and the Fréchet distance detect them. And they look memorised although no drawing was copied, because in pixels a smooth drawing
#   is near every other. A high value in the last column is a suspicion, not a proof. A value below 0.5 says that drawings are farther
#   from the training set than real ones are, and flaws can cause that as well as imagination.
#
# And the honest rows? The short run has a high density although its drawings are smudged. As with *blurred*, the middle of the cloud is
# rewarded. Longer training raises recall and lowers the Fréchet distance, but it lowers precision and density a little. No single
# column would have told you that.

# %% [markdown]
# ## 9 · Between two drawings
#
# Here we look at what $G$ draws on the way from one noise vector to another. Noise vectors of 64 numbers are all about equally long,
# so they lie near a sphere. We can walk along a straight line or along that sphere. A straight walk cuts through the inside of the
# sphere, where noise hardly ever falls: halfway the vector is shorter by a factor of $\sqrt 2$. **Predict**: does that harm the
# drawings?

# %%
def between(a, b, t, straight=False):
    """From a to b [n, z_dim], the fraction t of the way: straight on, or keeping the length."""
    if straight:
        return (1 - t) * a + t * b
    return math.cos(t * math.pi / 2) * a + math.sin(t * math.pi / 2) * b


a, b = (gan.noise(best, n, runtime.rng(seed + k, device)) for k in (3, 4))
walk = torch.stack([sample(best, 6, between(a[:6], b[:6], t))
                    for t in torch.linspace(0, 1, 11).tolist()], dim=1)
figure, ax = plt.subplots(figsize=(10, 5.7))
plots.sheet(walk, ax,
            title="Between two noise vectors one character turns into another, step by step")
plots.save(figure, "03_walks")
plt.show()

# %%
for name, z in {"at the ends": a, "halfway, keeping the length": between(a, b, 0.5),
                "halfway, in a straight line": between(a, b, 0.5, straight=True)}.items():
    found = classifier.features(evaluator, sample(best, n, z))
    distance = quality.frechet_distance(found, reference_features)
    print(f"{name:28}: Fréchet distance {distance:6.2f}, "
          f"coverage {quality.prdc(reference_features, found).coverage:.2f}")

# %% [markdown]
# The straight walk does harm the drawings, because it leads through noise that $G$ was never trained on. Along the sphere, halfway is
# standard normal noise again, so it must be as good as the ends, for any $G$. So the numbers say how to walk. Your eye must check
# that characters change into each other step by step, instead of jumping between a few.

# %% [markdown]
# ## The answer
#
# Adversarial training works on images: from pure noise come strokes, and from strokes characters that nobody designed. You know
# it by metrics of fidelity, diversity and memorisation, each compared with real drawings, and you know what each metric is blind to.

# %%
means = {name: {column: record["value"] for column, record in row.items()}
         for name, row in table.items()}
floor, lines = means["real, held out"], []
for name in arms:
    mean = means[name]
    times = mean["Fréchet distance"] / floor["Fréchet distance"]
    compared = [f"{column} {mean[column]:.2f} (real: {floor[column]:.2f})"
                for column in ("precision", "coverage", "memorisation")]
    lines.append(f"* **{name}**: Fréchet distance {times:.1f} times that of real drawings, "
                 + ", ".join(compared))
display(Markdown(f"On `{dataset}`, {n} drawings at a time:\n\n" + "\n".join(lines)))

# %% [markdown]
# **Read next.** Naeem et al. 2020, *Reliable fidelity and diversity metrics for generative models*, for the metrics; Meehan,
# Chaudhuri & Dasgupta 2020, *A non-parametric test to detect data-copying in generative models*. Then
# [notebook 04](04_conditions.ipynb): can you *ask* for a character?
