"""Checks of the exercises of notebook 09, GAN-augmented adaptation."""

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
def augmenter(function):
    """Check `function(support_x, support_y, augmentation, n_extra, rng) -> (x, y)`: the support, then augmented copies.

    support_x float [S, 1, H, W], support_y int64 [S] in any order. Added are, for each class, n_extra augmented copies
    of its examples in turn. augmentation(images, rng): new drawings, in the shape of images [..., 1, H, W].
    """
    for labels, n_extra in (([2, 0, 1, 1, 2, 0], 5), ([1, 0, 3, 0, 2, 0, 1, 0], 2),     # equal sizes let mistakes run
                            ([0, 1, 1, 0, 1, 0, 0], 8)):                        # here every example has several turns
        x, y = numbered_images(len(labels), 1)[:, 0] / 255, torch.tensor(labels)       # pixels tell the position
        rng = torch.Generator().manual_seed(n_extra)
        augmentation = _augmentation_that_tells(rng)
        added = []
        for _ in range(2):
            given = x.clone(), y.clone()
            added.append(_added(function(*given, augmentation, n_extra, rng), x, y, n_extra))
            check_unchanged(support_x=(given[0], x), support_y=(given[1], y))
        require(not torch.equal(*added), "other drawings at the next call", "the same",
                "every call gives the same drawings. Does your code seed the rng that it was given?")
    done("augmenter: the originals first, then n_extra new drawings of every class, each under its label.")


def _augmentation_that_tells(given):
    """An augmentation for images of `numbered_images`: the second pixel counts how often an image was augmented."""
    def augmentation(images, rng=None):
        require(rng is given, "augmentation(images, rng)", "no rng" if rng is None else "another rng",
                "all randomness must come from the rng that your function was given. Which one do you pass on?")
        require(images.dim() >= 4 and images.shape[-3:] == (1, 4, 4), "images [B, 1, 4, 4] for `augmentation`",
                f"{list(images.shape)}",
                "a dimension is missing. A list or a tensor of rows keeps all of them: how do you choose the images?")
        new = torch.rand(images.shape, generator=rng)
        new[..., 0, :2] = images[..., 0, :2] + torch.tensor([0, 10 / 255])
        return new
    return augmentation


def _added(answer, support_x, support_y, n_extra):
    """The images that an answer (x, y) adds to the support, if all is as it should be."""
    x, y = (tensor(part, name) for part, name in zip(returned(answer, "x", "y"), "xy"))
    labels, n = support_y.tolist(), len(support_y)
    require(x.shape[1:] == support_x.shape[1:], "x of shape [S + added, 1, 4, 4]", f"{list(x.shape)}",
            "torch.cat puts one set of images behind another. What else changes their shape?")
    require(y.shape == (len(x),), f"y of shape [{len(x)}], as many as there are images", f"{list(y.shape)}",
            "what is added needs labels too. Which label has each new image?")
    require(not y.is_floating_point(), "labels in whole numbers (int64)", f"{y.dtype}",
            "labels are for counting and indexing.")
    require(y.dtype == torch.int64, "labels as support_y has them (int64)", f"{y.dtype}",
            "the learner counts with int64 labels. Which line changes their type?")
    require(x.dtype == support_x.dtype, f"images as support_x has them ({support_x.dtype})", f"{x.dtype}",
            "images and copies go into one network. Which line changes their type?")
    origins = identify(x)
    came = f"images {' '.join(str(place) + '*' * times for place, times in origins)} (* is augmented)"
    _check_originals(x, y, support_x, labels, [place for place, times in origins if not times], came)
    of, expected = [place for place, _ in origins[n:]], f"{n_extra} augmented copies for each class of {labels}"
    require(set(of) <= set(range(n)), expected, "images that are not of the support",
            "what is added must be as it comes from `augmentation`. Which line changes it?")
    require(all(times for _, times in origins[n:]), expected, came,
            "the same image again tells a learner nothing new. Where does `augmentation` come in?")
    require(all(times == 1 for _, times in origins[n:]), expected, came,
            "some copies were augmented twice, and drift away from the character. From which image should each begin?")
    require(len(of) == n_extra * len(set(labels)), f"{expected}, {n_extra * len(set(labels))} in all", f"{len(of)}", {
        0: "your code adds no image. How many should each class get?",
        n_extra: "that is n_extra in all. How many should each class get?",
        n: "you copy every example once. How many has a class, and how many should be added?",
        n_extra * n: "that is n_extra for each example. How many should each class get?",
        n_extra * len(set(labels)) - n: "you count the originals too, and n_extra is what is added. How many are new?",
    }.get(len(of), "how many should each class get?"))
    truth = [labels[place] for place in of]
    counts = {c: truth.count(c) for c in sorted(set(labels))}
    require(set(counts.values()) == {n_extra}, expected, f"{counts} (class: copies of its images)",
            "some classes get more copies than others. The images of a class need not be neighbours: what says whose "
            "they are?")
    require(y[n:].tolist() == truth, f"labels {truth} for copies of the images {of}", f"{y[n:].tolist()}",
            "a copy has the label of the image that it was made from, and some of yours do not. Do images and labels "
            "go through the classes in the same order?")
    for c in counts:
        places = [place for place, label in enumerate(labels) if label == c]
        used, k = [of.count(place) for place in places], len(places)
        require(k == 1 or used[0] < n_extra, f"copies of the images {places} in turn", f"copies of {places[0]} only",
                "you copy only the first example of a class. When is it the turn of the others?")
        require(n_extra < k or all(used), f"copies of the images {places} in turn", f"{used} of them",
                "some examples of a class take part in no copy. How many examples has the class?")
        require(used == [(n_extra + k - 1 - i) // k for i in range(k)],
                f"{n_extra} copies of the images {places} in turn", f"{used} of them",
                "the examples of a class do not take turns, beginning with the first. Which follows the last?")
    require(len(x[n:].unique(dim=0)) == len(of), expected, "the same drawing more than once",
            "the same augmented copy comes more than once. When does your code make a new one?")
    return x[n:]


def _check_originals(x, y, support_x, labels, originals, came):
    """originals: the positions in the support of those images of x that were not augmented."""
    n = len(labels)
    hints = [(not originals, "the learner must not lose its real examples. Do you add to them, or replace them?"),
             (torch.equal(x[-n:], support_x), "the originals are at the end. Which come first?"),
             (set(originals) == set(range(n)),
              "the originals are there, but not first and in their order. Where should the copies go?"),
             (True, "some originals have changed or are gone. Which line writes into support_x?")]
    require(torch.equal(x[:n], support_x), f"at first the images 0 to {n - 1} of the support, as they were", came,
            next(hint for fits, hint in hints if fits))
    require(y[:n].tolist() == labels, f"labels {labels} at first", f"{y[:n].tolist()}",
            "the originals keep their order, but their labels do not. Which line moves the labels?")


@check
def fraction_recovered(function):
    """Check `function(baseline, arm, oracle) -> pseudo-values [n]` of (arm - baseline) / (oracle - baseline), of means.

    baseline, arm, oracle float64 [n], runs that are paired. n r - (n - 1) r_i, where r_i leaves out run i (Tukey 1958).
    """
    rng = torch.Generator().manual_seed(9)
    for n in (5, 8):
        level, gap, part = torch.rand(3, n, generator=rng, dtype=torch.float64)
        arm, oracle = level / 2 + 0.4 * gap * part + 0.02, level / 2 + 0.4 * gap + 0.03
        baseline = level / 2 + 0.05 * part
        baseline[1] = max(arm[1], oracle[1]) + 0.02                         # one run in which both lose
        runs = baseline, arm, oracle
        given = [each.clone() for each in runs]
        answer = function(*given)
        came = tensor(*returned([answer] if isinstance(answer, list) else answer, "pseudo-values"), "pseudo-values")
        shaped(came, (n,), "pseudo-values", {
            (): "that is one number, and there should be one for each run. What becomes of the fraction without it?"},
            "one number for each run.")
        compare(came, _pseudo_values()(*runs), MISTAKES["fraction_recovered"], runs,
                "compute the fraction r from sums over all runs, and r_i from the same sums without run i. Then "
                "combine them: n r - (n - 1) r_i.")
        check_unchanged(baseline=(given[0], baseline), arm=(given[1], arm), oracle=(given[2], oracle))
    done("fraction_recovered: pseudo-values, whose mean is the fraction and whose scatter tells how far to trust it.")


def _gained(baseline, arm, oracle):
    return arm - baseline


def _possible(baseline, arm, oracle):
    return oracle - baseline


def _rest(baseline, arm, oracle):
    return oracle - arm


def _others(values):
    return values.sum() - values


def _pseudo_values(use=lambda n, r, without: n * r - (n - 1) * without, top=_gained, bottom=_possible,
                   of_top=_others, of_bottom=_others):
    """With one mistake or none. `use` gets n, the ratio r of two sums and the n ratios with one run left out."""
    def pseudo_values(*runs):
        a, b = top(*runs), bottom(*runs)
        return use(len(a), a.sum() / b.sum(), of_top(a) / of_bottom(b))
    return pseudo_values


_FACTORS = ("r and the r without run i have wrong factors: if run i changes nothing, r must come out. How many times "
            "do you take each?")
_LOSS = ("a run can lose. Then its difference is below 0, and the sum falls. What does your code make of such a "
         "difference?")
_STAYS = "run i must leave numerator and denominator. Which of them still has it?"
_FRACTION_MISTAKES = [
    (lambda baseline, arm, oracle: (arm - baseline) / (oracle - baseline),
     "those are the runs' ratios: one with a small denominator outweighs all others. What should be summed before you "
     "divide?"),
    (_pseudo_values(lambda n, r, without: r.expand(n)),
     "that is the fraction of all runs, n times. What becomes of it without run i?"),
    (_pseudo_values(lambda n, r, without: without),
     "those are the fractions without run i, too close together by far. How do pseudo-values spread them out?"),
    *((_pseudo_values(use), _FACTORS) for use in (
        lambda n, r, without: r - without, lambda n, r, without: n * (r - without),
        lambda n, r, without: n * r - without, lambda n, r, without: r - (n - 1) * without,
        lambda n, r, without: r - (n - 1) / n * without, lambda n, r, without: (n - 1) * r - (n - 2) * without,
        lambda n, r, without: (n - 1) * r - n * without, lambda n, r, without: (n + 1) * r - n * without)),
    (_pseudo_values(top=lambda baseline, arm, oracle: baseline - arm),
     "the sign is wrong: an arm has gained where it is above the baseline. What do you subtract from what?"),
    (_pseudo_values(lambda n, r, without: n * without - (n - 1) * r),
     "r and the r without run i have changed places. Which of them has the minus?"),
    (_pseudo_values(of_top=lambda a: a, of_bottom=lambda b: b),
     "r_i is the fraction *without* run i, and yours is that of run i alone. Which runs does it sum over?"),
    (_pseudo_values(of_top=torch.sum), _STAYS),
    (_pseudo_values(of_bottom=torch.sum), _STAYS),
    (_pseudo_values(top=_rest), "that is the part of the gap that is left. Which part is recovered?"),
    (_pseudo_values(top=_possible, bottom=_gained), "arm and oracle have changed places. Which of them is the goal?"),
    (_pseudo_values(top=lambda baseline, arm, oracle: baseline - arm, bottom=_rest),
     "baseline and arm have changed places. Where does the gap begin?"),
    *((_pseudo_values(top=lambda *runs, change=change: change(_gained(*runs))), _LOSS)
      for change in (torch.abs, torch.relu)),
    *((_pseudo_values(bottom=lambda *runs, change=change: change(_possible(*runs))), _LOSS)
      for change in (torch.abs, torch.relu)),
    (_pseudo_values(bottom=_rest), "you compare with what is left of the gap. How long is the whole gap?"),
    (_pseudo_values(bottom=lambda baseline, arm, oracle: baseline),
     "you compare with the baseline itself. How long is the gap from there to the oracle?"),
    (_pseudo_values(bottom=lambda baseline, arm, oracle: oracle),
     "you compare with the oracle itself. How long is the gap from the baseline to there?"),
    (_pseudo_values(top=lambda baseline, arm, oracle: arm, bottom=lambda baseline, arm, oracle: oracle),
     "you measure from 0. Where does the gap begin?"),
]


@check
def holm(function):
    """Check `function(p, alpha) -> bool [m]`: which of m p-values [m] stand, in the order of p (Holm 1979)."""
    cases = [(torch.tensor(p), alpha) for p, alpha in (
        ([0.045, 0.001, 0.02, 0.6, 0.012], 0.05), ([0.045, 0.2, 0.01, 0.048], 0.1), ([0.04, 0.03], 0.05),
        ([0.02, 0.04, 0.01], 0.05), ([0.07], 0.1), ([0.125, 0.5, 0.0625, 0.03125], 0.25), ([0.02, 0.6, 0.02], 0.05),
        ([0.3, 0.0004, 0.0071, 0.0001, 0.0084, 0.049, 0.0062, 0.009], 0.05))]
    given = [p.clone() for p, _ in cases]
    came = [_stands(function, p, alpha) for p, (_, alpha) in zip(given, cases)]
    hints = [hint for wrong, hint in MISTAKES["holm"]                       # those that fit every case
             if all(torch.equal(answer, wrong(*case)) for answer, case in zip(came, cases))]
    for answer, (p, alpha) in zip(came, cases):
        right = _holm()(p, alpha)
        require(torch.equal(answer, right),
                f"{right.tolist()} for p = {[round(x, 4) for x in p.tolist()]} and alpha = {alpha}",
                f"{answer.tolist()}",
                [*hints, "compare the smallest p with alpha / m, the next with alpha / (m - 1), and so on. From the "
                         "first that fails on, no p-value stands."][0])
    for before, (p, _) in zip(given, cases):
        check_unchanged(p=(before, p))
    done("holm: however many comparisons there are, the chance of any false alarm is at most alpha.")


def _stands(function, p, alpha):
    try:
        answer = function(p, alpha)
    except ZeroDivisionError as error:
        raise NotYet("expected alpha divided by m, m - 1, ..., 1; got a division by 0. Hint: your divisors reach 0. "
                     "From where do you count, 0 or 1?") from error
    came = tensor(*returned([answer] if isinstance(answer, list) else answer, "the answer"), "the answer")
    shaped(came, p.shape, "the answer", {(): "that is how many stand. Which ones?"},
           "your answer is not as long as p. Are those the positions of the p-values that stand?")
    require(came.dtype == torch.bool, "yes or no for each p-value (torch.bool)", f"{came.dtype}",
            "those are numbers or positions. Does each p-value stand, yes or no?")
    return came


def _until_a_failure(passes):
    return passes.cumprod(0).bool()


def _each(passes):
    return passes


def _until_the_last(passes):
    return passes.flip(0).cummax(0).values.flip(0)


def _in_the_order_of_p(order, stand):
    return torch.empty_like(stand).scatter(0, order, stand)


def _holm(divisors=lambda m: torch.arange(m, 0, -1), keep=_until_a_failure, back=_in_the_order_of_p, within=torch.le):
    """With one mistake or none. keep: which stand of those that pass, in sorted order; back: into the order of p."""
    def stands(p, alpha):
        order = p.argsort()
        return back(order, keep(within(p[order], alpha / divisors(len(p)))))
    return stands


def _by_count(p, alpha):
    """Without sorting: as many p-values are smaller or as large. Equal ones then all get the widest of their bounds."""
    passes = p <= alpha / (len(p) + 1 - (p[:, None] >= p).sum(1))
    return torch.stack([passes[p <= each].all() for each in p])


_FALSE_DISCOVERIES = ("those are the bounds of Benjamini and Hochberg, who let some false alarms pass. Which bounds "
                      "guard against any single one?")
_COUNT = "the divisors should run from m down to 1. From where do you count?"
_STRICT = "the bounds are in the wrong order. Which p-value has to pass the strictest, the smallest or the largest?"
_HOLM_MISTAKES = [
    (_holm(lambda m: m, _each), "that is Bonferroni, alpha / m for all. What does Holm ask of the second smallest?"),
    (_holm(lambda m: 1, _each),
     "that is without correction: of twenty equal arms one would stand. How many comparisons share alpha?"),
    (_holm(keep=_each), "a p-value stands although a smaller one has failed. Where does Holm stop?"),
    (_holm(keep=_until_the_last),
     "that begins at the largest p-value, as Hochberg does. Where does Holm begin, and where does he stop?"),
    (_holm(keep=lambda passes: torch.cat([passes.new_ones(1), _until_a_failure(passes)[:-1]])),
     "the first that fails stands in your answer. Does your code stop before it, or after it?"),
    *((_holm(lambda m: m / torch.arange(1, m + 1), keep), _FALSE_DISCOVERIES)
      for keep in (_until_the_last, _each, _until_a_failure)),
    *((_holm(divisors, keep), _COUNT) for keep in (_until_a_failure, _each)
      for divisors in (lambda m: torch.arange(m - 1, -1, -1), lambda m: torch.arange(m + 1, 1, -1))),
    *((_holm(lambda m: torch.arange(1, m + 1), keep), _STRICT)
      for keep in (_until_a_failure, _each, lambda passes: _until_a_failure(passes.flip(0)).flip(0))),
    (_holm(within=torch.lt),
     "a p-value at the bound itself does not stand in your answer. Does 'at most' include the bound?"),
    (_by_count, "equal p-values get the same bound, the widest of theirs. Which bound must the first of them meet?"),
    (_holm(back=lambda order, stand: stand), "those are in sorted order. Which belongs to which p?"),
    (_holm(back=lambda order, stand: stand[order]),
     "sorting moved them, and the same indexing moves them on. What moves them back?"),
    (lambda p, alpha: ~_holm()(p, alpha), "that is upside down. Is True for a p-value that stands?"),
    (lambda p, alpha: _holm()(p, 0.05), "your code does not use the alpha that it was given. Is alpha always 0.05?"),
    (lambda p, alpha: _holm()(p, alpha / 2), "you halve alpha. Are these p-values one-sided or two-sided?"),
]

MISTAKES = {"fraction_recovered": _FRACTION_MISTAKES, "holm": _HOLM_MISTAKES}
