import pytest
import torch

from course_lib import augmentations, datasets, networks, pairs
from course_lib.runtime import rng


def test_pairs_are_two_drawings_of_one_character_within_an_alphabet():
    classes = datasets.load("glyphs", split="val")
    real, example, task = pairs.sampler(classes, n_tasks=3, n_way=5)(rng(0))
    assert real.shape == (15, 1, 28, 28) and example.shape == (15, 1, 1, 28, 28) and task.shape == (3, 5, 1, 28, 28)
    assert torch.equal(task.flatten(0, 1), example[:, 0])
    ink = classes.ink.view(len(classes.names), -1, 28 * 28)

    def origin(image):
        return (ink == image.flatten()).all(2).nonzero()[0].tolist()

    origins = [(origin(a), origin(b)) for a, b in zip(real, example[:, 0])]
    assert all(a[0] == b[0] and a[1] != b[1] for a, b in origins)
    for t in range(3):
        assert len({classes.alphabets[a[0]] for a, _ in origins[5 * t:5 * t + 5]}) == 1


def test_pairs_of_small_alphabets():
    digits = datasets.load("digits", split="val")
    n = len(digits.names)
    assert n < 12 and pairs.sampler(digits, n_tasks=2)(rng(0))[2].shape[:2] == (2, n)


def test_an_alphabet_of_one_class_has_no_wrong_drawings():
    """`penalties.mismatch` would take two drawings of one character for drawings of two."""
    digits = datasets.load("digits").take(range(3))
    uneven = datasets.ImageClasses(digits.images, ("a", "b", "a"), digits.names)
    with pytest.raises(ValueError, match=r"2 classes of an alphabet, not 1\. Add to 'b', or leave it out"):
        pairs.sampler(uneven)


@pytest.mark.parametrize("make", (networks.WarpGenerator, networks.PixelGenerator))
def test_training_changes_both_players_and_repeats_bit_by_bit(make):
    digits, drawn = datasets.load("digits"), []
    for _ in range(2):
        torch.manual_seed(0)
        G, D = make(4, width=8), networks.PairDiscriminator(width=4, n_out=8)
        before = [p.detach().clone() for net in (G, D) for p in net.parameters()]
        trained = pairs.train_generator(G, D, digits, n_steps=6, rng=rng(0))
        assert all(not torch.equal(a, b) for a, b in zip(before, [p for net in (G, D) for p in net.parameters()]))
        assert trained.d_loss.shape == (6,)
        x = digits.ink[:6].view(1, 6, 1, 28, 28)
        drawn.append(augmentations.generated(trained.G)(x, rng(0)))
    assert torch.equal(*drawn) and drawn[0].shape == (1, 6, 1, 28, 28)
