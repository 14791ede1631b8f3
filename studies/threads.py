"""How many threads, and how should they wait? Iterations of notebook 03's GAN a second, idle and on a busy machine.

    python studies/threads.py          (or: make bench; five minutes on 2 cores, with nothing beside it)

torch's idle threads spin for a while before they sleep: GOMP_SPINCOUNT, 300,000 turns by libgomp's default. Beside
other programs they take the processor from the thread that works. Each arm is a process of its own, since the variable
counts when torch is loaded. The busy machine has as many endless loops as cores. Arms and loads by turns.
"""

import os
import statistics
import subprocess
import sys
import time

SECONDS, TURNS, BATCH = 5, 3, 64
ARMS = {"libgomp's default": {"GOMP_SPINCOUNT": "300000"}, "never spin": {"GOMP_SPINCOUNT": "0"},
        "spin 1,000 turns (the course)": {"GOMP_SPINCOUNT": "1000"}, "spin 5,000 turns": {"GOMP_SPINCOUNT": "5000"},
        "one thread (beside other notebooks)": {"OMP_NUM_THREADS": "1"}}


def iterations_per_second():
    """Of `gan.d_step` and `gan.g_step` on 64 images, in this process."""
    import torch

    from course_lib import gan, losses, networks, runtime

    G, D, rng = networks.ImageGenerator(), networks.ImageDiscriminator(), runtime.rng(0)
    optimisers = [torch.optim.Adam(network.parameters(), 2e-4, (0.5, 0.999)) for network in (D, G)]
    real, count, start = torch.rand(BATCH, 1, 28, 28, generator=rng), -3, time.perf_counter()
    while count < 1 or time.perf_counter() - start < SECONDS:
        count += 1
        if count <= 0:              # warming up
            start = time.perf_counter()
        gan.d_step(G, D, real, loss=losses.HINGE, optimiser=optimisers[0], rng=rng)
        gan.g_step(G, D, BATCH, loss=losses.HINGE, optimiser=optimisers[1], rng=rng)
    return count / (time.perf_counter() - start)


def measure(variables, busy):
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() * busy)]
    plain = {name: value for name, value in os.environ.items() if name.split("_")[0] not in ("GOMP", "OMP", "MKL")}
    try:
        return float(subprocess.check_output([sys.executable, __file__, "once"], env={**plain, **variables}))
    finally:
        for loop in loops:
            loop.kill()


def main():
    import shared
    from course_lib import runtime

    found = {(arm, busy): [] for arm in ARMS for busy in (False, True)}
    for _ in range(TURNS):
        for arm, busy in found:
            found[arm, busy].append(measure(ARMS[arm], busy))
    results = shared.results("threads", device=runtime.device("cpu"), cores=os.cpu_count(), batch=BATCH)
    for (arm, busy), values in found.items():
        results.add("GAN iterations a second", values, unit="iterations/s", setting="-", arm=arm,
                    machine="busy" if busy else "idle", median=statistics.median(values),
                    threads=int(ARMS[arm].get("OMP_NUM_THREADS", os.cpu_count())))
        print(f"{arm:36} {'busy' if busy else 'idle'}  {statistics.median(values):5.1f} iterations/s", flush=True)


if __name__ == "__main__":
    print(iterations_per_second()) if sys.argv[1:] == ["once"] else main()
