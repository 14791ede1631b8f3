"""The chain itself, tried on small scripts, whole and broken."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from course_tools import authoring

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


ADDRESS = '[project]\nname = "x"\n\n[project.urls]\nrepository = "{}"\n\n[project.scripts]\n'
UNPUBLISHED = ADDRESS.replace('[project.urls]\nrepository = "{}"\n\n', "")
ROW = "| [98 tiny](notebooks/98_tiny.ipynb) | 20 min |\n"
PLACE = "https://github.com/somebody/course"      # of nobody: tests ask no server
FIGURE = """
# %%
import os, pathlib
folder = pathlib.Path(os.environ["COURSE_OUT"], "figures"); folder.mkdir()
_ = (folder / "98_x.png").write_text("{}")
"""


@pytest.fixture
def script(tmp_path, monkeypatch):
    monkeypatch.setattr(authoring, "project_root", lambda: tmp_path)
    (tmp_path / "pyproject.toml").write_text(ADDRESS.format(PLACE), encoding="utf-8")
    (tmp_path / "README.md").write_text(ROW, encoding="utf-8")
    authoring.readdress_readme()
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
    assert [c.execution_count for c in code] == [None, 1, 2, 3, 4, 5], "the set-up for Colab runs on Colab only"
    assert code[2].outputs[0].text == "3\n" and code[3].outputs[0].text == authoring.MACHINE_NOTE
    assert "papermill" not in nbformat.writes(executed) and "timestamp" not in nbformat.writes(executed)
    nbformat.validate(executed)
    exercise = nbformat.read(authoring.exercise_path(script), as_version=4)
    assert "2 * x" not in nbformat.writes(exercise) and "raise NotImplementedError()" in exercise.cells[5].source
    assert exercise.cells[5].source.startswith('def double(x):\n    """Twice x."""')
    assert exercise.cells[5].metadata.nbgrader.solution and exercise.cells[6].metadata.nbgrader.grade
    assert "course" in executed.metadata and "course" not in exercise.metadata
    before = authoring.executed_path(script).read_bytes()
    authoring.build(script)
    assert authoring.executed_path(script).read_bytes() == before, "a rebuild changes nothing"


def test_without_scripts_nothing_can_be_built(tmp_path, monkeypatch):
    monkeypatch.setattr(authoring, "project_root", lambda: tmp_path)
    with pytest.raises(ValueError, match=r"no notebooks/source to build from\. Call this in a clone"):
        authoring.build_stale()


@pytest.mark.parametrize("old, new", [
    ("print(n)", "print(n + 1)"), ('["machine"]', '["parameters"]'), ("A tiny", "Another tiny"),
    ("return 2 * x", "return x + x"), ("n = 3\n", "n = 3\n\n# %%\nn = 4\n")])
def test_every_kind_of_edit_is_noticed(script, old, new):
    authoring.build(script)
    script.write_text(SCRIPT.replace(old, new))
    assert any("differs from source/98_tiny.py" in reason for reason in authoring.stale(script))


def test_a_check_names_what_is_stale_and_rebuilds_nothing(script, monkeypatch, capsys):
    authoring.build(script)
    monkeypatch.setattr(authoring, "build", None)
    assert authoring.check_stale() == 0 and capsys.readouterr().out == ""
    script.write_text(SCRIPT.replace("print(n)", "print(n + 1)"))
    before = authoring.executed_path(script).read_bytes()
    assert authoring.check_stale() == 1
    assert "98_tiny: stale, " in (said := capsys.readouterr().out) and said.endswith("Run: course notebooks\n")
    assert authoring.executed_path(script).read_bytes() == before


def test_an_unexecuted_notebook_is_stale(script):
    authoring.build(script)
    nbformat.write(authoring.read_script(script), authoring.executed_path(script))
    assert "98_tiny.ipynb was not executed from top to bottom" in authoring.stale(script)


def test_text_and_comments_are_renewed_without_a_run(script, monkeypatch, capsys):
    authoring.build(script)
    new = (SCRIPT.replace("# # 98. A tiny notebook", "# # 98. A small notebook\n#\n# Another line.")
           .replace("print(n)", "print(\n    n)      # three").replace("Twice x", "Two times x"))
    script.write_text(new + "\n# %% [markdown]\n# The end.\n")
    assert len(authoring.stale(script)) == 2
    monkeypatch.setattr(authoring, "build", None)       # nothing is executed
    assert authoring.build_stale() == 0 and "98_tiny: text renewed, outputs kept" in capsys.readouterr().out
    executed = nbformat.read(authoring.executed_path(script), as_version=4)
    assert [c.source for c in executed.cells] == [c.source for c in authoring.read_script(script).cells]
    code = [c for c in executed.cells if c.cell_type == "code"]
    assert [c.execution_count for c in code] == [None, 1, 2, 3, 4, 5] and code[2].outputs[0].text == "3\n"
    exercise = nbformat.read(authoring.exercise_path(script), as_version=4)
    assert "Two times x" in exercise.cells[5].source and "2 * x" not in nbformat.writes(exercise)
    nbformat.validate(executed)


@pytest.mark.parametrize("old, new", [("print(n)", "print(n + 1)"), ("n = 3\n", "n = 3\n\n# %%\nn = 4\n"),
                                      ('["machine"]', '["parameters"]'), ('"""Twice x."""\n    ', "")])
def test_what_a_kernel_sees_is_not_renewed_without_a_run(script, old, new):
    authoring.build(script)
    before = authoring.executed_path(script).read_bytes()
    script.write_text(SCRIPT.replace(old, new))
    authoring.refresh(script)
    same = old.startswith('"""')        # a docstring is nothing that a kernel sees
    assert (authoring.stale(script) == []) == same
    assert (authoring.executed_path(script).read_bytes() == before) != same


@pytest.fixture
def house(script, tmp_path):
    """The script beside a copy of the lesson."""
    root = Path(authoring.__file__).parent.parent
    for wing in ("course_files", "course_lib", "course_checks", "course_tools"):
        shutil.copytree(root / wing, tmp_path / wing, ignore=shutil.ignore_patterns("__pycache__"))
    script.write_text(SCRIPT + "\n# %%\nfrom course_checks import nb00 as checks\nfrom course_lib import learners\n")
    return tmp_path


@pytest.mark.parametrize("place, old, new, stale", [
    ("course_lib/learners.py", "argmin(2)", "argmax(2)", True),
    ("course_lib/episodes.py", "topk(n_way)", "topk(n_way + 1)", True),         # learners imports it
    ("course_lib/runtime.py", "batch=64", "batch=65", True),
    ("course_lib/learners.py", '"""Give each', '"""Gives each', False),         # a docstring
    ("course_lib/learners.py", "nearest = ", "# the nearest\n    nearest  =  ", False),
    ("course_lib/gan.py", "return torch.randn", "return 2 * torch.randn", False),    # nobody here imports it
    ("course_checks/nb00.py", "return ", "return  1 + ", False)])               # nbval compares what a check prints
def test_a_notebook_is_stale_when_the_meaning_of_its_code_changes(script, house, place, old, new, stale):
    before, path = authoring.code_fingerprint(script), house / place
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    assert (authoring.code_fingerprint(script) != before) == stale


def test_a_notebook_is_stale_when_a_file_that_it_reads_changes(script, house):
    for file in ("figures/shown.png", "figures/results/read.jsonl", "checkpoints/loaded.safetensors"):
        before, path = authoring.code_fingerprint(script), house / file
        script.write_text(script.read_text() + f'use("{path.name}")\n')
        named = authoring.code_fingerprint(script)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"new")
        assert len({before, named, authoring.code_fingerprint(script)}) == 3


def test_stale_says_that_the_code_has_changed(script, house):
    authoring.build(script)
    assert authoring.stale(script) == []
    path = house / "course_lib" / "learners.py"
    path.write_text(path.read_text() + "\n\nx = 1\n")
    assert authoring.stale(script) == ["the code behind its outputs has changed"]


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


def test_a_warning_beside_a_progress_bar_is_not_lost(script):
    script.write_text(SCRIPT + "\n# %%\nimport warnings\nfrom course_lib import runtime\n"
                      "for _ in runtime.progress(range(3)):\n    pass\nwarnings.warn('beware')\n")
    with pytest.raises(RuntimeError, match="beware"):
        authoring.build(script)


@pytest.mark.parametrize("course", authoring.scripts(), ids=lambda path: path.stem)
def test_marks_hang_on_checks_read_anew_and_an_exercise_may_stop(course):
    """The complete edition, which grades, reads the checks anew; a student sees the call, and Run All goes past it."""
    complete = authoring.read_script(course)
    cells = [cell for cell in complete.cells if cell.metadata.get("nbgrader", {}).get("grade")]
    edition = [cell for cell in authoring.exercise_edition(complete).cells
               if cell.metadata.get("nbgrader", {}).get("grade")]
    calls = re.findall(r"^checks\..*$", course.read_text(encoding="utf-8"), re.M)
    assert [cell.source for cell in edition] == calls and len(calls) >= 3
    anew = f"from course_checks.anew import nb{course.stem[:2]} as checks"
    assert [cell.source.splitlines()[1::2] for cell in cells] == [[anew, call] for call in calls]
    assert all("raises-exception" in cell.metadata.tags for cell in edition)
    assert not any("raises-exception" in cell.metadata.get("tags", []) for cell in complete.cells)


def test_checks_read_anew_go_into_a_notebook_without_running_it(script, monkeypatch):
    script.write_text("# %% [markdown]\n# # Tiny\n\n# %%\nfrom course_checks import nb01 as checks\n\n"
                      "# %%\nchecks.value(print)\n")
    with monkeypatch.context() as before:
        before.setattr(authoring, "ANEW", "")
        stored = authoring.read_script(script)
    stored.cells[-1].outputs = [nbformat.v4.new_output("stream", text="✓ kept\n")]
    authoring._write(stored, authoring.executed_path(script))
    assert authoring.refresh(script) == "text renewed, outputs kept"
    renewed = nbformat.read(authoring.executed_path(script), as_version=4).cells[-1]
    assert renewed.source.startswith("### BEGIN HIDDEN TESTS\nfrom course_checks.anew import nb01 as checks\n")
    assert renewed.outputs[0].text == "✓ kept\n"


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


def test_a_new_address_reaches_readme_and_notebooks_without_a_rebuild(script, tmp_path, monkeypatch, capsys):
    authoring.build(script)
    paths = (tmp_path / "README.md", authoring.executed_path(script), authoring.exercise_path(script))
    old = [path.read_text() for path in paths]
    assert all("somebody/course" in text for text in old) and authoring.build_stale() == 0
    (tmp_path / "pyproject.toml").write_text(ADDRESS.format("https://github.com/fork/gan-course/"))
    assert any("differs from source" in reason for reason in authoring.stale(script))
    monkeypatch.setattr(authoring, "build", None)       # nothing is executed
    capsys.readouterr()
    assert authoring.build_stale() == 0
    said = "README.md: badges made anew\n98_tiny: text renewed, outputs kept\n98_tiny: fresh\n"
    assert capsys.readouterr().out == said
    for path, before in zip(paths, old):
        text = path.read_text()
        assert "somebody" not in text and "colab.research.google.com/github/fork/gan-course/blob/main" in text
        assert "mybinder.org/v2/gh/fork/gan-course/main?urlpath=lab/tree/notebooks/exercises/98_tiny.ipynb" in text
        assert len(text.splitlines()) == len(before.splitlines())
    assert 'Path(\\"gan-course\\")' in text and '\\"https://github.com/fork/gan-course\\"' in text
    assert authoring.build_stale() == 0 and authoring.readdress_readme() is False


def test_another_edit_is_not_mistaken_for_a_new_address(script, tmp_path):
    authoring.build(script)
    (tmp_path / "pyproject.toml").write_text(ADDRESS.format("https://github.com/fork/gan-course"))
    script.write_text(SCRIPT.replace("print(n)", "print(n + 1)"))
    authoring.refresh(script)
    assert authoring.stale(script)
    assert "somebody" in authoring.executed_path(script).read_text(), "what was not executed is not renewed"


@pytest.mark.parametrize("published_first", [True, False])
def test_without_an_address_there_are_no_badges_and_no_cell_for_colab(script, tmp_path, monkeypatch, published_first):
    """Published and taken back, or taken back and published: outputs stay, nothing is executed."""
    project, readme = tmp_path / "pyproject.toml", tmp_path / "README.md"
    if not published_first:
        project.write_text(UNPUBLISHED)
    authoring.build_stale()
    with_outputs = authoring.executed_path(script).read_text()
    monkeypatch.setattr(authoring, "build", None)

    def texts():
        assert authoring.build_stale() == 0 and authoring.stale(script) == []
        return [path.read_text() for path in (readme, authoring.executed_path(script), authoring.exercise_path(script))]

    if not published_first:
        authoring.publish(PLACE + ".git")
        assert project.read_text() == ADDRESS.format(PLACE)
    for text in texts():
        assert "somebody/course/blob/main/notebooks/exercises/98_tiny.ipynb" in text and "mybinder.org" in text
    project.write_text(UNPUBLISHED)
    assert authoring.repository() == ""
    for text in texts():
        assert not any(word in text for word in ("http", "colab", "Colab", "binder")), text
    assert readme.read_text() == ROW and '"3\\n"' in authoring.executed_path(script).read_text()
    if not published_first:
        assert authoring.executed_path(script).read_text() == with_outputs
    authoring.publish(PLACE)
    authoring.publish("https://github.com/fork/gan-course/")
    assert project.read_text() == ADDRESS.format("https://github.com/fork/gan-course")
    assert all("fork/gan-course" in text and "somebody" not in text for text in texts())


@pytest.mark.parametrize("address", ["https://gitlab.com/a/b", "github.com/a/b", "https://github.com/a", ""])
def test_an_address_that_colab_and_binder_cannot_open_is_refused(script, tmp_path, address):
    before = (tmp_path / "pyproject.toml").read_text()
    with pytest.raises(ValueError, match="OWNER/NAME"):
        authoring.publish(address)
    assert (tmp_path / "pyproject.toml").read_text() == before
    (tmp_path / "pyproject.toml").write_text(ADDRESS.format(address))
    with pytest.raises(ValueError, match="OWNER/NAME"):
        authoring.repository()


def test_all_badges_agree_with_the_address():
    """README's table and every notebook open their own exercise edition, or have no badge if there is no address."""
    root = authoring.project_root()
    readme = (root / "README.md").read_text(encoding="utf-8")
    stems = [script.stem for script in authoring.scripts()]
    address = authoring.repository()
    assert len(authoring.ROW.findall(readme)) == len(stems)
    wanted = [authoring.badges(stem, address) for stem in stems if address]
    assert [found[0] for found in authoring.BADGES.finditer(readme)] == wanted
    for script in authoring.scripts():
        for path in (authoring.executed_path(script), authoring.exercise_path(script)):
            first, second = nbformat.read(path, as_version=4).cells[:2]
            found = [match[0] for match in authoring.BADGES.finditer(first.source)]
            wanted = [authoring.badges(script.stem, address)] if address else []
            assert found == wanted, f"{path.name}: make notebooks"
            assert ("colab" in second.metadata.get("tags", [])) == bool(address)
            assert not address or second.source == authoring.setup_cell(address).source


def test_no_text_links_to_a_place_on_the_web_that_the_project_does_not_have():
    """Colab, Binder and GitHub under a name of this course: only at its address, if it has one."""
    root, address = authoring.project_root(), authoring.repository()
    patterns = ("*.md", "pyproject.toml", "notebooks/**/*.ipynb", "notebooks/source/*.py", "course_*/**/*.py",
                "site/*.*", "site/play/*", "*.yml")
    texts = [path for pattern in patterns for path in root.glob(pattern)]
    for path in texts:
        for link in re.findall(r"https://(?:colab\.research|mybinder|github\.com)[^\s)\"'\\]*(?:gan|course)[^\s)\"'\\]*",
                               path.read_text(encoding="utf-8")):
            assert address and address.removeprefix("https://github.com/") in link, (path, link)


ON_COLAB = """
import sys, types
sys.modules["google.colab"] = types.ModuleType("google.colab")
"""
REPORT = """
import importlib.metadata, torch
from course_lib import runtime
print(runtime.project_root())
print(importlib.metadata.distribution("gan-few-shot-course").locate_file(""))
print(torch.__file__)
"""


@pytest.fixture
def published(tmp_path):
    """The address of a git repository with what the set-up cell needs; this course asks for a torch that is nowhere."""
    home, root = tmp_path / "published", authoring.project_root()
    for wing in ("course_files", "course_lib", "course_checks", "course_tools"):
        shutil.copytree(root / wing, home / wing, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "course_threads.pth", "README.md", "LICENSE"):
        shutil.copy(root / name, home)
    project = (home / "pyproject.toml").read_text(encoding="utf-8")
    assert '"torch>=' in project
    (home / "pyproject.toml").write_text(project.replace('"torch>=', '"torch>=99'), encoding="utf-8")
    (home / "notebooks").mkdir()
    (home / "notebooks" / "any.ipynb").write_text("{}")
    me = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "."], [*me, "commit", "-q", "-m", "course"]):
        subprocess.run(["git", *words], cwd=home, check=True)
    return home.as_uri()


def test_on_colab_the_cell_installs_the_course_and_nothing_else(tmp_path, published, fresh_python, offline_pip):
    cell = authoring.setup_cell(PLACE).source.replace(PLACE, published)
    folder = tmp_path / "content"
    folder.mkdir()

    def kernel(code):
        done = subprocess.run([fresh_python, "-c", ON_COLAB + code], cwd=folder, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.splitlines()
    root, installed, torch = kernel(cell + "\n" + cell + REPORT)        # run twice, as people do
    course = folder / PLACE.split("/")[-1]
    assert Path(root) == course and (course / "notebooks").is_dir()
    environment = fresh_python.parents[1]
    assert environment in Path(installed).parents and environment not in Path(torch).parents
    distributions = [path.name for path in Path(installed).glob("*.dist-info")]
    assert len(distributions) == 1 and distributions[0].startswith("gan_few_shot_course")
    before = (course / ".git" / "HEAD").stat().st_mtime_ns
    assert kernel(cell + REPORT) == [root, installed, torch], "another kernel finds it installed"
    assert (course / ".git" / "HEAD").stat().st_mtime_ns == before


def test_elsewhere_the_cell_does_nothing(tmp_path):
    code = authoring.setup_cell(PLACE).source + "\nassert 'course_lib' not in sys.modules"
    done = subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True, env={})
    assert (done.returncode, done.stdout, done.stderr, list(tmp_path.iterdir())) == (0, "", "", [])
