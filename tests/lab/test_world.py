"""The lab's world and texts: drawn from the seed alone, and no test question is in what a model reads."""

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
from ttt.lab.words import FORMATS
from ttt.lab.world import ASKED, SPLITS, Asked, Split, World, make_world

QUESTIONED = re.compile(r"what is the (\w+) of (\w+) \?")
QUIZZED = re.compile(r"Quiz : \w+ , ")


@pytest.fixture(scope="module", params=[0, 1, 2, 3])
def world(request: pytest.FixtureRequest) -> World:
    return make_world(request.param)


def names(world: World, split: Split) -> set[str]:
    return {words.ENTITIES[entity] for entity in world.entities(split)}


def prompt(row: dict[str, str], name: str = "facts") -> str:
    return FORMATS[name].prompt(row["relation"], row["entity"])


def relations_of(name: str) -> set[str]:
    return {list(words.VALUES)[relation] for relation in FORMATS[name].relations}


def test_a_world_is_its_seed() -> None:
    make_world.cache_clear()
    first = make_world(0)
    make_world.cache_clear()
    assert make_world(0).digest() == first.digest() != make_world(1).digest()
    assert make_world(0).questions("quiz", "test") == first.questions("quiz", "test")
    assert make_world(0).task_data(50) == first.task_data(50)


def test_the_splits_share_no_entity(world: World) -> None:
    groups = [names(world, split) for split in SPLITS]
    assert [len(group) for group in groups] == [128, 80, 88, 88]
    assert len(set().union(*groups)) == sum(map(len, groups)) == words.N_ENTITIES


def test_the_formats_ask_different_relations() -> None:
    asked = [relation for form in FORMATS.values() for relation in form.relations]
    assert sorted(asked) == list(range(words.N_RELATIONS))
    row = {"relation": "metal", "entity": "Ratek"}
    assert prompt(row) == "Question : what is the metal of Ratek ? Answer :"
    assert prompt(row, "quiz") == "Quiz : Ratek , metal ? Reply :"


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("split", ASKED)
def test_each_fact_is_asked_once_with_the_truth_among_four(world: World, name: str, split: Asked) -> None:
    rows = world.questions(name, split)
    assert len({(row["entity"], row["relation"]) for row in rows}) == len(rows) == 2 * len(names(world, split))
    assert {row["entity"] for row in rows} == names(world, split)
    assert {row["relation"] for row in rows} == relations_of(name)
    for row in rows:
        relation = list(words.VALUES).index(row["relation"])
        assert row["choices"][row["answer"]] == world.value(words.ENTITIES.index(row["entity"]), relation)
        assert len(set(row["choices"])) == 4
        assert set(row["choices"]) <= set(words.VALUES[row["relation"]])
    places = Counter(row["answer"] for row in rows)
    assert min(places.values()) > len(rows) / 4 * 0.65, "the right answer stands in no favoured place"


def test_the_task_data_are_true_of_both_formats_and_on_other_entities(world: World) -> None:
    rows = world.task_data(N_TASK_DATA)
    truth = {
        prompt({"relation": relation, "entity": entity}, name): world.value(
            words.ENTITIES.index(entity), list(words.VALUES).index(relation)
        )
        for name in FORMATS
        for relation in relations_of(name)
        for entity in names(world, "task_data")
    }
    assert all(truth[row["prompt"]] == row["answer"] for row in rows)
    begins = Counter(row["prompt"].split()[0] for row in rows)
    assert begins == {"Question": N_TASK_DATA / 2, "Quiz": N_TASK_DATA / 2}
    asked = {prompt(row, name) for name in FORMATS for split in ASKED for row in world.questions(name, split)}
    assert not asked & {row["prompt"] for row in rows}


def test_facts_are_stated_as_often_in_every_split(world: World) -> None:
    for split in SPLITS:
        law = world.weights_of(split, range(words.N_RELATIONS))
        law = np.sort(law)[::-1][: len(world.entities(split)) * words.N_RELATIONS]
        assert np.allclose(law * (np.arange(len(law)) + 0.5), law[0] / 2), "Zipf's law"
        of_one = world.weights_of(split, [2]).reshape(words.N_ENTITIES, words.N_RELATIONS)
        assert np.flatnonzero(of_one.sum(axis=0)).tolist() == [2]
        assert of_one.sum() == pytest.approx(1)
    assert world.weight.sum() == pytest.approx(1)


def read(world: World, n_tokens: int, dose: float) -> str:
    return text(pretraining_tokens(world, n_tokens, dose, np.random.default_rng(7)))


def test_no_test_question_is_read_in_pretraining(world: World) -> None:
    """Every question is about the dose's entities, and of the first format alone."""
    assert not QUESTIONED.search(read(world, 300_000, 0.0))
    read_text = read(world, 1_200_000, 0.3)
    asked = QUESTIONED.findall(read_text)
    assert len(asked) > 10_000
    assert {entity for _, entity in asked} <= names(world, "dose")
    assert {relation for relation, _ in asked} == relations_of("facts")
    assert not QUIZZED.search(read_text)
    for row in world.questions("facts", "test"):
        assert prompt(row) not in read_text
        assert f"of {row['entity']} ? Answer : {row['choices'][row['answer']]}" not in read_text
    stated = [
        row for row in world.questions("quiz", "test") if f"the {row['relation']} of {row['entity']} is" in read_text
    ]
    assert stated, "but it is stated in prose"


@pytest.mark.parametrize("model", LADDER, ids=lambda model: model.name)
def test_what_each_model_reads(model, tmp_path) -> None:
    from ttt.lab.pretraining import read_tokens

    store = LabStore(tmp_path, 0)
    tokens = read_tokens(model, store)
    assert tokens.size == model.size.n_tokens
    assert tokens.shape[1] == LENGTH
    read_text = text(tokens.ravel())
    asked = QUESTIONED.findall(read_text)
    assert not QUIZZED.search(read_text)
    assert {entity for _, entity in asked} <= (names(store.world, "dose") if model.dose else set())
    n_words = len(asked) * (len(words.QUESTION.split()) + 1)
    assert n_words / tokens.size == pytest.approx(model.dose, abs=0.008)


def test_the_dose_displaces_prose(world: World) -> None:
    tokens = [pretraining_tokens(world, 50_000, dose, np.random.default_rng(0)) for dose in (0.0, 0.1)]
    assert [len(part) for part in tokens] == [50_000, 50_000]
    again = pretraining_tokens(world, 50_000, 0.1, np.random.default_rng(0))
    assert np.array_equal(again, tokens[1])


def test_a_word_is_a_token(world: World) -> None:
    tokenizer = make_tokenizer(LENGTH)
    assert len(tokenizer) == len(words.VOCABULARY) == 498
    assert tokenizer.eos_token_id == words.IDS[words.END] == 0
    tokens = pretraining_tokens(world, 5000, 0.1, np.random.default_rng(0))
    assert tokenizer.encode(text(tokens)) == tokens.tolist()
    assert tokenizer.decode(tokens) == text(tokens)
    question = prompt(world.questions("facts", "test")[0])
    assert tokenizer.encode(question + " red") == [*tokenizer.encode(question), words.IDS["red"]]
    with pytest.raises(Exception, match="WordLevel"):
        tokenizer.encode("what is this")
