"""A comparison as an MLflow run of its own: what it concluded, what was asked, what it was made of, what was drawn."""

from __future__ import annotations

import csv
import json
import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from ttt.cell.result import SIDES
from ttt.comparison.cells import NONE
from ttt.comparison.conclusions import (
    AgreementConclusions,
    BenchConclusions,
    Conclusions,
    FormatConclusions,
    ItemConclusions,
    VersionConclusions,
    as_json,
)
from ttt.comparison.findings import plain
from ttt.tracking import Tracker

log = logging.getLogger(__name__)

THETA = ("theta", "theta_se", "theta_low", "theta_high", "theta_p", "alpha", "c_e", "c_e_low", "c_e_high", "r2")
C = TypeVar("C", bound=Conclusions)


@dataclass
class Kept(Generic[C]):
    """Conclusions with the id of their run, and a folder for what is drawn of them; all in it is logged in the end."""

    conclusions: C
    folder: Path = field(repr=False)


@contextmanager
def kept(tracker: Tracker, conclusions: C) -> Iterator[Kept[C]]:
    """A run of kind `comparison` with the conclusions, their tables and metrics, and all that was asked."""
    name, experiment = name_of(conclusions)
    tags = {
        "ttt.kind": "comparison",
        "ttt.comparison": conclusions.kind,  # type: ignore[attr-defined]
        "ttt.suite": conclusions.suite,
        "ttt.provisional": "yes" if conclusions.provisional else "no",
        "ttt.n_inputs": str(len(conclusions.provenance.run_ids)),
    }
    for tag in ("bench", "bench_version", "adjustment"):
        if hasattr(conclusions, tag):
            tags[f"ttt.{tag}"] = getattr(conclusions, tag)
    with tracker.run(experiment, name, tags) as run, tempfile.TemporaryDirectory() as scratch:
        here = Kept(replace(conclusions, run_id=run.run_id), Path(scratch))
        write_json(as_json(here.conclusions), here.folder / "conclusions.json")
        write_json(plain(asdict(conclusions.provenance)), here.folder / "inputs.json")
        write_json(plain(conclusions.provenance.options), here.folder / "options.json")
        (here.folder / "tables").mkdir()
        for table, rows in tables_of(conclusions).items():
            write_table(rows, here.folder / "tables" / table)
        if isinstance(conclusions, BenchConclusions):
            run.metrics(metrics_of(conclusions))
        run.flush(params_of(conclusions))
        run.describe(conclusions.summary)
        yield here
        run.folder(here.folder)


def not_kept(tracker: Tracker) -> None:
    """Say that the store can be read only: there is no run and no report."""
    log.warning(f"{tracker.root} cannot be written to: the comparison is shown and not kept there as a run")


def name_of(conclusions: Conclusions) -> tuple[str, str]:
    """The run's name and its experiment."""
    suite = conclusions.suite
    match conclusions:
        case BenchConclusions(bench=bench, adjustment=adjustment, split=split):
            what = "base scores" if adjustment == NONE else adjustment
            return f"comparison {what} {split.field if split else 'ungrouped'}", f"{suite}/{bench}"
        case AgreementConclusions(benches=benches):
            return f"agreement of {', '.join(benches)}", f"{suite}/benches"
        case FormatConclusions(benches=benches):
            return f"reformulation of {benches[0]}", f"{suite}/{benches[1]}"
        case ItemConclusions(bench=bench, models=models):
            return f"items of {', '.join(dict.fromkeys(row.model for row in models))}", f"{suite}/{bench}"
        case VersionConclusions(name=name, benches=benches):
            return f"versions of {name}", f"{suite}/{benches[0] if len(benches) == 1 else 'versions'}"
    raise AssertionError(conclusions)


def params_of(conclusions: Conclusions) -> dict[str, Any]:
    """All options by their names; what they left open as the comparison has it."""
    params = dict(conclusions.provenance.options)
    if isinstance(conclusions, BenchConclusions):
        names = ("policy", "score_rule", "inference", "cluster", "adjustment", "n_models")
        params |= {name: getattr(conclusions, name) for name in names}
        if conclusions.split is not None:
            params |= {"split": conclusions.split.field, "cutoff": conclusions.split.cutoff}
    return {name: json.dumps(value) if isinstance(value, list | dict) else value for name, value in params.items()}


def metrics_of(conclusions: BenchConclusions) -> dict[str, float]:
    """Metrics by the contract's names; what is not identified has none."""
    values: dict[str, Any] = {"n_models": conclusions.n_models, "n_kept_base": conclusions.n_kept_base}
    for side in SIDES:
        fit = getattr(conclusions, side)
        values |= {f"{side}/{name}": getattr(fit, name) for name in THETA if fit is not None}
        values[f"pareto/area_{side}"] = getattr(conclusions.pareto_area, side)
    for name in ("direct_effect", "indirect_effect"):
        numbers = ("estimate", "se", "low", "high", "p") if (effect := getattr(conclusions, name)) else ()
        values |= {f"{name}/{number}": getattr(effect, number) for number in numbers}
    if conclusions.ranking_agreement is not None:
        values["ranking/tau_before_after"] = conclusions.ranking_agreement.tau_before_after
    return {name: float(value) for name, value in values.items() if value is not None}


def tables_of(conclusions: Conclusions) -> dict[str, list[dict[str, Any]]]:
    """What is a table of the conclusions, by name."""
    if isinstance(conclusions, BenchConclusions):
        thetas = [
            {"inference": name, "scores": side, **asdict(getattr(of, side))}
            for name, of in (
                (conclusions.inference, conclusions),
                (conclusions.other_inference.name, conclusions.other_inference),
            )
            for side in conclusions.sides
        ]
        tables = {"models": _rows(conclusions.models), "thetas": thetas, "emergence": _rows(conclusions.emergence)}
        return tables if conclusions.pairs is None else {**tables, "pairs": _rows(conclusions.pairs)}
    names = ("models", "pairs", "fits", "versions")
    return {name: _rows(getattr(conclusions, name)) for name in names if hasattr(conclusions, name)}


def _rows(of: Sequence[Any]) -> list[dict[str, Any]]:
    return [plain(asdict(row)) for row in of]


def write_table(rows: Sequence[Mapping[str, Any]], stem: Path) -> None:
    """`<stem>.json`, and `<stem>.csv` with nested values as JSON; null is an empty field."""
    write_json(rows, stem.with_suffix(".json"))
    with stem.with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else [])
        writer.writeheader()
        for row in rows:
            nested = {name: json.dumps(value) for name, value in row.items() if isinstance(value, list | dict)}
            writer.writerow({**row, **nested})


def write_json(value: Any, file: Path) -> None:
    file.write_text(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
