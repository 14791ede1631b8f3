# %% [markdown]
# # 01 · The GAN game
#
# **The question.** What does the minimax objective optimise?
#
# Two networks play against each other, and in the end one of them can draw. To see why, we first look at the game itself, in one
# dimension. There we can compute and check three things: the best discriminator, the value of the game, and where it sends the
# generator.
#
# **You need** notebook 00, logarithms and a little calculus. **Time**: 45 minutes, and about 35 more with the three exercises.
#
# The parameters are those of notebook 00. This notebook makes its own data, so `dataset` has no effect here.

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

from course_checks import nb01 as checks
from course_lib import gan, losses, networks, quality, runtime
from course_tools import diagrams, notebook, plots

sizes, device, results = notebook.setup("01_the_gan_game", profile, dataset, device, seed)
REAL, FAKE, OF_D = (plots.METHODS[name] for name in ("real", "GAN", "D"))      # one colour each

# %% [markdown]
# ## 1 · Two players, two densities
#
# A generator $G$ turns noise $z$ into samples $x = G(z)$. A discriminator $D$ says how likely it is that $x$ is real. One number,
# $V(D, G)$, measures how well $D$ does. $D$ makes it as large as it can, and $G$ makes it as small as it can. So the game is
# called *minimax* and written $\min_G \max_D V(D, G)$.

# %%
plots.save(diagrams.gan_loop(), "01_loop")
plt.show()

# %% [markdown]
# The two take turns, as the dashed arrows show. We look at one player at a time first. Let $p$ be the density of the real data,
# which has two humps. Let $q$ be the density of the samples $G(z)$. For now $G$ is fixed, and $q$ is one wide hump. On a fine and
# wide grid of points $x$, every integral below becomes a sum.

# %%
def normal(mean, deviation):
    """The density N(mean, deviation^2), in float64."""
    return Normal(torch.tensor(mean, dtype=torch.float64),
                  torch.tensor(deviation, dtype=torch.float64))


real = MixtureSameFamily(Categorical(torch.tensor([0.6, 0.4], dtype=torch.float64)),
                         normal([-1.0, 2.0], [0.5, 0.8]))
fake = normal(0.0, 1.5)
x = torch.linspace(-9, 9, 3601, dtype=torch.float64)            # [X], the grid
dx = (x[1] - x[0]).item()
p, q = real.log_prob(x).exp(), fake.log_prob(x).exp()           # [X]

# %% [markdown]
# ## 2 · The best discriminator
#
# $D(x)$ is the probability that $x$ is real, in the discriminator's opinion. The value of the game (Goodfellow et al. 2014) is
#
# $$ V(D, G) = \mathbb{E}_{x \sim p} \log D(x) + \mathbb{E}_{x \sim q} \log (1 - D(x))
#            = \int p(x) \log D(x) + q(x) \log (1 - D(x)) \, dx . $$
#
# $D$ wants it large. The value of $D$ at one $x$ does not restrict its values elsewhere. So make the integrand as large as
# possible at each $x$ separately. With $a = p(x)$, $b = q(x)$ and $y = D(x)$ the integrand is $a \log y + b \log(1 - y)$. For
# $a, b > 0$ it has the slope $a / y - b / (1 - y)$, which is zero for a single $y$.
#
# **Pause and work it out.** For which $y$?
#
# ### Exercise 1 · The best discriminator (★, very important, 10 minutes)
#
# From densities `p` and `q` on a grid `[X]`, return $D^*$ `[X]`. Where both are zero no sample ever falls, so let $D^*$ be
# $\tfrac12$ there.

# %%
def my_best_discriminator(p, q):
    """The D that maximises V, for densities p and q on the same grid: [X] -> [X]."""
    ### BEGIN SOLUTION
    return torch.where(p + q > 0, p / (p + q).clamp(min=1e-300), 0.5)
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.best_discriminator(my_best_discriminator)

# %% [markdown]
# ## 3 · A loss that survives
#
# A network returns a *logit* $\ell$ with $D = \sigma(\ell) = 1 / (1 + e^{-\ell})$. When $D$ is very sure, $\ell$ is far from 0,
# and there rounding can spoil the loss. The next cell computes $\log \sigma(\ell)$ in two ways. The first is the formula as it is
# written, and the second uses `softplus`.

# %% tags=["nbval-check-output"]
sure = torch.tensor([-200.0, -2.0, 2.0, 200.0])
print("log(sigmoid(l)):", [round(v, 3) for v in sure.sigmoid().log().tolist()])
print("-softplus(-l)  :", [round(v, 3) for v in (-softplus(-sure)).tolist()])

# %% [markdown]
# The sigmoid rounds to 0, so its logarithm is infinite and the gradient is lost. The same function, written as
# $\log \sigma(\ell) = -\log(1 + e^{-\ell}) = -\operatorname{softplus}(-\ell)$, is finite everywhere.
#
# ### Exercise 2 · The value (★, very important, 10 minutes)
#
# Compute $V$ from the logits of real and of generated samples. It is the sum of two means. The value and its gradient must be
# finite for logits of $\pm 200$. You need $\log (1 - \sigma(\ell))$ as well, so first write $1 - \sigma(\ell)$ as a sigmoid.
# There may be more generated samples than real ones, or fewer.

# %%
def my_value(real_logits, fake_logits):
    """V(D, G) from logits [B] and [B]: a scalar."""
    ### BEGIN SOLUTION
    return -softplus(-real_logits).mean() - softplus(fake_logits).mean()
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.value(my_value)

# %% [markdown]
# The library has $V$ as a loss, which is to be minimised, so `losses.minimax_d` is $-V$.
#
# ## 4 · Train D, and watch it find D*
#
# A network never sees densities. It sees only *samples*. Does it find the best $D$ of exercise 1 all the same? We train one and
# compare.
#
# <details><summary>The answers to exercises 1 and 2</summary>
#
# The slope is zero for $y = a / (a + b)$. So $D^*(x) = \dfrac{p(x)}{p(x) + q(x)}$, which is the fraction of real ones among all
# samples that fall on $x$.
#
# Because $1 - \sigma(\ell) = \sigma(-\ell)$, we have $\log (1 - \sigma(\ell)) = -\operatorname{softplus}(\ell)$. So $V$ is the
# mean of $-\operatorname{softplus}(-\ell)$ over the real samples plus the mean of $-\operatorname{softplus}(\ell)$ over the
# generated ones.
#
# </details>
#
# The batches in the next cell are *stratified*, which is unusual. A stratified batch has one sample from each of $n$ equally
# likely slices of the density. The samples are still random, but they are spread evenly, so a small batch serves as well as a
# large one.

# %%
def stratified(n, rng):
    """n standard normal numbers, one from each of n equally likely slices: [n]."""
    u = (torch.arange(n, device=device) + torch.rand(n, generator=rng, device=device)) / n
    # u is uniform; the inverse of the normal distribution function makes it normal
    return math.sqrt(2) * torch.erfinv((2 * u - 1).clamp(-1 + 1e-6, 1 - 1e-6))


def sample_real(n, rng):
    """n real samples: [n, 1]."""
    n_left = round(0.6 * n)
    left, right = -1 + 0.5 * stratified(n_left, rng), 2 + 0.8 * stratified(n - n_left, rng)
    return torch.cat([left, right])[:, None]


def sample_fake(n, rng):
    """n samples of the fixed generator: [n, 1]."""
    return 1.5 * stratified(n, rng)[:, None]


# %% [markdown]
# We measure how far $D$ is from $D^*$ by the **largest** error on the **bulk**. The bulk is the interval that holds the central
# 99 % of all samples, real and generated. Outside the bulk $D$ sees hardly any sample, so no sample corrects it.

# %%
best_D = p / (p + q)
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
        loss = losses.minimax_d(D(sample_real(1000, rng)), D(sample_fake(1000, rng)))
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
# **Predict.** How large is the largest error after 10, 100 and 1,000 steps? Where is $D$ worst at the end, inside the bulk or
# outside?

# %%
largest = [seen[-1, 1].item() for _, seen in runs]
figure, (left, right) = plt.subplots(1, 2, figsize=(13, 5.5))
left.axvspan(x[bulk][0], x[bulk][-1], color="#EEEEEE", label="bulk")
left.fill_between(x, p, color=REAL, alpha=0.5, label="p, real")
left.fill_between(x, q, color=FAKE, alpha=0.5, label="q, generated")
with torch.no_grad():
    left.plot(x, D(grid).sigmoid().cpu(), color=OF_D, linewidth=5, alpha=0.6,
              label="D, learned")
left.plot(x, best_D, color="black", linestyle="--", linewidth=1.5, label="D*")
figure.legend(loc="outside lower center", ncols=5)
left.set(xlabel="x", ylabel="density, or probability of being real", xlim=(-6, 6),
         ylim=(-0.02, 1), title="D is above 0.5 where real samples\noutnumber generated ones")
for _, seen in runs:
    right.plot(seen[1:, 0], seen[1:, 1], color=OF_D, alpha=0.6)
right.set(xlabel="training step", ylabel="largest |D - D*| on the bulk", xscale="log", yscale="log",
          title=f"The largest error of {len(runs)} seeds\n"
                f"ends at {min(largest):.4f} to {max(largest):.4f}")
right.xaxis.set_major_formatter("{x:,.0f}")
right.yaxis.set_major_formatter("{x:g}")
plots.save(figure, "01_learned_discriminator")
plt.show()
error = results.add("largest |D - D*| on the bulk", largest, unit="probability", setting="-",
                    per_seed=largest)

# %% [markdown]
# Outside the shaded band the learned $D$ can drift away from $D^*$, because hardly any sample falls there to correct it. A new
# generator may put its samples just there. There $D$'s opinion has no basis in data.
#
# ## 5 · What the game is worth
#
# Put $D^*$ into $V$. With $m = (p + q) / 2$ and $D^* = p / (2m)$,
#
# $$ V(D^*, G) = \int p \log \frac{p}{2m} + q \log \frac{q}{2m} \, dx
#    = \underbrace{\mathrm{KL}(p \Vert m) + \mathrm{KL}(q \Vert m)}_{2 \, \mathrm{JSD}(p \Vert q)} - \log 4 . $$
#
# Here $\mathrm{KL}(p \Vert m) = \int p \log \frac{p}{m} \, dx$ is the Kullback–Leibler divergence. With the natural logarithm its
# unit is the *nat*. JSD is the Jensen–Shannon divergence. It is 0 if and only if $p = q$. Its maximum is $\log 2$, and it reaches
# that if $p$ and $q$ never overlap.
#
# ### Exercise 3 · The divergence (★★, important, 15 minutes)
#
# Compute the JSD, in nats, of the densities `p`, `q` `[X]` on a grid of spacing `dx`. Where a density is zero, $0 \log 0 = 0$,
# and `torch.xlogy(a, b)` is $a \log b$ with that rule. But where both densities are zero, $p / m$ is $0 / 0$, a nan that `xlogy`
# does not mend. So split the quotient first, $p \log \frac{p}{m} = p \log p - p \log m$.

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
# The library has the divergence as `quality.jsd`. **Predict.** At which value should $V$ end? Use `quality.jsd` and the formula
# above. The left panel will show $V$ during training, one line for each seed. The right panel will show how far $V$ is below that
# value.

# %%
worth = 2 * quality.jsd(p, q, dx) - math.log(4)
gap = results.add("2 JSD - log 4 minus V of the learned D",
                  [worth - seen[-1, 2] for _, seen in runs], unit="nats", setting="-")
figure, (left, right) = plt.subplots(1, 2, figsize=(13, 5))
for _, seen in runs:
    left.plot(seen[1:, 0], seen[1:, 2], color=OF_D, alpha=0.6)
    right.plot(seen[1:, 0], worth - seen[1:, 2], color=OF_D, alpha=0.6)
left.axhline(worth, color="black", linestyle="--", linewidth=1.5)
left.text(1, worth + 0.01, "2 JSD - log 4", va="bottom")
left.set(ylabel="V  (nats)", xscale="log", ylim=(None, worth + 0.08),
         title=f"V rises to 2 JSD - log 4 = {worth:.3f} nats")
right.set(ylabel="(2 JSD - log 4) - V  (nats)", xscale="log", yscale="log",
          title=f"The gap of {len(runs)} seeds falls to {gap['value']:.1e} nats")
right.yaxis.set_major_formatter("{x:g}")
for ax in (left, right):
    ax.set_xlabel("training step")
    ax.xaxis.set_major_formatter("{x:,.0f}")
plots.save(figure, "01_value")
plt.show()

# %% [markdown]
# $V$ always approaches this value from below. $D^*$ is the best discriminator, so an imperfect $D$ *under*estimates the
# divergence. A weak discriminator tells the generator that its samples are nearer to the data than they are.
#
# ## 6 · Where that sends the generator
#
# $G$ wants $V$ small. If $D$ became perfect after every move of $G$, then $G$ would slide down $2\,\mathrm{JSD} - \log 4$. Its
# lowest value, $-\log 4$, belongs to $p = q$. But a step of $G$ holds $D$ *fixed*. Does $G$ then follow the same slope?
#
# Let $\theta$ be a weight of $G$, and let $C(\theta) = \max_D V(D, G_\theta) = V(D^*_\theta, G_\theta)$. When $\theta$ moves, $C$
# changes for two reasons. $G$ moves, and $D^*$ follows it, so by the chain rule
#
# $$ \frac{dC}{d\theta} = \frac{\partial V}{\partial \theta} \bigg|_{D = D^*}
#    + \frac{\partial V}{\partial D} \bigg|_{D = D^*} \cdot \frac{d D^*_\theta}{d\theta} . $$
#
# The second term is zero, because $V$ is largest at $D^*$, and the slope at a maximum is zero. So the slope of $V$ with $D^*$
# held fixed is the slope of $2\,\mathrm{JSD}$. This is the *envelope theorem* (Danskin 1966). The theorem holds only for the best
# $D$.
#
# The next cell tests the theorem. The density of its generator is one hump with mean $\theta$. The column `2 JSD` is the slope of
# $2\,\mathrm{JSD}$ by finite differences. The column `D* fixed` is the gradient of $V$ with $D^*$ fixed, as a step of $G$
# computes it. In the last column, `another D fixed`, $D$ is the best one for a generator half a unit further left. **Predict.**
# Which columns agree?

# %% tags=["nbval-check-output"]
def slope_with_fixed_D(mean, shift):
    """The gradient of V at `mean`, with D fixed at the best answer to a G at mean - shift."""
    logits = real.log_prob(x) - normal(mean - shift, 1.0).log_prob(x)       # of D = p / (p + q)
    theta = torch.tensor(mean, dtype=torch.float64, requires_grad=True)
    q_theta = Normal(theta, 1.0).log_prob(x).exp()
    V = (-p * softplus(-logits) - q_theta * softplus(logits)).sum() * dx
    return torch.autograd.grad(V, theta)[0].item()


def two_jsd(mean):
    """2 JSD of the data and one hump of deviation 1 at `mean`, in nats."""
    return 2 * quality.jsd(p, normal(mean, 1.0).log_prob(x).exp(), dx)


print("mean   2 JSD   D* fixed   another D fixed   (slopes in nats per unit)")
for mean in (-3.0, -1.5, 0.5, 2.0, 3.5):
    slope = (two_jsd(mean + 1e-4) - two_jsd(mean - 1e-4)) / 2e-4
    print(f"{mean:4.1f}  {slope:6.3f}     {slope_with_fixed_D(mean, 0.0):6.3f}"
          f"            {slope_with_fixed_D(mean, 0.5):6.3f}")

# %% [markdown]
# The columns `2 JSD` and `D* fixed` agree, so a $G$ that meets the best $D$ at every step does slide down $2\,\mathrm{JSD}$. The
# last column differs. So a $D$ that lags behind sends $G$ down another slope.
#
# What does the slope of $2\,\mathrm{JSD}$ look like from far away? The next cell moves a generated hump along the axis. For a
# clear view, $p$ is one hump there as well.

# %%
target = normal(0.0, 0.5).log_prob(x).exp()
means = torch.linspace(-6, 6, 121)
moved = [normal(mean, 0.5).log_prob(x).exp() for mean in means.tolist()]
landscape = torch.tensor([2 * quality.jsd(target, q, dx) - math.log(4) for q in moved])
slope = landscape.diff().abs() / (means[1] - means[0])
near, far = (slope[(means[1:] - mean).abs().argmin()].item() for mean in (1.5, 5.0))
figure, (left, right) = plt.subplots(1, 2, figsize=(13, 5))
left.plot(means, landscape, color=FAKE)
left.axhline(-math.log(4), color="black", linestyle=":")
left.text(-6, -math.log(4) + 0.03, "-log 4", va="bottom")
left.set(xlabel="mean of the generator", ylabel="2 JSD - log 4  (nats)",
         title=f"The value is lowest, {landscape.min():.2f} nats,\nwhere p = q")
right.semilogy(means[1:], slope, color=FAKE)
right.set(xlabel="mean of the generator", ylabel="|slope|  (nats per unit)", ylim=(1e-8, 2),
          title="At a mean of 5 the slope is\n"
                f"{round(near / far, -3):,.0f} times weaker than at 1.5")
right.yaxis.set_major_formatter("{x:g}")
plots.save(figure, "01_landscape")
plt.show()

# %% [markdown]
# At a mean of 1.5, three standard deviations away, there is still a slope. At a mean of 5, ten standard deviations away, the
# slope is almost zero. The slope is also zero at the goal, but the grid is too coarse to show that. Where the two densities
# hardly overlap, a perfect $D$ gives the generator no direction. That is the first failure in practice, and notebook 02 is about
# it.
#
# ### Take the slider
#
# In JupyterLab, run the next two cells and drag the generator's mean. A static page has no slider, so the picture below shows
# four positions.

# %%
def panel(mean, ax):
    """Draw p, q and D* for a generator with this mean; the title gives the value of the game."""
    moved = normal(float(mean), 1.0).log_prob(x).exp()
    ax.fill_between(x, p, color=REAL, alpha=0.5, label="p, real")
    ax.fill_between(x, moved, color=FAKE, alpha=0.5, label="q, generated")
    ax.plot(x, p / (p + moved).clamp(min=1e-300), color="black", linestyle="--", label="D*")
    value = 2 * quality.jsd(p, moved, dx) - math.log(4)
    ax.set(xlabel="x", xlim=(-8, 8), ylim=(0, 1.05),
           title=f"mean {mean:+.1f}: V = {value:.2f} nats")


# %% tags=["machine"]
def look(mean=-4.0):
    """Redraw for this mean."""
    figure, ax = plt.subplots(figsize=(8, 4.6))
    panel(mean, ax)
    figure.legend(loc="outside lower center", ncols=3)
    plt.show()


slider = ipywidgets.FloatSlider(-4.0, min=-6, max=6, step=0.5, continuous_update=False)
display(ipywidgets.interactive(look, mean=slider))

# %%
figure, axes = plt.subplots(2, 2, figsize=(11, 7), sharex=True, sharey=True)
for ax, mean in zip(axes.flat, (-5.0, -2.5, 0.0, 2.5)):
    panel(mean, ax)
figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
plots.save(figure, "01_slider")
plt.show()

# %% [markdown]
# One hump can never equal two, so the value never reaches $-\log 4 \approx -1.39$. **Try.** At which mean is the value lowest,
# and which part of the data does $G$ give up there?
#
# <details><summary>The answer</summary>
#
# The value is lowest where the mean lies between the two humps, nearer to the left one. There $G$ gives up most of the right
# hump, so $D^*$ is high on it.
#
# </details>
#
# ## 7 · Both at once
#
# In practice nobody waits until $D$ is perfect. The two alternate, with one step of $D$ and then one step of $G$. Together they
# are one *iteration*.
#
# ```python
# with torch.no_grad():
#     fake = G(noise)                                        # the step of D: no graph through G
# loss = losses.minimax_d(D(real), D(fake))
# d_optimiser.zero_grad(); loss.backward(); d_optimiser.step()
#
# loss = losses.saturating_g(D(G(fresh_noise)))              # the step of G: V again, now made small
# g_optimiser.zero_grad(); loss.backward(); g_optimiser.step()
# ```
#
# Notebook 02 explains the name `saturating_g`. `gan.d_step` and `gan.g_step` are these two steps, and `gan.fit` repeats them. The
# next cells give it a $G$ that bends noise with a small network, and record how the density of $G$ moves. We watch `average`, a
# copy of $G$ whose weights are a running average over recent iterations. We do so because the average moves more calmly than $G$.
# In each iteration the average becomes `ema` times itself plus `1 - ema` times $G$.

# %%
n_iterations = sizes.pick(smoke=20, cpu=2_000, gpu=2_000)
moments = [0, n_iterations // 20, n_iterations // 8, n_iterations // 3, n_iterations]
edges = torch.linspace(-6, 6, 97)


def density(points):
    """The density of points [n, 1] on the bins between `edges`: [96]."""
    return torch.histc(points.cpu(), bins=96, min=-6, max=6) / len(points) / (edges[1] - edges[0])


# %%
@torch.no_grad()
def watch(iteration, average):
    """Keep the density of G at some moments."""
    if iteration in moments:
        z = gan.noise(average, 20_000, runtime.rng(seed, device))
        path[iteration] = density(average(z))


path = {}
runtime.seed_everything(seed)
G = networks.PointGenerator(2, dim=1, width=64).to(device)
rival = networks.PointDiscriminator(dim=1, width=64).to(device)
trained = gan.fit(G, rival, lambda rng: (sample_real(256, rng),), n_steps=n_iterations,
                  loss=losses.SATURATING, rng=runtime.rng(seed, device), lr=(1e-3, 1e-3), ema=0.99,
                  watch=watch)

# %% [markdown]
# How good is the result? We compute the JSD between the histograms of 20,000 samples of $G$ and of as many real ones. The number
# is the mean over four such sets of real samples. Two of these sets also differ, by chance. Their JSD is the *floor*, which no
# generator is expected to beat.

# %%
width = (edges[1] - edges[0]).item()


def independent(n, rng):
    """n real samples that are not stratified: [n, 1]."""
    right = torch.rand(n, 1, generator=rng, device=device) > 0.6
    z = torch.randn(n, 1, generator=rng, device=device)
    return torch.where(right, 2 + 0.8 * z, -1 + 0.5 * z)


sets = [density(independent(20_000, runtime.rng(seed + 10 + i, device))) for i in range(4)]
floor = results.add("JSD of two sets of real samples",
                    [quality.jsd(*sets[:2], width), quality.jsd(*sets[2:], width)],
                    unit="nats", setting="-", arm="real")
jsd = {iteration: [quality.jsd(q_now, real_set, width) for real_set in sets]
       for iteration, q_now in path.items()}
for iteration, from_real in jsd.items():
    print(f"iteration {iteration:4d}: JSD {sum(from_real) / len(sets):.4f} nats")
reached = results.add("JSD of G's samples and real ones", jsd[n_iterations],
                      unit="nats", setting="-", arm="G")
print(f"floor:          JSD {floor['value']:.4f} nats")

# %%
middles, mean_jsd = (edges[1:] + edges[:-1]) / 2, {i: sum(v) / len(v) for i, v in jsd.items()}
lowest = min(mean_jsd, key=mean_jsd.get)
figure, axes = plt.subplots(2, 2, figsize=(11, 8), sharex=True, sharey=True)
for ax, iteration in zip(axes.flat, moments[1:]):
    ax.plot(x, p, color=REAL)
    ax.fill_between(middles, path[iteration], step="mid", color=FAKE, alpha=0.6)
    ax.set(xlim=(-5, 5), ylim=(0, 1),
           title=f"iteration {iteration:,}: JSD {mean_jsd[iteration]:.3f} nats")
axes[0, 0].text(2.2, 0.24, "p, real", color=REAL)
axes[0, 0].text(-0.2, 0.62, "samples of G", color=FAKE)
figure.supxlabel("x")
figure.supylabel("density")
figure.suptitle(f"G's samples are nearest to the data at iteration {lowest:,},\n"
                f"with a JSD of {mean_jsd[lowest]:.3f} nats, "
                f"where {floor['value']:.4f} is the floor")
plots.save(figure, "01_path")
plt.show()

# %% [markdown]
# $G$ finds both humps, but it does not reach the floor. A later iteration can be worse, because each player keeps answering the
# other's last move. In theory $D$ is perfect at every step of $G$, but here $D$ takes only one step for each step of $G$. So $G$
# does not follow the slope of $2\,\mathrm{JSD}$, as in the last column of the table in section 6.

# %% [markdown]
# ## The answer
#
# Against a perfect discriminator, the minimax objective is a divergence between densities, $2\,\mathrm{JSD}(p \Vert q) - \log 4$.
# The generator that makes it smallest has the density of the data, $q = p$. A step of $G$ with that discriminator held fixed
# follows the slope of this divergence. We measured three numbers.

# %%
display(Markdown(
    f"* A network that sees only samples finds $D^*$ to within **{max(error['per_seed']):.4f}** "
    f"on the bulk (worst of {error['n']} seeds, stratified batches).\n"
    f"* Its value comes within **{gap['value']:.1e} nats** of "
    f"$2\\,$JSD$ - \\log 4 = {worth:.4f}$.\n"
    f"* A small GAN, stopped after {n_iterations:,} iterations, has samples at a JSD of "
    f"**{reached['value']:.4f}** nats from real ones. Two sets of real samples are at "
    f"{floor['value']:.4f}."))

# %% [markdown]
# **Read next.** Goodfellow et al. 2014, *Generative adversarial nets*, sections 3 and 4. You have just measured its proposition 1
# and theorem 1. Then [notebook 02](02_making_it_train.ipynb) asks why such a clean game often goes wrong.
