"""What the rest of ttt knows of MLflow: a store's runs and their files, and its registered models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ttt.spec import SpecError, Tracking
from ttt.tracking.liveness import beating, owner_tags
from ttt.tracking.registry import Registry, Version
from ttt.tracking.run import FAILURE, PARENT_ENV, Runs, commit
from ttt.tracking.run_log import RunLog, check_tags


class Tracker(Runs):
    """One store: its runs, their artifacts, and its registry."""

    def __init__(self, tracking: Tracking, make: bool = True):
        super().__init__(tracking, make)
        self.registry = Registry(self)

    # TODO: to be removed once no caller is left.

    def start(self, experiment: str, name: str, tags: Mapping[str, str], resume: str | None = None) -> RunLog:
        import os

        check_tags(tags)
        self.refuse_if_moved()
        tags = {
            **tags,
            **owner_tags(),
            "ttt.commit": commit(),
            "mlflow.source.name": "ttt",
            "mlflow.source.type": "LOCAL",
        }
        parent = os.environ.get(PARENT_ENV)
        if parent:
            tags = {"mlflow.parentRunId": parent, **tags}
        if resume:
            run_id = resume
            self.client.update_run(resume, status="RUNNING")
            for key, value in tags.items():
                self.client.set_tag(resume, key, value)
            if FAILURE in self.client.get_run(resume).data.tags:
                self.client.delete_tag(resume, FAILURE)
        else:
            run_id = self.client.create_run(self.experiment(experiment), run_name=name, tags=tags).info.run_id
        beating.add(run_id)
        run = self.open(run_id, resumed=bool(resume))
        if self.tracking.system_metrics:
            run.watch_machine()
        return run

    def supersede(self, run_id: str, by: str) -> None:
        self.client.set_tag(run_id, "ttt.superseded", by)

    def register(self, model: str, run_id: str, path: str, alias: str, tags: Mapping[str, str]) -> str:
        have = self.registry.of_run(model, run_id)
        return str((have[0] if have else self.registry.register(model, run_id, path, tags, (alias,))).number)

    def registered(self, model: str, bench: str, number: int) -> Path:
        version = self._old(f"{model}-{bench}", number)
        run = self.read_run(version.run_id)
        of = (run.data.tags.get("ttt.model"), run.data.tags.get("ttt.bench")) if run else (None, None)
        if run and run.info.lifecycle_stage != "deleted" and of != (model, bench):
            what = f"model.version: version {number} of '{model}-{bench}'"
            raise SpecError(f"{what} is of model {of[0]!r} on bench {of[1]!r}, not of '{model}' on '{bench}'")
        return self.registry.folder(version)

    def check_weights(self, model: str, bench: str, number: int, digest: str) -> None:
        self.registry.check_weights(self._old(f"{model}-{bench}", number), digest)

    def _old(self, name: str, number: int) -> Version:
        version = self.registry.find(name, number)
        tags = {f"ttt.{tag}": version.tags[tag] for tag in ("files", "digest") if tag in version.tags}
        return replace(version, tags={**version.tags, **tags})
