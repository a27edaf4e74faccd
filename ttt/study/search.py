"""The search for the best recipe at each budget: Optuna's study, shared by any number of processes, killed or not."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import optuna
from optuna.exceptions import StorageInternalError, TrialPruned
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from ttt.masking import masked, shown_uri
from ttt.spec import SpecError
from ttt.study.space import StudySpec
from ttt.study.storage import Database, Journal, TrialStorage

log = logging.getLogger(__name__)
optuna.logging.set_verbosity(optuna.logging.ERROR)  # a trial that fails is reported by whoever carries it out
COUNTED = (TrialState.COMPLETE, TrialState.PRUNED)
DIVERGED = "diverged"
"""The attribute of a trial that ended with a loss or gradient that is not finite: why."""
SUPERFLUOUS = "superfluous"
"""The attribute of a trial that fails without any work, since another process asked for the same at that moment."""
SECONDS_BETWEEN_LOOKS = 1.0

Values = dict[str, float]


class Diverged(TrialPruned):
    """The training of a trial came to a loss or gradient that is not finite; what it reached before counts."""


class _SuperfluousError(Exception):
    """A trial that is not needed: others asked at the same moment."""


class Halving(optuna.pruners.BasePruner):
    """Successive halving (arXiv 1810.05934, asynchronous): of those that reached a rung, the best 1/reduction go on.

    Optuna's own counts the rungs of failed trials too, so that a killed trial, repeated, would compete with itself. A
    trial that diverged later competes no more: it would keep others from the rungs that it never reached.
    """

    def __init__(self, reduction: int):
        self.reduction = reduction

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        rung = trial.last_step
        if rung is None:
            return False
        rivals = [
            other.intermediate_values[rung]
            for other in study.get_trials(deepcopy=False)
            if other.number != trial.number
            and other.state != TrialState.FAIL
            and DIVERGED not in other.user_attrs
            and rung in other.intermediate_values
        ]
        n_kept = max(1, (len(rivals) + 1) // self.reduction)
        return sum(score >= trial.intermediate_values[rung] for score in rivals) >= n_kept


class Search:
    """A study in its storage; `own` are the adjustment's own values, which are always among the trials.

    No two processes do the same trial, and together they do `spec.n_trials`. A trial whose process is gone fails, and
    its values are asked for again: whoever gets them finds in the trial's run what was reached. Raises SpecError for a
    storage that cannot be used.
    """

    def __init__(self, name: str, spec: StudySpec, own: Values, seed: int, folder: Path):
        self.spec, self.own, self.seed = spec, own, seed
        folder.mkdir(parents=True, exist_ok=True)
        try:
            self.storage: TrialStorage = Database(spec.storage) if spec.storage else Journal(folder)
            self.study = self._open(name)
        except (ValueError, ImportError, StorageInternalError, SQLAlchemyError) as error:
            where = shown_uri(spec.storage) if spec.storage else folder
            raise SpecError(f"study.storage: {where} cannot be used: {masked(_first_line(error))}") from error

    def _open(self, name: str) -> optuna.Study:
        return optuna.create_study(
            study_name=name,
            storage=self.storage.storage,
            direction="maximize",
            pruner=Halving(self.spec.reduction),
            load_if_exists=True,
        )

    def carry_out(self, objective: Callable[[Trial, Values], float]) -> None:
        """Call `objective` with one trial after the other until the study has all; its return value is the last score.

        It reports its rungs to the trial, and raises TrialPruned where the trial ends early. While other processes
        work on the last trials they are waited for: one of them may be killed.
        """

        def work(trial: Trial) -> float:
            self.storage.begin(trial)
            values = self._suggest(trial)
            try:
                return objective(trial, values)
            except Diverged as error:
                trial.set_user_attr(DIVERGED, str(error))
                raise
            except TrialPruned:
                raise
            except BaseException as error:
                self.study.enqueue_trial(values)
                if not isinstance(error, Exception | KeyboardInterrupt):  # of these Optuna itself says that they failed
                    self.study.tell(trial, state=TrialState.FAIL)
                raise

        while True:
            self.storage.put_back_dead(self.study)
            trials = [trial for trial in self._trials() if trial.state != TrialState.FAIL]
            if all(_values(trial) != self.own for trial in trials):
                self.study.enqueue_trial(self.own)
                continue
            waits = any(trial.state == TrialState.WAITING for trial in trials)
            if waits or len(trials) < self.spec.n_trials:
                self.study.optimize(work, n_trials=1, catch=(_SuperfluousError,))
            elif any(trial.state == TrialState.RUNNING for trial in trials):
                time.sleep(SECONDS_BETWEEN_LOOKS)
            else:
                return

    def counted(self) -> list[tuple[Values, int]]:
        """The values of the trials that ended, each once, and how many rungs each reached; in the order of asking."""
        reached: dict[str, tuple[Values, int]] = {}
        for trial in self._trials():
            if trial.state in COUNTED:
                reached.setdefault(str(trial.params), (_floats(trial.params), len(trial.intermediate_values)))
        return list(reached.values())

    @property
    def n_counted(self) -> int:
        return len(self.study.get_trials(deepcopy=False, states=COUNTED))

    def close(self) -> None:
        self.storage.close()

    def _trials(self) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False)

    def _suggest(self, trial: Trial) -> Values:
        """The trial's values. Raises _SuperfluousError for one that others have made superfluous."""
        trials = self._trials()
        before = [other for other in trials[: trial.number] if other.state != TrialState.FAIL]
        if len(before) >= self.spec.n_trials:
            self._withdraw(trial)
        # A draw depends on the seed, the place and what was seen so far, not on how often the process was begun.
        seed = int(np.random.SeedSequence([self.seed, len(before)]).generate_state(1)[0])
        self.study.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=4)
        values: Values = {}
        for name, space in self.spec.search.items():
            if space.choices:
                values[name] = float(trial.suggest_categorical(name, space.choices))
            else:
                assert space.low is not None
                assert space.high is not None
                values[name] = trial.suggest_float(name, space.low, space.high, log=space.log)
        if _is_queued(trials[trial.number]) and any(_values(other) == values for other in before):
            self._withdraw(trial)
        return values

    def _withdraw(self, trial: Trial) -> NoReturn:
        trial.set_user_attr(SUPERFLUOUS, True)
        raise _SuperfluousError


def _is_queued(trial: FrozenTrial) -> bool:
    """Whether the values were put into the queue, as the own recipe's and a dead trial's are, and not drawn."""
    return bool({"fixed_params", "retry_history"} & trial.system_attrs.keys())


def _values(trial: FrozenTrial) -> Values:
    """What a trial searches with, where it is known already."""
    return _floats(trial.params or trial.system_attrs.get("fixed_params", {}))


def _floats(params: dict[str, Any]) -> Values:
    return {name: float(value) for name, value in params.items()}


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
