"""The table of a bench's items, from lm-eval's logged samples, and the names of its metrics. Needs no torch."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

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


def item_table(samples: Mapping[str, Iterable[Mapping[str, Any]]], metric: str) -> pd.DataFrame:
    """lm-eval's logged samples as a table of `ITEM_COLUMNS`: one row a document, by the metric's filter."""
    name, extraction = metric.split(",")
    rows = [
        _item(task.split("::")[-1], sample, name)
        for task, of_task in samples.items()
        for sample in of_task
        if sample["filter"] == extraction
    ]
    return pd.DataFrame(rows, columns=list(ITEM_COLUMNS))


def item_means(items: pd.DataFrame) -> dict[str, float]:
    """Mean `brier` and `gold_logprob` with their `_stderr`; each only where every item has it."""
    means = {}
    for column in ("brier", "gold_logprob"):
        if items[column].notna().all():
            values = items[column].to_numpy(dtype=np.float64)
            means[column] = float(values.mean())
            means[f"{column}_stderr"] = float(values.std(ddof=1) / len(values) ** 0.5)
    return means


def _item(task: str, sample: Mapping[str, Any], metric: str) -> dict[str, Any]:
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


OWN_NAMES = ("score", "stderr", "score_paper", "brier", "gold_logprob", "n_truncated", "seconds")
"""What a side of a cell has beside lm-eval's metrics: one of theirs that is called so is told apart by its filter."""
N_CHARACTERS = 200
"""Of a metric's name, which with its side and `_stderr` must stay within MLflow's 250."""


def metric_name(key: str) -> str:
    """A name that MLflow takes for lm-eval's "metric,filter"; no two keys have the same.

    `acc,none` is `acc`, `exact_match,strict-match` is `exact_match.strict-match`, and a standard error ends in
    `_stderr`. Other characters than letters, digits, `_`, `-` and blanks stand between colons: `pass@1` is `pass:at:1`.
    """
    metric, _, extraction = key.partition(",")
    stem, error = (metric.removesuffix("_stderr"), "_stderr") if metric.endswith("_stderr") else (metric, "")
    name = _escaped(stem)
    if extraction != "none" or stem in OWN_NAMES:
        last = ":5f:stderr" if extraction.endswith("_stderr") else ""  # only an error's own name may end so
        name += f".{_escaped(extraction.removesuffix('_stderr') if last else extraction)}{last}"
    if len(name) > N_CHARACTERS:
        digest = hashlib.sha256(f"{stem},{extraction}".encode(errors="surrogatepass")).hexdigest()
        name = f"{name[:N_CHARACTERS]}:{digest[:16]}"
    return name + error


def _escaped(text: str) -> str:
    return re.sub(r"[^\w\- ]", lambda found: ":at:" if found[0] == "@" else f":{ord(found[0]):x}:", text)
