"""Whether training can teach what the test scores: the answers' texts, and the blank between prompt and answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from ttt.spec import Bench
from ttt.tasks.answerable import naming
from ttt.tasks.task_data import Example

N_LOOKED_AT = 100
"""Documents of a task: its form is the same in all."""


def said_of_answers(examples: Sequence[Example], tasks: Mapping[str, Any], bench: Bench) -> list[str]:
    """A warning if no training answer is one that the test scores or, where each question has answers of its own, if
    none begins with the blank that the test's begin with.
    """
    asked = [_asked(task, bench) for task in tasks.values() if _has_answers(task)]
    if not examples or not asked:
        return []
    learnt = {example.answer.lstrip() if bench.chat_template else _joined(example.prompt, example.answer)
              for example in examples}  # fmt: skip
    lists = {tuple(dict.fromkeys(answers)) for documents in asked for answers in documents if len(answers) > 1}
    longest = max(lists, key=len, default=())
    of_one_list = all(len(answers) > 1 for documents in asked for answers in documents) and all(
        answers == longest[: len(answers)] for answers in lists
    )
    scored = {answer for documents in asked for answers in documents for answer in answers}
    if of_one_list and sum(map(len, asked)) > 1:
        if learnt & scored:
            return []
        return [
            f"no training answer is one that '{bench.name}' scores: training teaches {_quoted(learnt)}, "
            f"the test scores {_quoted(longest)} (bench.task_data, its `answer`)"
        ]
    blanks = {_blank(answer) for answer in scored}
    if bench.chat_template or blanks & {_blank(answer) for answer in learnt}:
        return []
    return [
        f"no training answer begins as those of '{bench.name}' do: training teaches {_quoted(learnt, 1)}, "
        f"with {_named(learnt)} after the prompt, the test asks for {_quoted(scored, 1)}, with {_named(scored)} "
        "(bench.task_data, its `answer`)"
    ]


def _has_answers(task: Any) -> bool:
    return task.OUTPUT_TYPE != "loglikelihood_rolling" and task.config.gen_prefix is None


def _asked(task: Any, bench: Bench) -> list[tuple[str, ...]]:
    """Of the first documents that are asked, the texts that may follow their prompts."""
    asked = []
    for number, doc in enumerate(islice(task.eval_docs, min(N_LOOKED_AT, bench.limit or N_LOOKED_AT))):
        with naming(bench, task, "document", number, doc):
            asked.append(_answers(task, doc, bench.chat_template))
    return asked


def _answers(task: Any, doc: Mapping[str, Any], chat: bool) -> tuple[str, ...]:
    prompt = "" if chat or task.multiple_input else str(task.doc_to_text(doc))
    if task.OUTPUT_TYPE == "multiple_choice" and not task.multiple_input:
        texts = task.doc_to_choice(doc)
    else:
        target = task.doc_to_target(doc)
        texts = target[:1] if isinstance(target, list) else [target]
        if task.OUTPUT_TYPE == "generate_until" and task.config.doc_to_choice is not None:
            texts = [task.doc_to_choice(doc)[target]]
    delimiter = "" if chat or task.OUTPUT_TYPE == "loglikelihood" else task.config.target_delimiter
    return tuple(_joined(prompt, f"{delimiter}{text}") for text in texts)


def _joined(prompt: str, answer: str) -> str:
    """The answer with the blanks at the prompt's end, which tokenizing moves to the answer."""
    return prompt[len(prompt.rstrip()) :] + answer


def _blank(answer: str) -> str:
    return answer[: len(answer) - len(answer.lstrip())]


def _quoted(answers: Iterable[str], n: int = 5) -> str:
    shown = sorted(set(answers), key=lambda answer: (len(answer), answer))[:n]
    return ", ".join(repr(answer if len(answer) <= 40 else f"{answer[:40]}…") for answer in shown)


def _named(answers: Iterable[str]) -> str:
    blanks = sorted({_blank(answer) for answer in answers})
    return " or ".join(repr(blank) if blank else "no blank" for blank in blanks[:3])
