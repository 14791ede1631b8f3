"""Checks of notebook 14's exercises."""

import zlib

import torch

from ._base import check, check_unchanged, compare, done, one_number, require, returned, shaped, tensor


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
        came, = returned(answer(given), "the cost")
        sizes = {tuple(apart.shape), (apart.shape[0] + 1, apart.shape[1] + 1)}
        require(getattr(came, "shape", None) not in sizes or apart.numel() == 1, "the cost as one number",
                f"a table of {list(getattr(came, 'shape', ()))}",
                "you return the whole table. In which of its places does a way through both sounds end?")
        came = one_number(came, "the cost", "your way is infinitely far. Which step into its last place is missing?")
        check_unchanged(apart=(given, apart))
        compare(came, _cost(apart), _DTW_MISTAKES, (apart,),
                "for a table of two by two, write down all ways. Which three places can come before a place?")
    done("time may run faster here and slower there, but never backwards.")


def _cost(apart, steps=((1, 0), (0, 1), (1, 1)), first=None, edges="summed", diagonal=1, end=None, least=min):
    """The cost, with the steps that a way may take.

    edges: what the first row and column hold: "summed", "free" (a start each) or "closed" (no way); diagonal: how often
    the place after a diagonal step counts; end: None, or "open", the best place of the last row.
    """
    best, (T, S) = {}, apart.shape
    for i in range(T):
        for j in range(S):
            here = float(apart[i, j])
            before = [best.get((i - down, j - right), torch.inf) + here * (diagonal if down and right else 1)
                      for down, right in steps]
            reached = [b for b in before if b < torch.inf] or [torch.inf]
            best[i, j] = here if (i, j) == (0, 0) or (edges == "free" and 0 in (i, j)) else least(reached)
            if edges == "closed" and 0 in (i, j) and i + j:
                best[i, j] = torch.inf
    last = min(best[T - 1, j] for j in range(S)) if end == "open" else best[T - 1, S - 1]
    return last - (float(apart[0, 0]) if first == "free" else 0)


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
    (_wrapping, "your first row and column look at the far end of the table, because index -1 is the last place in "
     "Python. What lies before the first?"),
    (lambda apart: _cost(apart, ((1, 0), (0, 1))),
     "both sounds may go on at once: is a step along the diagonal there?"),
    (lambda apart: _cost(apart, first="free"), "the first two moments are compared, too: what does [0, 0] cost?"),
    (lambda apart: _cost(apart, edges="free"),
     "your way may begin anywhere in the first row or column at no cost. What is outside the table?"),
    (lambda apart: _cost(apart, edges="closed"),
     "your way cannot run along the first row or column. Which step leads from [0, 0] to [0, 1]?"),
    (lambda apart: _cost(apart, diagonal=2),
     "a diagonal step counts double in your code. How often does the formula add the distance of a place?"),
    (lambda apart: _cost(apart, end="open"),
     "your way may end anywhere in the last row. Which moments are the last of both sounds?"),
    (lambda apart: _cost(apart, least=max), "you take the dearest of the three ways. Which one is asked for?"),
    (_greedy, "that takes the cheapest next step each time. A dear step may lead to a cheap way: add up from the "
     "start, and keep the best cost of every place."),
    (lambda apart: apart.diagonal().sum() if apart.shape[0] == apart.shape[1] else None,
     "that compares moments one to one: both sounds at the same speed."),
    (lambda apart: _cost(apart) / sum(apart.shape), "that is a cost for each step. Here the sum is asked for."),
    (lambda apart: _cost(apart) / max(apart.shape), "that is a cost for each moment. Here the sum is asked for."),
    (lambda apart: apart.min(1).values.sum(),
     "each moment has found its nearest, in no order at all. May time jump back?"),
]


@check
def hashed_counts(function):
    """Check `function(name, n) -> [n]`: how often the pieces of 1, 2 and 3 characters fall in each of n columns."""
    for name, n in (("guinée équatoriale", 32), ("abab", 10_007), ("südsudan", 64), ("日本語", 16), ("São", 48)):
        came, = _alone(function(name, n), "the counts")
        shaped(tensor(came, "the counts"), (n,), "the counts", {
            (1, n): "that is a table of one row. What makes the second dimension?"},
               "one number for each column, also for the empty ones. Which argument says how many columns there are?")
        right = _counts(name, n)
        compare(came, right, MISTAKES["hashed_counts"], (name, n),
                "as many pieces as there should be, but some are in a wrong column. Which function gives the column?"
                if float(came.sum()) == float(right.sum()) else
                "write down all pieces of a name of two letters, with the spaces. Which of them does your code miss, "
                "or count twice?")
    done("hashed counts: every piece has its column, on every machine.")


def _alone(answer, name):
    """The one result, also where it is a list; then `tensor` says that a tensor is asked for."""
    return returned([answer] if isinstance(answer, list) else answer, name)


def _pieces(text, sizes=(1, 2, 3)):
    return [text[i:i + size] for size in sizes for i in range(len(text) - size + 1)]


def _column(piece):
    return zlib.crc32(piece.encode() if isinstance(piece, str) else piece)


def _counts(name, n, pieces=None, column=_column):
    pieces = _pieces(f" {name} ") if pieces is None else pieces
    return torch.tensor([column(piece) % n for piece in pieces]).bincount(minlength=n).float()


_HASHED_MISTAKES = [
    (lambda name, n: _counts(name, n, _pieces(name)),
     "no piece of yours has a space at an end. How can a piece tell that a word begins or ends there?"),
    (lambda name, n: _counts(name, n, _pieces(f"  {name}  ")),
     "you put two spaces at each end. How many are asked for?"),
    (lambda name, n: _counts(name, n, [piece for piece in _pieces(f" {name} ") if piece != " "]),
     "the pieces that are a lone space are missing. Do they count?"),
    (lambda name, n: _counts(name, n, _pieces(f" {name} ".encode())),
     "you cut the bytes into pieces. A letter such as é has two bytes: what is to be cut?"),
    (lambda name, n: _counts(name.lower(), n),
     "you changed capitals to small letters. The pieces are asked for as they are: which line changes them?"),
    (lambda name, n: _counts(name, n, _pieces(f" {name} ", (1, 2, 3, 4))),
     "pieces of four characters are there, too. At which size does your loop stop?"),
    (lambda name, n: _counts(name, n, _pieces(f" {name}")),
     "pieces that end with the last space are missing. Does the text have that space, and does your loop reach it?"),
    (lambda name, n: _counts(name, n, [f" {name} "[i:i + size] for size in (1, 2, 3) for i in range(len(name) + 2)]),
     "at the end of the text, your last pieces are too short and count once more. Where must the loop stop?"),
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
     "`hash` gives other numbers the next time that Python starts. Which function gives the same everywhere?"),
    (lambda name, n: _counts(name, n, column=lambda piece: sum(piece.encode())),
     "a sum of bytes is the same for \"ab\" and \"ba\". Which function is asked for?"),
    (lambda name, n: _counts(name, n) / _counts(name, n).sum(),
     "those are shares, not counts. What are they divided by?"),
]


@check
def pooled_covariance(function):
    """Check `function(features) -> [F, F]`: the pooled within-class covariance of features [C, M, F]."""
    for c, m, f, offset in ((4, 5, 3, 2), (3, 3, 3, 2), (6, 2, 4, 2), (3, 8, 2, 3_000)):    # equal sizes: mistakes run
        rng = torch.Generator().manual_seed(10 * c + m)
        mixed = torch.randn(f, f, generator=rng)
        features = 3 * torch.randn(c, 1, f, generator=rng) + torch.randn(c, m, f, generator=rng) @ mixed + offset
        given = features.clone()
        came, = _alone(function(given), "the covariance")
        check_unchanged(features=(given, features))
        shaped(tensor(came, "the covariance"), (f, f), "the covariance", {
            (c, f, f): "that is a covariance for each class. How does one come from all?",
            (f,): "those are variances alone. Which numbers say how two features vary together?",
            (m, m): "that is how names vary together. Which dimension must the product sum over?",
            (c, c): "that is how classes vary together. Which dimension must the product sum over?",
        }, "one number for each pair of features.")
        compare(came, _pooled(features.double()), MISTAKES["pooled_covariance"], (features,),
                "how far is each name from the mean of its own class? Average the products of these distances."
                if offset < 100 else "that holds for small features, and here their mean is 3,000. A difference of two "
                "large squares loses its digits: what can you subtract before you multiply?",
                1e-4 if offset < 100 else 1e-3)
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
    (lambda x: torch.stack([each.T.corrcoef() for each in x]).mean(0),
     "those are correlations: every feature has variance 1. Which division is too much?"),
    (lambda x: _pooled(x).tril(), "half of the table is empty. What is the covariance of g and f, if you know that of "
     "f and g?"),
    (lambda x: x[0].T.cov(), "that is the covariance of the first class. What do the others add?"),
]

MISTAKES = {"dtw": _DTW_MISTAKES, "hashed_counts": _HASHED_MISTAKES, "pooled_covariance": _POOLED_MISTAKES}
