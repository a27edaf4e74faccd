"""The figure of one cell: the loss while adjusting, and the score before, on the way and after."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from ttt.cell.result import Side
from ttt.plotting import ADJUSTED, BASE, MUTED, new_figure
from ttt.spec import Cell


def cell_figure(
    cell: Cell,
    losses: Sequence[tuple[int, float]],
    base: Side,
    checkpoints: Sequence[Side],
) -> Figure:
    """`losses` are (examples seen, nats a token); checkpoints have `n_examples` and a score, the last is the end."""
    figure, (left, right) = new_figure(9, 3.6, columns=2)
    left.plot(*zip(*losses, strict=True), color=ADJUSTED, linewidth=1.2)
    left.set(xlabel="examples seen", ylabel="loss (nats per answer token)", title="Adjusting")
    right.axhline(cell.bench.chance, color=MUTED, linestyle=":", linewidth=1)
    right.annotate(
        "chance", (1, cell.bench.chance), xycoords=("axes fraction", "data"), ha="right", va="bottom", color=MUTED
    )
    end = checkpoints[-1]
    points = [(0, base["score"]), *((point["n_examples"], point["score"]) for point in checkpoints)]
    right.plot(*zip(*points, strict=True), color=ADJUSTED, linewidth=1.2)
    for n_examples, side, color, label in ((0, base, BASE, "base"), (end["n_examples"], end, ADJUSTED, "adjusted")):
        right.errorbar(
            n_examples, side["score"], yerr=1.96 * (side["stderr"] or 0), fmt="o", color=color, capsize=3, label=label
        )
    right.set(xlabel="examples seen", ylabel=cell.bench.metric.replace(",none", ""), title="Score, with 95 % intervals")
    right.legend(frameon=False, loc="best")
    figure.suptitle(f"{cell.label} on {cell.bench.name}")
    return figure
