"""Checks of the exercises of notebook 06, episodes."""


import torch

from ._base import compare, done, one_number, require, returned, shaped, tensor


def split_by_alphabet(function):
    """Check `function(alphabets, n_held, generator) -> held`: the indices of all classes of n_held random alphabets.

    alphabets: list [C], the name of each class's alphabet; held: list or int tensor, in any order.
    """
    alphabets = ["Greek", "Latin", "Greek", "Tifinagh", "Hebrew", "Latin", "Greek", "Korean", "Latin", "Tifinagh",
                 "Greek", "Korean", "Hebrew", "Latin", "Greek", "Hebrew"]
    for n_held in (2, 4):
        def draws(ending="", n_held=n_held, n=60):
            rng, names = torch.Generator().manual_seed(n_held), [name + ending for name in alphabets]
            return [_held_classes(function(names.copy(), n_held, rng), alphabets, n_held) for _ in range(n)]

        held = draws()
        require(draws() == held, "the same classes from a generator in the same state", "others",
                 "which call draws without `rng`?")
        require(any(classes != held[0] for classes in held), "other alphabets from time to time", "the same 60 times",
                 "where does your code draw, and does it begin anew each time?")
        alone = [alphabets[min(classes)] for classes in draws(n_held=1, n=600)]
        counts = {name: alone.count(name) for name in sorted(set(alphabets))}
        reached = {alphabets[i] for classes in held for i in classes}
        require(len(reached) == 5, "all 5 alphabets held out, now and then, in 60 draws", f"only {sorted(reached)}",
                 "which alphabets can your code never reach?")
        require(all(70 < counts[name] < 170 for name in counts), "each of 5 alphabets about 120 times in 600 draws of "
                 "one", f"{counts}", "every alphabet is equally likely, however many classes it has. Do you draw among "
                                     "alphabets or among classes?")
        require(all(draws(ending) == held for ending in (" I", " II", " III", " IV", " V")),
                 "the same classes with 'Greek I' for 'Greek', 'Latin I' for 'Latin', and so on", "others",
                 "a set of names has another order whenever Python starts, and so has your split. Which order of the "
                 "names stays?")
    done("split_by_alphabet: whole alphabets on one side or the other, and the generator alone decides which.")


def _held_classes(answer, alphabets, n_held):
    """`answer` as a set of indices, which are those of all classes of n_held alphabets."""
    require(hasattr(answer, "__iter__"), "a list or tensor of indices", type(answer).__name__,
             "does your function end with `return ...`?")
    held = answer.tolist() if hasattr(answer, "tolist") else list(answer)
    held = [i.item() if isinstance(i, torch.Tensor) and i.dim() == 0 else i for i in held]
    for kinds, hint in ((str, "positions in the list `alphabets`, not the names that stand there."),
                        (bool, "that is a mask, a yes or no for each class. At which positions is it True?"),
                        ((list, tuple, set, torch.Tensor), "one flat list: not one for each alphabet, and without "
                                                           "the rest."),
                        (float, "indices are whole numbers.")):
        require(not any(isinstance(i, kinds) for i in held), "indices of classes", f"{held[0]!r} first", hint)
    require(set(held) <= set(range(len(alphabets))), f"indices from 0 to {len(alphabets) - 1}", f"{sorted(held)}",
             "positions in the list `alphabets`, the first of which is 0.")
    require(len(held) != n_held, f"all classes of {n_held} alphabets", f"{n_held} indices, {held}",
             "n_held counts alphabets, and each of these has several classes.")
    taken = [alphabets[i] for i in set(held)]
    for name in dict.fromkeys(taken):
        require(taken.count(name) == alphabets.count(name), "each alphabet on one side of the split",
                 f"{taken.count(name)} of the {alphabets.count(name)} classes of '{name}' held out",
                 "with some of its letters seen in training, an alphabet is not new. What is to be drawn, and are the "
                 "classes of an alphabet next to each other?")
    require(len(taken) == len(held), "every index once", f"{sorted(held)}", "what puts an index there twice?")
    n_taken, n_all = len(set(taken)), len(set(alphabets))
    require(n_taken != n_all - n_held, f"{n_held} alphabets of {n_all}", f"{n_taken}",
             "are these the ones held out, or the rest?")
    require(n_taken == n_held, f"{n_held} alphabets of {n_all}", f"{n_taken}",
             "was an alphabet drawn, put back, and drawn again?")
    return set(held)


def prototypes(function):
    """Check `function(support, support_y, query, n_way) -> logits [Q, N]`: minus squared distances to class means.

    Features: support float [S, F], query float [Q, F]; support_y int64 [S] in any order. Source: Snell et al. 2017.
    """
    rng, unit = torch.Generator().manual_seed(8), torch.nn.functional.normalize
    for n_way, labels, n_query, f in ((3, [2, 0, 1, 1, 2, 0], 5, 4), (4, [3, 1, 0, 3, 2, 1, 3, 1, 3, 2], 7, 5)):
        y = torch.tensor(labels)
        support, query = (torch.randn(n, f, generator=rng) * 2 + 1 for n in (len(y), n_query))
        inputs = support.clone().requires_grad_(), query.clone().requires_grad_()
        came = tensor(*returned(function(inputs[0], y.clone(), inputs[1], n_way), "logits"), "logits")
        shaped(came, (n_query, n_way), "logits", {
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
        compare(came, right, [
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
        require(came.requires_grad, "logits that remember their graph", "plain numbers", hint)
        slopes = torch.autograd.grad(came.sum(), inputs, allow_unused=True)
        require(all(s is not None for s in slopes), "a gradient in the support and in the queries", "only one", hint)
    done("prototypes: the mean of its examples stands for a class, and the nearest mean gets the largest logit.")


def _minus_squares(query, means):
    return -(query[:, None] - means).square().sum(2)        # [Q, N]


def leaks(function):
    """Check `function(support_x, query_x) -> bool [T, Q]`: is a query identical to a support image of its own task?

    support_x float [T, S, 1, H, W], query_x float [T, Q, 1, H, W].
    """
    for support_x, query_x, near, turned in (_tasks_to_audit(), _more_tasks_to_audit()):
        answer = function(support_x.clone(), query_x.clone())
        came = tensor(*returned([answer] if isinstance(answer, list) else answer, "leaks"), "leaks")
        (n_tasks, n_support), n_query = support_x.shape[:2], query_x.shape[1]
        shaped(came, (n_tasks, n_query), "leaks", {
            (n_tasks,): "which of the queries leaked? One answer for each.",
            (n_tasks, n_support): "one answer for each query, not for each support image.",
            (n_tasks, n_query, n_support): "that is a table of pairs. When has a query leaked?",
            (n_tasks, n_support, n_query): "that is a table of pairs. When has a query leaked?",
        }, "one yes or no for each query of each task.")
        require(came.dtype == torch.bool, "yes or no for each query (torch.bool)", f"{came.dtype}",
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
    done("leaks: every query that stands in its own support, and no other.")


def _nowhere(mistakes, right, hint):
    """Require that no answer be a mistake, bool [T, Q]; the message names the first that is."""
    for task, query in mistakes.nonzero().tolist()[:1]:
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


def paired_interval(function):
    """Check `function(a, b) -> (mean, half_width)`: the 95 % interval of a - b, accuracies on the same episodes.

    a, b float [n]: entry i of both belongs to episode i.
    """
    for n, gap in ((200, 0.03), (700, -0.02)):
        rng = torch.Generator().manual_seed(n)
        ease, noise = torch.rand(n, generator=rng), torch.randn(2, n, generator=rng) * 0.03
        a, b = (0.5 + 0.4 * ease + noise[0]).clamp(0, 1), (0.55 - gap + 0.3 * ease + noise[1]).clamp(0, 1)
        results = returned(function(a.clone(), b.clone()), "mean", "half-width")
        mean, half = (one_number(result, name) for result, name in zip(results, ("the mean", "the half-width")))
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
            require(abs(mean - wrong) > 1e-5, f"the mean {middle:.4f} of a - b", f"{mean:.4f}", hint)
        require(abs(mean - middle) < 1e-5, f"the mean {middle:.4f} of a - b", f"{mean:.4f}",
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
            require(abs(half - wrong) > 0.005 * abs(wrong), expected, f"{half:.5f}", hint)
        require(abs(half / right - 1) < 0.02, expected, f"{half:.5f}",
                 "how far does a - b scatter from episode to episode, how much less does its mean, and how many of "
                 "those for 95 %?")
    done("paired_interval: what makes an episode hard for both cancels, and a smaller difference can be seen.")
