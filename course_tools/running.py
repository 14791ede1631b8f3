"""Execute notebooks one after the other and leave a folder that can be read in a browser."""

import html
import json
import os
import re
import sys
import time
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import nbformat

from course_lib.runtime import atomic_path, project_root, versions

from .authoring import BADGES, QUIET_KERNEL, environment, tidy

KERNEL_STARTS = 300     # within so many seconds; many kernels may be starting at once


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

    known = papermill.inspect_notebook(str(notebook))
    for name in parameters:
        if name not in known:
            raise ValueError(f"{Path(notebook).stem} has no parameter {name!r}. It has: {', '.join(known)}.")


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


def run(notebooks, parameters, folder):
    """Execute `notebooks` into `folder`; a failure does not stop the others, Ctrl-C does. Returns [Outcome]."""
    outcomes = []
    for notebook in notebooks:
        outcomes.append(run_one(notebook, parameters, folder))
        write_report(folder, outcomes, parameters)
        if outcomes[-1].status == "interrupted":
            return outcomes
    point_latest(folder)
    return outcomes


def run_one(notebook, parameters, folder):
    """Execute one notebook into `folder` and make its page; returns its Outcome."""
    start = time.monotonic()
    try:
        status, error = _execute(notebook, parameters, folder)
        _write_page(folder / notebook.name)
    except KeyboardInterrupt:
        status, error = "interrupted", "stopped by Ctrl-C"
    return Outcome(notebook.stem, status, (time.monotonic() - start) / 60, error)


def _execute(notebook, parameters, folder):
    """(status, error) of one notebook, executed into `folder`."""
    import papermill

    try:
        with environment(COURSE_OUT=folder):
            papermill.execute_notebook(str(notebook), str(folder / notebook.name), parameters=parameters,
                                       cwd=str(folder), extra_arguments=QUIET_KERNEL, start_timeout=KERNEL_STARTS,
                                       progress_bar={"desc": notebook.stem, "dynamic_ncols": True})
    except papermill.PapermillExecutionError as failure:
        return "failed", f"cell {failure.exec_count}: {failure.ename}: {failure.evalue}"
    except Exception as failure:    # a kernel that died or timed out: the next notebook gets its chance
        return "failed", f"{type(failure).__name__}: {failure}"
    return "ok", ""


def _write_page(executed):
    from nbconvert import HTMLExporter

    if not executed.is_file():
        return
    notebook = tidy(nbformat.read(executed, as_version=4))
    with atomic_path(executed) as part:
        nbformat.write(notebook, part)
    for cell in notebook.cells:     # a page is read offline too: no pictures from elsewhere
        cell.source = BADGES.sub("", cell.source) if cell.cell_type == "markdown" else cell.source
    page, _ = HTMLExporter().from_notebook_node(notebook, {"metadata": {"name": executed.stem}})
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


def write_report(folder, outcomes, parameters):
    """results.json and index.html for what has finished so far."""
    results = {outcome.notebook: records_of(folder, outcome.notebook) for outcome in outcomes}
    report = {"parameters": parameters, "versions": versions(), "notebooks": [asdict(o) for o in outcomes],
              "results": [record for records in results.values() for record in records]}
    with atomic_path(folder / "results.json") as part:
        part.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    with atomic_path(folder / "index.html") as part:
        part.write_text(_index(folder, outcomes, parameters, results), encoding="utf-8")


MEASURED = {"value", "low", "high", "n", "seed", "device", "versions", "dataset"}      # may differ between seeds
NOT_IN_LABEL = MEASURED | {"notebook", "seeds", "unit", "profile", "split", "name", "arm", "setting"}


def label(record):
    """What a number is called, with all that sets it apart: '20-way 1-shot, classical, inductive, learner ProtoNet'."""
    words = [record["name"], record.get("arm"), record.get("setting")]
    details = [f"{key.replace('_', ' ')} {value}" for key, value in record.items()
               if key not in NOT_IN_LABEL and isinstance(value, (str, int))]
    return ", ".join([word for word in words if word and word != "-"] + details)


def headline(record):
    """One record as a line: '5-way 1-shot, no learning, inductive: 41.7 % (40.8 to 42.6, n=1000)'."""
    numbers = [record[key] for key in ("value", "low", "high")]
    if record["unit"] == "accuracy":
        unit, (value, low, high) = "%", (f"{100 * number:.1f}" for number in numbers)
    else:
        unit, (value, low, high) = record["unit"], (f"{number:.3g}" for number in numbers)
    unit = "" if unit == record["name"] else f" {unit}"
    return f"{label(record)}: {value}{unit} ({low} to {high}, n={record['n']})"


def table(folder, outcomes):
    """The outcomes and the headline numbers as lines of text for a terminal."""
    width, lines = max(len(o.notebook) for o in outcomes), []
    for o in outcomes:
        lines.append(f"{o.notebook:<{width}}  {o.status:<11}  {o.minutes:5.1f} min  {o.error[:150]}".rstrip())
        lines += [f"{'':<{width}}  {headline(record)}" for record in records_of(folder, o.notebook)]
    return lines


def records_of(folder, stem):
    """The records that notebook `stem` left in the run `folder`."""
    path = folder / "figures" / "results" / f"{stem}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []


_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Course run {name}</title>
<style>
 body {{ font: 17px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #222 }}
 table {{ border-collapse: collapse; width: 100% }}
 th, td {{ text-align: left; vertical-align: top; padding: .6rem .8rem; border-top: 1px solid #ccc }}
 img {{ height: 7rem; max-width: 14rem; object-fit: contain; margin: 0 .5rem .5rem 0; border: 1px solid #ddd }}
 .ok {{ color: #00613f }} .failed, .interrupted {{ color: #a33b00; font-weight: bold }}
</style>
<h1>Course run {name}</h1>
<p>{parameters}. Python {python}, torch {torch}. All numbers: <a href="results.json">results.json</a>.</p>
<table><tr><th>notebook<th>status<th>minutes<th>headline numbers, 95 % intervals<th>figures</tr>
{rows}
</table></html>
"""


def _index(folder, outcomes, parameters, results):
    rows = "\n".join(_row(folder, outcome, results.get(outcome.notebook, [])) for outcome in outcomes)
    shown = html.escape(", ".join(f"{key} {value}" for key, value in parameters.items()) or "default parameters")
    return _PAGE.format(name=folder.name, rows=rows, parameters=shown, **versions())


def _row(folder, outcome, records):
    page = f"{outcome.notebook}.html"
    name = f'<a href="{page}">{outcome.notebook}</a>' if (folder / page).is_file() else outcome.notebook
    numbers = "<br>".join(html.escape(headline(record)) for record in records)
    figures = sorted((folder / "figures").glob(f"{outcome.notebook[:2]}_*.png"))
    images = "".join(f'<a href="figures/{f.name}"><img src="figures/{f.name}" alt="{f.stem}"></a>' for f in figures)
    status = f"{outcome.status}<br><small>{html.escape(outcome.error)}</small>"
    return (f'<tr><td>{name}<td class="{outcome.status}">{status}'
            f"<td>{outcome.minutes:.1f}<td>{numbers}<td>{images}</tr>")
