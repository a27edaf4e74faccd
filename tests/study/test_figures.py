"""Optuna's own plots are drawn where there is something to compare."""

from __future__ import annotations

import optuna
import pytest

from ttt.study.figures import study_figures


@pytest.mark.parametrize(("n_trials", "expected"), [(1, set()), (2, {"optimization_history", "intermediate_values"})])
def test_one_trial_has_nothing_to_be_compared_with(n_trials: int, expected: set[str]) -> None:
    study = optuna.create_study(direction="maximize")

    def objective(trial: optuna.Trial) -> float:
        trial.report(0.5, 0)
        return trial.suggest_float("learning_rate", 0.25, 4.0)

    study.optimize(objective, n_trials=n_trials)
    names = set(study_figures(study))
    assert names >= expected
    assert bool(names) == bool(expected)
