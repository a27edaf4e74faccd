"""What a command leaves on the disk for itself, to go on after a kill: believed where it is whole and its own.

What is damaged, or belongs to something else, counts as absent: it is set aside with a warning, and made again.
"""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import Any

from ttt.files.hashing import json_digest
from ttt.files.whole import write_whole

log = logging.getLogger(__name__)


def write(file: Path, content: Any, owner: str) -> None:
    """Keep `content` (JSON's types) for `owner`, such as a cell's key: there in full, or not there at all."""
    text = json.dumps(content)
    write_whole(file, f'["{digest(json.loads(text), owner)}", {text}]')  # read back, a number as a key is a text


def read(file: Path, owner: str) -> Any | None:
    """What `owner` kept in the file; None if there is no such file, or another content than was written."""
    if not file.exists():
        return None
    try:
        written, content = json.loads(file.read_bytes())
        if written == digest(content, owner):
            return content
        fault = f"its digest is {written}, that of its content {digest(content, owner)}"
    except (ValueError, TypeError, RecursionError) as error:
        fault = str(error)
    set_aside(file, fault)
    return None


def digest(content: Any, owner: str) -> str:
    """Twenty hexadecimal digits over the content and whose it is."""
    return json_digest([owner, content])


def set_aside(path: Path, fault: str) -> None:
    """Rename a damaged file or folder, so that it counts as absent and can still be looked at; warn of it by name."""
    aside = path.with_name(path.name + ".damaged")
    if aside.is_dir() and not aside.is_symlink():
        shutil.rmtree(aside)
    else:
        aside.unlink(missing_ok=True)
    path.rename(aside)
    log.warning(f"{path} is damaged, and made again: {' '.join(fault.split())[:500]} (kept as {aside.name})")
