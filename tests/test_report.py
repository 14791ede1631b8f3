"""README and notebooks state what is stored; the page of all numbers; README's tables."""

import json
import os
import re
import shutil
import subprocess

import pytest

from course_lib import runtime
from course_tools import claims, cli, report

ROOT = runtime.project_root()


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A copy of all that is read, where a test may change things."""
    root = tmp_path / "course"
    shutil.copytree(ROOT / "figures" / "results", root / "figures" / "results")
    shutil.copytree(ROOT / "notebooks" / "source", root / "notebooks" / "source")
    for path in (ROOT / "README.md", *(ROOT / "notebooks").glob("*.ipynb")):
        shutil.copy(path, root / path.relative_to(ROOT))
    monkeypatch.setattr(cli, "project_root", lambda: root)
    return root


def test_readme_and_notebooks_state_what_is_stored():
    """If this fails: `course report` says where and what to do."""
    rows, faults = report.collect(ROOT)
    assert not faults, "\n".join(map(str, faults))
    sources = {row["source"] for row in rows}
    assert {f"notebooks/{path.stem}.ipynb" for path in (ROOT / "notebooks" / "source").glob("*.py")} - sources == {
        "notebooks/07_maml.ipynb", "notebooks/08_gan_augmented_adaptation.ipynb"}, "these two state a study's numbers"
    for row in rows:
        assert row["low"] <= row["value"] <= row["high"] and row["text"] and row["profile"] and row["device"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\d|-", row["date"]) and (ROOT / row["source"]).is_file()


def test_the_command_prints_and_writes_all_numbers(copy, tmp_path, capsys):
    assert cli.main(["report"]) == 0
    printed = capsys.readouterr().out
    assert all(len(line) <= 120 for line in printed.splitlines())
    page = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    text = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert page["faults"] == [] and "\n* none\n" in text and f"{len(page['numbers'])} numbers, 0 faults" in printed
    assert sum(line.startswith("| ") for line in text.splitlines()) == len(page["numbers"]) + 1
    proto, = (row for row in page["numbers"] if row["number"] == "20-way 1-shot within alphabet"
              and row["of"].startswith("ProtoNet, inductive, omniglot"))
    assert any("Lake et al. 2019" in other for other in proto["published"]) and proto["text"] in printed
    assert proto["published"][0] in text and proto["source"] == "benchmarks/few_shot.py" and proto["n"] == 3
    assert all(row["date"] == "-" for row in page["numbers"] if row["source"].startswith("bench")), "no git in the copy"


def test_the_day_is_the_record_s_own_or_git_s(copy):
    results = claims.load(copy)
    for r in results["00_start_here"]:
        r["date"] = "2020-02-20"
    assert {row["date"] for row in report.headlines(copy, results) if "00_start" in row["source"]} == {"2020-02-20"}
    git = ["git", "-C", str(copy), "-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "all", "--date=2001-01-01"]):
        subprocess.run(git + command, check=True, env={**os.environ, "GIT_COMMITTER_DATE": "2001-01-01T12:00"})
    assert report._days(copy)["few_shot"] == "2001-01-01"
    (copy / "figures" / "results" / "few_shot.json").write_text("[]", encoding="utf-8")
    assert "few_shot" not in report._days(copy) and report._days(copy)["placements"] == "2001-01-01"


def first_number(text, after):
    """The text with the first decimal after `after` changed by one in its last digit."""
    at = text.index(after)
    number = re.search(r"\d+\.\d", text[at:])
    changed = number[0][:-1] + str((int(number[0][-1]) + 1) % 10)
    return text[:at + number.start()] + changed + text[at + number.end():]


@pytest.mark.parametrize("name", report.TABLES)
def test_a_stale_table_is_named_and_made_anew(name):
    fresh, results = (ROOT / "README.md").read_text(encoding="utf-8"), claims.load(ROOT)
    stale = first_number(fresh, f"<!-- table: {name} -->")
    line = next(i for i, (a, b) in enumerate(zip(fresh.splitlines(), stale.splitlines()), 1) if a != b)
    assert [str(fault) for fault in report.stale_tables(stale, results)] == [
        f"README.md:{line}: the table {name} is not what figures/results has. Run: course report --write"]
    assert report.renewed(stale, results) == fresh


def test_the_command_fails_for_a_stale_table_and_writes_it(copy, capsys):
    path = copy / "README.md"
    fresh = path.read_text(encoding="utf-8")
    path.write_text(first_number(fresh, "<!-- table: few_shot -->"), encoding="utf-8")
    assert cli.main(["report"]) == 1 and "numbers, 1 fault;" in capsys.readouterr().out
    assert cli.main(["report", "--write"]) == 0 and path.read_text(encoding="utf-8") == fresh


@pytest.mark.parametrize("needed", ["README.md", "figures/results"])
def test_a_handout_has_no_report(copy, capsys, needed):
    (copy / needed).rename(copy / "elsewhere")
    assert cli.main(["report"]) == 2
    assert "a report needs a clone of the course" in capsys.readouterr().err


def test_a_table_that_is_absent_or_unknown(copy, capsys):
    path = copy / "README.md"
    fresh = path.read_text(encoding="utf-8")
    path.write_text(fresh.replace("<!-- table: few_shot -->", "<!-- few_shot -->"), encoding="utf-8")
    assert cli.main(["report"]) == 1
    assert "README.md:1: has no table few_shot. Write <!-- table: few_shot -->" in capsys.readouterr().out
    path.write_text(fresh.replace("<!-- table: few_shot -->", "<!-- table: few -->"), encoding="utf-8")
    assert cli.main(["report", "--write"]) == 2 and "README has a table 'few'. Name one of:" in capsys.readouterr().err


@pytest.mark.parametrize("stem", ["few_shot", "augmentation", "placements", "meta_steps"])
def test_a_changed_result_is_found_in_the_readme(stem):
    results = claims.load(ROOT)
    results[stem] = [{**r, "value": 1 - r["value"], "median": 1.0} for r in results[stem]]
    faults = report.stale_tables((ROOT / "README.md").read_text(encoding="utf-8"), results)
    assert any("is not what figures/results has" in str(fault) for fault in faults)


def test_a_changed_result_is_found_in_an_answer(copy):
    path = copy / "figures" / "results" / "00_start_here.json"
    records = json.loads(path.read_text(encoding="utf-8"))
    records[0]["value"] += 0.01
    path.write_text(json.dumps(records), encoding="utf-8")
    fault, = report.collect(copy)[1]
    line = (copy / "notebooks" / "00_start_here.ipynb").read_text(encoding="utf-8").splitlines()[
        int(fault.where.split(":")[1]) - 1]
    assert fault.where.startswith("notebooks/00_start_here.ipynb:") and "pixels alone get" in line


def test_a_record_that_is_gone_is_named(copy, capsys):
    path = copy / "figures" / "results" / "placements.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8"))[2:]), encoding="utf-8")
    assert cli.main(["report"]) == 1
    assert "figures/results has no record ('nowhere', 'nothing') for the table placements" in capsys.readouterr().out
    assert cli.main(["report", "--write"]) == 2, "nothing is half written"


def test_every_number_of_the_readme_is_bound(copy):
    """Each decimal in README's own sentences is found, if it is changed by one in its last digit."""
    path = copy / "README.md"
    text = claims.Prose(copy, path)
    numbers = [m for m in re.finditer(r"(?<![\d.])\d+\.\d(?![\d.])", text.said)
               if not claims.NO_QUANTITY.search(text.said, max(m.start() - 40, 0), m.start())]
    assert len(numbers) >= 5
    changed = text.text
    for m in numbers:
        changed = changed[:m.end() - 1] + str((int(m[0][-1]) + 1) % 10) + changed[m.end():]
    path.write_text(changed, encoding="utf-8")
    faults = [str(fault) for fault in claims.faults(copy)]
    for m in numbers:
        said = f"{text.where(m.start())}: says {changed[m.start():m.end()]} where figures/results has {m[0]}"
        assert any(fault.startswith(said) for fault in faults), said
