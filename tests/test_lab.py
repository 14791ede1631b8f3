"""Every notebook in JupyterLab in a real browser, as a reader opens it: `make browser`.

The complete edition: in the exercises' edition stubs stop with an error, as they should (test_notebooks.py runs it).
The tests that need a browser are marked `browser`, and a plain pytest leaves them out.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

import lab
from course_files import drawings
from course_lib import runtime
from course_tools import authoring

NOTEBOOKS = runtime.project_root() / "notebooks"
SECONDS = 300       # for one notebook; it takes about 10 on a quiet machine
DRAW = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()"
TENT = drawings.FIVE[1]
PICTURE = new_output("display_data", {"image/png": "iVBORw0KGgo="})


def notebook(*sources, pictures=()):
    """A stored notebook with these code cells, of which those in `pictures` show one."""
    return new_notebook(cells=[new_code_cell(source, outputs=[PICTURE] * (i in pictures))
                               for i, source in enumerate(sources)], metadata={"kernelspec": authoring.KERNEL})


def look(prompt="[1]:", error="", pictures=()):
    return {"prompt": prompt, "error": error, "pictures": list(pictures)}


@pytest.mark.parametrize("cells, dialog, expected", [
    ([look(), look(pictures=[640]), look()], "", None),
    ([look(), look(pictures=[640])], "", "2 code cells on the page, 3 in the file"),
    ([look(), look(), look()], "", "code cell 2 (draw()) shows no picture; the stored notebook has one there"),
    ([look(), look(pictures=[640, 0]), look()], "", "code cell 2 (draw()) shows a broken picture"),
    ([look(), look(pictures=[640]), look(pictures=[0])], "", "code cell 3 (x + 1) shows a broken picture"),
    ([look(error="KeyError: 3"), look("[ ]:"), look("[ ]:")], "", "code cell 1 (x = 1): KeyError: 3"),
    ([look(), look("[*]:"), look("[*]:")], "", "code cell 2 (draw()) hangs: not done 9 s after Run All Cells"),
    ([look("[ ]:"), look("[ ]:"), look("[ ]:")], "", "code cell 1 (x = 1) was not run"),
    ([look(), look(pictures=[640]), look()], "Kernel Restarting", "JupyterLab says: Kernel Restarting")])
def test_what_is_a_fault(cells, dialog, expected):
    stored = notebook("x = 1", "draw()", "x + 1", pictures=[1])
    assert lab.faults(stored, cells, dialog, seconds=9) == ([expected] if expected else [])


def test_without_a_browser_one_line_says_how_to_get_one(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(RuntimeError, match=r"sudo apt install chromium.*snap install.*brew install") as error:
        lab.find_browser()
    assert "\n" not in str(error.value)


@pytest.fixture(scope="session")
def server(browser, tmp_path_factory):
    """`course lab` on a copy. After `browser`, so that it is stopped first. The course itself stays as it was."""
    before = {path: path.read_bytes() for path in NOTEBOOKS.rglob("*.ipynb")}
    folder = tmp_path_factory.mktemp("lab")
    with lab.served(folder) as server:
        assert Path(server["root_dir"]).samefile(folder / "course")
        yield server
    assert before == {path: path.read_bytes() for path in NOTEBOOKS.rglob("*.ipynb")}


def run(browser, server, name, seconds):
    """The faults of the notebook `name` (a path below the course) in JupyterLab; a screenshot of each that has some."""
    stored = nbformat.read(path := Path(server["root_dir"], name), as_version=4)
    with lab.opened(browser, server, name) as page:
        found = lab.faults(stored, *lab.run_all(page, path, seconds), seconds)
        if found:
            picture = runtime.output_dir() / f"{Path(name).stem}.png"
            page.screenshot(path=picture)
            found.append(f"screenshot: {picture}")
    return found


@pytest.mark.browser
@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_runs_in_jupyterlab(browser, server, path):
    assert run(browser, server, f"notebooks/{path.name}", SECONDS) == []


@pytest.mark.browser
def test_jupyterlab_opens_on_the_exercises(browser, server):
    page = browser.new_page()
    page.goto(f"{server['url']}?token={server['token']}")
    for path in (NOTEBOOKS / "exercises").glob("*.ipynb"):
        page.locator(".jp-DirListing-item", has_text=path.name).wait_for()
    page.close()


@pytest.mark.browser
def test_the_slider_of_notebook_01_redraws_its_picture(browser, server):
    from playwright.sync_api import expect

    name = "notebooks/01_the_gan_game.ipynb"
    with lab.opened(browser, server, name) as page:
        lab.run_all(page, Path(server["root_dir"], name), SECONDS)
        cell = page.locator(".jp-CodeCell", has=page.locator(".widget-slider"))
        picture, value = cell.locator(".jp-OutputArea img"), cell.locator(".widget-readout")
        expect(value).to_have_text("−4.00")
        for key, expected in (("ArrowRight", "−3.50"), ("ArrowRight", "−3.00")):
            before = picture.get_attribute("src")
            cell.locator(".noUi-handle").press(key)
            expect(picture).not_to_have_attribute("src", before, timeout=20_000)
            expect(value).to_have_text(expected)
            assert picture.evaluate("picture => picture.naturalWidth") > 0


@pytest.mark.browser
def test_what_is_drawn_on_the_pads_of_notebook_00_reaches_the_cell_below(browser, server):
    from playwright.sync_api import expect

    name = "notebooks/00_start_here.ipynb"
    with lab.opened(browser, server, name) as page:
        lab.run_all(page, Path(server["root_dir"], name), SECONDS)
        canvas = page.get_by_role("img", name="one of them again", exact=True)
        below = page.locator(".jp-CodeCell", has_text="named = learners.nearest_neighbour(yours)")
        picture = below.locator(".jp-OutputArea img")

        def run_below():
            below.locator(".jp-InputPrompt").click()
            page.keyboard.press("ControlOrMeta+Enter")

        page.get_by_role("button", name="Clear: one of them again").press("Enter")
        expect(page.locator(".jp-mod-editMode.jp-Notebook")).to_have_count(0)
        run_below()
        expect(below).to_contain_text("the pad 'one of them again' is empty. Draw on it", timeout=20_000)
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        for stroke in TENT:
            for i, (x, y) in enumerate(stroke):
                page.mouse.move(box["x"] + x / 105 * box["width"], box["y"] + y / 105 * box["height"])
                if i == 0:
                    page.mouse.down()
            page.mouse.up()
        run_below()
        expect(picture).to_be_visible(timeout=20_000)
        first = picture.get_attribute("src")
        page.get_by_role("button", name="Undo: one of them again").click()
        run_below()
        expect(picture).not_to_have_attribute("src", first, timeout=20_000)
        assert picture.evaluate("picture => picture.naturalWidth") > 0


BROKEN = {
    "error": (notebook("x = 1", "1 / (x - 1)", "x"), "code cell 2 (1 / (x - 1)): ZeroDivisionError: division by zero"),
    "no_picture": (notebook(DRAW, "x = 1", pictures=[0, 1]),
                   "code cell 2 (x = 1) shows no picture; the stored notebook has one there"),
    "endless": (notebook("x = 1", "while True:\n    x += 1", "x"),
                "code cell 2 (while True:) hangs: not done 10 s after Run All Cells"),
    "dead_kernel": (notebook("import os", "os._exit(1)"), "JupyterLab says: Kernel Restarting"),
}


@pytest.mark.browser
@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_notebook_is_noticed(browser, server, kind):
    broken, expected = BROKEN[kind]
    nbformat.write(broken, Path(server["root_dir"], f"{kind}.ipynb"))
    first, *_ = run(browser, server, f"{kind}.ipynb", 10 if kind == "endless" else SECONDS)
    assert first.startswith(expected)


def commands(processes):
    """Their command lines in one text, of those that still run."""
    found = ""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            found += " ".join(process.cmdline()) + "\n"
    return found


@pytest.mark.browser
@pytest.mark.parametrize("how", ["Ctrl-C", "kill"])
def test_stopped_in_the_middle_it_leaves_no_process_behind(browser, how):
    command = [sys.executable, "-m", "pytest", __file__, "-m", "browser", "-k", "noticed and endless"]
    child = psutil.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline, family = time.monotonic() + 300, []
    while "ipykernel" not in (names := commands(family)) and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.2)
        family = child.children(recursive=True)
    if how == "Ctrl-C":
        os.killpg(child.pid, signal.SIGINT)     # as a terminal does: to the whole group
    else:
        child.terminate()
    child.wait(60)
    psutil.wait_procs(family, timeout=20)
    left = [process for process in family if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
    for process in left:
        process.kill()
    assert "jupyterlab" in names and "ipykernel" in names and not left
