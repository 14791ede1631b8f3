"""Images of your own: one subfolder for each class."""

import hashlib

import torch

from course_files import folders

from .classes import ImageClasses, Recipe


def recipe(folder):
    """The `Recipe` of the folder's images, laid out as `course_files.folders.classes` says."""
    def read(sources):
        alphabets, names, images = folders.read(folder)
        return ImageClasses(torch.from_numpy(images)[:, :, None], alphabets, names)
    return Recipe(read, split, lambda root: [file for _, _, files in folders.classes(folder) for file in files])


def split(classes):
    """As folders called train, val and test say; else by alphabet where there are three or more, else by class.

    In the order of the md5 of their names, the same on every machine, they train, test, validate, train, and so on.
    One more in the folder may move the others.
    """
    if all("/" in alphabet for alphabet in classes.alphabets):
        return [alphabet.split("/")[1] for alphabet in classes.alphabets]
    units = classes.alphabets if len(set(classes.alphabets)) >= 3 else classes.names
    order = sorted(set(units), key=lambda unit: hashlib.md5(unit.encode()).digest())
    place = {unit: ("train", "test", "val", "train")[i % 4] for i, unit in enumerate(order)}
    return [place[unit] for unit in units]
