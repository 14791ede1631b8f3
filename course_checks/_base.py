"""What the checks of all notebooks share.

A message says what was expected, what came, and a hint. It never says the solution. A function that is still the stub
raises NotImplementedError, with a message of its own. In a notebook either message stands alone.
"""

import functools
import inspect
import math
import numbers
import re
import traceback

import torch


class NotYet(AssertionError):
    """The answer is not right yet; the message says how to get on."""

    def _render_traceback_(self):       # IPython shows these lines in place of a traceback
        return [f"✗ {self}"]


def check(function):
    """Decorate a check: where it stops, a notebook shows none of its lines, for they may tell the solution.

    An error of the student's own keeps the student's lines. Outside a notebook every traceback stays whole. The
    docstring of the check must begin with "Check `function(its, arguments)".
    """
    arguments = re.match(r"Check `function\((.*?)\)", function.__doc__)[1]

    @functools.wraps(function)
    def checked(answer):
        _check_arguments(answer, arguments)
        try:
            function(answer)
        except NotYet:
            raise
        except BaseException as error:
            if isinstance(error, RuntimeError) and "implicitly created only for scalar outputs" in str(error):
                raise NotYet("expected one number to differentiate; got a tensor of several. Hint: a gradient starts "
                             "from one number. Where is a mean or a sum over the batch missing?") from error
            modules = [frame.f_globals.get("__name__") for frame, _ in traceback.walk_tb(error.__traceback__)]
            theirs = {"__main__", getattr(answer, "__module__", None)}
            render = _lines_of_others
            if isinstance(error, NotImplementedError) and not str(error) and modules[-1] in theirs:
                *_, (frame, _) = traceback.walk_tb(error.__traceback__)
                render = NotYet._render_traceback_
                error.args = (f"{frame.f_code.co_name} is not written yet: replace its `raise NotImplementedError()` "
                              "by your code, run that cell, then this one.",)
            elif isinstance(error, Exception) and not theirs & set(modules):
                raise NotYet(f"expected what the exercise asks for; got what the check cannot use "
                             f"({type(error).__name__}: {error}). Hint: look at what your function returns. Is it of "
                             f"the right type and shape, in the right order?") from error
            error._render_traceback_ = functools.partial(render, error)
            raise
    return checked


def _check_arguments(answer, arguments):
    require(callable(answer), f"a function of ({arguments})", type(answer).__name__,
             "give the check the function itself: its name, without brackets behind it.")
    name = getattr(answer, "__name__", type(answer).__name__)
    try:
        signature = inspect.signature(answer)
    except ValueError:          # some functions written in C keep it to themselves
        return
    try:
        signature.bind(*arguments.split(", "))
    except TypeError:
        raise NotYet(f"expected {name}({arguments}); got {name}{signature}. Hint: the check gives your function these "
                     "arguments, in this order. Does its `def` line take as many?") from None


def _lines_of_others(error):
    """What IPython shows of an error, and of those that led to it, without the frames of this package."""
    from IPython import get_ipython

    seen, each = [], error
    while each is not None and each not in seen:
        frames, kept = [], None
        while (tb := frames[-1].tb_next if frames else each.__traceback__) is not None:
            frames.append(tb)
        for tb in reversed(frames):
            if tb.tb_frame.f_globals.get("__package__") != __package__:
                tb.tb_next, kept = kept, tb
        each.__traceback__ = kept
        seen.append(each)
        each = each.__cause__ or each.__context__
    return get_ipython().InteractiveTB.structured_traceback(type(error), error, error.__traceback__)


def require(condition, expected, came, hint):
    if not condition:
        raise NotYet(f"expected {expected}; got {came}. Hint: {hint}")


def returned(answer, *names):
    """`answer` as a tuple of as many results as there are `names`."""
    wanted = ", ".join(names)
    require(answer is not None, wanted, "None", "does your function end with `return ...`?")
    came = answer if isinstance(answer, (tuple, list)) else (answer,)
    require(len(came) == len(names), f"{len(names)} result(s): {wanted}", f"{type(answer).__name__} of {len(came)}",
             "return just these, in this order, separated by commas.")
    return tuple(came)


def tensor(value, name):
    number = isinstance(value, numbers.Number)
    require(isinstance(value, torch.Tensor), f"{name} as a tensor", type(value).__name__,
             ".item() and float() leave a plain number, which has lost its graph. Return the tensor itself." if number
             else "torch.cat and torch.stack make one tensor of many, and torch.tensor makes one of numbers.")
    return value


def check_unchanged(**arguments):
    """Each argument as (what the function was given, what that was before)."""
    for name, (given, before) in arguments.items():
        require(torch.equal(given, before), f"{name} as it was", f"{name} changed in place",
                 "arguments stay unchanged, because the caller still needs them. Which line writes into an old tensor, "
                 "where it should make a new one?")


def done(message):
    print(f"✓ {message}")


def numbered_images(n_classes, n_drawings):
    """Images whose pixels tell their class (first pixel) and drawing (second pixel)."""
    images = torch.zeros(n_classes, n_drawings, 1, 4, 4, dtype=torch.uint8)
    images[..., 0, 0] = torch.arange(n_classes)[:, None, None] * 10 + 50
    images[..., 0, 1] = torch.arange(n_drawings)[None, :, None] * 10 + 50
    return images


def identify(x):
    """[(class, drawing)] of images made by `numbered_images`, whether bytes or floats in [0, 1]."""
    x = x.float() * (255 if x.float().max() <= 1 else 1)
    return [tuple(((pixel - 50) / 10).round().long().tolist()) for pixel in x[:, 0, 0, :2]]


def one_number(value, name, hint="what is divided by what?"):
    is_number = isinstance(value, numbers.Real) or (isinstance(value, torch.Tensor) and value.numel() == 1)
    require(is_number, f"{name} as one number", f"{type(value).__name__}", "a float, or a tensor of one element.")
    require(math.isfinite(value), f"{name} as a finite number", f"{float(value)}", hint)
    return float(value)


def compare(came, right, mistakes, arguments, hint, tolerance=1e-4):
    """`came` must be `right`, within `tolerance` of its size. Else the first of `mistakes` that fits gives the hint.

    came, right: numbers, or tensors of one shape. mistakes: [(wrong function, hint), ...]. Each is called with
    `arguments`, as the student's function was; one that cannot take them is passed over.
    """
    came, right = torch.as_tensor(came).detach().double(), torch.as_tensor(right).detach().double()
    if not close(came, right, tolerance):
        hints = [its_hint for wrong, its_hint in mistakes if close(came, _answer(wrong, arguments), tolerance)]
        place = tuple(i.item() for i in torch.unravel_index((came - right).abs().argmax(), right.shape))   # the worst
        where = f" at {list(place)}" if place else ""
        require(False, f"{right[place]:.4f}{where}", f"{came[place]:.4f}", [*hints, hint][0])


def close(came, wanted, tolerance=1e-4):
    """Whether `came` is `wanted` within `tolerance` of the latter's size: finite, and of the same shape."""
    if wanted is None or came.shape != wanted.shape or not wanted.isfinite().all():
        return False
    return bool((came - wanted).norm() <= tolerance * wanted.norm())


def _answer(wrong, arguments):
    """What a wrong function says, as a float64 tensor without a graph; None if it cannot take these arguments."""
    given = [x.clone() if isinstance(x, torch.Tensor) else x for x in arguments]
    try:
        return torch.as_tensor(wrong(*given)).detach().double()
    except (RuntimeError, ValueError, IndexError, TypeError):
        return None


SURE = ("this fits while the logits are small, not where D is sure. Is a constant added or something clamped inside "
         "the logarithm? Start from the logit.")


def finite_loss(answer):
    loss = tensor(*returned(answer, "the loss"), "the loss")
    require(loss.numel() == 1, "one number for the batch", f"shape {list(loss.shape)}", "average over the batch.")
    require(bool(loss.isfinite()), "a finite loss at any logit", f"{loss.item()}",
             "in float32, sigmoid(20) is 1 and log(1 - 1) infinite. Which function has the logit itself as its input?")
    scalar(loss, "the loss")
    return loss.reshape(())


class PairD(torch.nn.Module):
    """D(image, example) -> logits [B]; they depend on the two, on which is which, and on how they fit."""

    def __init__(self, weight):
        super().__init__()
        self.weight = torch.nn.Parameter(weight)

    def forward(self, image, example=None):
        require(example is not None, "D(image, example)", "D(image)", "D sees no example, so G may ignore its own.")
        return torch.cat([image, example, image * example], dim=1).flatten(1) @ self.weight


class PairG(torch.nn.Module):
    """G(z, example) -> images in the shape of the example."""

    def __init__(self, weight):
        super().__init__()
        self.weight = torch.nn.Parameter(weight)

    def forward(self, z, example=None):
        require(example is not None, "G(z, example)", "G(z)", "G cannot draw what it was never shown.")
        return torch.tanh(example + (z @ self.weight)[:, None, None, None])


def players_of_pairs(scale, b):
    """G, D, real and example [b, 1, 2, 3], z [b, 4]: always the same. D's logits are about as large as `scale`."""
    rng = torch.Generator().manual_seed(b)
    of_D, of_G, z = (torch.randn(size, generator=rng) for size in (18, 4, (b, 4)))
    real, example = torch.randn(2, b, 1, 2, 3, generator=rng)
    return PairG(of_G), PairD(scale / 3 * of_D), real, example, z


def scalar(came, name):
    number = one_number(came.detach() if isinstance(came, torch.Tensor) else came, name, "in float32, sigmoid(-200) is "
                        "0, its logarithm infinite, and so is exp(200). Which one function is log(1 + e^l)?")
    expected = f"{name} as a tensor that remembers its graph"
    require(isinstance(came, torch.Tensor), expected, "a number",
             ".item() and float() leave a plain number, but training needs the gradient. Return the tensor itself.")
    require(came.requires_grad, expected, "a tensor without a graph", ".detach() and torch.no_grad() cut the graph, "
             "but training needs the gradient. Where does your function use one of them?")
    return number


def check_gradient(loss, inputs, right):
    gradients = torch.autograd.grad(loss.sum(), inputs)
    for gradient, wanted in zip(gradients, right):
        worst = (gradient - wanted).abs().argmax()
        require(bool(torch.allclose(gradient, wanted, rtol=1e-3, atol=1e-6)), f"the gradient {wanted[worst]:.4f}",
                 f"{gradient[worst]:.4f}", "the value is right and its gradient is not. Is a constant added, or "
                 "something clamped?")


def shaped(value, shape, name, hints, hint):
    """Require a shape; `hints` are for wrong ones, {shape: hint}."""
    require(value.shape == shape, f"{name} of shape {list(shape)}", f"{list(value.shape)}",
             hints.get(tuple(value.shape), hint))
