"""Any dataset by name, as one type: classes of drawings, 28x28, ink bright on dark.

    load("glyphs")                              # embedded: made on the spot by the handwriting simulator
    load("digits")                              # embedded: 1,797 real digits that scikit-learn ships
    load("omniglot-small1", split="train")      # real: found in $COURSE_DATA, else downloaded
    load("folder:~/pictures")                   # yours: one subfolder per class

Every dataset is prepared once and cached; a second load takes a fraction of a second.
"""

import gzip
import hashlib
import http.client
import io
import math
import os
import re
import threading
import urllib.request
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import platformdirs
import torch
from safetensors import safe_open

from . import glyphs
from .runtime import atomic_path, one_of, progress, write_tensors
from .torchvision_guard import import_torchvision


class DataError(RuntimeError):
    """A dataset is absent, damaged or unreachable. The message says which file, and what to do."""


@dataclass(frozen=True)
class ImageClasses:
    """C classes of M drawings each."""

    images: torch.Tensor        # uint8 [C, M, 1, H, W], 0 = empty, 255 = ink
    alphabets: tuple            # C strings: the alphabet of each class
    names: tuple                # C strings: the name of each class within its alphabet

    @cached_property
    def ink(self):
        """The images as float [C*M, H*W] in [0, 1]. Made once, at first use: sampling is then one gather of rows."""
        return self.images.flatten(0, 1).flatten(1).float() / 255

    def take(self, indices):
        """The classes numbered `indices` (a sequence of ints), in that order."""
        indices = list(indices)
        return ImageClasses(self.images[indices], tuple(self.alphabets[i] for i in indices),
                            tuple(self.names[i] for i in indices))

    def turned(self):
        """Four times the classes: each also turned by 90, 180 and 270 degrees, as new classes of new alphabets.

        Usual in training on Omniglot, which has few classes (Santoro et al. 2016); never for a test.
        """
        return ImageClasses(torch.cat([torch.rot90(self.images, quarters, (-2, -1)) for quarters in range(4)]),
                            tuple(f"{a}, turned {90 * quarters}" for quarters in range(4) for a in self.alphabets),
                            self.names * 4)

    def to(self, device):
        """The same classes with their images on `device`."""
        return ImageClasses(self.images.to(device), self.alphabets, self.names)


def load(name, *, split="all", root=None):
    """The dataset called `name` as `ImageClasses`, 28x28.

    split: "all", "train", "val" or "test", cut by alphabet (by class where there are no alphabets); which is
    which is fixed in `split_of`. root: the data folder (default $COURSE_DATA, else the user's cache folder).
    M is the size of the smallest class; what larger classes have beyond it (mnist) is left out, in file order.
    "folder:/path" reads images of your own: /path/class/image or, as in Omniglot, /path/alphabet/class/image.

    Raises ValueError for an unknown name or split, DataError for data that are absent, damaged or out of reach,
    PermissionError where a download has no folder it may write to.
    """
    name = known_name(name)
    one_of("split", split, SPLITS)
    root = data_root(root)
    classes = _cached(name, root)
    if split == "all":
        return classes
    chosen = [i for i, place in enumerate(_splits(name, classes)) if place == split]
    if not chosen:
        raise DataError(f"{name} has {len(classes.names)} class(es), none of them for split {split!r}. "
                        f"Three splits need at least three. Add classes or load split 'all'.")
    return classes.take(chosen)


def known_name(name):
    """`name` if a dataset is called so, with the path of a folder made absolute; else ValueError lists the names."""
    if str(name).startswith(FOLDER) and name != FOLDER:
        return FOLDER + str(Path(name.removeprefix(FOLDER)).expanduser().resolve())
    return one_of("dataset", name, [*DATASETS, FOLDER + "/path"])


def short_name(name):
    """What to call dataset `name` in the name of a file: "folder:/a/b" is b, any other is itself."""
    return Path(str(name).removeprefix(FOLDER)).name


def data_root(root=None):
    """The data folder: `root`, else $COURSE_DATA, else a folder of ours in the user's cache."""
    return Path(root or os.environ.get("COURSE_DATA") or platformdirs.user_cache_dir(APP)).expanduser()


APP = "gan-few-shot-course"
SPLITS = ("all", "train", "val", "test")
FOLDER = "folder:"      # what the name of a reader's own dataset begins with

# ---------------------------------------------------------------- splits


def split_of(name, alphabet, class_name):
    """"train", "val" or "test": where a class of dataset `name` belongs.

    glyphs: the first 35 alphabets train, the next 5 validate, the rest test.
    omniglot: the 20 evaluation alphabets test; Greek, Korean, katakana, Sanskrit and Tagalog validate.
    omniglot-small1: Korean tests, Greek validates. omniglot-small2: katakana, Sanskrit and Tagalog test (small1 does
    not have them), Greek validates. So no alphabet trains in one Omniglot set and is held out in another.
    digits, mnist, fashion-mnist: classes 0-4 train, 5-6 validate, 7-9 test.
    folder: see `_splits`, for it takes all classes to place one.
    """
    if name == "glyphs":
        number = int(alphabet.split("-")[-1])
        return "train" if number < 35 else "val" if number < 40 else "test"
    if not name.startswith("omniglot"):
        return "train" if int(class_name) < 5 else "val" if int(class_name) < 7 else "test"
    if alphabet in OMNIGLOT["images_evaluation"]:
        return "test"
    if alphabet in ("Korean", *ONLY_SMALL2):
        return "val" if name == "omniglot" else "test"
    return "val" if alphabet == "Greek" else "train"


def _splits(name, classes):
    """[C] strings: where each class of dataset `name` belongs, by `split_of` or, for a folder, by this rule.

    By alphabet where there are three or more, else by class. In the order of the md5 of their names, the same on
    every machine, they train, test, validate, train, and so on. One more in the folder may move the others.
    """
    if not name.startswith(FOLDER):
        return [split_of(name, *of_class) for of_class in zip(classes.alphabets, classes.names)]
    units = classes.alphabets if len(set(classes.alphabets)) >= 3 else classes.names
    order = sorted(set(units), key=lambda unit: hashlib.md5(unit.encode()).digest())
    place = {unit: ("train", "test", "val", "train")[i % 4] for i, unit in enumerate(order)}
    return [place[unit] for unit in units]


# ---------------------------------------------------------------- the cache of prepared datasets


class Recipe(NamedTuple):
    """How a dataset is made."""

    find: Callable      # root -> the paths of its files; where one is absent, the path it belongs at
    fetch: Callable     # such a path -> nothing; downloads that file
    read: Callable      # all paths -> ImageClasses


def is_here(name, root=None):
    """Whether dataset `name` can be loaded without a download."""
    return all(path.exists() for path in _recipe(known_name(name)).find(data_root(root)))


def _recipe(name):
    return _own(Path(name.removeprefix(FOLDER))) if name.startswith(FOLDER) else DATASETS[name]


def cache_folder():
    """Where prepared datasets are kept: always the user's own, so that a shared data folder is only read."""
    return Path(platformdirs.user_cache_dir(APP)) / "prepared"


def _cached(name, root):
    recipe = _recipe(name)
    sources = recipe.find(root)
    for source in sources:
        if not source.exists():
            recipe.fetch(source)
    path = cache_folder() / f"{name.split(':')[0]}-{_fingerprint(sources)}.safetensors"
    if path.is_file():
        return _read_prepared(path)
    classes = recipe.read(sources)
    header = {"alphabets": "\n".join(classes.alphabets), "names": "\n".join(classes.names)}
    with suppress(PermissionError), atomic_path(path) as part:      # without a cache it is made anew each time
        write_tensors(part, {"images": classes.images.contiguous()}, header)
    return classes


def _read_prepared(path):
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata()
            return ImageClasses(file.get_tensor("images"), tuple(header["alphabets"].split("\n")),
                                tuple(header["names"].split("\n")))
    except Exception as error:
        raise DataError(f"{path} is damaged ({error}). Delete it; it is made again.") from None


def _fingerprint(sources):
    """Twelve digits that change with the source files and with the code that reads them."""
    digest = hashlib.md5(b"".join(Path(module).read_bytes() for module in (__file__, glyphs.__file__)))
    for source in sources:
        for path in [source, *sorted(source.rglob("*"))]:
            stat = path.stat()
            digest.update(f"{path.absolute()} {stat.st_size} {stat.st_mtime_ns}".encode())
    return digest.hexdigest()[:12]


# ---------------------------------------------------------------- embedded datasets


def _glyphs(sources):
    images, alphabets, names = glyphs.make()
    return ImageClasses(images, tuple(alphabets), tuple(names))


def _digits(sources):
    """scikit-learn's 8x8 digits (0..16), enlarged to 24x24 inside a dark margin of 2."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    small = torch.tensor(bunch.images, dtype=torch.float32)[:, None] / 16
    large = torch.nn.functional.interpolate(small, size=24, mode="bilinear").mul(255).round().to(torch.uint8)
    return _by_label(torch.nn.functional.pad(large, (2, 2, 2, 2))[:, 0], torch.tensor(bunch.target), "digits")


def _by_label(images, labels, alphabet):
    """images uint8 [n, H, W] and labels [n] as ImageClasses; each class cut to the size of the smallest."""
    count = int(labels.bincount().min())
    classes = torch.stack([images[labels == c][:count] for c in range(int(labels.max()) + 1)])
    return ImageClasses(classes[:, :, None], (alphabet,) * len(classes), tuple(map(str, range(len(classes)))))


# ---------------------------------------------------------------- Omniglot

# Alphabets and their numbers of characters, to prove a set complete. Lake et al. 2015.
OMNIGLOT = {
    "images_background": {
        "Alphabet_of_the_Magi": 20, "Anglo-Saxon_Futhorc": 29, "Arcadian": 26, "Armenian": 41,
        "Asomtavruli_(Georgian)": 40, "Balinese": 24, "Bengali": 46, "Blackfoot_(Canadian_Aboriginal_Syllabics)": 14,
        "Braille": 26, "Burmese_(Myanmar)": 34, "Cyrillic": 33, "Early_Aramaic": 22, "Futurama": 26, "Grantha": 43,
        "Greek": 24, "Gujarati": 48, "Hebrew": 22, "Inuktitut_(Canadian_Aboriginal_Syllabics)": 16,
        "Japanese_(hiragana)": 52, "Japanese_(katakana)": 47, "Korean": 40, "Latin": 26, "Malay_(Jawi_-_Arabic)": 40,
        "Mkhedruli_(Georgian)": 41, "N_Ko": 33, "Ojibwe_(Canadian_Aboriginal_Syllabics)": 14, "Sanskrit": 42,
        "Syriac_(Estrangelo)": 23, "Tagalog": 17, "Tifinagh": 55},
    "images_evaluation": {
        "Angelic": 20, "Atemayar_Qelisayer": 26, "Atlantean": 26, "Aurek-Besh": 26, "Avesta": 26, "Ge_ez": 26,
        "Glagolitic": 45, "Gurmukhi": 45, "Kannada": 41, "Keble": 26, "Malayalam": 47, "Manipuri": 40,
        "Mongolian": 30, "Old_Church_Slavonic_(Cyrillic)": 45, "Oriya": 46, "Sylheti": 28, "Syriac_(Serto)": 23,
        "Tengwar": 25, "Tibetan": 42, "ULOG": 26},
    "images_background_small1": {"Balinese": 24, "Early_Aramaic": 22, "Greek": 24, "Korean": 40, "Latin": 26},
    "images_background_small2": {"Greek": 24, "Japanese_(katakana)": 47, "Latin": 26, "Sanskrit": 42, "Tagalog": 17},
}
ONLY_SMALL2 = ("Japanese_(katakana)", "Sanskrit", "Tagalog")
DRAWERS = 20
SMALL_MD5 = {"images_background_small1": "e704a628b5459e08445c13499850abc4",
             "images_background_small2": "b75a71a51d3b13f821f212756fe481fd"}


def _omniglot(*parts):
    """The recipe for one or more of the published archives: 105x105, one bit, ink black on white."""
    def read(sources):
        classes = [c for part, source in zip(parts, sources, strict=True) for c in _omniglot_part(part, source)]
        return ImageClasses(torch.stack([images for _, _, images in classes]),
                            tuple(alphabet for alphabet, _, _ in classes), tuple(name for _, name, _ in classes))
    return Recipe(lambda root: [_find_omniglot(root, part) for part in parts], _fetch_omniglot, read)


def _find_omniglot(root, part):
    folders = (root / "omniglot", root / "omniglot-py", root)
    candidates = [f / f"{part}.zip" for f in folders] + [f / part for f in folders]
    return next((path for path in candidates if path.exists()), candidates[0])


def _fetch_omniglot(path):
    home = import_torchvision().datasets.Omniglot.download_url_prefix
    download([f"{home}/{path.name}"], path, _omniglot_md5(path.stem))


def _omniglot_md5(part):
    return SMALL_MD5.get(part) or import_torchvision().datasets.Omniglot.zips_md5[part]


def _omniglot_part(part, source):
    """[(alphabet, character, uint8 [20, 1, 28, 28])], sorted, of one archive or its unpacked folder."""
    drawings = _drawings(_folder(source) if source.is_dir() else _archive(source, _omniglot_md5(part)), part)
    classes = []
    for (alphabet, character), group in groupby(progress(sorted(drawings), desc=part), key=lambda key: key[:2]):
        ink = [ink_of_png(drawings[key](), "{}/{}, drawer {}".format(*key)) for key in group]
        classes.append((alphabet, character, glyphs.to_28(torch.stack(ink))[:, None]))      # [20, 1, 28, 28]
    return classes


def _folder(folder):
    """{path from the folder's parent: function that returns the bytes}."""
    return {path.relative_to(folder.parent).as_posix(): path.read_bytes for path in folder.rglob("*.png")}


def _archive(archive, md5):
    """The same for the members of a zip, which is never unpacked to disk."""
    check_md5(archive, md5)
    with zipfile.ZipFile(archive) as zipped:
        refuse_unsafe(zipped.namelist(), archive)
        return {name: partial(bytes, zipped.read(name)) for name in zipped.namelist() if name.endswith(".png")}


def refuse_unsafe(names, archive):
    """Raise DataError if one of the names in a zip would lead out of the folder it is unpacked into."""
    for name in names:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or "\\" in name:
            raise DataError(f"{archive} holds the unsafe path {name!r}. Delete it; the real archive has none.")


def _drawings(files, part):
    """{(alphabet, character, drawer): bytes function}, proved complete against the published counts."""
    pattern = re.compile(rf"{part}/([^/]+)/(character\d+)/\d+_(\d+)\.png")
    matches = {pattern.fullmatch(name): read for name, read in files.items()}
    drawings = {(*match.group(1, 2), int(match.group(3))): read for match, read in matches.items() if match}
    expected = {(alphabet, f"character{c + 1:02d}", d + 1)
                for alphabet, count in OMNIGLOT[part].items() for c in range(count) for d in range(DRAWERS)}
    missing = sorted(expected - set(drawings))
    if missing:
        gone = sorted(set(OMNIGLOT[part]) - {alphabet for alphabet, _, _ in drawings})
        what = f"the alphabet {gone[0]}" if gone else "{}/{}, drawer {}".format(*missing[0])
        raise DataError(f"{part} is incomplete: {what} is missing ({len(missing)} of {len(expected)} drawings). "
                        f"Unpack the archive again, or delete the folder to have it downloaded.")
    return {key: drawings[key] for key in expected}


def ink_of_png(png, what):
    """The bytes of a PNG (dark on white) as float ink [H, W], 1 where the pen went: [105, 105] for Omniglot's own.

    what: its name, for the DataError that a damaged PNG raises.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(png)) as image:
            grey = torch.frombuffer(bytearray(image.convert("L").tobytes()), dtype=torch.uint8)
            return (grey < 128).float().view(image.height, image.width)
    except (OSError, SyntaxError):      # the second is PIL's word for a broken chunk
        raise DataError(f"{what}: the drawing is damaged. Unpack the archive again.") from None


# ---------------------------------------------------------------- MNIST and Fashion-MNIST


IDX_FILES = ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz")


def _idx(name, class_name, *system_folders):
    """The recipe for the 60,000 training images of an IDX dataset (its 10,000 test images are left out)."""
    def published():
        return getattr(import_torchvision().datasets, class_name)

    def find(root):
        folders = [root / name, root / class_name / "raw", *map(Path, system_folders)]
        return [_find_idx(filename, folders) for filename in IDX_FILES]

    def fetch(path):
        download([mirror + path.name for mirror in published().mirrors], path, dict(published().resources)[path.name])

    def read(sources):
        for path in sources:        # unpacked files and those of the system's packages have no published md5
            if path.suffix == ".gz" and str(path.parent) not in system_folders:
                check_md5(path, dict(published().resources)[path.name])
        images, labels = (_idx_body(path, header) for path, header in zip(sources, (16, 8), strict=True))
        return _by_label(images.view(-1, 28, 28), labels.long(), name)
    return Recipe(find, fetch, read)


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


# ---------------------------------------------------------------- a folder of your own images

IMAGE_FILES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp")


def _own(folder):
    """The recipe for `folder`/class/image or `folder`/alphabet/class/image; its sources are the class folders."""
    return Recipe(lambda root: _class_folders(folder) or [folder / "class"], _no_classes, _read_own)


def _no_classes(path):
    what = "has no subfolders" if path.parent.is_dir() else "is not a folder"
    raise DataError(f"{path.parent} {what}. Put the images of each class into a subfolder named after it: "
                    f"{path.parent.name}/cat/1.png, {path.parent.name}/dog/1.png, ...")


def _class_folders(folder):
    """Sorted: the subfolders that hold no others (or hold images), then the subfolders of those that do."""
    outer = _subfolders(folder)
    return [f for f in outer if _image_files(f) or not _subfolders(f)] + [f for o in outer for f in _subfolders(o)]


def _subfolders(folder):
    return [path for path in sorted(folder.glob("*")) if path.is_dir() and not path.name.startswith(".")]


def _image_files(folder):
    return [path for path in sorted(folder.glob("*"))
            if path.suffix.lower() in IMAGE_FILES and not path.name.startswith(".")]


def _read_own(folders):
    """The first M images of each class folder, in order of their names, as `ImageClasses`.

    One decision for all: where the images' edges (paper) are lighter than the average pixel, ink is dark, and all
    are inverted.
    """
    first, last = folders[0], folders[-1]
    if len(first.parts) != len(last.parts):
        raise DataError(f"{first.parent} mixes classes ({first.name}) and alphabets ({last.parent.name}). Either every "
                        f"subfolder holds images, or every one holds folders and no images.")
    files = [_image_files(folder) for folder in folders]
    for folder, found in zip(folders, files):
        if len(found) < 2:
            raise DataError(f"class {folder.name!r} has {len(found)} image(s) in {folder}. It needs 2 or more, one to "
                            f"learn from and one to ask about, as {', '.join(IMAGE_FILES)}. Add some, or move it away.")
    count = min(map(len, files))
    grey = torch.stack([torch.stack([_small(_grey(path)) for path in found[:count]])
                        for found in progress(files, desc=first.parent.name)])                  # [C, M, 28, 28]
    if _edge(grey.float()).median(-1).values.mean() > grey.float().mean():
        grey = 255 - grey
    return ImageClasses(grey[:, :, None], tuple(f.parent.name for f in folders), tuple(f.name for f in folders))


def _grey(path):
    """The image in a file as float [H, W], from 0 (black) to 1 (white); what is transparent counts as white paper."""
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as file:
            image = ImageOps.exif_transpose(file)       # a telephone stores photographs on their side
            if image.has_transparency_data:
                image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
            image = image.convert("L")
    except Exception as error:      # Pillow raises many kinds
        raise DataError(f"{path} cannot be read as an image ({error}). Save it anew or delete it.") from None
    return torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).view(image.height, image.width) / 255


def _small(grey):
    """[H, W] in [0, 1] as uint8 [28, 28]: undistorted, padded to a square with its paper, the median of its edge."""
    height, width = grey.shape
    across, down = max(height - width, 0), max(width - height, 0)
    margin = (across // 2, across - across // 2, down // 2, down - down // 2)
    return glyphs.to_28(torch.nn.functional.pad(grey, margin, value=_edge(grey).median().item())[None])[0]


def _edge(images):
    """The outermost pixels of images [..., H, W]: [..., 2W + 2H], the corners twice."""
    return torch.cat([images[..., 0, :], images[..., -1, :], images[..., 0], images[..., -1]], -1)


# ---------------------------------------------------------------- downloads

PATIENCE = 15       # seconds until a server that does not answer is given up, all mirrors together


def download(urls, path, md5):
    """Fetch the first of `urls` that answers to `path`: checked against `md5`, put in place in one step.

    Raises DataError that says where to get the file by hand, PermissionError if `path` cannot be written.
    """
    reasons = []
    for url in urls:
        try:
            with _answer(url, PATIENCE / len(urls)) as response, atomic_path(path) as part:
                _receive(response, part)
                check_md5(part, md5)
            return
        except PermissionError:
            raise
        except (OSError, http.client.HTTPException, DataError) as error:
            reasons.append(str(getattr(error, "reason", error)))
    raise DataError(f"{path.name} is not in {path.parent} and could not be downloaded ({'; '.join(reasons)}). Get "
                    f"{urls[0]} elsewhere and put it in that folder; 'glyphs' and 'digits' need no download.")


def _receive(response, path):
    total = int(response.headers.get("Content-Length") or 0) or None
    name = response.url.split("/")[-1]
    with open(path, "wb") as file, progress(desc=name, total=total, unit="B", unit_scale=True) as bar:
        while chunk := response.read(1 << 16):
            file.write(chunk)
            bar.update(len(chunk))


def _answer(url, patience):
    """The open response of `url`. A thread keeps the time, because looking up a host's name has no timeout."""
    outcome = []

    def ask():
        try:
            outcome.append(urllib.request.urlopen(url, timeout=patience))
        except Exception as error:
            outcome.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(patience)
    if not outcome:
        raise TimeoutError(f"no answer within {patience:.0f} s")
    if isinstance(outcome[0], Exception):
        raise outcome[0]
    return outcome[0]


def check_md5(path, md5):
    """Raise DataError unless the file at `path` has this md5."""
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "md5").hexdigest()
    if found != md5:
        raise DataError(f"{path} is truncated or not the published file: md5 {found}, expected {md5}. "
                        f"Delete it and load again.")


DATASETS = {
    "glyphs": Recipe(lambda root: [], None, _glyphs),
    "digits": Recipe(lambda root: [], None, _digits),
    "omniglot": _omniglot("images_background", "images_evaluation"),
    "omniglot-small1": _omniglot("images_background_small1"),
    "omniglot-small2": _omniglot("images_background_small2"),
    "mnist": _idx("mnist", "MNIST"),
    "fashion-mnist": _idx("fashion-mnist", "FashionMNIST", "/usr/share/datasets/fashion-mnist",
                          "/usr/share/dataset-fashion-mnist"),
}
