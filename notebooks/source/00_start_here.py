# %% [markdown]
# # 00 · Start here
#
# **The question.** What will you be able to do at the end of this course, and can this machine run it?
#
# You can read a letter that you have seen once. A neural network usually needs thousands of examples. To learn from only a few is
# called *few-shot learning*. Can a *generator* that has seen many alphabets draw the missing examples? The next cell lets a
# generator try. It gets one drawing of each of four characters, from alphabets that are new to it, and it draws five more of
# each.

# %%
import matplotlib.pyplot as plt
import torch

from course_lib import checkpoints, datasets, gan, networks, runtime
from course_tools import plots

plots.use_style()
unseen = datasets.load("glyphs", split="val").images / 255                      # [C, M, 1, 28, 28]
G = networks.WarpGenerator()
checkpoints.load_into(G, runtime.project_root() / "checkpoints" / "warp_glyphs.safetensors", "cpu")
one = unseen[[3, 21, 47, 64], 0]                                                # [4, 1, 28, 28]
with torch.no_grad():
    five = [G(gan.noise(G, 4, runtime.rng(i)), one[:, None], one[None]) for i in range(5)]
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 6.4), width_ratios=(1, 5.2))
plots.sheet(one[:, None], left, title="one drawing")
plots.sheet(torch.stack(five, dim=1), right, title="five more by a generator")
plots.save(figure, "00_promise")
plt.show()

# %% [markdown]
# **The course in one paragraph.** A generator $G$ receives noise and the few examples of a task, and it draws more examples. A
# discriminator $D$ tells generated drawings from real ones, and $G$ learns by trying to fool $D$. Then a *learner* adapts to the
# task, with the few examples and with those that $G$ adds. We measure whether, when and where that helps the learner.
#
# **You need** Python, a little PyTorch, and the idea of a gradient. **Time**: 25 minutes, and about 40 more with the three
# exercises. This notebook downloads no data.
#
# **How to read.** Every notebook goes in rounds. A round has a question, your guess, a cell to run, a picture and an explanation.
# Guess before you run, because you learn more from a wrong guess than from reading the answer.
#
# ## The parameters
#
# The next cell is the only place where you set up a run. Each line takes its default from an environment variable. So the same
# variables work in JupyterLab, with the command `course run` and in the tests.
#
# | parameter | means | try |
# |---|---|---|
# | `profile` | the *sizes* of the run: `smoke` (seconds), `cpu` (a laptop), `gpu` (as in published papers); the code is the same | `"smoke"` |
# | `dataset` | which drawings: `glyphs`, `digits`, `print`, `textures` and `spoken` are built in; `omniglot-small1`, `omniglot-small2`, `omniglot`, `mnist`, `fashion-mnist`, `kmnist` and `spoken-digits` are downloaded once; `emnist` you fetch yourself; `folder:/path` is a folder of yours, with a subfolder for each class | `"digits"` |
# | `device` | `auto` takes a GPU where there is one | `"cpu"` |
# | `seed` | where all random numbers start | `1` |

# %% tags=["parameters"]
import os

profile = os.environ.get("COURSE_PROFILE", "cpu")
dataset = os.environ.get("COURSE_DATASET", "glyphs")
device = os.environ.get("COURSE_DEVICE", "auto")
seed = int(os.environ.get("COURSE_SEED", "0"))

# %%
import time

from IPython.display import Image, Markdown, display

from course_checks import nb00 as checks
from course_files import drawings
from course_lib import episodes, learners, statistics
from course_tools import diagrams, notebook, pad, records

sizes, device, results = notebook.setup("00_start_here", profile, dataset, device, seed,
                                        split="train")

# %% [markdown]
# ## What this machine can do
#
# Most of the work in training is matrix products. A product of two $n \times n$ matrices takes $2n^3$ operations, so its time
# tells how many operations a second this machine can do. A laptop reaches some $10^{10}$ to $10^{12}$, a data-centre GPU
# $10^{13}$ to $10^{15}$. Guess yours, then run.

# %% tags=["machine"]
def seconds(function, repeats=5):
    """The shortest of a few timings; `.item()` inside `function` waits for a GPU to finish."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


n = 1024
a = torch.randn(n, n, device=device)
product = seconds(lambda: (a @ a).sum().item())
print(*(f"{name} {version}" for name, version in runtime.versions().items()), sep=", ")
print(f"device {device}, {torch.get_num_threads()} threads")
print(f"matrix product: {1000 * product:.1f} ms, {2 * n**3 / product:.1e} operations a second")

# %% [markdown]
# Next comes one step of training, for the small network that many few-shot papers use. It goes forward, goes backward, and
# updates the weights.

# %% tags=["machine"]
network = networks.ConvNet(n_way=5).to(device)
optimiser = torch.optim.Adam(network.parameters())
x, y = torch.rand(64, 1, 28, 28, device=device), torch.randint(5, (64,), device=device)


def training_step():
    loss = torch.nn.functional.cross_entropy(network(x), y)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.item()


step = seconds(training_step)
print(f"training step on 64 images: {1000 * step:.1f} ms, so 1,000 steps take {1000 * step:.0f} s")

# %% [markdown]
# If that is slow, set `profile = "smoke"` in the parameters cell. Everything gets smaller, and all exercises and checks work the
# same. But in `smoke` the networks are hardly trained. So its pictures and numbers mean nothing, and they do not fit the text.
# For meaningful results open the saved copies in `notebooks/`, which were run with `profile = "cpu"`.
#
# The command `course doctor` prints these facts, the free memory and disk, the kernel, and which data are present.

# %% [markdown]
# ## The data
#
# All datasets have one shape. There are $C$ *classes*, the characters, with $M$ *drawings* of each. A drawing has $28 \times 28$
# pixels, and ink is bright. Some datasets have *alphabets*, groups of characters drawn by the same people.

# %% tags=["nbval-check-output"]
for name in ("glyphs", "digits"):
    whole = datasets.load(name)
    print(f"{name}: {tuple(whole.images.shape)} {whole.images.dtype}, "
          f"{len(whole.images) * whole.images.shape[1]:,} drawings")

# %% [markdown]
# `glyphs` is invented. A simulator composes each character from pen strokes, and twenty simulated people draw it. `digits` is
# real handwriting from scikit-learn, cut down to equally many drawings of each digit. In the pictures, rows are classes and
# columns are drawings.
#
# Look for what makes few-shot learning hard. Two drawings of one character can differ a lot, and two characters can differ very
# little.

# %%
shown = list(dict.fromkeys(["glyphs", "digits", dataset]))
figure, axes = plt.subplots(1, len(shown), figsize=(7 * len(shown), 7.8))
for ax, name in zip(axes, shown):
    plots.sheet(datasets.load(name).images[:8, :8], ax,
                title=f"{name}: a row is a class")
plots.save(figure, "00_data")
plt.show()

# %% [markdown]
# Can the simulator stand in for real handwriting? The next picture shows it beside *Omniglot* (Lake et al. 2015), which has
# characters of real alphabets. Four of the real characters shown are Balinese, and four are Early Aramaic. Cover the titles.
# Which half is handwriting?

# %%
Image(filename=runtime.project_root() / "figures" / "glyphs_vs_omniglot.png", width=900)

# %% [markdown]
# **Splits.** The alphabets of `train` are for training, and those of `val` for choosing between methods. Those of `test` are
# locked away until the very end. The split is by *alphabet*, or by class where there are no alphabets. So we measure how well a
# learner does with writing it has never seen. No learner is trained in this notebook, so here we measure on `train`.

# %%
classes = datasets.load(dataset, split="train").to(device)
notebook.at_least(dataset, "classes in its split 'train'", len(classes.names), 5)
notebook.at_least(dataset, "drawings of each class", classes.images.shape[1], 16)
for split in ("train", "val", "test"):
    part = datasets.load(dataset, split=split)
    print(f"{split:>5}: {len(part.names):4d} classes, {len(set(part.alphabets)):2d} alphabets")

# %% [markdown]
# ## An episode
#
# Few-shot learning is measured in *episodes*. An episode is a small task of $N$ classes. The **support** holds $K$ labelled
# examples of each class. The **queries** are $Q$ more drawings of each of these classes, and the learner is to label them. "5-way
# 1-shot" means $N=5$, $K=1$.

# %%
plots.save(diagrams.episode(), "00_mechanism")
plt.show()

# %% [markdown]
# The labels $0 \dots 4$ are assigned anew in each episode, so no label can be learned by heart. In the shapes below, the first
# dimension counts tasks, and here there is one.

# %% tags=["nbval-check-output"]
task = episodes.sample(classes, n_way=5, k_shot=1, q_query=15, n_tasks=1,
                       rng=runtime.rng(seed, device))
for name, tensor in task._asdict().items():
    print(f"{name:>9} {tuple(tensor.shape)!s:>20} {tensor.dtype}")

# %% [markdown]
# Now be the learner. The upper row has one example of each class, and the lower rows have ten queries. Which class is each? Write
# your ten answers into `my_answers` in the cell below the picture, then run that cell. For comparison, in a harder task, 20-way
# within one alphabet, people err in 4.5 % of the cases (Lake et al. 2015).

# %%
figure, answers = plots.episode(task, n_queries=10)
plots.save(figure, "00_episode")
plt.show()

# %%
my_answers = []     # for instance [4, 0, 2, 2, 1, 3, 0, 0, 1, 4], in the order of the queries

if my_answers:
    right = sum(mine == true for mine, true in zip(my_answers, answers))
    print(f"you: {right} of {len(answers)}. The labels are {answers}")
else:
    print("Write your ten answers into my_answers and run this cell again.")

# %% [markdown]
# Whatever your score, you used everything you know about strokes and handwriting. The rest of the course is about giving a
# network something like that.
#
# ### How exercises work
#
# You write a function, then run the cell below it, where `checks.…` calls your function. A right answer prints one line. A wrong
# one raises an error that says what was expected and what came, and it gives a hint. Work in `notebooks/exercises/`, because the
# same notebooks in `notebooks/` contain the solutions. *Run All* goes on past an unsolved exercise. If you are stuck for long, go
# on too, because no later cell needs your function.
#
# ### Exercise 1 · Sample an episode (★★, important, 20 minutes)
#
# Everything later rests on the sampler, and published code gets it wrong in three classic ways. One class is sampled twice, a
# query is also in the support, or the labels are those of the dataset. Write a sampler for a single task.
#
# * `images` is uint8 `[C, M, 1, H, W]`. Leave it unchanged.
# * Return `support_x` `[N*K, 1, H, W]`, `support_y` `[N*K]`, `query_x` `[N*Q, 1, H, W]` and `query_y` `[N*Q]`. The images stay as
#   they come, in uint8, and the labels are int64.
# * Choose the classes at random and in random order, so that a label says nothing about a class.
# * Choose the drawings of each class separately. In `glyphs` one person made drawing number $d$ of every character of an
#   alphabet. With the same $d$ for all classes, characters of one alphabet would all be by one person.
# * Take all random numbers from `rng`, a `torch.Generator` (`torch.randperm(n, generator=rng)` shuffles $0 \dots n-1$). The
#   course calls it `rng`, for *random number generator*, because here a generator is a network that draws.

# %%
def my_sampler(images, n_way, k_shot, q_query, rng):
    """One N-way K-shot task from images [C, M, 1, H, W]."""
    ### BEGIN SOLUTION
    support_x, query_x = [], []
    for c in torch.randperm(len(images), generator=rng)[:n_way]:
        drawings = torch.randperm(images.shape[1], generator=rng)[:k_shot + q_query]
        support_x.append(images[c, drawings[:k_shot]])
        query_x.append(images[c, drawings[k_shot:]])
    labels = torch.arange(n_way)
    return (torch.cat(support_x), labels.repeat_interleave(k_shot),
            torch.cat(query_x), labels.repeat_interleave(q_query))
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.episode_sampler(my_sampler)

# %% [markdown]
# The library's own sampler, `course_lib/episodes.py`, does the same for many tasks at once, without a loop. Every class gets a
# random key, and the classes with the $N$ largest keys are chosen. Drawings are chosen in the same way. Read it now, because it
# is shorter than this section.

# %% [markdown]
# ## A baseline that learns no weights
#
# The baseline gives each query $x$ the label $y_s$ of the support image $x_s$ that is nearest in pixels,
#
# $$ \hat y = y_{s^*}, \qquad s^* = \arg\min_s \lVert x - x_s \rVert_2 . $$
#
# ### Exercise 2 · Nearest neighbour (★, important, 10 minutes)
#
# One task has flat images of $P$ pixels, `support_x` `[N*K, P]` and `query_x` `[N*Q, P]`, and labels `support_y` `[N*K]`. Return
# the labels of the queries, `[N*Q]`. `torch.cdist` makes a table of distances.

# %%
def my_nearest_neighbour(support_x, support_y, query_x):
    """The label of the nearest support image, for each query."""
    ### BEGIN SOLUTION
    nearest = torch.cdist(query_x, support_x).argmin(dim=1)     # [N*Q]
    return support_y[nearest]
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.nearest_neighbour(my_nearest_neighbour)

# %% [markdown]
# **Predict.** Guessing gets 20 % of 5-way queries right. Will the nearest neighbour in pixels get 30 %, 50 % or 80 %?

# %%
accuracies = episodes.accuracies(learners.nearest_neighbour, classes,
                                 n_way=5, k_shot=1, q_query=15, n_episodes=sizes.eval_episodes,
                                 rng=runtime.rng(seed + 1, device))
# inductive: each query is labelled by itself, without a look at the others (notebook 06)
pixels = results.add("pixel nearest neighbour, 5-way 1-shot", accuracies, unit="accuracy",
                     setting="inductive", arm="no learning")
print(records.percent(pixels), f"over {pixels['n']} episodes")

# %%
figure, ax = plt.subplots(figsize=(9, 5))
ax.hist(100 * accuracies, bins=[100 * (i - 0.5) / 75 for i in range(0, 78, 3)],
        color=plots.METHODS["nearest"], alpha=0.6)
ax.axvline(20, ymax=0.8, color="black", linestyle=":")
ax.axvspan(100 * pixels["low"], 100 * pixels["high"], ymax=0.86, color="black")
ax.margins(y=0.25)
top = ax.get_ylim()[1]
ax.text(20, 0.82 * top, "guessing", ha="center")
ax.text(100 * pixels["value"], 0.88 * top, f"mean {records.percent(pixels)}", ha="center")
ax.set(xlabel="accuracy of one episode (%)", ylabel="episodes", xlim=(0, 100),
       title=f"Single episodes have a standard deviation of {100 * accuracies.std():.0f} points,\n"
             f"and their mean is known to ± {50 * (pixels['high'] - pixels['low']):.1f} points")
plots.save(figure, "00_baseline")
plt.show()

# %% [markdown]
# ## Draw your own
#
# Now an episode of your own. In JupyterLab, run the next cell. It shows six pads with drawings of ours. Clear them. Invent five
# characters and draw each of them once, with the mouse, a finger or a pen. Then draw one of the five again on the last pad, as
# another person would. **Predict.** Will the nearest neighbour find it?
#
# Then run the cell *below* the pads, because it does not run by itself. Do not run the cell of the pads a second time, because
# our drawings would come back. A static page has no pads, so its picture shows our drawings.

# %% tags=["machine"]
mine = pad.Pads(5, strokes=drawings.FIVE)
again = pad.Pads(1, label="one of them again", strokes=[drawings.AGAIN])
display(mine, again)

# %%
support, query = (pads.classes().ink.view(1, -1, 1, 28, 28) for pads in (mine, again))
yours = episodes.Episodes(support, torch.arange(5)[None], query, None)      # you know its label
named = learners.nearest_neighbour(yours).item()
distances = torch.cdist(query.flatten(2), support.flatten(2))[0, 0].tolist()
figure, axes = plt.subplots(1, 6, figsize=(14, 3.6))
for ax, image, name, distance in zip(axes, support[0], mine.labels, distances):
    plots.show(ax, image, f"{name}\ndistance {distance:.1f}")
plots.show(axes[5], query[0, 0], "one of them again")
axes[named].spines[:].set(visible=True, color="black", linewidth=4)
figure.suptitle(f"The nearest in pixels is {mine.labels[named]}, at distance {min(distances):.1f}",
                fontsize=18)
plots.save(figure, "00_yours")
plt.show()

# %% [markdown]
# Was the nearest neighbour right? Draw the same character again, but smaller or nearer to a corner. Which of your five does it
# name now, and why?

# %% [markdown]
# ## A number without an interval is a rumour
#
# The accuracy of one episode is mostly luck. A mean over $n$ episodes depends less on luck, and we can say how much less.
#
# ### Exercise 3 · The interval (★, very important, 10 minutes)
#
# The accuracies of $n$ single episodes scatter with standard deviation $s$. Their mean scatters less. How much less follows from
# a rule about independent numbers, whose variances add up. Return the mean and the half-width of its 95 % interval. The
# half-width is 1.96 standard deviations of the *mean*, because 95 % of a normal distribution lie that near to its centre.

# %%
def my_interval(accuracies):
    """(mean, half-width of the 95 % interval) of a float tensor [n]."""
    ### BEGIN SOLUTION
    return accuracies.mean(), 1.96 * accuracies.std() / len(accuracies) ** 0.5
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.interval(my_interval)

# %% [markdown]
# The library has this interval as `statistics.mean_interval`. The next cell tests the promise of 95 %. It takes the mean of all
# our episodes as the truth. Then it samples 50 of the episodes, 10,000 times, and counts how often the interval contains the
# truth. **Predict** the number.

# %%
truth, rng, hits = accuracies.mean(), runtime.rng(seed), 0
for _ in range(10_000):
    few = accuracies[torch.randint(len(accuracies), (50,), generator=rng)]
    mean, half = statistics.mean_interval(few)
    hits += abs(mean - truth) <= half
print(f"the truth lies in {hits} of 10,000 intervals, {hits / 100:.1f} %")

# %% [markdown]
# Expect a little under 95 %, because 50 values only estimate $s$. That costs about half a point. With fewer than 30 values this
# costs more. So below 30 values `mean_interval` takes a larger factor, from Student's t distribution.
#
# <details><summary>The formula of exercise 3, if you want to compare</summary>
#
# With accuracies $a_1 \dots a_n$ and their mean $\bar a$, the interval is
#
# $$ \bar a \pm 1.96 \, \frac{s}{\sqrt n}, \qquad s^2 = \frac{1}{n-1} \sum_i (a_i - \bar a)^2 . $$
#
# </details>
#
# The interval says how far the mean would move with *other episodes*. It does not say how far another seed or another choice of
# alphabets would move it. Later notebooks give intervals for these two as well.
#
# **Predict, then look.** You want an interval of half the width. How many times as many episodes do you need?

# %%
counts = [len(accuracies) // divisor for divisor in (16, 4, 1)]
for n in counts:
    mean, half = statistics.mean_interval(accuracies[:n])
    print(f"{n:6d} episodes: {100 * mean:.1f} ± {100 * half:.1f} %")

# %% [markdown]
# ## The map
#
# | # | question |
# |---|---|
# | **00 start here** | what will you be able to do, and can this machine run it? |
# | [01 the GAN game](01_the_gan_game.ipynb) | what does the minimax objective optimise? |
# | [02 making it train](02_making_it_train.ipynb) | why do GANs fail, and what cures each failure? |
# | [03 drawing characters](03_drawing_characters.ipynb) | does it work on images, and how do you know? |
# | [04 conditions](04_conditions.ipynb) | can you ask for a class, and is the request obeyed? |
# | [05 autopsy](05_autopsy.ipynb) | what is wrong with the recipe everyone copies? |
# | [06 episodes](06_episodes.ipynb) | what is few-shot learning and how is it measured fairly? |
# | [07 MAML](07_maml.ipynb) | how do you learn an initialisation? |
# | [08 from one example](08_from_one_example.ipynb) | can a generator draw a character it has never seen from one drawing? |
# | [09 GAN-augmented adaptation](09_gan_augmented_adaptation.ipynb) | does the generator help the learner? |
# | [10 where samples help](10_where_samples_help.ipynb) | where should generated samples enter, and how many? |
# | [11 why it helps](11_why_it_helps.ipynb) | what can generated samples add, and what can they never add? |
# | [12 other generators](12_other_generators.ipynb) | is a GAN the right generator? |
# | [13 other worlds](13_other_worlds.ipynb) | does it carry over to other tasks, and can one generator serve many? |
# | [14 speech and text](14_speech_and_text.ipynb) | does the idea need images? |
# | [15 learning to act](15_learning_to_act.ipynb) | can generated experience replace real experience? |
#
# 01 to 05 are about the generator, and 06 and 07 about the learner. 08 builds a generator that a learner can use, and 09 and 10
# measure whether it helps. 11 asks why, and 12 asks whether another kind of generator would do better. 13 to 15 leave
# handwriting, for other worlds of pictures, for speech and text, and for learning to act.
#
# ## The symbols
#
# Come back to this table when you meet a symbol again. Each is explained where it first appears.
#
# | symbol | means | from |
# |---|---|---|
# | $x$, $y$ | an image (in 01 and 02: a point) and its class. Where $G$ is given an example (from 05 on), $x$ is the *example*, and $x'$ another drawing of the same character | 00 |
# | $N$-way, $K$-shot | a task asks for $N$ classes, and gives $K$ labelled examples of each; `[N*Q]` has $Q$ queries of each | 00 |
# | support, query | the labelled examples of a task, the drawings to be named; as sets $S$ and $Q$, in shapes `[S]` and `[Q]` their sizes | 00 |
# | $T$ | how many tasks are handled at once, as in `[T, N*K, 1, H, W]` | 00 |
# | $C$, $M$; $B$; $H$, $W$; $F$ | in shapes: classes and drawings of each (beside $H$, $W$ in a network, $C$ are channels); images of a batch; height and width; features | 00 |
# | $z$ | noise, from a standard normal distribution | 01 |
# | $G$ | the generator: $G(z)$, with a label $G(z, y)$, with an example $G(z, x)$, in full `G(z, x, task)` | 01 |
# | task | in `G(z, x, task)`: all support images of the task that $x$ belongs to | 08 |
# | $D$, $\ell$ | the discriminator: in formulas $D(x)$ is the probability of "real"; in code `D(x)` returns its **logit** $\ell$, and $D(x) = \sigma(\ell)$ | 01 |
# | $\sigma(\ell)$ | the sigmoid $1 / (1 + e^{-\ell})$; without an argument, $\sigma$ is a standard deviation | 01 |
# | $p$, $q$; $m$ | the densities of real and of generated images, and their mean; in 09, $p$ are also p-values | 01 |
# | $V$; $D^*$ | what the game is worth to $D$; the best $D$ | 01 |
# | KL, JSD | the Kullback–Leibler and the Jensen–Shannon divergence of two densities, in nats | 01 |
# | $R_1$; $\gamma$, $\lambda$, $w$ | a penalty on the slope of $D$ at the data; weights of penalties in $D$'s loss | 02 |
# | $\mu$, $\Sigma$ | the mean and the covariance of features | 03 |
# | $h$; $v_y$, $\psi$ | a hidden layer; $D$'s vector for class $y$, and what it says of $h$ without the label | 04 |
# | $f(x)$, $c_n$ | features of an image, and the prototype of class $n$: the mean of its support's features | 06 |
# | $\theta$, $\theta'$ | the weights of a learner before and after it adapts to a task | 07 |
# | $L_S$, $L_Q$; $H$ | its loss on the support and on the queries of a task; the Hessian of $L_S$ | 07 |
# | $\alpha$, $\beta$ | the learning rates of the inner and of the outer loop (in code `inner_lr`, `outer_lr`); elsewhere $\beta_1, \beta_2$ are Adam's, and $\alpha$ in 09 is the level of a test | 07 |
# | $a \pm b$ | a mean and the half-width of its 95 % interval | 00 |

# %% [markdown]
# ## The answer
#
# You will be able to build a generator that draws new examples of a character from one drawing. You will build a learner that
# adapts to such a character, and you will measure honestly whether the generator helps it. If you see the next line, this machine
# can run the course.

# %%
display(Markdown(f"**On `{dataset}`, the nearest neighbour in pixels gets "
                 f"{records.percent(pixels)} of 5-way 1-shot queries right** "
                 f"({pixels['n']} episodes, each query labelled by itself), and guessing gets "
                 "20 %. Compare that with your own score, because the course is about the gap "
                 "between the two."))

# %% [markdown]
# **Read next.** Lake, Salakhutdinov & Tenenbaum 2015, *Human-level concept learning through probabilistic program induction*
# (Science 350). It presents the dataset, and says why one example is enough for people. Then [notebook
# 01](01_the_gan_game.ipynb).
