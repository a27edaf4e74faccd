"""Results that others measured, as cells in MLflow: `ingest`. Knows no Hydra and no torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ttt.catalogue.definitions import Definitions
from ttt.files.hashing import json_digest
from ttt.imported.cells import Measured, cells_of
from ttt.imported.folder import by_fit, files_of, from_further_up
from ttt.imported.omissions import Omissions, legible
from ttt.imported.pattern import Pattern
from ttt.imported.reading import read_folder
from ttt.imported.write import Tick, write_cells
from ttt.spec import SpecError
from ttt.tracking import Tracker


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
    names, samples = files_of(folder)
    patterns = by_fit(folder, names, patterns)
    pattern = patterns[0]
    _refuse_benches_as_task_data(pattern, definitions)
    omissions = Omissions()
    readings = read_folder(folder, names, patterns, definitions, omissions, lambda i, n: tick("reading files", i, n))
    cells = list(cells_of(readings, suite, omissions))
    if not cells:
        elsewhere = from_further_up(folder, names, patterns)
        what = f"path: nothing under {folder} can be ingested, by the pattern '{pattern.name}'{elsewhere}"
        lines = [what, *omissions.summary]
        raise SpecError("\n".join(lines))
    with_results = {file for reading in readings for file in reading.samples.values()}
    for name in samples:
        if folder / name not in with_results:
            omissions.skip("no samples", name, "no result that is used has it beside it as samples_<task>_<time>.jsonl")
    tracker = open_tracker()
    with tracker.lock(f"ingest-{suite}"):
        key = _report_key(folder, cells, pattern, omissions)
        counts, kept = write_cells(cells, pattern, tracker, omissions, tick)
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
            "skipped": omissions.by_number,
            "notes": omissions.notes,
        }
        return {"run_id": _record(report, key, tracker), **report}


def _refuse_benches_as_task_data(pattern: Pattern, definitions: Definitions) -> None:
    """Raise SpecError for a bench in `n_task_data`, by which no number of examples would be known, without a word."""
    for name in sorted(set(pattern.n_task_data) & set(definitions.names("bench"))):
        data = definitions.bench(name).task_data_name
        if data != name:
            instead = f"write {data!r}" if data else "which has none"
            raise SpecError(
                f"ingest/{pattern.name}.yaml: n_task_data: {name!r} is a bench, and the numbers are by the names of "
                f"task data: for what this bench is adjusted on, {instead}"
            )


def _report_key(folder: Path, cells: list[Measured], pattern: Pattern, omissions: Omissions) -> str:
    """Of what was found to be ingested and to be left out, before anything is written."""
    content = [sorted(m.key for m in cells), str(folder), pattern.name, omissions.skipped, omissions.notes]
    return json_digest(content)


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
