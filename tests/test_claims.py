"""What the stored notebooks claim, held against the numbers they stored. A claim that no longer holds is red here."""

import json
from functools import partial

import pytest
import torch

from course_lib import networks, runtime

RESULTS = runtime.project_root() / "figures" / "results"


def records(stem, name):
    """The records called `name` of one notebook."""
    return [r for r in json.loads((RESULTS / f"{stem}.json").read_text(encoding="utf-8")) if r["name"] == name]


def by_arm(stem, name):
    return {r["arm"]: r for r in records(stem, name)}


def test_01_a_network_finds_the_best_discriminator():
    error, = records("01_the_gan_game", "largest |D - D*| on the bulk")
    assert len(error["per_seed"]) == 3 and 0 < max(error["per_seed"]) < 0.02
    gap, = records("01_the_gan_game", "2 JSD - log 4 minus V of the learned D")
    assert 0 < gap["value"] < 1e-3, "from below, and close"


def test_02_what_covers_all_modes_in_five_of_five_games_and_what_does_not():
    covered = by_arm("02_making_it_train", "modes covered")
    assert covered["non-saturating + R1"]["per_game"] == [8] * 5
    for arm in ("saturating", "non-saturating", "least squares", "hinge", "WGAN-GP, 5 D steps"):
        assert covered[arm]["per_game"] == [8] * 5, arm
        assert sorted(covered[arm]["quality"])[2] > 0.39, "more than a thin circle without modes"
    assert covered["non-saturating + R1, 5 D steps"]["per_game"] == [8] * 5
    assert min(covered["non-saturating, 5 D steps"]["per_game"]) < 8
    assert covered["hinge + spectral norm"]["value"] < 8 == covered["non-saturating + spectral norm"]["value"]
    for arm in ("non-saturating, fast G", "non-saturating, beta1 = 0.9", "Wasserstein, no constraint",
                "WGAN-GP, 1 D step"):
        assert covered[arm]["value"] < 4, arm
    assert sum(modes < 8 for modes in covered["Wasserstein, no constraint, 5 D steps"]["per_game"]) >= 2
    gradient = by_arm("02_making_it_train", "gradient norm at G")
    assert gradient["non-saturating + R1"]["value"] < 0.5 * gradient["non-saturating"]["value"], "R1 is calmer"


def test_03_time_buys_diversity_and_each_ruler_catches_its_cheat():
    rulers = {name: by_arm("03_drawing_characters", name) for name in
              ("Fréchet distance", "precision", "recall", "coverage", "memorisation")}
    value = {name: {arm: r["value"] for arm, r in arms.items()} for name, arms in rulers.items()}
    frechet, real = value["Fréchet distance"], "real, held out"
    assert frechet[real] < frechet["long run"] < 0.6 * frechet["your run"]
    assert value["recall"]["your run"] < value["recall"]["long run"] - 0.1
    assert value["memorisation"]["cheat: copies"] == 1 and 0.4 < value["memorisation"][real] < 0.6
    assert value["memorisation"]["cheat: shifted copies"] < value["memorisation"]["cheat: blurred"] < 0.85
    assert value["precision"]["long run"] < value["precision"]["your run"], "what time costs"
    assert max(value["memorisation"][arm] for arm in ("your run", "long run")) < 0.6
    for arm in ("cheat: copies", "cheat: half the classes"):
        assert value["coverage"][arm] > value["coverage"][real] - 0.03 and frechet[arm] < 2 * frechet[real]
    assert value["coverage"]["cheat: a tenth of the classes"] < value["coverage"][real] - 0.1
    assert value["precision"]["cheat: blurred"] > value["precision"][real]
    assert frechet["cheat: blurred"] > 4 * frechet[real]


def test_04_a_condition_is_obeyed_where_d_sees_it_and_ignored_where_not():
    judged = {r["data"]: r["value"] for r in records("04_conditions", "held-out drawings that the judge names rightly")}
    obeyed = {(r["data"], r["arm"]): r["value"] for r in records("04_conditions", "conditioning accuracy")}
    assert judged["digits"] >= 0.97
    assert obeyed["digits", "projection"] >= 0.95
    assert obeyed["digits", "D does not see the label"] <= 0.20


def test_05_a_warp_keeps_the_character_and_a_blind_d_lets_it_copy():
    rows = {(r["name"], r["arm"]): r
            for r in json.loads((RESULTS / "05_from_one_example.json").read_text(encoding="utf-8"))}
    assert rows["kept: ProtoNet", "warp"]["low"] > rows["kept: ProtoNet", "pixel"]["high"]
    assert rows["spread", "warp, blind D"]["high"] < 0.1 and rows["spread", "warp"]["low"] > 0.5
    truth = "distance to the truth"
    assert rows[truth, "warp"]["high"] < min(rows[truth, arm]["low"] for arm in ("pixel", "copies of the example"))
    assert rows[f"{truth}, difference", "warp - pixel"]["high"] < 0
    for what in ("kept: ProtoNet", "spread", truth):        # "no difference is clear"
        difference = rows[f"{what}, difference", "warp - warp, no task"]
        assert difference["low"] < 0 < difference["high"]


def test_06_the_exam_decides_what_is_measured():
    known, new = (by_arm("06_episodes", f"new {name}") for name in ("drawings of known characters", "alphabets"))
    assert new["ProtoNet"]["high"] < known["ProtoNet"]["low"]
    assert new["ProtoNet"]["low"] > new["nearest neighbour in pixels"]["high"]
    difference, = records("06_episodes", "5-way 1-shot, difference")
    assert difference["low"] > 0, "ProtoNet beats fine-tuning the head on the same episodes"
    pixels = by_arm("06_episodes", "5-way 1-shot")["nearest neighbour in pixels"]
    assert records("06_episodes", "careless sampler")[0]["low"] > pixels["value"], "leaks look like progress"
    mixed, within = (by_arm("06_episodes", f"20-way 1-shot, {name}") for name in ("mixed", "within one alphabet"))
    assert all(within[arm]["high"] < mixed[arm]["low"] for arm in ("pixels", "ProtoNet"))
    asked = {(r["name"], r["setting"]): r for r in json.loads((RESULTS / "06_episodes.json").read_text())
             if r["name"].startswith("queries of")}
    every, one = "queries of all classes", "queries of one class at a time"
    assert asked[every, "inductive"]["value"] == pytest.approx(asked[one, "inductive"]["value"], abs=1e-3)
    assert asked[one, "transductive"]["high"] < asked[every, "transductive"]["low"]


def test_07_the_waves_and_the_trap():
    errors = {(r["arm"], r["steps"]): r for r in records("07_maml", "squared error on new waves")}
    for steps in (1, 10):
        for other in ("random weights", "trained on all waves"):
            assert errors["MAML", steps]["high"] < errors[other, steps]["low"]
    assert errors["MAML", 0]["value"] > errors["MAML", 1]["value"] > errors["MAML", 10]["value"]


def test_the_yardsticks():
    study = {(r["dataset"], r["name"], r["arm"], r["setting"], r["seed"]): r["value"]
             for r in json.loads((RESULTS / "few_shot.json").read_text(encoding="utf-8"))}
    assert study["glyphs", "5-way 1-shot", "MAML", "transductive", "all"] > 0.95
    ends = {(r["dataset"], r["arm"]): (r["low"], r["high"]) for r in records("few_shot", "5-way 1-shot")
                      if r["setting"] == "inductive" and r["seed"] == "all"}
    for dataset in ("glyphs", "omniglot"):
        head, whole = (ends[dataset, arm] for arm in ("ANIL", "MAML"))
        assert head[1] > whole[0], "a title of notebook 07"
        for kind in ("5-way 1-shot", "5-way 5-shot", "20-way 1-shot", "20-way 1-shot within alphabet"):
            value = {arm: study[dataset, kind, arm, "inductive", "all"] for arm in ("ProtoNet", "MAML", "ANIL")}
            assert value["ProtoNet"] > max(value["MAML"], value["ANIL"])


def test_08_generated_drawings_beat_classical_ones_and_not_always_none():
    study = {(r["name"], r["arm"], r["learner"], r["setting"], r["dataset"]): r
             for r in json.loads((RESULTS / "augmentation.json").read_text(encoding="utf-8"))}

    def difference(shots, arms, learner, dataset="glyphs"):
        return study[f"20-way {shots}-shot, within alphabet, difference", arms, learner, "inductive", dataset]

    for learner in ("fine-tuning", "ProtoNet"):
        assert difference(1, "GAN - classical", learner)["low"] > 0
        assert difference(5, "GAN - none", learner)["high"] < 0, "at five shots they cost something"
    assert difference(1, "GAN - none", "ProtoNet")["high"] < 0
    assert difference(1, "GAN - none", "fine-tuning")["value"] > 0
    for learner in ("fine-tuning", "ProtoNet"):
        assert difference(1, "GAN - none", learner, "omniglot")["low"] > 0, "on real characters, from five alphabets"
    about = "ProtoNet", "inductive", "omniglot"
    error = {arm: study["challenge", arm, *about] for arm in ("none", "classical", "GAN", "GAN + classical")}
    assert min(error, key=lambda arm: error[arm]["value"]) == "GAN"
    for other in ("none", "classical"):         # paired over seeds, which differ much in error
        assert study["challenge, difference", f"GAN - {other}", *about]["high"] < 0


def test_09_the_generator_helps_most_on_both_sides_in_training_and_in_testing():
    study = json.loads((RESULTS / "placements.json").read_text(encoding="utf-8"))
    error = {(r["arm"], r["at_test"]): r for r in study if r["name"] == "error"}
    best = error["GAN: support and query", "support and query, GAN"]
    without = [r for (arm, at_test), r in error.items() if "GAN" not in arm + at_test]
    assert len(without) == 6 and best["high"] < min(r["low"] for r in without)
    assert best["value"] == min(r["value"] for r in error.values())


CHECKPOINTS = sorted((runtime.project_root() / "checkpoints").glob("*.safetensors"))


def test_there_is_a_checkpoint():
    assert CHECKPOINTS


@pytest.mark.parametrize("path", CHECKPOINTS, ids=lambda path: path.stem)
def test_checkpoints_are_small_and_say_how_they_were_made(path):
    assert path.stat().st_size < 2_000_000
    made = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert {"dataset", "profile", "seed", "versions"} <= set(made)
    if path.stem.startswith("challenge"):
        saved = runtime.load(path)
        networks.ConvNet(60, width=32, pool=3).load_state_dict(saved["network"])
        networks.WarpGenerator().load_state_dict(saved["G"])
        return
    if "kind" in made:
        make = (networks.PixelGenerator if made["kind"] == "pixel" else
                partial(networks.WarpGenerator, task=made["kind"] != "warp, no task"))
        (networks.PairDiscriminator if path.stem.endswith("_D") else make)().load_state_dict(runtime.load(path))
        return
    if path.stem.startswith("maml"):
        networks.ConvNet(made["n_way"], width=32, norm=networks.BatchNorm, pool=3).load_state_dict(runtime.load(path))
        return
    assert {"turns", "notebook"} <= set(made)
    G = networks.ImageGenerator()
    G.load_state_dict(runtime.load(path))
    drawn = G.eval()(torch.randn(20, G.z_dim, generator=runtime.generator(0)))
    assert drawn.std(dim=0).mean() > 0.1, "different noise, different drawings"
