"""Score against compute, before and after adjusting: theta, emergence, curves, effects, frontier."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from scipy import stats

from ttt.comparison.options import Options
from ttt.comparison.table import SIDES, Table
from ttt.stats.clusters import choose_clusters, resample_clusters
from ttt.stats.effects import Effect, direct_effect, indirect_effect
from ttt.stats.frontier import frontier_gain
from ttt.stats.hinge import fit_hinge
from ttt.stats.scaling import Inference, ScalingFit, fit_scaling

FIELDS = ("theta", "theta_se", "theta_low", "theta_high", "theta_p", "alpha", "c_e", "c_e_low", "c_e_high", "r2")
N_CURVE = 80
AT_CHANCE = "no model scores above chance"
ALL_THE_SAME = "all models score the same"


def nothing_to_fit(table: Table, side: str) -> str:
    """Why the scores of a side can carry no fit; empty if they can.

    At chance: no score can be told from it, one-sided, at 5 % over all models together; unknown errors count as 0.
    """
    scores = table.scores[side]
    margin = float(stats.norm.ppf(1 - 0.05 / len(scores))) * np.nan_to_num(table.stderrs[side], nan=0.0)
    if (scores <= table.chance + margin).all():
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


def told(table: Table, side: str, fit: ScalingFit | None) -> dict[str, Any]:
    """A fit's numbers by the contract's names; NaN or None where not identified."""
    if fit is None:
        return {**dict.fromkeys(FIELDS), "level": None, "note": nothing_to_fit(table, side)}
    values = asdict(fit)
    if not fit.theta_se > 0:  # a perfect fit leaves no error to judge theta by
        values |= dict.fromkeys(("theta_se", "theta_low", "theta_high", "theta_p"))
    return {name: values[name] for name in (*FIELDS, "level", "note")}


def curve(table: Table, side: str, fit: ScalingFit | None, options: Options) -> dict[str, Any] | None:
    """The fitted line of either group over the models' compute, and the older one's 95 % band (cluster bootstrap)."""
    if fit is None:
        return None
    low, high = np.log10(table.compute.min()), np.log10(table.compute.max())
    grid = np.linspace(low, high, N_CURVE)
    lines = {"compute": 10**grid, "older": fit.predict(10**grid), "newer": fit.predict(10**grid, 1.0)}
    if fit.inference == "paper":
        return lines
    chosen = choose_clusters(table.clusters, table.newer)
    weights = resample_clusters(
        chosen, table.newer, options.replicates(len(table.names)), np.random.default_rng(options.seed)
    )
    x, y = np.log10(table.compute), table.scores[side] - table.chance
    draws = table.chance + fit_hinge(x, table.newer, y, weights).predict(grid, np.zeros(N_CURVE))
    band = np.quantile(draws, (0.025, 0.975), axis=0)
    return lines | {"older_low": band[0], "older_high": band[1]}


def effects(table: Table, options: Options) -> dict[str, Any]:
    """The direct effect (what is left after adjusting) and the indirect one (what adjusting takes away)."""
    nothing = {side: nothing_to_fit(table, side) for side in SIDES}
    shared: dict[str, Any] = {"clusters": table.clusters, "inference": options.inference}
    base, adjusted = table.scores["base"], table.scores["adjusted"]
    direct = None if nothing["adjusted"] else direct_effect(table.compute, adjusted, table.newer, **shared)
    both = nothing["base"] and nothing["adjusted"]
    indirect = None if both else indirect_effect(table.compute, base, adjusted, table.newer, **shared)
    return {
        "direct_effect": _effect(direct, nothing["adjusted"]),
        "indirect_effect": _effect(indirect, nothing["base"]),
    }


def _effect(effect: Effect | None, note: str) -> dict[str, Any]:
    names = ("estimate", "se", "low", "high", "p", "r2")
    if effect is None:
        return {**dict.fromkeys(names), "level": None, "note": note}
    return {name: getattr(effect, name) for name in (*names, "level", "note")}


def frontiers(table: Table) -> dict[str, Any]:
    """Per side the area that the newer models add to the frontier, and its steps with and without them."""
    area: dict[str, float] = {}
    steps: dict[str, list[dict[str, Any]]] = {}
    for side in SIDES:
        scores = table.scores[side]
        gain = frontier_gain(table.compute, scores, table.newer)
        area[side] = gain.area
        for name, which in ((side, gain.everyone), (f"{side}_older", gain.older)):
            steps[name] = [
                {"model": table.names[i], "compute": table.compute[i], "score": scores[i]} for i in which.members
            ]
    return {"pareto_area": area, "frontier": steps}
