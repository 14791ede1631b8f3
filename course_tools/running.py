"""Run notebooks: every notebook × dataset × seed is a job, done here or by the workers of a Dask cluster.

`course run --seeds 0-9 --dataset glyphs,digits -j 4` leaves in runs/<time>/

    glyphs-0/, glyphs-1/, ...   each what `course run` leaves for one dataset and one seed
    results.json, index.html    of the whole; `pages` makes them

A notebook runs in a process of its own, its kernel. A thread of a `concurrent.futures` executor waits for it: here a
thread of this process, on a cluster a thread of a worker. So a job whose kernel is killed takes no other job with it,
and a kernel ends by itself soon after the process that started it.
"""

import asyncio
import io
import logging
import os
import re
import shutil
import sys
import tempfile
import threading
import time
import zipfile
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import nbformat
import psutil

from course_lib import datasets
from course_lib.runtime import atomic_path, project_root

from . import pages
from .authoring import BADGES, QUIET_KERNEL, tidy

KERNEL_STARTS = 300         # within so many seconds; many kernels may be starting at once
GIB_PER_NOTEBOOK = 2        # what a notebook and its kernel may take
ONE_THREAD = {"OMP_NUM_THREADS": "1"}       # for a notebook beside others: more threads would only wait for one another


class Job(NamedTuple):
    """One notebook on one dataset with one seed. folder: where its files go, below the run's; "" is the run's."""

    notebook: Path
    dataset: str
    seed: int
    folder: str


@dataclass
class Outcome:
    """What became of one notebook. status: "ok", "failed" or "interrupted"."""

    notebook: str
    status: str
    minutes: float
    error: str = ""


def find_notebooks(wanted=()):
    """The notebooks to run, in order: all, or those whose names start with one of `wanted` ("00", "03_drawing").

    Raises ValueError for a name that fits none.
    """
    folder = project_root() / "notebooks"
    present = sorted(folder.glob("[0-9][0-9]_*.ipynb"))
    if not present:
        raise ValueError(f"no notebooks in {folder}. Run this in a clone of the course, or install it with "
                         f"pip install -e . -c constraints.txt")
    wanted = [Path(prefix).name for prefix in wanted]       # a whole path will do too
    for prefix in wanted:
        if not any(path.name.startswith(prefix) for path in present):
            raise ValueError(f"no notebook {prefix!r}. Choose from: {', '.join(path.stem for path in present)}.")
    return [path for path in present if not wanted or path.name.startswith(tuple(wanted))]


def check_parameters(notebook, parameters):
    """Raise ValueError for a parameter that the notebook's parameters cell does not have (papermill only warns)."""
    import papermill

    known = papermill.inspect_notebook(str(notebook).replace("{", "{{").replace("}", "}}"))
    for name in parameters:
        if name not in known:
            raise ValueError(f"{Path(notebook).stem} has no parameter {name!r}. It has: {', '.join(known)}.")


def read_seeds(text):
    """"0-9", "0,3,7", "5" or "0-2,7" as a list of whole numbers, each once. Raises ValueError for anything else."""
    seeds = []
    for part in text.split(","):
        found = re.fullmatch(r"(\d+)(?:-(\d+))?", part.strip())
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
        if first > last or last - first >= 1000:
            which = "no seeds" if first > last else "more than 1,000 seeds"
            raise ValueError(f"--seeds {text!r} names {which}. Write for instance 0-9, or 0,3,7.")
        seeds += range(first, last + 1)
    return list(dict.fromkeys(seeds))


def read_datasets(text):
    """"glyphs,folder:/a" as a list of `datasets.known_name`s, each once.

    A comma inside the path of a folder stays in it, unless a dataset's name or another folder: follows.
    """
    names = []
    for part in text.split(","):
        known = part.strip() in datasets.DATASETS or part.strip().startswith(datasets.FOLDER)
        if names and names[-1].startswith(datasets.FOLDER) and not known:
            names[-1] += f",{part}"
        else:
            names.append(part.strip())
    return list(dict.fromkeys(datasets.known_name(name) for name in names))


def jobs(notebooks, names, seeds):
    """Every notebook on every dataset of these names with every seed, one seed after the other.

    Raises ValueError if two folders of images have the same last name, since the results are called by it.
    """
    short = [datasets.short_name(name) for name in names]
    if twice := {name for name in short if short.count(name) > 1}:
        raise ValueError(f"two datasets are called {twice.pop()!r}. Rename a folder, or sweep over one at a time.")
    alone = len(names) * len(seeds) == 1
    return [Job(notebook, dataset, seed, "" if alone else f"{name}-{seed}")
            for seed in seeds for dataset, name in zip(names, short) for notebook in notebooks]


def cores():
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def free_memory():
    """Memory that this machine has to spare, in GiB."""
    return psutil.virtual_memory().available / 2**30


def default_processes(n_jobs, device):
    """How many notebooks run at once: one for each core and 2 GiB of free memory, one on a GPU."""
    fit = min(cores(), int(free_memory() / GIB_PER_NOTEBOOK)) if str(device) == "cpu" else 1
    return max(1, min(fit, n_jobs))


def new_run_folder():
    """A fresh folder runs/<date>T<time>, also when two runs start in the same second.

    Raises PermissionError naming the folder, if it cannot be made.
    """
    runs, name = project_root() / "runs", datetime.now().strftime("%Y-%m-%dT%H-%M-%S")
    for suffix in ("", *(f"-{i}" for i in range(2, 100))):
        try:
            (folder := runs / (name + suffix)).mkdir(parents=True)
            return folder
        except FileExistsError:
            continue
        except OSError as error:
            raise PermissionError(f"cannot write to {runs} ({error.strerror}). "
                                  f"Clone the course into a folder of yours.") from None
    raise RuntimeError(f"100 runs started in one second in {runs}")


def connect(address, timeout=10):
    """A client of the Dask scheduler at `address`. Raises RuntimeError if none answers within `timeout` seconds."""
    try:
        from distributed import Client
    except ImportError:
        raise RuntimeError("--cluster needs the package distributed, which is not installed here: "
                           'pip install -e ".[cluster]" -c constraints.txt') from None
    try:
        if not address:         # for which Client would start a cluster of its own
            raise ValueError("no address")
        client = Client(address, timeout=timeout)
    except (OSError, ValueError) as error:
        raise RuntimeError(f"no Dask scheduler answers at {address!r} ({type(error).__name__}). Start one with "
                           "'dask scheduler' and give the address that it prints, such as tcp://host:8786.") from None
    if not client.nthreads():
        print(f"{address} has no workers yet. Start some: dask worker {address} --nthreads 1", flush=True)
    return client


def run(todo, parameters, folder, processes=1, client=None):
    """Run the jobs `todo`, `processes` at a time here, or on a cluster; returns [Outcome], in their order.

    A failure stops no other job. Ctrl-C stops all: a job has then an Outcome "interrupted", or none. The reports in
    `folder` always show what has ended. client: from `connect`; closed at the end.
    """
    stop, futures, outcomes = threading.Event(), {}, {}
    executor = client.get_executor(pure=False) if client else ThreadPoolExecutor(processes)
    threads = ONE_THREAD if processes > 1 else {}

    def submit(job):
        given = {**parameters, "dataset": job.dataset, "seed": job.seed}
        if client:
            return executor.submit(execute_on_worker, job.notebook.name, job.notebook.read_bytes(), given)
        return executor.submit(execute, job.notebook, given, folder / job.folder, stop.is_set, threads, processes == 1)

    def take(future):
        job = futures[future]
        outcomes[job] = outcome = _outcome(future, job, folder)
        here = [outcomes[other] for other in todo if other.folder == job.folder and other in outcomes]
        pages.write_report(folder / job.folder, here, {**parameters, "dataset": job.dataset, "seed": job.seed})
        if job.folder:
            pages.write_sweep(folder, todo, outcomes, parameters)
        print(f"{len(outcomes)} of {len(todo)}  {job.folder or 'this run'}  {outcome.notebook}  {outcome.status}  "
              f"{outcome.minutes:.1f} min  {outcome.error[:150]}".rstrip(), flush=True)
        del futures[future]     # last: Ctrl-C may come between two files of a report

    try:
        futures.update((submit(job), job) for job in todo)
        while futures:      # on Windows, Ctrl-C does not end a wait that has no timeout
            done = wait(futures, timeout=1, return_when=FIRST_COMPLETED).done
            while done:     # no name keeps a future: with its worker a result is lost, and Dask computes it again
                take(done.pop())
        point_latest(folder)
    except KeyboardInterrupt:
        pass
    finally:
        stop.set()
        for future in futures:
            future.cancel()
        executor.shutdown()
        if client:
            client.close()      # the scheduler forgets the jobs, and the workers stop those that run
    for future in [future for future in futures if not future.cancelled()]:
        take(future)
    return [outcomes[job] for job in todo if job in outcomes]


def _outcome(future, job, folder):
    try:
        outcome, files = future.result()
        if files:
            zipfile.ZipFile(io.BytesIO(files)).extractall(folder / job.folder)
        return outcome
    except Exception as error:      # a full disk, say, or workers that were lost again and again
        why = f"{type(error).__name__}: {str(error) or 'the scheduler gave it up'}"
        return Outcome(job.notebook.stem, "failed", 0.0, why)


def execute_on_worker(name, notebook, parameters):
    """`execute` on a worker of a cluster: (Outcome, the folder zipped). Only bytes travel, no folder is shared."""
    from distributed import get_worker

    worker = get_worker()
    key = worker.get_current_task()

    def forgotten():
        task = worker.state.tasks.get(key)
        return task is None or task.state == "cancelled"

    with tempfile.TemporaryDirectory() as scratch:
        path, folder = Path(scratch, name), Path(scratch, "run")
        path.write_bytes(notebook)
        outcome, _ = execute(path, parameters, folder, forgotten, ONE_THREAD)
        return outcome, Path(shutil.make_archive(str(path), "zip", folder)).read_bytes()


def execute(notebook, parameters, folder, stopped, variables=(), bar=False):
    """Execute one notebook into `folder` and make its page: (Outcome, None). Again, if its kernel did not start.

    stopped: a function that says whether to stop. variables: of the environment, where it does not have them.
    """
    start = time.monotonic()
    folder.mkdir(exist_ok=True)
    for _ in range(2):
        error = _papermill(notebook, parameters, folder, _kernel(folder, stopped, variables), bar)
        if stopped() or "Kernel died before replying" not in error:     # two kernels were given the same port
            break
    _write_page(folder / notebook.name)
    status = "ok" if not error else "interrupted" if stopped() else "failed"
    error = "stopped by Ctrl-C" if status == "interrupted" else error
    return Outcome(notebook.stem, status, (time.monotonic() - start) / 60, error), None


def _papermill(notebook, parameters, folder, kernel, bar):
    """Execute one notebook into `folder`; returns what went wrong, "" if nothing did."""
    import papermill
    from nbclient.exceptions import DeadKernelError

    logging.getLogger("papermill").setLevel(logging.CRITICAL)       # what goes wrong is said once, below
    try:
        paths = [str(path).replace("{", "{{").replace("}", "}}") for path in (notebook, folder / notebook.name)]
        papermill.execute_notebook(*paths, parameters=parameters,       # which takes a path for a template
                                   kernel_manager_class=kernel, extra_arguments=QUIET_KERNEL,
                                   start_timeout=KERNEL_STARTS,
                                   progress_bar=bar and {"desc": notebook.stem, "dynamic_ncols": True})
    except papermill.PapermillExecutionError as failure:
        return f"cell {failure.exec_count}: {failure.ename}: {failure.evalue}"
    except DeadKernelError as failure:
        return f"{failure}. If memory ran out, give a smaller -j"
    except Exception as failure:    # a kernel that did not start, say: the next notebook gets its chance
        return f"{type(failure).__name__}: {failure}"
    return ""


def _kernel(folder, stopped, variables):
    """The class of a kernel of this environment that works in `folder`, and is killed once `stopped` says so."""
    from jupyter_client import AsyncKernelManager
    from jupyter_client.kernelspec import KernelSpecManager

    class Kernel(AsyncKernelManager):
        async def start_kernel(self, **options):
            self.kernel_spec_manager = KernelSpecManager(kernel_dirs=[])        # none but this environment's own
            environment = {**dict(variables), **os.environ, "COURSE_OUT": str(folder)}
            await super().start_kernel(**options, cwd=str(folder), env=environment)
            threading.Thread(target=self._watch, args=[self.provisioner.process], daemon=True).start()

        def _watch(self, process):
            while process.poll() is None:
                if stopped():
                    asyncio.run(self.provisioner.kill())        # and what it has started
                time.sleep(0.2)

    return Kernel


def _write_page(executed):
    from nbconvert import HTMLExporter

    if not executed.is_file():
        return
    notebook = tidy(nbformat.read(executed, as_version=4))
    with atomic_path(executed) as part:
        nbformat.write(notebook, part)
    for cell in notebook.cells:     # a page is read offline too: no pictures from elsewhere
        cell.source = BADGES.sub("", cell.source) if cell.cell_type == "markdown" else cell.source
    exporter = HTMLExporter(raw_template=pages.NOTEBOOK)
    page, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": executed.stem}})
    page = re.sub(r'href="(\d\d_\w+)\.ipynb"', r'href="\1.html"', page)      # a link leads from page to page
    with atomic_path(executed.with_suffix(".html")) as part:
        part.write_text(page, encoding="utf-8")


def point_latest(folder):
    """Make runs/latest a link to `folder`; on Windows, where links need rights, a file that holds its name."""
    latest, temporary = folder.parent / "latest", folder.parent / f".latest-{os.getpid()}"
    if os.name == "nt":
        temporary.write_text(folder.name + "\n", encoding="utf-8")
    else:
        temporary.symlink_to(folder.name, target_is_directory=True)
    try:
        os.replace(temporary, latest)
    except OSError as error:        # a real folder of that name, say
        temporary.unlink()
        print(f"runs/latest still shows an earlier run ({error.strerror})", file=sys.stderr)
