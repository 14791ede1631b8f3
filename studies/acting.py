"""Can imagined experience stand in for real experience? For notebook 15: two families of tasks to act in.

    python studies/acting.py train      (policies and models of three seeds, into runs/acting)
    python studies/acting.py tune       (rates and numbers of steps for each arm, on validation tasks)
    python studies/acting.py test       (once, on test tasks: figures/results/acting.jsonl)

A policy is meta-trained by MAML with a policy gradient on training tasks. Then it meets a new task: it acts for K real
episodes, and adapts. All arms of a task share these K episodes.

* real: policy gradient on the K episodes
* model: policy gradient on imagined episodes alone; the K episodes only describe the task. The models: a GAN, the same
  network by regression (squared error, no noise), and the cheapest one, a ridge regression for this task alone
* regression + real, GAN + real: the first step on the K real episodes, the others on imagined ones
* oracle: as many extra real episodes as a model imagines
* RL^2: a recurrent policy that has the K episodes in its memory; there is no gradient (Duan et al. 2016)

Returns are means over TEST_EPISODES episodes after adaptation. Intervals: over test tasks, of means over seeds.
"""

import argparse
import copy
import json
import time
from functools import partial

import gymnasium
import numpy
import torch
from torch import nn
from torch.func import functional_call, vmap

import shared
from course_files.acting import FAMILIES
from course_lib import acting, checkpoints, flows, gan, losses, penalties, runtime
from course_lib.networks.acting import Policy, TransitionDiscriminator, TransitionGenerator

SEEDS, TEST_EPISODES = (0, 1, 2), 20
N_TASKS = {"navigator": {"train": 500, "val": 40, "test": 100}, "cart": {"train": 500, "val": 20, "test": 50}}
IMAGINED = {"navigator": 40, "cart": 20}         # episodes of a step
BUDGETS = {"navigator": (1, 2, 5, 10, 20, 40), "cart": (1, 4, 16)}
META = {"navigator": dict(n_steps=400, n_tasks=40, episodes=20, lr=0.05, outer_lr=1e-3),
        "cart": dict(n_steps=100, n_tasks=20, episodes=5, lr=0.1, outer_lr=3e-3)}
WORST = {"navigator": -60.0, "cart": 0.0}       # the return of a policy that runs away, or whose numbers did
MOST_ROWS, N_ROWS = 128, 600            # of a set that describes a task; kept of each task, to learn from
REGRESSION_STEPS, GAN_STEPS = 8000, 1500


def pool(family, split):
    """The tasks of a split, the same at every call: [N, ...]."""
    rng = numpy.random.default_rng(1000 + ("train", "val", "test").index(split))
    return FAMILIES[family].tasks(rng, N_TASKS[family][split])


def environments(family, tasks, episodes):
    """A VectorEnv with `episodes` environments for each task."""
    envs = gymnasium.make_vec(FAMILIES[family].name, num_envs=len(tasks) * episodes)
    envs.reset(options={"task": tasks.repeat(episodes, axis=0)})
    return envs


def policy(family):
    f = FAMILIES[family]
    return Policy(f.scale, f.n_action, discrete=f.discrete)


def for_each(network, n_tasks):
    """The parameters of the network as those of n_tasks policies: a dict of [T, ...]."""
    return {name: p.expand(n_tasks, *p.shape) for name, p in network.named_parameters()}


def detached(params):
    return {name: p.detach() for name, p in params.items()}


def meta_train(family, seed, *, n_steps, n_tasks, episodes, lr, outer_lr, **how):
    """A policy by MAML, and [n_steps, 2] mean returns before and after the inner step. how: of `acting.improve`."""
    runtime.seed_everything(seed)
    network, rng, tasks = policy(family), runtime.rng(seed), pool(family, "train")
    optimiser, horizon, looks = torch.optim.Adam(network.parameters(), outer_lr), FAMILIES[family].horizon, []
    for step in range(n_steps):
        optimiser.param_groups[0]["lr"] = outer_lr * (1 - step / n_steps)
        chosen = torch.randperm(len(tasks), generator=rng)[:n_tasks].numpy()
        envs, params = environments(family, tasks[chosen], episodes), for_each(network, n_tasks)
        before = acting.collect(envs, network, detached(params), horizon, rng)
        adapted = acting.improve(network, params, before, lr=lr, **how)
        after = acting.collect(envs, network, detached(adapted), horizon, rng)
        loss = -gain(network, adapted, after)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        looks.append([before.returns().mean(), after.returns().mean()])
    return network.eval(), torch.tensor(looks)


def gain(network, params, e):
    """The outer objective: a policy gradient at the adapted parameters, mean over tasks."""
    def one(p, state, action, advantage, alive):
        log_prob = network.log_prob(functional_call(network, p, (state,)), action)
        return acting.naive_surrogate(log_prob * alive, advantage)
    return vmap(one)(params, e.state, e.action, acting.advantages(e), e.alive).mean()


# Models of transitions

def experience(family, network, seed, lr):
    """What 500 training tasks showed: rows of the meta-trained policy, and of it after one and two real steps.

    Returns episodes that describe the tasks [T, E, H, F+1], and transitions to learn [T, N_ROWS, F+1], both in the
    environment's units.
    """
    rng, tasks = runtime.rng(7000 + seed), pool(family, "train")
    known, asked = [], []
    for part in numpy.array_split(tasks, 10):
        envs, params = environments(family, part, 20), for_each(network, len(part))
        params, passes = detached(params), []
        for step in range(4):
            passes.append(acting.collect(envs, network, params, FAMILIES[family].horizon, rng))
            if step:
                params = detached(acting.improve(network, params, passes[-1], lr=lr / step))
        first, *others = (acting.rows(e, torch.ones(1)) for e in passes)
        known.append(first.unflatten(1, passes[0].alive.shape[1:]))
        asked.append(some(torch.cat(others, dim=1), N_ROWS, rng))
    return torch.cat(known), torch.cat(asked)


def spread(rows):
    """The standard deviation of each number of living rows [..., F+1]: [F]; 1 for what never changes."""
    std = rows[rows[..., -1] > 0][:, :-1].std(0)
    return torch.where(std > 1e-4, std, 1.0)


def some(rows, n, rng):
    """n living rows of each task [T, N, F+1], with replacement: [T, n, F+1]."""
    chosen = torch.multinomial(rows[..., -1], n, replacement=True, generator=rng)
    return rows.gather(1, chosen[..., None].expand(-1, -1, rows.shape[2]))


def described(rows, n_rows=MOST_ROWS):
    """At most n_rows rows of each set [T, n, F+1], living ones first, spread over the episodes."""
    if rows.shape[1] <= n_rows:
        return rows
    order = (torch.arange(rows.shape[1]) * 7919 % rows.shape[1] - 10 * rows.shape[1] * rows[..., -1]).argsort(1)
    return rows.gather(1, order[:, :n_rows, None].expand(-1, -1, rows.shape[2]))


def sampler(known, asked, scale, n_before, *, n_tasks=16, n_rows=32):
    """A `draw` for `gan.fit`: real (s' - s, r), (s, a) and the description of n_tasks tasks."""
    units = torch.cat([scale, torch.ones(1)])
    most = known.shape[1]

    def draw(rng):
        which = torch.randint(len(known), (n_tasks,), generator=rng)
        k = int(torch.exp(torch.rand((), generator=rng) * numpy.log(most + 0.5)))       # as often 1 to 4 as 4 to 16
        episodes = torch.randperm(most, generator=rng)[:max(k, 1)]
        task = described((known[which][:, episodes] / units).flatten(1, 2))
        rows = some(asked[which] / units, n_rows, rng).flatten(0, 1)
        return rows[:, n_before:-1], rows[:, :n_before], task
    return draw


def squared_error(G, y, before, task, rng):
    return (G(torch.zeros(len(y), G.z_dim), before, task) - y).square().mean()


def regression(family, known, asked, seed, times=1):
    """A `TransitionGenerator` that learned to predict by squared error."""
    f = FAMILIES[family]
    runtime.seed_everything(seed)
    G = TransitionGenerator(len(f.scale), f.n_action)
    G.scale.copy_(spread(asked))
    return flows.fit(G, sampler(known, asked, G.scale, G.n_before), n_steps=times * REGRESSION_STEPS,
                     rng=runtime.rng(seed), lr=2e-3, objective=squared_error)


def adversarial(G, family, known, asked, seed, times=1):
    """A copy of the regression G, after the game against a discriminator.

    A GAN from random weights learned what a world looks like, and next to nothing of the task.
    """
    f, G = FAMILIES[family], copy.deepcopy(G)
    runtime.seed_everything(seed)
    penalty = penalties.lazily(partial(penalties.r1, gamma=0.1), every=4)
    return gan.fit(G, TransitionDiscriminator(len(f.scale), f.n_action), sampler(known, asked, G.scale, G.n_before),
                   n_steps=times * GAN_STEPS, loss=losses.NON_SATURATING, penalty=penalty, lr=(2e-4, 8e-4),
                   betas=(0.0, 0.99), ema=0.99, rng=runtime.rng(seed)).G


class Ridge(nn.Module):
    """The cheapest model: (s' - s, r) as a quadratic of (s, a) in this task alone, by ridge regression.

    It stands in for a `TransitionGenerator`: its code of a task is the coefficients.
    """

    def __init__(self, like, ridge):
        super().__init__()
        self.scale, self.n_before, self.z_dim, self.ridge = like.scale, like.n_before, 1, ridge

    def features(self, before):
        n = before.shape[-1]
        pairs = (before[..., :, None] * before[..., None, :])[..., *torch.triu_indices(n, n)]
        return torch.cat([torch.ones_like(before[..., :1]), before, pairs], dim=-1)

    def encode_task(self, task):
        x, y = self.features(task[..., :self.n_before]) * task[..., -1:], task[..., self.n_before:-1]
        return torch.linalg.solve(x.mT @ x + self.ridge * torch.eye(x.shape[2]), x.mT @ y)          # [T, P, S+1]

    def what_follows(self, z, state, action, code):
        x = self.features(torch.cat([state, action.clamp(-1, 1)], dim=2) / self.scale[:self.n_before])
        after = (x @ code).clamp(-5, 5) * self.scale[self.n_before:]         # else a quadratic runs away
        return state + after[..., :-1], after[..., -1]


class WithoutNoise(nn.Module):
    """A model whose z is 0."""

    def __init__(self, G):
        super().__init__()
        self.G, self.z_dim, self.encode_task, self.scale = G, G.z_dim, G.encode_task, G.scale

    def what_follows(self, z, state, action, code):
        return self.G.what_follows(torch.zeros_like(z), state, action, code)


# Adapting

def adapted(network, e, lr, steps):
    """Policies after `steps` steps on the real `Experience` e, the same at each."""
    params = for_each(network, len(e.state))
    for step in range(steps):
        params = detached(acting.improve(network, params, e, lr=lr / (1 + step)))
    return params


def dreamed(family, network, model, e, lr, steps, rng, params=None, watch=None, n_imagined=20):
    """Policies after `steps` steps, each on n_imagined fresh imagined episodes of every task; e only describes it."""
    f = FAMILIES[family]
    params = for_each(network, len(e.state)) if params is None else params
    task = described(acting.rows(e, model.scale))
    starts = e.state[:, :, 0]
    for step in range(steps):
        state = starts[:, torch.randint(starts.shape[1], (n_imagined,), generator=rng)]
        imagined = acting.imagine(model, task, network, params, state, f.ended, f.horizon, rng)
        if watch:
            watch(step, params, imagined)
        params = detached(acting.improve(network, params, imagined, lr=lr / (1 + step)))
    return params


def lived(family, network, envs, n_tasks, lr, steps, rng, params=None):
    """Policies after `steps` steps, each on fresh real episodes: the oracle."""
    params = for_each(network, n_tasks) if params is None else params
    for step in range(steps):
        e = acting.collect(envs, network, params, FAMILIES[family].horizon, rng)
        params = detached(acting.improve(network, params, e, lr=lr / (1 + step)))
    return params


def score(family, network, params, tasks, seed):
    """The mean return of each task's policy: [T]."""
    envs, horizon = environments(family, tasks, TEST_EPISODES), FAMILIES[family].horizon
    returns = acting.collect(envs, network, detached(params), horizon, runtime.rng(seed)).returns().mean(1)
    return returns.nan_to_num(WORST[family]).clamp(min=WORST[family])


# RL^2

class Memory(nn.Module):
    """A recurrent policy: (s, last a, last r, whether the episode is new) [B, L, S+A+2], hidden -> outputs, hidden."""

    def __init__(self, family, width=64):
        super().__init__()
        f = FAMILIES[family]
        self.head = policy(family)      # for its distribution alone
        self.scale = torch.tensor(f.scale)
        self.gru = nn.GRU(len(f.scale) + f.n_action + 2, width, batch_first=True)
        self.out = nn.Linear(width, f.n_action)

    def forward(self, x, hidden=None):
        x = torch.cat([x[..., :len(self.scale)] / self.scale, x[..., len(self.scale):]], dim=-1)
        h, hidden = self.gru(x, hidden)
        outputs = self.out(h)
        if self.head.log_std is not None:
            outputs = torch.cat([outputs, self.head.log_std.expand_as(outputs)], dim=-1)
        return outputs, hidden


@torch.no_grad()
def trial(family, memory, tasks, n_steps, rng):
    """n_steps in a row in each task, over the ends of episodes: inputs, actions, rewards and ends, each [T, L, ...]."""
    f, envs, rows, hidden = FAMILIES[family], environments(family, tasks, 1), [], None
    state, _ = envs.reset(seed=int(torch.randint(2**31, (), generator=rng)))
    last, new = torch.zeros(len(tasks), f.n_action + 1), torch.ones(len(tasks), 1)
    for _ in range(n_steps):
        x = torch.cat([torch.as_tensor(state, dtype=torch.float32), last, new], dim=1)
        outputs, hidden = memory(x[:, None], hidden)
        action = memory.head.sample(outputs[:, 0], rng)
        state, reward, ended, cut, _ = envs.step((action.argmax(1) if f.discrete else action).numpy())
        reward, over = (torch.as_tensor(v, dtype=torch.float32)[:, None] for v in (reward, ended | cut))
        rows.append((x, action, reward[:, 0], over[:, 0]))
        last, new = torch.cat([action, reward], dim=1), over
    return tuple(torch.stack(field, dim=1) for field in zip(*rows))


def train_memory(family, seed, *, n_steps, length, n_tasks=60, copies=8, lr=1e-2, gamma=0.9):
    """RL^2 by a policy gradient over whole trials; the baseline is the mean over copies of a task at each step."""
    runtime.seed_everything(seed)
    memory, rng, tasks = Memory(family), runtime.rng(seed), pool(family, "train")
    optimiser = torch.optim.Adam(memory.parameters(), lr)
    for step in range(n_steps):
        optimiser.param_groups[0]["lr"] = lr * (1 - step / n_steps)
        chosen = torch.randperm(len(tasks), generator=rng)[:n_tasks].repeat(copies).numpy()
        x, action, reward, _ = trial(family, memory, tasks[chosen], length, rng)
        to_go, later = torch.zeros_like(reward), 0
        for t in reversed(range(length)):
            to_go[:, t] = later = reward[:, t] + gamma * later
        to_go = to_go.view(copies, n_tasks, length)
        advantage = (to_go - to_go.mean(0)).flatten(0, 1)
        loss = -(memory.head.log_prob(memory(x)[0], action) * advantage / advantage.std()).mean()
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(memory.parameters(), 0.5)
        optimiser.step()
    return memory.eval()


def score_memory(family, memory, tasks, budgets, rng, repeats=TEST_EPISODES):
    """The return of the episode after K whole ones, for K of budgets and for 0, and the steps before: {K: ([T], n)}."""
    most, horizon = max(budgets), FAMILIES[family].horizon + 1
    *_, reward, over = trial(family, memory, numpy.tile(tasks, (repeats, 1)), (most + 1) * horizon, rng)
    number = over.cumsum(1) - over                              # [T, L] the episode that a step belongs to
    return {k: ((reward * (number == k)).sum(1).view(-1, len(tasks)).mean(0), float((number < k).sum(1).float().mean()))
            for k in (0, *budgets)}


# Arms

ARMS = ("real", "ridge", "regression", "GAN", "regression + real", "GAN + real")
GRID = {"real": [(lr, steps) for lr in (0.01, 0.02, 0.05, 0.1, 0.2) for steps in (1, 3)],
        "model": [(lr, steps) for lr in (0.02, 0.05, 0.1) for steps in (1, 3, 10)]}
TUNED = {"navigator": (1, 5, 40), "cart": (1, 8)}       # K for which settings are chosen; others take the nearest
RIDGES = (0.1, 1)


def folder():
    return runtime.project_root() / "runs" / "acting"


def stored(family, seed):
    """The policy of a seed, and its models by name."""
    network = checkpoints.load_into(policy(family), folder() / f"MAML-{family}-{seed}.safetensors").eval()
    models = {}
    for kind in ("regression", "GAN"):
        f = FAMILIES[family]
        G = TransitionGenerator(len(f.scale), f.n_action)
        models[kind] = checkpoints.load_into(G, folder() / f"{kind}-{family}-{seed}.safetensors").eval()
    models["regression"] = WithoutNoise(models["regression"])
    return network, models


def real_episodes(family, network, tasks, k, seed):
    """`Experience` of K episodes of the policy before it adapts."""
    return acting.collect(environments(family, tasks, k), network, detached(for_each(network, len(tasks))),
                          FAMILIES[family].horizon, runtime.rng(seed))


def after(arm, family, network, models, e, choice, seed):
    """The policies that an arm makes of the real `Experience` e."""
    lr, steps, *rest = choice
    rng, imagined = runtime.rng(seed), IMAGINED[family]
    if arm == "real":
        return adapted(network, e, lr, steps)
    if arm == "ridge":
        return dreamed(family, network, Ridge(models["GAN"], rest[0]), e, lr, steps, rng, n_imagined=imagined)
    start = adapted(network, e, rest[0], 1) if arm.endswith(" + real") else None
    return dreamed(family, network, models[arm.removesuffix(" + real")], e, lr, steps, rng, start, n_imagined=imagined)


def nearest(chosen, family, arm, k):
    return chosen[family, arm, min(TUNED[family], key=lambda tuned: abs(numpy.log(tuned / k)))]


def choose(family, seed=0):
    """{(family, arm, K): settings} that are best on validation tasks, and print how each did."""
    tasks, chosen = pool(family, "val"), {}
    network, models = stored(family, seed)
    for k in TUNED[family]:
        e = real_episodes(family, network, tasks, k, 100)
        for arm in ARMS:
            grid = GRID["real" if arm == "real" else "model"]
            if arm == "ridge":
                grid = [(*choice, ridge) for choice in grid for ridge in RIDGES]
            if arm.endswith(" + real"):
                grid = [(lr, steps, first) for lr, steps in grid if steps > 1 for first in (0.01, 0.02, 0.05)]
            found = {}
            for choice in grid:
                params = after(arm, family, network, models, e, choice, 200)
                found[choice] = score(family, network, params, tasks, 300).mean()
            chosen[family, arm, k] = max(found, key=found.get)
            print(family, k, arm, {choice: round(float(value), 2) for choice, value in found.items()}, flush=True)
    found = {}
    for lr, steps in GRID["model"]:
        envs = environments(family, tasks, IMAGINED[family])
        params = lived(family, network, envs, len(tasks), lr, steps, runtime.rng(200))
        found[lr, steps] = score(family, network, params, tasks, 300).mean()
    chosen[family, "oracle", 0] = max(found, key=found.get)
    print(family, "oracle", {choice: round(float(value), 2) for choice, value in found.items()}, flush=True)
    return chosen


def tune(families):
    for family in families:
        chosen = [[*key, list(choice)] for key, choice in choose(family).items()]
        (folder() / f"chosen-{family}.json").write_text(json.dumps(chosen) + "\n")


def tuned(families):
    """What `tune` found: {(family, arm, K): settings}."""
    found = [row for family in families for row in json.loads((folder() / f"chosen-{family}.json").read_text())]
    return {tuple(key): tuple(choice) for *key, choice in found}


def needed(steps, returns, wanted):
    """How many real steps bring the mean return to `wanted`, as a logarithm, on straight lines between budgets.

    steps [K] rising, returns [K] means. Beyond either end it is that end: the number is then a bound.
    """
    best = numpy.maximum.accumulate(returns)
    rises = numpy.r_[True, numpy.diff(best) > 0]        # more steps for the same return are no use
    return float(numpy.interp(wanted, best[rises], numpy.log(steps)[rises]))


def saved(steps, real, model_steps, model):
    """The logarithm of how many times as many steps `real` [K, T] needs as `model` [T]: jackknife values [T]."""
    def log_ratio(keep):
        return needed(steps, real[:, keep].mean(1).numpy(), float(model[keep].mean())) - numpy.log(model_steps)

    n = len(model)
    whole = log_ratio(torch.arange(n))
    return torch.tensor([n * whole - (n - 1) * log_ratio(torch.arange(n) != i) for i in range(n)])


def test(families):
    """Write returns of all arms on test tasks, differences, steps saved, and how imagination and reality part."""
    results, chosen = shared.results("acting", profile="cpu", device="cpu", split="test", seed="all"), tuned(families)
    for family in families:
        test_arms(family, results, chosen)
        test_descriptions(family, results, chosen)
        test_learners(family, results)


def told(values, **about):
    """For `Results.add`: the mean over seeds of values [seeds, T], and each seed's mean beside it."""
    values = torch.stack(values)
    return {"values": values.mean(0), "by_seed": values.mean(1).tolist(), "unit": "return", "setting": "-", **about}


def test_arms(family, results, chosen):
    tasks, found, steps = pool(family, "test"), {}, {}
    for seed in SEEDS:
        network, models = stored(family, seed)
        found.setdefault(("before", 0), []).append(
            score(family, network, for_each(network, len(tasks)), tasks, 900 + seed))
        lr, n = chosen[family, "oracle", 0]
        params = lived(family, network, environments(family, tasks, IMAGINED[family]), len(tasks), lr, n,
                       runtime.rng(500 + seed))
        found.setdefault(("oracle", 0), []).append(score(family, network, params, tasks, 900 + seed))
        for k in BUDGETS[family]:
            e = real_episodes(family, network, tasks, k, 400 + seed)
            steps.setdefault(k, []).append(float(e.alive.sum((1, 2)).mean()))
            for arm in ARMS:
                params = after(arm, family, network, models, e, nearest(chosen, family, arm, k), 600 + seed)
                found.setdefault((arm, k), []).append(score(family, network, params, tasks, 900 + seed))
            print(family, seed, k, {arm: round(float(found[arm, k][-1].mean()), 2) for arm in ARMS}, flush=True)
        if family == "navigator":
            apart(family, seed, network, models, results, chosen)
    steps = {k: float(numpy.mean(each)) for k, each in steps.items()} | {0: 0.0}
    for (arm, k), values in found.items():
        settings = chosen[family, arm, 0] if arm == "oracle" else () if arm == "before" else nearest(
            chosen, family, arm, k)
        about = {"family": family, "episodes": k, "real_steps": steps[k], "settings": list(settings)}
        results.add("return", **told(values, arm=arm, **about))
        for rival in ("real", "ridge", "regression", "regression + real"):
            if arm in ARMS and arm != rival:
                results.add(f"return, against {rival}", **told(
                    [a - b for a, b in zip(values, found[rival, k])], arm=arm, **about))
    real = torch.stack([torch.stack(found["real", k]).mean(0) for k in BUDGETS[family]])
    for (arm, k), values in found.items():
        if arm in ARMS and arm != "real":
            values = saved([steps[k] for k in BUDGETS[family]], real, steps[k], torch.stack(values).mean(0))
            results.add("log of steps saved", values, unit="log", setting="-", arm=arm, family=family,
                        episodes=k, real_steps=steps[k])


def test_descriptions(family, results, chosen):
    """Cheap explanations: does G need this task's own episode, or does any, or one of a task with the same sign, do?"""
    tasks, found = pool(family, "test"), {}
    same_sign = numpy.empty(len(tasks), int)
    for sign in (False, True):
        alike = numpy.flatnonzero((tasks[:, 0] > 0) == sign)
        same_sign[alike] = numpy.roll(alike, 1)
    others = {"another task": numpy.roll(numpy.arange(len(tasks)), 1), "another task of the same sign": same_sign}
    for seed in SEEDS:
        network, models = stored(family, seed)
        e = real_episodes(family, network, tasks, 1, 400 + seed)
        for whose, order in others.items():
            theirs = acting.Experience(*(field[order] for field in e))
            params = after("GAN", family, network, models, theirs, nearest(chosen, family, "GAN", 1), 600 + seed)
            found.setdefault(whose, []).append(score(family, network, params, tasks, 900 + seed))
    for whose, values in found.items():
        results.add("return, described by another task", **told(values, arm=whose, family=family, episodes=1))


def apart(family, seed, network, models, results, chosen, n_steps=30, every=3):
    """Imagined and real returns while a policy follows imagination ever further, from one real episode."""
    tasks = pool(family, "test")[:40]
    e = real_episodes(family, network, tasks, 1, 400 + seed)
    ridge = Ridge(models["GAN"], nearest(chosen, family, "ridge", 1)[2])
    for arm, model in {**models, "ridge": ridge}.items():
        def watch(step, params, imagined, arm=arm):
            if step % every == 0:
                real = score(family, network, params, tasks, 900 + seed)
                for what, values in (("imagined", imagined.returns().mean(1)), ("real", real)):
                    results.add(f"{what} return on the way", values, unit="return", setting="inductive", arm=arm,
                                family=family, step=step, run=seed)
        dreamed(family, network, model, e, nearest(chosen, family, arm, 1)[0], n_steps, runtime.rng(700 + seed),
                watch=watch, n_imagined=IMAGINED[family])


def test_learners(family, results):
    """Meta-learners before and after an inner step on as many real episodes as in training; RL^2 by episode."""
    tasks, found, taken = pool(family, "test"), {}, {}
    for seed in SEEDS:
        for kind in LEARNERS:
            network = checkpoints.load_into(policy(family), folder() / f"{kind}-{family}-{seed}.safetensors").eval()
            e = real_episodes(family, network, tasks, META[family]["episodes"], 400 + seed)
            for when, params in (("before", for_each(network, len(tasks))),
                                 ("after", adapted(network, e, META[family]["lr"], 1))):
                found.setdefault((kind, when, META[family]["episodes"]), []).append(
                    score(family, network, params, tasks, 900 + seed))
        memory = checkpoints.load_into(Memory(family), folder() / f"RL2-{family}-{seed}.safetensors").eval()
        for k, (values, steps) in score_memory(family, memory, tasks, (1, 2, 4), runtime.rng(900 + seed)).items():
            found.setdefault(("RL^2", "after" if k else "before", k), []).append(values)
            taken.setdefault(k, []).append(steps)
    for (kind, when, k), values in found.items():
        about = {"real_steps": float(numpy.mean(taken[k]))} if kind == "RL^2" else {}
        results.add("return of meta-learners", **told(values, arm=kind, family=family, when=when, episodes=k, **about))


LEARNERS = {"MAML": {}, "FOMAML": {"first_order": True}, "MAML, naive": {"objective": acting.naive_surrogate}}
RL2 = {"navigator": dict(n_steps=500, length=40), "cart": dict(n_steps=300, length=100)}


def train(family, seed, times=1):
    """All networks of a family and a seed, into `folder()`; those that are there stay."""
    folder().mkdir(parents=True, exist_ok=True)

    def kept(kind, make, like):
        path = folder() / f"{kind}-{family}-{seed}.safetensors"
        if path.is_file():
            return checkpoints.load_into(like, path).eval()
        start, module = time.process_time(), make()
        checkpoints.save(path, module.state_dict(), dataset=family, profile="cpu" if times == 1 else "gpu", seed=seed,
                         kind=kind, made_by="studies/acting.py")
        print(f"{path.name}: {time.process_time() - start:.0f} s", flush=True)
        return module

    meta = META[family] | {"n_steps": META[family]["n_steps"] * times}
    for kind, how in LEARNERS.items():
        network = kept(kind, lambda how=how: meta_train(family, seed, **meta, **how)[0], policy(family))
        if kind == "MAML":
            rows = experience(family, network, seed, meta["lr"])
            f = FAMILIES[family]
            first = kept("regression", partial(regression, family, *rows, seed, times),
                         TransitionGenerator(len(f.scale), f.n_action))
            kept("GAN", partial(adversarial, first, family, *rows, seed, times),
                 TransitionGenerator(len(f.scale), f.n_action))
    memory = RL2[family] | {"n_steps": RL2[family]["n_steps"] * times}
    kept("RL2", lambda: train_memory(family, seed, **memory), Memory(family))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("train", "tune", "test"))
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=list(FAMILIES))
    parser.add_argument("--seeds", nargs="+", type=int, choices=SEEDS, default=SEEDS)
    parser.add_argument("--profile", choices=shared.LONGER, default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.what == "train":
        for family in options.families:
            for seed in options.seeds:
                train(family, seed, shared.LONGER[options.profile])
    else:
        {"tune": tune, "test": test}[options.what](options.families)


if __name__ == "__main__":
    main()
