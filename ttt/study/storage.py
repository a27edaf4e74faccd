"""Where the trials of a study are kept, and which of them somebody still works on.

A study of one machine has a journal in its folder, and a lock a process: the lock of a process that is gone is free.
Machines that share a study have a database (`study.storage`) and Optuna's heartbeat, since no lock reaches from one
machine to another.
"""

from __future__ import annotations

import logging
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

import optuna
from filelock import FileLock, Timeout
from optuna.exceptions import ExperimentalWarning, UpdateFinishedTrialError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy import create_engine, inspect
from sqlalchemy.exc import SQLAlchemyError

from ttt.files import scratch

log = logging.getLogger(__name__)

HEARTBEAT, GRACE = 30, 120
"""Seconds between two signs of life of a trial in a database, and without one after which it counts as dead."""
WORKER = "worker"
"""The attribute of a trial that names the process which works on it."""
UNNAMED = timedelta(seconds=60)
"""How long a trial may run before it bears its process's name."""


class TrialStorage(Protocol):
    """Optuna's storage of one study, and who works on its trials."""

    storage: BaseStorage

    def begin(self, trial: Trial) -> None:
        """This process works on the trial from now on."""

    def put_back_dead(self, study: optuna.Study) -> None:
        """Trials whose process is gone fail, and their values are asked for again."""

    def close(self) -> None:
        """This process works on no trial any more."""


class Database:
    """A database that any number of machines share. Raises what SQLAlchemy and Optuna do where it cannot be used."""

    def __init__(self, url: str):
        try:
            self.storage = self._connect(url)
        except SQLAlchemyError:
            if not _has_tables(url):
                raise
            self.storage = self._connect(url)  # another process made the tables at the same moment

    def _connect(self, url: str) -> RDBStorage:
        with _no_warning():
            return RDBStorage(
                url,
                # Seconds that a writer waits for another's lock, where the database is a file.
                engine_kwargs={"connect_args": {"timeout": 60}} if url.startswith("sqlite") else None,
                heartbeat_interval=HEARTBEAT,
                grace_period=GRACE,
                heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(),
            )

    def begin(self, trial: Trial) -> None:
        """Nothing to do: `Study.optimize` sees to the heartbeat."""

    def put_back_dead(self, study: optuna.Study) -> None:
        with _no_warning():
            optuna.storages.fail_stale_trials(study)

    def close(self) -> None:
        self.storage.remove_session()


class Journal:
    """A journal in a folder, and in `workers/` a lock for each process, which the operating system frees with it."""

    def __init__(self, folder: Path):
        self.file, self.workers = folder / "journal.log", folder / "workers"
        self.workers.mkdir(parents=True, exist_ok=True)
        self.worker = uuid.uuid4().hex
        self._alive = FileLock(self._lock_file(self.worker))
        with FileLock(folder / "study.lock"):
            self._alive.acquire()
            self._mend()
        self.storage = _journal(self.file)

    def begin(self, trial: Trial) -> None:
        trial.set_user_attr(WORKER, self.worker)

    def put_back_dead(self, study: optuna.Study) -> None:
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if self._is_worked_on(trial):
                continue
            if trial.params:
                study.enqueue_trial(dict(trial.params))  # first: nothing is lost by a kill between the two
            with suppress(ValueError, UpdateFinishedTrialError):  # another process was faster
                study.tell(trial.number, state=TrialState.FAIL)

    def close(self) -> None:
        self._alive.release()
        self._lock_file(self.worker).unlink(missing_ok=True)

    def _is_worked_on(self, trial: FrozenTrial) -> bool:
        worker = trial.user_attrs.get(WORKER)
        if worker is None:
            assert trial.datetime_start is not None
            return datetime.now() - trial.datetime_start < UNNAMED
        return worker != self.worker and self._is_alive(worker)  # a process works on one trial after the other

    def _is_alive(self, worker: str) -> bool:
        file = self._lock_file(worker)
        if not file.exists():
            return False
        try:
            with FileLock(file, timeout=0):
                pass
        except Timeout:
            return True
        file.unlink(missing_ok=True)
        return False

    def _lock_file(self, worker: str) -> Path:
        return self.workers / f"{worker}.lock"

    def _mend(self) -> None:
        """Cut off the line that a kill has left unfinished; set aside a journal that cannot be read.

        A study without its journal asks for the same trials, and finds what they reached in their runs. While others
        work on the study its journal is theirs.
        """
        others = [file.stem for file in self.workers.glob("*.lock") if file.stem != self.worker]
        if not self.file.exists() or any(self._is_alive(worker) for worker in others):
            return
        content = self.file.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            log.warning(f"{self.file}: its last line is cut off, and left out")
            with self.file.open("r+b") as opened:
                opened.truncate(len(whole))
        try:
            for study in optuna.get_all_study_names(_journal(self.file)):
                optuna.load_study(study_name=study, storage=_journal(self.file)).get_trials(deepcopy=False)
        except Exception as error:  # whatever Optuna makes of lines that it has not written
            scratch.set_aside(self.file, f"{type(error).__name__}: {error}")


def _has_tables(url: str) -> bool:
    """Whether a database has the tables of Optuna's studies."""
    try:
        return bool(inspect(create_engine(url)).has_table("studies"))
    except SQLAlchemyError:
        return False


def _journal(file: Path) -> JournalStorage:
    return JournalStorage(JournalFileBackend(str(file)))


@contextmanager
def _no_warning() -> Iterator[None]:
    """Optuna calls its heartbeat experimental wherever it is used."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield
