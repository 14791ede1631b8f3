"""Grade a class with nbgrader's parts, one hand-in after the other: a bad one gets a line and stops no other.

    FOLDER/submitted/STUDENT/01/01_the_gan_game.ipynb   what came back, of the assignment 01
    FOLDER/source/01/01_the_gan_game.ipynb              what it is held against; else the course's own is put there
    FOLDER/autograded/STUDENT/01/..., gradebook.db      what is written, as nbgrader has it
    FOLDER/grades.csv                                   the points, a line for each notebook

A check earns its point if it prints its ✓, and then refuses wrong answers: one that takes them was tampered with.
Needs the extra `teach` (nbgrader).
"""

import ast
import csv
import importlib
import os
import re
import secrets
import shutil
import sys
import tempfile
import warnings
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import nbformat
from IPython.core.inputtransformer2 import TransformerManager

from course_files.opening import plain
from course_files.writing import atomic_path
from course_lib.runtime import project_root

from .authoring import QUIET_KERNEL, environment
from .running import find_notebooks
from .source import course_names

SECONDS = 120                   # for one cell
LARGEST = 50_000_000            # bytes of a hand-in
ELSEWHERE = "another cell"
WINGS = ("course_checks", "course_lib", "course_files")
CALL = re.compile(r"^checks\.(\w+)\(", re.M)
CHECKS = re.compile(r"^from course_checks(?:\.anew)? import (nb\d\d) as checks$", re.M)


ENDED = {"DeadKernelError": "its kernel died: a cell ended it, or took too much memory",
         "CellTimeoutError": "a cell ran too long, and its kernel does not answer"}


class Unfit(Exception):
    """A hand-in cannot be graded; the message says why, and what to do."""


class Grade(NamedTuple):
    """What one notebook of one student earned, of `most` points. note: why it was not graded, or what to look at.

    points: {name of the graded cell: points, or None if a person must grade it}. None: the notebook was not graded.
    """

    student: str
    assignment: str
    notebook: str
    points: dict | None = None
    most: float | None = None
    note: str = ""

    @property
    def score(self):
        return None if self.points is None else sum(filter(None, self.points.values()))


def grade(folder, seconds=SECONDS, say=print):
    """Grade all of `folder`/submitted, give each cell `seconds`: a list of `Grade`, by student. say: prints progress.

    The students' kernels work in folders of their own, and the gradebook is written from memory after the last of them
    has ended. Raises ValueError if there is nothing to grade, or no notebook to hold an assignment against.
    """
    folder = Path(folder).resolve()
    hand_ins, strays = _hand_ins(folder)
    with _prepared():
        sources, absent = _sources(folder, sorted({assignment for _, assignment, _ in hand_ins}))
        gradebook, grades, done = (folder / "gradebook.db").read_bytes(), strays, {}
        course = {path: path.read_bytes() for wing in WINGS for path in (project_root() / wing).rglob("*.py")}
        todo = [part for hand_in in hand_ins for part in _parts(*hand_in, sources, absent)]
        for student, assignment, stem, notebook, note in todo:
            one = Grade(student, assignment, stem, note=note)
            if notebook is not None:
                try:
                    points, most, notes = _executed(notebook, sources[assignment][stem], seconds)
                    one = one._replace(points=points, most=most, note="; ".join(filter(None, [note, *notes])))
                    done[one[:3]] = notebook
                except Exception as error:
                    one = one._replace(note=_why(error))
                if changed := _restored(course):
                    one = one._replace(note="; ".join(filter(None, [one.note, f"CHANGED AND PUT BACK: {changed}"])))
            grades.append(one)
            say(line(one))
        _write(folder, gradebook, grades, done)
    return grades


def line(one, student=0, notebook=0):
    """A `Grade` as a line for a terminal; student, notebook: widths of the first two columns."""
    score = "not graded" if one.points is None else f"{one.score:g} of {one.most:g}"
    return f"{one.student:<{student}}  {one.notebook:<{notebook}}  {score:<10}  {one.note}".rstrip()


def table(grades):
    """All grades as lines of text: a row for each student and notebook, and below, who was not graded."""
    widths = [max(len(one.student) for one in grades), max(len(one.notebook) for one in grades)]
    lost = sorted({one.student for one in grades if one.points is None})
    return [*(line(one, *widths) for one in grades), "", f"{len({one.student for one in grades})} student(s); "
            + (f"not graded, or not wholly: {', '.join(lost)}" if lost else "all graded")]


def _restored(course):
    """The files of the course {path: bytes} that a hand-in has changed, by name; they are what they were again."""
    changed = [path for path, content in course.items() if not path.is_file() or path.read_bytes() != content]
    for path in changed:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(course[path])
    return ", ".join(path.name for path in changed)


def _hand_ins(folder):
    """[(student, assignment, folder)] in `folder`/submitted, and a `Grade` for all that lies in a wrong place there."""
    home = folder / "submitted"
    found = [(plain(student.name), plain(place.name), place) for student in _folders(home)
             for place in _folders(student)]
    strays = [(path, path.stem) for path in home.glob("*.ipynb")]
    strays += [(path, student.name) for student in _folders(home) for path in student.glob("*.ipynb")]
    strays += [(path, path.name) for path in _folders(home) if not (_folders(path) or any(path.glob("*.ipynb")))]
    strays = [Grade(plain(student), "-", plain(path.name), note="in a wrong place, or no notebook in it. Wanted: "
                    "submitted/STUDENT/01/01_the_gan_game.ipynb") for path, student in sorted(strays)]
    if not found:
        raise ValueError(f"there is nothing to grade in {home}. Put the notebook of each student there: "
                         f"submitted/STUDENT/01/01_the_gan_game.ipynb")
    return found, strays


def _folders(place):
    if not place.is_dir():
        return []
    return sorted(path for path in place.iterdir() if path.is_dir() and not path.name.startswith((".", "__")))


@contextmanager
def _prepared():
    """nbgrader calls alembic by name; students' kernels get the shortest profile and folders that do not matter."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    chosen = {"COURSE_PROFILE": "smoke", "COURSE_DEVICE": "cpu", "OMP_NUM_THREADS": "1"} | dict(os.environ)
    with tempfile.TemporaryDirectory() as out, environment(**chosen | {"COURSE_OUT": out, "PATH": path}):
        yield


def _sources(folder, assignments):
    """({assignment: {stem: its complete notebook}}, {assignment: why there is none}), all known to the gradebook."""
    from nbgrader.apps import NbGraderAPI
    from traitlets.config import Config

    api, sources, absent = NbGraderAPI(config=Config({"CourseDirectory": {"root": str(folder)}})), {}, {}
    for assignment in assignments:
        home = folder / "source" / assignment
        if not list(home.glob("*.ipynb")):
            paths = [path for path in find_notebooks() if path.stem.startswith(assignment)]
            if not paths or not re.match(r"\d\d", assignment):
                absent[assignment] = f"there is no source/{assignment}, and no notebook of the course starts like that"
                continue
            home.mkdir(parents=True, exist_ok=True)
            for path in paths:
                shutil.copyfile(path, home / path.name)
        outcome = api.generate_assignment(assignment)
        if outcome["success"]:
            sources[assignment] = {path.stem: _read(path) for path in sorted(home.glob("*.ipynb"))}
        else:
            why = (outcome.get("error") or outcome.get("log") or "no reason given").strip().splitlines()
            absent[assignment] = f"nbgrader cannot use source/{assignment}: {why[-1]}"
    if not sources:
        raise ValueError("; ".join(absent.values()))
    return sources, absent


def _parts(student, assignment, place, sources, absent):
    """(student, assignment, stem, the notebook as it will be executed or None, a note) for each to be handed in."""
    if assignment in absent:
        yield student, assignment, "-", None, absent[assignment]
        return
    others = [path for path in sorted(place.glob("*.ipynb")) if path.stem not in sources[assignment]]
    for stem, source in sources[assignment].items():
        path = place / f"{stem}.ipynb"
        try:
            if not path.exists():
                raise Unfit("not handed in" + "".join(_misnamed(other, stem, sources) for other in others))
            notebook, missing = _fit(_read(path), source, stem, sources)
            notes = [f"put back: {', '.join(missing)}"] * bool(missing)
            notes += [f"not looked at: {plain(other.name)}" for other in others]
            yield student, assignment, stem, notebook, "; ".join(notes)
        except Exception as error:
            yield student, assignment, stem, None, _why(error)


def _why(error):
    """An error as one line."""
    if isinstance(error, Unfit):
        return str(error)
    if (kind := type(error).__name__) in ENDED:
        return ENDED[kind]
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def _read(path):
    if not path.is_file():
        raise Unfit(f"{path.name} is no file")
    if path.stat().st_size > LARGEST:
        raise Unfit(f"{path.name} has {path.stat().st_size / 1e6:.0f} MB. Clear its outputs (Edit > Clear Outputs of "
                    "All Cells), hand in again")
    try:
        notebook = nbformat.read(path, as_version=4)
        assert all(isinstance(cell.source, str) and cell.metadata is not None for cell in notebook.cells)
        nbformat.writes(notebook).encode()          # half an emoji cannot be written again
        return notebook
    except OSError as error:
        raise Unfit(f"{path.name} cannot be read ({error.strerror})") from None
    except Exception:       # whatever is wrong with it
        raise Unfit(f"{path.name} is not a whole notebook. Save it in JupyterLab, hand in again") from None


def _name(cell):
    """What nbgrader calls a cell, or "" if it has no name."""
    role = cell.metadata.get("nbgrader")
    return str(role.get("grade_id") or "") if isinstance(role, dict) else ""


def _misnamed(path, stem, sources):
    """What to say of a file that has another name than the notebook `stem`."""
    try:
        names = set(filter(None, map(_name, _read(path).cells)))
    except Unfit as error:
        return f"; {error}"
    whose = _whose(names, sources)
    return f"; {path.name} has the cells of {whose or 'no notebook of the course'}" + (
        f": rename it to {stem}.ipynb" if whose == stem else "")


def _whose(names, sources):
    """The stem of the notebook that most of these cells belong to, or "" if none."""
    known = {path.stem: path for path in find_notebooks()}
    known = {stem: nbformat.read(path, as_version=4) for stem, path in known.items()}
    known |= {stem: notebook for of_one in sources.values() for stem, notebook in of_one.items()}
    shared = {stem: len(names & set(map(_name, notebook.cells))) for stem, notebook in known.items()}
    best = max(shared, key=shared.get)
    return best if shared[best] else ""


def _fit(notebook, source, stem, sources):
    """(the student's cells, the checks among them as the source has them; the names of checks that are put back).

    Raises Unfit where marks would be given for something else than the answers.
    """
    wanted = {name: cell for cell in source.cells if (name := _name(cell))}
    counts = Counter(filter(None, map(_name, notebook.cells)))
    if not set(counts) & set(wanted):
        if whose := _whose(set(counts), sources):
            raise Unfit(f"{stem}.ipynb has the cells of {whose}: hand in {stem}")
        raise Unfit("its cells have lost the metadata that marks hang on (another program saved it?). Paste the "
                    f"answers into a fresh {stem}.ipynb")
    for name, count in counts.items():
        if count > 1:
            raise Unfit(f"the cell {name} is there {count} times: delete all but one, hand in again")
        if name not in wanted:
            raise Unfit(f"the cell {name} is not of this notebook: delete it, hand in again")
    missing = [name for name, cell in wanted.items() if cell.metadata.nbgrader.grade and name not in counts]
    cells = []
    for cell in notebook.cells:
        if name := _name(cell):
            cells.append(_fresh(wanted[name], cell.source))
        elif cell.cell_type == "code":
            cells.append(nbformat.v4.new_code_cell(cell.source))
        else:
            cells.append(nbformat.v4.new_markdown_cell(cell.source))
    cells += [_fresh(wanted[name]) for name in missing]
    return nbformat.v4.new_notebook(cells=cells, metadata=source.metadata), missing


def _fresh(cell, answer=None):
    """A graded cell or an exercise as the source has it, an exercise with the student's `answer`."""
    role = nbformat.from_dict(cell.metadata.nbgrader)
    source = answer if role.solution and answer is not None else cell.source
    new = nbformat.v4.new_code_cell if cell.cell_type == "code" else nbformat.v4.new_markdown_cell
    return new(source, metadata={"nbgrader": role})


def _executed(notebook, source, seconds):
    """({graded cell: its points}, most points, notes) of a sanitised notebook, which gets its outputs."""
    from nbgrader.preprocessors import Execute, LimitOutput
    from nbgrader.utils import determine_grade, is_grade

    graded = [cell for cell in notebook.cells if is_grade(cell)]
    proofs, secret = {}, secrets.token_hex(8)
    if module := CHECKS.search("\n".join(cell.source for cell in source.cells)):
        mistakes = getattr(importlib.import_module(f"course_checks.{module[1]}"), "MISTAKES", {})
        for cell in graded:
            if call := CALL.search(cell.source):
                proof = nbformat.v4.new_code_cell(PROOF.format(name=call[1], secret=secret))
                proofs[cell.metadata.nbgrader.grade_id] = proof, f"{secret} {len(mistakes.get(call[1], [])) + 1} "
    running = nbformat.from_dict({**notebook, "cells": []})
    for cell in notebook.cells:
        running.cells += [cell, *proofs.get(_name(cell), ())[:1]]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        execute = Execute(timeout=seconds, iopub_timeout=min(60, seconds), startup_timeout=300,
                          extra_arguments=QUIET_KERNEL)
        execute.log.setLevel("CRITICAL")
        execute.preprocess(running, {"metadata": {"path": place}})
    points, most, used = {}, 0, _names_used(notebook, source)
    notes = [f"{name} uses {names}" for name, names in used.items()]
    for cell in graded:
        name = cell.metadata.nbgrader.grade_id
        why = _refuted(cell, *proofs[name]) if name in proofs else ""
        if name in proofs and any(re.search(r"course_checks\S*\._", used.get(key, ""))
                                  for key in (_exercise_of(cell, notebook), ELSEWHERE)):
            why = "the answer is taken from the check"
        if why:
            cell.outputs.append(nbformat.v4.new_output("error", ename="NoPoint", evalue=why, traceback=[why]))
            notes.append(f"{name} earns nothing: {why}")
        try:
            points[name], of = determine_grade(cell)
        except (ValueError, KeyError) as error:     # a result that is no number of points
            points[name], of = 0.0, float(cell.metadata.nbgrader.points)
            notes.append(f"{name}: {error}")
        most += of
    LimitOutput().preprocess(notebook, {})
    return points, most, notes


# It runs behind a check, and ends with the secret, the number of wrong answers that the check refused, and the names of
# what functions of the notebook have replaced in other modules.
PROOF = """def _proof():
    import builtins as b        # a notebook may call something of its own `type`, say
    import sys
    import types
    import warnings

    import torch
    refused, mistakes = 0, b.getattr(checks, "MISTAKES", {{}}).get("{name}", [])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for wrong in [lambda *given: None, *(wrong for wrong, _ in mistakes)]:
            try:
                checks.{name}(wrong)
            except b.AssertionError:
                refused += 1
        places = [torch.Tensor, *(module for module in [*sys.modules.values()] if b.hasattr(module, "__name__"))]
        replaced = {{f"{{place.__name__}}.{{name}}" for place in places if place.__name__ != "__main__"
                    for name, value in [*b.vars(place).items()]
                    if b.isinstance(value, (types.FunctionType, b.type)) and value.__module__ == "__main__"}}
    said = b.AssertionError(f"{secret} {{refused}} {{' '.join(b.sorted(replaced))}}")
    said._render_traceback_ = b.list        # to draw one takes seconds
    raise said


_proof()"""


def _refuted(cell, proof, wanted):
    """Why a check that did not stop earns no point, or "". A warning beside its ✓ is no mistake."""
    if any(output.output_type == "error" for output in cell.outputs):
        return ""
    for output in cell.outputs:
        output.update({"name": "stdout"} if output.output_type == "stream" else {})
    printed = "".join(output.text for output in cell.outputs if output.output_type == "stream")
    said = next((output.evalue for output in proof.outputs if output.output_type == "error"), "")
    if "✓ " not in printed:
        return "its check has not said ✓"
    if not said.startswith(wanted):
        return "its check takes wrong answers, too"
    if replaced := said.removeprefix(wanted):
        return f"the notebook has replaced {replaced}"
    return ""


def _names_used(notebook, source):
    """{exercise: what it uses of the course that its solution does not}: {"def-my_jsd": "course_lib.quality.jsd"}.

    ELSEWHERE: private functions of the checks in the student's own cells.
    """
    known = "\n".join(cell.source for cell in source.cells if cell.cell_type == "code")
    own = "\n".join(_python(cell.source) for cell in notebook.cells if cell.cell_type == "code" and not _name(cell))
    try:
        code = f"{known}\n{own}"
        ast.parse(code)
    except SyntaxError:
        code = known
    solved = {name: course_names(text, code) for name, text in _solutions(source)}
    used = {name: course_names(_python(text), code) - solved.get(name, set()) for name, text in _solutions(notebook)}
    used[ELSEWHERE] = {name for name in course_names(own, code) if re.search(r"course_checks\S*\._", name)}
    return {name: ", ".join(sorted(names)) for name, names in used.items() if names}


def _python(text):
    """A cell's text with IPython's own lines, such as %matplotlib and !ls, as Python."""
    try:
        return TransformerManager().transform_cell(text)
    except SyntaxError:
        return text


def _solutions(notebook):
    return [(name, cell.source) for cell in notebook.cells
            if (name := _name(cell)) and cell.metadata.nbgrader.get("solution")]


def _exercise_of(check, notebook):
    """The name of the last exercise before a check, or None."""
    above = notebook.cells[:next(i for i, cell in enumerate(notebook.cells) if cell is check)]
    return next((name for name, _ in reversed(_solutions(nbformat.from_dict({"cells": above})))), None)


def _write(folder, gradebook, grades, done):
    """autograded/, gradebook.db and grades.csv. gradebook: its bytes before any student's code ran."""
    from nbgrader.api import Gradebook

    with atomic_path(folder / "gradebook.db") as part:
        part.write_bytes(gradebook)
        with Gradebook(f"sqlite:///{part}") as book, warnings.catch_warnings():
            warnings.simplefilter("ignore")         # SQLAlchemy about nbgrader
            for one in grades:
                _enter(book, one)
    for student, assignment in {(one.student, one.assignment) for one in grades}:
        shutil.rmtree(folder / "autograded" / student / assignment, ignore_errors=True)
    for (student, assignment, stem), notebook in done.items():
        with atomic_path(folder / "autograded" / student / assignment / f"{stem}.ipynb") as part:
            nbformat.write(notebook, part)
    with (atomic_path(folder / "grades.csv") as part, open(part, "w", encoding="utf-8", newline="") as file):
        rows = csv.writer(file)
        rows.writerow(["student_id", "assignment", "notebook", "score", "max_score", "note"])
        rows.writerows([one.student, one.assignment, one.notebook, one.score, one.most, one.note] for one in grades)


def _enter(book, one):
    """Enter one grade into nbgrader's gradebook. What a person has graded there stays."""
    from nbgrader.api import MissingEntry

    if one.points is None:
        try:        # what an earlier hand-in has earned
            for grade in book.find_submission_notebook(one.notebook, one.assignment, one.student).grades:
                grade.auto_score = None
            book.db.commit()
        except MissingEntry:
            pass
        return
    book.update_or_create_student(one.student)
    book.update_or_create_submission(one.assignment, one.student)
    for name, points in one.points.items():
        grade = book.find_grade(name, one.notebook, one.assignment, one.student)
        grade.auto_score = points
        grade.needs_manual_grade = points is None or grade.manual_score is not None
    book.db.commit()
