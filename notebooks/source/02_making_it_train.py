# %% [markdown]
# # 02 · Making it train
#
# **The question.** Why do GANs fail, and which loss cures what?
#
# The game of notebook 01 has one lowest point, $q = p$. Real training stalls, runs in circles, or draws the same thing
# over and over. On a problem small enough to try everything, you will provoke these failures one at a time, measure them, and
# let nine recipes compete, five seeds each.
#
# **You need** notebook 01. **Time**: 40 minutes, and about 50 more with the four exercises.
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
import time
from functools import partial

import matplotlib.pyplot as plt
import torch
from IPython.display import Markdown, display
from torch import nn
from torch.nn.functional import leaky_relu, one_hot, softplus
from torch.nn.utils import parametrize

from course_lib import checks, evaluate, gan, losses, networks, plots, runtime

plots.use_style()
sizes = runtime.profile(profile)
device = runtime.device(device)
results = evaluate.Results("02_making_it_train", dataset=dataset, profile=profile, seed=seed, device=device)

# %% [markdown]
# ## 1 · Eight hills
#
# The field's favourite test: eight narrow Gaussians on a ring of radius 2, standard deviation 0.05. A generator can fail
# visibly here: draw between the hills, or find a few of them only.
#
# A drawing is **good** if it lies within three standard deviations of a centre. A hill is **covered** if at least a tenth of its fair
# share of drawings (1 in 80 of all) are good and nearest to it.

# %%
angles = torch.arange(8, device=device) * math.pi / 4
centres = 2 * torch.stack([angles.cos(), angles.sin()], dim=1)                  # [8, 2]


def ring(n, generator):
    """n points of the real data: [n, 2]."""
    hill = torch.randint(8, (n,), generator=generator, device=device)
    return centres[hill] + 0.05 * torch.randn(n, 2, generator=generator, device=device)


def judge(points):
    """(hills covered, share of good drawings) for each of S samples [S, n, 2]: [S] and [S]."""
    distance, hill = torch.cdist(points, centres.expand(len(points), 8, 2)).min(dim=2)      # [S, n]
    good = distance < 0.15
    counts = (one_hot(hill, 8) * good[:, :, None]).sum(dim=1)                               # [S, 8]
    return (counts >= points.shape[1] / 80).sum(dim=1).float(), good.float().mean(dim=1)


perfect = ring(1000, runtime.generator(seed, device))[None]
print(f"real data: {judge(perfect)[0].item():.0f} of 8 hills covered, {100 * judge(perfect)[1].item():.0f} % good drawings")

# %% [markdown]
# Predict the second number for yourself: in two dimensions, a share of $1 - e^{-9/2} \approx 99\,\%$ lies within three standard
# deviations.
#
# ## 2 · The gradient that vanishes
#
# $G$ learns from nothing but $D$'s logit $\ell$ on its drawings. The game of notebook 01 gives $G$ the loss
# $\log (1 - D) = -\operatorname{softplus}(\ell)$. Goodfellow et al. (2014) noticed at once that it is better to maximise $\log D$.
# Same goal; what is the difference?
#
# ### Exercise 1 · The non-saturating loss (★, very important, 5 minutes)
#
# $-\mathbb{E} \log D(G(z))$, from logits `[B]` to a scalar, safe for logits of $\pm 200$.

# %%
def my_non_saturating(fake_logits):
    """What G minimises when it maximises log D: a scalar."""
    ### BEGIN SOLUTION
    return softplus(-fake_logits).mean()
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.non_saturating(my_non_saturating)

# %% [markdown]
# ### Exercise 2 · Predict which one saturates (★★, very important, 15 minutes)
#
# Think of $G$'s early days: $D$ tells all its drawings from real ones, $\ell = -10$, say. **Write down your prediction**: which of the two
# losses has the larger gradient there? Then derive both: the derivative of $\log(1 - \sigma(\ell))$ and of $-\log \sigma(\ell)$ with respect
# to $\ell$, one number for each drawing.

# %%
def my_generator_gradients(fake_logits):
    """(d saturating / d logit, d non-saturating / d logit), each [B]."""
    ### BEGIN SOLUTION
    return -fake_logits.sigmoid(), -(-fake_logits).sigmoid()
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.generator_gradients(my_generator_gradients)

# %%
logit = torch.linspace(-10, 10, 201)
figure, ax = plt.subplots(figsize=(10, 4.5))
ax.semilogy(logit, logit.sigmoid(), label="saturating: log(1 - D)")
ax.semilogy(logit, (-logit).sigmoid(), label="non-saturating: -log D")
ax.axvline(0, color="black", linestyle=":")
ax.set(xlabel="logit of a generated drawing  (left: D is sure that it is not real)", ylabel="|gradient|",
       title="Equal at D = 1/2; far apart where G has most to learn")
ax.legend()
plots.save(figure, "02_gradients")
plt.show()

# %% [markdown]
# That was theory. Now freeze a newborn $G$, train $D$ alone, and measure the gradient that arrives at $G$'s weights with either loss.

# %%
runtime.seed_everything(seed)
chance = runtime.generator(seed, device)
G, D = networks.PointGenerator(4, width=64).to(device), networks.PointDiscriminator(width=64).to(device)
optimiser = torch.optim.Adam(D.parameters(), lr=3e-3)


def gradient_at_G(loss):
    """The norm of the gradient of G's loss with respect to all of G's weights."""
    value = loss(D(G(gan.noise(G, 500, runtime.generator(seed + 1, device)))))
    return torch.cat([g.flatten() for g in torch.autograd.grad(value, list(G.parameters()))]).norm().item()


measured = []
for step in runtime.progress(range(sizes.pick(smoke=10, cpu=300, gpu=300))):
    measured.append((gradient_at_G(losses.saturating_g), gradient_at_G(losses.non_saturating_g)))
    gan.d_step(G, D, ring(128, chance), loss=losses.NON_SATURATING, optimiser=optimiser, generator=chance)
saturating, non_saturating = zip(*measured)

# %%
figure, ax = plt.subplots(figsize=(10, 4.5))
ax.semilogy(saturating, label="saturating")
ax.semilogy(non_saturating, label="non-saturating")
ax.set(xlabel="steps of D, while G waits", ylabel="gradient norm at G's weights",
       title=f"After {len(measured)} steps of D alone: a ratio of {non_saturating[-1] / saturating[-1]:.0e}")
ax.legend()
plots.save(figure, "02_vanishing")
plt.show()

# %% [markdown]
# The better $D$ does its work, the less the saturating loss tells $G$. The non-saturating one does not fade; but a large
# gradient is not yet a good direction, as you will see.
#
# ## 3 · A bug that runs
#
# ### Exercise 3 · Repair the step (★★, very important, 15 minutes)
#
# This D step runs, and its loss goes down. It holds **three** mistakes, all found in published code: gradients arrive at $G$, old gradients
# pile up, and the noise cannot be reproduced. Write it anew, without them. `optimiser` holds $D$'s weights; noise has shape
# `[len(real), G.z_dim]`.
#
# ```python
# fake = G(torch.randn(len(real), G.z_dim))
# loss = losses.minimax_d(D(real), D(fake))
# loss.backward()
# optimiser.step()
# ```

# %%
def my_d_step(G, D, real, optimiser, generator):
    """One step of D, which leaves G, and G's gradients, alone."""
    ### BEGIN SOLUTION
    with torch.no_grad():
        fake = G(torch.randn(len(real), G.z_dim, generator=generator))
    loss = losses.minimax_d(D(real), D(fake))
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.d_step(my_d_step)

# %% [markdown]
# ## 4 · Five at a time
#
# One run proves nothing: GANs are moody. We want five seeds of every recipe, and to wait once. `Copies` holds five
# networks side by side: a weight is a stack `[5, n_in, n_out]`, and copy $i$ works on the $i$-th fifth of the batch. No copy sees another's
# points, and Adam does not care that a mean over five batches makes each gradient five times smaller; so these are five
# independent trainings.

# %%
S = 5


class Layer(nn.Module):
    """S linear layers side by side: [S, B, n_in] -> [S, B, n_out]."""

    def __init__(self, n_in, n_out):
        super().__init__()
        layers = [nn.Linear(n_in, n_out) for _ in range(S)]
        self.weight = nn.Parameter(torch.stack([layer.weight.T for layer in layers]))
        self.bias = nn.Parameter(torch.stack([layer.bias for layer in layers])[:, None])

    def forward(self, h):
        return torch.baddbmm(self.bias, h, self.weight)


class Copies(nn.Module):
    """S small networks side by side: [S * B, n_in] -> [S * B, n_out], or [S * B] for one output."""

    def __init__(self, *widths, activation):
        super().__init__()
        self.z_dim, self.activation = widths[0], activation
        self.layers = nn.ModuleList(Layer(n_in, n_out) for n_in, n_out in zip(widths, widths[1:]))

    def forward(self, x):
        h = x.view(S, -1, x.shape[1])
        for layer in self.layers[:-1]:
            h = self.activation(layer(h))
        return self.layers[-1](h).flatten(0, 1).squeeze(1)


class UnitNorm(nn.Module):
    """Spectral norm for a stack of matrices: each divided by its largest singular value."""

    def forward(self, weight):
        return weight / torch.linalg.matrix_norm(weight, ord=2, keepdim=True)


# %% [markdown]
# `run` trains five copies by one recipe and looks at them twenty times on the way: hills, good drawings, and the
# gradient that reaches $G$. Everything else is the same for all: the networks, 800 turns, batches of 128, Adam with learning rate 0.003.

# %%
turns = sizes.pick(smoke=20, cpu=800, gpu=4_000)


def run(loss, penalty=None, *, d_steps=1, spectral=False, beta1=0.5):
    """Five trainings by one recipe -> (turns [T], hills [T, S], share good [T, S], gradient [T, S], points {turn: [S, n, 2]})."""
    runtime.seed_everything(seed)
    G = Copies(4, 64, 64, 2, activation=torch.relu).to(device)
    D = Copies(2, 64, 64, 1, activation=partial(leaky_relu, negative_slope=0.2)).to(device)
    for layer in D.layers if spectral else ():
        parametrize.register_parametrization(layer, "weight", UnitNorm())
    looks, points = [], {}

    def watch(turn, average):
        if turn % (turns // 20) == 0:
            z = gan.noise(G, S * 1000, runtime.generator(seed + 1, device))
            with torch.no_grad():
                points[turn] = average(z).view(S, 1000, 2)
            grads = torch.autograd.grad(loss.g(D(G(z))), list(G.parameters()))
            norm = S * torch.cat([g.flatten(1) for g in grads], dim=1).norm(dim=1)
            looks.append((torch.full((S,), turn), *judge(points[turn]), norm))

    gan.fit(G, D, lambda generator: (ring(S * 128, generator),), n_steps=turns, loss=loss, penalty=penalty, d_steps=d_steps,
            generator=runtime.generator(seed, device), lr=(3e-3, 3e-3), betas=(beta1, 0.99), ema=0.99, watch=watch)
    seen = torch.stack([torch.stack([part.cpu().float() for part in look]) for look in looks])         # [T, 4, S]
    return seen[:, 0, 0], seen[:, 1], seen[:, 2], seen[:, 3], points


# %% [markdown]
# ## 5 · Collapse, on purpose
#
# Many tutorials leave Adam's momentum $\beta_1$ at its default of 0.9: an average over the last ten gradients. In an ordinary problem
# they all point downhill. Here the hill moves: $D$ answers every move of $G$. **Predict** what old gradients do to the pair.

# %%
collapsed = run(losses.NON_SATURATING, beta1=0.9)
cured = run(losses.NON_SATURATING, partial(losses.r1, gamma=0.1))

# %%
def filmstrip(runs, name, title):
    """A row of pictures for each run, the first copy at six moments."""
    stops = [round(turns * i / 5 / (turns // 20)) * (turns // 20) for i in range(6)]
    figure, axes = plt.subplots(len(runs), 6, figsize=(15, 2.7 * len(runs) + 0.6), squeeze=False)
    for row, (label, (*_, points)) in zip(axes, runs.items()):
        for ax, turn in zip(row, stops):
            ax.scatter(*centres.cpu().T, s=120, facecolors="none", edgecolors="black", linewidths=1)
            ax.scatter(*points[turn][0].cpu().T, s=2, color=plots.COLOURS[1])
            ax.set(xticks=[], yticks=[], xlim=(-3, 3), ylim=(-3, 3), title=f"turn {turn}")
        row[0].set_ylabel(label, fontsize=13)
    figure.suptitle(title)
    plots.save(figure, name)
    plt.show()


hills = {label: run[1][-1] for label, run in (("0.9", collapsed), ("R1", cured))}
filmstrip({"momentum 0.9": collapsed, "momentum 0.5, R1": cured}, "02_collapse",
          f"Hills covered at the end, five seeds: {[int(h) for h in hills['0.9']]} above, {[int(h) for h in hills['R1']]} below")

# %% [markdown]
# Above, all drawings huddle together and chase $D$ around the ring: wherever they go, $D$ learns to say no there, and they move on. That
# is **mode collapse**: good drawings perhaps, but few kinds. Below, two things were changed: less momentum, and a penalty on $D$'s
# gradient at real points, **R1** (Mescheder et al. 2018), which keeps $D$ from becoming steep where the data are:
#
# $$ \frac{\gamma}{2} \, \mathbb{E}_{x \sim p} \lVert \nabla_x \ell(x) \rVert^2 . $$
#
# ### Exercise 4 · R1 (★★★, important, 15 minutes)
#
# `D` maps points or images `[B, ...]` to logits `[B]`; return the penalty as a scalar that can itself be differentiated, for $D$ is to learn
# from it. (`torch.autograd.grad` has an argument for that. A logit depends on its own $x$ only, so the gradient of the *sum* of all
# logits holds every sample's own.)

# %%
def my_r1(D, real, gamma):
    """gamma / 2 times the mean squared norm of the gradient of D's logit at real x [B, ...]."""
    ### BEGIN SOLUTION
    real = real.detach().requires_grad_()
    gradient, = torch.autograd.grad(D(real).sum(), real, create_graph=True)
    return gamma / 2 * gradient.flatten(1).square().sum(dim=1).mean()
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.r1(my_r1)

# %% [markdown]
# ## 6 · The contest
#
# All losses of the field, and the usual stabilisers, under one budget. Each is a pair of functions of logits in
# `course_lib/losses.py`; look there for formulas and papers. **Predict** three things: who covers all hills on all five seeds, who is
# fastest, who fails altogether?

# %%
recipes = {
    "saturating": lambda: run(losses.SATURATING),
    "non-saturating": lambda: run(losses.NON_SATURATING),
    "least squares": lambda: run(losses.LEAST_SQUARES),
    "hinge": lambda: run(losses.HINGE),
    "Wasserstein, no constraint": lambda: run(losses.WASSERSTEIN),
    "WGAN-GP, 1 D step": lambda: run(losses.WASSERSTEIN, partial(losses.gradient_penalty, weight=1.0)),
    "WGAN-GP, 5 D steps": lambda: run(losses.WASSERSTEIN, partial(losses.gradient_penalty, weight=1.0), d_steps=5),
    "hinge + spectral norm": lambda: run(losses.HINGE, spectral=True),
}
runs, seconds = {"non-saturating, momentum 0.9": collapsed, "non-saturating + R1": cured}, {}
for name, recipe in recipes.items():
    start = time.perf_counter()
    runs[name] = recipe()
    seconds[name] = (time.perf_counter() - start) / S

# %%
def first_complete(when, covered):
    """The first look at which all 8 hills are covered, as text; for each seed."""
    return [f"{when[full.float().argmax()]:.0f}" if (full := covered[:, s] == 8).any() else "–" for s in range(S)]


lines = ["| recipe | hills covered at the end, each seed | good drawings | first complete at turn | gradient at G (median) |",
         "|---|---|---|---|---|"]
table = {}
for name, (when, covered, good, gradient, _) in runs.items():
    table[name] = results.add("hills covered", covered[-1], unit="of 8", setting="-", arm=name, per_seed=covered[-1].tolist(),
                              good=good[-1].tolist(), first_complete=first_complete(when, covered))
    results.add("gradient norm at G", gradient.median(dim=0).values, unit="norm", setting="-", arm=name)
    lines.append(f"| {name} | {' '.join(f'{h:.0f}' for h in covered[-1])} | {100 * good[-1].min():.0f} to {100 * good[-1].max():.0f} % | "
                 f"{' '.join(first_complete(when, covered))} | {gradient.median():.1g} |")
display(Markdown("\n".join(lines)))

# %% tags=["machine"]
for name, value in seconds.items():
    print(f"{name:28} {value:6.1f} s a seed on this machine")

# %%
figure, ax = plt.subplots(figsize=(11, 5.4))
order = sorted(runs, key=lambda name: runs[name][1].mean())
for i, name in enumerate(order):
    when, covered = runs[name][:2]
    style = {"color": plots.COLOURS[i % 7], "linestyle": ("-", "--")[i // 7]}
    ax.plot(when, covered.mean(dim=1), label=name, **style)
ax.set(xlabel="turn", ylabel="hills covered, mean of five seeds", ylim=(0, 8.2),
       title=f"{sum(bool((run[1][-1] == 8).all()) for run in runs.values())} of {len(runs)} recipes end with all hills on all seeds")
ax.legend(fontsize=11, loc="center left", bbox_to_anchor=(1, 0.5), reverse=True)
plots.save(figure, "02_contest")
plt.show()

# %% [markdown]
# Read it with care:
#
# * **One number of Adam outweighs the choice of the loss.** With less momentum, saturating, non-saturating and hinge all find
#   their way; with 0.9, none of the five copies does.
# * **The saturating loss survives here**, for $D$ is never far ahead: both take one step a turn. Section 2 is what happens when it is.
# * **Wasserstein without its constraint** diverges: nothing bounds the critic, and its gradient at $G$ only grows. With the gradient
#   penalty it works, given several D steps a turn, as its paper says; these cost several times as much.
# * **Spectral norm** holds $D$ so flat that 800 turns are too few on hills this narrow. That is a verdict on this budget, not on the
#   method: on images it is among the most used.
# * **R1** is the quiet winner's ingredient: every seed, early, for one more backward pass.
#
# Five seeds of one problem, one learning rate, one size. Another problem can turn the ranks around (Lucic et al. 2018 found that with enough
# tuning most losses come out alike); what carries over is *how* to look.
#
# ## 7 · A page to keep
#
# | symptom | likely cause | remedy | where |
# |---|---|---|---|
# | G's loss stands still, D's is near 0 | saturating loss, D too far ahead | non-saturating loss; fewer D steps | section 2 |
# | all drawings alike, or moving about together | mode collapse: G chases D | momentum 0.5 or 0; R1; larger batches | section 5 |
# | some kinds are missing, the rest is good | partial collapse | R1; measure coverage (notebook 03) | section 6 |
# | losses grow without end | critic without a constraint | gradient penalty, spectral norm | section 6 |
# | loss is `nan` | log of 0; learning rate too high | losses on logits; lower rate; `gan.fit` names the turn | notebook 01 |
# | training slow, D's loss hardly moves | D held too flat, or too weak | lighter penalty; more D steps; larger D | section 6 |
# | all is well, then suddenly worse | the two do not settle | average G's weights (`ema`); keep checkpoints | notebook 01, section 7 |
# | good losses, bad drawings | losses measure the balance, not the quality | look at drawings; measure them | notebook 03 |
# | D's loss goes down, G learns nothing | the D step trains G, or stale gradients | `no_grad` for fakes; `zero_grad` | section 3 |
# | drawings ignore what was asked for | D does not see the condition | projection discriminator | notebook 04 |

# %% [markdown]
# ## The answer
#
# GANs fail because each player's goal moves with the other: gradients vanish when $D$ is far ahead, and $G$ runs in circles when it
# follows too eagerly. A loss that does not saturate cures the first; less momentum and a penalty on $D$'s gradient cure the second.

# %%
best = max(table, key=lambda name: (min(table[name]["per_seed"]), sum(table[name]["good"])))
show = lambda values: ", ".join(f"{value:.0f}" for value in values)         # noqa: E731
display(Markdown(f"Best under this budget: **{best}**, which covers {show(table[best]['per_seed'])} of 8 hills (five seeds), complete after "
                 f"{', '.join(table[best]['first_complete'])} turns. Momentum 0.9 without penalty: "
                 f"{show(table['non-saturating, momentum 0.9']['per_seed'])}."))

# %% [markdown]
# **Read next.** Mescheder, Geiger & Nowozin 2018, *Which training methods for GANs do actually converge?*, for R1 and the circles;
# Arjovsky & Bottou 2017, *Towards principled methods for training GANs*, for the vanishing gradient. Then notebook 03: images.
