"""A thermometer for prose: how long its sentences are, and how they are joined.

    python -m course_tools.words README.md notebooks/source/02_making_it_train.py

One row for each file: words; words a sentence; sentences over 25 words; colons, semicolons, parentheses and
connectives (because, so, but, therefore) per 1,000 words. The prose of a notebook is its Markdown, that of a module
its docstrings and the texts it prints or raises. Headings, tables, formulas, links and code do not count.
"""

import ast
import re
import sys
from pathlib import Path

COLUMNS = ("text", "words", "words a sentence", "over 25", "colons", "semicolons", "parentheses", "connectives")


def prose(path):
    """The paragraphs of a Markdown file, a notebook's script or a module: list of str."""
    text = Path(path).read_text(encoding="utf-8")
    if Path(path).suffix == ".md":
        return _paragraphs(text)
    if "# %%" in text:
        cells = re.findall(r"^# %% \[markdown\].*\n((?:#.*\n)*)", text, re.M)
        return [part for cell in cells for part in _paragraphs(re.sub(r"^# ?", "", cell, flags=re.M))]
    return [part for said in _said(ast.parse(text)) for part in _paragraphs(said)]


def _said(tree):
    """Docstrings and other texts of three words or more; what stands in the braces of an f-string counts a word."""
    if isinstance(tree, ast.JoinedStr):
        yield "".join(part.value if isinstance(part, ast.Constant) else "x" for part in tree.values)
    elif isinstance(tree, ast.Constant) and isinstance(tree.value, str):
        yield tree.value
    else:
        for child in ast.iter_child_nodes(tree):
            yield from _said(child)


def _paragraphs(text):
    """Text without what is no prose: fenced code, tables, headings, HTML, formulas; code and links count a word."""
    text = re.sub(r"```.*?```|\$\$.*?\$\$|<!--.*?-->|<[^>]+>", "", text, flags=re.S)
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", re.sub(r"!\[[^]]*\]\([^)]*\)", "", text))
    text = re.sub(r"(?m)^\s*(?:[*-]|\d+\.) ", "\n\n", re.sub(r"`[^`]*`|\$[^$]*\$", "x", text)).replace("*", "")
    parts = re.split(r"\n\s*\n", "\n".join(line for line in text.splitlines() if not re.match(r"\s*(\||#|    )", line)))
    return [" ".join(part.split()) for part in parts if len(part.split()) > 2]


def measure(paragraphs):
    """(words, words a sentence, sentences over 25; in 1,000 words: colons, semicolons, parentheses, connectives)."""
    sentences = [s for part in paragraphs for s in re.split(r"(?<=[.!?])[)\"]?\s+(?=[A-Z0-9x\"(])", part) if s.split()]
    lengths, text = [len(s.split()) for s in sentences], " ".join(paragraphs)
    n = max(1, sum(lengths))
    found = [len(re.findall(mark, text)) for mark in (r":(?=\s|$)", ";", r"\(", r"(?i)\b(because|so|but|therefore)\b")]
    return n, n / max(1, len(sentences)), sum(k > 25 for k in lengths), *(1000 * k / n for k in found)


def table(named):
    """A Markdown table, a row for each (name, paragraphs)."""
    rows = ["| " + " | ".join(COLUMNS) + " |", "|---" * len(COLUMNS) + "|"]
    for name, paragraphs in named:
        n, length, long, *marks = measure(paragraphs)
        rows.append(f"| {name} | {n:,} | {length:.1f} | {long} | " + " | ".join(f"{mark:.1f}" for mark in marks) + " |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(table((Path(name).name, prose(name)) for name in sys.argv[1:]))
