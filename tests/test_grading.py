"""`course grade` on a class: who gets points, who cannot be graded, and what does not help a cheat."""

import csv
import os
import shutil
import sqlite3
import textwrap
from pathlib import Path

import nbformat
import pytest

from course_checks import nb01
from course_tools import authoring, cli, grading, handout, source

STEM = "01_the_gan_game"
STUB = "    # YOUR CODE HERE\n    raise NotImplementedError()"
EXERCISES = ("def-my_best_discriminator", "def-my_value", "def-my_jsd")
RIGHT = dict(zip(EXERCISES, (
    "d = p + q\nreturn torch.where(d > 0, p / d.clamp(min=1e-300), 0.5)",
    "return -softplus(-real_logits).mean() - softplus(fake_logits).mean()",
    "m = (p + q) / 2\nreturn (torch.xlogy(p, p) + torch.xlogy(q, q) - 2 * torch.xlogy(m, m)).sum() * dx / 2")))
# Right, and noisy: the ✓ of the check stands behind what an answer printed.
HONEST = {name: f"print('.' * 99, end=' ')\n{answer}" for name, answer in RIGHT.items()}
# What stands above `return None`, for each exercise another cheat.
OLD_CHEATS = ("class checks:\n    best_discriminator = value = jsd = print",
              "import course_checks.nb01 as c\nfor name in ('value', 'jsd'):\n    setattr(c, name, print)",
              "c.require = c._curve = c.returned = lambda *a, **k: (0.,)\nc.compare = c.one_number = print")
# Full marks for all, written into the gradebook while the class is being graded.
SQL = """import glob, sqlite3
for file in glob.glob({folder!r} + "/*.db"):
    with sqlite3.connect(file) as book:
        book.execute("update grade_cells set max_score = 9")
        book.execute("create trigger full after insert on grade begin update grade set manual_score = 1; end")
print("wrote")"""
REPLACED = """torch.allclose = lambda *a, **k: True         # lets a value pass that has no gradient
value = -softplus(-real_logits).mean() - softplus(fake_logits).mean()
return value.detach() + 0 * real_logits.sum() + 0 * fake_logits.sum()"""


IMPORTS = """import torch
from torch.nn.functional import softplus
from course_checks import nb01 as checks
from course_lib import quality"""


@pytest.fixture(scope="module")
def complete():
    """Notebook 01 as a teacher has it, without the cells that take long and earn nothing."""
    script, = (script for script in authoring.scripts() if script.stem == STEM)
    return shortened(authoring.read_script(script))


def shortened(notebook):
    notebook.cells = [nbformat.v4.new_code_cell(IMPORTS), *(c for c in notebook.cells if "nbgrader" in c.metadata)]
    return notebook


@pytest.fixture
def course_class(tmp_path, complete, monkeypatch):
    """A folder for nbgrader with the source in place; kernels import the course that is tested."""
    monkeypatch.setenv("PYTHONPATH", str(authoring.project_root()))
    path = tmp_path / "source" / "01" / f"{STEM}.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(complete, path)
    return tmp_path


def solved(complete, answers, above=("", "", "")):
    """The exercise edition with answers, and lines above the functions."""
    notebook = authoring.exercise_edition(complete)
    for cell in notebook.cells:
        if answer := answers.get(name := cell.metadata.get("nbgrader", {}).get("grade_id")):
            assert STUB in cell.source
            cell.source = cell.source.replace(STUB, textwrap.indent(answer, "    "))
        if name in EXERCISES:
            cell.source = f"{above[EXERCISES.index(name)]}\n\n{cell.source}"
    notebook.metadata.kernelspec = {"name": "gan-few-shot-course", "display_name": "of the student's own machine"}
    return notebook


def hand_in(folder, student, notebook, name=STEM, assignment="01"):
    path = folder / "submitted" / student / assignment / f"{name}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(notebook if isinstance(notebook, str) else nbformat.writes(notebook), encoding="utf-8")


def without(notebook, name):
    notebook.cells = [cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade_id") != name]
    return notebook


def copied(notebook, name):
    """A cell copied as people do it: its metadata go along, its id does not."""
    i = next(i for i, cell in enumerate(notebook.cells) if cell.metadata.get("nbgrader", {}).get("grade_id") == name)
    notebook.cells.insert(i, nbformat.from_dict({**notebook.cells[i], "id": "copied"}))
    return notebook


def with_cell(notebook, code):
    notebook.cells.insert(1, nbformat.v4.new_code_cell(code))
    return notebook


def stripped(notebook):
    for cell in notebook.cells:
        cell.metadata.clear()
    return notebook


def test_a_class_is_graded_whatever_one_of_them_hands_in(course_class, complete, capfd):
    folder, nothing = course_class, dict.fromkeys(EXERCISES, "return None")
    warned = RIGHT | {"def-my_jsd": "import warnings\nwarnings.warn('beware')\n" + RIGHT["def-my_jsd"]}
    hand_in(folder, "anna", without(solved(complete, warned), "checks-value"))
    hand_in(folder, "ben", solved(complete, {
        "def-my_best_discriminator": "return q / (p + q)", "def-my_jsd": "return quality.jsd(p, q, dx)",
        "def-my_value": "return checks._value(real_logits, fake_logits)"}))
    unsolved = nbformat.reads(handout.files(["01"])[f"notebooks/{STEM}.ipynb"].decode(), as_version=4)
    hand_in(folder, "cem", shortened(unsolved))
    hand_in(folder, "dot", solved(complete, nothing, OLD_CHEATS))
    sql = SQL.format(folder=str(folder))
    hand_in(folder, "eve", solved(complete, RIGHT | {"def-my_value": REPLACED}, (sql, "", "")))
    hand_in(folder, "gil", solved(complete, nothing | {"def-my_jsd": "import os\nos._exit(0)"}))
    hand_in(folder, "hal", copied(solved(complete, RIGHT), "def-my_value"))
    hand_in(folder, "ida", solved(complete, RIGHT), name=f"{STEM} (1)")
    hand_in(folder, "jon", stripped(solved(complete, RIGHT)))
    hand_in(folder, "kim", nbformat.reads(handout.files(["02"])["notebooks/02_making_it_train.ipynb"].decode(), 4))
    hand_in(folder, "lou", "{\"cells\": [")
    hand_in(folder, "max", solved(complete, RIGHT), assignment="O1")
    (folder / "submitted" / "ned" / "01").mkdir(parents=True)
    hand_in(folder, "oda", with_cell(solved(complete, HONEST), "type = 'minimax'\nimport warnings\n"
                                     "warnings.simplefilter('error')"))
    hand_in(folder, "pam", with_cell(solved(complete, RIGHT | {
        "def-my_value": "%matplotlib inline\nreturn checks._value(real_logits, fake_logits)",
        "def-my_jsd": "return helper(p, q, dx)"}), "from course_checks.nb01 import _jsd as helper"))
    half_an_emoji = "# \\ud83d\\nimport torch"
    hand_in(folder, "quy", nbformat.writes(solved(complete, RIGHT)).replace("import torch", half_an_emoji, 1))
    hand_in(folder, os.fsdecode(b"J\xf6rg"), "")
    (folder / "submitted" / "rob.ipynb").write_text("{}")
    (folder / "submitted" / "sue").mkdir()
    (folder / "submitted" / "sue" / "answers.pdf").write_text("")
    hand_in(folder, "anna", "{}", name="copy")
    assert cli.main(["grade", str(folder)]) == 1, "somebody could not be graded"
    shown = capfd.readouterr().out
    with open(folder / "grades.csv", encoding="utf-8", newline="") as file:
        rows = {row["student_id"]: (row["score"], row["note"]) for row in csv.DictReader(file)}
    scores = {student: score.removesuffix(".0") for student, (score, _) in rows.items()}
    lost = ["J\\udcf6rg", "gil", "hal", "ida", "jon", "kim", "lou", "max", "ned", "quy", "rob", "sue"]
    assert scores == {"anna": "3", "ben": "1", "cem": "0", "dot": "0", "eve": "1", "oda": "3", "pam": "1",
                      **dict.fromkeys(lost, "")}
    for student, words in {
            "anna": "put back: checks-value; not looked at: copy.ipynb",
            "ben": "def-my_jsd uses course_lib.quality.jsd", "cem": "",
            "eve": "the notebook has replaced torch.allclose",
            "gil": "its kernel died", "hal": "the cell def-my_value is there 2 times",
            "ida": f"rename it to {STEM}.ipynb", "jon": "lost the metadata",
            "kim": "has the cells of 02_making_it_train", "lou": "is not a whole notebook",
            "max": "there is no source/O1", "ned": "not handed in", "oda": "", "quy": "is not a whole notebook",
            "rob": "in a wrong place", "sue": "in a wrong place"}.items():
        assert words in rows[student][1] and (words or not rows[student][1]), student
        assert words in next(line for line in shown.splitlines()[::-1] if line.startswith(f"{student} ")), shown
    assert "checks-value earns nothing: the answer is taken from the check" in rows["ben"][1]
    assert all(f"checks-{name} earns nothing: the answer is taken" in rows["pam"][1] for name in ("value", "jsd"))
    assert f"19 student(s); not graded, or not wholly: {', '.join(lost)}" in shown
    book = sqlite3.connect(folder / "gradebook.db")
    found = dict(book.execute("select student_id, sum(auto_score) from submitted_assignment a "
                              "join submitted_notebook n on n.assignment_id = a.id "
                              "join grade g on g.notebook_id = n.id group by student_id"))
    assert found == {"anna": 3, "ben": 1, "cem": 0, "dot": 0, "eve": 1, "oda": 3, "pam": 1}
    assert {most for most, in book.execute("select max_score from grade_cells")} == {1}
    assert {by_hand for by_hand, in book.execute("select manual_score from grade")} == {None}
    graded = nbformat.read(folder / "autograded" / "ben" / "01" / f"{STEM}.ipynb", as_version=4)
    assert [cell.source.splitlines()[-1] for cell in graded.cells for output in cell.get("outputs", [])
            if output.output_type == "error"] == [
                "checks.best_discriminator(my_best_discriminator)", "checks.value(my_value)"]
    graded = nbformat.read(folder / "autograded" / "eve" / "01" / f"{STEM}.ipynb", as_version=4)
    assert [output.text for cell in graded.cells for output in cell.get("outputs", []) if "wrote" in output.get(
        "text", "")] == ["wrote\n"], "the SQL lines did what they were to do"
    assert not (folder / "autograded" / "gil").exists()
    assert autograded_by_nbgrader_alone(folder, "dot") == 0


def autograded_by_nbgrader_alone(folder, student):
    """The points that `nbgrader autograde` gives: the checks are imported anew there, too."""
    from nbgrader.api import Gradebook
    from nbgrader.apps import NbGraderAPI
    from traitlets.config import Config

    with authoring.environment(COURSE_PROFILE="smoke"):
        api = NbGraderAPI(config=Config({"CourseDirectory": {"root": str(folder)}}))
        outcome = api.autograde("01", student, force=True)
    assert outcome["success"], outcome.get("log")
    with Gradebook(f"sqlite:///{folder / 'gradebook.db'}") as book:
        return book.find_submission("01", student).score


CHECK, EXERCISE = "checks-value", "def-my_value"


def changed(name, **role):
    def change(notebook):
        cell, = (cell for cell in notebook.cells if grading._name(cell) == name)
        cell.metadata["nbgrader"] = {**cell.metadata.nbgrader, **role}
        return notebook
    return change


@pytest.mark.parametrize("change, message", [
    *((lambda nb, name=name: copied(nb, name), f"the cell {name} is there 2 times") for name in (CHECK, EXERCISE)),
    (lambda nb: copied(copied(nb, CHECK), CHECK), f"the cell {CHECK} is there 3 times"),
    (changed(EXERCISE, grade_id="mine"), "the cell mine is not of this notebook"),
    (changed(CHECK, grade_id=EXERCISE), f"the cell {EXERCISE} is there 2 times"),
    (changed(CHECK, grade_id=["list"]), "the cell ['list'] is not of this notebook"),
    (stripped, "have lost the metadata")])
def test_what_cannot_be_graded_is_named(complete, change, message):
    with pytest.raises(grading.Unfit) as error:
        grading._fit(change(solved(complete, RIGHT)), complete, STEM, {"01": {STEM: complete}})
    assert message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("change, put_back", [
    (lambda nb: nb, []), (lambda nb: without(nb, CHECK), [CHECK]), (lambda nb: without(nb, EXERCISE), []),
    (lambda nb: without(without(nb, CHECK), "checks-jsd"), [CHECK, "checks-jsd"]),
    (changed(CHECK, points=99), []), (changed(CHECK, grade=False), []), (changed(CHECK, solution=True), []),
    (changed(EXERCISE, solution=False, locked=True), []), (changed(CHECK, schema_version=1), []),
    (changed(CHECK, grade_id=None), [CHECK]), (changed(CHECK, task=True), [])])
def test_checks_are_the_sources_whatever_became_of_them(complete, change, put_back):
    submitted = change(solved(complete, RIGHT))
    for cell in submitted.cells:
        if grading._name(cell) == "checks-jsd":
            cell.source, cell.cell_type = "pass", "raw"
    notebook, missing = grading._fit(submitted, complete, STEM, {"01": {STEM: complete}})
    nbformat.validate(notebook)
    assert missing == put_back

    def checks(of):
        return {grading._name(cell): (cell.source, cell.metadata.nbgrader) for cell in of.cells
                if grading._name(cell).startswith("checks-")}
    assert checks(notebook) == checks(complete)
    answers = {grading._name(cell): cell.source for cell in notebook.cells if grading._name(cell) in EXERCISES}
    assert RIGHT["def-my_jsd"].splitlines()[-1] in answers["def-my_jsd"]


def outputs(*which):
    make = {"✓": ("stream", {"name": "stdout", "text": "✓ fine\n"}), "!": ("stream", {"name": "stderr", "text": "!\n"}),
            "-": ("stream", {"name": "stdout", "text": "fine ✓\n"}),
            "x": ("error", {"ename": "NotYet", "evalue": "no", "traceback": []})}
    return nbformat.v4.new_code_cell("checks.value(f)", outputs=[
        nbformat.v4.new_output(make[one][0], **make[one][1]) if one in make else
        nbformat.v4.new_output("error", ename="AssertionError", evalue=one, traceback=[]) for one in which])


@pytest.mark.parametrize("check, proof, why", [
    ("✓", "s 4 ", ""), ("!✓", "s 4 ", ""), ("x", "", ""), ("✓x", "s 4 ", ""),
    ("", "s 4 ", "has not said ✓"), ("-", "s 4 ", "has not said ✓"), ("✓", "s 3 ", "takes wrong answers"),
    ("✓", "", "takes wrong answers"), ("✓", "forged 4 ", "takes wrong answers"),
    ("✓", "s 4 builtins.isinstance", "replaced builtins.isinstance")])
def test_a_check_earns_its_point_by_saying_so_and_by_refusing_wrong_answers(check, proof, why):
    found = grading._refuted(outputs(*check), outputs(*[proof] * bool(proof)), "s 4 ")
    assert bool(found) == bool(why) and why in found


def test_what_a_hand_in_did_to_the_course_is_undone(tmp_path):
    files = {tmp_path / name: b"a check" for name in ("same.py", "changed.py", "folder/gone.py")}
    (tmp_path / "folder").mkdir()
    for path in files:
        path.write_bytes(b"a check")
    (tmp_path / "changed.py").write_text("print('✓ fine')", encoding="utf-8")
    shutil.rmtree(tmp_path / "folder")
    assert grading._restored(files) == "changed.py, gone.py" and grading._restored(files) == ""
    assert {path: path.read_bytes() for path in files} == files


def test_a_kernel_that_cannot_be_stopped_is_given_up():
    deaf = "import time\nwhile True:\n    try:\n        time.sleep(9)\n    except KeyboardInterrupt:\n        pass"
    cells = ["", deaf, "1"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    with authoring.environment(), pytest.raises(Exception, match="Timeout waiting") as error:
        grading._executed(notebook, notebook, seconds=2)
    assert grading._why(error.value) == "a cell ran too long, and its kernel does not answer"


def test_what_there_is_nothing_to_grade_in_is_one_line(tmp_path, capsys):
    for folder, words in ((tmp_path / "absent", "there is nothing to grade in"), (tmp_path, "submitted/STUDENT/01/")):
        assert cli.main(["grade", str(folder)]) == 2
        said = capsys.readouterr().err
        assert words in said and said.count("\n") == 1
    hand_in(tmp_path, "anna", "", assignment="week1")
    assert cli.main(["grade", str(tmp_path)]) == 2
    assert "there is no source/week1" in capsys.readouterr().err and os.listdir(tmp_path) == ["submitted"]


@pytest.mark.parametrize("code, used", [
    ("return quality.jsd(p, q)", {"course_lib.quality.jsd"}), ("return jsd(p)", set()),
    ("from course_lib.quality import jsd as j\nj(1)", {"course_lib.quality.jsd"}),
    ("import course_lib.losses as l\nl.minimax_d", {"course_lib.losses.minimax_d"}),
    ("import course_checks.nb01\ncourse_checks.nb01._jsd(1)", {"course_checks.nb01._jsd"}),
    ("f = quality", {"course_lib.quality"}), ("%timeit quality", set()), ("torch.ones(1)", set())])
def test_names_of_the_course_in_an_answer_are_seen(code, used):
    text = "import torch\nfrom course_lib import losses, quality\n"
    assert source.course_names(code.replace("return ", ""), text) == used


@pytest.mark.parametrize("number", ["01", "06"])
def test_nbgrader_knows_every_exercise_and_its_check(number):
    script, = (script for script in authoring.scripts() if script.name.startswith(number))
    roles = [cell.metadata.nbgrader for cell in authoring.read_script(script).cells if "nbgrader" in cell.metadata]
    assert len({role.grade_id for role in roles}) == len(roles)
    assert [role.solution for role in roles] == [True, False] * (len(roles) // 2)
    assert all(role.get("points", 1) == 1 for role in roles)


def test_checks_that_are_imported_anew_are_those_of_the_file(monkeypatch):
    monkeypatch.setattr(nb01, "value", print)
    monkeypatch.setattr("course_checks._base.require", print)
    for known in ("nb01", "_base"):         # the modules that other tests have
        monkeypatch.delitem(__import__("sys").modules, f"course_checks.{known}")
    from course_checks.anew import nb01 as anew

    assert anew.value is not print and anew.require is not print and anew.__name__ == nb01.__name__
    assert Path(anew.__file__) == Path(nb01.__file__)
    with pytest.raises(ImportError):
        exec("from course_checks.anew import other")
