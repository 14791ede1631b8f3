"""Learning to act in a new task: policy gradients, an inner step that can be differentiated, imagined experience.

`params` are those of T policies, one for each task: a dict of [T, ...]. Shapes: T tasks, E episodes of up to H steps.
"""

from typing import NamedTuple

import torch
from torch.func import functional_call, grad, vmap


class Experience(NamedTuple):
    """What T policies went through. After the end of an episode, `alive` is 0, and the rest means nothing."""

    state: torch.Tensor         # [T, E, H, S]
    action: torch.Tensor        # [T, E, H, A]
    next_state: torch.Tensor    # [T, E, H, S]
    reward: torch.Tensor        # [T, E, H], 0 after the end
    alive: torch.Tensor         # [T, E, H], 1 or 0

    def returns(self):
        """The sum of rewards of each episode: [T, E]."""
        return self.reward.sum(2)


def _roll_out(policy, params, state, step, horizon, rng):
    """Act from states [T, E, S] for `horizon` steps: `Experience`. step: (s, a) -> (s', r [T, E], whether it ended)."""
    act, alive, rows = vmap(lambda p, s: functional_call(policy, p, (s,))), torch.ones(state.shape[:2]), []
    with torch.no_grad():
        for _ in range(horizon):
            action = policy.sample(act(params, state), rng)
            after, reward, ended = step(state, action)
            rows.append((state, action, after, reward * alive, alive))
            alive, state = alive * (1 - ended.float()), after
    return Experience(*(torch.stack(field, dim=2) for field in zip(*rows)))


def collect(envs, policy, params, horizon, rng):
    """Real `Experience`. envs: a Gymnasium VectorEnv of T * E environments, those of a task side by side."""
    n_tasks = len(next(iter(params.values())))

    def tensor(x, *shape):
        return torch.as_tensor(x, dtype=torch.float32).view(n_tasks, -1, *shape)

    def step(state, action):
        flat = action.flatten(0, 1)
        after, reward, ended, cut, _ = envs.step((flat if policy.log_std is not None else flat.argmax(1)).numpy())
        return tensor(after, state.shape[2]), tensor(reward), tensor(ended | cut)

    state, _ = envs.reset(seed=int(torch.randint(2**31, (), generator=rng)))
    return _roll_out(policy, params, tensor(state, state.shape[1]), step, horizon, rng)


def rows(experience, scale):
    """The transitions of `Experience` as a set [T, E*H, F+1], in units of scale [F]; see `networks.acting`.

    Actions are cut to -1 .. 1, as the environment does.
    """
    e = experience
    row = torch.cat([e.state, e.action.clamp(-1, 1), e.next_state - e.state, e.reward[..., None]], dim=3) / scale
    return (torch.cat([row, torch.ones_like(e.alive)[..., None]], dim=3) * e.alive[..., None]).flatten(1, 2)


def imagine(G, task, policy, params, state, ended, horizon, rng):
    """Imagined `Experience` from states [T, E, S]: each step by a `networks.acting.TransitionGenerator` G.

    task [T, n, F+1]: what is known of each task, real `rows`. ended: a function of states that says where it is over.
    """
    with torch.no_grad():
        code = G.encode_task(task)

    def step(state, action):
        z = torch.randn(state.shape[0] * state.shape[1], G.z_dim, generator=rng)
        after, reward = G.what_follows(z, state, action, code)
        return after, reward, ended(after)
    return _roll_out(policy, params, state, step, horizon, rng)


def advantages(experience, gamma=0.99):
    """How much better each action was than usual: [T, E, H], of mean 0 and variance 1 in each task.

    The discounted rewards from there on, less what is expected of that state at that time: a least-squares fit to
    (s, s^2, t, t^2, t^3, 1), for each task anew. Source: Duan et al. 2016, "Benchmarking deep RL", section 5.
    """
    state, reward, alive = experience.state, experience.reward, experience.alive
    to_go, later = torch.zeros_like(reward), torch.zeros_like(reward[:, :, 0])
    for t in reversed(range(reward.shape[2])):
        to_go[:, :, t] = later = reward[:, :, t] + gamma * later
    t = torch.arange(reward.shape[2], device=state.device).expand_as(reward)[..., None] / reward.shape[2]
    x = (torch.cat([state, state.square(), t, t ** 2, t ** 3, t ** 0], dim=3) * alive[..., None]).flatten(1, 2)
    y = to_go.flatten(1, 2)[..., None]
    fitted = x @ torch.linalg.solve(x.mT @ x + 1e-3 * torch.eye(x.shape[2], device=x.device), x.mT @ y)
    left = (y - fitted)[..., 0].view_as(reward)
    count = alive.sum((1, 2), keepdim=True)
    left = (left - left.sum((1, 2), keepdim=True) / count) * alive
    return left / (left.square().sum((1, 2), keepdim=True) / count).sqrt().clamp(min=1e-6)


def surrogate(log_prob, advantage):
    """A scalar whose value is 0, and whose derivatives *of any order* estimate those of the return: both [E, H].

    Source: Foerster et al. 2018, "DiCE"; with advantages, Farquhar et al. 2019, "Loaded DiCE", eq. 10.
    """
    def magic(x):           # 1, with the gradient of x
        return (x - x.detach()).exp()

    so_far = log_prob.cumsum(1)
    return ((magic(so_far) - magic(so_far - log_prob)) * advantage).sum(1).mean()


def naive_surrogate(log_prob, advantage):
    """The same first derivative; the second one lacks what the first actions did to the chance of later ones."""
    return (log_prob * advantage).sum(1).mean()


def improve(policy, params, experience, *, lr, first_order=False, objective=surrogate):
    """`maml.adapt` for acting: in each task p <- p + lr d objective/dp, by policy gradient; a dict of [T, ...].

    lr: a number. first_order: the gradient counts as a constant (FOMAML).
    """
    def gain(p, state, action, advantage, alive):
        log_prob = policy.log_prob(functional_call(policy, p, (state,)), action)
        return objective(log_prob * alive, advantage)

    e = experience
    gradient = vmap(grad(gain))(params, e.state, e.action, advantages(e), e.alive)
    return {name: p + lr * (gradient[name].detach() if first_order else gradient[name]) for name, p in params.items()}
