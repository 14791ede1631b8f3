import math
from functools import partial

import pytest
import torch

from course_lib import penalties


def batch(*shape, seed=0):
    """Real and fake x in float64."""
    rng = torch.Generator().manual_seed(seed)
    return (torch.randn(*shape, generator=rng, dtype=torch.float64),
            torch.randn(*shape, generator=rng, dtype=torch.float64) * 2 + 1)


@pytest.mark.parametrize("shape", [(6, 3), (4, 1, 5, 2), (3, 1)])
def test_penalties_of_a_linear_critic(shape):
    real, fake = batch(*shape)
    w = torch.linspace(-1, 2, real[0].numel(), dtype=torch.float64).view(real.shape[1:]) * 0.9
    norm2 = w.square().sum().item()
    critic = lambda x: (x * w).flatten(1).sum(1) + 0.3      # noqa: E731
    assert penalties.r1(critic, real).item() == pytest.approx(5 * norm2, rel=1e-12)
    assert penalties.r1(critic, real, fake, None, gamma=0.3).item() == pytest.approx(0.15 * norm2, rel=1e-12)
    for weight, penalty in ((10, penalties.gradient_penalty), (0.7, partial(penalties.gradient_penalty, weight=0.7))):
        assert penalty(critic, real, fake).item() == pytest.approx(weight * (norm2**0.5 - 1) ** 2, rel=1e-12)


class Spy:
    """A critic that remembers the x it was shown."""

    def __init__(self, critic):
        self.critic = critic

    def __call__(self, x):
        self.seen = x.detach().clone()
        return self.critic(x)


def test_each_sample_has_its_own_gradient_norm():
    real, fake = batch(5, 2, 3)
    a = torch.tensor([[0.5, -1.0, 2.0], [0.1, 1.5, -0.3]], dtype=torch.float64)
    critic = Spy(lambda x: (a * x.square()).sum((1, 2)) / 2)        # its gradient at x is a x
    norms2 = lambda x: [sum((a * x_i).flatten().tolist()[k] ** 2 for k in range(6)) for x_i in x]    # noqa: E731
    assert penalties.r1(critic, real, fake, None, gamma=2.0).item() == pytest.approx(sum(norms2(real)) / 5, rel=1e-12)
    assert torch.equal(critic.seen, real), "R1 looks at real samples alone"
    value = penalties.gradient_penalty(critic, real, fake, weight=3.0).item()
    assert value == pytest.approx(3 * sum((n2**0.5 - 1) ** 2 for n2 in norms2(critic.seen)) / 5, rel=1e-12)


@pytest.mark.parametrize("name", ["r1", "gradient_penalty"])
def test_a_penalty_and_its_gradient_against_finite_differences(name):
    real, fake = batch(7, 3)
    rng = torch.Generator().manual_seed(1)
    weights = [torch.randn(*shape, generator=rng, dtype=torch.float64).requires_grad_()
               for shape in ((4, 3), (4,), (4,))]
    critic = Spy(lambda x: (x @ weights[0].T + weights[1]).tanh() @ weights[2])
    if name == "r1":
        value = penalties.r1(critic, real, gamma=3.0)
    else:
        value = penalties.gradient_penalty(critic, real, fake, torch.Generator().manual_seed(2), weight=3.0)
    x = critic.seen

    def in_closed_form():
        w, b, v = (p.detach() for p in weights)
        gradient = ((1 - (x @ w.T + b).tanh() ** 2) * v) @ w        # [7, 3]
        norm2 = (gradient**2).sum(1)
        return (1.5 * norm2 if name == "r1" else 3 * (norm2.sqrt() - 1) ** 2).mean().item()

    assert value.item() == pytest.approx(in_closed_form(), rel=1e-12)
    for p, gradient in zip(weights, torch.autograd.grad(value, weights)):
        for i in range(p.numel()):
            flat, step = p.detach().view(-1), 1e-5
            flat[i] += step
            above = in_closed_form()
            flat[i] -= 2 * step
            below = in_closed_form()
            flat[i] += step
            assert gradient.flatten()[i].item() == pytest.approx((above - below) / (2 * step), rel=1e-6, abs=1e-8)


def test_the_gradient_penalty_looks_at_random_points_of_each_line():
    real, fake = batch(2000, 1, 2, 3)
    critic = Spy(lambda x: x.flatten(1).sum(1))
    penalties.gradient_penalty(critic, real, fake, torch.Generator().manual_seed(0))
    t = ((critic.seen - real) / (fake - real)).flatten(1)       # [2000, 6]
    assert (t.amax(1) - t.amin(1)).max() < 1e-6, "one t for all of an image"
    t = t.median(1).values.sort().values        # uniform on [0, 1]: Kolmogorov's distance, 1 in 1000 is above 1.95
    assert t.min() >= 0 and t.max() <= 1
    assert (t - (torch.arange(2000) + 0.5) / 2000).abs().max() * 2000**0.5 < 1.95


def test_the_gradient_penalty_draws_from_its_rng_alone():
    real, fake = batch(8, 3)
    before, seen = torch.get_rng_state(), []
    for seed in (5, 5, 6):
        critic = Spy(lambda x: x.sum(1))
        penalties.gradient_penalty(critic, real, fake, torch.Generator().manual_seed(seed))
        seen.append(critic.seen)
    assert torch.equal(seen[0], seen[1]) and not torch.equal(seen[0], seen[2])
    assert torch.equal(before, torch.get_rng_state())


def test_penalties_of_a_constant_critic_have_a_finite_gradient():
    real, fake = batch(4, 3)
    for penalty, value in ((penalties.r1, 0.0), (penalties.gradient_penalty, 10.0)):
        w = torch.zeros(3, dtype=torch.float64, requires_grad=True)
        result = penalty(lambda x, w=w: x @ w, real, fake)
        gradient, = torch.autograd.grad(result, w)
        assert result.item() == value and gradient.isfinite().all()


def test_a_penalty_leaves_the_samples_alone():
    real, fake = batch(4, 3)
    fake.requires_grad_()
    w = torch.ones(3, dtype=torch.float64, requires_grad=True)
    for penalty in (penalties.r1, penalties.gradient_penalty):
        penalty(lambda x: (x.square() @ w), real, fake).backward()
    assert fake.grad is None and not real.requires_grad


def test_a_mismatch_is_a_real_image_beside_the_condition_of_the_row_before():
    x = torch.tensor([[1.0], [2.0], [4.0]])
    condition = torch.tensor([[10.0], [20.0], [30.0]])
    value = penalties.mismatch(lambda image: (0.1 * image * condition - 3).squeeze(1), x, None, None, weight=0.25)
    logits = [0.1 * 4 * 10 - 3, 0.1 * 1 * 20 - 3, 0.1 * 2 * 30 - 3]
    assert value.item() == pytest.approx(0.25 * sum(math.log(1 + math.exp(v)) for v in logits) / 3, rel=1e-5)


def test_penalties_add_up():
    parts = [lambda d, real, fake, g, k=k: k * real.sum() for k in (1.0, 2.5)]
    assert penalties.total(*parts)(None, torch.tensor([2.0]), None, None).item() == pytest.approx(7.0)


def test_a_lazy_penalty_is_rare_and_right_on_average():
    g = torch.Generator().manual_seed(0)
    lazy = penalties.lazily(lambda d, real, fake, rng: torch.tensor(3.0), every=4)
    values = torch.stack([lazy(None, torch.zeros(1), None, g) for _ in range(2000)])
    assert set(values.tolist()) == {0.0, 12.0}
    assert values.mean().item() == pytest.approx(3.0, abs=0.5)      # 4 standard errors
