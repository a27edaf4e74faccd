"""What the kinds of comparisons conclude, as types for terminal, log, report and tests, and to JSON and back.

Their fields are the keys of the JSON; None stands for what the data do not identify.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from pydantic import TypeAdapter

from ttt.cell.suite_result import SuiteSaturation
from ttt.comparison.contenders import BenchPair, FirstComponent, LeftOut, ModelOnBenches, ModelScore, Pair, VersionScore
from ttt.comparison.demonstrations import Discriminator, RecreatedConfound
from ttt.comparison.findings import (
    Area,
    Curves,
    Division,
    EffectSize,
    EmergenceRow,
    Excluded,
    Fit,
    FormatFit,
    Frontier,
    Groups,
    ModelLine,
    OtherInference,
    Provenance,
    RankingAgreement,
    Treatment,
    plain,
)


@dataclass(frozen=True, kw_only=True)
class Conclusions:
    """What every kind of comparison has."""

    suite: str
    provisional: bool
    provisional_reasons: list[str]
    excluded: list[Excluded]
    provenance: Provenance
    summary: str = ""
    run_id: str | None = None
    """None where the store cannot be written to."""


@dataclass(frozen=True, kw_only=True)
class BenchConclusions(Conclusions):
    """The models of a suite on one bench."""

    kind: Literal["comparison"] = "comparison"
    bench: str
    bench_version: str
    metric: str
    chance: float | None
    """None where the scores' scale has no chance level between 0 and 1."""
    n_models: int
    adjustment: str
    """`none` where there are base scores alone."""
    sides: list[str]
    """`base`, `adjusted`, or both: the halves that there are. What needs another is None."""
    policy: str
    score_rule: str
    inference: str
    cluster: str
    split: Groups | None
    """None where the models make no two groups."""
    no_theta: list[str]
    """What theta lacks, in words; empty where it can be fitted."""
    treatment: Treatment
    n_kept_base: int
    suite_saturation: SuiteSaturation
    final_by: Literal["models", "suite"] | None
    """What the comparison is final by; None where it is provisional."""
    n_lose: int | None
    n_without_half: int
    """Models that are left out as the half is missing which the others have."""
    base: Fit | None
    adjusted: Fit | None
    other_inference: OtherInference
    curves: Curves
    direct_effect: EffectSize | None
    indirect_effect: EffectSize | None
    pareto_area: Area
    frontier: Frontier
    emergence: list[EmergenceRow]
    budgets_left_out: list[float]
    """Of `emergence`: too few models were scored there."""
    discriminator: Discriminator | None
    confound: RecreatedConfound | None
    models: list[ModelLine]
    tie_test: str
    ranking_agreement: RankingAgreement | None
    pairs: list[Pair] | None
    """Every two models tested, on each side; None where they are many."""
    report: str | None = None
    """The page, where it is on this machine."""


@dataclass(frozen=True, kw_only=True)
class SeveralBenches(Conclusions):
    """What conclusions about several benches have."""

    benches: list[str]
    adjustments: dict[str, str]
    n_models: int
    policy: str
    score_rule: str
    inference: str
    cluster: str


@dataclass(frozen=True, kw_only=True)
class AgreementConclusions(SeveralBenches):
    """How much benches agree on the models, before and after adjusting."""

    kind: Literal["benches"] = "benches"
    pairs: list[BenchPair]
    first_component: FirstComponent
    models: list[ModelOnBenches]


@dataclass(frozen=True, kw_only=True)
class FormatConclusions(SeveralBenches):
    """The same questions as cloze, as multiple choice, and as multiple choice adjusted."""

    kind: Literal["reformulation"] = "reformulation"
    split: Division | None
    """None where the models make no two groups."""
    fits: list[FormatFit]


@dataclass(frozen=True, kw_only=True)
class ItemConclusions(Conclusions):
    """Models on the same documents, before and after adjusting."""

    kind: Literal["items"] = "items"
    bench: str
    adjustment: str
    models: list[ModelScore]
    pairs: list[Pair]


@dataclass(frozen=True, kw_only=True)
class VersionConclusions(Conclusions):
    """Versions of a registered model bench by bench, or the finals of a bench."""

    kind: Literal["versions"] = "versions"
    name: str
    benches: list[str]
    n_versions: int
    versions: list[VersionScore]
    pairs: list[Pair]
    left_out: list[LeftOut]


Concluded = BenchConclusions | AgreementConclusions | FormatConclusions | ItemConclusions | VersionConclusions
_CONCLUDED: TypeAdapter[Concluded] = TypeAdapter(Concluded)


def as_json(conclusions: Conclusions) -> dict[str, Any]:
    """The conclusions in JSON's types, by the contract's keys."""
    return dict(plain(asdict(conclusions)))


def from_json(value: Mapping[str, Any]) -> Concluded:
    """What `as_json` was given."""
    return _CONCLUDED.validate_python(dict(value))
