import math

import pytest
import torch

from course_lib import statistics


def test_interval_in_closed_form():
    mean, half = statistics.mean_interval([0.0, 1.0, 1.0, 1.0])       # s^2 = 4/3 * 3/16 = 1/4
    assert mean == 0.75
    assert half == pytest.approx(3.18244630528 * 0.5 / 2, rel=1e-9)


def test_interval_covers_the_truth_in_95_of_100_repetitions():
    values = torch.rand(4000, 50, generator=torch.Generator().manual_seed(0))
    covered = [abs(mean - 0.5) <= half for mean, half in map(statistics.mean_interval, values)]
    assert 0.93 < sum(covered) / 4000 < 0.965       # 0.947 expected at n = 50; three standard errors are 0.011


def test_interval_of_one_value_is_refused():
    with pytest.raises(ValueError, match="at least 2 values, not 1"):
        statistics.mean_interval([0.5])


def test_a_paired_difference_is_known_better_than_the_two():
    hard = torch.rand(200, generator=torch.Generator().manual_seed(0))      # what both learners suffer from
    luck = torch.rand(2, 200, generator=torch.Generator().manual_seed(1)) / 20
    a, b = 0.9 - hard / 2 + luck[0], 0.88 - hard / 2 + luck[1]
    mean, half = statistics.mean_interval(statistics.paired_difference(a, b))
    assert mean == pytest.approx((a.mean() - b.mean()).item(), abs=1e-6) and mean - half > 0
    assert half < statistics.mean_interval(a)[1] / 4
    with pytest.raises(ValueError, match=r"\[200\] and \[199\]"):
        statistics.paired_difference(a, b[1:])


def test_the_fraction_recovered_is_a_ratio_of_means_with_the_jackknife():
    g = torch.Generator().manual_seed(0)
    none = 0.6 + 0.05 * torch.randn(12, generator=g)
    real = none + 0.2 + 0.03 * torch.randn(12, generator=g)
    arm = none + 0.4 * (real - none) + 0.01 * torch.randn(12, generator=g)
    values = statistics.fraction_recovered(none, arm, real)
    ratio = ((arm - none).mean() / (real - none).mean()).item()
    mean, half = statistics.mean_interval(values)
    assert mean == pytest.approx(ratio, abs=5e-3)
    left_out = [((arm - none)[torch.arange(12) != i].mean() / (real - none)[torch.arange(12) != i].mean()).item()
                for i in range(12)]
    assert values.tolist() == pytest.approx([12 * ratio - 11 * r for r in left_out], rel=1e-4)
    spread = [((arm - none)[rows].mean() / (real - none)[rows].mean()).item()
              for rows in torch.randint(12, (2000, 12), generator=g)]       # the bootstrap, an independent way
    assert half == pytest.approx(2.2 * torch.tensor(spread).std().item(), rel=0.3)
    assert statistics.fraction_recovered(none, none, real).tolist() == pytest.approx([0.0] * 12, abs=1e-6)
    assert statistics.fraction_recovered(none, real, real).tolist() == pytest.approx([1.0] * 12, abs=1e-6)


def test_the_fraction_recovered_needs_paired_runs():
    with pytest.raises(ValueError, match="same runs"):
        statistics.fraction_recovered(torch.rand(3), torch.rand(3), torch.rand(4))
    with pytest.raises(ValueError, match="at least 2"):
        statistics.fraction_recovered(torch.rand(1), torch.rand(1), torch.rand(1))


def test_holm_is_bonferroni_over_every_set_of_comparisons():
    """Against its definition as a closed test: i stands if each set that holds i has a p <= alpha / its size."""
    g = torch.Generator().manual_seed(0)
    for m, alpha in ((1, 0.05), (4, 0.1), (6, 0.05)):
        for _ in range(30):
            p = torch.rand(m, generator=g) ** 4
            sets = [[i for i in range(m) if bits >> i & 1] for bits in range(1, 2 ** m)]
            stands = [all(min(p[j] for j in some) <= alpha / len(some) for some in sets if i in some) for i in range(m)]
            assert statistics.holm(p, alpha).tolist() == stands
    assert statistics.holm(torch.tensor([0.03, 0.02]), 0.05).tolist() == [True, True]
    assert statistics.holm(torch.tensor([0.03, 0.04]), 0.05).tolist() == [False, False]


@pytest.mark.parametrize("p", (1.2, -0.1, math.nan))
def test_holm_refuses_what_is_no_p_value(p):
    with pytest.raises(ValueError, match=r"p-values lie in \[0, 1\]"):
        statistics.holm(torch.tensor([0.3, p]), 0.05)
