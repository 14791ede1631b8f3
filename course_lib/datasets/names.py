"""Names in many languages, as features: a class is a language, a sample is a name. No picture, a row of counts."""

import hashlib
import unicodedata
import zlib
from collections import Counter

import torch

from course_files import names as files

from .classes import ImageClasses, Recipe

M = 120         # names of each language


def hashed(names, n=512):
    """How often each name has which pieces of 1, 2 and 3 characters: uint8 [len(names), n], 51 for each time.

    A space stands at either end, so that pieces tell where a word begins and ends. A piece is counted in the column
    that its CRC-32 names, the same on every machine. Source: Weinberger et al. 2009, "Feature hashing".
    """
    counts = torch.zeros(len(names), n)
    for row, text in zip(counts, (f" {name} " for name in names)):
        pieces = [text[i:i + size] for size in (1, 2, 3) for i in range(len(text) - size + 1)]
        for column, times in Counter(zlib.crc32(piece.encode()) % n for piece in pieces).items():
            row[column] = times
    return (51 * counts).clamp(max=255).to(torch.uint8)


def script(names):
    """The script of most letters of the names: "Latin", "Cyrillic", ..., the first word of what Unicode calls them."""
    letters = (unicodedata.name(c, "?") for name in names for c in name if c.isalpha())
    return Counter(letter.split()[0].title() for letter in letters).most_common(1)[0][0]


def read(sources):
    """M names of each language, the first by their md5, as images [C, M, 1, 1, 512]; alphabets are scripts."""
    languages = files.read(least=M)
    first = [sorted(names, key=lambda name: hashlib.md5(name.encode()).digest())[:M] for names in languages.values()]
    images = torch.stack([hashed(names) for names in first])[:, :, None, None]
    return ImageClasses(images, tuple(map(script, first)), tuple(languages))


def split(classes):
    """Within each script, by the md5 of the language's name: of every five, three train, one tests and one validates.

    Scripts with fewer than five languages count as one script.
    """
    groups = {}
    for alphabet, name in sorted(zip(classes.alphabets, classes.names),
                                 key=lambda pair: hashlib.md5(pair[1].encode()).digest()):
        groups.setdefault(alphabet if classes.alphabets.count(alphabet) >= 5 else "", []).append(name)
    place = {name: ("train", "test", "train", "val", "train")[i % 5]
             for group in groups.values() for i, name in enumerate(group)}
    return [place[name] for name in classes.names]


NAMES = Recipe(read, split, lambda root: [files.SOURCE])
