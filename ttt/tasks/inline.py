"""What a bench's own task definitions may say: a bench is a file that strangers share, so it holds data and no code."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import lm_eval.api.metrics  # noqa: F401 - fills the registry
from lm_eval.api.registry import aggregation_registry, filter_registry, metric_registry

from ttt.spec import Bench, SpecError, nearest

FIELDS = frozenset(
    (
        *("task", "task_alias", "tag", "metadata", "output_type", "repeats", "generation_kwargs"),
        *("dataset_path", "dataset_name", "dataset_kwargs"),
        *("training_split", "validation_split", "test_split", "fewshot_split", "fewshot_config", "num_fewshot"),
        *("doc_to_text", "doc_to_target", "doc_to_choice", "description", "gen_prefix"),
        *("target_delimiter", "fewshot_delimiter", "process_docs", "process_results", "metric_list", "filter_list"),
        *("should_decontaminate", "doc_to_decontamination_query"),
    )
)
"""lm-eval's fields of a task that are texts, numbers and lists of them. The others name code, images or other files."""
UNSET_ONLY = ("process_docs", "process_results")
"""Functions: a bench may take away those of the task that it changes (`process_docs: null`)."""


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
        if unknown := [name for name in task if name not in FIELDS]:
            raise SpecError(f"{where}: {unknown[0]!r} is none of the fields: {nearest(str(unknown[0]), FIELDS)}")
        for name in UNSET_ONLY:
            if task.get(name) is not None:
                raise SpecError(f"{where}.{name}: {task[name]!r} would be code; it can only be null")
        _check_data(task, where)
        _check_parts(task, bench, where)


def _check_data(task: Mapping[str, Any], where: str) -> None:
    path = task.get("dataset_path")
    is_hub_id = re.fullmatch(r"[\w.-]+(/[\w.-]+)?", str(path)) and not Path(str(path)).exists()
    if path is not None and (not is_hub_id or _is_reader(str(path))):
        raise SpecError(f"{where}.dataset_path: {path!r} is no hub id (org/name); local files are given by bench.files")
    options = task.get("dataset_kwargs") or {}
    for text in _texts(options):
        if "://" in text or text.startswith(("/", "~")) or ".." in text:
            raise SpecError(f"{where}.dataset_kwargs: {text!r} leads out of the data set {path!r}")
    if "trust_remote_code" in options:
        raise SpecError(f"{where}.dataset_kwargs: data sets run no code, so there is no trust_remote_code")


def _is_reader(name: str) -> bool:
    """Whether `datasets` means one of its readers of local files by the name, some of which unpickle."""
    return name.isidentifier() and find_spec(f"datasets.packaged_modules.{name}") is not None


def _check_parts(task: Mapping[str, Any], bench: Bench, where: str) -> None:
    for metric in task.get("metric_list") or ():
        name = metric.get("metric") if isinstance(metric, Mapping) else metric
        foreign = not isinstance(metric, Mapping) or name not in metric_registry or metric.get("hf_evaluate")
        if foreign and not bench.trust_remote_code:
            raise SpecError(
                f"{where}.metric_list: {name!r} is none of lm-eval's metrics: {nearest(str(name), metric_registry)}; "
                "one of the hub's (evaluate) runs code from there, which bench.trust_remote_code=true allows"
            )
        aggregation = metric.get("aggregation")
        if aggregation is not None and aggregation not in aggregation_registry:
            choices = nearest(str(aggregation), aggregation_registry)
            raise SpecError(f"{where}.metric_list: {aggregation!r} is none of lm-eval's aggregations: {choices}")
    for pipeline in task.get("filter_list") or ():
        for step in pipeline.get("filter", ()):
            if step.get("function") not in filter_registry:
                choices = nearest(str(step.get("function")), filter_registry)
                raise SpecError(
                    f"{where}.filter_list: {step.get('function')!r} is none of lm-eval's filters: {choices}"
                )
    shots = task.get("fewshot_config") or {}
    if shots.get("process_docs") is not None:
        raise SpecError(f"{where}.fewshot_config.process_docs: {shots['process_docs']!r} would be code")
    samples = shots.get("samples")
    if samples is not None and not isinstance(samples, list):
        raise SpecError(f"{where}.fewshot_config.samples: {samples!r} is no list of documents")


def _texts(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [text for item in value.values() for text in _texts(item)]
    if isinstance(value, list | tuple):
        return [text for item in value for text in _texts(item)]
    return [value] if isinstance(value, str) else []
