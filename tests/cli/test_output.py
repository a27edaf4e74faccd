"""`output=FILE`: the result is there whole, and nothing else is lost for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ttt.cli.output import check_output, write_output
from ttt.spec import SpecError

RESULT = {"score": 0.5}


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    file = tmp_path / "made" / "result.json"
    check_output(str(file))
    assert not file.exists(), "looking writes nothing"
    write_output(str(file), RESULT)
    write_output(str(file), RESULT)
    assert json.loads(file.read_text()) == RESULT
    assert [path.name for path in file.parent.iterdir()] == ["result.json"]


def test_a_link_leads_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "real.json").write_text("old")
    (tmp_path / "link.json").symlink_to(tmp_path / "real.json")
    write_output(str(tmp_path / "link.json"), RESULT)
    assert (tmp_path / "link.json").is_symlink()
    assert json.loads((tmp_path / "real.json").read_text()) == RESULT


def test_a_pipe_is_written_to_and_stays(tmp_path: Path) -> None:
    pipe, read = tmp_path / "pipe", list[str]()
    os.mkfifo(pipe)
    check_output(str(pipe))
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    write_output(str(pipe), RESULT)
    reader.join(10)
    assert json.loads(read[0]) == RESULT
    assert pipe.is_fifo()


def test_standard_output_is_a_place(tmp_path: Path) -> None:
    code = (
        f"from ttt.cli.output import check_output as c, write_output as w; c('/dev/stdout'); w('/dev/stdout', {RESULT})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == RESULT


@pytest.mark.parametrize("name", ["", "file/below.json", "a" * 300, "a\0b"])
def test_what_cannot_be_written_is_said_before_the_work(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(SpecError, match=r"^output: "):
        check_output(f"{tmp_path}/{name}")
