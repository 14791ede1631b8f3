# %% [markdown]
# # 04 · Conditions
#
# **The question.** Can you ask a generator for a class, and is the request obeyed?
#
# To help a learner, a generator must draw the character that the learner needs, and not just any. So the generator must take
# requests. You will write the two functions by which a label enters $G$ and $D$. Then you will train a generator that ignores the
# requested class. A single drawing does not show this fault, so you will detect it with a measurement and then cure it.
#
# **You need** notebook 03. **Time**: 30 minutes, and about 35 more with the three exercises.
#
# The parameters are those of notebook 00. The measurements are made on `digits`. A generator for `dataset` is trained as well,
# and one for MNIST if its files are already on this machine.

# %% tags=["parameters"]
import os

profile = os.environ.get("COURSE_PROFILE", "cpu")
dataset = os.environ.get("COURSE_DATASET", "glyphs")
device = os.environ.get("COURSE_DEVICE", "auto")
seed = int(os.environ.get("COURSE_SEED", "0"))

# %%
from functools import partial
from typing import NamedTuple

import matplotlib.pyplot as plt
import torch
from IPython.display import Markdown, display
from torch import nn

from course_checks import nb04 as checks
from course_lib import (
    classifier, datasets, gan, losses, networks, penalties, quality, runtime, statistics,
)
from course_tools import notebook, plots, records

sizes, device, results = notebook.setup("04_conditions", profile, dataset, device, seed)

# %% [markdown]
# ## 1 · The objective, class by class
#
# Give both players the label. $G$ draws *the requested class*, and $D$ says *whether this is a real drawing of that class* (Mirza
# & Osindero 2014):
#
# $$ \min_G \max_D \; \mathbb{E}_{x, y} \log D(x, y) + \mathbb{E}_{z, y} \log \bigl(1 - D(G(z, y), y)\bigr). $$
#
# Collect the terms of each class $y$. Then you see one game of notebook 01 for each class. All games are played with shared
# networks. Each game ends where $G(\cdot, y)$ samples from $p(x \mid y)$.
#
# The code changes little. `gan.d_step` and `gan.g_step` hand a *condition* to both players, and call them as `G(z, y)` and
# `D(x, y)`. What $G$ learns depends on the pairs $(x, y)$ that $D$ sees.

# %%
class TenClasses(NamedTuple):
    """Drawings of ten classes, and those held back from all training."""

    x: torch.Tensor             # [B, 1, 28, 28] drawings to train on
    y: torch.Tensor             # [B] their classes, 0 to 9
    held_x: torch.Tensor
    held_y: torch.Tensor


def prepare(name):
    """The first ten classes of a dataset; every fifth drawing, in a random order, is held out."""
    classes = datasets.load(name)
    images = classes.take(range(10)).to(device).ink.view(10, -1, 1, 28, 28)
    order = torch.randperm(images.shape[1], generator=runtime.rng(0))
    held, rest = order[:len(order) // 5], order[len(order) // 5:]
    y = torch.arange(10, device=device)
    return TenClasses(images[:, rest].flatten(0, 1), y.repeat_interleave(len(rest)),
                      images[:, held].flatten(0, 1), y.repeat_interleave(len(held)))


ten_digits = prepare("digits")
print(f"digits: {len(ten_digits.x)} drawings to train on, {len(ten_digits.held_x)} held out")

# %% [markdown]
# ### Exercise 1 · The pair (★, very important, 10 minutes)
#
# The code below makes batches. It raises no error, and every drawing in a batch is real. But no $G$ will ever learn from these
# batches to draw the requested class. Find the bug and repair it. From `x` `[N, ...]` and `y` `[N]`, return `n` drawings with
# their labels. Sample with replacement, and let nothing but `rng` decide which drawings come.
#
# ```python
# batch_x = x[torch.randint(len(x), (n,), generator=rng)]
# batch_y = y[torch.randint(len(y), (n,), generator=rng)]
# ```

# %%
def my_batch(x, y, n, rng):
    """n random drawings with their labels."""
    ### BEGIN SOLUTION
    chosen = torch.randint(len(x), (n,), generator=rng)       # sampled once, used twice
    return x[chosen], y[chosen]
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.paired_batch(my_batch)

# %% [markdown]
# ## 2 · An evaluation classifier
#
# To measure whether a request is obeyed, we need a network that can read. We train an **evaluation classifier** on the same
# drawings and *test it on the held-out ones*. A classifier that errs on real digits cannot evaluate generated ones, so we measure
# this first.

# %%
def train_evaluator(ten):
    """A classifier of these ten classes."""
    return classifier.train(ten.x, ten.y, n_classes=10, batch=64, rng=runtime.rng(seed + 2, device),
                            n_steps=sizes.pick(smoke=30, cpu=300, gpu=2_000))


def reading(evaluator, ten, name):
    """Record how many held-out real drawings the evaluation classifier names correctly."""
    correct = classifier.conditional_accuracy(evaluator, ten.held_x, ten.held_y)
    return results.add("held-out drawings that the evaluation classifier names correctly", correct,
                       unit="accuracy", setting="inductive", arm="real", data=name)


evaluator = train_evaluator(ten_digits)
real = reading(evaluator, ten_digits, "digits")
print(f"the classifier names {records.percent(real)} of held-out real digits correctly")

# %% [markdown]
# **Class-conditional accuracy** is then simple. Request many drawings of every class, let the classifier name them, and count how
# often it names the requested class. A generator that always obeys scores as high as real digits do. Read this accuracy with two
# cautions:
#
# * The classifier learned from the drawings that $G$ imitates, so it reads copies a little better than new drawings.
# * The intervals below say how far the accuracy could move with other drawings of the same $G$. Another training run may move it
#   further.
#
# ## 3 · Where the label enters G
#
# The noise says *how* to draw, and the label says *what*. Batch norm sets each channel $c$ of a hidden layer $h$ to mean 0 and
# variance 1 (notebook 03). Then a **scale** $s_{y,c}$ multiplies it, and a **shift** $t_{y,c}$ is added. Each class $y$ has
# scales and shifts of its own (Miyato & Koyama 2018, after Dumoulin et al. 2017, who did this for styles). So a class makes some
# channels stronger and others weaker. The layers of `networks.ImageGenerator` compute
#
# $$ h'_{b,c} = s_{y_b, c} \, h_{b,c} + t_{y_b, c} . $$
#
# ### Exercise 2 · Scale by class (★, important, 10 minutes)
#
# You get `h` `[B, C, H, W]`, which is already normalised, `y` `[B]`, and `scale` and `shift` `[n_classes, C]`. Both tables are
# learned, so gradients must reach them.

# %%
def my_conditional_scale(h, y, scale, shift):
    """h with each channel scaled and shifted as the image's class demands: [B, C, H, W]."""
    ### BEGIN SOLUTION
    return h * scale[y][:, :, None, None] + shift[y][:, :, None, None]
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.conditional_scale(my_conditional_scale)

# %% [markdown]
# ## 4 · A generator that ignores the request
#
# Take the generator of section 3 and an **unconditional** discriminator, which never looks at the label. This mistake is easy and
# common, because the code raises no error. **Predict**: what will the drawings look like, and which class-conditional accuracy
# will they get?

# %%
class Unconditional(nn.Module):
    """A discriminator that is given the label and ignores it."""

    def __init__(self):
        super().__init__()
        self.network = networks.ImageDiscriminator()

    def forward(self, x, y):
        return self.network(x)


def train(ten, make_D, watch=None):
    """A class-conditional generator, trained on `ten` classes against the D of `make_D`."""
    def draw(rng):
        chosen = torch.randint(len(ten.x), (sizes.batch,), generator=rng, device=device)
        return ten.x[chosen], ten.y[chosen]

    runtime.seed_everything(seed)
    G, D = networks.ImageGenerator(n_classes=10).to(device), make_D().to(device)
    return gan.fit(G, D, draw, n_steps=n_iterations, loss=losses.NON_SATURATING,
                   penalty=partial(penalties.r1, gamma=1.0), lr=(3e-3, 3e-3), betas=(0.0, 0.99),
                   ema=0.98, rng=runtime.rng(seed, device), watch=watch).G


# %%
n_iterations = sizes.pick(smoke=10, cpu=500, gpu=6_000)
n_each = sizes.pick(smoke=10, cpu=100, gpu=1_000)
requested = torch.arange(10, device=device).repeat_interleave(n_each)


@torch.no_grad()
def request(G, y):
    """One drawing for each label in y: [B, 1, 28, 28]. The same noise every time."""
    return G.eval()(gan.noise(G, len(y), runtime.rng(seed + 1, device)), y)


# %%
class Obedience:
    """For `watch`: the class-conditional accuracy in %, ten times in a run."""

    def __init__(self, evaluator):
        self.evaluator, self.iterations, self.values, self.halves = evaluator, [], [], []

    def __call__(self, iteration, average):
        if iteration % (n_iterations // 10) == 0:
            obeyed = classifier.conditional_accuracy(self.evaluator, request(average, requested),
                                                     requested)
            value, half = statistics.mean_interval(100 * obeyed)
            self.iterations.append(iteration)
            self.values.append(value)
            self.halves.append(half)


unconditional_run = Obedience(evaluator)
ignoring_G = train(ten_digits, Unconditional, unconditional_run)

# %%
figure, ax = plt.subplots(figsize=(8, 8.4))
plots.sheet(request(ignoring_G, requested).view(10, -1, 1, 28, 28)[:, :10], ax,
            title="Requested: a row of 0, a row of 1, ... No row obeys")
plots.save(figure, "04_ignored")
plt.show()

# %% [markdown]
# Each drawing by itself is more or less a digit. But its class is mostly not the requested one, and only a whole *row* shows it.
# The metrics of notebook 03 cannot see this, because they look at drawings without the requested class. Class-conditional
# accuracy compares each drawing with its request:

# %%
def obedience(G, evaluator, arm, name):
    """Record the class-conditional accuracy of G."""
    obeyed = classifier.conditional_accuracy(evaluator, request(G, requested), requested)
    return results.add("class-conditional accuracy", obeyed, unit="accuracy", setting="-", arm=arm,
                       data=name)


ignored = obedience(ignoring_G, evaluator, "D does not see the label", "digits")
print(f"{records.percent(ignored)} of the drawings show the requested digit; guessing gets 10 %")

# %% [markdown]
# The reason is that $D$'s logit does not depend on $y$. If two drawings swap their requests, the loss stays the same. So there is
# no gradient towards obeying, and the loss never asks $G$ to obey.
#
# ## 5 · The cure: projection
#
# Now $D$ must use $y$, and the theory tells how. In notebook 01 the best $D$ was
# $D^* = \frac{p}{p + q} = \sigma\bigl(\log \frac{p}{q}\bigr)$, with $p$ for real and $q$ for generated. So the best logit is
# $\log \frac{p}{q}$. Here it is $\ell = \log \frac{p(x, y)}{q(x, y)}$. Split it:
#
# $$ \log \frac{p(x, y)}{q(x, y)} = \underbrace{\log \frac{p(x)}{q(x)}}_{\text{is it real?}}
#    + \underbrace{\log \frac{p(y \mid x)}{q(y \mid x)}}_{\text{is it of this class?}} . $$
#
# The second part contains two classifiers, one for real and one for generated drawings. Let both be softmaxes on shared features
# $h(x)$. Their vectors for class $y$ are $v^p_y$ and $v^q_y$, and their normalisers are $Z_p$ and $Z_q$:
#
# $$ \log p(y \mid x) = v^p_y{}^\top h(x) - \log Z_p(h(x)), \qquad \log q(y \mid x) = v^q_y{}^\top h(x) - \log Z_q(h(x)) . $$
#
# Subtract them. The part that depends on $y$ is $v_y^\top h(x)$ with $v_y = v^p_y - v^q_y$. The rest consists of the two
# normalisers and $\log \frac{p(x)}{q(x)}$, and it depends on $x$ alone. One learned function $\psi$ of $h$ stands for this rest.
# This gives the **projection discriminator** (Miyato & Koyama 2018):
#
# $$ \ell(x, y) = \psi(h(x)) + v_y^\top h(x) . $$
#
# ### Exercise 3 · Projection (★★, very important, 15 minutes)
#
# You get `h` `[B, F]`, labels `y` `[B]`, a function `psi` from `[B, F]` to `[B]`, and `embedding` `[n_classes, F]`. Its rows are
# the $v_y$.

# %%
def my_projection(h, y, psi, embedding):
    """Logits [B]: is it real, plus is it of class y."""
    ### BEGIN SOLUTION
    return psi(h) + (embedding[y] * h).sum(dim=1)
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.projection(my_projection)

# %% [markdown]
# `networks.ImageDiscriminator(n_classes=10)` does just this. We train the same generator with the same budget and the same seed.
# The only difference is that $D$ uses the label.

# %%
projection = partial(networks.ImageDiscriminator, n_classes=10)
projection_run = Obedience(evaluator)
G = train(ten_digits, projection, projection_run)
cured = obedience(G, evaluator, "projection", "digits")
print(f"{records.percent(cured)} of the drawings show the requested digit")

# %%
figure, ax = plt.subplots(figsize=(10, 4.5))
for run, name, colour, above in ((projection_run, "projection D", "GAN", -22),
                                 (unconditional_run, "unconditional D", "none", 12)):
    ax.errorbar(run.iterations, run.values, run.halves, fmt="o-", color=plots.METHODS[colour])
    ax.annotate(name, (run.iterations[-1], run.values[-1]), (-8, above),
                textcoords="offset points", ha="right", color=plots.METHODS[colour])
for level, name, up in ((100 * real["value"], "real digits", 8), (10, "guessing", -22)):
    ax.axhline(level, color="black", linestyle=":")
    ax.annotate(name, (0, level), (0, up), textcoords="offset points")
ax.set(xlabel="iteration", ylabel="class-conditional accuracy (%)", ylim=(0, 110),
       title=f"G obeys {100 * cured['value']:.0f} % of the requests with a projection D, "
             f"{100 * ignored['value']:.0f} % with an unconditional D")
plots.save(figure, "04_obedience")
plt.show()

# %%
figure, ax = plt.subplots(figsize=(8, 8.4))
plots.sheet(request(G, requested).view(10, -1, 1, 28, 28)[:, :10], ax,
            title="With a projection D, each row shows the requested digit")
plots.save(figure, "04_digits")
plt.show()

# %% [markdown]
# A table shows where $G$ still fails. Its rows are the requested classes, and its columns are the classes that the classifier
# named. **Predict**: which digits are taken for which others?

# %%
with torch.no_grad():
    named = evaluator(request(G, requested)).argmax(1)
confusion = torch.zeros(10, 10).index_put_((requested.cpu(), named.cpu()),
                                           torch.ones(len(named)), accumulate=True)
confusion = 100 * confusion / confusion.sum(1, keepdim=True)
figure, ax = plt.subplots(figsize=(7, 6.4))
ax.imshow(confusion, cmap="Blues", vmin=0, vmax=100)
for i, j in confusion.round().nonzero().tolist():
    ax.text(j, i, f"{confusion[i, j]:.0f}", ha="center", va="center",
            color="white" if confusion[i, j] > 60 else "black")
wrong = confusion.clone().fill_diagonal_(0)
i, j = divmod(wrong.argmax().item(), 10)
ax.set(xticks=range(10), yticks=range(10), xlabel="class named by the classifier (%)",
       ylabel="requested class")
ax.set_title(f"Most common error: {wrong[i, j]:.0f} % of the requested {i}s are read as {j}",
             fontsize=14)
plots.save(figure, "04_confusion")
plt.show()

# %% [markdown]
# ## 6 · Other drawings
#
# The code above is not special to digits. Here it runs on the first ten characters of `dataset`, and on MNIST if its files are
# here. In `glyphs` a character has 16 drawings to learn from, while a digit of `digits` has 140. **Predict** how so few drawings
# change the class-conditional accuracy and the memorisation. In notebook 03, a memorisation of 1 was copying. At 0.5 drawings are
# as far from the training drawings as new real ones are.

# %%
drawn, measured = {"digits": (ten_digits, G)}, {"digits": (real, cured)}
for name in dict.fromkeys((dataset, "mnist")):
    if name != "digits" and datasets.is_here(name):
        ten = prepare(name)
        its_evaluator, its_G = train_evaluator(ten), train(ten, projection)
        drawn[name] = (ten, its_G)
        measured[name] = (reading(its_evaluator, ten, name),
                          obedience(its_G, its_evaluator, "projection", name))
for name, (ten, its_G) in drawn.items():
    of_real, of_generated = map(records.percent, measured[name])
    copied = quality.memorisation(request(its_G, requested), ten.x, ten.held_x)
    print(f"{name}: {len(ten.x) // 10} drawings a class; named correctly: {of_real} of real ones,\n"
          f"    {of_generated} of generated ones; memorisation {copied:.2f}")

# %%
figure, axes = plt.subplots(2, len(drawn), figsize=(6.5 * len(drawn), 8.2), squeeze=False)
for column, (name, (ten, its_G)) in zip(axes.T, drawn.items()):
    for ax, images, what in zip(column, (ten.x, request(its_G, requested)), ("real", "generated")):
        plots.sheet(images.view(10, -1, 1, 28, 28)[:, :6].transpose(0, 1), ax,
                    title=f"{name}, {what}: a column for each class")
plots.save(figure, "04_sheets")
plt.show()

# %% [markdown]
# $G$ obeys with few training drawings as well, but read the numbers with care:
#
# * On `glyphs` the classifier misreads some real drawings, too, and we tested it on 40 of them only. So there the accuracy proves
#   only that $G$ is far above guessing.
# * To obey is not to draw well. Compare the sheets.
# * Memorisation below 0.5 says that drawings are *farther* from the training drawings than new real ones are, and flaws are
#   enough for that. Above 0.5 it raises a suspicion, which smooth drawings alone can cause (notebook 03).

# %% [markdown]
# But a label is a poor way to ask for a character. Every class needs an embedding, and an embedding needs training. So nobody can
# ask this generator for a character that it was not trained on. But a few-shot learner needs just such characters. The next
# notebook looks at a published recipe that overlooks this, and has other faults. [Notebook 08](08_from_one_example.ipynb) then
# replaces the label by an example, because a learner has one.

# %% [markdown]
# ## The answer
#
# Yes, you can ask for a class. Whether $G$ obeys depends on what $D$ sees. A single drawing does not show whether $G$ obeys, so
# you must measure it.
#
# * The accuracy is that of one training run of each kind.
# * A drawing can obey and still be a bad drawing.
# * A label reaches only classes that $G$ was trained on.

# %%
display(Markdown(
    f"On `digits`, the evaluation classifier names {records.percent(real)} of held-out real digits "
    f"correctly. It finds the requested digit in **{records.percent(cured)}** of the drawings if "
    f"$D$ is a projection discriminator, and in **{records.percent(ignored)}** if $D$ does not see "
    f"the label ({cured['n']} drawings each; guessing gets 10 %)."))

# %% [markdown]
# **Read next.** Miyato & Koyama 2018, *cGANs with projection discriminator*, sections 2 and 3: the derivation above in full. Then
# [notebook 05](05_autopsy.ipynb): what is wrong with the recipe everyone copies?
