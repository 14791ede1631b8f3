"""The numbers of the course on one page, and README's tables of them.

`course report` prints every headline number, that is, those of README and of the notebooks' answers, each with its 95 %
interval, where it comes from, and what has been published beside it; then the faults that `claims` finds.
`course report --write` renews README's tables first: each stands between two comments, <!-- table: NAME --> and
<!-- end of table -->, where NAME is one of TABLES.
"""

import json
import re
import subprocess
import textwrap
from contextlib import suppress
from itertools import zip_longest
from pathlib import Path

from course_lib.records import percent
from course_lib.runtime import atomic_path

from . import claims
from .claims import Fault

#
# {NAME: function of {file: records} that returns rows of cells, the first the header}. A cell is a text, or
# (text, record) where it shows a record.


def _plain(record):
    return percent(record).removesuffix(" %"), record


KIND = "20-way 1-shot, within alphabet"


def _study(results, arms, differences):
    study = {}
    for r in results["augmentation"]:
        study.setdefault((r["dataset"], r["learner"], r["setting"]), {})[r["name"], r["arm"]] = r
    columns = [(KIND, arm) for arm in arms] + [(f"{KIND}, difference", arms) for arms in differences]
    return [["characters", "learner", "setting", *(arm for _, arm in columns)]] + [
        [*about, *map(_plain, map(cells.get, columns))] for about, cells in study.items() if columns[0] in cells]


def _augmentation(results):
    arms = ("none", "classical", "GAN", "GAN + classical", "real")
    return _study(results, arms, ("GAN - none", "GAN - classical"))


def _voted(results):
    return _study(results, ("none", "classical, queries too", "GAN, queries too", "real"),
                  ("GAN, queries too - none", "GAN, queries too - classical, queries too"))


def _challenge(results):
    error = {tuple(r["arm"].split("|")): r for r in results["augmentation"] if r["name"] == "challenge"}
    versions = list(dict.fromkeys(at_test for _, at_test in error))
    return [["variations in training", *(f"versions at test time: {at_test}" for at_test in versions)]] + [
        [taught, *(_plain(error[taught, at_test]) for at_test in versions)]
        for taught in dict.fromkeys(taught for taught, _ in error)]


def _placements(results):
    error = {(r["arm"], r["at_test"]): r for r in results["placements"] if r["name"] == "error"}
    rows = [["variations in training", "versions at test time", "error, 20-way 1-shot within an alphabet"]]
    for key in (("nowhere", "nothing"), ("half classical: support and query", "nothing"),
                ("half classical: support and query", "support and query, half classical"),
                ("GAN: support and query", "nothing"), ("GAN: support and query", "support and query, GAN")):
        rows.append([*key, (percent(error[key]), error[key])])
    return rows


def _few_shot(results):
    rows = {}
    for r in results["few_shot"]:
        if "difference" not in r["name"] and (r["seed"] == "all" or "pixels" in r["arm"]):
            rows.setdefault((r["dataset"], r["arm"], r["setting"]), {})[r["name"]] = _plain(r)
    kinds = list(next(iter(rows.values())))
    return [["trained and tested on", "learner", "setting", *kinds]] + [
        [*key, *(cells[kind] for kind in kinds)]
        for key, cells in sorted(rows.items(), key=lambda row: row[0][0], reverse=True)]


def _meta_steps(results):
    sizes = {}
    for r in results["meta_steps"]:
        if r["name"] == "second-order meta-step":
            sizes.setdefault(f"{r['steps']}, {r['width']}", {})[r["arm"]] = r
    rows = [["inner steps, filters", *next(iter(sizes.values())), "ours is faster by", "memory, MiB"]]
    for size, row in sizes.items():
        faster = " and ".join(f"{r['faster']:.2f}" for arm, r in row.items() if arm != "ours")
        memory = ", ".join(f"{r['memory']:.0f}" for r in row.values())
        rows.append([size, *((f"{1000 * r['median']:.0f} ms", r) for r in row.values()), faster, memory])
    return rows


TABLES = {"augmentation": _augmentation, "voted": _voted, "challenge": _challenge, "placements": _placements,
          "few_shot": _few_shot, "meta_steps": _meta_steps}


def table(name, results):
    """The rows of a table. Raises ValueError for an unknown one, and for one whose records are not there."""
    if name not in TABLES:
        raise ValueError(f"README has a table {name!r}. Name one of: {', '.join(TABLES)}.")
    try:
        return TABLES[name](results)
    except (LookupError, StopIteration) as error:
        raise ValueError(f"figures/results has no record {error} for the table {name}. Measure it, or change "
                         f"course_lib/report.py") from None


def markdown(rows):
    lines = [f"| {' | '.join(cell if isinstance(cell, str) else cell[0] for cell in row)} |\n" for row in rows]
    return "".join([lines[0], "|---" * len(rows[0]) + "|\n", *lines[1:]])


MARKED = re.compile(r"(<!-- table: (\w+) -->\n)(.*?)(<!-- end of table -->\n)", re.S)


def renewed(readme, results):
    """README's text with all its tables made anew."""
    return MARKED.sub(lambda match: match[1] + markdown(table(match[2], results)) + match[4], readme)


def stale_tables(readme, results):
    """A `Fault` for each table that README lacks or shows otherwise."""
    shown = {match[2]: match for match in MARKED.finditer(readme)}
    for name in dict.fromkeys([*TABLES, *shown]):
        if name not in shown:
            what = f"has no table {name}. Write <!-- table: {name} --> and <!-- end of table --> on lines of their own"
            yield Fault("README.md:1", f"{what} where it should stand, then: course report --write")
            continue
        line = readme.count("\n", 0, shown[name].start(3)) + 1
        try:
            new = markdown(table(name, results))
        except ValueError as error:
            yield Fault(f"README.md:{line}", str(error))
            continue
        if (old := shown[name][3]) != new:
            first = next((i for i, (a, b) in enumerate(zip(old.splitlines(), new.splitlines())) if a != b), 0)
            what = f"the table {name} is not what figures/results has. Run: course report --write"
            yield Fault(f"README.md:{line + first}", what)


def headlines(root, results):
    """What the report shows: a dict for each record that README, its tables or the answer of a notebook state."""
    notebooks = [path.stem for path in sorted((root / "notebooks").glob("[0-9][0-9]_*.ipynb"))]
    listed = claims.registry(root)
    found = [cell[1] for name in TABLES for row in table(name, results) for cell in row if isinstance(cell, tuple)]
    found += [r for notebook in notebooks for r in claims.headlines(results, listed, notebook)]
    found += claims.bound_records(results, listed)
    stated, days, rows = {id(record) for record in found}, _days(root), []
    for stem, records in results.items():
        source = f"notebooks/{stem}.ipynb" if stem in notebooks else f"benchmarks/{stem}.py"
        rows += [{"number": r["name"], "of": _about(r), "text": _text(r), "source": source,
                  "published": _published(r, results["published"]), "date": r.get("date") or days.get(stem, "-"),
                  **{key: r.get(key, "-") for key in ("value", "low", "high", "n", "unit", "profile", "device")}}
                 for r in records if id(r) in stated and stem != "published"]
    return rows


def _about(record):
    found = [str(record[key]) for key in ("arm", "at_test", "learner", "setting", "dataset", "data")
             if record.get(key) not in (None, "", "-")]
    found += [f"{key} {record[key]}" for key in ("versions_of_each", "steps", "width", "seed") if key in record]
    return ", ".join(found)


def _text(record):
    if record["unit"] in ("accuracy", "error", "share"):
        return percent(record).replace("%", "points" if "difference" in record["name"] else "%")
    unit = "" if record["unit"] == record["name"] else f" {record['unit']}"
    return f"{record['value']:.3g} ± {(record['high'] - record['low']) / 2:.2g}{unit}"


def _published(record, rows):
    """What was published for this learner, kind of episodes and setting: ['69.9 (5 (minimal); Lake et al. 2019)']."""
    if not record.get("dataset", "").startswith("omniglot"):
        return []
    kind = record["name"].replace("challenge", "20-way 1-shot within alphabet").replace(", within", " within")
    about = kind, record.get("learner") or record["arm"], record["setting"]
    return [(row["text"] if record["unit"] == "accuracy" else f"{100 - 100 * row['value']:.1f}")
            + f" ({row['alphabets']}; {row['source']})"
            for row in rows if (row["name"], row["arm"], row["setting"]) == about]


def _days(root):
    """{file of results: the day of its last commit, '2026-11-24'}, without those that have changed since."""
    def git(*words):
        command = ["git", *words, "--", "figures/results"]
        return subprocess.run(command, cwd=root, capture_output=True, text=True).stdout.splitlines()
    days, day = {}, ""
    with suppress(OSError):         # there may be no git
        for line in git("log", "--format=%cs", "--name-only"):
            if re.fullmatch(r"\d{4}-\d\d-\d\d", line):
                day = line
            days.setdefault(Path(line).stem, day)
        for line in git("status", "--porcelain"):
            days.pop(Path(line).stem, None)
    return days


def collect(root):
    """(headline numbers, faults) of the checkout in `root`."""
    results, readme = claims.load(root), (root / "README.md").read_text(encoding="utf-8")
    faults = [*stale_tables(readme, results), *claims.faults(root)]
    try:
        return headlines(root, results), faults
    except ValueError as error:     # one of the faults says where
        return [], faults or [Fault(claims.REGISTRY, str(error))]


def write_tables(root):
    """Renew the tables in README.md. Raises ValueError for one that cannot be made."""
    path = root / "README.md"
    text = renewed(path.read_text(encoding="utf-8"), claims.load(root))
    with atomic_path(path) as part:
        part.write_text(text, encoding="utf-8")


NOTE = ("95 % intervals, over what each source says. Published: on Omniglot, of the same learner, episodes and setting "
        "(alphabets it learned from; source). Date: of the record, else of the last commit; - if unknown.")


def save(folder, rows, faults):
    """report.json and report.md in `folder`."""
    page = [["number", "of", "value", "n", "published", "source", "profile", "device", "date"]] + [
        [row["number"], row["of"], row["text"], str(row["n"]), "; ".join(row["published"]) or "-",
         *(row[key] for key in ("source", "profile", "device", "date"))] for row in rows]
    page = [[cell.replace("|", "\\|") for cell in row] for row in page]
    text = "\n".join(["# The numbers of the course\n", NOTE + "\n", markdown(page), "## Faults\n",
                      *(f"* {fault}" for fault in faults or ["none"])]) + "\n"
    for name, content in (("report.md", text), ("report.json", json.dumps(
            {"numbers": rows, "faults": [fault._asdict() for fault in faults]}, indent=1, ensure_ascii=False) + "\n")):
        with atomic_path(folder / name) as part:
            part.write_text(content, encoding="utf-8")


def lines(rows):
    """The headline numbers for a terminal, at most 120 columns."""
    yield from textwrap.wrap(NOTE, 120)
    runs = {}
    for row in rows:
        run = f"{row['source']}  (profile {row['profile']}, device {row['device']}, {row['date']})"
        runs.setdefault(run, {}).setdefault(row["number"], []).append(row)
    for run, numbers in runs.items():
        yield f"\n{run}"
        for number, same in numbers.items():
            yield f"  {number}"
            for row in same:
                of, published = (textwrap.wrap(text, 44) for text in (row["of"], "; ".join(row["published"]) or "-"))
                for left, middle, right in zip_longest(of, [row["text"]], published, fillvalue=""):
                    yield f"    {left:<44}  {middle:<24}  {right}".rstrip()
