"""A model's scores on a bench, by lm-eval's own filters and metrics, and the table of its items."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from lm_eval.evaluator import evaluate as harness_evaluate

from ttt.cell.items import ITEM_COLUMNS, item_means, item_table, mean_stderr, scored_by_item
from ttt.cell.result import Side
from ttt.engine.lm import Backend
from ttt.spec import Bench, SpecError
from ttt.tasks.metrics import metric_name

os.environ.setdefault("DISABLE_MULTIPROC", "1")  # lm-eval would fork this process, threads and all, for 100 resamples

__all__ = ["ITEM_COLUMNS", "evaluate", "item_table"]


@dataclass(frozen=True)
class Evaluation:
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

    @property
    def side(self) -> Side:
        """`score`, `stderr`, and the metrics."""
        return {"score": self.score, "stderr": self.stderr, **self.metrics}


def evaluate(backend: Backend, bench: Bench, tasks: dict[str, Any], seed: int = 0) -> Evaluation:
    """Score the backend's model on loaded tasks (`ttt.tasks.bench.load_tasks`); `seed` is that of drawn answers.

    Raises ValueError if no item was scored, SpecError if the bench's metric is not among lm-eval's results or is no
    number.
    """
    start = time.perf_counter()
    backend.truncation, backend.n_truncated, backend.n_tokens, backend.seed = bench.truncation, 0, 0, seed
    results = harness_evaluate(
        backend,
        task_dict=tasks,
        limit=bench.limit,
        bootstrap_iters=100,
        apply_chat_template=bench.chat_template,
        fewshot_as_multiturn=bench.chat_template,
    )
    of_bench = results["groups"][f"bench:{bench.name}"]
    metrics = {metric_name(k): float(v) for k, v in of_bench.items() if "," in k and isinstance(v, int | float)}
    name = metric_name(bench.metric)
    if name not in metrics:
        raise SpecError(f"bench.metric: {bench.metric!r} is none of the scores of '{bench.name}': {', '.join(metrics)}")
    score = metrics[name]
    if not np.isfinite(score):
        raise SpecError(
            f"bench.metric: {bench.metric!r} of '{bench.name}' is {score}: it is not defined for all of its documents"
        )
    samples = {task: list(_with_choices(tasks["tasks"][task], of_task)) for task, of_task in results["samples"].items()}
    items = item_table(samples, bench.metric)
    if items.empty:
        raise ValueError(f"bench '{bench.name}': no item was scored")
    items = scored_by_item(items, score)
    metrics = item_means(items) | metrics
    metric, _, extraction = bench.metric.partition(",")
    stderr = metrics.get(metric_name(f"{metric}_stderr,{extraction}"))
    first = [sample for of_task in samples.values() for sample in of_task][:20]
    return Evaluation(
        score=score,
        stderr=mean_stderr(items["correct"]) if stderr is None or np.isnan(stderr) else stderr,
        metrics={key: value for key, value in metrics.items() if np.isfinite(value)},
        items=items,
        prompts=tuple((str(sample["arguments"][0][0]), str(sample["resps"][0][0])) for sample in first),
        n_truncated=backend.n_truncated,
        n_tokens=backend.n_tokens,
        seconds=time.perf_counter() - start,
    )


def higher_is_better(bench: Bench, tasks: dict[str, Any]) -> bool:
    """Whether a higher score is a better one: false if the bench says so, or lm-eval does of its metric."""
    metric = bench.metric.split(",")[0]
    return bench.higher_is_better and all(t.higher_is_better().get(metric, True) for t in tasks["tasks"].values())


def _with_choices(task: Any, samples: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """lm-eval's samples with what the task alone can tell of a document: its choices, and which of them is right."""
    has_choices = getattr(task.config, "doc_to_choice", None) is not None
    for sample in samples:
        completed = dict(sample)
        if has_choices and task.OUTPUT_TYPE == "multiple_choice":
            completed["choices"] = task.doc_to_choice(sample["doc"])
            if task.multiple_input:
                completed["target"] = task.doc_to_text(sample["doc"])
        elif has_choices and isinstance(sample["target"], int):
            completed["target"] = task.doc_to_choice(sample["doc"])[
                sample["target"]
            ]  # what is generated is compared with it
        yield completed
