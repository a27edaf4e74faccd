"""A study whose scratch was damaged goes on: what is lost is made again, and what its runs have is taken from them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from optuna.trial import TrialState

from tests.cell.test_kept import copy_store
from tests.studies import asked, do, setup_of
from ttt.cell.final import read_study
from ttt.cell.study_result import StudyResult
from ttt.saturate import Request
from ttt.study.search import Search
from ttt.study.space import StudySpec
from ttt.study.trial import TrialTraining
from ttt.tracking import Tracker

SEARCH = {"learning_rate": {"low": 0.5, "high": 2.0, "relative": True}}


def study_of(folder: Path, n_trials: int) -> list[tuple[float, TrialState]]:
    """Carry a study out; its trials' values and states."""
    spec = StudySpec(n_trials=n_trials, search=SEARCH)  # type: ignore[arg-type]
    study = Search("s", spec, {"learning_rate": 1.0}, 0, folder)
    study.carry_out(lambda trial, values: 0.5)
    study.close()
    return [(trial.params["learning_rate"], trial.state) for trial in study.study.get_trials()]


def test_a_journals_last_line_that_a_kill_has_cut_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = study_of(tmp_path, 2)
    with (tmp_path / "journal.log").open("a") as journal:
        journal.write('{"op_code":4,"worker_id":"ab')
    assert study_of(tmp_path, 3)[:2] == first
    assert "its last line is cut off" in caplog.text
    assert len(study_of(tmp_path, 4)) == 4
    assert "journal.log is damaged" not in caplog.text


@pytest.mark.parametrize("damage", [b"not JSON\n", b"{}\n", b"[]\n", b"\xff\xfe\n", b'{"op_code":4,"worker_id":"a"}\n'])
def test_a_journal_that_cannot_be_read_is_set_aside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: bytes
) -> None:
    first = study_of(tmp_path, 2)
    journal = tmp_path / "journal.log"
    whole = journal.read_bytes()
    journal.write_bytes(whole[: whole.index(b"\n") + 1] + damage + whole[whole.index(b"\n") + 1 :])
    assert study_of(tmp_path, 2) == first, "the same trials are asked for"
    assert f"{journal} is damaged, and made again" in caplog.text
    assert (tmp_path / "journal.log.damaged").exists()


def test_a_journal_in_use_is_left_alone(tmp_path: Path) -> None:
    spec = StudySpec(n_trials=2, search=SEARCH)  # type: ignore[arg-type]
    first = Search("s", spec, {"learning_rate": 1.0}, 0, tmp_path)
    whole = (tmp_path / "journal.log").read_bytes()
    (tmp_path / "journal.log").write_bytes(whole + b'{"being written')
    Search("s", spec, {"learning_rate": 1.0}, 0, tmp_path)
    assert (tmp_path / "journal.log").read_bytes().startswith(whole + b'{"being written')
    first.close()


SMALL = ("study.n_trials=2", "study.n_rungs=2", "study.compare_schedules=false")


@pytest.fixture(scope="module")
def finished(conf: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, StudyResult]:
    root = tmp_path_factory.mktemp("finished")
    return root, do(asked(conf, root, *SMALL))[0]


def test_trials_of_a_lost_journal_are_taken_from_their_runs(
    conf: Path,
    tmp_path: Path,
    finished: tuple[Path, StudyResult],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before, first = finished
    tmp_path = copy_store(before, tmp_path / "copy")
    made = asked(conf, tmp_path, *SMALL)
    [journal] = tmp_path.glob("cells/*/study/journal.log")
    journal.write_bytes(b"lost\n" + journal.read_bytes())
    for file in tmp_path.glob("cells/*/base.json"):
        file.write_text("[")
    monkeypatch.setattr(TrialTraining, "_train", None)  # nothing is trained again
    tracker = Tracker(made.tracking)
    tracker.client.update_run(first.run_id, status="FAILED")
    again, _ = do(Request(made.cell, made.study, made.trainer, made.tracking, False, 0.7, made.cutoff))
    assert "journal.log is damaged" in caplog.text
    assert "base.json is damaged" in caplog.text
    assert [trial.scores for trial in again.trials] == [trial.scores for trial in first.trials]
    assert (again.rungs, again.verdict) == (first.rungs, first.verdict)

    trial = first.trials[0].run_id
    rungs = tracker.artifact(trial, "rungs.json")
    assert rungs is not None
    content = json.loads(rungs.read_text())
    content[0]["score"] += 0.25
    rungs.write_text(json.dumps(content))
    tracker.client.update_run(first.run_id, status="FAILED")
    monkeypatch.undo()
    mended, _ = do(made)
    assert f"run {trial}: its rungs.json is not what was logged" in caplog.text
    assert tracker.client.get_run(trial).data.tags["ttt.superseded"] in [one.run_id for one in mended.trials]
    assert _scores(mended) == _scores(first)
    assert (mended.n_trials, mended.verdict) == (2, first.verdict)

    other = mended.trials[0].run_id
    gone = tracker.artifact(other, "items/validation.parquet")
    assert gone is not None
    gone.unlink()
    [journal] = tmp_path.glob("cells/*/study/journal.log")
    journal.unlink()  # so that the trial itself finds its run damaged, not only the study's end
    tracker.client.update_run(first.run_id, status="FAILED")
    again, _ = do(made)
    assert f"run {other}: items/validation.parquet is not what was logged" in caplog.text
    assert _scores(again) == _scores(first)
    assert other not in [one.run_id for one in again.trials]


def _scores(result: StudyResult) -> list[tuple[str, Mapping[int, float]]]:
    return sorted((str(trial.values), trial.scores) for trial in result.trials)


@pytest.mark.parametrize("lost", [("rung-0.json",), ("rung-1.json",), ("rung-0.json", "rung-1.json")])
def test_a_rung_that_was_lost_is_trained_again(
    conf: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, lost: tuple[str, ...]
) -> None:
    setup = setup_of(asked(conf, tmp_path))
    recipe = setup.spec.recipe(setup.cell.adjustment, setup.cell.model, {"learning_rate": 1.0})

    def reach_two() -> list[tuple[float, int, int, np.ndarray]]:
        training = TrialTraining(setup, recipe, tmp_path / "key")
        reached = [training.reach(place) for place in range(2)]
        return [(rung.score, rung.n_examples, rung.n_tokens, scores) for rung, scores in reached]

    first = reach_two()
    for name in lost:
        (tmp_path / "key" / name).write_text('["0", {}]')
    for answers in tmp_path.glob("key/answers/*"):
        answers.unlink()  # so that the weights are asked
    again = reach_two()
    assert caplog.text.count("is damaged, and made again") == len(lost)
    for before, after in zip(first, again, strict=True):
        assert before[:3] == after[:3]
        assert (before[3] == after[3]).all()


def test_a_studys_result_that_is_not_the_runs_is_made_again(
    conf: Path, tmp_path: Path, finished: tuple[Path, StudyResult], caplog: pytest.LogCaptureFixture
) -> None:
    before, first = finished
    made = asked(conf, copy_store(before, tmp_path / "copy"), *SMALL)
    tracker = Tracker(made.tracking)
    file = tracker.artifact(first.run_id, "result.json")
    assert file is not None
    for content, message in ((file.read_text()[:200], "cannot be read"), ('{"n_trials": 9}', "cannot be read")):
        file.write_text(content)
        assert read_study(tracker, tracker.client.get_run(first.run_id)) is None
        assert f"run {first.run_id}: the study's result.json {message}" in caplog.text
    file.write_text(json.dumps({**first.to_json(), "smallest_budget": 1}))
    again, said = do(made)
    assert "is not what was logged" in caplog.text
    assert not any("judged before" in line for line in said)
    assert again == first.model_copy(update={"run_id": again.run_id})
    assert tracker.get_run(first.run_id).data.tags["ttt.superseded"] == again.run_id
    assert do(made)[0] == again
