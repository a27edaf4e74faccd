"""What a comparison starts from: the finished cells of a bench, read from MLflow, checked, averaged, and as arrays."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt

from ttt.cell.result import SIDES
from ttt.comparison.alike import BENCH, OF_MODEL, reasons_of, refuse_mixed
from ttt.comparison.cells import NONE, CellRow, choose_adjustment, finished_cells, score_key
from ttt.comparison.current import corrected_facts
from ttt.comparison.findings import Excluded, Provenance
from ttt.comparison.halves import read_halves
from ttt.comparison.models import Fitted, ModelRow, model_rows
from ttt.comparison.options import Options
from ttt.formatting import decimal
from ttt.masking import shown_uri
from ttt.spec import SpecError, nearest
from ttt.tracking import Tracker, commit

MIN_COMPARED = 2
Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Inputs:
    """The models of one bench, before and after an adjustment or on one side only, and the cells behind them."""

    suite: str
    bench: str
    bench_version: str
    metric: str
    chance: float | None
    """None where the scores' scale has none."""
    no_chance: str
    """Why there is none."""
    adjustment: str
    """`none` where there are base scores alone."""
    sides: tuple[str, ...]
    """Those of `SIDES` that all models have."""
    score_key: str
    models: list[ModelRow]
    cells: list[CellRow]
    excluded: list[Excluded]
    corrected: list[str]
    """Facts of models that were other ones when their cells were made (`ttt.comparison.current`)."""
    n_without_half: int
    """Of the excluded, those that lack a half which the others have."""
    reasons: list[str]
    """Why nothing that is concluded of these cells is final, whatever the studies of them say."""
    runs: list[Any]
    """All finished cells of the bench, but for what is excluded."""
    scored_on_the_way: bool
    """Whether the adjustment asks for scores on the way, which cells that lack them in their result have as metrics."""


def read_inputs(
    tracker: Tracker,
    bench: str,
    options: Options,
    runs: Sequence[Any] | None = None,
    sides: tuple[str, ...] = SIDES,
) -> Inputs:
    """The inputs for one bench, of its finished cells. SpecError, by name, where they cannot be compared.

    `sides` are those that are of use: models that have these are taken, whatever else they lack.
    """
    runs = finished_cells(tracker, bench, options) if runs is None else runs
    excluded = exclusions(runs, options)
    kept = [run for run in runs if not is_excluded(run, options)]
    if not kept:
        raise SpecError("exclude: nothing is left to compare")
    adjustment = choose_adjustment(kept, options) if "adjusted" in sides else NONE
    of = [run for run in kept if run.data.tags["ttt.adjustment"] == adjustment] or kept
    config = tracker.read_json(str(of[0].info.run_id), "config.json")
    asked = config["bench"]
    halves = read_halves(kept, adjustment, partial(score_key, bench=asked, options=options))
    chosen = [cell.run for cell in halves.cells]
    if "adjusted" in halves.sides:
        refuse_mixed(tracker, chosen)
    else:  # base scores do not depend on what their cells were adjusted by
        refuse_mixed(tracker, chosen, [BENCH], ["precision"], OF_MODEL)
    models = model_rows(halves.cells, options.policy if len(halves.sides) == len(SIDES) else "raw")
    if len(models) < MIN_COMPARED:
        raise SpecError(
            (f"{models[0].model} is the only one with a score" if models else "no model has the half that is asked for")
            + f" on '{bench}': at least {MIN_COMPARED} models are needed to compare"
            + "".join(f"\n{line.model}: {line.reason}" for line in halves.left_out)
        )
    if not asked.get("higher_is_better", True):
        raise SpecError(f"bench '{bench}': its metric {asked['metric']} is better when lower, which cannot be ranked")
    no_chance = _no_chance(models, asked)
    return Inputs(
        suite=options.suite,
        bench=bench,
        bench_version=str(asked["version"]),
        metric=asked["metric"],
        chance=None if no_chance else float(asked["chance"]),
        no_chance=no_chance,
        adjustment=adjustment if halves.sides != ("base",) else NONE,
        sides=halves.sides,
        score_key=halves.score_key,
        models=models,
        cells=halves.cells,
        excluded=excluded + halves.left_out,
        n_without_half=len(halves.left_out),
        corrected=corrected_facts(chosen),
        reasons=[*reasons_of(chosen), *halves.missing(sides), *halves.reasons],
        runs=kept,
        scored_on_the_way=bool(config["adjustment"].get("evaluate_at")),
    )


def _no_chance(models: Sequence[ModelRow], bench: Mapping[str, Any]) -> str:
    """Why there is no chance level from which a fit could begin; empty where there is one."""
    if bench.get("chance") is None:
        return f"a chance level, which bench '{bench['name']}' has not"
    scores = [score for model in models for score in (model.base, model.adjusted) if score is not None]
    if min(scores) >= 0 and max(scores) <= 1:
        return ""
    return (
        f"a chance level between 0 and 1, which scores by '{bench['metric']}' have not: they are from "
        f"{decimal(min(scores))} to {decimal(max(scores))}"
    )


def judged(inputs: Inputs) -> Sequence[ModelRow]:
    """Models of which it matters whether they are saturated: those that were adjusted."""
    return inputs.models if "adjusted" in inputs.sides else []


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
    """One entry a model, all of shape (n_models,): compute in FLOPs, scores by side, standard errors; NaN: unknown."""

    names: list[str]
    compute: Array
    scores: Mapping[str, Array]
    """Of the sides that there are."""
    stderrs: Mapping[str, Array]
    newer: Array
    """0 throughout where there are no two groups."""
    clusters: list[str] | None
    """Families; None where every model stands for itself."""
    chance: float | None
    no_fit: str = ""
    """What a fit of score on compute needs and lacks; empty where nothing is lacking."""
    no_groups: str = ""
    """What a comparison of the two groups needs and lacks."""

    @property
    def is_grouped(self) -> bool:
        return bool(self.newer.any())

    def without(self, places: Collection[int]) -> Table:
        """The table without the models in some places."""
        kept = [place for place in range(len(self.names)) if place not in places]
        return replace(
            self,
            names=[self.names[place] for place in kept],
            compute=self.compute[kept],
            scores={side: of[kept] for side, of in self.scores.items()},
            stderrs={side: of[kept] for side, of in self.stderrs.items()},
            newer=self.newer[kept],
            clusters=None if self.clusters is None else [self.clusters[place] for place in kept],
        )


def table_of(inputs: Inputs, fitted: Fitted, options: Options) -> Table:
    """The models that can be fitted."""
    no_fit = [text for text in (inputs.no_chance, fitted.too_few) if text]
    return Table(
        **_columns(fitted.models, inputs.sides, options),
        newer=np.zeros(len(fitted.models)) if fitted.split is None else fitted.split.is_newer.astype(float),
        chance=inputs.chance,
        no_fit=" and ".join(no_fit),
        no_groups=" and ".join(text for text in (fitted.too_few, fitted.no_groups) if text),
    )


def ranking_table(inputs: Inputs, options: Options) -> Table:
    """All models, whether they can be fitted or not."""
    columns = _columns(inputs.models, inputs.sides, options)
    return Table(**columns, newer=np.zeros(len(inputs.models)), chance=inputs.chance)


def _columns(models: Sequence[ModelRow], sides: Sequence[str], options: Options) -> dict[str, Any]:
    def column(name: str) -> Array:
        return np.array([np.nan if (value := getattr(model, name)) is None else value for model in models], float)

    return {
        "names": [model.model for model in models],
        "compute": column("compute"),
        "scores": {side: column(side) for side in sides},
        "stderrs": {side: column(f"{side}_stderr") for side in sides},
        "clusters": [model.family for model in models] if options.cluster == "family" else None,
    }


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
