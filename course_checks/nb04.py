"""Checks of the exercises of notebook 04, conditions."""

import torch

from ._base import check, check_unchanged, compare, done, require, returned, tensor


@check
def paired_batch(function):
    """Check `function(x, y, n, rng) -> (batch_x, batch_y)`: n images sampled with replacement, each with its own label.

    x float [M, 1, H, W], y int64 [M] -> [n, 1, H, W], [n]. All randomness from `rng`.
    """
    y = torch.randint(5, (20,), generator=torch.Generator().manual_seed(1))
    x = torch.arange(20.)[:, None, None, None].expand(20, 1, 2, 3)      # every pixel tells the position
    same = torch.Generator().manual_seed(0)
    rows = []
    for n, rng in [(8, same)] * 60 + [(8, torch.Generator().manual_seed(0)), (50, same)]:
        given = x.clone(), y.clone()
        batch_x, batch_y = returned(function(*given, n, rng), "batch_x", "batch_y")
        shapes = list(tensor(batch_x, "batch_x").shape), list(tensor(batch_y, "batch_y").shape)
        require(shapes == ([n, 1, 2, 3], [n]), f"n={n} images and labels of shapes [{n}, 1, 2, 3] and [{n}]",
                f"{shapes[0]} and {shapes[1]}", "n whole images, one number for each; n may exceed the size of x.")
        check_unchanged(x=(given[0], x), y=(given[1], y))
        require(not batch_y.is_floating_point(), "labels in whole numbers (int64)", f"{batch_y.dtype}",
                "labels are for indexing.")
        rows.append(batch_x[:, 0, 0, 0].long().clamp(0, 19).tolist())
        require(torch.equal(batch_x.float(), x[rows[-1]]), "images of x", "others",
                "some pixels are not those of x. Where do they change?")
        wanted, got = y[rows[-1]].tolist(), batch_y.tolist()
        require(wanted == got or sorted(wanted) != sorted(got), f"labels {wanted}", f"{got}",
                "these are the right labels in another order. What moved them and not the images?")
        require(wanted == got, f"labels {wanted}", f"{got}",
                "take one image of the batch and its label, and follow each back to its place in x and y.")
    batches, reached = rows[:60], sorted({row for batch in rows[:60] for row in batch})
    require(any(batch != rows[0] for batch in batches), "another batch at every call", "the same 60 times",
            "where does your code sample, and does it begin anew each time?")
    require(rows[60] == rows[0], "the same batch from an rng in the same state", "another one",
            "some randomness comes from elsewhere. Which call samples without `rng`?")
    require(len(reached) == 20, "all 20 images in the course of 60 batches", f"only {reached}",
            "some images never come. Which images can your code never reach?")
    require(any(len(set(batch)) < 8 for batch in batches), "sampling with replacement",
            "no image twice in any batch", "can an image that was sampled be sampled again?")
    done("paired_batch: every image keeps its label, and rng alone decides.")


@check
def conditional_scale(function):
    """Check `function(h, y, scale, shift) -> [B, C, H, W]`: each image scaled and shifted as its class says.

    h float [B, C, H, W], normalised already; y int64 [B]; scale, shift float [n_classes, C].
    """
    rng = torch.Generator().manual_seed(4)
    for shape, n_classes in (((4, 4, 4, 4), 4), ((5, 3, 2, 6), 7)):     # equal sizes let mistakes run
        h, y = torch.randn(shape, generator=rng), torch.tensor([2, 0, 3, 2, 1])[:shape[0]]
        scale, shift = torch.randn(2, n_classes, shape[1], generator=rng)
        given = h.clone(), y.clone(), scale.clone(), shift.clone()
        came = _one_tensor(function(*given), "the result")
        check_unchanged(h=(given[0], h), y=(given[1], y), scale=(given[2], scale), shift=(given[3], shift))
        require(came.shape == shape, f"the shape of h, {list(shape)}", f"{list(came.shape)}",
                "every pixel is scaled and shifted, and none is joined with another.")
        right = _scaled(lambda h, s, t: h * s + t)
        compare(came, right(h, y, scale, shift), MISTAKES["conditional_scale"], (h, y, scale, shift),
                "take one image and one channel. Which number multiplies all its pixels, which one is added?")
        _check_gradients(lambda of, h, scale, shift, y=y: of(h, y, scale, shift), function, right,
                         h=h, scale=scale, shift=shift)
    done("conditional_scale: every image with the scale and shift of its class, channel by channel.")


@check
def projection(function):
    """Check `function(h, y, psi, embedding) -> logits [B]`: psi(h) + <embedding of y, h>.

    h float [B, F]; y int64 [B]; psi a function of h that returns [B]; embedding float [n_classes, F].
    """
    rng = torch.Generator().manual_seed(6)
    for b, f, n_classes in ((4, 4, 4), (5, 3, 7)):      # equal sizes let mistakes run
        h, weight = torch.randn(b, f, generator=rng), torch.randn(f, generator=rng)
        embedding, y = torch.randn(n_classes, f, generator=rng), torch.tensor([2, 0, 3, 2, 1])[:b]

        def psi(x, weight=weight):
            return x @ weight + 0.7

        given = h.clone(), y.clone(), embedding.clone()
        came = _one_tensor(function(given[0], given[1], psi, given[2]), "logits")
        check_unchanged(h=(given[0], h), y=(given[1], y), embedding=(given[2], embedding))
        require(came.dim() < 2 or came.shape[1] == 1, f"logits of shape [{b}]", f"{list(came.shape)}",
                "that is a table. Which of its numbers belong to an image and its own label?")
        require(came.shape == (b,), f"logits of shape [{b}]", f"{list(came.shape)}",
                "one number for each image: no further dimension, and no sum over the batch.")
        right = _projected(lambda base, product: base + product.sum(1))
        compare(came, right(h, y, psi, embedding), MISTAKES["projection"], (h, y, psi, embedding),
                "each image has two numbers. One is what psi says of h, the other how well h and the vector of its "
                "class agree. What do you do with them?")
        _check_gradients(lambda of, weight, embedding, h, y=y: of(h, y, lambda x: x @ weight + 0.7, embedding),
                         function, right, psi=weight, embedding=embedding, h=h)
    done("projection: is the image real, and does it fit its label? One logit for both.")


def _one_tensor(came, name):
    came, = returned([came] if isinstance(came, list) else came, name)      # a list of numbers is one result
    return tensor(came, name)


def _check_gradients(call, function, right, **inputs):
    """`call(function, *inputs)` must have the gradients of `call(right, *inputs)`, with respect to each input."""
    leaves = [x.clone().requires_grad_() for x in inputs.values()]
    came, wanted = call(function, *leaves), call(right, *leaves)
    require(came.requires_grad, "a result that remembers its graph", "one without", ".detach(), .tolist() and "
            "torch.no_grad() cut the graph, but training needs it. Where does your function use one of them?")
    weights = torch.randn(wanted.shape, generator=torch.Generator().manual_seed(0))
    gradients = torch.autograd.grad((came * weights).sum(), leaves, allow_unused=True)
    for name, gradient, other in zip(inputs, gradients, torch.autograd.grad((wanted * weights).sum(), leaves)):
        require(gradient is not None and gradient.allclose(other, rtol=1e-3, atol=1e-5), f"the gradient of {name}",
                "none" if gradient is None else "another one", f"the values are right, but {name} cannot learn. Is it "
                "detached or copied on its way to the result?")


def _scaled(use, rows=lambda y: y):
    """`use` gets h and the chosen rows of scale and shift, [B, C, 1, 1]."""
    return lambda h, y, scale, shift: use(h, scale[rows(y)][:, :, None, None], shift[rows(y)][:, :, None, None])


def _placed(place):
    """The rows of the classes, [B, C], their dimensions arranged by `place`."""
    return lambda h, y, scale, shift: h * place(scale[y]) + place(shift[y])


def _projected(use, rows=lambda y: y):
    """`use` gets psi(h), [B], and the chosen rows of the embedding times h, [B, F]."""
    return lambda h, y, psi, embedding: use(psi(h), embedding[rows(y)] * h)


MISTAKES = {
    "conditional_scale": [
        *((_scaled(wrong), "that is half of it. What else does the class decide?") for wrong in (
            lambda h, s, t: h * s, lambda h, s, t: h + t)),
        (_scaled(lambda h, s, t: h * (1 + s) + t), "you add 1 to the scale. A scale of 1 should leave h as it is."),
        (_scaled(lambda h, s, t: (h + t) * s), "you scale the shift, too. Which comes first?"),
        (_scaled(lambda h, s, t: h * t + s),
         "the tables have changed places. Which table multiplies, which one is added?"),
        (_scaled(lambda h, s, t: h * s + t, rows=lambda y: torch.arange(len(y))),
         "these are the wrong rows of the tables. Whose row do you take, that of the class, or of the place in the "
         "batch?"),
        *((_placed(place), "sizes are matched from the right. On which two dimensions of h did your [B, C] land?")
          for place in (lambda v: v, lambda v: v[:, None], lambda v: v[..., None], lambda v: v[:, None, None],
                        lambda v: v[:, None, :, None])),
    ],
    "projection": [
        (_projected(lambda base, product: product.sum(1)),
         "your logits say only how well image and label fit. Is the image real at all? That part is missing."),
        (_projected(lambda base, product: base), "here the label makes no difference. Where should it enter?"),
        (_projected(lambda base, product: base + product.mean(1)),
         "you average over the features. Is an inner product an average?"),
        (_projected(lambda base, product: base + product.sum()),
         "you sum over the batch as well. What one image adds must not reach the others."),
        (lambda h, y, psi, embedding: psi(h) + embedding[y].sum(1),
         "the label adds the same to every image of its class. Where does h come in?"),
        (_projected(lambda base, product: base + product.sum(1), rows=lambda y: torch.arange(len(y))),
         "these are the wrong rows of the embedding. Whose row do you take, that of the class, or of the place in the "
         "batch?"),
        (_projected(lambda base, product: base - product.sum(1)),
         "an image that fits its label gets a lower logit than without. Mind the sign."),
        (_projected(lambda base, product: base + product.sum(0)),
         "you sum over the batch, not over the features. Which dimension counts the images, which the features?"),
    ],
}
