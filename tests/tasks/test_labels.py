"""Labels, choices and answers of a bench's documents, refused or said before anything is scored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import sums, write_jsonl
from tests.tasks.benches import CLOZE, GENERATE, LETTER_TASK, RAIN, Benches, labelled
from ttt.spec import Bench, SpecError
from ttt.tasks.bench import load_tasks


@pytest.mark.parametrize("place", [0, 5])
@pytest.mark.parametrize("label", [4, 7, -1])
def test_a_number_that_names_no_choice_is_refused(benches: Benches, label: int, place: int) -> None:
    """-1 would be the last choice, and lm-eval's own look at the first document says "list index out of range"."""
    expected = (
        rf"document {place} .*of task 'quiz' .*its label {label} is none of 0 to 3, for the choices 'A', 'B', 'C', 'D'"
    )
    with pytest.raises(SpecError, match=expected):
        benches.load(labelled(label, place))


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ("abcd", "its label 'a' is none of the choices 'A', 'B', 'C', 'D'"),
        ("ABCE", "document 3 .*its label 'E' is none of the choices 'A', 'B', 'C', 'D'"),
        ([" A", " B", " C", " D"], "its label ' A' is none"),
        ([True, False, True, False], "its label True is none"),
        ([1, 2, 3, 4], "document 3 .*its label 4 is none of 0 to 3.*the first has the number 0"),
        (["1", "2", "3", "4"], "document 3 .*its label 4 is none of 0 to 3"),
        ([0.0, 1.0, 2.0, 3.0], "its label 0.0 is none"),
    ],
)
@pytest.mark.parametrize("target", ["answer", "{{answer}}"])
def test_labels_of_another_kind_are_refused(benches: Benches, labels: Any, said: str, target: str) -> None:
    if target == "{{answer}}":
        said = said.replace("label True", "label 'True'").replace("label 0.0", "label '0.0'")
    rows = [{**row, "answer": label} for row, label in zip(sums(4, seed=3), labels, strict=True)]
    with pytest.raises(SpecError, match=said):
        benches.load(rows, {"doc_to_target": target})


@pytest.mark.parametrize(
    ("rows", "task"),
    [
        ([{**row, "answer": "ABCD"[row["answer"]]} for row in sums(6, 3)], {}),
        ([{**row, "answer": row["choices"][row["answer"]]} for row in sums(6, 3)], CLOZE),
        ([{**row, "answer": [row["answer"]]} for row in sums(6, 3)], {}),
        (RAIN, CLOZE),
        ([{**r, "choices": ["no", "yes"], "answer": bool(r["answer"])} for r in RAIN], CLOZE),
    ],
)
def test_every_form_of_a_right_label_is_taken(benches: Benches, rows: Any, task: dict[str, Any]) -> None:
    assert benches.load(rows, task, chance=0.5 if len(rows[0]["choices"]) == 2 else 0.25)["warnings"] == []


def test_numbers_written_as_text_are_the_choices_numbers(benches: Benches) -> None:
    rows = [{**row, "answer": str(row["answer"])} for row in sums(12, seed=3)]
    (task,) = benches.load({"test": rows, "train": rows}, {"fewshot_split": "train"}, num_fewshot=1)["tasks"].values()
    scored = [(-9.0, False), (-1.0, False), (-9.0, False), (-9.0, False)]  # the second choice is the likeliest
    right = [task.process_results(doc, scored)["acc"] for doc in task.eval_docs]
    assert right == [float(row["answer"] == "1") for row in rows]
    assert task.fewshot_context(rows[0], 1).split("Answer:")[1].split("\n")[0] in (" A", " B", " C", " D")


def test_a_text_that_is_a_choice_is_that_choice_although_it_is_a_number(benches: Benches) -> None:
    rows = [{"question": f"1 + {i}?", "choices": ["1", "2", "3", "4"], "answer": str(i + 1)} for i in range(4)]
    (task,) = benches.load(rows, CLOZE)["tasks"].values()
    assert [task.doc_to_target(doc) for doc in task.eval_docs] == [0, 1, 2, 3]


def test_labels_that_never_name_the_first_choice_are_said(benches: Benches) -> None:
    rows = [{**row, "answer": 1 + i % 3} for i, row in enumerate(sums(24, seed=3))]
    (warning,) = benches.load(rows)["warnings"]
    assert "task 'quiz': the labels of 24 documents lie between 1 and 3, and none is 0" in warning
    assert benches.load(rows[:6])["warnings"] == [], "of six documents it may be chance"
    assert benches.load([{**row, "answer": 1} for row in rows])["warnings"] == [], "one constant is no counting"


@pytest.mark.parametrize("place", [0, 2])
@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ([3, 4, 5], r"choice 0 of \[3, 4, 5\] is not a text \(doc_to_choice: .*map\('string'\)"),
        ("3, 4, 5", "its choices are '3, 4, 5', and not a list of texts"),
        ([], r"its choices are \[\], and not a list"),
    ],
)
def test_choices_that_are_no_texts_are_refused_by_document(
    benches: Benches, choices: Any, said: str, place: int
) -> None:
    rows = [{"question": f"{i}?", "choices": json.dumps(["a", "b", "c"]), "answer": 0} for i in range(4)]
    rows[place]["choices"] = json.dumps(choices)
    with pytest.raises(SpecError, match=f"document {place} .*of task 'quiz' .*{said}"):
        benches.load(rows, {**CLOZE, "doc_to_choice": "{{choices}}"})


def test_numbers_become_choices_as_the_refusal_says(benches: Benches) -> None:
    rows = [{"question": f"{i}?", "choices": [i, i + 1], "answer": i % 2} for i in range(4)]
    loaded = benches.load(rows, {**CLOZE, "doc_to_choice": "{{choices | map('string') | list}}"}, chance=0.5)
    assert [next(iter(loaded["tasks"].values())).doc_to_choice(row) for row in rows[:1]] == [["0", "1"]]


def test_a_right_choice_after_its_like_is_said(benches: Benches) -> None:
    rows = [{"question": f"{i}?", "choices": ["a", "b", "c", "d"], "answer": i} for i in range(4)]
    rows[2]["choices"] = ["a", "c", "c", "d"]
    assert "1 documents, first 2, have a choice with the right one's text" in benches.load(rows, CLOZE)["warnings"][0]


def test_an_empty_choice_is_said(benches: Benches) -> None:
    """lm-eval scores it: the blank before it is a token."""
    rows = [{"question": f"{i}?", "choices": ["a", "b", "c", "d"], "answer": i} for i in range(4)]
    rows[3]["choices"] = ["a", "", "c", "d"]
    assert benches.load(rows, CLOZE)["warnings"] == ["task 'quiz': 1 documents, first 3, have an empty choice"]
    with pytest.raises(SpecError, match="an option of document 0 of task 'quiz' is an empty text"):
        benches.load(rows[::-1], CLOZE)


def test_a_label_of_several_inputs_is_looked_at(benches: Benches) -> None:
    """WinoGrande's form: the choices are the beginnings, the label stands where questions do."""
    task = {"doc_to_choice": "{{[a, b]}}", "doc_to_text": "label", "doc_to_target": "rest"}
    rows = [{"a": f"Ann {i}", "b": f"Bob {i}", "rest": "is late.", "label": i % 2} for i in range(4)]
    assert benches.load(rows, task, chance=0.5)["warnings"] == []
    with pytest.raises(
        SpecError, match=r"document 1 .*its label 2 is none of 0 to 1, for the choices 'Ann 1', 'Bob 1'"
    ):
        benches.load([{**row, "label": row["label"] + 1} for row in rows], task)
    with pytest.raises(SpecError, match=r"document 3 .*its target is empty"):
        benches.load([*rows[:3], {**rows[3], "rest": ""}], task)


@pytest.mark.parametrize(
    ("answer", "target", "said"),
    [
        ("", "answer", "its answer is empty"),
        (None, "answer", "its answer is None"),
        ("[1, 2]", "{{answer}}", "that of the first document not a list; a template's text in square brackets"),
    ],
)
@pytest.mark.parametrize("output", ["generate_until", "loglikelihood"])
def test_an_answer_that_cannot_be_given_is_refused(
    benches: Benches, answer: Any, target: str, said: str, output: str
) -> None:
    task = {**GENERATE, "output_type": output, "doc_to_target": target}
    if output == "loglikelihood":
        said = said if "list" not in said else r"its answer is \[1, 2\], and not a text"
        task |= {"generation_kwargs": None, "metric_list": LETTER_TASK["metric_list"]}
    rows = [{"question": f"{i}?", "answer": str(i)} for i in range(4)]
    rows[2]["answer"] = answer
    with pytest.raises(SpecError, match=f"document 2 .*of task 'quiz' .*{said}"):
        benches.load(rows, task, chance=0.0)


def test_only_what_is_scored_is_looked_at(benches: Benches) -> None:
    assert benches.load(labelled(9, place=8), limit=8)["warnings"] == []
    with pytest.raises(SpecError, match="document 8"):
        benches.load(labelled(9, place=8), limit=9)


def test_what_a_task_of_lm_evals_misses_is_said_with_the_columns(tmp_path: Path) -> None:
    file = write_jsonl(tmp_path / "rows.jsonl", [{"prompt": "q", "solution": "s"}])
    common = {"name": "b", "version": 1, "format": "generate", "chance": 0, "metric": "exact_match,strict-match"}
    for files in ({"test": str(file)}, {"test": str(file), "train": str(file)}):
        with pytest.raises(SpecError, match=r"the columns of .*rows\.jsonl are prompt, solution"):
            load_tasks(Bench(**common, tasks=("gsm8k",), files=files))  # type: ignore[arg-type]
