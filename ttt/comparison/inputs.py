"""What a comparison starts from: the finished cells of a bench, read from MLflow, checked and averaged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ttt.comparison.alike import reasons_of, refuse_mixed
from ttt.comparison.cells import CellRow, cell_rows, choose_adjustment, finished_cells, missing_halves, score_key
from ttt.comparison.models import ModelRow, model_rows
from ttt.comparison.options import Options
from ttt.spec import SpecError, nearest
from ttt.tracking import Tracker

MIN_MODELS = 4
Excluded = dict[str, str]
"""A `model` that is left out, and the `reason`."""


@dataclass(frozen=True)
class Inputs:
    """The models of one bench with an adjustment, and the cells behind them."""

    suite: str
    bench: str
    bench_version: str
    metric: str
    chance: float
    adjustment: str
    score_key: str
    models: list[ModelRow]
    cells: list[CellRow]
    excluded: list[Excluded]
    reasons: list[str]
    """Why nothing that is concluded of these cells is final, whatever the studies of them say."""
    runs: list[Any]
    """All finished cells of the bench, but for what is excluded."""
    scored_on_the_way: bool
    """Whether the adjustment asks for scores on the way, which cells that lack them in their result have as metrics."""


def read_inputs(tracker: Tracker, bench: str, options: Options, runs: Sequence[Any] | None = None) -> Inputs:
    """The inputs for one bench, of its finished cells. SpecError, by name, where they cannot be compared."""
    runs = finished_cells(tracker, bench, options) if runs is None else runs
    excluded = exclusions(runs, options)
    kept = [run for run in runs if not is_excluded(run, options)]
    if not kept:
        raise SpecError("exclude: nothing is left to compare")
    adjustment = choose_adjustment(kept, options)
    missing_halves([run for run in kept if run.data.tags["ttt.adjustment"] in ("none", adjustment)], adjustment)
    chosen = [run for run in kept if run.data.tags["ttt.adjustment"] == adjustment]
    refuse_mixed(tracker, chosen)
    key = score_key(chosen, options)
    cells = cell_rows(chosen, key)
    models = model_rows(cells, options.policy)
    if len(models) < MIN_MODELS:
        names = ", ".join(model.model for model in models)
        raise SpecError(f"{len(models)} models ({names}) are too few to compare: at least {MIN_MODELS} are needed")
    config = tracker.read_json(cells[0].run_id, "config.json")
    asked = config["bench"]
    if not asked.get("higher_is_better", True):
        raise SpecError(f"bench '{bench}': its metric {asked['metric']} is better when lower, which cannot be fitted")
    return Inputs(
        suite=options.suite,
        bench=bench,
        bench_version=str(asked["version"]),
        metric=asked["metric"],
        chance=float(asked["chance"]),
        adjustment=adjustment,
        score_key=key,
        models=models,
        cells=cells,
        excluded=excluded,
        reasons=reasons_of(chosen),
        runs=kept,
        scored_on_the_way=bool(config["adjustment"].get("evaluate_at")),
    )


def exclusions(runs: Sequence[Any], options: Options) -> list[Excluded]:
    """A line for each name or id that is left out. SpecError for one that no run has."""
    names = {run.data.tags["ttt.model"] for run in runs}
    ids = {run.info.run_id: run.info.run_name for run in runs}
    unknown = [name for name in options.exclude if name not in names and name not in ids]
    if unknown:
        raise SpecError(f"exclude: there are no cells of {unknown[0]!r}; there are: {nearest(unknown[0], names, 8)}")
    return [
        {"model": name, "reason": "asked for"} if name in names else {"model": ids[name], "reason": f"run {name}"}
        for name in options.exclude
    ]


def is_excluded(run: Any, options: Options) -> bool:
    return run.data.tags["ttt.model"] in options.exclude or run.info.run_id in options.exclude
