"""A trial: one long run at a constant rate, from which each rung's cool-down branches off and is scored."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from ttt.engine.batches import Tokens
from ttt.engine.load import digest
from ttt.engine.scoring.answers import Answers, KeepingBackend
from ttt.engine.training.checkpoints import last_checkpoint, step_of
from ttt.engine.training.data import ExampleSampler, encode, said_of_cut
from ttt.engine.training.loop import Checkpoint, Keeping, Took, Training
from ttt.engine.training.lora import with_lora
from ttt.engine.training.schedule import LearningRateAt, schedule
from ttt.files import scratch
from ttt.spec import Adjustment, Cell, Trainer
from ttt.study.space import Ladder
from ttt.study.validation import Validation

log = logging.getLogger(__name__)

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Climbed:
    """A rung that a trial reached. Tokens passed the model, padding not counted."""

    n_examples: int
    score: float
    n_tokens: int
    """In all steps up to here: what the budget costs by itself."""
    n_tokens_taken: int
    """In the steps that were taken for this rung alone, on top of those before it."""
    n_tokens_scored: int
    seconds: float
    """Of training the budget by itself."""
    seconds_scored: float


class Climber:
    """Trains and scores the budgets of one recipe. All that it finishes is in its folder, and is not done again."""

    def __init__(
        self,
        backend: KeepingBackend,
        fresh: Callable[[], Any],
        cell: Cell,
        recipe: Adjustment,
        ladder: Ladder,
        validation: Validation,
        trainer: Trainer,
        folder: Path,
        on_step: Callable[[Checkpoint], None],
        before_saving: Callable[[], None],
        say: Callable[[str], None] = log.info,
    ):
        self.backend, self.fresh, self.cell, self.recipe, self.ladder = backend, fresh, cell, recipe, ladder
        self.validation, self.trainer, self.folder = validation, trainer, folder
        self.on_step, self.before_saving, self.say = on_step, before_saving, say
        self.n_cut = 0
        """Of the examples that were trained on here, those that lost their beginning."""
        self._rows: dict[int, Tokens] = {}
        self._begun = False

    def rung(self, place: int) -> tuple[Climbed, Scores]:
        """Train to a rung of the ladder and score it."""
        file = self._rung_file(place)
        found = self._read(file)
        if found is None:
            main, branch = self.folder / "constant", self.folder / f"rung-{place}"
            first, last = self.ladder.leaves_at(place), self.ladder.steps[place]
            reached = last_checkpoint(main / "checkpoints")
            if reached is None or step_of(reached) > first:  # beyond it, where this rung's result was lost
                shutil.rmtree(main, ignore_errors=True)
                self._begun = False
            self._begin()
            trunk = self._fit(first, main, self._times(self.ladder.constant), self.on_step)
            begin_from = last_checkpoint(main / "checkpoints")
            assert begin_from is not None
            assert step_of(begin_from) == first
            took = self._fit(last, branch, self._times(self.ladder.falling(place)), lambda step: None, begin_from)
            before = self._trunk(place - 1) if reached else 0
            found = self._score(file, place, took.n_tokens, took.n_tokens - before, took.seconds, trunk.n_tokens)
            shutil.rmtree(branch)
        return found

    def anew(self, place: int) -> tuple[Climbed, Scores]:
        """Train a rung's budget by itself with the recipe's own schedule, and score it."""
        file = self.folder / f"anew-{place}.json"
        found = self._read(file)
        if found is None:
            self._begin()
            n_steps = self.ladder.steps[place]
            own = schedule(self.recipe, self.recipe.learning_rate, n_steps)
            took = self._fit(n_steps, self.folder / "anew", own, self.on_step)
            found = self._score(file, place, took.n_tokens, took.n_tokens, took.seconds)
        return found

    def _begin(self) -> None:
        if not self._begun:
            self.backend.model = self.fresh()
            if self.recipe.method == "lora":
                self.backend.model = with_lora(self.backend.model, self.cell)
            self._begun = True

    def _fit(
        self,
        n_steps: int,
        folder: Path,
        learning_rate_at: LearningRateAt,
        on_step: Callable[[Checkpoint], None],
        begin_from: Path | None = None,
    ) -> Took:
        examples, size = self.validation.training.examples, self.recipe.batch_size
        sampler = ExampleSampler(len(examples), n_steps * size, size, self.cell.seed)
        new = {index: examples[index] for index in sampler.used() if index not in self._rows}
        bench = self.cell.bench
        generates = bench.format == "generate"
        rows, n_cut = encode(self.backend, new, self.recipe.max_tokens, bench.chat_template, generates)
        self._rows |= rows
        self.n_cut += n_cut
        if n_cut:
            self.say(said_of_cut(self.n_cut, len(self._rows), self.cell, self.backend))
        training = Training(
            self.backend.model,
            self._rows,
            sampler,
            self.recipe,
            learning_rate_at,
            self.trainer,
            Keeping(folder, begin_from, last=True, before_saving=self.before_saving),
            on_step,
        )
        training.to_the_end()
        return training.took

    def _times(self, decay: Callable[[int], float]) -> LearningRateAt:
        return lambda step: self.recipe.learning_rate * decay(step)

    def _score(
        self, file: Path, place: int, n_tokens: int, n_taken: int, seconds: float, n_trunk: int = 0
    ) -> tuple[Climbed, Scores]:
        scores, n_scored, took = score(self.backend, self.validation, self.folder)
        climbed = Climbed(self.ladder.budgets[place], float(scores.mean()), n_tokens, n_taken, n_scored, seconds, took)
        kept = {"climbed": asdict(climbed), "scores": scores.tolist(), "n_trunk": n_trunk}
        scratch.write(file, kept, self.folder.name)
        return climbed, scores

    def _rung_file(self, place: int) -> Path:
        return self.folder / f"rung-{place}.json"

    def _trunk(self, place: int) -> int:
        """Tokens of the run at a constant rate up to where a rung leaves it; 0 below the first."""
        kept = scratch.read(self._rung_file(place), self.folder.name)
        return int(kept["n_trunk"]) if kept else 0

    def _read(self, file: Path) -> tuple[Climbed, Scores] | None:
        kept = scratch.read(file, self.folder.name)
        return (Climbed(**kept["climbed"]), np.array(kept["scores"], dtype=np.float64)) if kept else None


def score(backend: KeepingBackend, validation: Validation, folder: Path) -> tuple[Scores, int, float]:
    """Scores of the validation items by the weights in memory, the tokens that passed, and the seconds it took.

    `folder` is that of the trial or study, by its key; answers are kept in it.
    """
    start = perf_counter()
    weights = digest(backend.model)
    backend.answers = Answers(folder / "answers" / f"{weights[:20]}.jsonl", f"{folder.name} {weights}")
    backend.n_tokens = 0
    try:
        return validation.scores(backend), backend.n_tokens, perf_counter() - start
    finally:
        backend.answers = None
