import json
from pathlib import Path

import pytest

from course_lib import statistics
from course_tools import pages
from course_tools.running import Job, Outcome


def test_small_numbers_keep_their_digits():
    record = {"name": "divergence", "value": 0.00123, "low": 0.001, "high": 0.0015, "n": 3, "unit": "nats"}
    assert pages.headline(record) == "divergence: 0.00123 nats (0.001 to 0.0015, n=3)"


def test_a_headline_says_of_which_arm_it_is():
    record = {"name": "error", "value": 0.2, "low": 0.1, "high": 0.3, "n": 3, "unit": "error", "arm": "GAN",
              "setting": "-", "n_versions": 64, "seed": 0, "per_game": [1], "versions": {}}
    assert pages.headline(record) == "error, GAN, n versions 64: 0.2 (0.1 to 0.3, n=3)"


def job(seed, dataset="glyphs"):
    return Job(Path("08_x.ipynb"), dataset, seed, f"{dataset}-{seed}")


def test_a_number_is_its_mean_over_seeds_with_students_interval():
    record = {"name": "1-shot", "arm": "GAN", "setting": "inductive", "unit": "accuracy", "low": 0, "high": 1, "n": 80,
              "device": "cpu", "versions": {}, "per_game": [1.0]}
    values = {0: 0.60, 1: 0.64, 2: 0.71}
    found = [(job(seed), {**record, "seed": seed, "value": value, "per_game": [value]})
             for seed, value in values.items()]
    found += [(job(0), {**record, "arm": "none", "value": 0.5}), (job(0, "digits"), {**record, "value": 0.9})]
    over_seeds, none, digits = pages.summary(found)
    mean, half = statistics.mean_interval([0.60, 0.64, 0.71])
    assert (over_seeds["value"], over_seeds["high"] - over_seeds["low"]) == pytest.approx((mean, 2 * half))
    assert half == pytest.approx(4.302653 * 0.0556776 / 3 ** 0.5, rel=1e-5), "t for 2 degrees of freedom, by hand"
    assert (over_seeds["n"], over_seeds["seeds"], over_seeds["dataset"]) == (3, [0, 1, 2], "glyphs")
    assert pages.label(over_seeds) == "1-shot, GAN, inductive"
    assert pages.shown(over_seeds) == "65.0 ± 13.8 % (3 seeds)"
    assert none["n"] == 1 and none["low"] is None and pages.shown(none) == "50.0 % (1 seed)"
    assert digits["dataset"] == "digits" and digits["value"] == 0.9


def test_records_alike_within_a_job_are_told_apart():
    record = {"name": "gap", "unit": "nats", "side": "support"}
    found = [(job(seed), {**record, "value": value, "rate": value}) for seed in (0, 1) for value in (1.0 + seed, 5.0)]
    first, second = pages.summary(found)
    assert (first["value"], second["value"]) == (1.5, 5.0) and pages.shown(first).startswith("1.5 ± 6.35 nats")
    assert [name for _, name in pages._rows([first, second])] == ["gap, side support", "gap, side support (2)"]


def test_a_line_cut_off_by_a_kill_costs_no_report(tmp_path):
    path = tmp_path / "figures" / "results" / "00_x.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text('{"name": "a", "val', encoding="utf-8")
    pages.write_report(tmp_path, [Outcome("00_x", "failed", 0.1, "Kernel died")], {"seed": 0})
    report = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert report["results"] == [] and report["notebooks"][0]["error"] == "Kernel died"
