"""What the figures of a comparison have in common: their panels, the two groups, the legend, the provisional mark."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ttt.comparison.conclusions import BenchConclusions
from ttt.comparison.findings import Groups, ModelLine
from ttt.formatting import clean, count
from ttt.plotting import ALERT, INK, NEWER, NEWER_EDGE, OLDER, OLDER_EDGE, new_figure, quiet

WIDE, NARROW = 9.2, 4.0  # inches: a page's width, and a phone's, where the panels stand below each other


class Group(NamedTuple):
    """How one side of the split is drawn: recognised by shape as well as by colour."""

    newer: bool | None
    fill: str
    edge: str
    marker: str
    dashes: Any


GROUPS = (
    Group(False, OLDER, OLDER_EDGE, "o", "-"),
    Group(True, NEWER, NEWER_EDGE, "D", (0, (5, 2))),
    Group(None, "#C3C9D1", INK, "s", "-"),
)
"""The last one is of models that are in neither: those that lack what the split goes by, or all where there is none."""


def group_label(split: Groups | None, group: Group) -> str:
    """The split's own word for the group, with its number of models."""
    if split is None or group.newer is None:
        return "models" if split is None else "models of neither group"
    name, size = (split.newer, split.n_newer) if group.newer else (split.older, split.n_older)
    return f"{clean(name)} ({count(size)})"


def metric_label(conclusions: BenchConclusions) -> str:
    """What stands on an axis of scores."""
    return f"score ({clean(conclusions.metric.replace(',none', ''))})"


TITLES = {"base": "Before adjusting", "adjusted": "After adjusting"}


def panels(n: int, narrow: bool, height: float) -> tuple[Figure, list[Axes]]:
    """A panel, or two with one y axis: side by side, or below each other for a narrow screen."""
    if n == 1:
        figure, one = new_figure(NARROW if narrow else 0.75 * WIDE, (0.81 if narrow else 1.0) * height)
        axes = [one]
    elif narrow:
        figure, axes = new_figure(NARROW, 1.62 * height, rows=2, sharex=True, sharey=True)
    else:
        figure, axes = new_figure(WIDE, height, columns=2, sharey=True)
    for one in axes:
        quiet(one)
    return figure, list(axes)


def draw_points(
    axes: Axes,
    models: Sequence[ModelLine],
    x: str,
    y: str,
    stderr: str | None = None,
    *,
    size: float = 5.5,
    alpha: float = 0.9,
) -> list[Group]:
    """The models of each group at (x, y), with whiskers of 1.96 standard errors; which groups were drawn."""
    drawn = []
    for group in GROUPS:
        rows = [
            row
            for row in models
            if row.newer == group.newer and getattr(row, x) is not None and getattr(row, y) is not None
        ]
        if not rows:
            continue
        drawn.append(group)
        errors = [1.96 * (getattr(row, stderr) or 0.0) for row in rows] if stderr else None
        axes.errorbar(
            [getattr(row, x) for row in rows],
            [getattr(row, y) for row in rows],
            yerr=errors,
            fmt=group.marker,
            markersize=size - (0.8 if group.marker == "D" else 0.0),
            markerfacecolor=group.fill,
            markeredgecolor=group.edge,
            markeredgewidth=0.8,
            ecolor=group.edge,
            elinewidth=0.9,
            alpha=alpha,
            zorder=3,
        )
    return drawn


def group_handle(group: Group, line: Any = "") -> Line2D:
    """The group's mark, for a legend, on its line if it has one."""
    return Line2D(
        [],
        [],
        color=group.edge,
        linestyle=line,
        linewidth=1.6,
        marker=group.marker,
        markersize=5.5,
        markerfacecolor=group.fill,
        markeredgecolor=group.edge,
    )


def legend(figure: Figure, handles: Sequence[Any], labels: Sequence[str], narrow: bool) -> None:
    """Below the panels, outside of the data."""
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=1 if narrow else len(labels) if len(labels) < 4 else (len(labels) + 1) // 2,
        frameon=False,
        fontsize=9,
        labelcolor=INK,
    )


def mark_provisional(figure: Figure, provisional: bool) -> None:
    """A figure travels without its report, so it says itself that it is provisional."""
    if provisional:
        figure.suptitle("PROVISIONAL", x=0.995, ha="right", fontsize=9, fontweight="bold", color=ALERT)
