"""Checks of notebook 13's exercises."""

import torch

from course_lib import episodes, statistics

from ._base import check, check_unchanged, compare, done, require, returned, shaped, tensor


@check
def shots(answer):
    """Check `function(n_images, beta, alpha)`: queries, an int, and shots [N], as Meta-Dataset draws them."""
    rng = torch.Generator().manual_seed(0)
    for sizes, beta in (([40, 12, 300, 25, 60], 0.9), ([20] * 6, 0.5), ([7, 9, 30, 5, 14, 8], 1.0), ([900] * 30, 1.0),
                        ([50, 3, 80, 20, 20], 0.02)):
        n_images, alpha = torch.tensor(sizes), torch.rand(len(sizes), generator=rng) * 1.386 - 0.693
        given = n_images.clone(), torch.tensor(beta), alpha.clone()
        q, k = returned(answer(*given), "the queries of each class", "the examples of each class")
        check_unchanged(n_images=(given[0], n_images), alpha=(given[2], alpha))
        right_q, right_k = episodes.shots(n_images, torch.tensor(beta), alpha)
        require(not isinstance(q, torch.Tensor) or q.numel() == 1, "one number of queries for all classes",
                f"{list(getattr(q, 'shape', []))}",
                "q comes first, then the shots. For q, the smallest class decides for all.")
        require(q == right_q, f"{right_q} queries of each class for sizes {sizes}", f"{q}",
                "take half of the smallest class, rounded down, but never more than 10.")
        shaped(tensor(k, "the shots"), n_images.shape, "the shots", {}, "one number for each class.")
        require(not k.is_floating_point(), "whole numbers", f"{k.dtype}", ".long() makes them of floored ones.")
        mistakes = [(lambda *given, wrong=wrong: wrong(*given)[1], hint) for wrong, hint in _SHOTS_MISTAKES]
        compare(k, right_k, mistakes, (n_images, torch.tensor(beta), alpha),
                "compare with the formulas one by one: |S|, then R, then k. What is rounded, when, and which way?",
                tolerance=1e-9)
        whole = isinstance(q, int) or (isinstance(q, torch.Tensor) and not q.is_floating_point())
        require(whole, "q as a whole number", f"{q}", "a number of queries is an int. Which division gives one?")
    done("shots are as Meta-Dataset draws them: 1 or more for each class, by weight and size, up to 500 in all.")


def _wrong_shots(n, beta, alpha, *, cap=True, hundred=True, rest=True, one=True, sizes=True, weight=torch.exp,
                 limit=True, late=False, drawn=True, whole=torch.floor):
    """Queries and shots, with parts of the formula left out or changed."""
    q = min(10, int(n.min()) // 2)
    room = n - q if drawn else n
    room = room.clamp(max=100) if hundred else room
    support = int((beta * room).sum().ceil() if late else (beta * room).ceil().sum())
    support = min(500, support) if cap else support
    share = weight(alpha) * (n if sizes else 1)
    k = whole(share / share.sum() * (support - len(n) * rest)).long() + int(one)
    return q, k.minimum(n - q) if limit else k


_SHOTS_MISTAKES = [
    (lambda n, beta, alpha: _wrong_shots(n, beta, alpha, cap=False),
     "your support can have more than 500 examples. Where does that limit enter |S|?"),
    (lambda n, beta, alpha: _wrong_shots(n, beta, alpha, hundred=False),
     "a large class counts for more than 100 examples in your |S|. Where does that limit enter the sum?"),
    (lambda n, beta, alpha: _wrong_shots(n, beta, alpha, drawn=False),
     "your |S| also counts the drawings that are queries. How many of a class are left for the support?"),
    (lambda n, beta, alpha: _wrong_shots(n, beta, alpha, rest=False),
     "you share out all of |S|, but every class gets one example first. How many are then left to share out?"),
    (lambda n, beta, alpha: _wrong_shots(n, beta, alpha, one=False),
     "some of your classes get too little. Which example does every class get in any case?"),
    (lambda n, beta, alpha: _wrong_shots(n, beta, alpha, rest=False, one=False),
     "that shares out all of |S|. Give each class its one example first, then share out what is left."),
    (lambda n, beta, alpha: _wrong_shots(n, beta, alpha, late=True),
     "you round the whole sum up. Each class's part of |S| is rounded before it is added: where does your rounding "
     "stand?"),
    (lambda n, beta, alpha: _wrong_shots(n, beta, alpha, sizes=False),
     "your shares do not know how large the classes are. Where does the size of a class enter R?"),
    (lambda n, beta, alpha: _wrong_shots(n, beta, alpha, weight=torch.ones_like),
     "alpha is missing in your shares. Where does it enter R?"),
    (lambda n, beta, alpha: _wrong_shots(n, beta, alpha, weight=lambda alpha: alpha),
     "you use alpha itself as the weight, so some weights are negative. Which function makes a weight of it?"),
    (lambda n, beta, alpha: _wrong_shots(n, beta, alpha, limit=False),
     "you ask a class for more examples than it has. How many of its drawings are no queries?"),
    (lambda n, beta, alpha: _wrong_shots(n, beta, alpha, whole=torch.round),
     "you round the shares to the nearest whole number. Which way do the brackets in the formula of k round?"),
    (lambda n, beta, alpha: _wrong_shots(n, beta, alpha, whole=torch.ceil),
     "you round the shares up. Which way do the brackets in the formula of k round?"),
]


# The z-values of gains: what Holm's correction does to them, and close cases that other rules decide otherwise.
_MANY = torch.cat([torch.randn(60, generator=torch.Generator().manual_seed(1)),
                   torch.tensor([5.9, -4.9, 3.0, -4.4, 3.9, 1.8])]).tolist()
_STANDING_CASES = (_MANY, _MANY[58:65], _MANY[:5],
                   [2.6, -2.3, 2.1],        # in steps: one bound for all would keep one of them
                   [2.2, -2.1],             # neither: the smaller p-value is over its bound, so the steps end
                   [1.95], [-2.1], [1.7], [-1.5], [3.0, 1.97])      # alone, or nearly: on both sides of the bound


@check
def standing(answer):
    """Check `function(means, halves)`: which gains stand, all taken together, bool [m]."""
    found = []
    for number, z in enumerate(_STANDING_CASES):
        z = torch.tensor(z)
        errors = 0.006 + 0.004 * torch.rand(len(z), generator=torch.Generator().manual_seed(number))
        means, halves = z * errors, 1.96 * errors
        given = means.clone(), halves.clone()
        try:
            came = answer(*given)
        except ValueError as error:
            require("p-values lie in" not in str(error), "p-values from 0 to 1", "others, which `holm` refused",
                    "erfc is above 1 where z is below 0. Which sign may a distance have?")
            raise
        came = tensor(*_alone(came, "which gains stand"), "which gains stand")
        check_unchanged(means=(given[0], means), halves=(given[1], halves))
        shaped(came, means.shape, "the answer", {}, "one answer for each gain.")
        require(came.dtype == torch.bool, "True or False for each gain", f"{came.dtype}",
                "compare the p-values with their bounds: `statistics.holm` does that, and returns True or False.")
        found.append((means, halves, came))
    hints = (hint for mistake, hint in _STANDING_MISTAKES
             if all(torch.equal(mistake(means, halves), came) for means, halves, came in found))
    said = {True: "stands", False: "does not stand"}
    for means, halves, came in found:
        right = statistics.holm(_p(means, halves), 0.05)
        for i in (came != right).nonzero().flatten().tolist():
            require(False, f"that gain {i} of {len(means)} {said[bool(right[i])]} ({means[i]:+.4f} ± {halves[i]:.4f})",
                    f"that it {said[bool(came[i])]}", next(hints, _ON_Z))
    done("losses count like gains, and the more cells you look at, the more each has to show.")


_ON_Z = ("z is the distance of a gain from 0 in standard errors, and the half-width is 1.96 of them. What is z in your "
         "code?")


def _alone(answer, name):
    """The one result, also where it is a list; then `tensor` says that a tensor is asked for."""
    return returned([answer] if isinstance(answer, list) else answer, name)


def _p(means, halves, half=1.96):
    return torch.erfc(means.abs() / halves * half / 2 ** 0.5)


def _step_up(p, bound):
    """All up to the last p-value, from the smallest on, that keeps to its bound(place from 1 on, how many)."""
    order = p.argsort()
    places = torch.arange(1, len(p) + 1)
    kept = (p[order] <= 0.05 * bound(places, len(p))).nonzero()
    stands = torch.zeros(len(p), dtype=torch.bool)
    stands[order[:kept.max() + 1 if len(kept) else 0]] = True
    return stands


_STANDING_MISTAKES = [
    (lambda m, h: m.abs() > h, "these are the intervals that exclude 0, each taken alone. What do many comparisons ask "
     "for?"),
    (lambda m, h: _p(m, h) * len(m) <= 0.05, "you compare every p-value with 0.05 / m. That is Bonferroni's bound. "
     "Holm's changes from one p-value to the next: which function has it?"),
    (lambda m, h: _step_up(_p(m, h), lambda place, n: place / n), "that is the rule of Benjamini and Hochberg. It "
     "keeps the share of false finds low, and Holm guards against a single one: which function has it?"),
    (lambda m, h: _step_up(_p(m, h), lambda place, n: 1 / (n - place + 1)), "you begin with the largest p-value. Holm "
     "begins with the smallest: where do the steps end?"),
    (lambda m, h: statistics.holm(_p(m.clamp(min=0), h), 0.05), "your losses never stand. Which sign may z have?"),
    (lambda m, h: statistics.holm(_p(m, h), 0.05) & (m > 0),
     "your losses never stand. Is a loss no difference from 0?"),
    (lambda m, h: statistics.holm(_p(m.clamp(max=0), h), 0.05), "your gains never stand. Which sign may z have?"),
    (lambda m, h: statistics.holm(_p(m, h, 1), 0.05),
     "you took the half-width as the standard error. How many standard errors is it?"),
    (lambda m, h: statistics.holm(_p(m, h, 2), 0.05),
     "you took the half-width as two standard errors. Of how many was the interval made?"),
    (lambda m, h: statistics.holm(0.5 * _p(m, h), 0.05),
     "too many stand. The p-value counts both sides, and the level is 0.05. Which of the two is another in your "
     "code?"),
    (lambda m, h: statistics.holm(torch.erfc(m.abs() / h * 1.96), 0.05),
     "your p-values are too small. By what is z divided inside erfc?"),
    (lambda m, h: statistics.holm(torch.erfc(m.abs() / h * 1.96 * 2 ** 0.5), 0.05),
     "your p-values are too small. By what is z divided inside erfc?"),
    (lambda m, h: statistics.holm(_p(m, h), 0.025),
     "too few stand. The p-value has two sides already: which level is asked for?"),
    (lambda m, h: ~statistics.holm(_p(m, h), 0.05), "you say True where a gain does not stand. Which way round is it?"),
]


@check
def cosines(answer):
    """Check `function(gradients)`: the cosines of all pairs of worlds, [W, W]."""
    rng = torch.Generator().manual_seed(2)
    for n_worlds, shapes in ((3, [(4, 3), (3,), ()]), (4, [(2, 3, 3, 3), (1,), (5, 2)]), (2, [(6,)])):
        scale = [1.0, 30.0, 0.1, 5.0]
        gradients = [tuple(scale[w] * (torch.randn(shape, generator=rng) + 0.3) for shape in shapes)
                     for w in range(n_worlds)]
        given = [tuple(part.clone() for part in each) for each in gradients]
        came = tensor(*_alone(answer(given), "the cosines"), "the cosines")
        check_unchanged(**{f"gradients[{w}]": (torch.cat([p.flatten() for p in a]), torch.cat([p.flatten() for p in b]))
                           for w, (a, b) in enumerate(zip(given, gradients))})
        length = sum(part.numel() for part in gradients[0])
        shaped(came, (n_worlds, n_worlds), "the cosines", {
            (length, length): "your product sums over the worlds. Which dimension is to vanish, the worlds or the "
                              "numbers of a gradient?"}, "a row and a column for each world.")
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


def _scaled(gradients, other=lambda flat: flat, length=lambda flat: flat.norm(dim=1, keepdim=True)):
    """Inner products of the scaled gradients with the `other` ones."""
    flat = _flat(gradients)
    return flat / length(flat) @ (other(flat) / length(other(flat))).T


_COSINES_MISTAKES = [
    (lambda g: _flat(g) @ _flat(g).T, "these are inner products. A world with large gradients must not count for more: "
     "what are they divided by?"),
    (lambda g: _of_parts(g) if len(g[0]) > 1 else None, "each parameter has its own length in your code. The angle is "
     "between the two whole gradients: which one length has each of them?"),
    (lambda g: torch.corrcoef(_flat(g)), "that is a correlation, which subtracts the mean of each gradient. Does the "
     "formula of the cosine subtract one?"),
    (lambda g: torch.nn.functional.normalize(_flat(g), dim=0) @ torch.nn.functional.normalize(_flat(g), dim=0).T,
     "you took the length along the worlds. A gradient is a row: along which dimension is its length?"),
    (lambda g: _scaled(g, length=lambda flat: flat.norm()),
     "you divide by one length for all worlds together. How many lengths are there?"),
    (lambda g: _scaled(g, length=lambda flat: flat.square().sum(1, keepdim=True)),
     "you divide by squared lengths. How long is a vector of 3 and 4?"),
    (lambda g: _flat(g) / _flat(g).norm(dim=1, keepdim=True) @ _flat(g).T,
     "only one of the two gradients is divided by its length. What about the other?"),
    (lambda g: _scaled(g).abs(), "you dropped the signs. What does a cosine below 0 tell of two worlds?"),
    (lambda g: _scaled(g).clamp(-1, 1).acos(), "those are angles. Which function of the angle is asked for?"),
    (lambda g: _scaled(g).triu(), "half of the table is empty. What is the cosine of b and a, if you know that of a "
     "and b?"),
]

MISTAKES = {"shots": _SHOTS_MISTAKES, "standing": _STANDING_MISTAKES, "cosines": _COSINES_MISTAKES}
