"""How fast is a second-order meta-step, and how much memory does it take? Beside the ways it is usually written.

    python benchmarks/meta_steps.py                 (5 minutes on 2 cores; or: make bench)

The same `ConvNet` with batch norm, the same 16 tasks (5-way 1-shot, 15 queries a class), MAML's gradient from end to
end:

- ours: `maml.backward`, which on a CPU gives each thread a task, and on cuda takes all tasks at once.
- cloned modules: the plain loop over tasks, written out the way learn2learn does it: clone the module with its graph,
  differentiate with create_graph, replace its parameters, one backward pass a task.
- higher: the library (version 0.2.1), where it is installed.

All arms must give the same gradient in float64, or nothing is timed. They run by turns; medians are printed. Peak
memory is that of a process of its own for each arm, less what the same process took before its first step.
"""

import argparse
import copy
import itertools
import json
import statistics
import subprocess
import sys
import threading
import time

import psutil
import torch
from torch.nn.functional import cross_entropy

from course_lib import maml, networks, runtime
from course_lib.episodes import Episodes

N_TASKS, N_WAY, K_SHOT, Q_QUERY, LR = 16, 5, 1, 15, 0.4
SIZES = list(itertools.product((1, 5), (32, 64)))       # inner steps, filters


def tasks(device):
    generator = runtime.generator(0)
    support_y, query_y = (torch.arange(N_WAY).repeat_interleave(n).repeat(N_TASKS, 1) for n in (K_SHOT, Q_QUERY))
    x = [torch.rand(N_TASKS, N_WAY * n, 1, 28, 28, generator=generator) for n in (K_SHOT, Q_QUERY)]
    return Episodes(*(t.to(device) for t in (x[0], support_y, x[1], query_y)))


def ours(model, batch, steps):
    maml.backward(model, batch, lr=LR, steps=steps)


def clone_with_graph(module):
    """A copy of `module` whose parameters are clones that remember the originals."""
    twin = copy.copy(module)
    twin._parameters = {name: p if p is None else p.clone() for name, p in module._parameters.items()}
    twin._modules = {name: clone_with_graph(child) for name, child in module._modules.items()}
    return twin


def owners(module):
    return [(m, name) for m in module.modules() for name, p in m._parameters.items() if p is not None]


def cloned_modules(model, batch, steps):
    for support_x, support_y, query_x, query_y in zip(*batch):
        learner = clone_with_graph(model)
        for _ in range(steps):
            places = owners(learner)
            slopes = torch.autograd.grad(cross_entropy(learner(support_x), support_y),
                                         [m._parameters[name] for m, name in places], create_graph=True)
            for (m, name), slope in zip(places, slopes):
                m._parameters[name] = m._parameters[name] - LR * slope
        (cross_entropy(learner(query_x), query_y) / N_TASKS).backward()


def with_higher(model, batch, steps):
    import higher

    optimiser = torch.optim.SGD(model.parameters(), LR)
    for support_x, support_y, query_x, query_y in zip(*batch):
        with higher.innerloop_ctx(model, optimiser, copy_initial_weights=False) as (learner, inner):
            for _ in range(steps):
                inner.step(cross_entropy(learner(support_x), support_y))
            (cross_entropy(learner(query_x), query_y) / N_TASKS).backward()


ARMS = {"ours": ours, "cloned modules": cloned_modules, "higher": with_higher}


def new_model(width, device):
    runtime.seed_everything(0)
    return networks.ConvNet(N_WAY, width=width, norm=networks.BatchNorm).to(device)


def step(arm, model, batch, steps):
    """One meta-gradient; returns it [P] and the seconds it took."""
    model.zero_grad()
    start = time.perf_counter()
    ARMS[arm](model, batch, steps)
    gradient = torch.cat([p.grad.flatten() for p in model.parameters()])
    gradient.sum().item()       # waits for a GPU
    return gradient, time.perf_counter() - start


def peak_memory(arm, width, steps, device):
    """MiB that one arm needs above what its process had before: printed as JSON by a process of its own."""
    model, batch = new_model(width, device), tasks(device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        step(arm, model, batch, steps)
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    process, seen, done = psutil.Process(), [], threading.Event()

    def watch():
        while not done.wait(0.002):
            seen.append(process.memory_info().rss)

    before = process.memory_info().rss
    watcher = threading.Thread(target=watch)
    watcher.start()
    for _ in range(3):
        step(arm, model, batch, steps)
    done.set()
    watcher.join()
    return (max(seen) - before) / 2**20


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="timings of each arm, by turns")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--memory", nargs=3, metavar=("ARM", "WIDTH", "STEPS"), help="one arm's peak memory only")
    options = parser.parse_args()
    device = runtime.device(options.device)
    if options.memory:
        arm, width, steps = options.memory
        print(json.dumps(peak_memory(arm, int(width), int(steps), device)))
        return
    try:
        import higher  # noqa: F401
    except ImportError:
        ARMS.pop("higher")
        print("higher is not installed here (pip install higher==0.2.1): left out")
    print(f"second-order MAML, {N_TASKS} tasks of {N_WAY}-way {K_SHOT}-shot with {N_WAY * Q_QUERY} queries, {device}, "
          f"{torch.get_num_threads()} threads")
    for steps, width in SIZES:
        model, batch = new_model(width, device), tasks(device)
        exact = [part.double() if part.is_floating_point() else part for part in batch]     # float32 drifts in 5 steps
        gradients = [step(arm, copy.deepcopy(model).double(), exact, steps)[0] for arm in ARMS]
        for arm, gradient in zip(ARMS, gradients):
            assert (gradient - gradients[0]).norm() < 1e-6 * gradients[0].norm(), f"{arm}: another gradient"
        measured = {arm: [] for arm in ARMS}
        for i, order in zip(range(options.rounds + 1), itertools.cycle(itertools.permutations(ARMS))):
            for arm in order:
                _, seconds = step(arm, model, batch, steps)
                if i:       # the first round warms up
                    measured[arm].append(seconds)
        for arm, seconds in measured.items():
            faster = statistics.median(a / b for a, b in zip(seconds, measured["ours"]))
            memory = json.loads(subprocess.run([sys.executable, __file__, "--device", device.type, "--memory", arm,
                                                str(width), str(steps)], capture_output=True, text=True,
                                               check=True).stdout)
            print(f"{steps} inner step(s), {width} filters, {arm:>14}: {1000 * statistics.median(seconds):6.0f} ms, "
                  f"ours is {faster:.2f} times as fast, {memory:5.0f} MiB")


if __name__ == "__main__":
    main()
