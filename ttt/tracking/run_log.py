"""One run being written."""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from ttt.files.whole import write_whole
from ttt.masking import masked
from ttt.tracking.connection import StoreError, is_passing
from ttt.tracking.liveness import Heartbeat

log = logging.getLogger(__name__)


T = TypeVar("T")

PATIENCE = 60
"""Seconds for which a store that fails is asked again."""


def patiently(ask: Callable[[], T]) -> T:
    """What asking the store brings, also if it fails for a while: its database is locked, its server begins anew.

    Raises StoreError if that lasts. What the store refuses is raised at once, as it is.
    """
    end, pause = time.monotonic() + PATIENCE, 1.0
    while True:
        try:
            return ask()
        except MlflowException as error:
            if not is_passing(error):
                raise
            if time.monotonic() + pause > end:
                raise StoreError(f"the store does not answer: {masked(str(error)).splitlines()[0][:300]}") from error
        time.sleep(pause)
        pause = min(2 * pause, 10)


class RunLog:
    """A run being written. Failures to log fail the run; nothing is swallowed.

    Each call is made again for a minute where the store fails, and then raises StoreError.
    """

    def __init__(self, client: MlflowClient, run_id: str, artifacts: Path | None, resumed: bool = False):
        self.client = client
        self.run_id = run_id
        self.artifacts = artifacts
        """The folder of the run's artifacts where it is on this machine."""
        self.monitor: Any = None
        """What samples the machine's load into the run, if anything does."""
        self.heartbeat: Heartbeat | None = None
        """What shows other processes that this one works on the run, if it does."""
        self.superseded: set[str] = set()
        """Runs whose place this one takes once it is finished."""
        self._before: dict[str, dict[int, float]] | None = {} if resumed else None
        """What an attempt that was stopped has logged last at each step, of metrics that were asked for."""
        self._waiting: list[Metric] = []
        self._sent = time.monotonic()

    def params(self, values: Mapping[str, Any]) -> None:
        present = patiently(lambda: self.client.get_run(self.run_id)).data.params
        new = [param for param in _params(values) if param.key not in present]
        patiently(lambda: self.client.log_batch(self.run_id, params=new))

    def tags(self, values: Mapping[str, str]) -> None:
        check_tags(values)
        tags = [RunTag(key, value) for key, value in values.items()]
        patiently(lambda: self.client.log_batch(self.run_id, tags=tags))

    def supersede(self, run_ids: Iterable[str]) -> None:
        """Take the place of other runs, in the moment in which this one is finished."""
        self.superseded |= {run_id for run_id in run_ids if run_id != self.run_id}

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        """Metrics of a step. They are sent in batches, at the latest after two seconds or with `flush`.

        What an attempt that was stopped has logged already is not logged twice.
        """
        now = int(time.time() * 1000)
        new = [Metric(key, float(value), now, step) for key, value in values.items()]
        for point in new:
            before = self._logged_before(point.key)
            if before.get(point.step) != point.value:
                self._waiting.append(point)
            if point.step in before:  # what is logged at the step last counts from now on
                before[point.step] = point.value
        if len(self._waiting) > 500 or time.monotonic() - self._sent > 2:
            self.flush()

    def _logged_before(self, name: str) -> dict[int, float]:
        if self._before is None:
            return {}
        if name not in self._before:
            points = patiently(lambda: self.client.get_metric_history(self.run_id, name))
            self._before[name] = {point.step: point.value for point in sorted(points, key=lambda p: p.timestamp)}
        return self._before[name]

    def flush(self, params: Mapping[str, Any] | None = None) -> None:
        """Send the metrics that wait, and the params of a run that has none yet, in as few calls as MLflow allows.

        Whatever makes work count as done, such as the rename of a folder of weights, comes after this: a process that
        is killed in between would otherwise leave a run without its last metrics, which nobody would log again.
        Raises StoreError where another process has taken the run over.
        """
        if self.heartbeat and self.heartbeat.is_lost:
            raise StoreError(f"run {self.run_id} was taken over by another process, as nothing was heard of this one")
        first = _params(params or {})
        while self._waiting or first:
            part = self._waiting[:800]  # MLflow takes at most 1,000 a call
            # MLflow keeps a point that is sent twice once: an answer that is lost on the way does no harm.
            patiently(lambda part=part, first=first: self.client.log_batch(self.run_id, metrics=part, params=first))  # type: ignore[misc]
            self._waiting, first = self._waiting[len(part) :], []
        self._sent = time.monotonic()

    def keep_unsent(self, file: Path) -> None:
        """Leave the metrics that could not be sent in a file, for whoever takes the run up."""
        if self._waiting:
            points = [[point.key, point.value, point.timestamp, point.step] for point in self._waiting]
            write_whole(file, json.dumps(points))

    def send_unsent(self, file: Path) -> None:
        """Send what `keep_unsent` has left."""
        if file.exists():
            self._waiting += [Metric(*point) for point in json.loads(file.read_text())]
            self.flush()
            file.unlink()

    def text(self, content: str, path: str) -> None:
        patiently(lambda: self.client.log_text(self.run_id, content, path))

    def json(self, content: Any, path: str) -> None:
        self.text(json.dumps(content, indent=2, default=str, ensure_ascii=False), path)

    def table(self, columns: Mapping[str, list[Any]], path: str) -> None:
        """A small table that the UI shows. An attempt that was stopped may have left one: it is replaced."""
        # MLflow's own `log_table` would append to it.
        self.text(pd.DataFrame(dict(columns)).to_json(orient="split", index=False), path)
        tag = "mlflow.loggedArtifacts"
        shown = json.loads(patiently(lambda: self.client.get_run(self.run_id)).data.tags.get(tag, "[]"))
        entry = {"path": path, "type": "table"}
        self.tags({tag: json.dumps([*(e for e in shown if e != entry), entry])})

    def describe(self, markdown: str) -> None:
        """What stands at the head of the run's page in the UI."""
        self.tags({"mlflow.note.content": markdown[:MAX_TAG]})

    def file(self, file: Path, folder: str = "") -> None:
        patiently(lambda: self.client.log_artifact(self.run_id, str(file), folder or None))

    def folder(self, folder: Path) -> None:
        """All that is in a folder, in one call."""
        patiently(lambda: self.client.log_artifacts(self.run_id, str(folder)))

    def figure(self, figure: Any, path: str) -> None:
        patiently(lambda: self.client.log_figure(self.run_id, figure, path))

    def weights(self, folder: Path, path: str) -> None:
        """A folder of weights among the run's artifacts: linked, not copied (an upload where they are not local).

        The folder stays until the run is finished: whoever takes up a run that was stopped here still has it.
        """
        local = self.artifacts
        if local is None:
            patiently(lambda: self.client.log_artifacts(self.run_id, str(folder), path))
            return
        # A name of its own would stay among the artifacts for ever if this process is killed here; this one is reused.
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
        logged = patiently(lambda: self.client.get_metric_history(self.run_id, name))
        points = sorted(logged, key=lambda point: point.timestamp)
        return sorted({point.step: point.value for point in points}.items())

    def watch_machine(self) -> None:
        """Sample processor, memory and accelerators into `system/*` until the run ends."""
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        self.monitor = SystemMetricsMonitor(self.run_id, tracking_uri=self.client.tracking_uri)
        self.monitor.start()

    def end_watching(self) -> None:
        if self.monitor:
            self.monitor.finish()
            self.monitor = None


MAX_PARAM, MAX_TAG = 6000, 8000
"""Characters; MLflow cuts what is longer without a word."""


def _params(values: Mapping[str, Any]) -> list[Param]:
    """Params of values; one that is too long goes on in `<name>.2` and so forth."""
    params = []
    for key, value in values.items():
        text = str(value)
        for start in range(0, max(len(text), 1), MAX_PARAM):
            part = start // MAX_PARAM + 1
            params.append(Param(key if part == 1 else f"{key}.{part}", text[start : start + MAX_PARAM]))
    return params


def join_params(params: dict[str, str]) -> None:
    """Make values whole again that `_params` has divided."""
    for key in [key.removesuffix(".2") for key in params if key.endswith(".2")]:
        part = 2
        while (name := f"{key}.{part}") in params:
            params[key] = params.get(key, "") + params.pop(name)
            part += 1


def check_tags(values: Mapping[str, str]) -> None:
    for key, value in values.items():
        if len(value) > MAX_TAG:
            raise ValueError(f"the tag {key} has {len(value):,} characters, and MLflow keeps {MAX_TAG:,}")


def _link_or_copy(source: str, target: str) -> None:
    """A hard link where the file system has them."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
