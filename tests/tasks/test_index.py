"""The kept index of lm-eval's tasks: it names what a new one names, and does without where it cannot be kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lm_eval.tasks
import pytest

from ttt.files import scratch
from ttt.tasks import index

Index = dict[str, index.Known]


@pytest.fixture(scope="module")
def built() -> Index:
    return index.built()


@pytest.fixture
def cache_home(tmp_path: Path, built: Index, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(index, "built", lambda: built)
    index.known_tasks.cache_clear()
    yield tmp_path / "cache"
    index.known_tasks.cache_clear()


def test_the_kept_index_names_what_was_found(cache_home: Path, built: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    index.known_tasks()
    index.known_tasks.cache_clear()
    monkeypatch.setattr(index, "built", None)  # read, not built
    assert index.known_tasks() == built


def edited(file: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change what is kept, and its digest with it, as whoever can write the file can."""
    place = f"{index.FORMAT} {version('lm_eval')} {lm_eval.tasks.__file__}"
    _, kept = json.loads(file.read_text())
    change(kept)
    scratch.write(file, kept, place)


HOME = Path(lm_eval.tasks.__file__).parent
POISON: dict[str, Callable[[Path], object]] = {
    "a cut file": lambda f: f.write_text(f.read_text()[:1000]),
    "no JSON": lambda f: f.write_bytes(b"\xff\x00"),
    "another content": lambda f: f.write_text(f.read_text().replace("mmlu_astronomy", "mmlu_anatomy")),
    "a list": lambda f: f.write_text("[1, []]"),
    "a file elsewhere": lambda f: edited(f, lambda kept: kept.update(mmlu=["GROUP", str(f.parent / "evil.yaml"), []])),
    "a file above": lambda f: edited(f, lambda kept: kept.update(mmlu=["GROUP", f"{HOME}/../../evil.yaml", []])),
    "a file that is gone": lambda f: edited(f, lambda kept: kept.update(mmlu=["GROUP", f"{HOME}/gone.yaml", []])),
    "no file": lambda f: edited(f, lambda kept: kept.update(mmlu=["TASK", None, []])),
    "an unknown kind": lambda f: edited(f, lambda kept: kept.update(mmlu=["EVIL", None, []])),
    "wrong types": lambda f: edited(f, lambda kept: kept.update(mmlu=[1, {}, 2])),
}


@pytest.mark.parametrize("case", POISON)
def test_a_damaged_index_is_made_again(
    cache_home: Path, built: Index, caplog: pytest.LogCaptureFixture, case: str
) -> None:
    index.known_tasks()
    [file] = cache_home.glob("ttt/tasks-*.json")
    (file.parent / "evil.yaml").write_text("task: mmlu")
    whole = file.read_bytes()
    POISON[case](file)
    index.known_tasks.cache_clear()
    assert index.known_tasks()["mmlu"] == built["mmlu"]
    assert f"{file} is damaged, and made again" in caplog.text
    assert file.read_bytes() == whole


def test_another_users_index_is_not_believed(
    cache_home: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.known_tasks()
    index.known_tasks.cache_clear()
    monkeypatch.setattr("os.getuid", lambda: 12345)
    assert "mmlu_astronomy" in index.known_tasks()
    assert "it belongs to another user" in caplog.text


def test_a_cache_that_cannot_be_written_is_named(cache_home: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache_home.write_text("not a folder")
    assert "mmlu_astronomy" in index.known_tasks()
    assert "cannot be kept" in caplog.text
