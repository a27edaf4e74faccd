"""Conclusions made up for the tests of the report: the published table's size, the lab's, and the awkward ones."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import Any

from tests.report.parts import curve, emergence, fit, frontier, model, ranked, scaled
from ttt.cell.suite_result import SuiteChange, SuiteSaturation
from ttt.comparison.conclusions import BenchConclusions
from ttt.comparison.demonstrations import Accuracy, Discriminator, HalvesThetas, RecreatedConfound
from ttt.comparison.findings import (
    Area,
    Curve,
    Curves,
    EffectSize,
    Excluded,
    Fit,
    Groups,
    OtherInference,
    Provenance,
    RankingAgreement,
    Treatment,
)

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
    models = ranked([model(draw, i, n_models, chance) for i in range(n_models)])
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
        base=fit(0.0684, 0.0196, 1.18e22, (6.1e21, 1.9e22), 0.632),
        adjusted=fit(-0.0049, 0.0093, 4.28e20, (1.7e20, 8.8e20), 0.961),
        other_inference=OtherInference(
            "paper",
            replace(fit(0.0679, 0.0181, 1.18e22, (None, None), 0.940), level="models"),
            replace(fit(-0.0050, 0.0088, 4.28e20, (None, None), 0.990), level="models"),
            "Before adjusting theta's standard error is 0.020 by clustered inference and 0.018 by paper inference.",
        ),
        curves=Curves(curve(0.068, 22.07, 0.16, chance, 0.02), curve(-0.005, 20.63, 0.125, chance, 0.012)),
        direct_effect=EffectSize(-0.0041, 0.0092, -0.0232, 0.0151, 0.662, 0.968, "clusters", ""),
        indirect_effect=EffectSize(0.0712, 0.0184, 0.0331, 0.1093, 0.0004, 0.511, "clusters", ""),
        pareto_area=Area(0.1812, 0.0331),
        frontier=frontier(models),
        emergence=emergence(),
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
        frontier=frontier(models),
        base=scaled(made.base),
        adjusted=scaled(made.adjusted),
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
        frontier=frontier(models),
        excluded=[Excluded(NASTY[0], NASTY[2])],
        split=replace(made.split, older=NASTY[0], newer=NASTY[1]),
    )


def both(made: BenchConclusions) -> tuple[Curve | None, Curve | None]:
    return made.curves.base, made.curves.adjusted
