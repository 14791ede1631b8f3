"""Every test starts from the defaults: no COURSE_* variable of the caller, output in a folder of its own."""

import os

import pytest
import torch

if "PYTEST_XDIST_WORKER" in os.environ:     # two workers of two threads each hinder one another on two cores
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def defaults(monkeypatch, tmp_path):
    for name in [n for n in os.environ if n.startswith("COURSE_") and n != "COURSE_DATA"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COURSE_DEVICE", "cpu")      # hosted Macs report a GPU that cannot be used
    monkeypatch.setenv("COURSE_OUT", str(tmp_path / "out"))
