import json
import re
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from course_lib import runtime, statistics
from course_tools import pages, records, running
from course_tools.running import Job, Outcome

MODES = {"unit": "of 8", "setting": "-", "low": 7, "high": 8, "value": 8, "n": 5}
FIVE = [{**MODES, "name": name, "arm": arm} for name, arm in [
    ("gradient norm at G", "hinge"), ("modes covered", "hinge"), ("modes covered", "non-saturating, fast G"),
    ("modes covered", "non-saturating"), ("modes covered", "least squares")]]

BADGES = ("[![Open in Colab](https://example.org/colab.svg)](https://example.org/00_x.ipynb) "
          "[![Open in Binder](https://example.org/binder.svg)](https://example.org/00_x.ipynb)")


def write_records(folder, stem, found):
    path = folder / "figures" / "results" / f"{stem}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in found), encoding="utf-8")


def unfolded(page):
    return re.sub(r"(</summary>).*?(</details>)", r"\1\2", page, flags=re.S)


class Loaded(HTMLParser):
    """The addresses that a browser asks when it opens a page; a link that a reader may follow is none."""

    def __init__(self, page):
        super().__init__()
        self.addresses = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.addresses += [value for key, value in attributes if key == "src" or (tag == "link" and key == "href")]


def test_small_numbers_keep_their_digits():
    record = {"name": "divergence", "value": 0.00123, "low": 0.001, "high": 0.0015, "n": 3, "unit": "nats"}
    assert pages.headline(record) == "divergence: 0.00123 nats (0.001 to 0.0015, n=3)"


def test_a_headline_says_of_which_arm_it_is():
    record = {"name": "error", "value": 0.2, "low": 0.1, "high": 0.3, "n": 3, "unit": "error", "arm": "GAN",
              "setting": "-", "n_versions": 64, "seed": 0, "per_game": [1], "versions": {}}
    assert pages.headline(record) == "error, GAN, n versions 64: 0.2 (0.1 to 0.3, n=3)"


def job(seed, dataset="glyphs"):
    return Job(Path("08_x.ipynb"), dataset, seed, f"{dataset}-{seed}")


def test_a_number_is_its_mean_over_seeds_with_students_interval():
    record = {"name": "1-shot", "arm": "GAN", "setting": "inductive", "unit": "accuracy", "low": 0, "high": 1, "n": 80,
              "device": "cpu", "versions": {}, "per_game": [1.0]}
    values = {0: 0.60, 1: 0.64, 2: 0.71}
    found = [(job(seed), {**record, "seed": seed, "value": value, "per_game": [value]})
             for seed, value in values.items()]
    found += [(job(0), {**record, "arm": "none", "value": 0.5}), (job(0, "digits"), {**record, "value": 0.9})]
    over_seeds, none, digits = pages.summary(found)
    mean, half = statistics.mean_interval([0.60, 0.64, 0.71])
    assert (over_seeds["value"], over_seeds["high"] - over_seeds["low"]) == pytest.approx((mean, 2 * half))
    assert half == pytest.approx(4.302653 * 0.0556776 / 3 ** 0.5, rel=1e-5), "t for 2 degrees of freedom, by hand"
    assert (over_seeds["n"], over_seeds["seeds"], over_seeds["dataset"]) == (3, [0, 1, 2], "glyphs")
    assert pages.label(over_seeds) == "1-shot, GAN, inductive"
    assert pages.shown(over_seeds) == "65.0 ± 13.8 % (3 seeds)"
    assert none["n"] == 1 and none["low"] is None and pages.shown(none) == "50.0 % (1 seed)"
    assert digits["dataset"] == "digits" and digits["value"] == 0.9


def test_records_alike_within_a_job_are_told_apart():
    record = {"name": "gap", "unit": "nats", "side": "support"}
    found = [(job(seed), {**record, "value": value, "rate": value}) for seed in (0, 1) for value in (1.0 + seed, 5.0)]
    first, second = pages.summary(found)
    assert (first["value"], second["value"]) == (1.5, 5.0) and pages.shown(first).startswith("1.5 ± 6.35 nats")
    assert [name for _, name in pages._rows([first, second])] == ["gap, side support", "gap, side support (2)"]


def test_a_line_cut_off_by_a_kill_costs_no_report(tmp_path):
    path = tmp_path / "figures" / "results" / "00_x.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text('{"name": "a", "val', encoding="utf-8")
    pages.write_report(tmp_path, [Outcome("00_x", "failed", 0.1, "Kernel died")], {"seed": 0})
    report = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert report["results"] == [] and report["notebooks"][0]["error"] == "Kernel died"


@pytest.mark.parametrize("path", sorted((runtime.project_root() / "figures" / "results").glob("[0-9]*.jsonl")),
                         ids=lambda path: path.stem)
def test_one_or_two_numbers_of_a_notebook_say_most(path):
    found = records.read(path)
    first, rest = pages.telling(path.stem, found)
    assert 1 <= len(first) <= 2 and len(first) + len(rest) == len(found)
    for key, value in pages.TELLING[path.stem[:2]].items():
        assert all(record[key] in ([value] if isinstance(value, str) else value) for record in first), "it names none"


def test_a_notebook_that_is_not_of_the_course_shows_its_first_number():
    assert pages.telling("11_mine", FIVE) == (FIVE[:1], FIVE[1:]) and pages.telling("02_x", []) == ([], [])


def test_the_page_and_the_terminal_show_two_numbers_and_say_how_many_more_there_are(tmp_path):
    outcomes = [Outcome("02_x", "ok", 0.1)]
    write_records(tmp_path, "02_x", FIVE)
    pages.write_report(tmp_path, outcomes, {"seed": 0})
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    told = [f"modes covered, {arm}: 8 of 8 (7 to 8, n=5)" for arm in ("non-saturating, fast G", "non-saturating")]
    assert re.findall(r"<p>([^<]*n=5.)</p>", unfolded(page)) == told
    assert "<details><summary>3 more numbers</summary>" in page and all(pages.headline(r) in page for r in FIVE)
    lines = pages.table(tmp_path, outcomes)[1:]
    assert [line.strip() for line in lines] == [*told, "... and 3 more numbers in results.json"]
    pages.write_report(tmp_path, [Outcome("03_none", "failed", 0.1)], {"seed": 0})
    assert "<details" not in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_a_sweep_shows_two_numbers_of_each_notebook_too(tmp_path):
    todo = [Job(Path(f"{stem}.ipynb"), "glyphs", seed, f"glyphs-{seed}")
            for seed in (0, 1) for stem in ("02_x", "11_y")]
    for seed in (0, 1):
        write_records(tmp_path / f"glyphs-{seed}", "02_x", FIVE)
        write_records(tmp_path / f"glyphs-{seed}", "11_y", FIVE)
    pages.write_sweep(tmp_path, todo, {job: Outcome(job.notebook.stem, "ok", 0.1) for job in todo}, {})
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "<summary>7 more numbers</summary>" in page
    assert re.findall(r"<td>([^<]*)<td>[^<]*\(2 seeds\)", unfolded(page)) == [
        "modes covered, non-saturating, fast G", "modes covered, non-saturating", "gradient norm at G, hinge"]
    assert [line.split("  glyphs")[0].strip() for line in pages.sweep_table(tmp_path, todo)] == [
        "02_x", "modes covered, non-saturating, fast G", "modes covered, non-saturating",
        "... and 3 more numbers in results.json", "11_y", "gradient norm at G, hinge",
        "... and 4 more numbers in results.json"]


@pytest.fixture
def page(tmp_path):
    """The page of a notebook with badges, a formula, the set-up for Colab, a slider and a figure."""
    view, state = "application/vnd.jupyter.widget-view+json", "application/vnd.jupyter.widget-state+json"
    slider = new_output("display_data", {view: {"model_id": "s"}, "text/plain": "slider"})
    figure = new_output("display_data", {"image/png": "iVBORw0KGgo="})
    notebook = new_notebook(cells=[
        new_markdown_cell(f"# Title\n\n{BADGES}\n\nSo $x_1$ is, and [a link](https://example.org)."),
        new_code_cell("import google.colab", metadata={"tags": ["colab"]}),
        new_code_cell("1 + 1", outputs=[slider, figure])])
    notebook.metadata["widgets"] = {state: {"state": {"s": {}}, "version_major": 2}}
    nbformat.write(notebook, tmp_path / "00_x.ipynb")
    running._write_page(tmp_path / "00_x.ipynb")
    pages.write_report(tmp_path, [Outcome("00_x", "ok", 0.1)], {"seed": 0})
    return (tmp_path / "00_x.html").read_text(encoding="utf-8")


def test_a_page_asks_no_other_server_and_brings_its_mathjax(page, tmp_path):
    addresses = Loaded(page).addresses
    assert [address for address in addresses if not address.startswith("data:")] == ["mathjax.js"]
    assert any(address.startswith("data:image/png") for address in addresses)
    loaders = ("require.min.js", "embed-amd", "mermaid.esm", "cdnjs", "unpkg", "jsdelivr")
    assert not [loader for loader in loaders if loader in page], "scripts that load others"
    assert (tmp_path / "mathjax.js").read_bytes() == pages.MATHJAX.read_bytes() and "$x_1$" in page
    assert 'inlineMath: [["$", "$"]]' in page and page.index("MathJax = {") < page.index('src="mathjax.js"')
    assert not Loaded((tmp_path / "index.html").read_text(encoding="utf-8")).addresses


def test_a_page_leaves_out_the_set_up_for_colab(page, tmp_path):
    assert "google.colab" not in page and re.sub("<[^>]*>", "", page).count("1 + 1") == 1
    assert "google.colab" in (tmp_path / "00_x.ipynb").read_text(encoding="utf-8")


def test_text_is_some_80_letters_wide_and_what_is_wider_scrolls_in_itself(page, tmp_path):
    for rule in (".jp-RenderedMarkdown :is(p, li, blockquote) { max-width: 60ch }", "max-width: 100%; overflow-x: auto",
                 ".highlight pre { overflow-x: auto }", "mjx-container[display] { overflow: auto hidden }"):
        assert rule in page
    index = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert " p { max-width: 60ch" in index and "@media (max-width: 50rem)" in index and 'name="viewport"' in index
