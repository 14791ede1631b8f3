"""Nested state as one safetensors file: tensors beside JSON, so that loading never runs code."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from .opening import opened
from .writing import atomic_path


def write(path, state, made=None):
    """Write nested `state` (dicts, lists, numbers, strings, tensors) to `path`, atomically; `made` into its header."""
    tensors = {}
    header = {"state": json.dumps(_pack(state, tensors)), "made": json.dumps(made or {})}
    with atomic_path(path) as part:
        try:
            save_file(tensors, part, metadata=header)
        except SafetensorError as error:        # a full disk, say
            raise OSError(f"cannot write {path}: {error}") from None


def read(path, device="cpu"):
    """The state that `write` wrote. Raises FileNotFoundError, or ValueError for a file that is not one of ours."""
    if not Path(path).exists():
        raise FileNotFoundError(f"no checkpoint at {path}. Train one, or check the path.")
    with opened(path, ValueError, "It is no checkpoint of this course: delete it and train again.", most=2**31) as raw:
        if int.from_bytes(raw.read(8), "little") > 2**24:       # the bytes that say how long the header is
            raise ValueError("its header is too long")
        with safe_open(path, framework="pt", device=str(device)) as file:
            kinds = {"tensor": lambda key: file.get_tensor(key).clone(), "dict": dict, "list": list, "tuple": tuple}
            state = (file.metadata() or {}).get("state", "")    # each of its objects is one pair: a kind and a value
            return json.loads(state, object_pairs_hook=lambda pairs: kinds[pairs[0][0]](pairs[0][1]))


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
