"""Labelled classes: scikit-learn's digits, and the training images of MNIST, Fashion-MNIST, KMNIST and EMNIST."""

import torch

from . import idx as idx_files
from .opening import DataError
from .recipes import Classes, Recipe, split_by_fives


def split(classes):
    """Classes 0 to 4 train, 5 and 6 validate, 7 to 9 test."""
    return ["train" if int(name) < 5 else "val" if int(name) < 7 else "test" for name in classes.names]


def _by_label(images, labels, alphabet):
    """images uint8 [n, H, W] and labels [n] as `Classes`; each class cut to the size of the smallest."""
    names, counts = labels.unique(return_counts=True)
    if counts.min() < 2:
        raise DataError(f"{alphabet} has one image of the class {names[counts.argmin()]}. A class needs 2 or more.")
    classes = torch.stack([images[labels == name][:counts.min()] for name in names])
    return Classes(classes[:, :, None], (alphabet,) * len(classes), tuple(map(str, names.tolist())))


def read_digits(sources):
    """scikit-learn's 1,797 digits: 8x8 pixels (0..16), enlarged to 24x24 inside a dark margin of 2."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    small = torch.tensor(bunch.images, dtype=torch.float32)[:, None] / 16
    large = torch.nn.functional.interpolate(small, size=24, mode="bilinear").mul(255).round().to(torch.uint8)
    return _by_label(torch.nn.functional.pad(large, (2, 2, 2, 2))[:, 0], torch.tensor(bunch.target), "digits")


def idx(files, split=split):
    """The `Recipe` of a dataset in IDX files, `idx.Files`."""
    def read(sources):
        images, labels = map(torch.from_numpy, files.read(sources))
        classes = _by_label(images, labels, files.name)
        return classes._replace(names=tuple(files.characters[int(name)] for name in classes.names))
    return Recipe(read, split, files.find, files.fetch)


DIGITS, MNIST, FASHION_MNIST = Recipe(read_digits, split), idx(idx_files.MNIST), idx(idx_files.FASHION_MNIST)
KMNIST, EMNIST = idx(idx_files.KMNIST), idx(idx_files.EMNIST, split_by_fives)
