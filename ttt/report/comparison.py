"""The report of a comparison: its figures as PNG and SVG, and one page that holds everything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from ttt.comparison.conclusions import BenchConclusions
from ttt.comparison.sentences import say
from ttt.report.before_after import before_after
from ttt.report.cost import cost
from ttt.report.emergence import emergence
from ttt.report.frontier import frontier
from ttt.report.output import inline_svg, save_figure, svg_of
from ttt.report.page import Drawn, page

FIGURES: dict[str, Callable[..., Figure | None]] = {
    "before_after": before_after,
    "emergence": emergence,
    "frontier": frontier,
    "cost": cost,
}


def render(conclusions: BenchConclusions, folder: Path) -> list[Path]:
    """Write `figures/*.png`, `figures/*.svg` and `report.html` into the folder; the paths of what was written.

    What the data do not identify has no figure, and the page says so.
    """
    written: list[Path] = []
    drawn: dict[str, Drawn] = {}
    for name, draw in FIGURES.items():
        wide, narrow = draw(conclusions), draw(conclusions, narrow=True)
        if wide is None or narrow is None:
            continue
        description = describe(name, conclusions)
        png, svg = save_figure(wide, folder / "figures", name, description)
        written += [png, svg]
        drawn[name] = Drawn(
            inline_svg(svg.read_bytes(), name, description),
            inline_svg(svg_of(narrow, description), f"{name}-narrow", description),
        )
    report = folder / "report.html"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(page(conclusions, drawn), encoding="utf-8")
    return [report, *written]


def describe(name: str, conclusions: BenchConclusions) -> str:
    """What the figure shows, in words, for those who cannot see it and as the title of its files."""
    return " ".join(filter(None, (say(conclusions, "figures"), say(conclusions, f"figures/{name}"))))
