import json

import pytest
import torch
from matplotlib import pyplot as plt
from PIL import Image

from course_lib import augmentations, classifier, datasets, episodes, learners, networks, quality, runtime
from course_lib.datasets import DataError
from course_tools import authoring, notebook, plots, records


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


def test_data_without_pictures_are_refused():
    with pytest.raises(DataError, match=r"names holds rows of counts and no pictures.* Choose another one"):
        notebook.setup("NN_name", "smoke", "names", "cpu", 0)


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


def code_of(stem, *beginnings):
    """The code cells of a notebook that begin so."""
    script, = (path for path in authoring.scripts() if path.stem == stem)
    cells = [cell.source for cell in authoring.read_script(script).cells if cell.cell_type == "code"]
    found = [cell for cell in cells if cell.startswith(beginnings)]
    assert len(found) == len(beginnings), [cell.splitlines()[0] for cell in cells]
    return "\n".join(found)


@pytest.mark.parametrize("n_classes, n_drawings", [(2, 9), (3, 12), (25, 20), (4, 100)])
def test_all_arms_of_notebook_08_have_as_many_drawings_and_no_record_is_nan(n_classes, n_drawings, monkeypatch):
    """A Frechet distance falls with the number of drawings. With 20 of each, people once had 1 and a generator 9."""
    torch.manual_seed(0)
    drawings = (255 * torch.rand(n_classes, n_drawings, 1, 28, 28)).to(torch.uint8)
    val = datasets.ImageClasses(drawings, ("a",) * n_classes, tuple(map(str, range(n_classes))))
    sizes, device, results = notebook.setup("08_from_one_example", "smoke", "folder:/x", "cpu", 0)
    space = {"dataset": "folder:/x", "seed": 0, "sizes": sizes, "device": device, "results": results, "val": val,
             "generators": {}, "protonet": learners.protonet(networks.ConvNet(1, width=4)), "torch": torch,
             "augmentations": augmentations, "classifier": classifier, "episodes": episodes, "quality": quality,
             "runtime": runtime}
    compared, distance = [], quality.frechet_distance
    monkeypatch.setattr(quality, "frechet_distance", lambda a, b: compared.append((len(a), len(b))) or distance(a, b))
    cells = "arms = {", "half = ", "n_true = ", "def frechet", "KEPT = ", "def copies("
    exec(code_of("08_from_one_example", *cells), space)
    stored = records.read(results.path)
    assert len(stored) == 15 and len({record["arm"] for record in stored}) == 3
    n = min(12, n_drawings - n_drawings // 2 - 1) // 2              # half of what no network was trained on
    size = max(2, n_classes * n // 4)
    assert compared == [(size, size)] * (3 * (n_classes * n // size))


USING = [path for path in authoring.scripts() if "datasets.load(dataset" in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("script", USING, ids=lambda path: path.stem)
def test_a_dataset_that_is_too_small_is_told_before_any_training(script, tmp_path, monkeypatch):
    """Three classes of two images: one for each split."""
    for name in ("x/1", "x/2", "y/1", "y/2", "z/1", "z/2"):
        (tmp_path / "few" / name).parent.mkdir(parents=True, exist_ok=True)
        image = Image.new("L", (28, 28), 255)
        image.putpixel((9, 9 + int(name[-1])), 0)
        image.save(tmp_path / "few" / f"{name}.png")
    monkeypatch.setattr(datasets, "cache_folder", lambda: tmp_path / "cache")
    code, space = [cell for cell in authoring.read_script(script).cells if cell.cell_type == "code"], {}
    first, = (i for i, cell in enumerate(code) if "parameters" in cell.metadata.get("tags", []))
    cells = [cell.source for cell in code[first:]]
    exec("\n".join(cell.source for cell in code[:first + 1]), space)        # notebook 00 begins with a picture
    space |= {"profile": "smoke", "dataset": f"folder:{tmp_path / 'few'}"}
    with pytest.raises(DataError, match=r"few is too small for this notebook, which needs \d+ [^\n]*; there are [0-2]"
                                        r"\. Add images, or take another dataset, such as glyphs\.$"):
        exec("\n".join([cells[1], *(cell for cell in cells[2:] if "datasets.load(dataset" in cell)]), space)


def classes_of(n_drawings, *counts):
    """Empty drawings: so many classes in each of the alphabets."""
    alphabets = tuple(name for name, n in zip("abc", counts) for _ in range(n))
    return datasets.ImageClasses(torch.zeros(len(alphabets), n_drawings, 1, 1, 1), alphabets, alphabets)


@pytest.mark.parametrize("train, val, options, message", [
    (classes_of(5, 2), classes_of(5, 2), {}, None),
    (classes_of(5, 2, 7), classes_of(5, 1, 2), {},
     "2 classes in its split 'val' in every alphabet, such as 'a'; there are 1."),
    (classes_of(5, 3, 2), classes_of(5, 2), {"classes": (3, 2)},
     "3 classes in its split 'train' in every alphabet, such as 'b'; there are 2."),
    (classes_of(5, 1, 1), classes_of(5, 1, 1), {"within_alphabet": False}, None),
    (classes_of(5, 1, 1), classes_of(5, 1), {"within_alphabet": False}, "2 classes in its split 'val'; there are 1."),
    (classes_of(4, 3), classes_of(4, 3), {}, "5 drawings of each class; there are 4.")])
def test_how_large_is_enough(train, val, options, message):
    if message is None:
        return notebook.enough("d", train, val, drawings=5, **options)
    with pytest.raises(DataError) as error:
        notebook.enough("d", train, val, drawings=5, **options)
    assert str(error.value).startswith("d is too small for this notebook, which needs ") and message in str(error.value)


def square(x):
    return x * x


def squares_only(function):
    if function(3) != 9:
        raise AssertionError("expected 9")
    print("✓ squares")


@pytest.mark.parametrize("use_mine, mine, chosen, line", [
    (True, lambda x: x ** 2, "mine", "square: yours."),
    (True, lambda x: 2 * x, "library", "square: the library's, because yours does not pass its check yet."),
    (False, lambda x: x ** 2, "library", "square: the library's, because use_mine is False.")])
def test_the_notebook_goes_on_with_the_readers_function_only_if_it_is_right(use_mine, mine, chosen, line, capsys):
    taken = notebook.choose(use_mine, mine, squares_only, square)
    assert taken is (mine if chosen == "mine" else square)
    assert capsys.readouterr().out == line + "\n"
