"""What a student sees when a check stops, in a kernel: one line, or an error with lines of their own, never a check's.

The checks' own lines may tell the solution.
"""

import importlib
import re
import traceback
from pathlib import Path

import nbformat
import pytest
import torch
from nbclient import NotebookClient

import course_checks
from course_checks._base import NotYet
from course_tools import authoring
from test_checks import CHECKS, WRONG, stub

FOLDER = Path(course_checks.__file__).parent
EVERY_CHECK = pytest.mark.parametrize("check", CHECKS)
FIRST = """
import sys
sys.path.insert(0, {folder!r})
import torch
from test_checks import CHECKS, WRONG

def my_stub(*arguments):
    # YOUR CODE HERE
    raise NotImplementedError()

def my_caller(*arguments):
    return my_stub(*arguments)

def my_shapes(*arguments):
    return torch.ones(2, 3) @ torch.ones(2, 3)              # mine

def my_meddler(*arguments):
    for each in arguments:                                  # players, losses, steps, augmentations of the check
        if callable(each):
            try:
                each(*[None] * each.__code__.co_argcount if hasattr(each, "__code__") else [None])
            except Exception as error:
                raise LookupError("a nested error") from error      # mine
    raise LookupError("nothing to meddle with")             # mine

def my_use(*arguments):
    for each in arguments:
        if callable(each):
            each("no tensor")                               # mine
    raise LookupError("nothing to call")                    # mine

def my_greed(a, b, c, d, e, f, g, h, i):
    return a
"""
NAMES = re.findall(r"def (\w+)", FIRST)


def plain(text):
    return re.sub(r"\x1b\[[\d;]*m", "", text)


@pytest.fixture(scope="module")
def outputs():
    """{(check, name of a function of FIRST, or "wrong"): what the cell shows}, all from one kernel."""
    calls = {(check, name): f"CHECKS[{check!r}]({name})" for check in CHECKS for name in NAMES}
    calls.update({(check, "wrong"): f"CHECKS[{check!r}](WRONG[{check!r}][0][0])" for check in CHECKS})
    first = FIRST.format(folder=str(Path(__file__).parent))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in (first, *calls.values())])
    with authoring.environment(COURSE_DEVICE="cpu", OMP_NUM_THREADS="1"):
        NotebookClient(notebook, timeout=300, allow_errors=True, kernel_name="python3").execute()
    assert notebook.cells[0].outputs == []
    return {call: cell.outputs for call, cell in zip(calls, notebook.cells[1:], strict=True)}


def shown(outputs):
    """The error that is the only output of a cell."""
    output, = outputs
    assert output.output_type == "error", output
    return output


def message(check, answer, error):
    with pytest.raises(error) as caught:
        CHECKS[check](answer)
    return str(caught.value)


@EVERY_CHECK
def test_a_wrong_answer_shows_its_message_alone(check, outputs):
    error = shown(outputs[check, "wrong"])
    assert error.ename == "NotYet"
    assert error.traceback == [f"✗ {message(check, WRONG[check][0][0], NotYet)}"]


@EVERY_CHECK
@pytest.mark.parametrize("name", ["my_stub", "my_caller"])
def test_a_stub_is_named_in_one_line(check, name, outputs):
    error = shown(outputs[check, name])
    assert error.ename == "NotImplementedError"
    assert error.traceback == ["✗ my_stub is not written yet: replace its `raise NotImplementedError()` by your code, "
                               "run that cell, then this one."]


@EVERY_CHECK
def test_other_arguments_are_told_in_one_line(check, outputs):
    error, = shown(outputs[check, "my_greed"]).traceback
    wanted = re.match(r"✗ expected my_greed\((.*)\); got my_greed\(a, b, c, d, e, f, g, h, i\). Hint: ", error)[1]
    passed = []

    def taken(*arguments):
        passed.extend(arguments)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        CHECKS[check](taken)
    assert len(wanted.split(", ")) == len(passed), "the docstring of the check names what it passes in"


@EVERY_CHECK
@pytest.mark.parametrize("name", ["my_shapes", "my_meddler", "my_use"])
def test_an_error_of_the_students_own_shows_their_lines_and_none_of_the_check(check, name, outputs):
    error = shown(outputs[check, name])
    text = plain("\n".join(error.traceback))
    if error.ename != "NotYet":         # a player of the check may say what is wrong with its input
        assert f"CHECKS[{check!r}]({name})" in text and "# mine" in text and text.count(error.ename) > 1, text
    assert "course_checks" not in text and "hidden" not in text
    for line in LINES:
        assert line not in text


LINES = {line.strip() for path in FOLDER.glob("*.py") for line in path.read_text(encoding="utf-8").splitlines()
         if len(line.strip()) > 12}


@EVERY_CHECK
@pytest.mark.parametrize("value", [[], {}, "text", ["a", "b"], object(), torch.tensor(1 + 1j), torch.zeros(0), None],
                         ids=lambda value: type(value).__name__)
def test_whatever_a_function_returns_the_check_answers_with_a_sentence(check, value):
    with pytest.raises(NotYet, match=r"(?s)^expected .*Hint: "):
        CHECKS[check](lambda *arguments: value)


def test_elsewhere_the_traceback_is_whole():
    def wrong(*arguments):
        raise TypeError("of my own")

    for answer in (wrong, stub):
        with pytest.raises((TypeError, NotImplementedError)) as caught:
            CHECKS["nb00.interval"](answer)
        files = [Path(frame.filename).name for frame in traceback.extract_tb(caught.value.__traceback__)]
        assert "nb00.py" in files and files[-1] in ("test_check_messages.py", "test_checks.py")


def test_what_is_no_function_is_told(capsys):
    check = importlib.import_module("course_checks.nb00").interval
    with pytest.raises(NotYet, match=r"got float. Hint: give the check the function itself"):
        check(0.5)
    check(lambda accuracies, scale=1.96: (accuracies.mean(), scale * accuracies.std() / len(accuracies) ** 0.5))
    assert "✓" in capsys.readouterr().out
