"""Whether training on the test task is enough to explain a lead: the confound made on purpose, and a discriminator.

Both are of a bench's older models: two random halves of them, one of which trained on the test task, and all of them
adjusted, against the newer ones that were not.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ttt.comparison.alike import BENCH, OF_MODEL, RECIPE, TASK_DATA, refuse_mixed
from ttt.comparison.cells import cell_rows
from ttt.comparison.emergence import Budgets
from ttt.comparison.findings import Accuracy, Discriminator, HalvesThetas, RecreatedConfound, of_fields
from ttt.comparison.inputs import MIN_MODELS, Array, Inputs, Table
from ttt.comparison.models import model_rows
from ttt.comparison.options import MANY_MODELS, Options
from ttt.spec import SpecError
from ttt.stats.confound import recreate_confound
from ttt.stats.discriminator import N_FOLDS, discriminate
from ttt.tracking import Tracker

HINT = "leave cells out with exclude=[model or run id, ...], or the confound with confound=none"
HALVES = ("untouched", "half_trained", "all_adjusted")
FEW_PERMUTATIONS = 19  # each costs five fits; with many models the null is narrow


def confound_of(tracker: Tracker, inputs: Inputs, table: Table, options: Options) -> RecreatedConfound | None:
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
    halves = {name: of_fields(HalvesThetas, getattr(result, name)) for name in HALVES}
    adjustments = options.confound_adjustments.model_dump()
    return of_fields(RecreatedConfound, {**vars(result), **halves}, **halves, adjustments=adjustments)


def _adjustment(run: Any) -> str:
    return str(run.data.tags["ttt.adjustment"])


def discriminator_of(inputs: Inputs, table: Table, budgets: Budgets, options: Options) -> Discriminator | None:
    """Balanced accuracies against the older base models and the adjusted ones; None with too few of either group.

    A budget in between (`discriminator_examples`) leaves out the older models that were not scored there.
    """
    old, new = table.newer == 0, table.newer == 1
    n_permutations = min(options.n_permutations, FEW_PERMUTATIONS if len(table.names) > MANY_MODELS else 10**9)
    accuracies: dict[str, Accuracy] = {}
    for side, scores in (("base", table.scores["base"]), ("adjusted", _adjusted(inputs, table, budgets, options))):
        known = old & np.isfinite(scores)
        if min(known.sum(), new.sum()) < N_FOLDS:
            return None
        accuracies[side] = of_fields(
            Accuracy,
            discriminate(
                table.compute[known],
                scores[known],
                table.compute[new],
                table.scores["base"][new],
                n_permutations=n_permutations,
                seed=options.seed,
            ),
        )
    return Discriminator(options.discriminator_examples, n_permutations, **accuracies)


def _adjusted(inputs: Inputs, table: Table, budgets: Budgets, options: Options) -> Array:
    """The older models' scores at the budget asked for, NaN where there is none; or fully adjusted."""
    examples = options.discriminator_examples
    if examples is None:
        return table.scores["adjusted"]
    if examples not in budgets:
        there = ", ".join(f"{budget:.0f}" for budget in sorted(budgets) if budget)
        raise SpecError(f"discriminator_examples: nothing was scored after {examples}; there is: {there}")
    values = [budgets[examples].get(name, {}).get(inputs.score_key) for name in table.names]
    return np.array([np.nan if value is None else value for value in values], float)
