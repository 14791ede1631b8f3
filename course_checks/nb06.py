"""Checks of the exercises of notebook 06, episodes."""

import torch

from ._base import check, check_unchanged, compare, done, one_number, require, returned, shaped, tensor


@check
def split_by_alphabet(function):
    """Check `function(alphabets, n_held, rng) -> held`: the indices of all classes of n_held random alphabets.

    alphabets: list [C], the name of each class's alphabet; held: list or int tensor, in any order.
    """
    alphabets = ["Greek", "Latin", "Greek", "Tifinagh", "Hebrew", "Latin", "Greek", "Korean", "Latin", "Tifinagh",
                 "Greek", "Korean", "Hebrew", "Latin", "Greek", "Hebrew"]
    for n_held in (2, 4):
        def draws(ending="", n_held=n_held, n=60):
            rng, names = torch.Generator().manual_seed(n_held), [name + ending for name in alphabets]
            return [_held_classes(_with_names_unchanged(function, names, n_held, rng), alphabets, n_held)
                    for _ in range(n)]

        held = draws()
        require(draws() == held, "the same classes from an rng in the same state", "others",
                "one of your calls draws without `rng`. Which?")
        require(any(classes != held[0] for classes in held), "other alphabets from time to time", "the same 60 times",
                "every call holds out the same alphabets. Does your code draw by chance? Does it seed `rng` anew?")
        alone = [alphabets[min(classes)] for classes in draws(n_held=1, n=600)]
        counts = {name: alone.count(name) for name in sorted(set(alphabets))}
        reached = {alphabets[i] for classes in held for i in classes}
        require(len(reached) == 5, "all 5 alphabets held out, now and then, in 60 draws", f"only {sorted(reached)}",
                "some alphabets are never held out. What keeps your code from drawing them?")
        together = {frozenset(alphabets[i] for i in classes) for classes in draws(n_held=2, n=120)}
        require(len(together) > 7, "any of the 10 pairs of alphabets held out now and then, in 120 draws of two",
                f"only {len(together)} pairs", "each alphabet comes often enough, but always in the same company. "
                                               "Can any two alphabets be held out together?")
        require(all(70 < counts[name] < 170 for name in counts), "each of 5 alphabets about 120 times in 600 draws of "
                "one", f"{counts}", "every alphabet should be equally likely, however many classes it has. Do you draw "
                                    "among alphabets or among classes?")
        require(all(draws(ending) == held for ending in (" I", " II", " III", " IV", " V")),
                "the same classes with 'Greek I' for 'Greek', 'Latin I' for 'Latin', and so on", "others",
                "a set of names has a different order each time Python starts, so your split changes too. Which order "
                "of the names is always the same?")
    done("split_by_alphabet: whole alphabets on one side or the other, and `rng` alone decides which.")


def _with_names_unchanged(function, names, n_held, rng):
    """The answer of the student's function, which must leave the list as it was."""
    given = names.copy()
    answer = function(given, n_held, rng)
    require(given == names, "the list `alphabets` as it was", "`alphabets` changed in place",
            "its positions are the numbers of the classes, and the caller still needs them. Does .sort() or .pop() "
            "work on the list itself or on a copy?")
    return answer


def _held_classes(answer, alphabets, n_held):
    """`answer` as a set of indices, which are those of all classes of n_held alphabets."""
    require(hasattr(answer, "__iter__"), "a list or tensor of indices", type(answer).__name__,
            "does your function end with `return ...`?")
    held = answer.tolist() if hasattr(answer, "tolist") else list(answer)
    held = [i.item() if isinstance(i, torch.Tensor) and i.dim() == 0 else i for i in held]
    for kinds, hint in ((str, "you returned names. At which positions do they stand in the list `alphabets`?"),
                        (bool, "you returned a mask, a yes or no for each class. At which positions is it True?"),
                        ((list, tuple, set, torch.Tensor), "return one flat list of the classes held out: not one list "
                                                           "for each alphabet, and not the rest."),
                        (float, "you returned floats, but indices are whole numbers.")):
        require(not any(isinstance(i, kinds) for i in held), "indices of classes", f"{held[0]!r} first", hint)
    require(set(held) <= set(range(len(alphabets))), f"indices from 0 to {len(alphabets) - 1}", f"{sorted(held)}",
            "some of these are not positions in the list `alphabets`, the first of which is 0.")
    require(len(held) != n_held, f"all classes of {n_held} alphabets", f"{n_held} indices, {held}",
            "you returned n_held classes, but n_held counts alphabets. How many classes has an alphabet?")
    taken = [alphabets[i] for i in set(held)]
    for name in dict.fromkeys(taken):
        require(taken.count(name) == alphabets.count(name), "each alphabet on one side of the split",
                f"{taken.count(name)} of the {alphabets.count(name)} classes of '{name}' held out",
                "this alphabet is not new, because training has seen some of its letters. Do you draw alphabets or "
                "classes, and are the classes of an alphabet next to each other in the list?")
    require(len(taken) == len(held), "every index once", f"{sorted(held)}",
            "some index is there twice. Which line adds it again?")
    n_taken, n_all = len(set(taken)), len(set(alphabets))
    require(n_taken != n_all - n_held, f"{n_held} alphabets of {n_all}", f"{n_taken}",
            "that is how many alphabets remain. Did you return the classes held out, or the rest?")
    require(n_taken == n_held, f"{n_held} alphabets of {n_all}", f"{n_taken}",
            "the number of alphabets is wrong. Can your code draw the same alphabet twice?")
    return set(held)


@check
def prototypes(function):
    """Check `function(support, support_y, query, n_way) -> logits [Q, N]`: minus squared distances to class means.

    Features: support float [S, F], query float [Q, F]; support_y int64 [S] in any order. Source: Snell et al. 2017.
    """
    rng = torch.Generator().manual_seed(8)
    for n_way, labels, n_query, f in ((3, [2, 0, 1, 1, 2, 0], 5, 4), (4, [1, 0, 3, 0, 2, 1, 3, 2], 6, 3),
                                      (4, [3, 1, 2, 3, 2, 1, 3, 1, 3, 0, 3, 3], 7, 5)):      # the last: unequal classes
        y = torch.tensor(labels)
        support, query = (torch.randn(n, f, generator=rng) * 2 + 1 for n in (len(y), n_query))
        inputs, given_y = (support.clone().requires_grad_(), query.clone().requires_grad_()), y.clone()
        try:
            answer = function(inputs[0], given_y, inputs[1], n_way)
        except RuntimeError as error:
            require(y.bincount().unique().numel() == 1, f"logits for classes with {y.bincount().tolist()} examples",
                    " ".join(f"RuntimeError: {error}".split()), "your code works while all classes have the same "
                    "number of examples, and here they have not. Which line needs equal classes?")
            raise
        check_unchanged(support_y=(given_y, y), support=(inputs[0], support), query=(inputs[1], query))
        came = tensor(*returned(answer, "logits"), "logits")
        shaped(came, (n_query, n_way), "logits", {
            (n_way, n_query): "rows and columns are exchanged. Each query has a row, and each class a column.",
            (n_query,): "a label for each query is not enough, because cross-entropy needs a number for every class.",
            (n_query, len(y)): "you returned a number for every support example. What stands for a class?",
            (n_query, n_way, f): "those are the coordinates of the difference from a class mean. How long is it?",
        }, "return one number for each query and each class.")
        arguments = support, y, query, n_way
        compare(came, _prototypes()(*arguments), MISTAKES["prototypes"], arguments,
                "take the mean of one class and the difference of one query from it. Square its coordinates and add "
                "them up. Which sign does the sum get?")
        hint = "an encoder should learn through support and queries. Is there an .item(), .detach() or .tolist()?"
        require(came.requires_grad, "logits that remember their graph", "plain numbers", hint)
        weights = torch.randn(came.shape, generator=rng)
        slopes = torch.autograd.grad((came * weights).sum(), inputs, allow_unused=True)
        require(all(s is not None for s in slopes), "a gradient in the support and in the queries", "only one", hint)
        right = torch.autograd.grad((_prototypes()(inputs[0], y, inputs[1], n_way) * weights).sum(), inputs)
        for slope, its in zip(slopes, right):
            compare(slope, its, (), (), "the logits are right, but their gradient is not. Is a part of them detached?",
                    tolerance=1e-3)
    done("prototypes: the mean of its examples stands for a class, and the nearest mean gets the largest logit.")


def _minus_squares(query, means):
    return -(query[:, None] - means).square().sum(2)        # [Q, N]


def _prototypes(use=_minus_squares, stands=lambda examples: examples.mean(0)):
    """The exercise: `use` of the queries [Q, F] and of what `stands` for each class [N, F]."""
    return lambda support, y, query, n_way: use(query, torch.stack([stands(support[y == c]) for c in range(n_way)]))


def _from_rows(means):
    """As if the rows of the support told the class: `means` of support and n_way."""
    return lambda support, y, query, n_way: _minus_squares(query, means(support, n_way))


def _from_distances(use):
    """`use` of the squared distances [Q, K] from the queries to the examples of each class."""
    return lambda support, y, query, n_way: torch.stack(
        [-use(torch.cdist(query, support[y == c]).square()) for c in range(n_way)], 1)


def _evenly(support, y, query, n_way):
    """As if all classes had equally many examples."""
    return _prototypes(stands=lambda examples: examples.sum(0) * n_way / len(y))(support, y, query, n_way)


def _sorted(support, y, query, n_way):
    """As if all classes had equally many examples, once the support is sorted."""
    order = y.argsort(stable=True)
    return _from_rows(lambda s, n: s[order].view(n, -1, s.shape[1]).mean(1))(support, y, query, n_way)


def _by_appearance(support, y, query, n_way):
    stands = [support[y == c].mean(0) for c in dict.fromkeys(y.tolist())]
    return _minus_squares(query, torch.stack(stands))


def _cut(support, y, query, n_way):
    """Every class cut to as many examples as the smallest has."""
    return _prototypes(stands=lambda examples: examples[:y.bincount().min()].mean(0))(support, y, query, n_way)


def _unit(x):
    return torch.nn.functional.normalize(x, dim=-1)


@check
def moments(function):
    """Check `function(x) -> (mean, spread)`: of the ink of images, each [B, 2], in pixels, across and then down.

    x: float [B, H, W], columns and rows numbered from 0, ink in every image.
    """
    for n, h, w in ((3, 6, 9), (5, 8, 7)):
        rng = torch.Generator().manual_seed(n)
        x = torch.rand(n, h, w, generator=rng) * (torch.rand(n, h, w, generator=rng) > 0.4)
        x[:, :, :2] *= 0.2      # more ink at the right, and in the first image at the bottom
        x[0, :3] = 0
        given = x.clone()
        came = [tensor(value, name) for value, name in zip(returned(function(given), "mean", "spread"),
                                                           ("mean", "spread"))]
        check_unchanged(x=(given, x))
        for value, name in zip(came, ("mean", "spread")):
            shaped(value, (n, 2), name, {
                (2,): "you took all images together. Where is the ink of each?",
                (2, n): "images are columns in your answer. Each image has a row.",
                (n,): "one number for each image is not enough. Where is its ink across, and where down?",
                (n, w): "that is a number for each column. What is their mean, with ink as weights?",
                (n, h): "that is a number for each row. What is their mean, with ink as weights?",
            }, "each image has two numbers, across and down.")
        for i, (value, hint) in enumerate(zip(came, (
                "multiply the ink of each pixel by the number of its column, and add up. Divide by what?",
                "the square of the spread is the mean of squared distances from the mean, with ink as weights."))):
            mistakes = [(lambda x, wrong=wrong, i=i: wrong(x)[i], its) for wrong, its in MISTAKES["moments"]]
            compare(value, _moments()(x)[i], mistakes, (x,), hint)
    _check_thin(function)
    done("moments: where the ink lies and how far it spreads, for each image by itself.")


def _check_thin(function):
    """Upright strokes, one pixel wide: their spread across is 0."""
    x = torch.zeros(24, 5, 28)
    x[torch.arange(24), :, torch.arange(24) + 3] = torch.linspace(0.1, 1, 24)[:, None]
    _, spread = function(x.clone())
    worst = (spread - torch.tensor([0, 2**0.5])).abs().nan_to_num(torch.inf).argmax().item()
    came, right = spread.flatten()[worst].item(), (0, 2**0.5)[worst % 2]
    require(abs(came - right) < 0.05, f"a spread of {right:.2f} for an upright stroke, one pixel wide", f"{came:.2f}",
            "the mean of squares and the square of the mean are nearly equal here, and their rounded difference may "
            "fall below 0. What else has the variance as its mean?")


def _moments(ink=lambda x: (x.sum(1), x.sum(2)), place=lambda n: torch.arange(n).float(),
             total=lambda ink: ink.sum(1), square=lambda square, mean: (square - mean.square()).clamp(min=0),
             root=lambda square: square.sqrt()):
    """The exercise. ink: of images, the ink of each column [B, W] and of each row [B, H]; total: of such ink [B]."""
    def moments(x):
        sides = []
        for side in ink(x):
            mean = side @ place(side.shape[1]) / total(side)
            sides.append((mean, root(square(side @ place(side.shape[1]).square() / total(side), mean))))
        return tuple(torch.stack(each, dim=1) for each in zip(*sides))
    return moments


def _spread_of(spread):
    """The right mean; the spread [B] is `spread` of the ink [B, N] along one side, the places [N] and the means [B]."""
    def moments(x):
        mean, _ = _moments()(x)
        sides = [spread(ink, torch.arange(ink.shape[1]).float(), mean[:, k])
                 for k, ink in enumerate((x.sum(1), x.sum(2)))]
        return mean, torch.stack(sides, dim=1)
    return moments


def _all_together(x):
    return tuple(value.expand(len(x), 2) for value in _moments()(x.sum(0, keepdim=True)))


@check
def leaks(function):
    """Check `function(support_x, query_x) -> bool [T, Q]`: is a query identical to a support image of its own task?

    support_x float [T, S, 1, H, W], query_x float [T, Q, 1, H, W].
    """
    for support_x, query_x, near, turned in (_tasks_to_audit(), _more_tasks_to_audit()):
        given = support_x.clone(), query_x.clone()
        answer = function(*given)
        check_unchanged(support_x=(given[0], support_x), query_x=(given[1], query_x))
        came = tensor(*returned([answer] if isinstance(answer, list) else answer, "leaks"), "leaks")
        (n_tasks, n_support), n_query = support_x.shape[:2], query_x.shape[1]
        shaped(came, (n_tasks, n_query), "leaks", {
            (n_tasks,): "you gave one answer for each task. Which of its queries leaked?",
            (n_tasks, n_support): "you gave one answer for each support image. Which queries leaked?",
            (n_tasks, n_query, n_support): "that is a table of pairs. When has a query leaked?",
            (n_tasks, n_support, n_query): "that is a table of pairs. When has a query leaked?",
        }, "return one yes or no for each query of each task.")
        require(came.dtype == torch.bool, "yes or no for each query (torch.bool)", f"{came.dtype}",
                "you returned numbers. The question is whether a query leaked, not how often, or how near it is.")
        right = _leaks(support_x, query_x)
        for misses, hint in (
                *((came != right, hint) for wrong, hint in MISTAKES["leaks"]
                  if torch.equal(came, wrong(support_x, query_x))),
                (came & ~(right | near | turned), "no support image of this task is the same in every pixel."),
                (came & near, "this query is almost alike in all pixels, or alike in all but one, so it is not "
                              "identical. Which difference do you allow?"),
                (came & turned, "the same pixels in other places make another image. Do you compare place by place?"),
                (right & ~came, "some support image is the same in every pixel. Do you find it?")):
            _nowhere(misses, right, hint)
    done("leaks: every query that stands in its own support, and no other.")


def _agreement(support_x, query_x):
    return (query_x[:, :, None] == support_x[:, None]).flatten(3)       # [T, Q, S, pixels]


def _leaks(support_x, query_x):
    return _agreement(support_x, query_x).all(3).any(2)


def _leaks_of(use):
    """`use` of the table [T, Q, S, pixels] of where two images agree."""
    return lambda support_x, query_x: use(_agreement(support_x, query_x))


def _leaks_by_ink(support_x, query_x):
    return (query_x.flatten(2).sum(2)[:, :, None] == support_x.flatten(2).sum(2)[:, None]).any(2)


def _leaks_anywhere(support_x, query_x):
    return _leaks(support_x.flatten(0, 1).expand(len(support_x), -1, -1, -1, -1), query_x)


def _nowhere(misses, right, hint):
    """Require that no answer miss, bool [T, Q]; the message names the first that does."""
    for task, query in misses.nonzero().tolist()[:1]:
        wanted = right[task, query].item()
        require(False, f"{wanted} for task {task}, query {query}", f"{not wanted}", hint)


def _tasks_to_audit():
    """Three tasks of six supports and six queries: support_x, query_x, and which queries are near misses, [T, Q]."""
    kinds = [row.split() for row in ("copy near fresh here other turned", "other copy mosaic near fresh copy",
                                     "turned fresh near other mosaic hair")]
    rng = torch.Generator().manual_seed(5)
    support, query = torch.randint(5, (2, 3, 6, 1, 4, 5), generator=rng) / 4     # quarters: sums are exact
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
    rng = torch.Generator().manual_seed(6)
    support, query = (torch.rand(2, n, 1, 8, 7, generator=rng) for n in (30, 26))
    query[:, ::2] = support[:, 5:18]
    return support, query, *torch.zeros(2, 2, 26, dtype=torch.bool)


@check
def paired_interval(function):
    """Check `function(a, b) -> (mean, half_width)`: the 95 % interval of a - b, accuracies on the same episodes.

    a, b float [n]: entry i of both belongs to episode i.
    """
    for n, gap in ((200, 0.03), (700, -0.02)):
        rng = torch.Generator().manual_seed(n)
        ease, noise = torch.rand(n, generator=rng), torch.randn(2, n, generator=rng) * 0.03
        a, b = (0.5 + 0.4 * ease + noise[0]).clamp(0, 1), (0.55 - gap + 0.3 * ease + noise[1]).clamp(0, 1)
        given = a.clone(), b.clone()
        results = returned(function(*given), "mean", "half-width")
        check_unchanged(a=(given[0], a), b=(given[1], b))
        mean, half = (one_number(result, name) for result, name in zip(results, ("the mean", "the half-width")))
        middle, right = (x.item() for x in _paired()(a, b))
        mistakes = [(*wrong(a, b), hint) for wrong, hint in MISTAKES["paired_interval"]]
        hints = [hint for wrong, _, hint in mistakes if abs(mean - wrong) <= 1e-5]
        require(abs(mean - middle) < 1e-5, f"the mean {middle:.4f} of a - b", f"{mean:.4f}",
                [*hints, "take the average over episodes of what a has more than b."][0])
        hints = [hint for _, wrong, hint in mistakes if abs(half - wrong) <= 0.005 * abs(wrong)]
        require(abs(half / right - 1) < 0.02, f"a half-width of {right:.5f} for these n={n} pairs", f"{half:.5f}",
                [*hints, "how far does a - b scatter from episode to episode? How much less does its mean scatter, and "
                         "how many of those for 95 %?"][0])
    done("paired_interval: what makes an episode hard for both cancels, and a smaller difference can be seen.")


def _half_width(x):
    return 1.96 * x.std() / len(x)**0.5


def _paired(mean=lambda a, b: (a - b).mean(), half=lambda a, b: _half_width(a - b)):
    return lambda a, b: (mean(a, b), half(a, b))


def _half_of(half):
    """The half-width is `half` of the differences [n]."""
    return _paired(half=lambda a, b: half(a - b))


MISTAKES = {
    "prototypes": [
        *((wrong, "the nearest class gets the smallest logit. Which class should get the largest?")
          for wrong in (_prototypes(lambda q, p: -_minus_squares(q, p)), _prototypes(torch.cdist))),
        (_prototypes(lambda q, p: -torch.cdist(q, p)),
         "you took the distance. Does the formula have the distance, or its square?"),
        (_prototypes(stands=lambda x: x.sum(0)),
         "that is the sum of the examples of a class. Should a prototype grow with their number?"),
        (_evenly, "you divided by the same number for every class. How many examples has each? Count them."),
        (_sorted, "you sorted the support by class, and then you took equally many examples for each class. How many "
                  "has each here?"),
        (_by_appearance, "your columns stand in the order in which the classes appear in the support. Which column "
                         "belongs to label 0?"),
        (_cut, "some examples were left out. A prototype is the mean of all examples of its class."),
        *((_from_rows(means), "you took the support as sorted by class. What says to which class an example belongs?")
          for means in (lambda support, n_way: support.view(n_way, -1, support.shape[1]).mean(1),
                        lambda support, n_way: support.view(-1, n_way, support.shape[1]).mean(0))),
        (_prototypes(lambda q, p: _minus_squares(q, p) / q.shape[1]),
         "you averaged over the features. A squared distance is a sum over them."),
        *((_prototypes(use), "you took the softmax. Return logits: the softmax is part of the cross-entropy.")
          for use in (lambda q, p: _minus_squares(q, p).softmax(1), lambda q, p: _minus_squares(q, p).log_softmax(1),
                      lambda q, p: _minus_squares(q, p).softmax(0))),
        (_prototypes(lambda q, p: q @ p.T),
         "that is an inner product, so a far prototype can win by its length. What says how near it is?"),
        (_from_distances(lambda squares: squares.amin(1)),
         "you took the nearest example of each class. What stands for the whole class?"),
        *((_from_distances(use), "you took the distances to single examples. Which comes first, their mean or the "
                                 "distance?")
          for use in (lambda squares: squares.mean(1), lambda squares: squares.sum(1))),
        *((wrong, "you scaled vectors to length 1, but their length matters too. Leave the features as they are.")
          for wrong in (_prototypes(lambda q, p: _minus_squares(_unit(q), _unit(p))),
                        _prototypes(lambda q, p: _unit(q) @ _unit(p).T),
                        _prototypes(lambda q, p: _minus_squares(_unit(q), p), lambda x: _unit(x).mean(0)))),
        (_prototypes(lambda q, p: -torch.cdist(q, p, p=1)),
         "you added up absolute differences. Does the formula have absolute values or squares?"),
    ],
    "moments": [
        (_moments(ink=lambda x: (x.sum(2), x.sum(1))),
         "down comes first in your answer. Which dimension of x counts the columns?"),
        (_moments(place=lambda n: torch.arange(n) + 1.0), "you number columns and rows from 1. Which number is first?"),
        (_moments(place=lambda n: (2 * torch.arange(n) + 1) / n - 1),
         "your places run from -1 to 1, border to border. Here columns and rows are counted."),
        (_moments(place=lambda n: torch.arange(n) - (n - 1) / 2),
         "you count from the middle of the image. Which column has the number 0?"),
        (_moments(ink=lambda x: ((x > 0).float().sum(1), (x > 0).float().sum(2))),
         "you count pixels with ink, and faint ink weighs as much as strong ink. How much should it?"),
        *((_moments(total=total), "you did not divide by the ink of the image. What makes weights add up to 1?")
          for total in (lambda ink: 1.0, lambda ink: ink.shape[1], lambda ink: (ink > 0).sum(1))),
        (_moments(total=lambda ink: ink.sum() / len(ink)),
         "you divided by the ink of the average image. How much ink has each?"),
        (_all_together, "you took all images together. Where is the ink of each?"),
        (_moments(ink=lambda x: (x.amax(1), x.amax(2))),
         "you took the strongest ink of each column and row. How much ink is in them?"),
        (lambda x: _moments()(x)[::-1], "your results are in the wrong order. Return the mean first, then the spread."),
        (_moments(root=lambda square: square), "that is the variance. What has the unit of a pixel?"),
        (_moments(square=lambda square, mean: square),
         "you measured from column and row 0. How far is the ink from its mean?"),
        (_spread_of(lambda ink, place, mean: (ink @ (place - (len(place) - 1) / 2).square() / ink.sum(1)).sqrt()),
         "you measured from the middle of the image. How far is the ink from its mean?"),
        (_spread_of(lambda ink, place, mean: (ink * (place - mean[:, None]).abs()).sum(1) / ink.sum(1)),
         "you averaged distances. The standard deviation averages their squares."),
        *((_spread_of(spread), "that is how unevenly the ink is shared out, not how far it spreads. Deviation of what?")
          for spread in (lambda ink, place, mean: ink.std(1), lambda ink, place, mean: ink.std(1, correction=0))),
        (_spread_of(lambda ink, place, mean: place.std().expand(len(ink))),
         "your spread is the same for every image. Where does the ink come in?"),
    ],
    "leaks": [
        (lambda *given: ~_leaks(*given), "your answers are upside down. True is for a leak."),
        (_leaks_of(lambda same: same.all(3).all(2)),
         "you ask whether a query is the same as all support images. Is one enough?"),
        (lambda support_x, query_x: (torch.cdist(query_x.flatten(2), support_x.flatten(2)) == 0).any(2),
         "cdist multiplies matrices and rounds, so equal images may get a distance just above 0. Compare pixels."),
        (_leaks_of(lambda same: same.all(3).diagonal(dim1=1, dim2=2)),
         "you compare each query with one support image only. May the leak be in another?"),
        (_leaks_of(lambda same: same.all(3).any(1)), "those are the support images that leaked. Which queries did?"),
        (_leaks_anywhere, "you also search the support of other tasks, which cannot help. Whose support can?"),
        (_leaks_of(lambda same: same.any(3).any(2)),
         "one equal pixel is enough for you, but images of different characters agree in some. How many must agree?"),
        (_leaks_of(lambda same: same.any(2).all(2)),
         "each pixel is found in some support image, but not all in the same. Is one image the same everywhere?"),
        (_leaks_by_ink, "you compare the amount of ink. Is as much ink in another place the same image?"),
        (lambda *given: _leaks(*given).any(1, keepdim=True).expand(_leaks(*given).shape),
         "you marked all queries of a task as soon as one leaked. Did every query leak?"),
    ],
    "paired_interval": [
        (_paired(mean=lambda a, b: (b - a).mean()),
         "the sign is wrong. The mean is above 0 where a is the better learner, below 0 where b is."),
        (_paired(mean=lambda a, b: (a - b).abs().mean()),
         "you dropped the signs. How should an episode count on which b is the better?"),
        *((_paired(mean=mean), "that is an end of the interval. Return the middle, and the distance to an end.")
          for mean in (lambda a, b: (a - b).mean() - _half_width(a - b),
                       lambda a, b: (a - b).mean() + _half_width(a - b))),
        (lambda a, b: (_half_width(a - b), (a - b).mean()),
         "your results are in the wrong order. Return the mean first, then the half-width."),
        *((_paired(mean=mean), "that is the mean of one learner. How much better is it than the other?")
          for mean in (lambda a, b: a.mean(), lambda a, b: b.mean())),
        (_paired(mean=lambda a, b: (a - b).sum()),
         "that is the sum over the episodes. Should it grow with their number?"),
        (_paired(half=lambda a, b: (_half_width(a)**2 + _half_width(b)**2)**0.5),
         "that is right for two separate sets of episodes. Here hard episodes are hard for both learners. What varies "
         "from pair to pair?"),
        (_paired(half=lambda a, b: _half_width(a) + _half_width(b)),
         "you added two half-widths, which is too wide even for learners with episodes of their own. What varies from "
         "pair to pair?"),
        *((_paired(half=half), "you subtracted one scatter from the other, but b need not scatter where a does. What "
                               "varies from pair to pair?")
          for half in (lambda a, b: _half_width(a) - _half_width(b), lambda a, b: a.std() - b.std())),
        *((_paired(half=half), "that is the interval of one learner. What varies from pair to pair?")
          for half in (lambda a, b: _half_width(a), lambda a, b: _half_width(b))),
        *((_paired(half=half), "you pooled the accuracies of both learners. What varies from pair to pair?")
          for half in (lambda a, b: _half_width(torch.cat([a, b])),
                       lambda a, b: _half_width(torch.cat([a, b])) * 2**0.5)),
        (_half_of(lambda d: _half_width(d) / 2**0.5),
         "you counted the values of both learners. How many pairs are there?"),
        *((_half_of(half), "that is how far single differences scatter. How much less does their mean scatter?")
          for half in (lambda d: d.std(), lambda d: 1.96 * d.std())),
        (_half_of(lambda d: 1.96 * d.std() / len(d)),
         "the mean of n differences scatters less than one of them, but not n times less. How much less?"),
        (_half_of(lambda d: d.std() / len(d)**0.5),
         "that is one standard error, which covers about 68 %, not 95 %. How many of them cover 95 %?"),
        (_half_of(lambda d: 2 * d.std() / len(d)**0.5),
         "you took 2 standard errors, which is a rule of thumb. Which number, to two decimals, covers 95 %?"),
        (_half_of(lambda d: 2 * _half_width(d)), "that is the whole width. How far is it from the mean to one end?"),
        (_half_of(lambda d: -_half_width(d)), "a half-width is a distance. Can it be negative?"),
        (_half_of(lambda d: d.mean() + _half_width(d)), "that is an end of the interval. How far is it from the mean?"),
        (_half_of(lambda d: _half_width(d.abs())),
         "you dropped the signs, and differences without their sign scatter less. How far do they scatter with it?"),
        *((_half_of(half), "you used the variance. Which has the unit of an accuracy: variance or standard deviation?")
          for half in (lambda d: 1.96 * d.var() / len(d)**0.5, lambda d: d.var(), lambda d: d.var() / len(d))),
    ],
}
