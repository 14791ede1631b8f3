"""IDX files, the format of MNIST."""

import gzip
import math

import numpy

from .opening import DataError, opened


def read(path, *sizes):
    """The bytes in the IDX file at `path`, packed or not: uint8 [n, *sizes]. DataError, if it has others."""
    with opened(path, DataError, "It is truncated or damaged: delete it and load again.") as packed:
        file = gzip.GzipFile(fileobj=packed) if path.suffix == ".gz" else packed
        header = file.read(8 + 4 * len(sizes))
        n, *found = (int.from_bytes(header[i:i + 4], "big") for i in (4, 8, 12)[:1 + len(sizes)])
        if header[:4] != bytes([0, 0, 8, 1 + len(sizes)]) or found != [*sizes]:
            raise ValueError(f"it holds {[n, *found]}, and no bytes {[n, *sizes]} in IDX format")
        length = n * math.prod(sizes)
        content = bytearray(file.read(min(length, 2**27) + 1))      # a small file can unpack to a huge one
        if len(content) != length:
            raise ValueError(f"it does not have the {length:,} bytes that its header says")
        return numpy.frombuffer(content, dtype=numpy.uint8).reshape(n, *sizes)
