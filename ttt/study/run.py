"""A study from request to verdict: `saturate`. Knows neither Hydra nor the command line."""

from __future__ import annotations

import logging
from contextlib import closing

import numpy as np

from ttt.cell.resolve import Say, resolve
from ttt.cell.study_result import StudyResult
from ttt.files import scratch
from ttt.spec import Cell, SpecError, Trainer
from ttt.stopping import stoppable
from ttt.study.conclusions import conclude
from ttt.study.record import close_study, read_back, study_run
from ttt.study.search import Search
from ttt.study.setup import StudySetup, prepare_study, study_key
from ttt.study.space import StudySpec
from ttt.study.trial import ItemScores, score
from ttt.study.trials import Trials
from ttt.tracking import RunLog, Tracker

log = logging.getLogger(__name__)


def saturate(cell: Cell, spec: StudySpec, trainer: Trainer, tracker: Tracker, say: Say = log.info) -> StudyResult:
    """Find the smallest sufficient budget of the cell's adjustment, and tag the cells and versions that it decides.

    A study is known by its cell and its spec but for `n_trials`: asked for again it is read back, with more trials it
    goes on, and one that was killed goes on to its total. The verdict of fewer trials is in force until there is one of
    more. Raises SpecError for a request that cannot be carried out, which leaves no run.
    """
    if cell.adjustment.method == "none":
        raise SpecError("adjustment: 'none' has no budget to judge; name one that trains")
    with stoppable():
        resolved = resolve([cell], trainer, tracker, force=True, say=say)
        [keyed] = resolved.cells
        own = spec.own_values(cell.adjustment, cell.model)
        key = study_key(spec, keyed.key)
        before = read_back(tracker, keyed.experiment, spec, key)
        if before:
            say(f"{keyed.label}: judged before, run {before.run_id}")
            return before
        # All that can show a request to be wrong comes before the run: one that is refused leaves none.
        setup = prepare_study(spec, resolved, tracker, key, say)
        budgets = ", ".join(f"{budget:,}" for budget in setup.ladder.budgets)
        say(f"{keyed.label} on {cell.bench.name}: budgets of {budgets} examples")
        with closing(Search(key, spec, own, cell.seed, setup.folder(key) / "study")) as search:
            base = _base_scores(setup)
            before = read_back(tracker, keyed.experiment, spec, key)  # another process may have finished meanwhile
            if before:
                return before
            with study_run(setup) as run:
                return _carry_out(setup, search, base, run)


def _carry_out(setup: StudySetup, search: Search, base: ItemScores, run: RunLog) -> StudyResult:
    prepared = setup.prepared
    if prepared.warnings:
        run.tags({"ttt.warnings": "\n".join(prepared.warnings)[:5000]})
    prepared.log_task_data(run)
    trials = Trials(setup, run.run_id)
    search.carry_out(trials.objective)
    finished = trials.finished(search)
    result, curve = conclude(setup, run.run_id, base, finished, search.n_counted, trials)
    with setup.tracker.lock(setup.key):
        return close_study(setup, run, search.study, result, curve)


def _base_scores(setup: StudySetup) -> ItemScores:
    folder = setup.folder(setup.key)
    file = folder / "base.json"
    kept = scratch.read(file, setup.key)
    if kept is None:
        kept = score(setup.model.backend, setup.validation, folder)[0].tolist()
        scratch.write(file, kept, setup.key)
    return np.array(kept, dtype=np.float64)
