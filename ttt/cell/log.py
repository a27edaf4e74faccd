"""How a cell is written to its run: scores, items, figures, the card and the result, by the contract's names."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ttt.cell.adjusted import AdjustedModel
from ttt.cell.card import card
from ttt.cell.evaluation import Evaluation, higher_is_better
from ttt.cell.figure import cell_figure
from ttt.cell.final import tag_by_study
from ttt.cell.items import paired_stderr
from ttt.cell.key import CONTENTS, content_digests
from ttt.cell.on_the_way import ScoresOnTheWay
from ttt.cell.params import cell_params
from ttt.cell.prepare import Prepared
from ttt.cell.read import items_tag, read_items
from ttt.cell.result import CellResult, Side, side_metrics, sides_as_gain
from ttt.cell.versions import register_base, tag_with_score
from ttt.files.hashing import file_digest
from ttt.files.rows import DataFiles
from ttt.tracking import RunLog, Tracker


@dataclass(frozen=True)
class Scored:
    """A cell whose model in memory was scored: what is written to its run."""

    prepared: Prepared
    source: str
    """Of the base model."""
    evaluation: Evaluation
    digest: str
    """Of the weights that were scored."""
    files: DataFiles
    """What was looked up for the key."""

    @property
    def side(self) -> Side:
        return self.evaluation.side


def log_request(run: RunLog, prepared: Prepared, source: str, files: DataFiles) -> None:
    """What is known before the scores: params, warnings, and the whole request as `config.json`.

    `contents.json` has the digests of what it reads, by which comparisons say which of several files differs.
    """
    cell = prepared.cell
    run.params(cell_params(cell, source, prepared.keyed.precision, prepared.shots))
    if prepared.warnings:
        run.tags({"ttt.warnings": "\n".join(prepared.warnings)[:5000]})
    asked = cell.model_dump(mode="json")
    asked["bench"]["higher_is_better"] = higher_is_better(cell.bench, prepared.tasks)
    run.json(asked, "config.json")
    trains = cell.adjustment.method != "none"  # the task data of others need not be there
    bench = cell.bench if trains else cell.bench.model_copy(update={"task_data": ()})
    run.json(content_digests(bench, files), CONTENTS)


def log_base(run: RunLog, tracker: Tracker, scored: Scored) -> CellResult:
    """The base model's scores as a finished cell of its own."""
    evaluation, side = scored.evaluation, scored.side
    run.metrics(side_metrics("base", side))
    # With `adjustment=none` the adjusted scores are the base scores: the UI compares such a run with the others.
    run.metrics(side_metrics("adjusted", side))
    run.metrics({"gain/score": 0.0, "base/n_truncated": evaluation.n_truncated, "base/seconds": evaluation.seconds})
    log_items(run, "base", evaluation.items, evaluation.prompts)
    run.json({"source": scored.source, "digest": scored.digest}, "base/model.json")
    result = CellResult(
        **_identity(run, scored),
        base=side,
        adjusted=side,
        gain=sides_as_gain(side, side, 0.0),
        seconds=evaluation.seconds,
        tokens_per_second=evaluation.n_tokens / evaluation.seconds,
        digest_base=scored.digest,
        digest_adjusted=scored.digest,
        version=register_base(tracker, scored.prepared.cell, run.run_id, scored.source, scored.digest),
    )
    return _log_result(run, tracker, scored, result)


def log_adjusted(
    run: RunLog, tracker: Tracker, scored: Scored, base: CellResult, adjusted: AdjustedModel, version: str | None
) -> CellResult:
    """The scores before and after adjusting as a finished cell; `base` is the base model's, `version` the adjusted."""
    prepared, evaluation, side = scored.prepared, scored.evaluation, scored.side
    before = read_items(tracker, base.run_id, "base")
    gain = sides_as_gain(base.base, side, paired_stderr(before, evaluation.items))
    prepared.log_task_data(run)
    run.metrics(side_metrics("base", base.base))
    on_the_way = ScoresOnTheWay(prepared.keyed.key, adjusted.run_id, tracker).sides
    for n_examples, passed in sorted(on_the_way.items()):
        run.metrics(side_metrics("adjusted", passed), n_examples)
    run.metrics(side_metrics("adjusted", side), adjusted.n_examples)
    run.metrics(side_metrics("gain", {"score": gain["score"], "stderr": gain["stderr"]}))
    # What adjusting cost is a metric of the run that adjusted, once, and not of each cell that shares its weights.
    run.metrics({f"train/{name}": getattr(adjusted, name) for name in ("n_steps", "n_examples", "n_cut")})
    run.metrics({"adjusted/n_truncated": evaluation.n_truncated, "adjusted/seconds": evaluation.seconds})
    run.tags({"ttt.adjusted_model": adjusted.run_id})
    log_items(run, "base", before)
    log_items(run, "adjusted", evaluation.items, evaluation.prompts)
    checkpoints: list[Side] = [{"n_examples": n, **passed} for n, passed in sorted(on_the_way.items())]
    checkpoints.append({"n_examples": adjusted.n_examples, **side})
    losses = tracker.open(adjusted.run_id).history("train/loss")
    figure = cell_figure(prepared.cell, losses, base.base, checkpoints)
    run.figure(figure, "figures/loss_and_score.png")
    tag_by_study(tracker, prepared.cell, run, adjusted.n_examples, version)
    result = CellResult(
        **_identity(run, scored),
        base=dict(base.base),
        adjusted=dict(side),
        gain=gain,
        seconds=evaluation.seconds,
        training_seconds=adjusted.seconds,
        tokens_per_second=adjusted.n_tokens / adjusted.seconds,
        digest_base=base.digest_base,
        digest_adjusted=scored.digest,
        version=version,
        adjusted_model={"key": adjusted.key, "run_id": adjusted.run_id},
        checkpoints=checkpoints,
    )
    return _log_result(run, tracker, scored, result)


def log_items(run: RunLog, name: str, items: pd.DataFrame, prompts: Sequence[tuple[str, str]] = ()) -> None:
    """`items/<name>.parquet`, and the first prompts with their answers as a table that the UI shows."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{name}.parquet"
        items.to_parquet(file, index=False)
        run.file(file, "items")
        run.tags({items_tag(name): file_digest(file)})
    if prompts:
        columns = {"prompt": [prompt for prompt, _ in prompts], "answer": [answer for _, answer in prompts]}
        run.table(columns, f"prompts_{name}.json")


def _identity(run: RunLog, scored: Scored) -> dict[str, Any]:
    """The fields of a result that say whose it is."""
    keyed = scored.prepared.keyed
    return {
        "run_id": run.run_id,
        "key": keyed.key,
        "model": keyed.cell.model.name,
        "bench": keyed.cell.bench.name,
        "adjustment": keyed.cell.adjustment.name,
        "seed": keyed.cell.seed,
        "n_items": len(scored.evaluation.items),
        "num_fewshot": scored.prepared.shots,
        "warnings": list(scored.prepared.warnings),
    }


def _log_result(run: RunLog, tracker: Tracker, scored: Scored, result: CellResult) -> CellResult:
    tag_with_score(tracker, scored.prepared.cell, result)
    run.json(asdict(result), "result.json")
    text = card(scored.prepared.cell, result, scored.source, scored.prepared.keyed.precision, scored.files)
    run.text(text, "card.md")
    run.describe(text)
    return result
