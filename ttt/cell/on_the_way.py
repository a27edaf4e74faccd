"""Scores that a cell takes while its model is being adjusted, kept on the disk until the cell's run is written."""

from __future__ import annotations

from ttt.cell.result import Side
from ttt.engine import distributed
from ttt.files import scratch
from ttt.tracking import Tracker


class ScoresOnTheWay:
    """Each side that a cell was scored with, by the examples seen; a kill loses none of them.

    They belong to one training: those of another, such as one that was superseded by `force`, do not count.
    """

    def __init__(self, key: str, training: str, tracker: Tracker):
        """`key` is the cell's, `training` the id of the run in which the model is adjusted."""
        self.owner = f"{key} {training}"
        self.file = tracker.folder(key) / f"on_the_way-{training}.json"
        kept = distributed.on_rank_zero(lambda: scratch.read(self.file, self.owner)) or {}
        self.sides: dict[int, Side] = {int(n_examples): side for n_examples, side in kept.items()}

    def add(self, n_examples: int, side: Side) -> None:
        self.sides[n_examples] = side
        if distributed.rank():
            return
        self.file.parent.mkdir(parents=True, exist_ok=True)
        scratch.write(self.file, {str(n): kept for n, kept in self.sides.items()}, self.owner)
