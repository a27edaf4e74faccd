"""Stores to begin from: a database takes seconds to make, and a copy of one none."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ttt.spec import Tracking
from ttt.tracking import Tracker


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database without experiments."""
    tracker = Tracker(Tracking(root=str(tmp_path_factory.mktemp("empty"))))
    assert tracker.client, "asked for, it makes the store"
    return tracker.database


@pytest.fixture
def root(empty: Path, tmp_path: Path) -> Path:
    root = tmp_path / "mlruns"
    root.mkdir()
    shutil.copy(empty, root)
    return root


@pytest.fixture
def tracker(root: Path) -> Tracker:
    return Tracker(Tracking(root=str(root)))
