"""The 1,797 real digits that scikit-learn ships."""

import torch

from .classes import Recipe, by_label, split_by_label


def read(sources):
    """8x8 pixels (0..16), enlarged to 24x24 inside a dark margin of 2, as `ImageClasses`."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    small = torch.tensor(bunch.images, dtype=torch.float32)[:, None] / 16
    large = torch.nn.functional.interpolate(small, size=24, mode="bilinear").mul(255).round().to(torch.uint8)
    return by_label(torch.nn.functional.pad(large, (2, 2, 2, 2))[:, 0], torch.tensor(bunch.target), "digits")


RECIPE = Recipe(read, split_by_label)
