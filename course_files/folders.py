"""A folder of images or recordings as classes: which subfolder is a class, which files it has, and what is not read."""

import hashlib
import os
import re
import sys
from collections import Counter
from functools import cache

import numpy
from tqdm import tqdm

from . import sound
from .opening import DataError, plain
from .pictures import edge, formats, prepared
from .recipes import Recipe, of_arrays

FLAT = 10       # a prepared image with ink spans at least so many of 256 levels of grey
FOREIGN = {"@eaDir", "@Recycle", "@tmp", "#recycle", "#snapshot", "$RECYCLE.BIN", "System Volume Information",
           "__MACOSX", "__pycache__", "lost+found"}     # made by systems, as are names that begin with a dot
HOW = "Put the images of each class into a subfolder named after it: {0}/cat/1.png, {0}/dog/1.png, ...".format


def read(folder):
    """(alphabets, classes, images uint8 [C, M, 28, 28]); all images inverted where their edges are light.

    Recordings become images as `sound.spectrogram` shows them.
    """
    alphabets, names, files = zip(*classes(folder), strict=True)
    files = [path for of_one in files for path in of_one]
    recorded = _is_sound(files[0])
    images = numpy.stack([sound.prepared(path) if recorded else prepared(path) for path in
                          tqdm(files, desc=alphabets[0], leave=False, dynamic_ncols=True)])        # [C*M, 28, 28]
    if recorded:
        return alphabets, names, images.reshape(len(names), -1, *images.shape[1:])
    if flat := [path for path, image in zip(files, images) if int(image.max()) - int(image.min()) < FLAT]:
        raise DataError(f"{flat[0]} is one flat grey at 28x28, as {len(flat)} of {len(files)} images are. Save such an "
                        f"image in 8 bits, dark ink on white paper, or delete it.")
    if numpy.median(edge(images.astype(float)), -1).mean() > images.mean():
        images = 255 - images
    return alphabets, names, images.reshape(len(names), -1, *images.shape[1:])


def classes(folder):
    """[(alphabet, class, paths of its first M images, or .wav files)] of a folder, each in order of the names.

    folder/class/image, folder/class/images/image, or folder/alphabet/class/image. Folders of splits, as in
    folder/train/class/image, make the alphabets "folder/train", "folder/val" and "folder/test": no other has a slash.
    M is the size of the smallest class. A line on stderr says what is left out, if anything is. May raise DataError.
    """
    found, unread = _found(folder)
    names = [(plain(alphabet), plain(name)) for alphabet, name in _names(folder, list(found))]
    if twice := [name for (_, name), n in Counter(names).items() if n > 1]:
        raise DataError(f"{folder} has two folders for the class {twice[0]!r}. Make them one, or rename one of them.")
    kinds = ", ".join(f"{n} {kind}" for kind, n in Counter(map(_kind, unread)).items())
    left = f" Not read: {kinds}, such as {unread[0].relative_to(folder)}." if unread else ""
    files = sorted((path for images in found.values() for path in images), key=_is_sound)       # images first
    if files and _is_sound(files[0]) != _is_sound(files[-1]):
        raise DataError(f"{folder} mixes images ({files[0].relative_to(folder)}) and recordings "
                        f"({files[-1].relative_to(folder)}). Move one kind into a folder of its own.")
    kind, examples = ("recording", ".wav") if files and _is_sound(files[0]) else ("image", ".png or .jpg")
    for path, images in found.items():
        if len(images) < 2:
            raise DataError(f"class {path.name!r} has {len(images)} {kind}(s) in {path}. It needs 2 or more, one to "
                            f"learn from and one to ask about, such as {examples}. Add some, or move it away.{left}")
    smallest = min(found, key=lambda path: len(found[path]))
    count = len(found[smallest])
    more = sum(len(images) - count for images in found.values())
    if more or left:
        cut = f", as many as {smallest.name!r} has; {more} more are left out" if more else ""
        _say(plain(f"{folder}: {count} {kind}s of each class{cut}.{left}"))
    return [(*name, images[:count]) for name, images in zip(names, found.values(), strict=True)]


@cache
def _say(line):
    """Once in a process, because a notebook loads its splits one by one."""
    print(line, file=sys.stderr)


def _found(folder):
    """{folder of a class: its images}, and what is not read: a list of paths."""
    outer, *rest = listing(folder)
    inside = {path: listing(path) for path in outer}
    flat = [path for path, (folders, images, _) in inside.items() if images or not folders]
    deep = [path for folders, _, _ in inside.values() for path in folders]
    if not outer:
        raise DataError(f"{folder} has no subfolders. {HOW(folder.name)}")
    if flat and deep:
        raise DataError(f"{folder} mixes classes ({flat[0].name}) and alphabets ({deep[-1].parent.name}). Either every "
                        f"subfolder holds images, or every one holds folders and no images.")
    deepest = {path: listing(path) for path in deep}
    rest += [others for _, _, others in [*inside.values(), *deepest.values()]]
    rest += [folders for folders, _, _ in deepest.values()]
    unread = [path for paths in rest for path in paths]
    return {path: images for path, (_, images, _) in (deepest or inside).items()}, unread


def _names(folder, paths):
    """The (alphabet, class) of the folders of all classes."""
    if paths[0].parent == folder:
        if len(paths) > 1 and all(map(split_of, paths)):
            raise DataError(f"{folder} has splits ({paths[0].name}, {paths[1].name}) but no classes. "
                            f"{HOW(paths[0].name)}")
        return [(folder.name, path.name) for path in paths]
    splits = {path.parent: split_of(path.parent) for path in paths}
    if any(splits.values()):
        return _names_in_splits(folder, paths, splits)
    if all(path.name.casefold() in ("images", "image", "imgs", "img") for path in paths):
        return [(folder.name, path.parent.name) for path in paths]
    return [(path.parent.name, path.name) for path in paths]


def _names_in_splits(folder, paths, splits):
    if other := [path.name for path, split in splits.items() if not split]:
        raise DataError(f"{folder} has the folder {other[0]!r} beside splits. Rename it, or move it away.")
    if twice := [name for name, n in Counter(plain(path.name) for path in paths).items() if n > 1]:
        raise DataError(f"{folder} has the class {twice[0]!r} in several splits ({', '.join(p.name for p in splits)}). "
                        f"A split here holds classes of its own. Put all images of a class into one folder, or load "
                        f"folder:{paths[0].parent}.")
    return [(f"{folder.name}/{splits[path.parent]}", path.name) for path in paths]


def split_of(folder):
    """The split that a folder is named after: "train" for Training_set; None for another name."""
    found = re.fullmatch(r"(?:meta)?(train|val|dev|test|eval)(?:ing|id|idation|uation)?(?:set|data|images|split)?\d*",
                         re.sub(r"[\W_]", "", folder.name.casefold()))
    return found and {"train": "train", "test": "test", "eval": "test"}.get(found[1], "val")


def listing(folder):
    """What is in `folder`, in order of the names, the same on every system: [folders, images or sounds, all else]."""
    try:
        paths = sorted(folder.iterdir(), key=lambda path: (plain(path.name), path.name))
        paths = [path for path in paths if path.name[0] != "." and path.name not in FOREIGN]
        folders = [path for path in paths if path.is_dir() and not folder.resolve().is_relative_to(path.resolve())]
    except OSError as error:
        what = "cannot be read" if os.path.isdir(folder) else "is not a folder"
        raise DataError(f"{folder} {what} ({error.strerror}). {HOW(folder.name)}") from None
    images = [path for path in paths if (path.suffix.lower() in formats() or _is_sound(path)) and path not in folders]
    return [folders, images, [path for path in paths if path not in folders and path not in images]]


def _is_sound(path):
    return path.suffix.lower() == ".wav"


def _kind(path):
    if not path.exists():
        return "dead link"
    return "folder" if path.is_dir() else path.suffix.lower() or "without a suffix"


def recipe(folder):
    """The `Recipe` of the folder's images or .wav files, laid out as `classes` says."""
    def read_all(sources):
        return of_arrays(*read(folder))
    return Recipe(read_all, split, lambda root: [file for _, _, files in classes(folder) for file in files])


def split(found):
    """As folders called train, val and test say; else by alphabet where there are three or more, else by class.

    In the order of the md5 of their names, the same on every machine, they train, test, validate, train, and so on.
    One more in the folder may move the others.
    """
    if all("/" in alphabet for alphabet in found.alphabets):
        return [alphabet.split("/")[1] for alphabet in found.alphabets]
    units = found.alphabets if len(set(found.alphabets)) >= 3 else found.names
    order = sorted(set(units), key=lambda unit: hashlib.md5(unit.encode()).digest())
    place = {unit: ("train", "test", "val", "train")[i % 4] for i, unit in enumerate(order)}
    return [place[unit] for unit in units]
