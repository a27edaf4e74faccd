"""One file of a group (`bench/support.yaml`): read, and confined to what its group is for."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import MarkedYAMLError, YAMLError

from ttt.spec import SpecError

GROUPS = ("model", "bench", "task_data", "adjustment", "trainer", "tracking", "ingest")
OUTSIDE = (
    f"a folder of your own holds {', '.join(GROUPS[:-1])} and {GROUPS[-1]}; what else there is to set, "
    "Hydra's own settings too, the command line sets"
)
_PACKAGE = re.compile(r"^\s*#+\s*@package\s+(\S+)", re.MULTILINE)
_PLAIN_NAME = re.compile(r"[^\s/@:${}]+")


def file_of(folders: Sequence[Path], group: str, name: str) -> Path | None:
    """A group's file of that name, None if no folder has one. The first folder is ttt's, and one's own file wins.

    SpecError if two folders of one's own have files of that name that differ.
    """
    shipped, *own = [folder / group / f"{name}.yaml" for folder in folders]
    files = [file for file in own if file.is_file()]
    if len({file.read_bytes() for file in files}) > 1:
        raise SpecError(f"{group}: {' and '.join(map(str, files))} have one name; rename one of them")
    return files[0] if files else shipped if shipped.is_file() else None


def in_place_of_shipped(folders: Sequence[Path]) -> list[Path]:
    """The files of one's own folders that are taken in place of a file of ttt's that says something else."""
    shipped, *own = folders
    return [
        file
        for folder in own
        for group in GROUPS
        for file in sorted((folder / group).glob("*.yaml"))
        if file.is_file()
        and (other := shipped / group / file.name).is_file()
        and other.read_bytes() != file.read_bytes()
    ]


def read_definition(file: Path, group: str) -> DictConfig:
    """The fields of a user's file, relative paths in it made absolute: they are relative to the file's folder.

    SpecError, naming the file, if it cannot be read or reaches for fields of another group.
    """
    if group not in GROUPS:
        raise SpecError(f"{file}: {OUTSIDE}")
    text = _text(file)
    _check_package(file, group, text)
    config = _parsed(file, text)
    values: Any = OmegaConf.to_container(config)
    defaults = values.get("defaults", [])
    if not isinstance(defaults, list):
        raise SpecError(f"{file}: its `defaults` are no list (- name)")
    for default in defaults:
        _check_default(file, group, default)
    _absolute(values, group, file.parent)
    made = OmegaConf.create(values)
    assert isinstance(made, DictConfig)
    return made


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SpecError(f"{file}: is not UTF-8 (byte {error.start})") from None
    except OSError as error:
        raise SpecError(f"{file}: cannot be read: {error.strerror}") from None


def _parsed(file: Path, text: str) -> DictConfig:
    try:
        config = OmegaConf.load(io.StringIO(text))
    except MarkedYAMLError as error:
        mark = error.problem_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise SpecError(f"{file}{line}: {error.problem or error.context}") from None
    except (YAMLError, OmegaConfBaseException, OSError, ValueError) as error:
        raise SpecError(f"{file}: cannot be read: {str(error).splitlines()[0]}") from None
    except RecursionError:
        raise SpecError(f"{file}: a value holds itself") from None
    if not isinstance(config, DictConfig):
        raise SpecError(f"{file}: holds a list, not fields (name: value)")
    if not config:
        raise SpecError(f"{file}: is empty, or holds no fields (name: value)")
    return config


def _check_package(file: Path, group: str, text: str) -> None:
    own = {group, "_group_"} | ({"bench"} if group == "task_data" else set())
    for package in _PACKAGE.findall(text):
        if package not in own:
            raise SpecError(f"{file}: `@package {package}` would set fields outside of {group}, which a file may not")


def _check_default(file: Path, group: str, default: Any) -> None:
    """A file builds on others of its group, and on `/task_data@_here_: name`; nothing else is within its reach."""
    place, name = f"/{group}@_here_", default
    if isinstance(default, dict) and len(default) == 1:
        place, name = next(iter(default.items()))
    other = re.fullmatch(r"/(\w+)@_here_", str(place))
    if not (other and other[1] in GROUPS and isinstance(name, str) and _PLAIN_NAME.fullmatch(name)):
        raise SpecError(
            f"{file}: its default {default!r} may not be: a file builds on others of {group}/ (`- name`) "
            "and on `- /task_data@_here_: name`"
        )


def _absolute(values: dict[str, Any], group: str, folder: Path) -> None:
    if group == "model" and "path" in values:
        values["path"] = _from(folder, values["path"])
    if group == "bench" and "files" in values:
        values["files"] = _from(folder, values["files"])
    if group in ("bench", "task_data"):
        for dataset in _mappings(values.get("task_data")):
            if "files" in dataset:
                dataset["files"] = _from(folder, dataset["files"])


def _mappings(values: Any) -> list[dict[str, Any]]:
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


def _from(folder: Path, value: Any) -> Any:
    """The path, or the paths in it, made absolute; an interpolation and an address are left as they are."""
    if isinstance(value, dict):
        return {key: _from(folder, part) for key, part in value.items()}
    if isinstance(value, list):
        return [_from(folder, part) for part in value]
    if not isinstance(value, str) or value in ("", "???") or "${" in value or "://" in value:
        return value
    path = folder / Path(value).expanduser()
    short = os.path.normpath(path)
    return short if os.path.realpath(short) == os.path.realpath(path) else str(path)
