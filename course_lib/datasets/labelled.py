"""Ten labelled classes: scikit-learn's digits, MNIST and Fashion-MNIST (of these, the 60,000 training images)."""

from pathlib import Path

import torch

from course_files import idx as idx_files
from course_files.opening import DataError

from .classes import ImageClasses, Recipe
from .download import check_md5, download


def split(classes):
    """Classes 0 to 4 train, 5 and 6 validate, 7 to 9 test."""
    return ["train" if int(name) < 5 else "val" if int(name) < 7 else "test" for name in classes.names]


def _by_label(images, labels, alphabet):
    """images uint8 [n, H, W] and labels [n] as ImageClasses; each class cut to the size of the smallest."""
    names, counts = labels.unique(return_counts=True)
    if counts.min() < 2:
        raise DataError(f"{alphabet} has one image of the class {names[counts.argmin()]}. A class needs 2 or more.")
    classes = torch.stack([images[labels == name][:counts.min()] for name in names])
    return ImageClasses(classes[:, :, None], (alphabet,) * len(classes), tuple(map(str, names.tolist())))


def read_digits(sources):
    """scikit-learn's 1,797 digits: 8x8 pixels (0..16), enlarged to 24x24 inside a dark margin of 2."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    small = torch.tensor(bunch.images, dtype=torch.float32)[:, None] / 16
    large = torch.nn.functional.interpolate(small, size=24, mode="bilinear").mul(255).round().to(torch.uint8)
    return _by_label(torch.nn.functional.pad(large, (2, 2, 2, 2))[:, 0], torch.tensor(bunch.target), "digits")


IMAGES, LABELS = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"


def idx(name, folder, mirrors, md5, *system_folders):
    """The `Recipe` of a dataset in IDX files: folder, mirrors, md5 as in torchvision; where systems put them."""
    def find(root):
        folders = [root / name, root / folder / "raw", *map(Path, system_folders)]
        places = [[f / n for f in folders for n in (file, file.removesuffix(".gz"))] for file in (IMAGES, LABELS)]
        return [next((path for path in paths if path.is_file()), paths[0]) for paths in places]

    def fetch(path):
        download([mirror + path.name for mirror in mirrors], path, md5[path.name])

    def read(sources):
        for path in sources:        # unpacked files and those of the system's packages have no published md5
            if path.suffix == ".gz" and str(path.parent) not in system_folders:
                check_md5(path, md5[path.name])
        images = torch.from_numpy(idx_files.read(sources[0], 28, 28))
        labels = torch.from_numpy(idx_files.read(sources[1]))
        if not len(images) == len(labels) > 0 or labels.max() > 9:
            raise DataError(f"{sources[0]} has {len(images)} images, and {sources[1]} {len(labels)} labels up to "
                            f"{max(labels, default=0)}, not one of 0 to 9 for each. Delete both and load again.")
        return _by_label(images, labels, name)
    return Recipe(read, split, find, fetch)


DIGITS = Recipe(read_digits, split)
MNIST = idx("mnist", "MNIST",
               ["https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/"],
               {IMAGES: "f68b3c2dcbeaaa9fbdd348bbdeb94873", LABELS: "d53e105ee54ea40749a09fcbcd1e9432"})
FASHION_MNIST = idx("fashion-mnist", "FashionMNIST",
                       ["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"],
                       {IMAGES: "8d4fb7e6c68d591d4c3dfef9ec88bf0d", LABELS: "25c81989df183df01b3e8a0aad5dffbe"},
                       "/usr/share/datasets/fashion-mnist", "/usr/share/dataset-fashion-mnist")
