"""Adjusting: the adjusted model of some cells is trained, or loaded where it is kept, and scored on the way."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ttt.cell.adjusted import (
    ARTIFACT,
    CHECKPOINTS,
    FACTS,
    WEIGHTS,
    AdjustedModel,
    finished,
    kept_steps,
    source_or_fault,
    weights_of,
)
from ttt.cell.group import CellGroup, refuse_if_passed
from ttt.cell.model import ModelInMemory
from ttt.cell.on_the_way import ScoresOnTheWay
from ttt.cell.params import adjusting_params, adjusting_tags
from ttt.cell.prepare import Prepared
from ttt.cell.resolve import Say
from ttt.cell.result import CellResult, side_metrics
from ttt.engine import distributed
from ttt.engine.load import save
from ttt.engine.training.adjust import Adjusting
from ttt.engine.training.checkpoints import last_checkpoint, step_of
from ttt.engine.training.loop import Checkpoint, Keeping
from ttt.files import scratch
from ttt.files.model_source import folder_source
from ttt.spec import Cell, SpecError
from ttt.tracking import RunLog, Tracker

FORCED_BY = "ttt.forced_by"
"""The tag of a run that a multirun with `force=true` has begun, which names the multirun."""
Trying = Callable[[Prepared, Callable[[], None]], None]
"""Does something for one cell; a failure is that cell's, and the others go on."""


@dataclass(frozen=True)
class _OnTheWay:
    """Scores the group's cells at its stops; each keeps its score until its own run is written."""

    group: CellGroup
    model: ModelInMemory
    tracker: Tracker
    say: Say
    trying: Trying

    def score(self, step: int, run: RunLog | str) -> None:
        """Score the cells that lack it with the weights in memory, which are those after a step of a training.

        `run` is the training's: its id, or the run itself while it is written.
        """
        training = run if isinstance(run, str) else run.run_id
        n_examples = step * self.group.cell.adjustment.batch_size
        for one in [one for one, at in self.group.lacking(training, self.tracker) if at == step]:
            self.trying(one, partial(self._score, one, n_examples, run))

    def score_passed(
        self, passed: int, folders: Mapping[int, Path], training: str, known: AdjustedModel | None = None
    ) -> None:
        """Score the cells at the stops that a training has passed, with the weights in `folders`, by step.

        Raises SpecError where the weights of a step are gone.
        """
        lacking = [(one, step) for one, step in self.group.lacking(training, self.tracker) if step < passed]
        refuse_if_passed(lacking, folders, known)
        for step in sorted({step for _, step in lacking}):
            self.model.take(folders[step], folder_source(folders[step]))
            self.score(step, training)

    def _score(self, one: Prepared, n_examples: int, run: RunLog | str) -> None:
        evaluation = self.model.evaluate(one)
        self.say(f"{one.keyed.label}: {evaluation.score:.3f} after {n_examples:,} examples")
        training = run if isinstance(run, str) else run.run_id
        ScoresOnTheWay(one.keyed.key, training, self.tracker).add(n_examples, evaluation.side)
        if not isinstance(run, str):
            name = f"on_the_way/{one.cell.bench.name}"
            run.metrics(side_metrics(name, {"score": evaluation.score}), n_examples)


def adjusted_model(
    group: CellGroup,
    bases: Sequence[CellResult],
    model: ModelInMemory,
    tracker: Tracker,
    force: bool,
    say: Say,
    trying: Trying,
) -> AdjustedModel:
    """Leave the adjusted model of a group in memory: loaded where it is kept, trained where it is not.

    On the way the group's cells are scored where they ask for it. `force` trains again, and supersedes what is there.
    Raises SpecError if the weights to be trained are not those that gave the base scores, `bases`, or if a cell is to
    be scored at a step of which no weights are left.
    """
    cell, key = group.cell, group.key
    folder = tracker.folder(key)
    on_the_way = _OnTheWay(group, model, tracker, say, trying)
    with tracker.claim(group.experiment, key, say):
        force = force and not _is_forced_already(key, tracker)
        if force:
            tracker.clear(key)
        known = None if force else finished(key, tracker)
        weights = known and weights_of(known, tracker)
        if known and weights:
            say(f"{cell.label}: adjusted before, run {known.run_id}")
            folders = {int(step): path for step in known.checkpoints if (path := _kept_step(known, step, tracker))}
            on_the_way.score_passed(group.sampler.n_steps, folders, known.run_id, known)
            model.take(weights, known.source)
            if folder not in weights.parents:  # what an attempt has left that was stopped at its very end
                tracker.clear(key)
            return known
        facts, passed = distributed.on_rank_zero(lambda: _left_by_an_attempt(folder, group))
        begun = None if force else tracker.adjusting(key, is_finished=False)
        training = str(begun.info.run_id) if begun else None
        on_the_way.score_passed(passed, kept_steps(folder), training or "")
        if not facts:
            model.base()
            _check_base(model, bases)  # before the run: a request that is refused leaves none
        tags = adjusting_tags(cell, key) | ({FORCED_BY: tracker.command} if force else {})
        with tracker.run(group.experiment, cell.label, tags, key, anew=force, resume=training, say=say) as run:
            run.params(adjusting_params(cell, model.resolved.source, group.cells[0].keyed.precision))
            if facts:
                model.take(folder / WEIGHTS, facts["source"])
            else:
                say(f"{cell.label}: adjusting")
                facts = _train(on_the_way, run)
            adjusted = AdjustedModel(key=key, run_id=run.run_id, **facts)
            _record(adjusted, cell, run, tracker)
        if tracker.tracking.keep_weights:
            tracker.clear(key)
    return adjusted


def _is_forced_already(key: str, tracker: Tracker) -> bool:
    """Whether a job of this multirun has trained the model again: `force` trains once a command."""
    run = tracker.adjusting(key)
    return run is not None and tracker.command != "" and run.data.tags.get(FORCED_BY) == tracker.command


def _kept_step(known: AdjustedModel, step: str, tracker: Tracker) -> Path | None:
    """The folder of the weights that were kept at a step, if they are what was kept."""
    source = known.checkpoints[step]
    folder = tracker.artifact(known.run_id, f"{CHECKPOINTS}/step-{step}", source)
    return folder if folder is not None and source_or_fault(folder) == source else None


def _left_by_an_attempt(folder: Path, group: CellGroup) -> tuple[dict[str, Any] | None, int]:
    """What an attempt that was stopped knew of the weights that it had saved, and the steps that it had taken."""
    facts = _facts_of(folder, group.key)
    if facts:
        return facts, group.sampler.n_steps
    last = last_checkpoint(folder / "checkpoints") if group.stops else None
    return None, step_of(last) if last else 0


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


def _train(on_the_way: _OnTheWay, run: RunLog) -> dict[str, Any]:
    """Train, score the cells on the way, and save; returns the fields of `AdjustedModel` but for its key and run."""
    group, model, tracker = on_the_way.group, on_the_way.model, on_the_way.tracker
    folder, examples = tracker.folder(group.key), group.cells[0].task_data.examples
    model.changed()  # whatever becomes of it

    def on_step(step: Checkpoint) -> None:
        run.metrics({"train/loss": step.loss, "train/learning_rate": step.learning_rate}, step.n_examples)

    keeping = Keeping(folder, before_saving=run.flush)
    adjusting = Adjusting(model.backend, group.cell, examples, model.resolved.trainer, keeping, on_step, on_the_way.say)
    for checkpoint in adjusting.run(group.stops):
        model.changed()
        if tracker.tracking.keep_checkpoints or tracker.is_job:  # another job may score another bench there
            _save(model, folder / f"step-{checkpoint.step}")
        on_the_way.score(checkpoint.step, run)
    model.changed()
    keeps = tracker.tracking.keep_weights
    facts = asdict(adjusting.took) | {
        "digest": model.digest,
        "checkpoints": {str(step): source_or_fault(kept) for step, kept in kept_steps(folder).items() if keeps},
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
    run.tags({"ttt.digest": adjusted.digest})
    run.json(asdict(adjusted), FACTS)


def _save(model: ModelInMemory, folder: Path) -> None:
    """Weights and tokenizer, in full or not at all."""
    making = folder.with_name(f"{folder.name}.saving")
    distributed.on_rank_zero(lambda: shutil.rmtree(making, ignore_errors=True))
    save(model.backend.model, model.backend.tokenizer, making)

    def rename() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        making.rename(folder)

    distributed.on_rank_zero(rename)
