"""A trial's MLflow run, under its study's: the rungs that the trial reached, and their items."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from ttt.cell.log import log_items
from ttt.cell.params import cell_tags
from ttt.cell.read import read_items
from ttt.spec import SpecError
from ttt.study.setup import StudySetup
from ttt.study.trial import ItemScores, ReachedRung
from ttt.tracking import RunLog, Tracker

log = logging.getLogger(__name__)

ITEMS = "validation"
DIVERGED = "ttt.diverged"
"""The tag of a trial whose training came to a loss or gradient that is not finite: which, and where."""


class TrialRun:
    """The rungs of a trial in the order in which they were reached; `items` maps their budgets to item scores."""

    def __init__(self, run: RunLog):
        self.log = run
        self.rungs: list[ReachedRung] = []
        self.items: dict[int, ItemScores] = {}
        self.finished = False
        self.failure = ""
        """Why the trial went no further, where its training diverged."""

    @classmethod
    def read(cls, tracker: Tracker, run: Any) -> TrialRun:
        """That of a finished MLflow run. Raises SpecError if it is damaged."""
        made = cls(tracker.open(run.info.run_id))
        made.rungs, made.items = _read(tracker, made.run_id)
        made.finished, made.failure = True, run.data.tags.get(DIVERGED, "")
        return made

    @property
    def run_id(self) -> str:
        return self.log.run_id

    def at(self, budget: int) -> tuple[ReachedRung, ItemScores] | None:
        """A rung that was reached before, if it was."""
        rung = next((rung for rung in self.rungs if rung.n_examples == budget), None)
        return (rung, self.items[budget]) if rung else None

    def add(self, rung: ReachedRung, scores: ItemScores) -> None:
        if rung.n_examples in self.items:
            return
        self.rungs.append(rung)
        self.items[rung.n_examples] = scores
        self.log.metrics({"validation/score": rung.score}, rung.n_examples)
        self.log.flush()

    def close(self, state: str, failure: str = "") -> None:
        """Log what was reached, how the trial ended (`complete`, `pruned`), and why it went no further."""
        if self.finished:
            return
        self.failure = failure
        self.log.metrics(
            {
                "train/n_tokens": sum(rung.n_tokens_taken for rung in self.rungs),
                "train/seconds": sum(rung.seconds for rung in self.rungs[-1:]),
            }
        )
        log_items(self.log, ITEMS, pd.DataFrame({str(budget): scores for budget, scores in self.items.items()}))
        self.log.json([asdict(rung) for rung in self.rungs], "rungs.json")
        self.log.tags({"ttt.state": state, **({DIVERGED: failure[:5000]} if failure else {})})


@contextmanager
def trial_run(setup: StudySetup, parent: str, key: str, values: Mapping[str, float], name: str) -> Iterator[TrialRun]:
    """The run of the trial of this key, which nobody else works on meanwhile.

    One that was begun by a process that is gone is taken up. A finished one that is damaged is superseded by another,
    with a warning.
    """
    tracker = setup.tracker
    with tracker.claim(setup.experiment, key, setup.say):
        finished = _finished(tracker, setup.experiment, key, parent)
        if finished:
            yield finished
        else:
            with _begin(setup, parent, key, values, name) as run:
                yield TrialRun(run)
        tracker.clear(key)


def _finished(tracker: Tracker, experiment: str, key: str, parent: str) -> TrialRun | None:
    kept = tracker.finished(experiment, key)
    if kept is None:
        return None
    try:
        run = TrialRun.read(tracker, kept)
    except SpecError as error:
        log.warning(f"{error}: the trial is done again")
        return None
    adopt(run, kept, parent)
    return run


def adopt(run: TrialRun, kept: Any, parent: str) -> None:
    """Put a trial's finished run below the study's own, where it was of fewer trials, or of one that was deleted."""
    if kept.data.tags.get("mlflow.parentRunId") != parent:
        run.log.tags({"mlflow.parentRunId": parent})


@contextmanager
def _begin(setup: StudySetup, parent: str, key: str, values: Mapping[str, float], name: str) -> Iterator[RunLog]:
    recipe = setup.spec.recipe(setup.cell.adjustment, setup.cell.model, values)
    cell = setup.cell.model_copy(update={"adjustment": recipe})
    tags = {**cell_tags(cell, key, setup.resolved.files), "ttt.kind": "trial"}
    with setup.tracker.run(setup.experiment, name, tags, key, parent=parent, say=setup.say) as run:
        run.params(setup.params(cell) | {f"search/{field}": value for field, value in values.items()})
        run.json(dict(values), "values.json")
        yield run


def _read(tracker: Tracker, run_id: str) -> tuple[list[ReachedRung], dict[int, ItemScores]]:
    content: Any = tracker.read_json(run_id, "rungs.json")
    table = read_items(tracker, run_id, ITEMS)
    items = {int(name): table[name].to_numpy(dtype=float) for name in table.columns}
    try:
        rungs = [ReachedRung(**rung) for rung in content]
        lacking = [rung.n_examples for rung in rungs if rung.n_examples not in items]
    except TypeError as error:
        raise SpecError(f"run {run_id}: its rungs.json is damaged ({error})") from error
    if lacking:
        raise SpecError(f"run {run_id}: its rungs.json is not what was logged: there are no items of {lacking}")
    for rung in rungs:
        if not np.isclose(rung.score, items[rung.n_examples].mean(), rtol=1e-9):
            raise SpecError(
                f"run {run_id}: its rungs.json is not what was logged: {rung.score} after {rung.n_examples} examples, "
                f"its items' mean is {items[rung.n_examples].mean()}"
            )
    return rungs, items
