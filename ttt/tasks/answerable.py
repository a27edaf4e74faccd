"""Whether a document can be answered: a label that is one of its choices, choices that are texts, an answer to give."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from lm_eval.api.task import ConfigurableTask

from ttt.files.formats import listed
from ttt.spec import Bench, SpecError

Document = Mapping[str, Any]

NO_AND_YES = (["no", "yes"], ["false", "true"])
"""Choices for which `false` and `true` are the indices that Python takes them for."""


IN_BRACKETS = "a template's text in square brackets becomes a list: doc_to_target can name the column instead"


class UnanswerableError(ValueError):
    """What is wrong with a document, as the end of a sentence."""


@dataclass
class Labels:
    """What the labels of a task's documents are."""

    n_documents: int = 0
    n_choices: set[int] = field(default_factory=set)
    indices: Counter[int] = field(default_factory=Counter)
    """How many documents have each index of a choice as their label."""
    many: bool = False
    """Whether documents have several right choices."""
    hidden: list[int] = field(default_factory=list)
    """Documents whose right choice comes after one with the same text, which is always taken instead."""
    empty: list[int] = field(default_factory=list)
    """Documents with a choice that is an empty text."""


def task_name(task: Any) -> str:
    """Its name without those of the groups that it is in."""
    return str(task.config.task).split("::")[-1]


def scores_by_lm_eval(task: Any) -> bool:
    """Whether lm-eval itself compares answer and label, not code of the task's own."""
    own = isinstance(task, ConfigurableTask) and type(task).process_results is ConfigurableTask.process_results
    return own and not callable(task.config.process_results)


@contextmanager
def naming(bench: Bench, task: Any, what: str, number: int, doc: Document) -> Iterator[None]:
    """SpecError with the task and the document's place in its split for whatever is wrong with the document."""
    where = f"bench '{bench.name}': {what} {number} (from 0) of task '{task_name(task)}' cannot be"
    try:
        yield
    except UnanswerableError as error:
        raise SpecError(f"{where} answered: {error}") from None
    except SpecError:
        raise
    except Exception as error:  # templates, and the tasks' own functions, raise whatever the values make them
        columns = listed(doc)
        raise SpecError(f"{where} asked: {error or type(error).__name__}; its columns are {columns}") from error


def read_numbers_as_texts(task: Any, docs: Sequence[Document]) -> None:
    """Have lm-eval read a column of numbers that are to be generated as its templates read it.

    `{{answer}}` is the text of a JSON file's number; `answer` is the number, which cannot be the answer of a shot.
    """
    column = task.config.doc_to_target
    named = isinstance(column, str) and column in task.features and column.isidentifier()
    if named and task.config.doc_to_choice is None and any(type(doc[column]) in (int, float) for doc in docs):
        if task.fewshot_cfg.doc_to_target == column:
            task.fewshot_cfg.doc_to_target = f"{{{{{column}}}}}"
        task.set_config(key="doc_to_target", value=f"{{{{{column}}}}}")


def add_document(labels: Labels, task: Any, number: int, doc: Document) -> None:
    """Count the document's label; UnanswerableError if no answer to it could be right."""
    labels.n_documents += 1
    text = task.doc_to_text(doc)
    for template in (task.config.description, task.config.gen_prefix):
        task.resolve_field(doc, template)
    if task.OUTPUT_TYPE == "multiple_choice":
        choices = choices_of(task, doc)
        if not all(choice.strip() for choice in choices):
            labels.empty.append(number)
        if not scores_by_lm_eval(task):
            return
        labels.n_choices.add(len(choices))
        if task.multiple_input:
            target, rest = text, task.doc_to_target(doc)
            if not isinstance(rest, str):
                raise UnanswerableError(
                    f"its question is the number {text}, which lm-eval takes for that of a choice to go on from, but "
                    f"its target is {rest!r}, and not a text"
                )
            _text(rest, "target")
        else:
            _text(text, "question", empty=True)
            target = task.doc_to_target(doc)
            _like_the_first(task, target)
        right = _indices(target, choices)
        labels.indices.update(right)
        labels.many |= isinstance(target, list)
        if not isinstance(target, list) and choices.index(choices[right[0]]) != right[0]:
            labels.hidden.append(number)
    elif scores_by_lm_eval(task) and "bypass" not in task.aggregation():
        if task.OUTPUT_TYPE != "loglikelihood_rolling":
            _text(text, "question", empty=True)
        if not _is_constant(task):
            _check_answer(task, doc)


def check_shot(task: Any, doc: Document) -> None:
    """UnanswerableError if lm-eval would put the document into a prompt without its answer, or with another's."""
    config = task.fewshot_cfg
    text, answer = task.doc_to_text(doc, config.doc_to_text), task.doc_to_target(doc, config.doc_to_target)
    choices = choices_of(task, doc, config.doc_to_choice) if config.doc_to_choice else None
    if task.multiple_input:
        _indices(text, choices or [])
        _text(answer, "answer")
        return
    _text(text, "question", empty=True)
    if isinstance(answer, list):
        _text(answer[0] if answer else None, "answer")
    elif choices and (isinstance(answer, int) or (task.OUTPUT_TYPE == "multiple_choice" and scores_by_lm_eval(task))):
        _indices(answer, choices)
    else:
        _text(answer, "answer")


def choices_of(task: Any, doc: Document, template: Any = None) -> list[str]:
    """The document's choices; UnanswerableError if they are not a list of texts."""
    if template is None and task.config.doc_to_choice is None:
        raise UnanswerableError("it has no choices: the task has no doc_to_choice")
    try:
        choices = task.doc_to_choice(doc, template)
    except (ValueError, SyntaxError) as error:
        raise UnanswerableError(f"its choices cannot be read as a list (doc_to_choice): {error}") from error
    if not isinstance(choices, list | tuple) or not choices:
        raise UnanswerableError(f"its choices are {choices!r}, and not a list of texts")
    for index, choice in enumerate(choices):
        if not isinstance(choice, str):
            remedy = "doc_to_choice: \"{{choices | map('string') | list}}\" makes texts of numbers"
            raise UnanswerableError(f"choice {index} of {choices!r} is not a text ({remedy})")
    return list(choices)


def _indices(label: Any, choices: Sequence[str]) -> list[int]:
    """The indices of the right choices. lm-eval itself counts what is no choice as never right, -1 as the last."""
    if isinstance(label, list):
        if not label:
            raise UnanswerableError("its label is an empty list: no choice is right")
        if not all(isinstance(part, int) and not isinstance(part, bool) for part in label):
            raise UnanswerableError(f"its label {label!r} is not a list of the right choices' numbers, from 0")
        return [index for part in label for index in _indices(part, choices)]
    named = ", ".join(repr(choice) for choice in choices[:12])
    if isinstance(label, str) and label in choices:
        return [choices.index(label)]
    if isinstance(label, bool) and [choice.strip().lower() for choice in choices] in NO_AND_YES:
        return [int(label)]
    if isinstance(label, int) and not isinstance(label, bool):
        if 0 <= label < len(choices):
            return [label]
        hint = "; the first has the number 0" if label == len(choices) else ""
        raise UnanswerableError(f"its label {label} is none of 0 to {len(choices) - 1}, for the choices {named}{hint}")
    hint = " (nor a number from 0)" if isinstance(label, str) else ""
    raise UnanswerableError(f"its label {label!r} is none of the choices {named}{hint}")


def _check_answer(task: Any, doc: Document) -> None:
    answer = task.doc_to_target(doc)
    if task.OUTPUT_TYPE != "generate_until":
        _text(answer, "answer")
    elif task.config.doc_to_choice is not None:
        if not isinstance(answer, int):
            raise UnanswerableError(f"its label {answer!r} is not the number of a choice, from 0")
        _indices(answer, choices_of(task, doc))
    else:
        _like_the_first(task, answer)
        if isinstance(answer, list):
            if not answer or not all(isinstance(part, str) and part.strip() for part in answer):
                raise UnanswerableError(f"its answer {answer!r} is not a list of texts; {IN_BRACKETS}")
        elif not isinstance(answer, int | float):
            _text(answer, "answer")


def _like_the_first(task: Any, label: Any) -> None:
    """lm-eval decides by a task's first document whether labels are lists, and compares all others accordingly."""
    if isinstance(label, list) != bool(task.multiple_target):
        first, this = ("a list", "not one") if task.multiple_target else ("not a list", "one")
        raise UnanswerableError(f"its label {label!r} is {this}, that of the first document {first}; {IN_BRACKETS}")


def _is_constant(task: Any) -> bool:
    """Whether all documents have one target by definition, as tasks have that need none."""
    target = task.config.doc_to_target
    return isinstance(target, str) and target not in task.features and "{" not in target


def _text(value: Any, what: str, empty: bool = False) -> None:
    if not isinstance(value, str):
        raise UnanswerableError(f"its {what} is {value!r}, and not a text")
    if not empty and not value.strip():
        raise UnanswerableError(f"its {what} is empty")


def never_first(labels: Mapping[str, Labels]) -> list[str]:
    """The tasks whose labels never name the first choice, of so many documents that it is hardly chance (1 in 200)."""
    without = {name: of_task for name, of_task in labels.items() if len(of_task.indices) > 1 and not of_task.indices[0]}
    return [
        name
        for name, of_task in without.items()
        if len(labels) * (1 - 1 / max(of_task.n_choices)) ** of_task.n_documents < 0.005
    ]
