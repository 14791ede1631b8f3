"""The checkpoints that the repository carries: small, described, and loadable."""

import json
from functools import partial

import pytest
import torch

from course_lib import checkpoints, networks, runtime

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
        networks.ConvNet(60, width=32, pool=3).load_state_dict(saved["network"])
        networks.WarpGenerator().load_state_dict(saved["G"])
        return
    if "kind" in made:
        make = (networks.PixelGenerator if made["kind"] == "pixel" else
                partial(networks.WarpGenerator, task=made["kind"] != "warp, no task"))
        (networks.PairDiscriminator if path.stem.endswith("_D") else make)().load_state_dict(checkpoints.load(path))
        return
    if path.stem.startswith("maml"):
        networks.ConvNet(made["n_way"], width=32, norm=networks.BatchNorm, pool=3).load_state_dict(checkpoints.load(path))
        return
    assert {"turns", "notebook"} <= set(made)
    G = networks.ImageGenerator()
    G.load_state_dict(checkpoints.load(path))
    drawn = G.eval()(torch.randn(20, G.z_dim, generator=runtime.rng(0)))
    assert drawn.std(dim=0).mean() > 0.1, "different noise, different drawings"
