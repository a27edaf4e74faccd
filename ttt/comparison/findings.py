"""What conclusions about a bench are made of: fits, curves, effects, the ranking; their fields are keys of the JSON.

None stands for what the data do not identify.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, TypeVar

import numpy as np

Number = float | None
T = TypeVar("T")


@dataclass(frozen=True)
class Fit:
    """Score against compute: theta in score units, alpha in score a decade of compute, c_e in FLOPs.

    The floor is the score that the curve starts from, in score units: chance, whose p value is `floor_p`, or fitted.
    """

    theta: Number
    theta_se: Number
    theta_low: Number
    theta_high: Number
    theta_p: Number
    alpha: Number
    c_e: Number
    c_e_low: Number
    c_e_high: Number
    r2: Number
    floor: Number
    floor_fitted: bool | None
    floor_p: Number
    set_aside: list[str]
    """Models that are left out of the fit, as they give no answers."""
    level: str | None
    """What was taken as independent; None where nothing was fitted."""
    note: str


@dataclass(frozen=True)
class FormatFit(Fit):
    """The fit of one format of the same questions."""

    bench: str
    format: str
    scores: str


@dataclass(frozen=True)
class OtherInference:
    """The same fits by the inference that was not asked for."""

    name: str
    base: Fit | None
    adjusted: Fit | None
    note: str = ""


@dataclass(frozen=True)
class Curve:
    """The fitted lines of both groups over the models' compute; the older one's 95 % band where it was drawn."""

    compute: list[float]
    older: list[Number]
    newer: list[Number] | None = None
    """None where all models are one group."""
    older_low: list[Number] | None = None
    older_high: list[Number] | None = None


@dataclass(frozen=True)
class Curves:
    base: Curve | None
    adjusted: Curve | None


@dataclass(frozen=True)
class EffectSize:
    """The direct or the indirect effect, in score units."""

    estimate: Number
    se: Number
    low: Number
    high: Number
    p: Number
    r2: Number
    level: str | None
    note: str


@dataclass(frozen=True)
class Area:
    """What the newer group adds to the frontier, score times decades of compute."""

    base: Number
    adjusted: Number


@dataclass(frozen=True)
class Step:
    """A model that none of less compute beats."""

    model: str
    compute: float
    score: float


@dataclass(frozen=True)
class Frontier:
    """Steps of all models and of the older group; None for a side, or for groups, that there are not."""

    base: list[Step] | None
    base_older: list[Step] | None
    adjusted: list[Step] | None
    adjusted_older: list[Step] | None


@dataclass(frozen=True)
class EmergenceRow:
    """The older group after a budget of adjusting, by one measure.

    `examples` is None after the whole adjustment where it is not known how many it has; `left_out` are the older models
    that do not count here, as they were not scored here or elsewhere on the way.
    """

    examples: Number
    n: int
    c_e: Number
    c_e_low: Number
    c_e_high: Number
    r2: Number
    r2_low: Number
    r2_high: Number
    floor: Number
    group: str
    measure: str
    left_out: list[str]
    set_aside: list[str] = field(default_factory=list)
    """Of the `n` models those that are in no fit, as they give no answers."""


@dataclass(frozen=True)
class ModelLine:
    """A model of the ranking; None for what is not known, and for the side that is missing."""

    model: str
    family: str
    kind: str
    languages: list[str]
    trained: str | None
    compute: Number
    n_params: int | None
    n_tokens: int | None
    base: Number
    base_stderr: Number
    adjusted: Number
    adjusted_stderr: Number
    gain: Number
    gain_stderr: Number
    kept_base: bool
    saturated: bool
    saturation: str
    seconds: Number
    n_seeds: int
    run_ids: list[str]
    facts: dict[str, Any]
    newer: bool | None
    """None for a model that is in neither group."""
    rank_base: int | None
    rank_adjusted: int | None
    rank_change: int | None
    tie_group: int
    tied_with_best: bool
    """Not distinguished from the model with the highest score, itself included."""

    @property
    def rank(self) -> int:
        """By the score after adjusting, or before where there is no other."""
        rank = self.rank_base if self.rank_adjusted is None else self.rank_adjusted
        assert rank is not None
        return rank


@dataclass(frozen=True)
class RankingAgreement:
    """Kendall's tau between the scores before and after adjusting."""

    tau_before_after: Number
    low: Number
    high: Number
    p: Number
    n_models: int


@dataclass(frozen=True)
class Groups:
    field: str
    cutoff: str | None
    older: str
    newer: str
    n_older: int
    n_newer: int


@dataclass(frozen=True)
class Treatment:
    """Whether all models were treated alike: their budget, and the effort and findings of the studies of it."""

    budget: str | None
    n_judged: int
    fewest_trials: int | None
    most_trials: int | None
    n_sufficient: int
    largest_sufficient: int | None


@dataclass(frozen=True)
class Excluded:
    model: str
    reason: str


@dataclass(frozen=True)
class Provenance:
    run_ids: list[str]
    ttt_version: str
    commit: str
    created: str
    tracking: str
    corrected_facts: list[str] = field(default_factory=list)
    """Facts of models that were other ones when their cells were made; the conclusions go by those of now."""
    options: dict[str, Any] = field(default_factory=dict)
    """All of what was asked, defaults included."""
    command: str = ""
    """What makes the comparison again, with every option that is not the default; empty where no command made it."""


@dataclass(frozen=True)
class Division:
    field: str
    cutoff: str | None
    older: str
    newer: str


def of_fields(kind: type[T], source: Any, **more: Any) -> T:
    """One of the types here from what the statistics return: fields of the same names, in Python's own types."""
    given = source if isinstance(source, Mapping) else vars(source)
    values = {one.name: plain(given[one.name]) for one in fields(kind) if one.name in given}  # type: ignore[arg-type]
    return kind(**{**values, **more})


def plain(value: Any) -> Any:
    """The same in JSON's types; a number that is not finite, which stands for what is not identified, is null."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(vars(value))
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(part) for part in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
