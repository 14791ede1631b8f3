import gzip
import hashlib
import http.server
import io
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image, ImageDraw

from course_lib import datasets
from course_lib.datasets import glyphs, omniglot

PART = "images_background_small1"


@pytest.fixture
def root(tmp_path, monkeypatch):
    """An empty data folder, an empty cache, and downloads that fail at once."""
    monkeypatch.setattr(data, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(data, "download", refuse)
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def refuse(urls, path, md5):
    raise datasets.DataError(f"no download of {path.name} in this test")


# ---------------------------------------------------------------- names and splits


def test_unknown_names_list_the_known_ones():
    with pytest.raises(ValueError, match=r"unknown dataset 'imagenet'. Choose one of: glyphs, digits, omniglot"):
        datasets.load("imagenet")
    for name in ("folder", "folder:", 3):
        with pytest.raises(ValueError, match=rf"unknown dataset {name!r}. .*, fashion-mnist, folder:/path\."):
            datasets.load(name)
    with pytest.raises(ValueError, match=r"unknown split 'dev'. Choose one of: all, train, val, test"):
        datasets.load("digits", split="dev")


@pytest.mark.parametrize("name", ["glyphs", "digits"])
def test_embedded_data_and_their_splits(name):
    everything = datasets.load(name)
    assert everything.images.dtype == torch.uint8 and everything.images.shape[2:] == (1, 28, 28)
    assert len(everything.names) == len(everything.alphabets) == len(everything.images)
    assert everything.images.float().mean() < 100, "ink is bright and scarce"
    parts = [datasets.load(name, split=split) for split in ("train", "val", "test")]
    classes = [set(zip(part.alphabets, part.names)) for part in parts]
    assert len(set.union(*classes)) == sum(map(len, classes)) == len(everything.names)
    counts = {"glyphs": (875, 125, 250), "digits": (5, 2, 3)}       # fixed: stored results depend on them
    assert tuple(len(part.names) for part in parts) == counts[name]
    if name == "glyphs":
        assert len(set.union(*(set(p.alphabets) for p in parts))) == sum(len(set(p.alphabets)) for p in parts)
        assert len(set(everything.alphabets)) >= 40 and everything.images.shape[1] == 20
    first = parts[1]
    position = list(zip(everything.alphabets, everything.names)).index((first.alphabets[0], first.names[0]))
    assert torch.equal(first.images[0], everything.images[position])


def test_digits_are_the_real_ones():
    from sklearn.datasets import load_digits

    classes, bunch = datasets.load("digits"), load_digits()
    assert classes.images.shape == (10, 174, 1, 28, 28)         # 174 eights: the smallest class
    assert len(set(classes.names)) == 10
    three = torch.tensor(bunch.images[bunch.target == 3][0], dtype=torch.float32)
    shrunk = torch.nn.functional.adaptive_avg_pool2d(classes.images[3, 0, :, 2:26, 2:26].float(), 8)[0]
    assert torch.corrcoef(torch.stack([three.flatten(), shrunk.flatten()]))[0, 1] > 0.97


def test_no_alphabet_trains_in_one_omniglot_set_and_is_held_out_in_another():
    parts = {"omniglot": ("images_background", "images_evaluation"), "omniglot-small1": (PART,),
             "omniglot-small2": ("images_background_small2",)}
    role = {name: {a: datasets.split_of(name, a, "") for part in archives for a in omniglot.ALPHABETS[part]}
            for name, archives in parts.items()}
    train = {a for split in role.values() for a, s in split.items() if s == "train"}
    held_out = {a for split in role.values() for a, s in split.items() if s != "train"}
    assert not train & held_out
    assert {a for a, s in role["omniglot-small2"].items() if s == "test"} == set(omniglot.ONLY_SMALL2)
    assert [len(role[name]) for name in parts] == [50, 5, 5]
    assert list(role["omniglot"].values()).count("test") == 20
    assert sum(sum(omniglot.ALPHABETS[part].values()) for part in parts["omniglot"]) == 1623      # Lake et al. 2015


# ---------------------------------------------------------------- Omniglot's format


def png(seed):
    """A drawing in Omniglot's format: 105x105, one bit, black ink on white."""
    ink = torch.rand(105, 105, generator=torch.Generator().manual_seed(seed)) < 0.1
    buffer = io.BytesIO()
    Image.fromarray((255 * ~ink).to(torch.uint8).numpy()).convert("1").save(buffer, "png")
    return buffer.getvalue(), ink


@pytest.fixture
def small_omniglot(monkeypatch):
    """{name in the archive: PNG} of two alphabets of two and one characters; the module expects just these."""
    monkeypatch.setitem(omniglot.ALPHABETS, PART, {"Greek": 2, "Latin": 1})
    return {f"{PART}/{alphabet}/character{c:02d}/{k:04d}_{d:02d}.png": png(100 * k + d)[0]
            for k, (alphabet, c) in enumerate([("Greek", 1), ("Greek", 2), ("Latin", 1)]) for d in range(1, 21)}


def archive(path, files, monkeypatch):
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w") as zipped:
        for name, content in files.items():
            zipped.writestr(name, content)
    monkeypatch.setitem(omniglot.SMALL_MD5, PART, hashlib.md5(path.read_bytes()).hexdigest())
    return path


def test_archive_and_unpacked_folder_give_the_same_drawings(root, small_omniglot, monkeypatch):
    path = archive(root / "omniglot" / f"{PART}.zip", small_omniglot, monkeypatch)
    packed = datasets.load("omniglot-small1", root=root)
    assert packed.alphabets == ("Greek", "Greek", "Latin")
    assert packed.names == ("character01", "character02", "character01")
    expected = glyphs.to_28(torch.stack([png(100 + d)[1].float() for d in range(1, 21)]))
    assert torch.equal(packed.images[1, :, 0], expected), "drawer by drawer, ink bright"
    for other in ("omniglot", "omniglot-py", "."):
        unpacked_root = root / "b" / other.replace(".", "plain")
        with zipfile.ZipFile(path) as zipped:
            zipped.extractall(unpacked_root / other)
        assert torch.equal(datasets.load("omniglot-small1", root=unpacked_root).images, packed.images)
    assert datasets.is_here("omniglot-small1", root) and not datasets.is_here("omniglot-small2", root)
    assert not list((root / "omniglot").glob(".*")), "the data folder is only read"


def test_a_second_load_reads_the_cache_and_notices_changed_sources(root, small_omniglot, monkeypatch):
    path = archive(root / "omniglot" / f"{PART}.zip", small_omniglot, monkeypatch)
    datasets.load("omniglot-small1", root=root)
    monkeypatch.setattr(data, "ink_of_png", None)         # reading a drawing would fail now
    datasets.load("omniglot-small1", root=root)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(datasets.DataError, match="truncated or not the published file: md5"):
        datasets.load("omniglot-small1", root=root)


def test_what_is_absent_is_fetched_from_its_public_home(root, monkeypatch):
    """Of each dataset: the address, the place and the md5 that `download` is called with."""
    asked = []

    def note(urls, path, md5):
        asked.append((urls, path.relative_to(root).as_posix(), md5))
        raise datasets.DataError("offline")

    monkeypatch.setattr(data, "download", note)
    for name in ("omniglot-small1", "omniglot", "mnist"):
        with pytest.raises(datasets.DataError, match="offline"):
            datasets.load(name, root=root)
    home = "https://raw.githubusercontent.com/brendenlake/omniglot/master/python"
    assert asked[0] == ([f"{home}/{PART}.zip"], f"omniglot/{PART}.zip", "e704a628b5459e08445c13499850abc4")
    assert asked[1][1:] == ("omniglot/images_background.zip", "68d2efa1b9178cc56df9314c21c6e718")
    assert asked[2][1:] == ("mnist/train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873")
    assert asked[2][0][0].endswith("/train-images-idx3-ubyte.gz")


def test_a_change_of_the_code_that_prepares_data_makes_them_anew(tmp_path, monkeypatch):
    before = data._fingerprint([])
    for module in (data, glyphs):
        (tmp_path / "changed.py").write_text(Path(module.__file__).read_text(encoding="utf-8") + "#", encoding="utf-8")
        with monkeypatch.context() as patch:
            patch.setattr(module, "__file__", str(tmp_path / "changed.py"))
            assert data._fingerprint([]) != before
    assert data._fingerprint([]) == before


def test_truncated_archive(root, small_omniglot, monkeypatch):
    path = archive(root / f"{PART}.zip", small_omniglot, monkeypatch)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(datasets.DataError, match=rf"{PART}.zip is truncated .* md5 .* Delete it and load again"):
        datasets.load("omniglot-small1", root=root)
    assert not (root.parent / "cache").exists()


@pytest.mark.parametrize("name", ["../evil.png", "/etc/evil.png", f"{PART}/../../evil.png", "a\\..\\evil.png"])
def test_zip_slip(root, small_omniglot, monkeypatch, name):
    archive(root / f"{PART}.zip", {**small_omniglot, name: b""}, monkeypatch)
    with pytest.raises(datasets.DataError, match="holds the unsafe path"):
        datasets.load("omniglot-small1", root=root)


def test_a_missing_alphabet_and_a_missing_drawing(root, small_omniglot):
    for name, content in small_omniglot.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    assert len(datasets.load("omniglot-small1", root=root).names) == 3
    next((root / PART / "Greek" / "character02").iterdir()).unlink()
    with pytest.raises(datasets.DataError, match=r"Greek/character02, drawer \d+ is missing \(1 of 60 drawings\)"):
        datasets.load("omniglot-small1", root=root)
    damaged = next((root / PART / "Greek" / "character01").iterdir())
    for d in range(1, 21):
        (root / PART / "Greek" / "character02" / f"0001_{d:02d}.png").write_bytes(png(d)[0])
    damaged.write_bytes(b"")
    with pytest.raises(datasets.DataError, match=r"Greek/character01, drawer \d+: the drawing is damaged"):
        datasets.load("omniglot-small1", root=root)
    shutil.rmtree(root / PART / "Latin")
    with pytest.raises(datasets.DataError, match=r"incomplete: the alphabet Latin is missing \(20 of 60"):
        datasets.load("omniglot-small1", root=root)


def test_an_unwritable_cache_costs_time_and_nothing_else(root, monkeypatch):
    (root / "file").write_text("")
    monkeypatch.setattr(data, "cache_folder", lambda: root / "file" / "cache")
    assert len(datasets.load("digits", root=root).names) == 10


def test_damaged_cache_says_so(root):
    datasets.load("digits", root=root)
    cached, = (root.parent / "cache").iterdir()
    cached.write_bytes(b"half")
    with pytest.raises(datasets.DataError, match=r"is damaged .* Delete it"):
        datasets.load("digits", root=root)


@pytest.mark.skipif("COURSE_DATA" not in os.environ or not datasets.is_here("omniglot-small1"),
                    reason="set COURSE_DATA to a folder with the real omniglot-small1")
def test_real_omniglot_small1():
    classes = datasets.load("omniglot-small1")
    assert classes.images.shape == (136, 20, 1, 28, 28) and len(set(classes.alphabets)) == 5
    assert 5 < classes.images.float().mean() < 40


# ---------------------------------------------------------------- MNIST's format


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
    published = data.import_torchvision().datasets.MNIST
    monkeypatch.setattr(published, "resources", [(n, hashlib.md5(b).hexdigest()) for n, b in packed.items()])
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
    with pytest.raises(datasets.DataError, match="truncated: 716 of 5504 bytes"):
        datasets.load("mnist", root=root)


# ---------------------------------------------------------------- a folder of your own images


def picture(path, ink=0, paper=255, size=(40, 40), box=(10, 10, 15, 29), mode="L", **how):
    """A file with a rectangle of `ink` on `paper`; box: its left, top, right and bottom, all inside."""
    image = Image.new(mode, size, paper)
    ImageDraw.Draw(image).rectangle(box, fill=ink)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **how)


@pytest.fixture
def pictures(root):
    """Two classes, cat (3 images) and dog (2), dark on light, and files that are none of our business."""
    folder = root / "pictures"
    for n, name in enumerate(("cat/1.PNG", "cat/2.jpg", "cat/3.png", "dog/a.png", "dog/b.png")):
        picture(folder / name, box=(5 * n + 5, 10, 5 * n + 9, 29))
    for name in ("cat/notes.txt", "dog/.DS_Store", "dog/.hidden.png", "readme.md", ".git/x.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("no image")
    return folder


def test_a_folder_of_images(pictures, monkeypatch):
    classes = datasets.load(f"folder:{pictures}")
    assert classes.names == ("cat", "dog") and classes.alphabets == ("pictures", "pictures")
    assert classes.images.dtype == torch.uint8
    assert classes.images.shape == (2, 2, 1, 28, 28), "the third cat is left out"
    middle = classes.images[..., 0, 14, :].float()
    centre = (middle * torch.arange(28)).sum(-1) / middle.sum(-1)       # columns 5n+5 to 5n+9 of 40, in 28
    assert centre.flatten().tolist() == pytest.approx([4.75, 8.25, 15.25, 18.75], abs=0.1), "in order of the names"
    assert (middle.max(-1).values > 240).all() and classes.images[:, :, 0, 0].max() < 10, "bright ink on dark paper"
    monkeypatch.chdir(pictures.parent)
    monkeypatch.setenv("HOME", str(pictures.parent))
    monkeypatch.setenv("USERPROFILE", str(pictures.parent))
    for name in ("folder:pictures", "folder:~/pictures", "folder:./pictures/"):
        assert datasets.known_name(name) == f"folder:{pictures.resolve()}" and datasets.is_here(name)
        assert torch.equal(datasets.load(name).images, classes.images)


def test_ink_that_is_bright_stays_bright(root):
    for n in range(2):
        picture(root / "night" / "cat" / f"{n}.png", ink=250, paper=10)
        picture(root / "dim" / "cat" / f"{n}.png", ink=20, paper=100)       # in poor light paper is rather dark
    night, dim = (datasets.load(f"folder:{root / name}").images[0, 0, 0] for name in ("night", "dim"))
    assert (night[14, 8], night[0, 0]) == (250, 10)
    assert (dim[14, 8], dim[0, 0]) == (235, 155)


def test_one_decision_on_inversion_for_the_whole_folder(root):
    """Class b would be taken for bright ink, were it alone: its heavy ink touches most of the edge."""
    for n in range(2):
        for name in "acd":
            picture(root / "mixed" / name / f"{n}.png")
        picture(root / "mixed" / "b" / f"{n}.png", box=(0, 0, 39, 34), ink=0)
    classes = datasets.load(f"folder:{root / 'mixed'}")
    assert classes.images[1, 0, 0, 5, 5] == 255 and classes.images[1, 0, 0, 27, 14] == 0


@pytest.mark.parametrize("size", [(40, 20), (20, 40), (41, 20)])
def test_an_oblong_image_is_padded_with_its_paper_and_not_distorted(root, size):
    x, y = size[0] // 2, size[1] // 2
    picture(root / "p" / "a" / "1.png", size=size, paper=230, ink=30, box=(x - 6, y - 6, x + 5, y + 5))
    picture(root / "p" / "a" / "2.png", size=size, paper=230, ink=30, box=(0, 0, 7, 7))
    image, touching = datasets.load(f"folder:{root / 'p'}").images[0, :, 0].long()
    ink = image > 125                                   # between paper, 25, and ink, 225
    height, width = (int(ink.any(axis).sum()) for axis in (1, 0))
    assert height == width and 7 <= width <= 9, "12 of 40 pixels are 8.4 of 28"
    assert image[[0, 0, -1, -1, 14, 0], [0, -1, 0, -1, 0, 14]].tolist() == [25] * 6, "no seam"
    assert touching[[0, -1], [0, -1]].tolist() == [25, 25], "nor one where ink touches the edge"
    rows, columns = ink.nonzero().float().mean(0).tolist()
    assert abs(rows - 13.5) < 0.8 and abs(columns - 13.5) < 0.8, "in the middle"


def test_colour_transparency_depth_and_a_photograph_on_its_side(root):
    a, b = root / "p" / "a", root / "p" / "b"
    picture(a / "1.png", mode="RGB", paper=(255, 255, 255), ink=(255, 0, 0))
    picture(a / "2.png", mode="RGBA", paper=(0, 0, 0, 0), ink=(0, 0, 0, 255))
    picture(b / "1.png", mode="I;16", paper=65535, ink=0)
    sideways = Image.Exif()
    sideways[0x0112] = 6                                # to be seen turned by 90 degrees, clockwise
    picture(b / "2.png", box=(10, 10, 15, 29), exif=sideways)
    red, clear, deep, turned = datasets.load(f"folder:{root / 'p'}").images.flatten(0, 1)[:, 0]
    assert red[14, 8] == 255 - 76, "the grey of red, ITU-R 601"
    assert (clear[14, 8], clear[0, 0]) == (255, 0) and torch.equal(clear, deep)
    assert torch.equal(turned, torch.rot90(clear, -1))


def test_a_folder_of_alphabets_is_read_as_omniglot_is(root, small_omniglot, monkeypatch):
    archive(root / f"{PART}.zip", small_omniglot, monkeypatch)
    for name, content in small_omniglot.items():
        (root / "own" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "own" / name).write_bytes(content)
    published, own = datasets.load("omniglot-small1", root=root), datasets.load(f"folder:{root / 'own' / PART}")
    assert (own.alphabets, own.names) == (published.alphabets, published.names)
    assert (own.images.int() - published.images.int()).abs().max() <= 1, "rounded before or after inverting"


def named(alphabets, names):
    return datasets.ImageClasses(torch.zeros(len(names), 2, 1, 28, 28, dtype=torch.uint8), tuple(alphabets), tuple(names))


def test_splits_of_a_folder_are_fixed(root):
    letters = "abcdefgh"
    flat = dict(zip(letters, data._splits("folder:/x", named("p" * 8, letters))))
    groups = ["".join(c for c in letters if flat[c] == split) for split in ("train", "val", "test")]
    assert groups == ["adef", "cg", "bh"], "stored results depend on them; from md5sum"
    assert data._splits("folder:/y", named("q" * 8, letters[::-1])) == [flat[c] for c in letters[::-1]]
    nested = data._splits("folder:/x", named("aabbccdd", "12345678"))
    assert nested[::2] == nested[1::2] and set(nested) == {"train", "val", "test"}, "whole alphabets"
    assert set(data._splits("folder:/x", named("aaabbb", "123456"))) == {"train", "val", "test"}, "two: by class"
    for n in range(3, 40):
        places = data._splits("folder:/x", named("p" * n, list(map(str, range(n)))))
        assert min(map(places.count, ("train", "val", "test"))) >= max(1, n // 4)
        assert abs(places.count("train") - n / 2) <= 1


def test_a_folder_too_small_to_split(pictures):
    assert len(datasets.load(f"folder:{pictures}", split="train").names) == 1
    with pytest.raises(datasets.DataError, match=r"has 2 class\(es\), none of them for split 'val'. Three splits need"):
        datasets.load(f"folder:{pictures}", split="val")
    picture(pictures / "emu" / "1.png")
    picture(pictures / "emu" / "2.png")
    parts = [datasets.load(f"folder:{pictures}", split=split).names for split in ("train", "val", "test")]
    assert sorted(parts) == [("cat",), ("dog",), ("emu",)]


def test_a_changed_folder_is_read_anew(pictures, monkeypatch):
    before = datasets.load(f"folder:{pictures}").images
    with monkeypatch.context() as patch:
        patch.setattr(data, "_grey", None)          # reading an image would fail now
        assert torch.equal(datasets.load(f"folder:{pictures}").images, before)
    picture(pictures / "dog" / "a.png", box=(10, 2, 30, 8))
    assert not torch.equal(datasets.load(f"folder:{pictures}").images, before)
    (pictures / "dog").rename(pictures / "wolf")
    assert datasets.load(f"folder:{pictures}").names == ("cat", "wolf")
    if os.name != "nt":         # where links need rights
        (pictures / "dog").symlink_to(pictures / "wolf")
        assert datasets.load(f"folder:{pictures}").names == ("cat", "dog", "wolf")
        (pictures / "dog").rename(pictures / "fox")
        assert datasets.load(f"folder:{pictures}").names == ("cat", "fox", "wolf")
    assert {path.name[:7] for path in (pictures.parent.parent / "cache").iterdir()} == {"folder-"}


def test_folders_that_will_not_do(pictures):
    def error():
        with pytest.raises(datasets.DataError) as raised:
            datasets.load(f"folder:{pictures}")
        return str(raised.value)

    (pictures / "dog" / "b.png").write_bytes((pictures / "dog" / "b.png").read_bytes()[:60])
    assert f"{pictures / 'dog' / 'b.png'} cannot be read as an image" in error()
    (pictures / "dog" / "b.png").unlink()
    assert "class 'dog' has 1 image(s) in" in error() and ".jpg" in error()
    picture(pictures / "dog" / "young" / "1.png")
    assert f"{pictures} mixes classes (cat) and alphabets (dog). Either" in error()
    picture(pictures / "cat" / "small" / "1.png")
    assert "mixes classes (cat) and" in error(), "images beside folders are not passed over"
    for name in ("cat", "dog"):
        shutil.rmtree(pictures / name)
    assert "pictures has no subfolders. Put the images of each class into a subfolder" in error()
    assert not datasets.is_here(f"folder:{pictures}")
    shutil.rmtree(pictures)
    assert f"{pictures} is not a folder. Put" in error()
    pictures.write_text("a file")
    assert f"{pictures} is not a folder. Put" in error()


# ---------------------------------------------------------------- downloads


@pytest.fixture
def server(tmp_path):
    """A local web server: /good, /slow (never answers); yields its address."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path == "/slow":
                time.sleep(5)
                return
            self.send_response(200)
            self.send_header("Content-Length", "4" if self.path == "/good" else "9")
            self.end_headers()
            self.wfile.write(b"data")

        def log_message(self, *arguments):
            pass

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()


MD5 = hashlib.md5(b"data").hexdigest()


def test_download_tries_every_mirror_and_checks(tmp_path, server):
    data.download([f"{server}/short", f"{server}/good"], tmp_path / "sub" / "file", MD5)
    assert (tmp_path / "sub" / "file").read_bytes() == b"data"
    assert os.listdir(tmp_path / "sub") == ["file"]


def test_download_of_a_wrong_or_truncated_file_leaves_nothing(tmp_path, server):
    whole = hashlib.md5(b"data and more").hexdigest()
    for url, md5 in ((f"{server}/good", "0" * 32), (f"{server}/short", whole)):
        with pytest.raises(datasets.DataError, match="could not be downloaded"):
            data.download([url], tmp_path / "file", md5)
    assert os.listdir(tmp_path) == []


def test_offline_is_one_clear_error_and_no_folder(tmp_path):
    with pytest.raises(datasets.DataError) as error:
        data.download(["http://127.0.0.1:9/x.zip"], tmp_path / "new" / "x.zip", MD5)
    message = str(error.value)
    assert "x.zip is not in" in message and "http://127.0.0.1:9/x.zip" in message and "\n" not in message
    assert "'glyphs' and 'digits' need no download" in message and not (tmp_path / "new").exists()


def test_a_server_that_never_answers_is_given_up(tmp_path, server, monkeypatch):
    assert data.PATIENCE <= 20
    monkeypatch.setattr(data, "PATIENCE", 1)
    start = time.monotonic()
    with pytest.raises(datasets.DataError, match="could not be downloaded"):
        data.download([f"{server}/slow", f"{server}/slow"], tmp_path / "file", MD5)
    assert time.monotonic() - start < 3


def test_a_name_server_that_never_answers_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(data.urllib.request, "urlopen", lambda *a, **k: time.sleep(5))
    monkeypatch.setattr(data, "PATIENCE", 1)
    start = time.monotonic()
    with pytest.raises(datasets.DataError, match="no answer within 1 s"):
        data.download(["http://x/y"], tmp_path / "file", MD5)
    assert time.monotonic() - start < 3


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")       # the child touches no lock
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks, to become another user where need be")
def test_read_only_data_folder(server):
    """The administrator may write anywhere; so, if that is who runs the tests, a child becomes nobody first."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o555)
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        try:
            if os.getuid() == 0:
                os.setuid(65534)
            data.download([f"{server}/good"], folder / "omniglot" / "file", MD5)
            message = "written"
        except BaseException as error:
            message = f"{type(error).__name__}: {error}"
        os.write(writer, message.encode())
        os._exit(0)
    os.close(writer)
    message = os.read(reader, 10_000).decode()
    os.waitpid(child, 0)
    assert message.startswith("PermissionError: cannot write file into") and "COURSE_DATA" in message
    assert os.listdir(folder) == []
    folder.rmdir()


def test_two_processes_loading_at_once(tmp_path):
    code = "from course_lib import data; print(datasets.load('digits').images.sum().item())"
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    both = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment) for _ in range(2)]
    outputs = [process.communicate(timeout=120)[0] for process in both]
    assert outputs[0] == outputs[1] != b"" and all(process.returncode == 0 for process in both)
    files = [p.name for p in tmp_path.rglob("*") if p.is_file()]
    assert len(files) == 1 and files[0].startswith("digits-"), files


@pytest.mark.parametrize("name", ["glyphs", "digits"])
def test_a_second_load_takes_under_a_third_of_a_second(name):
    datasets.load(name)
    start = time.perf_counter()
    datasets.load(name).images.sum()        # reads every byte
    assert time.perf_counter() - start < 0.3


def test_turned_classes_are_new_classes_of_new_alphabets():
    images = torch.arange(2 * 3 * 4, dtype=torch.uint8).view(2, 3, 1, 2, 2)
    turned = datasets.ImageClasses(images, ("Latin", "Greek"), ("a", "b")).turned()
    assert turned.images.shape == (8, 3, 1, 2, 2) and turned.names == ("a", "b") * 4
    assert len(set(turned.alphabets)) == 8 and turned.alphabets[2] == "Latin, turned 90"
    for quarters in range(4):
        for c in range(2):
            expected = numpy.rot90(images[c, 1, 0].numpy(), quarters)
            assert turned.images[2 * quarters + c, 1, 0].tolist() == expected.tolist()


def test_a_short_name_fits_into_the_name_of_a_file():
    assert [datasets.short_name(name) for name in ("folder:/a/my pictures", "folder:b/", "omniglot-small1")] == [
        "my pictures", "b", "omniglot-small1"]
