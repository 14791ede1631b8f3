"""Names in many languages: a class is a language, a sample is a name. No picture, but a row of counts."""

import zlib

import torch

from . import names as files
from .recipes import Classes, Recipe

M = 120         # names of each language


def hashed(names, n=512):
    """How often each name has which pieces of 1, 2 and 3 characters: uint8 [len(names), n], 51 for each time.

    A space stands at either end, so that pieces tell where a word begins and ends. A piece is counted in the column
    that its CRC-32 names, the same on every machine. Source: Weinberger et al. 2009, "Feature hashing".
    """
    rows = []
    for text in (f" {name} " for name in names):
        pieces = [text[i:i + size] for size in (1, 2, 3) for i in range(len(text) - size + 1)]
        rows.append(torch.tensor([zlib.crc32(piece.encode()) % n for piece in pieces]).bincount(minlength=n))
    return (51 * torch.stack(rows)).clamp(max=255).to(torch.uint8)


def read(sources):
    """M names of each language, as images [C, M, 1, 1, 512]; its script stands in the place of an alphabet."""
    languages = {language: names[:M] for language, names in files.read(least=M).items()}
    images = torch.stack([hashed(names) for names in languages.values()])[:, :, None, None]
    return Classes(images, tuple(map(files.script, languages.values())), tuple(languages))


def split(classes):
    """Of five languages of a script three train, one tests, one validates. Scripts with fewer than five are one."""
    scripts, groups = dict(zip(classes.names, classes.alphabets)), {}
    for name in files.in_fixed_order(classes.names):
        common = classes.alphabets.count(scripts[name]) >= 5
        groups.setdefault(scripts[name] if common else "", []).append(name)
    place = {name: ("train", "test", "train", "val", "train")[i % 5]
             for group in groups.values() for i, name in enumerate(group)}
    return [place[name] for name in classes.names]


NAMES = Recipe(read, split, lambda root: [files.SOURCE])
