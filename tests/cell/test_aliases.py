"""Which version an alias names: by the rule, in whatever order versions are registered, and never without a word."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from ttt.cell.aliases import LEAKS, SUPERSEDED_BY, described, settle_adjusted, settle_final
from ttt.spec import Tracking
from ttt.tracking import Tracker


@pytest.fixture
def tracker(tmp_path: Path) -> Tracker:
    return Tracker(Tracking(root=str(tmp_path / "store")))


def register(
    tracker: Tracker, model: str = "m", budget: int = 32, seed: int = 0, recipe: str = "r", **more: str
) -> int:
    tags = {"ttt.kind": "adjusted", "ttt.task_data": "aux", "ttt.budget": str(budget), "ttt.seed": str(seed)}
    tags |= {"ttt.recipe": recipe, "ttt.adjustment": "full", "ttt.digest": f"{budget} {seed} {recipe} {more}"}
    tags |= {"ttt.adjusted_model": tags["ttt.digest"], **{name.replace("__", "/"): text for name, text in more.items()}}
    with tracker.run("s/adjusting", "full", {"ttt.kind": "adjusting"}) as run:
        run.text("{}", "model/config.json")
        return tracker.registry.register(model, run.run_id, "model", tags).number


def holder(tracker: Tracker, alias: str, model: str = "m") -> int | None:
    return next((v.number for v in tracker.registry.versions(model) if alias in v.aliases), None)


def test_the_adjusted_version_is_the_same_in_whatever_order_they_are_registered(tracker: Tracker) -> None:
    kinds = {"best": {}, "seed": {"seed": 1}, "budget": {"budget": 8}, "leaks": {"budget": 64, LEAKS: "b"}}
    for order in itertools.permutations(kinds):
        model = "-".join(order)
        numbers = {}
        for kind in order:
            numbers[kind] = register(tracker, model, **kinds[kind])  # type: ignore[arg-type]
            settle_adjusted(tracker, model, "aux")
        assert holder(tracker, "adjusted-aux", model) == numbers["best"], order


def test_an_alias_that_moves_is_said_with_what_it_leaves_and_takes(
    tracker: Tracker, caplog: pytest.LogCaptureFixture
) -> None:
    register(tracker, recipe="first")
    settle_adjusted(tracker, "m", "aux")
    assert caplog.text == ""
    register(tracker, recipe="other")
    settle_adjusted(tracker, "m", "aux")
    assert (
        "adjusted-aux is version 2 of 'm' now (full on aux, 32 examples, seed 0, recipe other), no longer version 1 "
        "(full on aux, 32 examples, seed 0, recipe first)"
    ) in caplog.text
    tracker.registry.set_tags(tracker.registry.find("m", 2), {SUPERSEDED_BY: "9"})
    settle_adjusted(tracker, "m", "aux")
    assert holder(tracker, "adjusted-aux") == 1, "weights that another training has replaced are no alias's"


def test_final_stays_with_its_recipe_and_is_always_a_saturated_version(
    tracker: Tracker, caplog: pytest.LogCaptureFixture
) -> None:
    yes = {"saturated__s__b": "yes"}
    register(tracker, seed=1, **yes)
    settle_final(tracker, "m", "b")
    register(tracker, budget=64, recipe="idle", **yes)
    settle_final(tracker, "m", "b")
    assert holder(tracker, "final-b") == 1, "another recipe takes nothing from one that is saturated"
    register(tracker, budget=128, saturated__s__b="undecided")
    settle_final(tracker, "m", "b")
    assert holder(tracker, "final-b") == 1
    register(tracker, **yes)
    settle_final(tracker, "m", "b")
    assert holder(tracker, "final-b") == 4, "the lower seed of the same recipe"
    assert "final-b is version 4 of 'm' now" in caplog.text
    for number, now in ((4, 1), (1, 2), (2, None)):
        tracker.registry.set_tags(tracker.registry.find("m", number), {"saturated/s/b": "no"})
        settle_final(tracker, "m", "b")
        assert holder(tracker, "final-b") == now
    assert "final-b was version 2 of 'm' (full on aux, 64 examples, seed 0, recipe idle), which it is no longer" in (
        caplog.text
    )


def test_what_a_version_is_in_words(tracker: Tracker) -> None:
    register(tracker, **{LEAKS: "b", "ttt.from_version": "3"})
    assert described(tracker.registry.find("m", 1)) == (
        "full on aux, 32 examples, seed 0, recipe r, from version 3, trained on leaked questions of b"
    )
