"""Checks of notebook 14's exercises."""

import zlib

import torch

from ._base import check, check_unchanged, compare, done, one_number, returned, shaped, tensor


@check
def dtw(answer):
    """Check `function(apart)`: the cost of the cheapest way through distances [T, S], in order."""
    rng = torch.Generator().manual_seed(0)
    tables = [torch.rand(4, 4, generator=rng), torch.rand(5, 3, generator=rng), torch.rand(2, 6, generator=rng),
              torch.rand(1, 4, generator=rng), torch.rand(3, 1, generator=rng)]
    path = torch.full((4, 4), 5.0)
    path[0, 0] = path[0, 1] = path[0, 2] = path[1, 3] = path[2, 3] = path[3, 3] = 1.0       # along the edges
    wrapped = torch.tensor([[0.72, 0.48], [0.98, 0.15], [0.69, 0.95], [0.41, 0.90]])       # the last is near the first
    for apart in (torch.rand(7, 7, generator=rng), wrapped, path, *tables):
        given = apart.clone()
        came = one_number(*returned(answer(given), "the cost"), "the cost", "where is the way infinitely far, and why?")
        check_unchanged(apart=(given, apart))
        compare(came, _cost(apart), _DTW_MISTAKES, (apart,),
                "for a table of two by two, write down all ways. Which three places can come before a place?")
    done("time may run faster here and slower there, but never backwards.")


def _cost(apart, steps=((1, 0), (0, 1), (1, 1)), first=None, edges=True):
    """The cost, with the steps that a way may take. edges: whether a way may run along the first row and column."""
    best = {}
    for i in range(apart.shape[0]):
        for j in range(apart.shape[1]):
            before = [best.get((i - down, j - right), torch.inf) for down, right in steps]
            start = (i, j) == (0, 0) or (not edges and 0 in (i, j))
            best[i, j] = float(apart[i, j]) + (0 if start else min(before))
    return best[apart.shape[0] - 1, apart.shape[1] - 1] - (float(apart[0, 0]) if first == "free" else 0)


def _greedy(apart):
    """Always to the cheapest next place."""
    i, j, cost = 0, 0, float(apart[0, 0])
    while (i, j) != (apart.shape[0] - 1, apart.shape[1] - 1):
        ways = [(i + a, j + b) for a, b in ((1, 1), (1, 0), (0, 1))
                if i + a < apart.shape[0] and j + b < apart.shape[1]]
        i, j = min(ways, key=lambda place: float(apart[place]))
        cost += float(apart[i, j])
    return cost


def _wrapping(apart):
    """Places before the first are taken from the end, as Python does with an index of -1."""
    best = torch.full(apart.shape, torch.inf, dtype=apart.dtype)
    for i in range(apart.shape[0]):
        for j in range(apart.shape[1]):
            before = min(best[i - 1, j], best[i, j - 1], best[i - 1, j - 1])
            best[i, j] = apart[i, j] + (0 if i == j == 0 else before)
    return best[-1, -1]


_DTW_MISTAKES = [
    (_wrapping, "in Python, index -1 is the last place. What lies before the first?"),
    (lambda apart: _cost(apart, ((1, 0), (0, 1))),
     "both sounds may go on at once: is a step along the diagonal there?"),
    (lambda apart: _cost(apart, first="free"), "the first two moments are compared, too: what does [0, 0] cost?"),
    (lambda apart: _cost(apart, edges=False),
     "along the first row and column, costs add up as well. What is outside?"),
    (_greedy, "that takes the cheapest next step each time. A dear step may lead to a cheap way: add up from the "
     "start, and keep the best cost of every place."),
    (lambda apart: apart.diagonal().sum() if apart.shape[0] == apart.shape[1] else None,
     "that compares moments one to one: both sounds at the same speed."),
    (lambda apart: _cost(apart) / sum(apart.shape), "that is a cost for each step. Here the sum is asked for."),
    (lambda apart: apart.min(1).values.sum(),
     "each moment has found its nearest, in no order at all. May time jump back?"),
]


@check
def hashed_counts(function):
    """Check `function(name, n) -> [n]`: how often the pieces of 1, 2 and 3 characters fall in each of n columns."""
    for name, n in (("guinée équatoriale", 32), ("abab", 10_007), ("südsudan", 64), ("日本語", 16)):
        came, = returned(function(name, n), "the counts")
        shaped(tensor(came, "the counts"), (n,), "the counts", {}, "one number for each column, also for the empty "
               "ones. Which argument says how many columns there are?")
        compare(came, _counts(name, n), MISTAKES["hashed_counts"], (name, n),
                "write down all pieces of a name of two letters, with the spaces. Which of them does your code miss, "
                "or count twice?")
    done("hashed counts: every piece has its column, on every machine.")


def _pieces(text, sizes=(1, 2, 3)):
    return [text[i:i + size] for size in sizes for i in range(len(text) - size + 1)]


def _counts(name, n, pieces=None, column=lambda piece: zlib.crc32(piece.encode())):
    pieces = _pieces(f" {name} ") if pieces is None else pieces
    return torch.tensor([column(piece) % n for piece in pieces]).bincount(minlength=n).float()


_HASHED_MISTAKES = [
    (lambda name, n: _counts(name, n, _pieces(name)),
     "no piece of yours has a space at an end. How can a piece tell that a word begins or ends there?"),
    (lambda name, n: _counts(name, n, _pieces(f" {name}")),
     "pieces that end with the last space are missing. Does the text have that space, and does your loop reach it?"),
    (lambda name, n: _counts(name, n, _pieces(f" {name} ", (1, 2))),
     "pieces of three characters are missing. At which size does your loop stop?"),
    (lambda name, n: _counts(name, n, _pieces(f" {name} ", (2, 3))),
     "pieces of one character are missing. At which size does your loop begin?"),
    (lambda name, n: _counts(name, n, _pieces(f" {name} ", (3,))),
     "only pieces of three characters are there. Which sizes are asked for?"),
    (lambda name, n: _counts(name, n).clamp(max=1),
     "that says whether a column is hit, not how often. What happens to a piece that comes twice?"),
    (lambda name, n: _counts(name, n, sorted(set(_pieces(f" {name} ")))),
     "each piece counts once. How often does \"ab\" stand in \"abab\"?"),
    (lambda name, n: _counts(name, n, column=hash),
     "`hash` gives other numbers in the next session, for Python salts it. Which function gives the same everywhere?"),
    (lambda name, n: _counts(name, n, column=lambda piece: sum(piece.encode())),
     "a sum of bytes is the same for \"ab\" and \"ba\". Which function is asked for?"),
    (lambda name, n: _counts(name, n) / _counts(name, n).sum(),
     "those are shares, not counts. What are they divided by?"),
]


@check
def pooled_covariance(function):
    """Check `function(features) -> [F, F]`: the pooled within-class covariance of features [C, M, F]."""
    for c, m, f in ((4, 5, 3), (3, 3, 3), (6, 2, 4)):           # equal sizes let mistakes run
        rng = torch.Generator().manual_seed(10 * c + m)
        mixed = torch.randn(f, f, generator=rng)
        features = 3 * torch.randn(c, 1, f, generator=rng) + torch.randn(c, m, f, generator=rng) @ mixed + 2
        given = features.clone()
        came, = returned(function(given), "the covariance")
        shaped(tensor(came, "the covariance"), (f, f), "the covariance", {
            (c, f, f): "that is a covariance for each class. How does one come from all?",
            (f,): "those are variances alone. Which numbers say how two features vary together?",
            (m, m): "that is how names vary together. Which dimension must the product sum over?",
            (c, c): "that is how classes vary together. Which dimension must the product sum over?",
        }, "one number for each pair of features.")
        compare(came, _pooled(features), MISTAKES["pooled_covariance"], (features,),
                "how far is each name from the mean of its own class? Average the products of these distances.")
        check_unchanged(features=(given, features))
    done("pooled covariance: how names vary around the mean of their own language.")


def _pooled(features, centre=None, less=None):
    c, m, f = features.shape
    within = (features - (features.mean(1, keepdim=True) if centre is None else centre)).reshape(-1, f)
    return within.T @ within / (c * m - (c if less is None else less))


_POOLED_MISTAKES = [
    (lambda x: x.flatten(0, 1).T.cov(),
     "you took one mean from all. That covariance holds how languages differ, too. Whose mean must go?"),
    (lambda x: x.mean(1).T.cov(),
     "that is how the means of the classes vary. Where do single names come in?"),
    (lambda x: _pooled(x, less=0),
     "you divide by all C·M names. Each class spent one on its own mean: how many are left?"),
    (lambda x: _pooled(x, less=1),
     "you divide by C·M - 1, but C means were estimated, not one. How many numbers are left?"),
    (lambda x: _pooled(x) * (x.shape[0] * x.shape[1] - x.shape[0]),
     "that is a sum, and grows with the number of names. What is it divided by?"),
    (lambda x: _pooled(x) * (x.shape[1] - 1),
     "that grows with the number of names in a class. How many numbers went into the sum?"),
    (lambda x: _pooled(x, centre=0.0),
     "no mean is taken away, so the place of the features counts as spread. Whose mean must go?"),
    (lambda x: _pooled(x, centre=x.mean(0, keepdim=True)),
     "you took the mean over classes. Which dimension holds the names of one class?"),
    (lambda x: torch.diag(torch.diag(_pooled(x))),
     "those are variances alone. Which numbers say how two features vary together?"),
    (lambda x: x[0].T.cov(), "that is the covariance of the first class. What do the others add?"),
]

MISTAKES = {"dtw": _DTW_MISTAKES, "hashed_counts": _HASHED_MISTAKES, "pooled_covariance": _POOLED_MISTAKES}
