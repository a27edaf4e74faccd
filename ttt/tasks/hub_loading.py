"""The hub's data sets as `datasets` loads them: at one commit, and quietly."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import datasets

from ttt.files.hub_commits import COMMIT
from ttt.spec import SpecError, TaskDataset

# Reading local files takes no time worth a bar; downloads from the hub have the hub client's own.
datasets.disable_progress_bars()
# What its readers log before they raise is said again by the error, and their format strings fail on some of it.
datasets.logging.set_verbosity(datasets.logging.CRITICAL)


def hub_rows(source: TaskDataset, commit: str, field: str) -> datasets.Dataset:
    """The rows of a source on the hub, at a commit. Raises SpecError if they cannot be had."""
    try:
        rows = datasets.load_dataset(source.hub, source.config, split=source.split, revision=commit)
    except (ValueError, FileNotFoundError, ConnectionError, datasets.exceptions.DatasetsError) as error:
        raise SpecError(f"{field}: {source.hub} (split '{source.split}') cannot be loaded: {error}") from error
    check_commit({source.split: rows}, commit, f"{field}: {source.hub}")
    return rows


def check_commit(splits: Mapping[str, Any], commit: str, what: str) -> None:
    """Raise SpecError if loaded splits are of another commit.

    Where the hub does not answer, `datasets` gives what it cached last, whatever revision it is asked for.
    """
    for split in splits.values():
        for file in getattr(split, "cache_files", ()):
            cached = Path(file["filename"]).parent.name
            if COMMIT.fullmatch(cached) and cached != commit:
                raise SpecError(
                    f"{what}: commit {commit} is asked for, but without the hub the local cache gives commit {cached}; "
                    "give that revision, or the command again when the hub answers"
                )
