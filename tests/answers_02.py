"""Right and wrong answers to the exercises of notebook 02."""

import torch
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid, softplus

from course_lib import gan


def slopes_of(through=lambda x: x):
    def my_slopes(g_loss, logits):
        x = logits.clone().requires_grad_()
        return torch.autograd.grad(g_loss(through(x)) * len(logits), x)[0]
    return my_slopes


def slopes_one_by_one(g_loss, logits):
    each = [x.clone()[None].requires_grad_() for x in logits]
    return torch.cat([torch.autograd.grad(g_loss(x), x)[0] for x in each])


def d_step(*, fakes="no graph", clear=True, chance="given", step=True, sign=1, swap=False, clean=True, freeze=False,
           own=False, only_d=False):
    """A step of D with one mistake, or none."""
    def my_d_step(G, D, real, loss, optimiser, rng):
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
        if own:
            optimiser = torch.optim.Adam(D.parameters())
        if clear:
            (D if only_d else optimiser).zero_grad()
        objective.backward()
        if step:
            optimiser.step()
        return objective.detach() if clean else objective
    return my_d_step


def d_step_in_eval_mode(G, D, *others):
    G.eval()
    return d_step()(G, D, *others)


def d_step_that_leaves_old_gradients(G, D, real, loss, optimiser, rng):
    """Right: G's old gradients are put aside for the step and laid back."""
    old = [p.grad for p in G.parameters()]
    answer = d_step()(G, D, real, loss, optimiser, rng)
    for p, gradient in zip(G.parameters(), old):
        p.grad = gradient
    return answer


def d_step_without_optimiser_over_g(G, D, real, loss, optimiser, rng):
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


RIGHT = {
    "non_saturating_loss": [lambda x: softplus(-x).mean(), lambda x: -logsigmoid(x).mean(),
                            lambda x: binary_cross_entropy_with_logits(x, torch.ones_like(x))],
    "loss_slopes": [slopes_of(), slopes_one_by_one],
    "discriminator_step": [d_step(), d_step(fakes="detached"), d_step_that_leaves_old_gradients],
    "r1_penalty": [r1(), r1(end=lambda g, gamma: gamma * g.norm(dim=1).pow(2).mean() / 2)],
}
WRONG = {       # (answer, words of the message that fit this mistake and no other)
    "non_saturating_loss": [
        (lambda x: -x.sigmoid().log().mean(), "sigmoid(-200) is 0"),
        (lambda x: (-x).exp().log1p().mean(), "exp(200) infinite"),
        (lambda x: -(x.sigmoid() + 1e-8).log().mean(), "a small constant or a clamp"),
        (lambda x: softplus(-x.clamp(-30, 30)).mean(), "a small constant or a clamp"),
        (lambda x: softplus(-x), "average over the batch"),
        (lambda x: softplus(-x).mean().detach(), "knows its graph"),
        (lambda x: torch.relu(1 - x).mean(), "minus the logarithm of the probability"),
        (lambda x: None, "does your function end with `return ...`?"),
        (lambda x: softplus(-x).mean().item(), "the loss as a tensor"),
    ],
    "loss_slopes": [
        (slopes_of(through=torch.sigmoid), "differentiate g_loss at these very logits"),
        (lambda g_loss, logits: slopes_of()(g_loss, logits).mean(), "one slope per logit"),
        (lambda g_loss, logits: -(-logits).sigmoid(), "differentiate g_loss at these very logits"),
        (lambda g_loss, logits: None, "does your function end with `return ...`?"),
    ],
    "discriminator_step": [
        (d_step(fakes="graph"), "G moved although it is D's step"),
        (d_step_without_optimiser_over_g, "the backward pass went on through the fakes into G"),
        (d_step(clear=False), "still linger in D"),
        (d_step(chance="fixed"), "takes the rng that you were given"),
        (d_step(step=False), "does your function go backward and then step"),
        (d_step(sign=-1), "the direction is reversed"),
        (d_step(swap=True), "the direction is reversed"),
        (d_step(own=True), "D to move as in gan.d_step"),
        (d_step(clean=False), "whoever collects these losses"),
        (d_step(freeze=True), "stays after your function ends"),
        (d_step(fakes="detached", only_d=True), "Whose gradients are to be cleared first"),
        (d_step_in_eval_mode, "in training mode"),
        (lambda *a: d_step()(*a).item(), "D's loss as a tensor without graph; got float"),
        (lambda *a: [d_step()(*a), None][1], "does your function end with `return ...`?"),
    ],
    "r1_penalty": [
        (r1(at=lambda x: x + torch.linspace(-1, 1, x.numel()).view_as(x)), "at the real points themselves"),
        (r1(graph=False), "which argument of torch.autograd.grad"),
        (r1_backward, "`backward` writes into the weights"),
    ],
}
