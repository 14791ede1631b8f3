"""What every run needs: sizes (the profile), a device, random numbers, folders, progress bars."""

import random
from typing import NamedTuple

import torch
from tqdm import tqdm

from course_files.places import output_dir as output_dir
from course_files.places import project_root as project_root
from course_files.places import versions as versions


class Profile(NamedTuple):
    """The sizes of a run. Every profile walks the same code; only these numbers differ."""

    name: str
    eval_episodes: int      # episodes behind each reported accuracy
    batch: int              # images, or tasks, in one step

    def pick(self, *, smoke, cpu, gpu):
        """The one of three sizes that belongs to this profile."""
        return {"smoke": smoke, "cpu": cpu, "gpu": gpu}[self.name]


PROFILES = {p.name: p for p in (Profile("smoke", eval_episodes=200, batch=16),         # seconds: CI
                                Profile("cpu", eval_episodes=1_000, batch=64),         # minutes: a laptop
                                Profile("gpu", eval_episodes=10_000, batch=256))}      # published scale


def profile(name):
    """The `Profile` called `name`. Raises ValueError for an unknown name."""
    return PROFILES[one_of("profile", name, PROFILES)]


def one_of(what, value, allowed):
    """`value`, if it is one of `allowed`; else a ValueError that lists what is."""
    if value not in allowed:
        raise ValueError(f"unknown {what} {value!r}. Choose one of: {', '.join(allowed)}.")
    return value


def positive(**sizes):
    """Raise ValueError unless every named size is a whole number of at least 1."""
    for name, value in sizes.items():
        if isinstance(value, bool) or not hasattr(value, "__index__") or value < 1:
            raise ValueError(f"{name} must be a whole number of at least 1, not {value!r}.")


DEVICES = ("auto", "cpu", "cuda", "mps")


def device(name="auto"):
    """The torch.device called `name` (or that itself); "auto" takes cuda, else mps, else cpu.

    Raises ValueError for an unknown name, or for one that this machine or this build of torch does not have.
    """
    name = one_of("device", getattr(name, "type", name), DEVICES)
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next(d for d in ("cuda", "mps", "cpu") if present[d]))
    if not present[name]:
        raise ValueError(f"device {name!r} is not available here (torch {torch.__version__}). "
                         f"Use 'auto' or 'cpu', or install a build of torch with {name}.")
    return torch.device(name)


def rng(seed, device="cpu"):
    """A torch.Generator on `device`, started at `seed`: pass it to whatever draws random numbers."""
    return torch.Generator(device=device).manual_seed(seed)


def seed_everything(seed):
    """Start Python's and torch's global random numbers at `seed`. For the top of a script, never a library."""
    random.seed(seed)
    torch.manual_seed(seed)


def progress(iterable=None, desc="", **options):
    """A tqdm bar on stderr. It leaves no trace in the notebooks that `make notebooks` stores."""
    return tqdm(iterable, desc=desc, leave=False, dynamic_ncols=True, **options)
