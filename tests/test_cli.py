import subprocess
import sys
import time

import pytest

from course_lib import cli


def test_doctor_reports_and_is_quick(tmp_path):
    start = time.monotonic()
    command = [sys.executable, "-m", "course_lib.cli", "doctor"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert time.monotonic() - start < 60, "under 10 s on a quiet machine; a test shares its own"
    assert done.returncode == 0, done.stdout
    lines = done.stdout.splitlines()
    assert lines[-1] == "ready" and all(line.startswith("✓ ") for line in lines[:-1])
    for word in ("Python 3", "torch 2", "memory free", "GiB free", "glyphs, digits", "kernel", "GFLOP/s"):
        assert word in done.stdout


def test_doctor_says_what_is_wrong(monkeypatch, capsys):
    monkeypatch.setattr(cli.sys, "version_info", (3, 9, 1))
    assert cli.main(["doctor"]) == 1
    shown = capsys.readouterr().out
    assert "✗ Python" in shown and "needs 3.11 to 3.13" in shown and shown.endswith("1 checks failed\n")


@pytest.mark.parametrize("name, value", [("PROFILE", "big"), ("DEVICE", "gpu"), ("DATASET", "x"), ("DATA", "/nowhere")])
def test_doctor_looks_at_the_variables(monkeypatch, name, value):
    assert "none set" in cli._settings() or "COURSE_" in cli._settings()
    monkeypatch.setenv(f"COURSE_{name}", value)
    with pytest.raises(ValueError, match=value):
        cli._settings()


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


def test_ctrl_c_anywhere_is_130(monkeypatch, capsys):
    def interrupted(arguments):
        raise KeyboardInterrupt
    monkeypatch.setattr(cli, "_lab", interrupted)
    assert cli.main(["lab"]) == 130 and "stopped by Ctrl-C" in capsys.readouterr().err
