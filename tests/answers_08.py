"""Right and wrong answers to the exercises of notebook 05."""

import torch
from torch.nn.functional import avg_pool2d, binary_cross_entropy_with_logits, logsigmoid, max_pool2d, pad, softplus

# ---------------------------------------------------------------- answers to `pairs`


def classes_right(c, n, g):
    return torch.randperm(c, generator=g)[:n]


def two_right(m, n, g):
    return torch.rand(n, m, generator=g).topk(2).indices


def pairs_of(classes=classes_right, two=two_right):
    """The pairs at `classes(C, n, generator)` [n] and `two(M, n, generator)` [n, 2]."""
    def my_pairs(images, n, rng):
        chosen = classes(len(images), n, rng)
        first, second = two(images.shape[1], n, rng).T
        return images[chosen, first], images[chosen, second]
    return my_pairs


def pairs_by_loop(images, n, rng):
    real, example = [], []
    for c in torch.randperm(len(images), generator=rng)[:n]:
        a, b = torch.randperm(images.shape[1], generator=rng)[:2].tolist()
        real.append(images[c, a])
        example.append(images[c, b])
    return [torch.stack(real), torch.stack(example)]


def two_by_steps(m, n, g):
    """The second is 1 to m - 1 places after the first, around the end."""
    first = torch.randint(m, (n,), generator=g)
    return torch.stack([first, (first + torch.randint(1, m, (n,), generator=g)) % m], dim=1)


def two_repaired(m, n, g):
    """Drawn with replacement, and where the same came twice, the next: one pair comes too often."""
    first, second = torch.randint(m, (2, n), generator=g)
    return torch.stack([first, torch.where(first == second, (first + 1) % m, second)], dim=1)


def two_neighbours(m, n, g):
    first = torch.randint(m, (n,), generator=g)
    return torch.stack([first, (first + 1) % m], dim=1)


def pairs_then(change):
    """The right pairs, then changed by `change(real, example, generator)`."""
    return lambda images, n, rng: change(*pairs_of()(images, n, rng), rng)


def pairs_of_two_choices(images, n, rng):
    return pairs_of()(images, n, rng)[0], pairs_of()(images, n, rng)[1]


# ---------------------------------------------------------------- answers to `pen`


def dilated(x, size=3):
    return max_pool2d(x, size, 1, size // 2)


def eroded(x, size=3):
    return -dilated(-x, size)


def by_image(pen):
    return pen[:, None, None, None]


def pen_of(thick=dilated, thin=eroded, pen=by_image):
    """The blend with one mistake, or none."""
    def my_pen(x, pens):
        p = pen(pens)
        return x + p.relu() * (thick(x) - x) + (-p).relu() * (thin(x) - x)
    return my_pen


def pen_with(use):
    """`use` gets x, its maximum, its minimum and the pen [B, 1, 1, 1]."""
    return lambda x, pen: use(x, dilated(x), eroded(x), by_image(pen))


def pen_by_loop(x, pen):
    out = []
    for image, p in zip(x, pen):
        windows = pad(image[None], (1, 1, 1, 1), value=torch.nan).unfold(2, 3, 1).unfold(3, 3, 1).flatten(4)   # [.., 9]
        end = windows.nan_to_num(-1).amax(-1) if p > 0 else windows.nan_to_num(2).amin(-1)
        out.append(image.lerp(end[0], p.abs()))
    return torch.stack(out)


def in_a_cross(x, sign=1):
    return sign * torch.maximum(max_pool2d(sign * x, (3, 1), 1, (1, 0)), max_pool2d(sign * x, (1, 3), 1, (0, 1)))


# ---------------------------------------------------------------- answers to `mismatch`


def mismatch_of(real=lambda x: x.roll(1, dims=0), example=lambda x: x, loss=lambda logits: softplus(logits).mean(),
                use=lambda weight, loss: weight * loss):
    """The third term with one mistake, or none."""
    return lambda D, x, y, weight: use(weight, loss(D(real(x), example(y))))


def mismatch_by_index(D, real, example, weight):
    rows = torch.arange(len(real)) - 1
    logits = D(real[rows], example)
    return binary_cross_entropy_with_logits(logits, torch.zeros_like(logits), weight=torch.tensor(weight))


def mismatch_by_loop(D, real, example, weight):
    """One row after the other, and a loss of shape [1]."""
    return sum(weight * softplus(D(real[i - 1][None], example[i][None])) for i in range(len(real))) / len(real)


def mismatch_moves_real(D, real, example, weight):
    return weight * softplus(D(real.copy_(real.roll(1, 0)), example)).mean()


# ---------------------------------------------------------------- answers to `d_loss_of_pairs`


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


def d_loss_of(loss, *, for_real=lambda real, example, fake: (real, example),
              for_fake=lambda real, example, fake: (fake, example), start=lambda real, example: example,
              cut=lambda fake: fake.detach()):
    """`loss` gets both kinds of logits; D gets what `for_real` and `for_fake` choose."""
    def my_d_loss(G, D, real, example, z):
        fake = cut(G(z, start(real, example)))
        return loss(D(*for_real(real, example, fake)), D(*for_fake(real, example, fake)))
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


RIGHT = {
    "pairs": [pairs_of(), pairs_by_loop, pairs_of(two=two_by_steps), pairs_of(
        lambda c, n, g: torch.multinomial(torch.ones(c), n, generator=g))],
    "pen": [pen_of(), pen_by_loop, pen_of(thin=lambda x: 1 - dilated(1 - x)), pen_with(
        lambda x, thick, thin, p: torch.where(p > 0, p * thick + (1 - p) * x, -p * thin + (1 + p) * x))],
    "mismatch": [mismatch_of(), mismatch_by_index, mismatch_by_loop, mismatch_of(lambda x: x, lambda y: y.roll(-1, 0)),
                 mismatch_of(lambda x: torch.cat([x[-1:], x[:-1]]), loss=lambda logits: -logsigmoid(-logits).mean())],
    "d_loss_of_pairs": [d_loss_right, d_loss_at_once, d_loss_of_frozen,
                        d_loss_of(lambda r, f: -(logsigmoid(r) + logsigmoid(-f)).mean())],
}
WRONG = {       # (answer, words of the message that fit this mistake and no other)
    "pairs": [
        (pairs_of(lambda c, n, g: torch.randperm(c, generator=g)[torch.randint(c, (n,), generator=g)]),
         "a class came twice"),
        (pairs_of(two=lambda m, n, g: torch.randint(m, (n, 2), generator=g)), "G would learn to copy"),
        (pairs_of(two=lambda m, n, g: torch.randint(m, (n, 1), generator=g).repeat(1, 2)), "G would learn to copy"),
        (pairs_of_two_choices, "Were the classes chosen twice"),
        (pairs_then(lambda real, example, g: (real, example.roll(1, 0))), "the rows of one result moved"),
        (pairs_of(two=two_repaired), "where the same drawing comes twice"),
        (pairs_of(two=two_neighbours), "the first decide too much about the second"),
        (pairs_of(two=lambda m, n, g: two_right(m, n, g).sort().values), "can your code never reach"),
        (pairs_of(two=lambda m, n, g: torch.tensor([[0, 1]] * n)), "which drawings can your code never reach"),
        (pairs_of(two=lambda m, n, g: two_right(m - 1, n, g)), "which drawings can your code never reach"),
        (pairs_of(two=lambda m, n, g: two_right(m, 1, g).repeat(n, 1)), "how many times does your code draw for n"),
        (pairs_of(lambda c, n, g: torch.arange(n)), "can your code never draw"),
        (pairs_of(lambda c, n, g: (torch.randint(c, (1,), generator=g) + torch.arange(n)) % c),
         "which classes together"),
        (pairs_of(lambda c, n, g: torch.randperm(c)[:n]), "which call draws without"),
        (pairs_of(two=lambda m, n, g: torch.rand(n, m).topk(2).indices), "which call draws without"),
        (pairs_of(lambda c, n, g: classes_right(c, n, g.manual_seed(3))), "begin anew each time"),
        (pairs_of(lambda c, n, g: classes_right(c, 4, g), lambda m, n, g: two_right(m, 4, g)),
         "n may be as large as C"),
        (pairs_then(lambda real, example, g: (real[:, 0], example[:, 0])), "one whole drawing for each"),
        (pairs_then(lambda real, example, g: (real / 255, example / 255)), "where do they change"),
        (pairs_then(lambda real, example, g: torch.stack([real, example], 1)), "return just these"),
        (lambda images, n, rng: None, "does your function end with `return ...`?"),
    ],
    "pen": [
        (pen_of(thin=lambda x: -max_pool2d(pad(-x, (1, 1, 1, 1)), 3, 1)), "wrong at the border"),
        (pen_of(thin=lambda x: dilated(-x)), "count the minus signs"),
        (pen_of(thin=lambda x: -dilated(x)), "count the minus signs"),
        (pen_with(lambda x, thick, thin, p: x + p.relu() * (thick - x) + p.clamp(max=0) * (thin - x)),
         "a negative pen thickens too"),
        (pen_of(dilated, dilated), "a negative pen thickens too"),
        (pen_of(lambda x: dilated(dilated(x))), "take one image and its pen"),
        (pen_of(eroded, dilated), "have changed places"),
        (pen_of(lambda x: dilated(x, 5), lambda x: eroded(x, 5)), "how many pixels wide"),
        (pen_of(in_a_cross, lambda x: in_a_cross(x, -1)), "the corners"),
        (pen_with(lambda x, thick, thin, p: torch.where(p > 0, thick, torch.where(p < 0, thin, x))),
         "that is a switch"),
        (pen_of(pen=lambda p: by_image(p.sign())), "that is a switch"),
        (pen_of(pen=torch.mean), "one pen for the whole batch"),
        (pen_of(pen=lambda p: p[0]), "one pen for the whole batch"),
        (pen_of(pen=lambda p: p), "on which dimension of x did your [B] land"),
        (pen_of(pen=lambda p: p[:, None]), "on which dimension of x did your [B] land"),
        (pen_of(pen=lambda p: p[:, None, None]), "each image with its own pen"),
        (pen_with(lambda x, thick, thin, p: x + p.relu() * (thick - x)), "what does a negative pen do"),
        (pen_with(lambda x, thick, thin, p: x + (-p).relu() * (thin - x)), "what does a positive pen do"),
        (pen_with(lambda x, thick, thin, p: x + p * (thick - x)), "goes away from the maximum"),
        (pen_with(lambda x, thick, thin, p: p.relu() * thick + (-p).relu() * thin), "a pen of 0 should leave"),
        (pen_with(lambda x, thick, thin, p: x + p.relu() * thick + (-p).relu() * thin), "how far is it from x"),
        (pen_with(lambda x, thick, thin, p: x + p.abs() * (avg_pool2d(x, 3, 1, 1) - x)),
         "the mean of the neighbourhood"),
        (pen_of(pen=lambda p: by_image(p.detach())), "no gradient flows back to pen"),
        (lambda x, pen: pen_of()(x.detach(), pen), "no gradient flows back to x"),
        (pen_of(thick=lambda x: dilated(x.detach())), "was part detached"),
        (lambda x, pen: pen_of()(x, pen).detach(), "G learns the pen by its gradient"),
        (lambda x, pen: (x, pen), "return just these"),
    ],
    "mismatch": [
        (mismatch_of(lambda x: x.roll(-1, dims=0)), "which way does your roll go"),
        (mismatch_of(lambda x: x, lambda y: y.roll(1, dims=0)), "which way does your roll go"),
        (mismatch_of(lambda x: x), "nothing has moved"),
        (mismatch_of(lambda x: x.roll(1, dims=1)), "nothing has moved"),
        (mismatch_of(lambda x: x.roll(1, dims=0), lambda y: y.roll(1, dims=0)), "nothing has moved"),
        (mismatch_of(lambda x: x.roll(1)), "roll moves the pixels"),
        (mismatch_of(lambda x: x.flip(0)), "meets its own class"),
        (lambda D, real, example, weight: weight * softplus(D(example, real.roll(1, dims=0))).mean(), "what second"),
        (lambda D, real, example, weight: weight * softplus(D(example.roll(1, dims=0), example)).mean(),
         "no drawing of `real` is left"),
        (mismatch_of(loss=lambda logits: softplus(-logits).mean()), "Which sign does the logit need"),
        (mismatch_of(loss=lambda logits: -softplus(logits).mean()), "D minimises this"),
        (mismatch_of(use=lambda weight, loss: loss), "where is the weight"),
        (mismatch_of(loss=lambda logits: softplus(logits).sum()), "that is the sum"),
        (mismatch_of(loss=softplus), "average over the batch"),
        (mismatch_of(loss=lambda logits: logits.sigmoid().mean()), "where is the logarithm"),
        (mismatch_of(loss=torch.mean), "the mean logit"),
        (mismatch_of(loss=lambda logits: -torch.log(1 - logits.sigmoid()).mean()), "log(1 - 1) infinite"),
        (mismatch_of(loss=lambda logits: -torch.log(1 - logits.sigmoid() + 1e-8).mean()), "not where D is sure"),
        (mismatch_of(loss=lambda logits: softplus(logits.clamp(-20, 20)).mean()), "not where D is sure"),
        (mismatch_of(use=lambda weight, loss: weight * loss.detach()), "a tensor without a graph"),
        (mismatch_moves_real, "real changed in place"),
        (mismatch_of(use=lambda weight, loss: (weight * loss).item()), "the loss as a tensor"),
        (mismatch_of(loss=lambda logits: (softplus(logits) + (logits.detach() - logits)).mean()),
         "the value is right and its gradient is not"),
        (lambda D, real, example, weight: weight * softplus(D(real.roll(1, 0))).mean(), "G may ignore its own"),
        (mismatch_of(loss=lambda logits: (1 + logits).relu().mean()), "the real drawing of the row before"),
        (mismatch_of(lambda x: x.roll(2, dims=0)), "the real drawing of the row before"),
    ],
    "d_loss_of_pairs": [
        (d_loss_of(of_logits, cut=lambda fake: fake), "Where can it be stopped"),
        (d_loss_frozen, "stays after your function ends"),
        (d_loss_of(lambda r, f: softplus(-r).mean() + softplus(f.detach()).mean()), "Cut the graph before D"),
        (d_loss_of(lambda r, f: softplus(-r.detach()).mean() + softplus(f).mean()), "learns nothing from the real"),
        (d_loss_without_graph, "torch.no_grad() around nothing that is to learn"),
        (d_loss_unconditional, "G may ignore its own"),
        (d_loss_from_noise, "what it was never shown"),
        (d_loss_of(lambda r, f: -(r.sigmoid().log() + (1 - f.sigmoid()).log()).mean()), "log(1 - 1) infinite"),
        (d_loss_of(lambda r, f: -((r.sigmoid() + 1e-8).log() + (1 - f.sigmoid() + 1e-8).log()).mean()),
         "not where D is sure"),
        (d_loss_of(lambda r, f: of_logits(r.clamp(-30, 30), f.clamp(-30, 30))), "not where D is sure"),
        (d_loss_of(lambda r, f: of_logits(r, f) / 2), "added, not averaged"),
        (d_loss_of(lambda r, f: softplus(torch.cat([-r, f])).mean()), "added, not averaged"),
        (d_loss_of(lambda r, f: softplus(-r).sum() + softplus(f).sum()), "that is the sum"),
        (d_loss_of(lambda r, f: softplus(-r) + softplus(f)), "average over the batch"),
        (d_loss_of(lambda r, f: (logsigmoid(r) + logsigmoid(-f)).mean()), "has the other sign"),
        (d_loss_of(lambda r, f: of_logits(f, r)), "this rewards D for mistakes"),
        (d_loss_of(lambda r, f: softplus(-r).mean() + softplus(-f).mean()), "G's wish, not D's"),
        (d_loss_of(lambda r, f: softplus(-r).mean()), "what does D say of G's drawings"),
        (d_loss_of(lambda r, f: softplus(f).mean()), "what does D say of the real drawings"),
        (d_loss_of(of_logits, start=lambda real, example: real), "G has seen the real drawing"),
        (d_loss_of(of_logits, for_fake=lambda real, example, fake: (fake, real)), "beside each image? The same"),
        (d_loss_of(of_logits, for_real=lambda real, example, fake: (real, real)), "beside each image? The same"),
        (d_loss_of(of_logits, for_real=lambda real, example, fake: (example, real),
                   for_fake=lambda real, example, fake: (example, fake)), "D takes the image first"),
        (d_loss_of(lambda r, f: (1 - r.sigmoid()).mean() + f.sigmoid().mean()), "where is the logarithm"),
        (d_loss_of(lambda r, f: f.mean() - r.mean()), "that is the Wasserstein loss"),
        (d_loss_of(lambda r, f: (1 - r).relu().mean() + (1 + f).relu().mean()), "each beside its example"),
        (lambda *a: None, "does your function end with `return ...`?"),
    ],
}
