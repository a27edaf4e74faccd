"""Whether training on the test task is enough to explain a lead: the confound made on purpose.

Of a bench's older models two random halves are taken, one of which trained on the test task, and all of them adjusted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ttt.cell.result import SIDES
from ttt.comparison.alike import BENCH, OF_MODEL, RECIPE, TASK_DATA, refuse_mixed
from ttt.comparison.cells import cell_rows
from ttt.comparison.demonstrations import HalvesThetas, RecreatedConfound, ReleasedSplit
from ttt.comparison.findings import of_fields
from ttt.comparison.fits import silent
from ttt.comparison.inputs import Array, Inputs, Table
from ttt.comparison.models import MIN_MODELS, model_rows
from ttt.comparison.options import MANY_MODELS, Options
from ttt.formatting import flops
from ttt.spec import SpecError
from ttt.stats.confound import recreate_confound
from ttt.stats.released_confound import SMALL, never_trained, released_theta, split_as_released
from ttt.tracking import Tracker

HINT = "leave cells out with exclude=[model or run id, ...], or the confound with confound=none"
HALVES = ("untouched", "both_trained", "half_trained", "all_adjusted")
N_SPLITS, FEW_SPLITS = 500, 100  # with many models theta differs little from split to split


def confound_of(
    tracker: Tracker, inputs: Inputs, table: Table, options: Options, free_floor: tuple[bool, bool]
) -> RecreatedConfound | None:
    """Theta between random halves of the older models: untouched, both or one half trained on the task, all adjusted.

    `confound=paper` is the release's design (arXiv 2407.07890, section 3 and its notebook): halves of models instead of
    families, of those that have the adjustments on every bench of the suite on which any has; the smallest never train;
    the trained half is adjusted by the whole adjustment from the base model; and the better of before and after counts,
    whatever the policy. `free_floor`: as the fits of all models have it, before adjusting and after.
    What gives no answers in any of the states is left out by ttt's own design, as in the effects.
    None where it is not asked for, or fewer than four older models are left that have the adjustments. SpecError for
    cells that cannot be compared: each adjustment is one recipe at one budget, the two that end alike are the same
    recipe, and bench, precision and models are those of the whole comparison; and for the release's design where these
    models cannot follow it.
    """
    if options.confound == "none" or table.chance is None:
        return None
    as_released = options.confound == "paper"
    names = options.confound_adjustments.names
    if as_released:
        names = (*names[:2], inputs.adjustment)
    older = {table.names[i]: i for i in np.flatnonzero(table.newer == 0)}
    allowed = _models_with(inputs.runs, names)
    if as_released:
        allowed &= _on_every_bench(tracker, inputs.suite, names)
    common = [model for model in older if model in allowed]
    if len(common) < MIN_MODELS:
        if as_released:
            raise SpecError(f"confound=paper: {len(common)} older models have the adjustments {', '.join(names)}{_AND}")
        return None
    scores = _scores(tracker, inputs, names, common)
    if as_released:
        silenced = np.zeros(len(common), bool)
    else:
        of_older = table.without([i for i in range(len(table.names)) if table.names[i] not in common])
        silenced = np.any([silent(of_older, column, options) for column in scores], axis=0)
    set_aside = [model for model, is_silent in zip(common, silenced, strict=True) if is_silent]
    common, scores = [model for model in common if model not in set_aside], [of[~silenced] for of in scores]
    if len(common) < MIN_MODELS:
        return None
    places = [older[model] for model in common]
    compute = table.compute[places]
    untrained = never_trained(compute) if as_released else np.zeros(len(common), bool)
    if (~untrained).sum() < MIN_MODELS:
        raise SpecError(
            f"confound=paper: the release never trains models of up to {flops(SMALL)} FLOPs, and of these "
            f"{len(common)} older ones {(~untrained).sum()} are larger; at least {MIN_MODELS} are needed"
        )
    if keep_best := as_released or options.policy == "keep_best":
        scores = _better(scores)
    result = recreate_confound(
        compute,
        *scores,
        chance=table.chance,
        free_floor=free_floor,
        clusters=None if as_released or table.clusters is None else [table.clusters[i] for i in places],
        untrained=untrained,
        n_splits=FEW_SPLITS if len(common) > MANY_MODELS else N_SPLITS,
        seed=options.seed,
    )
    return of_fields(
        RecreatedConfound,
        result,
        **{name: of_fields(HalvesThetas, getattr(result, name)) for name in HALVES},
        design=options.confound,
        policy="keep_best" if keep_best else "raw",
        adjustments=dict(zip(type(options.confound_adjustments).model_fields, names, strict=True)),
        untrained=[model for model, is_small in zip(common, untrained, strict=True) if is_small],
        left_out=[model for model in older if model not in allowed],
        set_aside=set_aside,
        released_split=_released_split(common, compute, scores, table.chance) if as_released else None,
    )


_AND = f", on every bench of the suite on which any has; at least {MIN_MODELS} are needed"


def _scores(tracker: Tracker, inputs: Inputs, names: tuple[str, ...], models: list[str]) -> list[Array]:
    """Base scores and those after each adjustment, each of shape (n_models,), of cells that can be compared."""
    runs = {
        name: [run for run in inputs.runs if _adjustment(run) == name and run.data.tags["ttt.model"] in models]
        for name in names
    }
    for of in runs.values():
        refuse_mixed(tracker, of, hint=HINT)
    together = [run for of in runs.values() for run in of]
    refuse_mixed(tracker, together, [TASK_DATA], [], [], HINT)
    refuse_mixed(tracker, runs[names[1]] + runs[names[2]], [RECIPE], [], [], HINT)
    refuse_mixed(tracker, together + [cell.run for cell in inputs.cells], [BENCH], ["precision"], OF_MODEL, HINT)
    rows = {
        name: {row.model: row for row in model_rows(cell_rows(of, inputs.score_key), "raw")}
        for name, of in runs.items()
    }
    base = np.array([rows[names[0]][model].base for model in models], float)
    return [base, *(np.array([rows[name][model].adjusted for model in models], float) for name in names)]


def _better(scores: list[Array]) -> list[Array]:
    """After each training the better of before and after, as the release takes it."""
    base, trained, base_adjusted, trained_adjusted = scores
    return [
        base,
        np.maximum(base, trained),
        np.maximum(base, base_adjusted),
        np.maximum(trained, trained_adjusted),
    ]


def _released_split(names: list[str], compute: Array, scores: list[Array], chance: float) -> ReleasedSplit:
    base, trained, base_adjusted, trained_adjusted = scores
    half = split_as_released(names, compute)
    thetas = {
        name: released_theta(compute, np.where(half, one, other), half, chance=chance)
        for name, one, other in (
            ("untouched", base, base),
            ("half_trained", trained, base),
            ("all_adjusted", trained_adjusted, base_adjusted),
        )
    }
    return of_fields(ReleasedSplit, thetas)


def _on_every_bench(tracker: Tracker, suite: str, names: tuple[str, ...]) -> set[str]:
    """Models that have the adjustments on every bench of the suite on which any model has them."""
    experiments = [name for name in tracker.experiments() if name.startswith(f"{suite}/")]
    sets = [_models_with(tracker.runs(experiment, "cell"), names) for experiment in experiments]
    return set.intersection(*(of for of in sets if of)) if any(sets) else set()


def _models_with(runs: Iterable[Any], names: tuple[str, ...]) -> set[str]:
    there: Mapping[str, set[str]] = {name: set() for name in names}
    for run in runs:
        if _adjustment(run) in there and all(f"{side}/score" in run.data.metrics for side in SIDES):
            there[_adjustment(run)].add(run.data.tags.get("ttt.model", ""))
    return set.intersection(*there.values())


def _adjustment(run: Any) -> str:
    return str(run.data.tags.get("ttt.adjustment", ""))
