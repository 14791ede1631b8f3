"""How sure is a number? Intervals, pairs, several comparisons at once, the fraction of a gap recovered."""

import torch
from scipy.stats import t as student


def mean_interval(values):
    """(mean, half-width of its 95 % interval) of independent values [n]: 1.96 s / sqrt(n).

    Below 30 values, Student's t takes the place of 1.96. The interval covers what another sample of values would
    change; not another seed or another split of the classes. Raises ValueError for fewer than two values.
    """
    values = torch.as_tensor(values, dtype=torch.float64)
    if values.numel() < 2:
        raise ValueError(f"an interval needs at least 2 values, not {values.numel()}. Evaluate more episodes.")
    width = 1.96 if values.numel() >= 30 else float(student.ppf(0.975, values.numel() - 1))
    return values.mean().item(), width * values.std().item() / values.numel() ** 0.5


def paired_difference(a, b):
    """a - b [n] of two learners' accuracies on the *same* episodes: its `mean_interval` says which is better.

    What makes an episode hard for both cancels, so the interval is narrower than those of a and b. To see the same
    episodes, start both with an rng of one seed. Raises ValueError for different numbers of episodes.
    """
    if a.shape != b.shape:
        raise ValueError(f"pairs need as many episodes for both: {list(a.shape)} and {list(b.shape)}. Evaluate both "
                         "learners on the same episodes.")
    return a - b


def fraction_recovered(baseline, arm, oracle):
    """What fraction of the gap from `baseline` to `oracle` the arm recovers, of runs [n] that are paired: values [n].

    Their mean estimates (arm - baseline) / (oracle - baseline), a ratio of means, and `mean_interval` of them its
    interval: they are the jackknife's pseudo-values (Tukey 1958), n r - (n - 1) r_i where r_i leaves out run i.
    Raises ValueError for different numbers of runs, or fewer than two.
    """
    n = len(baseline)
    if not len(arm) == len(oracle) == n or n < 2:
        raise ValueError(f"a fraction of the gap needs the same runs of all three, at least 2: {n}, {len(arm)} and "
                         f"{len(oracle)}. Evaluate them on the same episodes.")
    gained, possible = (arm - baseline).double(), (oracle - baseline).double()
    without = (gained.sum() - gained) / (possible.sum() - possible)                 # [n] each leaves out one run
    return n * gained.sum() / possible.sum() - (n - 1) * without


def holm(p, alpha):
    """Which of the p-values p [m] stand at level alpha when all m comparisons are taken together: bool [m].

    The chance of any false alarm among them is at most alpha, however they depend on each other.
    Source: Holm 1979, "A simple sequentially rejective multiple test procedure".
    Raises ValueError for p-values outside [0, 1].
    """
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError(f"p-values lie in [0, 1]; got {p.min().item():.3g} to {p.max().item():.3g}. Look for a nan, "
                         "or for a test statistic in the place of its p-value.")
    order = p.argsort()
    passes = p[order] <= alpha / torch.arange(len(p), 0, -1, device=p.device)
    return torch.zeros_like(passes).scatter(0, order, passes.cumprod(0).bool())     # none after the first that fails
