import os
from pathlib import Path

import matplotlib
import pytest
import torch
from matplotlib import pyplot as plt
from PIL import Image

matplotlib.use("agg")

from course_lib.episodes import Episodes
from course_tools import plots


def test_a_float_image_a_little_over_one_is_not_blank():
    _, ax = plots.plt.subplots()
    plots.show(ax, torch.full((1, 4, 4), 1.0001))
    assert ax.images[0].get_clim() == (0, 1)
    plots.show(ax, torch.full((1, 4, 4), 200, dtype=torch.uint8))
    assert ax.images[1].get_clim() == (0, 255)


def test_a_sheet_puts_every_drawing_in_its_row_and_column():
    images = torch.arange(6, dtype=torch.uint8).view(2, 3, 1, 1, 1).expand(2, 3, 1, 4, 5) + 10
    _, ax = plots.plt.subplots()
    plots.sheet(images, ax, gap=2)
    page = ax.images[0].get_array()
    assert page.shape == (10, 19)
    for row in range(2):
        for column in range(3):
            assert (page[row * 6:row * 6 + 4, column * 7:column * 7 + 5] == 10 + 3 * row + column).all()


def test_the_episode_figure_hides_the_answers_it_returns():
    y = torch.arange(3).repeat_interleave(4)[None]
    x = torch.rand(1, 12, 1, 8, 8)
    figure, answers = plots.episode(Episodes(x[:, :3], torch.tensor([[0, 1, 2]]), x, y), n_queries=6)
    assert len(answers) == 6 and set(answers) <= {0, 1, 2}
    titles = [ax.get_title() for ax in figure.axes]
    assert titles[:3] == ["class 0", "class 1", "class 2"] and "query 5" in titles and "query 6" not in titles
    path = plots.save(figure, "episode")
    assert path == Path(os.environ["COURSE_OUT"]) / "figures" / "episode.png" and path.stat().st_size > 1000


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", [
    "a$b$c", "$\\frac", "\u6f22\u5b57", "\ud55c\uae00", "\u0939\u093f", "100 % #1 {x}", "a_b^c"])
def test_a_name_of_any_characters_can_be_a_title(name):
    before = dict(plots.plt.rcParams)
    plots.use_style()
    figure, ax = plots.plt.subplots()
    plots.show(ax, torch.rand(1, 4, 4), name)
    ax.plot([0], [0], label=name)
    ax.legend()
    assert plots.save(figure, "title").stat().st_size > 1000 and ax.get_title() == name
    plots.plt.rcParams.update(before)


def test_a_saved_picture_is_sharp_and_keeps_all_colours_apart():
    """Thin lines in all colours of the course, beside a sheet of many greys."""
    with plt.rc_context():
        plots.use_style()
        figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3))
        for i, colour in enumerate(plots.COLOURS):
            left.plot([0, 1], [i, i + 1], color=colour, linewidth=1)
        plots.sheet(torch.rand(5, 5, 1, 28, 28, generator=torch.Generator().manual_seed(0)), right)
        path = plots.save(figure, "colours")
        plt.close(figure)
    with Image.open(path) as picture:
        assert picture.size == (1200, 450)
        found = torch.tensor([colour for _, colour in picture.convert("RGB").getcolors()]).double()
    wanted = torch.tensor([[int(colour[i:i + 2], 16) for i in (1, 3, 5)] for colour in plots.COLOURS]).double()
    assert torch.cdist(wanted, found).min(dim=1).values.max() < 12      # of 255, and their hues stay apart


def test_every_method_has_a_colour_of_the_course():
    assert set(plots.METHODS.values()) <= {*plots.COLOURS, "#666666"}
    arms = [plots.METHODS[arm] for arm in ("none", "classical", "GAN", "real", "regression", "flow")]
    learners = [plots.METHODS[learner] for learner in ("nearest", "ProtoNet", "MAML", "FOMAML", "ANIL", "Reptile")]
    assert len(set(arms)) == len(arms) and len(set(learners)) == len(learners)


def test_the_numbers_on_a_logarithmic_axis_are_plain():
    with plt.rc_context():
        plots.use_style()
        figure, (left, right) = plt.subplots(1, 2)
        left.semilogy([1, 2, 3], [0.01, 1, 1000])
        right.loglog([20, 900], [0.02, 0.05])
        plots.save(figure, "logarithms")
        written = [label.get_text() for ax in (left, right) for axis in (ax.xaxis, ax.yaxis)
                   for label in axis.get_ticklabels(which="both")]
        plt.close(figure)
    assert "0.01" in written and "100" in written and not any("$" in text for text in written)
