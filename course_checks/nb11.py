"""Checks of the exercises of notebook 11, why it helps."""

import torch

from ._base import (
    NotYet,
    check,
    check_unchanged,
    compare,
    done,
    one_number,
    require,
    returned,
    shaped,
    tensor,
)


@check
def slope(function):
    """Check `function(a, b) -> number`: the slope of the least-squares line of b on a, both [C, n], with an intercept.

    Row c holds n drawings of character c.
    """
    rng = torch.Generator().manual_seed(0)
    for c, n, steep, far in ((6, 5, 0.5, 3), (4, 4, -0.3, 3), (3, 7, 1.4, 3), (6, 5, 0.5, 3_000)):
        middle = 2 * torch.randn(c, 1, generator=rng)
        a = far + middle + torch.randn(c, n, generator=rng)
        b = steep * a - 1 + 1.5 * middle + torch.randn(c, n, generator=rng)
        given = a.clone(), b.clone()
        answer = function(*given)
        came, = returned([answer] if isinstance(answer, list) else answer, "the slope")
        if isinstance(came, torch.Tensor):
            shaped(came.squeeze(), (), "the slope", {
                (c,): "that is a slope for each character. All drawings share one line: how many means has it?",
                (n,): "that is a slope for each column. All drawings share one line: how many means has it?",
                (c, n): "that is a number for each drawing. Over which drawings do you sum?",
            }, "one line through all drawings has one slope. Over what do you sum?")
        came, right = one_number(came, "the slope"), _slope(a.double(), b.double())
        if far > 3:     # float32 holds seven digits
            require(abs(came - right) < 0.03 * abs(right), f"{right:.4f} for numbers near {far:,}", f"{came:.4f}",
                    "where all numbers are large, your slope has lost its digits in float32. What can you take away "
                    "from a and b before you multiply them?")
        else:
            compare(came, right, MISTAKES["slope"], (a, b),
                    "b = slope * a + intercept, with the least sum of squared errors. By how much does the line rise "
                    "for a step of 1 in a?")
        check_unchanged(a=(given[0], a), b=(given[1], b))
    done("slope: by how much b changes, on average, where a is larger by 1.")


def _slope(a, b):
    (variance, together), _ = torch.stack([a.flatten(), b.flatten()]).cov()
    return together / variance


def _within(x):
    return x - x.mean(1, keepdim=True)


_TWO_COUNTS = ("one of your two sums is divided by the number of drawings, and the other by one less. What does each "
               "function that you use divide by?")
_SLOPE_MISTAKES = [
    (lambda a, b: _slope(b, a), "that is the line of a on b. Which of the two is given, and which is predicted?"),
    (lambda a, b: (a * b).sum() / a.square().sum(),
     "that line goes through the origin. Where does the intercept of a least-squares line come from?"),
    (lambda a, b: torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1],
     "that is the correlation, which does not say how steep the line is. What do you divide the covariance by?"),
    (lambda a, b: b.std() / a.std(), "that is a ratio of two spreads, whatever a and b have to do with each other. "
                                     "Where is their product?"),
    (lambda a, b: b.mean() / a.mean(), "that is a ratio of two means, and says nothing of single drawings. How far is "
                                       "each from its mean?"),
    (lambda a, b: ((a - a.mean()) * (b - b.mean())).mean(),
     "that is the covariance, and its unit is that of a times that of b. What turns it into a slope?"),
    (lambda a, b: ((a - a.mean()) * (b - b.mean())).sum(),
     "that is a sum, and grows with the number of drawings. What is it to be divided by?"),
    (lambda a, b: _slope(a, b) * a.numel() / (a.numel() - 1), _TWO_COUNTS),
    (lambda a, b: _slope(a, b) * (a.numel() - 1) / a.numel(), _TWO_COUNTS),
    (lambda a, b: ((a - a.mean()) * (b - b.mean())).mean() / a.std(),
     "you divide by a standard deviation. Which power of a's spread does a slope need?"),
    (lambda a, b: (_within(a) * _within(b)).sum() / _within(a).square().sum(),
     "you took each character's own mean away. How many means has one line through all drawings?"),
    (lambda a, b: ((_within(a) * _within(b)).sum(1) / _within(a).square().sum(1)).mean(),
     "that is a mean of the characters' slopes. One line runs through all drawings: over what does each sum run?"),
    (lambda a, b: _slope(a.mean(1), b.mean(1)),
     "that is a line through the characters' means. Where do single drawings come in?"),
]


@check
def shuffled(function):
    """Check `function(settings, rng) -> settings`: every image gets the settings of another, each used once.

    settings: affine [B, 2, 3], field [B, 2, 5, 5] and stroke_width [B], as `networks.warp` takes them.
    """
    for b in (5, 3, 2):
        outcomes = {tuple(_sources(function, b, seed)) for seed in range(20)}
        require(b == 2 or len(outcomes) > 1, "another order from another rng", f"always images {list(min(outcomes))}",
                "your order is the same each time. Where does chance come in?")
        fixed = [(i, source[0]) for i, source in enumerate(zip(*outcomes)) if b > 2 and len({*source}) == 1]
        who, whose = fixed[0] if fixed else (0, 0)
        require(not fixed, "each image's settings by chance", f"for image {who} always those of image {whose}",
                "a part of your order is the same each time. Which images does chance not reach?")
    done("shuffled: the same settings, each with another image's drawing.")


def _sources(function, b, seed):
    """The row that each row of the answer came from, for one shuffle of b images."""
    rng = torch.Generator().manual_seed(100 * b + seed)
    settings = tuple(torch.randn(size, generator=rng) for size in ((b, 2, 3), (b, 2, 5, 5), (b,)))
    given = tuple(part.clone() for part in settings)
    came = returned(function(given, torch.Generator().manual_seed(seed)), *_PARTS)
    for name, part, own in zip(_PARTS, came, settings):
        shaped(tensor(part, name), own.shape, name, {}, "each image needs settings of its own, as many numbers as "
               "before. Which rows are missing, or too many?")
        check_unchanged(**{name: (given[_PARTS.index(name)], own)})
    rows = [_rows_of(part, own, name) for name, part, own in zip(_PARTS, came, settings)]
    require(rows[0] == rows[1] == rows[2], "one order for all three", f"affine from images {rows[0]}, field from "
            f"images {rows[1]}, stroke_width from images {rows[2]}",
            "the three come from different images, and such a warp was never chosen. How many orders do you make?")
    source = rows[0]
    require(source != list(range(b)), "the settings of other images", "every image's own",
            "no row has moved. Which image's settings does an image get?")
    require(sorted(source) == list(range(b)), "each image's settings once", f"those of images {source}",
            "some are used twice and others never. Does your order come with or without replacement?")
    stayed = [i for i in range(b) if source[i] == i]
    require(not stayed, "the settings of *other* images", f"its own for image {stayed[:1]} of {b}",
            "a random order may leave a row where it is. How can you make sure that every row moves?")
    again = function(tuple(part.clone() for part in settings), torch.Generator().manual_seed(seed))
    require(torch.equal(again[0], came[0]), "the same order from the same rng", "another one",
            "some of your chance does not come from `rng`. Which call does not get it?")
    return source


_PARTS = "affine", "field", "stroke_width"


def _rows_of(part, own, name):
    """Which row of own each row of part is."""
    same = (part[:, None] == own[None]).flatten(2).all(2) if part.dim() > 1 else part[:, None] == own[None]    # [B, B]
    require(bool(same.any(1).all()), f"rows of {name} as they were", "a row that no image had",
            "the numbers of one image belong together. Along which dimension do you shuffle?")
    return same.long().argmax(1).tolist()


def _moved(order):
    """A wrong answer: `order` of b and rng says where each row comes from."""
    def moved(settings, rng):
        rows = order(len(settings[0]), rng)
        return tuple(part[rows] for part in settings)
    return moved


_SHUFFLE_MISTAKES = [
    (lambda settings, rng: settings, "no row has moved"),
    (_moved(lambda b, rng: torch.randperm(b, generator=rng)), "a random order may leave a row where it is"),
    (_moved(lambda b, rng: torch.randint(b, (b,), generator=rng)), "with or without replacement"),
    (_moved(lambda b, rng: torch.arange(b).roll(1)), "your order is the same each time"),
    (_moved(lambda b, rng: torch.arange(b).flip(0) if b % 2 == 0 else torch.arange(b).roll(2)),
     "your order is the same each time"),
    (lambda settings, rng: tuple(
        part[torch.arange(len(part)).roll(int(torch.randint(1, len(part), (), generator=rng)))] for part in settings),
     "the three come from different images"),
]


@check
def gaussian(function):
    """Check `function(settings, n, rng) -> [n, F]`: samples of a Gaussian with the mean and covariance of [B, F]."""
    for b, f, tolerance in ((300, 4, 0.06), (8, 12, 0.25)):         # the second covariance has rank 7
        rng = torch.Generator().manual_seed(b)
        settings = 1.5 + torch.randn(b, f, generator=rng) @ torch.randn(f, f, generator=rng)
        given, n = settings.clone(), 20_000
        came = _samples(function, given, settings, n)
        _check_samples(came, settings, n)
        right, spread = settings.mean(0), settings.T.cov()
        apart = (came.double().mean(0) - right).norm() / spread.trace().sqrt()
        require(bool(apart < 0.1), f"a mean of {_short(right)}", f"{_short(came.mean(0))}",
                "the samples do not lie about the mean of the settings. Which term moves them there?")
        compare(came.double().T.cov(), spread, [(_cov_of(wrong), hint) for wrong, hint in MISTAKES["gaussian"]],
                (settings, n), "the samples' covariance is another. What must a matrix A fulfil so that A z has the "
                "right one?", tolerance)
        check_unchanged(settings=(given, settings))
        _check_normal(came, spread)
    done("gaussian: as many samples as you like, with the mean and the covariance of the settings.")


def _samples(function, given, settings, n):
    """What the function samples from `given`. It must sample the same from a copy of the settings as they were."""
    try:
        answer = function(given, n, torch.Generator().manual_seed(5))
        again = function(settings.clone(), n, torch.Generator().manual_seed(5))
    except torch.linalg.LinAlgError as error:
        raise NotYet("expected samples for a covariance of rank 7 in 12 dimensions; got LinAlgError. Hint: in some "
                     "directions these settings do not vary at all, and your decomposition wants a variance above 0. "
                     "Which one can live with 0, or what could you add?") from error
    came = tensor(*returned([answer] if isinstance(answer, list) else answer, "the samples"), "the samples")
    require(came.shape != again.shape or torch.equal(came, again) or bool(came.isnan().any()),
            "the same samples from the same rng", "others",
            "some of your chance does not come from `rng`. Which call does not get it?")
    return came


def _check_samples(came, settings, n):
    f = settings.shape[1]
    shaped(came, (n, f), "samples", {
        (f, n): "rows and columns have changed places. Which of them are the samples?",
        (f,): "that is one sample. How many are asked for?",
        tuple(settings.shape): "that is a sample for each row of the settings. How many are asked for?",
    }, "n samples of as many numbers as the settings have. What does each row of yours hold?")
    require(bool(came.isfinite().all()), "finite samples", "nan",
            "in some directions these settings do not vary at all, and rounding makes such a variance a little "
            "negative. What is the root of that?")
    known = (came[:50, None] == settings[None]).all(2).any(1).all()
    require(not known, "new samples", "rows of the settings", "those are the settings themselves, picked at random. "
            "What does a Gaussian of the same mean and covariance give?")
    require(bool((came[:1] != came[:50]).any()), "n different samples", "one, n times",
            "every row is the same. How many z do you sample?")


def _check_normal(came, spread):
    """Along the directions that vary most, a normal sample has a fourth moment of 3; with 20,000, within 0.3."""
    along = came @ torch.linalg.eigh(spread)[1][:, -2:].to(came)
    along = (along - along.mean(0)) / along.std(0)
    fourth = along.pow(4).mean(0)
    worst = fourth[(fourth - 3).abs().argmax()]
    require(bool((worst - 3).abs() < 0.3), "normal samples, with a mean fourth power of 3 per standard deviation",
            f"{worst:.1f}", "mean and covariance are right, but the shape is not that of a Gaussian. From which "
            "distribution do you sample z?")


def _short(x):
    return [round(value, 1) for value in x.tolist()[:4]]


def _cov_of(function):
    """The covariance of what a wrong function samples."""
    def cov(settings, n):
        return function(settings, n, torch.Generator().manual_seed(5)).double().T.cov()
    return cov


def _root(settings):
    """[F, F] whose product with its transpose is the covariance of settings [B, F]; from its eigenvectors."""
    values, vectors = torch.linalg.eigh(settings.T.cov())
    return vectors * values.clamp(min=0).sqrt()


def _normal(settings, n, rng):
    return torch.randn(n, settings.shape[1], generator=rng)


_GAUSSIAN_MISTAKES = [
    (lambda settings, n, rng: settings.mean(0) + settings.std(0) * _normal(settings, n, rng),
     "each number has the right spread, but they vary independently of each other. Where are the covariances?"),
    (lambda settings, n, rng: settings.mean(0) + _normal(settings, n, rng),
     "that is the covariance 1 of plain noise. Where does the settings' own come in?"),
    (lambda settings, n, rng: settings.mean(0) + _normal(settings, n, rng) @ settings.T.cov(),
     "you multiply z by the covariance itself, so the samples' covariance is its square. What is missing?"),
    (lambda settings, n, rng: settings.mean(0) + _normal(settings, n, rng) @ _root(settings),
     "the right matrix, from the wrong side: z A has the covariance A^T A. Which one do you want?"),
    (lambda settings, n, rng: settings.mean(0) + torch.rand(n, settings.shape[1], generator=rng) @ _root(settings).T
     - 0.5 * _root(settings).sum(1), "your noise has a variance of 1/12. Is it a normal distribution?"),
]

@check
def posterior_mean(function):
    """Check `function(x, between, within) -> [N, d]`: between (between + within)^-1 x for each row of x [N, d]."""
    for n, d in ((5, 3), (1, 4), (4, 4)):
        rng = torch.Generator().manual_seed(n + d)
        x = torch.randn(n, d, generator=rng)
        between, within = (_covariance(d, rng) for _ in range(2))
        given = x.clone(), between.clone(), within.clone()
        answer = function(*given)
        came, = returned([answer] if isinstance(answer, list) else answer, "the means")
        shaped(tensor(came, "the means"), (n, d), "the means", {(d, n): "rows and columns have changed places.",
               (d, d): "that is a matrix of the world. What does it do to each drawing?"},
               "one mean for each drawing, of as many numbers as it has.")
        compare(came, _posterior(x, between, within), MISTAKES["posterior_mean"], (x, between, within),
                "A x for each row x, with A = between (between + within)^-1. In one dimension: between / (between + "
                "within) times x. What do you get there?")
        check_unchanged(x=(given[0], x), between=(given[1], between), within=(given[2], within))
    done("posterior mean: the example, shrunk most where people vary most.")


def _covariance(d, rng):
    root = torch.randn(d, d, generator=rng)
    return root @ root.T + 0.3 * torch.eye(d)


def _posterior(x, between, within):
    return x @ torch.linalg.solve(between + within, between)


_POSTERIOR_MISTAKES = [
    (lambda x, b, w: x @ b @ torch.linalg.inv(b + w),
     "A is not symmetric. Either you multiply the rows by A where its transpose belongs, or your inverse stands on the "
     "other side of between. Which matrix makes the row A x of the row x?"),
    (lambda x, b, w: x @ torch.linalg.solve(b + w, w),
     "that is what is taken away, (I - A) x. Which of the two covariances stands in front?"),
    (lambda x, b, w: x @ w @ torch.linalg.inv(b + w),
     "that is what is taken away, (I - A) x. Which of the two covariances stands in front?"),
    (lambda x, b, w: x @ torch.linalg.solve(w, b), "where the two spreads are equal, half of x should be left. What is "
                                                  "between divided by?"),
    (lambda x, b, w: x * (b / (b + w)).diagonal(), "you divide number by number. What is the inverse of a matrix?"),
    (lambda x, b, w: x, "that is the example itself. Where does the shrinking come in?"),
]


@check
def weight(function):
    """Check `function(shots, between, within, slope, bias) -> number`: the weight with the least squared error."""
    for arguments in ((2, 1.0, 0.6, 0.5, 0.3), (5, 2.0, 1.5, 0.2, 0.0), (3, 0.5, 2.0, 0.9, 0.4),
                      (2, 0.5, 2.0, 0.9, 0.1)):
        came, = returned(function(*arguments), "the weight")
        compare(one_number(came, "the weight"), _weight(*arguments), MISTAKES["weight"], arguments,
                f"with {_named(arguments)} the squared error is least at another weight. Where is its derivative 0?",
                tolerance=1e-3)     # fine enough to tell mistakes apart, coarse enough for a search on a fine grid
    done("weight: less and less, the more real drawings there are and the worse the generator.")


def _weight(shots, between, within, slope, bias):
    kept = (1 - slope) * within / shots         # minus half of f'(0)
    return kept / ((1 - slope) * (kept + (1 - slope) * between) + bias ** 2)


def _named(arguments):
    return ", ".join(f"{name} {value}" for name, value in zip(("shots", "between", "within", "slope", "bias"),
                                                             arguments))


_WEIGHT_MISTAKES = [
    (lambda k, b, w, s, bias: (1 - s) * w / ((1 - s) ** 2 * (w + b) + bias ** 2),
     "the number of real drawings does not matter in yours. What is the variance of a mean of k?"),
    (lambda k, b, w, s, bias: (1 - s) * w / k / ((1 - s) ** 2 * (w / k + b)),
     "the bias does not matter in yours. Which term of f holds it?"),
    (lambda k, b, w, s, bias: (1 - s) * w / k / ((1 - s) ** 2 * b + bias ** 2),
     "the first term of f also grows with the weight, squared. Is a part of its derivative missing?"),
    (lambda k, b, w, s, bias: _weight(k, b, w, 1 - s, bias), "gamma is 1 - slope. Which of the two did you use?"),
    (lambda k, b, w, s, bias: _weight(k, b, w, s, bias ** 0.5), "the bias adds its square to the squared error."),
    (lambda k, b, w, s, bias: w / k / (w / k + (1 - s) ** 2 * b + bias ** 2),
     "that is the rule for two estimates whose errors are independent. But the samples are made from the same real "
     "drawings."),
    (lambda k, b, w, s, bias: min(1.0, _weight(k, b, w, s, bias)),
     "you stop at a weight of 1. Where G shrinks too little, f may be smallest beyond it. Is that forbidden?"),
    (lambda k, b, w, s, bias: 1 - _weight(k, b, w, s, bias),
     "that is the weight of the real drawings. Which one is asked for?"),
]


MISTAKES = {"slope": _SLOPE_MISTAKES, "shuffled": _SHUFFLE_MISTAKES, "gaussian": _GAUSSIAN_MISTAKES,
            "posterior_mean": _POSTERIOR_MISTAKES, "weight": _WEIGHT_MISTAKES}
