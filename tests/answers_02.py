"""Right and wrong answers to the exercises of notebook 02."""

import torch
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid, softplus
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from course_lib import gan, losses


def d_step(*, fakes="no graph", clear=True, chance="given", step=True, sign=1, swap=False, clean=True, freeze=False,
           own=False, only_d=False):
    """A step of D with one mistake, or none."""
    def my_d_step(G, D, real, loss, optimiser, rng, penalty=None):
        g = {"given": rng, "fixed": torch.Generator().manual_seed(6)}[chance]
        z = gan.noise(G, len(real), g)
        if freeze:
            G.requires_grad_(False)
        if fakes == "no graph":
            with torch.no_grad():
                fake = G(z)
        else:
            fake = G(z).detach() if fakes == "detached" else G(z)
        objective = sign * (loss.d(D(fake), D(real)) if swap else loss.d(D(real), D(fake)))
        if penalty:
            objective = objective + penalty(D, real, G(z).detach(), rng)
        if own:
            optimiser = torch.optim.Adam(D.parameters())
        if clear:
            (D if only_d else optimiser).zero_grad()
        objective.backward()
        if step:
            optimiser.step()
        return objective.detach() if clean else objective
    return my_d_step


def d_step_in_mode(training):
    def my_d_step(G, D, real, loss, optimiser, rng, penalty=None):
        G.train(training), D.train(training)
        return d_step()(G, D, real, loss, optimiser, rng, penalty)
    return my_d_step


def d_step_then(do):
    def my_d_step(G, D, real, loss, optimiser, rng, penalty=None):
        return do(real, d_step()(G, D, real, loss, optimiser, rng, penalty))
    return my_d_step


def d_step_without_mean(G, D, real, loss, optimiser, rng, penalty=None):
    fake = G(gan.noise(G, len(real), rng)).detach()
    (softplus(-D(real)) + softplus(D(fake))).backward()


def d_step_that_swaps_the_penalty(G, D, real, loss, optimiser, rng, penalty=None):
    swapped = penalty and (lambda D, real, fake, rng: penalty(D, fake, real, rng))
    return gan.d_step(G, D, real, loss=loss, optimiser=optimiser, rng=rng, penalty=swapped)


def g_step(*, path=lambda fake: fake, chance="given", step=True, clean=True, freeze=False, train=False, move_d=False):
    """A step of G with one mistake, or none."""
    def my_g_step(G, D, n, loss, optimiser, rng):
        if train:
            G.train(), D.train()
        if freeze:
            D.requires_grad_(False)
        g = {"given": rng, "fixed": torch.Generator().manual_seed(6)}[chance]
        objective = loss.g(D(path(G(gan.noise(G, n, g)))))
        optimiser.zero_grad()
        objective.backward()
        if move_d:
            torch.optim.SGD(D.parameters(), 0.1).step()
        if step:
            optimiser.step()
        return objective.detach() if clean else objective
    return my_g_step


def g_step_of_the_library(G, D, n, loss, optimiser, rng):
    return gan.g_step(G, D, n, loss=loss, optimiser=optimiser, rng=rng)


def loop(*, steps_of_d=lambda d_steps: d_steps, fresh=True, swap=False, adam=torch.optim.Adam, own=True, order="dg",
         average_at="end", rows=len, hand_on=True, remake=False, first_look=True, draws_for_g=False, whole=False,
         look_at=lambda G, average: average.module, result=lambda average: average.module):
    """The loop with one mistake, or none."""
    def my_loop(G, D, draw, n_steps, loss, rng, penalty, d_steps, lr, betas, ema, watch, d_step, g_step):
        average = AveragedModel(G, multi_avg_fn=get_ema_multi_avg_fn(ema)).eval()

        def optimisers():
            rates = lr[::-1] if swap else lr
            held = [net.parameters() if own else [*G.parameters(), *D.parameters()] for net in (G, D)]
            return [adam(weights, rate, betas) for weights, rate in zip(held, rates)]

        of_g, of_d = optimisers()
        if first_look:
            watch(0, average.module)
        for iteration in range(1, n_steps + 1):
            if remake:
                of_g, of_d = optimisers()
            if average_at == "start":
                average.update_parameters(G)
            real, = draw(rng)
            for move in order:
                if move == "g":
                    if draws_for_g:
                        real, = draw(rng)
                    g_step(G, D, rows(real), loss=loss, optimiser=of_g, rng=rng)
                for k in range(steps_of_d(d_steps) if move == "d" else 0):
                    if k and fresh:
                        real, = draw(rng)
                    d_step(G, D, (real,) if whole else real, loss=loss if hand_on else losses.NON_SATURATING,
                           optimiser=of_d, rng=rng, **({"penalty": penalty} if hand_on != "no penalty" else {}))
            if average_at == "end":
                average.update_parameters(G)
            watch(iteration, look_at(G, average))
        return result(average)
    return my_loop


def d_step_that_leaves_old_gradients(G, D, real, loss, optimiser, rng, penalty=None):
    """Right: G's old gradients are put aside for the step and laid back."""
    old = [p.grad for p in G.parameters()]
    answer = d_step()(G, D, real, loss, optimiser, rng, penalty)
    for p, gradient in zip(G.parameters(), old):
        p.grad = gradient
    return answer


def d_step_without_optimiser_over_g(G, D, real, loss, optimiser, rng, penalty=None):
    """The graph goes into G, but only D's weights are stepped: gradients are left behind."""
    objective = loss.d(D(real), D(G(gan.noise(G, len(real), rng))))
    optimiser.zero_grad()
    objective.backward()
    with torch.no_grad():
        for p in D.parameters():
            p -= 0.1 * p.grad
    return objective.detach()


def r1(*, end=lambda g, gamma: gamma / 2 * g.square().sum(1).mean(), graph=True, at=lambda x: x):
    def my_r1(D, real, gamma):
        x = at(real).detach().requires_grad_()
        gradient, = torch.autograd.grad(D(x).sum(), x, create_graph=graph)
        return end(gradient, gamma)
    return my_r1


def r1_backward(D, real, gamma):
    x = real.detach().requires_grad_()
    D(x).sum().backward()
    return gamma / 2 * x.grad.square().sum(1).mean()


def r1_in_place(D, real, gamma):
    gradient, = torch.autograd.grad(D(real.requires_grad_()).sum(), real, create_graph=True)
    return gamma / 2 * gradient.square().sum(1).mean()


def r1_without_sum(D, real, gamma):
    x = real.detach().requires_grad_()
    gradient, = torch.autograd.grad(D(x), x, create_graph=True)
    return gamma / 2 * gradient.square().sum(1).mean()


def r1_detached_direction(D, real, gamma):
    x = real.detach().requires_grad_()
    gradient, = torch.autograd.grad(D(x).sum(), x, create_graph=True)
    return gamma / 2 * (gradient * gradient.detach()).sum(1).mean()


RIGHT = {
    "non_saturating_loss": [lambda x: softplus(-x).mean(), lambda x: -logsigmoid(x).mean(),
                            lambda x: binary_cross_entropy_with_logits(x, torch.ones_like(x)),
                            lambda x: ((-x).clamp(min=0) + (-x.abs()).exp().log1p()).mean()],
    "discriminator_step": [d_step(), d_step(fakes="detached"), d_step_that_leaves_old_gradients],
    "generator_step": [g_step(), g_step_of_the_library],
    "training_loop": [loop()],
    "r1_penalty": [r1(), r1(end=lambda g, gamma: gamma * g.norm(dim=1).pow(2).mean() / 2)],
}
WRONG = {       # (answer, words of the message that fit this mistake and no other)
    "non_saturating_loss": [
        (lambda x: -x.sigmoid().log().mean(), "sigmoid(-200) is 0"),
        (lambda x: (-x).exp().log1p().mean(), "exp(200) infinite"),
        (lambda x: -(x.sigmoid() + 1e-8).log().mean(), "a small constant or a clamp"),
        (lambda x: softplus(-x.clamp(-30, 30)).mean(), "a small constant or a clamp"),
        (lambda x: softplus(-x), "average over the batch"),
        (lambda x: softplus(-x).mean().detach(), "cut the graph"),
        (lambda x: torch.relu(1 - x).mean(), "minus the logarithm of the probability"),
        (lambda x: softplus(x.neg_()).mean(), "the caller still needs them"),
        (lambda x: None, "does your function end with `return ...`?"),
        (lambda x: softplus(-x).mean().item(), "leave a plain number"),
    ],
    "discriminator_step": [
        (d_step(fakes="graph"), "G moved although it is D's step"),
        (d_step_without_optimiser_over_g, "the backward pass went on through the fakes into G"),
        (d_step(clear=False), "still linger in D"),
        (d_step(chance="fixed"), "takes the rng that you were given"),
        (d_step(step=False), "does your function go backward and then step"),
        (d_step(own=True), "D to move as in gan.d_step"),
        (d_step(clean=False), "whoever collects these losses"),
        (d_step(freeze=True), "lasts beyond your function"),
        (d_step(fakes="detached", only_d=True), "Whose gradients are to be cleared first"),
        (d_step_that_swaps_the_penalty, "the penalty takes the real points first"),
        (d_step_in_mode(False), "in training mode"),
        (d_step_in_mode(True), "in eval mode, as they came"),
        (d_step_without_mean, "a mean or a sum over the batch missing"),
        (d_step_then(lambda real, loss: loss.item()), "D's loss as a tensor without graph; got float"),
        (d_step_then(lambda real, loss: [real.mul_(2), loss][1]), "real changed in place"),
        (d_step_then(lambda real, loss: None), "does your function end with `return ...`?"),
        (d_step_then(lambda real, loss: loss + 1), "return the loss that D had before its step"),
    ],
    "generator_step": [
        (g_step(path=lambda fake: fake.detach()), "Where is it cut?"),
        (g_step(chance="fixed"), "takes the rng that you were given"),
        (g_step(step=False), "does your function go backward and then step"),
        (g_step(clean=False), "whoever collects these losses"),
        (g_step(freeze=True), "lasts beyond your function"),
        (g_step(train=True), "in eval mode, as they came"),
        (g_step(move_d=True), "this step is G's"),
        (g_step(path=lambda fake: fake * 2), "n rows of noise go through G"),
        (lambda *a: g_step()(*a).item(), "G's loss as a tensor without graph; got float"),
        (lambda *a: [g_step()(*a), None][1], "does your function end with `return ...`?"),
    ],
    "training_loop": [
        (loop(steps_of_d=lambda d_steps: 1), "each iteration has `d_steps` steps of D"),
        (loop(fresh=False), "call draw(rng) for each step of D"),
        (loop(order="gd"), "first come all steps of D"),
        (loop(order="dgg"), "each iteration has one step of G"),
        (loop(draws_for_g=True), "only D's step needs real samples"),
        (loop(rows=lambda real: 64), "the number of rows in the last real batch"),
        (loop(hand_on=False), "hand on the argument `loss`"),
        (loop(hand_on="no penalty"), "hand on the argument `penalty`"),
        (loop(swap=True), "The first is G's, the second is D's"),
        (loop(adam=lambda weights, rate, betas: torch.optim.Adam(weights, rate)), "hand on the argument `betas`"),
        (loop(adam=lambda weights, rate, betas: torch.optim.SGD(weights, rate)), "use torch.optim.Adam"),
        (loop(own=False), "each player has an optimiser of its own"),
        (loop(remake=True), "Make it once, before the loop"),
        (loop(adam=torch.optim.AdamW), "use torch.optim.Adam"),
        (loop(whole=True), "take the batch out of it?"),
        (loop(first_look=False), "comes before the first iteration"),
        (loop(look_at=lambda G, average: G), "watch looks at the averaged G"),
        (loop(look_at=lambda G, average: average), "only wraps the averaged G"),
        (loop(result=lambda average: average), "only wraps the averaged G"),
        (loop(average_at="start"), "update_parameters belongs after each step of G"),
        (loop(average_at="never"), "update_parameters belongs after each step of G"),
        (loop(result=lambda average: None), "does your function end with `return ...`?"),
        (loop(result=lambda average: average.module.state_dict()), "holds the averaged weights"),
    ],
    "r1_penalty": [
        (r1(at=lambda x: x + torch.linspace(-1, 1, x.numel()).view_as(x)), "at the real points themselves"),
        (r1(graph=False), "which argument of torch.autograd.grad"),
        (r1_backward, "`backward` writes into the weights"),
        (r1_in_place, "requires_grad_() changes the tensor it is called on"),
        (r1_without_sum, "a mean or a sum over the batch missing"),
        (r1_detached_direction, "was something detached on the way"),
        (r1(end=lambda g, gamma: (gamma / 2 * g.square().sum(1).mean()).item()), "leave a plain number"),
    ],
}
