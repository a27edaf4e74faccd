"""The per-item samples that lm-eval logs beside its results, as the table of items."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ttt.harness.results import Results, UnusableError, task_names
from ttt.items import item_table
from ttt.spec import Bench


def sample_files(results: Results, bench: Bench) -> dict[str, Path]:
    """samples_<task>_<time>.jsonl of each of the bench's tasks, beside results_<time>.json, where there is one."""
    stamp = results.path.stem.removeprefix("results_")
    tasks = [leaf for task in task_names(bench) for leaf in results.leaves(task)]
    files = {task: results.path.with_name(f"samples_{task}_{stamp}.jsonl") for task in dict.fromkeys(tasks)}
    return {task: file for task, file in files.items() if file.is_file()}


def digest(files: dict[str, Path]) -> str | None:
    """SHA-256 over the samples of all tasks; None if there are none."""
    if not files:
        return None
    whole = hashlib.sha256()
    for task, file in sorted(files.items()):
        with file.open("rb") as content:
            whole.update(f"{task}:{hashlib.file_digest(content, 'sha256').hexdigest()};".encode())
    return whole.hexdigest()


def read_items(results: Results, bench: Bench, files: dict[str, Path], score: float) -> pd.DataFrame:
    """The items of a bench: `ttt.items.ITEM_COLUMNS`, one row a document.

    Raises UnusableError if the samples of a task are missing or broken, or their mean is not the score.
    """
    tasks = [leaf for task in task_names(bench) for leaf in results.leaves(task)]
    if missing := [task for task in tasks if task not in files]:
        raise UnusableError("broken samples", f"no samples of the task '{missing[0]}'")
    try:
        items = item_table({task: _samples(file) for task, file in files.items()}, bench.metric)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError, OSError) as error:
        raise UnusableError("broken samples", f"not lm-eval's samples: {type(error).__name__}: {error}") from None
    mean = items["correct"].mean()
    if not abs(mean - score) < 1e-6:
        raise UnusableError("broken samples", f"their mean is {mean:.6f} over {len(items)}, and the score {score:.6f}")
    return items


def _samples(file: Path) -> Iterator[dict[str, Any]]:
    """lm-eval's samples as they were before they were written: numbers for texts, tuples for lists."""
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            sample = json.loads(line)
            arguments = sample["arguments"]
            if isinstance(arguments, dict):  # {"gen_args_0": {"arg_0": ..., "arg_1": ...}, ...}
                arguments = [
                    [argument[f"arg_{j}"] for j in range(len(argument))]
                    for argument in (arguments[f"gen_args_{i}"] for i in range(len(arguments)))
                ]
            answers = [_answer(answer) for answer in sample["filtered_resps"]]
            gold = sample["target"]
            if isinstance(answers[0], tuple) and isinstance(gold, str) and gold.lstrip("-").isdigit():
                gold = int(gold)
            # The long texts are let go: only the lengths of the arguments matter from here on.
            yield {**sample, "arguments": arguments, "filtered_resps": answers, "target": gold, "doc": None}


def _answer(answer: Any) -> Any:
    """A choice's (log-likelihood, greedy), or the text that was written."""
    if isinstance(answer, list) and len(answer) == 2 and str(answer[1]) in ("True", "False"):
        logprob = float(answer[0])
        if np.isnan(logprob):
            raise ValueError("a log-likelihood is not a number")
        return logprob, str(answer[1]) == "True"
    return answer
