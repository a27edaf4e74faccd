"""What the cells of one (model, bench) share: tasks, task data, the model, and what is to be said of them."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from ttt.cell.key import cell_key
from ttt.cell.resolve import Say
from ttt.engine.load import as_stored, check_tokenizer, digest, load
from ttt.engine.precision import arithmetic
from ttt.engine.scoring.answers import KeepingBackend
from ttt.engine.scoring.generation_options import check_options
from ttt.engine.training.data import ExampleSampler
from ttt.files.model_source import model_source
from ttt.files.rows import DataFiles
from ttt.spec import Cell, Model, SpecError, Trainer
from ttt.tasks.answerable import task_name
from ttt.tasks.bench import load_tasks
from ttt.tasks.continuations import said_of_answers
from ttt.tasks.leaks import Leak, asked_questions, check_leaks, count_by_kind, some_of_each_kind
from ttt.tasks.shots import shots_given
from ttt.tasks.task_data import TaskData, load_task_data
from ttt.tracking import RunLog, Tracker

FEW_STEPS = 20
"""An adjustment of fewer steps is warned of."""


class Workbench:
    """Each part is made when it is first needed; adjusting changes the model in memory."""

    def __init__(self, model: Model, cell: Cell, trainer: Trainer, tracker: Tracker):
        self.model, self.bench, self.trainer, self.tracker = model, cell.bench, trainer, tracker
        self.source = model_source(model)
        self.precision = arithmetic(trainer, cell.bench)
        self.files = DataFiles()
        self.said: set[str] = set()
        """Warnings that have reached the user."""

    @cached_property
    def tasks(self) -> dict[str, Any]:
        loaded = load_tasks(self.bench, self.files)
        for task in loaded["tasks"].values():
            if task.OUTPUT_TYPE == "generate_until":
                check_options(task.config.generation_kwargs or {}, f"bench.tasks '{task_name(task)}'.generation_kwargs")
        return loaded

    @property
    def shots(self) -> list[int]:
        """The numbers of shots that the tasks are given."""
        return shots_given(self.tasks["tasks"].values())

    @cached_property
    def _checked(self) -> tuple[TaskData, dict[int, Leak]]:
        loaded = load_task_data(self.bench, self.files)
        data, leaks = check_leaks(loaded, asked_questions(self.tasks["tasks"].values(), self.bench), self.bench.leak)
        if not data.examples:
            raise SpecError(f"bench.task_data: nothing is left for '{self.bench.name}' after dropping {data.n_dropped}")
        return data, leaks

    @property
    def task_data(self) -> TaskData:
        return self._checked[0]

    @property
    def leaks(self) -> dict[int, Leak]:
        """What the check found in the task data, by the place among all examples."""
        return self._checked[1]

    @cached_property
    def backend(self) -> KeepingBackend:
        """The model in memory, unadjusted until a cell adjusts it."""
        weights, tokenizer = load(self.model, self.source)
        if self.model.version is not None and as_stored(self.model):
            version = self.tracker.registry.find(self.model.name, self.model.version)
            self.tracker.registry.check_weights(version, digest(weights))
        check_tokenizer(tokenizer, self.model, self.bench)
        return KeepingBackend(weights, tokenizer, self.trainer)

    def key(self, cell: Cell) -> str:
        return cell_key(cell, self.source, self.precision, self.files)

    def log_task_data(self, run: RunLog) -> None:
        """`task_data/n_examples`, what was dropped by reason, `n_leaked` of each kind, and some leaks as a table."""
        data = self.task_data
        counts = {"examples": len(data.examples), **data.n_dropped, "leaked": len(self.leaks)}
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

    def warnings(self, cell: Cell, say: Say) -> list[str]:
        """What of the cell's tasks and task data may not be as it is meant; each is said once."""
        found = list(self.tasks["warnings"])
        if cell.adjustment.method != "none":
            found += said_of_answers(self.task_data.examples, self.tasks["tasks"], self.bench)
            found += _said_of_steps(cell, len(self.task_data.examples))
        for warning in found:
            if warning not in self.said:
                say(f"warning: {warning}")
        self.said |= set(found)
        return found


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
