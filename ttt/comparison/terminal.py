"""Conclusions for the terminal: short tables, a sentence, and where the report is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from ttt.cell.result import SIDES
from ttt.cli.terminal import Terminal
from ttt.comparison.conclusions import (
    AgreementConclusions,
    BenchConclusions,
    Concluded,
    FormatConclusions,
    ItemConclusions,
    VersionConclusions,
)
from ttt.comparison.contenders import ModelScore, Pair, VersionScore
from ttt.comparison.findings import Fit
from ttt.comparison.sentences import say
from ttt.comparison.sentences.fits import floor_text, has_table
from ttt.formatting import (
    DASH,
    UNIDENTIFIED,
    count,
    decimal,
    first_few,
    flops,
    flops_interval,
    probability,
    signed,
    signed_interval,
    with_error,
)

MAX_ROWS = 60


def show_conclusions(conclusions: Concluded, out: Terminal | None = None) -> None:
    out = out or Terminal()
    match conclusions:
        case BenchConclusions():
            _comparison(conclusions, out)
        case AgreementConclusions():
            _benches(conclusions, out)
        case FormatConclusions():
            _reformulation(conclusions, out)
        case ItemConclusions():
            _items(conclusions, out)
        case VersionConclusions():
            _versions(conclusions, out)
    for line in conclusions.provenance.corrected_facts:
        out.print(Text(f"corrected {line}"))
    for reason in conclusions.provisional_reasons:
        out.print(Text(f"provisional: {reason}"))
    if conclusions.summary:
        out.print(Text(conclusions.summary))
    report = conclusions.report if isinstance(conclusions, BenchConclusions) else None
    where = f", report {report}" if report else ""
    out.print(Text(f"run {conclusions.run_id or '(none)'}{where}"), soft_wrap=True)


def _comparison(conclusions: BenchConclusions, out: Terminal) -> None:
    out.print(Text(say(conclusions, "heading")))
    for line in conclusions.excluded:
        out.print(Text(f"excluded {line.model}: {line.reason}"))
    if has_table(conclusions):
        out.print(_fits(conclusions))
    out.print(_models(conclusions))
    if conclusions.final_by == "suite":  # where nothing is final the reasons say it
        out.print(Text(say(conclusions, "saturation")))
    _pairs(conclusions.pairs or [], out)


def _fits(conclusions: BenchConclusions) -> Table:
    sides: dict[str, Fit] = {side: getattr(conclusions, side) for side in conclusions.sides}
    table = _table("", *sides, left=1)
    table.add_row("theta", *(signed(fit.theta, UNIDENTIFIED) for fit in sides.values()))
    table.add_row("  standard error", *(decimal(fit.theta_se) for fit in sides.values()))
    table.add_row("  95 % interval", *(signed_interval(fit.theta_low, fit.theta_high) for fit in sides.values()))
    table.add_row("  p", *(probability(fit.theta_p) for fit in sides.values()))
    table.add_row("c_e, FLOPs", *(flops(fit.c_e, UNIDENTIFIED) for fit in sides.values()))
    table.add_row("  95 % interval", *(flops_interval(fit.c_e_low, fit.c_e_high) for fit in sides.values()))
    table.add_row("floor", *map(floor_text, sides.values()))
    table.add_row("R²", *(decimal(fit.r2) for fit in sides.values()))
    table.add_row("frontier area", *(decimal(getattr(conclusions.pareto_area, side)) for side in sides))
    return table


def _models(conclusions: BenchConclusions) -> Table:
    rows, both = conclusions.models, len(conclusions.sides) > 1
    moves = ("gain", "change") if both else ()
    table = _table("rank", "model", *conclusions.sides, *moves, "tied", left=2, folded="model")
    for row in rows[:MAX_ROWS]:
        scores = {
            "base": with_error(row.base, row.base_stderr),
            "adjusted": with_error(row.adjusted, row.adjusted_stderr) + ("*" if row.kept_base else ""),
        }
        change = f"{row.rank_change:+d}".replace("-", "−") if row.rank_change else "="
        moved = (signed(row.gain), change) if both else ()
        table.add_row(
            str(row.rank), Text(row.model), *(scores[side] for side in conclusions.sides), *moved, str(row.tie_group)
        )
    notes = [f"and {len(rows) - MAX_ROWS} more in the report."] if len(rows) > MAX_ROWS else []
    said = [say(conclusions, place) for place in ("errors", "terminal ranking")]
    table.caption = " ".join(filter(None, [*notes, *said])) or None
    return table


def _benches(conclusions: AgreementConclusions, out: Terminal) -> None:
    table = _table("benches", "before", "95 % interval", "after", "95 % interval", left=1)
    rows: list[tuple[str, Any]] = [(f"{pair.first}, {pair.second}: tau", pair) for pair in conclusions.pairs]
    for name, of in [*rows, ("first component's share", conclusions.first_component)]:
        sides = (getattr(of, side) for side in SIDES)
        cells = [(decimal(one.estimate), _range(one.low, one.high)) if one else (DASH, DASH) for one in sides]
        table.add_row(Text(name), *cells[0], *cells[1])
    for line in conclusions.excluded:
        out.print(Text(f"excluded {line.model}: {line.reason}"))
    out.print(table)


def _reformulation(conclusions: FormatConclusions, out: Terminal) -> None:
    for line in conclusions.excluded:
        out.print(Text(f"excluded {line.model}: {line.reason}"))
    table = _table("bench", "format", "scores", "theta", "95 % interval", "p", "c_e", "R²", left=3)
    for fit in conclusions.fits:
        table.add_row(
            Text(fit.bench),
            fit.format,
            fit.scores,
            signed(fit.theta, UNIDENTIFIED),
            signed_interval(fit.theta_low, fit.theta_high),
            probability(fit.theta_p),
            flops(fit.c_e, UNIDENTIFIED),
            decimal(fit.r2),
        )
    out.print(table)


def _items(conclusions: ItemConclusions, out: Terminal) -> None:
    for line in conclusions.excluded:
        out.print(Text(f"excluded {line.model}: {line.reason}"))
    table = _table("scores of", "score", "95 % interval", "items", "tied", left=1)
    for row in conclusions.models:
        table.add_row(Text(f"{row.model} {row.scores}"), *_numbers(row))
    out.print(table)
    _pairs(conclusions.pairs, out)


def _versions(conclusions: VersionConclusions, out: Terminal) -> None:
    """Registered versions bench by bench, within 80 columns."""
    for line in conclusions.excluded:
        out.print(Text(f"excluded {line.model}: {line.reason}"))
    for bench in conclusions.benches:
        table = Table(title=Text(f"on {bench}"), box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
        for name, width in (("version", 22), ("score", 5), ("95 % interval", 14), ("items", 5), ("tied", 4)):
            numeric = name != "version"
            table.add_column(name, min_width=width, overflow="fold", justify="right" if numeric else "left")
        table.add_column("adjusted by", overflow="fold")
        for row in [row for row in conclusions.versions if row.bench == bench]:
            table.add_row(Text("\n".join([row.version, *row.aliases])), *_numbers(row), Text(_made_by(row)))
        out.print(table)
        _pairs([pair for pair in conclusions.pairs if pair.bench == bench], out)
    for left in conclusions.left_out:
        out.print(Text(f"left out {left.version}: {left.reason}"))


def _made_by(row: VersionScore) -> str:
    if row.adjustment == "none":
        return DASH
    saturated = {"yes": "saturated", "no": "not saturated", "undecided": "undecided"}
    known = (row.adjustment, row.budget, f"seed {row.seed}", saturated.get(row.saturated or "", "not judged"))
    return ", ".join(filter(None, known))


def _numbers(row: ModelScore | VersionScore) -> list[str]:
    return [decimal(row.score), _range(row.low, row.high), str(row.n_items or DASH), str(row.tie_group or DASH)]


def _pairs(of: Sequence[Pair], out: Terminal) -> None:
    """A table for each half, with the columns of which anything is known."""
    for scores in dict.fromkeys(pair.scores for pair in of):
        pairs = [pair for pair in of if pair.scores == scores]
        columns = {
            "difference": [signed(pair.difference) for pair in pairs],
            "95 % interval": [signed_interval(pair.low, pair.high) for pair in pairs],
            "p": [probability(pair.p) for pair in pairs],
            "p, all": [probability(pair.p_adjusted) for pair in pairs],
            "detectable": [decimal(pair.minimum_detectable_difference) for pair in pairs],
            "needed": [count(pair.n_items_to_decide) for pair in pairs],
        }
        if any(pair.bench for pair in pairs):  # versions, whose table has no room for it
            del columns["needed"]
        known = {name: values for name, values in columns.items() if set(values) != {DASH}}
        table = _table("second minus first", *known, left=1, folded="second minus first")
        table.title = f"{scores} scores" if scores else None
        if len(known) > 4:  # names have what room is left
            table.padding, table.show_edge = (0, 0, 0, 0), False
        for row in list(zip(map(_names, pairs), *known.values(), strict=True))[:MAX_ROWS]:
            table.add_row(*row)
        notes = [f"and {len(pairs) - MAX_ROWS} more in the run's tables"] if len(pairs) > MAX_ROWS else []
        for note in dict.fromkeys(pair.note for pair in pairs if pair.p is None and pair.note):
            names = [str(_names(pair)) for pair in pairs if pair.note == note]
            notes += [f"{note}: {first_few(names)}" if len(names) < len(pairs) else note]
        table.caption = Text("; ".join(notes)) if notes else None
        out.print(table)


def _names(pair: Pair) -> Text:
    first, second = pair.first, pair.second
    if second.rpartition(" ")[0] == first.rpartition(" ")[0]:  # two versions of one model
        first = first.rpartition(" ")[2]
    return Text(f"{second} − {first}")


def _range(low: Any, high: Any) -> str:
    return DASH if low is None or high is None else f"{decimal(low)} to {decimal(high)}"


def _table(*columns: str, left: int, folded: str | None = None) -> Table:
    """The first `left` columns to the left. Where room is short the numbers give way, or the one that is `folded`."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for i, name in enumerate(columns):
        stays = name != folded if folded else i < left
        table.add_column(name, justify="left" if i < left else "right", no_wrap=stays, overflow="fold")
    return table
