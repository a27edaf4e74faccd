"""`python -m ttt.saturate model=... bench=...`: is the adjustment's budget enough, and which smaller one would be?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Field
from rich import box
from rich.table import Table

from ttt.cli import terminal
from ttt.cli.command import Command
from ttt.cli.imports import uncollected
from ttt.cli.offline import work_offline_if_silent
from ttt.formatting import count, duration, flops, signed, signed_interval, with_error
from ttt.spec import Cell, Name, Spec, SpecError, Tracking, Trainer, check
from ttt.study.space import Plan


class _Request(Spec):
    """The whole of `conf/saturate.yaml`, so that every fault is found at once."""

    suite: Name
    model: Any
    bench: Any
    adjustment: Any
    seed: Any
    lab: Any
    trainer: Trainer
    tracking: Tracking
    study: Plan
    ingested: bool
    from_share: float = Field(gt=0, lt=1)
    output: str | None
    allow_env: tuple[str, ...] = ()


@dataclass(frozen=True)
class Request:
    cell: Cell
    plan: Plan
    trainer: Trainer
    tracking: Tracking
    ingested: bool
    from_share: float


def parse(config: Mapping[str, Any]) -> Request:
    faults = []
    cell = request = None
    for make in (
        lambda: check(Cell, {name: config[name] for name in ("suite", "model", "bench", "adjustment", "seed")}),
        lambda: check(_Request, config),
    ):
        try:
            made = make()
        except SpecError as error:
            faults.append(str(error))
            continue
        cell, request = (made, request) if isinstance(made, Cell) else (cell, made)
    if faults:
        raise SpecError("\n".join(faults))
    assert cell is not None
    assert request is not None
    assert isinstance(request, _Request)
    if not request.ingested and cell.adjustment.method == "none":
        raise SpecError("adjustment: 'none' has no budget to judge; name one that trains")
    if not request.ingested:
        request.study.own_values(cell.adjustment, cell.model)
    return Request(cell, request.study, request.trainer, request.tracking, request.ingested, request.from_share)


def work(request: Request) -> dict[str, Any]:
    with uncollected():
        from ttt.tracking import Tracker

        tracker = Tracker(request.tracking, make=not request.ingested)
    if request.ingested:
        from ttt.study.ingested import judge_ingested

        cell = request.cell
        return judge_ingested(tracker, cell.suite, cell.bench.name, request.from_share, request.plan.tolerance)
    work_offline_if_silent(request.cell)
    with uncollected():
        from ttt.study.run import saturate  # torch, transformers and optuna, seconds to import

    return saturate(request.cell, request.plan, request.trainer, tracker, say=terminal.console.print)


def show(results: list[dict[str, Any]]) -> None:
    out = terminal.results()
    for result in results:
        if "models" in result:
            _show_ingested(result, out)
            continue
        table = Table(box=box.SIMPLE_HEAD)
        for name in ("budget", "score", "gain later", "95 %", "verdict", "items to decide"):
            table.add_column(name, justify="left" if name == "verdict" else "right")
        for rung in result["rungs"]:
            row = [count(rung["budget"]), with_error(rung["score"], rung["stderr"])]
            if "verdict" in rung:
                row += [signed(rung["gain"]), signed_interval(rung["low"], rung["high"]), rung["verdict"]]
                row += [count(rung["n_items_to_decide"])]
            table.add_row(*row)
        out.print(f"{result['model']} {result['adjustment']} on {result['bench']}: ", end="")
        out.print(result["verdict"], style="bold", end="")
        out.print(f" at {result['budget']:,} examples; {result['reason']}")
        out.print(table)
        out.print(_cost(result))
        of = result["schedules"]
        if of:
            out.print(
                f"{of['own_schedule']} schedule against the rung's cool-down at {of['budget']:,} examples: "
                f"{signed(of['difference'])} ({signed_interval(of['low'], of['high'])})"
            )
        items = f"{result['n_validation']:,} items ({result['measure']})"
        out.print(f"{result['n_trials']} trials, {items}; run {result['run_id']}")


def _cost(result: dict[str, Any]) -> str:
    cost, study = result["cost"], result["cost_of_study"]
    text = "no budget is shown to be sufficient"
    if cost:
        text = f"smallest sufficient budget {result['smallest_budget']:,} examples: {_money(cost, result['currency'])}"
    return f"{text}; the study took {_money(study, result['currency'])}"


def _money(cost: dict[str, Any], currency: str | None) -> str:
    money = "" if cost["money"] is None else f", {cost['money']:,.2f} {currency}"
    return f"{flops(cost['flops'], '0')} FLOPs, {duration(cost['seconds'])}{money}"


def _show_ingested(result: dict[str, Any], out: terminal.Terminal) -> None:
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("model", "from", "to", "gain", "95 %", "verdict", "items to decide"):
        table.add_column(name, justify="left" if name in ("model", "verdict") else "right")
    for row in result["models"]:
        interval = signed_interval(row["low"], row["high"])
        needed = count(row["n_items_to_decide"])
        table.add_row(row["model"], count(row["budget"]), count(row["later"]), signed(row["gain"]), interval,
                      row["verdict"], needed)  # fmt: skip
    out.print(table)
    named = ", ".join(f"{n} {verdict}" for verdict, n in result["counts"].items())
    out.print(f"suite {result['suite']}, bench {result['bench']}: {named}. {result['basis']}")
    for correlation, counts in result["counts_if_correlated"].items():
        named = ", ".join(f"{n} {verdict}" for verdict, n in counts.items())
        out.print(f"If an item's scores at two checkpoints correlate {correlation}: {named}.")
    for model, why in result["skipped"].items():
        out.print(f"skipped {model}: {why}")


COMMAND = Command("saturate", parse, work, show)

if __name__ == "__main__":
    COMMAND.main()
