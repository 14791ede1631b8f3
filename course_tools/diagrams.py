"""Pictures of mechanisms, drawn by code: the GAN loop, an episode, meta-learners, pairs, where samples can enter.

Each function returns a figure in the colours of `plots.METHODS`, legible at the width of a phone.
"""

import math

import matplotlib.pyplot as plt
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from .plots import METHODS

G, D, DATA, GREY, INK = METHODS["G"], METHODS["D"], METHODS["data"], "#666666", "black"
LETTERS, HANDS = "αβγδεζηθ", ("DejaVu Sans", "DejaVu Serif", "DejaVu Sans Mono")


def _page(width, height, size=9.0):
    """(figure, axes) of `width` by `height` units, `size` inches wide, without frame."""
    figure, ax = plt.subplots(figsize=(size, size * height / width))
    ax.set(xlim=(0, width), ylim=(0, height), aspect="equal")
    ax.axis("off")
    return figure, ax


def _box(ax, x, y, text, colour=INK, *, width=14, height=9, fill=True, size=17):
    """A rounded box around the middle (x, y)."""
    ax.add_patch(FancyBboxPatch((x - width / 2, y - height / 2), width, height, linewidth=2.5, edgecolor=colour,
                                facecolor=colour if fill else "white", boxstyle="round,pad=0,rounding_size=1.5"))
    _text(ax, x, y, text, "white" if fill else colour, size=size)


def _text(ax, x, y, text, colour=INK, *, size=16, ha="center", va="center", **more):
    ax.text(x, y, text, color=colour, ha=ha, va=va, fontsize=size, **more)


def _arrow(ax, start, end, colour=INK, *, bend=0.0, dashed=False):
    ax.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=24, color=colour, linewidth=2.5,
                                 linestyle=(0, (4, 2)) if dashed else "-", shrinkA=2, shrinkB=2,
                                 connectionstyle=f"arc3,rad={bend}"))


def _letter(ax, x, y, letter, hand=0, colour=INK, size=22):
    """A letter as a person of number `hand` writes it."""
    _text(ax, x, y, letter, colour, size=size + (0, -3, 2)[hand % 3], rotation=(0, 14, -12, 22, -20, 8)[hand % 6],
          family=HANDS[hand % 3])


def gan_loop():
    """The GAN loop: samples forward, and the gradient of either step back to the player that moves."""
    figure, ax = _page(100, 58)
    _text(ax, 7, 37, "noise z")
    _box(ax, 28, 37, "G", G)
    _box(ax, 28, 17, "data", DATA)
    _box(ax, 63, 27, "D", D)
    _text(ax, 90, 27, "logit:\nreal or\nfake?")
    _arrow(ax, (13, 37), (21, 37))
    _arrow(ax, (35, 37), (56, 30))
    _text(ax, 46, 37.5, "fake G(z)", G)
    _arrow(ax, (35, 17), (56, 24))
    _text(ax, 46, 16.5, "real x", DATA)
    _arrow(ax, (70, 27), (83, 27))
    _arrow(ax, (88, 34), (30, 43), G, bend=0.35, dashed=True)
    _text(ax, 58, 54, "step of G: raise D's logit of the fakes, moving G alone", G)
    _arrow(ax, (88, 20), (65, 21), D, bend=-0.6, dashed=True)
    _text(ax, 52, 4, "step of D: raise the logit of real, lower that of fake,\nmoving D alone", D)
    return figure


def episode():
    """An episode: some classes are sampled, and each class gives examples to learn from and others to be asked."""
    figure, ax = _page(100, 62)
    chosen, columns, rows = (1, 3, 6), 5, 8
    _text(ax, 17, 59, "the data: classes × drawings")
    for row in range(rows):
        y = 53 - 6.4 * row
        if row in chosen:
            ax.add_patch(plt.Rectangle((1.5, y - 3), 31, 6, color="#E3EEF7", zorder=0))
        for hand in range(columns):
            _letter(ax, 5 + 6 * hand, y, LETTERS[row], hand, INK if row in chosen else "#BBBBBB")
    _arrow(ax, (34, 45), (45, 47))
    _arrow(ax, (34, 20), (45, 18))
    ax.add_patch(plt.Rectangle((46, 38), 53, 15, facecolor="#E3EEF7", edgecolor=D, linewidth=2))
    _text(ax, 72, 56.5, "support: 3 ways, 1 shot", D)
    ax.add_patch(plt.Rectangle((46, 7), 53, 15, facecolor="white", edgecolor=INK, linewidth=2))
    _text(ax, 72, 25.5, "queries: the same classes, new drawings", size=15)
    for i, row in enumerate(chosen):
        _letter(ax, 55 + 17 * i, 47.5, LETTERS[row], 0)
        _text(ax, 55 + 17 * i, 41, f"class {i}", D, size=14)
    for i, (row, hand) in enumerate(((3, 2), (1, 4), (6, 1), (6, 3), (1, 1), (3, 4))):
        _letter(ax, 51 + 8.7 * i, 16.5, LETTERS[row], hand)
        _text(ax, 51 + 8.7 * i, 10.5, "?")
    _text(ax, 72, 31.5, "↓ learn from these, then name those ↓", size=15)
    _text(ax, 72, 2.5, "accuracy: share of queries named rightly", size=15)
    return figure


def families():
    """Three families of meta-learners: what each has learned before the task, and what it does with the support."""
    figure, ax = _page(120, 62, size=11)
    for x, name, learned, does in (
            (20, "metric", "learned: features", "new task: take the class\nof the nearest prototype"),
            (60, "optimisation", "learned: a start", "new task: a few steps\nof gradient descent"),
            (100, "black box", "learned: to read a support", "new task: the support\nis an input")):
        _text(ax, x, 58.5, name, size=20)
        _text(ax, x, 52.5, learned, D)
        _text(ax, x, 5, does)
    for x, y, colour in ((11, 36, DATA), (29, 40, G), (22, 18, METHODS["Reptile"])):
        for dx, dy in ((-3, 1), (1, 3), (3, -2), (-1, -3)):
            ax.plot(x + dx, y + dy, "o", color=colour, markersize=7, alpha=0.6)
        ax.plot(x, y, "*", color=colour, markersize=24, markeredgecolor=INK)
    ax.plot(15, 27, "s", color=INK, markersize=11)
    _text(ax, 9, 24, "query", size=14)
    _arrow(ax, (15, 28), (11.8, 34), INK)
    for x, y, colour, name in ((48, 40, DATA, "task 1"), (72, 41, G, "task 2"), (62, 16, METHODS["Reptile"], "task 3")):
        _arrow(ax, (60, 31), (x, y), colour)
        _text(ax, x, y + (3 if y > 20 else -3), name, colour, size=14)
    ax.plot(60, 31, "o", color=D, markersize=14)
    _text(ax, 55, 27.5, "start", D, size=14)
    _box(ax, 100, 30, "network", D, width=22, height=12)
    _arrow(ax, (93, 45), (97, 36.5))
    _text(ax, 90, 47, "support", size=14)
    _arrow(ax, (108, 45), (103, 36.5))
    _text(ax, 110, 47, "query", size=14)
    _arrow(ax, (100, 23.5), (100, 16))
    _text(ax, 100, 13.5, "label of the query", size=14)
    for x in (40, 80):
        ax.plot([x, x], [2, 60], color="#CCCCCC", linewidth=1)
    return figure


def maml():
    """MAML: an inner loop adapts a copy to each task; the outer loop moves the start by what the queries say."""
    figure, ax = _page(100, 66)
    ax.set_ylim(-6, 60)
    _box(ax, 12, 31, "start\nθ", D, width=16, height=14)
    for i, y in enumerate((48, 31, 14)):
        _arrow(ax, (20.5, 31 + (y - 31) * 0.3), (41.5, y))
        _box(ax, 52, y, f"θ′ of task {i + 1}", width=20, height=9, size=15, fill=False)
        _arrow(ax, (62.5, y), (74, y))
        _text(ax, 86, y, f"query loss\nof task {i + 1}", size=15)
    _text(ax, 37, 57.5, "inner loop: a few steps down the support loss of each task")
    _arrow(ax, (84, 9), (14, 23), D, bend=-0.22, dashed=True)
    _text(ax, 50, -1.5, "outer loop: move θ down the mean query loss", D)
    return figure


def pairs():
    """What G(z, x, task) gets, and the three kinds of pairs that D tells apart."""
    figure, ax = _page(100, 66)
    _text(ax, 3, 63, "G draws", G, ha="left", size=18)
    for y, what in ((57, "noise z"), (51, "example"), (45, "task: all examples")):
        _text(ax, 31 if y != 51 else 26, y, what, ha="right")
        _arrow(ax, (32, y), (45, 51 + (y - 51) * 0.35))
    _letter(ax, 29.3, 51.2, "β", 0, size=24)
    _box(ax, 53, 51, "G", G, width=14, height=11)
    _arrow(ax, (60.5, 51), (72, 51))
    _letter(ax, 77, 51, "β", 3, G, size=30)
    _text(ax, 90, 51, "a new\ndrawing", G)
    ax.plot([2, 98], [38, 38], color="#CCCCCC", linewidth=1)
    _text(ax, 3, 34, "D judges pairs", D, ha="left", size=18)
    for y, (letter, hand, colour), what, verdict in (
            (27, ("β", 4, INK), "a real drawing of the same class", "real"),
            (16, ("β", 3, G), "a drawing by G", "fake"),
            (5, ("δ", 1, INK), "a real drawing of another class", "fake")):
        _letter(ax, 6, y, "β", 0, size=26)
        _text(ax, 12, y, "with")
        _letter(ax, 19, y, letter, hand, colour, size=26)
        _text(ax, 25, y, what, ha="left", size=15)
        _arrow(ax, (74, y), (84, y))
        _text(ax, 92, y, verdict, DATA if verdict == "real" else G, size=17)
    return figure


def placements():
    """Where generated drawings can enter: the support or the queries, in training or at test time."""
    figure, ax = _page(100, 58)
    for x, title, where in ((24, "training", "real classes, seen"), (76, "test", "a new alphabet")):
        _text(ax, x, 55, title, size=19)
        _text(ax, x, 50, where, GREY, size=15)
        for y, name in ((38, "support"), (22, "queries")):
            _box(ax, x, y, name, D, width=22, height=10, fill=False)
    _arrow(ax, (38, 30), (62, 30))
    _text(ax, 50, 33.5, "meta-learner")
    for number, x, y, start in ((1, 13, 38, (4, 44)), (2, 13, 22, (4, 16)), (3, 87, 38, (96, 44)),
                                (4, 87, 22, (96, 16))):
        _arrow(ax, start, (x, y + math.copysign(2, start[1] - y)), G)
        ax.plot(*start, "o", color=G, markersize=25)
        _text(ax, *start, str(number), "white", size=15)
    for y, x, words in ((9, 3, "1  more examples to learn from\n2  more questions to learn from"),
                        (9, 54, "3  more examples of the new class\n4  copies of a query, averaged")):
        _text(ax, x, y, words, G, ha="left", size=14)
    return figure
