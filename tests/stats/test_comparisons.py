"""Effects, emergence, frontier, ranking, discriminator and the recreated confound, on planted data."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from ttt.stats.confound import recreate_confound
from ttt.stats.discriminator import discriminate
from ttt.stats.effects import direct_effect, indirect_effect
from ttt.stats.emergence import emergence
from ttt.stats.frontier import frontier, frontier_gain
from ttt.stats.ranking import first_component_share, kendall, rank_changes, ranks, tie_groups


def world(n=60, seed=0):
    """log10 compute, newer, families of three, and scores before and after adjusting (lead 0.1, then none)."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(20.5, 24, n)
    newer = (np.arange(n) % 6 < 3).astype(float)
    after = 0.25 + 0.14 * np.maximum(0, x - 20.7) + 0.02 * rng.standard_normal(n)
    before = 0.25 + 0.2 * np.maximum(0, x - 22) + 0.1 * newer + 0.02 * rng.standard_normal(n)
    return x, newer, np.arange(n) // 3, before, after


def test_effects_split_the_lead_into_what_stays_and_what_goes():
    x, newer, family, before, after = world()
    direct = direct_effect(10**x, after, newer, clusters=family)
    indirect = indirect_effect(10**x, before, after, newer, clusters=family)
    assert direct.low < 0 < direct.high
    assert indirect.low < 0.1 < indirect.high
    assert indirect.p < 0.001
    total = direct_effect(10**x, before, newer, clusters=family)
    assert direct.estimate + indirect.estimate == pytest.approx(total.estimate)


def test_paper_effects_equal_ordinary_least_squares_on_segments():
    x, newer, _, _, after = world()
    segments = [np.minimum(x, 22), np.clip(x - 22, 0, 1), np.maximum(0, x - 23)]
    reference = sm.OLS(after, sm.add_constant(np.column_stack([newer, *segments]))).fit()
    effect = direct_effect(10**x, after, newer, inference="paper")
    assert effect.estimate == pytest.approx(reference.params[1])
    assert effect.se == pytest.approx(reference.bse[1])
    assert (effect.low, effect.high) == pytest.approx(tuple(reference.conf_int()[1]))
    assert effect.r2 == pytest.approx(reference.rsquared)


def test_jackknife_errors_equal_cv3_by_hand():
    x, newer, family, _, after = world()
    effect = direct_effect(10**x, after, newer, clusters=family)
    design = np.column_stack([newer, np.ones(60), x, np.maximum(0, x - 22), np.maximum(0, x - 23)])
    bread = np.linalg.inv(design.T @ design)
    residual = after - design @ (bread @ design.T @ after)
    meat = np.zeros((5, 5))
    for g in range(20):
        rows = family == g
        leverage = design[rows] @ bread @ design[rows].T
        score = design[rows].T @ np.linalg.solve(np.eye(3) - leverage, residual[rows])
        meat += np.outer(score, score)
    assert effect.se == pytest.approx(np.sqrt(19 / 20 * (bread @ meat @ bread)[0, 0]))


def test_an_effect_that_compute_absorbs_is_not_identified():
    compute = np.repeat([1e20, 1e23], 5)
    effect = direct_effect(compute, np.linspace(0, 1, 10), compute > 1e21)
    assert not effect.identified
    assert np.isnan(effect.estimate)


def test_emergence_moves_down_as_the_budget_grows():
    x, _, family, _, _ = world()
    rng = np.random.default_rng(1)
    kinks = {0: 22.5, 6400: 21.5, 64000: 20.9}
    scores = {b: 0.25 + 0.15 * np.maximum(0, x - k) + 0.01 * rng.standard_normal(60) for b, k in kinks.items()}
    scores[6400][:5] = np.nan
    rows = emergence(10**x, scores, chance=0.25, clusters=family)
    assert [row.examples for row in rows] == [0, 6400, 64000]
    assert [row.n for row in rows] == [60, 55, 60]
    for row, kink in zip(rows, kinks.values(), strict=True):
        assert row.identified
        assert row.c_e_low < 10**kink < row.c_e_high
        assert row.r2_low < row.r2 < row.r2_high
    assert rows[0].r2 == pytest.approx(stats.pearsonr(x, scores[0])[0] ** 2)
    assert rows[0].r2 < rows[2].r2


def test_scores_at_chance_have_no_emergence():
    x, _, family, _, _ = world()
    (row,) = emergence(10**x, {0: 0.25 + 0.001 * np.sin(50 * x)}, chance=0.25, clusters=family)
    assert not row.identified
    assert np.isnan([row.c_e, row.c_e_low, row.c_e_high]).all()


def test_frontier_keeps_what_no_one_beats():
    front = frontier([1e20, 1e21, 1e21, 1e22, 1e23], [0.3, 0.2, 0.4, 0.4, 0.5])
    assert front.members.tolist() == [0, 2, 4]
    assert front.at([1e19, 1e20, 5e21, 1e23, 1e24]).tolist() == [0.3, 0.3, 0.4, 0.5, 0.5]


def test_frontier_area_is_the_area_between_the_stairs():
    compute, newer = [1e20, 1e22, 1e21, 1e23], [0, 0, 1, 1]
    gain = frontier_gain(compute, [0.2, 0.3, 0.5, 0.9], newer)
    assert gain.area == pytest.approx((0.5 - 0.2) * 1 + (0.5 - 0.3) * 1)
    assert gain.older.members.tolist() == [0, 1]
    assert gain.everyone.members.tolist() == [0, 2, 3]


def test_newer_models_behind_the_frontier_add_nothing():
    assert frontier_gain([1e20, 1e22, 1e21, 1e23], [0.2, 0.6, 0.1, 0.5], [0, 0, 1, 1]).area == 0


def test_rank_changes_count_places_gained():
    assert ranks([0.5, 0.9, 0.5]).tolist() == [2, 1, 2]
    assert rank_changes([0.1, 0.2, 0.3], [0.3, 0.2, 0.1]).tolist() == [2, 0, -2]


def test_models_that_cannot_be_told_from_the_leader_share_its_group():
    apart = np.abs(np.subtract.outer([3, 1, 2, 8], [3, 1, 2, 8])) > 1.5
    assert tie_groups([0.7, 0.9, 0.8, 0.2], apart).tolist() == [2, 1, 1, 3]
    assert tie_groups([0.7, 0.9], np.zeros((2, 2))).tolist() == [1, 1]


def test_kendall_equals_scipy_and_its_bounds_hold_the_truth():
    rng = np.random.default_rng(2)
    first = np.round(rng.standard_normal(80), 1)  # rounding makes ties
    second = first + rng.standard_normal(80)
    tau = kendall(first, second)
    reference = stats.kendalltau(first, second)
    assert (tau.estimate, tau.p) == pytest.approx((reference.statistic, reference.pvalue))
    assert tau.low < 0.5 < tau.high  # correlation 1/sqrt(2) is tau 2/pi * arcsin(1/sqrt(2)) = 0.5
    resampled = [stats.kendalltau(*np.array([first, second])[:, rng.integers(0, 80, 80)]).statistic for _ in range(400)]
    assert (tau.low, tau.high) == pytest.approx(tuple(np.quantile(resampled, (0.025, 0.975))), abs=0.03)


def test_agreement_of_constant_or_few_scores_is_not_identified():
    assert not kendall([0.5] * 10, np.arange(10)).identified
    assert not kendall([1, 2, 3, np.nan], [1, 2, 3, 4]).identified
    assert not first_component_share(np.ones((10, 3))).identified


def test_first_component_share_equals_the_largest_eigenvalue_of_the_correlations():
    rng = np.random.default_rng(3)
    table = rng.standard_normal((100, 1)) + 0.5 * rng.standard_normal((100, 4))
    share = first_component_share(table)
    assert share.estimate == pytest.approx(np.linalg.eigvalsh(np.corrcoef(table.T))[-1] / 4)
    assert share.low < share.estimate < share.high
    assert share.estimate > 0.8
    assert first_component_share(rng.standard_normal((500, 4))).estimate < 0.35


def test_the_discriminator_finds_a_lead_and_nothing_where_there_is_none():
    x, newer, _, before, after = world()
    ahead, alike = (
        discriminate(10 ** x[newer == 0], y[newer == 0], 10 ** x[newer == 1], y[newer == 1], n_permutations=19)
        for y in (before, after)
    )
    assert ahead.accuracy > 0.75
    assert ahead.p <= 0.05
    assert alike.accuracy < 0.65
    assert alike.p > 0.1
    assert alike.null_mean == pytest.approx(0.5, abs=0.05)


def test_the_discriminator_needs_models_on_both_sides():
    with pytest.raises(ValueError, match="4 older and 6 newer"):
        discriminate([1e20] * 4, [0.5] * 4, [1e20] * 6, [0.5] * 6)


def test_the_confound_appears_and_goes():
    x, _, _, before, after = world(seed=5)
    older = before - 0.1 * world(seed=5)[1]
    trained = older + 0.08
    result = recreate_confound(10**x, older, trained, after, after, chance=0.25, n_splits=300)
    assert result.untouched.mean == pytest.approx(0, abs=0.01)
    assert result.half_trained.mean == pytest.approx(0.08, abs=0.01)
    assert result.half_trained.share_significant == 1
    assert result.all_adjusted.low < 0 < result.all_adjusted.high
    assert result.all_adjusted.share_significant < 0.15
    assert result.untouched.thetas.shape == (300,)
