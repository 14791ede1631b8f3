"""Every picture of a mechanism shows all its words: none outside the page, and no two on each other."""

import inspect
import itertools

import pytest
from matplotlib import pyplot as plt

from course_tools import diagrams, plots

ALL = [function for name, function in inspect.getmembers(diagrams, inspect.isfunction) if name[0] != "_"]


@pytest.mark.parametrize("draw", ALL)
def test_all_words_of_a_diagram_can_be_read(draw, caplog):
    with plt.rc_context():
        plots.use_style()
        figure = draw()
        figure.canvas.draw()
        page = figure.get_window_extent()
        boxes = {text: text.get_window_extent() for text in figure.axes[0].texts}
        plt.close(figure)
    assert boxes and not caplog.records, "a font is missing: the notebook would show a warning"
    for text, box in boxes.items():
        assert page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1, text
        at_390_pixels = text.get_fontsize() * 390 / 72 / figure.get_figwidth()
        assert at_390_pixels >= 6.5, f"{text}: {at_390_pixels:.1f} pixels on a phone"
    for (a, one), (b, other) in itertools.combinations(boxes.items(), 2):
        assert not one.overlaps(other), f"{a} lies on {b}"
