"""The studies start, and the trial counts alphabets."""

import importlib
import inspect
import itertools
import statistics
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from scipy.stats import permutation_test, ttest_1samp

import few_shot
import trial
from course_lib import checkpoints, runtime
from course_lib.episodes import Episodes
from course_tools import records

STUDIES = Path(__file__).parent.parent / "studies"


@pytest.mark.parametrize("name", sorted(path.stem for path in STUDIES.glob("*.py")))
def test_a_study_can_be_imported(name):
    study = importlib.import_module(name)
    assert study.__doc__ and (not hasattr(study, "main") or "__main__" in inspect.getsource(study))


def test_the_trial_takes_alphabets_for_its_unit(monkeypatch, tmp_path):
    monkeypatch.setattr(trial, "FOLDER", tmp_path)
    monkeypatch.setenv("COURSE_OUT", str(tmp_path))
    folds, rng, given = ("abc", "def", "gh"), runtime.rng(0), {}
    for number, seed in itertools.product(trial.FOLDS, trial.SEEDS):
        arms = {arm for arm in (*trial.ARMS, "oracle") if arm in (*trial.PRIMARY, "oracle") or seed in trial.EXPLORED}
        scores = {arm: {name: torch.rand(4, generator=rng) for name in folds[number]} for arm in sorted(arms)}
        checkpoints.save(tmp_path / f"{number}-{seed}-scores.safetensors", scores)
        checkpoints.save(tmp_path / f"{number}-tuned.safetensors", {"GAN": (1.0, 0.5), "classical": (0.5, 0.25)})
        for name in folds[number]:
            given.setdefault(name, []).append((scores["GAN"][name] - scores["classical"][name]).mean().item())
    trial.test(SimpleNamespace(profile="cpu", device="cpu"))
    found = records.read(tmp_path / "figures" / "results" / "trial.jsonl")
    primary, = (r for r in found if r.get("role") == "primary")
    means = [statistics.mean(values) for _, values in sorted(given.items())]
    assert primary["n"] == 8 and primary["seeds"] == 5 and primary["arm"] == "GAN - classical"
    assert list(primary["by_alphabet"].values()) == pytest.approx(means, abs=1e-4)
    assert (primary["low"], primary["high"]) == pytest.approx(ttest_1samp(means, 0).confidence_interval(0.95), rel=1e-3)


def test_signs_are_turned_in_every_way():
    values = torch.tensor([0.3, -0.1, 0.2, 0.7])
    expected = permutation_test((values.numpy(),), lambda x, axis: x.mean(axis), permutation_type="samples",
                                n_resamples=1000).pvalue
    assert trial.permutation_p(values) == pytest.approx(expected) == 0.25


@pytest.mark.parametrize("name", few_shot.ADAPTING)
def test_learned_rates_have_a_rate_of_their_own(name):
    recipe = few_shot.RECIPES[name]
    x, y = torch.rand(1, 12, 1, 28, 28), torch.arange(4).repeat(1, 3)
    model = few_shot.Adapting(4, recipe.rates)
    before = {key: p.detach().clone() for key, p in model.named_parameters()}
    optimiser = few_shot.rates_apart(list(model.parameters()), 1e-3)
    recipe.gradient(model, Episodes(x[:, :4], y[:, :4], x[:, 4:], y[:, 4:]))
    optimiser.step()
    for key, p in model.named_parameters():
        way = (p - before[key]).abs().max().item()
        if key == "log_rates":
            assert way == pytest.approx(1e-2 if name in ("MAML", "ANIL") else 0, rel=1e-2)     # Adam's first step
        else:
            assert way <= 1.01e-3, key
