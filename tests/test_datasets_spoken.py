import io
import os
import zipfile
from collections import Counter
from pathlib import Path

import numpy
import pytest
import torch
from scipy.io import wavfile

import spoken as study
from course_files import download, made, sound, spoken_digits
from course_files.opening import DataError

REAL = Path(os.environ.get("COURSE_DATA", "none"))


@pytest.fixture(scope="module")
def words():
    return made.spoken([sound.EMBEDDED])


def test_the_embedded_file_is_small_and_says_what_is_in_it():
    assert sound.EMBEDDED.stat().st_size < 1.5e6
    with numpy.load(sound.EMBEDDED, allow_pickle=False) as kept:
        assert {name: kept[name].shape[:1] for name in kept} == {
            "images": (150,), "words": (150,), "themes": (150,), "voices": (28,)}
        assert kept["voices"].tolist() == list(study.voices())
        assert len(numpy.unique(kept["images"])) == study.STEPS
        assert [voice.split()[0] for voice in kept["voices"]] == ["espeak-ng"] * 20 + ["flite"] * 8
    text = sound.EMBEDDED.with_suffix(".md").read_text(encoding="utf-8")
    assert all(part in text for part in ("150 English words", "28 synthetic", "eSpeak NG 1.", "Flite 2", "MIT"))


def test_the_words(words):
    assert words.images.shape == (150, 28, 1, 28, 28) and words.images.dtype == torch.uint8
    assert len(set(words.names)) == 150 and not {*study.DIGITS} & {*words.names}
    assert dict(zip(words.names, words.alphabets)) == {
        word: theme for theme, listed in study.WORDS.items() for word in listed.split()}
    assert words.images.amax((-2, -1)).min() > 180 and words.images.float().mean((-2, -1)).max() < 200


def test_no_two_words_look_alike(words):
    """In every voice any two differ; and the other half of the voices says which word it is far better than chance."""
    images = words.images.flatten(2).float()
    for voice in range(28):
        assert (torch.cdist(images[:, voice], images[:, voice]) + 1e9 * torch.eye(150)).min() > 255
    one, other = images[:, :20:2].mean(1), images[:, 1:20:2].mean(1)
    assert (torch.cdist(one, other).argmin(1) == torch.arange(150)).float().mean() > 0.9


def test_the_split_covers_all_and_every_theme_trains(words):
    places = made.SPOKEN.split(words)
    assert Counter(places) == {"train": 90, "val": 30, "test": 30}
    assert Counter(zip(words.alphabets, places)) == {
        (theme, place): n for theme in study.WORDS for place, n in (("train", 9), ("val", 3), ("test", 3))}
    assert places[:7] == ["train", "train", "train", "val", "test", "train", "train"]
    assert places[15:18] == ["train"] * 3, "each theme begins anew"


def test_the_recipe_needs_no_folder(words):
    recipe = made.SPOKEN
    assert recipe.fetch is None and torch.equal(recipe.read(recipe.find(Path("nowhere"))).images, words.images)


def test_a_damaged_file_of_words_is_one_line(tmp_path):
    (tmp_path / "spoken.npz").write_bytes(sound.EMBEDDED.read_bytes()[:9999])
    for path in (tmp_path / "spoken.npz", tmp_path / "none.npz"):
        with pytest.raises(DataError, match=r"npz cannot be read .* Install the course again\.$"):
            made.spoken([path])


def test_phonemes_are_compared_by_changes():
    pairs = {("kitten", "sitting"): 3, ("ab", "ab"): 0, ("", "ab"): 2}
    assert {pair: study.distance(*pair) for pair in pairs} == pairs


def wav(pitch):
    """The bytes of a recording of half a second of one pitch, in Hz."""
    file = io.BytesIO()
    wavfile.write(file, 8000, (9999 * numpy.sin(numpy.arange(4000) * 2 * numpy.pi * pitch / 8000)).astype("int16"))
    return file.getvalue()


@pytest.fixture
def files(monkeypatch):
    """{name: bytes}: 10 digits by two speakers, twice; the pitch says which."""
    monkeypatch.setattr(spoken_digits, "SPEAKERS", ("ann", "bob"))
    monkeypatch.setattr(spoken_digits, "NUMBERS", range(2))
    return {f"{d}_{s}_{n}.wav": wav(400 + 150 * d + 60 * (s == "bob") + 1500 * n)
            for n in (1, 0) for s in ("bob", "ann") for d in reversed(range(10))}


def packed(root, files, name="recordings.zip", inside="recordings"):
    path = root / "spoken-digits" / name
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w") as zipped:
        for each, content in files.items():
            zipped.writestr(f"{inside}/{each}", content)
    return path


def test_zips_and_folders_give_the_same_digits_in_order(tmp_path, files, monkeypatch):
    path = packed(tmp_path, {**files, "README.md": b"text", "._0_ann_0.wav": b"of a Mac"})
    assert spoken_digits.find(tmp_path) == path
    images = spoken_digits.read(path)
    assert images.shape == (10, 4, 28, 28) and images.dtype == numpy.uint8
    order = [f"{d}_{s}_{n}.wav" for d in range(10) for s in ("ann", "bob") for n in range(2)]
    for name, image in zip(order, images.reshape(40, 28, 28), strict=True):
        (tmp_path / name).write_bytes(files[name])
        assert numpy.array_equal(image, sound.prepared(tmp_path / name)), name
    path.unlink()
    public = packed(tmp_path, files, "v1.0.10.zip", "free-spoken-digit-dataset-1.0.10/recordings")
    assert numpy.array_equal(spoken_digits.read(spoken_digits.find(tmp_path)), images)
    zipfile.ZipFile(public).extractall(public.parent)
    public.unlink()
    assert spoken_digits.find(tmp_path) == public.parent
    classes = spoken_digits.RECIPE.read(spoken_digits.RECIPE.find(tmp_path))
    assert numpy.array_equal(classes.images[:, :, 0].numpy(), images) and classes.images.ndim == 5
    assert classes.names == tuple("0123456789") and set(classes.alphabets) == {"spoken digits"}
    assert spoken_digits.RECIPE.split(classes) == ["train"] * 5 + ["val"] * 2 + ["test"] * 3


def test_what_is_not_complete_is_one_line(tmp_path, files):
    def refused(files):
        with pytest.raises(DataError) as error:
            spoken_digits.read(packed(tmp_path, files))
        assert "recordings.zip" in str(error.value) and "\n" not in str(error.value)
        return str(error.value)

    gone = {name: content for name, content in files.items() if name not in ("3_bob_0.wav", "3_bob_1.wav")}
    assert "3_bob_0.wav is missing (2 of 40 recordings). Delete it and load again." in refused(gone)
    more = {**files, "0_eve_0.wav": wav(500), "1_ann_2.wav": wav(500)}
    assert "2 recording(s) that are not of version 1.0.10, such as 0_eve_0.wav. Move them" in refused(more)
    assert "7_ann_1.wav cannot be read (it is no .wav file)" in refused({**files, "7_ann_1.wav": b"<html>"})
    assert "0_ann_0.wav cannot be read (it is damaged or cut short)" in refused(
        {**files, "0_ann_0.wav": files["0_ann_0.wav"][:999]})
    assert "0_ann_0.wav is missing (40 of 40" in refused({})


def test_an_answer_that_is_no_zip_is_one_line(tmp_path):
    (tmp_path / "x.zip").write_bytes(b"<html>Please log in</html>")
    with pytest.raises(DataError, match=r"x.zip cannot be read \(File is not a zip file\). Delete it and load again."):
        spoken_digits.read(tmp_path / "x.zip")


class Answer(io.BytesIO):
    length = None       # as of what GitHub packs on demand


def test_fetch_puts_the_public_archive_where_find_looks(tmp_path, files, monkeypatch):
    archive = packed(tmp_path, files)
    content = archive.read_bytes()
    archive.unlink()
    asked = []
    monkeypatch.setattr(download, "_answer", lambda url, patience: asked.append(url) or Answer(content))
    path = spoken_digits.find(tmp_path)
    assert not path.exists() and path.parent == tmp_path / "spoken-digits"
    spoken_digits.RECIPE.fetch(path)
    assert asked == [spoken_digits.URL] and spoken_digits.find(tmp_path) == path
    assert spoken_digits.read(path).shape == (10, 4, 28, 28)


@pytest.mark.skipif(not (REAL / "spoken-digits").exists(), reason="needs the recordings in COURSE_DATA")
def test_the_published_recordings():
    images = spoken_digits.read(spoken_digits.find(REAL))
    assert images.shape == (10, 300, 28, 28)
    means = torch.from_numpy(images).float().unflatten(1, (6, 50)).mean(2).flatten(2)       # [10, 6, 784]
    same = (means[:, :, None] - means[:, None]).norm(dim=-1).sum() / (10 * 30)
    other = torch.cdist(means.transpose(0, 1), means.transpose(0, 1)).sum() / (6 * 90)
    assert same < other, "a digit is more like itself than like others"
