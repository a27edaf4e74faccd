"""A checkpoint is gone on from where its content and its training are those it was written for."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ttt.engine.training.checkpoints import CheckpointFiles, last_checkpoint, step_of


def save(folder: Path, step: int) -> Path:
    CheckpointFiles().save_checkpoint({"global_step": step, "state_dict": {"a": step}}, folder)
    found = last_checkpoint(folder)
    assert found is not None
    assert step_of(found) == step
    return found


def test_another_trainings_checkpoint_is_not_gone_on_from(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    mine, other = tmp_path / "cells/mine/checkpoints", tmp_path / "cells/other/checkpoints"
    first = save(mine, 1)
    shutil.copy(save(other, 2), mine)
    assert last_checkpoint(mine) == first
    assert "is broken, or another training's" in caplog.text


def test_a_store_that_was_moved_goes_on(tmp_path: Path) -> None:
    name = save(tmp_path / "before/cells/key/checkpoints", 3).name
    (tmp_path / "before").rename(tmp_path / "after")
    assert last_checkpoint(tmp_path / "after/cells/key/checkpoints") == tmp_path / "after/cells/key/checkpoints" / name
