"""Task data, leaks, local files, and the shots of a document."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tests.cells import request
from tests.conftest import write_jsonl
from ttt.spec import Bench, TaskDataset
from ttt.tasks.bench import load_tasks
from ttt.tasks.leaks import normalise, remove_leaks
from ttt.tasks.task_data import Example, TaskData, load_task_data


def bench(*datasets: TaskDataset) -> Bench:
    tasks = ({"task": "unused", "output_type": "generate_until"},)
    common = {"name": "b", "version": 1, "format": "generate", "chance": 0.0, "metric": "exact_match,none"}
    return Bench(**common, tasks=tasks, task_data=datasets)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("What is 2 + 2?", "what   is 2+2"),
        ("Café—ﬁne", "CAFÉ fine"),
        ("A.\nB.", "a b"),
        ("１２", "12"),
    ],
)
def test_normalise_sees_through_case_space_and_punctuation(a: str, b: str) -> None:
    assert normalise(a).replace(" ", "") == normalise(b).replace(" ", "")


def test_normalise_keeps_what_differs() -> None:
    assert normalise("What is 2 plus 2?") != normalise("What is 2 plus 3?")


def test_leaks_are_removed_and_counted() -> None:
    data = TaskData(
        (Example("A question?", " yes"), Example("a QUESTION", " no"), Example("Another", " no")), {"empty": 2}
    )
    kept = remove_leaks(data, ["A  question!"])
    assert kept.examples == (Example("Another", " no"),)
    assert kept.n_dropped == {"empty": 2, "leaked": 2}


def test_task_data_from_several_files_in_a_fixed_order(tmp_path: Path) -> None:
    first = write_jsonl(tmp_path / "a.jsonl", [{"prompt": f"p{i}", "answer": f" a{i}"} for i in range(20)])
    with (tmp_path / "b.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([["q", "a"], ["short", "yes"], ["long " * 50, "no"], ["", "empty"]])
    sources = (
        TaskDataset(name="first", files=str(first)),
        TaskDataset(name="second", files=str(tmp_path / "b.csv"), prompt="{{q}}", answer=" {{a}}", max_characters=100),
    )
    data = load_task_data(bench(*sources))
    assert data.n_dropped == {"empty": 1, "too_long": 1, "missing": 0}
    assert len(data.examples) == 21
    assert Example("short", " yes") in data.examples
    assert data.examples == load_task_data(bench(*sources)).examples
    assert [e.prompt for e in data.examples[:5]] != [f"p{i}" for i in range(5)], "the pool is shuffled"


def test_shots_depend_on_the_document_alone(conf: Path, tmp_path: Path) -> None:
    cell = request(conf, tmp_path, adjustment="none").cells[0]
    (task,) = load_tasks(cell.bench)["tasks"].values()
    docs = list(task.eval_docs)
    forwards = [task.fewshot_context(doc, 2) for doc in docs]
    backwards = [task.fewshot_context(doc, 2) for doc in reversed(docs)]
    assert forwards == backwards[::-1]
    assert len({prompt.split("\nAnswer:")[0] for prompt in forwards}) > 10, "documents have shots of their own"
    other = load_tasks(cell.bench.model_copy(update={"fewshot_seed": 7}))["tasks"]
    assert [next(iter(other.values())).fewshot_context(doc, 2) for doc in docs] != forwards
