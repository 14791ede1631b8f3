"""Right and wrong answers to the exercises of notebook 09."""

import torch

from course_lib import placements, statistics


def augmenter_right(support_x, support_y, augmentation, n_extra, rng):
    rows = []
    for label in support_y.unique():
        examples = (support_y == label).nonzero().squeeze(1)
        rows.append(examples[torch.arange(n_extra) % len(examples)])
    rows = torch.cat(rows)
    return torch.cat([support_x, augmentation(support_x[rows], rng)]), torch.cat([support_y, support_y[rows]])


def augmenter_one_by_one(support_x, support_y, augmentation, n_extra, rng):
    x, y, labels = list(support_x), support_y.tolist(), support_y.tolist()
    for label in dict.fromkeys(labels):
        examples = [image for image, other in zip(support_x, labels) if other == label]
        for i in range(n_extra):
            x.append(augmentation(examples[i % len(examples)][None], rng)[0])
            y.append(label)
    return torch.stack(x), torch.tensor(y)


def augmenter_by_rounds(support_x, support_y, augmentation, n_extra, rng):
    """Each round augments one example of every class: the added ones are not class by class."""
    x, y = [support_x], [support_y]
    for i in range(n_extra):
        places = [(support_y == c).nonzero().flatten() for c in range(int(support_y.max()) + 1)]
        rows = [place[i % len(place)].item() for place in places]
        x.append(augmentation(support_x[rows], rng))
        y.append(support_y[rows])
    return torch.cat(x), torch.cat(y)


def augmenter_of_library(support_x, support_y, augmentation, n_extra, rng):
    """`placements.adding` wants as many examples of each class: one class at a time."""
    x, y = [support_x], [support_y]
    for c in support_y.unique():
        mine = support_x[support_y == c][None]
        add = placements.adding(lambda images, rng, task: augmentation(images, rng), n_extra)
        both, _ = add(mine, torch.zeros(mine.shape[:2], dtype=torch.long), rng)
        x.append(both[0, mine.shape[1]:])
        y.append(c.repeat(n_extra))
    return torch.cat(x), torch.cat(y)


def in_turn(places, n_extra):
    return places[torch.arange(n_extra) % len(places)]


def all_rows(support_y, n_extra, rows_of=in_turn):
    return torch.cat([rows_of((support_y == c).nonzero().flatten(), n_extra) for c in support_y.unique()])


def augmented(x, rows, augmentation, rng):
    return augmentation(x[rows], rng)


def augmenter_with(rows_of=in_turn, *, rows=None, made=augmented, labels=lambda y, rows, n_extra: y[rows],
                   join=lambda old, new: torch.cat([old, new]), sizes=lambda n_extra: n_extra,
                   finish=lambda x, y: (x, y)):
    """`augmenter` with one mistake, or none. rows: of the support, from support_y and n_extra."""
    def my_augmenter(support_x, support_y, augmentation, n_extra, rng):
        n = sizes(n_extra)
        chosen = rows(support_y, n) if rows else all_rows(support_y, n, rows_of)
        new_x, new_y = made(support_x, chosen, augmentation, rng), labels(support_y, chosen, n)
        return finish(join(support_x, new_x), join(support_y, new_y))
    return my_augmenter


def sorted_rows(y, n_extra):
    """As if the support came class by class, with as many of each."""
    n_way = int(y.max()) + 1
    k = len(y) // n_way
    return torch.cat([c * k + torch.arange(n_extra) % k for c in range(n_way)])


def augmenter_fills_up(support_x, support_y, augmentation, n_extra, rng):
    places = [(support_y == c).nonzero().flatten() for c in support_y.unique()]
    rows = torch.cat([in_turn(place, n_extra - len(place)) for place in places if n_extra > len(place)])
    return torch.cat([support_x, augmentation(support_x[rows], rng)]), torch.cat([support_y, support_y[rows]])


def augmenter_class_by_class(support_x, support_y, augmentation, n_extra, rng):
    x, y = [], []
    for c in support_y.unique():
        mine = support_x[support_y == c]
        x += [mine, augmentation(mine[torch.arange(n_extra) % len(mine)], rng)]
        y += [c.repeat(len(mine) + n_extra)]
    return torch.cat(x), torch.cat(y)


def augmenter_chains(support_x, support_y, augmentation, n_extra, rng):
    x, y = [support_x], [support_y]
    for c in support_y.unique():
        image = support_x[support_y == c][:1]
        for _ in range(n_extra):
            image = augmentation(image, rng)
            x.append(image)
            y.append(c[None])
    return torch.cat(x), torch.cat(y)


def augmenter_reseeds(support_x, support_y, augmentation, n_extra, rng):
    return augmenter_right(support_x, support_y, augmentation, n_extra, rng.manual_seed(0))


def augmenter_overwrites(support_x, support_y, augmentation, n_extra, rng):
    support_x[0] = augmentation(support_x[:1], rng)[0]
    return augmenter_right(support_x, support_y, augmentation, n_extra, rng)


def augmenter_sorts(support_x, support_y, augmentation, n_extra, rng):
    """Right, and then it leaves the labels that it was given in another order."""
    x, y = augmenter_right(support_x, support_y, augmentation, n_extra, rng)
    support_y.copy_(support_y.sort().values)
    return x, y


def augmenter_drops_a_dimension(support_x, support_y, augmentation, n_extra, rng):
    rows = all_rows(support_y, n_extra).tolist()
    new = torch.stack([augmentation(support_x[row], rng) for row in rows])
    return torch.cat([support_x, new]), torch.cat([support_y, support_y[rows]])


def one_drawing_copied(x, rows, augmentation, rng):
    return augmentation(x, rng)[rows]


def third_example_made_once(support_x, support_y, augmentation, n_extra, rng):
    """All copies of the third example of a class are one drawing."""
    x, y = augmenter_right(support_x, support_y, augmentation, n_extra, rng)
    first, rows = {}, all_rows(support_y, n_extra).tolist()
    for i, row in enumerate(rows):
        if (support_y[:row] == support_y[row]).sum() == 2:
            x[len(support_y) + i] = x[len(support_y) + first.setdefault(row, i)]
    return x, y


def fraction_of(change):
    """`change` gets what each run gained and could have gained."""
    def pseudo_values(baseline, arm, oracle):
        gained, possible = change(arm - baseline, oracle - baseline)
        return fraction_right(torch.zeros_like(gained), gained, possible)
    return pseudo_values


def fraction_right(baseline, arm, oracle):
    gained, possible, n = arm - baseline, oracle - baseline, len(baseline)
    r = gained.sum() / possible.sum()
    without = (gained.sum() - gained) / (possible.sum() - possible)
    return n * r - (n - 1) * without


def fraction_by_loop(baseline, arm, oracle):
    n, keep = len(baseline), torch.ones(len(baseline), dtype=torch.bool)
    whole = (arm.mean() - baseline.mean()) / (oracle.mean() - baseline.mean())
    values = []
    for i in range(n):
        keep[i] = False
        gap = (oracle[keep] - baseline[keep]).mean()
        values.append(n * whole - (n - 1) * (arm[keep].mean() - baseline[keep].mean()) / gap)
        keep[i] = True
    return torch.stack(values)


def fraction_by_matrix(baseline, arm, oracle):
    n, gained, possible = len(baseline), arm - baseline, oracle - baseline
    others = 1 - torch.eye(n, dtype=baseline.dtype)
    return n * gained.mean() / possible.mean() - (n - 1) * (others @ gained) / (others @ possible)


def fraction_in_place(baseline, arm, oracle):
    arm -= baseline
    oracle -= baseline
    return fraction_right(0 * baseline, arm, oracle)


def fraction_of_mean_ratios(baseline, arm, oracle):
    """The jackknife of the mean of the runs' ratios gives back these ratios."""
    ratios, n = (arm - baseline) / (oracle - baseline), len(baseline)
    return n * ratios.mean() - (n - 1) * (ratios.sum() - ratios) / (n - 1)


def holm_right(p, alpha):
    order, m = p.argsort(), len(p)
    passes = p[order] <= alpha / torch.arange(m, 0, -1)
    stands = torch.zeros(m, dtype=torch.bool)
    stands[order] = passes.cumprod(0).bool()
    return stands


def holm_by_loop(p, alpha):
    stands = [False] * len(p)
    left = len(p)
    for value, i in sorted((value, i) for i, value in enumerate(p.tolist())):
        if value > alpha / left:
            break
        stands[i] = True
        left -= 1
    return torch.tensor(stands)


def holm_by_adjusting(p, alpha):
    order = p.argsort()
    adjusted = (p[order] * torch.arange(len(p), 0, -1)).cummax(0).values
    return (adjusted <= alpha)[order.argsort()]


def holm_by_rounds(p, alpha):
    """Bonferroni, again and again, among those that do not stand yet."""
    stands = torch.zeros(len(p), dtype=torch.bool)
    while not stands.all() and (p[~stands].min() <= alpha / (~stands).sum()):
        stands |= p == p[~stands].min()
    return stands


def holm_strict(p, alpha):
    """At the bound itself it stops."""
    stands = torch.zeros(len(p), dtype=torch.bool)
    for k, i in enumerate(p.argsort().tolist()):
        if p[i] >= alpha / (len(p) - k):
            break
        stands[i] = True
    return stands


def holm_by_count(p, alpha):
    """The rank of a p-value as the number of those that are smaller or as large: equal ones help each other."""
    rank = (p[:, None] >= p).sum(1) - 1
    passes = p <= alpha / (len(p) - rank)
    return passes & ((p[:, None] <= p) | passes).all(1)


def holm_from_the_largest(p, alpha, keep=lambda passes: passes.cumprod(0).bool()):
    order = p.argsort(descending=True)
    return keep(p[order] <= alpha / torch.arange(len(p), 0, -1))[order.argsort()]


def holm_with_division_by_zero(p, alpha):
    stands = torch.zeros(len(p), dtype=torch.bool)
    for k, i in enumerate(p.argsort().tolist(), start=1):
        if p[i] > alpha / (len(p) - k):
            break
        stands[i] = True
    return stands


def holm_in_place(p, alpha):
    stands = holm_right(p, alpha)
    p.mul_(torch.arange(len(p), 0, -1))
    return stands


def holm_then_one_more(p, alpha):
    order, stands = p.argsort().tolist(), torch.zeros(len(p), dtype=torch.bool)
    for k, i in enumerate(order):
        stands[i] = True
        if p[i] > alpha / (len(p) - k):
            break
    return stands


RIGHT = {
    "augmenter": [augmenter_right, augmenter_one_by_one, augmenter_by_rounds, augmenter_of_library, augmenter_with()],
    "fraction_recovered": [fraction_right, fraction_by_loop, fraction_by_matrix, statistics.fraction_recovered],
    "holm": [holm_right, holm_by_loop, holm_by_adjusting, holm_by_rounds, statistics.holm],
}
WRONG = {       # (answer, words of the message that fit this mistake and no other)
    "augmenter": [
        (augmenter_with(join=lambda old, new: new), "must not lose its real examples"),
        (augmenter_with(join=lambda old, new: torch.cat([new, old])), "the originals are at the end"),
        (augmenter_class_by_class, "but not first and in their order"),
        (augmenter_overwrites, "Which line writes into support_x?"),
        (augmenter_sorts, "support_y changed in place"),
        (augmenter_with(finish=lambda x, y: (x, y.sort().values)), "Which line moves the labels"),
        (augmenter_with(made=lambda x, rows, augmentation, rng: x[rows]), "tells a learner nothing new"),
        (augmenter_with(made=lambda x, rows, augmentation, g: 1 - augmentation(x[rows], g) / 2), "as it comes from"),
        (augmenter_chains, "augmented twice"),
        (augmenter_with(made=lambda x, rows, augmentation, g: augmentation(augmentation(x[rows], g), g)),
         "augmented twice"),
        (augmenter_with(sizes=lambda n_extra: 0), "your code adds no image"),
        (augmenter_with(rows=lambda y, n: torch.arange(n) % len(y)), "that is n_extra in all"),
        (augmenter_with(rows=lambda y, n: torch.arange(len(y))), "every example once"),
        (augmenter_with(rows=lambda y, n: torch.arange(len(y)).repeat(n)), "that is n_extra for each example"),
        (augmenter_fills_up, "you count the originals too"),
        (augmenter_with(rows=sorted_rows), "need not be neighbours"),
        (augmenter_with(rows=lambda y, n: torch.cat([torch.arange(n) % len(y) for _ in y.unique()])),
         "what says whose they are"),
        (augmenter_with(labels=lambda y, rows, n: torch.tensor([2, 0, 1, 3][:len(y.unique())]).repeat_interleave(n)),
         "the same order"),
        (augmenter_with(labels=lambda y, rows, n: y.unique().repeat(n)), "the same order"),
        (augmenter_with(labels=lambda y, rows, n: y[rows] + 3), "of the image that it was made from"),
        (augmenter_with(lambda places, n: places[:1].repeat(n)), "only the first example of a class"),
        (augmenter_with(lambda places, n: places.flip(0)[torch.arange(n) % len(places)]), "beginning with the first"),
        (augmenter_with(lambda places, n: places.repeat_interleave(3)[:n]), "only the first example of a class"),
        (augmenter_with(lambda places, n: places.repeat(n)[1:n + 1]), "beginning with the first"),
        (augmenter_with(lambda places, n: places[torch.randint(len(places), (n,))]), "in turn"),
        (augmenter_with(made=one_drawing_copied), "When does your code make a new one"),
        (third_example_made_once, "When does your code make a new one"),
        (augmenter_with(lambda places, n: places[:2][torch.arange(n) % min(2, len(places))]), "take part"),
        (augmenter_with(lambda places, n: places[(torch.arange(n) % len(places)).clamp(max=1)]), "take part"),
        (augmenter_with(finish=lambda x, y: (x, y.int())), "as support_y has them"),
        (augmenter_with(finish=lambda x, y: (x.double(), y)), "Which line changes their type"),
        (augmenter_reseeds, "does your code seed"),
        (augmenter_with(made=lambda x, rows, augmentation, g: augmentation(x[rows])), "all randomness must come from"),
        (augmenter_with(made=lambda x, rows, augmentation, g: augmentation(x[rows], torch.Generator())), "another rng"),
        (augmenter_drops_a_dimension, "keeps all of them"),
        (augmenter_with(finish=lambda x, y: (x[:, 0], y)), "behind another"),
        (augmenter_with(finish=lambda x, y: (x, y[:6])), "needs labels too"),
        (augmenter_with(finish=lambda x, y: (x, y.float())), "for counting and indexing"),
        (augmenter_with(finish=lambda x, y: x), "return just these"),
        (lambda *given: None, "does your function end with `return ...`?"),
    ],
    "fraction_recovered": [
        (fraction_of_mean_ratios, "the runs' ratios"),
        (lambda baseline, arm, oracle: ((arm - baseline) / (oracle - baseline)).mean(), "that is one number"),
        (lambda baseline, arm, oracle: (arm - baseline).sum() / (oracle - baseline).sum(), "that is one number"),
        (lambda *runs: -fraction_right(*runs), "an arm has gained where it is above the baseline"),
        (fraction_in_place, "arm changed in place"),
        (fraction_of(lambda gained, possible: (gained.abs(), possible)), "a run can lose"),
        (fraction_of(lambda gained, possible: (gained.clamp(min=0), possible)), "a run can lose"),
        (fraction_of(lambda gained, possible: (gained, possible.abs())), "a run can lose"),
        (fraction_of(lambda gained, possible: (gained, possible.clamp(min=1e-6))), "a run can lose"),
        (lambda *runs: fraction_right(*runs)[:, None], "one number for each run."),
        (lambda *runs: fraction_right(*runs).tolist(), "torch.tensor makes one of numbers"),
        (lambda *runs: (fraction_right(*runs).mean(), fraction_right(*runs).std()), "return just these"),
        (lambda *runs: None, "does your function end with `return ...`?"),
        *((wrong, "the fraction r from sums over all runs") for wrong in (
            lambda *runs: fraction_right(*runs) + 0.01, lambda *runs: fraction_right(*runs).flip(0),
            lambda *runs: fraction_right(*runs) * torch.nan)),
    ],
    "holm": [
        (holm_in_place, "p changed in place"),
        (holm_strict, "at the bound itself does not stand"),
        (holm_by_count, "equal p-values"),
        (holm_then_one_more, "stop before it, or after it"),
        (holm_with_division_by_zero, "got a division by 0"),
        (holm_from_the_largest, "to pass the strictest"),
        (lambda p, alpha: holm_from_the_largest(p, alpha, keep=lambda passes: passes), "to pass the strictest"),
        (lambda p, alpha: holm_right(p, alpha).nonzero().flatten(), "the positions"),
        (lambda p, alpha: holm_right(p, alpha).sum(), "how many stand"),
        (lambda p, alpha: holm_right(p, alpha).float(), "stand, yes or no"),
        (lambda p, alpha: p.argsort(), "stand, yes or no"),
        (lambda p, alpha: holm_right(p, alpha).tolist(), "torch.tensor makes one of numbers"),
        (lambda p, alpha: None, "does your function end with `return ...`?"),
        *((wrong, "compare the smallest p with alpha / m, the next") for wrong in (
            lambda p, alpha: p == p.min(), lambda p, alpha: torch.zeros(len(p), dtype=torch.bool))),
    ],
}
