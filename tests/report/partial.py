"""Made-up conclusions that lack a part: one side, few models, no chance level; and those of several benches."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any

from tests.report.fakes import bare, conclusions
from tests.report.parts import frontier, ranked
from ttt.comparison.conclusions import AgreementConclusions, BenchConclusions, FormatConclusions
from ttt.comparison.contenders import Agreement, BenchPair, FirstComponent, Pair
from ttt.comparison.findings import (
    Area,
    Curves,
    Division,
    Fit,
    FormatFit,
    Frontier,
    OtherInference,
)


def _several() -> dict[str, Any]:
    full = conclusions(12)
    names = ("suite", "n_models", "policy", "score_rule", "inference", "cluster", "provisional", "provisional_reasons")
    kept = {name: getattr(full, name) for name in (*names, "excluded", "provenance")}
    return {**kept, "benches": ["mmlu", "gsm8k"], "adjustments": {"mmlu": "full", "gsm8k": "full"}}


def agreement(before: float | None = 0.5, after: float | None = 0.8) -> AgreementConclusions:
    """Two benches on twelve models."""
    base, adjusted = (Agreement(tau, tau and tau - 0.1, tau and tau + 0.1, None, 12) for tau in (before, after))
    return AgreementConclusions(
        **_several(),
        pairs=[BenchPair("mmlu", "gsm8k", base, adjusted)],
        first_component=FirstComponent(base, adjusted),
        models=[],
    )


def formats(base: Fit | None = None) -> FormatConclusions:
    """The same questions in two formats."""
    fit = base or conclusions(12).base
    return FormatConclusions(
        **_several(),
        split=Division("trained", "2023-11", "older", "newer"),
        fits=[
            FormatFit(**vars(fit), bench=bench, format=name, scores=scores)
            for bench, name, scores in (
                ("cloze", "cloze", "base"),
                ("letters", "multiple_choice", "base"),
                ("letters", "multiple_choice", "adjusted"),
            )
        ],
    )


def one_side(side: str, n_models: int = 12, **changes: Any) -> BenchConclusions:
    """Base scores alone, or adjusted ones alone."""
    full = conclusions(n_models)
    other = "adjusted" if side == "base" else "base"
    lacking: dict[str, Any] = dict.fromkeys((other, f"{other}_stderr", f"rank_{other}"))
    lacking |= {"gain": None, "gain_stderr": None, "rank_change": None}
    order = sorted(full.models, key=lambda row: -getattr(row, side))
    models = [
        replace(row, **{**lacking, f"rank_{side}": rank, "tie_group": 1 + rank // 4}, seconds=row.seconds)
        for rank, row in enumerate(order, start=1)
    ]
    made = replace(
        full,
        sides=[side],
        adjustment="none" if side == "base" else "full",
        models=models,
        provisional=True,
        provisional_reasons=[f"the {other} half of all {n_models} models is missing"],
        final_by=None,
        other_inference=replace(full.other_inference, **{other: None}, note=""),
        curves=replace(full.curves, **{other: None}),
        indirect_effect=None,
        direct_effect=None if side == "base" else full.direct_effect,
        pareto_area=replace(full.pareto_area, **{other: None}),
        frontier=replace(full.frontier, **{other: None, f"{other}_older": None}),
        emergence=[] if side == "base" else full.emergence,
        discriminator=None,
        confound=None,
        n_lose=None,
        ranking_agreement=None,
        **{other: None},
    )
    return replace(made, **changes)


def few(n_models: int = 2, **changes: Any) -> BenchConclusions:
    """Two models or three: nothing is fitted, every pair is tested."""
    full = bare()
    models = [replace(row, newer=None) for row in ranked(full.models[:n_models])]
    steps = {name: getattr(frontier(models), name) for name in ("base", "adjusted")}
    made = replace(
        full,
        n_models=n_models,
        models=models,
        split=None,
        no_theta=[f"at least 4 models (there are {n_models})"],
        pareto_area=Area(None, None),
        frontier=Frontier(base=steps["base"], base_older=None, adjusted=steps["adjusted"], adjusted_older=None),
        pairs=[
            Pair(
                first.model,
                second.model,
                0.031,
                0.011,
                0.01,
                0.052,
                0.004,
                1319,
                1319,
                120,
                79,
                0.03,
                0.008,
                "",
                side,
                None,
                1188,
            )
            for side in ("base", "adjusted")
            for first, second in combinations(models, 2)
        ],
    )
    return replace(made, **changes)


def matthews() -> BenchConclusions:
    """Scores from -1 to 1, which have no chance level between 0 and 1."""
    full = conclusions(8, seed=4)
    shift = {"base": 0.3, "adjusted": 0.2}
    models = [replace(row, **{side: getattr(row, side) - by for side, by in shift.items()}) for row in full.models]
    nothing = unfitted("a fit needs a chance level between 0 and 1, which scores by 'mcc,none' have not")
    return replace(
        full,
        bench="cola",
        metric="mcc,none",
        chance=None,
        no_theta=["a chance level between 0 and 1, which scores by 'mcc,none' have not: they are from −0.050 to 0.320"],
        models=ranked(models),
        base=nothing,
        adjusted=nothing,
        other_inference=OtherInference("paper", nothing, nothing),
        curves=Curves(None, None),
        emergence=[],
        confound=None,
        frontier=frontier(models),
    )


def unfitted(note: str) -> Fit:
    """Nothing was fitted, and why."""
    return replace(bare().base, note=note)
