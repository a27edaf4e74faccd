"""lm-eval's task objects for a bench: named or inline, over hub data or local files."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path
from typing import Any

import yaml
from lm_eval.api.group import AggMetricConfig
from lm_eval.api.samplers import ContextSampler
from lm_eval.tasks import TaskManager

from ttt.spec import Bench, SpecError, nearest
from ttt.tasks.files import read_files, split_by_column
from ttt.tasks.index import known_tasks


def load_tasks(bench: Bench, scratch: Path) -> dict[str, Any]:
    """The bench's tasks as lm-eval's `TaskManager.load` returns them, wrapped in one group named after the bench.

    The group's entry in lm-eval's results is the bench's score: the mean over all items (size-weighted over tasks).
    Local files given by `bench.files` replace the tasks' own data; `scratch` keeps them split by `bench.files_by`.
    Raises SpecError for an unknown task, a missing file, an empty split or too few documents for the shots.
    """
    for task in bench.tasks:
        if not isinstance(task, str) and not task.get("task"):
            raise SpecError(f"bench.tasks: {task!r} has no `task`: the name of the task that it defines or changes")
    local = _local_data(bench, scratch)
    group = {
        "group": f"bench:{bench.name}",
        # What a group says reaches the named tasks in it, nested ones included; an inline task's own fields win.
        "task": [task if isinstance(task, str) else {**task, **local} for task in bench.tasks],
        **local,
    }
    # As a file in the index: a group given as a mapping would hand its own fields to the tasks of nested groups.
    text = yaml.safe_dump(group, sort_keys=False)
    folder = scratch / hashlib.sha256(text.encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    making = folder / f"{uuid.uuid4().hex}.part"  # other processes may be at the same bench
    making.write_text(text, encoding="utf-8")
    making.replace(folder / "group.yaml")
    manager = TaskManager(include_path=str(folder), include_defaults=False)
    if not all(isinstance(task, dict) and "output_type" in task for task in bench.tasks):
        manager.task_index.update(known_tasks())
    for task in bench.tasks:
        if isinstance(task, str) and task not in manager.task_index:
            raise SpecError(
                f"bench.tasks: lm-eval has no task {task!r}; the nearest are: {nearest(task, manager.task_index, 8)}"
            )
    try:
        loaded = manager.load([group["group"]])
    except (FileNotFoundError, ConnectionError) as error:
        raise SpecError(f"bench '{bench.name}': its data cannot be loaded: {error}") from error
    except (KeyError, IndexError) as error:
        raise SpecError(f"bench '{bench.name}': a split is missing or empty: {error!r}") from error
    metrics: dict[str, None] = {}
    for task in loaded["tasks"].values():
        _prepare(task, bench)
        metrics |= dict.fromkeys(task.aggregation())
    if bench.metric.split(",")[0] not in metrics:
        raise SpecError(
            f"bench.metric: {bench.metric!r} is none of the metrics of '{bench.name}': {', '.join(metrics)}"
        )
    loaded["groups"][group["group"]].aggregate_metric_list = [AggMetricConfig(metric=name) for name in metrics]
    return dict(loaded)


def _local_data(bench: Bench, scratch: Path) -> dict[str, Any]:
    if not bench.files:
        return {}
    if bench.files_by:
        return {"dataset_path": str(split_by_column(bench.files, bench.files_by, scratch)), "dataset_kwargs": None}
    builder, _ = read_files(list(bench.files.values()), "bench.files")
    return {
        "dataset_path": builder,
        "dataset_name": None,
        "dataset_kwargs": {"data_files": {split: str(Path(file).resolve()) for split, file in bench.files.items()}},
    }


def _prepare(task: Any, bench: Bench) -> None:
    if task.get_config("num_fewshot") != 0:  # a task that fixes no shots at all is asked as it was defined
        task.set_config(key="num_fewshot", value=bench.num_fewshot)
    if not len(task.eval_docs):
        raise SpecError(f"bench '{bench.name}': the test split of task '{task.config.task}' is empty")
    shots = task.get_config("num_fewshot") or 0
    if shots and hasattr(task, "sampler"):
        if len(task.sampler.fewshot_docs()) < shots:
            raise SpecError(
                f"bench.num_fewshot: {shots} shots asked of task '{task.config.task}', "
                f"whose few-shot split has {len(task.sampler.fewshot_docs())} documents"
            )
        if type(task.sampler) is ContextSampler:
            _draw_shots_by_document(task, bench.fewshot_seed)


def _draw_shots_by_document(task: Any, seed: int) -> None:
    """Make a document's shots a matter of (seed, document), not of its place and of what was drawn before."""
    build = task.fewshot_context

    def seeded(doc: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        task.sampler.set_rnd(f"{seed}:{sorted(doc.items())!r}")
        return build(doc, *args, **kwargs)

    task.fewshot_context = seeded
