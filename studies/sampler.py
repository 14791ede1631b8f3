"""Time `episodes.sample` against samplers made of a Dataset, a batch sampler and a DataLoader.

    python studies/sampler.py          (or: make bench)

All deal 5-way 1-shot 15-query episodes of `glyphs`, in memory, as float tensors with labels. Three datasets:
"images" does as torchvision's do (a PIL image, then ToTensor), which is the straightforward way; "bytes" turns a row of
a uint8 tensor into floats; "floats" holds ready-made floats, as ours does. They run in alternation, several times each,
so that a busy machine slows all. Medians are compared. The memory-copy rate is measured in the same way.
"""

import statistics
import time

import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from course_lib import datasets, episodes
from torchvision_guard import import_torchvision

N_WAY, K_SHOT, Q_QUERY = 5, 1, 15
TASKS = 64          # episodes in one call of ours


class Drawings(Dataset):
    """One drawing at a time, as most training code has it."""

    def __init__(self, classes, kind):
        self.kind, self.per_class = kind, classes.images.shape[1]
        self.images = (classes.ink if kind == "floats" else classes.images).clone().view(-1, *classes.images.shape[2:])
        self.to_tensor = import_torchvision().transforms.ToTensor()

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        image = self.images[index]
        if self.kind == "images":
            image = self.to_tensor(Image.fromarray(image[0].numpy(), mode="L"))
        if self.kind == "bytes":
            image = image.float() / 255
        return image, index // self.per_class


class EpisodeSampler:
    """Yields the indices of one episode after the other: for each class its support, then its queries."""

    def __init__(self, classes, n_episodes):
        self.n_classes, self.per_class = classes.images.shape[:2]
        self.n_episodes = n_episodes

    def __len__(self):
        return self.n_episodes

    def __iter__(self):
        for _ in range(self.n_episodes):
            chosen = torch.randperm(self.n_classes)[:N_WAY]
            yield [int(c) * self.per_class + int(d) for c in chosen
                   for d in torch.randperm(self.per_class)[:K_SHOT + Q_QUERY]]


def deal(loader):
    """Episodes from the loader: split support from queries, labels 0 to N-1."""
    labels = torch.arange(N_WAY)
    for images, _ in loader:
        images = images.view(N_WAY, K_SHOT + Q_QUERY, *images.shape[1:])
        yield (images[:, :K_SHOT].flatten(0, 1), labels.repeat_interleave(K_SHOT),
               images[:, K_SHOT:].flatten(0, 1), labels.repeat_interleave(Q_QUERY))


def rate(function, amount):
    start = time.perf_counter()
    function()
    return amount / (time.perf_counter() - start)


def main():
    classes = datasets.load("glyphs")
    _ = classes.ink         # made once, at first use; not part of the rate
    rng = torch.Generator().manual_seed(0)
    source = torch.ones(64 * 2**20 // 4)
    target = source.clone()

    def ours():
        for _ in range(15):
            episodes.sample(classes, n_way=N_WAY, k_shot=K_SHOT, q_query=Q_QUERY, n_tasks=TASKS, rng=rng)

    def theirs(kind, workers):
        loader = DataLoader(drawings[kind], batch_sampler=EpisodeSampler(classes, 100), num_workers=workers)
        for _ in deal(loader):
            pass

    drawings = {kind: Drawings(classes, kind) for kind in ("images", "bytes", "floats")}
    measured = {}
    for i in range(8):
        rates = {"ours": rate(ours, 15 * TASKS)}
        for kind in drawings:
            for workers in (0, 2):
                rates[f"{kind}, {workers} workers"] = rate(lambda k=kind, w=workers: theirs(k, w), 100)
        rates["copy"] = rate(lambda: [target.copy_(source) for _ in range(5)], 5 * source.numel() * 4)
        if i:       # the first round warms up
            for name, value in rates.items():
                measured.setdefault(name, []).append(value)
    medians = {name: statistics.median(values) for name, values in measured.items()}
    bytes_per_episode = N_WAY * (K_SHOT + Q_QUERY) * classes.images[0, 0].numel() * 4
    print(f"{'episodes.sample':>26}: {medians['ours']:9,.0f} episodes/s")
    for name in (name for name in medians if "workers" in name):
        print(f"{'DataLoader, ' + name:>26}: {medians[name]:9,.0f} episodes/s; "
              f"ours is {medians['ours'] / medians[name]:.0f} times as fast")
    print(f"{'output written':>26}: {medians['ours'] * bytes_per_episode / 1e9:9.1f} GB/s, "
          f"{medians['ours'] * bytes_per_episode / medians['copy']:.0%} of this machine's memory copy "
          f"({medians['copy'] / 1e9:.1f} GB/s, {torch.get_num_threads()} threads)")


if __name__ == "__main__":
    main()
