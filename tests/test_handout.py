"""A handout that works where it is unpacked, and gives no solution away."""

import os
import re
import subprocess
import textwrap
import zipfile

import nbformat
import pytest

from course_lib import datasets
from course_lib.runtime import project_root
from course_tools import authoring, cli, handout, records, running

SMOKE = {"COURSE_PROFILE": "smoke", "COURSE_DEVICE": "cpu", "JUPYTER_PREFER_ENV_PATH": "1", "OMP_NUM_THREADS": "1"}
RUN = """
import nbformat
from nbclient import NotebookClient
notebook = nbformat.read("notebooks/00_start_here.ipynb", as_version=4)
NotebookClient(notebook, allow_errors=True, kernel_name="python3").execute(cwd="notebooks")
nbformat.write(notebook, "ran.ipynb")
"""


def solutions():
    """Every solution of the course, without its indentation."""
    for script in authoring.scripts():
        blocks = re.findall(r"### BEGIN SOLUTION\n(.*?)\n *### END SOLUTION", script.read_text(encoding="utf-8"), re.S)
        assert len(blocks) >= 3
        yield from (textwrap.dedent(block) for block in blocks)


def readable(content):
    """{name: its text in one line} of the files of a handout that a person can read; of a notebook, its cells."""
    texts = {}
    for name, stored in content.items():
        if not name.endswith((".safetensors", ".png", ".npz")):
            text = stored.decode()
            if name.endswith(".ipynb"):
                text = "\n".join(cell.source for cell in nbformat.reads(text, as_version=4).cells)
            texts[name] = " ".join(text.split())
    return texts


def test_no_solution_is_in_the_handout():
    content, known = handout.files(), list(solutions())
    long = [" ".join(solution.split()) for solution in known if "\n" in solution]
    assert len(long) >= 15
    for name, text in readable(content).items():
        assert not name.startswith("tests/") and "/source/" not in name
        assert not [solution for solution in long if solution in text], name
    cells = [cell for name in content if name.endswith(".ipynb")
             for cell in nbformat.reads(content[name].decode(), as_version=4).cells]
    exercises = [cell for cell in cells if cell.metadata.get("nbgrader", {}).get("solution")]
    lines = {line.strip() for solution in known for line in solution.splitlines()}
    assert len(exercises) == len(known) and not any(cell.get("outputs") for cell in cells)
    for cell in exercises:
        assert "raise NotImplementedError()" in cell.source
        assert not lines & {line.strip() for line in cell.source.splitlines()}


def test_a_solution_that_slips_in_is_noticed(monkeypatch):
    first = next(solution for solution in solutions() if "\n" in solution)
    content = handout.files(["00"])
    monkeypatch.setattr(handout, "files", lambda: {**content, "course_lib/x.py": textwrap.indent(first, "  ").encode()})
    with pytest.raises(AssertionError):
        test_no_solution_is_in_the_handout()


def test_it_holds_what_the_notebooks_read_and_no_more():
    some = handout.files(["01", "02"])
    assert [n for n in some if n.endswith(".ipynb")] == ["notebooks/01_the_gan_game.ipynb",
                                                         "notebooks/02_making_it_train.ipynb"]
    assert not [name for name in some if name.startswith(("checkpoints", "figures", "data"))]
    assert "course_tools/pad.js" in some and "course_files/drawings.py" in some
    everything = handout.files()
    for name in ("figures/glyphs_vs_omniglot.png", "figures/results/few_shot.jsonl", "figures/results/meta_steps.jsonl",
                 "figures/results/published.jsonl", "checkpoints/characters_glyphs.safetensors",
                 "checkpoints/warp_glyphs_D.safetensors", "checkpoints/maml_glyphs.safetensors"):
        assert name in everything
    assert sum(map(len, everything.values())) < 13_000_000
    assert "mybinder" not in everything["notebooks/00_start_here.ipynb"].decode(), "no request to the outside"
    readme = some["README.md"].decode()
    assert "* [01 · The GAN game](notebooks/01_the_gan_game.ipynb)" in readme and "--find-links ../wheels" in readme
    assert "torch==2" in readme and "{" not in readme and max(map(len, readme.splitlines())) <= 120


def links(notebook):
    """What a notebook's text links to beside itself, {path}."""
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return {link.split("#")[0] for link in re.findall(r"\]\(([^)\s#][^)\s]*)", text) if not link.startswith("http")}


def test_every_link_leads_to_a_file_in_both_editions_and_in_the_handout():
    root, found = project_root(), 0
    for path in (root / "notebooks").rglob("[0-9]*.ipynb"):
        for link in links(nbformat.read(path, as_version=4)):
            assert (path.parent / link).is_file(), f"{path}: {link}"
            found += 1
    assert found > 20


@pytest.mark.parametrize("wanted, kept", [([], 28), (["00"], 0), (["00", "01", "02"], 4), (["06"], 1),
                                          (["10", "11"], 1)])
def test_a_handout_has_no_dead_link(wanted, kept):
    """Of all, or of some notebooks: what would lead to an absent one keeps its words."""
    content, found = handout.files(wanted), []
    for name in (name for name in content if name.endswith(".ipynb")):
        notebook = nbformat.reads(content[name].decode(), as_version=4)
        for link in links(notebook):
            assert os.path.normpath(f"notebooks/{link}").replace("\\", "/") in content, f"{name}: {link}"
        found += [link for cell in notebook.cells if cell.cell_type == "markdown"
                  for link in re.findall(r"\]\((?!http)[^)\s#]", cell.source)]
    assert len(found) == kept
    if wanted == ["00"]:
        text = "\n".join(cell.source for cell in notebook.cells)
        assert "08 from one example" in text and "01 the GAN game" in text


def test_the_same_input_makes_the_same_bytes(tmp_path, capsys):
    for folder in ("a", "b/c"):
        assert cli.main(["class", "--out", str(tmp_path / folder), "--notebooks", "01", "02"]) == 0
    first, second = (tmp_path / folder / "gan-few-shot-course.zip" for folder in ("a", "b/c"))
    assert first.read_bytes() == second.read_bytes() and "MB" in capsys.readouterr().out
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["gan-few-shot-course.zip"]
    with zipfile.ZipFile(first) as archive:
        assert archive.namelist() == sorted(archive.namelist()) and archive.testzip() is None
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert cli.main(["class", "--out", str(tmp_path / "a"), "--notebooks", "01", "02"]) == 0, "nothing to do"
    assert cli.main(["class", "--out", str(tmp_path / "a"), "--notebooks", "03"]) == 2
    assert "is there already, with other contents. Remove it" in capsys.readouterr().err
    assert first.read_bytes() == second.read_bytes(), "the handout that was there is untouched"


def test_clear_errors(tmp_path, capsys, monkeypatch):
    def error(*words):
        assert cli.main(["class", "--out", str(tmp_path / "out"), *words]) == 2
        return capsys.readouterr().err
    assert "no notebook '17'. Choose from: 00_start_here, 01_the_gan_game" in error("--notebooks", "17")
    assert "unknown dataset 'x'" in error("--dataset", "x")
    assert "--out names no folder" in error("--out", "")
    assert "Put the folder on the share" in error("--dataset", f"folder:{tmp_path}")
    (tmp_path / "out").write_text("a file")
    assert f"cannot write into {tmp_path / 'out'}. Make it a folder" in error("--notebooks", "01")
    monkeypatch.setattr(handout, "find_notebooks", lambda wanted: [tmp_path / "98.ipynb"])
    assert "made in a clone of the course" in error()


def test_a_handout_that_cannot_be_finished_leaves_nothing(tmp_path, monkeypatch):
    def full(path, content):
        path.write_text("half")
        raise OSError("No space left on device")
    monkeypatch.setattr(handout.Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        handout.write(tmp_path, ["01"])
    assert list(tmp_path.iterdir()) == []


def test_a_dataset_goes_along(tmp_path, monkeypatch):
    for file in ("mnist/train-images.gz", "omniglot/part/a.png", "omniglot/part/b.png", "elsewhere.zip"):
        (tmp_path / "root" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "root" / file).write_text(file)
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "root"))
    monkeypatch.setattr(datasets, "load", lambda name: None)
    recipe = datasets.DATASETS["mnist"]._replace(
        find=lambda root: [root / "mnist" / "train-images.gz", root / "omniglot" / "part"])
    monkeypatch.setitem(datasets.DATASETS, "mnist", recipe)
    content = handout.files(["03"], "mnist")
    assert sorted(name for name in content if name.startswith("data/")) == [
        "data/mnist/train-images.gz", "data/omniglot/part/a.png", "data/omniglot/part/b.png"]
    notebook = content["notebooks/03_drawing_characters.ipynb"].decode()
    assert '"COURSE_DATASET\\", \\"mnist\\"' in notebook and "draw from `mnist`" in content["README.md"].decode()
    monkeypatch.setitem(datasets.DATASETS, "mnist", recipe._replace(find=lambda root: [tmp_path / "system" / "x.gz"]))
    with pytest.raises(ValueError, match="Copy it into"):
        handout.files(["03"], "mnist")


def test_the_commands_find_the_data_and_the_notebooks_of_a_handout(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "notebooks").mkdir()
    monkeypatch.setenv("COURSE_DATA", "set anew below")     # so that monkeypatch puts back what was
    monkeypatch.delenv("COURSE_DATA")
    seen = []
    monkeypatch.setattr(cli, "project_root", lambda: tmp_path)
    monkeypatch.setattr(cli.subprocess, "Popen",
                        lambda command, env: seen.append((env["COURSE_DATA"], command)) or Done())
    assert cli.main(["lab"]) == 0 and seen[0][0] == str(tmp_path / "data")
    assert "--LabApp.default_url=/lab/tree/notebooks" in seen[0][1]


@pytest.mark.parametrize("last, status, error", [
    ("print('the end')", "ok", "1 exercise without an answer"),
    ("raise KeyError('lost')", "failed", "cell 5: KeyError: 'lost'")])
def test_course_run_goes_on_past_an_exercise_that_is_not_solved(tmp_path, last, status, error):
    """As it is in the exercise edition: a check may stop. Any other cell may not."""
    script = tmp_path / "98_x.py"
    script.write_text("# %% tags=[\"parameters\"]\nseed = 0\n\n# %%\ndef my_half(x):\n    ### BEGIN SOLUTION\n"
                      "    return x / 2\n    ### END SOLUTION\n\n# %%\nchecks.half(my_half)\n\n# %%\n" + last)
    edition = authoring.exercise_edition(authoring.read_script(script))
    edition.cells[2].source = "my_half(1)      # checks.half would call it"
    nbformat.write(edition, tmp_path / "98_x.ipynb")
    outcome, _ = running.execute(tmp_path / "98_x.ipynb", {"seed": 1}, tmp_path / "run", lambda: False)
    assert (outcome.status, outcome.error) == (status, error)
    ran = nbformat.read(tmp_path / "run" / "98_x.ipynb", as_version=4)
    assert [output.ename for cell in ran.cells for output in cell.get("outputs", []) if "ename" in output] == [
        "NotImplementedError", *["KeyError"] * (status == "failed")]
    assert ("An Exception was encountered" in "".join(cell.source for cell in ran.cells)) == (status == "failed")


class Done:
    returncode = 0

    def wait(self):
        return 0


def test_wheels_are_fetched_beside_it(tmp_path, monkeypatch, capsys):
    called = []
    monkeypatch.setattr(handout.subprocess, "run", lambda command, cwd: called.append((command, cwd)) or Done())
    assert cli.main(["class", "--out", str(tmp_path), "--notebooks", "01", "--wheels"]) == 0
    (command, cwd), = called
    assert command[1:4] == ["-m", "pip", "download"] and command[-1] == str(tmp_path / "wheels")
    assert (cwd / command[command.index("-c") + 1]).is_file()
    monkeypatch.setattr(Done, "returncode", 1)
    assert cli.main(["class", "--out", str(tmp_path), "--notebooks", "01", "--wheels"]) == 2
    assert "pip could not fetch all wheels" in capsys.readouterr().err


def test_it_works_where_it_is_unpacked(tmp_path, fresh_python, offline_pip, monkeypatch):
    """Installed from the zip into a new environment, without internet: doctor is content, a notebook runs."""
    for name, value in SMOKE.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("COURSE_OUT")
    with zipfile.ZipFile(handout.write(tmp_path, ["00"])) as archive:
        archive.extractall(tmp_path / "new folder")
    folder = tmp_path / "new folder" / "gan-few-shot-course"

    def call(*words):
        done = subprocess.run([fresh_python, *words], cwd=folder, capture_output=True, text=True, encoding="utf-8")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
    call("-m", "pip", "install", "--quiet", "--no-deps", "-e", ".")
    call("-m", "ipykernel", "install", "--sys-prefix")
    assert "1 notebook(s)" in (shown := call("-m", "course_tools.cli", "doctor")) and shown.endswith("ready\n")
    (folder / "runs" / "lab").mkdir(parents=True)
    call("-c", RUN)
    ran = nbformat.read(folder / "ran.ipynb", as_version=4)
    stopped = [(cell.source[:7], output.ename) for cell in ran.cells if cell.cell_type == "code"
               for output in cell.outputs if output.output_type == "error"]
    assert stopped == [("checks.", "NotImplementedError")] * 3
    assert any("image/png" in output.get("data", {}) for cell in ran.cells for output in cell.get("outputs", []))
    stored = records.read(folder / "runs/lab/figures/results/00_start_here.jsonl")
    assert {record["profile"] for record in stored} == {"smoke"}, "project_root is where it was unpacked"


def test_running_names_what_a_handout_lacks(tmp_path, monkeypatch):
    monkeypatch.setattr(running, "project_root", lambda: tmp_path)
    with pytest.raises(ValueError, match="no notebooks in"):
        handout.files()
    assert os.listdir(tmp_path) == []
