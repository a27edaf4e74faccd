"""What runs have kept as files: read where they are on this machine, or else from a cache of downloads."""

from __future__ import annotations

import errno
import json
import logging
import shutil
import tempfile
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

from mlflow.entities import Run

from ttt.files.hashing import file_digest
from ttt.files.model_source import folder_source
from ttt.spec import SpecError
from ttt.tracking.moved import local_folder
from ttt.tracking.store import Store

log = logging.getLogger(__name__)

SECONDS_OF_A_DOWNLOAD = 86_400
"""Whatever part of a download is older than a day was left by a process that was killed."""


class Artifacts(Store):
    """The artifacts of a store's runs. Downloads are kept in `<root>/cache/<run>/<path>`, which may be removed."""

    def artifact(self, run_id: str, path: str, digest: str | None = None) -> Path | None:
        """The file or folder itself, where it is on this machine, or a copy in the cache; None if it is not there.

        `digest` is what its content must have (`file_digest` of a file, `folder_source` of a folder) to be taken from
        the cache without asking the server. What is there is for whoever asks to check.
        """
        local = self.local_artifacts(run_id)
        if local is not None:
            return local / path if (local / path).exists() else None
        kept = self._cache / run_id / path
        if digest is not None and kept.exists() and _digest(kept) == digest:
            return kept
        # Asked for first: a download that fails does not tell what is missing from a server that is in trouble.
        parent = path.rpartition("/")[0] or None
        if not any(entry.path == path for entry in self.client.list_artifacts(run_id, parent)):
            return None
        return self._download(run_id, path, kept)

    def has_artifact(self, run_id: str, path: str) -> bool:
        """Whether a run has a file or folder among its artifacts; nothing is downloaded, nor its content looked at."""
        local = self.local_artifacts(run_id)
        if local is not None:
            return (local / path).exists()
        parent = path.rpartition("/")[0] or None
        return any(entry.path == path for entry in self.client.list_artifacts(run_id, parent))

    def _download(self, run_id: str, path: str, kept: Path) -> Path:
        """A copy in the cache, there in full or not at all, whoever else downloads the same."""
        parts = self._cache / "parts"
        parts.mkdir(parents=True, exist_ok=True)
        for leftover in parts.iterdir():
            if time.time() - leftover.stat().st_mtime > SECONDS_OF_A_DOWNLOAD:
                _remove(leftover)
        making = parts / uuid.uuid4().hex
        making.mkdir()
        try:
            there = Path(self.client.download_artifacts(run_id, path, str(making)))
            kept.parent.mkdir(parents=True, exist_ok=True)
            if kept.is_dir():  # a folder can only be put where there is none
                former = making / "former"
                kept.rename(former)
            there.replace(kept)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise  # else another process was faster with the same
        finally:
            shutil.rmtree(making, ignore_errors=True)
        return kept

    @cached_property
    def _cache(self) -> Path:
        folder = self.root / "cache"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            # Removed when this object is.
            self._own_cache = tempfile.TemporaryDirectory(prefix="ttt-")
            log.warning(f"{folder} cannot be made ({error.strerror}): downloads are kept as long as this command runs")
            return Path(self._own_cache.name)
        return folder

    def read_json(self, run_id: str, path: str) -> Any:
        """An artifact of a run, parsed. SpecError naming the run if it is not there or damaged."""
        file = self.artifact(run_id, path)
        if file is None:
            raise SpecError(
                f"run {run_id} has no {path}: its artifacts were removed, or another version of ttt wrote it; leave it "
                "out (exclude=[...] of ttt.compare), or delete the run and repeat its cell"
            )
        return _parsed(file, run_id, path)

    def read_jsons(self, runs: Sequence[Run], path: str) -> list[Any]:
        """An artifact of many runs at once, parsed; None, and a warning, for a run that lacks it or has it damaged."""

        def read(run: Run) -> Any:
            local = self.here(run.info.artifact_uri)
            file = local / path if local else self.artifact(run.info.run_id, path)
            try:
                return _parsed(file, run.info.run_id, path) if file and file.is_file() else None
            except SpecError as error:
                log.warning(str(error))
                return None

        with ThreadPoolExecutor(16) as threads:
            return list(threads.map(read, runs))

    def local_artifacts(self, run_id: str) -> Path | None:
        """The folder of a run's artifacts where it is on this machine."""
        return self.here(self.client.get_run(run_id).info.artifact_uri)

    def here(self, uri: str) -> Path | None:
        """The folder that an artifact URI means, if it is on this machine, also in a store that was moved."""
        place = local_folder(uri)
        for relocation in self.relocations:
            place = place and relocation.now(place)
        return place


def _digest(place: Path) -> str:
    return folder_source(place) if place.is_dir() else file_digest(place)


def _remove(place: Path) -> None:
    if place.is_dir():
        shutil.rmtree(place, ignore_errors=True)
    else:
        place.unlink(missing_ok=True)


def _parsed(file: Path, run_id: str, path: str) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SpecError(f"run {run_id}: its {path} is damaged ({error}): {file}") from error
