"""What a comparison starts from: the finished cells of a bench, read from MLflow, checked, averaged, and as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt

from ttt.cell.result import SIDES
from ttt.comparison.alike import reasons_of, refuse_mixed
from ttt.comparison.cells import CellRow, cell_rows, choose_adjustment, finished_cells, missing_halves, score_key
from ttt.comparison.current import corrected_facts
from ttt.comparison.findings import Excluded, Provenance
from ttt.comparison.models import ModelRow, Split, model_rows
from ttt.comparison.options import Options
from ttt.masking import shown_uri
from ttt.spec import SpecError, nearest
from ttt.tracking import Tracker, commit

MIN_MODELS = 4
Array = npt.NDArray[np.float64]


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
    corrected: list[str]
    """Facts of models that were other ones when their cells were made (`ttt.comparison.current`)."""
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
    config = tracker.read_json(str(chosen[0].info.run_id), "config.json")
    asked = config["bench"]
    key = score_key(chosen, asked, options)
    cells = cell_rows(chosen, key)
    models = model_rows(cells, options.policy)
    if len(models) < MIN_MODELS:
        names = ", ".join(model.model for model in models)
        raise SpecError(f"{len(models)} models ({names}) are too few to compare: at least {MIN_MODELS} are needed")
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
        corrected=corrected_facts(chosen),
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
        Excluded(name, "asked for") if name in names else Excluded(ids[name], f"run {name}") for name in options.exclude
    ]


def is_excluded(run: Any, options: Options) -> bool:
    return run.data.tags["ttt.model"] in options.exclude or run.info.run_id in options.exclude


@dataclass(frozen=True)
class Table:
    """One entry a model, all of shape (n_models,): compute in FLOPs, scores by side, standard errors (NaN: unknown)."""

    names: list[str]
    compute: Array
    scores: Mapping[str, Array]
    stderrs: Mapping[str, Array]
    newer: Array
    clusters: list[str] | None
    """Families; None where every model stands for itself."""
    chance: float


def table_of(inputs: Inputs, split: Split, options: Options) -> Table:
    models = inputs.models

    def column(name: str) -> Array:
        return np.array([np.nan if (value := getattr(model, name)) is None else value for model in models], float)

    return Table(
        names=[model.model for model in models],
        compute=column("compute"),
        scores={side: column(side) for side in SIDES},
        stderrs={side: column(f"{side}_stderr") for side in SIDES},
        newer=split.is_newer.astype(float),
        clusters=[model.family for model in models] if options.cluster == "family" else None,
        chance=inputs.chance,
    )


def provenance(tracker: Tracker, run_ids: Sequence[str], corrected: Sequence[str] = ()) -> Provenance:
    """What the conclusions were made of, and the facts of models that were corrected since the cells were made.

    The command that asked for them adds what was asked.
    """
    return Provenance(
        run_ids=list(run_ids),
        corrected_facts=list(corrected),
        ttt_version=version("ttt"),
        commit=commit(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        tracking=shown_uri(tracker.uri),
    )
