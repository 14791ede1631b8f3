"""A handout for a class: chosen exercise notebooks with all they need, as one zip to put on a share.

Never in it: solutions (the complete notebooks, their sources) and tests, which hold right answers.
"""

import io
import posixpath
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat

from course_files.writing import atomic_path
from course_lib import datasets
from course_lib.runtime import project_root

from .authoring import BADGES, HOMES
from .running import find_notebooks
from .source import WINGS

NAME = "gan-few-shot-course"        # of the zip, and of the folder in it


def write(folder, wanted=(), *, dataset="glyphs"):
    """Write `folder`/gan-few-shot-course.zip with the exercise notebooks `wanted` (all, if none is named); its path.

    dataset: what the notebooks draw from unless a student says otherwise; its files go along. The same input makes
    the same bytes, and a zip of the same bytes is left as it is. Raises ValueError for an unknown notebook or dataset,
    FileExistsError where another handout lies, PermissionError for a folder that cannot be written to, and what
    `datasets.load` raises.
    """
    path, content = Path(folder) / f"{NAME}.zip", _zipped(files(wanted, dataset))
    if path.is_file() and path.read_bytes() == content:
        return path
    if path.exists():
        raise FileExistsError(f"{path} is there already, with other contents. Remove it, or give another folder.")
    try:
        with atomic_path(path) as part:
            part.write_bytes(content)
    except PermissionError:
        raise PermissionError(f"cannot write into {folder}. Make it a folder of yours, or give another.") from None
    return path


def _zipped(content):
    """{name: bytes} as the bytes of a zip that depend on nothing else: no times, no rights, no packer's version."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(content):
            entry = zipfile.ZipInfo(f"{NAME}/{name}")       # of 1 January 1980
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            archive.writestr(entry, content[name])
    return buffer.getvalue()


def files(wanted=(), dataset="glyphs"):
    """What the handout holds: {path in it: bytes}."""
    dataset, root = datasets.known_name(dataset), project_root()
    notebooks = [_exercises(path, dataset) for path in find_notebooks(wanted)]
    installing = ("pyproject.toml", "course_threads.pth", "constraints.txt", "LICENSE")
    content = {name: _text(root / name) for name in installing}
    content |= {path.relative_to(root).as_posix(): _text(path)
                for wing in WINGS if wing != "studies" for kind in ("*.py", "*.js")
                for path in (root / wing).rglob(kind)}
    content |= {path.relative_to(root).as_posix(): path.read_bytes()
                for path in (root / "course_files" / "embedded").iterdir()}
    for file in (file for _, notebook in notebooks for file in _read_by(notebook, dataset)):
        content[file] = _text(root / file) if file.endswith(".jsonl") else (root / file).read_bytes()
    content |= _data(dataset)
    present = {*content, *(f"notebooks/{name}" for name, _ in notebooks)}
    for name, notebook in notebooks:
        content[f"notebooks/{name}"] = (nbformat.writes(_linked(notebook, present)) + "\n").encode()
    return content | {"README.md": _readme(notebooks, dataset).encode()}


def _text(path):
    return path.read_bytes().replace(b"\r\n", b"\n")        # the same bytes from a checkout on Windows


def _exercises(path, dataset):
    """(name, the exercise edition of the notebook at `path`), without badges, and with `dataset` as the default."""
    edition = path.parent / "exercises" / path.name
    if not edition.is_file():
        raise ValueError(f"there is no {edition}. Handouts are made in a clone of the course; `course notebooks` "
                         f"makes the exercise notebooks anew.")
    notebook = nbformat.read(edition, as_version=4)
    for cell in notebook.cells:
        cell.source = BADGES.sub("", cell.source).replace("\n\n\n", "\n\n").replace("](../../", "](../")
        if "parameters" in cell.metadata.get("tags", []):
            cell.source = cell.source.replace('"COURSE_DATASET", "glyphs"', f'"COURSE_DATASET", "{dataset}"')
    return path.name, notebook


def _linked(notebook, present):
    """`notebook`, where a link to what is not `present` in the handout is its words alone."""
    def kept(link):
        path = posixpath.normpath(f"notebooks/{link[2].split('#')[0]}")
        return link[0] if re.match(r"\w+:|#", link[2]) or path in present else link[1]
    for cell in (cell for cell in notebook.cells if cell.cell_type == "markdown"):
        cell.source = re.sub(r"\[([^]]+)\]\(([^)\s]+)\)", kept, cell.source)
    return notebook


def _read_by(notebook, dataset):
    """The figures, results and checkpoints that a notebook's code names, as paths in the project that exist."""
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    for name, kind in re.findall(r'"([^"\n]+\.(png|jsonl|safetensors))"', code):
        name = re.sub("{.*?}", datasets.short_name(dataset), name)      # f"characters_{...}.safetensors"
        file = f"{HOMES[kind]}/{name}"
        if (project_root() / file).is_file():
            yield file


def _data(dataset):
    """The files of a dataset that is not built in: {path below data/: bytes}."""
    if dataset.startswith(datasets.FOLDER):
        raise ValueError(f"{dataset} stays outside a handout. Put the folder on the share, too, and have students set "
                         f"dataset = \"folder:/path/to/it\" in the parameters cell.")
    if not datasets.DATASETS[dataset].fetch:        # built in
        return {}
    datasets.load(dataset)          # fetched, if need be, and whole
    root, content = datasets.data_root(), {}
    for source in datasets.DATASETS[dataset].find(root):
        if root not in source.parents:
            raise ValueError(f"{dataset} lies in {source.parent}, outside {root}. Copy it into {root / dataset} first.")
        for path in [source] if source.is_file() else sorted(source.rglob("*")):
            if path.is_file():
                content[f"data/{path.relative_to(root).as_posix()}"] = path.read_bytes()
    return content


def download_wheels(folder):
    """Fetch into `folder` what `pip install` needs on machines of this system and Python version.

    What lies there for others stays. Raises RuntimeError if pip fails.
    """
    command = [sys.executable, "-m", "pip", "download", ".", "hatchling>=1.27", "-c", "constraints.txt",
               "-d", str(Path(folder).resolve())]
    if subprocess.run(command, cwd=project_root()).returncode:
        raise RuntimeError(f"pip could not fetch all wheels into {folder} (see above). Is this machine online? "
                           f"Then call this again.")


def _readme(notebooks, dataset):
    pins = re.findall(r"^(?:torch|torchvision)==\S+", (project_root() / "constraints.txt").read_text("utf-8"), re.M)
    titles = (f"* [{_title(notebook)}](notebooks/{name})" for name, notebook in notebooks)
    here = "" if not datasets.DATASETS[dataset].fetch else DATA.format(dataset=dataset)
    return README.format(notebooks="\n".join(titles), data=here, torch=" ".join(pins))


def _title(notebook):
    return notebook.cells[0].source.splitlines()[0].lstrip("# ")


DATA = """
**Data.** The notebooks draw from `{dataset}`, which lies in `data/`. `course lab` and `course run` look there. In
another Jupyter, set the variable `COURSE_DATA` to the whole path of `data/`.
"""

README = """# GANs for few-shot learning: class handout

The exercise notebooks, the packages they import, and the files they read. Installing needs the internet, or a folder of
wheels from your teacher; afterwards everything runs offline.

{notebooks}

## Start

You need Python 3.11 to 3.13 and 3 GB of disk space. Unpack the zip, open a terminal in this folder, then:

Linux or macOS

```
python3 -m venv .venv
.venv/bin/python -m pip install -e . -c constraints.txt
.venv/bin/course doctor
.venv/bin/course lab
```

Windows (`py -0` lists the Pythons you have)

```
py -3.12 -m venv .venv
.venv\\Scripts\\python -m pip install -e . -c constraints.txt
.venv\\Scripts\\course doctor
.venv\\Scripts\\course lab
```

`course doctor` must end with `ready`; `course lab` opens JupyterLab. Next time, the last line is enough.

**Without internet.** Your teacher has a folder `wheels`, for your system and your version of Python. Put it beside this
folder and replace the second line by the following (on Windows it begins with `.venv\\Scripts\\python`):

```
.venv/bin/python -m pip install --no-index --find-links ../wheels -e . -c constraints.txt
```

If pip finds "no matching distribution", the wheels are for another system or Python: tell your teacher what
`python -VV` prints.

**Linux without an NVIDIA card, online.** To avoid a download of 3 GB, run this before the second line:

```
.venv/bin/python -m pip install {torch} --index-url https://download.pytorch.org/whl/cpu
```

**JupyterHub.** Upload the zip and open a terminal there (*File > New > Terminal*): `unzip gan-few-shot-course.zip`,
`cd gan-few-shot-course`, then the first three lines for Linux, and instead of the fourth:

```
.venv/bin/python -m ipykernel install --user --name gan-few-shot-course
```

Open a notebook in `notebooks/` and choose the kernel *gan-few-shot-course* at the top right.
{data}
## Work

Guess before you run: you learn more from a wrong guess than from reading the answer. Your code goes where
`raise NotImplementedError()` stands. The cell below it calls your function, and says what to look at if it is not right
yet. No later cell needs your function, so go on if you are stuck for long.

Slow machine? Write `profile = "smoke"` in the parameters cell: the exercises are the same.

To hand in, save the notebook (*File > Save*) and hand in the `.ipynb` file under its own name. Do not delete, copy or
split the cells of exercises and checks: marks hang on them.
"""
