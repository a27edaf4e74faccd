"""lm-eval's task objects for a bench: named or inline, over hub data or local files."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import datasets
from jinja2 import TemplateError
from lm_eval.api.group import AggMetricConfig
from lm_eval.api.metrics import brier_score
from lm_eval.tasks import TaskManager

from ttt.files.rows import DataFiles
from ttt.spec import Bench, SpecError, nearest
from ttt.tasks.answerable import task_name
from ttt.tasks.checks import check_tasks, fault_of_first
from ttt.tasks.commits import commits_of_tasks, index_for
from ttt.tasks.definition_files import write_tasks
from ttt.tasks.hub_loading import check_commit
from ttt.tasks.inline import check_inline
from ttt.tasks.labels import read_labels_as_indices
from ttt.tasks.metrics import mean_brier
from ttt.tasks.named import check_data_of, check_named
from ttt.tasks.remote_metrics import check_none_refused, guard_metrics
from ttt.tasks.shots import prepare_shots
from ttt.tasks.splits import write_splits

SEED = 0
"""Of Python's own generator while tasks are loaded: lm-eval's."""


def load_tasks(bench: Bench, files: DataFiles | None = None) -> dict[str, Any]:
    """The bench's tasks as lm-eval's `TaskManager.load` returns them, wrapped in one group named after the bench.

    `warnings` beside them are texts: what of the bench is not as it may be meant (`ttt.tasks.checks`).
    The group's entry in lm-eval's results is the bench's score: the mean over all items (size-weighted over tasks).
    Local files given by `bench.files` replace the tasks' own data; `files` knows the digests that they must have, and
    the commits of the hub's data sets.
    Raises SpecError for an unknown task, a missing file, an empty split, a document that its templates cannot print or
    that no answer could be right for, a task that asks for more than data and lm-eval's own parts, a metric or filter
    that a task does not have, or too few documents for the shots.
    """
    files = files or DataFiles()
    check_inline(bench)
    names = [task if isinstance(task, str) else task["task"] for task in bench.tasks]
    if len(set(names)) < len(names):  # lm-eval would keep the last of them alone
        raise SpecError(f"bench.tasks: '{max(names, key=names.count)}' is named twice")
    guard_metrics(allowed=bench.trust_remote_code)
    # lm-eval reads what it is given from a folder. All of it is in memory when the tasks are loaded.
    with TemporaryDirectory(prefix="ttt-") as scratch, _seeded():
        try:
            loaded = _loaded(bench, files, Path(scratch))
        except Exception:
            check_none_refused(bench.name)  # which some tasks' modules report as a fault of the installation
            raise
    metrics: dict[str, None] = {}
    for task in loaded["tasks"].values():
        _prepare(task, bench)
        metrics |= dict.fromkeys(task.aggregation())
    check_none_refused(bench.name)
    warnings = check_tasks(loaded["tasks"], bench)
    check_none_refused(bench.name)
    metrics |= {bench.metric.split(",")[0]: None}  # which a task's own code may return without declaring it
    loaded["groups"][_group(bench)].aggregate_metric_list = [AggMetricConfig(metric=name) for name in metrics]
    return {**loaded, "warnings": warnings + _said_of_unpinned(loaded["tasks"].values(), bench, files)}


@contextmanager
def _seeded() -> Iterator[None]:
    """Within the body what a task's own code draws (GPQA shuffles its options) is the same whenever it is loaded."""
    before = random.getstate()
    random.seed(SEED)
    try:
        yield
    finally:
        random.setstate(before)


def _said_of_unpinned(tasks: Iterable[Any], bench: Bench, files: DataFiles) -> list[str]:
    """Of tasks whose data are neither the bench's files nor one commit of a data set of the hub."""
    commits = commits_of_tasks(bench, files)
    names = [task_name(task) for task in tasks if not bench.files and task_name(task) not in commits]
    if not names:
        return []
    rest = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return [
        f"the data of {', '.join(names[:5])}{rest} are made by lm-eval's code or read from an address: a change of "
        "them is not noticed, and cells that are done are read back all the same"
    ]


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
    index = index_for(bench)
    for task in bench.tasks:
        if isinstance(task, str) and task not in index:
            raise SpecError(f"bench.tasks: lm-eval has no task {task!r}; the nearest are: {nearest(task, index, 8)}")
    check_named(bench, index)
    commits = commits_of_tasks(bench, files)
    folder = scratch / "tasks"
    folder.mkdir()
    write_tasks(bench, _group(bench), local, commits, index, folder)
    manager = TaskManager(include_path=str(folder), include_defaults=False)
    try:
        loaded = manager.load([_group(bench)])
    except (FileNotFoundError, ConnectionError, datasets.exceptions.DatasetsError) as error:
        raise SpecError(f"bench '{bench.name}': its data cannot be loaded: {error}") from error
    except (KeyError, IndexError) as error:
        said = str(error.args[0]) if error.args else ""
        what = (
            said if " " in said and isinstance(error, KeyError) else f"a split is missing or empty: {error!r}{columns}"
        )
        raise fault_of_first(bench, local) or SpecError(f"bench '{bench.name}': {what}") from error
    except TemplateError as error:
        raise SpecError(f"bench '{bench.name}': a template fails on the first document: {error}{columns}") from None
    except (AttributeError, TypeError, ValueError, SyntaxError) as error:
        fault = SpecError(f"bench '{bench.name}': lm-eval does not take its tasks: {error}{columns}")
        raise fault_of_first(bench, local) or fault from error
    for task in loaded["tasks"].values() if not bench.files else ():
        check_data_of(task)
        if task_name(task) in commits:
            hub, commit = commits[task_name(task)]
            check_commit(task.dataset, commit, f"bench '{bench.name}', task '{task_name(task)}': {hub}")
    return loaded


def _prepare(task: Any, bench: Bench) -> None:
    if not len(task.eval_docs):
        raise SpecError(f"bench '{bench.name}': the test split of task '{task.config.task}' is empty")
    read_labels_as_indices(task, bench)
    if task.aggregation().get("brier_score") is brier_score:
        task.aggregation()["brier_score"] = mean_brier  # which takes questions of several numbers of choices too
    prepare_shots(task, bench)
