"""Data files for tests: an empty data folder without downloads, and archives in Omniglot's format."""

import hashlib
import io
import zipfile

import torch
from PIL import Image

from course_files import idx, omniglot, spoken_digits
from course_lib import datasets

PART = "images_background_small1"


def empty_root(tmp_path, monkeypatch):
    """An empty data folder, an empty cache, and downloads that fail at once."""
    monkeypatch.setattr(datasets, "cache_folder", lambda: tmp_path / "cache")
    for module in (omniglot, idx, spoken_digits):
        monkeypatch.setattr(module, "download", refuse)
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def refuse(urls, path, md5=None):
    raise datasets.DataError(f"no download of {path.name} in this test")


def png(seed):
    """(PNG, ink) of a drawing in Omniglot's format: 105x105, one bit, black ink on white."""
    ink = torch.rand(105, 105, generator=torch.Generator().manual_seed(seed)) < 0.1
    buffer = io.BytesIO()
    Image.fromarray((255 * ~ink).to(torch.uint8).numpy()).convert("1").save(buffer, "png")
    return buffer.getvalue(), ink


def small_omniglot(monkeypatch):
    """{name in the archive: PNG} of two alphabets of two and one characters; the module expects just these."""
    monkeypatch.setitem(omniglot.ALPHABETS, PART, {"Greek": 2, "Latin": 1})
    return {f"{PART}/{alphabet}/character{c:02d}/{k:04d}_{d:02d}.png": png(100 * k + d)[0]
            for k, (alphabet, c) in enumerate([("Greek", 1), ("Greek", 2), ("Latin", 1)]) for d in range(1, 21)}


def archive(path, files, monkeypatch):
    """A zip of {name: content}, whose md5 the module takes for the published one; returns its path."""
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w") as zipped:
        for name, content in files.items():
            zipped.writestr(name, content)
    monkeypatch.setitem(omniglot.MD5, PART, hashlib.md5(path.read_bytes()).hexdigest())
    return path
