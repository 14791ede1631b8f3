"""Acting: a policy, and a generator and a discriminator of transitions in a task that is known by a few of them.

A transition is a row of F = 2 S + A + 1 numbers: the state s, the action a, and what came of them, s' - s and r, each
in units of its standard deviation. A task is a set of them [T, n, F+1]; behind each stands 1, or 0 for a mere filler.
"""

import math
from itertools import pairwise

import torch
from torch import nn


class Policy(nn.Module):
    """States [..., S] -> means and logarithms of standard deviations of actions [..., 2 A], or logits [..., A].

    scale: S numbers, what a state is divided by. discrete: one of A actions, as a one-hot row [A].
    """

    def __init__(self, scale, n_action, *, discrete=False, width=64):
        super().__init__()
        self.register_buffer("scale", torch.tensor(scale))
        self.layers = nn.Sequential(nn.Linear(len(scale), width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(),
                                    nn.Linear(width, n_action))
        self.log_std = None if discrete else nn.Parameter(torch.full((n_action,), -0.5))

    def forward(self, state):
        outputs = self.layers(state / self.scale)
        return outputs if self.log_std is None else torch.cat([outputs, self.log_std.expand_as(outputs)], dim=-1)

    def sample(self, outputs, rng):
        """Actions [..., A] by chance."""
        if self.log_std is None:
            noise = -torch.rand(outputs.shape, generator=rng).clamp(min=1e-9).log()             # exponential
            return nn.functional.one_hot((outputs - noise.log()).argmax(-1), outputs.shape[-1]).float()
        mean, log_std = outputs.chunk(2, dim=-1)
        return mean + log_std.exp() * torch.randn(mean.shape, generator=rng)

    def log_prob(self, outputs, action):
        """The logarithm of the probability, or density, of actions [..., A]: [...]."""
        if self.log_std is None:
            return (outputs.log_softmax(-1) * action).sum(-1)
        mean, log_std = outputs.chunk(2, dim=-1)
        return (-((action - mean) / log_std.exp()).square() / 2 - log_std - math.log(2 * math.pi) / 2).sum(-1)


def _mlp(*sizes):
    layers = [layer for n_in, n_out in pairwise(sizes) for layer in (nn.Linear(n_in, n_out), nn.SiLU())]
    return nn.Sequential(*layers[:-1])


class TaskEncoder(nn.Module):
    """Sets of transitions [T, n, F+1] -> [T, n_out+1]: the mean of their features, and the logarithm of their count."""

    def __init__(self, n_row, n_out):
        super().__init__()
        self.layers = _mlp(n_row, 128, 128, n_out)

    def forward(self, task):
        here = task[..., -1:]
        number = here.sum(1).clamp(min=1)
        return torch.cat([(self.layers(task[..., :-1]) * here).sum(1) / number, number.log() / 5], dim=1)


class TransitionGenerator(nn.Module):
    """z [B, z_dim], (s, a) [B, S+A], task [T, n, F+1] -> (s' - s, r) [B, S+1]; the rows come task by task.

    scale [F]: the standard deviation of each of the F = 2 S + A + 1 numbers of a transition. All are divided by it.
    """

    def __init__(self, n_state, n_action, *, z_dim=4, n_code=64):
        super().__init__()
        n_row = 2 * n_state + n_action + 1
        self.register_buffer("scale", torch.ones(n_row))
        self.z_dim, self.n_before, self.encode_task = z_dim, n_state + n_action, TaskEncoder(n_row, n_code)
        self.layers = _mlp(z_dim + self.n_before + n_code + 1, 128, 128, n_state + 1)

    def forward(self, z, before, task):
        return self.step(z, before, self.encode_task(task))

    def step(self, z, before, code):
        """As a call, with `encode_task(task)` in place of the task: an imagined episode encodes it once."""
        return self.layers(torch.cat([z, before, code.repeat_interleave(len(z) // len(code), dim=0)], dim=1))

    def what_follows(self, z, state, action, code):
        """(s' [T, E, S], r [T, E]) in the environment's own units, for states [T, E, S] and actions [T, E, A]."""
        before = torch.cat([state, action.clamp(-1, 1)], dim=2) / self.scale[:self.n_before]
        after = self.step(z, before.flatten(0, 1), code).view(*state.shape[:2], -1) * self.scale[self.n_before:]
        return state + after[..., :-1], after[..., -1]


class TransitionDiscriminator(nn.Module):
    """(s' - s, r) [B, S+1], (s, a) [B, S+A], task [T, n, F+1] -> logits [B]: real, or imagined?"""

    def __init__(self, n_state, n_action, *, n_code=64):
        super().__init__()
        n_row = 2 * n_state + n_action + 1
        self.encode_task, self.layers = TaskEncoder(n_row, n_code), _mlp(n_row + n_code + 1, 128, 128, 1)

    def forward(self, after, before, task):
        code = self.encode_task(task).repeat_interleave(len(after) // len(task), dim=0)
        return self.layers(torch.cat([after, before, code], dim=1)).squeeze(1)
