"""What a command keeps for itself is believed where it is whole and its own."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from ttt.files import scratch


def test_what_was_kept_is_read(tmp_path: Path) -> None:
    content = {"scores": [0.1, 1 / 3, math.inf], "name": "ä", "9": 1, "10": 2}
    scratch.write(tmp_path / "kept.json", content, "me")
    assert scratch.read(tmp_path / "kept.json", "me") == content
    assert [file.name for file in tmp_path.iterdir()] == ["kept.json"]
    scratch.write(tmp_path / "kept.json", {9: 1, 10: 2}, "me")
    assert scratch.read(tmp_path / "kept.json", "me") == {"9": 1, "10": 2}


@pytest.mark.parametrize("damage", [b"", b"[", b"\xff\xfe", b"[1]", b'["0", {"score": 0.9}]', b"[" * 100_000, b"null"])
def test_what_is_damaged_is_absent_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: bytes) -> None:
    file = tmp_path / "kept.json"
    for _ in range(2):  # the second finds what was set aside first
        file.write_bytes(damage)
        assert scratch.read(file, "me") is None
        assert not file.exists()
        assert file.with_name("kept.json.damaged").read_bytes() == damage
    assert caplog.text.count(f"{file} is damaged") == 2


def test_what_another_kept_and_what_was_edited_is_absent(tmp_path: Path) -> None:
    file = tmp_path / "kept.json"
    scratch.write(file, {"score": 0.1}, "another")
    assert scratch.read(file, "me") is None
    scratch.write(file, {"score": 0.1}, "me")
    digest, _ = json.loads(file.read_text())
    file.write_text(json.dumps([digest, {"score": 0.9}]))
    assert scratch.read(file, "me") is None
    assert scratch.read(tmp_path / "nothing", "me") is None
