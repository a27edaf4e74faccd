"""A model's scores on a bench, by lm-eval's own filters and metrics, and the table of its items."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from lm_eval.evaluator import evaluate as harness_evaluate

from ttt.engine.backend import Backend
from ttt.items import ITEM_COLUMNS, item_means, item_table, metric_name
from ttt.spec import Bench, SpecError

__all__ = ["ITEM_COLUMNS", "Scores", "evaluate", "item_table"]


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
        metric_name(key): float(value)
        for key, value in results["groups"][f"bench:{bench.name}"].items()
        if "," in key and isinstance(value, int | float)
    }
    if metric_name(bench.metric) not in metrics:
        raise SpecError(f"bench.metric: {bench.metric!r} is none of the scores of '{bench.name}': {', '.join(metrics)}")
    items = item_table(results["samples"], bench.metric)
    if items.empty:
        raise ValueError(f"bench '{bench.name}': no item was scored")
    metrics = item_means(items) | metrics
    name = metric_name(bench.metric)
    metric, _, extraction = bench.metric.partition(",")
    stderr = metrics.get(metric_name(f"{metric}_stderr,{extraction}"))
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
