"""What a verdict means for the cells that it covers: tags on their runs and versions, the alias `final-<bench>`."""

from __future__ import annotations

import logging
import math
from typing import Any

from ttt.cell.aliases import settle_final
from ttt.cell.study_result import SATURATED_TAG, StudyResult
from ttt.spec import Cell, SpecError, check
from ttt.tracking import RunLog, Tracker, Version

log = logging.getLogger(__name__)

RESULT = "result.json"
SAME_TAGS = ("ttt.model", "ttt.recipe", "ttt.bench_digest", "ttt.task_data_digest")
SAME_PARAMS = ("source", "precision", "learning_rate", "lora_targets")


def covers(study: Any, cell: Any) -> bool:
    """Whether the verdict of a study is one on a cell, by their MLflow runs; nothing goes by names.

    Both must have the same model from the same source, the same test, task data and recipe. The recipe is the one that
    the study was asked about: one with other values that its search tried has a digest of its own, and a study of its
    own. What the recipe leaves to the model must be the same too (the rate by its size, the modules of LoRA), and so
    must the precision: in bfloat16 training may come to rest elsewhere than in float32. Budget and seed are the cell's.
    """
    tags, params = study.data.tags, study.data.params
    return all(tags.get(name) and tags[name] == cell.data.tags.get(name) for name in SAME_TAGS) and all(
        params.get(name) == cell.data.params.get(name) for name in SAME_PARAMS
    )


def tag_cells(tracker: Tracker, cell: Cell, result: StudyResult) -> dict[str, str]:
    """Tag every finished cell that a study's verdict covers; returns the tag by run id.

    The alias `final-<bench>` goes where these say (`ttt.cell.aliases`).
    """
    study = tracker.read_run(result.run_id)
    words: dict[str, str] = {}
    for run in tracker.runs(f"{cell.suite}/{cell.bench.name}", "cell"):  # newest first
        n_examples = run.data.metrics.get("train/n_examples")
        if n_examples is None or not covers(study, run):
            continue
        version = version_of(tracker, cell, run)
        words[run.info.run_id] = _tag(tracker, cell, run.info.run_id, version, result, int(n_examples))
    settle_final(tracker, cell.model.name, cell.bench.name)
    return words


def tag_by_study(tracker: Tracker, cell: Cell, run: RunLog, n_examples: int, version: str | None = None) -> None:
    """Tag a cell that is about to finish by the newest study that covers it; `version` is its adjusted model's.

    If there is none, and the bench or its task data have changed since the verdict by which a version of the model is
    final here, that version loses the alias `final-<bench>`. A try of another recipe, of a part of the bench or in
    another precision says nothing about what is final.
    """
    made = tracker.read_run(run.run_id)
    studies = tracker.runs(f"{cell.suite}/{cell.bench.name}", "saturation")  # newest first
    results = (read_study(tracker, study) for study in studies if covers(study, made))
    result = next((result for result in results if result), None)
    if result is None:
        for former in tracker.registry.versions(cell.model.name):
            before = tracker.read_run(former.tags.get(f"cell/{cell.suite}/{cell.bench.name}"))
            was_final = former.tags.get(saturated_tag(cell)) == "yes"
            if before and made and was_final and _is_of_a_changed_bench(before, made):
                tracker.registry.set_tags(former, {saturated_tag(cell): "unknown"})
    else:
        find = tracker.registry.find
        registered = find(cell.model.name, int(version)) if version else version_of(tracker, cell, made)
        _tag(tracker, cell, run.run_id, registered, result, n_examples)
    settle_final(tracker, cell.model.name, cell.bench.name)


def _is_of_a_changed_bench(before: Any, now: Any) -> bool:
    """Whether two cells are alike but for the definition or the content of their bench and its task data."""
    same = before.data.tags.get("ttt.recipe") == now.data.tags.get("ttt.recipe")
    same &= all(before.data.params.get(name) == now.data.params.get(name) for name in (*SAME_PARAMS, "limit"))
    digests = ("ttt.bench_digest", "ttt.task_data_digest")
    return same and any(before.data.tags.get(name) != now.data.tags.get(name) for name in digests)


def version_of(tracker: Tracker, cell: Cell, run: Any) -> Version | None:
    """The registered version of the weights that a cell's run scored."""
    place = f"cell/{cell.suite}/{cell.bench.name}"
    adjusting = run.data.tags.get("ttt.adjusted_model")
    versions = tracker.registry.versions(cell.model.name)
    named = (version for version in versions if version.tags.get(place) == run.info.run_id)
    kept = (version for version in versions if adjusting and version.run_id == adjusting)
    return next(named, next(kept, None))


def read_study(tracker: Tracker, run: Any) -> StudyResult | None:
    """The result of a finished study; None, with a warning, if it cannot be read or is not what its metrics say."""
    metrics, run_id = run.data.metrics, run.info.run_id
    try:
        result = check(StudyResult, tracker.read_json(run_id, RESULT))
    except SpecError as error:
        log.warning(f"run {run_id}: the study's {RESULT} cannot be read: {error}")
        return None
    kept = {"n_trials": result.n_trials, "smallest_budget": result.smallest_budget}
    logged = {name: None if math.isnan(metrics.get(name, math.nan)) else metrics[name] for name in kept}
    if kept != logged:
        log.warning(
            f"run {run_id}: the study's {RESULT} is not what was logged: {kept}, the run's metrics are {logged}"
        )
        return None
    return result


def _tag(
    tracker: Tracker, cell: Cell, run_id: str, version: Version | None, result: StudyResult, n_examples: int
) -> str:
    """Write the verdict on a cell to its run and its version; returns the word for it."""
    verdict, reason = result.at(n_examples)
    word = SATURATED_TAG[verdict]
    tags = {"ttt.saturated": word, "ttt.saturated_by": result.run_id, "ttt.saturated_reason": reason}
    tracker.open(run_id).tags(tags)
    if version is not None:
        tracker.registry.set_tags(version, {saturated_tag(cell): word})
    return word


def saturated_tag(cell: Cell) -> str:
    """The version's tag for the verdict on its cell of this suite and bench."""
    return f"saturated/{cell.suite}/{cell.bench.name}"
