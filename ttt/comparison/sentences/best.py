"""Which model is best, where that is what can be said: of models of which theta is not fitted."""

from __future__ import annotations

from ttt.comparison.conclusions import BenchConclusions
from ttt.comparison.findings import ModelLine
from ttt.comparison.sentences.sentence import Sentence
from ttt.formatting import clean, decimal, first_few


def when(c: BenchConclusions) -> str:
    """When models were ranked: after adjusting, where there is that half."""
    return "after adjusting" if "adjusted" in c.sides else "before adjusting"


def best(c: BenchConclusions) -> list[ModelLine]:
    """The model with the highest score, and those that are not distinguished from it."""
    return [row for row in c.models if row.tied_with_best]


def _score(row: ModelLine) -> float | None:
    return row.base if row.adjusted is None else row.adjusted


def level(c: BenchConclusions) -> list[ModelLine]:
    """All models with the highest score, to the last digit."""
    return [row for row in c.models if _score(row) == _score(c.models[0])]


def _best(c: BenchConclusions) -> str:
    return f"{clean(best(c)[0].model)} scores highest {when(c)} ({decimal(_score(best(c)[0]))})"


SENTENCES: tuple[Sentence[BenchConclusions], ...] = (
    Sentence(
        "summary.best-apart",
        "summary",
        "theta is not fitted, and the best model is distinguished from all others",
        lambda c: c.no_theta and len(best(c)) == 1 == len(level(c)),
        lambda c: f"{_best(c)}, and is distinguished from every other of the {c.n_models} models.",
    ),
    Sentence(
        "summary.best-level",
        "summary",
        "theta is not fitted, and several models have the highest score",
        lambda c: c.no_theta and len(level(c)) > 1,
        lambda c: (
            f"{first_few([clean(row.model) for row in level(c)], 4)} have the same score {when(c)} "
            f"({decimal(_score(c.models[0]))}), the highest of {c.n_models} models."
        ),
    ),
    Sentence(
        "summary.best-tied",
        "summary",
        "theta is not fitted, and the best model is not distinguished from all others",
        lambda c: c.no_theta and len(best(c)) > 1 == len(level(c)),
        lambda c: (
            f"{_best(c)}, and is not distinguished from {first_few([clean(row.model) for row in best(c)[1:]], 4)}."
        ),
    ),
)
