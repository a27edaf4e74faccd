"""Scores of the paper's public release, read in place for the tests (never copied into the repository)."""

import csv
import json
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2].parent / "shared" / "published"
AUXILIARY = {"mmlu": "mmluaux", "gsm8k": "gsm8kaux"}
CHANCE = {"mmlu": 0.25, "gsm8k": 0.0}

EXPECTED: dict[str, dict[str, Any]] = {
    "mmlu": {
        "base": (0.068, 0.018, 0.940),
        "adjusted": (-0.005, 0.009, 0.990),
        "c_e": (1.18e22, 4.28e20),
        "languages": (0.092, 0.009),
        "direct_effect": (-0.004, 0.009),
        "indirect_effect": (0.071, 0.018),
        "pareto_area": (0.181, 0.033),
        "steps": {0: 0.632, 100: 0.804, 250: 0.913, 1000: 0.950, 4000: 0.961},
        "discriminator": (0.646, 0.522),
        "confound": (0.003, 0.088, 0.014),
        "confound_of_seed_42": (0.019, 0.092, 0.005),
    },
    "gsm8k": {
        "base": (0.168, 0.027, 0.908),
        "adjusted": (-0.001, 0.031, 0.957),
        "c_e": (2.28e22, 9.57e20),
        "languages": (0.125, 0.011),
        "direct_effect": (0.000, 0.032),
        "indirect_effect": (0.168, 0.032),
        "pareto_area": (0.420, 0.080),
        "steps": {0: 0.515, 250: 0.673, 1000: 0.783, 5000: 0.857, 25000: 0.854},
        "discriminator": (0.739, 0.525),
        "confound": (0.017, 0.225, 0.040),
        "confound_of_seed_42": (0.013, 0.194, -0.016),
    },
}
"""The figures of arXiv 2407.07890 and its release, typed here and nowhere else: theta, its error and R2 of each side,
where scores leave chance, theta by languages, effects and their errors, areas, R2 and accuracies by step, and thetas
between halves of the older models (nobody trained, one half trained, all adjusted): over splits, and on its own."""
WITHIN = 0.002
"""How near a figure of the release is reached: they have three digits."""

needs_published = pytest.mark.skipif(not ROOT.is_dir(), reason="the public release is absent: ../shared/published")


class Facts(NamedTuple):
    """What MODELS.tsv says of one model; compute is 6 N D in FLOPs."""

    family: str
    compute: float
    newer: bool
    chinese: bool


class Table(NamedTuple):
    """Models side by side, one entry a model: names, log10 compute, group, family, base and adjusted score."""

    names: list[str]
    log_compute: np.ndarray
    newer: np.ndarray
    chinese: np.ndarray
    family: np.ndarray
    base: np.ndarray
    adjusted: np.ndarray


@cache
def facts() -> dict[str, Facts]:
    """Facts by model name."""
    with (ROOT / "MODELS.tsv").open() as file:
        return {
            row["name"]: Facts(
                row["family"],
                6.0 * float(row["n_params"]) * float(row["n_tokens"]),
                row["trained"] >= "2023-11",
                row["languages"] == "en,zh",
            )
            for row in csv.DictReader(file, delimiter="\t")
        }


def score(path: Path, bench: str) -> float:
    """A file's score by the paper's rule: the plain mean over all listed entries (one entry for GSM8K)."""
    metric = {"mmlu": "acc,none", "gsm8k": "exact_match,flexible-extract"}[bench]
    results = json.loads(path.read_text())["results"]
    return float(np.mean([entry[metric] for entry in results.values()]))


@cache
def folder(name: str, bench: str) -> dict[str, float]:
    """Scores by model of one folder of the release, for the models with facts."""
    paths = {model: ROOT / name / f"{model}-{bench}.json" for model in facts()}
    return {model: score(path, bench) for model, path in paths.items() if path.exists()}


def adjusted_folder(stage: str, bench: str) -> dict[str, float]:
    """Scores by model after a stage of adjusting: e1, e2, e1+2 or e3."""
    return folder(f"{stage}/{AUXILIARY[bench]}", bench)


@cache
def step(bench: str, n: int) -> dict[str, float]:
    """Scores by model at a step of the full adjustment (64 examples a step); step 0 is the base model."""
    if n == 0:
        return folder("base", bench)
    evaluations = ROOT / "intermediate" / AUXILIARY[bench] / "evals"
    paths = {model: evaluations / model / f"step_{n}" / f"{bench}.json" for model in facts()}
    return {model: score(path, bench) for model, path in paths.items() if path.exists()}


@cache
def table(bench: str) -> Table:
    """All models of the release on one bench, under its policy: the better of before and after."""
    base, after = folder("base", bench), adjusted_folder("e3", bench)
    names = [model for model in facts() if model in base and model in after]
    known = [facts()[model] for model in names]
    before = np.array([base[model] for model in names])
    return Table(
        names,
        np.log10([model.compute for model in known]),
        np.array([model.newer for model in known]),
        np.array([model.chinese for model in known]),
        np.array([model.family for model in known]),
        before,
        np.maximum(before, [after[model] for model in names]),
    )
