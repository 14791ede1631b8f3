"""The drawing pads: drawings as classes and as a folder; and the pads themselves in a real browser (make browser)."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from course_files import drawings
from course_files.opening import DataError
from course_lib import datasets
from course_lib.runtime import project_root
from course_tools import pad


def test_drawings_are_classes_like_all_others():
    pads = pad.Pads(5, strokes=drawings.FIVE)
    classes = pads.classes()
    assert classes.images.shape == (5, 1, 1, 28, 28) and classes.images.dtype == torch.uint8
    assert torch.equal(classes.images[3, 0, 0], drawings.raster(drawings.FIVE[3]))
    assert classes.names == tuple(f"character {i}" for i in (1, 2, 3, 4, 5)) and set(classes.alphabets) == {"yours"}
    pads.strokes = [*drawings.FIVE[:4], drawings.AGAIN]         # as the page sends it
    assert torch.equal(pads.classes().images[4, 0, 0], drawings.raster(drawings.AGAIN))
    assert pad.Pads(1, label="again", strokes=[drawings.AGAIN]).classes().names == ("again",)


def test_an_empty_pad_is_named_with_the_way_out():
    pads = pad.Pads(3, label="letter")
    pads.strokes = [drawings.FIVE[0], [], []]
    for ask in (pads.classes, lambda: pads.save("anywhere")):
        with pytest.raises(DataError, match=r"'letter 2' is empty\. Draw on it, then run this cell") as error:
            ask()
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("n, strokes, said", [(0, None, "from 1 to 6"), (7, None, "from 1 to 6"),
                                              (5, drawings.FIVE[:2], "5 pad.* and 2 drawing")])
def test_what_does_not_fit_is_refused(n, strokes, said):
    with pytest.raises(ValueError, match=said):
        pad.Pads(n, strokes=strokes)


def test_saved_twice_it_is_a_dataset_and_no_file_is_overwritten(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    first, second = pad.Pads(5, strokes=drawings.FIVE), pad.Pads(5, strokes=[*drawings.FIVE[:2], drawings.AGAIN,
                                                                             *drawings.FIVE[3:]])
    name = first.save(tmp_path / "mine")
    with pytest.raises(DataError, match="needs 2 or more"):
        datasets.load(name)
    before = {path: path.read_bytes() for path in (tmp_path / "mine").rglob("*.png")}
    assert second.save(tmp_path / "mine") == name and len(before) == 5
    assert before == {path: path.read_bytes() for path in before}
    assert all(Image.open(path).getpixel((0, 0)) == 255 for path in before), "dark ink on white paper"
    loaded = datasets.load(name)
    assert loaded.names == first.classes().names and set(loaded.alphabets) == {"mine"}
    assert torch.equal(loaded.images, torch.cat([first.classes().images, second.classes().images], dim=1))


def test_a_hole_in_the_numbers_overwrites_no_file(tmp_path):
    pads = pad.Pads(1, strokes=[drawings.AGAIN])
    for _ in range(4):
        pads.save(tmp_path)
    for name in ("02.png", "03.png"):
        (tmp_path / "character" / name).unlink()
    (tmp_path / "character" / "photo.png").write_bytes(b"")
    pads.save(tmp_path)
    assert {path.name for path in tmp_path.rglob("*.png")} == {"01.png", "04.png", "05.png", "photo.png"}


# A page with the widget as anywidget would show it; `model` stands for the kernel.
PAGE = """<!doctype html><meta name="viewport" content="width=device-width">
<body style="margin: 20px; font-family: sans-serif; background: BACK; color: FRONT"><div id="pads"></div>"""
START = """
window.sent = [];
const state = {labels: LABELS, strokes: STROKES}, heard = [];
window.model = {get: (name) => state[name], set(name, value) { state[name] = value; heard.forEach((tell) => tell()); },
                save_changes: () => window.sent.push(JSON.parse(JSON.stringify(state.strokes))),
                on: (name, tell) => heard.push(tell), off: () => heard.splice(0)};
render({model: window.model, el: document.querySelector("#pads")});
window.started = true;"""


def opened(browser, strokes, width=1280, colours=("white", "black"), **options):
    """A page with a pad for each of the drawings `strokes`."""
    page = browser.new_page(viewport={"width": width, "height": 800}, **options)
    page.errors = []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.set_content(PAGE.replace("BACK", colours[0]).replace("FRONT", colours[1]))
    script = (project_root() / "course_tools" / "pad.js").read_text(encoding="utf-8")
    labels = [f"character {i + 1}" for i in range(len(strokes))]
    start = START.replace("LABELS", json.dumps(labels)).replace("STROKES", json.dumps(strokes))
    page.add_script_tag(content=script + start, type="module")
    page.wait_for_function("window.started")
    return page


def drag(page, canvas, *points):
    """Move the mouse, button down, through points given as parts of the canvas."""
    box = canvas.bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=10)
    page.mouse.up()


def dark(canvas):
    """How many of the canvas's pixels are ink."""
    return canvas.evaluate("""canvas => canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data
        .filter((value, i) => i % 4 === 3 && value > 127).length / (canvas.width * canvas.height)""")


@pytest.mark.browser
def test_strokes_by_mouse_reach_the_kernel(browser):
    page = opened(browser, [[], []])
    first, second = page.locator("canvas").all()
    drag(page, second, (0.2, 0.3), (0.8, 0.3))
    (nothing, (stroke,)), = page.evaluate("sent")
    assert nothing == [] and dark(first) == 0 and 0.02 < dark(second) < 0.06
    assert stroke[0] == pytest.approx([21, 31.5], abs=1) and stroke[-1] == pytest.approx([84, 31.5], abs=1)
    drag(page, second, (0.5, 0.5), (2.5, 0.5), (2.5, 2.5))      # out at the right: it goes on along the border
    stroke = page.evaluate("sent")[-1][1][1]
    assert max(map(max, stroke)) == 105 and stroke[-1] == [105, 105]
    box = first.bounding_box()
    page.mouse.click(box["x"] + 0.5 * box["width"], box["y"] + 0.25 * box["height"])
    (tap,), _ = page.evaluate("sent")[-1]
    assert len(tap) == 1 and tap[0] == pytest.approx([52.5, 26.25], abs=1) and 0.001 < dark(first) < 0.004
    page.mouse.click(box["x"] + 20, box["y"] + 20, button="right")
    assert len(page.evaluate("sent")) == 3 and not page.errors
    page.close()


@pytest.mark.browser
def test_undo_and_clear_by_keyboard_and_what_a_screen_reader_hears(browser):
    page = opened(browser, drawings.FIVE[:2])
    canvas = page.get_by_role("img", name="character 1", exact=True)
    status = page.get_by_role("status").first
    drag(page, canvas, (0.2, 0.2), (0.4, 0.9))
    assert status.inner_text() == "character 1: 4 strokes"
    page.get_by_role("button", name="Undo: character 1").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Space")
    assert status.inner_text() == "character 1: 2 strokes"
    page.keyboard.press("Tab")
    assert page.locator(":focus").inner_text() == "Clear"
    page.keyboard.press("Enter")
    assert status.inner_text() == "character 1: 0 strokes" and dark(canvas) == 0
    assert page.evaluate("sent").pop() == [[], drawings.FIVE[1]] and not page.errors
    page.close()


@pytest.mark.browser
def test_a_finger_draws_and_a_second_one_does_not_disturb_it(browser):
    page = opened(browser, [[]], width=390, has_touch=True, is_mobile=True, device_scale_factor=3)
    canvas = page.locator("canvas")
    box, touch = canvas.bounding_box(), page.context.new_cdp_session(page)

    def fingers(kind, *places):
        points = [{"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"], "id": i}
                  for i, (x, y) in enumerate(places)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    fingers("touchStart", (0.3, 0.2))
    fingers("touchMove", (0.3, 0.5))
    fingers("touchStart", (0.3, 0.5), (0.9, 0.9))
    fingers("touchMove", (0.3, 0.8), (0.9, 0.1))
    fingers("touchEnd")
    page.wait_for_function("sent.length > 0")
    sent = page.evaluate("sent")
    assert len(sent) == 1 and len(sent[0][0]) == 1 and page.evaluate("scrollY") == 0 and not page.errors
    assert sent[0][0][0][0] == pytest.approx([31.5, 21], abs=1)
    assert sent[0][0][0][-1] == pytest.approx([31.5, 84], abs=1)
    assert canvas.evaluate("canvas => canvas.width") == round(3 * canvas.evaluate("canvas => canvas.clientWidth"))
    page.close()


@pytest.mark.browser
@pytest.mark.parametrize("width, most", [(1440, 1), (390, 3)])
def test_pads_are_large_enough_and_wrap_on_a_narrow_page(browser, width, most):
    page = opened(browser, [*drawings.FIVE, drawings.AGAIN], width=width)
    boxes = [canvas.bounding_box() for canvas in page.locator("canvas").all()]
    assert all(box["width"] >= 140 and box["width"] == pytest.approx(box["height"], abs=1) for box in boxes)
    assert len({round(box["y"]) for box in boxes}) == most
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert all(0.06 < dark(canvas) < 0.2 for canvas in page.locator("canvas").all())
    page.close()


@pytest.mark.browser
def test_drawings_from_the_kernel_appear(browser):
    page = opened(browser, [[]])
    page.evaluate("strokes => model.set('strokes', [strokes])", drawings.AGAIN)
    assert 0.06 < dark(page.locator("canvas")) < 0.2 and page.evaluate("sent") == []
    page.close()


def test_the_widget_is_the_file_beside_it():
    assert Path(pad.__file__).with_name("pad.js").read_text(encoding="utf-8") == pad.Pads._esm
