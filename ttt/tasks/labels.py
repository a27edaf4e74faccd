"""The right choice of a document as its place among the choices, whatever form the bench's file gives it in."""

from __future__ import annotations

from typing import Any

from ttt.files.rows import form_of
from ttt.spec import Bench, SpecError

SEPARATED = (".csv", ".tsv")
"""Forms of files in which a number and a text look the same."""


def read_labels_as_indices(task: Any, bench: Bench) -> None:
    """Make a multiple-choice task's `doc_to_target` return the index of the right choice where the label names one.

    lm-eval takes an integer for an index and a text for one of the choices; digits that a template printed are an index
    to it. Here a text that is one of the choices is that choice, and other digits are an index, so that the same rows
    mean the same in every form of file and by every spelling. Where the digits of a CSV, or of a bench's own template,
    could be both, the document is refused (SpecError, when it is asked for).
    """
    if task.OUTPUT_TYPE != "multiple_choice" or task.multiple_input or task.multiple_target:
        return
    given = task.doc_to_target
    name = str(task.config.task).split("::")[-1]
    separated = any(form_of(file) in SEPARATED for file in bench.files.values())
    own = any(
        isinstance(fields, dict) and fields["task"] == name and "doc_to_target" in fields for fields in bench.tasks
    )

    def index(doc: dict[str, Any], doc_to_target: Any = None) -> Any:
        label = given(doc, doc_to_target)
        form = task.config.doc_to_target if doc_to_target is None else doc_to_target
        printed = isinstance(form, str) and form not in task.features
        if isinstance(label, bool) or not isinstance(label, str | int) or (isinstance(label, int) and not printed):
            return label
        text, choices = str(label), task.doc_to_choice(doc)
        if text.strip().isdecimal():
            text = text.strip()
        place = int(text) if text.isdecimal() else None
        equal = choices.index(text) if text in choices else None
        if equal is None:
            return label if place is None else place
        if place is not None and place != equal and place < len(choices):
            if own and (separated or printed):
                raise SpecError(
                    f"bench '{bench.name}': the label {text!r} of a document of task '{name}' is both one of its "
                    f"choices ({', '.join(map(str, choices))}) and the place of another. A letter or a text of its own "
                    "(doc_to_choice, doc_to_target) can be no place; where the file is JSONL, doc_to_target can name "
                    'the column, which tells 1 from "1"'
                )
            return label if printed else equal
        return equal

    task.doc_to_target = index
