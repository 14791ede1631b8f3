"""What augments an image: random warps, or a generator's copies.

An augmentation is a function (x [T, M, 1, H, W], rng, task=None) that returns an augmented copy of each image, in the
shape of x. task [T, S, 1, H, W] holds the support images of the T tasks. Without it, x is taken for them.
"""

import math
from typing import NamedTuple

import torch

from . import gan, networks


class Strength(NamedTuple):
    """Standard deviations of classical augmentation; `STRENGTH.times(0.5)` halves them all."""

    rotation: float = 12.0      # degrees
    shear: float = 0.15
    scale: float = 0.12         # of the logarithm, for width and height apart
    shift: float = 1.5          # pixels
    bend: float = 1.0           # pixels, at 4 x 4 points
    stroke_width: float = 0.3   # 1 is a stroke thicker by a pixel on either side, -1 one thinner

    def times(self, factor):
        return Strength(*(factor * value for value in self))


STRENGTH = Strength()


def classical(strength=STRENGTH):
    """The augmentation that needs no training: a random affine map, a smooth random bend, another stroke width.

    Source: Simard et al. 2003, "Best practices for convolutional neural networks", for the bends.
    """
    def augmentation(x, rng, task=None):
        flat = x.flatten(0, 1)

        def normal(*sizes):
            return torch.randn(len(flat), *sizes, device=x.device, generator=rng)

        affine = _affine(normal(6), strength, width=x.shape[-1])
        stroke_width = (strength.stroke_width * normal()).clamp(-1, 1)
        return networks.warp(flat, affine, strength.bend * normal(2, 4, 4), stroke_width).view_as(x)
    return augmentation


def _affine(normal, strength, *, width):
    """Rotation after shear and scale, and a shift, less the identity: [B, 2, 3] from standard normal [B, 6]."""
    turn, shear, wide, high, right, down = normal.unbind(1)
    angle = turn * math.radians(strength.rotation)
    cos, sin, shear = angle.cos(), angle.sin(), shear * strength.shear
    wide, high = (strength.scale * wide).exp(), (strength.scale * high).exp()
    shift = 2 * strength.shift / width * torch.stack([right, down], dim=1)[:, :, None]
    rows = torch.stack([cos * wide - 1, shear * cos - sin * high, sin * wide, shear * sin + cos * high - 1], dim=1)
    return torch.cat([rows.view(-1, 2, 2), shift], dim=2)


def generated(G):
    """The augmentation by a trained generator G(z, example, task): each image is the one example of its copy."""
    @torch.no_grad()
    def augmentation(x, rng, task=None):
        G.eval()
        z = gan.noise(G, x.shape[0] * x.shape[1], rng)
        return G(z, x.flatten(0, 1)[:, None], x if task is None else task).view_as(x)
    return augmentation


def chain(*augmentations):
    """One augmentation after another."""
    def augmentation(x, rng, task=None):
        task = x if task is None else task
        for each in augmentations:
            x = each(x, rng, task)
        return x
    return augmentation
