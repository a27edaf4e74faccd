"""What the result files of a folder measured, put together to cells: the sides and the checkpoints between them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ttt.files.hashing import json_digest
from ttt.imported.omissions import Omissions
from ttt.imported.reading import Reading
from ttt.spec import Cell, SpecError, check

KEY_FORMAT = 2
"""Raised when ingest comes to make something else of the same files."""


@dataclass(frozen=True)
class Measured:
    """A cell as its files say: both sides, or the adjusted one alone, and the checkpoints between them."""

    cell: Cell
    key: str
    base: Reading | None
    adjusted: Reading
    checkpoints: tuple[Reading, ...]

    @property
    def sides(self) -> dict[str, Reading]:
        return {"adjusted": self.adjusted} if self.base is None else {"base": self.base, "adjusted": self.adjusted}

    @property
    def files(self) -> list[Reading]:
        readings = _in_order(self.base, self.checkpoints, self.adjusted)
        return list({reading.name: reading for reading in readings}.values())


def cells_of(readings: Iterable[Reading], suite: str, omissions: Omissions) -> Iterable[Measured]:
    """Cells of the files that belong together. Without base scores a cell has the adjusted half alone, which is noted;
    checkpoints without adjusted scores are put into `omissions`.
    """
    bases: dict[tuple[str, str], Reading] = {}
    ends: dict[tuple[str, str, str], Reading] = {}
    ways: dict[tuple[str, str, str], list[Reading]] = {}
    for reading in readings:
        place = (reading.model.name, reading.bench.name)
        if reading.adjustment.method == "none":
            bases[place] = reading
        elif reading.n_examples is None:
            ends[(*place, reading.adjustment.name)] = reading
        else:
            ways.setdefault((*place, reading.adjustment.name), []).append(reading)
    for alone in bases.values():
        try:
            yield _measured(suite, alone, (), alone)
        except SpecError as error:
            omissions.skip("no cell", alone.name, str(error))
    for whole, end in ends.items():
        base = bases.get(whole[:2])
        checkpoints = tuple(sorted(ways.pop(whole, ()), key=lambda reading: reading.n_examples or 0))
        if base is None:
            omissions.note("adjusted scores without those of the base model", end.name)
        elif base.results.digest == end.results.digest:
            omissions.note("adjusted scores from a file that is the base model's to the letter", end.name)
        try:
            yield _measured(suite, base, checkpoints, end)
        except SpecError as error:
            omissions.skip("no task data", end.name, str(error))
    for checkpoints_alone in ways.values():
        for reading in checkpoints_alone:
            why = f"no scores after the whole adjustment for {reading.model.name} {reading.adjustment.name}"
            omissions.skip("missing end", reading.name, f"{why} on {reading.bench.name}")


def _measured(suite: str, base: Reading | None, checkpoints: tuple[Reading, ...], adjusted: Reading) -> Measured:
    model = adjusted.model.model_copy(update={"dtype": None})  # which others used is not known
    parts = {"suite": suite, "model": model, "bench": adjusted.bench, "adjustment": adjusted.adjustment}
    cell = check(Cell, parts)
    files = [(r.n_examples, r.results.digest, r.digest_samples) for r in _in_order(base, checkpoints, adjusted)]
    content = {"format": KEY_FORMAT, "cell": cell.model_dump(mode="json"), "files": files}
    key = json_digest(content)
    return Measured(cell, key, base, adjusted, checkpoints)


def _in_order(base: Reading | None, checkpoints: tuple[Reading, ...], adjusted: Reading) -> list[Reading]:
    return [reading for reading in (base, *checkpoints, adjusted) if reading is not None]
