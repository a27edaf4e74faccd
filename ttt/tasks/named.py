"""What lm-eval's own tasks would do when a bench names them, known before any code of theirs runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ttt.spec import Bench, SpecError
from ttt.tasks.definition import Definition, definitions
from ttt.tasks.hub_data import check_no_path, is_reader
from ttt.tasks.index import Known

RENDERED = ("doc_to_text", "doc_to_target", "doc_to_choice", "description", "gen_prefix", "fewshot_config")
"""Fields that are templates, or hold some."""


def check_named(bench: Bench, index: Mapping[str, Known]) -> None:
    """Raise SpecError for a task of lm-eval's that would run what a model writes, or read other data than are meant.

    `index` has the tasks that can be named. Functions that make a task's data read whatever their arguments name, load
    tokenizers with code of their own, and know nothing of `bench.files`.
    """
    for given in bench.tasks:
        own = {} if isinstance(given, str) else given
        for name, definition in definitions(given, {}, index):
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
        templates = [field for field in RENDERED if field in own and definition.get("class")]
        if templates and not bench.trust_remote_code:
            raise SpecError(
                f"{where} is made by a class of its own, which renders templates outside the sandbox: a bench may give "
                f"it {templates[0]} only with bench.trust_remote_code=true"
            )
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
