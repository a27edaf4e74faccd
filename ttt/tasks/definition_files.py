"""A bench's tasks as a folder of definitions for lm-eval's TaskManager."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ttt.spec import Bench
from ttt.tasks.definition import definitions, names_in, read_task_file
from ttt.tasks.index import Known
from ttt.tasks.sandboxed import SandboxedTask

Commits = Mapping[str, tuple[str, str]]
CLASS = f"class: !function {SandboxedTask.__module__}.{SandboxedTask.__qualname__}\n"


def write_tasks(
    bench: Bench, group: str, local: Mapping[str, Any], commits: Commits, index: Mapping[str, Known], folder: Path
) -> None:
    """Write the group of the bench's tasks, and each task and group of lm-eval's that it leads to, into `folder`.

    A task renders in the sandbox and reads the hub's data set at its commit (`commits`, by the task's name). `local`
    are the fields by which tasks read local files instead; what a group says reaches the named tasks in it, nested ones
    included, and an inline task's own fields win.
    """
    members: list[Any] = []
    for number, task in enumerate(bench.tasks):
        if isinstance(task, str):
            members.append(task)
            continue
        if task["task"] in index:
            members.append({**_pinned(task, commits, index), **local})
            continue
        name = f"{group}::{task['task']}"
        fields = {field: value for field, value in task.items() if field != "tag"}
        _write(folder / f"inline-{number:05d}.yaml", {**_pinned(fields, commits, index), **local, "task": name}, CLASS)
        members.append(name)
    # As a file: a group given as a mapping would hand its own fields to the tasks of nested groups.
    _write(folder / "group.yaml", {"group": group, "task": members, **local})
    named = {name: index[name] for task in bench.tasks for name in names_in(task, index)}
    in_order = sorted((known.file, name, known) for name, known in named.items() if known.file)
    # Of names that stand twice lm-eval takes the first, in the order of the files' names.
    for number, (file, name, known) in enumerate(in_order):
        place = folder / f"named-{number:05d}.yaml"
        if known.kind != "TASK":  # a class of its own, or members alone
            _write(place, {"include": file})
            continue
        fields = {"include": file, "task": name}
        if name in commits:
            options = read_task_file(file).get("dataset_kwargs") or {}
            fields["dataset_kwargs"] = {**options, "revision": commits[name][1]}
        _write(place, fields, CLASS)


def _pinned(task: Mapping[str, Any], commits: Commits, index: Mapping[str, Known]) -> dict[str, Any]:
    """An entry of the bench's with its own options for loading, which take the place of the named task's."""
    names = [name for name, _ in definitions(task, {}, index) if name in commits]
    if not names or not {"dataset_path", "dataset_kwargs"} & task.keys():
        return dict(task)
    return {**task, "dataset_kwargs": {**(task.get("dataset_kwargs") or {}), "revision": commits[names[0]][1]}}


def _write(file: Path, fields: Mapping[str, Any], rest: str = "") -> None:
    file.write_text(yaml.safe_dump(dict(fields), sort_keys=False) + rest, encoding="utf-8")
