"""Adjusting a model in memory: its cell's adjustment from the examples to the trained weights."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ttt.engine.lm import Backend
from ttt.engine.training.data import ExampleSampler, encode, said_of_cut
from ttt.engine.training.loop import Checkpoint, Keeping, Training
from ttt.engine.training.lora import merged, with_lora
from ttt.engine.training.schedule import schedule
from ttt.spec import Cell, Trainer
from ttt.tasks.task_data import Example

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Adjusted:
    """What adjusting took."""

    n_steps: int
    n_examples: int
    n_tokens: int
    """Tokens that passed the model, padding not counted."""
    n_cut: int
    """Examples that were cut to `max_tokens` or to the model's context."""
    seconds: float


class Adjusting:
    """A cell's adjustment of the backend's model, in place.

    `for checkpoint in adjusting.run(): ...` yields at each step of `evaluate_at`, with the backend's model as it is
    then (`Training.run`); afterwards the backend holds the adjusted model, and `took` says what it took.
    """

    def __init__(
        self,
        backend: Backend,
        cell: Cell,
        examples: Sequence[Example],
        trainer: Trainer,
        keeping: Keeping,
        on_step: Callable[[Checkpoint], None] = lambda checkpoint: None,
        say: Callable[[str], None] = log.info,
    ):
        self.backend, self.cell, recipe = backend, cell, cell.adjustment
        self.sampler = ExampleSampler(len(examples), recipe.n_examples(len(examples)), recipe.batch_size, cell.seed)
        used = {index: examples[index] for index in self.sampler.used()}
        generates = cell.bench.format == "generate"
        rows, self.n_cut = encode(backend, used, recipe.max_tokens, cell.bench.chat_template, generates)
        if self.n_cut:
            say(said_of_cut(self.n_cut, len(rows), cell, backend))
        if recipe.method == "lora":
            backend.model = with_lora(backend.model, cell)
        rate = schedule(recipe, recipe.rate(cell.model), self.sampler.n_steps)
        self.training = Training(backend.model, rows, self.sampler, recipe, rate, trainer, keeping, on_step)

    def run(self, stops: Sequence[int] | None = None) -> Iterator[Checkpoint]:
        """Train to the end of the budget; yields at the stops (the adjustment's `evaluate_at` by default)."""
        yield from self.training.run(stops)
        if self.cell.adjustment.method == "lora":
            self.backend.model = merged(self.backend.model).eval()

    @property
    def took(self) -> Adjusted:
        took = self.training.took
        return Adjusted(self.sampler.n_steps, self.sampler.n_examples, took.n_tokens, self.n_cut, took.seconds)
