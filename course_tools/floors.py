"""The house as a table: which module stands on which floor.

A module imports from lower floors of its wing, and from the wings before it.
tests/test_floors.py holds the code to it, and CONTRIBUTING.md prints it. `name/` stands for a package's __init__.py.
"""

import ast

FLOORS = {      # each wing from the ground up
    "course_files": [["acting", "opening", "writing", "places", "recipes", "textures"],
                     ["pictures", "download", "states"],
                     ["cache", "drawings", "fonts", "glyphs", "idx", "names", "omniglot", "sound"],
                     ["folders", "labelled", "languages", "made"],
                     ["spoken_digits"]],
    "course_lib": [
        ["runtime", "losses", "penalties", "statistics", "parallel", "placements", "networks/points",
         "networks/images", "networks/examples", "networks/features", "networks/convnet", "networks/acting",
         "normalisation", "acting"],
        ["checkpoints", "quality", "episodes", "networks/flows", "datasets/classes"],
        ["gan", "maml", "networks/"],
        ["classifier", "flows", "augmentations", "pairs", "learners", "speech"],
        ["datasets/"],
    ],
    "course_checks": [["_base", "anew"], ["nb*"]],
    "course_tools": [
        ["source", "records", "plots", "games", "pad", "words"],
        ["diagrams", "floors", "notebook", "authoring", "challenge", "play", "report", "pages"],
        ["running"],
        ["handout", "doctor", "grading"],
        ["cli"],
    ],
    "studies": [["shared", "torchvision_guard"], ["few_shot", "judging", "strokes", "trial"], ["little_data"],
                ["other_generators"], ["*"]],
}


def table(root):
    """The house as a Markdown table, the top floor first: what each module is, in the first line of its docstring."""
    lines = ["| wing | floor | module | what it is |", "|---|---|---|---|"]
    for wing, floors in reversed(FLOORS.items()):
        paths = [path for path in sorted((root / wing).rglob("*.py")) if path != root / wing / "__init__.py"]
        for number in reversed(range(len(floors))):
            for path in (path for path in paths if place(path, root)[1] == number):
                name = path.relative_to(root / wing).as_posix().removesuffix("__init__.py").removesuffix(".py")
                what = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))).split("\n")[0]
                lines.append(f"| {wing} | {number} | {name} | {what} |")
    return "\n".join(lines)


def place(path, root):
    """(number of the wing, number of the floor) of the Python file at `path`. Raises ValueError if it has none."""
    wing, *parts = path.relative_to(root).with_suffix("").parts
    name = "/".join(parts).removesuffix("__init__")
    patterns = [pattern for floor in FLOORS[wing] for pattern in floor]
    for number, floor in enumerate(FLOORS[wing]):
        if name in floor or (name not in patterns and any(fits(name, pattern) for pattern in floor)):
            return list(FLOORS).index(wing), number
    raise ValueError(f"{wing}/{name} stands on no floor. Give it one in FLOORS (course_tools/floors.py).")


def fits(name, pattern):
    return pattern.endswith("*") and name.startswith(pattern[:-1])
