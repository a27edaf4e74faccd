"""Names of the hub's data sets, in whose place `datasets` would read local files."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

from ttt.spec import SpecError


def check_hub_id(name: object, field: str, files: str = "bench.files") -> None:
    """Raise SpecError if `datasets` would read something else than the hub's data set `name`.

    A folder of that name in the current one comes first for it, and so do its readers of local files. `field` says
    where the name stands, `files` where local files would.
    """
    if (
        not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", str(name))
        or is_reader(str(name))
        or {*str(name).split("/")} & {".", ".."}
    ):
        raise SpecError(f"{field}: {name!r} is no hub id (org/name); local files are given by {files}")
    check_no_path(str(name), field, files)


def check_no_path(name: str, field: str, files: str = "bench.files") -> None:
    """Raise SpecError if a local file or folder has the name and would be read instead of the hub's data."""
    if Path(name).exists():
        raise SpecError(
            f"{field}: {name!r} is no hub id here: {Path(name).absolute()} has that name and would be read instead of "
            f"the hub's data; give the command from another folder. Local files are given by {files}"
        )


def is_reader(name: str) -> bool:
    """Whether `datasets` means one of its readers of local files by the name, some of which unpickle."""
    return name.isidentifier() and find_spec(f"datasets.packaged_modules.{name}") is not None
