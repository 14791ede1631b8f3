"""The `course` command: run, lab, doctor, challenge, report, class, grade, notebooks, publish."""

import argparse
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

from course_lib.runtime import DEVICES, PROFILES, one_of, project_root


def main(argv=None):
    """Entry point. Returns the exit code: 0 done, 1 something failed, 2 bad input, 130 Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):     # a report piped into a file on Windows may not know the sign ✓
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    parser = _parser()
    arguments, arguments.others = parser.parse_known_args(argv)
    if arguments.others and arguments.action is not _lab:
        parser.error(f"unrecognized arguments: {' '.join(arguments.others)}")
    if (folder := project_root() / "data").is_dir():        # a handout may bring its data
        os.environ.setdefault("COURSE_DATA", str(folder))
    try:
        return arguments.action(arguments) or 0
    except KeyboardInterrupt:
        print("\nstopped by Ctrl-C", file=sys.stderr)
        return 130
    except (ValueError, OSError, RuntimeError) as error:
        print(f"course: {error}", file=sys.stderr)
        return 2


class _Parser(argparse.ArgumentParser):
    def error(self, message):       # one line, as every error of this command
        self.exit(2, f"course: {message}. See {self.prog} --help.\n")


def _parser():
    parser = _Parser(prog="course", description="GANs for few-shot learning: run and check the course.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="execute the notebooks into runs/<time>/")
    run.add_argument("notebooks", nargs="*", help="which, by their first characters (00 03); default all")
    for flag, text in (("profile", " · ".join(PROFILES)), ("device", " · ".join(DEVICES)),
                       ("dataset", "glyphs, ..., folder:PATH; several with commas between")):
        run.add_argument(f"--{flag}", help=text)        # what is not given, a notebook's own parameters cell says
    seeds = run.add_mutually_exclusive_group()
    seeds.add_argument("--seed", help="one whole number")
    seeds.add_argument("--seeds", help="a sweep: 0-9, or 0,3,7; headline numbers get intervals over the seeds")
    run.add_argument("-j", "--jobs", type=int, metavar="N",
                     help="notebooks at a time, one thread each (default: what cores and memory allow)")
    run.add_argument("--cluster", metavar="ADDRESS", help="hand the notebooks to the Dask scheduler there")
    run.add_argument("-p", "--parameter", action="append", default=[], metavar="NAME=VALUE", help="any other parameter")
    run.set_defaults(action=_run)
    lab = commands.add_parser("lab", help="open JupyterLab on the course; further options go to it (--no-browser)")
    lab.set_defaults(action=_lab)
    commands.add_parser("doctor", help="what a teacher checks before class").set_defaults(action=_doctor)
    challenge = commands.add_parser("challenge", help="the error in the Omniglot one-shot challenge")
    challenge.add_argument("runs", metavar="RUNS", help="the official runs: all_runs.zip, or the folder unpacked")
    challenge.add_argument("--background", default="omniglot-small1",
                           help="what the network trained on: omniglot-small1 (default) · omniglot-small2 · omniglot")
    challenge.add_argument("--train", action="store_true", help="train that network first")
    challenge.add_argument("--profile", default=os.environ.get("COURSE_PROFILE", "cpu"),
                           help="how long to train: " + " · ".join(PROFILES))
    challenge.set_defaults(action=_challenge)
    handout = commands.add_parser("class", help="a zip for students: exercises and all they need (for teachers)")
    handout.add_argument("--out", required=True, metavar="DIR", help="the folder to write gan-few-shot-course.zip into")
    handout.add_argument("--notebooks", nargs="+", default=[], metavar="NN", help="which (01 02); default all")
    handout.add_argument("--dataset", default=os.environ.get("COURSE_DATASET", "glyphs"),
                         help="what the notebooks draw from; its files go into the zip (default: glyphs, built in)")
    handout.add_argument("--wheels", action="store_true",
                         help="also fetch DIR/wheels, to install without internet on this system and Python version")
    handout.set_defaults(action=_class)
    grade = commands.add_parser("grade", help="points for hand-ins, with nbgrader (for teachers)")
    grade.add_argument("folder", metavar="FOLDER", help="holds submitted/STUDENT/01/01_the_gan_game.ipynb")
    grade.set_defaults(action=_grade)
    report = commands.add_parser("report", help="every number that README and the notebooks' answers state")
    report.set_defaults(action=_report)
    notebooks = commands.add_parser("notebooks", help="rebuild the stored notebooks that are stale (for authors)")
    which = notebooks.add_mutually_exclusive_group()
    which.add_argument("--all", action="store_true", help="rebuild every notebook")
    which.add_argument("--check", action="store_true", help="rebuild nothing; say which are stale, and fail if any is")
    notebooks.set_defaults(action=_notebooks)
    publish = commands.add_parser("publish", help="put the course's public address into README and notebooks")
    publish.add_argument("address", metavar="https://github.com/OWNER/NAME")
    publish.set_defaults(action=_publish)
    return parser


def _run(arguments):
    from course_lib import datasets, runtime

    from . import pages, running

    notebooks, given = running.find_notebooks(arguments.notebooks), dict(map(_name_value, arguments.parameter))
    for name in (name for name in running.FLAGS if name in given):
        raise ValueError(f"-p is for other parameters; {name} has a flag of its own: --{name} {given[name]}")
    flags = {name: os.environ.get(running.variable(name)) if getattr(arguments, name) is None
             else getattr(arguments, name) for name in running.FLAGS}
    if arguments.jobs is not None:
        runtime.positive(jobs=arguments.jobs)
    if arguments.seeds is not None:
        seeds = running.read_seeds(arguments.seeds)
    else:
        seeds = [] if flags["seed"] is None else [running.read_seed(flags["seed"])]
    names = [] if flags["dataset"] is None else running.read_datasets(flags["dataset"])     # whole paths
    given |= {name: flags[name] for name in ("profile", "device") if flags[name] is not None}
    todo = running.jobs(notebooks, given, names, seeds)
    for job in todo:
        runtime.profile(job.parameters["profile"])
        one_of("device", job.parameters["device"], DEVICES)
        if arguments.cluster is None:       # there, the workers' devices and data count
            job.parameters["device"] = str(runtime.device(job.parameters["device"]))
    for name in {job.dataset for job in todo} if arguments.cluster is None else []:
        datasets.load(name)             # an absent dataset is one clear line here, not a traceback per notebook
    client = None if arguments.cluster is None else running.connect(arguments.cluster)
    processes = arguments.jobs or running.default_processes(len(todo), todo[0].parameters["device"])
    folder = running.new_run_folder()
    print(f"{len(todo)} job(s), {f'on {arguments.cluster}' if client else f'{processes} at a time'}, into {folder}",
          flush=True)
    outcomes = running.run(todo, folder, processes, client)
    if outcomes:
        sweep = bool(todo[0].folder)
        lines = pages.sweep_table(folder, outcomes) if sweep else pages.table(folder, list(outcomes.values()))
        print("\n".join(["", *lines, ""]), flush=True)
        running.write_reports(folder, todo, outcomes)       # once more: a full disc, which said nothing, may have room
        print(f"open {folder / 'index.html'}")
    count = Counter(outcome.status for outcome in outcomes.values())
    if count["failed"]:
        print(f"{count['failed']} of {len(todo)} job(s) failed", file=sys.stderr)
    if unfinished := len(todo) - count["ok"] - count["failed"]:
        print(f"stopped by Ctrl-C: {unfinished} job(s) not finished", file=sys.stderr)
        return 130
    return 1 if count["failed"] else 0


def _name_value(text):
    """'n_way=20' -> ('n_way', '20'). Of which type it is, the notebook says."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ValueError(f"-p {text!r} is not NAME=VALUE. Write for instance -p retrain=True.")
    return name, value


def _challenge(arguments):
    from . import challenge

    runs = challenge.read_runs(arguments.runs)
    if arguments.train:
        challenge.train(arguments.background, profile=arguments.profile)
    errors = challenge.score(challenge.costs_of(arguments.background), runs)
    print(challenge.report(errors, runs, arguments.background))
    print(f"\nnetwork: {challenge.checkpoint(arguments.background)}")


def _class(arguments):
    from . import handout

    if not arguments.out:
        raise ValueError("--out names no folder. Write for instance --out handout.")
    path = handout.write(arguments.out, arguments.notebooks, dataset=arguments.dataset)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB. Students unpack it and follow its README.md.", flush=True)
    if arguments.wheels:
        handout.download_wheels(path.parent / "wheels")


def _grade(arguments):
    from . import grading

    grades = grading.grade(arguments.folder)
    print("\n".join(["", *grading.table(grades)]))
    return 1 if any(one.points is None for one in grades) else 0


def _report(arguments):
    from . import report

    if not (project_root() / "notebooks" / "source").is_dir():
        raise ValueError("a report needs a clone of the course; a handout has some of the numbers only")
    rows = report.headlines(report.load())
    folder = Path(os.environ.get("COURSE_OUT") or project_root() / "runs" / "report")
    report.save(folder, rows)
    print("\n".join([*report.lines(rows), "", f"{len(rows)} numbers; all in {folder / 'report.md'}"]))


def _lab(arguments):
    environment = {**os.environ, "JUPYTER_PREFER_ENV_PATH": "1"}
    if "COURSE_DATASET" in environment:
        from course_lib import datasets

        environment["COURSE_DATASET"] = datasets.known_name(environment["COURSE_DATASET"])   # kernels start elsewhere
    exercises = (project_root() / "notebooks" / "exercises").is_dir()       # a handout has nothing but exercises
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={project_root()}",
               f"--LabApp.default_url=/lab/tree/notebooks{'/exercises' if exercises else ''}", *arguments.others]
    server = subprocess.Popen(command, env=environment)
    before = signal.signal(signal.SIGTERM, lambda *_: server.terminate())    # or the server would outlive this process
    try:
        while True:
            try:
                return server.wait()
            except KeyboardInterrupt:       # the server got it too; it asks, and stops its kernels
                continue
    finally:
        signal.signal(signal.SIGTERM, before)


def _notebooks(arguments):
    from . import authoring

    if arguments.check:
        return authoring.check_stale()
    authoring.build_stale(everything=arguments.all)


def _publish(arguments):
    from . import authoring

    authoring.publish(arguments.address)
    authoring.build_stale()


def _doctor(arguments):
    from . import doctor

    return doctor.examine()


if __name__ == "__main__":
    sys.exit(main())
