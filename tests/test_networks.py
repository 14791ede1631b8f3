import copy

import pytest
import torch

from course_lib import networks, runtime


def test_convnet_shapes_and_gradients():
    net = networks.ConvNet(7, width=16)
    x = torch.rand(3, 1, 28, 28)
    assert net.features(x).shape == (3, 16) and net(x).shape == (3, 7)
    net(x).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for n, p in net.named_parameters() if n.endswith("weight"))
    assert sum(isinstance(m, torch.nn.Conv2d) for m in net.modules()) == 4


# ---------------------------------------------------------------- generators and discriminators
#
# Small ones: (network, what it is called with after z or x).

LABELS = torch.tensor([0, 1, 2, 2, 1])


def generators():
    torch.manual_seed(0)
    return {"G, points": (networks.PointGenerator(3, dim=4, width=8), ()),
            "G, images": (networks.ImageGenerator(6, width=8), ()),
            "G, images of a class": (networks.ImageGenerator(6, n_classes=3, width=8), (LABELS,))}


def discriminators():
    torch.manual_seed(0)
    images = {f"images, {kind}": (networks.ImageDiscriminator(n_classes=n, width=8, spectral=spectral), y)
              for kind, n, spectral, y in (("spectral", 0, True, ()), ("not spectral", 0, False, ()),
                                           ("spectral, classes", 3, True, (LABELS,)),
                                           ("not spectral, classes", 3, False, (LABELS,)))}
    return {"points, not spectral": (networks.PointDiscriminator(dim=4, width=8), ()),
            "points, spectral": (networks.PointDiscriminator(dim=4, width=8, spectral=True), ()), **images}


def samples(name, seed=0):
    """Five x for the discriminator called `name`."""
    shape = (4,) if name.startswith("points") else (1, 28, 28)
    return torch.rand(5, *shape, generator=torch.Generator().manual_seed(seed))


def gradients_reach_all(net, output):
    probe = torch.rand(output.shape, generator=torch.Generator().manual_seed(1)) + 0.1
    (output * probe).sum().backward()
    return all(p.grad.abs().sum() > 0 and p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.parametrize("name", generators())
def test_generators(name):
    G, condition = generators()[name]
    z = torch.randn(5, G.z_dim, generator=torch.Generator().manual_seed(0))
    x = G(z, *condition)
    assert x.shape == ((5, 4) if "points" in name else (5, 1, 28, 28)) and x.dtype == torch.float32
    assert gradients_reach_all(G, x)
    if "images" in name:
        wild = G(30 * z, *condition)
        assert x.min() >= 0 and x.max() <= 1 and wild.min() >= 0 and wild.max() <= 1
        assert x.std(0).mean() > 1e-3, "another z, another image"
    else:
        assert G(100 * z).abs().max() > 2, "points may lie anywhere"


def test_a_generator_has_the_z_dim_it_was_asked_for():
    assert networks.PointGenerator(9).z_dim == 9 and networks.PointGenerator(9)(torch.zeros(4, 9)).shape == (4, 2)
    assert networks.ImageGenerator(9, width=4).z_dim == 9
    assert networks.ImageGenerator(width=4)(torch.zeros(2, networks.ImageGenerator(width=4).z_dim)).shape[0] == 2


@pytest.mark.parametrize("name", discriminators())
def test_discriminators(name):
    D, condition = discriminators()[name]
    logits = D(samples(name), *condition)
    assert logits.shape == (5,) and logits.dtype == torch.float32
    assert gradients_reach_all(D, logits)
    assert D(samples(name)[:1], *(y[:1] for y in condition)).shape == (1,), "a batch of one keeps its axis"


@pytest.mark.parametrize("name", discriminators())
def test_no_sample_influences_the_logit_of_another(name):
    D, condition = discriminators()[name]
    x = samples(name).requires_grad_()
    gradient, = torch.autograd.grad(D(x, *condition)[2], x)        # in train mode, as the penalties need it
    reached = gradient.flatten(1).abs().sum(1) > 0
    assert reached.tolist() == [False, False, True, False, False]


@pytest.mark.parametrize("name", discriminators())
def test_a_logit_is_a_linear_function_of_the_last_layer(name):
    """A sigmoid or a ReLU after it would be wrong for every loss."""
    D, condition = discriminators()[name]
    D.eval()
    last = [m for m in D.modules() if isinstance(m, torch.nn.Linear)][-1]
    logits = []
    for shift in (3.0, -6.0):
        last.bias.data += shift
        logits.append(D(samples(name), *condition))
    torch.testing.assert_close(logits[0] - logits[1], torch.full((5,), 6.0), rtol=0, atol=1e-4)


# ---------------------------------------------------------------- conditions


def test_another_label_is_another_image():
    G, _ = generators()["G, images of a class"]
    z = torch.randn(5, 6, generator=torch.Generator().manual_seed(0))
    embeddings = [m.weight for m in G.modules() if isinstance(m, torch.nn.Embedding)]
    assert len(embeddings) == 4, "a scale and a shift in each of two norms"
    for p in embeddings:        # the classes start alike, and training tells them apart, by each of the four
        start = p.detach().clone()
        p.data += torch.randn(p.shape, generator=torch.Generator().manual_seed(3))
        for net in (G.train(), G.eval()):
            one, other = (net(z, torch.tensor([0, 1, 2, 2, c])) for c in (0, 1))
            assert (one[4] - other[4]).abs().mean() > 1e-3
        assert torch.equal(one[:4], other[:4]), "in eval, its own image alone"
        p.data = start


def hidden(seed=0):
    h = torch.randn(5, 4, 3, 3, generator=torch.Generator().manual_seed(seed))
    return h * torch.tensor([1.0, 2, 3, 4])[:, None, None] + 1


def test_conditional_norm_starts_as_batch_norm():
    plain, conditional, unconditional = torch.nn.BatchNorm2d(4), *(networks.ConditionalNorm(4, n_classes=n)
                                                                   for n in (3, 0))
    assert [sum(p.numel() for p in net.parameters()) for net in (plain, conditional, unconditional)] == [8, 24, 8]
    h = hidden()
    by_hand = (h - h.mean((0, 2, 3), keepdim=True)) / (h.var((0, 2, 3), unbiased=False, keepdim=True) + 1e-5).sqrt()
    for net, condition in ((plain, ()), (conditional, (LABELS,)), (unconditional, ())):
        torch.testing.assert_close(net(h, *condition), by_hand)
        net.eval()
    running = plain(h)
    assert not torch.allclose(running, by_hand, atol=0.1), "eval uses the running statistics"
    torch.testing.assert_close(conditional(h, LABELS), running)
    torch.testing.assert_close(unconditional(h, LABELS), running)


def test_conditional_norm_scales_and_shifts_by_class():
    norm = networks.ConditionalNorm(4, n_classes=3)
    h, normal = hidden(), torch.nn.BatchNorm2d(4)(hidden())
    scale, shift = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        norm.scale.weight.copy_(scale)
        norm.shift.weight.copy_(shift)
    for i, y in enumerate(LABELS):
        for c in range(4):
            torch.testing.assert_close(norm(h, LABELS)[i, c], normal[i, c] * scale[y, c] + shift[y, c])


@pytest.mark.parametrize("spectral", [True, False])
def test_projection_adds_the_embedding_of_the_class_times_the_features(spectral):
    torch.manual_seed(0)
    D = networks.ImageDiscriminator(n_classes=3, width=8, spectral=spectral).eval()
    seen = []
    D.features.register_forward_hook(lambda module, inputs, output: seen.append(output))
    x, y, other = samples("images"), LABELS, torch.tensor([2, 0, 0, 1, 2])
    difference = D(x, y) - D(x, other)
    e, h = D.embedding.weight, seen[0]
    expected = torch.stack([sum((e[a] - e[b]) * h_i) for a, b, h_i in zip(y, other, h)])
    torch.testing.assert_close(difference, expected, rtol=1e-4, atol=1e-5)
    assert expected.abs().min() > 1e-4 and h.std(0).max() > 0, "the inputs hide nothing"
    psi = D(x, y) - torch.stack([e[a] @ h_i for a, h_i in zip(y, h)])       # what is left knows no class
    torch.testing.assert_close(psi, D.psi(h).squeeze(1), rtol=1e-4, atol=1e-5)


# ---------------------------------------------------------------- spectral norm


def weights(net):
    return [m.weight for m in net.modules() if isinstance(m, (torch.nn.Linear, torch.nn.Conv2d, torch.nn.Embedding))]


@pytest.mark.parametrize("name", [name for name in discriminators() if "spectral" in name])
def test_spectral_norm_holds_the_largest_singular_value_at_1(name):
    D, condition = discriminators()[name]
    with torch.no_grad():       # far from 1
        for p in D.parameters():
            if p.dim() > 1:
                p.mul_(7)
    for _ in range(60):
        D(samples(name), *condition)
    D.eval()
    largest = [torch.linalg.matrix_norm(w.detach().flatten(1), 2).item() for w in weights(D)]
    assert len(largest) >= 3
    if "not" in name:
        assert all(abs(value - 1) > 0.2 for value in largest)
    else:
        assert largest == pytest.approx([1] * len(largest), abs=5e-3)


def test_a_spectral_point_discriminator_is_1_lipschitz():
    torch.manual_seed(0)
    D = networks.PointDiscriminator(width=16, spectral=True)
    for _ in range(50):
        D(torch.zeros(1, 2))
    x, other = torch.randn(2, 500, 2, generator=torch.Generator().manual_seed(0)) * 3
    slope = ((D(x) - D(other)).abs() / (x - other).norm(dim=1)).max().item()
    assert 0.02 < slope <= 1.001


# ---------------------------------------------------------------- stored


@pytest.mark.parametrize("name", [*generators(), *discriminators()])
def test_a_stored_network_gives_the_same_bits(name, tmp_path):
    everything = {**generators(), **discriminators()}
    net, condition = everything[name]
    is_generator = name in generators()
    x = torch.randn(5, net.z_dim, generator=torch.Generator().manual_seed(0)) if is_generator else samples(name)
    net(x, *condition)          # moves the buffers away from where they start
    runtime.save(tmp_path / "net.safetensors", net.state_dict())
    torch.manual_seed(1)
    fresh = copy.deepcopy(net)
    for p in [*fresh.parameters(), *(b for b in fresh.buffers() if b.is_floating_point())]:
        torch.nn.init.normal_(p)
    fresh.load_state_dict(runtime.load(tmp_path / "net.safetensors"))
    assert torch.equal(net.eval()(x, *condition), fresh.eval()(x, *condition))


@pytest.mark.parametrize("pool, sizes", [(0, [14, 7, 4, 2]), (3, [14, 7, 3, 1]), (4, [14, 7, 3, 1])])
def test_pool_says_how_many_of_the_last_blocks_halve_by_max_pooling(pool, sizes):
    net, x, seen = networks.ConvNet(5, width=8, pool=pool), torch.rand(2, 1, 28, 28), []
    for i, block in enumerate(net.blocks):
        x = block(x)
        seen.append(x.shape[-1])
        assert isinstance(block.pool, torch.nn.MaxPool2d) == (i >= 4 - pool)
    assert seen == sizes and net(torch.rand(2, 1, 28, 28)).shape == (2, 5)
