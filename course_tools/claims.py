"""What README and the notebooks say of numbers, held against figures/results/.

figures/results/claims.toml lists, for authors and for `faults`:

    [records] NAME = {file = "few_shot", ...}   a name for the records of a file that have these fields
    headline = [{in = "05", of = NAME, ...}]    records that the answer of a notebook states, and `course report` shows
    [[claim]]   in = "README" or the number of a notebook, says = its words, and what bears them:
                holds = [{of = NAME, ..., is = "low > 0"}], true of every record meant, or, with than = {fields that
                differ}, of each beside each of those: is = "low > than.high";
                numbers = [{of = NAME, ..., take = "100 * value", pick = "min"}], one for each {:.1f} in its words
    [[excuse]]  in = ... or "*", because = why they are no measurement of this course, says = [words]

A field may have a list (any of these, and each must occur) or "*" (anything). Relations are Python expressions over the
fields of a record. What looks like a measured number (QUANTITY) must stand in an excuse or be the {} of a claim; a word
that compares (WORDS) must stand in either, unless it only asks: "whether ...", "... can ...", "...?" (ASKS).
Not read: code, formulas, docstrings, titles of figures, what a notebook prints before its answer; numbers in words
("twice") and without a unit; other words that compare ("is worth little"): register such claims by hand.
"""

import json
import re
import statistics
import string
import tomllib
from types import SimpleNamespace
from typing import NamedTuple

REGISTRY = "figures/results/claims.toml"
WORDS = re.compile(r"\b(?:beats?|at least|at most|(?!other |rather |further )\w+er than|more than|less than|worse than|"
                   r"the most|the least|helps?|hurts?|harms?|wins?|loses?|no difference)\b", re.I)
ASKS = re.compile(r"\b(?:to\s+|(?:can|may|must|might|could|would)\s+(?:\w+\s+)?|(?:if|whether)\b[^.,;:!?]*)$", re.I)
N = r"[+−-]?\d+(?:,\d{3})*(?:\.\d+)?(?:e[+-]?\d+)?"
QUANTITY = re.compile(rf"(?<![\w.]){N}\s±\s{N}|±\s?{N}|(?<![\w.])[+−-]?\d+\.\d+(?:e[+-]?\d+)?(?!\.?\w)|"
                      rf"(?<![\w.]){N}(?=(?:\s(?:to|and|or)\s{N})?\s?(?:%|points\b|times\b))")
NO_QUANTITY = re.compile(r"(?:Python|python\.org has|torch|arXiv|section)[\s\d.]*(?:to\s)?$")      # what stands before
KEYS = {"of", "in", "file", "is", "than", "take", "pick"}


class Fault(NamedTuple):
    """Something to put right: where ("README.md:12") and what."""

    where: str
    what: str

    def __str__(self):
        return f"{self.where}: {self.what}"


def load(root):
    """{name of the file: its records} of root/figures/results; published accuracies as records, in [0, 1]."""
    results = {path.stem: json.loads(path.read_text(encoding="utf-8"))
               for path in sorted((root / "figures" / "results").glob("*.json"))}
    results["published"] = [_published(row, kind, text) for row in results.get("published", [])
                            for kind, text in row["accuracy"].items()]
    return results


def _published(row, kind, text):
    value, half = (float(number) / 100 for number in (*text.split(" ± "), "0")[:2])
    return {**row, "name": kind, "text": text, "value": value, "low": value - half, "high": value + half}


def registry(root):
    """claims.toml. Raises ValueError that says where it is not TOML."""
    try:
        return tomllib.loads((root / REGISTRY).read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{REGISTRY}: {error}. Correct it.") from None


def select(results, names, entry, file=None):
    """The records that `entry` of the registry means. names: {NAME: fields}; file: of an entry that names none.

    Raises ValueError that says which field to correct, if there is none (or none with one of the values of a list).
    """
    if "of" in entry and entry["of"] not in names:
        raise ValueError(f"there is no {entry['of']!r} under [records]")
    fields = {**names.get(entry.get("of"), {}), **entry}
    records = results.get(file := fields.get("file", file))
    if records is None:
        raise ValueError(f"there is no figures/results/{file}.json")
    wanted = {key: value if isinstance(value, list) else [value] for key, value in fields.items() if key not in KEYS}
    found = [r for r in records if all(values == ["*"] or r.get(key) in values for key, values in wanted.items())]
    for key, values in wanted.items():
        for value in values:
            if value != "*" and not any(r[key] == value for r in found):
                others = ", ".join(f"{k} = {v!r}" for k, v in wanted.items() if k != key)
                raise ValueError(f"figures/results/{file}.json has no record of {key} = {value!r} and {others}")
    return found


HELPERS = {"__builtins__": {}, "min": min, "max": max, "sum": sum, "abs": abs, "sorted": sorted,
           "median": statistics.median}


def evaluate(expression, record, than=None):
    """The value of a Python expression over the fields of a record, `half` (of its interval), and `than`'s."""
    def fields(r):
        return {**r, "half": (r["high"] - r["low"]) / 2}
    return eval(expression, HELPERS | fields(record) | ({"than": SimpleNamespace(**fields(than))} if than else {}))


def unsupported(results, names, support):
    """The first record (and the one beside it) of which the relation is false, in words; else None.

    Raises ValueError where nothing is compared.
    """
    fields, compared = names.get(support.get("of"), {}) | support, 0
    varying = {key for key, value in fields.items() if key not in KEYS and (isinstance(value, list) or value == "*")}
    for record in select(results, names, support):
        others = [None]
        if "than" in support:       # they differ from the record in the fields of `than` and in no other
            others = select(results, names, support | {key: record[key] for key in varying} | support["than"])
        for other in (other for other in others if other is not record):
            compared += 1
            if not evaluate(support["is"], record, other):
                return f"{_named(record)}{f', beside {_named(other)},' if other else ''} should have {support['is']}"
    if not compared:
        raise ValueError(f"no record is compared by {support['is']!r}")
    return None


def _named(record):
    keys = ("name", "arm", "learner", "setting", "dataset", "at_test", "data")
    what = ", ".join(record[key] for key in keys if record.get(key, "-") not in ("", "-"))
    return f"{what} = {record['value']:.4g} ({record['low']:.4g} to {record['high']:.4g})"


def number(results, names, entry):
    """The one number that an entry of `numbers` means."""
    found = [evaluate(entry["take"], record) for record in select(results, names, entry)]
    if "pick" in entry:
        found = [{"min": min, "max": max}[entry["pick"]](found)]
    if len(found) != 1:
        raise ValueError(f"{len(found)} records are meant by one number: give more fields, or pick = \"min\"")
    return found[0]


class Prose:
    """What a file says to its reader, each line where it stands in the file.

    text: all of it. said: the same length, with code, formulas, addresses and generated tables blanked.
    """

    def __init__(self, root, path, read=str):
        self.path, self.name = path.relative_to(root).as_posix(), path.stem
        self.text = read(path.read_text(encoding="utf-8"))
        self.said = self.text
        for noise in NOISE:
            self.said = re.sub(noise, lambda m: re.sub(r"\S", " ", m[0]), self.said, flags=re.S | re.M)
        self.bound, self.covered = [], []       # spans where numbers are checked; where words of comparison may stand

    def where(self, position):
        return f"{self.path}:{self.text.count(chr(10), 0, position) + 1}"

    def cover(self, says):
        """Excuse every occurrence of `says`; returns how many there are."""
        spans = [m.span() for m in re.finditer(_pattern(says), self.text)]
        self.bound += spans
        self.covered += spans
        return len(spans)

    def loose(self):
        """A `Fault` for whatever is neither claimed nor excused."""
        for m in QUANTITY.finditer(self.said):
            numbers = [(m.start() + n.start(), m.start() + n.end()) for n in re.finditer(N, m[0])]
            if not (all(_inside(n, self.bound) for n in numbers) or self._before(NO_QUANTITY, m) or self._asked(m)):
                what = f"nothing binds {' '.join(m[0].split())!r} to a record: do it in a [[claim]] of {REGISTRY}, or"
                yield Fault(self.where(m.start()), f"{what} [[excuse]] it there")
        for m in WORDS.finditer(self.said):
            if not (_inside(m.span(), self.covered) or self._before(ASKS, m) or self._asked(m)):
                words = " ".join(self.text[max(m.start() - 30, 0):m.end() + 30].split())
                what = f"{m[0]!r} is a claim: name the records that bear it in a [[claim]] of {REGISTRY}, or"
                yield Fault(self.where(m.start()), f"{what} [[excuse]] it there: '... {words} ...'")

    def _before(self, pattern, match):
        return pattern.search(self.said, max(match.start() - 300, 0), match.start())

    def _asked(self, match):
        """Does the sentence end with a question mark?"""
        return re.match(r"(?:[^.!?:;]|\.\d)*\?", self.said[match.end():match.end() + 300])


NOISE = (r"<!-- table:.*?<!-- end of table -->", r"^ *```.*?^ *```", r"\$\$.*?\$\$", r"\$[^$]*\$", r"`[^`]*`",
         r"(?<=\])\([^)]*\)", r"<[^>]*>")


def markdown_cells(script):
    """The Markdown of a percent script; an empty line for every line of code."""
    lines, markdown = [], False
    for line in script.splitlines():
        if line.startswith("# %%"):
            markdown, line = "[markdown]" in line, ""
        lines.append(line.removeprefix("#").removeprefix(" ") if markdown else "")
    return "\n".join(lines)


def answer(notebook):
    """The Markdown that the last section of an executed notebook printed; an empty line for every other line."""
    lines, last, printed = [], False, False
    for line in notebook.splitlines():
        last = last or '"# ## The answer' in line or '"## The answer' in line
        printed = printed and line.strip() not in ("]", "],")
        lines.append(json.loads(line.strip().removesuffix(",")).removesuffix("\n") if printed else "")
        printed = printed or (last and '"text/markdown": [' in line)
    return "\n".join(lines)


def _pattern(says, holes=False):
    """A regular expression for words that may be broken into lines anywhere; with holes, {} stand for numbers."""
    parts = string.Formatter().parse(says) if holes else [(says, None, None, None)]
    return "".join(r"\s+".join(map(re.escape, re.split(r"\s+", text))) + ("" if hole is None else f"({N})")
                   for text, hole, _, _ in parts)


def _inside(span, spans):
    return any(start <= span[0] and span[1] <= end for start, end in spans)


def faults(root):
    """Every `Fault` in README, in the notebooks' prose, and in what their answers print."""
    results, listed = load(root), registry(root)
    names, raw = listed.get("records", {}), (root / REGISTRY).read_text(encoding="utf-8")
    scripts = sorted((root / "notebooks" / "source").glob("[0-9]*.py"))
    texts = [Prose(root, root / "README.md"), *(Prose(root, path, markdown_cells) for path in scripts)]
    printed = [Prose(root, root / "notebooks" / f"{path.stem}.ipynb", answer) for path in scripts]
    found = []
    for claim in listed.get("claim", []):
        try:
            found += _of_claim(claim, _called(claim["in"], texts + printed), results, names)
        except Exception as error:      # whatever an expression may raise
            found.append(Fault(_at(raw, claim["says"]), f"{claim['says']!r} cannot be checked: {error}"))
    for excuse in listed.get("excuse", []):
        for says in excuse["says"] if excuse["because"] else []:
            if not sum(text.cover(says) for text in _called(excuse["in"], texts + printed)):
                found.append(Fault(_at(raw, says), f"{excuse['in']} does not say {says!r}: drop the excuse"))
    for text in printed:
        try:
            found += _of_answer(text, headlines(results, listed, text.name))
        except ValueError as error:
            found.append(Fault(_at(raw, f'in = "{text.name[:2]}"'), f"a headline: {error}"))
    return found + [fault for text in texts + printed for fault in text.loose()]


def _of_claim(claim, files, results, names):
    """Faults of one claim: its words gone, a number in them not the stored one, a relation that does not hold."""
    if not claim.get("holds") and not claim.get("numbers"):
        raise ValueError("nothing bears it: give it `holds` or `numbers`")
    numbers = [number(results, names, entry) for entry in claim.get("numbers", [])]
    holes = string.Formatter().parse(claim["says"]) if numbers else []
    specs = [spec for _, hole, spec, _ in holes if hole is not None]
    expected = [format(value, spec) for value, spec in zip(numbers, specs, strict=True)]
    pattern, found = _pattern(claim["says"], holes=bool(numbers)), []
    places = [(file, place) for file in files for place in re.finditer(pattern, file.text)]
    for file, place in places:
        file.covered.append(place.span())
        for i, text in enumerate(expected, start=1):
            file.bound.append(place.span(i))
            if place[i].replace("−", "-") != text:
                what = f"says {place[i]} where figures/results has {text}. Write {text}, if the sentence is still true"
                found.append(Fault(file.where(place.start(i)), what))
    if not places:
        what = f"does not say {claim['says']!r}. Change its [[claim]] in {REGISTRY} too"
        return [Fault(f"{files[0].path}:1", what)]
    file, place = places[0]
    for support in claim.get("holds", []):
        if wrong := unsupported(results, names, support):
            what = f"{claim['says']!r} is not supported: {wrong}. Reword it, here and in {REGISTRY}, or measure again"
            found.append(Fault(file.where(place.start()), what))
    return found


def _called(name, texts):
    """The texts called "README", "05" (and its answer), or all for "*"."""
    return [text for text in texts if name == "*" or text.name.startswith(name)]


def _at(raw, words):
    return f"{REGISTRY}:{raw.count(chr(10), 0, max(raw.find(words[:40]), 0)) + 1}"


def headlines(results, listed, notebook):
    """The records that the answer of a notebook states."""
    return [record for entry in listed.get("headline", []) if notebook.startswith(entry["in"])
            for record in select(results, listed.get("records", {}), entry, file=notebook)]


def bound_records(results, listed):
    """The records to which numbers in prose are bound."""
    return [record for claim in listed.get("claim", []) for entry in claim.get("numbers", [])
            for record in select(results, listed.get("records", {}), entry)]


def _of_answer(text, records):
    """Bind the numbers of a notebook's answer to its headline records; a `Fault` if it has none."""
    possible = [_numbers_of(record) for record in records]
    ratios = [a["value"] / b["value"] for a in records for b in records if b["value"]]
    for m in QUANTITY.finditer(text.said):
        value, _, half = m[0].partition("±")
        if text.said[m.end():].lstrip().startswith("times"):
            known = any(_rounds_to(ratio, value) for ratio in ratios)
        else:
            known = any((not value or any(_rounds_to(x * scale, value) for x in numbers))
                        and (not half or _rounds_to(width * scale, half))
                        for numbers, width in possible for scale in (1, 100))
        if known:
            text.bound.append(m.span())
    if not text.said.strip():
        return [Fault(f"{text.path}:1", "its answer prints no number as Markdown. Run: course notebooks")]
    return []


def _numbers_of(record):
    """(what may be stated of a record: value, bounds, what is left to 1, extremes and median of a list; half-width)"""
    numbers = [record[key] for key in ("value", "low", "high")] + [1 - record["value"]]
    for field in record.values():
        if isinstance(field, list) and field and all(isinstance(x, float) for x in field):
            numbers += [min(field), max(field), statistics.median(field)]
    return numbers, (record["high"] - record["low"]) / 2


def _rounds_to(number, text):
    """Is `text` the number, rounded to the digits of the text?"""
    digits, _, exponent = text.strip().replace("−", "-").replace(",", "").partition("e")
    unit = 10.0 ** (int(exponent or 0) - len(digits.partition(".")[2]))
    return abs(number - float(digits) * 10.0 ** int(exponent or 0)) <= 0.5001 * unit
