"""How a cell is written to its run: params, tags, scores, items and registered versions, by the contract's names."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ttt.result import CellResult
from ttt.spec import Cell, SpecError
from ttt.track import RunLog, Tracker

Side = Mapping[str, float | None]
"""`score`, `stderr`, and the bench's metrics."""


def cell_tags(cell: Cell, key: str) -> dict[str, str]:
    return {
        "ttt.kind": "cell",
        "ttt.key": key,
        "ttt.suite": cell.suite,
        "ttt.model": cell.model.name,
        "ttt.family": cell.model.family,
        "ttt.bench": cell.bench.name,
        "ttt.bench_version": str(cell.bench.version),
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
    if prompts:
        columns = {"prompt": [prompt for prompt, _ in prompts], "answer": [answer for _, answer in prompts]}
        run.table(columns, f"prompts_{name}.json")


def read_items(tracker: Tracker, run_id: str, name: str) -> pd.DataFrame:
    return pd.read_parquet(check_items(tracker, run_id, name))


def check_items(tracker: Tracker, run_id: str, name: str) -> Path:
    """The file of a side's items. SpecError if the run has it no more."""
    file = tracker.artifact(run_id, f"items/{name}.parquet")
    if file is None:
        raise SpecError(f"run {run_id} has no items/{name}.parquet (its artifacts were removed)")
    return file


def paired_stderr(before: pd.DataFrame, after: pd.DataFrame) -> float | None:
    """Standard error of the mean difference over the items that both tables have; None for fewer than two."""
    both = before.merge(after, on=["task", "doc_id"], suffixes=("_before", "_after"))
    difference = (both["correct_after"] - both["correct_before"]).to_numpy(dtype=np.float64)
    return float(difference.std(ddof=1) / np.sqrt(len(difference))) if len(difference) > 1 else None


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
    """The result that a finished cell left in its run. SpecError if it is not there, or not as this version has it."""
    content = tracker.read_json(run_id, "result.json")
    try:
        return CellResult(**content)
    except TypeError as error:
        raise SpecError(f"run {run_id}: its result.json was written by another version of ttt ({error})") from error
