"""Right and wrong answers to the exercises of notebook 01."""

import math

import torch
from torch.nn.functional import logsigmoid, softplus

from course_lib import quality


def best(p, q):
    return torch.where(p + q > 0, p / (p + q).clamp(min=1e-300), 0.5)


def best_by_hand(p, q):
    return torch.tensor([a / (a + b) if a + b else 0.5 for a, b in zip(p.tolist(), q.tolist())], dtype=torch.float64)


def value(real, fake):
    return -softplus(-real).mean() - softplus(fake).mean()


def jsd(p, q, dx):
    m = (p + q) / 2
    return (torch.xlogy(p, p) + torch.xlogy(q, q) - 2 * torch.xlogy(m, m)).sum() * dx / 2


def jsd_by_hand(p, q, dx):
    m = (p + q) / 2
    return sum(a * math.log(a / b) for d in (p, q) for a, b in zip(d.tolist(), m.tolist()) if a) * dx / 2


def kl(a, b, dx):
    return (torch.xlogy(a, a) - torch.xlogy(a, b)).sum() * dx


RIGHT = {
    "best_discriminator": [best, best_by_hand],
    "value": [value, lambda r, f: logsigmoid(r).mean() + logsigmoid(-f).mean()],
    "jsd": [jsd, jsd_by_hand, quality.jsd],
}
WRONG = {
    "best_discriminator": [
        (lambda p, q: p / (p + q), "where is a number divided by 0"),
        (lambda p, q: 1 - best(p, q), "whose probability is D"),
        (lambda p, q: (p > q).double(), "D is a probability"),
        (lambda p, q: p, "set the derivative"),
        (lambda p, q: p / (p + q).clamp(min=1e-300), "say 1/2"),
        (lambda p, q: p / q, "divided by 0"),
        (lambda p, q: torch.where(p > 0, p / (p + q), 0.5), "where only q has mass"),
        (lambda p, q: torch.where(p + q > 1e-3, p / (p + q), 0.5), "however thin both are"),
        (lambda p, q: best(p, q)[:, None], "one number for each input"),
        (lambda p, q: best(p, q).numpy(), "as a tensor; got ndarray"),
    ],
    "value": [
        (lambda r, f: r.sigmoid().log().mean() + (1 - f.sigmoid()).log().mean(), "sigmoid(-200) is 0"),
        (lambda r, f: -(1 + (-r).exp()).log().mean() - f.exp().log1p().mean(), "and so is exp(200)"),
        (lambda r, f: -value(r, f), "V is what D wants large"),
        (lambda r, f: -softplus(-r).sum() - softplus(f).sum(), "not by a sum"),
        (lambda r, f: -torch.cat([softplus(-r), softplus(f)]).mean(), "with a mean of its own"),
        (lambda r, f: -softplus(-r).mean() - softplus(-f).mean(), "it is log(1 - D)"),
        (lambda r, f: value(f, r), "which drawings are real"),
        (lambda r, f: value(r, f).item(), "no .item()"),
        (lambda r, f: (r.sigmoid() + 1e-8).log().mean() + (1 - f.sigmoid() + 1e-8).log().mean(), "for real drawings"),
        (lambda r, f: logsigmoid(r.clamp(-300, 0.5)).mean() + logsigmoid(-f).mean(), "for real drawings"),
        (lambda r, f: value(r, f) + (r - r.detach()).sum(), "the value is right and its gradient is not"),
    ],
    "jsd": [
        (lambda p, q, dx: (p * (p / ((p + q) / 2)).log() + q * (q / ((p + q) / 2)).log()).sum() * dx / 2, "0 / 0"),
        (lambda p, q, dx: sum(torch.xlogy(a, a / ((p + q) / 2)) for a in (p, q)).sum() * dx / 2, "does not mend a nan"),
        (lambda p, q, dx: 2 * jsd(p, q, dx), "that is 2 JSD"),
        (lambda p, q, dx: jsd(p, q, dx) / math.log(2), "in bits"),
        (lambda p, q, dx: jsd(p, q, 1), "times the spacing"),
        (lambda p, q, dx: jsd(p, q, dx) ** 0.5, "the divergence has no root"),
        (lambda p, q, dx: 2 * jsd(p, q, dx) - math.log(4), "the value of the game"),
        (lambda p, q, dx: (kl(p, p + q, dx) + kl(q, p + q, dx)) / 2, "not their sum"),
        (lambda p, q, dx: jsd(p, q, dx) - math.log(4), "that shift belongs"),
        (lambda p, q, dx: kl(p, (p + q) / 2, dx), "both densities are compared with m"),
        (lambda p, q, dx: torch.tensor(0.0), "how are they joined"),
    ],
}
