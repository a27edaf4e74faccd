"""Task data: the prompts and answers that the adjustment trains on, rendered as the test is."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

import datasets

from ttt.spec import Bench, SpecError, TaskDataset
from ttt.tasks.files import load_files
from ttt.tasks.templates import template


@dataclass(frozen=True)
class Example:
    """One example: the text that is given, and the text that is learnt. `answer` begins with the separating blank."""

    prompt: str
    answer: str


@dataclass(frozen=True)
class TaskData:
    """The examples in their pool's order, and how many rows were left out, by reason."""

    examples: tuple[Example, ...]
    n_dropped: dict[str, int]


def load_task_data(bench: Bench) -> TaskData:
    """Every example of the bench's task data, shuffled by `task_data_seed`.

    Empty prompts or answers and examples over `max_characters` are dropped and counted.
    Raises SpecError if a source cannot be read, a template names a column that is not there, or nothing is left.
    """
    examples: list[Example] = []
    dropped: dict[str, int] = {"empty": 0, "too_long": 0}
    for source in bench.task_data:
        rows = _rows(source)
        if not len(rows):
            raise SpecError(f"bench.task_data: '{source.name}' has no rows in split '{source.split}'")
        before = len(examples)
        for row in rows:
            example = _render(source, row)
            if not example.prompt.strip() or not example.answer.strip():
                dropped["empty"] += 1
            elif source.max_characters and len(example.prompt) + len(example.answer) > source.max_characters:
                dropped["too_long"] += 1
            else:
                examples.append(example)
        if len(examples) == before:
            raise SpecError(
                f"bench.task_data: nothing is left of '{source.name}' ({len(rows)} rows: {dropped}); "
                f"the columns are {', '.join(rows.column_names)}: does the template name them?"
            )
    Random(bench.task_data_seed).shuffle(examples)
    return TaskData(tuple(examples), dropped)


def _rows(source: TaskDataset) -> Any:
    field = f"bench.task_data '{source.name}'"
    if source.files:
        return load_files([source.files] if isinstance(source.files, str) else source.files, field)
    assert source.hub is not None
    try:
        return datasets.load_dataset(source.hub, source.config, split=source.split)
    except (ValueError, FileNotFoundError, ConnectionError, datasets.exceptions.DatasetsError) as error:
        raise SpecError(f"{field}: {source.hub} (split '{source.split}') cannot be loaded: {error}") from error


def _render(source: TaskDataset, row: dict[str, Any]) -> Example:
    row = {column: "" if value is None else value for column, value in row.items()}  # an empty cell is not "None"
    try:
        return Example(template(source.prompt).render(**row), template(source.answer).render(**row))
    except Exception as error:  # Jinja and lm-eval's filters raise whatever the row's values make them
        raise SpecError(
            f"bench.task_data '{source.name}': its template fails on a row with the columns {', '.join(row)}: {error}"
        ) from error
