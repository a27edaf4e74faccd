"""The Optuna study: trials asked for and told one by one, by any number of processes, killed or not."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import optuna
from filelock import FileLock, Timeout
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from ttt.files import scratch
from ttt.masking import masked, shown_uri
from ttt.spec import SpecError
from ttt.study.space import Plan

log = logging.getLogger(__name__)
optuna.logging.set_verbosity(optuna.logging.WARNING)
COUNTED = (TrialState.COMPLETE, TrialState.PRUNED)
WORKER = "worker"
SECONDS_BETWEEN_LOOKS = 1.0


class Halving(optuna.pruners.BasePruner):
    """Successive halving (arXiv 1810.05934, asynchronous): of those that reached a rung, the best 1/reduction go on.

    Optuna's own counts the rungs of failed trials too, so that a killed trial, repeated, would compete with itself.
    """

    def __init__(self, reduction: int):
        self.reduction = reduction

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        rung = trial.last_step
        if rung is None:
            return False
        others = [
            t for t in study.get_trials(deepcopy=False) if t.state != TrialState.FAIL and t.number != trial.number
        ]
        rivals = [t.intermediate_values[rung] for t in others if rung in t.intermediate_values]
        n_kept = max(1, (len(rivals) + 1) // self.reduction)
        return sum(score >= trial.intermediate_values[rung] for score in rivals) >= n_kept


@dataclass
class Ask:
    """A trial to work on, with its values."""

    trial: Trial
    values: dict[str, float]


class Study:
    """A study shared through its storage; `folder` holds its journal, its lock and a lock a worker.

    A trial whose worker is gone (its lock is free) is told FAIL and its values are asked for again: the next trial with
    these values finds what the gone one left. Raises SpecError for a storage that cannot be used.
    """

    def __init__(self, name: str, plan: Plan, own: dict[str, float], seed: int, folder: Path):
        self.plan, self.seed, self.folder = plan, seed, folder
        (folder / "workers").mkdir(parents=True, exist_ok=True)
        self.lock = FileLock(folder / "study.lock")
        self.worker = uuid.uuid4().hex
        self._alive = FileLock(self._worker_file(self.worker))
        self._alive.acquire()
        with self.lock:
            if plan.storage is None:
                self._mend_journal()
            try:
                self.study = self._open(name)
            except (ValueError, ImportError, optuna.exceptions.StorageInternalError, SQLAlchemyError) as error:
                where = shown_uri(plan.storage) if plan.storage else self._journal
                raise SpecError(f"study.storage: {where} cannot be used: {masked(_first_line(error))}") from error
            self.study.enqueue_trial(own, skip_if_exists=True)

    def _open(self, name: str) -> optuna.Study:
        return optuna.create_study(
            study_name=name,
            storage=RDBStorage(self.plan.storage) if self.plan.storage else _journal(self._journal),
            direction="maximize",
            pruner=Halving(self.plan.reduction),
            load_if_exists=True,
        )

    @property
    def _journal(self) -> Path:
        return self.folder / "journal.log"

    def _mend_journal(self) -> None:
        """Cut off the line that a kill has left unfinished; set aside a journal that cannot be read.

        A study without its journal asks for the same trials, and finds what they reached in their runs. While others
        work on the study its journal is theirs.
        """
        journal = self._journal
        if not journal.exists() or any(self._works(file.stem) for file in (self.folder / "workers").glob("*.lock")):
            return
        content = journal.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            log.warning(f"{journal}: its last line is cut off, and left out")
            with journal.open("r+b") as opened:
                opened.truncate(len(whole))
        try:
            for study in optuna.get_all_study_names(_journal(journal)):
                optuna.load_study(study_name=study, storage=_journal(journal)).get_trials(deepcopy=False)
        except Exception as error:  # whatever Optuna makes of lines that it has not written
            scratch.set_aside(journal, f"{type(error).__name__}: {error}")

    def trials(self) -> Iterator[Ask]:
        """Trials until the study has `plan.n_trials`; while others work on the last ones, it is waited for them."""
        while True:
            with self.lock:
                running = self._running()
                n_done = len(self.study.get_trials(deepcopy=False, states=COUNTED))
                ask = self._ask(n_done + len(running)) if n_done + len(running) < self.plan.n_trials else None
            if ask:
                yield ask
            elif running:
                time.sleep(SECONDS_BETWEEN_LOOKS)
            else:
                return

    def done(self) -> list[FrozenTrial]:
        return self.study.get_trials(states=COUNTED)

    def close(self) -> None:
        self._alive.release()
        self._worker_file(self.worker).unlink(missing_ok=True)

    def _ask(self, n_before: int) -> Ask:
        # A draw depends on the seed, the place and what was found so far, not on how often the process was begun.
        seed = int(np.random.SeedSequence([self.seed, n_before]).generate_state(1)[0])
        self.study.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=4)
        trial = self.study.ask()
        trial.set_user_attr(WORKER, self.worker)
        values: dict[str, float] = {}
        for name, space in self.plan.search.items():
            if space.choices:
                values[name] = float(trial.suggest_categorical(name, space.choices))
            else:
                assert space.low is not None
                assert space.high is not None
                values[name] = trial.suggest_float(name, space.low, space.high, log=space.log)
        return Ask(trial, values)

    def _running(self) -> list[FrozenTrial]:
        """The trials that someone works on; those of workers that are gone are told and put back."""
        alive = []
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if self._works(trial.user_attrs.get(WORKER)):
                alive.append(trial)
                continue
            waiting = self.study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
            if trial.params and all(other.system_attrs.get("fixed_params") != trial.params for other in waiting):
                self.study.enqueue_trial(dict(trial.params))
            self.study.tell(trial.number, state=TrialState.FAIL)
        return alive

    def _works(self, worker: str | None) -> bool:
        if worker is None:  # asking and naming the worker happen under the lock that is held here
            return False
        if worker == self.worker:  # this process asks for one trial after the other: it has left that one
            return False
        file = self._worker_file(worker)
        if not file.exists():
            return False
        try:
            with FileLock(file, timeout=0):
                pass
        except Timeout:
            return True
        file.unlink(missing_ok=True)
        return False

    def _worker_file(self, worker: str) -> Path:
        return self.folder / "workers" / f"{worker}.lock"


def _journal(file: Path) -> JournalStorage:
    return JournalStorage(JournalFileBackend(str(file)))


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
