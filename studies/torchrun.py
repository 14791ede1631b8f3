"""Several processes, started by torchrun: each takes a share of the tasks of every step."""

import atexit
import os

import torch
import torch.distributed as dist


def join():
    """Meet the other processes of torchrun. Without torchrun there are none to meet.

    Tensors on the CPU travel by gloo, those on cuda by nccl, where each process takes the GPU of its local number.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ and not dist.is_initialized():
        if (gpu := int(os.environ["LOCAL_RANK"])) < torch.cuda.device_count():
            torch.cuda.set_device(gpu)
        dist.init_process_group()
        atexit.register(dist.destroy_process_group)


def processes():
    """(number of this process, how many there are): (0, 1) unless `join` met others."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_available() and dist.is_initialized() else (0, 1)


def divided(gradient, *others):
    """A gradient for `maml.fit`: each process computes it for a share of the tasks, and all get the mean over them all.

    gradient: a function (model, tasks) that adds to .grad and returns a loss. others: further modules that get a
    gradient, such as learned rates. Every process must call `maml.fit` alike, with an rng of the same seed and the same
    `path`: all write the same state there. At the first step all take the parameters of process 0. Fewer tasks than
    processes are not divided.
    """
    met = False

    def over_processes(model, tasks):
        nonlocal met
        number, count = processes()
        n_tasks, parameters = len(tasks[0]), [p for module in (model, *others) for p in module.parameters()]
        if count > 1 and not met:
            for p in parameters:
                dist.broadcast(p.data, 0)
            met = True
        if count == 1 or n_tasks < count:
            return gradient(model, tasks)
        mine = type(tasks)(*(part[number::count] for part in tasks))
        loss, share = gradient(model, mine), len(mine[0]) / n_tasks
        for tensor in (loss, *(p.grad for p in parameters if p.grad is not None)):
            total = (share * tensor).contiguous()
            dist.all_reduce(total)
            tensor.copy_(total)
        return loss
    return over_processes
