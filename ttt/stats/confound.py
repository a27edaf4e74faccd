"""Recreating the confound: train half of the older models on the test task, and a difference of eras appears."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from ttt.stats.checks import Array, checked_inputs
from ttt.stats.clusters import choose_clusters
from ttt.stats.hinge import fit_hinge
from ttt.stats.theta_interval import theta_stderr


@dataclass(frozen=True)
class SplitThetas:
    """Theta over random splits: all of shape (n_splits,), mean, central 95 %, share of splits found significant."""

    thetas: Array
    mean: float
    low: float
    high: float
    share_significant: float


@dataclass(frozen=True)
class Confound:
    """What a random half of the models scores above the other at equal compute, in three states of the world.

    `untouched`: nobody trained on the test task; `half_trained`: one half did; `all_adjusted`: then everybody did.
    """

    untouched: SplitThetas
    half_trained: SplitThetas
    all_adjusted: SplitThetas
    n_models: int
    n_splits: int


def recreate_confound(
    compute: npt.ArrayLike,
    base: npt.ArrayLike,
    trained: npt.ArrayLike,
    base_adjusted: npt.ArrayLike,
    trained_adjusted: npt.ArrayLike,
    *,
    chance: float = 0.0,
    n_splits: int = 500,
    seed: int = 0,
) -> Confound:
    """Theta between random halves of the same models (arXiv 2407.07890, section 3), over many splits.

    All shapes (n_models,), compute in FLOPs: `base` scores; `trained`, after some training on the test task (an epoch);
    `base_adjusted` and `trained_adjusted`, after one and the same adjustment of the model and of the trained model
    (the release's folders e2 and e1+2: two epochs, from the base model and from the one with an epoch behind it).
    Halves are drawn model by model, so models are independent with regard to the split: significance (5 %) by a
    sandwich standard error over models and Student's t with n - 3 degrees of freedom. Errors as for fit_scaling.
    """
    columns = [checked_inputs(compute, score, None) for score in (base, trained, base_adjusted, trained_adjusted)]
    x = columns[0][0]
    before, after, before_adjusted, after_adjusted = (y - chance for _, y, _ in columns)
    order = np.random.default_rng(seed).random((n_splits, len(x))).argsort(1)
    half = (order < len(x) // 2).astype(float)

    def state(one: Array, other: Array) -> SplitThetas:
        return _thetas(x, half, np.where(half > 0, one, other))

    return Confound(
        untouched=state(before, before),
        half_trained=state(after, before),
        all_adjusted=state(after_adjusted, before_adjusted),
        n_models=len(x),
        n_splits=n_splits,
    )


def _thetas(x: Array, half: Array, y: Array) -> SplitThetas:
    """Fits of all splits at once; half and y have shape (n_splits, n_models)."""
    fits = fit_hinge(x, half, y)
    stderr = theta_stderr(x, half, y, fits, choose_clusters(None, np.zeros(len(x))))
    critical = stats.t.ppf(0.975, max(len(x) - 3, 1))
    low, high = np.quantile(fits.theta, (0.025, 0.975))
    significant = np.abs(fits.theta) > critical * stderr
    return SplitThetas(fits.theta, float(fits.theta.mean()), float(low), float(high), float(significant.mean()))
