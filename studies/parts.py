"""What does each part of the challenge's learner bring? Katakana and Sanskrit, after the five alphabets of small1.

    COURSE_DATA=... python studies/parts.py         (two minutes; writes figures/results/parts.jsonl)

The learner is the one of `course challenge`, from its checkpoint. Every part sees the same 40 episodes, 20-way 1-shot
within an alphabet. Intervals are over episodes. Nothing was chosen on these two alphabets.
"""

import torch

import shared
from course_lib import datasets, runtime
from course_lib.episodes import sample
from course_lib.statistics import paired_difference
from course_tools import challenge, records
from shared import Kind, fitting

BACKGROUND, KIND, N_EPISODES = "omniglot-small1", Kind(20, 1, 5, within_alphabet=True), 40


def main():
    results = shared.results("parts", profile="cpu", device="cpu", dataset="omniglot", split="test", seed=0,
                             trained_on=BACKGROUND)
    classes = datasets.load("omniglot-small2", split="test")
    classes, rng, costs, errors = fitting(classes, KIND), runtime.rng(0), challenge.costs_of(BACKGROUND), {}
    for _ in runtime.progress(range(N_EPISODES)):
        task = sample(classes, **KIND._asdict(), n_tasks=1, rng=rng)
        for part, found in costs(task).items():
            errors.setdefault(part, []).append((found.argmin(2) != task.query_y).double().mean())
    errors = {part: torch.stack(values) for part, values in errors.items()}
    for part, values in errors.items():
        record = results.add("error", values, unit="error", setting="inductive", arm=part)
        print(f"{part:40} {records.percent(record)}", flush=True)
    for a, b in PAIRS:
        record = results.add("error, difference", paired_difference(errors[a], errors[b]), unit="error",
                             setting="inductive", arm=f"{a} - {b}")
        print(f"{a} - {b}: {records.percent(record)}", flush=True)


PAIRS = [("network", "matching"), ("network, classical copies", "network"), ("network, copies by G", "network"),
         ("network, copies by G", "network, classical copies"), (challenge.FUSED, "matching"),
         (challenge.FUSED, "network, classical copies"), ("matching + network, copies by G", challenge.FUSED)]

if __name__ == "__main__":
    main()
