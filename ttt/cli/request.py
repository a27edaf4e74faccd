"""What the commands that work on cells have in common: the fields of their configs, checked all at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from ttt.cli.composition import faults_by_bench
from ttt.spec import Cell, Name, Spec, SpecError, Tracking, Trainer, check

OF_CELL = ("suite", "model", "adjustment", "seed")
"""The fields that make a cell of a bench."""


class CellCommand(Spec):
    """The fields that `conf/cell.yaml` gives a command; one with more of its own inherits from it.

    What makes a cell is checked as a `Cell`, so that faults of both are named together.
    """

    suite: Name
    model: Any
    bench: Any
    benches: Any = None
    adjustment: Any
    seed: Any
    lab: Any = None
    trainer: Trainer
    tracking: Tracking
    output: str | None
    allow_env: tuple[str, ...] = ()


C = TypeVar("C", bound=CellCommand)


def parse_cells(
    config: Mapping[str, Any], command: type[C], benches: tuple[Mapping[str, Any], ...] = ()
) -> tuple[list[Cell], C]:
    """The cell of each bench (by default of the one `bench`) that a command's config asks for, and its other fields.

    Raises one SpecError that lists every fault, each with the benches that have it unless all do.
    """
    benches = benches or (config["bench"],)
    names = [str(bench.get("name")) for bench in benches]
    faults: dict[str, list[str]] = {}
    cells, asked = [], None
    for bench, name in zip(benches, names, strict=True):
        try:
            cells.append(check(Cell, {**{field: config[field] for field in OF_CELL}, "bench": bench}))
        except SpecError as error:
            for fault in str(error).splitlines():
                faults.setdefault(fault, []).append(name)
    try:
        asked = check(command, config)
    except SpecError as error:
        faults |= {fault: [] for fault in str(error).splitlines()}
    if faults or asked is None:
        raise SpecError(faults_by_bench(faults, names))
    return cells, asked
