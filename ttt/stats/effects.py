"""Direct and indirect effects of the split: what is left, and what goes, when every model trains on the test task."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats
from statsmodels.regression.linear_model import OLS

from ttt.stats.checks import NAN, Array, Labels, checked_inputs
from ttt.stats.clusters import choose_clusters
from ttt.stats.scaling import Inference

KNOTS = (22.0, 23.0)  # log10 FLOPs, as in the paper


@dataclass(frozen=True)
class Effect:
    """Difference between the groups at equal compute, score units; NaN, identified=False where compute absorbs it."""

    estimate: float
    se: float
    low: float
    high: float
    p: float
    r2: float
    identified: bool
    n_models: int
    level: str
    inference: Inference
    note: str


def direct_effect(
    compute: npt.ArrayLike,
    adjusted: npt.ArrayLike,
    newer: npt.ArrayLike,
    *,
    clusters: Labels | None = None,
    inference: Inference = "clustered",
) -> Effect:
    """The paper's psi: what the newer group scores above the older one after adjusting, at equal compute.

    Shapes (n_models,); compute in FLOPs. Linear regression on group, a constant and compute, piecewise linear in log10
    C with knots at KNOTS (arXiv 2407.07890, appendix on the causal interpretation). `inference="clustered"`: standard
    error from a cluster jackknife (CV3) and Student's t with n_clusters - 1 degrees of freedom; "paper": plain OLS.
    Raises ValueError as fit_scaling does.
    """
    return segmented_effect(compute, adjusted, newer, clusters=clusters, inference=inference)


def indirect_effect(
    compute: npt.ArrayLike,
    base: npt.ArrayLike,
    adjusted: npt.ArrayLike,
    newer: npt.ArrayLike,
    *,
    clusters: Labels | None = None,
    inference: Inference = "clustered",
) -> Effect:
    """The paper's phi: the part of the newer group's lead that adjusting takes away (outcome: base minus adjusted).

    Arguments and errors as for direct_effect.
    """
    outcome = np.asarray(base, float) - np.asarray(adjusted, float)
    return segmented_effect(compute, outcome, newer, clusters=clusters, inference=inference)


def segmented_effect(
    compute: npt.ArrayLike,
    outcome: npt.ArrayLike,
    newer: npt.ArrayLike,
    *,
    clusters: Labels | None = None,
    inference: Inference = "clustered",
    knots: tuple[float, ...] = KNOTS,
) -> Effect:
    """Effect of the group on any outcome, controlling for compute piecewise linearly; see direct_effect."""
    x, y, group = checked_inputs(compute, outcome, newer)
    if inference not in ("clustered", "paper"):
        raise ValueError(f"inference: {inference!r} is not one of clustered, paper")
    chosen = choose_clusters(clusters, group)
    segments = [x] + [np.maximum(0.0, x - knot) for knot in knots]  # same span as slopes per segment, fewer words
    design = np.column_stack([group, np.ones_like(x), *(column for column in segments if np.ptp(column) > 0)])
    fit = OLS(y, design).fit()
    freedom = len(x) - np.linalg.matrix_rank(design)
    others = design[:, 1:]
    free = group - others @ (np.linalg.pinv(others) @ group)
    if (free**2).sum() < 1e-9 * len(x) or freedom < 1:
        note = "the split follows compute, or too few models for the piecewise control"
        return Effect(NAN, NAN, NAN, NAN, NAN, NAN, False, len(x), chosen.level, inference, note)
    estimate = float(fit.params[0])
    if inference == "paper":
        se, degrees, level, note = float(fit.bse[0]), float(fit.df_resid), "models", "models are taken as independent"
    else:
        sides = [len(np.unique(chosen.codes[group == side])) for side in (0.0, 1.0)]
        se = _jackknife(design, y, estimate, chosen.indicator) if min(sides) > 1 else NAN
        degrees, level, note = float(chosen.n_clusters - 1), chosen.level, chosen.note
    t = stats.t(degrees)
    half = float(t.ppf(0.975)) * se
    p = 2 * float(t.sf(abs(estimate) / se)) if se > 0 else NAN
    return Effect(
        estimate, se, estimate - half, estimate + half, p, float(fit.rsquared), True, len(x), level, inference, note
    )


def _jackknife(design: Array, y: Array, estimate: float, indicator: Array) -> float:
    """Standard error of the first coefficient from leaving out one cluster at a time."""
    kept = [indicator[:, cluster] == 0 for cluster in range(indicator.shape[1])]
    fits = np.array([np.linalg.lstsq(design[rows], y[rows], rcond=None)[0][0] for rows in kept])
    return float(np.sqrt((len(kept) - 1) / len(kept) * ((fits - estimate) ** 2).sum()))
