"""Names as rows of counts."""

import subprocess
import sys
import zlib
from collections import Counter

import pytest
import torch

from course_files import languages as names
from course_lib import datasets, episodes, runtime


def test_pieces_of_a_word_are_counted_in_their_columns():
    row, = names.hashed(["abab"], n=10_007).tolist()
    pieces = Counter([*" abab ", " a", "ab", "ba", "ab", "b ", " ab", "aba", "bab", "ab "])
    wanted = {zlib.crc32(piece.encode()) % 10_007: 51 * times for piece, times in pieces.items()}
    assert len(wanted) == len(pieces) and max(wanted.values()) == 102       # no two in one column; "ab" twice
    assert {column: count for column, count in enumerate(row) if count} == wanted


def test_counts_stop_at_five_and_columns_are_shared():
    assert names.hashed(["aaaaaaaaa"], n=1).tolist() == [[255]]
    assert names.hashed(["ab", "ba"], n=1).tolist() == [[51 * min(5, 4 + 3 + 2)]] * 2


def test_where_a_word_begins_matters():
    a, b = names.hashed(["ab", "ba"])
    assert not torch.equal(a, b)


def test_another_process_counts_alike():
    code = "from course_files.languages import hashed; print(hashed(['żółw', '日本語'], 64).tolist())"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                           env={"PYTHONHASHSEED": "7"}).stdout
    assert found.strip() == str(names.hashed(["żółw", "日本語"], 64).tolist())


@pytest.fixture(scope="module")
def classes():
    return datasets.ImageClasses(*names.read([]))


def test_a_language_is_a_class_of_rows(classes):
    assert classes.images.shape == (len(classes.names), names.M, 1, 1, 512) and classes.images.dtype == torch.uint8
    scripts = dict(zip(classes.names, classes.alphabets))
    assert (scripts["German"], scripts["Russian"], scripts["Hindi"]) == ("Latin", "Cyrillic", "Devanagari")
    first = names.files.read(least=names.M)["German"][0]
    assert torch.equal(classes.images[classes.names.index("German"), 0, 0], names.hashed([first]))


def test_splits_cover_all_and_each_has_languages_enough(classes):
    places = names.split(classes)
    count = Counter((place, script == "Latin") for place, script in zip(places, classes.alphabets))
    assert set(places) == {"train", "val", "test"} and min(count.values()) >= 8
    latin = Counter(place for place, script in zip(places, classes.alphabets) if script == "Latin")
    assert latin["train"] / latin.total() == pytest.approx(0.6, abs=0.02) and abs(latin["val"] - latin["test"]) <= 1


def test_a_language_keeps_its_split_whatever_the_order(classes):
    backwards = classes.take(reversed(range(len(classes.names))))
    assert names.split(backwards) == names.split(classes)[::-1]


def test_few_languages_of_many_scripts_are_split_as_one():
    few = datasets.ImageClasses(torch.zeros(5, 1, 1, 1, 4), ("Latin", "Latin", "Greek", "Thai", "Cjk"), tuple("abcde"))
    assert sorted(names.split(few)) == ["test", "train", "train", "train", "val"]


def test_episodes_are_drawn_as_from_pictures(classes):
    tasks = episodes.sample(classes, n_way=5, k_shot=1, q_query=3, n_tasks=2, rng=runtime.rng(0))
    assert tasks.query_x.shape == (2, 15, 1, 1, 512) and 0 < tasks.query_x.max() <= 1
