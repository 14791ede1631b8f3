"""What a run shows for its numbers: results.json, index.html and lines for a terminal.

Each dataset and seed has a report of its own. A sweep, which has many of them, also has one of the whole: every
headline number over the seeds, its mean and 95 % interval.
"""

import html
import json
from dataclasses import asdict

from course_lib import datasets
from course_lib.runtime import atomic_path, versions
from course_lib.statistics import mean_interval

from . import records

MEASURED = {"value", "low", "high", "n", "seed", "device", "versions", "dataset"}      # may differ between seeds
NOT_IN_LABEL = MEASURED | {"notebook", "seeds", "unit", "profile", "split", "name", "arm", "setting"}


def write_report(folder, outcomes, parameters):
    """results.json and index.html of one dataset and seed, for what has ended so far."""
    found = {outcome.notebook: records_of(folder, outcome.notebook) for outcome in outcomes}
    rows = "\n".join(_notebook_row(folder, outcome, found[outcome.notebook]) for outcome in outcomes)
    _write(folder, {"parameters": parameters, "versions": versions(), "notebooks": [asdict(o) for o in outcomes],
                    "results": [record for of_one in found.values() for record in of_one]}, "run", f"""
<table><tr><th>notebook<th>status<th>minutes<th>headline numbers, 95 % intervals<th>figures</tr>
{rows}
</table>""")


def write_sweep(folder, todo, outcomes, parameters):
    """results.json and index.html of many datasets and seeds. outcomes: {job: Outcome} of what has ended so far."""
    done = [job for job in todo if job in outcomes]
    found = [(job, record) for job in done for record in records_of(folder / job.folder, job.notebook.stem)]
    names = list(dict.fromkeys(job.dataset for job in todo))
    numbers = summary(found)
    report = {"parameters": {**parameters, "dataset": names, "seed": list(dict.fromkeys(job.seed for job in todo))},
              "versions": versions(),
              "jobs": [{"folder": job.folder, "dataset": job.dataset, "seed": job.seed, **asdict(outcomes[job])}
                       for job in done],
              "summary": numbers, "results": [{**record, "folder": job.folder} for job, record in found]}
    heads = "".join(f"<th>{html.escape(datasets.short_name(name))}" for name in names)
    rows = "\n".join(f"<tr><td>{stem}<td>{html.escape(name)}" + "".join(
        f"<td>{html.escape(shown(by_dataset[d])) if d in by_dataset else ''}" for d in names)
        for (stem, name), by_dataset in _rows(numbers).items())
    jobs = "\n".join(_job_row(job, outcomes.get(job)) for job in todo)
    _write(folder, report, "sweep", f"""
<p>{len(done)} of {len(todo)} jobs done.</p>
<h2>Mean over seeds, 95 % intervals over seeds (Student's t)</h2>
<table><tr><th>notebook<th>number{heads}
{rows}
</table>
<h2>Jobs</h2>
<table><tr><th>run<th>notebook<th>status<th>minutes
{jobs}
</table>""")


_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Course {kind} {name}</title>
<style>
 body {{ font: 17px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #222 }}
 table {{ border-collapse: collapse; width: 100%; margin-bottom: 2rem }}
 th, td {{ text-align: left; vertical-align: top; padding: .5rem .8rem; border-top: 1px solid #ccc }}
 img {{ height: 7rem; max-width: 14rem; object-fit: contain; margin: 0 .5rem .5rem 0; border: 1px solid #ddd }}
 .ok {{ color: #00613f }} .failed, .interrupted {{ color: #a33b00; font-weight: bold }}
</style>
<h1>Course {kind} {name}</h1>
<p>{parameters}. Python {python}, torch {torch}. All numbers: <a href="results.json">results.json</a>.</p>{tables}
</html>
"""


def _write(folder, report, kind, tables):
    with atomic_path(folder / "results.json") as part:
        part.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    parameters = ", ".join(f"{key} {value}" for key, value in report["parameters"].items()) or "default parameters"
    with atomic_path(folder / "index.html") as part:
        part.write_text(_PAGE.format(kind=kind, name=folder.name, parameters=html.escape(parameters), tables=tables,
                                     **versions()), encoding="utf-8")


def _notebook_row(folder, outcome, found):
    page = f"{outcome.notebook}.html"
    name = f'<a href="{page}">{outcome.notebook}</a>' if (folder / page).is_file() else outcome.notebook
    numbers = "<br>".join(html.escape(headline(record)) for record in found)
    figures = sorted((folder / "figures").glob(f"{outcome.notebook[:2]}_*.png"))
    images = "".join(f'<a href="figures/{f.name}"><img src="figures/{f.name}" alt="{f.stem}"></a>' for f in figures)
    return f"<tr><td>{name}{_status(outcome)}<td>{numbers}<td>{images}</tr>"


def _job_row(job, outcome):
    run = html.escape(job.folder)
    if outcome is None:
        return f"<tr><td>{run}<td>{job.notebook.stem}<td>not finished<td>"
    return f'<tr><td><a href="{run}/index.html">{run}</a><td>{job.notebook.stem}{_status(outcome)}'


def _status(outcome):
    return (f'<td class="{outcome.status}">{outcome.status}<br><small>{html.escape(outcome.error)}</small>'
            f"<td>{outcome.minutes:.1f}")


def records_of(folder, stem):
    """The records that notebook `stem` left in the run `folder`."""
    try:
        return records.read(folder / "figures" / "results" / f"{stem}.jsonl")
    except (FileNotFoundError, ValueError):     # it has none, or was killed in the middle of a line
        return []


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
    """The outcomes and the headline numbers of one dataset and seed as lines of text for a terminal."""
    width, lines = max(len(o.notebook) for o in outcomes), []
    for o in outcomes:
        lines.append(f"{o.notebook:<{width}}  {o.status:<11}  {o.minutes:5.1f} min  {o.error[:150]}".rstrip())
        lines += [f"{'':<{width}}  {headline(record)}" for record in records_of(folder, o.notebook)]
    return lines


def sweep_table(folder):
    """The summary of a sweep as lines of text: for each notebook and number, a line for each dataset."""
    numbers = json.loads((folder / "results.json").read_text(encoding="utf-8"))["summary"]
    lines, width = [], max((len(label(number)) for number in numbers), default=0)
    for (stem, name), by_dataset in _rows(numbers).items():
        lines += [stem] * (stem not in lines)
        lines += [f"  {name:<{width}}  {datasets.short_name(dataset)}  {shown(number)}"
                  for dataset, number in by_dataset.items()]
    return lines


def summary(found):
    """Each headline number over the seeds, a list of dicts: its mean "value", 95 % interval "low" to "high", "n" seeds.

    found: pairs (job, record). Two records are of the same number if notebook and dataset, and all that is text or a
    whole number in them but for `MEASURED`, are the same. The interval covers what other seeds would change, by
    Student's t; "low" and "high" are None for a single seed.
    """
    groups, seen = {}, {}
    for job, record in found:
        same = {key: value for key, value in record.items() if key not in MEASURED and isinstance(value, (str, int))}
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


def _rows(numbers):
    """{(notebook, label): {dataset: number}}, notebooks in order; numbers with the same label get a count."""
    rows = {}
    for number in sorted(numbers, key=lambda number: number["notebook"]):
        name, count = label(number), 1
        while number["dataset"] in rows.get((number["notebook"], name), ()):
            name = f"{label(number)} ({(count := count + 1)})"
        rows.setdefault((number["notebook"], name), {})[number["dataset"]] = number
    return rows
