"""Points in the plane: a GAN that trains in seconds."""

from torch import nn


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
    """Points [B, dim] -> logits [B]: three layers."""

    def __init__(self, *, dim=2, width=128):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(dim, width), nn.LeakyReLU(0.2), nn.Linear(width, width),
                                    nn.LeakyReLU(0.2), nn.Linear(width, 1))

    def forward(self, x):
        return self.layers(x).squeeze(1)
