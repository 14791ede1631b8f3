"""Makes the embedded spoken words: course_files/embedded/spoken.npz, and spoken.md, which says what is in it.

Two programs say 150 English words in 28 voices; each recording becomes a picture (`course_files.sound`). No recording
is kept, and no voice is a person of the Free Spoken Digit Dataset. No word is a digit.

    python studies/spoken.py
"""

import re
import shutil
import subprocess
import tempfile
from concurrent.futures import ProcessPoolExecutor
from itertools import combinations
from pathlib import Path

import numpy

from course_files import sound

STEPS = 20      # levels of loudness that are kept: of 2.6 dB, so that the file is small
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
WORDS = {       # of one syllable, as most digits are; fifteen of each theme: of every five three train, one validates
    "animals": "dog cat horse cow pig sheep goat mouse bird fish frog snake bear wolf duck",
    "food": "bread cheese rice milk egg soup salt beans cake fruit plum peach nut juice meat",
    "body": "hand foot head neck arm leg nose mouth ear knee back skin heart bone toe",
    "home": "house door room roof floor lamp desk chair bed cup plate spoon knife clock key",
    "nature": "tree leaf grass sun moon star rain snow cloud stone sand sea hill lake ice",
    "looks": "red blue green black white brown pink big small long short cold warm hard soft",
    "actions": "jump walk run swim dance sing speak write think laugh sleep fall throw catch hold",
    "people": "man girl boy child friend king queen aunt guest judge nurse chief guard twin bride",
    "times and places": "day night week month year spring town street bridge church school farm shop park road",
    "things": "book pen ball ring coin shoe hat coat glove belt box bag rope wheel drum",
}
ESPEAK = [      # accent and kind of voice, words a minute, pitch
    ("en-us+m1", 150, 45), ("en-us+f1", 170, 55), ("en-us+m3", 190, 35), ("en-us+f3", 140, 60), ("en-gb+m2", 160, 40),
    ("en-gb+m4", 180, 50), ("en-gb-scotland+m5", 150, 45), ("en-gb-scotland+f2", 165, 65), ("en-gb-x-rp+m6", 175, 30),
    ("en-gb-x-rp+f5", 155, 50), ("en-gb-x-gbclan+m7", 160, 55), ("en-gb-x-gbclan+f1", 185, 45), ("en-029+m1", 150, 35),
    ("en-029+f3", 160, 60), ("en-gb-x-gbcwmd+m3", 170, 50), ("en-gb-x-gbcwmd+f4", 145, 55), ("en-us-nyc+m2", 165, 45),
    ("en-us+f5", 160, 70), ("en-gb+klatt3", 150, 50), ("en-us+whisper", 150, 50)]
FLITE = [       # voice, stretch of time, mean pitch in Hz
    ("awb", 1, 115), ("awb", 1.3, 150), ("kal16", 1, 100), ("kal16", 1.25, 135), ("rms", 0.9, 95), ("rms", 1.2, 120),
    ("slt", 1, 170), ("slt", 1.25, 215)]


def voices():
    """{what a voice is called: the command that says `{}` into the .wav file that follows}."""
    espeak = {f"espeak-ng {name}, {speed}/min, pitch {pitch}":
              ["espeak-ng", "-v", name, "-s", str(speed), "-p", str(pitch), "{}", "-w"]
              for name, speed, pitch in ESPEAK}
    flite = {f"flite {name}, {stretch} as long, {pitch} Hz":
             ["flite", "-voice", name, "--setf", f"duration_stretch={stretch}", "--setf",
              f"int_f0_target_mean={pitch}", "-t", "{}", "-o"] for name, stretch, pitch in FLITE}
    return espeak | flite


def spoken(word):
    """The picture of a word in every voice: uint8 [M, 28, 28]."""
    pictures = []
    with tempfile.TemporaryDirectory() as folder:
        for command in voices().values():
            path = Path(folder, f"{len(pictures)}.wav")
            subprocess.run([part.format(word) for part in command] + [path], check=True, capture_output=True)
            pictures.append(sound.prepared(path))
    return numpy.stack(pictures)


def alike(words, least=1):
    """The pairs of words whose phonemes, as espeak-ng has them, differ by fewer than `least` changes."""
    said = {word: phonemes(word) for word in words}
    return [pair for pair in combinations(words, 2) if distance(*(said[word] for word in pair)) < least]


def phonemes(word):
    """A word's phonemes without their stress: a list of strings."""
    told = subprocess.run(["espeak-ng", "-q", "-x", "--sep= ", "-v", "en-us", word], check=True, capture_output=True)
    return re.sub("[',|]", "", told.stdout.decode()).split()


def distance(one, other):
    """The fewest insertions, removals and replacements that make one sequence the other (Levenshtein 1966)."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        last, row = row, [i]
        for j, b in enumerate(other, 1):
            row.append(min(last[j] + 1, row[-1] + 1, last[j - 1] + (a != b)))
    return row[-1]


def main():
    if absent := [program for program in ("espeak-ng", "flite") if not shutil.which(program)]:
        raise SystemExit(f"{' and '.join(absent)} missing. Install them: apt install espeak-ng flite")
    words = [word for listed in WORDS.values() for word in listed.split()]
    if close := alike([*words, *DIGITS]):
        raise SystemExit(f"Words that sound alike: {close}. Replace one of each pair.")
    with ProcessPoolExecutor(2) as pool:
        images = numpy.stack(list(pool.map(spoken, words)))     # [C, M, 28, 28]
    images = ((images / 255 * (STEPS - 1)).round() * 255 / (STEPS - 1)).round().astype(numpy.uint8)
    path = sound.EMBEDDED
    path.parent.mkdir(exist_ok=True)
    themes = [theme for theme, listed in WORDS.items() for _ in listed.split()]
    numpy.savez_compressed(path, images=images, words=words, voices=list(voices()), themes=themes)
    path.with_suffix(".md").write_text(described(images.shape), encoding="utf-8")
    print(f"{path}: {images.shape}, {path.stat().st_size:,} bytes")


def described(shape):
    """The text of spoken.md."""
    n_words, n_voices, *_ = shape
    programs = [f"{len(ESPEAK)} voices are by eSpeak NG {version('espeak-ng')}",
                f"{len(FLITE)} by Flite {version('flite')}"]
    return f"""# Spoken words

`spoken.npz` holds {n_words} English words in {n_voices} synthetic voices, each as a picture of 28x28 pixels: time to
the right, high pitch on top, loud bright (`course_files/sound.py`). Its arrays are `images` uint8
[{n_words}, {n_voices}, 28, 28] in {STEPS} levels, `words`, `themes`, and `voices`, which name the programs and their
settings.

- Made by `studies/spoken.py`. Nobody was recorded, and no recording is kept.
- The first {programs[0]}, the other {programs[1]}.
- The words were chosen for this course. No word is a digit. By eSpeak NG's phonemes, no two are the same.
- The pictures are output of these programs, and hold no part of them. The collection has the course's licence, MIT.
"""


def version(program):
    told = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
    return re.search(r"(?:speech: |version: \w+-)([\d.]+)", told)[1]


if __name__ == "__main__":
    main()
