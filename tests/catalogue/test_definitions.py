"""The shipped models, benches and task data: their facts, their prompts to the letter, and the metrics they name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from lm_eval.api.task import ConfigurableTask
from lm_eval.tasks import TaskManager
from lm_eval.utils import apply_template
from omegaconf import OmegaConf

from ttt.spec import Bench
from ttt.tasks.definition import read_task_file

ROOT = Path(__file__).parents[2]
CONF = ROOT / "conf"
BENCHES = sorted(path.stem for path in (CONF / "bench").glob("*.yaml"))
PAPER_BENCHES = {
    *("mmlu", "mmlu_cloze", "gsm8k", "minerva_math", "math_hard", "mmlu_pro", "mmlu_pro_four", "gpqa", "musr", "bbh"),
    *("arc_challenge", "hellaswag", "winogrande", "truthfulqa_mc2"),
    *("arc_challenge_mc", "hellaswag_mc", "winogrande_mc", "truthfulqa_mc2_mc"),
}
LETTERED = {"arc_challenge_mc": 25, "hellaswag_mc": 10, "winogrande_mc": 5, "truthfulqa_mc2_mc": 6, "mmlu_pro_four": 5}


def load(group: str, name: str) -> dict[str, Any]:
    return dict(OmegaConf.to_container(OmegaConf.load(CONF / group / f"{name}.yaml")))


def task_data(name: str) -> list[dict[str, Any]]:
    return list(load("task_data", name)["task_data"])


@pytest.fixture(scope="session")
def manager() -> TaskManager:
    return TaskManager()


@pytest.fixture
def compose_cell(tmp_path):
    """Composes a model and a bench as a command does, without a command's own config."""
    root = {
        "defaults": [{"model": "pythia-70m"}, {"bench": "mmlu"}, "_self_"],
        "hydra": {"searchpath": [f"file://{CONF}"]},
    }
    OmegaConf.save(root, tmp_path / "root.yaml")

    def run(*overrides: str) -> dict[str, Any]:
        with initialize_config_dir(str(tmp_path), version_base="1.3"):
            return dict(OmegaConf.to_container(compose("root", overrides=list(overrides))))

    return run


@pytest.fixture
def local(tmp_path):
    """Rows as lm-eval's dataset fields: the same rows in every split."""

    def fields(rows: list[dict[str, Any]]) -> dict[str, Any]:
        file = tmp_path / "rows.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        splits = {split: str(file) for split in ("train", "dev", "validation", "test")}
        kwargs = {"data_files": splits, "cache_dir": str(tmp_path / "cache")}
        return {"dataset_path": "json", "dataset_name": None, "dataset_kwargs": kwargs}

    return fields


def changed(manager: TaskManager, name: str, fields: dict[str, Any]) -> ConfigurableTask:
    """A task of lm-eval with some of its fields replaced."""
    return manager.load([{"group": "changed", "task": [{"task": name, **fields}]}])["tasks"][name]


# --- models ----------------------------------------------------------------------------------------------------------


# --- composition -----------------------------------------------------------------------------------------------------


def test_the_benches_are_those_of_the_paper():
    assert set(BENCHES) >= PAPER_BENCHES


@pytest.mark.parametrize("name", BENCHES)
def test_bench_composes_with_its_task_data(name, compose_cell):
    fields = compose_cell(f"bench={name}")["bench"]
    bench = Bench(**fields)
    assert (bench.name, bench.version) == (name, 1)
    assert bench.task_data
    assert (bench.chance == 0) == (bench.format == "generate")


def test_a_dotted_model_name_composes(compose_cell):
    assert compose_cell("model=pythia-1.4b")["model"]["hub"] == "EleutherAI/pythia-1.4b"


def test_task_data_is_a_choice_of_its_own(compose_cell):
    fields = compose_cell("bench=mmlu", "task_data@bench=commonsense_qa")["bench"]
    assert [source["name"] for source in fields["task_data"]] == ["commonsense_qa"]
    assert fields["tasks"] == ["mmlu"]


# --- lm-eval's side --------------------------------------------------------------------------------------------------


def declared(manager: TaskManager, task: str | dict[str, Any]) -> set[str]:
    """The "metric,filter" keys that lm-eval will report for a task or group, read from its definition."""
    fields = {} if isinstance(task, str) else task
    name = task if isinstance(task, str) else task["task"]
    if "output_type" not in fields:
        fields = {**read_task_file(str(manager.task_index[name].yaml_path)), **fields}
    metrics = fields.get("aggregate_metric_list") or fields["metric_list"]
    filters = [item["name"] for item in fields.get("filter_list") or [{"name": "none"}]]
    return {f"{metric['metric']},{item}" for metric in metrics for item in filters}


@pytest.mark.parametrize("name", BENCHES)
def test_tasks_are_known_and_report_the_metric(name, manager):
    fields = load("bench", name)
    for task in fields["tasks"]:
        if isinstance(task, dict) and "output_type" in task:
            assert task["task"] not in manager.task_index, "lm-eval has a task of this name: it would be mixed in"
        else:
            assert (task if isinstance(task, str) else task["task"]) in manager.task_index
        assert fields["metric"] in declared(manager, task)


def test_chance_of_bbh_follows_from_its_options(manager):
    sizes = {"snarks": 178, "causal_judgement": 187, "penguins_in_a_table": 146}  # the other subtasks have 250
    group = read_task_file(str(manager.task_index["leaderboard_bbh"].yaml_path))
    subtasks = [read_task_file(str(manager.task_index[task].yaml_path)) for task in group["task"]]
    n = [sizes.get(task["dataset_name"], 250) for task in subtasks]
    right = sum(size / len(task["doc_to_choice"]) for size, task in zip(n, subtasks, strict=True))
    assert load("bench", "bbh")["chance"] == pytest.approx(right / sum(n), abs=5e-5)


# --- the leaderboard's benches in MMLU's format ----------------------------------------------------------------------

ASKED = {
    "bbh": {"input": "Which is it?\nOptions:\n(A) red\n(B) green", "target": "(B)"},
    "gpqa": {
        "Question": " Which?",
        "choice1": "red",
        "choice2": "green",
        "choice3": "x",
        "choice4": "y",
        "answer": "(B)",
    },
    "musr": {"narrative": "Once.", "question": "Which?", "choices": "['red', \"a fool's gold\"]", "answer_index": 1},
}
LETTERS_OF = {
    "bbh": "Question: Which is it?\nOptions:\nA. red\nB. green Answer:",
    "gpqa": "What is the correct answer to this question: Which?\nChoices:\nA. red\nB. green\nC. x\nD. y\nAnswer: ",
    "musr": "Once.\n\nWhich?\n\nA. red\nB. a fool's gold\n\nAnswer:",
}


@pytest.mark.parametrize("name", ASKED)
def test_the_leaderboards_benches_in_the_format_of_mmlu(name, manager):
    """The same tasks as the bench has in its own format, asked by letters."""
    fields = load("bench", f"{name}_mmlu")
    group = read_task_file(str(manager.task_index[f"leaderboard_{name}"].yaml_path))
    assert [task["task"] for task in fields["tasks"]] == group["task"]
    lettered = next(task for task in fields["tasks"] if task.get("doc_to_target"))
    assert apply_template(lettered["doc_to_text"], ASKED[name]) == LETTERS_OF[name]
    assert apply_template(lettered["doc_to_target"], ASKED[name]) == ("1" if name == "musr" else "B")
    if name == "musr":
        assert apply_template(lettered["doc_to_choice"], ASKED[name]) == "['A', 'B']"
    for task in fields["tasks"]:
        theirs = read_task_file(str(manager.task_index[task["task"]].yaml_path)).get("doc_to_choice")
        if name == "bbh":
            assert [letter.strip("()") for letter in theirs] == task.get("doc_to_choice", theirs), task


# --- the lettered benches --------------------------------------------------------------------------------------------

FOUR = "Which?\nA. red\nB. green\nC. blue\nD. grey\nAnswer:"
GOLDEN = dict.fromkeys(LETTERED, FOUR) | {"winogrande_mc": "Which?\nA. red\nB. green\nAnswer:"}


def lettered_rows(name: str, n: int) -> list[dict[str, Any]]:
    if name == "mmlu_pro_four":
        return [
            {"question": f"Which?{'!' * i}", "options": ["red", "green", "blue", "grey"], "answer": "ABCD"[(i + 1) % 4]}
            for i in range(n)
        ]
    choices = ["red", "green"] if name == "winogrande_mc" else ["red", "green", "blue", "grey"]
    return [{"question": f" Which?{'!' * i} ", "choices": choices, "answer": (i + 1) % len(choices)} for i in range(n)]


@pytest.mark.parametrize("name", LETTERED)
def test_lettered_bench(name, local):
    fields = load("bench", name)
    assert fields["num_fewshot"] == LETTERED[name]
    rows = lettered_rows(name, LETTERED[name] + 2)
    task = ConfigurableTask(config={**fields["tasks"][0], **local(rows)})
    document = task.eval_docs[0]
    assert task.doc_to_text(document) == GOLDEN[name]

    requests = task.construct_requests(document, GOLDEN[name])
    letters = [request.arguments[1] for request in requests]
    assert letters == [" A", " B", " C", " D"][: len(requests)]
    assert 1 / len(letters) == fields["chance"]

    even = task.process_results(document, [(-2.0, False)] * len(letters))
    sure = task.process_results(document, [(0.0 if letter == " B" else -99.0, False) for letter in letters])
    assert (even["acc"], sure["acc"]) == (0.0, 1.0)  # between equals lm-eval takes the first, and B is right
    brier = task.aggregation()["brier_score"]
    assert brier([even["brier_score"]]) == pytest.approx(1 - 1 / len(letters))
    assert brier([sure["brier_score"]]) == pytest.approx(0, abs=1e-9)
    assert task.higher_is_better() == {"acc": True, "brier_score": False}


@pytest.mark.parametrize("name", LETTERED)
def test_shots_are_answered_and_never_the_question_itself(name, local):
    n = LETTERED[name]
    fields = load("bench", name)
    task = ConfigurableTask(config={**fields["tasks"][0], **local(lettered_rows(name, n + 1))})
    own_split = task.config.fewshot_split == task.config.test_split
    assert own_split == (name == "truthfulqa_mc2_mc")
    for document in task.eval_docs:
        task.set_fewshot_seed(1234)
        *shots, last = task.fewshot_context(document, n).split("\n\n")
        assert last == task.doc_to_text(document)
        assert len(shots) == n
        assert all(shot[-2:] in {" A", " B", " C", " D"} for shot in shots)
        if own_split:
            assert last not in [shot[:-2] for shot in shots]


# --- task data -------------------------------------------------------------------------------------------------------

MMLU_ROW = {"question": " Which? ", "choices": ["red", "green", "blue", "grey"], "answer": 2, "subject": ""}


def render(source: dict[str, Any], row: dict[str, Any]) -> tuple[str, str]:
    return apply_template(source["prompt"], row), apply_template(source["answer"], row)


def test_mmluaux_is_written_as_mmlu_asks(manager, local):
    (source,) = task_data("mmluaux")
    assert render(source, MMLU_ROW) == (FOUR, " C")
    task = changed(manager, "mmlu_abstract_algebra", local([MMLU_ROW]))
    document = task.eval_docs[0]
    assert task.doc_to_text(document) == FOUR
    assert task.config.target_delimiter + task.doc_to_choice(document)[task.doc_to_target(document)] == " C"


def test_mathematical_data_are_written_as_gsm8k_asks(manager, local):
    row = {"question": "1 + 1?", "answer": "It is 2.\n#### 2"}
    expected = "Question: 1 + 1?\nAnswer:", " It is 2.\n#### 2"
    orca, metamath = task_data("gsm8kaux")
    assert render(orca, row) == expected
    assert render(metamath, {"query": row["question"], "response": row["answer"]}) == expected
    assert (orca["max_characters"], metamath["max_characters"]) == (1700, 1700)
    assert render(task_data("gsm8k")[0], row) == expected
    task = changed(manager, "gsm8k", local([row]))
    document = task.eval_docs[0]
    assert (task.doc_to_text(document), task.config.target_delimiter + task.doc_to_target(document)) == expected


@pytest.mark.parametrize(
    "row",
    [
        {"question": "Where?", "choices": {"label": list("ABCDE"), "text": list("vwxyz")}, "answerKey": "B"},
        {"question": "Where?", "choices": list("vwxyz"), "answer": 1},
    ],
    ids=["hub", "file"],
)
def test_commonsense_qa_from_the_hub_and_from_a_file(row):
    (source,) = task_data("commonsense_qa")
    assert render(source, row) == ("Where?\nA. v\nB. w\nC. x\nD. y\nE. z\nAnswer:", " B")


# --- MATH ------------------------------------------------------------------------------------------------------------


def test_minerva_math_asks_all_levels_and_knows_equal_answers(manager, local):
    pytest.importorskip("math_verify", reason="the extra `math` is not installed")
    fields = load("bench", "minerva_math")
    assert len({task["task"] for task in fields["tasks"]}) == len(fields["tasks"]) == 7
    row = {"problem": "Halve 1.", "solution": r"It is $\boxed{\frac{1}{2}}$.", "level": "Level 1", "type": "Algebra"}
    first = fields["tasks"][0]
    task = changed(manager, first["task"], {**first, **local([row]), "dataset_name": None})
    document = task.eval_docs[0]
    assert task.doc_to_text(document) == "Problem:\nHalve 1.\n\nSolution:"
    *_, last_shot, question = task.fewshot_context(document, 4).split("Problem:\n")
    assert question == "Halve 1.\n\nSolution:"
    assert last_shot.endswith("I hope it is correct.\n\n")
    scores = {
        answer: task.process_results(document, [f" Final Answer: The final answer is {answer}. I hope it is correct."])
        for answer in ("$0.5$", r"$\frac{2}{4}$", "$2$")
    }
    assert [score["exact_match"] for score in scores.values()] == [1, 1, 0]
