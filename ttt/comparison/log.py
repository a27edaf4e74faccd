"""A comparison as an MLflow run of its own: what it found, what it was made of, and what was drawn of it."""

from __future__ import annotations

import csv
import json
import logging
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ttt.comparison.table import SIDES
from ttt.tracking import Tracker

log = logging.getLogger(__name__)

THETA = ("theta", "theta_se", "theta_low", "theta_high", "theta_p", "alpha", "c_e", "c_e_low", "c_e_high", "r2")


def not_kept(tracker: Tracker, found: Mapping[str, Any]) -> dict[str, Any]:
    """What was found where the store can be read only: no run and no report."""
    log.warning(f"{tracker.root} cannot be written to: the comparison is shown and not kept there as a run")
    return {**found, "run_id": None}


def log_comparison(tracker: Tracker, conclusions: dict[str, Any]) -> dict[str, Any]:
    """Keep conclusions of one bench with their figures and report; returns them with `run_id` and `report`."""
    if not tracker.is_writable:
        return {**not_kept(tracker, conclusions), "report": None}
    suite, bench = conclusions["suite"], conclusions["bench"]
    tags = {
        "ttt.kind": "comparison",
        "ttt.suite": suite,
        "ttt.bench": bench,
        "ttt.bench_version": conclusions["bench_version"],
        "ttt.adjustment": conclusions["adjustment"],
        "ttt.provisional": "yes" if conclusions["provisional"] else "no",
        "ttt.n_inputs": str(len(conclusions["provenance"]["run_ids"])),
    }
    split = conclusions["split"]["field"]
    with tracker.run(f"{suite}/{bench}", f"comparison {conclusions['adjustment']} {split}", tags) as run:
        names = ("policy", "score_rule", "inference", "cluster", "adjustment")
        params = {name: conclusions[name] for name in names}
        params |= {"split": split, "cutoff": conclusions["split"]["cutoff"], "n_models": conclusions["n_models"]}
        run.metrics(metrics_of(conclusions))
        run.flush(params)
        found = {**conclusions, "run_id": run.run_id}
        with tempfile.TemporaryDirectory() as scratch:
            write_tables(found, Path(scratch))
            drawn = draw(found, Path(scratch))
            run.folder(Path(scratch))
            page = next((str(file.relative_to(scratch)) for file in drawn if file.suffix == ".html"), None)
        local = tracker.artifact(run.run_id, page) if page else None
        return {**found, "report": str(local) if local else None}


def metrics_of(conclusions: Mapping[str, Any]) -> dict[str, float]:
    """Metrics by the contract's names; what is not identified has none."""
    values: dict[str, Any] = {"n_models": conclusions["n_models"], "n_kept_base": conclusions["n_kept_base"]}
    for side in SIDES:
        values |= {f"{side}/{name}": conclusions[side][name] for name in THETA}
        values[f"pareto/area_{side}"] = conclusions["pareto_area"][side]
    for effect in ("direct_effect", "indirect_effect"):
        values |= {f"{effect}/{name}": conclusions[effect][name] for name in ("estimate", "se", "low", "high", "p")}
    values["ranking/tau_before_after"] = conclusions["ranking_agreement"]["tau_before_after"]
    return {name: float(value) for name, value in values.items() if value is not None}


def write_tables(conclusions: Mapping[str, Any], folder: Path) -> None:
    """`conclusions.json` and `inputs.json`; models, thetas and emergence as CSV and JSON in `tables/`."""
    write_json(conclusions, folder / "conclusions.json")
    write_json(conclusions["provenance"], folder / "inputs.json")
    tables = {
        "models": conclusions["models"],
        "thetas": [
            {"inference": name, "scores": side, **of[side]}
            for name, of in (
                (conclusions["inference"], conclusions),
                (conclusions["other_inference"]["name"], conclusions["other_inference"]),
            )
            for side in SIDES
        ],
        "emergence": conclusions["emergence"],
    }
    (folder / "tables").mkdir()
    for name, rows in tables.items():
        write_table(rows, folder / "tables" / name)


def write_table(rows: Sequence[Mapping[str, Any]], stem: Path) -> None:
    """`<stem>.json`, and `<stem>.csv` with nested values as JSON; null is an empty field."""
    write_json(rows, stem.with_suffix(".json"))
    with stem.with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else [])
        writer.writeheader()
        for row in rows:
            nested = {name: json.dumps(value) for name, value in row.items() if isinstance(value, list | dict)}
            writer.writerow({**row, **nested})


def draw(conclusions: dict[str, Any], folder: Path) -> list[Path]:
    from ttt.report.comparison import render  # matplotlib and jinja2: only once there is something to draw

    return render(conclusions, folder)


def write_json(value: Any, file: Path) -> None:
    file.write_text(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
