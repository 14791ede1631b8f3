"""The checks as their files have them: `from course_checks.anew import nb01` reads them again.

A check cell begins with it where marks are given, so that nothing counts that a notebook did to the checks before.
"""

import importlib
import re
import sys


def __getattr__(name):
    if not re.fullmatch(r"nb\d\d", name):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    for known in [module for module in sys.modules if module.startswith(f"{__package__}.") and module != __name__]:
        del sys.modules[known]
    return importlib.import_module(f"{__package__}.{name}")
