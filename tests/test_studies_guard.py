"""Each case needs a process of its own: what has been imported cannot be imported for the first time again."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

STUDIES = Path(__file__).parent.parent / "studies"


def in_new_process(code):
    return subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=600,
                          env={**os.environ, "PYTHONPATH": str(STUDIES)})


def test_datasets_and_transforms_work_after_the_guard():
    done = in_new_process("""
        import torch
        from torchvision_guard import import_torchvision
        torchvision = import_torchvision()
        assert torchvision.datasets.Omniglot.zips_md5["images_background"].startswith("68d2efa1")
        from torchvision.transforms import v2
        print(tuple(v2.functional.horizontal_flip(torch.eye(3)).shape))
    """)
    assert done.stdout == "(3, 3)\n", done.stderr


FAKE = """
    import pathlib, sys, tempfile
    folder = pathlib.Path(tempfile.mkdtemp()); (folder / "torchvision").mkdir()
    (folder / "torchvision" / "__init__.py").write_text({source!r})
    sys.path.insert(0, str(folder))
    import torchvision_guard
    {body}
"""


def test_does_nothing_when_the_import_succeeds():
    done = in_new_process(FAKE.format(source="loaded = True", body="""
    module = torchvision_guard.import_torchvision()
    assert module.loaded and module is sys.modules["torchvision"]
    assert torchvision_guard._library is None and "torch" not in sys.modules
    print("untouched")"""))
    assert done.stdout == "untouched\n", done.stderr


def test_declares_the_operators_after_the_known_failure():
    source = "import torch\ntorch._C._dispatch_has_kernel_for_dispatch_key('torchvision::nms', 'Meta')\n"
    done = in_new_process(FAKE.format(source=source, body="""
    module = torchvision_guard.import_torchvision()
    assert torchvision_guard._library is not None
    print("declared")"""))
    assert done.stdout == "declared\n", done.stderr


def test_other_failures_are_not_hidden():
    done = in_new_process(FAKE.format(source="raise RuntimeError('something else')", body="""
    try:
        torchvision_guard.import_torchvision()
    except RuntimeError as error:
        print(error, torchvision_guard._library)"""))
    assert done.stdout == "something else None\n", done.stderr      # raised at once, nothing declared
