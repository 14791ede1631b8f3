import gzip
import hashlib
import importlib.util
from pathlib import Path

import pytest
import torch

import torchvision_guard
from course_lib import datasets
from course_lib.datasets import labelled
from data_files import empty_root


@pytest.fixture
def root(tmp_path, monkeypatch):
    return empty_root(tmp_path, monkeypatch)


@pytest.mark.parametrize("name", ["digits", "mnist", "fashion-mnist"])
def test_the_splits_are_fixed(name):
    """Stored results depend on them."""
    order = "3895017246"
    classes = datasets.ImageClasses(torch.zeros(10, 1, 1, 1, 1), (name,) * 10, tuple(order))
    places = dict(zip(order, datasets.DATASETS[name].split(classes), strict=True))
    assert places == {**dict.fromkeys("01234", "train"), **dict.fromkeys("56", "val"), **dict.fromkeys("789", "test")}


def test_digits_are_the_real_ones():
    from sklearn.datasets import load_digits

    classes, bunch = datasets.load("digits"), load_digits()
    assert classes.images.shape == (10, 174, 1, 28, 28)         # 174 eights: the smallest class
    assert len(set(classes.names)) == 10
    three = torch.tensor(bunch.images[bunch.target == 3][0], dtype=torch.float32)
    shrunk = torch.nn.functional.adaptive_avg_pool2d(classes.images[3, 0, :, 2:26, 2:26].float(), 8)[0]
    assert torch.corrcoef(torch.stack([three.flatten(), shrunk.flatten()]))[0, 1] > 0.97


def idx(values, *sizes):
    header = bytes([0, 0, 8, len(sizes)]) + b"".join(size.to_bytes(4, "big") for size in sizes)
    return header + bytes(values)


@pytest.fixture
def small_mnist(monkeypatch):
    """Seven images of two classes (4 and 3 of them) in IDX format; the module expects just these."""
    labels = [1, 0, 1, 1, 0, 0, 0]
    content = {"train-images-idx3-ubyte.gz": idx([10 * n for n in range(7) for _ in range(784)], 7, 28, 28),
               "train-labels-idx1-ubyte.gz": idx(labels, 7)}
    packed = {name: gzip.compress(body) for name, body in content.items()}
    md5 = {name: hashlib.md5(content).hexdigest() for name, content in packed.items()}
    monkeypatch.setitem(datasets.DATASETS, "mnist", labelled.idx("mnist", "MNIST", ["http://x/"], md5))
    return packed


@pytest.mark.parametrize("folder, unpacked", [("mnist", False), ("mnist", True), ("MNIST/raw", True)])
def test_mnist_packed_or_unpacked(root, small_mnist, folder, unpacked):
    (root / folder).mkdir(parents=True)
    for name, content in small_mnist.items():
        path = root / folder / (name.removesuffix(".gz") if unpacked else name)
        path.write_bytes(gzip.decompress(content) if unpacked else content)
    classes = datasets.load("mnist", root=root)
    assert classes.images.shape == (2, 3, 1, 28, 28) and classes.names == ("0", "1")
    assert classes.images[:, :, 0, 5, 5].tolist() == [[10, 40, 50], [0, 20, 30]]    # file order; the last 0 left out


def test_mnist_damaged(root, small_mnist):
    (root / "mnist").mkdir()
    for name, content in small_mnist.items():
        (root / "mnist" / name).write_bytes(content)
    (root / "mnist" / "train-images-idx3-ubyte.gz").write_bytes(b"other")
    with pytest.raises(datasets.DataError, match=r"md5 .* expected"):
        datasets.load("mnist", root=root)
    (root / "mnist" / "train-images-idx3-ubyte.gz").unlink()
    (root / "mnist" / "train-images-idx3-ubyte").write_bytes(idx([1] * 700, 7, 28, 28))
    with pytest.raises(datasets.DataError, match=r"ubyte cannot be read \(.* 5,488 bytes .* truncated or damaged: delete it"):
        datasets.load("mnist", root=root)


@pytest.mark.parametrize("name, theirs", [("mnist", "MNIST"), ("fashion-mnist", "FashionMNIST")])
@pytest.mark.skipif(importlib.util.find_spec("torchvision") is None, reason="torchvision is not installed")
def test_address_place_and_checksums_are_those_of_torchvision(root, monkeypatch, name, theirs):
    published = getattr(torchvision_guard.import_torchvision().datasets, theirs)
    recipe, asked, checked = datasets.DATASETS[name], [], []
    monkeypatch.setattr(labelled, "download", lambda urls, path, md5: asked.append((urls, path, md5)))
    monkeypatch.setattr(labelled, "check_md5", lambda path, md5: checked.append((path, md5)))
    folder = published.__new__(published)
    folder.root = str(root)
    Path(folder.raw_folder).mkdir(parents=True)
    md5, files = dict(published.resources), ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz")
    paths = [Path(folder.raw_folder) / file for file in files]
    for path in paths:
        recipe.fetch(path)
        path.touch()
    assert asked == [([mirror + path.name for mirror in published.mirrors], path, md5[path.name]) for path in paths]
    assert recipe.find(root) == paths
    with pytest.raises(datasets.DataError, match="cannot be read .* truncated or damaged: delete it"):
        recipe.read(paths)
    assert checked == [(path, md5[path.name]) for path in paths]
