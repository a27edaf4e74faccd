"""Where abilities emerge, and how well compute predicts the score, as the budget of adjusting grows."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ttt.stats.checks import NAN, Array, Labels, checked_inputs
from ttt.stats.clusters import choose_clusters, resample_clusters
from ttt.stats.scaling import fit_scaling


@dataclass(frozen=True)
class EmergenceAtBudget:
    """One budget of adjusting: `examples` of task data, `n` models, point of emergence (FLOPs) and R2 with bounds.

    c_e and its bounds are NaN and `identified` False where the data do not say where the score leaves its floor; a
    single bound of NaN is open. `floor` is chance, or fitted where the scores of this budget reject chance. r2 is the
    share of variance that a straight line in log10 C explains. `aside` are the positions of models that are in neither,
    as they give no answers.
    """

    examples: float
    n: int
    c_e: float
    c_e_low: float
    c_e_high: float
    identified: bool
    r2: float
    r2_low: float
    r2_high: float
    alpha: float
    floor: float
    aside: tuple[int, ...]


def line_r2(x: Array, y: Array, weights: Array | None = None) -> Array:
    """Squared correlation of x and y, shape (n_replicates,), for weights of shape (n_replicates, n); NaN if flat."""
    weights = np.ones((1, len(x))) if weights is None else weights
    share = weights / weights.sum(1, keepdims=True)
    dx, dy = x - (share @ x)[:, None], y - (share @ y)[:, None]
    xx, yy, xy = ((share * a).sum(1) for a in (dx * dx, dy * dy, dx * dy))
    spread = xx * yy
    return np.asarray(np.divide(xy**2, spread, out=np.full_like(spread, np.nan), where=spread > 1e-15))


def emergence(
    compute: npt.ArrayLike,
    scores: Mapping[float, npt.ArrayLike],
    *,
    chance: float = 0.0,
    clusters: Labels | None = None,
    n_replicates: int = 999,
    seed: int = 0,
) -> list[EmergenceAtBudget]:
    """Emergence by budget from intermediate scores, smallest budget first.

    compute (FLOPs) and cluster labels have shape (n_models,); `scores` maps a budget in examples (0 is the base model,
    infinity one that is larger than the others by what is not known) to scores of shape (n_models,), NaN where a model
    has no such checkpoint. c_e by least squares with the interval of fit_scaling; R2 with percentiles of a bootstrap
    over whole clusters. The paper fits two free segments instead
    (figure on emergence); one kink from chance is its own model of section 2.2 and gives intervals.
    Raises ValueError where a budget has fewer models than a fit needs.
    """
    flops = np.asarray(compute, float)
    labels = np.arange(len(flops)) if clusters is None else np.asarray(clusters)
    rows = []
    for examples in sorted(scores):
        values = np.asarray(scores[examples], float)
        if values.shape != flops.shape:
            raise ValueError(f"scores: {values.size} scores at {examples:g} examples for {flops.size} models")
        known = ~np.isnan(values)
        x, y, none = checked_inputs(flops[known], values[known], None)
        fit = fit_scaling(flops[known], y, chance=chance, clusters=labels[known], n_replicates=n_replicates, seed=seed)
        fitted = np.setdiff1d(np.arange(len(y)), fit.aside)
        x, y, none = x[fitted], y[fitted], none[fitted]
        chosen = choose_clusters(labels[known][fitted], none)
        draws = line_r2(x, y, resample_clusters(chosen, none, n_replicates, np.random.default_rng(seed)))
        draws = draws[np.isfinite(draws)]
        low, high = np.quantile(draws, (0.025, 0.975)) if len(draws) else (NAN, NAN)
        rows.append(
            EmergenceAtBudget(
                examples=float(examples),
                n=int(known.sum()),
                c_e=fit.c_e,
                c_e_low=fit.c_e_low,
                c_e_high=fit.c_e_high,
                identified=fit.c_e_identified,
                r2=float(line_r2(x, y)[0]),
                r2_low=float(low),
                r2_high=float(high),
                alpha=fit.alpha,
                floor=fit.floor,
                aside=tuple(np.flatnonzero(known)[list(fit.aside)].tolist()),
            )
        )
    return rows
