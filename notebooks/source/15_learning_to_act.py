# %% [markdown]
# # 15 · Learning to act
#
# **The question.** Can generated experience replace real experience?
#
# So far a task was a few drawings, and a wrong answer cost nothing. Now an *agent* acts. It pushes a point, or it balances a
# pole, in a world whose physics it is not told. Each step in the real world costs time, and sometimes a robot. So this notebook
# gives the agent a generator that has seen many such worlds. The agent acts for a moment in the new world, and the generator then
# *imagines* what else would happen there. You will see whether practice in imagination saves real steps.
#
# **You need** notebooks 02, 07, 08 and 12. **Time**: 50 minutes, and about 50 more with the three exercises.
#
# The parameters are those of notebook 00. This notebook has two worlds of its own, so `dataset` changes nothing in it.
# `retrain = True` trains the networks anew, which takes some six minutes.

# %% tags=["parameters"]
import os

profile = os.environ.get("COURSE_PROFILE", "cpu")
dataset = os.environ.get("COURSE_DATASET", "glyphs")
device = os.environ.get("COURSE_DEVICE", "auto")
seed = int(os.environ.get("COURSE_SEED", "0"))
retrain = False

# %%
from functools import partial

import gymnasium
import matplotlib.pyplot as plt
import numpy
import torch
from IPython.display import Markdown, display
from torch.func import functional_call, vmap

from course_checks import nb15 as checks
from course_files import acting as worlds
from course_lib import acting, checkpoints, flows, gan, losses, penalties, runtime
from course_lib.networks.acting import Policy, TransitionDiscriminator, TransitionGenerator
from course_tools import notebook, plots, records

sizes, device, results = notebook.setup("15_learning_to_act", profile, dataset, device, seed,
                                        split="test")

# %% [markdown]
# ## 1 · Two worlds to act in
#
# Reinforcement learning has a common interface, **Gymnasium**. An *environment* has two functions. `reset` begins an *episode*
# and returns a state $s$. `step` takes an action $a$ and returns the next state $s'$ and a reward $r$. The agent wants a large
# **return**, which is the sum of the rewards of an episode.
#
# * The **navigator** pushes a point in the plane. The reward is minus its distance to a goal. An episode has 20 steps. An action
#   is a small push in any direction. The agent sees where the point is. It is told neither the goal nor the wind, and both differ
#   from task to task.
# * The **cart** is Gymnasium's own CartPole. A push to the left or to the right must keep a pole upright. The agent sees the
#   place and the speed of the cart, and the angle and the speed of the pole. Each step until the fall counts 1, up to 100. Four
#   numbers are hidden and differ from task to task. They are the force of a push, the pole's length and mass, and gravity. The
#   force can be negative, as if the wires of the motor were swapped.
#
# A task is one sample of the hidden numbers. **Predict**: how many steps does the pole stay up when all pushes are random?

# %%
navigator = gymnasium.make("course/Navigator-v0", task=[0.3, 0.4, 0.03, 0.0])   # goal, then wind
place, _ = navigator.reset(seed=seed)
place, reward, ended, cut, _ = navigator.step(numpy.array([1.0, 0.0], dtype="float32"))
print(f"one push to the right by 0.1, and the wind: at {place.round(2)}, reward {reward:.2f}")

families = worlds.FAMILIES
carts = gymnasium.make_vec("course/CartPole-v0", num_envs=100)        # another task in each
carts.reset(seed=seed)
carts.action_space.seed(seed)
lives, alive = numpy.zeros(100), numpy.ones(100, bool)
for _ in range(families["cart"].horizon):
    _, reward, ended, cut, _ = carts.step(carts.action_space.sample())
    lives, alive = lives + reward * alive, alive & ~ended
print(f"100 carts with random pushes: the pole falls after {lives.mean():.0f} steps on average")

# %% [markdown]
# ## 2 · The score function
#
# A policy $\pi_\theta(a \mid s)$ gives each action a probability. We want the gradient of the expected return. But the
# environment is a black box, so it cannot be differentiated. The way out is to differentiate the *probability* of what happened
# (Williams 1992). Let $R_t$ be the sum of the rewards from step $t$ on. Then
#
# $$ \nabla_\theta\, \mathbb{E}\Big[\sum_t r_t\Big]
#    = \mathbb{E}\Big[\sum_t \nabla_\theta \log \pi_\theta(a_t \mid s_t)\; R_t\Big],
# \qquad R_t = \sum_{k \ge t} r_k . $$
#
# This is the **policy gradient**, and $\nabla \log \pi$ is called the *score*. A step along this gradient makes each action more
# likely in proportion to the rewards that follow. What came before is left out, because an action cannot change the past.
#
# ### Exercise 1 · The score-function gradient (★★, very important, 15 minutes)
#
# `log_prob` `[E, H]` holds $\log \pi(a_t \mid s_t)$ of `E` episodes of `H` steps, and `rewards` `[E, H]` holds the rewards.
# Return a scalar whose *gradient* is the estimate above, with the sum over steps and the mean over episodes. Only the derivatives
# of such a scalar matter, so it is called a **surrogate**.

# %%
def my_gain(log_prob, rewards):
    """A scalar whose gradient estimates that of the expected return."""
    ### BEGIN SOLUTION
    to_go = rewards.flip(1).cumsum(1).flip(1)                   # [E, H] the sum from each step on
    return (log_prob * to_go).sum(1).mean()
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.score_function(my_gain)

# %% [markdown]
# The estimate is right on average, but noisy. `acting.advantages` has two standard cures. First, it subtracts a **baseline**,
# which is the value of $R_t$ that is expected in that state at that time. This reduces the noise and leaves the average as it is.
# What remains of $R_t$ is the **advantage** of an action. Second, the advantages of each task are divided by their standard
# deviation, so that one learning rate fits all tasks.
#
# ## 3 · An initialisation for acting
#
# MAML (notebook 07) needs only a gradient, so it can learn to act, too. The inner step is a step of policy gradient on a few
# episodes of a new task. The outer step changes the initial parameters, so that the return after one inner step is as large as
# possible. The checkpoint was trained like this for 400 outer steps. A few more steps here show the loop.

# %%
FAMILY = families["navigator"]
policy = Policy(FAMILY.scale, FAMILY.n_action, discrete=FAMILY.discrete)
folder = runtime.project_root() / "checkpoints"
if not retrain:
    checkpoints.load_into(policy, folder / "MAML_navigator.safetensors")
drawn = numpy.random.default_rng(seed + 10)
train_tasks = FAMILY.tasks(drawn, 500)
tasks = FAMILY.tasks(drawn, sizes.pick(smoke=6, cpu=40, gpu=100))
INNER_LR, rng = 0.05, runtime.rng(seed)

# %%
def environments(tasks, episodes):
    """A vector of environments, `episodes` of them for each task."""
    envs = gymnasium.make_vec(FAMILY.name, num_envs=len(tasks) * episodes)
    envs.reset(options={"task": tasks.repeat(episodes, axis=0)})
    return envs


def start(n_tasks):
    """The policy's parameters, the same for each of n_tasks tasks: a dict of [T, ...]."""
    return {name: p.expand(n_tasks, *p.shape) for name, p in policy.named_parameters()}


def live(tasks, params, episodes):
    """Real `Experience` of each task's own policy."""
    detached = {name: p.detach() for name, p in params.items()}
    return acting.collect(environments(tasks, episodes), policy, detached, FAMILY.horizon, rng)


# %%
def outer_objective(params, e):
    """How much better the adapted policies would become: its gradient is that of MAML."""
    def one(p, state, action, advantage):
        log_prob = policy.log_prob(functional_call(policy, p, (state,)), action)
        return acting.naive_surrogate(log_prob, advantage)      # one derivative is enough here
    return vmap(one)(params, e.state, e.action, acting.advantages(e)).mean()


optimiser = torch.optim.Adam(policy.parameters(), 1e-3 if retrain else 1e-5)
few = sizes.pick(smoke=2, cpu=3, gpu=3)
outer_steps = sizes.pick(smoke=2, cpu=400, gpu=4_000) if retrain else few
for step in runtime.progress(range(outer_steps), "MAML"):
    optimiser.param_groups[0]["lr"] = (1e-3 if retrain else 1e-5) * (1 - step / outer_steps)
    chosen = train_tasks[torch.randperm(500, generator=rng)[:40].numpy()]
    first = live(chosen, start(40), 20)
    adapted = acting.improve(policy, start(40), first, lr=INNER_LR)         # differentiable
    loss = -outer_objective(adapted, live(chosen, adapted, 20))
    optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(policy.parameters(), 1.0)
    optimiser.step()

# %% [markdown]
# Now look at what one inner step does. The policy acts for 20 episodes in each new task. Then comes one inner step, and the
# policy acts again. **Predict** what the policy does *before* the inner step: does it stand still, or does it look around?

# %%
before = live(tasks, start(len(tasks)), 20)
after_one = acting.improve(policy, start(len(tasks)), before, lr=INNER_LR)
later = live(tasks, after_one, 20)
marks = {when: results.add("return", e.returns().mean(1), unit="return", setting="-", arm=when)
         for when, e in (("before", before), ("after one step on 20 real episodes", later))}


def text(mark, digits=1):
    """A record for people: '-3.4 ± 0.2'."""
    return f"{mark['value']:.{digits}f} ± {(mark['high'] - mark['low']) / 2:.{digits}f}"


def paths(ax, e, task, colour):
    """The ways of eight episodes of a task, and its goal."""
    ways = torch.cat([e.state[task, :8], e.next_state[task, :8, -1:]], dim=1)
    for way in ways:
        ax.plot(*way.T, color=colour, lw=1.2, alpha=0.7)
    ax.plot(*tasks[task, :2], "*", color="black", markersize=16)
    ax.set(xlim=(-0.8, 0.8), ylim=(-0.8, 0.8), aspect="equal")


# %%
figure, axes = plt.subplots(2, 2, figsize=(8, 8.6), sharex=True, sharey=True)
for task, ax in enumerate(axes.flat):
    paths(ax, before, task, plots.METHODS["none"])
    paths(ax, later, task, plots.METHODS["MAML"])
axes[0, 0].text(-0.75, -0.6, "before the step", color=plots.METHODS["none"])
axes[0, 0].text(-0.75, -0.73, "after one step", color=plots.METHODS["MAML"])
axes[0, 0].text(0.05, 0.65, "★ goal, not told")
figure.supxlabel("across")
figure.supylabel("up")
figure.suptitle(f"Navigator: one inner step changes the return from {text(marks['before'])}\n"
                f"to {text(marks['after one step on 20 real episodes'])} in the mean of "
                f"{len(tasks)} tasks (four shown)", fontsize=16)
plots.save(figure, "15_one_step")
plt.show()

# %% [markdown]
# Before the inner step the policy looks around, but only close to where it begins. These small pushes show in which direction the
# reward rises. After the inner step the policy moves in that direction. In most tasks it does not reach the goal.
#
# ## 4 · The inner step has a hidden derivative
#
# MAML differentiates *through* the inner step, so it needs the second derivative of the return. Here lies a trap. The surrogate
# of exercise 1 is naive, because it only multiplies each $\log \pi$ by the rewards to go. Its first derivative is right, but its
# second one is wrong. With another $\theta$, *other episodes* would have been sampled. The naive surrogate forgets that, because
# a sample is a constant to autograd.
#
# **DiCE** (Foerster et al. 2018) puts that knowledge back, with an expression called the *magic box*:
#
# $$ \square(x) = \exp\big(x - \text{stop}(x)\big). $$
#
# Its value is 1. Its gradient is $\square(x)\, \nabla x$, so the box is still there when one differentiates again. Whether an
# episode reaches step $t$ as it did depends on all actions until then. So the box of a step holds the sum of $\log \pi$ up to
# that step. Before the first action, the sum has no terms. An advantage $A_t$ holds the later rewards already, so it should
# credit the action at step $t$ alone. Therefore it multiplies a difference, which is the box up to step $t$ minus the box before
# step $t$ (Farquhar et al. 2019):
#
# $$ \sum_t \Big[\square\Big(\sum_{k \le t} \log \pi_k\Big) - \square\Big(\sum_{k < t} \log \pi_k\Big)\Big] A_t . $$
#
# ### Exercise 2 · DiCE (★★★, important, 20 minutes)
#
# `log_prob` and `advantage` are `[E, H]`. Return the mean over episodes of the sum above. Its value is 0, because every box is 1.
# Only its derivatives matter. Those of any order estimate the same derivatives of the expected return. `stop` is `.detach()`. Use
# no `.item()`, because others will differentiate your scalar.

# %%
def my_surrogate(log_prob, advantage):
    """A scalar whose derivatives, of any order, estimate those of the return."""
    ### BEGIN SOLUTION
    def magic(x):
        return (x - x.detach()).exp()

    so_far = log_prob.cumsum(1)                                 # [E, H] its own step included
    return ((magic(so_far) - magic(so_far - log_prob)) * advantage).sum(1).mean()
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.dice(my_surrogate)

# %% [markdown]
# In a toy problem, you can compute how wrong the naive surrogate is, without any sampling. It has two steps and two actions, so
# there are four possible episodes. The return after an inner step, $F(\theta) = R(\theta + \alpha \nabla R(\theta))$, is then a
# formula. The gradient of $F$ is the *meta-gradient*, which MAML follows. **Predict**: is the naive meta-gradient too long, too
# short, or right in length? Does it point elsewhere?

# %%
episodes_of_toy = torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]])
pay = torch.tensor([[0.0, 0.0], [0.0, 1.0], [0.0, 0.3], [0.0, 3.0]])     # of the two steps


def toy_log_prob(theta):
    """theta [3]: the logit of action 1 at first, after 0, and after 1. Returns [4, 2]."""
    first = episodes_of_toy[:, 0]
    logits = torch.stack([theta[0].expand(4), theta[1 + first]], dim=1)
    return torch.nn.functional.logsigmoid(logits * (2 * episodes_of_toy - 1))


def return_after_step(surrogate, theta, alpha=1.0):
    """F(theta). With a surrogate, each of the four episodes counts as often as it occurs."""
    def expected(theta):
        log_prob = toy_log_prob(theta)
        chance = log_prob.sum(1).exp()
        if surrogate is None:
            return (chance * pay.sum(1)).sum()
        to_go = pay.flip(1).cumsum(1).flip(1)
        return surrogate(log_prob, 4 * chance.detach()[:, None] * to_go)
    inner = theta + alpha * torch.func.grad(expected)(theta)
    return (toy_log_prob(inner).sum(1).exp() * pay.sum(1)).sum()


# %%
theta = torch.tensor([-0.5, 0.3, -0.2])
found = {name: torch.func.grad(lambda t, s=surrogate: return_after_step(s, t))(theta)
         for name, surrogate in (("exact", None), ("DiCE", acting.surrogate),
                                 ("naive", acting.naive_surrogate))}
for name, gradient in found.items():
    print(f"{name:6}", [round(v, 4) for v in gradient.tolist()])

# %% [markdown]
# DiCE agrees with the exact formula in every digit. The naive gradient is too short, and it points a little elsewhere. It misses
# a third of the first number. That number belongs to the logit of the first action, which decides *which* second step is seen. So
# it also decides what the inner step can learn. FOMAML drops the second derivative altogether. Section 7 tells what that costs
# here.
#
# ## 5 · A generator of transitions
#
# Twenty real episodes are expensive. So let a generator make more. In notebook 08, $G$ made a drawing from one example and the
# description of a task. Here it makes a **transition**:
#
# $$ G(z,\ (s, a),\ \text{task}) \to (s', r). $$
#
# The *task* is given as the set of the few transitions that were seen in it. As with every set in this course, a network encodes
# each member, and the mean of the codes describes the set. $D$ sees a transition and the same description, and judges whether the
# transition is real. Both learn from 500 training tasks. Such a generator of transitions is called a **model** of the world. One
# thing is new. $G$ is first trained by regression, which predicts $(s', r)$ by squared error. Then $G$ plays the game against
# $D$. Without the regression, the GAN made plausible transitions that hardly depended on the task.

# %%
G = TransitionGenerator(len(FAMILY.scale), FAMILY.n_action)
D = TransitionDiscriminator(len(FAMILY.scale), FAMILY.n_action)
with torch.no_grad():
    chosen = train_tasks[:sizes.pick(smoke=20, cpu=500, gpu=500) if retrain else 20]
    params, lived = start(len(chosen)), []
    for step in range(4):       # twice from the start, then on the way to good policies
        lived.append(live(chosen, params, 20))
        if step:
            params = acting.improve(policy, params, lived[-1], lr=INNER_LR / step)
real = [acting.rows(e, 1.0) for e in lived]                                     # [T, 20 * H, F+1]
if retrain:
    G.scale.copy_(torch.cat(real)[..., :-1].flatten(0, 1).std(0).clamp(min=1e-3))
else:
    checkpoints.load_into(G, folder / "GAN_navigator.safetensors")
units = torch.cat([G.scale, torch.ones(1)])
known = (real[0] / units).unflatten(1, (20, FAMILY.horizon))                    # [T, 20, H, F+1]
asked = torch.cat(real[1:], dim=1) / units                                      # [T, 60 * H, F+1]

# %%
def draw(rng):
    """What followed, what was before, and one to six episodes that describe each of 16 tasks."""
    which = torch.randint(len(known), (16,), generator=rng)
    k = int(torch.randint(1, 7, (), generator=rng))
    rows = asked[which][:, torch.randint(asked.shape[1], (32,), generator=rng)].flatten(0, 1)
    return rows[:, G.n_before:-1], rows[:, :G.n_before], known[which][:, :k].flatten(1, 2)


def squared_error(G, after, before, task, rng):
    return (G(torch.zeros(len(after), G.z_dim), before, task) - after).square().mean()


# %%
# Without retrain, a few steps show the loop, and their result is not used.
steps = sizes.pick(smoke=2, cpu=8_000, gpu=80_000) if retrain else few
trained = TransitionGenerator(len(FAMILY.scale), FAMILY.n_action)
trained.load_state_dict(G.state_dict())
trained = flows.fit(trained, draw, n_steps=steps, rng=rng, lr=2e-3 if retrain else 1e-6,
                    objective=squared_error)
penalty = penalties.lazily(partial(penalties.r1, gamma=0.1), every=4)
trained = gan.fit(trained, D, draw, n_steps=max(steps // 5, 1), loss=losses.NON_SATURATING,
                  lr=(2e-4, 8e-4) if retrain else (1e-6, 1e-6), betas=(0.0, 0.99), ema=0.99,
                  penalty=penalty, rng=rng).G
if retrain:
    G = trained.eval()

# %% [markdown]
# Now see what $G$ knows after **one** real episode, 20 steps. Ask it for the reward at every place of the plane. $G$ was told
# neither the goal nor the wind of these tasks. **Predict**: how far from the goal is the place where $G$ imagines the largest
# reward?

# %%
one = live(tasks, start(len(tasks)), 1)
task = acting.rows(one, G.scale)                                                # [T, H, F+1]
line = torch.linspace(-1, 1, 41)
grid = torch.cartesian_prod(line, line)                                         # [41 * 41, 2]
with torch.no_grad():
    states = grid.expand(len(tasks), -1, -1)
    z = torch.zeros(len(tasks) * len(grid), G.z_dim)
    _, reward_map = G.what_follows(z, states, torch.zeros_like(states), G.encode_task(task))
goals = torch.as_tensor(tasks[:, :2], dtype=torch.float32)
away = (grid[reward_map.argmax(1)] - goals).norm(dim=1)
mark = results.add("distance of the imagined goal", away, unit="distance", setting="-", arm="GAN")
idle = goals.norm(dim=1).mean()

# %%
figure, axes = plt.subplots(2, 2, figsize=(9, 8.2), sharex=True, sharey=True)
for i, ax in enumerate(axes.flat):
    image = ax.imshow(reward_map[i].view(41, 41).T, origin="lower", extent=(-1, 1, -1, 1),
                      cmap="cividis", vmin=-1.5, vmax=0)
    ax.plot(*one.next_state[i, 0].T, "o-", color="white", markersize=4, lw=1)
    ax.plot(*goals[i], "*", color="black", markersize=18, markeredgecolor="white")
    ax.plot(*grid[reward_map[i].argmax()], "X", color="black", markersize=12,
            markeredgecolor="white")
    ax.set(xlim=(-1, 1), ylim=(-1, 1))
figure.supxlabel("across")
figure.supylabel("up")
figure.colorbar(image, ax=axes, label="imagined reward", shrink=0.8)
figure.suptitle(f"After one real episode (white), G's best place (cross) is {text(mark, 2)}\n"
                f"from the goal (star), and the start is {idle:.2f} from it: means of "
                f"{len(tasks)} tasks", fontsize=15)
plots.save(figure, "15_imagined_rewards")
plt.show()

# %% [markdown]
# In each panel the largest rewards form part of a ring around the start. So after one episode $G$ knows well how far away the
# goal is. It knows less well in which direction the goal lies.
#
# ### Exercise 3 · A target from an imagined transition (★★, important, 15 minutes)
#
# Imagined transitions can also train a **value function** $V(s)$, which predicts the return from a state on. This use is older
# than deep learning (*Dyna*, Sutton 1990), but section 6 does without it. So this exercise shows another way to use $G$. $V$ is
# trained towards the *Bellman target* $y$ of a transition. A factor $\gamma$ below 1 makes later rewards count less:
#
# $$ y = r + \gamma\, V(s') \quad \text{if the episode goes on, and} \quad y = r \quad \text{where it ends.} $$
#
# Write it for transitions that $G$ made. `state` is `[B, S]`. `generated` `[B, S+1]` is what $G$ returns. In code, these numbers
# are the change $s' - s$ and the reward $r$. Each number was divided by its standard deviation, which is in `scale` `[S+1]`.
# `ended` `[B]` is bool, and `value` is a function from states to `[B]`. A target is a constant, so no gradient may flow through
# $V$ or $G$.

# %%
def my_target(state, generated, scale, ended, value, gamma):
    """The Bellman targets [B] of imagined transitions."""
    ### BEGIN SOLUTION
    with torch.no_grad():
        change, reward = (generated * scale).split([state.shape[1], 1], dim=1)
        return reward[:, 0] + gamma * value(state + change) * (~ended).float()
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.bellman(my_target)

# %% [markdown]
# ## 6 · Practice in imagination
#
# Now the whole idea comes together. In each new task the agent acts for **one** real episode. That episode only describes the
# task to $G$, and the policy is not trained on it. Then the agent practises ten times. Each time it acts for 40 imagined
# episodes, and then takes one step of policy gradient on them. The learning rate falls as $1/(1 + \text{step})$, because
# otherwise later steps overshoot.
#
# Three arms are compared, with the return before adapting as the baseline:
#
# * *real*: no imagination, but one step of policy gradient on that same episode of 20 real steps.
# * *GAN*: practice in imagination, where that episode describes the task.
# * *oracle*: the same practice, but its 400 episodes are real.
#
# **Predict** whether the GAN ends nearer to *real* or to *oracle*.

# %%
def practise(params, imagine, steps=10, lr=0.05):
    """Policies [T, ...] after `steps` steps, each on fresh experience from `imagine`."""
    for step in range(steps):
        params = acting.improve(policy, params, imagine(params), lr=lr / (1 + step))
        params = {name: p.detach() for name, p in params.items()}
    return params


def imagined(params):
    """40 imagined episodes of each task, from where the real one began."""
    begin = one.state[:, :, 0].expand(-1, 40, -1)
    return acting.imagine(G, task, policy, params, begin, FAMILY.ended, FAMILY.horizon, rng)


arms = {"before": start(len(tasks)),
        "real": acting.improve(policy, start(len(tasks)), one, lr=0.02),
        "GAN": practise(start(len(tasks)), imagined),
        "oracle": practise(start(len(tasks)), lambda params: live(tasks, params, 40))}
for arm, params in arms.items():
    mark = results.add("return after one real episode", live(tasks, params, 20).returns().mean(1),
                       unit="return", setting="-", arm=arm)
    print(f"{arm:7} {text(mark)}")

# %% [markdown]
# ## 7 · How many real steps does it save?
#
# One run with one network proves little. `studies/acting.py` did the same with three seeds, for one to forty real episodes, on
# 100 test tasks of the navigator and 50 of the cart. In each task, all arms get the same real episodes. The learning rate and the
# number of steps of each arm were chosen on validation tasks, for two or three numbers of real episodes (*budgets*). Every other
# budget takes the choice of the nearest one. There are three rivals of the GAN:
#
# * *regression*: the same network without noise and without $D$, trained by squared error.
# * *ridge*: no meta-learning at all. A quadratic of $(s, a)$ is fitted to the real transitions of this task alone.
# * **RL²** (Duan et al. 2016): no model, but a policy with a memory. It was trained to improve from episode to episode, and its
#   hidden state keeps what it has seen.
#
# *GAN + real* takes its first step on the real episodes, and then practises in imagination. *Regression + real* does the same
# with the regression.
#
# **Predict** which arm is best after one episode, and after many.

# %%
study = records.read(runtime.project_root() / "figures" / "results" / "acting.jsonl")
LOOKS = {"real": (plots.METHODS["none"], "o-"), "ridge": (plots.COLOURS[5], "v-"),
         "regression": (plots.METHODS["regression"], "s-"), "GAN": (plots.METHODS["GAN"], "o-"),
         "GAN + real": (plots.METHODS["GAN"], "o--"), "RL^2": ("black", "D-")}
LABELS = {"real": "real episodes alone", "RL^2": "RL²"}


def curve(family, arm):
    """The records of an arm, by rising number of real steps."""
    name = "return of meta-learners" if arm == "RL^2" else "return"
    found = [r for r in study if (r["name"], r["family"], r["arm"]) == (name, family, arm)]
    return sorted((r for r in found if r["real_steps"] > 0), key=lambda r: r["real_steps"])


def of(name, **fields):
    """The one record of the study with these fields."""
    return next(r for r in study if r["name"] == name
                and all(r.get(key) == value for key, value in fields.items()))


# %%
def curves(ax, family):
    """Return against real steps, a little apart so that the intervals show; {arm: last point}."""
    ends = {}
    for i, (arm, (colour, style)) in enumerate(LOOKS.items()):
        steps, middle, low, high = zip(*[[r[key] for key in ("real_steps", "value", "low", "high")]
                                         for r in curve(family, arm)])
        ends[arm] = steps[-1] * 1.04 ** (i - 2.5), middle[-1]
        reach = numpy.array([numpy.subtract(middle, low), numpy.subtract(high, middle)])
        ax.errorbar(numpy.array(steps) * 1.04 ** (i - 2.5), middle, yerr=reach, fmt=style,
                    color=colour, lw=2, elinewidth=1.2, markersize=6, mfc="white" if "+" in arm
                    else colour)
    oracle = of("return", family=family, arm="oracle")["value"]
    ax.axhline(oracle, color=plots.METHODS["real"], lw=1.5)
    ax.text(17, oracle + (1 if family == "cart" else 0), "oracle: practice on real episodes",
            va="bottom", fontsize=12, color=plots.METHODS["real"])
    ax.set(xscale="log", xlabel="real steps", title=family)
    ax.set_xticks([20, 50, 100, 200, 400, 800], labels=["20", "50", "100", "200", "400", "800"])
    ax.minorticks_off()
    return ends


# %%
def name_lines(ax, ends, apart):
    """Each line's name to the right of its end, at least `apart` below the next higher one."""
    y = numpy.inf
    for arm, (x, end) in sorted(ends.items(), key=lambda each: -each[1][1]):
        y = min(end, y - apart)
        ax.text(1_000 if x > 600 else x * 1.1, y, LABELS.get(arm, arm), va="center", fontsize=13,
                color=LOOKS[arm][0])


# %%
def times(arm):
    """How many times as many real steps bring as much in the navigator; a bound has no interval."""
    r = of("log of steps saved", family="navigator", arm=arm, episodes=1)
    value, low, high = numpy.exp([r["value"], r["low"], r["high"]])
    if high - low < 0.1:
        return f"at least {value:.0f}"
    return f"{value:.0f} ({low:.0f} to {high:.0f})"
figure, axes = plt.subplots(2, 1, figsize=(9, 11))
ends = curves(axes[0], "navigator")
name_lines(axes[0], ends, apart=0.27)
ends = curves(axes[1], "cart")
first = {arm: curve("cart", arm)[0]["value"] for arm in ("real", "ridge")}
for arm, value in first.items():
    axes[1].text(22, value - 2, LABELS.get(arm, arm), color=LOOKS[arm][0], va="top", fontsize=13)
axes[1].text(480, 97.5, "all others", fontsize=13)
axes[0].set(ylabel="return after adaptation", xlim=(16, 4_000))
axes[1].set(ylabel="return after adaptation", xlim=(16, 4_000), ylim=(78, 103))
start_of = {family: text(of("return", family=family, arm="before")) for family in families}
axes[1].text(400, 80, f"before adapting: {start_of['cart']}", fontsize=13)
axes[0].text(100, -5.9, f"before adapting: {start_of['navigator']}", fontsize=13)
figure.suptitle(f"Navigator: practice after one real episode is worth {times('GAN')} times the\n"
                f"real steps with the GAN, and {times('regression')} times with the regression",
                fontsize=15)
plots.save(figure, "15_real_steps")
plt.show()

# %%
lines = ["| after one real episode | " + " | ".join(families) + " |", "|---|---|---|"]


def line(what, name, arm):
    """A row of the table: a number for each world."""
    cells = [text(of(name, family=family, arm=arm, episodes=1)) for family in families]
    return f"| {what} | " + " | ".join(cells) + " |"


lines += [line(arm, "return", arm)
          for arm in ("real", "ridge", "regression", "GAN", "regression + real", "GAN + real")]
lines += [line(f"GAN less {rival}", f"return, against {rival}", "GAN")
          for rival in ("real", "ridge", "regression")]
display(Markdown("\n".join(lines)))

# %%
lines = ["| learner or control | " + " | ".join(families) + " |", "|---|---|---|"]
for learner in ("MAML", "MAML, naive", "FOMAML"):
    for when in ("before", "after"):
        cells = [text(of("return of meta-learners", family=family, arm=learner, when=when))
                 for family in families]
        lines.append(f"| {learner}, {when} its inner step | " + " | ".join(cells) + " |")
for arm in ("another task of the same sign", "another task"):
    lines.append(line(f"GAN, described by {arm}", "return, described by another task", arm))
display(Markdown("\n".join(lines)))

# %% [markdown]
# In the second table, MAML, its naive form and FOMAML get as many real episodes as in their training. That is 20 in the navigator
# and 5 in the cart. *The same sign* means the same sign of the cart's force. In the navigator, the two goals lie on the same
# side, left or right.
#
# **Reading it.**
#
# * **With few real episodes, imagined experience saves real steps.** After one episode, practice with the GAN brings more than
#   policy gradient on that episode. In the navigator, policy gradient needs about eight times as many real steps for the same
#   return. With forty episodes it overtakes the GAN.
# * **It need not be a GAN.** The GAN's $G$ was first trained by this regression, but in the navigator the regression alone is
#   better. In the cart both are perfect. Even ridge, which knows no other task, is level with the GAN after one episode of the
#   navigator, and ahead of it after ten.
# * **RL² does best after one episode of the navigator.** In the cart it finds out during its first episode. It has no model. With
#   more episodes than the two that it was trained for, it becomes worse again. RL² can adapt *during* the episode that is scored,
#   but the other arms cannot.
# * **In the navigator, real and imagined experience together are better than either alone.** Look at *GAN + real*. It is ahead of
#   the GAN alone and of the real episodes alone at every budget. With the regression in the GAN's place it is as good or a little
#   better. In the cart practice alone is perfect, so a first step on real episodes can only do harm.
# * **After five episodes, the models gain no more in the navigator.** A description for $G$ holds at most 128 transitions, which
#   is about six episodes. So further episodes tell $G$ almost nothing new.
# * **In the cart, one bit is all that counts.** Describe the task to $G$ by an episode of *another* task whose force has the same
#   sign, and the return is as high. So $G$ found out which way the wires go, and nothing else was needed. In the navigator,
#   another task's episode is worse than no adaptation.
# * **The hidden derivative of section 4 did not pay.** In the navigator, exact MAML is no better than the naive one or than
#   FOMAML. In the cart it is ahead of FOMAML, and level with the naive one.
#
# ## 8 · When the model is wrong
#
# A policy that practises in imagination climbs the *imagined* return. Where the model is wrong, the policy finds the error and
# collects a return that exists only in the model. That is **model exploitation**. So watch two returns during practice, after one
# real episode. The dashed line is the imagined return, and the solid one is the return in the real world. **Predict** for which
# model the two lines part most.

# %%
def on_the_way(what, arm):
    """Steps of practice [S], and the imagined or real return after them, [runs, S]."""
    rows = [r for r in study if r["name"] == f"{what} return on the way" and r["arm"] == arm]
    at = sorted({r["step"] for r in rows})
    return at, numpy.array([[r["value"] for r in rows if r["step"] == step] for step in at]).T


# %%
figure, axes = plt.subplots(1, 3, figsize=(12, 4.8), sharey=True)
beliefs = {}
for ax, arm in zip(axes, ("ridge", "regression", "GAN")):
    for what, style in (("imagined", "--"), ("real", "-")):
        at, returns = on_the_way(what, arm)
        for run in returns:
            ax.plot(at, run, style, color=LOOKS[arm][0], lw=1.2, alpha=0.5)
        mean = beliefs[arm, what] = returns.mean(0)
        ax.plot(at, mean, style, color=LOOKS[arm][0], lw=2.5)
        above = what == "imagined"
        ax.text(at[-1], mean[-1] + (0.6 if above else -0.8), what, ha="right", fontsize=13,
                va="bottom" if above else "top")
    ax.set(xlabel="steps of practice", title=arm, ylim=(-20, 5))
axes[0].set_ylabel("return, navigator")
beliefs = {key: mean[-1] for key, mean in beliefs.items()}
gap = {arm: beliefs[arm, "imagined"] - beliefs[arm, "real"]
       for arm in ("ridge", "regression", "GAN")}
figure.suptitle("Three seeds and their mean: at the end, the imagined return is higher than\n"
                "the real one by " + ", ".join(f"{gap[arm]:.1f} ({arm})" for arm in gap),
                fontsize=15)
plots.save(figure, "15_exploitation")
plt.show()

# %% [markdown]
# The ridge regression promises a return above 0. No world can pay that, because every reward is minus a distance. The agent has
# found a place where the quadratic is wrong, and stays there. The two networks promise only a little more than the world gives.
# In section 7, ridge takes a single step of practice after one episode, because that was best on validation tasks. Here it takes
# more steps, so that the harm shows. The means are over 40 tasks and three seeds.
#
# ## 9 · The whole course in two tables
#
# Sixteen notebooks end here. The two tables show what was found in them, from the stored records, with 95 % intervals. The first
# one is about the parts.

# %%
def found_in(file, **fields):
    """The first record of a file of results with these fields."""
    stored = records.read(runtime.project_root() / "figures" / "results" / file)
    return next(r for r in stored if all(r.get(key) == value for key, value in fields.items()))


def shown(r, sign=1):
    """A record for the table: '71.8 ± 2.0 %', or '+1.3 ± 0.2 points' for a difference."""
    half, value = (r["high"] - r["low"]) / 2, sign * r["value"]
    if r["unit"] in ("accuracy", "error"):
        apart = any(word in r["name"] for word in ("difference", "gain", "against"))
        return (f"{100 * value:+.1f} ± {100 * half:.1f} points" if apart
                else f"{100 * value:.1f} ± {100 * half:.1f} %")
    return f"{value:.3g} ± {half:.2g}"


def table(head, rows):
    """Rows of cells as a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return Markdown("\n".join("| " + " | ".join(row) + " |" for row in lines))


# %%
one_shot = {"name": "5-way 1-shot", "setting": "inductive", "seed": "all", "dataset": "glyphs"}
parts = [
    ("00", "ink", "nearest pixels, 5-way 1-shot",
     found_in("00_start_here.jsonl", name="pixel nearest neighbour, 5-way 1-shot")),
    ("01", "points", "largest distance of the learned D from the best D",
     found_in("01_the_gan_game.jsonl", name="largest |D - D*| on the bulk")),
    ("02", "points", "modes covered of 8, G faster than D",
     found_in("02_making_it_train.jsonl", name="modes covered", arm="non-saturating, fast G")),
    ("02", "points", "modes covered of 8, G as fast as D, with R1",
     found_in("02_making_it_train.jsonl", name="modes covered", arm="non-saturating + R1")),
    ("03", "ink", "Fréchet distance of real drawings",
     found_in("03_drawing_characters.jsonl", name="Fréchet distance", arm="real, held out")),
    ("03", "ink", "Fréchet distance of the long run",
     found_in("03_drawing_characters.jsonl", name="Fréchet distance", arm="long run")),
    ("04", "ink", "class-conditional accuracy, D sees the label",
     found_in("04_conditions.jsonl", name="class-conditional accuracy", arm="projection",
              data="digits")),
]

# %%
parts += [
    ("05", "ink", f"drawings nearest to their own example, {arm}",
     found_in("05_autopsy.jsonl", name="drawings nearest to their own example", arm=arm))
    for arm in ("recipe", "mended")]
parts += [("06, 07", "ink", f"5-way 1-shot, {arm}", found_in("few_shot.jsonl", arm=arm, **one_shot))
          for arm in ("ProtoNet", "MAML", "FOMAML")]
parts += [("08", "ink", f"class preservation, {arm}",
           found_in("08_from_one_example.jsonl", name="class preservation: ProtoNet", arm=arm))
          for arm in ("people", "warp")]
display(table(["notebook", "medium", "what", "found"],
              [(number, medium, what, shown(r)) for number, medium, what, r in parts]))

# %% [markdown]
# The second table is about the question of the course: what do generated samples bring a learner? The last column counts most,
# because it compares copies by $G$ with the strongest simple rival. Plus means that $G$ is better.

# %%
def without_interval(first, second):
    """The difference of two gains, where the pairs were not stored: without an interval."""
    return f"{100 * (first['value'] - second['value']):+.1f} points"


trial = {"file": "trial.jsonl", "name": "difference"}
errors = {"file": "11_why_it_helps.jsonl", "name": "error, difference", "learner": "ProtoNet"}
gains = {"file": "other_generators.jsonl", "name": "gain, distortion matching in pixels",
         "budget": "short"}
abroad = {"file": "worlds.jsonl", "arm": "tested where nothing trains", "copies": "G, other worlds"}
matched, regression = (found_in(**gains, arm=arm)
                       for arm in ("GAN, warps", "regression, best of 4"))
rows = [
    ("09", "ink, real characters", shown(found_in(**trial, arm="GAN - no augmentation")),
     "classical copies", shown(found_in(**trial, arm="GAN - classical"))),
    ("11", "ink, as drawn", shown(found_in(**errors, world="raw", arm="G - no augmentation"), -1),
     "centring, no copies", shown(found_in(**errors, world="raw", arm="no G: centred - G"))),
    ("11", "ink, normalised",
     shown(found_in(**errors, world="normalised", arm="G - no augmentation"), -1),
     "classical copies", shown(found_in(**errors, world="normalised", arm="classical × 0.5 - G"))),
    ("12", "ink, matcher", shown(matched), "regression, best of 4",
     without_interval(matched, regression)),
    ("13", "pictures, G from other worlds", shown(found_in(**abroad, name="mean gain")),
     "classical copies", shown(found_in(**abroad, name="mean gain over classical")))]

# %%
voice = {"file": "speech.jsonl", "name": "accuracy, difference", "who": "two people"}
names = {"file": "text.jsonl", "arm": "GAN, WGAN-GP", "world": "all scripts", "k_shot": 1}
rows += [
    ("14", "voice", shown(found_in(**voice, arm="G - none")), "classical warps",
     shown(found_in(**voice, arm="G - classical"))),
    ("14", "text", shown(found_in(**names, name="gain, prototypes")), "regression",
     shown(found_in(**names, name="against regression, prototypes")))]
for family in families:
    one_episode = {"family": family, "arm": "GAN", "episodes": 1}
    rows.append(("15", f"acting, {family} (return)",
                 shown(of("return, against real", **one_episode)), "regression",
                 shown(of("return, against regression", **one_episode))))
display(table(["notebook", "medium", "G against none", "strongest simple rival",
               "G against the rival"], rows))

# %% [markdown]
# Read the last column downwards. Only in one row is $G$ ahead of the strongest simple rival. That row is pictures, with a $G$
# from other worlds. Where the rival is a regression with the same network, the adversarial game is never ahead. What helps is
# mostly the *form* of what is generated, such as a warp of the one example.
#
# **What is still open.**
#
# * A better generator of ink. Real drawings bring some twelve points where copies bring no gain (notebook 09). No generator here
#   closes that gap.
# * Why a generator from other worlds helps where one's own does not (notebook 13).
# * A medium where the adversarial game itself beats a regression with the same network.
# * Speech between people (notebook 14), and more than two worlds to act in, with pixels for states.
# * All this is small, with networks that train in minutes on two cores. What holds at scale is not known from here.

# %%
def after_one(family, arm):
    """The return after one real episode, for people."""
    return text(of("return", family=family, arm=arm, episodes=1))


# %% [markdown]
# ## The answer

# %%
memory = of("return of meta-learners", family="navigator", arm="RL^2", episodes=1)
before_any, most = (text(of("return", family="navigator", arm=arm)) for arm in ("before", "oracle"))
display(Markdown(
    "**Yes, generated experience replaced real steps, but the generator need not be a GAN.** In "
    "the navigator, after one real episode of 20 steps, practice in a GAN's imagination brings a "
    f"return of **{after_one('navigator', 'GAN')}**, and policy gradient on that episode alone "
    f"brings {after_one('navigator', 'real')}. The same network trained by regression brings "
    f"{after_one('navigator', 'regression')}.\n\n"
    f"* For comparison, the return is {before_any} before adapting, and {most} with 400 more real "
    "episodes.\n"
    f"* A policy with a memory, RL², needs no generator and reaches {text(memory)}.\n"
    f"* In the cart, GAN and regression both balance for {after_one('cart', 'GAN')} of 100 steps, "
    f"and policy gradient for {after_one('cart', 'real')}. But there one bit was all that they had "
    "to find out."))

# %% [markdown]
# **Read next.** Finn, Abbeel & Levine 2017, section 5.3, for the navigator without wind. Foerster, Farquhar, Al-Shedivat and
# others 2018, *DiCE* (arXiv 1802.05098). Duan, Schulman, Chen and others 2016, *RL²* (arXiv 1611.02779). Ha & Schmidhuber 2018,
# *World models* (arXiv 1803.10122), for practice inside a generator. Rakelly, Zhou, Quillen and others 2019, *PEARL* (arXiv
# 1903.08254), for a description of the task from a few transitions.
#
# This was the last notebook. [RESULTS.md](../RESULTS.md) has every number with its source.
