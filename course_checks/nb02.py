"""Checks of the exercises of notebook 02, making it train."""

from typing import NamedTuple

import torch
from torch.nn.functional import logsigmoid, softplus
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from course_lib import gan, losses, networks, penalties

from ._base import check, check_unchanged, compare, done, require, returned, scalar, tensor


@check
def discriminator_step(function):
    """Check `function(G, D, real, loss, optimiser, rng, penalty) -> D's loss`: moves D as `gan.d_step`, not G."""
    for case in (_Case(losses.NON_SATURATING, both=True), _Case(losses.LEAST_SQUARES, training=False, old=1.0),
                 _Case(losses.NON_SATURATING, both=True, stale=True),
                 _Case(losses.NON_SATURATING, penalty=penalties.gradient_penalty)):
        real = torch.randn(7, 2, generator=torch.Generator().manual_seed(5)) + 1.5
        for n_steps in (1, 2):
            right, right_loss = case.move(_d_step, n_steps, "D", real)
            came, answer = case.move(function, n_steps, "D", real, _check_only_d_moved)
            _check_the_move(case, came, right, MISTAKES["discriminator_step"], (n_steps, "D", real),
                            f"D to move as in gan.d_step (step {n_steps})",
                            "a step makes fresh fakes from `gan.noise`, one per real point. Both kinds of logits go "
                            "into loss.d. Does a gradient from an earlier step still linger in D?")
            _check_returned(answer, right_loss, "D", "the loss that D had before its step, with the penalty if there "
                            "is one")
    done("discriminator_step moves D as it should and leaves G exactly as it was.")


@check
def generator_step(function):
    """Check `function(G, D, n, loss, optimiser, rng) -> G's loss`: moves G as `gan.g_step`, not D."""
    for case in (_Case(losses.NON_SATURATING, old=1.0), _Case(losses.LEAST_SQUARES, training=False)):
        for n_steps in (1, 2):
            right, right_loss = case.move(_g_step, n_steps, "G", 6)
            came, answer = case.move(function, n_steps, "G", 6, _check_only_g_moved)
            _check_the_move(case, came, right, MISTAKES["generator_step"], (n_steps, "G", 6),
                            f"G to move as in gan.g_step (step {n_steps})",
                            "n rows of noise go through G, then through D, and the logits into loss.g. Does a gradient "
                            "from an earlier step still linger in G?")
            _check_returned(answer, right_loss, "G", "the loss that G had before its step")
    done("generator_step moves G towards what D takes for real, and leaves D exactly as it was.")


class _Case(NamedTuple):
    """How two players meet a student's step."""

    loss: losses.GANLoss
    both: bool = False          # the optimiser of D holds G's weights, too
    stale: bool = False         # an old gradient of ones lies in G
    training: bool = True
    old: float = 0.0            # an old gradient lies in the player that moves
    penalty: object = None

    def move(self, step, n_steps, who, given, look=None):
        """(how the player moved in n_steps, [P]; what the last step returned)."""
        G, D = (net.train(self.training) for net in _two_players())
        chance = torch.Generator().manual_seed(6)
        mover = D if who == "D" else G
        optimiser = torch.optim.SGD([*D.parameters(), *G.parameters()] if self.both else mover.parameters(), lr=0.1)
        for p in mover.parameters() if self.old else ():
            p.grad = torch.full_like(p, self.old)
        for p in G.parameters() if self.stale else ():
            p.grad = torch.ones_like(p)
        first = _weights(mover)
        for _ in range(n_steps):
            before, state = (_weights(G), _weights(D)), chance.get_state()
            mine = given.clone() if who == "D" else given
            others = (self.penalty,) if who == "D" else ()
            answer = step(G, D, mine, self.loss, optimiser, chance, *others)
            if look:
                look(self, G, D, *before)
                modes = {part.training for net in (G, D) for part in net.modules()}
                require(modes == {self.training}, f"both players in {'training' if self.training else 'eval'} mode, as "
                        "they came", "another mode", "`.eval()` and `.train()` last beyond your function. Which "
                        "line changes the mode?")
                require(not torch.equal(state, chance.get_state()), "fresh noise from `rng` in each step",
                        "an rng that was not used", "`gan.noise` takes the rng that you were given.")
                if who == "D":
                    check_unchanged(real=(mine, given))
        return _weights(mover) - first, answer


def _d_step(G, D, real, loss, optimiser, rng, penalty):
    return gan.d_step(G, D, real, loss=loss, optimiser=optimiser, rng=rng, penalty=penalty)


def _g_step(G, D, n, loss, optimiser, rng):
    return gan.g_step(G, D, n, loss=loss, optimiser=optimiser, rng=rng)


def _weights(net):
    return torch.cat([p.detach().flatten() for p in net.parameters()])


def _two_players():
    """A small G and D, always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(3)
        G, D = networks.PointGenerator(3, width=6), networks.PointDiscriminator(width=6)
    return G, D


def _check_only_d_moved(case, G, D, G_before, D_before):
    require(torch.equal(_weights(G), G_before), "G's weights as they were",
            "a G that moved", "an old gradient lay in G, and an optimiser steps along whatever it finds. Whose "
            "gradients are to be cleared first?" if case.stale else
            "G moved although it is D's step. The optimiser may hold G's weights too. What must they not receive?")
    require(all(p.grad is None or not p.grad.any() or (p.grad == float(case.stale)).all() for p in G.parameters()),
            "no new gradient in G",
            "gradients in G's weights", "the backward pass went on through the fakes into G. Where can it be stopped?")
    _check_free(G, D)
    require(not torch.equal(_weights(D), D_before), "a D that moved",
            "the same D as before", "does your function go backward and then step?")


def _check_only_g_moved(case, G, D, G_before, D_before):
    require(torch.equal(_weights(D), D_before), "D's weights as they were", "a D that moved",
            "this step is G's. Whose weights did your function change?")
    _check_free(G, D)
    cut = all(p.grad is None for p in G.parameters())
    require(not torch.equal(_weights(G), G_before), "a G that moved", "the same G as before",
            "no gradient came to G. Its path leads from the loss through D and through the fakes. Where is it cut?"
            if cut else "does your function go backward and then step?")


def _check_free(*players):
    require(all(p.requires_grad for net in players for p in net.parameters()), "two players that can still be trained",
            "a frozen one", "requires_grad_(False) lasts beyond your function.")


def _check_the_move(case, came, right, mistakes, how, expected, hint):
    """`came` is how the player moved. Else the first of `mistakes` that moves it so gives the hint."""
    if torch.allclose(came, right, atol=1e-5):
        return
    hints = []
    for wrong, its_hint in mistakes:
        move = case.move(wrong, *how)[0]
        if torch.allclose(came, move, atol=1e-5) and not torch.allclose(right, move, atol=1e-5):
            hints.append(its_hint)
    cosine = torch.nn.functional.cosine_similarity(came, right, dim=0).item()
    require(False, expected, f"a move of {came.norm() / right.norm():.2f} times the length, at a cosine of "
            f"{cosine:.2f}", [*hints, hint][0])


def _check_returned(answer, right, who, what):
    value, = returned(answer, f"{who}'s loss")
    require(isinstance(value, torch.Tensor), f"{who}'s loss as a tensor without graph", type(value).__name__,
            "`.detach()` cuts the graph and leaves a tensor. `.item()` makes a number, and a GPU must wait for it.")
    require(value.numel() == 1 and abs(value.item() - right.item()) < 1e-5, f"{who}'s loss {right.item():.4f}",
            f"{value.tolist()}", f"return {what}.")
    require(not value.requires_grad, "a loss without graph", "a loss that keeps the whole graph alive",
            "whoever collects these losses collects all their graphs too.")


@check
def training_loop(function):
    """Check `function(G, D, draw, n_steps, loss, rng, penalty, d_steps, lr, betas, ema, watch, d_step, g_step) -> G`.

    It trains as `gan.fit` does, with the two steps that it is given, and returns the averaged G.
    """
    for n_steps, d_steps, penalty in ((3, 1, None), (2, 3, penalties.r1)):
        right_G, right_D, right = _played(_fit, n_steps, d_steps, penalty)[:3]
        G, D, came, calls = _played(function, n_steps, d_steps, penalty)
        _check_calls(calls, n_steps, d_steps, penalty, G, D)
        average, = returned(came, "the averaged G")
        require(isinstance(average, torch.nn.Module), "the averaged G, a network", type(average).__name__,
                "`average.module` is the network that holds the averaged weights.")
        require(not isinstance(average, AveragedModel), "average.module", "average", _WRAPPER)
        for name, mine, theirs in (("G's", G, right_G), ("D's", D, right_D), ("the averaged G's", average, right)):
            require(torch.allclose(_weights(mine), _weights(theirs), atol=1e-6), f"{name} weights as after gan.fit",
                    "other weights", "update_parameters belongs after each step of G. Does it come too early, or too "
                    "often, or never?" if mine is average else
                    "does each optimiser keep its state from the first iteration to the last?")
    done("training_loop: d_steps of D, one of G, and a look, again and again. That is all of adversarial training.")


_WRAPPER = "`average` only wraps the averaged G, and lacks what else belongs to G. What does the wrapper hold?"


class _Call(NamedTuple):
    what: str                   # "draw", "d", "g" or "watch"
    batch: object = None        # the batch that was drawn, the one that D's step got, or the n of G's step
    options: object = None      # what else the call was given, {name: value}


def _played(loop, n_steps, d_steps, penalty):
    """(G, D, what the loop returned, its calls in order)."""
    (G, D), rng, calls = _two_players(), torch.Generator().manual_seed(8), []

    def draw(rng):
        calls.append(_Call("draw", torch.randn(7, 2, generator=rng) + 1))
        return calls[-1].batch,

    def d_step(G, D, real, *, loss, optimiser, rng, penalty=None):
        require(isinstance(real, torch.Tensor), "a batch of real points for D's step", f"a {type(real).__name__}",
                "draw returns a tuple, even for one batch. How do you take the batch out of it?")
        calls.append(_Call("d", real, {"loss": loss, "optimiser": optimiser, "penalty": penalty}))
        return _d_step(G, D, real, loss, optimiser, rng, penalty)

    def g_step(G, D, n, *, loss, optimiser, rng):
        calls.append(_Call("g", n, {"loss": loss, "optimiser": optimiser}))
        return _g_step(G, D, n, loss, optimiser, rng)

    def watch(iteration, average):
        calls.append(_Call("watch", iteration, {"average": average}))

    answer = loop(G, D, draw, n_steps, losses.LEAST_SQUARES, rng, penalty, d_steps, (0.02, 0.05), (0.3, 0.9), 0.7,
                  watch, d_step, g_step)
    return G, D, answer, calls


def _fit(G, D, draw, n_steps, loss, rng, penalty, d_steps, lr, betas, ema, watch, d_step, g_step):
    """The right loop."""
    average = AveragedModel(G, multi_avg_fn=get_ema_multi_avg_fn(ema)).eval()
    g_optimiser, d_optimiser = (torch.optim.Adam(net.parameters(), rate, betas) for net, rate in zip((G, D), lr))
    watch(0, average.module)
    for iteration in range(1, n_steps + 1):
        for _ in range(d_steps):
            real, = draw(rng)
            d_step(G, D, real, loss=loss, optimiser=d_optimiser, rng=rng, penalty=penalty)
        g_step(G, D, len(real), loss=loss, optimiser=g_optimiser, rng=rng)
        average.update_parameters(G)
        watch(iteration, average.module)
    return average.module


def _check_calls(calls, n_steps, d_steps, penalty, G, D):
    of = {what: [call for call in calls if call.what == what] for what in ("draw", "d", "g", "watch")}
    n_d = n_steps * d_steps
    require(len(of["d"]) == n_d, f"{n_d} steps of D in {n_steps} iterations with d_steps={d_steps}",
            f"{len(of['d'])}", "each iteration has `d_steps` steps of D.")
    require(len(of["g"]) == n_steps, f"{n_steps} steps of G in {n_steps} iterations", f"{len(of['g'])}",
            "each iteration has one step of G, after all the steps of D.")
    order = "".join(call.what for call in calls if call.what in "dg")
    require(order == ("d" * d_steps + "g") * n_steps, f"steps in the order {('d' * d_steps + 'g') * n_steps}", order,
            "in each iteration, first come all steps of D, and then G answers.")
    drawn = [call.batch for call in of["draw"]]
    fresh = len(drawn) >= n_d and len({id(call.batch) for call in of["d"]}) == n_d
    require(fresh, "a fresh batch for each step of D", f"{len({id(c.batch) for c in of['d']})} batches for {n_d} steps",
            "call draw(rng) for each step of D, also within one iteration.")
    require(len(drawn) == n_d, f"{n_d} calls of draw", f"{len(drawn)}",
            "only D's step needs real samples. G's step needs their number.")
    require(all(call.batch == len(drawn[0]) for call in of["g"]), f"as many fakes for G as there are real points, "
            f"{len(drawn[0])}", f"{of['g'][0].batch}", "the number of rows in the last real batch is `len(real)`.")
    require(all(call.options["loss"] is losses.LEAST_SQUARES for call in of["d"] + of["g"]), "the loss that was given",
            "another one", "hand on the argument `loss`.")
    require(all(call.options["penalty"] is penalty for call in of["d"]), "the penalty in each step of D",
            "a step without it", "hand on the argument `penalty`.")
    for what, net, rate in (("g", G, 0.02), ("d", D, 0.05)):
        _check_optimiser([call.options["optimiser"] for call in of[what]], what.upper(), net, rate)
    looks = [call.batch for call in of["watch"]]
    require(looks == list(range(n_steps + 1)), f"looks at iterations {list(range(n_steps + 1))}", f"{looks}",
            "watch(0, average.module) comes before the first iteration, and one look follows each iteration.")
    require(all(isinstance(call.options["average"], torch.nn.Module) for call in of["watch"]),
            "watch(iteration, average.module)", "another second argument", "watch looks at the averaged G.")
    require(all(call.options["average"] is not G for call in of["watch"]), "watch(iteration, average.module)",
            "G itself", "watch looks at the averaged G.")
    require(not any(isinstance(call.options["average"], AveragedModel) for call in of["watch"]),
            "watch(iteration, average.module)", "average", _WRAPPER)


def _check_optimiser(optimisers, who, net, rate):
    first = optimisers[0]
    require(all(each is first for each in optimisers), f"one optimiser of {who} for the whole game",
            "a new one on the way", "Adam remembers the size of past gradients. Make it once, before the loop.")
    require(type(first) is torch.optim.Adam, "Adam for both players", type(first).__name__, "use torch.optim.Adam.")
    group, = first.param_groups
    held, wanted = {id(p) for p in group["params"]}, {id(p) for p in net.parameters()}
    require(held == wanted, f"{who}'s weights in the optimiser of {who}'s step", "others", "each player has an "
            "optimiser of its own, which holds its weights alone.")
    require(group["lr"] == rate, f"a learning rate of {rate:g} for {who}", f"{group['lr']:g}",
            "`lr` holds two rates. The first is G's, the second is D's.")
    require(tuple(group["betas"]) == (0.3, 0.9), "Adam with betas (0.3, 0.9)", f"{tuple(group['betas'])}",
            "hand on the argument `betas`.")


@check
def non_saturating_loss(function):
    """Check `function(fake_logits) -> scalar`: -E log sigmoid(logit), with its gradient, for logits [B]."""
    logits = torch.tensor([-1.3, 0.4, 2.1, -3.2, 0.9])
    loss, right = _loss_value(function, logits), softplus(-logits).mean().item()
    compare(loss, right, MISTAKES["non_saturating_loss"], (logits,),
            "minus the logarithm of the probability sigmoid(logit), averaged over the batch.", tolerance=1e-5 / right)
    one = "Is there one function that is the logarithm of the sigmoid?"
    for extreme in (-40.0, 40.0, -200.0, 200.0):
        x = torch.tensor([extreme, 0.7], requires_grad=True)        # not 0: a sum of kinks has no one slope there
        answer, expected = function(x), softplus(-x).mean()
        require(bool(torch.isfinite(answer)), f"a finite loss at a logit of {extreme:g}", f"{answer.item()}",
                f"in float32, sigmoid(-200) is 0 and exp(200) infinite. {one}")
        scalar(answer, "the loss")
        slope, = torch.autograd.grad(answer, x)
        right_slope, = torch.autograd.grad(expected, x)
        require(bool(torch.allclose(slope, right_slope, atol=1e-6)) and abs(answer - expected) < 1e-3,
                f"loss {expected.item():.4g} and slopes {[round(v, 4) for v in right_slope.tolist()]} at logits "
                f"[{extreme:g}, 0.7]", f"{answer.item():.4g} and {[round(v, 4) for v in slope.tolist()]}",
                f"a small constant or a clamp inside the logarithm takes away the slope where it matters. {one}")
    done("non_saturating_loss is finite wherever the logits are, and does not saturate where D is sure.")


def _loss_value(function, logits):
    given = logits.clone()
    loss = tensor(*returned(function(given), "the loss"), "the loss")
    check_unchanged(fake_logits=(given, logits))
    require(loss.numel() == 1, "one number for the batch", f"shape {list(loss.shape)}",
            "a loss is one number: average over the batch.")
    return loss.item()


@check
def r1_penalty(function):
    """Check `function(D, real, gamma) -> scalar`: gamma/2 E |grad D(x)|^2 at real x, able to train D."""
    _, D = _two_players()
    D = D.double()
    for real, gamma in ((torch.randn(5, 2, generator=torch.Generator().manual_seed(1)).double() * 3, 3.0),
                        (torch.randn(8, 2, generator=torch.Generator().manual_seed(2)).double() - 2, 0.7)):
        slopes = torch.stack([torch.autograd.functional.jacobian(lambda x: D(x[None])[0], x) for x in real])    # [B, 2]
        right = (gamma / 2 * slopes.square().sum(1).mean()).item()
        given = real.clone()
        answer = tensor(*returned(function(D, given, gamma), "the penalty"), "the penalty")
        require(answer.numel() == 1, "one number", f"shape {list(answer.shape)}", "average over the batch.")
        compare(answer.item(), right, MISTAKES["r1_penalty"], (D, real, gamma),
                "at the real points themselves: gamma / 2 times the mean of the squared norms of D's gradient.",
                tolerance=1e-6 * (1 + 1 / right))
        check_unchanged(real=(given, real))
        require(not given.requires_grad, "`real` as it came", "one that now asks for a gradient", "requires_grad_() "
                "changes the tensor it is called on, and the caller still needs `real`. What could you call it on?")
        require(all(p.grad is None for p in D.parameters()), "no .grad touched", "gradients in D's weights",
                "`backward` writes into the weights, but `torch.autograd.grad` only returns.")
        require(all(p.requires_grad for p in D.parameters()), "a D that can still be trained", "a frozen D",
                "requires_grad_(False) lasts beyond your function.")
        require(answer.requires_grad, "a penalty with a graph to D's weights", "one without",
                "to train D, the gradient must itself be differentiable. Which argument of torch.autograd.grad "
                "sees to that?")
        weights = list(D.parameters())
        expected, came = (torch.autograd.grad(each, weights, allow_unused=True, materialize_grads=True)
                          for each in (_r1(_half_gamma)(D, real, gamma), answer))
        require(all(map(torch.allclose, came, expected)), "the penalty's own gradient in D's weights",
                "another one", "was something detached on the way?")
    done("r1_penalty: half gamma times the squared slope of D at the data, and D can learn from it.")


def _r1(combine, of=torch.sum):
    """R1: the slopes [B, dim] of `of(logits)`, put together by `combine(slopes, gamma)`."""
    def penalty(D, real, gamma):
        x = real.clone().requires_grad_()
        return combine(torch.autograd.grad(of(D(x)), x, create_graph=True)[0], gamma)
    return penalty


def _half_gamma(slopes, gamma):
    """The right way to put them together."""
    return gamma / 2 * slopes.square().sum(1).mean()


def _d(objective, clear=True, swap=False):
    """A step of D along `objective(loss, real logits, fake logits, penalty)`; `swap`: the penalty's real and fake."""
    def step(G, D, real, loss, optimiser, rng, penalty=None):
        with torch.no_grad():
            fake = G(gan.noise(G, len(real), rng))
        value = objective(loss, D(real), D(fake),
                          penalty(D, *((fake, real) if swap else (real, fake)), rng) if penalty else 0)
        if clear:
            optimiser.zero_grad()
        value.backward()
        optimiser.step()
        return value.detach()
    return step


def _g(objective, clear=True, rows=lambda n: n):
    """A step of G along `objective(loss, fake logits)`."""
    def step(G, D, n, loss, optimiser, rng):
        value = objective(loss, D(G(gan.noise(G, rows(n), rng))))
        if clear:
            optimiser.zero_grad()
        value.backward()
        optimiser.step()
        return value.detach()
    return step


MISTAKES = {
    "discriminator_step": [
        (_d(lambda loss, r, f, p: -loss.d(r, f) - p),
         "the direction is reversed. D's loss is to fall, so which sign does it have?"),
        (_d(lambda loss, r, f, p: loss.d(f, r) + p),
         "the direction is reversed. Which of the two arguments of loss.d are the logits of real points?"),
        (_d(lambda loss, r, f, p: losses.NON_SATURATING.d(r, f) + p),
         "your step uses one and the same loss, whatever `loss` it is given. D minimises loss.d."),
        (_d(lambda loss, r, f, p: loss.d(r, f)), "the penalty is missing from what D minimises."),
        (_d(lambda loss, r, f, p: loss.d(r, f) - p), "D is to pay the penalty, so it is added to the loss."),
        (_d(lambda loss, r, f, p: loss.d(r, f) + p, swap=True), "the penalty takes the real points first, then fakes."),
        (_d(lambda loss, r, f, p: loss.g(f)), "that is G's loss. D minimises loss.d, of real and fake logits."),
        (_d(lambda loss, r, f, p: loss.d(r, f) + p, clear=False),
         "gradients of earlier steps still linger in D. When is `.grad` emptied?"),
    ],
    "generator_step": [
        (_g(lambda loss, f: -loss.g(f)), "the direction is reversed. G minimises loss.g as it stands."),
        (_g(lambda loss, f: losses.NON_SATURATING.g(f)),
         "your step uses one and the same loss, whatever `loss` it is given. G minimises loss.g."),
        (_g(lambda loss, f: losses.SATURATING.g(f)),
         "that is the minimax loss, whatever `loss` your step is given. G minimises loss.g."),
        (_g(lambda loss, f: loss.g(f), clear=False),
         "gradients of earlier steps still linger in G. When is `.grad` emptied?"),
        *((_g(lambda loss, f: loss.g(f), rows=rows), "your step takes another number of fakes than n.")
          for rows in (lambda n: 64, lambda n: 1)),
    ],
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
