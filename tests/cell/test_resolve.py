"""What is done is read back, as long as its run has what it kept."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cells import request, run_cell
from ttt.cell.read import read_items
from ttt.tracking import Tracker


@pytest.mark.parametrize("lost", ["result.json", "items"])
def test_a_cell_whose_artifacts_somebody_removed_is_done_again(conf: Path, tmp_path: Path, lost: str) -> None:
    asked = request(conf, tmp_path / "mlruns", adjustment="none")
    tracker, said = Tracker(asked.tracking), list[str]()
    first = run_cell(asked.cells[0], asked.trainer, tracker, say=said.append)
    assert run_cell(asked.cells[0], asked.trainer, tracker, say=said.append) == first
    place = tracker.artifact(first.run_id, lost)
    assert place is not None
    if place.is_dir():
        shutil.rmtree(place)
    else:
        place.unlink()
    again = run_cell(asked.cells[0], asked.trainer, tracker, say=said.append)
    (why,) = (text for text in said if "done before, and now again" in text)
    assert first.run_id in why
    assert lost in why
    assert (again.key, again.base) == (first.key, first.base)
    assert [run.info.run_id for run in tracker.runs("default/sums", "cell")] == [again.run_id]
    assert len(read_items(tracker, again.run_id, "base")) == again.n_items
