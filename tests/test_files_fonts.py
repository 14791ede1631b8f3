import numpy
import pytest

from course_files import fonts
from course_files.opening import DataError


@pytest.fixture(scope="module")
def own():
    return fonts.letters()


def path(name):
    return next(path for path in fonts.own() if path.stem == name)


def test_five_scripts_in_order_of_code_points(own):
    scripts, names, images = own
    assert list(names) == sorted(set(names)) and list(dict.fromkeys(scripts)) == [
        "Latin", "Greek", "Cyrillic", "Armenian", "Georgian"]
    assert images.shape == (len(names), 12, 28, 28) and images.dtype == numpy.uint8 and len(scripts) == len(names)
    place = dict(zip(names, scripts, strict=True))
    assert (place["A"], place["Ω"], place["Ж"], place["Ֆ"], place["ღ"]) == (*dict.fromkeys(scripts),)


def test_every_drawing_is_a_centred_letter_of_its_own(own):
    for letter, drawings in zip(*own[1:], strict=True):
        assert len({drawing.tobytes() for drawing in drawings}) == 12, letter
        for drawing in drawings:
            rows, columns = numpy.nonzero(drawing.any(1))[0], numpy.nonzero(drawing.any(0))[0]
            assert drawing.max() == 255 and max(numpy.ptp(rows), numpy.ptp(columns)) == 19, letter
            assert rows[0] + rows[-1] in (26, 27) and columns[0] + columns[-1] in (26, 27), letter


def test_a_letter_is_not_distorted(own):
    drawings = dict(zip(own[1], own[2][:, 0], strict=True))
    widths = {letter: int(drawings[letter].any(0).sum()) for letter in "ILO"}
    assert widths["I"] <= 4 < 10 <= widths["L"] < 16 < 18 <= widths["O"]


def test_what_looks_alike_is_one_class(own):
    names = set(own[1])
    assert names >= set("ABCEFGHIOQRabdeghijqΓΔΘΛΞΠΣΩαβλπБДЖЛбд")
    assert not names & set("closvwxzΑΒΕΗΙΟΡΧοАВЕКМНОРСТХаеорсхОՕо")


def test_no_two_classes_are_nearer_than_the_line(own):
    """Measured anew, another way, in DejaVu: the fonts that have most of the letters."""
    dejavu = [path for path in fonts.own() if path.stem.startswith("DejaVu")]
    means = numpy.full((len(own[1]), len(dejavu), 26, 26), numpy.nan)
    for number, font in enumerate(dejavu):
        for letter, image in fonts._drawn(font):
            if letter in own[1]:
                means[own[1].index(letter), number] = sum(
                    image[i:26 + i, j:26 + j] / 255 for i in range(3) for j in range(3)) / 9
    nearest = 1
    for row in range(1, len(means)):
        differences = numpy.nanmean(numpy.abs(means[:row] - means[row]).max((-2, -1)), 1)
        nearest = min(nearest, differences.min())
    assert len(dejavu) == 12 and fonts.ALIKE + 0.003 < nearest < fonts.ALIKE + 0.02


def test_twice_the_same(own):
    assert all(numpy.array_equal(one, other) for one, other in zip(own, fonts.letters(), strict=True))


def test_a_font_draws_only_letters_that_it_has():
    """Computer Modern has no Greek letters, and would draw a box."""
    drawn = dict(fonts._drawn(path("cmr10")))
    assert sorted(drawn) == [*"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"]
    scripts, names, images = fonts.letters([path("cmr10"), path("DejaVuSans"), path("DejaVuSerif")], 3)
    assert set(scripts) == {"Latin"} and images.shape == (len(names), 3, 28, 28)
    assert (images[0] == [dict(fonts._drawn(path(name)))["A"] for name in ("cmr10", "DejaVuSans", "DejaVuSerif")]).all()


def test_a_font_given_twice_draws_once():
    with pytest.raises(DataError, match=r"^In 2 font\(s\) no letter has 2 different drawings; the most is 1. Give"):
        fonts.letters([path("cmr10")] * 2, 2)
    names, images = fonts.letters([path("cmr10"), path("cmr10"), path("cmtt10")], 2)[1:]
    assert names[0] == "A" and (images[0] == fonts.letters([path("cmr10"), path("cmtt10")], 2)[2][0]).all()


@pytest.mark.parametrize("letter, script", [("A", "Latin"), ("ß", None), ("é", None), ("ø", None), ("ə", None),
                                            ("Ж", "Cyrillic"), ("Й", None), ("Ғ", None), ("ა", "Georgian"),
                                            ("א", "Hebrew"), ("ⴰ", "Tifinagh"), ("ϑ", None), ("5", None), ("\n", None),
                                            ("漢", None), ("𝐀", None), ("ʰ", None)])
def test_plain_letters(letter, script):
    assert fonts.script(letter) == script


@pytest.mark.parametrize("content", [None, b"", b"no font", b"\x00\x01\x00\x00" + bytes(90)])
def test_a_path_that_is_no_font(tmp_path, content):
    if content is not None:
        (tmp_path / "x.ttf").write_bytes(content)
    with pytest.raises(DataError, match=r"x.ttf cannot be read \(.*\)\. Give the path of a font file") as error:
        fonts.letters([path("cmr10"), tmp_path / "x.ttf"])
    assert "\n" not in str(error.value)


def test_no_fonts():
    with pytest.raises(DataError, match=r"In 0 font\(s\) no letter has 12 different drawings; the most is 0"):
        fonts.letters([])
