"""Checks of the exercises of notebook 07, MAML."""

import torch

from ._base import NotYet, compare, done, require, returned, tensor


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
    done("adapt: a few steps away from any start; the start stays, and a graph leads back to it.")


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
    require(loss.requires_grad, "a result with a graph that leads back to `params`", "one without", forgotten)
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
    done("meta_gradient: back through the inner step to where it began, with the curvature that first order drops.")


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
    require(not isinstance(answer, dict) or all(g is not None for g in answer.values()), expected,
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
    rng = torch.Generator().manual_seed(k_shot)
    params = {name: torch.randn(p.shape, generator=rng, dtype=torch.float64).requires_grad_()
              for name, p in model.named_parameters()}
    support, query = ((torch.randn(3 * n, 4, generator=rng, dtype=torch.float64),
                       torch.randperm(3 * n, generator=rng) % 3) for n in (k_shot, k_shot + 2))
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
    require(answer is not None, expected, "None", "does your function end with `return ...`?")
    nameless = isinstance(answer, (tuple, list)) and not any(isinstance(part, dict) for part in answer)
    require(not nameless, expected, came,
             "the names are lost, as in what torch.autograd.grad returns. Which name belongs to which tensor?")
    require(isinstance(answer, dict), expected, came, f"return {what}, each tensor under its name, and nothing else.")
    require(set(answer) == set(like), expected, f"one of {', '.join(map(str, answer))}",
             "the same names as in `params`, and all of them.")
    for name, p in like.items():
        shape = list(tensor(answer[name], f"{what}, at {name},").shape)
        require(shape == list(p.shape), f"shape {list(p.shape)} at {name}", f"{shape}",
                 "a parameter, its gradient and its step have the same shape.")
    return answer


def _check_untouched(model, given, params, k_shot):
    """The dict that the function was given, the tensors in it, and the model must be as they were."""
    right_model, right, _, _ = _learner(k_shot)
    require(given.keys() == params.keys() and all(given[name] is p for name, p in params.items()),
             "the dict `params` as it was", "one with other tensors in it",
             "the next task wants to begin at the same start. Which line writes into the dict?")
    require(all(torch.equal(p, right[name]) for name, p in params.items()), "the tensors in `params` as they were",
             "tensors changed in place", "the next task wants to begin at the same start: make new tensors. "
                                         "`-=`, .data and an optimiser change those that are there.")
    require(all(torch.equal(p, old) for p, old in zip(model.parameters(), right_model.parameters())),
             "the model's own weights as they were", "others", "functional_call(model, params, (x,)) runs the model "
             "with any weights and leaves its own alone.")


def _check_no_grad_left(model, params):
    require(all(p.grad is None for p in [*model.parameters(), *params.values()]), "no .grad touched",
             "gradients left behind in the parameters",
             "`backward` writes into the parameters, and adds up. Which function only returns?")


def _compare_params(came, right, lookalikes, hint, what=""):
    """`compare` for dicts {name: tensor}; the message says at which name."""
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
    rng = torch.Generator().manual_seed(18)
    for n_tasks, outer_lr in ((3, 0.4), (4, 0.15)):
        params, *adapted = ({name: torch.randn(shape, generator=rng, dtype=torch.float64) + 0.5
                             for name, shape in (("weight", (3, 2)), ("bias", (3,)))} for _ in range(n_tasks + 1))
        given, *given_adapted = ({name: p.clone() for name, p in tree.items()} for tree in (params, *adapted))
        came = _params(function(given, given_adapted, outer_lr), params, "the new parameters")
        require(_equal([given], [params]), "`params` as they were", "changed ones",
                 "make new tensors in a new dict: what you were given is not yours to change.")
        require(_equal(given_adapted, adapted), "`adapted` as it was", "something else in it",
                 "make new tensors: what you were given is not yours to change.")
        ends = {name: torch.stack([task[name] for task in adapted]) for name in params}         # [T, ...] each
        (right, _), *wrong = [({name: rule(p, ends[name], outer_lr) for name, p in params.items()}, hint)
                              for rule, hint in _REPTILES]
        _compare_params(came, right, wrong,
                        "for each parameter: how far did the tasks move it, on average, and which part is outer_lr?")
    done("reptile: from where all tasks began, a part of the way to where they ended on average.")


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


def exact_batch_norm(function):
    """Check `function(h, weight, bias, eps) -> [B, C, H, W]`: batch norm, right under vmap to the second order.

    h float [B, C, H, W], weight and bias float [C]; for each channel the mean and biased variance of the whole batch.
    """
    rng = torch.Generator().manual_seed(15)
    for shape, eps in (((4, 4, 4, 4), 0.1), ((5, 3, 2, 6), 0.3)):       # equal sizes let mistakes run
        h = torch.randn(shape, generator=rng, dtype=torch.float64) * 1.5
        h = h + torch.randn(shape[1], 1, 1, generator=rng, dtype=torch.float64) + 0.5     # no channel around 0
        weight, bias = torch.randn(2, shape[1], generator=rng, dtype=torch.float64) + 0.3
        given = h.clone()
        came = tensor(*returned(function(given, weight.clone(), bias.clone(), eps), "the result"), "the result")
        require(came.shape == shape, f"the shape of h, {list(shape)}", f"{list(came.shape)}",
                 "every number of h is shifted and scaled, and none is joined with another.")
        require(torch.equal(given, h), "h as it was", "an h changed in place", "make a new tensor: `-=` changes h.")
        compare(came, _batch_norm(h, weight, bias, eps), _wrong_norms(h, weight, bias, eps),
                 "for each channel one mean and one biased variance, from all images and pixels; eps beside the "
                 "variance, in the root; then weight and bias of the channel.", tolerance=1e-6)
    _check_slopes_of_norm(function)
    _check_norm_under_vmap(function)
    done("exact_batch_norm: right values, right gradients, and right gradients of gradients, under vmap too.")


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
    rng = torch.Generator().manual_seed(1)
    shapes = {"h": (4, 3, 2, 2), "weight": (3,), "bias": (3,)}
    inputs = {name: torch.randn(shape, generator=rng, dtype=torch.float64).requires_grad_()
              for name, shape in shapes.items()}
    factors = torch.randn(shapes["h"], generator=rng, dtype=torch.float64)

    def slopes(result):
        return _slopes((result * factors).sum(), inputs, materialize_grads=True)

    result = function(*inputs.values(), 0.1)
    graph = "no .detach(), .data, .item() or no_grad: h, weight and bias all pass on a gradient."
    require(result.requires_grad, "a result that knows its graph", "one without", graph)
    _compare_params(slopes(result), slopes(_batch_norm(*inputs.values(), 0.1)), [
        (slopes(_batch_norm(*inputs.values(), 0.1, constant=True)),
         "the values are right, the gradient is not: mean and variance depend on h too. What hides that?"),
    ], f"the values are right, the gradient is not: {graph}", "the gradient ")


def _check_norm_under_vmap(function):
    """The meta-gradient of a convolution with `function` behind it must be that of a loop over tasks."""
    rng = torch.Generator().manual_seed(0)
    shapes = {"kernel": (3, 1, 2, 2), "weight": (3,), "bias": (3,)}
    params = {name: torch.randn(shape, generator=rng, dtype=torch.float64).requires_grad_()
              for name, shape in shapes.items()}
    support_x, query_x = torch.randn(2, 4, 6, 1, 4, 4, generator=rng, dtype=torch.float64)    # [T, B, 1, H, W]
    support_y, query_y = torch.rand(2, 4, 6, generator=rng).argsort(-1) % 3                   # [T, B]

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
    require(abs(came - truth) < 1e-9, f"the loss {truth:.6f} under vmap, as in a loop over tasks", f"{came:.6f}",
             "does your function count the dimensions or sizes of h, or remember an earlier call?")
    right, slopes = (torch.cat([s.flatten() for s in _slopes(loss, params).values()]) for loss in (truth, came))
    error = ((slopes - right).norm() / right.norm()).item()
    require(error < 1e-6, "under vmap the meta-gradient of a loop over tasks",
             f"the same loss, {came:.6f}, and a meta-gradient that is off by {error:.2%}",
             "the loss is right, the second-order gradient under vmap is not. Which of torch's functions does the "
             "normalising for you? Write out what it computes.")
