import gzip
import hashlib
import importlib.util
from pathlib import Path

import pytest
import torch

import torchvision_guard
from course_files import idx as idx_files
from course_files import labelled
from course_lib import datasets
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


def test_kmnist_is_split_as_mnist_is():
    assert labelled.KMNIST.split is datasets.DATASETS["mnist"].split


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
    monkeypatch.setitem(datasets.DATASETS, "mnist", labelled.idx(idx_files.Files("mnist", "MNIST", ["http://x/"], md5)))
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
    with pytest.raises(datasets.DataError, match=r"ubyte cannot be read \(.* 5,488 bytes .* damaged: delete it"):
        datasets.load("mnist", root=root)


@pytest.mark.parametrize("recipe, theirs", [(labelled.MNIST, "MNIST"), (labelled.FASHION_MNIST, "FashionMNIST"),
                                            (labelled.KMNIST, "KMNIST")], ids=["mnist", "fashion-mnist", "kmnist"])
@pytest.mark.skipif(importlib.util.find_spec("torchvision") is None, reason="torchvision is not installed")
def test_address_place_and_checksums_are_those_of_torchvision(root, monkeypatch, recipe, theirs):
    published = getattr(torchvision_guard.import_torchvision().datasets, theirs)
    asked, checked = [], []
    monkeypatch.setattr(idx_files, "download", lambda urls, path, md5: asked.append((urls, path, md5)))
    monkeypatch.setattr(idx_files, "check_md5", lambda path, md5: checked.append((path, md5)))
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
    with pytest.raises(datasets.DataError, match=r"cannot be read .* truncated or damaged: delete it"):
        recipe.read(paths)
    assert checked == [(path, md5[path.name]) for path in paths]


@pytest.mark.parametrize("images, labels, message", [
    (idx([1] * 784 * 5, 5, 28, 28), idx([0, 1, 0, 1], 4), r"has 5 images, and .*labels-idx1-ubyte 4 labels up to 1"),
    (idx([1] * 1024 * 4, 4, 32, 32), idx([0, 1, 0, 1], 4), r"images-idx3-ubyte cannot be read \(.*\[4, 32, 32\]"),
    (idx([1] * 784 * 4, 4, 28, 28), idx([0, 255, 0, 255], 4), r"labels up to 255, not one of 0 to 9"),
    (idx([1] * 784 * 3, 3, 28, 28), idx([0, 1, 0], 3), r"has one image of the class 1. A class needs 2"),
    (idx([], 0, 28, 28), idx([], 0), r"has 0 images, and .* 0 labels up to 0"),
    (idx([0, 1], 2), idx([1] * 784 * 2, 2, 28, 28), r"images-idx3-ubyte cannot be read \(it holds .*no bytes"),
    (idx([], 2**31, 28, 28), idx([0, 1], 2), r"does not have the 1,683,627,180,032 bytes"),
    (idx([1] * 785 * 4, 4, 28, 28), idx([0, 1, 0, 1], 4), r"does not have the 3,136 bytes"),
    (b"", idx([0, 1], 2), r"cannot be read \(it holds .* no bytes")])
def test_idx_files_that_do_not_fit_together(root, small_mnist, images, labels, message):
    (root / "mnist").mkdir()
    (root / "mnist" / "train-images-idx3-ubyte").write_bytes(images)
    (root / "mnist" / "train-labels-idx1-ubyte").write_bytes(labels)
    with pytest.raises(datasets.DataError, match=message) as error:
        datasets.load("mnist", root=root)
    assert "\n" not in str(error.value)


def test_labels_that_begin_at_1_are_the_names_of_the_classes(root, small_mnist):
    (root / "mnist").mkdir()
    images = [10 * n for n in range(10) for _ in range(784)]
    (root / "mnist" / "train-images-idx3-ubyte").write_bytes(idx(images, 10, 28, 28))
    (root / "mnist" / "train-labels-idx1-ubyte").write_bytes(idx([1, 2, 3, 4, 5] * 2, 10))
    classes = datasets.load("mnist", root=root)
    assert classes.names == ("1", "2", "3", "4", "5") and classes.images[:, :, 0, 0, 0].tolist() == [
        [10 * n, 10 * n + 50] for n in range(5)]
    assert datasets.load("mnist", split="val", root=root).names == ("5",)


def test_a_small_file_that_unpacks_to_a_huge_one_is_not_unpacked(tmp_path):
    with gzip.open(tmp_path / "x.gz", "wb", compresslevel=1) as file:
        file.write(idx([], 4, 28, 28))
        for _ in range(64):
            file.write(bytes(2**20))
    with pytest.raises(datasets.DataError, match=r"x.gz cannot be read \(it does not have the 3,136 bytes"):
        idx_files.read(tmp_path / "x.gz", 28, 28)


EMNIST_FILES = "emnist-balanced-train-images-idx3-ubyte", "emnist-balanced-train-labels-idx1-ubyte"


def write_emnist(folder, labels, packed=False):
    """EMNIST's two files in `folder`: image number n has one bright pixel, column 3, row 20, as bright as n."""
    folder.mkdir(parents=True)
    images = bytearray(784 * len(labels))
    images[3 * 28 + 20::784] = bytes(range(len(labels)))        # the files give one column after the other
    for name, content in zip(EMNIST_FILES, (idx(images, len(labels), 28, 28), idx(labels, len(labels))), strict=True):
        (folder / (name + ".gz" * packed)).write_bytes(gzip.compress(content) if packed else content)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("folder", ["emnist", "EMNIST/raw", "EMNIST/raw/gzip"])
def test_emnist_is_upright_and_its_classes_are_characters(root, folder, packed):
    write_emnist(root / folder, [*range(47), *reversed(range(47))], packed)
    classes = labelled.EMNIST.read(labelled.EMNIST.find(root))
    assert classes.images.shape == (47, 2, 1, 28, 28) and set(classes.alphabets) == {"emnist"}
    assert "".join(classes.names) == "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt"
    assert classes.images[:, :, 0, 20, 3].tolist() == [[n, 93 - n] for n in range(47)]
    assert classes.images.sum() == sum(range(94))
    places = dict(zip(classes.names, labelled.EMNIST.split(classes), strict=True))
    assert [places[name] for name in "01234567"] == ["train"] * 3 + ["val", "test"] + ["train"] * 3
    assert "".join(name for name in places if places[name] == "val") == "38DINSXdn"
    assert "".join(name for name in places if places[name] == "test") == "49EJOTYeq"


def test_emnist_has_47_labels_and_other_sets_10(root):
    write_emnist(root / "emnist", [46, 47, 46, 47])
    with pytest.raises(datasets.DataError, match=r"labels up to 47, not one of 0 to 46 for each"):
        labelled.EMNIST.read(labelled.EMNIST.find(root))
    (root / "kmnist").mkdir()
    for name in EMNIST_FILES:
        (root / "emnist" / name).rename(root / "kmnist" / name.removeprefix("emnist-balanced-"))
    with pytest.raises(datasets.DataError, match=r"labels up to 47, not one of 0 to 9 for each"):
        labelled.KMNIST.read(labelled.KMNIST.find(root))


def test_emnist_absent_is_one_line_that_says_where_to_put_it(root):
    path = labelled.EMNIST.find(root)[0]
    assert path == root / "emnist" / (EMNIST_FILES[0] + ".gz")
    with pytest.raises(datasets.DataError, match=r"emnist-balanced.*gz is absent.* Put it there.*535 MB") as error:
        labelled.EMNIST.fetch(path)
    call = f"torchvision.datasets.EMNIST({str(root)!r}, split='balanced', download=True)"
    assert call in str(error.value) and "\n" not in str(error.value)


@pytest.mark.skipif(importlib.util.find_spec("torchvision") is None, reason="torchvision is not installed")
def test_emnist_lies_where_torchvision_puts_it_and_has_its_classes(root):
    published = torchvision_guard.import_torchvision().datasets.EMNIST
    folder = published.__new__(published)
    folder.root, folder.split, folder.train = str(root), "balanced", True
    write_emnist(Path(folder.raw_folder), range(47))
    assert [str(path) for path in labelled.EMNIST.find(root)] == [folder.images_file, folder.labels_file]
    assert [*idx_files.EMNIST.characters] == published.classes_split_dict["balanced"]
