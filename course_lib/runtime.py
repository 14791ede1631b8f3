"""What every run needs: a device, seeds, sizes (the profile), several processes, progress bars, and checkpoints.

Nothing here knows about images, networks or tasks.
"""

import atexit
import json
import os
import platform
import random
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import psutil
import torch
import torch.distributed as dist
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from tqdm import tqdm

# ---------------------------------------------------------------- sizes


@dataclass(frozen=True)
class Profile:
    """The sizes of a run. Every profile walks the same code; only these numbers differ."""

    name: str
    eval_episodes: int      # episodes behind each reported accuracy
    train_steps: int        # gradient steps of a training loop
    batch: int              # images, or tasks, in one step

    def pick(self, *, smoke, cpu, gpu):
        """The one of three sizes that belongs to this profile."""
        return {"smoke": smoke, "cpu": cpu, "gpu": gpu}[self.name]


PROFILES = {p.name: p for p in (
    Profile("smoke", eval_episodes=200, train_steps=5, batch=16),            # seconds: CI
    Profile("cpu", eval_episodes=1_000, train_steps=300, batch=64),         # minutes: a laptop
    Profile("gpu", eval_episodes=10_000, train_steps=30_000, batch=256),    # published scale
)}


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


# ---------------------------------------------------------------- device and seeds

DEVICES = ("auto", "cpu", "cuda", "mps")


def device(name="auto"):
    """The torch.device called `name` (or `name` itself, if it is one); "auto" takes cuda, else mps, else cpu.

    Raises ValueError for an unknown name, or for one this machine or this build of torch does not have.
    """
    name = one_of("device", getattr(name, "type", name), DEVICES)
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next(d for d in ("cuda", "mps", "cpu") if present[d]))
    if not present[name]:
        raise ValueError(f"device {name!r} is not available here (torch {torch.__version__}). "
                         f"Use 'auto' or 'cpu', or install a build of torch with {name}.")
    return torch.device(name)


def free_memory():
    """Memory that this machine has to spare, in GiB."""
    return psutil.virtual_memory().available / 2**30


def generator(seed, device="cpu"):
    """A torch.Generator on `device` started at `seed`: pass it to whatever draws random numbers."""
    return torch.Generator(device=device).manual_seed(seed)


def seed_everything(seed):
    """Start Python's and torch's global random numbers at `seed`. For the top of a script, never a library."""
    random.seed(seed)
    torch.manual_seed(seed)


# ---------------------------------------------------------------- several processes


def join_processes():
    """In a script that torchrun started: meet its other processes. Without torchrun: nothing.

    Tensors on the CPU travel by gloo, those on cuda by nccl, where each process takes the GPU of its local number.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ and not dist.is_initialized():
        if (gpu := int(os.environ["LOCAL_RANK"])) < torch.cuda.device_count():
            torch.cuda.set_device(gpu)
        dist.init_process_group()
        atexit.register(dist.destroy_process_group)


def processes():
    """(number of this process, how many there are): (0, 1) unless `join_processes` met others."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_available() and dist.is_initialized() else (0, 1)


def from_first(value):
    """The `value` of process 0, in every process. All of them must call this."""
    held = [value]
    if processes()[1] > 1:
        dist.broadcast_object_list(held, 0)
    return held[0]


# ---------------------------------------------------------------- where things are


def project_root():
    """The folder that holds the notebooks: the checkout this package was installed from, else here."""
    checkout = Path(__file__).resolve().parent.parent
    return checkout if (checkout / "notebooks").is_dir() else Path.cwd()


def output_dir():
    """Where a notebook leaves figures and results: $COURSE_OUT, set by `course run`, else runs/lab.

    Raises PermissionError naming the folder and the way out, if it cannot be made.
    """
    folder = Path(os.environ.get("COURSE_OUT") or project_root() / "runs" / "lab")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PermissionError(f"cannot make the folder {folder} ({error.strerror}) for figures and results. Set "
                              f"COURSE_OUT to a folder of yours.") from None
    return folder


def versions():
    """Versions a number depends on, as a dict of strings."""
    return {"python": platform.python_version(), "torch": torch.__version__, "course": version("gan-few-shot-course")}


@contextmanager
def atomic_path(path):
    """Yield a temporary path beside `path`; on success move it there in one step, on any failure remove it.

    Readers see the old file or the new one, never half of one, also when two processes write at once.
    Raises PermissionError naming the folder and the way out, if it cannot be written to.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise PermissionError(f"cannot write {path.name} into {path.parent} ({error.strerror}). "
                              f"Make the folder writable or choose another (COURSE_DATA, COURSE_OUT).") from None
    os.close(handle)
    try:
        yield Path(name)
        os.chmod(name, 0o644)       # mkstemp makes files that only their owner can read
        os.replace(name, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(name)
        raise


# ---------------------------------------------------------------- progress


def progress(iterable=None, desc="", **options):
    """A tqdm bar on stderr, of process 0 alone. It leaves no trace in the notebooks that `make notebooks` stores."""
    return tqdm(iterable, desc=desc, leave=False, dynamic_ncols=True, disable=processes()[0] > 0, **options)


# ---------------------------------------------------------------- checkpoints


def save(path, state, **made):
    """Write nested `state` (dicts, lists, numbers, strings, tensors) to `path`, atomically.

    Tensors go to safetensors, all else to JSON in its header: loading never runs code. `made` says how it was
    made (profile, seed, data, numbers reached) and is also written beside it as `<stem>.json`, with versions.
    """
    path, tensors = Path(path), {}
    header = {"state": json.dumps(_pack(state, tensors)), "made": json.dumps({**made, "versions": versions()})}
    with atomic_path(path) as part:
        write_tensors(part, tensors, header)
    if made:
        with atomic_path(path.with_suffix(".json")) as part:
            part.write_text(json.dumps(json.loads(header["made"]), indent=1) + "\n", encoding="utf-8")


def write_tensors(path, tensors, header):
    """safetensors' save_file, with a full disc reported as the OSError that it is."""
    try:
        save_file(tensors, path, metadata=header)
    except SafetensorError as error:
        raise OSError(f"cannot write {path}: {error}") from None


def load(path, device="cpu"):
    """The state that `save` wrote. Raises FileNotFoundError, or ValueError for a file that is not one of ours."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"no checkpoint at {path}. Train one, or check the path.")
    try:
        with safe_open(path, framework="pt", device=str(device)) as file:
            packed = json.loads(file.metadata()["state"])
            return _unpack(packed, {key: file.get_tensor(key).clone() for key in file.keys()})  # noqa: SIM118
    except Exception as error:
        raise ValueError(f"{path} is not a readable checkpoint ({error}). Delete it and train again.") from None


def _pack(tree, tensors):
    """`tree` as JSON can hold it: each tensor moves to `tensors`, each dict becomes a list of pairs."""
    if isinstance(tree, torch.Tensor):
        tensors[str(len(tensors))] = tree.detach().cpu().clone(memory_format=torch.contiguous_format)
        return {"tensor": str(len(tensors) - 1)}
    if isinstance(tree, dict):      # an optimiser's keys are whole numbers, which JSON keys cannot be
        if bad := [key for key in tree if not isinstance(key, (str, int))]:
            raise TypeError(f"cannot save the key {bad[0]!r}: use a string or a whole number")
        return {"dict": [[key, _pack(value, tensors)] for key, value in tree.items()]}
    if isinstance(tree, (list, tuple)):
        return {"list" if isinstance(tree, list) else "tuple": [_pack(value, tensors) for value in tree]}
    return tree


def _unpack(packed, tensors):
    if not isinstance(packed, dict):
        return packed
    (kind, value), = packed.items()
    if kind == "tensor":
        return tensors[value]
    if kind == "dict":
        return {key: _unpack(item, tensors) for key, item in value}
    return {"list": list, "tuple": tuple}[kind](_unpack(item, tensors) for item in value)


# ---------------------------------------------------------------- resumable training


def training_steps(n_steps, *, path=None, save_every=100, made=None, desc="training", **parts):
    """Yield the step numbers 0 .. n_steps-1 with a progress bar; kill the process and call again to go on.

    `parts` is everything that changes while training: modules, optimisers, schedulers (anything with
    `state_dict`) and torch.Generators. With a `path`, they are saved there every `save_every` steps and at the
    end, and a later call restores them and continues after the last saved step. On CPU the resumed run ends in
    the same bits as one that was never stopped, provided all randomness comes from generators in `parts`.
    made: what defines the run (dataset, seed, learning rate, ...), a dict that JSON can hold; kept with the state.
    Under torchrun (`join_processes`), process 0 alone reads and writes `path`, and all start with its parts.

    Raises ValueError if what is saved belongs to another run: other parts, other shapes, another `made`, more steps.
    """
    if n_steps:
        positive(n_steps=n_steps, save_every=save_every)
    made, first = made or {}, processes()[0] == 0
    start = _restore(path, parts, made, n_steps) if first and path and Path(path).exists() else 0
    if processes()[1] > 1:
        start = _as_in_first(start, parts)
    with progress(desc=desc, total=n_steps, initial=start) as bar:
        for step in range(start, n_steps):
            yield step
            bar.update()
            if first and path and ((step + 1) % save_every == 0 or step + 1 == n_steps):
                state = {"step": step + 1, "made": made, "parts": {k: _state_of(part) for k, part in parts.items()}}
                save(path, state, step=step + 1, **made)


def _state_of(part):
    return part.get_state() if isinstance(part, torch.Generator) else part.state_dict()


def _set_state(part, state):
    (part.set_state if isinstance(part, torch.Generator) else part.load_state_dict)(state)


def _as_in_first(start, parts):
    """Give `parts` the state that they have in process 0; returns its `start`."""
    packed = _pack({name: _state_of(part) for name, part in parts.items()}, tensors := {})
    start, packed, tensors = from_first((start, packed, tensors))
    for name, state in _unpack(packed, tensors).items():
        _set_state(parts[name], state)
    return start


def _restore(path, parts, made, n_steps):
    saved = load(path)
    way_out = "Delete the file to start afresh, or give another path."
    if set(saved["parts"]) != set(parts):
        raise ValueError(f"{path} holds {sorted(saved['parts'])}, this run trains {sorted(parts)}. {way_out}")
    for key in {**saved["made"], **made}:
        if saved["made"].get(key) != made.get(key):
            raise ValueError(f"{path} was made with {key}={saved['made'].get(key)!r}, this run has {key}="
                             f"{made.get(key)!r}. {way_out}")
    if saved["step"] > n_steps:
        raise ValueError(f"{path} has {saved['step']} steps, this run is to have {n_steps}. {way_out}")
    for name, part in parts.items():
        try:
            _set_state(part, saved["parts"][name])
        except (RuntimeError, ValueError, KeyError) as error:
            raise ValueError(f"{path} holds another {name} ({str(error).splitlines()[0]}). {way_out}") from None
    return saved["step"]
