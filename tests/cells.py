"""Cells for tests, composed as the command composes them."""

from __future__ import annotations

from pathlib import Path

from ttt.cell.resolve import Say, resolve
from ttt.cell.result import CellResult
from ttt.cell.run import run_cells
from ttt.cli.composition import Composer
from ttt.run import Request, parse
from ttt.spec import Cell, Trainer
from ttt.tracking import Tracker


def compose_request(*overrides: str) -> Request:
    """A checked request."""
    composer = Composer("run", list(overrides))
    return parse(composer.values(composer.texts)[0])


def request(conf: Path, root: Path, *overrides: str, bench: str = "sums", adjustment: str = "smoke") -> Request:
    """A checked request for the tiny model, tracked under `root`."""
    return compose_request(
        f"hydra.searchpath=[file://{conf}]",
        "model=tiny",
        *([] if any(override.startswith("benches=") for override in overrides) else [f"bench={bench}"]),
        f"adjustment={adjustment}",
        f"tracking.root={root}",
        "trainer.progress=false",
        "trainer.threads=1",
        "trainer.precision=32",
        *overrides,
    )


def do(asked: Request, force: bool = False) -> tuple[list[CellResult], Tracker, list[str]]:
    """The results of a request, as the command comes by them, its store, and what was said on the way."""
    said: list[str] = []
    tracker = Tracker(asked.tracking)
    resolved = resolve(asked.cells, asked.trainer, tracker, force, said.append)
    if resolved.is_done:
        return [cell.done for cell in resolved.cells if cell.done], tracker, said
    return run_cells(resolved, tracker, force, said.append), tracker, said


def run_cell(
    cell: Cell, trainer: Trainer, tracker: Tracker, force: bool = False, say: Say = lambda text: None
) -> CellResult:
    """The result of one cell."""
    return run_cells(resolve([cell], trainer, tracker, force, say), tracker, force, say)[0]
