"""How often is a budget called saturated that is not? Planted curves of score against budget.

Writes docs/saturation_draws.md. Run: python tests/performance/plateau_curves.py [n_draws] (1,000 draws take a minute).
"""

import sys
from pathlib import Path

import numpy as np
from scipy import stats

from ttt.stats.plateau import TOLERANCE, judge_items

ROOT = Path(__file__).resolve().parents[2]
BUDGETS = np.array([1000.0, 2000.0, 4000.0, 8000.0, 16000.0, 32000.0])
SHARED = 0.8  # correlation between budgets of an item's latent ease: the same items are easy at every budget
CURVES = {  # true score at each budget, number of items, luck of a training run (standard deviation of the score)
    "flat": (np.full(6, 0.60), 2000, 0.0),
    "flat, many items": (np.full(6, 0.60), 14000, 0.0),
    "rising": (0.40 + 0.04 * np.arange(6), 2000, 0.0),
    "rising by the tolerance a doubling": (0.50 + TOLERANCE * np.arange(6), 2000, 0.0),
    "noisy, flat": (np.full(6, 0.60), 2000, 0.004),
    "noisy, rising": (0.50 + 0.02 * np.arange(6), 300, 0.004),
    "rising late": (np.array([0.50, 0.50, 0.50, 0.50, 0.51, 0.56]), 2000, 0.0),
    "rising late by the tolerance": (np.array([0.50, 0.50, 0.50, 0.50, 0.50, 0.51]), 2000, 0.0),
    "levelling off": (0.60 - 0.2 * 0.5 ** np.arange(6), 14000, 0.0),
    "flat, few items": (np.full(6, 0.60), 100, 0.0),
    "near the ceiling, few items": (0.97 + 0.002 * np.arange(6), 100, 0.0),
}
PAGE = """# How often is a budget called saturated that is not?

Planted curves of score against a ladder of {n_budgets} doubling budgets, {n_draws} draws each, tolerance {tolerance}.
The items' latent ease correlates {shared} between budgets, as it does where the same items are asked again. A call is
false if the smallest budget called saturated is one after which the true score still rises by the tolerance or more.
"Noisy" adds the luck of a training run to every budget's score, which intervals over items do not know of.

| curve | items | falsely saturated, % | rightly saturated, % | none called, % | median smallest budget |
|---|---|---|---|---|---|
{table}

A verdict compares a budget with every later one on the ladder, so a curve that rests and then rises is not called
saturated before its rise; a rise after the last budget cannot be seen. The smallest budget is searched from above, and
the search ends at the first budget that is not shown to be saturated, so that trying many budgets adds no false calls.

Made by `python tests/performance/plateau_curves.py`.
"""


def draw_items(curve: np.ndarray, n_items: int, luck: float, rng: np.random.Generator) -> np.ndarray:
    """Items right or wrong at each budget, shape (n_budgets, n_items), with the curve's scores as expectation."""
    ease = np.sqrt(SHARED) * rng.standard_normal(n_items)
    own = np.sqrt(1 - SHARED) * rng.standard_normal((len(curve), n_items))
    scores = np.clip(curve + luck * rng.standard_normal(len(curve)), 0.001, 0.999)
    return np.asarray(ease + own < stats.norm.ppf(scores)[:, None], float)


def main(n_draws: int) -> None:
    """Draw, judge, count and write the table."""
    rows = []
    for number, (name, (curve, n_items, luck)) in enumerate(CURVES.items()):
        rng = np.random.default_rng([5, number])
        to_come = np.array([curve[i + 1 :].max() - curve[i] for i in range(len(curve) - 1)])
        calls = [judge_items(BUDGETS, draw_items(curve, n_items, luck, rng)).smallest for _ in range(n_draws)]
        called = [int(np.flatnonzero(call == BUDGETS)[0]) for call in calls if call is not None]
        false = sum(bool(to_come[i] >= TOLERANCE - 1e-12) for i in called)
        percent = [100 * count / n_draws for count in (false, len(called) - false, n_draws - len(called))]
        median = f"{np.median(BUDGETS[called]):.0f}" if called else "-"
        rows.append([name, str(n_items), *(f"{value:.1f}" for value in percent), median])
        print(*rows[-1], sep=" | ", flush=True)
    table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    page = PAGE.format(n_budgets=len(BUDGETS), n_draws=n_draws, tolerance=TOLERANCE, shared=SHARED, table=table)
    (ROOT / "docs" / "saturation_draws.md").write_text(page)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
