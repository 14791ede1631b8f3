"""Exercise checks: give a check your function; it prints one line, or raises `NotYet` that says what to look at.

A message says what was expected, what came, and a hint. It never says the solution. A function that is still
the stub raises NotImplementedError, untouched.
"""

import math
import numbers

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


def _check_unchanged(**arguments):
    """Each argument as (what the function was given, what that was before)."""
    for name, (given, before) in arguments.items():
        _require(torch.equal(given, before), f"{name} as it was", f"{name} changed in place",
                 "arguments stay unchanged, for who called your function goes on with them: make new tensors. Which "
                 "line writes into an old one?")


def _done(message):
    print(f"✓ {message}")


# ---------------------------------------------------------------- notebook 00: nearest neighbour


def nearest_neighbour(function):
    """Check `function(support_x, support_y, query_x) -> labels` for one task, flat images.

    support_x float [S, P], support_y int64 [S], query_x float [R, P] -> int64 [R].
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
            given = images.clone()
            answer = function(given, *sizes, torch.Generator().manual_seed(seed))
            _check_unchanged(images=(given, images))
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
    n_way = len({c for c, _ in origins[0][0]})
    shared = all(len({d for _, d in part}) * n_way == len(part) for origin in origins for part in origin)
    _require(not shared, "drawings chosen for each class by itself", "in all 60 tasks the same of every class",
             "where drawing d of every class is by the same person, a task would show only the hands of its K + Q.")


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


def _number(value, name, hint="what is divided by what?"):
    is_number = isinstance(value, numbers.Real) or (isinstance(value, torch.Tensor) and value.numel() == 1)
    _require(is_number, f"{name} as one number", f"{type(value).__name__}", "a float, or a tensor of one element.")
    _require(math.isfinite(value), f"{name} as a finite number", f"{float(value)}", hint)
    return float(value)


# ---------------------------------------------------------------- notebook 03: how do you know it works?


def _compare(came, right, lookalikes, hint, tolerance=1e-4):
    """`came` must be `right`, within `tolerance` of its size. Else lookalikes, [(wrong answer, hint), ...], may fit it.

    Numbers, or tensors of one shape.
    """
    came, right = torch.as_tensor(came).detach().double(), torch.as_tensor(right).double()

    def close(wanted):
        return (came - wanted).norm() <= tolerance * wanted.norm()

    hints = [its_hint for wrong, its_hint in lookalikes if close(torch.as_tensor(wrong).double())]
    place = tuple(i.item() for i in torch.unravel_index((came - right).abs().argmax(), right.shape))   # the worst
    where = f" at {list(place)}" if place else ""
    _require(close(right), f"{right[place]:.4f}{where}", f"{came[place]:.4f}", [*hints, hint][0])


def frechet(function):
    """Check `function(a, b) -> number`: the Fréchet distance of two Gaussians with independent features.

    a float [N, F], b float [M, F]: sum over features of (mean_a - mean_b)^2 + (std_a - std_b)^2.
    """
    generator = torch.Generator().manual_seed(3)
    for n_a, n_b, f in ((400, 400, 5), (300, 500, 3)):      # equal sizes let mistakes run
        a, b = (torch.randn(n, f, generator=generator) @ torch.randn(f, f, generator=generator)
                + torch.randn(f, generator=generator) for n in (n_a, n_b))
        came = _number(*_results(function(a.clone(), b.clone()), "the distance"), "the distance")
        means, stds = a.mean(0) - b.mean(0), a.std(0) - b.std(0)
        right = (means**2 + stds**2).sum()
        _compare(came, right, [
            ((means**2 + (a.var(0) - b.var(0))**2).sum(), "variance or standard deviation?"),
            ((means**2 + a.var(0) + b.var(0)).sum(), "by your formula, how far is a set from itself?"),
            ((means**2).sum(), "two sets with the same middle can still differ. In what?"),
            ((stds**2).sum(), "a set and the same set moved elsewhere would be alike."),
            (right.sqrt(), "you take a root; does the formula?"),
            (right / f, "is it an average over the features?"),
            ((means + stds).sum(), "a feature that is too high cancels one that is too low."),
            ((means.abs() + stds.abs()).sum(), "large differences count for more than this."),
            ((a.mean() - b.mean())**2 + (a.std() - b.std())**2, "this is one mean and one spread for all features."),
            *([((a.mean(1) - b.mean(1)).square().sum() + (a.std(1) - b.std(1)).square().sum(),
                "which dimension counts the images, which the features?")] if n_a == n_b else []),
        ], "each feature by itself: how far apart are its two means, and its two standard deviations?", tolerance=0.01)
    _done("frechet: how far apart two sets of features are, by the mean and the spread of each feature.")


def coverage(function):
    """Check `function(real, fake, k) -> number`: the share of real points whose ball contains a fake.

    real float [N, F], fake float [M, F]; a ball's radius is the distance to the k-th nearest other real point.
    """
    generator = torch.Generator().manual_seed(369)      # with it all mistakes below give different numbers
    for n, m, k in ((60, 45, 3), (40, 50, 2)):
        # far from 0, where cdist's rounding makes many a point differ from itself
        real, fake = torch.randn(n, 4, generator=generator) + 10, torch.randn(m, 4, generator=generator) * 0.7 + 10.5
        came = _number(*_results(function(real.clone(), fake.clone(), k), "the coverage"), "the coverage")
        distances = torch.cdist(real, fake)                                             # [N, M]
        among_real = torch.cdist(real, real)
        inner, radii, outer = among_real.sort(1).values[:, k - 1:k + 2].T               # place 0 is the point itself
        unequal = among_real.where(among_real > 0, torch.inf).kthvalue(k, dim=1).values
        in_real, in_fake = distances <= radii[:, None], distances <= torch.cdist(fake, fake).sort(1).values[:, k]
        _compare(came, in_real.any(1).double().mean(), [
            ((distances <= inner[:, None]).any(1).double().mean(), "which real point is the nearest to a real point?"),
            ((distances <= unequal[:, None]).any(1).double().mean(), "a point's distance to itself may be rounded to "
             "more than 0: leave the point out by its place in the table, not by `> 0`."),
            ((distances <= outer[:, None]).any(1).double().mean(), "balls too large: counted from 0, or from 1?"),
            *((squared.any(1).double().mean(), "one side is squared, the other is not.")
              for squared in (distances**2 <= radii[:, None], distances <= radii[:, None]**2)),
            (in_real.any(0).double().mean(), "that is a share of fakes (precision). Whose share is asked for?"),
            (in_fake.any(1).double().mean(), "that is recall. Around which points are the balls?"),
            (in_fake.any(0).double().mean(), "real and fake have changed places."),
            (in_real.sum() / (k * m), "that is density: every fake in a ball counts. When is a ball satisfied?"),
            (in_real.double().mean(), "that is a share of pairs. When is a ball satisfied?"),
            (in_real.any(1).sum(), "that is how many; which share is it?"),
            (1, "every ball contains a fake. What sets the radius, and should the fakes have a say in it?"),
        ], "take one real point: how far is it to the neighbour that sets its radius, how far to the nearest fake?")
    _done("coverage: the share of real points with a fake in their neighbourhood.")


def memorisation(function):
    """Check `function(fake, training, held_out) -> number`: how likely a fake is nearer to training than a held-out.

    Flat images, float [N, P], [M, P], [L, P]; nearer by the Euclidean distance to the nearest training image.
    """
    def nearer(x, y):
        return (x[:, None] < y).double().mean()

    generator = torch.Generator().manual_seed(33)
    for n, t, h in ((14, 11, 17), (20, 16, 12)):
        fake, training, held_out = (torch.rand(size, 9, generator=generator) for size in (n, t, h))
        fake[::3] = 0.95 * training[:len(fake[::3])] + 0.05 * fake[::3]     # every third is nearly a copy
        came = function(fake.clone(), training.clone(), held_out.clone())
        came = _number(*_results(came, "the probability"), "the probability")
        to_fake, to_held = torch.cdist(fake, training), torch.cdist(held_out, training)     # [N, T], [H, T]
        ours, theirs = to_fake.min(1).values, to_held.min(1).values
        right = nearer(ours, theirs)
        _compare(came, right, [
            (1 - right, "by your number, copies would score low."),
            (right * n * h, "that is how many pairs; which share of all is it?"),
            (nearer(torch.cdist(fake, held_out).min(1).values, theirs), "fakes nearer to which set of images?"),
            (nearer(to_fake.mean(1), to_held.mean(1)), "a copy is near one training image and far from the others."),
            (nearer(to_fake.min(0).values, to_held.min(0).values), "a distance for each fake, or each of training?"),
            (nearer(to_fake.argmin(1), to_held.argmin(1)), "these are positions in the training set, not distances."),
            (ours.mean() / theirs.mean(), "that is a ratio of distances; asked for is how often one is the smaller."),
            (theirs.mean() / ours.mean(), "that is a ratio of distances; asked for is how often one is the smaller."),
            *(((ours < y).double().mean(), "held-out images differ from each other, and you use one number for all.")
              for y in (theirs.median(), theirs.mean(), theirs.min(), theirs.max())),
            *((y, "a single comparison. How often is it so, over all that could be drawn?") for y in (0, 1)),
        ], "two lists of distances to the training set. Draw one from each: how often is the fake's the smaller?")
    _done("memorisation: how often a fake lies nearer to the training set than a fresh real image does.")


# ---------------------------------------------------------------- notebook 04: labels


def paired_batch(function):
    """Check `function(x, y, n, generator) -> (batch_x, batch_y)`: n draws with replacement, each with its own label.

    x float [M, 1, H, W], y int64 [M] -> [n, 1, H, W], [n]. All randomness from `generator`.
    """
    y = torch.randint(5, (20,), generator=torch.Generator().manual_seed(1))
    x = torch.arange(20.)[:, None, None, None].expand(20, 1, 2, 3)      # every pixel tells the position
    same = torch.Generator().manual_seed(0)
    rows = []
    for n, generator in [(8, same)] * 60 + [(8, torch.Generator().manual_seed(0)), (50, same)]:
        batch_x, batch_y = _results(function(x.clone(), y.clone(), n, generator), "batch_x", "batch_y")
        shapes = list(_tensor(batch_x, "batch_x").shape), list(_tensor(batch_y, "batch_y").shape)
        _require(shapes == ([n, 1, 2, 3], [n]), f"n={n} images and labels of shapes [{n}, 1, 2, 3] and [{n}]",
                 f"{shapes[0]} and {shapes[1]}", "n whole images, one number for each; n may exceed the size of x.")
        _require(not batch_y.is_floating_point(), "labels in whole numbers (int64)", f"{batch_y.dtype}",
                 "labels are for indexing.")
        rows.append(batch_x[:, 0, 0, 0].long().clamp(0, 19).tolist())
        _require(torch.equal(batch_x.float(), x[rows[-1]]), "images of x", "others", "where do they change?")
        wanted, got = y[rows[-1]].tolist(), batch_y.tolist()
        _require(wanted == got or sorted(wanted) != sorted(got), f"labels {wanted}", f"{got}",
                 "the right labels in another order. What moved them and not the images?")
        _require(wanted == got, f"labels {wanted}", f"{got}",
                 "take one image of the batch and its label, and follow each back to its place in x and y.")
    batches, reached = rows[:60], sorted({row for batch in rows[:60] for row in batch})
    _require(any(batch != rows[0] for batch in batches), "another batch at every call", "the same 60 times",
             "where does your code draw, and does it begin anew each time?")
    _require(rows[60] == rows[0], "the same batch from a generator in the same state", "another one",
             "which call draws without `generator`?")
    _require(len(reached) == 20, "all 20 images in the course of 60 batches", f"only {reached}",
             "which images can your code never reach?")
    _require(any(len(set(batch)) < 8 for batch in batches), "draws with replacement", "no image twice in any batch",
             "can an image that was drawn be drawn again?")
    _done("paired_batch: every image keeps its label, and the generator alone decides.")


def conditional_scale(function):
    """Check `function(h, y, scale, shift) -> [B, C, H, W]`: each image scaled and shifted as its class says.

    h float [B, C, H, W], normalised already; y int64 [B]; scale, shift float [n_classes, C].
    """
    generator = torch.Generator().manual_seed(4)
    for shape, n_classes in (((4, 4, 4, 4), 4), ((5, 3, 2, 6), 7)):     # equal sizes let mistakes run
        h, y = torch.randn(shape, generator=generator), torch.tensor([2, 0, 3, 2, 1])[:shape[0]]
        scale, shift = torch.randn(2, n_classes, shape[1], generator=generator)
        came = function(h.clone(), y.clone(), scale.clone(), shift.clone())
        came = _tensor(*_results(came, "the result"), "the result")
        _require(came.shape == shape, f"the shape of h, {list(shape)}", f"{list(came.shape)}",
                 "every pixel is scaled and shifted, and none is joined with another.")
        s, t = scale[y][:, :, None, None], shift[y][:, :, None, None]
        first = [table[:shape[0], :, None, None] for table in (scale, shift)]
        landed = "sizes are matched from the right. On which two dimensions of h did your [B, C] land?"
        _compare(came, h * s + t, [
            (h * s, "that is half of it; what else does the class decide?"),
            (h + t, "that is half of it; what else does the class decide?"),
            (h * (1 + s) + t, "a scale of 1 should leave h as it is."),
            ((h + t) * s, "which comes first?"),
            (h * t + s, "which table multiplies, which one is added?"),
            (h * first[0] + first[1], "whose row: that of the class, or of the place in the batch?"),
            *((h * s.view(sizes) + t.view(sizes), landed) for sizes in (
                (4, 4), (4, 1, 4), (4, 4, 1), (4, 1, 1, 4), (4, 1, 4, 1)) if n_classes == 4),
        ], "take one image and one channel: which number multiplies all its pixels, which one is added?")
    _done("conditional_scale: every image with the scale and shift of its class, channel by channel.")


def projection(function):
    """Check `function(h, y, psi, embedding) -> logits [B]`: psi(h) + <embedding of y, h>.

    h float [B, F]; y int64 [B]; psi a function of h that returns [B]; embedding float [n_classes, F].
    """
    generator = torch.Generator().manual_seed(6)
    for b, f, n_classes in ((4, 4, 4), (5, 3, 7)):      # equal sizes let mistakes run
        h, weight = torch.randn(b, f, generator=generator), torch.randn(f, generator=generator)
        embedding, y = torch.randn(n_classes, f, generator=generator), torch.tensor([2, 0, 3, 2, 1])[:b]
        came = function(h.clone(), y.clone(), lambda x, weight=weight: x @ weight + 0.7, embedding.clone())
        came = _tensor(*_results(came, "logits"), "logits")
        _require(came.dim() < 2 or came.shape[1] == 1, f"logits of shape [{b}]", f"{list(came.shape)}",
                 "that is a table. Which of its numbers belong to an image and its own label?")
        _require(came.shape == (b,), f"logits of shape [{b}]", f"{list(came.shape)}",
                 "one number for each image: no further dimension, and no sum over the batch.")
        base, product = h @ weight + 0.7, embedding[y] * h                  # [B], [B, F]
        _compare(came, base + product.sum(1), [
            (product.sum(1), "is the image real at all, whatever its label? That part is missing."),
            (base, "the label makes no difference."),
            (base + product.mean(1), "is an inner product an average?"),
            (base + product.sum(), "what one image adds must not reach the others."),
            (base + embedding[y].sum(1), "the label adds the same to every image. Where does h come in?"),
            (base + (embedding[:b] * h).sum(1), "whose row: that of the class, or of the place in the batch?"),
            (base - product.sum(1), "mind the sign."),
            *([(base + product.sum(0), "which dimension counts the images, which the features?")] if b == f else []),
        ], "two numbers for each image: what psi says of h, and how well h and the vector of its class agree.")
    _done("projection: is the image real, and does it fit its label? One logit for both.")


# ---------------------------------------------------------------- notebook 05: pairs


def pairs(function):
    """Check `function(images, n, generator) -> (real, example)`: n classes, two different drawings of each.

    images float [C, M, 1, H, W] -> [n, 1, H, W] twice. No class comes twice. All randomness from `generator`.
    """
    images = torch.arange(30.).view(6, 5, 1, 1, 1).expand(6, 5, 1, 2, 3)       # every pixel tells class and drawing
    same, batches = torch.Generator().manual_seed(0), []
    for n, generator in [(4, same)] * 300 + [(4, torch.Generator().manual_seed(0)), (6, same)]:
        answer = _results(function(images.clone(), n, generator), "real", "example")
        for x, name in zip(answer, ("real", "example")):
            _require(_tensor(x, name).shape == (n, 1, 2, 3), f"{name} of shape [{n}, 1, 2, 3]", f"{list(x.shape)}",
                     "one whole drawing for each of the n classes; n may be as large as C.")
            places = x[:, 0, 0, 0].long().clamp(0, 29)
            _require(torch.equal(x.float(), images.flatten(0, 1)[places]), f"{name}: drawings out of `images`",
                     "others", "where do they change?")
        places = torch.stack(answer, dim=1)[:, :, 0, 0, 0].long()                   # [n, 2]
        _check_pair(*places.div(5, rounding_mode="floor").T.tolist(), *(places % 5).T.tolist())
        batches.append(places.tolist())
    _require(any(batch != batches[0] for batch in batches[:300]), "another batch at every call", "the same 300 times",
             "where does your code draw, and does it begin anew each time?")
    _require(batches[300] == batches[0], "the same batch from a generator in the same state", "another one",
             "which call draws without `generator`?")
    _check_all_pairs(torch.tensor(batches[:300]))
    _done("pairs: one class in each row, twice drawn, and every pair of drawings as likely as another.")


def _check_pair(classes, classes_of_example, drawings, drawings_of_example):
    _require(classes == classes_of_example, f"examples of classes {classes}, as in real", f"{classes_of_example}",
             "both drawings of a row are of one class. Were the classes chosen twice, or the rows of one result moved?")
    _require(len(set(classes)) == len(classes), f"{len(classes)} different classes", f"{classes}",
             "a class came twice. Was it drawn, put back, and drawn again?")
    _require(all(a != b for a, b in zip(drawings, drawings_of_example)), "two different drawings of each class",
             f"drawings {drawings} beside {drawings_of_example}",
             "a drawing stands beside itself, and G would learn to copy. Was it put back before the second was drawn?")


def _check_all_pairs(places):
    """places [batches, n, 2]: 5 * class + drawing. All sets of 4 out of 6 classes, all 20 pairs, equally often."""
    drawn, sets = places % 5, {tuple(sorted(batch)) for batch in (places[:, :, 0] // 5).tolist()}
    _require(len(sets) == 15, "each of the 15 ways to choose 4 of 6 classes in the course of 300 batches",
             f"only {len(sets)}", "which classes, or which classes together, can your code never draw?")
    for i, name in enumerate(("real", "example")):
        reached = drawn[:, :, i].unique().tolist()
        _require(len(reached) == 5, f"all 5 drawings of a class as {name} in the course of 300 batches",
                 f"only {reached}", "which drawings can your code never reach?")
    counts = torch.bincount((5 * drawn[:, :, 0] + drawn[:, :, 1]).flatten(), minlength=25).view(5, 5)
    counts = counts[~torch.eye(5, dtype=torch.bool)].double()                       # [20], 60 of each expected
    _require(bool(counts.all()), "all 20 pairs (real, example) of 5 drawings", f"only {(counts > 0).sum()}",
             "each drawing comes, but not beside each other one. Does the first decide too much about the second?")
    _require(bool((drawn != drawn[:, :1]).any()), "each class with a choice of its own",
             "the same two drawings of all classes in a batch", "how many times does your code draw for n classes?")
    _require(((counts - 60)**2 / 60).sum() < 70, "every pair of drawings about 60 times in 300 batches",
             f"from {counts.min():.0f} to {counts.max():.0f} times",
             "all pairs come, some too often. What happens where the same drawing comes twice?")


def pen(function):
    """Check `function(x, pen) -> [B, 1, H, W]`: strokes of images x [B, 1, H, W] made thicker or thinner, by pen [B].

    x + relu(pen) (maximum over 3 x 3 - x) + relu(-pen) (minimum over 3 x 3 - x), differentiable in x and pen.
    """
    generator = torch.Generator().manual_seed(5)
    for shape, pens in (((4, 1, 4, 4), (1, -1, 0.5, -0.3)), ((5, 1, 7, 6), (0.7, 0, -0.6, -1, 0.25))):
        x = torch.rand(shape, generator=generator).requires_grad_()
        pens = torch.tensor(pens, dtype=torch.float32).requires_grad_()
        answer = _tensor(*_results(function(x.clone(), pens.clone()), "the images"), "the images")
        _require(answer.shape == shape, f"the shape of x, {list(shape)}", f"{list(answer.shape)}",
                 "each image with its own pen. Sizes are matched from the right: on which dimension did your [B] land?")
        right = _drawn_with(x, pens.view(-1, 1, 1, 1))
        _compare(answer, right.detach(), _wrong_pens(x.detach(), pens.detach()),
                 "take one image and its pen: how far does each pixel go, and towards which of its nine neighbours?")
        _require(answer.requires_grad, "images with a graph that leads back to the pen", "images without one",
                 "torch functions only, with nothing detached and no .item(): G learns the pen by its gradient.")
        weights = torch.randn(shape, generator=generator)
        came, wanted = (torch.autograd.grad((weights * y).sum(), (pens, x), materialize_grads=True)
                        for y in (answer, right))
        for name, a, b in zip(("pen", "x"), came, wanted):
            a, b = (torch.where(pens == 0, 0, each) if name == "pen" else each for each in (a, b))   # at 0, a corner
            _compare(a, b, [(torch.zeros_like(b), f"the images are right, but no gradient flows back to {name}.")],
                     f"the images are right, but the gradient that flows back to {name} is not: was part detached?")
    _done("pen: every image with its own pen, thicker or thinner by degrees, and a gradient to learn it by.")


def _drawn_with(x, pen, size=3):
    thick, thin = (sign * torch.nn.functional.max_pool2d(sign * x, size, 1, size // 2) for sign in (1, -1))
    return x + pen.relu() * (thick - x) + (-pen).relu() * (thin - x)


def _wrong_pens(x, pens):
    pool, b = torch.nn.functional.max_pool2d, len(pens)
    p = pens.view(-1, 1, 1, 1)
    more, less, thick, thin = p.relu(), (-p).relu(), pool(x, 3, 1, 1), -pool(-x, 3, 1, 1)
    bordered = -pool(torch.nn.functional.pad(-x, (1, 1, 1, 1)), 3, 1)           # a border of zeros is the minimum
    cross = [sign * torch.maximum(pool(sign * x, (3, 1), 1, (1, 0)), pool(sign * x, (1, 3), 1, (0, 1)))
             for sign in (1, -1)]
    blurred = torch.nn.functional.avg_pool2d(x, 3, 1, 1)
    together = "that is one pen for the whole batch; each image has its own."
    signs = "the minimum of x is minus the maximum of -x: count the minus signs."
    landed = "sizes are matched from the right. On which dimension of x did your [B] land?"
    return [
        (x + more * (thick - x) + less * (bordered - x), "right inside, wrong at the border: does your minimum take "
                                                         "what lies outside the image for 0?"),
        *((x + more * (thick - x) + less * (wrong - x), signs) for wrong in (-thin, -thick)),
        *((x + more * (thick - x) + less * wrong, "a negative pen thickens too: where should it lead, and with which "
           "sign?") for wrong in (x - thin, thick - x)),
        (_drawn_with(x, -p), "thick and thin have changed places."),
        (_drawn_with(x, p, size=5), "how many pixels wide is the neighbourhood?"),
        (x + more * (cross[0] - x) + less * (cross[1] - x), "the corners of the 3 x 3 neighbourhood count too."),
        (_drawn_with(x, p.sign()), "that is a switch: thick, thin or neither. A pen of 0.5 goes half the way."),
        *((_drawn_with(x, one), together) for one in (pens.mean(), pens[0], pens[-1])),
        (x + more * (thick - x), "what does a negative pen do?"),
        (x + less * (thin - x), "what does a positive pen do?"),
        (x + p * (thick - x), "a negative pen goes away from the maximum; where should it lead?"),
        (more * thick + less * thin, "a pen of 0 should leave the image as it is."),
        *((x + more * thick + sign * less * thin, "blend: how far is it from x to the maximum?") for sign in (1, -1)),
        (x + p.abs() * (blurred - x), "that is the mean of the neighbourhood."),
        *((_drawn_with(x, pens.view(sizes)), landed) for sizes in ((4,), (4, 1)) if b == 4),
    ]


# ---------------------------------------------------------------- notebook 05: a discriminator of pairs


def mismatch(function):
    """Check `function(D, real, example, weight) -> scalar`: -weight E log(1 - D) of real drawings of the wrong class.

    real, example float [B, 1, H, W], their rows of different classes; D(image, example) -> logits [B]. Beside each
    example goes the real drawing of the row before.
    """
    softplus = torch.nn.functional.softplus
    for scale, weight, b in ((1.0, 0.5, 5), (90.0, 1.7, 6)):    # at first where all is harmless; then where D is sure
        _, D, real, example, _ = _players_of_pairs(scale, b)
        given = real.clone(), example.clone()
        loss = _finite_loss(function(D, *given, weight))
        before = real.roll(1, dims=0)
        wrong, fitting, after, pixels, swapped, of_examples, backwards = (
            D(*pair).detach() for pair in (
                (before, example), (real, example), (real.roll(-1, dims=0), example), (real.roll(1), example),
                (example, before), (example.roll(1, dims=0), example), (real.flip(0), example)))
        right = weight * softplus(D(before, example)).mean()
        _compare(loss, right.detach(), [
            (weight * softplus(after).mean(), "beside each example stands the drawing of the row after: which way does "
                                              "your roll go?"),
            (weight * softplus(fitting).mean(), "each drawing stands beside an example of its own class: nothing has "
                                                "moved."),
            (weight * softplus(pixels).mean(), "without a dimension, roll moves the pixels, from image to image."),
            (weight * softplus(swapped).mean(), "what does D take first, what second?"),
            (weight * softplus(of_examples).mean(), "no drawing of `real` is left: which of the two should be real but "
                                                    "wrong?"),
            (weight * softplus(backwards).mean(), "upside down, the middle row of an odd batch meets its own class."),
            *((weight * softplus(-logits).mean(), "this rewards D for taking the wrong class for right. Which sign "
                                                  "does the logit need?") for logits in (wrong, fitting)),
            (-right.detach(), "D minimises this: to be taken in must cost something, and -log(1 - D) is positive."),
            (right.detach() / weight, "where is the weight?"),
            (b * right.detach(), "that is the sum. A mean does not change with the size of the batch."),
            (weight * wrong.sigmoid().mean(), "a probability; where is the logarithm?"),
            (weight * wrong.mean(), "that is the mean logit: no sigmoid, no logarithm."),
        ], "beside each example, the real drawing of the row before; then minus the logarithm of 1 - D, averaged."
            if scale == 1 else _SURE)
        _check_gradient(loss, D.weight, torch.autograd.grad(right, D.weight))
        _check_unchanged(real=(given[0], real), example=(given[1], example))
    _done("mismatch: D pays for every real drawing that it takes for a drawing of another character.")


_SURE = ("this fits while the logits are small, not where D is sure. Is a constant added or something clamped inside "
         "the logarithm? Start from the logit.")


def _finite_loss(answer):
    loss = _tensor(*_results(answer, "the loss"), "the loss")
    _require(loss.numel() == 1, "one number for the batch", f"shape {list(loss.shape)}", "average over the batch.")
    _require(bool(loss.isfinite()), "a finite loss at any logit", f"{loss.item()}",
             "in float32, sigmoid(20) is 1 and log(1 - 1) infinite. Which function has the logit itself as its input?")
    _scalar(loss, "the loss")
    return loss.reshape(())


class _PairJudge(torch.nn.Module):
    """D(image, example) -> logits [B]; they depend on the two, on which is which, and on how they fit."""

    def __init__(self, weight):
        super().__init__()
        self.weight = torch.nn.Parameter(weight)

    def forward(self, image, example=None):
        _require(example is not None, "D(image, example)", "D(image)", "D sees no example, so G may ignore its own.")
        return torch.cat([image, example, image * example], dim=1).flatten(1) @ self.weight


class _PairArtist(torch.nn.Module):
    """G(z, example) -> images in the shape of the example."""

    def __init__(self, weight):
        super().__init__()
        self.weight = torch.nn.Parameter(weight)

    def forward(self, z, example=None):
        _require(example is not None, "G(z, example)", "G(z)", "G cannot draw what it was never shown.")
        return torch.tanh(example + (z @ self.weight)[:, None, None, None])


def _players_of_pairs(scale, b):
    """G, D, real and example [b, 1, 2, 3], z [b, 4]: always the same. D's logits are about as large as `scale`."""
    generator = torch.Generator().manual_seed(b)
    of_D, of_G, z = (torch.randn(size, generator=generator) for size in (18, 4, (b, 4)))
    real, example = torch.randn(2, b, 1, 2, 3, generator=generator)
    return _PairArtist(of_G), _PairJudge(scale / 3 * of_D), real, example, z


def d_loss_of_pairs(function):
    """Check `function(G, D, real, example, z) -> scalar`: D's loss where G and D both take an example.

    -E log D(real, example) - E log(1 - D(G(z, example), example)). real, example float [B, 1, H, W], z float
    [B, z_dim]; D returns logits [B]. No graph may lead into G.
    """
    softplus = torch.nn.functional.softplus
    for scale, b in ((1.0, 5), (90.0, 6)):      # at first where all is harmless; then where D is sure
        G, D, real, example, z = _players_of_pairs(scale, b)
        loss = _finite_loss(function(G, D, real.clone(), example.clone(), z.clone()))
        fake, from_real = G(z, example).detach(), G(z, real).detach()
        r, f = D(real, example), D(fake, example)
        right, of_real, of_fake = softplus(-r).mean() + softplus(f).mean(), softplus(-r).mean(), softplus(f).mean()
        _compare(loss, right.detach(), [(wrong.detach(), hint) for wrong, hint in (
            (right / 2, "both means are added, not averaged."),
            (b * right, "that is the sum. A mean does not change with the size of the batch."),
            (-right, "D minimises its loss: the value of the game has the other sign."),
            (of_real, "that is half of it: what does D say of G's drawings?"),
            (of_fake, "that is half of it: what does D say of the real drawings?"),
            (softplus(r).mean() + softplus(-f).mean(), "this rewards D for mistakes: which logits should be large?"),
            (of_real + softplus(-f).mean(), "G's drawings count as real here: that half is G's wish, not D's."),
            (of_real + softplus(D(from_real, example)).mean(), "G has seen the real drawing; what should it see?"),
            *((softplus(-D(*a)).mean() + softplus(D(*c)).mean(), "what does D see beside each image? The same example, "
               "real or generated.") for a, c in (((real, example), (fake, real)), ((real, real), (fake, example)),
                                                  ((real, fake), (fake, example)), ((real, real), (fake, fake)))),
            (softplus(-D(example, real)).mean() + softplus(D(example, fake)).mean(), "D takes the image first, then "
                                                                                     "the example."),
            ((1 - r.sigmoid()).mean() + f.sigmoid().mean(), "those are probabilities; where is the logarithm?"),
            (f.mean() - r.mean(), "that is the Wasserstein loss: no sigmoid, no logarithm."),
        )], "minus log D for real drawings, minus log(1 - D) for G's, each averaged, each beside its example."
            if scale == 1 else _SURE)
        _check_only_d_learns(loss, right, of_real, of_fake, G, D)
    _done("d_loss_of_pairs: the example for G and for D, finite at any logit, and nothing left behind in G.")


def _check_only_d_learns(loss, right, of_real, of_fake, G, D):
    _require(G.weight.requires_grad, "a G that can still be trained", "a frozen G",
             "requires_grad_(False) stays after your function ends.")
    left, = torch.autograd.grad(loss.sum(), G.weight, retain_graph=True, allow_unused=True)
    _require(left is None and G.weight.grad is None, "no way for the gradient into G", "one",
             "`backward` would go on through the generated drawings into G. Where can it be stopped?")
    slopes = [torch.autograd.grad(part.sum(), D.weight, retain_graph=True)[0]
              for part in (loss, right, of_real, of_fake)]
    _compare(slopes[0], slopes[1], [
        (slopes[2], "the loss is right, but D learns nothing from G's drawings. Cut the graph before D, not after."),
        (slopes[3], "the loss is right, but D learns nothing from the real drawings. Was too much detached?"),
    ], "the loss is right, but its gradient in D is not. Is a constant added, or something clamped?")


# ---------------------------------------------------------------- notebook 02: a loss that does not saturate


def non_saturating_loss(function):
    """Check `function(fake_logits) -> scalar`: -E log sigmoid(logit), with its gradient, for logits [B]."""
    logits = torch.tensor([-1.3, 0.4, 2.1, -3.2, 0.9])
    softplus = torch.nn.functional.softplus
    loss = _loss_value(function, logits)
    right = softplus(-logits).mean().item()
    came = f"{loss:.4f}"
    for wrong, hint in {
        5 * right: "that is the sum. A mean does not change with the size of the batch.",
        -softplus(logits).mean().item(): "that is the minimax loss, which saturates. Start from D's probability for "
                                         "\"real\" instead.",
        softplus(logits).mean().item(): "this rewards G for fakes that D recognises. Which sign does the logit need?",
        -right: "G minimises: a sample that D takes for real must have a small loss, never a negative one.",
        (logits - 1).square().mean().item() / 2: "that is the least-squares loss.",
        (logits - 1).square().mean().item(): "that is the least-squares loss.",
        -logits.mean().item(): "that is the Wasserstein loss: no sigmoid, no logarithm.",
        (1 - logits.sigmoid()).mean().item(): "a probability; where is the logarithm?",
    }.items():
        _require(abs(loss - wrong) > 1e-4, f"a loss of {right:.4f}", came, hint)
    _require(abs(loss - right) < 1e-5, f"a loss of {right:.4f}", came,
             "minus the logarithm of the probability sigmoid(logit), averaged over the batch.")
    for extreme in (-40.0, 40.0, -200.0):
        x = torch.tensor([extreme, 0.0], requires_grad=True)
        answer = _tensor(*_results(function(x), "the loss"), "the loss")
        expected = softplus(-x).mean()
        _require(bool(torch.isfinite(answer)), f"a finite loss at a logit of {extreme:g}", f"{answer.item()}",
                 "in float32, sigmoid(-200) is 0 and exp(200) infinite. Is there one function that is the logarithm of "
                 "the sigmoid?")
        _require(answer.requires_grad, "a loss that knows its graph", "one without", "use torch functions only, "
                 "with nothing detached and no .item().")
        slope, = torch.autograd.grad(answer, x)
        right_slope, = torch.autograd.grad(expected, x)
        _require(bool(torch.allclose(slope, right_slope, atol=1e-6)) and abs(answer - expected) < 1e-3,
                 f"loss {expected.item():.4g} and slopes {right_slope.tolist()} at logits [{extreme:g}, 0]",
                 f"{answer.item():.4g} and {slope.tolist()}",
                 "a small constant or a clamp inside the logarithm takes away the slope where it matters. Is there one "
                 "function that is the logarithm of the sigmoid?")
    _done("non_saturating_loss is finite wherever the logits are, and never silent where D is sure.")


def _loss_value(function, logits):
    loss = _tensor(*_results(function(logits.clone()), "the loss"), "the loss")
    _require(loss.numel() == 1, "one number for the batch", f"shape {list(loss.shape)}",
             "a loss is one number: average over the batch.")
    return loss.item()


# ---------------------------------------------------------------- notebook 02: the slope of a loss


def loss_slopes(function):
    """Check `function(g_loss, logits) -> slopes [B]`: d(one sample's loss)/d(its logit) for a g_loss that is a mean."""
    logits = torch.tensor([-8.0, -1.7, 0.0, 0.6, 3.0, 8.0])
    for name, g_loss, right in (
            ("square", lambda x: (x - 1).square().mean() / 2, logits - 1),
            ("softplus", lambda x: torch.nn.functional.softplus(-x).mean(), -(-logits).sigmoid()),
            ("softplus of the minimax game", lambda x: -torch.nn.functional.softplus(x).mean(), -logits.sigmoid()),
            ("cube", lambda x: (x ** 3).mean(), 3 * logits ** 2)):
        slopes = _tensor(*_results(function(g_loss, logits.clone()), "the slopes"), "the slopes")
        _require(slopes.shape == logits.shape, "one slope per logit, shape [6]", f"shape {list(slopes.shape)}",
                 "the gradient of a scalar has the shape of what it is taken with respect to.")
        slopes = slopes.detach()
        expected, came = (f"slopes {[round(v, 4) for v in values.tolist()]} for the loss '{name}'"
                          for values in (right, slopes))
        with torch.no_grad():
            each = torch.stack([g_loss(x[None]) for x in logits])
        for wrong, hint in (
                (right / 6, "the loss is a mean over 6 samples, so its gradient holds a sixth of each sample's slope."),
                (right.abs(), "keep the sign: it says in which direction G pushes the logit."),
                (-right, "the slope itself, not the direction of descent."),
                (each, "those are the losses. Their slopes?"),
                (right * logits.sigmoid() * (-logits).sigmoid(), "with respect to the logit, not through a sigmoid: "
                                                                 "g_loss takes logits.")):
            same = torch.allclose(slopes, wrong, atol=1e-5) and not torch.allclose(wrong, right, atol=1e-5)
            _require(not same, expected, came, hint)
        _require(torch.allclose(slopes, right, atol=1e-3), expected, came,
                 "let autograd differentiate g_loss at these very logits.")
    _done("loss_slopes: now you can see for any loss where it pulls and where it is silent.")


# ---------------------------------------------------------------- notebook 02: a step that is D's alone


def discriminator_step(function):
    """Check `function(G, D, real, loss, optimiser, generator) -> D's loss`: moves D as `gan.d_step`, G not at all."""
    from . import gan, losses

    for loss, both, stale in ((losses.NON_SATURATING, True, False), (losses.LEAST_SQUARES, False, False),
                              (losses.NON_SATURATING, True, True)):
        (G, D), (right_G, right_D) = _two_players(), _two_players()
        real = torch.randn(7, 2, generator=torch.Generator().manual_seed(5)) + 1.5
        chance, right_chance = (torch.Generator().manual_seed(6) for _ in range(2))
        before = [p.detach().clone() for p in G.parameters()]
        first = [p.detach().clone() for p in D.parameters()]
        trained = [*D.parameters(), *G.parameters()] if both else D.parameters()
        optimiser = torch.optim.SGD(trained, lr=0.1)
        right_optimiser = torch.optim.SGD(right_D.parameters(), lr=0.1)
        for p in () if both else D.parameters():
            p.grad = torch.ones_like(p)             # left over from G's step, which goes through D
        for p in G.parameters() if stale else ():
            p.grad = torch.ones_like(p)             # left over from G's own step
        for step in (1, 2):
            state, d_before = chance.get_state(), [p.detach().clone() for p in D.parameters()]
            answer = function(G, D, real.clone(), loss, optimiser, chance)
            right = gan.d_step(right_G, right_D, real, loss=loss, optimiser=right_optimiser, generator=right_chance)
            _check_only_d_moved(G, D, before, d_before, stale)
            _require(not torch.equal(state, chance.get_state()), "fresh noise from `generator` in each step",
                     "a generator that nothing was drawn from", "`gan.noise` takes the generator that you were given.")
            _check_the_move(D, right_D, first, step)
            value, = _results(answer, "D's loss")
            _require(isinstance(value, torch.Tensor), "D's loss as a tensor without graph", type(value).__name__,
                     "`.detach()` cuts the graph and leaves a tensor; `.item()` makes a number, and a GPU wait.")
            _require(value.numel() == 1 and abs(value.item() - right.item()) < 1e-5, f"D's loss {right.item():.4f}",
                     f"{value.tolist()}", "return the loss that D had before its step: loss.d of real and fake logits.")
            _require(not value.requires_grad, "a loss without graph", "a loss that keeps the whole graph alive",
                     "whoever collects these losses collects all their graphs too.")
    _done("discriminator_step moves D as it should and leaves G exactly as it was.")


def _two_players():
    """A small G and D, always the same."""
    from . import networks

    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(3)
        G, D = networks.PointGenerator(3, width=6), networks.PointDiscriminator(width=6)
    return G, D


def _check_only_d_moved(G, D, before, d_before, stale):
    """`stale`: there was a gradient of ones in G, and the optimiser holds G as well."""
    _require(all(torch.equal(p, old) for p, old in zip(G.parameters(), before)), "G's weights as they were",
             "a G that moved", "an old gradient lay in G, and an optimiser steps along whatever it finds. Whose "
             "gradients are to be cleared first?" if stale else
             "G moved although it is D's step. The optimiser may hold G's weights too: what must they not receive?")
    _require(all(p.grad is None or not p.grad.any() or (p.grad == float(stale)).all() for p in G.parameters()),
             "no new gradient in G",
             "gradients in G's weights", "the backward pass went on through the fakes into G. Where can it be stopped?")
    _require(all(p.requires_grad for p in G.parameters()), "a G that can still be trained", "a frozen G",
             "requires_grad_(False) stays after your function ends.")
    _require(all(part.training for net in (G, D) for part in net.modules()), "both players in training mode, as they "
             "came", "one in eval mode", "`.eval()` stays after your function ends.")
    _require(any(not torch.equal(p, old) for p, old in zip(D.parameters(), d_before)), "a D that moved",
             "the same D as before", "does your function go backward and then step?")


def _check_the_move(D, right_D, first, step):
    mine, theirs = (torch.cat([(p.detach() - old).flatten() for p, old in zip(net.parameters(), first)])
                    for net in (D, right_D))
    cosine = torch.nn.functional.cosine_similarity(mine, theirs, dim=0).item()
    expected = f"D to move as in gan.d_step (step {step})"
    came = f"a move of {mine.norm() / theirs.norm():.2f} times the length, at a cosine of {cosine:.2f}"
    _require(cosine > -0.2, expected, came, "the direction is reversed: which logits are whose, and what is minimised?")
    _require(torch.allclose(mine, theirs, atol=1e-5), expected, came,
             "fresh fakes from `gan.noise`, one per real point; both kinds of logits into loss.d; and does a gradient "
             "from an earlier step still linger in D?")


# ---------------------------------------------------------------- notebook 02: R1


def r1_penalty(function):
    """Check `function(D, real, gamma) -> scalar`: gamma/2 E |grad D(x)|^2 at real x, able to train D."""
    _, D = _two_players()
    D = D.double()
    for real, gamma in ((torch.randn(5, 2, generator=torch.Generator().manual_seed(1)).double() * 3, 3.0),
                        (torch.randn(8, 2, generator=torch.Generator().manual_seed(2)).double() - 2, 0.7)):
        slopes = torch.stack([torch.autograd.functional.jacobian(lambda x: D(x[None])[0], x) for x in real])    # [B, 2]
        squares, right = slopes.square().sum(1), gamma / 2 * slopes.square().sum(1).mean()
        answer = _tensor(*_results(function(D, real.clone(), gamma), "the penalty"), "the penalty")
        _require(answer.numel() == 1, "one number", f"shape {list(answer.shape)}", "average over the batch.")
        value, n = answer.item(), len(real)
        for wrong, hint in (
                (2 * right, "a half is missing: gamma / 2."),
                (right / gamma, "the weight gamma is missing."),
                (gamma / 2 * squares.sqrt().mean(), "the norm is to be squared, for each point."),
                (gamma / 2 * squares.sqrt().mean() ** 2, "square each point's norm first, then average."),
                (right * n, "that is the sum over the batch; R1 is a mean."),
                (right / n, "divided by the batch size twice: the gradient of a *mean* of logits is already divided."),
                (right / n ** 2, "divided by the batch size too often: the gradient of a *mean* of logits is already "
                                 "divided."),
                (right / 2, "one number for each point: the sum over its coordinates, not their mean."),
                (gamma / 2 * slopes.sum(0).square().sum(), "first the square of each point's gradient, then the mean: "
                                                           "gradients of different points must not cancel."),
                (gamma / 2 * slopes.mean(0).square().sum(), "first the square of each point's gradient, then the mean: "
                                                            "gradients of different points must not cancel."),
                (gamma / 2 * (squares.sqrt() - 1).square().mean(), "that pulls the norm to 1, as WGAN-GP does; R1, "
                                                                   "to 0."),
                (_slope_of_probabilities(D, real, gamma), "that is the gradient of the probability; R1 takes that of "
                                                          "the logit.")):
            _require(abs(value - wrong.item()) > 1e-6 * (1 + right), f"{right:.6f}", f"{value:.6f}", hint)
        _require(abs(value - right) < 1e-6 * (1 + right), f"{right:.6f}", f"{value:.6f}",
                 "at the real points themselves: gamma / 2 times the mean of the squared norms of D's gradient.")
        _require(all(p.grad is None for p in D.parameters()), "no .grad touched", "gradients in D's weights",
                 "`backward` writes into the weights; `torch.autograd.grad` only returns.")
        _require(answer.requires_grad, "a penalty with a graph to D's weights", "one without",
                 "to train D, the gradient must itself be differentiable. Which argument of torch.autograd.grad "
                 "sees to that?")
        expected = torch.autograd.grad(gamma / 2 * _squares(D, real).mean(), D.layers[0].weight)[0]
        came = torch.autograd.grad(answer, D.layers[0].weight, allow_unused=True)[0]
        _require(came is not None and torch.allclose(came, expected), "the penalty's own gradient in D's weights",
                 "another one", "was something detached on the way?")
    _done("r1_penalty: half gamma times the squared slope of D at the data, and D can learn from it.")


def _squares(D, real):
    x = real.clone().requires_grad_()
    return torch.autograd.grad(D(x).sum(), x, create_graph=True)[0].square().sum(1)


def _slope_of_probabilities(D, real, gamma):
    x = real.clone().requires_grad_()
    return gamma / 2 * torch.autograd.grad(D(x).sigmoid().sum(), x)[0].square().sum(1).mean()


# ---------------------------------------------------------------- notebook 01: the game in one dimension


def best_discriminator(function):
    """Check `function(p, q) -> D*`: densities float64 [X] on a grid -> probabilities [X]."""
    x = torch.linspace(-6, 6, 61, dtype=torch.float64)
    p = torch.where(x.abs() < 3, (9 - x**2).clamp(min=0) / 36, 0)
    q = torch.where((x - 1.9).abs() < 2.5, 0.2, 0.0)            # beyond 3 without p
    p[:4], q[:4] = 1e-6, 3e-6                                   # thin, and yet there
    came = _curve(_results(function(p.clone(), q.clone()), "D*")[0], len(x), "D*")
    right = torch.where(p + q > 0, p / (p + q).clamp(min=1e-300), 0.5)
    _compare(came, right, [
        (1 - right, "whose probability is D, that of the real drawings or that of the generated ones?"),
        (right.round(), "D is a probability: where p is only a little larger than q, D is only a little above 1/2."),
        (torch.where(p > 0, right, 0.5), "where only q has mass, every drawing is a generated one. What is D there?"),
        (torch.where(p + q > 1e-5, right, 0.5), "however thin both are, their ratio counts: 1/2 is for places where "
                                                "both are 0."),
        (torch.where(p + q > 0, right, 0.0), "where neither density has any mass, say 1/2."),
        (torch.where(p + q > 0, right, 1.0), "where neither density has any mass, say 1/2."),
    ], "set the derivative of p log y + q log(1 - y) with respect to y to zero, and solve for y.")
    _done("best_discriminator: of all drawings that fall on x, the share of real ones.")


def _curve(value, n, name):
    value = _tensor(value, name)
    _require(value.shape == (n,), f"{name} of shape [{n}]", f"shape {list(value.shape)}", "one number for each input.")
    lost = value[~value.isfinite()].tolist()
    _require(not lost, f"{name} finite everywhere", f"{lost[:1]}",
             "where is a number divided by 0, or the logarithm of 0 taken?")
    return value


def value(function):
    """Check `function(real_logits, fake_logits) -> V`: logits [B], [C] -> the value of the game, a scalar."""
    for scale in (1.0, 60.0):       # at first where all is harmless; then where exp overflows
        real = (scale * torch.tensor([0.3, -1.7, 2.2, -3.4])).requires_grad_()
        fake = (scale * torch.tensor([1.1, -0.6, 3.3])).requires_grad_()
        came = _results(function(real, fake), "V")[0]
        number = _scalar(came, "V")
        log = torch.nn.functional.logsigmoid
        a, b = log(real.detach().double()), log(-fake.detach().double())
        _compare(number, a.mean() + b.mean(), [
            (-a.mean() - b.mean(), "that is D's loss; V is what D wants large."),
            (a.sum() + b.sum(), "an expectation is estimated by a mean, not by a sum."),
            (torch.cat([a, b]).mean(), "two expectations, each with a mean of its own."),
            ((a.mean() + b.mean()) / 2, "two expectations, added."),
            (a.mean() + log(fake.detach().double()).mean(), "for generated drawings it is log(1 - D)."),
            (log(-real.detach().double()).mean() + log(fake.detach().double()).mean(), "which drawings are real?"),
        ], "log D(x) for real drawings, log(1 - D(x)) for generated ones; D is the sigmoid of the logit.")
        _check_gradient(came, (real, fake), ((-real.detach()).sigmoid() / 4, -fake.detach().sigmoid() / 3))
    _done("value: V from logits, finite where the sigmoid itself gives up.")


def _scalar(came, name):
    number = _number(came.detach() if isinstance(came, torch.Tensor) else came, name, "in float32, sigmoid(-200) is 0, "
                     "its logarithm infinite, and so is exp(200). Which one function is log(1 + e^l)?")
    expected = f"{name} as a tensor that remembers its graph"
    _require(isinstance(came, torch.Tensor), expected, "a number", "no .item(): training needs its gradient.")
    _require(came.requires_grad, expected, "a tensor without a graph",
             "no .detach(), and torch.no_grad() around nothing that is to learn: training needs its gradient.")
    return number


def _check_gradient(loss, inputs, right):
    gradients = torch.autograd.grad(loss.sum(), inputs)
    for gradient, wanted in zip(gradients, right):
        worst = (gradient - wanted).abs().argmax()
        _require(bool(torch.allclose(gradient, wanted, rtol=1e-3, atol=1e-6)), f"the gradient {wanted[worst]:.4f}",
                 f"{gradient[worst]:.4f}", "the value is right and its gradient is not. Is a constant added, or "
                 "something clamped?")


def jsd(function):
    """Check `function(p, q, dx) -> JSD`: densities float64 [X] on a grid of spacing dx -> nats."""
    for n in (101, 251):
        x = torch.linspace(-5, 5, n, dtype=torch.float64)
        dx = (x[1] - x[0]).item()
        p, q = (9 - x**2).clamp(min=0), (4 - (x - 1.5)**2).clamp(min=0)
        p, q = p / (p.sum() * dx), q / (q.sum() * dx)
        m = (p + q) / 2
        kl_p, kl_q = ((torch.xlogy(a, a) - torch.xlogy(a, m)).sum() * dx for a in (p, q))
        right = (kl_p + kl_q) / 2
        came, = _results(function(p.clone(), q.clone(), dx), "the divergence")
        came = _number(came, "the divergence", "0 log 0 is nan, and so is p / m = 0 / 0 where p and q are both 0; "
                       "xlogy does not mend a nan in its second argument. What is the logarithm of a quotient?")
        _compare(came, right, [
            (2 * right, "that is 2 JSD; JSD is the mean of two KL divergences."),
            (right / math.log(2), "that is in bits; nats come from the natural logarithm."),
            (right / dx, "an integral is a sum times the spacing of the grid."),
            (right.sqrt(), "that is the Jensen-Shannon distance; the divergence has no root."),
            (2 * right - math.log(4), "that is the value of the game; JSD itself is 0 for p = q."),
            (right - math.log(2), "m is the mean of p and q, not their sum."),
            (kl_p, "both densities are compared with m."), (kl_q, "both densities are compared with m."),
            (kl_p / 2, "both densities are compared with m."),
            (right - math.log(4), "that shift belongs to the value of the game; JSD itself is 0 for p = q."),
        ], "two KL divergences, each against the mixture of both densities; how are they joined?")
    _done("jsd: 0 for equal densities, log 2 for those that never meet, finite in between.")


# ---------------------------------------------------------------- notebook 07: MAML


def adapt(function):
    """Check `function(model, params, x, y, lr, steps) -> params`: gradient descent on a support, with a graph.

    x float [N*K, F], y int64 [N*K]. params, in and out: {name: tensor}, for torch.func.functional_call. The loss is the
    mean cross-entropy; a meta-gradient must be able to flow back through all steps.
    """
    for k_shot, lr, steps in ((2, 0.4, 1), (3, 0.3, 3)):
        model, params, support, query = _learner(k_shot)
        given = dict(params)
        came = _params(function(model, given, *support, lr, steps), params, "the new parameters")
        _check_untouched(model, given, params, k_shot)
        right = _descend(model, params, *support, lr, steps)
        _compare_params(came, right, _wrong_descents(model, params, support, lr, steps),
                        f"{_EACH_STEP} Then every parameter goes lr times its gradient downhill.")
        _check_no_grad_left(model, params)
        _check_graph(_cross_entropy(model, came, *query), _cross_entropy(model, right, *query), right, params)
    _done("adapt: a few steps away from any start; the start stays, and a graph leads back to it.")


_EACH_STEP = "each step takes the gradient at the parameters that the step before it left."


def _wrong_descents(model, params, support, lr, steps):
    def descend(lr, steps, start=params, **mistake):
        return _descend(model, start, *support, lr, steps, **mistake)

    own, n = dict(model.named_parameters()), len(support[0])
    at_own, at_start = (_slopes(_cross_entropy(model, start, *support), start) for start in (own, params))
    return [
        (descend(lr, 0), "nothing has moved."),
        (descend(-lr, steps), "that goes uphill: the loss grows."),
        (descend(lr, 1), f"that is one step; asked for are {steps}."),
        (descend(lr, steps - 1), "one step is missing."),
        (descend(lr, steps + 1), "that is one step too many."),
        (descend(lr * steps, 1), "every step has the same gradient, that of the start. Where is the learner by then?"),
        (descend(lr, steps, stay=True), f"{_EACH_STEP} And from where does it go?"),
        (descend(lr, steps, of_start=True), f"{_EACH_STEP} With respect to what do you differentiate?"),
        (descend(1, steps), "how long is a step? lr is missing."),
        (descend(lr * n, steps), "that is the gradient of a sum over the images; the loss is their mean."),
        (descend(lr / n, steps), "divided by the number of images twice: cross_entropy is a mean already."),
        (descend(lr, steps, own), "that began at the model's own weights; `params` are the start."),
        ({name: p - lr * steps * at_own[name] for name, p in params.items()},
         "that is the gradient at the model's own weights. Which weights did the loss run with?"),
        (at_start, "those are the gradients; where do they lead?"),
    ]


def _check_graph(loss, right_loss, adapted, params):
    """The query loss must have its right gradient with respect to the `params` from which the steps began."""
    forgotten = ("the values are right, but somewhere between `params` and the result it is forgotten how it was made: "
                 "a .detach(), .data, .item() or no_grad?")
    _require(loss.requires_grad, "a result with a graph that leads back to `params`", "one without", forgotten)
    first_order = dict(zip(params, _slopes(right_loss, adapted, retain_graph=True).values()))
    _compare_params(_slopes(loss, params, materialize_grads=True), _slopes(right_loss, params), [
        ({name: torch.zeros_like(p) for name, p in params.items()}, forgotten),
        (first_order, "the values are right, but each gradient counts as a constant: what flows back is first-order. A "
                      "gradient that is to be differentiated needs a graph of its own, as for R1 in notebook 02."),
    ], "the values are right, but the gradient of a query loss does not flow back through every step.",
        "the meta-gradient ")


def meta_gradient(function):
    """Check `function(model, params, support_x, support_y, query_x, query_y, lr) -> gradients`, of second order.

    The gradient {name: tensor} of the query's mean cross-entropy after ONE inner step on the support, with respect to
    `params` {name: tensor}, from which that step begins. x float [N*K, F] and [N*Q, F], y int64 [N*K] and [N*Q].
    """
    for k_shot, lr in ((2, 0.5), (3, 0.3)):
        model, params, support, query = _learner(k_shot)
        given, ran_with = dict(params), []
        hook = model.register_forward_pre_hook(lambda net, _, runs=ran_with: runs.append(list(net.parameters())))
        came = _params(_gradients(function, model, given, *support, *query, lr), params, "the gradients")
        hook.remove()
        _check_untouched(model, given, params, k_shot)
        adapted = _descend(model, params, *support, lr)
        _compare_params(came, _slopes(_cross_entropy(model, adapted, *query), params),
                        _wrong_meta_gradients(model, params, support, query, lr, _first_order_because(ran_with)),
                        "first a step on the support, with a graph; then the loss on the query at its end; then, all "
                        "the way back, its gradient with respect to `params`.")
        _check_no_grad_left(model, params)
    _done("meta_gradient: back through the inner step to where it began, with the curvature that first order drops.")


_CUT_OFF = ("to the query loss, `adapted` has no past: what cuts it off from `params`, of which the gradient is asked? "
            "A .detach(), .data, no_grad?")


def _gradients(function, *arguments):
    """What `function` returns, unless torch finds that no graph leads to where the gradient is asked for."""
    expected, unused = "the gradients with respect to `params`", ("not have been used in the graph", "require grad")
    try:
        answer = function(*arguments)
    except RuntimeError as error:
        if not any(words in str(error) for words in unused):
            raise
        raise NotYet(f"expected {expected}; got an error of torch, '{str(error).split('.')[0]}'. Hint: {_CUT_OFF}") \
            from error
    _require(not isinstance(answer, dict) or all(g is not None for g in answer.values()), expected,
             "None among them", _CUT_OFF)
    return answer


def _first_order_because(ran_with):
    """The hint for a first-order gradient, by what the first weight of the last run knows of other weights."""
    came_from, nodes = set(), [ran_with[-1][0].grad_fn] if ran_with else []
    while nodes:
        node = nodes.pop()
        if node is not None and node not in came_from:
            came_from.add(node)
            nodes += [before for before, _ in node.next_functions]
    leaves = sum(hasattr(node, "variable") for node in came_from)
    return ("that is first-order MAML: " + [_CUT_OFF, "the step is remembered, but its gradient counts as a constant. "
            "Does your inner gradient know how it was made?", "there is a graph back to `params`, but nobody walks it: "
            "with respect to what do you differentiate?"][min(leaves, 2)])


def _wrong_meta_gradients(model, params, support, query, lr, first_order):
    def second(inner, outer, lr):
        return _slopes(_cross_entropy(model, _descend(model, params, *inner, lr), *outer), params)

    def first(inner, outer, lr):
        adapted = _descend(model, params, *inner, lr)
        return _slopes(_cross_entropy(model, adapted, *outer), adapted)

    def mix(factor, tree, other_factor, other):
        return {name: factor * tree[name] + other_factor * other[name] for name in params}

    right, cheap = second(support, query, lr), first(support, query, lr)
    of_support, of_query = (_slopes(_cross_entropy(model, params, *part), params) for part in (support, query))
    return [
        (cheap, first_order),
        (mix(0, right, 0, right), _CUT_OFF),
        (mix(2, cheap, -1, right), "the part with the Hessian has the wrong sign: which way does the inner step go?"),
        (mix(1, right, -1, cheap), "that is only the part that first-order MAML leaves out."),
        (mix(-1, right, 0, cheap), "the gradient itself, not the direction of descent."),
        (mix(len(query[0]), right, 0, cheap), "that is the gradient of a sum; the loss is a mean over the queries."),
        (of_support, "that is what the inner step follows. Which loss is it that the outer step lowers?"),
        (of_query, "that is without an inner step: at which parameters are the queries to be asked?"),
        *((mix(1, of_support, 1, other), "two losses are added. The support is for the inner step alone.")
          for other in (right, cheap, of_query)),
        (_descend(model, params, *support, lr), "those are the adapted parameters. What do the queries say there?"),
        *((order(*case), hint) for order in (second, first) for *case, hint in (
            (query, support, lr, "support and query have changed places."),
            (query, query, lr, "the inner step has seen the queries. On what may it learn?"),
            (support, support, lr, "the images that the inner step learned from are no test. Which are?"),
            (support, query, -lr, "the inner step goes uphill."),
            (support, query, 1, "how long is the inner step? lr is missing."),
            (support, query, lr * len(support[0]), "the inner loss is a sum over the images; it should be a mean."))),
    ]


def _learner(k_shot):
    """A model, parameters that are not its own, and the support and query of a 3-way task: always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(3)
        model = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.Tanh(), torch.nn.Linear(5, 3)).double()
    generator = torch.Generator().manual_seed(k_shot)
    params = {name: torch.randn(p.shape, generator=generator, dtype=torch.float64).requires_grad_()
              for name, p in model.named_parameters()}
    support, query = ((torch.randn(3 * n, 4, generator=generator, dtype=torch.float64),
                       torch.randperm(3 * n, generator=generator) % 3) for n in (k_shot, k_shot + 2))
    return model, params, support, query


def _cross_entropy(model, params, x, y):
    return torch.nn.functional.cross_entropy(torch.func.functional_call(model, params, (x,)), y)


def _slopes(loss, params, **options):
    return dict(zip(params, torch.autograd.grad(loss, list(params.values()), **options)))


def _descend(model, params, x, y, lr, steps=1, *, stay=False, of_start=False):
    """`steps` steps from `params`. stay: each from the start. of_start: by gradients with respect to the start."""
    now = params
    for _ in range(steps):
        slopes = _slopes(_cross_entropy(model, now, x, y), params if of_start else now, create_graph=True)
        now = {name: p - lr * slopes[name] for name, p in (params if stay else now).items()}
    return now


def _params(answer, like, what):
    """`answer`, which must be a dict with the names and shapes of `like`."""
    expected, came = f"{what} as a dict of {', '.join(like)}", type(answer).__name__
    _require(answer is not None, expected, "None", "does your function end with `return ...`?")
    nameless = isinstance(answer, (tuple, list)) and not any(isinstance(part, dict) for part in answer)
    _require(not nameless, expected, came,
             "the names are lost, as in what torch.autograd.grad returns. Which name belongs to which tensor?")
    _require(isinstance(answer, dict), expected, came, f"return {what}, each tensor under its name, and nothing else.")
    _require(set(answer) == set(like), expected, f"one of {', '.join(map(str, answer))}",
             "the same names as in `params`, and all of them.")
    for name, p in like.items():
        shape = list(_tensor(answer[name], f"{what}, at {name},").shape)
        _require(shape == list(p.shape), f"shape {list(p.shape)} at {name}", f"{shape}",
                 "a parameter, its gradient and its step have the same shape.")
    return answer


def _check_untouched(model, given, params, k_shot):
    """The dict that the function was given, the tensors in it, and the model must be as they were."""
    right_model, right, _, _ = _learner(k_shot)
    _require(given.keys() == params.keys() and all(given[name] is p for name, p in params.items()),
             "the dict `params` as it was", "one with other tensors in it",
             "the next task wants to begin at the same start. Which line writes into the dict?")
    _require(all(torch.equal(p, right[name]) for name, p in params.items()), "the tensors in `params` as they were",
             "tensors changed in place", "the next task wants to begin at the same start: make new tensors. "
                                         "`-=`, .data and an optimiser change those that are there.")
    _require(all(torch.equal(p, old) for p, old in zip(model.parameters(), right_model.parameters())),
             "the model's own weights as they were", "others", "functional_call(model, params, (x,)) runs the model "
             "with any weights and leaves its own alone.")


def _check_no_grad_left(model, params):
    _require(all(p.grad is None for p in [*model.parameters(), *params.values()]), "no .grad touched",
             "gradients left behind in the parameters",
             "`backward` writes into the parameters, and adds up. Which function only returns?")


def _compare_params(came, right, lookalikes, hint, what=""):
    """`_compare` for dicts {name: tensor}; the message says at which name."""
    def close(wanted):
        a, b = (torch.cat([tree[name].detach().flatten() for name in right]) for tree in (came, wanted))
        return (a - b).norm() <= 1e-6 * b.norm()

    if not close(right):
        hints = [its_hint for wrong, its_hint in lookalikes if close(wrong)]
        name = max(right, key=lambda name: (came[name] - right[name]).abs().max())
        place = torch.unravel_index((came[name] - right[name]).abs().argmax(), right[name].shape)   # the worst
        raise NotYet(f"expected {what}{right[name][place]:.6f} at {name}{[i.item() for i in place]}; "
                     f"got {came[name][place]:.6f}. Hint: {[*hints, hint][0]}")


def reptile(function):
    """Check `function(params, adapted, outer_lr) -> params`: Reptile's outer step over T tasks (Nichol et al. 2018).

    params {name: tensor}; adapted: a list of T such dicts. New: params + outer_lr * mean over tasks (adapted - params).
    """
    generator = torch.Generator().manual_seed(18)
    for n_tasks, outer_lr in ((3, 0.4), (4, 0.15)):
        params, *adapted = ({name: torch.randn(shape, generator=generator, dtype=torch.float64) + 0.5
                             for name, shape in (("weight", (3, 2)), ("bias", (3,)))} for _ in range(n_tasks + 1))
        given, *given_adapted = ({name: p.clone() for name, p in tree.items()} for tree in (params, *adapted))
        came = _params(function(given, given_adapted, outer_lr), params, "the new parameters")
        _require(_equal([given], [params]), "`params` as they were", "changed ones",
                 "make new tensors in a new dict: what you were given is not yours to change.")
        _require(_equal(given_adapted, adapted), "`adapted` as it was", "something else in it",
                 "make new tensors: what you were given is not yours to change.")
        ends = {name: torch.stack([task[name] for task in adapted]) for name in params}         # [T, ...] each
        (right, _), *wrong = [({name: rule(p, ends[name], outer_lr) for name, p in params.items()}, hint)
                              for rule, hint in _REPTILES]
        _compare_params(came, right, wrong,
                        "for each parameter: how far did the tasks move it, on average, and which part is outer_lr?")
    _done("reptile: from where all tasks began, a part of the way to where they ended on average.")


def _equal(trees, others):
    """Whether two lists of dicts {name: tensor} hold the same values."""
    return len(trees) == len(others) and all(
        a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a) for a, b in zip(trees, others))


def _in_turn(p, ends, lr):
    for end in ends:
        p = p + lr * (end - p)
    return p


_REPTILES = [       # (rule of a parameter, where it ended [T, ...], and outer_lr; hint), the right one first
    (lambda p, ends, lr: p + lr * (ends.mean(0) - p), ""),
    (lambda p, ends, lr: p - lr * (ends.mean(0) - p), "that moves away from where the tasks led."),
    (lambda p, ends, lr: p + lr * (ends - p).sum(0), "with twice as many tasks it goes twice as far: sum or mean?"),
    (lambda p, ends, lr: ends.mean(0), "that goes all the way; outer_lr says which part of it."),
    (lambda p, ends, lr: p + lr * (ends[-1] - p), "one task alone decides. What of the others?"),
    (lambda p, ends, lr: p + lr * (ends[0] - p), "one task alone decides. What of the others?"),
    (_in_turn, "one task after the other, each from where the one before it led: then their order counts, and the last "
               "weighs most. Yet all began at `params`."),
    (lambda p, ends, lr: lr * ends.mean(0), "that shrinks everything towards 0. Where does the step begin?"),
    (lambda p, ends, lr: lr * (ends.mean(0) - p), "that is the step. Where does it begin?"),
    (lambda p, ends, lr: p + lr * ends.mean(0), "the way from one point to another is their difference."),
    (lambda p, ends, lr: lr * p + (1 - lr) * ends.mean(0), "with outer_lr = 0 nothing should move; does it?"),
    (lambda p, ends, lr: p + lr * (ends - p).mean(), "one number for a whole tensor: a mean over what?"),
    (lambda p, ends, lr: p, "nothing has moved."),
]


# ---------------------------------------------------------------- notebook 07: the trap


def exact_batch_norm(function):
    """Check `function(h, weight, bias, eps) -> [B, C, H, W]`: batch norm, right under vmap to the second order.

    h float [B, C, H, W], weight and bias float [C]; for each channel the mean and biased variance of the whole batch.
    """
    generator = torch.Generator().manual_seed(15)
    for shape, eps in (((4, 4, 4, 4), 0.1), ((5, 3, 2, 6), 0.3)):       # equal sizes let mistakes run
        h = torch.randn(shape, generator=generator, dtype=torch.float64) * 1.5
        h = h + torch.randn(shape[1], 1, 1, generator=generator, dtype=torch.float64) + 0.5     # no channel around 0
        weight, bias = torch.randn(2, shape[1], generator=generator, dtype=torch.float64) + 0.3
        given = h.clone()
        came = _tensor(*_results(function(given, weight.clone(), bias.clone(), eps), "the result"), "the result")
        _require(came.shape == shape, f"the shape of h, {list(shape)}", f"{list(came.shape)}",
                 "every number of h is shifted and scaled, and none is joined with another.")
        _require(torch.equal(given, h), "h as it was", "an h changed in place", "make a new tensor: `-=` changes h.")
        _compare(came, _batch_norm(h, weight, bias, eps), _wrong_norms(h, weight, bias, eps),
                 "for each channel one mean and one biased variance, from all images and pixels; eps beside the "
                 "variance, in the root; then weight and bias of the channel.", tolerance=1e-6)
    _check_slopes_of_norm(function)
    _check_norm_under_vmap(function)
    _done("exact_batch_norm: right values, right gradients, and right gradients of gradients, under vmap too.")


def _batch_norm(h, weight, bias, eps, dims=(0, 2, 3), *, correction=0, constant=False):
    """constant: mean and variance count as constants."""
    mean, variance = h.mean(dims, keepdim=True), h.var(dims, keepdim=True, correction=correction)
    if constant:
        mean, variance = mean.detach(), variance.detach()
    return (h - mean) / (variance + eps).sqrt() * weight[:, None, None] + bias[:, None, None]


def _wrong_norms(h, weight, bias, eps):
    mean, variance, square = h.mean((0, 2, 3)), h.var((0, 2, 3), correction=0), h.square().mean((0, 2, 3))
    mean, variance, square, s, t = (each[:, None, None] for each in (mean, variance, square, weight, bias))
    z = (h - mean) / (variance + eps).sqrt()
    landed = "sizes are matched from the right. On which dimension of h did your [C] land?"
    return [
        (_batch_norm(h, weight, bias, eps, correction=1), "torch's var divides by n - 1 unless told; batch norm by n."),
        (_batch_norm(h, weight, bias, eps, (2, 3)), "every image has statistics of its own: that is instance norm."),
        (_batch_norm(h, weight, bias, eps, (1, 2, 3)), "one mean for all channels of an image: that is layer norm."),
        (_batch_norm(h, weight, bias, eps, 0), "every pixel has statistics of its own; a channel has one mean."),
        (_batch_norm(h, weight, bias, eps, (0, 1, 2, 3)), "all channels share one mean; each should have its own."),
        (_batch_norm(h, weight, bias, 0), "where is eps?"),
        ((h - mean) / (variance.sqrt() + eps) * s + t, "eps is added to the variance, before the root is taken."),
        ((h - mean) / (variance + eps) * s + t, "divide by the standard deviation, not by the variance."),
        ((h - mean) / (square + eps).sqrt() * s + t, "that is the mean square; the variance is about the mean."),
        (h / (square + eps).sqrt() * s + t, "the mean is nowhere subtracted."),
        (h / (variance + eps).sqrt() * s + t, "you divide by the right number, but what of the mean?"),
        *((wrong, "weight and bias: which of the two, or both, is missing?") for wrong in (z, z * s, z + t)),
        (z * t + s, "weight and bias have changed places."),
        ((z + t) * s, "which comes first, weight or bias?"),
        *((z * weight.view(sizes) + bias.view(sizes), landed) for sizes in ((4,), (4, 1), (4, 1, 1, 1)) if len(h) == 4),
    ]


def _check_slopes_of_norm(function):
    generator = torch.Generator().manual_seed(1)
    shapes = {"h": (4, 3, 2, 2), "weight": (3,), "bias": (3,)}
    inputs = {name: torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()
              for name, shape in shapes.items()}
    factors = torch.randn(shapes["h"], generator=generator, dtype=torch.float64)

    def slopes(result):
        return _slopes((result * factors).sum(), inputs, materialize_grads=True)

    result = function(*inputs.values(), 0.1)
    graph = "no .detach(), .data, .item() or no_grad: h, weight and bias all pass on a gradient."
    _require(result.requires_grad, "a result that knows its graph", "one without", graph)
    _compare_params(slopes(result), slopes(_batch_norm(*inputs.values(), 0.1)), [
        (slopes(_batch_norm(*inputs.values(), 0.1, constant=True)),
         "the values are right, the gradient is not: mean and variance depend on h too. What hides that?"),
    ], f"the values are right, the gradient is not: {graph}", "the gradient ")


def _check_norm_under_vmap(function):
    """The meta-gradient of a convolution with `function` behind it must be that of a loop over tasks."""
    generator = torch.Generator().manual_seed(0)
    shapes = {"kernel": (3, 1, 2, 2), "weight": (3,), "bias": (3,)}
    params = {name: torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()
              for name, shape in shapes.items()}
    support_x, query_x = torch.randn(2, 4, 6, 1, 4, 4, generator=generator, dtype=torch.float64)    # [T, B, 1, H, W]
    support_y, query_y = torch.rand(2, 4, 6, generator=generator).argsort(-1) % 3                   # [T, B]

    def meta_loss(norm, over_tasks):
        def loss(params, x, y):
            h = torch.nn.functional.conv2d(x, params["kernel"])
            logits = norm(h, params["weight"], params["bias"], 0.1).relu().mean((2, 3))     # [B, 3]
            return torch.nn.functional.cross_entropy(logits, y)

        def task_loss(support_x, support_y, query_x, query_y):
            slopes = torch.func.grad(loss)(params, support_x, support_y)
            return loss({name: p - slopes[name] for name, p in params.items()}, query_x, query_y)
        return over_tasks(task_loss)(support_x, support_y, query_x, query_y).mean()

    truth = meta_loss(_batch_norm, lambda task_loss: lambda *tasks: torch.stack([*map(task_loss, *tasks)]))
    try:
        came = meta_loss(function, torch.vmap)
    except RuntimeError as error:
        reason = str(error).partition("\n")[0].partition(". ")[0]
        raise NotYet(f"expected a function that runs under vmap; got {type(error).__name__}: {reason}. Hint: there "
                     "a tensor stands for those of all tasks at once: make new tensors, write into none, ask none for "
                     "its number.") from error
    _require(abs(came - truth) < 1e-9, f"the loss {truth:.6f} under vmap, as in a loop over tasks", f"{came:.6f}",
             "does your function count the dimensions or sizes of h, or remember an earlier call?")
    right, slopes = (torch.cat([s.flatten() for s in _slopes(loss, params).values()]) for loss in (truth, came))
    error = ((slopes - right).norm() / right.norm()).item()
    _require(error < 1e-6, "under vmap the meta-gradient of a loop over tasks",
             f"the same loss, {came:.6f}, and a meta-gradient that is off by {error:.2%}",
             "the loss is right, the second-order gradient under vmap is not. Which of torch's functions does the "
             "normalising for you? Write out what it computes.")


# ---------------------------------------------------------------- notebook 06: episodes


def split_by_alphabet(function):
    """Check `function(alphabets, n_held, generator) -> held`: the indices of all classes of n_held random alphabets.

    alphabets: list [C], the name of each class's alphabet; held: list or int tensor, in any order.
    """
    alphabets = ["Greek", "Latin", "Greek", "Tifinagh", "Hebrew", "Latin", "Greek", "Korean", "Latin", "Tifinagh",
                 "Greek", "Korean", "Hebrew", "Latin", "Greek", "Hebrew"]
    for n_held in (2, 4):
        def draws(ending="", n_held=n_held, n=60):
            generator, names = torch.Generator().manual_seed(n_held), [name + ending for name in alphabets]
            return [_held_classes(function(names.copy(), n_held, generator), alphabets, n_held) for _ in range(n)]

        held = draws()
        _require(draws() == held, "the same classes from a generator in the same state", "others",
                 "which call draws without `generator`?")
        _require(any(classes != held[0] for classes in held), "other alphabets from time to time", "the same 60 times",
                 "where does your code draw, and does it begin anew each time?")
        alone = [alphabets[min(classes)] for classes in draws(n_held=1, n=600)]
        counts = {name: alone.count(name) for name in sorted(set(alphabets))}
        reached = {alphabets[i] for classes in held for i in classes}
        _require(len(reached) == 5, "all 5 alphabets held out, now and then, in 60 draws", f"only {sorted(reached)}",
                 "which alphabets can your code never reach?")
        _require(all(70 < counts[name] < 170 for name in counts), "each of 5 alphabets about 120 times in 600 draws of "
                 "one", f"{counts}", "every alphabet is equally likely, however many classes it has. Do you draw among "
                                     "alphabets or among classes?")
        _require(all(draws(ending) == held for ending in (" I", " II", " III", " IV", " V")),
                 "the same classes with 'Greek I' for 'Greek', 'Latin I' for 'Latin', and so on", "others",
                 "a set of names has another order whenever Python starts, and so has your split. Which order of the "
                 "names stays?")
    _done("split_by_alphabet: whole alphabets on one side or the other, and the generator alone decides which.")


def _held_classes(answer, alphabets, n_held):
    """`answer` as a set of indices, which are those of all classes of n_held alphabets."""
    _require(hasattr(answer, "__iter__"), "a list or tensor of indices", type(answer).__name__,
             "does your function end with `return ...`?")
    held = answer.tolist() if hasattr(answer, "tolist") else list(answer)
    held = [i.item() if isinstance(i, torch.Tensor) and i.dim() == 0 else i for i in held]
    for kinds, hint in ((str, "positions in the list `alphabets`, not the names that stand there."),
                        (bool, "that is a mask, a yes or no for each class. At which positions is it True?"),
                        ((list, tuple, set, torch.Tensor), "one flat list: not one for each alphabet, and without "
                                                           "the rest."),
                        (float, "indices are whole numbers.")):
        _require(not any(isinstance(i, kinds) for i in held), "indices of classes", f"{held[0]!r} first", hint)
    _require(set(held) <= set(range(len(alphabets))), f"indices from 0 to {len(alphabets) - 1}", f"{sorted(held)}",
             "positions in the list `alphabets`, the first of which is 0.")
    _require(len(held) != n_held, f"all classes of {n_held} alphabets", f"{n_held} indices, {held}",
             "n_held counts alphabets, and each of these has several classes.")
    taken = [alphabets[i] for i in set(held)]
    for name in dict.fromkeys(taken):
        _require(taken.count(name) == alphabets.count(name), "each alphabet on one side of the split",
                 f"{taken.count(name)} of the {alphabets.count(name)} classes of '{name}' held out",
                 "with some of its letters seen in training, an alphabet is not new. What is to be drawn, and are the "
                 "classes of an alphabet next to each other?")
    _require(len(taken) == len(held), "every index once", f"{sorted(held)}", "what puts an index there twice?")
    n_taken, n_all = len(set(taken)), len(set(alphabets))
    _require(n_taken != n_all - n_held, f"{n_held} alphabets of {n_all}", f"{n_taken}",
             "are these the ones held out, or the rest?")
    _require(n_taken == n_held, f"{n_held} alphabets of {n_all}", f"{n_taken}",
             "was an alphabet drawn, put back, and drawn again?")
    return set(held)


def prototypes(function):
    """Check `function(support, support_y, query, n_way) -> logits [Q, N]`: minus squared distances to class means.

    Features: support float [S, F], query float [Q, F]; support_y int64 [S] in any order. Source: Snell et al. 2017.
    """
    generator, unit = torch.Generator().manual_seed(8), torch.nn.functional.normalize
    for n_way, labels, n_query, f in ((3, [2, 0, 1, 1, 2, 0], 5, 4), (4, [3, 1, 0, 3, 2, 1, 3, 1, 3, 2], 7, 5)):
        y = torch.tensor(labels)
        support, query = (torch.randn(n, f, generator=generator) * 2 + 1 for n in (len(y), n_query))
        inputs = support.clone().requires_grad_(), query.clone().requires_grad_()
        came = _tensor(*_results(function(inputs[0], y.clone(), inputs[1], n_way), "logits"), "logits")
        _shaped(came, (n_query, n_way), "logits", {
            (n_way, n_query): "a row for each query, a column for each class.",
            (n_query,): "a label is not enough: cross-entropy needs a number for every class.",
            (n_query, len(y)): "a number for every support example. What stands for a class?",
            (n_query, n_way, f): "the coordinates of the way to a class mean. How long is it?",
        }, "one number for each query and each class.")
        members = [support[y == c] for c in range(n_way)]
        means, sums = torch.stack([x.mean(0) for x in members]), torch.stack([x.sum(0) for x in members])
        pairs = [torch.cdist(query, x).square() for x in members]       # for each class: [Q, its examples]
        right = _minus_squares(query, means)
        in_order = "are the labels in order? What says to which class a support example belongs?"
        length = "how long a vector is matters too: leave the features as they are."
        _compare(came, right, [
            (-right, "a near class must get a large logit."),
            ((-right).sqrt(), "a near class must get a large logit."),
            (-(-right).sqrt(), "the distance, or its square?"),
            (_minus_squares(query, sums), "that is the sum of a class. A prototype does not grow with the examples."),
            (_minus_squares(query, sums * n_way / len(y)), "how many examples has each class? Count them."),
            *([(_minus_squares(query, support.view(n_way, -1, f).mean(1)), in_order),
               (_minus_squares(query, support.view(-1, n_way, f).mean(0)), in_order)] if len(y) % n_way == 0 else []),
            (right / f, "a squared distance is a sum over the features, not an average."),
            (right.softmax(1), "logits: the softmax is part of the cross-entropy."),
            (right.log_softmax(1), "logits: the softmax is part of the cross-entropy."),
            (right.softmax(0), "logits: the softmax is part of the cross-entropy."),
            (query @ means.T, "that is an inner product: a far prototype would win by its length."),
            (torch.stack([-d.amin(1) for d in pairs], 1), "that is the nearest example. What stands for the class?"),
            (torch.stack([-d.mean(1) for d in pairs], 1), "first the mean of the examples, then one distance."),
            (torch.stack([-d.sum(1) for d in pairs], 1), "first the mean of the examples, then one distance."),
            (_minus_squares(unit(query), unit(means)), length), (unit(query) @ unit(means).T, length),
            (_minus_squares(unit(query), torch.stack([unit(x).mean(0) for x in members])), length),
            (-torch.cdist(query, means, p=1), "squares of the differences, not their absolute values."),
        ], "the mean of one class, the difference of one query from it: square its coordinates and add them up. Sign?")
        hint = "an encoder is to learn through both: no .item(), no .detach(), no .tolist()."
        _require(came.requires_grad, "logits that remember their graph", "plain numbers", hint)
        slopes = torch.autograd.grad(came.sum(), inputs, allow_unused=True)
        _require(all(s is not None for s in slopes), "a gradient in the support and in the queries", "only one", hint)
    _done("prototypes: the mean of its examples stands for a class, and the nearest mean gets the largest logit.")


def _shaped(value, shape, name, hints, hint):
    """Require a shape; `hints` are for wrong ones, {shape: hint}."""
    _require(value.shape == shape, f"{name} of shape {list(shape)}", f"{list(value.shape)}",
             hints.get(tuple(value.shape), hint))


def _minus_squares(query, means):
    return -(query[:, None] - means).square().sum(2)        # [Q, N]


def leaks(function):
    """Check `function(support_x, query_x) -> bool [T, Q]`: is a query identical to a support image of its own task?

    support_x float [T, S, 1, H, W], query_x float [T, Q, 1, H, W].
    """
    for support_x, query_x, near, turned in (_tasks_to_audit(), _more_tasks_to_audit()):
        answer = function(support_x.clone(), query_x.clone())
        came = _tensor(*_results([answer] if isinstance(answer, list) else answer, "leaks"), "leaks")
        (n_tasks, n_support), n_query = support_x.shape[:2], query_x.shape[1]
        _shaped(came, (n_tasks, n_query), "leaks", {
            (n_tasks,): "which of the queries leaked? One answer for each.",
            (n_tasks, n_support): "one answer for each query, not for each support image.",
            (n_tasks, n_query, n_support): "that is a table of pairs. When has a query leaked?",
            (n_tasks, n_support, n_query): "that is a table of pairs. When has a query leaked?",
        }, "one yes or no for each query of each task.")
        _require(came.dtype == torch.bool, "yes or no for each query (torch.bool)", f"{came.dtype}",
                 "how often, or how near, is not asked.")
        pixels = (query_x[:, :, None] == support_x[:, None]).flatten(3)         # [T, Q, S, pixels]
        everywhere = query_x[:, :, None] == support_x.flatten(0, 1)             # [T, Q, T*S, 1, H, W]
        ink_q, ink_s = query_x.flatten(2).sum(2), support_x.flatten(2).sum(2)   # [T, Q], [T, S]
        pairs = pixels.all(3)                                                   # [T, Q, S]
        right = pairs.any(2)
        distances = torch.cdist(query_x.flatten(2), support_x.flatten(2))       # [T, Q, S]
        for wrong, hint in (
                (~right, "that is upside down: True is for a leak."),
                (pairs.all(2), "no query is the same as all support images. One is enough: all or any?"),
                ((distances == 0).any(2), "cdist multiplies matrices and rounds: equal images may get a distance just "
                                          "above 0. Compare pixels."),
                (pairs.diagonal(dim1=1, dim2=2), "each query with one support image only. May the leak be in another?"),
                (pairs.any(1), "those are the support images that leaked. Which queries?"),
                (everywhere.flatten(3).all(3).any(2), "the support set of another task cannot help. Whose support?"),
                (pixels.any(3).any(2), "images of different characters agree in some pixels. How many must?"),
                (pixels.any(2).all(2), "each pixel is found somewhere in the support, but is one image the same?"),
                ((ink_q[:, :, None] == ink_s[:, None]).any(2), "as much ink in another place is another image."),
                (right.any(1, keepdim=True).expand_as(right), "is it every query of the task?")):
            _nowhere((came != right) & torch.equal(came, wrong), right, hint)
        for mistakes, hint in (
                (came & ~(right | near | turned), "no support image of this task is the same in every pixel."),
                (came & near, "almost alike in all pixels, or in all but one, is not identical. Which difference do "
                              "you allow?"),
                (came & turned, "the same pixels in other places are another image."),
                (right & ~came, "some support image is the same in every pixel. Do you find it?")):
            _nowhere(mistakes, right, hint)
    _done("leaks: every query that stands in its own support, and no other.")


def _nowhere(mistakes, right, hint):
    """Require that no answer be a mistake, bool [T, Q]; the message names the first that is."""
    for task, query in mistakes.nonzero().tolist()[:1]:
        wanted = right[task, query].item()
        _require(False, f"{wanted} for task {task}, query {query}", f"{not wanted}", hint)


def _tasks_to_audit():
    """Three tasks of six supports and six queries: support_x, query_x, and which queries are near misses, [T, Q]."""
    kinds = [row.split() for row in ("copy near fresh here other turned", "other copy mosaic near fresh copy",
                                     "turned fresh near other mosaic hair")]
    generator = torch.Generator().manual_seed(5)
    support, query = torch.randint(5, (2, 3, 6, 1, 4, 5), generator=generator) / 4     # quarters: sums are exact
    dot = torch.zeros(1, 4, 5)
    dot[0, 1, 2] = 0.1
    for t, row in enumerate(kinds):
        for q, kind in enumerate(row):
            here, twin, other = support[t, q], support[t, (q + 1) % 6], support[(t + 1) % 3, q]
            made = {"copy": twin, "here": here, "other": other, "near": (twin - dot).abs(), "turned": twin.flip(2),
                    "hair": (twin - dot / 25.5).abs(),      # one pixel of one image, by 1/255
                    "mosaic": torch.cat([here[:, :2], twin[:, 2:]], 1), "fresh": (query[t, q] + 0.1) / 2}
            query[t, q] = made[kind]
    return support, query, *(torch.tensor([[kind in wanted for kind in row] for row in kinds])
                             for wanted in (("near", "hair"), ("turned",)))


def _more_tasks_to_audit():
    """Two larger tasks, where distances are rounded: half of the queries are copies."""
    generator = torch.Generator().manual_seed(6)
    support, query = (torch.rand(2, n, 1, 8, 7, generator=generator) for n in (30, 26))
    query[:, ::2] = support[:, 5:18]
    return support, query, *torch.zeros(2, 2, 26, dtype=torch.bool)


def paired_interval(function):
    """Check `function(a, b) -> (mean, half_width)`: the 95 % interval of a - b, accuracies on the same episodes.

    a, b float [n]: entry i of both belongs to episode i.
    """
    for n, gap in ((200, 0.03), (700, -0.02)):
        generator = torch.Generator().manual_seed(n)
        ease, noise = torch.rand(n, generator=generator), torch.randn(2, n, generator=generator) * 0.03
        a, b = (0.5 + 0.4 * ease + noise[0]).clamp(0, 1), (0.55 - gap + 0.3 * ease + noise[1]).clamp(0, 1)
        results = _results(function(a.clone(), b.clone()), "mean", "half-width")
        mean, half = (_number(result, name) for result, name in zip(results, ("the mean", "the half-width")))
        difference, root = a - b, n ** 0.5
        middle, deviation = difference.mean().item(), difference.std().item()
        right, (of_a, of_b) = 1.96 * deviation / root, (1.96 * x.std().item() / root for x in (a, b))
        for wrong, hint in (
                (-middle, "above 0 where a is the better learner, below 0 where b is."),
                (difference.abs().mean(), "episodes on which b is the better count against a. Keep their sign."),
                (middle - right, "that is an end; return the middle, and the distance from there to an end."),
                (middle + right, "that is an end; return the middle, and the distance from there to an end."),
                (right, "the mean first, then the half-width."),
                (a.mean(), "that is one learner. How much better is it than the other?"),
                (b.mean(), "that is one learner. How much better is it than the other?"),
                (difference.sum(), "that is the sum over the episodes.")):
            _require(abs(mean - wrong) > 1e-5, f"the mean {middle:.4f} of a - b", f"{mean:.4f}", hint)
        _require(abs(mean - middle) < 1e-5, f"the mean {middle:.4f} of a - b", f"{mean:.4f}",
                 "the average over episodes of what a has more than b.")
        expected = f"a half-width of {right:.5f} for these n={n} pairs"
        apart = "right for two separate sets of episodes. Here the hard ones are hard for both: look at each pair."
        heap = "that is one heap of both. What scatters from episode to episode here?"
        for wrong, hint in (
                ((of_a**2 + of_b**2) ** 0.5, apart),
                (of_a + of_b, "two half-widths added up: too wide even for learners with episodes of their own. Look "
                              "at each pair."),
                (of_a - of_b, "b need not scatter where a does. Look at each pair, not at a and b apart."),
                (a.std() - b.std(), "b need not scatter where a does. Look at each pair, not at a and b apart."),
                (of_a, "that is the interval of one learner. What scatters from episode to episode here?"),
                (of_b, "that is the interval of one learner. What scatters from episode to episode here?"),
                (1.96 * torch.cat([a, b]).std() / root, heap), (1.96 * torch.cat([a, b]).std() / (2 * n) ** 0.5, heap),
                (right / 2**0.5, "how many pairs are there?"),
                (deviation, "that is how far single differences scatter. Their mean scatters less."),
                (1.96 * deviation, "that is how far single differences scatter. Their mean scatters less."),
                (1.96 * deviation / n, "the mean of n scatters less than one, but not n times less."),
                (deviation / root, "that is one standard error: it covers about 68 %, not 95 %."),
                (2 * right, "that is the whole width; give the distance from the mean to one end."),
                (-right, "a half-width is positive."),
                (middle + right, "that is an end; give the distance from the mean to there."),
                (1.96 * difference.abs().std() / root, "differences without their sign scatter less."),
                (1.96 * deviation**2 / root, "variance or standard deviation?"),
                (deviation**2, "variance or standard deviation?"),
                (deviation**2 / n, "variance or standard deviation?")):
            _require(abs(half - wrong) > 0.005 * abs(wrong), expected, f"{half:.5f}", hint)
        _require(abs(half / right - 1) < 0.02, expected, f"{half:.5f}",
                 "how far does a - b scatter from episode to episode, how much less does its mean, and how many of "
                 "those for 95 %?")
    _done("paired_interval: what makes an episode hard for both cancels, and a smaller difference can be seen.")


# ---------------------------------------------------------------- notebook 08: does the generator help the learner?


def augmenter(function):
    """Check `function(support_x, support_y, variation, n_extra, generator) -> (x, y)`: the support, and more behind it.

    support_x float [S, 1, H, W], support_y int64 [S] in any order. Added are, for each class, n_extra variations of its
    examples in turn. variation(images, generator): new drawings, in the shape of images [..., 1, H, W].
    """
    for labels, n_extra in (([2, 0, 1, 1, 2, 0], 5), ([1, 0, 3, 0, 2, 0, 1, 0], 2)):    # equal sizes let mistakes run
        x, y = _numbered_images(len(labels), 1)[:, 0] / 255, torch.tensor(labels)       # pixels tell the position
        chance = torch.Generator().manual_seed(n_extra)
        variation = _variation_that_tells(chance)
        added = []
        for _ in range(2):
            given = x.clone(), y.clone()
            added.append(_added(function(*given, variation, n_extra, chance), x, y, n_extra))
            _check_unchanged(support_x=(given[0], x), support_y=(given[1], y))
        _require(not torch.equal(*added), "other drawings at the next call", "the same",
                 "does your code seed the generator that it was given?")
    _done("augmenter: the originals first, then n_extra new drawings of every class, each under its label.")


def _variation_that_tells(chance):
    """A variation for images of `_numbered_images`: the second pixel counts how often an image was varied."""
    def variation(images, generator=None):
        _require(generator is chance, "variation(images, generator)", "nothing" if generator is None else "another one",
                 "all chance comes from the generator that you were given: pass on this very one.")
        _require(images.dim() >= 4 and images.shape[-3:] == (1, 4, 4), "images [B, 1, 4, 4] for `variation`",
                 f"{list(images.shape)}", "support_x[rows] with a list or a tensor of rows keeps all its dimensions.")
        drawn = torch.rand(images.shape, generator=chance)
        drawn[..., 0, :2] = images[..., 0, :2] + torch.tensor([0, 10 / 255])
        return drawn
    return variation


def _added(answer, support_x, support_y, n_extra):
    """The images that an answer (x, y) adds to the support, if all is as it should be."""
    x, y = (_tensor(part, name) for part, name in zip(_results(answer, "x", "y"), "xy"))
    labels, n = support_y.tolist(), len(support_y)
    _require(x.shape[1:] == support_x.shape[1:], "x of shape [S + added, 1, 4, 4]", f"{list(x.shape)}",
             "torch.cat puts one set of images behind another.")
    _require(y.shape == (len(x),), f"y of shape [{len(x)}], as many as there are images", f"{list(y.shape)}",
             "what is added needs labels too, one for each image.")
    _require(not y.is_floating_point(), "labels in whole numbers (int64)", f"{y.dtype}",
             "labels are for counting and indexing.")
    origins = _identify(x)
    came = f"images {' '.join(str(place) + '*' * times for place, times in origins)} (* is varied)"
    _check_originals(x, y, support_x, labels, [place for place, times in origins if not times], came)
    of, expected = [place for place, _ in origins[n:]], f"{n_extra} variations for each class of {labels}"
    _require(set(of) <= set(range(n)), expected, "images that are no variation of the support",
             "what is added comes from `variation`, as it is.")
    _require(all(times for _, times in origins[n:]), expected, came,
             "the same image again tells a learner nothing new: vary it.")
    _require(all(times == 1 for _, times in origins[n:]), expected, came,
             "a variation of a variation wanders off. From what should each begin?")
    _require(len(of) == n_extra * len(set(labels)), f"{expected}, {n_extra * len(set(labels))} in all", f"{len(of)}", {
        0: "nothing is added.", n_extra: "n_extra for each class, not in all.",
        n: "every example once. How many has a class, and how many should be added?",
        n_extra * n: "n_extra for each class, not for each example.",
        n_extra * len(set(labels)) - n: "n_extra is what is added; the originals do not count.",
    }.get(len(of), "how many should each class get?"))
    truth = [labels[place] for place in of]
    counts = {c: truth.count(c) for c in sorted(set(labels))}
    _require(set(counts.values()) == {n_extra}, expected, f"{counts} (class: variations of its images)",
             "of whose images are the variations? support_y says which are of one class, and they need not be "
             "neighbours.")
    _require(y[n:].tolist() == truth, f"labels {truth} for variations of the images {of}", f"{y[n:].tolist()}",
             "a variation has the label of the image that it was made from. Do images and labels go through the "
             "classes in the same order?")
    for c in counts:
        places = [place for place, label in enumerate(labels) if label == c]
        used, k = [of.count(place) for place in places], len(places)
        _require(k == 1 or used[0] < n_extra, f"variations of the images {places} in turn",
                 f"variations of {places[0]} only", "the first example alone. What of the others?")
        _require(used == [(n_extra + k - 1 - i) // k for i in range(k)],
                 f"{n_extra} variations of the images {places} in turn", f"{used} of them",
                 "the first, the second, ..., and after the last the first again.")
    _require(len(x[n:].unique(dim=0)) == len(of), expected, "the same drawing more than once",
             "that is one variation, copied. How does each become a new drawing?")
    return x[n:]


def _check_originals(x, y, support_x, labels, unvaried, came):
    """unvaried: the positions in the support of those images of x that nobody varied."""
    n = len(labels)
    hints = [(not unvaried, "the learner must not lose its real examples: add to them, replace none."),
             (torch.equal(x[-n:], support_x), "the originals are at the end; what is added goes behind them."),
             (set(unvaried) == set(range(n)), "they are there, but not first and in their order."),
             (True, "some have changed or are gone. Which line writes into support_x?")]
    _require(torch.equal(x[:n], support_x), f"at first the images 0 to {n - 1} of the support, as they were", came,
             next(hint for fits, hint in hints if fits))
    _require(y[:n].tolist() == labels, f"labels {labels} at first", f"{y[:n].tolist()}",
             "the originals keep their order; so must their labels.")


def share_closed(function):
    """Check `function(none, arm, real) -> pseudo-values [n]` of (arm - none) / (real - none), a ratio of means.

    none, arm, real float64 [n], runs that are paired. n r - (n - 1) r_i, where r_i leaves out run i (Tukey 1958).
    """
    generator = torch.Generator().manual_seed(9)
    for n in (5, 8):
        none, gap, part = torch.rand(3, n, generator=generator, dtype=torch.float64)
        arm, real = none / 2 + 0.4 * gap * part + 0.02, none / 2 + 0.4 * gap + 0.03
        none = none / 2 + 0.05 * part
        given = none.clone(), arm.clone(), real.clone()
        answer = function(*given)
        came = _tensor(*_results([answer] if isinstance(answer, list) else answer, "pseudo-values"), "pseudo-values")
        _shaped(came, (n,), "pseudo-values", {(): "one number for each run: what becomes of the share without it?"},
                "one number for each run.")
        gained, possible = arm - none, real - none
        right, share, without = _pseudo_values(gained, possible)
        n_forgotten = "how many times r, how many times the r without run i? If run i changes nothing, r must come out."
        _compare(came, right, [
            (gained / possible, "those are the runs' ratios: one with a small denominator outweighs all others. Sum "
                                "over the runs before you divide."),
            (share.expand(n), "that is the share, n times. What becomes of it without run i?"),
            (without, "those are the shares without run i: too close together by far. Pseudo-values spread them out."),
            *((wrong, n_forgotten) for wrong in (
                share - without, n * (share - without), n * share - without, share - (n - 1) * without, right / n,
                (n - 1) * share - (n - 2) * without, (n - 1) * share - n * without, (n + 1) * share - n * without)),
            ((n - 1) * without - n * share, "mind the sign: arm has gained where it is above none."),
            (n * without - (n - 1) * share, "r and the r without run i have changed places."),
            (n * share - (n - 1) * gained / possible, "r_i with a minus is the share *without* run i. That is of run i "
                                                      "alone."),
            *((n * share - (n - 1) * wrong, "run i must leave the numerator and the denominator.") for wrong in (
                gained.sum() / (possible.sum() - possible), (gained.sum() - gained) / possible.sum())),
            *((_pseudo_values(*pair)[0], hint) for *pair, hint in (
                (real - arm, possible, "that is the part of the way that is left. Which part is done?"),
                (possible, gained, "arm and real have changed places."),
                (-gained, real - arm, "none and arm have changed places."),
                (gained, real - arm, "compared with what is left. How long is the whole way?"),
                (gained, none, "compared with none. How long is the whole way, from none to real?"),
                (gained, real, "compared with real. How long is the whole way, from none to real?"),
                (arm, real, "the way begins at none, not at 0."))),
        ], "the share r of sums over all runs, and for each i the same without run i; then n r - (n - 1) r_i.")
        _check_unchanged(none=(given[0], none), arm=(given[1], arm), real=(given[2], real))
    _done("share_closed: pseudo-values, whose mean is the share and whose scatter tells how far to trust it.")


def _pseudo_values(gained, possible):
    """Pseudo-values [n] of the ratio of sums, the ratio, and the ratios without one run [n]."""
    n, share = len(gained), gained.sum() / possible.sum()
    without = (gained.sum() - gained) / (possible.sum() - possible)
    return n * share - (n - 1) * without, share, without


def holm(function):
    """Check `function(p, alpha) -> bool [m]`: which of m p-values [m] stand, in the order of p (Holm 1979)."""
    cases = [(torch.tensor(p), alpha) for p, alpha in (
        ([0.045, 0.001, 0.02, 0.6, 0.012], 0.05), ([0.045, 0.2, 0.01, 0.048], 0.1), ([0.04, 0.03], 0.05),
        ([0.02, 0.04, 0.01], 0.05), ([0.07], 0.1), ([0.3, 0.0004, 0.0071, 0.0001, 0.0084, 0.049, 0.0062, 0.009], 0.05))]
    given = [p.clone() for p, _ in cases]
    came = [_stands(function, p, alpha) for p, (_, alpha) in zip(given, cases)]
    alike = zip(*(_wrong_holms(p, alpha) for p, alpha in cases))        # of each mistake, what it says of every case
    hints = [mistake[0][1] for mistake in alike if all(torch.equal(a, wrong) for a, (wrong, _) in zip(came, mistake))]
    for answer, (p, alpha) in zip(came, cases):
        right = _holm(p, alpha)
        _require(torch.equal(answer, right),
                 f"{right.tolist()} for p = {[round(x, 4) for x in p.tolist()]} and alpha = {alpha}",
                 f"{answer.tolist()}",
                 [*hints, "the smallest p against alpha / m, the next against alpha / (m - 1), and so on; from the "
                          "first that fails on, none stands."][0])
    for before, (p, _) in zip(given, cases):
        _check_unchanged(p=(before, p))
    _done("holm: however many comparisons there are, the chance of any false alarm is at most alpha.")


def _stands(function, p, alpha):
    try:
        answer = function(p, alpha)
    except ZeroDivisionError as error:
        raise NotYet("expected alpha divided by m, m - 1, ..., 1; got a division by 0. Hint: from where do you count, "
                     "0 or 1?") from error
    came = _tensor(*_results([answer] if isinstance(answer, list) else answer, "the answer"), "the answer")
    _shaped(came, p.shape, "the answer", {(): "which ones stand, not how many."},
            "a yes or no for every p-value, not the positions of those that stand.")
    _require(came.dtype == torch.bool, "yes or no for each p-value (torch.bool)", f"{came.dtype}",
             "neither a number nor a position: does it stand?")
    return came


def _none_after_a_failure(passes):
    return passes.cumprod(0).bool()


def _holm(p, alpha, limits=None, keep=_none_after_a_failure):
    """bool [m] in the order of p. limits [m]: of the sorted p, in parts of alpha. keep: who stands of who passes."""
    order, m = p.argsort(), len(p)
    limits = 1 / torch.arange(m, 0, -1) if limits is None else limits
    return torch.empty(m, dtype=torch.bool).scatter(0, order, keep(p[order] <= alpha * limits))


def _wrong_holms(p, alpha):
    """[(bool [m], hint)]: what is often taken for Holm's correction."""
    order, m, right = p.argsort(), len(p), _holm(p, alpha)
    k, holm_limits = torch.arange(1, m + 1), 1 / torch.arange(m, 0, -1)
    false_discoveries = ("those are the bounds of Benjamini and Hochberg, who let some false alarms pass. Holm guards "
                         "against any single one.")
    count = "the divisors run from m down to 1. From where do you count?"
    strict = "the smallest p has to pass the strictest bound, the largest the mildest."

    def each(passes):
        return passes

    def up_to_the_last(passes):
        return passes.flip(0).cummax(0).values.flip(0)

    def from_the_largest(passes):
        return passes.flip(0).cumprod(0).flip(0).bool()

    def and_the_failure(passes):
        return torch.cat([passes.new_ones(1), passes.cumprod(0).bool()[:-1]])

    return [
        *((_holm(p, alpha, limits, keep), hint) for limits, keep, hint in (
            (0 * k + 1 / m, each, "that is Bonferroni, alpha / m for all. What does Holm ask of the second smallest?"),
            (0 * k + 1, each, "that is without correction: of twenty equal arms one would stand."),
            (holm_limits, each, "once one has failed, no larger p-value may stand."),
            (holm_limits, up_to_the_last, "that begins at the largest, as Hochberg does. Begin at the smallest, and "
                                          "stop at the first that fails."),
            (holm_limits, and_the_failure, "the first that fails does not stand either."),
            *((k / m, keep, false_discoveries) for keep in (up_to_the_last, each, _none_after_a_failure)),
            *((1 / (m + shift - k), keep, count) for shift in (0, 2) for keep in (_none_after_a_failure, each)),
            *((1 / k, keep, strict) for keep in (_none_after_a_failure, each, from_the_largest)))),
        (right[order], "those are in sorted order. Which belongs to which p?"),
        (right[order][order], "sorting moved them; the same indexing moves them on, not back."),
        (~right, "that is upside down: True is for a difference that stands."),
        (_holm(p, 0.05), "is alpha always 0.05?"),
        (_holm(p, alpha / 2), "p-values are two-sided already: alpha as it is."),
    ]


# ---------------------------------------------------------------- notebook 09: where samples help


def averaged_features(function):
    """Check `function(features, x, vary, n) -> [B, F]`: mean features of x [B, 1, H, W] and n - 1 variations of it.

    features maps images [M, 1, H, W] to [M, F], vary images to new drawings of the same shape.
    """
    for b, f, n in ((4, 4, 5), (5, 3, 3), (3, 5, 1)):       # equal sizes let mistakes run
        x, weight = _numbered_images(b, 1)[:, 0] / 255, torch.randn(16, f, generator=torch.Generator().manual_seed(f))
        drawn, (features, vary) = [], _features_and_variation(weight, torch.Generator().manual_seed(n))
        given = x.clone()
        try:
            answer = function(features, given, lambda images, vary=vary, drawn=drawn: vary(images, drawn), n)
        except (ArithmeticError, LookupError, RuntimeError) as error:
            if n > 1:
                raise
            raise NotYet(f"expected the features of x for n = 1; got {type(error).__name__}. Hint: one version is the "
                         "image itself. What does your code make of no variations at all?") from error
        came = _tensor(*_results([answer] if isinstance(answer, list) else answer, "the features"), "the features")
        _shaped(came, (b, f), "features", {
            (n, b, f): "those are the versions' features. Over which dimension goes the mean?",
            (n * b, f): "a row for each version. One for each image: which rows are versions of the same one?",
            tuple(x.shape): "those are images. What does `features` make of them?",
        }, "a row of features for each image: the mean goes over its versions, and over nothing else.")
        _check_versions(came, features, x, drawn, n)
        _check_unchanged(x=(given, x))
    _done("averaged_features: the image and n - 1 new drawings of it, seen by the network one by one, then averaged.")


def _features_and_variation(weight, chance):
    """features(images) and vary(images, drawn), which keeps what it draws in `drawn`; its pixels tell whose it is."""
    def well_shaped(images, name):
        _require(images.dim() == 4 and images.shape[1:] == (1, 4, 4), f"images [B, 1, 4, 4] for `{name}`",
                 f"{list(images.shape)}", "torch.cat puts images behind each other; torch.stack makes a new dimension.")
        return images

    def features(images):
        return (3 * well_shaped(images, "features").flatten(1) @ weight).cos()

    def vary(images, drawn):
        new = torch.rand(well_shaped(images, "vary").shape, generator=chance)
        new[..., 0, :2] = images[..., 0, :2] + torch.tensor([0, 10 / 255])
        drawn.append(new)
        return new
    return features, vary


def _check_versions(came, features, x, drawn, n):
    """came: the answer [B, F]. drawn: all that `vary` drew."""
    of_x, drawn = features(x), torch.cat([x[:0], *drawn])
    origins, of_drawn = _identify(drawn) if len(drawn) else [], features(drawn)
    expected = f"{n - 1} variations of each of {len(x)} images"
    _require(n > 1 or not len(drawn), "no call of `vary` for n = 1", f"{len(drawn)} variations",
             "one version is the image itself.")
    whose = torch.tensor([place for place, _ in origins], dtype=torch.long)
    counts = [(whose == i).sum().item() for i in range(len(x))]
    _require(sum(counts) == len(drawn), expected, "variations of other images", "where does x change?")
    _require(all(times == 1 for _, times in origins), expected, "variations of variations",
             "a variation of a variation wanders off. From what should each begin?")
    of_each = [of_drawn[whose == i] for i in range(len(x))]
    alone = torch.stack([rows.mean(0) for rows in of_each])
    left_out = "the drawing itself is a version too, the only one that is surely right. Where is it?"
    _require(n == 1 or not torch.allclose(came, alone, atol=1e-5), "a mean over x and its variations",
             "one over variations only", left_out)
    _require(counts == [n - 1] * len(x), expected, f"{counts}", {
        0: "where does `vary` come in?", 1: "the same drawing n - 1 times over is one drawing. When is a new one made?",
        n: "n versions in all, and x is one of them.", n - 2: "x is one of n versions. How many are left to draw?",
    }.get(counts[0], "x is one of n versions. How many are left to draw?"))
    right = torch.stack([torch.cat([own[None], rows]).mean(0) for own, rows in zip(of_x, of_each)])
    images = torch.stack([torch.cat([own[None], drawn[whose == i]]).mean(0) for i, own in enumerate(x)])
    divide = "how many versions are there? Divide their sum by that."
    _compare(came, right, [] if n == 1 else [
        (n * right, "that is the sum. A mean does not grow with the number of versions."),
        (features(images), "that is the network's view of the mean image, a blur that nobody drew. First features, "
                           "then the mean."),
        *((n * right / wrong, divide) for wrong in (n - 1, n + 1)), (of_x, "the variations are drawn, but not used."),
        ((of_x + alone) / 2, "half x, half variations: every version counts the same."),
        ((n - 1) / n * alone, left_out),
    ], "take one image: its own features, those of its n - 1 variations, and the mean of these n rows.")


def critic_weights(function):
    """Check `function(logits) -> weights [n, B]`: proportional to e^logit, with sum 1 over n. logits [n, B]."""
    generator = torch.Generator().manual_seed(9)
    small = [2 * torch.randn(n, b, generator=generator) for n, b in ((4, 4), (5, 3))]
    large = torch.randn(4, 3, generator=generator) + torch.tensor([200., -200., 0])
    large[:2, 2] = torch.tensor([200., -200.])
    for logits in (*small, large):
        given = logits.clone()
        came = _weights(function(given), logits)
        _require(not came.isnan().any(), "numbers at any logit", "nan",
                 "in float32, e^200 is infinite and e^-200 is 0. What may be added to all logits of one example "
                 "without changing its weights?")
        right, D = logits.softmax(0), logits.sigmoid()
        other = "the weights of one example sum to 1 over its n drawings: which dimension is that?"
        probability = "a sigmoid is D's probability, at most 1. What is e to the power of the logit?"
        _compare(came, right, [] if logits is large else [
            *([(right.T, "rows are drawings, columns examples, as in the logits.")] if right.shape == (4, 4) else []),
            (logits.softmax(1), other), (logits.exp() / logits.exp().sum(1, keepdim=True), other),
            (logits.flatten().softmax(0).view_as(logits), "they sum to 1 over all examples together. Each example is "
                                                          "one mean, and has its own weights."),
            (D / D.sum(0), probability), (D, probability), (D.softmax(0), probability),
            (logits, "those are the logits. Weights are positive: what is wanted is e to their power."),
            (logits / logits.sum(0), "the logits themselves, normalised: some are negative. e to their power, not "
                                     "they."),
            (logits.log_softmax(0), "those are the logarithms of the weights."),
            (logits.exp(), "e^logit it is, but the weights of an example must sum to 1."),
            (logits.exp() / len(logits), "e^logit it is, but the weights of an example must sum to 1."),
            ((-logits).softmax(0), "that is 1 / e^logit: the worst drawing would count most."),
            (torch.full_like(logits, 1 / len(logits)), "all alike: what has D to say?"),
            (torch.nn.functional.one_hot(logits.argmax(0), len(logits)).T, "the best takes it all. e^logit is a "
                                                                           "matter of degree."),
        ], "take one column: e^logit of each drawing, divided by the sum of these powers."
            if logits is not large else "this fits while logits are small. Is something clamped, or added to a sum? "
                                        "Only their differences within a column matter.", tolerance=1e-3)
        _check_unchanged(logits=(given, logits))
    _done("critic_weights: proportional to e^logit, with sum 1 for every example, at any logit.")


def _weights(answer, logits):
    n, b = logits.shape
    came = _tensor(*_results([answer] if isinstance(answer, list) else answer, "weights"), "weights")
    _shaped(came, (n, b), "weights", {(b, n): "rows are drawings, columns examples, as in the logits."},
            "one weight for each drawing of each example, 0 for those that do not count.")
    _require(came.is_floating_point(), "weights as floats", f"{came.dtype}",
             "neither a position nor a yes or no: which part of the whole does a drawing get?")
    return came


def critic_filter(function):
    """Check `function(logits, keep) -> weights [n, B]`: 1 / keep for the keep highest logits of each column, else 0."""
    generator = torch.Generator().manual_seed(0)
    for n, b, keep in ((4, 4, 2), (6, 3, 2), (5, 3, 1), (3, 5, 3)):
        logits = torch.randn(n, b, generator=generator) + 1.5 * torch.arange(b) - 1.5     # some columns lie higher
        given = logits.clone()
        came = _weights(function(given, keep), logits)
        kept, right = came != 0, _highest(logits, keep)
        hints = [hint for wrong, hint in _wrong_filters(logits, keep) if torch.equal(kept, wrong)]
        for i in (kept != right).any(0).nonzero().flatten().tolist()[:1]:
            rows, wanted = (of[:, i].nonzero().flatten().tolist() for of in (kept, right))
            column = [round(x, 2) for x in logits[:, i].tolist()]
            _require(False, f"weight for drawings {wanted} of example {i}, whose logits are {column}, keep = {keep}",
                     f"weight for {rows}", [*hints, "sort one column: which are its `keep` highest logits?"][0])
        mask, best = right.float(), logits.masked_fill(~right, -torch.inf)
        _compare(came, mask / keep, [
            (mask, "the right ones, but a mean needs weights that sum to 1 in each column."),
            (mask / n, "n drawings were made. How many share the weight?"),
            (mask / (keep * b), "they sum to 1 over all examples together. Each example has a mean of its own."),
            (best.softmax(0), "the right ones, but evenly: how they rank no longer matters."),
            (mask * logits, "those are the logits of the best. What is their weight?"),
            (mask * logits.softmax(0), "the right ones, but evenly, and with sum 1 in each column."),
        ], "those that are kept share a weight of 1 evenly.")
        _check_unchanged(logits=(given, logits))
    _done("critic_filter: the best of each example share its weight, the others have none.")


def _highest(logits, keep, dim=0):
    """bool, in the shape of logits: the `keep` highest along a dimension."""
    best = logits.topk(min(keep, logits.shape[dim]), dim=dim).indices
    return torch.zeros_like(logits, dtype=torch.bool).scatter(dim, best, True)


def _wrong_filters(logits, keep):
    """[(bool [n, B], hint)]: what may be kept in place of the highest of each column."""
    n, b = logits.shape
    together = "the best of all columns together: some examples keep many, others none. Each column by itself."
    threshold = "that is a threshold: how many pass it differs. Of each column, exactly `keep`."
    order = "argsort says which drawing has rank 0, 1, ..., not which rank a drawing has."
    return [
        (_highest(-logits, keep), "those are the worst. Does your sort begin with the smallest?"),
        (_highest(logits, keep, dim=1), "that compares examples with each other. Which dimension counts the drawings?"),
        (torch.ones(n, b, dtype=torch.bool), "all have weight. Which get 0?"),
        *((_highest(logits.flatten(), size).view(n, b), together) for size in (keep * b, keep)),
        *((logits > wrong, threshold) for wrong in (0, logits.mean(0), logits.mean())),
        (_highest(logits, keep - 1), "one too few: is the last of the best equal to your bound, or above it?"),
        (_highest(logits, keep + 1), "one too many: from where do you count?"),
        (torch.arange(n)[:, None].expand(n, b) < keep, "the first rows. The best are first only once they are sorted."),
        *((logits.argsort(0, descending=down) < keep, order) for down in (True, False)),
    ]
