"""Generation in feature space: an encoder of text, and G(z, x, task) and D(feature, x, task) of its features.

x [B, K, F]: the features of K examples of the class that is asked for. task [T, S, F]: those of all support samples of
T tasks; the rows of z, x and features come task by task, B/T of them for each.
"""

import torch
from torch import nn
from torch.nn.functional import normalize


class TextEncoder(nn.Module):
    """Counts x [B, 1, 1, n] in [0, 1] -> features [B, n_out] of mean 0 and variance 1 each row. For `protonet`."""

    def __init__(self, n=512, *, n_out=64, width=256):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(n, width), nn.ReLU(), nn.Dropout(0.2), nn.Linear(width, n_out),
                                    nn.LayerNorm(n_out, elementwise_affine=False))

    def features(self, x):
        return self.layers(16 * normalize(x.flatten(1)))


def described(x, task):
    """The examples' mean beside that of the task's support: [B, 2 F], whatever the order of either."""
    return torch.cat([x.mean(1), task.mean(1).repeat_interleave(len(x) // len(task), dim=0)], dim=1)


def _mlp(n_in, width, n_out):
    return nn.Sequential(nn.Linear(n_in, width), nn.LeakyReLU(0.2), nn.Linear(width, width), nn.LeakyReLU(0.2),
                         nn.Linear(width, n_out))


class FeatureGenerator(nn.Module):
    """z [B, z_dim], x [B, K, F], task [T, S, F] -> features [B, F]: the first example plus a learned difference.

    The difference is 0 before training. Sources: Schwartz et al. 2018, "Delta-encoder", for the difference; Xian et al.
    2018, "Feature generating networks for zero-shot learning" (f-CLSWGAN), for learning it from a critic of features.
    """

    def __init__(self, z_dim=32, *, n=64, width=128):
        super().__init__()
        self.z_dim, self.layers = z_dim, _mlp(z_dim + 2 * n, width, n)
        nn.init.zeros_(self.layers[-1].weight), nn.init.zeros_(self.layers[-1].bias)

    def forward(self, z, x, task):
        return x[:, 0] + self.layers(torch.cat([z, described(x, task)], dim=1))


class FeatureDiscriminator(nn.Module):
    """Features [B, F], x [B, K, F], task [T, S, F] -> logits [B], from what G sees and the difference that it made."""

    def __init__(self, *, n=64, width=128):
        super().__init__()
        self.layers = _mlp(4 * n, width, 1)

    def forward(self, feature, x, task):
        return self.layers(torch.cat([feature, feature - x[:, 0], described(x, task)], dim=1)).squeeze(1)
