"""Killed at any moment and run again: the same runs, scores, items and versions as without the kill."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from tests.cells import request, run_cell
from tests.killing import call, call_for, left
from ttt.engine.training.checkpoints import last_checkpoint, step_of
from ttt.tracking import Tracker

EXPERIMENT, ADJUSTING = "default/sums", "default/adjusting"


def arguments(conf: Path, root: Path, *more: str) -> list[str]:
    return [
        f"--config-dir={conf}",
        "model=tiny",
        "bench=sums",
        "adjustment=smoke",
        f"tracking.root={root}",
        "trainer=lab",
        "adjustment.examples=80",
        "adjustment.evaluate_at=[4,7]",
        "trainer.eval_tokens=512",
        *more,
    ]


@pytest.fixture(scope="module")
def undisturbed(conf: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    root = tmp_path_factory.mktemp("undisturbed")
    assert call("ttt.run", arguments(conf, root)) == 0
    found = left(root, EXPERIMENT, ADJUSTING)
    assert {status for status, *_ in found["runs"].values()} == {"FINISHED"}
    assert not found["waste"]
    return found


POINTS = [
    ("ttt.tracking:RunLog.json", 1),  # the base model's run was just made
    ("ttt.engine.scoring.answers:Answers.add", 3),  # while the base model is scored
    ("ttt.engine.scoring.answers:Answers.add", 12),
    ("ttt.engine.training.step:TrainingStep.take", 7),  # between two checkpoints
    ("ttt.engine.training.checkpoints:last_checkpoint", 1),
    ("torch.distributed.checkpoint:save", 2),  # in place of the second checkpoint
    ("ttt.cell.on_the_way:ScoresOnTheWay.add", 2),
    ("ttt.cell.adjusting:_save", 1),  # trained, and not yet saved
    ("ttt.tracking:RunLog.weights", 1),
    ("ttt.tracking:Tracker._finish", 2),  # the weights are among the artifacts, and their run not yet finished
    ("ttt.tracking:Tracker.clear", 2),  # it is finished, and not yet cleared
    ("ttt.cell.run:register_adjusted", 1),
    ("mlflow:MlflowClient.set_registered_model_alias", 2),
    ("ttt.cell.log:card", 2),
    ("ttt.tracking:Tracker._finish", 3),
    ("ttt.tracking:Tracker.clear", 3),
]


@pytest.mark.slow
@pytest.mark.parametrize(("place", "n"), POINTS)
def test_a_killed_cell_ends_as_if_it_had_not_been(
    conf: Path, tmp_path: Path, undisturbed: dict[str, Any], place: str, n: int
) -> None:
    assert call("ttt.run", arguments(conf, tmp_path), die_at=(place, n)) == -signal.SIGKILL
    assert call("ttt.run", arguments(conf, tmp_path)) == 0
    assert left(tmp_path, EXPERIMENT, ADJUSTING) == undisturbed


@pytest.mark.slow
def test_sigterm_leaves_a_checkpoint_and_the_code_of_a_stopped_process(
    conf: Path, tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    code, seconds = 0, 3.0
    while code == 0 or not list(tmp_path.glob("cells/*/checkpoints/*.ckpt")):  # the moment depends on the machine
        assert code in (0, -signal.SIGTERM, 128 + signal.SIGTERM)  # the second: it came before anything was begun
        assert seconds < 60
        longer = arguments(conf, tmp_path, "adjustment.examples=80000", "adjustment.evaluate_at=[]")
        code = call_for("ttt.run", longer, seconds, signal.SIGTERM)
        seconds += 3
    assert code == 128 + signal.SIGTERM
    tracker = Tracker(request(conf, tmp_path).tracking)
    stopped = tracker.client.search_runs([tracker.experiment(ADJUSTING)], "attributes.status = 'KILLED'")
    assert len(stopped) == 1
    [folder] = tmp_path.glob("cells/*/checkpoints")
    taken = step_of(last_checkpoint(folder) or Path())
    losses = tracker.client.get_metric_history(stopped[0].info.run_id, "train/loss")
    assert len(losses) == taken, "a checkpoint is never ahead of what was logged"


def test_a_broken_checkpoint_is_told_of_and_the_one_before_is_gone_on_from(
    conf: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = request(conf, tmp_path / "a", "adjustment.evaluate_at=[1,2,3]")
    whole = run_cell(asked.cells[0], asked.trainer, Tracker(asked.tracking))
    asked = request(conf, tmp_path / "b", "adjustment.evaluate_at=[1,2,3]")
    monkeypatch.setattr("ttt.engine.training.adjust.Adjusted", None)  # fails once trained, before anything is saved
    with pytest.raises(TypeError):
        run_cell(asked.cells[0], asked.trainer, Tracker(asked.tracking))
    monkeypatch.undo()
    [folder] = (tmp_path / "b").glob("cells/*/checkpoints")
    newest = last_checkpoint(folder)
    assert newest is not None
    assert step_of(newest) == 3
    shard = newest / "__0_0.distcp"
    shard.write_bytes(shard.read_bytes()[:-100])
    again = run_cell(asked.cells[0], asked.trainer, Tracker(asked.tracking))
    assert "is broken" in caplog.text
    assert "the one before it is tried" in caplog.text
    assert again.digest_adjusted == whole.digest_adjusted
    assert (again.adjusted, again.base) == (whole.adjusted, whole.base)


def test_all_checkpoints_broken_is_a_new_start(conf: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    for step in (1, 2):
        (folder / f"step-{step:08d}.{'0' * 16}.ckpt").write_bytes(b"not what was written")
    assert last_checkpoint(folder) is None
    assert "training starts anew" in caplog.text
    assert not list(folder.glob("*.ckpt"))


def test_a_full_disk_fails_the_run_and_the_rerun_goes_on(
    conf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    from torch.distributed import checkpoint as dcp

    asked = request(conf, tmp_path, "adjustment.evaluate_at=[2,3]")
    real, calls = dcp.save, []

    def full(*args: Any, **kwargs: Any) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(*args, **kwargs)

    monkeypatch.setattr(dcp, "save", full)
    with pytest.raises(OSError, match="No space left"):
        run_cell(asked.cells[0], asked.trainer, Tracker(asked.tracking))
    tracker = Tracker(asked.tracking)
    [failed] = tracker.client.search_runs([tracker.experiment(ADJUSTING)], "attributes.status = 'FAILED'")
    assert "No space left" in failed.data.tags["ttt.failure"]
    again = run_cell(asked.cells[0], asked.trainer, Tracker(asked.tracking))
    assert again.adjusted_model
    assert again.adjusted_model["run_id"] == failed.info.run_id
    assert "ttt.failure" not in tracker.client.get_run(failed.info.run_id).data.tags
    losses = tracker.client.get_metric_history(failed.info.run_id, "train/loss")
    assert sorted(point.step for point in losses) == [8, 16, 24, 32]


def test_a_locked_database_is_waited_for(conf: Path, tmp_path: Path) -> None:
    """Longer than the five seconds that the driver waits by itself."""
    import sqlite3
    import threading

    asked = request(conf, tmp_path)
    tracker = Tracker(asked.tracking)
    experiment = tracker.experiment(EXPERIMENT)
    other = sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    threading.Timer(7, lambda: other.execute("COMMIT")).start()
    run = tracker.client.create_run(experiment)
    assert tracker.client.get_run(run.info.run_id).info.status == "RUNNING"


@pytest.mark.slow
def test_a_multirun_killed_on_the_way_does_the_rest(conf: Path, tmp_path: Path) -> None:
    sweep = arguments(conf, tmp_path, "adjustment.learning_rate=1e-5,2e-5,3e-5", "-m")
    # Each cell's result is written once, and so is the base model's, before the first.
    assert call("ttt.run", sweep, die_at=("ttt.cell.log:card", 3)) == -signal.SIGKILL
    tracker = Tracker(request(conf, tmp_path).tracking)
    first = {run.info.run_id for run in tracker.runs(EXPERIMENT, "cell")}
    assert len(first) == 2
    assert call("ttt.run", sweep) == 0
    runs = tracker.runs(EXPERIMENT, "cell")
    assert len(runs) == 4
    assert first < {run.info.run_id for run in runs}
    begun = tracker.client.search_runs([tracker.experiment(EXPERIMENT)], "tags.`ttt.kind` = 'cell'")
    assert len(begun) == 4, "the one that was killed was taken up, not begun again"
    (parent,) = tracker.client.search_runs([tracker.experiment(EXPERIMENT)], "tags.`ttt.kind` = 'multirun'")
    assert parent.info.status == "FINISHED"
    assert {run.data.tags["mlflow.parentRunId"] for run in runs} == {parent.info.run_id}
