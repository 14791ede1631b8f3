"""Pads to draw on in a notebook, by mouse, touch or pen: a reader's own characters as classes like all others.

The pads live in the page (pad.js, through anywidget) and send every finished stroke to the kernel.
"""

from pathlib import Path

import anywidget
import torch
import traitlets
from PIL import Image

from course_files import drawings
from course_files.opening import DataError
from course_lib.datasets.classes import ImageClasses

MOST = 6


class Pads(anywidget.AnyWidget):
    """`n` pads side by side, each for one drawing of one character.

    label: what the pads are called, with a number behind it if there are several. strokes: a drawing for each pad to
    begin with, as in `course_files.drawings`. Raises ValueError for more than 6 pads, or other than `n` drawings.
    """

    _esm = Path(__file__).with_name("pad.js").read_text(encoding="utf-8")
    labels = traitlets.List(traitlets.Unicode()).tag(sync=True)
    strokes = traitlets.List().tag(sync=True)      # of each pad, as drawn so far

    def __init__(self, n, label="character", strokes=None):
        if not 1 <= n <= MOST:
            raise ValueError(f"{n} pads do not fit on a page. Use n from 1 to {MOST}.")
        if strokes and len(strokes) != n:
            raise ValueError(f"there are {n} pad(s) and {len(strokes)} drawing(s) to put on them. Give one for each.")
        super().__init__(labels=[f"{label} {i + 1}" for i in range(n)] if n > 1 else [label],
                         strokes=strokes or [[] for _ in range(n)])

    def classes(self):
        """The drawings as `ImageClasses`, a class of one drawing for each pad: uint8 [n, 1, 1, 28, 28].

        Raises DataError if a pad is empty.
        """
        if empty := [label for label, drawn in zip(self.labels, self.strokes) if not drawn]:
            raise DataError(f"the pad {empty[0]!r} is empty. Draw on it, then run this cell again.")
        images = torch.stack([drawings.raster(drawn) for drawn in self.strokes])        # [n, 28, 28]
        return ImageClasses(images[:, None, None], ("yours",) * len(images), tuple(self.labels))

    def save(self, folder):
        """Add the drawings to `folder`, as folder/character 1/01.png and so on; returns the name of that dataset.

        Call it again after drawing again, because a class needs two drawings or more. It overwrites no file. Raises
        DataError if a pad is empty, OSError where it may not write.
        """
        folder, mine = Path(folder).expanduser(), self.classes()
        for name, image in zip(mine.names, mine.images[:, 0, 0]):
            (place := folder / name).mkdir(parents=True, exist_ok=True)
            number = 1 + max([int(path.stem) for path in place.glob("*.png") if path.stem.isdecimal()], default=0)
            with open(place / f"{number:02d}.png", "xb") as file:
                Image.fromarray(255 - image.numpy()).save(file, format="PNG")       # dark ink on white paper
        return f"folder:{folder}"
