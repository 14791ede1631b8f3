"""What a run shows: a page for each notebook, and results.json, index.html and lines for a terminal for its numbers.

Each dataset and seed has a report of its own. A sweep, which has many of them, also has one of the whole: every
headline number over the seeds, its mean and 95 % interval. No page asks another server for anything.
"""

import html
import json
import shutil
from dataclasses import asdict
from importlib.metadata import distribution
from pathlib import Path
from urllib.parse import quote

from course_files.writing import atomic_path
from course_lib import datasets
from course_lib.runtime import versions
from course_lib.statistics import mean_interval

from . import records

MEASURED = {"value", "low", "high", "n", "seed", "device", "threads", "versions", "dataset"}  # may differ between seeds
NOT_IN_LABEL = MEASURED | {"notebook", "seeds", "unit", "profile", "split", "name", "arm", "setting"}

TELLING = {     # by notebook: the fields of the one or two records that say most; a list has any of these
    "00": {"name": "pixel nearest neighbour, 5-way 1-shot"},
    "01": {"name": ["largest |D - D*| on the bulk", "JSD of G's samples and real ones"]},
    "02": {"name": "modes covered", "arm": ["non-saturating, fast G", "non-saturating"]},
    "03": {"name": "Fréchet distance", "arm": ["real, held out", "your run"]},
    "04": {"name": "class-conditional accuracy", "data": "digits"},
    "05": {"name": "drawings nearest to their own example", "arm": ["recipe", "mended"]},
    "06": {"name": "20-way 1-shot within an alphabet", "arm": ["pixels", "distortion matching"]},
    "07": {"name": "5-way 1-shot", "arm": ["MAML", "FOMAML"], "setting": "inductive"},
    "08": {"name": ["class preservation: ProtoNet", "diversity"], "arm": "warp"},
    "09": {"arm": "GAN, test-time augmentation - no augmentation"},
    "10": {"name": "error, difference", "arm": ["GAN: support and query - no augmentation",
                                                "classical: support and query - no augmentation"]},
    "11": {"name": "error, difference", "learner": "ProtoNet", "arm": "G - no augmentation"},
    "12": {"name": "distance to the truth", "arm": ["GAN, warps", "flow, warps"]},
    "13": {"name": "accuracy", "arm": ["glyphs", "spoken"], "world": "spoken"},
    "14": {"name": "5-way 1-shot", "arm": ["time warping", "ProtoNet, warped copies"], "world": "new words, synthetic"},
    "15": {"name": "return after one real episode", "arm": ["real", "GAN"]},
}

# MathJax 3 in one file, out of a package that carries it
MATHJAX = Path(distribution("sphinx-mathjax-offline").locate_file("sphinx-mathjax-offline/static/mathjax/tex-svg.js"))


def write_report(folder, outcomes, parameters):
    """results.json and index.html of one dataset and seed, for what has ended so far; mathjax.js for its pages."""
    if not (folder / "mathjax.js").is_file():
        with atomic_path(folder / "mathjax.js") as part:
            shutil.copyfile(MATHJAX, part)
    found = {outcome.notebook: records_of(folder, outcome.notebook) for outcome in outcomes}
    rows = [_notebook_row(folder, outcome, found[outcome.notebook]) for outcome in outcomes]
    _write(folder, {"parameters": parameters, "versions": versions(), "notebooks": [asdict(o) for o in outcomes],
                    "results": [record for of_one in found.values() for record in of_one]}, "run", f"""
{_table("<tr><th>notebook<th>status<th>minutes<th>headline numbers, 95 % intervals<th>figures", rows, "run")}""")


def write_sweep(folder, todo, outcomes, parameters):
    """results.json and index.html of many datasets and seeds. outcomes: {job: Outcome} of what has ended so far."""
    done = [job for job in todo if job in outcomes]
    found = _found(folder, done)
    names = list(dict.fromkeys(job.dataset for job in todo))
    numbers = summary(found)
    report = {"parameters": {**parameters, "dataset": names, "seed": list(dict.fromkeys(job.seed for job in todo))},
              "versions": versions(),
              "jobs": [{"folder": job.folder, "dataset": job.dataset, "seed": job.seed, **asdict(outcomes[job])}
                       for job in done],
              "summary": numbers, "results": [{**record, "folder": job.folder} for job, record in found]}
    told, others = _told(numbers)
    heads = "".join(f"<th>{html.escape(datasets.short_name(name))}" for name in names)
    first, rest = (_table(f"<tr><th>notebook<th>number{heads}", [f"<tr><td>{stem}<td>{html.escape(name)}" + "".join(
        f"<td>{html.escape(shown(by_dataset[d])) if d in by_dataset else ''}" for d in names)
        for (stem, name), by_dataset in rows.items()]) for rows in (told, others))
    jobs = [_job_row(job, outcomes.get(job)) for job in todo]
    _write(folder, report, "sweep", f"""
<p>{len(done)} of {len(todo)} jobs done.</p>
<h2>Mean over seeds, 95 % intervals over seeds (Student's t)</h2>
{first}{_folded(len(others), rest)}
<h2>Jobs</h2>
{_table("<tr><th>run<th>notebook<th>status<th>minutes", jobs)}""")


def _found(folder, jobs):
    """[(job, record)] of all that these jobs have left."""
    return [(job, record) for job in jobs for record in records_of(folder / job.folder, job.notebook.stem)]


# The page of a notebook is nbconvert's, but for what comes from other servers, the set-up for Colab and its widths.
NOTEBOOK = """{% extends "lab/index.html.j2" %}
{% block html_head_js %}{% endblock %}
{% block html_head_js_mermaidjs %}{% endblock %}
{% block jupyter_widgets %}{% endblock %}
{% block data_widget_view %}<p><em>Something to play with stands here in JupyterLab.</em></p>{% endblock %}
{% block any_cell %}{% if "colab" not in cell.metadata.get("tags", []) %}{{ super() }}{% endif %}{% endblock %}
{% block html_head_js_mathjax %}
<script>MathJax = {tex: {inlineMath: [["$", "$"]], processEscapes: true}, options: {enableMenu: false}}</script>
<script async src="mathjax.js"></script>
{% endblock %}
{% block html_head_css %}
<style>
 body.jp-Notebook { --jp-content-font-size1: 16px }
 main { max-width: 70rem; margin: 0 auto }
 .jp-RenderedMarkdown :is(p, li, blockquote) { max-width: 60ch }    /* some 80 letters, which are narrower than a 0 */
 .jp-RenderedMarkdown :not(pre) > code { overflow-wrap: break-word }
 .jp-RenderedHTMLCommon table { display: block; width: fit-content; max-width: 100%; overflow-x: auto }
 .jp-OutputArea-output pre { white-space: pre; word-break: normal; overflow-x: auto }
 .highlight pre { overflow-x: auto }
 mjx-container[display] { overflow: auto hidden }
 mjx-container[display] > svg { max-width: none }
 @media (max-width: 50rem) { .jp-InputPrompt, .jp-OutputPrompt { display: none } }
</style>
{% endblock %}
"""

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Course {kind} {name}</title>
<style>
 body {{ font: 17px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #222 }}
 p {{ max-width: 60ch; overflow-wrap: break-word }}     /* some 80 letters */
 .wide {{ overflow-x: auto; margin-bottom: 2rem }}
 table {{ border-collapse: collapse; width: 100% }}
 th, td {{ text-align: left; vertical-align: top; padding: .5rem .8rem; border-top: 1px solid #ccc }}
 td p {{ margin: 0 0 .4rem; min-width: 16rem }}
 summary {{ cursor: pointer; color: #555; margin-bottom: .4rem }}
 img {{ max-height: 7rem; max-width: 14rem; margin: 0 .5rem .5rem 0; border: 1px solid #ddd; vertical-align: top }}
 .ok {{ color: #00613f }} .failed, .interrupted {{ color: #a33b00; font-weight: bold }}
 @media (max-width: 50rem) {{       /* a phone: what stands side by side goes below one another */
  .run tr {{ display: block; border-top: 1px solid #ccc; padding: .8rem 0 }}
  .run tr:first-child {{ display: none }}
  .run td {{ border: 0; padding: 0 1rem .4rem 0 }} .run td:nth-child(n + 4) {{ display: block }}
  .run td:nth-child(3)::after {{ content: ' min' }}
  img {{ max-height: 5rem; max-width: 10rem }}
 }}
</style>
<h1>Course {kind} {name}</h1>
<p>{parameters}. Python {python}, torch {torch}. All numbers: <a href="results.json">results.json</a>.</p>{tables}
</html>
"""


def _write(folder, report, kind, tables):
    with atomic_path(folder / "results.json") as part:
        part.write_text(json.dumps(report, indent=1, default=str) + "\n", encoding="utf-8")
    given = {key: value if isinstance(value, list) else [value] for key, value in report["parameters"].items()}
    parameters = "; ".join(f"{key} {', '.join(map(str, values))}" for key, values in given.items())
    with atomic_path(folder / "index.html") as part:
        part.write_text(_PAGE.format(kind=kind, name=folder.name, parameters=html.escape(parameters), tables=tables,
                                     **versions()), encoding="utf-8")


def _table(heads, rows, kind="numbers"):
    return f'<div class="wide"><table class="{kind}">{heads}\n' + "\n".join(rows) + "\n</table></div>"


def _folded(count, content):
    return f"<details><summary>{_more(count)}</summary>{content}</details>" if count else ""


def _more(count):
    return f"{count} more number{'s' * (count != 1)}"


def _notebook_row(folder, outcome, found):
    page = f"{outcome.notebook}.html"
    name = f'<a href="{page}">{outcome.notebook}</a>' if (folder / page).is_file() else outcome.notebook
    first, rest = telling(outcome.notebook, found)
    lines, more = ("".join(f"<p>{html.escape(headline(record))}</p>" for record in part) for part in (first, rest))
    figures = sorted((folder / "figures").glob(f"{outcome.notebook[:2]}_*.png"))
    images = "".join(f'<a href="figures/{f.name}"><img src="figures/{f.name}" alt="{f.stem}"></a>' for f in figures)
    return f"<tr><td>{name}{_status(outcome)}<td>{lines}{_folded(len(rest), more)}<td>{images}</tr>"


def _job_row(job, outcome):
    run, link = html.escape(job.folder), quote(job.folder)
    if outcome is None:
        return f"<tr><td>{run}<td>{job.notebook.stem}<td>not finished<td>"
    return f'<tr><td><a href="{link}/index.html">{run}</a><td>{job.notebook.stem}{_status(outcome)}'


def _status(outcome):
    return (f'<td class="{outcome.status}">{outcome.status}<br><small>{html.escape(outcome.error)}</small>'
            f"<td>{outcome.minutes:.1f}")


def records_of(folder, stem):
    """The records that notebook `stem` left in the run `folder`."""
    try:
        return records.read(folder / "figures" / "results" / f"{stem}.jsonl")
    except (OSError, ValueError):       # it has none, or they are damaged, as its `Outcome` says
        return []


def telling(stem, found):
    """The one or two of a notebook's records that say most, by `TELLING`, and the rest. If it names none, the first."""
    wanted = {key: value if isinstance(value, list) else [value] for key, value in TELLING.get(stem[:2], {}).items()}
    fit = [record for record in found if all(record.get(key) in values for key, values in wanted.items())]
    first = fit[:2] if wanted and fit else found[:1]
    return first, [record for record in found if not any(record is other for other in first)]


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
        first, rest = telling(o.notebook, records_of(folder, o.notebook))
        lines += [f"{'':<{width}}  {text}" for text in [*map(headline, first), *_elsewhere(rest)]]
    return lines


def sweep_table(folder, outcomes):
    """The summary of a sweep as lines of text: for each notebook and number, a line for each dataset.

    outcomes: {job: Outcome} of what has ended.
    """
    told, others = _told(summary(_found(folder, outcomes)))
    lines, width = [], max((len(name) for _, name in told), default=0)
    for stem in dict.fromkeys(stem for stem, _ in told):
        lines.append(stem)
        lines += [f"  {name:<{width}}  {datasets.short_name(dataset)}  {shown(number)}"
                  for (of, name), by_dataset in told.items() if of == stem for dataset, number in by_dataset.items()]
        lines += [f"  {text}" for text in _elsewhere([name for of, name in others if of == stem])]
    return lines


def _elsewhere(rest):
    return [f"... and {_more(len(rest))} in results.json"] if rest else []


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


def _told(numbers):
    """`_rows` in two: those of the one or two numbers of each notebook and dataset that say most, and the rest."""
    groups, rows = {}, _rows(numbers)
    for number in numbers:
        groups.setdefault((number["notebook"], number["dataset"]), []).append(number)
    told = [number for (stem, _), group in groups.items() for number in telling(stem, group)[0]]
    first = {key: by_dataset for key, by_dataset in rows.items()
             if any(number is other for number in by_dataset.values() for other in told)}
    return first, {key: by_dataset for key, by_dataset in rows.items() if key not in first}


def _rows(numbers):
    """{(notebook, label): {dataset: number}}, notebooks in order; numbers with the same label get a count."""
    rows = {}
    for number in sorted(numbers, key=lambda number: number["notebook"]):
        name, count = label(number), 1
        while number["dataset"] in rows.get((number["notebook"], name), ()):
            name = f"{label(number)} ({(count := count + 1)})"
        rows.setdefault((number["notebook"], name), {})[number["dataset"]] = number
    return rows
