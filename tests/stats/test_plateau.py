"""Verdicts on saturation, from items and from scores alone."""

import numpy as np
import pytest
from scipy import stats

from ttt.stats.plateau import judge_items, judge_scores

BUDGETS = [1000.0, 2000.0, 4000.0, 8000.0]


def items(curve, n_items=3000, seed=0, shared=0.9):
    """Items right or wrong at each budget with the curve's expected scores; the same items are easy throughout."""
    rng = np.random.default_rng(seed)
    ease = np.sqrt(shared) * rng.standard_normal(n_items)
    own = np.sqrt(1 - shared) * rng.standard_normal((len(curve), n_items))
    return (ease + own < stats.norm.ppf(curve)[:, None]).astype(float)


def test_a_flat_curve_is_saturated_from_the_start():
    plateau = judge_items(BUDGETS, items([0.6] * 4, n_items=14000))
    assert [rung.verdict for rung in plateau.rungs] == ["saturated"] * 3
    assert plateau.smallest == 1000


def test_a_rising_curve_is_not_saturated():
    plateau = judge_items(BUDGETS, items([0.4, 0.5, 0.6, 0.7]))
    assert [rung.verdict for rung in plateau.rungs] == ["not saturated"] * 3
    assert plateau.smallest is None
    assert plateau.rungs[0].later == 8000
    assert plateau.rungs[0].n_items_to_decide is None


def test_a_rest_before_a_rise_is_not_saturation():
    plateau = judge_items(BUDGETS, items([0.5, 0.5, 0.5, 0.6], n_items=14000))
    assert plateau.rungs[0].verdict == "not saturated"
    assert plateau.smallest is None


def test_the_smallest_budget_is_where_the_curve_levels_off():
    plateau = judge_items(BUDGETS, items([0.4, 0.6, 0.6, 0.6], n_items=14000))
    assert [rung.verdict for rung in plateau.rungs] == ["not saturated", "saturated", "saturated"]
    assert plateau.smallest == 2000


def test_few_items_leave_it_open_and_say_how_many_would_do():
    curve = [0.6, 0.6]
    few = judge_items(BUDGETS[:2], items(curve, n_items=400)).rungs[0]
    assert few.verdict == "undecided"
    assert few.low < 0.01 < few.high
    assert few.n_items_to_decide > 400
    shrunk = (few.high - few.low) / 2 * np.sqrt(400 / few.n_items_to_decide)
    assert shrunk == pytest.approx(abs(0.01 - few.gain), rel=0.01)


def test_no_item_that_differs_is_not_yet_saturation():
    same = np.ones((2, 60))
    assert judge_items(BUDGETS[:2], same).rungs[0].verdict == "undecided"


def test_scores_alone_count_as_independent_and_a_correlation_narrows():
    wide = judge_scores([3000, 4000], [0.600, 0.601], [0.004, 0.004], 14000).rungs[0]
    assert wide.high - wide.gain == pytest.approx(1.959964 * 0.004 * np.sqrt(2), rel=1e-5)
    assert wide.verdict == "undecided"
    narrow = judge_scores([3000, 4000], [0.600, 0.601], [0.004, 0.004], 14000, correlation=0.9).rungs[0]
    assert narrow.verdict == "saturated"


def test_the_tolerance_decides():
    scores = [0.60, 0.62], [0.001, 0.001]
    assert judge_scores([1, 2], *scores, 1000).rungs[0].verdict == "not saturated"
    assert judge_scores([1, 2], *scores, 1000, tolerance=0.05).rungs[0].verdict == "saturated"


@pytest.mark.parametrize("budgets", [[1000.0], [2000.0, 1000.0], [1000.0, 1000.0]])
def test_a_ladder_must_rise(budgets):
    with pytest.raises(ValueError, match="budgets"):
        judge_items(budgets, np.ones((len(budgets), 10)))


def test_wrong_shapes_and_tolerances_are_refused():
    with pytest.raises(ValueError, match="for 3 budgets"):
        judge_items([1, 2, 3], np.ones((2, 10)))
    with pytest.raises(ValueError, match="tolerance"):
        judge_items([1, 2], np.ones((2, 10)), tolerance=0)
    with pytest.raises(ValueError, match="finite"):
        judge_scores([1, 2], [0.5, np.nan], [0.1, 0.1], 10)


def test_false_saturation_is_rare_at_the_worst_rise():
    """The last doubling still gains exactly the tolerance: the hardest curve to refuse."""
    rng_seeds, curve = range(200), [0.5, 0.5, 0.5, 0.51]
    false = sum(judge_items(BUDGETS, items(curve, 2000, seed)).smallest is not None for seed in rng_seeds)
    assert false <= 13  # 2.5 % of 200 is 5; the chance of more than 13 is below one in a thousand
