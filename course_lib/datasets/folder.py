"""Images of your own: one subfolder for each class."""

import hashlib

import torch
from PIL import Image, ImageOps

from ..runtime import progress
from .classes import DataError, ImageClasses, Recipe

IMAGE_FILES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp")


def recipe(folder):
    """The `Recipe` of `folder`/class/image or `folder`/alphabet/class/image; its sources are the class folders."""
    return Recipe(_read, split, lambda root: _class_folders(folder) or [folder / "class"], _no_classes)


def split(classes):
    """By alphabet where there are three or more, else by class.

    In the order of the md5 of their names, the same on every machine, they train, test, validate, train, and so on.
    One more in the folder may move the others.
    """
    units = classes.alphabets if len(set(classes.alphabets)) >= 3 else classes.names
    order = sorted(set(units), key=lambda unit: hashlib.md5(unit.encode()).digest())
    place = {unit: ("train", "test", "val", "train")[i % 4] for i, unit in enumerate(order)}
    return [place[unit] for unit in units]


def _no_classes(path):
    what = "has no subfolders" if path.parent.is_dir() else "is not a folder"
    raise DataError(f"{path.parent} {what}. Put the images of each class into a subfolder named after it: "
                    f"{path.parent.name}/cat/1.png, {path.parent.name}/dog/1.png, ...")


def _class_folders(folder):
    """Sorted: the subfolders that hold no others (or hold images), then the subfolders of those that do."""
    outer = _subfolders(folder)
    return [f for f in outer if _image_files(f) or not _subfolders(f)] + [f for o in outer for f in _subfolders(o)]


def _subfolders(folder):
    return [path for path in sorted(folder.glob("[!.]*")) if path.is_dir()]


def _image_files(folder):
    return [path for path in sorted(folder.glob("[!.]*")) if path.suffix.lower() in IMAGE_FILES]


def _read(folders):
    """The first M images of each class folder, in order of their names; all inverted where their edges are light."""
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
    images = torch.stack([torch.stack([_small(grey(path)) for path in found[:count]])
                          for found in progress(files, desc=first.parent.name)])                # [C, M, 28, 28]
    if _edge(images.float()).median(-1).values.mean() > images.float().mean():
        images = 255 - images
    return ImageClasses(images[:, :, None], tuple(f.parent.name for f in folders), tuple(f.name for f in folders))


def grey(file):
    """The image in a file as uint8 [H, W], 0 black; what is transparent counts as white paper. May raise DataError."""
    try:
        with Image.open(file) as image:
            image = ImageOps.exif_transpose(image)      # a telephone stores photographs on their side
            if image.has_transparency_data:
                image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
            image = image.convert("L")
            return torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).view(image.height, image.width)
    except Exception as error:      # Pillow raises many kinds
        raise DataError(f"{file} cannot be read as an image ({error}). Save it anew or delete it.") from None


def _small(image):
    """uint8 [H, W] as [28, 28]: undistorted, padded to a square with its paper, the median of its edge."""
    paper = _edge(image).median().item()
    small = ImageOps.pad(Image.fromarray(image.numpy()), (28, 28), Image.Resampling.BILINEAR, paper)
    return torch.frombuffer(bytearray(small.tobytes()), dtype=torch.uint8).view(28, 28)


def _edge(images):
    """The outermost pixels of images [..., H, W]: [..., 2W + 2H], the corners twice."""
    return torch.cat([images[..., 0, :], images[..., -1, :], images[..., 0], images[..., -1]], -1)
