"""The confound made on purpose from the older models' own cells, where a suite has the adjustments for it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from ttt.comparison.inputs import MIN_MODELS, Inputs
from ttt.comparison.models import model_rows
from ttt.comparison.options import Options
from ttt.comparison.rows import cell_rows
from ttt.comparison.table import Table
from ttt.stats.confound import recreate_confound


def confound_of(inputs: Inputs, table: Table, options: Options) -> dict[str, Any] | None:
    """Theta between random halves of the older models: untouched, one half trained on the test task, all adjusted.

    None where it is not asked for, or fewer than four older models have all three adjustments. Raw scores.
    """
    if options.confound == "none":
        return None
    names = options.confound_adjustments.names
    older = {table.names[i]: table.compute[i] for i in np.flatnonzero(table.newer == 0)}
    scores = {}
    for name in names:
        runs = [
            run
            for run in inputs.runs
            if run.data.tags["ttt.adjustment"] == name and run.data.tags["ttt.model"] in older
        ]
        scores[name] = {row.model: row for row in model_rows(cell_rows(runs, inputs.score_key), "raw")}
    common = [model for model in older if all(model in of for of in scores.values())]
    if len(common) < MIN_MODELS:
        return None
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
