"""Networks. Nothing trains here."""

from torch import nn


class ConvNet(nn.Module):
    """The four-block network of the few-shot literature: 4 x (3x3 convolution, norm, ReLU, halve).

    x [B, 1, 28, 28] in [0, 1] -> logits [B, n_way]; `features(x)` [B, width] is what the last layer sees.
    Halving is done by stride (faster on a CPU than pooling). Source: Vinyals et al. 2016; strides: Finn et al. 2017.
    """

    def __init__(self, n_way, *, width=64):
        super().__init__()
        sizes = [1, width, width, width, width]
        self.blocks = nn.Sequential(*(block for i in range(4) for block in _block(sizes[i], sizes[i + 1])))
        self.head = nn.Linear(width, n_way)

    def features(self, x):
        return self.blocks(x).mean(dim=(2, 3))      # [B, width, 2, 2] -> [B, width]

    def forward(self, x):
        return self.head(self.features(x))


def _block(n_in, n_out):
    return nn.Conv2d(n_in, n_out, 3, stride=2, padding=1), nn.BatchNorm2d(n_out), nn.ReLU()
