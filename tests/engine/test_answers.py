"""Answers that were kept are believed where they are what was written for these weights of this cell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ttt.engine.scoring.answers import Answers

KNOWN = {"a": [(0, -1.5, True), (1, -0.25, False)], "b": [(2, [5, 6])]}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "answers" / "weights.jsonl"
    answers = Answers(file, "cell weights")
    answers.add({"a": KNOWN["a"]})
    answers.add({"b": KNOWN["b"]})
    return file


def test_answers_are_read_back(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert Answers(file, "cell weights").known == KNOWN
    assert not caplog.text


def test_answers_of_other_weights_or_cells_are_not_believed(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert Answers(file, "cell other-weights").known == {}
    assert f"{file}: 2 of 2 lines are damaged" in caplog.text


@pytest.mark.parametrize(
    "damage", [b"\xff\xfe\n", b"{}\n", b"[1, 2, 3]\n", b"\n", b"[" * 100_000 + b"\n", b'["a", "b"]\n']
)
def test_a_damaged_line_is_asked_again(file: Path, damage: bytes, caplog: pytest.LogCaptureFixture) -> None:
    first, second = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(first + damage + second)
    assert Answers(file, "cell weights").known == KNOWN
    assert f"{file}: 1 of 3 lines are damaged" in caplog.text
    file.write_bytes(damage + second)
    assert Answers(file, "cell weights").known == {"b": KNOWN["b"]}


def test_an_edited_line_is_asked_again(file: Path) -> None:
    first, second = (json.loads(line) for line in file.read_text().splitlines())
    first[2][0][1] = -0.001
    file.write_text(json.dumps(first) + "\n" + json.dumps(second) + "\n")
    assert Answers(file, "cell weights").known == {"b": KNOWN["b"]}


def test_a_line_that_a_kill_has_cut_is_left_out_and_not_written_on(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file.write_bytes(file.read_bytes()[:-5])
    answers = Answers(file, "cell weights")
    assert answers.known == {"a": KNOWN["a"]}
    answers.add({"b": KNOWN["b"]})
    assert Answers(file, "cell weights").known == KNOWN
    assert not caplog.text
