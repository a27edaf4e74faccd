"""The result of a command as a file of JSON (`output=FILE`): whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ttt.files.whole import beside, write_whole
from ttt.spec import SpecError


def check_output(file: str | None) -> None:
    """SpecError if the result could not be written, before the work that it is the result of."""
    if not file:
        return
    path = _target(file)
    try:
        if path.is_dir():
            raise SpecError(f"output: {path} is a folder; name a file in it")
        if _is_special(path):
            if not os.access(path, os.W_OK):
                raise PermissionError(13, "Permission denied")
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        making = beside(path)
        making.open("x").close()
        making.unlink()
    except (OSError, ValueError) as error:
        raise SpecError(f"output: {path} cannot be written: {getattr(error, 'strerror', None) or error}") from None


def write_output(file: str | None, result: Any) -> None:
    """Write the result (JSON's types) to the file, if there is one to write."""
    if not file:
        return
    path, text = _target(file), json.dumps(result, indent=2, default=str) + "\n"
    if _is_special(path):
        with path.open("a", encoding="utf-8") as stream:
            stream.write(text)
        return
    write_whole(path, text)


def _target(file: str) -> Path:
    """Where a link leads: the file is replaced, not the link. What /dev/stdout leads to may have no path."""
    try:
        path = Path(file).expanduser()
        return path if _is_special(path) else path.resolve()
    except (OSError, RuntimeError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise SpecError(f"output: {file} cannot be written: {why}") from None


def _is_special(path: Path) -> bool:
    """Whether it is a device or a pipe (/dev/null, /dev/stdout), which is written to and never replaced."""
    return path.exists() and not path.is_file()
