"""A store that was moved, copied or linked to, or that can only be read, is found where it is."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.stores import ask
from tests.tracking.test_store import EXPERIMENT, content, finished, made, opened
from ttt.comparison.options import Options
from ttt.spec import SpecError
from ttt.tracking import StoreError


@pytest.fixture
def archive() -> Iterator[Path]:
    """A folder that any user may look into."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@contextmanager
def read_only(root: Path) -> Iterator[None]:
    """A store that can be read only, also for root, who is somebody else for so long."""
    paths, was = [root, *root.rglob("*")], os.geteuid()
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    if was == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(was)
        for path in paths:
            path.chmod(0o755)


def test_a_store_that_can_only_be_read_is_compared(
    empty: Path, archive: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (archive / "old").mkdir()
    shutil.copy(empty, archive / "old")
    names = [cell.model.name for cell in made(archive / "old")]
    root = (archive / "old").rename(archive / "new")  # an archive is often found at another place than it was made
    before = content(root)
    with read_only(root):
        tracker = opened(root)
        found = ask(tracker, "items", ["sums"], Options(suite="made"), names)
    assert found.run_id is None
    assert [row.score for row in found.models] == [0.5, 0.5, 0.75, 0.75]
    assert "cannot be written to" in caplog.text
    assert content(root) == before


def test_a_moved_store_is_found_where_it_is(root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tracker = opened(root)
    run = finished(tracker)
    tracker.registry.register("model", run.run_id, "note.json", {})
    there = tmp_path / "an other, 100% (place)"
    root.rename(there)
    tracker = opened(there)
    assert f"{there} was moved from {root}" in caplog.text
    assert tracker.read_json(run.run_id, "note.json") == "hello"
    assert finished(tracker).artifacts.is_relative_to(there)  # type: ignore[union-attr]
    (version,) = tracker.client.search_model_versions("name = 'model'")
    assert version.source == f"{(there / 'artifacts' / EXPERIMENT / run.run_id).as_uri()}/artifacts/note.json"
    assert not root.exists()
    caplog.clear()
    opened(there)
    assert caplog.text == ""


def test_a_store_that_is_worked_on_elsewhere_is_read_and_left_as_it_is(root: Path, tmp_path: Path) -> None:
    """One store, seen from two mount points: opening it through one sends no job at the other astray."""
    tracker = opened(root)
    run = finished(tracker)
    there = tmp_path / "mounted"
    with tracker.lock("k"):
        root.rename(there)
        before = content(there)
        elsewhere = opened(there)
        assert elsewhere.read_json(run.run_id, "note.json") == "hello"
        assert not elsewhere.is_writable
        with pytest.raises(StoreError, match=f"{there}: its artifacts are said to be in {root}"):
            finished(elsewhere)
        assert content(there) == before
    assert opened(there).is_writable
    assert finished(opened(there)).artifacts.is_relative_to(there)  # type: ignore[union-attr]


def test_a_copied_store_leaves_the_original_alone(root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = finished(opened(root))
    copy = shutil.copytree(root, tmp_path / "copy")
    before = content(root)
    tracker = opened(copy)
    assert f"{copy} was copied from {root}" in caplog.text
    tracker.open(run.run_id).json("changed", "note.json")
    finished(tracker)
    assert content(root) == before
    assert tracker.read_json(run.run_id, "note.json") == "changed"
    assert opened(root).read_json(run.run_id, "note.json") == "hello"


def test_a_database_copied_without_its_artifacts_is_refused(root: Path, tmp_path: Path) -> None:
    finished(opened(root))
    (tmp_path / "copy").mkdir()
    shutil.copy(root / "mlflow.db", tmp_path / "copy")
    with pytest.raises(SpecError, match="without its artifacts: copy"):
        opened(tmp_path / "copy")


def test_a_link_to_the_former_place_or_a_place_of_ones_own_is_left(root: Path, tmp_path: Path) -> None:
    tracker = opened(root)
    mine = (tmp_path / "mine").as_uri()
    tracker.client.create_experiment("my/own", artifact_location=mine)
    finished(tracker)
    root.rename(tmp_path / "moved")
    root.symlink_to(tmp_path / "moved")
    for place in (root, tmp_path / "moved"):
        tracker = opened(place)
        assert tracker.client.get_experiment_by_name("my/own").artifact_location == mine
        location = tracker.client.get_experiment_by_name(EXPERIMENT).artifact_location
        assert location == (root / "artifacts" / EXPERIMENT).as_uri(), "the link leads there"
