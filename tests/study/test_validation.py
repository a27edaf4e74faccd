"""What budgets are judged by: neither trained on nor tested on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import sums, write_jsonl
from tests.studies import asked, setup_of
from ttt.spec import SpecError
from ttt.study.space import StudySpec
from ttt.study.validation import Validation, make_validation
from ttt.tasks.bench import load_tasks
from ttt.tasks.task_data import load_task_data


def test_validation_items_are_not_trained_on(conf: Path, tmp_path: Path) -> None:
    setup = setup_of(asked(conf, tmp_path))
    validation, data = setup.validation, setup.prepared.task_data
    assert validation.source == "task_data"
    held_out = {example.prompt for example in validation.held_out}
    assert held_out
    assert not held_out & {example.prompt for example in validation.training.examples}
    assert len(validation.training.examples) + len(held_out) == len(data.examples)
    with pytest.raises(SpecError, match="has no validation split beside its test split"):
        make_validation(setup.cell.bench, setup.prepared.tasks, data, StudySpec(validation="split"))


def test_a_validation_split_is_looked_at_as_a_test_is(conf: Path, tmp_path: Path) -> None:
    """Its documents are their own few-shot split here, and lm-eval would draw them into their own prompts."""
    made = asked(conf, tmp_path)
    bench, rows = made.cell.bench, sums(6, seed=9)
    task = {**bench.tasks[0], "validation_split": "validation", "fewshot_split": "validation"}  # type: ignore[dict-item]

    def validation_of(rows: list[dict[str, Any]], n_shots: int = 2) -> Validation:
        files = {**bench.files, "validation": str(write_jsonl(tmp_path / f"{len(rows)}.jsonl", rows))}
        changed = bench.model_copy(update={"tasks": (task,), "files": files, "num_fewshot": n_shots})
        data = load_task_data(changed)
        return make_validation(changed, load_tasks(changed), data, StudySpec(validation="split"))

    validation = validation_of(rows)
    assert validation.tasks
    (loaded,) = validation.tasks["tasks"].values()
    for doc in loaded.eval_docs:
        assert loaded.fewshot_context(doc, 2).count(doc["question"]) == 1
    with pytest.raises(SpecError, match=r"document 6 .* of task 'sums' .*its label 4 is none of 0 to 3"):
        validation_of([*rows, {**rows[0], "question": "What is 50 plus 50?", "answer": 4}], n_shots=0)
    with pytest.raises(SpecError, match=r"but only 1 of its 2 few-shot documents ask something else than document 0"):
        validation_of(rows[:2])
