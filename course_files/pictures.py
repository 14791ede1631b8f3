"""An image file of any kind as 28x28 levels of grey."""

import io
import math
import warnings
from functools import cache

import numpy
import torch
from PIL import Image, ImageOps, UnidentifiedImageError

from .opening import DataError, opened

SIDE = 28
PIXELS = 2**25      # at most so many in one image: 130 MB in colours
NO_PICTURE = {"EPS", "WMF", "MPEG", "BUFR", "GRIB", "HDF5", "IPTC", "ICO", "ICNS", "CUR"}     # programs, films, sets


@cache
def formats():
    """{suffix: format} of the pictures that this Pillow reads; with pillow-heif registered, .heic too."""
    Image.init()
    readable = set(Image.OPEN) - NO_PICTURE
    return {suffix: name for suffix, name in Image.registered_extensions().items() if name in readable}


def prepared(path):
    """The image in a file as uint8 [28, 28], 0 black: undistorted, padded to a square with its paper.

    The paper is the median of the edge. What is transparent is white paper, and bright ink on it becomes dark. Raises
    DataError for what is no image, or has more than PIXELS pixels.
    """
    with opened(path, DataError, "Save it anew or delete it.") as file, warnings.catch_warnings(action="ignore"):
        try:
            image = Image.open(file, formats=sorted(set(formats().values())))
        except UnidentifiedImageError:      # whose own message is long, and names the file again
            raise ValueError("it is no image that Pillow knows") from None
        image.draft(None, (4 * SIDE, 4 * SIDE))     # a large photograph is read as a smaller one
        if image.width * image.height > PIXELS:
            raise ValueError(f"it has {image.width} x {image.height} pixels, more than {PIXELS:,}")
        ImageOps.exif_transpose(image, in_place=True)       # a telephone stores photographs on their side
        turn = _transparent if image.has_transparency_data else _deep if image.mode[0] in "IF" else _plain
        image = turn(image)
        paper = int(numpy.median(edge(numpy.asarray(image))))
        size = [max(1, round(SIDE * side / max(image.size))) for side in image.size]        # shrunk before it is padded
        small = image.resize(size, Image.Resampling.BILINEAR)
    return numpy.asarray(ImageOps.pad(small, (SIDE, SIDE), Image.Resampling.NEAREST, paper))


def edge(images):
    """The outermost pixels of images [..., H, W]: [..., 2W + 2H], the corners twice."""
    return numpy.concatenate([images[..., 0, :], images[..., -1, :], images[..., 0], images[..., -1]], -1)


def _plain(image):
    return image.convert("L")


def _transparent(image):
    image = image.convert("RGBA")
    grey, alpha, white = image.convert("L"), image.getchannel("A"), Image.new("L", image.size, 255)
    darkest = Image.composite(grey, white, alpha.point(lambda value: 255 * (value > 127))).getextrema()[0]
    if darkest > 127 and numpy.median(edge(numpy.asarray(alpha))) < 128:        # bright ink around which nothing is
        grey = ImageOps.invert(grey)
    return Image.composite(grey, white, alpha)


def _deep(image):
    """Of 8 to 16 bits, or fractions of 1: the least scale that holds all values."""
    image = image.convert("F")
    low, high = image.getextrema()
    if not math.isfinite(low + high + numpy.sum(image.resize((1, 1), Image.Resampling.BOX))):
        raise ValueError("some of its values are no numbers")
    low, high = min(low, 0), next((top for top in (1, 255, 1023, 4095, 16383, 65535) if high <= top), high)
    scale = 255 / (high - low)
    return image.point(lambda value: value * scale + (0.5 - low * scale)).convert("L")


def ink_of_png(png, what):
    """The bytes of one of Omniglot's drawings as float32 [105, 105], 1 where the pen went. DataError, naming `what`."""
    try:
        with warnings.catch_warnings(action="ignore"):      # of its size, which is looked at before it is unpacked
            image = Image.open(io.BytesIO(png), formats=["PNG"])
        fault = "" if image.size == (105, 105) else "has {}x{} pixels, not 105x105".format(*image.size)
        ink = numpy.asarray(image.convert("L")) < 128 if not fault else numpy.zeros(1)
        if not fault and not 0 < ink.mean() < 0.5:
            fault = "is blank, or white on black"
    except Exception as error:      # Pillow raises many kinds
        fault = f"is damaged ({error})"
    if fault:
        raise DataError(f"{what}: the drawing {fault}. Unpack the archive again.")
    return ink.astype(numpy.float32)


def to_28(ink):
    """Shrink ink [B, 105, 105] (bool, or float in 0..1, bright ink) to uint8 [B, 28, 28], antialiased."""
    small = torch.nn.functional.interpolate(ink[:, None].float(), (28, 28), mode="bilinear", antialias=True)
    return (255 * small[:, 0]).round().to(torch.uint8)
