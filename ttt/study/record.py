"""A study's own MLflow run: opened or read back at the beginning, and closed with the result at the end."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pandas as pd

from ttt.cell.final import RESULT, read_study, tag_cells
from ttt.cell.log import log_items
from ttt.cell.params import cell_tags
from ttt.cell.study_result import CURVE, SATURATED_TAG, StudyResult
from ttt.masking import shown_uri
from ttt.study.figures import curve_figure, study_figures
from ttt.study.setup import StudySetup
from ttt.study.space import StudySpec
from ttt.study.verdict import BudgetCurve
from ttt.tracking import RunLog, Tracker

if TYPE_CHECKING:
    from optuna import Study


@contextmanager
def study_run(setup: StudySetup) -> Iterator[RunLog]:
    """The run of a study, which several processes may write at once: the one that was begun and not finished, or a new.

    A study that goes on to more trials does so in a run of its own, which takes the place of the finished one in the
    moment in which it is finished itself: the verdict of that one covers cells until then, whatever becomes of this.
    """
    cell, key = setup.cell, setup.key
    tags = {**cell_tags(cell, key, setup.resolved.files), "ttt.kind": "saturation"}
    name = f"{cell.label} saturation"
    with setup.tracker.run(setup.experiment, name, tags, key, shared=True, say=setup.say) as run:
        yield run


def read_back(tracker: Tracker, experiment: str, spec: StudySpec, key: str) -> StudyResult | None:
    """The result of a study that has its trials already, and kept its items."""
    finished = tracker.finished(experiment, key)
    before = read_study(tracker, finished) if finished else None
    return before if before and before.n_trials >= spec.n_trials and before.validation_digest else None


def close_study(setup: StudySetup, run: RunLog, study: Study, result: StudyResult, curve: BudgetCurve) -> StudyResult:
    """Log the study's numbers, items, figures and result, and tag what it decides."""
    cell = setup.cell
    for rung in result.rungs:
        run.metrics({"validation/score": rung.score, "validation/score_stderr": rung.stderr}, rung.budget)
    run.params(setup.params(cell))
    totals = {f"study/{name}": value for name, value in result.cost_of_study if value is not None}
    run.metrics({"n_trials": result.n_trials, "n_validation": result.n_validation, **totals})
    if result.smallest_budget is not None:
        run.metrics({"smallest_budget": result.smallest_budget})
    elif run.history("smallest_budget"):  # an answer of fewer trials, which is none any more; nothing can be taken away
        run.metrics({"smallest_budget": math.nan})
    spec = setup.spec.model_dump(mode="json") | {"storage": shown_uri(setup.spec.storage or "") or None}
    run.json({"cell": cell.model_dump(mode="json"), "plan": spec}, "config.json")
    log_items(run, CURVE, pd.DataFrame({str(b): scores for b, scores in zip(curve.budgets, curve.items, strict=True)}))
    run.figure(curve_figure(result), "figures/budgets.png")
    for name, figure in study_figures(study).items():
        run.figure(figure, f"figures/{name}.png")
    result = result.model_copy(update={"cells": tag_cells(setup.tracker, cell, result)})
    run.tags({"ttt.saturated": SATURATED_TAG[result.verdict]})
    run.json(result.to_json(), RESULT)
    return result
