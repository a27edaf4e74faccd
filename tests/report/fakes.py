"""Conclusions made up for the tests of the report: the published table's size, the lab's, and the awkward ones."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

from ttt.cell.suite_result import SuiteChange, SuiteSaturation
from ttt.comparison.conclusions import AgreementConclusions, BenchConclusions, FormatConclusions
from ttt.comparison.contenders import Agreement, BenchPair, FirstComponent, Pair
from ttt.comparison.demonstrations import Accuracy, Discriminator, HalvesThetas, RecreatedConfound
from ttt.comparison.findings import (
    Area,
    Curve,
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
    Step,
    Treatment,
)

FAMILIES = ("pythia", "llama", "llama-2", "falcon", "openllama", "olmo", "qwen-1.5", "yi", "stablelm", "internlm2")
NASTY = (
    "<script>alert(1)</script>",
    r"$\alpha_{1}$ & \$ 50%",
    '"><img src=x onerror=alert(1)>',
    "a-very-long-name-" + "of-a-model-" * 9,
    "--><!-- {{ 7 * 7 }} {% raw %}",
    "line\nbreak\x00and\x1bcontrol",
)


def conclusions(n_models: int = 53, seed: int = 0, chance: float = 0.25, **changes: Any) -> BenchConclusions:
    """A full set, with theta before, none after; `changes` replace parts."""
    draw = random.Random(seed)
    models = ranked([_model(draw, i, n_models, chance) for i in range(n_models)])
    n_newer = sum(line.newer for line in models)
    made = BenchConclusions(
        suite="published",
        bench="mmlu",
        bench_version="1",
        metric="acc,none",
        chance=chance,
        n_models=n_models,
        adjustment="full",
        sides=["base", "adjusted"],
        policy="raw",
        score_rule="bench",
        inference="clustered",
        cluster="family",
        split=Groups(
            "trained", "2023-11", "trained before 2023-11", "trained 2023-11 or later", n_models - n_newer, n_newer
        ),
        provisional=False,
        provisional_reasons=[],
        treatment=Treatment("3 epochs", n_models, 4, 6, 2, 3200),
        suite_saturation=suite_saturation(),
        final_by="models",
        no_theta=[],
        n_kept_base=0,
        n_lose=0,
        n_without_half=0,
        summary="Before adjusting, newer models score 0.068 above older ones at equal compute (0.029 to 0.108); "
        "after the same training on the test task the difference is gone: −0.005 (−0.024 to 0.014).",
        base=_fit(0.0684, 0.0196, 1.18e22, (6.1e21, 1.9e22), 0.632),
        adjusted=_fit(-0.0049, 0.0093, 4.28e20, (1.7e20, 8.8e20), 0.961),
        other_inference=OtherInference(
            "paper",
            replace(_fit(0.0679, 0.0181, 1.18e22, (None, None), 0.940), level="models"),
            replace(_fit(-0.0050, 0.0088, 4.28e20, (None, None), 0.990), level="models"),
            "Before adjusting theta's standard error is 0.020 by clustered inference and 0.018 by paper inference.",
        ),
        curves=Curves(_curve(0.068, 22.07, 0.16, chance, 0.02), _curve(-0.005, 20.63, 0.125, chance, 0.012)),
        direct_effect=EffectSize(-0.0041, 0.0092, -0.0232, 0.0151, 0.662, 0.968, "clusters", ""),
        indirect_effect=EffectSize(0.0712, 0.0184, 0.0331, 0.1093, 0.0004, 0.511, "clusters", ""),
        pareto_area=Area(0.1812, 0.0331),
        frontier=_frontier(models),
        emergence=_emergence(),
        budgets_left_out=[],
        discriminator=Discriminator(
            None,
            49,
            Accuracy(0.646, 0.64, 0.503, 0.601, 0.02, n_models - n_newer, n_newer),
            Accuracy(0.522, 0.52, 0.501, 0.598, 0.41, n_models - n_newer, n_newer),
        ),
        confound=RecreatedConfound(
            untouched=HalvesThetas([], 0.0003, -0.041, 0.042, 0.052),
            both_trained=HalvesThetas([], 0.0021, -0.067, 0.061, 0.046),
            half_trained=HalvesThetas([], 0.083, 0.041, 0.121, 0.94),
            all_adjusted=HalvesThetas([], -0.0004, -0.013, 0.012, 0.048),
            n_models=30,
            n_splits=500,
            n_permutations=119,
            level="clusters",
            n_units=12,
            design="auto",
            policy="raw",
            adjustments={"trained": "epochs_1", "base_adjusted": "epochs_2", "trained_adjusted": "epochs_1_2"},
            untrained=[],
            left_out=["llama-65b", "openllama-13b"],
            released_split=None,
        ),
        models=models,
        tie_test="paired",
        ranking_agreement=RankingAgreement(0.742, 0.611, 0.834, 0.001, n_models),
        pairs=None,
        excluded=[Excluded("gpt-neo-1.3b", "asked for")],
        provenance=Provenance(
            run_ids=[f"{draw.getrandbits(128):032x}" for _ in range(2 * n_models)],
            ttt_version="0.1.0",
            commit="198901e5c6a0",
            created="2025-05-14T09:26:53+00:00",
            tracking="sqlite:///mlruns/mlflow.db",
            command="python -m ttt.compare bench=mmlu suite=published exclude=[gpt-neo-1.3b]",
        ),
    )
    return replace(made, **changes)


def lab(**changes: Any) -> BenchConclusions:
    """Sixteen small models of two families, as the lab makes them; no emergence, no confound."""
    made = conclusions(16, seed=3, suite="lab", bench="lab_facts", emergence=[], confound=None, discriminator=None)
    models = [
        replace(
            line, model=f"lab-{'new' if line.newer else 'old'}-{i:02d}", compute=line.compute * 1e-9, seconds=8.0 + i
        )
        for i, line in enumerate(made.models)
    ]
    made = replace(
        made,
        models=models,
        frontier=_frontier(models),
        base=_scaled(made.base),
        adjusted=_scaled(made.adjusted),
        curves=Curves(*(curve and replace(curve, compute=[x * 1e-9 for x in curve.compute]) for curve in both(made))),
        split=replace(
            made.split, field="family", cutoff=None, older="old: prose only", newer="new: a dose of the task"
        ),
    )
    return replace(made, **changes)


def bare() -> BenchConclusions:
    """As little as a comparison can say: nothing is identified, no errors or seconds are known."""
    full = conclusions(5, seed=1)
    note = "the split follows compute"
    fit = Fit(None, None, None, None, None, None, None, None, None, None, None, None, None, [], None, note)
    effect = EffectSize(None, None, None, None, None, None, None, note)
    models = [
        replace(
            line,
            base_stderr=None,
            adjusted_stderr=None,
            gain_stderr=None,
            seconds=None,
            tie_group=1,
            tied_with_best=True,
        )
        for line in full.models
    ]
    return replace(
        full,
        summary="What being newer is worth is not identified: the split follows compute.",
        base=fit,
        adjusted=fit,
        other_inference=OtherInference("paper", fit, fit, "0 of 5 models lose by adjusting and count as they are."),
        curves=Curves(None, None),
        direct_effect=effect,
        indirect_effect=effect,
        emergence=[],
        budgets_left_out=[],
        discriminator=None,
        confound=None,
        models=models,
        treatment=Treatment("3 epochs", 0, None, None, 0, None),
        ranking_agreement=RankingAgreement(None, None, None, None, 5),
        excluded=[],
        provenance=Provenance([], "0.1.0", "unknown", "2025-05-14T09:26:53+00:00", "sqlite:///mlruns/mlflow.db"),
    )


def provisional() -> BenchConclusions:
    """Not every model is saturated."""
    made = conclusions(24, seed=5)
    models = [
        replace(line, saturated=False, saturation=("no", "undecided", "unknown")[i % 3]) if i < 7 else line
        for i, line in enumerate(made.models)
    ]
    reasons = ["3 of 24 models not saturated: pythia-70m-0, llama-1b-7", "2 of 24 models not judged yet: falcon-7b-3"]
    return replace(
        made,
        models=models,
        provisional=True,
        provisional_reasons=reasons,
        final_by=None,
        suite_saturation=SuiteSaturation("not judged", "no study covers falcon-7b-3"),
    )


def suite_saturation(
    older: float = 0.001, newer: float = 0.002, theta: float | None = 0.001, half: float = 0.004, **changes: Any
) -> SuiteSaturation:
    """By these mean gains and this change of theta; without one of the models of one group."""

    def change(estimate: float, floor: float = -math.inf) -> SuiteChange:
        low, high = estimate - half, estimate + half
        inside, outside = floor < low and high < 0.01, low > 0.01 or high < floor
        verdict = "saturated" if inside else "not saturated" if outside else "undecided"
        return SuiteChange(estimate, low, high, verdict, 12, 5, "")

    gains = {"older": change(older), "newer": change(newer)} if theta is not None else {"all": change(older)}
    theta_change = None if theta is None else change(theta, -0.01)
    verdicts = {one.verdict for one in (*gains.values(), theta_change) if one}
    verdict = (
        "not saturated" if "not saturated" in verdicts else "saturated" if verdicts == {"saturated"} else "undecided"
    )
    made = SuiteSaturation(verdict, "", 6400, 12800, 0.01, 12, 2000, "validation items", gains, theta_change, [], 0.44)
    return replace(made, **changes)


def nasty() -> BenchConclusions:
    """Names that would be markup, mathematics or templates if they were let."""
    made = conclusions(12, seed=2)
    named = [replace(line, model=name, family=name) for line, name in zip(made.models, NASTY, strict=False)]
    models = [*named, *made.models[len(named) :]]
    return replace(
        made,
        suite=NASTY[0],
        bench=NASTY[1],
        summary=NASTY[2],
        models=models,
        frontier=_frontier(models),
        excluded=[Excluded(NASTY[0], NASTY[2])],
        split=replace(made.split, older=NASTY[0], newer=NASTY[1]),
    )


def both(made: BenchConclusions) -> tuple[Curve | None, Curve | None]:
    return made.curves.base, made.curves.adjusted


def ranked(models: Sequence[ModelLine]) -> list[ModelLine]:
    """The best adjusted score first, with the ranks that follow from the scores."""
    before = sorted(models, key=lambda line: -line.base)
    after = sorted(models, key=lambda line: -line.adjusted)
    ranks = {line.model: rank for rank, line in enumerate(before, start=1)}
    return [
        replace(
            line,
            rank_base=ranks[line.model],
            rank_adjusted=rank,
            rank_change=ranks[line.model] - rank,
            tie_group=1 + rank // 4,
            tied_with_best=rank < 4,
        )
        for rank, line in enumerate(after, start=1)
    ]


def _model(draw: random.Random, i: int, n_models: int, chance: float) -> ModelLine:
    newer = draw.random() < 0.36
    tokens = 10 ** draw.uniform(11.5, 12.8)
    params = 10 ** (7.9 + 2.9 * (i + draw.random()) / n_models)
    log_compute = math.log10(6 * params * tokens)
    base = chance + 0.16 * max(0.0, log_compute - 22.07) + 0.068 * newer + draw.gauss(0, 0.03)
    adjusted = chance + 0.125 * max(0.0, log_compute - 20.63) + draw.gauss(0, 0.012)
    stderr = 0.0038 if n_models > 20 else 0.014
    family = FAMILIES[draw.randrange(len(FAMILIES))]
    return ModelLine(
        model=f"{family}-{params / 1e9:.1f}b-{i}",
        family=family,
        kind="base",
        languages=["en", "zh"] if draw.random() < 0.3 else ["en"],
        trained=f"2024-{1 + i % 6:02d}" if newer else f"2023-{1 + i % 9:02d}",
        compute=6 * params * tokens,
        n_params=int(params),
        n_tokens=int(tokens),
        base=base,
        base_stderr=stderr,
        adjusted=adjusted,
        adjusted_stderr=stderr * 0.95,
        gain=adjusted - base,
        gain_stderr=stderr * 1.1,
        kept_base=False,
        saturated=True,
        saturation="yes",
        seconds=40 * (params / 1e8) ** 0.8,
        n_seeds=1,
        run_ids=[f"{draw.getrandbits(128):032x}"],
        facts={},
        newer=newer,
        rank_base=0,
        rank_adjusted=0,
        rank_change=0,
        tie_group=0,
        tied_with_best=False,
    )


def _fit(theta: float, se: float, c_e: float, bounds: tuple[float | None, float | None], r2: float) -> Fit:
    p = 0.0008 if theta > 2 * se else 0.594
    return Fit(
        theta, se, theta - 2 * se, theta + 2 * se, p, 0.16, c_e, *bounds, r2, 0.25, False, 0.41, [], "clusters", ""
    )


def _scaled(fit: Fit) -> Fit:
    """At the compute of small models."""
    values = {name: getattr(fit, name) for name in ("c_e", "c_e_low", "c_e_high")}
    return replace(fit, **{name: value and value * 1e-9 for name, value in values.items()})


def _curve(theta: float, kink: float, alpha: float, chance: float, half: float) -> Curve:
    x = [19.6 + 0.1 * step for step in range(47)]
    older = [chance + alpha * max(0.0, value - kink) for value in x]
    return Curve(
        compute=[10.0**value for value in x],
        older=[*older],
        newer=[value + theta for value in older],
        older_low=[value - half for value in older],
        older_high=[value + half for value in older],
    )


def _frontier(models: Sequence[ModelLine]) -> Frontier:
    older = [line for line in models if not line.newer]
    return Frontier(
        base=_steps(models, "base"),
        base_older=_steps(older, "base"),
        adjusted=_steps(models, "adjusted"),
        adjusted_older=_steps(older, "adjusted"),
    )


def _steps(models: Sequence[ModelLine], side: str) -> list[Step]:
    steps: list[Step] = []
    for line in sorted(models, key=lambda line: line.compute):
        if not steps or getattr(line, side) > steps[-1].score:
            steps.append(Step(line.model, line.compute, getattr(line, side)))
    return steps


def _emergence() -> list[EmergenceRow]:
    """The checkpoints of MMLU's adjustment; the base score does not emerge, and one bound is open."""
    kinks: tuple[float | None, ...] = (None, 6e21, 2.1e21, 8.1e20, 4.3e20)
    return [
        EmergenceRow(
            examples=64.0 * step,
            n=36,
            c_e=kink,
            c_e_low=kink and (None if step == 100 else kink / 2.2),
            c_e_high=kink and kink * 1.9,
            r2=fit,
            r2_low=fit - 0.4 * (1 - fit),
            r2_high=fit + 0.3 * (1 - fit),
            floor=0.25,
            group="older",
            measure="score",
            left_out=[],
        )
        for step, kink, fit in zip((0, 100, 250, 1000, 4000), kinks, (0.632, 0.804, 0.913, 0.950, 0.961), strict=True)
    ]


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
    steps = {name: getattr(_frontier(models), name) for name in ("base", "adjusted")}
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
        frontier=_frontier(models),
    )


def unfitted(note: str) -> Fit:
    """Nothing was fitted, and why."""
    return replace(bare().base, note=note)
