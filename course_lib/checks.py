"""Exercise checks: give a check your function; it prints one line, or raises `NotYet` that says what to look at.

A message says what was expected, what came, and a hint. It never says the solution. A function that is still
the stub raises NotImplementedError, untouched.
"""

import math

import torch


class NotYet(AssertionError):
    """The answer is not right yet; the message says how to get on."""


def _require(condition, expected, came, hint):
    if not condition:
        raise NotYet(f"expected {expected}; got {came}. Hint: {hint}")


def _results(answer, *names):
    """`answer` as a tuple of as many results as there are `names`."""
    wanted = ", ".join(names)
    _require(answer is not None, wanted, "None", "does your function end with `return ...`?")
    came = answer if isinstance(answer, (tuple, list)) else (answer,)
    _require(len(came) == len(names), f"{len(names)} result(s): {wanted}", f"{type(answer).__name__} of {len(came)}",
             "return just these, in this order, separated by commas.")
    return tuple(came)


def _tensor(value, name):
    _require(isinstance(value, torch.Tensor), f"{name} as a tensor", type(value).__name__,
             "torch.cat and torch.stack make one tensor of many; torch.tensor makes one of numbers.")
    return value


def _done(message):
    print(f"✓ {message}")


# ---------------------------------------------------------------- notebook 00: nearest neighbour


def nearest_neighbour(function):
    """Check `function(support_x, support_y, query_x) -> labels` for one task, flat images.

    support_x float [S, P], support_y int64 [S], query_x float [Q, P] -> int64 [Q].
    """
    support_x, support_y, query_x, query_y = _task_of_vectors()
    answer = function(support_x.clone(), support_y.clone(), query_x.clone())
    if isinstance(answer, list):
        answer = torch.tensor(answer)
    labels = _tensor(*_results(answer, "labels"), "labels")
    positions = torch.cdist(query_x, support_x).argmin(1)
    expected, came = f"labels {query_y.tolist()}", f"{labels.tolist()}"
    _require(labels.shape not in ((6,), ()), "one label per query, shape [7]", f"shape {list(labels.shape)}",
             "which dimension of the distance table belongs to the support images?")
    _require(labels.shape == (7,), "one label per query, shape [7]", f"shape {list(labels.shape)}",
             "one number per query, no further dimension.")
    _require(not labels.is_floating_point() or torch.equal(labels, labels.round()), "labels", came,
             "return labels, not distances.")
    _require(not labels.is_floating_point(), "whole numbers (int64)", f"{labels.dtype}",
             "labels are for counting and indexing: `.long()`.")
    _require(not torch.equal(labels, positions), expected, came,
             "those are positions in the support set. What is written in support_y at these positions?")
    _require(torch.equal(labels, query_y), expected, came,
             "for each query, the one support image at the smallest Euclidean distance decides, alone.")
    _done("nearest_neighbour labels every query with the label of its nearest support image.")


def _task_of_vectors():
    """Six support and seven query vectors on which class means, votes, angles and city-block distances go wrong."""
    generator = torch.Generator().manual_seed(1)
    support_y = torch.tensor([2, 0, 1, 2, 0, 1])                        # not in order, two per class
    query_y = torch.tensor([1, 1, 0, 2, 1, 2, 1])
    centres = torch.randn(3, 50, generator=generator) * 3 + 10          # far from zero: lengths differ
    support_x = centres[support_y] + torch.randn(6, 50, generator=generator)
    query_x = centres[query_y] + torch.randn(7, 50, generator=generator)
    support_x[5] = centres[0] + torch.randn(50, generator=generator)    # an outlier of class 1 amid class 0
    query_x[1] = support_x[5] + 0.01
    query_x[2] = support_x[1] + 0.5                                     # near in all pixels, or equal but for one:
    support_x[3] = query_x[2]
    support_x[3, 0] += 5                                                # Euclid and city block disagree
    support_x[0] = 1.5 * support_x[4] + 2 * torch.randn(50, generator=generator)
    query_x[3] = 1.5 * support_x[4]                                     # same direction as 4, nearer to 0
    return support_x, support_y, query_x, query_y


# ---------------------------------------------------------------- notebook 00: the episode sampler


def episode_sampler(function):
    """Check `function(images, n_way, k_shot, q_query, generator)` -> support_x, support_y, query_x, query_y.

    One task: images uint8 [C, M, 1, H, W] -> support_x [N*K, 1, H, W], support_y [N*K], query_x, query_y alike.
    """
    images = _numbered_images(n_classes=6, n_drawings=7)
    for n_way, k_shot, q_query in ((4, 2, 3), (3, 1, 4)):
        def draw(seed, sizes=(n_way, k_shot, q_query)):
            answer = function(images.clone(), *sizes, torch.Generator().manual_seed(seed))
            return _results(answer, "support_x", "support_y", "query_x", "query_y")

        tasks = [draw(seed) for seed in range(60)]
        for support_x, support_y, query_x, query_y in tasks:
            _check_shapes(support_x, support_y, n_way, k_shot, "support")
            _check_shapes(query_x, query_y, n_way, q_query, "query")
        origins = [(_identify(task[0]), _identify(task[2])) for task in tasks]
        for (support, query), (_, support_y, _, query_y) in zip(origins, tasks):
            _check_labels(support, support_y.tolist(), query, query_y.tolist(), n_way)
        _check_drawings(origins, k_shot, q_query)
        _check_chance(tasks, draw(0), origins)
    _done("episode_sampler: no class twice, no drawing in both support and query, labels 0 to N-1, chance explicit.")


def _numbered_images(n_classes, n_drawings):
    """Images whose pixels tell their class (first pixel) and drawing (second pixel)."""
    images = torch.zeros(n_classes, n_drawings, 1, 4, 4, dtype=torch.uint8)
    images[..., 0, 0] = torch.arange(n_classes)[:, None, None] * 10 + 50
    images[..., 0, 1] = torch.arange(n_drawings)[None, :, None] * 10 + 50
    return images


def _identify(x):
    """[(class, drawing)] of images made by `_numbered_images`, whether bytes or floats in [0, 1]."""
    x = x.float() * (255 if x.float().max() <= 1 else 1)
    return [tuple(((pixel - 50) / 10).round().long().tolist()) for pixel in x[:, 0, 0, :2]]


def _check_shapes(x, y, n_way, per_class, what):
    x, y, expected = _tensor(x, f"{what}_x"), _tensor(y, f"{what}_y"), n_way * per_class
    _require(x.shape == (expected, 1, 4, 4), f"{what}_x of shape [{expected}, 1, 4, 4]", f"{list(x.shape)}",
             f"{n_way} classes times {per_class} images, each [1, H, W]; flatten the first two dimensions.")
    _require(y.shape == (expected,), f"{what}_y of shape [{expected}]", f"{list(y.shape)}", "one label per image.")
    _require(not y.is_floating_point(), f"{what}_y in whole numbers (int64)", f"{y.dtype}",
             "labels are for counting and indexing.")


def _check_labels(support, support_y, query, query_y, n_way):
    classes = [c for c, _ in support]
    _require(len(set(classes)) == n_way, f"{n_way} different classes", f"{len(set(classes))}",
             "two labels share a class. Was a class drawn, put back, and drawn again?")
    _require(set(support_y) == set(range(n_way)), f"labels 0 to {n_way - 1}", f"{sorted(set(support_y))}",
             "a label counts the classes of this task, not those of the dataset.")
    _require(len(set(zip(classes, support_y))) == n_way, "one label for each class",
             f"classes {classes} labelled {support_y}", "are images and labels in the same order?")
    label = dict(zip(classes, support_y))
    _require([label.get(c) for c, _ in query] == query_y, "queries labelled as their class is in the support",
             f"classes {[c for c, _ in query]} labelled {query_y}, where the support says {label}",
             "do images and labels of the queries go through the classes in the same order?")


def _check_drawings(origins, k_shot, q_query):
    for of_support, of_query in origins:
        for what, drawn, amount in (("support", of_support, k_shot), ("query", of_query, q_query)):
            counts = {c: sum(d[0] == c for d in drawn) for c, _ in drawn}
            _require(set(counts.values()) == {amount}, f"{amount} {what} drawings of every class", f"{counts}",
                     "every class gets K drawings to learn from and Q to be asked about.")
            _require(len(set(drawn)) == len(drawn), f"every {what} drawing once", f"(class, drawing) {sorted(drawn)}",
                     "the same drawing came twice. Were drawings put back and drawn again?")
    for of_support, of_query in origins:
        both = sorted(set(of_support) & set(of_query))
        _require(not both, "no drawing in both support and query", f"(class, drawing) {both} in both",
                 "such a query is answered by heart. Does the choice of the queries know what the support took?")


def _check_chance(tasks, again, origins):
    _require(all(torch.equal(a, b) for a, b in zip(again, tasks[0])), "the same task from the same generator",
             "another one", "pass `generator` to every call that draws.")
    _require(any(origin != origins[0] for origin in origins), "different tasks from different generators",
             "60 times the same", "does your code make or seed a generator of its own, or draw nothing at all?")
    reached = {c for support, _ in origins for c, _ in support}
    _require(len(reached) == 6, "all 6 classes in the course of 60 tasks", f"only {sorted(reached)}",
             "which classes can your code never reach?")
    for what, part in (("support", 0), ("query", 1)):
        reached = {d for origin in origins for _, d in origin[part]}
        _require(len(reached) == 7, f"all 7 drawings in some {what} set, in 60 tasks", f"only {sorted(reached)}",
                 "are the drawings shuffled, all of them?")


# ---------------------------------------------------------------- notebook 00: the interval


def interval(function):
    """Check `function(accuracies) -> (mean, half_width)`: a 95 % interval of a mean, float tensor [n] -> two floats."""
    for n in (200, 700):
        values = torch.rand(n, generator=torch.Generator().manual_seed(n)) * 0.5 + 0.3
        mean, half = (_number(r, name) for r, name in zip(_results(function(values.clone()), "mean", "half-width"),
                                                          ("the mean", "the half-width")))
        deviation, middle = values.std().item(), values.mean().item()
        right = 1.96 * deviation / n ** 0.5
        _require(abs(mean - (middle - right)) > 0.2 * right, f"the mean {middle:.4f}", f"{mean:.4f} and {half:.4f}",
                 "these are the two ends; return the middle, and the distance from there to an end.")
        _require(abs(mean - middle) < 1e-5, f"the mean {middle:.4f}", f"{mean:.4f}",
                 "the first number is the plain average, as a fraction.")
        expected = f"a half-width of {right:.4f} for these n={n} values"
        for wrong, hint in {
            deviation: "that is the standard deviation of single values. Their mean scatters less.",
            1.96 * deviation: "that is how far single values scatter. The mean of n values scatters less.",
            deviation / n ** 0.5: "that is one standard error: it covers about 68 %, not 95 %.",
            2 * right: "that is the whole width; give the distance from the mean to one end.",
            -right: "a half-width is positive.",
            1.96 * deviation / n: "the mean of n values scatters less than one value, but not n times less.",
            1.96 * deviation ** 2 / n ** 0.5: "variance or standard deviation?",
        }.items():
            _require(abs(half / wrong - 1) > 0.02, expected, f"{half:.4f}", hint)
        _require(abs(half / right - 1) < 0.03, expected, f"{half:.4f}",
                 "how far do single values scatter, how much less does a mean of n, and how many of those for 95 %?")
    _done("interval: the mean, and a half-width that reaches the true mean in about 95 of 100 repetitions.")


def _number(value, name):
    is_number = isinstance(value, (int, float)) or (isinstance(value, torch.Tensor) and value.numel() == 1)
    _require(is_number, f"{name} as one number", f"{type(value).__name__}", "a float, or a tensor of one element.")
    _require(math.isfinite(value), f"{name} as a finite number", f"{float(value)}", "what is divided by what?")
    return float(value)
