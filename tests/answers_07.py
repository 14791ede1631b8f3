"""Right and wrong answers to the exercises of notebook 07."""

import copy

import torch
from torch.func import functional_call, grad, hessian, vmap
from torch.nn.functional import batch_norm, cross_entropy, group_norm

from course_lib import maml

# ---------------------------------------------------------------- answers to `adapt`


def loss_of(model, params, x, y, reduction="mean"):
    return cross_entropy(functional_call(model, params, (x,)), y, reduction=reduction)


def gradients(loss, params, graph=True):
    return dict(zip(params, torch.autograd.grad(loss, list(params.values()), create_graph=graph)))


def adapt_right(model, params, x, y, lr, steps):
    for _ in range(steps):
        slopes = gradients(loss_of(model, params, x, y), params)
        params = {name: p - lr * slopes[name] for name, p in params.items()}
    return params


def adapt_by_func(model, params, x, y, lr, steps):
    for _ in range(steps):
        slopes = grad(lambda p: loss_of(model, p, x, y))(params)
        params = {name: p - lr * slopes[name] for name, p in params.items()}
    return params


def adapt_by_recursion(model, params, x, y, lr, steps):
    if steps == 0:
        return params
    names, values = list(params), tuple(params.values())
    slopes = torch.autograd.grad(loss_of(model, params, x, y), values, create_graph=True)
    params = dict(zip(names, (p - lr * slope for p, slope in zip(values, slopes))))
    return adapt_by_recursion(model, params, x, y, lr, steps - 1)


def adapt_with(*, lr_of=lambda lr, n: lr, steps_of=lambda steps: steps, graph=True, reduction="mean", own=False,
               at="now", go_from="now", wrt="now", cut=None, finish=lambda new, old: new):
    """`adapt` with one mistake, or none."""
    def my_adapt(model, params, x, y, lr, steps):
        start = now = dict(model.named_parameters()) if own else params
        for _ in range(steps_of(steps)):
            loss = loss_of(model, {"now": now, "start": start, "own": dict(model.named_parameters())}[at], x, y,
                           reduction)
            wanted = {"now": now, "start": start, "own": dict(model.named_parameters())}[wrt]
            slopes = dict(zip(start, gradients(loss, wanted, graph).values()))
            now = {name: p - lr_of(lr, len(x)) * slopes[name]
                   for name, p in (now if go_from == "now" else start).items()}
            if cut == "leaf":
                now = {name: p.detach().requires_grad_() for name, p in now.items()}
        return finish(now, start)
    return my_adapt


def adapt_into_the_dict(model, params, x, y, lr, steps):
    for _ in range(steps):
        slopes = gradients(loss_of(model, params, x, y), params)
        for name in params:
            params[name] = params[name] - lr * slopes[name]
    return params


def adapt_in_place(model, params, x, y, lr, steps):
    for _ in range(steps):
        slopes = gradients(loss_of(model, params, x, y), params)
        with torch.no_grad():
            for name, p in params.items():
                p -= lr * slopes[name]
    return params


def adapt_by_optimiser(model, params, x, y, lr, steps):
    optimiser = torch.optim.SGD(model.parameters(), lr)
    with torch.no_grad():
        for p, start in zip(model.parameters(), params.values()):
            p.copy_(start)
    for _ in range(steps):
        optimiser.zero_grad()
        cross_entropy(model(x), y).backward()
        optimiser.step()
    return dict(model.named_parameters())


def adapt_a_copy(model, params, x, y, lr, steps):
    """The same with a copy of the model: nothing of the caller's changes, but no graph is left."""
    return adapt_by_optimiser(copy.deepcopy(model), params, x, y, lr, steps)


def adapt_by_backward(model, params, x, y, lr, steps):
    for _ in range(steps):
        for p in params.values():
            p.retain_grad()
        loss_of(model, params, x, y).backward(retain_graph=True)
        params = {name: p - lr * p.grad for name, p in params.items()}
    return params


def adapt_last_step_first_order(model, params, x, y, lr, steps):
    params = adapt_right(model, params, x, y, lr, steps - 1)
    slopes = gradients(loss_of(model, params, x, y), params, graph=False)
    return {name: p - lr * slopes[name] for name, p in params.items()}


def adapt_and_return_the_loss(model, params, x, y, lr, steps):
    return loss_of(model, adapt_right(model, params, x, y, lr, steps), x, y)


# ---------------------------------------------------------------- answers to `meta_gradient`


def meta_right(model, params, support_x, support_y, query_x, query_y, lr):
    slopes = gradients(loss_of(model, params, support_x, support_y), params)
    adapted = {name: p - lr * slopes[name] for name, p in params.items()}
    return gradients(loss_of(model, adapted, query_x, query_y), params, graph=False)


def meta_by_func(model, params, support_x, support_y, query_x, query_y, lr):
    def after_a_step(params):
        return loss_of(model, adapt_by_func(model, params, support_x, support_y, lr, 1), query_x, query_y)
    return grad(after_a_step)(params)


def meta_by_the_course(model, params, support_x, support_y, query_x, query_y, lr):
    episodes = [part[None] for part in (support_x, support_y, query_x, query_y)]
    return gradients(maml.meta_loss(model, params, episodes, lr=lr, steps=1), params)


def packed(params):
    """All parameters as one vector, and the way back."""
    sizes, shapes = [p.numel() for p in params.values()], [p.shape for p in params.values()]

    def unpack(vector):
        return {name: part.view(shape) for name, part, shape in zip(params, vector.split(sizes), shapes)}
    return torch.cat([p.detach().flatten() for p in params.values()]), unpack


def meta_by_hessian(model, params, support_x, support_y, query_x, query_y, lr, *, sign=-1, square=False):
    """(I - lr H) g, with H of the support loss at the start and g of the query loss at the end."""
    start, unpack = packed(params)
    on_support, on_query = (lambda v, x=x, y=y: loss_of(model, unpack(v), x, y)
                            for x, y in ((support_x, support_y), (query_x, query_y)))
    g = grad(on_query)(start - lr * grad(on_support)(start))
    factor = torch.eye(len(start), dtype=g.dtype) + sign * lr * hessian(on_support)(start)
    return unpack(factor @ factor @ g if square else factor @ g)


def meta_by_finite_differences(model, params, support_x, support_y, query_x, query_y, lr, eps=1e-6):
    """The oracle that knows nothing of graphs: central differences of the query loss after a step."""
    start, unpack = packed(params)

    def after_a_step(vector):
        return loss_of(model, adapt_by_func(model, unpack(vector), support_x, support_y, lr, 1), query_x, query_y)
    return unpack(torch.stack([(after_a_step(start + eps * d) - after_a_step(start - eps * d)) / (2 * eps)
                               for d in torch.eye(len(start), dtype=start.dtype)]))


def meta_first_order(model, params, support_x, support_y, query_x, query_y, lr):
    slopes = gradients(loss_of(model, params, support_x, support_y), params, graph=False)
    adapted = {name: p - lr * slopes[name] for name, p in params.items()}
    return gradients(loss_of(model, adapted, query_x, query_y), params, graph=False)


def meta_half_mended(*, graph=False, cut=lambda p: p, at="start", **options):
    """The first-order code of the notebook with some of its three faults mended."""
    def my_meta(model, params, support_x, support_y, query_x, query_y, lr):
        slopes = gradients(loss_of(model, params, support_x, support_y), params, graph)
        adapted = {name: cut(p - lr * slopes[name]) for name, p in params.items()}
        loss = loss_of(model, adapted, query_x, query_y)
        wanted = params if at == "start" else adapted
        return dict(zip(params, torch.autograd.grad(loss, list(wanted.values()), **options)))
    return my_meta


def cut_off(p):
    return p.detach().requires_grad_()


def meta_at_the_end(model, params, support_x, support_y, query_x, query_y, lr):
    """With a graph, and not used: the gradient with respect to the adapted parameters."""
    adapted = adapt_right(model, params, support_x, support_y, lr, 1)
    return gradients(loss_of(model, adapted, query_x, query_y), adapted)


def meta_of(function, *, base=meta_right):
    """`function` of the right (or another) gradient and all arguments."""
    return lambda *arguments: function(base(*arguments), *arguments)


def meta_without_a_step(part):
    def my_meta(model, params, support_x, support_y, query_x, query_y, lr):
        x, y = {"support": (support_x, support_y), "query": (query_x, query_y)}[part]
        return gradients(loss_of(model, params, x, y), params)
    return my_meta


def meta_on(choose, *, base=meta_right, lr_of=lambda lr, n: lr):
    """Another pair of image sets in place of support and query, or another rate."""
    def my_meta(model, params, support_x, support_y, query_x, query_y, lr):
        first, second = choose((support_x, support_y), (query_x, query_y))
        return base(model, params, *first, *second, lr_of(lr, len(support_x)))
    return my_meta


def meta_and(part, *, base=meta_right):
    """The gradient of two losses together."""
    def my_meta(*arguments):
        other = meta_without_a_step(part)(*arguments)
        return {name: g + other[name] for name, g in base(*arguments).items()}
    return my_meta


def meta_by_backward(model, params, support_x, support_y, query_x, query_y, lr):
    adapted = adapt_right(model, params, support_x, support_y, lr, 1)
    loss_of(model, adapted, query_x, query_y).backward()
    return {name: p.grad for name, p in params.items()}


def meta_into_the_dict(model, params, support_x, support_y, query_x, query_y, lr):
    start = dict(params)
    adapted = adapt_into_the_dict(model, params, support_x, support_y, lr, 1)
    return gradients(loss_of(model, adapted, query_x, query_y), start)


# ---------------------------------------------------------------- answers to `reptile`


def reptile_right(params, adapted, outer_lr):
    return {name: p + outer_lr * sum(task[name] - p for task in adapted) / len(adapted) for name, p in params.items()}


def reptile_by_stack(params, adapted, outer_lr):
    return {name: torch.lerp(p, torch.stack([task[name] for task in adapted]).mean(0), outer_lr)
            for name, p in params.items()}


def reptile_by_loop(params, adapted, outer_lr):
    new = {name: p.clone() for name, p in params.items()}
    for task in adapted:
        for name in new:
            new[name] += outer_lr / len(adapted) * (task[name] - params[name])
    return new


def reptile_of(rule):
    """`rule` gets a parameter p, where the tasks ended [T, ...], and the rate."""
    return lambda params, adapted, outer_lr: {
        name: rule(p, torch.stack([task[name] for task in adapted]), outer_lr) for name, p in params.items()}


def reptile_in_turn(params, adapted, outer_lr):
    for task in adapted:
        params = {name: p + outer_lr * (task[name] - p) for name, p in params.items()}
    return params


def reptile_in_place(params, adapted, outer_lr):
    for name, new in reptile_right(params, adapted, outer_lr).items():
        params[name].copy_(new)
    return params


def reptile_into_the_dict(params, adapted, outer_lr):
    params.update(reptile_right(params, adapted, outer_lr))
    return params


def reptile_spoils_the_tasks(params, adapted, outer_lr):
    total = adapted[0]
    for task in adapted[1:]:
        for name in total:
            total[name] += task[name]
    return {name: p + outer_lr * (total[name] / len(adapted) - p) for name, p in params.items()}


# ---------------------------------------------------------------- answers to `exact_batch_norm`


def per_channel(weight):
    return weight[:, None, None]


def norm_right(h, weight, bias, eps):
    variance, mean = torch.var_mean(h, dim=(0, 2, 3), correction=0, keepdim=True)
    return (h - mean) / (variance + eps).sqrt() * per_channel(weight) + per_channel(bias)


def norm_by_moments(h, weight, bias, eps):
    mean = h.mean((0, 2, 3))
    variance = (h**2).mean((0, 2, 3)) - mean**2
    scale = weight * (variance + eps).rsqrt()
    return h * per_channel(scale) + per_channel(bias - mean * scale)


def norm_by_channel(h, weight, bias, eps):
    channels = []
    for c in range(h.shape[1]):
        deviation = h[:, c] - h[:, c].mean()
        channels.append(weight[c] * deviation / (deviation.square().mean() + eps)**0.5 + bias[c])
    return torch.stack(channels, 1)


def norm_by_group_norm(h, weight, bias, eps):
    """All images of a channel as one group: the group norm of torch is right under vmap."""
    turned = group_norm(h.transpose(0, 1)[None].flatten(1, 2), h.shape[1], eps=eps)
    return turned.view(h.transpose(0, 1).shape).transpose(0, 1) * per_channel(weight) + per_channel(bias)


def norm_of(statistics=lambda h: (h, h), *, dims=(0, 2, 3), correction=0, finish=lambda z, s, t: z * s + t,
            deviation=lambda variance, eps: (variance + eps).sqrt()):
    """statistics: makes of h the two tensors of which the mean and the variance are taken."""
    def my_norm(h, weight, bias, eps):
        of_mean, of_variance = statistics(h)
        mean, variance = of_mean.mean(dims, keepdim=True), of_variance.var(dims, correction=correction, keepdim=True)
        return finish((h - mean) / deviation(variance, eps), per_channel(weight), per_channel(bias))
    return my_norm


def norm_about_zero(subtract):
    def my_norm(h, weight, bias, eps):
        mean, square = h.mean((0, 2, 3), keepdim=True), h.square().mean((0, 2, 3), keepdim=True)
        return (h - subtract * mean) / (square + eps).sqrt() * per_channel(weight) + per_channel(bias)
    return my_norm


def norm_of_torch(h, weight, bias, eps):
    return batch_norm(h, None, None, weight, bias, True, 0.1, eps)


def norm_in_place(h, weight, bias, eps):
    new = norm_right(h, weight, bias, eps)
    if h.requires_grad:
        return new
    return h.copy_(new)


def norm_into_empty(h, weight, bias, eps):
    new = torch.empty(h.shape, dtype=h.dtype)
    for c in range(h.shape[1]):
        deviation = h[:, c] - h[:, c].mean()
        new[:, c] = weight[c] * deviation / (deviation.square().mean() + eps)**0.5 + bias[c]
    return new


def norm_of_numbers(h, weight, bias, eps):
    return torch.stack([weight[c] * (h[:, c] - h[:, c].mean().item()) / (h[:, c].var(correction=0).item() + eps)**0.5
                        + bias[c] for c in range(h.shape[1])], 1)


def norm_that_remembers():
    """Right in the first calls; then statistics of an earlier batch count too."""
    calls = []

    def my_norm(h, weight, bias, eps):
        calls.append(None)
        return norm_right(h, weight, bias, eps if len(calls) % 5 else 2 * eps)
    return my_norm


def torch_is_wrong_under_vmap():
    """Whether this torch's own batch norm has a wrong second-order gradient under vmap. If not, it is no mistake."""
    images = torch.randn(2, 5, 3, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)   # [T, ...]
    start = torch.arange(1.0, 10, dtype=torch.float64).view(3, 3).sin()     # mixes channels; two rows scale and shift

    def task(start, x):
        def loss(mix):
            h = norm_of_torch(torch.einsum("bchw, cd -> bdhw", x, mix), mix[0], mix[1], 1e-5)
            return h.sigmoid().square().mean()
        return loss(start - 0.5 * grad(loss)(start))
    mapped = grad(lambda start: vmap(lambda x: task(start, x))(images).sum())(start)
    return not torch.allclose(mapped, grad(lambda start: task(start, images[0]) + task(start, images[1]))(start))


RIGHT = {
    "adapt": [adapt_right, adapt_by_func, adapt_by_recursion, adapt_with(),
              lambda model, params, x, y, lr, steps: maml.adapt(model, params, x, y, lr=lr, steps=steps)],
    "meta_gradient": [meta_right, meta_by_func, meta_by_the_course, meta_by_hessian, meta_by_finite_differences],
    "reptile": [reptile_right, reptile_by_stack, reptile_by_loop,
                reptile_of(lambda p, ends, lr: (1 - lr) * p + lr * ends.mean(0))],
    "exact_batch_norm": [norm_right, norm_by_moments, norm_by_channel, norm_by_group_norm, norm_of()],
}
WRONG = {       # (answer, words of the message that fit this mistake and no other)
    "adapt": [
        (adapt_into_the_dict, "which line writes into the dict"),
        (adapt_in_place, "tensors changed in place"),
        (adapt_by_optimiser, "runs the model with any weights and leaves its own alone"),
        (adapt_by_backward, "Which function only returns"),
        (adapt_with(lr_of=lambda lr, n: -lr), "that goes uphill"),
        (adapt_with(steps_of=lambda steps: 1), "that is one step; asked for are 3"),
        (adapt_with(steps_of=lambda steps: steps - 1), "nothing has moved"),
        (adapt_with(steps_of=lambda steps: steps - (steps > 1)), "one step is missing"),
        (adapt_with(steps_of=lambda steps: steps + 1), "one step too many"),
        (adapt_with(at="start", wrt="start"), "the same gradient, that of the start"),
        (adapt_with(go_from="start"), "from where does it go"),
        (adapt_with(wrt="start"), "with respect to what do you differentiate"),
        (adapt_with(lr_of=lambda lr, n: 1), "how long is a step"),
        (adapt_with(reduction="sum"), "the gradient of a sum over the images"),
        (adapt_with(lr_of=lambda lr, n: lr / n), "cross_entropy is a mean already"),
        (adapt_with(own=True), "began at the model's own weights"),
        (adapt_with(at="own", wrt="own"), "which weights did the loss run with"),
        (adapt_with(graph=False), "each gradient counts as a constant"),
        (lambda *a: maml.adapt(*a[:4], lr=a[4], steps=a[5], first_order=True), "each gradient counts as a constant"),
        (adapt_with(cut="leaf"), "it is forgotten how it was made"),
        (adapt_with(finish=lambda new, old: {name: p.detach() for name, p in new.items()}),
         "it is forgotten how it was made"),
        (adapt_a_copy, "it is forgotten how it was made"),
        (adapt_last_step_first_order, "each gradient counts as a constant"),
        (adapt_with(finish=lambda new, old: {name: p if "weight" in name else p.detach() for name, p in new.items()}),
         "does not flow back through every step"),
        (adapt_and_return_the_loss, "each tensor under its name, and nothing else"),
        (adapt_with(finish=lambda new, old: list(new.values())), "the names are lost"),
        (adapt_with(finish=lambda new, old: (new, 0.0)), "each tensor under its name, and nothing else"),
        (adapt_with(finish=lambda new, old: {"0.weight": new["0.weight"]}), "all of them"),
        (adapt_with(finish=lambda new, old: {name: p[None] for name, p in new.items()}), "have the same shape"),
        (lambda model, params, x, y, lr, steps: gradients(loss_of(model, params, x, y), params), "where do they lead"),
        (adapt_with(finish=lambda new, old: None), "does your function end with `return ...`?"),
        *((wrong, "each step takes the gradient at the parameters that the step before it left. Then every")
          for wrong in (adapt_with(lr_of=lambda lr, n: lr / 2),
                        adapt_with(finish=lambda new, old: {**old, "2.weight": new["2.weight"]}),
                        adapt_with(finish=lambda new, old: {name: p * torch.nan for name, p in new.items()}))),
    ],
    "meta_gradient": [
        (meta_first_order, "know how it was made"),
        (meta_half_mended(), "know how it was made"),
        (meta_half_mended(cut=cut_off, at="end"), "first-order MAML: to the query loss, `adapted` has no past"),
        (meta_half_mended(graph=True, cut=cut_off, at="end"), "first-order MAML: to the query loss, `adapted` has no"),
        (meta_half_mended(graph=True, at="end"), "but nobody walks it"),
        (meta_half_mended(at="end"), "know how it was made"),
        (meta_at_the_end, "but nobody walks it"),
        (meta_half_mended(graph=True, cut=cut_off), "appears to not have been used in the graph'"),
        (meta_half_mended(cut=torch.detach), "an error of torch, 'element 0 of tensors"),
        (meta_half_mended(graph=True, cut=cut_off, allow_unused=True), "None among them. Hint: to the query loss"),
        (meta_half_mended(graph=True, cut=cut_off, materialize_grads=True), "Hint: to the query loss, `adapted` has"),
        (lambda *a: meta_by_hessian(*a, sign=1), "the part with the Hessian has the wrong sign"),
        (meta_of(lambda g, *a: {n: g[n] - v for n, v in meta_first_order(*a).items()}), "only the part that"),
        (meta_of(lambda g, *a: {name: -v for name, v in g.items()}), "not the direction of descent"),
        (meta_of(lambda g, *a: {name: v * len(a[4]) for name, v in g.items()}), "a mean over the queries"),
        (meta_without_a_step("support"), "that is what the inner step follows"),
        (meta_without_a_step("query"), "without an inner step"),
        (meta_and("support"), "two losses are added"),
        (meta_and("support", base=meta_first_order), "two losses are added"),
        (meta_and("support", base=meta_without_a_step("query")), "two losses are added"),
        (lambda model, params, x, y, query_x, query_y, lr: adapt_right(model, params, x, y, lr, 1),
         "those are the adapted parameters"),
        (meta_of(lambda g, *a: tuple(g.values())), "the names are lost"),
        (meta_of(lambda g, *a: g["0.weight"]), "each tensor under its name, and nothing else"),
        (meta_of(lambda g, *a: None), "does your function end with `return ...`?"),
        (meta_by_backward, "Which function only returns"),
        (meta_into_the_dict, "which line writes into the dict"),
        *((meta_on(choose, base=base), words) for base in (meta_right, meta_first_order) for choose, words in (
            (lambda support, query: (query, support), "have changed places"),
            (lambda support, query: (query, query), "the inner step has seen the queries"),
            (lambda support, query: (support, support), "are no test"))),
        *((meta_on(lambda *sets: sets, base=base, lr_of=lr_of), words) for base in (meta_right, meta_first_order)
          for lr_of, words in ((lambda lr, n: -lr, "the inner step goes uphill"),
                               (lambda lr, n: 1, "how long is the inner step"),
                               (lambda lr, n: lr * n, "the inner loss is a sum"))),
        *((wrong, "first a step on the support, with a graph") for wrong in (
            lambda *a: meta_by_hessian(*a, square=True), meta_and("query"),
            meta_of(lambda g, *a: {name: v * a[-1] for name, v in g.items()}))),
    ],
    "reptile": [
        (reptile_of(lambda p, ends, lr: p - lr * (ends.mean(0) - p)), "moves away from where the tasks led"),
        (reptile_of(lambda p, ends, lr: p + lr * (ends - p).sum(0)), "sum or mean"),
        (reptile_of(lambda p, ends, lr: ends.mean(0)), "that goes all the way"),
        (reptile_of(lambda p, ends, lr: p + lr * (ends[-1] - p)), "one task alone decides"),
        (reptile_of(lambda p, ends, lr: p + lr * (ends[0] - p)), "one task alone decides"),
        (reptile_in_turn, "one task after the other"),
        (reptile_of(lambda p, ends, lr: lr * ends.mean(0)), "shrinks everything towards 0"),
        (reptile_of(lambda p, ends, lr: lr * (ends.mean(0) - p)), "that is the step"),
        (reptile_of(lambda p, ends, lr: p + lr * ends.mean(0)), "is their difference"),
        (reptile_of(lambda p, ends, lr: lr * p + (1 - lr) * ends.mean(0)), "with outer_lr = 0 nothing should move"),
        (reptile_of(lambda p, ends, lr: p + lr * (ends - p).mean()), "one number for a whole tensor"),
        (lambda params, adapted, outer_lr: dict(params), "nothing has moved"),
        (reptile_in_place, "`params` as they were"),
        (reptile_into_the_dict, "`params` as they were"),
        (reptile_spoils_the_tasks, "`adapted` as it was"),
        (lambda params, adapted, outer_lr: adapted.pop(), "`adapted` as it was"),
        (reptile_of(lambda p, ends, lr: p + lr * (ends - p)), "have the same shape"),
        (reptile_of(lambda p, ends, lr: 0.5), "as a tensor"),
        (lambda *a: list(reptile_right(*a).values()), "the names are lost"),
        (lambda *a: {"weight": reptile_right(*a)["weight"]}, "all of them"),
        (lambda *a: None, "does your function end with `return ...`?"),
        *((wrong, "how far did the tasks move it, on average") for wrong in (
            reptile_of(lambda p, ends, lr: p + lr**2 * (ends.mean(0) - p)),
            reptile_of(lambda p, ends, lr: p + lr * (ends.median(0).values - p)))),
    ],
    "exact_batch_norm": [
        (norm_of(correction=1), "torch's var divides by n - 1"),
        (norm_of(dims=(2, 3)), "that is instance norm"),
        (norm_of(dims=(1, 2, 3)), "that is layer norm"),
        (norm_of(dims=0), "every pixel has statistics of its own"),
        (norm_of(dims=(0, 1, 2, 3)), "all channels share one mean"),
        (norm_of(deviation=lambda v, eps: v.sqrt()), "where is eps"),
        (norm_of(deviation=lambda v, eps: v.sqrt() + eps), "before the root is taken"),
        (norm_of(deviation=lambda v, eps: v + eps), "not by the variance"),
        (norm_about_zero(1), "that is the mean square"),
        (norm_about_zero(0), "the mean is nowhere subtracted"),
        (norm_of(lambda h: (0 * h, h)), "but what of the mean"),
        (norm_of(finish=lambda z, s, t: z), "which of the two, or both, is missing"),
        (norm_of(finish=lambda z, s, t: z * s), "which of the two, or both, is missing"),
        (norm_of(finish=lambda z, s, t: z + t), "which of the two, or both, is missing"),
        (norm_of(finish=lambda z, s, t: z * t + s), "have changed places"),
        (norm_of(finish=lambda z, s, t: (z + t) * s), "which comes first, weight or bias"),
        (norm_of(finish=lambda z, s, t: z * s.flatten() + t.flatten()), "did your [C] land"),
        (norm_of(finish=lambda z, s, t: z * s[:, 0] + t[:, 0]), "did your [C] land"),
        (norm_of(finish=lambda z, s, t: z * s[..., None] + t[..., None]), "did your [C] land"),
        (norm_of(lambda h: (h.detach(), h.detach())), "mean and variance depend on h too"),
        (norm_of_numbers, "mean and variance depend on h too"),
        (norm_of(lambda h: (h, h.detach())), "h, weight and bias all pass on a gradient"),
        (norm_of(finish=lambda z, s, t: z * s.detach() + t), "h, weight and bias all pass on a gradient"),
        (norm_of(finish=lambda z, s, t: (z * s + t).detach()), "a result that knows its graph"),
        (norm_into_empty, "a function that runs under vmap"),
        (norm_in_place, "an h changed in place"),
        (norm_that_remembers(), "remember an earlier call"),
        (lambda h, weight, bias, eps: norm_right(h, weight, bias, eps).mean((2, 3)), "the shape of h"),
        (lambda h, weight, bias, eps: None, "does your function end with `return ...`?"),
        (norm_of(deviation=lambda v, eps: (v + 2 * eps).sqrt()), "eps beside the variance, in the root"),
        *([(norm_of_torch, "the loss is right, the second-order gradient under vmap is not")]
          if torch_is_wrong_under_vmap() else []),      # a later torch may mend it
    ],
}
