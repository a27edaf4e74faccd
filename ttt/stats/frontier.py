"""The Pareto frontier of score against compute, and the area that the newer models add to it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ttt.stats.checks import Array, checked_inputs


@dataclass(frozen=True)
class ParetoFrontier:
    """Best score to be had for a compute: a staircase.

    `compute` (FLOPs) and `score` have shape (n_steps,), both rising; `members` are indices into the models given. From
    a step's compute on, its score can be had, up to the next step.
    """

    compute: Array
    score: Array
    members: npt.NDArray[np.intp]

    def at(self, compute: npt.ArrayLike) -> Array:
        """Best score at a compute (FLOPs); the first step's score below the first step."""
        steps = np.searchsorted(self.compute, np.asarray(compute, float), side="right") - 1
        return self.score[np.maximum(steps, 0)]


@dataclass(frozen=True)
class FrontierGain:
    """What the newer models add: `area` in score times decades of compute, between the frontiers with and without."""

    area: float
    older: ParetoFrontier
    everyone: ParetoFrontier


def frontier(compute: npt.ArrayLike, score: npt.ArrayLike) -> ParetoFrontier:
    """Models that no other one beats at equal or less compute; shapes (n_models,), compute in FLOPs."""
    flops, values = np.asarray(compute, float), np.asarray(score, float)
    order = np.lexsort((-values, flops))  # at equal compute the better score first
    best = np.maximum.accumulate(values[order])
    fresh = np.concatenate([[True], best[1:] > best[:-1]])
    members = order[fresh]
    return ParetoFrontier(flops[members], values[members], members)


def frontier_gain(compute: npt.ArrayLike, score: npt.ArrayLike, newer: npt.ArrayLike) -> FrontierGain:
    """Area between the frontier of all models and that of the older ones, over log10 compute.

    Shapes (n_models,). From the smallest older model to the largest model of all; beyond their largest, the older
    models' frontier goes on level (arXiv 2407.07890, section 4, figure on the frontier). Errors as for fit_scaling.
    """
    _, values, group = checked_inputs(compute, score, newer)
    flops, old = np.asarray(compute, float), group == 0
    older, everyone = frontier(flops[old], values[old]), frontier(flops, values)
    older = ParetoFrontier(older.compute, older.score, np.flatnonzero(old)[older.members])
    start, end = flops[old].min(), flops.max()
    edges = np.unique(np.concatenate([older.compute, everyone.compute, [start, end]]))
    edges = edges[(edges >= start) & (edges <= end)]
    gain = everyone.at(edges[:-1]) - older.at(edges[:-1])
    return FrontierGain(float((gain * np.diff(np.log10(edges))).sum()), older, everyone)
