"""The first leak check: task data that equals a test document, to the letter or but for case, space and punctuation."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import replace

from ttt.tasks.task_data import TaskData


def normalise(text: str) -> str:
    """Lower case, no punctuation, single blanks; accents and symbols in their compatible forms (NFKC)."""
    text = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(re.sub(r"[^\w\s]|_", " ", text).split())


def remove_leaks(data: TaskData, questions: Iterable[str]) -> TaskData:
    """The task data without the examples whose prompt is a test question; what was removed is counted as `leaked`.

    `questions` are the test documents as they are asked, without shots.
    """
    asked = {normalise(question) for question in questions}
    kept = tuple(example for example in data.examples if normalise(example.prompt) not in asked)
    return replace(data, examples=kept, n_dropped={**data.n_dropped, "leaked": len(data.examples) - len(kept)})


def asked_questions(tasks: Iterable[object]) -> list[str]:
    """Each test document of lm-eval tasks as it is asked without shots, few-shot documents not among them."""
    return [str(task.doc_to_text(doc)) for task in tasks for doc in task.eval_docs]  # type: ignore[attr-defined]
