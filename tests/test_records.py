import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from course_tools import records

CONTEXT = {"dataset": "glyphs", "split": "train", "profile": "smoke", "seed": 3, "device": torch.device("cpu")}


@pytest.fixture
def results():
    return records.Results("study", **CONTEXT)


def add(results, values=(0.4, 0.6), name="accuracy of x", **details):
    return results.add(name, torch.tensor(values), unit="accuracy", setting="inductive", **details)


def test_results_are_written_with_all_that_a_number_needs(results):
    record = add(results, arm="no augmentation")
    stored = Path(os.environ["COURSE_OUT"]) / "figures" / "results" / "study.jsonl"
    assert [json.loads(line) for line in stored.read_text(encoding="utf-8").splitlines()] == [record]
    assert {"value", "low", "high", "n", "arm", "dataset", "split", "profile", "seed", "device", "setting",
            "versions"} <= set(record)
    assert record["value"] == pytest.approx(0.5) and record["n"] == 2
    assert records.percent(record) == "50.0 ± 127.1 %", "two values: Student's t with one degree of freedom, 12.706"
    assert records.read(stored) == [record]


def test_one_record_a_line_and_what_stands_stays_as_it_is(results):
    """Whoever has the file open sees each record arrive at its end, for no other file takes its place."""
    kept, before = [], b""
    with open(results.path, "rb") as file:
        for n in range(4):
            kept.append(add(results, (n / 10, 0.5), name=f"Größe {n}\nof two lines"))
            line = file.read()
            assert line.count(b"\n") == 1 and line.endswith(b"\n") and json.loads(line) == kept[-1]
            assert "Größe".encode() in line, "readable as it stands"
            before += line
            assert results.path.read_bytes() == before
    assert len(set(before.splitlines())) == 4 and records.read(results.path) == kept


def test_what_others_wrote_into_the_file_meanwhile_stays(results):
    add(results)
    others = {**add(results), "name": "theirs"}
    results.path.write_text(results.path.read_text() + json.dumps(others) + "\n")
    add(results)
    assert [record["name"] for record in records.read(results.path)] == ["accuracy of x"] * 2 + [
        "theirs", "accuracy of x"]


@pytest.mark.parametrize("values, details", [
    ((0.5, math.nan), {}), ((0.5, math.inf), {}), ((-math.inf, 0.5), {}), ((0.4, 0.6), {"seconds": math.nan}),
    ((0.4, 0.6), {"curve": [0.1, math.inf]}), ((0.4, 0.6), {"parts": {"a": -math.inf}})])
def test_what_is_not_finite_is_refused_and_nothing_is_written(results, values, details):
    kept = add(results)
    before = results.path.read_bytes()
    with pytest.raises(ValueError, match=r"'accuracy of x' \(GAN\) has a number that is nan or infinite: .*Look for"):
        add(results, values, arm="GAN", **details)
    assert results.path.read_bytes() == before
    assert records.read(results.path) == [kept]


def test_a_new_study_starts_an_empty_file(results):
    add(results)
    path = records.Results("study", **CONTEXT).path
    assert path == results.path and path.read_bytes() == b"" and records.read(path) == []
    assert os.listdir(path.parent) == ["study.jsonl"]


def test_a_torn_last_line_is_named_wherever_it_was_torn(results):
    kept = [add(results) for _ in range(2)]
    before = len(results.path.read_bytes())
    add(results, name="Größe")
    whole = results.path.read_bytes()
    for end in range(before + 1, len(whole) - 1):       # at the end only the line break is torn off
        results.path.write_bytes(whole[:end])
        with pytest.raises(ValueError, match=r"study\.jsonl, line 3 is no record .* Run again what wrote the file"):
            records.read(results.path)
    results.path.write_bytes(whole[:before])
    assert records.read(results.path) == kept
    results.path.write_bytes(whole[40:])
    with pytest.raises(ValueError, match=r"study\.jsonl, line 1 is no record"):
        records.read(results.path)


WHOLE = {"name": "a", "unit": "error", "value": 0.5, "low": 0.4, "high": 0.6, "n": 3}
BROKEN = [b"null", b"[]", b"7", b'"text"', b"true", b"", b"{", b"{}", b"\xff\xfe\x00", b"[" * 100_000, b"<html>",
          b'{"accuracy": null}', b'{"accuracy": 1}',
          *(json.dumps({**WHOLE, **wrong}).encode() for wrong in (
              {"value": None}, {"value": "0.5"}, {"value": math.nan}, {"low": math.inf}, {"high": -math.inf},
              {"n": None}, {"n": 1.5}, {"name": None}, {"name": 3}, {"unit": None}, {"value": True}, {"value": [1]},
              {"value": 10**400}, {"curve": [math.nan]}, {"parts": {"a": math.inf}})),
          json.dumps(WHOLE).encode().replace(b"0.5", b"1e999")]


@pytest.mark.parametrize("line", BROKEN, ids=lambda line: line[:40].decode("latin-1"))
def test_what_is_no_record_is_named(tmp_path, line):
    path = tmp_path / "x.jsonl"
    path.write_bytes(json.dumps(WHOLE).encode() + b"\n" + line + b"\n")
    with pytest.raises(ValueError, match=r"x\.jsonl, line 2 is no record \(.*\)\. Run again") as error:
        records.read(path)
    assert "\n" not in str(error.value) and len(str(error.value)) < 400
    path.write_text("\ufeff" + json.dumps({**WHOLE, "value": 1}) + "\n", encoding="utf-8")
    assert records.read(path) == [{**WHOLE, "value": 1}], "whole numbers, and the mark of a Windows editor"


def test_what_is_no_file_is_named(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere") if os.name != "nt" else None
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "fifo")
    for name in ("folder", "link", "fifo", "absent"):
        with pytest.raises(FileNotFoundError, match=f"{name} is not there, or no ordinary file"):
            records.read(tmp_path / name)


def test_a_file_too_large_to_be_one_of_ours_is_not_read(tmp_path):
    with open(tmp_path / "huge.jsonl", "wb") as file:
        file.truncate(2**26 + 1)        # sparse: it takes no room
    with pytest.raises(ValueError, match=r"huge.jsonl cannot be read \(its 67,108,865 bytes are more than"):
        records.read(tmp_path / "huge.jsonl")


def test_a_full_disc_leaves_no_half_record(results, monkeypatch):
    """The limit on the size of files is 20 bytes beyond what stands."""
    resource = pytest.importorskip("resource")
    kept, limits = add(results), resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (results.path.stat().st_size + 20, limits[1]))
        with pytest.raises(OSError, match=r"cannot write study\.jsonl into .*results \(File too large\)\. Make"):
            add(results)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert records.read(results.path) == [kept]
    assert [kept, add(results)] == records.read(results.path)


def test_values_may_be_a_tensor_a_list_or_an_array(results):
    kept = [results.add("x", values, unit="seconds", setting="-")
            for values in (torch.tensor([1.0, 2.0, 6.0]), [1.0, 2.0, 6.0], np.array([1.0, 2.0, 6.0]))]
    assert kept[0] == kept[1] == kept[2] and kept[0]["value"] == pytest.approx(3.0) and kept[0]["n"] == 3
    assert records.read(results.path) == kept


def test_scalars_that_are_python_numbers_are_kept_and_others_refused(results):
    """A numpy.float64 is a float; a tensor or another number of numpy's must be made one by whoever records it."""
    kept = add(results, seconds=np.float64(1.5))
    before = results.path.read_bytes()
    for scalar in (torch.tensor(1.5), np.float32(1.5), np.int64(2)):
        with pytest.raises(TypeError, match="not JSON serializable"):
            add(results, seconds=scalar)
    assert results.path.read_bytes() == before and records.read(results.path) == [kept]
    assert kept["seconds"] == 1.5 and type(records.read(results.path)[0]["seconds"]) is float


@pytest.mark.parametrize("sign", ["\n", "\r", "\u2028", "\x85", "\x1c", "\v"], ids=ascii)
def test_no_sign_in_a_name_ends_a_line(results, sign):
    kept = [add(results, name=f"one{sign}two"), add(results)]
    assert records.read(results.path) == kept


@pytest.mark.parametrize("name", ["n", "value", "low", "high"])
def test_a_detail_cannot_take_the_place_of_a_measured_number(results, name):
    with pytest.raises(ValueError, match=rf"x' has details called {name}, which every record has\. Rename"):
        add(results, **{name: 3})
    assert results.path.read_bytes() == b""
