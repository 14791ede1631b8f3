"""Images of your own: one subfolder for each class."""

import hashlib

import numpy
import torch

from course_files.folders import classes
from course_files.opening import DataError
from course_files.pictures import edge, prepared

from ..runtime import progress
from .classes import ImageClasses, Recipe

FLAT = 10       # a prepared image with ink spans at least so many of 256 levels of grey


def recipe(folder):
    """The `Recipe` of the folder's images, laid out as `course_files.folders.classes` says."""
    return Recipe(lambda sources: _read(classes(folder)), split,
                  lambda root: [file for _, _, files in classes(folder) for file in files])


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


def _read(found):
    """The `ImageClasses` of [(alphabet, class, files)]; all images inverted where their edges are light."""
    alphabets, names, files = zip(*found, strict=True)
    files = [path for of_one in files for path in of_one]
    images = numpy.stack([prepared(path) for path in progress(files, desc=alphabets[0])])          # [C*M, 28, 28]
    if flat := [path for path, image in zip(files, images) if int(image.max()) - int(image.min()) < FLAT]:
        raise DataError(f"{flat[0]} is one flat grey at 28x28, as {len(flat)} of {len(files)} images are. Save such an "
                        f"image in 8 bits, dark ink on white paper, or delete it.")
    if numpy.median(edge(images.astype(float)), -1).mean() > images.mean():
        images = 255 - images
    return ImageClasses(torch.from_numpy(images).view(len(names), -1, 1, 28, 28), alphabets, names)
