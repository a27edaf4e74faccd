"""How a cell is written to its run: params, tags, scores, items and registered versions, by the contract's names."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from ttt.cell.items import mean_stderr
from ttt.cell.key import bench_digest, recipe_digest, task_data_digest
from ttt.cell.result import CellResult
from ttt.files.digests import file_digest
from ttt.files.rows import DataFiles
from ttt.spec import Cell, SpecError
from ttt.tracking import RunLog, Tracker

Side = Mapping[str, float | None]
"""`score`, `stderr`, and the bench's metrics."""


def cell_tags(cell: Cell, key: str, files: DataFiles) -> dict[str, str]:
    """What a cell is found, filtered and checked by; `files` knows the digests of the bench's local files."""
    trains = cell.adjustment.method != "none"  # the task data of others need not be there
    return {
        "ttt.kind": "cell",
        "ttt.key": key,
        "ttt.suite": cell.suite,
        "ttt.model": cell.model.name,
        "ttt.family": cell.model.family,
        "ttt.bench": cell.bench.name,
        "ttt.bench_version": str(cell.bench.version),
        "ttt.bench_digest": bench_digest(cell.bench, files),
        **({"ttt.task_data_digest": task_data_digest(cell.bench, files)} if trains else {}),
        "ttt.recipe": recipe_digest(cell.adjustment),
        "ttt.adjustment": cell.adjustment.name,
        "ttt.seed": str(cell.seed),
        "ttt.saturated": "unknown",
    }


def cell_params(cell: Cell, source: str, precision: str, shots: Sequence[int] = ()) -> dict[str, Any]:
    """The few that people filter and sort by; the whole request is the artifact `config.json`.

    `shots` are those that the tasks were given, where that is known; a task may be defined without.
    """
    model, bench, adjustment = cell.model, cell.bench, cell.adjustment
    params: dict[str, Any] = {
        "model": model.name,
        "family": model.family,
        "kind": model.kind,
        "n_params": model.n_params,
        "n_tokens": model.n_tokens,
        "compute": f"{model.compute:.4g}",
        "trained": model.trained,
        "languages": ",".join(model.languages),
        "facts": json.dumps(dict(model.facts), sort_keys=True, default=str),
        "source": source,
        "bench": bench.name,
        "bench_version": bench.version,
        "format": bench.format,
        "metric": bench.metric,
        "num_fewshot": ", ".join(map(str, shots or [bench.num_fewshot])),
        "limit": bench.limit,
        "adjustment": adjustment.name,
        "method": adjustment.method,
        "seed": cell.seed,
        "precision": precision,
    }
    if adjustment.method != "none":
        params |= {
            "budget": f"{adjustment.examples} examples" if adjustment.examples else f"{adjustment.epochs:g} epochs",
            "learning_rate": adjustment.rate(model),
            "batch_size": adjustment.batch_size,
            "max_tokens": adjustment.max_tokens,
            "task_data": ", ".join(dataset.name for dataset in bench.task_data),
            "leak": bench.leak,
        }
    return params


def log_side(run: RunLog, name: str, side: Side, step: int = 0) -> None:
    """`<name>/score`, `<name>/score_stderr`, and `<name>/<metric>` for each of the bench's metrics."""
    values = {("score_stderr" if key == "stderr" else key): value for key, value in side.items()}
    run.metrics({f"{name}/{key}": value for key, value in values.items() if value is not None}, step)


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


def items_file(tracker: Tracker, run_id: str, name: str) -> Path | None:
    """A run's `items/<name>.parquet`, None if it kept none. Raises SpecError if its content is not what was logged."""
    file = tracker.artifact(run_id, f"items/{name}.parquet")
    logged = tracker.client.get_run(run_id).data.tags.get(items_tag(name))
    if file is None and logged is None:
        return None
    now = "missing" if file is None else file_digest(file)
    if file is None or logged not in (None, now):
        raise SpecError(
            f"run {run_id}: items/{name}.parquet is not what was logged: its digest was {logged}, is {now}; repeat its "
            "cell with force=true"
        )
    return file


def items_tag(name: str) -> str:
    """The run's tag that holds the digest of a table of items, which the table's score was taken from."""
    return f"ttt.items_{name}"


def read_items(tracker: Tracker, run_id: str, name: str) -> pd.DataFrame:
    return pd.read_parquet(check_items(tracker, run_id, name))


def check_items(tracker: Tracker, run_id: str, name: str) -> Path:
    """The file of a side's items. SpecError if the run has it no more, or not as it was logged."""
    file = items_file(tracker, run_id, name)
    if file is None:
        raise SpecError(f"run {run_id} has no items/{name}.parquet (its artifacts were removed)")
    return file


def paired_stderr(before: pd.DataFrame, after: pd.DataFrame) -> float | None:
    """Standard error of the mean difference over the items that both tables have.

    None for fewer than two, and where the score is not a mean over the items.
    """
    both = before.merge(after, on=["task", "doc_id"], suffixes=("_before", "_after"))
    return mean_stderr(both["correct_after"] - both["correct_before"])


def register(tracker: Tracker, cell: Cell, run_id: str, path: str, alias: str, result: Mapping[str, Any]) -> str | None:
    """A version of `<model>-<bench>` over the run's artifacts in `path`, with its scores, budget and digest as tags."""
    if not tracker.tracking.register_models:
        return None
    tags = {
        "ttt.suite": cell.suite,
        "ttt.adjustment": cell.adjustment.name,
        "ttt.seed": str(cell.seed),
        **{key: f"{value:.6g}" if isinstance(value, float) else str(value) for key, value in result.items()},
    }
    return tracker.register(f"{cell.model.name}-{cell.bench.name}", run_id, path, alias, tags)


def read_result(tracker: Tracker, run_id: str) -> CellResult:
    """The result that a finished cell left in its run. Raises SpecError if its scores are not those of the run."""
    content = tracker.read_json(run_id, "result.json")
    try:
        result = CellResult(**content)
    except TypeError as error:
        raise SpecError(f"run {run_id}: its result.json was written by another version of ttt ({error})") from error
    try:
        check_result(asdict(result), tracker.client.get_run(run_id))
    except (AttributeError, TypeError) as error:
        raise SpecError(f"run {run_id}: its result.json is damaged ({error})") from error
    return result


def check_result(result: Mapping[str, Any], run: Any) -> None:
    """Raise SpecError if the scores of a result (`CellResult` as a mapping) are not those of its MLflow run."""
    for side in ("base", "adjusted"):
        told, logged = result[side].get("score"), run.data.metrics.get(f"{side}/score")
        if told is not None and logged is not None and not math.isclose(told, logged, rel_tol=1e-9):
            raise SpecError(
                f"run {run.info.run_id}: its result.json is not what was logged: {side} score {told}, the run's metric "
                f"is {logged}; repeat its cell with force=true"
            )
