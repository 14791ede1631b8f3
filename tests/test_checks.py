"""Every check accepts right answers and rejects plausible wrong ones, each with its own fitting message.

The answers to the exercises of notebook NN stand in answers_NN.py: RIGHT, a list for each check, and WRONG, pairs of an
answer and words of the message that fit this mistake and no other.
"""

import importlib
import inspect
import re
from pathlib import Path

import pytest

from course_lib import checks

RIGHT, WRONG = {}, {}
for path in sorted(Path(__file__).parent.glob("answers_[0-9][0-9].py")):
    answers = importlib.import_module(path.stem)
    RIGHT |= answers.RIGHT
    WRONG |= answers.WRONG
NAMES = [name for name, function in inspect.getmembers(checks, inspect.isfunction)
         if function.__module__ == checks.__name__ and not name.startswith("_")]


def stub(*arguments):
    raise NotImplementedError


@pytest.mark.parametrize("name", NAMES)
def test_every_check_has_right_and_at_least_three_wrong_answers(name):
    assert RIGHT[name] and len(WRONG[name]) >= 3
    assert len({words for _, words in WRONG[name]}) >= 3, "different mistakes, different messages"


@pytest.mark.parametrize("name", NAMES)
def test_right_answers_print_one_friendly_line(name, capsys):
    for answer in RIGHT[name]:
        getattr(checks, name)(answer)
        assert re.fullmatch(r"✓ .+\n", capsys.readouterr().out)


@pytest.mark.parametrize("name", NAMES)
def test_the_stub_stays_not_implemented(name):
    with pytest.raises(NotImplementedError):
        getattr(checks, name)(stub)


@pytest.mark.parametrize("name, number", [(name, i) for name in WRONG for i in range(len(WRONG[name]))])
def test_wrong_answers_are_rejected_with_a_fitting_message(name, number, capsys):
    answer, words = WRONG[name][number]
    with pytest.raises(checks.NotYet) as error:
        getattr(checks, name)(answer)
    message = str(error.value)
    assert words.lower() in message.lower()
    assert re.search(r"expected .+; got .+ Hint: ", message, re.DOTALL) and "\n" not in message
    assert capsys.readouterr().out == ""
