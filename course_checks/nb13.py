"""Checks of notebook 13's exercises."""

import torch

from course_lib import episodes, statistics

from ._base import check, check_unchanged, compare, done, require, returned, shaped, tensor


@check
def shots(answer):
    """Check `function(n_images, beta, alpha)`: queries, an int, and shots [N], as Meta-Dataset draws them."""
    rng = torch.Generator().manual_seed(0)
    for sizes, beta in (([20] * 6, 0.5), ([40, 12, 300, 25, 60], 0.9), ([7, 9, 30, 5, 14, 8], 1.0), ([900] * 30, 1.0),
                        ([50, 3, 80, 20, 20], 0.02)):
        n_images, alpha = torch.tensor(sizes), torch.rand(len(sizes), generator=rng) * 1.386 - 0.693
        given = n_images.clone(), torch.tensor(beta), alpha.clone()
        q, k = returned(answer(*given), "the queries of each class", "the examples of each class")
        check_unchanged(n_images=(given[0], n_images), alpha=(given[2], alpha))
        right_q, right_k = episodes.shots(n_images, torch.tensor(beta), alpha)
        require(not isinstance(q, torch.Tensor) or q.numel() == 1, "one number of queries for all classes",
                f"{getattr(q, 'shape', None)}", "the smallest class decides for all.")
        require(int(q) == q and int(q) == right_q, f"{right_q} queries of each class for sizes {sizes}", f"{q}",
                "half of the smallest class, rounded down, and never more than 10.")
        shaped(tensor(k, "the shots"), n_images.shape, "the shots", {}, "one number for each class.")
        require(not k.is_floating_point(), "whole numbers", f"{k.dtype}", ".long() makes them of floored ones.")
        mistakes = [(lambda *given, wrong=wrong: wrong(*given)[1], hint) for wrong, hint in _SHOTS_MISTAKES]
        compare(k, right_k, mistakes, (n_images, torch.tensor(beta), alpha),
                "compare with the formulas one by one: |S|, then R, then k. What is rounded, and when?", tolerance=1e-9)
    done("shots are as Meta-Dataset draws them: 1 or more for each class, by weight and size, up to 500 in all.")


def _wrong_shots(n, beta, alpha, *, cap=True, hundred=True, rest=True, one=True, sizes=True, weights=True, limit=True,
                 late=False):
    """Queries and shots, with parts of the formula left out."""
    q = min(10, int(n.min()) // 2)
    room = (n - q).clamp(max=100) if hundred else n - q
    support = int((beta * room).sum().ceil() if late else (beta * room).ceil().sum())
    support = min(500, support) if cap else support
    share = (alpha.exp() if weights else torch.ones_like(alpha)) * (n if sizes else 1)
    k = (share / share.sum() * (support - len(n) * rest)).floor().long() + int(one)
    return q, k.minimum(n - q) if limit else k


_SHOTS_MISTAKES = [
    (lambda n, beta, alpha: _wrong_shots(n, beta, alpha, cap=False), "the support never has more than 500 examples."),
    (lambda n, beta, alpha: _wrong_shots(n, beta, alpha, hundred=False),
     "in the sum, no class counts for more than 100 examples."),
    (lambda n, beta, alpha: _wrong_shots(n, beta, alpha, rest=False),
     "every class gets one example first. How many are then left to share out?"),
    (lambda n, beta, alpha: _wrong_shots(n, beta, alpha, one=False), "every class has one example in any case."),
    (lambda n, beta, alpha: _wrong_shots(n, beta, alpha, rest=False, one=False),
     "that shares out all of |S|. Give each class its one example first, then share out what is left."),
    (lambda n, beta, alpha: _wrong_shots(n, beta, alpha, late=True),
     "each class's part of |S| is rounded up before it is added. Where does your rounding stand?"),
    (lambda n, beta, alpha: _wrong_shots(n, beta, alpha, sizes=False),
     "a large class gets more: where does its size enter?"),
    (lambda n, beta, alpha: _wrong_shots(n, beta, alpha, weights=False), "where does alpha enter?"),
    (lambda n, beta, alpha: _wrong_shots(n, beta, alpha, limit=False),
     "a class has no more examples than drawings that are no queries."),
]


@check
def standing(answer):
    """Check `function(means, halves)`: which gains stand, all taken together, bool [m]."""
    rng = torch.Generator().manual_seed(1)
    means = torch.cat([0.01 * torch.randn(60, generator=rng), torch.tensor([0.06, -0.05, 0.031, -0.027, 0.024])])
    halves = torch.cat([0.02 * torch.ones(60), torch.tensor([0.02, 0.02, 0.02, 0.012, 0.012])])
    means, halves = torch.cat([means, torch.tensor([0.018])]), torch.cat([halves, torch.tensor([0.0196])])
    for part in (slice(None), slice(58, 65), slice(0, 5), slice(65, 66)):
        given = means[part].clone(), halves[part].clone()
        came = tensor(*returned(answer(*given), "which gains stand"), "which gains stand")
        check_unchanged(means=(given[0], means[part]), halves=(given[1], halves[part]))
        shaped(came, given[0].shape, "the answer", {}, "one answer for each gain.")
        require(came.dtype == torch.bool, "True or False for each gain", f"{came.dtype}",
                "`statistics.holm` returns them so.")
        z = given[0].abs() * 1.96 / given[1]
        right = statistics.holm(torch.erfc(z / 2 ** 0.5), 0.05)
        compare(came.double(), right.double(), _STANDING_MISTAKES, given,
                "z is the distance from 0 in standard errors, and the half-width is 1.96 of them.")
    done("losses count like gains, and the more cells you look at, the more each has to show.")


_STANDING_MISTAKES = [
    (lambda m, h: (m.abs() > h), "these are the intervals that exclude 0, each taken alone. What do many "
     "comparisons ask for?"),
    (lambda m, h: statistics.holm(torch.erfc((m / h * 1.96).clamp(min=0) / 2 ** 0.5), 0.05),
     "a loss can stand, too: which sign does z have?"),
    (lambda m, h: statistics.holm(torch.erfc(m.abs() / h / 2 ** 0.5), 0.05),
     "the half-width is not a standard error. How many of them is it?"),
    (lambda m, h: statistics.holm(0.5 * torch.erfc(m.abs() / h * 1.96 / 2 ** 0.5), 0.05),
     "that is the p-value of one side. Which two sides are there?"),
    (lambda m, h: statistics.holm(torch.erfc(m.abs() / h * 1.96), 0.05),
     "erfc(z / sqrt 2): is the root there?"),
]


@check
def cosines(answer):
    """Check `function(gradients)`: the cosines of all pairs of worlds, [W, W]."""
    rng = torch.Generator().manual_seed(2)
    for n_worlds, shapes in ((3, [(4, 3), (3,)]), (4, [(2, 3, 3, 3), (1,), (5, 2)]), (2, [(6,)])):
        scale = [1.0, 30.0, 0.1, 5.0]
        gradients = [tuple(scale[w] * (torch.randn(shape, generator=rng) + 0.3) for shape in shapes)
                     for w in range(n_worlds)]
        given = [tuple(part.clone() for part in each) for each in gradients]
        came = tensor(*returned(answer(given), "the cosines"), "the cosines")
        check_unchanged(**{f"gradients[{w}]": (torch.cat([p.flatten() for p in a]), torch.cat([p.flatten() for p in b]))
                           for w, (a, b) in enumerate(zip(given, gradients))})
        shaped(came, (n_worlds, n_worlds), "the cosines", {}, "a row and a column for each world.")
        flat = torch.stack([torch.cat([part.flatten() for part in each]) for each in gradients])
        right = torch.nn.functional.cosine_similarity(flat[:, None], flat[None], dim=2)
        compare(came, right, _COSINES_MISTAKES, (gradients,),
                "make one long vector of all parts of a world's gradient, then divide it by its length.")
    done("1 means the same direction, 0 means that the one step does nothing for the other, below 0 that it undoes it.")


def _of_parts(gradients):
    """The mean over the parts of each part's own cosine."""
    parts = [torch.stack([each[i].flatten() for each in gradients]) for i in range(len(gradients[0]))]
    return torch.stack([torch.nn.functional.cosine_similarity(p[:, None], p[None], dim=2) for p in parts]).mean(0)


def _flat(gradients):
    return torch.stack([torch.cat([part.flatten() for part in each]) for each in gradients])


_COSINES_MISTAKES = [
    (lambda g: _flat(g) @ _flat(g).T, "these are inner products. A world with large gradients must not count for more: "
     "what are they divided by?"),
    (lambda g: _of_parts(g) if len(g[0]) > 1 else None, "that is the mean of each parameter's own cosine. The angle is "
     "between the two whole gradients."),
    (lambda g: torch.corrcoef(_flat(g)), "that is a correlation: a gradient has no mean to take away."),
    (lambda g: torch.nn.functional.normalize(_flat(g), dim=0) @ torch.nn.functional.normalize(_flat(g), dim=0).T,
     "along which dimension is the length taken? A gradient is a row."),
]

MISTAKES = {"shots": _SHOTS_MISTAKES, "standing": _STANDING_MISTAKES, "cosines": _COSINES_MISTAKES}
