"""Where the course lies, where a run puts what it makes, and which versions are at work."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

import torch


def project_root():
    """The folder that holds the notebooks: the checkout this package was installed from, else here."""
    checkout = Path(__file__).resolve().parent.parent
    return checkout if (checkout / "notebooks").is_dir() else Path.cwd()


def output_dir():
    """Where figures and results go: $COURSE_OUT, set by `course run`, else runs/lab. May raise PermissionError."""
    folder = Path(os.environ.get("COURSE_OUT") or project_root() / "runs" / "lab")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PermissionError(f"cannot make the folder {folder} ({error.strerror}) for figures and results. Set "
                              f"COURSE_OUT to a folder of yours.") from None
    return folder


def versions():
    """Versions a number depends on, as a dict of strings."""
    return {"python": platform.python_version(), "torch": torch.__version__, "course": version("gan-few-shot-course")}
