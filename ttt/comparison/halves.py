"""Which halves of the models there are, base scores and adjusted ones, and which of them are compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ttt.cell.result import SIDES
from ttt.comparison.cells import NONE, CellRow, cell_rows
from ttt.comparison.findings import Excluded
from ttt.formatting import first_few

APART = (
    "base and adjusted scores are in two cells, so that they are not compared with each other (ingest the results of "
    "both in one folder)"
)


@dataclass(frozen=True)
class Halves:
    """The cells of the models that are compared, and the sides that all of these have."""

    cells: list[CellRow]
    sides: tuple[str, ...]
    score_key: str
    left_out: list[Excluded]
    """Models that lack a half which is compared."""
    reasons: list[str]
    """Why the comparison is not final: models are left out that nobody asked to leave out."""

    apart: list[str] = field(default_factory=list)
    """Models of which the other half is there, in a cell of its own."""
    is_base_asked_for: bool = False
    """There are adjusted halves, which `adjustment=none` leaves aside."""

    def missing(self, useful: Sequence[str]) -> list[str]:
        """A line on a half that would be of use and that no compared cell has: without it nothing is final."""
        if self.is_base_asked_for and "adjusted" in useful:
            return ["adjustment=none asks for base scores; a final comparison is of both halves"]
        n = len({cell.model for cell in self.cells})
        which = f"{n - len(self.apart)} of {n}" if self.apart else f"all {n}"
        return [
            f"the {side} half of {which} models is missing"
            for side in useful
            if side not in self.sides and len(self.apart) < n
        ]


def read_halves(runs: Sequence[Any], adjustment: str, key_of: Callable[[Sequence[Any]], str]) -> Halves:
    """Both sides of the models that have both, where there are two such models; else the side that more of them have.

    With `none` for the adjustment, the base scores of all. A model's base score is in its adjusted cell, or in one of
    its own. `key_of` gives the score's name in the metrics of cells.
    """
    adjusted = [run for run in runs if run.data.tags["ttt.adjustment"] == adjustment != NONE]
    bases = _base_runs(runs, adjustment)
    key = key_of(adjusted or bases)
    cells = cell_rows(adjusted, key)
    sides = {model: _sides_of([cell for cell in cells if cell.model == model]) for model in {c.model for c in cells}}
    complete = {model for model, of in sides.items() if of == SIDES}
    if len(complete) > 1 or (complete and not bases):
        names = sorted({run.data.tags["ttt.model"] for run in bases} - complete)
        left_out = [Excluded(model, _lacks("adjusted", adjustment)) for model in names if not sides.get(model)]
        own = {run.data.tags["ttt.model"] for run in bases}
        left_out += [
            Excluded(
                model,
                _lacks("adjusted", adjustment)
                if "adjusted" not in of
                else APART
                if model in own
                else _lacks("base", ""),
            )
            for model, of in sorted(sides.items())
            if of != SIDES
        ]
        return Halves([c for c in cells if c.model in complete], SIDES, key, left_out, _reasons(left_out, adjustment))
    key = key_of([*adjusted, *bases])
    rows = {"adjusted": [cell for cell in cells if "adjusted" in sides[cell.model]]}
    base_rows = cell_rows(bases, key)
    own = {cell.model for cell in base_rows}
    rows["base"] = [c for c in [*base_rows, *(c for c in cells if c.model not in own)] if c.base is not None]
    n = {side: len({cell.model for cell in of}) for side, of in rows.items()}
    side = "adjusted" if n["adjusted"] >= max(n["base"], 1) else "base"
    there = {cell.model for cell in rows[side]}
    names = sorted({run.data.tags["ttt.model"] for run in [*adjusted, *bases]} - there)
    left_out = [Excluded(model, _lacks(side, adjustment)) for model in names]
    reasons = _reasons(left_out, adjustment)
    if apart := sorted({cell.model for cell in rows["adjusted"]} & own - complete):
        reasons.append(f"{APART}: {first_few(apart)}")
    is_base_asked_for = adjustment == NONE and any(
        run.data.tags["ttt.adjustment"] != NONE and "adjusted/score" in run.data.metrics for run in runs
    )
    return Halves(rows[side], (side,), key, left_out, reasons, apart, is_base_asked_for)


def _base_runs(runs: Sequence[Any], adjustment: str) -> list[Any]:
    """Cells of the base model; of a model without one, where base scores alone are asked for, those of an adjustment.

    Base scores do not depend on the adjustment: of several the first by name counts.
    """
    own = [run for run in runs if run.data.tags["ttt.adjustment"] == NONE]
    if adjustment != NONE:
        return own
    rest: dict[str, list[Any]] = {}
    for run in runs:
        rest.setdefault(run.data.tags["ttt.model"], []).append(run)
    for model in {run.data.tags["ttt.model"] for run in own}:
        rest.pop(model)
    for of in rest.values():
        first = min(run.data.tags["ttt.adjustment"] for run in of)
        own += [run for run in of if run.data.tags["ttt.adjustment"] == first]
    return own


def _sides_of(cells: Sequence[CellRow]) -> tuple[str, ...]:
    """The sides that every seed of a model has."""
    return tuple(side for side in SIDES if all(getattr(cell, side) is not None for cell in cells))


def _lacks(side: str, adjustment: str) -> str:
    return f"the {side} half{f' ({adjustment})' if side == 'adjusted' else ''} is missing"


def _reasons(left_out: Sequence[Excluded], adjustment: str) -> list[str]:
    """A line on each half that models lack which are left out without having been asked for."""
    lines = []
    for reason in (*(_lacks(side, adjustment) for side in SIDES), APART):
        names = [line.model for line in left_out if line.reason == reason]
        if names:
            lines.append(f"{reason} of {len(names)} models, which are left out: {first_few(names)}")
    return lines
