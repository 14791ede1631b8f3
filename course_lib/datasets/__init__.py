"""Any dataset by name, as one type: classes of drawings, 28x28, ink bright on dark.

    load("glyphs")                              # embedded: made on the spot by the handwriting simulator
    load("digits")                              # embedded: 1,797 real digits that scikit-learn ships
    load("spoken")                              # embedded: words in synthetic voices, as spectrograms
    load("omniglot-small1", split="train")      # real: found in $COURSE_DATA, else downloaded
    load("folder:~/pictures")                   # yours: one subfolder per class

Each is prepared once and cached; a second load takes a fraction of a second.
"""

import re
from contextlib import suppress
from pathlib import Path

import course_files
from course_files import folders, labelled, languages, made, omniglot, spoken_digits
from course_files.cache import cache_folder, data_root, fingerprint, kept
from course_files.opening import DataError, plain

from ..runtime import one_of
from .classes import ImageClasses

DATASETS = {
    "glyphs": made.GLYPHS,
    "digits": labelled.DIGITS,
    "print": made.PRINT,
    "spoken": made.SPOKEN,
    "textures": made.TEXTURES,
    "omniglot": omniglot.recipe("images_background", "images_evaluation"),
    "omniglot-small1": omniglot.recipe("images_background_small1"),
    "omniglot-small2": omniglot.recipe("images_background_small2"),
    "mnist": labelled.MNIST,
    "fashion-mnist": labelled.FASHION_MNIST,
    "kmnist": labelled.KMNIST,
    "emnist": labelled.EMNIST,
    "spoken-digits": spoken_digits.RECIPE,
    "names": languages.NAMES,
}
SPLITS = ("all", "train", "val", "test")
FOLDER = "folder:"      # what the name of a reader's own dataset begins with


def load(name, *, split="all", root=None):
    """The dataset called `name` as `ImageClasses`, 28x28.

    split: "all", "train", "val" or "test", cut by alphabet (by class where there are no alphabets), as the dataset's
    recipe has it. root: the data folder (default $COURSE_DATA, else the user's cache folder). M is the size of the
    smallest class; what larger classes have beyond it is left out, in file order. "folder:/path" reads images or
    .wav files of your own: /path/class/image or, as in Omniglot, /path/alphabet/class/image. Raises ValueError for an
    unknown name or split, DataError for data that are absent, damaged or out of reach, PermissionError where a download
    has no folder it may write to.
    """
    name = known_name(name)
    one_of("split", split, SPLITS)
    root = data_root(root)
    classes = _cached(name, root)
    if split == "all":
        return classes
    chosen = [i for i, place in enumerate(_recipe(name).split(classes)) if place == split]
    if not chosen:
        raise DataError(f"{name} has {len(classes.names)} class(es), none of them for split {split!r}. "
                        f"Three splits need at least three. Add classes or load split 'all'.")
    return classes.take(chosen)


def known_name(name):
    """`name` if a dataset is called so, with the path of a folder made absolute; else ValueError lists the names.

    Raises DataError where a path is no path, or not UTF-8, so that no results file could name it.
    """
    if str(name).startswith(FOLDER) and name != FOLDER:
        try:
            path = str(Path(name.removeprefix(FOLDER)).expanduser().resolve())
            path.encode()
        except (OSError, RuntimeError, ValueError) as error:
            raise DataError(f"{name} is no path of a folder ({error}). Rename the folder or give another.") from None
        return FOLDER + path
    return one_of("dataset", name, [*DATASETS, FOLDER + "/path"])


def short_name(name):
    """What to call dataset `name` in the name of a file or link: "folder:/a/b" is b, any other is itself.

    "folder:/a/glyphs" is folder-glyphs, so that nobody takes the course's checkpoint of glyphs for its own.
    """
    if not str(name).startswith(FOLDER):
        return str(name)
    short = re.sub(r"[^\w.() -]", "_", plain(Path(name.removeprefix(FOLDER)).name))[:60]
    return f"folder-{short}" if short.casefold() in {*DATASETS, ""} else short


def is_here(name, root=None):
    """Whether dataset `name` can be loaded without a download."""
    with suppress(DataError):
        return all(path.exists() for path in _recipe(known_name(name)).find(data_root(root)))
    return False


def _recipe(name):
    return folders.recipe(Path(name.removeprefix(FOLDER))) if name.startswith(FOLDER) else DATASETS[name]


def _cached(name, root):
    recipe = _recipe(name)
    sources = recipe.find(root)
    for source in sources:
        if recipe.fetch and not source.exists():
            recipe.fetch(source)
    path = cache_folder() / f"{name.split(':')[0]}-{_fingerprint(sources, name)}.safetensors"
    return ImageClasses(*kept(path, lambda: tuple(recipe.read(sources))))


def _fingerprint(sources, name=""):
    folders = Path(__file__).parent, Path(course_files.__file__).parent
    return fingerprint(sources, [module for folder in folders for module in sorted(folder.glob("*.py"))], name)
