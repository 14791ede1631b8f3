"""Pictures: large enough for a projector, in colours that everyone can tell apart."""

import base64
import io

import matplotlib.pyplot as plt
import torch
from matplotlib import font_manager
from matplotlib.ticker import LogFormatter
from PIL import Image

from course_files.writing import atomic_path
from course_lib.runtime import output_dir

# Okabe & Ito 2008: eight colours that stay distinct with any colour vision.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")

BLUE, VERMILLION, GREEN, PINK, ORANGE, SKY, BLACK, _ = COLOURS
METHODS = {     # one colour for each method, in every notebook: arms and players first, then learners
    "none": "#666666", "classical": BLUE, "GAN": VERMILLION, "real": GREEN, "regression": PINK, "flow": ORANGE,
    "G": VERMILLION, "D": BLUE, "data": GREEN, "nearest": "#666666", "matching": SKY, "ProtoNet": BLACK,
    "MAML": BLUE, "FOMAML": SKY, "ANIL": PINK, "Reptile": ORANGE, "ridge": SKY, "RL²": BLACK}

# Asked in turn for characters that the one before lacks; matplotlib's own last one has a sign for every script.
FONTS = ("DejaVu Sans", "Noto Sans CJK JP", "Noto Sans CJK SC", "Hiragino Sans", "PingFang SC", "Apple SD Gothic Neo",
         "Yu Gothic", "Microsoft YaHei", "Malgun Gothic", "Arial Unicode MS", "Last Resort High-Efficiency")


def use_style():
    """Set matplotlib's defaults for the course: large text, thick lines, the colours above; `$` is a plain letter."""
    installed = {font.name for font in font_manager.fontManager.ttflist}
    plt.rcParams.update({"font.family": [name for name in FONTS if name in installed], "text.parse_math": False})
    plt.rcParams.update({"font.size": 14, "axes.titlesize": 16, "lines.linewidth": 2.5, "figure.dpi": 72,
                         "savefig.dpi": 150, "axes.spines.top": False, "axes.spines.right": False,
                         "axes.prop_cycle": plt.cycler(color=COLOURS), "figure.constrained_layout.use": True})
    _sharp_in_notebooks()


def show(ax, image, title=""):
    """Draw one image [1, H, W] or [H, W] as ink on paper (bright ink is shown dark), without axes."""
    image = torch.as_tensor(image).cpu()
    full = 1 if image.is_floating_point() else 255      # floats are in [0, 1], bytes in 0..255
    ax.imshow(image.reshape(image.shape[-2:]).float().numpy(), cmap="gray_r", vmin=0, vmax=full,
              interpolation="nearest")
    ax.set(xticks=[], yticks=[], title=title)
    ax.spines[:].set_visible(False)


def sheet(images, ax, title="", gap=2):
    """Draw images [R, K, 1, H, W] as one sheet: R rows (classes), K columns (drawings)."""
    rows, columns, _, height, width = images.shape
    page = torch.zeros(rows * (height + gap) - gap, columns * (width + gap) - gap, dtype=images.dtype)
    for r in range(rows):
        for k in range(columns):
            top, left = r * (height + gap), k * (width + gap)
            page[top:top + height, left:left + width] = images[r, k, 0]
    show(ax, page, title)


def episode(tasks, task=0, n_queries=10):
    """A figure of one task: the labelled support above, the first queries of every class below, shuffled.

    Returns (figure, labels of the queries shown): the labels are the answer, kept out of the picture.
    """
    support_x, support_y = tasks.support_x[task].cpu(), tasks.support_y[task]
    order = torch.randperm(len(tasks.query_y[task]), generator=torch.Generator().manual_seed(0))[:n_queries]
    columns = max(len(support_x), -(-n_queries // 2))
    figure = plt.figure(figsize=(1.7 * columns, 6.8))
    above, below = figure.subfigures(2, 1, height_ratios=(1.15, 2), hspace=0.04)
    above.set_facecolor("#E8F1F8")
    above.suptitle("support: one labelled example of each class" if len(support_x) == len(support_y.unique())
                   else "support: labelled examples", fontsize=15)
    below.suptitle("queries: which class is each?", fontsize=15)
    axes = [*above.subplots(1, columns, squeeze=False), *below.subplots(2, columns)]
    for ax in (ax for row in axes for ax in row):
        ax.axis("off")
    for ax, image, label in zip(axes[0], support_x, support_y.tolist()):
        show(ax, image, f"class {label}")
    for number, (ax, q) in enumerate(zip([*axes[1], *axes[2]], order.tolist())):
        show(ax, tasks.query_x[task, q], f"query {number}")
    return figure, tasks.query_y[task, order].tolist()


def png(figure):
    """The figure as bytes of a PNG file, 150 pixels an inch, in 256 colours: the same to the eye and far smaller.

    The numbers on a logarithmic axis are plain text, because matplotlib writes them as formulas, and those are off.
    """
    for axis in (axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)):
        if isinstance(axis.get_major_formatter(), LogFormatter):
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter(LogFormatter())
    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png")
    Image.open(drawn).convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE).save(small, format="png", optimize=True)
    return small.getvalue()


def save(figure, name):
    """Save `figure` as <output folder>/figures/<name>.png, for pages outside the notebook; returns the path."""
    path = output_dir() / "figures" / f"{name}.png"
    with atomic_path(path) as part:
        part.write_bytes(png(figure))
    return path


def _sharp_in_notebooks():
    """Where there is a notebook, show figures as `png` makes them: sharp on any screen, 72 points an inch wide."""
    import IPython

    if shell := IPython.get_ipython():
        plt.close(plt.figure())         # matplotlib sets its own way to show figures when it makes the first
        shell.display_formatter.formatters["image/png"].for_type(plt.Figure, lambda figure: (
            base64.b64encode(png(figure)).decode(), {"width": round(72 * figure.get_figwidth())}))
