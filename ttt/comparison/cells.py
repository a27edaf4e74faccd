"""Finished cells as rows of numbers, one a cell, and the refusal of cells that cannot be compared."""

from __future__ import annotations

import gc
import json
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ttt.cell.result import SIDES
from ttt.comparison.alike import HINT, models_of
from ttt.comparison.current import params_now, with_trainings
from ttt.comparison.options import Options
from ttt.spec import SpecError, nearest
from ttt.tasks.metrics import is_proportion
from ttt.tracking import Tracker

TAGS = ("ttt.model", "ttt.adjustment", "ttt.seed")
"""What a cell is read by; MLflow's UI lets anybody remove them."""
NONE = "none"
"""The adjustment of a cell that holds the base score alone."""


@dataclass(frozen=True)
class CellRow:
    """One cell: the score of either half, None where it is missing; standard errors None where unknown."""

    run: Any
    """The MLflow run."""
    model: str
    seed: str
    base: float | None
    base_stderr: float | None
    adjusted: float | None
    adjusted_stderr: float | None
    gain_stderr: float | None
    """Of the paired differences; None where the items are not known."""
    saturated: str
    """`yes`, `no`, `undecided` or `unknown`."""
    seconds: float | None
    """That adjusting the model took, also where other benches share it, and evaluating it on this one.

    Of a base model evaluating it.
    """

    @property
    def gain(self) -> float | None:
        return None if self.base is None or self.adjusted is None else self.adjusted - self.base

    @property
    def run_id(self) -> str:
        return str(self.run.info.run_id)

    @property
    def params(self) -> Mapping[str, str]:
        return dict(self.run.data.params)


def finished_cells(tracker: Tracker, bench: str, options: Options) -> list[Any]:
    """Runs of a suite's finished cells on a bench; SpecError naming what there is instead of none."""
    experiment = f"{options.suite}/{bench}"
    with _no_collections():
        runs = tracker.runs(experiment, "cell")
    if not runs:
        known = nearest(experiment, [name for name in tracker.experiments() if "/" in name], 12) or "nothing yet"
        raise SpecError(f"suite '{options.suite}' has no finished cells on bench '{bench}'; tracked is: {known}")
    for run in runs:
        if lacking := [tag for tag in TAGS if tag not in run.data.tags]:
            raise SpecError(f"{run.info.run_name} (run {run.info.run_id}) has lost its tag {lacking[0]}: put it back")
    with_trainings(tracker, runs)
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


def choose_adjustment(runs: Sequence[Any], options: Options) -> str:
    """The adjustment that counts as adjusted; `none` where there are base models only, or where that is asked for.

    SpecError names those there are where that is not clear.
    """
    there = sorted({run.data.tags["ttt.adjustment"] for run in runs} - {NONE})
    if options.adjustment == NONE or (options.adjustment is None and not there):
        return NONE
    if options.adjustment is not None:
        if options.adjustment not in there:
            raise SpecError(
                f"adjustment: no finished cell has {options.adjustment!r}; there is: "
                f"{nearest(options.adjustment, there) or 'none, only base models'}"
            )
        return options.adjustment
    candidates = [name for name in there if name not in options.confound_adjustments.names] or there
    if len(candidates) > 1:
        counts = ", ".join(
            f"{name} ({sum(run.data.tags['ttt.adjustment'] == name for run in runs)} cells)" for name in candidates
        )
        raise SpecError(f"mixed adjustments: say which one counts with adjustment=...; there are {counts}")
    return candidates[0]


def score_key(runs: Sequence[Any], bench: Mapping[str, Any], options: Options) -> str:
    """`score`, or `score_paper` where the paper's rule is asked for and means another score of this bench.

    `bench` is its definition as the cells have it. SpecError where the score by the paper's rule is not known.
    """
    if options.score_rule == "bench" or bench.get("paper_score") == "task":
        return "score"
    has = [any(f"{side}/score_paper" in run.data.metrics for side in SIDES) for run in runs]
    if "paper_score" not in bench and any(has):
        raise SpecError(
            f"score_rule: the cells of bench '{bench['name']}' were ingested by an earlier ttt, which took the paper's "
            "score of every bench to be a mean of all entries; ingest them again"
        )
    if "paper_score" in bench and not all(has):
        lack = [run for run, there in zip(runs, has, strict=True) if not there]
        raise SpecError(
            f"score_rule: the paper's score of bench '{bench['name']}' is a mean of all entries of a results file, "
            f"which these cells do not have: {models_of(lack)}"
        )
    return "score_paper" if all(has) else "score"


def cell_rows(runs: Sequence[Any], key: str) -> list[CellRow]:
    """Rows of cells, of which a half may be missing. SpecError for a score that is none, or duplicates."""
    faults = [fault for run in runs for side in SIDES if (fault := _fault(run, side, key))]
    faults += _duplicates(runs)
    if faults:
        raise SpecError("\n".join([*faults, HINT]))
    return [_row(run, key) for run in runs]


def _fault(run: Any, side: str, key: str) -> str:
    """What is wrong with a score that is there; empty where nothing is."""
    value = run.data.metrics.get(f"{side}/{key}", 0.0)
    if not math.isfinite(value):
        return f"{_where(run)}: {side} score {value}, which is no number"
    metric = str(run.data.params.get("metric", ""))
    if is_proportion(metric) and not 0 <= value <= 1:
        return f"{_where(run)}: {side} score {value}, which is not between 0 and 1 as '{metric}' is"
    return ""


def _row(run: Any, key: str) -> CellRow:
    tags, metrics = run.data.tags, run.data.metrics

    def number(name: str) -> float | None:
        value = metrics.get(name)
        return float(value) if value is not None and math.isfinite(value) else None

    is_base = tags["ttt.adjustment"] == NONE  # its adjusted scores, where it has any, are the base scores
    spent = [s for s in map(number, ["base/seconds"] if is_base else ["train/seconds", "adjusted/seconds"]) if s]
    return CellRow(
        run=run,
        model=tags["ttt.model"],
        seed=tags["ttt.seed"],
        base=number(f"base/{key}"),
        base_stderr=number(f"base/{key}_stderr"),
        adjusted=None if is_base else number(f"adjusted/{key}"),
        adjusted_stderr=None if is_base else number(f"adjusted/{key}_stderr"),
        gain_stderr=None if is_base else number(f"gain/{key}_stderr"),
        saturated=tags.get("ttt.saturated", "unknown"),
        seconds=sum(spent) if spent else None,
    )


def facts_of(run: Any) -> dict[str, Any]:
    """A model's facts, as they were when its cell was asked for last; None for what is not known of it."""
    params = params_now(run)
    try:
        facts = json.loads(params.get("facts") or "{}")
    except ValueError:  # MLflow has cut what was too long for it, before ttt divided such values
        raise SpecError(f"{_where(run)}: its model's facts are not whole; repeat the cell, or exclude it") from None
    given = {name: value for name, value in params.items() if value not in ("", "None", "null")}
    return {
        "family": given.get("family", run.data.tags["ttt.model"]),
        "kind": given.get("kind", "base"),
        "languages": tuple(filter(None, given.get("languages", "").split(","))),
        "trained": given.get("trained"),
        "n_params": _whole(given.get("n_params")),
        "n_tokens": _whole(given.get("n_tokens")),
        "facts": facts,
    }


def _whole(text: str | None) -> int | None:
    return None if text is None else int(text)


def _duplicates(runs: Sequence[Any]) -> list[str]:
    by: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for run in runs:
        by[run.data.tags["ttt.model"], run.data.tags["ttt.seed"]].append(run)
    return [
        f"duplicates: {model}, seed {seed}, has {len(of)} finished cells: {', '.join(run.info.run_id for run in of)}"
        for (model, seed), of in by.items()
        if len(of) > 1
    ]


def _where(run: Any) -> str:
    return f"{run.info.run_name} (run {run.info.run_id})"
