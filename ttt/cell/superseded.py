"""What becomes of a training that another has superseded (`force=true`, weights that were lost), and of its cells."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, replace

from ttt.cell.adjusted import ARTIFACT, AdjustedModel, read_facts
from ttt.cell.read import read_result
from ttt.cell.result import CellResult
from ttt.spec import SpecError
from ttt.tracking import Tracker
from ttt.tracking.store import Say

TRAINED_AGAIN = "ttt.training_superseded"
"""The tag of a cell whose scores are those of weights that a later training has replaced by others: that one's run."""


def settle_superseded(
    tracker: Tracker, adjusted: AdjustedModel, version: str | None, being_scored: Collection[str], say: Say
) -> None:
    """Settle what still names the trainings in whose place this adjusted model is.

    Where it has the very weights that they had, these are kept once, and the cells that were scored with them name it.
    Where it has other weights, the cells are marked: asked for again, they are scored anew. `being_scored` are the keys
    of cells that this command scores anyway.
    """
    training = tracker.get_run(adjusted.run_id)
    for former in training.data.tags.get("ttt.supersedes", "").split():
        digest = digest_of(tracker, former)
        is_same = digest == adjusted.digest
        if is_same and tracker.has_artifact(former, ARTIFACT):
            weights = tracker.artifact(adjusted.run_id, ARTIFACT, adjusted.source)
            if weights is not None and tracker.local_artifacts(former) is not None:
                tracker.open(former).weights(weights, ARTIFACT)
        for cell in tracker.cells_of(former):
            run = tracker.open(cell.info.run_id)
            if is_same:
                result = _renamed(read_result_or_none(tracker, cell.info.run_id), adjusted, version)
                if result:
                    run.json(asdict(result), "result.json")
                run.tags({"ttt.adjusted_model": adjusted.run_id})
            elif cell.data.tags.get("ttt.key") not in being_scored and TRAINED_AGAIN not in cell.data.tags:
                run.tags({TRAINED_AGAIN: adjusted.run_id})
                say(
                    f"{cell.info.run_name} on {cell.data.tags.get('ttt.bench')} (run {cell.info.run_id}): its scores "
                    f"are those of run {former}, which run {adjusted.run_id} has superseded with other weights; asked "
                    "for again, these are scored, without training"
                )


def training_in_place(tracker: Tracker, result: CellResult) -> str | None:
    """The run that has trained other weights in place of those that a cell was scored with; None if there is none."""
    if result.adjusted_model is None:
        return None
    run = tracker.adjusting(result.adjusted_model["key"])
    if run is None or run.info.run_id == result.adjusted_model["run_id"]:
        return None
    return None if digest_of(tracker, run.info.run_id) == result.digest_adjusted else str(run.info.run_id)


def digest_of(tracker: Tracker, run_id: str) -> str | None:
    """The digest of the weights that a run has trained; None where that cannot be read."""
    run = tracker.read_run(run_id)
    if run is None or "ttt.digest" in run.data.tags:
        return run and run.data.tags["ttt.digest"]
    known = read_facts(tracker, run_id)
    return known.digest if known else None


def read_result_or_none(tracker: Tracker, run_id: str) -> CellResult | None:
    try:
        return read_result(tracker, run_id)
    except SpecError:  # whoever asks for the cell is told so
        return None


def _renamed(result: CellResult | None, adjusted: AdjustedModel, version: str | None) -> CellResult | None:
    if result is None or result.adjusted_model is None:
        return None
    named = {**result.adjusted_model, "run_id": adjusted.run_id}
    return replace(result, adjusted_model=named, version=version or result.version)
