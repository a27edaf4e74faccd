"""A cell that is done: found and read back, without what works on cells, which takes seconds to import."""

from __future__ import annotations

from collections.abc import Callable

from ttt.cell.key import cell_key
from ttt.cell.read import check_items, read_result
from ttt.cell.result import CellResult
from ttt.engine.precision import arithmetic
from ttt.files.model_source import model_source
from ttt.files.rows import DataFiles
from ttt.spec import Cell, Model, SpecError, Trainer
from ttt.tracking import Tracker

Say = Callable[[str], None]


def starting_point(cell: Cell, tracker: Tracker) -> tuple[Cell, Model]:
    """The cell as its key names it, and the model with the folder of the registered version that it starts from."""
    model = cell.model
    if model.version:
        folder = tracker.registered(model.name, cell.bench.name, model.version)
        model = model.model_copy(update={"path": str(folder), "gguf_file": None})
    return (cell.base() if cell.adjustment.method == "none" else cell), model


def look_up(cell: Cell, trainer: Trainer, tracker: Tracker, say: Say) -> CellResult | None:
    """The result of a cell that is done; None where there is work to do, if only to clear up after a kill."""
    cell, model = starting_point(cell, tracker)
    key = cell_key(cell, model_source(model), arithmetic(trainer, cell.bench), DataFiles())
    return None if tracker.leftovers(key) else read_back(cell, key, tracker, say)


def read_back(cell: Cell, key: str, tracker: Tracker, say: Say) -> CellResult | None:
    """The result of the cell of this key, if it is done and its run still has what it kept."""
    found = tracker.find(f"{cell.suite}/{cell.bench.name}", key)
    if found is None or found.info.status != "FINISHED":
        return None
    what, run_id = f"{cell.label} on {cell.bench.name}", found.info.run_id
    try:
        result = read_result(tracker, run_id)
        check_items(tracker, run_id, "base" if cell.adjustment.method == "none" else "adjusted")
    except SpecError as error:  # somebody has removed or damaged what the run kept
        say(f"{what}: done before, and now again, since {error}")
        return None
    say(f"{what}: done before, run {run_id} (force=true repeats it)")
    return result
