"""The few-shot learner's network, and a batch norm for learners that adapt to a task."""

import torch
from torch import nn
from torch.nn.functional import batch_norm


class ConvNet(nn.Module):
    """The four-block network of the few-shot literature: 4 x (3x3 convolution, norm, ReLU, halve).

    x [B, 1, 28, 28] in [0, 1] -> logits [B, n_way]; `features(x)` [B, width] is what the last layer sees. norm: made
    with the number of channels: nn.BatchNorm2d (running statistics) for classifiers, `BatchNorm` for learners that
    adapt to a task; partial(nn.GroupNorm, 8) and nn.Identity too. pool: how many of the blocks, counted from the last,
    halve by max-pooling and not by stride: 4 in Vinyals et al. 2016 (slow on a CPU), 0 in Finn et al. 2017.
    """

    def __init__(self, n_way, *, width=64, norm=nn.BatchNorm2d, pool=0):
        super().__init__()
        self.blocks = nn.ModuleList(Block(1 if i == 0 else width, width, norm, pool >= 4 - i) for i in range(4))
        self.head = nn.Linear(width, n_way)

    def features(self, x, n_support=None):
        for block in self.blocks:
            x = block(x, n_support)
        return x.mean(dim=(2, 3))      # [B, width, 2, 2] (pool=4: [B, width, 1, 1]) -> [B, width]

    def forward(self, x, n_support=None):
        return self.head(self.features(x, n_support))


class Block(nn.Module):
    """A quarter of a `ConvNet`: [B, n_in, H, W] -> [B, n_out, ceil(H/2), ceil(W/2)] (with pool: floor)."""

    def __init__(self, n_in, n_out, norm, pool):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(n_in, n_out, 3, stride=1 if pool else 2, padding=1), norm(n_out)
        self.pool = nn.MaxPool2d(2) if pool else nn.Identity()

    def forward(self, x, n_support=None):
        h = self.conv(x)
        h = self.norm(h, n_support) if isinstance(self.norm, BatchNorm) else self.norm(h)
        return self.pool(h.relu())


class BatchNorm(nn.Module):
    """Batch norm by the statistics of this batch, or of its first `n_support` images only; it keeps no running ones.

    Pass support and query together with n_support=len(support), and no query sees another: inductive. There the formula
    is written out, because torch's own kernel has a wrong second-order gradient under torch.func.vmap (in a loop over
    tasks it is right, and faster). Source: Ioffe & Szegedy 2015, alg. 1.
    """

    def __init__(self, channels, eps=1e-5):
        super().__init__()
        self.weight, self.bias, self.eps = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels)), eps

    def forward(self, h, n_support=None):
        if n_support is None:
            return batch_norm(h, None, None, self.weight, self.bias, training=True, eps=self.eps)
        variance, mean = torch.var_mean(h[:n_support], dim=(0, 2, 3), correction=0)      # [C], [C]
        scale = self.weight * (variance + self.eps).rsqrt()
        return h * scale[:, None, None] + (self.bias - mean * scale)[:, None, None]
