"""What a trial trains and counts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.studies import asked, setup_of
from ttt.spec import SpecError
from ttt.study.trial import TrialTraining
from ttt.tasks.task_data import Example


def test_a_warm_rung_is_the_budget_trained_anew(conf: Path, tmp_path: Path) -> None:
    """The second rung, reached by way of the first, has to the last bit the scores and tokens of one straight run."""
    setup = setup_of(asked(conf, tmp_path, "study.cooldown=0.25"))
    recipe = setup.spec.recipe(setup.cell.adjustment, setup.cell.model, {"learning_rate": 1.0})
    warm = TrialTraining(setup, recipe, tmp_path / "warm")
    warm.reach(0)
    first, scores = warm.reach(1)
    weights = {name: value.clone() for name, value in setup.model.backend.model.state_dict().items()}
    took = TrialTraining(setup, recipe, tmp_path / "straight").straight(1)
    assert all(bool((weights[name] == value).all()) for name, value in setup.model.backend.model.state_dict().items())
    assert took.n_tokens == first.n_tokens
    assert first.n_tokens_taken < first.n_tokens
    assert len(scores) == len(setup.validation.held_out)


def test_a_study_refuses_and_counts_what_a_cell_does(conf: Path, tmp_path: Path) -> None:
    whole = setup_of(asked(conf, tmp_path))

    def reach(examples: list[Example], name: str, max_tokens: int) -> tuple[TrialTraining, list[str]]:
        said: list[str] = []
        adjustment = whole.cell.adjustment.model_copy(update={"max_tokens": max_tokens})
        cell = whole.cell.model_copy(update={"adjustment": adjustment})
        training = replace(whole.validation.training, examples=tuple(examples))
        prepared = replace(whole.prepared, keyed=replace(whole.prepared.keyed, cell=cell))
        setup = replace(
            whole, prepared=prepared, validation=replace(whole.validation, training=training), say=said.append
        )
        recipe = setup.spec.recipe(adjustment, cell.model, {"learning_rate": 1.0})
        trained = TrialTraining(setup, recipe, tmp_path / name)
        trained.reach(0)
        return trained, said

    longest = 100
    used = whole.ladder.steps[0] * whole.cell.adjustment.batch_size
    short = Example("Two?", " B")
    trained, said = reach([*[short] * (used - 1), replace(short, prompt="x" * longest)], "cut", longest)
    assert trained.n_cut == 1
    assert len(said) == 1
    assert f"1 of {used} examples are longer than {longest} tokens (adjustment.max_tokens, " in said[0]
    with pytest.raises(SpecError, match=r"the answers of \d+ examples add no token .* begin answers with a blank"):
        reach([replace(short, answer="")] * used, "empty", longest)
