"""The adjusted model that benches share: what is known of it, where its weights are kept, and which cells need it."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from ttt.cell.on_the_way import ScoresOnTheWay
from ttt.cell.prepare import Prepared
from ttt.engine.training.data import ExampleSampler
from ttt.files.model_source import folder_source
from ttt.formatting import duration
from ttt.spec import Cell, SpecError
from ttt.tracking import Tracker

log = logging.getLogger(__name__)

WEIGHTS, FACTS = "weights", "adjusted.json"
"""The adjusted weights in the folder of their key until they are kept, and what is known of them."""
ARTIFACT, CHECKPOINTS = "model", "checkpoints"
"""Where the weights are kept among the run's artifacts, and those on the way."""
STEP = re.compile(r"step-(\d+)")


@dataclass(frozen=True)
class AdjustedModel:
    """Weights that an adjustment has left, and what it took."""

    key: str
    run_id: str
    source: str
    """The files of the weights (`ttt.files.model_source`)."""
    digest: str
    """SHA-256 of the weights in memory."""
    n_steps: int
    n_examples: int
    n_tokens: int
    """Tokens that passed the model, padding not counted."""
    n_cut: int
    seconds: float
    checkpoints: dict[str, str]
    """The files of the weights that are kept on the way, by the step."""

    @property
    def metrics(self) -> dict[str, float]:
        """`n_steps`, `n_examples`, `n_tokens`, `n_cut`, `seconds`, `tokens_per_second`."""
        names = ("n_steps", "n_examples", "n_tokens", "n_cut", "seconds")
        return {name: getattr(self, name) for name in names} | {"tokens_per_second": self.n_tokens / self.seconds}


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


def finished(key: str, tracker: Tracker) -> AdjustedModel | None:
    """What is known of the finished adjusted model of a key, in whatever suite; its weights are not looked at."""
    run = tracker.adjusting(key)
    if run is None:
        return None
    try:
        return AdjustedModel(**tracker.read_json(run.info.run_id, FACTS))
    except (SpecError, TypeError) as error:
        log.warning(f"run {run.info.run_id}: its {FACTS} cannot be read, and the model is adjusted again: {error}")
        return None


def weights_of(adjusted: AdjustedModel, tracker: Tracker) -> Path | None:
    """The folder of the weights; None where they are gone or, with a warning, where they are not what was kept."""
    for folder in (
        tracker.artifact(adjusted.run_id, ARTIFACT, adjusted.source),
        tracker.folder(adjusted.key) / WEIGHTS,
    ):
        if folder is not None and folder.exists():
            if source_or_fault(folder) == adjusted.source:
                return folder
            log.warning(f"{folder} is not what was kept, and the model is adjusted again: {adjusted.source} is missing")
    return None


def kept_steps(folder: Path) -> dict[int, Path]:
    """The weights that were saved on the way, by step."""
    steps = {int(match[1]): path for path in folder.glob("step-*") if (match := STEP.fullmatch(path.name))}
    return dict(sorted(steps.items()))


def source_or_fault(folder: Path) -> str:
    """The source of a folder's model, or what is wrong with it."""
    try:
        return folder_source(folder)
    except SpecError as error:
        return str(error)
