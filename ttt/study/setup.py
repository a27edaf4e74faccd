"""What all trials of a study share: the cell, what is tried, the budgets, and what they are trained and judged on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ttt.cell.workbench import Workbench
from ttt.files.digests import json_digest
from ttt.spec import Cell
from ttt.study.space import Ladder, StudySpec, ladder
from ttt.study.validation import Validation, make_validation
from ttt.tasks.bench import load_tasks

Say = Callable[[str], None]


@dataclass(frozen=True)
class StudySetup:
    """Made by `prepare`, which fails before any weights are loaded."""

    cell: Cell
    spec: StudySpec
    work: Workbench
    key: str
    ladder: Ladder
    validation: Validation
    say: Say

    @property
    def own_budget(self) -> int:
        """The adjustment's own, examples."""
        return self.cell.adjustment.n_examples(len(self.work.task_data.examples))

    @property
    def experiment(self) -> str:
        return f"{self.cell.suite}/{self.cell.bench.name}"

    def folder(self, key: str) -> Path:
        """Where the study, or a trial of it, keeps what it needs to go on after a kill."""
        return self.work.tracker.folder(key)


def prepare(cell: Cell, spec: StudySpec, work: Workbench, key: str, say: Say) -> StudySetup:
    """Load the data and check the request. Raises SpecError for one that cannot be carried out."""
    rungs = ladder(spec, cell.adjustment, cell.adjustment.n_examples(len(work.task_data.examples)))
    # The workbench keeps its own tasks: those of the validation are changed to ask another split.
    validation = make_validation(cell.bench, load_tasks(cell.bench, work.files), work.task_data, spec)
    return StudySetup(cell, spec, work, key, rungs, validation, say)


def study_key(spec: StudySpec, cell_key: str) -> str:
    """The key of a study: asked for again with more trials, at another price or in another storage it is the same."""
    return json_digest([spec.model_dump(exclude={"n_trials", "price_per_hour", "currency", "storage"}), cell_key])
