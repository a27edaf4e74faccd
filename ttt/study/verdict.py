"""From the items of all trials to the curve of budgets, its verdict, and what the smallest sufficient one costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ttt.stats.plateau import Plateau, judge_items

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """Item scores at each budget, float64 [budgets, items], and which trials were best there."""

    budgets: tuple[int, ...]
    items: Scores
    best: tuple[int, ...]
    """The trial with the highest mean of all items."""

    @property
    def means(self) -> list[float]:
        return [float(mean) for mean in self.items.mean(axis=1)]

    @property
    def stderrs(self) -> list[float]:
        n = self.items.shape[1]
        return [float(spread / np.sqrt(n)) for spread in self.items.std(axis=1, ddof=1)]


def best_curve(budgets: Sequence[int], found: Sequence[Mapping[int, Scores]]) -> Curve:
    """The best trial's items at each budget; `found` has one mapping from budget to item scores a trial.

    Of each half of the items the trial is taken that is best on the other half (two-fold cross-fitting), so that no
    item is judged by a choice that it took part in: otherwise budgets with more trials would look better than they are.
    """
    rows, best = [], []
    for budget in budgets:
        trials = [place for place, of_trial in enumerate(found) if budget in of_trial]
        scores = np.stack([found[place][budget] for place in trials])
        row = np.empty(scores.shape[1])
        even = np.arange(len(row)) % 2 == 0
        for half in (even, ~even):
            row[half] = scores[scores[:, ~half].mean(axis=1).argmax()][half]
        rows.append(row)
        best.append(trials[int(scores.mean(axis=1).argmax())])
    return Curve(tuple(budgets), np.stack(rows), tuple(best))


def judge(curve: Curve, tolerance: float) -> Plateau:
    return judge_items(curve.budgets, curve.items, tolerance=tolerance)


def cost(n_params: int, n_tokens: float, n_scored: float, seconds: float, price: float | None) -> dict[str, Any]:
    """FLOPs: 6 N a token trained on, 2 N a token scored (Kaplan et al. 2020, section 2.1); money: `price` an hour."""
    flops = 6.0 * n_params * n_tokens + 2.0 * n_params * n_scored
    money = None if price is None else price * seconds / 3600
    return {"flops": flops, "n_tokens": n_tokens, "n_tokens_scored": n_scored, "seconds": seconds, "money": money}
