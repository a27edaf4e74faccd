"""What a verdict means for the cells of its model and bench: tags on their runs and versions, the alias `final`."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from ttt.spec import Cell
from ttt.stats.plateau import Plateau, Rung
from ttt.tracking import RunLog, Tracker

log = logging.getLogger(__name__)

WORDS = {"saturated": "yes", "not saturated": "no", "undecided": "undecided"}
"""Verdicts as the tag `ttt.saturated` gives them."""
RESULT = "result.json"
RUNG = tuple(Rung.__dataclass_fields__)


def plateau_of(result: Mapping[str, Any]) -> Plateau:
    """The verdicts of a study from its result."""
    rungs = tuple(Rung(**{name: row[name] for name in RUNG}) for row in result["rungs"] if "verdict" in row)
    return Plateau(rungs, result["smallest_budget"], result["tolerance"])


def tag_cells(tracker: Tracker, cell: Cell, result: Mapping[str, Any]) -> dict[str, str]:
    """Tag every finished cell that the study's verdict covers; returns the tag by run id."""
    tagged = {}
    for run in tracker.runs(f"{cell.suite}/{cell.bench.name}", "cell"):
        tags, n_examples = run.data.tags, run.data.metrics.get("train/n_examples")
        if n_examples is not None and _covered(cell).items() <= tags.items():
            tagged[run.info.run_id] = _tag(tracker, run.info.run_id, plateau_of(result), int(n_examples), result)
    return tagged


def tag_by_study(tracker: Tracker, cell: Cell, run: RunLog, n_examples: int) -> None:
    """Tag a cell that is about to finish by the newest study that covers it, if there is one."""
    studies = tracker.runs(f"{cell.suite}/{cell.bench.name}", "saturation")
    found = [study for study in studies if _covered(cell).items() <= study.data.tags.items()]
    if found:
        result = read_study(tracker, max(found, key=lambda study: study.info.start_time))
        if result:
            _tag(tracker, run.run_id, plateau_of(result), n_examples, result)


def read_study(tracker: Tracker, run: Any) -> dict[str, Any] | None:
    """The result of a finished study; None, with a warning, if it cannot be read or is not what its metrics say."""
    metrics, run_id = run.data.metrics, run.info.run_id
    try:
        result: dict[str, Any] = tracker.read_json(run_id, RESULT)
        plateau_of(result)
        told = {name: result[name] for name in ("n_trials", "smallest_budget")}
    except (ValueError, KeyError, TypeError) as error:
        log.warning(f"run {run_id}: the study's {RESULT} cannot be read: {type(error).__name__}: {error}")
        return None
    logged = {name: metrics.get(name) for name in told}
    if told != logged:
        log.warning(
            f"run {run_id}: the study's {RESULT} is not what was logged: {told}, the run's metrics are {logged}"
        )
        return None
    return result


def _covered(cell: Cell) -> dict[str, str]:
    """A verdict is on a model, a bench and a recipe; the budget and the seed are the cell's own."""
    return {
        "ttt.model": cell.model.name,
        "ttt.bench": cell.bench.name,
        "ttt.bench_version": str(cell.bench.version),
        "ttt.adjustment": cell.adjustment.name,
    }


def _tag(tracker: Tracker, run_id: str, plateau: Plateau, n_examples: int, result: Mapping[str, Any]) -> str:
    verdict, reason = verdict_at(plateau, n_examples)
    tags = {"ttt.saturated": verdict, "ttt.saturated_by": result["run_id"], "ttt.saturated_reason": reason}
    tracker.open(run_id).tags(tags)
    name = f"{result['model']}-{result['bench']}"
    for version in tracker.client.search_model_versions(f"name = '{name}' and run_id = '{run_id}'"):
        for key, value in tags.items():
            tracker.client.set_model_version_tag(name, version.version, key, value)
        aliases = tracker.client.get_registered_model(name).aliases
        if verdict == "yes":
            tracker.client.set_registered_model_alias(name, "final", version.version)
        elif str(aliases.get("final")) == str(version.version):
            tracker.client.delete_registered_model_alias(name, "final")
    return verdict


def verdict_at(plateau: Plateau, n_examples: int) -> tuple[str, str]:
    """`yes`, `no` or `undecided` for a budget, and why: by the largest budget judged that is not above it.

    A budget from the smallest sufficient one on is saturated; one below the ladder is undecided.
    """
    judged = [rung for rung in plateau.rungs if rung.budget <= n_examples]
    if not judged:
        return "undecided", f"{n_examples:,} examples are fewer than any budget that was judged"
    rung = judged[-1]
    gain = (
        f"from {rung.budget:,.0f} to {rung.later:,.0f} examples the score gains {rung.gain:+.3f} "
        f"({rung.low:+.3f} to {rung.high:+.3f}; tolerance {plateau.tolerance:g})"
    )
    if plateau.smallest is not None and n_examples >= plateau.smallest:
        return "yes", gain
    if rung.verdict == "undecided" and rung.n_items_to_decide:
        gain += f"; {rung.n_items_to_decide:,} items would decide, {rung.n_items:,} are there"
    word = WORDS[rung.verdict]
    return ("undecided", gain + "; a larger budget is not shown to be") if word == "yes" else (word, gain)
