"""The run of a multirun, above those of its jobs: begun before them, and ended with a summary of their results."""

from __future__ import annotations

import logging
import os
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from ttt.stopping import Stopped
from ttt.tracking.run_life import COMMAND_ENV, PARENT_ENV
from ttt.tracking.tracker import Tracker

log = logging.getLogger(__name__)

SUMMARY = "results.json"
SECONDS_TO_STOP = 60
"""How long the jobs of a multirun that has ended may need to mark their runs, or to end."""

End = Callable[[Mapping[str, Sequence[Any]], Sequence[str], bool], None]
"""Ends the run, given the table of the results, the failures, and whether the multirun was stopped from outside."""


class JobsFailedError(RuntimeError):
    """Jobs of a multirun failed, the others did not."""


def begin_multirun(tracker: Tracker, experiment: str, key: str) -> End:
    """The run above the jobs, which find it by an environment variable, whatever process a launcher puts them in.

    A multirun that did not finish, asked for again, goes on in the run that it has; one that did is written again only
    if something has changed: to look up what is done writes nothing.
    """
    suite = experiment.partition("/")[0]
    tags = {"ttt.kind": "multirun", "ttt.suite": suite}
    os.environ.pop(PARENT_ENV, None)  # it is nobody's job itself
    finished = tracker.finished(experiment, key)
    stack = ExitStack()
    run = None
    if finished is None:
        run = stack.enter_context(tracker.run(experiment, "multirun", tags, key=key, shared=True))
    os.environ[COMMAND_ENV] = uuid.uuid4().hex
    parent = os.environ[PARENT_ENV] = run.run_id if run else str(finished.info.run_id)  # type: ignore[union-attr]

    def end(table: Mapping[str, Sequence[Any]], failures: Sequence[str], stopped: bool) -> None:
        nonlocal run
        os.environ.pop(PARENT_ENV, None)
        os.environ.pop(COMMAND_ENV, None)
        ids = sorted(table.get("run_id", ()))
        if run is None:
            if not failures and not stopped and ids == _summarised(tracker, parent):
                return
            run = stack.enter_context(tracker.run(experiment, "multirun", tags, key=key, resume=parent, shared=True))
        try:
            with stack:
                if table:
                    run.table({name: list(values) for name, values in table.items()}, SUMMARY)
                run.metrics({"n_done": len(ids), "n_failed": len(failures)})
                _bury_jobs(tracker, suite, parent)
                if stopped:
                    raise Stopped()
                if failures:
                    raise JobsFailedError("\n".join(failures))
        except (Stopped, JobsFailedError):
            pass  # whoever ends the multirun knows

    return end


def _bury_jobs(tracker: Tracker, suite: str, parent: str) -> None:
    """Mark the runs of jobs whose process has ended without doing so; one that is about to end is given time.

    A launcher that has lost a worker ends the others, and those that are told to stop write down what they have.
    """
    end = time.monotonic() + SECONDS_TO_STOP
    while True:
        tracker.bury_dead(suite)
        below = [run for run in tracker.still_running(suite) if run.data.tags.get("mlflow.parentRunId") == parent]
        if not below or time.monotonic() > end:
            return
        time.sleep(0.2)


def _summarised(tracker: Tracker, run_id: str) -> list[str]:
    """The runs that a multirun's summary names."""
    if tracker.artifact(run_id, SUMMARY) is None:
        return []
    table = tracker.read_json(run_id, SUMMARY)
    column = table["columns"].index("run_id")
    return sorted(row[column] for row in table["data"])
