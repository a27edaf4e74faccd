"""Digests: of files by their content, each read once a process, and of values that JSON can hold."""

from __future__ import annotations

import hashlib
import json
import re
import time
from pathlib import Path
from typing import Any

from ttt.spec import SpecError


def json_digest(content: Any) -> str:
    """Twenty hexadecimal digits over a value, whatever the order of its keys; JSON's own types or as text."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:20]


def file_digest(file: Path) -> str:
    """SHA-256 of a file's content. Large weights are read once a process, unless something has touched them."""
    file = file.expanduser().resolve()
    if not file.is_file():
        raise SpecError(f"no file {file}{how_to_make(file)}")
    try:
        stat = file.stat()
        # Sizes and times of writing are easily the same (`cp -p`, archives); the time of change nobody can set.
        stamp = (str(file), stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
        if stamp in _digests:
            return _digests[stamp]
        with file.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise SpecError(f"{file} cannot be read: {error.strerror or error}") from error
    if time.time_ns() - stat.st_ctime_ns > NS_UNTIL_SETTLED:
        _digests[stamp] = digest
    return digest


NS_UNTIL_SETTLED = 2_000_000_000
"""A file changed within the resolution of its times would keep its stamp: one that was just written is not believed."""
_digests: dict[tuple[str, int, int, int, int, int], str] = {}


def how_to_make(path: Path) -> str:
    """What a message about a missing file of the lab adds; those files are made by a command, not downloaded."""
    match = re.search(r"/lab/s(\d+)/([^/]+)$", path.as_posix())
    if not match:
        return ""
    models = f" models=[{match[2]}]" if match[2].startswith("lab-") else ""
    return f"; make it first: python -m ttt.pretrain lab.seed={match[1]}{models}"
