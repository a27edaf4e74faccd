"""The ladder of budgets, and how the rate goes on it."""

from __future__ import annotations

import numpy as np
import pytest

from ttt.spec import Adjustment, SpecError
from ttt.study.space import StudySpec, ladder

RECIPE = Adjustment(name="a", method="full", examples=640, batch_size=8, warmup=0.1, final_rate=0.1)


def test_budgets_double_up_to_twice_the_adjustments_own() -> None:
    rungs = ladder(StudySpec(n_rungs=4), RECIPE, 640)
    assert rungs.budgets == (160, 320, 640, 1280)
    assert [rungs.leaves_at(k) for k in range(4)] == [16, 32, 64, 128]
    with pytest.raises(SpecError, match="at least 4 are needed"):
        ladder(StudySpec(n_rungs=9), RECIPE, 640)


def test_the_rate_rises_stays_and_falls() -> None:
    rungs = ladder(StudySpec(n_rungs=3), RECIPE, 320)
    rate = rungs.falling(2)
    rates = [rate(step) for step in range(rungs.steps[2])]
    assert rates[0] == pytest.approx(1 / rungs.n_warmup)
    first = rungs.leaves_at(2)
    assert set(rates[rungs.n_warmup : first + 1]) == {1.0}
    assert np.all(np.diff(rates[first:]) < 0)
    assert rates[-1] == pytest.approx(0.1, abs=0.06)
    assert rates[-1] > 0.1
