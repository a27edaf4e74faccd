"""The one owner of a run's life: it begins a run or takes one up, and it alone marks it FINISHED, FAILED or KILLED."""

from __future__ import annotations

import logging
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from ttt.masking import masked, shown_uri
from ttt.spec import Tracking
from ttt.stopping import asked, deferred, stop_if_asked
from ttt.tracking.artifacts import Artifacts
from ttt.tracking.connection import StoreError
from ttt.tracking.liveness import HOST, PROCESS, SHARED, Heartbeat, Watch, is_gone, owner_tags
from ttt.tracking.queries import SUPERSEDED, SUPERSEDES, Queries
from ttt.tracking.run_log import RunLog, check_tags, patiently
from ttt.tracking.store import Say

log = logging.getLogger(__name__)

PARENT_ENV = "TTT_PARENT_RUN"
"""Where a multirun's jobs find the run id of their parent."""
COMMAND_ENV = "TTT_COMMAND"
"""Where a multirun's jobs find what tells one multirun from the same one begun again, whose parent is the same run."""
FAILURE = "ttt.failure"
"""The tag that says why a run is FAILED or KILLED."""
STOPPED = "stopped from outside"
SECONDS_BETWEEN_LOOKS = 2.0


class Runs(Queries, Artifacts):
    """The runs of a store, looked up and written."""

    def __init__(self, tracking: Tracking, make: bool = True):
        super().__init__(tracking, make)
        self._looked_over: set[str] = set()
        """Suites in which runs of dead processes were looked for."""

    @property
    def is_job(self) -> bool:
        """Whether this process is a job of a multirun."""
        return PARENT_ENV in os.environ

    @property
    def command(self) -> str:
        """What the jobs of one multirun have in common; empty for a command of its own."""
        return os.environ.get(COMMAND_ENV, "")

    @contextmanager
    def claim(self, experiment: str, key: str, say: Say = log.info) -> Iterator[None]:
        """Held while what has this key is looked up and, if it is not done, worked on; nobody else does so meanwhile.

        Processes that share `tracking.root` wait for each other's lock, those of other hosts for each other's run, as
        long as its heartbeat goes on. What is looked up inside is therefore what is done. A thread may re-enter.
        """
        with self.lock(key, say):
            self._wait_for_others(experiment, key, say)
            yield

    @contextmanager
    def run(
        self,
        experiment: str,
        name: str,
        tags: Mapping[str, str],
        key: str | None = None,
        *,
        parent: str | None = None,
        anew: bool = False,
        resume: str | None = None,
        shared: bool = False,
        say: Say = log.info,
    ) -> Iterator[RunLog]:
        """A run to log to, FINISHED when the body ends, FAILED or KILLED, with the reason, when it is left otherwise.

        With a key it is claimed, and a run of that key that was begun and whose process has ended is taken up, unless
        `anew`, which supersedes it and begins another. Once the run is finished it takes the place of all others of its
        key. Without a key there is nothing to take up, and the run replaces no other.
        `parent` is the run above it; by default the multirun's, if this process is a job of one. `resume` goes on in
        the run of that id, a finished one too. With `shared` several processes may write the run at once, each within
        its own body: none waits for the others, and one that fails does not end it for the rest.
        Raises StoreError if the store cannot be written to, also when it fails for longer than a minute in the body.
        """
        check_tags(tags)
        self.refuse_if_moved()
        above = parent or os.environ.get(PARENT_ENV)
        tags = {
            **({"mlflow.parentRunId": above} if above else {}),
            **tags,
            **({"ttt.key": key} if key is not None else {}),
            **owner_tags(shared),
            "ttt.commit": commit(),
            "mlflow.source.name": "ttt",
            "mlflow.source.type": "LOCAL",
        }
        with ExitStack() as held:
            if key is not None:
                held.enter_context(self.lock(key, say) if shared else self.claim(experiment, key, say))
            run = self._begun(experiment, name, tags, key, anew, resume)
            if shared:
                held.close()
            try:
                with Heartbeat(self.client, run.run_id, shared) as run.heartbeat:
                    if self.tracking.system_metrics:
                        run.watch_machine()
                    yield run
                    was_asked = asked()
                    with deferred():  # a run is not half finished, and then marked KILLED
                        self._finish(run, experiment, key)
            # A heartbeat that came after the mark would take it for another's mistake, and the run for alive.
            except Exception as error:
                self._mark(run, "FAILED", f"{type(error).__name__}: {error}")
                raise
            except BaseException:
                self._mark(run, "KILLED", STOPPED)
                raise
        if not was_asked:
            stop_if_asked()

    def _begun(
        self,
        experiment: str,
        name: str,
        tags: Mapping[str, str],
        key: str | None,
        anew: bool,
        resume: str | None,
    ) -> RunLog:
        """A run of this process: one that is taken up, or a new one."""
        suite = experiment.partition("/")[0]
        if suite not in self._looked_over:
            self._looked_over.add(suite)
            self.bury_dead(suite)
        begun = self.read_run(resume) or (self.unfinished(experiment, key) if key is not None else None)
        if begun and not anew:
            with self.own_lock():  # nobody counts it as dead between these calls
                run = self.open(begun.info.run_id, resumed=True)
                run.tags(tags)
                self.client.update_run(run.run_id, status="RUNNING")
            run.send_unsent(self._unsent(run.run_id))
            self._clear_failure(run.run_id)
        else:
            made = self.client.create_run(self.experiment(experiment), run_name=name, tags=dict(tags))
            if SHARED in tags and key is not None and not begun:
                first = self._first_begun(experiment, key)
                if first != made.info.run_id:
                    self.client.delete_run(made.info.run_id)  # nothing is in it yet
                    return self._begun(experiment, name, tags, key, anew, first)
            run = self.open(made.info.run_id)
            if begun:
                self.client.set_tag(begun.info.run_id, SUPERSEDED, run.run_id)
        if self.is_local and not (run.artifacts and run.artifacts.is_relative_to(self.root)):
            place = shown_uri(self.client.get_run(run.run_id).info.artifact_uri)
            log.warning(f"the experiment '{experiment}' keeps its artifacts outside of {self.root}: {place}")
        return run

    def _first_begun(self, experiment: str, key: str) -> str:
        """Which of the runs of a key that are going on all processes write that share it.

        Those of several roots have no lock in common, and each may have begun one in the same moment.
        """
        going = [run.info for run in self.of_key(experiment, key) if run.info.status != "FINISHED"]
        return str(min((info.start_time, info.run_id) for info in going)[1])

    def _finish(self, run: RunLog, experiment: str, key: str | None) -> None:
        """All that waits is sent first; then the one change of the status makes the run the one that counts."""
        run.flush()
        run.end_watching()
        if key is not None:
            run.supersede(other.info.run_id for other in self.of_key(experiment, key))
        if run.superseded:
            run.tags({SUPERSEDES: " ".join(sorted(run.superseded))})
        self._clear_failure(run.run_id)
        patiently(lambda: self.client.set_terminated(run.run_id, "FINISHED"))
        for old in run.superseded:
            patiently(lambda old=old: self.client.set_tag(old, SUPERSEDED, run.run_id))  # type: ignore[misc]

    def _clear_failure(self, run_id: str) -> None:
        """Take away why a run was marked FAILED or KILLED: it goes on, or somebody took a live process for dead."""
        if FAILURE in patiently(lambda: self.client.get_run(run_id)).data.tags:
            patiently(lambda: self.client.delete_tag(run_id, FAILURE))

    def _mark(self, run: RunLog, status: str, reason: str) -> None:
        """Where the store itself is what failed, that is said, and the first error left to be raised."""
        if run.heartbeat and run.heartbeat.is_lost:
            return
        try:
            run.end_watching()
            if self.client.get_run(run.run_id).info.status == "FINISHED":
                return  # by another of the processes that share it, or before what failed
            self.client.set_terminated(run.run_id, status)
            self.client.set_tag(run.run_id, FAILURE, masked(reason)[:5000])
            run.flush()
        except (MlflowException, OSError, StoreError) as error:
            run.keep_unsent(self._unsent(run.run_id))
            short = masked(str(error)).splitlines()[0]
            log.error(f"run {run.run_id} cannot be marked {status} ({masked(reason)}): {short}")

    def _unsent(self, run_id: str) -> Path:
        """Where the metrics of a run are kept that the store did not take before its process ended."""
        return self.root / "unsent" / f"{run_id}.json"

    def open(self, run_id: str, resumed: bool = False) -> RunLog:
        """A run that there is, to log more to; its life is left alone."""
        return RunLog(self.client, run_id, self.local_artifacts(run_id), resumed)

    def bury_dead(self, suite: str) -> list[str]:
        """Mark KILLED those of a suite's runs whose process has ended without doing so; returns their ids.

        A process that is ended by SIGKILL leaves its runs RUNNING. Whoever begins a run in the suite calls this.
        """
        buried = []
        for run in self.still_running(suite):
            if "ttt.kind" not in run.data.tags or not is_gone(run.info.run_id, run.data.tags):
                continue
            with self.own_lock():
                now = self.client.get_run(run.info.run_id)  # another process may have taken it up
                if now.info.status == "RUNNING" and is_gone(run.info.run_id, now.data.tags):
                    self.client.set_tag(run.info.run_id, FAILURE, f"its process ended without a word{_of(run)}")
                    self.client.set_terminated(run.info.run_id, "KILLED")
                    buried.append(str(run.info.run_id))
        return buried

    def _wait_for_others(self, experiment: str, key: str, say: Say) -> None:
        watch, said = Watch(), False
        while True:
            others = [run for run in self.of_key(experiment, key) if run.info.status == "RUNNING"]
            others = [run for run in others if not watch.is_dead(run.info.run_id, run.data.tags)]
            if not others:
                return
            if not said:
                say(f"{others[0].info.run_name}: run {others[0].info.run_id} is worked on{_of(others[0])}: waiting")
                said = True
            time.sleep(SECONDS_BETWEEN_LOOKS)


def _of(run: Run) -> str:
    tags = run.data.tags
    return f" (process {tags[PROCESS].split()[0]} on {tags[HOST].split()[0]})" if {PROCESS, HOST} <= tags.keys() else ""


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
