"""Where abilities emerge and how well compute predicts the score, against the budget of adjusting."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from ttt.comparison.conclusions import BenchConclusions
from ttt.comparison.findings import EmergenceRow
from ttt.formatting import clean
from ttt.plotting import INK, MUTED, OLDER, OLDER_EDGE, log_axis, new_figure, quiet
from ttt.report.axes import NARROW, WIDE, legend, mark_provisional

MEASURES = {"score": "score", "brier": "Brier score", "gold_logprob": "log-probability of the right answer"}
PANELS = (("c_e", "Point of emergence"), ("r2", "R² on compute"))


def emergence(conclusions: BenchConclusions, narrow: bool = False) -> Figure | None:
    """A row of panels a measure: point of emergence, and R2; None where there are no budgets to compare."""
    rows = conclusions.emergence
    if len({row.examples for row in rows}) < 2:
        return None
    budgets = sorted({row.examples for row in rows if row.examples is not None})
    whole = any(row.examples is None for row in rows)
    measures = list(dict.fromkeys(row.measure for row in rows))
    if narrow:
        figure, axes = new_figure(NARROW, 5.6 * len(measures), rows=2 * len(measures), squeeze=False)
        pairs = [(axes[2 * i][0], axes[2 * i + 1][0]) for i in range(len(measures))]
    else:
        figure, axes = new_figure(WIDE, 3.2 * len(measures) + 0.5, columns=2, rows=len(measures), squeeze=False)
        pairs = [(row[0], row[1]) for row in axes]
    line = missing = None
    for measure, pair in zip(measures, pairs, strict=True):
        ours = [row for row in rows if row.measure == measure]
        name = f": {MEASURES[measure]}" if len(measures) > 1 else ""
        reach = [bound for row in ours for bound in (row.c_e, row.c_e_low, row.c_e_high) if bound]
        for one, (field, title) in zip(pair, PANELS, strict=True):
            quiet(one)
            _budget_axis(one, budgets, whole)
            if field == "r2":
                one.set_ylim(-0.03, 1.03)
                one.set_ylabel("R²")
            elif reach:
                log_axis(one, "y", reach, "c_e (FLOPs)")
                one.set_ylim(min(reach) / 2, max(reach) * 2)
                missing = _draw_unidentified(one, ours, _end(budgets)) or missing
            else:
                one.set_yticks([])
                one.text(0.5, 0.5, "not identified at any budget", transform=one.transAxes, ha="center", color=MUTED)
            line = _draw(one, ours, field, _end(budgets)) or line
            one.set_title(f"{title}{name}", loc="left", fontsize=10.5, color=INK)
    if missing is not None:
        older = clean(conclusions.split.older) if conclusions.split else "all models"
        legend(figure, [line, missing], [older, "c_e not identified"], narrow)
    mark_provisional(figure, conclusions.provisional)
    return figure


def _end(budgets: Sequence[float]) -> float:
    """Where the whole adjustment is drawn if it is not known how many examples that is: off the scale of the others."""
    return 3.0 * max([*budgets, 1.0])


def _budget_axis(axes: Axes, budgets: Sequence[float], whole: bool) -> None:
    """Examples on a log axis that also has a place for 0, the base model; a tick at every budget with room for one.

    With `whole` there is a place beyond the scale, without a number, behind a dotted line.
    """
    smallest = min([budget for budget in budgets if budget > 0], default=1.0)
    axes.set_xscale("symlog", linthresh=smallest, linscale=0.6)
    reach = max([*budgets, 1.0])
    ends = [_end(budgets)] if whole else []
    axes.set_xlim(-0.25 * smallest, 1.6 * max([reach, *ends]))
    if whole:
        axes.axvline((reach * _end(budgets)) ** 0.5, color=MUTED, linestyle=(0, (1, 2)), linewidth=1)
    places = axes.xaxis.get_transform().transform([*axes.get_xlim(), *budgets, *ends])
    width = places[1] - places[0]
    ticks, last = [], float("inf")
    for budget, place in sorted(zip([*budgets, *ends], places[2:], strict=True), reverse=True):
        if last - place > 0.1 * width:
            ticks.append(budget)
            last = place
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: "all" if value in ends else _short(value)))
    axes.set_xlabel("examples of task data")


def _short(value: float) -> str:
    """`0`, `640`, `6.4k`, `256k`, `1.6M`."""
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:g}"


def _draw(axes: Axes, rows: Sequence[EmergenceRow], field: str, end: float) -> Any:
    """The older group's points with whiskers, joined where they are of the same models at known budgets.

    A bound that is open becomes a whisker to the edge of the panel.
    """
    known = [row for row in rows if getattr(row, field) is not None]
    line = None
    for run in _runs(known):
        (line,) = axes.plot(
            [_place(row, end) for row in run],
            [getattr(row, field) for row in run],
            marker="o",
            color=OLDER_EDGE,
            markerfacecolor=OLDER,
            markeredgecolor=OLDER_EDGE,
            markersize=5.5,
            linewidth=1.3,
            zorder=3,
        )
    bottom, top = axes.get_ylim()
    for row in known:
        low, high = getattr(row, f"{field}_low"), getattr(row, f"{field}_high")
        if low is not None or high is not None:
            ends = [bottom if low is None else low, top if high is None else high]
            axes.plot([_place(row, end)] * 2, ends, color=OLDER_EDGE, linewidth=1)
    return line


def _place(row: EmergenceRow, end: float) -> float:
    return end if row.examples is None else row.examples


def _runs(rows: Sequence[EmergenceRow]) -> Iterator[list[EmergenceRow]]:
    """Neighbours by budget that may be joined, smallest budget first; what has no known budget stands alone."""
    run: list[EmergenceRow] = []
    for row in sorted(rows, key=lambda row: _place(row, float("inf"))):
        if run and (row.examples is None or row.left_out != run[-1].left_out):
            yield run
            run = []
        run.append(row)
    if run:
        yield run


def _draw_unidentified(axes: Axes, rows: Sequence[EmergenceRow], end: float) -> Any:
    """Crosses at the foot of the panel, at the budgets where no number is to be had; None where there are none."""
    missing = sorted({_place(row, end) for row in rows if row.c_e is None})
    if not missing:
        return None
    (marks,) = axes.plot(
        missing,
        [0.04] * len(missing),
        "x",
        color=MUTED,
        markersize=6.5,
        transform=axes.get_xaxis_transform(),
        clip_on=False,
    )
    return marks
