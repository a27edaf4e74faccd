"""lm-eval's own tasks by name, read from 14,000 YAML files once and then from one."""

from __future__ import annotations

import hashlib
import json
import uuid
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lm_eval.tasks
from lm_eval.tasks import TaskManager
from lm_eval.tasks._index import Entry, Kind


@cache
def known_tasks(scratch: Path) -> dict[str, Entry]:
    """lm-eval's index of its tasks; kept in `scratch` for the installed version, as building it takes seconds."""
    place = f"{version('lm_eval')} {lm_eval.tasks.__file__}"
    file = scratch / f"index-{hashlib.sha256(place.encode()).hexdigest()[:16]}.json"
    if file.exists():
        return {name: _entry(name, kept) for name, kept in json.loads(file.read_text(encoding="utf-8")).items()}
    index = dict(TaskManager().task_index)
    kept = {name: [e.kind.name, e.yaml_path and str(e.yaml_path), e.cfg, sorted(e.tags)] for name, e in index.items()}
    scratch.mkdir(parents=True, exist_ok=True)
    making = scratch / f"{uuid.uuid4().hex}.part"
    making.write_text(json.dumps(kept), encoding="utf-8")
    making.replace(file)
    return index


def _entry(name: str, kept: Any) -> Entry:
    kind, path, config, tags = kept
    return Entry(name, Kind[kind], path and Path(path), config, set(tags))
