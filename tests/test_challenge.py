import io
import itertools
import os
import re
import shutil
import zipfile

import pytest
import torch
from PIL import Image
from scipy.stats import ttest_1samp
from torch.nn.functional import pad

from course_files import omniglot
from course_files.pictures import to_28
from course_lib import datasets, episodes, learners, normalisation, runtime
from course_lib.datasets import DataError
from course_tools import challenge, cli


def png(ink, mode="1"):
    """Ink bool [105, 105] as Omniglot stores it: dark on white."""
    buffer = io.BytesIO()
    Image.fromarray((255 * ~ink).to(torch.uint8).numpy()).convert(mode).save(buffer, "png")
    return buffer.getvalue()


def drawings(n, seed):
    """(training, test): ink bool [n, 105, 105] each. A test drawing is its training drawing with a tenth rubbed out."""
    rng = torch.Generator().manual_seed(seed)
    coarse = torch.rand(n, 15, 15, generator=rng) < 0.2
    training = coarse.repeat_interleave(7, 1).repeat_interleave(7, 2)
    return training, training & (torch.rand(n, 105, 105, generator=rng) > 0.1)


def write_runs(folder, pairs, seed=0):
    """Write one official-like run per (training, test) lists of PNGs, class by class; items come in another order.

    Returns for each run the class of item01, item02, ..., counted from 0.
    """
    rng, orders = torch.Generator().manual_seed(seed), []
    for number, (training, test) in enumerate(pairs, 1):
        run, order = f"run{number:02d}", torch.randperm(len(test), generator=rng).tolist()
        for kind in ("training", "test"):
            (folder / run / kind).mkdir(parents=True)
        for c, content in enumerate(training, 1):
            (folder / run / "training" / f"class{c:02d}.png").write_bytes(content)
        lines = []
        for item, c in enumerate(order, 1):
            (folder / run / "test" / f"item{item:02d}.png").write_bytes(test[c])
            lines.append(f"{run}/test/item{item:02d}.png {run}/training/class{c + 1:02d}.png")
        (folder / run / "class_labels.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        orders.append(order)
    return orders


def zip_of(folder, path, around=""):
    with zipfile.ZipFile(path, "w") as zipped:
        for file in sorted(f for f in folder.rglob("*") if f.is_file()):
            zipped.write(file, around + file.relative_to(folder).as_posix())
    return path


def same(a, b):
    return len(a) == len(b) and all(x.name == y.name and all(map(torch.equal, x.episodes, y.episodes))
                                    for x, y in zip(a, b))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """(folder of three runs, their ink, the orders of their items). Read only."""
    folder = tmp_path_factory.mktemp("runs")
    ink = [drawings(20, seed) for seed in range(3)]
    return folder, ink, write_runs(folder, [[list(map(png, part)) for part in pair] for pair in ink])


@pytest.fixture
def small(tmp_path):
    """A folder of two runs of four characters, to be spoilt."""
    pairs = [[list(map(png, part)) for part in drawings(4, seed)] for seed in range(2)]
    write_runs(tmp_path / "runs", pairs)
    return tmp_path / "runs"


def test_runs_hold_what_was_drawn(written):
    folder, ink, orders = written
    runs = challenge.read_runs(folder)
    assert [run.name for run in runs] == ["run01", "run02", "run03"]
    for run, (training, test), order in zip(runs, ink, orders):
        assert order != sorted(order), "labels must matter"
        support_x, support_y, query_x, query_y = run.episodes
        assert support_x.shape == query_x.shape == (1, 20, 1, 28, 28)
        assert support_x.dtype == torch.float32 and query_y.dtype == torch.int64
        assert torch.equal(support_x[0, :, 0], to_28(training) / 255), "ink bright, in [0, 1]"
        assert torch.equal(query_x[0, :, 0], to_28(test)[order] / 255)
        assert support_y.tolist() == [list(range(20))] and query_y.tolist() == [order]


@pytest.mark.parametrize("around", ["", "all_runs/"])
def test_zip_and_folder_in_a_folder_or_not_give_the_same_runs(written, tmp_path, around):
    folder = written[0]
    unpacked = tmp_path / "unpacked" / around
    shutil.copytree(folder, unpacked)
    expected, path = challenge.read_runs(folder), zip_of(folder, tmp_path / "all_runs.zip", around)
    assert same(challenge.read_runs(path), expected)
    assert same(challenge.read_runs(str(tmp_path / "unpacked")), expected)
    with zipfile.ZipFile(path, "a") as zipped:      # what a Mac adds
        for name in (f"__MACOSX/{around}run01/test/._item01.png", f"{around}run01/test/._item01.png", ".DS_Store",
                     "__MACOSX/run01/class_labels.txt", f"{around}run01/.DS_Store"):
            zipped.writestr(name, b"\0")
    assert same(challenge.read_runs(path), expected)


def test_grey_drawings_windows_line_ends_and_blank_lines_change_nothing(small):
    expected = challenge.read_runs(small)
    for path in small.rglob("*.png"):
        with Image.open(path) as image:
            grey = image.convert("L")
        grey.save(path)
    for path in small.rglob("*.txt"):
        path.write_bytes(b"\xef\xbb\xbf\r\n" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert same(challenge.read_runs(small), expected)


def test_the_tenth_run_comes_after_the_ninth_and_gaps_are_no_matter(small):
    for before, after in (("run02", "run10"), ("run01", "run9")):
        (small / before).rename(small / after)
        labels = small / after / "class_labels.txt"
        labels.write_text(labels.read_text().replace(before, after))
    assert [run.name for run in challenge.read_runs(small)] == ["run9", "run10"]


def spoil(path, find, put):
    text = path.read_text()
    assert find in text
    path.write_text(text.replace(find, put))


@pytest.mark.parametrize("find, put, message", [
    ("run02/training/class02.png", "run02/training/class99.png", "line [1-4]: .*class99.png' does not name"),
    ("run02/training/class02.png", "", "line [1-4]: 'run02/test/item0[1-4].png ' does not name"),
    ("run02/test/item03.png", "run01/test/item03.png", "line 3: 'run01/test/item03.png .* does not name"),
    ("run02/test/item03.png", "item03.png", "line 3: 'item03.png .* as 'run02/test/item01.png run02/training"),
    ("run02/test/item03.png", "run02/training/class01.png", "line 3: .* does not name"),
    ("run02/test/item03.png", "run02/test/item02.png", "line 3: run02/test/item02.png has a label already"),
    ("run02/test/item01.png ", "run02/test/item01.png x ", "line 1: .* does not name"),
])
def test_a_broken_line_of_labels_is_named(small, find, put, message):
    spoil(small / "run02" / "class_labels.txt", find, put)
    with pytest.raises(DataError, match=f"run02/class_labels.txt, {message}"):
        challenge.read_runs(small)


def test_what_is_missing_in_a_run_is_named(small):
    labels = small / "run02" / "class_labels.txt"
    whole = labels.read_text()
    labels.write_text("\n".join(whole.splitlines()[1:]))
    with pytest.raises(DataError, match=r"run02/class_labels.txt has no line for .*item01.png \(1 of 4 without"):
        challenge.read_runs(small)
    labels.unlink()
    with pytest.raises(DataError, match=r"run02/class_labels.txt is missing"):
        challenge.read_runs(small)
    labels.write_text(whole)
    shutil.rmtree(small / "run02" / "training")
    with pytest.raises(DataError, match=r"run02 has 0 drawings in training/ and 4 in test/.*all_runs.zip"):
        challenge.read_runs(small)


def test_a_damaged_drawing_and_one_of_another_size_are_named(small):
    path = small / "run02" / "test" / "item02.png"
    whole = path.read_bytes()
    for content in (b"", b"no picture", whole[:len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"run02/test/item02.png: the drawing is damaged"):
            challenge.read_runs(small)
    path.write_bytes(png(torch.zeros(28, 30, dtype=torch.bool)))
    with pytest.raises(DataError, match=r"run02/test/item02.png: the drawing has 30x28 pixels, not 105x105"):
        challenge.read_runs(small)


def test_a_wrong_path_says_where_the_runs_are(small, tmp_path):
    with pytest.raises(DataError, match=r"nowhere does not exist. Get all_runs.zip from .*brendenlake/omniglot"):
        challenge.read_runs(tmp_path / "nowhere")
    for path in (small / "run01", small / "run01" / "test"):
        with pytest.raises(DataError, match=r"holds no run folders. Expected are run01, run02"):
            challenge.read_runs(path)
    with pytest.raises(DataError, match=r"class_labels.txt cannot be read \(.*all_runs.zip"):
        challenge.read_runs(small / "run01" / "class_labels.txt")
    shutil.copytree(small, tmp_path / "two" / "a")
    shutil.copytree(small, tmp_path / "two" / "b")
    with pytest.raises(DataError, match=r"holds runs in several folders: a/, b/"):
        challenge.read_runs(tmp_path / "two")


def test_damaged_and_unsafe_archives(small, tmp_path):
    path = zip_of(small, tmp_path / "all_runs.zip")
    whole = bytearray(path.read_bytes())
    path.write_bytes(whole[:-50])
    with pytest.raises(DataError, match=r"all_runs.zip cannot be read \("):
        challenge.read_runs(path)
    at = whole.index(b"\x89PNG")
    whole[at:at + 20] = bytes(20)
    path.write_bytes(whole)
    with pytest.raises(DataError, match=r"all_runs.zip cannot be read \("):
        challenge.read_runs(path)
    with zipfile.ZipFile(zip_of(small, path), "a") as zipped:
        zipped.writestr("run01/../../evil.png", b"")
    with pytest.raises(DataError, match="holds the unsafe path"):
        challenge.read_runs(path)


def test_a_small_zip_that_unpacks_to_much_and_what_is_no_file(small, tmp_path):
    path = tmp_path / "all_runs.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        for n in range(1, 9):
            zipped.writestr(f"run01/test/item{n:02d}.png", bytes(2**23))
    assert path.stat().st_size < 2**17
    with pytest.raises(DataError, match=r"all_runs.zip cannot be read \(it unpacks to 67,108,864 bytes"):
        challenge.read_runs(path)
    large = small / "run02" / "test" / "item02.png"
    large.unlink()
    Image.new("L", (9000, 9000), 255).save(large)
    with pytest.raises(DataError, match=r"item02.png: the drawing has 9000x9000 pixels, not 105x105") as error:
        challenge.read_runs(small)
    assert "\n" not in str(error.value)
    if hasattr(os, "mkfifo"):
        large.unlink()
        os.mkfifo(large)
        os.mkfifo(tmp_path / "pipe.zip")
        for broken, name in ((small, "item02.png"), (tmp_path / "pipe.zip", "pipe.zip")):
            with pytest.raises(DataError, match=rf"{name} cannot be read \(it is a folder, a pipe or a device"):
                challenge.read_runs(broken)


def pixels(tasks):
    """Squared distances in pixels, for a part alone their negative."""
    costs = torch.cdist(tasks.query_x.flatten(2), tasks.support_x.flatten(2)).square()
    return {"reversed": -costs, challenge.FUSED: costs}


def test_score_is_the_share_of_wrong_labels_run_by_run(written, tmp_path):
    shutil.copytree(written[0], tmp_path / "runs")
    errors = challenge.score(pixels, challenge.read_runs(tmp_path / "runs"))
    assert {name: values.tolist() for name, values in errors.items()} == {
        "inductive": [0, 0, 0], "transductive": [0, 0, 0], "reversed": [1, 1, 1]}
    labels = tmp_path / "runs" / "run02" / "class_labels.txt"
    (first, a), (second, b), *_ = (line.split() for line in labels.read_text().splitlines())
    spoil(labels, f"{first} {a}\n{second} {b}\n", f"{first} {b}\n{second} {a}\n")
    runs = challenge.read_runs(tmp_path / "runs")
    assert challenge.score(pixels, runs)["inductive"].tolist() == pytest.approx([0, 0.1, 0])


def random_task(n_way, n_queries, n_tasks=1, side=2):
    rng = torch.Generator().manual_seed(3)
    support, query = (torch.rand(n_tasks, n, 1, side, side, generator=rng) for n in (n_way, n_queries))
    query_y = torch.arange(n_queries).repeat(n_tasks, 1) % n_way
    return episodes.Episodes(support, torch.arange(n_way).repeat(n_tasks, 1), query, query_y)


def test_transductive_finds_the_best_of_all_assignments():
    tasks = random_task(5, 5, n_tasks=6)
    costs = pixels(tasks)[challenge.FUSED]
    found = challenge.one_to_one(costs)
    for task, labels in zip(costs, found):
        sums = {order: sum(task[i, c].item() for i, c in enumerate(order))
                for order in itertools.permutations(range(5))}
        assert tuple(labels.tolist()) == min(sums, key=sums.get)
    assert found.dtype == torch.int64
    assert (found != costs.argmin(2)).any(), "these tasks tell the two apart"


def test_transductive_needs_one_query_per_class():
    run = challenge.Run("run07", random_task(4, 3))
    with pytest.raises(ValueError, match=r"run07: one-to-one assignment needs as many test as training .* not 3 and 4"):
        challenge.score(pixels, [run])


def test_parts_have_one_voice_each_whatever_their_units():
    costs = torch.rand(2, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    other = torch.rand(2, 3, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    both = challenge.together(costs, other)
    assert torch.allclose(challenge.together(1000 * costs + 7, 0.01 * other), both)
    row = [(x - x.mean()) / x.std() for x in (costs[1, 2], other[1, 2])]
    assert torch.allclose(both[1, 2], sum(row)), "each query by itself"


def test_published_errors_best_first():
    rows = challenge.published()
    errors = {(arm, alphabets): error for error, arm, _, alphabets, _ in rows}
    assert errors["BPL", "5 (small1)"] == 4.3 and errors["people", "-"] == 4.5      # Lake et al. 2015
    assert errors["ProtoNet", "30"] == 13.7 and errors["ProtoNet", "5 (minimal)"] == 30.1      # Lake et al. 2019
    assert [row[0] for row in rows] == sorted(row[0] for row in rows) and len(rows) == 12
    assert all("Lake" in row[4] or "Koch" in row[4] for row in rows), "other protocols stay out"


def named(n):
    return [challenge.Run(f"run{i:02d}", None) for i in range(1, n + 1)]


def test_report_says_mean_interval_and_what_others_got():
    errors = {"inductive": torch.tensor([0.05, 0.25, 0.3]), "transductive": torch.tensor([0.0, 0.1, 0.05])}
    text = challenge.report(errors, named(3), "omniglot-small2")
    rows = {line.split("  ")[0]: line.split() for line in text.splitlines() if line}
    assert rows["run02"] == ["run02", "25.0", "10.0"] and rows["mean"] == ["mean", "20.0", "5.0"]
    for setting, column in (("inductive", -3), ("transductive", -1)):
        interval = ttest_1samp(100 * errors[setting].numpy(), 0).confidence_interval(0.95)
        assert float(rows["95 %, over runs"][column]) == pytest.approx((interval.high - interval.low) / 2, abs=0.06)
    parts = {"matching": torch.tensor([0.1, 0.2, 0.6])}
    assert "  matching                                  30.0" in challenge.report(errors | parts, named(3), "omniglot")
    assert "3 found of the challenge's 20 runs" in text and "omniglot-small2 (5 alphabets)" in text
    assert re.search(r"people +4.5 +- +- +Lake et al. 2015", text) and "inductive" in text.splitlines()[3]
    assert max(map(len, text.splitlines())) <= 80


def test_report_of_all_runs_and_of_a_single_one():
    text = challenge.report({"inductive": torch.rand(20)}, named(20), "omniglot")
    assert "; 20 runs\n" in text and "30 alphabets" in text and "run20" in text
    single = challenge.report({"inductive": torch.tensor([0.25])}, named(1), "omniglot-small1")
    assert "mean                      25.0" in single and "±" not in single, "one run has no interval"


@pytest.fixture
def no_checkpoints(monkeypatch, tmp_path):
    """A project folder without networks, and a background set of 16 simulated characters named like real alphabets."""
    results = tmp_path / "project" / "figures" / "results"
    shutil.copytree(runtime.project_root() / "figures" / "results", results)
    monkeypatch.setattr(runtime, "project_root", lambda: tmp_path / "project")
    simulated = datasets.load("glyphs").take(range(32))
    alphabets = ("Greek",) * 8 + ("Latin",) * 8 + ("Tengwar",) * 16        # Tengwar is in the evaluation set
    classes = datasets.ImageClasses(simulated.images, alphabets, simulated.names)
    monkeypatch.setattr(datasets, "load", lambda name: classes)
    return tmp_path / "project"


def test_nothing_of_the_evaluation_set_is_trained_on(no_checkpoints):
    assert set(challenge.background_classes("omniglot").alphabets) == {"Greek", "Latin"}
    for name, part in (("omniglot-small1", "_small1"), ("omniglot-small2", "_small2"), ("omniglot", "")):
        assert len(omniglot.ALPHABETS[f"images_background{part}"]) == challenge.BACKGROUNDS[name]


def test_the_command_trains_and_finds_its_network_again(small, no_checkpoints, tmp_path, capsys):
    assert cli.main(["challenge", str(small)]) == 2
    shown = capsys.readouterr()
    assert "course: no network trained on omniglot-small1" in shown.err and "--train" in shown.err and not shown.out
    assert cli.main(["challenge", str(small), "--train", "--profile", "smoke"]) == 0
    trained = capsys.readouterr().out
    assert cli.main(["challenge", str(small)]) == 0
    assert capsys.readouterr().out == trained
    own = tmp_path / "out" / "checkpoints" / "challenge_omniglot-small1.safetensors"
    assert f"network: {own}" in trained and "2 found of" in trained and "BPL" in trained
    assert own.with_suffix(".json").is_file() and not (no_checkpoints / "checkpoints").exists()
    assert cli.main(["challenge", str(small), "--background", "omniglot"]) == 2, "another network"
    shutil.copytree(own.parent, no_checkpoints / "checkpoints")
    assert challenge.checkpoint("omniglot-small1") == own, "one's own goes before the course's"
    shutil.rmtree(own.parent)
    assert cli.main(["challenge", str(small)]) == 0, "the one that comes with the course"
    assert str(no_checkpoints / "checkpoints") in capsys.readouterr().out


def test_a_query_does_not_see_the_others(small, no_checkpoints, monkeypatch):
    monkeypatch.setattr(challenge, "N_VERSIONS", 1)     # augmented copies are random, and differ with a query's place
    state = torch.get_rng_state()
    challenge.train("omniglot-small1", profile="smoke")
    assert torch.equal(torch.get_rng_state(), state), "training has random numbers of its own"
    costs, hard = challenge.costs_of("omniglot-small1"), random_task(20, 20, n_tasks=2, side=28)
    before, after = costs(hard), costs(hard)
    for part in before:
        assert torch.equal(before[part], after[part]), "in training mode batch norm would learn from the drawings"
        alone = [costs(hard._replace(query_x=hard.query_x[:, i:i + 1]))[part] for i in (0, 7)]
        assert torch.allclose(torch.cat(alone, dim=1), before[part][:, [0, 7]], rtol=1e-3, atol=1e-4), part


def test_where_a_drawing_lies_and_how_large_it_is_is_nothing_to_it(no_checkpoints):
    challenge.train("omniglot-small1", profile="smoke")
    costs, task = challenge.costs_of("omniglot-small1"), random_task(6, 6, side=12)

    def framed(left, top):
        return task._replace(support_x=pad(task.support_x, (8, 8, 8, 8)),
                             query_x=pad(task.query_x, (left, 16 - left, top, 16 - top)))
    for part, found in costs(framed(8, 8)).items():
        assert torch.allclose(costs(framed(3, 14))[part], found, rtol=1e-3, atol=1e-3) or "copies" in part, part


def test_the_network_learns_from_both_worlds_and_classical_copies(no_checkpoints, monkeypatch):
    seen, fit = [], learners.train_protonet
    monkeypatch.setattr(learners, "train_protonet", lambda network, *worlds, **options: (
        seen.append((worlds, options["place"])), fit(network, *worlds, **options))[1])
    challenge.train("omniglot-small1", profile="smoke")
    (worlds, place), = seen
    assert len(worlds) == 2 and all("turned 270" in w.alphabets[-1] for w in worlds)
    for world in worlds:
        mean, _ = normalisation.moments(world.ink.view(-1, 28, 28))
        assert mean.abs().mean() < 0.02, "normalised"
    task = random_task(20, 20, side=28)
    assert not torch.equal(place(task, runtime.rng(0)).support_x, task.support_x)


def test_careless_commands(small, no_checkpoints, capsys):
    for arguments, message in ((["nowhere.zip"], "course: nowhere.zip does not exist"),
                               ([str(small), "--background", "mnist"], "unknown background 'mnist'. Choose one of: "),
                               ([str(small), "--train", "--profile", "huge"], "unknown profile 'huge'")):
        assert cli.main(["challenge", *arguments]) == 2
        shown = capsys.readouterr()
        assert message in shown.err and shown.err.count("\n") == 1 and not shown.out
    with pytest.raises(SystemExit) as stop:
        cli.main(["challenge"])
    assert stop.value.code == 2 and "RUNS" in capsys.readouterr().err


def test_the_same_command_twice_gives_the_same_errors(small, no_checkpoints):
    challenge.train("omniglot-small1", profile="smoke")
    runs = challenge.read_runs(small)
    one, two = ({name: errors.tolist() for name, errors in
                 challenge.score(challenge.costs_of("omniglot-small1"), runs).items()} for _ in range(2))
    assert one == two


@pytest.mark.skipif("COURSE_DATA" not in os.environ or not datasets.is_here("omniglot-small2"),
                    reason="set COURSE_DATA to a folder with the real omniglot-small2")
def test_runs_of_real_drawings_are_those_that_datasets_loads(tmp_path):
    """Two runs in alphabets that small1 does not have, each with 20 characters by drawer 3 and again by drawer 11."""
    part, classes = "images_background_small2", datasets.load("omniglot-small2")
    chosen = [[i for i, a in enumerate(classes.alphabets) if a == alphabet][:20]
              for alphabet in ("Japanese_(katakana)", "Sanskrit")]
    source, = datasets.DATASETS["omniglot-small2"].find(datasets.data_root())
    with zipfile.ZipFile(source) as zipped:
        content = {re.sub(r"\d+_(\d+).png", r"\1", name): zipped.read(name) for name in zipped.namelist()}
    pairs = [[[content[f"{part}/{classes.alphabets[i]}/{classes.names[i]}/{drawer:02d}"] for i in indices]
              for drawer in (3, 11)] for indices in chosen]
    orders = write_runs(tmp_path / "runs", pairs)
    runs = challenge.read_runs(zip_of(tmp_path / "runs", tmp_path / "all_runs.zip", "all_runs/"))
    for run, indices, order in zip(runs, chosen, orders):
        assert torch.equal(run.episodes.support_x[0], classes.images[indices, 2] / 255)
        assert torch.equal(run.episodes.query_x[0], classes.images[indices, 10][order] / 255)
    errors = challenge.score(pixels, runs)["inductive"]
    assert 0.4 < errors.mean() < 0.93, "nearest neighbours in pixels are poor, but better than chance (95 %)"
