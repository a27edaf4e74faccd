"""What all trials of a study share: the cell, what is tried, the budgets, and what they are trained and judged on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ttt.cell.model import ModelInMemory
from ttt.cell.params import cell_params
from ttt.cell.prepare import Prepared, prepare
from ttt.cell.resolve import Resolved, Say
from ttt.files.hashing import json_digest
from ttt.spec import Cell
from ttt.study.space import Ladder, StudySpec, ladder
from ttt.study.validation import Validation, make_validation
from ttt.tasks.bench import load_tasks
from ttt.tracking import Tracker


@dataclass(frozen=True)
class StudySetup:
    """Made by `prepare_study`, which fails before any weights are loaded."""

    prepared: Prepared
    """The cell whose adjustment is judged, with its tasks and task data."""
    resolved: Resolved
    tracker: Tracker
    model: ModelInMemory
    spec: StudySpec
    key: str
    ladder: Ladder
    validation: Validation
    say: Say

    @property
    def cell(self) -> Cell:
        return self.prepared.cell

    @property
    def own_budget(self) -> int:
        """The adjustment's own, examples."""
        return self.cell.adjustment.n_examples(len(self.prepared.task_data.examples))

    @property
    def experiment(self) -> str:
        return self.prepared.keyed.experiment

    def folder(self, key: str) -> Path:
        """Where the study, or a trial of it, keeps what it needs to go on after a kill."""
        return self.tracker.folder(key)

    def params(self, cell: Cell) -> dict[str, Any]:
        """The params of the study's run, or of a trial's, whose cell has the trial's recipe."""
        return cell_params(cell, self.resolved.source, self.prepared.keyed.precision, self.prepared.shots)


def prepare_study(spec: StudySpec, resolved: Resolved, tracker: Tracker, key: str, say: Say) -> StudySetup:
    """Load the data and check the request. Raises SpecError for one that cannot be carried out."""
    [prepared] = prepare(resolved.cells, resolved, say)
    cell, data = prepared.cell, prepared.task_data
    rungs = ladder(spec, cell.adjustment, cell.adjustment.n_examples(len(data.examples)))
    # The cell keeps its own tasks: those of the validation are changed to ask another split.
    validation = make_validation(cell.bench, load_tasks(cell.bench, resolved.files), data, spec)
    model = ModelInMemory(resolved, [cell.bench], tracker)
    return StudySetup(prepared, resolved, tracker, model, spec, key, rungs, validation, say)


def study_key(spec: StudySpec, cell_key: str) -> str:
    """The key of a study: asked for again with more trials, at another price or in another storage it is the same."""
    return json_digest([spec.model_dump(exclude={"n_trials", "price_per_hour", "currency", "storage"}), cell_key])
