"""The cells of a request that one adjusted model is scored for, and where they lack a score on the way."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ttt.cell.adjusted import AdjustedModel
from ttt.cell.on_the_way import ScoresOnTheWay
from ttt.cell.prepare import Prepared
from ttt.engine.training.data import ExampleSampler
from ttt.formatting import duration
from ttt.spec import Cell, SpecError
from ttt.tracking import Tracker


@dataclass(frozen=True)
class CellGroup:
    """The cells of a request that one adjusted model is scored for."""

    cells: tuple[Prepared, ...]

    @property
    def key(self) -> str:
        return self.cells[0].adjusted_key

    @property
    def cell(self) -> Cell:
        """Any of the cells: they differ in their benches alone."""
        return self.cells[0].cell

    @property
    def experiment(self) -> str:
        return f"{self.cell.suite}/adjusting"

    @property
    def sampler(self) -> ExampleSampler:
        n_available = len(self.cells[0].task_data.examples)
        adjustment = self.cell.adjustment
        return ExampleSampler(n_available, adjustment.n_examples(n_available), adjustment.batch_size, self.cell.seed)

    @property
    def stops(self) -> list[int]:
        """Steps before the last after which the benches are scored."""
        return [step for step in sorted(set(self.cell.adjustment.evaluate_at)) if step < self.sampler.n_steps]

    def lacking(self, training: str, tracker: Tracker) -> list[tuple[Prepared, int]]:
        """The cells that have no score yet at a stop of a training (its run's id), and the stop."""
        size = self.cell.adjustment.batch_size
        have = {
            one.keyed.key: ScoresOnTheWay(one.keyed.key, training, tracker).sides for one in self.cells if self.stops
        }
        return [(one, step) for step in self.stops for one in self.cells if step * size not in have[one.keyed.key]]


def groups_of(prepared: list[Prepared]) -> list[CellGroup]:
    """The cells by the adjusted model that they need."""
    keys = dict.fromkeys(one.adjusted_key for one in prepared)
    return [CellGroup(tuple(one for one in prepared if one.adjusted_key == key)) for key in keys]


def refuse_if_passed(
    lacking: Sequence[tuple[Prepared, int]], kept: Collection[int], known: AdjustedModel | None = None
) -> None:
    """Raise SpecError if a cell lacks its score at a step that training has passed and left no weights of.

    `kept` are the steps whose weights are there; `known` says what training has cost.
    """
    gone = [(one.keyed.label, step) for one, step in lacking if step not in kept]
    if gone:
        benches = ", ".join(dict.fromkeys(label for label, _ in gone))
        steps = ", ".join(str(step) for step in sorted({step for _, step in gone}))
        cost = f" ({known.n_tokens:,} tokens, which took {duration(known.seconds)})" if known else ""
        raise SpecError(
            f"adjustment.evaluate_at: {benches}: to be scored after steps {steps}, which training has passed, and the "
            f"weights it had there were not kept. force=true trains again{cost}; benches=[...] scores several in one "
            "training, and tracking.keep_checkpoints=true keeps such weights for later ones; "
            "adjustment.evaluate_at=[] scores the adjusted model alone, without training"
        )
