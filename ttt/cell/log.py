"""How a cell is written to its run: scores, items and registered versions, by the contract's names."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ttt.cell.read import items_tag
from ttt.files.digests import file_digest
from ttt.spec import Cell
from ttt.tracking import RunLog, Tracker


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
