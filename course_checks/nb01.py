"""Checks of the exercises of notebook 01, the GAN game."""

import math

import torch
from torch.nn.functional import logsigmoid

from ._base import (
    SURE,
    check,
    check_gradient,
    check_unchanged,
    compare,
    done,
    one_number,
    require,
    returned,
    scalar,
    tensor,
)


@check
def best_discriminator(function):
    """Check `function(p, q) -> D*`: densities float64 [X] on a grid -> probabilities [X]."""
    x = torch.linspace(-6, 6, 61, dtype=torch.float64)
    p = torch.where(x.abs() < 3, (9 - x**2).clamp(min=0) / 36, 0)
    q = torch.where((x - 1.9).abs() < 2.5, 0.2, 0.0)            # beyond 3 without p
    p[:4], q[:4] = 1e-6, 3e-6                                   # thin, and yet there
    given = p.clone(), q.clone()
    came = _curve(returned(function(*given), "D*")[0], len(x), "D*")
    check_unchanged(p=(given[0], p), q=(given[1], q))
    outside = came[(came < 0) | (came > 1 + 1e-6)].tolist()
    require(not outside, "D* between 0 and 1", f"a value of {outside[0] if outside else 0:.3g}",
            "D is a probability. Real samples are a share of which samples?")
    compare(came, _best(p, q), MISTAKES["best_discriminator"], (p, q),
            "set the derivative of p log y + q log(1 - y) with respect to y to zero, and solve for y.")
    done("best_discriminator: of all samples that fall on x, the share of real ones.")


def _curve(value, n, name):
    value = tensor(value, name)
    require(value.shape == (n,), f"{name} of shape [{n}]", f"shape {list(value.shape)}", "one number for each input.")
    lost = value[~value.isfinite()].tolist()
    require(not lost, f"{name} finite everywhere", f"{lost[:1]}",
            "where is a number divided by 0, or the logarithm of 0 taken?")
    return value


@check
def value(function):
    """Check `function(real_logits, fake_logits) -> V`: logits [B], [C] -> the value of the game, a scalar."""
    harmless, four = torch.tensor([0.3, -1.7, 2.2, -3.4]), torch.tensor([1.1, -0.6, 3.3, 0.4])
    for scale, n_fake in ((1.0, 4), (1.0, 3), (60.0, 3)):       # is it one number; its value; and where exp overflows
        real, fake = (scale * harmless).requires_grad_(), (scale * four[:n_fake]).requires_grad_()
        came = returned(function(real, fake), "V")[0]
        _one(came, "V", "V has two expectations over samples. What estimates an expectation, and did you take it of "
             "both parts?")
        check_unchanged(real_logits=(real, scale * harmless), fake_logits=(fake, scale * four[:n_fake]))
        if n_fake == 4:     # as many as real ones: a mean of both looks like half of V
            continue
        number = scalar(came, "V")
        compare(number, _value(real.detach().double(), fake.detach().double()), MISTAKES["value"], (real, fake),
                "log D(x) for real samples, log(1 - D(x)) for generated ones. D is the sigmoid of the logit."
                if scale == 1 else SURE)
        slopes = torch.autograd.grad(came.sum(), (real, fake), retain_graph=True, allow_unused=True)
        for slope, name in zip(slopes, ("real_logits", "fake_logits")):
            require(slope is not None, f"a gradient for {name}", "none",
                    ".detach(), .data and torch.no_grad() cut the graph. Where does your function use one of them?")
        check_gradient(came, (real, fake), ((-real.detach()).sigmoid() / 4, -fake.detach().sigmoid() / n_fake))
    done("value: V from logits, finite where the sigmoid itself gives up.")


def _one(came, name, hint):
    n = came.numel() if isinstance(came, torch.Tensor) else 1
    require(n == 1, f"{name} as one number", f"{n} numbers", hint)


@check
def jsd(function):
    """Check `function(p, q, dx) -> JSD`: densities float64 [X] on a grid of spacing dx -> nats."""
    for n, overlap in ((101, True), (101, False), (251, False)):        # at first, both are positive everywhere
        x = torch.linspace(-5, 5, n, dtype=torch.float64)
        dx = (x[1] - x[0]).item()
        everywhere = overlap * (-x**2 / 2).exp()            # almost 0 at both ends, so trapezoids do as well as a sum
        p, q = (9 - x**2).clamp(min=0) + 0.5 * everywhere, (4 - (x - 1.5)**2).clamp(min=0) + 0.3 * everywhere
        p, q = p / (p.sum() * dx), q / (q.sum() * dx)
        given = p.clone(), q.clone()
        came, = returned(function(*given, dx), "the divergence")
        check_unchanged(p=(given[0], p), q=(given[1], q))
        _one(came, "the divergence",
             "an integral over the grid is one number. What do you do with the values at all its points?")
        came = one_number(came, "the divergence", "0 times minus infinity is nan, and so is p / m = 0 / 0. xlogy mends "
                          "the first, but it does not mend a nan in its second argument. What is the logarithm of a "
                          "quotient, and which product needs xlogy?")
        compare(came, _jsd(p, q, dx), MISTAKES["jsd"], (p, q, dx),
                "JSD takes two KL divergences, each against the mixture of both densities. How are they joined?")
    done("jsd: 0 for equal densities, log 2 for those that never meet, finite in between.")


SMALL = (1e-5, 1e-6, 1e-7, 1e-8)        # what people add against a division by 0
WITHOUT_M = ("you compare p and q with each other, and this is infinite where one of them is 0. Which density does JSD "
             "compare with which?")


def _best(p, q):
    return torch.where(p + q > 0, p / (p + q).clamp(min=1e-300), 0.5)


def _value(real, fake):
    return logsigmoid(real).mean() + logsigmoid(-fake).mean()


def _kl(a, b, dx):
    return (torch.xlogy(a, a) - torch.xlogy(a, b)).sum() * dx


def _jsd(p, q, dx):
    return (_kl(p, (p + q) / 2, dx) + _kl(q, (p + q) / 2, dx)) / 2


MISTAKES = {
    "best_discriminator": [
        (lambda p, q: 1 - _best(p, q), "this is the probability that x is generated. Whose probability is D?"),
        (lambda p, q: (p > q).double(),
         "D is a probability, not a verdict. Where p is only a little larger than q, D is only a little above 1/2."),
        *((lambda p, q, e=e: p / (p + q + e), "a constant in the denominator matters where p and q are small, and "
           "gives 0 where both are 0. Which x need a rule of their own?") for e in SMALL),
        *((lambda p, q, e=e: (p + e) / (p + q + 2 * e), "a constant added to both matters where p and q are small. "
           "Which x need a rule of their own?") for e in SMALL),
        (lambda p, q: torch.where(p * q > 0, _best(p, q), 0.5),
         "you return 1/2 where only one density is 0. Samples fall there, all of one kind, so what is D?"),
        (lambda p, q: torch.where(p > 0, _best(p, q), 0.5),
         "you return 1/2 where only q has mass. Every sample there is generated, so what is D?"),
        (lambda p, q: torch.where(p + q > 1e-3, _best(p, q), 0.5),
         "you return 1/2 where p and q are small. However thin both are, their ratio counts, unless both are 0."),
        *((wrong, "where neither density has any mass, return 1/2.") for wrong in (
            lambda p, q: p / (p + q).clamp(min=1e-300), lambda p, q: 1 - q / (p + q).clamp(min=1e-300))),
    ],
    "value": [
        (lambda real, fake: -_value(real, fake), "that is D's loss. V is what D wants large."),
        (lambda real, fake: logsigmoid(real).sum() + logsigmoid(-fake).sum(),
         "you sum over the batch. An expectation is estimated by a mean, not by a sum."),
        (lambda real, fake: logsigmoid(torch.cat([real, -fake])).mean(),
         "you average over all samples at once. V has two expectations, each with a mean of its own."),
        (lambda real, fake: _value(real, fake) / 2, "you halve V. It is the sum of two expectations, not their mean."),
        (lambda real, fake: logsigmoid(real).mean() + logsigmoid(fake).mean(),
         "you take log D for generated samples too. For them it is log(1 - D)."),
        (lambda real, fake: _value(fake, real), "the two kinds of logits have changed places, or both signs are "
         "wrong. Which samples are real, and does V rise with their logit?"),
    ],
    "jsd": [
        (lambda p, q, dx: 2 * _jsd(p, q, dx), "that is 2 JSD. JSD is the mean of two KL divergences."),
        (lambda p, q, dx: _jsd(p, q, dx) / math.log(2), "that is in bits. Nats come from the natural logarithm."),
        (lambda p, q, dx: _jsd(p, q, 1), "dx is missing. An integral is a sum times the spacing of the grid."),
        (lambda p, q, dx: _jsd(p, q, dx).sqrt(), "that is the Jensen-Shannon distance. The divergence has no root."),
        (lambda p, q, dx: 2 * _jsd(p, q, dx) - math.log(4),
         "that is the value of the game. JSD itself is 0 for p = q."),
        (lambda p, q, dx: (_kl(p, p + q, dx) + _kl(q, p + q, dx)) / 2, "m is the mean of p and q, not their sum."),
        *((wrong, "you compare only one density with m. In JSD both densities are compared with m.") for wrong in (
            lambda p, q, dx: _kl(p, (p + q) / 2, dx), lambda p, q, dx: _kl(q, (p + q) / 2, dx),
            lambda p, q, dx: _kl(p, (p + q) / 2, dx) / 2)),
        *((wrong, WITHOUT_M) for wrong in (
            lambda p, q, dx: _kl(p, q, dx), lambda p, q, dx: _kl(q, p, dx),
            lambda p, q, dx: (_kl(p, q, dx) + _kl(q, p, dx)) / 2, lambda p, q, dx: _kl(p, q, dx) + _kl(q, p, dx))),
        (lambda p, q, dx: (_kl((p + q) / 2, p, dx) + _kl((p + q) / 2, q, dx)) / 2,
         "in KL(p || m) the average is over p, the first of the two. You averaged over m."),
        (lambda p, q, dx: -_jsd(p, q, dx), "a divergence is never negative. Which logarithm is subtracted?"),
        (lambda p, q, dx: _jsd(p, q, dx) - math.log(4),
         "that shift belongs to the value of the game. JSD itself is 0 for p = q."),
    ],
}
