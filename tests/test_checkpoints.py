"""Checkpoints, training that goes on; and the checkpoints that the repository carries: small, described, loadable."""

import json
import os
import random
import subprocess
import sys
import time
from functools import partial

import pytest
import torch

from course_files.acting import FAMILIES
from course_lib import checkpoints, networks, runtime
from course_lib.networks import acting


def test_save_and_load_any_state(tmp_path):
    state = {"model": {"w": torch.randn(2, 3).T}, "history": [1, 2.5, None, True, "text"], 7: (torch.tensor(1), []),
             "shape": torch.Size([2, 3])}
    checkpoints.save(tmp_path / "c.safetensors", state, profile="smoke", accuracy=0.5)
    loaded = checkpoints.load(tmp_path / "c.safetensors")
    assert torch.equal(loaded["model"]["w"], state["model"]["w"]) and loaded["history"] == state["history"]
    assert isinstance(loaded[7], tuple) and loaded[7][0] == 1
    assert loaded["shape"] == (2, 3)
    with pytest.raises(TypeError, match=r"cannot save the key \(1, 2\)"):
        checkpoints.save(tmp_path / "d", {(1, 2): 3})
    made = json.loads((tmp_path / "c.json").read_text())
    assert made["profile"] == "smoke" and made["accuracy"] == 0.5 and made["versions"]["torch"] == torch.__version__


def test_load_says_what_is_wrong(tmp_path):
    with pytest.raises(FileNotFoundError, match="no checkpoint at"):
        checkpoints.load(tmp_path / "absent")
    (tmp_path / "broken").write_bytes(b"not a checkpoint at all")
    with pytest.raises(ValueError, match=r"broken cannot be read .* no checkpoint of this course"):
        checkpoints.load(tmp_path / "broken")


TRAINING = """
import sys, time, torch
from course_lib import checkpoints, runtime

def main(path, n_steps, pause, save_every):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    scheduler = torch.optim.lr_scheduler.StepLR(optimiser, 7, gamma=0.9)
    noise = runtime.rng(1)
    for step in checkpoints.training_steps(n_steps, path=path, save_every=save_every, model=model, optimiser=optimiser,
                                           scheduler=scheduler, noise=noise):
        x = torch.randn(16, 4, generator=noise)
        loss = (model(x) - x.sum(1, keepdim=True)).square().mean()
        optimiser.zero_grad(); loss.backward(); optimiser.step(); scheduler.step()
        time.sleep(pause)
    return model, optimiser, step if n_steps else None

if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), 0.01, 3)
"""
STEPS = 100


def training_module():
    namespace = {"__name__": "training"}
    exec(TRAINING, namespace)
    return namespace["main"]


def bits(model, optimiser):
    tensors = [*model.state_dict().values(), *(v for s in optimiser.state.values() for v in s.values())]
    return [t.numpy().tobytes() for t in tensors]


def test_killed_at_random_steps_and_resumed_ends_in_the_same_bits(tmp_path):
    train, path = training_module(), tmp_path / "state.safetensors"
    model, optimiser, _ = train(None, STEPS, 0, 3)
    for goal in (random.randint(1, 40), random.randint(45, 90)):
        child = subprocess.Popen([sys.executable, "-c", TRAINING, str(path), str(STEPS)], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 300
        while not (path.exists() and checkpoints.load(path)["step"] >= goal) and time.monotonic() < deadline:
            time.sleep(random.uniform(0, 0.02))         # killed anywhere: in a step, in a save, between them
        child.kill()
        assert child.wait() != 0, "it finished before it was killed"
    reached = checkpoints.load(path)["step"]
    assert 40 < reached < STEPS
    resumed_model, resumed_optimiser, last = train(path, STEPS, 0, 3)
    assert bits(resumed_model, resumed_optimiser) == bits(model, optimiser), f"killed after step {reached}"
    assert last == STEPS - 1 and checkpoints.load(path)["step"] == STEPS


def test_a_finished_run_is_restored_and_not_repeated(tmp_path):
    train = training_module()
    model, optimiser, _ = train(tmp_path / "s", 5, 0, 100)
    counted = []
    again = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
    adam = torch.optim.Adam(again.parameters())
    parts = {"model": again, "optimiser": adam, "noise": runtime.rng(9),
             "scheduler": torch.optim.lr_scheduler.StepLR(adam, 7)}
    counted.extend(checkpoints.training_steps(5, path=tmp_path / "s", **parts))
    assert counted == [] and bits(again, adam) == bits(model, optimiser)


def test_a_state_of_other_parts_is_refused(tmp_path):
    list(checkpoints.training_steps(1, path=tmp_path / "s", noise=runtime.rng(0)))
    with pytest.raises(ValueError, match=r"holds \['noise'\], this run trains \['chance'\]. Delete the file"):
        list(checkpoints.training_steps(2, path=tmp_path / "s", chance=runtime.rng(0)))


def test_another_experiment_is_not_continued(tmp_path):
    def train(n_steps, width=2, **made):
        return list(checkpoints.training_steps(n_steps, path=tmp_path / "s.safetensors", save_every=1, made=made,
                                               layer=torch.nn.Linear(width, 1)))

    assert train(2, lr=0.1, seed=0) == [0, 1] and train(3, lr=0.1, seed=0) == [2]
    assert json.loads((tmp_path / "s.json").read_text())["lr"] == 0.1
    for call, message in ((lambda: train(4, lr=0.2, seed=0), "was made with lr=0.1, this run has lr=0.2"),
                          (lambda: train(4, lr=0.1), "was made with seed=0, this run has seed=None"),
                          (lambda: train(1, lr=0.1, seed=0), "has 3 steps, this run is to have 1"),
                          (lambda: train(4, 5, lr=0.1, seed=0), "holds another layer")):
        with pytest.raises(ValueError, match=message) as error:
            call()
        assert "\n" not in str(error.value)


def test_the_history_follows_its_run_to_another_device():
    history = checkpoints.History(torch.device("meta"))
    history.load_state_dict({"losses": torch.rand(3, 2)})
    assert [loss.device.type for loss in history.losses] == ["meta"] * 3


@pytest.mark.parametrize("sizes", [{"n_steps": -3}, {"n_steps": 5, "save_every": 0}])
def test_bad_sizes_of_a_training_run(sizes):
    with pytest.raises(ValueError, match="must be a whole number of at least 1"):
        list(checkpoints.training_steps(**sizes))
    assert list(checkpoints.training_steps(0)) == []


def test_a_checkpoint_of_another_network_is_refused_by_name(tmp_path):
    path, layer = tmp_path / "c.safetensors", torch.nn.Linear(2, 3)
    checkpoints.save(path, layer.state_dict())
    same = checkpoints.load_into(torch.nn.Linear(2, 3), path)
    assert torch.equal(same.weight, layer.weight) and torch.equal(same.bias, layer.bias)
    for other in (torch.nn.Linear(2, 4), torch.nn.BatchNorm2d(3), torch.nn.Sequential(torch.nn.Linear(2, 3))):
        with pytest.raises(ValueError, match=r"c.safetensors holds another \w+ \(.*Delete the file") as error:
            checkpoints.load_into(other, path)
        assert "\n" not in str(error.value)
    for state in ([1, 2], "text", 3, None):
        checkpoints.save(path, state)
        with pytest.raises(ValueError, match=r"c.safetensors holds another Linear"):
            checkpoints.load_into(torch.nn.Linear(2, 3), path)
        with pytest.raises(ValueError, match=r"c.safetensors is no unfinished training. Delete the file"):
            list(checkpoints.training_steps(2, path=path, layer=layer))
    checkpoints.save(path, {"a": layer.state_dict(), "b": torch.nn.Linear(1, 1).state_dict()})
    two = checkpoints.load_into({"a": torch.nn.Linear(2, 3), "b": torch.nn.Linear(1, 1)}, path)
    assert torch.equal(two["a"].weight, layer.weight)
    with pytest.raises(ValueError, match="does not hold the networks a, c"):
        checkpoints.load_into({"a": layer, "c": layer}, path)


@pytest.mark.parametrize("content", [
    b"", b"12345678", (2**40).to_bytes(8, "little"), (2**25).to_bytes(8, "little") + bytes(2**25), bytes(100),
    (2).to_bytes(8, "little") + b"{}", (300).to_bytes(8, "little") + b"[" * 300])
def test_what_is_no_checkpoint_is_one_line(tmp_path, content):
    (tmp_path / "c").write_bytes(content)
    with pytest.raises(ValueError, match=r"c cannot be read \(.*no checkpoint of this course: delete it") as error:
        checkpoints.load(tmp_path / "c")
    assert "\n" not in str(error.value)


@pytest.mark.skipif(os.name == "nt", reason="needs pipes")
def test_a_pipe_or_folder_is_no_checkpoint(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        with pytest.raises(ValueError, match=rf"{name} cannot be read \(it is a folder, a pipe or a device"):
            checkpoints.load(tmp_path / name)


CHECKPOINTS = sorted((runtime.project_root() / "checkpoints").glob("*.safetensors"))


def test_there_is_a_checkpoint():
    assert CHECKPOINTS


@pytest.mark.parametrize("path", CHECKPOINTS, ids=lambda path: path.stem)
def test_checkpoints_are_small_and_say_how_they_were_made(path):
    assert path.stat().st_size < 2_000_000
    made = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert {"dataset", "profile", "seed", "versions"} <= set(made)
    if path.stem.startswith("challenge"):
        saved = checkpoints.load(path)
        networks.ConvNet(60, width=96, keep_map=True).load_state_dict(saved["network"])
        networks.WarpGenerator().load_state_dict(saved["G"])
        return
    if path.stem.endswith("_navigator"):
        family = FAMILIES["navigator"]
        make = {"MAML": partial(acting.Policy, family.scale, 2), "GAN": partial(acting.TransitionGenerator, 2, 2)}
        make[made["kind"]]().load_state_dict(checkpoints.load(path))
        return
    if "kind" in made:
        make = {"pixel": networks.PixelGenerator, "GAN, pixels": networks.PixelGenerator,
                "flow, pixels": networks.PixelFlow, "flow, warps": networks.WarpFlow}.get(
                    made["kind"], partial(networks.WarpGenerator, task=made["kind"] != "warp, no task"))
        (networks.PairDiscriminator if path.stem.endswith("_D") else make)().load_state_dict(checkpoints.load(path))
        return
    if path.stem.startswith("maml"):
        saved = checkpoints.load(path)
        rates = saved.pop("log_rates").exp()
        networks.ConvNet(made["n_way"], norm=networks.BatchNorm, keep_map=True, length=32).load_state_dict(saved)
        assert rates.shape == (3,) and ((rates > 0.01) & (rates < 1)).all()
        return
    assert {"iterations", "notebook"} <= set(made)
    G = networks.ImageGenerator()
    G.load_state_dict(checkpoints.load(path))
    drawn = G.eval()(torch.randn(20, G.z_dim, generator=runtime.rng(0)))
    assert drawn.std(dim=0).mean() > 0.1, "different noise, different drawings"
