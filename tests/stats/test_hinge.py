"""The exact fit against brute force, and on tables whose truth is known."""

import numpy as np
import pytest

from ttt.stats.hinge import fit_hinge


def brute_force(x, group, y, weights, floor=0.0):
    """Smallest residual sum of squares over a fine grid of kinks, by plain least squares."""
    best, root = np.inf, np.sqrt(weights)
    for kink in np.concatenate([np.linspace(x.min() - 30, x.min(), 100), np.linspace(x.min(), x.max(), 1500)]):
        hinge = np.maximum(0, x - kink)
        for columns in ((hinge, group), (group,)):
            design = np.column_stack([*columns, np.full(len(x), floor)]) * root[:, None]
            slope = np.linalg.lstsq(design, y * root, rcond=None)[0]
            if len(columns) == 1 or slope[0] >= 0:
                best = min(best, float(((y * root - design @ slope) ** 2).sum()))
    return best


@pytest.mark.parametrize("free_floor", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_no_grid_of_kinks_beats_the_exact_fit(seed, free_floor):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(6, 30))
    x = np.round(rng.uniform(20, 24, n), 1)  # rounding makes ties in compute
    group = (rng.random(n) < 0.4).astype(float)
    y = rng.choice([-0.1, 0.0, 0.2]) * np.maximum(0, x - 22) + 0.05 * group + 0.1 * rng.standard_normal(n)
    weights = rng.integers(0, 4, n).astype(float)
    y = y - 0.3 * free_floor
    fit = fit_hinge(x, group, y, weights, free_floor=free_floor)
    assert fit.rss[0] <= brute_force(x, group, y, weights, float(free_floor)) + 1e-9
    residual = y - fit.predict(x, group)[0]
    assert (weights * residual**2).sum() == pytest.approx(fit.rss[0], abs=1e-9)


def test_the_exact_fit_is_no_better_than_possible():
    rng = np.random.default_rng(1)
    x, group = rng.uniform(20, 24, 25), np.arange(25) % 2.0
    y = 0.2 * np.maximum(0, x - 22) + 0.05 * rng.standard_normal(25)
    fit = fit_hinge(x, group, y)
    assert fit.rss[0] == pytest.approx(brute_force(x, group, y, np.ones(25)), rel=2e-3)


def test_planted_parameters_come_back_without_noise():
    x = np.linspace(20, 24, 31)
    group = np.arange(31) % 2.0
    fit = fit_hinge(x, group, 0.3 * np.maximum(0, x - 21.77) + 0.11 * group)
    assert fit.alpha[0] == pytest.approx(0.3)
    assert fit.c[0] == pytest.approx(21.77)
    assert fit.theta[0] == pytest.approx(0.11)


def test_a_planted_floor_comes_back_without_noise():
    x, group = np.linspace(20, 24, 31), np.arange(31) % 2.0
    fit = fit_hinge(x, group, 0.3 * np.maximum(0, x - 21.77) + 0.11 * group - 0.09, free_floor=True)
    assert (fit.floor[0], fit.alpha[0], fit.c[0], fit.theta[0]) == pytest.approx((-0.09, 0.3, 21.77, 0.11))
    assert fit.predict(x, group)[0, 0] == pytest.approx(-0.09)


def test_with_a_free_floor_a_straight_line_has_its_kink_at_the_smallest_model():
    x, group = np.linspace(20, 24, 30), np.arange(30) % 2.0
    fit = fit_hinge(x, group, -0.5 + 0.1 * (x - 20) + 0.05 * group, free_floor=True)
    assert (fit.c[0], fit.theta[0], fit.floor[0]) == pytest.approx((20, 0.05, -0.5))
    assert fit.rss[0] == pytest.approx(0, abs=1e-12)


def test_with_a_free_floor_scores_that_do_not_rise_are_a_level():
    x = np.linspace(20, 24, 20)
    fit = fit_hinge(x, np.zeros(20), -0.1 * (x - 20), free_floor=True)
    assert (fit.alpha[0], fit.floor[0]) == pytest.approx((0, -0.2))


def test_scores_that_fall_with_compute_get_no_slope():
    x = np.linspace(20, 24, 20)
    fit = fit_hinge(x, np.zeros(20), -0.1 * (x - 20))
    assert fit.alpha[0] == 0
    assert np.isnan(fit.c[0])


def test_scores_on_a_level_above_chance_are_fitted_as_one():
    x, group = np.linspace(20, 24, 20), np.arange(20) % 2.0
    fit = fit_hinge(x, group, 0.4 - 1e-3 * x + 0.1 * group)
    assert fit.alpha[0] == 0
    assert fit.theta[0] == pytest.approx(0.1, abs=1e-3)
    assert fit.predict(x, np.zeros(20))[0].mean() == pytest.approx(0.4 - 0.022, abs=1e-3)


def test_a_batch_equals_its_rows():
    rng = np.random.default_rng(2)
    x, group = rng.uniform(20, 24, 40), (rng.random((7, 40)) < 0.5).astype(float)
    y, weights = rng.random((7, 40)), rng.integers(0, 3, (7, 40)).astype(float)
    batch = fit_hinge(x, group, y, weights)
    for i in range(7):
        single = fit_hinge(x, group[i], y[i], weights[i])
        for name in ("theta", "alpha", "intercept", "start", "rss"):
            assert getattr(batch, name)[i] == pytest.approx(getattr(single, name)[0], rel=1e-9)


def test_the_order_of_models_does_not_matter():
    rng = np.random.default_rng(3)
    x, group, y = rng.uniform(20, 24, 30), np.arange(30) % 2.0, rng.random(30)
    shuffled = rng.permutation(30)
    first, second = fit_hinge(x, group, y), fit_hinge(x[shuffled], group[shuffled], y[shuffled])
    assert first.theta[0] == pytest.approx(second.theta[0], rel=1e-9)
    assert first.rss[0] == pytest.approx(second.rss[0], rel=1e-9)
