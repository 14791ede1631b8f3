"""Right and wrong answers to the exercises of notebook 06."""

import random

import torch

from course_lib import episodes, learners, statistics

# ---------------------------------------------------------------- answers to `split_by_alphabet`


def draw_names(names, n_held, rng):
    return [names[i] for i in torch.randperm(len(names), generator=rng)[:n_held]]


def positions(alphabets, chosen):
    return [i for i, name in enumerate(alphabets) if name in chosen]


def split_right(alphabets, n_held, rng):
    return positions(alphabets, draw_names(sorted(set(alphabets)), n_held, rng))


def split_by_loop(alphabets, n_held, rng):
    names = []
    for name in alphabets:
        if name not in names:
            names.append(name)
    held = []
    while n_held:
        name = names.pop(torch.randint(len(names), (), generator=rng).item())
        held += [i for i in range(len(alphabets)) if alphabets[i] == name]
        n_held -= 1
    return held


def split_by_keys(alphabets, n_held, rng):
    names = sorted(set(alphabets))
    ids = torch.tensor([names.index(name) for name in alphabets])
    keys = torch.rand(len(names), generator=rng)
    return (keys[ids] <= keys.kthvalue(n_held).values).nonzero().flatten()


def split_with(names=lambda alphabets: sorted(set(alphabets)), draw=draw_names, then=positions):
    """`draw` from the names; `then` makes the answer of alphabets and those drawn."""
    return lambda alphabets, n_held, rng: then(alphabets, draw(names(alphabets), n_held, rng))


def split_classes(alphabets, n_held, rng):
    n = len(alphabets) * n_held // len(set(alphabets))
    return torch.randperm(len(alphabets), generator=rng)[:n]


def split_rest(alphabets, chosen):
    return [i for i, name in enumerate(alphabets) if name not in chosen]


def split_slices(alphabets, chosen):
    """As if the classes of an alphabet were next to each other."""
    return [alphabets.index(name) + i for name in chosen for i in range(alphabets.count(name))]


def draw_by_classes(alphabets, n_held, rng):
    """A class brings its alphabet: large alphabets come too often."""
    order = torch.randperm(len(alphabets), generator=rng)
    return positions(alphabets, list(dict.fromkeys(alphabets[i] for i in order))[:n_held])


def draw_with_replacement(names, n_held, rng):
    return [names[i] for i in torch.randint(len(names), (n_held,), generator=rng)]


# ---------------------------------------------------------------- answers to `prototypes`


def prototypes_right(support, y, query, n_way):
    means = torch.stack([support[y == c].mean(0) for c in range(n_way)])
    return -torch.cdist(query, means)**2


def prototypes_by_loop(support, y, query, n_way):
    logits = torch.zeros(len(query), n_way)
    for c in range(n_way):
        mean = sum(x for x, label in zip(support, y) if label == c) / (y == c).sum()
        for q in range(len(query)):
            logits[q, c] = -((query[q] - mean)**2).sum()
    return logits


def prototypes_expanded(support, y, query, n_way):
    one_hot = torch.nn.functional.one_hot(y, n_way).float()
    means = one_hot.T @ support / one_hot.sum(0)[:, None]
    return 2 * query @ means.T - (query**2).sum(1, keepdim=True) - (means**2).sum(1)


def prototypes_of_library(support, y, query, n_way):
    task = episodes.Episodes(support[None, :, None, None], y[None], query[None, :, None, None], None)
    return learners.protonet_logits(lambda x: x.flatten(1), task)[0]


def prototypes_with(use=lambda q, p: -torch.cdist(q, p)**2, stands=lambda x: x.mean(0)):
    """`use` gets queries [Q, F] and what `stands` for each class [N, F]."""
    return lambda support, y, query, n_way: use(query, torch.stack([stands(support[y == c]) for c in range(n_way)]))


def prototypes_from_rows(means):
    """The means are a function of support and n_way alone."""
    return lambda support, y, query, n_way: -torch.cdist(query, means(support, n_way))**2


def prototypes_from_distances(use):
    """`use` gets the squared distances of the queries to the examples of one class, [Q, K]."""
    return lambda support, y, query, n_way: torch.stack(
        [-use(torch.cdist(query, support[y == c])**2) for c in range(n_way)], 1)


def unit(x):
    return torch.nn.functional.normalize(x, dim=-1)


def prototypes_even(support, y, query, n_way):
    sums = torch.zeros(n_way, support.shape[1]).index_add(0, y, support)
    return -torch.cdist(query, sums / (len(y) / n_way))**2


# ---------------------------------------------------------------- answers to `leaks`


def table(support_x, query_x):
    """[T, Q, S, pixels]: where two images agree."""
    return (query_x[:, :, None] == support_x[:, None]).flatten(3)


def leaks_right(support_x, query_x):
    return table(support_x, query_x).all(3).any(2)


def leaks_by_loop(support_x, query_x):
    found = torch.zeros(query_x.shape[:2], dtype=torch.bool)
    for t in range(len(query_x)):
        for q, x in enumerate(query_x[t]):
            found[t, q] = any(torch.equal(x, other) for other in support_x[t])
    return found


def leaks_by_bytes(support_x, query_x):
    known = [{x.numpy().tobytes() for x in task} for task in support_x]
    return torch.tensor([[x.numpy().tobytes() in images for x in task] for task, images in zip(query_x, known)])


def leaks_by_difference(support_x, query_x):
    differences = (query_x.flatten(2)[:, :, None] - support_x.flatten(2)[:, None]).abs()
    return differences.amax(3).amin(2) == 0


def leaks_of(use):
    """`use` gets the table [T, Q, S, pixels] of agreement."""
    return lambda support_x, query_x: use(table(support_x, query_x))


def leaks_by_distance(near):
    """`near` gets the distances [T, Q, S]."""
    return lambda support_x, query_x: near(torch.cdist(query_x.flatten(2), support_x.flatten(2))).any(2)


def leaks_by_summary(summary):
    return lambda support_x, query_x: (summary(query_x.flatten(2))[:, :, None]
                                       == summary(support_x.flatten(2))[:, None]).any(2)


def leaks_anywhere(support_x, query_x):
    everywhere = support_x.flatten(0, 1).expand(len(support_x), -1, -1, -1, -1)
    return leaks_right(everywhere, query_x)


# ---------------------------------------------------------------- answers to `paired_interval`


def half_width(x):
    return 1.96 * x.std() / len(x)**0.5


def paired_right(a, b):
    return (a - b).mean(), half_width(a - b)


def paired_by_loop(a, b):
    differences = [(x - y).item() for x, y in zip(a, b)]
    n = len(differences)
    mean = sum(differences) / n
    variance = sum((d - mean)**2 for d in differences) / (n - 1)
    return mean, 1.96 * (variance / n)**0.5


def paired_by_covariance(a, b):
    variance = a.var() + b.var() - 2 * torch.cov(torch.stack([a, b]))[0, 1]
    return a.mean() - b.mean(), 1.96 * (variance / len(a)).sqrt()


def paired_with(half, mean=lambda a, b: (a - b).mean()):
    return lambda a, b: (mean(a, b), half(a, b))


def of_difference(half):
    return paired_with(lambda a, b: half(a - b))


RIGHT = {
    "split_by_alphabet": [split_right, split_by_loop, split_by_keys,
                          split_with(lambda alphabets: list(dict.fromkeys(alphabets))),
                          lambda *given: set(split_right(*given)), lambda *given: torch.tensor(split_right(*given))],
    "prototypes": [prototypes_right, prototypes_by_loop, prototypes_expanded, prototypes_of_library,
                   prototypes_with(lambda q, p: -((q[:, None] - p)**2).sum(-1))],
    "leaks": [leaks_right, leaks_by_loop, leaks_by_bytes, leaks_by_difference,
              lambda s, q: torch.stack([(b[:, None] == a).all((2, 3, 4)).any(1) for a, b in zip(s, q)])],
    "paired_interval": [paired_right, paired_by_loop, paired_by_covariance,
                        lambda a, b: statistics.mean_interval(statistics.paired_difference(a, b)),
                        of_difference(lambda d: 1.96 * d.std(correction=0) / len(d)**0.5)],
}
WRONG = {       # (answer, words of the message that fit this mistake and no other)
    "split_by_alphabet": [
        (split_classes, "is not new"),
        (draw_by_classes, "among alphabets or among classes"),
        (split_with(then=split_slices), "next to each other"),
        (split_with(names=lambda alphabets: range(len(alphabets)), then=lambda _, chosen: chosen), "counts alphabets"),
        (split_with(then=lambda alphabets, chosen: [alphabets.index(name) for name in chosen]), "counts alphabets"),
        (split_with(then=split_rest), "or the rest"),
        (split_with(then=lambda _, chosen: chosen), "not the names that stand there"),
        (split_with(then=lambda alphabets, chosen: [a for a in alphabets if a in chosen]), "not the names that stand"),
        (split_with(then=lambda alphabets, chosen: torch.tensor([a in chosen for a in alphabets])), "that is a mask"),
        (split_with(then=lambda alphabets, chosen: [positions(alphabets, [c]) for c in chosen]), "one flat list"),
        (split_with(then=lambda a, chosen: (positions(a, chosen), split_rest(a, chosen))), "without the rest"),
        (split_with(then=lambda a, chosen: torch.tensor(positions(a, chosen))[:, None]), "one flat list"),
        (split_with(then=lambda a, chosen: torch.tensor(positions(a, chosen)).float()), "whole numbers"),
        (split_with(then=lambda a, chosen: [i - 16 for i in positions(a, chosen)]), "the first of which is 0"),
        (split_with(then=lambda a, chosen: positions(a, chosen) * 2), "every index once"),
        (split_with(draw=draw_with_replacement), "was an alphabet drawn, put back"),
        (split_with(draw=lambda names, n, g: names[:n]), "begin anew each time"),
        (split_with(draw=lambda names, n, g: draw_names(names, n, g.manual_seed(0))), "begin anew each time"),
        (split_with(draw=lambda names, n, g: random.Random(g.initial_seed()).sample(names, n)), "begin anew each time"),
        (split_with(draw=lambda names, n, g: random.sample(names, n)), "which call draws without"),
        (split_with(draw=lambda names, n, g: draw_names(names, n, None)), "which call draws without"),
        (split_with(draw=lambda names, n, g: draw_names(names[:-1], n, g)), "can your code never reach"),
        (split_with(names=lambda alphabets: list(set(alphabets))), "which order of the names stays"),
        (lambda alphabets, n_held, rng: None, "does your function end with `return ...`?"),
    ],
    "prototypes": [
        (prototypes_with(lambda q, p: torch.cdist(q, p)**2), "must get a large logit"),
        (prototypes_with(torch.cdist), "must get a large logit"),
        (prototypes_with(lambda q, p: -torch.cdist(q, p)), "the distance, or its square"),
        (prototypes_with(stands=lambda x: x.sum(0)), "does not grow with the examples"),
        (prototypes_even, "Count them"),
        (prototypes_from_rows(lambda s, n_way: s.view(n_way, -1, s.shape[1]).mean(1)), "are the labels in order"),
        (prototypes_from_rows(lambda s, n_way: s.view(-1, n_way, s.shape[1]).mean(0)), "are the labels in order"),
        (prototypes_with(lambda q, p: -((q[:, None] - p)**2).mean(2)), "not an average"),
        (prototypes_with(lambda q, p: -torch.cdist(p, q)**2), "a row for each query"),
        (prototypes_with(lambda q, p: (-torch.cdist(q, p)**2).softmax(1)), "part of the cross-entropy"),
        (prototypes_with(lambda q, p: (-torch.cdist(q, p)**2).log_softmax(1)), "part of the cross-entropy"),
        (prototypes_with(lambda q, p: q @ p.T), "that is an inner product"),
        (prototypes_from_distances(lambda d: d.amin(1)), "that is the nearest example"),
        (prototypes_from_distances(lambda d: d.mean(1)), "first the mean of the examples"),
        (prototypes_with(lambda q, p: -torch.cdist(unit(q), unit(p))**2), "leave the features as they are"),
        (prototypes_with(lambda q, p: unit(q) @ unit(p).T), "leave the features as they are"),
        (lambda s, y, q, n_way: prototypes_right(unit(s), y, unit(q), n_way), "leave the features as they are"),
        (prototypes_with(lambda q, p: -torch.cdist(q, p, p=1)), "not their absolute values"),
        (prototypes_with(lambda q, p: (-torch.cdist(q, p)**2).argmax(1)), "a label is not enough"),
        (lambda s, y, q, n_way: -torch.cdist(q, s)**2, "What stands for a class"),
        (prototypes_with(lambda q, p: -(q[:, None] - p)**2), "How long is it"),
        (prototypes_with(lambda q, p: (-torch.cdist(q, p)**2).sum()), "one number for each query and each class"),
        (prototypes_with(lambda q, p: -torch.cdist(q.detach(), p.detach())**2), "learn through both"),
        (prototypes_with(lambda q, p: -torch.cdist(q, torch.tensor(p.tolist()))**2), "learn through both"),
        (prototypes_with(lambda q, p: (-torch.cdist(q, p)**2).tolist()), "return just these"),
        *((wrong, "the difference of one query from it") for wrong in (
            prototypes_with(stands=lambda x: x.median(0).values), prototypes_with(stands=lambda x: x[0]),
            prototypes_with(lambda q, p: torch.zeros(len(q), len(p))))),
    ],
    "leaks": [
        (leaks_anywhere, "Whose support?"),
        (leaks_of(lambda same: same.all(3).any(2).any(1)), "which of the queries leaked"),
        (leaks_of(lambda same: same.all(3).any(2).any(1, keepdim=True).expand(same.shape[:2])),
         "every query of the task"),
        (leaks_of(lambda same: same.all(3).any(1)), "Which queries?"),
        (leaks_of(lambda same: same.all(3)), "that is a table of pairs"),
        (lambda s, q: (q == s).flatten(2).all(2), "one support image only"),
        (leaks_of(lambda same: same.any(3).any(2)), "How many must?"),
        (leaks_of(lambda same: same.any(2).all(2)), "is one image the same"),
        (leaks_of(lambda same: ~same.all(3).any(2)), "upside down"),
        (leaks_of(lambda same: (~same).any(3).all(2)), "upside down"),
        (leaks_of(lambda same: same.float().mean(3).amax(2) > 0.9), "is not identical"),
        (leaks_by_distance(lambda d: d < 0.5), "is not identical"),
        (lambda s, q: ((q[:, :, None] - s[:, None]).abs() <= 0.2).flatten(3).all(3).any(2), "is not identical"),
        (lambda s, q: leaks_right(s > 0.45, q > 0.45), "is not identical"),
        (leaks_by_summary(lambda x: x.sum(2)), "as much ink"),
        (leaks_by_summary(lambda x: x.mean(2)), "as much ink"),
        (lambda s, q: leaks_right(s.flatten(2).sort(2).values, q.flatten(2).sort(2).values), "in other places"),
        (leaks_by_distance(lambda d: d < 1e-2), "is not identical"),
        (lambda s, q: torch.isclose(q[:, :, None], s[:, None], atol=1e-2).flatten(3).all(3).any(2), "is not identical"),
        (leaks_by_distance(lambda d: d == 0), "cdist multiplies matrices and rounds"),
        (leaks_of(lambda same: same.all(3).all(2)), "all or any?"),
        (leaks_of(lambda same: same.all(3).sum(2)), "how often, or how near"),
        (leaks_of(lambda same: same.float().mean(3).amax(2)), "how often, or how near"),
        (lambda s, q: torch.isin(q, s), "one yes or no for each query"),
        (lambda s, q: leaks_right(s, q).tolist(), "torch.tensor makes one of numbers"),
        (lambda s, q: leaks_right(s, q) & (torch.arange(q.shape[1]) > 0), "Do you find it"),
        (lambda s, q: leaks_right(s, q) | True, "no support image of this task is the same"),
    ],
    "paired_interval": [
        (paired_with(lambda a, b: (half_width(a)**2 + half_width(b)**2)**0.5), "hard for both"),
        (paired_with(lambda a, b: half_width(a) + half_width(b)), "two half-widths added up"),
        (paired_with(lambda a, b: half_width(b - a), mean=lambda a, b: (b - a).mean()), "below 0 where b is"),
        (paired_with(lambda a, b: half_width(a - b), mean=lambda a, b: (a - b).mean().abs()), "below 0 where b is"),
        (of_difference(lambda d: d.std() / len(d)**0.5), "one standard error"),
        (of_difference(lambda d: 1.96 * d.std()), "how far single differences scatter"),
        (of_difference(lambda d: d.std()), "how far single differences scatter"),
        (of_difference(lambda d: 1.96 * d.std() / len(d)), "not n times less"),
        (paired_with(lambda a, b: half_width(a) - half_width(b)), "b need not scatter where a does"),
        (paired_with(lambda a, b: a.std() - b.std()), "b need not scatter where a does"),
        (lambda a, b: ((a - b).abs().mean(), half_width((a - b).abs())), "Keep their sign"),
        (of_difference(lambda d: half_width(d.abs())), "without their sign scatter less"),
        (lambda a, b: ((a - b).mean() - half_width(a - b), (a - b).mean() + half_width(a - b)), "return the middle"),
        (lambda a, b: (half_width(a - b), (a - b).mean()), "the mean first"),
        (of_difference(lambda d: d.mean() + half_width(d)), "the distance from the mean to there"),
        (of_difference(lambda d: 2 * half_width(d)), "that is the whole width"),
        (of_difference(lambda d: -half_width(d)), "a half-width is positive"),
        (of_difference(lambda d: 1.96 * d.var() / len(d)**0.5), "variance or standard deviation"),
        (of_difference(lambda d: d.var()), "variance or standard deviation"),
        (paired_with(lambda a, b: half_width(a)), "the interval of one learner"),
        (paired_with(lambda a, b: half_width(a - b), mean=lambda a, b: a.mean()), "How much better is it"),
        (paired_with(lambda a, b: half_width(torch.cat([a, b]))), "one heap of both"),
        (of_difference(lambda d: 1.96 * d.std() / (2 * len(d))**0.5), "how many pairs"),
        (lambda a, b: (a - b, half_width(a - b)), "a float, or a tensor of one element"),
        (lambda a, b: (a - b).mean(), "return just these"),
        (of_difference(lambda d: 0.012), "how many of those for 95 %"),
        (paired_with(lambda a, b: half_width(a - b), mean=lambda a, b: 0.0), "what a has more than b"),
    ],
}
