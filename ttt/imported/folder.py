"""The result files of a folder, and the pattern that says what their paths mean."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ttt.imported.omissions import legible
from ttt.imported.pattern import Pattern
from ttt.spec import SpecError


def files_of(folder: Path) -> tuple[list[str], list[str]]:
    """The .json files under a folder, of results, and its .jsonl files, of samples: relative to it, in order.

    SpecError without folder or files of results.
    """
    if not folder.is_dir():
        what = "is a file: give the folder around it, as the path says what a file means"
        raise SpecError(f"path: {folder} {what}" if folder.is_file() else f"path: there is no folder {folder}")
    names = sorted(_files(folder))
    results = [name for name in names if name.endswith(".json")]
    if not results:
        raise SpecError(f"path: there are no .json files under {folder}")
    return results, [name for name in names if name.endswith(".jsonl")]


def _files(folder: Path) -> Iterator[str]:
    # Unlike rglob, os.walk passes over folders that cannot be listed. What is no file is left out (reading a pipe waits
    # for ever), but for links that lead nowhere, which are named.
    for here, _, files in os.walk(folder):
        for name in files:
            file = Path(here, name)
            if name.endswith((".json", ".jsonl")) and (file.is_file() or not file.exists()):
                yield file.relative_to(folder).as_posix()


def by_fit(folder: Path, names: list[str], patterns: list[Pattern]) -> list[Pattern]:
    """The patterns, the one that fits the most files first; of equals, the first. SpecError if none fits any."""
    ordered = sorted(patterns, key=lambda pattern: -_n_fitting(names, pattern))
    if not _n_fitting(names, ordered[0]):
        tried = ", ".join(f"'{pattern.name}'" for pattern in patterns)
        raise SpecError(
            f"path: none of its {len(names):,} .json files (such as {legible(names[0])}) has a path that fits a rule "
            f"of {tried} (conf/ingest; with conf=my your own too){from_further_up(folder, names, patterns)}"
        )
    return ordered


def from_further_up(folder: Path, names: list[str], patterns: list[Pattern]) -> str:
    """Which folder around it more of the files fit from; nothing if there is none."""
    at_best = max(_n_fitting(names, pattern) for pattern in patterns)
    for above in list(folder.absolute().parents)[:3]:
        prefix = folder.absolute().relative_to(above).as_posix()
        for pattern in patterns:
            n = _n_fitting([f"{prefix}/{name}" for name in names], pattern)
            if n > at_best:
                return f"; from path={above} {n:,} of them fit '{pattern.name}'"
    return ""


def _n_fitting(names: list[str], pattern: Pattern) -> int:
    return sum(bool(pattern.meanings(name)) for name in names)
