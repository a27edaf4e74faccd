"""The kinds of comparison from request to MLflow run, for the command; each returns what it found in JSON's types."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ttt.comparison.alike import reasons_of, refuse_mixed
from ttt.comparison.benches import bench_conclusions, format_conclusions
from ttt.comparison.cells import cell_rows, choose_adjustment, finished_cells
from ttt.comparison.conclude import conclude, provenance
from ttt.comparison.gate import provisional_reasons, refuse_unless_final
from ttt.comparison.inputs import exclusions, is_excluded, read_inputs
from ttt.comparison.log import log_comparison, not_kept, write_json, write_table
from ttt.comparison.models import model_rows
from ttt.comparison.options import Options
from ttt.comparison.pairs import paired_tests, read_side, score_of, ties
from ttt.comparison.table import SIDES, json_able
from ttt.comparison.versions import version_conclusions
from ttt.spec import SpecError, nearest
from ttt.tracking import Tracker


def compare_bench(tracker: Tracker, bench: str, options: Options) -> dict[str, Any]:
    """The models of a suite on one bench: the whole comparison, with figures and report."""
    return log_comparison(tracker, conclude(tracker, read_inputs(tracker, bench, options), options))


def compare_benches(tracker: Tracker, benches: Sequence[str], options: Options) -> dict[str, Any]:
    found = bench_conclusions(tracker, benches, options)
    return _log(tracker, f"{options.suite}/benches", f"agreement of {', '.join(benches)}", found)


def compare_formats(tracker: Tracker, benches: Sequence[str], options: Options) -> dict[str, Any]:
    found = format_conclusions(tracker, benches, options)
    return _log(tracker, f"{options.suite}/{benches[1]}", f"reformulation of {benches[0]}", found)


def compare_versions(tracker: Tracker, name: str) -> dict[str, Any]:
    found = json_able(version_conclusions(tracker, name))
    found["provenance"] = provenance(tracker, [row["run_id"] for row in found["versions"]])
    return _log(tracker, f"{found['suite']}/{found['bench']}", f"versions of {name}", found)


def compare_items(tracker: Tracker, bench: str, models: Sequence[str], options: Options) -> dict[str, Any]:
    """Models on the same documents, pair by pair, before and after adjusting."""
    runs = finished_cells(tracker, bench, options)
    there = {run.data.tags["ttt.model"] for run in runs}
    if missing := [model for model in models if model not in there]:
        raise SpecError(f"items: there are no cells of {missing[0]!r}; there are: {nearest(missing[0], there, 8)}")
    excluded = exclusions(runs, options)
    runs = [run for run in runs if run.data.tags["ttt.model"] in models and not is_excluded(run, options)]
    adjustment = choose_adjustment(runs, options)
    ids = {
        model: [
            str(run.info.run_id)
            for run in runs
            if run.data.tags["ttt.model"] == model and run.data.tags["ttt.adjustment"] == adjustment
        ]
        for model in models
    }
    if alone := [model for model, found in ids.items() if not found]:
        raise SpecError(f"the adjusted half ({adjustment}) is missing: {', '.join(alone)}")
    chosen = [run for run in runs if run.info.run_id in {one for of in ids.values() for one in of}]
    refuse_mixed(tracker, chosen)
    models_compared = model_rows(cell_rows(chosen, "score"), "raw")
    if options.final:
        refuse_unless_final(models_compared, reasons_of(chosen))
    reasons = provisional_reasons(models_compared, reasons_of(chosen))
    scores, pairs = [], []
    for side in SIDES:
        contenders = [read_side(tracker, ids[model], side, model) for model in models]
        tested = paired_tests(contenders, options.seed)
        pairs += [{"scores": side, **pair} for pair in tested]
        for one, group in zip(contenders, ties(contenders, tested), strict=True):
            scores.append({"scores": side, "model": one.label, **score_of(one), "tie_group": group})
    found = {
        "kind": "items",
        "suite": options.suite,
        "bench": bench,
        "adjustment": adjustment,
        "excluded": excluded,
        "provisional": bool(reasons),
        "provisional_reasons": reasons,
        "models": scores,
        "pairs": pairs,
        "provenance": provenance(tracker, [run_id for found in ids.values() for run_id in found]),
    }
    return _log(tracker, f"{options.suite}/{bench}", f"items of {', '.join(models)}", json_able(found))


TABLES = ("models", "pairs", "fits", "versions")


def _log(tracker: Tracker, experiment: str, name: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """A run with the conclusions and their tables."""
    if not tracker.is_writable:
        return not_kept(tracker, found)
    tags = {"ttt.kind": "comparison", "ttt.suite": str(found["suite"]), "ttt.comparison": str(found["kind"])}
    tags["ttt.n_inputs"] = str(len(found["provenance"]["run_ids"]))
    if "provisional" in found:
        tags["ttt.provisional"] = "yes" if found["provisional"] else "no"
    with tracker.run(experiment, name, tags) as run, tempfile.TemporaryDirectory() as scratch:
        told = {**found, "run_id": run.run_id}
        write_json(told, Path(scratch) / "conclusions.json")
        write_json(found["provenance"], Path(scratch) / "inputs.json")
        (Path(scratch) / "tables").mkdir()
        for table in TABLES:
            if table in found:
                write_table(found[table], Path(scratch) / "tables" / table)
        run.folder(Path(scratch))
        return told
