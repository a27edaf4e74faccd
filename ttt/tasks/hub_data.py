"""Names of the hub's data sets, in whose place `datasets` would read local files."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

from ttt.spec import SpecError


def is_hub_id(name: object) -> bool:
    """Whether `datasets` reads the hub's data set of that name, as far as the name says."""
    return bool(
        isinstance(name, str)
        and re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name)
        and not is_reader(name)
        and not {*name.split("/")} & {".", ".."}
    )


def check_hub_id(name: object, field: str, files: str = "bench.files") -> None:
    """Raise SpecError if `datasets` would read something else than the hub's data set `name`.

    A folder of that name in the current one comes first for it, and so do its readers of local files. `field` says
    where the name stands, `files` where local files would.
    """
    if not is_hub_id(name):
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
    package = find_spec("datasets")  # found without importing it, which takes most of a second
    assert package is not None
    assert package.origin is not None
    return name.isidentifier() and (Path(package.origin).parent / "packaged_modules" / name).is_dir()
