"""The files of the paper's release that are beside the checkout, ingested whole; skipped where they are absent."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from ttt.ingest import parse, work
from ttt.spec import Tracking
from ttt.tracking import Tracker

PUBLISHED = Path(__file__).resolve().parents[3] / "shared" / "published"


@pytest.mark.real
@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the public release is absent: ../shared/published")
def test_the_published_results(tmp_path: Path) -> None:
    tracking = {"root": str(tmp_path / "mlruns")}
    asked = {"path": str(PUBLISHED), "suite": "theirs", "pattern": None, "conf": [], "output": None}
    report = work(parse({**asked, "tracking": tracking}))
    with (PUBLISHED / "MODELS.tsv").open(encoding="utf-8") as table:
        models = {row["name"] for row in csv.DictReader(table, delimiter="\t")}
    assert list(report["skipped"]) == ["model without facts"]
    assert all("gpt-neo" in name for name in report["skipped"]["model without facts"])
    assert (
        report["n_files"] == len(list(PUBLISHED.rglob("*.json"))) == report["n_files_used"] + report["n_files_skipped"]
    )
    tracker = Tracker(Tracking(**tracking))
    for bench, metric in (("mmlu", "acc,none"), ("gsm8k", "exact_match,flexible-extract")):
        runs = {run.info.run_name: run for run in tracker.runs(f"theirs/{bench}", "cell")}
        assert {run.data.tags["ttt.model"] for run in runs.values()} == models
        for model in models:
            metrics = runs[f"{model} full s0"].data.metrics
            for name, file in (("base", f"base/{model}-{bench}"), ("adjusted", f"e3/{bench}aux/{model}-{bench}")):
                results = json.loads((PUBLISHED / f"{file}.json").read_text())["results"]
                assert metrics[f"{name}/score"] == results[bench][metric]
                plain = sum(e[metric] for e in results.values()) / len(results)
                by_paper = f"{name}/score_paper" if bench == "mmlu" else f"{name}/score"
                assert metrics[by_paper] == pytest.approx(plain, abs=1e-12)
