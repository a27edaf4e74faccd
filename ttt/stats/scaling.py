"""The paper's fit of score against compute, with inference that does not take the point of emergence as known.

score = floor + alpha * max(0, log10 C - log10 c_e) + theta * newer (arXiv 2407.07890, section 2.2, where the floor is
chance; see ttt.stats.floor for when it is another).
"""

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
from scipy import stats

from ttt.stats.checks import NAN, Array, Labels, checked_inputs
from ttt.stats.clusters import MAX_JACKKNIFE, choose_clusters, resample_clusters
from ttt.stats.floor import Floor, choose_floor, draw_table
from ttt.stats.paper import fit_as_released
from ttt.stats.theta_interval import WildTable, bounds_as_tested, kink_interval, theta_interval, theta_test

Inference = Literal["clustered", "paper"]
Interval = Literal["wild", "jackknife", "percentile"]


@dataclass(frozen=True)
class ScalingFit:
    """A fit of score on compute; NaN stands for what the data do not identify.

    theta, its standard error and bounds are in score units; alpha is score per decade of compute, `intercept` the
    line's value above the floor at log10 C = 0; c_e and its bounds are in FLOPs. `theta_identified` is False where the
    curve and the split cannot be told apart, and where the curve fits worse than a constant. `c_e_identified` is False
    there too, and where c_e lies outside the models' compute or the slope cannot be told from none; c_e and its bounds
    are NaN then. A single bound of NaN is open: the data do not limit c_e on that side. `floor` is the score that the
    curve starts from: `chance`, or a parameter of the fit (`floor_fitted`); `floor_p` is the p value of chance, NaN
    untested. `aside` are the positions of models that are left out, as they give no answers. `level` names what was
    taken as independent, `interval` the method of theta's bounds, and `note` says in words what a reader must know.
    """

    theta: float
    theta_se: float
    theta_low: float
    theta_high: float
    theta_p: float
    theta_identified: bool
    alpha: float
    alpha_se: float
    intercept: float
    c_e: float
    c_e_low: float
    c_e_high: float
    c_e_identified: bool
    r2: float
    chance: float
    floor: float
    floor_fitted: bool
    floor_p: float
    aside: tuple[int, ...]
    n_models: int
    n_newer: int
    n_clusters: int
    level: Literal["clusters", "models"]
    inference: Inference
    interval: str
    note: str

    def predict(self, compute: npt.ArrayLike, newer: npt.ArrayLike = 0.0) -> Array:
        """Fitted score at compute (FLOPs) for the older (0) or newer (1) group; shape by broadcasting."""
        line = self.alpha * np.log10(np.asarray(compute, float)) + self.intercept
        rise = np.maximum(line, 0.0) if self.alpha >= 0 else np.minimum(line, 0.0)
        shift = np.asarray(newer, float) * self.theta if self.theta_identified else 0.0
        return np.asarray(self.floor + rise + shift)


def fit_scaling(
    compute: npt.ArrayLike,
    score: npt.ArrayLike,
    newer: npt.ArrayLike | None = None,
    *,
    chance: float = 0.0,
    clusters: Labels | None = None,
    inference: Inference = "clustered",
    interval: Interval = "wild",
    n_replicates: int = 999,
    seed: int = 0,
) -> ScalingFit:
    """Fit alpha, c_e and theta by least squares over all three, the global optimum, and say how sure the data are.

    compute (FLOPs), score and newer (bool or 0 and 1; None fits without theta) have shape (n_models,), as have the
    cluster labels (default: every model on its own; give the families where there are several models a family).
    `inference="clustered"`: bounds of theta and c_e from a restricted wild cluster bootstrap (or, for theta, a cluster
    jackknife with Student's t, or percentiles of a bootstrap of whole clusters), standard errors from the cluster
    jackknife, centred R2, and the floor fitted where the data reject chance. `inference="paper"`: what the release of
    arXiv 2407.07890 does: a local search for c_e from 10^22 FLOPs, then OLS with c_e held fixed, no clusters, uncentred
    R2, the floor at chance. Bounds are at 95 %.
    Raises ValueError for fewer than 4 models, an empty group, or values that are not finite.
    """
    x, y, group = checked_inputs(compute, score, newer)
    for name, value, choices in (
        ("inference", inference, get_args(Inference)),
        ("interval", interval, get_args(Interval)),
    ):
        if value not in choices:
            raise ValueError(f"{name}: {value!r} is not one of {', '.join(choices)}")
    choose_clusters(clusters, group)  # labels are counted before models are set aside
    floor = choose_floor(x, group, y, chance=chance, clusters=clusters, n_replicates=n_replicates, seed=seed)
    if inference == "paper":
        return _paper(x, y - chance, group, chance, floor)
    table = draw_table(x, group, y, floor, chance=chance, clusters=clusters, n_replicates=n_replicates, seed=seed)
    point = _point(table, chance, floor)
    return _with_theta_bounds(point, table, interval, seed) if point.n_newer else point


def _point(table: WildTable, chance: float, floor: Floor) -> ScalingFit:
    """Estimates, standard errors and the interval of c_e; theta's bounds are left open."""
    x, y, group, chosen = table.x, table.y, table.group, table.clusters
    fit = table.fit()
    theta, alpha, kink = float(fit.theta[0]), float(fit.alpha[0]), float(fit.c[0])
    sandwich = float(table.theta_stderr(fit)[0])
    level = chance + float(fit.floor[0])
    spread = float(((y - y.mean()) ** 2).sum())
    r2 = 1.0 - float(fit.rss[0]) / spread if spread > 0 else NAN
    identified = bool(group.any() and np.isfinite(sandwich) and not r2 < 0)
    theta_se, alpha_se = _jackknife(table, theta, alpha) if chosen.n_clusters <= MAX_JACKKNIFE else (sandwich, NAN)
    low, high = kink_interval(table)
    inside = bool(x.min() < kink < x.max() and np.isfinite(high) and not r2 < 0)
    return ScalingFit(
        theta=theta if identified else NAN,
        theta_se=theta_se if identified else NAN,
        theta_low=NAN,
        theta_high=NAN,
        theta_p=NAN,
        theta_identified=identified,
        alpha=alpha,
        alpha_se=alpha_se,
        intercept=float(fit.intercept[0]),
        c_e=10.0**kink if inside else NAN,
        c_e_low=10.0**low if inside else NAN,
        c_e_high=10.0**high if inside else NAN,
        c_e_identified=inside,
        r2=r2,
        chance=chance,
        floor=level,
        floor_fitted=floor.fitted,
        floor_p=floor.p,
        aside=tuple(np.flatnonzero(floor.aside).tolist()),
        n_models=len(x),
        n_newer=int(group.sum()),
        n_clusters=chosen.n_clusters,
        level=chosen.level,
        inference="clustered",
        interval="wild",
        note="; ".join(filter(None, [chosen.note, *_remarks(floor, chance, r2, level=level)])),
    )


def _remarks(floor: Floor, chance: float, r2: float, *, level: float | None) -> list[str]:
    """What is out of the ordinary of the curve; `level` is the floor of the fit, None where that minds no rejection."""
    remarks = []
    if floor.fitted:
        which = f"chance, {chance:g}, which" if level is None else f"fitted, {level:.3f}: chance, {chance:g},"
        remarks.append(f"the floor is {which} is rejected for the older models (p {floor.p:.3f})")
    if n := int(floor.aside.sum()):
        place = "in the fit all the same" if level is None else "left out of the fit"
        remarks.append(f"{n} of the models score below half of chance, as without valid answers, and are {place}")
    if r2 < 0:
        remarks.append("the curve fits worse than a constant")
    return remarks


def _jackknife(table: WildTable, theta: float, alpha: float) -> tuple[float, float]:
    """Standard errors of theta and alpha from leaving out one cluster at a time, every parameter fitted anew (CV3)."""
    keep = 1.0 - table.clusters.indicator.T
    keep = keep[(keep @ table.group > 0) & (keep @ (1.0 - table.group) > 0)] if table.group.any() else keep
    fits = table.fit(weights=keep)
    factor = (len(keep) - 1) / len(keep)
    return (
        float(np.sqrt(factor * ((fits.theta - theta) ** 2).sum())),
        float(np.sqrt(factor * ((fits.alpha - alpha) ** 2).sum())),
    )


def _with_theta_bounds(point: ScalingFit, table: WildTable, interval: Interval, seed: int) -> ScalingFit:
    """The fit with theta's bounds and p value by the method asked for."""
    alone = min(len(np.unique(table.clusters.codes[table.group == side])) for side in (0.0, 1.0)) < 2
    if alone or not point.theta_identified:
        follows = "the curve is not identified" if point.r2 < 0 else "the split follows compute"
        reason = "one side of the split is a single model" if alone else follows
        note = f"{point.note}; theta has no interval: {reason}".lstrip("; ")
        return replace(point, theta_se=NAN, note=note, interval="none")
    if interval == "wild":
        p = theta_test(table)
        low, high = bounds_as_tested(table, *theta_interval(table), p)
    elif interval == "jackknife":
        t = stats.t(point.n_clusters - 1)
        low, high = (point.theta + side * float(t.ppf(0.975)) * point.theta_se for side in (-1, 1))
        p = 2 * float(t.sf(abs(point.theta) / point.theta_se))
    else:
        rng = np.random.default_rng(seed)
        weights = resample_clusters(table.clusters, table.group, len(table.signs), rng)
        thetas = table.fit(weights=weights).theta
        low, high = (float(bound) for bound in np.quantile(thetas, (0.025, 0.975)))
        p = min(1.0, 2 * (1 + int(min((thetas <= 0).sum(), (thetas >= 0).sum()))) / (1 + len(thetas)))
        if p >= 0.05:  # percentiles lie a draw further in than the p value counts
            low, high = min(low, 0.0), max(high, 0.0)
    return replace(point, theta_low=low, theta_high=high, theta_p=p, interval=interval)


def _paper(x: Array, y: Array, group: Array, chance: float, floor: Floor) -> ScalingFit:
    """The release's estimates in the same fields; it has no interval of c_e, and its floor is always chance."""
    fit = fit_as_released(x, y, group)
    residuals = y - fit.alpha * np.maximum(0.0, x - fit.kink) - (fit.theta * group if group.any() else 0.0)
    centred_r2 = 1.0 - (residuals**2).sum() / max(((y - y.mean()) ** 2).sum(), 1e-300)
    inside = bool(x.min() < fit.kink < x.max())
    return ScalingFit(
        theta=fit.theta,
        theta_se=fit.theta_se,
        theta_low=fit.theta_low,
        theta_high=fit.theta_high,
        theta_p=fit.theta_p,
        theta_identified=bool(group.any()),
        alpha=fit.alpha,
        alpha_se=fit.alpha_se,
        intercept=-fit.alpha * fit.kink,
        c_e=10.0**fit.kink if inside else NAN,
        c_e_low=NAN,
        c_e_high=NAN,
        c_e_identified=inside,
        r2=fit.r2,
        chance=chance,
        floor=chance,
        floor_fitted=False,
        floor_p=floor.p,
        aside=(),
        n_models=len(x),
        n_newer=int(group.sum()),
        n_clusters=len(x),
        level="models",
        inference="paper",
        interval="ols",
        note="; ".join([fit.note, *_remarks(floor, chance, centred_r2, level=None)]),
    )
