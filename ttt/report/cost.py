"""What a score costs: the seconds a cell took against the adjusted score."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter

from ttt.comparison.conclusions import BenchConclusions
from ttt.formatting import duration
from ttt.plotting import log_axis, new_figure, quiet
from ttt.report.axes import (
    NARROW,
    WIDE,
    draw_points,
    group_handle,
    group_label,
    legend,
    mark_provisional,
    metric_label,
)
from ttt.report.labels import Label, place_labels
from ttt.report.strips import whiskers

TICKS = (0.1, 1, 10, 60, 600, 3600, 36_000, 360_000, 3_600_000)
"""Seconds at which people think: 1 s, 10 s, 1 min, 10 min, 1 h, 10 h."""


def cost(conclusions: BenchConclusions, narrow: bool = False) -> Figure | None:
    """One panel; None where fewer than two models have their seconds."""
    side = "adjusted" if "adjusted" in conclusions.sides else "base"
    models = [row for row in conclusions.models if row.seconds]
    if len(models) < 2:
        return None
    figure, axes = new_figure(NARROW if narrow else 0.75 * WIDE, 4.0)
    quiet(axes)
    drawn = draw_points(axes, models, "seconds", side, f"{side}_stderr", size=5.2)
    seconds = [row.seconds for row in models if row.seconds]
    log_axis(
        axes, "x", seconds, "time of evaluating" if side == "base" else "time of the cell: adjusting and evaluating"
    )
    if max(seconds) > 12 * min(seconds):
        left, right = axes.get_xlim()
        axes.xaxis.set_major_locator(FixedLocator([tick for tick in TICKS if left <= tick <= right]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: duration(value)))
    axes.set_ylabel(f"{metric_label(conclusions)}, {side}")
    handles = [group_handle(group) for group in drawn]
    legend(figure, handles, [group_label(conclusions.split, group) for group in drawn], narrow)
    mark_provisional(figure, conclusions.provisional)
    scores: dict[str, float] = {row.model: getattr(row, side) for row in models}
    ends = sorted(models, key=lambda row: scores[row.model], reverse=True)
    few = list(dict.fromkeys(row.model for row in [*ends[:3], *ends[-2:]]))
    seconds_of = {row.model: row.seconds or 0.0 for row in models}
    names = [Label(name, seconds_of[name], scores[name]) for name in few]
    points = []
    for row in models:
        low, high = whiskers(scores[row.model], getattr(row, f"{side}_stderr"))
        points += [(row.seconds or 0.0, y) for y in (scores[row.model], low, high) if y is not None]
    place_labels(axes, names, points, at_most=5, size=7.5)
    return figure
