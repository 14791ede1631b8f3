"""Right and wrong answers to the exercises of notebook 03."""

import torch

from course_lib import quality


def frechet_right(a, b):
    return ((a.mean(0) - b.mean(0))**2 + (a.std(0) - b.std(0))**2).sum()


def frechet_by_feature(a, b):
    total = 0.0
    for x, y in zip(a.T, b.T):
        var_x, var_y = x.var(correction=0).item(), y.var(correction=0).item()
        total += (x.mean() - y.mean()).item()**2 + var_x + var_y - 2 * (var_x * var_y)**0.5
    return total


def frechet_of(combine):
    """`combine` gets the differences of means and of standard deviations, each [F]."""
    return lambda a, b: combine(a.mean(0) - b.mean(0), a.std(0) - b.std(0))


def radii(x, k):
    return torch.cdist(x, x).fill_diagonal_(torch.inf).kthvalue(k, dim=1).values


def coverage_right(real, fake, k):
    return (torch.cdist(real, fake) <= radii(real, k)[:, None]).any(1).float().mean()


def coverage_by_loop(real, fake, k):
    covered = 0
    for i, point in enumerate(real):
        others = torch.cat([real[:i], real[i + 1:]])
        radius = (others - point).norm(dim=1).sort().values[k - 1]
        covered += bool((fake - point).norm(dim=1).min() < radius)
    return covered / len(real)


def coverage_by_topk(real, fake, k):
    radius = torch.cdist(real, real).topk(k + 1, largest=False).values[:, -1]
    return (torch.cdist(real, fake) < radius[:, None]).any(1).float().mean()


def is_covered(real, fake, k):
    return (torch.cdist(real, fake) < radii(real, k)[:, None]).any(1).float()


def coverage_one_radius(real, fake, k):
    return (torch.cdist(real, fake) < radii(real, k).mean()).any(1).float().mean()


def nearest(x, training):
    return torch.cdist(x, training).min(1).values


def memorisation_right(fake, training, held_out):
    return (nearest(fake, training)[:, None] < nearest(held_out, training)).float().mean()


def memorisation_by_loop(fake, training, held_out):
    ours, theirs = nearest(fake, training).tolist(), nearest(held_out, training).tolist()
    return sum((a < b) + (a == b) / 2 for a in ours for b in theirs) / len(ours) / len(theirs)


def memorisation_with(distances):
    """The right comparison of wrong distances."""
    return lambda f, t, h: (distances(f, t)[:, None] < distances(h, t)).float().mean()


def memorisation_of(summary):
    """The right distances, summed up by `summary`."""
    return lambda f, t, h: summary(nearest(f, t), nearest(h, t))


RIGHT = {
    "frechet": [frechet_right, frechet_by_feature, lambda a, b: frechet_right(a, b).reshape(1),
                lambda a, b: ((a.mean(0) - b.mean(0)).norm()**2
                              + (a.std(0, correction=0) - b.std(0, correction=0)).norm()**2).item()],
    "coverage": [coverage_right, coverage_by_loop, coverage_by_topk,
                 lambda real, fake, k: quality.prdc(real, fake, k).coverage],
    "memorisation": [memorisation_right, memorisation_by_loop,
                     lambda *sets: quality.memorisation(*(x.unflatten(1, (1, 3, 3)) for x in sets))],
}
WRONG = {       # (answer, words of the message that fit this mistake and no other)
    "frechet": [
        (frechet_of(lambda m, s: m**2 + s**2), "a tensor of one element"),
        (lambda a, b: print(end=""), "does your function end with `return ...`?"),
        *((wrong, "each feature by itself") for wrong in (
            quality.frechet_distance, frechet_of(lambda m, s: ((m + s)**2).sum()),
            frechet_of(lambda m, s: m.norm() + s.norm()), lambda a, b: 0.0)),
    ],
    "coverage": [
        (is_covered, "a tensor of one element"),
        *((wrong, "how far is it to the neighbour that sets its radius") for wrong in (
            coverage_one_radius, lambda *sets: 1 - is_covered(*sets).mean(),
            lambda real, fake, k: coverage_right(real, fake, 5), lambda real, fake, k: 0.0)),
    ],
    "memorisation": [
        (memorisation_of(lambda a, b: a[:, None] < b), "a tensor of one element"),
        *((wrong, "Sample one distance from each") for wrong in (
            memorisation_with(lambda x, t: torch.cdist(x, t, p=1).min(1).values),
            memorisation_with(lambda x, t: torch.cdist(x, t).max(1).values),
            memorisation_of(lambda a, b: (b > a.median()).float().mean()),
            memorisation_of(lambda a, b: sum(p < q for p, q in zip(a, b)) / min(len(a), len(b))))),
    ],
}
