"""Whether a comparison may be called final: every model adjusted until more would change nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ttt.comparison.inputs import Inputs
from ttt.comparison.models import ModelRow
from ttt.comparison.rows import some
from ttt.spec import SpecError
from ttt.tracking import Tracker

WORDS = {
    "no": "not saturated",
    "undecided": "undecided: more items are needed",
    "unknown": "not judged yet (python -m ttt.saturate)",
}


def provisional_reasons(models: Sequence[ModelRow]) -> list[str]:
    """A line for each state other than saturated, with the models in it; empty if all are saturated."""
    states = sorted({model.saturated for model in models} - {"yes"})
    reasons = []
    for state in states:
        names = sorted(model.model for model in models if model.saturated == state)
        reasons.append(f"{len(names)} of {len(models)} models {WORDS.get(state, state)}: {some(names)}")
    return reasons


def refuse_unless_final(models: Sequence[ModelRow]) -> None:
    """SpecError that names every model which is not shown to be saturated."""
    states = sorted({model.saturated for model in models} - {"yes"})
    lines = []
    for state in states:
        cells = [f"{model.model} (run {', '.join(model.run_ids)})" for model in models if model.saturated == state]
        lines.append(f"{WORDS.get(state, state)}: {', '.join(cells)}")
    if lines:
        raise SpecError("final: these cells are not shown to be saturated\n" + "\n".join(lines))


def treatment(tracker: Tracker, inputs: Inputs) -> dict[str, Any]:
    """Whether all models were treated alike: their budget, and the effort and findings of the studies of it."""
    studies = {
        run.info.run_id: run.data.metrics for run in tracker.runs(f"{inputs.suite}/{inputs.bench}", "saturation")
    }
    by_model = {cell.model: cell.run.data.tags.get("ttt.saturated_by") for cell in inputs.cells}
    judged = [studies[study] for study in by_model.values() if study in studies]
    trials = [int(metrics["n_trials"]) for metrics in judged]
    sufficient = [int(metrics["smallest_budget"]) for metrics in judged if "smallest_budget" in metrics]
    return {
        "budget": inputs.cells[0].params.get("budget"),
        "n_judged": len(judged),
        "fewest_trials": min(trials, default=None),
        "most_trials": max(trials, default=None),
        "n_sufficient": len(sufficient),
        "largest_sufficient": max(sufficient, default=None),
    }
