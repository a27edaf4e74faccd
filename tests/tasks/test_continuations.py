"""What training teaches against what the test scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cells import request
from tests.conftest import sums
from tests.tasks.benches import CLOZE, GENERATE, RAIN, Benches
from ttt.tasks.bench import load_tasks
from ttt.tasks.continuations import said_of_answers
from ttt.tasks.leaks import asked_questions
from ttt.tasks.task_data import Example


def said(
    benches: Benches, answers: list[str], task: dict[str, Any], rows: Any = RAIN, prompt: str = "Q\nAnswer:"
) -> list[str]:
    bench = benches.make(rows, task)
    tasks = load_tasks(bench)["tasks"]
    return said_of_answers([Example(prompt, answer) for answer in answers], tasks, bench)


def test_what_is_not_scored_is_compared_with_nothing(benches: Benches) -> None:
    rows = sums(3, seed=1)
    bench = benches.make([*rows[:2], {**rows[2], "question": None}], limit=2)
    tasks = load_tasks(bench)["tasks"]
    assert len(asked_questions(tasks.values(), bench)) == 2
    assert said_of_answers([Example("q", " A")], tasks, bench) == []


@pytest.mark.parametrize("answers", [[" 0", " 1"], ["A", "B"], [" (A)"], [" a"]])
def test_answers_that_the_test_never_scores_are_said(benches: Benches, answers: list[str]) -> None:
    (warning,) = said(benches, answers, {}, sums(4, 1))
    assert f"training teaches {', '.join(map(repr, answers))}, the test scores ' A', ' B', ' C', ' D'" in warning


@pytest.mark.parametrize("answers", [[" A"], [" A", " E"], [" 0", " D"]])
def test_answers_of_which_one_is_scored_are_not(benches: Benches, answers: list[str]) -> None:
    assert said(benches, answers, {}, sums(4, 1)) == []


def test_the_blank_may_stand_at_the_prompts_end(benches: Benches) -> None:
    assert said(benches, ["A"], {}, sums(4, 1), prompt="Q\nAnswer: ") == []
    assert said(benches, ["A"], {"target_delimiter": ""}, sums(4, 1)) == []
    assert said(benches, [" A"], {"target_delimiter": "\n"}, sums(4, 1)) != []


@pytest.mark.parametrize("task", [CLOZE, {**GENERATE, "doc_to_target": "{{choices[answer]}}"}])
def test_answers_of_their_own_are_compared_by_their_blank(benches: Benches, task: dict[str, Any]) -> None:
    assert said(benches, [" B", " another text"], task, sums(6, 1)) == []
    (warning,) = said(benches, ["B", "12"], task, sums(6, 1))
    assert "training teaches 'B', with no blank after the prompt" in warning
    assert "with ' '" in warning


@pytest.mark.parametrize("bench", ["sums", "sums_cloze", "sums_generate"])
def test_nothing_is_said_of_a_sound_bench(conf: Path, tmp_path: Path, bench: str) -> None:
    from ttt.tasks.task_data import load_task_data

    cell = request(conf, tmp_path, bench=bench).cells[0]
    loaded = load_tasks(cell.bench)
    assert loaded["warnings"] == []
    assert said_of_answers(load_task_data(cell.bench).examples, loaded["tasks"], cell.bench) == []
