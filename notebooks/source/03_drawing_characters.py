# %% [markdown]
# # 03 · Drawing characters
#
# **The question.** Does adversarial training work on images, and how do you know?
#
# A generator of *images* is easy to admire and hard to evaluate. You will build one, and the discriminator that trains it. Then
# you will measure three things: how near its drawings come to real ones (**fidelity**), how much of the real variety they cover
# (**diversity**), and whether it merely copies (**memorisation**). Then you will cheat on purpose and see which metric notices.
#
# **You need** notebooks 01 and 02. **Time**: 50 minutes, and about 75 more with the five exercises.
#
# | parameter | means |
# |---|---|
# | `profile`, `dataset`, `device`, `seed` | as in notebook 00 |
# | `use_mine` | `True`: section 4 trains the networks that you build, as soon as they pass their checks; `False`: the library's |
# | `retrain` | `False`: the long run of section 6 is loaded from a checkpoint; `True`: you train it (half an hour on a laptop) |

# %% tags=["parameters"]
import os

profile = os.environ.get("COURSE_PROFILE", "cpu")
dataset = os.environ.get("COURSE_DATASET", "glyphs")
device = os.environ.get("COURSE_DEVICE", "auto")
seed = int(os.environ.get("COURSE_SEED", "0"))
use_mine = True
retrain = False

# %%
import math
import sys
from functools import partial

import matplotlib.pyplot as plt
import torch
from IPython.display import Markdown, display
from torch import nn
from torch.nn.functional import avg_pool2d, conv_transpose1d

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
# We take all drawings of the training alphabets without their labels. So this generator learns only to "draw something of this
# kind". Of every class we hold some drawings back. No network is trained on them. They show what *new real drawings* look like,
# and every metric below needs them.

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
# ## 2 · Two layers for images
#
# $G$ must turn 64 numbers into 784 pixels, and $D$ must turn 784 pixels into one number. Convolutions do both. Two of the layers
# are new in this course.
#
# A **transposed convolution** enlarges an image. For each number of the input it puts a copy of the kernel on the output,
# multiplied by that number, like a stamp. At stride 2, the next stamp stands two places further. Where two stamps overlap, they
# add up. *Padding* then cuts off the ends.
#
# **Predict** before you run: the input is 1 and 10, the kernel is 1, 2, 1, and the stride is 2. Which five numbers come out?

# %% tags=["nbval-check-output"]
row, kernel = torch.tensor([[[1.0, 10.0]]]), torch.tensor([[[1.0, 2.0, 1.0]]])
for padding in (0, 1):
    out = conv_transpose1d(row, kernel, stride=2, padding=padding)
    print(f"padding {padding}:", *out.flatten().int().tolist())

# %% [markdown]
# In general a side of $n$ becomes $(n - 1) \cdot \text{stride} - 2 \cdot \text{padding} + \text{kernel}$. Choose a kernel whose
# side is a multiple of the stride. Otherwise some pixels get more stamps than their neighbours, and a checkerboard appears (Odena
# et al. 2016).
#
# **Batch norm** subtracts from each channel its mean over the batch and divides by its standard deviation. That is how it works
# in training mode. In evaluation mode it uses running averages of the mean and of the variance. **Predict**: the two batches
# below begin with the same image. In which mode does this image get the same numbers in both?

# %% tags=["nbval-check-output"]
norm = nn.BatchNorm1d(2)                                                # two channels
batch = torch.tensor([[1.0, 10.0], [2.0, 20.0], [3.0, 60.0]])           # three images
another = torch.tensor([[1.0, 10.0], [8.0, 90.0], [9.0, 80.0]])
for mode in ("training", "evaluation"):
    norm.train(mode == "training")
    firsts = [", ".join(f"{value:.2f}" for value in norm(h)[0].tolist()) for h in (batch, another)]
    print(f"{mode + ':':11} {firsts[0]} in one batch, {firsts[1]} in the other")

# %% [markdown]
# **$G$ wants batch norm.** Each channel varies over the batch with a standard deviation of 1. So the noise cannot fade on its way
# to the pixels, and the numbers cannot explode.
#
# **$D$ does not want it**, for two reasons:
#
# * In training mode the logit of one image would depend on the others in the batch. $D$ would judge batches, and not images.
# * R1 needs the slope of each image's own logit. In notebook 02 you took all slopes from the *sum* of the logits. That works if
#   no image changes the logit of another. With batch norm every image changes all logits, so the slope of one image would contain
#   the logits of the others.

# %% [markdown]
# ## 3 · Build the two players
#
# Both are in the manner of DCGAN (Radford et al. 2016), made small enough for a laptop. Where a size is left to you, choose a
# small one.
#
# ### Exercise 1 · A generator (★★, very important, 15 minutes)
#
# Write a function that returns a new $G$. It takes noise `[B, z_dim]` and returns images `[B, 1, 28, 28]`.
#
# * The first layer is linear. It makes $7 \times 7$ pixels with some channels, and `nn.Unflatten` gives them their shape.
# * Two further layers each double the side. The first has fewer channels, and the last has one channel.
# * Batch norm and a ReLU follow each layer but the last.
# * The pixels end between 0 and 1, and a smooth function must bring them there.
# * `G.z_dim` is the length of the noise, because the code that samples noise looks there. You may set an attribute of any module,
#   also of `nn.Sequential`.

# %%
def my_generator(z_dim=64):
    """A new G: noise [B, z_dim] -> images [B, 1, 28, 28] in [0, 1]."""
    ### BEGIN SOLUTION
    G = nn.Sequential(
        nn.Linear(z_dim, 64 * 7 * 7), nn.Unflatten(1, (64, 7, 7)), nn.BatchNorm2d(64), nn.ReLU(),
        nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1), nn.BatchNorm2d(32), nn.ReLU(),
        nn.ConvTranspose2d(32, 1, 4, stride=2, padding=1), nn.Sigmoid())
    G.z_dim = z_dim
    return G
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.generator(my_generator)

# %% [markdown]
# ### Exercise 2 · A discriminator (★★, very important, 15 minutes)
#
# Write a function that returns a new $D$. It takes images `[B, 1, 28, 28]` and returns logits `[B]`.
#
# * Each of two ordinary convolutions halves the side by a stride of 2. The first has `width` channels, the second twice as many.
# * A leaky ReLU of slope 0.2 follows each of them. A plain ReLU passes no gradient where its input is negative, and $G$ learns
#   only by the gradient that passes through $D$.
# * A linear layer makes one logit of all that is left. The result has the shape `[B]` and not `[B, 1]`.

# %%
def my_discriminator(width=32):
    """A new D: images [B, 1, 28, 28] in [0, 1] -> logits [B]."""
    ### BEGIN SOLUTION
    return nn.Sequential(
        nn.Conv2d(1, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2),             # [B, W, 14, 14]
        nn.Conv2d(width, 2 * width, 4, stride=2, padding=1), nn.LeakyReLU(0.2),     # [B, 2W, 7, 7]
        nn.Flatten(), nn.Linear(2 * width * 7 * 7, 1), nn.Flatten(0))               # [B]
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.discriminator(my_discriminator)

# %% [markdown]
# ## 4 · Train them
#
# From here on the notebook trains *your* networks. If one of them does not pass its check, the library's takes its place.
# **Predict**: which of the two players has more weights, and which layer of each has the most?

# %%
MyG = notebook.choose(use_mine, my_generator, checks.generator, networks.ImageGenerator)
MyD = notebook.choose(use_mine, my_discriminator, checks.discriminator,
                      networks.ImageDiscriminator)
for name, network in (("G", MyG()), ("D", MyD())):
    print(name, f"{sum(p.numel() for p in network.parameters()):8,d} weights, most of them in",
          max(network.named_parameters(), key=lambda pair: pair[1].numel())[0])

# %% [markdown]
# In notebook 02 you wrote both steps and the loop. `gan.fit` is that loop. $G$ itself jitters, so `gan.fit` returns a copy whose
# weights are a running average over the last few hundred iterations. The loss is the non-saturating one with R1, as in notebook
# 02.

# %%
def draw(rng):
    """A batch of training drawings."""
    rows = torch.randint(len(training), (sizes.batch,), generator=rng, device=device)
    return (training[rows],)


def train(make_G, make_D, n_iterations, path=None, watch=None):
    """G after so many iterations. With a path, an interrupted run goes on from there."""
    runtime.seed_everything(seed)
    G, D = make_G().to(device), make_D().to(device)
    return gan.fit(G, D, draw, n_steps=n_iterations, loss=losses.NON_SATURATING,
                   penalty=partial(penalties.r1, gamma=1.0), lr=(2e-3, 2e-3), betas=(0.0, 0.99),
                   ema=0.995, rng=runtime.rng(seed, device), watch=watch, path=path,
                   made={"dataset": dataset, "profile": profile, "seed": seed})

# %% [markdown]
# While it trains we look over its shoulder. At several moments $G$ draws from the same 12 noise vectors, so each column below
# shows how one drawing develops. `gan.fit` calls `watch` after every iteration with the averaged $G$.

# %%
n_iterations = sizes.pick(smoke=20, cpu=700, gpu=20_000)
moments = sorted({round(n_iterations * t) for t in (0, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1)})
fixed_z = torch.randn(12, MyG().z_dim, generator=runtime.rng(seed, device), device=device)
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


mine = train(MyG, MyD, n_iterations, watch=watch)

# %%
def row_names(ax, names):
    """Write a name beside each row of a sheet of drawings."""
    ax.set_yticks([14 + 30 * row for row in range(len(names))], names)
    ax.tick_params(length=0)


figure, ax = plt.subplots(figsize=(10, 0.84 * len(moments)))
plots.sheet(torch.stack([seen[moment][0] for moment in moments]), ax,
            title=f"From grey to strokes in {n_iterations} iterations: "
                  "a column for each noise vector")
row_names(ax, moments)
ax.set_ylabel("iteration")
plots.save(figure, "03_growing_up")
plt.show()

# %% [markdown]
# At first there is a grey texture. Then dark blots appear in it, the paper around them turns white, and the blots become strokes.
# Choose a moment at which *you* would have stopped. Do the losses show it?

# %%
last = slice(-max(1, n_iterations // 10), None)
ends = {name: loss[last].mean().item() for name, loss in (("D", mine.d_loss), ("G", mine.g_loss))}
figure, ax = plt.subplots(figsize=(10, 4))
for name, loss, bet in (("D", mine.d_loss, 4), ("G", mine.g_loss, 2)):
    ax.plot(loss, linewidth=1, color=plots.METHODS[name])
    ax.axhline(math.log(bet), linestyle="--", linewidth=1.5, color="black")
    ax.text(1.01 * n_iterations, math.log(bet), f"log {bet} = {math.log(bet):.2f}", va="bottom")
    ax.text(1.01 * n_iterations, math.log(bet), f"loss of {name}", color=plots.METHODS[name],
            va="top")
ax.set(xlabel="iteration", ylabel="loss (nats)", ylim=(0, 3), xlim=(0, n_iterations),
       title=f"At the end D pays {ends['D']:.2f} (a coin toss: {math.log(4):.2f}) "
             f"and G {ends['G']:.2f} ({math.log(2):.2f})")
plots.save(figure, "03_losses")
plt.show()

# %% [markdown]
# A $D$ that sees no difference can only toss a coin, so it gives each image a probability of ½. Then $D$ pays
# $-\log \tfrac12 - \log \tfrac12 = \log 4$, and $G$ pays $-\log \tfrac12 = \log 2$. Both losses come near these lines long before
# the drawings look right. So they measure the balance of the two players, and not the quality of the drawings.

# %% [markdown]
# ## 5 · A metric for fidelity
#
# To say "these look like those" in a number, we compare *features* instead of pixels. Features are the numbers that a network
# computes to tell characters apart. Ours come from an **evaluation classifier**, a network that we train here to name the classes
# of the training drawings. Its last layer but one turns an image into 64 numbers. Papers use the Inception network, but it was
# trained on photographs and is of no use for handwriting.

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
# Now think of the features of many drawings as a cloud, and of the cloud as a Gaussian with mean $\mu$ and covariance $\Sigma$.
# The **Fréchet distance** of two such Gaussians is $d$. Papers report its square under the same name (Heusel et al. 2017). So do
# we:
#
# $$ d^2 = \lVert \mu_a - \mu_b \rVert^2 + \operatorname{tr}\!\left( \Sigma_a + \Sigma_b - 2 (\Sigma_a \Sigma_b)^{1/2} \right). $$
#
# ### Exercise 3 · The Fréchet distance (★★, important, 15 minutes)
#
# If the features were independent, $\Sigma$ would be diagonal, with the variances $\sigma^2$ in it. Then all matrices are
# diagonal, so the trace is a sum over the features. Work out the term of one feature on paper. Then write a function from
# features `a` `[N, F]` and `b` `[M, F]` to one number, $d^2$.

# %%
def my_frechet(a, b):
    """The (squared) Fréchet distance of two Gaussians with independent features [N, F], [M, F]."""
    ### BEGIN SOLUTION
    return ((a.mean(0) - b.mean(0)) ** 2 + (a.std(0) - b.std(0)) ** 2).sum()
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.frechet(my_frechet)

# %% [markdown]
# Features are not independent. So from here on we use the library's `quality.frechet_distance`, which keeps the whole
# covariances.
#
# **The floor.** Two finite sets of *real* drawings differ as well, by chance, so a distance has no meaning by itself. We compare
# it with the distance between two sets of held-out real drawings of the same size $n$. Even a perfect generator does not get
# below this floor, on average.
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
# With half the drawings, the distance is about twice as large. So the distance of finite sets has a bias, which shrinks like
# $1/n$.

# %%
shuffled = held_out[torch.randperm(len(held_out), generator=runtime.rng(seed)).to(device)]
# the real drawings that we compare with, and others that stand for a perfect G
reference, fresh = shuffled[:n], shuffled[n:]
reference_features = classifier.features(evaluator, reference)
drawn = [classifier.features(evaluator, seen[moment][1][:n]) for moment in moments]
curve = [quality.frechet_distance(found, reference_features) for found in drawn]
figure, ax = plt.subplots(figsize=(10, 4.5))
ax.plot(moments, curve, "o-", color=plots.METHODS["G"])
ax.axhline(floors[n].mean(), color=plots.METHODS["real"], linestyle="--")
ax.text(moments[-1], floors[n].mean() * 1.1, "floor: two sets of real drawings", ha="right",
        va="bottom", color=plots.METHODS["real"])
ax.text(moments[-2], 1.5 * curve[-2], "drawings of G", color=plots.METHODS["G"])
ax.set(xlabel="iteration", ylabel="Fréchet distance", yscale="log",
       ylim=(floors[n].mean() / 2, None), title=f"After {n_iterations} iterations the Fréchet "
       f"distance is {curve[-1]:.0f}, and the floor {floors[n].mean():.1f}")
ax.yaxis.set_major_formatter("{x:g}")
plots.save(figure, "03_frechet")
plt.show()

# %% [markdown]
# ## 6 · What time buys
#
# Your run was short. The result of a longer run is stored in `checkpoints/`. The long run has many more iterations of the same
# code. It was made with the library's networks, on `glyphs` and in profile `cpu`. For other data, or to train it again, set
# `retrain = True`.

# %%
long = sizes.pick(smoke=40, cpu=8_000, gpu=100_000)
root, file = runtime.project_root(), f"characters_{datasets.short_name(dataset)}.safetensors"
checkpoint = root / "checkpoints" / file
arms = {"your run": mine.G}
if retrain:     # stopped half-way, it goes on from the unfinished checkpoint next time
    unfinished = root / "runs" / "checkpoints" / f"{file}.{profile}_{seed}.part"
    arms["long run"] = train(networks.ImageGenerator, networks.ImageDiscriminator, long,
                             path=unfinished).G
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
# Generated drawings have specks, strokes that fade and sometimes too many strokes. Cover the titles and ask a neighbour which
# drawings are real.
#
# ## 7 · Fidelity and diversity, apart
#
# The Fréchet distance mixes two faults: bad drawings, and too few kinds of drawings. Two pairs of metrics keep these faults apart
# (Kynkäänniemi et al. 2019, Naeem et al. 2020). Imagine a ball around every real drawing. In the space of features the ball
# reaches to the $k$-th nearest other real drawing. Generated drawings have such balls, too. These reach to the
# $k$-th nearest other generated drawing.
#
# * Fidelity. **Precision** is the fraction of generated drawings that lie in at least one real ball. **Density** is the mean
#   number of real balls around a generated drawing, divided by $k$. A real drawing lies in $k$ balls on average, so real drawings
#   have a density of about 1.
# * Diversity. **Recall** is the fraction of real drawings that lie in a ball around a generated one. **Coverage** is the fraction
#   of real balls that hold a generated drawing.
#
# ### Exercise 4 · Coverage (★★, important, 15 minutes)
#
# Write coverage as a function of features. `torch.cdist` gives a table of distances. In the table of distances between real
# drawings, each drawing is its own nearest neighbour. Leave this neighbour out by its place in the table. A test for `> 0` is
# not safe, because `cdist` rounds and may return a little more than 0.

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
# ## 8 · Memorisation
#
# A generator that stores its training drawings would score perfectly in all metrics so far. So look up the nearest *training*
# drawing for some of its drawings. Nearest means the smallest distance in pixels.

# %%
fakes = sample(best, 10)
_, nearest = quality.nearest_training(fakes, training)
figure, ax = plt.subplots(figsize=(10, 2.6))
plots.sheet(torch.stack([fakes, training[nearest.to(device)]]), ax,
            title="Above: generated. Below: the nearest training drawing")
plots.save(figure, "03_nearest")
plt.show()

# %% [markdown]
# They look alike. Are they copies? *Alike* needs a baseline, which is how near held-out real drawings come to the training
# drawings. So sample one generated and one held-out drawing, and measure the distance from each to its nearest training drawing.
# The metric is the probability that the generated drawing has the smaller distance. It is 0.5 for a perfect generator and 1 for
# one that copies (Meehan et al. 2020).
#
# ### Exercise 5 · Copied or not (★★, important, 15 minutes)
#
# Images are rows of `P` pixels here: `fake` `[N, P]`, `training` `[M, P]`, `held_out` `[L, P]`. Compare every fake with every
# held-out image.

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
# ## 9 · Cheat, and see who notices
#
# Metrics must be tested, too. Here are six cheats beside honest drawings. The columns of the table are the Fréchet distance, the
# four metrics of section 7 and memorisation. **Predict** which of them detects each cheat:
#
# * *copies* are training drawings, passed off as new
# * *shifted copies* are training drawings, moved one pixel to the right
# * *augmented copies* are training drawings, each rotated, moved and scaled a little by the standard augmentation of torchvision.
#   As a *control*, held-out real drawings are changed in the same way.
# * *half the classes* and *a tenth of the classes* are training drawings of some of the characters only
# * *blurred* are fresh real drawings, each pixel averaged with its neighbours
#
# <details><summary>Why the next cell imports torchvision in such a roundabout way</summary>
#
# With a build of torch that does not match torchvision, the import fails with `operator torchvision::nms does not exist`. A
# common case is torch for the CPU beside torchvision from PyPI. If the import fails, the cell declares the two missing operators
# and imports again. In a project of your own, install both from the same index.
#
# </details>

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
# The ± is over several sets of drawings from the same sources. Another training run could move the rows of $G$ by more. With so
# few sets, the interval takes a factor from Student's t distribution. This factor is 4.30 for three values, in place of the 1.96
# of notebook 00, because three values say little about their own spread. Now read the table row by row:
#
# * **Copies** pass every test of fidelity and diversity. Only the last column detects them, because it asks where the drawings
#   come from.
# * **Shifted copies** get a lower value in the last column than blurred drawings, which copy no drawing. Moved by a single pixel,
#   a copy is nearly as far from its original as another drawing is. So a test of memorisation is only as good as its distance,
#   and distances in pixels do not see what is obvious to you.
# * **Augmented copies** lower the value in the last column from 1 to 0.68, again below blurred drawings. Half of the rest above
#   0.5 does not come from copying, because the *control* gets 0.59 without a single copy. The same rotations and shifts smooth
#   its strokes. So one line of standard augmentation hides most of the copying from this metric. The Fréchet distance of
#   augmented copies is higher than that of copies. But it does not detect the copying, because it is about as large for the
#   control and for the long run of $G$.
# * **A tenth of the classes** keeps its precision, because every drawing is real. The missing classes show in recall and
#   coverage.
# * With **half the classes** recall and coverage hardly change, and the Fréchet distance changes a little. On `glyphs` half of
#   the characters look much like the other half. The metrics measure the diversity of features, and features do not contain
#   names. The last column detects both of these cheats only because all their drawings are training drawings.
# * **Blurred** drawings have a *higher* density than real ones, because they lie in the middle of the cloud. Their precision of
#   0.98 ± 0.01 against 0.97 ± 0.01 is no difference. Recall and the Fréchet distance detect them. And they look memorised
#   although no drawing was copied, because in pixels a smooth drawing is near every other.
#
# So a high value in the last column is a suspicion, and no proof. A value below 0.5 says that drawings are farther from the
# training set than real ones are. Flaws can cause that, and so can drawings that are truly new.
#
# And the honest rows? The short run has a high density although its drawings are smudged. As with *blurred*, the middle of the
# cloud is rewarded. Longer training raises recall and lowers the Fréchet distance, but it lowers density. No single column would
# have told you that.

# %% [markdown]
# ## 10 · Between two drawings
#
# What does $G$ draw on the way from one noise vector to another? Papers often show such walks, so you should know how to make
# them. Noise vectors of 64 numbers are all about equally long, so they lie near a sphere. Two of them are nearly at a right
# angle. We can walk along a straight line or along that sphere. A straight walk cuts through the inside of the sphere, where
# noise hardly ever falls. Halfway, its vector is shorter by a factor of $\sqrt 2$. **Predict**: does that harm the drawings?

# %%
def between(a, b, t, straight=False):
    """From a to b [n, z_dim], the fraction t of the way: straight on, or keeping the length."""
    if straight:
        return (1 - t) * a + t * b
    return math.cos(t * math.pi / 2) * a + math.sin(t * math.pi / 2) * b


a, b = (gan.noise(best, n, runtime.rng(seed + k, device)) for k in (3, 4))
distance = {}
for name, z in {"start": a, "sphere": between(a, b, 0.5),
                "straight": between(a, b, 0.5, straight=True)}.items():
    found = classifier.features(evaluator, sample(best, n, z))
    distance[name] = quality.frechet_distance(found, reference_features)
    print(f"{name:8}: Fréchet distance {distance[name]:6.2f}, "
          f"coverage {quality.prdc(reference_features, found).coverage:.2f}")

# %%
ways = torch.linspace(0, 1, 11).tolist()
walks = torch.stack([sample(best, 3, between(a[:3], b[:3], t, straight))
                     for straight in (False, True) for t in ways])             # [22, 3, 1, 28, 28]
rows = walks.view(2, 11, 3, 1, 28, 28).permute(2, 0, 1, 3, 4, 5).flatten(0, 1)
figure, ax = plt.subplots(figsize=(10, 5.7))
halfway = f"{distance['sphere']:.0f} on the sphere, {distance['straight']:.0f} on a straight line"
plots.sheet(rows, ax, title=f"Halfway the Fréchet distance is {halfway}")
row_names(ax, ["sphere", "straight"] * 3)
ax.set_xticks([14, 14 + 30 * 5, 14 + 30 * 10], ["start", "halfway", "end"])
plots.save(figure, "03_walks")
plt.show()

# %% [markdown]
# Each pair of rows shows both walks between the same two vectors. The straight walk does harm the drawings, because it leads
# through noise that $G$ was never trained on. Halfway along the sphere, the vector is standard normal noise again. So its
# drawings must be as good as those at the ends, for any $G$. That is why one walks on the sphere. But the numbers do not show
# whether characters change step by step or jump, so look at the rows.

# %% [markdown]
# ## The answer
#
# Adversarial training works on images, and you built both players. Metrics of fidelity, diversity and memorisation tell you how
# well, each compared with real drawings. Each metric is blind to something, so one alone is not enough.
#
# * The long run is still farther from real drawings than other real drawings are.
# * The metrics see only what the features of our classifier or the pixels contain.
# * These are one short run and one long run. Other seeds may give other numbers.

# %%
real_row, lines = table["real, held out"], []
for name in arms:
    pairs = [(column, table[name][column]["value"], real_row[column]["value"])
             for column in ("Fréchet distance", "precision", "coverage", "memorisation")]
    compared = [f"{column} {value:.2f} (real: {real_value:.2f})"
                for column, value, real_value in pairs]
    lines.append(f"* **{name}**: " + ", ".join(compared))
display(Markdown(f"On `{dataset}`, {n} drawings at a time:\n\n" + "\n".join(lines)))

# %% [markdown]
# **Read next.** Naeem et al. 2020, *Reliable fidelity and diversity metrics for generative models*, for the metrics. Meehan,
# Chaudhuri & Dasgupta 2020, *A non-parametric test to detect data-copying in generative models*, for memorisation. Then [notebook
# 04](04_conditions.ipynb): can you *ask* for a character?
