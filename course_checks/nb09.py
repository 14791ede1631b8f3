"""Checks of the exercises of notebook 09, GAN-augmented adaptation."""

import torch

from ._base import NotYet, check_unchanged, compare, done, identify, numbered_images, require, returned, shaped, tensor


def augmenter(function):
    """Check `function(support_x, support_y, variation, n_extra, generator) -> (x, y)`: the support, and more behind it.

    support_x float [S, 1, H, W], support_y int64 [S] in any order. Added are, for each class, n_extra variations of its
    examples in turn. augmentation(images, rng): new drawings, in the shape of images [..., 1, H, W].
    """
    for labels, n_extra in (([2, 0, 1, 1, 2, 0], 5), ([1, 0, 3, 0, 2, 0, 1, 0], 2)):    # equal sizes let mistakes run
        x, y = numbered_images(len(labels), 1)[:, 0] / 255, torch.tensor(labels)       # pixels tell the position
        chance = torch.Generator().manual_seed(n_extra)
        augmentation = _variation_that_tells(chance)
        added = []
        for _ in range(2):
            given = x.clone(), y.clone()
            added.append(_added(function(*given, augmentation, n_extra, chance), x, y, n_extra))
            check_unchanged(support_x=(given[0], x), support_y=(given[1], y))
        require(not torch.equal(*added), "other drawings at the next call", "the same",
                 "does your code seed the generator that it was given?")
    done("augmenter: the originals first, then n_extra new drawings of every class, each under its label.")


def _variation_that_tells(chance):
    """A variation for images of `numbered_images`: the second pixel counts how often an image was varied."""
    def augmentation(images, rng=None):
        require(rng is chance, "augmentation(images, rng)", "nothing" if rng is None else "another one",
                 "all chance comes from the generator that you were given: pass on this very one.")
        require(images.dim() >= 4 and images.shape[-3:] == (1, 4, 4), "images [B, 1, 4, 4] for `variation`",
                 f"{list(images.shape)}", "support_x[rows] with a list or a tensor of rows keeps all its dimensions.")
        drawn = torch.rand(images.shape, generator=chance)
        drawn[..., 0, :2] = images[..., 0, :2] + torch.tensor([0, 10 / 255])
        return drawn
    return augmentation


def _added(answer, support_x, support_y, n_extra):
    """The images that an answer (x, y) adds to the support, if all is as it should be."""
    x, y = (tensor(part, name) for part, name in zip(returned(answer, "x", "y"), "xy"))
    labels, n = support_y.tolist(), len(support_y)
    require(x.shape[1:] == support_x.shape[1:], "x of shape [S + added, 1, 4, 4]", f"{list(x.shape)}",
             "torch.cat puts one set of images behind another.")
    require(y.shape == (len(x),), f"y of shape [{len(x)}], as many as there are images", f"{list(y.shape)}",
             "what is added needs labels too, one for each image.")
    require(not y.is_floating_point(), "labels in whole numbers (int64)", f"{y.dtype}",
             "labels are for counting and indexing.")
    origins = identify(x)
    came = f"images {' '.join(str(place) + '*' * times for place, times in origins)} (* is varied)"
    _check_originals(x, y, support_x, labels, [place for place, times in origins if not times], came)
    of, expected = [place for place, _ in origins[n:]], f"{n_extra} variations for each class of {labels}"
    require(set(of) <= set(range(n)), expected, "images that are no variation of the support",
             "what is added comes from `variation`, as it is.")
    require(all(times for _, times in origins[n:]), expected, came,
             "the same image again tells a learner nothing new: vary it.")
    require(all(times == 1 for _, times in origins[n:]), expected, came,
             "a variation of a variation wanders off. From what should each begin?")
    require(len(of) == n_extra * len(set(labels)), f"{expected}, {n_extra * len(set(labels))} in all", f"{len(of)}", {
        0: "nothing is added.", n_extra: "n_extra for each class, not in all.",
        n: "every example once. How many has a class, and how many should be added?",
        n_extra * n: "n_extra for each class, not for each example.",
        n_extra * len(set(labels)) - n: "n_extra is what is added; the originals do not count.",
    }.get(len(of), "how many should each class get?"))
    truth = [labels[place] for place in of]
    counts = {c: truth.count(c) for c in sorted(set(labels))}
    require(set(counts.values()) == {n_extra}, expected, f"{counts} (class: variations of its images)",
             "of whose images are the variations? support_y says which are of one class, and they need not be "
             "neighbours.")
    require(y[n:].tolist() == truth, f"labels {truth} for variations of the images {of}", f"{y[n:].tolist()}",
             "a variation has the label of the image that it was made from. Do images and labels go through the "
             "classes in the same order?")
    for c in counts:
        places = [place for place, label in enumerate(labels) if label == c]
        used, k = [of.count(place) for place in places], len(places)
        require(k == 1 or used[0] < n_extra, f"variations of the images {places} in turn",
                 f"variations of {places[0]} only", "the first example alone. What of the others?")
        require(used == [(n_extra + k - 1 - i) // k for i in range(k)],
                 f"{n_extra} variations of the images {places} in turn", f"{used} of them",
                 "the first, the second, ..., and after the last the first again.")
    require(len(x[n:].unique(dim=0)) == len(of), expected, "the same drawing more than once",
             "that is one variation, copied. How does each become a new drawing?")
    return x[n:]


def _check_originals(x, y, support_x, labels, unvaried, came):
    """unvaried: the positions in the support of those images of x that nobody varied."""
    n = len(labels)
    hints = [(not unvaried, "the learner must not lose its real examples: add to them, replace none."),
             (torch.equal(x[-n:], support_x), "the originals are at the end; what is added goes behind them."),
             (set(unvaried) == set(range(n)), "they are there, but not first and in their order."),
             (True, "some have changed or are gone. Which line writes into support_x?")]
    require(torch.equal(x[:n], support_x), f"at first the images 0 to {n - 1} of the support, as they were", came,
             next(hint for fits, hint in hints if fits))
    require(y[:n].tolist() == labels, f"labels {labels} at first", f"{y[:n].tolist()}",
             "the originals keep their order; so must their labels.")


def share_closed(function):
    """Check `function(none, arm, real) -> pseudo-values [n]` of (arm - none) / (real - none), a ratio of means.

    none, arm, real float64 [n], runs that are paired. n r - (n - 1) r_i, where r_i leaves out run i (Tukey 1958).
    """
    rng = torch.Generator().manual_seed(9)
    for n in (5, 8):
        none, gap, part = torch.rand(3, n, generator=rng, dtype=torch.float64)
        arm, real = none / 2 + 0.4 * gap * part + 0.02, none / 2 + 0.4 * gap + 0.03
        none = none / 2 + 0.05 * part
        given = none.clone(), arm.clone(), real.clone()
        answer = function(*given)
        came = tensor(*returned([answer] if isinstance(answer, list) else answer, "pseudo-values"), "pseudo-values")
        shaped(came, (n,), "pseudo-values", {(): "one number for each run: what becomes of the share without it?"},
                "one number for each run.")
        gained, possible = arm - none, real - none
        right, share, without = _pseudo_values(gained, possible)
        n_forgotten = "how many times r, how many times the r without run i? If run i changes nothing, r must come out."
        compare(came, right, [
            (gained / possible, "those are the runs' ratios: one with a small denominator outweighs all others. Sum "
                                "over the runs before you divide."),
            (share.expand(n), "that is the share, n times. What becomes of it without run i?"),
            (without, "those are the shares without run i: too close together by far. Pseudo-values spread them out."),
            *((wrong, n_forgotten) for wrong in (
                share - without, n * (share - without), n * share - without, share - (n - 1) * without, right / n,
                (n - 1) * share - (n - 2) * without, (n - 1) * share - n * without, (n + 1) * share - n * without)),
            ((n - 1) * without - n * share, "mind the sign: arm has gained where it is above none."),
            (n * without - (n - 1) * share, "r and the r without run i have changed places."),
            (n * share - (n - 1) * gained / possible, "r_i with a minus is the share *without* run i. That is of run i "
                                                      "alone."),
            *((n * share - (n - 1) * wrong, "run i must leave the numerator and the denominator.") for wrong in (
                gained.sum() / (possible.sum() - possible), (gained.sum() - gained) / possible.sum())),
            *((_pseudo_values(*pair)[0], hint) for *pair, hint in (
                (real - arm, possible, "that is the part of the way that is left. Which part is done?"),
                (possible, gained, "arm and real have changed places."),
                (-gained, real - arm, "none and arm have changed places."),
                (gained, real - arm, "compared with what is left. How long is the whole way?"),
                (gained, none, "compared with none. How long is the whole way, from none to real?"),
                (gained, real, "compared with real. How long is the whole way, from none to real?"),
                (arm, real, "the way begins at none, not at 0."))),
        ], "the share r of sums over all runs, and for each i the same without run i; then n r - (n - 1) r_i.")
        check_unchanged(none=(given[0], none), arm=(given[1], arm), real=(given[2], real))
    done("share_closed: pseudo-values, whose mean is the share and whose scatter tells how far to trust it.")


def _pseudo_values(gained, possible):
    """Pseudo-values [n] of the ratio of sums, the ratio, and the ratios without one run [n]."""
    n, share = len(gained), gained.sum() / possible.sum()
    without = (gained.sum() - gained) / (possible.sum() - possible)
    return n * share - (n - 1) * without, share, without


def holm(function):
    """Check `function(p, alpha) -> bool [m]`: which of m p-values [m] stand, in the order of p (Holm 1979)."""
    cases = [(torch.tensor(p), alpha) for p, alpha in (
        ([0.045, 0.001, 0.02, 0.6, 0.012], 0.05), ([0.045, 0.2, 0.01, 0.048], 0.1), ([0.04, 0.03], 0.05),
        ([0.02, 0.04, 0.01], 0.05), ([0.07], 0.1), ([0.3, 0.0004, 0.0071, 0.0001, 0.0084, 0.049, 0.0062, 0.009], 0.05))]
    given = [p.clone() for p, _ in cases]
    came = [_stands(function, p, alpha) for p, (_, alpha) in zip(given, cases)]
    alike = zip(*(_wrong_holms(p, alpha) for p, alpha in cases))        # of each mistake, what it says of every case
    hints = [mistake[0][1] for mistake in alike if all(torch.equal(a, wrong) for a, (wrong, _) in zip(came, mistake))]
    for answer, (p, alpha) in zip(came, cases):
        right = _holm(p, alpha)
        require(torch.equal(answer, right),
                 f"{right.tolist()} for p = {[round(x, 4) for x in p.tolist()]} and alpha = {alpha}",
                 f"{answer.tolist()}",
                 [*hints, "the smallest p against alpha / m, the next against alpha / (m - 1), and so on; from the "
                          "first that fails on, none stands."][0])
    for before, (p, _) in zip(given, cases):
        check_unchanged(p=(before, p))
    done("holm: however many comparisons there are, the chance of any false alarm is at most alpha.")


def _stands(function, p, alpha):
    try:
        answer = function(p, alpha)
    except ZeroDivisionError as error:
        raise NotYet("expected alpha divided by m, m - 1, ..., 1; got a division by 0. Hint: from where do you count, "
                     "0 or 1?") from error
    came = tensor(*returned([answer] if isinstance(answer, list) else answer, "the answer"), "the answer")
    shaped(came, p.shape, "the answer", {(): "which ones stand, not how many."},
            "a yes or no for every p-value, not the positions of those that stand.")
    require(came.dtype == torch.bool, "yes or no for each p-value (torch.bool)", f"{came.dtype}",
             "neither a number nor a position: does it stand?")
    return came


def _none_after_a_failure(passes):
    return passes.cumprod(0).bool()


def _holm(p, alpha, limits=None, keep=_none_after_a_failure):
    """bool [m] in the order of p. limits [m]: of the sorted p, in parts of alpha. keep: who stands of who passes."""
    order, m = p.argsort(), len(p)
    limits = 1 / torch.arange(m, 0, -1) if limits is None else limits
    return torch.empty(m, dtype=torch.bool).scatter(0, order, keep(p[order] <= alpha * limits))


def _wrong_holms(p, alpha):
    """[(bool [m], hint)]: what is often taken for Holm's correction."""
    order, m, right = p.argsort(), len(p), _holm(p, alpha)
    k, holm_limits = torch.arange(1, m + 1), 1 / torch.arange(m, 0, -1)
    false_discoveries = ("those are the bounds of Benjamini and Hochberg, who let some false alarms pass. Holm guards "
                         "against any single one.")
    count = "the divisors run from m down to 1. From where do you count?"
    strict = "the smallest p has to pass the strictest bound, the largest the mildest."

    def each(passes):
        return passes

    def up_to_the_last(passes):
        return passes.flip(0).cummax(0).values.flip(0)

    def from_the_largest(passes):
        return passes.flip(0).cumprod(0).flip(0).bool()

    def and_the_failure(passes):
        return torch.cat([passes.new_ones(1), passes.cumprod(0).bool()[:-1]])

    return [
        *((_holm(p, alpha, limits, keep), hint) for limits, keep, hint in (
            (0 * k + 1 / m, each, "that is Bonferroni, alpha / m for all. What does Holm ask of the second smallest?"),
            (0 * k + 1, each, "that is without correction: of twenty equal arms one would stand."),
            (holm_limits, each, "once one has failed, no larger p-value may stand."),
            (holm_limits, up_to_the_last, "that begins at the largest, as Hochberg does. Begin at the smallest, and "
                                          "stop at the first that fails."),
            (holm_limits, and_the_failure, "the first that fails does not stand either."),
            *((k / m, keep, false_discoveries) for keep in (up_to_the_last, each, _none_after_a_failure)),
            *((1 / (m + shift - k), keep, count) for shift in (0, 2) for keep in (_none_after_a_failure, each)),
            *((1 / k, keep, strict) for keep in (_none_after_a_failure, each, from_the_largest)))),
        (right[order], "those are in sorted order. Which belongs to which p?"),
        (right[order][order], "sorting moved them; the same indexing moves them on, not back."),
        (~right, "that is upside down: True is for a difference that stands."),
        (_holm(p, 0.05), "is alpha always 0.05?"),
        (_holm(p, alpha / 2), "p-values are two-sided already: alpha as it is."),
    ]
