"""Right and wrong answers to the exercises of notebook 05. More wrong ones: MISTAKES of course_checks/nb05.py."""

import copy

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid, softplus


def listens_by_loop(player, x, conditions):
    first = player(x, conditions[0])
    return any(not torch.equal(player(x, condition), first) for condition in conditions[1:])


def listens_at_once(player, x, conditions):
    """As a tensor of one truth value, from all pairs."""
    answers = torch.stack([player(x, condition) for condition in conditions]).flatten(1)
    return (answers[:, None] != answers[None]).any()


def listens_by(compare, pool=lambda answer: answer):
    """`compare` gets all answers [K, ...], each pooled."""
    return lambda player, x, conditions: bool(compare(torch.stack([pool(player(x, c)) for c in conditions])))


def differ(answers):
    return (answers != answers[:1]).any()


def every_row_differs(answers):
    return (answers != answers[:1]).flatten(2).any(2).any(0).all()


def listens_spoils_x(player, x, conditions):
    answers = [player(x, condition) for condition in conditions]
    x.zero_()
    return any(not torch.equal(answer, answers[0]) for answer in answers)


def state_of(G):
    return [(p.detach().clone(), None if p.grad is None else p.grad.clone()) for p in G.parameters()]


def same(a, b):
    return a is b if a is None or b is None else torch.equal(a, b)


def audit_right(d_step, G, D):
    before = state_of(G)
    d_step(G, D)
    return all(same(p.detach(), weight) and same(p.grad, gradient)
               for p, (weight, gradient) in zip(G.parameters(), before))


def audit_cleared(d_step, G, D):
    """With an empty gradient to begin with."""
    G.zero_grad()
    before = torch.nn.utils.parameters_to_vector(G.parameters()).detach().clone()
    d_step(G, D)
    still = torch.equal(torch.nn.utils.parameters_to_vector(G.parameters()), before)
    return still and not any(p.grad is not None for p in G.parameters())


def audit_of_copies(d_step, G, D):
    """As a tensor, and with players of its own."""
    mine, before = copy.deepcopy(G), state_of(G)
    for p, (_, gradient) in zip(mine.parameters(), before):
        p.grad = None if gradient is None else gradient.clone()
    d_step(mine, copy.deepcopy(D))
    return torch.tensor(all(same(p.detach(), weight) and same(p.grad, gradient)
                            for p, (weight, gradient) in zip(mine.parameters(), before)))


def audit_of_gradients(d_step, G, D):
    before = state_of(G)
    d_step(G, D)
    return all(same(p.grad, gradient) for p, (_, gradient) in zip(G.parameters(), before))


def audit_of_weights(d_step, G, D):
    before = state_of(G)
    d_step(G, D)
    return all(same(p.detach(), weight) for p, (weight, _) in zip(G.parameters(), before))


def audit_of_any_gradient(d_step, G, D):
    before = state_of(G)
    d_step(G, D)
    return all(p.grad is None and same(p.detach(), weight) for p, (weight, _) in zip(G.parameters(), before))


def audit_of_the_first(d_step, G, D):
    before = state_of(G)
    d_step(G, D)
    return all(same(p.detach(), weight) for p, (weight, _) in zip(G.parameters(), before)) and same(
        next(G.parameters()).grad, before[0][1])


def audit_of_new_gradients(d_step, G, D):
    """A gradient counts only where there was none."""
    before = state_of(G)
    d_step(G, D)
    return all(same(p.detach(), weight) and (p.grad is None) == (gradient is None)
               for p, (weight, gradient) in zip(G.parameters(), before))


def audit_of_references(d_step, G, D):
    """The weights compared with themselves."""
    weights, gradients = [p.data for p in G.parameters()], [gradient for _, gradient in state_of(G)]
    d_step(G, D)
    return all(same(p.data, weight) and same(p.grad, gradient)
               for p, weight, gradient in zip(G.parameters(), weights, gradients))


def audit_of_the_state(d_step, G, D):
    before, gradients = copy.deepcopy(G.state_dict()), [gradient for _, gradient in state_of(G)]
    d_step(G, D)
    return all(torch.equal(value, before[name]) for name, value in G.state_dict().items()) and all(
        same(p.grad, gradient) for p, gradient in zip(G.parameters(), gradients))


def audit_without_a_step(d_step, G, D):
    return all(p.grad is None or bool((p.grad == 0.25).all()) for p in G.parameters())


def d_loss_right(G, D, real, example, z):
    with torch.no_grad():
        fake = G(z, example)
    return softplus(-D(real, example)).mean() + softplus(D(fake, example)).mean()


def d_loss_at_once(G, D, real, example, z):
    logits = D(torch.cat([real, G(z, example).detach()]), example.repeat(2, 1, 1, 1))
    target = torch.ones_like(logits)
    target[len(real):] = 0
    return 2 * binary_cross_entropy_with_logits(logits, target)


def d_loss_of_frozen(G, D, real, example, z):
    """G frozen for a moment, and trainable again at the end."""
    G.requires_grad_(False)
    fake = G(z, example)
    G.requires_grad_(True)
    return (softplus(-D(real, example)) + softplus(D(fake, example))).mean()


def d_loss_of(loss, *, cut=lambda fake: fake.detach()):
    """`loss` gets both kinds of logits."""
    def my_d_loss(G, D, real, example, z):
        return loss(D(real, example), D(cut(G(z, example)), example))
    return my_d_loss


def of_logits(r, f):
    return softplus(-r).mean() + softplus(f).mean()


def d_loss_frozen(G, D, real, example, z):
    G.requires_grad_(False)
    return of_logits(D(real, example), D(G(z, example), example))


def d_loss_unconditional(G, D, real, example, z):
    return of_logits(D(real), D(G(z, example).detach()))


def d_loss_from_noise(G, D, real, example, z):
    return of_logits(D(real, example), D(G(z).detach(), example))


def d_loss_without_graph(G, D, real, example, z):
    with torch.no_grad():
        return d_loss_right(G, D, real, example, z)


def d_loss_in_eval(G, D, real, example, z):
    """The drawings made in eval mode, and G left there."""
    G.eval()
    return d_loss_right(G, D, real, example, z)


def d_loss_judged_in_eval(G, D, real, example, z):
    D.eval()
    return d_loss_right(G, D, real, example, z)


def d_loss_and_backward(G, D, real, example, z):
    loss = d_loss_right(G, D, real, example, z)
    loss.backward()
    return loss


def d_loss_spoils(change):
    """The right loss, and then a `change` of real, example, z."""
    def my_d_loss(G, D, real, example, z):
        loss = d_loss_right(G, D, real, example, z)
        with torch.no_grad():
            change(real, example, z)
        return loss
    return my_d_loss


def audit_in_eval(d_step, G, D):
    """Without running statistics, and G left in eval mode."""
    G.eval()
    return audit_of_the_state(d_step, G, D)


def audit_back_in_training(d_step, G, D):
    """Without running statistics, and G in training mode at the end, however it came."""
    G.eval()
    came = audit_of_the_state(d_step, G, D)
    G.train()
    return came


def audit_of_two_steps(d_step, G, D):
    first = audit_right(d_step, G, D)
    return audit_right(d_step, G, D) and first


def audit_of_a_deep_copy(d_step, G, D):
    """Parameters copied deeply lose their gradients."""
    before = copy.deepcopy(G)
    d_step(G, D)
    return all(same(p.detach(), old.detach()) and same(p.grad, old.grad)
               for p, old in zip(G.parameters(), before.parameters()))


def audit_nearly(d_step, G, D):
    before = state_of(G)
    d_step(G, D)
    return all(torch.allclose(p.detach(), weight, atol=1e-4) and same(p.grad, gradient)
               for p, (weight, gradient) in zip(G.parameters(), before))


RIGHT = {
    "listens": [listens_by_loop, listens_at_once, listens_by(differ),
                lambda *given: np.any(listens_by_loop(*given))],
    "audit": [audit_right, audit_cleared, audit_of_copies],
    "d_loss_of_pairs": [d_loss_right, d_loss_at_once, d_loss_of_frozen,
                        d_loss_of(lambda r, f: -(logsigmoid(r) + logsigmoid(-f)).mean())],
}
WRONG = {       # (answer, words of the message that fit this mistake and no other)
    "listens": [
        (lambda player, x, conditions: True, "what do you take for a change"),
        (lambda player, x, conditions: listens_by_loop(player, x, conditions[:1]), "between which calls do you look"),
        (lambda player, x, conditions: not listens_by_loop(player, x, conditions), "what do you take for a change"),
        (listens_by(every_row_differs), "how many rows must change"),
        (listens_by(differ, pool=lambda answer: answer.mean()), "what is lost where rows are pooled"),
        (listens_by(lambda answers: not all(torch.allclose(a, answers[0]) for a in answers)),
         "how much does your comparison forgive"),
        (lambda player, x, conditions: listens_by_loop(player, x, conditions[:2]), "which conditions do you compare"),
        (lambda player, x, conditions: listens_by_loop(player, x, conditions[::2]), "which conditions do you compare"),
        (lambda player, x, conditions: listens_by_loop(player, x, conditions[1:]), "which conditions do you compare"),
        (listens_spoils_x, "x changed in place"),
        (lambda player, x, conditions: player(x, conditions[0]) != player(x, conditions[1]), "how do `any` and `all`"),
        (lambda player, x, conditions: None, "does your function end with `return ...`?"),
    ],
    "audit": [
        (lambda d_step, G, D: False, "what else must the step leave alone"),
        (audit_of_the_state, "what else must the step leave alone"),
        (audit_of_any_gradient, "how do you tell old from new"),
        (audit_of_weights, "where do you look for it, and when"),
        (audit_without_a_step, "where do you look for it, and when"),
        (lambda d_step, G, D: True, "where do you look for it, and when"),
        (audit_of_the_first, "do you look at all of them"),
        (audit_of_new_gradients, "is it the same as before"),
        (audit_of_gradients, "do you compare its weights"),
        (audit_of_references, "and with what: a copy"),
        (audit_in_eval, "eval mode stays"),
        (audit_back_in_training, "in which mode did it come"),
        (audit_of_two_steps, "takes the step once"),
        (audit_of_a_deep_copy, "does a deep copy have them"),
        (audit_nearly, "how much does your comparison forgive"),
        (lambda d_step, G, D: d_step(G, D), "does your function end with `return ...`?"),
        (lambda d_step, G, D: [p.grad for p in G.parameters()], "return just these"),
        (lambda d_step, G, D: 1.0, "how do `any` and `all`"),
    ],
    "d_loss_of_pairs": [
        (d_loss_of(of_logits, cut=lambda fake: fake), "Where can it be stopped"),
        (d_loss_frozen, "stays after your function ends"),
        (d_loss_of(lambda r, f: softplus(-r).mean() + softplus(f.detach()).mean()), "the graph is cut behind D"),
        (d_loss_of(lambda r, f: softplus(-r.detach()).mean() + softplus(f).mean()), "learns nothing from the real"),
        (d_loss_without_graph, "a tensor without a graph"),
        (d_loss_in_eval, "eval mode stays"),
        (d_loss_judged_in_eval, "eval mode stays"),
        (d_loss_and_backward, "only returns the loss"),
        *((d_loss_spoils(change), "changed in place") for change in (
            lambda real, example, z: real.sub_(0.5), lambda real, example, z: example.clamp_(0, 1),
            lambda real, example, z: z.normal_())),
        (lambda G, D, real, example, z: d_loss_right(G, D, real, example, torch.randn_like(z)), "noise of its own"),
        (d_loss_unconditional, "G may ignore its own"),
        (d_loss_from_noise, "what it was never shown"),
        (d_loss_of(lambda r, f: -(r.sigmoid().log() + (1 - f.sigmoid()).log()).mean()), "log(1 - 1) infinite"),
        (d_loss_of(lambda r, f: (1 + (-r).exp()).log().mean() + (1 + f.exp()).log().mean()), "exp(90) is infinite"),
        (d_loss_of(lambda r, f: (-r).exp().log1p().mean() + f.exp().log1p().mean()), "exp(90) is infinite"),
        (d_loss_of(lambda r, f: -((r.sigmoid() + 1e-8).log() + (1 - f.sigmoid() + 1e-8).log()).mean()),
         "not where D is sure"),
        (d_loss_of(lambda r, f: of_logits(r.clamp(-30, 30), f.clamp(-30, 30))), "not where D is sure"),
        (d_loss_of(lambda r, f: softplus(torch.cat([-r, f])).mean()), "you averaged the two means"),
        (d_loss_of(lambda r, f: softplus(-r) + softplus(f)), "average over the batch"),
        (d_loss_of(lambda r, f: (1 - r).relu().mean() + (1 + f).relu().mean()), "nor a mistake that the check knows"),
        (lambda *a: None, "does your function end with `return ...`?"),
    ],
}
