"""A checkpoint is gone on from where its content and its training are those it was written for."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from ttt.engine.training.checkpoints import last_checkpoint, load, save, step_of


def saved(folder: Path, step: int) -> Path:
    save(folder, step, {"weights": {"a": torch.arange(step)}}, {"n": step}, sharded=False)
    newest = last_checkpoint(folder)
    assert newest is not None
    assert step_of(newest) == step
    return newest


def test_a_checkpoint_holds_what_was_written_and_the_last_two_are_kept(tmp_path: Path) -> None:
    folder = tmp_path / "cells/mine/checkpoints"
    for step in (1, 2, 3):
        newest = saved(folder, step)
    weights = torch.zeros(3, dtype=torch.int64)
    assert load(newest, {"weights": {"a": weights}}, sharded=False) == {"n": 3}
    assert weights.tolist() == [0, 1, 2]
    assert sorted(step_of(path) for path in folder.iterdir()) == [2, 3]


@pytest.mark.parametrize("file", ["__0_0.distcp", ".metadata", "facts.json"])
def test_whatever_of_it_is_damaged_the_one_before_is_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, file: str
) -> None:
    folder = tmp_path / "cells/mine/checkpoints"
    first, second = saved(folder, 1), saved(folder, 2)
    (second / file).write_bytes((second / file).read_bytes()[:-1] + b"?")
    assert last_checkpoint(folder) == first
    assert "the one before it is tried" in caplog.text
    (first / file).unlink()
    assert last_checkpoint(folder) is None
    assert "training starts anew" in caplog.text
    assert not list(folder.iterdir())


def test_another_trainings_checkpoint_is_not_gone_on_from(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    mine, other = tmp_path / "cells/mine/checkpoints", tmp_path / "cells/other/checkpoints"
    first = saved(mine, 1)
    newest = saved(other, 2)
    shutil.copytree(newest, mine / newest.name)
    assert last_checkpoint(mine) == first
    assert "is broken, or another training's" in caplog.text


def test_a_store_that_was_moved_goes_on(tmp_path: Path) -> None:
    name = saved(tmp_path / "before/cells/key/checkpoints", 3).name
    (tmp_path / "before").rename(tmp_path / "after")
    assert last_checkpoint(tmp_path / "after/cells/key/checkpoints") == tmp_path / "after/cells/key/checkpoints" / name
