"""Where abilities emerge as the budget of adjusting grows, from the scores that cells took on the way."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ttt.cell.read import check_result
from ttt.comparison.alike import is_imported
from ttt.comparison.cells import CellRow
from ttt.comparison.findings import EmergenceRow, of_fields
from ttt.comparison.inputs import Array, Inputs, Table
from ttt.comparison.models import MIN_MODELS
from ttt.comparison.options import MANY_MODELS, Options
from ttt.spec import SpecError
from ttt.stats.emergence import emergence
from ttt.tracking import Tracker, last_step

ROWS_REPLICATES, MANY_ROWS_REPLICATES = 399, 199  # at most, for a fit for each budget and measure
MIN_SHARE = 0.5  # of the models: a budget that only a few were scored at would tell of them, not of the budget
MEASURES = {"score": (), "brier": ("brier", "brier_score"), "gold_logprob": ("gold_logprob",)}
"""Measures by the names that results have for them; the score's depends on the rule."""

Budgets = dict[float, dict[str, Mapping[str, float | None]]]
"""By examples seen and model: the scores and metrics taken there. Infinity stands for the whole adjustment where it is
not known how many examples that is."""


def read_budgets(tracker: Tracker, inputs: Inputs, models: Sequence[str]) -> Budgets:
    """What some models scored on the way, seeds averaged. The end is put at one budget, the largest of any model.

    Adjusted as many epochs, models differ by a few examples at most. Where the number is not known of one it is taken
    as known of none.
    """
    cells = [cell for cell in inputs.cells if cell.model in set(models)]
    results = tracker.read_jsons([cell.run for cell in cells], "result.json")
    points: dict[tuple[float, str], list[Mapping[str, float | None]]] = defaultdict(list)
    for cell, result in zip(cells, results, strict=True):
        if result is None:
            raise SpecError(
                f"{cell.model}: run {cell.run_id} has no result.json that can be read; repeat its cell, or "
                f"leave it out with exclude=[{cell.run_id}]"
            )
        check_result(result, cell.run)
    end = max((_end(cell, result) for cell, result in zip(cells, results, strict=True)), default=0.0)
    for cell, result in zip(cells, results, strict=True):
        if "base" in inputs.sides:
            points[0.0, cell.model].append(result["base"])
        if "adjusted" not in inputs.sides:
            continue
        if end > 0:
            points[end, cell.model].append(result["adjusted"])
        for examples, scores in _on_the_way(tracker, inputs, cell, result).items():
            if 0 < examples < end:
                points[examples, cell.model].append(scores)
    budgets: Budgets = defaultdict(dict)
    for (examples, model), seeds in points.items():
        budgets[examples][model] = _mean(seeds)
    return dict(budgets)


def _end(cell: CellRow, result: Mapping[str, Any]) -> float:
    """Examples that the adjusted model has seen: the step of its score, infinity where that is only a place in a row.

    Of results that others measured the step is known to be a number of examples where it is that of a checkpoint.
    """
    step = float(last_step(cell.run, "adjusted/score") or 0)
    known = not is_imported(cell.run) or step in {checkpoint["n_examples"] for checkpoint in result["checkpoints"]}
    return step if known else math.inf


def _on_the_way(
    tracker: Tracker, inputs: Inputs, cell: CellRow, result: Mapping[str, Any]
) -> dict[float, Mapping[str, float | None]]:
    """Checkpoints of a cell by examples seen: its result's, or the metric's steps where the result leaves them out."""
    if result["checkpoints"] or not inputs.scored_on_the_way or inputs.score_key != "score":
        return {float(checkpoint["n_examples"]): checkpoint for checkpoint in result["checkpoints"]}
    return {float(step): {"score": value} for step, value in tracker.open(cell.run_id).history("adjusted/score")}


def _mean(seeds: Sequence[Mapping[str, float | None]]) -> dict[str, float | None]:
    if len(seeds) == 1:
        return dict(seeds[0])
    names = set.intersection(*({name for name, value in seed.items() if value is not None} for seed in seeds))
    return {name: float(np.mean([seed[name] for seed in seeds])) for name in names}


@dataclass(frozen=True)
class Emergence:
    """Rows by measure and budget, and budgets that have none as too few models were scored there."""

    rows: list[EmergenceRow]
    budgets_left_out: list[float]


def emergence_of(budgets: Budgets, inputs: Inputs, table: Table, older: Sequence[int], options: Options) -> Emergence:
    """The older models by budget, for every measure that they have, of the same models at every budget.

    With `inference=paper` each budget has all models that were scored there, as in the release.
    """
    if table.chance is None or len(older) < MIN_MODELS:
        return Emergence([], [])
    names = [table.names[i] for i in older]
    rows: list[EmergenceRow] = []
    left_out: set[float] = set()
    for measure, keys in MEASURES.items():
        sign = -1.0 if measure == "brier" else 1.0
        scores = {
            examples: sign * np.array([_number(of.get(name, {}), keys or (inputs.score_key,)) for name in names])
            for examples, of in budgets.items()
        }
        kept = _enough(scores, MIN_SHARE * len(names), same=options.inference != "paper")
        if not kept:
            continue
        left_out |= {examples for examples in set(scores) - set(kept) if np.isfinite(scores[examples]).any()}
        for row, values in zip(
            emergence(
                table.compute[list(older)],
                kept,
                # Guessing among k choices has a Brier score of 1 - 1/k; of a log-probability there is no such level.
                chance={"score": table.chance, "brier": table.chance - 1.0, "gold_logprob": 0.0}[measure],
                clusters=None if table.clusters is None else [table.clusters[i] for i in older],
                n_replicates=min(
                    options.n_replicates, MANY_ROWS_REPLICATES if len(names) > MANY_MODELS else ROWS_REPLICATES
                ),
                seed=options.seed,
            ),
            (kept[examples] for examples in sorted(kept)),
            strict=True,
        ):
            without = [name for name, value in zip(names, values, strict=True) if np.isnan(value)]
            group = "older" if table.is_grouped else "all"
            aside = [names[place] for place in row.aside]
            named = of_fields(EmergenceRow, row, group=group, measure=measure, left_out=without, set_aside=aside)
            if measure == "gold_logprob":  # it has no level of chance that it could leave
                named = replace(named, c_e=None, c_e_low=None, c_e_high=None, floor=None)
            rows.append(named)
    return Emergence(rows, sorted(left_out))


def _enough(scores: Mapping[float, Array], enough: float, *, same: bool) -> dict[float, Array]:
    """Budgets at which enough models were scored, and with `same` only the models that were scored at all of these.

    A budget that would leave too few models to the others is left out, those with the fewest models first.
    """
    enough = max(MIN_MODELS, enough)
    kept = {examples: y for examples, y in scores.items() if np.isfinite(y).sum() >= enough}
    if not same:
        return kept
    while kept:
        everywhere = np.isfinite(np.array([*kept.values()])).all(0)
        if everywhere.sum() >= enough:
            return {examples: np.where(everywhere, y, np.nan) for examples, y in kept.items()}
        fewest = min(kept, key=lambda examples: (np.isfinite(kept[examples]).sum(), -examples))
        del kept[fewest]
    return {}


def _number(values: Mapping[str, float | None], keys: Sequence[str]) -> float:
    value = next((values[key] for key in keys if values.get(key) is not None), None)
    return float("nan") if value is None else float(value)
