"""What several studies need: sizes, kinds of episodes, and a place in the course for the results."""

import os
from typing import NamedTuple

import torch

from course_lib import checkpoints, episodes, gan, networks, runtime
from course_tools import records

LONGER = {"cpu": 1, "gpu": 10}      # a profile's steps, in multiples of those stated
DEVICE = {"cpu": "cpu", "gpu": "cuda"}


class Kind(NamedTuple):
    """A kind of episodes."""

    n_way: int
    k_shot: int
    q_query: int
    within_alphabet: bool = False


def accuracies(learner, classes, kind, *, n_episodes, rng, chunk=50):
    """The accuracy of `learner` on each of `n_episodes` episodes of a `Kind`: [n_episodes]."""
    return episodes.accuracies(learner, fitting(classes, kind), **kind._asdict(), n_episodes=n_episodes, rng=rng,
                               chunk=chunk)


def fitting(classes, kind):
    """The classes. Within alphabets, only those of alphabets that have enough of them (Tagalog has 17)."""
    if not kind.within_alphabet:
        return classes
    return classes.take(i for i, a in enumerate(classes.alphabets) if classes.alphabets.count(a) >= kind.n_way)


def load(make, path, device="cpu"):
    """make() with the parameters stored at `path`, in eval mode."""
    network = make()
    checkpoints.load_into(network, path)
    return network.eval().to(device)


def results(stem, **context):
    """The `records.Results` of a study: in the course's own figures/results, unless COURSE_OUT says otherwise."""
    os.environ.setdefault("COURSE_OUT", str(runtime.project_root()))
    return records.Results(stem, **context)


def scaled(G, factor):
    """The augmentation by a `networks.WarpGenerator` whose warps are `factor` times as far from none."""
    @torch.no_grad()
    def augmentation(x, rng, task=None):
        flat = x.flatten(0, 1)
        settings = G.settings(gan.noise(G, len(flat), rng), flat[:, None], x if task is None else task)
        return networks.warp(flat, *(factor * part for part in settings)).view_as(x)
    return augmentation
