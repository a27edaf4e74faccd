"""Item statistics against closed forms: what ttt takes from SciPy or statsmodels is not tested against the other."""

from math import comb

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower

from ttt.stats.items import (
    benjamini_hochberg,
    item_mean,
    items_to_decide,
    mcnemar_p,
    minimum_detectable_difference,
    paired_difference,
    paired_interval,
)

EXACT = {"rel": 1e-8, "abs": 1e-12}


def pair(n=500, lift=0.05, seed=0):
    """Two sets of 0 and 1 on the same items, the second better by the lift on average."""
    rng = np.random.default_rng(seed)
    ease = rng.random(n)
    return (ease < 0.5).astype(float), ((ease + 0.2 * rng.standard_normal(n)) < 0.5 + lift).astype(float)


def test_mcnemar_is_the_exact_binomial_test():
    first, second = pair()
    gained, lost = int(((second == 1) & (first == 0)).sum()), int(((second == 0) & (first == 1)).sum())
    assert min(gained, lost) > 10
    assert gained != lost
    n = gained + lost
    tail = sum(comb(n, k) for k in range(min(gained, lost) + 1))
    assert mcnemar_p(first, second) == pytest.approx(2 * tail / 2**n, **EXACT)
    assert mcnemar_p([0, 0, 1, 1], [1, 1, 1, 0]) == 1.0  # 2 gained, 1 lost: (1 + 3) / 8, twice
    assert mcnemar_p([0] * 8, [1] * 8) == pytest.approx(2 / 2**8, **EXACT)


def test_no_discordant_item_is_no_evidence():
    first, _ = pair()
    assert mcnemar_p(first, first) == 1.0
    same = paired_difference(first, first)
    assert (same.difference, same.p, same.n_gained, same.n_lost) == (0.0, 1.0, 0, 0)


@pytest.mark.parametrize("n", [40, 299])
def test_small_proportions_get_the_wilson_interval(n):
    first, _ = pair(n)
    mean = item_mean(first)
    assert mean.method == "wilson"
    z, p = stats.norm.ppf(0.975), first.mean()
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert (mean.low, mean.high) == pytest.approx((centre - half, centre + half), **EXACT)


def test_perfect_small_scores_keep_an_interval():
    mean = item_mean(np.ones(20))
    assert mean.low < 0.9
    assert mean.high == pytest.approx(1.0)


def test_large_scores_get_the_normal_interval():
    first, _ = pair(300)
    mean = item_mean(first)
    assert mean.method == "normal"
    assert mean.se == pytest.approx(stats.sem(first), **EXACT)
    assert (mean.low, mean.high) == pytest.approx(stats.norm.interval(0.95, first.mean(), stats.sem(first)), **EXACT)


def test_cluster_errors_equal_the_sandwich_by_hand():
    rng = np.random.default_rng(1)
    groups = rng.integers(0, 40, 600)
    values = (rng.random(600) + 0.5 * rng.standard_normal(40)[groups] > 0.5).astype(float)
    mean = item_mean(values, groups)
    sums = np.array([(values - values.mean())[groups == g].sum() for g in np.unique(groups)])
    n_groups = len(sums)
    by_hand = np.sqrt(n_groups / (n_groups - 1) * (sums**2).sum()) / 600
    assert mean.se == pytest.approx(by_hand, **EXACT)
    half = stats.t.ppf(0.975, n_groups - 1) * by_hand
    assert (mean.low, mean.high) == pytest.approx((values.mean() - half, values.mean() + half), **EXACT)
    assert mean.se > 1.5 * item_mean(values).se
    assert (mean.n_items, mean.n_groups) == (600, n_groups)


def test_groups_of_one_change_nothing_but_the_t():
    first, _ = pair(400)
    assert item_mean(first, np.arange(400)).se == pytest.approx(item_mean(first).se, **EXACT)


def test_paired_bounds_are_near_those_of_a_bootstrap():
    first, second = pair(400)
    ours = paired_difference(first, second)
    theirs = stats.bootstrap(
        (second - first,), np.mean, n_resamples=20000, method="percentile", rng=np.random.default_rng(5)
    ).confidence_interval
    assert ours.difference == pytest.approx((second - first).mean(), **EXACT)
    assert ours.se == pytest.approx(stats.sem(second - first), **EXACT)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.006)
    assert ours.p == mcnemar_p(first, second)


@pytest.mark.parametrize("n_items", [30, 400])
def test_paired_bounds_hold_zero_where_the_test_does_not_reject(n_items):
    """Of every number of gains and losses up to 20, some near p = 0.05."""
    ps = []
    for gained in range(21):
        for lost in range(min(21, n_items - gained)):
            gain = np.repeat([1.0, -1.0, 0.0], [gained, lost, n_items - gained - lost])
            found = paired_difference(gain < 0, gain > 0)
            assert (found.low <= 0 <= found.high) == (found.p >= 0.05), (gained, lost)
            assert found.low <= found.difference <= found.high
            ps.append(found.p)
    assert any(0.04 < p < 0.05 for p in ps)
    assert any(0.05 <= p < 0.06 for p in ps)


def test_paired_bounds_cover():
    rng = np.random.default_rng(7)
    for shares in ([0.02, 0.93, 0.05], [0.1, 0.7, 0.2]):
        true = shares[2] - shares[0]
        gains = rng.choice([-1.0, 0.0, 1.0], p=shares, size=(400, 200))
        found = [paired_difference(gain < 0, gain > 0) for gain in gains]
        assert sum(one.low <= true <= one.high for one in found) >= 371  # 95 % is 380; two standard errors are 9


def test_paired_differences_of_graded_scores_use_students_t():
    rng = np.random.default_rng(2)
    first = rng.random(200)
    second = first + 0.02 + 0.1 * rng.standard_normal(200)
    found, theirs = paired_difference(first, second), stats.ttest_rel(second, first)
    assert found.p == pytest.approx(theirs.pvalue, **EXACT)
    assert (found.low, found.high) == pytest.approx(tuple(theirs.confidence_interval()), **EXACT)


def test_groups_widen_the_paired_interval():
    rng = np.random.default_rng(3)
    groups = np.repeat(np.arange(30), 20)
    first = np.zeros(600)
    second = 0.1 * rng.standard_normal(30)[groups] + 0.01 * rng.standard_normal(600)
    alone, grouped = paired_difference(first, second), paired_difference(first, second, groups)
    assert grouped.high - grouped.low > 3 * (alone.high - alone.low)
    assert grouped.n_groups == 30


def test_pairs_of_unequal_length_and_empty_results_are_refused():
    with pytest.raises(ValueError, match="3 items against 4"):
        paired_difference(np.ones(4), np.ones(3))
    with pytest.raises(ValueError, match="an empty result is not a score of zero"):
        item_mean([])
    with pytest.raises(ValueError, match="item 1 has no finite score"):
        item_mean([0.0, np.nan])


def test_paired_interval_never_collapses():
    low, high = paired_interval(np.zeros(50))
    assert low < -0.01 < 0.01 < high
    low, high = paired_interval(np.zeros(5000))
    assert -0.001 < low < 0 < high < 0.001


def test_paired_interval_covers():
    rng = np.random.default_rng(4)
    inside = 0
    for _ in range(500):
        gain = rng.choice([-1.0, 0.0, 1.0], p=[0.02, 0.93, 0.05], size=200)
        low, high = paired_interval(gain)
        inside += low <= 0.03 <= high
    assert inside >= 470  # 95 % of 500 is 475; two binomial standard errors are 10


def test_minimum_detectable_difference_has_the_power_it_says():
    rng = np.random.default_rng(5)
    gain = rng.choice([-1.0, 0.0, 1.0], p=[0.1, 0.8, 0.1], size=800)
    needed = minimum_detectable_difference(gain)
    assert needed == pytest.approx((1.96 + 0.8416) * gain.std(ddof=1) / np.sqrt(800), rel=0.01)
    found = [stats.ttest_1samp(needed + rng.choice(gain - gain.mean(), 800), 0).pvalue < 0.05 for _ in range(400)]
    assert np.mean(found) == pytest.approx(0.8, abs=0.06)
    assert np.isnan(minimum_detectable_difference(np.zeros(10)))


def test_a_detectable_difference_is_a_number_above_zero_for_every_number_of_items():
    """For 73, 120, 1319, 1458 and 190 others statsmodels' own search gives an array, or an effect below 0."""
    n = np.arange(3, 2001)
    gains = [np.resize([-1.0, 1.0], size) for size in n]
    effects = np.array([minimum_detectable_difference(gain) / gain.std(ddof=1) for gain in gains])
    assert TTestPower().power(effects, n, 0.05) == pytest.approx(np.full(len(n), 0.8), abs=1e-6)
    assert (np.diff(effects) < 0).all()
    assert (effects > 0).all()


def test_items_to_decide_have_the_power_they_say():
    rng = np.random.default_rng(7)
    kinds = np.repeat([-1.0, 0.0, 1.0], [80, 760, 160])
    needed = items_to_decide(kinds)
    assert needed is not None
    found = [stats.ttest_1samp(rng.choice(kinds, needed), 0).pvalue < 0.05 for _ in range(1000)]
    assert np.mean(found) == pytest.approx(0.8, abs=0.04)
    assert items_to_decide(-kinds) == needed
    assert items_to_decide(np.zeros(10)) is items_to_decide(np.array([1.0])) is None
    assert items_to_decide(np.array([1.0, -1.0])) is None


def test_benjamini_hochberg_is_the_step_up_rule():
    assert benjamini_hochberg([0.04, 0.01, 0.03, 0.8]) == pytest.approx([0.16 / 3, 0.04, 0.16 / 3, 0.8], **EXACT)
    p = np.random.default_rng(6).random(40) ** 3
    by_hand = [min(min(1.0, 40 * q / (p <= q).sum()) for q in p[p >= own]) for own in p]
    assert benjamini_hochberg(p) == pytest.approx(by_hand, **EXACT)
