"""The page to play with: its graphs give PyTorch's numbers, it is small, and in a real browser it names a drawing."""

import base64
import gzip
import hashlib
import importlib.util
import io
import re
import shutil
import subprocess
import tarfile
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from course_files import drawings
from course_files.opening import DataError
from course_lib import datasets, learners, normalisation
from course_tools import play

ROOT = Path(__file__).parent.parent
NEEDS = ("onnx", "onnxscript", "onnxruntime")
needs_npm = pytest.mark.skipif(not shutil.which("npm"), reason="it needs npm")
needs_sphinx = pytest.mark.skipif(not importlib.util.find_spec("sphinx"), reason="it needs the extra `site`")
pytestmark = pytest.mark.skipif(not all(importlib.util.find_spec(name) for name in NEEDS),
                                reason='it needs the extra: pip install -e ".[test]" -c constraints.txt')


@pytest.fixture(scope="module")
def graphs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("graphs")
    play.export(folder)
    return folder


@pytest.fixture(scope="module")
def page(graphs, tmp_path_factory):
    """The built page, with the graphs of the other tests, for an export takes seconds."""
    folder = tmp_path_factory.mktemp("site") / "play"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(play, "export", lambda made: shutil.copytree(graphs, made, dirs_exist_ok=True))
        play.build(folder)
    return folder


def run(folder, name, *inputs):
    import onnxruntime

    session = onnxruntime.InferenceSession(folder / f"{name}.onnx", providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(None, {i.name: x.numpy() for i, x in zip(session.get_inputs(), inputs)})[0])


def ink(n):
    """Drawings [n, 1, 28, 28] of `n` test characters."""
    return datasets.load("glyphs", split="test").images[10:10 + n, 3].float() / 255


def same(found, wanted):
    assert found.shape == wanted.shape and wanted.std() > 0.01
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=0)


@pytest.mark.parametrize("n", [1, 2, 5, 16])
@torch.no_grad()
def test_the_graphs_give_pytorchs_numbers(graphs, n):
    learner, generator = play.loaded()
    x = normalisation.normalised(ink(n))
    same(run(graphs, "normaliser", ink(n)), x)
    same(run(graphs, "learner", x), learner.features(x))
    z = torch.randn(play.N_COPIES, generator.z_dim, generator=torch.Generator().manual_seed(n))
    same(run(graphs, "generator", z, x[-1:], x), generator(z, x[-1:].repeat(len(z), 1, 1, 1)[:, None], x[None]))
    query = normalisation.normalised(ink(20)[-1:])
    found, wanted = run(graphs, "matcher", query, x), learners.matching_costs(query, x)[0]
    assert found.shape == wanted.shape and wanted.min() > 0.5
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=0)


def test_the_networks_are_those_that_came_with_the_course():
    learner, generator = play.loaded()
    assert not learner.training and not generator.training
    x, y = normalisation.normalised(datasets.load("glyphs", split="test").images[:20, :2].float() / 255).unbind(1)
    with torch.no_grad():
        nearest = torch.cdist(learner.features(y), learner.features(x)).argmin(1)
    assert 0.7 < (nearest == torch.arange(20)).float().mean() < 1       # one drawing of each of 20 characters


@needs_npm
def test_the_page_is_small_and_names_no_folder_of_this_machine(page):
    content = {path.name: path.read_bytes() for path in page.iterdir()}
    assert 14e6 < sum(map(len, content.values())) < 16e6
    assert 3e6 < sum(len(gzip.compress(part, 6)) for part in content.values()) < 6e6
    assert len(content) == 4 + 2 + 5      # graphs, runtime; index.html, play.js, play.css, pad.js, page.json
    for name, part in content.items():
        noted = rb"site-packages|\.py\b" if name.endswith(".onnx") else re.escape(str(ROOT)).encode()
        assert not re.search(noted, part), name


def test_the_page_links_to_the_course_and_asks_nobody_else():
    html = (ROOT / "site" / "play" / "index.html").read_text(encoding="utf-8")
    links = re.findall(r'(?:href|src)="([^"]+)"', html)
    assert not [link for link in links if re.match(r"(https?:)?//", link)]
    notebooks = {link.split("/")[-1].removesuffix(".html") for link in links if "/notebooks/" in link}
    assert "../index.html" in links and {name[:2] for name in notebooks} == {"08", "09"}
    assert all((ROOT / "notebooks" / f"{name}.ipynb").is_file() for name in notebooks)
    note = re.search(r"<li>The generator often.*?</li>", html, re.S)[0]
    assert not re.search(r"\d", re.sub(r"<a.*?</a>", "", note, flags=re.S))


@pytest.fixture
def conf(monkeypatch):
    spec = importlib.util.spec_from_file_location("site_conf", ROOT / "site" / "conf.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def front_page(conf, app):
    source = ["# Title\n\nFirst words.\n\nMore.\n"]
    conf.extend(app, "README", source)
    return source[0]


@needs_sphinx
def test_without_npm_the_page_is_left_out_with_one_line(conf, tmp_path, monkeypatch, capsys):
    (tmp_path / "play").mkdir()
    (tmp_path / "play" / "index.html").write_text("of an earlier build")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    app = SimpleNamespace(outdir=tmp_path)
    conf.page_to_play_with(app)
    said = capsys.readouterr().out
    assert said.count("\n") == 1 and "npm is not installed" in said and "left out" in said
    assert not (tmp_path / "play").exists() and "play/" not in front_page(conf, app)


@needs_sphinx
def test_the_front_page_links_to_it_where_it_is(conf, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(play, "build", lambda folder: (folder.mkdir(), (folder / "index.html").touch()))
    app = SimpleNamespace(outdir=tmp_path)
    conf.page_to_play_with(app)
    assert not capsys.readouterr().out
    lines = front_page(conf, app).split("\n\n")
    assert lines[:2] == ["# Title", "First words."] and '<a href="play/index.html">' in lines[2] and "More." in lines[3]


def packing(monkeypatch, content, returncode=0):
    """npm, for this test, packs {name: bytes}; returns the checksum of the tarball."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, part in content.items():
            entry = tarfile.TarInfo(f"package/dist/{name}")
            entry.size = len(part)
            archive.addfile(entry, io.BytesIO(part))

    def npm(command, cwd, **options):
        if not returncode:
            (Path(cwd) / "runtime.tgz").write_bytes(packed.getvalue())
        return subprocess.CompletedProcess(command, returncode, "", "npm error network\nno way out\n")

    monkeypatch.setattr(shutil, "which", lambda name: "/bin/npm")
    monkeypatch.setattr(subprocess, "run", npm)
    return base64.b64encode(hashlib.sha512(packed.getvalue()).digest()).decode()


def test_only_the_known_runtime_is_taken(tmp_path, monkeypatch):
    content = {name: name.encode() for name in [*play.RUNTIME_FILES, "ort.all.mjs"]}
    known = packing(monkeypatch, content)
    with pytest.raises(DataError, match="checksum differs"):
        play.fetch_runtime(tmp_path)
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(play, "SHA512", known)
    play.fetch_runtime(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {n: n.encode() for n in play.RUNTIME_FILES}
    packing(monkeypatch, content, returncode=1)
    with pytest.raises(DataError, match=r"npm cannot fetch .* \(npm error network no way out\)"):
        play.fetch_runtime(tmp_path)


# In a real browser.

@pytest.fixture
def opened(browser, page, request):
    """The page, ready, at (width, touch): what it asked for, what it complained about."""
    width, touch = request.param
    asked, complaints = [], []
    with play.served(page.parent) as address:
        context = browser.new_context(viewport={"width": width, "height": 844}, has_touch=touch,
                                      color_scheme="dark" if touch else "light")
        tab = context.new_page()
        tab.on("request", lambda request: asked.append(request.url))
        tab.on("console", lambda message: message.type == "error" and complaints.append(message.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.goto(f"{address}/play/")
        tab.locator("#waiting").wait_for(state="hidden", timeout=120_000)
        yield tab
        context.close()
    assert len(asked) >= 10 and not [url for url in asked if not url.startswith(address) and url != "data:,"]
    assert not complaints


DOT = [[[50, 50], [51, 50]]]
LATER = "document.getAnimations().forEach(animation => animation.finish())"        # 8 seconds later


def draw_by_touch(tab, place, strokes):
    canvas = tab.locator(f"{place} .course-pad canvas")
    canvas.scroll_into_view_if_needed()
    box, wire = canvas.bounding_box(), tab.context.new_cdp_session(tab)
    for stroke in strokes:
        points = [{"x": box["x"] + x / 105 * box["width"], "y": box["y"] + y / 105 * box["height"]} for x, y in stroke]
        for kind, touched in [("touchStart", points[:1]), *(("touchMove", [point]) for point in points[1:]),
                              ("touchEnd", [])]:
            wire.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touched})


def ink_of(canvas):
    """How much ink is on a canvas that the page painted, from 0 to 1 of its pixels."""
    return canvas.evaluate("""canvas => {
        const {data} = canvas.getContext("2d").getImageData(0, 0, 28, 28);
        return data.filter((value, i) => i % 4 === 0 && data[i + 3] && value < 128).length / 784; }""")


@needs_npm
@pytest.mark.browser
@pytest.mark.parametrize("opened", [(1280, False), (390, True)], ids=["mouse", "touch"], indirect=True)
def test_who_draws_a_character_again_is_told_which_it_is(opened):
    draw = draw_by_touch if opened.context.pages[0].evaluate("navigator.maxTouchPoints") else play.draw
    cards = opened.locator(".card")
    for i, strokes in enumerate(drawings.FIVE):
        copies = cards.nth(i).locator(".copies canvas")
        assert copies.count() == 9 and ink_of(copies.first) == 0
        draw(opened, f".card:nth-child({i + 1})", strokes)
        opened.locator(f".card:nth-child({i + 1}) .copies canvas:not([data-empty])").nth(8).wait_for()
        assert 0.02 < ink_of(copies.first) < 0.6
        if i == 0:      # on an idle machine under 0.1 s
            assert 0 < opened.evaluate("play.milliseconds") < 1000
    assert "draw one of them again" in opened.inner_text("#result")
    clear = opened.get_by_role("button", name="Clear: One of them again")
    assert clear.is_disabled()
    draw(opened, "#last-pad", DOT)
    opened.get_by_text("Draw a little more on the last pad.").wait_for()
    for number, strokes in ((3, drawings.AGAIN), (5, drawings.FIVE[4])):
        clear.click()
        draw(opened, "#last-pad", strokes)
        opened.get_by_text(f"All three choose character {number}.").wait_for()
        assert opened.inner_text("#result") == f"All three choose character {number}."
        assert opened.locator(".bars .most span:first-child").all_inner_texts() == [str(number)] * 3
    assert opened.evaluate("document.documentElement.scrollWidth") <= opened.viewport_size["width"]
    opened.get_by_role("button", name="Start again").click()
    opened.get_by_text("Draw two or more characters first.").wait_for()
    first = cards.nth(0)
    assert ink_of(first.locator(".copies canvas").first) == 0 and not first.get_by_role("status").all_inner_texts()[0]
    draw(opened, ".card:nth-child(1)", DOT)
    first.get_by_text("Draw a little more").wait_for()
    assert ink_of(first.locator(".copies canvas").first) == 0
    draw(opened, ".card:nth-child(2)", drawings.FIVE[1])
    opened.get_by_text("Draw one more character first.").wait_for()         # a dot does not count


@needs_npm
@pytest.mark.browser
@pytest.mark.parametrize("opened", [(1280, False)], indirect=True)
def test_a_near_tie_is_not_decided(opened):
    source = (ROOT / "site" / "play" / "play.js").read_text(encoding="utf-8")
    sentence = re.search(r"^function sentence.*?^}", source, re.S | re.M)[0]

    def says(*shares):
        return opened.evaluate(f"shares => {{ const TIE = 0.02, given = null; {sentence} "
                               "return sentence([0, 1, 4], shares); }", shares)

    assert says([0.1, 0.2, 0.7], [0, 0, 1], [0.3, 0.3, 0.4]) == "All three choose character 5."
    assert says([0.49, 0.02, 0.49], [0.2, 0.7, 0.1], [0.1, 0.41, 0.49]) == (
        "The learner alone cannot decide between characters 1 and 5; with the generator’s drawings it chooses 2; the "
        "matcher chooses 5.")
    assert says([0.6, 0.2, 0.2], [0.4, 0.41, 0.19], [0, 1, 0]) == (
        "The learner alone chooses character 1; with the generator’s drawings it cannot decide between 1 and 2; the "
        "matcher chooses 2.")


@needs_npm
@pytest.mark.browser
@pytest.mark.parametrize("opened", [(1280, False)], indirect=True)
def test_each_press_brings_the_next_ready_made_alphabet(opened):
    load, title = opened.get_by_role("button", name="Use five ready-made characters"), opened.locator("#first-title")
    own, seen = title.inner_text(), []
    for _ in range(7):
        load.click()
        seen.append(title.inner_text())
    assert len(set(seen[:6])) == 6 and seen[6] == seen[0] and all(re.match(r"Simulated alphabet \d+:", s) for s in seen)
    assert opened.inner_text("#again-title") == "Choose a drawing by another person"
    opened.get_by_role("button", name="Start again").click()
    assert title.inner_text() == own == "Your drawings"
    assert opened.inner_text("#again-title") == "Draw one of them again"


@needs_npm
@pytest.mark.browser
def test_without_a_network_the_button_stays_disabled_and_nothing_moves_while_loading(browser, page):
    with play.served(page.parent) as address:
        tab = browser.new_page()
        tab.route("**/matcher.onnx", lambda route: route.abort())
        tab.goto(f"{address}/play/")
        assert tab.inner_text("#waiting").strip() == "The networks are loading."
        tab.get_by_text("The networks cannot be loaded").wait_for(timeout=120_000)
        assert tab.locator("#load").is_disabled()
        tab.unroute("**/matcher.onnx")
        tab.reload()
        tab.locator(".card").nth(4).wait_for()
        before = tab.locator("#cards").bounding_box()
        tab.locator("#load:enabled").wait_for(timeout=120_000)
        tab.evaluate(LATER)
        assert not tab.locator(".long").is_visible()
        assert tab.locator("#cards").bounding_box() == before and not tab.locator("#waiting").is_visible()
        tab.close()


@needs_npm
@pytest.mark.browser
@pytest.mark.parametrize("opened", [(1280, False)], indirect=True)
@torch.no_grad()
def test_the_browser_gives_pytorchs_numbers_and_needs_no_mouse(opened):
    learner, generator = play.loaded()
    opened.locator("#load").focus()
    opened.keyboard.press("Enter")
    opened.get_by_text("Choose one of the drawings").wait_for()
    for number in (1, 4):
        opened.get_by_role("button", name=f"Drawing {number} of 5 by another person").focus()
        opened.keyboard.press("Space")
        opened.locator(f".asked:nth-child({number})[aria-pressed=true]").wait_for()
        opened.wait_for_timeout(100)
        opened.locator("#result", has_text=re.compile("chooses? |decide between ")).wait_for()
        while not (last := opened.evaluate("""play.last && [play.last.support, [play.last.asked], play.last.copies,
                play.last.noise].map(rows => rows.map(row => [...row])).concat([play.last.shares])""")):
            opened.wait_for_timeout(100)
        support, asked, copies, noise, shares = map(torch.tensor, last)
        classes = datasets.load("glyphs", split="test").images.float() / 255
        torch.testing.assert_close(support.view(5, 1, 28, 28), classes[:5, 0])
        x, query = (normalisation.normalised(part.view(-1, 1, 28, 28)) for part in (support, asked))
        noise = noise.view(6, play.N_COPIES, -1)
        assert abs(noise.mean()) < 0.1 and abs(noise.std() - 1) < 0.1 and noise.unique().numel() == noise.numel()
        wanted = torch.stack([generator(z, one.expand(len(z), 1, 1, 28, 28), x[None])
                              for z, one in zip(noise, [*x, *query])])                  # [6, n, 1, 28, 28]
        same(copies.view_as(wanted), wanted)
        versions = torch.cat([torch.cat([x, query])[:, None], wanted], dim=1)           # [6, 1 + n, 1, 28, 28]
        features = learner.features(versions.flatten(0, 1)).unflatten(0, versions.shape[:2])
        logits = [-(f[:5] - f[5]).square().sum(1) for f in (features[:, 0], features.mean(1))]
        same(shares, torch.stack([*logits, -learners.matching_costs(query, x)[0]]).softmax(1))
        assert "It is character" in opened.inner_text("#result")


@needs_npm
@pytest.mark.browser
def test_opened_as_a_file_it_says_what_to_do(browser, page):
    tab = browser.new_page()
    tab.goto((page / "index.html").as_uri())
    tab.wait_for_timeout(500)
    assert tab.inner_text("#waiting").strip() == "The networks are loading."
    tab.evaluate(LATER)
    assert tab.locator("#waiting .long").is_visible() and "python -m http.server" in tab.inner_text("#waiting")
    assert tab.locator("#load").is_disabled()
    tab.close()
