"""The same rows in every form of file: the same prompts, the same training tokens, the same scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.files.test_rows import AWKWARD, WRITERS, write_lines, write_text
from ttt.cell.evaluation import evaluate
from ttt.engine.lm import Backend
from ttt.engine.load import load
from ttt.engine.training.data import encode
from ttt.files.rows import DataFiles
from ttt.spec import Bench, Model, SpecError, TaskDataset, Trainer
from ttt.tasks.bench import load_tasks
from ttt.tasks.leaks import asked_questions, remove_leaks
from ttt.tasks.task_data import load_task_data

QUESTION = "{{question}}\nA. {{a}}\nB. {{b}}\nC. {{c}}\nD. {{d}}\nAnswer:"


def bench(test: Path, train: Path, **fields: Any) -> Bench:
    task = {
        "task": "awkward",
        "test_split": "test",
        "fewshot_split": "train",
        "output_type": "multiple_choice",
        "doc_to_text": QUESTION,
        "doc_to_choice": ["A", "B", "C", "D"],
        "doc_to_target": "{{label}}",
        **fields.pop("task", {}),
    }
    return Bench(
        **{  # type: ignore[arg-type]
            "name": "awkward",
            "version": 1,
            "format": "multiple_choice",
            "chance": 0.25,
            "metric": "acc,none",
            "num_fewshot": 1,
            "files": {"test": str(test), "train": str(train)},
            "tasks": [task],
            "task_data": [TaskDataset(name="a", files=str(train), prompt=QUESTION, answer=" {{label}}")],
            **fields,
        }
    )


def questions(part: int) -> list[dict[str, str]]:
    """Awkward texts as options, none of them in two rows; the two parts share their first row."""
    rows = []
    for start in range(0, len(AWKWARD) - 3, 4):
        options = dict(zip("abcd", AWKWARD[start : start + 4], strict=True))
        rows.append({"question": f"Which of {start}?", **options, "label": "ABCD"[start // 4 % 4]})
    return [rows[0], *rows[1 + part :: 2]]


@pytest.fixture(scope="module")
def tiny(tiny_model: Path) -> Any:
    facts = {"name": "tiny", "family": "tiny", "n_params": 1, "n_tokens": 1, "trained": "2024-01"}
    return load(Model(**facts, path=str(tiny_model)))  # type: ignore[arg-type]


def everything(asked: Bench, model: Any) -> tuple[Any, ...]:
    """Prompts, training tokens, leaks and items of a bench."""
    files = DataFiles()
    tasks = load_tasks(asked, files)
    data = remove_leaks(load_task_data(asked, files), asked_questions(tasks["tasks"].values(), asked))
    backend = Backend(*model, Trainer(precision="32", progress=False))
    tokens, _ = encode(backend, dict(enumerate(data.examples)), 500, chat=False)
    scores = evaluate(backend, asked, tasks)
    (task,) = tasks["tasks"].values()
    prompts = [task.fewshot_context(doc, 1) for doc in task.eval_docs]
    return prompts, tokens, data.n_dropped, scores.score, scores.items.to_dict("records")


@pytest.fixture(scope="module")
def reference(tiny: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, ...]:
    folder = tmp_path_factory.mktemp("reference")
    for part, name in enumerate(("test.jsonl", "train.jsonl")):
        write_lines(folder / name, questions(part))
    return everything(bench(folder / "test.jsonl", folder / "train.jsonl"), tiny)


def test_the_texts_are_asked_as_they_stand(reference: tuple[Any, ...]) -> None:
    prompts, tokens, dropped, _, items = reference
    options = "A. {a}\nB. {b}\nC. {c}\nD. {d}"
    for prompt, row in zip(prompts, questions(0), strict=True):
        assert options.format(**row) in prompt
    assert dropped["leaked"] == 1, "the row that both files have, whose options are None, NA, N/A and null"
    assert len(tokens) == len(questions(1)) - 1
    assert [item["gold"] for item in items] == [str("ABCD".index(row["label"])) for row in questions(0)]


@pytest.mark.parametrize("name", WRITERS)
def test_every_form_is_asked_trained_and_scored_alike(
    name: str, tmp_path: Path, tiny: Any, reference: tuple[Any, ...]
) -> None:
    paths = []
    for part, folder in enumerate(("test", "train")):
        (tmp_path / folder).mkdir()
        paths.append(tmp_path / folder / name)
        WRITERS[name](paths[-1], questions(part))
    assert everything(bench(*paths), tiny) == reference


def targets(tmp_path: Path, rows: list[dict[str, Any]], **task: Any) -> list[Any]:
    """What the task takes for right, of rows in a CSV file or as they are in JSON lines."""
    write_lines(tmp_path / "rows.jsonl", rows)
    write_text(",")(tmp_path / "rows.csv", rows)
    found = []
    for name in ("rows.jsonl", "rows.csv"):
        asked = bench(tmp_path / name, tmp_path / name, num_fewshot=0, task=task)
        (loaded,) = load_tasks(asked)["tasks"].values()
        found.append([loaded.doc_to_target(doc) for doc in loaded.eval_docs])
    assert found[0] == found[1]
    return found[0]


def rows_with(labels: list[Any], **options: Any) -> list[dict[str, Any]]:
    given = {"a": "w", "b": "x", "c": "y", "d": "z", **options}
    return [{"question": f"q{i}", **given, "label": label} for i, label in enumerate(labels)]


@pytest.mark.parametrize("target", ["label", "{{label}}"])
def test_a_label_means_the_same_in_every_form(target: str, tmp_path: Path) -> None:
    letters = ["A", "D", "B"]
    assert targets(tmp_path, rows_with(letters), doc_to_target=target) == [0, 3, 1]
    assert targets(tmp_path, rows_with([0, 3, 1]), doc_to_target=target) == [0, 3, 1]
    texts = {"doc_to_choice": "{{[a, b, c, d]}}", "doc_to_target": target}
    assert targets(tmp_path, rows_with(["w", "z", "x"]), **texts) == [0, 3, 1]


def test_a_label_that_could_mean_two_choices_is_refused(tmp_path: Path) -> None:
    rows = rows_with(["1"], a="1", b="2", c="3", d="4")
    write_text(",")(tmp_path / "rows.csv", rows)
    texts = {"doc_to_choice": "{{[a, b, c, d]}}", "doc_to_target": "label"}
    write_lines(tmp_path / "rows.jsonl", rows)
    for name, target in (("csv", "label"), ("csv", "{{label}}"), ("jsonl", "{{label}}"), ("jsonl", " {{label|trim}}")):
        asked = bench(tmp_path / f"rows.{name}", tmp_path / f"rows.{name}", num_fewshot=0)
        asked = asked.model_copy(update={"tasks": ({**asked.tasks[0], **texts, "doc_to_target": target},)})
        with pytest.raises(
            SpecError, match=r"the label ' ?1' .* is both one of its choices \(1, 2, 3, 4\) and the place"
        ):
            load_tasks(asked)
    jsonl = bench(tmp_path / "rows.jsonl", tmp_path / "rows.jsonl", num_fewshot=0, task=texts)
    (task,) = load_tasks(jsonl)["tasks"].values()
    assert task.doc_to_target(task.eval_docs[0]) == 0, "in JSON a text is a text"


@pytest.mark.parametrize("row", [{"d": None}, {}])
def test_a_missing_option_is_refused_by_row_in_test_and_training(row: dict[str, Any], tmp_path: Path) -> None:
    whole = rows_with(["A", "B", "C"])
    part = [*whole[:2], {**{k: v for k, v in whole[2].items() if k != "d"}, **row}]
    write_lines(tmp_path / "part.jsonl", part)
    write_lines(tmp_path / "whole.jsonl", whole)
    with pytest.raises(SpecError, match=r"document 2 .from 0. of task .* cannot be asked: 'd' has no value"):
        load_tasks(bench(tmp_path / "part.jsonl", tmp_path / "whole.jsonl"))
    with pytest.raises(SpecError, match=r"few-shot document 2 .* 'd' has no value"):
        load_tasks(bench(tmp_path / "whole.jsonl", tmp_path / "part.jsonl"))
    with pytest.raises(SpecError, match=r"row 3 of .*part\.jsonl: 'd' has no value .*the columns are question, a"):
        load_task_data(bench(tmp_path / "whole.jsonl", tmp_path / "part.jsonl"))


def test_a_wrong_column_names_the_columns_that_there_are(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("Question|a|b|c|d|label\nx|1|2|3|4|A\n")
    with pytest.raises(SpecError, match=r"'question' is undefined.*Question\|a\|b\|c\|d\|label"):
        load_tasks(bench(file, file, num_fewshot=0))
    with pytest.raises(SpecError, match=r"row 1 of .*a\.csv: 'question' is undefined; the columns are Question\|a"):
        load_task_data(bench(file, file))


def test_files_are_divided_by_a_column(tmp_path: Path) -> None:
    rows = [{**row, "subject": "law" if i % 3 else "art"} for i, row in enumerate(rows_with(list("ABCDABCDA")))]
    write_lines(tmp_path / "all.jsonl", rows)
    tasks = [{"task": name, "dataset_name": name} for name in ("law", "art")]
    common = {**bench(tmp_path / "all.jsonl", tmp_path / "all.jsonl").tasks[0]}  # type: ignore[dict-item]
    asked = bench(tmp_path / "all.jsonl", tmp_path / "all.jsonl", files_by="subject", num_fewshot=0)
    asked = asked.model_copy(update={"tasks": tuple({**common, **task} for task in tasks)})
    loaded = {name.split("::")[-1]: task for name, task in load_tasks(asked)["tasks"].items()}
    assert (len(loaded["law"].eval_docs), len(loaded["art"].eval_docs)) == (6, 3)
    assert {doc["subject"] for doc in loaded["law"].eval_docs} == {"law"}
    with pytest.raises(SpecError, match="no column 'topic'; it has: question, a, b, c, d, label, subject"):
        load_tasks(asked.model_copy(update={"files_by": "topic"}))


@pytest.mark.parametrize("value", ["../../outside", "/tmp/outside", "a/b", "..", "", None, "a\x00b"])
def test_the_values_of_a_column_lead_nowhere(value: Any, tmp_path: Path) -> None:
    write_lines(tmp_path / "all.jsonl", [{"question": "q", "subject": value}])
    asked = bench(tmp_path / "all.jsonl", tmp_path / "all.jsonl", files_by="subject", num_fewshot=0)
    with pytest.raises(SpecError, match=r"row 1 of .*all\.jsonl has .* cannot be the name of a data set"):
        load_tasks(asked)


def test_a_split_s_name_leads_nowhere(tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", rows_with(["A"]))
    files = {"test": str(tmp_path / "a.jsonl"), "../outside": str(tmp_path / "a.jsonl")}
    with pytest.raises(SpecError, match=r"'\.\./outside' cannot be the name of a split"):
        load_tasks(bench(tmp_path / "a.jsonl", tmp_path / "a.jsonl", num_fewshot=0, files=files))
    assert json.loads((tmp_path / "a.jsonl").read_text())


def test_a_file_that_no_task_reads_and_questions_that_are_numbers_are_said(tmp_path: Path) -> None:
    rows = [{"question": str(i % 4), "a": "w", "b": "x", "c": "y", "d": "z", "label": "ABCD"[i % 4]} for i in range(4)]
    write_text(",")(tmp_path / "rows.csv", rows)
    texts = {
        "doc_to_text": "{{question}}",
        "doc_to_choice": ["no", "yes", "a", "b"],
        "doc_to_target": "answer: {{label}}",
    }
    asked = bench(tmp_path / "rows.csv", tmp_path / "rows.csv", num_fewshot=0, task={**texts, "fewshot_split": None})
    said = " ".join(load_tasks(asked)["warnings"])
    assert "its texts are numbers, so its choices are the prompts" in said
    assert "bench.files.train: no task of 'awkward' has this split" in said


def test_a_task_s_own_number_of_shots_is_not_dropped(tmp_path: Path) -> None:
    write_lines(tmp_path / "rows.jsonl", rows_with(list("ABCD")))
    asked = bench(tmp_path / "rows.jsonl", tmp_path / "rows.jsonl", num_fewshot=0, task={"num_fewshot": 3})
    with pytest.raises(
        SpecError, match=r"num_fewshot: 3, but the shots of all tasks are bench\.num_fewshot, which is 0"
    ):
        load_tasks(asked)
