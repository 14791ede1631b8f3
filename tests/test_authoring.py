"""The chain itself, tried on small scripts, whole and broken."""

import os
import shutil
import sys
from pathlib import Path

import nbformat
import pytest

from course_lib import authoring

SCRIPT = '''# %% [markdown]
# # 98. A tiny notebook

# %% tags=["parameters"]
n = 3

# %% tags=["nbval-check-output"]
print(n)

# %% tags=["machine"]
print("42 GFLOP/s")

# %%
def double(x):
    """Twice x."""
    ### BEGIN SOLUTION
    return 2 * x
    ### END SOLUTION

# %%
checks.double(double) if False else print("checked")
'''


FIGURE = """
# %%
import os, pathlib
folder = pathlib.Path(os.environ["COURSE_OUT"], "figures"); folder.mkdir()
_ = (folder / "98_x.png").write_text("{}")
"""


@pytest.fixture
def script(tmp_path, monkeypatch):
    monkeypatch.setattr(authoring, "project_root", lambda: tmp_path)
    path = tmp_path / "notebooks" / "source" / "98_tiny.py"
    path.parent.mkdir(parents=True)
    path.write_text(SCRIPT, encoding="utf-8")
    return path


def test_from_script_to_both_notebooks_and_back_to_fresh(script, capsys):
    assert len(authoring.stale(script)) == 2
    assert authoring.build_stale() == 1 and "rebuilding" in capsys.readouterr().out
    assert authoring.stale(script) == [] and authoring.build_stale() == 0
    executed = nbformat.read(authoring.executed_path(script), as_version=4)
    code = [c for c in executed.cells if c.cell_type == "code"]
    assert [c.execution_count for c in code] == [1, 2, 3, 4, 5]
    assert code[1].outputs[0].text == "3\n" and code[2].outputs[0].text == authoring.MACHINE_NOTE
    assert "papermill" not in nbformat.writes(executed) and "timestamp" not in nbformat.writes(executed)
    nbformat.validate(executed)
    exercise = nbformat.read(authoring.exercise_path(script), as_version=4)
    assert "2 * x" not in nbformat.writes(exercise) and "raise NotImplementedError()" in exercise.cells[4].source
    assert exercise.cells[4].source.startswith('def double(x):\n    """Twice x."""')
    assert exercise.cells[4].metadata.nbgrader.solution and exercise.cells[5].metadata.nbgrader.grade
    before = authoring.executed_path(script).read_bytes()
    authoring.build(script)
    assert authoring.executed_path(script).read_bytes() == before, "a rebuild changes nothing"


@pytest.mark.parametrize("old, new", [
    ("print(n)", "print(n + 1)"), ('["machine"]', '["parameters"]'), ("A tiny", "Another tiny"),
    ("return 2 * x", "return x + x"), ("n = 3\n", "n = 3\n\n# %%\nn = 4\n")])
def test_every_kind_of_edit_is_noticed(script, old, new):
    authoring.build(script)
    script.write_text(SCRIPT.replace(old, new))
    assert any("differs from source/98_tiny.py" in reason for reason in authoring.stale(script))


def test_an_unexecuted_notebook_is_stale(script):
    authoring.build(script)
    nbformat.write(authoring.read_script(script), authoring.executed_path(script))
    assert "98_tiny.ipynb was not executed from top to bottom" in authoring.stale(script)


def test_a_change_of_the_code_behind_the_numbers_is_noticed(script, tmp_path, monkeypatch):
    script.write_text(SCRIPT + "\n# %%\nfrom course_lib import evaluate\n")
    package = tmp_path / "course_lib"
    shutil.copytree(Path(authoring.__file__).parent, package)
    monkeypatch.setattr(authoring, "__file__", str(package / "authoring.py"))
    first = authoring.code_fingerprint(script)
    room = package / "episodes.py"          # evaluate imports it
    room.write_text(room.read_text().replace("topk(n_way)", "topk(n_way + 1)"))
    changed = authoring.code_fingerprint(script)
    assert changed != first
    for file in ("figures/shown.png", "figures/results/read.json", "checkpoints/loaded.safetensors"):
        before, path = authoring.code_fingerprint(script), tmp_path / file
        script.write_text(script.read_text() + f'use("{path.name}")\n')
        named = authoring.code_fingerprint(script)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"new")
        assert len({before, named, authoring.code_fingerprint(script)}) == 3
    changed = authoring.code_fingerprint(script)
    (package / "gan.py").write_text("# imported by nobody here\nx = 1\n")
    assert authoring.code_fingerprint(script) == changed
    script.write_text(SCRIPT)
    authoring.build(script)
    monkeypatch.setattr(authoring, "PROFILES", {})
    assert authoring.stale(script) == ["the code of course_lib behind its numbers has changed"]


@pytest.mark.parametrize("code, error, message", [
    ("import warnings; warnings.warn('old')", RuntimeError, "98_tiny.py leaves this on stderr"),
    ("1 / 0", Exception, "ZeroDivisionError"),
    ("print('x' * 1_100_000)", RuntimeError, "would have 1.1 MB; at most 1 MB")])
def test_a_broken_notebook_is_refused_and_the_old_one_kept(script, code, error, message):
    script.write_text(SCRIPT + FIGURE.format("first"))
    authoring.build(script)
    before = authoring.executed_path(script).read_bytes()
    script.write_text(SCRIPT + FIGURE.format("second") + f"\n# %%\n{code}\n")
    with pytest.raises(error, match=message):
        authoring.build(script)
    assert authoring.executed_path(script).read_bytes() == before
    left = sorted(path.name for path in authoring.executed_path(script).parent.iterdir())
    assert left == ["98_tiny.ipynb", "exercises", "source"]
    assert (script.parents[2] / "figures" / "98_x.png").read_bytes() == b"first", "figures belong to the notebook kept"


def test_a_figure_that_is_lost_or_changed_makes_the_notebook_stale(script):
    script.write_text(SCRIPT + FIGURE.format("first"))
    authoring.build(script)
    figure = script.parents[2] / "figures" / "98_x.png"
    assert authoring.stale(script) == [] and figure.read_text() == "first"
    figure.write_text("other")
    assert authoring.stale(script) == ["figures/98_x.png is not the one it made"]
    figure.unlink()
    assert authoring.stale(script) == ["figures/98_x.png is not the one it made"]


@pytest.mark.parametrize("style", ["from course_lib import evaluate, plots", "from course_lib.evaluate import percent",
                                   "import course_lib.evaluate", "from . import evaluate", "from .evaluate import x"])
def test_every_way_to_import_a_room_is_seen(style):
    assert "evaluate" in authoring._rooms_imported(style)


def test_a_warning_beside_a_progress_bar_is_not_lost(script):
    script.write_text(SCRIPT + "\n# %%\nimport warnings\nfrom course_lib import runtime\n"
                      "for _ in runtime.progress(range(3)):\n    pass\nwarnings.warn('beware')\n")
    with pytest.raises(RuntimeError, match="beware"):
        authoring.build(script)


def test_progress_bars_leave_no_trace():
    bar = nbformat.v4.new_output("stream", name="stderr", text="\rtrain:  50%|#  | 1/2 [00:01<00:01, 1s/it]\r   \r")
    kept = nbformat.v4.new_output("stream", name="stdout", text="done")
    cell = nbformat.v4.new_code_cell("x", outputs=[bar, kept], metadata={"papermill": {"duration": 3}})
    notebook = authoring.tidy(nbformat.v4.new_notebook(cells=[cell], metadata={"papermill": {}}))
    assert notebook.cells[0].outputs == [kept] and not notebook.cells[0].metadata and not notebook.metadata


def test_a_teachers_nbgrader_makes_the_same_assignment(script, tmp_path, monkeypatch):
    """nbgrader's own generate_assignment, on the complete notebook, hides what our exercise edition hides."""
    from nbgrader.apps import NbGraderAPI
    from traitlets.config import Config

    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)     # it calls alembic by name
    authoring.build(script)
    course = tmp_path / "course"
    (course / "source" / "ps1").mkdir(parents=True)
    (course / "source" / "ps1" / "98_tiny.ipynb").write_bytes(authoring.executed_path(script).read_bytes())
    outcome = NbGraderAPI(config=Config({"CourseDirectory": {"root": str(course)}})).generate_assignment("ps1")
    assert outcome["success"], outcome.get("log")
    released = nbformat.read(course / "release" / "ps1" / "98_tiny.ipynb", as_version=4)
    ours = nbformat.read(authoring.exercise_path(script), as_version=4)
    assert [c.source for c in released.cells] == [c.source for c in ours.cells]


def test_nested_progress_bars_leave_nothing():
    bars = "\router: 25%|# | 1/4 [00:01, 1.7s/it]\n\rinner: 100%|#| 1/1 [00:01, 1.1s/it]\x1b[A\n\r   \x1b[A\n"
    for text, kept in ((bars, []), ("\x1b[A", []), ("\n", []), (bars + "UserWarning: look\n", ["UserWarning: look\n"])):
        output = nbformat.v4.new_output("stream", name="stderr", text=text)
        cell = nbformat.v4.new_code_cell("1", outputs=[output])
        tidied = authoring.tidy(nbformat.v4.new_notebook(cells=[cell]))
        assert [o.text for o in tidied.cells[0].outputs] == kept
