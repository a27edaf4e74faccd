"""Files and folders that are there in full or not at all, whenever whoever writes them is killed."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def made_whole(place: Path) -> Iterator[Path]:
    """A path beside `place` for the body to make a file or a folder at, which then takes the place of what was there.

    Another process may make the same at the same time: the last one stays. If the body raises, nothing is left.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    making = beside(place)
    try:
        yield making
        if making.is_dir() and place.is_dir():  # a folder takes the place of an empty one at most
            former = beside(place)
            place.rename(former)
            making.rename(place)
            shutil.rmtree(former)
        else:
            making.replace(place)
    except BaseException:
        if making.is_dir():
            shutil.rmtree(making)
        else:
            making.unlink(missing_ok=True)
        raise


def write_whole(file: Path, content: str | bytes) -> None:
    """Write a file (a text as UTF-8): there in full, or what was there before."""
    with made_whole(file) as making:
        making.write_bytes(content.encode() if isinstance(content, str) else content)


def beside(place: Path) -> Path:
    """A hidden path in the same folder that nobody else has; its end says that it is no whole file."""
    return place.with_name(f".{uuid.uuid4().hex}.part")
