"""The kept index of lm-eval's tasks: it names what a new one names, and does without where it cannot be kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from lm_eval.tasks import TaskManager

from ttt.tasks import index


@pytest.fixture(scope="module")
def built() -> TaskManager:
    return TaskManager()


@pytest.fixture
def cache_home(tmp_path: Path, built: TaskManager, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(index, "TaskManager", lambda: SimpleNamespace(task_index=built.task_index))
    index.known_tasks.cache_clear()
    yield tmp_path / "cache"
    index.known_tasks.cache_clear()


def test_the_kept_index_names_what_was_found(
    cache_home: Path, built: TaskManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.known_tasks()
    index.known_tasks.cache_clear()
    monkeypatch.setattr(index, "TaskManager", None)  # read, not built
    kept = index.known_tasks()
    assert {n: (e.kind, e.yaml_path, e.tags) for n, e in kept.items()} == {
        n: (e.kind, e.yaml_path, e.tags) for n, e in built.task_index.items()
    }
    assert all(kept[name].cfg == entry.cfg for name, entry in built.task_index.items() if not entry.yaml_path)


def test_a_cache_that_cannot_be_written_is_named(cache_home: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache_home.write_text("not a folder")
    assert "mmlu_astronomy" in index.known_tasks()
    assert "cannot be kept" in caplog.text
