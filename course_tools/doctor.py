"""What a teacher checks before class: versions, variables, the device, disk space, data, the kernel, speed."""

import os
import platform
import shutil
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from jupyter_client.kernelspec import KernelSpecManager

from course_files import writing
from course_lib import datasets, runtime

from .authoring import environment
from .running import cores, default_processes, defaults, find_notebooks, free_memory, read_seed


def examine():
    """Print one line per check, '✓' or '✗' with what to do. Returns the exit code: 1 if a check failed."""
    failed = 0
    for check in (_python, _packages, _settings, _machine, _threads, _disk, _datasets, _kernel, _speed):
        try:
            print(f"✓ {check()}", flush=True)
        except Exception as error:
            failed += 1
            print(f"✗ {' '.join(str(error).split())}", flush=True)
    print("ready" if not failed else f"{failed} check{'s' * (failed != 1)} failed", flush=True)
    return 1 if failed else 0


def _python():
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        raise RuntimeError(f"Python {platform.python_version()}: the course needs 3.11 to 3.13")
    return f"Python {platform.python_version()} on {platform.system()} {platform.machine()}, {sys.prefix}"


def _packages():
    names = ("torch", "torchvision", "jupyterlab", "papermill", "matplotlib", "scikit-learn", "safetensors")
    try:
        return "  ".join(f"{name} {version(name)}" for name in names)
    except PackageNotFoundError as error:
        raise RuntimeError(f"{error.name} is missing: pip install -e . -c constraints.txt") from None


def _settings():
    """The COURSE_* variables, which silently change every run."""
    given = {name: value for name, value in sorted(os.environ.items()) if name.startswith("COURSE_")}
    runtime.profile(given.get("COURSE_PROFILE", "cpu"))
    datasets.known_name(given.get("COURSE_DATASET", "glyphs"))
    runtime.one_of("device", given.get("COURSE_DEVICE", "auto"), runtime.DEVICES)
    read_seed(given.get("COURSE_SEED", "0"))
    if "COURSE_DATA" in given and not datasets.data_root().is_dir():
        raise ValueError(f"COURSE_DATA={given['COURSE_DATA']} is no folder: make it or unset the variable")
    return "variables: " + (", ".join(f"{name}={value}" for name, value in given.items()) or "none set")


def _machine():
    device = runtime.device(os.environ.get("COURSE_DEVICE", "auto"))
    name = torch.cuda.get_device_name() if device.type == "cuda" else platform.processor() or device.type
    return f"device {device} ({name}), {cores()} cores, {free_memory():.1f} GiB memory free"


def _threads():
    waiting = [f"{name}={os.environ[name]}" for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY") if name in os.environ]
    if not waiting:
        raise RuntimeError("torch's idle threads spin, so notebooks crawl beside other programs. Install the course "
                           "again (pip install -e . -c constraints.txt), or set GOMP_SPINCOUNT=1000.")
    at_once = default_processes(99, runtime.device(os.environ.get("COURSE_DEVICE", "auto")))
    beside = f"{at_once} notebooks side by side, one thread each" if at_once > 1 else "one notebook at a time"
    return f"{torch.get_num_threads()} threads, {', '.join(waiting)}; `course run` executes {beside}"


def _disk():
    """Where figures and numbers go, and prepared data: each must take 1 MB."""
    free = []
    for folder in (Path(os.environ.get("COURSE_OUT") or runtime.project_root() / "runs"), datasets.cache_folder()):
        with writing.atomic_path(folder / "doctor") as part:
            part.write_bytes(bytes(1_000_000))
            free.append(f"{folder} ({shutil.disk_usage(part.parent).free / 2**30:.1f} GiB free)")
        (folder / "doctor").unlink()
    return "can write to " + ", ".join(free)


def _datasets():
    """Loads the data that the notebooks will use, and all that lie here; the first time, this prepares them."""
    used = os.environ.get("COURSE_DATASET") or defaults(find_notebooks()[0])["dataset"]
    names = dict.fromkeys([used, *(name for name in datasets.DATASETS if datasets.is_here(name))])
    wrong = []
    for name in names:
        try:
            datasets.load(name)
        except (ValueError, OSError, RuntimeError) as error:
            wrong.append(f"{name}: {error}")
    if wrong:
        raise RuntimeError("; ".join(wrong))
    return (f"the notebooks draw from {used}; without a download: {', '.join(names)}; the rest is looked for in "
            f"{datasets.data_root()}, then downloaded")


def _kernel():
    with environment():
        folder = KernelSpecManager().get_kernel_spec("python3").resource_dir
    if not folder.startswith(sys.prefix):
        raise RuntimeError(f"the python3 kernel is {folder}, outside {sys.prefix}: pip install ipykernel here")
    count = len([defaults(notebook) for notebook in find_notebooks()])      # each can be read
    return f"the python3 kernel is this environment's; {count} notebook(s)"


def _speed():
    device = runtime.device(os.environ.get("COURSE_DEVICE", "auto"))
    a = torch.randn(1024, 1024, device=device)
    (a @ a).sum().item()
    start = time.perf_counter()
    for _ in range(5):
        (a @ a).sum().item()
    return f"1024 x 1024 matmul on {device}: {5 * 2 * 1024**3 / (time.perf_counter() - start) / 1e9:.0f} GFLOP/s"
