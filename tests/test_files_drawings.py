"""Strokes as images: the course's own pen, and the same in the page's JavaScript."""

import json
import random
import shutil
import subprocess

import pytest
import torch

from course_files import drawings, glyphs, pictures
from course_lib.runtime import project_root

IN_NODE = """
import {raster} from "./course_tools/pad.js";
let text = "";
for await (const part of process.stdin) text += part;
console.log(JSON.stringify(JSON.parse(text).map((strokes) => [...raster(strokes)])));
"""


def ink_of(points):
    """The simulator's own ink of a path through whole-numbered points."""
    path = torch.tensor(points, dtype=torch.float32)[None, None, None]
    return pictures.to_28(glyphs._ink(path, torch.ones(1, 1, dtype=torch.bool)))[0]


def test_a_line_is_what_the_simulators_pen_leaves():
    steep = [[30 + (i + 1) // 2, 20 + i] for i in range(39)]       # every pixel of a line, by hand
    assert torch.equal(drawings.raster([[[30, 20], [49, 58]]]), ink_of(steep))
    assert torch.equal(drawings.raster([[[7, 50], [90, 50]]]), ink_of([[x, 50] for x in range(7, 91)]))
    assert torch.equal(drawings.raster([[[20, 90], [80, 30]]]), ink_of([[20 + i, 90 - i] for i in range(61)]))


def test_a_tap_is_a_dot_and_strokes_are_not_joined():
    dot = drawings.raster([[[41, 63]]])
    assert torch.equal(dot, ink_of([[41, 63]])) and 100 < dot.max() < 255
    both = drawings.raster([[[20, 20]], [[85, 85]]])
    assert torch.equal(both, torch.maximum(ink_of([[20, 20]]), ink_of([[85, 85]])))
    assert drawings.raster([]).sum() == 0 and drawings.raster([]).shape == (28, 28)


def test_x_runs_to_the_right_and_y_down():
    rows, columns = drawings.raster([[[90, 10]]]).nonzero().float().mean(0).tolist()
    assert 1.5 < rows < 3.5 and 22.5 < columns < 24.5


def test_what_lies_beyond_the_canvas_is_drawn_on_its_border():
    assert torch.equal(drawings.raster([[[105, 40], [140, 40]]]), ink_of([[104, 40]]))
    assert torch.equal(drawings.raster([[[-9, 105]]]), ink_of([[0, 104]]))


def test_the_examples_are_five_characters_and_one_of_them_again():
    images = torch.stack([drawings.raster(drawn) for drawn in [*drawings.FIVE, drawings.AGAIN]])
    share = (images > 127).float().mean((1, 2))
    assert len(drawings.FIVE) == 5 and share.min() > 0.06 and share.max() < 0.2
    x = images.flatten(1).float() / 255
    assert torch.cdist(x[5:], x[:5]).argmin() == 2 and torch.pdist(x).min() > 4


@pytest.mark.skipif(not shutil.which("node"), reason="node is absent")
def test_the_page_makes_the_same_images():
    rng = random.Random(3)
    known = [*drawings.FIVE, drawings.AGAIN, [], [[[0, 105], [105, 0]]], [[[52.5, 10.5], [52.5, 11.49]], [[10, 10]]]]
    known += [[[[round(rng.uniform(-5, 110), 2), round(rng.uniform(-5, 110), 2)] for _ in range(rng.randint(1, 6))]
               for _ in range(3)] for _ in range(20)]
    done = subprocess.run(["node", "--input-type=module", "-e", IN_NODE], cwd=project_root(), input=json.dumps(known),
                          capture_output=True, text=True, check=True)
    pages = 255 * torch.tensor(json.loads(done.stdout)).view(-1, 28, 28)
    ours = torch.stack([drawings.raster(drawn) for drawn in known]).float()
    apart = (pages - ours).abs()
    assert apart.max() < 1.01, "a value on the edge may be rounded either way"
    assert (apart > 0.01).float().mean() < 0.001
