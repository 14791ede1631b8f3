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
    generator = torch.Generator().manual_seed(7)
    for n, m, k in ((60, 45, 3), (40, 50, 2)):
        real, fake = torch.randn(n, 4, generator=generator), torch.randn(m, 4, generator=generator) * 0.7 + 0.5
        came = _number(*_results(function(real.clone(), fake.clone(), k), "the coverage"), "the coverage")
        distances = torch.cdist(real, fake)                                             # [N, M]
        inner, radii, outer = torch.cdist(real, real).sort(1).values[:, k - 1:k + 2].T  # place 0 is the point itself
        in_real, in_fake = distances <= radii[:, None], distances <= torch.cdist(fake, fake).sort(1).values[:, k]
        _compare(came, in_real.any(1).double().mean(), [
            ((distances <= inner[:, None]).any(1).double().mean(), "which real point is the nearest to a real point?"),
            ((distances <= outer[:, None]).any(1).double().mean(), "balls too large: counted from 0, or from 1?"),
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

    Flat images, float [N, P], [T, P], [H, P]; nearer by the Euclidean distance to the nearest training image.
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
