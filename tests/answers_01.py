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


def best_in_place(p, q):
    q += p
    return torch.where(q > 0, p / q.clamp(min=1e-300), 0.5)


def jsd_in_place(p, q, dx):
    p += 1e-12
    q += 1e-12
    return jsd(p, q, dx)


def kl_as_written(a, b, dx):
    return (a * (a / b).log()).sum() * dx


def jsd_by_hand(p, q, dx):
    m = (p + q) / 2
    return sum(a * math.log(a / b) for d in (p, q) for a, b in zip(d.tolist(), m.tolist()) if a) * dx / 2


def jsd_by_trapezoids(p, q, dx):
    m = (p + q) / 2
    return torch.trapezoid(torch.xlogy(p, p) + torch.xlogy(q, q) - 2 * torch.xlogy(m, m), dx=dx) / 2


RIGHT = {
    "best_discriminator": [best, best_by_hand],
    "value": [value, lambda r, f: logsigmoid(r).mean() + logsigmoid(-f).mean()],
    "jsd": [jsd, jsd_by_hand, quality.jsd, jsd_by_trapezoids],
}
WRONG = {       # (answer, words of the message that fit this mistake and no other)
    "best_discriminator": [
        (lambda p, q: p / (p + q), "where is a number divided by 0"),
        (lambda p, q: p, "set the derivative"),
        (lambda p, q: p / q, "divided by 0"),
        (lambda p, q: best(p, q)[:, None], "one number for each input"),
        (lambda p, q: best(p, q).numpy(), "as a tensor; got ndarray"),
        (best_in_place, "q changed in place"),
        (lambda p, q: torch.where(p * q > 0, p / (p + q), 0.5), "1/2 where only one density is 0"),
        *((lambda p, q, e=e: p / (p + q + e), "a constant in the denominator") for e in (1e-6, 1e-8)),
        *((lambda p, q, e=e: (p + e) / (p + q + 2 * e), "a constant added to both") for e in (1e-6, 1e-8)),
        (lambda p, q: (p / q).nan_to_num(0.5), "between 0 and 1; got a value of"),
    ],
    "value": [
        (lambda r, f: r.sigmoid().log().mean() + (1 - f.sigmoid()).log().mean(), "sigmoid(-200) is 0"),
        (lambda r, f: -(1 + (-r).exp()).log().mean() - f.exp().log1p().mean(), "and so is exp(200)"),
        (lambda r, f: value(r, f).item(), ".item() and float() leave a plain number"),
        (lambda r, f: logsigmoid(r) + logsigmoid(-f), "got 4 numbers. Hint: V has two expectations"),
        (lambda r, f: logsigmoid(r).mean() + logsigmoid(-f), "did you take it of both parts"),
        (lambda r, f: logsigmoid(r) + logsigmoid(-f).mean(), "did you take it of both parts"),
        (lambda r, f: value(r.detach(), f.detach()), "cut the graph"),
        (lambda r, f: (r.sigmoid() + 1e-8).log().mean() + (1 - f.sigmoid() + 1e-8).log().mean(),
         "inside the logarithm? Start from the logit"),
        (lambda r, f: logsigmoid(r.clamp(-50, 50)).mean() + logsigmoid(-f), "did you take it of both parts"),
        (lambda r, f: value(r.clamp(-50, 50), f.clamp(-50, 50)), "this fits while the logits are small"),
        (lambda r, f: logsigmoid(r.clamp(-300, 0.5)).mean() + logsigmoid(-f).mean(), "for real samples"),
        (lambda r, f: -softplus(r).mean() - softplus(-f).mean(), "or both signs"),
        (lambda r, f: value(f, r), "have changed places"),
        (lambda r, f: value(r, f.detach()), "a gradient for fake_logits"),
        (lambda r, f: value(r.detach(), f), "a gradient for real_logits"),
        (lambda r, f: value(r, f) + (r - r.detach()).sum(), "the value is right and its gradient is not"),
    ],
    "jsd": [
        (lambda p, q, dx: (p * (p / ((p + q) / 2)).log() + q * (q / ((p + q) / 2)).log()).sum() * dx / 2, "0 / 0"),
        (lambda p, q, dx: sum(torch.xlogy(a, a / ((p + q) / 2)) for a in (p, q)).sum() * dx / 2, "does not mend a nan"),
        (lambda p, q, dx: sum((a * (a.log() - ((p + q) / 2).log())).sum() for a in (p, q)) * dx / 2, "0 times minus"),
        (lambda p, q, dx: torch.tensor(0.0), "how are they joined"),
        (kl_as_written, "compare p and q with each other"),
        (lambda p, q, dx: (kl_as_written(p, q, dx) + kl_as_written(q, p, dx)) / 2, "compare p and q with each other"),
        (jsd_in_place, "p changed in place"),
        (lambda p, q, dx: torch.xlogy(p, p) + torch.xlogy(q, q), "101 numbers. Hint: an integral over the grid is one"),
    ],
}
