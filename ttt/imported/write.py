"""A cell that others measured as a run in MLflow: the contract of a finished cell, as far as results fill it."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from ttt.cell.items import item_means, paired_stderr
from ttt.cell.params import cell_params, cell_tags
from ttt.cell.result import CellResult, Side, side_metrics, sides_as_gain
from ttt.imported.cells import Measured
from ttt.imported.omissions import Omissions, legible
from ttt.imported.pattern import Pattern
from ttt.imported.results import UnusableError
from ttt.imported.samples import read_items
from ttt.tracking import RunLog, Tracker, WriteError, is_of_the_store

FAULTS = (ValueError, ArithmeticError, OSError, WriteError)
"""What is raised for what a cell holds: numbers and texts that MLflow, its database or the file system do not take."""

Tick = Callable[[str, int, int], None]
"""Called with what is being done, how many are done, and of how many."""


def write_cells(
    cells: list[Measured], pattern: Pattern, tracker: Tracker, omissions: Omissions, tick: Tick
) -> tuple[dict[str, int], list[Measured]]:
    """Write what is not there yet; counts of cells by what became of them, and the cells that are there now.

    A cell that cannot be written, or would take base scores away from one that is there, is put into `omissions` and
    stops no other. UnwritableError if there are only such.
    """
    there = {bench: _ingested(tracker, experiment) for bench, experiment in _experiments(cells).items()}
    new = [m for m in cells if m.key not in {run["key"] for run in there[m.cell.bench.name]}]
    kept = [m for m in cells if m not in new]
    n_unchanged, n_superseded = len(kept), 0
    faults: list[str] = []
    for i, measured in enumerate(new):
        tick("writing cells", i + 1, len(new))
        place = (measured.cell.model.name, measured.cell.label)
        olds = [run for run in there[measured.cell.bench.name] if run["place"] == place]
        if measured.base is None and any(run["has_base"] for run in olds):
            why = f"{measured.cell.label} on {measured.cell.bench.name} is there with base scores, which are not here"
            omissions.skip("missing base", measured.adjusted.name, f"{why}: ingest the files of both from one folder")
            faults.append(why)
            continue
        try:
            _write(measured, pattern, tracker, omissions, [run["id"] for run in olds])
        except UnwritableError as error:
            omissions.skip("not written", f"{measured.cell.label} on {measured.cell.bench.name}", str(error))
            faults.append(f"{measured.cell.label} on {measured.cell.bench.name}: {legible(str(error))}")
            continue
        kept.append(measured)
        n_superseded += bool(olds)
    if not kept:
        raise UnwritableError("none of the cells could be written\n" + "\n".join(faults[:10]))
    n_new = len(kept) - n_unchanged - n_superseded
    return {"n_new": n_new, "n_superseded": n_superseded, "n_unchanged": n_unchanged}, kept


def _experiments(cells: list[Measured]) -> dict[str, str]:
    return {m.cell.bench.name: f"{m.cell.suite}/{m.cell.bench.name}" for m in cells}


def _ingested(tracker: Tracker, experiment: str) -> list[dict[str, Any]]:
    """The ingested cells of an experiment: run id, key, (model, label), and whether base scores are among them."""
    return [
        {
            "id": run.info.run_id,
            "key": run.data.tags.get("ttt.key"),
            "place": (run.data.tags.get("ttt.model"), run.info.run_name),
            "has_base": "base/score" in run.data.metrics,
        }
        for run in tracker.runs(experiment, "cell")
        if "ttt.ingested" in run.data.tags
    ]


class UnwritableError(Exception):
    """What one cell holds cannot be written; the store itself is well."""


def _write(measured: Measured, pattern: Pattern, tracker: Tracker, omissions: Omissions, olds: Iterable[str]) -> str:
    """The id of the cell's run, which takes the place of those in `olds`.

    UnwritableError, and a FAILED run, if the fault lies in what the cell holds.
    """
    cell = measured.cell
    tags = cell_tags(cell, measured.key, files=None) | {"ttt.ingested": pattern.name}
    if entries := pattern.entries.get(cell.bench.name):
        tags["ttt.ingested_entries"] = ", ".join(entries)
    try:
        # Without a key to be taken up by: what others measured takes milliseconds to write, and is written anew.
        with tracker.run(f"{cell.suite}/{cell.bench.name}", cell.label, tags) as run:
            with tempfile.TemporaryDirectory() as scratch:
                _log(measured, pattern, run, Path(scratch), omissions)
            run.supersede(olds)
    except FAULTS as error:
        if is_of_the_store(error):
            raise
        raise UnwritableError(str(error)) from error
    return run.run_id


def _log(measured: Measured, pattern: Pattern, run: RunLog, folder: Path, omissions: Omissions) -> None:
    """The contract of a finished cell, as far as results fill it: one call for all numbers, one for all files."""
    cell = measured.cell
    tables = items_of(measured, folder, omissions)
    means = {name: _finite(item_means(table)) for name, table in tables.items()}
    unknown: Side = {"score": None, "stderr": None}
    sides = {name: {**reading.side, **means.get(name, {})} for name, reading in measured.sides.items()}
    base, adjusted = sides.get("base", unknown), sides["adjusted"]
    gain = sides_as_gain(base, adjusted, _stderr_of_gain(measured, tables))
    run.metrics(side_metrics("base", base))
    for checkpoint in measured.checkpoints:
        run.metrics(side_metrics("adjusted", checkpoint.side), checkpoint.n_examples or 0)
    n_examples = _n_examples(measured, pattern)
    run.metrics(side_metrics("adjusted", adjusted), _last_step(measured, pattern))
    run.metrics(side_metrics("gain", {name: gain[name] for name in ("score", "stderr", "score_paper") if name in gain}))
    run.flush(cell_params(cell, source=f"results of lm-eval ({pattern.name})", precision="unknown"))
    result = CellResult(
        run_id=run.run_id,
        key=measured.key,
        model=cell.model.name,
        bench=cell.bench.name,
        adjustment=cell.adjustment.name,
        seed=cell.seed,
        n_items=len(tables["adjusted"]) if "adjusted" in tables else measured.adjusted.n_items,
        base=base,
        adjusted=adjusted,
        gain=gain,
        seconds=0.0,
        tokens_per_second=None,
        digest_base="",
        digest_adjusted="",
        version=None,
        checkpoints=[
            *({"n_examples": c.n_examples, **c.side} for c in measured.checkpoints),
            *([{"n_examples": n_examples, **adjusted}] if n_examples else []),
        ],
    )
    files = {r.name: {"sha256": r.results.digest, "sha256_samples": r.digest_samples} for r in measured.files}
    for name, content in (
        ("result.json", asdict(result)),
        ("config.json", cell.model_dump(mode="json")),
        ("files.json", files),
    ):
        (folder / name).write_text(json.dumps(content, indent=2, ensure_ascii=False), encoding="utf-8")
    run.folder(folder)


def items_of(measured: Measured, folder: Path, omissions: Omissions) -> dict[str, pd.DataFrame]:
    """The items of each side that has samples, left in the folder as items/<side>.parquet too.

    A cell without an adjustment has the base model's items on both sides, and keeps them once.
    """
    tables: dict[str, pd.DataFrame] = {}
    for name, reading in measured.sides.items():
        if name == "adjusted" and reading is measured.base:
            tables |= {name: tables["base"]} if tables else {}
        elif reading.samples:
            score = reading.side["score"]
            assert score is not None
            try:
                tables[name] = read_items(reading.results, reading.bench, reading.tasks, dict(reading.samples), score)
            except UnusableError as error:
                omissions.skip(error.reason, f"samples of {reading.name} [{reading.bench.name}]", str(error))
                continue
            (folder / "items").mkdir(exist_ok=True)
            tables[name].to_parquet(folder / "items" / f"{name}.parquet", index=False)
    return tables


def _finite(values: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in values.items() if math.isfinite(value)}


def _stderr_of_gain(measured: Measured, tables: dict[str, pd.DataFrame]) -> float | None:
    """Of the paired differences; None without the items of both sides."""
    if measured.cell.adjustment.method == "none":
        return 0.0
    return paired_stderr(tables["base"], tables["adjusted"]) if len(tables) == 2 else None


def _n_examples(measured: Measured, pattern: Pattern) -> int | None:
    """Examples seen by the adjusted model; None where that is not known, or is less than a checkpoint's."""
    cell = measured.cell
    if cell.adjustment.method == "none":
        return None
    n_available = pattern.n_task_data.get(cell.task_data_name)
    known = cell.adjustment.examples or (cell.adjustment.n_examples(n_available) if n_available else 0)
    last = max((checkpoint.n_examples or 0 for checkpoint in measured.checkpoints), default=0)
    return known if known > last else None


def _last_step(measured: Measured, pattern: Pattern) -> int:
    """Where the adjusted scores stand in MLflow, which shows the value of the greatest step as the metric's.

    They come after the checkpoints'; where it is not known how many examples the model has seen, the step is no number
    of examples, and the result has no checkpoint with that number.
    """
    if n_examples := _n_examples(measured, pattern):
        return n_examples
    if measured.cell.adjustment.method == "none" or not measured.checkpoints:
        return 0
    return max(checkpoint.n_examples or 0 for checkpoint in measured.checkpoints) + pattern.n_examples_a_step
