import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from test_running import write_notebook

from course_lib import statistics
from course_lib.datasets import folder
from course_tools import cli, running, sweep

RECORD = ("import json, os, pathlib, signal, time",
          "folder = pathlib.Path(os.environ['COURSE_OUT'], 'figures', 'results'); folder.mkdir(parents=True)",
          "record = {'name': 'a', 'arm': 'none', 'low': 0, 'high': 1, 'n': 9, 'unit': 'accuracy', 'setting': '-'}",
          "(folder / '00_good.json').write_text(json.dumps([{**record, 'value': 0.5 + seed ** 2 / 100}]))")


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course of one tiny notebook, whose number depends on the seed."""
    (tmp_path / "notebooks").mkdir()
    write_notebook(tmp_path / "notebooks", "00_good.ipynb", *RECORD)
    monkeypatch.setattr(running, "project_root", lambda: tmp_path)
    return tmp_path


def run(*arguments):
    return cli.main(["run", "--dataset", "digits", "--device", "cpu", *arguments])


def report(course):
    return json.loads((course / "runs" / "latest" / "results.json").read_text(encoding="utf-8"))


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


# ---------------------------------------------------------------- what to run


@pytest.mark.parametrize("text, seeds", [("0-9", list(range(10))), ("0,3,7", [0, 3, 7]), ("5", [5]), ("4-4", [4]),
                                         ("0-2, 7,1", [0, 1, 2, 7])])
def test_seeds(text, seeds):
    assert sweep.read_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "9-0", "1,,2", "a", "-3", "0-", "1.5", "0-1000000000"])
def test_what_names_no_seeds_is_one_line(course, capsys, text):
    assert run(f"--seeds={text}") == 2
    names = "more than 1,000" if text.endswith("000") else "no"
    assert f"names {names} seeds. Write for instance 0-9, or 0,3,7." in capsys.readouterr().err
    assert not (course / "runs").exists()


def test_datasets_and_commas_in_a_path():
    here = f"folder:{Path.cwd()}"
    assert sweep.read_datasets("glyphs,digits,glyphs") == ["glyphs", "digits"]
    assert sweep.read_datasets("folder:a,b,digits,folder:c, d") == [f"{here}/a,b", "digits", f"{here}/c, d"]
    with pytest.raises(ValueError, match=r"unknown dataset .imagenet.\. Choose one of: glyphs"):
        sweep.read_datasets("glyphs,imagenet")


def test_jobs_are_every_notebook_on_every_dataset_with_every_seed():
    notebooks = [Path("00_a.ipynb"), Path("01_b.ipynb")]
    todo = sweep.jobs(notebooks, ["glyphs", "folder:/x/cats"], [0, 3])
    assert len(set(todo)) == 8 and {job.folder for job in todo} == {"glyphs-0", "cats-0", "glyphs-3", "cats-3"}
    assert [job.folder for job in sweep.jobs(notebooks, ["glyphs"], [3])] == ["", ""]
    with pytest.raises(ValueError, match="two datasets are called 'cats'"):
        sweep.jobs(notebooks, ["folder:/x/cats", "folder:/y/cats"], [0])


def test_how_many_at_a_time(monkeypatch):
    monkeypatch.setattr(sweep, "cores", lambda: 8)
    for memory, n_jobs, device, expected in [(100, 50, "cpu", 8), (100, 3, "cpu", 3), (7, 50, "cpu", 3),
                                             (0.5, 50, "cpu", 1), (100, 50, "cuda", 1)]:
        monkeypatch.setattr(sweep.runtime, "free_memory", lambda memory=memory: memory)
        assert sweep.default_processes(n_jobs, device) == expected


@pytest.mark.parametrize("arguments, message", [
    (["-j", "0"], "jobs must be a whole number of at least 1, not 0"),
    (["--seeds", "0-3", "-p", "seed=2"], "--seeds and -p seed= contradict each other"),
    (["--dataset", "digits,nothing", "--seeds", "0-1"], "unknown dataset 'nothing'")])
def test_bad_input_is_one_line_and_nothing_is_written(course, capsys, arguments, message):
    assert run(*arguments) == 2
    printed = capsys.readouterr().err
    assert message in printed and printed.count("\n") == 1 and not (course / "runs").exists()


# ---------------------------------------------------------------- the summary


def job(seed, dataset="glyphs"):
    return sweep.Job(Path("08_x.ipynb"), dataset, seed, f"{dataset}-{seed}")


def test_a_number_is_its_mean_over_seeds_with_students_interval():
    record = {"name": "1-shot", "arm": "GAN", "setting": "inductive", "unit": "accuracy", "low": 0, "high": 1, "n": 80,
              "device": "cpu", "versions": {}, "per_game": [1.0]}
    values = {0: 0.60, 1: 0.64, 2: 0.71}
    records = [(job(seed), {**record, "seed": seed, "value": value, "per_game": [value]})
               for seed, value in values.items()]
    records += [(job(0), {**record, "arm": "none", "value": 0.5}), (job(0, "digits"), {**record, "value": 0.9})]
    over_seeds, none, digits = sweep.summary(records)
    mean, half = statistics.mean_interval([0.60, 0.64, 0.71])
    assert (over_seeds["value"], over_seeds["high"] - over_seeds["low"]) == pytest.approx((mean, 2 * half))
    assert half == pytest.approx(4.302653 * 0.0556776 / 3 ** 0.5, rel=1e-5), "t for 2 degrees of freedom, by hand"
    assert (over_seeds["n"], over_seeds["seeds"], over_seeds["dataset"]) == (3, [0, 1, 2], "glyphs")
    assert running.label(over_seeds) == "1-shot, GAN, inductive"
    assert sweep.shown(over_seeds) == "65.0 ± 13.8 % (3 seeds)"
    assert none["n"] == 1 and none["low"] is None and sweep.shown(none) == "50.0 % (1 seed)"
    assert digits["dataset"] == "digits" and digits["value"] == 0.9


def test_records_alike_within_a_job_are_told_apart():
    record = {"name": "gap", "unit": "nats", "side": "support"}
    records = [(job(seed), {**record, "value": value, "rate": value}) for seed in (0, 1) for value in (1.0 + seed, 5.0)]
    first, second = sweep.summary(records)
    assert (first["value"], second["value"]) == (1.5, 5.0) and sweep.shown(first).startswith("1.5 ± 6.35 nats")
    assert [name for _, name in sweep._rows([first, second])] == ["gap, side support", "gap, side support (2)"]


# ---------------------------------------------------------------- processes here


def test_a_sweep_survives_what_fails_and_says_what_the_seeds_say(course, capsys):
    write_notebook(course / "notebooks", "00_good.ipynb", *RECORD,
                   "pathlib.Path('threads').write_text(os.environ['OMP_NUM_THREADS'])",
                   "if seed == 1: raise KeyError('<lost>')",
                   "if seed == 2: os.kill(os.getppid(), signal.SIGTERM)")      # the process that runs the notebook
    environment = pytest.MonkeyPatch()
    environment.delenv("OMP_NUM_THREADS", raising=False)
    assert run("--seeds", "0-2", "-j", "2", "--profile", "smoke") == 1
    environment.undo()
    printed = capsys.readouterr()
    assert "3 job(s), 2 at a time" in printed.out and "2 of 3 job(s) failed" in printed.err
    found, latest = report(course), course / "runs" / "latest"
    assert {j["folder"]: j["status"] for j in found["jobs"]} == {
        "digits-0": "ok", "digits-1": "failed", "digits-2": "failed"}
    errors = {j["folder"]: j["error"] for j in found["jobs"]}
    assert "KeyError" in errors["digits-1"] and "code -15: killed" in errors["digits-2"]
    assert found["parameters"] == {"profile": "smoke", "dataset": ["digits"], "device": "cpu", "seed": [0, 1, 2]}
    assert [r["value"] for r in found["results"]] == [0.5, 0.51, 0.54], "what was measured before a failure too"
    assert (latest / "digits-0" / "threads").read_text() == str(max(1, sweep.cores() // 2))
    mean, half = statistics.mean_interval([0.5, 0.51, 0.54])
    line = f"{100 * mean:.1f} ± {100 * half:.1f} % (3 seeds)"
    page = (latest / "index.html").read_text(encoding="utf-8")
    for text in (line, "digits-1/index.html", "&lt;lost&gt;", "3 of 3 jobs done"):
        assert text in page
    assert f"a, none  digits  {line}" in printed.out
    assert {"00_good.ipynb", "00_good.html", "index.html", "results.json"} <= set(files(latest / "digits-0"))
    assert json.loads((latest / "digits-1" / "results.json").read_text())["parameters"]["seed"] == 1


def test_one_seed_in_two_processes_leaves_what_one_process_leaves(course):
    write_notebook(course / "notebooks", "01_also_good.ipynb", "print(seed)")
    assert run("--seed", "4") == 0 and run("--seeds", "4", "-j", "2") == 0
    alone, parallel = sorted(path for path in (course / "runs").iterdir() if not path.is_symlink())
    assert files(alone) == files(parallel) and (course / "runs" / "latest").resolve() == parallel
    one, other = (json.loads((folder / "results.json").read_text()) for folder in (alone, parallel))
    for found in (one, other):
        for notebook in found["notebooks"]:
            notebook.pop("minutes")
    assert one == other


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_ctrl_c_leaves_what_is_done_and_no_kernel(course):
    write_notebook(course / "notebooks", "00_good.ipynb", *RECORD, "pathlib.Path('pid').write_text(str(os.getpid()))",
                   "if seed: time.sleep(600)")
    process = start_cli(course, "--seeds 0-2 -j 2")
    pids = wait_for(lambda: len(found := list((course / "runs").glob("*/*/pid"))) == 3 and found)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 130, err
    assert "stopped by Ctrl-C: 2 job(s) not finished" in err and "Traceback" not in err
    assert "50.0 % (1 seed)" in out
    folder = pids[0].parent.parent
    assert [j["folder"] for j in json.loads((folder / "results.json").read_text())["jobs"]] == ["digits-0"]
    assert "<td>not finished" in (folder / "index.html").read_text()
    assert not (course / "runs" / "latest").exists(), "latest is the last complete run"
    wait_for(lambda: not any(psutil.pid_exists(int(pid.read_text())) for pid in pids))


def start_cli(course, arguments):
    code = ("import pathlib, signal, sys; from course_lib import cli, running; "
            "signal.signal(signal.SIGINT, signal.default_int_handler); "      # a job in the background ignores Ctrl-C
            f"running.project_root = lambda: pathlib.Path({str(course)!r}); "
            f"sys.exit(cli.main('run --dataset digits --device cpu {arguments}'.split()))")
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(what, seconds=600):
    """What `what` returns, once that is true."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


# ---------------------------------------------------------------- a cluster


def test_a_cluster_without_the_package_or_without_a_scheduler(course, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert run("--cluster", "tcp://127.0.0.1:9") == 2
    assert 'pip install -e ".[cluster]" -c constraints.txt' in capsys.readouterr().err
    assert not (course / "runs").exists()
    assert run("--cluster", "") == 2, "an empty address (a variable that is not set, say) is no sweep on this machine"
    monkeypatch.undo()
    distributed = pytest.importorskip("distributed")
    for address in ("tcp://127.0.0.1:9", "nowhere"):
        with pytest.raises(RuntimeError, match=r"no Dask scheduler answers at .*dask scheduler"):
            sweep.connect(address, timeout=1)
    monkeypatch.setattr(distributed, "Client", None)    # which may start a cluster if the address is empty
    with pytest.raises(RuntimeError, match="no Dask scheduler answers at ''"):
        sweep.connect("")


@pytest.fixture
def cluster(tmp_path):
    """The address of a Dask scheduler with two workers, each started by its own command."""
    pytest.importorskip("distributed")
    found, started = tmp_path / "scheduler.json", []

    def start(*words):
        with open(tmp_path / f"{len(started)}.log", "w") as log:
            started.append(subprocess.Popen([sys.executable, "-m", "dask", *words, "--scheduler-file", str(found)],
                                            stdout=log, stderr=log, cwd=tmp_path))

    start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-show")
    for _ in range(2):
        start("worker", "--nthreads", "1", "--no-nanny", "--no-dashboard")
    yield wait_for(lambda: found.exists() and json.loads(found.read_text() or "{}").get("address"))
    for process in reversed(started):
        process.kill()          # a worker that is asked politely waits for its job
    for process in started:
        process.wait(60)


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_a_worker_lost_in_the_middle_costs_its_job_a_second_try_only(course, cluster, capsys):
    write_notebook(course / "notebooks", "00_good.ipynb", *RECORD, f"tries = pathlib.Path({str(course)!r}, 'tries')",
                   "tries.mkdir(exist_ok=True); nth = sum(t.name[0] == str(seed) for t in tries.iterdir())",
                   "(tries / f'{seed}-{nth}').write_text(str(os.getpid()))",
                   "if seed == 1 and nth == 0: time.sleep(600)")
    lost = []

    def kill_a_worker():
        pid = wait_for(lambda: (course / "tries" / "1-0").exists() and (course / "tries" / "1-0").read_text())
        kernel = psutil.Process(int(pid))
        kernel.parent().parent().kill()         # above the kernel the process that runs the notebook, then the worker
        lost.append(kernel)

    killer = threading.Thread(target=kill_a_worker)
    killer.start()
    code = run("--seeds", "0-2", "--cluster", cluster)
    killer.join()
    printed = capsys.readouterr()
    assert code == 0, printed.out + printed.err
    assert sorted(path.name for path in (course / "tries").iterdir()) == ["0-0", "1-0", "1-1", "2-0"]
    found = report(course)
    assert [j["status"] for j in found["jobs"]] == ["ok"] * 3 and found["summary"][0]["n"] == 3
    assert {"00_good.ipynb", "00_good.html", "figures/results/00_good.json", "index.html"} <= set(
        files(course / "runs" / "latest" / "digits-1"))
    wait_for(lambda: not lost[0].is_running())


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_ctrl_c_stops_what_runs_on_the_workers(course, cluster):
    write_notebook(course / "notebooks", "00_good.ipynb", "import os, pathlib, time",
                   f"pathlib.Path({str(course)!r}, 'pid').write_text(str(os.getpid())); time.sleep(600)")
    process = start_cli(course, f"--cluster {cluster}")
    kernel = psutil.Process(int(wait_for(lambda: (course / "pid").exists() and (course / "pid").read_text())))
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=600)
    assert process.returncode == 130 and "1 job(s) not finished" in err, err
    wait_for(lambda: not kernel.is_running())
