import errno
import signal
import subprocess
import sys
import time

import pytest
from PIL import Image

from course_files import omniglot
from course_lib import datasets
from course_tools import cli, doctor, pages, running


def test_doctor_reports_and_is_quick(tmp_path):
    start = time.monotonic()
    command = [sys.executable, "-m", "course_tools.cli", "doctor"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert time.monotonic() - start < 60, "under 10 s on a quiet machine; a test shares its own"
    assert done.returncode == 0, done.stdout
    lines = done.stdout.splitlines()
    assert lines[-1] == "ready" and all(line.startswith("✓ ") for line in lines[:-1])
    for word in ("Python 3", "torch 2", "memory free", "GiB free", "glyphs, digits", "kernel", "GFLOP/s"):
        assert word in done.stdout


def test_doctor_says_what_is_wrong(monkeypatch, capsys):
    monkeypatch.setattr(doctor.sys, "version_info", (3, 9, 1))
    assert cli.main(["doctor"]) == 1
    shown = capsys.readouterr().out
    assert "✗ Python" in shown and "needs 3.11 to 3.13" in shown and shown.endswith("\n1 check failed\n")


def test_doctor_writes_where_runs_are_to_go(monkeypatch, tmp_path):
    assert str(tmp_path / "out") in doctor._disk(), "COURSE_OUT, for an installation that only its owner can write to"
    (tmp_path / "file").touch()
    monkeypatch.setenv("COURSE_OUT", str(tmp_path / "file" / "out"))
    with pytest.raises(PermissionError, match="COURSE_OUT"):
        doctor._disk()


def test_doctor_writes_a_megabyte(monkeypatch, tmp_path):
    """A disc that takes an empty file only: ENOSPC, made up, for what is longer."""
    def full(path, content):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))
    monkeypatch.setattr(datasets, "cache_folder", lambda: tmp_path / "cache")
    assert "GiB free" in doctor._disk() and not list((tmp_path / "cache").iterdir())
    monkeypatch.setattr(doctor.Path, "write_bytes", full)
    with pytest.raises(OSError, match=r"cannot write doctor into .*out \(No space left on device\)\. Make room there"):
        doctor._disk()


@pytest.mark.parametrize("content, dataset", [(b"PK\3\4ab", None), (b"PK\3\4ab", "omniglot-small1"), (b"", "digits"),
                                              (None, "omniglot-small1")])
def test_doctor_loads_what_the_notebooks_will_use_and_what_lies_here(monkeypatch, tmp_path, capsys, content, dataset):
    """A zip of 6 bytes, an empty one, and none where there is no internet."""
    def offline(urls, path, md5):
        raise datasets.DataError(f"{path.name} could not be downloaded")
    monkeypatch.setattr(omniglot, "download", offline)
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "data"))
    (tmp_path / "data" / "omniglot").mkdir(parents=True)
    monkeypatch.setattr(doctor, "_kernel", lambda: "")
    monkeypatch.setattr(doctor, "_threads", lambda: "")
    if content is not None:
        (tmp_path / "data" / "omniglot" / "images_background_small1.zip").write_bytes(content)
    if dataset:
        monkeypatch.setenv("COURSE_DATASET", dataset)
    assert cli.main(["doctor"]) == 1
    wrong, last = [line for line in capsys.readouterr().out.splitlines() if line[0] != "✓"]
    assert wrong.startswith("✗ omniglot-small1: ") and "images_background_small1.zip" in wrong
    assert last == "1 check failed"


def test_doctor_looks_at_the_dataset_of_a_handout(monkeypatch, tmp_path):
    """It is a default in the notebooks, and no variable."""
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    monkeypatch.setattr(doctor, "defaults", lambda notebook: {"dataset": "folder:pictures"})
    with pytest.raises(RuntimeError, match="pictures is not a folder"):
        doctor._datasets()


@pytest.mark.parametrize("name, value", [
    ("PROFILE", "big"), ("DEVICE", "gpu"), ("DATASET", "x"), ("DATA", "/nowhere"), ("SEED", "abc"), ("SEED", "1.5"),
    ("SEED", "-1")])
def test_doctor_looks_at_the_variables(monkeypatch, name, value):
    assert "none set" in doctor._settings() or "COURSE_" in doctor._settings()
    monkeypatch.setenv(f"COURSE_{name}", value)
    with pytest.raises(ValueError, match=value):
        doctor._settings()


def test_a_folder_of_your_own_wherever_a_dataset_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(datasets, "is_here", lambda name: False)    # the others are not loaded
    monkeypatch.setenv("COURSE_DATASET", "folder:pictures")
    with pytest.raises(RuntimeError, match=r"pictures is not a folder"):
        doctor._datasets()
    assert cli.main(["run", "00"]) == 2 and "pictures is not a folder" in capsys.readouterr().err
    for name in ("cat/1.png", "cat/2.png"):
        (tmp_path / "pictures" / name).parent.mkdir(parents=True, exist_ok=True)
        image = Image.new("L", (30, 30), 255)
        image.paste(0, (10, 10, 20, 20))
        image.save(tmp_path / "pictures" / name)
    assert "COURSE_DATASET=folder:pictures" in doctor._settings() and "draw from folder:pictures;" in doctor._datasets()
    given = []
    monkeypatch.setattr(running, "new_run_folder", lambda: tmp_path / "run")
    monkeypatch.setattr(pages, "table", lambda folder, outcomes: [])
    monkeypatch.setattr(running, "write_reports", lambda *what: None)
    monkeypatch.setattr(running, "run", lambda todo, folder, *how: given.append(todo[0].given["dataset"])
                        or {todo[0]: running.Outcome("00", "ok", 0.0)})
    monkeypatch.setattr(cli.subprocess, "Popen", lambda command, env: given.append(env["COURSE_DATASET"]) or Done())
    for words in (["run", "00"], ["run", "00", "--dataset", "folder:./pictures"], ["lab"]):
        assert cli.main(words) == 0
    assert given == [f"folder:{(tmp_path / 'pictures').resolve()}"] * 3, "notebooks run elsewhere: a whole path"


class Done:
    def wait(self):
        return 0


def test_help_and_wrong_commands(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["dance"])
    assert stop.value.code == 2 and "invalid choice" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        cli.main(["doctor", "--quickly"])
    assert stop.value.code == 2 and "unrecognized arguments: --quickly" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        cli.main(["run", "--help"])
    assert stop.value.code == 0 and "--dataset" in capsys.readouterr().out


def test_lab_opens_the_course(monkeypatch):
    called = []

    class Server:
        def __init__(self, command, env):
            called.append((command, env))
            self.waits = [KeyboardInterrupt, 0]

        def wait(self):
            if (outcome := self.waits.pop(0)) is KeyboardInterrupt:
                raise outcome
            return outcome

    monkeypatch.setattr(cli.subprocess, "Popen", Server)
    assert cli.main(["lab", "--no-browser"]) == 0, "Ctrl-C is left to the server"
    (command, env), = called
    assert command[:3] == [sys.executable, "-m", "jupyterlab"] and env["JUPYTER_PREFER_ENV_PATH"] == "1"
    assert any("notebooks" in word for word in command) and command[-1] == "--no-browser"


def test_lab_passes_on_that_it_shall_stop(monkeypatch):
    class Server(Done):
        def wait(self):
            signal.raise_signal(signal.SIGTERM)     # kill, docker stop
            return self.code

        def terminate(self):
            self.code = 15

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(cli.subprocess, "Popen", lambda command, env: Server())
    assert cli.main(["lab"]) == 15 and signal.getsignal(signal.SIGTERM) is before


def test_ctrl_c_anywhere_is_130(monkeypatch, capsys):
    def interrupted(arguments):
        raise KeyboardInterrupt
    monkeypatch.setattr(cli, "_lab", interrupted)
    assert cli.main(["lab"]) == 130 and "stopped by Ctrl-C" in capsys.readouterr().err
