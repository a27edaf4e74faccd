"""The paper's benches in one command: what `tests/performance/eighteen.py` claims, on fewer questions."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hub import standing_in
from tests.performance.eighteen import BENCHES, NEED_MATH, Here, in_one_command, runnable
from tests.performance.hub_data import publish_all


@pytest.mark.slow
def test_all_benches_of_the_paper_take_two_trainings(tmp_path: Path) -> None:
    assert len(BENCHES) == 18
    benches = runnable()
    assert {*BENCHES} - {*benches} <= NEED_MATH, "without the extra `math` there are sixteen"
    publish_all(tmp_path / "hub", n=4, n_of_many=1, n_task_data=64)
    with standing_in(tmp_path / "hub") as endpoint:
        one = in_one_command(Here(tmp_path, endpoint), benches)
    assert list(one.results) == benches
    assert (len(one.n_tokens), one.n_cells, one.n_running) == (2, len(benches), 0)
    trainings = {bench: result["adjusted_model"]["key"] for bench, result in one.results.items()}
    mathematical = {bench for bench in benches if trainings[bench] == trainings["gsm8k"]}
    assert mathematical == {"gsm8k", *NEED_MATH} & {*benches}
    assert len({trainings[bench] for bench in benches if bench not in mathematical}) == 1
