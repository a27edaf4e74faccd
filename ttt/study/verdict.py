"""From the items of all trials to the curve of budgets, and its verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ttt.stats.plateau import Plateau, judge_items

ItemScores = npt.NDArray[np.float64]


@dataclass(frozen=True)
class BudgetCurve:
    """Item scores at each budget that a trial reached, float64 [budgets, items], and which trials were best there."""

    budgets: tuple[int, ...]
    items: ItemScores
    best: tuple[int, ...]
    """The trial with the highest mean of all items."""
    unreached: tuple[int, ...] = ()
    """The budgets that no trial reached: each diverged, or was stopped, before."""

    @property
    def means(self) -> list[float]:
        return [float(mean) for mean in self.items.mean(axis=1)]

    @property
    def stderrs(self) -> list[float]:
        n = self.items.shape[1]
        return [float(spread / np.sqrt(n)) for spread in self.items.std(axis=1, ddof=1)]


def best_curve(budgets: Sequence[int], trials: Sequence[Mapping[int, ItemScores]]) -> BudgetCurve:
    """The best trial's items at each budget; `trials` has one mapping from budget to item scores a trial.

    Of each half of the items the trial is taken that is best on the other half (two-fold cross-fitting), so that no
    item is judged by a choice that it took part in: otherwise budgets with more trials would look better than they are.
    """
    rows, best, reached = [], [], []
    for budget in budgets:
        there = [place for place, items in enumerate(trials) if budget in items]
        if not there:
            continue
        scores = np.stack([trials[place][budget] for place in there])
        row = np.empty(scores.shape[1])
        even = np.arange(len(row)) % 2 == 0
        for half in (even, ~even):
            row[half] = scores[scores[:, ~half].mean(axis=1).argmax()][half]
        rows.append(row)
        best.append(there[int(scores.mean(axis=1).argmax())])
        reached.append(budget)
    unreached = tuple(budget for budget in budgets if budget not in reached)
    return BudgetCurve(tuple(reached), np.stack(rows), tuple(best), unreached)


def judge(curve: BudgetCurve, tolerance: float) -> Plateau:
    """The verdicts on the budgets below another one.

    Where no trial reached a budget, nothing is known of what it adds, and none below it is called sufficient.
    """
    if len(curve.budgets) < 2:
        return Plateau((), None, tolerance)
    plateau = judge_items(curve.budgets, curve.items, tolerance=tolerance)
    return replace(plateau, smallest=None) if curve.unreached else plateau
