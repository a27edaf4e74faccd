"""A multirun's own run: what it is begun and ended with, and what becomes of the runs of jobs that were killed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from ttt.tracking import Tracker, liveness, multirun
from ttt.tracking.multirun import begin_multirun
from ttt.tracking.run import PARENT_ENV

HOME, KEY = "made/multirun", "m"


@pytest.fixture(autouse=True)
def _no_parent(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(multirun, "SECONDS_TO_STOP", 1)
    yield
    os.environ.pop(PARENT_ENV, None)


def job(tracker: Tracker) -> str:
    with tracker.run("made/sums", "a job", {"ttt.kind": "cell"}) as run:
        return run.run_id


def runs(tracker: Tracker) -> list[Any]:
    return list(tracker.client.search_runs([tracker.experiment(HOME)]))


def test_a_multirun_is_above_its_jobs_and_keeps_their_results(tracker: Tracker) -> None:
    end = begin_multirun(tracker, HOME, KEY)
    child = job(tracker)
    end({"run_id": [child], "base": [0.5]}, [], False)
    (above,) = runs(tracker)
    assert above.info.status == "FINISHED"
    assert tracker.read_run(child).data.tags["mlflow.parentRunId"] == above.info.run_id  # type: ignore[union-attr]
    assert tracker.read_json(above.info.run_id, "results.json")["data"] == [[child, 0.5]]
    assert above.data.metrics == {"n_done": 1, "n_failed": 0}
    assert PARENT_ENV not in os.environ


@pytest.mark.parametrize(("stopped", "status"), [(False, "FAILED"), (True, "KILLED")])
def test_jobs_that_were_killed_are_buried_and_the_summary_is_written(
    tracker: Tracker, stopped: bool, status: str
) -> None:
    end = begin_multirun(tracker, HOME, KEY)
    done = job(tracker)
    gone = {**liveness.owner_tags(), liveness.PROCESS: f"{os.getpid()} 1", "ttt.kind": "cell"}
    gone["mlflow.parentRunId"] = os.environ[PARENT_ENV]
    killed = tracker.client.create_run(tracker.experiment("made/sums"), tags=gone).info.run_id
    end({"run_id": [done]}, ["seed=2: the launcher lost its worker"], stopped)
    (above,) = runs(tracker)
    assert above.info.status == status
    assert ("seed=2: the launcher" in above.data.tags["ttt.failure"]) == (not stopped)
    assert tracker.read_json(above.info.run_id, "results.json")["data"] == [[done]]
    assert tracker.read_run(killed).info.status == "KILLED"  # type: ignore[union-attr]
    again = begin_multirun(tracker, HOME, KEY)
    again({"run_id": [done, killed]}, [], False)
    (same,) = runs(tracker)
    assert (same.info.run_id, same.info.status) == (above.info.run_id, "FINISHED")
    assert "ttt.failure" not in same.data.tags


def test_a_multirun_of_what_is_done_writes_nothing(tracker: Tracker) -> None:
    end = begin_multirun(tracker, HOME, KEY)
    first = job(tracker)
    end({"run_id": [first]}, [], False)
    (before,) = runs(tracker)
    content = tracker.database.read_bytes()
    end = begin_multirun(Tracker(tracker.tracking), HOME, KEY)
    assert os.environ[PARENT_ENV] == before.info.run_id, "a job that has something to do all the same is below it"
    end({"run_id": [first]}, [], False)
    assert tracker.database.read_bytes() == content
    end = begin_multirun(tracker, HOME, KEY)
    other = job(tracker)
    end({"run_id": [other]}, ["seed=2: no"], False)
    (after,) = runs(tracker)
    assert (after.info.run_id, after.info.status) == (before.info.run_id, "FAILED")
    assert tracker.read_json(after.info.run_id, "results.json")["data"] == [[other]]
