"""Spoken words as pictures: embedded ones in synthetic voices, and the Free Spoken Digit Dataset."""

import numpy
import torch

from course_files import sound, spoken_digits
from course_files.opening import DataError, opened

from . import labelled
from .classes import ImageClasses, Recipe


def read(sources):
    """The words of spoken.npz (spoken.md beside it says whose they are). A word's alphabet is its theme."""
    with opened(*sources, DataError, "Install the course again.") as file, numpy.load(file, allow_pickle=False) as kept:
        images, alphabets, names = (kept[part] for part in ("images", "themes", "words"))
    return ImageClasses(torch.from_numpy(images)[:, :, None], tuple(alphabets.tolist()), tuple(names.tolist()))


def split(classes):
    """By word: of every five words of a theme three train, one validates, one tests."""
    numbers = [classes.alphabets[:i].count(theme) for i, theme in enumerate(classes.alphabets)]
    return [("train", "train", "train", "val", "test")[number % 5] for number in numbers]


SPOKEN = Recipe(read, split, lambda root: [sound.EMBEDDED])
DIGITS = Recipe(lambda sources: ImageClasses(torch.from_numpy(spoken_digits.read(*sources))[:, :, None],
                                             ("spoken digits",) * 10, tuple("0123456789")),
                labelled.split, lambda root: [spoken_digits.find(root)], spoken_digits.fetch)
