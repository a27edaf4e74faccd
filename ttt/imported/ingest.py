"""Results that others measured, as cells in MLflow: `ingest`. Knows no Hydra and no torch."""

from __future__ import annotations

import hashlib
import json
import math
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ttt.catalogue.definitions import Definitions
from ttt.cell.items import item_means, paired_stderr
from ttt.cell.params import cell_params, cell_tags
from ttt.cell.result import CellResult, side_metrics, sides_as_gain
from ttt.imported.pattern import Pattern
from ttt.imported.reading import Omissions, Reading, best_pattern, legible, read_folder, result_files
from ttt.imported.results import UnusableError
from ttt.imported.samples import read_items
from ttt.spec import Cell, SpecError, check
from ttt.tracking import RunLog, Tracker, WriteError, is_of_the_store

KEY_FORMAT = 1
"""Raised when ingest comes to make something else of the same files."""

FAULTS = (ValueError, ArithmeticError, OSError, WriteError)
"""What is raised for what a cell holds: numbers and texts that MLflow, its database or the file system do not take."""

Tick = Callable[[str, int, int], None]
"""Told what is being done, how many are done, and of how many."""


@dataclass(frozen=True)
class Measured:
    """A cell as its files say: both sides, and the checkpoints between them."""

    cell: Cell
    key: str
    base: Reading
    adjusted: Reading
    checkpoints: tuple[Reading, ...]

    @property
    def sides(self) -> dict[str, Reading]:
        return {"base": self.base, "adjusted": self.adjusted}

    @property
    def files(self) -> list[Reading]:
        return list({reading.name: reading for reading in (self.base, *self.checkpoints, self.adjusted)}.values())


def ingest(
    folder: Path,
    suite: str,
    patterns: list[Pattern],
    definitions: Definitions,
    open_tracker: Callable[[], Tracker],
    tick: Tick,
) -> dict[str, Any]:
    """Read the result files under a folder into cells of a suite; returns the report as JSON's types.

    Cells that are there with the same files are left alone, those whose files changed are superseded. The files are
    read before the tracker is opened. Raises SpecError if the folder holds nothing that can be ingested.
    """
    names = result_files(folder)
    pattern = best_pattern(names, patterns)
    omissions = Omissions()
    readings = read_folder(folder, names, pattern, definitions, omissions, lambda i, n: tick("reading files", i, n))
    cells = list(_cells(readings, suite, omissions))
    if not cells:
        shown = [f"{name}: {why}" for named in omissions.skipped.values() for name, why in named.items()]
        more = f"\nand {len(shown) - 10} more" if len(shown) > 10 else ""
        raise SpecError(f"path: nothing under {folder} can be ingested\n" + "\n".join(shown[:10]) + more)
    tracker = open_tracker()
    with tracker.lock(f"ingest-{suite}"):
        key = _report_key(folder, cells, pattern, omissions)
        counts, kept = _write_all(cells, pattern, tracker, omissions, tick)
        n_used = len({reading.name for measured in kept for reading in measured.files})
        report = {
            "suite": suite,
            "path": legible(str(folder)),
            "pattern": pattern.name,
            "n_files": len(names),
            "n_files_used": n_used,
            "n_files_skipped": len(names) - n_used,
            "n_cells": len(kept),
            **counts,
            "skipped": omissions.skipped,
            "notes": omissions.notes,
        }
        return {"run_id": _record(report, key, tracker), **report}


def _cells(readings: Iterable[Reading], suite: str, omissions: Omissions) -> Iterable[Measured]:
    """Cells of the files that belong together; those of which a half is missing are put into `omissions`."""
    bases: dict[tuple[str, str], Reading] = {}
    ends: dict[tuple[str, str, str], Reading] = {}
    ways: dict[tuple[str, str, str], list[Reading]] = {}
    for reading in readings:
        place = (reading.model.name, reading.bench.name)
        if reading.adjustment.method == "none":
            bases[place] = reading
        elif reading.n_examples is None:
            ends[(*place, reading.adjustment.name)] = reading
        else:
            ways.setdefault((*place, reading.adjustment.name), []).append(reading)
    for base in bases.values():
        try:
            yield _measured(suite, base, base, ())
        except SpecError as error:
            omissions.skip("no cell", base.name, str(error))
    for whole, end in ends.items():
        found = bases.get(whole[:2])
        checkpoints = tuple(sorted(ways.pop(whole, ()), key=lambda reading: reading.n_examples or 0))
        if found is None:
            for reading in (end, *checkpoints):
                omissions.skip("missing base", reading.name, f"no scores of the base model for {end.label}")
        else:
            try:
                yield _measured(suite, found, end, checkpoints)
            except SpecError as error:
                omissions.skip("no task data", end.name, str(error))
    for waiting in ways.values():
        for reading in waiting:
            why = f"no scores after the whole adjustment for {reading.model.name} {reading.adjustment.name}"
            omissions.skip("missing end", reading.name, f"{why} on {reading.bench.name}")


def _measured(suite: str, base: Reading, adjusted: Reading, checkpoints: tuple[Reading, ...]) -> Measured:
    model = base.model.model_copy(update={"dtype": None})  # which others used is not known
    parts = {"suite": suite, "model": model, "bench": base.bench, "adjustment": adjusted.adjustment}
    cell = check(Cell, parts)
    files = [(r.n_examples, r.results.digest, r.digest_samples) for r in (base, *checkpoints, adjusted)]
    content = {"format": KEY_FORMAT, "cell": cell.model_dump(mode="json"), "files": files}
    key = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:20]
    return Measured(cell, key, base, adjusted, checkpoints)


def _write_all(
    cells: list[Measured], pattern: Pattern, tracker: Tracker, omissions: Omissions, tick: Tick
) -> tuple[dict[str, int], list[Measured]]:
    """Write what is not there yet; counts of cells by what became of them, and the cells that are there now.

    A cell that cannot be written is put into `omissions` and stops no other. UnwritableError if there are only such.
    """
    there = {bench: _ingested(tracker, experiment) for bench, experiment in _experiments(cells).items()}
    new = [m for m in cells if m.key not in {run["key"] for run in there[m.cell.bench.name]}]
    kept = [m for m in cells if m not in new]
    n_unchanged, n_superseded = len(kept), 0
    faults: list[str] = []
    for i, measured in enumerate(new):
        tick("writing cells", i + 1, len(new))
        place = (measured.cell.model.name, measured.cell.label)
        olds = [run["id"] for run in there[measured.cell.bench.name] if run["place"] == place]
        try:
            _write(measured, pattern, tracker, omissions, olds)
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
    """The ingested cells of an experiment: run id, key, and (model, label)."""
    return [
        {
            "id": run.info.run_id,
            "key": run.data.tags.get("ttt.key"),
            "place": (run.data.tags.get("ttt.model"), run.info.run_name),
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
    tables = _items(measured, folder, omissions)
    means = {name: _finite(item_means(table)) for name, table in tables.items()}
    base, adjusted = ({**reading.side, **means.get(name, {})} for name, reading in measured.sides.items())
    gain = sides_as_gain(base, adjusted, _stderr_of_gain(measured, tables))
    run.metrics(side_metrics("base", base))
    for checkpoint in measured.checkpoints:
        run.metrics(side_metrics("adjusted", checkpoint.side), checkpoint.n_examples or 0)
    run.metrics(side_metrics("adjusted", adjusted), _last_step(measured, pattern))
    run.metrics(side_metrics("gain", {name: gain[name] for name in ("score", "stderr", "score_paper")}))
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
        checkpoints=[{"n_examples": c.n_examples, **c.side} for c in measured.checkpoints],
    )
    files = {r.name: {"sha256": r.results.digest, "sha256_samples": r.digest_samples} for r in measured.files}
    for name, content in (
        ("result.json", asdict(result)),
        ("config.json", cell.model_dump(mode="json")),
        ("files.json", files),
    ):
        (folder / name).write_text(json.dumps(content, indent=2, ensure_ascii=False), encoding="utf-8")
    run.folder(folder)


def _items(measured: Measured, folder: Path, omissions: Omissions) -> dict[str, pd.DataFrame]:
    """The items of each side that has samples, left in the folder as items/<side>.parquet too.

    What no adjustment leaves is the base model: its items are kept once.
    """
    tables: dict[str, pd.DataFrame] = {}
    for name, reading in measured.sides.items():
        if name == "adjusted" and reading is measured.base:
            tables |= {name: tables["base"]} if tables else {}
        elif reading.samples:
            score = reading.side["score"]
            assert score is not None
            try:
                tables[name] = read_items(reading.results, reading.bench, dict(reading.samples), score)
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


def _last_step(measured: Measured, pattern: Pattern) -> int:
    """Examples seen by the adjusted model; where that is not known, a step after the last checkpoint."""
    cell = measured.cell
    if cell.adjustment.method == "none":
        return 0
    last = max((checkpoint.n_examples or 0 for checkpoint in measured.checkpoints), default=-pattern.n_examples_a_step)
    n_available = pattern.n_task_data.get(cell.bench.name)
    known = cell.adjustment.examples or (cell.adjustment.n_examples(n_available) if n_available else 0)
    # MLflow shows the value of the greatest step as the metric's: it must be that of the end.
    return known if known > last else last + pattern.n_examples_a_step


def _report_key(folder: Path, cells: list[Measured], pattern: Pattern, omissions: Omissions) -> str:
    """Of what was found to be ingested and to be left out, before anything is written."""
    found = [sorted(m.key for m in cells), str(folder), pattern.name, omissions.skipped, omissions.notes]
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:20]


def _record(report: dict[str, Any], key: str, tracker: Tracker) -> str:
    """The run of the ingest itself, in `<suite>/ingest`; one that found the same and left the same out is kept."""
    experiment = f"{report['suite']}/ingest"
    before = tracker.finished(experiment, key)
    if before and not report["n_new"] + report["n_superseded"]:
        return str(before.info.run_id)
    tags = {"ttt.kind": "ingest", "ttt.suite": report["suite"], "ttt.ingested": report["pattern"]}
    with tracker.run(experiment, f"ingest {report['pattern']}", tags, key=key, anew=True) as run:
        run.metrics({name: value for name, value in report.items() if name.startswith("n_")})
        run.flush({"path": report["path"], "pattern": report["pattern"]})
        run.json(report, "report.json")
        rows = [(reason, name, why) for reason, named in report["skipped"].items() for name, why in named.items()]
        if rows:
            columns = zip(*rows, strict=True)
            run.table(dict(zip(("reason", "name", "why"), map(list, columns), strict=True)), "skipped.json")
    return run.run_id
