"""Checks of the exercises of notebook 08, from one example."""

import torch
from torch.nn.functional import avg_pool2d, max_pool2d, pad, softplus

from ._base import (
    SURE,
    NotYet,
    check,
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


@check
def pairs(function):
    """Check `function(images, n, rng) -> (real, example)`: n classes, two different drawings of each.

    images float [C, M, 1, H, W] -> [n, 1, H, W] twice. No class comes twice, and their order is random. All randomness
    from `rng`.
    """
    images = torch.arange(30.).view(6, 5, 1, 1, 1).expand(6, 5, 1, 2, 3)       # every pixel tells class and drawing
    same, batches = torch.Generator().manual_seed(0), []
    for n, rng in [(4, same)] * 300 + [(4, torch.Generator().manual_seed(0)), (6, same)]:
        given = images.clone()
        answer = returned(function(given, n, rng), "real", "example")
        check_unchanged(images=(given, images))
        for x, name in zip(answer, ("real", "example")):
            require(tensor(x, name).shape == (n, 1, 2, 3), f"{name} of shape [{n}, 1, 2, 3]", f"{list(x.shape)}",
                    "return one whole drawing for each of the n classes. Does your code work for every n up to C?")
            require(x.dtype == images.dtype, f"{name} in the type of `images`, {images.dtype}", f"{x.dtype}",
                    "return the drawings as they are in `images`. Which line changes their type?")
            places = x[:, 0, 0, 0].long().clamp(0, 29)
            require(torch.equal(x.float(), images.flatten(0, 1)[places]), f"{name}: drawings out of `images`",
                    "others", "the drawings are not as they were in `images`. Which line changes them?")
        places = torch.stack(answer, dim=1)[:, :, 0, 0, 0].long()                   # [n, 2]
        _check_pair(*places.div(5, rounding_mode="floor").T.tolist(), *(places % 5).T.tolist())
        batches.append(places.tolist())
    require(any(batch != batches[0] for batch in batches[:300]), "another batch at every call", "the same 300 times",
            "every call gives the same batch. Does your code seed `rng`, or not sample at all?")
    require(batches[300] == batches[0], "the same batch from an rng in the same state", "another one",
            "some of the randomness does not come from `rng`. Which call samples without it?")
    _check_all_pairs(torch.tensor(batches[:300]))
    done("pairs: each row shows one class in two drawings, and every pair of drawings is as likely as another.")


def _check_pair(classes, classes_of_example, drawings, drawings_of_example):
    require(classes == classes_of_example, f"examples of classes {classes}, as in real", f"{classes_of_example}",
            "the two drawings of a row are of different classes. Were the classes chosen twice, or the rows of one "
            "result moved?")
    require(len(set(classes)) == len(classes), f"{len(classes)} different classes", f"{classes}",
            "a class came twice. Was it sampled, put back, and sampled again?")
    require(all(a != b for a, b in zip(drawings, drawings_of_example)), "two different drawings of each class",
            f"drawings {drawings} beside {drawings_of_example}",
            "a drawing is paired with itself, so G would learn to copy. Was it put back before the second was sampled?")


def _check_all_pairs(places):
    """places [batches, n, 2]: 5 * class + drawing. All sets of 4 out of 6 classes, all 20 pairs, equally often."""
    drawn, sets = places % 5, {tuple(sorted(batch)) for batch in (places[:, :, 0] // 5).tolist()}
    require(len(sets) == 15, "each of the 15 ways to choose 4 of 6 classes in the course of 300 batches",
            f"only {len(sets)}", "some sets of classes never come. Which classes, or which classes together, can your "
            "code never choose?")
    for i, name in enumerate(("real", "example")):
        reached = drawn[:, :, i].unique().tolist()
        require(len(reached) == 5, f"all 5 drawings of a class as {name} in the course of 300 batches",
                f"only {reached}", "some drawings never come. Which drawings can your code never reach?")
    for row in range(4):
        reached = len((places[:, row, 0] // 5).unique())
        require(reached == 6, f"each of the 6 classes in row {row} in the course of 300 batches", f"only {reached}",
                "the classes are sampled, but not their order, and section 4 pairs each row with the row before. Is "
                "the order random too?")
    counts = torch.bincount((5 * drawn[:, :, 0] + drawn[:, :, 1]).flatten(), minlength=25).view(5, 5)
    counts = counts[~torch.eye(5, dtype=torch.bool)].double()                       # [20], 60 of each expected
    require(bool(counts.all()), "all 20 pairs (real, example) of 5 drawings", f"only {(counts > 0).sum()}",
            "every drawing comes, but not every pair of drawings. Does the first decide too much about the second?")
    require(bool((drawn != drawn[:, :1]).any()), "each class with a choice of its own",
            "the same two drawings of all classes in a batch",
            "all classes of a batch share one choice of drawings. How many times does your code sample for n classes?")
    for row in range(4):
        reached = len({tuple(pair) for pair in drawn[:, row].tolist()})
        require(reached == 20, f"all 20 pairs of drawings in row {row} in the course of 300 batches", f"only {reached}",
                f"row {row} has too few pairs of drawings to choose from. Is its class treated as the others are?")
    require(((counts - 60)**2 / 60).sum() < 70, "every pair of drawings about 60 times in 300 batches",
            f"from {counts.min():.0f} to {counts.max():.0f} times",
            "all pairs come, some too often. What happens where the same drawing comes twice?")


@check
def stroke_width(function):
    """Check `function(x, stroke_width) -> [B, 1, H, W]`: strokes of images x [B, 1, H, W], thicker or thinner.

    With w = stroke_width [B]: x + relu(w) (maximum over 3 x 3 - x) + relu(-w) (minimum over 3 x 3 - x), differentiable
    in x and w.
    """
    rng = torch.Generator().manual_seed(5)
    for shape, widths in (((4, 1, 4, 4), (1, -1, 0.5, -0.3)), ((5, 1, 7, 6), (0.7, 0, -0.6, -1, 0.25))):
        x = torch.rand(shape, generator=rng).requires_grad_()
        widths = torch.tensor(widths, dtype=torch.float32).requires_grad_()
        given = x.clone(), widths.clone()
        answer = tensor(*returned(_blended(function, *given), "the images"), "the images")
        check_unchanged(x=(given[0], x), stroke_width=(given[1], widths))
        require(answer.shape == shape, f"the shape of x, {list(shape)}", f"{list(answer.shape)}",
                "a dimension of size 1 is lost. Where does it go?" if answer.numel() == x.numel() else
                "each image has its own stroke width, and sizes are matched from the right. On which dimension did "
                "your [B] land?")
        right = _blend()(x, widths)
        compare(answer, right, MISTAKES["stroke_width"], (x, widths),
                "take one image and its stroke width. How far does each pixel move, and towards which of its nine "
                "neighbours?")
        require(answer.requires_grad, "images with a graph that leads back to stroke_width", "images without one",
                "G learns the stroke width by its gradient. Is something detached, or is there an .item()?")
        weights = torch.randn(shape, generator=rng)
        came, wanted = (torch.autograd.grad((weights * y).sum(), (widths, x), materialize_grads=True)
                        for y in (answer, right))
        for name, a, b in zip(("stroke_width", "x"), came, wanted):
            a, b = (torch.where(widths == 0, 0, each) if name != "x" else each for each in (a, b))   # at 0, a corner
            require(bool(a.any()), f"a gradient of {name}", "zeros",
                    f"the images are right, but no gradient flows back to {name}. Which line cuts the graph?")
            compare(a, b, [], (),
                    f"the images are right, but the gradient that flows back to {name} is not. Was part detached?")
    done("stroke_width: every image thicker or thinner by its own degree, and a gradient to learn it by.")


def _blended(function, x, stroke_width):
    """What `function` returns, or a hint where torch refuses its sizes or its `if`."""
    try:
        return function(x, stroke_width)
    except RuntimeError as error:
        hints = {"must match the size": "maximum and minimum must be as large as x. Which arguments of max_pool2d set "
                                        "the jump and the border? Look for those which keep the size.",
                 "Boolean value": "stroke_width has one number for each image, and `if` asks for one answer. Which "
                                  "function keeps the positive part of every number?"}
        hint = next((hints[words] for words in hints if words in str(error)), None)
        if hint is None:
            raise
        raise NotYet(f"expected images of the size of x, {list(x.shape)}; got an error of torch, '{error}'. Hint: "
                     f"{hint}") from error


def _thickest(x, size=3):
    return max_pool2d(x, size, 1, size // 2)


def _thinnest(x, size=3):
    return -_thickest(-x, size)


def _cross(x):
    return torch.maximum(max_pool2d(x, (3, 1), 1, (1, 0)), max_pool2d(x, (1, 3), 1, (0, 1)))


def _blend(thick=_thickest, thin=_thinnest, by=lambda w: w[:, None, None, None]):
    """The blend at stroke widths `by(w)`, with one mistake or none."""
    def blend(x, stroke_width):
        w = by(stroke_width)
        return x + w.relu() * (thick(x) - x) + (-w).relu() * (thin(x) - x)
    return blend


def _blend_by(use):
    """`use` gets x, its maximum and its minimum, and the positive and negative parts of w, [B, 1, 1, 1]."""
    def blend(x, stroke_width):
        w = stroke_width[:, None, None, None]
        return use(x, _thickest(x), _thinnest(x), w.relu(), (-w).relu())
    return blend


_SIGNS = "a minus sign is missing: the minimum of x is minus the maximum of -x. How many do you have?"
_TOO_THICK = "a negative stroke width thickens too. Where should it lead, and with which sign?"
_TOGETHER = "that is one stroke width for the whole batch. Which one belongs to each image?"
_DISTANCE = "you add the maximum itself to x. How far is it from x to the maximum?"
_LANDED = ("stroke_width goes along the pixels: sizes are matched from the right. On which dimension of x did your [B] "
           "land?")
_WIDTH_MISTAKES = [
    (_blend(thin=lambda x: -max_pool2d(pad(-x, (1, 1, 1, 1)), 3, 1)),
     "right inside, wrong at the border. Does your minimum take what lies outside the image for 0?"),
    (_blend(lambda x: max_pool2d(x, 3), lambda x: -max_pool2d(-x, 3)),
     "the square jumps by 3 pixels, so it visits few of them. Which argument sets the jump, and which the border?"),
    (_blend(thin=lambda x: _thickest(-x)), _SIGNS),
    (_blend(thin=lambda x: -_thickest(x)), _SIGNS),
    (_blend_by(lambda x, thick, thin, more, less: x + more * (thick - x) - less * (thin - x)), _TOO_THICK),
    (_blend(thin=_thickest), _TOO_THICK),
    (_blend(_thinnest, _thickest), "thick and thin have changed places. Which of them is the maximum?"),
    (_blend(lambda x: _thickest(x, 5), lambda x: _thinnest(x, 5)),
     "the neighbourhood is too large. How many pixels wide is it?"),
    (_blend(_cross, lambda x: -_cross(-x)), "the corners of the 3 x 3 square are missing. What shape has yours?"),
    (_blend(by=lambda w: w.sign()[:, None, None, None]),
     "that is a switch between thick, thin and neither. How far should a stroke width of 0.5 go?"),
    (_blend_by(lambda x, thick, thin, more, less: thin + (1 + more - less) / 2 * (thick - thin)),
     "you go in one line from minimum to maximum, and x is not on that line. What should 0 give?"),
    *((_blend(by=one), _TOGETHER) for one in (torch.mean, lambda w: w[0], lambda w: w[-1])),
    (_blend_by(lambda x, thick, thin, more, less: x + more * (thick - x)),
     "a negative stroke width changes nothing. What should it do?"),
    (_blend_by(lambda x, thick, thin, more, less: x + less * (thin - x)),
     "a positive stroke width changes nothing. What should it do?"),
    (_blend_by(lambda x, thick, thin, more, less: x + (more - less) * (thick - x)),
     "a negative stroke width goes away from the maximum. Where should it lead?"),
    (_blend_by(lambda x, thick, thin, more, less: more * thick + less * thin),
     "a stroke width of 0 should leave the image as it is, not erase it. Which part of x belongs in the blend?"),
    (_blend_by(lambda x, thick, thin, more, less: x + more * thick + less * thin), _DISTANCE),
    (_blend_by(lambda x, thick, thin, more, less: x + more * thick - less * thin), _DISTANCE),
    (_blend_by(lambda x, thick, thin, more, less: x + (more + less) * (avg_pool2d(x, 3, 1, 1) - x)),
     "that is the mean of the neighbourhood. Which of its values makes strokes thick, and which thin?"),
    *((_blend(by=landing), _LANDED) for landing in (lambda w: w, lambda w: w[:, None])),
]


@check
def mismatch(function):
    """Check `function(D, real, example, weight) -> scalar`: -weight E log(1 - D) of real drawings of the wrong class.

    real, example float [B, 1, H, W], their rows of different classes; D(image, example) -> logits [B]. Each example is
    paired with the real drawing of the row before.
    """
    for scale, weight, b in ((1.0, 0.7, 5), (90.0, 1.7, 6)):    # at first where all is harmless; then where D is sure
        _, D, real, example, _ = players_of_pairs(scale, b)
        given = real.clone(), example.clone()
        answer, right = function(D, *given, weight), _cost()(D, real, example, weight)
        require(not (isinstance(answer, torch.Tensor) and answer.isnan().any()), "a finite loss at any logit", "nan",
                "the logarithm of a negative number is nan. D returns logits. What makes a probability of a logit?")
        loss = finite_loss(answer)
        compare(loss, right, MISTAKES["mismatch"], (D, real, example, weight),
                "pair each example with the real drawing of the row before. Then average minus the logarithm of 1 - D."
                if scale == 1 else SURE)
        check_gradient(loss, D.weight, torch.autograd.grad(right, D.weight))
        check_unchanged(real=(given[0], real), example=(given[1], example))
    done("mismatch: D pays for every real drawing that it takes for a drawing of another character.")


def _cost(pair=lambda real, example: (real.roll(1, dims=0), example),
          of=lambda logits, weight: weight * softplus(logits).mean()):
    """The third term with one mistake or none: `pair` chooses what D gets, `of` what its logits cost."""
    return lambda D, real, example, weight: of(D(*pair(real, example)), weight)


_REWARD = "this rewards D for taking the wrong class for right. Which sign does the logit need?"
_MISMATCH_MISTAKES = [
    (_cost(lambda real, example: (real.roll(-1, dims=0), example)),
     "each example is paired with the drawing of the row after. Which way does your roll go?"),
    (_cost(lambda real, example: (real, example)),
     "each drawing is paired with an example of its own class. Which of the two should move?"),
    (_cost(lambda real, example: (real.roll(1), example)),
     "without a dimension, roll moves the pixels from image to image. Which dimension counts the images?"),
    (_cost(lambda real, example: (example, real.roll(1, dims=0))),
     "image and example have changed places. What does D take first, what second?"),
    (_cost(lambda real, example: (example.roll(1, dims=0), example)),
     "no drawing of `real` is left. Which of the two should be real but wrong?"),
    (_cost(lambda real, example: (real.flip(0), example)),
     "upside down, the middle row of an odd batch meets its own class. How can every row move?"),
    (_cost(of=lambda logits, weight: weight * softplus(-logits).mean()), _REWARD),
    (_cost(lambda real, example: (real, example), lambda logits, weight: weight * softplus(-logits).mean()), _REWARD),
    (_cost(of=lambda logits, weight: -weight * softplus(logits).mean()),
     "the sign is wrong: D minimises this, so a mistake must cost something. Is -log(1 - D) positive or negative?"),
    (_cost(of=lambda logits, weight: softplus(logits).mean()), "the weight is missing. Where does it enter?"),
    (_cost(of=lambda logits, weight: 0.5 * softplus(logits).mean()),
     "your weight is 0.5 whatever the caller gives, and an argument may have another value. Which name has it?"),
    (_cost(of=lambda logits, weight: weight * softplus(logits - 1).mean()),
     "1 - D is a probability, and you took 1 minus the logit. What is the logit of 1 - D?"),
    (_cost(of=lambda logits, weight: weight * softplus(logits).sum()),
     "that is the sum, and it grows with the batch. How do you make a mean of it?"),
    (_cost(of=lambda logits, weight: weight * logits.sigmoid().mean()),
     "that is a probability. Where is the logarithm?"),
    (_cost(of=lambda logits, weight: weight * logits.mean()),
     "that is the mean logit. Where are the sigmoid and the logarithm?"),
]

MISTAKES = {"stroke_width": _WIDTH_MISTAKES, "mismatch": _MISMATCH_MISTAKES}
