"""The studies start, and two processes of torchrun train as one."""

import copy
import importlib
import inspect
import itertools
import os
import statistics
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from scipy.stats import permutation_test, ttest_1samp
from torch import nn

import torchrun
import trial
from course_lib import checkpoints, maml, networks, runtime
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


class Rates(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner_lr = nn.Parameter(torch.tensor([0.1]))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))

    def forward(self, x, n_support=None):
        return self.layers(x)


def network(seed=0):
    torch.manual_seed(seed)
    return Net()


def random_tasks(n_tasks, rng):
    x = torch.randn(2, n_tasks, 6, 1, 2, 2, generator=rng)
    return Episodes(x[0], torch.arange(3).repeat(n_tasks, 2), x[1], torch.arange(3).repeat(n_tasks, 2))


def images(n_tasks, rng):
    x = torch.rand(2, n_tasks, 6, 1, 28, 28, generator=rng)
    return Episodes(x[0], torch.arange(3).repeat(n_tasks, 2), x[1], torch.arange(3).repeat(n_tasks, 2))


def fits(folder):
    """{name: what `fit` returns} in every way that tasks are divided; three or five tasks, so that shares differ."""
    ways = {"MAML": partial(maml.backward, inner_lr=0.1, steps=2),
            "Reptile": partial(maml.reptile_backward, inner_lr=0.1, steps=2),
            "FOMAML by vmap": partial(maml.backward, inner_lr=0.1, steps=1, first_order=True, vmapped=True),
            "fewer tasks than processes": partial(maml.backward, inner_lr=0.1, steps=1)}
    number, found = torchrun.processes()[0], {}
    for name, gradient in ways.items():
        n_tasks = {"Reptile": 5, "fewer tasks than processes": 1}.get(name, 3)
        net = network(seed=number)          # the first process's start counts
        found[name] = maml.fit(net, lambda rng, n=n_tasks: random_tasks(n, rng), n_steps=3, rng=runtime.rng(0),
                               gradient=torchrun.divided(gradient), optimiser=torch.optim.SGD, outer_lr=0.5)
    torch.manual_seed(0)
    net = networks.ConvNet(3, width=8, norm=networks.BatchNorm).float()
    found["batch norm in float32"] = maml.fit(
        net, lambda rng: Episodes(*(part.float() if part.is_floating_point() else part for part in images(3, rng))),
        n_steps=3, rng=runtime.rng(0), optimiser=torch.optim.SGD, outer_lr=0.5,
        gradient=torchrun.divided(partial(maml.backward, inner_lr=0.1, steps=1)))
    looks = iter([0.3, 0.6, 0.5])
    found["validated"] = maml.fit(
        network(), partial(random_tasks, 3), n_steps=3, rng=runtime.rng(0), optimiser=torch.optim.SGD, outer_lr=0.5,
        gradient=torchrun.divided(partial(maml.backward, inner_lr=0.1, steps=1)), validate_every=1,
        validate=lambda model: next(looks))
    rates = Rates()
    found["learned rates"] = maml.fit(
        network(), partial(random_tasks, 3), n_steps=3, rng=runtime.rng(0), rates=rates, gradient=torchrun.divided(
            lambda model, tasks: maml.backward(model, tasks, inner_lr=rates.inner_lr, steps=1), rates))
    found["learned rates"].params["rate"] = rates.inner_lr.detach()
    for n_steps in (4, 6):      # the second call goes on where the first one stopped
        found["resumed"] = maml.fit(
            network(), partial(random_tasks, 3), n_steps=n_steps, rng=runtime.rng(0), save_every=2,
            path=folder / "run.safetensors", optimiser=torch.optim.SGD, outer_lr=0.5,
            gradient=torchrun.divided(partial(maml.backward, inner_lr=0.1, steps=1)))
    return found


def leave(folder):
    """What each process of torchrun leaves in `folder`: parameters and losses of every one of `fits`."""
    torch.set_default_dtype(torch.float64)
    torchrun.join()
    for name, trained in fits(folder).items():
        checkpoints.save(folder / f"{name}-{torchrun.processes()[0]}.saved", trained._asdict())


def test_two_processes_train_as_one(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("import pathlib, sys, test_studies\ntest_studies.leave(pathlib.Path(sys.argv[1]))\n")
    environment = {**os.environ, "OMP_NUM_THREADS": "1",
                   "PYTHONPATH": os.pathsep.join([os.path.dirname(__file__), *sys.path])}
    done = subprocess.run([sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
                           str(script), str(tmp_path)], capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    (tmp_path / "alone").mkdir()
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        alone_fits = fits(tmp_path / "alone")
    finally:
        torch.set_default_dtype(before)
    for name, alone in alone_fits.items():
        first, second = (checkpoints.load(tmp_path / f"{name}-{number}.saved") for number in (0, 1))
        tolerance = {"rtol": 1e-3, "atol": 1e-4} if "float32" in name else {"rtol": 1e-9, "atol": 1e-11}
        for key, p in alone.params.items():
            torch.testing.assert_close(first["params"][key], p, **tolerance, msg=f"{name}: {key}")
            assert torch.equal(first["params"][key], second["params"][key]), f"{name}: the processes drift apart"
        torch.testing.assert_close(first["losses"], alone.losses, **tolerance)
        assert first["best_step"] == second["best_step"] == alone.best_step
        assert torch.equal(first["scores"], alone.scores)
    assert checkpoints.load(tmp_path / "run.safetensors")["step"] == 6


def test_alone_a_divided_gradient_is_the_gradient():
    net, tasks = network(), random_tasks(3, runtime.rng(1))
    twin = copy.deepcopy(net)
    gradient = partial(maml.backward, inner_lr=0.1, steps=1)
    assert torchrun.divided(gradient)(net, tasks) == gradient(twin, tasks)
    assert all(torch.equal(p.grad, q.grad) for p, q in zip(net.parameters(), twin.parameters()))
