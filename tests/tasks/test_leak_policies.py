"""What is asked of the leak check, and what is done about what it finds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cells import request, run_cell
from tests.conftest import write_jsonl
from tests.tasks.finding import leaks
from ttt.cell.key import cell_key
from ttt.files.rows import DataFiles
from ttt.spec import Bench, SpecError
from ttt.tasks.bench import load_tasks
from ttt.tasks.leaks import asked_questions, check_leaks, find_leaks, in_words
from ttt.tasks.task_data import Example, TaskData
from ttt.tracking import Tracker

WINOGRANDE = [
    {
        "sentence": "The trophy did not fit into the brown suitcase because the _ was far too large for it to close.",
        "options": ["trophy", "suitcase"],
        "answer": 0,
    },
    {
        "sentence": "Sarah thanked Maria for the surgery because _ had been in pain for most of the year.",
        "options": ["Sarah", "Maria"],
        "answer": 0,
    },
]


def contexts_bench(conf: Path, folder: Path) -> Any:
    test = write_jsonl(folder / "test.jsonl", WINOGRANDE)
    task = {
        "task": "gaps",
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": "answer",
        "doc_to_choice": "{{[sentence.split('_')[0] + options[0], sentence.split('_')[0] + options[1]]}}",
        "doc_to_target": "{{sentence.split('_')[1].strip()}}",
        "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
    }
    files = {"test": str(test)}
    made = request(conf, folder, adjustment="none").cells[0].bench
    return made.model_copy(update={"tasks": (task,), "files": files, "task_data": (), "num_fewshot": 0})


def test_contexts_in_the_choices(conf: Path, tmp_path: Path) -> None:
    """The question is all that is asked: each context with the target, and the sentence with its gap."""
    bench = contexts_bench(conf, tmp_path)
    questions = asked_questions(load_tasks(bench, DataFiles())["tasks"].values(), bench)
    assert questions[0].text == WINOGRANDE[0]["sentence"].replace("_", "trophy")
    sentence = str(WINOGRANDE[0]["sentence"])
    texts = [
        (sentence.replace("_", "trophy"), " yes"),
        (sentence.replace("_", "suitcase").upper(), " no"),
        (sentence.split("_")[0].strip(), f" trophy{sentence.split('_')[1]}"),
        (f"{sentence}\nA. trophy\nB. suitcase\nAnswer:", " A"),
        ("The trophy stood on the shelf.\nA. trophy\nB. suitcase\nAnswer:", " A"),
        ("0", " 1"),
    ]
    assert leaks(questions, *texts) == ["exact", "normalised", "normalised", "inside", None, None]


BENCH = Bench(name="b", version=1, format="generate", chance=0, metric="acc,none", tasks=("whole",))


class Whole:
    """What lm-eval's perplexity tasks look like to the check."""

    class config:  # noqa: N801
        task, doc_to_choice = "whole", None

    eval_docs = [{"page": "A long page of text that a perplexity is taken of, and nothing is asked."}]  # noqa: RUF012

    def doc_to_text(self, doc: dict[str, str]) -> str:
        return ""

    def doc_to_target(self, doc: dict[str, str]) -> str:
        return doc["page"]


def test_documents_scored_as_a_whole_are_their_own_question() -> None:
    (question,) = asked_questions([Whole()], BENCH)
    assert question.text == Whole.eval_docs[0]["page"]


def test_only_what_is_asked_is_compared_and_a_fault_has_its_place() -> None:
    class Faulty(Whole):
        eval_docs = [*Whole.eval_docs, {"text": "no page"}]  # noqa: RUF012

    assert len(asked_questions([Faulty()], BENCH.model_copy(update={"limit": 1}))) == 1
    with pytest.raises(SpecError, match=r"bench 'b': document 1 \(from 0\) of task 'whole' cannot be asked: 'page'"):
        asked_questions([Faulty()], BENCH)


def test_nothing_to_compare() -> None:
    assert find_leaks([Example("A question?", " yes")], []) == {}
    assert find_leaks([], ["A question?"]) == {}
    assert find_leaks([Example("A", " b"), Example("  ", " b")], ["", " ", "B"]) == {}


def test_policies() -> None:
    data = TaskData((Example("A question?", " yes"), Example("Another", " no")), {"empty": 2})
    kept, found = check_leaks(data, ["a question"], "remove")
    assert (kept.examples, kept.n_dropped) == ((Example("Another", " no"),), {"empty": 2, "leaked": 1})
    assert in_words(found, "remove") == (
        "1 example of task data holds test questions (1 but for case, blanks and punctuation) and is left out"
    )
    kept, found = check_leaks(data, ["a question"], "report")
    assert (kept, len(found)) == (data, 1)
    with pytest.raises(
        SpecError, match=r"bench.leak=fail: 1 example .*\n  normalised: the test asks 'a question', task"
    ):
        check_leaks(data, ["a question"], "fail")
    assert check_leaks(data, ["nothing of the kind"], "fail") == (
        TaskData(data.examples, {"empty": 2, "leaked": 0}),
        {},
    )


def test_a_cell_counts_shows_and_says_its_leaks(conf: Path, tmp_path: Path) -> None:
    said: list[str] = []
    asked_for = request(conf, tmp_path, "bench.leak=report", "adjustment.examples=4")
    tracker = Tracker(asked_for.tracking)
    result = run_cell(asked_for.cells[0], asked_for.trainer, tracker, say=said.append)
    metrics = tracker.client.get_run(result.run_id).data.metrics
    counted = {
        name.removeprefix("task_data/"): n for name, n in metrics.items() if name.startswith("task_data/n_leaked")
    }
    kinds = {"n_leaked_exact": 0, "n_leaked_normalised": 1, "n_leaked_inside": 0, "n_leaked_near": 0}
    assert counted == {"n_leaked": 1, **kinds}
    assert metrics["task_data/n_examples"] == 81, "reported, and trained on"
    assert [text for text in said if "trained on all the same (bench.leak=report)" in text]
    table = json.loads(Path(tracker.artifact(result.run_id, "leaks.json")).read_text())  # type: ignore[arg-type]
    assert table["columns"] == ["kind", "test question", "task data"]
    assert [row[0] for row in table["data"]] == ["normalised"]
    assert "WHAT  IS" in table["data"][0][2]


def test_the_key_knows_what_is_trained_on(conf: Path, tmp_path: Path) -> None:
    def key(*overrides: str, adjustment: str = "smoke") -> str:
        cell = request(conf, tmp_path, *overrides, adjustment=adjustment).cells[0]
        return cell_key(cell, "source", "32", DataFiles(), 4096)

    assert key() == key("bench.leak=fail") != key("bench.leak=report")
    assert key(adjustment="none") == key("bench.leak=report", adjustment="none")
