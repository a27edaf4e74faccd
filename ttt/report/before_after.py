"""The figure a reader sees first: score against compute before and after adjusting, with the fits of both groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ttt.formatting import known, signed, signed_interval
from ttt.plotting import INK, MUTED, OLDER, log_axis
from ttt.report.axes import (
    GROUPS,
    Group,
    draw_points,
    group_handle,
    group_label,
    legend,
    mark_provisional,
    panels,
    sound,
)

CROWD = 150  # models, beyond which their marks would hide the fit
SIDES = (("base", "Before adjusting"), ("adjusted", "After adjusting"))


def before_after(conclusions: Mapping[str, Any], narrow: bool = False) -> Figure | None:
    """Two panels, or None where no model has a score and a compute."""
    models = [row for row in conclusions["models"] if known(row.get("compute"))]
    if not any(sound(row, side) for row in models for side, _ in SIDES):
        return None
    figure, axes = panels(narrow, 4.3)
    crowded = len(models) > CROWD
    drawn: set[Group] = set()
    curves = marks = False
    for one, (side, title) in zip(axes, SIDES, strict=True):
        drawn |= set(
            draw_points(one, models, "compute", side, f"{side}_stderr", size=3.0 if crowded else 5.0, alpha=0.85)
        )
        log_axis(one, "x", [row["compute"] for row in models], "pretraining compute (FLOPs)")
        curves |= _draw_curves(one, conclusions["curves"].get(side) or {}, order=3.5 if crowded else 2.5)
        one.set_title(f"{title}\n{theta_text(conclusions[side])}", loc="left", fontsize=10.5, color=INK)
    for one, (side, _) in zip(axes, SIDES, strict=True):
        marks |= _draw_chance(one, conclusions, side)
        one.set_ylabel(conclusions["metric_label"] if one is axes[0] or narrow else "")
    if narrow:
        axes[0].set_xlabel("")
    _draw_legend(figure, conclusions, drawn, curves, marks, narrow)
    mark_provisional(figure, conclusions["provisional"])
    return figure


def theta_text(fit: Mapping[str, Any]) -> str:
    """Theta and its interval, as given."""
    if known(fit.get("theta")) is None:
        return "θ not identified"
    interval = signed_interval(fit.get("theta_low"), fit.get("theta_high"), missing="")
    return f"θ = {signed(fit['theta'])}" + (f"  (95 %: {interval})" if interval else "  (no interval)")


def _draw_curves(axes: Axes, curves: Mapping[str, Any], order: float) -> bool:
    """Fitted lines and, where given, their bands; False where there are none."""
    compute = _numbers(curves.get("compute"))
    for group in GROUPS[:2]:
        side = "newer" if group.newer else "older"
        line, low, high = (_numbers(curves.get(f"{side}{bound}")) for bound in ("", "_low", "_high"))
        if len(line) == len(compute) > 0:
            axes.plot(compute, line, color=group.edge, linestyle=group.dashes, linewidth=1.6, zorder=order)
        if len(low) == len(high) == len(compute) > 0:
            axes.fill_between(compute, low, high, color=group.fill, alpha=0.16, linewidth=0, zorder=1)
    return bool(compute)


def _numbers(values: Any) -> list[float]:
    """A list with gaps where values are not known."""
    return [float("nan") if (number := known(value)) is None else number for value in values or []]


def _draw_chance(axes: Axes, conclusions: Mapping[str, Any], side: str) -> bool:
    """The chance line and on it the point of emergence, within what the axis shows; whether there is such a point."""
    chance, fit = known(conclusions.get("chance")), conclusions[side]
    if chance is None:
        return False
    axes.axhline(chance, color=MUTED, linestyle=(0, (1, 2)), linewidth=1.3, zorder=1)
    left, right = axes.get_xlim()
    emergence = known(fit.get("c_e"))
    if emergence is None or not left <= emergence <= right:
        return False
    low, high = (
        end if (bound := known(fit.get(key))) is None else min(max(bound, left), right)
        for key, end in (("c_e_low", left), ("c_e_high", right))
    )
    if known(fit.get("c_e_low")) is not None or known(fit.get("c_e_high")) is not None:
        axes.plot([low, high], [chance, chance], color=INK, linewidth=2.2, alpha=0.55, zorder=4, solid_capstyle="butt")
    axes.plot([emergence], [chance], "|", color=INK, markersize=11, markeredgewidth=2, zorder=4)
    axes.set_xlim(left, right)
    return True


def _draw_legend(
    figure: Figure, conclusions: Mapping[str, Any], drawn: set[Group], curves: bool, marks: bool, narrow: bool
) -> None:
    handles: list[Any] = []
    labels: list[str] = []
    for group in (group for group in GROUPS if group in drawn):
        line = group.dashes if curves and group.newer is not None else ""
        handles.append(group_handle(group, line))
        labels.append(group_label(conclusions["split"], group))
    if known(conclusions.get("chance")) is not None:
        handles.append(Line2D([], [], color=MUTED, linestyle=(0, (1, 2)), linewidth=1.3))
        labels.append("chance")
    if marks:
        handles.append(Line2D([], [], color=INK, linewidth=2.2, alpha=0.7, marker="|", markersize=9, markeredgewidth=2))
        labels.append("point of emergence, 95 %")
    given = [conclusions["curves"].get(side) or {} for side, _ in SIDES]
    if curves and any(of.get("older_low") for of in given):
        both = any(of.get("newer_low") for of in given)
        handles.append(Patch(color=MUTED if both else OLDER, alpha=0.2, linewidth=0))
        labels.append("95 % band of the fit" if both else "95 % band, older group")
    legend(figure, handles, labels, narrow)
