"""The per-item samples that lm-eval logs beside its results, as the table of items."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ttt.cell.items import item_table
from ttt.imported.results import MAX_COUNT, Results, UnusableError
from ttt.imported.scores import n_items
from ttt.spec import Bench

FAULTS = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError, OSError)
"""What a sample raises that is not as lm-eval writes it."""


def sample_files(results: Results, tasks: Sequence[str]) -> dict[str, Path]:
    """samples_<task>_<time>.jsonl of each of a bench's tasks, beside results_<time>.json, where there is one."""
    stamp = results.path.stem.removeprefix("results_")
    leaves = [leaf for task in tasks for leaf in results.leaves(task)]
    # Looked for among the files that there are: a task may be called by what no file can be.
    there = {file.name: file for file in results.path.parent.iterdir() if file.name.startswith("samples_")}
    files = {task: there.get(f"samples_{task}_{stamp}.jsonl") for task in dict.fromkeys(leaves)}
    return {task: file for task, file in files.items() if file and file.is_file()}


def digest(files: dict[str, Path]) -> str | None:
    """SHA-256 over the samples of all tasks; None if there are none."""
    if not files:
        return None
    whole = hashlib.sha256()
    for task, file in sorted(files.items()):
        with file.open("rb") as content:
            whole.update(f"{task}:{hashlib.file_digest(content, 'sha256').hexdigest()};".encode())
    return whole.hexdigest()


def read_items(
    results: Results, bench: Bench, tasks: Sequence[str], files: dict[str, Path], score: float
) -> pd.DataFrame:
    """The items of a bench: `ttt.cell.items.ITEM_COLUMNS`, one row a document.

    Raises UnusableError if the samples of a task are missing or broken, or their mean is not the score.
    """
    leaves = [leaf for task in tasks for leaf in results.leaves(task)]
    if missing := [task for task in leaves if task not in files]:
        raise UnusableError("broken samples", f"no samples of the task '{missing[0]}'")
    try:
        items = item_table({task: _samples(file) for task, file in files.items()}, bench.metric)
    except FAULTS as error:
        raise UnusableError("broken samples", f"not lm-eval's samples: {type(error).__name__}: {error}") from None
    if items["correct"].isna().any():
        raise UnusableError("broken samples", f"some have no number for '{bench.metric}'")
    mean = items["correct"].mean()
    if not abs(mean - score) < 1e-6:
        raise UnusableError("broken samples", f"their mean is {mean:.6f} over {len(items)}, and the score {score:.6f}")
    if items.duplicated(["task", "doc_id"]).any():
        raise UnusableError("broken samples", "some documents are there twice")
    if (stated := n_items(results, bench, tasks)) and len(items) != stated:
        raise UnusableError("broken samples", f"there are {len(items)} of {stated} documents")
    return items


def _samples(file: Path) -> Iterator[dict[str, Any]]:
    """lm-eval's samples as they were before they were written: numbers for texts, tuples for lists."""
    with file.open(encoding="utf-8-sig") as lines:
        for line in filter(str.strip, lines):
            sample = json.loads(line)
            for name, kind in (("doc_id", int), ("doc_hash", str), ("prompt_hash", str)):
                if not isinstance(sample[name], kind) or isinstance(sample[name], bool):
                    raise TypeError(f"{name} is {sample[name]!r}")
            if not 0 <= sample["doc_id"] <= MAX_COUNT:
                raise ValueError(f"doc_id is {sample['doc_id']}")
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
        if not np.isfinite(logprob):
            raise ValueError(f"a log-likelihood is {logprob}")
        return logprob, str(answer[1]) == "True"
    return answer
