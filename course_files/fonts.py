"""Printed letters of many scripts: a class is a letter, and each font draws it once."""

import io
import re
import unicodedata
from collections import Counter
from pathlib import Path

import numpy
from PIL import Image, ImageDraw, ImageFont

from .opening import DataError, opened
from .pictures import SIDE

# What matplotlib brings, upright, slanted and bold in turn: DejaVu, STIX, Computer Modern. Not its fonts of symbols:
# some say that they have letters, and draw brackets for them.
OWN = ("DejaVuSans", "DejaVuSerif", "STIXGeneral", "cmr10", "DejaVuSans-Bold", "DejaVuSansMono", "STIXGeneralItalic",
       "cmtt10", "DejaVuSerif-BoldItalic", "cmti10", "DejaVuSans-Oblique", "STIXGeneralBol", "cmss10",
       "DejaVuSerif-Italic", "DejaVuSerif-Bold", "STIXGeneralBolIta", "cmb10", "DejaVuSansMono-Oblique",
       "DejaVuSansMono-Bold", "DejaVuSans-BoldOblique", "DejaVuSansMono-BoldOblique", "cmmi10")
LARGE, INK = 96, 20     # pixels: the size of the font, and the longer side of a letter in a drawing
PATCH, ALIKE = 3, 0.585     # see `_differences`; at the line, OWN has no pair within 0.005


def own():
    """The paths of the fonts of OWN, the same on every machine."""
    import matplotlib  # here, since the lesson is loaded without it

    return [Path(matplotlib.get_data_path(), "fonts", "ttf", f"{name}.ttf") for name in OWN]


def letters(fonts=None, least=12):
    """All letters of which the fonts have `least` different drawings, as three sequences of C classes.

    scripts: "Latin", "Greek", ...; names: the letters, in order of code points; images: uint8 [C, least, 28, 28],
    bright on dark, in order of the fonts. fonts: paths of font files (default: `own()`), such as
    matplotlib.font_manager.findSystemFonts() lists. A letter that looks like an earlier one (Greek Alpha like Latin A,
    o like O) is left out. Raises DataError for a file that is no font, and where no letter has enough drawings.
    """
    drawings = {}       # {letter: {the number of a font: what it draws, if no font before it draws the same}}
    fonts = own() if fonts is None else list(fonts)
    for number, path in enumerate(fonts):
        for letter, image in _drawn(path):
            same = drawings.setdefault(letter, {})
            if not any((image == other).all() for other in same.values()):
                same[number] = image
    found = {letter: drawings[letter] for letter in sorted(drawings) if len(drawings[letter]) >= least}
    if not found:
        raise DataError(f"In {len(fonts)} font(s) no letter has {least} different drawings; the most is "
                        f"{max(map(len, drawings.values()), default=0)}. Give more fonts, or ask for fewer drawings.")
    names = _distinct(found, least)
    images = numpy.stack([[*found[letter].values()][:least] for letter in names])
    return [script(letter) for letter in names], names, images


def script(letter):
    """The script of a plain letter, such as "Latin"; None where it is none, is composed, or extends the alphabet."""
    found = re.match(r"(\w+) (CAPITAL |SMALL )?LETTER (?!.*\bWITH\b)", unicodedata.name(letter, ""))
    if (found and unicodedata.category(letter) in ("Lu", "Ll", "Lo") and not unicodedata.decomposition(letter)
            and (letter.isascii() or found[1] != "LATIN")):
        return found[1].capitalize()


def _drawn(path):
    """[(letter, uint8 [28, 28])] of the plain letters that the font at `path` really has: no boxes for others."""
    from matplotlib.ft2font import FT2Font

    with opened(path, DataError, "Give the path of a font file, such as .ttf or .otf.") as file:
        content = file.read()
        plain = [letter for letter in map(chr, FT2Font(io.BytesIO(content)).get_charmap()) if script(letter)]
        # The basic layout: Raqm is not everywhere, and would join Arabic letters.
        font = ImageFont.truetype(io.BytesIO(content), LARGE, layout_engine=ImageFont.Layout.BASIC) if plain else None
        return [(letter, image) for letter in plain if (image := _drawing(font, letter)) is not None]


def _drawing(font, letter):
    """A letter scaled undistorted until its longer side has INK pixels, and centred; None where it leaves no ink."""
    canvas = Image.new("L", (4 * LARGE, 4 * LARGE))
    ImageDraw.Draw(canvas).text((2 * LARGE, 2 * LARGE), letter, 255, font, anchor="mm")
    box = canvas.getbbox()
    if box is None:
        return None
    large = canvas.crop(box)
    size = [max(1, round(INK * side / max(large.size))) for side in large.size]
    small = numpy.asarray(large.resize(size, Image.Resampling.BOX), dtype=float)
    height, width = small.shape
    top, left = (SIDE - height) // 2, (SIDE - width) // 2
    image = numpy.zeros((SIDE, SIDE), numpy.uint8)
    image[top:top + height, left:left + width] = (255 * small / small.max()).round()
    return image


def _distinct(drawings, n_fonts):
    """The letters of {letter: {font: image}} that differ by more than ALIKE from each one kept before them.

    Compared in `n_fonts` fonts: those that draw most of the letters.
    """
    counts = Counter(font for images in drawings.values() for font in images)
    fonts = [font for font, _ in counts.most_common(n_fonts)]
    means = numpy.zeros((len(drawings), len(fonts), (SIDE - PATCH + 1)**2), numpy.float32)
    has = numpy.array([[font in images for font in fonts] for images in drawings.values()])
    for row, images in enumerate(drawings.values()):
        drawn = numpy.stack([images.get(font, numpy.zeros((SIDE, SIDE))) for font in fonts])
        patches = numpy.lib.stride_tricks.sliding_window_view(drawn, (PATCH, PATCH), (1, 2))
        means[row] = patches.mean((-2, -1)).reshape(len(fonts), -1) / 255
    kept = []
    for row in range(len(drawings)):
        if (_differences(means[row], has[row], means[kept], has[kept]) > ALIKE).all():
            kept.append(row)
    return [[*drawings][row] for row in kept]


def _differences(means, has, others, others_have):
    """How much a letter differs from n others in the worst patch of PATCH x PATCH pixels: [n], from 0 to 1.

    The mean over the fonts that have both; 1 where none has. Taken over all pixels, a mean would find E nearer to F,
    which lacks only a bar, than s to S, whose strokes are a little thinner everywhere.
    """
    both = has & others_have
    worst = numpy.abs(others - means).max(-1)
    return numpy.where(both.any(1), (worst * both).sum(1) / both.sum(1).clip(1), 1)
