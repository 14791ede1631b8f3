"""The results file that every stated number is read from: one record a line, in JSON."""

import json
import math

import torch

from course_files.opening import opened
from course_files.writing import FULL, atomic_path, unwritable
from course_lib.runtime import output_dir, versions
from course_lib.statistics import mean_interval

FIELDS = {"name": str, "unit": str, "value": float, "low": float, "high": float, "n": int}      # of every record


class Results:
    """The numbers of one notebook or study, kept in <output folder>/figures/results/<stem>.jsonl."""

    def __init__(self, stem, **context):
        """Begin an empty file. context: what all its records share: dataset, split, profile, seed, device, ..."""
        self.path = output_dir() / "figures" / "results" / f"{stem}.jsonl"
        self.context = {key: str(value) if key == "device" else value for key, value in context.items()}
        with atomic_path(self.path):
            pass

    def add(self, name, values, *, unit, setting, arm="", **details):
        """Record the mean of `values` [n] with its 95 % interval: append a line, and return the record, a dict.

        unit: "accuracy", "seconds", ... setting: "inductive", "transductive" or "-" where neither applies.
        details: whatever differs from the shared context. Raises ValueError, and writes nothing, where a number is
        nan or infinite, and OSError where the file cannot be written.
        """
        if taken := {"value", "low", "high", "n"} & {*details, *self.context}:
            raise ValueError(f"{name!r} has details called {', '.join(sorted(taken))}, which every record has. Rename.")
        mean, half = mean_interval(values)
        record = {"name": name, "value": mean, "low": mean - half, "high": mean + half, "n": len(values), "unit": unit,
                  "arm": arm, "setting": setting, "threads": torch.get_num_threads(), **self.context, **details,
                  "versions": versions()}
        try:
            line = json.dumps(record, ensure_ascii=False, allow_nan=False)
        except ValueError:
            raise ValueError(f"{name!r} ({arm or 'no arm'}) has a number that is nan or infinite: {record}. Look for a "
                             "training that diverged, or a division by 0.") from None
        rest = f"{line}\n".encode()
        with open(self.path, "ab", buffering=0) as file:
            end = file.tell()
            try:
                while rest:
                    rest = rest[file.write(rest):]
            except OSError as error:
                file.truncate(end)      # no half line
                raise (unwritable(self.path, error) if error.errno in FULL else error) from None
        return record


def read(path):
    """The records in a file of results, a list of dicts. Those of published.jsonl have no value, but accuracies.

    Raises FileNotFoundError where there is no such file, and ValueError that names a damaged line.
    """
    if not path.is_file():      # a FIFO would keep us waiting
        raise FileNotFoundError(f"{path} is not there, or no ordinary file. Run again what writes it.")
    with opened(path, ValueError, "Run again what wrote it.", 2**26) as file:
        lines, records = file.read().splitlines(), []       # as text, U+2028 would end a line too
    for number, line in enumerate(lines, start=1):
        try:
            records.append(_record(line))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path}, line {number} is no record ({error}). Run again what wrote the file.") from None
    return records


def _record(line):
    record = json.loads(line, parse_float=_finite, parse_constant=_finite)
    if not isinstance(record, dict):
        raise ValueError(f"it is {line[:20].decode()}, and not an object")
    for key, kind in {"accuracy": dict}.items() if "accuracy" in record else FIELDS.items():
        value = record.get(key)
        if isinstance(value, bool) or not isinstance(value, (int, float) if kind is float else kind):
            raise ValueError(f"its {key} is {json.dumps(value)[:20]}")
        if kind is float:
            _finite(str(value))         # 1000...0, say
    return record


def _finite(text):
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text[:20]} is no finite number")
    return number


def percent(record):
    """A record of a fraction, for people: '41.7 ± 0.9 %'."""
    return f"{100 * record['value']:.1f} ± {50 * (record['high'] - record['low']):.1f} %"
