"""One MLflow store: its experiments, runs, artifacts and registered versions."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlparse
from urllib.request import url2pathname

from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import Run, ViewType
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from sqlalchemy import make_url

from ttt.identity import folder_source
from ttt.shown import masked, shown_uri
from ttt.spec import SpecError, Tracking
from ttt.track.run_log import RunLog
from ttt.track.runs_view import experiment_tags

PARENT_ENV = "TTT_PARENT_RUN"
"""Where a multirun's jobs find the run id of their parent."""


class Tracker:
    """One MLflow store, made ready: the database migrated, artifacts under `<root>/artifacts`."""

    def __init__(self, tracking: Tracking):
        self.tracking = tracking
        self.root = Path(tracking.root).expanduser().resolve()
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SpecError(f"tracking.root: {self.root} cannot be made: {error.strerror}") from error
        # Seconds that a writer waits for another's lock on the database; what then fails, fails by name.
        own = _sqlite_uri(self.root / "mlflow.db", timeout="60")
        self.uri = tracking.uri or os.environ.get("MLFLOW_TRACKING_URI") or own
        self.is_local = self.uri.startswith("sqlite:///")
        try:
            # Two processes that make a missing database at once trip over each other's migrations.
            with FileLock(self.root / "mlflow.lock"):
                if self.uri == own:
                    _make_database(self.root / "mlflow.db")
                self.client = MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)
                self.client.search_experiments(max_results=1)
        except MlflowException as error:
            raise SpecError(f"tracking.uri: {shown_uri(self.uri)} cannot be used: {masked(error.message)}") from error

    def experiment(self, name: str) -> str:
        """The id of the experiment, made if it is missing."""
        with FileLock(self.root / "mlflow.lock"):
            found = self.client.get_experiment_by_name(name)
            if found:
                return str(found.experiment_id)
            location = (self.root / "artifacts" / name).as_uri() if self.is_local else None
            return str(self.client.create_experiment(name, artifact_location=location, tags=experiment_tags()))

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
        ids = [self.experiment(name) for name in experiments]
        wanted = f"tags.`mlflow.parentRunId` = '{run_id}' and attributes.status = '{status}'"
        return list(self.client.search_runs(ids, wanted, max_results=1000))

    def _of_key(self, experiment: str, key: str) -> list[Run]:
        """Newest first, without those that are superseded."""
        runs = self.client.search_runs(
            [self.experiment(experiment)],
            f"tags.`ttt.key` = '{key}'",
            run_view_type=ViewType.ACTIVE_ONLY,
            order_by=["attributes.start_time DESC"],
        )
        return [run for run in runs if "ttt.superseded" not in run.data.tags]

    def runs(self, experiment: str, kind: str) -> list[Run]:
        """All finished runs of a kind in an experiment that are not superseded."""
        found: list[Run] = []
        token = None
        while True:
            page = self.client.search_runs(
                [self.experiment(experiment)],
                f"tags.`ttt.kind` = '{kind}' and attributes.status = 'FINISHED'",
                max_results=1000,
                page_token=token,
            )
            found += [run for run in page if "ttt.superseded" not in run.data.tags]
            token = page.token
            if not token:
                return found

    def read_jsons(self, runs: Sequence[Run], path: str) -> list[Any]:
        """An artifact of many runs at once, parsed; None for a run that lacks it."""

        def read(run: Run) -> Any:
            local = _local_folder(run.info.artifact_uri)
            file = local / path if local else self.artifact(run.info.run_id, path)
            return json.loads(file.read_text(encoding="utf-8")) if file and file.is_file() else None

        with ThreadPoolExecutor(16) as threads:
            return list(threads.map(read, runs))

    def clear(self, key: str) -> None:
        """Remove what a finished cell left in its folder."""
        for leftover in self.leftovers(key):
            if leftover.is_dir():
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
        try:
            return Path(self.client.download_artifacts(run_id, path, tempfile.mkdtemp(prefix="ttt-")))
        except MlflowException:
            return None

    def read_json(self, run_id: str, path: str) -> Any:
        file = self.artifact(run_id, path)
        if file is None:
            raise ValueError(f"run {run_id} has no artifact {path}: it was not finished by this version of ttt")
        return json.loads(file.read_text(encoding="utf-8"))

    def _local_artifacts(self, run_id: str) -> Path | None:
        return _local_folder(self.client.get_run(run_id).info.artifact_uri)

    # Registered models

    def register(self, model: str, run_id: str, path: str, alias: str, tags: Mapping[str, str]) -> str:
        """A version of a registered model over a run's artifacts; a run that has one keeps it. Returns its number."""
        with FileLock(self.root / "mlflow.lock"):
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


def _make_database(file: Path) -> None:
    """A migrated database where there is none. Whoever is killed in the middle leaves no half-migrated one behind."""
    if file.exists():
        return
    making = file.with_suffix(".part")
    for leftover in (making, making.with_name(making.name + "-journal")):
        leftover.unlink(missing_ok=True)
    MlflowClient(tracking_uri=_sqlite_uri(making)).search_experiments(max_results=1)
    making.rename(file)


def _sqlite_uri(file: Path, **query: str) -> str:
    """The address of a database in a file whose path may hold what an address takes for its own: ?, #, %."""
    end = f"?{urlencode(query)}" if query else ""
    written = [f"sqlite:///{path}{end}" for path in (file, quote(str(file)))]
    found = [uri for uri in written if make_url(uri).database == str(file)]
    if not found:  # SQLAlchemy's releases differ in whether they decode a path
        raise SpecError(f"tracking.root: no database can be kept in {file.parent}; choose a folder without ?, # and %")
    return found[0]


def _local_folder(uri: str) -> Path | None:
    """The folder that an artifact URI means, if it is on this machine."""
    parsed = urlparse(uri)
    return Path(url2pathname(parsed.path)) if parsed.scheme in ("file", "") else None


def last_step(run: Run, metric: str) -> int | None:
    """The step at which a metric's current value was logged; None for a metric that the run lacks."""
    # MLflow hands the steps over with the values and shows only the values; asking for histories is a query a run.
    return next((point.step for point in run.data._metric_objs if point.key == metric), None)


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
