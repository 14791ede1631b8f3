import math

import pytest
import torch

from course_lib import losses


def log_sigmoid(x):
    return -math.log1p(math.exp(-x)) if x >= 0 else x - math.log1p(math.exp(x))


def sigmoid(x):
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


# One term of each mean, and its derivative: D's on a real logit, D's on a fake logit, G's on a fake logit.
MINIMAX_REAL = (lambda x: -log_sigmoid(x), lambda x: -sigmoid(-x))
MINIMAX_FAKE = (lambda x: -log_sigmoid(-x), sigmoid)
TERMS = {
    "SATURATING": (MINIMAX_REAL, MINIMAX_FAKE, (lambda x: log_sigmoid(-x), lambda x: -sigmoid(x))),
    "NON_SATURATING": (MINIMAX_REAL, MINIMAX_FAKE, (lambda x: -log_sigmoid(x), lambda x: -sigmoid(-x))),
    "LEAST_SQUARES": ((lambda x: (x - 1) ** 2 / 2, lambda x: x - 1), (lambda x: x * x / 2, lambda x: x),
                      (lambda x: (x - 1) ** 2 / 2, lambda x: x - 1)),
    "HINGE": ((lambda x: max(0.0, 1 - x), lambda x: -float(x < 1)),
              (lambda x: max(0.0, 1 + x), lambda x: float(x > -1)), (lambda x: -x, lambda x: -1.0)),
    "WASSERSTEIN": ((lambda x: -x, lambda x: -1.0), (lambda x: x, lambda x: 1.0), (lambda x: -x, lambda x: -1.0)),
}
REAL, FAKE = [40.0, -40.0, 0.7, 3.1, -0.7, 0.2], [-3.1, 0.7, 40.0, -40.0]      # of different lengths: each has its mean


def value_and_gradients(function, *batches, dtype=torch.float32):
    batches = [torch.tensor(batch, dtype=dtype, requires_grad=True) for batch in batches]
    value = function(*batches)
    assert value.shape == () and value.dtype == dtype
    return value.item(), [gradient.tolist() for gradient in torch.autograd.grad(value, batches)]


@pytest.mark.parametrize("name", TERMS)
def test_value_and_gradient_in_closed_form(name):
    loss, (on_real, on_fake, on_g) = getattr(losses, name), TERMS[name]
    mean = lambda term, batch: sum(map(term, batch)) / len(batch)       # noqa: E731
    for real, fake in [(REAL, FAKE), (REAL[2:], FAKE[:2])] + [([a], [b]) for a in REAL for b in FAKE]:
        value, (to_real, to_fake) = value_and_gradients(loss.d, real, fake)
        assert value == pytest.approx(mean(on_real[0], real) + mean(on_fake[0], fake), rel=1e-6, abs=1e-30)
        assert to_real == pytest.approx([on_real[1](x) / len(real) for x in real], rel=1e-6, abs=1e-30)
        assert to_fake == pytest.approx([on_fake[1](x) / len(fake) for x in fake], rel=1e-6, abs=1e-30)
        value, (to_fake,) = value_and_gradients(loss.g, fake)
        assert value == pytest.approx(mean(on_g[0], fake), rel=1e-6, abs=1e-30)
        assert to_fake == pytest.approx([on_g[1](x) / len(fake) for x in fake], rel=1e-6, abs=1e-30)


@pytest.mark.parametrize("name", TERMS)
def test_finite_where_a_sigmoid_is_0_or_1(name):
    loss = getattr(losses, name)
    for function, batches in ((loss.d, ([-1e4, 1e4], [1e4, -1e4])), (loss.g, ([1e4, -1e4],))):
        value, gradients = value_and_gradients(function, *batches)
        assert math.isfinite(value) and all(math.isfinite(g) for gradient in gradients for g in gradient)
    if "SATURATING" in name:       # half of the logits are wrong by 1e4
        assert value_and_gradients(loss.d, [-1e4, 1e4], [1e4, -1e4])[0] == pytest.approx(1e4, rel=1e-6)


def test_saturating_and_non_saturating_agree_where_d_cannot_tell():
    for loss in (losses.SATURATING, losses.NON_SATURATING):
        assert value_and_gradients(loss.g, [0.0])[1] == [[-0.5]]
    weak, strong = (value_and_gradients(loss.g, [-6.0])[1][0][0] for loss in (losses.SATURATING, losses.NON_SATURATING))
    assert weak == pytest.approx(-0.0024726, rel=1e-4) and strong == pytest.approx(-0.9975274, rel=1e-6)


# What D is led to: three points x, drawn 7, 2 and 1 times from the data and 2, 3 and 5 times from G. D may choose one
# logit for each.
P, Q = torch.tensor([7, 2, 1]), torch.tensor([2, 3, 5])


def expected_d_loss(loss, logits):
    return loss.d(logits.repeat_interleave(P), logits.repeat_interleave(Q))


def best_logits(loss):
    logits = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([logits], max_iter=200, tolerance_grad=1e-12, tolerance_change=1e-15,
                                  line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        value = expected_d_loss(loss, logits)
        value.backward()
        return value

    optimiser.step(closure)
    return logits.detach()


def test_the_best_d_of_the_minimax_game():
    best = best_logits(losses.NON_SATURATING)
    torch.testing.assert_close(best, (P / Q).double().log(), rtol=0, atol=1e-6)     # D* = p / (p + q)
    m = (P + Q) / 20
    jsd = sum((d / 10 * (d / 10 / m).log()).sum() / 2 for d in (P, Q)).item()
    assert -expected_d_loss(losses.SATURATING, best).item() == pytest.approx(2 * jsd - math.log(4), abs=1e-7)


def test_the_best_d_of_least_squares():
    torch.testing.assert_close(best_logits(losses.LEAST_SQUARES), (P / (P + Q)).double(), rtol=0, atol=1e-6)


def test_the_best_d_of_the_hinge_stands_on_the_kinks():
    grid = torch.arange(-30, 31) / 10
    logits = torch.cartesian_prod(grid, grid, grid)
    values = torch.stack([(P * torch.relu(1 - x) + Q * torch.relu(1 + x)).sum() / 10 for x in logits[::97]])
    ours = torch.stack([expected_d_loss(losses.HINGE, x) for x in logits[::97]])
    torch.testing.assert_close(ours, values)
    kinks = torch.tensor([1.0, -1, -1])     # the sign of p - q
    for i in range(3):
        for shift in (-0.1, 0.1, -2.0, 2.0):
            other = kinks.clone()
            other[i] += shift
            assert expected_d_loss(losses.HINGE, other) > expected_d_loss(losses.HINGE, kinks) + 0.009


def test_the_wasserstein_critic_is_linear_without_end():
    logits = torch.tensor([0.3, -2.0, 5.0], requires_grad=True)
    gradient, = torch.autograd.grad(expected_d_loss(losses.WASSERSTEIN, logits), logits)
    torch.testing.assert_close(gradient, (Q - P) / 10)
    assert expected_d_loss(losses.WASSERSTEIN, 9 * logits).item() == pytest.approx(
        9 * expected_d_loss(losses.WASSERSTEIN, logits).item(), rel=1e-5)
