"""A recording as a picture of 28x28: which pitches sound, and when."""

import io
import warnings
from functools import cache
from pathlib import Path

import numpy
from PIL import Image

from .opening import DataError, opened
from .pictures import SIDE

RATE, WINDOW, HOP = 8000, 256, 64       # Hz, as a telephone; samples in a window, and from one window to the next
LOW, HIGH = 100, 3900       # Hz, the pitches that a picture shows
RANGE, ENDS = 35, 30        # dB: from the loudest to black; from the loudest window to what is cut off at the ends
SHORTEST, LONGEST = 0.05, 30        # seconds
EMBEDDED = Path(__file__).parent / "embedded" / "spoken.npz"        # words as pictures, made by studies/spoken.py
WAY_OUT = f"Save one word anew as an uncompressed .wav of {SHORTEST} to {LONGEST} seconds, or delete the file."


def prepared(path):
    """The recording in a .wav file as uint8 [28, 28], as `spectrogram` shows it. Raises DataError as `read` does."""
    return spectrogram(*read(path))


def read(path):
    """(samples float32 [n] from -1 to 1, rate in Hz) of an uncompressed .wav file; several channels become their mean.

    Raises DataError for what is no such file, cut short, silent, too short or too long.
    """
    with opened(path, DataError, WAY_OUT, 2**26) as file:
        return decoded(file.read())


def decoded(content):
    """The same of a file's bytes. Raises ValueError with the reason alone."""
    if content[:4] not in (b"RIFF", b"RIFX", b"RF64"):
        raise ValueError("it is no .wav file" if content else "it is empty")
    rate, samples = _unpacked(content)
    if not 4000 <= rate <= 384000:
        raise ValueError(f"its rate is {rate} Hz, not 4000 to 384000")
    if not SHORTEST <= len(samples) / rate <= LONGEST:
        raise ValueError(f"it lasts {len(samples) / rate:.2f} seconds")
    samples = _fractions(samples)
    if not numpy.isfinite(samples).all():
        raise ValueError("some of its samples are no numbers")
    samples = samples.reshape(len(samples), -1).mean(1)
    if numpy.ptp(samples) < 2e-4:
        raise ValueError("it is silent")
    return (samples / max(1, abs(samples).max())).astype(numpy.float32), rate


def _unpacked(content):
    """(rate, samples of any type, [n] or [n, channels])"""
    from scipy.io import wavfile

    with warnings.catch_warnings(action="ignore"):      # of titles, covers and such
        warnings.filterwarnings("error", "Reached EOF", wavfile.WavFileWarning)
        try:
            return wavfile.read(io.BytesIO(content))
        except Exception as error:      # many kinds, where bytes do not fit together
            told = str(error).startswith(("Unknown wave file format", "Unsupported bit depth"))
            raise ValueError(error if told else "it is damaged or cut short") from None


def _fractions(samples):
    """Samples of any type as float64, of which whole numbers are divided by their largest."""
    if samples.dtype.kind == "u":       # 8 bits, where 128 is silence
        return (samples - 128.0) / 128
    return samples / 2.0**(8 * samples.itemsize - 1) if samples.dtype.kind == "i" else samples.astype(float)


def spectrogram(samples, rate):
    """Sound [n], at `rate` Hz, as uint8 [28, 28]: time to the right, high pitch on top, 255 loudest, 0 is 35 dB less.

    The power in 28 bands as wide as the ear's (mel scale: O'Shaughnessy 1987, with the triangles of Davis & Mermelstein
    1980), in decibels. High pitches are raised first (pre-emphasis), quiet ends cut off. The word fills the picture,
    however long it takes.
    """
    from scipy.signal import get_window, resample_poly  # takes a second or more, the first time

    samples = resample_poly(samples / abs(samples).max(), RATE, rate)
    samples = numpy.append(samples[0], samples[1:] - 0.97 * samples[:-1])
    samples = numpy.pad(samples, (0, -(len(samples) - WINDOW) % HOP))
    windows = numpy.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP] * get_window("hann", WINDOW)
    power = numpy.abs(numpy.fft.rfft(windows) / (WINDOW / 2))**2        # [T, WINDOW // 2 + 1]
    level = 10 * numpy.log10(_bands() @ power.T + 1e-10)        # [28, T]
    heard = numpy.flatnonzero(level.max(0) > level.max() - ENDS)
    level = level[::-1, heard[0]:heard[-1] + 1]
    shown = (1 + (level - level.max()) / RANGE).clip(0).astype(numpy.float32)
    shown = Image.fromarray(shown).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return (255 * numpy.asarray(shown)).round().astype(numpy.uint8)


@cache
def _bands():
    """The weight of each frequency of a window in each band, low pitch first: [28, WINDOW // 2 + 1]."""
    mel = numpy.linspace(*(2595 * numpy.log10(1 + numpy.array([LOW, HIGH]) / 700)), SIDE + 2)
    low, middle, high = numpy.lib.stride_tricks.sliding_window_view(700 * (10**(mel / 2595) - 1), 3).T[..., None]
    frequency = numpy.fft.rfftfreq(WINDOW, 1 / RATE)
    return numpy.minimum((frequency - low) / (middle - low), (high - frequency) / (high - middle)).clip(0)
