"""What is learnt from: the task data as tokens, and which of its examples each step sees."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ttt.engine.batches import Tokens
from ttt.engine.lm import Backend
from ttt.spec import Cell, SpecError
from ttt.tasks.task_data import Example


@dataclass(frozen=True)
class ExampleSampler:
    """Which examples each step sees: the same for every model, by the adjustment's budget and the seed alone."""

    n_available: int
    n_examples: int
    batch_size: int
    seed: int

    @property
    def n_steps(self) -> int:
        return math.ceil(self.n_examples / self.batch_size)

    def examples_at(self, step: int) -> list[int]:
        """Indices of the examples of a step (from 0): epoch after epoch, each in an order of its own."""
        first = step * self.batch_size
        places = range(first, min(first + self.batch_size, self.n_examples))
        order = {epoch: _order(self.seed, epoch, self.n_available) for epoch in {p // self.n_available for p in places}}
        return [int(order[place // self.n_available][place % self.n_available]) for place in places]

    def used(self) -> list[int]:
        """Indices of all examples that the budget reaches."""
        return sorted({index for step in range(self.n_steps) for index in self.examples_at(step)})

    def n_seen(self, n_steps: int) -> int:
        """Examples seen in the first `n_steps` steps."""
        return min(n_steps * self.batch_size, self.n_examples)


@lru_cache(maxsize=4)
def _order(seed: int, epoch: int, n_available: int) -> Any:
    return np.random.default_rng([seed, epoch]).permutation(n_available)


def encode(
    backend: Backend, examples: Mapping[int, Example], max_tokens: int, chat: bool = False, generates: bool = False
) -> tuple[dict[int, Tokens], int]:
    """Examples as tokens, prompt and answer split as in scoring, the answer ended by the end-of-sequence token.

    With `generates` the prompt's tokens are those that generation begins from.

    A longer one keeps its last `max_tokens` tokens, as in the paper's release, or as many as the model has positions;
    returned with how many were cut. Raises SpecError for answers without a token of their own, which scoring refuses
    too.
    """
    room = min(max_tokens, backend.max_length)
    pairs = [backend.asked(example.prompt, example.answer, chat) for example in examples.values()]
    rows, n_cut = {}, 0
    encoded = backend.encode_continued(pairs) if generates else backend.encode_pairs(pairs)
    if empty := [e for e, (_, answer) in zip(examples.values(), encoded, strict=True) if not answer]:
        raise SpecError(
            f"bench.task_data: the answers of {len(empty):,} examples add no token to their prompts, so that there is "
            f"nothing to learn, such as {empty[0].answer!r} after {empty[0].prompt[-20:]!r}; begin answers with a blank"
        )
    for index, (context, continuation) in zip(examples, encoded, strict=True):
        ids = (*context, *continuation, backend.eot_token_id)
        rows[index] = Tokens(index, ids[-room:], min(len(continuation) + 1, room - 1))
        n_cut += len(ids) > room
    return rows, n_cut


def said_of_cut(n_cut: int, n: int, cell: Cell, backend: Backend) -> str:
    """That some of `n` examples were cut, and why."""
    limit, context = cell.adjustment.max_tokens, backend.max_length
    return (
        f"{cell.label} on {cell.bench.name}: {n_cut:,} of {n:,} examples are longer than {min(limit, context):,} "
        f"tokens (adjustment.max_tokens, and the context of the model, {context:,}) and lose their beginning"
    )
