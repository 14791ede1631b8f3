"""MNIST and Fashion-MNIST: their 60,000 training images (the 10,000 test images are left out)."""

import gzip
import math
from pathlib import Path

import torch

from .classes import DataError, Recipe, by_label, split_by_label
from .download import check_md5, download

IMAGES, LABELS = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"


def recipe(name, folder, mirrors, md5, *system_folders):
    """The `Recipe` of an IDX dataset.

    folder: what torchvision calls it. mirrors: addresses that end in "/". md5: {file name: md5}, as torchvision has
    them. system_folders: where a package of the operating system puts the files.
    """
    def find(root):
        folders = [root / name, root / folder / "raw", *map(Path, system_folders)]
        return [_find_idx(filename, folders) for filename in (IMAGES, LABELS)]

    def fetch(path):
        download([mirror + path.name for mirror in mirrors], path, md5[path.name])

    def read(sources):
        for path in sources:        # unpacked files and those of the system's packages have no published md5
            if path.suffix == ".gz" and str(path.parent) not in system_folders:
                check_md5(path, md5[path.name])
        images, labels = (_idx_body(path, header) for path, header in zip(sources, (16, 8), strict=True))
        return by_label(images.view(-1, 28, 28), labels.long(), name)
    return Recipe(read, split_by_label, find, fetch)


def _find_idx(filename, folders):
    candidates = [folder / name for folder in folders for name in (filename, filename.removesuffix(".gz"))]
    return next((path for path in candidates if path.is_file()), candidates[0])


def _idx_body(path, header):
    """What follows the header of an IDX file: uint8 [n]. Its header says how long it must be."""
    try:
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError) as error:
        raise DataError(f"{path} is damaged ({error}). Delete it and load again.") from None
    expected = math.prod(int.from_bytes(content[i:i + 4], "big") for i in range(4, header, 4))
    if len(content) != header + expected:
        raise DataError(f"{path} is truncated: {len(content)} of {header + expected} bytes. Delete it and load again.")
    return torch.frombuffer(bytearray(content[header:]), dtype=torch.uint8)


MNIST = recipe("mnist", "MNIST",
               ["https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/"],
               {IMAGES: "f68b3c2dcbeaaa9fbdd348bbdeb94873", LABELS: "d53e105ee54ea40749a09fcbcd1e9432"})
FASHION_MNIST = recipe("fashion-mnist", "FashionMNIST",
                       ["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"],
                       {IMAGES: "8d4fb7e6c68d591d4c3dfef9ec88bf0d", LABELS: "25c81989df183df01b3e8a0aad5dffbe"},
                       "/usr/share/datasets/fashion-mnist", "/usr/share/dataset-fashion-mnist")
