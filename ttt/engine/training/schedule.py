"""The learning rate at each step."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from ttt.spec import Adjustment

LearningRateAt = Callable[[int], float]
"""From a step, counted from 0, to its learning rate."""


def schedule(recipe: Adjustment, learning_rate: float, n_steps: int) -> LearningRateAt:
    """The recipe's schedule for `n_steps` steps whose highest rate is `learning_rate`."""
    return partial(_rate, recipe, learning_rate, n_steps)


def _rate(recipe: Adjustment, learning_rate: float, n_steps: int, step: int) -> float:
    return learning_rate * decay(recipe, n_steps, step)


def decay(recipe: Adjustment, n_steps: int, step: int) -> float:
    """What a step's rate is of the highest: a linear warm-up, then the recipe's schedule.

    The cosine falls to `final_rate` (arXiv 2407.07890, appendix B).
    """
    n_warmup = math.ceil(recipe.warmup * n_steps)
    if step < n_warmup:
        return (step + 1) / n_warmup
    if recipe.schedule == "constant":
        return 1.0
    progress = (step - n_warmup) / max(1, n_steps - n_warmup)
    return recipe.final_rate + (1 - recipe.final_rate) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
