"""A cell that cannot be written fails alone, and nothing written is a failure."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.imported.made_results import results
from tests.ingested import ingest, write
from ttt.imported.cells import Measured
from ttt.imported.pattern import Pattern
from ttt.ingest import COMMAND


def test_a_cell_that_cannot_be_written_fails_alone(folder: Path, conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder / "small" / "results_1.json", results())
    import ttt.imported.write

    def last_step(measured: Measured, pattern: Pattern) -> int:
        return 2**70 if measured.cell.model.name == "small" else 0

    monkeypatch.setattr(ttt.imported.write, "_last_step", last_step)
    report, tracker = ingest(folder, conf=[str(conf)])
    assert (report["n_new"], report["n_cells"], report["n_files_used"]) == (1, 1, 1)
    assert list(report["skipped"]["not written"]) == ["small none s0 on letters"]
    (failed,) = tracker.client.search_runs([tracker.experiment("theirs/letters")], "attributes.status = 'FAILED'")
    assert failed.data.tags["ttt.model"] == "small"
    monkeypatch.undo()
    report, _ = ingest(folder, conf=[str(conf)])
    assert (report["n_new"], report["n_unchanged"], report["skipped"]) == (1, 1, {})


def test_nothing_written_is_a_failure_and_no_result(
    folder: Path, conf: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import ttt.imported.write

    argv = [f"path={folder}", "suite=theirs", f"--config-dir={conf}", f"tracking.root={folder.parent / 'mlruns'}"]
    monkeypatch.setattr(ttt.imported.write, "_last_step", lambda *_: 2**70)
    assert COMMAND._main(argv) == 1
    assert "none of the cells could be written tiny none s0 on letters" in " ".join(capsys.readouterr().err.split())
    monkeypatch.setattr(ttt.imported.write, "_last_step", None)  # a mistake of ours, which is no fault of the cell's
    assert COMMAND._main(argv) == 1
    assert "TypeError" in capsys.readouterr().err
