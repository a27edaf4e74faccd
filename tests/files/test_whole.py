"""What is written is there in full or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from ttt.files.whole import made_whole, write_whole


@pytest.mark.parametrize("content", ["texts ä", b"\x00\xff"])
def test_a_file_is_what_was_written(tmp_path: Path, content: str | bytes) -> None:
    file = tmp_path / "new" / "file"
    for _ in range(2):  # the second finds what the first has left
        write_whole(file, content)
        assert file.read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert [entry.name for entry in file.parent.iterdir()] == ["file"]


def test_who_is_stopped_leaves_what_was_there(tmp_path: Path) -> None:
    write_whole(tmp_path / "file", "before")

    def stopped(place: Path, folder: bool) -> None:
        with made_whole(place) as making:
            if folder:
                making.mkdir()
                (making / "a").write_text("half")
            else:
                making.write_text("half")
            raise KeyboardInterrupt

    for place, folder in ((tmp_path / "file", False), (tmp_path / "folder", True)):
        with pytest.raises(KeyboardInterrupt):
            stopped(place, folder)
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "before"


def test_a_folder_takes_the_place_of_another(tmp_path: Path) -> None:
    for name in ("first", "second"):
        with made_whole(tmp_path / "folder") as making:
            making.mkdir()
            (making / name).touch()
    assert [entry.name for entry in tmp_path.rglob("*")] == ["folder", "second"]
