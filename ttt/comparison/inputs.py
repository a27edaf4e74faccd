"""What a comparison starts from: the finished cells of a bench, read from MLflow, checked and averaged."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ttt.comparison.models import ModelRow, model_rows
from ttt.comparison.options import Options
from ttt.comparison.rows import CellRow, cell_rows, choose_adjustment, missing_halves, score_key
from ttt.spec import SpecError, nearest
from ttt.tracking import Tracker

MIN_MODELS = 4
TAGS = ("ttt.model", "ttt.adjustment", "ttt.seed")
"""What a cell is read by; MLflow's UI lets anybody remove them."""


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
    excluded: list[dict[str, str]]
    runs: list[Any]
    """All finished cells of the bench, but for what is excluded."""
    scored_on_the_way: bool
    """Whether the adjustment asks for scores on the way, which cells that lack them in their result have as metrics."""


def read_inputs(tracker: Tracker, bench: str, options: Options, runs: Sequence[Any] | None = None) -> Inputs:
    """The inputs for one bench, of its finished cells. SpecError, by name, where they cannot be compared."""
    runs = finished_cells(tracker, bench, options) if runs is None else runs
    kept, excluded = _exclude(runs, options)
    adjustment = choose_adjustment(kept, options)
    missing_halves([run for run in kept if run.data.tags["ttt.adjustment"] in ("none", adjustment)], adjustment)
    chosen = [run for run in kept if run.data.tags["ttt.adjustment"] == adjustment]
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
        runs=kept,
        scored_on_the_way=bool(config["adjustment"].get("evaluate_at")),
    )


def finished_cells(tracker: Tracker, bench: str, options: Options) -> list[Any]:
    """Runs of a suite's finished cells on a bench; SpecError naming what there is instead of none."""
    experiment = f"{options.suite}/{bench}"
    with _no_collections():
        runs = tracker.runs(experiment, "cell")
    if not runs:
        there = sorted(str(e.name) for e in tracker.client.search_experiments(max_results=1000))
        known = nearest(experiment, [name for name in there if "/" in name], 12) or "nothing yet"
        raise SpecError(f"suite '{options.suite}' has no finished cells on bench '{bench}'; tracked is: {known}")
    for run in runs:
        if lacking := [tag for tag in TAGS if tag not in run.data.tags]:
            raise SpecError(f"{run.info.run_name} (run {run.info.run_id}) has lost its tag {lacking[0]}: put it back")
    return runs


@contextmanager
def _no_collections() -> Iterator[None]:
    """Hold the garbage collector back: over the many objects of a large store, all alive, it is most of the work."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _exclude(runs: Sequence[Any], options: Options) -> tuple[list[Any], list[dict[str, str]]]:
    """The runs that stay, and a line for each name or id that was left out."""
    names = {run.data.tags["ttt.model"] for run in runs}
    ids = {run.info.run_id: run.info.run_name for run in runs}
    unknown = [name for name in options.exclude if name not in names and name not in ids]
    if unknown:
        raise SpecError(f"exclude: there are no cells of {unknown[0]!r}; there are: {nearest(unknown[0], names, 8)}")
    gone = set(options.exclude)
    kept = [run for run in runs if run.data.tags["ttt.model"] not in gone and run.info.run_id not in gone]
    if not kept:
        raise SpecError("exclude: nothing is left to compare")
    lines = [
        {"model": name, "reason": "asked for"} if name in names else {"model": ids[name], "reason": f"run {name}"}
        for name in options.exclude
    ]
    return kept, lines
