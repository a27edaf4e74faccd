"""Whether a comparison may be called final: every model adjusted until more would change nothing, all alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from ttt.cell.suite_result import SuiteSaturation
from ttt.comparison.findings import Treatment
from ttt.comparison.inputs import Inputs
from ttt.comparison.models import ModelRow
from ttt.comparison.sentences.saturation import on_suite
from ttt.formatting import first_few
from ttt.spec import SpecError
from ttt.tracking import Tracker

STATES = {
    "no": "not saturated",
    "undecided": "undecided: more items are needed",
    "unknown": "not judged yet (python -m ttt.saturate)",
}


def provisional_reasons(
    models: Sequence[ModelRow], reasons: Sequence[str], suite: SuiteSaturation | None = None
) -> list[str]:
    """Those that the cells have, then what is not shown to be saturated; empty if nothing stands in the way.

    `reasons` are the inputs' own. Every model is saturated, or the suite is, where its verdict is given.
    """
    lines = list(reasons)
    states = open_states(models, suite)
    for state in states:
        names = sorted(model.model for model in models if model.saturated == state)
        lines.append(f"{len(names)} of {len(models)} models {STATES.get(state, state)}: {first_few(names)}")
    return [*lines, *of_suite(suite, states)]


def refuse_unless_final(
    models: Sequence[ModelRow], reasons: Sequence[str], suite: SuiteSaturation | None = None
) -> None:
    """SpecError that names what keeps a comparison from being final, with every model that is not saturated."""
    lines = [f"final: {reason}" for reason in reasons]
    states = open_states(models, suite)
    if states:
        lines.append("final: these cells are not shown to be saturated")
    for state in states:
        cells = [f"{model.model} (run {', '.join(model.run_ids)})" for model in models if model.saturated == state]
        lines.append(f"{STATES.get(state, state)}: {', '.join(cells)}")
    lines += of_suite(suite, states)
    if lines:
        raise SpecError("\n".join(lines))


def final_by(
    models: Sequence[ModelRow], reasons: Sequence[str], suite: SuiteSaturation | None
) -> Literal["models", "suite"] | None:
    """Whether a comparison is final because every model is saturated, or because the suite is; None: it is not."""
    if provisional_reasons(models, reasons, suite):
        return None
    return "models" if all(model.saturated == "yes" for model in models) else "suite"


def open_states(models: Sequence[ModelRow], suite: SuiteSaturation | None) -> list[str]:
    """The states, other than saturated, of models on which the suite's own verdict does not decide."""
    return [] if suite and suite.verdict == "saturated" else sorted({model.saturated for model in models} - {"yes"})


def of_suite(suite: SuiteSaturation | None, states: Sequence[str]) -> list[str]:
    """What the suite's verdict adds to the states of models; nothing where a model has no study, as they say so."""
    if suite is None or not states or (suite.verdict == "not judged" and "unknown" in states):
        return []
    return [on_suite(suite)]


def treatment(tracker: Tracker, inputs: Inputs) -> Treatment:
    """The budget of all models, and the effort and findings of the studies of it."""
    studies = {
        run.info.run_id: run.data.metrics for run in tracker.runs(f"{inputs.suite}/{inputs.bench}", "saturation")
    }
    by_model = {cell.model: cell.run.data.tags.get("ttt.saturated_by") for cell in inputs.cells}
    judged = [studies[study] for study in by_model.values() if study in studies]
    trials = [int(metrics["n_trials"]) for metrics in judged]
    budgets = [metrics.get("smallest_budget", math.nan) for metrics in judged]
    sufficient = [int(budget) for budget in budgets if not math.isnan(budget)]
    return Treatment(
        budget=inputs.cells[0].params.get("budget"),
        n_judged=len(judged),
        fewest_trials=min(trials, default=None),
        most_trials=max(trials, default=None),
        n_sufficient=len(sufficient),
        largest_sufficient=max(sufficient, default=None),
    )
