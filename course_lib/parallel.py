"""Many tasks at once: a thread for each on a CPU."""

import copy
import threading
from concurrent.futures import ThreadPoolExecutor

import torch


def each_task(function, model, tasks):
    """Yield function(model, *task) for each task, in order; as many tasks at a time as torch has threads.

    On a CPU, small tensors gain little from two threads in one operation, and much from a task in each. Every thread
    has a copy of the model, for functional_call exchanges parameters in place; and since each operation has one thread,
    the result is the same bits for any number of threads.
    """
    threads, own = torch.get_num_threads(), threading.local()

    def start():
        torch.set_num_threads(1)
        own.model = copy.deepcopy(model)

    try:
        workers = threads if tasks[0].device.type == "cpu" else 1
        with ThreadPoolExecutor(workers, initializer=start) as pool:
            yield from pool.map(lambda task: function(own.model, *task), zip(*tasks))
    finally:
        torch.set_num_threads(threads)


def mean(each):
    """The mean of tuples of tensors, added up as they come, so that not all are kept."""
    n_tasks, total = 1, next(each)
    for parts in each:
        n_tasks, total = n_tasks + 1, [a + b for a, b in zip(total, parts)]
    return [part / n_tasks for part in total]
