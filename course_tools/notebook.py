"""What each notebook begins with."""

from course_lib import runtime

from . import plots
from .records import Results


def setup(stem, profile, dataset, device, seed, **context):
    """(sizes, device, results) of the notebook called `stem`, whose figures get the course's style.

    sizes: a `runtime.Profile`. device: a torch.device. results: `records.Results`, whose records all carry the
    parameters and `context`. Raises ValueError for an unknown profile or device.
    """
    plots.use_style()
    sizes, device = runtime.profile(profile), runtime.device(device)
    return sizes, device, Results(stem, dataset=dataset, **context, profile=profile, seed=seed, device=device)
