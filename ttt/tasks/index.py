"""lm-eval's own tasks by name, read from 14,000 YAML files once on a machine and then from one."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lm_eval.tasks
from lm_eval.tasks import TaskManager
from lm_eval.tasks._index import Entry, Kind
from platformdirs import user_cache_path

from ttt.files import scratch

log = logging.getLogger(__name__)

FORMAT = 2
"""Raised when the kept index comes to hold something else."""


@cache
def known_tasks() -> dict[str, Entry]:
    """lm-eval's index of its tasks. Building it takes seconds: the installed version's is kept in the user's cache.

    A kept one that is damaged, another user's, or names other files than lm-eval's own is made again, with a warning.
    """
    home = Path(lm_eval.tasks.__file__).parent
    place = f"{FORMAT} {version('lm_eval')} {lm_eval.tasks.__file__}"
    file = user_cache_path("ttt") / f"tasks-{hashlib.sha256(place.encode()).hexdigest()[:16]}.json"
    try:
        if file.exists():
            return _read(file, place, home)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        log.warning(f"{file} is damaged, and made again: {type(error).__name__}: {error}")
    index = dict(TaskManager().task_index)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        scratch.write(file, {name: _kept(entry) for name, entry in index.items()}, place)
    except OSError as error:
        log.warning(f"the index of lm-eval's tasks cannot be kept, and is made anew at every start: {error}")
    return index


def _kept(entry: Entry) -> list[Any]:
    """What lm-eval needs to find the task, which is read from its file; tags are names without one."""
    return [entry.kind.name, entry.yaml_path and str(entry.yaml_path), sorted(entry.tags)]


def _read(file: Path, place: str, home: Path) -> dict[str, Entry]:
    """The kept index. lm-eval runs what the files that it names say: they are lm-eval's, or it raises ValueError."""
    if os.name == "posix" and file.stat().st_uid != os.getuid():
        raise ValueError("it belongs to another user")
    written, kept = json.loads(file.read_bytes())
    if written != scratch.digest(kept, place):
        raise ValueError("its content is not what was written")
    inside = f"{home}{os.sep}"
    index = {}
    for name, (kind, path, tags) in kept.items():
        if path is None and Kind[kind] is not Kind.TAG:
            raise ValueError(f"{name!r} has no file")
        if path is not None and not (os.path.normpath(path).startswith(inside) and os.path.isfile(path)):
            raise ValueError(f"{name!r} is read from {path}, which is no file of lm-eval's")
        index[name] = Entry(name, Kind[kind], path and Path(path), None, set(tags))
    return index
