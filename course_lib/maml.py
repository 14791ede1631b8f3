"""Learning an initialisation from which a few gradient steps solve a new task: MAML, FOMAML, ANIL, Reptile.

Parameters are dicts, as from `dict(model.named_parameters())`. A model is called as model(x); for inductive predictions
and for `vmap` as model(x, n_support) (see `networks.BatchNorm`; a model without batch statistics ignores n_support).
Frozen parameters (requires_grad=False) stay as they are, in the inner loop and in the outer one.
"""

import inspect
from typing import NamedTuple

import torch
from torch import nn
from torch.func import functional_call, grad, vmap
from torch.nn.functional import cross_entropy

from .checkpoints import History, training_steps
from .parallel import each_task, mean
from .runtime import positive


def adapt(model, params, x, y, *, lr, steps, first_order=False, only="", loss=cross_entropy, n_support=None):
    """p <- p - lr dL(p; x, y)/dp, `steps` times, from `params`: a dict in and a dict out (Finn et al. 2017, eq. 1).

    x [N*K, ...] and y [N*K] are the support of one task. lr: a number, or a tensor [steps] with a rate for each step,
    which can itself be learned (Antoniou et al. 2019). first_order: the gradient counts as a constant (FOMAML).
    only: parameters whose names start otherwise stay as they are; "head" makes ANIL (Raghu et al. 2020).
    Raises ValueError if no parameter is left to adapt, the rates do not fit the steps, or the model keeps statistics.
    """
    rates = lr if isinstance(lr, torch.Tensor) else [lr] * steps
    if len(rates) != steps:
        raise ValueError(f"{steps} inner steps need {steps} rates, not {len(rates)}. Give lr as one number or [steps].")
    free = [name for name, p in model.named_parameters() if p.requires_grad and name in params]
    inner = {name: params[name] for name in free if name.startswith(only)}
    if not inner:
        raise ValueError(f"no free parameter starts with {only!r}. Those not frozen are: {', '.join(free) or 'none'}.")
    _refuse_norms(model)

    def support_loss(inner):
        return loss(_call(model, {**params, **inner}, x, n_support), y)

    for rate in rates:
        if first_order:     # differentiated at a constant, the gradient is a constant
            gradient = grad(support_loss)({name: p.detach() for name, p in inner.items()})
        else:
            gradient = grad(support_loss)(inner)
        inner = {name: p - rate * gradient[name] for name, p in inner.items()}
    return {**params, **inner}


def _call(model, params, x, n_support=None):
    """model(x), or model(x, n_support), with these parameters. Buffers are copied: no call changes the model."""
    inputs = (x,) if n_support is None else (x, n_support)
    if len(inputs) > 1 and len(inspect.signature(model.forward).parameters) < 2:
        raise ValueError(f"{type(model).__name__}.forward takes x alone, but inductive predictions and vmap need "
                         "n_support. Add the argument n_support=None; batch norm alone must look at it.")
    buffers = {name: params.get(name, buffer).clone() for name, buffer in model.named_buffers()}
    return functional_call(model, {**params, **buffers}, inputs)


def predict(model, params, support_x, query_x, *, inductive=False, vmapped=False):
    """What the model says of query_x [N*Q, ...]: logits [N*Q, N].

    Transductive: batch statistics are those of all queries together. inductive: those of the support alone, so that no
    query's answer depends on another query. Raises ValueError for torch's batch norm, if it uses batch statistics.
    """
    if inductive:
        _refuse_norms(model, inductive=True)
        n = len(support_x)
        return _call(model, params, torch.cat([support_x, query_x]), n)[n:]
    if query_x.dim() == 4 and not vmapped:      # the many queries are where a CPU spends its time: faster like this
        query_x = query_x.to(memory_format=torch.channels_last)
    return _call(model, params, query_x, len(query_x) if vmapped else None)


def meta_loss(model, params, tasks, *, inner_lr, steps, first_order=False, only="", inductive=False, vmapped=False,
              loss=cross_entropy):
    """The loss on the queries after adapting to the support, mean over tasks: a scalar (Finn et al. 2017, eq. 2).

    Its gradient with respect to `params` is the meta-gradient. tasks: `Episodes`, or as many tensors [T, ...].
    vmapped: all tasks at once, by torch.func.vmap, in place of a loop over them; the same loss and the same gradient.
    Raises ValueError for a model whose second-order gradient vmap is known to get wrong.
    """
    def task_loss(support_x, support_y, query_x, query_y):
        adapted = adapt(model, params, support_x, support_y, lr=inner_lr, steps=steps, first_order=first_order,
                        only=only, loss=loss, n_support=len(support_x) if vmapped else None)
        return loss(predict(model, adapted, support_x, query_x, inductive=inductive, vmapped=vmapped), query_y)

    if not vmapped:
        return torch.stack([task_loss(*task) for task in zip(*tasks)]).mean()
    _refuse_norms(model, vmapped=True)
    return vmap(task_loss, randomness="different")(*tasks).mean()       # each task has a dropout of its own


BATCH_NORM = nn.modules.batchnorm._BatchNorm
WRONG_UNDER_VMAP = (BATCH_NORM, nn.modules.instancenorm._InstanceNorm, nn.LayerNorm)


def _refuse_norms(model, *, inductive=False, vmapped=False):
    """Raise ValueError that names a norm of torch's which would make a number wrong."""
    for name, layer in model.named_modules():
        why = vmapped and isinstance(layer, WRONG_UNDER_VMAP) and (
            "under vmap its second-order gradient is wrong (see pytorch/functorch issue 534). Use vmapped=False,")
        if isinstance(layer, BATCH_NORM) and layer.running_mean is None and inductive:
            why = "the queries would change each other's answers. Use"
        if isinstance(layer, BATCH_NORM) and layer.running_mean is not None and layer.training:
            why = "in training mode it keeps statistics of every inner step. Use"
        if why:
            raise ValueError(f"{name or 'it'} is a {type(layer).__name__}: {why} networks.BatchNorm or nn.GroupNorm.")


def backward(model, tasks, *, inner_lr, vmapped=None, **settings):
    """Add the gradient of `meta_loss` to .grad of the model's parameters (and of learned rates); returns the loss.

    settings: those of `meta_loss`. vmapped: None is True on cuda; elsewhere each task has a thread. Unused ones get 0.
    """
    learned = isinstance(inner_lr, torch.Tensor) and inner_lr.requires_grad
    rates = inner_lr.detach().requires_grad_() if learned else inner_lr
    params = dict(model.named_parameters())
    leaves = [p for p in params.values() if p.requires_grad]

    def task_gradient(model, *tasks):
        loss = meta_loss(model, params, tasks, inner_lr=rates, vmapped=vmapped, **settings)
        return loss.detach(), *torch.autograd.grad(loss, [*leaves, *([rates] if learned else [])], allow_unused=True,
                                                   materialize_grads=True)

    if vmapped is None:
        vmapped = tasks[0].device.type == "cuda"
    if vmapped:
        loss, *gradient = task_gradient(model, *tasks)
    else:
        loss, *gradient = mean(each_task(lambda model, *task: task_gradient(model, *(part[None] for part in task)),
                                         model, tasks))
    for tensor, slope in zip([*leaves, *([inner_lr] if learned else [])], gradient):
        tensor.backward(slope)
    return loss


def reptile_backward(model, tasks, *, inner_lr, steps, batches=1, loss=cross_entropy):
    """Add Reptile's direction to .grad: params - adapted, mean over tasks (Nichol et al. 2018, alg. 2).

    It adapts to support and query together, for there is no query loss. batches: of a task's images; each inner step
    takes the next, with as many images of each class. Returns the loss before adapting, on the first batch.
    """
    params = {name: p.detach() for name, p in model.named_parameters()}

    @torch.no_grad()
    def direction(model, support_x, support_y, query_x, query_y):
        x, y = torch.cat([support_x, query_x]), torch.cat([support_y, query_y])
        order = y.argsort(stable=True) if batches > 1 else torch.arange(len(y), device=y.device)
        adapted = params
        for step in range(steps):
            rows = order[step % batches::batches]
            adapted = adapt(model, adapted, x[rows], y[rows], lr=inner_lr, steps=1, first_order=True, loss=loss)
        rows = order[::batches]
        return loss(_call(model, params, x[rows]), y[rows]), *(p - adapted[name] for name, p in params.items())

    before, *steps_back = mean(each_task(direction, model, tasks))
    for p, step in zip(model.parameters(), steps_back):
        if p.requires_grad:
            p.backward(step)
    return before


class MetaTrained(NamedTuple):
    """What `fit` returns."""

    params: dict                # the state_dict of the best look (without `validate`: the last), without graph
    losses: torch.Tensor        # [n_steps] what `gradient` returned
    scores: torch.Tensor        # [looks] what `validate` returned, at the end of every `validate_every` steps
    best_step: int              # how many steps `params` had had


def fit(model, draw, *, gradient, n_steps, rng, optimiser=torch.optim.Adam, outer_lr=1e-3, validate=None,
        validate_every=100, path=None, save_every=100, made=None, **parts):
    """Train the model over episodes: `n_steps` outer steps; it changes in place. Keeps the best on validation.

    draw: a function of rng that returns `Episodes`. gradient: a function (model, tasks) that adds to .grad and returns
    a loss, such as partial(backward, inner_lr=0.4, steps=1, first_order=True). optimiser: made with the parameters and
    the rate `outer_lr`, which falls to 0 in a straight line. validate: a function of the model that returns an accuracy
    on episodes of *validation* classes; the best look wins, the earliest of equals. path, save_every, made: see
    `checkpoints.training_steps`. parts: further modules to train and to keep, such as learned rates.
    Raises FloatingPointError when a loss, a weight or a score stops being finite, before it is saved or returned.
    """
    positive(n_steps=n_steps, validate_every=validate_every)
    weights = [p for part in (model, *parts.values()) for p in part.parameters()]
    optimiser = optimiser(weights, outer_lr)
    record = _Record(model, next(model.parameters()).device)
    for step in training_steps(n_steps, path=path, save_every=save_every, made=made, desc="meta-training", model=model,
                               optimiser=optimiser, record=record, rng=rng, **parts):
        optimiser.param_groups[0]["lr"] = outer_lr * (1 - step / n_steps)
        optimiser.zero_grad()
        record.losses.append(gradient(model, draw(rng)))
        optimiser.step()
        due = step + 1 == n_steps or any((step + 1) % n == 0 for n in (History.LOOK_EVERY, save_every, validate_every))
        if due and not all(numbers.isfinite().all() for numbers in (record.latest(), *weights)):
            raise FloatingPointError(f"a loss or a weight is not finite, at the latest after step {step + 1}. Try a "
                                     "lower inner or outer learning rate.")
        if validate and ((step + 1) % validate_every == 0 or step + 1 == n_steps):
            record.look(step + 1, float(validate(model)), model)
    best = record.best if validate else _copy(model)
    return MetaTrained(best, torch.stack(record.losses).cpu(), torch.tensor(record.scores), record.best_step or n_steps)


class _Record(History):
    """Losses, validation scores and the best parameters so far, as state that a checkpoint keeps."""

    def __init__(self, model, device):
        super().__init__(device)
        self.scores, self.best, self.best_step = [], _copy(model), 0

    def look(self, step, score, model):
        if score != score:      # nan: it would stay the best, for no number is greater
            raise FloatingPointError(f"validate returned nan after step {step}. Look for a division by 0 in it.")
        if not self.scores or score > max(self.scores):
            self.best, self.best_step = _copy(model), step
        self.scores.append(score)

    def state_dict(self):
        return super().state_dict() | {"scores": self.scores, "best": self.best, "step": self.best_step}

    def load_state_dict(self, state):
        super().load_state_dict(state)
        self.scores, self.best_step = state["scores"], state["step"]
        self.best = {name: p.to(self.device) for name, p in state["best"].items()}


def _copy(model):
    return {name: p.detach().clone() for name, p in model.state_dict().items()}


def learner(model, params, *, inner_lr, steps, only="", inductive=False):
    """A learner: adapts `params` to each task and returns labels [T, N*Q], inductively or transductively.

    A head ("head.weight", "head.bias") with more rows than a task has classes lends it the first. Fewer: ValueError.
    """
    @torch.no_grad()
    def task_labels(model, support_x, support_y, query_x, query_y):
        n_way = int(support_y.max()) + 1
        rows = {name: params[name][:n_way] for name in ("head.weight", "head.bias") if name in params}
        if any(len(p) < n_way for p in rows.values()):
            raise ValueError(f"a task of {n_way} classes needs a head of {n_way} rows. Train with a larger n_way.")
        adapted = adapt(model, params | rows, support_x, support_y, lr=inner_lr, steps=steps, first_order=True,
                        only=only)
        return predict(model, adapted, support_x, query_x, inductive=inductive).argmax(1)

    return lambda tasks: torch.stack(list(each_task(task_labels, model, tasks)))
