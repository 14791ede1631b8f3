import math
from types import SimpleNamespace

import pytest
import torch
from scipy.ndimage import gaussian_filter

from course_lib import flows, networks, runtime


def test_the_loss_is_that_of_the_straight_way():
    """Against a loop over rows, with a velocity that depends on everything."""
    weight = torch.rand(3, 5, generator=runtime.rng(1), dtype=torch.float64)
    G = SimpleNamespace(condition=lambda z, x, task: torch.cat([z, x[:, 0].double(), task.double()], dim=1),
                        velocity=lambda at, t, x, c: (at + t[:, None]) * (c @ weight[:2]).sin()[:, :at.shape[1]])
    y, x, task = torch.rand(7, 4, dtype=torch.float64), torch.rand(7, 1, 1), torch.rand(7, 1)
    rng = runtime.rng(2)
    z, t = torch.randn(y.shape, generator=rng), torch.rand(7, generator=rng)
    expected = 0.0
    for i in range(7):
        at = (1 - t[i].item()) * z[i].double() + t[i].item() * y[i]
        c = torch.stack([x[i, 0, 0].double(), task[i, 0].double()]) @ weight[:2]
        v = (at + t[i].item()) * c.sin()[:4]
        expected += sum((v[k].item() - (y[i, k] - z[i, k]).item()) ** 2 for k in range(4)) / 28
    G.velocity = lambda at, t, x, c: (at + t[:, None]) * (c @ weight[:2]).sin()[:, :4]
    assert flows.matching_loss(G, y.float(), x, task, runtime.rng(2)).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("make, n", [(networks.WarpFlow, 57), (networks.PixelFlow, 784)])
def test_a_flow_follows_its_velocity(make, n):
    G, z = make(steps=4), torch.randn(6, n, generator=runtime.rng(0))
    x, task = torch.rand(6, 1, 1, 28, 28), torch.rand(2, 3, 1, 28, 28)
    seen = []

    def velocity(at, t, x, condition):
        seen.append(t[0].item())
        return -at

    G.velocity = velocity
    assert torch.allclose(G.carried(z, x, task), z * (1 - 1 / 4) ** 4, atol=1e-6)       # Euler's method on z' = -z
    assert seen == [0, 0.25, 0.5, 0.75]


@pytest.mark.parametrize("make", [networks.WarpFlow, networks.PixelFlow])
def test_a_flow_is_a_generator_of_its_own_rows(make):
    torch.manual_seed(0)
    G = make().eval()
    x, task = torch.rand(6, 2, 1, 28, 28), torch.rand(2, 3, 1, 28, 28)
    z = torch.randn(6, G.z_dim)
    images = G(z, x, task)
    assert images.shape == (6, 1, 28, 28) and images.min() >= 0 and images.max() <= 1
    other = task.clone()
    other[1] = 0                            # the second task's rows are 3, 4 and 5
    moved = (G(z, x, other) - images).abs().amax((1, 2, 3)) > 1e-6
    assert moved.tolist() == [False] * 3 + [True] * 3


def test_a_flow_of_warps_starts_from_its_mean():
    G = networks.WarpFlow()
    G.mean, G.std = torch.arange(57.0), torch.full((57,), 2.0)
    assert torch.equal(G.target(G.mean + 6), torch.full((57,), 3.0))
    G.carried = lambda z, x, task: torch.full((2, 57), 3.0)
    affine, field, stroke_width = G.settings(torch.zeros(2, 57), None, None)
    assert affine[0].flatten().tolist() == list(range(6, 12)) and field[1, 1, 4, 4] == 61
    assert stroke_width.tolist() == [1, 1], "no thicker than a warp can draw"


def test_fit_learns_where_the_data_lie():
    G = networks.WarpFlow()
    x, task = torch.zeros(64, 1, 1, 28, 28), torch.zeros(1, 2, 1, 28, 28)
    flows.fit(G, lambda rng: (torch.randn(64, 57, generator=rng) + 2, x, task), n_steps=300,
              rng=runtime.rng(0), lr=3e-3)
    with torch.no_grad():
        found = G.carried(torch.randn(200, 57, generator=runtime.rng(1)), x[:1].expand(200, -1, -1, -1, -1), task)
    assert not G.training and found.mean().item() == pytest.approx(2, abs=0.1)
    assert found.std().item() == pytest.approx(1, abs=0.1)
    with pytest.raises(ValueError, match="n_steps"):
        flows.fit(G, None, n_steps=0, rng=runtime.rng(0))


def bar(stroke=2, at=(10, 18)):
    image = torch.zeros(1, 1, 28, 28)
    image[..., 5:23, at[0]:at[0] + stroke] = 1
    image[..., 11:11 + stroke, 8:20] = 1
    return image


def test_a_warp_is_found_between_two_drawings():
    x, real = torch.cat([bar(), bar()]), torch.cat([torch.roll(bar(), (2, -1), (2, 3)), bar(stroke=4)])
    settings = flows.warps_between(x, real)
    affine, field, stroke_width = networks.apart(settings)
    warped = networks.warp(x, affine, field, stroke_width.clamp(-1, 1))
    before, after = ((flows.blur(a, 1.0) - flows.blur(real, 1.0)).square().sum((1, 2, 3)) for a in (x, warped))
    assert (after < 0.2 * before).all()
    assert stroke_width[1] > 0.2, "a thicker stroke needs a thicker pen"
    alone = flows.warps_between(x[:1], real[:1])
    assert torch.allclose(alone[0], settings[0], atol=1e-4), "each pair is on its own"


def test_blur_is_scipys():
    x = torch.rand(2, 1, 28, 28, generator=runtime.rng(0))
    expected = gaussian_filter(x.double().numpy(), (0, 0, 0.8, 0.8), mode="constant", truncate=4 / 0.8)
    assert torch.allclose(flows.blur(x, 0.8).double(), torch.from_numpy(expected), atol=1e-5)


def test_waves_tell_times_apart():
    found = networks.flows.waves(torch.tensor([0.0, 0.25, 1.0]))
    assert found.shape == (3, networks.flows.N_WAVES)
    assert found[1, 0].item() == pytest.approx(math.sin(math.pi / 4))
    assert found[1, 5].item() == pytest.approx(0, abs=1e-6)
    assert torch.cdist(found, found).fill_diagonal_(9).min() > 0.5
