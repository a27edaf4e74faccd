"""The shots of a document: none gives its answer away, and how many there are is known."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import sums
from tests.tasks.benches import CLOZE, GENERATE, RAIN, Benches, labelled
from ttt.spec import SpecError
from ttt.tasks.shots import shots_given


def test_numbers_as_answers_are_texts_in_shots_too(benches: Benches) -> None:
    rows = [{"question": f"{i}?", "answer": i} for i in range(6)]
    loaded = benches.load(rows, GENERATE, chance=0.0, num_fewshot=2)
    (task,) = loaded["tasks"].values()
    for row in rows:
        shots = task.fewshot_context(row, 2).split("\n\n")[:2]
        assert all(shot.split("?")[0] == shot.split("Answer: ")[1] for shot in shots)


def shots_of(task: Any, doc: Any, n: int) -> list[str]:
    prompt = task.fewshot_context(doc, n)
    return [part.split("\n")[0] for part in prompt.split("\n\n")][:n]


@pytest.mark.parametrize(
    ("splits", "task"),
    [
        (("test",), {}),
        (("test",), {"fewshot_split": "test"}),
        (("test",), {"fewshot_config": {"sampler": "first_n"}}),
        (("test", "train"), {"fewshot_split": "train"}),
        (("test", "train"), {"training_split": "train"}),
        (("test", "validation"), {"validation_split": "validation"}),
        (("validation",), {"test_split": None, "validation_split": "validation"}),
        (("validation",), {"test_split": None, "validation_split": "validation", "fewshot_split": "validation"}),
        (("test",), {"fewshot_config": {"samples": RAIN, "sampler": "first_n"}}),
    ],
)
def test_no_prompt_holds_its_own_answer(benches: Benches, splits: tuple[str, ...], task: dict[str, Any]) -> None:
    rows = dict.fromkeys(splits, RAIN)
    (made,) = benches.load(rows, {**CLOZE, **task}, num_fewshot=2, chance=0.5)["tasks"].values()
    for doc in made.eval_docs:
        shots = shots_of(made, doc, 2)
        assert len(set(shots)) == 2
        assert doc["question"] not in shots
    with pytest.raises(
        SpecError, match="3 shots asked of task 'quiz', but only 2 of its 3 few-shot documents ask some"
    ):
        benches.load(rows, {**CLOZE, **task}, num_fewshot=3, chance=0.5)


def test_questions_that_stand_in_the_choices_are_no_shots_of_their_own(benches: Benches) -> None:
    task = {"doc_to_choice": "{{[a, b]}}", "doc_to_text": "label", "doc_to_target": "rest", "fewshot_split": "train"}
    rows = [{"a": f"Ann {i}", "b": f"Bob {i}", "rest": "is late.", "label": i % 2} for i in range(3)]
    train = [{**row, "a": row["b"], "b": row["a"], "label": 1 - row["label"]} for row in rows]
    (made,) = benches.load({"test": rows, "train": train}, task, num_fewshot=2, chance=0.5)["tasks"].values()
    for i, doc in enumerate(made.eval_docs):
        shots, last = made.fewshot_context(doc, 2)[0].rsplit("\n\n", 1)
        assert last == f"Ann {i}"
        assert f" {i} " not in shots
        assert shots.count("is late.") == 2


def test_the_same_question_in_another_spelling_and_order_is_no_shot(benches: Benches) -> None:
    train = [{"question": "does it  RAIN", "choices": ["no", "yes"], "answer": 1}, *RAIN[1:]]
    rows = {"test": RAIN, "train": train}
    (task,) = benches.load(rows, {**CLOZE, "fewshot_split": "train"}, num_fewshot=2, chance=0.5)["tasks"].values()
    assert "does it  RAIN" not in shots_of(task, RAIN[0], 2)


def test_one_question_about_many_choices_is_no_duplicate(benches: Benches) -> None:
    rows = [{"question": "Which is true?", "choices": [f"{i}", f"-{i}"], "answer": 0} for i in range(1, 5)]
    (task,) = benches.load(rows, CLOZE, num_fewshot=3, chance=0.5)["tasks"].values()
    for row in rows:
        answers = [shot.split("Answer: ")[1] for shot in task.fewshot_context(row, 3).split("\n\n")[:3]]
        assert sorted([*answers, row["choices"][0]]) == ["1", "2", "3", "4"]


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_draw_that_tells_nothing_is_lm_evals_own(benches: Benches, split: str) -> None:
    from lm_eval.api.samplers import ContextSampler

    rows = sums(40, seed=1)
    splits = {"test": rows[:10], "train": rows[10:]}
    (task,) = benches.load(splits, {"fewshot_split": split}, num_fewshot=4)["tasks"].values()
    for doc in task.eval_docs:
        plain = ContextSampler(list(task.fewshot_docs())).set_rnd(f"1234:{sorted(doc.items())!r}")
        drawn = plain.sample(4, eval_doc=doc if split == "test" else None)
        assert task.sampler.of(doc, 4) == drawn


def test_a_shot_without_an_answer_of_its_own_is_refused(benches: Benches) -> None:
    splits = {"test": sums(4, seed=1), "train": labelled(4, place=0, n=1)}
    expected = "few-shot document 0 .*of task 'quiz' .*its label 4 is none of 0 to 3"
    with pytest.raises(SpecError, match=expected):
        benches.load(splits, {"fewshot_split": "train"}, num_fewshot=1)


def test_what_shots_were_given_is_known_and_said(benches: Benches) -> None:
    rows = sums(8, seed=1)
    loaded = benches.load(rows, {"num_fewshot": 0}, {"task": "other"}, num_fewshot=2)
    assert shots_given(loaded["tasks"].values()) == [0, 2]
    assert loaded["warnings"] == [
        "2 shots asked (bench.num_fewshot), 0 given to quiz, asked without shots by definition"
    ]


def test_samples_that_are_too_few_for_the_shots_are_refused(benches: Benches) -> None:
    samples = {"fewshot_config": {"samples": sums(3, seed=9), "sampler": "first_n"}}
    with pytest.raises(SpecError, match=r"4 shots asked of task 'b.*quiz', which has 3 few-shot documents"):
        benches.load(sums(4, seed=1), samples, num_fewshot=4)
