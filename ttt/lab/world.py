"""The lab's world: which facts are true, how often each is stated, and which entities are asked about where."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from ttt.lab import words
from ttt.lab.words import N_ENTITIES, N_RELATIONS, N_VALUES

Split = Literal["test", "dose", "task_data"]
SPLITS: tuple[Split, ...] = get_args(Split)
"""Entities that the test, the newer family's pretraining, and the task data ask about."""
SHARES = {"test": 0.25, "dose": 0.25, "task_data": 0.5}
N_CHOICES = 4

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class World:
    """Facts drawn from a seed: value `fact[e, r]` of relation r of entity e, int64 [entities, relations].

    `split` int64 [entities] is the place in SPLITS; `weight` float64 [entities, relations] says how often a fact is
    stated, sums to 1 over all. Facts are uniform, so nothing can be guessed: what is right is what was read.
    """

    seed: int
    fact: Ints
    split: Ints
    weight: npt.NDArray[np.float64]

    def entities(self, split: Split) -> Ints:
        return np.flatnonzero(self.split == SPLITS.index(split))

    def weights_of(self, split: Split) -> npt.NDArray[np.float64]:
        """The law of the split's facts, flat over all facts [entities * relations], sums to 1."""
        weight = np.where((self.split == SPLITS.index(split))[:, None], self.weight, 0.0).ravel()
        return weight / weight.sum()

    def value(self, entity: int, relation: int) -> str:
        return list(words.VALUES.values())[relation][self.fact[entity, relation]]

    def test(self) -> list[dict[str, Any]]:
        """The test: each fact of the test's entities once, with the right value among four of the relation's values."""
        return self._asked(self.entities("test"), np.random.default_rng([self.seed, 3]))

    def validation(self) -> list[dict[str, Any]]:
        """As the test, on every other entity of the task data: a study that scores them does not train on them."""
        return self._asked(self.entities("task_data")[::2], np.random.default_rng([self.seed, 5]))

    def _asked(self, entities: Ints, rng: np.random.Generator) -> list[dict[str, Any]]:
        rows = []
        for entity, relation in itertools.product(entities, range(N_RELATIONS)):
            gold = self.fact[entity, relation]
            others = rng.permutation(np.delete(np.arange(N_VALUES), gold))[: N_CHOICES - 1]
            choices = rng.permutation([gold, *others])
            named, values = list(words.VALUES.items())[relation]
            rows.append(
                {
                    "entity": words.ENTITIES[entity],
                    "relation": named,
                    "choices": [values[choice] for choice in choices],
                    "answer": int(np.flatnonzero(choices == gold)[0]),
                }
            )
        return rows

    def task_data(self, n_examples: int) -> list[dict[str, Any]]:
        """Questions with answers on the task data's entities, drawn as often as the prose states the facts."""
        rng = np.random.default_rng([self.seed, 4])
        law = self.weights_of("task_data")
        drawn = rng.choice(law.size, n_examples, p=law)
        return [
            {
                "entity": words.ENTITIES[fact // N_RELATIONS],
                "relation": list(words.VALUES)[fact % N_RELATIONS],
                "value": self.value(fact // N_RELATIONS, fact % N_RELATIONS),
            }
            for fact in drawn
        ]

    def digest(self) -> str:
        """SHA-256 over all that the world is made of, its words included."""
        sha = hashlib.sha256(repr((words.VOCABULARY, words.PROSE, words.QUESTION)).encode())
        for part in (self.fact, self.split, self.weight):
            sha.update(np.ascontiguousarray(part).tobytes())
        return sha.hexdigest()


@lru_cache(maxsize=2)
def make_world(seed: int) -> World:
    """The world of a seed.

    How often a fact is stated follows Zipf's law with exponent 1, the same within each split: large models know rarer
    facts too, so that the score rises with compute over decades and not at a step.
    """
    rng = np.random.default_rng([seed, 1])
    fact = rng.integers(0, N_VALUES, (N_ENTITIES, N_RELATIONS))
    counts = [round(SHARES[split] * N_ENTITIES) for split in SPLITS]
    split = rng.permutation(np.repeat(np.arange(len(SPLITS)), counts))
    weight = np.zeros((N_ENTITIES, N_RELATIONS))
    for part in range(len(SPLITS)):
        rows = np.flatnonzero(split == part)
        n = len(rows) * N_RELATIONS
        weight[rows] = (n / (rng.permutation(n) + 0.5)).reshape(len(rows), N_RELATIONS)
    return World(seed, fact, split, weight / weight.sum())
