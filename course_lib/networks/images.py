"""Images, with or without a class label."""

from functools import partial

import torch
from torch import nn


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

    Strided convolutions first, no batch norm. With classes it is a projection discriminator: logit = psi(h) +
    <embedding of y, h>, h the features of x (Miyato & Koyama 2018, eq. 3).
    """

    def __init__(self, *, n_classes=0, width=32):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2),              # [B, W, 14, 14]
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1), nn.LeakyReLU(0.2),      # [B, 2W, 7, 7]
            nn.Flatten())
        self.psi = nn.Linear(2 * width * 7 * 7, 1)
        self.embedding = None
        if n_classes:
            self.embedding = nn.Embedding(n_classes, 2 * width * 7 * 7)
            nn.init.normal_(self.embedding.weight, std=0.01)        # at first the label says next to nothing
        self.to(memory_format=torch.channels_last)

    def forward(self, x, y=None):
        h = self.features(2 * x - 1)
        logit = self.psi(h).squeeze(1)
        return logit if self.embedding is None else logit + (self.embedding(y) * h).sum(1)
