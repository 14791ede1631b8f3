"""Worlds that the course brings along: printed letters, textures by a formula."""

import torch

from course_files import fonts, textures

from .classes import ImageClasses, Recipe, split_by_fives


def recipe(make):
    """The `Recipe` of what make() returns: alphabets [C], names [C] and images uint8 [C, M, 28, 28]."""
    def read(sources):
        alphabets, names, images = make()
        return ImageClasses(torch.from_numpy(images)[:, :, None], tuple(alphabets), tuple(names))
    return Recipe(read, split_by_fives)


PRINT, TEXTURES = recipe(fonts.letters), recipe(textures.make)
