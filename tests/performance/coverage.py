"""Do the intervals cover? Simulated score tables with known theta and c_e, over the compute and families of conf/model.

Writes docs/coverage.md. Run: python tests/performance/coverage.py [n_draws] (400 draws take some fifteen minutes).
"""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from scipy import stats

from ttt.stats.checks import Array
from ttt.stats.clusters import choose_clusters, resample_clusters
from ttt.stats.hinge import fit_hinge
from ttt.stats.scaling import fit_scaling
from ttt.stats.theta_interval import WildTable, theta_test

ROOT = Path(__file__).resolve().parents[2]
N_REPLICATES = 399
CUTOFF = "2023-11"
COLUMNS = (
    *("models", "world", "correlation", "false positives", "theta, wild (default)", "theta, jackknife"),
    *("theta, percentile", "c_e", "c_e identified", "width"),
)


@dataclass(frozen=True)
class World:
    """A table to simulate: the truth (alpha, log10 c_e, spread of scores) and how alike the models of a family are."""

    name: str
    alpha: float
    kink: float
    spread: float
    theta: float
    correlation: float


@dataclass(frozen=True)
class Roster:
    """Models: log10 compute, newer (0 or 1), cluster labels, all of shape (n_models,)."""

    x: Array
    newer: Array
    labels: np.ndarray


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

{head}
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

Made by `python tests/performance/coverage.py`.
"""


def published_roster() -> Roster:
    """The public base models of conf/model."""
    files = (yaml.safe_load(path.read_text()) for path in sorted((ROOT / "conf" / "model").glob("*.yaml")))
    models = [model for model in files if model.get("kind") == "base" and model.get("hub")]
    return Roster(
        np.log10([6.0 * model["n_params"] * model["n_tokens"] for model in models]),
        np.array([float(str(model["trained"]) >= CUTOFF) for model in models]),
        np.array([model["family"] for model in models]),
    )


def ladder(n_per_family: int, n_families: int) -> Roster:
    """Ladders of sizes over two and a half decades of compute, half of the families newer."""
    sizes = np.linspace(20.0, 22.5, n_per_family)
    x = np.tile(sizes, n_families) + np.repeat(np.linspace(0.0, 0.1, n_families), n_per_family)
    family = np.repeat(np.arange(n_families), n_per_family)
    return Roster(x, np.asarray(family >= n_families // 2, float), family)


def draw(roster: Roster, world: World, families: np.ndarray, rng: np.random.Generator) -> Array:
    """Scores above chance: the hinge, theta, and noise that a family shares in part; less noise below the kink."""
    hinge = np.maximum(0.0, roster.x - world.kink)
    codes = np.unique(families, return_inverse=True)[1]
    shared, own = rng.standard_normal(codes.max() + 1)[codes], rng.standard_normal(len(roster.x))
    noise = np.sqrt(world.correlation) * shared + np.sqrt(1 - world.correlation) * own
    spread = np.where(hinge > 0, world.spread, world.spread / 3)
    return world.alpha * hinge + world.theta * roster.newer + spread * noise


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
        percentiles = np.quantile(fit_hinge(roster.x, roster.newer, y, weights).theta, (0.025, 0.975))
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
    rng, chosen = np.random.default_rng([11, number]), choose_clusters(clusters, roster.newer)
    found = 0
    for seed in range(n_draws):
        y = draw(roster, world, roster.labels, rng)
        draws = np.random.default_rng(seed)
        found += theta_test(WildTable.draw(roster.x, roster.newer, y, chosen, N_REPLICATES, draws)) < 0.05
    return found / n_draws


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
    n_null = int(2.5 * n_draws)
    page = PAGE.format(
        n_models=len(published.x),
        n_draws=n_draws,
        n_null=n_null,
        n_replicates=N_REPLICATES,
        error=100 * np.sqrt(0.95 * 0.05 / n_draws),
        null_error=100 * np.sqrt(0.95 * 0.05 / n_null),
        head="| " + " | ".join(COLUMNS) + " |\n" + "|---" * len(COLUMNS) + "|",
        table="\n".join("| " + " | ".join(row) + " |" for row in rows),
    )
    (ROOT / "docs" / "coverage.md").write_text(page)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 400)
