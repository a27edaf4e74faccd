"""The one owner of a run's life: how runs begin and end, who goes on with which, and what the dead leave."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ttt.spec import Tracking
from ttt.stopping import Stopped
from ttt.tracking import StoreError, Tracker, run_log
from ttt.tracking import run_life as owner

EXPERIMENT, KEY = "made/sums", "k"
TAGS = {"ttt.kind": "cell"}


def states(tracker: Tracker, experiment: str = EXPERIMENT) -> dict[str, str]:
    return {run.info.run_name: run.info.status for run in tracker.client.search_runs([tracker.experiment(experiment)])}


def tags_of(tracker: Tracker, run_id: str) -> dict[str, str]:
    run = tracker.read_run(run_id)
    assert run is not None
    return dict(run.data.tags)


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (ValueError("no such thing"), "FAILED", "ValueError: no such thing"),
        (RuntimeError("http://me:sesame@host failed"), "FAILED", "RuntimeError: http://me:***@host failed"),
        (KeyboardInterrupt(), "KILLED", "stopped from outside"),
        (Stopped(), "KILLED", "stopped from outside"),
        (GeneratorExit(), "KILLED", "stopped from outside"),
    ],
)
def test_whatever_leaves_the_body_marks_the_run(
    tracker: Tracker, error: BaseException, status: str, reason: str
) -> None:
    with pytest.raises(type(error)), tracker.run(EXPERIMENT, "a", TAGS, key=KEY) as run:  # noqa: PT012
        run.metrics({"train/loss": 1.5}, 4)
        raise error
    assert states(tracker) == {"a": status}
    assert tags_of(tracker, run.run_id)["ttt.failure"] == reason
    assert run.history("train/loss") == [(4, 1.5)], "what was waiting to be sent is not lost"


def test_a_run_that_failed_is_taken_up_and_then_counts(tracker: Tracker) -> None:
    with pytest.raises(ValueError, match="first"), tracker.run(EXPERIMENT, "a", TAGS, key=KEY) as first:  # noqa: PT012
        first.metrics({"train/loss": 2.0}, 1)
        raise ValueError("first")
    with tracker.run(EXPERIMENT, "a", TAGS, key=KEY) as second:
        second.metrics({"train/loss": 2.0}, 1)
        second.metrics({"train/loss": 1.0}, 2)
        (going,) = tracker.of_key(EXPERIMENT, KEY)
        assert going.info.status == "RUNNING"
    assert second.run_id == first.run_id
    assert "ttt.failure" not in tags_of(tracker, first.run_id)
    points = tracker.client.get_metric_history(first.run_id, "train/loss")
    assert [(point.step, point.value) for point in points] == [(1, 2.0), (2, 1.0)], "nothing is logged twice"
    assert states(tracker) == {"a": "FINISHED"}


def test_anew_begins_another_and_a_finished_one_counts_until_it_is_done(tracker: Tracker) -> None:
    with tracker.run(EXPERIMENT, "old", TAGS, key=KEY) as old:
        pass
    with pytest.raises(ValueError, match="half"), tracker.run(EXPERIMENT, "half", TAGS, key=KEY) as half:
        raise ValueError("half")
    with tracker.run(EXPERIMENT, "new", TAGS, key=KEY, anew=True) as new:
        assert tags_of(tracker, half.run_id)["ttt.superseded"] == new.run_id
        assert [run.info.run_id for run in tracker.runs(EXPERIMENT, "cell")] == [old.run_id]
    assert [run.info.run_id for run in tracker.runs(EXPERIMENT, "cell")] == [new.run_id]
    assert tags_of(tracker, old.run_id)["ttt.superseded"] == new.run_id


def test_a_kill_between_the_end_and_the_marks_leaves_one_run_that_counts(
    tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tracker.run(EXPERIMENT, "old", TAGS, key=KEY):
        pass
    with pytest.raises(KeyError), tracker.run(EXPERIMENT, "new", TAGS, key=KEY) as new:  # noqa: PT012
        real = tracker.client.set_tag

        def dying(run_id: str, name: str, value: str) -> None:
            if name == "ttt.superseded":
                raise KeyError(name)
            real(run_id, name, value)

        monkeypatch.setattr(tracker.client, "set_tag", dying)
    assert states(tracker) == {"old": "FINISHED", "new": "FINISHED"}
    assert [run.info.run_id for run in tracker.runs(EXPERIMENT, "cell")] == [new.run_id]
    found = tracker.finished(EXPERIMENT, KEY)
    assert found is not None
    assert found.info.run_id == new.run_id
    assert tracker.unfinished(EXPERIMENT, KEY) is None


def test_without_a_key_nothing_is_taken_up_or_replaced(tracker: Tracker) -> None:
    ids = set()
    for _ in range(2):
        with tracker.run(EXPERIMENT, "comparison", {"ttt.kind": "comparison"}) as run:
            ids.add(run.run_id)
    assert {run.info.run_id for run in tracker.runs(EXPERIMENT, "comparison")} == ids
    assert len(ids) == 2


def test_parents(tracker: Tracker, monkeypatch: pytest.MonkeyPatch) -> None:
    with tracker.run("made/multirun", "multirun", {"ttt.kind": "multirun"}) as above:
        monkeypatch.setenv(owner.PARENT_ENV, above.run_id)
        with tracker.run(EXPERIMENT, "a", TAGS) as child:
            assert tags_of(tracker, child.run_id)["mlflow.parentRunId"] == above.run_id
        with tracker.run(EXPERIMENT, "b", TAGS, parent=child.run_id) as trial:
            assert tags_of(tracker, trial.run_id)["mlflow.parentRunId"] == child.run_id


def test_several_processes_share_a_run(tracker: Tracker) -> None:
    study = {"ttt.kind": "saturation"}
    with tracker.run(EXPERIMENT, "study", study, key=KEY, shared=True) as one:
        with (  # noqa: PT012
            pytest.raises(ValueError, match="two"),
            tracker.run(EXPERIMENT, "study", study, key=KEY, shared=True) as two,
        ):
            assert two.run_id == one.run_id, "nobody waits"
            raise ValueError("two")
        assert states(tracker) == {"study": "FAILED"}
        assert one.heartbeat is not None
        one.heartbeat.beat()
        assert states(tracker) == {"study": "RUNNING"}, "the other goes on"
    assert states(tracker) == {"study": "FINISHED"}
    with (  # noqa: PT012
        pytest.raises(ValueError, match="late"),
        tracker.run(EXPERIMENT, "study", study, key=KEY, resume=one.run_id, shared=True) as more,
    ):
        assert more.run_id == one.run_id, "more trials of a finished study"
        raise ValueError("late")


def test_processes_without_a_lock_in_common_share_the_run_that_was_begun_first(
    tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = {"ttt.kind": "saturation"}
    with tracker.run(EXPERIMENT, "study", study, key=KEY, shared=True) as one:
        monkeypatch.setattr(tracker, "unfinished", lambda *_: None)  # as it was when both looked for one
        with tracker.run(EXPERIMENT, "study", study, key=KEY, shared=True) as two:
            assert two.run_id == one.run_id
        assert len(tracker.of_key(EXPERIMENT, KEY)) == 1


def test_another_thread_waits_for_the_lock_and_is_told(tracker: Tracker) -> None:
    said: list[str] = []
    other = Tracker(tracker.tracking)
    order: list[str] = []

    def second() -> None:
        with other.claim(EXPERIMENT, KEY, said.append):
            order.append("second")

    with tracker.claim(EXPERIMENT, KEY), tracker.claim(EXPERIMENT, KEY):
        thread = threading.Thread(target=second)
        thread.start()
        while not said:
            time.sleep(0.02)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    assert "another process works on the same (k)" in said[0]


@pytest.fixture
def locked(tracker: Tracker) -> Iterator[sqlite3.Connection]:
    assert tracker.experiment(EXPERIMENT)
    other = sqlite3.connect(tracker.database, isolation_level=None, check_same_thread=False)
    yield other
    other.close()


def brief(tracker: Tracker) -> Tracker:
    """The same store, of which the driver waits for a lock for a tenth of a second."""
    return Tracker(tracker.tracking.model_copy(update={"uri": f"sqlite:///{tracker.database}?timeout=0.1"}))


def test_a_database_that_is_locked_for_a_while_loses_nothing(tracker: Tracker, locked: sqlite3.Connection) -> None:
    with brief(tracker).run(EXPERIMENT, "a", TAGS, key=KEY) as run:
        locked.execute("BEGIN EXCLUSIVE")
        timer = threading.Timer(1.5, lambda: locked.execute("COMMIT"))
        timer.start()
        run.metrics({"train/loss": 1.0}, 1)
        run.flush()
        timer.join()
    assert run.history("train/loss") == [(1, 1.0)]
    assert states(tracker) == {"a": "FINISHED"}


def test_a_database_that_stays_locked_is_a_failure_of_the_store_and_its_run_is_taken_up(
    tracker: Tracker, locked: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(run_log, "PATIENCE", 0)
    with pytest.raises(StoreError, match="locked"), brief(tracker).run(EXPERIMENT, "a", TAGS, key=KEY) as run:  # noqa: PT012
        run.metrics({"train/loss": 1.0}, 1)
        locked.execute("BEGIN EXCLUSIVE")
        run.flush()
    assert f"run {run.run_id} cannot be marked FAILED" in caplog.text
    locked.execute("COMMIT")
    assert states(tracker) == {"a": "RUNNING"}
    with tracker.run(EXPERIMENT, "a", TAGS, key=KEY) as again:
        assert again.run_id == run.run_id
    assert run.history("train/loss") == [(1, 1.0)], "what could not be sent is kept beside the store"
    assert states(tracker) == {"a": "FINISHED"}


def test_a_look_up_makes_nothing(tmp_path: Path) -> None:
    tracker = Tracker(Tracking(root=str(tmp_path / "mlruns")))
    results: list[Any] = [tracker.find(EXPERIMENT, KEY), tracker.runs(EXPERIMENT, "cell"), tracker.read_run("0" * 32)]
    results += [tracker.registry.models(), tracker.registry.versions("m"), tracker.registry.with_alias("final-sums")]
    results += [tracker.children("0" * 32, [EXPERIMENT], "RUNNING"), tracker.bury_dead("made"), tracker.experiments()]
    assert not any(results)
    assert not (tmp_path / "mlruns").exists()


def test_a_finished_run_says_nothing_of_a_failure_that_it_outlived(tracker: Tracker) -> None:
    """As where a process that was suspended was taken for dead, and went on."""
    with tracker.run(EXPERIMENT, "a", TAGS, key=KEY) as run:
        tracker.client.set_tag(run.run_id, owner.FAILURE, "its process ended without a word")
    assert owner.FAILURE not in tags_of(tracker, run.run_id)
    assert states(tracker) == {"a": "FINISHED"}
