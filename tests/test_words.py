"""The thermometer for prose, on texts whose words were counted by hand."""

import pytest

from course_tools import words

TEXT = """# A heading: not counted

One two three four. Five six, because seven; eight (nine) ten: eleven.

| a table | not counted |

* a list item with `code: inside` it
* another [link](https://example.org/a:b) here

```
code = not counted
```
"""


def test_prose_is_what_a_reader_reads(tmp_path):
    path = tmp_path / "a.md"
    path.write_text(TEXT, encoding="utf-8")
    assert words.prose(path) == ["One two three four. Five six, because seven; eight (nine) ten: eleven.",
                                 "a list item with x it", "another link here"]


def test_the_numbers_of_a_text_counted_by_hand():
    n, length, long, *marks = words.measure(["One two three four. Five six, because seven; eight (nine) ten: eleven."])
    assert (n, length, long) == (12, 6.0, 0)
    assert marks == pytest.approx([1000 / 12] * 4)        # a colon, a semicolon, a parenthesis, one "because"
    assert words.measure([" ".join(["word"] * 26) + "."])[2] == 1


def test_a_notebook_gives_its_markdown_and_a_module_its_docstrings_and_messages(tmp_path):
    notebook, module = tmp_path / "n.py", tmp_path / "m.py"
    notebook.write_text("# %% [markdown]\n# # Title\n#\n# The prose of it.\n\n# %%\nx = 'no prose at all'\n",
                        encoding="utf-8")
    module.write_text('"""What it does here."""\nraise ValueError(f"got {1} and you may want to give it two")\n',
                      encoding="utf-8")
    assert words.prose(notebook) == ["The prose of it."]
    assert words.prose(module) == ["What it does here.", "got x and you may want to give it two"]
