"""Images from one example: G(z, x, task) and D(image, x, task).

x [B, K, 1, 28, 28]: K examples of the character that is asked for. task [T, S, 1, 28, 28]: all support images of T
tasks; the rows of z, x and images come task by task, B/T of them for each.
"""

import torch
from torch import nn
from torch.nn.functional import affine_grid, grid_sample, interpolate, leaky_relu, max_pool2d


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


def apart(numbers):
    """[B, 6 + 2 g g + 1] as the affine [B, 2, 3], field [B, 2, g, g] and stroke_width [B] that `warp` takes."""
    affine, field, stroke_width = numbers.split([6, numbers.shape[1] - 7, 1], dim=1)
    grid = round((field.shape[1] / 2) ** 0.5)
    return affine.view(-1, 2, 3), field.view(-1, 2, grid, grid), stroke_width[:, 0]


class SetEncoder(nn.Module):
    """Sets of images [B, S, 1, 28, 28], in any order -> [B, n_out]: the mean of their features (Zaheer et al. 2017)."""

    def __init__(self, n_out=64, *, width=32):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, width, 4, stride=4), nn.LeakyReLU(0.2),                        # [B*S, W, 7, 7]
            nn.Conv2d(width, width, 3, stride=2, padding=1), nn.LeakyReLU(0.2),         # [B*S, W, 4, 4]
            nn.Flatten(), nn.Linear(16 * width, n_out))

    def forward(self, x):
        return self.layers(2 * x.flatten(0, 1) - 1).view(*x.shape[:2], -1).mean(1)


class FromExamples(nn.Module):
    """What all generators share: one vector [B, C] of noise, examples and (with task=True) the task's description."""

    def __init__(self, z_dim, task, n_out=64):
        super().__init__()
        self.z_dim, self.n_condition = z_dim, z_dim + n_out * (1 + task)
        self.encode_examples, self.encode_task = SetEncoder(n_out), SetEncoder(n_out) if task else None

    def condition(self, z, x, task):
        parts = [z, self.encode_examples(x)]
        if self.encode_task is not None:
            parts.append(self.encode_task(task).repeat_interleave(len(x) // len(task), dim=0))
        return torch.cat(parts, dim=1)


class WarpGenerator(FromExamples):
    """z [B, z_dim], x [B, K, 1, 28, 28], task [T, S, 1, 28, 28] -> images [B, 1, 28, 28]: the first example, warped.

    The network chooses the map, the bend and the stroke width of `warp`. All ink is the example's, so it cannot draw a
    character that it remembers from training. task=False: it does without the description of the task.
    """

    def __init__(self, z_dim=32, *, task=True, grid=5, width=128):
        super().__init__(z_dim, task)
        self.grid = grid
        self.layers = nn.Sequential(nn.Linear(self.n_condition, width), nn.LeakyReLU(0.2), nn.Linear(width, width),
                                    nn.LeakyReLU(0.2), nn.Linear(width, 6 + 2 * grid * grid + 1))

    def settings(self, z, x, task):
        """affine [B, 2, 3], field [B, 2, g, g] and stroke_width [B], as `warp` takes them."""
        affine, field, stroke_width = apart(self.layers(self.condition(z, x, task)))
        return 0.3 * affine, 2 * field, stroke_width.tanh()

    def forward(self, z, x, task):
        return warp(x[:, 0], *self.settings(z, x, task))


class PixelGenerator(FromExamples):
    """z [B, z_dim], x [B, K, 1, 28, 28], task [T, S, 1, 28, 28] -> images [B, 1, 28, 28]: drawn pixel by pixel.

    A U-Net: the first example is halved twice, the condition joins at 7 x 7, and what was seen on the way down is
    handed over on the way up. Source: Antoniou et al. 2017, "Data augmentation generative adversarial networks".
    """

    def __init__(self, z_dim=32, *, task=True, width=24):
        super().__init__(z_dim, task)
        self.down1 = nn.Conv2d(1, width, 4, stride=2, padding=1)
        self.down2 = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.join = nn.Linear(self.n_condition, width * 7 * 7)
        self.middle = nn.Conv2d(3 * width, 2 * width, 3, padding=1)
        self.up1 = nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1)
        self.up2 = nn.Sequential(nn.Conv2d(2 * width, 4, 3, padding=1), nn.PixelShuffle(2))
        self.norms = nn.ModuleList(nn.BatchNorm2d(c) for c in (2 * width, 2 * width, width))

    def forward(self, z, x, task):
        a = leaky_relu(self.down1(2 * x[:, 0] - 1), 0.2)                        # [B, W, 14, 14]
        b = leaky_relu(self.norms[0](self.down2(a)), 0.2)                       # [B, 2W, 7, 7]
        h = self.join(self.condition(z, x, task)).view(len(z), -1, 7, 7)        # [B, W, 7, 7]
        h = self.norms[1](self.middle(torch.cat([b, h], dim=1))).relu()         # [B, 2W, 7, 7]
        h = self.norms[2](self.up1(h)).relu()                                   # [B, W, 14, 14]
        return self.up2(torch.cat([a, h], dim=1)).sigmoid()                     # [B, 1, 28, 28]


class PairDiscriminator(nn.Module):
    """Images [B, 1, 28, 28], x [B, K, 1, 28, 28], task [T, S, 1, 28, 28] -> logits [B].

    Image and first example enter as two channels of one picture, so that every layer can compare them; the task
    enters by projection (Miyato & Koyama 2018). pair=False, task=False: it does not look at the one or the other.
    """

    def __init__(self, *, pair=True, task=True, width=32, n_out=128):
        super().__init__()
        self.pair = pair
        self.features = nn.Sequential(
            nn.Conv2d(1 + pair, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2),              # [B, W, 14, 14]
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1), nn.LeakyReLU(0.2),             # [B, 2W, 7, 7]
            nn.Conv2d(2 * width, 2 * width, 3, stride=2, padding=1), nn.LeakyReLU(0.2),         # [B, 2W, 4, 4]
            nn.Flatten(), nn.Linear(32 * width, n_out), nn.LeakyReLU(0.2))
        self.psi, self.encode_task = nn.Linear(n_out, 1), SetEncoder(n_out) if task else None

    def forward(self, image, x, task):
        h = self.features(2 * (torch.cat([image, x[:, 0]], dim=1) if self.pair else image) - 1)
        logit = self.psi(h).squeeze(1)
        if self.encode_task is None:
            return logit
        return logit + (self.encode_task(task).repeat_interleave(len(h) // len(task), dim=0) * h).mean(1)
