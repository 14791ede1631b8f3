"""Generators G(z, x, task) by flow: a learned velocity carries noise z to a sample, in a few steps of Euler's method.

Each has `target`, what the flow ends in, `velocity` and `carried`. x and task are those of `networks.examples`.
"""

import math

import torch
from torch import nn
from torch.nn.functional import silu

from .examples import FromExamples, apart, warp

N_WAVES = 8


def waves(t):
    """Times t [B] from 0 to 1 as sines and cosines of four frequencies: [B, N_WAVES]."""
    angle = math.pi * t[:, None] * 2 ** torch.arange(N_WAVES // 2, device=t.device)
    return torch.cat([angle.sin(), angle.cos()], dim=1)


class Flow(FromExamples):
    """What both flows share. Source: Lipman et al. 2023, "Flow matching for generative modeling"; Euler's method."""

    def __init__(self, z_dim, steps):
        super().__init__(0, task=True)
        self.z_dim, self.steps, self.n_inputs = z_dim, steps, self.n_condition + N_WAVES

    def carried(self, z, x, task):
        """z [B, z_dim] at t = 0, moved along the velocity to t = 1: [B, z_dim]."""
        condition = self.condition(z[:, :0], x, task)
        for step in range(self.steps):
            t = torch.full((len(z),), step / self.steps, device=z.device)
            z = z + self.velocity(z, t, x, condition) / self.steps
        return z


class WarpFlow(Flow):
    """z [B, 57] -> images [B, 1, 28, 28]: the first example, warped. The flow carries z to the settings of `warp`.

    mean, std [57]: of settings that carry one drawing to another of its character; set them before training.
    """

    def __init__(self, *, steps=16, width=256):
        super().__init__(57, steps)
        self.layers = nn.Sequential(nn.Linear(57 + self.n_inputs, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(),
                                    nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 57))
        self.register_buffer("mean", torch.zeros(57))
        self.register_buffer("std", torch.ones(57))

    def target(self, settings):
        return (settings - self.mean) / self.std

    def velocity(self, at, t, x, condition):
        return self.layers(torch.cat([at, waves(t), condition], dim=1))

    def settings(self, z, x, task):
        """affine [B, 2, 3], field [B, 2, 5, 5] and stroke_width [B], as `warp` takes them."""
        affine, field, stroke_width = apart(self.mean + self.std * self.carried(z, x, task))
        return affine, field, stroke_width.clamp(-1, 1)

    def forward(self, z, x, task):
        return warp(x[:, 0], *self.settings(z, x, task))


class PixelFlow(Flow):
    """z [B, 784] -> images [B, 1, 28, 28]: noise in every pixel becomes a drawing. The velocity is that of a U-Net.

    Its two pictures are where the flow is and the first example; time, examples and task join at 14 x 14 and 7 x 7.
    """

    def __init__(self, *, steps=8, width=32):
        super().__init__(28 * 28, steps)
        self.down1 = nn.Conv2d(2, width, 4, stride=2, padding=1)
        self.down2 = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.join1, self.join2 = nn.Linear(self.n_inputs, width), nn.Linear(self.n_inputs, 2 * width)
        self.middle = nn.Sequential(*(layer for _ in range(2) for layer in (
            nn.GroupNorm(8, 2 * width), nn.SiLU(), nn.Conv2d(2 * width, 2 * width, 3, padding=1))))
        self.up1 = nn.Sequential(nn.GroupNorm(8, 2 * width), nn.SiLU(),
                                 nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1))
        self.up2 = nn.Sequential(nn.GroupNorm(8, 2 * width), nn.SiLU(), nn.Conv2d(2 * width, width, 3, padding=1),
                                 nn.SiLU(), nn.Conv2d(width, 4, 3, padding=1), nn.PixelShuffle(2))

    def target(self, images):
        return 2 * images.flatten(1) - 1

    def velocity(self, at, t, x, condition):
        condition = torch.cat([waves(t), condition], dim=1)
        pictures = torch.cat([at.view(-1, 1, 28, 28), 2 * x[:, 0] - 1], dim=1)
        a = self.down1(pictures) + self.join1(condition)[:, :, None, None]              # [B, W, 14, 14]
        b = self.down2(silu(a)) + self.join2(condition)[:, :, None, None]               # [B, 2W, 7, 7]
        return self.up2(torch.cat([a, self.up1(b + self.middle(b))], dim=1)).flatten(1)

    def forward(self, z, x, task):
        return ((1 + self.carried(z, x, task).view(-1, 1, 28, 28)) / 2).clamp(0, 1)
