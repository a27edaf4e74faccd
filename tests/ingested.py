"""Ingesting a folder of result files into a store beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ttt.ingest import parse, work
from ttt.spec import Tracking
from ttt.tracking import Tracker


def write(file: Path, content: dict[str, Any] | str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return file


def ingest(folder: Path, **changes: Any) -> tuple[dict[str, Any], Tracker]:
    tracking = {"root": str(folder.parent / "mlruns")}
    asked = {"path": str(folder), "suite": "theirs", "pattern": None, "conf": [], "output": None}
    request = parse({**asked, "tracking": tracking, **changes})
    return work(request), Tracker(Tracking(**tracking))


def cell(tracker: Tracker, bench: str, label: str) -> Any:
    (found,) = [run for run in tracker.runs(f"theirs/{bench}", "cell") if run.info.run_name == label]
    return found
