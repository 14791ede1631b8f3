"""A pytest plugin (-p nbval_audit) that writes down which cells nbval really executed and really compared."""

import json
import os

import pytest
from nbval.plugin import IPyNbCell

executed, compared = [], []
original = IPyNbCell.compare_outputs


def compare_and_note(self, test, reference, skip_compare=None):
    outcome = original(self, test, reference, skip_compare)
    if reference:       # nothing stored would be nothing compared
        compared.append(self.cell_num)
    return outcome


IPyNbCell.compare_outputs = compare_and_note


@pytest.hookimpl
def pytest_runtest_logreport(report):
    if report.when == "call" and report.passed:
        executed.append(int(report.nodeid.rsplit("Cell ", 1)[1]))


def pytest_sessionfinish():
    with open(os.environ["NBVAL_AUDIT"], "w") as file:
        json.dump({"executed": executed, "compared": compared}, file)
