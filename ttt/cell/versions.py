"""The registered versions of a model: its base, and its adjusted models with their scores on every bench."""

from __future__ import annotations

from ttt.cell.adjusted import ARTIFACT, AdjustedModel
from ttt.cell.final import FROM_VERSION
from ttt.cell.key import recipe_digest
from ttt.cell.result import CellResult
from ttt.spec import Cell
from ttt.tracking import Tracker, alias_of

BASE = "base"
"""Where the facts of a base version are among the artifacts of its run."""


def register_base(tracker: Tracker, cell: Cell, run_id: str, source: str, digest: str) -> str | None:
    """The version of the base model, with the alias `base`; of one that is a registered version, that version."""
    if not tracker.tracking.register_models:
        return None
    if cell.model.version is not None:
        return str(tracker.registry.find(cell.model.name, cell.model.version).number)
    tags = {"ttt.kind": "base", "ttt.digest": digest, "ttt.source": source}
    return str(tracker.registry.register(cell.model.name, run_id, BASE, tags, aliases=("base",)).number)


def register_adjusted(tracker: Tracker, cell: Cell, adjusted: AdjustedModel) -> str | None:
    """The version of an adjusted model, with the alias `adjusted-<task data>`.

    One that began from another version has no alias: it is not what the model itself comes to be by the adjustment.
    """
    if not (tracker.tracking.register_models and tracker.tracking.keep_weights):
        return None
    tags = {
        "ttt.kind": "adjusted",
        "ttt.adjusted_model": adjusted.key,
        "ttt.digest": adjusted.digest,
        "ttt.files": adjusted.source,
        "ttt.recipe": recipe_digest(cell.adjustment),
        "ttt.adjustment": cell.adjustment.name,
        "ttt.task_data": cell.task_data_name,
        "ttt.budget": str(adjusted.n_examples),
        "ttt.seed": str(cell.seed),
    }
    aliases: tuple[str, ...] = (alias_of("adjusted", cell.task_data_name),)
    if cell.model.version is not None:
        tags[FROM_VERSION] = str(tracker.registry.find(cell.model.name, cell.model.version).number)
        aliases = ()
    return str(tracker.registry.register(cell.model.name, adjusted.run_id, ARTIFACT, tags, aliases).number)


def tag_with_score(tracker: Tracker, cell: Cell, result: CellResult) -> None:
    """Write the cell's score, and which run it is, on the version of the model that was scored.

    The run that the version belongs to has the score as a metric, by which MLflow compares versions bench by bench.
    """
    if result.version is None:
        return
    version, made = tracker.registry.find(cell.model.name, int(result.version)), tracker.read_run(result.run_id)
    assert made is not None
    place, digest = f"{cell.suite}/{cell.bench.name}", str(made.data.tags["ttt.bench_digest"])
    holder = tracker.read_run(version.tags.get(f"cell/{place}"))
    if holder and holder.info.run_id != result.run_id and "ttt.superseded" not in holder.data.tags:
        if holder.data.tags.get("ttt.bench_digest") == digest:
            return  # a score of the same weights on the same bench
        place += f" {digest[:6]}"  # the bench by another definition, such as a part of it
    name, side = f"score/{place}", result.adjusted
    tags = {name: f"{side['score']:.6g}", f"cell/{place}": result.run_id}
    tracker.registry.set_tags(version, tags)
    run = tracker.open(version.run_id)
    known = ((name, side["score"]), (f"{name}_stderr", side["stderr"]))
    run.metrics({metric: value for metric, value in known if value is not None})
    run.flush()
