"""Networks of text and of features."""

import pytest
import torch

from course_lib import gan, learners, losses, runtime
from course_lib.episodes import Episodes
from course_lib.networks.features import FeatureDiscriminator, FeatureGenerator, TextEncoder

T, N, F, Z = 3, 4, 64, 32


@pytest.fixture
def inputs():
    """z, real, x and task of T tasks of N classes."""
    rng = runtime.rng(0)
    return (torch.randn(T * N, Z, generator=rng), torch.randn(T * N, F, generator=rng),
            torch.randn(T * N, 2, F, generator=rng), torch.randn(T, 2 * N, F, generator=rng))


@pytest.fixture
def G():
    runtime.seed_everything(0)
    G = FeatureGenerator()
    torch.nn.init.normal_(G.layers[-1].weight)
    return G


def test_before_training_the_copy_is_the_example(inputs):
    z, _, x, task = inputs
    assert torch.equal(FeatureGenerator()(z, x, task), x[:, 0])


def test_a_copy_is_the_example_and_a_difference(G, inputs):
    z, _, x, task = inputs
    described = torch.cat([z, x.mean(1), task.mean(1).repeat_interleave(N, 0)], 1)
    assert torch.allclose(G(z, x, task), x[:, 0] + G.layers(described))


@pytest.mark.parametrize("part", [0, 2, 3])
def test_noise_example_and_task_all_steer_the_copy(G, inputs, part):
    changed = [*inputs]
    changed[part] = inputs[part] + 1
    z, _, x, task = inputs
    difference = G(z, x, task) - x[:, 0]
    assert not torch.allclose(G(changed[0], changed[2], changed[3]) - changed[2][:, 0], difference, atol=1e-3)


def test_the_order_of_the_support_does_not_matter(G, inputs):
    z, real, x, task = inputs
    D, shuffled = FeatureDiscriminator(), task[:, torch.randperm(2 * N)]
    assert torch.allclose(G(z, x, task), G(z, x, shuffled), atol=1e-5)
    assert torch.allclose(D(real, x, task), D(real, x, shuffled), atol=1e-5)


def test_rows_see_their_own_task_alone(G, inputs):
    z, _, x, task = inputs
    other = torch.cat([task[:1], task[1:] + 1])
    same = (G(z, x, task) == G(z, x, other)).all(1)
    assert same[:N].all() and not same[N:].any()


def test_d_gives_a_logit_a_row_and_looks_at_everything(inputs):
    _, real, x, task = (part.requires_grad_() for part in inputs)
    logits = FeatureDiscriminator()(real, x, task)
    assert logits.shape == (T * N,)
    for gradient in torch.autograd.grad(logits.sum(), (real, x, task)):
        assert gradient.flatten(1).abs().sum(1).min() > 0


def test_fit_teaches_g_a_known_difference():
    """Real features lie 2 away from their example in one direction; G finds out."""
    runtime.seed_everything(0)
    G, shift = FeatureGenerator(n=8, width=32), 2 * torch.eye(8)[0]

    def draw(rng):
        x = torch.randn(32, 1, 8, generator=rng)
        return x[:, 0] + shift, x, x.view(8, 4, 8)

    G = gan.fit(G, FeatureDiscriminator(n=8, width=32), draw, n_steps=300, loss=losses.NON_SATURATING, lr=(2e-3, 2e-3),
                ema=0.9, rng=runtime.rng(0)).G
    _, x, task = draw(runtime.rng(1))
    learned = (G(gan.noise(G, 32, runtime.rng(2)), x, task) - x[:, 0]).mean(0)
    assert (learned - shift).norm() < 1


def test_an_encoder_trains_as_a_protonet_does_and_ignores_length():
    runtime.seed_everything(0)
    encoder = TextEncoder(16)
    x = torch.rand(2, 6, 1, 1, 16)
    tasks = Episodes(x[:, :3], torch.arange(3).expand(2, -1), x[:, 3:], torch.arange(3).expand(2, -1))
    assert learners.protonet_backward(encoder, tasks).isfinite()
    assert all(p.grad.abs().sum() > 0 for p in encoder.parameters())
    encoder.eval()
    features = encoder.features(x[0])
    assert features.shape == (6, 64) and torch.allclose(features, encoder.features(x[0] / 3), atol=1e-4)
    assert torch.allclose(features.mean(1), torch.zeros(6), atol=1e-5)
    assert torch.allclose(features.var(1, correction=0), torch.ones(6), atol=1e-2)
    assert torch.equal(learners.protonet(encoder)(tasks), learners.protonet(encoder)(tasks))
