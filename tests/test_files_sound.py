import struct
import warnings
import wave

import numpy
import pytest
from scipy.io import wavfile

from course_files import sound
from course_files.opening import DataError


def mel(frequency):
    return 2595 * numpy.log10(1 + frequency / 700)


def times(rate, seconds=0.5):
    return numpy.arange(round(rate * seconds)) / rate


def tone(frequency, rate=8000):
    return numpy.sin(2 * numpy.pi * frequency * times(rate))


def word(rate):
    """A made-up word: two pitches that move, with a gap in the middle. [n]"""
    t = times(rate)
    loud = (numpy.sin(4 * numpy.pi * t)**2).clip(0.02)
    low, high = 500 * t + 400 * t**2, 2800 * t - 900 * t**2
    return 0.4 * loud * (numpy.sin(2 * numpy.pi * low) + numpy.sin(2 * numpy.pi * high))


def header(form, rate, n_bytes, *, channels=1, bits=16):
    """The 44 bytes before the samples, as Microsoft's description of 1991 has them."""
    block = channels * bits // 8
    return struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + n_bytes, b"WAVE", b"fmt ", 16, form, channels, rate,
                       rate * block, block, bits, b"data", n_bytes)


NOISE = numpy.random.default_rng(0).integers(-9999, 9999, 4000).astype("<i2")


@pytest.mark.parametrize("frequency", [400, 700, 2000, 2500])
def test_a_tone_lights_the_row_that_the_mel_formula_says(frequency):
    band = (mel(frequency) - mel(100)) / ((mel(3900) - mel(100)) / 29) - 1      # 28 peaks between 30 edges
    assert abs(band - round(band)) < 0.3, "near the middle of a band"
    picture = sound.spectrogram(tone(frequency), 8000)
    assert picture.dtype == numpy.uint8 and picture.shape == (28, 28)
    assert (picture.argmax(0) == 27 - round(band)).all() and picture.max() == 255


def test_a_tone_of_1_khz_lies_between_two_rows():
    rows = sound.spectrogram(tone(1000), 8000).astype(int).sum(1).argsort()[-2:]
    assert (mel(1000) - mel(100)) / ((mel(3900) - mel(100)) / 29) - 1 == pytest.approx(11.5, abs=0.01)
    assert sorted(rows) == [27 - 12, 27 - 11]


def test_a_rising_sound_rises():
    t = times(8000)
    rows = sound.spectrogram(numpy.sin(2 * numpy.pi * (300 * t + 3000 * t**2)), 8000).argmax(0)     # 300 to 3,300 Hz
    assert (numpy.diff(rows) <= 0).all() and rows[0] >= 22 and rows[-1] < 4


def test_levels_are_decibels_below_the_loudest():
    """Of two tones, one 20 dB weaker: its row is 20 / 35 of 255 darker, but for what pre-emphasis adds."""
    def raised(f):
        return 20 * numpy.log10(abs(1 - 0.97 * numpy.exp(-2j * numpy.pi * f / 8000)))

    picture = sound.spectrogram(tone(562.5) + 0.1 * tone(2000), 8000)       # both at the middle of a window's frequency
    one, other = (sound._bands()[:, round(f / 31.25)].max() for f in (562.5, 2000))
    expected = 20 - raised(2000) + raised(562.5) + 10 * numpy.log10(one / other)
    shown = (int(picture[:14].max()) - int(picture[14:].max())) / 255 * sound.RANGE
    assert -shown == pytest.approx(expected, abs=1)


def test_loudness_and_silence_around_the_word_do_not_matter():
    plain = sound.spectrogram(word(8000), 8000)
    assert numpy.array_equal(sound.spectrogram(word(8000) / 1000, 8000), plain)
    still = numpy.zeros(6400)       # a whole number of windows, so that these fall as before
    assert abs(sound.spectrogram(numpy.concatenate([still, word(8000), still]), 8000).astype(int) - plain).mean() < 4


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000])
def test_rate_depth_and_channels_hardly_change_the_picture(tmp_path, rate):
    wavfile.write(tmp_path / "plain.wav", 8000, (word(8000) * 32767).astype("int16"))
    whole = (word(rate) * (2**23 - 1)).astype("<i4")
    frames = numpy.stack([whole, whole], 1).view("u1").reshape(-1, 4)[:, :3]        # 24 bits, both channels
    with wave.open(str(tmp_path / "rich.wav"), "wb") as file:
        file.setnchannels(2), file.setsampwidth(3), file.setframerate(rate)
        file.writeframes(frames.tobytes())
    plain, rich = (sound.prepared(tmp_path / name).astype(int) for name in ("plain.wav", "rich.wav"))
    assert abs(plain - rich).mean() < 4 and plain.std() > 40
    other = sound.spectrogram(tone(900), 8000).astype(int)
    assert abs(plain - other).mean() > 30, "the bound would notice another sound"


@pytest.mark.parametrize("kind, values", [
    ("uint8", [128, 192, 0, 64]), ("int16", [0, 2**14, -2**15, -2**14]), ("int32", [0, 2**30, -2**31, -2**30]),
    ("float32", [0, 0.5, -1, -0.5]), ("float64", [0, 0.5, -1, -0.5]), ("float32", [0, 5, -10, -5])])
def test_samples_of_every_type_are_fractions_of_1(tmp_path, kind, values):
    wavfile.write(tmp_path / "a.wav", 8000, numpy.array(values * 200, kind))
    samples, rate = sound.read(tmp_path / "a.wav")
    assert rate == 8000 and samples.dtype == numpy.float32
    assert numpy.array_equal(samples, numpy.array([0, 0.5, -1, -0.5] * 200, "float32"))


def test_stereo_is_averaged(tmp_path):
    wavfile.write(tmp_path / "a.wav", 8000, numpy.tile(numpy.array([[2**14, 0], [-2**15, 2**14]], "int16"), (300, 1)))
    assert numpy.array_equal(sound.read(tmp_path / "a.wav")[0], numpy.array([0.25, -0.25] * 300, "float32"))


def test_what_scipy_warns_about_is_read_in_silence(tmp_path):
    content = header(1, 8000, NOISE.nbytes) + NOISE.tobytes() + b"tags\x04\x00\x00\x00abcd"
    (tmp_path / "a.wav").write_bytes(content[:4] + struct.pack("<I", len(content) - 8) + content[8:])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(sound.read(tmp_path / "a.wav")[0]) == 4000


def test_a_long_recording_and_an_odd_rate(tmp_path):
    wavfile.write(tmp_path / "a.wav", 44100, numpy.tile(NOISE, 250))        # a million samples
    assert (numpy.ptp(sound.prepared(tmp_path / "a.wav").astype(int), 1) < 5).all(), "the same throughout"
    assert (sound.spectrogram(tone(2000, 44101), 44101).argmax(0) == 8).all()


FLOATS = numpy.where(numpy.arange(4000) == 7, numpy.nan, NOISE / 2**15).astype("<f4")
BAD = {
    "empty": (b"", "it is empty"),
    "text": (b"hello, this is a text that somebody called .wav", "it is no .wav file"),
    "header": (header(1, 8000, 8000), "cut short"),
    "beginning": (header(1, 8000, 8000)[:30], "cut short"),
    "nothing": (header(1, 8000, 0), "it lasts 0.00 seconds"),
    "flat": (header(1, 8000, 8000) + b"\x07\x08" * 4000, "it is silent"),
    "quiet": (header(1, 8000, 8000) + (NOISE.astype(float) / 5000).round().astype("<i2").tobytes(), "it is silent"),
    "short": (header(1, 8000, 798) + NOISE[:399].tobytes(), "it lasts 0.05 seconds"),
    "long": (header(1, 4000, 240002) + numpy.tile(NOISE, 31)[:120001].tobytes(), "it lasts 30.00 seconds"),
    "nan": (header(3, 8000, 16000, bits=32) + FLOATS.tobytes(), "some of its samples are no numbers"),
    "truncated": (header(1, 8000, 8000) + NOISE[:3000].tobytes(), "cut short"),
    "odd end": (header(1, 8000, 8000) + NOISE.tobytes()[:6001], "cut short"),
    "no rate": (header(1, 0, 8000) + NOISE.tobytes(), "its rate is 0 Hz, not 4000 to 384000"),
    "low rate": (header(1, 3999, 8000) + NOISE.tobytes(), "its rate is 3999 Hz"),
    "high rate": (header(1, 384001, 8000) + NOISE.tobytes(), "its rate is 384001 Hz"),
    "mp3": (header(0x55, 8000, 8000) + NOISE.tobytes(), "MPEGLAYER3"),
    "adpcm": (header(2, 8000, 8000) + NOISE.tobytes(), "ADPCM"),
    "no channels": (header(1, 8000, 8000, channels=0) + NOISE.tobytes(), "damaged"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_word_is_one_line_that_names_the_file(tmp_path, name):
    content, reason = BAD[name]
    (tmp_path / "bad.wav").write_bytes(content)
    with pytest.raises(DataError) as error:
        sound.prepared(tmp_path / "bad.wav")
    message = str(error.value)
    assert reason in message and "bad.wav cannot be read" in message and "\n" not in message
    assert "Save one word anew as an uncompressed .wav of 0.05 to 30 seconds" in message


def test_a_missing_file_and_a_folder_are_one_line(tmp_path):
    for path in (tmp_path / "none.wav", tmp_path):
        with pytest.raises(DataError, match="cannot be read"):
            sound.read(path)
