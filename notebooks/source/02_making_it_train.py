# %% [markdown]
# # 02 · Making it train
#
# **The question.** Why do GANs fail, and which loss cures what?
#
# The theory of notebook 01 promises that $G$ ends at the data. In practice gradients vanish, generators draw one thing only, and
# losses grow without end. In two dimensions all of this happens in seconds and in full view. You will cause each failure on
# purpose, measure it, and then compare seventeen set-ups on one problem, with five games each. At the end stands a page of
# symptoms, causes and remedies.
#
# **You need** notebook 01. **Time**: 45 minutes, and about 45 more with the four exercises; the runs take two to three
# minutes.
#
# The parameters are those of notebook 00. This notebook makes its own data, so `dataset` has no effect here.

# %% tags=["parameters"]
import os

profile = os.environ.get("COURSE_PROFILE", "cpu")
dataset = os.environ.get("COURSE_DATASET", "glyphs")
device = os.environ.get("COURSE_DEVICE", "auto")
seed = int(os.environ.get("COURSE_SEED", "0"))

# %%
import copy
import math
from functools import partial

import matplotlib.pyplot as plt
import torch
from IPython.display import Markdown, display
from torch.nn.functional import softplus

from course_checks import nb02 as checks
from course_lib import gan, losses, networks, penalties, runtime
from course_tools import games, notebook, plots
from course_tools.games import Setup

sizes, device, results = notebook.setup("02_making_it_train", profile, dataset, device, seed)
N_ITERATIONS = sizes.pick(smoke=10, cpu=500, gpu=3000)
EVERY = sizes.pick(smoke=5, cpu=20, gpu=50)                # iterations between two looks at G
BATCH = sizes.pick(smoke=16, cpu=64, gpu=256)

# %% [markdown]
# ## 1 · Eight modes in a ring
#
# The data are eight equal Gaussians on a circle of radius 2, with a standard deviation of 0.1. This has been the usual test since
# Metz et al. 2017. A *mode* is one of the eight clusters.

# %%
RADIUS, DEVIATION, N_MODES = 2.0, 0.1, 8
angle = torch.arange(N_MODES, device=device) * 2 * math.pi / N_MODES
centres = RADIUS * torch.stack([angle.cos(), angle.sin()], dim=1)          # [8, 2]


def ring(n, rng):
    """n fresh points of the data: [n, 2]."""
    mode = torch.randint(N_MODES, (n,), generator=rng, device=rng.device)
    return centres[mode] + DEVIATION * torch.randn(n, 2, generator=rng, device=rng.device)


# %% [markdown]
# Two metrics say how good a generator is. As in VEEGAN (Srivastava et al. 2017), a sample is of **high quality** if it lies
# within three standard deviations of a centre. A mode is **covered** if it receives at least a quarter of its fair share: of
# 2,000 samples, at least 2000 / 8 / 4 = 62.5 high-quality ones. (VEEGAN asks for one sample only, which can be an accident.)
# You need both metrics, because a thin circle through all centres covers all eight modes without having any. A generator must beat
# the circle's fraction of high-quality samples.
#
# **Predict**: what fraction of the *real* points is of high quality? (In one dimension, 99.7 % lie within three standard
# deviations. In two dimensions, is it more or less?)

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
# ## 2 · Five games side by side
#
# One run of a GAN is an anecdote, so every set-up is played five times. Networks this small keep a processor waiting more than
# working, and five at once take little longer than one. So `course_tools/games.py` stacks them: the weights of one layer of five
# networks form one tensor `[5, in, out]`, rows 0 to $B-1$ of a batch belong to game 0, the next $B$ to game 1, and so on.
#
# The games share no weight and no batch row. Our losses are means over all rows, so each game sees its own loss divided by five,
# and Adam divides by the size of the gradient anyway. If that is right, each stacked discriminator returns what it returns alone,
# before training and after ten steps:

# %% tags=["nbval-check-output"]
runtime.seed_everything(seed)
alone = [networks.PointDiscriminator(width=16) for _ in range(5)]
together = games.SideBySide(copy.deepcopy(alone))
networks_of_D = (*alone, together)
optimisers = [torch.optim.Adam(D.parameters(), lr=3e-3, eps=1e-12) for D in networks_of_D]
rng = runtime.rng(seed)
for step in range(11):
    x, fake = torch.randn(2, 5 * 32, 2, generator=rng)
    logits = torch.cat([D(rows) for D, rows in zip(alone, x.chunk(5))])
    if step in (0, 10):
        same = torch.allclose(together(x), logits, atol=1e-4)
        print(f"after {step:2d} steps, the same logits: {same}")
    for D, optimiser, real, f in zip(networks_of_D, optimisers,
                                     (*x.chunk(5), x), (*fake.chunk(5), fake)):
        optimiser.zero_grad()
        losses.NON_SATURATING.d(D(real), D(f)).backward()
        optimiser.step()

# %% [markdown]
# Both players are networks of three layers, 64 wide. A `Setup` says what sets one game apart from the others. Unless a line says
# otherwise, all set-ups share the rest:
#
# * Adam with a learning rate of 0.003 for both players, $\beta_1 = 0$ and $\beta_2 = 0.99$. With $\beta_1 = 0$ there is no *momentum*:
#   Adam steps along the gradient of this step alone, and not along an average with older ones.
# * one step of $D$ per iteration, the same number of iterations, and the same first weights.
#
# We tried a few rates and betas on the plain non-saturating game and chose these, because with them it learns the ring in a few
# hundred iterations.
#
# *Spectral norm* (Miyato et al. 2018) divides each weight matrix by its largest singular value, so that no layer stretches
# any distance. With activations of slope at most 1, $D$ is then 1-Lipschitz: $|D(x) - D(x')| \le \lVert x - x' \rVert$. Power iteration
# finds the value: multiplied by $W$ and then by $W^\top$, again and again, nearly any vector $u$ approaches the right one. One
# multiplication by each per call is enough, because $W$ moves slowly. `Setup(..., spectral=True)` puts it into every layer of $D$.
# (For a network of your own, PyTorch has `torch.nn.utils.parametrizations.spectral_norm`.)
#
# `games.play` plays five games with one set-up and looks at them every few iterations. At each look it keeps the modes covered by
# $G$ itself and by the *average* of $G$'s recent weights (which `gan.fit` returns), and **the norm of the gradient that reaches $G$'s
# weights**. `draw` and `score` are the two functions above. This is what a short run with three looks at five games returns:

# %%
play = partial(games.play, draw=ring, score=score, n_steps=N_ITERATIONS, every=EVERY, batch=BATCH,
               seed=seed, device=device)
short = play(Setup(losses.NON_SATURATING), n_steps=2 * EVERY)
for name, values in short._asdict().items():
    print(f"{name:10} {list(torch.as_tensor(values).shape)}")

# %% [markdown]
# ## 3 · First failure: the gradient vanishes
#
# $D$ returns a logit $\ell$; its probability for "real" is $\sigma(\ell)$. What $G$ learns passes through one number, the
# slope of its loss at $\ell$. For the minimax loss $\log(1 - \sigma(\ell)) = -\mathrm{softplus}(\ell)$ and for the
# **non-saturating** loss $-\log \sigma(\ell)$,
#
# $$ \left|\frac{\partial}{\partial \ell} \log(1 - \sigma(\ell))\right| = \sigma(\ell), \qquad
#    \left|\frac{\partial}{\partial \ell} \bigl(-\log \sigma(\ell)\bigr)\right| = \sigma(-\ell) = 1 - \sigma(\ell). $$
#
# At first $D$ recognises every fake, so $\ell \ll 0$. There $\sigma(\ell) \approx e^{\ell}$, so the slope of the minimax loss vanishes
# just when $G$ needs most help. The loss **saturates** (Goodfellow et al. 2014, section 3). It is like a teacher who says only "no".
#
# ### Exercise 1 · A loss that does not saturate (★, very important, 5 minutes)
#
# Write the non-saturating generator loss: a mean over the batch, finite and with the right slope at logits of ±40 too, where
# `log(sigmoid(l))` in float32 is not (`softplus`, notebook 01).

# %%
def my_generator_loss(fake_logits):
    """-E log sigmoid(logit), for logits [B]: a scalar."""
    ### BEGIN SOLUTION
    return softplus(-fake_logits).mean()
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.non_saturating_loss(my_generator_loss)

# %% [markdown]
# ### Exercise 2 · Where does each loss saturate? (★★, important, 10 minutes)
#
# There are four generator losses in `course_lib/losses.py`. You know two. With $\ell_r$ and $\ell_f$ for the logits of real and fake, the others are
#
# | | $D$ minimises | $G$ minimises | in code |
# |---|---|---|---|
# | least squares (Mao et al. 2017) | $\tfrac12 \mathbb{E} (\ell_r - 1)^2 + \tfrac12 \mathbb{E}\, \ell_f^2$ | $\tfrac12 \mathbb{E} (\ell_f - 1)^2$ | `least_squares_g` |
# | hinge (Lim & Ye 2017) | $\mathbb{E} \max(0, 1 - \ell_r) + \mathbb{E} \max(0, 1 + \ell_f)$ | $-\mathbb{E}\, \ell_f$ | `wasserstein_g` |
# | Wasserstein (Arjovsky et al. 2017) | $\mathbb{E}\, \ell_f - \mathbb{E}\, \ell_r$ | $-\mathbb{E}\, \ell_f$ | `wasserstein_g` |
#
# **Predict** for each: is its slope near zero for a $D$ that is sure of "fake" ($\ell = -8$), for one that is unsure ($0$), for one
# that is fooled ($8$)? Then write the function that measures it, for any loss that is a mean over the batch.

# %%
def my_slopes(g_loss, logits):
    """The slope of one sample's loss at each logit: [B] -> [B]. g_loss: logits [B] -> mean loss."""
    ### BEGIN SOLUTION
    logits = logits.detach().requires_grad_()
    slope, = torch.autograd.grad(g_loss(logits) * len(logits), logits)
    return slope
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.loss_slopes(my_slopes)

# %% [markdown]
# **Now with a real $D$.** Freeze an untrained $G$ and train $D$ alone against it. After each few steps, measure how sure $D$ is, and
# which gradient would reach $G$ under each of the four losses, with the same $D$ and the same fakes. **Predict**: how many times
# weaker is the saturating gradient than the non-saturating one when $D$ gives fakes a probability of 1 %?

# %%
G_LOSSES = {"saturating": losses.saturating_g, "non-saturating": losses.non_saturating_g,
            "least squares": losses.least_squares_g, "Wasserstein, hinge": losses.wasserstein_g}


def train_D_alone(n_steps, every):
    """(mean logit of fakes [L, 5], {loss: gradient norm [L, 5]}) as D learns and G does not."""
    (G, D), rng = games.players(seed, device), runtime.rng(seed, device)
    sureness, norms = [], {name: [] for name in G_LOSSES}
    optimiser = torch.optim.Adam(D.parameters(), 3e-3, (0.0, 0.99))
    for step in range(n_steps + 1):
        if step % every == 0:
            z = gan.noise(G, 5 * 256, runtime.rng(seed + 1, device))
            sureness.append(D(G(z)).detach().view(5, -1).mean(dim=1).cpu())
            for name, g_loss in G_LOSSES.items():
                norms[name].append(games.gradient_norm(G, D, g_loss, z))
        gan.d_step(G, D, ring(5 * BATCH, rng), loss=losses.NON_SATURATING, optimiser=optimiser,
                   rng=rng)
    return torch.stack(sureness), {name: torch.stack(values) for name, values in norms.items()}


sureness, norms = train_D_alone(n_steps=sizes.pick(smoke=10, cpu=200, gpu=400), every=5)

# %%
ratio = norms["saturating"] / norms["non-saturating"]
figure, (left, right) = plt.subplots(1, 2, figsize=(14, 5.2))
for (name, values), style in zip(norms.items(), ("-", "--", ":", "-.")):
    left.plot(5 * torch.arange(len(values)), values.median(dim=1).values, style, label=name)
left.set(yscale="log", xlabel="steps of D alone", ylabel="norm of the gradient that reaches G",
         title=f"The saturating gradient ends {1 / ratio[-1].median():,.0f} times weaker")
left.legend(fontsize=12)
right.plot(sureness.flatten(), ratio.flatten(), "o", label="measured, five games")
line = torch.linspace(sureness.min(), sureness.max(), 50)
right.plot(line, line.exp(), color="black", label="theory for equal logits: exp(ℓ)")
right.set(yscale="log", xlabel="mean logit ℓ that D gives to fakes",
          ylabel="saturating / non-saturating", title="The surer D is, the smaller the ratio")
right.legend(fontsize=12)
plots.save(figure, "02_saturation")
plt.show()

# %% [markdown]
# The theory line is the ratio of the two slopes, $\sigma(\ell) / \sigma(-\ell) = e^{\ell}$. At $\sigma(\ell) = 0.01$ it is about 1/99. It would
# hold exactly if all fakes had the same logit. But the logits differ: the fakes that $D$ is least sure of still get a saturating
# gradient, and they raise the mean above the line.
#
# Look at the other two as well. On *this* $D$, whose logits are log-odds, $\ell = \log \frac{D}{1 - D}$, least squares pulls harder the
# surer $D$ is, because its slope is $\ell - 1$. (A $D$ trained by least squares aims at $\ell = 0$ for fakes, where the slope is $-1$.)
# Wasserstein's slope is always $-1$, so its curve varies with $D$ alone.

# %% [markdown]
# ## 4 · Second failure: one mode, then another
#
# If $G$ moves faster than $D$, its best reply to the present $D$ is to put *all* samples where $D$ is most easily fooled. When $D$
# has learned that, all samples move on together. This is **mode collapse**, and the samples hop from mode to mode. The theory of
# notebook 01 let $D$ answer fully before each move of $G$. Here we take that away, with a learning rate of 0.01 for $G$ and 0.001
# for $D$.
#
# **Predict**: which loss prevents the collapse: non-saturating, least squares, hinge, or no loss at all?

# %%
FAST = (1e-2, 1e-3)
setups = {"non-saturating, fast G": Setup(losses.NON_SATURATING, lr=FAST),
          "least squares, fast G": Setup(losses.LEAST_SQUARES, lr=FAST),
          "hinge, fast G": Setup(losses.HINGE, lr=FAST),
          "non-saturating": Setup(losses.NON_SATURATING)}
runs = {name: play(setup) for name, setup in setups.items()}

# %%
def film(names, at):
    """Samples of G itself, game 0: a row for each set-up, a column for each of the looks `at`."""
    figure, axes = plt.subplots(len(names), len(at), squeeze=False,
                                figsize=(2.3 * len(at), 2.45 * len(names)))
    for row, name in zip(axes, names):
        run = runs[name]
        for ax, t in zip(row, at):
            ax.plot(*centres.cpu().T, "o", color="#BBBBBB", markersize=12, markeredgewidth=0)
            ax.plot(*run.samples[t].T, ".", color=plots.COLOURS[0], markersize=3)
            ax.set(xlim=(-3, 3), ylim=(-3, 3), aspect="equal", xticks=[], yticks=[])
            ax.set_title(f"iteration {run.iterations[t]}: {run.own_modes[t, 0]} of 8", fontsize=13)
        row[0].set_ylabel(name.replace(", ", ",\n"), fontsize=13)
    return figure


looks = [round(k * (len(runs["non-saturating"].iterations) - 1) / 6) for k in range(1, 7)]
figure = film(list(runs), looks)
last = {name: run.own_modes[-1].double().mean().item() for name, run in runs.items()}
fast = [value for name, value in last.items() if "fast" in name]
figure.suptitle(f"At the end a fast G itself covers {min(fast):.1f} to {max(fast):.1f} modes, and "
                f"a G at D's rate {last['non-saturating']:.1f} (means of five games)", fontsize=16)
plots.save(figure, "02_collapse")
plt.show()

# %% [markdown]
# The blue points are samples of $G$ at that moment, and the grey ones are the eight modes. Follow one row: the blue spot jumps. No
# choice of loss stops it, because each loss tells $G$ where $D$ is weak *now*, and $D$ is always late. The last row differs from
# the first in the learning rates alone.
#
# ### Exercise 3 · The bug that teaches D to help G (★★★, very important, 15 minutes)
#
# A common bug looks the same: the game does not settle. This step is meant for $D$ alone:
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
# Think about three things: what the gradient does to $G$, what stays in `.grad` of either player for the next step, and what happens
# to memory if someone collects the returned losses. Then write the step so that:
#
# * $D$ moves exactly as in `gan.d_step`, and $G$'s weights do not move. They do not move even if the optimiser holds the weights of
#   both players and an old gradient lies in $G$ (you may clear it).
# * $G$ gets no new gradient, and both players stay in the mode (training or evaluation) in which they came.
# * it returns $D$'s loss as a tensor without graph.

# %%
def my_d_step(G, D, real, loss, optimiser, rng):
    """One step of D, with fresh fakes; returns D's loss before it, a scalar without graph."""
    ### BEGIN SOLUTION
    with torch.no_grad():
        fake = G(gan.noise(G, len(real), rng))
    objective = loss.d(D(real), D(fake))
    optimiser.zero_grad()
    objective.backward()
    optimiser.step()
    return objective.detach()
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.discriminator_step(my_d_step)

# %% [markdown]
# ## 5 · Third failure: a strong D with a blind spot
#
# If a weak $D$ is the trouble, make it strong: take five steps of $D$ for each step of $G$. That has a failure of its own.
#
# Look at what $D$ learns. Where no fakes are near a mode, $D$ may put a cliff between that mode and the fakes, and be flat where the
# fakes are. $G$ gets the slope of $D$ *at the fakes*, and no slope there points across the gap. **R1** (Mescheder et al. 2018)
# charges $D$ for its slope at the data,
#
# $$ R_1 = \frac{\gamma}{2}\, \mathbb{E}_{x \sim p} \lVert \nabla_x \ell(x) \rVert^2 . $$
#
# R1 does not charge the cliff itself, which lies between data and fakes. But the cliff ends at the data, and a network that must be
# flat at the data tends to be flat near them, too. R1 has a second effect. When $G$ has reached the data, a $D$ without R1 may keep
# pushing it about. With R1, a flat $D$ is cheapest, and in the simple cases where this can be proved the game converges.
#
# ### Exercise 4 · R1 (★★, important, 15 minutes)
#
# You need one gradient for each row of `real`. The rows do not influence each other, so the gradient of the *sum* of the logits
# holds the gradient of each row. And a gradient *inside* a loss must itself be differentiable: `torch.autograd.grad` has an argument
# for that.

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

# %% [markdown]
# The **Wasserstein** game takes another way. Here $\ell$ need not be a log-odds at all, and $D$ is called a *critic*. If the critic is
# 1-Lipschitz, the largest value of $\mathbb{E}\,\ell(x) - \mathbb{E}\,\ell(G(z))$ is the distance that the mass of $G$ has to travel
# (Arjovsky et al. 2017), and this distance has a slope however far apart the two are. The method depends on this constraint, and the
# constraint comes from outside the loss: from a penalty $\lambda\, \mathbb{E} (\lVert \nabla_x \ell \rVert - 1)^2$ between real and
# fake (**WGAN-GP**, Gulrajani et al. 2017), or from spectral norm.
#
# **Predict** before you run: against five steps of $D$, how many modes does $G$ cover without R1, how many with it? And what does the
# Wasserstein loss do *without* the constraint?

# %%
R1 = partial(penalties.r1, gamma=1.0)
GP = partial(penalties.gradient_penalty, weight=0.1)    # the authors' own weight for such toy data
setups |= {
    "saturating": Setup(losses.SATURATING),
    "least squares": Setup(losses.LEAST_SQUARES),
    "hinge": Setup(losses.HINGE),
    "Wasserstein, no constraint": Setup(losses.WASSERSTEIN),
    "Wasserstein, no constraint, 5 D steps": Setup(losses.WASSERSTEIN, d_steps=5),
    "WGAN-GP, 1 D step": Setup(losses.WASSERSTEIN, penalty=GP),
    "WGAN-GP, 5 D steps": Setup(losses.WASSERSTEIN, penalty=GP, d_steps=5),
    "non-saturating + R1": Setup(losses.NON_SATURATING, penalty=R1),
    "non-saturating + spectral norm": Setup(losses.NON_SATURATING, spectral=True),
    "hinge + spectral norm": Setup(losses.HINGE, spectral=True),
    "non-saturating, 5 D steps": Setup(losses.NON_SATURATING, d_steps=5),
    "non-saturating + R1, 5 D steps": Setup(losses.NON_SATURATING, penalty=R1, d_steps=5),
    "non-saturating, beta1 = 0.9": Setup(losses.NON_SATURATING, beta1=0.9)}
runs |= {name: play(setup) for name, setup in setups.items() if name not in runs}

# %%
shown = ["Wasserstein, no constraint", "non-saturating, beta1 = 0.9", "non-saturating, 5 D steps",
         "non-saturating + R1, 5 D steps"]
figure = film(shown, looks)
last = {name: runs[name].own_modes[-1].double().mean().item() for name in shown}
figure.suptitle(f"Against a strong D, G itself covers {last[shown[2]]:.1f} modes at the end, and "
                f"{last[shown[3]]:.1f} if D has R1 (means of five games)", fontsize=16)
plots.save(figure, "02_strong_d")
plt.show()

# %% [markdown]
# In the first row, a critic without its constraint never settles. In the second, momentum of 0.9 keeps the two swinging past each
# other, because it averages old gradients that belong to an earlier state of the game. The third and fourth rows show the strong
# $D$, without R1 and with it.
#
# ## 6 · The contest
#
# Now we compare all set-ups under one budget. The films showed $G$ itself, which jitters to the end. From here on we score the
# *averaged* $G$, which you would keep. **Predict** three things before you look: which set-ups cover all eight modes in all five
# games, which set-up is first, and whether the choice of the *loss* matters more or less than the other choices.

# %%
def first_complete(run):
    """For each game, the first look at which the averaged G covers all modes: iteration or None."""
    return [next((i for i, modes in zip(run.iterations, game) if modes == N_MODES), None)
            for game in run.modes.T]


def words(values):
    return " ".join("–" if value is None else f"{value:g}" for value in values)


# %%
table, lines = {}, [
    "| set-up | modes covered by the averaged G, each game | by G itself "
    "| good samples, median | first complete at iteration | gradient at G, median |",
    "|---|---|---|---|---|---|",
    f"| *real points* | 8 | 8 | {100 * real_quality.item():.0f} % | | |",
    f"| *thin circle, no modes* | 8 | 8 | {100 * circle_quality.item():.0f} % | | |"]
for name, run in runs.items():
    modes, good, when = run.modes[-1].double(), run.quality[-1], first_complete(run)
    table[name] = results.add("modes covered", modes, unit="of 8", setting="-", arm=name,
                              per_game=modes.tolist(), quality=good.tolist(), first_complete=when)
    results.add("gradient norm at G", run.gradient.median(dim=0).values, unit="norm", setting="-",
                arm=name)
    own = words(run.own_modes[-1].tolist())
    lines.append(f"| {name} | {words(modes.tolist())} | {own} | {100 * good.median():.0f} % "
                 f"| {words(when)} | {run.gradient.median():.2g} |")
display(Markdown("\n".join(lines)))

# %% tags=["machine"]
for name, run in runs.items():
    print(f"{name:38} {run.seconds[-1] / 5:5.1f} s a game on this machine")

# %%
order = sorted(runs, key=lambda name: (runs[name].modes[-1].double().mean(),
                                       runs[name].modes.double().mean()))
figure, ax = plt.subplots(figsize=(11, 0.45 * len(order) + 1.6))
for row, name in enumerate(order):
    counts = runs[name].modes[-1].double()
    ax.plot(counts, row + torch.linspace(-0.2, 0.2, 5), "o", color=plots.COLOURS[0], markersize=8)
complete = sum(bool((run.modes[-1] == N_MODES).all()) for run in runs.values())
ax.set(yticks=range(len(order)), xlim=(-0.3, 8.3),
       xlabel="modes the averaged G covers at the end, a dot for each of five games",
       title=f"{complete} of {len(order)} set-ups cover all eight modes in all five games")
ax.set_yticklabels(order, fontsize=12)
ax.grid(axis="y", alpha=0.4)
plots.save(figure, "02_contest")
plt.show()

# %% [markdown]
# Read the table with care:
#
# * **Complete is not finished.** Every complete set-up has found the ring. It has more good samples than the thin circle, so it has
#   begun to form modes. But half of its samples still lie on the bridges between modes, where real points never are. A longer run
#   would have to clear them.
# * **The rates matter more than the loss.** At equal rates and without momentum, saturating, non-saturating, least squares and hinge
#   all cover the ring. With a fast $G$, hardly a game covers it under any of three losses. The same holds for momentum 0.9, which we
#   tried with the non-saturating loss only.
# * **The saturating loss survives here**, because $D$ never gets far ahead. Section 3 shows what happens when $D$ is far ahead.
# * **Wasserstein needs a critic near its best.** With one step of $D$ per iteration it fails, with the penalty and without it. The
#   two rows with five steps show the effect of the constraint.
# * **More steps of $D$ are no cure by themselves.** Without R1 modes are lost in some games, and with R1 in no game. Five games
#   suggest this effect of R1 but do not prove it. (The number of iterations is the same in all rows, so five steps of $D$ also cost
#   more.) Under R1 the gradients that reach $G$ are small, too, because $D$ is smooth where the data are.
# * **Spectral norm** makes this $D$ flat and therefore $G$ slow. With the non-saturating loss $G$ finds all modes, but later than
#   without spectral norm. With the hinge loss it does not find them in time. This is a verdict on this budget, not on the method,
#   which is among the most used on images.
# * **There is no winner among the complete set-ups.** Their fractions of good samples are so close that five more games might give
#   another order. (The figure orders ties by the modes covered along the way.)
#
# These are five games on one problem, with one budget and one size of network. On another problem the ranks may change. Lucic et
# al. (2018) compared these losses with a large budget for tuning and found no loss that wins throughout. The method of comparison
# carries over, and the ranks may not.

# %% [markdown]
# ## 7 · A page to keep
#
# | symptom | likely cause | remedy | see |
# |---|---|---|---|
# | G stands still, D's loss is near 0 | saturating loss, and D far ahead | non-saturating loss | section 3 |
# | all samples alike, jumping together | mode collapse: G faster than D | D's rate at least G's; more D steps | section 4 |
# | samples swing about and never settle | too much momentum | $\beta_1$ of 0 or 0.5; average G's weights | section 5 |
# | some kinds missing, the rest good | D flat at the fakes, steep elsewhere | R1; measure coverage | section 5, notebook 03 |
# | losses and gradients grow without end | a critic without a constraint | gradient penalty or spectral norm | section 5 |
# | WGAN-GP learns slowly or not at all | the critic is not near its best | several D steps for each of G | section 6 |
# | the loss is `nan` | logarithm of a rounded 0; rate too high | losses on logits; a lower rate; `gan.fit` names the iteration | notebook 01 |
# | D's loss falls, G learns nothing | the D step trains G, or old gradients pile up | fakes without graph; `zero_grad` | exercise 3 |
# | all was well, then suddenly worse | the two do not settle | average of weights (`ema`); checkpoints | `gan.fit` |
# | good losses, bad samples | losses measure a balance, not quality | look, and measure samples | notebook 03 |
# | samples ignore what was asked for | D does not see the condition | projection discriminator | notebook 04 |

# %% [markdown]
# ## The answer
#
# GANs fail because the goal of each player moves with the other. The gradient of the minimax loss vanishes when $D$ is far ahead,
# and a non-saturating loss cures that. $G$ collapses when $D$ is too slow, and swings when it follows old gradients. At equal rates
# and without momentum, four losses alike cover the ring. A Wasserstein critic works here only if it is constrained and gets several
# steps per iteration.

# %%
full = [name for name, record in table.items() if min(record["per_game"]) == N_MODES]
good = [100 * runs[name].quality[-1].median().item() for name in full]
which = (f", with {min(good):.0f} to {max(good):.0f} % good samples: "
         + ", ".join(f"**{name}**" for name in full)) if full else ""
display(Markdown(f"{len(full)} of {len(table)} set-ups cover all eight modes in all five games"
                 f"{which}. In five games, the plain non-saturating game with a fast $G$ covers "
                 f"{words(table['non-saturating, fast G']['per_game'])} modes."))

# %% [markdown]
# **Read next.** Mescheder, Geiger & Nowozin 2018, *Which training methods for GANs do actually converge?*, for R1 and for games that do
# not settle; Arjovsky & Bottou 2017, *Towards principled methods for training generative adversarial networks*, for the vanishing gradient.
# Then [notebook 03](03_drawing_characters.ipynb): images.
