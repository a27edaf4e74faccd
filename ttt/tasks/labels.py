"""The right choice of a document as its place among the choices, whatever form the bench's file gives it in."""

from __future__ import annotations

from typing import Any

from ttt.spec import Bench, SpecError

SEPARATED = (".csv", ".tsv")
"""Forms of files in which a number and a text look the same."""


def read_labels_as_indices(task: Any, bench: Bench) -> None:
    """Make a multiple-choice task's `doc_to_target` return the index of the right choice where the label names one.

    lm-eval takes an integer for an index and a text for one of the choices; a column of digits is an index to its
    templates and a text where the column is named. Here a text that is one of the choices is that choice, and other
    digits are an index, so that the same rows mean the same in every form of file. Where a CSV's digits could be both,
    the document is refused (SpecError, when it is asked for).
    """
    if task.OUTPUT_TYPE != "multiple_choice" or task.multiple_input or task.multiple_target:
        return
    given = task.doc_to_target
    separated = any(suffix in str(file).lower() for file in bench.files.values() for suffix in SEPARATED)

    def index(doc: dict[str, Any], doc_to_target: Any = None) -> Any:
        label = given(doc, doc_to_target)
        if not isinstance(label, str):
            return label
        choices = task.doc_to_choice(doc)
        place = int(label) if label.strip().isdecimal() else None
        if label not in choices:
            return label if place is None else place
        found = choices.index(label)
        if separated and place is not None and place < len(choices) and place != found:
            raise SpecError(
                f"bench '{bench.name}': the label {label!r} of a document of task '{task.config.task}' is both one of "
                f"its choices ({', '.join(choices)}) and the place of another; give labels as letters or as texts "
                '(doc_to_choice, doc_to_target), or the file as JSONL, which tells 1 from "1"'
            )
        return found

    task.doc_to_target = index
