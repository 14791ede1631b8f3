"""GAN losses: pure functions of logits, each in the words of its paper; and gradient penalties.

A logit is what a discriminator returns; D(x) = sigmoid(logit) is its probability that x is real. A `GANLoss` pairs
what D minimises with what G minimises; every field is the mean over the batch, a scalar:

    loss.d(real_logits, fake_logits)        loss.g(fake_logits)

log D(x) is -softplus(-logit) and log(1 - D(x)) is -softplus(logit): finite for any finite logit, as
log(sigmoid(logit)) is not.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch.nn.functional import relu, softplus


class GANLoss(NamedTuple):
    """What D minimises and what G minimises, as functions of logits [B]."""

    d: Callable
    g: Callable


# ---------------------------------------------------------------- what D minimises


def minimax_d(real_logits, fake_logits):
    """-E log D(x) - E log(1 - D(G(z))): minus the value V(D, G). Goodfellow et al. 2014, eq. 1."""
    return softplus(-real_logits).mean() + softplus(fake_logits).mean()


def least_squares_d(real_logits, fake_logits):
    """1/2 E (logit(x) - 1)^2 + 1/2 E logit(G(z))^2. Mao et al. 2017, eq. 9 (a = 0, b = c = 1)."""
    return (real_logits - 1).square().mean() / 2 + fake_logits.square().mean() / 2


def hinge_d(real_logits, fake_logits):
    """E max(0, 1 - logit(x)) + E max(0, 1 + logit(G(z))). Lim & Ye 2017; Miyato et al. 2018, eq. 16."""
    return relu(1 - real_logits).mean() + relu(1 + fake_logits).mean()


def wasserstein_d(real_logits, fake_logits):
    """E logit(G(z)) - E logit(x), for a 1-Lipschitz critic. Arjovsky et al. 2017, eq. 2 and algorithm 1."""
    return fake_logits.mean() - real_logits.mean()


# ---------------------------------------------------------------- what G minimises


def saturating_g(fake_logits):
    """E log(1 - D(G(z))): G's side of the minimax game. Goodfellow et al. 2014, eq. 1."""
    return -softplus(fake_logits).mean()


def non_saturating_g(fake_logits):
    """-E log D(G(z)): the same fixed point, a strong gradient where D is sure. Goodfellow et al. 2014, section 3."""
    return softplus(-fake_logits).mean()


def least_squares_g(fake_logits):
    """1/2 E (logit(G(z)) - 1)^2. Mao et al. 2017, eq. 9."""
    return (fake_logits - 1).square().mean() / 2


def wasserstein_g(fake_logits):
    """-E logit(G(z)). Arjovsky et al. 2017, algorithm 1; the hinge's G side too (Miyato et al. 2018, eq. 17)."""
    return -fake_logits.mean()


SATURATING = GANLoss(minimax_d, saturating_g)
NON_SATURATING = GANLoss(minimax_d, non_saturating_g)
LEAST_SQUARES = GANLoss(least_squares_d, least_squares_g)
HINGE = GANLoss(hinge_d, wasserstein_g)
WASSERSTEIN = GANLoss(wasserstein_d, wasserstein_g)


# ---------------------------------------------------------------- penalties on D's gradient
#
# A penalty is a function (discriminator, real, fake, generator) -> scalar that `gan.d_step` adds to D's loss;
# functools.partial sets its weight. discriminator: a function of x alone (a condition is already filled in), in which
# no image influences the logit of another (no batch norm).


def r1(discriminator, real, fake=None, generator=None, *, gamma=10.0):
    """gamma/2 E |grad D(x)|^2 at real x [B, ...]; the gradient of the logit. Mescheder et al. 2018, eq. 9."""
    return gamma / 2 * _gradient(discriminator, real).square().sum(1).mean()


def gradient_penalty(discriminator, real, fake, generator=None, *, weight=10.0):
    """weight E (|grad D(x)| - 1)^2 at x on straight lines from real to fake [B, ...]. Gulrajani et al. 2017, eq. 3."""
    t = torch.rand(len(real), *[1] * (real.dim() - 1), device=real.device, dtype=real.dtype, generator=generator)
    norm = _gradient(discriminator, real.lerp(fake, t)).norm(dim=1)
    return weight * (norm - 1).square().mean()


def mismatch(discriminator, real, fake=None, generator=None, *, weight=0.5):
    """weight E softplus(logit) of real x [B, ...], each beside the condition of the next row: real, yet wrong.

    Without it, D sees unfitting conditions only as far as G's samples do not fit theirs. Source: Reed et al. 2016,
    "Generative adversarial text to image synthesis", the matching-aware discriminator.
    """
    return weight * softplus(discriminator(real.roll(1, dims=0))).mean()


def total(*penalties):
    """The sum of penalties, as a penalty."""
    return lambda *arguments: sum(penalty(*arguments) for penalty in penalties)


def lazily(penalty, every):
    """A costly penalty in one turn of `every`, drawn at random, and that much stronger (after Karras et al. 2020)."""
    def lazy(discriminator, real, fake, generator):
        if torch.rand((), device=generator.device, generator=generator) * every < 1:
            return every * penalty(discriminator, real, fake, generator)
        return torch.zeros((), device=real.device)
    return lazy


def _gradient(discriminator, x):
    """The gradient of each logit with respect to its own x, flat: [B, P], itself differentiable."""
    x = x.detach().requires_grad_()
    gradient, = torch.autograd.grad(discriminator(x).sum(), x, create_graph=True)
    return gradient.flatten(1)
