import math

import numpy as np
import pytest
import scipy.linalg
import scipy.spatial
import scipy.stats
import torch

from course_lib import quality, runtime, statistics


def test_jsd_of_densities_as_scipy_has_it_of_probabilities():
    x = torch.linspace(-10, 10, 2001, dtype=torch.float64)
    dx = 0.01
    p, q = (torch.distributions.Normal(mean, spread).log_prob(x).exp() for mean, spread in ((-0.3, 1.0), (1.0, 0.5)))
    expected = scipy.spatial.distance.jensenshannon(p, q) ** 2
    assert quality.jsd(p, q, dx) == pytest.approx(expected, rel=1e-6) and expected > 0.1
    box = (x > 5).double() / 5
    assert quality.jsd(p * (x < 5), box, dx) == pytest.approx(math.log(2), rel=1e-3)
    assert quality.jsd(p, p, dx) == 0


def random_moments(n_features, rng):
    """A mean [F] and a covariance [F, F] that is far from diagonal, float64."""
    root = torch.randn(n_features, n_features, generator=rng, dtype=torch.float64)
    return torch.randn(n_features, generator=rng, dtype=torch.float64), root @ root.T


def closed_form(mean_a, cov_a, mean_b, cov_b):
    """Heusel et al. 2017, eq. 6, with scipy's matrix square root."""
    root = scipy.linalg.sqrtm((cov_a @ cov_b).numpy()).real
    return float((mean_a - mean_b).square().sum() + cov_a.trace() + cov_b.trace()) - 2 * root.trace()


def with_moments(n, mean, cov, rng):
    """n points whose sample mean and sample covariance (over n-1) are exactly these."""
    x = torch.randn(n, len(mean), generator=rng, dtype=torch.float64)
    x = x - x.mean(0)
    whitening = torch.linalg.inv(torch.linalg.cholesky(torch.cov(x.T)))
    return x @ whitening.T @ torch.linalg.cholesky(cov).T + mean


@pytest.mark.parametrize("n_features", [2, 5, 20])
def test_frechet_of_given_moments(n_features):
    rng = torch.Generator().manual_seed(n_features)
    moments_a, moments_b = random_moments(n_features, rng), random_moments(n_features, rng)
    a, b = with_moments(50, *moments_a, rng), with_moments(81, *moments_b, rng)
    commutator = moments_a[1] @ moments_b[1] - moments_b[1] @ moments_a[1]
    assert commutator.norm() > 1, "commuting covariances would hide a mistake"
    assert quality.frechet_distance(a, b) == pytest.approx(closed_form(*moments_a, *moments_b), rel=1e-8)


def test_frechet_of_samples_from_two_gaussians():
    rng = torch.Generator().manual_seed(0)
    (mean_a, cov_a), (mean_b, cov_b) = random_moments(4, rng), random_moments(4, rng)
    draw = lambda mean, cov: (torch.randn(50_000, 4, generator=rng, dtype=torch.float64)          # noqa: E731
                              @ torch.linalg.cholesky(cov).T + mean)
    values = torch.tensor([quality.frechet_distance(draw(mean_a, cov_a), draw(mean_b, cov_b)) for _ in range(10)])
    truth, error = closed_form(mean_a, cov_a, mean_b, cov_b), values.std().item() / 10 ** 0.5
    assert abs(values.mean().item() - truth) < 3 * error < 0.02 * truth


def test_frechet_in_one_dimension_is_that_of_means_and_deviations():
    a, b = torch.tensor([[1.0], [2.0], [6.0]]), torch.tensor([[0.0], [8.0]])       # means 3, 4; variances 7, 32
    assert quality.frechet_distance(a, b) == pytest.approx(1 + (32 ** 0.5 - 7 ** 0.5) ** 2, rel=1e-12)


@pytest.mark.parametrize("n", [5, 300])       # fewer rows than features: a covariance of rank 4
def test_frechet_of_equal_sets_is_0_and_of_a_shift_its_square(n):
    rng = torch.Generator().manual_seed(n)
    x = torch.randn(n, 12, generator=rng, dtype=torch.float64) * 3
    shift = torch.randn(12, generator=rng, dtype=torch.float64)
    assert 0 <= quality.frechet_distance(x, x[torch.randperm(n, generator=rng)]) < 1e-9
    assert quality.frechet_distance(x, x + shift) == pytest.approx(shift.square().sum().item(), abs=1e-9)
    assert quality.frechet_distance(x, 3 * x - 2 * x.mean(0)) == pytest.approx(4 * x.var(0).sum().item(), rel=1e-9)


def test_frechet_of_covariances_without_full_rank():
    # a varies along axes 0 and 1, b along 1 and 2, and both are turned into 12 dimensions. C_a C_b then has one
    # eigenvalue that is not 0: the product of the two variances along axis 1.
    rng = torch.Generator().manual_seed(0)
    a = torch.randn(40, 3, generator=rng, dtype=torch.float64) @ torch.tensor([[2.0, 1, 0], [0, 1, 0], [0, 0, 0]],
                                                                                    dtype=torch.float64)
    b = torch.randn(30, 3, generator=rng, dtype=torch.float64) @ torch.tensor([[0.0, 0, 0], [0, 1, 3], [0, 0, 1]],
                                                                                    dtype=torch.float64) + 1
    turn = torch.linalg.qr(torch.randn(12, 12, generator=rng, dtype=torch.float64)).Q[:3]    # [3, 12]
    truth = (a.mean(0) - b.mean(0)).square().sum() + a.var(0).sum() + b.var(0).sum() - 2 * (a.std(0) * b.std(0))[1]
    assert quality.frechet_distance(a @ turn, b @ turn) == pytest.approx(truth.item(), rel=1e-9)


def test_frechet_bias_shrinks_like_one_over_n():
    # Two sets of N from one standard normal: 2F/N from the means and F(F+1)/(2N) from the covariances, the leading
    # term of |C_a - C_b|^2 / 4. With F = 4 that is 18/N.
    rng = torch.Generator().manual_seed(0)
    for n, repeats in ((200, 1600), (800, 1600)):
        sets = torch.randn(repeats, 2, n, 4, generator=rng)
        values = torch.tensor([n * quality.frechet_distance(a, b) for a, b in sets])
        mean, half = statistics.mean_interval(values)
        assert abs(mean - 18) < 1.5 * half < 0.6


def test_frechet_refuses_what_has_no_distance():
    x = torch.randn(10, 3, generator=torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match="at least 2 rows; there are 10 and 1"):
        quality.frechet_distance(x, x[:1])
    with pytest.raises(ValueError, match=r"not \[10, 3\] and \[10, 2\]"):
        quality.frechet_distance(x, x[:, :2])
    for bad in (torch.nan, torch.inf):
        with pytest.raises(ValueError, match="NaN or infinite"):
            quality.frechet_distance(x, x.index_fill(0, torch.tensor([4]), bad))


def test_floor_halves_are_disjoint():
    real = torch.tensor([[0.0], [1.0], [10.0], [100.0]])
    distance = lambda a, b: (np.mean(a) - np.mean(b)) ** 2 + (np.std(a, ddof=1) - np.std(b, ddof=1)) ** 2   # noqa: E731
    possible = sorted(distance(a, b) for a, b in (([0, 1], [10, 100]), ([0, 10], [1, 100]), ([0, 100], [1, 10])))
    found = quality.frechet_floor(real, 2, repeats=60, rng=torch.Generator().manual_seed(0))
    assert found.shape == (60,) and found.dtype == torch.float64
    assert found.round(decimals=6).unique().tolist() == pytest.approx(possible, rel=1e-6)


def test_floor_repeats_with_its_generator_and_shrinks_with_n():
    real = torch.randn(1000, 8, generator=torch.Generator().manual_seed(0))
    floor = lambda n, seed: quality.frechet_floor(real, n, repeats=20,                       # noqa: E731
                                                   rng=torch.Generator().manual_seed(seed))
    assert torch.equal(floor(100, 1), floor(100, 1)) and not torch.equal(floor(100, 1), floor(100, 2))
    assert floor(400, 1).min() > 0
    assert floor(100, 1).mean() > 3 * floor(400, 1).mean()
    with pytest.raises(ValueError, match=r"two disjoint sets of 501 need 1002 real images; there are 1000.*n<=500"):
        floor(501, 1)


def loops(real, fake, k):
    """The four definitions, word for word, for lists of points."""
    def radii(points):
        return [sorted(math.dist(p, q) for j, q in enumerate(points) if j != i)[k - 1] for i, p in enumerate(points)]

    inside = [[math.dist(x, y) <= r for y in fake] for x, r in zip(real, radii(real))]      # [real][fake]
    precision = sum(any(row[j] for row in inside) for j in range(len(fake))) / len(fake)
    recall = sum(any(math.dist(x, y) <= r for y, r in zip(fake, radii(fake))) for x in real) / len(real)
    return precision, recall, sum(map(sum, inside)) / (k * len(fake)), sum(map(any, inside)) / len(real)


@pytest.mark.parametrize("k", [1, 3, 6])
def test_prdc_against_loops(k):
    rng = torch.Generator().manual_seed(k)
    seen = set()
    for _ in range(20):
        real = torch.randn(13, 3, generator=rng, dtype=torch.float64)
        fake = torch.randn(8, 3, generator=rng, dtype=torch.float64) * 0.6 + 0.5
        found = quality.prdc(real, fake, k)
        assert tuple(found) == pytest.approx(loops(real.tolist(), fake.tolist(), k), abs=1e-12)
        seen.add(tuple(found))
    assert len(seen) > 10


def test_prdc_exchanges_precision_and_recall_with_its_arguments():
    rng = torch.Generator().manual_seed(0)
    wide, narrow = torch.randn(60, 2, generator=rng) * 3, torch.randn(90, 2, generator=rng)
    one, other = quality.prdc(wide, narrow), quality.prdc(narrow, wide)
    assert (one.precision, one.recall) == (other.recall, other.precision)
    assert one.precision > one.recall + 0.3, "a narrow fake: what it draws looks real, much of the real is missing"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_prdc_of_equal_sets(dtype):
    x = torch.randn(200, 64, generator=torch.Generator().manual_seed(0)).to(dtype) + 100     # far from the origin
    assert quality.prdc(x, x.clone(), k=4) == (1, 1, 5 / 4, 1)     # each ball: its centre and 4 neighbours
    twice = x[:50].repeat(2, 1)
    assert quality.prdc(twice, twice.clone(), k=1) == (1, 1, 2, 1)     # balls of radius 0 hold both copies


def test_prdc_does_not_depend_on_where_the_origin_is():
    rng = torch.Generator().manual_seed(0)
    real, fake = (torch.randn(n, 3, generator=rng, dtype=torch.float64) for n in (60, 50))
    assert quality.prdc(real + 1e7, fake + 1e7) == quality.prdc(real, fake)


def test_prdc_far_away_is_0():
    x = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    assert quality.prdc(x, x + 1000) == (0, 0, 0, 0)


def test_prdc_with_one_of_four_modes_missing_and_with_one_invented():
    rng = torch.Generator().manual_seed(0)
    centres = torch.tensor([[0.0, 0.0], [50.0, 0.0], [0.0, 50.0], [50.0, 50.0]])

    def draw(modes):
        return torch.cat([centre + torch.randn(200, 2, generator=rng) for centre in centres[:modes]])

    covered = 1 - math.comb(199, 5) / math.comb(399, 5)     # 0.97, within one mode: see the next test
    for n_real, n_fake, precise, found in ((4, 3, 1, 3 / 4), (3, 4, 3 / 4, 1)):
        precision, recall, _, coverage = zip(*(quality.prdc(draw(n_real), draw(n_fake)) for _ in range(20)))
        assert 0.96 * precise < sum(precision) / 20 <= precise
        assert 0.96 * found < sum(recall) / 20 <= found
        mean, half = statistics.mean_interval(coverage)
        assert abs(mean - found * covered) < 1.5 * half < 0.01


def test_density_and_coverage_of_one_law_are_as_expected():
    # Naeem et al. 2020: the expected density is 1; a real point is uncovered if its k nearest of all other points,
    # N-1 real and M fake, are all real.
    rng, n, m, k = torch.Generator().manual_seed(0), 40, 30, 3
    qualities = [quality.prdc(torch.randn(n, 2, generator=rng), torch.randn(m, 2, generator=rng), k)
                 for _ in range(400)]
    density, half = statistics.mean_interval([q.density for q in qualities])
    assert abs(density - 1) < 1.5 * half < 0.05
    coverage, half = statistics.mean_interval([q.coverage for q in qualities])
    expected = 1 - math.comb(n - 1, k) / math.comb(n + m - 1, k)
    assert abs(coverage - expected) < 1.5 * half < 0.02


def test_prdc_refuses_more_neighbours_than_there_are():
    x = torch.randn(10, 2, generator=torch.Generator().manual_seed(0))
    assert quality.prdc(x, x[:6], k=5).precision == 1
    for real, fake in ((x, x[:5]), (x[:5], x)):
        with pytest.raises(ValueError, match=r"k=5 neighbours need 6 points in each set.*k<=4"):
            quality.prdc(real, fake, k=5)
    with pytest.raises(ValueError, match="k must be a whole number of at least 1, not 0"):
        quality.prdc(x, x, k=0)


def pictures(n, rng):
    return torch.rand(n, 1, 4, 3, generator=rng)


def test_nearest_training_against_loops_whatever_the_chunk():
    rng = torch.Generator().manual_seed(0)
    images, training = pictures(23, rng), pictures(31, rng)
    images[5], images[9] = training[30], training[0]        # the last and the first
    for chunk in (1, 7, 500):
        distances, indices = quality.nearest_training(images, training, chunk=chunk)
        for image, distance, index in zip(images.flatten(1).tolist(), distances.tolist(), indices.tolist()):
            all_distances = [math.dist(image, known) for known in training.flatten(1).tolist()]
            assert index == all_distances.index(min(all_distances))
            assert distance == pytest.approx(min(all_distances), rel=1e-12)


def test_nearest_training_puts_a_copy_at_distance_0_without_any_rounding():
    training = torch.rand(100, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    distances, indices = quality.nearest_training(training.flip(0), training)
    assert (distances == 0).all() and indices.tolist() == list(range(99, -1, -1))


def test_memorisation_of_copies_of_fresh_images_and_of_far_ones():
    rng = torch.Generator().manual_seed(0)
    training, held_out, fresh = (0.4 * pictures(n, rng) for n in (300, 200, 250))
    copies, far = training[:250], fresh + 0.6
    error = ((250 + 200 + 1) / (12 * 250 * 200)) ** 0.5
    assert quality.memorisation(copies, training, held_out) == 1
    assert abs(quality.memorisation(fresh, training, held_out) - 0.5) < 3 * error
    assert quality.memorisation(far, training, held_out) == 0
    mixed = torch.cat([copies[:100], far[:150]])
    assert quality.memorisation(mixed, training, held_out) == pytest.approx(100 / 250, rel=1e-12)


def test_memorisation_counts_pairs_and_halves_ties():
    training = torch.zeros(1, 1, 1, 1)
    fake, held_out = (torch.tensor(values).view(-1, 1, 1, 1) for values in ([0.25, 0.5, 0.75], [0.5, 0.5, 1.0, 0.125]))
    pairs = [(f < h) + (f == h) / 2 for f in fake.flatten().tolist() for h in held_out.flatten().tolist()]
    assert quality.memorisation(fake, training, held_out) == pytest.approx(sum(pairs) / 12, rel=1e-12)
    u = scipy.stats.mannwhitneyu(held_out.flatten(), fake.flatten()).statistic
    assert u / 12 == pytest.approx(sum(pairs) / 12, rel=1e-12)


def test_images_out_of_range_and_none_at_all_are_refused():
    images = torch.full((4, 1, 28, 28), 0.5)
    with pytest.raises(ValueError, match="uint8"):
        quality.nearest_training(images, (images * 255).byte())
    with pytest.raises(ValueError, match="at least one"):
        quality.memorisation(images, images, images[:0])


def test_energy_distance_is_the_mean_over_pairs():
    a, b = torch.rand(5, 3, generator=runtime.rng(1)), torch.rand(7, 3, generator=runtime.rng(2)) + 0.5

    def apart(x, y):
        gaps = [math.dist(x[i].tolist(), y[j].tolist()) for i in range(len(x)) for j in range(len(y))
                if x is not y or i != j]
        return sum(gaps) / len(gaps)

    assert quality.energy_distance(a, b).item() == pytest.approx(2 * apart(a, b) - apart(a, a) - apart(b, b), rel=1e-5)


def test_energy_distance_of_equals_is_zero_in_the_mean():
    found = torch.stack([quality.energy_distance(*torch.randn(2, 10, 4, generator=runtime.rng(seed)))
                         for seed in range(400)])
    assert abs(found.mean()) < 3 * found.std() / 20 and found.min() < 0
