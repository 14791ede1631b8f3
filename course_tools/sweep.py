"""Many notebooks at once: every notebook × dataset × seed is a job, in processes here or on a Dask cluster.

`course run --seeds 0-9 --dataset glyphs,digits -j 4` leaves in runs/<time>/

    glyphs-0/, glyphs-1/, ...   each what `course run` leaves for one dataset and one seed
    results.json                all records, every job's outcome, and the summary
    index.html                  the summary: each headline number over the seeds, mean and 95 % interval
"""

import html
import io
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from course_lib import datasets, runtime
from course_lib.runtime import atomic_path, versions
from course_lib.statistics import mean_interval

from . import running
from .running import Outcome

GIB_PER_NOTEBOOK = 2        # what a notebook and its kernel may take


class Job(NamedTuple):
    """One notebook on one dataset with one seed. folder: where its files go, below the sweep's; "" is the sweep's."""

    notebook: Path
    dataset: str
    seed: int
    folder: str


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


def jobs(notebooks, datasets, seeds):
    """Every notebook on every dataset with every seed, one seed after the other.

    Raises ValueError if two folders of images have the same last name, since the results are called by it.
    """
    names = [datasets.short_name(dataset) for dataset in datasets]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"two datasets are called {twice.pop()!r}. Rename a folder, or sweep over one at a time.")
    alone = len(datasets) * len(seeds) == 1
    return [Job(notebook, dataset, seed, "" if alone else f"{name}-{seed}")
            for seed in seeds for dataset, name in zip(datasets, names) for notebook in notebooks]


def cores():
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def default_processes(n_jobs, device):
    """How many notebooks run at once unless `-j` says: one for each core and 2 GiB of free memory; one on a GPU."""
    fit = min(cores(), int(runtime.free_memory() / GIB_PER_NOTEBOOK)) if str(device) == "cpu" else 1
    return max(1, min(fit, n_jobs))


def execute(notebook, parameters, folder, stopped, **variables):
    """Execute one notebook into `folder` in a new process; returns its Outcome, whatever happens to the process.

    stopped: a function that says whether to stop. variables: of the environment, where it does not have them.
    """
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        request = {"notebook": str(notebook), "parameters": parameters, "folder": str(folder),
                   "outcome": str(Path(scratch, "outcome.json"))}
        with open(Path(scratch, "log"), "w+", encoding="utf-8", errors="replace") as log:
            process = subprocess.Popen([sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=log, stderr=log,
                                       env={**variables, **os.environ}, text=True, start_new_session=os.name != "nt")
            with suppress(OSError):         # it ended before it could be asked
                process.stdin.write(json.dumps(request) + "\n")
                process.stdin.flush()
            was_stopped = _wait(process, stopped)
            log.seek(0)
            said = log.read().strip().splitlines()
        minutes = (time.monotonic() - start) / 60
        if was_stopped:
            return Outcome(notebook.stem, "interrupted", minutes, "stopped by Ctrl-C")
        with suppress(OSError, ValueError):
            return Outcome(**json.loads(Path(request["outcome"]).read_text(encoding="utf-8")))
    if process.returncode < 0:
        said = ["killed. If memory ran out, give a smaller -j"]
    why = f"its process ended with code {process.returncode}: {said[-1] if said else 'it said nothing'}"
    return Outcome(notebook.stem, "failed", minutes, why)


def _wait(process, stopped):
    """Wait for the process to end; stop it, kernel and all, if `stopped` says so. Returns whether it was stopped."""
    was_stopped = False
    while process.poll() is None:
        if stopped():
            was_stopped = True
            with suppress(OSError):
                process.stdin.close()       # which it takes for Ctrl-C
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
        time.sleep(0.1)
    with suppress(OSError):
        process.stdin.close()
    return was_stopped


def _child():
    """What the new process does: read one request, execute it, write the Outcome. It ends when its parent does."""
    signal.signal(signal.SIGINT, signal.default_int_handler)        # a job in the background ignores Ctrl-C
    request = json.loads(sys.stdin.readline())
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    notebook, folder = Path(request["notebook"]), Path(request["folder"])
    outcome = running.run_one(notebook, request["parameters"], folder)
    if "Kernel died before replying" in outcome.error:      # two kernels were given the same port
        outcome = running.run_one(notebook, request["parameters"], folder)
    with atomic_path(request["outcome"]) as part:
        part.write_text(json.dumps(asdict(outcome)), encoding="utf-8")


def _stop_with_parent():
    os.read(sys.stdin.fileno(), 1)      # nothing comes: it returns when the parent closes the pipe, or is no more
    os.kill(os.getpid(), signal.SIGINT)


def run_here(todo, parameters, folder, processes):
    """Yield (job, Outcome) as jobs end, `processes` at a time; their torch threads share the cores.

    When the consumer stops, by Ctrl-C say, and closes this generator, the running jobs are stopped.
    """
    stop, threads = threading.Event(), str(max(1, cores() // processes))

    def one(job):
        try:
            (into := folder / job.folder).mkdir(exist_ok=True)
            return execute(job.notebook, _of_job(parameters, job), into, stop.is_set, OMP_NUM_THREADS=threads)
        except OSError as error:        # no process to be had, say: the next job gets its chance
            return Outcome(job.notebook.stem, "failed", 0.0, f"{type(error).__name__}: {error}")

    pool = ThreadPoolExecutor(processes)
    try:
        futures = {pool.submit(one, job): job for job in todo}
        for future in as_completed(futures):
            yield futures[future], future.result()
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)


def _of_job(parameters, job):
    return {**parameters, "dataset": job.dataset, "seed": job.seed}


def run_on_cluster(todo, parameters, folder, client):
    """Yield (job, Outcome) as jobs end on the workers of a Dask cluster.

    Notebook and results travel as bytes: workers need the course and the data, but no shared folder. What a lost
    worker was doing, another does again. client: from `connect`; closed at the end.
    """
    try:
        if not client.nthreads():
            address = client.scheduler.address
            print(f"{address} has no workers yet. Start some: dask worker {address} --nthreads 1", flush=True)
        futures = {client.submit(_remote, job.notebook.name, job.notebook.read_bytes(), _of_job(parameters, job),
                                 pure=False): job for job in todo}
        from distributed import as_completed as ended

        for future in ended(futures):
            job = futures[future]
            if future.status != "finished":
                error = future.exception()
                why = f"{type(error).__name__}: {error}" if error else "the scheduler gave it up"
                yield job, Outcome(job.notebook.stem, "failed", 0.0, why)
                continue
            outcome, files = future.result()
            (into := folder / job.folder).mkdir(exist_ok=True)
            zipfile.ZipFile(io.BytesIO(files)).extractall(into)
            yield job, Outcome(**outcome)
            future.release()
    finally:
        client.close()          # the scheduler forgets the jobs, and _remote stops those that run


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
        return Client(address, timeout=timeout)
    except (OSError, ValueError) as error:
        raise RuntimeError(f"no Dask scheduler answers at {address!r} ({type(error).__name__}). Start one with "
                           "'dask scheduler' and give the address that it prints, such as tcp://host:8786.") from None


def _remote(name, notebook, parameters):
    """On a worker: (Outcome as a dict, the zipped folder) of one job."""
    from distributed import get_worker

    worker = get_worker()
    key = worker.get_current_task()

    def forgotten():
        task = worker.state.tasks.get(key)
        return task is None or task.state == "cancelled"

    with tempfile.TemporaryDirectory() as scratch:
        path, folder = Path(scratch, name), Path(scratch, "run")
        folder.mkdir()
        path.write_bytes(notebook)
        outcome = execute(path, parameters, folder, forgotten)
        with zipfile.ZipFile(packed := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(folder.rglob("*")):
                archive.write(file, file.relative_to(folder))
    return asdict(outcome), packed.getvalue()


def run(todo, parameters, folder, ending):
    """Take (job, Outcome) from `ending`, keeping the reports in `folder` up to date. Returns ([Outcome], interrupted).

    ending: `run_here` or `run_on_cluster`. Ctrl-C stops it; what is done stays readable.
    """
    outcomes, interrupted = {}, False
    try:
        for job, outcome in ending:
            outcomes[job] = outcome
            _report(todo, outcomes, parameters, folder, job)
            print(f"{len(outcomes)} of {len(todo)}  {job.folder or 'this run'}  {outcome.notebook}  {outcome.status}  "
                  f"{outcome.minutes:.1f} min  {outcome.error[:150]}".rstrip(), flush=True)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        ending.close()
    if not interrupted:
        running.point_latest(folder)
    elif outcomes:      # Ctrl-C may have come between two files
        _report(todo, outcomes, parameters, folder, list(outcomes)[-1])
    return [outcomes[job] for job in todo if job in outcomes], interrupted


def _report(todo, outcomes, parameters, folder, ended):
    """Write anew the report of the folder of the job that has ended and, of a sweep, that of the whole."""
    here = [outcomes[job] for job in todo if job.folder == ended.folder and job in outcomes]
    running.write_report(folder / ended.folder, here, _of_job(parameters, ended))
    if not ended.folder:
        return
    done = [job for job in todo if job in outcomes]
    records = [(job, record) for job in done for record in running.records_of(folder / job.folder, job.notebook.stem)]
    numbers = summary(records)
    report = {"parameters": {**parameters, "dataset": list(dict.fromkeys(job.dataset for job in todo)),
                             "seed": list(dict.fromkeys(job.seed for job in todo))},
              "versions": versions(),
              "jobs": [{"folder": job.folder, "dataset": job.dataset, "seed": job.seed, **asdict(outcomes[job])}
                       for job in done],
              "summary": numbers, "results": [{**record, "folder": job.folder} for job, record in records]}
    with atomic_path(folder / "results.json") as part:
        part.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    with atomic_path(folder / "index.html") as part:
        part.write_text(_page(folder, todo, outcomes, report), encoding="utf-8")


def summary(records):
    """Each headline number over the seeds, a list of dicts: its mean "value", 95 % interval "low" to "high", "n" seeds.

    records: pairs (job, record). Two records are of the same number if notebook and dataset, and all that is text or a
    whole number in them but for `running.MEASURED`, are the same. The interval covers what other seeds would change, by
    Student's t; "low" and "high" are None for a single seed.
    """
    groups, seen = {}, {}
    for job, record in records:
        same = {key: value for key, value in record.items()
                if key not in running.MEASURED and isinstance(value, (str, int))}
        key = (job.notebook.stem, job.dataset, tuple(sorted(same.items())))
        nth = seen[job, key] = seen.get((job, key), -1) + 1         # alike within a job: told apart by their order
        groups.setdefault((key, nth), (same, []))[1].append((job, record["value"]))
    return [_over_seeds(same, members) for same, members in groups.values()]


def _over_seeds(same, members):
    job, values = members[0][0], [value for _, value in members]
    if len(values) > 1:
        mean, half = mean_interval(values)
        interval = {"value": mean, "low": mean - half, "high": mean + half}
    else:
        interval = {"value": values[0], "low": None, "high": None}
    return {"notebook": job.notebook.stem, "dataset": job.dataset, **same, **interval, "n": len(values),
            "seeds": [job.seed for job, _ in members]}


def shown(number):
    """'41.7 ± 0.9 % (10 seeds)': mean and 95 % interval over seeds."""
    scale, unit, digits = (100, "%", ".1f") if number["unit"] == "accuracy" else (1, number["unit"], ".3g")
    seeds = f"({number['n']} seed{'s' * (number['n'] != 1)})"
    half = "" if number["low"] is None else f" ± {scale * (number['high'] - number['low']) / 2:{digits}}"
    return f"{scale * number['value']:{digits}}{half} {unit} {seeds}"


def table(folder):
    """The summary as lines of text: for each notebook and number, a line for each dataset."""
    numbers = json.loads((folder / "results.json").read_text(encoding="utf-8"))["summary"]
    lines, width = [], max((len(running.label(number)) for number in numbers), default=0)
    for (stem, name), by_dataset in _rows(numbers).items():
        lines += [stem] * (stem not in lines)
        lines += [f"  {name:<{width}}  {datasets.short_name(dataset)}  {shown(number)}"
                  for dataset, number in by_dataset.items()]
    return lines


def _rows(numbers):
    """{(notebook, label): {dataset: number}}, notebooks in order; numbers with the same label get a count."""
    rows = {}
    for number in sorted(numbers, key=lambda number: number["notebook"]):
        name, count = running.label(number), 1
        while number["dataset"] in rows.get((number["notebook"], name), ()):
            name = f"{running.label(number)} ({(count := count + 1)})"
        rows.setdefault((number["notebook"], name), {})[number["dataset"]] = number
    return rows


_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Course sweep {name}</title>
<style>
 body {{ font: 17px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #222 }}
 table {{ border-collapse: collapse; width: 100%; margin-bottom: 2rem }}
 th, td {{ text-align: left; vertical-align: top; padding: .4rem .8rem; border-top: 1px solid #ccc }}
 .ok {{ color: #00613f }} .failed, .interrupted {{ color: #a33b00; font-weight: bold }}
</style>
<h1>Course sweep {name}</h1>
<p>{done} of {total} jobs done. {parameters}. Python {python}, torch {torch}. All numbers:
<a href="results.json">results.json</a>.</p>
<h2>Mean over seeds, 95 % intervals over seeds (Student's t)</h2>
<table><tr><th>notebook<th>number{datasets}
{numbers}
</table>
<h2>Jobs</h2>
<table><tr><th>run<th>notebook<th>status<th>minutes
{jobs}
</table></html>
"""


def _page(folder, todo, outcomes, report):
    datasets = report["parameters"]["dataset"]
    numbers = "\n".join(f"<tr><td>{stem}<td>{html.escape(name)}" + "".join(
        f"<td>{html.escape(shown(by_dataset[d])) if d in by_dataset else ''}" for d in datasets)
        for (stem, name), by_dataset in _rows(report["summary"]).items())
    jobs = "\n".join(_job_row(job, outcomes.get(job)) for job in todo)
    parameters = html.escape(", ".join(f"{key} {value}" for key, value in report["parameters"].items()))
    heads = "".join(f"<th>{html.escape(datasets.short_name(dataset))}" for dataset in datasets)
    return _PAGE.format(name=folder.name, done=len(outcomes), total=len(todo), parameters=parameters, datasets=heads,
                        numbers=numbers, jobs=jobs, **versions())


def _job_row(job, outcome):
    run = html.escape(job.folder)
    if outcome is None:
        return f"<tr><td>{run}<td>{job.notebook.stem}<td>not finished<td>"
    return (f'<tr><td><a href="{run}/index.html">{run}</a><td>{job.notebook.stem}<td class="{outcome.status}">'
            f"{outcome.status}<br><small>{html.escape(outcome.error)}</small><td>{outcome.minutes:.1f}")


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        _child()
