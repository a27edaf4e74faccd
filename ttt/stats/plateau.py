"""Is a budget of adjusting enough? The verdict on saturation, with the items that would decide where it is open."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import stats

from ttt.stats.items import paired_interval

TOLERANCE = 0.01  # score
Verdict = Literal["saturated", "not saturated", "undecided"]


@dataclass(frozen=True)
class BudgetJudgement:
    """Verdict at one budget: `gain` and its 95 % bounds (score) from `budget` to `later`.

    `later` is the later budget that the verdict hangs on: the one whose upper bound is highest. `n_items_to_decide` is
    how many items would settle an undecided verdict if the gain stays as seen; None where it is settled, or where the
    gain sits on the tolerance and no number of items would do.
    """

    budget: float
    later: float
    gain: float
    low: float
    high: float
    verdict: Verdict
    n_items: int
    n_items_to_decide: int | None


@dataclass(frozen=True)
class Plateau:
    """Verdicts of a ladder of budgets, the largest budget excepted (nothing was seen beyond it).

    `smallest` is the smallest budget that is saturated together with all larger ones, the minimal sufficient
    adjustment; None where the largest one judged is not shown to be. Going down from the largest and stopping at the
    first that fails keeps the chance of a false call at that of one verdict, however many budgets are tried.
    """

    rungs: tuple[BudgetJudgement, ...]
    smallest: float | None
    tolerance: float


def judge_items(
    budgets: Sequence[float],
    items: npt.ArrayLike,
    *,
    groups: npt.ArrayLike | None = None,
    tolerance: float = TOLERANCE,
) -> Plateau:
    """Judge budgets by the scores of the same items at each; items has shape (n_budgets, n_items), scores 0 to 1.

    A budget is saturated if the upper end of the paired 95 % interval of the gain is below the tolerance, for the gain
    to twice the budget and to every other later budget on the ladder (a curve that rests and then rises is not
    saturated before its rise); not saturated if some lower end is above it; undecided otherwise. The interval covers
    the choice of items, not the luck of a training run: give items averaged over seeds where there are several.
    `groups` of shape (n_items,) are documents that belong together. Raises ValueError for a ladder that does not rise.
    """
    values = np.asarray(items, float)
    if values.ndim != 2 or len(values) != len(budgets):
        raise ValueError(f"items: shape {values.shape} for {len(budgets)} budgets; expected (n_budgets, n_items)")

    def interval(before: int, after: int) -> tuple[float, float, float]:
        gain = values[after] - values[before]
        return float(gain.mean()), *paired_interval(gain, groups)

    return _judge(budgets, interval, values.shape[1], tolerance)


def judge_scores(
    budgets: Sequence[float],
    scores: Sequence[float],
    stderrs: Sequence[float],
    n_items: int,
    *,
    correlation: float = 0.0,
    tolerance: float = TOLERANCE,
) -> Plateau:
    """Judge budgets where only scores and their standard errors are known, one a budget; otherwise as judge_items.

    `correlation` is that of one item's scores at two budgets, from wherever items are known. The default of 0 ignores
    that the items are the same: intervals are too wide, never too narrow, and verdicts lean to "undecided".
    """
    if not 0 <= correlation < 1:
        raise ValueError(f"correlation: {correlation}; at least 0 and below 1 is needed")
    if not len(budgets) == len(scores) == len(stderrs):
        raise ValueError(f"scores: {len(scores)} scores and {len(stderrs)} errors for {len(budgets)} budgets")
    if not np.isfinite([*scores, *stderrs]).all():
        raise ValueError("scores: every budget needs a finite score and standard error")

    def interval(before: int, after: int) -> tuple[float, float, float]:
        gain = scores[after] - scores[before]
        first, second = stderrs[before], stderrs[after]
        half = float(stats.norm.ppf(0.975)) * math.sqrt(first**2 + second**2 - 2 * correlation * first * second)
        return gain, gain - half, gain + half

    return _judge(budgets, interval, n_items, tolerance)


def _judge(
    budgets: Sequence[float], interval: Callable[[int, int], tuple[float, float, float]], n_items: int, tolerance: float
) -> Plateau:
    """Verdicts from an interval of the gain between any two budgets, given by their positions."""
    if len(budgets) < 2 or any(b <= a for a, b in pairwise(budgets)) or budgets[0] < 0:
        raise ValueError(f"budgets: {list(budgets)}; at least two, rising, none negative")
    if not tolerance > 0:
        raise ValueError(f"tolerance: {tolerance}; a positive number of score points is needed")
    rungs = []
    for i, budget in enumerate(budgets[:-1]):
        gains = [interval(i, j) for j in range(i + 1, len(budgets))]
        worst = int(np.argmax([high for _, _, high in gains]))
        gain, low, high = gains[worst]
        verdict: Verdict = "undecided"
        if any(lower > tolerance for _, lower, _ in gains):
            verdict = "not saturated"
        elif high < tolerance:
            verdict = "saturated"
        needed = _items_to_decide(gain, low, high, n_items, tolerance) if verdict == "undecided" else None
        rungs.append(BudgetJudgement(budget, budgets[i + 1 + worst], gain, low, high, verdict, n_items, needed))
    saturated = list(takewhile(lambda rung: rung.verdict == "saturated", reversed(rungs)))
    return Plateau(tuple(rungs), saturated[-1].budget if saturated else None, tolerance)


def _items_to_decide(gain: float, low: float, high: float, n_items: int, tolerance: float) -> int | None:
    """Items at which the interval, shrinking with the root of their number around this gain, leaves the tolerance."""
    distance = abs(tolerance - gain)
    half = (high - low) / 2
    if distance < 1e-9:
        return None
    return max(n_items + 1, math.ceil(n_items * (half / distance) ** 2))
