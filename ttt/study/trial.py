"""A trial: one long run at a constant rate, from which each rung's cool-down branches off and is scored."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import perf_counter

import numpy as np
import numpy.typing as npt

from ttt.engine.batches import Tokens
from ttt.engine.load import digest, load
from ttt.engine.scoring.answers import Answers, KeepingBackend
from ttt.engine.training.checkpoints import last_checkpoint, step_of
from ttt.engine.training.data import ExampleSampler, encode, said_of_cut
from ttt.engine.training.loop import Checkpoint, Keeping, Took, Training
from ttt.engine.training.lora import with_lora
from ttt.engine.training.schedule import LearningRateAt, schedule
from ttt.files import scratch
from ttt.spec import Adjustment
from ttt.study.setup import StudySetup
from ttt.study.validation import Validation
from ttt.tasks.task_data import Example
from ttt.tracking import RunLog

ItemScores = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ReachedRung:
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


class TrialTraining:
    """Trains and scores the budgets of one recipe. All that it finishes is in its folder, and is not done again."""

    def __init__(self, setup: StudySetup, recipe: Adjustment, folder: Path, run: RunLog | None = None):
        self.setup, self.recipe, self.folder, self.run = setup, recipe, folder, run
        self.backend = setup.model.backend
        self.ladder = replace(setup.ladder, final_rate=recipe.final_rate)
        self.n_cut = 0
        """Of the examples that were trained on here, those that lost their beginning."""
        self._rows: dict[int, Tokens] = {}
        self._begun = False

    def reach(self, place: int) -> tuple[ReachedRung, ItemScores]:
        """Train to a rung of the ladder and score it."""
        file = self._rung_file(place)
        done = self._read(file)
        if done is None:
            main, branch = self.folder / "constant", self.folder / f"rung-{place}"
            first, last = self.ladder.leaves_at(place), self.ladder.steps[place]
            reached = last_checkpoint(main / "checkpoints")
            if reached is None or step_of(reached) > first:  # beyond it, where this rung's result was lost
                shutil.rmtree(main, ignore_errors=True)
                self._begun = False
            self._begin()
            trunk = self._train(first, main, self._times(self.ladder.constant))
            begin_from = last_checkpoint(main / "checkpoints")
            assert begin_from is not None
            assert step_of(begin_from) == first
            took = self._train(last, branch, self._times(self.ladder.falling(place)), begin_from)
            before = self._trunk(place - 1) if reached else 0
            done = self._score(file, place, took.n_tokens, took.n_tokens - before, took.seconds, trunk.n_tokens)
            shutil.rmtree(branch)
        return done

    def anew(self, place: int) -> tuple[ReachedRung, ItemScores]:
        """Train a rung's budget by itself with the recipe's own schedule, and score it."""
        file = self.folder / f"anew-{place}.json"
        done = self._read(file)
        if done is None:
            own = schedule(self.recipe, self.recipe.learning_rate, self.ladder.steps[place])
            took = self.straight(place, own)
            done = self._score(file, place, took.n_tokens, took.n_tokens, took.seconds)
        return done

    def straight(self, place: int, learning_rate_at: LearningRateAt | None = None) -> Took:
        """Train a rung's budget by itself, by default with the rung's schedule."""
        self._begin()
        rate = learning_rate_at or self._times(self.ladder.falling(place))
        return self._train(self.ladder.steps[place], self.folder / "straight", rate)

    def _begin(self) -> None:
        if not self._begun:
            self.backend.model = load(self.setup.resolved.model, self.setup.resolved.source)[0]
            if self.recipe.method == "lora":
                self.backend.model = with_lora(self.backend.model, self.setup.cell)
            self._begun = True

    def _train(
        self, n_steps: int, folder: Path, learning_rate_at: LearningRateAt, branch_of: Path | None = None
    ) -> Took:
        """Train up to a step, from a checkpoint of another training where this is a branch of one.

        The steps of a branch are not logged: they are those of the run that goes on, at other rates.
        """
        examples, size = self.setup.validation.training.examples, self.recipe.batch_size
        sampler = ExampleSampler(len(examples), n_steps * size, size, self.setup.cell.seed)
        self._encode({index: examples[index] for index in sampler.used() if index not in self._rows})
        training = Training(
            self.backend.model,
            self._rows,
            sampler,
            self.recipe,
            learning_rate_at,
            self.setup.resolved.trainer,
            Keeping(folder, branch_of, last=True, before_saving=self._flush),
            (lambda step: None) if branch_of else self._log_step,
        )
        training.to_the_end()
        return training.took

    def _encode(self, examples: Mapping[int, Example]) -> None:
        bench = self.setup.cell.bench
        generates = bench.format == "generate"
        rows, n_cut = encode(self.backend, examples, self.recipe.max_tokens, bench.chat_template, generates)
        self._rows |= rows
        self.n_cut += n_cut
        if n_cut:
            self.setup.say(said_of_cut(self.n_cut, len(self._rows), self.setup.cell, self.backend))

    def _times(self, fraction: Callable[[int], float]) -> LearningRateAt:
        return lambda step: self.recipe.learning_rate * fraction(step)

    def _log_step(self, step: Checkpoint) -> None:
        if self.run:
            self.run.metrics({"train/loss": step.loss, "train/learning_rate": step.learning_rate}, step.n_examples)

    def _flush(self) -> None:
        if self.run:
            self.run.flush()

    def _score(
        self, file: Path, place: int, n_tokens: int, n_taken: int, seconds: float, n_trunk: int = 0
    ) -> tuple[ReachedRung, ItemScores]:
        scores, n_scored, took = score(self.backend, self.setup.validation, self.folder)
        reached = ReachedRung(
            self.ladder.budgets[place], float(scores.mean()), n_tokens, n_taken, n_scored, seconds, took
        )
        kept = {"reached": asdict(reached), "scores": scores.tolist(), "n_trunk": n_trunk}
        scratch.write(file, kept, self.folder.name)
        return reached, scores

    def _rung_file(self, place: int) -> Path:
        return self.folder / f"rung-{place}.json"

    def _trunk(self, place: int) -> int:
        """Tokens of the run at a constant rate up to where a rung leaves it; 0 below the first."""
        kept = scratch.read(self._rung_file(place), self.folder.name)
        return int(kept["n_trunk"]) if kept else 0

    def _read(self, file: Path) -> tuple[ReachedRung, ItemScores] | None:
        kept = scratch.read(file, self.folder.name)
        return (ReachedRung(**kept["reached"]), np.array(kept["scores"], dtype=np.float64)) if kept else None


def score(backend: KeepingBackend, validation: Validation, folder: Path) -> tuple[ItemScores, int, float]:
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
