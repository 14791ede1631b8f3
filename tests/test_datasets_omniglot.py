import importlib.util
import io
import os
import shutil
import zipfile

import pytest
import torch
from PIL import Image, ImageDraw

import torchvision_guard
from course_files import glyphs, omniglot
from course_lib import datasets
from data_files import PART, archive, empty_root, png, small_omniglot


@pytest.fixture
def root(tmp_path, monkeypatch):
    return empty_root(tmp_path, monkeypatch)


@pytest.fixture
def files(monkeypatch):
    return small_omniglot(monkeypatch)


def split_of(name, *archives):
    """{alphabet: split} of all classes of these archives, by the recipe of dataset `name`."""
    alphabets = [a for part in archives for a, count in omniglot.ALPHABETS[part].items() for _ in range(count)]
    names = [f"character{c + 1:02d}" for part in archives for n in omniglot.ALPHABETS[part].values() for c in range(n)]
    classes = datasets.ImageClasses(torch.zeros(len(names), 1, 1, 1, 1), tuple(alphabets), tuple(names))
    pairs = set(zip(alphabets, datasets.DATASETS[name].split(classes), strict=True))
    assert len(pairs) == len(set(alphabets)), "whole alphabets"
    return dict(pairs)


def test_no_alphabet_trains_in_one_omniglot_set_and_is_held_out_in_another():
    parts = {"omniglot": ("images_background", "images_evaluation"), "omniglot-small1": (PART,),
             "omniglot-small2": ("images_background_small2",)}
    role = {name: split_of(name, *archives)
            for name, archives in parts.items()}
    train = {a for split in role.values() for a, s in split.items() if s == "train"}
    held_out = {a for split in role.values() for a, s in split.items() if s != "train"}
    assert not train & held_out
    assert {a for a, s in role["omniglot-small2"].items() if s == "test"} == set(omniglot.ONLY_SMALL2)
    assert [len(role[name]) for name in parts] == [50, 5, 5]
    assert list(role["omniglot"].values()).count("test") == 20
    assert sum(sum(omniglot.ALPHABETS[part].values()) for part in parts["omniglot"]) == 1623      # Lake et al. 2015


@pytest.mark.parametrize("name, archives, expected", [
    ("omniglot", ("images_background", "images_evaluation"), {
        "train": "Alphabet_of_the_Magi Anglo-Saxon_Futhorc Arcadian Armenian Asomtavruli_(Georgian) Balinese Bengali "
                 "Blackfoot_(Canadian_Aboriginal_Syllabics) Braille Burmese_(Myanmar) Cyrillic Early_Aramaic Futurama "
                 "Grantha Gujarati Hebrew Inuktitut_(Canadian_Aboriginal_Syllabics) Japanese_(hiragana) Latin "
                 "Malay_(Jawi_-_Arabic) Mkhedruli_(Georgian) N_Ko Ojibwe_(Canadian_Aboriginal_Syllabics) "
                 "Syriac_(Estrangelo) Tifinagh",
        "val": "Greek Japanese_(katakana) Korean Sanskrit Tagalog",
        "test": "Angelic Atemayar_Qelisayer Atlantean Aurek-Besh Avesta Ge_ez Glagolitic Gurmukhi Kannada Keble "
                "Malayalam Manipuri Mongolian Old_Church_Slavonic_(Cyrillic) Oriya Sylheti Syriac_(Serto) Tengwar "
                "Tibetan ULOG"}),
    ("omniglot-small1", (PART,), {"train": "Balinese Early_Aramaic Latin", "val": "Greek", "test": "Korean"}),
    ("omniglot-small2", ("images_background_small2",),
     {"train": "Latin", "val": "Greek", "test": "Japanese_(katakana) Sanskrit Tagalog"})])
def test_the_splits_are_fixed(name, archives, expected):
    """Stored results depend on them."""
    role = split_of(name, *archives)
    assert {split: " ".join(sorted(a for a, s in role.items() if s == split)) for split in expected} == expected
    assert len(role) == sum(len(omniglot.ALPHABETS[part]) for part in archives)


def test_archive_and_unpacked_folder_give_the_same_drawings(root, files, monkeypatch):
    path = archive(root / "omniglot" / f"{PART}.zip", files, monkeypatch)
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


def test_a_second_load_reads_the_cache_and_notices_changed_sources(root, files, monkeypatch):
    path = archive(root / "omniglot" / f"{PART}.zip", files, monkeypatch)
    datasets.load("omniglot-small1", root=root)
    monkeypatch.setattr(omniglot, "ink_of_png", None)         # reading a drawing would fail now
    datasets.load("omniglot-small1", root=root)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(datasets.DataError, match="truncated or not the published file: md5"):
        datasets.load("omniglot-small1", root=root)


def test_what_is_absent_is_fetched_from_its_public_home(root, monkeypatch):
    """The address, the place and the md5 that `download` is called with."""
    asked = []

    def note(urls, path, md5):
        asked.append((urls, path.relative_to(root).as_posix(), md5))
        raise datasets.DataError("offline")

    monkeypatch.setattr(omniglot, "download", note)
    for name in ("omniglot-small1", "omniglot"):
        with pytest.raises(datasets.DataError, match="offline"):
            datasets.load(name, root=root)
    home = "https://raw.githubusercontent.com/brendenlake/omniglot/master/python"
    assert asked[0] == ([f"{home}/{PART}.zip"], f"omniglot/{PART}.zip", "e704a628b5459e08445c13499850abc4")
    assert asked[1][1:] == ("omniglot/images_background.zip", "68d2efa1b9178cc56df9314c21c6e718")


@pytest.mark.skipif(importlib.util.find_spec("torchvision") is None, reason="torchvision is not installed")
def test_address_and_checksums_are_those_of_torchvision():
    theirs = torchvision_guard.import_torchvision().datasets.Omniglot
    assert theirs.download_url_prefix == omniglot.HOME
    assert {part: omniglot.MD5[part] for part in ("images_background", "images_evaluation")} == theirs.zips_md5
    assert set(omniglot.MD5) == set(omniglot.ALPHABETS)


def test_truncated_archive(root, files, monkeypatch):
    path = archive(root / f"{PART}.zip", files, monkeypatch)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(datasets.DataError, match=rf"{PART}.zip is truncated .* md5 .* Delete it and load again"):
        datasets.load("omniglot-small1", root=root)
    assert not (root.parent / "cache").exists()


@pytest.mark.parametrize("name", ["../evil.png", "/etc/evil.png", f"{PART}/../../evil.png", "a\\..\\evil.png"])
def test_zip_slip(root, files, monkeypatch, name):
    """No member is ever unpacked, and those that are no drawing of the set are passed over."""
    expected = datasets.load("omniglot-small1", root=archive(root / "a" / f"{PART}.zip", files, monkeypatch).parent)
    archive(root / f"{PART}.zip", {**files, name: png(7)[0]}, monkeypatch)
    written = set(root.parent.rglob("*"))
    found = datasets.load("omniglot-small1", root=root)
    assert torch.equal(found.images, expected.images) and found.names == expected.names
    assert {path.parent.name for path in set(root.parent.rglob("*")) - written} == {"cache"}
    assert not [path for path in root.parent.rglob("*") if "evil" in path.name]


def test_a_missing_alphabet_and_a_missing_drawing(root, files):
    for name, content in files.items():
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


def unpack(root, files):
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)


def drawn(size=(105, 105), ink=0, paper=255):
    image, buffer = Image.new("L", size, paper), io.BytesIO()
    ImageDraw.Draw(image).rectangle((5, 5, 9, 20), fill=ink)
    image.save(buffer, "png")
    return buffer.getvalue()


@pytest.mark.parametrize("content, message", [
    (drawn((50, 105)), "has 50x105 pixels, not 105x105"), (drawn((9000, 9000)), "has 9000x9000 pixels, not 105x105"),
    (drawn(ink=255, paper=0), "is blank, or white on black"), (drawn(ink=255), "is blank, or white on black"),
    (drawn(paper=0), "is blank, or white on black"), (b"GIF89a", "is damaged"), (drawn()[:70], "is damaged")])
def test_a_drawing_that_is_not_as_published_is_named(root, files, content, message):
    name = f"{PART}/Greek/character02/0001_07.png"
    unpack(root, {**files, name: content})
    message = rf"{PART}, Greek/character02, drawer 7: the drawing {message}"
    with pytest.raises(datasets.DataError, match=message) as error:
        datasets.load("omniglot-small1", root=root)
    assert "\n" not in str(error.value)


def test_an_archive_unpacked_into_a_folder_of_its_own_name(root, files, monkeypatch):
    packed = datasets.load("omniglot-small1", root=archive(root / "a" / f"{PART}.zip", files, monkeypatch).parent)
    unpack(root / PART, files)
    assert torch.equal(datasets.load("omniglot-small1", root=root).images, packed.images)


@pytest.mark.skipif(os.name == "nt", reason="needs pipes")
def test_pipes_and_dead_links_in_place_of_files(root, files):
    unpack(root, files)
    path = root / PART / "Greek" / "character02" / "0001_07.png"
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(datasets.DataError, match=r"0001_07.png cannot be read \(it is a folder, a pipe or a device"):
        datasets.load("omniglot-small1", root=root)
    path.unlink()
    path.symlink_to("nowhere")
    with pytest.raises(datasets.DataError, match=r"0001_07.png cannot be read \(No such file"):
        datasets.load("omniglot-small1", root=root)
    shutil.rmtree(root / PART)
    os.mkfifo(root / f"{PART}.zip")
    with pytest.raises(datasets.DataError, match=r"small1.zip cannot be read \(it is a folder, a pipe or a device"):
        datasets.load("omniglot-small1", root=root)


@pytest.mark.skipif("COURSE_DATA" not in os.environ or not datasets.is_here("omniglot-small1"),
                    reason="set COURSE_DATA to a folder with the real omniglot-small1")
def test_real_omniglot_small1():
    classes = datasets.load("omniglot-small1")
    assert classes.images.shape == (136, 20, 1, 28, 28) and len(set(classes.alphabets)) == 5
    assert 5 < classes.images.float().mean() < 40
