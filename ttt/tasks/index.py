"""lm-eval's own tasks by name, read from 14,000 YAML files once on a machine and then from one."""

from __future__ import annotations

import hashlib
import json
import logging
import uuid
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lm_eval.tasks
from lm_eval.tasks import TaskManager
from lm_eval.tasks._index import Entry, Kind
from platformdirs import user_cache_path

log = logging.getLogger(__name__)


@cache
def known_tasks() -> dict[str, Entry]:
    """lm-eval's index of its tasks. Building it takes seconds: the installed version's is kept in the user's cache."""
    place = f"{version('lm_eval')} {lm_eval.tasks.__file__}"
    file = user_cache_path("ttt") / f"tasks-{hashlib.sha256(place.encode()).hexdigest()[:16]}.json"
    if file.exists():
        return {name: _entry(name, kept) for name, kept in json.loads(file.read_text(encoding="utf-8")).items()}
    index = dict(TaskManager().task_index)
    kept = {name: _kept(entry) for name, entry in index.items()}
    making = file.with_name(f"{uuid.uuid4().hex}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        making.write_text(json.dumps(kept), encoding="utf-8")
        making.replace(file)
    except OSError as error:
        log.warning(f"the index of lm-eval's tasks cannot be kept, and is made anew at every start: {error}")
    return index


def _kept(entry: Entry) -> list[Any]:
    """What lm-eval needs to find the task: a task that has a file is read from it."""
    path = entry.yaml_path
    return [entry.kind.name, path and str(path), None if path else entry.cfg, sorted(entry.tags)]


def _entry(name: str, kept: Any) -> Entry:
    kind, path, config, tags = kept
    return Entry(name, Kind[kind], path and Path(path), config, set(tags))
