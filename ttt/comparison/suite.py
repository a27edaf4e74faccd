"""Whether the budget is enough for what is concluded of a suite, by the validation items of the studies of its models.

Single models need many items each to be decided. The conclusions are means over models and theta, which need fewer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ttt.cell.final import covers, read_study
from ttt.cell.read import read_items
from ttt.cell.study_result import CURVE
from ttt.cell.suite_result import SuiteSaturation, worst
from ttt.comparison.cells import CellRow
from ttt.comparison.inputs import Inputs
from ttt.comparison.models import Fitted, ModelRow, Split, fitted_models
from ttt.comparison.options import Options
from ttt.formatting import first_few
from ttt.spec import SpecError
from ttt.stats.suite_plateau import judge_suite_items
from ttt.tracking import Tracker


@dataclass(frozen=True)
class StudiedModel:
    """What a study kept of a model: item scores by budget (examples), each of shape (n_items,)."""

    scores: Mapping[int, npt.NDArray[np.float64]]
    budget: int
    """The largest that is not above the cell's own."""
    later: tuple[int, ...]
    tolerance: float
    digest: str | None
    """Of the items."""


class NotJudgedError(Exception):
    """Why there is no verdict on a suite."""


def judge_suite(tracker: Tracker, inputs: Inputs, fitted: Fitted, options: Options) -> SuiteSaturation:
    """The verdict on the models of a comparison together; `not judged`, with the reason, where studies do not carry it.

    Every model's study must cover its cells (`ttt.cell.final.covers`), and all must have asked the same validation
    items at the same budgets, up to twice that of the cells. It is on the mean gain of either group and theta of the
    models that theta is fitted to; where these are not all models, or there are no groups, on the mean gain of all too.
    Of several verdicts, by these and by the later budgets, it is the one that speaks most against the suite.
    """
    if "adjusted" not in inputs.sides:
        return SuiteSaturation(verdict="not judged", reason="no model was adjusted")
    try:
        studied = _studied(tracker, inputs)
    except NotJudgedError as reason:
        return SuiteSaturation(verdict="not judged", reason=str(reason))
    suites: list[tuple[list[ModelRow], Split | None]] = []
    if fitted.split is not None and not fitted.too_few:
        suites.append((fitted.models, fitted.split))
    if not suites or len(fitted.models) < len(inputs.models):
        suites.append((inputs.models, None))
    of = next(iter(studied.values()))
    return worst([_judge(studied, models, split, later, options) for models, split in suites for later in of.later])


def _judge(
    studied: Mapping[str, StudiedModel], models: Sequence[ModelRow], split: Split | None, later: int, options: Options
) -> SuiteSaturation:
    """The verdict on some of the models by one of the later budgets."""
    names = [model.model for model in models]
    curves = [studied[name] for name in names]
    gains = np.stack([one.scores[later] - one.scores[one.budget] for one in curves])
    judged = judge_suite_items(
        gains,
        [model.family for model in models] if options.cluster == "family" else None,
        None if split is None else split.is_newer,
        None if split is None else np.array([model.compute for model in models], float),
        tolerance=curves[0].tolerance,
    )
    return SuiteSaturation.of(judged, names, curves[0].budget, later, gains.shape[1], "validation items")


def suite_of(tracker: Tracker, inputs: Inputs, options: Options) -> SuiteSaturation:
    """The verdict on one of several benches."""
    return judge_suite(tracker, inputs, fitted_models(inputs.models, options), options)


def _studied(tracker: Tracker, inputs: Inputs) -> dict[str, StudiedModel]:
    """What the models' studies kept, by model."""
    runs = {run.info.run_id: run for run in tracker.runs(f"{inputs.suite}/{inputs.bench}", "saturation")}
    cells: dict[str, list[CellRow]] = {}
    for cell in inputs.cells:
        cells.setdefault(cell.model, []).append(cell)
    studies = {model: _study_of(of, runs) for model, of in cells.items()}
    if without := sorted(model for model, study in studies.items() if study is None):
        raise NotJudgedError(f"no study covers {first_few(without)}")
    made = {model: _read(tracker, studies[model], of) for model, of in cells.items()}
    for what, of in (
        ("validation items", lambda one: one.digest),
        ("budgets", lambda one: (one.budget, *one.later)),
        ("tolerances", lambda one: one.tolerance),
    ):
        values: dict[Any, list[str]] = {}
        for model, one in made.items():
            values.setdefault(of(one), []).append(model)
        if len(values) > 1:
            groups = sorted(values.values(), key=len)
            raise NotJudgedError(f"the studies differ in their {what}: {first_few(groups[0])} from the others")
    return made


def _study_of(cells: Sequence[CellRow], runs: Mapping[str, Any]) -> Any:
    """The run of the study that tagged the cells of a model, all of which it must cover; None if there is none."""
    ids = {cell.run.data.tags.get("ttt.saturated_by") for cell in cells}
    study = runs.get(ids.pop()) if len(ids) == 1 else None
    return study if study and all(covers(study, cell.run) for cell in cells) else None


def _read(tracker: Tracker, study: Any, cells: Sequence[CellRow]) -> StudiedModel:
    """The curve of a model's study; `cells` are the model's."""
    model = cells[0].model
    result = read_study(tracker, study)
    if result is None or result.validation_digest is None:
        raise NotJudgedError(f"the study of {model} kept no items of its own: repeat it (python -m ttt.saturate)")
    try:
        table = read_items(tracker, study.info.run_id, CURVE)
    except SpecError as error:
        raise NotJudgedError(str(error)) from error
    scores = {int(name): table[name].to_numpy(dtype=float) for name in table.columns}
    n_examples = min(cell.run.data.metrics.get("train/n_examples", 0.0) for cell in cells)
    budget = max(budget for budget in scores if budget <= n_examples)
    later = tuple(sorted(other for other in scores if other > budget))
    if not later or later[-1] < 2 * n_examples:
        raise NotJudgedError(f"the study of {model} does not reach twice its {n_examples:,.0f} examples")
    return StudiedModel(scores, budget, later, result.tolerance, result.validation_digest)
