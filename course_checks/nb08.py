"""Checks of the exercises of notebook 08, from one example."""

import torch

from ._base import (
    SURE,
    check_gradient,
    check_unchanged,
    compare,
    done,
    finite_loss,
    players_of_pairs,
    require,
    returned,
    tensor,
)


def pairs(function):
    """Check `function(images, n, generator) -> (real, example)`: n classes, two different drawings of each.

    images float [C, M, 1, H, W] -> [n, 1, H, W] twice. No class comes twice. All randomness from `rng`.
    """
    images = torch.arange(30.).view(6, 5, 1, 1, 1).expand(6, 5, 1, 2, 3)       # every pixel tells class and drawing
    same, batches = torch.Generator().manual_seed(0), []
    for n, rng in [(4, same)] * 300 + [(4, torch.Generator().manual_seed(0)), (6, same)]:
        answer = returned(function(images.clone(), n, rng), "real", "example")
        for x, name in zip(answer, ("real", "example")):
            require(tensor(x, name).shape == (n, 1, 2, 3), f"{name} of shape [{n}, 1, 2, 3]", f"{list(x.shape)}",
                     "one whole drawing for each of the n classes; n may be as large as C.")
            places = x[:, 0, 0, 0].long().clamp(0, 29)
            require(torch.equal(x.float(), images.flatten(0, 1)[places]), f"{name}: drawings out of `images`",
                     "others", "where do they change?")
        places = torch.stack(answer, dim=1)[:, :, 0, 0, 0].long()                   # [n, 2]
        _check_pair(*places.div(5, rounding_mode="floor").T.tolist(), *(places % 5).T.tolist())
        batches.append(places.tolist())
    require(any(batch != batches[0] for batch in batches[:300]), "another batch at every call", "the same 300 times",
             "where does your code draw, and does it begin anew each time?")
    require(batches[300] == batches[0], "the same batch from a generator in the same state", "another one",
             "which call draws without `rng`?")
    _check_all_pairs(torch.tensor(batches[:300]))
    done("pairs: one class in each row, twice drawn, and every pair of drawings as likely as another.")


def pen(function):
    """Check `function(x, pen) -> [B, 1, H, W]`: strokes of images x [B, 1, H, W] made thicker or thinner, by pen [B].

    x + relu(pen) (maximum over 3 x 3 - x) + relu(-pen) (minimum over 3 x 3 - x), differentiable in x and pen.
    """
    rng = torch.Generator().manual_seed(5)
    for shape, pens in (((4, 1, 4, 4), (1, -1, 0.5, -0.3)), ((5, 1, 7, 6), (0.7, 0, -0.6, -1, 0.25))):
        x = torch.rand(shape, generator=rng).requires_grad_()
        pens = torch.tensor(pens, dtype=torch.float32).requires_grad_()
        answer = tensor(*returned(function(x.clone(), pens.clone()), "the images"), "the images")
        require(answer.shape == shape, f"the shape of x, {list(shape)}", f"{list(answer.shape)}",
                 "each image with its own pen. Sizes are matched from the right: on which dimension did your [B] land?")
        right = _drawn_with(x, pens.view(-1, 1, 1, 1))
        compare(answer, right.detach(), _wrong_pens(x.detach(), pens.detach()),
                 "take one image and its pen: how far does each pixel go, and towards which of its nine neighbours?")
        require(answer.requires_grad, "images with a graph that leads back to the pen", "images without one",
                 "torch functions only, with nothing detached and no .item(): G learns the pen by its gradient.")
        weights = torch.randn(shape, generator=rng)
        came, wanted = (torch.autograd.grad((weights * y).sum(), (pens, x), materialize_grads=True)
                        for y in (answer, right))
        for name, a, b in zip(("pen", "x"), came, wanted):
            a, b = (torch.where(pens == 0, 0, each) if name == "pen" else each for each in (a, b))   # at 0, a corner
            compare(a, b, [(torch.zeros_like(b), f"the images are right, but no gradient flows back to {name}.")],
                     f"the images are right, but the gradient that flows back to {name} is not: was part detached?")
    done("pen: every image with its own pen, thicker or thinner by degrees, and a gradient to learn it by.")


def _drawn_with(x, pen, size=3):
    thick, thin = (sign * torch.nn.functional.max_pool2d(sign * x, size, 1, size // 2) for sign in (1, -1))
    return x + pen.relu() * (thick - x) + (-pen).relu() * (thin - x)


def _wrong_pens(x, pens):
    pool, b = torch.nn.functional.max_pool2d, len(pens)
    p = pens.view(-1, 1, 1, 1)
    more, less, thick, thin = p.relu(), (-p).relu(), pool(x, 3, 1, 1), -pool(-x, 3, 1, 1)
    bordered = -pool(torch.nn.functional.pad(-x, (1, 1, 1, 1)), 3, 1)           # a border of zeros is the minimum
    cross = [sign * torch.maximum(pool(sign * x, (3, 1), 1, (1, 0)), pool(sign * x, (1, 3), 1, (0, 1)))
             for sign in (1, -1)]
    blurred = torch.nn.functional.avg_pool2d(x, 3, 1, 1)
    together = "that is one pen for the whole batch; each image has its own."
    signs = "the minimum of x is minus the maximum of -x: count the minus signs."
    landed = "sizes are matched from the right. On which dimension of x did your [B] land?"
    return [
        (x + more * (thick - x) + less * (bordered - x), "right inside, wrong at the border: does your minimum take "
                                                         "what lies outside the image for 0?"),
        *((x + more * (thick - x) + less * (wrong - x), signs) for wrong in (-thin, -thick)),
        *((x + more * (thick - x) + less * wrong, "a negative pen thickens too: where should it lead, and with which "
           "sign?") for wrong in (x - thin, thick - x)),
        (_drawn_with(x, -p), "thick and thin have changed places."),
        (_drawn_with(x, p, size=5), "how many pixels wide is the neighbourhood?"),
        (x + more * (cross[0] - x) + less * (cross[1] - x), "the corners of the 3 x 3 neighbourhood count too."),
        (_drawn_with(x, p.sign()), "that is a switch: thick, thin or neither. A pen of 0.5 goes half the way."),
        *((_drawn_with(x, one), together) for one in (pens.mean(), pens[0], pens[-1])),
        (x + more * (thick - x), "what does a negative pen do?"),
        (x + less * (thin - x), "what does a positive pen do?"),
        (x + p * (thick - x), "a negative pen goes away from the maximum; where should it lead?"),
        (more * thick + less * thin, "a pen of 0 should leave the image as it is."),
        *((x + more * thick + sign * less * thin, "blend: how far is it from x to the maximum?") for sign in (1, -1)),
        (x + p.abs() * (blurred - x), "that is the mean of the neighbourhood."),
        *((_drawn_with(x, pens.view(sizes)), landed) for sizes in ((4,), (4, 1)) if b == 4),
    ]


def mismatch(function):
    """Check `function(D, real, example, weight) -> scalar`: -weight E log(1 - D) of real drawings of the wrong class.

    real, example float [B, 1, H, W], their rows of different classes; D(image, example) -> logits [B]. Beside each
    example goes the real drawing of the row before.
    """
    softplus = torch.nn.functional.softplus
    for scale, weight, b in ((1.0, 0.5, 5), (90.0, 1.7, 6)):    # at first where all is harmless; then where D is sure
        _, D, real, example, _ = players_of_pairs(scale, b)
        given = real.clone(), example.clone()
        loss = finite_loss(function(D, *given, weight))
        before = real.roll(1, dims=0)
        wrong, fitting, after, pixels, swapped, of_examples, backwards = (
            D(*pair).detach() for pair in (
                (before, example), (real, example), (real.roll(-1, dims=0), example), (real.roll(1), example),
                (example, before), (example.roll(1, dims=0), example), (real.flip(0), example)))
        right = weight * softplus(D(before, example)).mean()
        compare(loss, right.detach(), [
            (weight * softplus(after).mean(), "beside each example stands the drawing of the row after: which way does "
                                              "your roll go?"),
            (weight * softplus(fitting).mean(), "each drawing stands beside an example of its own class: nothing has "
                                                "moved."),
            (weight * softplus(pixels).mean(), "without a dimension, roll moves the pixels, from image to image."),
            (weight * softplus(swapped).mean(), "what does D take first, what second?"),
            (weight * softplus(of_examples).mean(), "no drawing of `real` is left: which of the two should be real but "
                                                    "wrong?"),
            (weight * softplus(backwards).mean(), "upside down, the middle row of an odd batch meets its own class."),
            *((weight * softplus(-logits).mean(), "this rewards D for taking the wrong class for right. Which sign "
                                                  "does the logit need?") for logits in (wrong, fitting)),
            (-right.detach(), "D minimises this: to be taken in must cost something, and -log(1 - D) is positive."),
            (right.detach() / weight, "where is the weight?"),
            (b * right.detach(), "that is the sum. A mean does not change with the size of the batch."),
            (weight * wrong.sigmoid().mean(), "a probability; where is the logarithm?"),
            (weight * wrong.mean(), "that is the mean logit: no sigmoid, no logarithm."),
        ], "beside each example, the real drawing of the row before; then minus the logarithm of 1 - D, averaged."
            if scale == 1 else SURE)
        check_gradient(loss, D.weight, torch.autograd.grad(right, D.weight))
        check_unchanged(real=(given[0], real), example=(given[1], example))
    done("mismatch: D pays for every real drawing that it takes for a drawing of another character.")


def _check_pair(classes, classes_of_example, drawings, drawings_of_example):
    require(classes == classes_of_example, f"examples of classes {classes}, as in real", f"{classes_of_example}",
             "both drawings of a row are of one class. Were the classes chosen twice, or the rows of one result moved?")
    require(len(set(classes)) == len(classes), f"{len(classes)} different classes", f"{classes}",
             "a class came twice. Was it drawn, put back, and drawn again?")
    require(all(a != b for a, b in zip(drawings, drawings_of_example)), "two different drawings of each class",
             f"drawings {drawings} beside {drawings_of_example}",
             "a drawing stands beside itself, and G would learn to copy. Was it put back before the second was drawn?")


def _check_all_pairs(places):
    """places [batches, n, 2]: 5 * class + drawing. All sets of 4 out of 6 classes, all 20 pairs, equally often."""
    drawn, sets = places % 5, {tuple(sorted(batch)) for batch in (places[:, :, 0] // 5).tolist()}
    require(len(sets) == 15, "each of the 15 ways to choose 4 of 6 classes in the course of 300 batches",
             f"only {len(sets)}", "which classes, or which classes together, can your code never draw?")
    for i, name in enumerate(("real", "example")):
        reached = drawn[:, :, i].unique().tolist()
        require(len(reached) == 5, f"all 5 drawings of a class as {name} in the course of 300 batches",
                 f"only {reached}", "which drawings can your code never reach?")
    counts = torch.bincount((5 * drawn[:, :, 0] + drawn[:, :, 1]).flatten(), minlength=25).view(5, 5)
    counts = counts[~torch.eye(5, dtype=torch.bool)].double()                       # [20], 60 of each expected
    require(bool(counts.all()), "all 20 pairs (real, example) of 5 drawings", f"only {(counts > 0).sum()}",
             "each drawing comes, but not beside each other one. Does the first decide too much about the second?")
    require(bool((drawn != drawn[:, :1]).any()), "each class with a choice of its own",
             "the same two drawings of all classes in a batch", "how many times does your code draw for n classes?")
    require(((counts - 60)**2 / 60).sum() < 70, "every pair of drawings about 60 times in 300 batches",
             f"from {counts.min():.0f} to {counts.max():.0f} times",
             "all pairs come, some too often. What happens where the same drawing comes twice?")
