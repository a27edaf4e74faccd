"""Do the intervals cover? Simulated score tables with known theta and c_e, over the compute and families of conf/model.

Writes docs/coverage.md. Run: python -m tests.performance.coverage [n_draws] (400 draws take some half an hour).
"""

import sys
import time

import numpy as np
from scipy import stats

from tests.performance import floors
from tests.performance.planted import ROOT, Roster, World, draw, ladder, published_roster
from ttt.stats.clusters import choose_clusters, resample_clusters
from ttt.stats.floor import FLOOR_LEVEL, choose_floor, draw_table
from ttt.stats.hinge import fit_hinge
from ttt.stats.scaling import fit_scaling
from ttt.stats.theta_interval import theta_test

N_REPLICATES = floors.N_REPLICATES
COLUMNS = (
    *("models", "world", "correlation", "false positives", "theta, wild (default)", "theta, jackknife"),
    *("theta, percentile", "c_e", "c_e identified", "width"),
)


SHAPES = (  # slopes, points of emergence and residual spreads of the size that the paper's data show
    ("before, multiple choice", 0.24, 22.1, 0.06),
    ("before, generated answers", 0.33, 22.4, 0.10),
    ("after, multiple choice", 0.14, 20.6, 0.03),
)
CORRELATIONS = (0.0, 0.3, 0.6)
PAGE = """# Do the intervals cover?

Simulated score tables with a known theta and c_e. Compute, families and dates are those of the {n_models} public base
models in `conf/model`; slopes, points of emergence and spreads are of the size that the paper's data show; models of a
family share a part of their noise (the correlation). Below the point of emergence scores vary a third as much.
Coverage: {n_draws} draws a row with theta = 0.07. False positives: {n_null} draws a row with theta = 0, tested at 5 %.
{n_replicates} bootstrap replicates a fit. A coverage of 95 % is measured within about {error:.1f} points (one standard
error), a rate of false positives of 5 % within {null_error:.1f}.

All numbers but the correlation and the width (median, in score) are per cent.

{table}

What to take from it:

- The default interval of theta inverts a restricted wild cluster bootstrap (Webb weights), with c_e fitted anew in
  every replicate. A cluster jackknife with Student's t (`interval="jackknife"`) is the check beside it.
- Percentiles of a bootstrap that redraws whole families (`interval="percentile"`) cover less often than they say, the
  more so with few families. That is why they are not the default.
- The interval of c_e inverts a likelihood-ratio test with the same bootstrap. A draw in which c_e is not identified
  counts as covered, an open end as open.
- The last rows are a warning: with one older and one newer family there is nothing to learn the variation between
  families from. The fit then takes models as independent and says so in `note`; that is right only if families share
  nothing, and wrong the more they do. No method repairs it: compare more families.

## Where scores do not start from chance

The curve starts from a floor. Where models score below the chance level that is stated, a floor held at chance turns
theta into the newer group's shortfall from it. The rule: models below half of chance are set aside where they are a
group of their own (no other within a quarter of chance of them, and a level of their own fits better than one floor for
all); then chance is tested for the older models alone, by a wild cluster bootstrap of the likelihood ratio whose
residuals are those of each family when it is left out of the fit. If it is rejected at {level:g} %, the floor is a
parameter of every fit, bootstrap replicates included; otherwise it is chance, and every figure is what it is without
the rule. Where the curve then fits worse than a constant, nothing is called identified.

{n_floors} draws a row over the {n_models} public models, correlation {correlation:g}; theta is {late:g} where c_e is
1e23 FLOPs, and {usual:g} elsewhere, where c_e is 10^22.1; false positives at theta = 0. "At chance" holds the floor at
what is said to be chance, as all fits did before; "as chosen" follows the rule. Per cent, but for the models set aside
(mean) and the width (median, in score).

{floor_table}

A floor so near chance that chance is seldom rejected hardly moves theta, but it moves c_e: the interval of c_e then
covers less often than it says (floor 0.02 above chance).

Measured within about {floor_error:.1f} points (one standard error).

Made by `python -m tests.performance.coverage`.
"""


def coverage(roster: Roster, world: World, clusters: np.ndarray, n_draws: int, number: int) -> dict[str, float]:
    """Share of draws whose 95 % intervals hold the truth, by method, and the median width of the default one."""
    rng, hits, widths = np.random.default_rng([7, number]), [], []
    for seed in range(n_draws):
        y = draw(roster, world, roster.labels, rng)
        fit = fit_scaling(10**roster.x, y, roster.newer, clusters=clusters, n_replicates=N_REPLICATES, seed=seed)
        low, high = np.nan_to_num(np.log10([fit.c_e_low, fit.c_e_high]), nan=-np.inf)
        chosen = choose_clusters(clusters, roster.newer)
        half = stats.t.ppf(0.975, chosen.n_clusters - 1) * fit.theta_se
        weights = resample_clusters(chosen, roster.newer, N_REPLICATES, np.random.default_rng(seed))
        thetas = fit_hinge(roster.x, roster.newer, y, weights, free_floor=fit.floor_fitted).theta
        percentiles = np.quantile(thetas, (0.025, 0.975))
        hits.append(
            (
                fit.theta_low <= world.theta <= fit.theta_high,
                abs(fit.theta - world.theta) <= half,
                percentiles[0] <= world.theta <= percentiles[1],
                not fit.c_e_identified or (low <= world.kink and (world.kink <= high or high == -np.inf)),
                fit.c_e_identified,
            )
        )
        widths.append(fit.theta_high - fit.theta_low)
    names = ("theta, wild", "theta, jackknife", "theta, percentile", "c_e", "c_e identified")
    return dict(zip(names, np.mean(hits, axis=0), strict=True)) | {"width": float(np.median(widths))}


def false_positives(roster: Roster, world: World, clusters: np.ndarray, n_draws: int, number: int) -> float:
    """Share of draws with theta = 0 in which the default test finds theta at 5 %."""
    rng, found = np.random.default_rng([11, number]), 0
    for seed in range(n_draws):
        y = draw(roster, world, roster.labels, rng)
        how = {"chance": 0.0, "clusters": clusters, "n_replicates": N_REPLICATES, "seed": seed}
        floor = choose_floor(roster.x, roster.newer, y, **how)
        found += theta_test(draw_table(roster.x, roster.newer, y, floor, **how)) < 0.05
    return found / n_draws


def markdown(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table with a head."""
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ("---",) * len(head), *rows))


def main(n_draws: int) -> None:
    """Measure all worlds and write the table."""
    began, published = time.time(), published_roster()
    rosters = [(f"{len(published.x)} public models", published, published.labels, SHAPES)]
    small, pair = ladder(3, 8), ladder(10, 2)
    rosters.append(("24 models in 8 families", small, small.labels, (("ladder", 0.2, 21.0, 0.05),)))
    rosters.append(("20 models in 2 families, models as clusters", pair, np.arange(20), (("ladder", 0.2, 21.0, 0.05),)))
    rows = []
    for title, roster, clusters, shapes in rosters:
        for shape in shapes:
            for correlation in CORRELATIONS:
                planted = World(*shape, 0.07, correlation)
                null = World(*shape, 0.0, correlation)
                measured = coverage(roster, planted, clusters, n_draws, len(rows))
                wrong = false_positives(roster, null, clusters, int(2.5 * n_draws), len(rows))
                shares = [wrong, *(value for name, value in measured.items() if name != "width")]
                cells = [f"{100 * share:.1f}" for share in shares]
                rows.append((title, shape[0], f"{correlation:.1f}", *cells, f"{measured['width']:.3f}"))
                print(*rows[-1], f"{time.time() - began:.0f} s", sep=" | ", flush=True)
    n_null, n_floors = int(2.5 * n_draws), int(0.75 * n_draws)
    page = PAGE.format(
        n_models=len(published.x),
        n_draws=n_draws,
        n_null=n_null,
        n_replicates=N_REPLICATES,
        error=100 * np.sqrt(0.95 * 0.05 / n_draws),
        null_error=100 * np.sqrt(0.95 * 0.05 / n_null),
        table=markdown(COLUMNS, rows),
        level=100 * FLOOR_LEVEL,
        n_floors=n_floors,
        correlation=floors.CORRELATION,
        late=floors.LATE.theta,
        usual=floors.USUAL.theta,
        floor_table=markdown(floors.COLUMNS, floors.floor_rows(n_floors)),
        floor_error=100 * np.sqrt(0.95 * 0.05 / n_floors),
    )
    (ROOT / "docs" / "coverage.md").write_text(page)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 400)
