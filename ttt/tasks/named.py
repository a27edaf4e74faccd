"""What lm-eval's own tasks would do when a bench names them, known before any code of theirs runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lm_eval.tasks._index import Entry, Kind
from lm_eval.tasks._yaml_loader import load_yaml

from ttt.spec import Bench, SpecError
from ttt.tasks.hub_data import check_no_path, is_reader

Definition = Mapping[str, Any]


def check_named(bench: Bench, index: Mapping[str, Entry]) -> None:
    """Raise SpecError for a task of lm-eval's that would run what a model writes, or read other data than are meant.

    `index` has the tasks that can be named. Functions that make a task's data read whatever their arguments name, load
    tokenizers with code of their own, and know nothing of `bench.files`.
    """
    for given in bench.tasks:
        own = {} if isinstance(given, str) else given
        for name, definition in _definitions(given, {}, index):
            _check_definition(name, definition, own, bench)


def check_data_of(task: Any) -> None:
    """Raise SpecError if a loaded task's data, which classes name in code, were read from a local folder of its id."""
    path = str(task.DATASET_PATH or "")
    if path and not is_reader(path):
        check_no_path(path, f"bench.tasks: task '{task.config.task}', dataset_path")


def _check_definition(name: str, definition: Definition, own: Definition, bench: Bench) -> None:
    where = f"bench.tasks: task '{name}'"
    if definition.get("unsafe_code"):
        raise SpecError(f"{where} runs code that the model writes, which ttt does not do")
    options = own.get("dataset_kwargs") or {}
    if definition.get("custom_dataset") or definition.get("class"):
        if bench.files:
            raise SpecError(f"{where} makes its data by code of its own, which does not read bench.files")
        given = [f"metadata.{field}" for field in own.get("metadata") or {} if field != "version"]
        given += [f"dataset_kwargs.{field}" for field in options]
        if given and not bench.trust_remote_code:
            raise SpecError(
                f"{where} makes its data by code of its own, to which {given[0]} would be an argument that can "
                "load and run anything: a bench may give it metadata.version, and others only with "
                "bench.trust_remote_code=true"
            )
    elif not bench.files and (path := definition.get("dataset_path")) is not None:
        if not is_reader(str(path)):
            check_no_path(str(path), f"{where}, dataset_path")
        elif options and "output_type" not in own:
            raise SpecError(
                f"{where} reads files by `dataset_path: {path}`; dataset_kwargs.{next(iter(options))} could name "
                "others than its own. Local files are given by bench.files"
            )


def _definitions(
    item: str | Definition, given: Definition, index: Mapping[str, Entry]
) -> Iterator[tuple[str, Definition]]:
    """Each task that lm-eval makes of a name or an entry of a group, with its fields; functions are their names."""
    fields = {} if isinstance(item, str) else item
    name = item if isinstance(item, str) else item.get("group") or item.get("task")
    entry = index.get(str(name))
    given = {**given, **fields}
    if entry is None and isinstance(fields.get("task"), list):
        yield from _members(fields, given, index)
    elif entry is None:
        yield str(name), given
    elif entry.kind is Kind.TAG:
        for member in sorted(entry.tags):
            yield from _definitions(member, given, index)
    else:
        config = load_yaml(entry.yaml_path, resolve_func=False) if entry.yaml_path else dict(entry.cfg or {})
        if entry.kind is Kind.GROUP:
            yield from _members(config, {**config, **given}, index)
        else:
            yield str(name), {**config, **given}


def _members(group: Definition, given: Definition, index: Mapping[str, Entry]) -> Iterator[tuple[str, Definition]]:
    passed_on = {field: value for field, value in given.items() if field not in ("group", "task")}
    for member in group["task"] if isinstance(group.get("task"), list) else ():
        yield from _definitions(member, passed_on, index)
