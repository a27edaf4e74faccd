"""The forms that the fields of a bench's own tasks have: texts, numbers, and lists and mappings of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ttt.spec import SpecError, nearest

TEXT, TEXT_OR_NULL = (str,), (str, type(None))
COUNT_OR_NULL = (int, type(None))
LIST, MAPPING = (list, tuple, type(None)), (Mapping, type(None))

FORMS: dict[str, tuple[type, ...]] = {
    "task": TEXT,
    "task_alias": TEXT_OR_NULL,
    "tag": (str, list, tuple, type(None)),
    "metadata": (Mapping,),
    "output_type": TEXT,
    "repeats": (int,),
    "generation_kwargs": MAPPING,
    "dataset_path": TEXT_OR_NULL,
    "dataset_name": TEXT_OR_NULL,
    "dataset_kwargs": MAPPING,
    "training_split": TEXT_OR_NULL,
    "validation_split": TEXT_OR_NULL,
    "test_split": TEXT_OR_NULL,
    "fewshot_split": TEXT_OR_NULL,
    "fewshot_config": MAPPING,
    "num_fewshot": COUNT_OR_NULL,
    "doc_to_text": (str, int, type(None)),
    "doc_to_target": (str, int, list, tuple, type(None)),
    "doc_to_choice": (str, list, tuple, Mapping, type(None)),
    "description": TEXT_OR_NULL,
    "gen_prefix": TEXT_OR_NULL,
    "target_delimiter": TEXT,
    "fewshot_delimiter": TEXT,
    "process_docs": (type(None),),
    "process_results": (type(None),),
    "metric_list": LIST,
    "filter_list": LIST,
    "should_decontaminate": (bool,),
    "doc_to_decontamination_query": TEXT_OR_NULL,
}
"""lm-eval's fields of a task that are no code. The others name code, images or other files.

Functions can only be null: a bench may take away those of the task that it changes (`process_docs: null`).
"""
SHOTS: dict[str, tuple[type, ...]] = {
    "sampler": TEXT,
    "split": TEXT_OR_NULL,
    "process_docs": (type(None),),
    "fewshot_indices": LIST,
    "samples": LIST,
    "doc_to_text": TEXT_OR_NULL,
    "doc_to_target": TEXT_OR_NULL,
    "doc_to_choice": FORMS["doc_to_choice"],
    "gen_prefix": TEXT_OR_NULL,
    "fewshot_delimiter": TEXT_OR_NULL,
    "target_delimiter": TEXT_OR_NULL,
}
METRIC: dict[str, tuple[type, ...]] = {
    "metric": TEXT,
    "aggregation": TEXT,
    "higher_is_better": (bool,),
    "hf_evaluate": (bool,),
}
FILTER: dict[str, tuple[type, ...]] = {"name": TEXT, "filter": (list, tuple)}
STEP: dict[str, tuple[type, ...]] = {"function": TEXT}

NAMES: dict[type, str] = {
    **{str: "a text", int: "a whole number", bool: "true or false", list: "a list", type(None): "null"},
    Mapping: "fields with values",
}


def check_fields(task: Mapping[str, Any], where: str) -> None:
    """Raise SpecError for the first field of a task that is unknown or has a form in which lm-eval does not take it."""
    _check(task, FORMS, where)
    if task.get("repeats", 1) < 1 or (task.get("num_fewshot") or 0) < 0:
        name = "repeats" if task.get("repeats", 1) < 1 else "num_fewshot"
        raise SpecError(f"{where}.{name}: {task[name]!r} is too small")
    for name, value in task.get("metadata", {}).items():
        if not all(
            isinstance(part, str | int | float | None) for part in (value if isinstance(value, list) else [value])
        ):
            raise SpecError(f"{where}.metadata.{name}: {value!r} is no plain fact: a text, a number or a list of them")
    if shots := task.get("fewshot_config"):
        _check(shots, SHOTS, f"{where}.fewshot_config")
        _members(shots, "samples", f"{where}.fewshot_config")
    for metric in _members(task, "metric_list", where):
        _check(metric, METRIC, f"{where}.metric_list", needs=("metric",), more=True)
    for pipeline in _members(task, "filter_list", where):
        _check(pipeline, FILTER, f"{where}.filter_list", needs=("name", "filter"), more=True)
        for step in _members(pipeline, "filter", f"{where}.filter_list"):
            _check(step, STEP, f"{where}.filter_list.filter", needs=("function",), more=True)


def _members(fields: Mapping[str, Any], name: str, where: str) -> list[Mapping[str, Any]]:
    members = list(fields.get(name) or ())
    for member in members:
        if not isinstance(member, Mapping):
            raise SpecError(f"{where}.{name}: {member!r} is not {NAMES[Mapping]}")
    return members


def _check(
    fields: Mapping[str, Any],
    forms: Mapping[str, tuple[type, ...]],
    where: str,
    needs: tuple[str, ...] = (),
    more: bool = False,
) -> None:
    for name, value in fields.items():
        if name not in forms:
            if more:  # arguments of a metric or a filter
                continue
            raise SpecError(f"{where}: {name!r} is none of the fields: {nearest(str(name), forms)}")
        kinds = forms[name]
        if isinstance(value, kinds) and not (isinstance(value, bool) and bool not in kinds):
            continue
        if kinds == (type(None),):
            raise SpecError(f"{where}.{name}: {value!r} would be code; it can only be null")
        wanted = " or ".join(NAMES[kind] for kind in kinds if kind in NAMES)
        raise SpecError(f"{where}.{name}: {value!r} is not {wanted}")
    for name in needs:
        if name not in fields:
            raise SpecError(f"{where}: {dict(fields)!r} has no `{name}`")
