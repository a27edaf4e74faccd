"""Verdicts on planted curves, and on what lies beyond them."""

from __future__ import annotations

import numpy as np

from ttt.cell.study_result import verdict_at
from ttt.study.verdict import best_curve, judge


def planted(curve: list[float], seed: int, n_items: int = 4000) -> list[dict[int, np.ndarray]]:
    """Two trials of items right or wrong, with the same items easy throughout."""
    rng = np.random.default_rng(seed)
    ease = rng.random(n_items)
    budgets = [100 * 2**k for k in range(len(curve))]
    flips = [rng.random(n_items) < 0.02 for _ in range(2)]
    return [
        {
            b: ((ease < p) ^ (flip & (rng.random(n_items) < 0.5))).astype(float)
            for b, p in zip(budgets, curve, strict=True)
        }
        for flip in flips
    ]


def test_planted_curves_are_judged_as_they_are() -> None:
    budgets = [100, 200, 400, 800]
    flat = judge(best_curve(budgets, planted([0.6, 0.6, 0.6, 0.6], 1)), 0.01)
    assert verdict_at(flat, 400)[0] == "saturated"
    assert flat.smallest == 100
    rising = judge(best_curve(budgets, planted([0.4, 0.5, 0.6, 0.7], 2)), 0.01)
    assert verdict_at(rising, 400)[0] == "not saturated"
    late = judge(best_curve(budgets, planted([0.5, 0.5, 0.5, 0.6], 3)), 0.01)
    assert verdict_at(late, 200)[0] == "not saturated"
    assert late.smallest is None
    assert verdict_at(flat, 50)[0] == "undecided"


def test_what_lies_beyond_the_ladder_is_not_judged_by_it() -> None:
    rising = judge(best_curve([100, 200, 400], planted([0.4, 0.5, 0.6], 2)), 0.01)
    verdict, reason = verdict_at(rising, 400)
    assert (verdict, "400 examples are more than any budget that was judged" in reason) == ("undecided", True)
    assert verdict_at(rising, 300)[0] == "not saturated"


def test_budgets_that_no_trial_reached_are_not_judged() -> None:
    flat = planted([0.6, 0.6], 1)
    curve = best_curve([100, 200, 400, 800], flat)
    assert (curve.budgets, curve.unreached) == ((100, 200), (400, 800))
    plateau = judge(curve, 0.01)
    assert plateau.rungs[0].verdict == "saturated"
    assert plateau.smallest is None
    for budget in (100, 200, 400, 1600):
        assert verdict_at(plateau, budget, curve.unreached)[0] == "undecided"
    assert "no trial reached 400 examples" in verdict_at(plateau, 400, curve.unreached)[1]
    nothing = best_curve([0, 100], [{0: flat[0][100]}, {}])
    assert verdict_at(judge(nothing, 0.01), 100, nothing.unreached)[0] == "undecided"


def test_choosing_the_best_of_many_does_not_flatter() -> None:
    """Twenty equal trials at the first budget and one at the second: the gain is nothing, and is seen as nothing."""
    gains = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        many = [{1: (rng.random(200) < 0.5).astype(float)} for _ in range(20)]
        one = [{2: (rng.random(200) < 0.5).astype(float)}]
        curve = best_curve([1, 2], [*many, *one])
        gains.append(curve.means[1] - curve.means[0])
    assert abs(np.mean(gains)) < 4 * np.std(gains) / np.sqrt(len(gains))
    assert np.std(gains) < 0.1
