"""Where scores do not start from chance: the floor that is chosen, what hangs on it, and what is said of it."""

import numpy as np
import pytest

from tests.performance.planted import World, draw, published_roster
from ttt.stats.emergence import emergence
from ttt.stats.floor import FLOOR_LEVEL, choose_floor
from ttt.stats.scaling import fit_scaling

ROSTER = published_roster()
LATE = World("late", 0.2, 23.0, 0.03, 0.03, 0.3)
USUAL = World("usual", 0.24, 22.1, 0.06, 0.07, 0.3)


def above_floor(world, seed=0):
    return draw(ROSTER, world, ROSTER.labels, np.random.default_rng(seed))


def fitted(score, chance, newer=ROSTER.newer, **options):
    how = {"chance": chance, "clusters": ROSTER.labels, "n_replicates": 199, **options}
    return fit_scaling(10**ROSTER.x, score, newer, **how)


def test_scores_below_chance_get_a_floor_of_their_own_and_theta_its_sign():
    score = 0.359 + above_floor(LATE)
    fit = fitted(score, 0.449)
    assert fit.floor_fitted
    assert fit.floor_p <= FLOOR_LEVEL
    assert fit.floor == pytest.approx(0.359, abs=0.01)
    assert fit.theta_low < 0.03 < fit.theta_high
    assert fit.theta > 0
    assert fit.c_e_low < 1e23 < fit.c_e_high
    assert fit.r2 > 0.8
    assert "the floor is fitted, 0.3" in fit.note
    assert "chance, 0.449, is rejected for the older models (p 0.0" in fit.note
    assert fit.predict(1e20) == pytest.approx(fit.floor)
    assert np.std(score - fit.predict(10**ROSTER.x, ROSTER.newer)) < 0.03


@pytest.mark.parametrize("interval", ["jackknife", "percentile"])
def test_the_other_intervals_fit_the_floor_too(interval):
    fit = fitted(0.359 + above_floor(LATE), 0.449, interval=interval)
    assert fit.theta_low < 0.03 < fit.theta_high
    assert fit.theta_low > -0.01


def test_a_chance_that_is_said_wrongly_does_not_turn_theta_round():
    fit = fitted(0.25 + above_floor(USUAL), 0.5)
    assert fit.floor == pytest.approx(0.25, abs=0.02)
    assert fit.theta_low < 0.07 < fit.theta_high
    assert fit.aside == ()


def test_a_floor_at_chance_stays_there_to_the_last_digit():
    rejected = 0
    for seed in range(20):
        fit = fitted(0.25 + above_floor(USUAL, seed), 0.25)
        rejected += fit.floor_fitted
        assert fit.floor_fitted or (fit.floor == 0.25 and "floor" not in fit.note)
    assert rejected <= 2  # one in fifty is to be expected


def test_another_slope_of_the_newer_models_is_no_floor_of_the_older_ones():
    """As a family that trained on the task from the start: the older one at chance, the newer one rising from it."""
    rng = np.random.default_rng(0)
    x, newer = np.tile(np.linspace(10, 12, 14), 2), np.repeat([0.0, 1.0], 14)
    score = 0.25 + newer * 0.3 * (x - 10) + 0.03 * rng.standard_normal(28)
    fit = fit_scaling(10**x, score, newer, chance=0.25)
    assert not fit.floor_fitted
    assert fit.floor == 0.25


def test_models_without_valid_answers_are_set_aside_by_position():
    few = ROSTER.n_params < 2e9
    score = np.where(few, 0.01, 0.25 + above_floor(USUAL))
    fit = fitted(score, 0.25)
    assert fit.aside == tuple(np.flatnonzero(few))
    assert fit.n_models == 53 - few.sum()
    assert fit.theta_low < 0.07 < fit.theta_high
    assert f"{few.sum()} of the models score below half of chance" in fit.note
    assert "left out of the fit" in fit.note
    rest = fit_scaling(
        10 ** ROSTER.x[~few], score[~few], ROSTER.newer[~few], chance=0.25, clusters=ROSTER.labels[~few],
        n_replicates=199,
    )  # fmt: skip
    assert (fit.theta, fit.theta_low, fit.c_e) == (rest.theta, rest.theta_low, rest.c_e)


def test_models_on_a_curve_that_starts_from_zero_are_not_set_aside():
    fit = fitted(np.abs(above_floor(LATE)), 0.25)
    assert fit.aside == ()
    assert fit.floor == pytest.approx(0, abs=0.02)


def test_the_papers_inference_keeps_chance_and_warns():
    score = 0.359 + above_floor(LATE)
    fit = fitted(score, 0.449, inference="paper")
    assert (fit.floor, fit.floor_fitted) == (0.449, False)
    assert "the floor is chance, 0.449, which is rejected for the older models" in fit.note
    assert "floor" not in fitted(0.25 + above_floor(USUAL), 0.25, inference="paper").note


def test_a_curve_that_fits_worse_than_a_constant_identifies_nothing():
    compute, score = [1e20, 1e21, 1e22, 1e23, 3e23], [0.1, 0.12, 0.1, 0.11, 0.12]  # too few to test chance
    fit = fit_scaling(compute, score, [0, 0, 0, 1, 1], chance=0.2)
    assert np.isnan(fit.floor_p)
    assert fit.r2 < 0
    assert np.isnan([fit.theta, fit.theta_low, fit.c_e]).all()
    assert "the curve fits worse than a constant" in fit.note


def test_the_floor_of_a_fit_without_groups_is_that_of_all_models():
    score = 0.359 + above_floor(World("late", 0.2, 23.0, 0.03, 0.0, 0.3))
    assert fitted(score, 0.449, newer=None).floor == pytest.approx(0.359, abs=0.01)
    rows = emergence(
        10**ROSTER.x, {0: score, 100: score + 0.09}, chance=0.449, clusters=ROSTER.labels, n_replicates=199
    )
    assert [row.floor for row in rows] == pytest.approx([0.359, 0.449], abs=0.01)
    assert rows[1].floor == 0.449
    assert rows[0].c_e == pytest.approx(rows[1].c_e, rel=0.2)


def test_with_few_models_chance_is_not_tested():
    x, group = np.array([20.0, 21.0, 22.0, 23.0, 24.0, 23.5]), np.array([0.0, 0, 0, 0, 1, 1])
    floor = choose_floor(x, group, np.full(6, 0.1), chance=0.3, clusters=None, n_replicates=99, seed=0)
    assert not floor.fitted
    assert np.isnan(floor.p)


def test_models_that_give_no_answers_are_in_no_straight_line_either():
    few = ROSTER.n_params < 2e9
    sound = 0.25 + above_floor(LATE)
    how = {"chance": 0.25, "n_replicates": 99}
    (row,) = emergence(10**ROSTER.x, {0.0: np.where(few, 0.01, sound)}, clusters=ROSTER.labels, **how)
    labels = [label for label, out in zip(ROSTER.labels, few, strict=True) if not out]
    (rest,) = emergence(10 ** ROSTER.x[~few], {0.0: sound[~few]}, clusters=labels, **how)
    assert row.aside == tuple(np.flatnonzero(few))
    assert (row.n, rest.n) == (53, 53 - few.sum())
    assert (row.r2, row.r2_low, row.r2_high) == (rest.r2, rest.r2_low, rest.r2_high)


def test_on_a_scale_that_does_not_begin_at_0_no_model_is_without_answers():
    x = np.linspace(20, 24, 12)
    brier = np.where(x < 22.3, -0.74, -0.3 + 0.02 * (x - 22.3))  # turned round; guessing among four has -0.75
    (row,) = emergence(10**x, {0.0: brier}, chance=-0.75, n_replicates=99)
    assert row.aside == ()
