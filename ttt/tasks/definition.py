"""The definitions of lm-eval's tasks as its files have them: read without lm-eval, and without running any code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from ttt.tasks.index import Known

Definition = Mapping[str, Any]


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Plain YAML, and lm-eval's functions (`!function utils.process`) as the texts that name them."""


_Loader.add_constructor("!function", lambda loader, node: str(loader.construct_scalar(node)))


@cache
def read_task_file(file: str) -> Definition:
    """The fields of one of lm-eval's files, with those of the files that it includes."""
    with open(file, "rb") as content:
        fields = dict(yaml.load(content, Loader=_Loader))
    includes = fields.pop("include", ())
    merged: dict[str, Any] = {}
    for included in [includes] if isinstance(includes, str) else includes:
        merged |= read_task_file(str((Path(file).parent / included).resolve()))
    return merged | fields


def definitions(
    item: str | Definition, given: Definition, index: Mapping[str, Known]
) -> Iterator[tuple[str, Definition]]:
    """Each task that lm-eval makes of a name or an entry of a group, with its fields; functions are their names.

    `given` are the fields that the groups around it give to their tasks.
    """
    fields = {} if isinstance(item, str) else item
    name = item if isinstance(item, str) else item.get("group") or item.get("task")
    known = index.get(str(name))
    given = {**given, **fields}
    if known is None and isinstance(fields.get("task"), list):
        yield from _members(fields, given, index)
    elif known is None:
        yield str(name), given
    elif known.kind == "TAG":
        for member in sorted(known.tags):
            yield from definitions(member, given, index)
    else:
        assert known.file is not None
        config = read_task_file(known.file)
        if known.kind == "GROUP":
            yield from _members(config, {**config, **given}, index)
        else:
            yield str(name), {**config, **given}


def _members(group: Definition, given: Definition, index: Mapping[str, Known]) -> Iterator[tuple[str, Definition]]:
    passed_on = {field: value for field, value in given.items() if field not in ("group", "task")}
    for member in group["task"] if isinstance(group.get("task"), list) else ():
        yield from definitions(member, passed_on, index)


def names_in(item: str | Definition, index: Mapping[str, Known]) -> Iterator[str]:
    """The names of lm-eval's that a name or an entry of a group leads to: its own, and those of all its members."""
    name = item if isinstance(item, str) else item.get("group") or item.get("task")
    known = index.get(name) if isinstance(name, str) else None
    members: Any = () if isinstance(item, str) else item.get("task")
    if known:
        yield str(name)
        members = sorted(known.tags) if known.kind == "TAG" else ()
        if known.kind == "GROUP":
            assert known.file is not None
            members = read_task_file(known.file).get("task")
    for member in members if isinstance(members, list) else ():
        yield from names_in(member, index)
