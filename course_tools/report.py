"""The numbers of the course on one page, and RESULTS.md's tables of them.

`course report` prints every headline number, that is, those of RESULTS.md and of the notebooks' answers, each with its
95 % interval, where it comes from, and what has been published beside it. cog puts `table(name)` into RESULTS.md (`make
tables`). Whether the texts state these numbers is for tests/test_claims.py to say.
"""

import json
import re
import textwrap

from course_files.writing import atomic_path
from course_lib.runtime import project_root

from . import records

ONE_SHOT = "20-way 1-shot, within alphabet"
HEADLINES = {       # by the text that states them: (file, fields of the records); a list has any of these
    "RESULTS": [("resemblance", {"name": "5-way 1-shot", "split": ["all", "test"]})],
    "00": [("00_start_here", {"name": "pixel nearest neighbour, 5-way 1-shot"})],
    "01": [("01_the_gan_game", {})],
    "02": [("02_making_it_train", {"name": "modes covered"})],
    "03": [("03_drawing_characters", {"name": ["Fréchet distance", "precision", "coverage", "memorisation"],
                                      "arm": ["real, held out", "your run", "long run"]})],
    "04": [("04_conditions", {"data": "digits"})],
    "05": [("05_autopsy", {"name": "drawings nearest to their own example"})],
    "06": [("06_episodes", {"name": "5-way 1-shot"}),
           ("few_shot", {"name": "20-way 1-shot within alphabet", "arm": "ProtoNet", "seed": "all"}),
           ("published", {"arm": "people"})],
    "07": [("few_shot", {"name": "5-way 1-shot", "seed": "all"})],
    "08": [("08_from_one_example", {"name": ["class preservation: ProtoNet", "diversity"],
                                    "arm": ["people", "pixel", "warp"]}),
           ("08_from_one_example", {"name": "distance to the truth"})],
    "09": [("trial", {}), ("augmentation", {"name": f"{ONE_SHOT}, difference", "arm": [
               "GAN - no augmentation", "GAN - classical", "GAN, test-time augmentation - no augmentation",
               "GAN, test-time augmentation - classical, test-time augmentation"]}),
           ("parts", {})],
    "10": [("10_where_samples_help", {"name": "error, difference"}),
           ("placements", {"name": "error", "arm": ["no augmentation", "GAN: support and query"]})],
    "11": [("11_why_it_helps", {"name": "slope on the example", "arm": ["people", "G"], "of": ["place across", "slant"],
                                "world": "raw"}),
           ("11_why_it_helps", {"name": "error", "arm": "no augmentation", "learner": "ProtoNet"}),
           ("11_why_it_helps", {"name": "error, difference", "learner": "ProtoNet", "world": "raw", "arm": [
               f"{arm} - no augmentation" for arm in ("G", "only G's place", "G without its place", "no G: centred")]}),
           ("11_why_it_helps", {"name": "error, difference", "learner": "ProtoNet", "world": "normalised", "arm": [
               f"{arm} - no augmentation" for arm in ("G", "G, shuffled", "a Gaussian", "regression, best of 4")]}),
           ("11_why_it_helps", {"name": [f"error in features, difference, {how}" for how in ("predicted", "measured")],
                                "arm": ["both sides", "both sides, copies by G"]})],
    "12": [("other_generators", {"name": [
               "class preservation", "diversity", "distance to the truth", "distance of each seed", "seconds",
               "samples a second", "gain, distortion matching in pixels", "gain, fine-tuning the head"],
                                 "budget": "short"}),
           ("little_data", {"name": ["distance to the truth", "D's overfit", "share of runs within 10 % of the best",
                                     "spread between seeds, relative"]})],
    "13": [("worlds", {"name": ["mean accuracy", "mean gain", "mean gain, 5-way 1-shot"]}),
           ("worlds", {"name": "accuracy", "world": "fashion", "copies": "none"})],
    "14": [("speech", {"name": ["accuracy", "accuracy, difference"]}),
           ("text", {"name": ["gain, prototypes", "against regression, prototypes"], "k_shot": 1})],
    "15": [("acting", {"name": ["return", "return, against real", "return, against ridge", "return, against regression",
                                "log of steps saved", "return of meta-learners"]})],
}


class _Record(dict):
    """A record that names its file when it lacks a field."""

    def __init__(self, path, fields):
        super().__init__(fields)
        self.path = path

    def __missing__(self, key):
        raise ValueError(f"{self.path} has a record without {key!r}: {str(dict(self))[:80]}. Run again what wrote it.")


def load():
    """{file: records} of figures/results, published accuracies among them as records in [0, 1].

    Raises ValueError that names the file with a damaged line or record.
    """
    paths = sorted((project_root() / "figures" / "results").glob("*.jsonl"))
    results = {path.stem: [_Record(path, record) for record in records.read(path)] for path in paths}
    results["published"] = [_of_paper(row, name, text) for row in results.get("published", [])
                            for name, text in row["accuracy"].items()]
    return results


def _of_paper(row, name, text):
    """text: "98.7" or "98.7 ± 0.4", in %."""
    if not re.fullmatch(r"\d+(\.\d+)?( ± \d+(\.\d+)?)?", str(text)):
        raise ValueError(f"{row.path} says {text!r} for {name!r}. Write for instance 98.7 ± 0.4.")
    value, half = (float(number) / 100 for number in (*text.split(" ± "), "0")[:2])
    return _Record(row.path, {**row, "name": name, "text": text, "value": value, "low": value - half,
                              "high": value + half})


def select(results, file, **fields):
    """The records of a file with these fields; a list has any of its values, and each must occur. Else ValueError."""
    wanted = {key: value if isinstance(value, list) else [value] for key, value in fields.items()}
    if not results.get(file):
        raise ValueError(f"figures/results/{file}.jsonl is not there, or empty")
    found = [r for r in results[file] if all(r.get(key) in values for key, values in wanted.items())]
    for key, values in wanted.items():
        if missing := [value for value in values if all(r.get(key) != value for r in found)]:
            raise ValueError(f"figures/results/{file}.jsonl has no record of {key} = {missing[0]!r} among {fields}")
    return found


# A table is a function of all results that returns rows of cells, the first of them its header. A cell is a text or a
# record.


def _trial(results):
    plain = [["arm", "generators and networks a fold", "accuracy in %", "less that of classical copies"]]
    for arm in select(results, "trial", name="accuracy"):
        against = [(r, sign) for r in results["trial"] for sign, pair in ((1, f"{arm['arm']} - classical"),
                   (-1, f"classical - {arm['arm']}")) if (r["name"], r["arm"]) == ("difference", pair)]
        plain.append([arm["arm"], str(arm["seeds"]), arm, _signed(*against[0]) if against else "-"])
    return plain


def _signed(record, sign):
    """A difference, or with sign -1 the difference of the same arms the other way round."""
    if sign == 1:
        return record
    return unbroken(f"{-100 * record['value']:.1f} ± {50 * (record['high'] - record['low']):.1f}")


def _chances(results):
    apart = {r["arm"].split(" - ")[0]: r for r in results["chances"] if r["name"] != "error"}
    return [["learner", "error in %", "less that of", "difference"]] + [
        [r["arm"], r, *([apart[r["arm"]]["arm"].split(" - ")[1], apart[r["arm"]]] if r["arm"] in apart else ["-", "-"])]
        for r in select(results, "chances", name="error")]


def _predicted(results):
    name = "error in features, difference"
    return [["placement", "predicted change of the error", "measured"]] + [
        [r["arm"], _one(results, "11_why_it_helps", name=f"{name}, predicted", arm=r["arm"]), r]
        for r in select(results, "11_why_it_helps", name=f"{name}, measured")]


def _other_generators(results):
    rows = [["who draws", "trained for", "class preservation in %", "diversity", "distance to the truth",
             "gain of matching", "gain of fine-tuning", "drawings a second", "failed seeds"]]
    for kept in select(results, "other_generators", name="class preservation"):
        same = {key: kept[key] for key in ("arm", "budget")}
        found = {r["name"]: r for r in select(results, "other_generators", **same)}
        gains = [found.get(f"gain, {name}", "-") for name in ("distortion matching in pixels", "fine-tuning the head")]
        speed, failed = (found.get(name) for name in ("samples a second", FAILED))
        rows.append([kept["arm"], BUDGETS[kept["budget"]], kept,
                     _ratio(found["diversity"]), _ratio(found["distance to the truth"]), *gains,
                     f"{speed['value']:,.0f}" if speed else "-",
                     f"{round(failed['n'] * failed['value'])} of {failed['n']}" if failed else "-"])
    return rows


BUDGETS = {"-": "-", "short": "1 minute", "long": "4 minutes", "halved": "1 minute, warps halved",
           "shuffled": "1 minute, warps shuffled"}
FAILED = "seeds farther from the truth than classical copies"


def _little_data(results):
    alphabets = sorted({r["alphabets"] for r in select(results, "little_data", name="diversity")})
    rows = [["recipe", *(f"{n} alphabet{'s' if n > 1 else ''}" for n in alphabets), "D's overfit, 1 alphabet",
             "runs near the best in %", "spread between seeds in %"]]
    for near in select(results, "little_data", name="share of runs within 10 % of the best"):
        arm = near["arm"]
        distances = [_one(results, "little_data", name="distance to the truth", arm=arm, alphabets=n)
                     for n in alphabets]
        overfit = _one(results, "little_data", name="D's overfit", arm=arm, alphabets=alphabets[0])
        spread = _one(results, "little_data", name="spread between seeds, relative", arm=arm)
        rows.append([arm, *map(_ratio, distances), _ratio(overfit), f"{100 * near['value']:.0f}",
                     f"{100 * spread['value']:.0f}"])
    return rows


def _worlds(results):
    first = select(results, "worlds", name="accuracy", copies="none")
    worlds = list(dict.fromkeys(r["world"] for r in first))
    homes = [name for name in worlds if any(r["arm"] == name for r in first)]

    def cell(home, world):
        return next((r for r in first if (r["arm"], r["world"]) == (home, world)), "-")
    rows = [["trained in", *worlds], *([home, *(cell(home, world) for world in worlds)] for home in homes)]
    others = [cell(f"all but {world}" if world in homes else "all", world) for world in worlds]
    return [*rows, ["all other worlds", *others], *([name, *(cell(name, world) for world in worlds)]
                                                    for name in ("all", "pixels"))]


def _worlds_gains(results):
    gains = select(results, "worlds", name="gain")
    worlds = list(dict.fromkeys(r["world"] for r in gains))
    homes = [name for name in worlds if any(r["arm"] == name for r in gains)]
    return [["trained in", "copies", *worlds]] + [
        [home, copies, *(_one(results, "worlds", name="gain", arm=home, copies=copies, world=world)
                         for world in worlds)]
        for home in homes for copies in ("classical", "G, own", "G, other worlds")]


def _crossing(results):
    name = "gain, 5-way 1-shot"
    gains = select(results, "worlds", name=name)
    worlds, arms = (list(dict.fromkeys(r[key] for r in gains)) for key in ("world", "arm"))
    return [["copies by", *worlds]] + [
        [arm if arm == "classical" else f"G of {arm}", *(_one(results, "worlds", name=name, arm=arm, world=world)
                                                        for world in worlds)] for arm in arms]


def _speech(results):
    people = ("two people", "one person")
    rows = [["learner or difference", *(f"example and queries by {who}" for who in people)]]
    for name in ("accuracy", "accuracy, difference"):
        arms = dict.fromkeys(r["arm"] for r in select(results, "speech", name=name))
        rows += [[arm, *(_one(results, "speech", name=name, arm=arm, who=who) for who in people)] for arm in arms]
    return rows


def _text(results):
    kinds = [(learner, k) for learner in ("prototypes", "logistic head") for k in (1, 5)]
    rows = [["languages", "arm", *(f"{learner}, {k}-shot" for learner, k in kinds)]]
    for plain in select(results, "text", name="accuracy, prototypes", k_shot=1):
        same = {"arm": plain["arm"], "world": plain["world"]}
        name = "accuracy" if plain["arm"] == "none" else "gain"
        rows.append([plain["world"], plain["arm"] if name == "accuracy" else f"{plain['arm']}, gain",
                     *(_one(results, "text", name=f"{name}, {learner}", k_shot=k, **same) for learner, k in kinds)])
    return rows


def _acting(results):
    families = list(dict.fromkeys(r["family"] for r in select(results, "acting", name="return")))
    budgets = [1, 4, 5, 16, 40]
    columns = [(f, k) for f in families for k in budgets if any(
        r["family"] == f and r["episodes"] == k for r in select(results, "acting", name="return"))]
    rows = [["arm", *(f"{f}, {k} real episode{'s' * (k > 1)}" for f, k in columns)]]
    for arm in ("real", "ridge", "regression", "GAN", "regression + real", "GAN + real"):
        found = [_one(results, "acting", name="return", arm=arm, family=f, episodes=k) for f, k in columns]
        rows.append([arm, *map(_plain, found)])
    return rows


def _plain(record):
    return unbroken(f"{record['value']:.1f} ± {(record['high'] - record['low']) / 2:.1f}")


def _ratio(record):
    return unbroken(f"{record['value']:.2f} ± {(record['high'] - record['low']) / 2:.2f}")


def _augmented(results, arms, differences):
    columns = [arm.replace(", test-time augmentation", "") for arm in (*arms, *differences)]
    rows = [["learner", *columns]]
    for plain in select(results, "augmentation", name=ONE_SHOT, arm="no augmentation"):
        same = {"learner": plain["learner"]}
        rows.append([plain["learner"], *(_one(results, "augmentation", name=ONE_SHOT, arm=arm, **same) for arm in arms),
                     *(_one(results, "augmentation", name=f"{ONE_SHOT}, difference", arm=arm, **same)
                       for arm in differences)])
    return rows


def _augmentation(results):
    return _augmented(results, ["no augmentation", "classical", "GAN", "GAN + classical", "oracle"],
                      ["GAN - no augmentation", "GAN - classical"])


def _test_time(results):
    generated, classical = (f"{name}, test-time augmentation" for name in ("GAN", "classical"))
    return _augmented(results, ["no augmentation", classical, generated, "oracle"],
                      [f"{generated} - no augmentation", f"{generated} - {classical}"])


def _parts(results):
    return [["part", "error in %"]] + [[r["arm"], r] for r in select(results, "parts", name="error")]


def _placements(results):
    half, generated = "half classical: support and query", "GAN: support and query"
    return [["in training", "at test time", "error in %"]] + [
        [arm, at_test, _one(results, "placements", name="error", arm=arm, at_test=at_test)] for arm, at_test in (
            ("no augmentation", "no augmentation"), (half, "no augmentation"),
            (half, "support and query, half classical"), (generated, "no augmentation"),
            (generated, "support and query, GAN"))]


def _few_shot(results):
    kinds = ["5-way 1-shot", "5-way 5-shot", "20-way 1-shot", "20-way 1-shot within alphabet"]
    rows = [["trained and tested on", "learner", "setting", *kinds]]
    for dataset in ("omniglot", "glyphs"):
        for first in select(results, "few_shot", name=kinds[0], dataset=dataset):
            if first["seed"] == "all" or "pixels" in first["arm"]:
                same = {key: first[key] for key in ("dataset", "arm", "setting", "seed")}
                rows.append([dataset, first["arm"], first["setting"],
                             *(_one(results, "few_shot", name=kind, **same) for kind in kinds)])
    return rows


def _official(results):
    rows = [["learner", "background alphabets", "setting", "error in %"]]
    rows += [["ProtoNet and GAN (ours, an earlier version)", "5 (small1)", ours["setting"], ours]
             for ours in select(results, "official")]
    return rows + [[row["arm"], row["alphabets"], row["setting"], f"{100 - 100 * row['value']:.1f}"]
                   for row in sorted(select(results, "published"), key=lambda row: -row["value"])
                   if row["name"] == ONE_SHOT.replace(",", "") and ("5" in row["alphabets"] or row["arm"] == "people")]


def _threads(results):
    rows = [["threads", "alone", "beside two busy processes"]]
    for idle in select(results, "threads", machine="idle"):
        rows.append([idle["arm"], idle, _one(results, "threads", machine="busy", arm=idle["arm"])])
    return rows


def _meta_steps(results):
    rows = [["inner steps, filters", "ours", "cloned modules", "higher", "ours is faster by", "memory, MiB"]]
    for ours in select(results, "meta_steps", name="second-order meta-step", arm="ours"):
        same = {key: ours[key] for key in ("name", "steps", "width")}
        row = [_one(results, "meta_steps", arm=arm, **same) for arm in rows[0][1:4]]
        rows.append([f"{ours['steps']}, {ours['width']}", *row, " and ".join(f"{r['faster']:.2f}" for r in row[1:]),
                     ", ".join(f"{r['memory']:.0f}" for r in row)])
    return rows


def _one(results, file, **fields):
    record, = select(results, file, **fields)
    return record


TABLES = {"trial": _trial, "chances": _chances, "predicted": _predicted, "augmentation": _augmentation,
          "test_time": _test_time, "other_generators": _other_generators, "little_data": _little_data,
          "worlds": _worlds, "worlds_gains": _worlds_gains, "crossing": _crossing, "speech": _speech, "text": _text,
          "acting": _acting, "parts": _parts, "placements": _placements, "official": _official, "few_shot": _few_shot,
          "threads": _threads, "meta_steps": _meta_steps}


def table(name):
    """RESULTS.md's table of this name, in Markdown."""
    return _markdown(TABLES[name](load()))


SHOWN = {"seconds": lambda median: f"{1000 * median:.0f} ms", "iterations/s": "{:.1f}".format}


def unbroken(text):
    """A number that no table breaks over two lines."""
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def _markdown(rows):
    def text(cell):
        if isinstance(cell, str):
            return cell
        if cell["unit"] in SHOWN:
            return unbroken(SHOWN[cell["unit"]](cell["median"]))
        return unbroken(records.percent(cell)[:-2])
    lines = [f"| {' | '.join(map(text, row))} |" for row in rows]
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]])


def headlines(results):
    """What the report shows: each record of this course that RESULTS.md, its tables or a notebook's answer state.

    Each is its record with four fields more: of, text, source and published.
    """
    stated = [record for entries in HEADLINES.values() for file, fields in entries
              for record in select(results, file, **fields)]
    stated += [cell for rows in TABLES.values() for row in rows(results) for cell in row if not isinstance(cell, str)]
    known = {id(record) for record in stated}
    return [_Record(record.path, {
        **record, "of": _of(record), "text": _text(record), "published": _beside(record, results["published"]),
        "source": f"notebooks/{file}.ipynb" if file[0].isdigit() else record.get("source", f"studies/{file}.py")})
            for file, found in results.items() if file != "published" for record in found if id(record) in known]


def _of(record):
    said = [record.get(key) for key in ("arm", "at_test", "learner", "setting", "dataset", "data")]
    sizes = [f"{key} {record[key]}" for key in ("versions_of_each", "steps", "width", "seed") if key in record]
    return ", ".join([text for text in said if text not in (None, "", "-")] + sizes)


def _text(record):
    if record["unit"] in ("accuracy", "error", "fraction"):
        return records.percent(record).replace("%", "points" if "difference" in record["name"] else "%")
    unit = "" if record["unit"] == record["name"] else f" {record['unit']}"
    return f"{record['value']:.3g} ± {(record['high'] - record['low']) / 2:.2g}{unit}"


def _beside(record, published):
    """What was published for this learner, kind of episodes and setting: ['69.9 (5 (minimal); Lake et al. 2019)']."""
    if not record.get("dataset", "").startswith("omniglot"):
        return []
    kind = record["name"].replace(", within", " within")
    same = kind, record.get("learner") or record["arm"], record["setting"]
    return [(row["text"] if record["unit"] == "accuracy" else f"{100 - 100 * row['value']:.1f}")
            + f" ({row['alphabets']}; {row['source']})"
            for row in published if (row["name"], row["arm"], row["setting"]) == same]


NOTE = ("95 % intervals, over what each source says. Published: on Omniglot, of the same learner, episodes and setting "
        "(alphabets it learned from; source).")


def save(folder, rows):
    """report.json and report.md in `folder`."""
    page = [["number", "of", "value", "n", "published", "source", "profile", "device"]] + [
        [row["name"], row["of"], row["text"], str(row["n"]), "; ".join(row["published"]) or "-", row["source"],
         row.get("profile", "-"), row["device"]] for row in rows]
    page = _markdown([[cell.replace("|", "\\|") for cell in row] for row in page])
    for name, content in (("report.md", f"# The numbers of the course\n\n{NOTE}\n\n{page}\n"),
                          ("report.json", json.dumps(rows, indent=1, ensure_ascii=False) + "\n")):
        with atomic_path(folder / name) as part:
            part.write_text(content, encoding="utf-8")


def lines(rows):
    """The headline numbers for a terminal, at most 120 columns."""
    yield from textwrap.wrap(NOTE, 120)
    before = {}
    for row in rows:
        if row["source"] != before.get("source"):
            yield f"\n{row['source']} (profile {row.get('profile', '-')}, device {row['device']})"
        if (row["source"], row["name"]) != (before.get("source"), before.get("name")):
            yield f"  {row['name']}"
        published = f"; published: {'; '.join(row['published'])}" if row["published"] else ""
        yield from textwrap.wrap(f"{row['text']:<24} {row['of']} (n {row['n']}){published}", 120, initial_indent="    ",
                                 subsequent_indent=" " * 29)
        before = row
