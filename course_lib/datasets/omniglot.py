"""Omniglot (Lake et al. 2015): 105x105, one bit, ink black on white, 20 drawings of each character."""

import torch

from course_files import omniglot as files

from .classes import ImageClasses, Recipe
from .glyphs import to_28


def recipe(*parts):
    """The `Recipe` of one or more of the published archives."""
    def read(sources):
        classes = [each for part, source in zip(parts, sources, strict=True) for each in files.read(part, source)]
        alphabets, names, ink = zip(*classes, strict=True)
        return ImageClasses(torch.stack([to_28(torch.tensor(x))[:, None] for x in ink]), alphabets, names)
    return Recipe(read, split, lambda root: [files.find(root, part) for part in parts], files.fetch)


def split(classes):
    """By alphabet, so that none trains in one Omniglot set and is held out in another.

    The 20 evaluation alphabets test. Greek validates. Beside these, Korean, katakana, Sanskrit and Tagalog
    validate; in the small sets, which have no evaluation alphabets, they test.
    """
    held = "val" if set(files.ALPHABETS["images_evaluation"]) & set(classes.alphabets) else "test"
    place = dict.fromkeys(files.ALPHABETS["images_evaluation"], "test")
    place |= dict.fromkeys(("Korean", *files.ONLY_SMALL2), held)
    return [(place | {"Greek": "val"}).get(alphabet, "train") for alphabet in classes.alphabets]
