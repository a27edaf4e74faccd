"""The table of a bench's items, from lm-eval's logged samples, and the names of its metrics. Needs no torch."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ttt.tasks.metrics import brier

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
Array = npt.NDArray[np.float64]


def item_table(samples: Mapping[str, Iterable[Mapping[str, Any]]], metric: str) -> pd.DataFrame:
    """lm-eval's logged samples as a table of `ITEM_COLUMNS`: one row a document, by the metric's filter.

    `correct` is the metric's value of the item. Of a choice, `gold` is the index of the right one, or a JSON list where
    several are accepted (`gold_logprob` is then that of the likeliest, `brier` null), and `prediction` the index of the
    one that the metric takes. What a sample does not tell is null.

    A sample may hold `choices`, their texts, and as its `target` an index; those that lm-eval has written have neither:
    choices are then known by the requests, and what fits `acc` is told from what does not.
    """
    name, extraction = metric.split(",")
    rows = [
        _item(task.split("::")[-1], sample, name)
        for task, of_task in samples.items()
        for sample in of_task
        if sample["filter"] == extraction
    ]
    return pd.DataFrame(rows, columns=list(ITEM_COLUMNS)).astype({"correct": np.float64})


def scored_by_item(items: pd.DataFrame, score: float) -> pd.DataFrame:
    """The items with `correct` null if the score is not its mean: a perplexity or F1 is one of all items together."""
    mean = items["correct"].mean(skipna=False)
    return items if math.isclose(mean, score, rel_tol=1e-6, abs_tol=1e-6) else items.assign(correct=np.nan)


def item_means(items: pd.DataFrame) -> dict[str, float]:
    """Mean `brier` and `gold_logprob` with their `_stderr`; each only where every item has it."""
    means = {}
    for column in ("brier", "gold_logprob"):
        if len(items) and items[column].notna().all():
            means[column] = float(items[column].astype(np.float64).mean())
            error = mean_stderr(items[column])
            means |= {} if error is None else {f"{column}_stderr": error}
    return means


def mean_stderr(values: pd.Series) -> float | None:
    """Standard error of the mean over items; None for fewer than two, or where one is null."""
    array = values.to_numpy(dtype=np.float64)
    return float(array.std(ddof=1) / len(array) ** 0.5) if len(array) > 1 and not np.isnan(array).any() else None


def paired_stderr(before: pd.DataFrame, after: pd.DataFrame) -> float | None:
    """Standard error of the mean difference over the items that both tables have.

    None for fewer than two, and where the score is not a mean over the items.
    """
    both = before.merge(after, on=["task", "doc_id"], suffixes=("_before", "_after"))
    return mean_stderr(both["correct_after"] - both["correct_before"])


def _item(task: str, sample: Mapping[str, Any], metric: str) -> dict[str, Any]:
    answers = sample["filtered_resps"]
    row: dict[str, Any] = {
        "task": task,
        "doc_id": int(sample["doc_id"]),
        "doc_hash": sample["doc_hash"],
        "prompt_hash": sample["prompt_hash"],
        "gold": str(sample["target"]),
        "prediction": str(answers[0]),
        "correct": _number(sample.get(metric)),
        "gold_logprob": None,
        "choice_logprobs": None,
        "brier": None,
    }
    if not all(isinstance(answer, tuple) for answer in answers):  # the choices' (log-likelihood, greedy)
        scored = isinstance(answers[0], float)  # a text's log-likelihood
        return row | ({"prediction": None, "gold_logprob": answers[0]} if scored else {})
    if len(answers) == 1:
        logprob, greedy = answers[0]
        return row | {"prediction": row["gold"] if greedy else None, "gold_logprob": float(logprob)}
    choice = _Choice(sample)
    accepted = choice.accepted(sample)
    taken = choice.taken(metric, accepted)
    row["gold"], row["choice_logprobs"] = None, choice.logprobs.tolist()
    row["prediction"] = None if taken is None else str(taken)
    if accepted:
        row["gold"] = str(accepted[0]) if len(accepted) == 1 else json.dumps(accepted)
        row["gold_logprob"] = float(choice.logprobs[accepted].max())
        if metric in TAKES and row["correct"] == float(taken not in accepted):
            row["prediction"] = None  # the metric took another, by lengths that the sample does not tell
    if len(accepted) == 1:
        row["brier"] = brier(np.exp(choice.logprobs - np.logaddexp.reduce(choice.logprobs)), accepted[0])
    if metric == "brier_score":
        row["correct"] = _number(row["brier"])
    return row


TAKES = ("acc", "acc_norm", "acc_bytes", "acc_mutual_info", "exact_match")
"""Metrics that are 1 where the choice that they take is accepted, and 0 elsewhere."""


class _Choice:
    """The choices of a sample: `logprobs` of each, float64 [choices], and what else metrics choose by."""

    def __init__(self, sample: Mapping[str, Any]):
        answers, arguments = sample["filtered_resps"], sample["arguments"]
        # For acc_mutual_info each choice is scored a second time, without the question.
        n = len(answers) // 2 if "acc_mutual_info" in sample else len(answers)
        logprobs = np.array([logprob for logprob, _ in answers], dtype=np.float64)
        self.logprobs, self.alone = logprobs[:n], logprobs[n:]
        self.greedy = [bool(greedy) for _, greedy in answers[:n]]
        contexts, continuations = zip(*((argument[0], argument[1]) for argument in arguments[:n]), strict=True)
        self.in_context = len(set(contexts)) > 1
        """Whether the choices are in the prompts, and what is scored is the same for all."""
        self.texts: list[str] | None = sample.get("choices")
        if self.texts is None and not self.in_context:
            blank = all(text[:1] == " " for text in continuations)
            self.texts = [text[blank:] for text in continuations]

    def taken(self, metric: str, accepted: Sequence[int]) -> int | None:
        """The choice that the metric takes, as lm-eval has it; None if it takes none or the lengths are not known."""
        values = self.logprobs
        if metric == "acc_mutual_info":
            values = values - self.alone
        elif metric in ("acc_norm", "acc_bytes"):
            if self.texts is None:
                return None
            with np.errstate(divide="ignore"):  # an empty text
                values = values / np.array([float(len(t.encode() if metric == "acc_bytes" else t)) for t in self.texts])
        elif metric == "exact_match":
            return next((i for i in (*accepted, *range(len(self.greedy))) if self.greedy[i]), None)
        return int(np.argmax(values))

    def accepted(self, sample: Mapping[str, Any]) -> list[int]:
        """Indices of the right choices; none where the target names none, or the item's `acc` says otherwise."""
        acc, likeliest = _number(sample.get("acc")), self.taken("acc", ())
        readings = [indices for indices in self._readings(sample) if indices]
        fits = [indices for indices in readings if np.isnan(acc) or acc == float(likeliest in indices)]
        return fits[0] if len(fits) == 1 else []

    def _readings(self, sample: Mapping[str, Any]) -> list[list[int]]:
        """What the target may mean, as indices."""
        target, n = sample["target"], len(self.logprobs)
        if "choices" in sample:  # known
            return [self._as_lm_eval(target)]
        if self.in_context:  # the target is the continuation: any one of the choices
            return [[index] for index in range(n)]
        readings = [self._as_lm_eval(_listed(target)), self._as_lm_eval(str(target))]
        return [list(indices) for indices in dict.fromkeys(map(tuple, readings))]

    def _as_lm_eval(self, target: Any) -> list[int]:
        """An index, a list of them, or a choice's text."""
        if isinstance(target, str):
            return [self.texts.index(target)] if self.texts and target in self.texts else []
        indices = target if isinstance(target, list) else [target]
        known = all(isinstance(i, int | np.integer) and 0 <= i < len(self.logprobs) for i in indices)
        return [int(i) for i in dict.fromkeys(indices)] if known else []


def _listed(target: Any) -> Any:
    """Indices that lm-eval has written as the text of a list, as a list again; anything else as it is."""
    try:
        listed = json.loads(target)
    except (TypeError, ValueError):
        return target
    return listed if isinstance(listed, list) else target


def _number(value: Any) -> float:
    """A metric of one item; lm-eval hands some of them over with what their aggregation needs beside them."""
    return float(value) if isinstance(value, int | float | np.number) else float("nan")
