"""A trial: one long run at a constant rate, from which each rung's cool-down branches off and is scored."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from ttt.engine import adjustment as steps
from ttt.engine.adjust import encode, with_lora
from ttt.engine.answers import Answers, KeepingBackend
from ttt.engine.batches import Tokens
from ttt.engine.checkpoints import last_checkpoint, step_of
from ttt.engine.fit import Step, fit
from ttt.engine.load import digest
from ttt.saturation.plan import Ladder
from ttt.saturation.validation import Validation
from ttt.spec import Adjustment, Cell, Trainer

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
        on_step: Callable[[Step], None],
        before_saving: Callable[[], None],
    ):
        self.backend, self.fresh, self.cell, self.recipe, self.ladder = backend, fresh, cell, recipe, ladder
        self.validation, self.trainer, self.folder = validation, trainer, folder
        self.on_step, self.before_saving = on_step, before_saving
        self._rows: dict[int, Tokens] = {}
        self._begun = False

    def rung(self, place: int) -> tuple[Climbed, Scores]:
        """Train to a rung of the ladder and score it."""
        file = self.folder / f"rung-{place}.json"
        if not file.exists():
            self._begin()
            main, branch = self.folder / "constant", self.folder / f"rung-{place}"
            first, last = self.ladder.leaves_at(place), self.ladder.steps[place]
            trunk = self._fit(first, main, self.ladder.constant, self.on_step)
            begin_from = last_checkpoint(main / "checkpoints")
            assert begin_from is not None
            assert step_of(begin_from) == first
            took = self._fit(last, branch, self.ladder.falling(place), lambda step: None, begin_from)
            before = 0 if place == 0 else self._trunk(place - 1)
            (self.folder / f"trunk-{place}.json").write_text(json.dumps(trunk.n_tokens))
            self._score(file, place, took.n_tokens, took.n_tokens - before, took.seconds)
            shutil.rmtree(branch)
        return self._read(file)

    def anew(self, place: int) -> tuple[Climbed, Scores]:
        """Train a rung's budget by itself with the recipe's own schedule, and score it."""
        file = self.folder / f"anew-{place}.json"
        if not file.exists():
            self._begin()
            took = self._fit(self.ladder.steps[place], self.folder / "anew", None, self.on_step)
            self._score(file, place, took.n_tokens, took.n_tokens, took.seconds)
        return self._read(file)

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
        schedule: Callable[[int], float] | None,
        on_step: Callable[[Step], None],
        begin_from: Path | None = None,
    ) -> Any:
        examples, size = self.validation.training.examples, self.recipe.batch_size
        plan = steps.Plan(len(examples), n_steps * size, size, self.cell.seed)
        new = {index: examples[index] for index in plan.used() if index not in self._rows}
        bench = self.cell.bench
        generates = bench.format == "generate"
        self._rows |= encode(self.backend, new, self.recipe.max_tokens, bench.chat_template, generates)[0]
        return fit(
            self.backend.model,
            self._rows,
            plan,
            self.recipe,
            self.recipe.learning_rate,
            self.trainer,
            folder,
            on_step,
            before_saving=self.before_saving,
            schedule=schedule,
            begin_from=begin_from,
            save_last=True,
        )

    def _score(self, file: Path, place: int, n_tokens: int, n_taken: int, seconds: float) -> None:
        scores, n_scored, took = score(self.backend, self.validation, self.folder / "answers")
        climbed = Climbed(self.ladder.budgets[place], float(scores.mean()), n_tokens, n_taken, n_scored, seconds, took)
        np.save(file.with_suffix(".npy"), scores)
        part = file.with_suffix(".part")
        part.write_text(json.dumps(asdict(climbed)), encoding="utf-8")
        part.rename(file)

    def _trunk(self, place: int) -> int:
        return int(json.loads((self.folder / f"trunk-{place}.json").read_text()))

    @staticmethod
    def _read(file: Path) -> tuple[Climbed, Scores]:
        return Climbed(**json.loads(file.read_text(encoding="utf-8"))), np.load(file.with_suffix(".npy"))


def score(backend: KeepingBackend, validation: Validation, folder: Path) -> tuple[Scores, int, float]:
    """Scores of the validation items by the weights in memory, the tokens that passed, and the seconds it took."""
    start = perf_counter()
    backend.answers = Answers(folder / f"{digest(backend.model)[:20]}.jsonl")
    backend.n_tokens = 0
    try:
        return validation.scores(backend), backend.n_tokens, perf_counter() - start
    finally:
        backend.answers = None
