"""What each notebook begins with, and with whose functions it goes on."""

import contextlib
import io

from course_lib import runtime
from course_lib.datasets import DataError

from . import plots
from .records import Results


def setup(stem, profile, dataset, device, seed, **context):
    """(sizes, device, results) of the notebook called `stem`, whose figures get the course's style.

    sizes: a `runtime.Profile`. device: a torch.device. results: `records.Results`, whose records all carry the
    parameters and `context`. Raises ValueError for an unknown profile or device, DataError for data without pictures.
    """
    if dataset == "names":
        raise DataError("names holds rows of counts and no pictures. Notebook 14 takes it as it is, whatever the "
                        "dataset. Choose another one, such as glyphs.")
    plots.use_style()
    sizes, device = runtime.profile(profile), runtime.device(device)
    return sizes, device, Results(stem, dataset=dataset, **context, profile=profile, seed=seed, device=device)


def enough(dataset, train, val, *, drawings, classes=(2, 2), within_alphabet=True):
    """Raise DataError, one line, unless the splits `train` and `val` are as large as a notebook needs them.

    drawings: of each class. classes: how many train and val need, in every alphabet or, if not within_alphabet, in all.
    """
    for split, part, needed in zip(("train", "val"), (train, val), classes):
        smallest = min(part.alphabets, key=part.alphabets.count)
        what, number = f"classes in its split {split!r}", len(part.names)
        if within_alphabet:
            what, number = f"{what} in every alphabet, such as {smallest!r}", part.alphabets.count(smallest)
        at_least(dataset, what, number, needed)
        at_least(dataset, "drawings of each class", part.images.shape[1], drawings)


def at_least(dataset, what, number, needed):
    """Raise DataError unless `number` is `needed` or more."""
    if number < needed:
        raise DataError(f"{dataset} is too small for this notebook, which needs {needed} {what}; there are {number}. "
                        "Add images, or take another dataset, such as glyphs.")


def choose(use_mine, mine, check, library):
    """The reader's `mine` if it is wanted and passes its `check`, else the `library`'s; one line says which."""
    name = getattr(library, "__name__", "the function")
    if not use_mine:
        print(f"{name}: the library's, because use_mine is {use_mine}.")
        return library
    try:
        with contextlib.redirect_stdout(io.StringIO()):         # the check's own cell has said how it went
            check(mine)
    except Exception:
        print(f"{name}: the library's, because yours does not pass its check yet.")
        return library
    print(f"{name}: yours.")
    return mine
