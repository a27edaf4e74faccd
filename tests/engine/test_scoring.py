"""Scores and items of benches of many forms on a tiny model, against lm-eval's own metrics of each item."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from lm_eval.api.instance import Instance
from lm_eval.api.metrics import brier_score

from tests.conftest import write_jsonl
from ttt.cell.evaluation import Evaluation, evaluate
from ttt.cell.items import item_table
from ttt.engine.lm import Backend
from ttt.engine.load import load
from ttt.spec import Bench, Model, SpecError, Trainer
from ttt.tasks.bench import load_tasks
from ttt.tasks.metrics import mean_brier

CPU = Trainer(accelerator="cpu", precision="32", threads=1, progress=False)
WORDS = ["oak", "a tall birch", "lime", "the very old yew"]
ROWS = [
    {"question": f"Which tree is number {i}?", "options": WORDS[i % 4 :] + WORDS[: i % 4], "right": i * 7 % 4}
    for i in range(24)
]


@pytest.fixture(scope="module")
def backend(tiny_model: Path) -> Backend:
    facts = {"name": "tiny", "family": "tiny", "n_params": 1, "n_tokens": 1, "trained": "2024-01"}
    return Backend(*load(Model(**facts, path=str(tiny_model))), CPU)


def bench(folder: Path, rows: Sequence[dict[str, Any]], metric: str, **task: Any) -> Bench:
    asked = {"task": "trees", "test_split": "test", "output_type": "multiple_choice", **task}
    asked["metric_list"] = [{"metric": name} for name in task.get("metric_list", ["acc", "acc_norm", "brier_score"])]
    files = {"test": str(write_jsonl(folder / "test.jsonl", list(rows)))}
    fields = {"format": "cloze", "chance": 0.25, "metric": f"{metric},none"}
    return Bench(name="trees", version=1, tasks=[asked], files=files, **fields)


def scores(backend: Backend, folder: Path, rows: Sequence[dict[str, Any]], metric: str, **task: Any) -> Evaluation:
    asked = bench(folder, rows, metric, **task)
    return evaluate(backend, asked, load_tasks(asked))


def check_right_choice(scored: Evaluation, right: Sequence[int]) -> None:
    items = scored.items
    assert [int(gold) for gold in items["gold"]] == list(right)
    for gold, logprobs, logprob, brier in zip(
        right, items["choice_logprobs"], items["gold_logprob"], items["brier"], strict=True
    ):
        assert logprob == logprobs[gold]
        probabilities = np.exp(logprobs) / np.exp(logprobs).sum()
        assert brier == pytest.approx(((probabilities - np.eye(len(logprobs))[gold]) ** 2).sum())
    assert scored.metrics["brier"] == pytest.approx(items["brier"].mean())


LETTERS = "{{question}}\nA. {{options[0]}}\nB. {{options[1]}}\nC. {{options[2]}}\nD. {{options[3]}}\nAnswer:"
TARGETS = {
    "letter": (["A", "B", "C", "D"], "{{'ABCD'[right]}}"),
    "letter of a column": (["A", "B", "C", "D"], "letter"),
    "index": (["A", "B", "C", "D"], "right"),
    "index as text": (["A", "B", "C", "D"], "{{right}}"),
    "text": ("options", "{{options[right]}}"),
    "numbers as options": (["1", "2", "3", "4"], "number"),
}


@pytest.mark.parametrize("form", TARGETS)
def test_the_right_choice_is_known_whatever_the_targets_form(backend: Backend, tmp_path: Path, form: str) -> None:
    choices, target = TARGETS[form]
    rows = [{**row, "letter": "ABCD"[row["right"]], "number": str(row["right"] + 1)} for row in ROWS]
    scored = scores(backend, tmp_path, rows, "acc", doc_to_text=LETTERS, doc_to_choice=choices, doc_to_target=target)
    check_right_choice(scored, [row["right"] for row in ROWS])
    assert (scored.items["prediction"] == scored.items["gold"]).tolist() == scored.items["correct"].astype(
        bool
    ).tolist()
    assert scored.items["correct"].mean() == pytest.approx(scored.score)


def test_several_accepted_choices(backend: Backend, tmp_path: Path) -> None:
    rows = [{**row, "accepted": sorted({row["right"], (row["right"] + 2) % 4})} for row in ROWS]
    asked = {"doc_to_text": LETTERS, "doc_to_choice": ["A", "B", "C", "D"], "doc_to_target": "accepted"}
    scored = scores(backend, tmp_path, rows, "acc", **asked, metric_list=["acc"])
    for row, (_, item) in zip(rows, scored.items.iterrows(), strict=True):
        assert json.loads(item["gold"]) == row["accepted"]
        assert item["gold_logprob"] == max(item["choice_logprobs"][i] for i in row["accepted"])
        assert item["correct"] == (int(item["prediction"]) in row["accepted"])
    assert scored.items["brier"].isna().all()
    assert "brier" not in scored.metrics
    with pytest.raises(SpecError, match="'brier_score,none' of 'trees' is nan"):
        scores(backend, tmp_path, rows, "brier_score", **asked, metric_list=["brier_score"])


def test_choices_in_the_prompt(backend: Backend, tmp_path: Path) -> None:
    """WinoGrande's form: each option completes a prompt, and what follows is scored."""
    rows = [{"right": i % 2, "options": [f"Ann has {i} cats, and Ann", f"Ann has {i} cats, and Bo"]} for i in range(9)]
    scored = scores(
        backend, tmp_path, rows, "acc", doc_to_text="{{right}}", doc_to_choice="options", doc_to_target="feeds them."
    )
    check_right_choice(scored, [row["right"] for row in rows])
    assert (scored.items["prediction"] == scored.items["gold"]).tolist() == scored.items["correct"].astype(
        bool
    ).tolist()


@pytest.mark.parametrize("metric", ["acc", "acc_norm", "acc_bytes", "acc_mutual_info", "exact_match"])
def test_the_prediction_is_what_the_metric_took(backend: Backend, tmp_path: Path, metric: str) -> None:
    rows = [{**row, "options": ["é" * (1 + row["right"]), "oak tree", "x", "birch"]} for row in ROWS]
    asked = {"doc_to_text": "{{question}}", "doc_to_choice": "options", "doc_to_target": "right"}
    scored = scores(backend, tmp_path, rows, metric, **asked, metric_list=[*dict.fromkeys(["acc", metric])])
    items = scored.items
    assert (items["prediction"] == items["gold"]).tolist() == items["correct"].astype(bool).tolist()
    assert all(len(logprobs) == 4 for logprobs in items["choice_logprobs"])
    assert items["correct"].mean() == pytest.approx(scored.score)


@pytest.mark.parametrize("metric", ["acc", "brier_score"])
def test_questions_with_three_and_with_four_options(backend: Backend, tmp_path: Path, metric: str) -> None:
    rows = [{**row, "options": row["options"][: 3 + i % 2], "right": i % 3} for i, row in enumerate(ROWS)]
    asked = {"doc_to_text": "{{question}}", "doc_to_choice": "options", "doc_to_target": "{{options[right]}}"}
    scored = scores(backend, tmp_path, rows, metric, **asked)
    check_right_choice(scored, [row["right"] for row in rows])
    assert scored.metrics["brier_score"] == pytest.approx(scored.items["brier"].mean())
    if metric == "brier_score":
        assert scored.score == scored.metrics["brier_score"]
        assert scored.items["correct"].tolist() == scored.items["brier"].tolist()
        assert scored.stderr == pytest.approx(scored.metrics["brier_stderr"])


def test_an_empty_option(backend: Backend, tmp_path: Path) -> None:
    """Scored as lm-eval does (the blank before it is a token), but in the first document, where lm-eval stops."""
    asked = {"doc_to_text": "{{question}}", "doc_to_choice": "options", "doc_to_target": "right"}
    rows = [*ROWS[:3], {**ROWS[3], "options": ["oak", "", "lime", "yew"]}]
    scored = scores(backend, tmp_path, rows, "acc_norm", **asked)
    assert scored.items["choice_logprobs"][3][1] == pytest.approx(
        backend.loglikelihood([Instance("loglikelihood", {}, (ROWS[3]["question"], " "), 0)])[0][0], abs=1e-4
    )
    assert (scored.items["prediction"] == scored.items["gold"]).tolist() == scored.items["correct"].astype(
        bool
    ).tolist()
    with pytest.raises(SpecError, match="task 'trees', document 3, option 1: '' adds no token to the prompt"):
        scores(backend, tmp_path, rows, "acc", **asked, target_delimiter="")
    with pytest.raises(SpecError, match="an option of document 0 of task 'trees' is an empty text"):
        scores(backend, tmp_path, rows[::-1], "acc", **asked)


def test_briers_score_is_lm_evals_where_lm_eval_has_one() -> None:
    draw = np.random.default_rng(0)
    items = [(int(draw.integers(4)), draw.dirichlet(np.ones(4))) for _ in range(50)]
    assert mean_brier(items) == pytest.approx(brier_score(items))


@pytest.mark.parametrize("metric", ["word_perplexity", "bits_per_byte"])
def test_a_perplexity_is_a_score_of_all_items_together(backend: Backend, tmp_path: Path, metric: str) -> None:
    task = {"output_type": "loglikelihood_rolling", "doc_to_text": "", "doc_to_target": "{{question}}"}
    scored = scores(backend, tmp_path, ROWS, metric, **task, metric_list=[metric])
    total, n_words = scored.items["gold_logprob"].sum(), sum(len(row["question"].split()) for row in ROWS)
    n_bytes = sum(len(row["question"].encode()) for row in ROWS)
    right = {"word_perplexity": np.exp(-total / n_words), "bits_per_byte": -total / n_bytes / np.log(2)}
    assert scored.score == pytest.approx(right[metric])
    assert scored.items["correct"].isna().all()
    assert scored.stderr is None
    assert all(np.isfinite(value) for value in scored.metrics.values())


def test_a_continuation_alone_is_no_choice(backend: Backend, tmp_path: Path) -> None:
    task = {"output_type": "loglikelihood", "doc_to_text": "{{question}}", "doc_to_target": " {{options[0]}}"}
    scored = scores(backend, tmp_path, ROWS, "perplexity", **task, metric_list=["perplexity", "acc"])
    assert scored.score == pytest.approx(np.exp(-scored.items["gold_logprob"].mean()))
    assert scored.items[["correct", "brier", "choice_logprobs"]].isna().all(axis=None)
    assert scored.items["gold"].tolist() == [f" {row['options'][0]}" for row in ROWS]


def test_a_correlation_is_a_score_of_all_items_together(backend: Backend, tmp_path: Path) -> None:
    rows = [{**row, "right": row["right"] % 2} for row in ROWS]
    asked = {"doc_to_text": "{{question}}", "doc_to_choice": ["no", "yes"], "doc_to_target": "right"}
    scored = scores(backend, tmp_path, rows, "mcc", **asked, metric_list=["mcc", "acc"])
    assert scored.items["correct"].isna().all()
    check_right_choice(scored, [row["right"] for row in rows])


def test_samples_that_others_have_logged(backend: Backend, tmp_path: Path) -> None:
    """What lm-eval writes names neither the choices nor the kind of the target: the same items come of it."""
    rows = [{**row, "number": str(row["right"] + 1)} for row in ROWS]
    for choices, target in [*TARGETS.values()][2:]:
        asked = {"doc_to_text": LETTERS, "doc_to_choice": choices, "doc_to_target": target}
        scored = scores(backend, tmp_path, rows, "acc_norm", **asked).items
        logged = [_as_logged(item, rows[i], choices, target) for i, (_, item) in enumerate(scored.iterrows())]
        again = item_table({"trees": logged}, "acc_norm,none")
        known = again["gold"].notna()
        assert known.mean() > 0.4
        columns = ["gold", "prediction", "correct", "gold_logprob", "brier"]
        pd.testing.assert_frame_equal(again[known][columns], scored[known][columns], check_dtype=False)
        if target != "number":
            assert known.all()


def _as_logged(item: pd.Series, row: dict[str, Any], choices: Any, target: str) -> dict[str, Any]:
    texts = row["options"] if isinstance(choices, str) else choices
    right = {"right": row["right"], "{{right}}": row["right"], "number": int(row["number"])}.get(target)
    logprobs = list(item["choice_logprobs"])
    return {
        "filter": "none",
        "doc_id": item["doc_id"],
        "doc_hash": item["doc_hash"],
        "prompt_hash": item["prompt_hash"],
        "target": texts[row["right"]] if right is None else right,  # digits are read as numbers
        "arguments": [["prompt", f" {text}"] for text in texts],
        "filtered_resps": [(logprob, False) for logprob in logprobs],
        "acc": float(int(np.argmax(logprobs)) == row["right"]),
        "acc_norm": item["correct"],
    }
