"""The course as a static site: make site, or python -m sphinx -E -W -c site -d build/doctrees . build/site.

Sphinx reads the repository as it is: README.md is the front page, the stored notebooks are the pages, a link to any
other file becomes a download. Nothing is executed, and no page asks another server for anything.
Needs the extra `site`.
"""

import importlib.util
import json
import re
import shutil
from pathlib import Path

from docutils import nodes
from sphinx.addnodes import download_reference

from course_files.opening import DataError
from course_tools import play

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted(path.stem for path in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))

project = "GANs for few-shot learning"
author = ""
extensions = ["myst_nb", "sphinx.ext.mathjax", "sphinx.ext.githubpages"]
root_doc = "README"
TRY = """<p><a href="play/index.html"><b>Try it here</b></a>: draw a few characters, and see what the networks make of
them.</p>"""
TEXTS = ["RESULTS", "INSTALL", "TEACHING", "CONTRIBUTING"]
include_patterns = [f"{root_doc}.md", *(f"{name}.md" for name in TEXTS), "notebooks/[0-9][0-9]_*.ipynb"]
exclude_patterns = [".*", "runs", "build", "**/.*"]         # not even looked through

nb_execution_mode = "off"
nb_render_markdown_format = "myst"                          # tables that a cell displays
nb_ipywidgets_js = {}                                       # would come from another server
myst_enable_extensions = ["dollarmath", "html_image", "tasklist"]
myst_heading_anchors = 3
highlight_language = "none"                                 # a block that names no language is a terminal

html_theme = "sphinx_book_theme"
html_title = project
html_copy_source = False
html_show_copyright = False
html_theme_options = {"use_download_button": False, "navbar_persistent": []}
html_context = {"default_mode": "auto"}                     # light or dark, as the reader's system says
# MathJax 3 in one file, out of a package that carries it
mathjax = Path(importlib.util.find_spec("sphinx-mathjax-offline").origin).parent / "static" / "mathjax" / "tex-svg.js"
html_static_path = ["course.css", str(mathjax)]
html_css_files = ["course.css"]
mathjax_path = mathjax.name


def setup(app):
    app.connect("builder-inited", page_to_play_with)
    app.connect("source-read", extend)
    app.connect("doctree-read", unbroken)
    app.connect("doctree-read", two_names)
    app.connect("build-finished", front_page)


def page_to_play_with(app):
    """Build play/, or say in one line why it is left out. The front page links to it only where it is there."""
    folder = Path(app.outdir, "play")
    try:
        play.build(folder)
    except DataError as error:
        shutil.rmtree(folder, ignore_errors=True)
        print(f"play/ is left out. {error}")


def extend(app, name, source):
    """Add to a source what only the site needs: to the front page its contents, to a notebook its downloads.

    A badge, whose picture lies on another server, becomes a plain link.
    """
    source[0] = re.sub(r"\[!\[([^\]]+)\]\(https?://[^)]+\)\]", r"[\1]", source[0])
    if name.startswith("notebooks/"):
        notebook, stem = json.loads(source[0]), name.split("/")[1]
        title, _, rest = "".join(notebook["cells"][0]["source"]).partition("\n")
        downloads = (f"Download this notebook: {{download}}`complete <{stem}.ipynb>` · "
                     f"{{download}}`with its exercises to solve <exercises/{stem}.ipynb>`")
        notebook["cells"][0]["source"] = f"{title}\n\n{downloads}\n{rest}"
        source[0] = json.dumps(notebook)
    else:
        source[0] = re.sub(r"\[([^\]]+)\]\(([^)#]+)\)", without_page, source[0])
    if name == root_doc:
        if Path(app.outdir, "play", "index.html").is_file():
            title, first, rest = source[0].split("\n\n", 2)
            source[0] = "\n\n".join([title, first, TRY, rest])
        texts = [name for name in TEXTS if (ROOT / f"{name}.md").is_file()]
        pages = [*texts, *(f"notebooks/{n}" for n in NOTEBOOKS)]
        source[0] += "\n".join(["", "```{toctree}", ":hidden:", "The course <self>", *pages, "```", ""])


def without_page(link):
    """A link [text](path) as the site can serve it: a folder as text alone, an exercise notebook as a download."""
    text, path = link[1].replace("`", ""), link[2]
    if (ROOT / path).is_dir():
        return text
    return f"{{download}}`{text} <{path}>`" if path.startswith("notebooks/exercises/") else link[0]


def unbroken(app, doctree):
    """Keep a number in a table on one line with its interval and its unit."""
    for entry in doctree.findall(nodes.entry):
        for text in list(entry.findall(nodes.Text)):
            text.parent.replace(text, nodes.Text(re.sub(r"(?<=[\d±]) (?=±|\d|ms\b|%)", "\N{NO-BREAK SPACE}", text)))


def two_names(app, doctree):
    """The complete edition is downloaded as NN_name_complete.ipynb, for students hand in NN_name.ipynb."""
    for node in doctree.findall(download_reference):
        if re.fullmatch(r"\d\d_\w+\.ipynb", node["reftarget"]):
            path = Path("notebooks", node["reftarget"])
            pages, name = app.env.dlfiles[path]
            node["filename"] = Path(name).with_name(f"{path.stem}_complete.ipynb").as_posix()
            app.env.dlfiles[path] = pages, node["filename"]


def front_page(app, error):
    """A web server shows index.html; Sphinx names a page after its source."""
    if error is None:
        shutil.copyfile(Path(app.outdir, "README.html"), Path(app.outdir, "index.html"))
