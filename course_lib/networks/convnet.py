"""The few-shot learner's network, and a batch norm for learners that adapt to a task."""

import torch
from torch import nn
from torch.nn.functional import batch_norm, normalize


class ConvNet(nn.Module):
    """The network of the few-shot literature: blocks of 3x3 convolution, norm, ReLU, each halving the image by stride.

    x [B, 1, 28, 28] in [0, 1] -> logits [B, n_way]; `features(x)` is what the last layer sees: after four blocks the
    mean over the 2 x 2 map, [B, width]. keep_map: after three blocks the 4 x 4 map as it is, [B, 16 * width], so that
    *where* a stroke lies is seen too, of use where drawings are normalised. length: if above 0, features less the mean
    of the support's (without n_support, of all images), and then each at that length, so that what all drawings share
    does not steer the inner steps. norm: made with the number of channels: nn.BatchNorm2d (running statistics) for
    classifiers, `BatchNorm` for learners that adapt to a task; partial(nn.GroupNorm, 8) and nn.Identity too. Source:
    Vinyals et al. 2016; with strides, Finn et al. 2017; length, Wang et al. 2019, "SimpleShot", CL2N.
    """

    def __init__(self, n_way, *, width=64, norm=nn.BatchNorm2d, keep_map=False, length=0):
        super().__init__()
        self.keep_map, self.length = keep_map, length
        self.blocks = nn.ModuleList(Block(width if i else 1, width, norm) for i in range(3 if keep_map else 4))
        self.head = nn.Linear(16 * width if keep_map else width, n_way)

    def features(self, x, n_support=None):
        for block in self.blocks:
            x = block(x, n_support)
        x = x.flatten(1) if self.keep_map else x.mean(dim=(2, 3))
        return self.length * normalize(x - x[:n_support].mean(0)) if self.length else x

    def forward(self, x, n_support=None):
        return self.head(self.features(x, n_support))


class Block(nn.Module):
    """A block of a `ConvNet`: [B, n_in, H, W] -> [B, n_out, ceil(H/2), ceil(W/2)]."""

    def __init__(self, n_in, n_out, norm):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(n_in, n_out, 3, stride=2, padding=1), norm(n_out)

    def forward(self, x, n_support=None):
        h = self.conv(x)
        return (self.norm(h, n_support) if isinstance(self.norm, BatchNorm) else self.norm(h)).relu()


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
