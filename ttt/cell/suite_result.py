"""The verdict on a suite as studies and comparisons hand it on: numbers in Python's own types, None: not identified."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ttt.formatting import known
from ttt.stats.suite_plateau import ChangeEstimate, SuiteJudgement

GROUPS = ("older", "newer")
ORDER = ("saturated", "undecided", "not saturated")


@dataclass(frozen=True)
class SuiteChange:
    """What a larger budget changes in a quantity of the suite: score units, 95 % bounds, the verdict on it alone."""

    estimate: float | None
    low: float | None
    high: float | None
    verdict: str
    n_models: int
    n_clusters: int
    note: str

    @classmethod
    def of(cls, change: ChangeEstimate) -> SuiteChange:
        bounds = (known(change.estimate), known(change.low), known(change.high))
        return cls(*bounds, change.verdict, change.n_models, change.n_clusters, change.note)


@dataclass(frozen=True)
class SuiteSaturation:
    """Whether the budget is enough for the suite: `saturated`, `not saturated`, `undecided` or `not judged` (`reason`).

    By what the models gain on the same items from `budget` to `later` (examples). `gains` are of the groups `older` and
    `newer`, or of `all` models; `lowest_p` is the lowest of the models' p values, Holm's, of a gain above the
    tolerance.
    """

    verdict: str
    reason: str = ""
    budget: int | None = None
    later: int | None = None
    tolerance: float | None = None
    n_models: int = 0
    n_items: int = 0
    items: str = "validation items"
    """What the items are."""
    gains: dict[str, SuiteChange] = field(default_factory=dict)
    theta_change: SuiteChange | None = None
    rising: list[str] = field(default_factory=list)
    """Models that are shown to gain more than the tolerance."""
    lowest_p: float | None = None

    @classmethod
    def of(
        cls, judged: SuiteJudgement, names: Sequence[str], budget: int, later: int, n_items: int, items: str
    ) -> SuiteSaturation:
        """`names` are the models', in the order in which they were judged."""
        gains = [SuiteChange.of(gain) for gain in judged.gains]
        return cls(
            verdict=judged.verdict,
            budget=budget,
            later=later,
            tolerance=judged.tolerance,
            n_models=len(names),
            n_items=n_items,
            items=items,
            gains=dict(zip(GROUPS, gains, strict=True)) if len(gains) == len(GROUPS) else {"all": gains[0]},
            theta_change=None if judged.theta_change is None else SuiteChange.of(judged.theta_change),
            rising=[names[place] for place in judged.rising],
            lowest_p=float(judged.p.min()),
        )


def worst(verdicts: Sequence[SuiteSaturation]) -> SuiteSaturation:
    """Of the verdicts by several later budgets the one that speaks most against the suite."""
    return max(verdicts, key=lambda one: ORDER.index(one.verdict))
