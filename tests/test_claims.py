"""A small course whose README and notebook state numbers and claims, and what happens when one of them is wrong."""

import json
import re

import pytest

from course_lib import runtime
from course_tools import claims

README = """# A course

Generated drawings **beat**
classical ones, by 2.1 ± 0.4 points; prototypes get 95.0 to 97.5 % right ([numbers](figures/results/study.json)).
Do they help? `x = 0.5` and $y = 1.5$ may help, too; intervals have a level of 95 %.

<!-- table: of -->
| 12.3 % | 4.5 ± 6.7 |
<!-- end of table -->
"""
SCRIPT = """# %% [markdown]
# # 05 · A title

# %%
a = 0.25        # at least 12.5 %

# %% [markdown]
# Nothing is clear.
#
# ## The answer
"""
TOML = """
headline = [{in = "05", arm = "GAN"}]
[records]
gan = {file = "study", arm = "GAN - classical"}
proto = {file = "study", arm = "ProtoNet"}
[[claim]]
in = "README"
says = "Generated drawings **beat** classical ones, by {:.1f} ± {:.1f} points"
numbers = [{of = "gan", take = "100 * value"}, {of = "gan", take = "100 * half"}]
holds = [{of = "gan", is = "low > 0"}]
[[claim]]
in = "README"
says = "prototypes get {:.1f} to {:.1f} % right"
numbers = [{of = "proto", take = "100 * value", pick = "min"}, {of = "proto", take = "100 * value", pick = "max"}]
holds = [{of = "proto", seed = [0, 1], is = "low > than.high", than = {arm = ["MAML", "ANIL"]}}]
[[excuse]]
in = "*"
because = "the level of all intervals"
says = ["level of 95 %"]
"""


def record(value, half, **fields):
    return {"value": value, "low": value - half, "high": value + half, "unit": "accuracy", **fields}


VALUES = {"ProtoNet": (0.95, 0.975), "MAML": (0.8, 0.94), "ANIL": (0.7, 0.9)}
STUDY = [record(0.021, 0.004, name="difference", arm="GAN - classical"),
         *(record(values[seed], 0.01, name="5-way", arm=arm, seed=seed) for arm, values in VALUES.items()
           for seed in (0, 1))]
ANSWER = "On `glyphs`, **71.0 ± 2.0 %** are right, 2.8 times 25.4 %, and between 69.0 and 73.0 %."


@pytest.fixture
def course(tmp_path):
    for folder in ("figures/results", "notebooks/source"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "README.md").write_text(README, encoding="utf-8")
    (tmp_path / claims.REGISTRY).write_text(TOML, encoding="utf-8")
    write(tmp_path, "study", STUDY)
    write(tmp_path, "05_draw", [record(0.71, 0.02, arm="GAN"), record(0.254, 0.01, arm="GAN"), record(0.9, 0, arm="-")])
    (tmp_path / "notebooks" / "source" / "05_draw.py").write_text(SCRIPT, encoding="utf-8")
    cells = [{"source": ["## The answer\n"]}, {"outputs": [{"data": {"text/markdown": [ANSWER]}}]}]
    (tmp_path / "notebooks" / "05_draw.ipynb").write_text(json.dumps({"cells": cells}, indent=1, ensure_ascii=False),
                                                          encoding="utf-8")
    return tmp_path


def write(root, stem, records):
    (root / "figures" / "results" / f"{stem}.json").write_text(json.dumps(records), encoding="utf-8")


def change(root, name, *pairs):
    text = (root / name).read_text(encoding="utf-8")
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    (root / name).write_text(text, encoding="utf-8")


def only_fault(root):
    found = claims.faults(root)
    assert len(found) == 1, "\n".join(map(str, found))
    return str(found[0])


def test_all_is_well(course):
    assert claims.faults(course) == []


@pytest.mark.parametrize("old, new, where, what", [
    ("by 2.1 ±", "by 2.2 ±", "README.md:4", "says 2.2 where figures/results has 2.1. Write 2.1"),
    ("± 0.4", "± 0.2", "README.md:4", "says 0.2 where figures/results has 0.4"),
    ("97.5 %", "97.6 %", "README.md:4", "says 97.6 where figures/results has 97.5"),
    ("Do they help?", "They are right in 66 % of all cases.", "README.md:5", "nothing binds '66' to a record"),
    ("Do they help?", "The distance is 1.49.", "README.md:5", "nothing binds '1.49'"),
    ("Do they help?", "They gain 3 points.", "README.md:5", "nothing binds '3'"),
    ("Do they help?", "They are 12 to 15 % better.", "README.md:5", "nothing binds '12'"),
    ("Do they help?", "They help.", "README.md:5", "'help' is a claim: name the records that bear it"),
    ("Do they help?", "If so, they are better than\nall.", "README.md:5", "better\\s?than' is a claim"),
    ("# A course", "# A course where G wins", "README.md:1", "'wins' is a claim"),
    ("a level of 95 %", "levels", "figures/results/claims.toml:19", "does not say 'level of 95 %': drop the excuse"),
])
def test_a_change_in_prose_is_found(course, old, new, where, what):
    change(course, "README.md", (old, new))
    found = [str(fault) for fault in claims.faults(course)]
    assert any(fault.startswith(f"{where}: ") for fault in found), found
    assert any(re.search(what.replace("(", r"\("), fault) for fault in found), found


def test_a_claim_turned_round_in_the_prose_is_found(course):
    change(course, "README.md", ("**beat**\nclassical", "**lose to**\nclassical"))
    text = "\n".join(map(str, claims.faults(course)))
    assert "README.md:1: does not say 'Generated drawings **beat** classical ones" in text
    assert "README.md:3: 'lose' is a claim" in text and "README.md:4: nothing binds '2.1 ± 0.4'" in text


def test_a_claim_that_the_stored_interval_no_longer_bears(course):
    write(course, "study", [record(0.021, 0.03, name="difference", arm="GAN - classical"), *STUDY[1:]])
    found = [str(fault) for fault in claims.faults(course)]
    assert "README.md:4: says 0.4 where figures/results has 3.0" in found[0]
    assert found[1].startswith("README.md:3: ")
    assert "is not supported: difference, GAN - classical = 0.021 (-0.009 to 0.051) should have low > 0" in found[1]


def test_than_compares_only_records_that_differ_in_its_fields_alone(course):
    maml = [r | {"high": 0.945} if (r.get("arm"), r.get("seed")) == ("MAML", 1) else r for r in STUDY]
    write(course, "study", maml)
    assert claims.faults(course) == [], "0.94 of MAML's seed 1 stands beside ProtoNet's seed 1, not beside its seed 0"
    write(course, "study", [r | {"high": 0.97} if r.get("arm") == "ANIL" else r for r in STUDY])
    assert "ProtoNet = 0.95 (0.94 to 0.96), beside 5-way, ANIL = 0.7 (0.69 to 0.97), should" in only_fault(course)


@pytest.mark.parametrize("old, new, what", [
    ('of = "gan", is', 'of = "gam", is', "there is no 'gam' under [records]"),
    ('arm = "GAN - classical"', 'arm = "GAN"', "study.json has no record of arm = 'GAN'"),
    ('"MAML", "ANIL"', '"MAML", "Reptile"', "has no record of arm = 'Reptile'"),
    ('is = "low > 0"', 'is = "lowest > 0"', "cannot be checked: name 'lowest' is not defined"),
    ('is = "low > 0"', 'is = "__import__(\'os\')"', "cannot be checked"),
    ('is = "low > 0"}', 'is = "low > 0", than = {arm = "GAN - classical"}}', "no record is compared by 'low > 0'"),
    (', pick = "min"', "", "2 records are meant by one number"),
    ('in = "05", arm = "GAN"', 'in = "05", arm = "gan"', "a headline: figures/results/05_draw.json has no record"),
    ('in = "README"\nsays = "Gen', 'in = "07"\nsays = "Gen', "cannot be checked"),
])
def test_a_mistake_in_the_registry_is_named(course, old, new, what):
    change(course, claims.REGISTRY, (old, new))
    found = [str(fault) for fault in claims.faults(course)]
    assert any(fault.startswith(claims.REGISTRY + ":") and what in fault for fault in found), found


def test_a_claim_that_nothing_bears_is_none(course):
    change(course, claims.REGISTRY, ('[[excuse]]', '[[claim]]\nin = "05"\nsays = "Nothing is clear."\n[[excuse]]'))
    assert "claims.toml:18: 'Nothing is clear.' cannot be checked: nothing bears it" in only_fault(course)


def test_words_alone_do_not_excuse_a_number_in_a_claim(course):
    change(course, claims.REGISTRY, ("prototypes get {:.1f} to {:.1f} % right", "prototypes get 95.0 to 97.5 % right"),
           ('numbers = [{of = "proto", take = "100 * value", pick = "min"}, {of = "proto", take = "100 * value", '
            'pick = "max"}]\n', ""))
    assert [str(fault)[:34] for fault in claims.faults(course)] == ["README.md:4: nothing binds '95.0' ",
                                                                   "README.md:4: nothing binds '97.5' "]


def test_a_notebook_is_read_where_it_speaks(course):
    change(course, "notebooks/source/05_draw.py", ("Nothing is clear", "The error falls to 12.5 % at least"))
    found = [str(fault) for fault in claims.faults(course)]
    assert [fault[:32] for fault in found] == ["notebooks/source/05_draw.py:8: n", "notebooks/source/05_draw.py:8: '"]


@pytest.mark.parametrize("old, new", [("71.0 ± 2.0", "71.0 ± 2.1"), ("71.0 ±", "71.1 ±"), ("2.8 times", "2.9 times"),
                                      ("73.0 %", "90.0 %")])
def test_the_answer_states_its_headline_numbers_and_no_other(course, old, new):
    change(course, "notebooks/05_draw.ipynb", (old, new))
    assert only_fault(course).startswith("notebooks/05_draw.ipynb:13: nothing binds")


def test_an_answer_without_a_number(course):
    change(course, "notebooks/05_draw.ipynb", ("text/markdown", "text/plain"))
    assert "05_draw.ipynb:1: its answer prints no number as Markdown" in only_fault(course)


def test_a_registry_that_is_no_toml(course):
    change(course, claims.REGISTRY, ("[[claim]]", "[[claim"))
    with pytest.raises(ValueError, match=r"claims.toml: .*line"):
        claims.faults(course)


def test_published_numbers_are_records():
    rows = claims.load(runtime.project_root())["published"]
    by = {(r["arm"], r["source"], r["name"], r["setting"]): r for r in rows}
    finn = by["MAML", "Finn et al. 2017", "5-way 1-shot", "transductive"]
    assert (finn["value"], round(finn["low"], 4), round(finn["high"], 4)) == (0.987, 0.983, 0.991)
    assert all(r["low"] <= r["value"] <= r["high"] for r in rows)


def test_every_registered_relation_can_fail():
    """The other way round, no relation of the course's own registry holds: each is really computed."""
    root = runtime.project_root()
    results, listed = claims.load(root), claims.registry(root)
    supports = [support for claim in listed["claim"] for support in claim.get("holds", [])]
    assert len(supports) > 40
    for support in supports:
        assert claims.unsupported(results, listed["records"], support) is None, support
        assert claims.unsupported(results, listed["records"], support | {"is": f"not ({support['is']})"}), support
