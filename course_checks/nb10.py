"""Checks of the exercises of notebook 10, where samples help."""

import torch

from ._base import NotYet, check_unchanged, compare, done, identify, numbered_images, require, returned, shaped, tensor


def averaged_features(function):
    """Check `function(features, x, vary, n) -> [B, F]`: mean features of x [B, 1, H, W] and n - 1 variations of it.

    features maps images [M, 1, H, W] to [M, F], vary images to new drawings of the same shape.
    """
    for b, f, n in ((4, 4, 5), (5, 3, 3), (3, 5, 1)):       # equal sizes let mistakes run
        x, weight = numbered_images(b, 1)[:, 0] / 255, torch.randn(16, f, generator=torch.Generator().manual_seed(f))
        drawn, (features, vary) = [], _features_and_variation(weight, torch.Generator().manual_seed(n))
        given = x.clone()
        try:
            answer = function(features, given, lambda images, vary=vary, drawn=drawn: vary(images, drawn), n)
        except (ArithmeticError, LookupError, RuntimeError) as error:
            if n > 1:
                raise
            raise NotYet(f"expected the features of x for n = 1; got {type(error).__name__}. Hint: one version is the "
                         "image itself. What does your code make of no variations at all?") from error
        came = tensor(*returned([answer] if isinstance(answer, list) else answer, "the features"), "the features")
        shaped(came, (b, f), "features", {
            (n, b, f): "those are the versions' features. Over which dimension goes the mean?",
            (n * b, f): "a row for each version. One for each image: which rows are versions of the same one?",
            tuple(x.shape): "those are images. What does `features` make of them?",
        }, "a row of features for each image: the mean goes over its versions, and over nothing else.")
        _check_versions(came, features, x, drawn, n)
        check_unchanged(x=(given, x))
    done("averaged_features: the image and n - 1 new drawings of it, seen by the network one by one, then averaged.")


def _features_and_variation(weight, chance):
    """features(images) and vary(images, drawn), which keeps what it draws in `drawn`; its pixels tell whose it is."""
    def well_shaped(images, name):
        require(images.dim() == 4 and images.shape[1:] == (1, 4, 4), f"images [B, 1, 4, 4] for `{name}`",
                 f"{list(images.shape)}", "torch.cat puts images behind each other; torch.stack makes a new dimension.")
        return images

    def features(images):
        return (3 * well_shaped(images, "features").flatten(1) @ weight).cos()

    def vary(images, drawn):
        new = torch.rand(well_shaped(images, "vary").shape, generator=chance)
        new[..., 0, :2] = images[..., 0, :2] + torch.tensor([0, 10 / 255])
        drawn.append(new)
        return new
    return features, vary


def _check_versions(came, features, x, drawn, n):
    """came: the answer [B, F]. drawn: all that `vary` drew."""
    of_x, drawn = features(x), torch.cat([x[:0], *drawn])
    origins, of_drawn = identify(drawn) if len(drawn) else [], features(drawn)
    expected = f"{n - 1} variations of each of {len(x)} images"
    require(n > 1 or not len(drawn), "no call of `vary` for n = 1", f"{len(drawn)} variations",
             "one version is the image itself.")
    whose = torch.tensor([place for place, _ in origins], dtype=torch.long)
    counts = [(whose == i).sum().item() for i in range(len(x))]
    require(sum(counts) == len(drawn), expected, "variations of other images", "where does x change?")
    require(all(times == 1 for _, times in origins), expected, "variations of variations",
             "a variation of a variation wanders off. From what should each begin?")
    of_each = [of_drawn[whose == i] for i in range(len(x))]
    alone = torch.stack([rows.mean(0) for rows in of_each])
    left_out = "the drawing itself is a version too, the only one that is surely right. Where is it?"
    require(n == 1 or not torch.allclose(came, alone, atol=1e-5), "a mean over x and its variations",
             "one over variations only", left_out)
    require(counts == [n - 1] * len(x), expected, f"{counts}", {
        0: "where does `vary` come in?", 1: "the same drawing n - 1 times over is one drawing. When is a new one made?",
        n: "n versions in all, and x is one of them.", n - 2: "x is one of n versions. How many are left to draw?",
    }.get(counts[0], "x is one of n versions. How many are left to draw?"))
    right = torch.stack([torch.cat([own[None], rows]).mean(0) for own, rows in zip(of_x, of_each)])
    images = torch.stack([torch.cat([own[None], drawn[whose == i]]).mean(0) for i, own in enumerate(x)])
    divide = "how many versions are there? Divide their sum by that."
    compare(came, right, [] if n == 1 else [
        (n * right, "that is the sum. A mean does not grow with the number of versions."),
        (features(images), "that is the network's view of the mean image, a blur that nobody drew. First features, "
                           "then the mean."),
        *((n * right / wrong, divide) for wrong in (n - 1, n + 1)), (of_x, "the variations are drawn, but not used."),
        ((of_x + alone) / 2, "half x, half variations: every version counts the same."),
        ((n - 1) / n * alone, left_out),
    ], "take one image: its own features, those of its n - 1 variations, and the mean of these n rows.")


def critic_weights(function):
    """Check `function(logits) -> weights [n, B]`: proportional to e^logit, with sum 1 over n. logits [n, B]."""
    rng = torch.Generator().manual_seed(9)
    small = [2 * torch.randn(n, b, generator=rng) for n, b in ((4, 4), (5, 3))]
    large = torch.randn(4, 3, generator=rng) + torch.tensor([200., -200., 0])
    large[:2, 2] = torch.tensor([200., -200.])
    for logits in (*small, large):
        given = logits.clone()
        came = _weights(function(given), logits)
        require(not came.isnan().any(), "numbers at any logit", "nan",
                 "in float32, e^200 is infinite and e^-200 is 0. What may be added to all logits of one example "
                 "without changing its weights?")
        right, D = logits.softmax(0), logits.sigmoid()
        other = "the weights of one example sum to 1 over its n drawings: which dimension is that?"
        probability = "a sigmoid is D's probability, at most 1. What is e to the power of the logit?"
        compare(came, right, [] if logits is large else [
            *([(right.T, "rows are drawings, columns examples, as in the logits.")] if right.shape == (4, 4) else []),
            (logits.softmax(1), other), (logits.exp() / logits.exp().sum(1, keepdim=True), other),
            (logits.flatten().softmax(0).view_as(logits), "they sum to 1 over all examples together. Each example is "
                                                          "one mean, and has its own weights."),
            (D / D.sum(0), probability), (D, probability), (D.softmax(0), probability),
            (logits, "those are the logits. Weights are positive: what is wanted is e to their power."),
            (logits / logits.sum(0), "the logits themselves, normalised: some are negative. e to their power, not "
                                     "they."),
            (logits.log_softmax(0), "those are the logarithms of the weights."),
            (logits.exp(), "e^logit it is, but the weights of an example must sum to 1."),
            (logits.exp() / len(logits), "e^logit it is, but the weights of an example must sum to 1."),
            ((-logits).softmax(0), "that is 1 / e^logit: the worst drawing would count most."),
            (torch.full_like(logits, 1 / len(logits)), "all alike: what has D to say?"),
            (torch.nn.functional.one_hot(logits.argmax(0), len(logits)).T, "the best takes it all. e^logit is a "
                                                                           "matter of degree."),
        ], "take one column: e^logit of each drawing, divided by the sum of these powers."
            if logits is not large else "this fits while logits are small. Is something clamped, or added to a sum? "
                                        "Only their differences within a column matter.", tolerance=1e-3)
        check_unchanged(logits=(given, logits))
    done("critic_weights: proportional to e^logit, with sum 1 for every example, at any logit.")


def _weights(answer, logits):
    n, b = logits.shape
    came = tensor(*returned([answer] if isinstance(answer, list) else answer, "weights"), "weights")
    shaped(came, (n, b), "weights", {(b, n): "rows are drawings, columns examples, as in the logits."},
            "one weight for each drawing of each example, 0 for those that do not count.")
    require(came.is_floating_point(), "weights as floats", f"{came.dtype}",
             "neither a position nor a yes or no: which part of the whole does a drawing get?")
    return came


def critic_filter(function):
    """Check `function(logits, keep) -> weights [n, B]`: 1 / keep for the keep highest logits of each column, else 0."""
    rng = torch.Generator().manual_seed(0)
    for n, b, keep in ((4, 4, 2), (6, 3, 2), (5, 3, 1), (3, 5, 3)):
        logits = torch.randn(n, b, generator=rng) + 1.5 * torch.arange(b) - 1.5     # some columns lie higher
        given = logits.clone()
        came = _weights(function(given, keep), logits)
        kept, right = came != 0, _highest(logits, keep)
        hints = [hint for wrong, hint in _wrong_filters(logits, keep) if torch.equal(kept, wrong)]
        for i in (kept != right).any(0).nonzero().flatten().tolist()[:1]:
            rows, wanted = (of[:, i].nonzero().flatten().tolist() for of in (kept, right))
            column = [round(x, 2) for x in logits[:, i].tolist()]
            require(False, f"weight for drawings {wanted} of example {i}, whose logits are {column}, keep = {keep}",
                     f"weight for {rows}", [*hints, "sort one column: which are its `keep` highest logits?"][0])
        mask, best = right.float(), logits.masked_fill(~right, -torch.inf)
        compare(came, mask / keep, [
            (mask, "the right ones, but a mean needs weights that sum to 1 in each column."),
            (mask / n, "n drawings were made. How many share the weight?"),
            (mask / (keep * b), "they sum to 1 over all examples together. Each example has a mean of its own."),
            (best.softmax(0), "the right ones, but evenly: how they rank no longer matters."),
            (mask * logits, "those are the logits of the best. What is their weight?"),
            (mask * logits.softmax(0), "the right ones, but evenly, and with sum 1 in each column."),
        ], "those that are kept share a weight of 1 evenly.")
        check_unchanged(logits=(given, logits))
    done("critic_filter: the best of each example share its weight, the others have none.")


def _highest(logits, keep, dim=0):
    """bool, in the shape of logits: the `keep` highest along a dimension."""
    best = logits.topk(min(keep, logits.shape[dim]), dim=dim).indices
    return torch.zeros_like(logits, dtype=torch.bool).scatter(dim, best, True)


def _wrong_filters(logits, keep):
    """[(bool [n, B], hint)]: what may be kept in place of the highest of each column."""
    n, b = logits.shape
    together = "the best of all columns together: some examples keep many, others none. Each column by itself."
    threshold = "that is a threshold: how many pass it differs. Of each column, exactly `keep`."
    order = "argsort says which drawing has rank 0, 1, ..., not which rank a drawing has."
    return [
        (_highest(-logits, keep), "those are the worst. Does your sort begin with the smallest?"),
        (_highest(logits, keep, dim=1), "that compares examples with each other. Which dimension counts the drawings?"),
        (torch.ones(n, b, dtype=torch.bool), "all have weight. Which get 0?"),
        *((_highest(logits.flatten(), size).view(n, b), together) for size in (keep * b, keep)),
        *((logits > wrong, threshold) for wrong in (0, logits.mean(0), logits.mean())),
        (_highest(logits, keep - 1), "one too few: is the last of the best equal to your bound, or above it?"),
        (_highest(logits, keep + 1), "one too many: from where do you count?"),
        (torch.arange(n)[:, None].expand(n, b) < keep, "the first rows. The best are first only once they are sorted."),
        *((logits.argsort(0, descending=down) < keep, order) for down in (True, False)),
    ]
