"""Is a budget of adjusting enough for what is said of a suite, where single models are not decided?

What is said of a suite are means over its models and theta. Their errors shrink with the number of models, so that they
can be known to hold still where no single model is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from ttt.stats.checks import NAN, Array, Labels
from ttt.stats.clusters import Clusters, choose_clusters
from ttt.stats.items import paired_intervals
from ttt.stats.plateau import TOLERANCE, Verdict

LEVEL = 0.05
"""Of the family of tests whether single models gain more than the tolerance, one-sided."""
Z = float(stats.norm.ppf(0.975))


@dataclass(frozen=True)
class ChangeEstimate:
    """What a larger budget changes in a quantity of the suite, score units, with 95 % bounds; NaN: not identified.

    `verdict`: saturated where the interval is inside the tolerance, not saturated where it is wholly outside.
    `n_clusters` independent clusters of models are behind it; `note` says why these are not the ones that were given.
    """

    estimate: float
    low: float
    high: float
    verdict: Verdict
    n_models: int
    n_clusters: int
    note: str


@dataclass(frozen=True)
class SuiteJudgement:
    """The verdict on a suite.

    `gains` has the mean gain of the older and of the newer group, in this order, or of all models where there are no
    groups; `theta_change` is None there. `p` are the models' p values, Holm's, of a gain above the tolerance, shape
    (n_models,); `rising` the places of those below LEVEL.
    """

    verdict: Verdict
    gains: tuple[ChangeEstimate, ...]
    theta_change: ChangeEstimate | None
    p: Array
    rising: tuple[int, ...]
    tolerance: float


def judge_suite_items(
    items: npt.ArrayLike,
    clusters: Labels | None,
    newer: npt.ArrayLike | None = None,
    compute: npt.ArrayLike | None = None,
    *,
    tolerance: float = TOLERANCE,
) -> SuiteJudgement:
    """Judge a suite by what every model gains on every item from a budget to a larger one.

    items has shape (n_models, n_items): the later score minus the earlier, -1 to 1, of the same items for all models.
    clusters (None: every model on its own), newer (0 or 1; None: no groups) and compute (FLOPs; None: no theta) have
    shape (n_models,). Saturated: the upper end of every mean gain's 95 % interval is below the tolerance, that of
    theta's change lies within plus and minus the tolerance, and no model gains significantly more than the tolerance
    (Holm 1979, Scandinavian Journal of Statistics 6, 65). Not saturated: one of these is shown not to be so.
    Undecided: neither.

    The change of theta is the coefficient of the group in a regression of the gains on group, constant and log10
    compute: above the point of emergence the fit of theta is such a line, so that its change is, to first order, the
    same line's through the gains. It needs no chance level, which validation items may not have.

    The intervals add up what models and items may change: the spread over clusters, from a cluster jackknife (CV3) with
    Student's t, and the covariance of different clusters' gains on the same item (two-way clustering: Cameron, Gelbach
    and Miller 2011, Journal of Business & Economic Statistics 29, 238). No interval is narrower than the items of each
    model by themselves make it. Raises ValueError for wrong shapes, no models, or values that are not finite.
    """
    gains = np.asarray(items, float)
    if gains.ndim != 2 or gains.shape[0] < 1 or gains.shape[1] < 2 or not np.isfinite(gains).all():
        raise ValueError(
            f"items: shape {gains.shape}; finite gains of (n_models, n_items) are needed, two items or more"
        )
    return _judge(gains.mean(axis=1), paired_intervals(gains)[0], gains, clusters, newer, compute, tolerance)


def judge_suite_scores(
    gains: npt.ArrayLike,
    stderrs: npt.ArrayLike,
    clusters: Labels | None,
    newer: npt.ArrayLike | None = None,
    compute: npt.ArrayLike | None = None,
    *,
    tolerance: float = TOLERANCE,
) -> SuiteJudgement:
    """Judge a suite where only every model's gain and its standard error are known; otherwise as judge_suite_items.

    gains and stderrs have shape (n_models,). How much models' gains on the same item vary together is not known then;
    the errors of all models are added to the spread over clusters in its place, though that holds them already.
    """
    gain, error = np.asarray(gains, float), np.asarray(stderrs, float)
    if gain.ndim != 1 or gain.shape != error.shape or not np.isfinite([*gain, *error]).all():
        raise ValueError(f"gains: shapes {gain.shape} and {error.shape}; a finite gain and error a model are needed")
    return _judge(gain, gain - Z * error, None, clusters, newer, compute, tolerance)


def _judge(
    gain: Array,
    lows: Array,
    items: Array | None,
    clusters: Labels | None,
    newer: npt.ArrayLike | None,
    compute: npt.ArrayLike | None,
    tolerance: float,
) -> SuiteJudgement:
    n_models = len(gain)
    group = np.zeros(n_models) if newer is None else np.asarray(newer, float)
    labels = np.arange(n_models) if clusters is None else np.asarray([str(label) for label in clusters])
    if len(group) != n_models or len(labels) != n_models:
        raise ValueError(f"clusters: {len(labels)} labels and {len(group)} groups for {n_models} models; one a model")
    if not tolerance > 0:
        raise ValueError(f"tolerance: {tolerance}; a positive number of score points is needed")
    stderrs = (gain - lows) / Z
    changes = []
    for value in np.unique(group):
        of = group == value
        ones = np.ones((int(of.sum()), 1))
        chosen = choose_clusters(labels[of], ones[:, 0])
        part = None if items is None else items[of]
        changes.append(_change(ones, gain[of], stderrs[of], part, chosen, (-np.inf, tolerance)))
    theta_change = None
    if len(changes) == 2 and compute is not None:
        x = np.log10(np.asarray(compute, float))
        design = np.column_stack([group, np.ones(n_models), x - x.mean()])
        chosen = choose_clusters(labels, group)
        theta_change = _change(design, gain, stderrs, items, chosen, (-tolerance, tolerance))
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(gain > tolerance, (gain - tolerance) / stderrs, -np.inf)
    p = _holm(np.asarray(stats.norm.sf(z), float))
    rising = tuple(int(place) for place in np.flatnonzero(p < LEVEL))
    verdicts = {change.verdict for change in (*changes, theta_change) if change is not None}
    verdict: Verdict = "saturated" if verdicts == {"saturated"} else "undecided"
    if rising or "not saturated" in verdicts:
        verdict = "not saturated"
    return SuiteJudgement(verdict, tuple(changes), theta_change, p, rising, tolerance)


def _change(
    design: Array,
    gain: Array,
    stderrs: Array,
    items: Array | None,
    clusters: Clusters,
    within: tuple[float, float],
) -> ChangeEstimate:
    """The first coefficient of a regression of the gains on a design of shape (n_models, n_columns)."""
    weights = np.linalg.pinv(design)[0]
    refits = _refits(design, gain, clusters)
    if refits is None:
        note = "too few models, or the groups follow compute"
        return ChangeEstimate(NAN, NAN, NAN, "undecided", len(gain), clusters.n_clusters, note)
    estimate, n = float(weights @ gain), len(refits)
    by_clusters = (n - 1) / n * float(((refits - estimate) ** 2).sum())
    by_items = float((weights**2 * stderrs**2).sum())
    shared = by_items if items is None else _shared(weights, items, clusters)
    t = float(stats.t.ppf(0.975, n - 1))
    half = max(t * math.sqrt(by_clusters + shared), Z * math.sqrt(by_items + shared))
    low, high = estimate - half, estimate + half
    verdict: Verdict = "saturated" if within[0] < low and high < within[1] else "undecided"
    if high < within[0] or low > within[1]:
        verdict = "not saturated"
    return ChangeEstimate(estimate, low, high, verdict, len(gain), n, clusters.note)


def _holm(p: Array) -> Array:
    """P values adjusted by Holm's method, same shape. Statsmodels' own collects the garbage of the whole process."""
    order = np.argsort(p)
    adjusted = np.empty(len(p))
    adjusted[order] = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    return np.minimum(adjusted, 1.0)


def _refits(design: Array, gain: Array, clusters: Clusters) -> Array | None:
    """The first coefficient without each cluster; None where one of them leaves it not identified."""
    if clusters.n_clusters < 2:
        return None
    without = (1.0 - clusters.indicator.T)[:, :, None] * design
    weights = np.linalg.pinv(without)[:, :1, :]
    others = weights @ without  # of the first coefficient itself 1, and 0 of any other, where it is identified
    return None if np.abs(others - np.eye(1, design.shape[1])).max() > 1e-6 else (weights[:, 0] @ gain)


def _shared(weights: Array, items: Array, clusters: Clusters) -> float:
    """The variance by gains that different clusters share on the same items, of which their spread shows nothing.

    From the covariances of clusters; that of a cluster with itself, which is missing in them, is taken as their mean.
    """
    weighted = weights[:, None] * items
    together = float(weighted.sum(axis=0).var(ddof=1))
    apart = float((clusters.indicator.T @ weighted).var(axis=1, ddof=1).sum())
    n = clusters.n_clusters
    return max(0.0, together - apart) * n / (n - 1) / items.shape[1]
