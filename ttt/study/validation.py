"""What budgets are chosen and judged by: items that are neither trained on nor tested on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from lm_eval.api.instance import Instance

from ttt.cell.evaluation import evaluate, higher_is_better
from ttt.engine.lm import Backend
from ttt.files.hashing import json_digest
from ttt.spec import Bench, SpecError
from ttt.study.space import StudySpec
from ttt.tasks.checks import check_documents
from ttt.tasks.leaks import Question, asked_questions, remove_leaks
from ttt.tasks.task_data import Example, TaskData
from ttt.tasks.words import normalise

LARGEST_SHARE = 0.2
"""Of the task data that may be held out."""


@dataclass(frozen=True)
class Validation:
    """Items and how they are scored. `tasks` are lm-eval's on their validation split, or `held_out` task data."""

    bench: Bench
    training: TaskData
    """What is left to train on."""
    measure: str
    """What a score means, for people."""
    digest: str
    """Of the items and how they are scored: where it is the same, two models' scores are of the same items."""
    held_out: tuple[Example, ...] = ()
    tasks: dict[str, Any] | None = None

    @property
    def source(self) -> str:
        return "task_data" if self.tasks is None else "split"

    def scores(self, backend: Backend) -> npt.NDArray[np.float64]:
        """Of each item, 0 to 1, always in the same order."""
        if self.tasks is not None:
            items = evaluate(backend, self.bench, self.tasks).items
            if items["correct"].isna().any():
                raise SpecError(
                    f"bench.metric: {self.bench.metric} is no mean over items, by which budgets are judged; "
                    "use validation=task_data"
                )
            return items.sort_values(["task", "doc_id"])["correct"].to_numpy(dtype=np.float64)
        chat = self.bench.chat_template
        pairs = [backend.asked(example.prompt, example.answer, chat) for example in self.held_out]
        requests = [Instance("loglikelihood", {}, pair, index) for index, pair in enumerate(pairs)]
        answers = backend.loglikelihood(requests, disable_tqdm=True)
        if self.bench.format != "generate":
            return np.array([float(greedy) for _, greedy in answers])
        lengths = [len(answer) for _, answer in backend.encode_pairs(pairs)]
        return np.exp([logprob / n for (logprob, _), n in zip(answers, lengths, strict=True)])


def make_validation(bench: Bench, tasks: dict[str, Any], data: TaskData, spec: StudySpec) -> Validation:
    """The bench's own validation split where every task has one beside its test split; else held-out task data.

    The held-out examples are the last of the pool whose questions differ, and their questions leave the training data
    as the test's do, near-copies too.
    For letters and answer texts an item scores 1 if every token of the answer is the model's first choice; for
    generated answers, which no model repeats word for word, it scores the answer's probability a token (geometric
    mean). Raises SpecError if `spec.validation` asks for a split that is not there, or too little is left to hold out.
    """
    has_split = all(task.has_test_docs() and task.has_validation_docs() for task in tasks["tasks"].values())
    if spec.validation == "split" and not has_split:
        raise SpecError(
            f"validation: bench '{bench.name}' has no validation split beside its test split; "
            "use validation=task_data, or give one by bench.files.validation and the tasks' validation_split"
        )
    if has_split and spec.validation != "task_data":
        if not higher_is_better(bench, tasks):
            raise SpecError(
                f"bench.metric: {bench.metric} is better when lower, and the highest score is looked for; "
                "use validation=task_data"
            )
        for task in tasks["tasks"].values():
            task.set_config(key="test_split", value=None)  # lm-eval then asks the validation split
            check_documents(task, bench)
        asked = asked_questions(tasks["tasks"].values(), bench)
        measure = f"{bench.metric} on the bench's validation split"
        return Validation(bench, remove_leaks(data, asked), measure, _digest(measure, asked), tasks=tasks)
    last: dict[str, Example] = {}
    for example in reversed(data.examples):
        last.setdefault(normalise(example.prompt), example)
    n = min(spec.n_validation, int(LARGEST_SHARE * len(last)))
    if n < 2:
        raise SpecError(f"n_validation: {len(last)} different examples of task data are too few to hold any out")
    held_out = dict(list(last.items())[:n])
    asked = [Question(example.prompt, (example.answer,)) for example in held_out.values()]
    how = "probability a token of the answer" if bench.format == "generate" else "answers given to the letter"
    measure = f"{how}, held-out task data"
    return Validation(bench, remove_leaks(data, asked), measure, _digest(measure, asked), tuple(held_out.values()))


def _digest(measure: str, asked: Sequence[Question]) -> str:
    return json_digest([measure, [asdict(question) for question in asked]])
