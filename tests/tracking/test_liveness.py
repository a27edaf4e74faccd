"""Whose run it is: of a process that lives, here or on another host, that is gone, or that was taken for dead."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.tracking.test_run import EXPERIMENT, KEY, TAGS, states, tags_of
from ttt.tracking import StoreError, Tracker, liveness
from ttt.tracking import run_life as owner


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes minutes takes seconds."""
    monkeypatch.setattr(liveness, "INTERVAL", 2)
    monkeypatch.setattr(liveness, "SILENCE", 4)
    monkeypatch.setattr(owner, "SECONDS_BETWEEN_LOOKS", 0.05)


KILLED = """
import os, sys
from ttt.spec import Tracking
from ttt.tracking import Tracker
tracker = Tracker(Tracking(root=sys.argv[1], uri=sys.argv[2] if len(sys.argv) > 2 else None))
with tracker.run("made/sums", "killed", {"ttt.kind": "cell"}, key="k") as run:
    run.metrics({"train/loss": 1.0}, 1)
    run.flush()
    print(run.run_id, flush=True)
    sys.stdin.read()
"""


def other_process(root: Path, *more: str) -> tuple[subprocess.Popen[str], str]:
    """Another process in the middle of a run, and the run's id."""
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(root), *more], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def test_the_run_of_a_process_that_was_killed_is_buried_and_taken_up(tracker: Tracker) -> None:
    process, run_id = other_process(tracker.root)
    try:
        assert tracker.bury_dead("made") == [], "it lives"
        assert tracker.bury_dead("ma") == []
        process.send_signal(signal.SIGKILL)
        deadline = time.monotonic() + 60
        while not liveness.has_ended(run_id, tags_of(tracker, run_id)):  # not waited for: it stays as a zombie
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        process.kill()
        process.wait()
    assert tracker.bury_dead("made") == [run_id]
    assert states(tracker) == {"killed": "KILLED"}
    assert f"(process {process.pid} on " in tags_of(tracker, run_id)["ttt.failure"]
    with tracker.run(EXPERIMENT, "killed", TAGS, key=KEY) as run:
        assert run.run_id == run_id
    assert states(tracker) == {"killed": "FINISHED"}


def test_whoever_begins_a_run_buries_the_dead_of_the_suite(tracker: Tracker) -> None:
    number = tracker.experiment("made/other")
    gone = {**TAGS, **liveness.owner_tags(), liveness.PROCESS: f"{os.getpid()} 1"}  # the pid is another's by now
    dead = tracker.client.create_run(number, run_name="dead", tags=gone).info.run_id
    tracker.client.create_run(number, run_name="somebody's own")
    elsewhere = {**TAGS, **liveness.owner_tags(), liveness.HOST: "elsewhere"}
    tracker.client.create_run(number, run_name="lives elsewhere", tags=elsewhere)
    long_ago = {**elsewhere, liveness.HEARTBEAT: f"{time.time() - 2 * liveness.GONE:.0f}"}
    tracker.client.create_run(number, run_name="died elsewhere", tags=long_ago)
    with tracker.run(EXPERIMENT, "a", TAGS, key=KEY):
        pass
    assert states(tracker, "made/other") == {
        "dead": "KILLED",
        "died elsewhere": "KILLED",
        "lives elsewhere": "RUNNING",
        "somebody's own": "RUNNING",
    }
    assert "ended without a word" in tags_of(tracker, dead)["ttt.failure"]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("behind", [0, 800])
def test_a_living_run_of_another_host_is_waited_for(tracker: Tracker, behind: int) -> None:
    """Also if its clock is minutes behind: its heartbeat is seen to change."""
    said: list[str] = []
    elsewhere = {**TAGS, "ttt.key": KEY, **liveness.owner_tags(), liveness.HOST: "elsewhere 0"}
    elsewhere[liveness.HEARTBEAT] = f"{time.time() - behind:.3f}"
    theirs = tracker.client.create_run(tracker.experiment(EXPERIMENT), run_name="theirs", tags=elsewhere).info.run_id
    other = Tracker(tracker.tracking)

    def beat() -> None:
        for i in range(12):
            time.sleep(0.2)
            other.client.set_tag(theirs, liveness.HEARTBEAT, f"{time.time() - behind + i / 1000:.3f}")
        other.client.log_metric(theirs, "train/loss", 1.0, step=1)
        other.client.set_terminated(theirs, "FINISHED")

    thread = threading.Thread(target=beat)
    thread.start()
    with tracker.claim(EXPERIMENT, KEY, said.append):
        found = tracker.finished(EXPERIMENT, KEY)
    thread.join()
    assert found is not None, "what is looked up after the waiting is done"
    assert found.info.run_id == theirs
    assert said == [f"theirs: run {theirs} is worked on (process {os.getpid()} on elsewhere): waiting"]


@pytest.mark.usefixtures("quick")
def test_a_run_of_another_host_that_is_silent_is_taken_up(tracker: Tracker) -> None:
    elsewhere = {**TAGS, "ttt.key": KEY, **liveness.owner_tags(), liveness.HOST: "elsewhere 0"}
    theirs = tracker.client.create_run(tracker.experiment(EXPERIMENT), run_name="theirs", tags=elsewhere).info.run_id
    with tracker.run(EXPERIMENT, "theirs", TAGS, key=KEY) as run:
        assert run.run_id == theirs
    assert states(tracker) == {"theirs": "FINISHED"}


def test_whose_run_was_taken_over_logs_no_more_and_leaves_it_alone(tracker: Tracker) -> None:
    with pytest.raises(StoreError, match="was taken over"), tracker.run(EXPERIMENT, "a", TAGS, key=KEY) as run:  # noqa: PT012
        tracker.client.set_tag(run.run_id, liveness.HOST, "elsewhere 0")
        assert run.heartbeat is not None
        run.heartbeat.beat()
        run.metrics({"train/loss": 1.0}, 1)
        run.flush()
    assert states(tracker) == {"a": "RUNNING"}, "it is the other's"
    assert tracker.open(run.run_id).history("train/loss") == []


def test_a_run_that_was_buried_alive_rises(tracker: Tracker) -> None:
    with tracker.run(EXPERIMENT, "a", TAGS, key=KEY) as run:
        tracker.client.set_terminated(run.run_id, "KILLED")
        assert run.heartbeat is not None
        run.heartbeat.beat()
        assert states(tracker) == {"a": "RUNNING"}
