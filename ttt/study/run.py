"""A study from request to verdict: `saturate`. Knows neither Hydra nor the command line."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from optuna.trial import TrialState

from ttt.cell.resolve import starting_point
from ttt.cell.workbench import Workbench
from ttt.engine.load import load
from ttt.engine.training.loop import Checkpoint
from ttt.engine.training.step import NonFiniteLossError
from ttt.files import scratch
from ttt.spec import Cell, SpecError, Trainer
from ttt.stopping import stoppable
from ttt.study.record import Trials, close_study, open_study, result_of, trial_run, values_of
from ttt.study.search import Ask, Study
from ttt.study.space import Plan, ladder
from ttt.study.studied import Studied
from ttt.study.trial import Climber, Scores, score
from ttt.study.validation import make_validation
from ttt.study.verdict import best_curve, judge
from ttt.tasks.bench import load_tasks
from ttt.tasks.leaks import in_words
from ttt.tracking import RunLog, Tracker

log = logging.getLogger(__name__)

Say = Callable[[str], None]


def saturate(cell: Cell, plan: Plan, trainer: Trainer, tracker: Tracker, say: Say = log.info) -> dict[str, Any]:
    """Find the smallest sufficient budget of the cell's adjustment, and tag the cells and versions that it decides.

    A study is known by its cell and its plan but for `n_trials`: asked for again it is read back, with more trials it
    goes on, and one that was killed goes on to its total. Raises SpecError for a request that cannot be carried out.
    """
    if cell.adjustment.method == "none":
        raise SpecError("adjustment: 'none' has no budget to judge; name one that trains")
    with stoppable():
        cell, model = starting_point(cell, tracker)
        work = Workbench(model, cell, trainer, tracker)
        own = plan.own_values(cell.adjustment, cell.model)
        key = _key(plan, work.key(cell))
        before, parent = open_study(tracker, cell, plan, key, work.files)
        if before is not None:
            say(f"{cell.label} on {cell.bench.name}: judged before, run {before['run_id']}")
            return before
        assert parent is not None
        try:
            return _saturate(cell, plan, work, own, key, parent, say)
        except Exception as error:
            parent.fail(f"{type(error).__name__}: {error}")
            raise
        except BaseException:
            parent.fail("stopped from outside", status="KILLED")
            raise


def _saturate(
    cell: Cell, plan: Plan, work: Workbench, own: dict[str, float], key: str, parent: RunLog, say: Say
) -> dict[str, Any]:
    data = work.task_data
    warnings = work.warnings(cell, say)
    if warnings:
        parent.tags({"ttt.warnings": "\n".join(warnings)[:5000]})
    n_own = cell.adjustment.n_examples(len(data.examples))
    rungs = ladder(plan, cell.adjustment, n_own)
    tasks = load_tasks(cell.bench, work.files)
    validation = make_validation(cell.bench, tasks, data, plan)
    studied = Studied(cell, plan, work, rungs, n_own, validation, key, parent, say)
    work.log_task_data(parent)
    if work.leaks:
        say(f"{cell.bench.name}: {in_words(work.leaks, cell.bench.leak)}")
    say(f"{cell.label} on {cell.bench.name}: budgets of {', '.join(f'{b:,}' for b in rungs.budgets)} examples")
    study = Study(key, plan, own, cell.seed, work.tracker.folder(key) / "study")
    try:
        base, _, _ = _base_scores(studied)
        for ask in study.trials():
            _do_trial(studied, study, ask)
        trials = Trials(studied)
        if trials.damaged:
            for run in trials.damaged:
                _do_again(studied, run)
            trials = Trials(studied)
        found = [{0: base}, *trials.items]
        curve = best_curve([0, *rungs.budgets], found)
        plateau = judge(curve, plan.tolerance)
        schedules = _compare_schedules(studied, trials, plateau.smallest) if plan.compare_schedules else None
        with study.lock:
            result = result_of(studied, trials, curve, plateau, schedules)
            return close_study(studied, study.study, trials, curve, result)
    finally:
        study.close()


def _base_scores(studied: Studied) -> tuple[Scores, int, float]:
    folder = studied.work.tracker.folder(studied.key)
    file = folder / "base.json"
    kept = scratch.read(file, studied.key)
    if kept is not None:
        return np.array(kept, dtype=np.float64), 0, 0.0
    found = score(studied.work.backend, studied.validation, folder)
    scratch.write(file, found[0].tolist(), studied.key)
    return found


def _climber(studied: Studied, values: dict[str, float], key: str, run: RunLog) -> Climber:
    cell, work = studied.cell, studied.work
    recipe = studied.plan.recipe(cell.adjustment, cell.model, values)

    def on_step(step: Checkpoint) -> None:
        run.metrics({"train/loss": step.loss, "train/learning_rate": step.learning_rate}, step.n_examples)

    return Climber(
        work.backend,
        lambda: load(work.model, work.source)[0],
        cell,
        recipe,
        replace(studied.ladder, final_rate=recipe.final_rate),
        studied.validation,
        work.trainer,
        work.tracker.folder(key),
        on_step,
        run.flush,
        studied.say,
    )


def _do_trial(studied: Studied, study: Study, ask: Ask) -> None:
    """Climb to the top, or until successive halving stops it; what an earlier worker finished is taken over."""
    key, trial = _key(studied.key, ask.values), ask.trial
    named = ", ".join(f"{name} {value:.3g}" for name, value in ask.values.items())
    with studied.work.tracker.lock(key), trial_run(studied, key, ask.values, f"trial {named}") as run:
        climber = _climber(studied, ask.values, key, run.log)
        state = TrialState.COMPLETE
        for place, budget in enumerate(studied.ladder.budgets):
            try:
                climbed, scores = run.found(budget) or climber.rung(place)
            except NonFiniteLossError as error:
                studied.say(f"{named}: {error}")
                run.log.tags({"ttt.failure": str(error)[:5000]})
                state = TrialState.PRUNED
                break
            run.add(climbed, scores)
            if climber.n_cut:
                run.log.metrics({"train/n_cut": climber.n_cut})
            studied.say(f"{named}: {climbed.score:.3f} after {budget:,} examples")
            trial.report(climbed.score, place)
            if place + 1 < len(studied.ladder.steps) and trial.should_prune():
                state = TrialState.PRUNED
                break
        run.close(state.name.lower())
        if state == TrialState.COMPLETE:
            study.study.tell(trial, climbed.score)
        else:
            study.study.tell(trial, state=state)
    studied.work.tracker.clear(key)


def _do_again(studied: Studied, damaged: Any) -> None:
    """A trial that the study has counted, and whose run cannot be read any more: to the rungs that it reached."""
    key, values = damaged.data.tags["ttt.key"], values_of(damaged)
    reached = dict(studied.work.tracker.open(damaged.info.run_id).history("validation/score"))
    with studied.work.tracker.lock(key), trial_run(studied, key, values, damaged.info.run_name) as run:
        climber = _climber(studied, values, key, run.log)
        for place, budget in enumerate(studied.ladder.budgets):
            if budget in reached:
                run.add(*(run.found(budget) or climber.rung(place)))
        run.close(damaged.data.tags.get("ttt.state", "complete"))
    studied.work.tracker.clear(key)


def _compare_schedules(studied: Studied, trials: Trials, smallest: float | None) -> dict[str, Any] | None:
    """The adjustment's own schedule against the rung's cool-down: one budget and recipe, the same items."""
    budgets = studied.ladder.budgets
    wanted = smallest if smallest else studied.n_own
    place = max((i for i, budget in enumerate(budgets) if budget <= wanted), default=0)
    best = max((t for t in range(len(trials.items)) if budgets[place] in trials.items[t]), key=trials.score_at(place))
    values = trials.values[best]
    key = _key(studied.key, values, "anew", place)
    with studied.work.tracker.lock(key), trial_run(studied, key, values, f"schedule {budgets[place]}") as run:
        if not run.reached:
            climbed, scores = _climber(studied, values, key, run.log).anew(place)
            run.add(climbed, scores)
            run.close("complete")
    studied.work.tracker.clear(key)
    return {"budget": budgets[place], "own": run.items[budgets[place]], "cooldown": trials.items[best][budgets[place]]}


def _key(*parts: Any) -> str:
    plain = [part.model_dump(exclude={"n_trials", "price_per_hour", "currency", "storage"}) if isinstance(part, Plan)
             else part for part in parts]  # fmt: skip
    return hashlib.sha256(json.dumps(plain, sort_keys=True, default=str).encode()).hexdigest()[:20]
