"""One MLflow store: its experiments, runs, artifacts and registered versions."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

from filelock import FileLock
from mlflow.entities import Run, ViewType
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from sqlalchemy import make_url

from ttt.files.model_source import folder_source
from ttt.masking import shown_uri
from ttt.spec import SpecError, Tracking
from ttt.tracking.moved import Relocation, local_folder, relocations, rewrite
from ttt.tracking.opening import StoreError, connect, has_content, make_database, sqlite_uri
from ttt.tracking.run_log import RunLog, check_tags, join_params
from ttt.tracking.runs_view import experiment_tags

log = logging.getLogger(__name__)

PARENT_ENV = "TTT_PARENT_RUN"
"""Where a multirun's jobs find the run id of their parent."""


class Tracker:
    """One MLflow store, made ready: the database migrated, artifacts under `<root>/artifacts`.

    Looking things up writes nothing; with `make=False` a store that is not there is not made either (SpecError). Only
    the places in a store that was moved are put right when it is opened, unless somebody works on it at that moment:
    then it can be read, and not written to.
    """

    def __init__(self, tracking: Tracking, make: bool = True):
        self.tracking = tracking
        self.root = Path(tracking.root).expanduser().resolve()
        self.database = self.root / "mlflow.db"
        # Seconds that a writer waits for another's lock on the database; what then fails, fails by name.
        own = sqlite_uri(self.database, timeout="60")
        self.uri = tracking.uri or os.environ.get("MLFLOW_TRACKING_URI") or own
        self.is_local = self.uri.startswith("sqlite:///")
        self._relocations: list[Relocation] = []
        if self.uri == own and not has_content(self.database):
            if not make:
                raise SpecError(
                    f"tracking.root: there is no store in {self.root} yet ({self.database.name} is missing)"
                )
            # Two processes that make a missing database at once trip over each other's migrations.
            with self._lock():
                make_database(self.database)
        self.client = connect(self.uri)
        if self.uri == own:
            found = relocations(self.database, self.root)
            self._relocations = [relocation for relocation in found if not rewrite(self.database, relocation)]

    @property
    def is_writable(self) -> bool:
        """Whether there is anything to write to; of a server only writing tells."""
        if not self.is_local:
            return True
        if self._relocations:
            return False
        file = Path(make_url(self.uri).database or "")
        return all(os.access(path, os.W_OK, effective_ids=True) for path in (file.parent, file))

    def _lock(self) -> FileLock:
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SpecError(f"tracking.root: {self.root} cannot be made: {error.strerror}") from error
        return FileLock(self.root / "mlflow.lock")

    def experiment(self, name: str) -> str:
        """The id of the experiment, made if it is missing. SpecError if it was deleted."""
        there = self._experiment(name)
        if there is not None:
            return there
        with self._lock():
            there = self._experiment(name)
            if there is None:
                location = (self.root / "artifacts" / name).as_uri() if self.is_local else None
                there = self.client.create_experiment(name, artifact_location=location, tags=experiment_tags())
            return str(there)

    def _experiment(self, name: str) -> str | None:
        """The id of the experiment; None if there is none."""
        found = self.client.get_experiment_by_name(name)
        if found is not None and found.lifecycle_stage == "deleted":
            number = found.experiment_id
            raise SpecError(
                f"the experiment '{name}' was deleted in MLflow, with the runs in it: restore it (`mlflow experiments "
                f"restore -x {number}`), or remove it for good (`mlflow gc --experiment-ids {number}`), each with "
                "MLFLOW_TRACKING_URI set to the store; or take another suite=..."
            )
        return None if found is None else str(found.experiment_id)

    def lock(self, key: str) -> FileLock:
        """Held while a cell is worked on, so that two processes do not do the same cell twice."""
        folder = self.folder(key)
        folder.mkdir(parents=True, exist_ok=True)
        return FileLock(folder / "lock")

    def folder(self, key: str) -> Path:
        """Where a cell's checkpoints and scratch files live between its start and its end."""
        return self.root / "cells" / key

    def find(self, experiment: str, key: str) -> Run | None:
        """The newest run of a key that is not superseded, finished ones first."""
        runs = self._of_key(experiment, key)
        return next((run for run in runs if run.info.status == "FINISHED"), runs[0] if runs else None)

    def unfinished(self, experiment: str, key: str) -> Run | None:
        """The newest run of a key that was begun and not finished: killed, failed, or still going."""
        return next((run for run in self._of_key(experiment, key) if run.info.status != "FINISHED"), None)

    def children(self, run_id: str, experiments: Iterable[str], status: str) -> list[Run]:
        """The runs below another in some experiments that have a status."""
        wanted = f"tags.`mlflow.parentRunId` = '{run_id}' and attributes.status = '{status}'"
        return [run for experiment in experiments for run in self._search(experiment, wanted)]

    def _of_key(self, experiment: str, key: str) -> list[Run]:
        """Newest first, without those that are superseded or deleted."""
        runs = self._search(experiment, f"tags.`ttt.key` = '{key}'")
        return [run for run in runs if "ttt.superseded" not in run.data.tags]

    def runs(self, experiment: str, kind: str) -> list[Run]:
        """All finished runs of a kind in an experiment that are not superseded or deleted."""
        found = self._search(experiment, f"tags.`ttt.kind` = '{kind}' and attributes.status = 'FINISHED'")
        return [run for run in found if "ttt.superseded" not in run.data.tags]

    def _search(self, experiment: str, wanted: str) -> list[Run]:
        """Newest first; none where there is no such experiment. Params too long for MLflow are whole again."""
        number = self._experiment(experiment)
        found: list[Run] = []
        token = None
        while number is not None:
            page = self.client.search_runs(
                [number],
                wanted,
                run_view_type=ViewType.ACTIVE_ONLY,
                max_results=1000,
                order_by=["attributes.start_time DESC"],
                page_token=token,
            )
            found += page
            token = page.token
            if not token:
                break
        for run in found:
            join_params(run.data.params)
        return found

    def run(self, run_id: str | None) -> Run | None:
        """A run, deleted or not; None for one that was removed for good."""
        try:
            return self.client.get_run(run_id) if run_id else None
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise

    def read_jsons(self, runs: Sequence[Run], path: str) -> list[Any]:
        """An artifact of many runs at once, parsed; None, and a warning, for a run that lacks it or has it damaged."""

        def read(run: Run) -> Any:
            local = self._local_folder(run.info.artifact_uri)
            file = local / path if local else self.artifact(run.info.run_id, path)
            try:
                return _parsed(file, run.info.run_id, path) if file and file.is_file() else None
            except SpecError as error:
                log.warning(str(error))
                return None

        with ThreadPoolExecutor(16) as threads:
            return list(threads.map(read, runs))

    def clear(self, key: str) -> None:
        """Remove what a finished cell left in its folder."""
        for leftover in self.leftovers(key):
            if leftover.is_dir() and not leftover.is_symlink():
                shutil.rmtree(leftover)
            else:
                leftover.unlink()

    def leftovers(self, key: str) -> list[Path]:
        """What a cell has in its folder, but for the lock, which stays: another process may be waiting for it."""
        return [found for found in self.folder(key).glob("*") if found.name != "lock"]

    def supersede(self, run_id: str, by: str) -> None:
        self.client.set_tag(run_id, "ttt.superseded", by)

    def start(self, experiment: str, name: str, tags: Mapping[str, str], resume: str | None = None) -> RunLog:
        """A run to log to: a new one, or a half-finished one taken up again."""
        check_tags(tags)
        for relocation in self._relocations:
            raise StoreError(
                f"{self.root}: its artifacts are said to be in {relocation.former}, which cannot be put right: another "
                "process is at work there, or the database cannot be written; try again once that is done"
            )
        tags = {**tags, "ttt.commit": commit(), "mlflow.source.name": "ttt", "mlflow.source.type": "LOCAL"}
        parent = os.environ.get(PARENT_ENV)
        if parent:
            tags = {"mlflow.parentRunId": parent, **tags}  # a trial's own parent is its study
        if resume:
            run_id = resume
            self.client.update_run(resume, status="RUNNING")
            for key, value in tags.items():
                self.client.set_tag(resume, key, value)
            if "ttt.failure" in self.client.get_run(resume).data.tags:
                self.client.delete_tag(resume, "ttt.failure")
        else:
            run_id = self.client.create_run(self.experiment(experiment), run_name=name, tags=tags).info.run_id
        run = self.open(run_id, resumed=bool(resume))
        if self.is_local and not (run.artifacts and run.artifacts.is_relative_to(self.root)):
            place = shown_uri(self.client.get_run(run_id).info.artifact_uri)
            log.warning(f"the experiment '{experiment}' keeps its artifacts outside of {self.root}: {place}")
        if self.tracking.system_metrics:
            run.watch_machine()
        return run

    def open(self, run_id: str, resumed: bool = False) -> RunLog:
        """A run that there is, to log more to."""
        return RunLog(self.client, run_id, self._local_artifacts(run_id), resumed)

    def artifact(self, run_id: str, path: str) -> Path | None:
        """A local copy (or the file itself, where it is local) of a run's artifact; None if it is not there."""
        local = self._local_artifacts(run_id)
        if local is not None:
            return local / path if (local / path).exists() else None
        parent = path.rpartition("/")[0] or None
        # Asked for first: a download that fails does not tell what is missing from a server that is in trouble.
        if not any(found.path == path for found in self.client.list_artifacts(run_id, parent)):
            return None
        return Path(self.client.download_artifacts(run_id, path, tempfile.mkdtemp(prefix="ttt-")))

    def read_json(self, run_id: str, path: str) -> Any:
        """An artifact of a run, parsed. SpecError naming the run if it is not there or damaged."""
        file = self.artifact(run_id, path)
        if file is None:
            raise SpecError(
                f"run {run_id} has no {path}: its artifacts were removed, or another version of ttt wrote it; leave it "
                "out (exclude=[...] of ttt.compare), or delete the run and repeat its cell"
            )
        return _parsed(file, run_id, path)

    def _local_artifacts(self, run_id: str) -> Path | None:
        return self._local_folder(self.client.get_run(run_id).info.artifact_uri)

    def _local_folder(self, uri: str) -> Path | None:
        place = local_folder(uri)
        for relocation in self._relocations:
            place = place and relocation.now(place)
        return place

    # Registered models

    def register(self, model: str, run_id: str, path: str, alias: str, tags: Mapping[str, str]) -> str:
        """A version of a registered model over a run's artifacts; a run that has one keeps it. Returns its number."""
        with self._lock():
            try:
                self.client.create_registered_model(model)
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
            have = self.client.search_model_versions(f"name = '{model}' and run_id = '{run_id}'")
            if have:
                version = have[0]
            else:
                source = f"{self.client.get_run(run_id).info.artifact_uri}/{path}"
                version = self.client.create_model_version(model, source=source, run_id=run_id)
            for key, value in tags.items():
                self.client.set_model_version_tag(model, version.version, key, value)
            self.client.set_registered_model_alias(model, alias, version.version)
        return str(version.version)

    def registered(self, model: str, bench: str, number: int) -> Path:
        """The folder of the weights of version `number` of `<model>-<bench>`, whose files are those that were kept.

        Raises SpecError naming the versions there are, or what became of this one.
        """
        version = self._version(model, bench, number)
        what = f"model.version: version {number} of '{version.name}'"
        try:
            run = self.client.get_run(version.run_id or "")
        except MlflowException as error:
            raise SpecError(f"{what} belongs to run {version.run_id or '(none)'}, which is not there") from error
        if run.info.lifecycle_stage == "deleted":
            raise SpecError(f"{what} belongs to run {run.info.run_id}, which was deleted")
        of = (run.data.tags.get("ttt.model"), run.data.tags.get("ttt.bench"))
        if of != (model, bench):
            raise SpecError(f"{what} is of model {of[0]!r} on bench {of[1]!r}, not of '{model}' on '{bench}'")
        folder = self.artifact(run.info.run_id, (version.source or "").rsplit("/", 1)[-1])
        if folder is None or not (folder / "config.json").exists():
            raise SpecError(f"{what} has no weights of its own in its run")
        kept, now = version.tags.get("files"), folder_source(folder)
        if kept and kept != now:
            raise SpecError(f"{what}: the files in {folder} are not those that were kept: {kept} then, {now} now")
        return folder

    def check_weights(self, model: str, bench: str, number: int, digest: str) -> None:
        """Raise SpecError if the weights of a version that was kept without a digest of its files are other ones."""
        version = self._version(model, bench, number)
        kept = version.tags.get("digest")
        if "files" not in version.tags and kept and kept != digest:
            raise SpecError(
                f"model.version: version {number} of '{version.name}' has other weights than were kept: their digest "
                f"was {kept}, is {digest}"
            )

    def _version(self, model: str, bench: str, number: int) -> ModelVersion:
        name = f"{model}-{bench}"
        try:
            return self.client.get_model_version(name, str(number))
        except MlflowException as error:
            have = [str(v.version) for v in self.client.search_model_versions(f"name = '{name}'")]
            choices = (
                f"its versions are {', '.join(sorted(have, key=int))}" if have else "there is no such registered model"
            )
            raise SpecError(f"model.version: {number} of '{name}' is not registered; {choices}") from error


def _parsed(file: Path, run_id: str, path: str) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SpecError(f"run {run_id}: its {path} is damaged ({error}): {file}") from error


def last_step(run: Run, metric: str) -> int | None:
    """The step at which a metric's current value was logged; None for a metric that the run lacks."""
    # MLflow hands the steps over with the values and shows only the values; asking for histories is a query a run.
    return next((int(point.step) for point in run.data.to_proto().metrics if point.key == metric), None)


@cache
def commit() -> str:
    """The commit of ttt's own checkout, `+` when it has local changes; `unknown` outside one."""
    folder = Path(__file__).parent
    try:
        head = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], cwd=folder, capture_output=True, text=True)
        dirty = subprocess.run(["git", "diff", "--quiet", "HEAD"], cwd=folder, capture_output=True)
    except OSError:
        return "unknown"
    return head.stdout.strip() + ("+" if dirty.returncode else "") if head.returncode == 0 else "unknown"
