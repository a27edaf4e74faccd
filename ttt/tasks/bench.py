"""lm-eval's task objects for a bench: named or inline, over hub data or local files."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import datasets
import yaml
from jinja2 import TemplateError
from lm_eval.api.group import AggMetricConfig
from lm_eval.api.samplers import ContextSampler
from lm_eval.tasks import TaskManager

from ttt.rows import DataFiles
from ttt.spec import Bench, SpecError, nearest
from ttt.tasks.index import known_tasks
from ttt.tasks.inline import check_inline
from ttt.tasks.labels import read_labels_as_indices
from ttt.tasks.splits import write_splits
from ttt.tasks.templates import render_in_sandbox


def load_tasks(bench: Bench, files: DataFiles | None = None) -> dict[str, Any]:
    """The bench's tasks as lm-eval's `TaskManager.load` returns them, wrapped in one group named after the bench.

    The group's entry in lm-eval's results is the bench's score: the mean over all items (size-weighted over tasks).
    Local files given by `bench.files` replace the tasks' own data; `files` knows the digests that they must have.
    Raises SpecError for an unknown task, a missing file, an empty split, a document that its templates cannot print,
    a task that asks for more than data and lm-eval's own parts, or too few documents for the shots.
    """
    check_inline(bench)
    render_in_sandbox()
    # lm-eval reads what it is given from a folder. All of it is in memory when the tasks are loaded.
    with TemporaryDirectory(prefix="ttt-") as scratch:
        loaded = _loaded(bench, files or DataFiles(), Path(scratch))
    metrics: dict[str, None] = {}
    for task in loaded["tasks"].values():
        _prepare(task, bench)
        metrics |= dict.fromkeys(task.aggregation())
    if bench.metric.split(",")[0] not in metrics:
        raise SpecError(
            f"bench.metric: {bench.metric!r} is none of the metrics of '{bench.name}': {', '.join(metrics)}"
        )
    loaded["groups"][_group(bench)].aggregate_metric_list = [AggMetricConfig(metric=name) for name in metrics]
    return dict(loaded)


def _group(bench: Bench) -> str:
    return f"bench:{bench.name}"


def _loaded(bench: Bench, files: DataFiles, scratch: Path) -> Any:
    local: dict[str, Any] = {}
    columns = ""
    if bench.files:
        data = scratch / "data"
        data.mkdir()
        columns = write_splits(bench, files, data)
        options = {"cache_dir": str(scratch / "cache"), "keep_in_memory": True}
        local = {"dataset_path": str(data), "dataset_kwargs": options}
        if not bench.files_by:
            local["dataset_name"] = None
    group = {
        "group": _group(bench),
        # What a group says reaches the named tasks in it, nested ones included; an inline task's own fields win.
        "task": [task if isinstance(task, str) else {**task, **local} for task in bench.tasks],
        **local,
    }
    # As a file in the index: a group given as a mapping would hand its own fields to the tasks of nested groups.
    folder = scratch / "tasks"
    folder.mkdir()
    (folder / "group.yaml").write_text(yaml.safe_dump(group, sort_keys=False), encoding="utf-8")
    manager = TaskManager(include_path=str(folder), include_defaults=False)
    if not all(isinstance(task, dict) and "output_type" in task for task in bench.tasks):
        manager.task_index.update(known_tasks())
    for task in bench.tasks:
        if isinstance(task, str) and task not in manager.task_index:
            raise SpecError(
                f"bench.tasks: lm-eval has no task {task!r}; the nearest are: {nearest(task, manager.task_index, 8)}"
            )
    try:
        return manager.load([group["group"]])
    except (FileNotFoundError, ConnectionError, datasets.exceptions.DatasetsError) as error:
        raise SpecError(f"bench '{bench.name}': its data cannot be loaded: {error}") from error
    except (KeyError, IndexError) as error:
        raise SpecError(f"bench '{bench.name}': a split is missing or empty: {error!r}") from error
    except TemplateError as error:
        raise SpecError(f"bench '{bench.name}': a template fails on the first document: {error}{columns}") from None
    except (TypeError, ValueError, SyntaxError) as error:
        raise SpecError(f"bench '{bench.name}': lm-eval does not take its tasks: {error}") from error


def _prepare(task: Any, bench: Bench) -> None:
    if task.get_config("num_fewshot") != 0:  # a task that fixes no shots at all is asked as it was defined
        task.set_config(key="num_fewshot", value=bench.num_fewshot)
    if not len(task.eval_docs):
        raise SpecError(f"bench '{bench.name}': the test split of task '{task.config.task}' is empty")
    read_labels_as_indices(task, bench)
    _check_texts(task, bench)
    shots = task.get_config("num_fewshot") or 0
    if shots and hasattr(task, "sampler"):
        if len(task.sampler.fewshot_docs()) < shots:
            raise SpecError(
                f"bench.num_fewshot: {shots} shots asked of task '{task.config.task}', "
                f"whose few-shot split has {len(task.sampler.fewshot_docs())} documents"
            )
        if type(task.sampler) is ContextSampler:
            _draw_shots_by_document(task, bench.fewshot_seed)


def _check_texts(task: Any, bench: Bench) -> None:
    """Raise SpecError for the first document of the test, or of the shots, that the task's templates cannot print."""
    tested = enumerate(task.eval_docs)
    asked = [("document", i, doc) for i, doc in tested if bench.limit is None or i < bench.limit]
    shown = list(enumerate(task.sampler.fewshot_docs())) if bench.num_fewshot and hasattr(task, "sampler") else []
    forms = task.fewshot_cfg
    for what, number, doc in [*asked, *(("few-shot document", i, doc) for i, doc in shown)]:
        try:
            if what == "document":
                task.fewshot_context(doc, 0, gen_prefix=task.doc_to_prefix(doc))
            else:
                task.doc_to_text(doc, forms.doc_to_text)
                task.doc_to_target(doc, forms.doc_to_target)
                if forms.doc_to_choice is not None:
                    task.doc_to_choice(doc, forms.doc_to_choice)
        except (TemplateError, TypeError, ValueError, SyntaxError, LookupError, AssertionError) as error:
            raise SpecError(
                f"bench '{bench.name}': {what} {number} (from 0) of task '{task.config.task}' cannot be asked: "
                f"{error}; its columns are {', '.join(map(str, doc))}"
            ) from None


def _draw_shots_by_document(task: Any, seed: int) -> None:
    """Make a document's shots a matter of (seed, document), not of its place and of what was drawn before."""
    build = task.fewshot_context

    def seeded(doc: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        task.sampler.set_rnd(f"{seed}:{sorted(doc.items())!r}")
        return build(doc, *args, **kwargs)

    task.fewshot_context = seeded
