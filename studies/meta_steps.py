"""How fast is a second-order meta-step, and how much memory does it take? Beside the ways it is usually written.

    python studies/meta_steps.py                 (5 minutes on 2 cores; or: make bench)

Prints the table and writes figures/results/meta_steps.jsonl (into COURSE_OUT, by default the checkout).

The same `ConvNet` with batch norm, the same 16 tasks (5-way 1-shot, 15 queries a class), MAML's gradient from end to
end:

- ours: `maml.backward`, which on a CPU gives each thread a task, and on cuda takes all tasks at once.
- cloned modules: the plain loop over tasks, written out the way learn2learn does it: clone the module with its graph,
  differentiate with create_graph, replace its parameters, one backward pass a task.
- higher: the library (version 0.2.1), where it is installed.

Before any arm is timed, all must give the same gradient in float64. They run in alternation, and medians are printed.
Peak memory is that of a process of its own for each arm, minus what the same process took before its first step, when
torch.func was imported already (which takes 70 MiB once, whatever is computed).

Then, for notebook 07, a step of each algorithm: MAML, FOMAML, ANIL, and Reptile with five inner steps.
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
from torch.utils.flop_counter import FlopCounterMode

import shared
from course_lib import maml, networks, runtime
from course_lib.episodes import Episodes

N_TASKS, N_WAY, K_SHOT, Q_QUERY, LR = 16, 5, 1, 15, 0.4
SIZES = list(itertools.product((1, 5), (32, 64)))       # inner steps, filters


def tasks(device):
    rng = runtime.rng(0)
    support_y, query_y = (torch.arange(N_WAY).repeat_interleave(n).repeat(N_TASKS, 1) for n in (K_SHOT, Q_QUERY))
    x = [torch.rand(N_TASKS, N_WAY * n, 1, 28, 28, generator=rng) for n in (K_SHOT, Q_QUERY)]
    return Episodes(*(t.to(device) for t in (x[0], support_y, x[1], query_y)))


def ours(model, batch, steps):
    maml.backward(model, batch, inner_lr=LR, steps=steps)


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
ALGORITHMS = {
    "MAML": ours,
    "FOMAML": lambda model, batch, steps: maml.backward(model, batch, inner_lr=LR, steps=steps, first_order=True),
    "ANIL": lambda model, batch, steps: maml.backward(model, batch, inner_lr=LR, steps=steps, only="head"),
    "Reptile": lambda model, batch, steps: maml.reptile_backward(model, batch, inner_lr=LR / 4, steps=5),
}


def new_model(width, device):
    runtime.seed_everything(0)
    return networks.ConvNet(N_WAY, width=width, norm=networks.BatchNorm).to(device)


def step(arm, model, batch, steps):
    """One meta-gradient; returns it [P] and the seconds it took."""
    model.zero_grad()
    start = time.perf_counter()
    {**ARMS, **ALGORITHMS}[arm](model, batch, steps)
    gradient = torch.cat([p.grad.flatten() for p in model.parameters()])
    gradient.sum().item()       # waits for a GPU
    return gradient, time.perf_counter() - start


def peak_memory(arm, width, steps, device):
    """MiB that one arm needs above what its process had before: printed as JSON by a process of its own."""
    model, batch = new_model(width, device), tasks(device)
    torch.func.grad(torch.sum)(torch.ones(1))       # imports what torch.func needs
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
    parser.add_argument("--rounds", type=int, default=7, help="timings of each arm, in alternation")
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
    results = shared.results("meta_steps", device=device, threads=torch.get_num_threads(), tasks=N_TASKS)
    rate = matmul_rate(device)
    for steps, width in SIZES:
        assert_same_gradient(width, steps, device)
        measured = timings(ARMS, width, steps, device, options.rounds)
        flops = count_flops(width, steps, device)
        for arm, seconds in measured.items():
            faster = statistics.median(a / b for a, b in zip(seconds, measured["ours"]))
            keep(results, "second-order meta-step", arm, seconds, width, steps, device, faster=faster,
                 matmul_fraction=flops / statistics.median(seconds) / rate)
    measured = timings(ALGORITHMS, 32, 1, device, options.rounds)
    for arm, seconds in measured.items():
        keep(results, "meta-step", arm, seconds, 32, 1, device, faster=None, matmul_fraction=None)


def assert_same_gradient(width, steps, device):
    model = new_model(width, device)
    exact = [part.double() if part.is_floating_point() else part for part in tasks(device)]
    gradients = [step(arm, copy.deepcopy(model).double(), exact, steps)[0] for arm in ARMS]
    for arm, gradient in zip(ARMS, gradients):
        assert (gradient - gradients[0]).norm() < 1e-6 * gradients[0].norm(), f"{arm}: another gradient"


def timings(arms, width, steps, device, rounds):
    """Seconds of each arm in each of `rounds` rounds, in alternation and in every order."""
    model, batch, measured = new_model(width, device), tasks(device), {arm: [] for arm in arms}
    for i, order in zip(range(rounds + 1), itertools.cycle(itertools.permutations(arms))):
        for arm in order:
            _, seconds = step(arm, model, batch, steps)
            if i:       # the first round warms up
                measured[arm].append(seconds)
    return measured


def count_flops(width, steps, device):
    """Operations of the convolutions and matrix products in a meta-step, as the plain loop does it."""
    model, batch = new_model(width, device), tasks(device)
    with FlopCounterMode(display=False) as counter:
        cloned_modules(model, batch, steps)
    return counter.get_total_flops()


def matmul_rate(device, n=2048):
    """Operations a second in the product of two n x n matrices: what this device can do."""
    a, times = torch.randn(n, n, device=device), []
    for _ in range(6):
        start = time.perf_counter()
        (a @ a).sum().item()
        times.append(time.perf_counter() - start)
    return 2 * n**3 / min(times)


def keep(results, name, arm, seconds, width, steps, device, **details):
    """Store and print one arm."""
    faster, fraction = details["faster"], details["matmul_fraction"]
    command = [sys.executable, __file__, "--device", device.type, "--memory", arm, str(width), str(steps)]
    memory = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    record = results.add(name, seconds, unit="seconds", setting="-", arm=arm, width=width, steps=steps,
                         memory=memory, median=statistics.median(seconds), **details)
    print(f"{steps} inner step(s), {width} filters, {arm:>14}: {1000 * record['median']:6.0f} ms, {memory:5.0f} MiB"
          + (f", ours is {faster:.2f} times as fast, {100 * fraction:.0f} % of the matmul rate" if faster else ""),
          flush=True)


if __name__ == "__main__":
    main()
