"""The estimator of the paper's release, for reproducing its figures; scaling.py has the one to use."""

from dataclasses import dataclass

import numpy as np
from scipy import optimize
from statsmodels.regression.linear_model import OLS

from ttt.stats.checks import NAN, Array
from ttt.stats.hinge import fit_hinge

START = 22.0  # log10 c_e, where the release's search begins


@dataclass(frozen=True)
class ReleasedFit:
    """Estimates as the release has them: kink in log10 FLOPs, theta in score, alpha in score per decade, uncentred R2.

    theta's fields are NaN in a fit without groups. `note` warns of what the method leaves out.
    """

    theta: float
    theta_se: float
    theta_low: float
    theta_high: float
    theta_p: float
    alpha: float
    alpha_se: float
    kink: float
    r2: float
    note: str


def fit_as_released(x: Array, y: Array, group: Array) -> ReleasedFit:
    """Local search for the kink, then OLS with the kink held fixed and models taken as independent.

    x is log10 FLOPs, y the score above chance, all of shape (n_models,). R2 is uncentred, as the design has no constant
    column. The search can stop at a local optimum; where the global one is better, the note gives it.
    """
    grouped = bool(group.any())

    def rss(p: Array) -> float:
        shift = p[2] * group if grouped else 0.0
        return float(((p[0] * np.maximum(x - p[1], 0.0) + shift - y) ** 2).sum())

    # On a ladder of other sizes every hinge would be zero there, and the search would have nothing to follow.
    begin = START if x.min() < START < x.max() else float(np.median(x))
    kink = float(optimize.minimize(rss, np.array([0.0, begin, 0.0] if grouped else [0.0, begin])).x[1])
    hinge = np.maximum(0.0, x - kink)
    ols = OLS(y, np.column_stack([hinge, group]) if grouped else hinge[:, None]).fit()
    notes = ["c_e is taken as known and models as independent, as in the paper"]
    best = fit_hinge(x, group, y)
    if float(ols.ssr) > float(best.rss[0]) * 1.001 + 1e-12:
        better = [f"theta {best.theta[0]:.3f}"] if grouped else []
        better += [f"c_e {10.0 ** best.c[0]:.2e}"] if np.isfinite(best.c[0]) else []
        notes.append(f"the local search stopped short of the best fit: {', '.join(better)}")
    theta, theta_se, p = (float(values[1]) if grouped else NAN for values in (ols.params, ols.bse, ols.pvalues))
    low, high = (float(bound) for bound in ols.conf_int()[1]) if grouped else (NAN, NAN)
    alpha, alpha_se, r2 = float(ols.params[0]), float(ols.bse[0]), float(ols.rsquared)
    return ReleasedFit(theta, theta_se, low, high, p, alpha, alpha_se, kink, r2, "; ".join(notes))
