"""Any dataset as one type: classes of drawings, ink bright on dark."""

from dataclasses import dataclass
from functools import cached_property

import torch

from .. import normalisation


@dataclass(frozen=True)
class ImageClasses:
    """C classes of M drawings each."""

    images: torch.Tensor        # uint8 [C, M, 1, H, W], 0 = empty, 255 = ink
    alphabets: tuple            # C strings: the alphabet of each class
    names: tuple                # C strings: the name of each class within its alphabet

    @cached_property
    def ink(self):
        """The images as float [C*M, H*W] in [0, 1]. Made once, at first use: sampling is then one gather of rows."""
        return self.images.flatten(0, 1).flatten(1).float() / 255

    def take(self, indices):
        """The classes numbered `indices` (a sequence of ints), in that order."""
        indices = list(indices)
        return ImageClasses(self.images[indices], tuple(self.alphabets[i] for i in indices),
                            tuple(self.names[i] for i in indices))

    def turned(self):
        """Four times the classes: each also turned by 90, 180 and 270 degrees, as new classes of new alphabets.

        Usual in training on Omniglot, which has few classes (Santoro et al. 2016); never for a test.
        """
        return ImageClasses(torch.cat([torch.rot90(self.images, quarters, (-2, -1)) for quarters in range(4)]),
                            tuple(f"{a}, turned {90 * quarters}" for quarters in range(4) for a in self.alphabets),
                            self.names * 4)

    def normalised(self):
        """The same classes, every drawing centred and scaled by its own moments: see `normalisation.normalised`."""
        images = torch.cat([normalisation.normalised(part.float() / 255) for part in self.images.split(50)])
        return ImageClasses((255 * images).round().to(torch.uint8), self.alphabets, self.names)

    def to(self, device):
        """The same classes with their images on `device`."""
        return ImageClasses(self.images.to(device), self.alphabets, self.names)
