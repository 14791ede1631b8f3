"""The results file that every stated number is read from: one record a line, in JSON."""

import json

import torch

from course_lib.runtime import atomic_path, output_dir, versions
from course_lib.statistics import mean_interval


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
        nan or infinite.
        """
        mean, half = mean_interval(values)
        record = {"name": name, "value": mean, "low": mean - half, "high": mean + half, "n": len(values), "unit": unit,
                  "arm": arm, "setting": setting, "threads": torch.get_num_threads(), **self.context, **details,
                  "versions": versions()}
        try:
            line = json.dumps(record, ensure_ascii=False, allow_nan=False)
        except ValueError:
            raise ValueError(f"{name!r} ({arm or 'no arm'}) has a number that is nan or infinite: {record}. Look for a "
                             "training that diverged, or a division by 0.") from None
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(line + "\n")
        return record


def read(path):
    """The records in a file of results, a list of dicts. Raises ValueError that names a damaged line."""
    records = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):     # as text, U+2028 would end a line too
        try:
            records.append(json.loads(line))
        except ValueError as error:
            raise ValueError(f"{path}, line {number} is no record ({error}). Run again what wrote the file.") from None
    return records


def percent(record):
    """A record of a fraction, for people: '41.7 ± 0.9 %'."""
    return f"{100 * record['value']:.1f} ± {50 * (record['high'] - record['low']):.1f} %"
