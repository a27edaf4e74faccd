"""Benches over files in the test's own folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tasks.benches import Benches


@pytest.fixture
def benches(tmp_path: Path) -> Benches:
    return Benches(tmp_path)
