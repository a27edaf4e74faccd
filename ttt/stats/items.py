"""Statistics over the items (documents) of a test: one score with its error, and two scores on the same documents."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import optimize, stats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.power import TTestPower
from statsmodels.stats.proportion import proportion_confint

from ttt.stats.checks import Array

SMALL = 300  # items; below it a normal interval of a proportion is not to be trusted (arXiv 2503.01747)


@dataclass(frozen=True)
class Mean:
    """A mean score over items with its standard error and 95 % bounds; `n_groups` independent groups of documents."""

    mean: float
    se: float
    low: float
    high: float
    n_items: int
    n_groups: int
    method: Literal["normal", "t", "wilson"]


@dataclass(frozen=True)
class PairedDifference:
    """Second minus first on the same items, score units: standard error, 95 % bounds and a two-sided p value.

    `p` is exact McNemar for scores of 0 and 1 without groups, Student's t of the (grouped) differences otherwise.
    `n_gained` and `n_lost` count the items on which the second is better and worse.
    """

    difference: float
    se: float
    low: float
    high: float
    p: float
    n_items: int
    n_groups: int
    n_gained: int
    n_lost: int


def _items(values: npt.ArrayLike, name: str) -> Array:
    """Item scores as floats; ValueError where there are none or one is not finite."""
    array = np.asarray(values, float)
    if array.ndim != 1 or len(array) == 0:
        raise ValueError(f"{name}: no item scores (shape {array.shape}); an empty result is not a score of zero")
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: item {int(np.flatnonzero(~np.isfinite(array))[0])} has no finite score")
    return array


def item_mean(values: npt.ArrayLike, groups: npt.ArrayLike | None = None) -> Mean:
    """Mean score of items of shape (n_items,), with an error that respects groups of documents that belong together.

    Scores of 0 and 1 on fewer than SMALL ungrouped items get a Wilson interval; groups (shape (n_items,)) a cluster
    standard error and Student's t with n_groups - 1 degrees of freedom; all else a normal interval. By statsmodels.
    """
    array = _items(values, "values")
    n = len(array)
    if groups is not None:
        codes = np.unique(np.asarray(groups), return_inverse=True)[1]
        n_groups = int(codes.max()) + 1
        if n_groups < 2:
            return Mean(float(array.mean()), float("nan"), float("nan"), float("nan"), n, n_groups, "t")
        fit = OLS(array, np.ones(n)).fit(cov_type="cluster", cov_kwds={"groups": codes}, use_t=True)
        low, high = fit.conf_int()[0]
        return Mean(float(fit.params[0]), float(fit.bse[0]), float(low), float(high), n, n_groups, "t")
    mean = float(array.mean())
    se = float(stats.sem(array)) if n > 1 else float("nan")
    if n < SMALL and np.isin(array, (0.0, 1.0)).all():
        low, high = proportion_confint(int(array.sum()), n, alpha=0.05, method="wilson")
        return Mean(mean, se, float(low), float(high), n, n, "wilson")
    half = float(stats.norm.ppf(0.975)) * se
    return Mean(mean, se, mean - half, mean + half, n, n, "normal")


def mcnemar_p(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Exact McNemar p value, two-sided, for two sets of 0 and 1 of shape (n_items,) on the same items (statsmodels)."""
    a, b = _items(first, "first"), _items(second, "second")
    table = [[int(((a == i) & (b == j)).sum()) for j in (1, 0)] for i in (1, 0)]
    return float(mcnemar(table, exact=True).pvalue)


def paired_difference(
    first: npt.ArrayLike, second: npt.ArrayLike, groups: npt.ArrayLike | None = None
) -> PairedDifference:
    """Difference of two models or versions on the same documents; 0 lies within the bounds where p is 0.05 or more.

    first, second and groups have shape (n_items,), in the same order of items. Bounds and p value are of one test. For
    scores of 0 and 1 without groups that is McNemar's exact one: the bounds of the share of gains among the items that
    differ (Clopper and Pearson 1934, Biometrika 26, 404), made no narrower than those of `paired_interval`, which also
    count that another sample would have another number of such items. Otherwise Student's t, over whole groups.
    ValueError where the lengths differ.
    """
    a, b = _items(first, "first"), _items(second, "second")
    if len(a) != len(b):
        raise ValueError(f"second: {len(b)} items against {len(a)} of first; pair the same documents")
    gain = b - a
    gained, lost = int((gain > 0).sum()), int((gain < 0).sum())
    summary = item_mean(gain, groups)
    low = high = p = float("nan")
    if groups is None and bool(np.isin(a, (0.0, 1.0)).all() and np.isin(b, (0.0, 1.0)).all()):
        p = mcnemar_p(a, b)
        low, high = paired_interval(gain)
        exact_low, exact_high = _conditional_interval(gained, lost, len(gain))
        low, high = min(low, exact_low), max(high, exact_high)
    elif summary.se > 0:
        t = stats.t(summary.n_groups - 1)
        p = 2 * float(t.sf(abs(summary.mean) / summary.se))
        low, high = (summary.mean + side * float(t.ppf(0.975)) * summary.se for side in (-1, 1))
    elif not gain.any():
        p = 1.0
        low, high = paired_interval(gain)
    return PairedDifference(
        difference=float(gain.mean()),
        se=summary.se,
        low=low,
        high=high,
        p=p,
        n_items=len(a),
        n_groups=summary.n_groups,
        n_gained=gained,
        n_lost=lost,
    )


def _conditional_interval(gained: int, lost: int, n_items: int) -> tuple[float, float]:
    """Bounds of the mean difference that McNemar's exact test does not reject, the number of differing items given."""
    differing = gained + lost
    if differing == 0:
        return 0.0, 0.0
    share = proportion_confint(gained, differing, alpha=0.05, method="beta")
    low, high = ((2 * float(bound) - 1) * differing / n_items for bound in share)
    return low, high


def paired_interval(gain: npt.ArrayLike, groups: npt.ArrayLike | None = None) -> tuple[float, float]:
    """Bounds (95 %) of the mean of paired differences that hold up where few items differ, in closed form.

    gain has shape (n_items,); the bounds are those of paired_intervals. Groups make the interval wider, never narrower.
    """
    array = _items(gain, "gain")
    lows, highs = paired_intervals(array[None])
    low, high = float(lows[0]), float(highs[0])
    if groups is None:
        return low, high
    summary = item_mean(array, groups)
    half = float(stats.t.ppf(0.975, max(summary.n_groups - 1, 1))) * summary.se
    by_groups = (summary.mean - half, summary.mean + half)
    if not np.isin(array, (-1.0, 0.0, 1.0)).all():
        return by_groups
    return float(np.fmin(low, by_groups[0])), float(np.fmax(high, by_groups[1]))


def paired_intervals(gains: Array) -> tuple[Array, Array]:
    """Lower and upper bounds (95 %) of the mean of each row of gains, shape (n_rows, n_items); both of shape (n_rows,).

    Differences of -1, 0 and 1 get half an item more in each cell of the two-by-two table (Agresti and Min 2005,
    Statistics in Medicine 24, 729): no interval of width zero because no item happened to differ. Others get Student's
    t.
    """
    n = gains.shape[1]
    mean = gains.mean(axis=1)
    error = gains.std(axis=1, ddof=1) / np.sqrt(n) if n > 1 else np.full(len(gains), np.nan)
    half = stats.t.ppf(0.975, max(n - 1, 1)) * error
    up, down = gains == 1.0, gains == -1.0
    gained, lost, total = up.sum(axis=1) + 0.5, down.sum(axis=1) + 0.5, n + 2.0
    is_ternary = (up | down | (gains == 0.0)).all(axis=1)
    centre = (gained - lost) / total
    adjusted = stats.norm.ppf(0.975) * np.sqrt((gained + lost - (gained - lost) ** 2 / total) / total**2)
    low = np.where(is_ternary, np.fmin(mean - half, centre - adjusted), mean - half)
    high = np.where(is_ternary, np.fmax(mean + half, centre + adjusted), mean + half)
    return low, high


def minimum_detectable_difference(gain: npt.ArrayLike, power: float = 0.8, alpha: float = 0.05) -> float:
    """Smallest true mean difference that a paired test over these items finds with the given power, score units.

    gain has shape (n_items,): the paired differences, of which only the spread matters; NaN for fewer than three, or
    where all are the same. The power of Student's t is statsmodels'; its own search for the effect ends below 0 for
    some numbers of items (73, 1458).
    """
    array = _items(gain, "gain")
    n = len(array)
    if n < 3 or not array.std() > 0:
        return float("nan")
    test = TTestPower()
    upper = 3.0 / float(np.sqrt(n))
    while test.power(upper, n, alpha) < power:
        upper *= 2
    effect = optimize.brentq(lambda effect: float(test.power(effect, n, alpha)) - power, 0.0, upper)
    return float(effect * array.std(ddof=1))


def items_to_decide(gain: npt.ArrayLike, power: float = 0.8, alpha: float = 0.05) -> int | None:
    """Items by which a paired test finds a difference as large as this one with the given power; None if there is none.

    gain has shape (n_items,): the paired differences, whose mean and spread are taken for the true ones. Normal
    approximation, n = ((z(1 - alpha/2) + z(power)) sd / mean)^2, which is close where the answer is over some thirty.
    """
    array = _items(gain, "gain")
    mean, spread = float(array.mean()), float(array.std(ddof=1)) if len(array) > 1 else 0.0
    if not spread > 0 or mean == 0:
        return None
    z = float(stats.norm.ppf(1 - alpha / 2) + stats.norm.ppf(power))
    return max(2, int(np.ceil((z * spread / mean) ** 2)))


def benjamini_hochberg(p: npt.ArrayLike) -> Array:
    """P values adjusted for many comparisons, same shape: those below 0.05 keep false discoveries at 5 % (SciPy)."""
    return np.asarray(stats.false_discovery_control(np.asarray(p, float), method="bh"), float)
