"""Where data lie, and where what was made of them is kept."""

import hashlib
import os
from contextlib import suppress
from pathlib import Path

import platformdirs

from . import states

APP = "gan-few-shot-course"


def data_root(root=None):
    """The data folder: `root`, else $COURSE_DATA, else a folder of ours in the user's cache."""
    return Path(root or os.environ.get("COURSE_DATA") or platformdirs.user_cache_dir(APP)).expanduser()


def cache_folder():
    """Where prepared datasets are kept: always the user's own, so that a shared data folder is only read."""
    return Path(platformdirs.user_cache_dir(APP)) / "prepared"


def kept(path, make):
    """What make() returns, a tuple of tensors and strings: made once, kept at `path`, read from there ever after."""
    with suppress(OSError, ValueError):     # a damaged one is made anew, and so is one out of reach
        return states.read(path)
    made = make()
    with suppress(OSError):     # a full disk, say: without a cache it is made anew each time
        states.write(path, made)
    return made


def fingerprint(sources, modules, name=""):
    """Twelve digits that change with the source files, their names, and the code that reads them, `modules`."""
    digest = hashlib.md5(name.encode() + b"".join(module.read_bytes() for module in modules))
    for source in sources:
        for path in [source, *sorted(source.rglob("*"))]:
            stat = path.stat() if path.exists() else path.lstat()       # of a dead link
            digest.update(os.fsencode(path.absolute()) + f" {stat.st_size} {stat.st_mtime_ns}".encode())
    return digest.hexdigest()[:12]
