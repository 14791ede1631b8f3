"""GAN losses: pure functions of logits, each in the words of its paper.

A logit is what a discriminator returns; D(x) = sigmoid(logit) is its probability that x is real. A `GANLoss` pairs
what D minimises with what G minimises; every field is the mean over the batch, a scalar:

    loss.d(real_logits, fake_logits)        loss.g(fake_logits)

log D(x) is -softplus(-logit) and log(1 - D(x)) is -softplus(logit): finite for any finite logit, as
log(sigmoid(logit)) is not.
"""

from collections.abc import Callable
from typing import NamedTuple

from torch.nn.functional import relu, softplus


class GANLoss(NamedTuple):
    """What D minimises and what G minimises, as functions of logits [B]."""

    d: Callable
    g: Callable


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
