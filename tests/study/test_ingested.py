"""Verdicts on results that others measured, by the scores at the checkpoints of their adjusting."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.imported.test_ingest import gsm8k
from tests.ingested import cell, ingest, write
from tests.stores import adjustment, made_models, planted
from tests.stores import write as make_store
from ttt.saturate import COMMAND
from ttt.spec import SpecError, Tracking
from ttt.study.ingested import judge_ingested
from ttt.tracking import Tracker

LADDERS = {
    "pythia-1b": (20_000, {100: 0.30, 200: 0.50, 400: 0.50}),
    "pythia-160m": (20_000, {100: 0.10, 200: 0.30, 400: 0.50}),
    "pythia-70m": (200, {100: 0.30, 200: 0.30, 400: 0.31}),
    "pythia-410m": (20_000, {400: 0.50}),
}
"""By model: items, and scores by step, of 64 examples each."""


@pytest.fixture
def ingested(tmp_path: Path) -> Tracker:
    folder = tmp_path / "files"
    for model, (n, scores) in LADDERS.items():
        write(folder / "base" / f"{model}-gsm8k.json", gsm8k(0.05, n))
        write(folder / "e3" / "gsm8kaux" / f"{model}-gsm8k.json", gsm8k(scores[400], n))
        for step, score in scores.items():
            way = folder / "intermediate" / "gsm8kaux" / "evals" / model / f"step_{step}"
            write(way / "gsm8k.json", gsm8k(score, n))
    return ingest(folder)[1]


def judge(tracker: Tracker, *more: str) -> int:
    asked = ["ingested=true", "suite=theirs", "bench=gsm8k", "study.tolerance=0.05", "from_share=0.4", *more]
    return COMMAND._main([*asked, f"tracking.root={tracker.root}"])


def test_each_cell_is_judged_by_its_checkpoints(
    ingested: Tracker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert judge(ingested, f"output={tmp_path}/out.json") == 0
    result = json.loads((tmp_path / "out.json").read_text())
    rows = {row["model"]: row for row in result["models"]}
    verdicts = {"pythia-1b": "saturated", "pythia-160m": "not saturated", "pythia-70m": "undecided"}
    assert {model: row["verdict"] for model, row in rows.items()} == verdicts
    assert result["counts"] == {"saturated": 1, "not saturated": 1, "undecided": 1}
    assert list(result["skipped"]) == ["pythia-410m full s0"], "one checkpoint tells nothing of what more would add"
    for row in rows.values():
        assert (row["budget"], row["later"]) == (200 * 64, 400 * 64), "from 0.4 of the last checkpoint's budget on"
    assert rows["pythia-160m"]["gain"] == pytest.approx(0.2)
    assert rows["pythia-70m"]["n_items_to_decide"] > 200
    words = {"saturated": "yes", "not saturated": "no", "undecided": "undecided"}
    for model, verdict in verdicts.items():
        tags = cell(ingested, "gsm8k", f"{model} full s0").data.tags
        assert (tags["ttt.saturated"], tags["ttt.saturated_by"]) == (words[verdict], "checkpoints")
        assert tags["ttt.saturated_reason"] == rows[model]["reason"]
    assert cell(ingested, "gsm8k", "pythia-410m full s0").data.tags["ttt.saturated"] == "unknown"
    assert cell(ingested, "gsm8k", "pythia-1b none s0").data.tags["ttt.saturated"] == "unknown"
    shown = capsys.readouterr().out
    assert "suite theirs, bench gsm8k: 1 saturated, 1 not saturated, 1 undecided" in shown
    assert "skipped pythia-410m full s0: 1 checkpoints" in shown


def test_what_is_assumed_of_the_items_decides_more_and_tags_nothing(ingested: Tracker, tmp_path: Path) -> None:
    """A correlation between two checkpoints narrows the interval, as if there were more items."""
    assert judge(ingested, f"output={tmp_path}/out.json", "study.tolerance=0.06") == 0
    result = json.loads((tmp_path / "out.json").read_text())
    assert result["counts"]["undecided"] == 1
    assert result["counts_if_correlated"]["0.8"]["undecided"] == 0
    tags = cell(ingested, "gsm8k", "pythia-70m full s0").data.tags
    assert tags["ttt.saturated"] == "undecided"


def test_seeds_of_one_model_are_refused_by_name_and_nothing_is_tagged(tmp_path: Path) -> None:
    """One of them would be judged with the suite, and the other lost without a word."""
    one, other = planted(made_models(2), 0.1)
    full, more = adjustment("full"), adjustment("more", examples=2000)
    tracker = make_store(tmp_path, [one, replace(one, seed=1), replace(one, adjustment=more), other])
    with pytest.raises(SpecError, match=f"{one.model.name} {full.name} s0, {one.model.name} {full.name} s1$"):
        judge_ingested(tracker, "made", "sums", 0.4, 0.05, "2023-11")
    assert all("ttt.saturated_by" not in run.data.tags for run in tracker.runs("made/sums", "cell"))


def test_a_suite_without_checkpoints_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "files" / "base" / "pythia-1b-gsm8k.json", gsm8k(0.05))
    _, tracker = ingest(tmp_path / "files")
    assert judge(tracker) == 2
    assert "has no adjusted cells on 'gsm8k' with checkpoints to judge by" in capsys.readouterr().err
    assert judge(Tracker(Tracking(root=str(tmp_path / "typo")), make=True)) == 2
    assert not (tmp_path / "typo").exists()
