"""One opener for every file that the course reads, and one way to write every name that somebody else gave."""

import os
import re
import stat
import unicodedata
from contextlib import contextmanager


class DataError(RuntimeError):
    """A dataset is absent, damaged or unreachable. The message, one line, says which file, and what to do."""

    def __init__(self, message):
        super().__init__(plain(message))


@contextmanager
def opened(path, error, way_out, most=2**28):
    """The regular file at `path`, of at most `most` bytes, open for reading in binary.

    Whatever goes wrong, here or in the block, raises `error`, a class: one line with the path, the reason, the way out.
    """
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):        # opening a pipe could wait for ever
            raise OSError("it is a folder, a pipe or a device")
        if status.st_size > most:
            raise OSError(f"its {status.st_size:,} bytes are more than {most:,}")
        with open(path, "rb") as file:
            yield file
    except Exception as problem:        # Pillow, gzip and safetensors raise many kinds
        reason = getattr(problem, "strerror", None) or problem
        raise error(plain(f"{path} cannot be read ({reason}). {way_out}")) from None


def plain(text):
    """`text` as one line, in one spelling on every system (NFC); bytes that are no UTF-8 become escapes."""
    odd = r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"        # also line ends, turns of direction
    return re.sub(odd, lambda found: ascii(found[0])[1:-1], unicodedata.normalize("NFC", str(text)))
