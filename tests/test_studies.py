"""The studies start, and the trial counts alphabets."""

import importlib
import inspect
import itertools
import math
import statistics
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from scipy.stats import permutation_test, ttest_1samp

import acting
import few_shot
import little_data
import speech
import trial
import worlds
from course_lib import checkpoints, datasets, losses, runtime
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


def test_a_relativistic_d_has_the_loss_of_the_paper():
    """Huang et al. 2024, eq. 2: f(D(fake) - D(real)) for D, f(D(real) - D(fake)) for G, with f = softplus."""
    torch.manual_seed(0)
    D, x, task = little_data.Relativistic(), torch.rand(6, 1, 1, 28, 28), torch.rand(2, 3, 1, 28, 28)
    real, fake = torch.rand(2, 6, 1, 28, 28)
    D.real = real
    apart = (D.D(fake, x, task) - D.D(real, x, task)).detach()
    loss = losses.NON_SATURATING
    of_d, of_g = loss.d(D(real, x, task), D(fake, x, task)), loss.g(D(fake, x, task))
    assert of_d.item() == pytest.approx(math.log(2) + apart.exp().log1p().mean().item(), rel=1e-5)
    assert of_g.item() == pytest.approx((-apart).exp().log1p().mean().item(), rel=1e-5) and apart.abs().max() > 1e-4
    at = fake.clone().requires_grad_()
    slope, = torch.autograd.grad(D.D(at, x, task).sum(), at)
    penalty = little_data.r2(lambda y: D(y, x, task), real, fake, gamma=3.0)
    assert penalty.item() == pytest.approx(1.5 * slope.flatten(1).square().sum(1).mean().item(), rel=1e-4)


def test_augmented_pairs_move_together_and_stay_differentiable():
    x = torch.rand(200, 1, 28, 28, generator=runtime.rng(0)).repeat(1, 2, 1, 1).requires_grad_()
    as_it_is = little_data.augmented(x, 0.0, runtime.rng(1))
    assert torch.allclose(as_it_is, x, atol=1e-5)
    y = little_data.augmented(x, 0.5, runtime.rng(1))
    assert torch.equal(y[:, 0], y[:, 1]), "candidate and example change alike"
    share = torch.isclose(y, x, atol=1e-5).flatten(1).all(1).double().mean().item()
    assert share == pytest.approx(0.25, abs=0.1), "neither a shift nor a gap"
    blank = (y.detach() < 1e-4).double().mean().item()
    assert blank == pytest.approx(0.5 * 64 / 784 + 0.5 * (1 - (1 - 20 / 9 / 28) ** 2), abs=0.02)
    gradient, = torch.autograd.grad(y.sum(), x)
    assert gradient.max() == pytest.approx(1, abs=1e-4) and gradient.min() == pytest.approx(0, abs=1e-4)


def test_the_chance_follows_d():
    D = little_data.Augmented(0.3, seed=0, target=0.6)
    for _ in range(100):
        assert D.adapt(lambda x: torch.ones(len(x)), torch.zeros(4, 1), None, None) == 0
    assert D.chance == pytest.approx(0.8), "never so high that a drawing as it is gets rare"
    for _ in range(200):
        D.adapt(lambda x: torch.tensor([1.0, 1.0, 1.0, -1.0]), torch.zeros(4, 1), None, None)
    assert D.chance == 0


def test_stability_counts_runs_near_the_best(monkeypatch, tmp_path):
    monkeypatch.setattr(little_data, "FOLDER", tmp_path)
    monkeypatch.setenv("COURSE_OUT", str(tmp_path))
    distance = {}
    every = itertools.product(little_data.RECIPES, little_data.ALPHABETS, little_data.SEEDS)
    for i, run in enumerate(every):
        distance[run] = 5 + (i * 7 % 11) / 5
        logits = {"known": [0.1 * i, 0.2, 0.3, 2.0], "held": [0.1, 0.2, 0.3, 0.5], "generated": [0.0, 0.0, 0.0, -1.0]}
        checkpoints.save(little_data.path_of(*run), {"distance": distance[run], "preserved": 0.5, "diversity": i / 9,
                                                     **logits})
    little_data.test(None)
    found = records.read(tmp_path / "figures" / "results" / "little_data.jsonl")
    for name in little_data.RECIPES:
        near = [distance[name, n, seed] <= 1.1 * min(d for (_, m, _), d in distance.items() if m == n)
                for n in little_data.ALPHABETS for seed in little_data.SEEDS]
        share, = (r for r in found if (r["name"], r["arm"]) == ("share of runs within 10 % of the best", name))
        assert share["value"] == pytest.approx(sum(near) / 25) and share["n"] == 25
    overfit = [r["value"] for r in found if r["name"] == "D's overfit"]
    assert overfit == [pytest.approx(0.5)] * 25


def test_episodes_of_digits_are_by_one_person_or_by_two():
    images = torch.zeros(10, 3, 12, 1, 2, 2, dtype=torch.uint8)
    images[..., 0, 0, 0] = torch.arange(10)[:, None, None]                      # which digit
    images[..., 0, 0, 1] = torch.arange(3)[None, :, None]                       # who
    images[..., 0, 1, 0] = torch.arange(12)                                     # which recording
    for one_person in (False, True):
        tasks = speech.episodes_of(images, 40, torch.Generator().manual_seed(0), one_person)
        support, query = ((255 * x).round().long()[:, :, 0] for x in (tasks.support_x, tasks.query_x))
        assert support.shape == (40, 5, 2, 2) and query.shape == (40, 5 * speech.Q, 2, 2)
        for s, q, labels in zip(support, query, tasks.query_y):
            assert len(set(s[:, 0, 0].tolist())) == 5 and torch.equal(s[labels, 0, 0], q[:, 0, 0])
            assert len(set(s[:, 0, 1].tolist())) == len(set(q[:, 0, 1].tolist())) == 1
            assert (s[0, 0, 1] == q[0, 0, 1]) == one_person
            assert not set(map(tuple, s.flatten(1).tolist())) & set(map(tuple, q.flatten(1).tolist()))


def test_pairs_across_programs_say_one_word_in_two_programs():
    images = torch.zeros(30, 28, 1, 2, 2, dtype=torch.uint8)
    images[..., 0, 0, 0] = torch.arange(30)[:, None]
    images[..., 0, 0, 1] = torch.arange(28)
    classes = datasets.ImageClasses(images, ("a",) * 15 + ("b",) * 15, tuple(map(str, range(30))))
    real, x, task = speech.across(classes)(torch.Generator().manual_seed(0))
    assert real.shape == (24, 1, 2, 2) and x.shape == (24, 1, 1, 2, 2) and task.shape == (2, 12, 1, 2, 2)
    real, x = ((255 * images).round().long().view(24, 2, 2) for images in (real, x))
    assert torch.equal(real[:, 0, 0], x[:, 0, 0])
    by_espeak = (x[:, 0, 1] < speech.N_ESPEAK)
    assert torch.equal(by_espeak, real[:, 0, 1] >= speech.N_ESPEAK) and 0 < by_espeak.sum() < 24
    assert all(len(set(words.tolist())) == 12 for words in x[:, 0, 0].view(2, 12))


def test_masks_hide_a_stretch_of_time_and_a_band_of_pitch():
    x = torch.ones(2, 50, 1, 28, 28)
    masked = speech.masked()(x, torch.Generator().manual_seed(0))
    rows, columns = (masked.amax(dim)[:, :, 0] == 0 for dim in (-1, -2))
    assert {int(n) for n in rows.sum(-1).flatten()} == {int(n) for n in columns.sum(-1).flatten()} == set(range(7))
    assert torch.equal((masked == 0)[:, :, 0], rows[..., :, None] | columns[..., None, :])


def test_cells_stand_only_when_all_are_taken_together():
    rng = torch.Generator().manual_seed(0)
    gains = [0.1 * torch.randn(80, generator=rng) + shift for shift in (*[0.0] * 98, 0.08, -0.08)]
    stands = worlds.standing(gains)
    assert stands[98:] == [True, True] and not any(stands[:98])
    assert sum(abs(g.mean()) > 1.96 * g.std() / 80 ** 0.5 for g in gains[:98]) > 0, "alone, some would"


def test_every_world_is_left_out_of_its_others():
    for world in worlds.WORLDS:
        assert world not in worlds.SETS[worlds.but(world)]
        assert len(worlds.SETS[worlds.but(world)]) == len(worlds.TRAINED) - (world in worlds.TRAINED)


def test_steps_saved_are_read_off_the_curve_of_real_steps():
    steps, shape = [20, 40, 80], torch.tensor([0.5, -0.5, 1.0, -1.0])              # what tasks differ by cancels
    real = torch.tensor([-5.0, -4.0, -3.0])[:, None] + shape
    for returned, expected in ((-4.0, math.log(2)), (-3.5, math.log(2) + math.log(2) / 2), (-5.0, 0.0),
                               (-1.0, math.log(4)), (-9.0, 0.0)):                   # the last two: bounds
        found = acting.saved(steps, real, 20, returned + shape)
        assert found.mean() == pytest.approx(expected, abs=1e-6) and found.std() < 1e-6
    apart = acting.saved(steps, real, 20, -4.0 + torch.tensor([0.4, 0.0, 0.0, -0.4]) + shape)
    assert apart.mean() == pytest.approx(math.log(2), abs=1e-6)
    assert sorted(apart.tolist()) == pytest.approx([math.log(2) * (1 + move) for move in (-0.4, 0, 0, 0.4)], abs=1e-6)
    dip = acting.needed([20, 40, 80], torch.tensor([-3.0, -6.0, -2.0]).numpy(), -3.0)       # worse with more is no use
    assert dip == pytest.approx(math.log(20), abs=1e-6)


def test_ridge_finds_a_world_that_is_quadratic():
    rng = runtime.rng(0)
    state, action = torch.randn(2, 60, 2, generator=rng), torch.rand(2, 60, 2, generator=rng) * 2 - 1
    wind = torch.tensor([[0.3, -0.1], [0.0, 0.2]])[:, None]

    def world(state, action):
        return state + 0.5 * action + wind, -(state - 0.4).square().sum(2) + 0.2 * action[..., 0] * state[..., 1]

    after, reward = world(state, action)
    like = SimpleNamespace(scale=torch.tensor([1.0, 1, 1, 1, 0.3, 0.3, 2]), n_before=4)
    rows = torch.cat([state, action, after - state, reward[..., None]], dim=2) / like.scale
    filler = torch.full((2, 5, 8), 1e3)
    filler[..., -1] = 0
    task = torch.cat([torch.cat([rows, torch.ones(2, 60, 1)], dim=2), filler], dim=1)
    model = acting.Ridge(like, 1e-4)
    new = torch.randn(2, 10, 2, generator=rng), torch.rand(2, 10, 2, generator=rng) * 2 - 1
    for found, expected in zip(model.what_follows(None, *new, model.encode_task(task)), world(*new)):
        assert torch.allclose(found, expected, atol=2e-3)


def test_a_description_keeps_living_rows():
    task = torch.rand(3, 200, 4)
    task[..., -1] = (torch.arange(200) % 4 == 0).float()                   # 50 living rows
    kept = acting.described(task, 60)
    assert kept.shape == (3, 60, 4) and (kept[..., -1].sum(1) == 50).all()
    assert torch.equal(acting.described(task, 200), task)
    rows = torch.tensor([[[1.0, 5, 1], [3.0, 5, 1], [99.0, 9, 0]]])
    assert acting.spread(rows).tolist() == pytest.approx([2 ** 0.5, 1])
