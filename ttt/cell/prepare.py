"""The text of cells, before any weights: tasks, task data without its leaks, and what may not be as it is meant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ttt.cell.key import adjusted_key, task_data_digest
from ttt.cell.resolve import KeyedCell, Resolved, Say
from ttt.engine.scoring.generation_options import check_options
from ttt.engine.training.data import ExampleSampler
from ttt.spec import Cell, SpecError
from ttt.tasks.answerable import task_name
from ttt.tasks.bench import load_tasks
from ttt.tasks.continuations import said_of_answers
from ttt.tasks.leaks import Leak, asked_questions, check_leaks, count_by_kind, in_words, some_of_each_kind
from ttt.tasks.shots import shots_given
from ttt.tasks.task_data import TaskData, load_task_data
from ttt.tracking import RunLog

FEW_STEPS = 20
"""An adjustment of fewer steps is warned of."""
NOTHING = TaskData((), {})


@dataclass(frozen=True)
class Prepared:
    """A cell with its tasks, and with what its adjustment trains on (nothing for a base model)."""

    keyed: KeyedCell
    tasks: dict[str, Any]
    """lm-eval's, and its warnings (`ttt.tasks.bench.load_tasks`)."""
    task_data: TaskData
    leaks: dict[int, Leak]
    """What the check found in the task data, by the place among all examples."""
    warnings: tuple[str, ...]
    adjusted_key: str
    """The key of the adjusted model; empty for a base model."""

    @property
    def cell(self) -> Cell:
        return self.keyed.cell

    @property
    def shots(self) -> list[int]:
        """The numbers of shots that the tasks are given."""
        return shots_given(self.tasks["tasks"].values())

    def of_base(self, resolved: Resolved) -> Prepared:
        """The base model's cell on the same bench."""
        warnings = tuple(self.tasks["warnings"])
        return Prepared(resolved.keyed(self.cell.base()), self.tasks, NOTHING, {}, warnings, "")

    def log_task_data(self, run: RunLog) -> None:
        """`task_data/n_examples`, what was dropped by reason, `n_leaked` of each kind, and some leaks as a table."""
        counts = {"examples": len(self.task_data.examples), **self.task_data.n_dropped, "leaked": len(self.leaks)}
        counts |= {f"leaked_{kind}": n for kind, n in count_by_kind(self.leaks).items()}
        run.metrics({f"task_data/n_{reason}": n for reason, n in counts.items()})
        if self.leaks:
            shown = list(some_of_each_kind(self.leaks))
            columns: dict[str, list[Any]] = {
                "kind": [leak.kind for leak in shown],
                "test question": [leak.question for leak in shown],
                "task data": [leak.example.prompt + leak.example.answer for leak in shown],
            }
            run.table(columns, "leaks.json")


def prepare(cells: Sequence[KeyedCell], resolved: Resolved, say: Say) -> list[Prepared]:
    """Load and check what the cells ask and train on; leaks and warnings are said, each once.

    Raises one SpecError with the faults of all benches.
    """
    loaded: dict[str, TaskData] = {}  # fifteen benches may train on the same hundred thousand examples
    prepared, faults = [], []
    for keyed in cells:
        try:
            prepared.append(_prepare(keyed, resolved, loaded))
        except SpecError as error:
            named = f"bench '{keyed.cell.bench.name}'"
            faults.append(str(error) if len(cells) == 1 or named in str(error) else f"{named}: {error}")
    if faults:
        raise SpecError("\n".join(faults))
    for warning in dict.fromkeys(warning for one in prepared for warning in one.warnings):
        say(f"warning: {warning}")
    for one in prepared:
        if one.leaks:
            say(f"{one.cell.bench.name}: {in_words(one.leaks, one.cell.bench.leak)}")
    return prepared


def _prepare(keyed: KeyedCell, resolved: Resolved, loaded: dict[str, TaskData]) -> Prepared:
    cell, bench = keyed.cell, keyed.cell.bench
    tasks = load_tasks(bench, resolved.files)
    for task in tasks["tasks"].values():
        if task.OUTPUT_TYPE == "generate_until":
            check_options(task.config.generation_kwargs or {}, f"bench.tasks '{task_name(task)}'.generation_kwargs")
    warnings = list(tasks["warnings"])
    if cell.adjustment.method == "none":
        return Prepared(keyed, tasks, NOTHING, {}, tuple(warnings), "")
    pool = task_data_digest(bench, resolved.files)
    if pool not in loaded:
        loaded[pool] = load_task_data(bench, resolved.files)
    data, leaks = check_leaks(loaded[pool], asked_questions(tasks["tasks"].values(), bench), bench.leak)
    if not data.examples:
        raise SpecError(f"bench.task_data: nothing is left for '{bench.name}' after dropping {data.n_dropped}")
    warnings += [*said_of_answers(data.examples, tasks["tasks"], bench), *_said_of_steps(cell, len(data.examples))]
    cell.adjustment.refuse_stops_beyond(cell.adjustment.n_examples(len(data.examples)))
    precision = keyed.precision.partition(",")[0]
    key = adjusted_key(cell, resolved.source, precision, data.examples, resolved.trainer.train_tokens)
    return Prepared(keyed, tasks, data, leaks, tuple(warnings), key)


def _said_of_steps(cell: Cell, n_available: int) -> list[str]:
    adjustment = cell.adjustment
    n_examples = adjustment.n_examples(n_available)
    n_steps = ExampleSampler(n_available, n_examples, adjustment.batch_size, cell.seed).n_steps
    if n_steps >= FEW_STEPS:
        return []
    return [
        f"{n_examples:,} examples at {adjustment.batch_size} a step make {n_steps} step{'s' * (n_steps > 1)}, too few "
        f"to learn from: below some {FEW_STEPS} a score that stays where it was says nothing; raise "
        "adjustment.examples (or adjustment.epochs), or lower adjustment.batch_size"
    ]
