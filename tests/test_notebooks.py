"""Every notebook: fresh, executed and compared by nbval, its exercise edition run with other parameters."""

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import papermill
import pytest
from nbclient import NotebookClient
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

from course_lib import runtime
from course_tools import authoring, records

TESTS = Path(__file__).parent
NOTEBOOKS = runtime.project_root() / "notebooks"
SCRIPTS = pytest.mark.parametrize("script", authoring.scripts(), ids=lambda path: path.stem)
CHECKED = "nbval-check-output"
NBVAL = [sys.executable, "-m", "pytest", "-q", "--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout", "300",
         "-p", "nbval_audit", "-p", "no:cacheprovider", "-c", os.devnull]


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def run_nbval(notebook, folder):
    """(exit code, printed text, {"executed": [...], "compared": [...]}) of nbval over one notebook, in `smoke`."""
    environment = {**os.environ, "COURSE_PROFILE": "smoke", "COURSE_DEVICE": "cpu", "OMP_NUM_THREADS": "1",
                   "PYTHONPATH": str(TESTS), "NBVAL_AUDIT": str(folder / "audit.json")}
    for name in ("COURSE_DATA", "PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER"):
        environment.pop(name, None)
    done = subprocess.run([*NBVAL, str(notebook)], env=environment, capture_output=True, text=True, timeout=1200)
    return done.returncode, done.stdout + done.stderr, json.loads((folder / "audit.json").read_text())


def test_there_are_notebooks():
    stems = [path.stem for path in authoring.scripts()]
    assert stems and stems == sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))
    assert stems == sorted(path.stem for path in (NOTEBOOKS / "exercises").glob("*.ipynb"))


@SCRIPTS
def test_fresh(script):
    assert authoring.stale(script) == [], "run: make notebooks"


@SCRIPTS
def test_nbval_executes_every_cell_and_compares_every_checked_one(script, tmp_path):
    cells = code_cells(nbformat.read(authoring.executed_path(script), as_version=4))
    checked = [i for i, cell in enumerate(cells) if CHECKED in cell.metadata.get("tags", [])]
    assert len(checked) >= 3, "a notebook without checked cells proves nothing"
    assert all(cells[i].outputs for i in checked), "a checked cell without stored output compares nothing"
    code, text, audit = run_nbval(authoring.executed_path(script), tmp_path)
    assert code == 0, text[-3000:]
    assert audit == {"executed": list(range(len(cells))), "compared": checked}


def test_nbval_goes_red_when_a_checked_output_is_wrong(tmp_path):
    cell = nbformat.v4.new_code_cell("print(1 + 1)", metadata={"tags": [CHECKED]}, execution_count=1,
                                     outputs=[nbformat.v4.new_output("stream", name="stdout", text="3\n")])
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "wrong.ipynb")
    code, text, audit = run_nbval(tmp_path / "wrong.ipynb", tmp_path)
    assert code == 1 and audit == {"executed": [], "compared": [0]}, text


@pytest.fixture
def mnist(tmp_path):
    """A folder for COURSE_DATA with 100 images in MNIST's format."""
    (folder := tmp_path / "data" / "mnist").mkdir(parents=True)
    for name, sizes, values in (("images-idx3", (100, 28, 28), os.urandom(100 * 784)),
                                ("labels-idx1", (100,), bytes(range(10)) * 10)):
        header = bytes([0, 0, 8, len(sizes)]) + b"".join(size.to_bytes(4, "big") for size in sizes)
        (folder / f"train-{name}-ubyte").write_bytes(header + values)
    return folder.parent


@SCRIPTS
def test_the_exercise_edition_unsolved_with_papermills_parameters(script, tmp_path, mnist):
    """No later cell needs a solution: the checks alone stop, and all numbers come out, those of other parameters."""
    parameters = {"profile": "smoke", "dataset": "digits", "device": "cpu", "seed": 7}
    assert set(parameters) <= set(papermill.inspect_notebook(str(authoring.exercise_path(script))))
    edition = load_notebook_node(str(authoring.exercise_path(script)))
    text = "\n".join(cell.source for cell in edition.cells)
    assert "SOLUTION" not in text and "raise NotImplementedError" in text
    edition = parameterize_notebook(edition, parameters)
    with authoring.environment(COURSE_DATA=mnist, XDG_CACHE_HOME=tmp_path / "cache", OMP_NUM_THREADS="1"):
        NotebookClient(edition, timeout=300, allow_errors=True, kernel_name="python3").execute(cwd=str(tmp_path))
    stopped = {}
    for cell in code_cells(edition):
        for output in cell.outputs:
            if output.output_type == "error":
                stopped[cell.source.splitlines()[0]] = output.ename
    checks = [cell.source.splitlines()[0] for cell in code_cells(edition) if cell.source.startswith("checks.")]
    assert len(checks) >= 3, "three or more exercises"
    assert stopped == dict.fromkeys(checks, "NotImplementedError")
    stored = records.read(tmp_path / "out" / "figures" / "results" / f"{script.stem}.jsonl")
    assert stored
    for record in stored:
        assert {key: record[key] for key in parameters} == parameters
        assert record["setting"] in ("inductive", "transductive", "-")
        assert record["low"] <= record["value"] <= record["high"]
    if script.stem == "04_conditions":
        assert {record["data"] for record in stored} == {"digits", "mnist"}, "MNIST too, where its files lie"


@SCRIPTS
def test_house_style(script):
    notebook = nbformat.read(authoring.executed_path(script), as_version=4)
    first, last = notebook.cells[0].source, notebook.cells[-3].source
    assert "The question" in first and "The answer" in last
    setup = f"sizes, device, results = notebook.setup(\"{script.stem}\", profile, dataset, device, seed"
    assert sum(setup in " ".join(cell.source.split()) for cell in code_cells(notebook)) == 1
    for cell in code_cells(notebook):
        lines = cell.source.splitlines()
        assert len(lines) <= 25, f"{len(lines)} lines in the cell that starts with {lines[0]}"
        assert not any(line.startswith(("!", "%")) or ".cuda()" in line for line in lines)
        assert max(map(len, lines), default=0) <= 100, f"over 100 columns in the cell that starts with {lines[0]}"
        text = json.dumps(cell.outputs)
        assert "Warning" not in text and "Traceback" not in text and str(Path.home()) not in text
    assert authoring.executed_path(script).stat().st_size < 1_000_000
    for cell in code_cells(notebook):
        for output in cell.outputs:
            assert len(output.get("data", {}).get("image/png", "x" * 3000)) > 2000, "a blank picture"
    figures = list((runtime.project_root() / "figures").glob("*.png"))
    assert figures and all(figure.stat().st_size < 200_000 for figure in figures)
