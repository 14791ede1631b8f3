"""Many tasks at once: a thread for each on a CPU."""

import copy
import threading
from concurrent.futures import ThreadPoolExecutor

import torch

DROPOUT = torch.nn.modules.dropout._DropoutNd


def each_task(function, model, tasks):
    """Yield function(model, *task) for each task, in order; as many tasks at a time as torch has threads.

    On a CPU, small tensors gain little from two threads in one operation, and much from a task in each. Every thread
    has a copy of the model, for functional_call exchanges parameters in place; and since each operation has one thread,
    the result is the same bits for any number of threads, if `function` leaves the model as it is. nn.Dropout makes it
    one task at a time, for threads share torch's global random numbers; other use of them raises RuntimeError.
    """
    threads, own, before = torch.get_num_threads(), threading.local(), torch.get_rng_state()
    dropout = any(isinstance(layer, DROPOUT) and layer.training and layer.p for layer in model.modules())
    workers = 1 if dropout or tasks[0].device.type != "cpu" else min(threads, len(tasks[0]))
    copies = [copy.deepcopy(model) for _ in range(workers)]

    def start():
        torch.set_num_threads(1)
        own.model = copies.pop()

    try:
        with ThreadPoolExecutor(workers, initializer=start) as pool:
            yield from pool.map(lambda task: function(own.model, *task), zip(*tasks))
    finally:
        torch.set_num_threads(threads)
    if workers > 1 and not torch.equal(before, torch.get_rng_state()):
        raise RuntimeError("tasks side by side used torch's global random numbers, so that chance decides the result. "
                           "Use nn.Dropout for dropout, or call torch.set_num_threads(1) first.")


def mean(each):
    """The mean of tuples of tensors, added up as they come, so that not all are kept."""
    n_tasks, total = 1, next(each)
    for parts in each:
        n_tasks, total = n_tasks + 1, [a + b for a, b in zip(total, parts)]
    return [part / n_tasks for part in total]
