import json

import pytest
import torch
from matplotlib import pyplot as plt

from course_lib import runtime
from course_tools import notebook, plots, records


@pytest.fixture(autouse=True)
def own_style():
    with plt.rc_context():
        yield


def test_a_notebook_begins_with_sizes_device_and_an_empty_file_of_results():
    sizes, device, results = notebook.setup("NN_name", "smoke", "glyphs", "cpu", 3, split="val")
    assert sizes is runtime.profile("smoke") and device == torch.device("cpu")
    assert results.path == runtime.output_dir() / "figures" / "results" / "NN_name.jsonl"
    assert results.path.read_bytes() == b""
    record = results.add("x", [0.25, 0.5], unit="accuracy", setting="inductive")
    assert {key: record[key] for key in ("dataset", "split", "profile", "seed", "device")} == {
        "dataset": "glyphs", "split": "val", "profile": "smoke", "seed": 3, "device": "cpu"}
    assert records.read(results.path) == [record] == [json.loads(results.path.read_text(encoding="utf-8"))]


def test_auto_becomes_the_device_that_is_taken():
    _, device, results = notebook.setup("NN_name", "cpu", "digits", "auto", 0)
    assert device == runtime.device("auto")
    assert results.add("x", [1.0, 2.0], unit="seconds", setting="-")["device"] == str(device)


def test_its_figures_get_the_style_of_the_course():
    plt.rcdefaults()
    notebook.setup("NN_name", "smoke", "glyphs", "cpu", 0)
    found = dict(plt.rcParams)
    plt.rcdefaults()
    plots.use_style()
    assert found == dict(plt.rcParams) and found["font.size"] != plt.rcParamsDefault["font.size"]


@pytest.mark.parametrize("profile, device, message", [
    ("huge", "cpu", "unknown profile 'huge'. Choose one of: smoke, cpu, gpu"),
    ("smoke", "tpu", "unknown device 'tpu'. Choose one of: auto, cpu")])
def test_a_wrong_parameter_is_refused_and_earlier_results_stay(profile, device, message):
    _, _, results = notebook.setup("NN_name", "smoke", "glyphs", "cpu", 3)
    results.add("x", [0.25, 0.5], unit="accuracy", setting="inductive")
    before = results.path.read_bytes()
    with pytest.raises(ValueError, match=message):
        notebook.setup("NN_name", profile, "glyphs", device, 3)
    assert results.path.read_bytes() == before
