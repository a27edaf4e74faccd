"""Verdicts on cells that others measured, by the scores at the checkpoints of their adjusting."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from ttt.cell.result import CellResult
from ttt.cell.study_result import SATURATED_TAG, IngestedVerdict, IngestedVerdicts
from ttt.cell.suite_result import SuiteSaturation, worst
from ttt.spec import SpecError
from ttt.stats.plateau import Verdict, judge_scores
from ttt.stats.suite_plateau import judge_suite_scores
from ttt.tracking import Tracker

log = logging.getLogger(__name__)

BASIS = (
    "The verdicts rest on totals: without the items of each checkpoint the intervals treat two checkpoints as "
    "independent, are wider than paired ones, and leave most cells undecided."
)

TEST_ITEMS = "items of the test, by totals alone"
ScoredLadder = tuple[list[float], list[float], list[float], int]
"""Budgets (examples), scores, their standard errors, and the number of items."""
CORRELATIONS = (0.5, 0.8)
"""Of one item's scores at two checkpoints: what the verdicts would be if it were so. No tag rests on them."""


def judge_ingested(
    tracker: Tracker,
    suite: str,
    bench: str,
    from_share: float,
    tolerance: float,
    cutoff: str,
    budgets: Collection[int] = (),
) -> IngestedVerdicts:
    """Judge every ingested, adjusted cell of a suite from the first checkpoint at `from_share` of its budget or more.

    That checkpoint is compared with every later one (`judge_scores`), and its verdict is the cell's tag
    `ttt.saturated`: if the budget before the last adds nothing more, the last one was enough. Where `budgets` are given
    (examples), these checkpoints are judged by instead, and no cell is tagged. Cells with fewer than two are skipped by
    name. The suite is judged by the checkpoints that most models have, those trained from `cutoff` on as the newer
    group; they are scores of the test, and no comparison is final by that verdict. Raises SpecError if the suite has no
    adjusted cells with checkpoints, or several of one model and adjustment.
    """
    runs = [run for run in tracker.runs(f"{suite}/{bench}", "cell") if run.data.params.get("method") != "none"]
    results = tracker.read_jsons(runs, "result.json")
    _refuse_several(runs, results)
    rows, ladders, skipped = [], {}, {}
    counts = {correlation: Counter[Verdict]() for correlation in (0.0, *CORRELATIONS)}
    for run, content in sorted(zip(runs, results, strict=True), key=lambda pair: pair[0].info.run_name):
        try:
            result = _result(run, content)
            ladder = _ladder(result, from_share, budgets)
        except ValueError as error:
            skipped[str(run.info.run_name)] = str(error)
            continue
        if ladder is None:
            continue
        ladders[result.adjustment, result.model] = (ladder, run.data.params)
        by_correlation = {
            correlation: judge_scores(*ladder, correlation=correlation, tolerance=tolerance).rungs[0]
            for correlation in counts
        }
        for correlation, judged in by_correlation.items():
            counts[correlation][judged.verdict] += 1
        rung = by_correlation[0.0]
        reason = (
            f"from {rung.budget:,.0f} to {rung.later:,.0f} examples the score gains {rung.gain:+.3f} "
            f"({rung.low:+.3f} to {rung.high:+.3f}; tolerance {tolerance:g}), by totals"
        )
        if tracker.is_writable and not budgets:
            tracker.open(run.info.run_id).tags(
                {
                    "ttt.saturated": SATURATED_TAG[rung.verdict],
                    "ttt.saturated_reason": reason,
                    "ttt.saturated_by": "checkpoints",
                }
            )
        rows.append(
            IngestedVerdict(
                run_id=run.info.run_id,
                model=result.model,
                adjustment=result.adjustment,
                reason=reason,
                **{name: value for name, value in vars(rung).items() if name != "n_items"},
            )
        )
    if not rows:
        raise SpecError(
            f"suite: '{suite}' has no adjusted cells on '{bench}' with checkpoints to judge by; "
            "`python -m ttt.ingest path=... suite=...` makes them"
        )
    if not tracker.is_writable and not budgets:
        log.warning(f"{tracker.root} cannot be written to: the verdicts are not put on its runs as tags")
    on_suite, without = _judge_suite(ladders, tolerance, cutoff)
    named = {f"{c:g}": {verdict: counts[c][verdict] for verdict in SATURATED_TAG} for c in CORRELATIONS}
    return IngestedVerdicts(
        suite=suite,
        bench=bench,
        tolerance=tolerance,
        from_share=from_share,
        counts={verdict: counts[0.0][verdict] for verdict in SATURATED_TAG},
        counts_if_correlated=named,
        basis=BASIS,
        models=tuple(rows),
        suite_saturation=on_suite,
        without_checkpoints=without,
        skipped=skipped,
    )


def _refuse_several(runs: Sequence[Any], results: Sequence[Any]) -> None:
    """SpecError for seeds of one model and adjustment: the suite's verdict would count one of them alone."""
    names: dict[tuple[str, str], list[str]] = {}
    for run, content in zip(runs, results, strict=True):
        if content is not None and content.get("checkpoints"):
            cell = run.data.tags["ttt.model"], run.data.tags["ttt.adjustment"]
            names.setdefault(cell, []).append(str(run.info.run_name))
    if several := sorted(", ".join(sorted(of)) for of in names.values() if len(of) > 1):
        raise SpecError(
            f"suite: several cells with checkpoints are of one model and adjustment, of which one can be judged: "
            f"{'; '.join(several)}"
        )


def _judge_suite(
    ladders: Mapping[tuple[str, str], tuple[ScoredLadder, Mapping[str, str]]], tolerance: float, cutoff: str
) -> tuple[SuiteSaturation, tuple[str, ...]]:
    """The verdict by the most frequent checkpoints of an adjustment on the models that have them, and the others.

    `ladders` has, by adjustment and model, the ladder and the params of the run.
    """
    common = Counter((adjustment, tuple(of[0][0])) for (adjustment, _), of in ladders.items())
    chosen, budgets = common.most_common(1)[0][0]
    there = {
        model: of
        for (adjustment, model), of in ladders.items()
        if adjustment == chosen and set(budgets) <= set(of[0][0])
    }
    params = [of for _, of in there.values()]
    newer = np.array([of["trained"] >= cutoff for of in params], float)
    places = [[ladder[0].index(budget) for budget in budgets] for ladder, _ in there.values()]
    scores, errors = (
        np.array([np.array(ladder[i])[at] for at, (ladder, _) in zip(places, there.values(), strict=True)])
        for i in (1, 2)
    )
    verdicts = []
    for place, later in enumerate(budgets[1:], 1):
        judged = judge_suite_scores(
            scores[:, place] - scores[:, 0],
            np.hypot(errors[:, place], errors[:, 0]),
            [of["family"] for of in params],
            newer if 0 < newer.sum() < len(newer) else None,
            [6.0 * float(of["n_params"]) * float(of["n_tokens"]) for of in params],
            tolerance=tolerance,
        )
        n_items = max(ladder[3] for ladder, _ in there.values())
        verdicts.append(SuiteSaturation.of(judged, list(there), int(budgets[0]), int(later), n_items, TEST_ITEMS))
    others = (
        f"{model} {adjustment}" for adjustment, model in ladders if (adjustment, model in there) != (chosen, True)
    )
    return worst(verdicts), tuple(sorted(others))


def _result(run: Any, content: Any) -> CellResult:
    """The run's result. Raises ValueError if there is none that can be read."""
    if content is None:
        raise ValueError(f"run {run.info.run_id} has no result.json that can be read")
    try:
        return CellResult(**content)
    except TypeError as error:
        raise ValueError(
            f"the result.json of run {run.info.run_id} was written by another version of ttt ({error})"
        ) from error


def _ladder(result: CellResult, from_share: float, budgets: Collection[int]) -> ScoredLadder | None:
    """Budgets, scores, their errors and the number of items, from `from_share` of the last checkpoint's budget on.

    Or those of the budgets that are given. None for a cell without checkpoints. Raises ValueError for one with fewer
    than two that can be judged.
    """
    if not result.checkpoints:
        return None
    last = max(point["n_examples"] or 0 for point in result.checkpoints)
    points = {
        float(point["n_examples"] or 0): point
        for point in result.checkpoints
        if ((point["n_examples"] or 0) in budgets if budgets else (point["n_examples"] or 0) >= from_share * last)
    }
    sound = [points[n] for n in sorted(points) if None not in (points[n]["score"], points[n]["stderr"])]
    if len(sound) < 2:
        which = f"of {sorted(budgets)} examples" if budgets else f"from {from_share:g} of the budget on"
        raise ValueError(f"{len(sound)} checkpoints with a score and an error {which}")
    there, scores, errors = ([float(p[key] or 0) for p in sound] for key in ("n_examples", "score", "stderr"))
    return there, scores, errors, _n_items(result, sound[-1])


def _n_items(result: CellResult, point: dict[str, float | None]) -> int:
    """How many items a score is of; where that is not said, as many as a standard error of a share p(1-p) has."""
    if result.n_items:
        return result.n_items
    score, stderr = point["score"] or 0.0, point["stderr"] or 0.0
    return max(2, round(score * (1 - score) / stderr**2)) if stderr else 2
