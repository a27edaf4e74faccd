"""What the lab's models read in pretraining: packed sentences, and a dose of questions in the format of a test."""

from __future__ import annotations

from functools import cache

import numpy as np

from ttt.lab.words import (
    END,
    FIRST_ENTITY,
    FIRST_RELATION,
    FIRST_VALUE,
    FORMATS,
    IDS,
    N_RELATIONS,
    N_VALUES,
    PROSE,
    SLOTS,
    VOCABULARY,
)
from ttt.lab.world import Ints, World

DOSED = FORMATS["facts"]
QUESTION_TEMPLATE = f"{DOSED.template} {END}"


def pretraining_tokens(world: World, n_tokens: int, dose: float, rng: np.random.Generator) -> Ints:
    """`n_tokens` token ids of sentences one after the other; `dose` is the share of tokens that belong to questions.

    Questions are about the dose's entities alone and displace prose, so that both families read the same number of
    tokens. Facts are drawn by the world's law, phrasings uniformly.
    """
    templates = [_encoded(template) for template in (*PROSE, QUESTION_TEMPLATE)]
    question = len(PROSE)
    prose_length = float(np.mean([len(template) for template in templates[:question]]))
    per_question, per_sentence = dose / len(templates[question]), (1 - dose) / prose_length
    share = per_question / (per_question + per_sentence)  # of the sentences
    mean_length = share * len(templates[question]) + (1 - share) * prose_length
    n = int(n_tokens / mean_length * 1.05) + 50  # enough by many standard deviations; the rest is cut
    kind = np.where(rng.random(n) < share, question, rng.integers(0, question, n))
    stated = rng.choice(world.weight.size, n, p=world.weight.ravel())
    asked = rng.choice(world.weight.size, n, p=world.weights_of("dose", DOSED.relations))
    fact = np.where(kind == question, asked, stated)
    rows = np.full((n, max(map(len, templates))), -1)
    for place, template in enumerate(templates):
        members = np.flatnonzero(kind == place)
        rows[members, : len(template)] = _filled(template, world, fact[members])
    tokens = rows[rows >= 0]
    assert len(tokens) >= n_tokens
    return tokens[:n_tokens]


def text(tokens: Ints) -> str:
    return " ".join(VOCABULARY[token] for token in tokens)


@cache
def _encoded(template: str) -> Ints:
    """Token ids of a template; the slots R, E and V as -1, -2 and -3."""
    return np.array([-1 - SLOTS.index(w) if w in SLOTS else IDS[w] for w in template.split()])


def _filled(template: Ints, world: World, fact: Ints) -> Ints:
    """The template for each fact: int64 [facts, words]."""
    entity, relation = fact // N_RELATIONS, fact % N_RELATIONS
    value = FIRST_VALUE + relation * N_VALUES + world.fact[entity, relation]
    rows = np.repeat(template[None], len(fact), 0)
    for slot, ids in enumerate((FIRST_RELATION + relation, FIRST_ENTITY + entity, value)):
        rows = np.where(rows == -1 - slot, ids[:, None], rows)
    return rows
