"""What the release takes for a bench's score: the task's own entry, but for MMLU and its cloze form a mean of all."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from tests.ingested import write
from ttt.catalogue.definitions import Definitions
from ttt.cli.command import CONF
from ttt.imported.results import read
from ttt.imported.scores import side

SIZES = {"algebra": 300, "geometry": 100, "precalculus": 50}
SCORES = {"algebra": 0.1, "geometry": 0.02, "precalculus": 0.0}


def grouped(task: str, metric: str) -> dict[str, Any]:
    """A results file of a task with three parts of unequal size, whose own entry weighs them by it."""
    parts = {f"{task}_{part}": part for part in SIZES}
    whole = sum(SIZES[part] * SCORES[part] for part in SIZES) / sum(SIZES.values())
    results = {
        entry: {metric: SCORES[part], metric.replace(",", "_stderr,"): math.sqrt(0.1 / SIZES[part])}
        for entry, part in parts.items()
    }
    return {
        "results": {task: {metric: whole, metric.replace(",", "_stderr,"): 0.01}, **results},
        "group_subtasks": {task: [*parts]},
        "n-samples": {entry: {"original": SIZES[part], "effective": SIZES[part]} for entry, part in parts.items()},
    }


def test_only_mmlu_and_its_cloze_form_are_means_of_entries() -> None:
    definitions = Definitions([CONF])
    benches = [definitions.bench(file.stem) for file in sorted((CONF / "bench").glob("*.yaml"))]
    assert {bench.name for bench in benches if bench.paper_score == "mean_of_entries"} == {"mmlu", "mmlu_cloze"}


def test_the_papers_score_of_groups_is_their_own(tmp_path: Path) -> None:
    results = read(write(tmp_path / "math.json", grouped("leaderboard_math_hard", "exact_match,none")))
    scores = side(results, Definitions([CONF]).bench("math_hard"), ["leaderboard_math_hard"])
    assert scores["score"] == pytest.approx((300 * 0.1 + 100 * 0.02) / 450)
    assert "score_paper" not in scores
    assert "score_paper_stderr" not in scores


def test_the_papers_score_of_mmlu_is_the_mean_of_all_entries(tmp_path: Path) -> None:
    results = read(write(tmp_path / "mmlu.json", grouped("mmlu_cloze", "acc,none")))
    scores = side(results, Definitions([CONF]).bench("mmlu_cloze"), ["mmlu_cloze"])
    assert scores["score"] == pytest.approx(32 / 450)
    assert scores["score_paper"] == pytest.approx((32 / 450 + 0.1 + 0.02 + 0.0) / 4)
