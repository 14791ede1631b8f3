"""The course as a web site: every notebook with its figures and downloads, and nothing from another server."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
NEEDS = ("sphinx", "myst_nb", "sphinx_book_theme", "sphinx-mathjax-offline")
each_notebook = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
pytestmark = pytest.mark.skipif(not all(importlib.util.find_spec(name) for name in NEEDS),
                                reason='it needs the extra: pip install -e ".[site]" -c constraints.txt')


class Page(HTMLParser):
    """Collects the tags of a page as (name, attributes)."""

    def __init__(self, path):
        super().__init__()
        self.path, self.tags = path, []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, {key: value or "" for key, value in attributes}))

    def values(self, tag, key, kind=""):
        return [a[key] for name, a in self.tags
                if name == tag and key in a and (not kind or kind in a.get("class", "").split())]

    def file(self, link):
        return self.path.parent / link.split("#")[0].split("?")[0]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("build")
    command = [sys.executable, "-m", "sphinx", "-q", "-E", "-W", "-c", "site", "-d", folder / "doctrees", "."]
    done = subprocess.run([*command, folder / "site"], cwd=ROOT, capture_output=True, text=True, encoding="utf-8",
                          env={**os.environ, "PATH": ""})       # without npm: test_play.py builds what needs it
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"play/ is left out\. npm is not installed\..*\n", done.stdout)
    assert not (folder / "site" / "play").exists()
    return folder / "site"


def stored(notebook):
    return json.loads(notebook.read_text(encoding="utf-8"))["cells"]


@each_notebook
def test_a_notebook_has_its_figures(site, notebook):
    page = Page(site / "notebooks" / f"{notebook.stem}.html")
    outputs = [output for cell in stored(notebook) for output in cell.get("outputs", [])]
    figures = sum("image/png" in output.get("data", {}) for output in outputs)
    shown = [link for link in page.values("img", "src") if "_images/" in link]
    assert figures and len(shown) == figures
    assert all(page.file(link).stat().st_size > 1000 for link in shown)


@each_notebook
def test_a_notebook_can_be_downloaded_in_both_editions(site, notebook):
    page = Page(site / "notebooks" / f"{notebook.stem}.html")
    files = [page.file(link) for link in page.values("a", "href", "download") if link.endswith(".ipynb")]
    editions = [notebook, notebook.parent / "exercises" / notebook.name]
    assert [path.read_bytes() for path in files[:2]] == [path.read_bytes() for path in editions]
    assert [path.name for path in files[:2]] == [f"{notebook.stem}_complete.ipynb", notebook.name]


@each_notebook
def test_search_knows_the_words_of_a_notebook(site, notebook):
    from snowballstemmer import stemmer

    index = json.loads(re.search(r"\{.*\}", (site / "searchindex.js").read_text(encoding="utf-8"), re.S)[0])
    number = index["docnames"].index(f"notebooks/{notebook.stem}")
    entries = [*index["terms"].items(), *index["titleterms"].items()]
    found = {word for word, pages in entries if number in (pages if isinstance(pages, list) else [pages])}
    prose = re.sub(r"`[^`]*`|\$[^$]*\$|\]\([^)]*\)", " ", "".join(stored(notebook)[0]["source"]).partition("\n")[2])
    words = {stemmer("english").stemWord(word) for word in re.findall(r"(?<![\w-])[a-z]{6,}(?![\w-])", prose)}
    assert len(words) > 5 and len(words - found) < len(words) / 4, words - found        # it skips "should", "other"


def test_the_front_page_leads_to_every_page(site):
    page = Page(site / "index.html")
    wanted = [f"notebooks/{path.stem}.html" for path in NOTEBOOKS]
    wanted += [f"{path.stem}.html" for path in ROOT.glob("*.md") if path.stem != "README"]
    menu = page.values("a", "href", "internal")
    assert len(wanted) > len(NOTEBOOKS) + 3 and all(link in menu for link in wanted)
    assert [link for link in page.values("img", "src") if link.endswith("front.png")]
    results = Page(site / "RESULTS.html")
    assert [link for link in results.values("img", "src") if link.endswith("09_gap_recovered.png")]
    assert len(results.values("table", "class")) >= 7


def test_no_page_asks_another_server_and_every_link_leads_to_a_file(site):
    pages = [Page(path) for path in site.rglob("*.html") if "_static" not in path.parts]
    assert len(pages) > len(NOTEBOOKS)
    for page in pages:
        links = [(tag, a[key]) for tag, a in page.tags for key in ("src", "href", "srcset", "poster") if key in a]
        outside = [link for tag, link in links if tag != "a" and re.match(r"(\w+:)?//", link)]
        inside = [link for _, link in links if not re.match(r"(\w+:|//|#|$)", link)]
        assert not outside, page.path
        assert not [link for link in inside if not page.file(link).exists()], page.path
        text = page.path.read_text(encoding="utf-8")
        assert not re.search(r"""(import\b[^;"']*|url\(|@import )\s*["']?https?://""", text), page.path
    for sheet in (site / "_static").rglob("*.css"):
        assert not re.search(r"(url\(|@import )\s*[\"']?(https?:)?//", sheet.read_text(encoding="utf-8")), sheet
    mathjax = [page.file(link) for page in pages for link in page.values("script", "src") if "tex-svg.js" in link]
    assert mathjax and all(path.stat().st_size > 1_000_000 for path in mathjax)


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 320])
def test_no_page_scrolls_sideways_on_a_phone(browser, site, width):
    page, wide = browser.new_page(viewport={"width": width, "height": 844}), {}
    for path in [*site.glob("*.html"), *site.glob("notebooks/*.html")]:
        page.goto(path.as_uri())
        if (found := page.evaluate("document.documentElement.scrollWidth")) > width:
            wide[path.name] = found
    page.close()
    assert not wide
