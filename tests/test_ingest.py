"""Result files of others as cells: what an ingested run holds, what is left out and why, and that twice is once."""

from __future__ import annotations

import csv
import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from ttt.command import CONF, Command
from ttt.definitions import Definitions
from ttt.harness.pattern import Pattern, Rule
from ttt.harness.results import read, side, stderr_of
from ttt.ingest import parse, show, work
from ttt.items import ITEM_COLUMNS
from ttt.record import read_result
from ttt.spec import Adjustment, Bench, SpecError, Tracking, check
from ttt.track import Tracker

PUBLISHED = Path(__file__).parents[2] / "shared" / "published"
SUBJECTS = {"stem": {"anatomy": 50, "virology": 150}, "other": {"marketing": 200, "nutrition": 100}}

Answer = dict[str, Any]


def entry(p: float, n: int, metric: str = "acc,none") -> dict[str, float]:
    return {metric: p, stderr_of(metric): math.sqrt(p * (1 - p) / (n - 1))}


def write(file: Path, content: dict[str, Any] | str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return file


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


def ingest(folder: Path, **changes: Any) -> tuple[dict[str, Any], Tracker]:
    tracking = {"root": str(folder.parent / "mlruns")}
    asked = {"path": str(folder), "suite": "theirs", "pattern": None, "conf": None, "output": None}
    request = parse({**asked, "tracking": tracking, **changes})
    return work(request), Tracker(Tracking(**tracking))


def cell(tracker: Tracker, bench: str, label: str) -> Any:
    (found,) = [run for run in tracker.runs(f"theirs/{bench}", "cell") if run.info.run_name == label]
    return found


def test_an_ingested_run_keeps_the_contract(folder: Path) -> None:
    report, tracker = ingest(folder)
    counts = {name: report[f"n_{name}"] for name in ("files", "files_used", "files_skipped", "new", "unchanged")}
    assert counts == {"files": 7, "files_used": 7, "files_skipped": 0, "new": 5, "unchanged": 0}
    run = cell(tracker, "mmlu", "pythia-1b full s0")
    assert run.info.status == "FINISHED"
    tags = {name.removeprefix("ttt."): value for name, value in run.data.tags.items() if name.startswith("ttt.")}
    assert {name: tags[name] for name in tags if name not in ("key", "commit")} == {
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
    assert [point["n_examples"] for point in result.checkpoints] == [640, 64000]
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
    assert run.data.metrics["adjusted/score"] == run.data.metrics["adjusted/score_paper"] == 0.4
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
    assert side(results, bench)["score_paper_stderr"] == pytest.approx(means.std(), rel=0.02)


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
    other = {"e3/gsm8kaux/pythia-410m-gsm8k.json": gsm8k()}
    other |= {"intermediate/gsm8kaux/evals/pythia-1b/step_10/gsm8k.json": gsm8k()}
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
        "missing base": ("e3/gsm8kaux/pythia-410m-gsm8k.json", gsm8k(), "no scores of the base model"),
        "missing end": (next(reversed(other)), gsm8k(), "no scores after the whole adjustment for pythia-1b full"),
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


# lm-eval's own folders

LETTERS = {
    **{"task": "letters", "dataset_path": "json", "test_split": "test", "output_type": "multiple_choice"},
    **{"doc_to_text": "{{question}}\nAnswer:", "doc_to_choice": ["A", "B", "C", "D"], "doc_to_target": "answer"},
    "num_fewshot": 0,
    "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
}


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path, int, str], None]:
    """Writes results and samples as lm-eval does, of a made-up model that answers by a seed."""
    from lm_eval.api.model import LM
    from lm_eval.evaluator import evaluate
    from lm_eval.loggers import EvaluationTracker
    from lm_eval.tasks import TaskManager

    here = tmp_path_factory.mktemp("letters")
    rows = [{"question": f"question {i}", "answer": i % 4} for i in range(30)]
    test = write(here / "test.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    write(here / "letters.yaml", LETTERS | {"dataset_kwargs": {"data_files": {"test": str(test)}}})
    tasks = TaskManager(include_path=str(here), include_defaults=False).load(["letters"])

    class Guesser(LM):
        def __init__(self, seed: int):
            super().__init__()
            self.draw = np.random.default_rng(seed)

        def loglikelihood(self, requests: list[Any], **_: Any) -> list[tuple[float, bool]]:
            return [(float(self.draw.normal(-3)), False) for _ in requests]

        def loglikelihood_rolling(self, requests: list[Any], **_: Any) -> list[Any]:
            raise NotImplementedError

        generate_until = loglikelihood_rolling

    def evaluated(output: Path, seed: int, model: str) -> None:
        results = evaluate(Guesser(seed), tasks, bootstrap_iters=10)
        assert results is not None
        samples = results.pop("samples")
        writer = EvaluationTracker(output_path=str(output))
        writer.general_config_tracker.log_experiment_args("hf", f"pretrained={model}", None, None, False)
        writer.save_results_aggregated({**results, "config": {"limit": None}}, samples)
        for task, of_task in samples.items():
            writer.save_results_samples(task, of_task)

    return evaluated


@pytest.fixture
def own_conf(tmp_path: Path) -> Path:
    bench = {"name": "mine", "version": 2, "format": "multiple_choice", "chance": 0.25, "metric": "acc,none"}
    source = {"name": "mine", "files": "mine.jsonl"}
    conf = tmp_path / "conf"
    write(conf / "bench" / "mine.yaml", {**bench, "tasks": ["letters"], "task_data": [source]})
    model = {"name": "tiny", "family": "tiny", "n_params": 10**6, "n_tokens": 10**9, "trained": "2024-01"}
    write(conf / "model" / "tiny.yaml", {**model, "hub": "someone/tiny"})
    return conf


def test_lm_evals_own_folders_with_their_items(
    harness: Callable[[Path, int, str], None], own_conf: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "results"
    harness(folder, 1, "someone/tiny")
    (older,) = folder.rglob("results_*.json")
    harness(folder, 2, "someone/tiny")
    harness(folder / "full" / "tiny", 3, "/checkpoints/tiny/end")
    harness(folder / "full" / "tiny" / "step_5", 4, "/checkpoints/tiny/5")
    report, tracker = ingest(folder, conf=str(own_conf))
    assert report["pattern"] == "harness"
    assert (report["n_files"], report["n_files_used"], report["n_new"]) == (4, 3, 2)
    assert list(report["skipped"]) == ["replaced"]
    assert list(report["skipped"]["replaced"]) == [older.relative_to(folder).as_posix()]
    run = cell(tracker, "mine", "tiny full s0")
    assert run.data.tags["ttt.bench_version"] == "2"
    result = read_result(tracker, run.info.run_id)
    base = cell(tracker, "mine", "tiny none s0")
    assert base.data.metrics["adjusted/gold_logprob"] == base.data.metrics["base/gold_logprob"]
    assert tracker.artifact(base.info.run_id, "items/base.parquet")
    assert tracker.artifact(base.info.run_id, "items/adjusted.parquet") is None
    assert result.n_items == 30
    assert [point["n_examples"] for point in result.checkpoints] == [5 * 64]
    tables = {
        name: pd.read_parquet(tracker.artifact(run.info.run_id, f"items/{name}.parquet"))
        for name in ("base", "adjusted")
    }
    for name, table in tables.items():
        assert list(table.columns) == list(ITEM_COLUMNS)
        assert table["correct"].mean() == pytest.approx(run.data.metrics[f"{name}/score"])
        assert ((table["prediction"] == table["gold"]) == (table["correct"] == 1)).all()
        assert run.data.metrics[f"{name}/gold_logprob"] == pytest.approx(table["gold_logprob"].mean())
        assert len(table["choice_logprobs"][0]) == 4
    difference = tables["adjusted"]["correct"] - tables["base"]["correct"]
    assert result.gain["stderr"] == pytest.approx(difference.std() / math.sqrt(30))
    again, _ = ingest(folder, conf=str(own_conf))
    assert (again["n_new"], again["n_unchanged"], again["run_id"]) == (0, 2, report["run_id"])


def test_samples_that_do_not_give_the_score_are_left_out(
    harness: Callable[[Path, int, str], None], own_conf: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "results"
    harness(folder, 1, "someone/tiny")
    (samples,) = folder.rglob("samples_*.jsonl")
    samples.write_text("".join(samples.read_text().splitlines(keepends=True)[:7]))
    report, tracker = ingest(folder, conf=str(own_conf))
    ((_, why),) = report["skipped"]["broken samples"].items()
    assert "their mean is" in why
    run = cell(tracker, "mine", "tiny none s0")
    assert tracker.artifact(run.info.run_id, "items/base.parquet") is None
    assert read_result(tracker, run.info.run_id).n_items == 30
    again, _ = ingest(folder, conf=str(own_conf))
    assert again["run_id"] == report["run_id"]


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


# Patterns, definitions and requests


def test_patterns_say_what_paths_mean() -> None:
    published = Definitions([CONF]).read("ingest", "published", Pattern)
    means = {
        "base/llama-2-7b-mmlu.json": ("llama-2-7b", "mmlu", "none", None),
        "e1+2/gsm8kaux/olmo-1.7-7b-gsm8k.json": ("olmo-1.7-7b", "gsm8k", "epochs_1_2", None),
        "e1/mmluaux/gpt-j-6b-mmlu.json": ("gpt-j-6b", "mmlu", "epochs_1", None),
        "e2/mmluaux/gpt-j-6b-mmlu.json": ("gpt-j-6b", "mmlu", "epochs_2", None),
        "e3/mmluaux/gpt-j-6b-mmlu.json": ("gpt-j-6b", "mmlu", "full", None),
        "intermediate/mmluaux/evals/yi-6b/step_30/mmlu.json": ("yi-6b", "mmlu", "full", 1920),
    }
    for path, meant in means.items():
        meaning = published.meaning(path)
        assert meaning
        assert (meaning.model, meaning.bench, meaning.adjustment, meaning.n_examples) == meant
    for path in ("e3/mmluaux/yi-6b-gsm8k.json", "base/mmlu.json", "results/base/yi-6b-mmlu.json"):
        assert published.meaning(path) is None


@pytest.mark.parametrize(
    ("rule", "message"),
    [("(?P<model>.+", "is no regular expression"), ("(?P<modell>.+)", "has a group 'modell'; the groups are: model")],
)
def test_a_faulty_pattern_is_told(rule: str, message: str) -> None:
    with pytest.raises(SpecError, match="path: ") as told:
        check(Rule, {"path": rule})
    assert message in str(told.value)


@pytest.mark.parametrize("group", ["bench", "adjustment"])
def test_definitions_are_what_hydra_composes(group: str) -> None:
    definitions = Definitions([CONF])
    kind = {"bench": Bench, "adjustment": Adjustment}[group]
    for name in definitions.names(group):
        with initialize_config_dir(str(CONF), version_base="1.3"):
            composed = OmegaConf.to_container(compose(f"{group}/{name}")[group], resolve=True)
        assert definitions.read(group, name, kind) == check(kind, composed), name  # type: ignore[type-var, arg-type]


def test_bad_requests_get_one_message(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write(tmp_path / "strange" / "a.json", "{}")
    write(tmp_path / "broken" / "base" / "pythia-1b-mmlu.json", "{")
    for changes, message in (
        ({"path": "???"}, "path: is missing"),
        ({"path": str(tmp_path / "nowhere")}, "path: there is no folder"),
        ({"path": str(tmp_path / "empty")}, "path: there are no .json files"),
        ({"path": str(tmp_path / "strange")}, r"path: none of its 1 .json files \(such as a.json\)"),
        ({"path": str(tmp_path / "broken")}, r"can be ingested\nbase/pythia-1b-mmlu.json: not JSON"),
        ({"pattern": "publishd"}, "pattern: there is no 'publishd'; the choices are: published, harness"),
        ({"conf": "nowhere"}, "conf: there is no folder nowhere"),
        ({"suite": "a b"}, "suite: 'a b' does not have the form"),
    ):
        with pytest.raises(SpecError, match=message):
            ingest(folder, **changes)
    assert not (tmp_path / "mlruns").exists(), "a wrong request leaves nothing behind"


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
    code = "import sys, ttt.ingest, ttt.ingestion; assert not {'torch', 'lm_eval', 'transformers'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.real
def test_the_published_results(tmp_path: Path) -> None:
    if not PUBLISHED.is_dir():
        pytest.skip("needs the published results in ../shared/published, which are not here")
    tracking = {"root": str(tmp_path / "mlruns")}
    asked = {"path": str(PUBLISHED), "suite": "theirs", "pattern": None, "conf": None, "output": None}
    report = work(parse({**asked, "tracking": tracking}))
    assert report["seconds"] < 60
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
                assert metrics[f"{name}/score_paper"] == pytest.approx(plain, abs=1e-12)
