"""Result files of others as cells: what an ingested run holds, what is left out and why, and that twice is once."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.ingested import cell, ingest, write
from ttt.catalogue.definitions import Definitions
from ttt.cell.read import read_result
from ttt.cli.command import CONF, Command
from ttt.imported.results import read, stderr_of
from ttt.imported.scores import side
from ttt.ingest import parse, show, work
from ttt.spec import SpecError

SUBJECTS = {"stem": {"anatomy": 50, "virology": 150}, "other": {"marketing": 200, "nutrition": 100}}

Answer = dict[str, Any]


def entry(p: float, n: int, metric: str = "acc,none") -> dict[str, float]:
    return {metric: p, stderr_of(metric): math.sqrt(p * (1 - p) / (n - 1))}


def mmlu(shift: float = 0.0, shots: int = 5) -> dict[str, Any]:
    """A results file with two groups of two subjects, in the shape of 2024: no sizes, shots of 0 for the groups."""
    results: dict[str, Any] = {}
    groups: dict[str, list[str]] = {}
    for group, subjects in SUBJECTS.items():
        for i, (subject, n) in enumerate(subjects.items()):
            results[f"mmlu_{subject}"] = entry(round((0.3 + 0.1 * i + shift) * n) / n, n)
        groups[f"mmlu_{group}"] = [f"mmlu_{subject}" for subject in subjects]
        weights = np.array(list(subjects.values())) / sum(subjects.values())
        scores = np.array([results[name]["acc,none"] for name in groups[f"mmlu_{group}"]])
        results[f"mmlu_{group}"] = {"acc,none": float(weights @ scores), "acc_stderr,none": 0.02}
    sizes = np.array([sum(subjects.values()) for subjects in SUBJECTS.values()])
    whole = sizes @ np.array([results[f"mmlu_{group}"]["acc,none"] for group in SUBJECTS]) / sizes.sum()
    results["mmlu"] = {"acc,none": float(whole), "acc_stderr,none": 0.02, "brier_score,none": 0.7, "alias": "mmlu"}
    results["mmlu"]["brier_score_stderr,none"] = "N/A"
    groups["mmlu"] = [f"mmlu_{group}" for group in SUBJECTS]
    n_shot = {name: 0 if name in groups else shots for name in results}
    return {"results": results, "group_subtasks": groups, "n-shot": n_shot, "config": {"limit": None}}


def gsm8k(p: float = 0.25, n: int = 1000) -> dict[str, Any]:
    loose, strict = "exact_match,flexible-extract", "exact_match,strict-match"
    scores = entry(p, n, loose) | entry(p / 2, n, strict) | {"alias": "gsm8k"}
    return {"results": {"gsm8k": scores}, "group_subtasks": {"gsm8k": []}, "n-shot": {"gsm8k": 5}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two models in the layout of the release: one adjusted with checkpoints, one base model alone."""
    folder = tmp_path / "files"
    write(folder / "base" / "pythia-1b-mmlu.json", mmlu())
    write(folder / "base" / "pythia-1b-gsm8k.json", gsm8k(0.1))
    write(folder / "base" / "pythia-70m-mmlu.json", mmlu(-0.1))
    write(folder / "e3" / "mmluaux" / "pythia-1b-mmlu.json", mmlu(0.3))
    write(folder / "e1+2" / "gsm8kaux" / "pythia-1b-gsm8k.json", gsm8k(0.3))
    for step, shift in ((10, 0.1), (1000, 0.2)):
        way = folder / "intermediate" / "mmluaux" / "evals" / "pythia-1b" / f"step_{step}"
        write(way / "mmlu.json", mmlu(shift))
    write(folder / "README.md", "not a result")
    return folder


def test_an_ingested_run_keeps_the_contract(folder: Path) -> None:
    report, tracker = ingest(folder)
    counts = {name: report[f"n_{name}"] for name in ("files", "files_used", "files_skipped", "new", "unchanged")}
    assert counts == {"files": 7, "files_used": 7, "files_skipped": 0, "new": 5, "unchanged": 0}
    run = cell(tracker, "mmlu", "pythia-1b full s0")
    assert run.info.status == "FINISHED"
    tags = {name.removeprefix("ttt."): value for name, value in run.data.tags.items() if name.startswith("ttt.")}
    digests = ("recipe", "bench_digest", "task_data_digest")
    assert all(len(tags[name]) == 20 for name in digests)
    assert {
        name: tags[name] for name in tags if name not in ("key", "commit", "host", "process", "heartbeat", *digests)
    } == {
        **{"kind": "cell", "suite": "theirs", "model": "pythia-1b", "family": "pythia", "bench": "mmlu"},
        **{"bench_version": "1", "adjustment": "full", "seed": "0", "saturated": "unknown", "ingested": "published"},
    }
    assert float(run.data.params["compute"]) == pytest.approx(1.8e21)
    assert (run.data.params["budget"], run.data.params["task_data"]) == ("3 epochs", "mmluaux")
    metrics = run.data.metrics
    before, after = mmlu()["results"], mmlu(0.3)["results"]
    assert metrics["base/score"] == before["mmlu"]["acc,none"]
    assert metrics["adjusted/score"] == after["mmlu"]["acc,none"]
    assert metrics["adjusted/score_stderr"] == 0.02
    assert metrics["adjusted/brier_score"] == 0.7
    assert metrics["gain/score"] == pytest.approx(after["mmlu"]["acc,none"] - before["mmlu"]["acc,none"])
    for name, results in (("base", before), ("adjusted", after)):
        assert metrics[f"{name}/score_paper"] == pytest.approx(np.mean([e["acc,none"] for e in results.values()]))
        assert metrics[f"{name}/score_paper"] != pytest.approx(metrics[f"{name}/score"], abs=1e-4)
    for name in ("score", "score_paper"):
        history = tracker.client.get_metric_history(run.info.run_id, f"adjusted/{name}")
        assert sorted(point.step for point in history) == [640, 64000, 299526], "the last is 3 epochs of the task data"
    result = read_result(tracker, run.info.run_id)
    assert (result.run_id, result.key) == (run.info.run_id, tags["key"])
    assert result.n_items == 500, "recovered from the standard errors"
    assert [point["n_examples"] for point in result.checkpoints] == [640, 64000, 299526]
    assert result.checkpoints[0]["score"] == mmlu(0.1)["results"]["mmlu"]["acc,none"]
    assert {"stderr", "score_paper", "score_paper_stderr", "brier_score"} <= set(result.checkpoints[0])
    files = tracker.read_json(run.info.run_id, "files.json")
    assert len(files) == 4
    assert all(len(file["sha256"]) == 64 for file in files.values())


def test_a_base_file_is_a_cell_of_its_own(folder: Path) -> None:
    _, tracker = ingest(folder)
    for label in ("pythia-1b none s0", "pythia-70m none s0"):
        run = cell(tracker, "mmlu", label)
        assert run.data.metrics["base/score"] == run.data.metrics["adjusted/score"]
        assert run.data.metrics["gain/score"] == 0
        assert run.data.metrics["gain/score_stderr"] == 0


def test_where_the_budget_is_unknown_the_end_comes_after_the_checkpoints(folder: Path) -> None:
    write(folder / "e3" / "gsm8kaux" / "pythia-1b-gsm8k.json", gsm8k(0.4))
    write(folder / "intermediate/gsm8kaux/evals/pythia-1b/step_25000/gsm8k.json", gsm8k(0.35))
    _, tracker = ingest(folder)
    run = cell(tracker, "gsm8k", "pythia-1b full s0")
    assert run.data.metrics["adjusted/score"] == 0.4
    assert "adjusted/score_paper" not in run.data.metrics, "the paper has no rule of its own for this bench"
    assert [point["n_examples"] for point in read_result(tracker, run.info.run_id).checkpoints] == [1_600_000]
    assert run.data.metrics["adjusted/exact_match.strict-match"] == 0.2
    other = cell(tracker, "gsm8k", "pythia-1b epochs_1_2 s0")
    assert other.data.metrics["adjusted/score"] == 0.3
    assert read_result(tracker, other.info.run_id).checkpoints == []


def test_the_stderr_of_the_plain_mean_is_that_of_draws(tmp_path: Path) -> None:
    results = read(write(tmp_path / "mmlu.json", mmlu()))
    bench = Definitions([CONF]).bench("mmlu")
    draw = np.random.default_rng(0)
    p = {name: score["acc,none"] for name, score in results.scores.items()}
    means = []
    drawn = {}
    for group, subjects in SUBJECTS.items():
        for subject, n in subjects.items():
            drawn[subject] = draw.binomial(n, p[f"mmlu_{subject}"], 20_000) / (n - 1)  # as lm-eval's standard errors
        drawn[group] = sum(drawn[subject] * n for subject, n in subjects.items()) / sum(subjects.values())
    whole = sum(drawn[group] * sum(subjects.values()) for group, subjects in SUBJECTS.items()) / 500
    means = (sum(drawn.values()) + whole) / 7
    assert side(results, bench, ["mmlu"])["score_paper_stderr"] == pytest.approx(means.std(), rel=0.02)


def test_ingesting_twice_changes_nothing(folder: Path) -> None:
    first, tracker = ingest(folder)
    runs = {run.info.run_id for run in tracker.runs("theirs/mmlu", "cell")}
    again, _ = ingest(folder)
    assert (again["n_new"], again["n_superseded"], again["n_unchanged"]) == (0, 0, 5)
    assert again["run_id"] == first["run_id"]
    assert {run.info.run_id for run in tracker.runs("theirs/mmlu", "cell")} == runs
    assert len(tracker.runs("theirs/ingest", "ingest")) == 1


def test_a_cell_whose_files_changed_supersedes_the_old_one(folder: Path) -> None:
    first, tracker = ingest(folder)
    old = cell(tracker, "mmlu", "pythia-1b full s0")
    write(folder / "e3" / "mmluaux" / "pythia-1b-mmlu.json", mmlu(0.4))
    report, _ = ingest(folder)
    assert (report["n_new"], report["n_superseded"], report["n_unchanged"]) == (0, 1, 4)
    assert report["run_id"] != first["run_id"]
    new = cell(tracker, "mmlu", "pythia-1b full s0")
    assert new.info.run_id != old.info.run_id
    assert tracker.client.get_run(old.info.run_id).data.tags["ttt.superseded"] == new.info.run_id


def test_what_cannot_be_used_is_named_and_the_rest_goes_in(folder: Path) -> None:
    nan = json.dumps(gsm8k()).replace("0.25", "NaN")
    checkpoint = "intermediate/gsm8kaux/evals/pythia-1b/step_10/gsm8k.json"
    faults: dict[str, tuple[str, Any, str]] = {
        "broken": ("base/pythia-12b-mmlu.json", '{"results": {', "not JSON"),
        "broken 2": ("base/pythia-12b-gsm8k.json", "[" * 100_000, "not JSON"),
        "broken 3": ("base/pythia-2.8b-mmlu.json", "[1, 2]", "has no `results`"),
        "broken 4": ("base/pythia-2.8b-gsm8k.json", nan, "has no 'exact_match,flexible-extract', but"),
        "broken 5": ("base/pythia-6.9b-gsm8k.json", gsm8k(1.0) | {"results": {"gsm8k": _percent()}}, "25.0, which is"),
        "broken 6": ("base/pythia-6.9b-mmlu.json", b"\xff\xfe{", "not JSON"),
        "unknown task": ("base/pythia-1b-drop.json", gsm8k(), "there is no bench/drop.yaml; the nearest are"),
        "unknown task 2": (
            "base/pythia-410m-mmlu.json",
            gsm8k(),
            "has no entry 'mmlu' of the bench 'mmlu', but: gsm8k",
        ),
        "model without facts": ("base/<script>-mmlu.json", mmlu(), "there is no model/<script>.yaml; the nearest are"),
        "no meaning": ("elsewhere/pythia-1b-mmlu.json", mmlu(), "fits no rule of the pattern 'published'"),
        "other protocol": ("base/pythia-160m-mmlu.json", mmlu(shots=0), "0 shots, and the bench 'mmlu' has 5"),
        "missing end": (checkpoint, gsm8k(), "no scores after the whole adjustment for pythia-1b full"),
    }
    for file, content, _ in faults.values():
        if isinstance(content, bytes):
            (folder / file).write_bytes(content)
        else:
            write(folder / file, content)
    limited = gsm8k() | {"config": {"limit": 10.0}}
    write(folder / "base" / "pythia-1.4b-gsm8k.json", limited)
    report, tracker = ingest(folder)
    assert report["n_new"] == 5
    assert report["n_files_skipped"] == len(faults) + 1
    for reason, (file, _, why) in faults.items():
        named = report["skipped"][reason.rstrip(" 0123456789")]
        assert why in named[file]
    assert "limit 10" in report["skipped"]["other protocol"]["base/pythia-1.4b-gsm8k.json"]
    run = tracker.client.get_run(report["run_id"])
    assert run.data.tags["ttt.kind"] == "ingest"
    assert run.data.metrics["n_files_skipped"] == len(faults) + 1
    kept = tracker.read_json(report["run_id"], "report.json")
    assert kept["skipped"] == report["skipped"]
    assert tracker.artifact(report["run_id"], "skipped.json")


def _percent() -> dict[str, float]:
    return {"exact_match,flexible-extract": 25.0, "exact_match_stderr,flexible-extract": 1.0}


def test_shots_that_are_not_stated_are_noted(folder: Path) -> None:
    file = folder / "base" / "pythia-160m-mmlu.json"
    write(file, mmlu() | {"n-shot": {"mmlu": 0, "mmlu_anatomy": None}})
    report, _ = ingest(folder)
    assert report["notes"] == {"shots not stated": ["base/pythia-160m-mmlu.json"]}
    assert report["n_new"] == 6


def test_a_file_of_several_benches(folder: Path, tmp_path: Path) -> None:
    both = gsm8k()
    for key, value in mmlu().items():
        both[key] = {**value, **both.get(key, {})}
    both["results"]["dancing"] = {"acc,none": 0.5}
    results = tmp_path / "results"
    write(results / "EleutherAI__pythia-1b" / "results_2026.json", both)
    report, tracker = ingest(results)
    assert report["n_new"] == 2
    assert list(report["skipped"]["unknown task"]) == ["EleutherAI__pythia-1b/results_2026.json [dancing]"]
    expected = mmlu()["results"]["mmlu"]["acc,none"]
    run = cell(tracker, "mmlu", "pythia-1b none s0")
    assert run.data.metrics["base/score"] == expected
    plain = np.mean([e["acc,none"] for e in mmlu()["results"].values()])
    assert run.data.metrics["base/score_paper"] == pytest.approx(plain), "other benches' entries do not count"


def test_bad_requests_get_one_message(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write(tmp_path / "strange" / "a.json", "{}")
    write(tmp_path / "broken" / "base" / "pythia-1b-mmlu.json", "{")
    for changes, message in (
        ({"path": "???"}, "path: is missing"),
        ({"path": str(tmp_path / "nowhere")}, "path: there is no folder"),
        ({"path": str(tmp_path / "empty")}, "path: there are no .json files"),
        ({"path": str(tmp_path / "strange")}, r"path: none of its 1 .json files \(such as a.json\)"),
        ({"path": str(tmp_path / "broken")}, r"\n1 left out, broken, such as base/pythia-1b-mmlu.json: not JSON"),
        ({"pattern": "publishd"}, "pattern: there is no 'publishd'; the choices are: published, harness"),
        ({"suite": "a b"}, "suite: 'a b' does not have the form"),
    ):
        with pytest.raises(SpecError, match=message):
            ingest(folder, **changes)
    assert not (tmp_path / "mlruns").exists(), "a wrong request leaves nothing behind"


def test_numbers_of_task_data_by_a_bench_are_refused_with_the_name(folder: Path, tmp_path: Path) -> None:
    published = (CONF / "ingest" / "published.yaml").read_text()
    old = published.replace("{mmluaux: 99_842}", "{mmlu: 99_842}")
    write(tmp_path / "mine" / "ingest" / "published.yaml", old)
    with pytest.raises(SpecError, match=r"published.yaml: n_task_data: 'mmlu' is a bench.*, write 'mmluaux'"):
        ingest(folder, conf=[str(tmp_path / "mine")])
    assert not (tmp_path / "mlruns").exists()


def test_the_command(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder / "base" / "[bold]-mmlu.json", mmlu())
    command = Command("ingest", parse, work, show)
    out = tmp_path / "out.json"
    common = [f"tracking.root={tmp_path / 'mlruns'}", "suite=theirs"]
    assert command._main([f"path={folder}", f"output={out}", *common]) == 0
    report = json.loads(out.read_text())
    assert report["n_new"] == 5
    shown = capsys.readouterr().out
    assert "model without facts" in shown
    assert "[bold]-mmlu.json" in shown
    assert command._main([f"path={tmp_path / 'nowhere'}", *common]) == 2
    assert command._main(common) == 2
    assert "path: is missing" in capsys.readouterr().err


def test_ingest_does_not_import_torch() -> None:
    modules = "import sys, ttt.ingest, ttt.imported.ingest"
    code = f"{modules}; assert not {{'torch', 'lm_eval', 'transformers'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
