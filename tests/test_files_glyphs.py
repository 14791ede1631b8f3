"""The handwriting simulator: same characters everywhere, same drawings on one machine, classes that are classes."""

import hashlib

import pytest
import torch

from course_files import glyphs
from course_lib import datasets


@pytest.fixture(scope="module")
def few():
    return glyphs.programs(3, n_alphabets=4, n_characters=10)


def drawn(programs, seed, n_drawers=10):
    return glyphs.draw(programs, n_drawers, torch.Generator().manual_seed(seed))


def test_characters_are_the_same_on_every_machine():
    fields = glyphs.programs(0, n_alphabets=6)
    assert all(field.dtype == torch.int64 for field in fields)
    digest = hashlib.md5(b"".join(field.contiguous().numpy().astype("<i8").tobytes() for field in fields)).hexdigest()
    assert digest == "f9869bc1ea46abd1e13f642f5c1bc225"


def test_programs_stay_on_the_canvas_and_keep_to_their_fields(few):
    assert few.points.shape == (40, glyphs.STROKES, glyphs.POINTS, 2)
    assert few.alphabet.tolist() == [a for a in range(4) for _ in range(10)]
    assert few.n_strokes.min() >= 1 and few.n_strokes.max() <= glyphs.STROKES
    size = few.points.amax((1, 2)) - few.points.amin((1, 2))
    assert size.amax(1).min() > 25 and size.max() < 80     # pixels of 105
    assert few.points.abs().max() <= 45


def test_characters_of_an_alphabet_are_distinct(few):
    for a in range(4):
        dots = [p[:n].reshape(-1, 2) for p, n in zip(few.points[few.alphabet == a], few.n_strokes[few.alphabet == a])]
        for i in range(10):
            for j in range(i):
                gap = (dots[i][:, None] - dots[j]).abs().sum(-1)
                assert max(gap.amin(0).max(), gap.amin(1).max()) >= 14


def test_an_impossible_alphabet_is_an_error(monkeypatch):
    monkeypatch.setattr(glyphs, "FAMILIES", torch.zeros(1, 5, dtype=torch.int64))      # nothing but lines, all alike
    monkeypatch.setattr(glyphs, "HEADINGS", torch.tensor([4]))
    monkeypatch.setattr(glyphs, "JOINTS", torch.tensor([(0, 0)]))
    with pytest.raises(ValueError, match="no alphabet of 30 distinct"):
        glyphs.programs(0, n_alphabets=1, n_characters=30)


def test_drawings_are_bright_ink_on_dark(few):
    images = drawn(few, 1)
    assert images.shape == (40, 10, 1, 28, 28) and images.dtype == torch.uint8
    assert images.amax((2, 3, 4)).min() > 128               # every drawing has ink
    assert 0.04 < images.float().mean() / 255 < 0.11        # Omniglot: 0.074
    assert (images == 0).float().mean() > 0.7


def test_drawings_are_reproducible_with_one_thread_and_two(few):
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = drawn(few, 5)
        torch.set_num_threads(2)
        assert torch.equal(one, drawn(few, 5)) and torch.equal(one, drawn(few, 5))
    finally:
        torch.set_num_threads(threads)


def test_a_drawer_keeps_a_style_through_an_alphabet(few):
    """Width and position of a drawing, taken relative to its character, agree between two halves of an alphabet."""
    images = drawn(few, 2, n_drawers=40).float()[:, :, 0]
    centre = (images.sum(-2) * torch.arange(28.0)).sum(-1) / images.sum((-1, -2))       # [C, D] horizontal
    own = (centre - centre.mean(1, keepdim=True)).view(4, 10, 40)
    same = torch.stack([torch.corrcoef(torch.stack([o[:5].mean(0), o[5:].mean(0)]))[0, 1] for o in own])
    other = torch.stack([torch.corrcoef(torch.stack([own[a, :5].mean(0), own[a - 1, 5:].mean(0)]))[0, 1]
                         for a in range(4)])
    assert same.min() > 0.6
    assert other.abs().mean() < 0.35


def test_fresh_drawings_differ_but_are_nearest_to_their_own_class(few):
    old, fresh = drawn(few, 1, 20), drawn(few, 2, 20)
    assert not (old == fresh).all(-1).all(-1).any()
    means = old.float().mean(1).flatten(1)                  # [C, 784]
    guess = torch.cdist(fresh.float().flatten(2).flatten(0, 1), means).argmin(1)
    accuracy = (guess == torch.arange(40).repeat_interleave(20)).float().mean()
    assert 0.5 < accuracy < 0.98                            # chance 0.025; 1 would be no variation


def test_a_drawer_never_draws_the_same_twice(few):
    twice = drawn(glyphs.take(few, torch.tensor([7, 7])), 1)
    assert not (twice[0] == twice[1]).all(-1).all(-1).any()


def test_some_of_the_characters_can_be_drawn(few):
    index = torch.tensor([31, 4])
    some, means = drawn(glyphs.take(few, index), 7), drawn(few, 1, 20).float().mean(1).flatten(1)
    assert some.shape == (2, 10, 1, 28, 28)
    assert torch.cdist(some.float().mean(1).flatten(1), means).argmin(1).tolist() == [31, 4]


def test_the_pen_is_five_pixels_wide():
    path = torch.stack([torch.arange(30.0, 71.0), torch.full((41,), 40.0)], -1)[None, None, None]       # x 30..70, y 40
    ink = glyphs._ink(path, torch.ones(1, 1, dtype=torch.bool))[0]
    assert ink[:, 50].nonzero()[:, 0].tolist() == [38, 39, 40, 41, 42]
    assert ink[40].nonzero()[:, 0].tolist() == list(range(28, 73))
    assert not glyphs._ink(path, torch.zeros(1, 1, dtype=torch.bool)).any()     # a stroke that is not used
    assert not ink[38, 28] and ink.sum() == 5 * 43 + 2 * 3      # round ends: the corners are missing


def test_a_curve_passes_through_its_control_points():
    points = torch.tensor([[(0.0, 3.0), (5.0, 9.0), (9.0, 2.0), (14.0, 7.0), (11.0, 12.0), (4.0, 15.0), (1.0, 8.0)]])
    straight, smooth = (glyphs._curve(points, torch.full((1, 1, 1), s), n_steps=4) for s in (0.0, 1.0))
    assert straight.shape == (1, 25, 2)
    assert torch.equal(straight[:, ::4], points) and torch.allclose(smooth[:, ::4], points)
    assert torch.allclose(straight[0, 6], (points[0, 1] + points[0, 2]) / 2)
    p = points[0]
    assert torch.allclose(smooth[0, 6], (9 * (p[1] + p[2]) - p[0] - p[3]) / 16)         # Catmull-Rom at one half


def test_shrinking_keeps_the_amount_of_ink_and_its_place():
    ink = torch.zeros(2, 105, 105)
    ink[0, 30:60, 15:30], ink[1] = 1.0, 1.0
    small = glyphs.to_28(ink)
    assert small.shape == (2, 28, 28) and small.dtype == torch.uint8
    assert (small[1] == 255).all()
    assert small[0, 9:15, 5:7].min() == 255 and small[0, :7].max() == 0 and small[0, :, 9:].max() == 0
    assert small[0].float().mean() / 255 == pytest.approx(450 / 105**2, rel=0.02)
    ink[0] = torch.arange(105) % 2                          # stripes too fine for 28 pixels turn grey, not patchy
    grey = glyphs.to_28(ink)[0].float()
    assert grey.min() > 105 and grey.max() < 150


def test_make_is_the_data_set(monkeypatch):
    small = glyphs.programs(0, n_alphabets=3, n_characters=4)
    monkeypatch.setattr(glyphs, "programs", lambda seed: small)
    images, alphabets, names = glyphs.make()
    assert images.shape == (12, 20, 1, 28, 28)
    assert alphabets == tuple(f"Glyph-{a:02d}" for a in range(3) for _ in range(4))
    assert names == tuple(f"character{c:02d}" for _ in range(3) for c in range(1, 5))


def test_the_splits_are_fixed():
    """Stored results depend on them."""
    alphabets = [f"Glyph-{a:02d}" for a in reversed(range(50)) for _ in range(2)]
    classes = datasets.ImageClasses(torch.zeros(100, 1, 1, 1, 1), tuple(alphabets), ("character01", "character02") * 50)
    places = datasets.DATASETS["glyphs"].split(classes)
    assert places[::2] == places[1::2] == ["test"] * 10 + ["val"] * 5 + ["train"] * 35
