"""Networks. Nothing trains here.

Generators take noise z [B, G.z_dim], discriminators return logits [B]; both take what they are conditioned on as
further arguments. Images are [B, 1, 28, 28] in [0, 1].
"""

from functools import partial

import torch
from torch import nn
from torch.nn.functional import affine_grid, batch_norm, grid_sample, interpolate, leaky_relu, max_pool2d
from torch.nn.utils.parametrizations import spectral_norm

# ---------------------------------------------------------------- points: a GAN that trains in seconds


class PointGenerator(nn.Module):
    """z [B, z_dim] -> points [B, dim]: three layers."""

    def __init__(self, z_dim=2, *, dim=2, width=128):
        super().__init__()
        self.z_dim = z_dim
        self.layers = nn.Sequential(nn.Linear(z_dim, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(),
                                    nn.Linear(width, dim))

    def forward(self, z):
        return self.layers(z)


class PointDiscriminator(nn.Module):
    """Points [B, dim] -> logits [B]: three layers. spectral: make every layer 1-Lipschitz (Miyato et al. 2018)."""

    def __init__(self, *, dim=2, width=128, spectral=False):
        super().__init__()
        norm = spectral_norm if spectral else nn.Identity()
        self.layers = nn.Sequential(norm(nn.Linear(dim, width)), nn.LeakyReLU(0.2), norm(nn.Linear(width, width)),
                                    nn.LeakyReLU(0.2), norm(nn.Linear(width, 1)))

    def forward(self, x):
        return self.layers(x).squeeze(1)


# ---------------------------------------------------------------- images, with or without a class label


class ImageGenerator(nn.Module):
    """z [B, z_dim], and with n_classes also labels y [B] -> images [B, 1, 28, 28] in [0, 1].

    Two convolutions double 7x7 twice, as in DCGAN (Radford et al. 2016); the second makes four sub-pixels of each
    pixel (Shi et al. 2016). A label enters as a scale and a shift of each channel (Miyato & Koyama 2018).
    """

    def __init__(self, z_dim=64, *, n_classes=0, width=32):
        super().__init__()
        self.z_dim, norm = z_dim, partial(ConditionalNorm, n_classes=n_classes)
        self.first = nn.Linear(z_dim, 2 * width * 7 * 7, bias=False)
        self.norm1 = norm(2 * width)
        self.up1 = nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1, bias=False)
        self.norm2 = norm(width)
        self.up2 = nn.Sequential(nn.Conv2d(width, 4, 3, padding=1), nn.PixelShuffle(2))
        self.to(memory_format=torch.channels_last)

    def forward(self, z, y=None):
        h = self.first(z).view(len(z), 7, 7, -1).permute(0, 3, 1, 2)     # [B, 2W, 7, 7], channels last
        h = self.up1(self.norm1(h, y).relu())               # [B, W, 14, 14]
        return self.up2(self.norm2(h, y).relu()).sigmoid()  # [B, 1, 28, 28]


class ConditionalNorm(nn.Module):
    """Batch norm whose scale and shift are those of the class y; without classes, plain batch norm."""

    def __init__(self, channels, *, n_classes=0):
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=not n_classes)
        self.scale = nn.Embedding(n_classes, channels) if n_classes else None
        self.shift = nn.Embedding(n_classes, channels) if n_classes else None
        if n_classes:
            nn.init.ones_(self.scale.weight)
            nn.init.zeros_(self.shift.weight)

    def forward(self, h, y=None):
        h = self.norm(h)
        return h if self.scale is None else h * self.scale(y)[:, :, None, None] + self.shift(y)[:, :, None, None]


class ImageDiscriminator(nn.Module):
    """Images [B, 1, 28, 28], and with n_classes also labels y [B] -> logits [B].

    Strided convolutions first, no batch norm; spectral: spectral norm throughout. With classes it is a projection
    discriminator: logit = psi(h) + <embedding of y, h>, h the features of x (Miyato & Koyama 2018, eq. 3).
    """

    def __init__(self, *, n_classes=0, width=32, spectral=False):
        super().__init__()
        norm = spectral_norm if spectral else nn.Identity()
        self.features = nn.Sequential(
            norm(nn.Conv2d(1, width, 4, stride=2, padding=1)), nn.LeakyReLU(0.2),              # [B, W, 14, 14]
            norm(nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)), nn.LeakyReLU(0.2),      # [B, 2W, 7, 7]
            nn.Flatten())
        self.psi = norm(nn.Linear(2 * width * 7 * 7, 1))
        self.embedding = None
        if n_classes:
            self.embedding = nn.Embedding(n_classes, 2 * width * 7 * 7)
            nn.init.normal_(self.embedding.weight, std=0.01)        # at first the label says next to nothing
            self.embedding = norm(self.embedding)
        self.to(memory_format=torch.channels_last)

    def forward(self, x, y=None):
        h = self.features(2 * x - 1)
        logit = self.psi(h).squeeze(1)
        return logit if self.embedding is None else logit + (self.embedding(y) * h).sum(1)


# ---------------------------------------------------------------- from one example: G(z, x, task), D(image, x, task)
#
# x [B, K, 1, 28, 28]: K examples of the character that is asked for. task [T, S, 1, 28, 28]: all support images of T
# tasks; the rows of z, x and images come task by task, B/T of them for each.


def warp(x, affine, field, pen):
    """Images x [B, 1, H, W] moved, bent and drawn with another pen; differentiable in everything.

    affine [B, 2, 3]: added to the identity map from places in the result to places in x (both run from -1 to 1).
    field [B, 2, g, g]: further shifts in pixels at g x g points, made smooth by bicubic interpolation.
    pen [B] from -1 to 1: towards the thinnest (minimum) or the thickest stroke (maximum over 3 x 3 pixels).
    Places outside x are empty. Source: Jaderberg et al. 2015, "Spatial transformer networks", for the sampling.
    """
    size = x.shape[2:]
    identity = torch.eye(2, 3, dtype=x.dtype, device=x.device)
    places = affine_grid(identity + affine, x.shape, align_corners=False)                       # [B, H, W, 2]
    shifts = interpolate(field, size=size, mode="bicubic", align_corners=True).movedim(1, 3)    # [B, H, W, 2] in pixels
    moved = grid_sample(x, places + 2 * shifts / torch.tensor(size[::-1], device=x.device), align_corners=False)
    thick, thin, pen = max_pool2d(moved, 3, 1, 1), -max_pool2d(-moved, 3, 1, 1), pen[:, None, None, None]
    return moved + pen.relu() * (thick - moved) + (-pen).relu() * (thin - moved)


class SetEncoder(nn.Module):
    """Sets of images [B, S, 1, 28, 28] -> [B, n_out]: the mean of the images' features, in whatever order they come.

    Source: Zaheer et al. 2017, "Deep sets".
    """

    def __init__(self, n_out=64, *, width=32):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, width, 4, stride=4), nn.LeakyReLU(0.2),                        # [B*S, W, 7, 7]
            nn.Conv2d(width, width, 3, stride=2, padding=1), nn.LeakyReLU(0.2),         # [B*S, W, 4, 4]
            nn.Flatten(), nn.Linear(16 * width, n_out))

    def forward(self, x):
        return self.layers(2 * x.flatten(0, 1) - 1).view(*x.shape[:2], -1).mean(1)


class _FromExamples(nn.Module):
    """What both generators share: one vector [B, C] of noise, examples and (with task=True) the task's description."""

    def __init__(self, z_dim, task, n_out=64):
        super().__init__()
        self.z_dim, self.n_condition = z_dim, z_dim + n_out * (1 + task)
        self.encode_examples, self.encode_task = SetEncoder(n_out), SetEncoder(n_out) if task else None

    def condition(self, z, x, task):
        parts = [z, self.encode_examples(x)]
        if self.encode_task is not None:
            parts.append(self.encode_task(task).repeat_interleave(len(z) // len(task), dim=0))
        return torch.cat(parts, dim=1)


class WarpGenerator(_FromExamples):
    """z [B, z_dim], x [B, K, 1, 28, 28], task [T, S, 1, 28, 28] -> images [B, 1, 28, 28]: the first example, warped.

    The network chooses the map, the bend and the pen of `warp`. All ink is the example's: it cannot draw a character
    that it remembers from training, and must bend far to lose the one at hand; but nothing bounds map and bend, so it
    can do that, or push the ink out of the image. task=False: it does without the description of the task.
    """

    def __init__(self, z_dim=32, *, task=True, grid=5, width=128):
        super().__init__(z_dim, task)
        self.grid = grid
        self.layers = nn.Sequential(nn.Linear(self.n_condition, width), nn.LeakyReLU(0.2), nn.Linear(width, width),
                                    nn.LeakyReLU(0.2), nn.Linear(width, 6 + 2 * grid * grid + 1))

    def settings(self, z, x, task):
        """affine [B, 2, 3], field [B, 2, g, g] and pen [B], as `warp` takes them."""
        affine, field, pen = self.layers(self.condition(z, x, task)).split([6, 2 * self.grid ** 2, 1], dim=1)
        return 0.3 * affine.view(-1, 2, 3), 2 * field.view(-1, 2, self.grid, self.grid), pen.squeeze(1).tanh()

    def forward(self, z, x, task):
        return warp(x[:, 0], *self.settings(z, x, task))


class PixelGenerator(_FromExamples):
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


# ---------------------------------------------------------------- few-shot learners


class ConvNet(nn.Module):
    """The four-block network of the few-shot literature: 4 x (3x3 convolution, norm, ReLU, halve).

    x [B, 1, 28, 28] in [0, 1] -> logits [B, n_way]; `features(x)` [B, width] is what the last layer sees.
    norm: made with the number of channels. nn.BatchNorm2d (running statistics) is for classifiers, `BatchNorm` for
    learners that adapt to a task, with `reference` as explained there; partial(nn.GroupNorm, 8) and nn.Identity too.
    pool: how many of the blocks, counted from the last, halve by max-pooling and not by stride. 4 is the network of
    Vinyals et al. 2016, 0 that of Finn et al. 2017. The first block is the largest: on a CPU, a step
    with 3 takes twice the time of one with 0, with 4 five times.
    """

    def __init__(self, n_way, *, width=64, norm=nn.BatchNorm2d, pool=0):
        super().__init__()
        self.blocks = nn.ModuleList(Block(1 if i == 0 else width, width, norm, pool >= 4 - i) for i in range(4))
        self.head = nn.Linear(width, n_way)

    def features(self, x, reference=None):
        for block in self.blocks:
            x = block(x, reference)
        return x.mean(dim=(2, 3))      # [B, width, 2, 2] (pool=4: [B, width, 1, 1]) -> [B, width]

    def forward(self, x, reference=None):
        return self.head(self.features(x, reference))


class Block(nn.Module):
    """A quarter of a `ConvNet`: [B, n_in, H, W] -> [B, n_out, ceil(H/2), ceil(W/2)] (with pool: floor)."""

    def __init__(self, n_in, n_out, norm, pool):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(n_in, n_out, 3, stride=1 if pool else 2, padding=1), norm(n_out)
        self.pool = nn.MaxPool2d(2) if pool else nn.Identity()

    def forward(self, x, reference=None):
        h = self.conv(x)
        h = self.norm(h, reference) if isinstance(self.norm, BatchNorm) else self.norm(h)
        return self.pool(h.relu())


class BatchNorm(nn.Module):
    """Batch norm by the statistics of this batch, or of its first `reference` images only; it remembers nothing.

    Pass support and query together with reference=len(support), and no query sees another: inductive. The
    formula is written out, for torch's own kernel, taken where reference is None, gives a wrong second-order
    gradient under torch.func.vmap (in a loop over tasks it is right, and faster). Source: Ioffe & Szegedy 2015, alg. 1.
    """

    def __init__(self, channels, eps=1e-5):
        super().__init__()
        self.weight, self.bias, self.eps = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels)), eps

    def forward(self, h, reference=None):
        if reference is None:
            return batch_norm(h, None, None, self.weight, self.bias, training=True, eps=self.eps)
        variance, mean = torch.var_mean(h[:reference], dim=(0, 2, 3), correction=0)      # [C], [C]
        scale = self.weight * (variance + self.eps).rsqrt()
        return h * scale[:, None, None] + (self.bias - mean * scale)[:, None, None]
