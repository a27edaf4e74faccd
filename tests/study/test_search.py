"""Trials that are shared, put back and halved: by one process, by several, by several machines."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.exceptions import StorageInternalError
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.exc import OperationalError

from tests.killing import environment
from tests.studies import arguments, asked, do
from ttt.spec import Tracking
from ttt.study.search import COUNTED, SUPERFLUOUS, Diverged, Search
from ttt.study.space import StudySpec
from ttt.tracking import Tracker

SEARCHED: dict[str, Any] = {"learning_rate": {"low": 0.5, "high": 2.0, "relative": True}}


def search_in(folder: Path, n_trials: int = 2, **fields: Any) -> Search:
    spec = StudySpec(n_trials=n_trials, search=SEARCHED, **fields)
    return Search("s", spec, {"learning_rate": 1.0}, 0, folder)


def states_of(search: Search) -> list[str]:
    return [trial.state.name for trial in search.study.get_trials()]


class Gone(BaseException):
    """The end of a process, as far as one within it can play it."""


def test_a_trial_whose_process_is_gone_is_put_back(tmp_path: Path) -> None:
    first = search_in(tmp_path)
    first.study.enqueue_trial({"learning_rate": 1.0})
    trial = first.study.ask()
    first.storage.begin(trial)
    left = first._suggest(trial)
    first.close()  # as the end of the process would
    second = search_in(tmp_path)
    asked_for = []

    def objective(trial: Trial, values: dict[str, float]) -> float:
        asked_for.append(values["learning_rate"])
        return 0.5

    second.carry_out(objective)
    assert asked_for[0] == left["learning_rate"] == 1.0
    assert states_of(second) == ["FAIL", "COMPLETE", "COMPLETE"]
    assert [values for values, _ in second.counted()] == [{"learning_rate": value} for value in asked_for]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, Gone])
def test_a_trial_that_is_stopped_is_asked_for_again(tmp_path: Path, error: type[BaseException]) -> None:
    def stop(trial: Trial, values: dict[str, float]) -> float:
        raise error("stopped")

    first = search_in(tmp_path)
    with pytest.raises(error):
        first.carry_out(stop)
    first.close()
    assert states_of(first) == ["FAIL", "WAITING"]
    second = search_in(tmp_path)
    second.carry_out(lambda trial, values: values["learning_rate"])
    assert sorted(states_of(second)) == ["COMPLETE", "COMPLETE", "FAIL"]
    assert second.counted()[0][0] == {"learning_rate": 1.0}


def test_what_is_asked_for_twice_at_once_is_done_once(tmp_path: Path) -> None:
    """Two processes that see one trial missing both ask, as no lock reaches from one machine to another."""
    search = search_in(tmp_path, 3, storage=f"sqlite:///{tmp_path}/optuna.db")
    done: list[float] = []

    def objective(trial: Trial, values: dict[str, float]) -> float:
        if not done:  # while this one works, others ask for it again, and for more than there are to be
            search.study.enqueue_trial({"learning_rate": 1.0})
            for place in range(4):
                search.study.enqueue_trial({"learning_rate": 0.5 + 0.1 * place})
        done.append(values["learning_rate"])
        return 0.5

    search.carry_out(objective)
    assert done == [1.0, 0.5, 0.6]
    assert search.n_counted == 3


def test_halving_lets_the_better_half_on(tmp_path: Path) -> None:
    spec = StudySpec(n_trials=4)
    study = Search("h", spec, {}, 0, tmp_path).study
    stopped = []
    for score in (0.5, 0.4, 0.6, 0.55):
        trial = study.ask()
        trial.report(score, 0)
        stopped.append(trial.should_prune())
        study.tell(trial, state=TrialState.PRUNED) if stopped[-1] else study.tell(trial, score)
    assert stopped == [False, True, False, False]
    assert isinstance(study, optuna.Study)


def test_a_trial_that_diverged_keeps_no_other_from_its_rungs(tmp_path: Path) -> None:
    search = Search("h", StudySpec(n_trials=2), {}, 0, tmp_path)
    stopped = []

    def objective(trial: Trial, values: dict[str, float]) -> float:
        trial.report(0.9 if trial.number == 0 else 0.1, 0)
        if trial.number == 0:
            raise Diverged("the loss is nan")
        stopped.append(trial.should_prune())
        return 0.1

    search.carry_out(objective)
    assert stopped == [False]
    assert search.n_counted == 2


class Said:
    """A study in a process of its own, and the lines that it says."""

    def __init__(self, argv: list[str]):
        self.process = subprocess.Popen([sys.executable, "-c", QUICK, *argv], env=environment(), stderr=subprocess.PIPE,
                                        text=True)  # fmt: skip
        self.lines: list[str] = []
        self.listener = threading.Thread(target=self._listen, daemon=True)
        self.listener.start()

    def __enter__(self) -> Said:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()  # whatever becomes of the test: it may be stopped, and would stay so for ever
        self.process.wait()

    def _listen(self) -> None:
        assert self.process.stderr is not None
        self.lines.extend(self.process.stderr)

    def wait_for_another(self, text: str) -> None:
        n_before = self._count(text)
        while self._count(text) == n_before:
            assert self.listener.is_alive(), "".join(self.lines)
            time.sleep(0.01)

    def _count(self, text: str) -> int:
        return sum(text in line for line in list(self.lines))

    def end(self) -> str:
        self.listener.join(280)
        return "".join(self.lines)


QUICK = """
import ttt.study.storage as storage
storage.HEARTBEAT, storage.GRACE = 1, 20
from ttt.saturate import COMMAND
COMMAND.main()
"""


@pytest.mark.slow
def test_machines_that_share_a_database_take_over_the_trials_of_the_dead_alone(conf: Path, tmp_path: Path) -> None:
    """Two processes with roots of their own; the one that is killed in a trial leaves it to the other."""
    storage = f"sqlite:///{tmp_path}/optuna.db"
    options = ("study.n_trials=8", f"study.storage={storage}", f"tracking.uri=sqlite:///{tmp_path}/mlflow.db")

    def trials() -> list[FrozenTrial]:
        database = optuna.storages.RDBStorage(storage)
        [study] = optuna.get_all_study_names(database)
        all_trials = optuna.load_study(study_name=study, storage=database).get_trials()
        return [trial for trial in all_trials if SUPERFLUOUS not in trial.user_attrs]

    made = asked(conf, tmp_path / "second", *options)
    Tracker(Tracking(root=str(tmp_path / "first"), uri=made.tracking.uri)).experiment("default/sums")
    with (
        Said(arguments(conf, tmp_path / "first", *options)) as first,
        Said(arguments(conf, tmp_path / "second", *options)) as second,
    ):
        second.wait_for_another("after 32 examples")
        states: list[TrialState] = []
        while states.count(TrialState.RUNNING) != 2:  # until both are in the middle of a trial
            first.process.send_signal(signal.SIGCONT)
            first.wait_for_another("after 32 examples")
            first.process.send_signal(signal.SIGSTOP)
            with suppress(OperationalError, StorageInternalError):  # it was stopped while it held the database's lock
                states = [trial.state for trial in trials()]
        first.process.kill()
        said = second.end()
        assert second.process.wait(60) == 0, said
    assert TrialState.FAIL not in states, "a trial is left to a process that lives"
    [failed] = [trial for trial in trials() if trial.state == TrialState.FAIL]
    assert failed.params in [trial.params for trial in trials() if trial.state in COUNTED]
    result, _ = do(made)
    assert result.n_trials == len(result.trials) == 8
    runs = Tracker(made.tracking).client.search_runs([Tracker(made.tracking).experiment("default/sums")])
    assert {run.info.status for run in runs} == {"FINISHED"}
