"""lm-eval's own folders of results and samples as cells with their items."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.ingested import cell, ingest, write
from ttt.cell.items import ITEM_COLUMNS
from ttt.cell.read import read_result

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
    report, tracker = ingest(folder, conf=[str(own_conf)])
    assert report["pattern"] == "harness"
    assert (report["n_files"], report["n_files_used"], report["n_new"]) == (4, 3, 2)
    assert set(report["skipped"]) == {"replaced", "no samples"}
    assert list(report["skipped"]["no samples"]) == [
        name.replace("results_", "samples_letters_") + "l" for name in report["skipped"]["replaced"]
    ]
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
    again, _ = ingest(folder, conf=[str(own_conf)])
    assert (again["n_new"], again["n_unchanged"], again["run_id"]) == (0, 2, report["run_id"])


def test_samples_that_do_not_give_the_score_are_left_out(
    harness: Callable[[Path, int, str], None], own_conf: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "results"
    harness(folder, 1, "someone/tiny")
    (samples,) = folder.rglob("samples_*.jsonl")
    samples.write_text("".join(samples.read_text().splitlines(keepends=True)[:7]))
    report, tracker = ingest(folder, conf=[str(own_conf)])
    ((_, why),) = report["skipped"]["broken samples"].items()
    assert "their mean is" in why
    run = cell(tracker, "mine", "tiny none s0")
    assert tracker.artifact(run.info.run_id, "items/base.parquet") is None
    assert read_result(tracker, run.info.run_id).n_items == 30
    again, _ = ingest(folder, conf=[str(own_conf)])
    assert again["run_id"] == report["run_id"]
