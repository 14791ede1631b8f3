"""Accuracy with intervals, and the results file that every stated number is read from."""

import json

import torch

from . import episodes
from .runtime import atomic_path, output_dir, positive, progress, versions


def accuracies(learner, classes, *, n_way, k_shot, q_query, n_episodes, generator, within_alphabet=False, chunk=50):
    """The accuracy of `learner` on each of `n_episodes` episodes: float [n_episodes] in [0, 1].

    learner: a function of `Episodes` that returns predicted labels [T, N*Q]. Episodes are drawn `chunk` at a time.
    """
    positive(n_episodes=n_episodes, chunk=chunk)
    scores = []
    for start in progress(range(0, n_episodes, chunk), desc="episodes"):
        tasks = episodes.sample(classes, n_way=n_way, k_shot=k_shot, q_query=q_query, generator=generator,
                                n_tasks=min(chunk, n_episodes - start), within_alphabet=within_alphabet)
        scores.append((learner(tasks) == tasks.query_y).float().mean(1).cpu())
    return torch.cat(scores)


def mean_interval(values):
    """(mean, half-width of its 95 % interval) of independent values [n], n >= 30 or so: 1.96 s / sqrt(n).

    The interval covers what another draw of values would change; not another seed or another split of the classes.
    Raises ValueError for fewer than two values.
    """
    values = torch.as_tensor(values, dtype=torch.float64)
    if values.numel() < 2:
        raise ValueError(f"an interval needs at least 2 values, not {values.numel()}. Evaluate more episodes.")
    return values.mean().item(), 1.96 * values.std().item() / values.numel() ** 0.5


class Results:
    """The numbers of one notebook or study, kept in <output folder>/figures/results/<stem>.json."""

    def __init__(self, stem, **context):
        """context: what all its records share: dataset, split, profile, seed, device, ..."""
        self.path = output_dir() / "figures" / "results" / f"{stem}.json"
        self.context = {key: str(value) if key == "device" else value for key, value in context.items()}
        self.records = []

    def add(self, name, values, *, unit, setting, arm="", **details):
        """Record the mean of `values` [n] with its 95 % interval, rewrite the file, and return the record.

        unit: "accuracy", "seconds", ... setting: "inductive", "transductive" or "-" where neither applies.
        details: whatever differs from the shared context.
        """
        mean, half = mean_interval(values)
        record = {"name": name, "value": mean, "low": mean - half, "high": mean + half, "n": len(values), "unit": unit,
                  "arm": arm, "setting": setting, **self.context, **details, "versions": versions()}
        self.records.append(record)
        with atomic_path(self.path) as part:
            part.write_text(json.dumps(self.records, indent=1) + "\n", encoding="utf-8")
        return record


def percent(record):
    """A record of a fraction, for people: '41.7 ± 0.9 %'."""
    return f"{100 * record['value']:.1f} ± {50 * (record['high'] - record['low']):.1f} %"
