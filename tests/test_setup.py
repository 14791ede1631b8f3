"""The files that install the course say the same thing."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CONDA_NAMES = {"torch": "pytorch"}


def requirements(*extras):
    listed = PROJECT["dependencies"] + [r for e in extras for r in PROJECT["optional-dependencies"][e]]
    return [Requirement(text) for text in listed if not text.startswith(PROJECT["name"])]


def test_environment_yml_equals_pyproject():
    lines = (ROOT / "environment.yml").read_text(encoding="utf-8").split("dependencies:\n")[1].splitlines()
    conda = {line.strip()[2:] for line in lines if line.startswith("  - ")} - {"pip", "pip:"}
    by_pip = {line.strip()[2:] for line in lines if line.startswith("      - ")} - {"-e ."}
    expected = {f"{CONDA_NAMES.get(r.name, r.name)}{r.specifier}" for r in requirements()} - by_pip
    assert by_pip == {"sphinx-mathjax-offline"}, "conda-forge has the rest"
    python, = (name for name in conda if name.startswith("python="))
    assert conda == expected | {python}
    assert re.fullmatch(r"python=3\.\d+", python), "Binder understands one version, no range"
    assert SpecifierSet(PROJECT["requires-python"]).contains(python.removeprefix("python="))
    assert lines[-1].strip() == "- -e .", "the course itself is installed by pip, its dependencies are there already"


def test_constraints_pin_every_dependency_within_its_range():
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    pins = {}
    for line in text.splitlines():
        if match := re.match(r"([\w.-]+)==([\w.+]+)", line):
            pins.setdefault(match[1].lower(), []).append(match[2])
    for requirement in requirements("test", "teach", "site"):
        assert requirement.name in pins, f"{requirement.name} has no pin: make constraints"
        assert all(requirement.specifier.contains(version) for version in pins[requirement.name])
    assert "file:" not in text and "+cpu" not in text and "://" not in text, "a pin of one machine only"


def test_torch_and_torchvision_pins_belong_together():
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    torch_minor, vision_minor = (int(re.search(rf"^{n}==\d+\.(\d+)", text, re.M)[1]) for n in ("torch", "torchvision"))
    assert vision_minor - torch_minor == 15         # 2.11 with 0.26, 2.12 with 0.27, 2.13 with 0.28


def test_the_page_on_installing_names_the_pinned_torch():
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    quoted = re.findall(r"(torch|torchvision)==([\d.]+)", (ROOT / "INSTALL.md").read_text(encoding="utf-8"))
    assert len(quoted) == 2 and all(f"\n{name}=={version}\n" in pins for name, version in quoted)


def test_ci_and_readme_use_the_same_command():
    assert "make test" in (ROOT / ".ci" / "run").read_text()
    assert ".ci/run" in (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "make run" in readme and "make test" in readme
    assert len(readme.splitlines()) <= 120


def test_no_placeholder_is_left_in_the_readme():
    assert "@" not in (ROOT / "README.md").read_text(encoding="utf-8")


THREADS = "import os; print(*(os.environ.get(name) for name in ('GOMP_SPINCOUNT', 'OMP_WAIT_POLICY')))"


@pytest.mark.parametrize("given, expected", [
    ({}, "1000 None"), ({"GOMP_SPINCOUNT": "7"}, "7 None"), ({"OMP_WAIT_POLICY": "PASSIVE"}, "None PASSIVE")])
def test_every_python_here_has_threads_that_wait_well_unless_the_user_chose(given, expected):
    """Before anything is imported, so before torch is loaded, in scripts, kernels and commands alike."""
    plain = {key: value for key, value in os.environ.items() if key not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    done = subprocess.run([sys.executable, "-c", THREADS], env={**plain, **given}, capture_output=True, text=True)
    assert done.stdout.strip() == expected, "install the course again: pip install -e . -c constraints.txt"


def test_pre_commit_calls_what_is_there():
    text = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert re.findall(r"entry: \.venv/bin/(\w+) (\w+)", text) == [("ruff", "check"), ("course", "notebooks")]


LINK = re.compile(r"!?\[[^]]*\]\(([^)\s]+)\)")


@pytest.mark.parametrize("name", sorted(path.name for path in ROOT.glob("*.md")))
def test_every_link_of_a_page_leads_to_a_file_or_a_heading(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    links = [link for link in LINK.findall(re.sub(r"`[^`]*`", "", text)) if "://" not in link]
    links += re.findall(r'(?:src|href)="(?!https?:)([^"]+)"', text)
    for link in links:
        file, _, heading = link.partition("#")
        target = ROOT / file if file else ROOT / name
        assert target.exists(), f"{name} links to {link}"
        if heading:
            assert heading in headings(target.read_text(encoding="utf-8")), f"{name} links to {link}"


@pytest.mark.parametrize("name", sorted(path.name for path in ROOT.glob("*.md")))
def test_no_table_breaks_a_number_over_lines(name):
    rows = [line for line in (ROOT / name).read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    assert not [row for row in rows if re.search(r"\d (?:±|%|ms\b|min\b)|± \d", row)], "use a no-break space"


def headings(text):
    """As GitHub names them."""
    found = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.S | re.M), re.M)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found]


def test_the_places_that_texts_and_notebooks_name_are_there():
    wings = "course_files|course_lib|course_checks|course_tools|studies|notebooks|tests|figures|checkpoints|site"
    texts = [*ROOT.glob("*.md"), *(ROOT / "notebooks" / "source").glob("*.py")]
    named = {(name.rstrip("."), path.name) for path in texts
             for name in re.findall(rf"(?<![\w/])((?:{wings})/[\w./]*)", path.read_text(encoding="utf-8"))}
    assert len(named) > 40
    assert not [each for each in named if "NN" not in each[0] and not (ROOT / each[0]).exists()]


IN_WORDS = {13: "thirteen", 14: "fourteen", 15: "fifteen", 16: "sixteen"}


def test_teaching_and_readme_agree():
    """TEACHING.md has a section for each notebook, with the minutes of README's table."""
    readme, teaching = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "TEACHING.md"))
    table = re.findall(r"^\| \[(\d\d) ([^]]+)\].*\| (\d+)\s\+\s(\d+)\smin \|$", readme, re.M)
    sections = re.findall(r"^### (\d\d) · (.+) \((\d+) \+ (\d+)\)$", teaching, re.M)
    sections, table = ([[word.lower() for word in row] for row in rows] for rows in (sections, table))
    notebooks = sorted(path.stem[:2] for path in (ROOT / "notebooks" / "source").glob("[0-9]*.py"))
    assert [row[0] for row in table] == notebooks and sections == table
    hours = [round(sum(int(row[i]) for row in table) / 60) for i in (2, 3)]
    assert "about {} hours of reading and {} of exercises".format(*hours) in readme
    for number, _, minutes, more in table:      # the notebook's opening says the same, and counts its exercises
        script, = (ROOT / "notebooks" / "source").glob(f"{number}_*.py")
        text = script.read_text(encoding="utf-8")
        words = " ".join(text.split("# %% tags=[\"parameters\"]")[0].replace("\n#", " ").split())
        counts = {"three": 3, "four": 4, "five": 5, "six": 6}
        said = re.search(r"\*\*Time\*\*: (\d+) minutes, and about (\d+) more with the (\w+) exercises", words)
        exercises = len(re.findall(r"^checks\.", text, re.M))
        each = re.findall(r"^# ### Exercise \d .*, (\d+) minutes\)$", text, re.M)
        assert sum(map(int, each)) == int(more), script.name
        assert (said[1], said[2], counts[said[3]]) == (minutes, more, exercises), script.name
    count = IN_WORDS[len(notebooks)]
    assert f"all {count} notebooks" in teaching and f"In {count} Jupyter notebooks" in readme
    parts = teaching.split("\n### ")[1:]
    assert all(part.count(word) == 1 for part in parts for word in ("**Objective.**", "**Stuck.**", "**Discuss.**"))
    assert "](TEACHING.md)" in readme and max(map(len, teaching.splitlines())) <= 130


def test_the_timetable_adds_up():
    """A day's rows fit between their times; a week's minutes are those of reading and of the exercises it names."""
    text = (ROOT / "TEACHING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+):(\d\d) \| .+ \| (\d*) \|$", text, re.M)
    starts, minutes = [60 * int(h) + int(m) for h, m, _ in rows], [int(length or 0) for *_, length in rows]
    pauses = [after - start - length for start, after, length in zip(starts, starts[1:], minutes)]
    said = re.search(r"\*\*A day\*\* \((\d+) minutes of work and (\d+) of breaks\)", text)
    assert min(pauses) >= 0 and [sum(minutes), sum(pauses)] == [int(said[1]), int(said[2])]
    weeks = re.findall(r"\| (\d+) \| (\d\d)([^|]*) \| (\d+) (?=\|)", text)
    notebooks = {path.stem[:2] for path in (ROOT / "notebooks" / "source").glob("[0-9]*.py")}
    assert sorted(int(week) for week, *_ in weeks) == [*range(1, 1 + len(notebooks))]
    assert {stem for _, stem, *_ in weeks} == notebooks and f"has {IN_WORDS[len(weeks)]} weeks" in text
    for _, stem, named, length in weeks:
        script, = (ROOT / "notebooks" / "source").glob(f"{stem}_*.py")
        each = dict(re.findall(r"^# ### Exercise (\d) .*, (\d+) minutes\)", script.read_text(encoding="utf-8"), re.M))
        reading, exercises = map(int, re.search(rf"^### {stem} .*\((\d+) \+ (\d+)\)$", text, re.M).groups())
        chosen = re.findall(r"\d", re.sub(r"(\d) to (\d)", lambda span: "".join(map(str, range(
            int(span[1]), int(span[2]) + 1))), named))
        needs = reading + (sum(int(each[number]) for number in chosen) if chosen else exercises)
        assert needs == int(length) or ("projects" in named and needs < int(length)), stem
        assert int(length) <= 90


def test_lint():
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "."]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
