"""Score against compute, before and after adjusting: theta, emergence, curves, effects, frontier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from ttt.cell.result import SIDES
from ttt.comparison.findings import Area, Curve, EffectSize, Fit, Frontier, Step, of_fields
from ttt.comparison.inputs import Array, Table
from ttt.comparison.models import MIN_MODELS
from ttt.comparison.options import Options
from ttt.stats.clusters import choose_clusters, resample_clusters
from ttt.stats.effects import Effect, direct_effect, indirect_effect
from ttt.stats.floor import without_answers
from ttt.stats.frontier import ParetoFrontier, frontier, frontier_gain
from ttt.stats.hinge import fit_hinge
from ttt.stats.scaling import Inference, ScalingFit, fit_scaling

N_CURVE = 80
AT_CHANCE = "no model's score can be told from chance"
ALL_THE_SAME = "all models score the same"


def nothing_to_fit(table: Table, side: str) -> str:
    """Why the scores of a side can carry no fit; empty if they can.

    What is missing is named first. At chance: no score is above it or below it, at 5 % over all models together on
    either side; unknown errors count as 0.
    """
    if table.no_fit or table.chance is None:
        return f"a fit needs {table.no_fit}"
    scores = table.scores[side]
    margin = float(stats.norm.ppf(1 - 0.05 / len(scores))) * np.nan_to_num(table.stderrs[side], nan=0.0)
    if (np.abs(scores - table.chance) <= margin).all():
        return AT_CHANCE
    return ALL_THE_SAME if np.ptp(scores) < 1e-12 else ""


def fit_side(table: Table, side: str, inference: Inference, options: Options) -> ScalingFit | None:
    """The fit of one side, without theta where there are no two groups; None where there is nothing to fit."""
    if side not in table.scores or nothing_to_fit(table, side):
        return None
    assert table.chance is not None
    return fit_scaling(
        table.compute,
        table.scores[side],
        table.newer if table.is_grouped else None,
        chance=table.chance,
        clusters=table.clusters,
        inference=inference,
        n_replicates=options.replicates(len(table.names)),
        seed=options.seed,
    )


def silent(table: Table, scores: Array, options: Options) -> npt.NDArray[np.bool_]:
    """Models whose scores, of shape (n_models,), are of no answers by the rule of the floor; NaN is no such score.

    Nobody by the paper's inference, whose fits leave nobody out either.
    """
    of, known = np.zeros(len(scores), bool), np.isfinite(scores)
    if options.inference != "paper" and table.chance is not None:
        of[known] = without_answers(np.log10(table.compute[known]), table.newer[known], scores[known], table.chance)
    return of


def fit_of(table: Table, side: str, fit: ScalingFit | None) -> Fit | None:
    """A fit by the contract's names; None for a side that is missing."""
    if side not in table.scores:
        return None
    if fit is None:
        nothing = dict.fromkeys(one.name for one in fields(Fit))
        return Fit(**{**nothing, "set_aside": [], "note": nothing_to_fit(table, side)})  # type: ignore[arg-type]
    named = of_fields(Fit, fit, set_aside=[table.names[i] for i in fit.aside])
    if not table.is_grouped:
        note = "; ".join(filter(None, [f"theta needs {table.no_groups}", fit.note]))
        return replace(named, note=note, theta=None, theta_se=None, theta_low=None, theta_high=None, theta_p=None)
    if fit.theta_se > 0:
        return named
    # A perfect fit leaves no error to judge theta by.
    return replace(named, theta_se=None, theta_low=None, theta_high=None, theta_p=None)


def curve(table: Table, side: str, fit: ScalingFit | None, options: Options) -> Curve | None:
    """The fitted line of either group over the models' compute, and the older one's 95 % band (cluster bootstrap)."""
    if fit is None:
        return None
    low, high = np.log10(table.compute.min()), np.log10(table.compute.max())
    grid = np.linspace(low, high, N_CURVE)
    lines = {"compute": 10**grid, "older": fit.predict(10**grid)}
    if table.is_grouped:
        lines["newer"] = fit.predict(10**grid, 1.0)
    if fit.inference == "paper":
        return of_fields(Curve, lines)
    of = table.without(fit.aside)
    assert of.chance is not None
    x, newer, y = np.log10(of.compute), of.newer, of.scores[side] - of.chance
    weights = resample_clusters(
        choose_clusters(of.clusters, newer), newer, options.replicates(len(x)), np.random.default_rng(options.seed)
    )
    draws = fit_hinge(x, newer, y, weights, free_floor=fit.floor_fitted).predict(grid, np.zeros(N_CURVE)) + of.chance
    band = np.quantile(draws, (0.025, 0.975), axis=0)
    return of_fields(Curve, {**lines, "older_low": band[0], "older_high": band[1]})


def effects(
    table: Table, fits: Mapping[str, ScalingFit | None], options: Options
) -> tuple[EffectSize | None, EffectSize | None]:
    """The direct effect (what is left after adjusting) and the indirect one (what adjusting takes away).

    Of the models that the fits of the same sides are of: what gives no answers would make the learning of an answer's
    form a part of an effect. None where the half that it is of is missing.
    """
    shared: dict[str, Any] = {"inference": options.inference}
    if "adjusted" not in table.scores:
        return None, None
    if table.no_groups:
        nothing = _effect(None, f"it needs {table.no_groups}")
        return nothing, nothing if "base" in table.scores else None
    aside = {side: set(fit.aside) if fit else set() for side, fit in fits.items()}
    of = table.without(aside["adjusted"])
    left = "" if table.chance is None else nothing_to_fit(table, "adjusted")
    direct = (
        None if left else direct_effect(of.compute, of.scores["adjusted"], of.newer, clusters=of.clusters, **shared)
    )
    if "base" not in table.scores:
        return _effect(direct, left), None
    before = "" if table.chance is None else nothing_to_fit(table, "base")
    if left and before:
        return _effect(direct, left), _effect(None, before)
    of = table.without(aside["base"] | aside["adjusted"])
    if len(of.names) < MIN_MODELS or len(np.unique(of.newer)) < len(SIDES):
        return _effect(direct, left), _effect(None, "too few models give answers before adjusting and after")
    indirect = indirect_effect(
        of.compute, of.scores["base"], of.scores["adjusted"], of.newer, clusters=of.clusters, **shared
    )
    return _effect(direct, left), _effect(indirect, before)


def _effect(effect: Effect | None, note: str) -> EffectSize:
    if effect is None:
        nothing = dict.fromkeys(one.name for one in fields(EffectSize))
        return EffectSize(**{**nothing, "note": note})  # type: ignore[arg-type]
    return of_fields(EffectSize, effect)


def frontiers(table: Table) -> tuple[Area, Frontier]:
    """Per side the area that the newer models add to the frontier, and its steps with and without them.

    `table` holds every model whose compute is known. Without two groups there is no area, and one staircase.
    """
    area: dict[str, float | None] = dict.fromkeys(SIDES)
    steps: dict[str, list[Step] | None] = {name: None for side in SIDES for name in (side, f"{side}_older")}
    for side, scores in table.scores.items():
        stairs: dict[str, ParetoFrontier] = {}
        if table.is_grouped and len(table.names) >= MIN_MODELS:
            gain = frontier_gain(table.compute, scores, table.newer)
            area[side] = float(gain.area)
            stairs = {side: gain.everyone, f"{side}_older": gain.older}
        elif table.names:
            stairs = {side: frontier(table.compute, scores)}
        for name, which in stairs.items():
            steps[name] = [Step(table.names[i], float(table.compute[i]), float(scores[i])) for i in which.members]
    return Area(**area), Frontier(**steps)
