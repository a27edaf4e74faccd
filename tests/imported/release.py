"""The whole layout of the paper's release, made up: every kind of folder, task and file, by rules, for a few models."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.ingested import write

Content = dict[str, Any]

EXACT = "exact_match,none"
TASKS: dict[str, tuple[tuple[str, ...], tuple[str, ...], int]] = {
    "mmlu": (("anatomy", "virology"), ("acc,none", "brier_score,none"), 5),
    "mmlu_cloze": (("anatomy_cloze", "virology_cloze"), ("acc,none", "brier_score,none"), 5),
    "gsm8k": ((), ("exact_match,flexible-extract", "exact_match,strict-match"), 5),
    "minerva_math": (("algebra", "geometry"), (EXACT,), 4),
    "arc_challenge": ((), ("acc,none", "brier_score,none"), 25),
    "arc_challenge_mc": ((), ("acc,none", "brier_score,none"), 25),
    "hellaswag": ((), ("acc,none", "acc_norm,none"), 10),
    "hellaswag_mc": ((), ("acc,none", "brier_score,none"), 10),
    "winogrande": ((), ("acc,none", "brier_score,none"), 5),
    "winogrande_mc": ((), ("acc,none", "brier_score,none"), 5),
    "truthfulqa_mc2": ((), ("acc,none",), 0),
    "truthfulqa_mc2_mc": ((), ("acc,none", "brier_score,none"), 6),
    "leaderboard_bbh": (("snarks", "navigate"), ("acc_norm,none",), 3),
    "leaderboard_bbh_mmlu": (("snarks", "navigate"), ("acc_norm,none",), 3),
    "leaderboard_gpqa": (("main", "diamond"), ("acc_norm,none",), 0),
    "leaderboard_gpqa_mmlu": (("main", "diamond"), ("acc_norm,none",), 0),
    "leaderboard_musr": (("murder_mysteries",), ("acc_norm,none",), 0),
    "leaderboard_musr_mmlu": (("murder_mysteries",), ("acc_norm,none",), 0),
    "leaderboard_mmlu_pro": ((), ("acc,none",), 5),
    "leaderboard_mmlu_pro_four": ((), ("acc,none",), 5),
    "leaderboard_math_hard": (("algebra_hard", "geometry_hard"), (EXACT,), 4),
}
"""By the task in a file's name: the parts of its group, its metrics and its shots."""
FIRST = [task for task in TASKS if not task.startswith("leaderboard_")]
SECOND = [task for task in TASKS if task.startswith("leaderboard_")]
MATHEMATICAL = ("gsm8k", "minerva_math", "leaderboard_math_hard")
STEPS = {"mmlu": (10, 30, 4000), "gsm8k": (10, 25000)}


def data_of(task: str) -> str:
    return "gsm8kaux" if task in MATHEMATICAL else "mmluaux"


def results(task: str, score: float, recent: bool = False) -> Content:
    """A file of 2024, or of the recent lm-eval that says how many documents there were."""
    parts, metrics, shots = TASKS[task]
    children = [f"{task}_{part}" for part in parts]
    entries = {}
    for entry in (task, *children):
        n = 100 if children and entry != task else 100 * max(1, len(children))
        entries[entry] = {metric: round(score / (i + 1), 2) for i, metric in enumerate(metrics)} | {"alias": entry}
        for i, metric in enumerate(metrics):
            name, extraction = metric.split(",")
            p = round(score / (i + 1), 2)
            entries[entry][f"{name}_stderr,{extraction}"] = math.sqrt(p * (1 - p) / (n - 1))
    content = {
        "results": entries,
        "group_subtasks": {task: children},
        "n-shot": {entry: 0 if children and entry == task else shots for entry in entries},
        "config": {"limit": None},
    }
    if recent:
        leaves = children or [task]
        content |= {"n-samples": {leaf: {"original": 100, "effective": 100} for leaf in leaves}, "date": 1.7e9}
        content |= {"chat_template": None, "n-shot": dict.fromkeys(entries, shots)}
    return content


def made(models: list[str], older: list[str]) -> Iterator[tuple[str, Content]]:
    """Names and contents of all files below `evaluations`; the older models have budgets of 1 and 2 epochs."""
    for i, model in enumerate(models):
        base, after = 0.3 + i / 100, 0.5 + i / 100
        for task in FIRST:
            yield f"base/{model}-{task}.json", results(task, base)
            yield f"e3/{data_of(task)}/{model}-{task}.json", results(task, after)
        for task in SECOND:
            yield f"new_evals/base/{model}-{task}.json", results(task, base, recent=True)
            yield f"new_evals/{data_of(task)}/{model}-{task}.json", results(task, after, recent=i % 2 == 0)
        for task, steps in STEPS.items():
            for step in steps:
                name = f"intermediate/{data_of(task)}/evals/{model}/step_{step}/{task}.json"
                yield name, results(task, (base + after) / 2)
            for folder in ("e1", "e2", "e1+2") if model in older else ():
                yield f"{folder}/{data_of(task)}/{model}-{task}.json", results(task, after - 0.05)


def write_release(folder: Path, models: list[str], older: list[str]) -> list[str]:
    """Writes the release as a checkout has it, and returns the names of all files of results."""
    names = []
    for name, content in made(models, older):
        write(folder / "notebooks" / "evaluations" / name, content)
        names.append(f"notebooks/evaluations/{name}")
    write(folder / "experiments" / "zero3_config" / "zero3.json", {"zero_optimization": {"stage": 3}})
    write(folder / "README.md", "# Training on the Test Task\n")
    return names
