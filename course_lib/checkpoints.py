"""Checkpoints, and training that goes on where it was stopped."""

import json
from pathlib import Path

import torch

from course_files import states
from course_files.states import read as load
from course_files.writing import atomic_path

from .runtime import positive, progress, versions

WAY_OUT = "Delete the file to start afresh, or give another path."


def save(path, state, **made):
    """Write nested `state` to `path` as `course_files.states.write` does.

    made: how it was made (profile, seed, data, ...), which is also written beside it as `<stem>.json`, with versions.
    """
    made = {**made, "versions": versions()}
    states.write(path, state, made)
    if len(made) > 1:
        with atomic_path(Path(path).with_suffix(".json")) as part:
            part.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")


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
