"""Recreating the confound: train half of the older models on the test task, and a difference of eras appears."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from ttt.stats.checks import NAN, Array, Labels, checked_inputs
from ttt.stats.clusters import choose_clusters
from ttt.stats.hinge import fit_hinge
from ttt.stats.theta_interval import theta_stderr

MIN_UNITS = 8  # to divide: 35 pairs of halves; with 6 there are 10, and no test at 5 % could reject
ALPHA = 0.05
N_PLACEBO = 2000  # splits on which a placebo's share is measured, to within half a point


@dataclass(frozen=True)
class SplitThetas:
    """Theta over random splits: all of shape (n_splits,), mean, central 95 %, share of splits found significant.

    The share of a placebo is measured on N_PLACEBO splits of its own.
    """

    thetas: Array
    mean: float
    low: float
    high: float
    share_significant: float


@dataclass(frozen=True)
class Confound:
    """What a random half of the models scores above the other at equal compute, in four states of the world.

    `untouched`: nobody trained on the test task; `both_trained`: both halves did; `half_trained`: one half did;
    `all_adjusted`: then everybody did. The first two are placebos, in which the halves were treated alike: their shares
    of significant splits are those of the test where there is nothing to find. `level` names what was divided as a
    whole, clusters or single models, `n_units` how many of them.
    """

    untouched: SplitThetas
    both_trained: SplitThetas
    half_trained: SplitThetas
    all_adjusted: SplitThetas
    n_models: int
    n_splits: int
    n_permutations: int
    level: Literal["clusters", "models"]
    n_units: int


def recreate_confound(
    compute: npt.ArrayLike,
    base: npt.ArrayLike,
    trained: npt.ArrayLike,
    base_adjusted: npt.ArrayLike,
    trained_adjusted: npt.ArrayLike,
    *,
    chance: float = 0.0,
    free_floor: tuple[bool, bool] = (False, False),
    clusters: Labels | None = None,
    untrained: npt.ArrayLike | None = None,
    n_splits: int = 500,
    n_permutations: int = 119,
    seed: int = 0,
) -> Confound:
    """Theta between random halves of the same models (arXiv 2407.07890, section 3), over many splits.

    All shapes (n_models,), compute in FLOPs: `base` scores; `trained`, after some training on the test task (an epoch);
    `base_adjusted` and `trained_adjusted`, after an adjustment of the model and of the trained model. `free_floor`:
    whether the floor of the fits is a parameter, before adjusting and after; otherwise it is chance. Whole clusters go
    to a half, or single models where none are given or there are fewer than MIN_UNITS; models that are `untrained`
    (bool) always belong to the half that did not train.
    Significance at 5 % by a randomisation test, exact in the placebos whatever the scores look like (Fisher 1935, The
    Design of Experiments): theta over its sandwich standard error, against the same after dividing the units anew,
    n_permutations times, both tails alike. The scores stay as they are, so the test knows no more than what is seen.
    share_significant is NaN with too few units for any split to be significant. Errors as for fit_scaling.
    """
    columns = [checked_inputs(compute, score, None) for score in (base, trained, base_adjusted, trained_adjusted)]
    x = columns[0][0]
    before, after, before_adjusted, after_adjusted = (y - chance for _, y, _ in columns)
    trainable = np.ones(len(x), bool) if untrained is None else ~np.asarray(untrained, bool)
    units = Units.choose(clusters, trainable)
    rng = np.random.default_rng(seed)
    halves = units.halves(n_splits, rng)

    def state(one: Array, other: Array, free: bool) -> SplitThetas:
        scores = np.where(halves > 0, one, other)
        thetas, statistics = _thetas(x, halves, scores, free)
        low, high = np.quantile(thetas, (0.025, 0.975))
        share = NAN
        if units.n >= MIN_UNITS and np.array_equal(one, other):
            # Every split has the same scores, and what dividing them anew gives is the same too: many cost little.
            placebo, null = (_thetas(x, units.halves(n, rng), one, free)[1] for n in (N_PLACEBO, N_PLACEBO - 1))
            share = float((_p(placebo, null) <= ALPHA).mean())
        elif units.n >= MIN_UNITS:
            again = (_thetas(x, units.halves(n_permutations, rng), y, free)[1] for y in scores)
            share = float(np.mean([_p(of, draws) <= ALPHA for of, draws in zip(statistics, again, strict=True)]))
        return SplitThetas(thetas, float(thetas.mean()), float(low), float(high), share)

    return Confound(
        untouched=state(before, before, free_floor[0]),
        both_trained=state(after, after, free_floor[0]),
        half_trained=state(after, before, free_floor[0]),
        all_adjusted=state(after_adjusted, before_adjusted, free_floor[1]),
        n_models=len(x),
        n_splits=n_splits,
        n_permutations=n_permutations,
        level=units.level,
        n_units=units.n,
    )


@dataclass(frozen=True)
class Units:
    """What is divided: `codes` of shape (n_models,) in 0..n-1, and -1 for models that no half of the trained gets."""

    codes: npt.NDArray[np.intp]
    n: int
    level: Literal["clusters", "models"]

    @classmethod
    def choose(cls, clusters: Labels | None, free: npt.NDArray[np.bool_]) -> "Units":
        """Clusters of the free models, or these one by one."""
        labels = np.arange(len(free)) if clusters is None else np.array([str(label) for label in clusters])
        level: Literal["clusters", "models"] = "models" if clusters is None else "clusters"
        if len(np.unique(labels[free])) < MIN_UNITS:
            labels, level = np.arange(len(free)), "models"
        codes = np.full(len(free), -1)
        codes[free] = np.unique(labels[free], return_inverse=True)[1]
        return cls(codes, int(codes.max()) + 1, level)

    def halves(self, n_draws: int, rng: np.random.Generator) -> Array:
        """Membership of a random half of the units, 0 or 1; shape (n_draws, n_models)."""
        chosen = rng.random((n_draws, self.n)).argsort(1).argsort(1) < self.n // 2
        return np.asarray(np.where(self.codes >= 0, chosen[:, self.codes], False), float)


def _thetas(x: Array, halves: Array, y: Array, free_floor: bool) -> tuple[Array, Array]:
    """Thetas and their t statistics, shape (n_rows,), for halves of shape (n_rows, n_models).

    Where theta is not identified the statistic is 0: no sign of a difference.
    """
    fits = fit_hinge(x, halves, y, free_floor=free_floor)
    single = choose_clusters(None, np.zeros(len(x)))
    stderr = theta_stderr(x, halves, y, fits, single, free_floor=free_floor)
    return fits.theta, np.divide(fits.theta, stderr, out=np.zeros_like(stderr), where=stderr > 0)


def _p(statistics: npt.ArrayLike, null: Array) -> Array:
    """Two-sided p values of statistics of any shape against draws of shape (n_draws,), twice the smaller tail."""
    ordered = np.sort(null)
    slack = 1e-9 * (1.0 + np.abs(statistics))  # the same division once more is the same, however it is rounded
    above = len(null) - np.searchsorted(ordered, np.asarray(statistics) - slack, "left")
    below = np.searchsorted(ordered, np.asarray(statistics) + slack, "right")
    return np.minimum(1.0, 2 * (1 + np.minimum(above, below)) / (1 + len(null)))
