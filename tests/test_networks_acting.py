"""Policies against torch's distributions, codes of tasks, and rows that come task by task."""

import itertools
import math

import pytest
import torch
from scipy import stats
from torch.distributions import Categorical, Independent, Normal

from course_lib import runtime
from course_lib.networks import acting

N_STATE, N_ACTION = 3, 2
N_ROW = 2 * N_STATE + N_ACTION + 1


def policy(**settings):
    torch.manual_seed(0)
    return acting.Policy([2.0, 0.5, 4.0], N_ACTION, width=8, **settings)


def test_a_policy_divides_the_state_by_its_scale():
    one = policy()
    state = torch.randn(4, 5, N_STATE, generator=runtime.rng(0))
    outputs = one(state)
    assert outputs.shape == (4, 5, 2 * N_ACTION) and policy(discrete=True)(state).shape == (4, 5, N_ACTION)
    one.scale = torch.ones(N_STATE)
    assert torch.allclose(one(state / torch.tensor([2.0, 0.5, 4.0])), outputs)
    assert not torch.allclose(one(state), outputs)
    assert "scale" in one.state_dict() and "scale" not in dict(one.named_parameters())


def test_every_state_has_the_learned_standard_deviations():
    one = policy()
    with torch.no_grad():
        one.log_std.copy_(torch.tensor([0.3, -1.2]))
    outputs = one(torch.randn(4, 5, N_STATE))
    assert torch.equal(outputs[..., N_ACTION:], torch.tensor([0.3, -1.2]).expand(4, 5, 2))
    outputs.sum().backward()
    assert one.log_std.grad.tolist() == [20, 20]
    assert policy(discrete=True).log_std is None


def test_log_prob_is_that_of_a_normal_distribution():
    g = runtime.rng(1)
    outputs, action = torch.randn(2, 3, 5, 4, generator=g).double(), torch.randn(2, 3, 5, 2, generator=g).double()
    expected = Independent(Normal(outputs[..., :2], outputs[..., 2:].exp()), 1).log_prob(action)
    assert expected.shape == (2, 3, 5)
    assert torch.allclose(policy().log_prob(outputs, action), expected, rtol=1e-12, atol=0)


def test_log_prob_is_that_of_a_categorical_distribution():
    g = runtime.rng(1)
    logits, which = torch.randn(2, 3, 5, 4, generator=g).double(), torch.randint(4, (2, 3, 5), generator=g)
    expected = Categorical(logits=logits).log_prob(which)
    one_hot = torch.nn.functional.one_hot(which, 4).double()
    assert torch.allclose(policy(discrete=True).log_prob(logits, one_hot), expected, rtol=1e-12, atol=0)


def test_a_sample_has_the_mean_and_the_deviations_of_its_policy():
    outputs = torch.tensor([1.0, -3.0, math.log(2.0), math.log(0.5)]).expand(40_000, 4)
    action = policy().sample(outputs, runtime.rng(0))
    assert action.shape == (40_000, 2)
    for found, mean, std in zip(action.T, (1, -3), (2, 0.5)):
        assert stats.kstest((found.numpy() - mean) / std, "norm").pvalue > 1e-3
        assert stats.kstest((found.numpy() - mean) / (1.05 * std), "norm").pvalue < 1e-3, "enough to tell"
    assert abs(torch.corrcoef(action.T)[0, 1]) < 0.02


@pytest.mark.parametrize("shift", [0, 100, -100])
def test_a_sample_has_the_frequencies_of_its_policy(shift):
    """Also where exp(logit) is no number of float32: only differences of logits count."""
    probs = [0.1, 0.55, 0.05, 0.3]
    logits = (torch.tensor(probs).log() + shift).expand(2, 20_000, 4)
    action = policy(discrete=True).sample(logits, runtime.rng(0))
    assert action.shape == logits.shape and action.dtype == torch.float32
    assert ((action == 0) | (action == 1)).all() and (action.sum(-1) == 1).all()
    counts = action.sum((0, 1)).tolist()
    assert stats.chisquare(counts, [40_000 * p for p in probs]).pvalue > 1e-3
    assert stats.chisquare(counts, [4_400, 21_600, 2_000, 12_000]).pvalue < 1e-3, "enough to tell"


@pytest.mark.parametrize("discrete", [False, True])
def test_a_sample_comes_from_the_generator_alone(discrete):
    one = policy(discrete=discrete)
    outputs = one(torch.randn(50, N_STATE, generator=runtime.rng(1))).detach()
    before = torch.get_rng_state()
    first = one.sample(outputs, runtime.rng(3))
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(99)
    assert torch.equal(one.sample(outputs, runtime.rng(3)), first)
    assert not torch.equal(one.sample(outputs, runtime.rng(4)), first)


def rows(n_tasks=2, n=6, seed=0):
    """Tasks of n transitions, all of them real."""
    found = torch.randn(n_tasks, n, N_ROW + 1, generator=runtime.rng(seed))
    found[..., -1] = 1
    return found


def encoder(n_out=5):
    torch.manual_seed(0)
    return acting.TaskEncoder(N_ROW, n_out)


def test_a_code_is_the_mean_of_features_and_the_logarithm_of_a_count():
    encode, task = encoder(), rows()
    code = encode(task)
    expected = torch.stack([torch.stack([encode.layers(row[:-1]) for row in one]).mean(0) for one in task])
    assert code.shape == (2, 6) and torch.allclose(code[:, :5], expected, atol=1e-6)
    assert code[:, 5].tolist() == pytest.approx([math.log(6) / 5] * 2)


def test_the_order_of_a_tasks_rows_does_not_matter():
    encode, task = encoder(), rows()
    order = torch.randperm(6, generator=runtime.rng(1))
    assert order.tolist() != list(range(6))
    assert torch.allclose(encode(task[:, order]), encode(task), atol=1e-6)
    assert not torch.allclose(encode(rows(seed=1)), encode(task), atol=1e-3)


def test_rows_that_fill_up_do_not_matter():
    """They may hold anything, anywhere among the others, and each task has its own number of them."""
    encode, task = encoder(), rows()
    filled = torch.cat([task[:, :4], 100 * rows(seed=1)[:, :3], task[:, 4:]], dim=1)
    filled[:, 4:7, -1] = 0
    assert torch.allclose(encode(filled), encode(task), atol=1e-6)
    filled[1, 0, -1] = 0
    code = encode(filled)
    assert torch.allclose(code[0], encode(task)[0], atol=1e-6)
    assert torch.allclose(code[1], encode(task[1:, 1:])[0], atol=1e-6)


def test_the_number_of_a_tasks_rows_matters():
    encode, task = encoder(), rows()
    once, twice = encode(task), encode(torch.cat([task, task], dim=1))
    assert torch.allclose(twice[:, :5], once[:, :5], atol=1e-6), "the same mean"
    assert (twice - once)[:, 5].tolist() == pytest.approx([math.log(2) / 5] * 2, abs=1e-6)


def test_a_task_without_rows_has_a_code():
    empty = rows()
    empty[..., -1] = 0
    assert torch.equal(encoder()(empty), torch.zeros(2, 6))


def generator():
    torch.manual_seed(0)
    return acting.TransitionGenerator(N_STATE, N_ACTION, z_dim=3, n_code=5)


def discriminator():
    torch.manual_seed(0)
    return acting.TransitionDiscriminator(N_STATE, N_ACTION, n_code=5)


def inputs(n, seed=0):
    """z [n, 3], (s, a) and (s' - s, r)."""
    g = runtime.rng(seed)
    return (torch.randn(n, 3, generator=g), torch.randn(n, N_STATE + N_ACTION, generator=g),
            torch.randn(n, N_STATE + 1, generator=g))


def test_a_generator_imagines_with_a_code_what_it_imagines_with_the_task():
    G, task, (z, before, _) = generator(), rows(), inputs(8)
    after = G(z, before, task)
    assert after.shape == (8, N_STATE + 1)
    assert torch.equal(G.step(z, before, G.encode_task(task)), after)
    assert not torch.allclose(G.step(z, before, G.encode_task(task).flip(0)), after, atol=1e-4)


def test_what_follows_is_in_the_units_of_the_environment():
    G, task, g = generator(), rows(), runtime.rng(2)
    G.scale = torch.rand(N_ROW, generator=g) + 0.5
    assert "scale" in G.state_dict()
    state, action = torch.randn(2, 4, N_STATE, generator=g), 2 * torch.randn(2, 4, N_ACTION, generator=g)
    z = inputs(8)[0]
    after, reward = G.what_follows(z, state, action, G.encode_task(task))
    assert after.shape == state.shape and reward.shape == (2, 4)
    for t, e in itertools.product(range(2), range(4)):
        before = torch.cat([state[t, e], action[t, e].clamp(-1, 1)]) / G.scale[:5]
        change = G(z[None, 4 * t + e], before[None], task[t:t + 1])[0] * G.scale[5:]
        assert torch.allclose(after[t, e], state[t, e] + change[:3], atol=1e-6)
        assert torch.allclose(reward[t, e], change[3], atol=1e-6)


def test_what_is_imagined_depends_on_chance_and_on_state_and_action():
    G, task, (z, before, _) = generator(), rows(), inputs(8)
    other_z, other_before, _ = inputs(8, seed=1)
    for other in (G(other_z, before, task), G(z, other_before, task)):
        assert ((other - G(z, before, task)).abs().amax(1) > 1e-3).all()


def test_rows_come_task_by_task():
    task, (z, before, after) = rows(n_tasks=3), inputs(12)
    G, D = generator(), discriminator()
    imagined, judged = G(z, before, task), D(after, before, task)
    assert judged.shape == (12,)
    for t in range(3):
        mine, alone = slice(4 * t, 4 * t + 4), task[t:t + 1]
        assert torch.allclose(G(z[mine], before[mine], alone), imagined[mine], atol=1e-6)
        assert torch.allclose(D(after[mine], before[mine], alone), judged[mine], atol=1e-6)
    other = task.clone()
    other[1] = rows(seed=5)[0]
    changed = [False] * 4 + [True] * 4 + [False] * 4
    assert ((G(z, before, other) - imagined).abs().amax(1) > 1e-4).tolist() == changed
    assert ((D(after, before, other) - judged).abs() > 1e-5).tolist() == changed


@pytest.mark.parametrize("make", [generator, discriminator])
def test_gradients_reach_every_weight_and_the_task(make):
    net, task, (z, before, after) = make(), rows().requires_grad_(), inputs(8)
    output = net(z, before, task) if make is generator else net(after, before, task)
    (output * torch.rand(output.shape, generator=runtime.rng(1))).sum().backward()
    assert all(p.grad.abs().sum() > 0 and p.grad.isfinite().all() for p in net.parameters())
    assert (task.grad[..., :-1].abs().sum(2) > 0).all()
