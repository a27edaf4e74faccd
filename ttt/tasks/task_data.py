"""Task data: the prompts and answers that the adjustment trains on, rendered as the test is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from ttt.files.formats import Row, listed
from ttt.files.rows import DataFiles
from ttt.spec import Bench, SpecError, TaskDataset
from ttt.tasks.hub_data import check_hub_id
from ttt.tasks.hub_loading import hub_rows
from ttt.tasks.templates import MissingValueError, template


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


def load_task_data(bench: Bench, files: DataFiles | None = None) -> TaskData:
    """Every example of the bench's task data, shuffled by `task_data_seed`.

    `files` knows the digests that local files must have, and the commits of the hub's data sets. Empty prompts or
    answers and examples over `max_characters` are dropped and counted, and so are rows of the hub that lack a value
    which their template prints. Raises SpecError if a source cannot be read, a template does not fit a row, a local row
    lacks a value, or nothing is left.
    """
    files = files or DataFiles()
    examples: list[Example] = []
    dropped: dict[str, int] = {"empty": 0, "too_long": 0, "missing": 0}
    for source in bench.task_data:
        before, n_rows, columns = len(examples), 0, ""
        for place, row in _rows(source, files):
            n_rows, columns = n_rows + 1, listed(row)
            example = _render(source, row, place)
            if example is None:
                dropped["missing"] += 1
            elif not example.prompt.strip() or not example.answer.strip():
                dropped["empty"] += 1
            elif source.max_characters and len(example.prompt) + len(example.answer) > source.max_characters:
                dropped["too_long"] += 1
            else:
                examples.append(example)
        if len(examples) == before:
            raise SpecError(
                f"bench.task_data: nothing is left of '{source.name}' ({n_rows} rows: {dropped}); "
                f"the columns are {columns}: does the template name them?"
            )
    Random(bench.task_data_seed).shuffle(examples)
    return TaskData(tuple(examples), dropped)


def _rows(source: TaskDataset, files: DataFiles) -> Iterator[tuple[str, Row]]:
    """The rows of a source, each with the place that a message names."""
    field = _field(source)
    if source.files:
        for file in [source.files] if isinstance(source.files, str) else source.files:
            for number, row in enumerate(files.rows(file, field), 1):
                yield f"row {number} of {file}", row
        return
    check_hub_id(source.hub, f"{field}.hub", f"{field}.files")
    assert source.hub
    rows = hub_rows(source, files.commit(source.hub, source.revision, field), field)
    for number, row in enumerate(rows, 1):
        yield f"row {number} of {source.hub}", row


def _field(source: TaskDataset) -> str:
    return f"bench.task_data '{source.name}'"


def _render(source: TaskDataset, row: Row, place: str) -> Example | None:
    """The example of a row; None where a row of the hub, which nobody here can mend, lacks a value."""
    try:
        return Example(template(source.prompt).render(row), template(source.answer).render(row))
    except MissingValueError as error:
        if not source.files:
            return None
        reason: Exception = error
    except Exception as error:  # Jinja and lm-eval's filters raise whatever the row's values make them
        reason = error
    columns = listed(row)
    raise SpecError(f"{_field(source)}: its template fails on {place}: {reason}; the columns are {columns}") from None
