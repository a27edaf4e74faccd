"""What a finished study says: its result, which terminal, figures, MLflow and the cells that it covers read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ttt.cell.suite_result import SuiteSaturation
from ttt.spec import Spec
from ttt.stats.plateau import BudgetJudgement, Plateau, Verdict

SATURATED_TAG: dict[Verdict, str] = {"saturated": "yes", "not saturated": "no", "undecided": "undecided"}
"""Verdicts as the tag `ttt.saturated` gives them; a cell that no study covers has `unknown`."""

CURVE = "curve"
"""The table of a study's validation items (`items/curve.parquet`): a column a budget, a row an item."""


class BudgetScore(Spec):
    """The best trial's score at a budget (examples), and the values that it searched with (null: the base model)."""

    budget: int
    score: float
    stderr: float
    values: dict[str, float] | None


class JudgedBudget(BudgetScore):
    """A budget with a larger one above it, by which it is judged (`ttt.stats.plateau.BudgetJudgement`)."""

    later: float
    gain: float
    low: float
    high: float
    verdict: Verdict
    n_items: int
    n_items_to_decide: int | None

    @property
    def judgement(self) -> BudgetJudgement:
        return BudgetJudgement(**{name: getattr(self, name) for name in BudgetJudgement.__dataclass_fields__})


class Cost(Spec):
    """FLOPs: 6 N a token trained on, 2 N a token scored (Kaplan et al. 2020, section 2.1); money by the hour."""

    flops: float
    n_tokens: float
    n_tokens_scored: float
    seconds: float
    money: float | None

    @classmethod
    def of(cls, n_params: int, n_tokens: float, n_scored: float, seconds: float, price: float | None) -> Cost:
        flops = 6.0 * n_params * n_tokens + 2.0 * n_params * n_scored
        money = None if price is None else price * seconds / 3600
        return cls(flops=flops, n_tokens=n_tokens, n_tokens_scored=n_scored, seconds=seconds, money=money)


class StudyCost(Cost):
    """What a study took, and the tokens of the same budgets each trained anew, of all trials and unhalved."""

    n_tokens_anew: float
    n_tokens_full_grid: float


class TrialResult(Spec):
    """One recipe that was tried; `scores` by budget."""

    run_id: str
    values: dict[str, float]
    scores: dict[int, float]


class Schedules(Spec):
    """One budget with the adjustment's own schedule, against the cool-down of the study's rungs (paired, 95 %)."""

    budget: int
    own_schedule: str
    own: float
    cooldown: float
    difference: float
    low: float
    high: float


class StudyResult(Spec):
    """The numbers that `output=FILE` writes and MLflow keeps as `result.json`."""

    run_id: str
    key: str
    model: str
    bench: str
    adjustment: str
    seed: int
    verdict: Verdict
    reason: str
    budget: int
    """The adjustment's own, examples."""
    smallest_budget: int | None
    """The smallest that is sufficient; null where none is shown to be."""
    tolerance: float
    rungs: tuple[JudgedBudget | BudgetScore, ...]
    unreached: tuple[int, ...] = ()
    """Budgets that no trial reached."""
    cost: Cost | None
    """Of the smallest sufficient budget."""
    cost_of_study: StudyCost
    currency: str | None
    trials: tuple[TrialResult, ...]
    n_trials: int
    n_validation: int
    validation: str
    measure: str
    validation_digest: str | None = None
    """Of the validation items; null in a study of an earlier ttt, which kept no items of its own."""
    schedules: Schedules | None
    cells: Mapping[str, str] = {}
    """The tag of each cell that was covered when the study ended, by run id."""

    @property
    def judged(self) -> tuple[JudgedBudget, ...]:
        return tuple(rung for rung in self.rungs if isinstance(rung, JudgedBudget))

    def to_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json")

    def at(self, n_examples: int) -> tuple[Verdict, str]:
        """The verdict on a budget, and why."""
        plateau = Plateau(tuple(rung.judgement for rung in self.judged), self.smallest_budget, self.tolerance)
        return verdict_at(plateau, n_examples, self.unreached)


class IngestedVerdict(Spec):
    """The verdict on a cell that somebody else measured, by two of its checkpoints."""

    run_id: str
    model: str
    adjustment: str
    verdict: Verdict
    reason: str
    budget: float
    later: float
    gain: float
    low: float
    high: float
    n_items_to_decide: int | None


class IngestedVerdicts(Spec):
    """The verdicts on a suite's ingested cells; `skipped` says why, by the name of the run."""

    suite: str
    bench: str
    tolerance: float
    from_share: float
    counts: dict[Verdict, int]
    counts_if_correlated: dict[str, dict[Verdict, int]]
    basis: str
    models: tuple[IngestedVerdict, ...]
    suite_saturation: SuiteSaturation
    """By the checkpoints that most of the models have."""
    without_checkpoints: tuple[str, ...]
    """Models that lack these, on which the suite's verdict does not rest."""
    skipped: dict[str, str]


def verdict_at(plateau: Plateau, n_examples: int, unreached: tuple[int, ...] = ()) -> tuple[Verdict, str]:
    """The verdict on a budget, and why: by the largest budget judged that is not above it.

    A budget from the smallest sufficient one on is saturated; one below or above all that were judged is undecided.
    """
    judged = [rung for rung in plateau.rungs if rung.budget <= n_examples]
    rung = judged[-1] if judged else None
    if plateau.smallest is not None and n_examples >= plateau.smallest:
        assert rung is not None
        return "saturated", _gain(rung, plateau)
    if unreached and (rung is None or n_examples >= plateau.rungs[-1].later):
        return "undecided", f"no trial reached {unreached[0]:,} examples, so that {n_examples:,} are not judged"
    if rung is None:
        return "undecided", f"{n_examples:,} examples are fewer than any budget that was judged"
    if n_examples >= plateau.rungs[-1].later:
        return "undecided", f"{n_examples:,} examples are more than any budget that was judged; {_gain(rung, plateau)}"
    gain = _gain(rung, plateau)
    if rung.verdict == "undecided" and rung.n_items_to_decide:
        gain += f"; {rung.n_items_to_decide:,} items would decide, {rung.n_items:,} are there"
    if rung.verdict == "saturated":
        return "undecided", gain + "; a larger budget is not shown to be"
    return rung.verdict, gain


def _gain(rung: BudgetJudgement, plateau: Plateau) -> str:
    return (
        f"from {rung.budget:,.0f} to {rung.later:,.0f} examples the score gains {rung.gain:+.3f} "
        f"({rung.low:+.3f} to {rung.high:+.3f}; tolerance {plateau.tolerance:g})"
    )
