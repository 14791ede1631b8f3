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
                 "in float32, sigmoid(-200) is 0. Is there one function that is the logarithm of the sigmoid?")
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

    for loss, both in ((losses.NON_SATURATING, True), (losses.LEAST_SQUARES, False)):
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
        for step in (1, 2):
            state, d_before = chance.get_state(), [p.detach().clone() for p in D.parameters()]
            answer = function(G, D, real.clone(), loss, optimiser, chance)
            right = gan.d_step(right_G, right_D, real, loss=loss, optimiser=right_optimiser, generator=right_chance)
            _check_only_d_moved(G, D, before, d_before)
            _require(not torch.equal(state, chance.get_state()), "fresh noise from `generator` in each step",
                     "a generator that nothing was drawn from", "`gan.noise` takes the generator that you were given.")
            _check_the_move(D, right_D, first, step)
            value = _tensor(*_results(answer, "D's loss"), "D's loss")
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


def _check_only_d_moved(G, D, before, d_before):
    _require(all(torch.equal(p, old) for p, old in zip(G.parameters(), before)), "G's weights as they were",
             "a G that moved", "G moved although it is D's step. The optimiser may hold G's weights too: what must "
             "they not receive?")
    _require(all(p.grad is None or not p.grad.any() for p in G.parameters()), "no gradient left in G",
             "gradients in G's weights", "the backward pass went on through the fakes into G. Where can it be stopped?")
    _require(all(p.requires_grad for p in G.parameters()), "a G that can still be trained", "a frozen G",
             "requires_grad_(False) stays after your function ends.")
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
    q = torch.where((x - 1).abs() < 2, 0.25, 0.0)
    came = _curve(_results(function(p.clone(), q.clone()), "D*")[0], len(x), "D*")
    right = torch.where(p + q > 0, p / (p + q).clamp(min=1e-300), 0.5)
    _compare(came, right, [
        (1 - right, "whose probability is D, that of the real drawings or that of the generated ones?"),
        (right.round(), "D is a probability: where p is only a little larger than q, D is only a little above 1/2."),
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
    number = _number(came.detach() if isinstance(came, torch.Tensor) else came, name)
    _require(isinstance(came, torch.Tensor) and came.requires_grad, f"{name} as a tensor that remembers its graph",
             "a number", "no .item(), no .detach(): training needs its gradient.")
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
        _compare(_number(_results(function(p.clone(), q.clone(), dx), "the divergence")[0], "the divergence"), right, [
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
