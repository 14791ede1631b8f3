import errno
import io
import json
import logging
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from concurrent.futures import Future
from pathlib import Path

import nbformat
import papermill
import psutil
import pytest

from course_files import omniglot, writing
from course_lib import datasets, statistics
from course_tools import authoring, cli, running

PARAMETERS = 'profile = "cpu"\ndataset = "digits"\ndevice = "cpu"\nseed = 0'
RECORD = ("import json, os, pathlib, signal, time",
          "folder = pathlib.Path(os.environ['COURSE_OUT'], 'figures', 'results')",
          "folder.mkdir(parents=True, exist_ok=True)",
          "record = {'name': 'a', 'arm': 'GAN', 'low': 0.4, 'high': 0.6, 'n': 9, 'unit': 'accuracy', 'setting': '-'}",
          "(folder / '00_good.jsonl').write_text(json.dumps({**record, 'value': 0.5 + seed ** 2 / 100}) + '\\n')")
PID = "pathlib.Path('pid').write_text(str(os.getpid()))"


def write_notebook(folder, name, *sources, parameters=PARAMETERS):
    cells = [nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}),
             *(nbformat.v4.new_code_cell(source) for source in sources)]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), folder / name)


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course of one tiny notebook, whose number depends on the seed."""
    (tmp_path / "notebooks").mkdir()
    write_notebook(tmp_path / "notebooks", "00_good.ipynb", *RECORD)
    monkeypatch.setattr(running, "project_root", lambda: tmp_path)
    return tmp_path


@pytest.fixture
def three(course):
    """The same with two more; the second fails."""
    write_notebook(course / "notebooks", "00_good.ipynb", *RECORD, "(folder.parent / '00_one.png').write_bytes(b'png')",
                   "import sys; print('\\rbar:  50%|#  | 1/2', file=sys.stderr); print(profile, seed)")
    write_notebook(course / "notebooks", "01_bad.ipynb", "raise KeyError('<lost>')")
    write_notebook(course / "notebooks", "02_also_good.ipynb", "print('fine')")
    linked = nbformat.read(course / "notebooks" / "02_also_good.ipynb", as_version=4)
    text = "Before: [notebook 00](00_good.ipynb), [data](../00_good.ipynb)."
    linked.cells.append(nbformat.v4.new_markdown_cell(f"{text}\n\n{authoring.badges('02_also_good', 'https://github.com/a/b')}"))
    nbformat.write(linked, course / "notebooks" / "02_also_good.ipynb")
    return course


def run(*arguments):
    return cli.main(["run", "--dataset", "digits", "--device", "cpu", *arguments])


def report(course):
    return json.loads((course / "runs" / "latest" / "results.json").read_text(encoding="utf-8"))


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def wait_for(what, seconds=600):
    """What `what` returns, once that is true."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


def start_cli(course, arguments):
    code = ("import pathlib, signal, sys; from course_tools import cli, running; "
            "signal.signal(signal.SIGINT, signal.default_int_handler); "      # a job in the background ignores Ctrl-C
            f"running.project_root = lambda: pathlib.Path({str(course)!r}); "
            f"sys.exit(cli.main('run --dataset digits --device cpu {arguments}'.split()))")
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            start_new_session=True)


def family(process):
    return [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]


def test_a_failure_does_not_stop_the_others_and_the_folder_tells_all(three, capsys):
    assert run("--profile", "smoke", "--seed", "4", "-j", "1") == 1
    shown, errors = capsys.readouterr()
    assert "a, GAN: 66.0 % (40.0 to 60.0, n=9)" in shown
    assert "01_bad        failed" in shown and "KeyError" in shown and "02_also_good  ok" in shown
    assert "00_good: 100%" in errors, "one at a time has a progress bar"
    latest = three / "runs" / "latest"
    assert latest.is_symlink() and latest.resolve().parent == three / "runs"
    found = report(three)
    assert [n["status"] for n in found["notebooks"]] == ["ok", "failed", "ok"]
    assert found["results"][0]["value"] == 0.66 and found["parameters"]["seed"] == 4
    page = (latest / "index.html").read_text()
    for text in ("00_good.html", "figures/00_one.png", "a, GAN: 66.0 % (40.0 to 60.0, n=9)", "&lt;lost&gt;"):
        assert text in page
    executed = nbformat.read(latest / "00_good.ipynb", as_version=4)
    assert "smoke 4" in nbformat.writes(executed) and "bar" not in str(executed.cells[-1].outputs)
    assert (latest / "00_good.html").is_file() and (latest / "01_bad.html").is_file()
    last = (latest / "02_also_good.html").read_text()
    assert 'href="00_good.html"' in last and 'href="../00_good.ipynb"' in last, "links lead from page to page"
    assert "badge" not in last, "a page asks no other server for pictures"


def test_one_notebook_by_its_number_and_a_second_run_beside_the_first(three):
    assert run("00") == 0 and run("notebooks/02_also_good.ipynb") == 0
    runs = sorted(p.name for p in (three / "runs").iterdir() if not p.is_symlink())
    assert len(runs) == 2
    assert [p.name for p in sorted((three / "runs" / "latest").glob("*.ipynb"))] == ["02_also_good.ipynb"]


@pytest.mark.parametrize("words", [["--seed", "7"], ["--seeds", "7"], ["--seeds", "7", "--dataset", "glyphs"]])
def test_one_seed_is_the_seed_that_was_asked_for(course, words):
    write_notebook(course / "notebooks", "00_good.ipynb", *RECORD)
    assert run(*words) == 0
    found = report(course)
    assert found["parameters"]["seed"] == 7 and [r["value"] for r in found["results"]] == [0.99]


def test_notebooks_run_side_by_side_with_one_thread_each(three, monkeypatch):
    """Each waits until the others have begun; a variable that the user set stays."""
    for threads, given in (("1", None), ("3", "3")):
        write_notebook(three / "notebooks", "01_bad.ipynb", "import os, pathlib, time", PID,
                       "for _ in range(600): pathlib.Path('other').exists() or time.sleep(0.1)",
                       "assert pathlib.Path('other').exists(), 'it ran alone'",
                       f"assert os.environ['OMP_NUM_THREADS'] == '{threads}'")
        write_notebook(three / "notebooks", "02_also_good.ipynb", "import pathlib", "pathlib.Path('other').touch()")
        monkeypatch.setattr(running, "cores", lambda: 3)
        monkeypatch.setattr(running, "free_memory", lambda: 100)
        monkeypatch.setenv("OMP_NUM_THREADS", given) if given else monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        assert run() == 0


def test_run_folders_of_the_same_second_do_not_collide(course):
    assert len({running.new_run_folder() for _ in range(5)}) == 5


@pytest.mark.parametrize("arguments, message", [
    (["--profile", "huge"], "unknown profile 'huge'. Choose one of: smoke, cpu, gpu."),
    (["--dataset", "imagenet"], "unknown dataset 'imagenet'. Choose one of: glyphs, digits,"),
    (["--dataset", "digits,nothing", "--seeds", "0-1"], "unknown dataset 'nothing'"),
    (["--device", "tpu"], "unknown device 'tpu'. Choose one of: auto, cpu, cuda, mps."),
    (["-p", "profile=huge"], "-p is for other parameters; profile has a flag of its own: --profile huge"),
    (["--seed", "3", "-p", "seed=2"], "seed has a flag of its own: --seed 2"),
    (["07"], "no notebook '07'. Choose from: 00_good, 01_bad, 02_also_good."),
    (["-p", "n_wya=5"], "00_good has no parameter 'n_wya'. It has: profile, dataset, device, seed."),
    (["-p", "seed"], "-p 'seed' is not NAME=VALUE. Write for instance -p retrain=True."),
    (["-j", "0"], "jobs must be a whole number of at least 1, not 0"),
    (["-p", "dataset=digits"], "dataset has a flag of its own: --dataset digits")])
def test_bad_input_is_one_line_and_nothing_is_written(three, capsys, arguments, message):
    assert run(*arguments) == 2
    printed = capsys.readouterr().err
    assert message in printed and printed.startswith("course: ") and printed.count("\n") == 1
    assert not (three / "runs").exists()


@pytest.mark.parametrize("default, text, value", [
    (False, "True", True), (False, "true", True), (True, "false", False), (True, "0", False), (False, "YES", True),
    (5, "20", 20), (5, "-3", -3), (0.1, "1", 1.0), (0.1, "1e-3", 0.001), ("a", "1", "1"), ("a", "x=y", "x=y"),
    ("a", "", ""), ([1], "[2, 3]", [2, 3]), (None, "7", 7), (None, "cats", "cats"), (None, "", "")])
def test_a_parameter_takes_the_type_of_its_default(default, text, value):
    found = running.typed("a", text, default)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize("default, text, words", [
    *((False, text, "True or False. Write for instance -p a=False") for text in ("maybe", "", "2", "None", "1.0")),
    *((5, text, "a whole number. Write for instance -p a=5") for text in ("1.5", "nan", "", "five", "True", "1e3")),
    *((0.5, text, "a number. Write for instance -p a=0.5") for text in ("nan", "inf", "-inf", "1e999", "", "x")),
    *(([1], text, "a list. Write for instance -p a=") for text in ("1", "", "(1, 2)", "[", "__import__('os')"))])
def test_what_is_not_of_its_type_is_refused(default, text, words):
    with pytest.raises(ValueError, match=re.escape(words)) as error:
        running.typed("a", text, default)
    assert str(error.value).startswith(f"-p a={text}: a is ")


@pytest.mark.parametrize("text", ["1.5", "nan", "", "abc", "-1", "4294967296", "9" * 5000, "True", "0-1", "1,2", "٣"])
def test_what_is_no_seed_is_one_line(course, capsys, monkeypatch, text):
    """Given by the flag or by the variable; nothing is written."""
    assert run(f"--seed={text}") == 2
    monkeypatch.setenv("COURSE_SEED", text)
    assert run() == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first == second
    assert first.startswith(f"course: the seed {text[:40]!r} (--seed, or the variable COURSE_SEED) is no whole number")
    assert not (course / "runs").exists()


def given_to_jobs(monkeypatch, *words):
    """What each job of `course run` is given; none is run."""
    todo = []
    monkeypatch.setattr(running, "new_run_folder", lambda: Path("nowhere"))
    monkeypatch.setattr(running, "run", lambda jobs, *how: todo.extend(jobs) or {})
    cli.main(["run", *words])
    return todo


@pytest.mark.parametrize("words", [[], ["-j", "2"], ["-j", "1"]])
def test_only_what_the_user_gave_is_passed_on(course, monkeypatch, words):
    """What nobody gave is the notebook's own: a handout's default dataset, say."""
    monkeypatch.delenv("COURSE_DEVICE")
    cells = PARAMETERS.replace('"cpu"\nseed', '"auto"\nseed') + "\nretrain = False\nrate = 0.5"
    write_notebook(course / "notebooks", "00_good.ipynb", parameters=cells)
    job, = given_to_jobs(monkeypatch, *words)
    assert (job.given, job.folder, job.dataset, job.seed) == ({}, "", "digits", 0)
    job, = given_to_jobs(monkeypatch, "--seeds", "7", "-p", "retrain=false", "-p", "rate=1", "--device", "cpu", *words)
    assert job.given == {"seed": 7, "retrain": False, "rate": 1.0, "device": "cpu"} and job.parameters["rate"] == 1.0
    assert job.given["retrain"] is False
    monkeypatch.setenv("COURSE_DATASET", "glyphs")      # a cluster's workers do not have this variable
    monkeypatch.setenv("COURSE_SEED", "5")
    assert [job.given for job in given_to_jobs(monkeypatch, *words)] == [{"dataset": "glyphs", "seed": 5}]
    assert [job.given["seed"] for job in given_to_jobs(monkeypatch, "--seed", "6", *words)] == [6]
    assert [(job.seed, job.folder) for job in given_to_jobs(monkeypatch, "--seeds", "3-4", *words)] == [
        (3, "glyphs-3"), (4, "glyphs-4")]


@pytest.mark.parametrize("source, words", [("seed = 1 / 0", "ZeroDivisionError"), ("seed =", "SyntaxError"),
                                           ("seed = 1", "has no parameter 'profile'"), ("", "has no parameter")])
def test_a_parameters_cell_that_fails_is_named(course, capsys, source, words):
    write_notebook(course / "notebooks", "00_good.ipynb", parameters=source)
    assert run() == 2
    printed = capsys.readouterr().err
    assert words in printed and "00_good.ipynb" in printed and printed.count("\n") == 1


@pytest.mark.parametrize("content", [b"", b"null", b"[]", b"{", b"\xff\xfe", b'{"cells": []}', b"not a notebook"])
def test_a_file_that_is_no_notebook_is_named(course, capsys, content):
    (course / "notebooks" / "00_good.ipynb").write_bytes(content)
    assert run() == 2
    printed = capsys.readouterr().err
    assert "00_good.ipynb" in printed and printed.startswith("course: ") and printed.count("\n") == 1


@pytest.mark.parametrize("name", ["", ".", "/", "..", "exercises/00_good.ipynb", "notebooks/exercises/00_good.ipynb"])
def test_what_names_no_notebook_runs_none(course, capsys, name):
    """An empty word, from a variable that is not set, is not all; the exercise edition is not the complete one."""
    (course / "notebooks" / "exercises").mkdir()
    (course / "notebooks" / "exercises" / "00_good.ipynb").touch()
    assert run(name) == 2
    assert "no notebook" in capsys.readouterr().err and not (course / "runs").exists()


@pytest.mark.skipif(os.name == "nt", reason="names that Windows does not allow")
def test_a_course_in_a_folder_of_any_name_goes_on_past_stubs(course, tmp_path, monkeypatch, capsys):
    """papermill takes that folder for a template. Exercises without answers, with wrong ones; other errors."""
    place = tmp_path / "a {b} %41 #1 $x$ 'é\n {seed}"
    (place / "notebooks").mkdir(parents=True)
    monkeypatch.setattr(running, "project_root", lambda: place)
    stub, check = "def mine():\n    raise NotImplementedError()", "checks.mine(mine)"
    head = "import types\nchecks = types.SimpleNamespace(mine=lambda answer: answer())"
    write_notebook(place / "notebooks", "00_good.ipynb", head, stub, check, *RECORD, check)
    write_notebook(place / "notebooks", "01_wrong.ipynb", head, stub, check, "mine = lambda: 1 / 0", check,
                   "print('end')")
    write_notebook(place / "notebooks", "02_mps.ipynb", "raise NotImplementedError('aten::x for mps')", "print('end')")
    write_notebook(place / "notebooks", "03_null.ipynb", *RECORD[:3],
                   "(folder / '03_null.jsonl').write_text('null\\n')")
    assert run("-j", "2") == 1
    good, wrong, mps, null = report(place)["notebooks"]
    assert (good["status"], good["error"]) == ("ok", "2 exercises without an answer")
    assert (wrong["status"], wrong["error"]) == ("failed", "cell 7: ZeroDivisionError: division by zero")
    assert mps["error"] == "cell 3: NotImplementedError: aten::x for mps", "torch's own is no stub"
    assert null["status"] == "failed" and null["error"].startswith(
        f"{Path('figures', 'results', '03_null.jsonl')}, line 1 is no record (it is null")
    assert [record["value"] for record in report(place)["results"]] == [0.5], "and the numbers behind the stub"
    latest = place / "runs" / "latest"
    assert "papermill" not in (latest / "00_good.html").read_text().lower()
    assert nbformat.read(latest / "01_wrong.ipynb", 4).cells[-1].outputs[0].text == "end\n"
    assert not nbformat.read(latest / "02_mps.ipynb", 4).cells[-1].outputs
    assert "3 of 4 job(s) failed" in capsys.readouterr().err


def test_a_full_disc_leaves_no_half_notebook_and_the_table(course, capsys):
    """Simulated by a limit of 20 kB on every file: the notebook outgrows it once its numbers are written."""
    resource = pytest.importorskip("resource")
    write_notebook(course / "notebooks", "00_good.ipynb", *RECORD, "print('x' * 60000)")
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, most))
        assert run("--seeds", "0-1", "-j", "2") == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    folder, = (path for path in (course / "runs").iterdir() if not path.is_symlink())
    printed = capsys.readouterr()
    assert f"File too large in {folder}/digits-0. Make room there" in printed.out
    assert "a, GAN  digits  50.5 ±" in printed.out, "the table"
    assert re.fullmatch(r"course: cannot write mathjax.js into \S+/digits-0 \(File too large\)\. Make room there .*\n",
                        printed.err)
    assert [name for name in files(folder) if "." in name] == [
        f"digits-{seed}/figures/results/00_good.jsonl" for seed in (0, 1)]


def test_a_page_that_has_no_room_leaves_the_whole_notebook(course, monkeypatch):
    """`atomic_path` meets ENOSPC, made up, for every .html."""
    executed = course / "00_good.ipynb"

    def full(path):
        if Path(path).suffix == ".html":
            raise writing.unwritable(Path(path), OSError(errno.ENOSPC, "No space left on device"))
        return writing.atomic_path(path)

    monkeypatch.setattr(running, "atomic_path", full)
    monkeypatch.setattr(running, "_papermill", lambda notebook, *how: shutil.copyfile(notebook, executed) and "")
    outcome, _ = running.execute(course / "notebooks" / "00_good.ipynb", {}, course, lambda: False)
    assert outcome.status == "failed" and nbformat.read(executed, 4).cells
    assert outcome.error.startswith(f"cannot write 00_good.html into {course} (No space left on device). Make room")


@pytest.mark.parametrize("content", [b"", b'{"cells": [', b"null"])
def test_half_a_notebook_is_removed_and_the_cause_named(course, monkeypatch, content):
    """papermill meets ENOSPC, made up, in the middle of the file."""
    def full(notebook, path, **how):
        Path(path).write_bytes(content)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(papermill, "execute_notebook", full)
    outcome, _ = running.execute(course / "notebooks" / "00_good.ipynb", {}, course / "run", lambda: False)
    assert outcome.error == f"No space left on device in {course / 'run'}. Make room there"
    assert files(course / "run") == []


def test_what_a_worker_sends_onto_a_full_disc_leaves_no_half_file(tmp_path, monkeypatch):
    """ENOSPC, made up, while the second of three files is written."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in ("00_a.ipynb", "figures/b.png", "c.html"):
            archive.writestr(name, "x")

    def full(archive, folder):
        (folder / "figures").mkdir()
        for name in ("00_a.ipynb", "figures/b.png"):
            (folder / name).write_text("")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "extractall", full)
    future, job = Future(), running.Job(Path("00_a.ipynb"), "glyphs", 0, "")
    future.set_result((running.Outcome("00_a", "ok", 1.0), packed.getvalue()))
    outcome = running._outcome(future, job, tmp_path)
    assert (outcome.status, outcome.error) == ("failed", f"No space left on device in {tmp_path}. Make room there")
    assert files(tmp_path) == ["figures"]


def test_a_full_disc_before_the_run(course, capsys, monkeypatch):
    def full(*how, **more):
        raise OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(Path, "mkdir", full)
    assert run() == 2
    assert capsys.readouterr().err == (f"course: cannot write to {course / 'runs'} (No space left on device). "
                                       "Make room there.\n")


@pytest.mark.skipif(sys.platform != "linux", reason="names that are not UTF-8")
def test_a_name_that_is_not_utf8_is_one_line(course, capsys):
    assert run("--dataset", "folder:/x/caf\udce9") == 2
    said = capsys.readouterr().err
    assert r"folder:/x/caf\udce9 is no path of a folder" in said and said.count("\n") == 1


def test_cuda_without_cuda(course, capsys, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert run("--device", "cuda") == 2
    assert "device 'cuda' is not available here" in capsys.readouterr().err and not (course / "runs").exists()


def test_absent_data_are_one_line_and_nothing_is_written(course, capsys, monkeypatch, tmp_path):
    def offline(urls, path, md5):
        raise datasets.DataError("offline")

    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "nothing"))
    monkeypatch.setattr(omniglot, "download", offline)
    assert run("--dataset", "omniglot-small1") == 2
    assert capsys.readouterr().err == "course: offline\n" and not (course / "runs").exists()


def test_a_read_only_course_says_so(course, capsys, monkeypatch):
    (course / "runs").write_text("in the way")
    assert run() == 2
    assert "cannot write to" in capsys.readouterr().err


def test_a_folder_named_latest_loses_nothing(course, capsys):
    (course / "runs" / "latest" / "mine").mkdir(parents=True)
    assert run() == 0
    printed = capsys.readouterr()
    assert "00_good  ok" in printed.out and "runs/latest still shows an earlier run" in printed.err


@pytest.mark.parametrize("text, seeds", [("0-9", list(range(10))), ("0,3,7", [0, 3, 7]), ("5", [5]), ("4-4", [4]),
                                         ("0-2, 7,1", [0, 1, 2, 7])])
def test_seeds(text, seeds):
    assert running.read_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "9-0", "1,,2", "a", "-3", "0-", "1.5", "0-1000000000"])
def test_what_names_no_seeds_is_one_line(course, capsys, text):
    assert run(f"--seeds={text}") == 2
    names = "more than 1,000" if text.endswith("000") else "no"
    assert f"names {names} seeds. Write for instance 0-9, or 0,3,7." in capsys.readouterr().err
    assert not (course / "runs").exists()


def test_datasets_and_commas_in_a_path():
    here = f"folder:{Path.cwd()}"
    assert running.read_datasets("glyphs,digits,glyphs") == ["glyphs", "digits"]
    assert running.read_datasets("folder:a,b,digits,folder:c, d") == [f"{here}/a,b", "digits", f"{here}/c, d"]
    with pytest.raises(ValueError, match=r"unknown dataset .imagenet.\. Choose one of: glyphs"):
        running.read_datasets("glyphs,imagenet")


def test_jobs_are_every_notebook_on_every_dataset_with_every_seed(three):
    notebooks = running.find_notebooks(["00", "01"])
    todo = running.jobs(notebooks, {}, ["glyphs", "folder:/x/cats"], [0, 3])
    assert len(set(todo)) == 8 and {job.folder for job in todo} == {"glyphs-0", "cats-0", "glyphs-3", "cats-3"}
    assert [job.folder for job in running.jobs(notebooks, {}, ["glyphs"], [3])] == ["", ""]
    for other in ("cats", "Cats"):      # one folder on Windows
        with pytest.raises(ValueError, match="two datasets are called 'cats'"):
            running.jobs(notebooks, {}, ["folder:/x/cats", f"folder:/y/{other}"], [0])


def test_how_many_at_a_time(monkeypatch):
    monkeypatch.setattr(running, "cores", lambda: 8)
    for memory, n_jobs, device, expected in [(100, 50, "cpu", 8), (100, 3, "cpu", 3), (7, 50, "cpu", 3),
                                             (0.5, 50, "cpu", 1), (100, 50, "cuda", 1)]:
        monkeypatch.setattr(running, "free_memory", lambda memory=memory: memory)
        assert running.default_processes(n_jobs, device) == expected


def test_a_sweep_survives_what_fails_and_says_what_the_seeds_say(course, capsys, monkeypatch):
    killed = f"killed = pathlib.Path({str(course)!r}, 'killed')"        # seed 0 runs on while seed 2 is killed
    write_notebook(course / "notebooks", "00_good.ipynb", *RECORD, killed,
                   "pathlib.Path('threads').write_text(os.environ['OMP_NUM_THREADS'])",
                   "with open('tries', 'a') as tries: tries.write('x')",
                   "for _ in range(600 * (seed == 0)): killed.exists() or time.sleep(0.1)",
                   "if seed == 0: time.sleep(3)",
                   "if seed == 1: raise KeyError('<lost>')",
                   "if seed == 2: killed.touch(); os.kill(os.getpid(), getattr(signal, 'SIGKILL', signal.SIGTERM))")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert run("--seeds", "0-2", "-j", "2", "--profile", "smoke") == 1
    printed = capsys.readouterr()
    assert "3 job(s), 2 at a time" in printed.out and printed.err == "2 of 3 job(s) failed\n"
    found, latest = report(course), course / "runs" / "latest"
    assert {j["folder"]: j["status"] for j in found["jobs"]} == {
        "digits-0": "ok", "digits-1": "failed", "digits-2": "failed"}
    errors = {j["folder"]: j["error"] for j in found["jobs"]}
    assert "KeyError" in errors["digits-1"]
    assert errors["digits-2"] == "Kernel died. If memory ran out, give a smaller -j"
    assert [(latest / f"digits-{seed}" / "tries").read_text() for seed in range(3)] == ["x"] * 3
    assert found["parameters"] == {"profile": "smoke", "dataset": ["digits"], "device": "cpu", "seed": [0, 1, 2]}
    assert [r["value"] for r in found["results"]] == [0.5, 0.51, 0.54], "what was measured before a failure too"
    assert (latest / "digits-0" / "threads").read_text() == "1"
    mean, half = statistics.mean_interval([0.5, 0.51, 0.54])
    line = f"{100 * mean:.1f} ± {100 * half:.1f} % (3 seeds)"
    page = (latest / "index.html").read_text(encoding="utf-8")
    for text in (line, "digits-1/index.html", "&lt;lost&gt;", "3 of 3 jobs done"):
        assert text in page
    assert f"a, GAN  digits  {line}" in printed.out
    assert {"00_good.ipynb", "00_good.html", "index.html", "results.json"} <= set(files(latest / "digits-0"))
    assert json.loads((latest / "digits-1" / "results.json").read_text())["parameters"]["seed"] == 1


def test_one_seed_in_two_processes_leaves_what_one_process_leaves(course):
    write_notebook(course / "notebooks", "01_also_good.ipynb", "print(seed)")
    assert run("--seed", "4") == 0 and run("--seeds", "4", "-j", "2") == 0
    alone, parallel = sorted(path for path in (course / "runs").iterdir() if not path.is_symlink())
    assert files(alone) == files(parallel) and (course / "runs" / "latest").resolve() == parallel
    one, other = (json.loads((folder / "results.json").read_text()) for folder in (alone, parallel))
    for found in (one, other):
        for notebook in found["notebooks"]:
            notebook.pop("minutes")
    assert one == other


def test_reports_show_what_has_ended_while_others_run(course):
    write_notebook(course / "notebooks", "00_good.ipynb", *RECORD, "part = pathlib.Path('../results.json')",
                   "for _ in range(600 * (seed == 1)): part.exists() or time.sleep(0.1)",
                   "if seed == 1: assert [j['folder'] for j in json.loads(part.read_text())['jobs']] == ['digits-0']",
                   "if seed == 1: assert not pathlib.Path('../../latest').exists()")
    assert run("--seeds", "0-1", "-j", "2") == 0 and report(course)["summary"][0]["n"] == 2


@pytest.mark.parametrize("times, status", [(1, "ok"), (2, "failed")])
def test_a_kernel_that_did_not_start_is_started_once_more(course, monkeypatch, times, status):
    execute, calls = papermill.execute_notebook, []

    def two_kernels_on_one_port(*arguments, **options):
        calls.append(arguments)
        if len(calls) <= times:
            raise RuntimeError("Kernel died before replying to kernel_info")
        return execute(*arguments, **options)

    monkeypatch.setattr(papermill, "execute_notebook", two_kernels_on_one_port)
    assert run() == (status != "ok") and len(calls) == 2
    assert report(course)["notebooks"][0]["status"] == status


def test_the_kernel_is_this_environments_whatever_the_user_has(course, monkeypatch, tmp_path):
    other = tmp_path / "jupyter" / "kernels" / "python3" / "kernel.json"
    other.parent.mkdir(parents=True)
    other.write_text(json.dumps({"argv": ["nothing"], "display_name": "Python 3", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    assert run() == 0


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_ctrl_c_reports_what_finished_and_leaves_no_kernel(three):
    write_notebook(three / "notebooks", "01_bad.ipynb", "import os, pathlib, time", "print('so far')", PID,
                   "time.sleep(600)")
    process = start_cli(three, "-j 1")
    wait_for(lambda: list((three / "runs").glob("*/pid")))
    started = family(process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 130, err
    assert "00_good  ok" in out and "01_bad   interrupted" in out
    assert "stopped by Ctrl-C: 2 job(s) not finished" in err and "Traceback" not in err
    assert len(started) > 1 and not psutil.wait_procs(started, timeout=10)[1]
    folder, = (three / "runs").iterdir()        # so no runs/latest, which is the last complete run
    assert [n["status"] for n in json.loads((folder / "results.json").read_text())["notebooks"]] == [
        "ok", "interrupted"]
    assert "so far" in (folder / "01_bad.html").read_text() and '"interrupted"' in (folder / "index.html").read_text()


@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize("to", ["group", "parent"])
def test_ctrl_c_leaves_what_is_done_and_no_kernel(course, to):
    write_notebook(course / "notebooks", "00_good.ipynb", "import os, pathlib, time", PID,
                   "if seed: time.sleep(600)", *RECORD)
    process = start_cli(course, "--seeds 0-3 -j 2")
    pids = wait_for(lambda: len(found := list((course / "runs").glob("*/*/pid"))) == 3 and found)
    started = family(process)
    (os.killpg if to == "group" else os.kill)(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 130, err
    assert "stopped by Ctrl-C: 3 job(s) not finished" in err and "Traceback" not in err
    assert "50.0 % (1 seed)" in out
    assert len(started) > 2 and not psutil.wait_procs(started, timeout=10)[1]
    folder = pids[0].parent.parent
    assert {j["folder"]: j["status"] for j in json.loads((folder / "results.json").read_text())["jobs"]} == {
        "digits-0": "ok", "digits-1": "interrupted", "digits-2": "interrupted"}
    assert "<td>not finished" in (folder / "index.html").read_text()
    assert not (course / "runs" / "latest").exists(), "latest is the last complete run"


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_a_run_that_is_killed_leaves_no_kernel(course):
    write_notebook(course / "notebooks", "00_good.ipynb", "import os, pathlib, time", PID, "time.sleep(600)")
    process = start_cli(course, "--seeds 0-1 -j 2")
    wait_for(lambda: len(list((course / "runs").glob("*/*/pid"))) == 2)
    started = family(process)
    process.kill()
    process.communicate(timeout=60)
    assert len(started) > 2 and not psutil.wait_procs(started, timeout=60)[1]


def test_a_cluster_without_the_package_or_without_a_scheduler(course, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert run("--cluster", "tcp://127.0.0.1:9") == 2
    assert 'pip install -e ".[cluster]" -c constraints.txt' in capsys.readouterr().err
    assert not (course / "runs").exists()
    assert run("--cluster", "") == 2, "an empty address (a variable that is not set, say) is no sweep on this machine"
    monkeypatch.undo()
    distributed = pytest.importorskip("distributed")
    for address in ("tcp://127.0.0.1:9", "nowhere"):
        with pytest.raises(RuntimeError, match=r"no Dask scheduler answers at .*dask scheduler"):
            running.connect(address, timeout=1)
    monkeypatch.setattr(distributed, "Client", None)    # which may start a cluster if the address is empty
    with pytest.raises(RuntimeError, match="no Dask scheduler answers at ''"):
        running.connect("")


@pytest.mark.parametrize("answer", [
    None, b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n", bytes(99), b"\x64" + bytes(7) + b"abc"],
    ids=["silent", "closed", "web", "ssh", "zeros", "half"])
def test_another_service_at_the_address_of_a_scheduler(answer):
    """A port that takes the call and says nothing, hangs up, or speaks another language: one line, and soon."""
    pytest.importorskip("distributed")
    with socket.create_server(("127.0.0.1", 0)) as server:
        held, address = [], f"tcp://127.0.0.1:{server.getsockname()[1]}"

        def serve():
            while True:
                try:
                    held.append(server.accept()[0])
                    if answer is not None:
                        held[-1].sendall(answer)
                    if answer == b"":
                        held.pop().close()
                except OSError:
                    return

        threading.Thread(target=serve, daemon=True).start()
        start = time.monotonic()
        with pytest.raises(RuntimeError, match=f"no Dask scheduler answers at '{address}' .* Start one with") as error:
            running.connect(address, timeout=0.5)
        assert time.monotonic() - start < 15 and "\n" not in str(error.value)
        for connection in held:
            connection.close()


def test_a_scheduler_that_dies_costs_one_line_a_job(course, caplog):
    """It has no workers, so both jobs wait, and is gone a second later."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=0, processes=False, protocol="tcp", dashboard_address=None) as cluster:
        client = running.connect(cluster.scheduler_address)
        logging.getLogger("distributed.client").addHandler(caplog.handler)
        threading.Timer(1, cluster.close).start()
        todo = running.jobs(running.find_notebooks(), {}, ["digits"], [0, 1])
        outcomes = running.run(todo, course, client=client)
    assert [(o.status, o.error) for o in outcomes.values()] == [
        ("failed", "the Dask scheduler gave it up, or is gone: see its log")] * 2
    logging.getLogger("distributed.client").removeHandler(caplog.handler)
    assert caplog.text == "", "Dask's own account of it has 36 lines"


@pytest.fixture
def cluster(tmp_path):
    """The address of a Dask scheduler with two workers, each started by its own command."""
    distributed = pytest.importorskip("distributed")
    found, started = tmp_path / "scheduler.json", []

    def start(*words):
        with open(tmp_path / f"{len(started)}.log", "w") as log:
            started.append(subprocess.Popen([sys.executable, "-m", "dask", *words, "--scheduler-file", str(found)],
                                            stdout=log, stderr=log, cwd=tmp_path))

    start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-show")
    for _ in range(2):
        start("worker", "--nthreads", "1", "--no-nanny", "--no-dashboard")
    address = wait_for(lambda: found.exists() and json.loads(found.read_text() or "{}").get("address"))
    with distributed.Client(address) as client:
        client.wait_for_workers(2, timeout=600)
    yield address
    for process in reversed(started):
        process.kill()          # a worker that is asked politely waits for its job
    for process in started:
        process.wait(60)


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_a_worker_lost_in_the_middle_costs_its_job_a_second_try_only(course, cluster, capsys):
    """Job 1 holds one worker until the other, which has finished job 0 and does job 2, is killed.

    What a worker has finished must have left the cluster by then: what is lost with a worker, Dask computes again.
    """
    tries, killed = course / "tries", course / "killed"
    tries.mkdir()
    write_notebook(course / "notebooks", "00_good.ipynb", *RECORD, f"tries = pathlib.Path({str(tries)!r})",
                   "nth = sum(t.name[0] == str(seed) for t in tries.iterdir())",
                   "(tries / f'{seed}-{nth}').write_text(str(os.getpid()))",
                   f"while seed == 1 and not pathlib.Path({str(killed)!r}).exists(): time.sleep(0.1)",
                   "if seed == 2 and nth == 0: time.sleep(600)")
    distributed, lost, left = pytest.importorskip("distributed"), [], []

    def tasks(dask_scheduler):
        return len(dask_scheduler.tasks)

    def kill_a_worker():
        pid = wait_for(lambda: (tries / "2-0").exists() and (tries / "2-0").read_text())
        lost.append(psutil.Process(int(pid)))
        try:
            with distributed.Client(cluster) as client:
                wait_for(lambda: client.run_on_scheduler(tasks) == 2, seconds=60)
            left.append("nothing")
        finally:
            lost[0].parent().kill()
            killed.touch()

    killer = threading.Thread(target=kill_a_worker)
    killer.start()
    code = run("--seeds", "0-2", "--cluster", cluster)
    killer.join()
    printed = capsys.readouterr()
    assert code == 0 and left, printed.out + printed.err
    assert sorted(path.name for path in tries.iterdir()) == ["0-0", "1-0", "2-0", "2-1"]
    found = report(course)
    assert [j["status"] for j in found["jobs"]] == ["ok"] * 3 and found["summary"][0]["n"] == 3
    assert {"00_good.ipynb", "00_good.html", "mathjax.js", "figures/results/00_good.jsonl", "index.html"} <= set(
        files(course / "runs" / "latest" / "digits-2"))
    wait_for(lambda: not lost[0].is_running())


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_workers_stop_jobs_that_nobody_waits_for(course, cluster):
    write_notebook(course / "notebooks", "00_good.ipynb", "import os, pathlib, time",
                   f"pathlib.Path({str(course)!r}, f'pid-{{seed}}').write_text(str(os.getpid())); time.sleep(600)")
    for seed, how in enumerate([signal.SIGINT, signal.SIGKILL]):
        process = start_cli(course, f"--cluster {cluster} --seed {seed}")
        pid = course / f"pid-{seed}"
        kernel = psutil.Process(int(wait_for(lambda pid=pid: pid.exists() and pid.read_text())))
        worker = kernel.parent()
        process.send_signal(how)
        _, err = process.communicate(timeout=600)
        assert how == signal.SIGKILL or (process.returncode == 130 and "1 job(s) not finished" in err), err
        wait_for(lambda kernel=kernel: not kernel.is_running())
        assert worker.is_running()


def test_a_path_with_braces_is_no_template(course, monkeypatch):
    """papermill fills in `{name}` in a path; a folder may be called so."""
    import papermill
    from papermill.parameterize import parameterize_path

    home, opened = course / "{x} {}", []
    (home / "out").mkdir(parents=True)
    notebook = home / "00_a.ipynb"
    write_notebook(home, notebook.name, "1 + 1")
    monkeypatch.setattr(papermill, "execute_notebook", lambda read, path, **options: opened.append(path))
    assert running._papermill(notebook, {}, home / "out", None, False) == ""
    assert [parameterize_path(path, {}) for path in opened] == [str(home / "out" / notebook.name)]
