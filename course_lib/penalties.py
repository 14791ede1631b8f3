"""Penalties on D: functions (discriminator, real, fake, rng) -> scalar that `gan.d_step` adds to D's loss.

functools.partial sets a weight. discriminator: a function of x alone (a condition is already filled in), in which no
image influences the logit of another (no batch norm).
"""

import torch
from torch.nn.functional import softplus


def r1(discriminator, real, fake=None, rng=None, *, gamma=10.0):
    """gamma/2 E |grad D(x)|^2 at real x [B, ...]; the gradient of the logit. Mescheder et al. 2018, eq. 9."""
    return gamma / 2 * _gradient(discriminator, real).square().sum(1).mean()


def gradient_penalty(discriminator, real, fake, rng=None, *, weight=10.0):
    """weight E (|grad D(x)| - 1)^2 at x on straight lines from real to fake [B, ...]. Gulrajani et al. 2017, eq. 3."""
    t = torch.rand(len(real), *[1] * (real.dim() - 1), device=real.device, dtype=real.dtype, generator=rng)
    norm = _gradient(discriminator, real.lerp(fake, t)).norm(dim=1)
    return weight * (norm - 1).square().mean()


def mismatch(discriminator, real, fake=None, rng=None, *, weight=0.5):
    """weight E softplus(logit) of real x [B, ...], each beside the condition of the next row: real, yet wrong.

    Without it, D sees unfitting conditions only as far as G's samples do not fit theirs. Source: Reed et al. 2016,
    "Generative adversarial text to image synthesis", the matching-aware discriminator.
    """
    return weight * softplus(discriminator(real.roll(1, dims=0))).mean()


def total(*penalties):
    """The sum of penalties, as a penalty."""
    return lambda *arguments: sum(penalty(*arguments) for penalty in penalties)


def lazily(penalty, every):
    """A costly penalty in one of `every` iterations, at random, and that much stronger (after Karras et al. 2020)."""
    def lazy(discriminator, real, fake, rng):
        if torch.rand((), device=rng.device, generator=rng) * every < 1:
            return every * penalty(discriminator, real, fake, rng)
        return torch.zeros((), device=real.device)
    return lazy


def _gradient(discriminator, x):
    """The gradient of each logit with respect to its own x, flat: [B, P], itself differentiable."""
    x = x.detach().requires_grad_()
    gradient, = torch.autograd.grad(discriminator(x).sum(), x, create_graph=True)
    return gradient.flatten(1)
