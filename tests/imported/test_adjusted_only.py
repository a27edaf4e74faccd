"""Adjusted scores that come without those of the base model: cells with one half, which are compared as such."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from tests.ingested import cell, ingest, write
from ttt.cell.read import read_result
from ttt.comparison.conclude import conclude
from ttt.comparison.inputs import read_inputs
from ttt.comparison.options import Options

MODELS = ("pythia-70m", "pythia-410m", "pythia-1b", "pythia-1.4b")


def gsm8k(p: float, n: int = 1000) -> dict[str, Any]:
    error = math.sqrt(p * (1 - p) / (n - 1))
    scores = {"exact_match,flexible-extract": p, "exact_match_stderr,flexible-extract": error}
    return {"results": {"gsm8k": scores}, "group_subtasks": {"gsm8k": []}, "n-shot": {"gsm8k": 5}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a company has that evaluates its own fine-tuned models, in the layout of the release."""
    for i, model in enumerate(MODELS):
        write(tmp_path / "files" / "e3" / "gsm8kaux" / f"{model}-gsm8k.json", gsm8k(0.1 + 0.05 * i))
    way = tmp_path / "files" / "intermediate" / "gsm8kaux" / "evals" / "pythia-1b"
    write(way / "step_10" / "gsm8k.json", gsm8k(0.15))
    return tmp_path / "files"


def test_they_are_cells_with_the_adjusted_half_alone(folder: Path) -> None:
    report, tracker = ingest(folder)
    assert (report["n_new"], report["n_files_used"], report["skipped"]) == (4, 5, {})
    assert len(report["notes"]["adjusted scores without those of the base model"]) == 4
    run = cell(tracker, "gsm8k", "pythia-1b full s0")
    assert run.data.metrics["adjusted/score"] == pytest.approx(0.2)
    assert not {name for name in run.data.metrics if name.startswith(("base/", "gain/"))}
    result = read_result(tracker, run.info.run_id)
    assert result.base == {"score": None, "stderr": None}
    assert result.gain["score"] is None
    assert [point["n_examples"] for point in result.checkpoints] == [640]
    again, _ = ingest(folder)
    assert (again["n_new"], again["n_superseded"], again["n_unchanged"]) == (0, 0, 4)


def test_they_are_ranked_and_the_report_says_which_half_is_missing(folder: Path) -> None:
    _, tracker = ingest(folder)
    options = Options(suite="theirs", n_replicates=49, n_permutations=1)
    found = conclude(tracker, read_inputs(tracker, "gsm8k", options), options)
    assert found.sides == ["adjusted"]
    assert [row.model for row in found.models] == [*reversed(MODELS)]
    assert "the base half of all 4 models is missing" in found.provisional_reasons
    assert "The base half is missing" in found.summary


def test_base_scores_that_come_later_supersede_them_and_stay(folder: Path) -> None:
    ingest(folder)
    for model in MODELS:
        write(folder / "base" / f"{model}-gsm8k.json", gsm8k(0.05))
    report, tracker = ingest(folder)
    assert (report["n_new"], report["n_superseded"]) == (4, 4)
    run = cell(tracker, "gsm8k", "pythia-1b full s0")
    assert run.data.metrics["gain/score"] == pytest.approx(0.15)
    for model in MODELS:
        (folder / "base" / f"{model}-gsm8k.json").unlink()
    write(folder / "base" / "pythia-160m-gsm8k.json", gsm8k(0.05))
    again, _ = ingest(folder)
    assert (again["n_new"], again["n_superseded"]) == (1, 0)
    assert "with base scores" in again["skipped"]["missing base"]["e3/gsm8kaux/pythia-1b-gsm8k.json"]
    assert cell(tracker, "gsm8k", "pythia-1b full s0").info.run_id == run.info.run_id


def test_models_of_which_little_is_known_are_ranked_and_what_a_fit_lacks_is_said(folder: Path, tmp_path: Path) -> None:
    for i, name in enumerate(MODELS):
        known: dict[str, Any] = {"n_tokens": 10**10} if i else {"trained": "2024-01"}
        model = {"name": name, "family": "own", "hub": f"someone/{name}", "n_params": 10**8, **known}
        write(tmp_path / "conf" / "model" / f"{name}.yaml", model)
    report, tracker = ingest(folder, conf=[str(tmp_path / "conf")])
    assert (report["n_new"], report["skipped"]) == (4, {})
    options = Options(suite="theirs", n_replicates=49, n_permutations=1)
    found = conclude(tracker, read_inputs(tracker, "gsm8k", options), options)
    assert [row.model for row in found.models] == [*reversed(MODELS)]
    assert [row.compute for row in found.models] == [6e18, 6e18, 6e18, None]
    assert "at least 4 models whose compute is known (there are 3)" in found.no_theta[0]
