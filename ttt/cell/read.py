"""A finished cell read from its run: its result and its items, each only if it is what was logged."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from ttt.cell.result import SIDES, CellResult
from ttt.files.hashing import file_digest
from ttt.spec import SpecError
from ttt.tracking import Tracker


def read_result(tracker: Tracker, run_id: str) -> CellResult:
    """The result that a finished cell left in its run. Raises SpecError if its scores are not those of the run."""
    content = tracker.read_json(run_id, "result.json")
    try:
        result = CellResult(**content)
    except TypeError as error:
        raise SpecError(f"run {run_id}: its result.json was written by another version of ttt ({error})") from error
    try:
        check_result(asdict(result), tracker.get_run(run_id))
    except (AttributeError, TypeError) as error:
        raise SpecError(f"run {run_id}: its result.json is damaged ({error})") from error
    return result


def check_result(result: Mapping[str, Any], run: Any) -> None:
    """Raise SpecError if the scores of a result (`CellResult` as a mapping) are not those of its MLflow run."""
    for side in SIDES:
        stated, logged = result[side].get("score"), run.data.metrics.get(f"{side}/score")
        if stated is not None and logged is not None and not math.isclose(stated, logged, rel_tol=1e-9):
            raise SpecError(
                f"run {run.info.run_id}: its result.json is not what was logged: {side} score {stated}, the run's "
                f"metric is {logged}; repeat its cell with force=true"
            )


def items_file(tracker: Tracker, run_id: str, name: str) -> Path | None:
    """A run's `items/<name>.parquet`, None if it kept none. Raises SpecError if its content is not what was logged."""
    logged = tracker.get_run(run_id).data.tags.get(items_tag(name))
    file = tracker.artifact(run_id, f"items/{name}.parquet", logged)
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
