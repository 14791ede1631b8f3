"""Right and wrong answers to the exercises of notebook 03."""

import torch

from course_lib import pairs, quality

# ---------------------------------------------------------------- answers to `frechet`


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


def frechet_by_image(a, b):
    return ((a.mean(1) - b.mean(1))**2 + (a.std(1) - b.std(1))**2).sum()


# ---------------------------------------------------------------- answers to `coverage`


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


def coverage_with(*, self_counts=0, k_more=0):
    def my_coverage(real, fake, k):
        radius = torch.cdist(real, real).topk(k + 1 - self_counts + k_more, largest=False).values[:, -1]
        return (torch.cdist(real, fake) < radius[:, None]).any(1).float().mean()
    return my_coverage


def coverage_without_equals(real, fake, k):
    distances = torch.cdist(real, real)
    return (torch.cdist(real, fake) < distances.where(distances > 0, torch.inf).kthvalue(k, dim=1).values[:, None]
            ).any(1).float().mean()


def coverage_of_pairs(summary, around="real"):
    """`summary` gets the table [N, M] of who lies in whose ball, and k."""
    def my_coverage(real, fake, k):
        limits = radii(real, k)[:, None] if around == "real" else radii(fake, k)
        return summary((torch.cdist(real, fake) < limits).float(), k)
    return my_coverage


def coverage_fake_radius(real, fake, k):
    distances = torch.cdist(real, fake)
    return (distances <= distances.kthvalue(k, dim=1).values[:, None]).any(1).float().mean()


def coverage_one_radius(real, fake, k):
    return (torch.cdist(real, fake) < radii(real, k).mean()).any(1).float().mean()


# ---------------------------------------------------------------- answers to `memorisation`


def nearest(x, training):
    return torch.cdist(x, training).min(1).values


def memorisation_right(fake, training, held_out):
    return (nearest(fake, training)[:, None] < nearest(held_out, training)).float().mean()


def memorisation_by_loop(fake, training, held_out):
    ours, theirs = nearest(fake, training).tolist(), nearest(held_out, training).tolist()
    return sum((a < b) + (a == b) / 2 for a in ours for b in theirs) / len(ours) / len(theirs)


def memorisation_with(ours, theirs=None):
    """The right comparison of wrong distances: `ours` for a fake and, unless `theirs` is given, for a held-out."""
    theirs = theirs or ours
    return lambda f, t, h: (ours(f, t, h)[:, None] < theirs(h, t, h)).float().mean()


def memorisation_of(summary):
    """The right distances, summed up by `summary`."""
    return lambda f, t, h: summary(nearest(f, t), nearest(h, t))


RIGHT = {
    "frechet": [frechet_right, frechet_by_feature, lambda a, b: frechet_right(a, b).reshape(1),
                lambda a, b: ((a.mean(0) - b.mean(0)).norm()**2
                              + (a.std(0, correction=0) - b.std(0, correction=0)).norm()**2).item()],
    "coverage": [coverage_right, coverage_by_loop, coverage_with(),
                 lambda real, fake, k: quality.prdc(real, fake, k).coverage],
    "memorisation": [memorisation_right, memorisation_by_loop,
                     lambda *sets: quality.memorisation(*(x.unflatten(1, (1, 3, 3)) for x in sets))],
}
WRONG = {       # (answer, words of the message that fit this mistake and no other)
    "frechet": [
        (lambda a, b: ((a.mean(0) - b.mean(0))**2 + (a.var(0) - b.var(0))**2).sum(), "variance or standard deviation"),
        (lambda a, b: ((a.mean(0) - b.mean(0))**2 + a.var(0) + b.var(0)).sum(), "how far is a set from itself"),
        (frechet_of(lambda m, s: (m**2).sum()), "the same middle can still differ"),
        (frechet_of(lambda m, s: (s**2).sum()), "moved elsewhere would be alike"),
        (frechet_of(lambda m, s: (m**2 + s**2).sum().sqrt()), "you take a root"),
        (frechet_of(lambda m, s: (m**2 + s**2).mean()), "average over the features"),
        (frechet_of(lambda m, s: (m + s).sum()), "cancels one that is too low"),
        (frechet_of(lambda m, s: (m.abs() + s.abs()).sum()), "large differences count for more"),
        (frechet_of(lambda m, s: m**2 + s**2), "a tensor of one element"),
        (lambda a, b: (a.mean() - b.mean())**2 + (a.std() - b.std())**2, "one spread for all features"),
        (frechet_by_image, "which dimension counts the images"),
        (lambda a, b: print(end=""), "does your function end with `return ...`?"),
        *((wrong, "each feature by itself") for wrong in (
            quality.frechet_distance, frechet_of(lambda m, s: ((m + s)**2).sum()),
            frechet_of(lambda m, s: m.norm() + s.norm()), lambda a, b: 0.0)),
    ],
    "coverage": [
        (coverage_with(self_counts=1), "which real point is the nearest to a real point"),
        (coverage_without_equals, "by its place in the table, not by `> 0`"),
        (lambda real, fake, k: (torch.cdist(real, fake)**2 <= radii(real, k)[:, None]).any(1).float().mean(),
         "one side is squared"),
        (lambda real, fake, k: (torch.cdist(real, fake) <= radii(real, k)[:, None]**2).any(1).float().mean(),
         "one side is squared"),
        (coverage_with(k_more=1), "counted from 0, or from 1"),
        (coverage_of_pairs(lambda pairs, k: pairs.amax(0).mean()), "a share of fakes (precision)"),
        (coverage_of_pairs(lambda pairs, k: pairs.amax(1).mean(), around="fake"), "Around which points are the balls"),
        (lambda real, fake, k: coverage_right(fake, real, k), "have changed places"),
        (coverage_of_pairs(lambda pairs, k: pairs.sum() / k / pairs.shape[1]), "that is density"),
        (coverage_of_pairs(lambda pairs, k: pairs.mean()), "a share of pairs"),
        (coverage_of_pairs(lambda pairs, k: pairs.amax(1).sum()), "that is how many"),
        (coverage_fake_radius, "every ball contains a fake"),
        (coverage_of_pairs(lambda pairs, k: pairs.amax(1)), "a tensor of one element"),
        *((wrong, "how far is it to the neighbour that sets its radius") for wrong in (
            coverage_one_radius, coverage_of_pairs(lambda pairs, k: 1 - pairs.amax(1).mean()),
            lambda real, fake, k: coverage_right(real, fake, 5), lambda real, fake, k: 0.0)),
    ],
    "memorisation": [
        (lambda f, t, h: memorisation_right(h, t, f), "copies would score low"),
        (memorisation_of(lambda a, b: (a[:, None] < b).sum()), "that is how many pairs"),
        (memorisation_with(lambda x, t, h: nearest(x, h), lambda x, t, h: nearest(x, t)), "nearer to which set"),
        (memorisation_with(lambda x, t, h: torch.cdist(x, t).mean(1)), "near one training image and far"),
        (memorisation_with(lambda x, t, h: torch.cdist(x, t).min(0).values), "for each fake, or each of training"),
        (memorisation_with(lambda x, t, h: torch.cdist(x, t).min(1).indices), "positions in the training set"),
        (memorisation_of(lambda a, b: a.mean() / b.mean()), "that is a ratio of distances"),
        (memorisation_of(lambda a, b: b.mean() / a.mean()), "that is a ratio of distances"),
        (memorisation_of(lambda a, b: (a < b.median()).float().mean()), "use one number for all"),
        (memorisation_of(lambda a, b: (a < b.mean()).float().mean()), "use one number for all"),
        (memorisation_of(lambda a, b: (a < b.min()).float().mean()), "use one number for all"),
        (memorisation_of(lambda a, b: (a.mean() < b.mean()).float()), "a single comparison"),
        (memorisation_of(lambda a, b: float(a.mean() > b.mean())), "a single comparison"),
        (memorisation_of(lambda a, b: a[:, None] < b), "a tensor of one element"),
        *((wrong, "Draw one from each") for wrong in (
            memorisation_with(lambda x, t, h: torch.cdist(x, t, p=1).min(1).values),
            memorisation_with(lambda x, t, h: torch.cdist(x, t).max(1).values),
            memorisation_of(lambda a, b: (b > a.median()).float().mean()),
            memorisation_of(lambda a, b: sum(p < q for p, q in zip(a, b)) / min(len(a), len(b))))),
    ],
}
