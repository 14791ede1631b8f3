"""IDX files, the format of MNIST: where each set lies, where it comes from, and what it holds."""

import gzip
import math
from pathlib import Path
from typing import NamedTuple

import numpy

from .download import check_md5, download
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


IMAGES, LABELS = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"


class Files(NamedTuple):
    """The two files of a dataset, images and labels: folder, mirrors, md5 as in torchvision; where systems put them."""

    name: str
    folder: str
    mirrors: list                       # none: what a reader must fetch
    md5: dict
    system_folders: tuple = ()
    prefix: str = ""                    # of the names of both files
    characters: str = "0123456789"      # what the labels 0, 1, ... stand for
    transposed: bool = False            # whether the files give each image column by column

    def find(self, root):
        raw = root / self.folder / "raw"
        folders = [root / self.name, raw, raw / "gzip", *map(Path, self.system_folders)]
        places = [[f / n for f in folders for n in (self.prefix + file, self.prefix + file.removesuffix(".gz"))]
                  for file in (IMAGES, LABELS)]
        return [next((path for path in paths if path.is_file()), paths[0]) for paths in places]

    def fetch(self, path):
        if not self.mirrors:
            raise DataError(f"{path} is absent, and no small download has it. Put it there, packed or not, or fetch "
                            f"all of EMNIST (535 MB) with torchvision.datasets.{self.folder}({str(path.parents[1])!r}, "
                            f"split='balanced', download=True).")
        download([mirror + path.name for mirror in self.mirrors], path, self.md5[path.name])

    def read(self, paths):
        """images uint8 [n, 28, 28], upright, and labels uint8 [n], indices into `characters`."""
        for path in paths:      # unpacked files and those of the system's packages have no published md5
            if path.name in self.md5 and str(path.parent) not in self.system_folders:
                check_md5(path, self.md5[path.name])
        images, labels = read(paths[0], 28, 28), read(paths[1])
        if not len(images) == len(labels) > 0 or labels.max() >= len(self.characters):
            raise DataError(f"{paths[0]} has {len(images)} images, and {paths[1]} {len(labels)} labels up to "
                            f"{max(labels, default=0)}, not one of 0 to {len(self.characters) - 1} for each. "
                            f"Delete both and load again.")
        return images.swapaxes(1, 2) if self.transposed else images, labels


MNIST = Files("mnist", "MNIST",
              ["https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/"],
              {IMAGES: "f68b3c2dcbeaaa9fbdd348bbdeb94873", LABELS: "d53e105ee54ea40749a09fcbcd1e9432"})
FASHION_MNIST = Files("fashion-mnist", "FashionMNIST",
                      ["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"],
                      {IMAGES: "8d4fb7e6c68d591d4c3dfef9ec88bf0d", LABELS: "25c81989df183df01b3e8a0aad5dffbe"},
                      ("/usr/share/datasets/fashion-mnist", "/usr/share/dataset-fashion-mnist"))
KMNIST = Files("kmnist", "KMNIST", ["http://codh.rois.ac.jp/kmnist/dataset/kmnist/"],
               {IMAGES: "bdb82020997e1d708af4cf47b453dcf7", LABELS: "e144d726b3acfaa3e44228e80efcd344"})
# "Balanced", Cohen et al. 2017: small letters that look like their capitals share a class with them.
EMNIST = Files("emnist", "EMNIST", [], {}, prefix="emnist-balanced-", transposed=True,
               characters="0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt")
