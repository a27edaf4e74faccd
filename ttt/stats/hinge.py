"""Exact, batched least squares of the hinge score = floor + alpha * max(0, x - c) + theta * group.

Between two neighbouring x the hinge is linear in (alpha, intercept), so the best fit of each such segment has a closed
form over sums that differ from segment to segment by one term; the best of all segments and knots is the global optimum
(Hudson 1966, Journal of the American Statistical Association 61, 1097). No starting value, no iteration, no flat part
of the surface to get stuck on, and thousands of weighted or resampled tables are solved in one pass.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ttt.stats.checks import Array

BATCH_ELEMENTS = 100_000  # entries of one (replicates, segments) work array: it stays in the processor's cache


@dataclass(frozen=True)
class HingeFits:
    """Global least-squares optima of a batch of n_replicates tables; arrays of shape (n_replicates,).

    score = floor + alpha * x + intercept + theta * group for x above `start`, and floor + theta * group below it. `c`
    is the kink -intercept / alpha (x units, NaN where alpha is 0); `floor` is 0 where it was not fitted; `rss` the
    weighted residual sum of squares.
    """

    alpha: Array
    intercept: Array
    theta: Array
    floor: Array
    start: Array
    rss: Array

    @property
    def c(self) -> Array:
        """Kink of the hinge in units of x; NaN where the slope is zero."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.alpha > 0, -self.intercept / self.alpha, np.nan)

    def predict(self, x: Array, group: Array) -> Array:
        """Fitted values, shape (n_replicates, n), for x of shape (n,) and group of shape (n,) or (n_replicates, n)."""
        line = self.alpha[:, None] * x + self.intercept[:, None]
        return self.floor[:, None] + np.where(x >= self.start[:, None], line, 0.0) + self.theta[:, None] * group


def fit_hinge(x: Array, group: Array, y: Array, weights: Array | None = None, *, free_floor: bool = False) -> HingeFits:
    """Weighted least squares over alpha >= 0, c, theta and a free floor at once, for every row of a batch.

    x has shape (n,); group, y and weights have shape (n,) or (n_replicates, n); weights are non-negative (default 1).
    y is the score above chance, which is the floor unless that is free. A group that is zero throughout gives theta = 0
    (the model without groups). With a free floor a kink below all models is put at the smallest: the fit is the same.
    """
    order = np.argsort(-x, kind="stable")
    group, y = np.atleast_2d(np.asarray(group, float)), np.atleast_2d(np.asarray(y, float))
    weights = np.ones((1, len(x))) if weights is None else np.atleast_2d(np.asarray(weights, float))
    n_replicates = max(len(group), len(y), len(weights))
    rows = max(1, BATCH_ELEMENTS // len(x))
    parts = []
    for begin in range(0, n_replicates, rows):
        chunk = [a if len(a) == 1 else a[begin : begin + rows] for a in (group, y, weights)]
        ordered = [a[:, order] for a in chunk]
        parts.append(_solve(x[order], ordered[0], ordered[1], ordered[2], min(rows, n_replicates - begin), free_floor))
    return HingeFits(*(np.concatenate(column) for column in zip(*parts, strict=True)))


class Sums(NamedTuple):
    """Weighted sums over the models above each knot, theta and a free floor partialled out; (n_rows or 1, n_knots)."""

    zz: Array
    z1: Array
    one: Array
    zy: Array
    oney: Array


def _ratio(numerator: Array, denominator: Array, sound: npt.NDArray[np.bool_]) -> Array:
    """Quotient where sound, zero elsewhere."""
    shape = np.broadcast_shapes(numerator.shape, denominator.shape)
    return np.divide(numerator, denominator, out=np.zeros(shape), where=sound)


def _free_lines(s: Sums, knots: Array, lower: Array) -> tuple[Array, Array, Array]:
    """Slope, intercept and gain of the free line over the models above each knot; gain -inf if its kink lies elsewhere.

    The kink of a line must fall between the knot and the next lower one, or the line is not a hinge over these models.
    """
    determinant = s.zz * s.one - s.z1**2
    inverse = _ratio(np.ones_like(determinant), determinant, determinant > 1e-10 * s.zz * s.one)
    alpha, intercept = (s.zy * s.one - s.oney * s.z1) * inverse, (s.zz * s.oney - s.z1 * s.zy) * inverse
    kink = _ratio(-intercept, alpha, alpha > 0)
    fits = (alpha > 0) & (kink <= knots) & (kink >= lower)
    return alpha, intercept, np.where(fits, alpha * s.zy + intercept * s.oney, -np.inf)


def _kinks_at_knots(s: Sums, knots: Array) -> tuple[Array, Array, Array]:
    """Slope (not negative), intercept and gain with the kink exactly at each knot."""
    hh, hy = s.zz - 2 * knots * s.z1 + knots**2 * s.one, s.zy - knots * s.oney
    alpha = _ratio(np.maximum(hy, 0.0), hh, hh > 1e-10 * np.maximum(s.zz, 1e-300))
    return alpha, -alpha * knots, alpha * hy


def _level(s: Sums) -> tuple[Array, Array, Array]:
    """Slope zero, constant (not negative) and gain of one level above chance for all models: a kink far below them."""
    one, oney = s.one[:, -1:], s.oney[:, -1:]
    constant = _ratio(np.maximum(oney, 0.0), one, one > 1e-10)
    return np.zeros_like(constant), constant, constant * oney


def _solve(x: Array, group: Array, y: Array, weights: Array, n_rows: int, free_floor: bool) -> tuple[Array, ...]:
    """Best candidate per row; x descends, so that sums over the models above a kink are running sums."""
    centre = float(x.mean())  # conditioning: sums of (x - centre)^2 instead of x^2
    z = x - centre
    last = np.flatnonzero(np.append(np.diff(x) < 0, True))  # last model of each run of equal x: where a segment may end
    knots, lower = z[last], np.append(z[last][1:], -np.inf)

    def above(values: Array) -> Array:
        return np.asarray(np.cumsum(values, axis=1)[:, last])

    def in_all(values: Array) -> Array:
        return np.asarray(values.sum(1, keepdims=True))

    weighted_group, weighted_y, weight = weights * group, weights * y, in_all(weights)

    def centred(products: Array, first: Array, second: Array) -> Array:
        """Sums of products with the floor partialled out, from the sums of either factor."""
        return products - first * second / weight if free_floor else products

    # Frisch-Waugh: partialling the floor, if it is free, and then theta out of every sum leaves slope and intercept.
    z_above, one_above, g_all, y_all = above(weights * z), above(weights), in_all(weighted_group), in_all(weighted_y)
    gg = centred(in_all(weighted_group * group), g_all, g_all)
    gy = centred(in_all(weighted_group * y), g_all, y_all)
    scale = _ratio(np.ones_like(gg), gg, gg > (1e-10 * weight if free_floor else 0))
    zg = centred(above(weighted_group * z), z_above, g_all)
    oneg = centred(above(weighted_group), one_above, g_all)
    one = centred(one_above, one_above, one_above) - oneg**2 * scale
    sums = Sums(
        zz=centred(above(weights * z * z), z_above, z_above) - zg**2 * scale,
        z1=centred(z_above, z_above, one_above) - zg * oneg * scale,
        # Over all models, or all of a group, a level of the line's own would be the floor, or theta, once more.
        one=np.where(one > 1e-10 * one_above, one, 0.0) if free_floor else one,
        zy=centred(above(weighted_y * z), z_above, y_all) - zg * gy * scale,
        oney=centred(above(weighted_y), one_above, y_all) - oneg * gy * scale,
    )
    total = centred(in_all(weighted_y * y), y_all, y_all) - gy * gy * scale

    candidates = [_free_lines(sums, knots, lower), _kinks_at_knots(sums, knots), _level(sums)]
    alphas, intercepts, gains = (
        np.concatenate([np.broadcast_to(c[i], (n_rows, c[i].shape[1])) for c in candidates], axis=1) for i in range(3)
    )
    row, best = np.arange(n_rows), gains.argmax(1)
    alpha, intercept, gain = alphas[row, best], intercepts[row, best], gains[row, best]
    segment = np.where(best == 2 * len(last), len(last) - 1, best % len(last))  # the level stands above every model

    def at_segment(values: Array) -> Array:
        return np.asarray(np.broadcast_to(values, (n_rows, len(last)))[row, segment])

    theta = (gy[:, 0] - alpha * at_segment(zg) - intercept * at_segment(oneg)) * scale[:, 0]
    floor = np.zeros(n_rows)
    if free_floor:
        risen = alpha * at_segment(z_above) + intercept * at_segment(one_above)
        floor = (y_all[:, 0] - risen - theta * g_all[:, 0]) / weight[:, 0]
    rss = np.maximum(total[:, 0] - gain, 0.0)
    return alpha, intercept - alpha * centre, theta, floor, x[last][segment], rss
