"""A generator of movements: each stroke of a drawing is moved and bent on its own, and drawn by a pen.

The strokes are those that people made (Lake et al. 2015 published them with the images; BPL learned from them too). A
warp of the image bends all ink of a place alike, so that it cannot move one stroke against another. This generator can.
G(z, example, task, strokes) sees the example, and says how its strokes are to be made; D(image, example, task) judges
pictures drawn by the same pen, from strokes of another person or from G's.

New classes, as in BPL: a character that nobody drew has strokes of two characters of one alphabet. Each of its drawings
joins strokes of one drawing of each, in the order in which drawings were kept. The two are often, and not always, by
one person. Which strokes belong together is found by the Hungarian algorithm.
"""

import re
import zipfile
from typing import NamedTuple

import numpy
import torch
from scipy.optimize import linear_sum_assignment
from torch import nn

from course_lib import checkpoints, datasets, gan, losses, networks, pairs, runtime
from course_lib.datasets import ImageClasses

MOST, POINTS, PEN = 4, 14, 3.6 / 105        # strokes of a drawing, points of a stroke, half the pen's width


class Strokes(NamedTuple):
    """C characters by M drawers, each drawing in a frame from -1 to 1 around its own ink, as normalised images are."""

    points: torch.Tensor        # [C, M, MOST, POINTS, 2], across and down
    drawn: torch.Tensor         # [C, M, MOST] 1 where there is a stroke
    pen: torch.Tensor           # [C, M] half the pen's width
    alphabets: tuple            # C strings


def read(alphabets, part="strokes_background_small1"):
    """`Strokes` of these alphabets: 15 drawings of each character that has so many with at most MOST strokes."""
    path, found = datasets.data_root() / "omniglot" / f"{part}.zip", {}
    with zipfile.ZipFile(path) as zipped:
        for name in sorted(zipped.namelist()):
            match = re.fullmatch(rf"{part}/([^/]+)/(character\d+)/\d+_\d+\.txt", name)
            if match and match[1] in alphabets:
                strokes = _strokes(zipped.read(name).decode("utf-8"))
                if strokes is not None:
                    found.setdefault(match.groups(), []).append(strokes)
    kept = {key: drawings[:15] for key, drawings in found.items() if len(drawings) >= 15}
    points = torch.stack([torch.stack([points for points, _ in drawings]) for drawings in kept.values()])
    drawn = torch.stack([torch.stack([drawn for _, drawn in drawings]) for drawings in kept.values()])
    return framed(points, drawn, torch.full(drawn.shape[:2], PEN), tuple(alphabet for alphabet, _ in kept))


def _strokes(text):
    """(points [MOST, POINTS, 2] on a sheet from -1 to 1, drawn [MOST]) of one file; None for more strokes."""
    parts = [[line.split(",")[:2] for line in part.split() if "," in line] for part in text.split("BREAK")]
    parts = [numpy.array(part, dtype=float) for part in parts if part]
    if not 0 < len(parts) <= MOST:
        return None
    points, drawn = torch.zeros(MOST, POINTS, 2), torch.zeros(MOST)
    for i, part in enumerate(parts):
        way = numpy.concatenate([[0], numpy.hypot(*numpy.diff(part, axis=0).T).cumsum()])
        places = numpy.linspace(0, way[-1], POINTS)
        across, up = (numpy.interp(places, way, part[:, axis]) for axis in (0, 1))
        points[i] = torch.tensor(numpy.stack([across, -up], axis=1)) / 52.5 - 1
        drawn[i] = 1
    return points, drawn


def framed(points, drawn, pen, alphabets=()):
    """`Strokes` in the frame of their lines' moments, as `normalisation.normalised` takes the frame of the ink's."""
    middle = (points[..., 1:, :] + points[..., :-1, :]) / 2                                     # [..., S, P-1, 2]
    length = ((points[..., 1:, :] - points[..., :-1, :]).square().sum(-1) + 1e-8).sqrt()
    weight = ((length + 1e-3) * drawn[..., None])[..., None]
    mean = (weight * middle).sum((-3, -2)) / weight.sum((-3, -2))                               # [..., 2]
    spread = ((weight * (middle - mean[..., None, None, :]).square()).sum((-3, -2)) / weight.sum((-3, -2))).sqrt()
    spread = spread.clamp(min=0.04)
    half = 2.2 * spread.sqrt() * spread.prod(-1, keepdim=True) ** 0.25
    points = (points - mean[..., None, None, :]) / half[..., None, None, :]
    return Strokes(points, drawn, pen / half.prod(-1).sqrt(), alphabets)


def picture(points, drawn, pen, size=28):
    """Images [B, 1, size, size] of strokes [B, S, P, 2], drawn [B, S], by pens of half the width pen [B].

    Ink fades with the distance to the nearest line, over two pixels: differentiable in points and pen.
    """
    place = (2 * torch.arange(size, device=points.device) + 1) / size - 1
    pixel = torch.stack(torch.meshgrid(place, place, indexing="xy"), dim=-1).view(-1, 2)        # [size*size, 2]
    start, way = (part.flatten(1, 2) for part in (points[..., :-1, :], points[..., 1:, :] - points[..., :-1, :]))
    length = way.square().sum(-1, keepdim=True) + 1e-6                                          # [B, L, 1], squared
    along = way @ pixel.T - (start * way).sum(-1, keepdim=True)                                 # [B, L, size*size]
    least = (along / length).detach().clamp(0, 1)       # the nearest place of the line: there the slope of it is 0
    square = pixel.square().sum(1) - 2 * start @ pixel.T + start.square().sum(-1, keepdim=True)
    square = square - 2 * least * along + least.square() * length
    absent = 1e3 * (1 - drawn).repeat_interleave(points.shape[2] - 1, dim=1)[:, :, None]
    distance = ((square + absent).amin(1).clamp(min=0) + 1e-6).sqrt()
    return ((pen[:, None] - distance) * size / 4 + 0.5).clamp(0, 1).view(-1, 1, size, size)


def world(strokes):
    """The characters as drawn by the pen: `ImageClasses`."""
    images = torch.stack([picture(*parts) for parts in zip(*strokes[:3])])
    return ImageClasses((255 * images).round().to(torch.uint8), strokes.alphabets,
                        tuple(str(i) for i in range(len(images))))


class StrokeGenerator(networks.WarpGenerator):
    """z, x, task as for `WarpGenerator`; points, drawn, pen of x -> images: its strokes, each moved and bent."""

    def __init__(self):
        super().__init__()
        self.layers[-1] = nn.Linear(self.layers[-1].in_features, 7 + MOST * 10)

    def moved(self, z, x, task, points, drawn, pen):
        """The strokes as G makes them: points, drawn, pen."""
        whole, each = self.layers(self.condition(z, x, task)).split([7, MOST * 10], dim=1)
        each = each.view(-1, MOST, 10)
        centre = points.mean(2, keepdim=True)                                                   # [B, S, 1, 2]
        t = torch.linspace(0, torch.pi, POINTS, device=z.device)
        waves = torch.stack([t.sin(), (2 * t).sin()])                                          # [2, P]
        bend = torch.einsum("bskj,kp->bspj", each[..., 6:].unflatten(2, (2, 2)), waves)
        turn, turn_all = (torch.eye(2) + 0.2 * part[..., :4].unflatten(2, (2, 2)) for part in (each, whole[:, None]))
        points = centre + (points - centre) @ turn + 0.1 * (each[..., None, 4:6] + bend)
        points = points @ turn_all + 0.1 * whole[:, None, None, 4:6]
        return points, drawn, pen * (0.5 * whole[:, 6]).exp()

    def forward(self, z, x, task, *strokes):
        return picture(*self.moved(z, x, task, *strokes))


class Judge(networks.PairDiscriminator):
    """A `PairDiscriminator` that does not look at the strokes."""

    def forward(self, image, x, task, *strokes):
        return super().forward(image, x, task)


def pairs_of(strokes, n_tasks=4, n_way=12):
    """A `draw` for `gan.fit`, as `pairs.sampler`; the condition has the strokes of the example too."""
    names, pictures = sorted(set(strokes.alphabets)), torch.stack([picture(*parts) for parts in zip(*strokes[:3])])

    def draw(rng):
        rows, drawers = [], []
        for _ in range(n_tasks):
            alphabet = names[int(torch.randint(len(names), (), generator=rng))]
            members = torch.tensor([i for i, name in enumerate(strokes.alphabets) if name == alphabet])
            rows.append(members[torch.randperm(len(members), generator=rng)[:n_way]])
            drawers.append(torch.stack([torch.randperm(strokes.pen.shape[1], generator=rng)[:2] for _ in range(n_way)]))
        rows, drawers = torch.cat(rows), torch.cat(drawers)
        real, x = (pictures[rows, drawers[:, i]] for i in (0, 1))
        return (real, x[:, None], x.view(n_tasks, n_way, *x.shape[1:]),
                *(part[rows, drawers[:, 1]] for part in strokes[:3]))
    return draw


def train_generator(strokes, *, n_steps, seed, path):
    """Train a `StrokeGenerator` against a `Judge`; its state goes to `path`."""
    runtime.seed_everything(seed)
    trained = gan.fit(StrokeGenerator(), Judge(), pairs_of(strokes), n_steps=n_steps, loss=losses.NON_SATURATING,
                      penalty=pairs.PENALTY, lr=(2e-4, 4e-4), betas=(0.0, 0.99), ema=0.998, rng=runtime.rng(seed),
                      path=path.with_suffix(".part"))
    checkpoints.save(path, trained.G.state_dict())


def matched(strokes):
    """The strokes of each character in the order of its first drawer with as many strokes as most have.

    Drawers with another number of strokes are left out, and of each character as many as any has, at least eight.
    Returns a list over characters of (points [M, n, P, 2], pen [M], alphabet).
    """
    found = []
    for points, drawn, pen, alphabet in zip(*strokes):
        count = drawn.sum(1).int()
        n = int(count.mode().values)
        rows = (count == n).nonzero().flatten()
        if len(rows) < 8:
            continue
        given, first = points[rows, :n], points[rows[0], :n]
        both = torch.stack([given, given.flip(2)])                                              # [2, M, n, P, 2]
        apart = (both[:, :, None] - first[:, None]).square().sum((-2, -1))                      # [2, M, n of first, n]
        apart, turned = apart.min(0)
        ordered = []
        for i in range(len(rows)):
            one, other = linear_sum_assignment(apart[i].numpy())
            ordered.append(both[turned[i, one, other], i, other])
        found.append((torch.stack(ordered), pen[rows], alphabet))
    return found


def new_characters(strokes, n, rng, n_drawers=8):
    """`Strokes` of n characters that nobody drew: some strokes of one and some of another, of one alphabet."""
    by_alphabet, made = {}, []
    for points, pen, alphabet in matched(strokes):
        by_alphabet.setdefault(alphabet, []).append((points[:n_drawers], pen[:n_drawers]))
    names = sorted(by_alphabet)
    while len(made) < n:
        alphabet = names[int(torch.randint(len(names), (), generator=rng))]
        members = by_alphabet[alphabet]
        a, b = (members[i] for i in torch.randperm(len(members), generator=rng)[:2])
        some = [part[0][:, torch.randperm(part[0].shape[1], generator=rng)[:1 + int(torch.randint(
            max(1, part[0].shape[1] - 1), (), generator=rng))]] for part in (a, b)]
        points = torch.cat(some, dim=1)[:, :MOST]
        whole = torch.zeros(n_drawers, MOST, POINTS, 2)
        whole[:, :points.shape[1]] = points
        drawn = (torch.arange(MOST) < points.shape[1]).float().expand(n_drawers, MOST)
        made.append((*framed(whole, drawn, a[1])[:3], alphabet))
    points, drawn, pen, alphabets = zip(*made)
    return Strokes(*(torch.stack(part) for part in (points, drawn, pen)), alphabets)


@torch.no_grad()
def by_G(G, strokes, n_each, rng):
    """`Strokes` made anew by G: of each character n_each drawings, each from another of its drawings in turn."""
    made = []
    for points, drawn, pen in zip(*strokes[:3]):
        rows = torch.arange(n_each) % len(pen)
        given = points[rows], drawn[rows], pen[rows]
        x = picture(*given)
        made.append(framed(*G.moved(gan.noise(G, n_each, rng), x[:, None], x[None], *given))[:3])
    return Strokes(*(torch.stack(part) for part in zip(*made)), strokes.alphabets)
