"""Time an iteration of `gan.d_step` and `gan.g_step` against the bare arithmetic.

    python studies/gan_steps.py [--threads 1]          (or: make bench)

Networks as they come (ImageGenerator, ImageDiscriminator), 64 images in a batch, the hinge loss, Adam. "Bare" writes
both steps out on the same networks: forward passes, backward passes, optimiser steps. `gan.fit` adds the average of
G's weights, the history and the looks for divergence, and what it takes to start. "Bare again" is the bare arithmetic
on other networks: how far from 0 it comes out is how far to trust the rest. All run in alternation, many times each, in
every order, so that a busy machine slows all. The medians of their ratios are printed. The matmul rate is measured
between them, with as many threads.
"""

import argparse
import itertools
import statistics
import time

import torch
from torch.nn.functional import relu
from torch.utils.flop_counter import FlopCounterMode

from course_lib import gan, losses, networks, runtime

BATCH, ITERATIONS = 64, 3   # images of one step; steps of D and G each in one timing
TARGET = 0.05               # the most that the library may add to the bare arithmetic


class Pair:
    """G, D and their optimisers, started alike in every pair."""

    def __init__(self):
        runtime.seed_everything(0)
        self.G, self.D = networks.ImageGenerator(), networks.ImageDiscriminator()
        self.g_optimiser = torch.optim.Adam(self.G.parameters(), 2e-4, (0.5, 0.999))
        self.d_optimiser = torch.optim.Adam(self.D.parameters(), 2e-4, (0.5, 0.999))
        self.rng = runtime.rng(0)


def steps(pair, real):
    gan.d_step(pair.G, pair.D, real, loss=losses.HINGE, optimiser=pair.d_optimiser, rng=pair.rng)
    gan.g_step(pair.G, pair.D, BATCH, loss=losses.HINGE, optimiser=pair.g_optimiser, rng=pair.rng)


def bare(pair, real):
    with torch.no_grad():
        fake = pair.G(torch.randn(BATCH, pair.G.z_dim, generator=pair.rng))
    loss = relu(1 - pair.D(real)).mean() + relu(1 + pair.D(fake)).mean()
    pair.d_optimiser.zero_grad()
    loss.backward()
    pair.d_optimiser.step()
    loss = -pair.D(pair.G(torch.randn(BATCH, pair.G.z_dim, generator=pair.rng))).mean()
    pair.g_optimiser.zero_grad()
    loss.backward(inputs=list(pair.G.parameters()))
    pair.g_optimiser.step()


def seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=24, help="timings of each, in alternation")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    real = torch.rand(BATCH, 1, 28, 28, generator=runtime.rng(0))
    pairs = {name: Pair() for name in ("bare", "again", "steps", "fit")}
    matrix = torch.rand(1024, 1024)
    with FlopCounterMode(display=False) as iteration:
        bare(Pair(), real)
    with FlopCounterMode(display=False) as product:
        matrix @ matrix

    arms = {"bare": lambda: [bare(pairs["bare"], real) for _ in range(ITERATIONS)],
            "again": lambda: [bare(pairs["again"], real) for _ in range(ITERATIONS)],
            "steps": lambda: [steps(pairs["steps"], real) for _ in range(ITERATIONS)],
            "fit": lambda: gan.fit(pairs["fit"].G, pairs["fit"].D, lambda rng: (real,), n_steps=ITERATIONS,
                                   loss=losses.HINGE, rng=pairs["fit"].rng)}
    measured = {name: [] for name in (*arms, "matmul")}
    for i, order in zip(range(options.rounds + 1), itertools.cycle(itertools.permutations(arms))):
        durations = {name: seconds(arms[name]) for name in order}
        durations["matmul"] = seconds(lambda: [matrix @ matrix for _ in range(5)])
        for name, duration in durations.items() if i else ():       # the first round warms up
            measured[name].append(duration)
    assert all(torch.equal(p, q) for p, q in zip(pairs["bare"].G.parameters(), pairs["steps"].G.parameters()))

    def ratio(name):
        """Of the time of `name` to that of the bare arithmetic in the same round."""
        return statistics.median(a / b for a, b in zip(measured[name], measured["bare"]))

    print(f"one iteration of D and G, {BATCH} images, {options.threads} threads, "
          f"{iteration.get_total_flops() / 1e9:.1f} GFLOP")
    labels = {"bare": "bare arithmetic", "again": "bare again", "steps": "d_step + g_step", "fit": "gan.fit"}
    for name, what in labels.items():
        over = "" if name == "bare" else f"; overhead {ratio(name) - 1:+.1%}"
        verdict = f" (at most {TARGET:.0%}: {'yes' if ratio(name) - 1 <= TARGET else 'NO'})" if name == "steps" else ""
        print(f"{what:>16}: {BATCH * ITERATIONS / statistics.median(measured[name]):7,.0f} images/s{over}{verdict}")
    matmul = 5 * product.get_total_flops() / statistics.median(measured["matmul"])
    reached = ITERATIONS * iteration.get_total_flops() / statistics.median(measured["steps"])
    print(f"{'arithmetic':>16}: {reached / 1e9:7,.1f} GFLOP/s, {reached / matmul:.0%} of this machine's matmul rate "
          f"({matmul / 1e9:,.1f} GFLOP/s)")


if __name__ == "__main__":
    main()
