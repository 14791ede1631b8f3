"""Writing a file whole or not at all."""

import errno
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)        # a full disc, a used-up quota, a file over the user's limit


def unwritable(path, error):
    """The OSError to raise for the OSError that writing `path` met: it names the file, its folder and the way out."""
    kind, cure = (OSError, "Make room there") if error.errno in FULL else (PermissionError, "Make the folder writable")
    return kind(f"cannot write {path.name} into {path.parent} ({error.strerror}). "
                f"{cure} or choose another (COURSE_DATA, COURSE_OUT).")


@contextmanager
def atomic_path(path):
    """Yield a temporary path beside `path`; on success move it there in one step, on any failure remove it.

    Readers see the old file or the new one, also when two processes write at once. Raises what `unwritable` makes.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise unwritable(path, error) from None
    os.close(handle)
    try:
        yield Path(name)
        os.chmod(name, 0o644)       # mkstemp makes files that only their owner can read
        os.replace(name, path)
    except OSError as error:
        raise (unwritable(path, error) if error.errno in FULL else error) from None
    finally:
        Path(name).unlink(missing_ok=True)
