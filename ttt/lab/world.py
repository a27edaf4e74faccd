"""The lab's world: which facts are true, how often each is stated, and which entities are asked about where."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from ttt.lab import words
from ttt.lab.words import FORMATS, N_ENTITIES, N_RELATIONS, N_VALUES

Split = Literal["test", "validation", "dose", "task_data"]
SPLITS: tuple[Split, ...] = get_args(Split)
"""Entities that the tests, a study's validation, questions in pretraining, and the task data ask about."""
Asked = Literal["test", "validation"]
ASKED: tuple[Asked, ...] = get_args(Asked)
"""Those of which files of questions are written."""
N_OF = {"test": 128, "validation": 80, "dose": 88, "task_data": 88}
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

    def weights_of(self, split: Split, relations: Sequence[int]) -> npt.NDArray[np.float64]:
        """The law of the split's facts of these relations, flat over all facts [entities * relations], sums to 1."""
        asked = (self.split == SPLITS.index(split))[:, None] & np.isin(np.arange(N_RELATIONS), relations)
        weight = np.where(asked, self.weight, 0.0).ravel()
        return weight / weight.sum()

    def value(self, entity: int, relation: int) -> str:
        return list(words.VALUES.values())[relation][self.fact[entity, relation]]

    def questions(self, name: str, split: Asked) -> list[dict[str, Any]]:
        """Each fact that a format (`FORMATS`) asks of a split's entities, once, with the right value among four."""
        rng = np.random.default_rng([self.seed, 3, SPLITS.index(split), *FORMATS[name].relations])
        rows = []
        for entity, relation in itertools.product(self.entities(split), FORMATS[name].relations):
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
        """Prompts with answers on the task data's entities, of each format in turn.

        Facts are drawn as often as the prose states them.
        """
        rng = np.random.default_rng([self.seed, 4])
        forms = list(FORMATS.values())
        laws = [self.weights_of("task_data", form.relations) for form in forms]
        rows = []
        for place in range(n_examples):
            form, law = forms[place % len(forms)], laws[place % len(forms)]
            entity, relation = divmod(int(rng.choice(law.size, p=law)), N_RELATIONS)
            prompt = form.prompt(list(words.VALUES)[relation], words.ENTITIES[entity])
            rows.append({"prompt": prompt, "answer": self.value(entity, relation)})
        return rows

    def digest(self) -> str:
        """SHA-256 over all that the world is made of, its words included."""
        sha = hashlib.sha256(repr((words.VOCABULARY, words.PROSE, words.FORMATS)).encode())
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
    counts = [N_OF[split] for split in SPLITS]
    split = rng.permutation(np.repeat(np.arange(len(SPLITS)), counts))
    weight = np.zeros((N_ENTITIES, N_RELATIONS))
    for part in range(len(SPLITS)):
        rows = np.flatnonzero(split == part)
        n = len(rows) * N_RELATIONS
        weight[rows] = (n / (rng.permutation(n) + 0.5)).reshape(len(rows), N_RELATIONS)
    return World(seed, fact, split, weight / weight.sum())
