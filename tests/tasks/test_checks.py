"""What is refused or said of a bench before anything is scored: labels, shots, metrics, filters, training answers."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from tests.cells import request
from tests.conftest import LETTERS, sums, write_jsonl
from ttt.spec import Bench, SpecError
from ttt.tasks.bench import load_tasks
from ttt.tasks.continuations import said_of_answers
from ttt.tasks.leaks import asked_questions
from ttt.tasks.shots import shots_given
from ttt.tasks.task_data import Example

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


@pytest.fixture
def benches(tmp_path: Path) -> Benches:
    return Benches(tmp_path)


def labelled(label: Any, place: int = 5, n: int = 12) -> list[dict[str, Any]]:
    rows = sums(n, seed=3)
    rows[place] = {**rows[place], "answer": label}
    return rows


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


def test_numbers_as_answers_are_texts_in_shots_too(benches: Benches) -> None:
    rows = [{"question": f"{i}?", "answer": i} for i in range(6)]
    loaded = benches.load(rows, GENERATE, chance=0.0, num_fewshot=2)
    (task,) = loaded["tasks"].values()
    for row in rows:
        shots = task.fewshot_context(row, 2).split("\n\n")[:2]
        assert all(shot.split("?")[0] == shot.split("Answer: ")[1] for shot in shots)


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


def test_what_is_not_scored_is_compared_with_nothing(benches: Benches) -> None:
    rows = sums(3, seed=1)
    bench = benches.make([*rows[:2], {**rows[2], "question": None}], limit=2)
    tasks = load_tasks(bench)["tasks"]
    assert len(asked_questions(tasks.values(), bench)) == 2
    assert said_of_answers([Example("q", " A")], tasks, bench) == []


@pytest.mark.parametrize(
    ("metric", "aggregation", "task", "expected"),
    [
        ("f1", "f1", {}, "Target is multiclass"),
        ("likelihood", "mean", {}, "unsupported operand"),
        ("f1", "f1", CLOZE, "Target is multiclass"),
    ],
)
def test_a_metric_that_only_fails_when_all_is_scored_is_refused(
    benches: Benches, metric: str, aggregation: str, task: dict[str, Any], expected: str
) -> None:
    one = {"metric": metric, "aggregation": aggregation, "higher_is_better": True}
    with pytest.raises(SpecError, match=rf"bench\.metric: '{metric}' cannot be computed .*task 'quiz'.*{expected}"):
        benches.load(sums(12, seed=1), {**task, "metric_list": [one]})
    both = [*LETTER_TASK["metric_list"], one]
    with pytest.raises(SpecError, match=rf"bench 'b', metric_list: '{metric}' cannot be computed .*{expected}"):
        benches.load(sums(12, seed=1), {**task, "metric_list": both})


@pytest.mark.parametrize("metric", ["f1", "mcc", "acc", "acc_norm", "acc_bytes", "brier_score", "acc_mutual_info"])
def test_metrics_that_suit_their_choices_are_taken(benches: Benches, metric: str) -> None:
    aggregation = {"f1": "f1", "mcc": "matthews_corrcoef", "brier_score": "brier_score"}.get(metric, "mean")
    one = {"metric": metric, "aggregation": aggregation, "higher_is_better": True}
    task = {"doc_to_text": "{{question}}", "doc_to_choice": ["no", "yes"], "metric_list": [one]}
    assert benches.load(RAIN, task, chance=0.5)["warnings"] == []


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


def test_a_metric_that_one_task_lacks_is_refused(benches: Benches) -> None:
    other = {**GENERATE, "task": "open"}
    with pytest.raises(
        SpecError, match=r"'acc,none' would score a part of 'b' alone.*task 'open', which has exact_match"
    ):
        benches.load(RAIN, CLOZE, {**other, "doc_to_target": "{{answer}}"}, chance=0.5)


def test_a_metric_that_lm_eval_does_not_compute_for_the_output_is_refused(benches: Benches) -> None:
    metrics = [*LETTER_TASK["metric_list"], {"metric": "perplexity", "aggregation": "mean", "higher_is_better": True}]
    with pytest.raises(SpecError, match="'perplexity,none' is none of the metrics of 'b': acc"):
        benches.load(sums(4, 1), {"metric_list": metrics}, metric="perplexity,none")


FILTERS = [
    {"name": "strict-match", "filter": [{"function": "take_first"}]},
    {"name": "flexible-extract", "filter": [{"function": "take_first"}]},
]


def test_a_filter_that_a_task_lacks_is_refused_with_those_it_has(benches: Benches) -> None:
    rows = [{"question": f"{i}?", "answer": str(i)} for i in range(4)]
    first, second = {**GENERATE, "filter_list": FILTERS}, {**GENERATE, "task": "plain"}
    assert benches.load(rows, first, metric="exact_match,flexible-extract")["warnings"] == []
    expected = "task 'quiz' has no filter 'flexible-extrct'; it has: flexible-extract, strict-match"
    with pytest.raises(SpecError, match=expected):
        benches.load(rows, first, metric="exact_match,flexible-extrct")
    with pytest.raises(SpecError, match="task 'plain' has no filter 'strict-match'; it has: none"):
        benches.load(rows, first, second, metric="exact_match,strict-match")


def test_the_direction_of_the_metric_is_not_contradicted(benches: Benches) -> None:
    with pytest.raises(SpecError, match=r"higher_is_better: .* 'acc' is better .*: the bench: false, quiz: true"):
        benches.load(sums(4, 1), higher_is_better=False)
    brier = {"metric": "brier_score", "aggregation": "brier_score", "higher_is_better": False}
    assert benches.load(sums(4, 1), {"metric_list": [brier]})["warnings"] == [], "a bench that does not say it"
    other = {"task": "other", "metric_list": [{**brier, "higher_is_better": True}]}
    with pytest.raises(SpecError, match=r"'brier_score' is better .*: quiz: false, other: true"):
        benches.load(sums(4, 1), {"metric_list": [brier]}, other)


def test_a_chance_that_the_choices_rule_out_is_said(benches: Benches) -> None:
    assert benches.load(sums(4, 1), chance=0.5)["warnings"] == [
        "bench.chance: 0.5, but the questions of 'b' have 4 choices"
    ]


def said(
    benches: Benches, answers: list[str], task: dict[str, Any], rows: Any = RAIN, prompt: str = "Q\nAnswer:"
) -> list[str]:
    bench = benches.make(rows, task)
    tasks = load_tasks(bench)["tasks"]
    return said_of_answers([Example(prompt, answer) for answer in answers], tasks, bench)


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

    cell = request(conf, tmp_path, bench=bench).cell
    loaded = load_tasks(cell.bench)
    assert loaded["warnings"] == []
    assert said_of_answers(load_task_data(cell.bench).examples, loaded["tasks"], cell.bench) == []
