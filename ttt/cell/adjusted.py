"""The adjusted model that benches share: what is known of it, and where its weights are kept."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from pathlib import Path

from ttt.files.model_source import folder_source
from ttt.spec import SpecError
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


def finished(key: str, tracker: Tracker) -> AdjustedModel | None:
    """What is known of the finished adjusted model of a key, in whatever suite; its weights are not looked at."""
    run = tracker.adjusting(key)
    if run is None:
        return None
    known = read_facts(tracker, run.info.run_id)
    if known is None:
        log.warning(f"run {run.info.run_id}: its {FACTS} cannot be read, and the model is adjusted again")
    return known


def read_facts(tracker: Tracker, run_id: str) -> AdjustedModel | None:
    """What is known of the model that a run has adjusted; None where that is lost or damaged, or the run deleted."""
    run = tracker.read_run(run_id)
    if run is None or run.info.lifecycle_stage == "deleted":
        return None
    try:
        return AdjustedModel(**tracker.read_json(run_id, FACTS))
    except (SpecError, TypeError):
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
