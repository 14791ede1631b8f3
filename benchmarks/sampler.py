"""Time `episodes.sample` against a straightforward sampler made of a Dataset, a batch sampler and a DataLoader.

    python benchmarks/sampler.py          (or: make bench)

Both deal 5-way 1-shot 15-query episodes of `glyphs` as float tensors with labels. They run by turns, several times
each, so that a busy machine slows both; the medians are compared. The memory-copy rate is measured in the same way.
"""

import statistics
import time

import torch
from torch.utils.data import DataLoader, Dataset

from course_lib import data, episodes

N_WAY, K_SHOT, Q_QUERY = 5, 1, 15
TASKS = 64          # episodes in one call of ours


class Drawings(Dataset):
    """One drawing at a time, as most training code has it."""

    def __init__(self, classes):
        self.images, self.per_class = classes.images.flatten(0, 1).clone(), classes.images.shape[1]     # in memory

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.images[index].float() / 255, index // self.per_class


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
    classes = data.load("glyphs")
    _ = classes.ink         # made once, at first use; not part of the rate
    generator = torch.Generator().manual_seed(0)
    source = torch.ones(64 * 2**20 // 4)
    target = source.clone()

    def ours():
        for _ in range(15):
            episodes.sample(classes, n_way=N_WAY, k_shot=K_SHOT, q_query=Q_QUERY, n_tasks=TASKS, generator=generator)

    def theirs(workers):
        loader = DataLoader(Drawings(classes), batch_sampler=EpisodeSampler(classes, 200), num_workers=workers)
        for _ in deal(loader):
            pass

    measured = {"ours": [], "DataLoader": [], "DataLoader, 2 workers": [], "copy": []}
    for turn in range(8):
        measured["ours"].append(rate(ours, 15 * TASKS))
        measured["DataLoader"].append(rate(lambda: theirs(0), 200))
        measured["DataLoader, 2 workers"].append(rate(lambda: theirs(2), 200))
        measured["copy"].append(rate(lambda: [target.copy_(source) for _ in range(5)], 5 * source.numel() * 4))
        if turn == 0:
            measured = {name: [] for name in measured}          # the first turn warms up
    medians = {name: statistics.median(rates) for name, rates in measured.items()}
    bytes_per_episode = N_WAY * (K_SHOT + Q_QUERY) * classes.images[0, 0].numel() * 4
    best = max(medians["DataLoader"], medians["DataLoader, 2 workers"])
    for name in ("ours", "DataLoader", "DataLoader, 2 workers"):
        print(f"{name:>22}: {medians[name]:9,.0f} episodes/s")
    print(f"{'times as fast':>22}: {medians['ours'] / best:9.0f}   (than the faster DataLoader)")
    print(f"{'output written':>22}: {medians['ours'] * bytes_per_episode / 1e9:9.1f} GB/s, "
          f"{medians['ours'] * bytes_per_episode / medians['copy']:.0%} of this machine's memory copy "
          f"({medians['copy'] / 1e9:.1f} GB/s, {torch.get_num_threads()} threads)")


if __name__ == "__main__":
    main()
