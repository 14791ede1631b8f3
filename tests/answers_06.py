"""Right and wrong answers to the exercises of notebook 06. More wrong ones: MISTAKES of course_checks/nb06.py."""

import random

import torch

from course_lib import episodes, learners, normalisation, statistics


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


def draw_neighbours(names, n_held, rng):
    """Random, but always next to each other in the list of names."""
    start = torch.randint(len(names), (), generator=rng).item()
    return [(names + names)[start + i] for i in range(n_held)]


def split_in_place(alphabets, n_held, rng):
    names = alphabets
    names.sort()
    return split_right(alphabets, n_held, rng)


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


def prototypes_by_appearance(support, y, query, n_way):
    means = torch.stack([support[y == c].mean(0) for c in dict.fromkeys(y.tolist())])
    return -torch.cdist(query, means)**2


def prototypes_sorted(support, y, query, n_way):
    means = support[y.argsort(stable=True)].view(n_way, -1, support.shape[1]).mean(1)
    return -torch.cdist(query, means)**2


def prototypes_stacked(support, y, query, n_way):
    means = torch.stack([support[y == c] for c in range(n_way)]).mean(1)
    return -torch.cdist(query, means)**2


def prototypes_padded(support, y, query, n_way):
    """Every class cut to the size of the smallest."""
    k = min((y == c).sum() for c in range(n_way))
    means = torch.stack([support[y == c][:k] for c in range(n_way)]).mean(1)
    return -torch.cdist(query, means)**2


def prototypes_spoil_y(support, y, query, n_way):
    logits = prototypes_right(support, y, query, n_way)
    y += 1
    return logits


def prototypes_half_detached(support, y, query, n_way):
    means = torch.stack([support[y == c].mean(0) for c in range(n_way)])
    return 2 * query @ means.T - (query**2).sum(1, keepdim=True) - (means**2).sum(1).detach()


def moments_of_squares(root):
    """The mean square minus the square of the mean, then `root`."""
    def my_moments(x):
        total, sides = x.sum((1, 2)), []
        for ink in (x.sum(1), x.sum(2)):
            place = torch.arange(ink.shape[1]).float()
            mean = ink @ place / total
            sides.append((mean, root(ink @ place**2 / total - mean**2)))
        return tuple(torch.stack(side, 1) for side in zip(*sides))
    return my_moments


def moments_right(x):
    mean, spread = normalisation.moments(x)                     # from -1 to 1, border to border
    size = torch.tensor([x.shape[2], x.shape[1]])
    return (mean + 1) * size / 2 - 0.5, spread * size / 2


def moments_by_loop(x):
    means, spreads = [], []
    for image in x:
        places, weights = image.nonzero().flip(1).float(), image[image > 0][:, None]
        means.append((places * weights).sum(0) / weights.sum())
        spreads.append((((places - means[-1])**2 * weights).sum(0) / weights.sum()).sqrt())
    return torch.stack(means), torch.stack(spreads)


def moments_on_a_grid(x):
    down, across = torch.meshgrid(*map(torch.arange, x.shape[1:]), indexing="ij")
    grid, weight = torch.stack([across, down]).double(), (x / x.sum((1, 2), keepdim=True)).double()
    mean = torch.einsum("bij,kij->bk", weight, grid)
    apart = (grid - mean[:, :, None, None]).square()
    return mean, torch.einsum("bij,bkij->bk", weight, apart).sqrt()


def moments_then(change):
    """`change` of the right mean and spread."""
    return lambda x: change(*moments_right(x))


def moments_in_place(x):
    x /= x.sum((1, 2), keepdim=True)
    return moments_right(x)


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


def paired_in_place(a, b):
    a -= b
    return a.mean(), half_width(a)


def of_difference(half):
    return lambda a, b: ((a - b).mean(), half(a - b))


RIGHT = {
    "split_by_alphabet": [split_right, split_by_loop, split_by_keys,
                          split_with(lambda alphabets: list(dict.fromkeys(alphabets))),
                          lambda *given: set(split_right(*given)), lambda *given: torch.tensor(split_right(*given))],
    "prototypes": [prototypes_right, prototypes_by_loop, prototypes_expanded, prototypes_of_library,
                   prototypes_with(lambda q, p: -((q[:, None] - p)**2).sum(-1))],
    "moments": [moments_right, moments_by_loop, moments_on_a_grid, moments_then(lambda mean, spread: [mean, spread]),
                moments_of_squares(lambda square: square.clamp(min=0).sqrt())],
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
        (split_with(then=lambda _, chosen: chosen), "you returned names"),
        (split_with(then=lambda alphabets, chosen: [a for a in alphabets if a in chosen]), "you returned names"),
        (split_with(then=lambda alphabets, chosen: torch.tensor([a in chosen for a in alphabets])), "a mask"),
        (split_with(then=lambda alphabets, chosen: [positions(alphabets, [c]) for c in chosen]), "one flat list"),
        (split_with(then=lambda a, chosen: (positions(a, chosen), split_rest(a, chosen))), "not the rest"),
        (split_with(then=lambda a, chosen: torch.tensor(positions(a, chosen))[:, None]), "one flat list"),
        (split_with(then=lambda a, chosen: torch.tensor(positions(a, chosen)).float()), "whole numbers"),
        (split_with(then=lambda a, chosen: [i - 16 for i in positions(a, chosen)]), "the first of which is 0"),
        (split_with(then=lambda a, chosen: positions(a, chosen) * 2), "some index is there twice"),
        (split_with(draw=draw_with_replacement), "draw the same alphabet twice"),
        (split_with(draw=lambda names, n, g: names[:n]), "every call holds out the same"),
        (split_with(draw=lambda names, n, g: draw_names(names, n, g.manual_seed(0))), "every call holds out the same"),
        (split_with(draw=lambda names, n, g: random.Random(g.initial_seed()).sample(names, n)),
         "every call holds out the same"),
        (split_with(draw=lambda names, n, g: random.sample(names, n)), "draws without `rng`"),
        (split_with(draw=lambda names, n, g: draw_names(names, n, None)), "draws without `rng`"),
        (split_with(draw=lambda names, n, g: draw_names(names[:-1], n, g)), "some alphabets are never held out"),
        (split_with(names=lambda alphabets: list(set(alphabets))), "Which order of the names"),
        (split_with(draw=draw_neighbours), "Can any two alphabets be held out together"),
        (split_in_place, "changed in place"),
        (lambda alphabets, n_held, rng: None, "does your function end with `return ...`?"),
    ],
    "prototypes": [
        (prototypes_with(lambda q, p: -torch.cdist(p, q)**2), "rows and columns are exchanged"),
        (prototypes_with(lambda q, p: (-torch.cdist(q, p)**2).argmax(1)), "a label for each query is not enough"),
        (lambda s, y, q, n_way: -torch.cdist(q, s)**2, "What stands for a class"),
        (prototypes_with(lambda q, p: -(q[:, None] - p)**2), "How long is it"),
        (prototypes_with(lambda q, p: (-torch.cdist(q, p)**2).sum()), "one number for each query and each class"),
        (prototypes_with(lambda q, p: -torch.cdist(q.detach(), p.detach())**2), "an encoder should learn"),
        (prototypes_with(lambda q, p: -torch.cdist(q, torch.tensor(p.tolist()))**2), "an encoder should learn"),
        (prototypes_with(lambda q, p: (-torch.cdist(q, p)**2).tolist()), "return just these"),
        (prototypes_by_appearance, "in which the classes appear"),
        (prototypes_sorted, "How many has each here"),
        (prototypes_stacked, "the same number of examples"),
        (prototypes_padded, "some examples were left out"),
        (prototypes_spoil_y, "support_y changed in place"),
        (prototypes_half_detached, "gradient is not"),
        *((wrong, "the difference of one query from it") for wrong in (
            prototypes_with(stands=lambda x: x.median(0).values), prototypes_with(stands=lambda x: x[0]),
            prototypes_with(lambda q, p: torch.zeros(len(q), len(p))))),
    ],
    "moments": [
        (moments_then(lambda mean, spread: mean), "return just these"),
        (moments_then(lambda mean, spread: (mean.T, spread.T)), "images are columns in your answer"),
        (moments_then(lambda mean, spread: (mean[:, 0], spread[:, 0])), "where is its ink across, and where down"),
        (moments_then(lambda mean, spread: (mean.mean(0), spread.mean(0))), "you took all images together"),
        (moments_then(lambda mean, spread: (mean.tolist(), spread.tolist())), "makes one of numbers"),
        (moments_then(lambda mean, spread: (mean.round(), spread)), "Divide by what?"),
        (moments_then(lambda mean, spread: (mean, 2 * spread)), "is the mean of squared distances"),
        (lambda x: (x.sum(1), x.sum(1)), "a number for each column"),
        (lambda x: (x.sum(2), x.sum(2)), "a number for each row"),
        (moments_in_place, "changed in place"),
        (moments_of_squares(lambda square: square.sqrt()), "nearly equal"),
    ],
    "leaks": [
        (leaks_of(lambda same: same.all(3).any(2).any(1)), "one answer for each task"),
        (leaks_of(lambda same: same.all(3)), "that is a table of pairs"),
        (lambda s, q: (q == s).flatten(2).all(2), "one support image only"),
        (leaks_of(lambda same: (~same).any(3).all(2)), "upside down"),
        (leaks_of(lambda same: same.float().mean(3).amax(2) > 0.9), "not identical"),
        (leaks_by_distance(lambda d: d < 0.5), "not identical"),
        (lambda s, q: ((q[:, :, None] - s[:, None]).abs() <= 0.2).flatten(3).all(3).any(2), "not identical"),
        (lambda s, q: leaks_right(s > 0.45, q > 0.45), "not identical"),
        (lambda s, q: (q.flatten(2).mean(2)[:, :, None] == s.flatten(2).mean(2)[:, None]).any(2), "as much ink"),
        (lambda s, q: leaks_right(s.flatten(2).sort(2).values, q.flatten(2).sort(2).values), "in other places"),
        (leaks_by_distance(lambda d: d < 1e-2), "not identical"),
        (lambda s, q: torch.isclose(q[:, :, None], s[:, None], atol=1e-2).flatten(3).all(3).any(2), "not identical"),
        (leaks_of(lambda same: same.all(3).sum(2)), "how often, or how near"),
        (leaks_of(lambda same: same.float().mean(3).amax(2)), "how often, or how near"),
        (lambda s, q: torch.isin(q, s), "one yes or no for each query"),
        (lambda s, q: leaks_right(s, q).tolist(), "torch.tensor makes one of numbers"),
        (lambda s, q: leaks_right(s, q) & (torch.arange(q.shape[1]) > 0), "Do you find it"),
        (lambda s, q: [q.sub_(1), s.sub_(1), leaks_right(s, q)][2], "changed in place"),
        (lambda s, q: leaks_right(s, q) | True, "no support image of this task is the same"),
    ],
    "paired_interval": [
        (lambda a, b: ((a - b).mean().abs(), half_width(a - b)), "below 0 where b is"),
        (lambda a, b: ((a - b).abs().mean(), half_width((a - b).abs())), "on which b is the better"),
        (lambda a, b: ((a - b).mean() - half_width(a - b), (a - b).mean() + half_width(a - b)), "Return the middle"),
        (lambda a, b: (a - b, half_width(a - b)), "a float, or a tensor of one element"),
        (lambda a, b: (a - b).mean(), "return just these"),
        (of_difference(lambda d: 0.012), "how many of those for 95 %"),
        (paired_in_place, "changed in place"),
        (of_difference(lambda d: 2 * d.std() / len(d)**0.5), "rule of thumb"),
        (lambda a, b: (0.0, half_width(a - b)), "what a has more than b"),
    ],
}
