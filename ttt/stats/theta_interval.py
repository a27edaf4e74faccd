"""Restricted wild cluster bootstrap for the hinge: tests of theta, c_e and the floor; of the first two, intervals.

The bootstrap data are made under the hypothesis that is tested, and every replicate is fitted anew with all its
parameters, c_e included (Cameron, Gelbach and Miller 2008, Review of Economics and Statistics 90, 414; Hansen 2017,
Journal of Business & Economic Statistics 35, 228 for the kink). Resampling whole clusters and reading off percentiles
is simpler but covers too rarely with some twenty families: docs/coverage.md has the figures.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from ttt.stats.checks import Array
from ttt.stats.clusters import Clusters, webb_signs
from ttt.stats.hinge import HingeFits, fit_hinge

N_KINKS = 9  # hypotheses of c_e at which the critical value is simulated; it varies slowly and is interpolated
N_GRID = 400  # c_e tried for the interval: steps of a hundredth of a decade over four decades of compute
ALPHA = 0.05  # of a test; 1 - 0.95 is a little more, and p is often 0.05 to the digit
N_HALVINGS = 8  # of the way from 0 to theta, where an end must lie between them
N_STEPS = 3  # fixed-point steps for an end of theta's interval; the critical value hardly depends on the hypothesis


@dataclass(frozen=True)
class WildTable:
    """One table of models, prepared: x is log10 compute, y the score above chance, all of shape (n_models,).

    With a free floor every fit of the table estimates the level of the scores below c_e; otherwise it is chance, zero.
    """

    x: Array
    group: Array
    y: Array
    clusters: Clusters
    signs: (
        Array  # (n_replicates, n_models); the same draws serve every hypothesis, which keeps the p value smooth in it
    )
    free_floor: bool = False

    def fit(self, y: Array | None = None, group: Array | None = None, weights: Array | None = None) -> HingeFits:
        """Fits of the table's scores and split, or of others of shape (n_models,) or (n_replicates, n_models)."""
        return fit_hinge(
            self.x,
            self.group if group is None else group,
            self.y if y is None else y,
            weights,
            free_floor=self.free_floor,
        )

    def theta_stderr(self, fits: HingeFits, y: Array | None = None) -> Array:
        """Standard errors of the thetas of fits; shape (n_replicates,)."""
        scores = self.y if y is None else y
        return theta_stderr(self.x, self.group, scores, fits, self.clusters, free_floor=self.free_floor)

    def resample(self, fitted: Array) -> Array:
        """Bootstrap scores around a restricted fit, shape (n_replicates, n_models)."""
        return fitted + (self.y - fitted) * self.signs

    @classmethod
    def draw(
        cls, x: Array, group: Array, y: Array, clusters: Clusters, n_replicates: int, rng: np.random.Generator
    ) -> "WildTable":
        """Table with its Webb weights drawn."""
        return cls(x, group, y, clusters, webb_signs(clusters, n_replicates, rng))


def theta_stderr(
    x: Array, group: Array, y: Array, fits: HingeFits, clusters: Clusters, *, free_floor: bool = False
) -> Array:
    """Cluster sandwich standard error of theta with c_e estimated; shape (n_replicates,), NaN where not identified.

    Delta method: slope and kink are two free directions among the models above the kink, so theta's influence is the
    group freed from a line over those models, and with a free floor from a level over the others. Finite-cluster factor
    G/(G-1) * (n-1)/(n-k) with k parameters, that is CR1.
    """
    above = (x >= fits.start[:, None]) & ((fits.alpha > 0) | (fits.intercept > 0))[:, None]
    active = above.astype(float)
    count = np.maximum(active.sum(1, keepdims=True), 1.0)
    centred = active * (x - (active @ x)[:, None] / count)
    spread = (centred**2).sum(1, keepdims=True)
    slope = np.divide((centred * group).sum(1, keepdims=True), spread, out=np.zeros_like(spread), where=spread > 1e-12)
    free = group - active * (active * group).sum(1, keepdims=True) / count - slope * centred
    if free_floor:
        below = 1.0 - active
        free -= below * (below * group).sum(1, keepdims=True) / np.maximum(below.sum(1, keepdims=True), 1.0)
    squares = (free**2).sum(1)
    sums = clusters.sums(free * (y - fits.predict(x, group)))
    n, g = len(x), clusters.n_clusters
    correction = g / (g - 1) * (n - 1) / max(n - (4 if free_floor else 3), 1)
    identified = squares > 1e-9 * len(x)
    return np.where(identified, np.sqrt(correction * (sums**2).sum(1)) / np.where(identified, squares, 1.0), np.nan)


def _theta_draws(table: WildTable, theta: float) -> Array:
    """Absolute t statistics of theta in data made under theta; shape (n_replicates,)."""
    without = np.zeros_like(table.y)
    restricted = table.fit(table.y - theta * table.group, without).predict(table.x, without)[0]
    scores = table.resample(restricted + theta * table.group)
    fits = table.fit(scores)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.abs(fits.theta - theta) / table.theta_stderr(fits, scores)


def theta_test(table: WildTable, theta: float = 0.0) -> float:
    """P value of the hypothesis that the groups differ by theta (score units), two-sided."""
    fit = table.fit()
    stderr = table.theta_stderr(fit)[0]
    if not stderr > 0:
        return float("nan")
    draws = _theta_draws(table, theta)
    draws = draws[np.isfinite(draws)]
    return float((1 + np.sum(draws >= abs(fit.theta[0] - theta) / stderr)) / (1 + len(draws)))


def theta_interval(table: WildTable, level: float = 0.95) -> tuple[float, float]:
    """All theta that the test does not reject, as (low, high) in score units; NaN where theta is not identified."""
    fit = table.fit()
    stderr = float(table.theta_stderr(fit)[0])
    if not stderr > 0:
        return float("nan"), float("nan")
    ends = []
    for side in (-1.0, 1.0):
        critical = float(stats.t.ppf(0.5 + level / 2, table.clusters.n_clusters - 1))
        for _ in range(N_STEPS):
            draws = _theta_draws(table, float(fit.theta[0]) + side * critical * stderr)
            critical = float(np.quantile(draws[np.isfinite(draws)], level))
        ends.append(float(fit.theta[0]) + side * critical * stderr)
    return ends[0], ends[1]


def bounds_as_tested(table: WildTable, low: float, high: float, p: float) -> tuple[float, float]:
    """The 95 % bounds, holding 0 exactly where the test does not reject it (`p`, of `theta_test`).

    Interval and test are of the same draws, but the interval's ends are found in a few steps: near p = 0.05 they can
    come to lie on the other side of 0. Where 0 is not rejected it becomes the end; where it is, the end is sought
    between 0 and the estimate.
    """
    if not np.isfinite([low, high, p]).all():
        return low, high
    if p >= ALPHA:
        return min(low, 0.0), max(high, 0.0)
    if not low <= 0.0 <= high:
        return low, high
    theta = float(table.fit().theta[0])
    rejected, kept = 0.0, theta
    for _ in range(N_HALVINGS):
        middle = (rejected + kept) / 2
        rejected, kept = (middle, kept) if theta_test(table, middle) < ALPHA else (rejected, middle)
    return (kept, high) if theta > 0 else (low, kept)


def _fit_at(table: WildTable, kink: float, y: Array) -> tuple[Array, Array]:
    """Fitted values and residual sums of squares, shapes (n_rows, n_models) and (n_rows,), with c_e fixed at a kink."""
    hinge = np.maximum(0.0, table.x - kink)
    floor = np.full(len(table.x), float(table.free_floor))
    columns = [column for column in (hinge, table.group, floor) if np.any(column != 0)]
    fitted = np.zeros_like(y)
    if columns:
        design = np.stack(columns, axis=1)
        slope = y @ np.linalg.pinv(design).T
        if columns[0] is hinge:
            rising = slope[:, 0] > 0  # alpha >= 0, as in the full fit
            flat = y @ np.linalg.pinv(design[:, 1:]).T if len(columns) > 1 else np.zeros((len(y), 0))
            slope = np.where(rising[:, None], slope, np.column_stack([np.zeros(len(y)), flat]))
        fitted = slope @ design.T
    return fitted, ((y - fitted) ** 2).sum(1)


def kink_interval(table: WildTable, level: float = 0.95) -> tuple[float, float]:
    """All c_e (log10 FLOPs) within the range of compute that a likelihood-ratio test does not reject, as (low, high).

    An end that reaches the border of the data is NaN: below, the data allow emergence before the smallest model;
    above, they allow that no ability emerges at all (a kink at the largest model is a slope of zero).
    """
    low, high = float(table.x.min()), float(table.x.max())
    fit = table.fit()
    best = float(fit.rss[0])
    estimate = fit.c[(fit.c > low) & (fit.c < high)]  # on the grid, so that the interval always holds the estimate
    grid = np.sort(np.append(np.linspace(low, high, N_GRID), estimate))
    row = table.y[None, :]
    ratio = np.array([(_fit_at(table, kink, row)[1][0] - best) / max(best, 1e-300) for kink in grid])
    critical = np.empty(N_KINKS)
    kinks = np.linspace(low, high, N_KINKS)
    for i, kink in enumerate(kinks):
        scores = table.resample(_fit_at(table, kink, row)[0][0])
        free = table.fit(scores).rss
        draws = (_fit_at(table, kink, scores)[1] - free) / np.maximum(free, 1e-300)
        critical[i] = np.quantile(draws, level)
    kept = np.flatnonzero(ratio <= np.interp(grid, kinks, critical))
    if len(kept) == 0:  # c_e lies outside the data and the data are sure of it
        return float("nan"), float("nan")
    first, last = int(kept[0]), int(kept[-1])
    return (
        float("nan") if first == 0 else float(grid[first]),
        float("nan") if last == len(grid) - 1 else float(grid[last]),
    )
