"""From a script to the two notebooks that a reader opens.

    notebooks/source/NN_name.py  ->  notebooks/NN_name.ipynb            executed, with outputs
                                 ->  notebooks/exercises/NN_name.ipynb  the same, solutions taken out

Scripts are jupytext percent scripts and the only files an author edits. Cells carry these tags:
`parameters` (one cell, the defaults), `nbval-check-output` (output that must come out the same on every machine and
in every profile), `machine` (output that describes one machine; a stored notebook does not keep it).
Once the course has a public address (`publish`), what no script repeats is added to each: below its title the badges,
and behind its first cell the set-up for Colab.
Needs the extra `teach` (jupytext, nbgrader).
"""

import copy
import hashlib
import os
import re
import shutil
import tempfile
import tomllib
from contextlib import contextmanager
from pathlib import Path

import nbformat

from course_files.writing import atomic_path
from course_lib.runtime import project_root

from .source import imported, meaning

MACHINE_NOTE = "(Run this cell: what it shows is yours or of your machine, so none is stored.)\n"
QUIET_KERNEL = ["--IPKernelApp.log_level=50"]     # a kernel's own log is no message to the reader
KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}


def scripts():
    """Every source script, in the order of the course. Raises ValueError where there is none."""
    found = sorted((project_root() / "notebooks" / "source").glob("[0-9][0-9]_*.py"))
    if not found:
        raise ValueError(f"{project_root()} has no notebooks/source to build from. Call this in a clone of the course.")
    return found


def executed_path(script):
    return Path(script).parent.parent / f"{Path(script).stem}.ipynb"


def exercise_path(script):
    return Path(script).parent.parent / "exercises" / f"{Path(script).stem}.ipynb"


def repository():
    """Where the course is published: `[project.urls] repository` in pyproject.toml, or "" if it has no such entry.

    Nothing else holds the address; badges and the set-up cell are made from it. Raises ValueError for another host.
    """
    project = tomllib.loads((project_root() / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    address = project.get("urls", {}).get("repository")
    return "" if address is None else checked_address(address)


def checked_address(address):
    """`address` without a slash or ".git" at its end. Raises ValueError unless it is https://github.com/OWNER/NAME."""
    plain = address.rstrip("/").removesuffix(".git")
    if not re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+", plain):
        raise ValueError(f"the address of the repository is {address!r}. Colab and Binder open notebooks from "
                         f"https://github.com/OWNER/NAME.")
    return plain


def publish(address):
    """Write the public address of the course into pyproject.toml; `build_stale` then puts it everywhere else.

    Raises ValueError for another host, or where there are no notebooks to put it into.
    """
    scripts()
    entry, path = f'repository = "{checked_address(address)}"', project_root() / "pyproject.toml"
    before = path.read_text(encoding="utf-8")
    after, known = re.subn(r"(?m)^repository = .*$", entry, before)
    if not known:
        after = before.replace("\n[project.scripts]\n", f"\n[project.urls]\n{entry}\n\n[project.scripts]\n")
    with atomic_path(path) as part:
        part.write_text(after, encoding="utf-8")


def badges(stem, address):
    """A line of Markdown: two badges that open the exercise edition of notebook `stem` in Colab and in Binder."""
    place = address.removeprefix("https://github.com/")
    colab = f"https://colab.research.google.com/github/{place}/blob/main/notebooks/exercises/{stem}.ipynb"
    binder = f"https://mybinder.org/v2/gh/{place}/main?urlpath=lab/tree/notebooks/exercises/{stem}.ipynb"
    return (f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({colab}) "
            f"[![Open in Binder](https://mybinder.org/badge_logo.svg)]({binder})")


BADGES = re.compile(r"\[!\[Open in Colab\]\S+ \[!\[Open in Binder\]\S+/([\w-]+)\.ipynb\)")
ROW = re.compile(rf"^(\| \[[^]]+\]\(notebooks/(\d\d_\w+)\.ipynb\))(?: {BADGES.pattern})?", re.M)     # README's table

# Colab brings torch and all else that the notebooks import: --no-deps leaves it as it is.
SETUP = """# On Google Colab: fetch the course and install it. Anywhere else this cell does nothing.
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

if "google.colab" in sys.modules and importlib.util.find_spec("course_lib") is None:
    course = Path("{name}").resolve()
    address = "{address}"
    if not course.is_dir():
        subprocess.run(["git", "clone", "--quiet", "--depth", "1", address, course], check=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    subprocess.run([*pip, "-e", course], check=True)
    sys.path.insert(0, str(course))
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")     # as course_threads.pth does from now on"""


def setup_cell(address):
    """The cell that makes a notebook run on Colab. JupyterLab shows it folded."""
    source = SETUP.format(name=address.split("/")[-1], address=address)
    return nbformat.v4.new_code_cell(source, metadata={"tags": ["colab"], "jupyter": {"source_hidden": True}})


def readdress_readme():
    """Put the badges into README's table of notebooks, or take them out. Returns whether it has changed."""
    path = project_root() / "README.md"
    before = path.read_text(encoding="utf-8")
    address = repository()
    after = ROW.sub(lambda row: f"{row[1]} {badges(row[2], address)}" if address else row[1], before)
    if after != before:
        with atomic_path(path) as part:
            part.write_text(after, encoding="utf-8")
    return after != before


def refresh(script):
    """Bring the stored notebooks up to `script` without executing them, where only what no kernel sees has changed.

    That is text, comments, docstrings, layout, badges and the set-up cell. The exercise edition has no outputs and is
    always renewed. Returns what was done, in words, or "".
    """
    source, path, done = read_script(script), executed_path(script), ""
    stored = nbformat.read(path, as_version=4) if path.is_file() else nbformat.v4.new_notebook()
    edition, path_of_edition = exercise_edition(source), exercise_path(script)
    if not path_of_edition.is_file() or _content(nbformat.read(path_of_edition, as_version=4)) != _content(edition):
        _write(edition, path_of_edition)
        done = "exercises renewed"
    if _content(stored) != _content(source) and _meaning(stored) == _meaning(source):
        _take_outputs(source, stored)
        source.metadata = stored.metadata
        _write(source, path)
        done = "text renewed, outputs kept"
    return done


def _write(notebook, path):
    with atomic_path(path) as part:
        nbformat.write(notebook, part)


def _code(notebook):
    """The code cells, except the set-up for Colab."""
    return [cell for cell in notebook.cells
            if cell.cell_type == "code" and "colab" not in cell.metadata.get("tags", [])]


def _meaning(notebook):
    """What the kernel sees of each code cell, and its tags. Checks that are imported anew print the same."""
    return [(meaning(HIDDEN.sub("", cell.source)), cell.metadata.get("tags", [])) for cell in _code(notebook)]


def _take_outputs(notebook, executed):
    for new, old in zip(_code(notebook), _code(executed), strict=True):
        new.outputs, new.execution_count = old.outputs, old.execution_count


IMPORTED = re.compile(r"^from course_checks import (nb\d\d) as checks$", re.M)
ANEW = "### BEGIN HIDDEN TESTS\nfrom course_checks.anew import {} as checks\n### END HIDDEN TESTS\n"
HIDDEN = re.compile(r"^### BEGIN HIDDEN TESTS\n.*?^### END HIDDEN TESTS\n", re.M | re.S)


def read_script(script):
    """The script as a notebook without outputs: stable cell ids, nbgrader's metadata on what it grades.

    What is graded imports the checks anew, in lines that nbgrader hides from students and puts back when it grades.
    Once the course is published, badges and the set-up for Colab, too.
    """
    import jupytext

    notebook = jupytext.read(script, fmt="py:percent")
    title, _, rest = notebook.cells[0].source.partition("\n")
    if address := repository():
        notebook.cells[0].source = f"{title}\n\n{badges(Path(script).stem, address)}\n{rest}".strip()
        notebook.cells.insert(1, setup_cell(address))
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": {"name": "python"}})
    seen, code = {}, "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    for cell in notebook.cells:
        digest = hashlib.md5(cell.source.encode()).hexdigest()[:8]
        seen[digest] = seen.get(digest, -1) + 1
        cell["id"] = f"{digest}-{seen[digest]}"
        cell.metadata = nbformat.from_dict({key: cell.metadata[key] for key in ("tags", "jupyter")
                                            if cell.metadata.get(key)})
        if role := _nbgrader_role(cell):
            name = re.sub(r"\W+", "-", cell.source.split("(")[0]).strip("-")        # def-my_sampler, checks-interval
            cell.metadata["nbgrader"] = {**role, "grade_id": name, "schema_version": 3, "task": False}
            if role["grade"] and (module := IMPORTED.search(code)):
                cell.source = ANEW.format(module[1]) + cell.source
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def _nbgrader_role(cell):
    if cell.cell_type != "code":
        return None
    if "### BEGIN SOLUTION" in cell.source:
        return {"grade": False, "solution": True, "locked": False}
    if cell.source.startswith("checks."):
        return {"grade": True, "solution": False, "locked": True, "points": 1}
    return None


def exercise_edition(notebook):
    """A copy of `notebook` as a student gets it: solutions replaced by stubs, no outputs.

    A check may stop, and *Run All* goes on: no later cell needs the exercise.
    """
    from nbgrader.preprocessors import ClearHiddenTests, ClearSolutions

    edition = copy.deepcopy(notebook)
    for cell in edition.cells:
        if cell.cell_type == "markdown":
            cell.source = cell.source.replace("](../", "](../../")      # it lies one folder deeper
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        if cell.metadata.get("nbgrader", {}).get("grade"):
            cell.metadata["tags"] = [*cell.metadata.get("tags", []), "raises-exception"]
    for hide in (ClearSolutions(), ClearHiddenTests()):
        edition, _ = hide.preprocess(edition, {})
    return edition


HOMES = {"png": "figures", "jsonl": "figures/results", "safetensors": "checkpoints"}


def code_fingerprint(script):
    """Eight digits that change with the code behind a notebook's outputs, and with the files it shows or reads.

    Code: the meaning of each module of the course that the script imports, and of those that they import. The checks
    are left out, for nbval compares what they print. Files: the figures ("x.png"), results ("x.jsonl") and checkpoints
    that it names but does not make; its own start with its number.
    """
    root, modules, todo = project_root(), {}, [Path(script)]
    while todo:
        for path in imported(todo.pop(), root) - set(modules):
            if "course_checks" not in path.parts:
                modules[path] = meaning(path.read_text(encoding="utf-8"))
                todo.append(path)
    named = re.findall(r'"([\w-]+\.(png|jsonl|safetensors))"', Path(script).read_text(encoding="utf-8"))
    files = [_md5(root / HOMES[kind] / name) for name, kind in named if name[:2] != Path(script).stem[:2]]
    code = sorted((path.relative_to(root).as_posix(), text) for path, text in modules.items())
    return hashlib.md5(repr([code, files]).encode()).hexdigest()[:8]


@contextmanager
def environment(**variables):
    """Set environment variables for kernels started inside the block. The environment's own kernel is used."""
    before = dict(os.environ)
    os.environ.update({"JUPYTER_PREFER_ENV_PATH": "1", **{key: str(value) for key, value in variables.items()}})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def tidy(notebook, *, keep_machine=True):
    """Drop from an executed notebook what does not belong on a page: progress bars, timestamps, run records.

    keep_machine: keep the outputs of cells tagged `machine`; a stored notebook does not.
    """
    for cell in notebook.cells:
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
        if cell.cell_type != "code":
            continue
        for output in cell.outputs:
            on_stderr = output.output_type == "stream" and output.name == "stderr"
            if on_stderr and ("\r" in output.text or "\x1b[A" in output.text or not output.text.strip()):
                output.text = _without_bars(output.text)
        cell.outputs = [output for output in cell.outputs if output.get("text") != ""]
        if not keep_machine and "machine" in cell.metadata.get("tags", []):
            cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=MACHINE_NOTE)]
    notebook.metadata.pop("papermill", None)
    return notebook


def _without_bars(text):
    """What a stream says besides progress bars: each bar starts with a carriage return and ends with its line.

    A bar inside another one also moves the cursor up a line.
    """
    text = text.replace("\x1b[A", "")
    return "".join(line for line in text.splitlines(keepends=True) if line.strip() and not BAR.search(line))


BAR = re.compile(r"it/s|s/it|\d+%\||B/s|cell/s|\?it")        # tqdm's own words


def build(script):
    """Execute one script in profile `cpu` on embedded data and store both notebooks, its figures and its numbers.

    Raises RuntimeError if the notebook leaves a warning behind, or its file is too large to be read online; then
    nothing is stored.
    """
    import papermill

    source, bar = read_script(script), {"desc": Path(script).stem, "leave": False}
    edition, to_run = exercise_edition(source), nbformat.from_dict({**source, "cells": _code(source)})
    with tempfile.TemporaryDirectory() as folder:
        with environment(COURSE_OUT=folder, COURSE_DATA=folder, **DEFAULTS):
            executed = papermill.execute_notebook(_written(to_run, folder), None, progress_bar=bar, cwd=folder,
                                                  extra_arguments=QUIET_KERNEL)
        _take_outputs(source, tidy(executed, keep_machine=False))
        made = sorted(path for path in Path(folder, "figures").rglob("*") if path.is_file())
        files = {path.relative_to(folder).as_posix(): _md5(path) for path in made}
        source.metadata["course"] = {"code": code_fingerprint(script), "files": files}
        _refuse_warnings(source, script)
        _refuse_large(source, script)
        for path, name in zip(made, files):
            with atomic_path(project_root() / name) as part:
                shutil.copyfile(path, part)
    _write(source, executed_path(script))
    _write(edition, exercise_path(script))


def _md5(path):
    return hashlib.md5(path.read_bytes()).hexdigest() if path.is_file() else "absent"


def _written(notebook, folder):
    path = Path(folder) / "notebook.ipynb"
    nbformat.write(notebook, path)
    return str(path)


DEFAULTS = {"COURSE_PROFILE": "cpu", "COURSE_DATASET": "glyphs", "COURSE_DEVICE": "cpu", "COURSE_SEED": "0",
            "OMP_NUM_THREADS": "1"}      # sums in another order, by more threads, train another network


def _refuse_warnings(notebook, script):
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.output_type == "stream" and output.name == "stderr":
                raise RuntimeError(f"{Path(script).name} leaves this on stderr: {output.text.strip()[-300:]}")


def _refuse_large(notebook, script):
    size = len(nbformat.writes(notebook).encode())
    if size > 1_000_000:
        raise RuntimeError(f"{Path(script).stem}.ipynb would have {size / 1e6:.1f} MB; at most 1 MB. "
                           f"Draw fewer or smaller pictures.")


def stale(script):
    """Why the notebooks of `script` need a rebuild: a list of reasons, empty when they are fresh."""
    source, reasons = read_script(script), []
    wanted = {executed_path(script): source, exercise_path(script): exercise_edition(source)}
    for path, notebook in wanted.items():
        if not path.is_file():
            reasons.append(f"{path.name} is absent from {path.parent.name}/")
        elif _content(nbformat.read(path, as_version=4)) != _content(notebook):
            reasons.append(f"{path.parent.name}/{path.name} differs from source/{Path(script).name}")
    if not reasons:
        made = nbformat.read(executed_path(script), as_version=4).metadata.get("course", {})
        if made.get("code") != code_fingerprint(script):
            reasons.append("the code behind its outputs has changed")
        reasons += [f"{name} is not the one it made" for name, digest in made.get("files", {}).items()
                    if _md5(project_root() / name) != digest]
        code = _code(nbformat.read(executed_path(script), as_version=4))
        if [c.execution_count for c in code] != list(range(1, len(code) + 1)):
            reasons.append(f"{executed_path(script).name} was not executed from top to bottom")
    return reasons


def _content(notebook):
    return [(c.cell_type, c.source, c.metadata.get("tags", []), c.metadata.get("nbgrader")) for c in notebook.cells]


def check_stale():
    """Print one line for each notebook that needs a rebuild. Returns the exit code: 1 if any does."""
    reasons = {script.stem: stale(script) for script in scripts()}
    for stem, why in reasons.items():
        if why:
            print(f"{stem}: stale, {'; '.join(why)}. Run: course notebooks", flush=True)
    return 1 if any(reasons.values()) else 0


def build_stale(everything=False):
    """Rebuild the notebooks that need it (or all); print one line for each. Returns the number rebuilt.

    What no kernel sees (text, comments, the address of the repository) goes into them without a rebuild.
    """
    count, every = 0, scripts()
    if readdress_readme():
        print("README.md: badges made anew", flush=True)
    for script in every:
        if done := refresh(script):
            print(f"{script.stem}: {done}", flush=True)
        reasons = ["asked for"] if everything else stale(script)
        print(f"{script.stem}: {'rebuilding, ' + '; '.join(reasons) if reasons else 'fresh'}", flush=True)
        if reasons:
            build(script)
            count += 1
    return count
