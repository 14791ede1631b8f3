"""RESULTS.md's tables, and the page of all numbers."""

import json
import shutil
import subprocess
import sys

import pytest

from course_lib.runtime import project_root
from course_tools import cli, report

ROOT = project_root()
RESULTS = report.load()


def test_the_tables_in_the_texts_are_fresh():
    command = [sys.executable, "-m", "cogapp", "--check", "--diff", "RESULTS.md", "CONTRIBUTING.md"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, f"{done.stdout}{done.stderr}\nRun: make tables"


def test_the_results_have_every_table():
    text = (ROOT / "RESULTS.md").read_text(encoding="utf-8")
    assert all(report.table(name) in text for name in report.TABLES)


@pytest.mark.parametrize("name", report.TABLES)
def test_a_table_shows_what_is_stored(name):
    changed = {file: [{**r, "value": 1 - r["value"], "median": 1.0} for r in found] for file, found in RESULTS.items()}
    before, after = (report._markdown(report.TABLES[name](results)).splitlines() for results in (RESULTS, changed))
    assert before[:2] == after[:2] and len(before) == len(after) > 3
    assert all(old != new for old, new in zip(before[2:], after[2:]))


def test_a_record_that_is_gone_is_named():
    with pytest.raises(ValueError, match=r"placements.jsonl has no record of .*at_test"):
        report.TABLES["placements"]({"placements": RESULTS["placements"][2:]})
    with pytest.raises(ValueError, match=r"figures/results/placements.jsonl is not there"):
        report.TABLES["placements"]({})


def test_select_wants_every_value_of_a_list():
    rows = {"a": [{"arm": "x", "seed": 0}, {"arm": "y", "seed": 0}, {"arm": "y", "seed": 1}]}
    assert report.select(rows, "a", arm=["x", "y"], seed=0) == rows["a"][:2]
    for wrong in ({"arm": ["x", "z"]}, {"arm": "x", "seed": 1}, {"steps": 1}):
        with pytest.raises(ValueError, match=r"a.jsonl has no record of"):
            report.select(rows, "a", **wrong)


def test_published_numbers_are_records():
    by = {(r["arm"], r["source"], r["name"], r["setting"]): r for r in RESULTS["published"]}
    finn = by["MAML", "Finn et al. 2017", "5-way 1-shot", "transductive"]
    assert (finn["value"], round(finn["low"], 4), round(finn["high"], 4)) == (0.987, 0.983, 0.991)
    assert all(r["low"] <= r["value"] <= r["high"] for r in RESULTS["published"])


@pytest.mark.parametrize("file, change", [
    ("meta_steps", lambda text: text + "null\n"), ("published", lambda text: text.replace("98.7", "good")),
    ("published", lambda text: "null\n"), ("published", lambda text: text.replace('"source"', '"from"')),
    ("meta_steps", lambda text: text.replace('"memory"', '"x"')),
    ("parts", lambda text: text.replace('"device"', '"x"')), ("few_shot", lambda text: text[:-5]),
    ("placements", lambda text: text.replace('"value": 0', '"value": NaN, "x": 0')),
    ("official", lambda text: ""), ("resemblance", lambda text: "<html>")])
def test_a_file_that_is_damaged_is_named(tmp_path, monkeypatch, capsys, file, change):
    shutil.copytree(ROOT / "figures" / "results", tmp_path / "figures" / "results")
    (tmp_path / "notebooks" / "source").mkdir(parents=True)
    path = tmp_path / "figures" / "results" / f"{file}.jsonl"
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
    monkeypatch.setattr(cli, "project_root", lambda: tmp_path)
    monkeypatch.setattr(report, "project_root", lambda: tmp_path)
    assert cli.main(["report"]) == 2
    printed = capsys.readouterr()
    assert f"{file}.jsonl" in printed.err and printed.err.count("\n") == 1 and not printed.out


def test_every_notebook_has_headlines():
    scripts = (ROOT / "notebooks" / "source").glob("*.py")
    assert set(report.HEADLINES) == {"RESULTS", *(path.name[:2] for path in scripts)}
    for row in report.headlines(RESULTS):
        assert row["low"] <= row["value"] <= row["high"] and row["text"] and row["device"]
        assert (ROOT / row["source"]).is_file()


def test_the_command_prints_and_writes_all_numbers(tmp_path, capsys):
    assert cli.main(["report"]) == 0
    printed = capsys.readouterr().out
    assert all(len(line) <= 120 for line in printed.splitlines())
    rows = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    text = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert f"{len(rows)} numbers" in printed
    assert sum(line.startswith("| ") for line in text.splitlines()) == len(rows) + 1
    proto, = (row for row in rows if row["name"] == "20-way 1-shot within alphabet" and row["n"] == 3
              and row["of"].startswith("ProtoNet, inductive, omniglot"))
    stored, = (r for r in RESULTS["few_shot"] if (r["name"], r["dataset"], r["arm"], r["seed"])
               == ("20-way 1-shot within alphabet", "omniglot", "ProtoNet", "all"))
    assert "69.9 (5 (minimal); Lake et al. 2019)" in proto["published"]
    assert proto["source"] == "studies/few_shot.py" and proto["value"] == stored["value"]
    for shown in (proto["text"], *proto["published"]):
        assert shown in text and shown in " ".join(printed.split())


def test_a_handout_has_no_report(tmp_path, monkeypatch, capsys):
    shutil.copytree(ROOT / "figures" / "results", tmp_path / "figures" / "results")
    monkeypatch.setattr(cli, "project_root", lambda: tmp_path)
    assert cli.main(["report"]) == 2
    assert "a report needs a clone of the course" in capsys.readouterr().err
