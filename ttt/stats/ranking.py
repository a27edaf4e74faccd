"""Ranks before and after adjusting, ties told as groups, and how much benches agree with each other."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from ttt.stats.checks import NAN, Array, Labels
from ttt.stats.clusters import choose_clusters, resample_clusters

Ranks = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Association:
    """An agreement measure between -1 and 1 (tau) or 0 and 1 (share), with bootstrap bounds at 95 %.

    NaN and identified=False where the data do not vary or are too few (under 4 models).
    """

    estimate: float
    low: float
    high: float
    p: float
    n_models: int
    identified: bool


def ranks(scores: npt.ArrayLike) -> Ranks:
    """Rank of every score, 1 the best, equal scores the same rank; shape (n_models,)."""
    return np.asarray(stats.rankdata(-np.asarray(scores, float), method="min"), np.intp)


def rank_changes(base: npt.ArrayLike, adjusted: npt.ArrayLike) -> Ranks:
    """Places gained by adjusting: rank before minus rank after; shape (n_models,), positive is up."""
    return np.asarray(ranks(base) - ranks(adjusted), np.intp)


def tie_groups(scores: npt.ArrayLike, differ: npt.ArrayLike) -> Ranks:
    """Groups of models that cannot be told apart, 1 the best; shape (n_models,).

    differ has shape (n_models, n_models): True where two models are told apart (by items.benjamini_hochberg over the
    pairs, say). From the best score down, a model joins the group while it cannot be told from the group's first, its
    leader; "not told apart" is not transitive, so a rule is needed, and this one keeps groups in the order of scores.
    """
    values, apart = np.asarray(scores, float), np.asarray(differ, bool)
    if apart.shape != (len(values), len(values)):
        raise ValueError(f"differ: shape {apart.shape}, expected {(len(values), len(values))}")
    groups = np.zeros(len(values), np.intp)
    leader, number = -1, 0
    for model in np.argsort(-values, kind="stable"):
        if leader < 0 or apart[leader, model]:
            leader, number = int(model), number + 1
        groups[model] = number
    return groups


def _weights(n_models: int, clusters: Labels | None, n_replicates: int, seed: int) -> Array:
    """Bootstrap weights over whole clusters of models."""
    none = np.zeros(n_models)
    return resample_clusters(choose_clusters(clusters, none), none, n_replicates, np.random.default_rng(seed))


def kendall(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    *,
    clusters: Labels | None = None,
    n_replicates: int = 999,
    seed: int = 0,
) -> Association:
    """Kendall's tau-b between two score columns of shape (n_models,), bounds by a bootstrap over whole clusters.

    Models without both scores (NaN) are left out. The p value is SciPy's, for independent models. A model that a
    replicate draws twice is tied with itself, which tau-b leaves out of account.
    """
    a, b = np.asarray(first, float), np.asarray(second, float)
    both = np.isfinite(a) & np.isfinite(b)
    labels = None if clusters is None else np.asarray(clusters)[both]
    a, b = a[both], b[both]
    if len(a) < 4 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return Association(NAN, NAN, NAN, NAN, len(a), False)
    result = stats.kendalltau(a, b)
    weights = _weights(len(a), labels, n_replicates, seed)
    signs_a, signs_b = np.sign(a[:, None] - a), np.sign(b[:, None] - b)
    concordance, untied_a, untied_b = (
        np.einsum("ri,ri->r", weights @ matrix, weights) for matrix in (signs_a * signs_b, signs_a**2, signs_b**2)
    )
    untied = untied_a * untied_b
    draws = concordance[untied > 0] / np.sqrt(untied[untied > 0])
    low, high = np.quantile(draws, (0.025, 0.975))
    return Association(float(result.statistic), float(low), float(high), float(result.pvalue), len(a), True)


def first_component_share(
    table: npt.ArrayLike, *, clusters: Labels | None = None, n_replicates: int = 999, seed: int = 0
) -> Association:
    """Share of variance on the first principal component of a model-by-bench table, columns standardised.

    table has shape (n_models, n_benches); models with a missing score (NaN) are left out. Bounds by a bootstrap over
    whole clusters; they lean upward, as the largest eigenvalue of a resample does. p is NaN: there is no null here.
    """
    values = np.asarray(table, float)
    if values.ndim != 2 or values.shape[1] < 2:
        raise ValueError(f"table: shape {values.shape}; at least two benches are needed for a shared component")
    complete = np.isfinite(values).all(1)
    labels = None if clusters is None else np.asarray(clusters)[complete]
    values = values[complete]
    n_models, n_benches = values.shape
    if n_models < 4 or (np.ptp(values, axis=0) == 0).any():
        return Association(NAN, NAN, NAN, NAN, n_models, False)
    weights = np.vstack([np.ones((1, n_models)), _weights(n_models, labels, n_replicates, seed)])
    share = weights / weights.sum(1, keepdims=True)
    centred = values - (share @ values)[:, None, :]
    covariance = np.einsum("ri,rij,rik->rjk", share, centred, centred)
    scale = np.sqrt(np.einsum("rjj->rj", covariance))
    sound = (scale > 1e-12).all(1)
    correlation = covariance[sound] / (scale[sound, :, None] * scale[sound, None, :])
    shares = np.linalg.eigvalsh(correlation)[:, -1] / n_benches
    low, high = np.quantile(shares[1:], (0.025, 0.975))
    return Association(float(shares[0]), float(low), float(high), NAN, n_models, True)
