"""The page to play with: exports its networks to ONNX and builds the folder that any web server can offer.

    python -m course_tools.play build/site/play
    python -m course_tools.play build/site/play figures/play.png

The first line builds it, as `make site` does. The second also takes the picture for README.md, with playwright. The
page's own text and code are in site/play, its pad is pad.js, and its runtime is onnxruntime-web, which npm fetches. All
maths is in four graphs, whose numbers are PyTorch's; the rest is play.js.
"""

import base64
import functools
import hashlib
import http.server
import io
import itertools
import json
import math
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import warnings
from contextlib import contextmanager
from pathlib import Path

import torch
from PIL import Image
from torch import nn
from torch.nn.functional import interpolate, pad, unfold

from course_files import drawings
from course_files.opening import DataError
from course_files.writing import atomic_path
from course_lib import checkpoints, datasets, learners, networks, normalisation
from course_lib.runtime import project_root

from . import plots

RUNTIME = "onnxruntime-web@1.30.0"
SHA512 = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
RUNTIME_FILES = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")
N_COPIES = 15       # of each drawing: with it, as many versions as in the challenge
N_ALPHABETS = 6     # ready-made ones
WAY_OUT = "The page to play with needs npm, the internet (or npm's cache), and the extra `site`."
METHODS = {"The learner alone": 2, "With the generator’s drawings": 1, "The matcher": 4}        # place in plots.COLOURS


def build(folder):
    """Write the page into `folder`, in place of what is there. Nothing is written if something is missing.

    Raises DataError, one line with what to do, where npm or onnxscript is absent, or npm cannot fetch the runtime.
    """
    folder, source = Path(folder), project_root() / "site" / "play"
    with tempfile.TemporaryDirectory() as temporary:
        made = Path(temporary) / "play"
        shutil.copytree(source, made)
        shutil.copy(Path(__file__).with_name("pad.js"), made)
        fetch_runtime(made)
        export(made)
        (made / "page.json").write_text(json.dumps(settings(), separators=(",", ":")), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(made, folder)


def fetch_runtime(folder):
    """Put RUNTIME_FILES into `folder`, out of npm's package, whose checksum must be SHA512. Raises DataError."""
    if not (npm := shutil.which("npm")):
        raise DataError(f"npm is not installed. {WAY_OUT}")
    with tempfile.TemporaryDirectory() as temporary:
        command = [npm, "pack", RUNTIME, "--silent", "--prefer-offline", "--fetch-retries=0"]
        done = subprocess.run(command, cwd=temporary, capture_output=True, text=True)
        found = list(Path(temporary).glob("*.tgz"))
        if done.returncode or not found:
            raise DataError(f"npm cannot fetch {RUNTIME} ({' '.join(done.stderr.split())[:200] or done.returncode}). "
                            f"{WAY_OUT}")
        packed = found[0].read_bytes()
        if base64.b64encode(hashlib.sha512(packed).digest()).decode() != SHA512:
            raise DataError(f"what npm fetched is not the known {RUNTIME}: its checksum differs. Run `npm cache clean "
                            "--force` and try again.")
        with tarfile.open(found[0]) as archive:
            for name in RUNTIME_FILES:
                (folder / name).write_bytes(archive.extractfile(f"package/dist/{name}").read())


class Graph(nn.Module):
    """A function of tensors, and the modules whose weights it uses, as one module to export."""

    def __init__(self, function, *modules):
        super().__init__()
        self.function, self.modules_used = function, nn.ModuleList(modules)

    def forward(self, *inputs):
        return self.function(*inputs)


def loaded():
    """(learner, generator) in evaluation mode, as they came with the course.

    The learner is the challenge's ProtoNet, which has seen real handwriting; the generator is that of notebook 09 for
    normalised drawings.
    """
    folder, generator = project_root() / "checkpoints", networks.WarpGenerator()
    challenge = {"network": networks.ConvNet(60, width=96, keep_map=True), "G": networks.WarpGenerator()}
    checkpoints.load_into(challenge, folder / "challenge_omniglot-small1.safetensors")
    checkpoints.load_into(generator, folder / "warp-normalised_glyphs.safetensors")
    return challenge["network"].eval(), generator.eval()


def redrawn(generator, z, drawing, task):
    """Copies [n, 1, 28, 28] of one drawing [1, 1, 28, 28]; z [n, z_dim], task [S, 1, 28, 28]. All are normalised."""
    return generator(z, drawing.expand(len(z), -1, -1, -1)[:, None], task[None])


def costs(query, support, *, size=20, reach=2):
    """`learners.matching_costs` of one query [1, 1, 28, 28] and a support [S, 1, 28, 28]: [S].

    The same sums in a graph a tenth as large, because all shifts of a drawing are looked at in one step.
    """
    def one_way(a, b):
        moved = unfold(pad(b, [reach] * 4), size).view(b.shape[0], 8, size * size, -1)      # [B, 8, 400, 25]
        return (a.reshape(a.shape[0], 8, -1, 1) - moved).square().sum(1).amin(2).sum(1)     # [S]: A or B is 1

    a, b = (learners.slopes(interpolate(x, (size, size), mode="bilinear", antialias=True)) for x in (query, support))
    return one_way(a, b) + one_way(b, a)


def graphs():
    """{name: (module, example inputs)}. The first size of every last input is free in the exported graph."""
    learner, generator = loaded()
    one, three = torch.rand(2, 3, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    return {"normaliser": (Graph(normalisation.normalised), (three,)),
            "generator": (Graph(functools.partial(redrawn, generator), generator),
                          (torch.zeros(N_COPIES, generator.z_dim), one[:1], three)),
            "learner": (Graph(learner.features, learner.blocks), (three,)),
            "matcher": (Graph(costs), (one[:1], three))}


def export(folder):
    """Write the graphs as `folder`/<name>.onnx. Raises DataError where onnx or onnxscript is absent."""
    try:
        from onnxscript import opset20
    except ImportError:
        raise DataError(f"onnxscript is not installed. {WAY_OUT}") from None

    def hypot(a, b):        # which torch's exporter does not know
        return opset20.Sqrt(opset20.Add(opset20.Mul(a, a), opset20.Mul(b, b)))

    for name, (module, inputs) in graphs().items():
        sizes = [*[{}] * (len(inputs) - 1), {0: torch.export.Dim("n")}]
        with warnings.catch_warnings(action="ignore"):      # torch's, of its own parts
            program = torch.onnx.export(module.eval(), inputs, dynamo=True, opset_version=20, verbose=False,
                                        dynamic_shapes=(tuple(sizes),), external_data=False,
                                        custom_translation_table={torch.ops.prims.hypot.default: hypot})
        (folder / f"{name}.onnx").write_bytes(_without_notes(program.model_proto))


def _without_notes(model):
    """The bytes of an ONNX model without what the exporter noted: stack traces, with paths of this machine."""
    for part in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.graph.initializer,
                 *model.graph.input, *model.graph.output):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    return model.SerializeToString()


def settings():
    """What play.js reads: sizes, the methods with their colours, and alphabets that no network has seen.

    The alphabets are the first N_ALPHABETS of the test split of `glyphs`. Each has a name and its first five
    characters, drawn by two simulated people: lists of 28 * 28 levels, 0 empty and 255 ink.
    """
    classes, alphabets = datasets.load("glyphs", split="test"), []
    for name in list(dict.fromkeys(classes.alphabets))[:N_ALPHABETS]:
        start = classes.alphabets.index(name)
        first, second = classes.images[start:start + 5, :2].flatten(2).unbind(1)
        alphabets.append({"name": name.replace("Glyph-", "Simulated alphabet "),
                          "first": first.tolist(), "second": second.tolist()})
    return {"copies": N_COPIES, "z_dim": networks.WarpGenerator().z_dim,
            "methods": [{"name": name, "colour": plots.COLOURS[place]} for name, place in METHODS.items()],
            "alphabets": alphabets}


@contextmanager
def served(folder):
    """The address of a web server that offers `folder`, as long as the block runs."""
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def draw(page, place, strokes):
    """Draw strokes, as in `course_files.drawings`, with the mouse on the pad at the selector `place` of a page."""
    canvas = page.locator(f"{place} .course-pad canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    for stroke in strokes:
        points = [(box["x"] + x / 105 * box["width"], box["y"] + y / 105 * box["height"]) for x, y in stroke]
        page.mouse.move(*points[0])
        page.mouse.down()
        for point in points[1:]:
            page.mouse.move(*point)
        page.mouse.up()


# Without what is no use in a picture, and large enough to be read at half its size.
PICTURE = """
    nav, h1, .lead, .steps, #waiting, .buttons, .notes, .quiet {display: none !important}
    .course-pad div, .card h3, .bars span:first-child {display: none !important}
    .course-pad {min-width: 0 !important} body {padding: 10px 14px; max-width: none}
    h2 {margin: 4px 0 6px; font-size: 20px}
    #cards {grid-template-columns: repeat(5, 1fr); gap: 10px} .card {display: block; padding: 6px}
    .copies {margin-top: 6px} .copies .drawing:nth-child(n + 7) {display: none}
    #exam {grid-template-columns: 156px 1fr; gap: 16px} #again {padding: 6px}
    #result {font-size: 23px; line-height: 1.3; min-height: 0}
    #methods {grid-template-columns: repeat(3, 1fr); gap: 14px} #methods h3 {font-size: 14px; min-height: 57px}
    .bars li {grid-template-columns: 26px 1fr 58px; gap: 4px; font-size: 16px; line-height: 1; margin: 0}
"""


def picture(folder, path):
    """Save to `path` what the built page in `folder` shows of the drawings in `course_files.drawings`, as a PNG."""
    from playwright.sync_api import sync_playwright

    with served(Path(folder).parent) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        page = browser.new_page(viewport={"width": 760, "height": 800}, device_scale_factor=1.32, bypass_csp=True)
        page.goto(f"{address}/{Path(folder).name}/")
        page.add_style_tag(content=PICTURE)
        page.locator("#waiting").wait_for(state="hidden")
        places = [f".card:nth-child({i + 1})" for i in range(5)] + ["#last-pad"]
        for place, strokes in zip(places, [*drawings.FIVE, drawings.AGAIN]):
            draw(page, place, [_rounded(stroke) for stroke in strokes])
        page.locator(".most").first.wait_for()
        bottom = page.locator("#exam").evaluate("exam => exam.getBoundingClientRect().bottom + scrollY")
        page.set_viewport_size({"width": 760, "height": math.ceil(bottom) + 8})
        taken = page.screenshot()
        browser.close()
    with atomic_path(Path(path)) as part:
        Image.open(io.BytesIO(taken)).convert("RGB").quantize(64).save(part, format="png", optimize=True)


def _rounded(stroke):
    """A stroke [[x, y], ...] with its corners cut three times (Chaikin 1974), so that it looks as the hand went."""
    for _ in range(3):
        ends = [(a, b) for pair in itertools.pairwise(stroke) for a, b in (pair, pair[::-1])]
        cut = [[(3 * a + b) / 4 for a, b in zip(*pair)] for pair in ends]
        stroke = [stroke[0], *cut, stroke[-1]]
    return stroke


def main(folder, path=None):
    try:
        build(folder)
    except DataError as error:
        sys.exit(str(error))
    if path:
        picture(folder, path)


if __name__ == "__main__":
    main(*sys.argv[1:])
