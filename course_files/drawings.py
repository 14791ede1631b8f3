"""Drawings by hand, kept as strokes: how they become images, and a few to begin with.

A stroke is a list of points [x, y] on Omniglot's canvas, in pixels of 0..105: x right, y down. A drawing is a list of
strokes. pad.js in course_tools, which takes them down, makes the same image.
"""

import math

import torch
from torch.nn.functional import conv2d

from .pictures import to_28

CANVAS = 105        # pixels

# Five invented characters, wobbly as by hand, and the third of them a second time.
FIVE = [
    [[[23, 38], [23, 53], [25, 61], [27, 66], [30, 71], [36, 78], [42, 81], [47, 83], [54, 83], [61, 81], [70, 77],
     [73, 74], [76, 68], [77, 50], [80, 41]], [[51, 15], [51, 26], [49, 51], [52, 80]], [[52, 16], [60, 20], [66, 21],
     [70, 21], [74, 19]]],
    [[[24, 83], [26, 75], [31, 66], [36, 49], [43, 34], [45, 24], [47, 21], [50, 19], [52, 19], [53, 21], [60, 34],
     [64, 45], [73, 62], [78, 77], [85, 85]], [[50, 51], [50, 70], [55, 84]]],
    [[[56, 52], [47, 47], [45, 49], [43, 55], [44, 59], [46, 63], [48, 67], [50, 68], [53, 68], [59, 66], [64, 62],
     [68, 54], [69, 44], [66, 39], [59, 33], [54, 30], [48, 31], [40, 35], [34, 39], [32, 43], [27, 60], [30, 70],
     [36, 80], [38, 83], [43, 85], [62, 87], [66, 87], [74, 86], [82, 85]]],
    [[[20, 37], [24, 33], [30, 26], [34, 25], [38, 27], [53, 41], [57, 42], [62, 42], [66, 40], [79, 29], [84, 22]],
     [[44, 36], [44, 53], [42, 65], [42, 71], [46, 81], [45, 88]], [[64, 58], [73, 68], [81, 81]]],
    [[[27, 24], [42, 21], [50, 20], [63, 20], [72, 19], [76, 19], [77, 21], [74, 24], [53, 36], [44, 43], [35, 48],
     [32, 51], [33, 52], [35, 52], [43, 51], [54, 51], [60, 50], [69, 49], [76, 52], [79, 57], [80, 66], [79, 71],
     [67, 82], [64, 83], [60, 81], [54, 77], [50, 73], [50, 71], [53, 63], [59, 54], [50, 70], [44, 89]]],
]
AGAIN = [[[50, 55], [47, 51], [46, 51], [43, 55], [42, 60], [44, 64], [51, 68], [57, 65], [62, 61], [64, 57], [65, 52],
         [65, 50], [63, 46], [56, 39], [51, 35], [47, 35], [44, 36], [34, 44], [31, 47], [29, 55], [28, 59], [33, 72],
         [37, 79], [44, 83], [53, 86], [61, 84], [76, 78]]]


def raster(strokes):
    """The drawing as uint8 [28, 28], 0 empty and 255 ink: lines of a round pen, 5 pixels wide, as in `glyphs`.

    Points are joined by straight lines; what lies beyond the canvas is drawn on its border.
    """
    canvas = torch.zeros(1, 1, CANVAS, CANVAS)
    for stroke in strokes:
        for (x, y), (x_end, y_end) in zip([stroke[0], *stroke], stroke):
            steps = max(1, math.ceil(max(abs(x_end - x), abs(y_end - y))))
            for i in range(steps + 1):
                canvas[0, 0, _pixel(y + (y_end - y) * i / steps), _pixel(x + (x_end - x) * i / steps)] = 1
    pen = torch.ones(1, 1, 5, 5)
    pen[0, 0, [0, 0, -1, -1], [0, -1, 0, -1]] = 0
    return to_28(conv2d(canvas, pen, padding=2)[0] > 0)[0]


def _pixel(place):
    return min(CANVAS - 1, max(0, math.floor(place + 0.5)))
