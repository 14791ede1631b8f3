"""Nuisance taken out: where a drawing lies, and how large it is. What is left is nearer to the character.

Images are [..., H, W] in [0, 1], bright ink. The ink is taken for a density, whose moments say where it lies (the mean)
and how far it spreads (the standard deviation, across and down). Source: Casey 1970, "Moment normalization of
handprinted characters".
"""

import torch
from torch.nn.functional import affine_grid, grid_sample


def moments(x):
    """The mean and the standard deviation of the ink of images x [B, H, W], each [B, 2]: across and down.

    The mean runs from -1 to 1 (border to border), and the deviation is in the same units. Without ink: 0 and 0.
    """
    ink = [x.sum(1), x.sum(2)]                                                              # [B, W], [B, H]
    places = [(2 * torch.arange(i.shape[1], dtype=x.dtype, device=x.device) + 1) / i.shape[1] - 1 for i in ink]
    total = x.sum((1, 2)).clamp(min=1e-6)
    mean = torch.stack([i @ p / total for i, p in zip(ink, places)], dim=1)
    square = torch.stack([i @ p.square() / total for i, p in zip(ink, places)], dim=1)
    return mean, (square - mean.square()).clamp(min=0).sqrt()


def centred(x):
    """Images x [..., H, W] with the mean of their ink moved to the middle. Nothing else changes."""
    return _framed(x, torch.ones_like)


def normalised(x, *, widths=2.2, correction=0.5):
    """Images x [..., H, W], centred and scaled so that `widths` standard deviations of the ink reach the border.

    correction: how much of the difference in spread across and down is taken out: 0 keeps the proportions, 1 makes the
    two equal. With a half of it, a bar stays a bar, while tall and broad ways to write a letter come nearer.
    """
    def half_frame(spread):
        return widths * spread ** correction * spread.prod(1, keepdim=True) ** ((1 - correction) / 2)
    return _framed(x, half_frame)


def _framed(x, half_frame):
    """What a frame around the mean of the ink shows of x; half_frame: of the spread [B, 2], half its size [B, 2]."""
    flat = x.reshape(-1, *x.shape[-2:])
    mean, spread = moments(flat)
    frame = torch.cat([torch.diag_embed(half_frame(spread.clamp(min=0.04))), mean[:, :, None]], dim=2)      # [B, 2, 3]
    flat = flat[:, None]
    return grid_sample(flat, affine_grid(frame, flat.shape, align_corners=False), align_corners=False).view_as(x)
