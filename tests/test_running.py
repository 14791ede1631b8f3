import json
import os
import signal
import subprocess
import sys
import time

import nbformat
import pytest

from course_lib import datasets
from course_lib.datasets import folder
from course_tools import authoring, cli, running

PARAMETERS = 'profile = "cpu"\ndataset = "digits"\ndevice = "cpu"\nseed = 0'


def write_notebook(folder, name, *sources):
    cells = [nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}),
             *(nbformat.v4.new_code_cell(source) for source in sources)]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), folder / name)


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course of three tiny notebooks; the second fails."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    record = {"name": "accuracy", "value": 0.5, "low": 0.4, "high": 0.6, "n": 10, "unit": "accuracy"}
    good = ("import json, os, pathlib, sys",
            "out = pathlib.Path(os.environ['COURSE_OUT'], 'figures', 'results')",
            f"out.mkdir(parents=True, exist_ok=True); (out / '00_good.json').write_text(json.dumps([{record}]))",
            "(out.parent / '00_picture.png').write_bytes(b'png')",
            "print('\\rbar:  50%|#  | 1/2', file=sys.stderr); print(profile, seed)")
    write_notebook(folder, "00_good.ipynb", *good)
    write_notebook(folder, "01_bad.ipynb", "raise KeyError('<lost>')")
    write_notebook(folder, "02_also_good.ipynb", "print('fine')")
    linked = nbformat.read(folder / "02_also_good.ipynb", as_version=4)
    text = "Before: [notebook 00](00_good.ipynb), [data](../00_good.ipynb)."
    linked.cells.append(nbformat.v4.new_markdown_cell(f"{text}\n\n{authoring.badges('02_also_good')}"))
    nbformat.write(linked, folder / "02_also_good.ipynb")
    monkeypatch.setattr(running, "project_root", lambda: tmp_path)
    return tmp_path


def run(*arguments):
    return cli.main(["run", "--dataset", "digits", "--device", "cpu", *arguments])


def test_small_numbers_keep_their_digits():
    record = {"name": "divergence", "value": 0.00123, "low": 0.001, "high": 0.0015, "n": 3, "unit": "nats"}
    assert running.headline(record) == "divergence: 0.00123 nats (0.001 to 0.0015, n=3)"


def test_a_headline_says_of_which_arm_it_is():
    record = {"name": "error", "value": 0.2, "low": 0.1, "high": 0.3, "n": 3, "unit": "error", "arm": "GAN",
              "setting": "-", "n_versions": 64, "seed": 0, "per_game": [1], "versions": {}}
    assert running.headline(record) == "error, GAN, n versions 64: 0.2 (0.1 to 0.3, n=3)"


def test_a_failure_does_not_stop_the_others_and_the_folder_tells_all(course, capsys):
    assert run("--profile", "smoke", "--seed", "4") == 1
    shown = capsys.readouterr().out
    assert "accuracy: 50.0 % (40.0 to 60.0, n=10)" in shown
    assert "01_bad        failed" in shown and "KeyError" in shown and "02_also_good  ok" in shown
    latest = course / "runs" / "latest"
    assert latest.is_symlink() and latest.resolve().parent == course / "runs"
    report = json.loads((latest / "results.json").read_text())
    assert [n["status"] for n in report["notebooks"]] == ["ok", "failed", "ok"]
    assert report["results"][0]["value"] == 0.5 and report["parameters"]["seed"] == 4
    page = (latest / "index.html").read_text()
    for text in ("00_good.html", "figures/00_picture.png", "accuracy: 50.0 % (40.0 to 60.0, n=10)", "&lt;lost&gt;"):
        assert text in page
    executed = nbformat.read(latest / "00_good.ipynb", as_version=4)
    assert "smoke 4" in nbformat.writes(executed) and "bar" not in str(executed.cells[-1].outputs)
    assert (latest / "00_good.html").is_file() and (latest / "01_bad.html").is_file()
    last = (latest / "02_also_good.html").read_text()
    assert 'href="00_good.html"' in last and 'href="../00_good.ipynb"' in last, "links lead from page to page"
    assert "badge" not in last, "a page asks no other server for pictures"


def test_one_notebook_by_its_number_and_a_second_run_beside_the_first(course):
    assert run("00") == 0 and run("notebooks/02_also_good.ipynb") == 0
    runs = sorted(p.name for p in (course / "runs").iterdir() if not p.is_symlink())
    assert len(runs) == 2
    assert [p.name for p in sorted((course / "runs" / "latest").glob("*.ipynb"))] == ["02_also_good.ipynb"]


def test_run_folders_of_the_same_second_do_not_collide(course):
    assert len({running.new_run_folder() for _ in range(5)}) == 5


@pytest.mark.parametrize("arguments, message", [
    (["--profile", "huge"], "unknown profile 'huge'. Choose one of: smoke, cpu, gpu."),
    (["--dataset", "imagenet"], "unknown dataset 'imagenet'. Choose one of: glyphs, digits,"),
    (["--device", "tpu"], "unknown device 'tpu'. Choose one of: auto, cpu, cuda, mps."),
    (["-p", "profile=huge"], "unknown profile 'huge'. Choose one of: smoke, cpu, gpu."),
    (["-p", "device=tpu"], "unknown device 'tpu'"),
    (["07"], "no notebook '07'. Choose from: 00_good, 01_bad, 02_also_good."),
    (["-p", "n_wya=5"], "00_good has no parameter 'n_wya'. It has: profile, dataset, device, seed."),
    (["-p", "seed"], "-p 'seed' is not NAME=VALUE. Write for instance -p seed=3."),
])
def test_bad_input_is_one_line_and_nothing_is_written(course, capsys, arguments, message):
    assert run(*arguments) == 2
    printed = capsys.readouterr().err
    assert message in printed and printed.startswith("course: ") and printed.count("\n") == 1
    assert not (course / "runs").exists()


def test_cuda_without_cuda(course, capsys, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert run("--device", "cuda") == 2
    assert "device 'cuda' is not available here" in capsys.readouterr().err and not (course / "runs").exists()


def test_absent_data_are_one_line_and_nothing_is_written(course, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "nothing"))
    monkeypatch.setattr(data, "download", lambda urls, path, md5: (_ for _ in ()).throw(datasets.DataError("offline")))
    assert run("--dataset", "omniglot-small1") == 2
    assert capsys.readouterr().err == "course: offline\n" and not (course / "runs").exists()


@pytest.mark.parametrize("text, expected", [("a=1", 1), ("a=0.5", 0.5), ("a=x=y", "x=y"), ("a=True", True), ("a=", "")])
def test_values_of_parameters(text, expected):
    name, value = cli._name_value(text)
    assert name == "a" and value == expected and type(value) is type(expected)


def test_a_read_only_course_says_so(course, capsys, monkeypatch):
    (course / "runs").write_text("in the way")
    assert run() == 2
    assert "cannot write to" in capsys.readouterr().err


def test_a_folder_named_latest_loses_nothing(course, capsys):
    (course / "runs" / "latest" / "mine").mkdir(parents=True)
    assert run("02") == 0
    printed = capsys.readouterr()
    assert "02_also_good  ok" in printed.out and "runs/latest still shows an earlier run" in printed.err


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_ctrl_c_reports_what_finished_and_leaves_no_kernel(course):
    write_notebook(course / "notebooks", "01_bad.ipynb", "import os, time",
                   "open('pid', 'w').write(str(os.getpid()))", "time.sleep(60)")
    code = ("import pathlib, signal, sys; from course_lib import cli, running; "
            "signal.signal(signal.SIGINT, signal.default_int_handler); "      # a job in the background ignores Ctrl-C
            f"running.project_root = lambda: pathlib.Path({str(course)!r}); "
            "sys.exit(cli.main(['run', '--dataset', 'digits', '--device', 'cpu']))")
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 300
    while not (pids := list((course / "runs").glob("*/pid"))) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 130, err
    assert "00_good  ok" in out and "01_bad   interrupted" in out
    assert "stopped by Ctrl-C: 1 notebook(s) not started" in err and "Traceback" not in err
    kernel = int(pids[0].read_text())
    with pytest.raises(ProcessLookupError):
        for _ in range(50):
            os.kill(kernel, 0)
            time.sleep(0.1)
    assert not (course / "runs" / "latest").exists(), "latest is the last complete run"
