"""How many threads, and how should they wait? Iterations of notebook 03's GAN a second, idle and on a busy machine.

    python studies/threads.py          (or: make bench; five minutes on 2 cores, with nothing beside it)

torch's idle threads spin for a while before they sleep: GOMP_SPINCOUNT, 300,000 turns by libgomp's default. Beside
other programs they take the processor from the thread that works. Each arm is a process of its own, since the variable
counts when torch is loaded. The busy machine has as many endless loops as cores. The arms take turns, so that whatever
else slows the machine slows all; `of_best` is the median over the turns of an arm's rate, in that of the best arm.
"""

import os
import subprocess
import sys
import time
from statistics import median

SECONDS, TURNS, BATCH = 2, 10, 64
ARMS = {"libgomp's default": {"GOMP_SPINCOUNT": "300000"}, "never spin": {"GOMP_SPINCOUNT": "0"},
        "spin 1,000 turns": {"GOMP_SPINCOUNT": "1000"}, "spin 2,000 turns": {"GOMP_SPINCOUNT": "2000"},
        "spin 5,000 turns": {"GOMP_SPINCOUNT": "5000"}, "one thread": {"OMP_NUM_THREADS": "1"}}


def serve():
    """For each line of the input, print the iterations a second of `gan.d_step` and `gan.g_step` on 64 images."""
    import torch

    from course_lib import gan, losses, networks, runtime

    G, D, rng = networks.ImageGenerator(), networks.ImageDiscriminator(), runtime.rng(0)
    optimisers = [torch.optim.Adam(network.parameters(), 2e-4, (0.5, 0.999)) for network in (D, G)]
    real = torch.rand(BATCH, 1, 28, 28, generator=rng)
    for _ in sys.stdin:
        count, start = 0, time.perf_counter()
        while time.perf_counter() - start < SECONDS:
            count += 1
            gan.d_step(G, D, real, loss=losses.HINGE, optimiser=optimisers[0], rng=rng)
            gan.g_step(G, D, BATCH, loss=losses.HINGE, optimiser=optimisers[1], rng=rng)
        print(count / (time.perf_counter() - start), flush=True)


def start(variables):
    plain = {name: value for name, value in os.environ.items() if name.split("_")[0] not in ("GOMP", "OMP", "MKL")}
    return subprocess.Popen([sys.executable, __file__, "serve"], env={**plain, **variables}, stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True)


def ask(process):
    print(file=process.stdin, flush=True)
    return float(process.stdout.readline())


def main():
    import shared
    from course_lib import runtime

    processes, found = {arm: start(variables) for arm, variables in ARMS.items()}, {}
    for process in processes.values():
        ask(process)            # torch is loaded, and warm
    for turn in range(TURNS):
        for machine in ("idle", "busy"):
            loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"])
                     for _ in range(os.cpu_count() if machine == "busy" else 0)]
            for arm in list(ARMS)[turn % len(ARMS):] + list(ARMS)[:turn % len(ARMS)]:       # another first each time
                found.setdefault((arm, machine), []).append(ask(processes[arm]))
            for loop in loops:
                loop.kill()
    for process in processes.values():
        process.stdin.close()
    best = {machine: max((found[arm, machine] for arm in ARMS), key=median) for machine in ("idle", "busy")}
    results = shared.results("threads", device=runtime.device("cpu"), cores=os.cpu_count(), batch=BATCH)
    for arm, variables in ARMS.items():
        for machine in ("idle", "busy"):
            rates = found[arm, machine]
            of_best = median(rate / top for rate, top in zip(rates, best[machine]))
            results.add("GAN iterations a second", rates, unit="iterations/s", setting="-", arm=arm, machine=machine,
                        median=median(rates), of_best=of_best,
                        threads=int(variables.get("OMP_NUM_THREADS", os.cpu_count())))
            print(f"{arm:18} {machine}  {median(rates):5.1f} iterations/s, {of_best:.2f} of the best", flush=True)


if __name__ == "__main__":
    serve() if sys.argv[1:] == ["serve"] else main()
