"""Names beside points, as many as fit without touching a point, an edge or each other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.transforms import Bbox

from ttt.formatting import clean
from ttt.plotting import INK
from ttt.report.output import settle

PLACES = ((-6, 0, "right"), (6, 0, "left"), (-5, 8, "right"), (5, -8, "left"), (5, 8, "left"), (-5, -8, "right"))
"""Offsets in points and alignment, tried in this order."""


class Label(NamedTuple):
    text: str
    x: float
    y: float


def place_labels(
    axes: Axes,
    labels: Sequence[Label],
    points: Sequence[tuple[float, float]],
    stairs: Sequence[tuple[float, float]] = (),
    at_most: int = 8,
    size: float = 8.0,
) -> int:
    """Write the labels in the order given, at most that many; how many found a place.

    `points` (data coordinates) stay free, as do the corners of `stairs` and the lines between them. Call it when
    everything else is drawn: places are judged in the figure's final layout, which labels do not change.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None
    renderer = FigureCanvasAgg(figure).get_renderer()
    settle(figure)
    frame = axes.get_window_extent(renderer).padded(-3)
    dots: Any = axes.transData.transform([*points]) if points else []
    radius = 3.5 * figure.dpi / 72
    taken = [Bbox.from_extents(x - radius, y - radius, x + radius, y + radius) for x, y in dots]
    corners: Any = axes.transData.transform([*stairs]) if stairs else []
    for (x0, y0), (x1, y1) in pairwise(corners):
        taken += [Bbox.from_extents(x0, y0 - 1, x1, y0 + 1), Bbox.from_extents(x1 - 1, y0, x1 + 1, y1)]
    n_placed = 0
    for label in labels:
        if n_placed == at_most:
            break
        for dx, dy, side in PLACES:
            text = axes.annotate(
                clean(label.text, 28),
                (label.x, label.y),
                (dx, dy),
                textcoords="offset points",
                ha=side,
                va="center",
                fontsize=size,
                color=INK,
                annotation_clip=False,
                parse_math=False,
            )
            text.set_in_layout(False)
            box = text.get_window_extent(renderer)
            inside = frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
            if inside and not any(box.overlaps(other) for other in taken):
                taken.append(box)
                n_placed += 1
                break
            text.remove()
    return n_placed
