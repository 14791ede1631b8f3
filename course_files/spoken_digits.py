"""The Free Spoken Digit Dataset (Jackson et al. 2020): 50 recordings of each digit by six speakers, proved complete."""

import re
import zipfile

import numpy
from tqdm import tqdm

from . import labelled, sound
from .download import download
from .opening import DataError, opened
from .recipes import Recipe, of_arrays

DIGITS, NUMBERS = range(10), range(50)
SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
URL = "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/tags/v1.0.10.zip"
WAY_OUT = "Delete it and load again."


def find(root):
    """A zip in `root`/spoken-digits, whatever its name, or that folder if it is unpacked; else where a zip belongs."""
    folder = root / "spoken-digits"
    if zips := sorted(folder.glob("[!.]*.zip")):
        return zips[0]
    return folder if any(folder.rglob("*.wav")) else folder / "free-spoken-digit-dataset-1.0.10.zip"


def fetch(path):
    """Download the archive that belongs at `path`. GitHub makes it on demand, so that `read` is what proves it."""
    download([URL], path)


def read(source):
    """Images uint8 [10, 300, 28, 28] of an archive or its unpacked folder, if complete; drawing // 50 is the speaker.

    Drawings are ordered by speaker, as in SPEAKERS, then by number. Raises DataError that names what is wrong.
    """
    names = [f"{digit}_{speaker}_{number}.wav" for digit in DIGITS for speaker in SPEAKERS for number in NUMBERS]
    recordings = _recordings(source)
    if missing := [name for name in names if name not in recordings]:
        raise DataError(f"{source} is incomplete: {missing[0]} is missing ({len(missing)} of {len(names)} "
                        f"recordings). {WAY_OUT}")
    if more := sorted(set(recordings) - set(names)):
        raise DataError(f"{source} holds {len(more)} recording(s) that are not of version 1.0.10, such as {more[0]}. "
                        f"Move them away, or delete it and load again.")
    images = []
    for name in tqdm(names, desc="spoken-digits", leave=False, dynamic_ncols=True):
        try:
            images.append(sound.spectrogram(*sound.decoded(recordings[name])))
        except ValueError as error:
            raise DataError(f"{source}: {name} cannot be read ({error}). {WAY_OUT}") from None
    return numpy.stack(images).reshape(len(DIGITS), -1, sound.SIDE, sound.SIDE)


def _recordings(source):
    """{name of a file: its bytes} of a folder with all its subfolders, or of a zip, never unpacked to disk."""
    if source.is_dir():
        files = {path.name: path for path in source.rglob("*.wav") if _is_one(path.name)}
        return {name: _content(path) for name, path in files.items()}
    with opened(source, DataError, WAY_OUT) as file, zipfile.ZipFile(file) as zipped:
        names = {name: name.split("/")[-1] for name in zipped.namelist()}
        return {short: zipped.read(name) for name, short in names.items() if _is_one(short)}


def _is_one(name):
    return re.fullmatch(r"\d+_[^_]+_\d+\.wav", name)


def _content(path):
    with opened(path, DataError, WAY_OUT, 2**20) as file:
        return file.read()


RECIPE = Recipe(lambda sources: of_arrays(("spoken digits",) * 10, "0123456789", read(*sources)), labelled.split,
                lambda root: [find(root)], fetch)
