"""Checks of the exercises of notebook 02, making it train."""

import torch
from torch.nn.functional import logsigmoid, softplus

from course_lib import gan, losses, networks

from ._base import check, compare, done, require, returned, tensor


@check
def non_saturating_loss(function):
    """Check `function(fake_logits) -> scalar`: -E log sigmoid(logit), with its gradient, for logits [B]."""
    logits = torch.tensor([-1.3, 0.4, 2.1, -3.2, 0.9])
    loss, right = _loss_value(function, logits), softplus(-logits).mean().item()
    compare(loss, right, MISTAKES["non_saturating_loss"], (logits,),
            "minus the logarithm of the probability sigmoid(logit), averaged over the batch.", tolerance=1e-5 / right)
    for extreme in (-40.0, 40.0, -200.0):
        x = torch.tensor([extreme, 0.0], requires_grad=True)
        answer = tensor(*returned(function(x), "the loss"), "the loss")
        expected = softplus(-x).mean()
        require(bool(torch.isfinite(answer)), f"a finite loss at a logit of {extreme:g}", f"{answer.item()}",
                "in float32, sigmoid(-200) is 0 and exp(200) infinite. Is there one function that is the logarithm of "
                "the sigmoid?")
        require(answer.requires_grad, "a loss that knows its graph", "one without", "use torch functions only, "
                "with nothing detached and no .item().")
        slope, = torch.autograd.grad(answer, x)
        right_slope, = torch.autograd.grad(expected, x)
        require(bool(torch.allclose(slope, right_slope, atol=1e-6)) and abs(answer - expected) < 1e-3,
                f"loss {expected.item():.4g} and slopes {right_slope.tolist()} at logits [{extreme:g}, 0]",
                f"{answer.item():.4g} and {slope.tolist()}",
                "a small constant or a clamp inside the logarithm takes away the slope where it matters. Is there one "
                "function that is the logarithm of the sigmoid?")
    done("non_saturating_loss is finite wherever the logits are, and does not saturate where D is sure.")


def _loss_value(function, logits):
    loss = tensor(*returned(function(logits.clone()), "the loss"), "the loss")
    require(loss.numel() == 1, "one number for the batch", f"shape {list(loss.shape)}",
            "a loss is one number: average over the batch.")
    return loss.item()


@check
def loss_slopes(function):
    """Check `function(g_loss, logits) -> slopes [B]`: d(one sample's loss)/d(its logit) for a g_loss that is a mean."""
    logits = torch.tensor([-8.0, -1.7, 0.0, 0.6, 3.0, 8.0])
    for name, g_loss, right in (
            ("square", lambda x: (x - 1).square().mean() / 2, logits - 1),
            ("softplus", lambda x: softplus(-x).mean(), -(-logits).sigmoid()),
            ("softplus of the minimax game", lambda x: -softplus(x).mean(), -logits.sigmoid()),
            ("cube", lambda x: (x ** 3).mean(), 3 * logits ** 2)):
        slopes = tensor(*returned(function(g_loss, logits.clone()), "the slopes"), "the slopes")
        require(slopes.shape == logits.shape, "one slope per logit, shape [6]", f"shape {list(slopes.shape)}",
                "the gradient of a scalar has the shape of what it is taken with respect to.")
        slopes = slopes.detach()
        expected, came = (f"slopes {[round(v, 4) for v in values.tolist()]} for the loss '{name}'"
                          for values in (right, slopes))
        for mistake, hint in MISTAKES["loss_slopes"]:
            wrong = mistake(g_loss, logits).detach()
            same = torch.allclose(slopes, wrong, atol=1e-5) and not torch.allclose(wrong, right, atol=1e-5)
            require(not same, expected, came, hint)
        require(torch.allclose(slopes, right, atol=1e-3), expected, came,
                "let autograd differentiate g_loss at these very logits.")
    done("loss_slopes: now you can see for any loss where it pulls and where it saturates.")


@check
def discriminator_step(function):
    """Check `function(G, D, real, loss, optimiser, rng) -> D's loss`: moves D as `gan.d_step`, G not at all."""
    for loss, both, stale in ((losses.NON_SATURATING, True, False), (losses.LEAST_SQUARES, False, False),
                              (losses.NON_SATURATING, True, True)):
        (G, D), (right_G, right_D) = _two_players(), _two_players()
        real = torch.randn(7, 2, generator=torch.Generator().manual_seed(5)) + 1.5
        chance, right_chance = (torch.Generator().manual_seed(6) for _ in range(2))
        before = [p.detach().clone() for p in G.parameters()]
        first = [p.detach().clone() for p in D.parameters()]
        trained = [*D.parameters(), *G.parameters()] if both else D.parameters()
        optimiser = torch.optim.SGD(trained, lr=0.1)
        right_optimiser = torch.optim.SGD(right_D.parameters(), lr=0.1)
        for p in () if both else D.parameters():
            p.grad = torch.ones_like(p)             # left over from G's step, which goes through D
        for p in G.parameters() if stale else ():
            p.grad = torch.ones_like(p)             # left over from G's own step
        for step in (1, 2):
            state, d_before = chance.get_state(), [p.detach().clone() for p in D.parameters()]
            answer = function(G, D, real.clone(), loss, optimiser, chance)
            right = gan.d_step(right_G, right_D, real, loss=loss, optimiser=right_optimiser, rng=right_chance)
            _check_only_d_moved(G, D, before, d_before, stale)
            require(not torch.equal(state, chance.get_state()), "fresh noise from `rng` in each step",
                    "an rng that was not used", "`gan.noise` takes the rng that you were given.")
            _check_the_move(D, right_D, first, step)
            value, = returned(answer, "D's loss")
            require(isinstance(value, torch.Tensor), "D's loss as a tensor without graph", type(value).__name__,
                    "`.detach()` cuts the graph and leaves a tensor; `.item()` makes a number, and a GPU wait.")
            require(value.numel() == 1 and abs(value.item() - right.item()) < 1e-5, f"D's loss {right.item():.4f}",
                    f"{value.tolist()}", "return the loss that D had before its step: loss.d of real and fake logits.")
            require(not value.requires_grad, "a loss without graph", "a loss that keeps the whole graph alive",
                    "whoever collects these losses collects all their graphs too.")
    done("discriminator_step moves D as it should and leaves G exactly as it was.")


def _two_players():
    """A small G and D, always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(3)
        G, D = networks.PointGenerator(3, width=6), networks.PointDiscriminator(width=6)
    return G, D


def _check_only_d_moved(G, D, before, d_before, stale):
    """`stale`: there was a gradient of ones in G, and the optimiser holds G as well."""
    require(all(torch.equal(p, old) for p, old in zip(G.parameters(), before)), "G's weights as they were",
            "a G that moved", "an old gradient lay in G, and an optimiser steps along whatever it finds. Whose "
            "gradients are to be cleared first?" if stale else
            "G moved although it is D's step. The optimiser may hold G's weights too. What must they not receive?")
    require(all(p.grad is None or not p.grad.any() or (p.grad == float(stale)).all() for p in G.parameters()),
            "no new gradient in G",
            "gradients in G's weights", "the backward pass went on through the fakes into G. Where can it be stopped?")
    require(all(p.requires_grad for p in G.parameters()), "a G that can still be trained", "a frozen G",
            "requires_grad_(False) stays after your function ends.")
    require(all(part.training for net in (G, D) for part in net.modules()), "both players in training mode, as they "
            "came", "one in eval mode", "`.eval()` stays after your function ends.")
    require(any(not torch.equal(p, old) for p, old in zip(D.parameters(), d_before)), "a D that moved",
            "the same D as before", "does your function go backward and then step?")


def _check_the_move(D, right_D, first, step):
    mine, theirs = (torch.cat([(p.detach() - old).flatten() for p, old in zip(net.parameters(), first)])
                    for net in (D, right_D))
    cosine = torch.nn.functional.cosine_similarity(mine, theirs, dim=0).item()
    expected = f"D to move as in gan.d_step (step {step})"
    came = f"a move of {mine.norm() / theirs.norm():.2f} times the length, at a cosine of {cosine:.2f}"
    require(cosine > -0.2, expected, came, "the direction is reversed. Which logits are whose, and what is minimised?")
    require(torch.allclose(mine, theirs, atol=1e-5), expected, came,
            "a step makes fresh fakes from `gan.noise`, one per real point. Both kinds of logits go into loss.d. Does "
            "a gradient from an earlier step still linger in D?")


@check
def r1_penalty(function):
    """Check `function(D, real, gamma) -> scalar`: gamma/2 E |grad D(x)|^2 at real x, able to train D."""
    _, D = _two_players()
    D = D.double()
    for real, gamma in ((torch.randn(5, 2, generator=torch.Generator().manual_seed(1)).double() * 3, 3.0),
                        (torch.randn(8, 2, generator=torch.Generator().manual_seed(2)).double() - 2, 0.7)):
        slopes = torch.stack([torch.autograd.functional.jacobian(lambda x: D(x[None])[0], x) for x in real])    # [B, 2]
        right = (gamma / 2 * slopes.square().sum(1).mean()).item()
        answer = tensor(*returned(function(D, real.clone(), gamma), "the penalty"), "the penalty")
        require(answer.numel() == 1, "one number", f"shape {list(answer.shape)}", "average over the batch.")
        compare(answer.item(), right, MISTAKES["r1_penalty"], (D, real, gamma),
                "at the real points themselves: gamma / 2 times the mean of the squared norms of D's gradient.",
                tolerance=1e-6 * (1 + 1 / right))
        require(all(p.grad is None for p in D.parameters()), "no .grad touched", "gradients in D's weights",
                "`backward` writes into the weights; `torch.autograd.grad` only returns.")
        require(answer.requires_grad, "a penalty with a graph to D's weights", "one without",
                "to train D, the gradient must itself be differentiable. Which argument of torch.autograd.grad "
                "sees to that?")
        expected = torch.autograd.grad(_r1(_half_gamma)(D, real, gamma), D.layers[0].weight)[0]
        came = torch.autograd.grad(answer, D.layers[0].weight, allow_unused=True)[0]
        require(came is not None and torch.allclose(came, expected), "the penalty's own gradient in D's weights",
                "another one", "was something detached on the way?")
    done("r1_penalty: half gamma times the squared slope of D at the data, and D can learn from it.")


def _slopes(g_loss, logits):
    x = logits.clone().requires_grad_()
    return torch.autograd.grad(g_loss(x) * len(x), x)[0]


def _r1(combine, of=torch.sum):
    """R1: the slopes [B, dim] of `of(logits)`, put together by `combine(slopes, gamma)`."""
    def penalty(D, real, gamma):
        x = real.clone().requires_grad_()
        return combine(torch.autograd.grad(of(D(x)), x, create_graph=True)[0], gamma)
    return penalty


def _half_gamma(slopes, gamma):
    """The right way to put them together."""
    return gamma / 2 * slopes.square().sum(1).mean()


MISTAKES = {
    "non_saturating_loss": [
        (lambda x: softplus(-x).sum(), "that is the sum. A mean does not change with the size of the batch."),
        (lambda x: -softplus(x).mean(),
         "that is the minimax loss, which saturates. Start from D's probability for \"real\" instead."),
        (lambda x: softplus(x).mean(), "this rewards G for fakes that D recognises. Which sign does the logit need?"),
        (lambda x: logsigmoid(x).mean(),
         "the sign is reversed. A sample that D takes for real must have a small loss, never a negative one."),
        *((wrong, "that is the least-squares loss.") for wrong in (
            lambda x: (x - 1).square().mean() / 2, lambda x: (x - 1).square().mean())),
        (lambda x: -x.mean(), "that is the Wasserstein loss, without sigmoid and without logarithm."),
        (lambda x: (-x).sigmoid().mean(), "that is a mean probability. Where is the logarithm?"),
    ],
    "loss_slopes": [
        (lambda g_loss, logits: _slopes(g_loss, logits) / len(logits),
         "the loss is a mean over 6 samples, so its gradient holds a sixth of each sample's slope."),
        (lambda g_loss, logits: _slopes(g_loss, logits).abs(),
         "keep the sign. It says in which direction G pushes the logit."),
        (lambda g_loss, logits: -_slopes(g_loss, logits),
         "the sign is reversed. Return the slope itself, not the direction of descent."),
        (lambda g_loss, logits: torch.stack([g_loss(x[None]) for x in logits]),
         "those are the losses. What are their slopes?"),
        (lambda g_loss, logits: _slopes(g_loss, logits) * logits.sigmoid() * (-logits).sigmoid(),
         "g_loss takes logits. Differentiate with respect to the logit, not through a sigmoid."),
    ],
    "r1_penalty": [
        (_r1(lambda g, gamma: gamma * g.square().sum(1).mean()), "a half is missing: gamma / 2."),
        (_r1(lambda g, gamma: g.square().sum(1).mean() / 2), "the weight gamma is missing."),
        (_r1(lambda g, gamma: gamma / 2 * g.norm(dim=1).mean()), "the norm is to be squared, for each point."),
        (_r1(lambda g, gamma: gamma / 2 * g.norm(dim=1).mean() ** 2), "square each point's norm first, then average."),
        (_r1(lambda g, gamma: gamma / 2 * g.square().sum()), "that is the sum over the batch. R1 is a mean."),
        (_r1(lambda g, gamma: gamma / 2 * g.square().sum(), of=torch.mean),
         "divided by the batch size twice. The gradient of a *mean* of logits is already divided."),
        (_r1(_half_gamma, of=torch.mean),
         "divided by the batch size too often. The gradient of a *mean* of logits is already divided."),
        (_r1(lambda g, gamma: gamma / 2 * g.square().mean()),
         "you average over the coordinates. A point's number is the sum over its coordinates, not their mean."),
        *((_r1(wrong), "square each point's gradient first, then average. Gradients of points must not cancel.")
          for wrong in (lambda g, gamma: gamma / 2 * g.sum(0).square().sum(),
                        lambda g, gamma: gamma / 2 * g.mean(0).square().sum())),
        (_r1(lambda g, gamma: gamma / 2 * (g.norm(dim=1) - 1).square().mean()),
         "that pulls the norm to 1, as WGAN-GP does. R1 pulls it to 0."),
        (_r1(_half_gamma, of=lambda logits: logits.sigmoid().sum()),
         "that is the gradient of the probability. R1 takes that of the logit."),
    ],
}
