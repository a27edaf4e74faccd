"""Benches over small files, for the tests of what is refused or said of them."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from tests.conftest import LETTERS, sums, write_jsonl
from ttt.spec import Bench
from ttt.tasks.bench import load_tasks

LETTER_TASK: dict[str, Any] = {
    "task": "quiz",
    "test_split": "test",
    "output_type": "multiple_choice",
    "doc_to_text": LETTERS,
    "doc_to_choice": ["A", "B", "C", "D"],
    "doc_to_target": "answer",
    "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
}
CLOZE = {"doc_to_text": "{{question}}\nAnswer:", "doc_to_choice": "choices"}
GENERATE = {
    "output_type": "generate_until",
    "doc_to_text": "{{question}}\nAnswer:",
    "doc_to_choice": None,
    "doc_to_target": "answer",
    "generation_kwargs": {"until": ["\n"], "max_gen_toks": 4, "do_sample": False},
    "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
}
RAIN = [
    {"question": "Does it rain?", "choices": ["yes", "no"], "answer": 0},
    {"question": "Does it snow?", "choices": ["yes", "no"], "answer": 1},
    {"question": "Does it hail?", "choices": ["yes", "no"], "answer": 1},
]


class Benches:
    """Benches over small files in a folder of the test's own."""

    def __init__(self, folder: Path):
        self.folder, self.names = folder, (f"file{i}.jsonl" for i in itertools.count())

    def make(self, rows: list[dict[str, Any]] | dict[str, list[dict[str, Any]]], *tasks: Any, **fields: Any) -> Bench:
        """`rows` are the test split's, or those of each split; `tasks` are changes to the task with letters."""
        splits = rows if isinstance(rows, dict) else {"test": rows}
        files = {split: str(write_jsonl(self.folder / next(self.names), of)) for split, of in splits.items()}
        defined = [{k: v for k, v in {**LETTER_TASK, **task}.items() if v is not None} for task in tasks or [{}]]
        metric = f"{defined[0]['metric_list'][0]['metric']},none"
        given = {"name": "b", "version": 1, "format": "multiple_choice", "chance": 0.25, "metric": metric}
        return Bench(**{**given, "tasks": tuple(defined), "files": files, **fields})

    def load(self, *args: Any, **fields: Any) -> dict[str, Any]:
        return load_tasks(self.make(*args, **fields))


def labelled(label: Any, place: int = 5, n: int = 12) -> list[dict[str, Any]]:
    rows = sums(n, seed=3)
    rows[place] = {**rows[place], "answer": label}
    return rows
