"""One cell from request to registered version: `run_cell`. Knows neither Hydra nor the command line."""

from __future__ import annotations

import logging
import shutil
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ttt.cell.card import card, paired
from ttt.cell.evaluation import Scores, evaluate, higher_is_better
from ttt.cell.figure import cell_figure
from ttt.cell.items import paired_stderr
from ttt.cell.log import log_items, register
from ttt.cell.params import cell_params, cell_tags
from ttt.cell.read import read_items
from ttt.cell.resolve import Say, read_back, starting_point
from ttt.cell.result import CellResult, side_metrics, sides_as_gain
from ttt.cell.saturation import tag_by_study
from ttt.cell.workbench import Workbench
from ttt.engine.load import digest, load
from ttt.engine.scoring.answers import Answers
from ttt.engine.training.adjust import Adjusting
from ttt.engine.training.loop import Checkpoint, Keeping
from ttt.files import scratch
from ttt.files.model_source import folder_source
from ttt.spec import Cell, SpecError, Trainer
from ttt.stopping import stoppable
from ttt.tasks.leaks import in_words
from ttt.tracking import RunLog, Tracker

log = logging.getLogger(__name__)


def run_cell(cell: Cell, trainer: Trainer, tracker: Tracker, force: bool = False, say: Say = log.info) -> CellResult:
    """Evaluate the base model, adjust it, evaluate it again, and keep everything; a cell that is done is read back.

    The base model's scores are a cell of their own (adjustment `none`), shared by all adjustments of the model.
    A cell that was stopped at any moment goes on in the run it has, from its last checkpoint and its last answers;
    `force` begins it anew, without them.
    Raises SpecError for a request that cannot be carried out; any other failure marks the run FAILED and is raised;
    SIGTERM marks it KILLED and raises `ttt.stopping.Stopped` once a checkpoint is written.
    """
    cell, model = starting_point(cell, tracker)
    with stoppable():
        return _done_or_do(cell, Workbench(model, cell, trainer, tracker), force, say)


def _done_or_do(cell: Cell, work: Workbench, force: bool, say: Say) -> CellResult:
    tracker, key = work.tracker, work.key(cell)
    experiment = f"{cell.suite}/{cell.bench.name}"
    with tracker.lock(key):
        found = tracker.find(experiment, key)
        finished = found is not None and found.info.status == "FINISHED"
        begun = tracker.unfinished(experiment, key)  # beside a finished one it is a repetition that was stopped
        if found and finished and not begun:
            tracker.clear(key)  # a repetition must not find what this run left if it was stopped at its very end
        if force:
            tracker.clear(key)
        done = None if force else read_back(cell, key, tracker, say)
        if done:
            return done
        base = None
        if cell.adjustment.method != "none":
            assert work.task_data.examples  # what can fail without the weights fails before the base model is scored
            base = read_back(cell.base(), work.key(cell.base()), tracker, say)
            work.warnings(cell, say)
            base = base or _done_or_do(cell.base(), work, False, say)
        warnings = work.warnings(cell, say)
        assert work.backend
        resume = begun.info.run_id if begun and not force else None
        run = tracker.start(experiment, cell.label, cell_tags(cell, key, work.files), resume=resume)
        if begun and not resume:
            tracker.supersede(begun.info.run_id, by=run.run_id)
        try:
            run.params(cell_params(cell, work.source, work.precision, work.shots))
            if warnings:
                run.tags({"ttt.warnings": "\n".join(warnings)[:5000]})
            asked = cell.model_dump(mode="json")
            asked["bench"]["higher_is_better"] = higher_is_better(cell.bench, work.tasks)
            run.json(asked, "config.json")
            result = (
                _score_base(cell, key, work, run, say) if base is None else _adjust(cell, key, work, run, base, say)
            )
            result = replace(result, num_fewshot=work.shots, warnings=warnings)
            run.json(asdict(result), "result.json")
            text = card(cell, result, work.source, work.precision, work.files)
            run.text(text, "card.md")
            run.describe(text)
            if found and finished:
                tracker.supersede(found.info.run_id, by=run.run_id)
            run.finish()
        except Exception as error:
            run.fail(f"{type(error).__name__}: {error}")
            raise
        except BaseException:
            run.fail("stopped from outside", status="KILLED")
            raise
        tracker.clear(key)
        return result


def _score_base(cell: Cell, key: str, work: Workbench, run: RunLog, say: Say) -> CellResult:
    say(f"{cell.model.name} on {cell.bench.name}: scoring the base model")
    scores, weights = _scores(cell, key, work, say)
    side = _side(scores)
    run.metrics(side_metrics("base", side))
    # What no adjustment leaves is the base model: with both sides logged, its version compares with others in the UI.
    run.metrics(side_metrics("adjusted", side))
    run.metrics({"gain/score": 0.0, "base/n_truncated": scores.n_truncated, "base/seconds": scores.seconds})
    log_items(run, "base", scores.items, scores.prompts)
    run.json({"source": work.source, "digest": weights}, "base/model.json")
    return CellResult(
        **_identity(cell, key, run, scores),
        base=side,
        adjusted=side,
        gain=sides_as_gain(side, side, 0.0),
        seconds=scores.seconds,
        tokens_per_second=scores.n_tokens / scores.seconds,
        digest_base=weights,
        digest_adjusted=weights,
        version=register(work.tracker, cell, run.run_id, "base", "base", {"score": scores.score, "digest": weights}),
    )


def _adjust(cell: Cell, key: str, work: Workbench, run: RunLog, base: CellResult, say: Say) -> CellResult:
    start = time.perf_counter()
    before = read_items(work.tracker, base.run_id, "base")
    loaded = digest(work.backend.model)
    if loaded != base.digest_base:
        raise SpecError(
            f"model '{cell.model.name}': the weights that were loaded are not those that run {base.run_id} scored: "
            f"their digest is {loaded}, that run's {base.digest_base}; score them anew: adjustment=none force=true"
        )
    work.log_task_data(run)
    if work.leaks:
        say(f"{cell.bench.name}: {in_words(work.leaks, cell.bench.leak)}")
    facts = _adjusted_weights(cell, key, work, run, say)
    say(f"{cell.label} on {cell.bench.name}: scoring the adjusted model")
    scores, weights = _scores(cell, key, work, say)
    side = _side(scores)
    gain = sides_as_gain(base.base, side, paired_stderr(before, scores.items))
    source = facts.pop("source")
    if gain["stderr"] is None:
        say(f"{cell.label} on {cell.bench.name}: {paired(gain, cell.bench)}")
    speed = facts["n_tokens"] / facts["seconds"]
    run.metrics(side_metrics("base", base.base))
    run.metrics(side_metrics("adjusted", side), int(facts["n_examples"]))
    run.metrics(side_metrics("gain", {"score": gain["score"], "stderr": gain["stderr"]}))
    run.metrics({f"train/{name}": value for name, value in facts.items()} | {"train/tokens_per_second": speed})
    run.metrics({"adjusted/n_truncated": scores.n_truncated, "adjusted/seconds": scores.seconds})
    log_items(run, "base", before)
    log_items(run, "adjusted", scores.items, scores.prompts)
    on_the_way = run.history("adjusted/score")
    errors = dict(run.history("adjusted/score_stderr"))
    figure = cell_figure(cell, run.history("train/loss"), on_the_way, base.base, side)
    run.figure(figure, "figures/loss_and_score.png")
    version = None
    if work.tracker.tracking.keep_weights:
        run.weights(work.tracker.folder(key) / WEIGHTS, "model")
        tags = {"score": scores.score, "gain": gain["score"], "n_examples": facts["n_examples"]}
        tags |= {"digest": weights, "files": source}
        version = register(work.tracker, cell, run.run_id, "model", "adjusted", tags)
    tag_by_study(work.tracker, cell, run, int(facts["n_examples"]))
    return CellResult(
        **_identity(cell, key, run, scores),
        base=base.base,
        adjusted=side,
        gain=gain,
        seconds=time.perf_counter() - start,
        tokens_per_second=speed,
        digest_base=base.digest_base,
        digest_adjusted=weights,
        version=version,
        checkpoints=[{"n_examples": n, "score": score, "stderr": errors.get(n)} for n, score in on_the_way],
    )


WEIGHTS, TOOK = "weights", "adjusted.json"
"""The adjusted weights in a cell's folder, and what adjusting took."""


def _adjusted_weights(cell: Cell, key: str, work: Workbench, run: RunLog, say: Say) -> dict[str, Any]:
    """Leave the adjusted model in the workbench and in the cell's folder; returns what adjusting took.

    A folder that an earlier attempt completed is loaded instead, if it is as that attempt left it.
    """
    folder = work.tracker.folder(key)
    kept = _kept_weights(folder, key)
    if kept:
        model = cell.model.model_copy(update={"path": str(folder / WEIGHTS), "gguf_file": None})
        work.backend.model = load(model, kept["source"])[0]
        return kept

    scored = {step for step, _ in run.history("adjusted/score")}  # by an attempt that was stopped

    def on_step(step: Checkpoint) -> None:
        run.metrics({"train/loss": step.loss, "train/learning_rate": step.learning_rate}, step.n_examples)

    say(f"{cell.label} on {cell.bench.name}: adjusting")
    keeping = Keeping(folder, before_saving=run.flush)
    adjusting = Adjusting(work.backend, cell, work.task_data.examples, work.trainer, keeping, on_step, say)
    for checkpoint in adjusting.run():
        if checkpoint.n_examples not in scored:
            scores, _ = _evaluate(cell, key, work)
            say(f"{cell.label} on {cell.bench.name}: {scores.score:.3f} after step {checkpoint.step}")
            side = side_metrics("adjusted", {"score": scores.score, "stderr": scores.stderr})
            run.metrics(side, checkpoint.n_examples)
            run.flush()
    facts = asdict(adjusting.took)
    making = folder / f"{WEIGHTS}.part"
    shutil.rmtree(making, ignore_errors=True)
    work.backend.model.save_pretrained(making)
    work.backend.tokenizer.save_pretrained(making)
    facts["source"] = folder_source(making)
    scratch.write(folder / TOOK, facts, key)
    making.rename(folder / WEIGHTS)
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    return facts


def _kept_weights(folder: Path, key: str) -> dict[str, Any] | None:
    """What adjusting took, of weights that an earlier attempt completed; None if they are not as it left them."""
    weights, took = folder / WEIGHTS, folder / TOOK
    if not weights.exists():
        return None
    facts = scratch.read(took, key)
    try:
        now = folder_source(weights)
    except SpecError as error:
        now = str(error)
    if facts and facts["source"] == now:
        return dict(facts)
    scratch.set_aside(weights, f"its digest was {facts['source']}, is {now}" if facts else f"{TOOK} tells no digest")
    return None


def _evaluate(cell: Cell, key: str, work: Workbench) -> tuple[Scores, str]:
    """The scores of the weights in memory, and their digest: by it an attempt that was stopped left its answers."""
    weights = digest(work.backend.model)
    work.backend.answers = Answers(work.tracker.folder(key) / "answers" / f"{weights[:20]}.jsonl", f"{key} {weights}")
    try:
        return evaluate(work.backend, cell.bench, work.tasks, cell.seed), weights
    finally:
        work.backend.answers = None


def _scores(cell: Cell, key: str, work: Workbench, say: Say) -> tuple[Scores, str]:
    scores, weights = _evaluate(cell, key, work)
    if scores.n_truncated:
        say(
            f"{cell.label} on {cell.bench.name}: {scores.n_truncated:,} prompts are longer than the context of "
            f"{work.backend.max_length:,} tokens and lost their beginning (bench.truncation=refuse stops instead)"
        )
    return scores, weights


def _side(scores: Scores) -> dict[str, float | None]:
    return {"score": scores.score, "stderr": scores.stderr, **scores.metrics}


def _identity(cell: Cell, key: str, run: RunLog, scores: Scores) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "key": key,
        "model": cell.model.name,
        "bench": cell.bench.name,
        "adjustment": cell.adjustment.name,
        "seed": cell.seed,
        "n_items": len(scores.items),
    }
