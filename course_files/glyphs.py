"""A handwriting simulator: the data set of this course that needs no download.

It stands in for Omniglot, and borrows from Lake, Salakhutdinov & Tenenbaum (Science 2015) the view that a character is
not a picture but a *program* that moves a pen. An alphabet owns a few pen strokes and habits of joining them; a
character is a program of one to four of these strokes; a drawer executes it in a personal style, never twice alike; the
pen leaves a 5-pixel-wide line on Omniglot's 105 x 105 canvas, which is shrunk to 28 x 28. Alphabets and characters use
integers only, so they are the same on every machine. Drawing is a known random process: call `draw` again, and you have
fresh samples of the true same-class distribution.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F

from .pictures import to_28

CANVAS, STYLE = 105, 8  # pixels, as in Omniglot; numbers that describe a drawer
WORDS, HABITS = 6, 4  # strokes in an alphabet's vocabulary, and ways in which it joins them
STROKES, POINTS = 4, 7  # strokes in a character, at most; control points of a stroke

# Sixteen compass directions in integers (x right, y down), about 16 units long.
COMPASS = torch.tensor([(16, 0), (15, 6), (11, 11), (6, 15), (0, 16), (-6, 15), (-11, 11), (-15, 6),
                        (-16, 0), (-15, -6), (-11, -11), (-6, -15), (0, -16), (6, -15), (11, -11), (15, -6)])

# A stroke is walked like a turtle: six equal steps and, between them, five turns in sixteenths of a
# full circle. A row is a family of strokes; its turns are multiplied by a tightness of 1 or 2.
FAMILIES = torch.tensor([
    (0, 0, 0, 0, 0), (0, 0, 0, 0, 0), (0, 0, 0, 0, 0), (1, 1, 1, 1, 1), (1, 1, 1, 1, 1),  # lines (frequent); arcs
    (0, 0, 0, 1, 2), (0, 0, 0, 2, 2), (3, 0, 0, 0, 0), (0, 0, 2, 0, 0), (0, 0, 3, 0, 0),  # hooks, corners
    (3, 3, 3, 2, 3), (3, 2, 3, 3, 2), (1, 1, 0, -1, -1), (2, 1, 0, -1, -2),  # loops, S
    (0, 3, 0, -3, 0), (2, 2, -4, 2, 2), (1, 2, 2, 3, 3), (3, 3, 3, 1, 0),  # zigzag, bow, spiral, tailed loop
])

# Where a stroke usually starts to go (a quarter circle is 4), and how strokes join: control point 0
# (start), 3 (middle) or 6 (end) of an earlier stroke meets one of the new stroke.
HEADINGS = torch.tensor([4, 4, 4, 4, 0, 0, 0, 2, 6, 12, 14])
JOINTS = torch.tensor([(0, 0), (0, 0), (6, 0), (6, 0), (6, 6), (0, 6), (3, 0), (3, 0), (3, 3), (2, 0), (4, 0),
                       (1, 3), (5, 3), (2, 6)])


class Programs(NamedTuple):
    """C characters as motor programs; every tensor is int64 on the CPU."""

    points: torch.Tensor  # [C, STROKES, POINTS, 2] control points (x, y), pixels from the centre of the canvas
    n_strokes: torch.Tensor  # [C] strokes of the character; the rest of `points` is not drawn
    corners: torch.Tensor  # [C] 0 (round) .. 3 (angular) way of passing through control points
    alphabet: torch.Tensor  # [C] index of the character's alphabet


def programs(seed=0, *, n_alphabets=50, n_characters=25):
    """Invent alphabets of `n_characters` characters each: `Programs`. Raises ValueError where so many are not found."""
    rng = torch.Generator().manual_seed(seed)
    alphabets = [_alphabet(rng, n_characters) for _ in range(n_alphabets)]
    fields = map(torch.cat, zip(*alphabets, strict=True))
    return Programs(*fields, torch.arange(n_alphabets).repeat_interleave(n_characters))


def take(programs, index):
    """The characters at `index` (int64 or bool), as programs of their own."""
    return Programs(*(field[index] for field in programs))


def _integers(rng, low, high, *shape):
    return torch.randint(low, high + 1, shape, generator=rng)


def _vocabulary(rng):
    """An alphabet's strokes, as steps of the turtle: [WORDS, POINTS - 1, 2]."""
    family = FAMILIES[_integers(rng, 0, len(FAMILIES) - 1, WORDS)]
    tightness = torch.where(family.abs().sum(1) > 7, 1, _integers(rng, 1, 2, WORDS))
    mirror = 1 - 2 * _integers(rng, 0, 1, WORDS)
    turns = family * (tightness * mirror)[:, None]
    start = HEADINGS[_integers(rng, 0, len(HEADINGS) - 1, WORDS)]
    return COMPASS[(start[:, None] + F.pad(turns.cumsum(1), (1, 0))) % 16]


def _alphabet(rng, n_characters, attempts=20):
    """The first `n_characters` legible and distinct ones among many that follow one alphabet's habits."""
    n = 8 * n_characters
    for _ in range(attempts):  # now and then a vocabulary is too poor, and another one is invented
        steps = _vocabulary(rng)
        joints = JOINTS[_integers(rng, 0, len(JOINTS) - 1, HABITS)]
        gaps = COMPASS[_integers(rng, 0, 15, HABITS)] * _integers(rng, -8, 8, HABITS, 1).clamp(min=0)
        busy, corners = _integers(rng, 2, 3, 1), _integers(rng, 0, 3, 1)
        n_strokes = (busy + _integers(rng, -1, 1, n)).clamp(1, STROKES)
        points = _compose(rng, steps, joints, gaps, n)
        points = _fit(points, n_strokes, _integers(rng, 24, 64, n), _integers(rng, 40, 66, n))
        kept = _distinct(points, n_strokes, _uncrowded_first(points, n_strokes), n_characters)
        if len(kept) == n_characters:
            return points[kept], n_strokes[kept], corners.expand(n)[kept]
    raise ValueError(f"found no alphabet of {n_characters} distinct characters. Use n_characters<=50.")


def _compose(rng, steps, joints, gaps, n):
    """Join random strokes of the vocabulary one after the other: [n, STROKES, POINTS, 2]."""
    every, strokes = torch.arange(n), []
    for s in range(STROKES):
        walk = steps[_integers(rng, 0, WORDS - 1, n)] * _integers(rng, 2, 5, n, 1, 1)
        stroke = F.pad(walk.cumsum(1), (0, 0, 1, 0))  # [n, POINTS, 2]
        if s:
            habit = _integers(rng, 0, len(joints) - 1, n)
            joint, gap = joints[habit], gaps[habit]
            earlier = torch.stack(strokes, 1)[every, _integers(rng, 0, s - 1, n)]
            stroke = stroke + (earlier[every, joint[:, 0]] - stroke[every, joint[:, 1]] + gap)[:, None]
        strokes.append(stroke)
    return torch.stack(strokes, 1)


def _fit(points, n_strokes, width, height):
    """Centre a character and scale it to `width` x `height` pixels, stretching it at most twofold."""
    used = (torch.arange(STROKES) < n_strokes[:, None])[..., None, None]
    low = torch.where(used, points, 10**6).amin((1, 2))  # [n, 2]
    high = torch.where(used, points, -(10**6)).amax((1, 2))
    scale = 1024 * torch.stack([width, height], -1) // (high - low).clamp(min=1)
    scale = torch.minimum(scale, 2 * scale.amin(-1, keepdim=True))[:, None, None]
    return torch.where(used, (2 * points - (low + high)[:, None, None]) * scale // 2048, 0)


def _uncrowded_first(points, n_strokes, room=9, most=3):
    """The order of the characters in which those with strokes too close to each other come last: [n]."""
    dots, order = points.flatten(1, 2), torch.arange(STROKES * POINTS)
    close = (dots[:, :, None] - dots[:, None]).abs().amax(-1) < room  # [n, STROKES * POINTS, same]
    close &= (order < n_strokes[:, None] * POINTS)[:, :, None] & (order[:, None] > order + 1)  # each pair once
    crowded = close.sum((1, 2)) > most * (n_strokes - 1) + 1
    return crowded.long().argsort(stable=True)


def _distinct(points, n_strokes, order, n_characters, least=14):
    """Up to `n_characters` indices, in this order: any two have a point `least` (city-block) from the other."""
    used = (torch.arange(STROKES) < n_strokes[:, None])[..., None, None]
    dots = torch.where(used, points, points[:, :1]).flatten(1, 2).float()  # what is not drawn repeats the first stroke
    kept = []
    for i in order.tolist():
        gap = torch.cdist(dots[kept], dots[i], p=1)  # [kept, n dots, n dots]
        farthest = torch.maximum(gap.amin(1).amax(1), gap.amin(2).amax(1))  # Hausdorff distance
        if (farthest >= least).all():
            kept.append(i)
        if len(kept) == n_characters:
            break
    return torch.tensor(kept)


def draw(programs, n_drawers, rng):
    """Let `n_drawers` new people write the characters: uint8 [C, n_drawers, 1, 28, 28], bright ink, 0..255.

    Drawer d of an alphabet has one style for all its characters. Another rng brings other people.
    """
    _, row = programs.alphabet.unique(return_inverse=True)
    style = torch.randn(int(row.max()) + 1, n_drawers, STYLE, generator=rng)
    parts = zip(*(field.split(50) for field in programs._replace(alphabet=row)))  # 50 characters at a time
    return torch.cat([_execute(part, style[part.alphabet], rng) for part in map(Programs._make, parts)])


def _execute(part, style, rng):
    """One noisy execution per character and drawer; style [C, D, STYLE] ~ N(0, 1) -> uint8 [C, D, 1, 28, 28]."""
    def noise(*shape):
        return torch.randn(*style.shape[:2], *shape, generator=rng)

    slant, turn, roundness, sloppiness, size, place = style.split([1, 1, 1, 1, 2, 2], -1)  # [C, D, 1 or 2]
    sloppiness = (0.35 * sloppiness + 0.25 * noise(1)).exp()[..., None, None]  # [C, D, 1, 1, 1]
    points = _misplace(part.points[:, None].float(), sloppiness, noise)
    slant, turn = (0.12 * slant + 0.05 * noise(1))[..., None], (0.05 * turn + 0.03 * noise(1))[..., None]
    affine = torch.eye(2) + slant * torch.tensor([[0, 0], [-1, 0]]) + turn * torch.tensor([[0, 1], [-1, 0]])
    affine = affine * (0.06 * size + 0.04 * noise(2)).exp()[..., None, :]  # [C, D, 2, 2]
    centre = torch.tensor([50.0, 51.0]) + 4 * place + 3.5 * noise(2)
    points = points @ affine[:, :, None] + centre[:, :, None, None]
    smooth = (1.1 - part.corners[:, None, None] / 4 + 0.3 * roundness).clamp(0, 1)
    path = _curve(points, smooth[..., None, None])
    used = torch.arange(STROKES) < part.n_strokes[:, None]
    return to_28(_ink(path, used)).unflatten(0, style.shape[:2])[:, :, None]


def _misplace(points, sloppiness, noise):
    """Move, stretch and turn each stroke a little, and each of its points: [C, D, STROKES, POINTS, 2], pixels."""
    middle = points.mean(-2, keepdim=True)
    bend = torch.eye(2) + 0.12 * sloppiness * noise(STROKES, 2, 2)
    shift = 2.8 * noise(STROKES, 1, 2) + 0.9 * noise(STROKES, POINTS, 2)
    return middle + (points - middle) @ bend + sloppiness * shift


def _curve(points, smooth, n_steps=14):
    """From control points [..., POINTS, 2], a path [..., (POINTS - 1) * n_steps + 1, 2].

    smooth 0 joins the points by straight lines, smooth 1 by a Catmull-Rom spline (Catmull & Rom, 1974).
    """
    t = torch.arange(n_steps)[:, None] / n_steps  # [n_steps, 1]
    padded = torch.cat([points[..., :1, :], points, points[..., -1:, :]], -2)
    slope = (padded[..., 2:, :] - padded[..., :-2, :]) / 2
    a, b = points[..., :-1, None, :], points[..., 1:, None, :]
    u, v = slope[..., :-1, None, :], slope[..., 1:, None, :]
    line = a + t * (b - a)
    curve = (1 + 2 * t) * (1 - t)**2 * a + t * (1 - t)**2 * u + t**2 * (3 - 2 * t) * b - t**2 * (1 - t) * v
    path = line + smooth[..., None] * (curve - line)
    return torch.cat([path.flatten(-3, -2), points[..., -1:, :]], -2)


def _ink(path, used):
    """Ink left by a round pen, 5 pixels wide: path [C, D, STROKES, T, 2] -> bool [C * D, CANVAS, CANVAS]."""
    n_characters, n_drawers = path.shape[:2]
    column, row = path.round().long().unbind(-1)  # [C, D, STROKES, T]
    inside = (row >= 0) & (row < CANVAS) & (column >= 0) & (column < CANVAS) & used[:, None, :, None]
    drawing = torch.arange(n_characters * n_drawers).view(n_characters, n_drawers, 1, 1)
    spot = (drawing * CANVAS + row) * CANVAS + column
    canvas = torch.zeros(n_characters * n_drawers * CANVAS * CANVAS, dtype=torch.bool)
    canvas[spot[inside]] = True
    p = F.pad(canvas.view(-1, CANVAS, CANVAS), (2, 2, 2, 2))  # each inked pixel becomes a 5 x 5 square without corners
    narrow = p[:, :, 1:-3] | p[:, :, 2:-2] | p[:, :, 3:-1]
    broad = narrow | p[:, :, :-4] | p[:, :, 4:]
    return narrow[:, :-4] | broad[:, 1:-3] | broad[:, 2:-2] | broad[:, 3:-1] | narrow[:, 4:]


def make(seed=0):
    """The whole data set: images uint8 [C, 20, 1, 28, 28] and, for each class, its alphabet and its name."""
    characters = programs(seed)
    images = draw(characters, 20, torch.Generator().manual_seed(seed))
    alphabets = [f"Glyph-{a:02d}" for a in characters.alphabet.tolist()]
    number = torch.arange(len(images)) - torch.searchsorted(characters.alphabet, characters.alphabet)
    return images, tuple(alphabets), tuple(f"character{n + 1:02d}" for n in number.tolist())


def split(classes):
    """The first 35 alphabets train, the next 5 validate, the rest test."""
    numbers = [int(alphabet.split("-")[-1]) for alphabet in classes.alphabets]
    return ["train" if number < 35 else "val" if number < 40 else "test" for number in numbers]
