"""A teacher's nbgrader from end to end: TEACHING.md's commands, on handouts that came back."""

import csv
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import nbformat
import pytest

from course_tools import authoring, handout

NAME = "01_the_gan_game.ipynb"
STUB = "    # YOUR CODE HERE\n    raise NotImplementedError()"
ANSWERS = {             # nbgrader's name of the exercise's cell, and what a student writes into it
    "right": {"def-my_best_discriminator": "d = p + q\nreturn torch.where(d > 0, p / d.clamp(min=1e-300), 0.5)",
              "def-my_value": "return -softplus(-real_logits).mean() - softplus(fake_logits).mean()",
              "def-my_jsd": "m = (p + q) / 2\nreturn (torch.xlogy(p, p) + torch.xlogy(q, q)"
                            " - 2 * torch.xlogy(m, m)).sum() * dx / 2"},
    "unsolved": {},
}
ANSWERS["wrong"] = ANSWERS["right"] | {"def-my_value": "return softplus(-real_logits).mean()"}


def commands():
    """The lines with nbgrader that TEACHING.md tells a teacher to type."""
    text = (authoring.project_root() / "TEACHING.md").read_text(encoding="utf-8")
    return re.findall(r"^.*nbgrader (?:generate|autograde|export).*$", text, re.M)


def shortened(notebook):
    """`notebook` without what comes behind its last check, which earns nothing and takes most of the time."""
    last = max(i for i, cell in enumerate(notebook.cells) if cell.source.startswith("checks."))
    del notebook.cells[last + 1:]
    return notebook


def hand_in(folder, student):
    """The handout's notebook with a student's answers, where nbgrader looks for it."""
    notebook = nbformat.reads(handout.files(["01"])[f"notebooks/{NAME}"].decode(), as_version=4)
    for cell in notebook.cells:
        if answer := ANSWERS[student].get(cell.metadata.get("nbgrader", {}).get("grade_id")):
            assert STUB in cell.source
            cell.source = cell.source.replace(STUB, textwrap.indent(answer, "    "))
    notebook.metadata.kernelspec = {"name": "gan-few-shot-course", "display_name": "of the student's own machine"}
    path = folder / "submitted" / student / "01" / NAME
    path.parent.mkdir(parents=True)
    nbformat.write(shortened(notebook), path)


def test_right_wrong_and_unsolved_get_what_they_deserve(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)     # it calls alembic by name
    for name, value in {"JUPYTER_PREFER_ENV_PATH": "1", "OMP_NUM_THREADS": "1"}.items():
        monkeypatch.setenv(name, value)
    source = tmp_path / "source" / "01" / NAME
    source.parent.mkdir(parents=True)
    complete = nbformat.read(authoring.project_root() / "notebooks" / NAME, as_version=4)
    nbformat.write(shortened(complete), source)
    for student in ANSWERS:
        hand_in(tmp_path, student)
    generate, autograde, export = commands()
    for line in (generate, autograde, export):
        done = subprocess.run(line, shell=True, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    released = (tmp_path / "release" / "01" / NAME).read_text(encoding="utf-8")
    assert "SOLUTION" not in released and released.count("raise NotImplementedError()") == 3
    with open(tmp_path / "grades.csv", encoding="utf-8", newline="") as file:
        scores = {row["student_id"]: (float(row["score"]), float(row["max_score"])) for row in csv.DictReader(file)}
    assert scores == {"right": (3, 3), "wrong": (2, 3), "unsolved": (0, 3)}
    for student, failed in (("right", []), ("wrong", ["checks.value(my_value)"])):
        graded = nbformat.read(tmp_path / "autograded" / student / "01" / NAME, as_version=4)
        assert [cell.source for cell in graded.cells if cell.cell_type == "code"
                for output in cell.outputs if output.output_type == "error"] == failed


@pytest.mark.parametrize("number", ["01", "06"])
def test_nbgrader_knows_every_exercise_and_its_check(number):
    script, = (script for script in authoring.scripts() if script.name.startswith(number))
    roles = [cell.metadata.nbgrader for cell in authoring.read_script(script).cells if "nbgrader" in cell.metadata]
    assert len({role.grade_id for role in roles}) == len(roles)
    assert [role.solution for role in roles] == [True, False] * (len(roles) // 2)
    assert all(role.get("points", 1) == 1 for role in roles)
