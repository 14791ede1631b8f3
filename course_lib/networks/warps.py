"""A drawing moved, bent and drawn with another stroke width."""

import torch
from torch.nn.functional import affine_grid, grid_sample, interpolate, max_pool2d


def warp(x, affine, field, stroke_width):
    """Images x [B, 1, H, W] moved, bent and drawn with another stroke width; differentiable in everything.

    affine [B, 2, 3]: added to the identity map from places in the result to places in x (both run from -1 to 1).
    field [B, 2, g, g]: further shifts in pixels at g x g points, made smooth by bicubic interpolation.
    stroke_width [B] from -1 to 1: towards the thinnest (minimum) or the thickest stroke (maximum over 3 x 3 pixels).
    Places outside x are empty. Source: Jaderberg et al. 2015, "Spatial transformer networks", for the sampling.
    """
    size = x.shape[2:]
    identity = torch.eye(2, 3, dtype=x.dtype, device=x.device)
    places = affine_grid(identity + affine, x.shape, align_corners=False)                       # [B, H, W, 2]
    shifts = interpolate(field, size=size, mode="bicubic", align_corners=True).movedim(1, 3)    # [B, H, W, 2] in pixels
    moved = grid_sample(x, places + 2 * shifts / torch.tensor(size[::-1], device=x.device), align_corners=False)
    thick, thin, width = max_pool2d(moved, 3, 1, 1), -max_pool2d(-moved, 3, 1, 1), stroke_width[:, None, None, None]
    return moved + width.relu() * (thick - moved) + (-width).relu() * (thin - moved)
