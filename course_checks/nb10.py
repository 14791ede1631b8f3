"""Checks of the exercises of notebook 10, where samples help."""

import itertools

import torch

from ._base import (
    NotYet,
    check,
    check_unchanged,
    compare,
    done,
    identify,
    numbered_images,
    require,
    returned,
    shaped,
    tensor,
)


@check
def averaged_features(function):
    """Check `function(features, x, augment, n) -> [B, F]`: mean features of x [B, 1, H, W] and n - 1 copies of it.

    features maps images [M, 1, H, W] to [M, F], augment images to new drawings of the same shape.
    """
    for b, f, n in ((4, 4, 5), (5, 3, 3), (3, 5, 1)):       # equal sizes let mistakes run
        x, weight = numbered_images(b, 1)[:, 0] / 255, torch.randn(16, f, generator=torch.Generator().manual_seed(f))
        drawn, (features, augment) = [], _features_and_augmentation(weight, torch.Generator().manual_seed(n))
        given = x.clone()
        try:
            answer = function(features, given, lambda images, new=augment, drawn=drawn: new(images, drawn), n)
        except (ArithmeticError, LookupError, RuntimeError) as error:
            if n > 1:
                raise
            raise NotYet(f"expected the features of x for n = 1; got {type(error).__name__}. Hint: for n = 1 there are "
                         "no copies, only the image itself. What does your code make of no copies at all?") from error
        came = tensor(*returned([answer] if isinstance(answer, list) else answer, "the features"), "the features")
        shaped(came, (b, f), "features", {
            (n, b, f): "those are the features of every copy. Over which dimension goes the mean?",
            (n * b, f): "that is a row for each copy. Which rows are copies of the same image?",
            tuple(x.shape): "those are images. What does `features` make of them?",
        }, "each image should have one row of features. Over what else than its copies do you average?")
        _check_copies(came, features, x, drawn, n)
        check_unchanged(x=(given, x))
    done("averaged_features: the image and n - 1 new drawings of it, seen by the network one by one, then averaged.")


def _features_and_augmentation(weight, rng):
    """features(images) and augment(images, drawn), which adds its copies to `drawn`; their pixels tell of what."""
    def well_shaped(images, name):
        require(images.dim() == 4 and images.shape[1:] == (1, 4, 4), f"images [B, 1, 4, 4] for `{name}`",
                f"{list(images.shape)}", "torch.cat puts images behind each other, and torch.stack makes a new "
                "dimension. Which do you use?")
        return images

    def features(images):
        return (3 * well_shaped(images, "features").flatten(1) @ weight).cos()

    def augment(images, drawn):
        new = torch.rand(well_shaped(images, "augment").shape, generator=rng)
        new[..., 0, :2] = images[..., 0, :2] + torch.tensor([0, 10 / 255])
        drawn.append(new)
        return new
    return features, augment


_LEFT_OUT = "the drawing itself is missing, the only one that is surely right. Where does it enter the mean?"


def _check_copies(came, features, x, drawn, n):
    """came: the answer [B, F]. drawn: all that `augment` drew."""
    drawn = torch.cat([x[:0], *drawn])
    origins, of_drawn = identify(drawn) if len(drawn) else [], features(drawn)
    expected = f"{n - 1} augmented copies of each of {len(x)} images"
    require(n > 1 or not len(drawn), "no call of `augment` for n = 1", f"{len(drawn)} copies",
            "for n = 1 the image itself is all. Why does your code make a copy?")
    whose = torch.tensor([place for place, _ in origins], dtype=torch.long)
    counts = [(whose == i).sum().item() for i in range(len(x))]
    require(sum(counts) == len(drawn), expected, "copies of other images", "x is no longer as it was. Where does it "
            "change?")
    require(all(times == 1 for _, times in origins), expected, "copies of copies",
            "some copies were augmented twice, and drift away from the character. From which image should each begin?")
    alone = torch.stack([of_drawn[whose == i].mean(0) for i in range(len(x))])
    require(n == 1 or not torch.allclose(came, alone, atol=1e-5), "a mean over x and its copies",
            "one over copies only", _LEFT_OUT)
    require(counts == [n - 1] * len(x), expected, f"{counts}", {
        0: "your code never calls `augment`. Where does it come in?",
        1: "one copy, taken n - 1 times, is still one drawing. When is a new one made?",
        n: "you make n copies, which are n + 1 drawings with x. How many should there be in all?",
    }.get(counts[0], "x is one of the n drawings that are averaged. How many are left to make?"))
    copies = [torch.stack([drawn[whose == i][k] for i in range(len(x))]) for k in range(n - 1)]     # each [B, 1, H, W]
    again = itertools.cycle(copies)             # each mistake asks for all of them, in turn
    right = torch.stack([features(image) for image in (x, *copies)]).mean(0)
    compare(came, right, MISTAKES["averaged_features"] if n > 1 else [], (features, x, lambda images: next(again), n),
            "take one image: its own features, those of its n - 1 copies, and the mean of these n rows.")


def _mean_with(use):
    """`use` gets the features [n, B, F] of the images and of their n - 1 copies."""
    return lambda features, x, augment, n: use(
        torch.stack([features(x)] + [features(augment(x)) for _ in range(n - 1)]))


_DIVIDE = "the sum is divided by the wrong number. How many drawings are averaged?"
_MEAN_MISTAKES = [
    (_mean_with(lambda rows: rows.sum(0)), "that is the sum, and it grows with n. How do you make a mean of it?"),
    (lambda features, x, augment, n: features(torch.stack([x] + [augment(x) for _ in range(n - 1)]).mean(0)),
     "that is the network's view of the mean image, a blur that nobody drew. Which comes first, features or mean?"),
    (_mean_with(lambda rows: rows.sum(0) / (len(rows) - 1)), _DIVIDE),
    (_mean_with(lambda rows: rows.sum(0) / (len(rows) + 1)), _DIVIDE),
    (_mean_with(lambda rows: rows[0]), "the copies are drawn, but not used. Where do their features enter?"),
    (_mean_with(lambda rows: (rows[0] + rows[1:].mean(0)) / 2),
     "you weight x as much as all copies together. How much should each of the n drawings count?"),
    (_mean_with(lambda rows: rows[1:].sum(0) / len(rows)), _LEFT_OUT),
]


@check
def critic_weights(function):
    """Check `function(logits) -> weights [n, B]`: proportional to e^logit, with sum 1 over n. logits [n, B]."""
    rng = torch.Generator().manual_seed(9)
    small = [2 * torch.randn(n, b, generator=rng) for n, b in ((4, 4), (5, 3))]
    large = torch.randn(4, 3, generator=rng) + torch.tensor([200., -200., 0])
    large[:2, 2] = torch.tensor([200., -200.])
    for logits in (*small, large):          # at large logits the mistakes are infinite, and tell nothing
        given = logits.clone()
        came = _weights(function(given), logits)
        require(not came.isnan().any(), "numbers at any logit", "nan",
                "in float32, e^200 is infinite and e^-200 is 0. What may be added to all logits of one example "
                "without changing its weights?")
        compare(came, logits.softmax(0), MISTAKES["critic_weights"] if logits is not large else [], (logits,),
                "take one column: e^logit of each drawing, divided by the sum of these powers."
                if logits is not large else _ONLY_SMALL, tolerance=1e-3)
        check_unchanged(logits=(given, logits))
    done("critic_weights: proportional to e^logit, with sum 1 for every example, at any logit.")


_ONLY_SMALL = ("this fits while logits are small, not when they are large. Is something clamped, or added to a sum? "
               "Only differences within a column matter.")
_TURNED = "drawings and examples have changed places. Which of them are the rows of logits?"


def _weights(answer, logits):
    n, b = logits.shape
    came = tensor(*returned([answer] if isinstance(answer, list) else answer, "weights"), "weights")
    shaped(came, (n, b), "weights", {(b, n): _TURNED},
           "some drawings have no weight, not even 0. Which of them does your answer leave out?")
    require(came.is_floating_point(), "weights as floats", f"{came.dtype}",
            "a weight is neither a position nor a yes or no. Which part of the whole does a drawing get?")
    return came


_PROBABILITY = "a sigmoid is D's probability, at most 1. What is e to the power of the logit?"
_SUM = "e^logit is right, but the weights of an example must sum to 1. What are the powers divided by?"
_CRITIC_MISTAKES = [
    (lambda logits: logits.softmax(0).T, _TURNED),
    (lambda logits: logits.softmax(1),
     "the weights sum to 1 over the examples. They should do so over the n drawings: which dimension is that?"),
    (lambda logits: logits.flatten().softmax(0).view_as(logits),
     "the weights sum to 1 over all examples together, but each example has a mean of its own. Which weights belong to "
     "it?"),
    (lambda logits: logits.sigmoid() / logits.sigmoid().sum(0), _PROBABILITY),
    (lambda logits: logits.sigmoid(), _PROBABILITY),
    (lambda logits: logits.sigmoid().softmax(0), _PROBABILITY),
    (lambda logits: logits, "those are the logits, not e to their power. Are they all positive, as weights are?"),
    (lambda logits: logits / logits.sum(0),
     "you normalise the logits themselves, and some are negative. Exponentiate them first: where is exp(logit)?"),
    (lambda logits: logits.log_softmax(0), "those are the logarithms of the weights. What takes a logarithm back?"),
    (lambda logits: logits.exp(), _SUM),
    (lambda logits: logits.exp() / len(logits), _SUM),
    (lambda logits: (-logits).softmax(0),
     "that is 1 / e^logit, so the worst drawing would count most. Which sign does the logit need?"),
    (lambda logits: torch.full_like(logits, 1 / len(logits)), "all weights are alike. What do D's logits say?"),
    (lambda logits: (logits == logits.amax(0)).float(),
     "you give all the weight to the best drawing. How much does e^logit give the others?"),
]


@check
def critic_filter(function):
    """Check `function(logits, keep) -> weights [n, B]`: 1 / keep for the keep highest logits of each column, else 0."""
    rng = torch.Generator().manual_seed(0)
    for n, b, keep in ((4, 4, 2), (6, 3, 2), (5, 3, 1), (3, 5, 3)):
        logits = torch.randn(n, b, generator=rng) + 1.5 * torch.arange(b) - 1.5     # some columns lie higher
        given = logits.clone()
        came = _weights(function(given, keep), logits)
        kept, right = came != 0, _highest(logits, keep)
        hints = [hint for wrong, hint in MISTAKES["critic_filter"] if torch.equal(kept, wrong(logits, keep) != 0)]
        for i in (kept != right).any(0).nonzero().flatten().tolist()[:1]:
            rows, wanted = (of[:, i].nonzero().flatten().tolist() for of in (kept, right))
            column = [round(x, 2) for x in logits[:, i].tolist()]
            require(False, f"weight for drawings {wanted} of example {i}, whose logits are {column}, keep = {keep}",
                    f"weight for {rows}", [*hints, "sort one column: which are its `keep` highest logits?"][0])
        compare(came, right / keep, MISTAKES["critic_filter"], (logits, keep),
                "you keep the right ones, but with other weights. How do they share a weight of 1 evenly?")
        check_unchanged(logits=(given, logits))
    done("critic_filter: the best of each example share its weight, the others have none.")


def _highest(logits, keep, dim=0):
    """bool, in the shape of logits: the `keep` highest along a dimension."""
    best = logits.topk(min(keep, logits.shape[dim]), dim=dim).indices
    return torch.zeros_like(logits, dtype=torch.bool).scatter(dim, best, True)


_MERGED = "that is the best of all columns together: some examples keep many, others none. How many has each column?"
_THRESHOLD = "that is a threshold, and how many pass it differs. How many should be kept of each column?"
_ORDER = "argsort says which drawing has rank 0, 1, ... What says which rank a drawing has?"
_FILTER_MISTAKES = [
    (lambda logits, keep: _highest(-logits, keep) / keep,
     "those are the worst. Does your sort begin with the smallest?"),
    (lambda logits, keep: _highest(logits, keep, dim=1) / keep,
     "that compares examples with each other. Which dimension counts the drawings?"),
    (lambda logits, keep: torch.ones_like(logits) / keep, "all drawings have weight. Which get 0?"),
    (lambda logits, keep: _highest(logits.flatten(), keep * logits.shape[1]).view_as(logits) / keep, _MERGED),
    (lambda logits, keep: _highest(logits.flatten(), keep).view_as(logits) / keep, _MERGED),
    (lambda logits, keep: (logits > 0) / keep, _THRESHOLD),
    (lambda logits, keep: (logits > logits.mean(0)) / keep, _THRESHOLD),
    (lambda logits, keep: (logits > logits.mean()) / keep, _THRESHOLD),
    (lambda logits, keep: _highest(logits, keep - 1) / keep,
     "you keep one too few. Is the last of the best equal to your bound, or above it?"),
    (lambda logits, keep: _highest(logits, keep + 1) / keep, "you keep one too many. From where do you count?"),
    (lambda logits, keep: (torch.arange(len(logits))[:, None] < keep).expand_as(logits) / keep,
     "those are the first rows. Where are the best before they are sorted?"),
    (lambda logits, keep: (logits.argsort(0, descending=True) < keep) / keep, _ORDER),
    (lambda logits, keep: (logits.argsort(0) < keep) / keep, _ORDER),
    (lambda logits, keep: _highest(logits, keep).float(),
     "you keep the right ones, but a mean needs weights that sum to 1 in each column. What is the sum of yours?"),
    (lambda logits, keep: _highest(logits, keep) / len(logits),
     "you divide by n, as many drawings as were made. How many share the weight?"),
    (lambda logits, keep: _highest(logits, keep) / (keep * logits.shape[1]),
     "the weights sum to 1 over all examples together, but each has a mean of its own. Which weights belong to it?"),
    (lambda logits, keep: logits.masked_fill(~_highest(logits, keep), -torch.inf).softmax(0),
     "you keep the right ones, but weight them by their logits. What would be an even share?"),
    (lambda logits, keep: _highest(logits, keep) * logits, "those are the logits of the best. What is their weight?"),
    (lambda logits, keep: _highest(logits, keep) * logits.softmax(0),
     "you keep the right ones, but their weights are neither even nor of sum 1 in each column. What does each get?"),
]

MISTAKES = {"averaged_features": _MEAN_MISTAKES, "critic_weights": _CRITIC_MISTAKES, "critic_filter": _FILTER_MISTAKES}
