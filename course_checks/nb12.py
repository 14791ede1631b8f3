"""Checks of the exercises of notebook 12, other generators."""

import torch
from torch.nn.functional import softplus

from ._base import (
    check,
    check_unchanged,
    compare,
    done,
    finite_loss,
    require,
    returned,
    shaped,
    tensor,
)


@check
def matching_loss(function):
    """Check `function(velocity, y, z, t) -> scalar`: the flow-matching loss of y, z [B, F] at times t [B].

    velocity: a function of places [B, F] and times [B] that returns [B, F].
    """
    for b, f in ((4, 4), (5, 3), (3, 1)):           # equal sizes let mistakes run
        rng = torch.Generator().manual_seed(b)
        y, z, t = 1 + torch.randn(b, f, generator=rng), torch.randn(b, f, generator=rng), torch.rand(b, generator=rng)
        weight = torch.randn(f, f, generator=rng).requires_grad_()
        velocity = _velocity(weight, b, f)
        given = y.clone(), z.clone(), t.clone()
        came = finite_loss(function(velocity, *given))
        compare(came, _matching(velocity, y, z, t), MISTAKES["matching_loss"], (velocity, y, z, t),
                "take one row: where is it at time t, which way does it go, and how far from that is the velocity?")
        check_unchanged(y=(given[0], y), z=(given[1], z), t=(given[2], t))
        (gradient,), (right,) = (torch.autograd.grad(loss, weight) for loss in (came, _matching(velocity, y, z, t)))
        compare(gradient, right, [], (), "the loss is right and its gradient is not. Which part of it did you detach?")
    done("matching loss: on the straight way from noise to data, the velocity is data less noise.")


def _velocity(weight, b, f):
    def velocity(at, t):
        require(isinstance(at, torch.Tensor) and at.shape == (b, f), f"places [{b}, {f}] for `velocity`",
                f"{list(getattr(at, 'shape', []))}", "each row has a time of its own. Which shape must t have, so that "
                "it multiplies whole rows?")
        require(isinstance(t, torch.Tensor) and t.shape == (b,), f"times [{b}] for `velocity`",
                f"{list(getattr(t, 'shape', []))}", "the velocity takes t as it was given to you: one time a row.")
        return (at @ weight + t[:, None]).tanh()
    return velocity


def _matching(velocity, y, z, t):
    return (velocity(z.lerp(y, t[:, None]), t) - (y - z)).square().mean()


_MATCHING_MISTAKES = [
    (lambda v, y, z, t: (v(z.lerp(y, t[:, None]), t) - (z - y)).square().mean(),
     "that velocity runs from data to noise. Where does a row stand at t = 0, and where at t = 1?"),
    (lambda v, y, z, t: (v(y.lerp(z, t[:, None]), t) - (y - z)).square().mean(),
     "your rows stand on data at t = 0. The way begins in noise: which of the two is multiplied by t?"),
    (lambda v, y, z, t: (v(y.lerp(z, t[:, None]), t) - (z - y)).square().mean(),
     "that is the whole way backwards, from data at t = 0 to noise at t = 1. Which end do we sample from?"),
    (lambda v, y, z, t: (v(z.lerp(y, t[:, None]), t) - (y - z)).square().sum(),
     "that is a sum, and grows with the batch. What is the mean over rows and numbers?"),
    (lambda v, y, z, t: (v(z.lerp(y, t[:, None]), t) - (y - z)).square().sum(1).mean(),
     "you take the mean over the rows, but the sum over their numbers. The loss is the mean over both."),
    (lambda v, y, z, t: (v(z.lerp(y, t[:, None]), t) - (y - z)).abs().mean(),
     "that is a mean of distances, and its best velocity is a median. Which power makes the best one a mean?"),
    (lambda v, y, z, t: (v(z.lerp(y, t[:, None]), t) - (y - z)).mean().square(),
     "you square a mean of differences, and those of opposite sign cancel. Which comes first?"),
    (lambda v, y, z, t: (v(z.lerp(y, t[:, None]), t) - y).square().mean(),
     "you ask the velocity for the data itself. How does a place change from noise to data in one unit of time?"),
    (lambda v, y, z, t: (v(z, t) - (y - z)).square().mean(),
     "you ask for the velocity at the noise, whatever the time. Where is the row at time t?"),
    (lambda v, y, z, t: (v(z.lerp(y, t[:, None]), t) - (y - z.lerp(y, t[:, None]))).square().mean(),
     "that is the rest of the way, which shrinks with t. The velocity on a straight way stays the same: which is it?"),
    (lambda v, y, z, t: (v((1 - t) * z + t * y, t) - (y - z)).square().mean(),
     "t multiplies the columns, and each row has a time of its own. Which shape must t have to multiply whole rows?"),
    (lambda v, y, z, t: (v(z.lerp(y, t[:, None]), 1 - t) - (y - z)).square().mean(),
     "the velocity is told another time than the one at which the row stands there. Which time is it?"),
    (lambda v, y, z, t: (v(z.lerp(y, t[:, None]), torch.zeros_like(t)) - (y - z)).square().mean(),
     "the velocity is told that it is always time 0. Which time is it for each row?"),
    (lambda v, y, z, t: (v(z.lerp(y, t[:1, None]), t) - (y - z)).square().mean(),
     "all rows stand where the first one is in time. How many times were you given?"),
    (lambda v, y, z, t: (v(z + t[:, None] * y, t) - (y - z)).square().mean(),
     "your row still has all of its noise at t = 1. What is noise multiplied by?"),
]


@check
def augmented_losses(function):
    """Check `function(D, real, fake, augment) -> (d_loss, g_loss)`: non-saturating, D sees augmented images alone.

    D maps images [B, 1, 2, 3] to logits [B]; augment maps images to images and is differentiable.
    """
    for b in (4, 5):
        rng = torch.Generator().manual_seed(b)
        weight = (12 * torch.randn(12, generator=rng)).requires_grad_()
        D, seen = _judge(weight), []

        def augment(x, seen=seen):
            seen.append(len(x))
            return _augment(x)

        real, of_G = torch.randn(b, 1, 2, 3, generator=rng), torch.randn(b, 1, 2, 3, generator=rng).requires_grad_()
        fake = of_G.tanh()
        given = real.clone(), fake.clone()
        answer = function(D, *given, augment)
        d_loss, g_loss = returned([*answer] if isinstance(answer, torch.Tensor) and answer.dim() else answer, "d_loss",
                                  "g_loss")
        d_loss, g_loss = finite_loss(d_loss), finite_loss(g_loss)
        right = _losses(D, real, fake.detach())[0], _losses(D, real, fake)[1]
        compare(torch.stack([d_loss, g_loss]), torch.stack(right), MISTAKES["augmented_losses"],
                (D, real, fake, _augment),
                "D's loss is softplus(-logit) of real images plus softplus(logit) of fakes, G's is softplus(-logit) of "
                "fakes; each a mean. Which images does D see in each of the three?")
        check_unchanged(real=(given[0], real), fake=(given[1], fake))
        _check_learners(d_loss, g_loss, right, weight, of_G)
        require(sum(seen) == 3 * b, f"{3 * b} augmented images, {b} for each mean", f"{sum(seen)}",
                "each time that D looks, images are augmented anew. Which of the three means shares its images with "
                "another?")
    done("augmented losses: D never sees an image as it is, real or generated, and G learns through the same change.")


def _judge(weight):
    """D(images) -> logits [B], of as many images as there are."""
    def D(x):
        return torch.cat([x, x.square()], dim=1).flatten(1) @ weight
    return D


def _check_learners(d_loss, g_loss, right, weight, of_G):
    """Whether D learns from d_loss alone, and G from g_loss alone, as they should."""
    gradient, = torch.autograd.grad(g_loss, of_G, allow_unused=True, retain_graph=True)
    require(gradient is not None and bool(gradient.any()), "a gradient of g_loss for G", "none",
            "G learns through D, through the augmentation and through `fake`. Which of the three is detached?")
    wanted, = torch.autograd.grad(right[1], of_G, retain_graph=True)
    compare(gradient, wanted, [], (), "G's loss is right and its gradient is not. Which part of it did you detach?")
    gradient, = torch.autograd.grad(d_loss, of_G, allow_unused=True, retain_graph=True)
    require(gradient is None or not gradient.any(), "no gradient of d_loss for G", "one",
            "D's loss would train G to be caught. What does D's loss get to see of G's graph?")
    (gradient,), (wanted,) = (torch.autograd.grad(loss, weight, retain_graph=True) for loss in (d_loss, right[0]))
    compare(gradient, wanted, [], (), "D's loss is right, but a part of it is detached, and D does not learn from it. "
            "Which of its two means is that?")


def _augment(x):
    return 0.8 * x.roll(1, dims=-1) + 0.3 * x.roll(1, dims=-2)


def _losses(D, real, fake, of_real=_augment, of_fake=_augment, of_g=_augment):
    return softplus(-D(of_real(real))).mean() + softplus(D(of_fake(fake))).mean(), softplus(-D(of_g(fake))).mean()


def _as_it_is(x):
    return x


def _together(losses):
    return torch.stack(list(losses))


_LEAK = ("D sees real images augmented and fakes as they are. Then the best G draws augmented images: it leaks. What "
         "must D see of the fakes?")
_AUGMENTED_MISTAKES = [
    (lambda D, real, fake, T: _together(_losses(D, real, fake, of_fake=_as_it_is, of_g=_as_it_is)), _LEAK),
    (lambda D, real, fake, T: _together(_losses(D, real, fake, of_fake=_as_it_is)), _LEAK),
    (lambda D, real, fake, T: _together(_losses(D, real, fake, of_g=_as_it_is)),
     "in G's loss, D sees fakes as they are, which it was never trained to judge. What did it see in its own loss?"),
    (lambda D, real, fake, T: _together(_losses(D, real, fake, of_real=_as_it_is)),
     "D sees real images as they are and fakes augmented, so it need only find the change. What must it see of both?"),
    (lambda D, real, fake, T: _together(_losses(D, real, fake, _as_it_is, _as_it_is, _as_it_is)),
     "nothing is augmented. Where does D look at an image?"),
    (lambda D, real, fake, T: _together(_losses(D, real, fake))[[1, 0]],
     "the two losses have changed places. Which comes first?"),
    (lambda D, real, fake, T: torch.stack([_losses(D, real, fake)[0], -softplus(D(T(fake))).mean()]),
     "that is the saturating loss of G. Which one has a strong gradient where D is sure?"),
    (lambda D, real, fake, T: torch.stack([_losses(D, real, fake)[0], softplus(D(T(fake))).mean()]),
     "G would be paid for being caught. Which sign does the logit have in G's loss?"),
    (lambda D, real, fake, T: torch.stack([softplus(D(T(real))).mean() + softplus(-D(T(fake))).mean(),
                                           _losses(D, real, fake)[1]]),
     "D would be paid for taking fakes for real. Which sign does each logit have in D's loss?"),
    (lambda D, real, fake, T: torch.stack([_losses(D, real, fake)[0] / 2, _losses(D, real, fake)[1]]),
     "D's loss is the sum of its two means, not half of it."),
    (lambda D, real, fake, T: _together(_losses(D, real, fake, lambda x: T(T(x)), lambda x: T(T(x)), T)),
     "in D's loss the images are augmented twice. How often does D see a change of one image?"),
]


@check
def overfit(function):
    """Check `function(known, held, generated) -> [L]`: how far D overfits, from logits [L, n] at L looks.

    known: at real pairs that D trains on; held: at real pairs kept from it; generated: at G's.
    """
    for looks, n in ((4, 4), (5, 3), (1, 6)):
        rng = torch.Generator().manual_seed(looks)
        known, held, generated = (torch.randn(looks, n, generator=rng) + mean for mean in (3.0, 1.0, -2.0))
        held[:2] += torch.tensor([[4.0], [-5.0]])[:looks]       # at some looks it is no number from 0 to 1
        given = known.clone(), held.clone(), generated.clone()
        answer = function(*given)
        came, = returned([answer] if isinstance(answer, list) else answer, "the overfit")
        shaped(tensor(came, "the overfit"), (looks,), "the overfit", {
            (looks, n): "that is a number for each pair. Of which numbers are the means taken first?",
            (n,): "that is a number for each column. Each look is a row: which dimension is averaged?",
            (): "that is one number for all looks. When does it begin?",
        }, "one number for each look.")
        compare(came, _overfit(known, held, generated), MISTAKES["overfit"], (known, held, generated),
                "take one look. Where does the mean of the held logits lie on the way from known (0) to generated (1)?")
        check_unchanged(known=(given[0], known), held=(given[1], held), generated=(given[2], generated))
    done("overfit: 0 where fresh real pairs look as real as known ones, 1 where they look generated.")


def _overfit(known, held, generated):
    start, place, end = torch.stack([known.mean(1), held.mean(1), generated.mean(1)])
    return (place - start) / (end - start)


_OVERFIT_MISTAKES = [
    (lambda k, h, g: 1 - _overfit(k, h, g), "that is 1 where D does not overfit. At which end should it be 0?"),
    (lambda k, h, g: k.mean(1) - h.mean(1),
     "a gap in logits grows with the scale of D's logits. What is it to be compared with?"),
    (lambda k, h, g: (h.mean(1) - k.mean(1)) / (k.mean(1) - g.mean(1)),
     "yours is negative where D overfits. Which of known and held has the higher logits?"),
    (lambda k, h, g: (k.mean(1) - g.mean(1)) / (k.mean(1) - h.mean(1)),
     "numerator and denominator have changed places. What does D overfit by, and compared with what?"),
    (lambda k, h, g: (k.mean(1) - h.mean(1)) / (h.mean(1) - g.mean(1)),
     "you divide by the way from held to generated. From where to where does the whole way run?"),
    (lambda k, h, g: ((k - h) / (k - g)).mean(1),
     "that is a mean of ratios of single logits, whose denominators may be near 0. Which means come first?"),
    (lambda k, h, g: (k.sigmoid().mean(1) - h.sigmoid().mean(1)) / (k.sigmoid().mean(1) - g.sigmoid().mean(1)),
     "those are probabilities. The question is asked of logits."),
    (lambda k, h, g: (k.mean(1) - h.mean(1)) / k.mean(1),
     "a logit of 0 has no meaning of its own here. Which of D's three answers is the other end of the scale?"),
    (lambda k, h, g: _overfit(k, h, g).clamp(0, 1),
     "you keep the number from 0 to 1, but held logits may also lie outside. At which looks do they, and why?"),
    (lambda k, h, g: (k.mean(0) - h.mean(0)) / (k.mean(0) - g.mean(0)),
     "that is a number for each column. Each look is a row: which dimension is averaged?"),
]

MISTAKES = {"matching_loss": _MATCHING_MISTAKES, "augmented_losses": _AUGMENTED_MISTAKES, "overfit": _OVERFIT_MISTAKES}
