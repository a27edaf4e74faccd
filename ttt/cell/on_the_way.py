"""Scores that a cell takes while its model is being adjusted, kept on the disk until the cell's run is written."""

from __future__ import annotations

from ttt.cell.result import Side
from ttt.engine import distributed
from ttt.files import scratch
from ttt.tracking import Tracker


class ScoresOnTheWay:
    """Each side that a cell was scored with, by the examples seen; a kill loses none of them."""

    def __init__(self, key: str, tracker: Tracker):
        self.key = key
        self.file = tracker.folder(key) / "on_the_way.json"
        kept = distributed.on_rank_zero(lambda: scratch.read(self.file, key)) or {}
        self.sides: dict[int, Side] = {int(n_examples): side for n_examples, side in kept.items()}

    def add(self, n_examples: int, side: Side) -> None:
        self.sides[n_examples] = side
        if distributed.rank():
            return
        self.file.parent.mkdir(parents=True, exist_ok=True)
        scratch.write(self.file, {str(n): kept for n, kept in self.sides.items()}, self.key)
