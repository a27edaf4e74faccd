"""The figure a reader sees first: score against compute before and after adjusting, with the fits of both groups."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ttt.comparison.conclusions import BenchConclusions
from ttt.comparison.findings import Curve
from ttt.comparison.sentences.captions import fitted_floors, theta_text
from ttt.plotting import INK, MUTED, OLDER, log_axis
from ttt.report.axes import (
    GROUPS,
    TITLES,
    Group,
    draw_points,
    group_handle,
    group_label,
    legend,
    mark_provisional,
    metric_label,
    panels,
)

CHANCE_LINE: dict[str, Any] = {"color": MUTED, "linestyle": (0, (1, 2)), "linewidth": 1.3, "zorder": 1}
FLOOR_LINE: dict[str, Any] = {**CHANCE_LINE, "linestyle": (0, (5, 2, 1, 2))}
CROWD = 150  # models, beyond which their marks would hide the fit


def before_after(conclusions: BenchConclusions, narrow: bool = False) -> Figure | None:
    """A panel for each half that there is, with the same axes; None where the compute of no model is known."""
    models = conclusions.models
    compute = [row.compute for row in models if row.compute]
    if not compute:
        return None
    sides = conclusions.sides
    figure, axes = panels(len(sides), narrow, 4.3)
    crowded = len(models) > CROWD
    drawn: set[Group] = set()
    curves = marks = False
    for one, side in zip(axes, sides, strict=True):
        drawn |= set(
            draw_points(one, models, "compute", side, f"{side}_stderr", size=3.0 if crowded else 5.0, alpha=0.85)
        )
        log_axis(one, "x", compute, "pretraining compute (FLOPs)")
        curves |= _draw_curves(one, getattr(conclusions.curves, side), order=3.5 if crowded else 2.5)
        what = "" if conclusions.no_theta else f"\n{theta_text(getattr(conclusions, side))}"
        one.set_title(f"{TITLES[side]}{what}", loc="left", fontsize=10.5, color=INK)
    for one, side in zip(axes, sides, strict=True):
        marks |= _draw_levels(one, conclusions, side)
        one.set_ylabel(metric_label(conclusions) if one is axes[0] or narrow else "")
    if narrow and len(axes) > 1:
        axes[0].set_xlabel("")
    _draw_legend(figure, conclusions, drawn, curves, marks, narrow)
    mark_provisional(figure, conclusions.provisional)
    return figure


def _draw_curves(axes: Axes, curve: Curve | None, order: float) -> bool:
    """Fitted lines and, where given, the older group's band; False where there are none."""
    if curve is None:
        return False
    older, newer, neither = GROUPS
    lines = {neither: curve.older} if curve.newer is None else {older: curve.older, newer: curve.newer}
    for group, line in lines.items():
        axes.plot(
            curve.compute, np.array(line, float), color=group.edge, linestyle=group.dashes, linewidth=1.6, zorder=order
        )
    if curve.older_low and curve.older_high:
        low, high = np.array(curve.older_low, float), np.array(curve.older_high, float)
        axes.fill_between(curve.compute, low, high, color=OLDER, alpha=0.16, linewidth=0, zorder=1)
    return True


def _draw_levels(axes: Axes, conclusions: BenchConclusions, side: str) -> bool:
    """Lines at chance and at a fitted floor; on the floor the point of emergence, within what the axis shows.

    Whether there is such a point.
    """
    if conclusions.chance is None:
        return False
    fit = getattr(conclusions, side)
    axes.axhline(conclusions.chance, **CHANCE_LINE)
    floor = conclusions.chance
    if fit.floor_fitted:
        floor = fit.floor
        axes.axhline(floor, **FLOOR_LINE)
    left, right = axes.get_xlim()
    emergence = fit.c_e
    if emergence is None or not left <= emergence <= right:
        return False
    low, high = (
        end if bound is None else min(max(bound, left), right)
        for bound, end in ((fit.c_e_low, left), (fit.c_e_high, right))
    )
    if fit.c_e_low is not None or fit.c_e_high is not None:
        axes.plot([low, high], [floor, floor], color=INK, linewidth=2.2, alpha=0.55, zorder=4, solid_capstyle="butt")
    axes.plot([emergence], [floor], "|", color=INK, markersize=11, markeredgewidth=2, zorder=4)
    axes.set_xlim(left, right)
    return True


def _draw_legend(
    figure: Figure, conclusions: BenchConclusions, drawn: set[Group], curves: bool, marks: bool, narrow: bool
) -> None:
    handles: list[Any] = []
    labels: list[str] = []
    for group in (group for group in GROUPS if group in drawn):
        has_line = curves and (group.newer is not None or conclusions.split is None)
        line = group.dashes if has_line else ""
        handles.append(group_handle(group, line))
        labels.append(group_label(conclusions.split, group))
    if conclusions.chance is not None:
        handles.append(Line2D([], [], **CHANCE_LINE))
        labels.append("chance")
    if fitted_floors(conclusions):
        handles.append(Line2D([], [], **FLOOR_LINE))
        labels.append("fitted floor")
    if marks:
        handles.append(Line2D([], [], color=INK, linewidth=2.2, alpha=0.7, marker="|", markersize=9, markeredgewidth=2))
        labels.append("point of emergence, 95 %")
    if any(curve and curve.older_low for curve in (conclusions.curves.base, conclusions.curves.adjusted)):
        handles.append(Patch(color=OLDER, alpha=0.2, linewidth=0))
        labels.append("95 % band, older group" if conclusions.split else "95 % band")
    legend(figure, handles, labels, narrow)
