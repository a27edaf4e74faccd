"""`python -m ttt.run model=... bench=...` or `benches=[...]`: a model before and after adjusting, or with -m many."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rich import box
from rich.table import Table

from ttt.cell.result import SIDES
from ttt.cli import terminal
from ttt.cli.command import Closer, Command, heavy_imports
from ttt.cli.offline import work_offline_if_silent
from ttt.cli.request import CellCommand, parse_cells
from ttt.files.hashing import json_digest
from ttt.formatting import ERRORS, duration, with_error
from ttt.spec import Cell, Tracking, Trainer


@dataclass(frozen=True)
class Request:
    cells: tuple[Cell, ...]
    """Of one model, adjustment and seed, on a bench each."""
    trainer: Trainer
    tracking: Tracking
    force: bool = False
    as_list: bool = False
    """Whether `benches` was given, which makes the result a list."""


class _Request(CellCommand):
    """The whole of `conf/run.yaml`."""

    force: bool


def parse(config: Mapping[str, Any]) -> Request:
    """The request on each of `benches`, or on the one `bench`."""
    cells, asked = parse_cells(config, _Request, tuple(config["benches"]))
    return Request(tuple(cells), asked.trainer, asked.tracking, asked.force, as_list=bool(config["benches"]))


def work(request: Request) -> Any:
    """The result of each cell; None in a process other than rank zero, which alone knows MLflow."""
    for cell in request.cells:
        work_offline_if_silent(cell)
    say = terminal.console.print
    with heavy_imports():
        from ttt.cell.resolve import resolve
        from ttt.engine import distributed
        from ttt.tracking import Tracker

        if distributed.n_asked() == 1:
            tracker = Tracker(request.tracking)
            resolved = resolve(request.cells, request.trainer, tracker, request.force, say)
            if resolved.is_done:
                return _plain([asdict(cell.done) for cell in resolved.cells if cell.done], request)

        from ttt.cell.run import run_cells  # transformers, Lightning and lm-eval, seconds to import
        from ttt.engine.at_rank_zero import at_rank_zero
        from ttt.tracking import Registry, RunLog

    with distributed.together():
        if distributed.n_asked() > 1:
            trainer = request.trainer
            if distributed.rank():  # rank zero says it all
                trainer, terminal.console.quiet = trainer.model_copy(update={"progress": False}), True
            tracker = at_rank_zero(lambda: Tracker(request.tracking), Tracker, parts=(RunLog, Registry))
            resolved = resolve(request.cells, trainer, tracker, request.force, say)
        results = run_cells(resolved, tracker, request.force, say)
        return None if distributed.rank() else _plain([asdict(result) for result in results], request)


def _plain(results: list[dict[str, Any]], request: Request) -> Any:
    return results if request.as_list else results[0]


def show(results: list[dict[str, Any]]) -> None:
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("cell", "bench", "base", "adjusted", "gain"):
        table.add_column(name, no_wrap=True, justify="left" if name in ("cell", "bench") else "right")
    for r in results:
        cell = f"{r['model']} {r['adjustment']} s{r['seed']}"
        table.add_row(cell, r["bench"], *(with_error(r[side]["score"], r[side]["stderr"]) for side in (*SIDES, "gain")))
    out = terminal.results()
    out.print(table)
    out.print(f"{ERRORS}.")
    if any(r["gain"]["stderr"] is None for r in results):
        out.print("A gain without ± has no paired error: its metric is not a mean over the items.")
    if len(results) == 1:
        r = results[0]
        once = f" after {duration(r['training_seconds'])} of adjusting" if r["training_seconds"] is not None else ""
        out.print(f"{r['n_items']:,} items, {duration(r['seconds'])} of scoring{once}", end="")
        out.print(f", {r['tokens_per_second'] or 0:,.0f} tokens/s", end="")
        out.print(f"; run {r['run_id']}" + (f", version {r['version']} of {r['model']}" if r["version"] else ""))


def begin(requests: list[Request]) -> Closer:
    """Open the multirun's run, which the jobs find whatever the launcher."""
    with heavy_imports():
        from ttt.tracking import Tracker
        from ttt.tracking.multirun import begin_multirun

        tracker = Tracker(requests[0].tracking)
    cells = [cell for request in requests for cell in request.cells]
    benches = {cell.bench.name for cell in cells}
    home = benches.pop() if len(benches) == 1 else "multirun"
    key = json_digest(["multirun", [cell.model_dump(mode="json") for cell in cells]])
    end = begin_multirun(tracker, f"{cells[0].suite}/{home}", key)

    def finish(results: list[dict[str, Any]], failures: list[str], stopped: bool) -> None:
        names = ("model", "bench", "adjustment", "seed", "n_items", "run_id") if results else ()
        table = {name: [result[name] for result in results] for name in names}
        end(
            table | {side: [r[side]["score"] for r in results] for side in (*SIDES, "gain") if results},
            failures,
            stopped,
        )

    return finish


COMMAND = Command("run", parse, work, show, begin, shares_work=True)

if __name__ == "__main__":
    COMMAND.main()
