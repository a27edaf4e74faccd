"""The trials of a study: one carried out, from rung to rung; and all that ended, with the runs that keep them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from optuna.exceptions import TrialPruned
from optuna.trial import Trial

from ttt.engine.training.step import NonFiniteLossError
from ttt.files.hashing import json_digest
from ttt.spec import SpecError
from ttt.study.search import Diverged, Search
from ttt.study.setup import StudySetup
from ttt.study.trial import ItemScores, TrialTraining
from ttt.study.trial_run import TrialRun, adopt, trial_run

log = logging.getLogger(__name__)

Values = Mapping[str, float]


class Trials:
    """Carries trials out, each in a run below the study's (`parent`)."""

    def __init__(self, setup: StudySetup, parent: str):
        self.setup, self.parent = setup, parent

    def objective(self, trial: Trial, values: Values) -> float:
        """Train to the top of the ladder, or until successive halving stops the trial; returns its last score.

        What an earlier process finished is taken over. Raises TrialPruned for a trial that ends early.
        """
        say, budgets = self.setup.say, self.setup.ladder.budgets
        key, named = self._key(values), _in_words(values)
        score = float("nan")
        ended: TrialPruned | None = None
        with trial_run(self.setup, self.parent, key, values, f"trial {named}") as run:
            training = self._training(values, key, run)
            for place, budget in enumerate(budgets):
                reached = run.at(budget)
                if reached is None and run.finished:  # by a process that was killed before it could tell Optuna
                    ended = Diverged(run.failure) if run.failure else TrialPruned()
                    break
                try:
                    rung, scores = reached or training.reach(place)
                except NonFiniteLossError as error:
                    say(f"{named}: {error}")
                    ended = Diverged(str(error))
                    break
                run.add(rung, scores)
                score = rung.score
                if training.n_cut:
                    run.log.metrics({"train/n_cut": training.n_cut})
                say(f"{named}: {score:.3f} after {budget:,} examples")
                trial.report(score, place)
                if place + 1 < len(budgets) and trial.should_prune():
                    ended = TrialPruned()
                    break
            run.close("pruned" if ended else "complete", str(ended) if isinstance(ended, Diverged) else "")
        if ended:
            raise ended
        return score

    def finished(self, search: Search) -> list[FinishedTrial]:
        """All trials that ended, in the order of asking.

        A trial that the search has counted, and whose run is not in this store or cannot be read, is done again: to
        the rungs that it reached.
        """
        return [self._finished(values, n_rungs) for values, n_rungs in search.counted()]

    def _finished(self, values: Values, n_rungs: int) -> FinishedTrial:
        tracker, key = self.setup.tracker, self._key(values)
        kept = tracker.find(self.setup.experiment, key)
        if kept is not None and kept.info.status == "FINISHED":
            try:
                run = TrialRun.read(tracker, kept)
                adopt(run, kept, self.parent)
                return FinishedTrial(values, run)
            except SpecError as error:
                log.debug(str(error))  # opening the run says so to the user
        else:
            log.warning(f"the trial with {_in_words(values)} has no run in this MLflow store: it is done again here")
        with trial_run(self.setup, self.parent, key, values, f"trial {_in_words(values)}") as run:
            training, failure = self._training(values, key, run), ""
            for place, budget in enumerate(self.setup.ladder.budgets[:n_rungs]):
                try:
                    run.add(*(run.at(budget) or training.reach(place)))
                except NonFiniteLossError as error:  # on this machine
                    failure = str(error)
                    break
            run.close("complete" if n_rungs == len(self.setup.ladder.budgets) else "pruned", failure)
        return FinishedTrial(values, run)

    def own_schedule(self, values: Values, place: int) -> ItemScores | None:
        """The items of one budget, trained by itself with the adjustment's own schedule; None if that diverges."""
        key = json_digest([self.setup.key, values, "anew", place])
        budget = self.setup.ladder.budgets[place]
        with trial_run(self.setup, self.parent, key, values, f"schedule {budget}") as run:
            if not run.finished:
                try:
                    run.add(*self._training(values, key, run).anew(place))
                except NonFiniteLossError as error:
                    self.setup.say(f"{_in_words(values)} with its own schedule: {error}")
                    run.close("pruned", str(error))
                else:
                    run.close("complete")
        return run.items.get(budget)

    def _training(self, values: Values, key: str, run: TrialRun) -> TrialTraining:
        recipe = self.setup.spec.recipe(self.setup.cell.adjustment, self.setup.cell.model, values)
        return TrialTraining(self.setup, recipe, self.setup.folder(key), run.log)

    def _key(self, values: Values) -> str:
        return json_digest([self.setup.key, values])


@dataclass(frozen=True)
class FinishedTrial:
    """The values that a trial searched with, and the run with what it reached."""

    values: Values
    run: TrialRun

    def score_at(self, budget: int) -> float:
        """The mean of the items; minus infinity at a budget that was not reached."""
        return float(np.mean(self.run.items[budget])) if budget in self.run.items else float("-inf")


def _in_words(values: Values) -> str:
    return ", ".join(f"{name} {value:.3g}" for name, value in values.items()) or "own recipe"
