import numpy
import torch

from course_files import fonts, made, textures
from course_lib.datasets import ImageClasses


def test_classes_are_the_letters_of_the_fonts():
    classes = made.PRINT.read(made.PRINT.find(None))
    scripts, names, images = fonts.letters()
    assert classes.images.dtype == torch.uint8 and classes.images.shape == (len(names), 12, 1, 28, 28)
    assert classes.alphabets == tuple(scripts) and classes.names == tuple(names)
    assert (classes.images[:, :, 0].numpy() == images).all()
    places = made.PRINT.split(classes)
    assert places[:5] == ["train", "train", "train", "val", "test"]
    for script in set(scripts):     # each has enough to test and to validate on
        of_script = [place for place, other in zip(places, scripts, strict=True) if other == script]
        assert min(of_script.count("val"), of_script.count("test")) >= 7


def test_of_every_five_letters_of_a_script_one_validates_and_one_tests():
    """Stored results depend on it."""
    alphabets = ("Latin",) * 6 + ("Greek",) * 5 + ("Georgian",) * 4
    classes = ImageClasses(torch.zeros(15, 1, 1, 1, 1), alphabets, tuple("ABCDEFΓΔΛΣΩაბგდ"))
    train = ["train"] * 3
    assert made.PRINT.split(classes) == [*train, "val", "test", "train", *train, "val", "test", *train, "val"]


def test_textures_are_the_same_every_time_and_differ_by_class():
    families, names, images = textures.make(n_classes=4, n_drawings=6)
    again = textures.make(n_classes=4, n_drawings=6)
    assert images.shape == (12, 6, 28, 28) and (images == again[2]).all() and len(set(names)) == 12
    assert families == [name for name in ("spots", "stripes", "weaves") for _ in range(4)]
    spectra = numpy.abs(numpy.fft.fft2(images / 255 - (images / 255).mean((2, 3), keepdims=True)))
    known, new = spectra[:, :3].mean(1), spectra[:, 3:]
    apart = ((new[:, :, None] - known) ** 2).sum((3, 4))                                                # [12, 3, 12]
    right = (apart.argmin(2) == numpy.arange(12)[:, None]).mean()
    assert right > 0.7, "which waves a drawing has says of which class it is"
    pixels = ((images[:, 3:, None] / 255.0 - images[:, :3].mean(1) / 255) ** 2).sum((3, 4))
    assert (pixels.argmin(2) == numpy.arange(12)[:, None]).mean() < right - 0.2, "its pixels do not"


def test_stripes_have_one_direction_and_spots_none():
    families, _, images = textures.make(n_classes=6, n_drawings=4)
    power = numpy.abs(numpy.fft.fft2(images - images.mean((2, 3), keepdims=True))) ** 2
    across, down = numpy.meshgrid(*[numpy.fft.fftfreq(28)] * 2)
    turn = numpy.exp(2j * numpy.arctan2(down, across))
    one_way = numpy.abs((power * turn).sum((2, 3))) / power.sum((2, 3))         # 1: all waves have one direction
    means = {family: one_way[[f == family for f in families]].mean() for family in ("spots", "stripes", "weaves")}
    assert means["stripes"] > 0.7 and means["spots"] < 0.35 and means["weaves"] < 0.5, means
