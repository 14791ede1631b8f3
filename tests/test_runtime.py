import errno
import os
import random
import re
from pathlib import Path

import pytest
import torch

from course_files import places, writing
from course_lib import runtime


@pytest.mark.parametrize("call, message", [
    (lambda: runtime.profile("huge"), "unknown profile 'huge'. Choose one of: smoke, cpu, gpu."),
    (lambda: runtime.device("tpu"), "unknown device 'tpu'. Choose one of: auto, cpu, cuda, mps."),
    (lambda: runtime.positive(width=0), "width must be a whole number of at least 1, not 0."),
    (lambda: runtime.positive(width=True), "width must be a whole number of at least 1, not True."),
])
def test_bad_values_name_value_and_way_out(call, message):
    with pytest.raises(ValueError) as error:
        call()
    assert str(error.value) == message


def test_a_device_that_is_absent_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match=r"device 'cuda' is not available here .* Use 'auto' or 'cpu'"):
        runtime.device("cuda")


def test_auto_prefers_cuda_then_mps_then_cpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert runtime.device().type == "cuda"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert runtime.device().type == "mps"
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert runtime.device().type == "cpu"
    assert runtime.device(runtime.device("cpu")) == torch.device("cpu"), "running a cell twice must not fail"


def test_profiles_grow():
    smoke, cpu, gpu = (runtime.profile(name) for name in ("smoke", "cpu", "gpu"))
    for size in ("eval_episodes", "batch"):
        assert getattr(smoke, size) < getattr(cpu, size) < getattr(gpu, size)


def test_seeds():
    runtime.seed_everything(5)
    first = torch.rand(3), random.random()
    runtime.seed_everything(5)
    assert torch.equal(first[0], torch.rand(3)) and first[1] == random.random()
    assert torch.equal(torch.rand(3, generator=runtime.rng(5)), torch.rand(3, generator=runtime.rng(5)))


def test_atomic_path_leaves_old_content_and_no_debris_when_interrupted(tmp_path):
    path = tmp_path / "kept"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), writing.atomic_path(path) as part:
        part.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["kept"]
    with writing.atomic_path(path) as part:
        part.write_text("new")
    assert path.read_text() == "new" and os.listdir(tmp_path) == ["kept"]


def test_atomic_path_in_an_impossible_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PermissionError, match=r"cannot write x into .*Make the folder writable or choose another"), \
            writing.atomic_path(tmp_path / "file" / "x"):
        pass


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_atomic_path_names_the_folder_of_a_full_disc(tmp_path, number):
    """The system's error, made up here, names no file."""
    (tmp_path / "kept").write_text("old")
    words = rf"cannot write kept into {re.escape(str(tmp_path))} \({os.strerror(number)}\)\. Make room there or choose"
    with pytest.raises(OSError, match=words), writing.atomic_path(tmp_path / "kept"):
        raise OSError(number, os.strerror(number))
    assert (tmp_path / "kept").read_text() == "old" and os.listdir(tmp_path) == ["kept"]
    other = OSError(errno.ECONNRESET, "reset")
    with pytest.raises(OSError) as error, writing.atomic_path(tmp_path / "kept"):       # of the network, say
        raise other
    assert error.value is other


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is full")
def test_a_device_that_is_full_is_named(tmp_path):
    with pytest.raises(OSError, match=r"cannot write x into .*No space left on device"), \
            writing.atomic_path(tmp_path / "x"), open("/dev/full", "w") as file:
        file.write("x")
    assert os.listdir(tmp_path) == []


def test_folders(monkeypatch, tmp_path):
    assert (runtime.project_root() / "notebooks" / "source").is_dir()
    monkeypatch.delenv("COURSE_OUT")
    monkeypatch.setattr(places, "project_root", lambda: tmp_path)
    assert runtime.output_dir() == tmp_path / "runs" / "lab"
    monkeypatch.setenv("COURSE_OUT", str(tmp_path / "elsewhere"))
    assert runtime.output_dir() == Path(tmp_path / "elsewhere") and (tmp_path / "elsewhere").is_dir()
    (tmp_path / "file").touch()
    monkeypatch.setenv("COURSE_OUT", str(tmp_path / "file" / "out"))
    with pytest.raises(PermissionError, match=r"cannot make the folder .*out .* Set COURSE_OUT to a folder of yours"):
        runtime.output_dir()
