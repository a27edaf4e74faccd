"""`python -m ttt.run model=... bench=... adjustment=...`: one cell, or with -m many."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rich import box
from rich.table import Table

from ttt.cli import terminal
from ttt.cli.command import Closer, Command
from ttt.cli.composition import faults_by_bench
from ttt.cli.imports import uncollected
from ttt.cli.offline import work_offline_if_silent
from ttt.files.digests import json_digest
from ttt.formatting import with_error
from ttt.spec import Cell, Spec, SpecError, Tracking, Trainer, check


@dataclass(frozen=True)
class Request:
    cell: Cell
    trainer: Trainer
    tracking: Tracking
    force: bool


class _Request(Spec):
    """The whole of `conf/run.yaml`, so that every fault is found at once."""

    suite: str
    model: Any
    bench: Any
    benches: Any
    adjustment: Any
    seed: Any
    lab: Any = None
    trainer: Trainer
    tracking: Tracking
    force: bool
    output: str | None
    allow_env: tuple[str, ...] = ()


def parse(config: Mapping[str, Any]) -> Request:
    """The request on each of `benches`, or on the one `bench`."""
    benches = config["benches"] or [config["bench"]]
    names = [str(bench.get("name")) for bench in benches]
    faults: dict[str, list[str]] = {}
    cells, request = [], None
    for bench, name in zip(benches, names, strict=True):
        try:
            parts = {field: config[field] for field in ("suite", "model", "adjustment", "seed")}
            cells.append(check(Cell, {**parts, "bench": bench}))
        except SpecError as error:
            for fault in str(error).splitlines():
                faults.setdefault(fault, []).append(name)
    try:
        request = check(_Request, config)
    except SpecError as error:
        faults |= {fault: [] for fault in str(error).splitlines()}
    if faults or request is None:
        raise SpecError(faults_by_bench(faults, names))
    if len(cells) > 1:
        raise SpecError("benches=[...]: one command for several benches is not there yet; give bench=NAME")
    return Request(cells[0], request.trainer, request.tracking, request.force)


def work(request: Request) -> dict[str, Any] | None:
    """The cell's result; None in a process that follows rank zero, which alone knows MLflow."""
    work_offline_if_silent(request.cell)
    with uncollected():
        from ttt.cell.resolve import look_up
        from ttt.engine import distributed
        from ttt.tracking import Tracker

        if distributed.n_asked() == 1 and not request.force:
            done = look_up(request.cell, request.trainer, Tracker(request.tracking), terminal.console.print)
            if done:
                return asdict(done)

        from ttt.cell.run import run_cell
        from ttt.engine.follower import Follower  # transformers, Lightning and lm-eval, seconds to import

    with distributed.together():
        if distributed.rank():
            distributed.follow(Follower().does)
            return None
        tracker = Tracker(request.tracking)
        return asdict(run_cell(request.cell, request.trainer, tracker, request.force, say=terminal.console.print))


def show(results: list[dict[str, Any]]) -> None:
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("cell", "bench", "base", "adjusted", "gain"):
        table.add_column(name, no_wrap=True, justify="left" if name in ("cell", "bench") else "right")
    for r in results:
        cell = f"{r['model']} {r['adjustment']} s{r['seed']}"
        table.add_row(cell, r["bench"], *(with_error(r[side]["score"], r[side]["stderr"]) for side in SIDES))
    out = terminal.results()
    out.print(table)
    if any(r["gain"]["stderr"] is None for r in results):
        out.print("A gain without ± has no paired error: its metric is not a mean over the items.")
    if len(results) == 1:
        r = results[0]
        out.print(f"{r['n_items']:,} items, {r['seconds']:,.0f} s, {r['tokens_per_second'] or 0:,.0f} tokens/s", end="")
        out.print(
            f"; run {r['run_id']}" + (f", version {r['version']} of {r['model']}-{r['bench']}" if r["version"] else "")
        )


SIDES = ("base", "adjusted", "gain")


def begin(requests: list[Request]) -> Closer:
    """Open the multirun's run, which the jobs find whatever the launcher."""
    with uncollected():
        from ttt.tracking import Tracker
        from ttt.tracking.multirun import begin_multirun

        tracker = Tracker(requests[0].tracking)
    cells = [request.cell for request in requests]
    benches = {cell.bench.name for cell in cells}
    home = benches.pop() if len(benches) == 1 else "multirun"
    key = json_digest(["multirun", [cell.model_dump(mode="json") for cell in cells]])
    end = begin_multirun(tracker, f"{cells[0].suite}/{home}", key)

    def finish(results: list[dict[str, Any]], failures: list[str], stopped: bool) -> None:
        names = ("model", "bench", "adjustment", "seed", "n_items", "run_id") if results else ()
        table = {name: [result[name] for result in results] for name in names}
        end(table | {side: [r[side]["score"] for r in results] for side in SIDES if results}, failures, stopped)

    return finish


COMMAND = Command("run", parse, work, show, begin, shares_work=True)

if __name__ == "__main__":
    COMMAND.main()
