"""Right and wrong answers to the exercises of notebook 08."""

import torch
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid, max_pool2d, pad, softplus


def classes_right(c, n, g):
    return torch.randperm(c, generator=g)[:n]


def two_right(m, n, g):
    return torch.rand(n, m, generator=g).topk(2).indices


def pairs_of(classes=classes_right, two=two_right):
    """The pairs at `classes(C, n, rng)` [n] and `two(M, n, rng)` [n, 2]."""
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
    """Sampled with replacement, and where the same came twice, the next: one pair comes too often."""
    first, second = torch.randint(m, (2, n), generator=g)
    return torch.stack([first, torch.where(first == second, (first + 1) % m, second)], dim=1)


def two_neighbours(m, n, g):
    first = torch.randint(m, (n,), generator=g)
    return torch.stack([first, (first + 1) % m], dim=1)


def pairs_then(change):
    """The right pairs, then changed by `change(real, example, rng)`."""
    return lambda images, n, rng: change(*pairs_of()(images, n, rng), rng)


def pairs_of_two_choices(images, n, rng):
    return pairs_of()(images, n, rng)[0], pairs_of()(images, n, rng)[1]


def two_but_one_row(m, n, g):
    """The third row never varies."""
    two = two_right(m, n, g)
    two[2] = torch.tensor([0, 1])
    return two


def spoiling(function, which):
    """`function`, after which its argument of number `which` is another one."""
    def spoils(*arguments):
        answer = function(*arguments)
        arguments[which].data.mul_(0.5)
        return answer
    return spoils


def dilated(x):
    return max_pool2d(x, 3, 1, 1)


def eroded(x):
    return -dilated(-x)


def by_image(stroke_width):
    return stroke_width[:, None, None, None]


def stroke_of(thick=dilated, thin=eroded, width=by_image):
    """The blend with one mistake, or none."""
    def my_stroke_width(x, stroke_width):
        w = width(stroke_width)
        return x + w.relu() * (thick(x) - x) + (-w).relu() * (thin(x) - x)
    return my_stroke_width


def stroke_with(use):
    """`use` gets x, its maximum, its minimum and the stroke width [B, 1, 1, 1]."""
    return lambda x, stroke_width: use(x, dilated(x), eroded(x), by_image(stroke_width))


def stroke_by_loop(x, stroke_width):
    out = []
    for image, w in zip(x, stroke_width):
        windows = pad(image[None], (1, 1, 1, 1), value=torch.nan).unfold(2, 3, 1).unfold(3, 3, 1).flatten(4)   # [.., 9]
        end = windows.nan_to_num(-1).amax(-1) if w > 0 else windows.nan_to_num(2).amin(-1)
        out.append(image.lerp(end[0], w.abs()))
    return torch.stack(out)


def mismatch_of(real=lambda x: x.roll(1, dims=0), example=lambda x: x, loss=lambda logits: softplus(logits).mean()):
    """The third term with one mistake, or none."""
    return lambda D, x, y, weight: weight * loss(D(real(x), example(y)))


def mismatch_by_index(D, real, example, weight):
    rows = torch.arange(len(real)) - 1
    logits = D(real[rows], example)
    return binary_cross_entropy_with_logits(logits, torch.zeros_like(logits), weight=torch.tensor(weight))


def mismatch_by_loop(D, real, example, weight):
    """One row after the other, and a loss of shape [1]."""
    return sum(weight * softplus(D(real[i - 1][None], example[i][None])) for i in range(len(real))) / len(real)


def mismatch_moves_real(D, real, example, weight):
    return weight * softplus(D(real.copy_(real.roll(1, 0)), example)).mean()


RIGHT = {
    "pairs": [pairs_of(), pairs_by_loop, pairs_of(two=two_by_steps), pairs_of(
        lambda c, n, g: torch.multinomial(torch.ones(c), n, generator=g))],
    "stroke_width": [stroke_of(), stroke_by_loop, stroke_of(thin=lambda x: 1 - dilated(1 - x)), stroke_with(
        lambda x, thick, thin, w: torch.where(w > 0, w * thick + (1 - w) * x, -w * thin + (1 + w) * x))],
    "mismatch": [mismatch_of(), mismatch_by_index, mismatch_by_loop, mismatch_of(lambda x: x, lambda y: y.roll(-1, 0)),
                 mismatch_of(lambda x: torch.cat([x[-1:], x[:-1]]), loss=lambda logits: -logsigmoid(-logits).mean())],
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
        (pairs_of(two=lambda m, n, g: two_right(m, 1, g).repeat(n, 1)), "how many times does your code sample for n"),
        (pairs_of(lambda c, n, g: torch.arange(n)), "can your code never choose"),
        (pairs_of(lambda c, n, g: (torch.randint(c, (1,), generator=g) + torch.arange(n)) % c),
         "which classes together"),
        (pairs_of(lambda c, n, g: torch.randperm(c)[:n]), "which call samples without"),
        (pairs_of(two=lambda m, n, g: torch.rand(n, m).topk(2).indices), "which call samples without"),
        (pairs_of(lambda c, n, g: classes_right(c, n, g.manual_seed(3))), "Does your code seed `rng`"),
        (pairs_of(lambda c, n, g: classes_right(c, 4, g), lambda m, n, g: two_right(m, 4, g)),
         "for every n up to C"),
        (pairs_of(lambda c, n, g: classes_right(c, n, g).sort().values), "Is the order random too"),
        (pairs_of(two=two_but_one_row), "row 2 has too few"),
        (spoiling(pairs_of(), 0), "images as it was"),
        (pairs_then(lambda real, example, g: (real.long(), example.long())), "the type of `images`"),
        (pairs_then(lambda real, example, g: (real[:, 0], example[:, 0])), "one whole drawing for each"),
        (pairs_then(lambda real, example, g: (real / 255, example / 255)), "Which line changes them"),
        (pairs_then(lambda real, example, g: torch.stack([real, example], 1)), "return just these"),
        (lambda images, n, rng: None, "does your function end with `return ...`?"),
    ],
    "stroke_width": [
        (stroke_of(lambda x: dilated(dilated(x))), "take one image and its stroke width"),
        (stroke_with(lambda x, thick, thin, w: thin + (1 + w) / 2 * (thick - thin)), "what should 0 give"),
        (stroke_with(lambda x, thick, thin, w: torch.where(w > 0, thick, torch.where(w < 0, thin, x))),
         "that is a switch"),
        (stroke_of(lambda x: max_pool2d(x, 3), lambda x: -max_pool2d(-x, 3)), "the square jumps by 3 pixels"),
        (stroke_of(lambda x: max_pool2d(x, 3, 1), lambda x: -max_pool2d(-x, 3, 1)), "which keep the size"),
        (stroke_of(lambda x: max_pool2d(x, 3, None, 1), lambda x: -max_pool2d(-x, 3, None, 1)), "which keep the size"),
        (lambda x, w: x + w * (dilated(x) - x) if w > 0 else x - w * (eroded(x) - x), "`if` asks for one answer"),
        (lambda x, w: x.copy_(stroke_of()(x, w)), "x as it was"),
        (spoiling(stroke_of(), 1), "stroke_width as it was"),
        (lambda x, w: stroke_of()(x, w).squeeze(1), "a dimension of size 1 is lost"),
        (stroke_of(width=lambda w: w[:, None, None]), "each image has its own stroke width"),
        (stroke_of(width=lambda w: by_image(w.detach())), "no gradient flows back to stroke_width"),
        (lambda x, w: stroke_of()(x.detach(), w), "no gradient flows back to x"),
        (stroke_of(thick=lambda x: dilated(x.detach())), "was part detached"),
        (lambda x, w: stroke_of()(x, w).detach(), "G learns the stroke width by its gradient"),
        (lambda x, w: (x, w), "return just these"),
    ],
    "mismatch": [
        (mismatch_of(lambda x: x, lambda y: y.roll(1, dims=0)), "which way does your roll go"),
        (mismatch_of(lambda x: x.roll(1, dims=1)), "an example of its own class"),
        (mismatch_of(lambda x: x.roll(1, dims=0), lambda y: y.roll(1, dims=0)), "an example of its own class"),
        (lambda D, real, example, weight: 0.5 * softplus(D(real.roll(1, 0), example)).mean(),
         "an argument may have another value"),
        (mismatch_of(loss=lambda logits: -logsigmoid(1 - logits).mean()), "1 - D is a probability"),
        (mismatch_of(loss=lambda logits: -torch.log(1 - logits).mean()), "D returns logits"),
        (spoiling(mismatch_of(), 2), "example as it was"),
        (mismatch_of(loss=softplus), "average over the batch"),
        (mismatch_of(loss=lambda logits: -torch.log(1 - logits.sigmoid()).mean()), "log(1 - 1) infinite"),
        (mismatch_of(loss=lambda logits: -torch.log(1 - logits.sigmoid() + 1e-8).mean()), "not where D is sure"),
        (mismatch_of(loss=lambda logits: softplus(logits.clamp(-20, 20)).mean()), "not where D is sure"),
        (mismatch_of(loss=lambda logits: softplus(logits).mean().detach()), "a tensor without a graph"),
        (mismatch_moves_real, "real changed in place"),
        (mismatch_of(loss=lambda logits: softplus(logits).mean().item()), "the loss as a tensor"),
        (mismatch_of(loss=lambda logits: (softplus(logits) + (logits.detach() - logits)).mean()),
         "the value is right and its gradient is not"),
        (lambda D, real, example, weight: weight * softplus(D(real.roll(1, 0))).mean(), "G may ignore its own"),
        (mismatch_of(loss=lambda logits: (1 + logits).relu().mean()), "the real drawing of the row before"),
        (mismatch_of(lambda x: x.roll(2, dims=0)), "the real drawing of the row before"),
    ],
}
