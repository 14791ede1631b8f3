"""Exercise checks: give a check your function; it prints one line, or raises `NotYet` that says what to look at.

A message says what was expected, what came, and a hint. It never says the solution. A function that is still
the stub raises NotImplementedError, untouched.
"""

import torch


class NotYet(AssertionError):
    """The answer is not right yet; the message says how to get on."""


def _require(condition, expected, came, hint):
    if not condition:
        raise NotYet(f"expected {expected}; got {came}. Hint: {hint}")


def _done(message):
    print(f"✓ {message}")


# ---------------------------------------------------------------- notebook 00


def nearest_neighbour(function):
    """Check `function(support_x, support_y, query_x) -> labels` for one task, flat images.

    support_x float [S, P], support_y int64 [S], query_x float [Q, P] -> int64 [Q].
    """
    generator = torch.Generator().manual_seed(1)
    support_y = torch.tensor([2, 0, 1, 2, 0, 1])                        # not in order, two per class
    centres = torch.randn(3, 50, generator=generator) * 3 + 10         # far from zero: lengths differ
    support_x = centres[support_y] + torch.randn(6, 50, generator=generator)
    query_y = torch.tensor([1, 1, 0, 2, 0, 2, 1])
    query_x = centres[query_y] + torch.randn(7, 50, generator=generator)
    query_x[0], query_y[0] = support_x[1] + 0.01, 0
    labels = torch.as_tensor(function(support_x.clone(), support_y.clone(), query_x.clone()))
    _require(labels.shape == (7,), "one label per query, shape [7]", f"shape {list(labels.shape)}",
             "which dimension of the distance table belongs to the support images?")
    _require(not labels.is_floating_point(), "whole-number labels", f"{labels.dtype}",
             "return labels, not distances.")
    wrong = (labels != query_y).nonzero().flatten().tolist()
    by_position = torch.cdist(query_x, support_x).argmin(1)
    _require(not torch.equal(labels, by_position), f"labels {query_y.tolist()}", f"{labels.tolist()}",
             "those are positions in the support set. What is written in support_y at these positions?")
    _require(not wrong, f"labels {query_y.tolist()}", f"{labels.tolist()}, wrong at {wrong}",
             "compare every query with every support image: small distance, same label.")
    _done("nearest_neighbour labels every query with the label of its nearest support image.")


def episode_sampler(function):
    """Check `function(images, n_way, k_shot, q_query, generator)` -> support_x, support_y, query_x, query_y.

    One task: images uint8 [C, M, 1, H, W] -> support_x [N*K, 1, H, W], support_y [N*K], query_x, query_y alike.
    """
    n_way, k_shot, q_query = 4, 2, 3
    images = _numbered_images(n_classes=6, n_drawings=5)
    tasks = [function(images, n_way, k_shot, q_query, torch.Generator().manual_seed(seed)) for seed in range(60)]
    for support_x, support_y, query_x, query_y in tasks:
        _check_shapes(support_x, support_y, n_way, k_shot, "support")
        _check_shapes(query_x, query_y, n_way, q_query, "query")
        _check_task(*_identify(support_x), support_y, *_identify(query_x), query_y, n_way)
    _check_randomness(function, images, tasks)
    _done("episode_sampler: no class twice, no drawing in both support and query, labels 0 to N-1, chance explicit.")


def _numbered_images(n_classes, n_drawings):
    """Images whose pixels tell their class (first pixel) and drawing (second pixel)."""
    images = torch.zeros(n_classes, n_drawings, 1, 4, 4, dtype=torch.uint8)
    images[..., 0, 0] = torch.arange(n_classes)[:, None, None] * 10 + 50
    images[..., 0, 1] = torch.arange(n_drawings)[None, :, None] * 10 + 50
    return images


def _identify(x):
    """The classes and drawings that images made by `_numbered_images` come from, as lists."""
    x = x.float() * (255 if x.float().max() <= 1 else 1)
    return [((x[:, 0, 0, i].round() - 50) / 10).long().tolist() for i in (0, 1)]


def _check_shapes(x, y, n_way, per_class, what):
    expected = n_way * per_class
    _require(x.dim() == 4 and tuple(x.shape) == (expected, 1, 4, 4), f"{what}_x of shape [{expected}, 1, 4, 4]",
             f"{list(x.shape)}", "N classes times K images, each [1, H, W]; flatten the first two dimensions.")
    _require(tuple(y.shape) == (expected,), f"{what}_y of shape [{expected}]", f"{list(y.shape)}",
             "one label per image.")


def _check_task(support_c, support_d, support_y, query_c, query_d, query_y, n_way):
    n_classes = len(set(support_c))
    _require(n_classes == n_way, f"{n_way} different classes", f"{n_classes}",
             "two labels share a class. Was a class drawn, put back, and drawn again?")
    _require(sorted(set(support_y.tolist())) == list(range(n_way)), f"labels 0 to {n_way - 1}",
             f"{sorted(set(support_y.tolist()))}", "a label counts the classes of this task, not those of the dataset.")
    seen = dict(zip(support_c, support_y.tolist(), strict=True))
    _require(len(set(zip(support_c, support_y.tolist(), strict=True))) == n_way, "one label for each class",
             f"classes {support_c} labelled {support_y.tolist()}", "are images and labels in the same order?")
    _require([seen.get(c) for c in query_c] == query_y.tolist(), "queries labelled as their class is in the support",
             f"classes {query_c} labelled {query_y.tolist()}, where the support says {seen}",
             "are images and labels in the same order, with as many images of each class?")
    support, query = (list(zip(c, d, strict=True)) for c, d in ((support_c, support_d), (query_c, query_d)))
    _require(not set(support) & set(query), "no drawing in both support and query",
             f"(class, drawing) {sorted(set(support) & set(query))} in both",
             "a query that is its own support is answered by heart. Draw K+Q at once, then split.")
    _require(len(set(support)) == len(support) and len(set(query)) == len(query), "every drawing once",
             "the same drawing twice", "were drawings put back and drawn again?")


def _check_randomness(function, images, tasks):
    again = function(images, 4, 2, 3, torch.Generator().manual_seed(0))
    _require(all(torch.equal(a, b) for a, b in zip(again, tasks[0], strict=True)),
             "the same task from the same generator", "another one", "pass `generator` to every call that draws.")
    classes, drawings = ({tuple(_identify(task[0])[i]) for task in tasks} for i in (0, 1))
    _require(len(classes) > 1 and len({c for cs in classes for c in cs}) == 6, "all classes in the course of 60 tasks",
             f"only {sorted({c for cs in classes for c in cs})}", "which classes can your code never reach?")
    _require(len({d for ds in drawings for d in ds}) == 5, "every drawing in some support set, in 60 tasks",
             f"only drawings {sorted({d for ds in drawings for d in ds})}", "are the drawings shuffled?")


def interval(function):
    """Check `function(accuracies) -> (mean, half_width)`: a 95 % interval of a mean, float tensor [n] -> two floats."""
    for n in (200, 800):
        values = torch.rand(n, generator=torch.Generator().manual_seed(n)) * 0.5 + 0.3
        mean, half = (float(number) for number in function(values.clone()))
        deviation = values.std().item()
        right = 1.96 * deviation / n ** 0.5
        _require(abs(mean - values.mean().item()) < 1e-5, f"the mean {values.mean():.4f}", f"{mean:.4f}",
                 "the first number is the plain average.")
        for wrong, hint in {
            1.96 * deviation: "that is how far single values scatter. The mean of n values scatters less.",
            2 * right: "that is the whole width; give the distance from the mean to one end.",
            deviation / n ** 0.5: "that is one standard error: it covers about 68 %, not 95 %.",
        }.items():
            _require(abs(half / wrong - 1) > 0.02, f"a half-width near {right:.4f} for n={n}", f"{half:.4f}", hint)
        _require(abs(half / right - 1) < 0.03, f"a half-width near {right:.4f} for n={n}", f"{half:.4f}",
                 "standard deviation, square root of n, and the factor for 95 % of a normal distribution.")
    _done("interval: the mean, and how far it would move in 95 of 100 repetitions.")
