"""The Omniglot one-shot challenge: 20 characters of one alphabet, one drawing of each, 20 drawings by another hand.

The official runs are read from disk; alphabets of the background set are all a learner may train on. The error is held
against the published ones. Source: Lake et al. 2015, "Human-level concept learning through probabilistic program
induction"; state of the challenge: Lake et al. 2019, arXiv 1902.03477.
"""

import os
import re
import zipfile
from functools import partial
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import torch
from scipy.optimize import linear_sum_assignment

from course_files import omniglot
from course_files.opening import opened
from course_files.pictures import ink_of_png, to_28
from course_lib import (
    augmentations,
    checkpoints,
    datasets,
    episodes,
    learners,
    networks,
    pairs,
    placements,
    runtime,
    statistics,
)
from course_lib.datasets import DataError
from course_lib.normalisation import normalised

from . import records

OFFICIAL = 20       # runs in the challenge
MOST = 2**25        # bytes of all its drawings: a hundred times what they have
SOURCE = ("Get all_runs.zip from github.com/brendenlake/omniglot, folder python/one-shot-classification, and give its "
          "path, packed or unpacked.")


class Run(NamedTuple):
    """One run of the challenge."""

    name: str                       # run01
    episodes: episodes.Episodes     # T = 1 task, N-way 1-shot; classes and queries in the order of their file names


def read_runs(path):
    """The runs in a folder or zip, a list of `Run` in order: any number of them, on top or in one folder.

    Each has training/*.png, test/*.png (105x105, dark on white) and class_labels.txt, whose lines pair a test drawing
    with its training drawing: `run01/test/item01.png run01/training/class15.png`. Drawings are prepared
    as `datasets.load` prepares Omniglot's. Raises DataError for what is absent, damaged or contradictory.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise DataError(f"{path} does not exist. {SOURCE}")
    files = {}      # {(folder around the runs, run): {path from that folder: function that returns the bytes}}
    for name, read in (_folder(path) if path.is_dir() else _archive(path)).items():
        around, run = MEMBER.fullmatch(name).group(1, 2)
        files.setdefault((around or "", run), {})[name.removeprefix(around or "")] = read
    places = sorted({around for around, _ in files})
    if len(places) != 1:
        what = f"runs in several folders: {', '.join(place or '.' for place in places)}" if places else "no run folders"
        raise DataError(f"{path} holds {what}. Expected are run01, run02 and so on, directly or in one folder. "
                             f"{SOURCE}")
    return [_run(name, files[places[0], name]) for _, name in sorted(files, key=lambda key: int(key[1][3:]))]


# Also leaves out what a Mac adds to folders and archives: __MACOSX/run01/..., run01/test/._item01.png.
MEMBER = re.compile(r"((?!__MACOSX)[^/]+/)?(run\d+)/(?:class_labels\.txt|(?:training|test)/[^/.][^/]*\.png)")


def _folder(folder):
    """{path from the folder: function that returns the bytes} of the files of runs."""
    paths = [path for pattern in ("run*/*", "run*/*/*", "*/run*/*", "*/run*/*/*") for path in folder.glob(pattern)]
    names = {path.relative_to(folder).as_posix(): partial(_content, path) for path in sorted(paths)}
    return {name: read for name, read in names.items() if MEMBER.fullmatch(name)}


def _content(path):
    with opened(path, DataError, SOURCE, MOST) as file:
        return file.read()


def _archive(archive):
    """The same for the members of a zip, which is never unpacked to disk."""
    with opened(archive, DataError, SOURCE, MOST) as file, zipfile.ZipFile(file) as zipped:
        _refuse_unsafe(zipped.namelist())
        members = [member for member in zipped.infolist() if MEMBER.fullmatch(member.filename)]
        if (size := sum(member.file_size for member in members)) > MOST:
            raise ValueError(f"it unpacks to {size:,} bytes, more than {MOST:,}")
        return {member.filename: partial(bytes, zipped.read(member)) for member in members}


def _refuse_unsafe(names):
    """Raise ValueError if one of the names in a zip would lead out of the folder it is unpacked into."""
    for name in names:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or "\\" in name:
            raise ValueError(f"it holds the unsafe path {name!r}; the real archive has none")


def _run(name, files):
    """The `Run` of files {run01/...: function that returns the bytes}."""
    training, test = (sorted(f for f in files if f.startswith(f"{name}/{kind}/")) for kind in ("training", "test"))
    if not training or not test:
        raise DataError(f"{name} has {len(training)} drawings in training/ and {len(test)} in test/; it needs "
                             f"both. {SOURCE}")
    answers = _answers(name, files, training, test)
    support, query = (_images(part, files)[None] for part in (training, test))      # [1, N, 1, 28, 28]
    query_y = torch.tensor([[training.index(answers[f]) for f in test]])            # [1, N]
    return Run(name, episodes.Episodes(support, torch.arange(len(training))[None], query, query_y))


def _answers(name, files, training, test):
    """{test drawing: its training drawing}, as class_labels.txt says."""
    labels, answers = f"{name}/class_labels.txt", {}
    if labels not in files:
        raise DataError(f"{labels} is missing: nothing says which test drawing is which character. {SOURCE}")
    for number, line in enumerate(files[labels]().decode("utf-8-sig", errors="replace").splitlines(), 1):
        pair = line.split()
        if pair and (len(pair) != 2 or pair[0] not in test or pair[1] not in training):
            raise DataError(f"{labels}, line {number}: {line!r} does not name a test drawing and a training "
                                 f"drawing that are there, as '{test[0]} {training[0]}' would.")
        if pair and pair[0] in answers:
            raise DataError(f"{labels}, line {number}: {pair[0]} has a label already. Each test drawing has one.")
        answers.update([pair] if pair else [])
    if missing := [f for f in test if f not in answers]:
        raise DataError(f"{labels} has no line for {missing[0]} ({len(missing)} of {len(test)} without a label).")
    return answers


def _images(names, files):
    """Drawings as float [N, 1, 28, 28] in [0, 1], ink bright: what `datasets.load` makes of Omniglot's."""
    ink = torch.stack([torch.from_numpy(ink_of_png(files[name](), name)) for name in names])
    return to_28(ink)[:, None].float() / 255


BACKGROUNDS = {"omniglot-small1": 5, "omniglot-small2": 5, "omniglot": 30}      # and their numbers of alphabets


N_VERSIONS = 16     # of every drawing, itself among them
GENTLE = augmentations.classical(augmentations.STRENGTH.times(0.25))       # at test time; in training twice as strong
FUSED = "matching + network, classical copies"


def costs_of(background):
    """A function of 1-shot `Episodes`: {part: what it costs [T, Q, N] to give each query each label}.

    The parts are those of the learner trained on `background`, a name in BACKGROUNDS; FUSED is what it answers by. The
    drawings are normalised first, and no query sees another. Raises FileNotFoundError where there is no checkpoint,
    ValueError for an unknown background.
    """
    network, G = networks.ConvNet(60, width=WIDTH, keep_map=True), networks.WarpGenerator()
    checkpoints.load_into({"network": network, "G": G}, checkpoint(background))

    def distances(tasks, augmentation=None, versions=1):
        """Squared, in features that are means over a drawing and `versions - 1` copies of it: [T, Q, N]."""
        features_of = placements.mean_features(network, augmentation, versions, runtime.rng(0))
        return -learners.protonet_logits(lambda features: features, features_of(tasks))

    @torch.no_grad()
    def costs(tasks):
        tasks = tasks._replace(support_x=normalised(tasks.support_x), query_x=normalised(tasks.query_x))
        matching = torch.stack([learners.matching_costs(*pair) for pair in zip(tasks.query_x, tasks.support_x)])
        by_G = distances(tasks, augmentations.generated(G), N_VERSIONS)
        classical = distances(tasks, GENTLE, N_VERSIONS)
        return {"matching": matching, "network": distances(tasks), "network, copies by G": by_G,
                "network, classical copies": classical, "matching + network, copies by G": together(matching, by_G),
                FUSED: together(matching, classical)}
    return costs


def together(*parts):
    """The sum of costs [T, Q, N], each brought to mean 0 and deviation 1 over the labels of every single query."""
    return sum((costs - costs.mean(2, keepdim=True)) / costs.std(2, keepdim=True) for costs in parts)


def one_to_one(costs):
    """The labels [T, N] of all N queries at once, each class one, whose costs [T, N, N] have the least sum.

    Transductive: it takes for granted that each class has exactly one query, as in the challenge, so it is told more
    than an inductive learner. By the Hungarian algorithm. Raises ValueError for other numbers of queries.
    """
    n_queries, n_way = costs.shape[1:]
    if n_queries != n_way:
        raise ValueError(f"one-to-one assignment needs as many test as training drawings, not {n_queries} and "
                         f"{n_way}. Use the inductive learner.")
    columns = [linear_sum_assignment(task.cpu().numpy())[1] for task in costs]
    return torch.stack([torch.from_numpy(column) for column in columns]).to(costs.device)


def checkpoint(background):
    """The path of the network trained on `background`: one's own before the one that came with the course."""
    runtime.one_of("background", background, BACKGROUNDS)
    folders = (runtime.output_dir(), runtime.project_root())
    paths = [folder / "checkpoints" / f"challenge_{background}.safetensors" for folder in folders]
    found = next((path for path in paths if path.is_file()), None)
    if found is None:
        raise FileNotFoundError(f"no network trained on {background}: {paths[1]} is absent. `course challenge RUNS "
                                f"--background {background} --train` trains one.")
    return found


def background_classes(background):
    """The `ImageClasses` to train on: all of the background set, nothing of the evaluation set the runs are from."""
    runtime.one_of("background", background, BACKGROUNDS)
    classes = datasets.load(background)
    allowed = omniglot.ALPHABETS["images_background"]
    return classes.take(i for i, alphabet in enumerate(classes.alphabets) if alphabet in allowed)


WIDTH = 96


def train(background, *, profile="cpu", seed=0):
    """Train a generator and a ProtoNet on its drawings, on `background` alone; save both where `costs_of` looks.

    All drawings are normalised, and seen in their quarter turns as well. Interrupted, it goes on from where it was, in
    the next call with the same arguments.
    """
    sizes, device = runtime.profile(profile), runtime.device(os.environ.get("COURSE_DEVICE", "auto"))
    real = background_classes(background).normalised().turned().to(device)
    simulated = datasets.load("glyphs").normalised().turned().to(device)
    made = {"dataset": background, "profile": profile, "seed": seed}
    part = str(runtime.project_root() / "runs" / "challenge" / f"{background}_{profile}_{seed}_{{}}.part").format
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        G, D = networks.WarpGenerator().to(device), networks.PairDiscriminator().to(device)
    steps, iterations = sizes.pick(smoke=3, cpu=4_000, gpu=20_000), sizes.pick(smoke=3, cpu=2_000, gpu=40_000)
    network = train_network([real, simulated], n_steps=steps, seed=seed, path=part("network"), made=made)
    G = pairs.train_generator(G, D, real, n_steps=iterations, made=made, path=part("G"),
                              rng=runtime.rng(seed, device)).G
    checkpoints.save(runtime.output_dir() / "checkpoints" / f"challenge_{background}.safetensors",
                     {"network": network.state_dict(), "G": G.state_dict()}, **made, steps=steps,
                     iterations=iterations, made_by="course challenge --train")


def train_network(worlds, *, n_steps, seed, **options):
    """A `networks.ConvNet` trained as a ProtoNet, 60-way 1-shot, each drawing replaced by a classical copy.

    worlds: several `ImageClasses`, each as often. options: those of `maml.fit`.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        network = networks.ConvNet(60, width=WIDTH, keep_map=True)
        network = network.to(worlds[0].images.device, memory_format=torch.channels_last)      # a quarter faster
    place = placements.in_training(augmentations.classical(augmentations.STRENGTH.times(0.5)))
    return learners.train_protonet(network, *worlds, n_way=60, place=place, n_steps=n_steps,
                                   rng=runtime.rng(seed, worlds[0].images.device), **options)


def score(costs, runs):
    """{setting, or part: the error on each run, [n_runs] in [0, 1]}; a part alone is inductive.

    costs: a function of `Episodes`, as from `costs_of`. Raises ValueError with the name of a run where N queries of N
    classes are needed.
    """
    errors = {}
    for run in runs:
        found = costs(run.episodes)
        try:
            labels = {"inductive": found[FUSED].argmin(2), "transductive": one_to_one(found[FUSED])}
        except ValueError as error:
            raise ValueError(f"{run.name}: {error}") from None
        labels |= {part: found[part].argmin(2) for part in found if part != FUSED}
        for name, named in labels.items():
            errors.setdefault(name, []).append((named != run.episodes.query_y).double().mean())
    return {name: torch.stack(values) for name, values in errors.items()}


KIND = "20-way 1-shot within alphabet"


def published():
    """The published errors in this challenge, best first: [(error in %, arm, setting, alphabets, source)]."""
    rows = records.read(runtime.project_root() / "figures" / "results" / "published.jsonl")
    return sorted((round(100 - float(row["accuracy"][KIND]), 1), row["arm"], row["setting"], row["alphabets"],
                   row["source"]) for row in rows if KIND in row["accuracy"])


def report(errors, runs, background):
    """The errors {setting, or part: [n_runs] in [0, 1]} as text, in %, with published ones below; at most 80 columns"""
    count = f"{len(runs)} runs" if len(runs) == OFFICIAL else f"{len(runs)} found of the challenge's {OFFICIAL} runs"
    settings = {name: errors[name] for name in errors if name in SETTINGS}
    lines = [f"Omniglot one-shot challenge, error in %; {count}",
             f"trained on {background} ({BACKGROUNDS[background]} alphabets)", "", _row("", settings)]
    for i, run in enumerate(runs):
        lines.append(_row(run.name, [f"{100 * error[i]:.1f}" for error in settings.values()]))
    lines += [_row("mean", [f"{100 * error.mean():.1f}" for error in settings.values()])]
    if len(runs) > 1:
        halves = [statistics.mean_interval(100 * error)[1] for error in settings.values()]
        lines.append(_row("95 %, over runs", [f"± {half:.1f}" for half in halves]))
    lines += ["", *SETTINGS.values(), "", f"{FUSED}: the learner above", "inductive means of its parts alone:"]
    lines += [f"  {name:<40}{100 * error.mean():>6.1f}" for name, error in errors.items() if name not in SETTINGS]
    return "\n".join([*lines, "", *_published_table()])


SETTINGS = {"inductive": "inductive: one test drawing at a time.",
            "transductive": "transductive: all test drawings of a run at once, assigned one to one: it is\n"
                            "told that each character comes exactly once."}


def _row(name, cells):
    return f"{name:<16}" + "".join(f"{cell:>14}" for cell in cells)


def _published_table():
    row = "{:<14}{:>8}  {:<14}{:<24}{}".format
    return [row("published", "error", "setting", "background alphabets", "source"),
            *(row(arm, error, setting, alphabets, source) for error, arm, setting, alphabets, source in published())]
