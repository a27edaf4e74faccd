"""The registered versions of a model: its base, and its adjusted models with their scores on every bench."""

from __future__ import annotations

from collections.abc import Sequence

from ttt.cell.adjusted import ARTIFACT, AdjustedModel
from ttt.cell.aliases import FROM_VERSION, LEAKS, SUPERSEDED_BY, saturated_on, settle_adjusted, settle_final
from ttt.cell.key import recipe_digest
from ttt.cell.result import CellResult
from ttt.spec import Cell
from ttt.tracking import Tracker

OF_CELLS = ("cell/", "score/", "saturated/")
"""How tags of a version begin that say something of its cells."""
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


def register_adjusted(
    tracker: Tracker, cell: Cell, adjusted: AdjustedModel, leaky_benches: Sequence[str] = ()
) -> str | None:
    """The version of an adjusted model, which takes the place of those that earlier trainings of it have left.

    `leaky_benches` are those whose questions it was trained on. Which version has `adjusted-<task data>` follows from
    all there are (`ttt.cell.aliases`). Weights that earlier trainings have left alike have their verdicts here too.
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
    model, registry = cell.model.name, tracker.registry
    if cell.model.version is not None:
        tags[FROM_VERSION] = str(registry.find(model, cell.model.version).number)
    if leaky_benches:
        tags[LEAKS] = ", ".join(leaky_benches)
    version = registry.register(model, adjusted.run_id, ARTIFACT, tags)
    formers = [
        one
        for one in registry.versions(model)
        if one.number != version.number and one.tags.get("ttt.adjusted_model") == adjusted.key
    ]
    for former in formers:
        registry.set_tags(former, {SUPERSEDED_BY: str(version.number)})
        if former.tags.get("ttt.digest") == adjusted.digest:
            kept = {name: value for name, value in former.tags.items() if name.startswith(OF_CELLS)}
            registry.set_tags(version, kept | dict(version.tags))
    settle_adjusted(tracker, model, cell.task_data_name)
    for bench in sorted({bench for one in formers for bench in saturated_on(one)}):
        settle_final(tracker, model, bench)
    return str(version.number)


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
