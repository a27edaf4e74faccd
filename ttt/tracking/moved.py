"""A store whose folder was moved, renamed or copied: MLflow keeps the artifacts' places as absolute paths."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

from filelock import FileLock, Timeout

from ttt.spec import SpecError

log = logging.getLogger(__name__)

PLACES = (
    ("experiments", "experiment_id", "artifact_location"),
    ("runs", "run_uuid", "artifact_uri"),
    ("model_versions", "rowid", "source"),
    ("model_versions", "rowid", "storage_location"),
    ("logged_models", "model_id", "artifact_location"),
)
"""Table, key and column of every place that MLflow keeps."""


def local_folder(uri: str | None) -> Path | None:
    """The folder that an artifact URI means, if it is on this machine."""
    parsed = urlparse(uri or "")
    return Path(url2pathname(parsed.path)) if uri and parsed.scheme in ("file", "") else None


@dataclass(frozen=True)
class Relocation:
    """A store that is in `root` and says of its artifacts that they are in `former`."""

    former: Path
    root: Path
    is_copy: bool
    """Whether the former folder still holds a store, whose artifacts must be left to it."""

    def now(self, place: Path) -> Path:
        """Where something is that was in the former folder; what was left there alone is there still."""
        if not place.is_relative_to(self.former / "artifacts"):
            return place
        now = self.root / place.relative_to(self.former)
        return place if not self.is_copy and place.exists() and not now.exists() else now


def relocations(database: Path, root: Path) -> list[Relocation]:
    """Of a store that is not where its artifacts are said to be.

    Only experiments whose artifacts are where ttt puts them tell, `<root>/artifacts/<experiment>`: those that somebody
    has given another place keep it. A former folder that leads here by a link is none. Raises SpecError for a database
    that was copied without its artifacts, since to go on would write to the original's.
    """
    with closing(_open(database, "ro")) as connection:
        rows = connection.execute("SELECT name, artifact_location FROM experiments").fetchall()
    formers: dict[Path, None] = {}
    for name, location in rows:
        place, tail = local_folder(location), f"/artifacts/{name}"
        if place is not None and place.as_posix().endswith(tail):
            formers[Path(place.as_posix().removesuffix(tail))] = None
    moves = []
    for former in formers:
        if former == root or _is_same(former / database.name, database):
            continue
        is_copy, left = (former / database.name).exists(), (former / "artifacts").exists()
        if left and not (root / "artifacts").exists():
            if is_copy:
                raise SpecError(
                    f"tracking.root: {database} is a copy of {former / database.name} without its artifacts: copy "
                    f"{former / 'artifacts'} too, or name another folder"
                )
            continue  # the database alone was moved
        moves.append(Relocation(former, root, is_copy))
    return moves


def is_worked_on(root: Path) -> bool:
    """Whether any process, seeing the store from here or from another mount point, holds the lock of a cell."""
    return any(_is_held(lock) for lock in root.glob("cells/*/lock"))


def _is_held(lock: Path) -> bool:
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:  # not ours to lock
        return False


def rewrite(database: Path, relocation: Relocation) -> bool:
    """Put the places right in the database, in one transaction.

    False where it cannot be written, and where a process works on a cell: MLflow asks the database for the place of
    each artifact, and one that sees the store from another mount point would be sent to where it has nothing.
    """
    if is_worked_on(relocation.root):
        return False
    try:
        with closing(_open(database, "rw")) as connection:
            connection.execute("BEGIN IMMEDIATE")
            for table, key, column in PLACES:
                _rewrite(connection, table, key, column, relocation)
            connection.execute("COMMIT")
    except sqlite3.OperationalError as error:
        if "readonly" in str(error) or "unable to open" in str(error):
            return False
        raise
    what = "copied" if relocation.is_copy else "moved"
    log.warning(f"{relocation.root} was {what} from {relocation.former}: its artifacts are now looked for where it is")
    return True


def _rewrite(connection: sqlite3.Connection, table: str, key: str, column: str, relocation: Relocation) -> None:
    rows = connection.execute(f"SELECT {key}, {column} FROM {table} WHERE {column} IS NOT NULL").fetchall()
    # Whatever is new in an experiment goes to where the store is now, even if what is old was left behind.
    if table == "experiments":
        relocation = replace(relocation, is_copy=True)
    changes = []
    for name, uri in rows:
        place = local_folder(uri)
        if place is not None and (now := relocation.now(place)) != place:
            changes.append((now.as_uri() if uri.startswith("file:") else str(now), name))
    connection.executemany(f"UPDATE {table} SET {column} = ? WHERE {key} = ?", changes)


def _open(database: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{database.as_uri()}?mode={mode}", uri=True, timeout=60, isolation_level=None)


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False
