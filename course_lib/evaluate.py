"""Accuracy with intervals, the quality of samples, and the results file that every stated number is read from."""

import json
from typing import NamedTuple

import torch
from scipy.stats import t as student
from torch.nn.functional import cross_entropy

from . import episodes, networks
from .runtime import atomic_path, output_dir, positive, progress, versions

# ---------------------------------------------------------------- accuracy and results


def accuracies(learner, classes, *, n_way, k_shot, q_query, n_episodes, generator, within_alphabet=False, chunk=50):
    """The accuracy of `learner` on each of `n_episodes` episodes: float [n_episodes] in [0, 1].

    learner: a function of `Episodes` that returns predicted labels [T, N*Q]. Episodes are drawn `chunk` at a time.
    """
    positive(n_episodes=n_episodes, chunk=chunk)
    scores = []
    for start in progress(range(0, n_episodes, chunk), desc="episodes"):
        tasks = episodes.sample(classes, n_way=n_way, k_shot=k_shot, q_query=q_query, generator=generator,
                                n_tasks=min(chunk, n_episodes - start), within_alphabet=within_alphabet)
        scores.append((learner(tasks) == tasks.query_y).float().mean(1).cpu())
    return torch.cat(scores)


def paired_difference(a, b):
    """a - b [n] of two learners' accuracies on the *same* episodes: its `mean_interval` says which is better.

    Episodes differ in difficulty, for both learners alike; in the difference that cancels, so the interval is narrower
    than those of a and b. To see the same episodes, start both from generators with one seed.
    Raises ValueError for different numbers of episodes.
    """
    if a.shape != b.shape:
        raise ValueError(f"pairs need as many episodes for both: {list(a.shape)} and {list(b.shape)}. Evaluate both "
                         "learners on the same episodes.")
    return a - b


def share_closed(none, arm, real):
    """Which part of the way from `none` to `real` the arm goes, of runs [n] that are paired: values [n].

    Their mean estimates (arm - none) / (real - none), a ratio of means, and `mean_interval` of them its interval: they
    are the jackknife's pseudo-values (Tukey 1958), n r - (n - 1) r_i where r_i leaves out run i.
    Raises ValueError for different numbers of runs, or fewer than two.
    """
    n = len(none)
    if not len(arm) == len(real) == n or n < 2:
        raise ValueError(f"a share needs the same runs of all three, at least 2: {n}, {len(arm)} and {len(real)}. "
                         "Evaluate them on the same episodes.")
    gained, possible = (arm - none).double(), (real - none).double()
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


def mean_interval(values):
    """(mean, half-width of its 95 % interval) of independent values [n]: 1.96 s / sqrt(n).

    Below 30 values, Student's t for n - 1 degrees of freedom takes the place of 1.96. The interval covers what another
    draw of values would change; not another seed or another split of the classes.
    Raises ValueError for fewer than two values.
    """
    values = torch.as_tensor(values, dtype=torch.float64)
    if values.numel() < 2:
        raise ValueError(f"an interval needs at least 2 values, not {values.numel()}. Evaluate more episodes.")
    width = 1.96 if values.numel() >= 30 else float(student.ppf(0.975, values.numel() - 1))
    return values.mean().item(), width * values.std().item() / values.numel() ** 0.5


def jsd(p, q, dx):
    """The Jensen-Shannon divergence of densities p, q [X] on a grid of spacing dx, in nats: a float in [0, log 2].

    0 where p = q, log 2 where they never meet. Source: Lin 1991, "Divergence measures based on the Shannon entropy".
    """
    m = (p + q) / 2
    return ((torch.xlogy(p, p) + torch.xlogy(q, q) - 2 * torch.xlogy(m, m)).sum() * dx / 2).item()


class Results:
    """The numbers of one notebook or study, kept in <output folder>/figures/results/<stem>.json."""

    def __init__(self, stem, **context):
        """context: what all its records share: dataset, split, profile, seed, device, ..."""
        self.path = output_dir() / "figures" / "results" / f"{stem}.json"
        self.context = {key: str(value) if key == "device" else value for key, value in context.items()}
        self.records = []

    def add(self, name, values, *, unit, setting, arm="", **details):
        """Record the mean of `values` [n] with its 95 % interval, rewrite the file, and return the record.

        unit: "accuracy", "seconds", ... setting: "inductive", "transductive" or "-" where neither applies.
        details: whatever differs from the shared context.
        """
        mean, half = mean_interval(values)
        record = {"name": name, "value": mean, "low": mean - half, "high": mean + half, "n": len(values), "unit": unit,
                  "arm": arm, "setting": setting, **self.context, **details, "versions": versions()}
        self.records.append(record)
        with atomic_path(self.path) as part:
            part.write_text(json.dumps(self.records, indent=1) + "\n", encoding="utf-8")
        return record


def percent(record):
    """A record of a fraction, for people: '41.7 ± 0.9 %'."""
    return f"{100 * record['value']:.1f} ± {50 * (record['high'] - record['low']):.1f} %"


# ---------------------------------------------------------------- judge and feature network in one


def train_classifier(images, labels, *, n_classes, n_steps, batch, generator, width=64, pool=0, lr=3e-3):
    """A `networks.ConvNet` in eval mode, taught to name the class of an image: a judge, and a source of `features`.

    images: float [B, 1, 28, 28] in [0, 1]. labels: int64 [B], from 0 to n_classes-1. width, pool: of the `ConvNet`.
    lr: of Adam, falling to 0 in a straight line. generator: on the images' device. It decides all that is random, the
    first weights too, and torch's global random numbers stay as they were.

    On `digits`, 140 drawings of each class, 300 steps of 64: 99.1 to 99.7 % of the other 340 drawings (five seeds;
    with a constant lr 96.5 to 99.7 %).
    Raises ValueError for images out of range and labels that do not fit.
    """
    positive(n_classes=n_classes, batch=batch)
    _check_images(images)
    _check_labels(labels, len(images), n_classes)
    network = _build(lambda: networks.ConvNet(n_classes, width=width, pool=pool), generator).to(images.device)
    optimiser = torch.optim.Adam(network.parameters(), lr)
    for step in progress(range(n_steps), desc="classifier"):
        optimiser.param_groups[0]["lr"] = lr * (1 - step / n_steps)
        rows = torch.randint(len(images), (batch,), device=images.device, generator=generator)
        loss = cross_entropy(network(images[rows]), labels[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return network.eval()


def _build(make, generator):
    """make(), whose layers draw from torch's global random numbers: meanwhile these follow `generator`."""
    seed = torch.randint(2**62, (), device=generator.device, generator=generator).item()
    with torch.random.fork_rng(devices=[]):     # layers are made on the CPU; no other device is touched
        torch.default_generator.manual_seed(seed)
        return make()


def features(network, images, chunk=500):
    """What the last layer of `network` sees of images [N, 1, 28, 28] in [0, 1]: float [N, F], without a graph.

    network: a trained `networks.ConvNet` in eval mode, F its width. Raises ValueError for one in training mode.
    """
    return _answers(network, network.features, images, chunk)


def conditioning(judge, images, labels, chunk=500):
    """Does the judge see the class that was asked for? float [N] of 0 and 1; `mean_interval` makes it an accuracy.

    judge: a function of images that returns logits [N, n_classes], as `train_classifier` makes one. images:
    [N, 1, 28, 28] in [0, 1], generated. labels: int64 [N], asked for. Read the result beside the same number for
    held-out real images: where the judge itself is wrong, no generator can be right.
    """
    logits = _answers(judge, judge, images, chunk)      # [N, n_classes]
    _check_labels(labels, len(images), logits.shape[1])
    return (logits.argmax(1) == labels.to(logits.device)).float().cpu()


@torch.no_grad()
def _answers(network, function, images, chunk):
    _check_images(images)
    if getattr(network, "training", False):
        raise ValueError("the network is in training mode: batch norm would let the images of a chunk change each "
                         "other's answers. Call network.eval() first.")
    return torch.cat([function(x) for x in images.split(chunk)])


def _check_images(images):
    if not images.is_floating_point() or not len(images):
        raise ValueError(f"images must be float and at least one, not {images.dtype} {list(images.shape)}. "
                         f"Divide uint8 images by 255.")
    low, high = images.min().item(), images.max().item()
    if not (low >= -1e-3 and high <= 1 + 1e-3):     # also true for NaN; 1e-3 is room for interpolation
        raise ValueError(f"images must be in [0, 1], these are in [{low:.4g}, {high:.4g}]. Rescale them first.")


def _check_labels(labels, n, n_classes):
    if labels.shape != (n,):
        raise ValueError(f"{n} images need labels [{n}], not {list(labels.shape)}.")
    if labels.min() < 0 or labels.max() >= n_classes:
        raise ValueError(f"labels of {n_classes} classes run from 0 to {n_classes - 1}, not from {labels.min()} to "
                         f"{labels.max()}. Number the classes anew, or raise n_classes.")


# ---------------------------------------------------------------- sample quality: sets of features


def frechet_distance(a, b):
    """|m_a - m_b|^2 + Tr(C_a + C_b - 2 (C_a C_b)^(1/2)) of features a [N, F] and b [M, F]: a float, 0 if alike.

    m and C are the sample mean and covariance (over N-1). It is the squared distance of two Gaussians (Dowson &
    Landau 1982; Heusel et al. 2017, eq. 6). Finite samples make it too large, by an amount that shrinks like 1/N and
    depends on the generator (Chong & Forsyth 2020): compare equal sizes only, and against `frechet_floor`.
    Raises ValueError for fewer than two rows, different F, or features that are not finite.
    """
    a, b = _vectors(a, b)
    if min(len(a), len(b)) < 2:
        raise ValueError(f"a covariance needs at least 2 rows; there are {len(a)} and {len(b)}. Draw more samples.")
    root_a, root_b = _covariance_root(a), _covariance_root(b)
    trace_of_root = torch.linalg.svdvals(root_a @ root_b.T).sum()
    squared = (a.mean(0) - b.mean(0)).square().sum() + root_a.square().sum() + root_b.square().sum()
    return max((squared - 2 * trace_of_root).item(), 0.0)       # rounding can end just below 0


def _covariance_root(x):
    """R [min(N, F), F] with R^T R = C, the covariance of x [N, F].

    C_a C_b has the eigenvalues of (R_a R_b^T)(R_a R_b^T)^T, so Tr (C_a C_b)^(1/2) is the sum of the singular values
    of R_a R_b^T. No root of a rounding error is taken, as it would be where C has eigenvalue 0.
    """
    return torch.linalg.qr(x - x.mean(0), mode="r").R / (len(x) - 1) ** 0.5


def frechet_floor(real, n, *, repeats, generator):
    """What a perfect generator would get: `frechet_distance` of two disjoint random sets of n rows of real [N, F].

    Returns float64 [repeats]. All repeats draw from the same N rows and are not independent: they show the spread of
    one comparison. Raises ValueError if 2 n > N.
    """
    positive(n=n, repeats=repeats)
    if 2 * n > len(real):
        raise ValueError(f"two disjoint sets of {n} need {2 * n} real images; there are {len(real)}. "
                         f"Use n<={len(real) // 2}, and as many generated images.")
    values = []
    for _ in range(repeats):
        rows = torch.randperm(len(real), device=generator.device, generator=generator).to(real.device)
        values.append(frechet_distance(real[rows[:n]], real[rows[n:2 * n]]))
    return torch.tensor(values, dtype=torch.float64)


class Quality(NamedTuple):
    """How good samples are (precision, density) and how much of the real they cover (recall, coverage): floats."""

    precision: float    # share of fakes within the k-neighbour ball of some real
    recall: float       # share of reals within the k-neighbour ball of some fake
    density: float      # real balls around a fake, on average, over k: may exceed 1; 1 expected where the laws agree
    coverage: float     # share of reals whose own ball holds a fake


def prdc(real, fake, k=5):
    """`Quality` of fake [M, F] against real [N, F]; each point's ball reaches to its k-th nearest other of its set.

    precision, recall: Kynkäänniemi et al. 2019, eq. 1-2. density, coverage: Naeem et al. 2020, section 3. A ball
    includes its surface, so a set against itself gets 1, 1, (k+1)/k, 1. All depend on N, M and k: compare only where
    these are equal, and with prdc of two real sets. Raises ValueError if k is not below N and M.
    """
    positive(k=k)
    real, fake = _vectors(real, fake)
    if k >= min(len(real), len(fake)):
        raise ValueError(f"k={k} neighbours need {k + 1} points in each set; there are {len(real)} real and "
                         f"{len(fake)} fake. Use k<={min(len(real), len(fake)) - 1} or more samples.")
    distances = _distances(real, fake)                              # [N, M]
    in_real = distances <= _radii(real, k)[:, None]                 # [N, M]: fake j lies in the ball of real i
    in_fake = distances <= _radii(fake, k)                          # [N, M]: real i lies in the ball of fake j
    return Quality(precision=in_real.any(0).double().mean().item(), recall=in_fake.any(1).double().mean().item(),
                   density=in_real.sum().item() / (k * len(fake)), coverage=in_real.any(1).double().mean().item())


def _radii(x, k):
    """The distance of each row of x [N, F] to its k-th nearest other row: [N]."""
    return _distances(x, x).fill_diagonal_(torch.inf).kthvalue(k, dim=1).values


def _distances(a, b):
    """[N, M]. Not by |a|^2 - 2ab + |b|^2, which is fast but puts equal rows a rounding error apart."""
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


def _vectors(a, b):
    """Two sets of features, [N, F] and [M, F], as float64 on the CPU (not every device has float64)."""
    if a.dim() != 2 or b.dim() != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"features must be [N, F] and [M, F], not {list(a.shape)} and {list(b.shape)}. "
                         f"Take both from one feature network.")
    if not (a.isfinite().all() and b.isfinite().all()):
        raise ValueError("some features are NaN or infinite. Look for a generator or network that has diverged.")
    return a.detach().cpu().double(), b.detach().cpu().double()


# ---------------------------------------------------------------- sample quality: copies of the training set


def nearest_training(images, training, chunk=500):
    """For images [N, 1, H, W] in [0, 1], the nearest of training [M, 1, H, W]: (distances float64 [N], indices [N]).

    Euclidean over pixels, where 1 is one pixel changed from empty to full ink. Both results are on the CPU.
    """
    _check_images(images)
    _check_images(training)
    x, known = (batch.detach().cpu().double().flatten(1) for batch in (images, training))       # [N, P], [M, P]
    indices = torch.cat([torch.cdist(part, known, compute_mode="use_mm_for_euclid_dist").argmin(1)
                         for part in x.split(chunk)])
    return (x - known[indices]).norm(dim=1), indices        # measured anew: exactly 0 for a copy


def memorisation(fake, training, held_out):
    """How likely a fake lies nearer to the training set than a held-out real image does: a float in [0, 1].

    1: all fakes are nearer, as copies are; 0.5: as far as fresh real images; 0: all are farther; ties count half.
    Distances are those of `nearest_training`. held_out: real images kept from the generator, of the classes of training
    and of fake, in the same shares. The Mann-Whitney statistic of Meehan, Chaudhuri & Dasgupta 2020 ("A non-parametric
    test to detect data-copying in generative models") without their cells, turned so that copies score high. For n
    fakes and m held-out images of one law its standard error is sqrt((n + m + 1) / (12 n m)).

    A high value alone does not prove copying: in pixels, thin strokes that miss each other are farther apart than
    either is from an empty image. On 200 classes of `glyphs` blurred drawings score 0.8, empty images 0.9. Look at
    the pairs.
    """
    ours = nearest_training(fake, training)[0]
    theirs = nearest_training(held_out, training)[0].sort().values
    nearer = torch.searchsorted(theirs, ours)                   # [N]: held-out images strictly nearer than this fake
    as_near = torch.searchsorted(theirs, ours, right=True)      # [N]: the same, and ties
    return 1 - ((nearer + as_near).double() / 2 / len(theirs)).mean().item()
