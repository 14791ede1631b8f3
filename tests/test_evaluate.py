import json
import os
from pathlib import Path

import pytest
import torch

from course_lib import baselines, data, evaluate


def test_interval_in_closed_form():
    mean, half = evaluate.mean_interval([0.0, 1.0, 1.0, 1.0])       # s^2 = 4/3 * 3/16 = 1/4
    assert mean == 0.75
    assert half == pytest.approx(1.96 * 0.5 / 2, rel=1e-12)


def test_interval_covers_the_truth_in_95_of_100_repetitions():
    values = torch.rand(4000, 50, generator=torch.Generator().manual_seed(0))
    covered = [abs(mean - 0.5) <= half for mean, half in map(evaluate.mean_interval, values)]
    assert 0.93 < sum(covered) / 4000 < 0.965       # 0.947 expected at n = 50; three standard errors are 0.011


def test_interval_of_one_value_is_refused():
    with pytest.raises(ValueError, match="at least 2 values, not 1"):
        evaluate.mean_interval([0.5])


def test_accuracies_of_a_perfect_and_a_wrong_learner():
    images = torch.randint(256, (6, 5, 1, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    classes = data.ImageClasses(images, ("a",) * 6, tuple("abcdef"))
    sizes = {"n_way": 3, "k_shot": 1, "q_query": 2, "n_episodes": 70, "chunk": 32}
    for learner, expected in ((lambda e: e.query_y, 1.0), (lambda e: (e.query_y + 1) % 3, 0.0)):
        scores = evaluate.accuracies(learner, classes, generator=torch.Generator().manual_seed(0), **sizes)
        assert scores.shape == (70,) and (scores == expected).all()


def test_accuracy_is_per_episode():
    half_right = lambda e: torch.where(torch.arange(6) < 3, e.query_y, (e.query_y + 1) % 3)     # noqa: E731
    images = torch.zeros(6, 5, 1, 4, 4, dtype=torch.uint8)
    scores = evaluate.accuracies(half_right, data.ImageClasses(images, ("a",) * 6, tuple("abcdef")), n_way=3, k_shot=1,
                                 q_query=2, n_episodes=4, generator=torch.Generator().manual_seed(0))
    assert scores.tolist() == [0.5] * 4


def test_results_are_written_with_all_that_a_number_needs():
    results = evaluate.Results("study", dataset="glyphs", split="train", profile="smoke", seed=3,
                               device=torch.device("cpu"))
    record = results.add("accuracy of x", torch.tensor([0.4, 0.6]), unit="accuracy", setting="inductive", arm="none")
    stored = json.loads((Path(os.environ["COURSE_OUT"]) / "figures" / "results" / "study.json").read_text())
    assert stored == [record]
    assert {"value", "low", "high", "n", "arm", "dataset", "split", "profile", "seed", "device", "setting",
            "versions"} <= set(record)
    assert record["value"] == pytest.approx(0.5) and record["n"] == 2
    assert evaluate.percent(record) == "50.0 ± 19.6 %"


def test_pixel_baseline_is_better_than_chance_on_characters():
    classes = data.load("digits")
    scores = evaluate.accuracies(baselines.nearest_neighbour, classes, n_way=5, k_shot=1, q_query=5, n_episodes=60,
                                 generator=torch.Generator().manual_seed(0))
    mean, half = evaluate.mean_interval(scores)
    assert mean - 2 * half > 0.2 and mean + half < 0.95, "scikit-learn's digits: far above chance, far from solved"
