"""The models, benches and adjustments that there are files for, by name."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any, TypeVar

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationKeyError, OmegaConfBaseException

from ttt.catalogue.consent import plain_values, resolution_fault
from ttt.catalogue.definition_file import file_of, read_definition
from ttt.spec import Adjustment, Bench, Model, Spec, SpecError, check, nearest

S = TypeVar("S", bound=Spec)

FAULTS = (
    OmegaConfBaseException,
    OSError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    RecursionError,
)
"""What reading a file raises that is not as those in `conf/`."""


class Definitions:
    """What folders in the layout of `conf/` define: ttt's own first, then the user's, whose files win (`file_of`).

    Each lookup raises SpecError for a name without a file (with the nearest that there are) and for a faulty file.
    """

    def __init__(self, folders: Sequence[Path]):
        self.folders = [folder.expanduser().absolute() for folder in folders]
        self.names = cache(self._names)
        self._read = cache(self._read_file)
        self._group = cache(self._group_fields)

    def _names(self, group: str) -> list[str]:
        files = [file for folder in self.folders for file in (folder / group).glob("*.yaml")]
        return sorted({file.stem for file in files if file.is_file()})

    def model(self, name: str) -> Model:
        return self.read("model", name, Model)

    def bench(self, name: str) -> Bench:
        return self.read("bench", name, Bench)

    def adjustment(self, name: str) -> Adjustment:
        return self.read("adjustment", name, Adjustment)

    def read(self, group: str, name: str, kind: type[S]) -> S:
        definition = self._read(group, name, kind)
        if isinstance(definition, SpecError):
            raise definition
        assert isinstance(definition, kind)
        return definition

    @cached_property
    def models_by_hub(self) -> dict[str, str]:
        """Names of models by their hub id as lm-eval makes a folder's name of it: `EleutherAI__pythia-1b`."""
        ids = {name: fields.get("hub") for name, fields in self._readable("model").items()}
        return {str(hub).replace("/", "__"): name for name, hub in ids.items() if hub}

    @cached_property
    def tasks(self) -> dict[str, tuple[str, ...]]:
        """lm-eval's names of the tasks of each bench, for the benches that a results file is recognised by.

        A bench that changes some fields of lm-eval's tasks is not: what it makes goes by the unchanged tasks' names.
        """
        tasks_of = {}
        for name, fields in self._readable("bench").items():
            tasks = fields.get("tasks")
            if not isinstance(tasks, list):
                continue
            if all(
                isinstance(task, str) or (isinstance(task, dict) and {"task", "output_type"} <= {*task})
                for task in tasks
            ):
                tasks_of[name] = tuple(task if isinstance(task, str) else str(task["task"]) for task in tasks)
        return tasks_of

    def unreadable(self, group: str) -> list[str]:
        """What is wrong with the files of a group that hold no fields to look into."""
        return [str(fields) for fields in self._group(group).values() if isinstance(fields, SpecError)]

    def _readable(self, group: str) -> dict[str, dict[str, Any]]:
        return {name: fields for name, fields in self._group(group).items() if not isinstance(fields, SpecError)}

    def _group_fields(self, group: str) -> dict[str, dict[str, Any] | SpecError]:
        """The fields of all files of a group, unchecked, or why they cannot be read."""
        return {name: self._fields_or_fault(group, name) for name in self.names(group)}

    def _fields_or_fault(self, group: str, name: str) -> dict[str, Any] | SpecError:
        try:
            return self._fields(group, name)
        except FAULTS as error:
            return _unreadable(group, name, error)

    def _file(self, group: str, name: str) -> Path:
        file = file_of(self.folders, group, name)
        assert file is not None
        return file

    def _read_file(self, group: str, name: str, kind: type[Spec]) -> Spec | SpecError:
        """The definition, or the fault that every asking for it raises."""
        if name not in self.names(group):
            choices = nearest(name, self.names(group), 5)
            return SpecError(f"there is no {group}/{name}.yaml; the nearest are: {choices}")
        try:
            return check(kind, self._fields(group, name), f"{group}/{name}.yaml")
        except SpecError as error:
            return error
        except FAULTS as error:
            return _unreadable(group, name, error)

    def _fields(self, group: str, name: str) -> dict[str, Any]:
        config = self._composed(group, name)
        try:
            return plain_values(config)
        except InterpolationKeyError:  # of a value that only a command's config holds, such as a folder: it stays text
            return {str(key): value for key, value in OmegaConf.to_container(config).items()}  # type: ignore[union-attr]

    def _composed(self, group: str, name: str, above: tuple[str, ...] = ()) -> DictConfig:
        """A file with the files that its defaults name, in Hydra's order: those of its group, and `/group@_here_`."""
        own = read_definition(self._file(group, name), group)
        if f"{group}/{name}" in above:
            raise SpecError(
                f"{self._file(group, name)}: is built on itself ({' on '.join([*above, f'{group}/{name}'])})"
            )
        above = (*above, f"{group}/{name}")
        parts = []
        for default in own.pop("defaults", None) or ["_self_"]:
            words = [default] if isinstance(default, str) else [word for pair in default.items() for word in pair]
            match words:
                case ["_self_"]:
                    parts.append(own)
                case [str(other)] if other in self.names(group):
                    parts.append(self._composed(group, other, above))
                case [str(place), str(other)] if other in self.names(place.removeprefix("/").removesuffix("@_here_")):
                    parts.append(self._composed(place.removeprefix("/").removesuffix("@_here_"), other, above))
                case _:
                    raise SpecError(f"{self._file(group, name)}: its default {default} names no file")
        merged = OmegaConf.merge(*parts)
        assert isinstance(merged, DictConfig)
        return merged


def _unreadable(group: str, name: str, error: Exception) -> SpecError:
    return SpecError(f"{group}/{name}.yaml cannot be read: {resolution_fault(error)}")
