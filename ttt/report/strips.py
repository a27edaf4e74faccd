"""Small drawings inside tables: a value and its interval on a scale that the whole column shares."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from ttt.comparison.conclusions import BenchConclusions
from ttt.comparison.demonstrations import HalvesThetas
from ttt.comparison.findings import EffectSize, Fit
from ttt.formatting import known

WIDTH, MARGIN = 120.0, 6.0  # CSS pixels


class Scale(NamedTuple):
    """From values to pixels, `low` to `high` between the margins."""

    low: float
    high: float

    def at(self, value: Any) -> float | None:
        number = known(value)
        if number is None:
            return None
        part = (number - self.low) / (self.high - self.low)
        return round(MARGIN + min(max(part, 0.0), 1.0) * (WIDTH - 2 * MARGIN), 1)


def scale_of(values: Iterable[Any]) -> Scale | None:
    """A scale that holds all known values; None where there are none or they are all the same."""
    numbers = [number for value in values if (number := known(value)) is not None]
    return Scale(min(numbers), max(numbers)) if numbers and max(numbers) > min(numbers) else None


def whiskers(value: Any, stderr: Any) -> tuple[float | None, float | None]:
    """The ends of an interval of 1.96 standard errors to either side; (None, None) where either is not known."""
    middle, error = known(value), known(stderr)
    return (None, None) if middle is None or error is None else (middle - 1.96 * error, middle + 1.96 * error)


def score_scale(conclusions: BenchConclusions) -> Scale | None:
    """For the ranking: all scores before and after with their whiskers, and chance."""
    values: list[Any] = [conclusions.chance]
    for row in conclusions.models:
        values += [row.base, *whiskers(row.base, row.base_stderr)]
        values += [row.adjusted, *whiskers(row.adjusted, row.adjusted_stderr)]
    return scale_of(values)


def difference_scale(parts: Iterable[Fit | EffectSize | HalvesThetas]) -> Scale | None:
    """For differences with intervals, by any of the names they go by; 0 always has its place."""
    names = ("theta", "theta_low", "theta_high", "estimate", "mean", "low", "high")
    return scale_of([0.0, *(getattr(part, name, None) for part in parts for name in names)])
