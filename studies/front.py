"""The picture on README's first screen: one drawing, five generated, five real, and how much they help a learner.

    COURSE_DATA=... python studies/front.py         (after studies/trial.py)

Above: the first character of a test alphabet by its first hand, what the generator of the first fold makes of it, and
the same character by five other people. Below: the accuracies in figures/results/trial.jsonl, each with its 95 %
interval over eight alphabets.
"""

import os

import matplotlib.pyplot as plt
import torch

from course_lib import augmentations, networks, runtime
from course_tools import plots, report
from shared import load
from trial import FOLDER, eight_alphabets, fold, of

N_SHOWN = 5
ARMS = {"no augmentation": ("one drawing of each character", "none"), "GAN": ("+ generated copies", "GAN"),
        "classical": ("+ classical copies", "classical"), "oracle": ("+ classical, 5 more real", "real")}


def drawings():
    """[3, N_SHOWN, 1, 28, 28]: one real drawing of a character and blanks, N_SHOWN generated from it, N_SHOWN real."""
    classes = of(eight_alphabets(), fold(0)[1][:1])
    x = classes.take([0]).ink.view(-1, 1, 28, 28)                       # [20, 1, 28, 28], each by another hand
    G, rng = load(networks.WarpGenerator, FOLDER / "0-0-G.safetensors"), runtime.rng(0)
    generated = augmentations.generated(G)
    copies = torch.cat([generated(x[None, :1], rng)[0] for _ in range(N_SHOWN)])
    return torch.stack([torch.cat([x[:1], torch.zeros_like(x[1:N_SHOWN])]), copies, x[1:1 + N_SHOWN]])


def draw(images, accuracies):
    """The figure. accuracies: {arm of ARMS: record}."""
    plots.use_style()
    figure = plt.figure(figsize=(7.5, 7))
    gain = 100 * (accuracies["oracle"]["value"] - accuracies["classical"]["value"])
    figure.suptitle(f"Five more real drawings bring {gain:.1f} points,\ngenerated copies no more than classical ones",
                    fontsize=18)
    above, below = figure.subfigures(2, 1, height_ratios=(1.2, 1))
    ax = above.subplots()
    plots.sheet(images, ax)
    for row, (words, colour) in enumerate((("one real drawing", "none"), ("five copies by G", "GAN"),
                                           ("the same character by five\nother people", "real"))):
        ax.text(-5, 13 + 30 * row, words, ha="right", va="center", fontsize=16, color=plots.METHODS[colour])
    ax = below.subplots()
    for row, (arm, (name, colour)) in enumerate(ARMS.items()):
        value, half = 100 * accuracies[arm]["value"], 50 * (accuracies[arm]["high"] - accuracies[arm]["low"])
        ax.errorbar(value, row, xerr=half, fmt="o", markersize=11, color=plots.METHODS[colour])
        ax.text(69, row, name, ha="right", va="center", fontsize=16, color=plots.METHODS[colour])
        ax.text(100.5, row, f"{value:.1f} %", va="center", fontsize=16, color=plots.METHODS[colour])
    ax.invert_yaxis()
    ax.set(yticks=[], xlim=(70, 100), ylim=(3.5, -0.5), xlabel="right answers of a ProtoNet in %, 20 characters\n"
                                                               "(lines: 95 % intervals over eight alphabets)")
    ax.spines["left"].set_visible(False)
    return figure


if __name__ == "__main__":
    found = {arm: report.select(report.load(), "trial", name="accuracy", arm=arm)[0] for arm in ARMS}
    os.environ.setdefault("COURSE_OUT", str(runtime.project_root()))
    print(plots.save(draw(drawings(), found), "front"))
