"""The confound made on purpose from the older models' own cells, where a suite has the adjustments for it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from ttt.comparison.alike import BENCH, OF_MODEL, RECIPE, TASK_DATA, refuse_mixed
from ttt.comparison.cells import cell_rows
from ttt.comparison.inputs import MIN_MODELS, Inputs
from ttt.comparison.models import model_rows
from ttt.comparison.options import Options
from ttt.comparison.table import Table
from ttt.stats.confound import recreate_confound
from ttt.tracking import Tracker

HINT = "leave cells out with exclude=[model or run id, ...], or the confound with confound=none"


def confound_of(tracker: Tracker, inputs: Inputs, table: Table, options: Options) -> dict[str, Any] | None:
    """Theta between random halves of the older models: untouched, one half trained on the test task, all adjusted.

    None where it is not asked for, or fewer than four older models have all three adjustments. Raw scores. SpecError
    for cells that cannot be compared: each adjustment is one recipe at one budget, the two that end alike are the same
    recipe, and bench, precision and models are those of the whole comparison.
    """
    if options.confound == "none":
        return None
    names = options.confound_adjustments.names
    older = {table.names[i]: table.compute[i] for i in np.flatnonzero(table.newer == 0)}
    there = {name: {run.data.tags["ttt.model"] for run in inputs.runs if _adjustment(run) == name} for name in names}
    common = [model for model in older if all(model in of for of in there.values())]
    if len(common) < MIN_MODELS:
        return None
    runs = {
        name: [run for run in inputs.runs if _adjustment(run) == name and run.data.tags["ttt.model"] in common]
        for name in names
    }
    for of in runs.values():
        refuse_mixed(tracker, of, hint=HINT)
    together = [run for of in runs.values() for run in of]
    refuse_mixed(tracker, together, [TASK_DATA], [], [], HINT)
    refuse_mixed(tracker, runs[names[1]] + runs[names[2]], [RECIPE], [], [], HINT)
    refuse_mixed(tracker, together + [cell.run for cell in inputs.cells], [BENCH], ["precision"], OF_MODEL, HINT)
    scores = {
        name: {row.model: row for row in model_rows(cell_rows(of, inputs.score_key), "raw")}
        for name, of in runs.items()
    }
    trained, base_adjusted, trained_adjusted = ([scores[name][model].adjusted for model in common] for name in names)
    result = recreate_confound(
        [older[model] for model in common],
        [scores[names[0]][model].base for model in common],
        trained,
        base_adjusted,
        trained_adjusted,
        chance=table.chance,
        seed=options.seed,
    )
    return {**asdict(result), "adjustments": options.confound_adjustments.model_dump()}


def _adjustment(run: Any) -> str:
    return str(run.data.tags["ttt.adjustment"])
