"""What the course's own Python files mean, and what they import. Nothing is executed."""

import ast
from pathlib import Path

# Each imports from those before it, and from itself.
WINGS = ("course_files", "course_lib", "course_checks", "course_tools", "studies")


def meaning(source):
    """The syntax tree of Python `source` as text, the same whatever its comments, docstrings, layout and Python."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
            del node.body[0]
    return _text(tree)


def _text(node):
    if isinstance(node, list):
        return f"[{', '.join(map(_text, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    if isinstance(node, ast.JoinedStr):     # Python 3.12 keeps empty parts of an f-string
        node.values = [part for part in node.values if not (isinstance(part, ast.Constant) and part.value == "")]
    fields = (f"{name}={_text(value)}" for name, value in ast.iter_fields(node) if value not in (None, []))
    return f"{type(node).__name__}({', '.join(fields)})"


def imported(path, root):
    """The files of the course, below the folder `root`, that the Python file at `path` imports: a set of paths."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {_file(root, path, *alias.name.split(".")) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parents = path.relative_to(root).parts[:-node.level] if node.level else ()
            package = (*parents, *(node.module or "").split(".")) if node.module else parents
            members = {_file(root, path, *package, alias.name) for alias in node.names}
            found |= members
            if None in members:         # a name in the package itself
                found.add(_file(root, path, *package))
    return found - {None, path}


def course_names(source, code):
    """What Python `source` uses of the course's modules as `code` imports them: {"course_lib.quality.jsd"}.

    Source that cannot be parsed uses none.
    """
    try:
        tree, known = ast.parse(source), {}
        for node in (*ast.walk(ast.parse(code)), *ast.walk(tree)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in WINGS:
                known |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
            elif isinstance(node, ast.Import):      # without `as`, it is the package that gets a name
                known |= {alias.asname or wing: alias.name if alias.asname else wing for alias in node.names
                          if (wing := alias.name.split(".")[0]) in WINGS}
    except SyntaxError:
        return set()
    used = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute):
            first, *rest = ast.unparse(node).split(".")
            if first in known and all(map(str.isidentifier, rest)):
                used.add(".".join([known[first], *rest]))
    return {name for name in used if not any(other.startswith(f"{name}.") for other in used)}


def _file(root, importer, *parts):
    """The file of the course's module that has this dotted name, or None. A study also imports its neighbours."""
    homes = [Path(root)] if parts[0] in WINGS else [importer.parent] if importer.parent.name == "studies" else []
    for home in homes:
        base = home.joinpath(*parts)
        for file in (base.with_name(f"{base.name}.py"), base / "__init__.py"):
            if file.is_file():
                return file
    return None
