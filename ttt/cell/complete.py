"""What a cell that is done lacks of what is asked for now, beside its scores: it is made up for, or said why not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from ttt.cell.adjusted import ARTIFACT, AdjustedModel, read_facts
from ttt.cell.aliases import SUPERSEDED_BY, settle_final
from ttt.cell.final import saturated_tag
from ttt.cell.params import model_params
from ttt.cell.result import CellResult
from ttt.cell.versions import register_adjusted, register_base, tag_with_score
from ttt.formatting import duration
from ttt.spec import Cell
from ttt.tracking import Tracker, Version
from ttt.tracking.store import Say

FACTS_NOW = "ttt.facts"
"""The tag of a cell with those facts of its model that were other ones when it was asked for last, as JSON."""


def complete(cell: Cell, source: str, done: CellResult, tracker: Tracker, say: Say) -> CellResult:
    """The result of a finished cell once its model is registered and its facts are those of the request.

    `source` is the base model's. Weights that were not kept are not trained again for this: what that would cost is
    said. Nothing is written where nothing is lacking.
    """
    run = tracker.get_run(done.run_id)
    _correct_facts(cell, run, tracker, say)
    wanted = tracker.tracking
    adjusted = read_facts(tracker, done.adjusted_model["run_id"]) if done.adjusted_model else None
    if done.adjusted_model and wanted.keep_weights:
        lacks = _not_kept(cell, adjusted, tracker)
        if lacks:
            again = f" ({adjusted.n_tokens:,} tokens, which took {duration(adjusted.seconds)})" if adjusted else ""
            say(f"{cell.label}: {lacks}; the scores stand, and force=true trains again{again} and keeps them")
    if not wanted.register_models or (cell.adjustment.method == "none" and cell.model.version is not None):
        return done
    version = _version_of(tracker.registry.versions(cell.model.name), done)
    if version is None:
        version = _register(cell, source, done, adjusted, run, tracker)
        if version is None:
            return done
        say(f"{cell.label} on {cell.bench.name}: registered as {version.label}")
    place = f"cell/{cell.suite}/{cell.bench.name}"
    if str(version.number) == done.version and any(name.startswith(place) for name in version.tags):
        return done
    named = replace(done, version=str(version.number))
    tag_with_score(tracker, cell, named)
    word = run.data.tags.get("ttt.saturated", "unknown")
    if done.adjusted_model and word != "unknown":
        tracker.registry.set_tags(version, {saturated_tag(cell): word})
        settle_final(tracker, cell.model.name, cell.bench.name)
    tracker.open(done.run_id).json(asdict(named), "result.json")
    return named


def _version_of(versions: Sequence[Version], done: CellResult) -> Version | None:
    """The registered version of the weights that a cell has scored."""
    if done.adjusted_model is None:
        wanted = {"ttt.kind": "base", "ttt.digest": done.digest_base}
    else:
        wanted = {"ttt.adjusted_model": done.adjusted_model["key"], "ttt.digest": done.digest_adjusted}
    fitting = [one for one in versions if wanted.items() <= one.tags.items() and SUPERSEDED_BY not in one.tags]
    return next((one for one in fitting if str(one.number) == done.version), next(iter(fitting), None))


def _register(
    cell: Cell, source: str, done: CellResult, adjusted: AdjustedModel | None, run: Any, tracker: Tracker
) -> Version | None:
    """A version of the weights of a finished cell; None where they are not kept."""
    number: str | None
    if done.adjusted_model is None:
        number = register_base(tracker, cell, done.run_id, source, done.digest_base)
    elif adjusted is None or not tracker.has_artifact(adjusted.run_id, ARTIFACT):
        return None
    else:
        is_leaky = cell.bench.leak == "report" and run.data.metrics.get("task_data/n_leaked")
        number = register_adjusted(tracker, cell, adjusted, [cell.bench.name] if is_leaky else [])
    return tracker.registry.find(cell.model.name, int(number)) if number else None


def _not_kept(cell: Cell, adjusted: AdjustedModel | None, tracker: Tracker) -> str:
    """Which weights that the request wants kept are not; empty if all are."""
    if adjusted is None or not tracker.has_artifact(adjusted.run_id, ARTIFACT):
        return "its adjusted weights are not kept, so that no later bench can be scored and no version registered"
    if not tracker.tracking.keep_checkpoints:
        return ""
    size = cell.adjustment.batch_size
    wanted = [step for step in sorted(set(cell.adjustment.evaluate_at)) if step * size < adjusted.n_examples]
    steps = [str(step) for step in wanted if str(step) not in adjusted.checkpoints]
    return f"its weights after steps {', '.join(steps)} are not kept (tracking.keep_checkpoints)" if steps else ""


def _correct_facts(cell: Cell, run: Any, tracker: Tracker, say: Say) -> None:
    """Note the facts of the model that were other ones when the cell was made: comparisons go by those of now."""
    kept = run.data.params
    facts = model_params(cell.model, "")
    names = {*facts, "n_tokens", "compute", "trained"} - {"source"}  # three that may be unknown, now or then
    differing = {name: str(facts.get(name)) for name in names if str(facts.get(name)) != kept.get(name, "None")}
    noted = json.dumps(differing, sort_keys=True)
    for name in sorted(differing):
        say(
            f"warning: {cell.label} on {cell.bench.name}: {name} of the model is {differing[name]!r} now, and "
            f"{kept.get(name, 'None')!r} in its run; comparisons go by what it is now"
        )
    if noted != run.data.tags.get(FACTS_NOW, "{}"):
        tracker.open(run.info.run_id).tags({FACTS_NOW: noted})
