"""Does theta cover where scores do not start from chance? Planted floors, with the floor at chance and as it is chosen.

Its rows are in docs/coverage.md, which coverage.py writes.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from tests.performance.planted import Roster, World, draw, published_roster
from ttt.stats.checks import Array
from ttt.stats.clusters import choose_clusters
from ttt.stats.floor import choose_floor, draw_table
from ttt.stats.scaling import fit_scaling
from ttt.stats.theta_interval import WildTable, theta_interval, theta_test

N_REPLICATES = 399
CORRELATION = 0.3
LATE = World("c_e late", 0.2, 23.0, 0.03, 0.03, CORRELATION)
USUAL = World("as before, multiple choice", 0.24, 22.1, 0.06, 0.07, CORRELATION)
COLUMNS = (
    *("world", "coverage, at chance", "false positives, at chance", "coverage, as chosen"),
    *("false positives, as chosen", "c_e, as chosen", "floor fitted", "models set aside", "width"),
)
Change = Callable[[Roster, World, Array, np.random.Generator], Array]


@dataclass(frozen=True)
class Planted:
    """A world, what the bench says of chance, and what makes its scores of those above the floor."""

    world: World
    chance: float
    change: Change


def _from(level: float) -> Change:
    return lambda roster, world, y, rng: level + y


def _closing(roster: Roster, world: World, y: Array, rng: np.random.Generator) -> Array:
    """0.05 below chance up to the kink; the gap closes within a decade of compute above it."""
    return 0.25 - 0.05 * np.clip(1.0 - (roster.x - world.kink), 0.0, 1.0) + y


def _no_answers(n_params: float) -> Change:
    """Models with fewer parameters answer one question in a hundred in the format that is asked for."""

    def change(roster: Roster, world: World, y: Array, rng: np.random.Generator) -> Array:
        few = np.abs(0.01 + 0.01 * rng.standard_normal(len(y)))
        return np.where(roster.n_params < n_params, few, 0.25 + y)

    return change


def worlds() -> list[Planted]:
    """The planted worlds; those of c_e 1e22.1 FLOPs are called by their floor alone."""
    named = (
        ("floor 0.09 below chance, c_e 1e23", LATE, 0.449, _from(0.359)),
        ("floor 0.05 below chance, closing above c_e", USUAL, 0.25, _closing),
        ("floor 0.02 above chance", USUAL, 0.25, _from(0.27)),
        ("no valid answers below 2e9 parameters", USUAL, 0.25, _no_answers(2e9)),
        ("chance 0.5 said, 0.25 true", USUAL, 0.5, _from(0.25)),
    )
    return [Planted(replace(world, name=name), chance, change) for name, world, chance, change in named]


def measure(roster: Roster, planted: Planted, n_draws: int, number: int) -> dict[str, float]:
    """Shares of draws by method, the mean number of models set aside, and the median width of theta's interval."""
    world, chance = planted.world, planted.chance
    chosen = choose_clusters(roster.labels, roster.newer)
    rng, null_rng = np.random.default_rng([13, number]), np.random.default_rng([17, number])
    rows = []
    for seed in range(n_draws):
        score = planted.change(roster, world, draw(roster, world, roster.labels, rng), rng)
        null = replace(world, theta=0.0)
        flat = planted.change(roster, null, draw(roster, null, roster.labels, null_rng), null_rng)
        at_chance, null_at_chance = (
            WildTable.draw(roster.x, roster.newer, y - chance, chosen, N_REPLICATES, np.random.default_rng(seed))
            for y in (score, flat)
        )
        low, high = theta_interval(at_chance)
        how = {"chance": chance, "clusters": roster.labels, "n_replicates": N_REPLICATES, "seed": seed}
        fit = fit_scaling(10**roster.x, score, roster.newer, **how)
        floor = choose_floor(roster.x, roster.newer, flat, **how)
        c_low, c_high = np.log10([fit.c_e_low, fit.c_e_high])
        rows.append(
            (
                low <= world.theta <= high,
                theta_test(null_at_chance) < 0.05,
                fit.theta_low <= world.theta <= fit.theta_high,
                theta_test(draw_table(roster.x, roster.newer, flat, floor, **how)) < 0.05,
                not fit.c_e_identified or not (c_low > world.kink or c_high < world.kink),
                fit.floor_fitted,
                len(fit.aside),
                fit.theta_high - fit.theta_low,
            )
        )
    columns = np.array(rows, float).T
    return dict(zip(COLUMNS[1:], [*columns[:-1].mean(1), float(np.nanmedian(columns[-1]))], strict=True))


def floor_rows(n_draws: int) -> list[tuple[str, ...]]:
    """The table's rows, in per cent but for the last two columns."""
    began, roster, rows = time.time(), published_roster(), []
    for number, planted in enumerate(worlds()):
        *shares, aside, width = measure(roster, planted, n_draws, number).values()
        cells = [f"{100 * share:.1f}" for share in shares]
        rows.append((planted.world.name, *cells, f"{aside:.1f}", f"{width:.3f}"))
        print(*rows[-1], f"{time.time() - began:.0f} s", sep=" | ", flush=True)
    return rows


if __name__ == "__main__":
    floor_rows(int(sys.argv[1]) if len(sys.argv) > 1 else 300)
