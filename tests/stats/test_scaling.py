"""Inference on theta and c_e: what is found, what is refused, and what is said to be unknown."""

import numpy as np
import pytest
import statsmodels.api as sm

from ttt.stats.clusters import MIN_CLUSTERS, choose_clusters, resample_clusters, webb_signs
from ttt.stats.hinge import fit_hinge
from ttt.stats.scaling import fit_scaling


def planted(n_families=16, per_family=3, theta=0.1, kink=22.0, alpha=0.2, spread=0.03, seed=0):
    """Compute (FLOPs), scores with chance 0.25, newer and families; half of the families are newer."""
    rng = np.random.default_rng(seed)
    family = np.repeat(np.arange(n_families), per_family)
    x = rng.uniform(20.5, 24, len(family))
    newer = (family >= n_families // 2).astype(float)
    score = 0.25 + alpha * np.maximum(0, x - kink) + theta * newer + spread * rng.standard_normal(len(x))
    return 10**x, score, newer, family


def test_planted_truth_lies_in_the_intervals():
    compute, score, newer, family = planted()
    fit = fit_scaling(compute, score, newer, chance=0.25, clusters=family)
    assert fit.level == "clusters"
    assert fit.n_clusters == 16
    assert fit.theta_low < 0.1 < fit.theta_high
    assert fit.theta_high - fit.theta_low < 0.1
    assert fit.theta_p < 0.01
    assert fit.c_e_identified
    assert fit.c_e_low < 1e22 < fit.c_e_high
    assert fit.alpha == pytest.approx(0.2, abs=4 * fit.alpha_se)
    assert 0.9 < fit.r2 < 1


@pytest.mark.parametrize("interval", ["wild", "jackknife", "percentile"])
def test_p_value_and_interval_tell_the_same(interval):
    for theta in (0.0, 0.02, 0.08):
        compute, score, newer, family = planted(theta=theta, seed=4)
        fit = fit_scaling(compute, score, newer, chance=0.25, clusters=family, interval=interval)
        assert fit.interval == interval
        assert fit.theta_low < fit.theta < fit.theta_high
        assert (fit.theta_p < 0.05) == (not fit.theta_low <= 0 <= fit.theta_high)


def _near_the_edge(interval, seed):
    """A fit whose planted theta is moved until its p value is within a few thousandths of 0.05."""
    compute, score, newer, family = planted(theta=0.0, seed=seed)

    def fit(theta):
        given = {"chance": 0.25, "clusters": family, "interval": interval, "n_replicates": 199}
        return fit_scaling(compute, score + theta * newer, newer, **given)

    low, high = 0.0, 0.2
    for _ in range(9):
        middle = (low + high) / 2
        low, high = (middle, high) if fit(middle).theta_p >= 0.05 else (low, middle)
    return fit(low), fit(high)


@pytest.mark.parametrize("interval", ["wild", "percentile"])
@pytest.mark.parametrize("seed", [0, 1])
def test_interval_and_p_value_agree_where_they_are_nearest_to_the_edge(interval, seed):
    open_, found = _near_the_edge(interval, seed)
    assert open_.theta_p >= 0.05 > found.theta_p
    assert open_.theta_p - found.theta_p < 0.05
    assert open_.theta_low <= 0 <= open_.theta_high
    assert found.theta_low > 0
    assert found.theta_low < found.theta


def test_same_seed_same_numbers_and_order_of_models_is_free():
    compute, score, newer, family = planted()
    first = fit_scaling(compute, score, newer, chance=0.25, clusters=family, seed=3)
    assert first == fit_scaling(compute, score, newer, chance=0.25, clusters=family, seed=3)
    back = slice(None, None, -1)
    turned = fit_scaling(compute[back], score[back], newer[back], chance=0.25, clusters=family[back], seed=3)
    assert turned.theta == pytest.approx(first.theta)
    assert turned.theta_se == pytest.approx(first.theta_se)
    assert turned.theta_low == pytest.approx(first.theta_low)


def test_dependence_within_families_widens_the_interval():
    compute, score, newer, family = planted(spread=0.0, per_family=5)
    shared = 0.05 * np.random.default_rng(1).standard_normal(16)[family]
    noise = 0.01 * np.random.default_rng(2).standard_normal(len(family))
    by_family = fit_scaling(compute, score + shared + noise, newer, chance=0.25, clusters=family)
    by_model = fit_scaling(compute, score + shared + noise, newer, chance=0.25)
    assert by_family.theta == by_model.theta
    assert by_family.theta_se > 1.5 * by_model.theta_se
    assert by_family.theta_high - by_family.theta_low > 1.3 * (by_model.theta_high - by_model.theta_low)
    assert (by_model.level, by_model.n_clusters) == ("models", 80)


def test_too_few_families_on_a_side_are_not_used_and_it_is_said():
    compute, score, newer, _ = planted()
    fit = fit_scaling(compute, score, newer, chance=0.25, clusters=np.where(newer > 0, "new", "old"))
    assert (fit.level, fit.n_clusters) == ("models", 48)
    assert "only 1 cluster(s)" in fit.note
    assert fit.theta_low < fit.theta < fit.theta_high


def test_all_models_at_chance_have_no_point_of_emergence():
    unsure = 0
    for seed in range(20):
        compute, score, newer, family = planted(alpha=0.0, theta=0.0, spread=0.01, seed=seed)
        fit = fit_scaling(compute, score, newer, chance=0.25, clusters=family, n_replicates=199)
        unsure += not fit.c_e_identified
        if not fit.c_e_identified:
            assert np.isnan([fit.c_e, fit.c_e_low, fit.c_e_high]).all()
    assert unsure >= 16  # the test of the slope is at 5 %: about one in twenty may be taken in


def test_emergence_before_the_smallest_model_is_not_a_number():
    compute, score, newer, family = planted(kink=10.0, alpha=0.05)
    fit = fit_scaling(compute, score, newer, chance=0.25, clusters=family)
    assert not fit.c_e_identified
    assert np.isnan(fit.c_e)
    assert fit.theta == pytest.approx(0.1, abs=0.03)  # theta does not hang on c_e
    truth = 0.25 + 0.05 * (np.log10(compute) - 10) + 0.1 * newer
    assert fit.predict(compute, newer) == pytest.approx(truth, abs=0.03)  # four standard errors at the ends
    assert np.std(score - fit.predict(compute, newer)) == pytest.approx(0.03, rel=0.2)  # the noise, and no more


def test_constant_scores_give_no_confident_number():
    compute, _, newer, family = planted()
    fit = fit_scaling(compute, np.full(48, 0.25), newer, chance=0.25, clusters=family)
    assert not fit.c_e_identified
    assert np.isnan([fit.c_e, fit.theta_p, fit.theta_low, fit.r2]).all()


def test_a_split_that_is_a_single_model_has_no_interval():
    compute, score, newer, _ = planted(theta=0.0)
    newer = np.zeros_like(newer)
    newer[0] = 1
    fit = fit_scaling(compute, score, newer, chance=0.25)
    assert np.isnan([fit.theta_se, fit.theta_low, fit.theta_high, fit.theta_p]).all()
    assert "single model" in fit.note


def test_without_groups_there_is_no_theta():
    compute, score, _, family = planted(theta=0.0)
    fit = fit_scaling(compute, score, chance=0.25, clusters=family)
    assert not fit.theta_identified
    assert np.isnan(fit.theta)
    assert fit.c_e_low < 1e22 < fit.c_e_high
    assert fit.predict([1e20, 1e23], 0) == pytest.approx([0.25, 0.45], abs=0.02)


def test_paper_inference_names_a_better_optimum_when_the_search_stops_short():
    x = np.linspace(20, 25, 26)
    score = 0.1 * np.maximum(0, x - 20.5) + 2.0 * np.maximum(0, x - 24.4)
    paper = fit_scaling(10**x, score, inference="paper")
    proper = fit_scaling(10**x, score)
    assert paper.inference == "paper"
    best = 10 ** fit_hinge(x, np.zeros(26), score).c[0]
    assert abs(np.log10(paper.c_e / best)) > 0.3
    assert f"stopped short of the best fit: c_e {best:.2e}" in paper.note
    residuals = [((score - fit.predict(10**x)) ** 2).sum() for fit in (paper, proper)]
    assert residuals[0] > 1.03 * residuals[1]


def test_paper_inference_is_ols_with_the_kink_taken_as_known():
    compute, score, newer, family = planted()
    fit = fit_scaling(compute, score, newer, chance=0.25, clusters=family, inference="paper")
    hinge = np.maximum(0, np.log10(compute) - np.log10(fit.c_e))
    ols = sm.OLS(score - 0.25, np.column_stack([newer, hinge])).fit()
    assert (fit.theta, fit.theta_se, fit.theta_p) == pytest.approx((ols.params[0], ols.bse[0], ols.pvalues[0]))
    assert fit.r2 == pytest.approx(1 - ols.ssr / ((score - 0.25) ** 2).sum())
    assert np.isnan([fit.c_e_low, fit.c_e_high]).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"score": [0.5] * 3, "compute": [1e20] * 3, "newer": [0, 1, 1]}, "n_models: 3"),
        ({"newer": [1] * 6}, "one side of the split"),
        ({"score": [0.5, np.nan, 0.5, 0.5, 0.5, 0.5]}, "score: nan at position 1"),
        ({"compute": [1e20, 1e21, -1.0, 1e22, 1e22, 1e23]}, "compute: -1.0 at position 2"),
        ({"newer": [0, 1, 2, 0, 1, 0]}, "newer: 2.0 at position 2"),
        ({"clusters": ["a"] * 5}, "5 labels for 6 models"),
        ({"inference": "bayes"}, "'bayes' is not one of clustered, paper"),
        ({"interval": "magic"}, "'magic' is not one of wild, jackknife, percentile"),
    ],
)
def test_bad_input_is_refused_by_name(change, message):
    sound = {"compute": [1e20, 1e21, 2e21, 1e22, 2e22, 1e23], "score": [0.3] * 6, "newer": [0, 1, 0, 1, 0, 1]}
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        fit_scaling(**(sound | change))


def test_resampling_keeps_clusters_whole_and_both_sides_present():
    *_, newer, family = planted()
    clusters = choose_clusters(family, newer)
    weights = resample_clusters(clusters, newer, 50, np.random.default_rng(0))
    for label in range(16):
        assert (np.ptp(weights[:, family == label], axis=1) == 0).all()
    assert (weights[:, newer > 0].sum(1) == 24).all()
    assert (weights[:, newer == 0].sum(1) == 24).all()


def test_webb_weights_have_mean_zero_and_variance_one():
    clusters = choose_clusters(None, np.zeros(50))
    signs = webb_signs(clusters, 4000, np.random.default_rng(0))
    assert abs(signs.mean()) < 0.01
    assert signs.var() == pytest.approx(1, abs=0.01)
    assert len(np.unique(signs)) == 6
    assert MIN_CLUSTERS == 3
