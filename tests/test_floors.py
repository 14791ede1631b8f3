"""The five wings: imports point one way, between wings and inside them; the lesson stays small and free of tools."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from course_tools import floors, source

ROOT = Path(__file__).parent.parent
WINGS = list(floors.FLOORS)
MODULES = [path for wing in WINGS for path in sorted((ROOT / wing).rglob("*.py")) if path.read_text(encoding="utf-8")]
ROOFS = [ROOT / wing / "__init__.py" for wing in WINGS]         # a wing's own docstring


@pytest.mark.parametrize("path", [p for p in MODULES if p not in ROOFS], ids=lambda p: p.relative_to(ROOT).as_posix())
def test_a_module_imports_from_below_only(path):
    wing, floor = floors.place(path, ROOT)
    for other in source.imported(path, ROOT):
        if other not in ROOFS:
            assert floors.place(other, ROOT) < (wing, floor), f"{other.relative_to(ROOT)} is not below"


def test_every_place_of_the_table_is_taken():
    names = {path.relative_to(ROOT / wing).with_suffix("").as_posix().removesuffix("__init__")
             for wing in WINGS for path in (ROOT / wing).rglob("*.py")}
    for wing_floors in floors.FLOORS.values():
        for name in (name for floor in wing_floors for name in floor):
            assert name in names or any(floors.fits(other, name) for other in names), f"there is no {name}"


def test_imports_are_seen_however_they_are_written(tmp_path):
    (tmp_path / "course_lib" / "inner").mkdir(parents=True)
    for name in ("a", "b", "inner/__init__", "inner/c", "inner/d"):
        (tmp_path / "course_lib" / f"{name}.py").write_text("")
    path = tmp_path / "course_lib" / "inner" / "d.py"
    for line, expected in {"from course_lib import a, b": {"a", "b"}, "from course_lib.a import x": {"a"},
                           "import course_lib.b": {"b"}, "from .. import a": {"a"}, "from ..b import x": {"b"},
                           "from . import c": {"inner/c"}, "from .c import x": {"inner/c"}, "import torch": set(),
                           "from course_lib import inner": {"inner/__init__"}, "def f():\n    from ..a import x": {"a"},
                           "from course_lib.inner import x": {"inner/__init__"}}.items():
        path.write_text(line)
        found = {p.relative_to(tmp_path / "course_lib").with_suffix("").as_posix()
                 for p in source.imported(path, tmp_path)}
        assert found == expected, line


def test_the_lesson_is_small_and_needs_no_tool():
    lesson = [path for path in MODULES if path.is_relative_to(ROOT / "course_lib")]
    assert sum(len(path.read_text(encoding="utf-8").splitlines()) for path in lesson) <= 2500
    modules = ", ".join(".".join(path.relative_to(ROOT).with_suffix("").parts) for path in lesson)
    code = (f"import sys, {modules.replace('.__init__', '')}\n"
            "tools = {'course_tools', 'course_checks', 'IPython', 'jupyter_core', 'papermill', 'jupytext', 'nbformat', "
            "'matplotlib', 'torchvision'}\n"
            "assert not tools & set(sys.modules), tools & set(sys.modules)")
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_the_package_does_no_work():
    code = "import sys, course_lib; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_public_name_is_used():
    """By a notebook, a study, a check, a command or another module; a class may also be what a function returns."""
    lesson = {path: path.read_text(encoding="utf-8") for path in MODULES if path.is_relative_to(ROOT / "course_lib")}
    users = [path.read_text(encoding="utf-8") for path in
             [*MODULES, *(ROOT / "notebooks" / "source").glob("*.py")] if path not in lesson]
    unused = []
    for path, text in lesson.items():
        tree = ast.parse(text)
        names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
        constants = {part.id for node in tree.body if isinstance(node, ast.Assign) for part in ast.walk(node.value)
                     if isinstance(part, ast.Name)}         # such as HINGE = GANLoss(hinge_d, wasserstein_g)
        elsewhere = [*users, *(other for p, other in lesson.items() if p != path and p.name != "__init__.py")]
        for name in names:
            word = re.compile(rf"\b{name}\b")
            returned = name in constants or (name[0].isupper() and len(word.findall(text)) > 1)
            if name[0] != "_" and not returned and not any(word.search(other) for other in elsewhere):
                unused.append(f"{path.name}: {name}")
    assert not unused


def test_no_banner_comments():
    for path in [*MODULES, *(ROOT / "tests").glob("*.py"), *(ROOT / "notebooks" / "source").glob("*.py")]:
        assert not re.search(r"^\s*# ?-{4,}", path.read_text(encoding="utf-8"), re.M), path.name
