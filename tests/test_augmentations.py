import math

import pytest
import torch

from course_lib import augmentations
from course_lib.runtime import rng
from stand_ins import Recorder, darker, digit_tasks


@pytest.fixture(scope="module")
def tasks():
    return digit_tasks()


def alone(**strength):
    """Classical augmentation of one kind alone, at the given strength."""
    return augmentations.classical(augmentations.Strength(*[0.0] * 6)._replace(**strength))


def dot(row, column):
    x = torch.zeros(1, 400, 1, 28, 28)
    x[..., row, column] = 1
    return x


def place(x):
    """The centre of ink, in pixels right of and below the middle: [B], [B]."""
    x = x.flatten(0, 2)
    middle = torch.arange(28) - 13.5
    return (x.sum(1) * middle).sum(1) / x.sum((1, 2)), (x.sum(2) * middle).sum(1) / x.sum((1, 2))


def test_no_strength_changes_nothing(tasks):
    x = tasks.support_x
    assert torch.allclose(augmentations.classical(augmentations.Strength().times(0))(x, rng(0)), x, atol=1e-5)


def test_each_strength_is_in_its_unit():
    right, down = place(alone(shift=1.5)(dot(13, 13), rng(0)))
    assert right.std() == pytest.approx(1.5, rel=0.12) and down.std() == pytest.approx(1.5, rel=0.12)
    right, down = place(alone(rotation=10.0)(dot(13, 22), rng(0)))     # 8.5 pixels right of the middle, 0.5 above
    angle = torch.atan2(down, right).rad2deg()
    assert angle.std() == pytest.approx(10, rel=0.15)
    assert (right ** 2 + down ** 2).sqrt().std() < 0.15             # on a circle around the middle
    right, down = place(alone(scale=0.1)(dot(13, 22), rng(0)))
    assert (right / 8.5).log().std() == pytest.approx(0.1, rel=0.15) and down.std() < 0.1
    right, down = place(alone(shear=0.2)(dot(22, 13), rng(0)))       # the lower a place, the further it moves sideways
    assert (right / 8.5).std() == pytest.approx(0.2, rel=0.15) and down.std() < 0.15


def test_an_image_turns_as_far_as_it_says():
    """Against the rotation matrix: a shift of the map's angle by 30 degrees moves a dot by 30 degrees."""
    strength = augmentations.Strength()._replace(rotation=30.0)
    affine = augmentations._affine(torch.tensor([[1.0, 0, 0, 0, 0, 0]]), strength, width=28)
    expected = torch.tensor([[math.cos(math.pi / 6) - 1, -0.5, 0], [0.5, math.cos(math.pi / 6) - 1, 0]])
    assert torch.allclose(affine[0], expected, atol=1e-6)


def test_bends_move_different_places_differently():
    bend = alone(bend=1.0)
    one, other = place(bend(dot(5, 5), rng(1)))[0], place(bend(dot(22, 22), rng(1)))[0]
    near = place(bend(dot(5, 6), rng(1)))[0]
    assert 0.5 < one.std() < 1.3
    assert abs(torch.corrcoef(torch.stack([one, other]))[0, 1]) < 0.3
    assert torch.corrcoef(torch.stack([one, near]))[0, 1] > 0.8


def test_strokes_become_thicker_and_thinner():
    x = torch.zeros(1, 200, 1, 28, 28)
    x[..., 8:20, 12:15] = 1
    ink = alone(stroke_width=0.5)(x, rng(0)).sum((2, 3, 4)) / x.sum((2, 3, 4))
    assert ink.min() < 0.5 and ink.max() > 1.4 and ink.median() == pytest.approx(1, abs=0.2)


def test_augmented_copies_follow_their_rng(tasks):
    augmentation = augmentations.classical()
    a, b, c = (augmentation(tasks.support_x, rng(seed)) for seed in (0, 0, 1))
    assert torch.equal(a, b) and not torch.allclose(a, c)
    assert a.shape == tasks.support_x.shape and a.min() >= 0 and a.max() <= 1
    assert not torch.allclose(a[0, 0], augmentation(tasks.support_x[:, :1].expand(-1, 12, -1, -1, -1), rng(0))[0, 1])


def test_a_generator_gets_noise_one_example_and_the_task(tasks):
    G, x = Recorder(), tasks.query_x
    drawn = augmentations.generated(G)(x, rng(0), tasks.support_x)
    z, example, task, training = G.called
    assert torch.equal(drawn, x.flip(-2)) and not training
    assert torch.equal(z, torch.randn(16, 3, generator=rng(0)))
    assert torch.equal(example, x.flatten(0, 1)[:, None]) and torch.equal(task, tasks.support_x)
    augmentations.generated(G)(x, rng(0))
    assert torch.equal(G.called[2], x)


def test_a_chain_keeps_order_and_task(tasks):
    seen = []

    def note(x, rng, task=None):
        seen.append((x, task))
        return x + 1

    x = tasks.support_x
    assert torch.equal(augmentations.chain(darker, note)(x, rng(0)), x / 2 + 1)
    assert torch.equal(seen[0][0], x / 2) and torch.equal(seen[0][1], x)
