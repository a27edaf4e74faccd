"""`python -m ttt.saturate model=... bench=...`: is the adjustment's budget enough, and which smaller one would be?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Field, field_validator
from rich import box
from rich.table import Table

from ttt.cell.study_result import Cost, IngestedVerdicts, JudgedBudget, StudyResult
from ttt.cli import terminal
from ttt.cli.command import Command, heavy_imports
from ttt.cli.offline import work_offline_if_silent
from ttt.cli.request import CellCommand, parse_cells
from ttt.comparison.sentences.saturation import on_suite
from ttt.formatting import count, duration, flops, signed, signed_interval, with_error
from ttt.spec import Cell, Count, SpecError, Tracking, Trainer, check
from ttt.study.space import StudySpec


class _Config(CellCommand):
    """The whole of `conf/saturate.yaml`."""

    study: StudySpec
    ingested: bool
    from_share: float = Field(gt=0, lt=1)
    cutoff: str
    budgets: tuple[Count, ...]

    @field_validator("budgets")
    @classmethod
    def _two_budgets(cls, budgets: tuple[int, ...]) -> tuple[int, ...]:
        if len(budgets) == 1:
            raise ValueError("two or more budgets (examples) are needed, to compare the first with the others")
        return budgets

    @field_validator("benches")
    @classmethod
    def _one_bench(cls, benches: Any) -> Any:
        if benches:
            raise ValueError(
                "a study is of one bench, since a budget may be enough for one and not for another: give bench=NAME, "
                "or begin a study for each (-m bench=one,two)"
            )
        return benches


@dataclass(frozen=True)
class Request:
    cell: Cell
    study: StudySpec
    trainer: Trainer
    tracking: Tracking
    ingested: bool
    from_share: float
    cutoff: str
    budgets: tuple[int, ...] = ()


def parse(config: Mapping[str, Any]) -> Request:
    [cell], asked = parse_cells(config, _Config)
    if not asked.ingested:
        if cell.adjustment.method == "none":
            raise SpecError("adjustment: 'none' has no budget to judge; name one that trains")
        asked.study.own_values(cell.adjustment, cell.model)
    return Request(
        cell, asked.study, asked.trainer, asked.tracking, asked.ingested, asked.from_share, asked.cutoff, asked.budgets
    )


def work(request: Request) -> dict[str, Any]:
    with heavy_imports():
        from ttt.tracking import Tracker

        tracker = Tracker(request.tracking, make=not request.ingested)
    if request.ingested:
        from ttt.study.ingested import judge_ingested

        cell = request.cell
        judged = judge_ingested(
            tracker,
            cell.suite,
            cell.bench.name,
            request.from_share,
            request.study.tolerance,
            request.cutoff,
            request.budgets,
        )
        return judged.model_dump(mode="json")
    work_offline_if_silent(request.cell)
    with heavy_imports():
        from ttt.study.run import saturate  # torch, transformers and optuna, seconds to import

    return saturate(request.cell, request.study, request.trainer, tracker, terminal.console.print).to_json()


def show(results: list[dict[str, Any]]) -> None:
    out = terminal.results()
    for result in results:
        if "models" in result:
            _show_ingested(check(IngestedVerdicts, result), out)
        else:
            _show_study(check(StudyResult, result), out)


def _show_study(result: StudyResult, out: terminal.Terminal) -> None:
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("budget", "score ± standard error", "gain later", "95 %", "verdict", "items to decide"):
        table.add_column(name, justify="left" if name == "verdict" else "right")
    for rung in result.rungs:
        row = [count(rung.budget), with_error(rung.score, rung.stderr)]
        if isinstance(rung, JudgedBudget):
            row += [signed(rung.gain), signed_interval(rung.low, rung.high), rung.verdict]
            row += [count(rung.n_items_to_decide)]
        table.add_row(*row)
    for budget in result.unreached:
        table.add_row(count(budget), "not reached")
    out.print(f"{result.model} {result.adjustment} on {result.bench}: ", end="")
    out.print(result.verdict, style="bold", end="")
    out.print(f" at {result.budget:,} examples; {result.reason}")
    out.print(table)
    text = "no budget is shown to be sufficient"
    if result.cost:
        text = f"smallest sufficient budget {result.smallest_budget:,} examples: {_money(result.cost, result.currency)}"
    out.print(f"{text}; the study took {_money(result.cost_of_study, result.currency)}")
    schedules = result.schedules
    if schedules:
        out.print(
            f"{schedules.own_schedule} schedule against the rung's cool-down at {schedules.budget:,} examples: "
            f"{signed(schedules.difference)} ({signed_interval(schedules.low, schedules.high)})"
        )
    items = f"{result.n_validation:,} items ({result.measure})"
    out.print(f"{result.n_trials} trials, {items}; run {result.run_id}")


def _money(cost: Cost, currency: str | None) -> str:
    money = "" if cost.money is None else f", {cost.money:,.2f} {currency}"
    return f"{flops(cost.flops, '0')} FLOPs, {duration(cost.seconds)}{money}"


def _show_ingested(result: IngestedVerdicts, out: terminal.Terminal) -> None:
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("model", "from", "to", "gain", "95 %", "verdict", "items to decide"):
        table.add_column(name, justify="left" if name in ("model", "verdict") else "right")
    for row in result.models:
        interval = signed_interval(row.low, row.high)
        needed = count(row.n_items_to_decide)
        table.add_row(row.model, count(row.budget), count(row.later), signed(row.gain), interval, row.verdict, needed)
    out.print(table)
    named = ", ".join(f"{n} {verdict}" for verdict, n in result.counts.items())
    out.print(f"suite {result.suite}, bench {result.bench}: {named}. {result.basis}")
    for correlation, counts in result.counts_if_correlated.items():
        named = ", ".join(f"{n} {verdict}" for verdict, n in counts.items())
        out.print(f"If an item's scores at two checkpoints correlate {correlation}: {named}.")
    suite = on_suite(result.suite_saturation)
    out.print(f"{suite[:1].upper()}{suite[1:]}. No comparison is final by scores of its test.")
    if result.without_checkpoints:
        out.print(
            f"Without these checkpoints, and not in the suite's verdict: {', '.join(result.without_checkpoints)}."
        )
    for model, why in result.skipped.items():
        out.print(f"skipped {model}: {why}")


COMMAND = Command("saturate", parse, work, show)

if __name__ == "__main__":
    COMMAND.main()
