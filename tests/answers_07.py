"""Right and wrong answers to the exercises of notebook 07. More wrong ones: MISTAKES of course_checks/nb07.py."""

import copy

import torch
from torch.func import functional_call, grad, hessian, vmap
from torch.nn.functional import batch_norm, cross_entropy, group_norm

from course_lib import maml


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


def adapt_with(*, lr_of=lambda lr: lr, steps_of=lambda steps: steps, graph=True, reduction="mean", at="now",
               cut=lambda p: p, finish=lambda new, old: new):
    """`adapt` with one mistake, or none. at: whose gradient each step takes."""
    def my_adapt(model, params, x, y, lr, steps):
        now = params
        for _ in range(steps_of(steps)):
            there = {"now": now, "start": params, "own": dict(model.named_parameters())}[at]
            slopes = gradients(loss_of(model, there, x, y, reduction), there, graph)
            now = {name: cut(p - lr_of(lr) * slopes[name]) for name, p in now.items()}
        return finish(now, params)
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


def adapt_in_place_of_leaves(model, params, x, y, lr, steps):
    for _ in range(steps):
        slopes = gradients(loss_of(model, params, x, y), params)
        for name, p in params.items():
            p -= lr * slopes[name]
    return params


def adapt_with_the_models_loss(model, params, x, y, lr, steps):
    for _ in range(steps):
        slopes = gradients(cross_entropy(model(x), y), params)
        params = {name: p - lr * slopes[name] for name, p in params.items()}
    return params


def adapt_with_one_loss(model, params, x, y, lr, steps):
    """The loss is computed once, before the loop."""
    loss = loss_of(model, params, x, y)
    for _ in range(steps):
        slopes = gradients(loss, params)
        params = {name: p - lr * slopes[name] for name, p in params.items()}
    return params


def adapt_from_a_copy_of_the_start(model, params, x, y, lr, steps):
    copy_of_params = {name: p.detach().clone().requires_grad_() for name, p in params.items()}
    return adapt_right(model, copy_of_params, x, y, lr, steps)


def spoiling(function, which):
    """`function`, after which its argument of number `which` is another one."""
    def spoils(*arguments):
        answer = function(*arguments)
        arguments[which].data.mul_(2)
        return answer
    return spoils


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
    return gradients(maml.meta_loss(model, params, episodes, inner_lr=lr, steps=1), params)


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


def meta_of_steps(steps):
    def my_meta(model, params, support_x, support_y, query_x, query_y, lr):
        adapted = adapt_right(model, params, support_x, support_y, lr, steps)
        return gradients(loss_of(model, adapted, query_x, query_y), params, graph=False)
    return my_meta


def meta_at_the_end(model, params, support_x, support_y, query_x, query_y, lr):
    """With a graph, and not used: the gradient with respect to the adapted parameters."""
    adapted = adapt_right(model, params, support_x, support_y, lr, 1)
    return gradients(loss_of(model, adapted, query_x, query_y), adapted)


def meta_of(function):
    """`function` of the right gradient and all arguments."""
    return lambda *arguments: function(meta_right(*arguments), *arguments)


def meta_with_the_start(model, params, support_x, support_y, query_x, query_y, lr):
    """The query loss before the step counts too."""
    after, before = (meta_right(model, params, support_x, support_y, query_x, query_y, rate) for rate in (lr, 0))
    return {name: after[name] + before[name] for name in params}


def meta_by_backward(model, params, support_x, support_y, query_x, query_y, lr):
    adapted = adapt_right(model, params, support_x, support_y, lr, 1)
    loss_of(model, adapted, query_x, query_y).backward()
    return {name: p.grad for name, p in params.items()}


def meta_into_the_dict(model, params, support_x, support_y, query_x, query_y, lr):
    start = dict(params)
    adapted = adapt_into_the_dict(model, params, support_x, support_y, lr, 1)
    return gradients(loss_of(model, adapted, query_x, query_y), start)


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


def per_channel(weight):
    return weight[:, None, None]


def norm_right(h, weight, bias, eps):
    variance, mean = torch.var_mean(h, dim=(0, 2, 3), correction=0, keepdim=True)
    return (h - mean) / (variance + eps).sqrt() * per_channel(weight) + per_channel(bias)


def norm_by_moments(h, weight, bias, eps):
    """E[h^2] - E[h]^2: right on paper, and in float32 only near 0."""
    mean = h.mean((0, 2, 3))
    variance = (h**2).mean((0, 2, 3)) - mean**2
    scale = weight * (variance + eps).rsqrt()
    return h * per_channel(scale) + per_channel(bias - mean * scale)


def norm_by_moments_in_double(h, weight, bias, eps):
    return norm_by_moments(h.double(), weight.double(), bias.double(), eps).to(h.dtype)


def norm_by_moments_not_below_0(h, weight, bias, eps):
    mean, square = (of.mean((0, 2, 3), keepdim=True) for of in (h, h**2))
    return (h - mean) / ((square - mean**2).relu() + eps).sqrt() * per_channel(weight) + per_channel(bias)


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


def norm_of(statistics=lambda h: (h, h), *, finish=lambda z, s, t: z * s + t,
            deviation=lambda variance, eps: (variance + eps).sqrt()):
    """statistics: makes of h the two tensors of which the mean and the variance are taken."""
    def my_norm(h, weight, bias, eps):
        of_mean, of_variance = statistics(h)
        mean, variance = of_mean.mean((0, 2, 3), keepdim=True), of_variance.var((0, 2, 3), correction=0, keepdim=True)
        return finish((h - mean) / deviation(variance, eps), per_channel(weight), per_channel(bias))
    return my_norm


def norm_of_torch(h, weight, bias, eps):
    return batch_norm(h, None, None, weight, bias, True, 0.1, eps)


def norm_in_place(h, weight, bias, eps):
    new = norm_right(h, weight, bias, eps)
    if h.requires_grad:
        return new
    return h.copy_(new)


def norm_spoils(name):
    """The right norm, which then writes into one of its arguments."""
    def my_norm(h, weight, bias, eps):
        new = norm_right(h, weight, bias, eps)
        spoiled = {"weight": weight, "bias": bias}[name]
        if not spoiled.requires_grad:
            spoiled.data.zero_()
        return new
    return my_norm


def norm_without_keepdim(h, weight, bias, eps):
    return (h - h.mean((0, 2, 3))) / (h.var((0, 2, 3), correction=0) + eps).sqrt() * per_channel(weight) \
        + per_channel(bias)


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
    "exact_batch_norm": [norm_right, norm_by_moments_in_double, norm_by_channel, norm_by_group_norm, norm_of()],
}
WRONG = {       # (answer, words of the message that fit this mistake and no other)
    "adapt": [
        (adapt_into_the_dict, "which line writes into the dict"),
        (adapt_in_place, "tensors changed in place"),
        (adapt_in_place_of_leaves, "torch refuses to change in place what it is to differentiate"),
        (adapt_with_the_models_loss, "this loss knows other weights"),
        (adapt_with_one_loss, "this loss knows other weights"),
        (adapt_from_a_copy_of_the_start, "the graph from `params` to the result is broken"),
        (spoiling(adapt_right, 2), "x as it was"),
        (adapt_by_optimiser, "your code changes the model"),
        (adapt_by_backward, "Which function only returns"),
        (adapt_with(steps_of=lambda steps: steps - 1), "the parameters are where they were"),
        (adapt_with(at="start"), "the same gradient, that of the start"),
        (adapt_with(at="own"), "which weights did the loss run with"),
        (adapt_with(reduction="sum"), "the gradient of a sum over the images"),
        (adapt_with(graph=False), "each inner gradient counts as a constant"),
        (lambda *a: maml.adapt(*a[:4], lr=a[4], steps=a[5], first_order=True),
         "each inner gradient counts as a constant"),
        (adapt_last_step_first_order, "each inner gradient counts as a constant"),
        (adapt_with(cut=cut_off), "the graph from `params` to the result is broken"),
        (adapt_with(finish=lambda new, old: {name: p.detach() for name, p in new.items()}),
         "the graph from `params` to the result is broken"),
        (adapt_a_copy, "the graph from `params` to the result is broken"),
        (adapt_with(finish=lambda new, old: {name: p if "weight" in name else p.detach() for name, p in new.items()}),
         "does not flow back through every step"),
        (adapt_and_return_the_loss, "return only the new parameters, each tensor under its name"),
        (adapt_with(finish=lambda new, old: list(new.values())), "the names are lost"),
        (adapt_with(finish=lambda new, old: (new, 0.0)), "return only the new parameters, each tensor under its name"),
        (adapt_with(finish=lambda new, old: {"0.weight": new["0.weight"]}), "all of them"),
        (adapt_with(finish=lambda new, old: {name: p[None] for name, p in new.items()}), "have the same shape"),
        (adapt_with(finish=lambda new, old: None), "does your function end with `return ...`?"),
        *((wrong, "each step takes the gradient at the parameters that the step before it left. Then every")
          for wrong in (adapt_with(lr_of=lambda lr: lr / 2),
                        adapt_with(finish=lambda new, old: {**old, "2.weight": new["2.weight"]}),
                        adapt_with(finish=lambda new, old: {name: p * torch.nan for name, p in new.items()}))),
    ],
    "meta_gradient": [
        (meta_first_order, "a graph of its own"),
        (meta_half_mended(), "a graph of its own"),
        (meta_half_mended(cut=cut_off, at="end"), "first-order MAML: `adapted` has no graph"),
        (meta_half_mended(graph=True, cut=cut_off, at="end"), "first-order MAML: `adapted` has no graph"),
        (meta_half_mended(graph=True, at="end"), "but you do not use it"),
        (meta_half_mended(at="end"), "a graph of its own"),
        (meta_at_the_end, "but you do not use it"),
        (meta_half_mended(graph=True, cut=cut_off), "appears to not have been used in the graph'"),
        (meta_half_mended(cut=torch.detach), "an error of torch, 'element 0 of tensors"),
        (meta_half_mended(graph=True, cut=cut_off, allow_unused=True), "None among them. Hint: `adapted` has no graph"),
        (meta_half_mended(graph=True, cut=cut_off, materialize_grads=True), "Hint: `adapted` has no graph"),
        (lambda *a: meta_by_hessian(*a, sign=1), "the part with the Hessian has the wrong sign"),
        (meta_of(lambda g, *a: tuple(g.values())), "the names are lost"),
        (meta_of(lambda g, *a: g["0.weight"]), "return only the gradients, each tensor under its name"),
        (meta_of(lambda g, *a: None), "does your function end with `return ...`?"),
        (meta_by_backward, "Which function only returns"),
        (meta_of_steps(2), "your inner loop takes two steps"),
        (spoiling(meta_right, 2), "support_x as it was"),
        (spoiling(meta_right, 4), "query_x as it was"),
        (meta_into_the_dict, "which line writes into the dict"),
        *((wrong, "first take a step on the support, with a graph") for wrong in (
            lambda *a: meta_by_hessian(*a, square=True), meta_with_the_start,
            meta_of(lambda g, *a: {name: v * a[-1] for name, v in g.items()}))),
    ],
    "reptile": [
        (reptile_in_place, "`params` as they were"),
        (reptile_into_the_dict, "`params` as they were"),
        (reptile_spoils_the_tasks, "`adapted` as it was"),
        (lambda params, adapted, outer_lr: adapted.pop(), "`adapted` as it was"),
        (lambda params, adapted, outer_lr: {name: reptile_right(params, adapted, outer_lr)[name]
                                            for name in ("weight", "bias")}, "whatever names"),
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
        (norm_of(lambda h: (h.detach(), h.detach())), "mean and variance depend on h too"),
        (norm_of_numbers, "mean and variance depend on h too"),
        (norm_of(lambda h: (h, h.detach())), "h, weight and bias all pass on a gradient"),
        (norm_of(finish=lambda z, s, t: z * s.detach() + t), "h, weight and bias all pass on a gradient"),
        (norm_of(finish=lambda z, s, t: (z * s + t).detach()), "a result with a graph"),
        (norm_into_empty, "a function that runs under vmap"),
        (norm_in_place, "h changed in place"),
        (norm_by_moments, "two large numbers that are nearly equal"),
        (norm_by_moments_not_below_0, "two large numbers that are nearly equal"),
        (norm_spoils("weight"), "weight as it was"),
        (norm_spoils("bias"), "bias as it was"),
        (norm_without_keepdim, "torch matches sizes from the right"),
        (lambda h, weight, bias, eps: norm_right(h.float(), weight.float(), bias.float(), eps), "the type of h"),
        (norm_that_remembers(), "remember an earlier call"),
        (lambda h, weight, bias, eps: norm_right(h, weight, bias, eps).mean((2, 3)), "the shape of h"),
        (lambda h, weight, bias, eps: None, "does your function end with `return ...`?"),
        (norm_of(deviation=lambda v, eps: (v + 2 * eps).sqrt()), "eps is added to the variance, in the root"),
        *([(norm_of_torch, "the loss is right, but not the second-order gradient under vmap")]
          if torch_is_wrong_under_vmap() else []),      # a later torch may mend it
    ],
}
