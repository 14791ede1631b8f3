"""Run notebooks: every notebook × dataset × seed is a job, done here or by the workers of a Dask cluster.

`course run --seeds 0-9 --dataset glyphs,digits -j 4` leaves in runs/<time>/

    glyphs-0/, glyphs-1/, ...   each what `course run` leaves for one dataset and one seed
    results.json, index.html    of the whole; `pages` makes them

A notebook runs in a process of its own, its kernel. A thread of a `concurrent.futures` executor waits for it: here a
thread of this process, on a cluster a thread of a worker. So a job whose kernel is killed takes no other job with it,
and a kernel ends by itself soon after the process that started it.
"""

import ast
import asyncio
import io
import logging
import math
import os
import re
import shutil
import sys
import tempfile
import threading
import time
import zipfile
from concurrent.futures import FIRST_COMPLETED, CancelledError, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import ModuleType

import nbformat
import psutil

from course_files.writing import FULL, atomic_path
from course_lib import datasets
from course_lib.runtime import project_root

from . import pages, records
from .authoring import BADGES, QUIET_KERNEL, environment, tidy

KERNEL_STARTS = 300         # within so many seconds; many kernels may be starting at once
GIB_PER_NOTEBOOK = 2        # what a notebook and its kernel may take
ONE_THREAD = {"OMP_NUM_THREADS": "1"}       # for a notebook beside others: more threads would only wait for one another
FLAGS = ("profile", "dataset", "device", "seed")        # the parameters that every notebook has
SEEDS = range(2**32)        # what numpy takes, too
SPOKEN = {bool: "True or False", int: "a whole number", float: "a number"}
TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True)
class Job:
    """One notebook on one dataset with one seed. folder: where its files go, below the run's; "" is the run's."""

    notebook: Path
    dataset: str
    seed: int
    folder: str
    given: dict = field(default_factory=dict, compare=False)            # what the user gave: this is passed on
    parameters: dict = field(default_factory=dict, compare=False)       # the same, and the notebook's own defaults


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
    names = []
    for prefix in map(Path, wanted):        # a whole path will do too, unless it leads to another edition
        places = (Path.cwd() / prefix).resolve().parent, (folder.parent / prefix).resolve().parent
        elsewhere = len(prefix.parts) > 1 and folder.resolve() not in places
        if elsewhere or not prefix.name or not any(path.name.startswith(prefix.name) for path in present):
            raise ValueError(f"no notebook {str(prefix) if prefix.parts else ''!r}. Choose from: "
                             f"{', '.join(path.stem for path in present)}.")
        names.append(prefix.name)
    return [path for path in present if not names or path.name.startswith(tuple(names))]


def read_notebook(path):
    """The notebook at `path`. Raises ValueError that names it, if it is none."""
    try:
        return nbformat.read(path, as_version=4)
    except OSError:
        raise
    except Exception as error:      # nbformat raises many kinds
        raise ValueError(f"{path} is no notebook ({_cause(error, '')[:100]}). Fetch it again.") from None


def defaults(notebook):
    """{name: value} of the parameters cell of the notebook at this path, as if no variable were set.

    Raises ValueError where it lacks one of `FLAGS`, or the cell fails.
    """
    cells, found = read_notebook(notebook).cells, {}
    try:
        with environment():
            for name in FLAGS:
                os.environ.pop(variable(name), None)
            for cell in cells:
                if cell.cell_type == "code" and "parameters" in cell.metadata.get("tags", []):
                    exec(cell.source, found)
    except Exception as error:
        raise ValueError(f"the parameters cell of {notebook} fails ({_cause(error, '')}). Mend it.") from None
    found = {name: value for name, value in found.items() if name[0] != "_" and not isinstance(value, ModuleType)}
    for name in FLAGS:
        if name not in found:
            raise ValueError(f"{notebook} has no parameter {name!r}. Its cell with the tag `parameters` must set "
                             f"{', '.join(FLAGS)}.")
    return found


def variable(name):
    """The environment variable that sets one of `FLAGS`."""
    return f"COURSE_{name.upper()}"


def typed(name, text, default):
    """The text given for parameter `name` as a value of the type of its default. Raises ValueError.

    Where the default is None, anything goes: what is no number, list, ... is text.
    """
    kind = type(default)
    read = {bool: lambda text: TRUTH[text.lower()], int: int, float: float, str: str}.get(kind, ast.literal_eval)
    try:
        value = read(text)
    except (ValueError, KeyError, SyntaxError, TypeError):
        value = text
    if default is None or (type(value) is kind and (kind is not float or math.isfinite(value))):
        return value
    raise ValueError(f"-p {name}={text}: {name} is {SPOKEN.get(kind, f'a {kind.__name__}')}. Write for instance "
                     f"-p {name}={default}.")


def read_seed(text):
    """The text of one seed as a whole number. Raises ValueError."""
    if not re.fullmatch(r"[0-9]{1,10}", text.strip()) or int(text) not in SEEDS:
        raise ValueError(f"the seed {text[:40]!r} (--seed, or the variable COURSE_SEED) is no whole number from 0 to "
                         f"{SEEDS[-1]}.")
    return int(text)


def read_seeds(text):
    """"0-9", "0,3,7", "5" or "0-2,7" as a list of whole numbers, each once. Raises ValueError for anything else."""
    seeds = []
    for part in text.split(","):
        found = re.fullmatch(r"([0-9]+)(?:-([0-9]+))?", part.strip())
        first, last = (read_seed(found[1]), read_seed(found[2] or found[1])) if found else (1, 0)
        if first > last or last - first >= 1000:
            which = "no seeds" if first > last else "more than 1,000 seeds"
            raise ValueError(f"--seeds {text!r} names {which}. Write for instance 0-9, or 0,3,7.")
        seeds += range(first, last + 1)
    return list(dict.fromkeys(seeds))


def read_datasets(text):
    """"glyphs,folder:/a" as a list of `datasets.known_name`s, each once.

    A comma inside the path of a folder stays in it, unless a dataset's name or another folder: follows. Raises
    ValueError for an unknown name, and for a path that no notebook could hold.
    """
    names = []
    for part in text.split(","):
        known = part.strip() in datasets.DATASETS or part.strip().startswith(datasets.FOLDER)
        if names and names[-1].startswith(datasets.FOLDER) and not known:
            names[-1] += f",{part}"
        else:
            names.append(part.strip())
    return [_utf8(name) for name in dict.fromkeys(datasets.known_name(name) for name in names)]


def _utf8(path):
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise ValueError(f"the name {str(path)!a} is not UTF-8. Rename the folder.") from None
    return path


def jobs(notebooks, given, names=(), seeds=()):
    """Every notebook on every dataset of these names with every seed, one seed after the other.

    given: {name: text}, what the user gave of the other parameters. Without names or seeds, a notebook's own default
    counts. Raises ValueError for a parameter that a notebook does not have, or a text that is not of its type; and if
    two folders of images have the same last name, since the results are called by it.
    """
    short = [datasets.short_name(name).casefold() for name in names]        # on Windows, and on most Macs, one folder
    if twice := {name for name in short if short.count(name) > 1}:
        raise ValueError(f"two datasets are called {twice.pop()!r}. Rename a folder, or sweep over one at a time.")
    own, others = {notebook: defaults(notebook) for notebook in notebooks}, {}
    for notebook, known in own.items():
        for name in given:
            if name not in known:
                raise ValueError(f"{notebook.stem} has no parameter {name!r}. It has: {', '.join(known)}.")
        others[notebook] = {name: typed(name, text, known[name]) for name, text in given.items()}
    found = []
    for seed in seeds or [None]:
        for dataset in names or [None]:
            swept = {name: value for name, value in (("dataset", dataset), ("seed", seed)) if value is not None}
            for notebook in notebooks:
                parameters = {**own[notebook], **others[notebook], **swept}
                folder = f"{datasets.short_name(parameters['dataset'])}-{parameters['seed']}"
                found.append(Job(notebook, parameters["dataset"], parameters["seed"],
                                 folder if len(names) > 1 or len(seeds) > 1 else "",
                                 {**others[notebook], **swept}, parameters))
    return found


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
    runs, name = _utf8(project_root() / "runs"), datetime.now().strftime("%Y-%m-%dT%H-%M-%S")
    for suffix in ("", *(f"-{i}" for i in range(2, 100))):
        try:
            (folder := runs / (name + suffix)).mkdir(parents=True)
            return folder
        except FileExistsError:
            continue
        except OSError as error:
            cure = "Make room there" if error.errno in FULL else "Clone the course into a folder of yours"
            raise PermissionError(f"cannot write to {runs} ({error.strerror}). {cure}.") from None
    raise RuntimeError(f"100 runs started in one second in {runs}")


def connect(address, timeout=10):
    """A client of the Dask scheduler at `address`. Raises RuntimeError if none answers within `timeout` seconds."""
    try:
        from distributed import Client, rpc
    except ImportError:
        raise RuntimeError("--cluster needs the package distributed, which is not installed here: "
                           'pip install -e ".[cluster]" -c constraints.txt') from None

    async def ask():        # Client itself waits 300 s for a service that says nothing
        async with rpc(address) as other:
            return (await other.identity())["type"]

    for name in ("distributed", "distributed.client", "distributed.core"):
        logging.getLogger(name).setLevel(logging.CRITICAL)      # what goes wrong is said once, by us
    try:
        if not address:         # for which Client would start a cluster of its own
            raise ValueError("no address")
        if (kind := asyncio.run(asyncio.wait_for(ask(), timeout))) != "Scheduler":
            raise ValueError(f"it is a Dask {kind.lower()}")
        client = Client(address, timeout=timeout)
    except Exception as error:          # whatever another service's answer does to Dask
        why = f"nothing within {timeout} s" if isinstance(error, TimeoutError) else _cause(error, "")[:60]
        raise RuntimeError(f"no Dask scheduler answers at {address!r} ({why}). Start one with 'dask scheduler' and "
                           "give the address that it prints, such as tcp://host:8786.") from None
    if not client.nthreads():
        print(f"{address} has no workers yet. Start some: dask worker {address} --nthreads 1", flush=True)
    return client


def run(todo, folder, processes=1, client=None):
    """Run the jobs `todo`, `processes` at a time here, or on a cluster; returns {job: Outcome}, in their order.

    A failure stops no other job. Ctrl-C stops all: a job has then an Outcome "interrupted", or none. The reports in
    `folder` always show what has ended, where the disc has room for them. client: from `connect`; closed at the end.
    """
    stop, futures, outcomes = threading.Event(), {}, {}
    executor = client.get_executor(pure=False) if client else ThreadPoolExecutor(processes)
    threads = ONE_THREAD if processes > 1 else {}

    def submit(job):
        if client:
            return executor.submit(execute_on_worker, job.notebook.name, job.notebook.read_bytes(), job.given)
        return executor.submit(execute, job.notebook, job.given, folder / job.folder, stop.is_set, threads,
                               processes == 1)

    def take(future):
        job = futures[future]
        outcomes[job] = outcome = _outcome(future, job, folder)
        with suppress(OSError):     # `write_reports` of the whole run says why
            write_reports(folder, todo, outcomes, [job.folder])
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
            client.close(timeout=3)     # the scheduler forgets the jobs, and the workers stop those that run
    for future in [future for future in futures if not future.cancelled()]:
        take(future)
    return {job: outcomes[job] for job in todo if job in outcomes}


def write_reports(folder, todo, outcomes, folders=None):
    """The reports of the jobs that have ended: of these `folders` below the run's (all), and of the whole sweep.

    Raises OSError that names the file.
    """
    for name in dict.fromkeys(job.folder for job in todo) if folders is None else folders:
        here = [job for job in todo if job.folder == name and job in outcomes]
        if here:
            pages.write_report(folder / name, [outcomes[job] for job in here], _shown(here))
    if todo[0].folder:
        pages.write_sweep(folder, todo, outcomes, _shown(todo))


def _shown(found):
    """{name: value} of what the user gave and of `FLAGS` in these jobs; where jobs differ, a list."""
    values = {name: [job.parameters[name] for job in found if name in job.parameters]
              for name in (*FLAGS, *found[0].given)}
    distinct = {name: [value for i, value in enumerate(each) if value not in each[:i]] for name, each in values.items()}
    return {name: each[0] if len(each) == 1 else each for name, each in distinct.items()}


def _outcome(future, job, folder):
    place = folder / job.folder
    try:
        outcome, files = future.result()
        if files:
            _unpack(files, place)
    except CancelledError:
        return Outcome(job.notebook.stem, "failed", 0.0, "the Dask scheduler gave it up, or is gone: see its log")
    except Exception as error:      # a full disc, say, or workers that were lost again and again
        return Outcome(job.notebook.stem, "failed", 0.0, _cause(error, place))
    try:
        records.read(place / "figures" / "results" / f"{job.notebook.stem}.jsonl")
    except FileNotFoundError:       # it has no numbers
        pass
    except (OSError, ValueError) as error:
        outcome.status = "failed" if outcome.status == "ok" else outcome.status
        damaged = str(error).replace(f"{place}{os.sep}", "")
        outcome.error = "; ".join(filter(None, [outcome.error, damaged]))
    return outcome


def _unpack(files, folder):
    """The zip of these bytes into `folder`; where that fails, no half file stays."""
    archive = zipfile.ZipFile(io.BytesIO(files))
    try:
        archive.extractall(folder)
    except OSError:
        for name in archive.namelist():
            if (folder / name).is_file():
                (folder / name).unlink()
        raise


def _cause(error, folder):
    """An exception as one line; where a disc is full it names the folder."""
    if isinstance(error, OSError) and error.errno in FULL:
        return f"{error.strerror} in {Path(error.filename).parent if error.filename else folder}. Make room there"
    said = " ".join(str(error).split())
    ours = said and isinstance(error, OSError) and error.errno is None          # of `unwritable`, say: it is a sentence
    return said if ours else f"{type(error).__name__}: {said}".removesuffix(": ")


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

    An exercise without an answer, or with a wrong one, does not end the notebook, since no later cell needs it. Without
    answers it is "ok", and with a wrong one "failed". stopped: a function that says whether to stop. variables: of the
    environment, where it does not have them.
    """
    start, executed = time.monotonic(), folder / notebook.name
    try:
        folder.mkdir(exist_ok=True)
        for _ in range(2):
            error = _papermill(notebook, parameters, folder, _kernel(folder, stopped, variables), bar)
            if stopped() or "Kernel died before replying" not in error:     # two kernels were given the same port
                break
        wrong, said = _write_page(executed) if _is_whole(executed) else ("", "")
    except OSError as failure:      # a full disc
        wrong, said = _cause(failure, folder), ""
    error = error or wrong
    status = "ok" if not error else "interrupted" if stopped() else "failed"
    error = "stopped by Ctrl-C" if status == "interrupted" else error or said
    return Outcome(notebook.stem, status, (time.monotonic() - start) / 60, " ".join(error.split())), None


def _papermill(notebook, parameters, folder, kernel, bar):
    """Execute one notebook into `folder`; returns what went wrong, "" if nothing did or the notebook itself tells."""
    import papermill
    from nbclient.exceptions import DeadKernelError

    logging.getLogger("papermill").setLevel(logging.CRITICAL)       # what goes wrong is said once, below
    try:
        to_run = read_notebook(notebook)
        for cell in filter(_is_check, to_run.cells):
            cell.metadata["tags"] = sorted({*cell.metadata.get("tags", []), "raises-exception"})
        path = str(folder / notebook.name).replace("{", "{{").replace("}", "}}")     # else a template
        papermill.execute_notebook(to_run, path, parameters=parameters,
                                   kernel_manager_class=kernel, extra_arguments=QUIET_KERNEL,
                                   start_timeout=KERNEL_STARTS,
                                   progress_bar=bar and {"desc": notebook.stem, "dynamic_ncols": True})
    except papermill.PapermillExecutionError:
        return ""
    except DeadKernelError as failure:
        return f"{failure}. If memory ran out, give a smaller -j"
    except Exception as failure:    # a kernel that did not start, say: the next notebook gets its chance
        return _cause(failure, folder)
    return ""


def _is_whole(executed):
    """Whether the executed notebook is there; half of one, as a full disc leaves it, is removed."""
    try:
        nbformat.read(executed, as_version=4)
    except Exception:       # nbformat raises many kinds
        executed.unlink(missing_ok=True)
    return executed.is_file()


def _is_check(cell):
    """Whether a cell may stop: a check, of either edition."""
    return cell.cell_type == "code" and ("raises-exception" in cell.metadata.get("tags", [])
                                         or re.search(r"^checks\.", cell.source, re.M) is not None)


def _errors(notebook):
    """(what went wrong first, or ""; a word on exercises without an answer, or "")."""
    wrong, unsolved = [], 0
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.output_type != "error" or (output.ename == "SystemExit" and output.evalue in ("", "0")):
                continue
            stub = output.ename == "NotImplementedError" and (not output.evalue or "not written yet" in output.evalue)
            if stub and _is_check(cell):
                unsolved += 1
            else:
                wrong.append(f"cell {cell.execution_count}: {output.ename}: {output.evalue}")
    return next(iter(wrong), ""), f"{unsolved} exercise{'s' * (unsolved != 1)} without an answer" if unsolved else ""


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
    """Tidy the executed notebook, and make its page; returns its `_errors`."""
    from nbconvert import HTMLExporter
    from papermill.execute import remove_error_markers

    notebook = tidy(nbformat.read(executed, as_version=4))
    wrong, said = _errors(notebook)
    if not wrong:
        notebook = remove_error_markers(notebook)       # papermill takes an exercise without an answer for an end
    with atomic_path(executed) as part:
        nbformat.write(notebook, part)
    for cell in notebook.cells:     # a page is read offline too: no pictures from elsewhere
        cell.source = BADGES.sub("", cell.source) if cell.cell_type == "markdown" else cell.source
    exporter = HTMLExporter(raw_template=pages.NOTEBOOK)
    page, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": executed.stem}})
    page = re.sub(r'href="(\d\d_\w+)\.ipynb"', r'href="\1.html"', page)      # a link leads from page to page
    with atomic_path(executed.with_suffix(".html")) as part:
        part.write_text(page, encoding="utf-8")
    return wrong, said


def point_latest(folder):
    """Make runs/latest a link to `folder`; on Windows, where links need rights, a file that holds its name."""
    latest, temporary = folder.parent / "latest", folder.parent / f".latest-{os.getpid()}"
    try:
        if os.name == "nt":
            temporary.write_text(folder.name + "\n", encoding="utf-8")
        else:
            temporary.symlink_to(folder.name, target_is_directory=True)
        os.replace(temporary, latest)
    except OSError as error:        # a real folder of that name, say, or a full disc
        temporary.unlink(missing_ok=True)
        print(f"runs/latest still shows an earlier run ({error.strerror})", file=sys.stderr)
