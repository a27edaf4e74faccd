"""What a comparison found, for the terminal: short tables, the verdict, and where the report is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from ttt.cli.terminal import Terminal
from ttt.comparison.table import SIDES
from ttt.formatting import (
    DASH,
    UNIDENTIFIED,
    decimal,
    flops,
    flops_interval,
    probability,
    signed,
    signed_interval,
    with_error,
)

MAX_ROWS = 60


def show_result(result: Mapping[str, Any], out: Terminal | None = None) -> None:
    out = out or Terminal()
    kinds = {"comparison": _comparison, "benches": _benches, "reformulation": _reformulation}
    shown = kinds.get(result["kind"], _paired)
    shown(result, out)
    if "verdict" in result:
        out.print(Text(result["verdict"]))
    where = result.get("report")
    out.print(Text(f"run {result['run_id'] or '(none)'}" + (f", report {where}" if where else "")), soft_wrap=True)


def _comparison(result: Mapping[str, Any], out: Terminal) -> None:
    split = result["split"]
    rule = "" if result["score_rule"] == "bench" else f", scored by the {result['score_rule']}'s rule"
    best = f", the better of before and after ({result['n_kept_base']} models)" if result["policy"] != "raw" else ""
    out.print(
        Text(
            f"{result['suite']}/{result['bench']}: {result['n_models']} models, adjusted by {result['adjustment']}"
            f"{rule}{best}; {split['n_older']} {split['older']}, {split['n_newer']} {split['newer']}"
        )
    )
    for line in result["excluded"]:
        out.print(Text(f"excluded {line['model']}: {line['reason']}"))
    out.print(_fits(result))
    out.print(_models(result["models"]))
    for reason in result["provisional_reasons"]:
        out.print(Text(f"provisional: {reason}"))


def _fits(result: Mapping[str, Any]) -> Table:
    sides = [result[side] for side in SIDES]
    table = _table("", *SIDES, left=1)
    table.add_row("theta", *(_theta(fit) for fit in sides))
    table.add_row("  95 % interval", *(signed_interval(fit["theta_low"], fit["theta_high"]) for fit in sides))
    table.add_row("  p", *(probability(fit["theta_p"]) for fit in sides))
    table.add_row("c_e, FLOPs", *(flops(fit["c_e"], UNIDENTIFIED) for fit in sides))
    table.add_row("  95 % interval", *(flops_interval(fit["c_e_low"], fit["c_e_high"]) for fit in sides))
    table.add_row("R²", *(decimal(fit["r2"]) for fit in sides))
    table.add_row("frontier area", *(decimal(result["pareto_area"][side]) for side in SIDES))
    return table


def _theta(fit: Mapping[str, Any]) -> str:
    error = "" if fit["theta_se"] is None else f" ± {decimal(fit['theta_se'])}"
    return UNIDENTIFIED if fit["theta"] is None else f"{signed(fit['theta'])}{error}"


def _models(rows: Sequence[Mapping[str, Any]]) -> Table:
    table = _table("rank", "model", "base", "adjusted", "gain", "change", "tied", left=2)
    for row in rows[:MAX_ROWS]:
        table.add_row(
            str(row["rank_adjusted"]),
            Text(row["model"]),
            with_error(row["base"], row["base_stderr"]),
            with_error(row["adjusted"], row["adjusted_stderr"]) + ("*" if row["kept_base"] else ""),
            signed(row["gain"]),
            f"{row['rank_change']:+d}".replace("-", "−") if row["rank_change"] else "=",
            str(row["tie_group"]),
        )
    notes = [f"and {len(rows) - MAX_ROWS} more in the report"] if len(rows) > MAX_ROWS else []
    notes += ["* its base score, which is better"] if any(row["kept_base"] for row in rows[:MAX_ROWS]) else []
    table.caption = "; ".join(notes) or None
    return table


def _benches(result: Mapping[str, Any], out: Terminal) -> None:
    table = _table("benches", "before", "95 % interval", "after", "95 % interval", left=1)
    rows = [(f"{pair['first']}, {pair['second']}: tau", pair) for pair in result["pairs"]]
    for name, of in [*rows, ("first component's share", result["first_component"])]:
        cells = [[decimal(of[s]["estimate"]), _range(of[s]["low"], of[s]["high"])] for s in SIDES]
        table.add_row(Text(name), *cells[0], *cells[1])
    out.print(table)


def _reformulation(result: Mapping[str, Any], out: Terminal) -> None:
    table = _table("bench", "format", "scores", "theta", "95 % interval", "p", "c_e", "R²", left=3)
    for fit in result["fits"]:
        table.add_row(
            Text(fit["bench"]),
            fit["format"],
            fit["scores"],
            _theta(fit),
            signed_interval(fit["theta_low"], fit["theta_high"]),
            probability(fit["theta_p"]),
            flops(fit["c_e"], UNIDENTIFIED),
            decimal(fit["r2"]),
        )
    out.print(table)


def _paired(result: Mapping[str, Any], out: Terminal) -> None:
    """Of models' items, or of registered versions."""
    table = _table("scores of", "score", "95 % interval", "items", "tied", "adjustment", "budget", "saturated", left=1)
    for row in result.get("versions") or result["models"]:
        name = row.get("version") or f"{row['model']} {row['scores']}"
        aliases = f" ({', '.join(row['aliases'])})" if row.get("aliases") else ""
        more = [row.get(key) or DASH for key in ("adjustment", "budget", "saturated")]
        shown = [decimal(row["score"]), _range(row["low"], row["high"]), str(row["n_items"] or DASH)]
        table.add_row(Text(name + aliases), *shown, str(row["tie_group"] or DASH), *more)
    out.print(table)
    for left in result.get("left_out", ()):
        out.print(Text(f"left out {left['version']}: {left['reason']}"))
    pairs = _table("second minus first", "difference", "95 % interval", "p", "p, all pairs", "detectable", left=1)
    for pair in result["pairs"][:MAX_ROWS]:
        side = f" {pair['scores']}" if "scores" in pair else ""
        pairs.add_row(
            Text(f"{pair['second']} − {pair['first']}{side}"),
            signed(pair["difference"]),
            signed_interval(pair["low"], pair["high"], pair["note"] or DASH),
            probability(pair["p"]),
            probability(pair["p_adjusted"]),
            decimal(pair["minimum_detectable_difference"]),
        )
    if len(result["pairs"]) > MAX_ROWS:
        pairs.caption = f"and {len(result['pairs']) - MAX_ROWS} more in the run's tables"
    if result["pairs"]:
        out.print(pairs)


def _range(low: Any, high: Any) -> str:
    return DASH if low is None or high is None else f"{decimal(low)} to {decimal(high)}"


def _table(*columns: str, left: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for i, name in enumerate(columns):
        table.add_column(name, justify="left" if i < left else "right", no_wrap=i < left, overflow="fold")
    return table
