"""JupyterLab as a reader has it, in a real browser: what test_lab.py drives.

Needs a Chromium of the system and, for the tests that are marked `browser`, the extra `browser`.
"""

import json
import os
import shutil
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import nbformat
import psutil

from course_lib.runtime import project_root

MAC = "/Applications/{0}.app/Contents/MacOS/{0}"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", MAC.format("Google Chrome"), MAC.format("Chromium"))
# What notebooks read.
PARTS = ("course_files", "course_lib", "course_checks", "course_tools", "notebooks", "figures", "checkpoints")
SETTINGS = {"notebook-extension/tracker": {"windowingMode": "none"},         # every cell is on the page, seen or not
            "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False}}


def find_browser():
    """The path of the browser. Raises RuntimeError saying how to get one."""
    if path := next(filter(None, map(shutil.which, BROWSERS)), None):
        return path
    raise RuntimeError("no Chromium or Chrome found. Debian: sudo apt install chromium; Ubuntu: sudo snap install "
                       "chromium; macOS: brew install --cask google-chrome.")


@contextmanager
def served(folder):
    """`course lab` on a copy of the course in `folder`, with settings of its own: what Jupyter says of its server.

    A dict with "url", "token" and "root_dir", the copy. In the end the server and its kernels are stopped, by their
    ids; AssertionError if one of them had to be killed. Raises RuntimeError with its log if it does not start.
    """
    course = folder / "course"
    for part in PARTS:
        shutil.copytree(project_root() / part, course / part, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_*"))
    for name, values in SETTINGS.items():
        path = folder / f"config/lab/user-settings/@jupyterlab/{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(values))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("COURSE_", "JUPYTER"))}
    for name in ("config", "data", "runtime"):
        environment[f"JUPYTER_{name.upper()}_DIR"] = str(folder / name)
    environment |= {"IPYTHONDIR": str(folder / "ipython"), "PYTHONPATH": str(course), "COURSE_PROFILE": "smoke",
                    "COURSE_DEVICE": "cpu"}
    command = [str(Path(sys.executable).with_name("course")), "lab", "--no-browser", "--port=0"]
    if getattr(os, "geteuid", lambda: 1)() == 0:
        command.append("--allow-root")
    with open(folder / "log.txt", "w") as log:      # in a session of its own: it does not get our Ctrl-C
        server = psutil.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        yield _started(server, folder)
    finally:
        family = server.children(recursive=True) if server.is_running() else []
        server.terminate()
        _, left = psutil.wait_procs([server, *family], timeout=60)
        for process in left:
            process.kill()
        assert not left, f"course lab did not stop these: {left}"


def _started(server, folder, seconds=240):
    deadline = time.monotonic() + seconds
    while server.poll() is None and time.monotonic() < deadline:
        for path in (folder / "runtime").glob("jpserver-*.json"):
            try:
                return json.loads(path.read_text())
            except ValueError:      # half written
                continue
        time.sleep(0.1)
    raise RuntimeError(f"course lab did not start:\n{(folder / 'log.txt').read_text()[-3000:]}")


# A code cell as it looks: its prompt, "[3]:" when done and "[*]:" while it waits or runs; the widths of its pictures in
# pixels, 0 for a broken one.
LOOK = """() => [...document.querySelectorAll(".jp-Notebook .jp-CodeCell")].map(cell => ({
    prompt: cell.querySelector(".jp-InputPrompt").textContent.trim(),
    pictures: [...cell.querySelectorAll(".jp-OutputArea img")].map(picture => picture.naturalWidth)}))"""


@contextmanager
def opened(browser, server, name):
    """A page with the notebook `name` (a path below the course) open and its kernel ready, its outputs cleared.

    In the end its kernel is shut down.
    """
    headers = {"Authorization": f"token {server['token']}"}
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(120_000)
    try:
        page.goto(f"{server['url']}lab/tree/{name}?reset&token={server['token']}")
        page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
        menu(page, "Edit", "Clear Outputs of All Cells")
        yield page
    finally:
        for session in page.request.get(f"{server['url']}api/sessions", headers=headers).json():
            page.request.delete(f"{server['url']}api/sessions/{session['id']}", headers=headers)
        page.close()


def menu(page, title, item):
    page.get_by_role("menuitem", name=title, exact=True).click()
    page.get_by_role("menuitem", name=item, exact=True).click()


def run_all(page, path, seconds):
    """Click Run All Cells, look until no cell waits or `seconds` are over, save. `path` is the notebook's file.

    Returns (how the code cells look, each with its "error" or "", and the text of the dialog that stopped all, or "").
    """
    start = time.monotonic()
    while True:
        menu(page, "Run", "Run All Cells")
        clicked = time.monotonic()
        while all(cell["prompt"] == "[ ]:" for cell in page.evaluate(LOOK)) and time.monotonic() - clicked < 5:
            page.wait_for_timeout(100)
        while time.monotonic() - start < seconds and not (dialog := _dialog(page)) and _waiting(page):
            page.wait_for_timeout(200)
        cells = page.evaluate(LOOK)
        if dialog or time.monotonic() - start > seconds or any(map(_done, cells)):
            break                       # else the click was lost: the page was still connecting to the kernel
    if not dialog and time.monotonic() - start < seconds and any(cell["prompt"] == "[ ]:" for cell in cells):
        dialog = _late_dialog(page)     # a cell was left out: after an error, or because the kernel died
    if not dialog:
        page.keyboard.press("ControlOrMeta+s")
        page.locator(".lm-DockPanel-tabBar .jp-mod-dirty").wait_for(state="detached")
    saved = nbformat.read(path, as_version=4)
    return [{**look, "error": _error(cell),
             "prompt": look["prompt"] or f"[{cell.execution_count or ' '}]:"}           # a folded cell shows none
            for look, cell in zip(cells, _code(saved))], dialog


def _waiting(page):
    """Whether a cell waits or runs, now or a second later: then its last pictures are drawn, too."""
    for _ in range(2):
        if any(cell["prompt"] == "[*]:" for cell in page.evaluate(LOOK)):
            return True
        page.wait_for_timeout(1000)
    return False


def _dialog(page):
    return " ".join(page.locator(".jp-Dialog").all_inner_texts())


def _late_dialog(page, seconds=20):
    """The server looks every 3 s whether a kernel is alive, on a busy machine later: wait for what it will say."""
    deadline = time.monotonic() + seconds
    while not (dialog := _dialog(page)) and time.monotonic() < deadline:
        page.wait_for_timeout(200)
    return dialog


def _done(cell):
    return cell["prompt"].strip("[]:").isdigit()


def _code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _error(cell):
    return next((f"{output.ename}: {output.evalue}" for output in cell.outputs if output.output_type == "error"), "")


def faults(stored, cells, dialog="", seconds=0):
    """What is wrong with a notebook that was run in the browser, one line each; none if all is as it was `stored`.

    cells, dialog: what `run_all` returned after at most `seconds`. The first cell that stopped hides those after it.
    """
    code = _code(stored)
    if len(code) != len(cells):
        return [f"{len(cells)} code cells on the page, {len(code)} in the file"]
    found = [f"JupyterLab says: {dialog}"] if dialog else []
    for number, (cell, look) in enumerate(zip(code, cells), start=1):
        where = f"code cell {number} ({cell.source.splitlines()[0]})"
        if look["error"]:
            return [*found, f"{where}: {look['error']}"]
        if look["prompt"] == "[*]:":
            return [*found, f"{where} hangs: not done {seconds} s after Run All Cells"]
        if not _done(look):
            return [*found, f"{where} was not run"]
        if _has_picture(cell) and not look["pictures"]:
            found.append(f"{where} shows no picture; the stored notebook has one there")
        if 0 in look["pictures"]:
            found.append(f"{where} shows a broken picture")
    return found


def _has_picture(cell):
    return any(kind.startswith("image/") for output in cell.outputs for kind in output.get("data", {}))


if __name__ == "__main__":      # what `make browser` asks first
    try:
        print(find_browser())
    except RuntimeError as error:
        sys.exit(str(error))
