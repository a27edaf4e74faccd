"""How a study is written to MLflow: the study a parent run, its trials children, the verdict as tags and aliases."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ttt.cell.log import log_items
from ttt.cell.params import cell_params, cell_tags
from ttt.cell.read import read_items
from ttt.cell.saturation import RESULT, read_study, tag_cells, verdict_at
from ttt.files.rows import DataFiles
from ttt.masking import shown_uri
from ttt.spec import Cell, SpecError
from ttt.stats.items import paired_interval
from ttt.stats.plateau import Plateau
from ttt.study.figures import curve_figure, study_figures
from ttt.study.space import Plan
from ttt.study.studied import Studied
from ttt.study.trial import Climbed, Scores
from ttt.study.verdict import Curve, cost
from ttt.tracking import RunLog, Tracker

if TYPE_CHECKING:
    from optuna import Study


log = logging.getLogger(__name__)

ITEMS = "validation"


def _experiment(cell: Cell) -> str:
    return f"{cell.suite}/{cell.bench.name}"


def open_study(
    tracker: Tracker, cell: Cell, plan: Plan, key: str, files: DataFiles
) -> tuple[dict[str, Any] | None, RunLog | None]:
    """The result of a study that has its trials already, or else its run: a new one, or the one there is."""
    tags = {**cell_tags(cell, key, files), "ttt.kind": "saturation"}
    with tracker.lock(key):
        found = tracker.find(_experiment(cell), key)
        if found and found.info.status == "FINISHED":
            before = read_study(tracker, found)
            if before and before["n_trials"] >= plan.n_trials:
                return before, None
        return None, tracker.start(
            _experiment(cell), f"{cell.label} saturation", tags, resume=found.info.run_id if found else None
        )


class TrialRun:
    """A trial's run while its rungs are added; `items` maps the budgets it reached to item scores."""

    def __init__(self, tracker: Tracker, run: RunLog, finished: bool):
        self.log = run
        self.reached: list[Climbed] = []
        self.items: dict[int, Scores] = {}
        self.finished = finished
        if finished:
            self.reached, self.items = _read(tracker, run.run_id)

    def found(self, budget: int) -> tuple[Climbed, Scores] | None:
        """A rung that was reached before, if it was."""
        rung = next((climbed for climbed in self.reached if climbed.n_examples == budget), None)
        return (rung, self.items[budget]) if rung else None

    def add(self, climbed: Climbed, scores: Scores) -> None:
        if climbed.n_examples in self.items:
            return
        self.reached.append(climbed)
        self.items[climbed.n_examples] = scores
        self.log.metrics({"validation/score": climbed.score}, climbed.n_examples)
        self.log.flush()

    def close(self, state: str) -> None:
        if self.finished:
            return
        self.log.metrics(
            {
                "train/n_tokens": sum(climbed.n_tokens_taken for climbed in self.reached),
                "train/seconds": sum(climbed.seconds for climbed in self.reached[-1:]),
            }
        )
        log_items(self.log, ITEMS, pd.DataFrame({str(budget): scores for budget, scores in self.items.items()}))
        self.log.json([asdict(climbed) for climbed in self.reached], "rungs.json")
        self.log.tags({"ttt.state": state})
        self.log.finish()


@contextmanager
def trial_run(studied: Studied, key: str, values: Mapping[str, float], name: str) -> Iterator[TrialRun]:
    """The run of a trial, under its study's; one that was begun by a worker that is gone is taken over.

    A finished one that is damaged is superseded by another, with a warning.
    """
    cell, tracker = studied.cell, studied.work.tracker
    found = tracker.find(_experiment(cell), key)
    finished = found is not None and found.info.status == "FINISHED"
    run, damaged = None, None
    if found and finished:
        try:
            run = TrialRun(tracker, tracker.open(found.info.run_id), True)
        except SpecError as error:
            log.warning(f"{error}: the trial is done again")
            damaged, found = found, tracker.unfinished(_experiment(cell), key)
    if found and run:
        if found.data.tags.get("mlflow.parentRunId") != studied.parent.run_id:  # a study that somebody has deleted
            run.log.tags({"mlflow.parentRunId": studied.parent.run_id})
    else:
        kind = {"ttt.kind": "trial", "mlflow.parentRunId": studied.parent.run_id}
        tags = {**cell_tags(cell, key, studied.work.files), **kind}
        resume = found.info.run_id if found else None
        run = TrialRun(tracker, tracker.start(_experiment(cell), name, tags, resume), False)
        recipe = studied.plan.recipe(cell.adjustment, cell.model, values)
        params = cell_params(
            cell.model_copy(update={"adjustment": recipe}),
            studied.work.source,
            studied.work.precision,
            studied.work.shots,
        )
        run.log.params(params | {f"search/{name}": value for name, value in values.items()})
        run.log.json(dict(values), "values.json")
        if damaged:
            tracker.supersede(damaged.info.run_id, by=run.log.run_id)
    try:
        yield run
    except Exception as error:
        run.log.fail(f"{type(error).__name__}: {error}")
        raise
    except BaseException:
        run.log.fail("stopped from outside", status="KILLED")
        raise


class Trials:
    """The finished trials of a study, in the order in which they were begun; `damaged` are runs that cannot be read."""

    def __init__(self, studied: Studied):
        tracker, parent = studied.work.tracker, studied.parent.run_id
        self.runs: list[str] = []
        self.rungs: list[list[Climbed]] = []
        self.items: list[dict[int, Scores]] = []
        self.values: list[dict[str, float]] = []
        self.damaged: list[Any] = []
        for run in reversed(tracker.children(parent, [_experiment(studied.cell)], "FINISHED")):
            of_kind = run.data.tags.get("ttt.kind") == "trial" and "ttt.superseded" not in run.data.tags
            if not of_kind or run.info.run_name.startswith("schedule"):
                continue
            try:
                rungs, items = _read(tracker, run.info.run_id)
            except SpecError:
                self.damaged.append(run)
                continue
            self.runs.append(run.info.run_id)
            self.rungs.append(rungs)
            self.items.append(items)
            self.values.append(values_of(run))

    def score_at(self, place: int) -> Callable[[int], float]:
        """The score of a trial at a rung that it reached."""
        return lambda trial: self.rungs[trial][place].score


def values_of(run: Any) -> dict[str, float]:
    """The values that a trial searched with."""
    found = {name: value for name, value in run.data.params.items() if name.startswith("search/")}
    return {name.removeprefix("search/"): float(value) for name, value in found.items()}


def _read(tracker: Tracker, run_id: str) -> tuple[list[Climbed], dict[int, Scores]]:
    content = tracker.read_json(run_id, "rungs.json")
    table = read_items(tracker, run_id, ITEMS)
    items = {int(name): table[name].to_numpy(dtype=float) for name in table.columns}
    try:
        rungs = [Climbed(**rung) for rung in content]
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


def result_of(
    studied: Studied, trials: Trials, curve: Curve, plateau: Plateau, schedules: dict[str, Any] | None
) -> dict[str, Any]:
    """The study's result, in JSON's types."""
    cell, plan, validation = studied.cell, studied.plan, studied.validation
    verdict, reason = verdict_at(plateau, studied.n_own)
    n_params = cell.model.n_params
    every = [rung for of_trial in trials.rungs for rung in of_trial]
    taken = sum(rung.n_tokens_taken for rung in every)
    anew = sum(rung.n_tokens for rung in every)
    scored = sum(rung.n_tokens_scored for rung in every)
    # A rung's seconds are those of its budget by itself: its own share is as its tokens.
    seconds = sum(r.seconds * r.n_tokens_taken / max(1, r.n_tokens) + r.seconds_scored for r in every)
    judged = {int(rung.budget): asdict(rung) for rung in plateau.rungs}
    rungs = []
    for budget, score, stderr, best in zip(curve.budgets, curve.means, curve.stderrs, curve.best, strict=True):
        values = trials.values[best - 1] if budget else None  # the first of the curve's trials is the base model
        rungs.append({"budget": budget, "score": score, "stderr": stderr, "values": values, **judged.get(budget, {})})
    smallest = None if plateau.smallest is None else int(plateau.smallest)
    sufficient = None
    if smallest == 0:
        sufficient = cost(n_params, 0, 0, 0.0, plan.price_per_hour)
    elif smallest is not None:
        place = studied.ladder.budgets.index(smallest)
        rung = trials.rungs[curve.best[place + 1] - 1][place]
        took = rung.seconds + rung.seconds_scored
        sufficient = cost(n_params, rung.n_tokens, rung.n_tokens_scored, took, plan.price_per_hour)
    return {
        "run_id": studied.parent.run_id,
        "key": studied.key,
        "model": cell.model.name,
        "bench": cell.bench.name,
        "adjustment": cell.adjustment.name,
        "seed": cell.seed,
        "verdict": {"yes": "saturated", "no": "not saturated"}.get(verdict, verdict),
        "reason": reason,
        "budget": studied.n_own,
        "smallest_budget": smallest,
        "tolerance": plan.tolerance,
        "rungs": rungs,
        "cost": sufficient,
        "cost_of_study": cost(n_params, taken, scored, seconds, plan.price_per_hour)
        | {"n_tokens_anew": anew, "n_tokens_full_grid": _full_grid(trials)},
        "currency": plan.currency if plan.price_per_hour is not None else None,
        "trials": [
            {"run_id": run, "values": values, "scores": {str(r.n_examples): r.score for r in reached}}
            for run, values, reached in zip(trials.runs, trials.values, trials.rungs, strict=True)
        ],
        "n_trials": len(trials.runs),
        "n_validation": curve.items.shape[1],
        "validation": validation.source,
        "measure": validation.measure,
        "schedules": _difference(cell, schedules),
    }


def _full_grid(trials: Trials) -> int:
    """Tokens of every budget with every trial's values, each trained anew: what the rungs and the halving save."""
    longest = max(trials.rungs, key=len)
    return len(trials.rungs) * sum(rung.n_tokens for rung in longest)


def _difference(cell: Cell, schedules: dict[str, Any] | None) -> dict[str, Any] | None:
    if schedules is None:
        return None
    gain = schedules["own"] - schedules["cooldown"]
    low, high = paired_interval(gain)
    return {
        "budget": schedules["budget"],
        "own_schedule": cell.adjustment.schedule,
        "own": float(schedules["own"].mean()),
        "cooldown": float(schedules["cooldown"].mean()),
        "difference": float(gain.mean()),
        "low": low,
        "high": high,
    }


def close_study(studied: Studied, study: Study, trials: Trials, curve: Curve, result: dict[str, Any]) -> dict[str, Any]:
    """Log the study's numbers, figures and result, tag what it decides, and finish its run."""
    run, cell = studied.parent, studied.cell
    for budget, score, stderr in zip(curve.budgets, curve.means, curve.stderrs, strict=True):
        run.metrics({"validation/score": score, "validation/score_stderr": stderr}, budget)
    run.params(cell_params(cell, studied.work.source, studied.work.precision, studied.work.shots))
    totals = {f"study/{name}": value for name, value in result["cost_of_study"].items() if value is not None}
    run.metrics({"n_trials": result["n_trials"], "n_validation": result["n_validation"], **totals})
    if result["smallest_budget"] is not None:
        run.metrics({"smallest_budget": result["smallest_budget"]})
    plan = studied.plan.model_dump(mode="json") | {"storage": shown_uri(studied.plan.storage or "") or None}
    run.json({"cell": cell.model_dump(mode="json"), "plan": plan}, "config.json")
    run.figure(curve_figure(result), "figures/budgets.png")
    for name, figure in study_figures(study).items():
        run.figure(figure, f"figures/{name}.png")
    result["cells"] = tag_cells(studied.work.tracker, cell, result)
    run.tags({"ttt.saturated": {"saturated": "yes", "not saturated": "no"}.get(result["verdict"], "undecided")})
    run.json(result, RESULT)
    run.finish()
    return result
