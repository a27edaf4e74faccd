"""Whether newer base models can be told from older ones, before and after these are adjusted."""

from __future__ import annotations

import math

import numpy as np

from ttt.cell.result import SIDES
from ttt.comparison.demonstrations import Accuracy, Discriminator
from ttt.comparison.emergence import Budgets
from ttt.comparison.findings import of_fields
from ttt.comparison.fits import silent
from ttt.comparison.inputs import Array, Inputs, Table
from ttt.comparison.options import MANY_MODELS, Options
from ttt.spec import SpecError
from ttt.stats.discriminator import N_FOLDS, discriminate

FEW_PERMUTATIONS = 19  # each costs five fits; with many models the null is narrow


def discriminator_of(inputs: Inputs, table: Table, budgets: Budgets, options: Options) -> Discriminator | None:
    """Balanced accuracies against the older base models and the adjusted ones; None with too few of either group.

    A budget in between (`discriminator_examples`) leaves out the older models that were not scored there. What gives no
    answers is left out as in the fits: a classifier would learn nothing of it but that.
    """
    if not table.is_grouped or len(table.scores) < len(SIDES):
        return None
    old, new = table.newer == 0, (table.newer == 1) & ~silent(table, table.scores["base"], options)
    n_permutations = min(options.n_permutations, FEW_PERMUTATIONS if len(table.names) > MANY_MODELS else 10**9)
    accuracies: dict[str, Accuracy] = {}
    aside = ~(old | new)
    for side, scores in (("base", table.scores["base"]), ("adjusted", _adjusted(inputs, table, budgets, options))):
        known = old & np.isfinite(scores) & ~silent(table, scores, options)
        aside |= old & np.isfinite(scores) & ~known
        if min(known.sum(), new.sum()) < N_FOLDS:
            return None
        accuracies[side] = of_fields(
            Accuracy,
            discriminate(
                table.compute[known],
                scores[known],
                table.compute[new],
                table.scores["base"][new],
                n_permutations=n_permutations,
                seed=options.seed,
            ),
        )
    return Discriminator(
        options.discriminator_examples,
        n_permutations,
        **accuracies,
        set_aside=[table.names[i] for i in np.flatnonzero(aside)],
    )


def _adjusted(inputs: Inputs, table: Table, budgets: Budgets, options: Options) -> Array:
    """The older models' scores at the budget asked for, NaN where there is none; or fully adjusted."""
    examples = options.discriminator_examples
    if examples is None:
        return table.scores["adjusted"]
    if examples not in budgets:
        there = ", ".join(f"{budget:.0f}" for budget in sorted(budgets) if 0 < budget < math.inf)
        raise SpecError(f"discriminator_examples: nothing was scored after {examples}; there is: {there}")
    values = [budgets[examples].get(name, {}).get(inputs.score_key) for name in table.names]
    return np.array([np.nan if value is None else value for value in values], float)
