"""The best score to be had for a compute, before and after adjusting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ttt.comparison.conclusions import BenchConclusions
from ttt.comparison.findings import Step
from ttt.formatting import decimal
from ttt.plotting import INK, OLDER, log_axis
from ttt.report.axes import (
    GROUPS,
    TITLES,
    draw_points,
    group_handle,
    group_label,
    legend,
    mark_provisional,
    metric_label,
    panels,
)
from ttt.report.labels import Label, place_labels


def frontier(conclusions: BenchConclusions, narrow: bool = False) -> Figure | None:
    """A panel a half with the staircase of unbeaten models, some of them named; None where no compute is known."""
    stairs = {side: steps for side in conclusions.sides if (steps := getattr(conclusions.frontier, side))}
    if not stairs:
        return None
    models = [row for row in conclusions.models if row.compute]
    compute = [row.compute for row in models if row.compute]
    figure, axes = panels(len(stairs), narrow, 4.1)
    drawn = set()
    has_older = False
    for one, side in zip(axes, stairs, strict=True):
        drawn |= set(draw_points(one, models, "compute", side, size=4.6, alpha=0.75))
        log_axis(one, "x", compute, "pretraining compute (FLOPs)")
        older = getattr(conclusions.frontier, f"{side}_older") or []
        has_older |= bool(older)
        _draw_stairs(one, older, color=OLDER, width=3.5, alpha=0.35)
        _draw_stairs(one, stairs[side])
        area = getattr(conclusions.pareto_area, side)
        added = "" if area is None else f"\narea added by the newer group: {decimal(area)}"
        one.set_title(f"{TITLES[side]}{added}", loc="left", fontsize=10.5, color=INK)
        one.set_ylabel(metric_label(conclusions) if one is axes[0] or narrow else "")
    if narrow and len(axes) > 1:
        axes[0].set_xlabel("")
    handles: list[Any] = [Line2D([], [], color=INK, linewidth=1.4)]
    labels = ["frontier of all models"]
    if has_older:
        handles.append(Line2D([], [], color=OLDER, linewidth=3.5, alpha=0.35))
        labels.append("frontier of the older group")
    for group in (group for group in GROUPS if group in drawn):
        handles.append(group_handle(group))
        labels.append(group_label(conclusions.split, group))
    legend(figure, handles, labels, narrow)
    mark_provisional(figure, conclusions.provisional)
    for one, side in zip(axes, stairs, strict=True):
        names = [Label(step.model, step.compute, step.score) for step in reversed(stairs[side])]
        points = [(row.compute or 0.0, getattr(row, side)) for row in models]
        corners = [(step.compute, step.score) for step in stairs[side]]
        corners += [(one.get_xlim()[1], corners[-1][1])] if corners else []
        place_labels(one, names, points, corners, at_most=4 if narrow else 8, size=7.5)
    return figure


def _draw_stairs(axes: Axes, steps: Sequence[Step], color: str = INK, width: float = 1.4, alpha: float = 1.0) -> None:
    """From a step on its score can be had, up to the panel's right edge after the last."""
    if not steps:
        return
    left, right = axes.get_xlim()
    x = [*(step.compute for step in steps), max(right, steps[-1].compute)]
    y = [*(step.score for step in steps), steps[-1].score]
    axes.step(x, y, where="post", color=color, linewidth=width, alpha=alpha, zorder=2)
    axes.set_xlim(left, right)
