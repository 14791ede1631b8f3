"""Checks of the exercises of notebook 00, start here."""

import torch

from ._base import check, check_unchanged, done, identify, numbered_images, one_number, require, returned, tensor


@check
def nearest_neighbour(function):
    """Check `function(support_x, support_y, query_x) -> labels` for one task, flat images.

    support_x float [S, P], support_y int64 [S], query_x float [R, P] -> int64 [R].
    """
    support_x, support_y, query_x, query_y = _task_of_vectors()
    given = support_x.clone(), support_y.clone(), query_x.clone()
    answer = function(*given)
    check_unchanged(support_x=(given[0], support_x), support_y=(given[1], support_y), query_x=(given[2], query_x))
    if isinstance(answer, list):
        answer = torch.tensor(answer)
    labels = tensor(*returned(answer, "labels"), "labels")
    expected, came = f"labels {query_y.tolist()}", f"{labels.tolist()}"
    require(labels.shape not in ((6,), ()), "one label per query, shape [7]", f"shape {list(labels.shape)}",
            "you search along the wrong dimension. Which dimension of the distance table belongs to the support "
            "images?")
    require(labels.shape == (7,), "one label per query, shape [7]", f"shape {list(labels.shape)}",
            "one number per query, no further dimension.")
    require(not labels.is_floating_point() or torch.equal(labels, labels.round()), "labels", came,
            "return labels, not distances.")
    require(not labels.is_floating_point(), "whole numbers (int64)", f"{labels.dtype}",
            "labels are for counting and indexing: `.long()`.")
    for wrong, hint in MISTAKES["nearest_neighbour"]:
        require(not torch.equal(labels, wrong(support_x, support_y, query_x)), expected, came, hint)
    require(torch.equal(labels, query_y), expected, came,
            "for each query, the one support image at the smallest Euclidean distance decides, alone.")
    done("nearest_neighbour labels every query with the label of its nearest support image.")


def _task_of_vectors():
    """Six support and seven query vectors on which class means, votes, angles and city-block distances go wrong."""
    rng = torch.Generator().manual_seed(1)
    support_y = torch.tensor([2, 0, 1, 2, 0, 1])                        # not in order, two per class
    query_y = torch.tensor([1, 1, 0, 2, 1, 2, 1])
    centres = torch.randn(3, 50, generator=rng) * 3 + 10          # far from zero: lengths differ
    support_x = centres[support_y] + torch.randn(6, 50, generator=rng)
    query_x = centres[query_y] + torch.randn(7, 50, generator=rng)
    support_x[5] = centres[0] + torch.randn(50, generator=rng)    # an outlier of class 1 amid class 0
    query_x[1] = support_x[5] + 0.01
    query_x[2] = support_x[1] + 0.5                                     # near in all pixels, or equal but for one:
    support_x[3] = query_x[2]
    support_x[3, 0] += 5                                                # Euclid and city block disagree
    support_x[0] = 1.5 * support_x[4] + 2 * torch.randn(50, generator=rng)
    query_x[3] = 1.5 * support_x[4]                                     # same direction as 4, nearer to 0
    return support_x, support_y, query_x, query_y


@check
def episode_sampler(function):
    """Check `function(images, n_way, k_shot, q_query, rng)` -> support_x, support_y, query_x, query_y.

    One task: images uint8 [C, M, 1, H, W] -> support_x [N*K, 1, H, W], support_y [N*K], query_x, query_y alike.
    """
    images = numbered_images(n_classes=6, n_drawings=7)
    for n_way, k_shot, q_query in ((4, 2, 3), (3, 1, 4)):
        def sample(rng, sizes=(n_way, k_shot, q_query)):
            given, everyones = images.clone(), torch.get_rng_state()
            answer = function(given, *sizes, rng)
            check_unchanged(images=(given, images))
            task = returned(answer, "support_x", "support_y", "query_x", "query_y")
            _check_shapes(*task[:2], sizes[0], sizes[1], "support")
            _check_shapes(*task[2:], sizes[0], sizes[2], "query")
            return task, torch.equal(everyones, torch.get_rng_state())

        rngs = [torch.Generator().manual_seed(seed) for seed in range(60)]
        tasks, alone = zip(*(sample(rng) for rng in rngs))
        origins = [(identify(task[0]), identify(task[2])) for task in tasks]
        for (support, query), (_, support_y, _, query_y) in zip(origins, tasks):
            _check_labels(support, support_y.tolist(), query, query_y.tolist(), n_way)
        _check_drawings(origins, k_shot, q_query)
        _check_chance(tasks, sample(torch.Generator().manual_seed(0))[0], origins, all(alone))
        _check_order(origins)
        require(any(not torch.equal(a, b) for rng, task in zip(rngs, tasks) for a, b in zip(sample(rng)[0], task)),
                "another task when the same rng is used again", "the same task again", "your code starts the rng anew "
                "at each call. Use the rng as it comes, so that it goes on from where it was.")
    done("episode_sampler: no class twice, no drawing in both support and query, labels 0 to N-1, chance explicit.")


def _check_shapes(x, y, n_way, per_class, what):
    x, y, expected = tensor(x, f"{what}_x"), tensor(y, f"{what}_y"), n_way * per_class
    require(x.shape == (expected, 1, 4, 4), f"{what}_x of shape [{expected}, 1, 4, 4]", f"{list(x.shape)}",
            f"{n_way} classes times {per_class} images, each [1, H, W]; flatten the first two dimensions.")
    require(y.shape == (expected,), f"{what}_y of shape [{expected}]", f"{list(y.shape)}", "one label per image.")
    require(x.dtype == torch.uint8, f"{what}_x as it comes (uint8)", f"{x.dtype}",
            "the sampler chooses images and does not convert them. Which line changes their type?")
    require(y.dtype == torch.int64, f"{what}_y in whole numbers (int64)", f"{y.dtype}",
            "labels are for counting and indexing, and cross_entropy takes them as int64 alone.")


def _check_labels(support, support_y, query, query_y, n_way):
    classes = [c for c, _ in support]
    require(len(set(classes)) == n_way, f"{n_way} different classes", f"{len(set(classes))}",
            "two labels share a class. Was a class sampled, put back, and sampled again?")
    require(set(support_y) == set(range(n_way)), f"labels 0 to {n_way - 1}", f"{sorted(set(support_y))}",
            "labels number the classes of this task, not those of the dataset.")
    require(len(set(zip(classes, support_y))) == n_way, "one label for each class",
            f"classes {classes} labelled {support_y}",
            "a class has more than one label. Are images and labels in the same order?")
    label = dict(zip(classes, support_y))
    require([label.get(c) for c, _ in query] == query_y, "queries labelled as their class is in the support",
            f"classes {[c for c, _ in query]} labelled {query_y}, where the support says {label}",
            "the queries of a class have another label than its support. Do images and labels of the queries go "
            "through the classes in the same order?")


def _check_drawings(origins, k_shot, q_query):
    for of_support, of_query in origins:
        for what, drawn, amount in (("support", of_support, k_shot), ("query", of_query, q_query)):
            counts = {c: sum(d[0] == c for d in drawn) for c, _ in drawn}
            require(set(counts.values()) == {amount}, f"{amount} {what} drawings of every class", f"{counts}",
                    "every class gets K drawings to learn from and Q to be asked about.")
            require(len(set(drawn)) == len(drawn), f"every {what} drawing once", f"(class, drawing) {sorted(drawn)}",
                    "the same drawing came twice. Were drawings put back and sampled again?")
    for of_support, of_query in origins:
        both = sorted(set(of_support) & set(of_query))
        require(not both, "no drawing in both support and query", f"(class, drawing) {both} in both",
                "a learner answers such a query by heart. Does the choice of the queries know what the support took?")


def _check_order(origins):
    """That any set of classes can come, in any order: in 60 tasks a right sampler cannot miss this by chance."""
    n_classes, orders = 6, [list(dict.fromkeys(c for c, _ in support)) for support, _ in origins]
    require(any(order != sorted(order) and order != sorted(order)[::-1] for order in orders),
            "classes in any order", "60 tasks with their classes in order",
            "label 0 is always the first of the chosen classes in the dataset. Are the classes sorted somewhere?")
    runs = [{(start + i) % n_classes for i in range(len(order))} for start in range(n_classes) for order in orders[:1]]
    require(any(set(order) not in runs for order in orders), "any set of classes",
            "60 tasks with neighbours in the dataset", "classes 0 and 3 never come without one between them. Where in "
            "your code is each class chosen by itself?")


def _check_chance(tasks, again, origins, alone):
    require(all(torch.equal(a, b) for a, b in zip(again, tasks[0])), "the same task from an rng in the same state",
            "another one", "some randomness comes from elsewhere. Pass `generator=rng` to every call that samples.")
    require(alone, "torch's global random numbers as they were", "a changed state",
            "your code samples from, or seeds, the generator that everyone shares. Pass `generator=rng` to every call.")
    require(any(origin != origins[0] for origin in origins), "different tasks from different seeds",
            "60 times the same", "your code ignores the rng that it is given. Does it make or seed one of its own, or "
            "take no sample at all?")
    reached = {c for support, _ in origins for c, _ in support}
    require(len(reached) == 6, "all 6 classes in the course of 60 tasks", f"only {sorted(reached)}",
            "some classes never come. Which classes can your code never reach?")
    parted = [max(d for k, d in support if k == c) < min(d for k, d in query if k == c)
              for support, query in origins for c in {c for c, _ in support}]
    everywhere = len({d for origin in origins for part in origin for _, d in part}) == 7
    require(not (everywhere and all(parted)), "any drawings in the support, whatever their numbers",
            "60 tasks with every support drawing before every query drawing",
            "the drawings are sorted before they are dealt, so some people are seldom seen in the queries. Where?")
    for what, part in (("support", 0), ("query", 1)):
        reached = {d for origin in origins for _, d in origin[part]}
        require(len(reached) == 7, f"all 7 drawings in some {what} set, in 60 tasks", f"only {sorted(reached)}",
                "some drawings never come. Are the drawings shuffled, all of them?")
    n_way = len({c for c, _ in origins[0][0]})
    shared = all(len({d for _, d in part}) * n_way == len(part) for origin in origins for part in origin)
    require(not shared, "drawings chosen for each class by itself", "in all 60 tasks the same of every class",
            "if drawing d of every class is by the same person, such a task shows only the hands of K + Q people. "
            "Where in your code are the drawings chosen?")


@check
def interval(function):
    """Check `function(accuracies) -> (mean, half_width)`: a 95 % interval of a mean, float tensor [n] -> two floats."""
    for n in (200, 700):
        values = torch.rand(n, generator=torch.Generator().manual_seed(n)) * 0.5 + 0.3
        given = values.clone()
        answer = function(given)
        check_unchanged(accuracies=(given, values))
        if not isinstance(answer, (tuple, list)) and getattr(answer, "shape", None) == (2,):
            answer = tuple(answer)      # stacked in one tensor or array
        mean, half = (one_number(r, name) for r, name in zip(returned(answer, "mean", "half-width"),
                                                          ("the mean", "the half-width")))
        deviation, middle = values.std().item(), values.mean().item()
        right = 1.96 * deviation / n ** 0.5
        require(abs(mean - (middle - right)) > 0.2 * right, f"the mean {middle:.4f}", f"{mean:.4f} and {half:.4f}",
                "these are the two ends. Return the middle, and the distance from there to an end.")
        require(abs(mean - middle) < 1e-5, f"the mean {middle:.4f}", f"{mean:.4f}",
                "the first number is the plain average, as a fraction.")
        expected = f"a half-width of {right:.4f} for these n={n} values"
        for wrong, hint in MISTAKES["interval"]:
            require(abs(half / wrong(values)[1].item() - 1) > 0.02, expected, f"{half:.4f}", hint)
        require(abs(half / right - 1) < 0.03, expected, f"{half:.4f}",
                "how far do single values scatter, how much less does a mean of n, and how many of those for 95 %?")
    done("interval: the mean, and a half-width that reaches the true mean in about 95 of 100 repetitions.")


def _interval(half_width):
    return lambda accuracies: (accuracies.mean(), half_width(accuracies, len(accuracies)))


MISTAKES = {
    "nearest_neighbour": [
        (lambda support_x, support_y, query_x: torch.cdist(query_x, support_x).argmin(1),
         "those are positions in the support set. What is written in support_y at these positions?"),
    ],
    "interval": [
        (_interval(lambda a, n: a.std()), "that is the standard deviation of single values. Their mean scatters less."),
        (_interval(lambda a, n: 1.96 * a.std()),
         "that is how far single values scatter. The mean of n values scatters less."),
        (_interval(lambda a, n: a.std() / n ** 0.5), "that is one standard error. It covers about 68 %, not 95 %."),
        (_interval(lambda a, n: 2 * 1.96 * a.std() / n ** 0.5),
         "that is the whole width. Give the distance from the mean to one end."),
        (_interval(lambda a, n: -1.96 * a.std() / n ** 0.5), "a half-width is positive."),
        (_interval(lambda a, n: 1.96 * a.std() / n),
         "the mean of n values scatters less than one value, but not n times less."),
        (_interval(lambda a, n: 1.96 * a.var() / n ** 0.5),
         "you used the variance. Which one has the unit of an accuracy, variance or standard deviation?"),
    ],
}
