"""The picture on README's first screen: one drawing, five generated ones, and how much they help.

    COURSE_DATA=... python studies/front.py         (after studies/trial.py)

Above: the first character of two test alphabets, by its first hand, and what the generator of the first fold makes of
it. Below: the accuracies in figures/results/trial.jsonl, each with its 95 % interval over eight alphabets.
"""

import os

import matplotlib.pyplot as plt
import torch

from course_lib import augmentations, networks, runtime
from course_tools import plots, report
from shared import load
from trial import FOLDER, eight_alphabets, fold, of

N_SHOWN = 5
BARS = {"no augmentation": ("drawings alone", "#666666"),           # the other colours are those of notebook 09
        "GAN": ("+ generated copies", plots.COLOURS[1]),
        "classical": ("+ classical copies", plots.COLOURS[0]),
        "oracle": ("+ classical copies, 5 more real drawings", plots.COLOURS[3])}


def drawings():
    """[2, 1 + N_SHOWN, 1, 28, 28]: one real drawing in each row, and N_SHOWN generated from it."""
    classes = of(eight_alphabets(), fold(0)[1][:2])
    first = [classes.alphabets.index(alphabet) for alphabet in dict.fromkeys(classes.alphabets)]
    x = classes.take(first).ink.view(2, -1, 1, 28, 28)[:, 0]            # [2, 1, 28, 28]
    G, rng = load(networks.WarpGenerator, FOLDER / "0-0-G.safetensors"), runtime.rng(0)
    generated = augmentations.generated(G)
    return torch.stack([x, *(generated(x[None], rng)[0] for _ in range(N_SHOWN))], dim=1)


def draw(images, accuracies):
    """The figure. accuracies: {arm of BARS: record}."""
    plots.use_style()
    figure = plt.figure(figsize=(7.5, 7))
    figure.suptitle("Generated copies help no more than\nsimple ones; real drawings do", fontsize=18)
    above, below = figure.subfigures(2, 1, height_ratios=(1, 1.3))
    ax, gap = above.subplots(), torch.zeros_like(images[:, :1])
    plots.sheet(torch.cat([images[:, :1], gap, images[:, 1:]], dim=1), ax)
    for row in (14, 44):        # the middle of an image of 28 pixels, 2 between two
        ax.annotate("", (57, row), (33, row), arrowprops={"arrowstyle": "->", "lw": 3})
    ax.text(14, -3, "1 real", ha="center", fontsize=16)
    ax.text(134, -3, f"{N_SHOWN} generated from it", ha="center", fontsize=16)
    ax = below.subplots()
    for row, (arm, (name, colour)) in enumerate(BARS.items()):
        value, half = 100 * accuracies[arm]["value"], 50 * (accuracies[arm]["high"] - accuracies[arm]["low"])
        ax.barh(row, value, xerr=half, color=colour, height=0.7, error_kw={"elinewidth": 2, "ecolor": "black"})
        ax.text(1, row, name, va="center", color="black" if arm == "oracle" else "white", fontsize=16)
        ax.text(value + half + 1, row, f"{value:.1f} %", va="center", fontsize=16)
    ax.invert_yaxis()
    ax.set(yticks=[], xlim=(0, 100),
           xlabel="right answers of a ProtoNet in %, 20 characters\n(black lines: 95 % intervals over eight alphabets)")
    return figure


if __name__ == "__main__":
    found = {arm: report.select(report.load(), "trial", name="accuracy", arm=arm)[0] for arm in BARS}
    os.environ.setdefault("COURSE_OUT", str(runtime.project_root()))
    print(plots.save(draw(drawings(), found), "front"))
