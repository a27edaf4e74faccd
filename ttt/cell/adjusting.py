"""Adjusting: the adjusted model of some cells is trained, or loaded where it is kept, and scored on the way."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ttt.cell.adjusted import (
    ARTIFACT,
    CHECKPOINTS,
    FACTS,
    WEIGHTS,
    AdjustedModel,
    CellGroup,
    find_kept,
    kept_steps,
    source_or_fault,
    weights_of,
)
from ttt.cell.model import ModelInMemory
from ttt.cell.on_the_way import ScoresOnTheWay
from ttt.cell.params import adjusting_params, adjusting_tags
from ttt.cell.prepare import Prepared
from ttt.cell.resolve import Say
from ttt.cell.result import CellResult, side_metrics
from ttt.engine import distributed
from ttt.engine.load import save
from ttt.engine.training.adjust import Adjusting
from ttt.engine.training.loop import Checkpoint, Keeping
from ttt.files import scratch
from ttt.files.model_source import folder_source
from ttt.spec import Cell, SpecError
from ttt.tracking import RunLog, Tracker


def adjusted_model(
    group: CellGroup, bases: Sequence[CellResult], model: ModelInMemory, tracker: Tracker, force: bool, say: Say
) -> AdjustedModel:
    """Leave the adjusted model of a group in memory: loaded where it is kept, trained where it is not.

    On the way the group's cells are scored where they ask for it. `force` trains again, and supersedes what is there.
    Raises SpecError if the weights to be trained are not those that gave the base scores, `bases`.
    """
    cell, key = group.cell, group.key
    what = f"{cell.label} on {cell.task_data_name}"
    with tracker.claim(group.experiment, key, say):
        if force:
            tracker.clear(key)
        kept = None if force else find_kept(key, tracker)
        if kept:
            say(f"{what}: adjusted before, run {kept.run_id}")
            return _load(kept, group, model, tracker, say)
        tags = adjusting_tags(cell, key)
        with tracker.run(group.experiment, cell.label, tags, key, anew=force, say=say) as run:
            run.params(adjusting_params(cell, model.resolved.source, group.cells[0].keyed.precision))
            facts = _complete(tracker.folder(key), key, model)
            if facts is None:
                say(f"{what}: adjusting")
                model.base()
                _check_base(model, bases)
                facts = _train(group, model, tracker, run, say)
            adjusted = AdjustedModel(key=key, run_id=run.run_id, **facts)
            _record(adjusted, cell, run, tracker)
        if tracker.tracking.keep_weights:
            tracker.clear(key)
    return adjusted


def _load(kept: AdjustedModel, group: CellGroup, model: ModelInMemory, tracker: Tracker, say: Say) -> AdjustedModel:
    """Score the cells at the checkpoints that were kept, and leave the adjusted weights in memory."""
    size = group.cell.adjustment.batch_size
    for step in group.stops:
        lacking = [one for one in group.cells if step * size not in ScoresOnTheWay(one.keyed.key, tracker).sides]
        if lacking:
            folder = tracker.artifact(kept.run_id, f"{CHECKPOINTS}/step-{step}")
            assert folder is not None  # `check_scores_on_the_way`
            model.take(folder, kept.checkpoints[str(step)])
            _score(lacking, step * size, model, tracker, say)
    weights = weights_of(kept, tracker)
    assert weights is not None
    model.take(weights, kept.source)
    return kept


def _complete(folder: Path, key: str, model: ModelInMemory) -> dict[str, Any] | None:
    """What an attempt knew that was stopped with all trained and saved; its weights are loaded."""
    facts = distributed.on_rank_zero(lambda: _facts_of(folder, key))
    if facts:
        model.take(folder / WEIGHTS, facts["source"])
    return facts


def _facts_of(folder: Path, key: str) -> dict[str, Any] | None:
    """What is known of weights that are as they were saved; others are set aside."""
    weights = folder / WEIGHTS
    if not weights.exists():
        return None
    facts, now = scratch.read(folder / FACTS, key), source_or_fault(weights)
    if facts and facts["source"] == now:
        return dict(facts)
    fault = f"its digest was {facts['source']}, is {now}" if facts else f"{FACTS} tells no digest"
    scratch.set_aside(weights, fault)
    return None


def _check_base(model: ModelInMemory, bases: Sequence[CellResult]) -> None:
    for base in bases:
        if model.digest != base.digest_base:
            raise SpecError(
                f"model '{base.model}': the weights that were loaded are not those that run {base.run_id} scored: "
                f"their digest is {model.digest}, that run's {base.digest_base}; score them anew: adjustment=none "
                "force=true"
            )


def _train(group: CellGroup, model: ModelInMemory, tracker: Tracker, run: RunLog, say: Say) -> dict[str, Any]:
    """Train, score the cells on the way, and save; returns the fields of `AdjustedModel` but for its key and run."""
    folder, examples = tracker.folder(group.key), group.cells[0].task_data.examples

    def on_step(step: Checkpoint) -> None:
        run.metrics({"train/loss": step.loss, "train/learning_rate": step.learning_rate}, step.n_examples)

    keeping = Keeping(folder, before_saving=run.flush)
    adjusting = Adjusting(model.backend, group.cell, examples, model.resolved.trainer, keeping, on_step, say)
    for checkpoint in adjusting.run(group.stops):
        model.changed()
        if tracker.tracking.keep_checkpoints:
            _save(model, folder / f"step-{checkpoint.step}")
        lacking = [
            one for one in group.cells if checkpoint.n_examples not in ScoresOnTheWay(one.keyed.key, tracker).sides
        ]
        _score(lacking, checkpoint.n_examples, model, tracker, say, run)
    model.changed()
    facts = asdict(adjusting.took) | {
        "digest": model.digest,
        "checkpoints": {str(step): source_or_fault(kept) for step, kept in kept_steps(folder).items()},
    }
    run.flush()  # a kill after the weights are there must lose no step of the curve
    making = folder / f"{WEIGHTS}.part"
    _save(model, making)

    def keep() -> dict[str, Any]:
        kept = facts | {"source": folder_source(making)}
        scratch.write(folder / FACTS, kept, group.key)
        making.rename(folder / WEIGHTS)
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
        return kept

    return distributed.on_rank_zero(keep)


def _record(adjusted: AdjustedModel, cell: Cell, run: RunLog, tracker: Tracker) -> None:
    """Log what adjusting took and what it has left."""
    # 6 N FLOPs a token (Kaplan et al. 2020, section 2.1); with adapters the weights' own gradients are saved.
    flops = 6.0 * cell.model.n_params * adjusted.n_tokens
    run.metrics({f"train/{name}": value for name, value in adjusted.metrics.items()} | {"train/flops": flops})
    folder = tracker.folder(adjusted.key)
    if tracker.tracking.keep_weights:
        run.weights(folder / WEIGHTS, ARTIFACT)
        for step in adjusted.checkpoints:
            run.weights(folder / f"step-{step}", f"{CHECKPOINTS}/step-{step}")
    run.json(asdict(adjusted), FACTS)


def _score(
    cells: Sequence[Prepared],
    n_examples: int,
    model: ModelInMemory,
    tracker: Tracker,
    say: Say,
    run: RunLog | None = None,
) -> None:
    """Score cells on the way; each keeps its score until its own run is written."""
    for one in cells:
        evaluation = model.evaluate(one)
        say(f"{one.keyed.label}: {evaluation.score:.3f} after {n_examples:,} examples")
        ScoresOnTheWay(one.keyed.key, tracker).add(n_examples, evaluation.side)
        if run:
            run.metrics(side_metrics(f"on_the_way/{one.cell.bench.name}", {"score": evaluation.score}), n_examples)


def _save(model: ModelInMemory, folder: Path) -> None:
    """Weights and tokenizer, in full or not at all."""
    making = folder.with_name(f"{folder.name}.saving")
    distributed.on_rank_zero(lambda: shutil.rmtree(making, ignore_errors=True))
    save(model.backend.model, model.backend.tokenizer, making)

    def rename() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        making.rename(folder)

    distributed.on_rank_zero(rename)
