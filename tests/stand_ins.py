"""Stand-ins for the tests of what augments: they leave a trace, or keep what they were called with."""

import torch

from course_lib import datasets, episodes, runtime


def digit_tasks():
    """Two tasks, 4-way 3-shot with 2 queries, of real digits."""
    return episodes.sample(datasets.load("digits"), n_way=4, k_shot=3, q_query=2, n_tasks=2, rng=runtime.rng(0))


def darker(x, rng, task=None):
    """An augmentation that a test can recognise: half the ink."""
    return x / 2


class Recorder(torch.nn.Module):
    """A generator that keeps what it was called with and draws its example upside down."""

    z_dim = 3

    def forward(self, z, x, task):
        self.called = z, x, task, self.training
        return x[:, 0].flip(-2)
