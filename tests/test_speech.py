"""Spoken words as pictures: what liftering takes away and keeps; time warping; the classical copies of speech."""

import itertools
import math

import pytest
import torch

from course_lib import episodes, learners, networks, runtime, speech
from course_lib.datasets import ImageClasses


def sound(seed=0, n=1):
    """Smooth spectrograms [n, 1, 28, 28] around the middle of the range."""
    small = torch.rand(n, 1, 5, 5, generator=runtime.rng(seed))
    return 0.3 + 0.4 * torch.nn.functional.interpolate(small, (28, 28), mode="bicubic", align_corners=True)


bands = (torch.arange(28) + 0.5)[:, None]


@pytest.mark.parametrize("added", [
    0.2 * torch.rand(1, 28, generator=runtime.rng(1)).expand(28, 28),                       # loudness, moment by moment
    0.2 * (math.pi * bands / 28).cos() * torch.rand(1, 28, generator=runtime.rng(2)),       # tilt, moment by moment
    0.1 * (math.pi * 20 * bands / 28).cos() * torch.rand(1, 28, generator=runtime.rng(3)),  # a voice's fine lines
    0.3 * torch.rand(28, 1, generator=runtime.rng(4)).expand(28, 28)],                      # a microphone's colour
    ids=["loudness", "tilt", "pitch", "microphone"])
def test_what_is_not_the_word_is_taken_away(added):
    x = sound()
    assert torch.allclose(speech.liftered(x + added), speech.liftered(x), atol=1e-4)
    assert (speech.liftered(x + 0.2 * sound(5)) - speech.liftered(x)).abs().max() > 0.05, "and the word is not"


def test_liftered_pictures_lie_around_the_middle_whatever_the_contrast():
    x = sound(n=3)
    y = speech.liftered(x)
    assert y.shape == x.shape and y.min() >= 0 and y.max() <= 1
    assert torch.allclose(y.mean(-1), torch.full((3, 1, 28), 0.5), atol=0.02)
    assert torch.allclose(speech.liftered(0.5 * x), y, atol=1e-4)
    assert speech.liftered(torch.zeros(1, 1, 28, 28)).isfinite().all(), "silence"


def test_a_liftered_network_is_that_network_on_liftered_pictures():
    network = networks.ConvNet(1, width=4, keep_map=True)
    wrapped, x = speech.Liftered(network).eval(), sound(n=3)
    assert torch.equal(wrapped.features(x), network.features(speech.liftered(x)))
    assert not network.training and set(dict(wrapped.named_parameters())) == {
        f"network.{name}" for name, _ in network.named_parameters()}


def cheapest(apart):
    """Every way in order from the first corner to the last, one by one."""
    n = len(apart)
    ways = [[(0, 0)]]
    best = math.inf
    while ways:
        way = ways.pop()
        i, j = way[-1]
        if (i, j) == (n - 1, n - 1):
            best = min(best, sum(apart[place].item() for place in way))
        ways += [[*way, (i + a, j + b)] for a, b in ((0, 1), (1, 0), (1, 1)) if i + a < n and j + b < n]
    return best


def test_time_warping_finds_the_cheapest_of_all_ways(monkeypatch):
    monkeypatch.setattr(speech, "liftered", lambda x: x)
    query, support = (torch.rand(2, 1, 3, 5, generator=runtime.rng(seed)) for seed in (0, 1))
    costs = speech.dtw_costs(query, support)
    for q, s in itertools.product(range(2), repeat=2):
        apart = torch.cdist(query[q, 0].T, support[s, 0].T)
        assert costs[q, s].item() == pytest.approx(cheapest(apart), rel=1e-5)
    narrow = speech.dtw_costs(query, support, band=0)
    diagonal = (query[0, 0] - support[0, 0]).norm(dim=0).sum()
    assert narrow[0, 0].item() == pytest.approx(diagonal.item(), rel=1e-5) and (narrow >= costs - 1e-5).all()


def test_time_warping_forgives_another_speed():
    """Sounds said at an even speed, and slowly at first: a picture's distance is fooled, time warping is not."""
    even = sound(n=5, seed=7)
    times = (torch.linspace(0, 1, 28) ** 1.6 * 27).round().long()
    slow = even[..., times]
    labels = torch.arange(5)[None]
    tasks = episodes.Episodes(even[None], labels, slow[None], labels)
    assert torch.equal(speech.dtw(tasks), labels)
    costs = speech.dtw_costs(slow, even)
    plain = torch.cdist(speech.liftered(slow).flatten(1), speech.liftered(even).flatten(1))
    assert costs.diag().mean() / costs.mean() < 0.5 * plain.diag().mean() / plain.mean()


def test_classical_copies_move_time_and_pitch_apart():
    x = sound(n=6)[None].expand(2, -1, -1, -1, -1).contiguous()
    rng = runtime.rng(0)
    assert torch.allclose(speech.classical(0.0)(x, rng), x, atol=1e-5)
    weak, strong = (speech.classical(s)(x, runtime.rng(1)) for s in (0.3, 1.0))
    assert weak.shape == x.shape and 0 < (weak - x).abs().mean() < (strong - x).abs().mean()
    lines = torch.zeros(1, 40, 1, 28, 28)
    lines[..., 14, 4:24] = 1            # a band that sounds for a while: warped, it still lies along the time
    copies = speech.classical()(lines, runtime.rng(2))[0, :, 0]
    heard = copies.sum(1)                                                                   # [N, T]
    pitch = (copies * bands).sum(1) / heard.clamp(min=1e-6)
    first = pitch.gather(1, heard.argmax(1, keepdim=True))
    assert first.std() > 0.5 and ((pitch - first).abs() < 0.05)[heard > 0.5].all(), "at all times, the band moves alike"


def test_a_learner_of_prototypes_takes_it():
    images = (255 * sound(n=12, seed=3).view(6, 2, 1, 28, 28)).round().to(torch.uint8)
    classes = ImageClasses(images, ("a",) * 6, tuple("abcdef"))
    network = speech.Liftered(networks.ConvNet(1, width=4, keep_map=True))
    tasks = episodes.sample(classes, n_way=5, k_shot=1, q_query=1, n_tasks=2, rng=runtime.rng(0))
    assert learners.protonet(network.eval())(tasks).shape == (2, 5)
