"""How good are samples? Distances of distributions, fidelity and diversity, copies of the training set."""

from functools import partial
from typing import NamedTuple

import torch
from scipy.stats import mannwhitneyu

from .runtime import positive


def jsd(p, q, dx):
    """The Jensen-Shannon divergence of densities p, q [X] on a grid of spacing dx, in nats: a float in [0, log 2].

    0 where p = q, log 2 where they never meet. Source: Lin 1991, "Divergence measures based on the Shannon entropy".
    """
    m = (p + q) / 2
    return ((torch.xlogy(p, p) + torch.xlogy(q, q) - 2 * torch.xlogy(m, m)).sum() * dx / 2).item()


def frechet_distance(a, b):
    """|m_a - m_b|^2 + Tr(C_a + C_b - 2 (C_a C_b)^(1/2)) of features a [N, F] and b [M, F]: a float, 0 if alike.

    m, C: sample mean and covariance (over N-1). The squared distance of two Gaussians (Dowson & Landau 1982; Heusel et
    al. 2017, eq. 6). Finite samples make it too large, by about 1/N (Chong & Forsyth 2020): compare equal sizes only,
    and against `frechet_floor`. Raises ValueError for fewer than two rows, different F, or features not finite.
    """
    a, b = _vectors(a, b)
    if min(len(a), len(b)) < 2:
        raise ValueError(f"a covariance needs at least 2 rows; there are {len(a)} and {len(b)}. Draw more samples.")
    root_a, root_b = _covariance_root(a), _covariance_root(b)
    trace_of_root = torch.linalg.svdvals(root_a @ root_b.T).sum()       # = Tr (C_a C_b)^(1/2)
    squared = (a.mean(0) - b.mean(0)).square().sum() + root_a.square().sum() + root_b.square().sum()
    return max((squared - 2 * trace_of_root).item(), 0.0)       # rounding can end just below 0


def _covariance_root(x):
    """R [min(N, F), F] with R^T R = C, the covariance of x [N, F]. Takes no root of a rounded eigenvalue 0."""
    return torch.linalg.qr(x - x.mean(0), mode="r").R / (len(x) - 1) ** 0.5


def frechet_floor(real, n, *, repeats, rng):
    """What a perfect generator would get: `frechet_distance` of two disjoint random sets of n rows of real [N, F].

    Returns float64 [repeats]. Repeats share the N rows: they show the spread of one comparison. Raises ValueError if
    2 n > N.
    """
    positive(n=n, repeats=repeats)
    if 2 * n > len(real):
        raise ValueError(f"two disjoint sets of {n} need {2 * n} real images; there are {len(real)}. "
                         f"Use n<={len(real) // 2}, and as many generated images.")
    orders = (torch.randperm(len(real), device=rng.device, generator=rng).to(real.device) for _ in range(repeats))
    return torch.tensor([frechet_distance(real[i[:n]], real[i[n:2 * n]]) for i in orders], dtype=torch.float64)


class Quality(NamedTuple):
    """How good samples are (precision, density) and how much of the real they cover (recall, coverage): floats."""

    precision: float    # share of fakes within the k-neighbour ball of some real
    recall: float       # share of reals within the k-neighbour ball of some fake
    density: float      # real balls around a fake, on average, over k: may exceed 1; 1 expected where the laws agree
    coverage: float     # share of reals whose own ball holds a fake


def prdc(real, fake, k=5):
    """`Quality` of fake [M, F] against real [N, F]; each point's ball reaches to its k-th nearest other of its set.

    precision, recall: Kynkäänniemi et al. 2019, eq. 1-2. density, coverage: Naeem et al. 2020, section 3. A ball
    includes its surface. All depend on N, M and k: compare where these are equal, and with prdc of two real sets.
    Raises ValueError if k is not below N and M.
    """
    positive(k=k)
    real, fake = _vectors(real, fake)
    if k >= min(len(real), len(fake)):
        raise ValueError(f"k={k} neighbours need {k + 1} points in each set; there are {len(real)} real and "
                         f"{len(fake)} fake. Use k<={min(len(real), len(fake)) - 1} or more samples.")
    cdist = partial(torch.cdist, compute_mode="donot_use_mm_for_euclid_dist")   # the fast way puts equals a bit apart
    radii = [cdist(x, x).fill_diagonal_(torch.inf).kthvalue(k, dim=1).values for x in (real, fake)]     # [N], [M]
    distances = cdist(real, fake)                                   # [N, M]
    in_real = distances <= radii[0][:, None]                        # [N, M]: fake j lies in the ball of real i
    in_fake = distances <= radii[1]                                 # [N, M]: real i lies in the ball of fake j
    return Quality(precision=in_real.any(0).double().mean().item(), recall=in_fake.any(1).double().mean().item(),
                   density=in_real.sum().item() / (k * len(fake)), coverage=in_real.any(1).double().mean().item())


def _vectors(a, b):
    """Two sets of features, [N, F] and [M, F], as float64 on the CPU (not every device has float64)."""
    if a.dim() != 2 or b.dim() != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"features must be [N, F] and [M, F], not {list(a.shape)} and {list(b.shape)}. "
                         f"Take both from one feature network.")
    if not (a.isfinite().all() and b.isfinite().all()):
        raise ValueError("some features are NaN or infinite. Look for a generator or network that has diverged.")
    return a.detach().cpu().double(), b.detach().cpu().double()


def energy_distance(a, b):
    """2 E|a - b| - E|a - a'| - E|b - b'| of features a [N, F] and b [M, F]; 0 in the mean if the laws agree: a scalar.

    No pair of a point with itself, so it is without bias, and can be less than 0. Source: Székely & Rizzo 2013.
    """
    return 2 * torch.cdist(a, b).mean() - torch.pdist(a).mean() - torch.pdist(b).mean()


def nearest_training(images, training, chunk=500):
    """For images [N, 1, H, W] in [0, 1], the nearest of training [M, 1, H, W]: (distances float64 [N], indices [N]).

    Euclidean over pixels, where 1 is one pixel changed from empty to full ink. Both results are on the CPU.
    """
    check_images(images)
    check_images(training)
    x, known = (batch.detach().cpu().double().flatten(1) for batch in (images, training))       # [N, P], [M, P]
    indices = torch.cat([torch.cdist(part, known, compute_mode="use_mm_for_euclid_dist").argmin(1)
                         for part in x.split(chunk)])
    return (x - known[indices]).norm(dim=1), indices        # measured anew: exactly 0 for a copy


def memorisation(fake, training, held_out):
    """How likely a fake lies nearer to the training set than a held-out real image does: a float in [0, 1].

    1: all fakes are nearer, as copies are; 0.5: as far as fresh real images; 0: all are farther; ties count half.
    Distances are those of `nearest_training`. held_out: real images kept from the generator, of the classes of training
    and of fake, in the same shares. The Mann-Whitney statistic of Meehan, Chaudhuri & Dasgupta 2020 ("A non-parametric
    test to detect data-copying in generative models") without their cells, turned so that copies score high. A high
    value does not prove copying: blurred and empty images score high too, because thin strokes miss each other.
    """
    ours, theirs = nearest_training(fake, training)[0], nearest_training(held_out, training)[0]
    farther = mannwhitneyu(theirs, ours, method="asymptotic").statistic     # pairs where the held-out image is farther
    return float(farther / (len(ours) * len(theirs)))


def check_images(images):
    """Raise ValueError unless images are float, at least one, and in [0, 1]."""
    if not images.is_floating_point() or not len(images):
        raise ValueError(f"images must be float and at least one, not {images.dtype} {list(images.shape)}. "
                         f"Divide uint8 images by 255.")
    low, high = images.min().item(), images.max().item()
    if not (low >= -1e-3 and high <= 1 + 1e-3):     # also true for NaN; 1e-3 is room for interpolation
        raise ValueError(f"images must be in [0, 1], these are in [{low:.4g}, {high:.4g}]. Rescale them first.")
