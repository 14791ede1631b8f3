"""Checks of the exercises of notebook 10, where samples help."""

import itertools

import torch

from course_lib.episodes import Episodes

from ._base import (
    NotYet,
    check,
    check_unchanged,
    compare,
    done,
    identify,
    numbered_images,
    one_number,
    require,
    returned,
    shaped,
    tensor,
)


@check
def averaged_features(function):
    """Check `function(features, x, augment, n) -> [B, F]`: mean features of x [B, 1, H, W] and n - 1 copies of it.

    features maps images [M, 1, H, W] to [M, F], augment images to new drawings of the same shape.
    """
    for b, f, n in ((4, 4, 5), (5, 3, 3), (3, 5, 1)):       # equal sizes let mistakes run
        x, weight = numbered_images(b, 1)[:, 0] / 255, torch.randn(16, f, generator=torch.Generator().manual_seed(f))
        drawn, (features, augment) = [], _features_and_augmentation(weight, torch.Generator().manual_seed(n))
        given = x.clone()
        try:
            answer = function(features, given, lambda images, new=augment, drawn=drawn: new(images, drawn), n)
        except (ArithmeticError, LookupError, RuntimeError) as error:
            if n > 1:
                raise
            raise NotYet(f"expected the features of x for n = 1; got {type(error).__name__}. Hint: for n = 1 there are "
                         "no copies, only the image itself. What does your code make of no copies at all?") from error
        came = tensor(*returned([answer] if isinstance(answer, list) else answer, "the features"), "the features")
        shaped(came, (b, f), "features", {
            (n, b, f): "those are the features of every copy. Over which dimension goes the mean?",
            (n * b, f): "that is a row for each copy. Which rows are copies of the same image?",
            tuple(x.shape): "those are images. What does `features` make of them?",
        }, "each image should have one row of features. Over what else than its copies do you average?")
        _check_copies(came, features, x, drawn, n)
        check_unchanged(x=(given, x))
    done("averaged_features: the image and n - 1 new drawings of it, seen by the network one by one, then averaged.")


def _features_and_augmentation(weight, rng):
    """features(images) and augment(images, drawn), which adds its copies to `drawn`; their pixels tell of what."""
    def well_shaped(images, name):
        require(images.dim() == 4 and images.shape[1:] == (1, 4, 4), f"images [B, 1, 4, 4] for `{name}`",
                f"{list(images.shape)}", "torch.cat puts images behind each other, and torch.stack makes a new "
                "dimension. Which do you use?")
        return images

    def features(images):
        return (3 * well_shaped(images, "features").flatten(1) @ weight).cos()

    def augment(images, drawn):
        new = torch.rand(well_shaped(images, "augment").shape, generator=rng)
        new[..., 0, :2] = images[..., 0, :2] + torch.tensor([0, 10 / 255])
        drawn.append(new)
        return new
    return features, augment


_LEFT_OUT = "the drawing itself is missing, the only one that is surely right. Where does it enter the mean?"


def _check_copies(came, features, x, drawn, n):
    """came: the answer [B, F]. drawn: all that `augment` drew."""
    drawn = torch.cat([x[:0], *drawn])
    origins, of_drawn = identify(drawn) if len(drawn) else [], features(drawn)
    expected = f"{n - 1} augmented copies of each of {len(x)} images"
    require(n > 1 or not len(drawn), "no call of `augment` for n = 1", f"{len(drawn)} copies",
            "for n = 1 the image itself is all. Why does your code make a copy?")
    whose = torch.tensor([place for place, _ in origins], dtype=torch.long)
    counts = [(whose == i).sum().item() for i in range(len(x))]
    require(sum(counts) == len(drawn), expected, "copies of other images", "x is no longer as it was. Where does it "
            "change?")
    require(all(times == 1 for _, times in origins), expected, "copies of copies",
            "some copies were augmented twice, and drift away from the character. From which image should each begin?")
    alone = torch.stack([of_drawn[whose == i].mean(0) for i in range(len(x))])
    require(n == 1 or not torch.allclose(came, alone, atol=1e-5), "a mean over x and its copies",
            "one over copies only", _LEFT_OUT)
    require(counts == [n - 1] * len(x), expected, f"{counts}", {
        0: "your code never calls `augment`. Where does it come in?",
        1: "one copy, taken n - 1 times, is still one drawing. When is a new one made?",
        n: "you make n copies, which are n + 1 drawings with x. How many should there be in all?",
    }.get(counts[0], "x is one of the n drawings that are averaged. How many are left to make?"))
    copies = [torch.stack([drawn[whose == i][k] for i in range(len(x))]) for k in range(n - 1)]     # each [B, 1, H, W]
    again = itertools.cycle(copies)             # each mistake asks for all of them, in turn
    right = torch.stack([features(image) for image in (x, *copies)]).mean(0)
    compare(came, right, MISTAKES["averaged_features"] if n > 1 else [], (features, x, lambda images: next(again), n),
            "take one image: its own features, those of its n - 1 copies, and the mean of these n rows.")


def _mean_with(use):
    """`use` gets the features [n, B, F] of the images and of their n - 1 copies."""
    return lambda features, x, augment, n: use(
        torch.stack([features(x)] + [features(augment(x)) for _ in range(n - 1)]))


_DIVIDE = "the sum is divided by the wrong number. How many drawings are averaged?"
_MEAN_MISTAKES = [
    (_mean_with(lambda rows: rows.sum(0)), "that is the sum, and it grows with n. How do you make a mean of it?"),
    (lambda features, x, augment, n: features(torch.stack([x] + [augment(x) for _ in range(n - 1)]).mean(0)),
     "that is the network's view of the mean image, a blur that nobody drew. Which comes first, features or mean?"),
    (_mean_with(lambda rows: rows.sum(0) / (len(rows) - 1)), _DIVIDE),
    (_mean_with(lambda rows: rows.sum(0) / (len(rows) + 1)), _DIVIDE),
    (_mean_with(lambda rows: rows[0]), "the copies are drawn, but not used. Where do their features enter?"),
    (_mean_with(lambda rows: (rows[0] + rows[1:].mean(0)) / 2),
     "you weight x as much as all copies together. How much should each of the n drawings count?"),
    (_mean_with(lambda rows: rows[1:].sum(0) / len(rows)), _LEFT_OUT),
    (_mean_with(lambda rows: (rows[0] + rows[1:].reshape(rows.shape[1], -1, rows.shape[2]).sum(1)) / len(rows)),
     "your mean mixes copies of different images. Behind `repeat` or `cat`, which rows belong to the first image?"),
]


@check
def critic_weights(function):
    """Check `function(logits) -> weights [n, B]`: proportional to e^logit, with sum 1 over n. logits [n, B]."""
    rng = torch.Generator().manual_seed(9)
    small = [2 * torch.randn(n, b, generator=rng) for n, b in ((4, 4), (5, 3))]
    large = torch.randn(4, 3, generator=rng) + torch.tensor([200., -200., 0])
    large[:2, 2] = torch.tensor([200., -200.])
    for logits in (*small, large):          # at large logits the mistakes are infinite, and tell nothing
        given = logits.clone()
        came = _weights(function(given), logits)
        require(not came.isnan().any(), "numbers at any logit", "nan",
                "in float32, e^200 is infinite and e^-200 is 0. What may be added to all logits of one example "
                "without changing its weights?")
        compare(came, logits.softmax(0), MISTAKES["critic_weights"] if logits is not large else [], (logits,),
                "take one column: e^logit of each drawing, divided by the sum of these powers."
                if logits is not large else _ONLY_SMALL, tolerance=1e-3)
        check_unchanged(logits=(given, logits))
    done("critic_weights: proportional to e^logit, with sum 1 for every example, at any logit.")


_ONLY_SMALL = ("this fits while logits are small, not when they are large. Is something clamped, or added to a sum? "
               "Only differences within a column matter.")
_TURNED = "drawings and examples have changed places. Which of them are the rows of logits?"


def _weights(answer, logits):
    n, b = logits.shape
    came = tensor(*returned([answer] if isinstance(answer, list) else answer, "weights"), "weights")
    shaped(came, (n, b), "weights", {(b, n): _TURNED},
           "some drawings have no weight, not even 0. Which of them does your answer leave out?")
    require(came.is_floating_point(), "weights as floats", f"{came.dtype}",
            "a weight is neither a position nor a yes or no. Which part of the whole does a drawing get?")
    return came


_PROBABILITY = "a sigmoid is D's probability, at most 1. What is e to the power of the logit?"
_SUM = "e^logit is right, but the weights of an example must sum to 1. What are the powers divided by?"
_CRITIC_MISTAKES = [
    (lambda logits: logits.softmax(0).T, _TURNED),
    (lambda logits: logits.softmax(1),
     "the weights sum to 1 over the examples. They should do so over the n drawings: which dimension is that?"),
    (lambda logits: logits.flatten().softmax(0).view_as(logits),
     "the weights sum to 1 over all examples together, but each example has a mean of its own. Which weights belong to "
     "it?"),
    (lambda logits: logits.sigmoid() / logits.sigmoid().sum(0), _PROBABILITY),
    (lambda logits: logits.sigmoid(), _PROBABILITY),
    (lambda logits: logits.sigmoid().softmax(0), _PROBABILITY),
    (lambda logits: logits, "those are the logits, not e to their power. Are they all positive, as weights are?"),
    (lambda logits: logits / logits.sum(0),
     "you normalise the logits themselves, and some are negative. Exponentiate them first: where is exp(logit)?"),
    (lambda logits: logits.log_softmax(0), "those are the logarithms of the weights. What takes a logarithm back?"),
    (lambda logits: logits.exp(), _SUM),
    (lambda logits: logits.exp() / len(logits), _SUM),
    (lambda logits: (-logits).softmax(0),
     "that is 1 / e^logit, so the worst drawing would count most. Which sign does the logit need?"),
    (lambda logits: torch.full_like(logits, 1 / len(logits)), "all weights are alike. What do D's logits say?"),
    (lambda logits: (logits == logits.amax(0)).float(),
     "you give all the weight to the best drawing. How much does e^logit give the others?"),
]


@check
def critic_filter(function):
    """Check `function(logits, keep) -> weights [n, B]`: 1 / keep for the keep highest logits of each column, else 0."""
    rng = torch.Generator().manual_seed(0)
    for n, b, keep in ((4, 4, 2), (6, 3, 2), (5, 3, 1), (3, 5, 3)):
        logits = torch.randn(n, b, generator=rng) + 1.5 * torch.arange(b) - 1.5     # some columns lie higher
        given = logits.clone()
        came = _weights(function(given, keep), logits)
        kept, right = came != 0, _highest(logits, keep)
        hints = [hint for wrong, hint in MISTAKES["critic_filter"] if torch.equal(kept, wrong(logits, keep) != 0)]
        for i in (kept != right).any(0).nonzero().flatten().tolist()[:1]:
            rows, wanted = (of[:, i].nonzero().flatten().tolist() for of in (kept, right))
            column = [round(x, 2) for x in logits[:, i].tolist()]
            require(False, f"weight for drawings {wanted} of example {i}, whose logits are {column}, keep = {keep}",
                    f"weight for {rows}", [*hints, "sort one column: which are its `keep` highest logits?"][0])
        compare(came, right / keep, MISTAKES["critic_filter"], (logits, keep),
                "you keep the right ones, but with other weights. How do they share a weight of 1 evenly?")
        check_unchanged(logits=(given, logits))
    logits = torch.tensor([[2., 0, 1], [2., 0, 3], [1., 0, 3], [2., 0, 3]])         # any two of the equal ones
    came = _weights(function(logits.clone(), 2), logits)
    kept = came > 0
    require(bool((kept.sum(0) == 2).all() and (came[kept] == 0.5).all()),
            f"weight 1/2 for 2 drawings of each example, for the logits {logits.T.tolist()}",
            f"weights {[[round(x, 2) for x in column] for column in came.T.tolist()]}",
            "some logits are equal. How many drawings lie at your bound or above it then?")
    require(bool((logits.masked_fill(~kept, torch.inf).amin(0) >= logits.masked_fill(kept, -torch.inf).amax(0)).all()),
            "the highest logits kept", "lower ones, where some are equal", "sort a column with equal logits by hand.")
    done("critic_filter: the best of each example share its weight, the others have none.")


def _highest(logits, keep, dim=0):
    """bool, in the shape of logits: the `keep` highest along a dimension."""
    best = logits.topk(min(keep, logits.shape[dim]), dim=dim).indices
    return torch.zeros_like(logits, dtype=torch.bool).scatter(dim, best, True)


_MERGED = "that is the best of all columns together: some examples keep many, others none. How many has each column?"
_THRESHOLD = "that is a threshold, and how many pass it differs. How many should be kept of each column?"
_ORDER = "argsort says which drawing has rank 0, 1, ... What says which rank a drawing has?"
_FILTER_MISTAKES = [
    (lambda logits, keep: _highest(-logits, keep) / keep,
     "those are the worst. Does your sort begin with the smallest?"),
    (lambda logits, keep: _highest(logits, keep, dim=1) / keep,
     "that compares examples with each other. Which dimension counts the drawings?"),
    (lambda logits, keep: torch.ones_like(logits) / keep, "all drawings have weight. Which get 0?"),
    (lambda logits, keep: _highest(logits.flatten(), keep * logits.shape[1]).view_as(logits) / keep, _MERGED),
    (lambda logits, keep: _highest(logits.flatten(), keep).view_as(logits) / keep, _MERGED),
    (lambda logits, keep: (logits > 0) / keep, _THRESHOLD),
    (lambda logits, keep: (logits > logits.mean(0)) / keep, _THRESHOLD),
    (lambda logits, keep: (logits > logits.mean()) / keep, _THRESHOLD),
    (lambda logits, keep: _highest(logits, keep - 1) / keep,
     "you keep one too few. Is the last of the best equal to your bound, or above it?"),
    (lambda logits, keep: _highest(logits, keep + 1) / keep, "you keep one too many. From where do you count?"),
    (lambda logits, keep: (torch.arange(len(logits))[:, None] < keep).expand_as(logits) / keep,
     "those are the first rows. Where are the best before they are sorted?"),
    (lambda logits, keep: (logits.argsort(0, descending=True) < keep) / keep, _ORDER),
    (lambda logits, keep: (logits.argsort(0) < keep) / keep, _ORDER),
    (lambda logits, keep: _highest(logits, keep).float(),
     "you keep the right ones, but a mean needs weights that sum to 1 in each column. What is the sum of yours?"),
    (lambda logits, keep: _highest(logits, keep) / len(logits),
     "you divide by n, as many drawings as were made. How many share the weight?"),
    (lambda logits, keep: _highest(logits, keep) / (keep * logits.shape[1]),
     "the weights sum to 1 over all examples together, but each has a mean of its own. Which weights belong to it?"),
    (lambda logits, keep: logits.masked_fill(~_highest(logits, keep), -torch.inf).softmax(0),
     "you keep the right ones, but weight them by their logits. What would be an even share?"),
    (lambda logits, keep: _highest(logits, keep) * logits, "those are the logits of the best. What is their weight?"),
    (lambda logits, keep: _highest(logits, keep) * logits.softmax(0),
     "you keep the right ones, but their weights are neither even nor of sum 1 in each column. What does each get?"),
]

VERDICTS = ("less error", "more error", "no difference found")


@check
def placement(function):
    """Check `function(tasks, see, draw) -> (support, query)`: features that enter the comparison of a ProtoNet.

    tasks: `Episodes` of images; see(x): features [T, M, F] of images x [T, M, 1, H, W]; draw(x): one drawing by G of
    each image, in the shape of x. support [T, N*K, F], query [T, N*Q, F]. Any placement is right that uses `draw`, is
    inductive, and asks for no label of a query.
    """
    tasks, weight = _tasks(), torch.randn(16, 5, generator=torch.Generator().manual_seed(5))
    support, query = _placed(function, tasks, weight)
    redrawn = _placed(function, tasks, weight, pace=0.17)
    require(not all(torch.allclose(a, b, atol=1e-5) for a, b in zip((support, query), redrawn)),
            "other features if G draws otherwise", "the same",
            "the drawings of G do not change the features. Where do they enter?")
    others = tasks.query_x.clone()
    others[:, 1:] = others[:, 1:].flip(1).square()                  # all queries but the first are others now
    again = _placed(function, tasks._replace(query_x=others), weight)
    require(torch.allclose(query[:, 0], again[1][:, 0], atol=1e-5) and torch.allclose(support, again[0], atol=1e-5),
            "features that stay when *other* queries change", "others",
            "a query may not profit from the other queries, because that is transductive. Over what do you average?")
    relabelled = _placed(function, tasks._replace(query_y=tasks.query_y.flip(1)), weight)
    require(all(torch.equal(a, b) for a, b in zip((support, query), relabelled)),
            "the same for other labels of queries", "other features",
            "query_y is what the learner is to find out. Where does your function read it?")
    one = [part[:1] for part in tasks]
    alone = _placed(function, type(tasks)(*one), weight)
    require(all(torch.allclose(a[:1], b, atol=1e-5) for a, b in zip((support, query), alone)),
            "features of a task that stay without the other tasks", "others",
            "each task must be treated by itself. Which dimension counts the tasks?")
    for x, what in ((query, "query"), (support, "example")):
        require(not torch.allclose(x, x[:, :1].expand_as(x), atol=1e-5), f"features of each {what}", "the same for all",
                f"every {what} gets the same features. Where does its own drawing enter?")
    done("placement: it draws, treats every query alone, and asks for no label. Whether it helps, a trial will tell.")


def _tasks():
    """Two tasks of three classes: one example and two queries of each."""
    rng = torch.Generator().manual_seed(10)
    support_x, query_x = torch.rand(2, 3, 1, 4, 4, generator=rng), torch.rand(2, 6, 1, 4, 4, generator=rng)
    return Episodes(support_x, torch.arange(3).expand(2, -1).clone(), query_x,
                    torch.tensor([0, 0, 1, 1, 2, 2]).expand(2, -1).clone())


def _placed(function, tasks, weight, pace=0.1):
    """(support, query) features of an answer, if they have the right form. pace: how far each drawing moves on."""
    calls, sizes = [], [part.shape[1] for part in (tasks.support_x, tasks.query_x)]

    def images(x, name):
        require(isinstance(x, torch.Tensor) and x.dim() == 5 and x.shape[2:] == (1, 4, 4),
                f"images [T, M, 1, H, W] for `{name}`", str(list(getattr(x, "shape", [type(x).__name__]))),
                f"tasks.support_x and tasks.query_x have this shape. What do you give to `{name}`?")
        return x

    def see(x):
        return (3 * images(x, "see").flatten(2) @ weight).cos()

    def draw(x):
        calls.append(len(calls))
        return (images(x, "draw") + pace * len(calls)).frac()

    given = type(tasks)(*(part.clone() for part in tasks))
    came = returned(function(given, see, draw), "support", "query")
    check_unchanged(**{name: (getattr(given, name), getattr(tasks, name)) for name in tasks._fields})
    for x, name, size in zip(came, ("support", "query"), sizes):
        shape = (len(tasks.support_x), size, 5)
        shaped(tensor(x, f"features of the {name}"), shape, f"features of the {name}", {
            (shape[0], size, 1, 4, 4): "those are images. What does `see` make of them?",
        }, "each image should have one row of features. What becomes of several copies?")
        require(bool(x.isfinite().all()), f"finite features of the {name}", "others", "what is divided by what?")
    require(calls, "at least one call of `draw`", "none",
            "no drawing of G enters, so that is no augmentation. Where could one stand?")
    return came


@check
def trial(function):
    """Check `function(prediction, mine, baseline, tasks) -> (low, high, verdict)`: a paired trial, predicted before.

    prediction and verdict: one of VERDICTS; without a prediction ValueError. mine(tasks), baseline(tasks): the error on
    each task, float64 [T]. low, high: the 95 % interval of mine - baseline.
    """
    _check_prediction(function)
    rng = torch.Generator().manual_seed(6)
    hard = 0.6 * torch.rand(60, generator=rng, dtype=torch.float64)         # what makes a task hard for both
    noise = torch.randn(60, generator=rng, dtype=torch.float64)
    for shift, prediction in ((-0.05, 0), (0.05, 1), (-0.05, 2), (-0.01, 1), (0.012, 0), (0.001, 2), (0.05, 0)):
        difference = shift + 0.1 * (noise - noise.mean())
        seen = []
        came = returned(function(VERDICTS[prediction], _arm("mine", hard + difference, seen),
                                 _arm("baseline", hard, seen), _TASKS.clone()), "low", "high", "verdict")
        _check_runs(seen)
        low, high = (one_number(x, name) for x, name in zip(came, ("low", "high")))
        wide = 1.96 * difference.std() / 60 ** 0.5
        right = torch.stack([difference.mean() - wide, difference.mean() + wide])
        compare(torch.tensor([low, high]), right, _interval_mistakes(hard + difference, hard), (),
                "the interval is that of the differences, task by task: mean and 1.96 standard errors.", tolerance=0.03)
        verdict = VERDICTS[0] if high < 0 else VERDICTS[1] if low > 0 else VERDICTS[2]
        _check_verdict(came[2], verdict, low, high, prediction=VERDICTS[prediction])
    done("trial: predicted first, run once on the same tasks, decided by the paired interval.")


_TASKS = torch.arange(60.)


def _arm(name, errors, seen):
    """errors(tasks), which writes down when it was asked, and on which tasks."""
    def error(tasks):
        seen.append((name, tasks))
        return errors.clone()
    return error


def _check_prediction(function):
    for missing in (None, "", "maybe"):
        seen = []
        try:
            function(missing, _arm("mine", _TASKS, seen), _arm("baseline", _TASKS.sqrt(), seen), _TASKS.clone())
        except ValueError:
            require(not seen, "a ValueError before anything runs", "one after the run",
                    "a prediction that is asked for after the run is none. Which line should come first?")
            continue
        require(False, f"a ValueError for the prediction {missing!r}", "a trial that runs",
                "without a prediction nobody can be surprised. What should your function do if there is none?")


def _check_runs(seen):
    for name in ("mine", "baseline"):
        count = [who for who, _ in seen].count(name)
        require(count == 1, f"{name}(tasks) once", f"{count} times",
                "each arm runs once. What could you do with a second result, and what with none?")
    (_, a), (_, b) = seen
    require(all(isinstance(x, torch.Tensor) for x in (a, b)) and torch.equal(a, b), "the same tasks for both",
            "different ones", "the difference is paired only if both see the same tasks. What does each arm get?")
    require(torch.equal(a, _TASKS), "the tasks that your function was given", "others",
            "all tasks belong to the trial. Which of them does your function leave out, or change?")


def _interval_mistakes(mine, baseline):
    """[(interval with one mistake, hint)] for `compare`, all without arguments."""
    def around(at, half):
        return lambda: torch.stack([at - half, at + half])

    difference, root = mine - baseline, len(mine) ** 0.5
    at, error = difference.mean(), difference.std() / root
    return [
        (around(-at, 1.96 * error),
         "the sign is turned, because less error of yours is a difference below 0. What do you subtract from what?"),
        (lambda: torch.stack([at + 1.96 * error, at - 1.96 * error]),
         "low and high have changed places. Which is the smaller?"),
        (around(at, 1.96 * error * root), "so far do single tasks scatter. How much less does a mean of them?"),
        (around(at, error), "that is one standard error. How many of them reach 95 %?"),
        (around(at, 1.96 * error / root),
         "you divide by n, so the interval is far too narrow. How fast does the error of a mean fall with n?"),
        (around(mine.mean(), 1.96 * mine.std() / root), "that is the interval of one arm. Of what should it be?"),
        (around(at, 1.96 * (mine.var() + baseline.var()).sqrt() / root),
         "the arms are treated as if each had tasks of its own. What do the same tasks allow you to subtract first?"),
        (lambda: torch.stack([difference.min(), difference.max()]),
         "those are the extremes of single tasks. How sure is their mean?"),
        (lambda: torch.stack([at, 1.96 * error]),
         "those are the mean and half the interval. Where does it begin, and where does it end?"),
    ]


def _check_verdict(came, right, low, high, prediction):
    expected = f"the verdict {right!r} for the interval from {low:.3f} to {high:.3f}"
    require(came in VERDICTS, f"a verdict, one of {VERDICTS}", f"{came!r}", "what may the interval say?")
    require(came == right, expected, f"{came!r}",
            "the verdict is your prediction again. What does the interval say?" if came == prediction else
            "the interval reaches across 0, so either sign is possible. What may be said then?"
            if right == VERDICTS[2] else
            "the whole interval lies on one side of 0. Which side means less error?")


MISTAKES = {"averaged_features": _MEAN_MISTAKES, "critic_weights": _CRITIC_MISTAKES, "critic_filter": _FILTER_MISTAKES}
