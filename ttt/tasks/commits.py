"""Which of the hub's data sets a bench reads, and at which commit: known without lm-eval, for the cell's key."""

from __future__ import annotations

from collections.abc import Mapping

from ttt.files.rows import DataFiles
from ttt.spec import Bench, SpecError, nearest
from ttt.tasks.definition import Definition, definitions
from ttt.tasks.hub_data import is_hub_id
from ttt.tasks.index import Known, known_tasks


def index_for(bench: Bench) -> Mapping[str, Known]:
    """lm-eval's tasks where the bench names any."""
    inline = all(isinstance(task, dict) and "output_type" in task for task in bench.tasks)
    return {} if inline else known_tasks()


def commits_of_tasks(bench: Bench, files: DataFiles) -> dict[str, tuple[str, str]]:
    """The hub's data set that each task reads and its commit, by the task's name.

    Tasks that read local files, or whose data are made by code of their own, are not among them. Raises SpecError if a
    data set cannot be looked up, or if `bench.revisions` names one that no task reads.
    """
    if bench.files:
        return {}
    index = index_for(bench)
    read = {
        name: (str(definition["dataset_path"]), _revision(definition))
        for task in bench.tasks
        for name, definition in definitions(task, {}, index)
        if _is_on_hub(definition)
    }
    hubs = {hub for hub, _ in read.values()}
    asked = dict(revision.split("@") for revision in bench.revisions)
    if others := sorted(asked.keys() - hubs):
        raise SpecError(
            f"bench.revisions: no task of '{bench.name}' reads the hub's data set {others[0]!r}; "
            f"they read: {nearest(others[0], hubs) or 'none'}"
        )
    return {
        task: (hub, files.commit(hub, asked.get(hub, revision), f"bench '{bench.name}', task '{task}'"))
        for task, (hub, revision) in read.items()
    }


def commits_of_bench(bench: Bench, files: DataFiles) -> list[tuple[str, str]]:
    """The hub's data sets that the bench's tasks read, each with its commit."""
    return sorted(set(commits_of_tasks(bench, files).values()))


def commits_of_task_data(bench: Bench, files: DataFiles | None) -> list[str | None]:
    """The commit of each source of the bench's task data; None for local files, and for all of them without `files`."""
    return [
        files.commit(source.hub, source.revision, f"bench.task_data '{source.name}'")
        if files and source.hub and not source.files and is_hub_id(source.hub)
        else None
        for source in bench.task_data
    ]


def _is_on_hub(definition: Definition) -> bool:
    own_code = definition.get("custom_dataset") or definition.get("class")
    return not own_code and is_hub_id(definition.get("dataset_path"))


def _revision(definition: Definition) -> str:
    return str((definition.get("dataset_kwargs") or {}).get("revision") or "main")
