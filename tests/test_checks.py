"""Every check accepts right answers and rejects plausible wrong ones, each with its own fitting message.

A check's module lists the mistakes that it knows in MISTAKES: {check: [(wrong function, hint), ...]}. Other answers to
the exercises of notebook NN stand in answers_NN.py: RIGHT, a list for each check, and WRONG, pairs of an answer and
words of the message that fit this mistake and no other.
"""

import importlib
import inspect
import re
from pathlib import Path

import pytest

import course_checks
from course_checks._base import NotYet

CHECKS, RIGHT, WRONG = {}, {}, {}
for path in sorted(Path(course_checks.__file__).parent.glob("nb*.py")):
    module = importlib.import_module(f"course_checks.{path.stem}")
    answers = importlib.import_module(f"answers_{path.stem[2:]}")
    for name, function in inspect.getmembers(module, inspect.isfunction):
        if function.__module__ == module.__name__ and not name.startswith("_"):
            check = f"{path.stem}.{name}"
            CHECKS[check], RIGHT[check] = function, answers.RIGHT[name]
            WRONG[check] = getattr(module, "MISTAKES", {}).get(name, []) + answers.WRONG.get(name, [])


def stub(*arguments):
    raise NotImplementedError


@pytest.mark.parametrize("check", CHECKS)
def test_every_check_has_right_and_at_least_three_wrong_answers(check):
    assert RIGHT[check] and len(WRONG[check]) >= 3
    assert len({words for _, words in WRONG[check]}) >= 3, "different mistakes, different messages"


@pytest.mark.parametrize("check", CHECKS)
def test_right_answers_print_one_friendly_line(check, capsys):
    for answer in RIGHT[check]:
        CHECKS[check](answer)
        assert re.fullmatch(r"✓ .+\n", capsys.readouterr().out)


@pytest.mark.parametrize("check", CHECKS)
def test_the_stub_stays_not_implemented(check):
    with pytest.raises(NotImplementedError):
        CHECKS[check](stub)


@pytest.mark.parametrize("check, number", [(check, i) for check in WRONG for i in range(len(WRONG[check]))])
def test_wrong_answers_are_rejected_with_a_fitting_message(check, number, capsys):
    answer, words = WRONG[check][number]
    with pytest.raises(NotYet) as error:
        CHECKS[check](answer)
    message = str(error.value)
    assert words.lower() in message.lower()
    assert re.search(r"expected .+; got .+ Hint: ", message, re.DOTALL) and "\n" not in message
    assert capsys.readouterr().out == ""
