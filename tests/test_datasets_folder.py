import os
import shutil

import pytest
import torch
from PIL import Image, ImageDraw

from course_files import folders
from course_lib import datasets
from data_files import PART, archive, empty_root, small_omniglot


@pytest.fixture
def root(tmp_path, monkeypatch):
    return empty_root(tmp_path, monkeypatch)


def picture(path, ink=0, paper=255, size=(40, 40), box=(10, 10, 15, 29), mode="L", **how):
    """A file with a rectangle of `ink` on `paper`; box: its left, top, right and bottom, all inside."""
    image = Image.new(mode, size, paper)
    ImageDraw.Draw(image).rectangle(box, fill=ink)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **how)


@pytest.fixture
def pictures(root):
    """Two classes, cat (3 images) and dog (2), dark on light, and files that are none of our business."""
    place = root / "pictures"
    for n, name in enumerate(("cat/1.PNG", "cat/2.jpg", "cat/3.png", "dog/a.png", "dog/b.png")):
        picture(place / name, box=(5 * n + 5, 10, 5 * n + 9, 29))
    for name in ("cat/notes.txt", "dog/.DS_Store", "dog/.hidden.png", "readme.md", ".git/x.png"):
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_text("no image")
    return place


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
    assert (turned.int() - torch.rot90(clear, -1).int()).abs().max() <= 1, "rows are shrunk first, then columns"


def test_a_folder_of_alphabets_is_read_as_omniglot_is(root, monkeypatch):
    files = small_omniglot(monkeypatch)
    archive(root / f"{PART}.zip", files, monkeypatch)
    for name, content in files.items():
        (root / "own" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "own" / name).write_bytes(content)
    published, own = datasets.load("omniglot-small1", root=root), datasets.load(f"folder:{root / 'own' / PART}")
    assert (own.alphabets, own.names) == (published.alphabets, published.names)
    assert (own.images.int() - published.images.int()).abs().max() <= 1, "rounded before or after inverting"


def named(alphabets, names):
    images = torch.zeros(len(names), 2, 1, 28, 28, dtype=torch.uint8)
    return datasets.ImageClasses(images, tuple(alphabets), tuple(names))


def test_splits_of_a_folder_are_fixed():
    letters = "abcdefgh"
    flat = dict(zip(letters, folders.split(named("p" * 8, letters))))
    groups = ["".join(c for c in letters if flat[c] == split) for split in ("train", "val", "test")]
    assert groups == ["adef", "cg", "bh"], "stored results depend on them; from md5sum"
    assert folders.split(named("q" * 8, letters[::-1])) == [flat[c] for c in letters[::-1]]
    nested = folders.split(named("aabbccdd", "12345678"))
    assert nested[::2] == nested[1::2] and set(nested) == {"train", "val", "test"}, "whole alphabets"
    assert set(folders.split(named("aaabbb", "123456"))) == {"train", "val", "test"}, "two: by class"
    for n in range(3, 40):
        places = folders.split(named("p" * n, list(map(str, range(n)))))
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
        patch.setattr(folders, "prepared", None)      # reading an image would fail now
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
    assert f"{pictures / 'dog' / 'b.png'} cannot be read (" in error()
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
    assert f"{pictures} is not a folder (" in error()
    pictures.write_text("a file")
    assert f"{pictures} is not a folder (" in error()
