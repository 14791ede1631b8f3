# %% [markdown]
# # 02 · Making it train
#
# **The question.** Why do GANs fail, and what cures each failure?
#
# The theory of notebook 01 promises that $G$ ends at the data. In practice, gradients vanish, generators draw one thing only, or
# logits grow without end. In two dimensions all of this happens in seconds and in full view. You first write the whole training
# yourself: a step of $D$, a step of $G$, and the loop. With your code you then cause four failures on purpose and measure each.
# After that, ten set-ups play the same game. At the end stands a page of symptoms, causes and remedies.
#
# **You need** notebook 01. **Time**: 50 minutes, and about 55 more with the five exercises. The runs take about four minutes.
#
# The parameters are those of notebook 00, and `use_mine` is new. With `use_mine = True` the notebook trains with your functions,
# as soon as they pass their checks. This notebook makes its own data, so `dataset` has no effect here.

# %% tags=["parameters"]
import os

profile = os.environ.get("COURSE_PROFILE", "cpu")
dataset = os.environ.get("COURSE_DATASET", "glyphs")
device = os.environ.get("COURSE_DEVICE", "auto")
seed = int(os.environ.get("COURSE_SEED", "0"))
use_mine = True

# %%
import math
from functools import partial

import matplotlib.pyplot as plt
import torch
from IPython.display import Markdown, display
from torch.nn.functional import softplus
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from course_checks import nb02 as checks
from course_lib import gan, losses, penalties, runtime
from course_tools import games, notebook, plots
from course_tools.games import Setup

sizes, device, results = notebook.setup("02_making_it_train", profile, dataset, device, seed)
N_ITERATIONS = sizes.pick(smoke=10, cpu=1500, gpu=3000)
N_LONG = sizes.pick(smoke=20, cpu=3500, gpu=7000)          # for one set-up
N_SHORT = sizes.pick(smoke=10, cpu=500, gpu=1000)          # where a failure shows early
EVERY = sizes.pick(smoke=5, cpu=50, gpu=100)               # iterations between two looks at G
BATCH = sizes.pick(smoke=16, cpu=64, gpu=256)

# %% [markdown]
# ## 1 · Eight modes in a ring
#
# The data are eight equal Gaussians on a circle of radius 2, with a standard deviation of 0.04. Such a ring has been the usual
# test since Metz et al. 2017. The deviation is usually 1 to 2 % of the radius. A *mode* is one of the eight clusters.

# %%
RADIUS, DEVIATION, N_MODES = 2.0, 0.04, 8
angle = torch.arange(N_MODES, device=device) * 2 * math.pi / N_MODES
centres = RADIUS * torch.stack([angle.cos(), angle.sin()], dim=1)          # [8, 2]


def ring(n, rng):
    """n fresh points of the data: [n, 2]."""
    mode = torch.randint(N_MODES, (n,), generator=rng, device=rng.device)
    return centres[mode] + DEVIATION * torch.randn(n, 2, generator=rng, device=rng.device)


# %% [markdown]
# Two metrics say how good a generator is. As in VEEGAN (Srivastava et al. 2017), a sample is of **high quality** if it lies
# within three standard deviations of a centre. A mode is **covered** if it receives at least a quarter of its fair share. Of
# 2,000 samples, that is at least 2000 / 8 / 4 = 62.5 high-quality ones. VEEGAN asks for one sample only, which can be an
# accident. You need both metrics, because a generator that repeats one mode has high quality and covers only that mode. As a
# baseline we score a thin circle through all centres. The circle knows nothing of the modes, so a generator must have a larger
# fraction of high-quality samples than the circle.
#
# **Predict**: what fraction of the *real* points is of high quality? In one dimension, 99.7 % lie within three standard
# deviations. In two dimensions, is it more or less?

# %% tags=["nbval-check-output"]
def score(x):
    """(modes covered, fraction of high quality) for each set of samples x [S, N, 2]: two [S]."""
    distance, mode = torch.cdist(x, centres).min(dim=2)                             # [S, N]
    good = distance < 3 * DEVIATION
    counts = torch.stack([(good & (mode == m)).sum(dim=1) for m in range(N_MODES)])     # [8, S]
    return (counts >= x.shape[1] / N_MODES / 4).sum(dim=0), good.float().mean(dim=1)


real = ring(200_000, runtime.rng(0, device))
(modes, ), (real_quality, ) = score(real[None])
print(f"real points: {modes.item()} modes covered, high quality {100 * real_quality.item():.1f} %; "
      f"theory {100 * (1 - math.exp(-4.5)):.1f} %")
around = torch.linspace(0, 2 * math.pi, 200_001, device=device)[:-1]
circle = RADIUS * torch.stack([around.cos(), around.sin()], dim=1)
(modes, ), (circle_quality, ) = score(circle[None])
print(f"thin circle: {modes.item()} modes covered, "
      f"high quality {100 * circle_quality.item():.1f} %")

# %% [markdown]
# ## 2 · One step of D
#
# A step of $D$ takes real points and fresh fakes, computes $D$'s loss, and moves $D$'s weights against the gradient. Here is one
# with common bugs:
#
# ```python
# def broken_d_step(G, D, real, loss, optimiser, rng):
#     fake = G(gan.noise(G, len(real), rng))
#     objective = loss.d(D(real), D(fake))
#     objective.backward()
#     optimiser.step()
#     return objective
# ```
#
# `gan.noise(G, n, rng)` samples `n` rows of noise for $G$. `loss.d` takes the logits of the real points and those of the fakes.
#
# ### Exercise 1 · D's step, without the bugs (★★, very important, 15 minutes)
#
# Think about three things. What does the gradient do to $G$? What stays in `.grad` of either player for the next step? What
# happens to memory if someone collects the returned losses? Then write the step, so that:
#
# * $D$ moves, and $G$'s weights do not. This must hold even if the optimiser holds the weights of both players, and $G$ still has
#   gradients from an earlier step. You may clear those gradients.
# * $G$ gets no new gradient, and both players stay in the mode, training or evaluation, in which they came.
# * It adds `penalty(D, real, fake, rng)` to the loss, unless `penalty` is `None`. You will need this in section 8.
# * It returns the loss that $D$ had before the step, with the penalty, as a tensor without graph.

# %%
def my_d_step(G, D, real, loss, optimiser, rng, penalty=None):
    """One step of D, with fresh fakes; returns D's loss before it, a scalar without graph."""
    ### BEGIN SOLUTION
    with torch.no_grad():
        fake = G(gan.noise(G, len(real), rng))
    objective = loss.d(D(real), D(fake))
    if penalty is not None:
        objective = objective + penalty(D, real, fake, rng)
    optimiser.zero_grad()
    objective.backward()
    optimiser.step()
    return objective.detach()
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.discriminator_step(my_d_step)

# %% [markdown]
# ## 3 · One step of G, and the loop
#
# $G$'s step needs no real points. It makes `n` fakes, asks $D$ for their logits, and moves $G$ so that `loss.g` of these logits
# falls. The gradient goes through $D$ into $G$, but only $G$ may move.
#
# ### Exercise 2 · G's step (★, very important, 5 minutes)

# %%
def my_g_step(G, D, n, loss, optimiser, rng):
    """One step of G, with n fresh fakes; returns G's loss before it, a scalar without graph."""
    ### BEGIN SOLUTION
    objective = loss.g(D(G(gan.noise(G, n, rng))))
    optimiser.zero_grad()
    objective.backward()
    optimiser.step()
    return objective.detach()
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.generator_step(my_g_step)

# %% [markdown]
# The next cell decides whether the notebook uses your steps or the library's from here on. Later cells call both steps by
# keyword: `d_step(G, D, real, loss=..., optimiser=..., rng=..., penalty=...)` and
# `g_step(G, D, n, loss=..., optimiser=..., rng=...)`.

# %%
d_step = notebook.choose(use_mine, my_d_step, checks.discriminator_step, gan.d_step)
g_step = notebook.choose(use_mine, my_g_step, checks.generator_step, gan.g_step)

# %% [markdown]
# ### Exercise 3 · The loop (★★, very important, 15 minutes)
#
# Now put the steps together. The loop takes the arguments of `gan.fit`, which trains the GANs of later notebooks. It also takes
# your two steps. Call each step by keyword, as shown above.
#
# * `draw(rng)` returns a tuple with one fresh batch of real points.
# * `lr` holds two learning rates, first $G$'s and then $D$'s. Both players use Adam with `betas`.
# * One iteration has `d_steps` steps of $D$, each with a fresh batch. One step of $G$ follows, with as many fakes as one batch
#   has rows.
# * `average` keeps a running average of $G$'s weights, because $G$ itself never comes to rest. Call
#   `average.update_parameters(G)` once after each step of $G$. `average.module` is the averaged $G$, and the loop returns it.
# * `watch(iteration, average.module)` looks at the averaged $G$. Call it with iteration 0 before the first step, and then after
#   each iteration.

# %%
def my_loop(G, D, draw, n_steps, loss, rng, penalty, d_steps, lr, betas, ema, watch,
            d_step, g_step):
    """Train G against D for n_steps iterations; returns the averaged G."""
    average = AveragedModel(G, multi_avg_fn=get_ema_multi_avg_fn(ema)).eval()
    ### BEGIN SOLUTION
    g_optimiser = torch.optim.Adam(G.parameters(), lr[0], betas)
    d_optimiser = torch.optim.Adam(D.parameters(), lr[1], betas)
    watch(0, average.module)
    for iteration in range(1, n_steps + 1):
        for _ in range(d_steps):
            real, = draw(rng)
            d_step(G, D, real, loss=loss, optimiser=d_optimiser, rng=rng, penalty=penalty)
        g_step(G, D, len(real), loss=loss, optimiser=g_optimiser, rng=rng)
        average.update_parameters(G)
        watch(iteration, average.module)
    return average.module
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.training_loop(my_loop)

# %%
fit = partial(notebook.choose(use_mine, my_loop, checks.training_loop, games.loop),
              d_step=d_step, g_step=g_step)

# %% [markdown]
# ## 4 · Five games side by side
#
# One run of a GAN is an anecdote, so every set-up is played five times. Five such small networks run at once in little more time
# than one alone. So `course_tools/games.py` stacks five networks. One tensor `[5, in, out]` holds the weights of one layer of all
# five. Rows 0 to $B-1$ of a batch belong to game 0, the next $B$ rows belong to game 1, and so on. The games share no weight and
# no batch row, so your steps and your loop play all five at once without a change.
#
# Our losses are means over all rows, so each game sees its own loss divided by five. That does not matter here, because Adam
# divides by the size of the gradient anyway.
#
# Both players are networks of three layers, 64 wide. A `Setup` holds what differs between set-ups, such as the loss. Where a
# `Setup` gives no other value, every game uses:
#
# * Adam with a learning rate of 0.003 for both players, $\beta_1 = 0$ and $\beta_2 = 0.99$. With $\beta_1 = 0$ there is no
#   *momentum*, so Adam follows the gradient of the present step alone, without older gradients.
# * one step of $D$ per iteration, the same number of iterations, and the same first weights.
#
# We tried a few rates and betas on the plain non-saturating game, which section 5 explains. With the values above it learned the
# ring quickly, so we chose them.
#
# `games.play` plays five games with one set-up and looks at them every few iterations. At each look it keeps the modes covered by
# $G$ itself and by the averaged $G$. This is what a short run with three looks at five games returns:

# %%
play = partial(games.play, draw=ring, score=score, every=EVERY, batch=BATCH, seed=seed,
               device=device, fit=fit)
short = play(Setup(losses.NON_SATURATING), n_steps=2 * EVERY)
for name, values in short._asdict().items():
    print(f"{name:10} {list(torch.as_tensor(values).shape)}")

# %% [markdown]
# ## 5 · First failure: the gradient vanishes
#
# $D$ returns a logit $\ell$, and its probability for "real" is $\sigma(\ell)$. The gradient that reaches $G$ is proportional to
# one number, the slope of $G$'s loss at $\ell$. For the minimax loss $\log(1 - \sigma(\ell)) = -\mathrm{softplus}(\ell)$ and for
# the **non-saturating** loss $-\log \sigma(\ell)$,
#
# $$ \left|\frac{\partial}{\partial \ell} \log(1 - \sigma(\ell))\right| = \sigma(\ell), \qquad
#    \left|\frac{\partial}{\partial \ell} \bigl(-\log \sigma(\ell)\bigr)\right| = \sigma(-\ell) = 1 - \sigma(\ell). $$
#
# If $D$ recognises every fake, then $\ell \ll 0$. There $\sigma(\ell) \approx e^{\ell}$, so the slope of the minimax loss
# vanishes just when $G$ needs most help. The loss **saturates** (Goodfellow et al. 2014, section 3). $D$ is then like a teacher
# who says only "no".
#
# ### Exercise 4 · A loss that does not saturate (★, very important, 5 minutes)
#
# Write the non-saturating generator loss, a mean over the batch. It must be finite and have the right slope at logits of ±200
# too. In float32, `log(sigmoid(l))` breaks near −90, because `sigmoid(l)` is rounded to 0.

# %%
def my_generator_loss(fake_logits):
    """-E log sigmoid(logit), for logits [B]: a scalar."""
    ### BEGIN SOLUTION
    return softplus(-fake_logits).mean()
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.non_saturating_loss(my_generator_loss)

# %% [markdown]
# There are other losses. With $\ell_r$ and $\ell_f$ for the logits of real and fake, `course_lib/losses.py` has these three, too:
#
# | | $D$ minimises | $G$ minimises | slope for $G$ |
# |---|---|---|---|
# | least squares (Mao et al. 2017) | $\tfrac12 \mathbb{E} (\ell_r - 1)^2 + \tfrac12 \mathbb{E}\, \ell_f^2$ | $\tfrac12 \mathbb{E} (\ell_f - 1)^2$ | $\ell_f - 1$ |
# | hinge (Lim & Ye 2017) | $\mathbb{E} \max(0, 1 - \ell_r) + \mathbb{E} \max(0, 1 + \ell_f)$ | $-\mathbb{E}\, \ell_f$ | $-1$ |
# | Wasserstein (Arjovsky et al. 2017) | $\mathbb{E}\, \ell_f - \mathbb{E}\, \ell_r$ | $-\mathbb{E}\, \ell_f$ | $-1$ |
#
# **Now cause the failure.** Give $D$ a head start: freeze the untrained $G$ and train $D$ alone for 200 steps. The first
# measurement is the norm of the gradient that would reach $G$ under the saturating and under the non-saturating loss. $D$ and the
# fakes are the same for both.
#
# Then let both play. The second measurement is how far $G$'s samples have moved. Both losses are tried with *plain gradient
# descent* for $G$, so a smaller gradient means a smaller step. Two controls use the saturating loss. One has no head start, and
# the other has the head start but trains $G$ with Adam. **Predict**: which of these four generators hardly move?

# %%
HEAD_START = sizes.pick(smoke=10, cpu=200, gpu=200)
SGD = partial(torch.optim.SGD, lr=0.15)            # 0.03 a game: the loss is a mean over five
ADAM = partial(torch.optim.Adam, lr=3e-3, betas=(0.0, 0.99))
G_LOSSES = {"saturating": losses.saturating_g, "non-saturating": losses.non_saturating_g}


def head_start(n_steps, every=5):
    """The players after n_steps of D alone, and {loss: gradient norms at G [L, 5]} on the way."""
    (G, D), rng = games.players(seed, device), runtime.rng(seed, device)
    of_D, z, norms = ADAM(D.parameters()), gan.noise(G, 5 * 256, rng), {n: [] for n in G_LOSSES}
    for step in range(n_steps + 1):
        if step % every == 0:
            for name, loss in G_LOSSES.items():
                norms[name].append(games.gradient_norm(G, D, loss, z))
        if step < n_steps:
            d_step(G, D, ring(5 * BATCH, rng), loss=losses.NON_SATURATING, optimiser=of_D, rng=rng)
    return G, D, of_D, {name: torch.stack(values) for name, values in norms.items()}


# %%
def travelled(loss, n_ahead, optimiser, every=10):
    """How far G's samples have moved since the start, at each look: [L, 5]."""
    (G, D, of_D, _), rng, far = head_start(n_ahead), runtime.rng(seed + 1, device), []
    of_G, z = optimiser(G.parameters()), gan.noise(G, 5 * 500, rng)
    start = G(z).detach()
    for step in range(N_SHORT + 1):
        if step % every == 0:
            far.append((G(z).detach() - start).norm(dim=1).view(5, -1).mean(dim=1).cpu())
        d_step(G, D, ring(5 * BATCH, rng), loss=loss, optimiser=of_D, rng=rng)
        g_step(G, D, 5 * BATCH, loss=loss, optimiser=of_G, rng=rng)
    return torch.stack(far)


# %%
norms = head_start(HEAD_START)[-1]
far = {"saturating": travelled(losses.SATURATING, HEAD_START, SGD),
       "non-saturating": travelled(losses.NON_SATURATING, HEAD_START, SGD),
       "saturating, no head start": travelled(losses.SATURATING, 0, SGD),
       "saturating, Adam": travelled(losses.SATURATING, HEAD_START, ADAM)}
for name, values in far.items():
    results.add("distance travelled", values[-1], unit="units", setting="-", arm=name)

# %%
COLOUR = {"saturating": plots.COLOURS[1], "non-saturating": plots.COLOURS[0],
          "saturating, no head start": plots.COLOURS[4], "saturating, Adam": plots.COLOURS[3]}
LIFT = {"non-saturating": 28, "saturating, no head start": -36}     # of a label, in points


def lines(ax, curves, every, lift):
    """The median of the games, and a band from the least to the greatest, each with its name."""
    for name, values in curves.items():
        x = every * torch.arange(1, len(values))
        low, middle, high = (values[1:].quantile(q, dim=1) for q in (0.0, 0.5, 1.0))
        ax.plot(x, middle, color=COLOUR[name])
        ax.fill_between(x, low, high, color=COLOUR[name], alpha=0.15, lw=0)
        ax.annotate(name.replace(", ", ",\n"), (x[-1], middle[-1]), (6, lift.get(name, 0)),
                    va="center", textcoords="offset points", color=COLOUR[name], fontsize=13)
    ax.set_yscale("log")
    ax.yaxis.set_major_formatter(lambda value, position: f"{value:g}")


# %%
figure, (above, below) = plt.subplots(2, 1, figsize=(9, 9.4))
lines(above, norms, 5, {})
weaker = (norms["non-saturating"][-1] / norms["saturating"][-1]).median()
above.set(xlabel="steps of D alone", ylabel="gradient norm at G",
          title=f"After the head start, the saturating gradient is\n{weaker:,.0f} times "
                "weaker than the non-saturating one")
lines(below, far, 10, LIFT)
moved = {name: values[-1].median() for name, values in far.items()}
below.set(xlabel="iterations of the game after the head start", ylabel="distance moved",
          title=f"After a head start of D, the saturating G has moved\n{moved['saturating']:.2f}, "
                f"and the non-saturating G {moved['non-saturating']:.1f} (ring: radius 2)")
plots.save(figure, "02_vanishing")
plt.show()

# %% [markdown]
# Lines are medians of five games, and bands reach from the smallest to the largest. Under the saturating loss $G$ stands still,
# because $D$ is sure of every fake. Without the head start the same loss moves $G$ as far as the other one, because $D$ is unsure
# at first. So the failure needs two things, a loss that saturates and a $D$ that is ahead.
#
# Now look at the curve named Adam. It has the same loss and the same head start as the lowest curve, and yet $G$ moves. Adam
# divides each gradient by its usual size, so it makes a weak gradient strong again. That hides most of this failure in practice.
# It does not mend the direction, because a saturating gradient comes almost only from the few fakes of which $D$ is least sure.

# %% [markdown]
# ## 6 · Second failure: one mode, then another
#
# If $G$ moves faster than $D$, its best reply to the present $D$ is to put *all* samples where $D$ is most easily fooled. When
# $D$ has learned that, all samples move on together. A $G$ that draws only a few of the modes shows **mode collapse**. Here its
# samples also hop from mode to mode. The theory of notebook 01 let $D$ answer fully before each move of $G$. Here $D$ has no time
# to answer, because the learning rate is 0.01 for $G$ and 0.001 for $D$.
#
# We try the non-saturating loss and the hinge loss. **Predict**: does the hinge loss prevent the collapse?

# %%
FAST = (1e-2, 1e-3)
setups = {"non-saturating, fast G": Setup(losses.NON_SATURATING, lr=FAST),
          "hinge, fast G": Setup(losses.HINGE, lr=FAST),
          "non-saturating": Setup(losses.NON_SATURATING)}
runs = {name: play(setup, n_steps=N_ITERATIONS) for name, setup in setups.items()}

# %%
def film(names, at):
    """Samples of G itself, game 0: a row for each set-up, a column for each of the looks `at`."""
    figure, axes = plt.subplots(len(names), len(at), squeeze=False,
                                figsize=(2.3 * len(at), 2.5 * len(names) + 0.6))
    for row, name in zip(axes, names):
        run = runs[name]
        for ax, t in zip(row, at):
            ax.plot(*centres.cpu().T, "o", color="#BBBBBB", markersize=12, markeredgewidth=0)
            ax.plot(*run.samples[t].T, ".", color=plots.METHODS["G"], markersize=3)
            ax.set(xlim=(-3, 3), ylim=(-3, 3), aspect="equal", xticks=[], yticks=[])
            ax.set_title(f"iteration {run.iterations[t]}", fontsize=13)
        row[0].set_ylabel(name.replace(", ", ",\n"), fontsize=13)
    return figure


n_looks = len(runs["non-saturating"].iterations) - 1
looks = [max(1, n_looks * k // 5) for k in range(1, 6)]
figure = film(list(runs), looks)
last = {name: run.own_modes[-1].double().mean().item() for name, run in runs.items()}
fast = [value for name, value in last.items() if "fast" in name]
figure.suptitle(f"At the end a fast G itself covers {min(fast):.1f} to {max(fast):.1f} modes,\n"
                f"and a G at D's rate {last['non-saturating']:.1f} (means of five games; "
                "game 0 is drawn)", fontsize=16)
plots.save(figure, "02_collapse")
plt.show()

# %% [markdown]
# The coloured points are samples of $G$ at that moment, and the grey ones are the eight modes. Only game 0 of the five is drawn.
# In the second row, the samples jump from place to place. In the first row, this game finds most of the ring in the end. Yet most
# games with a fast $G$ end without a single mode. Neither loss prevents that, because each tells $G$ where $D$ is weak *now*, and
# $D$ is always late. The last row differs from the first in the learning rates alone. There $G$ finds the whole ring early, but
# its samples still jitter about the modes.

# %% [markdown]
# ## 7 · Third failure: the game does not settle
#
# Even at equal rates $G$ itself jitters to the end. The **Dirac-GAN** (Mescheder et al. 2018) shows why with only two weights.
# All the data lie at the point 0. $G$ has one weight $\theta$ and always returns $\theta$. $D$ has one weight $\psi$ and returns
# the logit $\ell(x) = \psi x$. The best state is $\theta = \psi = 0$, where fakes are data and $D$ is flat.
#
# Only the fake's term of the minimax loss depends on the weights, because $\ell(0) = 0$. So $D$ feels the gradient
# $\sigma(\psi\theta)\, \theta$ and $G$ feels $-\sigma(\psi\theta)\, \psi$. **Predict** the path from $\theta = 1$, $\psi = 0$:
# straight to the goal, round and round it, or away from it?
#
# We add two changes, one at a time. The first is momentum. Each step then follows an average, 90 % of which comes from older
# gradients. The second charges $D$ for its slope. This slope is $\psi$ everywhere, so we add $\psi^2 / 2$ to $D$'s loss. This
# cost is called **R1**, and section 8 generalises it.

# %%
def dirac(momentum=0.0, gamma=0.0, n_steps=300, lr=0.1):
    """The path of (theta, psi) in a Dirac-GAN whose players move in turn: [n_steps + 1, 2]."""
    theta, psi, of_G, of_D, path = 1.0, 0.0, 0.0, 0.0, [(1.0, 0.0)]
    for _ in range(n_steps):
        sigmoid = 1 / (1 + math.exp(-psi * theta))
        of_D = momentum * of_D + (1 - momentum) * (sigmoid * theta + gamma * psi)
        psi -= lr * of_D
        sigmoid = 1 / (1 + math.exp(-psi * theta))
        of_G = momentum * of_G - (1 - momentum) * sigmoid * psi
        theta -= lr * of_G
        path.append((theta, psi))
    return torch.tensor(path)


# %%
paths = {"no momentum, no R1": dirac(), "momentum 0.9": dirac(momentum=0.9), "R1": dirac(gamma=1.0)}
figure, axes = plt.subplots(1, 3, figsize=(14, 5.7), sharex=True, sharey=True)
for ax, (name, path) in zip(axes, paths.items()):
    ax.plot(*path.T, color=plots.METHODS["D"], lw=1.5)
    ax.plot(*path[0], "o", color="black")
    ax.plot(0, 0, "*", color=plots.METHODS["data"], markersize=16)
    end = path[-1].norm().item()
    ax.set(aspect="equal", xlabel="θ, where G puts its samples",
           title=f"{name}: distance\nfrom the goal 1.00 → {end:.2f}")
axes[0].set_ylabel("ψ, the slope of D")
axes[1].annotate("start", paths["momentum 0.9"][0], (8, -14), textcoords="offset points")
plots.save(figure, "02_dirac")
plt.show()

# %% [markdown]
# The star is the goal and the dot is the start. Without help the two chase each other in a circle. When $G$ has arrived at the
# data, $D$ still slopes, so $G$ is pushed past them. Momentum makes it worse, because old gradients belong to an earlier state of
# the game. R1 pulls $D$'s slope to zero, so the push fades, and the path bends into the goal.
#
# ## 8 · R1: what D's landscape looks like
#
# In general, **R1** (Mescheder et al. 2018) charges $D$ for its slope at the data,
#
# $$ R_1 = \frac{\gamma}{2}\, \mathbb{E}_{x \sim p} \lVert \nabla_x \ell(x) \rVert^2 . $$
#
# ### Exercise 5 · R1 (★★, important, 15 minutes)
#
# You need one gradient for each row of `real`. The rows do not influence each other, so the gradient of the *sum* of the logits
# holds the gradient of each row. A gradient *inside* a loss must itself be differentiable, and `torch.autograd.grad` has an
# argument for that. Leave `real` as it came.

# %%
def my_r1(D, real, gamma):
    """gamma/2 E |grad D(x)|^2 at real x [B, dim], with D's logits [B]: a scalar to train D on."""
    ### BEGIN SOLUTION
    x = real.detach().requires_grad_()
    gradient, = torch.autograd.grad(D(x).sum(), x, create_graph=True)   # [B, dim]: rows do not mix
    return gamma / 2 * gradient.square().sum(dim=1).mean()
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.r1_penalty(my_r1)

# %%
def r1(D, real, gamma):
    return penalties.r1(D, real, gamma=gamma)


r1 = notebook.choose(use_mine, my_r1, checks.r1_penalty, r1)


def R1(D, real, fake, rng):
    """R1 as a penalty that d_step takes."""
    return r1(D, real, GAMMA)


GAMMA = 0.1

# %% [markdown]
# You can see what R1 does. Below, $D$ is strong, because it takes five steps for each step of $G$. It is trained once without R1
# and once with it. The grey tone shows $D$'s logit, dark where $D$ says "fake". Each arrow shows the direction in which $D$
# pushes a fake. All arrows have the same length, so read the slope in the title.
#
# It is often said that a strong $D$ is flat at the fakes and steep elsewhere, so that $G$ gets no gradient. **Predict**: is $D$
# steeper at the fakes or at the data?

# %%
def strong_D(penalty):
    """Five games against a D with five steps for each of G's: (G, D)."""
    (G, D), rng = games.players(seed, device), runtime.rng(seed, device)
    fit(G, D, lambda rng: (ring(5 * BATCH, rng),), n_steps=sizes.pick(smoke=10, cpu=300, gpu=600),
        loss=losses.NON_SATURATING, rng=rng, penalty=penalty, d_steps=5, lr=(3e-3, 3e-3),
        betas=(0.0, 0.99), ema=0.99, watch=lambda iteration, average: None)
    return G, D


players = {"without R1": strong_D(None), "with R1": strong_D(R1)}

# %%
grid = torch.linspace(-3, 3, 80, device=device)
plane = torch.cartesian_prod(grid, grid)
figure, axes = plt.subplots(1, 2, figsize=(13, 7.7))
for ax, (name, (G, D)) in zip(axes, players.items()):
    fakes = G(gan.noise(G, 5 * 1000, runtime.rng(seed, device))).detach()
    data = ring(5 * 1000, runtime.rng(seed + 1, device))
    slope = {where: games.slopes(D, x).median(dim=1).values for where, x in
             (("fakes", fakes), ("data", data))}
    for where, values in slope.items():
        results.add("slope of D", values, unit="logits a unit", setting="-", arm=f"{name}, {where}")
    logits = D(plane.repeat(5, 1))[:len(plane)].detach().view(80, 80).T.cpu()       # of game 0
    ax.contourf(grid.cpu(), grid.cpu(), logits, 12, cmap="Greys_r")
    x = fakes[:80].requires_grad_()
    push, = torch.autograd.grad(D(x.repeat(5, 1))[:80].sum(), x)
    ax.plot(*centres.cpu().T, "o", color=plots.METHODS["data"], markersize=12, mfc="none", mew=3)
    ax.quiver(*x.detach().cpu().T, *(push / push.norm(dim=1, keepdim=True)).cpu().T, scale=18,
              width=0.006, color=plots.METHODS["G"])
    ax.set(aspect="equal", xlim=(-3, 3), ylim=(-3, 3), xticks=[], yticks=[],
           title=f"{name}: median slope {slope['fakes'].median():.1f} at the fakes,\n"
                 f"{slope['data'].median():.1f} at the data")
plots.save(figure, "02_landscape")
plt.show()

# %% [markdown]
# The rings mark the modes, and the arrows start at fakes. The story is false here. Without R1, $D$ is about as steep at the fakes
# as at the data. So $G$ gets a large gradient and overshoots, as in the Dirac-GAN. With R1, $D$ is several times flatter at the
# fakes and at the data. R1 charges only the slope at the data, but a network that is flat at the data tends to be flat nearby,
# too. So $D$ pushes $G$ less, and the game can settle.
#
# ## 9 · Fourth failure: a critic without a constraint
#
# The **Wasserstein** game takes another way. Here $\ell$ need not stand for a probability, and $D$ is called a *critic*. A critic
# is 1-Lipschitz if $|\ell(x) - \ell(x')| \le \lVert x - x' \rVert$ for all pairs of points. Among all such critics, take the
# largest $\mathbb{E}\,\ell(x) - \mathbb{E}\,\ell(G(z))$. This largest value is the least mean distance that $G$'s samples must
# travel to become the data (Arjovsky et al. 2017). So $G$ gets a useful gradient even when its samples are far from the data.
#
# The loss alone does not make the critic 1-Lipschitz. **WGAN-GP** (Gulrajani et al. 2017) adds the penalty
# $\lambda\, \mathbb{E} (\lVert \nabla_x \ell \rVert - 1)^2$ at points between real and fake ones. This makes the critic nearly
# 1-Lipschitz. **Spectral norm** (Miyato et al. 2018) divides each weight matrix by its largest singular value, so that no layer
# stretches any distance. PyTorch has it as `torch.nn.utils.parametrizations.spectral_norm`.
#
# The critic should be near its best, so it gets five steps per iteration. **Predict**: how large do the logits grow *without* the
# constraint?

# %%
GP = partial(penalties.gradient_penalty, weight=0.1)    # the authors' own weight for such toy data
largest = {"no constraint": [], "WGAN-GP": []}


def watching(name):
    """d_step, which also keeps the largest logit at the real points of each game."""
    def step(G, D, real, **options):
        loss = d_step(G, D, real, **options)
        with torch.no_grad():
            largest[name].append(D(real).abs().view(5, -1).amax(dim=1).cpu())
        return loss
    return step


play(Setup(losses.WASSERSTEIN, d_steps=5), n_steps=N_SHORT,
     fit=partial(fit, d_step=watching("no constraint")))
runs["WGAN-GP"] = play(Setup(losses.WASSERSTEIN, penalty=GP, d_steps=5), n_steps=N_ITERATIONS,
                       fit=partial(fit, d_step=watching("WGAN-GP")))

# %%
figure, ax = plt.subplots(figsize=(9, 5))
ends = []
for (name, values), colour in zip(largest.items(), (plots.COLOURS[1], plots.COLOURS[0])):
    values = torch.stack(values)[4:5 * N_SHORT:5]
    middle = values[-1].median()
    ax.plot(range(1, N_SHORT + 1), values, color=colour, alpha=0.5, lw=1.2)
    ax.annotate(name, (N_SHORT, middle), (6, 0), va="center", textcoords="offset points",
                color=colour)
    ends.append(middle)
    results.add("largest logit", values[-1], unit="logits", setting="-", arm=name)
ax.set(yscale="log", xlabel="iteration", ylabel="largest |logit| of real points",
       title=f"After {N_SHORT} iterations, logits reach {ends[0]:,.0f} without a\n"
             f"constraint and {ends[1]:,.0f} with the gradient penalty (medians)")
ax.yaxis.set_major_formatter(lambda value, position: f"{value:g}")
plots.save(figure, "02_critic")
plt.show()

# %% [markdown]
# A free critic lowers its loss simply by making its logits larger, so they grow without end. The gradients that reach $G$ grow
# with the logits. So the size of a gradient no longer tells how far $G$ is from the data.
#
# ## 10 · A modern game: relativistic, with R1 and R2
#
# The losses so far judge a fake alone. A **relativistic** $D$ compares it with a real point (Jolicoeur-Martineau 2019). $D$
# minimises $\mathbb{E}\, \mathrm{softplus}(-(\ell(x) - \ell(G(z))))$, and $G$ minimises the same expression with $x$ and $G(z)$
# exchanged. **R3GAN** (Huang et al. 2024) joins this loss with R1 and with R2, which is R1 at the fakes. Its authors train image
# models with it, without the tricks that used to be needed.
#
# Your code can play this game, too. Your step of $D$ gets another loss and another penalty, and your loop takes any two steps.
# Only $G$'s step is new, because it also needs real points:

# %%
RELATIVISTIC = losses.GANLoss(d=lambda real, fake: softplus(-(real - fake)).mean(), g=None)


def relativistic_g_step(G, D, n, loss, optimiser, rng):
    """A step of G: its fakes are to look more real than as many fresh real points."""
    fake_logits, real_logits = D(G(gan.noise(G, n, rng))), D(ring(n, rng))
    objective = softplus(-(fake_logits - real_logits)).mean()
    optimiser.zero_grad()
    objective.backward()
    optimiser.step()
    return objective.detach()


def R1_and_R2(D, real, fake, rng):
    return r1(D, real, GAMMA) + r1(D, fake, GAMMA)


# %% [markdown]
# One iteration of this game costs more, because its penalty has two parts and $G$'s step passes twice through $D$. Its rival is
# the non-saturating game with R1. R3GAN gets fewer iterations, so that both games take about the same time. **Predict**: which of
# the two has more good samples after equal time?

# %%
COST = 1.4          # an iteration of R3GAN, in iterations of its rival: measured on one core
long = {"non-saturating + R1": play(Setup(losses.NON_SATURATING, penalty=R1), n_steps=N_LONG),
        "R3GAN": play(Setup(RELATIVISTIC, penalty=R1_and_R2), n_steps=round(N_LONG / COST),
                      fit=partial(fit, g_step=relativistic_g_step))}
for name, run in long.items():
    results.add("high quality after equal time", run.quality[-1], unit="fraction",
                setting="-", arm=name)
    k = sum(iteration <= N_ITERATIONS for iteration in run.iterations)
    runs[name] = games.Run(*(values[:k] for values in run))         # for the contest below

# %%
figure, ax = plt.subplots(figsize=(9, 5.4))
for run, colour, cost in zip(long.values(), plots.COLOURS, (1, COST)):
    x = cost * torch.tensor(run.iterations)
    ax.plot(x, 100 * run.quality, color=colour, alpha=0.45, lw=1.2)
    ax.plot(x, 100 * run.quality.median(dim=1).values, color=colour)
first, second = (100 * run.quality[-1].median().item() for run in long.values())
ax.axhline(100 * real_quality.item(), color=plots.METHODS["data"], lw=1.5)
ax.text(0, 100 * real_quality.item() + 1, "real points", color=plots.METHODS["data"], fontsize=13)
for name, colour, height in zip(long, plots.COLOURS, (0.25, 0.15)):
    ax.text(0.97, height, name, color=colour, transform=ax.transAxes, ha="right")
ax.set(xlabel="time, in iterations of the non-saturating game with R1", ylim=(0, 107),
       ylabel="% of high quality, averaged G",
       title=f"After equal time {first:.0f} % good samples by non-saturating + R1\n"
             f"and {second:.0f} % by R3GAN (medians, five games)")
plots.save(figure, "02_modern")
plt.show()

# %% tags=["machine"]
pace = {name: run.seconds[-1] / run.iterations[-1] for name, run in long.items()}
print(f"an iteration of R3GAN costs {pace['R3GAN'] / pace['non-saturating + R1']:.2f} "
      "of the other on this machine")

# %% [markdown]
# ## 11 · The contest
#
# Now ten set-ups play under one budget of iterations. The pictures of section 6 showed $G$ itself, which jitters to the end. Here
# we score the *averaged* $G$, which you would keep. **Predict** three things before you look. Which set-ups cover all eight modes
# in all five games? Which set-up is first? Does the choice of the *loss* matter more or less than the other choices?

# %%
setups = {
    "saturating": Setup(losses.SATURATING),
    "least squares": Setup(losses.LEAST_SQUARES),
    "hinge": Setup(losses.HINGE),
    "non-saturating, beta1 = 0.9": Setup(losses.NON_SATURATING, beta1=0.9)}
runs |= {name: play(setup, n_steps=N_ITERATIONS) for name, setup in setups.items()}


def first_complete(run):
    """For each game, the first look at which the averaged G covers all modes: iteration or None."""
    return [next((i for i, modes in zip(run.iterations, game) if modes == N_MODES), None)
            for game in run.modes.T]


def words(values):
    return " ".join("–" if value is None else f"{value:g}" for value in values)


# %%
table, rows = {}, [
    "| set-up | modes covered, each game | by G itself | good samples, median "
    "| first complete at iteration |", "|---|---|---|---|---|",
    f"| *real points* | 8 | 8 | {100 * real_quality.item():.0f} % | |",
    f"| *thin circle, no modes* | 0 | 0 | {100 * circle_quality.item():.0f} % | |"]
for name, run in runs.items():
    modes, good, when = run.modes[-1].double(), run.quality[-1], first_complete(run)
    table[name] = results.add("modes covered", modes, unit="of 8", setting="-", arm=name,
                              per_game=modes.tolist(), quality=good.tolist(), first_complete=when)
    rows.append(f"| {name} | {words(modes.tolist())} | {words(run.own_modes[-1].tolist())} "
                f"| {100 * good.median():.0f} % | {words(when)} |")
display(Markdown("\n".join(rows)))

# %% tags=["machine"]
for name, run in runs.items():
    print(f"{name:30} {run.seconds[-1] / 5:5.1f} s a game on this machine")

# %%
late = 1.2 * N_ITERATIONS                                   # where a game stands that never covers
times = {name: [t or late for t in first_complete(run)] for name, run in runs.items()}
order = sorted(runs, key=lambda name: -sum(times[name]))
complete = sum(late not in when for when in times.values())

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(13, 0.5 * len(order) + 1.8), sharey=True)
jitter = torch.linspace(-0.22, 0.22, 5)
for row, name in enumerate(order):
    colour = plots.COLOURS[1] if "fast" in name or "beta1" in name else plots.COLOURS[0]
    left.plot(times[name], row + jitter, "o", color=colour, markersize=7)
    right.plot(100 * runs[name].quality[-1], row + jitter, "o", color=colour, markersize=7)
left.axvline(1.1 * N_ITERATIONS, color="#888888", lw=1)
left.set(xlim=(0, 1.28 * N_ITERATIONS), xticks=[0, N_ITERATIONS / 2, N_ITERATIONS, late],
         xlabel="iterations to cover all modes",
         title=f"{complete} of {len(order)} set-ups cover\nall modes in all five games")
left.set_xticklabels(["0", f"{N_ITERATIONS // 2}", f"{N_ITERATIONS}", "never"])
left.set_yticks(range(len(order)), order, fontsize=13)
right.axvline(100 * circle_quality.item(), color="#888888", lw=1)
right.annotate("thin circle", (100 * circle_quality.item(), len(order) - 0.4), (4, 0),
               textcoords="offset points", color="#666666", fontsize=12)
best = 100 * max(run.quality[-1].median().item() for run in runs.values())
right.set(xlim=(-3, 103), ylim=(-0.6, len(order) - 0.1), xlabel="% of high quality at the end",
          title=f"At best {best:.0f} % good samples,\nreal points have {100 * real_quality:.0f} %")
for ax in (left, right):
    ax.grid(axis="y", alpha=0.4)
plots.save(figure, "02_contest")
plt.show()

# %% [markdown]
# Each dot is one game. A dot at "never" is a game whose averaged $G$ did not cover all modes at any look.
#
# * **The rates matter more than the loss.** The orange rows have a fast $G$ or momentum, and nearly all their games fail. At
#   equal rates and without momentum, four different losses cover the whole ring in most games.
# * **R1 makes the game reliable.** With R1, all five games cover all modes, and so does R3GAN. The plain non-saturating set-up
#   misses modes in some games. Five games suggest this effect of R1 but do not prove it.
# * **WGAN-GP covers the ring, too**, but its iteration has five steps of $D$, so it costs several times as much.
# * **The saturating loss survives here**, probably because $D$ is never far ahead and Adam makes weak gradients strong. It misses
#   modes in one game, as other losses do.
#
# **Complete is not finished.** A complete set-up has found the ring, but some of its samples still lie on the bridges between
# modes, where real points never are. **Predict**: how many times longer does it take until the bridges clear? The long run of
# section 10 tells:

# %%
run = long["non-saturating + R1"]
middle = run.quality.median(dim=1).values
covers = [t or N_LONG for t in first_complete(run)]
clear = [next((t for t, q in zip(run.iterations, game) if q > 0.9), N_LONG)
         for game in run.quality.T]
for what, when in (("iterations to cover all modes", covers), ("iterations to 90 % good", clear)):
    results.add(what, when, unit="iterations", setting="-", arm="non-saturating + R1, long run")
    print(f"{what}, by game: {' '.join(map(str, when))}")

# %%
shown = {"covers the ring": max(covers), "at the end": run.iterations[-1]}
figure, axes = plt.subplots(1, 2, figsize=(10, 6.2))
for ax, (name, iteration) in zip(axes, shown.items()):
    t = run.iterations.index(iteration)
    ax.plot(*run.samples[t].T, ".", color=plots.METHODS["G"], markersize=5)
    ax.set(xlim=(-3, 3), ylim=(-3, 3), aspect="equal", xticks=[], yticks=[],
           title=f"{name}: {100 * middle[t]:.0f} % good\n(iteration {iteration})")
plots.save(figure, "02_bridges")
plt.show()

# %% [markdown]
# All modes are covered long before the bridges clear, so stop a run by quality and not by coverage. The pictures show $G$ itself
# in one game. The percentages are medians of the averaged $G$ over five games.
#
# These are five games on one problem, with one budget and one size of network. On another problem the ranks may change. Lucic et
# al. (2018) compared such losses with a large budget for tuning and found no loss that wins throughout. On this ring R3GAN has no
# advantage over R1 with the old loss. Its authors report one on harder data, where modes are many.

# %% [markdown]
# ## 12 · A page to keep
#
# | symptom | likely cause | remedy | see |
# |---|---|---|---|
# | G stands still, D's loss is near 0 | saturating loss, and D far ahead | non-saturating loss | section 5 |
# | all samples alike, jumping together | mode collapse: G faster than D | D's rate at least G's; more D steps | section 6 |
# | samples swing about and never settle | the players chase each other; momentum | $\beta_1$ of 0 or 0.5; R1; average G's weights | section 7 |
# | some kinds missing, the rest good | a steep D drives G from mode to mode | R1; measure coverage | section 8, notebook 03 |
# | losses and gradients grow without end | a critic without a constraint | gradient penalty or spectral norm | section 9 |
# | WGAN-GP learns slowly or not at all | the critic is not near its best | several D steps for each of G | section 9 |
# | the loss is `nan` | logarithm of a rounded 0; rate too high | losses on logits; a lower rate; `gan.fit` names the iteration | exercise 4 |
# | D's loss falls, G learns nothing | the D step trains G, or old gradients pile up | fakes without graph; `zero_grad` | exercise 1 |
# | all was well, then suddenly worse | the two do not settle | average of weights (`ema`); checkpoints | `gan.fit` |
# | all modes found, many samples between them | too few iterations | train on: quality comes after coverage | section 11 |
# | good losses, bad samples | losses measure a balance, not quality | look, and measure samples | notebook 03 |
# | samples ignore what was asked for | D does not see the condition | projection discriminator | notebook 04 |

# %% [markdown]
# ## The answer
#
# GANs fail because each player's goal changes whenever the other player moves. The cures are a loss that does not saturate, a $G$
# no faster than $D$, no momentum, and a $D$ whose slope is held small. On this ring the learning rates, momentum and R1 decide
# more than the choice of the loss.
#
# * These are five games on one problem, so ranks among the good set-ups mean little.
# * Coverage is not quality. With R1, all modes are covered in a third of the iterations that clear the bridges.
# * Your own loop can play a modern game, R3GAN, too. On this ring R3GAN is no better than the old loss with R1.

# %%
full = [name for name, record in table.items() if min(record["per_game"]) == N_MODES]
good = [100 * runs[name].quality[-1].median().item() for name in full]
which = (f", with {min(good):.0f} to {max(good):.0f} % good samples: "
         + ", ".join(f"**{name}**" for name in full)) if full else ""
display(Markdown(f"{len(full)} of {len(table)} set-ups cover all eight modes at the end of all "
                 f"five games{which}. The plain non-saturating game with a fast $G$ covers "
                 f"{words(table['non-saturating, fast G']['per_game'])} modes in the five."))

# %% [markdown]
# **Read next.** Mescheder, Geiger & Nowozin 2018, *Which training methods for GANs do actually converge?*, for R1 and the
# Dirac-GAN; Huang et al. 2024, *The GAN is dead; long live the GAN!*, for R3GAN; Arjovsky & Bottou 2017, *Towards principled
# methods for training generative adversarial networks*, for the vanishing gradient. Then [notebook
# 03](03_drawing_characters.ipynb): images.
