"""Right and wrong answers to the exercises of notebook 08."""

import torch

from course_lib import placements, statistics

# ---------------------------------------------------------------- answers to `augmenter`


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
    """Each round varies one example of every class: the added ones are not class by class."""
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


def varied(x, rows, augmentation, rng):
    return augmentation(x[rows], rng)


def augmenter_with(rows_of=in_turn, *, rows=None, made=varied, labels=lambda y, rows, n_extra: y[rows],
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


# ---------------------------------------------------------------- answers to `share_closed`


def share_right(none, arm, real):
    gained, possible, n = arm - none, real - none, len(none)
    share = gained.sum() / possible.sum()
    without = (gained.sum() - gained) / (possible.sum() - possible)
    return n * share - (n - 1) * without


def share_by_loop(none, arm, real):
    n, keep = len(none), torch.ones(len(none), dtype=torch.bool)
    whole = (arm.mean() - none.mean()) / (real.mean() - none.mean())
    values = []
    for i in range(n):
        keep[i] = False
        values.append(n * whole - (n - 1) * (arm[keep].mean() - none[keep].mean()) / (real[keep] - none[keep]).mean())
        keep[i] = True
    return torch.stack(values)


def share_by_matrix(none, arm, real):
    n = len(none)
    others = 1 - torch.eye(n, dtype=none.dtype)
    return n * (arm - none).mean() / (real - none).mean() - (n - 1) * (others @ (arm - none)) / (others @ (real - none))


def share_with(use=lambda n, share, without: n * share - (n - 1) * without, *, top=lambda none, arm, real: arm - none,
               bottom=lambda none, arm, real: real - none, of=lambda values: (values.sum() - values)):
    """`use` gets n, the share and those without one run, [n]; `of` leaves a run out of [n] values, or should."""
    def my_pseudo_values(none, arm, real):
        gained, possible = top(none, arm, real), bottom(none, arm, real)
        return use(len(none), gained.sum() / possible.sum(), of(gained) / of(possible))
    return my_pseudo_values


def share_in_place(none, arm, real):
    arm -= none
    real -= none
    return share_right(0 * none, arm, real)


def share_half_left_out(none, arm, real):
    gained, possible, n = arm - none, real - none, len(none)
    return n * gained.sum() / possible.sum() - (n - 1) * (gained.sum() - gained) / possible.sum()


def share_of_mean_ratios(none, arm, real):
    """The jackknife of the mean of the runs' ratios gives back these ratios."""
    ratios, n = (arm - none) / (real - none), len(none)
    return n * ratios.mean() - (n - 1) * (ratios.sum() - ratios) / (n - 1)


# ---------------------------------------------------------------- answers to `holm`


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
        if value >= alpha / left:
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
    while not stands.all() and (p[~stands].min() < alpha / (~stands).sum()):
        stands |= p == p[~stands].min()
    return stands


def first(passes):
    return passes.cumprod(0).bool()


def holm_with(divisors=lambda m: torch.arange(m, 0, -1), keep=first, descending=False,
              back=lambda p, order, passes: passes[order.argsort()]):
    """`holm` with one mistake, or none. keep: which of who passes, sorted. back: into the order of p."""
    def my_holm(p, alpha):
        order = p.argsort(descending=descending)
        return back(p, order, keep(p[order] <= alpha / divisors(len(p))))
    return my_holm


def step_up(passes):
    """All up to the last that passes."""
    return torch.arange(len(passes)) <= max([-1, *passes.nonzero().flatten().tolist()])


def false_discovery(m):
    return m / torch.arange(1, m + 1)


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
    "share_closed": [share_right, share_by_loop, share_by_matrix, share_with(), statistics.fraction_recovered],
    "holm": [holm_right, holm_by_loop, holm_by_adjusting, holm_by_rounds, holm_with(), statistics.holm],
}
WRONG = {       # (answer, words of the message that fit this mistake and no other)
    "augmenter": [
        (augmenter_with(join=lambda old, new: new), "must not lose its real examples"),
        (augmenter_with(join=lambda old, new: torch.cat([new, old])), "the originals are at the end"),
        (augmenter_class_by_class, "but not first and in their order"),
        (augmenter_overwrites, "Which line writes into support_x?"),
        (augmenter_sorts, "support_y changed in place"),
        (augmenter_with(finish=lambda x, y: (x, y.sort().values)), "so must their labels"),
        (augmenter_with(made=lambda x, rows, augmentation, rng: x[rows]), "tells a learner nothing new"),
        (augmenter_with(made=lambda x, rows, augmentation, g: 1 - augmentation(x[rows], g) / 2), "comes from `variation`"),
        (augmenter_chains, "wanders off"),
        (augmenter_with(made=lambda x, rows, augmentation, g: augmentation(augmentation(x[rows], g), g)), "wanders off"),
        (augmenter_with(sizes=lambda n_extra: 0), "nothing is added"),
        (augmenter_with(rows=lambda y, n: torch.arange(n) % len(y)), "not in all"),
        (augmenter_with(rows=lambda y, n: torch.arange(len(y))), "every example once"),
        (augmenter_with(rows=lambda y, n: torch.arange(len(y)).repeat(n)), "not for each example"),
        (augmenter_fills_up, "the originals do not count"),
        (augmenter_with(rows=sorted_rows), "need not be neighbours"),
        (augmenter_with(rows=lambda y, n: torch.cat([torch.arange(n) % len(y) for _ in y.unique()])),
         "of whose images"),
        (augmenter_with(labels=lambda y, rows, n: torch.tensor([2, 0, 1, 3][:len(y.unique())]).repeat_interleave(n)),
         "the same order"),
        (augmenter_with(labels=lambda y, rows, n: y.unique().repeat(n)), "the same order"),
        (augmenter_with(labels=lambda y, rows, n: y[rows] + 3), "of the image that it was made from"),
        (augmenter_with(lambda places, n: places[:1].repeat(n)), "the first example alone"),
        (augmenter_with(lambda places, n: places.flip(0)[torch.arange(n) % len(places)]), "the first, the second"),
        (augmenter_with(lambda places, n: places.repeat_interleave(3)[:n]), "the first example alone"),
        (augmenter_with(lambda places, n: places.repeat(n)[1:n + 1]), "the first, the second"),
        (augmenter_with(lambda places, n: places[torch.randint(len(places), (n,))]), "in turn"),
        (augmenter_with(made=one_drawing_copied), "that is one variation, copied"),
        (augmenter_reseeds, "does your code seed"),
        (augmenter_with(made=lambda x, rows, augmentation, g: augmentation(x[rows])), "all chance comes from"),
        (augmenter_with(made=lambda x, rows, augmentation, g: augmentation(x[rows], torch.Generator())), "this very one"),
        (augmenter_drops_a_dimension, "keeps all its dimensions"),
        (augmenter_with(finish=lambda x, y: (x[:, 0], y)), "behind another"),
        (augmenter_with(finish=lambda x, y: (x, y[:6])), "needs labels too"),
        (augmenter_with(finish=lambda x, y: (x, y.float())), "for counting and indexing"),
        (augmenter_with(finish=lambda x, y: x), "return just these"),
        (lambda *given: None, "does your function end with `return ...`?"),
    ],
    "share_closed": [
        (lambda none, arm, real: (arm - none) / (real - none), "the runs' ratios"),
        (share_of_mean_ratios, "the runs' ratios"),
        (lambda none, arm, real: ((arm - none) / (real - none)).mean(), "what becomes of the share without it"),
        (share_with(lambda n, share, without: share), "what becomes of the share without it"),
        (share_with(lambda n, share, without: share.repeat(n)), "that is the share, n times"),
        (share_with(lambda n, share, without: without), "Pseudo-values spread them out"),
        (share_with(lambda n, share, without: share - without), "how many times r"),
        (share_with(lambda n, share, without: n * share - without), "how many times r"),
        (share_with(lambda n, share, without: share - (n - 1) * without), "how many times r"),
        (share_with(lambda n, share, without: n * (share - without)), "how many times r"),
        (share_with(lambda n, share, without: (n - 1) * without - n * share), "arm has gained where it is above none"),
        (share_with(lambda n, share, without: n * without - (n - 1) * share), "have changed places"),
        (share_with(of=lambda values: values), "That is of run i alone"),
        (share_in_place, "arm changed in place"),
        (share_half_left_out, "must leave the numerator and the denominator"),
        (share_with(top=lambda none, arm, real: real - arm), "the part of the way that is left"),
        (share_with(top=lambda none, arm, real: none - arm), "arm has gained where it is above none"),
        (lambda none, arm, real: share_right(none, real, arm), "arm and real have changed places"),
        (lambda none, arm, real: share_right(arm, none, real), "none and arm have changed places"),
        (share_with(bottom=lambda none, arm, real: real - arm), "compared with what is left"),
        (share_with(bottom=lambda none, arm, real: none), "compared with none"),
        (share_with(bottom=lambda none, arm, real: real), "compared with real"),
        (share_with(top=lambda none, arm, real: arm, bottom=lambda none, arm, real: real), "not at 0"),
        (lambda *runs: share_right(*runs)[:, None], "one number for each run."),
        (lambda *runs: share_right(*runs).tolist(), "torch.tensor makes one of numbers"),
        (lambda *runs: (share_right(*runs).mean(), share_right(*runs).std()), "return just these"),
        (lambda *runs: None, "does your function end with `return ...`?"),
        *((wrong, "the share r of sums over all runs") for wrong in (
            lambda *runs: share_right(*runs) + 0.01, lambda *runs: share_right(*runs).flip(0),
            lambda *runs: share_right(*runs) * torch.nan)),
    ],
    "holm": [
        (lambda p, alpha: p <= alpha / len(p), "that is Bonferroni"),
        (lambda p, alpha: p < alpha, "without correction"),
        (holm_with(keep=lambda passes: passes), "once one has failed"),
        (holm_with(keep=step_up), "as Hochberg does"),
        (holm_in_place, "p changed in place"),
        (holm_then_one_more, "does not stand either"),
        (holm_with(false_discovery, step_up), "Benjamini and Hochberg"),
        (holm_with(false_discovery), "Benjamini and Hochberg"),
        (holm_with(false_discovery, lambda passes: passes), "Benjamini and Hochberg"),
        (holm_with(lambda m: torch.arange(m - 1, -1, -1)), "the divisors run from m down to 1"),
        (holm_with(lambda m: torch.arange(m + 1, 1, -1)), "the divisors run from m down to 1"),
        (holm_with_division_by_zero, "got a division by 0"),
        (holm_with(lambda m: torch.arange(1, m + 1)), "the strictest bound"),
        (holm_with(descending=True), "the strictest bound"),
        (holm_with(keep=lambda passes: passes, descending=True), "the strictest bound"),
        (holm_with(back=lambda p, order, passes: passes), "those are in sorted order"),
        (holm_with(back=lambda p, order, passes: passes[order]), "not back"),
        (lambda p, alpha: ~holm_right(p, alpha), "upside down"),
        (lambda p, alpha: holm_right(p, 0.05), "is alpha always 0.05"),
        (lambda p, alpha: holm_right(p, alpha / 2), "two-sided already"),
        (lambda p, alpha: holm_right(p, alpha).nonzero().flatten(), "not the positions"),
        (lambda p, alpha: holm_right(p, alpha).sum(), "not how many"),
        (lambda p, alpha: holm_right(p, alpha).float(), "does it stand"),
        (lambda p, alpha: p.argsort(), "does it stand"),
        (lambda p, alpha: holm_right(p, alpha).tolist(), "torch.tensor makes one of numbers"),
        (lambda p, alpha: None, "does your function end with `return ...`?"),
        *((wrong, "the smallest p against alpha / m, the next") for wrong in (
            lambda p, alpha: p == p.min(), lambda p, alpha: torch.zeros(len(p), dtype=torch.bool))),
    ],
}
