"""Every test starts from the defaults: no COURSE_* variable of the caller, output in a folder of its own."""

import os
import signal
import subprocess
import sysconfig
import venv
from pathlib import Path

import pytest
import torch

import lab

if "PYTEST_XDIST_WORKER" in os.environ:     # two workers of two threads each hinder one another on two cores
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def defaults(monkeypatch, tmp_path):
    for name in [n for n in os.environ if n.startswith("COURSE_") and n != "COURSE_DATA"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COURSE_DEVICE", "cpu")      # hosted Macs report a GPU that cannot be used
    monkeypatch.setenv("COURSE_OUT", str(tmp_path / "out"))


@pytest.fixture
def fresh_python(tmp_path_factory):
    """The Python of a new environment that has this one's packages, but not the course; pip needs no internet in it."""
    folder = tmp_path_factory.mktemp("fresh") / ".venv"
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")       # as `python -m venv` makes it
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    site = subprocess.check_output([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True)
    packages = "\n".join({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    (Path(site.strip()) / "packages.pth").write_text(packages + "\n", encoding="utf-8")
    return python


@pytest.fixture
def offline_pip(monkeypatch):
    """pip asks no index and builds with the hatchling that is here (its switch for that reads 0 as yes)."""
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_NO_BUILD_ISOLATION", "0")


@pytest.fixture(scope="session")
def browser():
    """The system's Chromium. Stops pytest with one line where it or playwright is absent: who asks for it means it."""
    try:
        from playwright.sync_api import sync_playwright

        path = lab.find_browser()
    except ImportError:
        pytest.exit("playwright is missing: pip install -e '.[browser]' -c constraints.txt", returncode=1)
    except RuntimeError as error:
        pytest.exit(str(error), returncode=1)
    for name in ("SIGTERM", "SIGHUP"):      # killed, or its terminal closed: stop the server as after Ctrl-C
        signal.signal(getattr(signal, name, signal.SIGTERM), signal.default_int_handler)
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=path)
