"""Grade a class: nbgrader's steps for one hand-in after the other. A bad one gets a line of its own and stops no other.

    FOLDER/submitted/STUDENT/01/01_the_gan_game.ipynb   what came back, of the assignment 01
    FOLDER/source/01/01_the_gan_game.ipynb              what it is held against; else the course's own is put there
    FOLDER/autograded/STUDENT/01/..., gradebook.db      what is written, as nbgrader has it
    FOLDER/grades.csv                                   the points, a line for each notebook

A check earns its point if it prints its ✓, and then refuses wrong answers: one that takes them was tampered with.
Needs the extra `teach` (nbgrader).
"""

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

from course_lib.runtime import atomic_path

from .authoring import QUIET_KERNEL, environment
from .running import find_notebooks
from .source import course_names

SECONDS = 120                   # for one cell
LARGEST = 50_000_000            # bytes of a hand-in
CALL = re.compile(r"^checks\.(\w+)\(", re.M)
CHECKS = re.compile(r"^from course_checks(?:\.anew)? import (nb\d\d) as checks$", re.M)


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
    hand_ins = _hand_ins(folder)
    with _prepared():
        sources, absent = _sources(folder, sorted({assignment for _, assignment, _ in hand_ins}))
        gradebook = (folder / "gradebook.db").read_bytes()
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch, "gradebook.db")
            path.write_bytes(gradebook)
            todo = [part for student, assignment, place in hand_ins
                    for part in _parts(student, assignment, place, sources, absent, path)]
        grades, done = [], {}
        for student, assignment, stem, notebook, note in todo:
            one = Grade(student, assignment, stem, note=note)
            if notebook is not None:
                try:
                    points, most, notes = _executed(notebook, sources[assignment][stem], seconds)
                    one = one._replace(points=points, most=most, note="; ".join(filter(None, [note, *notes])))
                    done[one[:3]] = notebook
                except Exception as error:
                    one = one._replace(note=_why(error))
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


def _hand_ins(folder):
    """[(student, assignment, folder)] in `folder`/submitted."""
    home = folder / "submitted"
    found = [(student.name, place.name, place) for student in _folders(home) for place in _folders(student)]
    if not found:
        raise ValueError(f"there is nothing to grade in {home}. Put the notebook of each student there: "
                         f"submitted/STUDENT/01/01_the_gan_game.ipynb")
    return found


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
            try:
                paths = find_notebooks([assignment])
            except ValueError as error:
                absent[assignment] = f"there is no source/{assignment}, and {error}"
                continue
            home.mkdir(parents=True, exist_ok=True)
            for path in paths:
                shutil.copyfile(path, home / path.name)
        outcome = api.generate_assignment(assignment)
        if not outcome["success"]:
            why = (outcome.get("error") or outcome.get("log") or "").strip().splitlines()
            raise ValueError(f"nbgrader cannot use {home}: {why[-1] if why else 'it does not say why'}")
        sources[assignment] = {path.stem: nbformat.read(path, as_version=4) for path in sorted(home.glob("*.ipynb"))}
    if not sources:
        raise ValueError("; ".join(absent.values()))
    return sources, absent


def _parts(student, assignment, place, sources, absent, gradebook):
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
            notebook = _sanitised(notebook, student, assignment, stem, gradebook)
            yield student, assignment, stem, notebook, f"put back: {', '.join(missing)}" if missing else ""
        except Exception as error:
            yield student, assignment, stem, None, _why(error)


def _why(error):
    """An error as one line."""
    if isinstance(error, Unfit):
        return str(error)
    if type(error).__name__ == "DeadKernelError":
        return "its kernel died: a cell ended it, or took too much memory"
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def _read(path):
    if not path.is_file():
        raise Unfit(f"{path.name} is no file")
    if path.stat().st_size > LARGEST:
        raise Unfit(f"{path.name} has {path.stat().st_size / 1e6:.0f} MB. Clear its outputs (Edit > Clear Outputs of "
                    "All Cells), hand in again")
    try:
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:     # what every step below relies on
            cell.cell_type, cell.source, cell.metadata.get("nbgrader")
        return notebook
    except OSError as error:
        raise Unfit(f"{path.name} cannot be read ({error.strerror})") from None
    except Exception:       # whatever is wrong with it
        raise Unfit(f"{path.name} is not a whole notebook. Save it in JupyterLab, hand in again") from None


def _roles(notebook):
    """[(name, graded?, solution?)] of the cells that nbgrader knows, in their order."""
    found = [cell.metadata.get("nbgrader") for cell in notebook.cells]
    return [(role.get("grade_id"), bool(role.get("grade")), bool(role.get("solution")))
            for role in found if isinstance(role, dict) and role.get("grade_id")]


def _misnamed(path, stem, sources):
    """What to say of a file that has another name than the notebook `stem`."""
    try:
        names = {name for name, *_ in _roles(_read(path))}
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
    shared = {stem: len(names & {name for name, *_ in _roles(notebook)}) for stem, notebook in known.items()}
    best = max(shared, key=shared.get)
    return best if shared[best] else ""


def _fit(notebook, source, stem, sources):
    """(the notebook, the names of checks that were deleted and are put back). Raises Unfit if that is not enough."""
    wanted, found = {name: (name, *rest) for name, *rest in _roles(source)}, _roles(notebook)
    names = [name for name, *_ in found]
    if not set(names) & set(wanted):
        if names and (whose := _whose(set(names), sources)):
            raise Unfit(f"{stem}.ipynb has the cells of {whose}: hand in {stem}")
        raise Unfit("its cells have lost the metadata that marks hang on (another program saved it?). Paste the "
                    f"answers into a fresh {stem}.ipynb")
    for name, count in Counter(names).items():
        if count > 1:
            raise Unfit(f"the cell {name} is there {count} times: delete all but one, hand in again")
        if name not in wanted:
            raise Unfit(f"the cell {name} is not of this notebook: delete it, hand in again")
    for role in found:
        if role != wanted[role[0]]:
            raise Unfit(f"the metadata of the cell {role[0]} have changed. Paste the answers into a fresh {stem}.ipynb")
    missing = [name for name, graded, _ in wanted.values() if graded and name not in names]
    order = list(wanted)
    for name in missing:        # before the next of those that are there
        later = [i for i, cell in enumerate(notebook.cells)
                 if (cell.metadata.get("nbgrader") or {}).get("grade_id") in order[order.index(name) + 1:]]
        cell, = (cell for cell in source.cells if cell.metadata.get("nbgrader", {}).get("grade_id") == name)
        notebook.cells.insert(min(later, default=len(notebook.cells)), nbformat.from_dict(cell))
    return notebook, missing


def _sanitised(notebook, student, assignment, stem, gradebook):
    """The notebook with the source's checks in place of the student's, without outputs: nbgrader's own steps."""
    from nbgrader.preprocessors import CheckCellMetadata, ClearOutput, OverwriteCells, OverwriteKernelspec

    about = {"student": student, "assignment": assignment, "notebook": stem, "db_url": f"sqlite:///{gradebook}"}
    resources = {"nbgrader": about}
    for cell in notebook.cells:
        if not (cell.metadata.get("nbgrader") or {}).get("grade_id"):
            cell.metadata.pop("nbgrader", None)
        else:
            cell.metadata.nbgrader.setdefault("schema_version", 3)
    for step in (ClearOutput(), OverwriteKernelspec(), OverwriteCells(), CheckCellMetadata()):
        step.log.setLevel("ERROR")
        notebook, resources = step.preprocess(notebook, resources)
    return notebook


def _executed(notebook, source, seconds):
    """({graded cell: its points}, most points, notes) of a sanitised notebook, which gets its outputs."""
    from nbgrader.preprocessors import LimitOutput
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
        running.cells += [cell, *proofs.get((cell.metadata.get("nbgrader") or {}).get("grade_id"), ())[:1]]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        execute = _kernel_giver()(timeout=seconds, iopub_timeout=60, startup_timeout=300, extra_arguments=QUIET_KERNEL)
        execute.log.setLevel("CRITICAL")
        execute.preprocess(running, {"metadata": {"path": place}})
        LimitOutput().preprocess(notebook, {})
    points, most, notes = {}, 0, _names_looked_at(notebook, source)
    for cell in graded:
        name = cell.metadata.nbgrader.grade_id
        if name in proofs and (why := _refuted(cell, *proofs[name])):
            cell.outputs.append(nbformat.v4.new_output("error", ename="NoPoint", evalue=why, traceback=[why]))
            notes.append(f"{name} earns nothing: {why}")
        try:
            points[name], of = determine_grade(cell)
        except (ValueError, KeyError) as error:     # a result that is no number of points
            points[name], of = 0.0, float(cell.metadata.nbgrader.points)
            notes.append(f"{name}: {error}")
        most += of
    return points, most, notes


def _kernel_giver():
    """nbgrader's step that executes a notebook; it gives a kernel up that does not even react to an interrupt."""
    from nbgrader.preprocessors import Execute

    class Steadfast(Execute):
        late = 0

        def preprocess_cell(self, cell, resources, index):
            cell, resources = super().preprocess_cell(cell, resources, index)
            too_long = any(output.get("ename") == "CellTimeoutError" for output in cell.get("outputs", []))
            self.late = self.late + 1 if too_long else 0
            if self.late == 2:
                raise Unfit(f"two cells in a row ran longer than {self.timeout} s and could not be interrupted")
            return cell, resources

    return Steadfast


# It runs behind a check, and ends with the secret, the number of wrong answers that the check refused, and the names of
# what functions of the notebook have replaced in other modules.
PROOF = """def _proof():
    import sys
    import types

    import torch
    refused, mistakes = 0, getattr(checks, "MISTAKES", {{}}).get("{name}", [])
    for wrong in [lambda *given: None, *(wrong for wrong, _ in mistakes)]:
        try:
            checks.{name}(wrong)
        except AssertionError:
            refused += 1
    places = [torch.Tensor, *(module for module in [*sys.modules.values()] if hasattr(module, "__name__"))]
    replaced = {{f"{{place.__name__}}.{{name}}" for place in places if place.__name__ != "__main__"
                for name, value in [*vars(place).items()]
                if isinstance(value, (types.FunctionType, type)) and value.__module__ == "__main__"}}
    raise AssertionError(f"{secret} {{refused}} {{' '.join(sorted(replaced))}}")


_proof()"""


def _refuted(cell, proof, wanted):
    """Why a check that did not stop earns no point, or "". A warning beside its ✓ is no mistake."""
    if any(output.output_type == "error" for output in cell.outputs):
        return ""
    for output in cell.outputs:
        output.update({"name": "stdout"} if output.output_type == "stream" else {})
    printed = "".join(output.text for output in cell.outputs if output.output_type == "stream")
    said = next((output.evalue for output in proof.outputs if output.output_type == "error"), "")
    if not re.search("^✓ ", printed, re.M):
        return "its check has not said ✓"
    if not said.startswith(wanted):
        return "its check takes wrong answers, too"
    if replaced := said.removeprefix(wanted):
        return f"the notebook has replaced {replaced}"
    return ""


def _names_looked_at(notebook, source):
    """A note for each exercise that uses what the course has, and its solution does not: ["def-my_jsd uses ..."]."""
    code = "\n".join(cell.source for cell in source.cells if cell.cell_type == "code")
    solved = {name: cell.source for cell in source.cells if (name := _name_of_solution(cell))}
    notes = []
    for cell in notebook.cells:
        if name := _name_of_solution(cell):
            used = course_names(cell.source, code) - course_names(solved.get(name, ""), code)
            notes += [f"{name} uses {', '.join(sorted(used))}"] if used else []
    return notes


def _name_of_solution(cell):
    role = cell.metadata.get("nbgrader") or {}
    return role.get("grade_id") if role.get("solution") else None


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
