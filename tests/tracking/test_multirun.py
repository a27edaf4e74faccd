"""A multirun's own run: what it is begun and ended with, and what becomes of the runs of jobs that were killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.killing import call, environment
from ttt.spec import Tracking
from ttt.tracking import Tracker, liveness, multirun
from ttt.tracking.multirun import begin_multirun
from ttt.tracking.run_life import PARENT_ENV

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


def sweep(conf: Path, root: Path, n_examples: int) -> list[str]:
    argv = [f"--config-dir={conf}", "model=tiny", "bench=sums", "adjustment=smoke", f"tracking.root={root}"]
    argv += ["trainer=lab", f"adjustment.examples={n_examples}", "adjustment.evaluate_at=[]"]
    return [*argv, "-m", "seed=1,2", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]


def wait_for(ask: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 180
    while not (result := ask()):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return result


def worked_on(root: Path) -> dict[int, str]:
    """The runs that processes train in at this moment, by pid."""
    if not (root / "mlflow.db").exists():
        return {}
    tracker = Tracker(Tracking(root=str(root)))
    going = [run for run in tracker.still_running("default") if run.data.tags["ttt.kind"] != "multirun"]
    trained = [run for run in going if tracker.open(run.info.run_id).history("train/loss")]
    return {int(run.data.tags[liveness.PROCESS].split()[0]): run.info.run_id for run in trained}


def statuses(root: Path) -> dict[str, set[str]]:
    """The states of the runs that count, by kind."""
    tracker = Tracker(Tracking(root=str(root)))
    states: dict[str, set[str]] = {}
    for name in tracker.experiments():
        for run in tracker.client.search_runs([tracker.experiment(name)]):
            if "ttt.superseded" not in run.data.tags:
                states.setdefault(run.data.tags.get("ttt.kind", ""), set()).add(run.info.status)
    return states


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "number"), [("worker", signal.SIGKILL), ("parent", signal.SIGKILL), ("parent", signal.SIGTERM)]
)
def test_whoever_is_killed_leaves_nothing_running(target: str, number: int, conf: Path, tmp_path: Path) -> None:
    """A worker's death leaves a summary; the parent's, no process that goes on; the same command does the rest."""
    command = [sys.executable, "-m", "ttt.run", *sweep(conf, tmp_path, 80_000)]
    with (tmp_path / "said").open("wb") as said:
        process = subprocess.Popen(command, env=environment(), stdout=said, stderr=said)
    workers = wait_for(lambda: worked_on(tmp_path))
    os.kill(process.pid if target == "parent" else next(iter(workers)), number)
    code = process.wait(180)
    assert code == {("worker", 9): 1, ("parent", 9): -9}.get((target, number), 143), (tmp_path / "said").read_text()
    for pid in workers:
        wait_for(lambda pid=pid: liveness.began(pid) is None)  # type: ignore[misc]
    if (target, number) != ("parent", signal.SIGKILL):
        states = statuses(tmp_path)
        assert states.pop("multirun") == {"FAILED" if target == "worker" else "KILLED"}
        assert all("RUNNING" not in of_kind for of_kind in states.values()), states
    assert call("ttt.run", sweep(conf, tmp_path, 80)) == 0
    assert "RUNNING" not in statuses(tmp_path)["cell"], "the dead are buried by whoever works in the suite next"
