"""The archives of Omniglot (Lake et al. 2015): one-bit drawings of 105x105, 20 of each character, proved complete."""

import re
import zipfile

import numpy
import torch
from tqdm import tqdm

from .download import check_md5, download
from .opening import DataError, opened
from .pictures import ink_of_png, to_28
from .recipes import Classes, Recipe

# Alphabets and their numbers of characters, to prove a set complete. Lake et al. 2015.
ALPHABETS = {
    "images_background": {
        "Alphabet_of_the_Magi": 20, "Anglo-Saxon_Futhorc": 29, "Arcadian": 26, "Armenian": 41,
        "Asomtavruli_(Georgian)": 40, "Balinese": 24, "Bengali": 46, "Blackfoot_(Canadian_Aboriginal_Syllabics)": 14,
        "Braille": 26, "Burmese_(Myanmar)": 34, "Cyrillic": 33, "Early_Aramaic": 22, "Futurama": 26, "Grantha": 43,
        "Greek": 24, "Gujarati": 48, "Hebrew": 22, "Inuktitut_(Canadian_Aboriginal_Syllabics)": 16,
        "Japanese_(hiragana)": 52, "Japanese_(katakana)": 47, "Korean": 40, "Latin": 26, "Malay_(Jawi_-_Arabic)": 40,
        "Mkhedruli_(Georgian)": 41, "N_Ko": 33, "Ojibwe_(Canadian_Aboriginal_Syllabics)": 14, "Sanskrit": 42,
        "Syriac_(Estrangelo)": 23, "Tagalog": 17, "Tifinagh": 55},
    "images_evaluation": {
        "Angelic": 20, "Atemayar_Qelisayer": 26, "Atlantean": 26, "Aurek-Besh": 26, "Avesta": 26, "Ge_ez": 26,
        "Glagolitic": 45, "Gurmukhi": 45, "Kannada": 41, "Keble": 26, "Malayalam": 47, "Manipuri": 40,
        "Mongolian": 30, "Old_Church_Slavonic_(Cyrillic)": 45, "Oriya": 46, "Sylheti": 28, "Syriac_(Serto)": 23,
        "Tengwar": 25, "Tibetan": 42, "ULOG": 26},
    "images_background_small1": {"Balinese": 24, "Early_Aramaic": 22, "Greek": 24, "Korean": 40, "Latin": 26},
    "images_background_small2": {"Greek": 24, "Japanese_(katakana)": 47, "Latin": 26, "Sanskrit": 42, "Tagalog": 17},
}
ONLY_SMALL2, DRAWERS = ("Japanese_(katakana)", "Sanskrit", "Tagalog"), range(1, 21)
HOME = "https://raw.githubusercontent.com/brendenlake/omniglot/master/python"
MD5 = {"images_background": "68d2efa1b9178cc56df9314c21c6e718",
       "images_evaluation": "6b91aef0f799c5bb55b94e3f2daec811",
       "images_background_small1": "e704a628b5459e08445c13499850abc4",
       "images_background_small2": "b75a71a51d3b13f821f212756fe481fd"}


def find(root, part):
    """Where an archive, or its unpacked folder, lies below `root`; if nowhere, where it belongs."""
    folders = (root / "omniglot", root / "omniglot-py", root)
    candidates = [folder / name for name in (f"{part}.zip", f"{part}/{part}", part) for folder in folders]
    return next((path for path in candidates if path.exists()), candidates[0])


def fetch(path):
    """Download the archive that belongs at `path`."""
    download([f"{HOME}/{path.name}"], path, MD5[path.stem])


def read(part, source):
    """[(alphabet, character, ink float32 [20, 105, 105])], sorted, of an archive or its unpacked folder if complete."""
    names = [(alphabet, f"character{c + 1:02d}") for alphabet, n in sorted(ALPHABETS[part].items()) for c in range(n)]
    drawings, classes = _drawings(part, source), []
    if missing := [(*name, drawer) for name in names for drawer in DRAWERS if (*name, drawer) not in drawings]:
        gone = sorted(set(ALPHABETS[part]) - {alphabet for alphabet, _, _ in drawings})
        what = f"the alphabet {gone[0]}" if gone else "{}/{}, drawer {}".format(*missing[0])
        raise DataError(f"{part} is incomplete: {what} is missing ({len(missing)} of {20 * len(names)} drawings). "
                        f"Unpack the archive again, or delete the folder to have it downloaded.")
    for name in tqdm(names, desc=part, leave=False, dynamic_ncols=True):
        ink = [ink_of_png(drawings[*name, drawer], f"{source}, {name[0]}/{name[1]}, drawer {drawer}")
               for drawer in DRAWERS]
        classes.append((*name, numpy.stack(ink)))
    return classes


def _drawings(part, source):
    """{(alphabet, character, drawer): the bytes of a PNG} of an unpacked folder or of a zip, never unpacked to disk."""
    if source.is_dir():
        files = {path.relative_to(source.parent).as_posix(): _content(path) for path in source.rglob("*.png")}
    else:
        check_md5(source, MD5[part])
        with opened(source, DataError, "Delete it and load again.") as file, zipfile.ZipFile(file) as zipped:
            files = {name: zipped.read(name) for name in zipped.namelist()}
    found = [(re.fullmatch(rf"{part}/([^/]+)/(character\d+)/\d+_(\d+)\.png", name), png) for name, png in files.items()]
    return {(*match.group(1, 2), int(match.group(3))): png for match, png in found if match}


def _content(path):
    with opened(path, DataError, "Unpack the archive again.", 2**20) as file:
        return file.read()


def recipe(*parts):
    """The `Recipe` of one or more of the published archives."""
    def read_all(sources):
        classes = [each for part, source in zip(parts, sources, strict=True) for each in read(part, source)]
        alphabets, names, ink = zip(*classes, strict=True)
        return Classes(torch.stack([to_28(torch.tensor(x))[:, None] for x in ink]), alphabets, names)
    return Recipe(read_all, split, lambda root: [find(root, part) for part in parts], fetch)


def split(classes):
    """By alphabet, so that none trains in one Omniglot set and is held out in another.

    The 20 evaluation alphabets test. Greek validates. Beside these, Korean, katakana, Sanskrit and Tagalog
    validate; in the small sets, which have no evaluation alphabets, they test.
    """
    held = "val" if set(ALPHABETS["images_evaluation"]) & set(classes.alphabets) else "test"
    place = dict.fromkeys(ALPHABETS["images_evaluation"], "test")
    place |= dict.fromkeys(("Korean", *ONLY_SMALL2), held)
    return [(place | {"Greek": "val"}).get(alphabet, "train") for alphabet in classes.alphabets]
