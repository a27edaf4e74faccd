"""What all trials of a study share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ttt.cell.workbench import Workbench
from ttt.spec import Cell
from ttt.study.space import Ladder, Plan
from ttt.study.validation import Validation
from ttt.tracking import RunLog

Say = Callable[[str], None]


@dataclass
class Studied:
    cell: Cell
    plan: Plan
    work: Workbench
    ladder: Ladder
    n_own: int
    """The adjustment's own budget, examples."""
    validation: Validation
    key: str
    parent: RunLog
    say: Say
