import math

import pytest
import torch

from course_lib import normalisation


def blob(h=28, w=28, *, x=0.1, y=-0.2, across=0.2, down=0.12, slant=0.3):
    """A smooth lopsided drawing [h, w] whose ink ends before the border; places and sizes from -1 to 1."""
    places = lambda n: (2 * torch.arange(n, dtype=torch.float64) + 1) / n - 1         # noqa: E731
    u, v = (places(w)[None] - x) / across, (places(h)[:, None] - y) / down
    u = u + slant * v
    return (torch.exp(-(u**2 + v**2) / 2) + 0.5 * torch.exp(-((u - 1.5)**2 + (v + 0.7)**2) / 0.8)).float()


def moments_by_loop(image):
    """Mean and standard deviation of the ink of an image [H, W], across and down, pixel by pixel."""
    h, w = image.shape
    total, mean, spread = 0.0, [0.0, 0.0], [0.0, 0.0]
    for use in ("mean", "spread"):
        for i in range(h):
            for j in range(w):
                ink, place = image[i, j].item(), ((2 * j + 1) / w - 1, (2 * i + 1) / h - 1)
                if use == "mean":
                    total += ink
                for k in range(2):
                    if use == "mean":
                        mean[k] += ink * place[k]
                    else:
                        spread[k] += ink * (place[k] - mean[k])**2 / total
        if use == "mean":
            mean = [m / total for m in mean]
    return mean, [math.sqrt(s) for s in spread]


def test_moments_against_a_loop_over_pixels():
    g = torch.Generator().manual_seed(0)
    x = torch.rand(3, 5, 8, generator=g) * torch.tensor([0.1, 1, 1])[:, None, None]
    x[2, :, :4] = 0
    mean, spread = normalisation.moments(x)
    assert mean.shape == spread.shape == (3, 2)
    for b in range(3):
        right = moments_by_loop(x[b])
        assert mean[b].tolist() == pytest.approx(right[0], abs=1e-5)
        assert spread[b].tolist() == pytest.approx(right[1], abs=1e-5)
    assert mean[2, 0] > 0.3 > mean[2, 1].abs(), "across first, and right is positive"


def test_moments_of_one_pixel_and_of_no_ink():
    x = torch.zeros(2, 4, 4)
    x[0, 3, 0] = 0.5
    mean, spread = normalisation.moments(x)
    torch.testing.assert_close(mean, torch.tensor([[-0.75, 0.75], [0, 0]]))
    torch.testing.assert_close(spread, torch.zeros(2, 2), atol=1e-3, rtol=0)


def test_centring_moves_the_mean_to_the_middle_and_nothing_else():
    x = torch.zeros(1, 28, 28)
    x[0, 3:9, 14:24] = torch.rand(6, 10, generator=torch.Generator().manual_seed(0))
    x[0, 3:9, 14:24] += x[0, 3:9, 14:24].flip(0, 1)         # as much ink left as right: the mean is (18.5, 5.5)
    torch.testing.assert_close(normalisation.centred(x), x.roll((8, -5), (1, 2)), atol=1e-4, rtol=1e-4)
    mean, spread = normalisation.moments(normalisation.centred(blob()[None]))
    torch.testing.assert_close(mean, torch.zeros(1, 2), atol=2e-3, rtol=0)
    torch.testing.assert_close(spread, normalisation.moments(blob()[None])[1], rtol=0.03, atol=0)


@pytest.mark.parametrize("correction", (0.0, 0.5, 1.0))
def test_a_drawing_moved_and_scaled_comes_back_the_same(correction):
    images = torch.stack([blob(), blob(x=-0.15, y=0.12), blob(x=0, y=0, across=0.26, down=0.156)])
    normal = normalisation.normalised(images, correction=correction)
    for other in normal[1:]:
        assert (other - normal[0]).abs().mean() < 0.01 and (other - normal[0]).abs().max() < 0.12
    raw = (images[1:] - images[0]).abs().mean((1, 2))
    assert (raw > 0.02).all(), "before, they differ"


@pytest.mark.parametrize("widths", (2.6, 3.2))
@pytest.mark.parametrize("correction", (0.0, 0.5, 1.0))
def test_size_and_proportions_are_what_widths_and_correction_say(widths, correction):
    x = blob(across=0.15, down=0.12, slant=0)[None]
    (across, down), = normalisation.moments(x)[1].tolist()
    _, spread = normalisation.moments(normalisation.normalised(x, widths=widths, correction=correction))
    # `widths` deviations reach the border, which is 1 from the middle; a geometric mean of both ways where they differ
    ratio = (across / down)**(1 - correction)
    assert spread[0].tolist() == pytest.approx([ratio**0.5 / widths, ratio**-0.5 / widths], rel=0.06)


def test_every_image_by_itself_whatever_the_leading_dimensions():
    images = torch.stack([blob(x=i / 20, down=0.1 + i / 50) for i in range(6)])
    for function in (normalisation.normalised, normalisation.centred):
        before = images.clone()
        flat = function(images)
        assert flat.dtype == torch.float32 and torch.equal(images, before)
        assert torch.equal(function(images.view(2, 3, 1, 28, 28)), flat.view(2, 3, 1, 28, 28))
        for i in range(6):
            torch.testing.assert_close(function(images[i:i + 1])[0], flat[i])


def test_an_empty_image_stays_empty_and_a_dot_does_not_fill_the_page():
    dot = torch.zeros(2, 28, 28)
    dot[1, 4, 20] = 1
    for function in (normalisation.normalised, normalisation.centred):
        empty, dotted = function(dot)
        assert not empty.any() and dotted.isfinite().all() and dotted.min() >= 0 and dotted.max() <= 1 + 1e-6
    assert (normalisation.normalised(dot)[1] > 0).float().mean() < 0.9
    mean = normalisation.moments(normalisation.normalised(dot))[0][1]
    torch.testing.assert_close(mean, torch.zeros(2), atol=1e-4, rtol=0)


def test_numbers_of_twice_the_precision_stay_so():
    x = blob()[None]
    for function in (normalisation.normalised, normalisation.centred):
        precise = function(x.double())
        assert precise.dtype == torch.float64
        torch.testing.assert_close(precise.float(), function(x), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("function", (normalisation.normalised, normalisation.centred))
def test_normalisation_stays_on_the_device_of_its_images(function):
    assert function(torch.zeros(2, 3, 28, 28, device="meta")).device.type == "meta"     # it mixes with no other device
    if torch.cuda.is_available():
        torch.testing.assert_close(function(blob()[None].cuda()).cpu(), function(blob()[None]), atol=1e-4, rtol=1e-4)
