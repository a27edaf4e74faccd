"""A study's result: the verdict on the adjustment's own budget, the curve, and what the study and its answer cost."""

from __future__ import annotations

from collections.abc import Sequence

from ttt.cell.study_result import (
    BudgetScore,
    Cost,
    JudgedBudget,
    Schedules,
    StudyCost,
    StudyResult,
    TrialResult,
    verdict_at,
)
from ttt.stats.items import paired_interval
from ttt.stats.plateau import Plateau
from ttt.study.setup import StudySetup
from ttt.study.trials import FinishedTrial, Trials
from ttt.study.verdict import BudgetCurve, ItemScores, best_curve, judge


def conclude(
    setup: StudySetup, run_id: str, base: ItemScores, finished: Sequence[FinishedTrial], n_trials: int, trials: Trials
) -> tuple[StudyResult, BudgetCurve]:
    """Judge the budgets by all trials that ended, by the curve of their items, which is returned too.

    With `compare_schedules` one budget is trained once more.
    """
    spec, cell, n_params = setup.spec, setup.cell, setup.cell.model.n_params
    curve = best_curve([0, *setup.ladder.budgets], [{0: base}, *(trial.run.items for trial in finished)])
    plateau = judge(curve, spec.tolerance)
    schedules = compare_schedules(setup, finished, plateau.smallest, trials) if spec.compare_schedules else None
    verdict, reason = verdict_at(plateau, setup.own_budget, curve.unreached)
    rungs = [rung for trial in finished for rung in trial.run.rungs]
    # A rung's seconds are those of its budget by itself: what it took on top of the rungs before is as its tokens.
    seconds = sum(rung.seconds * rung.n_tokens_taken / max(1, rung.n_tokens) + rung.seconds_scored for rung in rungs)
    study = Cost.of(
        n_params,
        sum(rung.n_tokens_taken for rung in rungs),
        sum(rung.n_tokens_scored for rung in rungs),
        seconds,
        spec.price_per_hour,
    )
    result = StudyResult(
        run_id=run_id,
        key=setup.key,
        model=cell.model.name,
        bench=cell.bench.name,
        adjustment=cell.adjustment.name,
        seed=cell.seed,
        verdict=verdict,
        reason=reason + _why_unreached(curve, finished),
        budget=setup.own_budget,
        smallest_budget=None if plateau.smallest is None else int(plateau.smallest),
        tolerance=spec.tolerance,
        rungs=tuple(_budgets(curve, plateau, finished)),
        unreached=curve.unreached,
        cost=_sufficient(setup, curve, plateau, finished),
        cost_of_study=StudyCost(
            **study.model_dump(),
            n_tokens_anew=sum(rung.n_tokens for rung in rungs),
            n_tokens_full_grid=_full_grid(finished),
        ),
        currency=spec.currency if spec.price_per_hour is not None else None,
        trials=tuple(
            TrialResult(
                run_id=trial.run.run_id,
                values=dict(trial.values),
                scores={rung.n_examples: rung.score for rung in trial.run.rungs},
            )
            for trial in finished
        ),
        n_trials=n_trials,
        n_validation=curve.items.shape[1],
        validation=setup.validation.source,
        measure=setup.validation.measure,
        validation_digest=setup.validation.digest,
        schedules=schedules,
    )
    return result, curve


def compare_schedules(
    setup: StudySetup, finished: Sequence[FinishedTrial], smallest: float | None, trials: Trials
) -> Schedules | None:
    """The adjustment's own schedule against the rung's cool-down: one budget and recipe, the same items.

    None where no trial reached a budget to compare at, or the own schedule diverges.
    """
    wanted = smallest or setup.own_budget
    reached = {budget for trial in finished for budget in trial.run.items}
    places = [place for place, budget in enumerate(setup.ladder.budgets) if budget in reached]
    place = max((p for p in places if setup.ladder.budgets[p] <= wanted), default=min(places, default=None))
    if place is None:
        return None
    budget = setup.ladder.budgets[place]
    best = max(finished, key=lambda trial: trial.score_at(budget))
    own = trials.own_schedule(best.values, place)
    if own is None:
        return None
    cooldown = best.run.items[budget]
    low, high = paired_interval(own - cooldown)
    return Schedules(
        budget=budget,
        own_schedule=setup.cell.adjustment.schedule,
        own=float(own.mean()),
        cooldown=float(cooldown.mean()),
        difference=float((own - cooldown).mean()),
        low=low,
        high=high,
    )


def _budgets(curve: BudgetCurve, plateau: Plateau, finished: Sequence[FinishedTrial]) -> list[BudgetScore]:
    judged = {int(rung.budget): rung for rung in plateau.rungs}
    rows: list[BudgetScore] = []
    for budget, score, stderr, best in zip(curve.budgets, curve.means, curve.stderrs, curve.best, strict=True):
        values = _of_curve(best, finished).values if budget else None
        row = BudgetScore(budget=budget, score=score, stderr=stderr, values=None if values is None else dict(values))
        if budget in judged:
            row = JudgedBudget(**{**vars(judged[budget]), **row.model_dump()})
        rows.append(row)
    return rows


def _of_curve(place: int, finished: Sequence[FinishedTrial]) -> FinishedTrial:
    """The trial at a place of the curve's, whose first is the base model."""
    return finished[place - 1]


def _sufficient(
    setup: StudySetup, curve: BudgetCurve, plateau: Plateau, finished: Sequence[FinishedTrial]
) -> Cost | None:
    """What the smallest sufficient budget costs by itself; None where none is shown to be."""
    n_params, price = setup.cell.model.n_params, setup.spec.price_per_hour
    if plateau.smallest is None:
        return None
    if plateau.smallest == 0:
        return Cost.of(n_params, 0, 0, 0.0, price)
    place = curve.budgets.index(int(plateau.smallest))
    reached = _of_curve(curve.best[place], finished).run.at(curve.budgets[place])
    assert reached is not None
    rung, _ = reached
    return Cost.of(n_params, rung.n_tokens, rung.n_tokens_scored, rung.seconds + rung.seconds_scored, price)


def _full_grid(finished: Sequence[FinishedTrial]) -> int:
    """Tokens of every budget with every trial's values, each trained anew: what the rungs and the halving save."""
    longest = max((trial.run.rungs for trial in finished), key=len, default=[])
    return len(finished) * sum(rung.n_tokens for rung in longest)


def _why_unreached(curve: BudgetCurve, finished: Sequence[FinishedTrial]) -> str:
    if not curve.unreached:
        return ""
    n_diverged = sum(bool(trial.run.failure) for trial in finished)
    n_stopped = len(finished) - n_diverged
    return f"; of {len(finished)} trials {n_diverged} diverged and {n_stopped} were stopped by successive halving"
