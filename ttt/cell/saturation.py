"""What a verdict means for the cells of its model and bench: tags on their runs and versions, the alias `final`."""

from __future__ import annotations

import logging
from typing import Any

from ttt.cell.study_result import SATURATED_TAG, StudyResult
from ttt.spec import Cell, SpecError, check
from ttt.tracking import RunLog, Tracker

log = logging.getLogger(__name__)

RESULT = "result.json"


def tag_cells(tracker: Tracker, cell: Cell, result: StudyResult) -> dict[str, str]:
    """Tag every finished cell that the study's verdict covers; returns the tag by run id."""
    tagged = {}
    for run in tracker.runs(f"{cell.suite}/{cell.bench.name}", "cell"):
        tags, n_examples = run.data.tags, run.data.metrics.get("train/n_examples")
        if n_examples is not None and _covered(cell).items() <= tags.items():
            tagged[run.info.run_id] = _tag(tracker, run.info.run_id, result, int(n_examples))
    return tagged


def tag_by_study(tracker: Tracker, cell: Cell, run: RunLog, n_examples: int) -> None:
    """Tag a cell that is about to finish by the newest study that covers it, if there is one."""
    studies = tracker.runs(f"{cell.suite}/{cell.bench.name}", "saturation")
    covering = [study for study in studies if _covered(cell).items() <= study.data.tags.items()]
    if covering:
        result = read_study(tracker, max(covering, key=lambda study: study.info.start_time))
        if result:
            _tag(tracker, run.run_id, result, n_examples)


def read_study(tracker: Tracker, run: Any) -> StudyResult | None:
    """The result of a finished study; None, with a warning, if it cannot be read or is not what its metrics say."""
    metrics, run_id = run.data.metrics, run.info.run_id
    try:
        result = check(StudyResult, tracker.read_json(run_id, RESULT))
    except SpecError as error:
        log.warning(f"run {run_id}: the study's {RESULT} cannot be read: {error}")
        return None
    kept = {"n_trials": result.n_trials, "smallest_budget": result.smallest_budget}
    logged = {name: metrics.get(name) for name in kept}
    if kept != logged:
        log.warning(
            f"run {run_id}: the study's {RESULT} is not what was logged: {kept}, the run's metrics are {logged}"
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


def _tag(tracker: Tracker, run_id: str, result: StudyResult, n_examples: int) -> str:
    verdict, reason = result.at(n_examples)
    word = SATURATED_TAG[verdict]
    tags = {"ttt.saturated": word, "ttt.saturated_by": result.run_id, "ttt.saturated_reason": reason}
    tracker.open(run_id).tags(tags)
    name = f"{result.model}-{result.bench}"
    for version in tracker.client.search_model_versions(f"name = '{name}' and run_id = '{run_id}'"):
        for key, value in tags.items():
            tracker.client.set_model_version_tag(name, version.version, key, value)
        aliases = tracker.client.get_registered_model(name).aliases
        if word == "yes":
            tracker.client.set_registered_model_alias(name, "final", version.version)
        elif str(aliases.get("final")) == str(version.version):
            tracker.client.delete_registered_model_alias(name, "final")
    return word
