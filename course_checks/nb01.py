"""Checks of the exercises of notebook 01, the GAN game."""

import math

import torch

from ._base import check_gradient, compare, done, one_number, require, returned, scalar, tensor


def best_discriminator(function):
    """Check `function(p, q) -> D*`: densities float64 [X] on a grid -> probabilities [X]."""
    x = torch.linspace(-6, 6, 61, dtype=torch.float64)
    p = torch.where(x.abs() < 3, (9 - x**2).clamp(min=0) / 36, 0)
    q = torch.where((x - 1.9).abs() < 2.5, 0.2, 0.0)            # beyond 3 without p
    p[:4], q[:4] = 1e-6, 3e-6                                   # thin, and yet there
    came = _curve(returned(function(p.clone(), q.clone()), "D*")[0], len(x), "D*")
    right = torch.where(p + q > 0, p / (p + q).clamp(min=1e-300), 0.5)
    compare(came, right, [
        (1 - right, "whose probability is D, that of the real drawings or that of the generated ones?"),
        (right.round(), "D is a probability: where p is only a little larger than q, D is only a little above 1/2."),
        (torch.where(p > 0, right, 0.5), "where only q has mass, every drawing is a generated one. What is D there?"),
        (torch.where(p + q > 1e-5, right, 0.5), "however thin both are, their ratio counts: 1/2 is for places where "
                                                "both are 0."),
        (torch.where(p + q > 0, right, 0.0), "where neither density has any mass, say 1/2."),
        (torch.where(p + q > 0, right, 1.0), "where neither density has any mass, say 1/2."),
    ], "set the derivative of p log y + q log(1 - y) with respect to y to zero, and solve for y.")
    done("best_discriminator: of all drawings that fall on x, the share of real ones.")


def _curve(value, n, name):
    value = tensor(value, name)
    require(value.shape == (n,), f"{name} of shape [{n}]", f"shape {list(value.shape)}", "one number for each input.")
    lost = value[~value.isfinite()].tolist()
    require(not lost, f"{name} finite everywhere", f"{lost[:1]}",
             "where is a number divided by 0, or the logarithm of 0 taken?")
    return value


def value(function):
    """Check `function(real_logits, fake_logits) -> V`: logits [B], [C] -> the value of the game, a scalar."""
    for scale in (1.0, 60.0):       # at first where all is harmless; then where exp overflows
        real = (scale * torch.tensor([0.3, -1.7, 2.2, -3.4])).requires_grad_()
        fake = (scale * torch.tensor([1.1, -0.6, 3.3])).requires_grad_()
        came = returned(function(real, fake), "V")[0]
        number = scalar(came, "V")
        log = torch.nn.functional.logsigmoid
        a, b = log(real.detach().double()), log(-fake.detach().double())
        compare(number, a.mean() + b.mean(), [
            (-a.mean() - b.mean(), "that is D's loss; V is what D wants large."),
            (a.sum() + b.sum(), "an expectation is estimated by a mean, not by a sum."),
            (torch.cat([a, b]).mean(), "two expectations, each with a mean of its own."),
            ((a.mean() + b.mean()) / 2, "two expectations, added."),
            (a.mean() + log(fake.detach().double()).mean(), "for generated drawings it is log(1 - D)."),
            (log(-real.detach().double()).mean() + log(fake.detach().double()).mean(), "which drawings are real?"),
        ], "log D(x) for real drawings, log(1 - D(x)) for generated ones; D is the sigmoid of the logit.")
        check_gradient(came, (real, fake), ((-real.detach()).sigmoid() / 4, -fake.detach().sigmoid() / 3))
    done("value: V from logits, finite where the sigmoid itself gives up.")


def jsd(function):
    """Check `function(p, q, dx) -> JSD`: densities float64 [X] on a grid of spacing dx -> nats."""
    for n in (101, 251):
        x = torch.linspace(-5, 5, n, dtype=torch.float64)
        dx = (x[1] - x[0]).item()
        p, q = (9 - x**2).clamp(min=0), (4 - (x - 1.5)**2).clamp(min=0)
        p, q = p / (p.sum() * dx), q / (q.sum() * dx)
        m = (p + q) / 2
        kl_p, kl_q = ((torch.xlogy(a, a) - torch.xlogy(a, m)).sum() * dx for a in (p, q))
        right = (kl_p + kl_q) / 2
        came, = returned(function(p.clone(), q.clone(), dx), "the divergence")
        came = one_number(came, "the divergence", "0 log 0 is nan, and so is p / m = 0 / 0 where p and q are both 0; "
                       "xlogy does not mend a nan in its second argument. What is the logarithm of a quotient?")
        compare(came, right, [
            (2 * right, "that is 2 JSD; JSD is the mean of two KL divergences."),
            (right / math.log(2), "that is in bits; nats come from the natural logarithm."),
            (right / dx, "an integral is a sum times the spacing of the grid."),
            (right.sqrt(), "that is the Jensen-Shannon distance; the divergence has no root."),
            (2 * right - math.log(4), "that is the value of the game; JSD itself is 0 for p = q."),
            (right - math.log(2), "m is the mean of p and q, not their sum."),
            (kl_p, "both densities are compared with m."), (kl_q, "both densities are compared with m."),
            (kl_p / 2, "both densities are compared with m."),
            (right - math.log(4), "that shift belongs to the value of the game; JSD itself is 0 for p = q."),
        ], "two KL divergences, each against the mixture of both densities; how are they joined?")
    done("jsd: 0 for equal densities, log 2 for those that never meet, finite in between.")
