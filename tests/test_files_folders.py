"""What people bring: every kind of folder, name and file gives the right classes, or one line that names it."""

import os
import shutil
import sys
import unicodedata

import numpy
import pytest
import torch
from PIL import Image, ImageDraw
from scipy.io import wavfile

from course_files import folders, opening, pictures, sound, states
from course_lib import datasets
from data_files import empty_root

UNIX = pytest.mark.skipif(os.name == "nt", reason="needs a Unix system")
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="names of any bytes: Linux alone")


@pytest.fixture
def place(tmp_path, monkeypatch):
    return empty_root(tmp_path, monkeypatch) / "pictures"


def image(ink=0, paper=255, mode="L", left=10):
    drawn = Image.new(mode, (40, 40), paper)
    ImageDraw.Draw(drawn).rectangle((left, 10, left + 5, 29), fill=ink)
    return drawn


def fill(folder, classes="abcd", n=2, suffix="png", drawn=None):
    for name in classes:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for k in range(n):
            (drawn or image(left=5 + 5 * k)).save(folder / name / f"{k}.{suffix}")


def load(place, split="all"):
    return datasets.load(f"folder:{place}", split=split)


def refused(place):
    """The message of the DataError, which is one line, and could be printed anywhere."""
    with pytest.raises(datasets.DataError) as error:
        load(place)
    message = str(error.value)
    assert "\n" not in message and message.encode()
    return message


def values(low, high, kind):
    array = numpy.full((40, 40), high, kind)
    array[10:30, 10:16] = low
    return Image.fromarray(array)


@pytest.mark.parametrize("low, high, kind", [
    (80 * 257, 200 * 257, "uint16"), (80, 200, "uint16"), (80, 200, "int32"), (80., 200., "float32"),
    (80 / 255, 200 / 255, "float32")])
def test_an_image_of_any_depth_is_the_one_of_8_bits(place, low, high, kind):
    fill(place, suffix="tif", drawn=values(low, high, kind))
    fill(place.parent / "eight", drawn=values(80, 200, "uint8"))
    deep, eight = load(place).images, load(place.parent / "eight").images
    assert torch.equal(deep, eight) and (eight[0, 0, 0, 14, 8], eight[0, 0, 0, 0, 0]) == (175, 55)


def test_depths_between_8_and_16_bits_keep_their_contrast(place):
    for top in (1023, 4095, 16383, 65535):
        fill(place / str(top), suffix="tif", drawn=values(0, top, "uint16"))
        image = load(place / str(top)).images[0, 0, 0]
        assert (image[14, 8], image[0, 0]) == (255, 0), top


@pytest.mark.parametrize("mode, ink, paper, expected", [
    ("RGBA", (255, 255, 255, 255), (0, 0, 0, 0), 255), ("RGBA", (255, 255, 255, 255), (255, 255, 255, 0), 255),
    ("LA", (255, 255), (0, 0), 255), ("LA", (0, 255), (255, 0), 255), ("RGBA", (100, 100, 100, 255), (0, 0, 0, 0), 155),
    ("RGBA", (150, 150, 150, 255), (255, 255, 255, 255), 105)])     # the last: opaque, pale on white
def test_ink_on_transparent_paper(place, mode, ink, paper, expected):
    fill(place, drawn=image(ink, paper, mode))
    found = load(place).images[0, 0, 0]
    assert (found[14, 8], found[0, 0]) == (expected, 0)


def gif(path):
    Image.new("L", (40, 40), 255).save(path.with_suffix(".gif"), save_all=True, append_images=[image()])


@pytest.mark.parametrize("make", [
    lambda path: image(ink=255).save(path), lambda path: image(0, 0).save(path), gif,
    lambda path: image((0, 0, 0, 0), (255, 255, 255, 0), "RGBA").save(path),
    lambda path: image(1, 0).save(path), lambda path: image(250, 255).save(path)])
def test_an_image_that_is_one_grey_is_refused_by_name(place, make):
    fill(place)
    (place / "c" / "0.png").unlink()
    make(place / "c" / "0.png")
    message = refused(place)
    assert f"{place / 'c' / '0'}." in message and "one flat grey at 28x28, as 1 of 8 images are" in message


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_values_that_are_no_numbers_are_refused(place, value):
    fill(place)
    values(value, 1, "float32").save(place / "a" / "0.tif")
    assert f"{place / 'a' / '0.tif'} cannot be read (some of its values are no numbers)" in refused(place)


@pytest.mark.parametrize("names", [
    ("train", "val", "test"), ("training", "validation", "testing"), ("Train", "Valid", "TEST"),
    ("train_set", "dev-set", "test_images"), ("meta-train", "meta-val", "meta-test"), ("train1", "eval1", "dev")])
def test_folders_of_splits_are_the_splits(place, names):
    for name, classes in zip(names, ("abcd", "ef", "ghi")):
        fill(place / name, classes)
    by_split = {split: "".join(load(place, split).names) for split in ("train", "val", "test")}
    expected = {"train": "abcd"} | {folders.split_of(place / name): classes for name, classes in
                                    zip(names[1:], ("ef", "ghi"))}
    assert by_split == expected and set(load(place).alphabets) == {f"pictures/{s}" for s in ("train", "val", "test")}
    fill(place / names[1], "a")
    message = refused(place)
    assert "has the class 'a' in several splits" in message and f"or load folder:{place}{os.sep}" in message


def test_a_folder_of_one_split_has_its_own_three(place):
    fill(place / "train")
    assert [len(load(place / "train", split).names) for split in ("train", "val", "test")] == [2, 1, 1]
    assert len(load(place, "train").names) == 4
    with pytest.raises(datasets.DataError, match="none of them for split 'val'"):
        load(place, "val")


def test_what_looks_like_splits_and_is_none(place):
    fill(place, ["train", "car", "plane", "boat"])      # a railway train
    assert load(place).names == ("boat", "car", "plane", "train")
    shutil.rmtree(place)
    fill(place, ["train", "test"])
    assert "has splits (test, train) but no classes" in refused(place)
    shutil.rmtree(place)
    for name in ("train", "test", "extra"):
        fill(place / name, [name[:2]])
    assert "has the folder 'extra' beside splits" in refused(place)


def test_images_in_a_folder_of_that_name(place):
    for name in "abc":
        fill(place / name, ["images"])
    assert load(place).names == ("a", "b", "c") and set(load(place).alphabets) == {"pictures"}


def test_what_is_left_out_is_said_once(place, capsys):
    fill(place, n=5)
    fill(place, "e", n=3)
    for n in range(4):
        (place / "a" / f"{n}.HEIC").write_bytes(b"heic")
    image().save(place / "loose.png")
    assert load(place).images.shape[:2] == (5, 3)
    load(place, "train")
    said = [line for line in capsys.readouterr().err.replace("\r", "\n").splitlines() if "images of each" in line]
    assert said == [f"{place}: 3 images of each class, as many as 'e' has; 8 more are left out. "
                    f"Not read: 1 .png, 4 .heic, such as loose.png."]
    shutil.rmtree(place / "b")
    (place / "b").mkdir()
    (place / "b" / "1.heic").write_bytes(b"heic")
    assert "class 'b' has 0 image(s)" in refused(place) and "Not read: 1 .png, 5 .heic" in refused(place)


def test_equal_classes_need_no_word(place, capsys):
    fill(place)
    load(place)
    assert "images of each" not in capsys.readouterr().err


@UNIX
def test_a_class_that_is_a_dead_link_is_named(place, capsys):
    fill(place)
    (place / "dog").symlink_to(place / "nowhere")
    assert load(place).names == tuple("abcd")
    assert "Not read: 1 dead link, such as dog." in capsys.readouterr().err


@pytest.mark.parametrize("suffix", ["jfif", "jpe", "webp", "bmp", "pgm", "tga", "JPG", "dib", "apng"])
def test_suffixes_that_pillow_reads_are_read(place, suffix):
    fill(place, suffix=suffix)
    assert load(place).images.shape[:2] == (4, 2) and load(place).images[0, 0, 0, 14, 5] > 200


def test_programs_are_not_run_and_films_not_read():
    assert not {".eps", ".ps", ".wmf", ".mpg", ".h5"} & set(pictures.formats())
    assert {".png", ".jpg", ".jfif", ".webp", ".tif"} <= set(pictures.formats())


def test_names_are_the_same_however_a_system_spells_them(place, monkeypatch):
    letters = ["\u00e9", "\u00fc", "n\u0303", "\uac01", "e", "z"]
    for form in ("NFC", "NFD"):
        fill(place / form / "own", [unicodedata.normalize(form, letter) for letter in letters])
    found = [[load(place / form / "own", split).names for split in ("all", "train", "val", "test")]
             for form in ("NFC", "NFD")]
    assert found[0] == found[1] and set(found[0][0]) == {unicodedata.normalize("NFC", letter) for letter in letters}


@LINUX
def test_a_name_in_both_spellings_is_refused(place):
    fill(place, ["\u00e9", "e\u0301", "b"])
    assert "has two folders for the class '\u00e9'" in refused(place)


@UNIX
@pytest.mark.parametrize("name, shown", [
    ("a\nb", r"a\nb"), ("\x1b[31mred", r"\x1b[31mred"), ("a\u2028b", r"a\u2028b"), ("\u202egnp", r"\u202egnp"),
    ("$\\frac$", "$\\frac$"), ("100%", "100%"), ("{x}", "{x}"), ("\u6f22\u5b57", "\u6f22\u5b57"), ("#1", "#1")])
def test_names_of_any_characters(place, name, shown):
    fill(place, [name, "b", "c"])
    for _ in range(2):          # the second from the cache
        assert set(load(place).names) == {shown, "b", "c"}
    assert sum(len(load(place, split).names) for split in ("train", "val", "test")) == 3


@LINUX
def test_names_that_are_no_utf_8(place):
    fill(place)
    os.rename(os.fsencode(place / "a"), os.fsencode(place) + b"/caf\xe9")
    os.rename(os.fsencode(place / "b" / "0.png"), os.fsencode(place) + b"/b/\xff.png")
    for _ in range(2):
        assert load(place).names == ("b", "c", "caf\\udce9", "d")
    (place / "b" / os.fsdecode(b"\xff.png")).write_bytes(b"damaged")
    assert "udcff.png cannot be read" in refused(place)
    with pytest.raises(datasets.DataError, match="is no path of a folder"):
        datasets.known_name("folder:" + os.fsdecode(b"/caf\xe9"))


def test_a_folder_called_as_a_dataset_of_ours_has_another_short_name():
    names = ["/a/glyphs", "/a/Glyphs", "/a/omniglot", "/a/my #1 {x}%$\n", "/", "/a/\u6f22\u5b57", "/a/" + "x" * 300]
    assert [datasets.short_name(f"folder:{name}") for name in names] == [
        "folder-glyphs", "folder-Glyphs", "folder-omniglot", "my _1 _x____n", "folder-", "\u6f22\u5b57", "x" * 60]
    assert datasets.short_name("glyphs") == "glyphs"


@pytest.mark.parametrize("foreign", ["@eaDir", "__MACOSX", ".ipynb_checkpoints", "$RECYCLE.BIN", "lost+found"])
def test_folders_of_systems_are_passed_over(place, foreign):
    fill(place)
    fill(place / foreign, "xy")
    fill(place / "a" / foreign, "xy")
    assert load(place).names == tuple("abcd")


@UNIX
def test_links_that_lead_nowhere_or_in_a_circle(place):
    fill(place)
    (place / "a" / ".#notes").symlink_to("nobody@nowhere")      # an editor's lock
    (place / "a" / "up").symlink_to("..")
    (place / "again").symlink_to(place)
    (place / "p").symlink_to(place / "q")
    (place / "q").symlink_to(place / "p")
    assert load(place).names == tuple("abcd")
    (place / "b" / "00.png").symlink_to("00.png")
    assert f"{place / 'b' / '00.png'} cannot be read (Too many" in refused(place)


@UNIX
@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"),
                                  lambda path: path.symlink_to("/dev/null"), lambda path: path.symlink_to("/dev/tty")])
def test_a_pipe_or_a_device_is_not_opened(place, make):
    fill(place)
    make(place / "c" / "0.jpg")
    assert f"{place / 'c' / '0.jpg'} cannot be read (it is a folder, a pipe or a device)" in refused(place)


def test_an_unreadable_folder_is_named(place, monkeypatch):
    fill(place)
    listed = type(place).iterdir

    def iterdir(path):
        if path.name == "c":
            raise PermissionError(13, "Permission denied")
        return listed(path)
    monkeypatch.setattr(type(place), "iterdir", iterdir)
    assert f"{place / 'c'} cannot be read (Permission denied)" in refused(place)


def test_a_path_that_cannot_be_one():
    for name in ("folder:/a\0b", "folder:~nobody_of_this_name/x"):
        with pytest.raises(datasets.DataError, match="is no path of a folder"):
            datasets.known_name(name)
    assert "x is not a folder (" in refused("/" + "x" * 300) and "a is not a folder (" in refused("/a" * 3000)


@pytest.mark.parametrize("size, box", [((60000, 20), (0, 0, 14999, 19)), ((20, 60000), (0, 0, 19, 14999))])
def test_a_strip_is_shrunk_before_it_is_padded(place, size, box):
    fill(place)
    strip = Image.new("L", size, 255)
    ImageDraw.Draw(strip).rectangle(box, fill=0)
    strip.save(place / "a" / "0.png")
    found = load(place).images[0, 0, 0]
    row, = (found if size[0] > size[1] else found.T)[(found if size[0] > size[1] else found.T).amax(1) > 125]
    assert (row[:6] > 250).all() and row[8:].max() < 5, "a quarter of one row or column"


def test_too_many_pixels_are_refused_before_they_are_read(place, monkeypatch):
    fill(place)
    monkeypatch.setattr(pictures, "PIXELS", 1599)
    assert "0.png cannot be read (it has 40 x 40 pixels, more than 1,599)" in refused(place)
    monkeypatch.undo()
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 700)     # Pillow's own limit: an error from twice as many on
    with pytest.raises(datasets.DataError, match="could be decompression bomb"):
        pictures.prepared(place / "a" / "0.png")


@pytest.mark.parametrize("content", [b"", b"<html>404</html>", b"\x89PNG\r\n\x1a\n", b"%!PS-Adobe-3.0 EPSF-3.0\n{}"])
def test_what_is_no_image_is_named(place, content):
    fill(place)
    (place / "d" / "1.png").write_bytes(content)
    message = refused(place)
    assert message.startswith(f"{place / 'd' / '1.png'} cannot be read (") and "Save it anew or delete it" in message


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    with open(tmp_path / "large", "wb") as file:
        file.truncate(2**28 + 1)
    with pytest.raises(KeyError, match=r"large cannot be read .*268,435,457 bytes are more than 268,435,456"), \
            opening.opened(tmp_path / "large", KeyError, "Go away."):
        raise AssertionError("never opened")


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), PermissionError("private")])
def test_a_cache_out_of_reach_costs_time_alone(place, monkeypatch, error):
    def fails(*arguments, **options):
        raise error
    fill(place)
    monkeypatch.setattr(states, "write", fails)
    monkeypatch.setattr(states, "read", fails)
    assert load(place).names == tuple("abcd")


def record(folder, classes="abcd", n=2, suffix="wav"):
    """Half a second of noise for each class; the k-th file of a class is longer than the one before."""
    for i, name in enumerate(classes):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for k in range(n):
            noise = numpy.random.default_rng(i).integers(-9999, 9999, 4000 + 800 * k).astype("int16")
            wavfile.write(folder / name / f"{k}.{suffix}", 8000, noise)


def test_recordings_are_classes_as_images_are(place, capsys):
    record(place, n=3)
    (place / "a" / "9.WAV").write_bytes((place / "a" / "0.wav").read_bytes())
    (place / "b" / "notes.txt").write_text("not read")
    classes = load(place)
    assert classes.names == tuple("abcd") and classes.images.shape == (4, 3, 1, 28, 28)
    for c, name in enumerate("abcd"):
        for k in range(3):
            assert numpy.array_equal(classes.images[c, k, 0].numpy(), sound.prepared(place / name / f"{k}.wav"))
    told = capsys.readouterr().err
    assert "3 recordings of each class, as many as 'b' has; 1 more are left out. Not read: 1 .txt" in told
    record(place.parent / "words" / "one", "ab")
    record(place.parent / "words" / "two", "cd")
    assert load(place.parent / "words").alphabets == ("one", "one", "two", "two")


def test_recordings_are_never_inverted_nor_called_flat(place, monkeypatch):
    """Noise is bright to the edges, and may be nearly one level."""
    record(place)
    monkeypatch.setattr(sound, "prepared", lambda path: numpy.pad(numpy.full((20, 20), 200, "uint8"), 4,
                                                                  constant_values=205))
    images = load(place).images
    assert (images[0, 0, 0, 0, 0], images[0, 0, 0, 14, 14]) == (205, 200)


def test_images_and_recordings_do_not_mix(place):
    fill(place, "ab")
    record(place, "cd")
    assert f"{place} mixes images ({os.path.join('a', '0.png')}) and recordings ({os.path.join('d', '1.wav')}). Move" \
        in refused(place)
    fill(place.parent / "within", "ab")
    record(place.parent / "within", "b", 1)
    assert "mixes images" in refused(place.parent / "within")


def test_too_few_and_unreadable_recordings(place):
    record(place, "abc")
    record(place, "d", 1)
    assert "class 'd' has 1 recording(s) in" in refused(place) and "such as .wav. Add some" in refused(place)
    (place / "d" / "1.wav").write_text("no sound")
    assert f"{place / 'd' / '1.wav'} cannot be read (it is no .wav file). Save one word anew" in refused(place)
