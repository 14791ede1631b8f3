"""How a dataset is read and split, and where its files come from."""

from collections.abc import Callable
from typing import NamedTuple

import torch


class Classes(NamedTuple):
    """C classes of M drawings each."""

    images: torch.Tensor        # uint8 [C, M, 1, H, W], 0 = empty, 255 = ink
    alphabets: tuple            # C strings: the alphabet of each class
    names: tuple                # C strings: the name of each class within its alphabet


class Recipe(NamedTuple):
    """How a dataset is read and split, and where its files come from."""

    read: Callable                      # all paths -> Classes
    split: Callable                     # what has `alphabets` and `names` -> [C] times "train", "val" or "test"
    find: Callable = lambda root: []    # root -> the paths of its files; where one is absent, the path it belongs at
    fetch: Callable = None              # such a path -> None; downloads that file


def of_arrays(alphabets, names, images):
    """`Classes` of images uint8 [C, M, H, W], a numpy array."""
    return Classes(torch.from_numpy(images)[:, :, None], tuple(alphabets), tuple(names))


def split_by_fives(classes):
    """Within each alphabet, in order: of every five classes three train, the fourth validates, the fifth tests."""
    numbers = [classes.alphabets[:i].count(alphabet) for i, alphabet in enumerate(classes.alphabets)]
    return [("train", "train", "train", "val", "test")[number % 5] for number in numbers]
