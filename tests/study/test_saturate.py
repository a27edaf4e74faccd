"""Studies of budgets from request to verdict: what is kept, tagged, resumed and refused."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cells import request, run_cell
from tests.killing import environment
from tests.studies import arguments, asked, do
from ttt.cell.final import read_study
from ttt.cell.read import read_items
from ttt.cell.study_result import SATURATED_TAG, StudyResult
from ttt.engine.load import digest, load
from ttt.engine.training.step import NonFiniteLossError
from ttt.saturate import Request, show
from ttt.spec import SpecError
from ttt.study.trial import ReachedRung, TrialTraining, score
from ttt.study.trials import Trials
from ttt.tracking import Tracker


@pytest.fixture(scope="module")
def done(conf: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[StudyResult, Request]:
    made = asked(conf, tmp_path_factory.mktemp("study"), "study.price_per_hour=2.5")
    cell = request(
        conf, Path(made.tracking.root), "adjustment.examples=64", "adjustment.learning_rate=1e-3", "trainer=lab"
    ).cells[0]
    run_cell(cell, made.trainer, Tracker(made.tracking))
    return do(made)[0], made


def test_the_result_and_what_is_tagged(done: tuple[StudyResult, Request]) -> None:
    result, made = done
    tracker = Tracker(made.tracking)
    run = tracker.client.get_run(result.run_id)
    assert (run.info.status, run.data.tags["ttt.kind"]) == ("FINISHED", "saturation")
    assert [rung.budget for rung in result.rungs] == [0, 32, 64, 128]
    assert result.n_trials == len(result.trials) == 3
    children = tracker.client.search_runs(
        [run.info.experiment_id], f"tags.`mlflow.parentRunId` = '{run.info.run_id}' and tags.`ttt.kind` = 'trial'"
    )
    assert {child.info.run_id for child in children} > {trial.run_id for trial in result.trials}
    assert {child.info.status for child in children} == {"FINISHED"}
    [tagged] = result.cells.items()
    word = SATURATED_TAG[result.at(64)[0]]
    assert tagged[1] == word == tracker.client.get_run(tagged[0]).data.tags["ttt.saturated"]
    [final] = [
        version for version in tracker.registry.versions("tiny") if version.tags.get("cell/default/sums") == tagged[0]
    ]
    assert final.tags["saturated/default/sums"] == word
    assert ("final-sums" in final.aliases) == (word == "yes")
    study = result.cost_of_study
    assert study.n_tokens < study.n_tokens_anew <= study.n_tokens_full_grid
    assert study.money == pytest.approx(2.5 * study.seconds / 3600)
    assert study.flops == pytest.approx(40_000 * (6 * study.n_tokens + 2 * study.n_tokens_scored))
    for path in ("figures/budgets.png", "figures/optimization_history.png", "result.json", "items/curve.parquet"):
        assert tracker.artifact(result.run_id, path), path
    curve = read_items(tracker, result.run_id, "curve")
    assert {int(name): score for name, score in curve.mean().items()} == pytest.approx(
        {rung.budget: rung.score for rung in result.rungs}
    )
    assert result.validation_digest


def test_a_later_cell_is_tagged_by_the_study_there_is(done: tuple[StudyResult, Request], conf: Path) -> None:
    result, made = done
    overrides = ("adjustment.examples=64", "adjustment.learning_rate=1e-3", "trainer=lab", "seed=1")
    cell = request(conf, Path(made.tracking.root), *overrides).cells[0]
    tracker = Tracker(made.tracking)
    for kind in ("saturation", "cell"):  # somebody has removed all other tags of theirs
        with tracker.run(f"{cell.suite}/{cell.bench.name}", "stray", {"ttt.kind": kind}) as stray:
            stray.metrics({"train/n_examples": 64})
    run = tracker.client.get_run(run_cell(cell, made.trainer, tracker).run_id)
    assert run.data.tags["ttt.saturated"] == SATURATED_TAG[result.at(64)[0]]
    assert run.data.tags["ttt.saturated_by"] == result.run_id


def test_a_study_goes_on_to_its_total_and_its_verdict_holds_meanwhile(
    done: tuple[StudyResult, Request], conf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result, made = done
    again, said = do(made)
    assert again == result
    assert "judged before" in said[0]

    tracker, in_force = Tracker(made.tracking), list[str]()
    further = replace(made, study=made.study.model_copy(update={"n_trials": 4}))

    def stopped(self: Trials, *arguments: Any) -> float:
        in_force.extend(run.info.run_id for run in tracker.runs("default/sums", "saturation"))
        raise KeyboardInterrupt

    monkeypatch.setattr(Trials, "objective", stopped)
    with pytest.raises(KeyboardInterrupt):
        do(further)
    monkeypatch.undo()
    assert result.run_id in in_force, "while the fourth trial is on its way"
    assert read_study(tracker, tracker.get_run(result.run_id)) == result
    overrides = ("adjustment.examples=64", "adjustment.learning_rate=1e-3", "trainer=lab", "seed=2")
    later = run_cell(request(conf, Path(made.tracking.root), *overrides).cells[0], made.trainer, tracker)
    assert tracker.get_run(later.run_id).data.tags["ttt.saturated_by"] == result.run_id, "and after it was stopped"

    more, _ = do(further)
    assert (more.n_trials, do(further)[0], do(made)[0]) == (4, more, more)
    in_force = [run.info.run_id for run in tracker.runs("default/sums", "saturation")]
    assert more.run_id in in_force
    assert result.run_id not in in_force
    assert tracker.get_run(result.run_id).data.tags["ttt.superseded"] == more.run_id
    assert tracker.get_run(later.run_id).data.tags["ttt.saturated_by"] == more.run_id
    assert [trial.run_id for trial in more.trials][:3] == [trial.run_id for trial in result.trials]
    parents = [tracker.get_run(trial.run_id).data.tags["mlflow.parentRunId"] for trial in more.trials]
    assert parents == [more.run_id] * 4


def test_a_study_of_a_version_begins_from_its_weights(
    done: tuple[StudyResult, Request], conf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Path(done[1].tracking.root)
    versions = Tracker(done[1].tracking).registry
    adjusted = versions.find("tiny", "adjusted-sums").tags["ttt.digest"]
    digests = []

    def loading(*arguments: Any) -> Any:
        model, tokenizer = load(*arguments)
        digests.append(digest(model))
        return model, tokenizer

    def scoring(backend: Any, *arguments: Any) -> Any:
        digests.append(digest(backend.model))
        return score(backend, *arguments)

    monkeypatch.setattr("ttt.study.trial.load", loading)
    monkeypatch.setattr("ttt.study.run.score", scoring)
    small = ("study.n_rungs=2", "study.n_trials=1", "study.compare_schedules=false")
    versions.drop_alias(versions.find("tiny", "adjusted-sums"), "final-sums")
    with pytest.raises(SpecError, match=r"model\.version: .*final-sums"):
        do(asked(conf, root, "model.version=final-sums", *small))
    versions.set_alias(versions.find("tiny", "adjusted-sums"), "final-sums")
    result, _ = do(asked(conf, root, "model.version=final-sums", *small))
    assert digests == 2 * [adjusted], "what is scored at first, and what the trial begins from"
    assert adjusted != versions.find("tiny", "base").tags["ttt.digest"]
    assert result.cells == {}, "cells that begin from other weights are not covered"
    again, said = do(asked(conf, root, "model.version=adjusted-sums", *small))
    assert (again, any("judged before" in line for line in said)) == (result, True), "the same version by another alias"


@pytest.mark.slow
def test_two_processes_share_a_study(conf: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ttt.saturate", *arguments(conf, tmp_path, "study.n_trials=4")]
    both = [subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, text=True) for _ in range(2)]
    errors = [process.communicate(timeout=280)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], errors
    made = asked(conf, tmp_path, "study.n_trials=4")
    result, said = do(made)
    assert "judged before" in said[0]
    assert result.n_trials == 4


def test_a_study_in_which_every_trial_diverges_ends_in_a_verdict(
    conf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = asked(conf, tmp_path, "adjustment.learning_rate=1e30", "study.n_trials=2")
    result, said = do(made)
    assert any("the step was not taken" in line for line in said)
    assert (result.verdict, result.smallest_budget, result.cost, result.schedules) == ("undecided", None, None, None)
    assert "no trial reached 32 examples, so that 64 are not judged; of 2 trials 2 diverged" in result.reason
    assert (result.unreached, [rung.budget for rung in result.rungs]) == ((32, 64, 128), [0])
    run = Tracker(made.tracking).client.get_run(result.run_id)
    assert (run.info.status, run.data.tags["ttt.saturated"]) == ("FINISHED", "undecided")
    assert do(made)[0] == result
    show([result.to_json()])
    shown = capsys.readouterr().out
    assert "not reached" in shown
    assert "no budget is shown to be sufficient" in shown


def test_a_study_whose_trials_end_before_the_top_ends_in_a_verdict(
    conf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = TrialTraining.reach

    def reach(self: TrialTraining, place: int) -> tuple[ReachedRung, np.ndarray]:
        if place == 2:
            raise NonFiniteLossError("the loss is nan")
        return real(self, place)

    monkeypatch.setattr(TrialTraining, "reach", reach)
    made = asked(conf, tmp_path, "study.n_trials=2")
    result, _ = do(made)
    assert (result.verdict, result.smallest_budget, result.unreached) == ("undecided", None, (128,))
    assert "no trial reached 128 examples" in result.reason
    assert result.schedules is not None
    assert result.schedules.budget == 64
