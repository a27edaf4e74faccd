"""A model's scores on a bench, by lm-eval's own filters and metrics, and the table of its items."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from lm_eval.evaluator import evaluate as harness_evaluate

from ttt.engine.backend import Backend
from ttt.spec import Bench

ITEM_COLUMNS = (
    "task",
    "doc_id",
    "doc_hash",
    "prompt_hash",
    "gold",
    "prediction",
    "correct",
    "gold_logprob",
    "choice_logprobs",
    "brier",
)


@dataclass(frozen=True)
class Scores:
    """One side of a cell: the score and its standard error, the bench's metrics, and the items behind them."""

    score: float
    stderr: float | None
    metrics: dict[str, float]
    """Every metric of the bench, with its `_stderr` beside it where there is one."""
    items: pd.DataFrame
    """One row an item: the columns are `ITEM_COLUMNS`."""
    prompts: tuple[tuple[str, str], ...]
    """The first prompts and what was answered, to look at."""
    n_truncated: int
    n_tokens: int
    seconds: float


def evaluate(backend: Backend, bench: Bench, tasks: dict[str, Any]) -> Scores:
    """Score the backend's model on loaded tasks (`ttt.tasks.bench.load_tasks`).

    Raises ValueError if no item was scored or the bench's metric is not among lm-eval's results.
    """
    start = time.perf_counter()
    backend.truncation, backend.n_truncated, backend.n_tokens = bench.truncation, 0, 0
    results = harness_evaluate(
        backend,
        task_dict=tasks,
        limit=bench.limit,
        bootstrap_iters=100,
        apply_chat_template=bench.chat_template,
        fewshot_as_multiturn=bench.chat_template,
    )
    metrics = {
        _name(key): float(value)
        for key, value in results["groups"][f"bench:{bench.name}"].items()
        if "," in key and isinstance(value, int | float)
    }
    if _name(bench.metric) not in metrics:
        raise ValueError(
            f"bench.metric: {bench.metric!r} is none of the metrics of '{bench.name}': {', '.join(metrics)}"
        )
    items = item_table(results["samples"], bench.metric)
    if items.empty:
        raise ValueError(f"bench '{bench.name}': no item was scored")
    for column in ("brier", "gold_logprob"):
        if items[column].notna().all() and column not in metrics:
            metrics[column] = float(items[column].mean())
            metrics[f"{column}_stderr"] = float(items[column].sem())
    name = _name(bench.metric)
    metric, _, extraction = bench.metric.partition(",")
    stderr = metrics.get(_name(f"{metric}_stderr,{extraction}"))
    samples = [sample for of_task in results["samples"].values() for sample in of_task]
    prompts = tuple((str(sample["arguments"][0][0]), str(sample["resps"][0][0])) for sample in samples[:20])
    return Scores(
        score=metrics[name],
        stderr=None if stderr is None or np.isnan(stderr) else stderr,
        metrics={key: value for key, value in metrics.items() if not np.isnan(value)},
        items=items,
        prompts=prompts,
        n_truncated=backend.n_truncated,
        n_tokens=backend.n_tokens,
        seconds=time.perf_counter() - start,
    )


def item_table(samples: dict[str, list[dict[str, Any]]], metric: str) -> pd.DataFrame:
    """lm-eval's logged samples as a table of `ITEM_COLUMNS`, one row a document, for the filter of the bench's metric."""
    name, extraction = metric.split(",")
    rows = [
        _item(task.split("::")[-1], sample, name)
        for task, of_task in samples.items()
        for sample in of_task
        if sample["filter"] == extraction
    ]
    return pd.DataFrame(rows, columns=list(ITEM_COLUMNS))


def _item(task: str, sample: dict[str, Any], metric: str) -> dict[str, Any]:
    gold, answers = sample["target"], sample["filtered_resps"]
    row: dict[str, Any] = {
        "task": task,
        "doc_id": int(sample["doc_id"]),
        "doc_hash": sample["doc_hash"],
        "prompt_hash": sample["prompt_hash"],
        "gold": str(gold),
        "prediction": str(answers[0]),
        "correct": _number(sample.get(metric)),
        "gold_logprob": None,
        "choice_logprobs": None,
        "brier": None,
    }
    if all(isinstance(answer, tuple) for answer in answers):  # the choices' (log-likelihood, greedy)
        logprobs = np.array([answer[0] for answer in answers], dtype=np.float64)
        row["choice_logprobs"] = logprobs.tolist()
        lengths = [len(argument[1]) for argument in sample["arguments"]]
        row["prediction"] = str(int(np.argmax(logprobs / lengths if metric == "acc_norm" else logprobs)))
        if isinstance(gold, int | np.integer) and 0 <= gold < len(logprobs):
            probabilities = np.exp(logprobs - np.logaddexp.reduce(logprobs))
            row["gold_logprob"] = float(logprobs[gold])
            row["brier"] = float(((probabilities - np.eye(len(logprobs))[gold]) ** 2).sum())
    return row


def _number(value: Any) -> float:
    """A metric of one item; lm-eval hands some of them over with what their aggregation needs beside them."""
    return float(value) if isinstance(value, int | float | np.number) else float("nan")


def _name(key: str) -> str:
    """A name that MLflow takes for lm-eval's "metric,filter"."""
    metric, _, extraction = key.partition(",")
    if extraction in ("", "none"):
        return metric
    stem, error = (metric.removesuffix("_stderr"), "_stderr") if metric.endswith("_stderr") else (metric, "")
    return f"{stem}.{extraction}{error}"
