# %% [markdown]
# # 01 · The GAN game
#
# **The question.** What does the minimax objective optimise?
#
# Two networks play against each other, and what comes of it is one that can draw. Why should that be? Before any drawing, look at the
# game itself, in one dimension, where everything it claims can be computed, plotted and checked: what the best discriminator is,
# what the game is worth to it, and where that sends the generator.
#
# **You need** notebook 00, logarithms and a little calculus. **Time**: 35 minutes, and about 40 more with the three exercises.
#
# Parameters as in notebook 00; this notebook makes its own data, so `dataset` changes nothing here.

# %% tags=["parameters"]
import os

profile = os.environ.get("COURSE_PROFILE", "cpu")
dataset = os.environ.get("COURSE_DATASET", "glyphs")
device = os.environ.get("COURSE_DEVICE", "auto")
seed = int(os.environ.get("COURSE_SEED", "0"))

# %%
import math

import ipywidgets
import matplotlib.pyplot as plt
import torch
from IPython.display import Markdown, display
from torch.distributions import Categorical, MixtureSameFamily, Normal
from torch.nn.functional import softplus

from course_lib import gan, losses, networks, plots, quality, records, runtime

plots.use_style()
sizes = runtime.profile(profile)
device = runtime.device(device)
results = records.Results("01_the_gan_game", dataset=dataset, profile=profile, seed=seed, device=device)

# %% [markdown]
# ## 1 · Two densities
#
# A generator $G$ turns noise $z$ into samples $x = G(z)$; a discriminator $D$ says how likely it is that $x$ is real. One number, $V(D, G)$,
# measures how well $D$ does: $D$ makes it as large as it can, $G$ as small, hence *minimax*, $\min_G \max_D V(D, G)$.
#
# Let $p$ be the density of the real data: two humps. Let $q$ be the density that the samples $G(z)$ have: for now fixed, one wide
# hump. A grid, fine and wide enough, turns every integral below into a sum.

# %%
def normal(mean, deviation):
    """The density N(mean, deviation^2), in float64."""
    return Normal(torch.tensor(mean, dtype=torch.float64), torch.tensor(deviation, dtype=torch.float64))


real = MixtureSameFamily(Categorical(torch.tensor([0.6, 0.4], dtype=torch.float64)), normal([-1.0, 2.0], [0.5, 0.8]))
fake = normal(0.0, 1.5)
x = torch.linspace(-9, 9, 3601, dtype=torch.float64)            # [X], the grid
dx = (x[1] - x[0]).item()
p, q = real.log_prob(x).exp(), fake.log_prob(x).exp()           # [X]

# %% [markdown]
# ## 2 · The best discriminator
#
# $D(x)$ is the probability with which the discriminator takes $x$ for real. The value of the game (Goodfellow et al. 2014) is
#
# $$ V(D, G) = \mathbb{E}_{x \sim p} \log D(x) + \mathbb{E}_{x \sim q} \log (1 - D(x))
#            = \int p(x) \log D(x) + q(x) \log (1 - D(x)) \, dx . $$
#
# $D$ wants it large. Nothing ties $D(x)$ at one $x$ to $D$ at another, so make the integrand large at each $x$ separately: for
# $a, b > 0$ the function $a \log y + b \log(1 - y)$ has slope $a / y - b / (1 - y)$, which is zero at one place only.
#
# **Pause and work it out**: where?
#
# ### Exercise 1 · The best discriminator (★, very important, 10 minutes)
#
# From densities `p` and `q` on a grid `[X]`, return $D^*$ `[X]`. Where both are zero no sample ever falls; there let
# $D^*$ be $\tfrac12$.

# %%
def my_best_discriminator(p, q):
    """The D that maximises V, for densities p and q on the same grid: [X] -> [X]."""
    ### BEGIN SOLUTION
    return torch.where(p + q > 0, p / (p + q).clamp(min=1e-300), 0.5)
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.best_discriminator(my_best_discriminator)

# %% [markdown]
# So $D^*(x) = \dfrac{p(x)}{p(x) + q(x)}$: among all samples that fall on $x$, the share of real ones. Does a network that only ever sees
# *samples*, never densities, find it? We train one and compare.

# %%
best_D = p / (p + q)
figure, ax = plt.subplots(figsize=(10, 4.5))
ax.plot(x, p, label="p, real")
ax.plot(x, q, label="q, generated")
ax.plot(x, best_D, color="black", linestyle="--", label="D* = p / (p + q)")
ax.set(xlabel="x", ylabel="density; probability", xlim=(-6, 6), title="D* is high where real samples outnumber the generated")
ax.legend()
plots.save(figure, "01_best_discriminator")
plt.show()

# %% [markdown]
# ## 3 · A loss that survives
#
# A network returns a *logit* $\ell$ with $D = \sigma(\ell) = 1 / (1 + e^{-\ell})$. Why not write $\log \sigma(\ell)$? Look:

# %% tags=["nbval-check-output"]
sure = torch.tensor([-200.0, -2.0, 2.0, 200.0])
print("log(sigmoid(l)):", [round(v, 3) for v in sure.sigmoid().log().tolist()])
print("-softplus(-l)  :", [round(v, 3) for v in (-softplus(-sure)).tolist()])

# %% [markdown]
# The sigmoid rounds to 0, and its logarithm is lost, with all gradient. The same function, written
# $\log \sigma(\ell) = -\log(1 + e^{-\ell}) = -\operatorname{softplus}(-\ell)$, is finite everywhere.
#
# ### Exercise 2 · The value (★, very important, 10 minutes)
#
# From logits of real and of generated samples to $V$: two means. It must survive logits of $\pm 200$, and so must its gradient.
# You need $\log (1 - \sigma(\ell))$ as well: first write $1 - \sigma(\ell)$ as a sigmoid.

# %%
def my_value(real_logits, fake_logits):
    """V(D, G) from logits [B] and [B]: a scalar."""
    ### BEGIN SOLUTION
    return -softplus(-real_logits).mean() - softplus(fake_logits).mean()
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.value(my_value)

# %% [markdown]
# As $1 - \sigma(\ell) = \sigma(-\ell)$, $\log (1 - \sigma(\ell)) = -\operatorname{softplus}(\ell)$. The library has $V$ as a loss, to be
# minimised: `losses.minimax_d` is $-V$.
#
# ## 4 · Train D, and watch it find D*
#
# One thing in this cell is unusual: the batches are *stratified*, one sample from each of $n$ equally likely slices of the
# density. They are samples all the same, but evenly spread, so that a small batch serves as well as a large one.

# %%
def stratified(n, rng):
    """n standard normal numbers, one from each of n equally likely slices: [n]."""
    u = (torch.arange(n, device=device) + torch.rand(n, generator=rng, device=device)) / n        # uniform
    # the inverse of the normal distribution function makes uniform numbers normal
    return math.sqrt(2) * torch.erfinv((2 * u - 1).clamp(-1 + 1e-6, 1 - 1e-6))


def draw_real(n, rng):
    """n real samples: [n, 1]."""
    left = round(0.6 * n)
    return torch.cat([-1 + 0.5 * stratified(left, rng), 2 + 0.8 * stratified(n - left, rng)])[:, None]


def draw_fake(n, rng):
    """n samples of the fixed generator: [n, 1]."""
    return 1.5 * stratified(n, rng)[:, None]


# %% [markdown]
# How far is $D$ from $D^*$? Take the **largest** error (the *sup norm*) on the **bulk**: the interval that holds the central
# 99 % of all samples, real and generated. Beyond it $D$ sees next to nothing and is free to be wrong.

# %%
mass = ((p + q) / 2 * dx).cumsum(0)
bulk = (mass > 0.005) & (mass < 0.995)
grid = x[:, None].float().to(device)


@torch.no_grad()
def compare(D):
    """(largest error of D on the bulk, V of D, a sum over the grid)."""
    logits = D(grid).double().cpu()
    value = (-p * softplus(-logits) - q * softplus(logits)).sum() * dx
    return (logits.sigmoid() - best_D)[bulk].abs().max().item(), value.item()


# %%
def train_D(steps, seed):
    """D, and its (step, error, value) along the way."""
    runtime.seed_everything(seed)
    D, rng = networks.PointDiscriminator(dim=1, width=64).to(device), runtime.rng(seed, device)
    optimiser = torch.optim.Adam(D.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    seen, moments = [(0, *compare(D))], {round(steps ** (i / 40)) for i in range(41)}
    for step in runtime.progress(range(1, steps + 1)):
        loss = losses.minimax_d(D(draw_real(1000, rng)), D(draw_fake(1000, rng)))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step in moments:
            seen.append((step, *compare(D)))
    return D, torch.tensor(seen, dtype=torch.float64)


runs = [train_D(sizes.pick(smoke=20, cpu=1_500, gpu=5_000), seed + i) for i in range(3)]
D = runs[0][0]

# %% [markdown]
# **Predict**: how large is the largest error after 10, 100 and 1,000 steps? And where is $D$ worst at the end, inside the bulk or
# outside?

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(13, 4.8))
with torch.no_grad():
    left.plot(x, D(grid).sigmoid().cpu(), label="D, learned")
left.plot(x, best_D, color="black", linestyle="--", label="D*")
left.axvspan(x[bulk][0], x[bulk][-1], color="black", alpha=0.06, label="bulk: 99 % of samples")
left.set(xlabel="x", ylabel="probability of being real", xlim=(-6, 6), ylim=(-0.02, 1.15), title="D saw samples only, and found D*")
left.legend(fontsize=12, loc="upper left")
for i, (_, seen) in enumerate(runs):
    right.plot(seen[1:, 0], seen[1:, 1], label=f"seed {seed + i}")
right.axhline(0.02, color="black", linestyle=":", label="0.02: close enough")
right.set(xlabel="training step", ylabel="largest |D - D*| on the bulk", xscale="log", yscale="log",
          title=f"At the end at most {max(seen[-1, 1] for _, seen in runs):.4f}")
right.legend(fontsize=12)
plots.save(figure, "01_learned_discriminator")
plt.show()
error = results.add("largest |D - D*| on the bulk", [seen[-1, 1] for _, seen in runs], unit="probability", setting="-",
                    per_seed=[seen[-1, 1].item() for _, seen in runs])

# %% [markdown]
# Outside the grey band the learned $D$ drifts away from $D^*$: hardly a sample falls there to correct it. Remember this
# when a generator draws where no sample has been before: $D$'s opinion there is invention.
#
# ## 5 · What the game is worth
#
# Put $D^*$ into $V$. With $m = (p + q) / 2$ and $D^* = p / (2m)$,
#
# $$ V(D^*, G) = \int p \log \frac{p}{2m} + q \log \frac{q}{2m} \, dx
#    = \underbrace{\mathrm{KL}(p \Vert m) + \mathrm{KL}(q \Vert m)}_{2 \, \mathrm{JSD}(p \Vert q)} - \log 4 . $$
#
# Here $\mathrm{KL}(p \Vert m) = \int p \log \frac{p}{m} \, dx$ is the Kullback–Leibler divergence, in *nats* where the logarithm is the
# natural one. JSD is the Jensen–Shannon divergence: 0 if and only if $p = q$, and at most $\log 2$, when they never meet.
#
# ### Exercise 3 · The divergence (★★, important, 15 minutes)
#
# Densities `p`, `q` `[X]` on a grid of spacing `dx` to JSD, in nats. Where a density is zero, $0 \log 0 = 0$:
# `torch.xlogy(a, b)` is $a \log b$ with that rule. It does not mend a nan in $b$, though: where $p$ and $m$ are both zero, $p / m$ is $0 / 0$.
# ($\log \frac{p}{m} = \log p - \log m$.)

# %%
def my_jsd(p, q, dx):
    """The Jensen-Shannon divergence of densities on a grid: a number in [0, log 2]."""
    ### BEGIN SOLUTION
    m = (p + q) / 2
    kl_p, kl_q = (torch.xlogy(a, a) - torch.xlogy(a, m) for a in (p, q))
    return (kl_p + kl_q).sum() * dx / 2
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.jsd(my_jsd)

# %% [markdown]
# `quality.jsd` is the same. With it, what should $V$ end at? Below is what each $D$ still lacked as it was trained.

# %%
worth = 2 * quality.jsd(p, q, dx) - math.log(4)
gap = results.add("2 JSD - log 4 minus V of the learned D", [worth - seen[-1, 2] for _, seen in runs], unit="nats", setting="-")
figure, ax = plt.subplots(figsize=(10, 4.5))
for i, (_, seen) in enumerate(runs):
    ax.plot(seen[1:, 0], worth - seen[1:, 2], label=f"seed {seed + i}")
ax.set(xlabel="training step", ylabel="(2 JSD - log 4) - V   (nats)", xscale="log", yscale="log",
       title=f"V climbs to 2 JSD - log 4 = {worth:.3f}; {gap['value']:.0e} is missing at the end")
ax.legend()
plots.save(figure, "01_value")
plt.show()

# %% [markdown]
# Always from below: $D^*$ is the best there is, so an imperfect $D$ only *under*estimates the divergence. A weak discriminator
# tells the generator that it is nearer than it is.
#
# ## 6 · Where that sends the generator
#
# $G$ wants the value small. Against a perfect $D$ it would slide down $2\,\mathrm{JSD} - \log 4$, whose lowest point, $-\log 4$, is $p = q$. Move a
# generated hump along the axis and see what it would feel. For a clear view, let $p$ be one hump as well.

# %%
target = normal(0.0, 0.5).log_prob(x).exp()
means = torch.linspace(-6, 6, 121)
landscape = torch.tensor([2 * quality.jsd(target, normal(m, 0.5).log_prob(x).exp(), dx) - math.log(4) for m in means.tolist()])
figure, (left, right) = plt.subplots(1, 2, figsize=(13, 4.6))
left.plot(means, landscape)
left.axhline(-math.log(4), color="black", linestyle=":", label="-log 4: p = q")
left.set(xlabel="mean of the generator", ylabel="2 JSD - log 4  (nats)", title="One valley, at p = q")
left.legend(loc="lower right")
right.semilogy(means[1:], landscape.diff().abs() / (means[1] - means[0]), color=plots.COLOURS[1])
right.set(xlabel="mean of the generator", ylabel="|slope|  (nats per unit)", ylim=(1e-8, 2), title="Far from it, hardly a slope to follow")
plots.save(figure, "01_landscape")
plt.show()

# %% [markdown]
# At a mean of 1.5, three standard deviations away, the slope is still there; at 5, ten of them, next to nothing is left. (At 0 it is
# exactly 0; the grid is too coarse to show that.) Where the two hardly overlap, a perfect $D$ leaves the
# generator no direction. That is the first thing that goes wrong in practice, and notebook 02 is about it.
#
# ### Take the slider
#
# In JupyterLab, run the next cell and drag the generator's mean. For a static page, the picture below it shows five stops.

# %%
def panel(mean, ax):
    """p, q and D* for a generator with this mean; returns the value of the game."""
    moved = normal(float(mean), 1.0).log_prob(x).exp()
    ax.plot(x, p, label="p")
    ax.plot(x, moved, label="q")
    ax.plot(x, p / (p + moved).clamp(min=1e-300), color="black", linestyle="--", label="D*")
    value = 2 * quality.jsd(p, moved, dx) - math.log(4)
    ax.set(xlabel="x", xlim=(-8, 8), ylim=(0, 1.05), title=f"mean {mean:+.1f}: V = {value:.2f}")


# %% tags=["machine"]
def look(mean=-4.0):
    """Redraw for this mean."""
    _, ax = plt.subplots(figsize=(8, 4))
    panel(mean, ax)
    ax.legend(loc="upper right")
    plt.show()


display(ipywidgets.interactive(look, mean=ipywidgets.FloatSlider(-4.0, min=-6, max=6, step=0.5, continuous_update=False)))

# %%
figure, axes = plt.subplots(1, 5, figsize=(18, 3.6), sharey=True)
for ax, mean in zip(axes, (-5.0, -2.5, 0.0, 2.5, 5.0)):
    panel(mean, ax)
axes[0].legend(fontsize=12)
plots.save(figure, "01_slider")
plt.show()

# %% [markdown]
# One hump can never equal two, so the value never reaches $-\log 4 \approx -1.39$. **Try**: at which mean is it lowest, and what does
# $G$ give up there?
#
# ## 7 · Both at once
#
# In practice nobody waits until $D$ is perfect. The two take turns: one step of $D$, one step of $G$. This is all of it:
#
# ```python
# with torch.no_grad():
#     fake = G(noise)                                        # D's turn: no graph through G
# loss = losses.minimax_d(D(real), D(fake))
# d_optimiser.zero_grad(); loss.backward(); d_optimiser.step()
#
# loss = losses.saturating_g(D(G(fresh_noise)))              # G's turn: V again, now to be made small
# g_optimiser.zero_grad(); loss.backward(); g_optimiser.step()
# ```
#
# `gan.d_step` and `gan.g_step` are these two, and `gan.fit` takes turns. Give it a $G$ that bends noise with a small network, and watch
# its density move. (We watch `average`, a copy of $G$ whose weights are a running average of those of recent turns, which is calmer;
# `ema` is the share of it that is kept in each turn.)

# %%
turns = sizes.pick(smoke=20, cpu=2_000, gpu=2_000)
moments = [0, turns // 20, turns // 8, turns // 3, turns]
edges = torch.linspace(-6, 6, 97)


def density(points):
    """The density of points [n, 1] on the bins between `edges`: [96]."""
    return torch.histc(points.cpu(), bins=96, min=-6, max=6) / len(points) / (edges[1] - edges[0])


def watch(turn, average):
    """Keep the density of G at some moments."""
    if turn in moments:
        with torch.no_grad():
            path[turn] = density(average(gan.noise(average, 20_000, runtime.rng(seed, device))))


path = {}
runtime.seed_everything(seed)
G, rival = networks.PointGenerator(2, dim=1, width=64).to(device), networks.PointDiscriminator(dim=1, width=64).to(device)
trained = gan.fit(G, rival, lambda rng: (draw_real(256, rng),), n_steps=turns, loss=losses.SATURATING,
                  rng=runtime.rng(seed, device), lr=(1e-3, 1e-3), ema=0.99, watch=watch)

# %%
middles = (edges[1:] + edges[:-1]) / 2
figure, axes = plt.subplots(1, len(path), figsize=(18, 3.8), sharey=True)
for ax, (turn, q_now) in zip(axes, path.items()):
    ax.plot(x, p, label="p")
    ax.fill_between(middles, q_now, step="mid", color=plots.COLOURS[1], alpha=0.6, label="G")
    ax.set(xlabel="x", xlim=(-5, 5), ylim=(0, 1), title=f"turn {turn}")
axes[0].legend(fontsize=12)
figure.suptitle(f"{turns} turns carry G's density towards p", fontsize=17)
plots.save(figure, "01_path")
plt.show()

# %% [markdown]
# How good is the end? Compare histograms: the divergence between 20,000 samples of $G$ and as many real ones (a mean over
# four sets of these), next to a floor: the divergence between two sets of real ones, which is not zero either.

# %%
width = (edges[1] - edges[0]).item()


def independent(n, rng):
    """n real samples that are not stratified: [n, 1]."""
    right = torch.rand(n, 1, generator=rng, device=device) > 0.6
    z = torch.randn(n, 1, generator=rng, device=device)
    return torch.where(right, 2 + 0.8 * z, -1 + 0.5 * z)


sets = [density(independent(20_000, runtime.rng(seed + 10 + i, device))) for i in range(4)]
floor = results.add("JSD of two sets of real samples", [quality.jsd(*sets[:2], width), quality.jsd(*sets[2:], width)], unit="nats",
                    setting="-", arm="real")
for turn, q_now in path.items():
    from_real = [quality.jsd(q_now, real_set, width) for real_set in sets]
    print(f"turn {turn:4d}: JSD {sum(from_real) / len(sets):.4f} nats")
reached = results.add("JSD of G's samples and real ones", from_real, unit="nats", setting="-", arm="G")     # at the last turn
print(f"floor:     JSD {floor['value']:.4f} nats")

# %% [markdown]
# Both humps are found, but the floor is not reached, and later need not be better: two players who keep moving do
# not settle. In theory $D$ is perfect at every step of $G$; here it has one step.

# %% [markdown]
# ## The answer
#
# For a perfect discriminator, the minimax objective is a divergence between densities, $2\,\mathrm{JSD}(p \Vert q) - \log 4$, and the
# best generator is the one that draws from $p$. Measured here:

# %%
display(Markdown(f"* a network that sees only samples finds $D^*$ to within **{max(error['per_seed']):.4f}** on the bulk (worst of "
                 f"{error['n']} seeds, stratified batches);\n* its value comes within **{gap['value']:.1e} nats** of $2\\,$JSD$ - \\log 4 = {worth:.4f}$;\n"
                 f"* a small GAN, stopped at turn {turns}, is at a JSD of **{reached['value']:.4f}** from the real density (two real sets: "
                 f"{floor['value']:.4f})."))

# %% [markdown]
# **Read next.** Goodfellow et al. 2014, *Generative adversarial nets*, sections 3 and 4: you have just measured its proposition 1 and
# theorem 1. Then [notebook 02](02_making_it_train.ipynb): why so clean a game so often goes wrong.
