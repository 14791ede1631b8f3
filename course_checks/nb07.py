"""Checks of the exercises of notebook 07, MAML."""

from functools import partial

import torch

from ._base import NotYet, check, check_unchanged, compare, done, require, returned, tensor


@check
def adapt(function):
    """Check `function(model, params, x, y, lr, steps) -> params`: gradient descent on a support, with a graph.

    x float [N*K, F], y int64 [N*K]. params, in and out: {name: tensor}, for torch.func.functional_call. The loss is the
    mean cross-entropy; a meta-gradient must be able to flow back through all steps.
    """
    for k_shot, lr, steps in ((2, 0.4, 1), (3, 0.3, 3)):
        model, params, support, query = _learner(k_shot)
        given, (x, y) = dict(params), [part.clone() for part in support]
        came = _params(_stepped(function, model, given, x, y, lr, steps), params, "the new parameters")
        _check_untouched(model, given, params, k_shot)
        check_unchanged(x=(x, support[0]), y=(y, support[1]))
        right, arguments = _descend(model, params, *support, lr, steps), (model, params, *support, lr, steps)
        _compare_params(came, right, MISTAKES["adapt"], arguments,
                        "each step takes the gradient at the parameters that the step before it left. Then every "
                        "parameter goes lr times its gradient downhill.")
        _check_no_grad_left(model, params)
        _check_graph(_cross_entropy(model, came, *query), _cross_entropy(model, right, *query), right, params)
    done("adapt: a few steps away from any start; the start stays, and a graph leads back to it.")


def _stepped(function, *arguments):
    """What `function` returns, or a hint where torch refuses its step."""
    try:
        return function(*arguments)
    except RuntimeError as error:
        reason = str(error).split(".")[0]
        hints = {
            "in-place": "torch refuses to change in place what it is to differentiate. Which operation makes a new "
                        "tensor?",
            "not have been used in the graph":
                "this loss knows other weights than those with respect to which you differentiate. With which "
                "weights did the model run, and in which step?"}
        hint = next((hints[words] for words in hints if words in str(error)), None)
        if hint is None:
            raise
        raise NotYet(f"expected a step of gradient descent; got an error of torch, '{reason}'. Hint: {hint}") from error


def _check_graph(loss, right_loss, adapted, params):
    """The query loss must have its right gradient with respect to the `params` from which the steps began."""
    broken = ("the values are right, but the graph from `params` to the result is broken. Is there a .detach(), .data, "
              ".item() or no_grad?")
    require(loss.requires_grad, "a result with a graph that leads back to `params`", "one without", broken)
    first_order = dict(zip(params, _slopes(right_loss, adapted, retain_graph=True).values()))
    _compare_params(_slopes(loss, params, materialize_grads=True), _slopes(right_loss, params), [
        (lambda: {name: torch.zeros_like(p) for name, p in params.items()}, broken),
        (lambda: first_order, "the values are right, but each inner gradient counts as a constant, so what flows back "
                              "is first-order. What must a gradient have to be differentiated, as for R1 in notebook "
                              "02?"),
    ], (), "the values are right, but the gradient of a query loss does not flow back through every step. Which step "
        "or which parameter is cut off?", "the meta-gradient ")


def _with(change, **mistake):
    """`adapt` after a `change` of lr and steps; it also knows the number of images. mistake: options of `_descend`."""
    return lambda model, params, x, y, lr, steps: _descend(model, params, x, y, *change(lr, steps, len(x)), **mistake)


def _slopes_at_own(model, params, x, y, lr, steps):
    own = dict(model.named_parameters())
    slopes = _slopes(_cross_entropy(model, own, x, y), own)
    return {name: p - lr * steps * slopes[name] for name, p in params.items()}


@check
def meta_gradient(function):
    """Check `function(model, params, support_x, support_y, query_x, query_y, lr) -> gradients`, of second order.

    The gradient {name: tensor} of the query's mean cross-entropy after ONE inner step on the support, with respect to
    `params` {name: tensor}, from which that step begins. x float [N*K, F] and [N*Q, F], y int64 [N*K] and [N*Q].
    """
    for k_shot, lr in ((2, 0.5), (3, 0.3)):
        model, params, support, query = _learner(k_shot)
        given, ran_with = dict(params), []
        hook = model.register_forward_pre_hook(lambda net, _, runs=ran_with: runs.append(list(net.parameters())))
        images = [part.clone() for part in (*support, *query)]
        came = _params(_gradients(function, model, given, *images, lr), params, "the gradients")
        hook.remove()
        _check_untouched(model, given, params, k_shot)
        check_unchanged(**{name: pair for name, *pair in zip(("support_x", "support_y", "query_x", "query_y"), images,
                                                             (*support, *query))})
        arguments = model, params, *support, *query, lr
        _compare_params(came, _second_order(*arguments),
                        [(_first_order, _first_order_because(ran_with)), *MISTAKES["meta_gradient"]], arguments,
                        "first take a step on the support, with a graph. Then compute the query loss at its end. Then "
                        "differentiate this loss with respect to `params`, where the step began.")
        _check_no_grad_left(model, params)
    done("meta_gradient: back through the inner step to where it began, with the curvature that first order drops.")


_CUT_OFF = ("`adapted` has no graph that leads back to `params`, so no gradient can flow there. Is there a .detach(), "
            ".data or no_grad?")


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
    return "that is first-order MAML: " + [
        _CUT_OFF,
        "the graph knows the step, but the inner gradient counts as a constant. Does your inner gradient have a graph "
        "of its own?",
        "there is a graph back to `params`, but you do not use it. With respect to what do you differentiate?",
    ][min(leaves, 2)]


def _second_order(model, params, support_x, support_y, query_x, query_y, lr):
    adapted = _descend(model, params, support_x, support_y, lr)
    return _slopes(_cross_entropy(model, adapted, query_x, query_y), params)


def _first_order(model, params, support_x, support_y, query_x, query_y, lr):
    adapted = _descend(model, params, support_x, support_y, lr)
    return _slopes(_cross_entropy(model, adapted, query_x, query_y), adapted)


def _on(change, order=_second_order):
    """The gradient after a `change` of support, query (x and y each) and lr."""
    def gradient(model, params, support_x, support_y, query_x, query_y, lr):
        support, query, lr = change((support_x, support_y), (query_x, query_y), lr)
        return order(model, params, *support, *query, lr)
    return gradient


def _two_steps(model, params, support_x, support_y, query_x, query_y, lr):
    adapted = _descend(model, params, support_x, support_y, lr, 2)
    return _slopes(_cross_entropy(model, adapted, query_x, query_y), params)


_of_support = _on(lambda support, query, lr: (support, support, 0))
_of_query = _on(lambda support, query, lr: (support, query, 0))


def _sum(*parts):
    """parts: (factor, function), ... The sum of the functions' gradients, each times its factor."""
    def gradient(*arguments):
        trees = [(factor, function(*arguments)) for factor, function in parts]
        return {name: sum(factor * tree[name] for factor, tree in trees) for name in trees[0][1]}
    return gradient


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
    require(isinstance(answer, dict), expected, came, f"return only {what}, each tensor under its name.")
    require(set(answer) == set(like), expected, f"one of {', '.join(map(str, answer))}",
            "return the same names as in `params`, all of them.")
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
            "the next task needs the same start. Which line writes into the dict?")
    require(all(torch.equal(p, right[name]) for name, p in params.items()), "the tensors in `params` as they were",
            "tensors changed in place", "the next task needs the same start, so make new tensors. `-=`, .data and an "
                                        "optimiser change the old ones.")
    require(all(torch.equal(p, old) for p, old in zip(model.parameters(), right_model.parameters())),
            "the model's own weights as they were", "others", "your code changes the model. "
            "functional_call(model, params, (x,)) runs it with any weights and leaves its own alone.")


def _check_no_grad_left(model, params):
    require(all(p.grad is None for p in [*model.parameters(), *params.values()]), "no .grad touched",
            "gradients left behind in the parameters",
            "`backward` adds gradients to the .grad of the parameters. Which function only returns them?")


def _compare_params(came, right, mistakes, arguments, hint, what=""):
    """`compare` for dicts {name: tensor}; the message says at which name."""
    def fits(wanted):
        a, b = (torch.cat([tree[name].detach().flatten() for name in right]) for tree in (came, wanted))
        return (a - b).norm() <= 1e-6 * b.norm()

    if not fits(right):
        hints = [its_hint for wrong, its_hint in mistakes if fits(wrong(*arguments))]
        name = max(right, key=lambda name: (came[name] - right[name]).abs().max())
        place = torch.unravel_index((came[name] - right[name]).abs().argmax(), right[name].shape)   # the worst
        require(False, f"{what}{right[name][place]:.6f} at {name}{[i.item() for i in place]}",
                f"{came[name][place]:.6f}", [*hints, hint][0])


@check
def reptile(function):
    """Check `function(params, adapted, outer_lr) -> params`: Reptile's outer step over T tasks (Nichol et al. 2018).

    params {name: tensor}; adapted: a list of T such dicts. New: params + outer_lr * mean over tasks (adapted - params).
    """
    rng = torch.Generator().manual_seed(18)
    for n_tasks, outer_lr, layer in ((3, 0.4, ""), (4, 0.15, "head.")):
        params, *adapted = ({layer + name: torch.randn(shape, generator=rng, dtype=torch.float64) + 0.5
                             for name, shape in (("weight", (3, 2)), ("bias", (3,)))} for _ in range(n_tasks + 1))
        given, *given_adapted = ({name: p.clone() for name, p in tree.items()} for tree in (params, *adapted))
        try:
            answer = function(given, given_adapted, outer_lr)
        except KeyError as error:
            raise NotYet(f"expected the new parameters under their names, {', '.join(params)}; got a search for "
                         f"{error}. Hint: another model has other names. How do you go through `params`, whatever "
                         "names are in it?") from error
        came = _params(answer, params, "the new parameters")
        require(_equal([given], [params]), "`params` as they were", "changed ones",
                "your code changes its argument, which the caller still needs. Make new tensors in a new dict.")
        require(_equal(given_adapted, adapted), "`adapted` as it was", "something else in it",
                "your code changes its argument, which the caller still needs. Make new tensors.")
        arguments = params, adapted, outer_lr
        _compare_params(came, _reptile(lambda p, ends, lr: p + lr * (ends.mean(0) - p))(*arguments),
                        MISTAKES["reptile"], arguments, "for each parameter, how far did the tasks move it, on "
                                                        "average? Which part of this way does outer_lr ask for?")
    done("reptile: from where all tasks began, a part of the way to where they ended on average.")


def _equal(trees, others):
    """Whether two lists of dicts {name: tensor} hold the same values."""
    return len(trees) == len(others) and all(
        a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a) for a, b in zip(trees, others))


def _reptile(rule):
    """`rule` of a parameter, of where it ended in each task [T, ...], and of outer_lr."""
    return lambda params, adapted, outer_lr: {
        name: rule(p, torch.stack([task[name] for task in adapted]), outer_lr) for name, p in params.items()}


def _in_turn(p, ends, lr):
    for end in ends:
        p = p + lr * (end - p)
    return p


@check
def exact_batch_norm(function):
    """Check `function(h, weight, bias, eps) -> [B, C, H, W]`: batch norm, right under vmap to the second order.

    h float [B, C, H, W], weight and bias float [C]; for each channel the mean and biased variance of the whole batch.
    """
    rng = torch.Generator().manual_seed(15)
    for shape, eps in (((4, 4, 4, 4), 0.1), ((5, 3, 2, 6), 0.3)):       # equal sizes let mistakes run
        h = torch.randn(shape, generator=rng, dtype=torch.float64) * 1.5
        h = h + torch.randn(shape[1], 1, 1, generator=rng, dtype=torch.float64) + 0.5     # no channel around 0
        weight, bias = torch.randn(2, shape[1], generator=rng, dtype=torch.float64) + 0.3
        given = [part.clone() for part in (h, weight, bias)]
        came = tensor(*returned(function(*given, eps), "the result"), "the result")
        require(came.shape == shape, f"the shape of h, {list(shape)}", f"{list(came.shape)}",
                "every number of h is shifted and scaled. Which line joins or drops some?")
        require(came.dtype == h.dtype, f"the type of h, {h.dtype}", f"{came.dtype}",
                "another type rounds otherwise. Which line changes it?")
        check_unchanged(**{name: pair for name, *pair in zip(("h", "weight", "bias"), given, (h, weight, bias))})
        arguments = h, weight, bias, eps
        compare(came, _batch_norm(*arguments), MISTAKES["exact_batch_norm"], arguments,
                "each channel has one mean and one biased variance, from all images and pixels. eps is added to the "
                "variance, in the root. Weight and bias of the channel come last.", tolerance=1e-6)
    _check_norm_far_from_0(function)
    _check_slopes_of_norm(function)
    _check_norm_under_vmap(function)
    done("exact_batch_norm: right values, right gradients, and right gradients of gradients, under vmap too.")


def _batch_norm(h, weight, bias, eps, dims=(0, 2, 3), *, correction=0, constant=False):
    """constant: mean and variance count as constants."""
    mean, variance = h.mean(dims, keepdim=True), h.var(dims, keepdim=True, correction=correction)
    if constant:
        mean, variance = mean.detach(), variance.detach()
    return (h - mean) / (variance + eps).sqrt() * weight[:, None, None] + bias[:, None, None]


def _norm(normalise=lambda h, mean, variance, eps: (h - mean) / (variance + eps).sqrt(),
          finish=lambda z, weight, bias: z * weight + bias):
    """Batch norm in two steps, with mean and variance [1, C, 1, 1], weight and bias [C, 1, 1]."""
    def norm(h, weight, bias, eps):
        mean, variance = h.mean((0, 2, 3), keepdim=True), h.var((0, 2, 3), correction=0, keepdim=True)
        return finish(normalise(h, mean, variance, eps), weight[:, None, None], bias[:, None, None])
    return norm


def _check_norm_far_from_0(function):
    """In float32 and around 3,000, where a mean square minus a squared mean has lost its digits."""
    h = torch.randn(8, 3, 6, 6, generator=torch.Generator().manual_seed(7)) + 3000
    came = function(h.clone(), torch.ones(3), torch.zeros(3), 1e-5).detach().double()
    right = _batch_norm(h.double(), torch.ones(3).double(), torch.zeros(3).double(), 1e-5)
    require((came - right).abs().max() < 0.05, f"a result of standard deviation {right.std():.2f} for images around "
            "3,000, in float32", f"{came.std():.2f}",
            "the values are right near 0, but not here. Does your variance subtract two large numbers that are nearly "
            "equal? Float32 keeps seven digits. What should be subtracted before anything is squared?")


def _check_slopes_of_norm(function):
    rng = torch.Generator().manual_seed(1)
    shapes = {"h": (4, 3, 2, 2), "weight": (3,), "bias": (3,)}
    inputs = {name: torch.randn(shape, generator=rng, dtype=torch.float64).requires_grad_()
              for name, shape in shapes.items()}
    factors = torch.randn(shapes["h"], generator=rng, dtype=torch.float64)

    def slopes(result):
        return _slopes((result * factors).sum(), inputs, materialize_grads=True)

    result = function(*inputs.values(), 0.1)
    graph = "h, weight and bias all pass on a gradient. Is there a .detach(), .data, .item() or no_grad?"
    require(result.requires_grad, "a result with a graph", "one without", graph)
    _compare_params(slopes(result), slopes(_batch_norm(*inputs.values(), 0.1)), [
        (lambda: slopes(_batch_norm(*inputs.values(), 0.1, constant=True)),
         "the values are right, but not the gradient, because mean and variance depend on h too. What hides that?"),
    ], (), f"the values are right, but not the gradient: {graph}", "the gradient ")


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
        raise NotYet(f"expected a function that runs under vmap; got {type(error).__name__}: {reason}. Hint: "
                     "under vmap one tensor stands for those of all tasks. Make new tensors, do not write into old "
                     "ones, and do not ask a tensor for its number.") from error
    require(abs(came - truth) < 1e-9, f"the loss {truth:.6f} under vmap, as in a loop over tasks", f"{came:.6f}",
            "does your function count the dimensions or sizes of h, or remember an earlier call?")
    right, slopes = (torch.cat([s.flatten() for s in _slopes(loss, params).values()]) for loss in (truth, came))
    error = ((slopes - right).norm() / right.norm()).item()
    require(error < 1e-6, "under vmap the meta-gradient of a loop over tasks",
            f"the same loss, {came:.6f}, and a meta-gradient that is off by {error:.2%}",
            "the loss is right, but not the second-order gradient under vmap. Which of torch's functions does the "
            "normalising for you? Write out what it computes.")


MISTAKES = {
    "adapt": [
        (lambda model, params, *rest: params, "the parameters are where they were. Which line moves them?"),
        (_with(lambda lr, steps, n: (-lr, steps)),
         "your steps go uphill, so the loss grows. Which way does a gradient point?"),
        (_with(lambda lr, steps, n: (lr, 1)), "that is one step, whatever `steps` is. What should be repeated?"),
        (_with(lambda lr, steps, n: (lr, max(steps - 1, 1))), "one step is missing. How often does your loop run?"),
        (_with(lambda lr, steps, n: (lr, steps + 1)), "that is one step too many. How often does your loop run?"),
        (_with(lambda lr, steps, n: (lr * steps, 1)),
         "every step has the same gradient, that of the start. Where is the learner by then?"),
        (_with(lambda lr, steps, n: (lr, steps), stay=True),
         "every step goes from the start again, so only the last one counts. From where should the second step go?"),
        (_with(lambda lr, steps, n: (lr, steps), of_start=True),
         "you differentiate with respect to the start in every step. With respect to what should the second step?"),
        (_with(lambda lr, steps, n: (1, steps)), "lr is missing. How long is a step?"),
        (_with(lambda lr, steps, n: (lr * n, steps)),
         "that is the gradient of a sum over the images. Is the loss their sum or their mean?"),
        (_with(lambda lr, steps, n: (lr / n, steps)),
         "you divided by the number of images, but cross_entropy is a mean already."),
        (lambda model, params, *rest: _descend(model, dict(model.named_parameters()), *rest),
         "you began at the model's own weights. Where should the steps start?"),
        (_slopes_at_own, "that is the gradient at the model's own weights. Which weights did the loss run with?"),
        (lambda model, params, x, y, lr, steps: _slopes(_cross_entropy(model, params, x, y), params),
         "you returned the gradients. Where do they lead?"),
    ],
    "meta_gradient": [
        (_sum((0, _second_order)), _CUT_OFF),
        (_sum((2, _first_order), (-1, _second_order)),
         "the part with the Hessian has the wrong sign. Which way does the inner step go?"),
        (_sum((1, _second_order), (-1, _first_order)),
         "that is only the part that first-order MAML leaves out. Which part do you leave out?"),
        (_sum((-1, _second_order)), "that is the direction of descent. Return the gradient itself."),
        (lambda *given: _sum((len(given[4]), _second_order))(*given),       # given[4]: the queries
         "that is the gradient of a sum over the queries. Is the loss their sum or their mean?"),
        (_two_steps, "your inner loop takes two steps. How many does the exercise ask for?"),
        (_of_support, "that is the gradient that the inner step follows. Which loss does the outer step lower?"),
        (_of_query, "you left out the inner step. At which parameters should the query loss be computed?"),
        *((_sum((1, _of_support), (1, other)), "you added the gradient of the support loss. What is the support for?")
          for other in (_second_order, _first_order, _of_query)),
        (lambda model, params, support_x, support_y, query_x, query_y, lr:
         _descend(model, params, support_x, support_y, lr),
         "you returned the adapted parameters. Compute the query loss with them, then differentiate it."),
        *((_on(change, order), hint) for order in (_second_order, _first_order) for change, hint in (
            (lambda support, query, lr: (query, support, lr),
             "support and query have changed places. Which does the inner step learn from?"),
            (lambda support, query, lr: (query, query, lr),
             "the inner step has seen the queries, so they are no test. What may it learn from?"),
            (lambda support, query, lr: (support, support, lr),
             "your outer loss is on the images that the inner step learned from. Which images are the test?"),
            (lambda support, query, lr: (support, query, -lr),
             "your inner step goes uphill. Which way does a gradient point?"),
            (lambda support, query, lr: (support, query, 1), "lr is missing. How long is the inner step?"),
            (lambda support, query, lr: (support, query, lr * len(support[0])),
             "your inner loss is a sum over the images. It should be a mean."))),
    ],
    "reptile": [(_reptile(rule), hint) for rule, hint in (
        (lambda p, ends, lr: p - lr * (ends.mean(0) - p),
         "that moves away from where the tasks led. Which way should the step go?"),
        (lambda p, ends, lr: p + lr * (ends - p).sum(0),
         "with twice as many tasks it goes twice as far. Should it be a sum or a mean?"),
        (lambda p, ends, lr: ends.mean(0), "that goes all the way. Which part of it does outer_lr ask for?"),
        *((lambda p, ends, lr, i=i: p + lr * (ends[i] - p), "one task alone decides. How do the others count?")
          for i in (0, -1)),
        (_in_turn, "you take one task after the other, each from where the one before it led, so their order counts. "
                   "Where did all of them begin?"),
        (lambda p, ends, lr: lr * ends.mean(0), "that shrinks everything towards 0. Where does the step begin?"),
        (lambda p, ends, lr: lr * (ends.mean(0) - p), "that is the step alone. Where does it begin?"),
        (lambda p, ends, lr: p + lr * ends.mean(0),
         "you added where the tasks ended. What is the way from one point to another?"),
        (lambda p, ends, lr: lr * p + (1 - lr) * ends.mean(0),
         "with outer_lr = 0 your parameters go all the way. How far should they go?"),
        (lambda p, ends, lr: p + lr * (ends - p).mean(),
         "you moved a whole tensor by one number. Over what should the mean be?"),
        (lambda p, ends, lr: p, "the parameters are where they were. Which line moves them?"),
    )],
    "exact_batch_norm": [
        (partial(_batch_norm, correction=1),
         "torch's var divides by n - 1 unless told otherwise, but batch norm divides by n."),
        (partial(_batch_norm, dims=(2, 3)),
         "every image has statistics of its own, so that is instance norm. What should a batch share?"),
        (partial(_batch_norm, dims=(1, 2, 3)),
         "all channels of an image share one mean, so that is layer norm. What should share one mean?"),
        (partial(_batch_norm, dims=0), "every pixel has statistics of its own. What should share one mean?"),
        (partial(_batch_norm, dims=(0, 1, 2, 3)), "all channels share one mean. Each channel should have its own."),
        (_norm(lambda h, mean, variance, eps: (h - mean) / variance.sqrt()), "eps is missing. Where does it belong?"),
        (_norm(lambda h, mean, variance, eps: (h - mean) / (variance.sqrt() + eps)),
         "you added eps to the root. What should it be added to?"),
        (_norm(lambda h, mean, variance, eps: (h - mean) / (variance + eps)),
         "you divided by the variance. Which has the unit of h: variance or standard deviation?"),
        (_norm(lambda h, mean, variance, eps: (h - mean) / (variance + mean**2 + eps).sqrt()),
         "that is the mean square, not the variance. About what is a variance measured?"),
        (_norm(lambda h, mean, variance, eps: h / (variance + mean**2 + eps).sqrt()),
         "you never subtract the mean. Which two places need it?"),
        (_norm(lambda h, mean, variance, eps: h / (variance + eps).sqrt()),
         "you divide by the right number, but do not subtract the mean."),
        *((_norm(finish=finish), "weight, bias or both are missing. Which?")
          for finish in (lambda z, weight, bias: z, lambda z, weight, bias: z * weight,
                         lambda z, weight, bias: z + bias)),
        (_norm(finish=lambda z, weight, bias: z * bias + weight),
         "weight and bias have changed places. Which of them scales?"),
        (_norm(finish=lambda z, weight, bias: (z + bias) * weight),
         "you scale the bias too. Which comes first, weight or bias?"),
        *((_norm(finish=finish), "torch matches sizes from the right. On which dimension of h did your [C] land?")
          for finish in (lambda z, weight, bias: z * weight.flatten() + bias.flatten(),
                         lambda z, weight, bias: z * weight[:, 0] + bias[:, 0],
                         lambda z, weight, bias: z * weight[..., None] + bias[..., None])),
        *((_norm(lambda h, mean, variance, eps: (h - mean.flatten()) / (variance.flatten() + eps).sqrt(), finish),
           "torch matches sizes from the right. On which dimension of h did your means [C] land?")
          for finish in (lambda z, weight, bias: z * weight + bias,
                         lambda z, weight, bias: z * weight.flatten() + bias.flatten())),
    ],
}
