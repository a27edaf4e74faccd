"""One MLflow store, made once something is to be written; its experiments, and ttt's own folders beside it."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from mlflow import MlflowClient
from sqlalchemy import make_url

from ttt.spec import SpecError, Tracking
from ttt.tracking.connection import StoreError, connect, has_content, make_database, sqlite_uri
from ttt.tracking.moved import Relocation, relocations, rewrite
from ttt.tracking.runs_view import experiment_tags

log = logging.getLogger(__name__)

Say = Callable[[str], None]


class Store:
    """One MLflow store, artifacts under `<root>/artifacts`.

    Looking things up writes nothing: a store that is not there yet is made when something is first written, and with
    `make=False` is refused (SpecError). Only the places in a store that was moved are put right when it is opened,
    unless somebody works on it at that moment: then it can be read, and not written to.
    """

    def __init__(self, tracking: Tracking, make: bool = True):
        self.tracking = tracking
        self.root = Path(tracking.root).expanduser().resolve()
        self.database = self.root / "mlflow.db"
        # Seconds that a writer waits for another's lock on the database; what then fails, fails by name.
        self._own_uri = sqlite_uri(self.database, timeout="60")
        self.uri = tracking.uri or os.environ.get("MLFLOW_TRACKING_URI") or self._own_uri
        self.is_local = self.uri.startswith("sqlite:///")
        self.relocations: list[Relocation] = []
        self._client: MlflowClient | None = None
        self._locks: dict[str, FileLock] = {}
        if self.uri != self._own_uri or has_content(self.database):
            self._client = self._connect()
        elif not make:
            raise SpecError(f"tracking.root: there is no store in {self.root} yet ({self.database.name} is missing)")
        if not next(folder for folder in (self.root, *self.root.parents) if folder.exists()).is_dir():
            raise SpecError(f"tracking.root: {self.root} cannot be made: what is above it is a file")

    def _connect(self) -> MlflowClient:
        client = connect(self.uri)
        if self.uri == self._own_uri:
            moves = relocations(self.database, self.root)
            self.relocations = [relocation for relocation in moves if not rewrite(self.database, relocation)]
        return client

    @property
    def is_made(self) -> bool:
        """Whether there is a store already, made by whatever process."""
        return self._client is not None or has_content(self.database)

    @property
    def client(self) -> MlflowClient:
        """MLflow's client, for this package alone. Asked for the first time, it makes the store if it is missing."""
        if self._client is None:
            # Two processes that make a missing database at once trip over each other's migrations.
            with self.own_lock():
                make_database(self.database)
            self._client = self._connect()
        return self._client

    @property
    def is_writable(self) -> bool:
        """Whether there is anything to write to; of a server only writing tells."""
        if not self.is_local:
            return True
        if self.relocations:
            return False
        file = Path(make_url(self.uri).database or "")
        return all(os.access(path, os.W_OK, effective_ids=True) for path in (file.parent, file))

    def refuse_if_moved(self) -> None:
        """Raise StoreError before anything is written to a store whose places could not be put right."""
        for relocation in self.relocations:
            raise StoreError(
                f"{self.root}: its artifacts are said to be in {relocation.former}, which cannot be put right: another "
                "process is at work there, or the database cannot be written; try again once that is done"
            )

    def own_lock(self) -> FileLock:
        """Held for moments, while what two processes must not do at once is done to the store itself."""
        return FileLock(self._made(self.root) / "mlflow.lock")

    def _made(self, folder: Path) -> Path:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SpecError(f"tracking.root: {folder} cannot be made: {error.strerror}") from error
        return folder

    # Experiments

    def experiment(self, name: str) -> str:
        """The id of the experiment, made if it is missing. SpecError if it was deleted."""
        there = self.experiment_id(name)
        if there is not None:
            return there
        client = self.client  # which makes a store that is missing, by the same lock
        with self.own_lock():
            there = self.experiment_id(name)
            if there is None:
                location = (self.root / "artifacts" / name).as_uri() if self.is_local else None
                there = client.create_experiment(name, artifact_location=location, tags=experiment_tags())
            return str(there)

    def experiment_id(self, name: str) -> str | None:
        """The id of the experiment; None if there is none. SpecError if it was deleted."""
        there = self.client.get_experiment_by_name(name) if self.is_made else None
        if there is not None and there.lifecycle_stage == "deleted":
            number = there.experiment_id
            raise SpecError(
                f"the experiment '{name}' was deleted in MLflow, with the runs in it: restore it (`mlflow experiments "
                f"restore -x {number}`), or remove it for good (`mlflow gc --experiment-ids {number}`), each with "
                "MLFLOW_TRACKING_URI set to the store; or take another suite=..."
            )
        return None if there is None else str(there.experiment_id)

    def experiments(self) -> list[str]:
        """The names of all experiments that are not deleted, sorted."""
        names: list[str] = []
        token = None
        while self.is_made:
            page = self.client.search_experiments(max_results=1000, page_token=token)
            names += [str(experiment.name) for experiment in page]
            token = page.token
            if not token:
                break
        return sorted(names)

    # What is kept beside MLflow while something is worked on

    @contextmanager
    def lock(self, key: str, say: Say = log.info) -> Iterator[None]:
        """Held while what has this key is worked on, so that two processes do not do the same; a thread may re-enter.

        Whoever has to wait for another process is told so.
        """
        self._made(self.folder(key))
        lock = self._locks.setdefault(key, FileLock(self.folder(key) / "lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            say(f"another process works on the same ({key}): waiting until it is done")
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def folder(self, key: str) -> Path:
        """Where checkpoints and scratch files live while what has this key is worked on."""
        return self.root / "cells" / key

    def clear(self, key: str) -> None:
        """Remove what was left in a key's folder."""
        for leftover in self.leftovers(key):
            if leftover.is_dir() and not leftover.is_symlink():
                shutil.rmtree(leftover)
            else:
                leftover.unlink()

    def leftovers(self, key: str) -> list[Path]:
        """What is in a key's folder, but for the lock, which stays: another process may be waiting for it."""
        return [entry for entry in self.folder(key).glob("*") if entry.name != "lock"]
