"""Cells whose score is not a share of right items, and adjustments that can hardly learn: what is said and kept."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.cells import request, run_cell
from tests.conftest import make_tiny_model, sums, write_jsonl
from ttt.cell.result import CellResult
from ttt.comparison.pairs import UnpairedError, read_side
from ttt.run import Request, show
from ttt.spec import Bench, SpecError
from ttt.study.space import StudySpec
from ttt.study.validation import make_validation
from ttt.tasks.bench import load_tasks
from ttt.tasks.task_data import TaskData
from ttt.tracking import Tracker

TASKS: dict[str, dict[str, Any]] = {
    "word_perplexity": {"output_type": "loglikelihood_rolling", "doc_to_text": "", "doc_to_target": "{{question}}"},
    "mcc": {"output_type": "multiple_choice", "doc_to_text": "{{question}}", "doc_to_choice": ["no", "yes"],
            "doc_to_target": "{{answer % 2}}"},
    "brier_score": {"output_type": "multiple_choice", "doc_to_text": "{{question}}", "doc_to_choice": "choices",
                    "doc_to_target": "answer"},
}  # fmt: skip


def bench(data: Path, metric: str, **fields: Any) -> Bench:
    task = {"task": "sums", "test_split": "test", "metric_list": [{"metric": metric}], **TASKS[metric]}
    source = {
        "name": "sums",
        "files": str(data / "sums_train.jsonl"),
        "prompt": "{{question}}",
        "answer": " {{answer}}",
    }
    common = {"format": "cloze", "chance": 0.0, "metric": f"{metric},none", "task_data": [source]}
    return Bench(
        name=metric, version=1, tasks=[task], **{"files": {"test": str(data / "sums_test.jsonl")}, **common, **fields}
    )


def do(asked: Request, **changes: Any) -> tuple[CellResult, Tracker, list[str]]:
    said: list[str] = []
    tracker = Tracker(asked.tracking)
    return (
        run_cell(asked.cells[0].model_copy(update=changes), asked.trainer, tracker, False, said.append),
        tracker,
        said,
    )


@pytest.mark.parametrize("metric", ["word_perplexity", "mcc"])
def test_a_score_of_all_items_together(
    conf: Path, data: Path, tmp_path: Path, metric: str, capsys: pytest.CaptureFixture[str]
) -> None:
    result, tracker, said = do(request(conf, tmp_path), bench=bench(data, metric))
    text = json.dumps(asdict(result), allow_nan=False)
    assert json.loads(text)["gain"]["stderr"] is None
    assert result.gain["score"] == pytest.approx(result.adjusted["score"] - result.base["score"])
    assert (result.base["score"] > 1) == (metric == "word_perplexity")
    reason = f"no paired error: {metric},none is not a mean over two items or more"
    assert any(reason in line for line in said)
    card = tracker.artifact(result.run_id, "card.md").read_text()
    assert reason in card
    for side in ("base", "adjusted"):
        items = pd.read_parquet(tracker.artifact(result.run_id, f"items/{side}.parquet"))
        assert len(items) == 40
        assert items["correct"].isna().all()
        assert items["gold_logprob"].notna().all()
    capsys.readouterr()
    show([asdict(result)])
    shown = capsys.readouterr().out
    assert "nan" not in shown + card
    assert "no paired error" in shown
    with pytest.raises(UnpairedError, match="no mean over its items"):
        read_side(tracker, [result.run_id], "adjusted", "tiny")


def test_a_score_that_is_better_when_lower(conf: Path, data: Path, tmp_path: Path) -> None:
    asked = bench(data, "brier_score")
    result, tracker, _ = do(request(conf, tmp_path), bench=asked)
    assert result.gain["stderr"] > 0
    assert not tracker.read_json(result.run_id, "config.json")["bench"]["higher_is_better"], "lm-eval says so"
    with pytest.raises(UnpairedError, match="better when lower"):
        read_side(tracker, [result.run_id], "adjusted", "tiny")
    asked = asked.model_copy(update={"files": {**asked.files, "validation": asked.files["test"]}})
    asked.tasks[0]["validation_split"] = "validation"
    with pytest.raises(SpecError, match="brier_score,none is better when lower"):
        make_validation(asked, load_tasks(asked), TaskData((), {}), StudySpec())


def test_few_steps_are_warned_of_before_the_work(conf: Path, tmp_path: Path) -> None:
    result, tracker, said = do(request(conf, tmp_path))
    assert "32 examples at 8 a step make 4 steps, too few to learn from" in said[0]
    assert "raise adjustment.examples (or adjustment.epochs), or lower adjustment.batch_size" in said[0]
    assert any("scoring the base model" in line for line in said[1:])
    run = tracker.client.get_run(result.run_id)
    assert run.data.metrics["train/n_steps"] == 4
    assert "too few to learn from" in run.data.tags["ttt.warnings"]
    _, _, said = do(request(conf, tmp_path, "adjustment.batch_size=1", "adjustment.learning_rate=1e-5"))
    assert not any("too few" in line for line in said)


def test_examples_longer_than_the_context_are_counted(conf: Path, data: Path, tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path / "short", context=64)
    rows = [
        {**row, "question": f"{'Add these up. ' * (8 if i == 3 else 1)}{row['question']}"}
        for i, row in enumerate(sums(20, 2))
    ]
    source = {"name": "sums", "files": str(write_jsonl(tmp_path / "long.jsonl", rows)), "prompt": "{{question}}"}
    asked = bench(data, "brier_score", task_data=[{**source, "answer": " {{choices[answer]}}"}])
    facts = {"model.path": folder, "adjustment.examples": 20, "adjustment.max_tokens": 600}
    made = request(conf, tmp_path / "runs", *(f"{name}={value}" for name, value in facts.items()))
    result, tracker, said = do(made, bench=asked)
    assert tracker.client.get_run(result.run_id).data.metrics["train/n_cut"] == 1
    assert any("1 of 20 examples are longer than 64 tokens" in line for line in said)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("method", ["full", "lora"])
def test_weights_that_cannot_learn_are_refused(conf: Path, tmp_path: Path, dtype: str, method: str) -> None:
    asked = [f"model.dtype={dtype}", f"adjustment.method={method}"]
    with pytest.raises(
        SpecError, match=f"model.dtype: '{dtype}' holds too few digits to learn: .* trainer.precision=bf16"
    ):
        request(conf, tmp_path, *asked)
    request(conf, tmp_path, f"model.dtype={dtype}", adjustment="none")
    request(conf, tmp_path, "model.dtype=float32")
