"""Score against compute, before and after adjusting: theta, emergence, curves, effects, frontier."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
from scipy import stats

from ttt.cell.result import SIDES
from ttt.comparison.findings import Area, Curve, EffectSize, Fit, Frontier, Step, of_fields
from ttt.comparison.inputs import Table
from ttt.comparison.options import Options
from ttt.stats.clusters import choose_clusters, resample_clusters
from ttt.stats.effects import Effect, direct_effect, indirect_effect
from ttt.stats.frontier import frontier_gain
from ttt.stats.hinge import fit_hinge
from ttt.stats.scaling import Inference, ScalingFit, fit_scaling

N_CURVE = 80
AT_CHANCE = "no model's score can be told from chance"
ALL_THE_SAME = "all models score the same"


def nothing_to_fit(table: Table, side: str) -> str:
    """Why the scores of a side can carry no fit; empty if they can.

    At chance: no score is above it or below it, at 5 % over all models together on either side; unknown errors count
    as 0.
    """
    scores = table.scores[side]
    margin = float(stats.norm.ppf(1 - 0.05 / len(scores))) * np.nan_to_num(table.stderrs[side], nan=0.0)
    if (np.abs(scores - table.chance) <= margin).all():
        return AT_CHANCE
    return ALL_THE_SAME if np.ptp(scores) < 1e-12 else ""


def fit_side(table: Table, side: str, inference: Inference, options: Options) -> ScalingFit | None:
    """The fit of one side; None where there is nothing to fit."""
    if nothing_to_fit(table, side):
        return None
    return fit_scaling(
        table.compute,
        table.scores[side],
        table.newer,
        chance=table.chance,
        clusters=table.clusters,
        inference=inference,
        n_replicates=options.replicates(len(table.names)),
        seed=options.seed,
    )


def fit_of(table: Table, side: str, fit: ScalingFit | None) -> Fit:
    """A fit by the contract's names."""
    if fit is None:
        nothing = dict.fromkeys(one.name for one in fields(Fit))
        return Fit(**{**nothing, "set_aside": [], "note": nothing_to_fit(table, side)})  # type: ignore[arg-type]
    named = of_fields(Fit, fit, set_aside=[table.names[i] for i in fit.aside])
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
    lines = {"compute": 10**grid, "older": fit.predict(10**grid), "newer": fit.predict(10**grid, 1.0)}
    if fit.inference == "paper":
        return of_fields(Curve, lines)
    fitted = np.setdiff1d(np.arange(len(table.names)), fit.aside)
    labels = None if table.clusters is None else np.asarray(table.clusters)[fitted]
    x, newer, y = np.log10(table.compute[fitted]), table.newer[fitted], table.scores[side][fitted] - table.chance
    weights = resample_clusters(
        choose_clusters(labels, newer), newer, options.replicates(len(x)), np.random.default_rng(options.seed)
    )
    draws = fit_hinge(x, newer, y, weights, free_floor=fit.floor_fitted).predict(grid, np.zeros(N_CURVE)) + table.chance
    band = np.quantile(draws, (0.025, 0.975), axis=0)
    return of_fields(Curve, {**lines, "older_low": band[0], "older_high": band[1]})


def effects(table: Table, options: Options) -> tuple[EffectSize, EffectSize]:
    """The direct effect (what is left after adjusting) and the indirect one (what adjusting takes away)."""
    nothing = {side: nothing_to_fit(table, side) for side in SIDES}
    shared: dict[str, Any] = {"clusters": table.clusters, "inference": options.inference}
    base, adjusted = table.scores["base"], table.scores["adjusted"]
    direct = None if nothing["adjusted"] else direct_effect(table.compute, adjusted, table.newer, **shared)
    both = nothing["base"] and nothing["adjusted"]
    indirect = None if both else indirect_effect(table.compute, base, adjusted, table.newer, **shared)
    return _effect(direct, nothing["adjusted"]), _effect(indirect, nothing["base"])


def _effect(effect: Effect | None, note: str) -> EffectSize:
    if effect is None:
        nothing = dict.fromkeys(one.name for one in fields(EffectSize))
        return EffectSize(**{**nothing, "note": note})  # type: ignore[arg-type]
    return of_fields(EffectSize, effect)


def frontiers(table: Table) -> tuple[Area, Frontier]:
    """Per side the area that the newer models add to the frontier, and its steps with and without them."""
    area: dict[str, float] = {}
    steps: dict[str, list[Step]] = {}
    for side in SIDES:
        scores = table.scores[side]
        gain = frontier_gain(table.compute, scores, table.newer)
        area[side] = float(gain.area)
        for name, which in ((side, gain.everyone), (f"{side}_older", gain.older)):
            steps[name] = [Step(table.names[i], float(table.compute[i]), float(scores[i])) for i in which.members]
    return of_fields(Area, area), Frontier(**steps)
