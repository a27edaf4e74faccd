"""The parts that made-up conclusions are put together from: models, fits, curves, frontiers."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace

from ttt.comparison.findings import (
    Curve,
    EmergenceRow,
    Fit,
    Frontier,
    ModelLine,
    Step,
)

FAMILIES = ("pythia", "llama", "llama-2", "falcon", "openllama", "olmo", "qwen-1.5", "yi", "stablelm", "internlm2")


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


def model(draw: random.Random, i: int, n_models: int, chance: float) -> ModelLine:
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


def fit(theta: float, se: float, c_e: float, bounds: tuple[float | None, float | None], r2: float) -> Fit:
    p = 0.0008 if theta > 2 * se else 0.594
    return Fit(
        theta, se, theta - 2 * se, theta + 2 * se, p, 0.16, c_e, *bounds, r2, 0.25, False, 0.41, [], "clusters", ""
    )


def scaled(fit: Fit) -> Fit:
    """At the compute of small models."""
    values = {name: getattr(fit, name) for name in ("c_e", "c_e_low", "c_e_high")}
    return replace(fit, **{name: value and value * 1e-9 for name, value in values.items()})


def curve(theta: float, kink: float, alpha: float, chance: float, half: float) -> Curve:
    x = [19.6 + 0.1 * step for step in range(47)]
    older = [chance + alpha * max(0.0, value - kink) for value in x]
    return Curve(
        compute=[10.0**value for value in x],
        older=[*older],
        newer=[value + theta for value in older],
        older_low=[value - half for value in older],
        older_high=[value + half for value in older],
    )


def frontier(models: Sequence[ModelLine]) -> Frontier:
    older = [line for line in models if not line.newer]
    return Frontier(
        base=steps(models, "base"),
        base_older=steps(older, "base"),
        adjusted=steps(models, "adjusted"),
        adjusted_older=steps(older, "adjusted"),
    )


def steps(models: Sequence[ModelLine], side: str) -> list[Step]:
    steps: list[Step] = []
    for line in sorted(models, key=lambda line: line.compute):
        if not steps or getattr(line, side) > steps[-1].score:
            steps.append(Step(line.model, line.compute, getattr(line, side)))
    return steps


def emergence() -> list[EmergenceRow]:
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
