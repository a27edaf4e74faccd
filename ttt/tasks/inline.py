"""What a bench's own task definitions may say: a bench is a file that strangers share, so it holds data and no code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import lm_eval.api.metrics  # noqa: F401 - fills the registry
from lm_eval.api.registry import aggregation_registry, filter_registry, metric_registry

from ttt.spec import Bench, SpecError, nearest
from ttt.tasks.fields import check_fields
from ttt.tasks.hub_data import check_hub_id


def check_inline(bench: Bench) -> None:
    """Raise SpecError for an inline task that names code, or data that are not on the hub.

    `bench.trust_remote_code` lets metrics be loaded from the hub through `evaluate`, which runs their code.
    """
    for task in bench.tasks:
        if isinstance(task, str):
            continue
        if not task.get("task"):
            raise SpecError(f"bench.tasks: {task!r} has no `task`: the name of the task that it defines or changes")
        where = f"bench.tasks '{task['task']}'"
        check_fields(task, where)
        if task.get("num_fewshot") not in (None, 0, bench.num_fewshot):
            raise SpecError(
                f"{where}.num_fewshot: {task['num_fewshot']}, but the shots of all tasks are bench.num_fewshot, "
                f"which is {bench.num_fewshot}"
            )
        _check_data(task, where)
        _check_parts(task, bench, where)


def _check_data(task: Mapping[str, Any], where: str) -> None:
    path = task.get("dataset_path")
    if path is not None:
        check_hub_id(path, f"{where}.dataset_path")
    options = task.get("dataset_kwargs") or {}
    for text in _texts(options):
        if "://" in text or text.startswith(("/", "~")) or ".." in text:
            raise SpecError(f"{where}.dataset_kwargs: {text!r} leads out of the data set {path!r}")
    if "trust_remote_code" in options:
        raise SpecError(f"{where}.dataset_kwargs: data sets run no code, so there is no trust_remote_code")


def _check_parts(task: Mapping[str, Any], bench: Bench, where: str) -> None:
    for metric in task.get("metric_list") or ():
        name = metric["metric"]
        if (name not in metric_registry or metric.get("hf_evaluate")) and not bench.trust_remote_code:
            raise SpecError(
                f"{where}.metric_list: {name!r} is none of lm-eval's metrics: {nearest(str(name), metric_registry)}; "
                "one of the hub's (evaluate) runs code from there, which bench.trust_remote_code=true allows"
            )
        aggregation = metric.get("aggregation")
        if aggregation is not None and aggregation not in aggregation_registry:
            choices = nearest(str(aggregation), aggregation_registry)
            raise SpecError(f"{where}.metric_list: {aggregation!r} is none of lm-eval's aggregations: {choices}")
    for pipeline in task.get("filter_list") or ():
        for step in pipeline["filter"]:
            if (name := step["function"]) not in filter_registry:
                choices = nearest(name, filter_registry)
                raise SpecError(f"{where}.filter_list: {name!r} is none of lm-eval's filters: {choices}")


def _texts(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [text for item in value.values() for text in _texts(item)]
    if isinstance(value, list | tuple):
        return [text for item in value for text in _texts(item)]
    return [value] if isinstance(value, str) else []
