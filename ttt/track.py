"""All that is kept in MLflow: runs, scores, tables, weights, registered versions. The only import of mlflow."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from urllib.request import url2pathname

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
for name in ("alembic", "mlflow.store.db.utils", "mlflow.tracking.fluent"):
    logging.getLogger(name).setLevel(logging.WARNING)

import pandas as pd  # noqa: E402
from filelock import FileLock  # noqa: E402
from mlflow import MlflowClient  # noqa: E402
from mlflow.entities import Metric, Param, Run, RunTag, ViewType  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402

from ttt.runs_view import experiment_tags  # noqa: E402
from ttt.spec import SpecError, Tracking  # noqa: E402

log = logging.getLogger(__name__)

PARENT_ENV = "TTT_PARENT_RUN"
"""Where a multirun's jobs find the run id of their parent."""


class Tracker:
    """One MLflow store, made ready: the database migrated, artifacts under `<root>/artifacts`."""

    def __init__(self, tracking: Tracking):
        self.tracking = tracking
        self.root = Path(tracking.root).expanduser().resolve()
        self.root.mkdir(parents=True, exist_ok=True)
        # Seconds that a writer waits for another's lock on the database; what then fails, fails by name.
        own = f"sqlite:///{self.root / 'mlflow.db'}?timeout=60"
        self.uri = tracking.uri or os.environ.get("MLFLOW_TRACKING_URI") or own
        self.is_local = self.uri.startswith("sqlite:///")
        try:
            # Two processes that make a missing database at once trip over each other's migrations.
            with FileLock(self.root / "mlflow.lock"):
                self.client = MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)
                self.client.search_experiments(max_results=1)
        except MlflowException as error:
            raise SpecError(f"tracking.uri: {self.uri} cannot be used: {error.message}") from error

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
        runs = self.client.search_runs(
            [self.experiment(experiment)],
            f"tags.`ttt.key` = '{key}'",
            run_view_type=ViewType.ACTIVE_ONLY,
            order_by=["attributes.start_time DESC"],
        )
        runs = [run for run in runs if "ttt.superseded" not in run.data.tags]
        return next((run for run in runs if run.info.status == "FINISHED"), runs[0] if runs else None)

    def unfinished(self, experiment: str, key: str) -> Run | None:
        """The newest run of a key that was begun and not finished: killed, failed, or still going."""
        runs = self.client.search_runs(
            [self.experiment(experiment)],
            f"tags.`ttt.key` = '{key}' and attributes.status != 'FINISHED'",
            run_view_type=ViewType.ACTIVE_ONLY,
            order_by=["attributes.start_time DESC"],
        )
        return next((run for run in runs if "ttt.superseded" not in run.data.tags), None)

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
        """Remove what a finished cell left in its folder (the lock stays: another process may be waiting for it)."""
        for leftover in self.folder(key).iterdir():
            if leftover.is_dir():
                shutil.rmtree(leftover)
            elif leftover.name != "lock":
                leftover.unlink()

    def supersede(self, run_id: str, by: str) -> None:
        self.client.set_tag(run_id, "ttt.superseded", by)

    def start(self, experiment: str, name: str, tags: Mapping[str, str], resume: str | None = None) -> RunLog:
        """A run to log to: a new one, or a half-finished one taken up again."""
        tags = {**tags, "ttt.commit": commit(), "mlflow.source.name": "ttt", "mlflow.source.type": "LOCAL"}
        parent = os.environ.get(PARENT_ENV)
        if parent:
            tags = {"mlflow.parentRunId": parent, **tags}  # a trial's own parent is its study
        if resume:
            self.client.update_run(resume, status="RUNNING")
            for key, value in tags.items():
                self.client.set_tag(resume, key, value)
            if "ttt.failure" in self.client.get_run(resume).data.tags:
                self.client.delete_tag(resume, "ttt.failure")
            return RunLog(self, resume, resumed=True)
        run = self.client.create_run(self.experiment(experiment), run_name=name, tags=tags)
        return RunLog(self, run.info.run_id)

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

    def registered(self, model: str, version: int) -> Path:
        """The folder of a registered version's weights; SpecError naming the versions there are."""
        try:
            found = self.client.get_model_version(model, str(version))
        except MlflowException as error:
            have = [str(v.version) for v in self.client.search_model_versions(f"name = '{model}'")]
            choices = (
                f"its versions are {', '.join(sorted(have, key=int))}" if have else "there is no such registered model"
            )
            raise SpecError(f"model.version: {version} of '{model}' is not registered; {choices}") from error
        folder = self.artifact(found.run_id, found.source.rsplit("/", 1)[-1])
        if folder is None or not (folder / "config.json").exists():
            raise SpecError(f"model.version: version {version} of '{model}' has no weights of its own in its run")
        return folder


class RunLog:
    """A run being written. Failures to log fail the run; nothing is swallowed."""

    def __init__(self, tracker: Tracker, run_id: str, resumed: bool = False):
        self.tracker = tracker
        self.client = tracker.client
        self.run_id = run_id
        self._before: dict[str, set[tuple[int, float]]] | None = {} if resumed else None
        """Points of metrics that an attempt that was stopped has logged, as far as they were asked for."""
        self._waiting: list[Metric] = []
        self._sent = time.monotonic()

    def params(self, values: Mapping[str, Any]) -> None:
        present = self.client.get_run(self.run_id).data.params
        new = [Param(key, str(value)) for key, value in values.items() if key not in present]
        self.client.log_batch(self.run_id, params=new)

    def tags(self, values: Mapping[str, str]) -> None:
        self.client.log_batch(self.run_id, tags=[RunTag(key, value) for key, value in values.items()])

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        """Metrics of a step. They are sent in batches, at the latest after two seconds or with `flush`.

        What an attempt that was stopped has logged already is not logged twice.
        """
        now = int(time.time() * 1000)
        new = [Metric(key, float(value), now, step) for key, value in values.items()]
        self._waiting += [point for point in new if (point.step, point.value) not in self._logged_before(point.key)]
        if len(self._waiting) > 500 or time.monotonic() - self._sent > 2:
            self.flush()

    def _logged_before(self, name: str) -> set[tuple[int, float]]:
        if self._before is None:
            return set()
        if name not in self._before:
            points = self.client.get_metric_history(self.run_id, name)
            self._before[name] = {(point.step, point.value) for point in points}
        return self._before[name]

    def flush(self, params: Mapping[str, Any] | None = None) -> None:
        """Send the metrics that wait, and the params of a run that has none yet, in as few calls as MLflow allows."""
        first = [Param(key, str(value)) for key, value in (params or {}).items()]
        for start in range(0, max(len(self._waiting), len(first)), 800):  # MLflow takes at most 1,000 a call
            self.client.log_batch(self.run_id, metrics=self._waiting[start : start + 800], params=first)
            first = []
        self._waiting, self._sent = [], time.monotonic()

    def text(self, content: str, path: str) -> None:
        self.client.log_text(self.run_id, content, path)

    def json(self, content: Any, path: str) -> None:
        self.client.log_text(self.run_id, json.dumps(content, indent=2, default=str, ensure_ascii=False), path)

    def table(self, columns: Mapping[str, list[Any]], path: str) -> None:
        """A small table that the UI shows. An attempt that was stopped may have left one: it is replaced."""
        # MLflow's own `log_table` would append to it.
        self.client.log_text(self.run_id, pd.DataFrame(dict(columns)).to_json(orient="split", index=False), path)
        tag = "mlflow.loggedArtifacts"
        shown = json.loads(self.client.get_run(self.run_id).data.tags.get(tag, "[]"))
        entry = {"path": path, "type": "table"}
        self.client.set_tag(self.run_id, tag, json.dumps([*(e for e in shown if e != entry), entry]))

    def describe(self, markdown: str) -> None:
        """What stands at the head of the run's page in the UI."""
        self.client.set_tag(self.run_id, "mlflow.note.content", markdown[:8000])

    def file(self, file: Path, folder: str = "") -> None:
        self.client.log_artifact(self.run_id, str(file), folder or None)

    def folder(self, folder: Path) -> None:
        """All that is in a folder, in one call."""
        self.client.log_artifacts(self.run_id, str(folder))

    def figure(self, figure: Any, path: str) -> None:
        self.client.log_figure(self.run_id, figure, path)

    def weights(self, folder: Path, path: str) -> None:
        """A folder of weights among the run's artifacts: linked, not copied (an upload where they are not local).

        The folder stays until the run is finished: whoever takes up a run that was stopped here still has it.
        """
        local = self.tracker._local_artifacts(self.run_id)
        if local is None:
            self.client.log_artifacts(self.run_id, str(folder), path)
            return
        target, making = local / path, local / f"{path}.part"
        shutil.rmtree(making, ignore_errors=True)
        making.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(folder, making, copy_function=_link_or_copy)
        shutil.rmtree(target, ignore_errors=True)
        making.rename(target)
        for file in target.rglob("*"):
            file.chmod(0o644 if file.is_file() else 0o755)  # safetensors are written for their owner alone

    def history(self, name: str) -> list[tuple[int, float]]:
        """(step, value) of a metric, in order; the last value logged at a step counts."""
        self.flush()
        points = sorted(self.client.get_metric_history(self.run_id, name), key=lambda point: point.timestamp)
        return sorted({point.step: point.value for point in points}.items())

    def finish(self) -> None:
        self.flush()
        self.client.set_terminated(self.run_id, "FINISHED")

    def fail(self, reason: str, status: str = "FAILED") -> None:
        """Mark the run; where the store itself is what failed, say so and leave the first error to be raised."""
        try:
            self.client.set_terminated(self.run_id, status)
            self.client.set_tag(self.run_id, "ttt.failure", reason[:5000])
            self.flush()
        except (MlflowException, OSError) as error:
            log.error(f"run {self.run_id} cannot be marked {status} ({reason}): {str(error).splitlines()[0]}")


def _link_or_copy(source: str, target: str) -> None:
    """A hard link where the file system has them."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


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
