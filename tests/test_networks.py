import copy

import pytest
import torch

from course_lib import checkpoints, networks
from course_lib.networks.images import ConditionalNorm


def test_convnet_shapes_and_gradients():
    net = networks.ConvNet(7, width=16)
    x = torch.rand(3, 1, 28, 28)
    assert net.features(x).shape == (3, 16) and net(x).shape == (3, 7)
    net(x).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for n, p in net.named_parameters() if n.endswith("weight"))
    assert sum(isinstance(m, torch.nn.Conv2d) for m in net.modules()) == 4


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
    return {"points": (networks.PointDiscriminator(dim=4, width=8), ()),
            "images": (networks.ImageDiscriminator(width=8), ()),
            "images of a class": (networks.ImageDiscriminator(n_classes=3, width=8), (LABELS,))}


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
    plain = torch.nn.BatchNorm2d(4)
    conditional, unconditional = (ConditionalNorm(4, n_classes=n) for n in (3, 0))
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
    norm = ConditionalNorm(4, n_classes=3)
    h, normal = hidden(), torch.nn.BatchNorm2d(4)(hidden())
    scale, shift = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        norm.scale.weight.copy_(scale)
        norm.shift.weight.copy_(shift)
    for i, y in enumerate(LABELS):
        for c in range(4):
            torch.testing.assert_close(norm(h, LABELS)[i, c], normal[i, c] * scale[y, c] + shift[y, c])


def test_projection_adds_the_embedding_of_the_class_times_the_features():
    torch.manual_seed(0)
    D = networks.ImageDiscriminator(n_classes=3, width=8).eval()
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


@pytest.mark.parametrize("name", [*generators(), *discriminators()])
def test_a_stored_network_gives_the_same_bits(name, tmp_path):
    everything = {**generators(), **discriminators()}
    net, condition = everything[name]
    is_generator = name in generators()
    x = torch.randn(5, net.z_dim, generator=torch.Generator().manual_seed(0)) if is_generator else samples(name)
    net(x, *condition)          # moves the buffers away from where they start
    checkpoints.save(tmp_path / "net.safetensors", net.state_dict())
    torch.manual_seed(1)
    fresh = copy.deepcopy(net)
    for p in [*fresh.parameters(), *(b for b in fresh.buffers() if b.is_floating_point())]:
        torch.nn.init.normal_(p)
    fresh.load_state_dict(checkpoints.load(tmp_path / "net.safetensors"))
    assert torch.equal(net.eval()(x, *condition), fresh.eval()(x, *condition))


def moved_right(x, by):
    """Images x whose last `by` columns are empty, moved to the right."""
    return torch.nn.functional.pad(x, (by, -by))


def test_a_kept_map_shows_where_a_stroke_lies():
    torch.manual_seed(0)
    net, x, seen = networks.ConvNet(5, width=8, keep_map=True).eval(), torch.rand(3, 1, 28, 28), []
    x[..., 20:] = 0
    h = x
    for block in net.blocks:
        h = block(h)
        seen.append(tuple(h.shape[1:]))
    assert seen == [(8, 14, 14), (8, 7, 7), (8, 4, 4)]
    assert torch.equal(net.features(x), h.flatten(1)) and net.features(x).shape == (3, 128)
    torch.testing.assert_close(net(x), net.head(h.flatten(1)))
    # eight pixels are one cell of the map: a cell away from the borders says the same, one place further right
    across = net.features(moved_right(x, 8)).view(3, 8, 4, 4)
    torch.testing.assert_close(across[..., 2], h[..., 1], atol=1e-5, rtol=1e-5)
    assert (across - h).norm() > 0.2 * h.norm(), "the features of a moved drawing differ"
    net(x).square().sum().backward()
    assert all(p.grad.abs().sum() > 0 for n, p in net.named_parameters() if n.endswith("weight"))


def test_features_of_one_length_lose_what_all_drawings_share():
    torch.manual_seed(0)
    plain = networks.ConvNet(5, width=8, norm=networks.BatchNorm, keep_map=True)
    net = networks.ConvNet(5, width=8, norm=networks.BatchNorm, keep_map=True, length=3)
    net.load_state_dict(plain.state_dict())
    support, query, other = torch.rand(4, 1, 28, 28), torch.rand(2, 1, 28, 28), torch.rand(2, 1, 28, 28)
    given = plain.features(torch.cat([support, query]), 4)
    found = net.features(torch.cat([support, query]), 4)
    expected = given - given[:4].mean(0)
    torch.testing.assert_close(found, 3 * expected / expected.square().sum(1, keepdim=True).sqrt())
    torch.testing.assert_close(found[:4], net.features(torch.cat([support, other]), 4)[:4])     # no query is seen
    torch.testing.assert_close(found[4:5], net.features(torch.cat([support, query[:1], other]), 4)[4:5])
    assert net.features(support[:1]).isfinite().all(), "of one image nothing is left, and that is no nan"


def test_a_pooled_map_is_the_mean_over_places():
    torch.manual_seed(0)
    net, x = networks.ConvNet(5, width=8).eval(), torch.rand(3, 1, 28, 28)
    h = x
    for block in net.blocks:
        h = block(h)
    assert h.shape == (3, 8, 2, 2)
    torch.testing.assert_close(net.features(x), sum(h[:, :, i, j] for i in range(2) for j in range(2)) / 4)


def no_change(n, grid=4):
    """affine, field and stroke width that leave n images as they are."""
    return [torch.zeros(n, 2, 3), torch.zeros(n, 2, grid, grid), torch.zeros(n)]


def pictures(*shape, seed=0):
    return torch.rand(*shape, 1, 28, 28, generator=torch.Generator().manual_seed(seed))


def test_warp_moves_by_pixels_and_by_parts_of_the_width():
    x, (affine, field, stroke_width) = pictures(3), no_change(3)
    torch.testing.assert_close(networks.warp(x, affine, field, stroke_width), x, rtol=0, atol=1e-5)
    field[:, 0] = 2.0                       # looks two pixels further right: the picture moves left
    moved = networks.warp(x, affine, field, stroke_width)
    torch.testing.assert_close(moved[..., :26], x[..., 2:], rtol=0, atol=1e-4)
    assert moved[..., 26:].abs().max() < 1e-4, "outside it is empty"
    affine[:, 1, 2] = 2 * 3 / 28            # and three further down
    moved = networks.warp(x, affine, 0 * field, stroke_width)
    torch.testing.assert_close(moved[:, :, :25], x[:, :, 3:], rtol=0, atol=1e-4)


def test_a_field_bends_smoothly_and_where_it_says():
    x, (affine, field, stroke_width) = pictures(1), no_change(1, grid=5)
    field[0, 1, 0, 0] = 1.0                 # the upper left corner looks one pixel further down
    moved = networks.warp(x, affine, field, stroke_width)
    torch.testing.assert_close(moved[0, 0, 0, 0], x[0, 0, 1, 0], rtol=0, atol=1e-4)
    torch.testing.assert_close(moved[..., 18:, 18:], x[..., 18:, 18:], rtol=0, atol=1e-4)


def test_a_stroke_width_of_one_is_dilation_and_of_minus_one_erosion():
    from scipy.ndimage import grey_dilation, grey_erosion

    x, (affine, field, _) = pictures(4), no_change(4)
    drawn = networks.warp(x, affine, field, torch.tensor([1.0, -1, 0.5, -0.25]))[:, 0].numpy()
    thick, thin = ([f(image.numpy(), (3, 3), mode=mode) for image in x[:, 0]]
                   for f, mode in ((grey_dilation, "nearest"), (grey_erosion, "nearest")))
    for came, right in zip(drawn, (thick[0], thin[1], (x[2, 0].numpy() + thick[2]) / 2,
                                   0.75 * x[3, 0].numpy() + 0.25 * thin[3])):
        assert abs(came - right).max() < 1e-4


def test_the_gradient_of_warp_against_finite_differences():
    g = torch.Generator().manual_seed(0)
    x = torch.rand(2, 1, 7, 7, dtype=torch.float64, generator=g)
    # away from pixel borders, where the gradient of a bilinear sample jumps
    affine = 0.031 + 0.02 * torch.rand(2, 2, 3, dtype=torch.float64, generator=g)
    field = 0.1 * torch.rand(2, 2, 3, 3, dtype=torch.float64, generator=g)
    stroke_width = torch.tensor([0.4, -0.3], dtype=torch.float64)
    inputs = [t.requires_grad_() for t in (x, affine, field, stroke_width)]
    assert torch.autograd.gradcheck(networks.warp, inputs, eps=1e-7, atol=1e-5)


def test_a_set_encoder_knows_no_order_and_no_number():
    encode, x = networks.SetEncoder(6, width=8), pictures(2, 5)
    torch.testing.assert_close(encode(x), encode(x[:, [3, 1, 4, 0, 2]]))
    torch.testing.assert_close(encode(x), encode(x.repeat(1, 3, 1, 1, 1)))
    torch.testing.assert_close(encode(x)[0], torch.stack([encode(x[:1, i:i + 1])[0] for i in range(5)]).mean(0))
    assert not torch.allclose(encode(x)[0], encode(x)[1])


FROM_EXAMPLES = (networks.WarpGenerator, networks.PixelGenerator)


@pytest.mark.parametrize("make", FROM_EXAMPLES)
@pytest.mark.parametrize("with_task", (True, False))
def test_a_generator_uses_noise_examples_and_task(make, with_task):
    torch.manual_seed(0)
    G = make(4, task=with_task, width=8)
    z, x, task = torch.randn(6, 4), pictures(6, 3), pictures(2, 5, seed=1)
    image = G(z, x, task)
    assert image.shape == (6, 1, 28, 28) and image.min() >= 0 and image.max() <= 1 + 1e-5 and G.z_dim == 4
    assert gradients_reach_all(G, image)
    G.eval()
    image = G(z, x, task)
    other = pictures(1, seed=9)[0]
    for i in (0, 1, 2):     # every example counts, not only the first, which is redrawn
        changed = torch.cat([x[:, :i], other.expand(6, 1, 1, 28, 28), x[:, i + 1:]], dim=1)
        assert not torch.allclose(G(z, changed, task), image, atol=1e-7)
    assert not torch.allclose(G(z.flip(0), x, task), image, atol=1e-6)
    changed = G(z, x, torch.cat([task[:1], pictures(1, 5, seed=7)]))
    assert torch.equal(changed[:3], image[:3]), "rows come task by task"
    assert torch.equal(changed[3:], image[3:]) != with_task


def test_the_warp_generator_can_only_move_its_first_example():
    G = networks.WarpGenerator(4, width=8)
    blank = torch.zeros(2, 1, 1, 28, 28)
    assert not G(torch.randn(2, 4), blank, blank[:1]).any()


@pytest.mark.parametrize("pair", (True, False))
@pytest.mark.parametrize("with_task", (True, False))
def test_a_pair_discriminator_looks_at_what_it_says(pair, with_task):
    torch.manual_seed(0)
    D = networks.PairDiscriminator(pair=pair, task=with_task, width=8, n_out=6)
    image, x, task = pictures(6), pictures(6, 2), pictures(2, 5, seed=1)
    logits = D(image, x, task)
    assert logits.shape == (6,) and gradients_reach_all(D, logits)
    assert torch.equal(D(image, x.flip(0), task), logits) != pair
    changed = D(image, x, torch.cat([task[:1], pictures(1, 5, seed=7)]))
    assert torch.equal(changed[:3], logits[:3]) and torch.equal(changed[3:], logits[3:]) != with_task
    assert D(image, x[:, :1], task).equal(logits), "of several examples it compares with the first"
