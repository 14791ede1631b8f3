"""Import torchvision on a machine where its compiled half does not match torch.

A CPU build of torch beside the ordinary (CUDA) build of torchvision makes `import torchvision` die with
`operator torchvision::nms does not exist`. Only two operator *declarations* are missing; datasets and
transforms never call them. So: try the ordinary import, and act after that one failure only. (Declaring the
operators beforehand would abort the process wherever the compiled half does load.)
"""

import importlib
import sys

_KNOWN_FAILURE = "operator torchvision::nms does not exist"
_library = None     # keeps the declarations alive for as long as the process


def import_torchvision():
    """Return the torchvision module, with `datasets` and `transforms` usable on any build of torch.

    `torchvision.ops.nms` and `torchvision.io.read_image` still raise where the compiled half is absent.
    Raises whatever `import torchvision` raises, except for the one failure described above.
    """
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if _KNOWN_FAILURE not in str(error):
            raise
    for name in [n for n in sys.modules if n.split(".")[0] == "torchvision"]:
        del sys.modules[name]       # half imported
    _declare_operators()
    return importlib.import_module("torchvision")


def _declare_operators():
    global _library
    import torch

    _library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        _library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
