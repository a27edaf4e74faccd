"""What must hold before a store is worked with: it answers, soon, and its database is one that this MLflow reads."""

from __future__ import annotations

import errno
import os
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlencode

import requests
import sqlalchemy
from alembic.util import CommandError
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException, RestException

from ttt.masking import masked, shown_uri
from ttt.spec import SpecError

PATIENCE = 8
"""Seconds within which a server must have answered once; after that MLflow's own patience of minutes holds."""


class StoreError(RuntimeError):
    """The store fails, not what was asked of it: the same command can succeed later."""


def connect(uri: str) -> MlflowClient:
    """A client of a store that answers. Raises SpecError for an address that cannot be used.

    StoreError for one that may be used later: a locked database, a server that does not answer.
    """
    try:
        if uri.startswith(("http://", "https://")):
            return _server(uri)
        if uri.split(":")[0].split("+")[0] in ("sqlite", "postgresql", "mysql", "mssql"):
            _try_database(uri)
        return _client(uri)
    except (MlflowException, sqlalchemy.exc.SQLAlchemyError, ImportError, OSError, ValueError) as error:
        if is_locked(error):
            where = shown_uri(uri)
            raise StoreError(
                f"the database {where} is locked by another process; try again once that is done"
            ) from error
        kind = StoreError if does_not_answer(error) else SpecError
        raise kind(f"tracking.uri: {shown_uri(uri)} cannot be used: {masked(_cause(error, uri))}") from error


def _client(uri: str) -> MlflowClient:
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    client.search_experiments(max_results=1)
    return client


def _server(uri: str) -> MlflowClient:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            with _impatient(max(1, round(end - time.monotonic()))):
                return _client(uri)
        except MlflowException as error:
            if not does_not_answer(error) or time.monotonic() + 1 > end:
                raise
            time.sleep(1)


@contextmanager
def _impatient(seconds: int) -> Iterator[None]:
    """Within the body MLflow asks once and waits so long, unless the user has said how often and how long."""
    wanted = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": str(seconds)}
    ours = {name: value for name, value in wanted.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            del os.environ[name]


def _try_database(uri: str) -> None:
    """Connect once. MLflow tries ten times, which takes two minutes, and each time as long as a lock is waited for."""
    url = sqlalchemy.make_url(uri)
    server = url.get_backend_name() in ("postgresql", "mysql")
    if url.get_backend_name() == "sqlite" and not (url.database and Path(url.database).exists()):
        return
    engine = sqlalchemy.create_engine(url, connect_args={"connect_timeout": PATIENCE} if server else {})
    try:
        with engine.connect() as connection:
            sqlalchemy.inspect(connection).get_table_names()
    finally:
        engine.dispose()


def make_database(file: Path) -> None:
    """A migrated database where there is none. Whoever is killed in the middle leaves no half-migrated one behind."""
    if has_content(file):
        return
    making = file.with_suffix(".part")
    for leftover in (making, making.with_name(making.name + "-journal")):
        leftover.unlink(missing_ok=True)
    MlflowClient(tracking_uri=sqlite_uri(making)).search_experiments(max_results=1)
    making.rename(file)


def has_content(file: Path) -> bool:
    """Whether there is a file, and not an empty one, such as a full disk leaves."""
    return file.exists() and file.stat().st_size > 0


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and those that led to it: MLflow wraps what its database and its connection raise."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _sqlite_code(error: BaseException) -> int | None:
    """SQLite's own code of what led to an error, if it did."""
    codes = [getattr(cause, "sqlite_errorcode", None) for cause in _causes(error)]
    return next((code & 0xFF for code in codes if code is not None), None)


def is_locked(error: BaseException) -> bool:
    return _sqlite_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def is_of_the_store(error: BaseException) -> bool:
    """Whether the store failed, and not what was to be written: a lock, a full disk, a server that is gone."""
    if isinstance(error, MlflowException):
        return is_passing(error) or error.error_code in REFUSED
    return isinstance(error, StoreError) or (isinstance(error, OSError) and error.errno != errno.ENAMETOOLONG)


def is_passing(error: MlflowException) -> bool:
    """Whether the same call can succeed later: the database is locked, the server or what is before it is away."""
    return error.error_code == "TEMPORARILY_UNAVAILABLE" or does_not_answer(error)


def does_not_answer(error: BaseException) -> bool:
    """Whether a server is not there, or something before it says so (a status of 500 and above)."""
    return any(isinstance(cause, requests.RequestException) for cause in _causes(error))


REFUSED = ("UNAUTHENTICATED", "PERMISSION_DENIED")
"""MLflow's codes for the statuses 401 and 403."""


def _cause(error: Exception, uri: str) -> str:
    text = str(getattr(error, "message", error))
    if does_not_answer(error):
        return f"it does not answer (asked for {PATIENCE} seconds)"
    if isinstance(error, MlflowException) and error.error_code in REFUSED:
        who = "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, say who asks"
        return f"the server refuses ({error.get_http_status_code()}); {who}"
    if uri.startswith("http") and isinstance(error, MlflowException) and not isinstance(error, RestException):
        status = error.get_http_status_code()  # of an answer that is no error by its status it is 500
        return f"what answers there is no MLflow server{f' ({status})' if status < 500 else ''}"
    # MLflow gives this error no code of its own, and shows the two schemas in its text alone.
    if schema := re.search(r"found version (\S+), but expected (\S+?)\)", text):
        return (
            f"its schema is {schema[1]}, and this MLflow's {schema[2]}: make a copy of it and run "
            f"`mlflow db upgrade {shown_uri(uri)}`, or install the MLflow that wrote it"
        )
    if any(isinstance(cause, CommandError) for cause in _causes(error)):  # a step of migration that it does not know
        return "a newer MLflow wrote it: install that one, or a newer one still (pip install -U mlflow)"
    if _sqlite_code(error) in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return "the file is damaged, or no SQLite database; put a copy in its place, or move it away to begin anew"
    return text.strip().splitlines()[0][:300] if text.strip() else type(error).__name__


def sqlite_uri(file: Path, **query: str) -> str:
    """The address of a database in a file whose path may hold what an address takes for its own: ?, #, %."""
    end = f"?{urlencode(query)}" if query else ""
    written = [f"sqlite:///{path}{end}" for path in (file, quote(str(file)))]
    readable = [uri for uri in written if sqlalchemy.make_url(uri).database == str(file)]
    if not readable:  # SQLAlchemy's releases differ in whether they decode a path
        raise SpecError(f"tracking.root: no database can be kept in {file.parent}; choose a folder without ?, # and %")
    return readable[0]
