"""Conclusions made up for the tests of the report: the published table's size, the lab's, and the awkward ones."""

from __future__ import annotations

import copy
import math
import random
from typing import Any

FAMILIES = ("pythia", "llama", "llama-2", "falcon", "openllama", "olmo", "qwen-1.5", "yi", "stablelm", "internlm2")
NASTY = (
    "<script>alert(1)</script>",
    r"$\alpha_{1}$ & \$ 50%",
    '"><img src=x onerror=alert(1)>',
    "a-very-long-name-" + "of-a-model-" * 9,
    "--><!-- {{ 7 * 7 }} {% raw %}",
    "line\nbreak\x00and\x1bcontrol",
)


def conclusions(n_models: int = 53, seed: int = 0, chance: float = 0.25, **changes: Any) -> dict[str, Any]:
    """A full set, with theta before, none after; `changes` replace parts."""
    draw = random.Random(seed)
    models = [_model(draw, i, n_models, chance) for i in range(n_models)]
    for side in ("base", "adjusted"):
        for rank, row in enumerate(sorted(models, key=lambda row: -row[side]), start=1):
            row[f"rank_{side}"] = rank
    for row in models:
        row["rank_change"] = row["rank_base"] - row["rank_adjusted"]
        row["tie_group"] = 1 + row["rank_adjusted"] // 4
    n_newer = sum(row["newer"] for row in models)
    made = {
        "suite": "published",
        "bench": "mmlu",
        "bench_version": 1,
        "metric": "acc,none",
        "chance": chance,
        "n_models": n_models,
        "policy": "raw",
        "score_rule": "bench",
        "inference": "clustered",
        "split": {
            "field": "trained",
            "cutoff": "2023-11",
            "older": "trained before 2023-11",
            "newer": "trained in 2023-11 or later",
            "n_older": n_models - n_newer,
            "n_newer": n_newer,
        },
        "provisional": False,
        "provisional_reasons": [],
        "verdict": "Before adjusting, newer models score 0.068 above older ones at equal compute (0.029 to 0.108); "
        "after the same training on the test task the difference is gone: −0.005 (−0.024 to 0.014).",
        "base": _fit(0.0684, 0.0196, 1.18e22, (6.1e21, 1.9e22), 0.632, chance),
        "adjusted": _fit(-0.0049, 0.0093, 4.28e20, (1.7e20, 8.8e20), 0.961, chance),
        "other_inference": {
            "name": "paper",
            "base": {**_fit(0.0679, 0.0181, 1.18e22, (None, None), 0.940, chance), "level": "models"},
            "adjusted": {**_fit(-0.0050, 0.0088, 4.28e20, (None, None), 0.990, chance), "level": "models"},
        },
        "curves": {
            "base": _curves(0.068, 22.07, 0.16, chance, 0.02),
            "adjusted": _curves(-0.005, 20.63, 0.125, chance, 0.012),
        },
        "direct_effect": {"estimate": -0.0041, "se": 0.0092, "low": -0.0232, "high": 0.0151, "p": 0.662, "r2": 0.968},
        "indirect_effect": {"estimate": 0.0712, "se": 0.0184, "low": 0.0331, "high": 0.1093, "p": 0.0004, "r2": 0.511},
        "pareto_area": {"base": 0.1812, "adjusted": 0.0331},
        "frontier": {side: _frontier(models, side) for side in ("base", "adjusted")},
        "emergence": _emergence(),
        "discriminator": {
            "base": {
                "accuracy": 0.646,
                "p": 0.02,
                "null_mean": 0.503,
                "null_high": 0.601,
                "n_older": 36,
                "n_newer": 17,
            },
            "adjusted": {"accuracy": 0.522, "p": 0.41, "null_mean": 0.501, "null_high": 0.598},
        },
        "confound": {
            "untouched": {"mean": 0.0003, "low": -0.041, "high": 0.042, "share_significant": 0.052},
            "half_trained": {"mean": 0.083, "low": 0.041, "high": 0.121, "share_significant": 0.94},
            "all_adjusted": {"mean": -0.0004, "low": -0.013, "high": 0.012, "share_significant": 0.048},
            "n_splits": 500,
        },
        "models": models,
        "ranking_agreement": {"tau": 0.742, "low": 0.611, "high": 0.834},
        "excluded": [{"model": "gpt-neo-1.3b", "reason": "no facts in conf/model"}],
        "provenance": {
            "run_ids": [f"{draw.getrandbits(128):032x}" for _ in range(2 * n_models)],
            "ttt_version": "0.1.0",
            "commit": "198901e5c6a0f0e9d2b8a7f3c1e4d5b6a7980123",
            "created": "2025-05-14T09:26:53+00:00",
            "tracking": "sqlite:///mlruns/mlflow.db",
        },
    }
    return {**made, **changes}


def lab(**changes: Any) -> dict[str, Any]:
    """Sixteen small models of two families, as the lab makes them; no emergence, no confound."""
    made = conclusions(16, seed=3, suite="lab", bench="lab_facts", emergence=[], confound=None, discriminator=None)
    for i, row in enumerate(made["models"]):
        family = "new" if row["newer"] else "old"
        row.update(model=f"lab-{family}-{i:02d}", family=family, compute=row["compute"] * 1e-9, seconds=8 + 3.5 * i)
    for side in ("base", "adjusted"):
        for key in ("c_e", "c_e_low", "c_e_high"):
            made[side][key] = made[side][key] and made[side][key] * 1e-9
        made["curves"][side]["compute"] = [x * 1e-9 for x in made["curves"][side]["compute"]]
        made["frontier"][side] = _frontier(made["models"], side)
    made["split"].update(field="family", cutoff=None, older="old: prose only", newer="new: a dose of the test task")
    return {**made, **changes}


def bare() -> dict[str, Any]:
    """As little as a comparison can say: nothing is identified, nothing optional is there."""
    full = conclusions(5, seed=1)
    fit = dict.fromkeys(full["base"]) | {"note": "the split follows compute"}
    for row in full["models"]:
        for key in ("base_stderr", "adjusted_stderr", "gain_stderr", "seconds", "tie_group", "saturated", "languages"):
            row[key] = None
    full["models"][0].update(dict.fromkeys(("base", "gain", "rank_base", "rank_change"), None))
    effect = dict.fromkeys(full["direct_effect"])
    empty = dict.fromkeys(("other_inference", "curves", "discriminator", "confound", "ranking_agreement", "frontier"))
    return {
        **full,
        **empty,
        "verdict": "What being newer is worth is not identified: the split follows compute.",
        "base": fit,
        "adjusted": copy.copy(fit),
        "direct_effect": effect,
        "indirect_effect": effect,
        "pareto_area": {"base": None, "adjusted": None},
        "emergence": [],
        "excluded": [],
        "provenance": {"run_ids": [], "ttt_version": "0.1.0"},
    }


def provisional() -> dict[str, Any]:
    """Not every model is saturated."""
    made = conclusions(24, seed=5)
    made["models"][3]["saturated"] = False
    reasons = ["7 of 24 models are not saturated: pythia-70m-0, llama-1b-7, falcon-7b-3", "2 models have a single seed"]
    return {**made, "provisional": True, "provisional_reasons": reasons}


def nasty() -> dict[str, Any]:
    """Names that would be markup, mathematics or templates if they were let."""
    made = conclusions(12, seed=2)
    for row, name in zip(sorted(made["models"], key=lambda row: row["rank_adjusted"]), NASTY, strict=False):
        row.update(model=name, family=name)
    made["frontier"] = {side: _frontier(made["models"], side) for side in ("base", "adjusted")}
    made["excluded"] = [{"model": NASTY[0], "reason": NASTY[2]}]
    made["split"].update(older=NASTY[0], newer=NASTY[1])
    return {**made, "suite": NASTY[0], "bench": NASTY[1], "verdict": NASTY[2]}


def _model(draw: random.Random, i: int, n_models: int, chance: float) -> dict[str, Any]:
    newer = draw.random() < 0.36
    tokens = 10 ** draw.uniform(11.5, 12.8)
    params = 10 ** (7.9 + 2.9 * (i + draw.random()) / n_models)
    log_compute = math.log10(6 * params * tokens)
    base = chance + 0.16 * max(0.0, log_compute - 22.07) + 0.068 * newer + draw.gauss(0, 0.03)
    adjusted = chance + 0.125 * max(0.0, log_compute - 20.63) + draw.gauss(0, 0.012)
    stderr = 0.0038 if n_models > 20 else 0.014
    family = FAMILIES[draw.randrange(len(FAMILIES))]
    return {
        "model": f"{family}-{params / 1e9:.1f}b-{i}",
        "family": family,
        "kind": "base",
        "languages": ["en", "zh"] if draw.random() < 0.3 else ["en"],
        "trained": f"2024-{1 + i % 6:02d}" if newer else f"2023-{1 + i % 9:02d}",
        "compute": 6 * params * tokens,
        "n_params": int(params),
        "n_tokens": int(tokens),
        "newer": newer,
        "base": base,
        "base_stderr": stderr,
        "adjusted": adjusted,
        "adjusted_stderr": stderr * 0.95,
        "gain": adjusted - base,
        "gain_stderr": stderr * 1.1,
        "kept_base": False,
        "saturated": True,
        "seconds": 40 * (params / 1e8) ** 0.8,
        "n_seeds": 1,
        "run_ids": [f"{draw.getrandbits(128):032x}"],
        "facts": {},
    }


def _fit(
    theta: float, se: float, c_e: float, bounds: tuple[float | None, float | None], r2: float, chance: float
) -> dict[str, Any]:
    return {
        "theta": theta,
        "theta_se": se,
        "theta_low": theta - 2.02 * se,
        "theta_high": theta + 2.02 * se,
        "theta_p": 0.0008 if theta > 2 * se else 0.594,
        "alpha": 0.16,
        "c_e": c_e,
        "c_e_low": bounds[0],
        "c_e_high": bounds[1],
        "r2": r2,
        "level": "clusters",
        "note": "",
    }


def _curves(theta: float, kink: float, alpha: float, chance: float, half: float) -> dict[str, list[float]]:
    x = [19.6 + 0.1 * step for step in range(47)]
    older = [chance + alpha * max(0.0, value - kink) for value in x]
    newer = [value + theta for value in older]
    return {
        "compute": [10.0**value for value in x],
        "older": older,
        "newer": newer,
        "older_low": [value - half for value in older],
        "older_high": [value + half for value in older],
        "newer_low": [value - 1.3 * half for value in newer],
        "newer_high": [value + 1.3 * half for value in newer],
    }


def _frontier(models: list[dict[str, Any]], side: str) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = []
    for row in sorted(models, key=lambda row: row["compute"]):
        if not steps or row[side] > steps[-1]["score"]:
            steps.append({"model": row["model"], "compute": row["compute"], "score": row[side]})
    return steps


def _emergence() -> list[dict[str, Any]]:
    """Two groups over the checkpoints of MMLU's adjustment; the base score of the older group does not emerge."""
    rows = []
    for group, c_e, r2 in (
        ("older", (None, 6e21, 2.1e21, 8.1e20, 4.3e20), (0.632, 0.804, 0.913, 0.950, 0.961)),
        ("newer", (8e21, 4e21, 1.6e21, 7e20, None), (0.71, 0.83, 0.92, 0.945, 0.952)),
    ):
        for step, kink, fit in zip((0, 100, 250, 1000, 4000), c_e, r2, strict=True):
            rows.append(
                {
                    "examples": 64 * step,
                    "n": 36,
                    "c_e": kink,
                    "c_e_low": kink and (None if step == 100 else kink / 2.2),
                    "c_e_high": kink and kink * 1.9,
                    "r2": fit,
                    "r2_low": fit - 0.4 * (1 - fit),
                    "r2_high": fit + 0.3 * (1 - fit),
                    "group": group,
                    "measure": "score",
                }
            )
    return rows
