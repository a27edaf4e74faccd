"""What conclusions about pairs are made of: models or versions on the same documents, benches.

Their fields are keys of the JSON; None stands for what the data do not identify.
"""

from __future__ import annotations

from dataclasses import dataclass

from ttt.comparison.findings import Number


@dataclass(frozen=True)
class Agreement:
    estimate: Number
    low: Number
    high: Number
    p: Number
    n_models: int


@dataclass(frozen=True)
class BenchPair:
    first: str
    second: str
    base: Agreement | None
    adjusted: Agreement | None


@dataclass(frozen=True)
class FirstComponent:
    base: Agreement | None
    adjusted: Agreement | None


@dataclass(frozen=True)
class ModelOnBenches:
    """Scores by bench."""

    model: str
    family: str
    base: dict[str, float]
    adjusted: dict[str, float]


@dataclass(frozen=True)
class Pair:
    """Two contenders on the documents that both answered, the second minus the first."""

    first: str
    second: str
    difference: Number
    se: Number
    low: Number
    high: Number
    p: Number
    n_items: int | None
    n_groups: int | None
    n_gained: int | None
    n_lost: int | None
    minimum_detectable_difference: Number
    p_adjusted: Number
    note: str
    scores: str | None = None
    """`base` or `adjusted`, where both are compared."""
    bench: str | None = None
    n_items_to_decide: int | None = None
    """Items of this kind by which a difference of this size would be found in four of five tests."""


@dataclass(frozen=True)
class ItemsScore:
    """A contender's mean over its items."""

    score: Number
    se: Number
    low: Number
    high: Number
    n_items: int | None
    n_groups: int | None
    method: str | None


@dataclass(frozen=True)
class ModelScore(ItemsScore):
    scores: str
    model: str
    tie_group: int


@dataclass(frozen=True)
class VersionScore(ItemsScore):
    """A registered version on one bench."""

    version: str
    aliases: list[str]
    model: str
    suite: str
    bench: str
    bench_version: str
    adjustment: str
    seed: str
    budget: str | None
    learning_rate: str | None
    saturated: str | None
    digest: str | None
    commit: str | None
    run_id: str
    tie_group: int | None = None


@dataclass(frozen=True)
class LeftOut:
    version: str
    reason: str
