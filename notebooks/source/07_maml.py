# %% [markdown]
# # 07 · MAML
#
# **The question.** How do you learn an initialisation?
#
# Fine-tuning (notebook 06) starts from weights that were made for another purpose. This notebook learns the *starting point
# itself*: weights from which one or a few gradient steps solve a new task. You will write the inner loop, differentiate through
# it, see what the cheaper relatives leave out, and meet a gradient that is wrong while its loss is right.
#
# **You need** notebook 06, and R1 from notebook 02. **Time**: 60 minutes, and about 60 more with the four exercises.
#
# The parameters are those of notebook 00.

# %% tags=["parameters"]
import os

profile = os.environ.get("COURSE_PROFILE", "cpu")
dataset = os.environ.get("COURSE_DATASET", "glyphs")
device = os.environ.get("COURSE_DEVICE", "auto")
seed = int(os.environ.get("COURSE_SEED", "0"))

# %%
import math
from functools import partial

import matplotlib.pyplot as plt
import torch
from IPython.display import Markdown, display
from torch import nn
from torch.func import functional_call, grad, vmap
from torch.nn.functional import cross_entropy, mse_loss

from course_checks import nb07 as checks
from course_lib import checkpoints, datasets, episodes, learners, maml, networks, runtime
from course_tools import diagrams, notebook, plots, records

sizes, device, results = notebook.setup("07_maml", profile, dataset, device, seed)

# %% [markdown]
# ## 1 · One gradient step as a learner
#
# Let $\theta$ be the weights of a network and $L_S$ its loss on the support of a task. The learner is plain gradient descent from
# $\theta$. One step of it, at a rate $\alpha$, is (Finn et al. 2017, eq. 1)
#
# $$ \theta' = \theta - \alpha \, \nabla_\theta L_S(\theta) . $$
#
# A few such steps are the **inner loop**. The step itself is not new. What is new is that we treat $\theta'$ as a *function of*
# $\theta$, so the code must not change $\theta$ in place. Parameters are therefore a dict, and a step makes a new dict.
# `functional_call(model, params, (x,))` runs the model with those parameters.
#
# ### Exercise 1 · The inner loop (★★, very important, 15 minutes)
#
# Take `steps` steps of gradient descent on the cross-entropy of the support `x`, `y`, from `params`. A dict goes in and a new
# dict comes out. A graph must lead from the result back to `params`, because we will want its derivative. Remember which argument
# of `torch.autograd.grad` R1 needed in notebook 02.

# %%
def my_adapt(model, params, x, y, lr, steps):
    """The parameters after `steps` steps of gradient descent: a new dict."""
    ### BEGIN SOLUTION
    for _ in range(steps):
        loss = cross_entropy(functional_call(model, params, (x,)), y)
        slopes = torch.autograd.grad(loss, list(params.values()), create_graph=True)
        params = {name: p - lr * slope for (name, p), slope in zip(params.items(), slopes)}
    return params
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.adapt(my_adapt)

# %% [markdown]
# ## 2 · The meta-gradient
#
# A starting point is good if, after the step, the *queries* are answered well. So we minimise $L_Q(\theta')$, the loss on the
# queries, averaged over tasks. This is the **outer loop**. It has a rate $\beta$ of its own, and in our code Adam takes its
# steps.
#
# $$ \theta \leftarrow \theta - \beta \, \nabla_\theta \, \frac{1}{T} \sum_{\text{tasks}} L_Q(\theta') . $$
#
# %%
plots.save(diagrams.maml(), "07_loops")
plt.show()

# %% [markdown]
# The Hessian $H = \nabla^2 L_S(\theta)$ holds the second derivatives of the support loss. It is symmetric, so it needs no
# transpose. The chain rule gives for one task
#
# $$ \nabla_\theta L_Q(\theta') = \Bigl(\frac{\partial \theta'}{\partial \theta}\Bigr)^{\!\top} \nabla L_Q(\theta')
#    = (I - \alpha H) \, \nabla L_Q(\theta') . $$
#
# The factor $I - \alpha H$ makes MAML *second-order*, because it says how moving the start moves the end. The code never builds
# $H$. Backpropagation through the inner step gives the product $H \, \nabla L_Q(\theta')$ directly. **First-order** MAML, called
# FOMAML, drops the factor. It takes the gradient at $\theta'$ and applies it at $\theta$.

# %% [markdown]
# ### Exercise 2 · From first order to second (★★★, very important, 15 minutes)
#
# The code below is first-order MAML. Three places in it ignore that `adapted` depends on `params`. Mend all three, and it is
# second-order. If you mend only one or two, it stays first-order, or torch refuses. Return a dict with the gradients of the query
# loss, after one inner step, with respect to `params`.
#
# <details><summary>First-order MAML. It shows an inner step, so open it after Exercise 1.</summary>
#
# ```python
# loss = cross_entropy(functional_call(model, params, (support_x,)), support_y)
# slopes = torch.autograd.grad(loss, list(params.values()))
# adapted = {name: (p - lr * slope).detach().requires_grad_()
#            for (name, p), slope in zip(params.items(), slopes)}
# query_loss = cross_entropy(functional_call(model, adapted, (query_x,)), query_y)
# return dict(zip(params, torch.autograd.grad(query_loss, list(adapted.values()))))
# ```
#
# </details>

# %%
def my_meta_gradient(model, params, support_x, support_y, query_x, query_y, lr):
    """The gradient of the query loss after one inner step, with respect to params: a dict."""
    ### BEGIN SOLUTION
    loss = cross_entropy(functional_call(model, params, (support_x,)), support_y)
    slopes = torch.autograd.grad(loss, list(params.values()), create_graph=True)
    adapted = {name: p - lr * slope for (name, p), slope in zip(params.items(), slopes)}
    query_loss = cross_entropy(functional_call(model, adapted, (query_x,)), query_y)
    return dict(zip(params, torch.autograd.grad(query_loss, list(params.values()))))
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.meta_gradient(my_meta_gradient)

# %% [markdown]
# Never believe a gradient that you have not checked. Nudge $\theta$ a little both ways along a random direction $d$, in float64.
# The difference of the two losses, divided by the distance between the two nudges, is the slope along $d$. It is found without
# any gradient, so it can judge a gradient.

# %%
train, val = (datasets.load(dataset, split=split).normalised().to(device)
              for split in ("train", "val"))
notebook.enough(dataset, train, val, drawings=11, within_alphabet=False)
n_way = min(5, len(train.names), len(val.names))
runtime.seed_everything(seed)
exact = networks.ConvNet(n_way, width=8, norm=networks.BatchNorm).double()
tasks = episodes.sample(datasets.load(dataset, split="train"), n_way=n_way, k_shot=1, q_query=5,
                        n_tasks=4, rng=runtime.rng(seed))
tasks = episodes.Episodes(*(part.double() if part.is_floating_point() else part for part in tasks))
params = {name: p.detach().requires_grad_() for name, p in exact.named_parameters()}
rng = runtime.rng(seed)
direction = {name: torch.randn(p.shape, generator=rng).double() for name, p in params.items()}


def loss_at(shift, **options):
    """The meta-loss after a shift of the parameters along `direction`."""
    shifted = {name: p + shift * direction[name] for name, p in params.items()}
    return maml.meta_loss(exact, shifted, tasks, inner_lr=0.4, steps=1, **options)


# %%
nudge = 1e-7
truth = (loss_at(nudge) - loss_at(-nudge)).item() / (2 * nudge)
for name, options in (("second order", {}), ("first order", {"first_order": True})):
    slopes = torch.autograd.grad(loss_at(0, **options), list(params.values()))
    slope = sum((s * direction[key]).sum() for key, s in zip(params, slopes)).item()
    print(f"{name:>12}: slope {slope:8.4f}, finite difference {truth:8.4f}, "
          f"relative error {abs(slope / truth - 1):.0e}")

# %% [markdown]
# The first-order gradient is another vector. Its program has no fault, because first-order MAML is an algorithm of its own. But
# in general it is the gradient of no loss at all. The Jacobian of a loss's gradient is a Hessian, so it is symmetric. The
# Jacobian of the first-order gradient is $\nabla^2 L_Q(\theta')\,(I - \alpha H)$. This is in general not symmetric. Whether that
# matters is a question for an experiment.
#
# ## 3 · Curves, before and after
#
# Sine waves are the smallest experiment where adaptation can be *seen* (Finn et al. 2017, section 5.1). Each task is a wave with
# an amplitude and a phase of its own. The learner gets ten points and must draw the rest. The phases cover only half a period.
# **Predict** what ten points and one gradient step make of (a) random weights, (b) weights trained on all waves at once, (c)
# MAML's.

# %%
class Curve(nn.Module):
    """x [B, 1] -> y [B, 1]: three layers. `n_support` is for networks with batch statistics."""

    def __init__(self, width=40):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(1, width), nn.ReLU(), nn.Linear(width, width),
                                    nn.ReLU(), nn.Linear(width, 1))

    def forward(self, x, n_support=None):
        return self.layers(x)


def waves(rng, n_tasks=25, k=10, q=10):
    """Support and query points of n sine waves: x, y, x, y, each [T, K or Q, 1]."""
    amplitude, phase = (torch.rand(n_tasks, 1, 1, generator=rng) for _ in range(2))
    x = 10 * torch.rand(n_tasks, k + q, 1, generator=rng) - 5
    y = (0.1 + 4.9 * amplitude) * torch.sin(x - math.pi * phase)
    return x[:, :k], y[:, :k], x[:, k:], y[:, k:]


# %% [markdown]
# `maml.fit` is the outer loop. It samples tasks, lets a `gradient` function fill `.grad`, and lets Adam step at a rate that falls
# to 0. The algorithms below differ only in that one function. With no inner step at all, `maml.backward` trains on all waves at
# once.

# %%
def learn_waves(steps, n_steps=sizes.pick(smoke=5, cpu=2_000, gpu=30_000)):
    """The parameters of a `Curve` after MAML with so many inner steps."""
    runtime.seed_everything(seed)
    settings = {"inner_lr": 0.02, "steps": steps, "loss": mse_loss}
    gradient = partial(maml.backward, vmapped=True, **settings)     # all tasks at once: section 7
    return maml.fit(Curve(), waves, gradient=gradient, n_steps=n_steps, outer_lr=3e-3,
                    rng=runtime.rng(seed)).params


runtime.seed_everything(seed)
starts = {"random weights": {name: p.detach() for name, p in Curve().named_parameters()},
          "trained on all waves": learn_waves(steps=0), "MAML": learn_waves(steps=1)}

# %%
n_tasks = sizes.pick(smoke=20, cpu=200, gpu=1_000)
support_x, support_y, query_x, query_y = waves(runtime.rng(seed + 5), n_tasks=n_tasks, q=50)
model, line = Curve(), torch.linspace(-5, 5, 200)[:, None]
with torch.no_grad():
    common = functional_call(model, starts["trained on all waves"], (query_x,))
    misfit = (common - query_y).square().mean((1, 2))
# of the half that the common curve fits worse, the wave of middling height:
worse = (misfit >= misfit.median()).nonzero().flatten()
shown = worse[query_y[worse].std(1).flatten().median(0).indices]

# %%
def apart(heights, gap):
    """The heights of labels, moved up until neighbours are `gap` apart."""
    moved, lowest = list(heights), -math.inf
    for i in sorted(range(len(moved)), key=moved.__getitem__):
        moved[i] = lowest = max(moved[i], lowest + gap)
    return moved


def show_wave(ax, start, name, colour):
    """The wave `shown`, and what the network draws after 0, 1 and 10 steps from `start`; errors."""
    error, ends, (x, y) = {}, [], (support_x[shown], support_y[shown])
    truth_x, order = query_x[shown].sort(0)
    ax.plot(truth_x, query_y[shown][order.flatten()], color=plots.BLACK, linewidth=8, alpha=0.15)
    for steps, style in ((0, ":"), (1, "--"), (10, "-")):
        adapted = maml.adapt(model, start, x, y, lr=0.02, steps=steps, loss=mse_loss)
        with torch.no_grad():
            ends.append(ax.plot(line, functional_call(model, adapted, (line,)), style,
                                color=colour)[0].get_ydata()[-1].item())
            drawn = functional_call(model, adapted, (query_x[shown],))
            error[steps] = mse_loss(drawn, query_y[shown]).item()
    for said, height in zip(("no step", "1 step", "10 steps"), apart(ends, 2.2)):
        ax.text(5.15, height, said, color=colour, va="center")
    ax.scatter(x, y, color=plots.BLACK, zorder=3)
    ax.set(ylabel="y", ylim=(-6, 6), xlim=(-5.2, 6.6))
    ax.set_title(f"{name}: squared error {error[0]:.1f} before, {error[1]:.1f} after one step")


# %%
colours = (plots.METHODS["none"], plots.BLACK, plots.METHODS["MAML"])
figure, axes = plt.subplots(3, 1, figsize=(9, 8.6), sharex=True)
for ax, (name, start), colour in zip(axes, starts.items(), colours):
    show_wave(ax, start, name, colour)
axes[0].annotate("the wave, and its ten points", (0.7, -3.8), (-4.8, -5), va="center",
                 arrowprops={"arrowstyle": "-"})
axes[2].set_xlabel("x")
plots.save(figure, "07_waves")
plt.show()

# %%
def errors_after(start, steps):
    """The squared error on each wave after so many steps from `start`: [n_tasks]."""
    errors = []
    for *support, x, y in zip(support_x, support_y, query_x, query_y):
        adapted = maml.adapt(model, start, *support, lr=0.02, steps=steps, loss=mse_loss,
                             first_order=True)
        errors.append(mse_loss(functional_call(model, adapted, (x,)), y))
    return torch.stack(errors)


for name, start in starts.items():
    said = []
    for steps in (0, 1, 10):
        with torch.no_grad():
            error = results.add("squared error on new waves", errors_after(start, steps), arm=name,
                                unit="squared error", setting="inductive", steps=steps)
        said.append(f"{error['value']:6.2f} after {steps}")
    print(f"{name:>20}, error after so many steps: {', '.join(said)}")

# %% [markdown]
# The mean of all waves is about $-1.6 \cos x$, and not 0, because the phases cover only half a period. The network trained on all
# waves at once has learned this curve, which fits hardly any task. The figure shows one of the waves that it does not fit. One
# step helps it on this wave, but not on average. *Before* the step, MAML should not beat this network on average, because it was
# trained for the smallest average error. MAML lies where one step leads towards nearly every wave, and it goes on improving up to
# ten steps, though it was trained for one.
#
# Does MAML need the second derivative for this? To find out, add FOMAML to this experiment. Give `learn_waves` a parameter that
# goes into `settings` as `first_order`, and give `starts` one more entry. The figure then needs one more panel and one more
# colour.
#
# ## 4 · The relatives
#
# | | gradient it follows | leaves out |
# |---|---|---|
# | MAML | $(I - \alpha H) \nabla L_Q(\theta')$ | – |
# | FOMAML (Finn et al. 2017) | $\nabla L_Q(\theta')$ | the curvature |
# | ANIL (Raghu et al. 2020) | as MAML, but the inner step moves the head alone | adapting the features |
# | Reptile (Nichol et al. 2018) | $\theta - \theta'$, $\theta'$ after several steps | the query loss, and any derivative of the inner loop |
#
# Reptile's idea is simple. It goes towards the mean of the tasks' solutions, and it stops part of the way. Yet it is closer to
# MAML than it looks, if each inner step gets a fresh batch. For small rates, the Taylor expansion of Reptile's update then has
# two leading terms. MAML has the same two, with other weights. The first term goes down the mean loss. The second goes to where
# the gradients of one task's batches agree.

# %% [markdown]
# ### Exercise 3 · Reptile's update (★, important, 10 minutes)
#
# `adapted` is a list of dicts, the parameters of each task after its inner loop. The new starting point lies on the way from
# `params` to their mean. `outer_lr`, the rate $\beta$, says what part of this way to go. Return a new dict.

# %%
def my_reptile(params, adapted, outer_lr):
    """The starting point, moved towards where the tasks ended."""
    ### BEGIN SOLUTION
    return {name: p + outer_lr * torch.stack([task[name] - p for task in adapted]).mean(0)
            for name, p in params.items()}
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.reptile(my_reptile)

# %% [markdown]
# ### A head that turns MAML into ANIL
#
# The head has one row of weights for each class. Each task assigns the labels anew, so at the start no row has a reason to differ
# from another. It seems fair to start with all rows equal, for example at zero. **Predict** what the first inner step then does
# to the features.

# %%
def first_gradient(prepare):
    """The size of the first inner gradient: of the features' layers, and of the head."""
    runtime.seed_everything(seed)
    model = networks.ConvNet(n_way, norm=networks.BatchNorm, keep_map=True)
    with torch.no_grad():
        prepare(model.head.weight)
        model.head.bias.zero_()
    tasks = episodes.sample(train.to("cpu"), n_way=n_way, k_shot=1, q_query=1, n_tasks=1,
                            rng=runtime.rng(seed))
    loss = cross_entropy(model(tasks.support_x[0]), tasks.support_y[0])
    slopes = torch.autograd.grad(loss, list(model.parameters()))
    body, head = slopes[:-2], slopes[-2:]
    return [torch.cat([slope.flatten() for slope in part]).norm().item() for part in (body, head)]


heads = {"zero rows": nn.init.zeros_, "equal rows": lambda rows: rows.copy_(rows[0].clone()),
         "small random rows": lambda rows: rows.mul_(0.1)}
for name, prepare in heads.items():
    body, head = first_gradient(prepare)
    print(f"{name:>17}: gradient on the features' layers {body:.0e}, on the head {head:.0e}")

# %% [markdown]
# With rows of zeros the features' gradient is *exactly* zero, and with equal rows it is zero up to rounding. For an image of
# class $y$ with features $f$, the rows $w_c$ and the probabilities $p_c$ give
#
# $$ \frac{\partial L}{\partial f} = \sum_c \bigl(p_c - [c = y]\bigr)\, w_c . $$
#
# If all $w_c$ are one $w$, this is $w \,(\sum_c p_c - 1) = 0$. So the first step moves the head alone. MAML with one inner step
# is then ANIL, whatever it is called. An earlier version of this course began so, found that MAML and ANIL agree, and took it for
# a finding about features.
#
# The remedy has two parts. Start with random rows, which the outer loop then learns, and take more than one inner step. The rows
# should be small, because their differences mean nothing to a new task, and the first steps have to undo them. Equal rows are no
# mistake in themselves. Kao et al. 2022 set the head to zero before every task on purpose, and Ye & Chao 2022 learn one row for
# all classes. But with equal rows one inner step cannot tell MAML from ANIL.
#
# ### What all drawings share
#
# If the inner loop moves the head alone, its loss is convex, like a bowl. The steepest direction of the bowl limits the rate,
# because a larger rate would overshoot there. The flattest directions set how many steps are needed. For features $F$ `[N, d]` of
# $N$ drawings, the eigenvalues of $F F^\top / N$ say how steep the directions are. Take one drawing of each of twenty characters.
# **Predict**: are the twenty directions about equally steep?

# %%
def steepness(length, n=min(20, len(train.names))):
    """The eigenvalues of F F' / N for one drawing of each of n characters, largest first: [N]."""
    runtime.seed_everything(seed)
    model = networks.ConvNet(n, norm=networks.BatchNorm, keep_map=True, length=length)
    tasks = episodes.sample(train.to("cpu"), n_way=n, k_shot=1, q_query=1, n_tasks=1,
                            rng=runtime.rng(seed))
    with torch.no_grad():
        features = model.features(tasks.support_x[0])
    return torch.linalg.eigvalsh(features @ features.T / n).flip(0)


steep = {"features as they are": steepness(0), "less their mean, at one length": steepness(32)}
figure, ax = plt.subplots(figsize=(9, 4.8))
looks = zip(plots.COLOURS[2:], "os", (0.05, 0.1))
for (name, values), (colour, marker, aside) in zip(steep.items(), looks):
    ax.plot(range(1, len(values) + 1), values / values[0], marker, color=colour, markersize=9)
    middle = (len(values) - 1) // 2
    ax.text(middle + 1, values[middle] / values[0] + aside, name, color=colour)
middling = [(values / values[0]).median().item() for values in steep.values()]
ax.set(xlabel="direction, the steepest first", ylabel="steepness (the steepest: 1)",
       ylim=(0, 1.05), xticks=(1, 5, 10, 15, 20))
ax.set_title("The middle direction has {:.2f} of the largest steepness,\n"
             "and {:.2f} without what all drawings share".format(*middling))
plots.save(figure, "07_shared")
plt.show()

# %% [markdown]
# One direction is far steeper than all others. This direction is the mean of the features, which all drawings share. It cannot
# tell one character from another, and yet it limits the rate for all directions that can. So take it away. The rest has one
# direction fewer, so the last square of the figure lies at 0. `length=32` subtracts the mean of the support's features, and then
# gives each drawing's features that length (CL2N, Wang et al. 2019, *SimpleShot*). This learns no weight and looks at no query.
# Section 5 measures what it is worth.
#
# ## 5 · Characters
#
# Now train all four algorithms on 1-shot tasks of normalised drawings, from the same random weights, for the same number of outer
# steps. Only the `gradient` function differs. Reptile has no query loss, so it takes all drawings of a task for training. With
# `batches`, each inner step of Reptile sees another drawing of each character. Reptile's $\theta - \theta'$ is no gradient, but
# Adam can use it as one (Nichol et al. 2018), and here it does.
#
# A number alone says little. So the figure has two baselines: the same learners *before* training, and the nearest neighbour in
# pixels of notebook 00. **Predict** the order of all, and whether ANIL loses by leaving the features alone.

# %%
inner = {"inner_lr": 0.025, "steps": 5}
algorithms = {
    "MAML": {"gradient": partial(maml.backward, inductive=True, **inner)},
    "FOMAML": {"gradient": partial(maml.backward, inductive=True, first_order=True, **inner)},
    "ANIL": {"gradient": partial(maml.backward, inductive=True, only="head", **inner)},
    "Reptile": {"gradient": partial(maml.reptile_backward, inner_lr=0.025, steps=6, batches=6)},
}


def learner_of(model, params, gradient, **settings):
    """The learner that adapts as the algorithm did in training."""
    inner = gradient.keywords
    return maml.learner(model, params, inner_lr=inner["inner_lr"], steps=inner["steps"],
                        only=inner.get("only", ""), **settings)


def score(learner, n=sizes.pick(smoke=4, cpu=60, gpu=1_000), n_way=n_way, q_query=10):
    """The accuracy on each of n 1-shot episodes of val, the same episodes at every call."""
    return episodes.accuracies(learner, val, n_way=n_way, k_shot=1, q_query=q_query, n_episodes=n,
                               rng=runtime.rng(seed + 1, device))


# %%
n_outer = sizes.pick(smoke=4, cpu=120, gpu=2_000)


def learn_characters(gradient):
    """(the scores before training, the model after it) of one algorithm."""
    runtime.seed_everything(seed)
    model = networks.ConvNet(n_way, norm=networks.BatchNorm, keep_map=True, length=32).to(device)
    with torch.no_grad():
        model.head.weight *= 0.1

    def draw(rng):
        return episodes.sample(train, n_way=n_way, k_shot=1, q_query=5,
                               n_tasks=sizes.pick(smoke=2, cpu=4, gpu=32), rng=rng)

    before = score(learner_of(model, dict(model.named_parameters()), gradient, inductive=True))
    maml.fit(model, draw, gradient=gradient, n_steps=n_outer, rng=runtime.rng(seed, device))
    return before, model


# %%
runs = {name: learn_characters(**options) for name, options in algorithms.items()}

# %%
task = f"{n_way}-way 1-shot"
add = partial(results.add, unit="accuracy", split="val")
pixels = add(task, score(learners.nearest_neighbour), arm="nearest in pixels", setting="inductive")
untrained, learned = {}, {}
for name, (before, model) in runs.items():
    params, gradient, said = dict(model.named_parameters()), algorithms[name]["gradient"], []
    untrained[name] = add(f"{task}, before training", before, arm=name, setting="inductive")
    for setting in ("inductive", "transductive"):
        scores = score(learner_of(model, params, gradient, inductive=setting == "inductive"))
        learned[name, setting] = add(task, scores, arm=name, setting=setting)
        said.append(f"{setting} {records.percent(learned[name, setting])}")
    print(f"{name:>8}: {', '.join(said)}")

# %%
def dot(ax, record, height, colour, **style):
    """A dot at the record's value in per cent, with its interval; returns the value."""
    value, low, high = (100 * record[key] for key in ("value", "low", "high"))
    ax.errorbar(value, height, xerr=[[value - low], [high - value]], fmt="o", color=colour,
                markersize=11, **style)
    return value


# %%
figure, ax = plt.subplots(figsize=(9, 4.6))
grey, low, middle, high = plots.METHODS["nearest"], *(100 * pixels[key] for key in
                                                      ("low", "value", "high"))
ax.axvspan(low, high, color=grey, alpha=0.2)
ax.axvline(middle, color=grey, linestyle=":")
for i, name in enumerate(algorithms):
    start = dot(ax, untrained[name], -i, plots.METHODS[name], markerfacecolor="white")
    end = dot(ax, learned[name, "inductive"], -i, plots.METHODS[name])
    if i == 0:
        ax.text(start, 0.3, "before", ha="center", color=plots.METHODS[name])
        ax.text(end, 0.3, "trained", ha="center", color=plots.METHODS[name])
        first = f"{n_outer} outer steps take MAML from {start:.0f} to {end:.0f} %."
ax.text(middle, 0.75, "nearest in pixels", ha="center", color=grey, backgroundcolor="white")
ax.set(yticks=[-i for i in range(len(algorithms))], yticklabels=list(algorithms), ylim=(-3.5, 1.15),
       xlabel=f"{task} on val, inductive (%)")
ax.set_title(f"{first}\nThe nearest neighbour in pixels gets {middle:.0f} % untrained")
plots.save(figure, "07_characters")
plt.show()

# %% [markdown]
# The drawings are normalised, and so the nearest neighbour in pixels does well on them. Judge a learner by its distance from the
# dotted line, and not by its distance from guessing.
#
# One set of weights gives two numbers in two settings (notebook 06). With `inductive=True`, `networks.BatchNorm` normalises the
# queries by the statistics of the support. Otherwise it takes the statistics of all queries together. Published MAML numbers are
# of this second kind. Ours were trained in the first, except Reptile, which has no queries.
#
# One short run of each learner cannot settle their order. `studies/few_shot.py` therefore trains each learner of the course on
# `glyphs`, 20-way, with three seeds, and notes the seconds. MAML and ANIL learn a rate for each inner step there. The recipes
# differ in steps and in cost, so the fair axis is time. ProtoNet takes no inner step and stands beside them. "ANIL, plain
# features" does without `length`. Each line is the mean of three seeds, inductive. The band reaches from the lowest to the
# highest.

# %%
folder = runtime.project_root() / "figures" / "results"
looks = records.read(folder / "few_shot_curves.jsonl")
long_run = {(r["dataset"], r["arm"], r["setting"]): r
            for r in records.read(folder / "few_shot.jsonl")
            if r["name"] == "5-way 1-shot" and r["seed"] == "all"}
shown = [*algorithms, "ProtoNet", "ANIL, plain features"]
curves = {name: [r for r in looks if r["arm"] == name] for name in shown}

# %%
figure, ax = plt.subplots(figsize=(9, 5.6))
for name, records_of in curves.items():
    colour = plots.METHODS[name.partition(",")[0]]
    seconds = [sum(r["seconds"]) / len(r["seconds"]) for r in records_of]
    heights = [100 * r["value"] for r in records_of]
    ax.plot(seconds, heights, "o--" if "plain" in name else "o-", color=colour)
    ax.fill_between(seconds, [100 * min(r["each"]) for r in records_of],
                    [100 * max(r["each"]) for r in records_of], color=colour, alpha=0.2)
    aside = {"Reptile": 1, "FOMAML": -1.3}.get(name, 0)
    ax.text(seconds[-1] + 4, heights[-1] + aside, name.replace(", ", ",\n"), color=colour,
            va="center")
reached = {name: 100 * curves[name][-1]["value"] for name in shown}
steppers = [reached[name] for name in algorithms]
ax.set(xlabel="seconds of training on one core", ylabel="20-way 1-shot on val (%)")
ax.set_xlim(right=320)
ax.set_title(f"ProtoNet ends at {reached['ProtoNet']:.0f} %, learners with inner steps at "
             f"{min(steppers):.0f} to {max(steppers):.0f} %,\nANIL on plain features at "
             f"{reached['ANIL, plain features']:.0f} %", fontsize=15)
plots.save(figure, "07_long_runs")
plt.show()

# %%
costs = {r["arm"]: r for r in records.read(folder / "meta_steps.jsonl")
         if r["name"] == "meta-step" and (r["steps"], r["width"]) == (1, 32)}
lines = [f"| one outer step of 16 tasks ({costs['MAML']['device']}) | milliseconds | times MAML | "
         "memory, MiB |", "|---|---|---|---|"]
for name in algorithms:
    median, memory = costs[name]["median"], costs[name]["memory"]
    times = median / costs["MAML"]["median"]
    lines.append(f"| {name} | {1000 * median:.0f} | {times:.2f} | {memory:.0f} |")
display(Markdown("\n".join(lines)))

# %% [markdown]
# The lowest line of the figure is ANIL on features as they are. What all drawings share costs it more than ten points.
#
# The table comes from `studies/meta_steps.py`. There Reptile takes five inner steps, and the others take one. With several inner
# steps ANIL can save more, because its features need to be computed only once. `studies/few_shot.py` makes use of this.
#
# Did ANIL lose by leaving the features alone? In these runs the rows of the head differ, so the question has an answer. The
# difference is paired, because both learners met the same test episodes, for each of three seeds.

# %%
for of in ("glyphs", "omniglot"):
    r, = (r for r in records.read(folder / "few_shot.jsonl") if r["dataset"] == of
          and (r["name"], r["arm"]) == ("20-way 1-shot, difference",
                                        "MAML (inductive) - ANIL (inductive)"))
    verdict = ("no difference shown" if r["low"] < 0 < r["high"] else
               "MAML is ahead" if r["low"] > 0 else "ANIL is ahead")
    print(f"{of:>8}, 20-way 1-shot, MAML - ANIL: {100 * r['value']:+.1f} "
          f"± {50 * (r['high'] - r['low']):.1f} points ({verdict})")

# %% [markdown]
# ## 6 · What moves, how many steps, how large
#
# `checkpoints/maml_glyphs.safetensors` holds a long run of MAML, trained 20-way on `glyphs`, and its learned rates. A 5-way task
# takes five of the twenty rows of its head. The loss of such a task is a mean over five images and not twenty. So at the same
# rates each image would move the weights four times as far. Therefore we take a quarter of the rates. **Predict** how far the
# features' layers move in the inner loop. What is lost if they are held still at test time?

# %%
whole = checkpoints.load(runtime.project_root() / "checkpoints" / "maml_glyphs.safetensors", device)
learned_rates = whole.pop("log_rates").exp()


def for_way(n_way):
    """The network of the long run for tasks of n_way classes, and its weights."""
    model = networks.ConvNet(n_way, norm=networks.BatchNorm, keep_map=True, length=32).to(device)
    return model, {name: p[:n_way] if name.startswith("head") else p for name, p in whole.items()}


model, long = for_way(n_way)
inner = {"inner_lr": learned_rates * n_way / 20, "steps": len(learned_rates)}
print("rates learned for 20-way tasks, from 0.1:", [round(r, 3) for r in learned_rates.tolist()])

# %%
new = episodes.sample(val, n_way=n_way, k_shot=1, q_query=1, n_tasks=10,
                      rng=runtime.rng(seed, device))
moved = {"features": [], "head": []}
for x, y in zip(new.support_x, new.support_y):
    adapted = maml.adapt(model, long, x, y, first_order=True, lr=inner["inner_lr"],
                         steps=inner["steps"])
    for part in moved:
        names = [name for name in long if name.startswith("head") == (part == "head")]
        way, size = (torch.cat([p[name].flatten() for name in names]).norm() for p in (
            {name: adapted[name] - long[name] for name in names}, long))
        moved[part].append((way / size).item())

# %%
for part, ways in moved.items():
    record = results.add("way in the inner loop", torch.tensor(ways), unit="fraction of the size",
                         arm=part, setting="-", split="val")
    print(f"{part:>8}: moves by {records.percent(record)} of its size")
held = {only: score(maml.learner(model, long, only=only, inductive=True, **inner))
        for only in ("", "head")}
for only, name in (("", "all parameters move"), ("head", "the head moves alone")):
    record = results.add(f"{n_way}-way 1-shot, the same weights", held[only], unit="accuracy",
                         arm=name, setting="inductive", split="val")
    print(f"{name:>22}: {records.percent(record)}")
difference = results.add(f"{n_way}-way 1-shot, the same weights, difference",
                         held[""] - held["head"], unit="accuracy", setting="inductive",
                         arm="all parameters move - the head moves alone", split="val")
print(f"{'difference, paired':>22}: {records.percent(difference).replace('%', 'points')}")

# %% [markdown]
# The features' layers can move now, because the rows of the head differ. They hardly do, and to hold them still at test time
# costs less than a point. So here MAML *is* nearly ANIL, this time as a finding about these weights. Raghu et al. 2020 found the
# same on Omniglot and MiniImageNet. But larger rows in the head would move the features more, and ours began small. So the
# finding holds for this recipe only.
#
# The rate and the number of steps at test time need not be those of training. The next figure tries both, on 20-way tasks,
# because 5-way tasks are too easy to tell the settings apart. **Predict** which rate is best for one step and which for twenty,
# and what happens at a rate ten times too large.

# %%
most = min(20, len(val.names))
wide, wide_start = for_way(most)
rates, counts = (0.01, 0.03, 0.1, 0.3, 1, 3), (1, 5, 20)
swept = {}
for steps in counts:
    for rate in rates:
        scores = score(maml.learner(wide, wide_start, inner_lr=rate, steps=steps, inductive=True),
                       n=sizes.pick(smoke=2, cpu=15, gpu=300), n_way=most, q_query=5)
        swept[steps, rate] = add(f"{most}-way 1-shot, rate and steps", scores, arm=f"rate {rate}",
                                 setting="inductive", steps=steps)

# %%
figure, ax = plt.subplots(figsize=(9, 5))
for i, steps in enumerate(counts):
    line = [swept[steps, rate] for rate in rates]
    values, low, high = ([100 * r[key] for r in line] for key in ("value", "low", "high"))
    ax.plot(rates, values, "o-", color=plots.METHODS["MAML"], alpha=0.35 + 0.3 * i)
    ax.fill_between(rates, low, high, color=plots.METHODS["MAML"], alpha=0.12)
    ax.text(0.009, values[0], f"{steps} step{'s' * (steps > 1)}", ha="right", va="center")
ax.axhline(100 / most, color=plots.BLACK, linestyle=":")
ax.text(3, 100 / most + 1, "no step: guessing", ha="right", va="bottom")
best = {steps: max(rates, key=lambda rate, s=steps: swept[s, rate]["value"]) for steps in counts}
ax.set(xscale="log", xticks=rates, xticklabels=rates, xlim=(0.004, 3.5), xlabel="inner rate",
       ylabel=f"{most}-way 1-shot on val (%)", ylim=(0, 100))
ax.minorticks_off()
said = [f"{100 * swept[s, best[s]]['value']:.0f} % in {s} step{'s' * (s > 1)} at rate {best[s]}"
        for s in (1, 20)]
ax.set_title(f"Best: {', '.join(said)}")
plots.save(figure, "07_sweep")
plt.show()

# %% [markdown]
# Without any step the network guesses, because the labels of a task are assigned after training. A small rate needs many steps.
# In the middle, one step of the right size does as much as twenty, because no direction is much steeper than the others. The
# largest rate overshoots at its first step, and more steps do not mend this.
#
# The long run learned its rates like any other parameter, one for each step (Antoniou et al. 2019 learn one for each layer and
# step). To do so, pass `inner_lr` as a tensor, and its gradient comes with the rest.

# %%
class Rates(nn.Module):
    """A learned rate for each of the inner steps."""

    def __init__(self, steps, lr):
        super().__init__()
        self.lr = nn.Parameter(torch.full((steps,), lr))


runtime.seed_everything(seed)
rates = Rates(3, 0.02)
maml.fit(Curve(), waves, n_steps=sizes.pick(smoke=5, cpu=150, gpu=10_000), outer_lr=3e-3,
         rng=runtime.rng(seed), rates=rates,
         gradient=lambda model, tasks: maml.backward(model, tasks, inner_lr=rates.lr, steps=3,
                                                     loss=mse_loss, vmapped=True))
print("the three inner rates on waves, learned from 0.02:",
      [round(rate, 3) for rate in rates.lr.tolist()])

# %% [markdown]
# ## 7 · The trap
#
# A loop over tasks is slow on a GPU. `torch.func.vmap` does all tasks at once. It replaces the loop in one line, and PyTorch's
# own MAML example does the same. Here is MAML both ways, with three kinds of norm, in float64. The tasks, the weights and the
# loss are the same.

# %%
def both_ways(norm):
    """The meta-loss and its gradient (flat), by a loop over tasks and by vmap."""
    runtime.seed_everything(seed)
    net = networks.ConvNet(n_way, width=8, norm=norm).double()
    params = dict(net.named_parameters())

    def task_loss(support_x, support_y, query_x, query_y):
        def support_loss(p):        # networks.BatchNorm: by the statistics of all images, n_support
            return cross_entropy(functional_call(net, p, (support_x, len(support_x))), support_y)

        slopes = grad(support_loss)(params)
        adapted = {name: p - 0.4 * slopes[name] for name, p in params.items()}
        return cross_entropy(functional_call(net, adapted, (query_x, len(query_x))), query_y)

    losses = (torch.stack([task_loss(*task) for task in zip(*tasks)]).mean(),
              vmap(task_loss)(*tasks).mean())
    gradients = [torch.autograd.grad(loss, list(params.values())) for loss in losses]
    return losses, [torch.cat([g.flatten() for g in gradient]) for gradient in gradients]


# %%
trap = {}
norms = {"nn.BatchNorm2d": partial(nn.BatchNorm2d, track_running_stats=False),
         "networks.BatchNorm": networks.BatchNorm, "nn.GroupNorm": partial(nn.GroupNorm, 2)}
for name, norm in norms.items():
    losses, gradients = both_ways(norm)
    trap[name] = ((gradients[1] - gradients[0]).norm() / gradients[0].norm()).item()
    print(f"{name:>18}: losses differ by {abs(losses[0] - losses[1]).item():.0e}, "
          f"gradients by {trap[name]:.0e} (relative)")

# %% [markdown]
# With `nn.BatchNorm2d` the loss agrees up to rounding. The gradient does not, and there is no warning. Training then follows a
# wrong gradient. Such a bug is easily taken for "our method needs careful tuning".
#
# The fault is in torch. Inside MAML, scale and shift differ between tasks, and then vmap gets the second derivative of torch's
# own kernel wrong. This is issue 534 of pytorch/functorch, still open in torch 2.13. `maml.meta_loss` refuses the layers
# concerned, and a test of this course tells when the fault is mended.
#
# ### Exercise 4 · An exact batch norm (★★★, 20 minutes)
#
# Write batch norm as plain arithmetic, because every derivative of plain arithmetic is right.
#
# * Subtract the mean of each channel, over batch, height and width.
# * Divide by the root of variance + `eps`. The variance is the mean square, so it divides by $n$ and not by $n - 1$.
# * Multiply by `weight` and add `bias`, each `[C]`.
#
# The result must be right in float32 too, also where all of `h` is near 3,000.

# %%
def my_batch_norm(h, weight, bias, eps):
    """h [B, C, H, W], normalised by the statistics of the batch, scaled and shifted by channel."""
    ### BEGIN SOLUTION
    variance, mean = torch.var_mean(h, dim=(0, 2, 3), correction=0, keepdim=True)   # [1, C, 1, 1]
    normal = (h - mean) / (variance + eps).sqrt()
    return normal * weight[:, None, None] + bias[:, None, None]
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.exact_batch_norm(my_batch_norm)

# %% [markdown]
# ## The answer
#
# You learn an initialisation by differentiating through the learning that starts from it. The second derivative can be computed
# exactly, dropped, or avoided. Which of these is worth its price is an empirical question, and here is how one set of recipes
# answers it.

# %%
def accuracy(of, arm, setting="inductive"):
    """The 5-way 1-shot accuracy of a long run, for people."""
    return records.percent(long_run[of, arm, setting])


display(Markdown(
    "On `glyphs`, on alphabets never seen, MAML names "
    f"**{accuracy('glyphs', 'MAML')}** of 5-way 1-shot queries correctly. Its relatives save the "
    f"second derivative, or more, and get {accuracy('glyphs', 'ANIL')} (ANIL), "
    f"{accuracy('glyphs', 'FOMAML')} (FOMAML) and {accuracy('glyphs', 'Reptile')} (Reptile). But "
    f"prototypes, which take no gradient step, get {accuracy('glyphs', 'ProtoNet')}.\n\n"
    "* These numbers are inductive. Transductively, as published numbers of MAML are, it gets "
    f"{accuracy('glyphs', 'MAML', 'transductive')}.\n"
    "* Each number is the mean of three trainings and its 95 % interval. The intervals of MAML and "
    "its relatives overlap, so they give no order.\n"
    f"* On `omniglot`, from five real alphabets, MAML gets {accuracy('omniglot', 'MAML')} and the "
    f"prototypes {accuracy('omniglot', 'ProtoNet')}.\n"
    "* The drawings are normalised, and so even the nearest neighbour in pixels does well on them "
    "(section 5)."))

# %% [markdown]
# **Read next.**
#
# * Finn et al. 2017, *Model-agnostic meta-learning*
# * Nichol et al. 2018, *On first-order meta-learning algorithms*, section 5, for the Taylor expansion
# * Raghu et al. 2020, *Rapid learning or feature reuse?*
# * on MAML's head, Kao et al. 2022, *MAML is a noisy contrastive learner in classification* (arXiv 2106.15367)
# * Ye & Chao 2022, *How to train your MAML to excel in few-shot classification* (arXiv 2106.16245)
#
# Then [notebook 08](08_from_one_example.ipynb) builds a generator that draws a new character from the one example that these
# learners get.
