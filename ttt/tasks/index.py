"""lm-eval's own tasks by name, read from 14,000 YAML files once on a machine and then from one.

lm-eval itself, which takes seconds to import, is needed for the first reading alone.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from ttt.files import scratch

log = logging.getLogger(__name__)

FORMAT = 2
"""Raised when the kept index comes to hold something else."""
KINDS = ("TASK", "PY_TASK", "GROUP", "TAG")


@dataclass(frozen=True)
class Known:
    """What lm-eval knows by a name: a task, a task made by a class, a group of tasks, or a tag that tasks have."""

    kind: str
    """One of `KINDS`, lm-eval's own."""
    file: str | None
    """The path of its definition; a tag has none."""
    tags: frozenset[str]
    """Of a task its tags; of a tag the tasks that have it."""


def home() -> Path:
    """The folder of lm-eval's tasks, found without importing it."""
    package = find_spec("lm_eval")
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).parent / "tasks"


@cache
def known_tasks() -> Mapping[str, Known]:
    """lm-eval's index of its tasks. Building it takes seconds: the installed version's is kept in the user's cache.

    A kept one that is damaged, another user's, or names other files than lm-eval's own is made again, with a warning.
    """
    place = f"{FORMAT} {version('lm_eval')} {home() / '__init__.py'}"
    file = user_cache_path("ttt") / f"tasks-{hashlib.sha256(place.encode()).hexdigest()[:16]}.json"
    try:
        if file.exists():
            return _read(file, place)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        log.warning(f"{file} is damaged, and made again: {type(error).__name__}: {error}")
    index = built()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        scratch.write(file, {name: _kept(known) for name, known in index.items()}, place)
    except OSError as error:
        log.warning(f"the index of lm-eval's tasks cannot be kept, and is made anew at every start: {error}")
    return index


def built() -> dict[str, Known]:
    """The index as lm-eval makes it."""
    from lm_eval.tasks import TaskManager  # seconds, and needed once a machine

    return {
        name: Known(entry.kind.name, entry.yaml_path and str(entry.yaml_path), frozenset(entry.tags))
        for name, entry in TaskManager().task_index.items()
    }


def _kept(known: Known) -> list[Any]:
    return [known.kind, known.file, sorted(known.tags)]


def _read(file: Path, place: str) -> dict[str, Known]:
    """The kept index. lm-eval runs what the files that it names say: they are lm-eval's, or it raises ValueError."""
    if os.name == "posix" and file.stat().st_uid != os.getuid():
        raise ValueError("it belongs to another user")
    written, kept = json.loads(file.read_bytes())
    if written != scratch.digest(kept, place):
        raise ValueError("its content is not what was written")
    inside = f"{home()}{os.sep}"
    index = {}
    for name, (kind, path, tags) in kept.items():
        if kind not in KINDS:
            raise ValueError(f"{name!r} is a {kind!r}, none of {KINDS}")
        if path is None and kind != "TAG":
            raise ValueError(f"{name!r} has no file")
        if path is not None and not (os.path.normpath(path).startswith(inside) and os.path.isfile(path)):
            raise ValueError(f"{name!r} is read from {path}, which is no file of lm-eval's")
        index[name] = Known(kind, path, frozenset(tags))
    return index
