# %% [markdown]
# # 02 · Making it train
#
# **The question.** Why do GANs fail, and which loss cures what?
#
# The theory of notebook 01 promises that $G$ ends at the data. Practice delivers vanishing gradients, a generator that
# draws one thing, and losses that run away. In two dimensions all of this happens in seconds and in full view: you will
# cause each failure on purpose, measure it, and then hold seventeen set-ups against each other on one problem, five
# games each. You keep a page of symptoms, causes and remedies.
#
# **You need** notebook 01. **Time**: 45 minutes, and about 50 more with the four exercises; the runs take two to three
# minutes.
#
# Parameters as in notebook 00. This notebook makes its own data: `dataset` changes nothing here.

# %% tags=["parameters"]
import os

profile = os.environ.get("COURSE_PROFILE", "cpu")
dataset = os.environ.get("COURSE_DATASET", "glyphs")
device = os.environ.get("COURSE_DEVICE", "auto")
seed = int(os.environ.get("COURSE_SEED", "0"))

# %%
import copy
import math
import time
from functools import partial
from typing import NamedTuple

import matplotlib.pyplot as plt
import torch
from IPython.display import Markdown, display
from torch import nn
from torch.nn.functional import normalize, softplus

from course_lib import gan, losses, networks, penalties, plots, quality, records, runtime

plots.use_style()
sizes = runtime.profile(profile)
device = runtime.device(device)
results = records.Results("02_making_it_train", dataset=dataset, profile=profile, seed=seed, device=device)
N_TURNS = sizes.pick(smoke=10, cpu=500, gpu=3000)
EVERY = sizes.pick(smoke=5, cpu=20, gpu=50)                # turns between two looks at G
BATCH, N_SAMPLES = sizes.pick(smoke=16, cpu=64, gpu=256), 2000

# %% [markdown]
# ## 1 · Eight modes in a ring
#
# The data are eight equal Gaussians on a circle of radius 2, with a standard deviation of 0.1: the usual test since Metz et
# al. 2017. A *mode* is one of the eight clusters.

# %%
RADIUS, SPREAD, N_MODES = 2.0, 0.1, 8
angle = torch.arange(N_MODES, device=device) * 2 * math.pi / N_MODES
centres = RADIUS * torch.stack([angle.cos(), angle.sin()], dim=1)          # [8, 2]


def ring(n, rng):
    """n fresh points of the data: [n, 2]."""
    mode = torch.randint(N_MODES, (n,), generator=rng, device=rng.device)
    return centres[mode] + SPREAD * torch.randn(n, 2, generator=rng, device=rng.device)


# %% [markdown]
# Two numbers say how a generator does. As in VEEGAN (Srivastava et al. 2017), a sample is of **high quality** if it lies
# within three standard deviations of a centre. A mode is **covered** if it receives at least a quarter of its fair share: of
# 2,000 samples, at least 2000 / 8 / 4 = 62.5 high-quality ones. (VEEGAN asks for one only: kinder to accidents.)
# The two belong together: a thin circle through all centres, without any mode, covers eight as well. Its share of good samples is what
# a generator must beat.
#
# **Predict**: what share of the *real* points is of high quality? (In one dimension, 99.7 % lie within three standard
# deviations. In two, more or fewer?)

# %% tags=["nbval-check-output"]
def score(x):
    """(modes covered, share of high quality) for each set of samples x [S, N, 2]: two tensors [S]."""
    distance, mode = torch.cdist(x, centres).min(dim=2)                                # [S, N]
    good = distance < 3 * SPREAD
    counts = torch.stack([(good & (mode == m)).sum(dim=1) for m in range(N_MODES)])    # [8, S]
    return (counts >= x.shape[1] / N_MODES / 4).sum(dim=0), good.float().mean(dim=1)


real = ring(200_000, runtime.rng(0, device))
modes, quality = score(real[None])
print(f"real points: {modes.item()} modes covered, high quality {100 * quality.item():.1f} %; "
      f"theory {100 * (1 - math.exp(-4.5)):.1f} %")
turn = torch.linspace(0, 2 * math.pi, 200_001, device=device)[:-1]
circle = RADIUS * torch.stack([turn.cos(), turn.sin()], dim=1)
(modes, ), (circle_quality, ) = score(circle[None])
print(f"thin circle: {modes.item()} modes covered, high quality {100 * circle_quality.item():.1f} %")

# %% [markdown]
# ## 2 · Five games side by side
#
# One run of a GAN is an anecdote, so every set-up gets five. Small networks keep a processor waiting more than working;
# five at once take little longer than one. So we stack them: the weights of one layer of five networks form one tensor
# `[5, in, out]`, and rows 0 to $B-1$ of a batch belong to game 0, the next $B$ to game 1, and so on.
#
# On a first reading, skip the code of this section: `play(setup)`, at its end, plays five games with one set-up and returns what it saw.

# %%
class StackedLinear(nn.Module):
    """The same linear layer of S networks: h [S, B, in] -> [S, B, out]."""

    def __init__(self, linears):
        super().__init__()
        self.weight = nn.Parameter(torch.stack([layer.weight.detach().T for layer in linears]))        # [S, in, out]
        self.bias = nn.Parameter(torch.stack([layer.bias.detach()[None] for layer in linears]))        # [S, 1, out]

    def forward(self, h):
        return torch.baddbmm(self.bias, h, self.weight)


# %%
class SideBySide(nn.Module):
    """S networks as one; x [S*B, ...] -> what each makes of its own B rows, [S*B, ...]."""

    def __init__(self, players):
        super().__init__()
        self.n, self.z_dim = len(players), getattr(players[0], "z_dim", None)
        self.layers = nn.ModuleList(StackedLinear(group) if isinstance(group[0], nn.Linear) else group[0]
                                    for group in zip(*(player.layers for player in players)))

    def forward(self, x):
        h = x.unflatten(0, (self.n, -1))            # [S, B, ...]
        for layer in self.layers:
            h = layer(h)
        return h.flatten(0, 1).squeeze(1)           # G: [S*B, 2], D: [S*B]


# %% [markdown]
# The games share no weight and no batch row. Our losses are means over all rows, so each game sees its own loss divided by
# five, and Adam divides by the size of the gradient anyway. Is it so? Each stacked discriminator must say what it says
# alone, and after ten steps still.

# %% tags=["nbval-check-output"]
runtime.seed_everything(seed)
alone = [networks.PointDiscriminator(width=16) for _ in range(5)]
together = SideBySide(copy.deepcopy(alone))
chance = runtime.rng(seed)
for step in range(11):
    x, fake = torch.randn(2, 5 * 32, 2, generator=chance)
    logits = torch.cat([D(rows) for D, rows in zip(alone, x.chunk(5))])
    if step in (0, 10):
        print(f"after {step:2d} steps, the same logits:", torch.allclose(together(x), logits, atol=1e-4))
    if step == 0:
        optimisers = [torch.optim.Adam(D.parameters(), lr=3e-3, eps=1e-12) for D in (*alone, together)]
    for D, optimiser, real, f in zip((*alone, together), optimisers, (*x.chunk(5), x), (*fake.chunk(5), fake)):
        optimiser.zero_grad()
        losses.NON_SATURATING.d(D(real), D(f)).backward()
        optimiser.step()

# %% [markdown]
# Now a set-up, and a function that plays it five times. Both players are networks of three layers, 64 wide. Unless a
# line says otherwise, *everything is the same for all*: Adam with a learning rate of 0.003 for both players,
# $\beta_1 = 0$ (no *momentum*: Adam steps along the gradient of this step alone, not along an average with older ones), $\beta_2 = 0.99$,
# one step of $D$ per turn, the same number of turns, the same first weights. The rates and betas were
# chosen on the plain non-saturating game, from a few tried, because it learns the ring in a few hundred turns.

# %%
class Setup(NamedTuple):
    loss: losses.GANLoss
    penalty: object = None
    spectral: bool = False
    d_steps: int = 1
    lr: tuple = (3e-3, 3e-3)        # of G, of D
    beta1: float = 0.0


def players(spectral=False):
    """Five generators and five discriminators, with the same first weights in every set-up."""
    runtime.seed_everything(seed)
    G = SideBySide([networks.PointGenerator(width=64) for _ in range(5)])
    D = SideBySide([networks.PointDiscriminator(width=64) for _ in range(5)])
    for layer in D.layers[::2] if spectral else ():
        nn.utils.parametrize.register_parametrization(layer, "weight", SpectralNorm(layer.weight))
    return G.to(device), D.to(device)


# %% [markdown]
# *Spectral norm* (Miyato et al. 2018) divides each weight matrix by its largest singular value, so that no layer stretches
# any distance: with activations of slope at most 1, $D$ is then 1-Lipschitz, $|D(x) - D(x')| \le \lVert x - x' \rVert$. The value is
# found by power iteration: multiplied by $W$ and $W^\top$ in turn, nearly any vector $u$ turns towards the right one. One turn
# per call is enough, for $W$ moves slowly. (`networks.PointDiscriminator(spectral=True)` has it from PyTorch; here it is, stacked.)

# %%
class SpectralNorm(nn.Module):
    """Weights [S, in, out] -> the same, each matrix divided by its largest singular value."""

    def __init__(self, weight):
        super().__init__()
        self.register_buffer("u", torch.randn(len(weight), 1, weight.shape[1]))
        for _ in range(20):
            self(weight)

    def forward(self, weight):
        with torch.no_grad():
            v = normalize(self.u @ weight, dim=2)
            self.u = normalize(v @ weight.mT, dim=2) if self.training else self.u       # looking leaves it alone
        return weight / (self.u @ weight @ v.mT)


# %% [markdown]
# During a run we watch, every few turns: the modes covered by $G$ itself and by the *average* of $G$'s recent weights (what
# `gan.fit` returns), and **the norm of the gradient that reaches $G$'s weights**.

# %%
def gradient_norm(G, D, g_loss, z):
    """The norm of the gradient of G's loss, over all weights of G, in each of the five games: [5]."""
    objective = 5 * g_loss(D.eval()(G(z)))      # the mean over five games -> their sum
    D.train()
    gradients = torch.autograd.grad(objective, list(G.parameters()))
    return torch.cat([g.flatten(1) for g in gradients], dim=1).norm(dim=1).cpu()


def look(G, chance):
    """2,000 samples of each of the five generators: [5, 2000, 2]."""
    with torch.no_grad():
        return G(gan.noise(G, 5 * N_SAMPLES, chance)).unflatten(0, (5, -1))


class Run(NamedTuple):
    """Five games; L looks at them."""

    turns: list                     # [L]
    modes: torch.Tensor             # [L, 5] covered by the averaged G
    own_modes: torch.Tensor         # [L, 5] covered by G itself
    quality: torch.Tensor           # [L, 5] share of the averaged G's samples of high quality
    gradient: torch.Tensor          # [L, 5] norm of the gradient that reaches G
    samples: torch.Tensor           # [L, 300, 2] of G itself, game 0
    seconds: list                   # [L] since the start, for all five games


# %%
def play(setup):
    (G, D), chance, rows, start = players(setup.spectral), runtime.rng(seed, device), [], time.perf_counter()

    def watch(turn, average):
        if turn % EVERY == 0:
            still = runtime.rng(seed + turn, device)      # looking must not change the game
            own, mean = look(G, still), look(average, still)
            gradient = gradient_norm(G, D, setup.loss.g, gan.noise(G, 5 * BATCH, still))
            (own_modes, _), (modes, quality) = score(own), score(mean)
            rows.append((turn, modes.cpu(), own_modes.cpu(), quality.cpu(), gradient, own[0, :300].cpu(),
                         time.perf_counter() - start))

    gan.fit(G, D, lambda g: (ring(5 * BATCH, g),), n_steps=N_TURNS, loss=setup.loss, penalty=setup.penalty,
            rng=chance, d_steps=setup.d_steps, lr=setup.lr, betas=(setup.beta1, 0.99), ema=0.99, watch=watch)
    turns, *measured, seconds = zip(*rows)
    return Run(list(turns), *(torch.stack(column) for column in measured), list(seconds))


# %% [markdown]
# ## 3 · First failure: the teacher who says only "no"
#
# $D$ returns a logit $\ell$; its probability for "real" is $\sigma(\ell)$. What $G$ learns passes through one number, the
# slope of its loss at $\ell$. For the minimax loss $\log(1 - \sigma(\ell)) = -\mathrm{softplus}(\ell)$ and for the
# **non-saturating** loss $-\log \sigma(\ell)$,
#
# $$ \left|\frac{\partial}{\partial \ell} \log(1 - \sigma(\ell))\right| = \sigma(\ell), \qquad
#    \left|\frac{\partial}{\partial \ell} \bigl(-\log \sigma(\ell)\bigr)\right| = \sigma(-\ell) = 1 - \sigma(\ell). $$
#
# At first $D$ recognises every fake: $\ell \ll 0$. There $\sigma(\ell) \approx e^{\ell}$: the minimax loss falls silent
# just when $G$ needs most help. It **saturates** (Goodfellow et al. 2014, section 3).
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
# ### Exercise 2 · Who falls silent where? (★★, important, 10 minutes)
#
# There are four generator losses in `course_lib/losses.py`. You know two. With $\ell_r$ and $\ell_f$ for the logits of real and fake, the others are
#
# | | $D$ minimises | $G$ minimises | in code |
# |---|---|---|---|
# | least squares (Mao et al. 2017) | $\tfrac12 \mathbb{E} (\ell_r - 1)^2 + \tfrac12 \mathbb{E}\, \ell_f^2$ | $\tfrac12 \mathbb{E} (\ell_f - 1)^2$ | `least_squares_g` |
# | hinge (Lim & Ye 2017) | $\mathbb{E} \max(0, 1 - \ell_r) + \mathbb{E} \max(0, 1 + \ell_f)$ | $-\mathbb{E}\, \ell_f$ | `wasserstein_g` |
# | Wasserstein (Arjovsky et al. 2017) | $\mathbb{E}\, \ell_f - \mathbb{E}\, \ell_r$ | $-\mathbb{E}\, \ell_f$ | `wasserstein_g` |
#
# **Predict** for each: where is its slope near zero, for a $D$ that
# is sure of "fake" ($\ell = -8$), unsure ($0$), fooled ($8$)? Then write the function that measures it, for any loss that is a mean
# over the batch.

# %%
def my_slopes(g_loss, logits):
    """The slope of one sample's loss at each of the logits [B]: [B]. g_loss: logits [B] -> their mean loss."""
    ### BEGIN SOLUTION
    logits = logits.detach().requires_grad_()
    slope, = torch.autograd.grad(g_loss(logits) * len(logits), logits)
    return slope
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.loss_slopes(my_slopes)

# %% [markdown]
# **Now with a real $D$.** Freeze an untrained $G$, train $D$ alone against it, and measure after each few steps how sure $D$ is and
# what gradient would reach $G$ under each loss: same $D$, same fakes, four losses. **Predict**: by what factor does the saturating
# gradient lag behind the non-saturating one when $D$ gives fakes a probability of 1 %?

# %%
G_LOSSES = {"saturating": losses.saturating_g, "non-saturating": losses.non_saturating_g,
            "least squares": losses.least_squares_g, "Wasserstein, hinge": losses.wasserstein_g}


def sure_and_silent(n_steps, every):
    """Train D alone: (mean logit of fakes [L, 5], {loss: gradient norm [L, 5]})."""
    (G, D), chance, sureness, norms = players(), runtime.rng(seed, device), [], {name: [] for name in G_LOSSES}
    optimiser = torch.optim.Adam(D.parameters(), 3e-3, (0.0, 0.99))
    for step in range(n_steps + 1):
        if step % every == 0:
            z = gan.noise(G, 5 * 256, runtime.rng(seed + 1, device))
            sureness.append(D(G(z)).detach().view(5, -1).mean(dim=1).cpu())
            for name, g_loss in G_LOSSES.items():
                norms[name].append(gradient_norm(G, D, g_loss, z))
        gan.d_step(G, D, ring(5 * BATCH, chance), loss=losses.NON_SATURATING, optimiser=optimiser, rng=chance)
    return torch.stack(sureness), {name: torch.stack(values) for name, values in norms.items()}


sureness, norms = sure_and_silent(n_steps=sizes.pick(smoke=10, cpu=200, gpu=400), every=5)

# %%
ratio = norms["saturating"] / norms["non-saturating"]
figure, (left, right) = plt.subplots(1, 2, figsize=(14, 5.2))
for (name, values), style in zip(norms.items(), ("-", "--", ":", "-.")):
    left.plot(5 * torch.arange(len(values)), values.median(dim=1).values, style, label=name)
left.set(yscale="log", xlabel="steps of D alone", ylabel="norm of the gradient that reaches G",
         title=f"Saturating: {ratio[-1].median():.0e} of the non-saturating at the end")
left.legend(fontsize=12)
right.plot(sureness.flatten(), ratio.flatten(), "o", label="measured, five games")
line = torch.linspace(sureness.min(), sureness.max(), 50)
right.plot(line, line.exp(), color="black", label="theory for equal logits: exp(ℓ)")
right.set(yscale="log", xlabel="mean logit ℓ that D gives to fakes", ylabel="saturating / non-saturating",
          title="The surer D, the smaller the share that is left")
right.legend(fontsize=12)
plots.save(figure, "02_saturation")
plt.show()

# %% [markdown]
# The theory line is the ratio of the two slopes, $\sigma(\ell) / \sigma(-\ell) = e^{\ell}$; at $\sigma(\ell) = 0.01$ it is about 1/99. It would hold
# exactly if all fakes had the same logit. They do not: the fakes that $D$ doubts most still get a saturating gradient,
# and carry the mean above the line.
#
# Look at the other two as well. On *this* $D$, whose logits are log-odds, $\ell = \log \frac{D}{1 - D}$, least squares pulls the harder the surer $D$ is, as
# its slope is $\ell - 1$ (a $D$ trained by least squares aims at $\ell = 0$ for fakes, where the slope is $-1$). Wasserstein's slope is always $-1$, so that
# what varies there is $D$ alone.

# %% [markdown]
# ## 4 · Second failure: one mode, then another
#
# If $G$ moves faster than $D$, the best reply to today's $D$ is to put *all* samples where $D$ is most easily fooled. $D$ notices
# and $G$ moves on, together: **mode collapse**, and hopping. The theory of notebook 01 let $D$ answer fully before each move of $G$; here
# we take that away, with a learning rate of 0.01 for $G$ and 0.001 for $D$.
#
# **Predict**: which loss saves it: non-saturating, least squares, hinge? Or none?

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
    figure, axes = plt.subplots(len(names), len(at), figsize=(2.3 * len(at), 2.45 * len(names)), squeeze=False)
    for row, name in zip(axes, names):
        run = runs[name]
        for ax, t in zip(row, at):
            ax.plot(*centres.cpu().T, "o", color="#BBBBBB", markersize=12, markeredgewidth=0)
            ax.plot(*run.samples[t].T, ".", color=plots.COLOURS[0], markersize=3)
            ax.set(xlim=(-3, 3), ylim=(-3, 3), aspect="equal", xticks=[], yticks=[])
            ax.set_title(f"turn {run.turns[t]}: {run.own_modes[t, 0]} of 8", fontsize=13)
        row[0].set_ylabel(name.replace(", ", ",\n"), fontsize=13)
    return figure


looks = [round(k * (len(runs["non-saturating"].turns) - 1) / 6) for k in range(1, 7)]
figure = film(list(runs), looks)
last = {name: run.own_modes[-1].double().mean().item() for name, run in runs.items()}
fast = [value for name, value in last.items() if "fast" in name]
figure.suptitle(f"At the end a fast G itself covers {min(fast):.1f} to {max(fast):.1f} modes; at equal rates "
                f"{last['non-saturating']:.1f} (means of five games)", fontsize=16)
plots.save(figure, "02_collapse")
plt.show()

# %% [markdown]
# Blue is what $G$ draws at that moment, grey are the eight modes. Follow one row: the blue spot jumps. No choice of loss holds
# it: each tells $G$ where $D$ is weak *now*, and $D$ is always late. The last row differs from the first in the learning rates alone.
#
# ### Exercise 3 · The bug that teaches D to help G (★★★, very important, 15 minutes)
#
# A common accident has the same look, a game that will not settle. This step is meant for $D$ alone:
#
# ```python
# def broken_d_step(G, D, real, loss, optimiser, generator):
#     fake = G(gan.noise(G, len(real), generator))
#     objective = loss.d(D(real), D(fake))
#     objective.backward()
#     optimiser.step()
#     return objective
# ```
#
# What does the gradient do to $G$? What is left in `.grad` for the next step, of either player? What becomes of memory,
# if someone collects what it returns? Write it so that $D$ moves exactly as in `gan.d_step`, and $G$'s weights do not move:
# not even if somebody handed over an optimiser that holds both players' weights, and an old gradient lies in $G$ (which you may
# clear). Your step leaves no new gradient in $G$, and both players in the mode in which they came. It returns $D$'s loss as a tensor
# without graph.

# %%
def my_d_step(G, D, real, loss, optimiser, rng):
    """One step of D, with fresh fakes; returns D's loss before it, a scalar tensor without graph."""
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
# If a weak $D$ is the trouble, make it strong: five steps of $D$ for each of $G$. That has a failure of its own.
#
# Look at what $D$ learns. With no fakes near a mode, it may put a cliff between that mode and the fakes, and be flat where the
# fakes are. What $G$ gets is the slope of $D$ *at the fakes*: nothing there points across the gap. **R1** (Mescheder et al. 2018)
# charges $D$ for its slope at the data,
#
# $$ R_1 = \frac{\gamma}{2}\, \mathbb{E}_{x \sim p} \lVert \nabla_x \ell(x) \rVert^2 . $$
#
# The cliff itself, between data and fakes, is not charged. But it ends at the data, and a network that must be gentle there tends to be
# gentle near them, too. R1 has a second effect. When $G$ has arrived, a $D$ without R1 may keep pushing it about; with R1, doing nothing is
# cheapest, and in the simple cases where this can be proved the game converges.
#
# ### Exercise 4 · R1 (★★, important, 15 minutes)
#
# You need one gradient for each row of `real`. The rows do not influence each other, so the gradient of the *sum* of the logits
# holds each row's own. And a gradient *inside* a loss must itself be differentiable: `torch.autograd.grad` can do that, if asked.

# %%
def my_r1(D, real, gamma):
    """gamma/2 E |grad D(x)|^2 at real x [B, dim], D's logits [B]: a scalar that D can be trained on."""
    ### BEGIN SOLUTION
    x = real.detach().requires_grad_()
    gradient, = torch.autograd.grad(D(x).sum(), x, create_graph=True)      # [B, dim], for rows do not mix
    return gamma / 2 * gradient.square().sum(dim=1).mean()
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.r1_penalty(my_r1)

# %% [markdown]
# The **Wasserstein** game takes the other way out: $\ell$ need not be a log-odds at all, and $D$ is then called a *critic*. If it is 1-Lipschitz,
# $\mathbb{E}\,\ell(x) - \mathbb{E}\,\ell(G(z))$ is at its best the distance that the mass of $G$ has to travel (Arjovsky et al. 2017), and it has a
# slope however far apart the two are. The constraint is the whole point, and comes from outside the loss: a penalty
# $\lambda\, \mathbb{E} (\lVert \nabla_x \ell \rVert - 1)^2$ between real and fake (**WGAN-GP**, Gulrajani et al. 2017), or spectral norm.
#
# **Predict** before you run: against five steps of $D$, how many modes does $G$ cover without R1, how many with it? And what does the
# Wasserstein loss do *without* the constraint?

# %%
R1 = partial(penalties.r1, gamma=1.0)
GP = partial(penalties.gradient_penalty, weight=0.1)       # the weight of the authors' own code for such toy data
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
figure.suptitle(f"At the end G itself covers {last[shown[2]]:.1f} modes against a strong D, {last[shown[3]]:.1f} if it has R1 "
                "(means of five games)", fontsize=16)
plots.save(figure, "02_strong_d")
plt.show()

# %% [markdown]
# Above, a critic without its constraint never settles, and momentum of 0.9 keeps the two swinging past each other: it averages old
# gradients, and the game they belonged to is gone. Below, the strong $D$, without R1 and with it.
#
# ## 6 · The contest
#
# All of them, under one budget. The films showed $G$ itself, which jitters to the end; from here on we score the *averaged* $G$, the one
# you would keep. **Predict** three things before you look: which set-ups cover all eight modes in all five games, which
# is first, and whether the choice of the *loss* matters more or less than the rest.

# %%
def first_complete(run):
    """The turn of the first look at which the averaged G covers all modes; None if there is none. For each game."""
    return [next((turn for turn, modes in zip(run.turns, game) if modes == N_MODES), None) for game in run.modes.T]


def words(values):
    return " ".join("–" if value is None else f"{value:g}" for value in values)


table, lines = {}, ["| set-up | modes covered by the averaged G, each game | by G itself | good samples, median | first complete at turn | gradient at G, median |",
                    "|---|---|---|---|---|---|", f"| *real points* | 8 | 8 | {100 * quality.item():.0f} % | | |",
                    f"| *thin circle, no modes* | 8 | 8 | {100 * circle_quality.item():.0f} % | | |"]
for name, run in runs.items():
    modes, good, when = run.modes[-1].double(), run.quality[-1], first_complete(run)
    table[name] = results.add("modes covered", modes, unit="of 8", setting="-", arm=name, per_game=modes.tolist(),
                              quality=good.tolist(), first_complete=when)
    results.add("gradient norm at G", run.gradient.median(dim=0).values, unit="norm", setting="-", arm=name)
    lines.append(f"| {name} | {words(modes.tolist())} | {words(run.own_modes[-1].tolist())} | {100 * good.median():.0f} % | {words(when)} | {run.gradient.median():.2g} |")
display(Markdown("\n".join(lines)))

# %% tags=["machine"]
for name, run in runs.items():
    print(f"{name:32} {run.seconds[-1] / 5:5.1f} s a game on this machine")

# %%
order = sorted(runs, key=lambda name: (runs[name].modes[-1].double().mean(), runs[name].modes.double().mean()))
figure, ax = plt.subplots(figsize=(11, 0.45 * len(order) + 1.6))
for row, name in enumerate(order):
    counts = runs[name].modes[-1].double()
    ax.plot(counts, row + torch.linspace(-0.2, 0.2, 5), "o", color=plots.COLOURS[0], markersize=8)
complete = sum(bool((run.modes[-1] == N_MODES).all()) for run in runs.values())
ax.set(yticks=range(len(order)), xlim=(-0.3, 8.3), xlabel="modes the averaged G covers at the end, a dot for each of five games",
       title=f"{complete} of {len(order)} set-ups cover all eight modes in all five games")
ax.set_yticklabels(order, fontsize=12)
ax.grid(axis="y", alpha=0.4)
plots.save(figure, "02_contest")
plt.show()

# %% [markdown]
# Read it with care:
#
# * **Complete is not finished.** Every complete set-up has found the ring, and good samples beyond the thin circle's share say that it has begun
#   to form modes; half of its samples still lie on the bridges between them, where real points never are. A longer run would have to clear them.
# * **The rates matter more than the loss.** At equal rates and without momentum, saturating, non-saturating, least squares and hinge all
#   cover the ring. With a fast $G$, hardly a game does under any of three losses; nor with momentum 0.9, which we tried on
#   the non-saturating loss only.
# * **The saturating loss survives here**, because $D$ never gets far ahead. Section 3 shows what waits where it does.
# * **Wasserstein needs a critic near its best**: with one step of $D$ a turn it fails, with the penalty and without it. With
#   five, compare the two rows: that is what the constraint does.
# * **More steps of $D$ are no cure by themselves**: without R1 modes are lost in some games, with it, in none; five games suggest that and
#   do not settle it. (Turns are equal in all rows, so five steps of $D$ also cost more.) Gradients that reach $G$ are small under R1,
#   too: $D$ is smooth where the data are.
# * **Spectral norm** makes this $D$ flat, and $G$ slow: with the non-saturating loss all modes come, later than without; with
#   the hinge loss not in time. A verdict on this budget, not on the method: on images it is among the most used.
# * **There is no winner among the complete.** Their shares of good samples lie so close that five more games might rank them anew
#   (the figure ranks ties by the modes covered along the way).
#
# Five games on one problem, one budget, one size of network: with another problem the ranks may change. Lucic et al. (2018) compared these
# losses with a large budget for tuning and found none that wins throughout. What carries over is the way of looking.

# %% [markdown]
# ## 7 · A page to keep
#
# | symptom | likely cause | remedy | see |
# |---|---|---|---|
# | G stands still, D's loss is near 0 | saturating loss, and D far ahead | non-saturating loss | section 3 |
# | all samples alike, jumping about together | mode collapse: G faster than D | D's rate at least G's; more D steps | section 4 |
# | samples swing about and never settle | too much momentum | $\beta_1$ of 0 or 0.5; average G's weights | section 5 |
# | some kinds missing, the rest good | D flat at the fakes, steep elsewhere | R1; measure coverage | section 5, notebook 03 |
# | losses and gradients grow without end | a critic without a constraint | gradient penalty or spectral norm | section 5 |
# | WGAN-GP learns slowly or not at all | the critic is not near its best | several D steps for each of G | section 6 |
# | the loss is `nan` | logarithm of a rounded 0; rate too high | losses on logits; a lower rate; `gan.fit` names the turn | notebook 01 |
# | D's loss falls, G learns nothing | the D step trains G, or old gradients pile up | fakes without graph; `zero_grad` | exercise 3 |
# | all was well, then suddenly worse | the two do not settle | average of weights (`ema`); checkpoints | `gan.fit` |
# | good losses, bad samples | losses measure a balance, not quality | look, and measure samples | notebook 03 |
# | samples ignore what was asked for | D does not see the condition | projection discriminator | notebook 04 |

# %% [markdown]
# ## The answer
#
# GANs fail because each player's goal moves with the other. The minimax loss falls silent when $D$ is far ahead; a non-saturating loss cures
# that. $G$ collapses when $D$ is too slow, and swings when it follows old gradients; at equal rates and without momentum, four
# losses alike cover the ring. A Wasserstein critic works here only if it is constrained and gets several steps.

# %%
full = [name for name, record in table.items() if min(record["per_game"]) == N_MODES]
good = [100 * runs[name].quality[-1].median().item() for name in full]
which = f", with {min(good):.0f} to {max(good):.0f} % good samples: {', '.join(f'**{name}**' for name in full)}" if full else ""
display(Markdown(f"{len(full)} of {len(table)} set-ups cover all eight modes in all five games{which}. The plain "
                 "non-saturating game with a fast $G$: "
                 f"{words(table['non-saturating, fast G']['per_game'])} modes."))

# %% [markdown]
# **Read next.** Mescheder, Geiger & Nowozin 2018, *Which training methods for GANs do actually converge?*, for R1 and for games that do
# not settle; Arjovsky & Bottou 2017, *Towards principled methods for training generative adversarial networks*, for the vanishing gradient.
# Then [notebook 03](03_drawing_characters.ipynb): images.
