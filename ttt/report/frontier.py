"""The best score to be had for a compute, before and after adjusting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ttt.formatting import decimal, known
from ttt.plotting import INK, OLDER, log_axis
from ttt.report.axes import (
    GROUPS,
    draw_points,
    group_handle,
    group_label,
    legend,
    mark_provisional,
    panels,
    sound,
)
from ttt.report.before_after import SIDES
from ttt.report.labels import Label, place_labels

Row = Mapping[str, Any]


def frontier(conclusions: Mapping[str, Any], narrow: bool = False) -> Figure | None:
    """Two panels with the staircase of unbeaten models, some of them named; None where no frontier is given."""
    stairs = {side: _sound(conclusions["frontier"].get(side)) for side, _ in SIDES}
    if not any(stairs.values()):
        return None
    models = [row for row in conclusions["models"] if known(row.get("compute"))]
    compute = [row["compute"] for row in [*models, *stairs["base"], *stairs["adjusted"]]]
    figure, axes = panels(narrow, 4.1)
    drawn = set()
    for one, (side, title) in zip(axes, SIDES, strict=True):
        drawn |= set(draw_points(one, models, "compute", side, size=4.6, alpha=0.75))
        log_axis(one, "x", compute, "pretraining compute (FLOPs)")
        _draw_stairs(one, _sound(conclusions["frontier"].get(f"{side}_older")), color=OLDER, width=3.5, alpha=0.35)
        _draw_stairs(one, stairs[side])
        area = known(conclusions["pareto_area"].get(side))
        added = f"area added by the newer group: {decimal(area)}" if area is not None else "area added: not known"
        one.set_title(f"{title}\n{added}", loc="left", fontsize=10.5, color=INK)
        one.set_ylabel(conclusions["metric_label"] if one is axes[0] or narrow else "")
    if narrow:
        axes[0].set_xlabel("")
    handles: list[Any] = [Line2D([], [], color=INK, linewidth=1.4)]
    labels = ["frontier of all models"]
    if any(conclusions["frontier"].get(f"{side}_older") for side, _ in SIDES):
        handles.append(Line2D([], [], color=OLDER, linewidth=3.5, alpha=0.35))
        labels.append("frontier of the older group")
    for group in (group for group in GROUPS if group in drawn):
        handles.append(group_handle(group))
        labels.append(group_label(conclusions["split"], group))
    legend(figure, handles, labels, narrow)
    mark_provisional(figure, conclusions["provisional"])
    for one, (side, _) in zip(axes, SIDES, strict=True):
        names = [Label(str(row.get("model", "")), row["compute"], row["score"]) for row in reversed(stairs[side])]
        points = [(row["compute"], row[side]) for row in models if sound(row, side)]
        corners = [(row["compute"], row["score"]) for row in stairs[side]]
        corners += [(one.get_xlim()[1], corners[-1][1])] if corners else []
        place_labels(one, names, points, corners, at_most=4 if narrow else 8, size=7.5)
    return figure


def _sound(rows: Any) -> list[Row]:
    """The steps with both numbers, from the smallest compute up."""
    known_rows = [row for row in rows or [] if known(row.get("compute")) and sound(row, "score")]
    return sorted(known_rows, key=lambda row: row["compute"])


def _draw_stairs(axes: Axes, rows: Sequence[Row], color: str = INK, width: float = 1.4, alpha: float = 1.0) -> None:
    """From a step on its score can be had, up to the panel's right edge after the last."""
    if not rows:
        return
    left, right = axes.get_xlim()
    x = [*(row["compute"] for row in rows), max(right, rows[-1]["compute"])]
    y = [*(row["score"] for row in rows), rows[-1]["score"]]
    axes.step(x, y, where="post", color=color, linewidth=width, alpha=alpha, zorder=2)
    axes.set_xlim(left, right)
