"""Checkpoints, and training that goes on where it was stopped."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from course_files.opening import opened
from course_files.writing import atomic_path

from .runtime import positive, progress, versions

WAY_OUT = "Delete the file to start afresh, or give another path."


def save(path, state, **made):
    """Write nested `state` (dicts, lists, numbers, strings, tensors) to `path`, atomically.

    Tensors go to safetensors, all else to JSON in its header: loading never runs code. made: how it was made (profile,
    seed, data, ...), which is also written beside it as `<stem>.json`, with versions.
    """
    path, tensors = Path(path), {}
    header = {"state": json.dumps(_pack(state, tensors)), "made": json.dumps({**made, "versions": versions()})}
    with atomic_path(path) as part:
        try:
            save_file(tensors, part, metadata=header)
        except SafetensorError as error:        # a full disk, say
            raise OSError(f"cannot write {path}: {error}") from None
    if made:
        with atomic_path(path.with_suffix(".json")) as part:
            part.write_text(json.dumps(json.loads(header["made"]), indent=1) + "\n", encoding="utf-8")


def load(path, device="cpu"):
    """The state that `save` wrote. Raises FileNotFoundError, or ValueError for a file that is not one of ours."""
    if not Path(path).exists():
        raise FileNotFoundError(f"no checkpoint at {path}. Train one, or check the path.")
    with opened(path, ValueError, "It is no checkpoint of this course: delete it and train again.", most=2**31) as raw:
        if int.from_bytes(raw.read(8), "little") > 2**24:       # the bytes that say how long the header is
            raise ValueError("its header is too long")
        with safe_open(path, framework="pt", device=str(device)) as file:
            kinds = {"tensor": lambda key: file.get_tensor(key).clone(), "dict": dict, "list": list, "tuple": tuple}
            state = (file.metadata() or {}).get("state", "")    # each of its objects is one pair: a kind and a value
            return json.loads(state, object_pairs_hook=lambda pairs: kinds[pairs[0][0]](pairs[0][1]))


def load_into(module, path, device="cpu"):
    """`module`, or each in a dict of them, with the state that `save` wrote to `path`; returns it.

    Raises what `load` raises, and ValueError for the state of another network.
    """
    saved, named = load(path, device), isinstance(module, dict)
    if named and (not isinstance(saved, dict) or set(saved) != set(module)):
        raise ValueError(f"{path} does not hold the networks {', '.join(module)}. {WAY_OUT}")
    for name, part in module.items() if named else [(type(module).__name__, module)]:
        _put(saved[name] if named else saved, part, path, name)
    return module


def _put(state, part, path, name):
    try:
        (part.set_state if isinstance(part, torch.Generator) else part.load_state_dict)(state)
    except Exception as error:      # RuntimeError, ValueError, KeyError, TypeError: each part has its own
        raise ValueError(f"{path} holds another {name} ({' '.join(str(error).split())[:200]}). {WAY_OUT}") from None
    return part


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


class History:
    """The losses so far, on their device, as state that a checkpoint keeps."""

    LOOK_EVERY = 20         # steps between looks at them, since each look makes a GPU wait

    def __init__(self, device):
        self.device, self.losses = device, []

    def latest(self):
        """The losses since the last look: [up to LOOK_EVERY, ...]."""
        return torch.stack(self.losses[-self.LOOK_EVERY:])

    def state_dict(self):
        return {"losses": torch.stack(self.losses) if self.losses else torch.zeros(0)}

    def load_state_dict(self, state):
        self.losses = list(state["losses"].to(self.device))


def training_steps(n_steps, *, path=None, save_every=100, made=None, desc="training", **parts):
    """Yield the step numbers 0 .. n_steps-1 with a progress bar; kill the process and call again to go on.

    parts: everything that changes while training: modules, optimisers, schedulers (anything with `state_dict`) and
    torch.Generators. With a `path`, they are saved there every `save_every` steps and at the end, and a later call goes
    on after the last saved step. On a CPU the resumed run ends in the same bits as one that was never stopped, if all
    randomness comes from generators in `parts`. made: what defines the run (dataset, seed, ...), a dict for JSON.
    Raises ValueError if what is saved belongs to another run: other parts, other shapes, another `made`, more steps.
    """
    if n_steps:
        positive(n_steps=n_steps, save_every=save_every)
    made = made or {}
    start = _restore(path, parts, made, n_steps) if path and Path(path).exists() else 0
    with progress(desc=desc, total=n_steps, initial=start) as bar:
        for step in range(start, n_steps):
            yield step
            bar.update()
            if path and ((step + 1) % save_every == 0 or step + 1 == n_steps):
                states = {name: (part.get_state if isinstance(part, torch.Generator) else part.state_dict)()
                          for name, part in parts.items()}
                save(path, {"step": step + 1, "made": made, "parts": states}, step=step + 1, **made)


def _restore(path, parts, made, n_steps):
    saved = load(path)
    if not isinstance(saved, dict) or set(saved) != {"step", "made", "parts"}:
        raise ValueError(f"{path} is no unfinished training. {WAY_OUT}")
    if set(saved["parts"]) != set(parts):
        raise ValueError(f"{path} holds {sorted(saved['parts'])}, this run trains {sorted(parts)}. {WAY_OUT}")
    for key in {**saved["made"], **made}:
        if saved["made"].get(key) != made.get(key):
            raise ValueError(f"{path} was made with {key}={saved['made'].get(key)!r}, this run has {key}="
                             f"{made.get(key)!r}. {WAY_OUT}")
    if saved["step"] > n_steps:
        raise ValueError(f"{path} has {saved['step']} steps, this run is to have {n_steps}. {WAY_OUT}")
    for name, part in parts.items():
        _put(saved["parts"][name], part, path, name)
    return saved["step"]
