"""The lab's world and texts: drawn from the seed alone, and the test is never told in its own form."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest

from ttt.lab import words
from ttt.lab.ladder import LADDER, LENGTH
from ttt.lab.prose import pretraining_tokens, text
from ttt.lab.store import N_TASK_DATA, LabStore
from ttt.lab.tokenizer import make_tokenizer
from ttt.lab.world import SPLITS, World, make_world
from ttt.tasks.leaks import normalise

ASKED = re.compile(r"what is the (\w+) of (\w+) \?")


@pytest.fixture(scope="module", params=[0, 1, 2, 3])
def world(request: pytest.FixtureRequest) -> World:
    return make_world(request.param)


def names(world: World, split: str) -> set[str]:
    return {words.ENTITIES[entity] for entity in world.entities(split)}  # type: ignore[arg-type]


def prompt(row: dict[str, str]) -> str:
    return f"Question : what is the {row['relation']} of {row['entity']} ? Answer :"


def test_a_world_is_its_seed() -> None:
    make_world.cache_clear()
    first = make_world(0)
    make_world.cache_clear()
    assert make_world(0).digest() == first.digest() != make_world(1).digest()
    assert make_world(0).test() == first.test()
    assert make_world(0).task_data(50) == first.task_data(50)


def test_the_splits_share_no_entity(world: World) -> None:
    groups = [names(world, split) for split in SPLITS]
    assert [len(group) for group in groups] == [96, 96, 192]
    assert len(set().union(*groups)) == sum(map(len, groups))


@pytest.mark.parametrize(("questions", "entities"), [("test", "test"), ("validation", "task_data")])
def test_the_test_asks_each_fact_once_with_the_truth_among_four(world: World, questions: str, entities: str) -> None:
    rows = getattr(world, questions)()
    assert len({(row["entity"], row["relation"]) for row in rows}) == len(rows) == 384
    assert {row["entity"] for row in rows} <= names(world, entities)
    for row in rows:
        relation = list(words.VALUES).index(row["relation"])
        assert row["choices"][row["answer"]] == world.value(words.ENTITIES.index(row["entity"]), relation)
        assert len(set(row["choices"])) == 4
        assert set(row["choices"]) <= set(words.VALUES[row["relation"]])
    places = Counter(row["answer"] for row in rows)
    assert min(places.values()) > 60, "the right answer stands in no favoured place"


def test_the_task_data_are_true_and_on_other_entities(world: World) -> None:
    rows = world.task_data(N_TASK_DATA)
    assert {row["entity"] for row in rows} <= names(world, "task_data")
    for row in rows[:200]:
        relation = list(words.VALUES).index(row["relation"])
        assert row["value"] == world.value(words.ENTITIES.index(row["entity"]), relation)
    assert not {normalise(prompt(row)) for row in rows} & {normalise(prompt(row)) for row in world.test()}


def test_facts_are_told_as_often_in_every_split(world: World) -> None:
    for split in SPLITS:
        law = np.sort(world.weights_of(split))[::-1][: len(world.entities(split)) * words.N_RELATIONS]
        assert np.allclose(law * (np.arange(len(law)) + 0.5), law[0] / 2), "Zipf's law"
    assert world.weight.sum() == pytest.approx(1)


def read(world: World, n_tokens: int, dose: float) -> str:
    return text(pretraining_tokens(world, n_tokens, dose, np.random.default_rng(7)))


def test_the_test_is_never_told_in_its_own_form(world: World) -> None:
    """Every question in pretraining is about the dose's entities; the older family reads none at all."""
    assert not ASKED.search(read(world, 300_000, 0.0))
    told = read(world, 1_200_000, 0.3)
    asked = ASKED.findall(told)
    assert len(asked) > 10_000
    assert {entity for _, entity in asked} <= names(world, "dose")
    for row in world.test():
        assert prompt(row) not in told
        assert f"of {row['entity']} ? Answer : {row['choices'][row['answer']]}" not in told
    assert any(f"the {row['relation']} of {row['entity']} is" in told for row in world.test()), (
        "but it is told in prose"
    )


@pytest.mark.parametrize("model", LADDER, ids=lambda model: model.name)
def test_what_each_model_reads(model, tmp_path) -> None:
    from ttt.lab.pretraining import read_tokens

    store = LabStore(tmp_path, 0)
    tokens = read_tokens(model, store)
    assert tokens.size == model.size.n_tokens
    assert tokens.shape[1] == LENGTH
    told = text(tokens.ravel())
    asked = ASKED.findall(told)
    assert {entity for _, entity in asked} <= (names(store.world, "dose") if model.dose else set())
    n_words = len(asked) * (len(words.QUESTION.split()) + 1)
    assert n_words / tokens.size == pytest.approx(model.dose, abs=0.008)


def test_the_dose_displaces_prose_and_tells_the_same_facts(world: World) -> None:
    tokens = [pretraining_tokens(world, 50_000, dose, np.random.default_rng(0)) for dose in (0.0, 0.1)]
    assert [len(part) for part in tokens] == [50_000, 50_000]
    again = pretraining_tokens(world, 50_000, 0.1, np.random.default_rng(0))
    assert np.array_equal(again, tokens[1])


def test_a_word_is_a_token(world: World) -> None:
    tokenizer = make_tokenizer(LENGTH)
    assert len(tokenizer) == len(words.VOCABULARY) == 494
    assert tokenizer.eos_token_id == words.IDS[words.END] == 0
    tokens = pretraining_tokens(world, 5000, 0.1, np.random.default_rng(0))
    assert tokenizer.encode(text(tokens)) == tokens.tolist()
    assert tokenizer.decode(tokens) == text(tokens)
    question = prompt(world.test()[0])
    assert tokenizer.encode(question + " red") == [*tokenizer.encode(question), words.IDS["red"]]
    with pytest.raises(Exception, match="WordLevel"):
        tokenizer.encode("what is this")
