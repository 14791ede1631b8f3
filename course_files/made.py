"""Worlds that the course brings along: simulated handwriting, print, textures by a formula, synthetic voices."""

import numpy

from . import fonts, glyphs, sound, textures
from .opening import DataError, opened
from .recipes import Recipe, of_arrays, split_by_fives


def spoken(sources):
    """The words of spoken.npz (spoken.md beside it says whose they are). A word's alphabet is its theme."""
    with opened(*sources, DataError, "Install the course again.") as file, numpy.load(file, allow_pickle=False) as kept:
        return of_arrays(kept["themes"].tolist(), kept["words"].tolist(), kept["images"])


GLYPHS = Recipe(lambda sources: glyphs.make(), glyphs.split)
PRINT = Recipe(lambda sources: of_arrays(*fonts.letters()), split_by_fives)
TEXTURES = Recipe(lambda sources: of_arrays(*textures.make()), split_by_fives)
SPOKEN = Recipe(spoken, split_by_fives, lambda root: [sound.EMBEDDED])
