"""Policy gradients whose second derivative is right, beside all that can happen in a small world, and experience."""

from itertools import product

import gymnasium
import numpy
import pytest
import torch
from torch.distributions import Categorical, Independent, Normal
from torch.func import functional_call

import course_files.acting  # noqa: F401 (it makes the environments known)
from course_lib import acting, runtime
from course_lib.acting import Experience, improve, naive_surrogate, surrogate
from course_lib.networks.acting import Policy, TransitionGenerator


@pytest.fixture
def float64():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


#
# A world of two states and two actions, for three steps: small enough to go through all that can happen.

START = torch.tensor([0.6, 0.4], dtype=torch.float64)
NEXT = torch.tensor([[[0.9, 0.1], [0.3, 0.7]], [[0.25, 0.75], [0.6, 0.4]]], dtype=torch.float64)    # [s, a, s']
REWARD = torch.tensor([[[1.0, -0.5], [0.2, 2.0]], [[-1.0, 0.7], [1.5, 0.1]]], dtype=torch.float64)
LOGITS = torch.tensor([[0.4, -0.3], [-0.6, 0.2]], dtype=torch.float64)                              # [s, a]
BASELINES = {"no baseline": torch.zeros(3, 2, dtype=torch.float64),                                 # [time, s]
             "baseline": torch.tensor([[2.0, -1.0], [0.5, 1.5], [-0.7, 3.0]], dtype=torch.float64)}
N_STEPS, INNER_LR = 3, 0.7


def expected_return(logits):
    """By backward induction: no trajectory, no sample."""
    value = torch.zeros(2, dtype=torch.float64)
    for _ in range(N_STEPS):
        value = (logits.softmax(1) * (NEXT * (REWARD + value)).sum(2)).sum(1)
    return START @ value


def every_trajectory():
    """States and actions [E, 3], rewards from each step on [E, 3], and what chance has to do with it [E]."""
    states, actions, to_go, chances = [], [], [], []
    for first, *rest in product(range(2), *[range(2)] * (2 * N_STEPS)):
        taken, visited = rest[::2], [first, *rest[1::2]]
        steps = list(zip(visited, taken, visited[1:]))
        rewards = [REWARD[step].item() for step in steps]
        states.append(visited[:-1])
        actions.append(taken)
        to_go.append([sum(rewards[t:]) for t in range(N_STEPS)])
        chances.append(START[first] * torch.stack([NEXT[step] for step in steps]).prod())
    return torch.tensor(states), torch.tensor(actions), torch.tensor(to_go, dtype=torch.float64), torch.stack(chances)


STATES, ACTIONS, TO_GO, CHANCES = every_trajectory()


def probabilities(logits):
    return CHANCES * logits.softmax(1)[STATES, ACTIONS].prod(1)


def all_at_once(objective, at, baseline):
    """`objective` as a function of logits, for every trajectory as often as its probability under the logits `at`.

    A trajectory's weight is a constant: an agent meets trajectories, and not their probabilities.
    """
    times = torch.arange(N_STEPS).expand_as(STATES)
    advantage = (TO_GO - baseline[times, STATES]) * (len(CHANCES) * probabilities(at.detach()))[:, None]
    return lambda logits: objective(logits.log_softmax(1)[STATES, ACTIONS], advantage)


def derivatives(function, order):
    """The first `order` derivatives of a function of LOGITS, each by autograd of the one before."""
    found, x = [], LOGITS.clone().requires_grad_()
    outputs = function(x)
    for _ in range(order):
        slopes = [torch.autograd.grad(o, x, create_graph=True)[0] for o in outputs.flatten()]
        outputs = torch.stack(slopes).view(*outputs.shape, *x.shape)
        found.append(outputs.detach())
    return found


def error(found, expected):
    return ((found - expected).norm() / expected.norm()).item()


def test_the_small_world_is_gone_through_completely():
    assert len(CHANCES) == 128
    assert probabilities(LOGITS).sum().item() == pytest.approx(1, rel=1e-12)
    assert (probabilities(LOGITS) @ TO_GO[:, 0]).item() == pytest.approx(expected_return(LOGITS).item(), rel=1e-12)


@pytest.mark.parametrize("baseline", BASELINES.values(), ids=BASELINES)
def test_every_derivative_of_the_surrogate_is_that_of_the_return(baseline):
    found = derivatives(all_at_once(surrogate, LOGITS, baseline), 3)
    for mine, exact in zip(found, derivatives(expected_return, 3)):
        assert error(mine, exact) < 1e-12
    assert all_at_once(surrogate, LOGITS, baseline)(LOGITS) == 0


@pytest.mark.parametrize("baseline, size", list(zip(BASELINES.values(), [8.4788, 5.6813])), ids=BASELINES)
def test_the_second_derivative_of_the_naive_surrogate_lacks_a_part(baseline, size):
    (first, second), (exact, curvature) = (derivatives(function, 2) for function in (
        all_at_once(naive_surrogate, LOGITS, baseline), expected_return))
    assert error(first, exact) < 1e-12
    scores = torch.zeros(*STATES.shape, 2, 2, dtype=torch.float64)          # d log pi(a|s) / d logits, by hand
    for e, t in product(range(len(STATES)), range(N_STEPS)):
        s, a = STATES[e, t], ACTIONS[e, t]
        scores[e, t, s] = -LOGITS[s].softmax(0)
        scores[e, t, s, a] += 1
    lacking = torch.zeros(2, 2, 2, 2, dtype=torch.float64)
    for e, t in product(range(len(STATES)), range(N_STEPS)):
        now, earlier = scores[e, t], scores[e, :t].sum(0)
        pairs = sum(torch.einsum("ij,kl->ijkl", a, b) for a, b in ((now, now), (now, earlier), (earlier, now)))
        lacking += probabilities(LOGITS)[e] * (TO_GO[e, t] - baseline[t, STATES[e, t]]) * pairs
    assert error(curvature - second, lacking) < 1e-12
    assert error(second, curvature) == pytest.approx(size, rel=1e-3)


def after_a_step(logits):
    """The return after an inner step with the exact gradient."""
    logits = logits.detach().requires_grad_()
    gradient, = torch.autograd.grad(expected_return(logits), logits)
    return expected_return(logits.detach() + INNER_LR * gradient).item()


def slopes_after_a_step(eps=1e-5):
    slopes = torch.zeros_like(LOGITS)
    for place in product(range(2), range(2)):
        step = torch.zeros_like(LOGITS)
        step[place] = eps
        slopes[place] = (after_a_step(LOGITS + step) - after_a_step(LOGITS - step)) / (2 * eps)
    return slopes


def through_autograd(function, x):
    return torch.autograd.grad(function(x), x, create_graph=True)[0]


def through_func(function, x):
    """As `improve` does it: functorch inside, autograd outside."""
    return torch.func.vmap(torch.func.grad(function))(x[None])[0]


@pytest.mark.parametrize("inner", [through_autograd, through_func])
@pytest.mark.parametrize("baseline, naive", list(zip(BASELINES.values(), [0.96598, 0.66414])), ids=BASELINES)
def test_the_gradient_through_an_inner_step(baseline, naive, inner):
    def found(objective):
        logits = LOGITS.clone().requires_grad_()
        step = inner(all_at_once(objective, logits, baseline), logits)
        expected_return(logits + INNER_LR * step).backward()
        return logits.grad

    exact = slopes_after_a_step()
    assert error(found(surrogate), exact) < 1e-7
    assert error(found(naive_surrogate), exact) == pytest.approx(naive, rel=1e-3)


#
# Experience.

LENGTHS = [[6, 3, 1, 5], [2, 6, 4, 6]]          # of the episodes [T, E]


def experience(lengths=LENGTHS, n_state=3, n_action=2, discrete=False, seed=0):
    """Random, with episodes of these lengths; what comes after the end is random too, but for the reward."""
    g, shape = runtime.rng(seed), (len(lengths), len(lengths[0]), max(map(max, lengths)))
    alive = (torch.arange(shape[2]) < torch.tensor(lengths)[..., None]).to(torch.get_default_dtype())
    state, after = (torch.randn(*shape, n_state, generator=g) for _ in range(2))
    action = torch.randn(*shape, n_action, generator=g)
    if discrete:
        action = torch.nn.functional.one_hot(action.argmax(-1), n_action).to(alive)
    return Experience(state, action, after, (torch.randn(shape, generator=g) + 1) * alive, alive)


def fitted_advantages(e, gamma):
    """Step by step, with numpy's least squares; the small penalty is a row of the problem for each weight."""
    found = numpy.zeros(e.reward.shape)
    for task in range(e.reward.shape[0]):
        where, features, to_go = [], [], []
        for episode in range(e.reward.shape[1]):
            steps = int(e.alive[task, episode].sum())
            for t in range(steps):
                s = e.state[task, episode, t].double().numpy()
                time = t / e.reward.shape[2]
                where.append((episode, t))
                features.append([*s, *s ** 2, time, time ** 2, time ** 3, 1])
                to_go.append(sum(gamma ** (k - t) * e.reward[task, episode, k].item() for k in range(t, steps)))
        penalty = 1e-3 ** 0.5 * numpy.eye(len(features[0]))
        weights = numpy.linalg.lstsq(numpy.vstack([features, penalty]), numpy.append(to_go, penalty[0] * 0))[0]
        left = numpy.array(to_go) - numpy.array(features) @ weights
        for place, value in zip(where, (left - left.mean()) / left.std()):
            found[task][place] = value
    return torch.tensor(found)


@pytest.mark.parametrize("gamma", [0.99, 0.5])
def test_advantages_step_by_step(float64, gamma):
    e = experience([[6, 3, 1, 5, 6], [2, 6, 4, 6, 3]])
    assert torch.allclose(acting.advantages(e, gamma), fitted_advantages(e, gamma), rtol=1e-9, atol=1e-9)
    assert torch.equal(acting.advantages(e), acting.advantages(e, 0.99))


def test_advantages_in_float32():
    e = experience([[6, 3, 1, 5, 6], [2, 6, 4, 6, 3]])
    assert torch.allclose(acting.advantages(e).double(), fitted_advantages(e, 0.99), atol=1e-4)


def test_advantages_have_mean_0_and_variance_1_in_each_task(float64):
    e = experience()
    found = acting.advantages(e)
    assert (found[e.alive == 0] == 0).all()
    for task, alive in zip(found, e.alive):
        living = task[alive == 1]
        assert living.mean().item() == pytest.approx(0, abs=1e-12)
        assert living.var(correction=0).item() == pytest.approx(1, rel=1e-12)
    alone = acting.advantages(Experience(*(part[1:] for part in e)))
    assert torch.allclose(found[1:], alone, rtol=1e-12), "another task changes nothing"


def test_nothing_leaks_from_steps_after_the_end():
    e = experience()
    dead = e.alive == 0
    filled = e._replace(**{name: torch.where(dead[..., None], 1e6, getattr(e, name))
                           for name in ("state", "action", "next_state")})
    assert torch.equal(acting.advantages(filled), acting.advantages(e))
    policy = Policy([1.0] * 3, 2, width=8)
    start = {name: p.detach().expand(2, *p.shape) for name, p in policy.named_parameters()}
    improved = [improve(policy, start, one, lr=0.1) for one in (e, filled)]
    assert all(torch.equal(improved[0][name], improved[1][name]) for name in start)
    scale = torch.ones(2 * 3 + 2 + 1)
    assert torch.equal(acting.rows(filled, scale), acting.rows(e, scale))


def test_without_any_reward_no_action_is_better():
    e = experience()
    assert (acting.advantages(e._replace(reward=torch.zeros_like(e.reward))) == 0).all()


def test_rows_are_the_transitions():
    e, scale = experience(), torch.arange(1, 10.0)
    found = acting.rows(e, scale)
    assert found.shape == (2, 4 * 6, 10) and (e.action.abs() > 1).any()
    for task, episode, t in product(range(2), range(4), range(6)):
        at, row = (task, episode, t), found[task, 6 * episode + t]
        if t >= LENGTHS[task][episode]:
            assert (row == 0).all(), "a filler"
            continue
        change = [after - before for before, after in zip(e.state[at].tolist(), e.next_state[at].tolist())]
        pushes = [min(max(a, -1), 1) for a in e.action[at].tolist()]
        numbers = [*e.state[at].tolist(), *pushes, *change, e.reward[at].item()]
        expected = [number / (i + 1) for i, number in enumerate(numbers)]
        assert row.tolist() == pytest.approx([*expected, 1], rel=1e-5)


#
# Acting.

def pushing(*pushes):
    """(a policy, params) that push by these [T, A], whatever the state, almost without chance."""
    policy = Policy([1.0, 1.0], len(pushes[0]), width=4)
    params = {name: torch.zeros(len(pushes), *p.shape) for name, p in policy.named_parameters()}
    params["layers.4.bias"], params["log_std"] = torch.tensor(pushes), torch.full((len(pushes), len(pushes[0])), -20.0)
    return policy, params


def choosing(*actions):
    """(a policy of a cart, params): task t always chooses actions[t]."""
    policy = Policy([1.0] * 4, 2, discrete=True, width=4)
    params = {name: torch.zeros(len(actions), *p.shape) for name, p in policy.named_parameters()}
    params["layers.4.bias"] = torch.tensor([[60.0, -60.0] if action == 0 else [-60.0, 60.0] for action in actions])
    return policy, params


def test_roll_out_ends_episodes_each_at_its_own_time():
    policy, params = pushing([1.0, 0.5], [-1.0, 2.0])
    starts = torch.tensor([[[0.0, 0.0], [2.0, 0.0], [3.5, 0.0]], [[0.0, 1.0], [-2.0, 1.0], [-9.0, 1.0]]])
    seen = []

    def step(state, action):
        seen.append(state)
        after = state + action
        return after, after.sum(2), after[..., 0].abs() >= 4

    e = acting._roll_out(policy, params, starts, step, 5, runtime.rng(0))
    assert len(seen) == 5
    assert e.state.shape == e.action.shape == e.next_state.shape == (2, 3, 5, 2)
    assert e.reward.shape == e.alive.shape == (2, 3, 5) and e.returns().shape == (2, 3)
    assert e.alive.sum(2).tolist() == [[4, 2, 1], [4, 2, 1]], "the step of the fall counts as well"
    assert (e.alive.diff(dim=2) <= 0).all()
    for t, (push, alive) in enumerate(zip(([1.0, 0.5], [-1.0, 2.0]), e.alive)):
        times = torch.arange(5)[None, :, None]
        expected = starts[t][:, None] + times * torch.tensor(push)
        assert torch.allclose(e.state[t], expected, atol=1e-5)
        assert torch.allclose(e.next_state[t], expected + torch.tensor(push), atol=1e-5)
        assert torch.allclose(e.reward[t], (expected + torch.tensor(push)).sum(2) * alive, atol=1e-5)
    assert e.returns()[0, 2].item() == pytest.approx(3.5 + 1 + 0.5), "nothing is earned after the end"


def test_roll_out_needs_no_gradient():
    policy, params = pushing([1.0, 0.5])
    params = {name: p.requires_grad_() for name, p in params.items()}
    e = acting._roll_out(policy, params, torch.zeros(1, 2, 2), lambda s, a: (s + a, a.sum(2), a[..., 0] > 9), 3,
                        runtime.rng(0))
    assert not any(part.requires_grad for part in e)


def navigators(goals_and_winds, n_episodes):
    tasks = numpy.repeat(goals_and_winds, n_episodes, axis=0)
    return gymnasium.make_vec("course/Navigator-v0", num_envs=len(tasks), task=tasks)


def test_collect_gives_every_task_its_own_policy():
    goals = [[0.3, 0.1, 0, 0], [-0.2, 0.4, 0, 0], [0.5, -0.5, 0, 0]]
    policy, params = pushing([0.5, 0.0], [-0.5, 0.25], [0.0, -0.25])
    e = acting.collect(navigators(goals, 4), policy, params, 20, runtime.rng(0))
    assert e.state.shape == e.action.shape == e.next_state.shape == (3, 4, 20, 2)
    assert e.alive.shape == (3, 4, 20) and (e.alive == 1).all() and (e.state[:, :, 0] == 0).all()
    assert torch.equal(e.next_state[:, :, :-1], e.state[:, :, 1:])
    expected = 20 * 0.1 * torch.tensor([[0.5, 0.0], [-0.5, 0.25], [0.0, -0.25]])
    assert torch.allclose(e.next_state[:, :, -1], expected[:, None].expand(3, 4, 2), atol=0.12)     # five deviations
    place = torch.tensor(goals)[:, None, None, :2]
    assert torch.allclose(e.reward, -(e.next_state - place).norm(dim=3), atol=1e-6), "envs of a task side by side"


def test_collect_masks_what_comes_after_the_fall():
    """Against Gymnasium's single cart, from the same starts."""
    physics = [10, 0.5, 0.1, 9.8]
    envs = gymnasium.make_vec("course/CartPole-v0", num_envs=6, task=[physics] * 6)
    policy, params = choosing(1, 0)
    e = acting.collect(envs, policy, params, 15, runtime.rng(0))
    alone = gymnasium.make("CartPole-v1")
    for task, episode in product(range(2), range(3)):
        alone.reset()
        alone.unwrapped.state = e.state[task, episode, 0].double().numpy()
        states, over = [], False
        while not over:
            state, _, over, _, _ = alone.step(1 - task)
            states.append(state)
        n = len(states)
        assert n < 12 and e.alive[task, episode].tolist() == [1] * n + [0] * (15 - n)
        assert torch.equal(e.reward[task, episode], e.alive[task, episode])
        assert torch.allclose(e.next_state[task, episode, :n], torch.tensor(numpy.array(states)), atol=1e-5)
    living = e.alive[:, :, 1:] == 1
    assert torch.equal(e.next_state[:, :, :-1][living], e.state[:, :, 1:][living])
    assert e.action[0, ..., 1].all() and e.action[1, ..., 0].all()
    assert torch.equal(e.returns(), e.alive.sum(2)) and len(e.returns().unique()) > 1


def test_collect_masks_what_comes_after_a_cut():
    envs = gymnasium.make_vec("course/CartPole-v0", num_envs=2, max_episode_steps=4)
    policy, params = choosing(1)
    e = acting.collect(envs, policy, params, 9, runtime.rng(0))
    assert e.alive.tolist() == [[[1] * 4 + [0] * 5] * 2] and e.returns().tolist() == [[4, 4]]


@pytest.mark.parametrize("name, scale, discrete", [("course/Navigator-v0", [1.0] * 2, False),
                                                   ("course/CartPole-v0", [1.0] * 4, True)])
def test_the_generator_decides_all_experience(name, scale, discrete):
    policy = Policy(scale, 2, discrete=discrete, width=4)
    params = {name: torch.stack([p, -p]).detach() for name, p in policy.named_parameters()}
    envs = gymnasium.make_vec(name, num_envs=6)
    envs.reset(seed=0)          # it chooses the tasks
    first = acting.collect(envs, policy, params, 8, runtime.rng(1))
    torch.manual_seed(99)
    again, other = (acting.collect(envs, policy, params, 8, runtime.rng(seed)) for seed in (1, 2))
    assert all(torch.equal(a, b) for a, b in zip(first, again))
    assert not torch.equal(first.action, other.action)
    chance = [e.state[:, :, 0] if discrete else e.next_state - e.state - 0.1 * e.action.clamp(-1, 1)
              for e in (first, other)]
    assert not torch.allclose(*chance, atol=1e-4), "starts of carts, and gusts"


def test_an_imagined_episode_step_by_step():
    torch.manual_seed(0)
    G, policy = TransitionGenerator(2, 2, z_dim=3, n_code=5), Policy([1.0, 0.5], 2, width=4)
    G.scale = torch.tensor([0.5, 2.0, 1.5, 0.7, 3.0, 9.0, 2.5])
    params = {name: torch.stack([p, p + 0.3, p - 0.2]).detach() for name, p in policy.named_parameters()}
    task = torch.randn(3, 6, 8, generator=runtime.rng(1))
    task[..., -1] = 1
    start = torch.randn(3, 4, 2, generator=runtime.rng(2))
    e = acting.imagine(G, task, policy, params, start, lambda s: s[..., 1] > 1, 5, runtime.rng(3))
    rng, state, alive = runtime.rng(3), start, torch.ones(3, 4)
    for t in range(5):
        outputs = torch.stack([functional_call(policy, {name: p[i] for name, p in params.items()}, (state[i],))
                               for i in range(3)])
        action = policy.sample(outputs, rng)
        z = torch.randn(12, 3, generator=rng).view(3, 4, 3)
        before = torch.cat([state / G.scale[:2], action.clamp(-1, 1) / G.scale[2:4]], dim=2)
        imagined = torch.stack([G(z[i], before[i], task[i:i + 1]) for i in range(3)])
        after, reward = state + imagined[..., :2] * torch.tensor([3.0, 9.0]), 2.5 * imagined[..., 2] * alive
        for found, expected in zip(e, (state, action, after, reward, alive)):
            assert torch.allclose(found[:, :, t], expected, atol=1e-5)
        state, alive = after, alive * (after[..., 1] <= 1)
    assert len(e.alive.sum(2).unique()) > 2, "ends at several times"
    assert not any(part.requires_grad for part in e)


#
# An inner step.

def policies(discrete):
    """(a policy, its params in two tasks) in float64."""
    torch.manual_seed(0)
    policy, g = Policy([2.0, 1.0, 0.5], 2, discrete=discrete, width=4).double(), runtime.rng(5)
    return policy, {name: (p + 0.3 * torch.randn(2, *p.shape, generator=g)).detach().requires_grad_()
                    for name, p in policy.named_parameters()}


def distribution(policy, params, state):
    outputs = functional_call(policy, params, (state,))
    if policy.log_std is None:
        return Categorical(logits=outputs)
    mean, log_std = outputs.chunk(2, dim=-1)
    return Independent(Normal(mean, log_std.exp()), 1)


def by_hand(policy, params, e, lr, objective):
    """One task after the other, with torch.distributions and autograd."""
    improved = {name: [] for name in params}
    for t, advantage in enumerate(fitted_advantages(e, 0.99)):
        mine = {name: p[t] for name, p in params.items()}
        action = e.action[t].argmax(-1) if policy.log_std is None else e.action[t]
        log_prob = distribution(policy, mine, e.state[t]).log_prob(action) * e.alive[t]
        gradient = torch.autograd.grad(objective(log_prob, advantage), list(mine.values()), create_graph=True)
        for name, slope in zip(mine, gradient):
            improved[name].append(mine[name] + lr * slope)
    return {name: torch.stack(parts) for name, parts in improved.items()}


def probe(params, seed=1):
    """Something of all parameters to differentiate."""
    g = runtime.rng(seed)
    return sum((p * torch.randn(p.shape, generator=g)).sum() + p.pow(3).sum() / 9 for p in params.values())


def slopes(output, params):
    return torch.cat([g.flatten() for g in torch.autograd.grad(output, list(params.values()))])


def flat(params):
    return torch.cat([p.flatten() for p in params.values()])


def likelihood(log_prob, advantage):
    """An objective to which steps after the end would matter, for it takes no notice of advantages."""
    return log_prob.sum(1).mean() + 0 * advantage.sum()


@pytest.mark.parametrize("discrete", [False, True])
def test_improve_is_a_loop_over_tasks(float64, discrete):
    (policy, params), e = policies(discrete), experience(discrete=discrete)
    for objective in (likelihood, surrogate, naive_surrogate):
        found = improve(policy, params, e, lr=0.3, objective=objective)
        expected = by_hand(policy, params, e, 0.3, objective)
        assert error(flat(found) - flat(params), flat(expected) - flat(params)) < 1e-9
        assert error(slopes(probe(found), params), slopes(probe(expected), params)) < 1e-9
    twice = improve(policy, params, e, lr=0.6)
    assert error(flat(twice) - flat(params), 2 * (flat(found) - flat(params))) < 1e-9
    expected = by_hand(policy, params, e, 0.6, surrogate)
    assert error(slopes(probe(twice), params), slopes(probe(expected), params)) < 1e-9, "not naive, unless told so"


def test_improve_goes_uphill_without_being_told_how(float64):
    """The mean of log-probabilities of living steps, times advantages, summed over an episode: it grows."""
    (policy, params), e = policies(False), experience()
    found = improve(policy, params, e, lr=0.01)

    def gains(params):
        return torch.stack([(distribution(policy, {name: p[t] for name, p in params.items()}, e.state[t])
                             .log_prob(e.action[t]) * acting.advantages(e)[t]).sum(1).mean() for t in range(2)])
    rise, slope = gains(found) - gains(params), (flat(found) - flat(params)).square().sum() / 0.01
    assert (rise > 0).all() and rise.sum().item() == pytest.approx(slope.item(), rel=0.1)


@pytest.mark.parametrize("discrete", [False, True])
def test_the_naive_step_against_finite_differences(float64, discrete, eps=1e-6):
    """With the surrogate this holds on average only: a step itself does not say how chance would have changed."""
    (policy, params), e = policies(discrete), experience(discrete=discrete)
    direction = {name: torch.randn(p.shape, generator=runtime.rng(7)) for name, p in params.items()}

    def slope(objective):
        found = slopes(probe(improve(policy, params, e, lr=0.3, objective=objective)), params)
        return (found @ flat(direction)).item()

    up, down = (probe(improve(policy, {name: p.detach() + sign * eps * direction[name] for name, p in params.items()},
                              e, lr=0.3)).item() for sign in (1, -1))
    assert slope(naive_surrogate) == pytest.approx((up - down) / (2 * eps), rel=1e-6)
    assert abs(slope(surrogate) / slope(naive_surrogate) - 1) > 1e-3


def test_a_first_order_step_is_a_constant(float64):
    (policy, params), e = policies(False), experience()
    first, second = (improve(policy, params, e, lr=0.3, first_order=order) for order in (True, False))
    assert torch.equal(flat(first), flat(second)), "the same step"
    leaves = {name: p.detach().requires_grad_() for name, p in first.items()}
    at_the_end = slopes(probe(leaves), leaves)
    assert torch.equal(slopes(probe(first), params), at_the_end)
    assert error(slopes(probe(second), params), at_the_end) > 0.05


def test_the_second_order_reaches_a_common_start(float64):
    (policy, _), e = policies(False), experience()
    start = dict(policy.named_parameters())
    adapted = improve(policy, {name: p.expand(2, *p.shape) for name, p in start.items()}, e, lr=0.3)
    for name, p in start.items():
        assert adapted[name].shape == (2, *p.shape) and adapted[name].dtype == torch.float64
    g = runtime.rng(1)
    weights = {name: torch.randn(p.shape, generator=g) for name, p in adapted.items()}

    def judged(params, tasks):
        return sum((params[name].pow(2) * weights[name][tasks]).sum() for name in params)

    found, expected = slopes(judged(adapted, slice(None)), start), 0
    for t in range(2):
        mine = improve(policy, {name: p[None] for name, p in start.items()},
                       Experience(*(part[t:t + 1] for part in e)), lr=0.3)
        expected = expected + slopes(judged(mine, slice(t, t + 1)), start)
    assert error(found, expected) < 1e-12, "the sum of what each task says"
