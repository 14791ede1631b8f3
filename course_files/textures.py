"""Textures by a formula: noise of which only some waves are kept. Nothing in them has a place to be moved from.

A class keeps waves near one frequency, or two; in all directions (spots), in one (stripes) or in two (weaves). A
drawing is new noise, with frequency and direction a little off. The idea of texture as filtered noise: Galerne,
Gousseau & Morel 2011, "Random phase textures".
"""

import numpy

FAMILIES = {"spots": 0, "stripes": 1, "weaves": 2}      # how many directions their waves have; 0 is all
SIDE = 28


def make(n_classes=25, n_drawings=20, seed=0):
    """(families, names, images uint8 [C, n_drawings, 28, 28]) of n_classes textures of each family, always the same."""
    random = numpy.random.RandomState(seed)         # whose numbers numpy has promised never to change
    families, names, images = [], [], []
    for family, directions in FAMILIES.items():
        for number in range(n_classes):
            low, ratio, angle, level = random.uniform([2.5, 1, 0, -0.8], [6, 2, numpy.pi, 0.8])
            families.append(family)
            names.append(f"{family} {number + 1:02d}")
            images.append([_drawn(random, low, ratio, angle, level, directions) for _ in range(n_drawings)])
    return families, names, numpy.array(images, dtype=numpy.uint8)


def _drawn(random, low, ratio, angle, level, directions):
    """One drawing [28, 28]: of frequencies low and ratio * low, in waves an image; angle in radians; brightness."""
    across, down = numpy.meshgrid(*[numpy.fft.fftfreq(SIDE, 1 / SIDE)] * 2)
    frequency, direction = numpy.hypot(across, down), numpy.arctan2(down, across)
    low, angle = low * (1 + 0.08 * random.randn()), angle + 0.1 * random.randn()
    kept = sum(numpy.exp(-((frequency - low * times) / 0.6) ** 2) for times in (1, ratio))
    if directions:
        turns = numpy.exp(2j * (direction - angle))         # a wave has a direction, but no front and back
        kept = kept * sum(numpy.exp(8 * ((turns * sign).real - 1)) for sign in (1, -1)[:directions])
    wave = numpy.fft.ifft2(numpy.fft.fft2(random.randn(SIDE, SIDE)) * kept).real
    return 255 / (1 + numpy.exp(-2 * (wave / wave.std() + level)))
