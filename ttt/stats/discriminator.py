"""The discriminator test: can newer models be told from (adjusted) older ones by compute and score alone?"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import LeaveOneOut, StratifiedKFold, cross_val_predict
from threadpoolctl import threadpool_limits

from ttt.stats.checks import NAN, Array

MAX_LEAVE_ONE_OUT = 200  # models; with more, ten folds say the same at a fraction of the fits
N_FOLDS = 5  # of the permutation test, which would cost n_models fits a permutation otherwise


@dataclass(frozen=True)
class Discrimination:
    """How well a classifier tells the groups apart: balanced accuracy, 0.5 is chance.

    `accuracy` is leave-one-out. `p` compares `folded_accuracy` (five folds) with the same measure after permuting the
    labels: `null_mean`, and `null_high` the null's 95th percentile; NaN without permutations.
    """

    accuracy: float
    folded_accuracy: float
    null_mean: float
    null_high: float
    p: float
    n_older: int
    n_newer: int


def _classifier() -> HistGradientBoostingClassifier:
    """Few, shallow boosted trees: tens of points in two dimensions carry no more."""
    return HistGradientBoostingClassifier(
        max_iter=10, max_depth=3, learning_rate=0.3, min_samples_leaf=3, l2_regularization=1.0, early_stopping=False
    )


def _accuracy(features: Array, labels: Array, folds: LeaveOneOut | StratifiedKFold) -> float:
    """Balanced accuracy of predictions for the held-out models."""
    # Such small trees only wait for a second thread, and for minutes where another process has the core.
    with threadpool_limits(1):
        predicted = cross_val_predict(_classifier(), features, labels, cv=folds)
    return float(balanced_accuracy_score(labels, predicted))


def discriminate(
    older_compute: npt.ArrayLike,
    older_score: npt.ArrayLike,
    newer_compute: npt.ArrayLike,
    newer_score: npt.ArrayLike,
    *,
    n_permutations: int = 49,
    seed: int = 0,
) -> Discrimination:
    """Tell older from newer models by (log10 compute, score) with gradient-boosted trees (arXiv 2407.07890, appendix).

    Shapes (n_older,) and (n_newer,); compute in FLOPs. Give the older models' base scores, then their adjusted ones:
    where the newer ones only trained on the test task, the second is near 0.5. The measure swings by several points
    with the classifier's settings at fifty models; read it with its null. Raises ValueError for fewer than 5 a group.
    """
    older, newer = (
        np.column_stack([np.log10(np.asarray(compute, float)), np.asarray(score, float)])
        for compute, score in ((older_compute, older_score), (newer_compute, newer_score))
    )
    if min(len(older), len(newer)) < N_FOLDS:
        raise ValueError(f"models: {len(older)} older and {len(newer)} newer; at least {N_FOLDS} of each are needed")
    features = np.vstack([older, newer])
    if not np.isfinite(features).all():
        raise ValueError("models: compute and score must be finite, compute positive")
    labels = np.repeat([0.0, 1.0], [len(older), len(newer)])
    rng = np.random.default_rng(seed)
    shuffled = StratifiedKFold(N_FOLDS, shuffle=True, random_state=seed)
    single = LeaveOneOut() if len(labels) <= MAX_LEAVE_ONE_OUT else StratifiedKFold(10, shuffle=True, random_state=seed)
    folded = _accuracy(features, labels, shuffled)
    null = np.array([_accuracy(features, rng.permutation(labels), shuffled) for _ in range(n_permutations)])
    return Discrimination(
        accuracy=_accuracy(features, labels, single),
        folded_accuracy=folded,
        null_mean=float(null.mean()) if len(null) else NAN,
        null_high=float(np.quantile(null, 0.95)) if len(null) else NAN,
        p=float((1 + (null >= folded).sum()) / (1 + len(null))) if len(null) else NAN,
        n_older=len(older),
        n_newer=len(newer),
    )
