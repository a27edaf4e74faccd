"""Registered versions: one for the same weights, found by number and by alias, and never another's."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from ttt.files.model_source import folder_source
from ttt.spec import SpecError
from ttt.tracking import Tracker, Version, alias_of


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def register(
    tracker: Tracker,
    weights: Path,
    model: str = "m",
    suite: str = "made",
    digest: str = "d",
    adjusted: str | None = None,
    aliases: tuple[str, ...] = (),
) -> Version:
    tags = {"ttt.digest": digest, "ttt.files": folder_source(weights), "ttt.seed": "0"}
    tags |= {"ttt.adjusted_model": adjusted} if adjusted else {}
    with tracker.run(f"{suite}/adjusting", f"{model} full s0", {"ttt.kind": "adjusting"}) as run:
        run.weights(weights, "model")
        return tracker.registry.register(model, run.run_id, "model", tags, aliases)


def test_aliases_of_names_are_never_one(tracker: Tracker, weights: Path) -> None:
    letters = "ab_x2e-.~"
    names = ["".join(word) for n in range(1, 6) for word in itertools.product(letters, repeat=n)]
    assert len({alias_of("final", name) for name in names}) == len(names)
    assert alias_of("final", "gsm8k") == "final-gsm8k"
    assert alias_of("adjusted", "arc_challenge-2") == "adjusted-arc_challenge-2"
    for name in ("v1", "latest", "a.b", "a_x2e_b", "1", "A" * 100):
        version = register(tracker, weights, aliases=(alias_of("final", name),))
        assert alias_of("final", name) in version.aliases
        assert tracker.registry.find("m", f"final-{name}") == version, "a user writes the name as it is"


def test_the_same_weights_are_one_version_whoever_asks(tracker: Tracker, weights: Path) -> None:
    base = register(tracker, weights, digest="b", aliases=("base",))
    one = register(tracker, weights, adjusted="key", aliases=("adjusted-aux",))
    assert (base.number, one.number) == (1, 2)
    assert register(tracker, weights, suite="other", digest="b").number == 1
    again = register(tracker, weights, suite="other", adjusted="key", aliases=("final-sums",))
    assert (again.number, again.run_id, again.aliases) == (2, one.run_id, ("adjusted-aux", "final-sums"))
    assert register(tracker, weights, digest="e", adjusted="key").number == 3, "other weights"
    assert register(tracker, weights, adjusted="other key").number == 4, "weights that were come by in another way"
    assert [v.number for v in tracker.registry.versions("m") if v.run_id == one.run_id] == [2]


def test_weights_that_are_gone_are_registered_again(tracker: Tracker, weights: Path) -> None:
    one = register(tracker, weights, adjusted="key", aliases=("adjusted-aux",))
    tracker.client.delete_run(one.run_id)
    with pytest.raises(SpecError, match=f"version 1 of 'm' belongs to run {one.run_id}, which was deleted"):
        tracker.registry.folder(one)
    two = register(tracker, weights, adjusted="key", aliases=("adjusted-aux",))
    assert two.number == 2
    assert [version.aliases for version in tracker.registry.versions("m")] == [(), ("adjusted-aux",)]
    assert (tracker.registry.folder(two) / "model.safetensors").read_bytes() == b"weights"


def test_models_whose_names_run_together_are_not_mixed_up(tracker: Tracker, weights: Path) -> None:
    register(tracker, weights, "a", aliases=(alias_of("final", "b-c"),))
    register(tracker, weights, "a-b", aliases=(alias_of("final", "c"),))
    register(tracker, weights, "gsm8k", aliases=("final-my-gsm8k",))
    registry = tracker.registry
    assert registry.models() == ["a", "a-b", "gsm8k"]
    assert [version.model for version in registry.with_alias("final-c")] == ["a-b"]
    assert [version.model for version in registry.with_alias("final-b-c")] == ["a"]
    assert registry.with_alias("final-gsm8k") == [], "no part of another alias"
    assert [len(registry.versions(model)) for model in ("a", "a-b", "nothing")] == [1, 1, 0]


def test_a_version_that_is_not_there_is_refused_with_the_choices(tracker: Tracker, weights: Path) -> None:
    register(tracker, weights, digest="b", aliases=("base",))
    register(tracker, weights, adjusted="key", aliases=("adjusted-aux", "final-sums"))
    with pytest.raises(SpecError, match="'m' has no version 3; its versions are: 1, base; 2, adjusted-aux, final-sums"):
        tracker.registry.find("m", 3)
    with pytest.raises(SpecError, match="'m' has no version final-other"):
        tracker.registry.find("m", "final-other")
    with pytest.raises(SpecError, match="there is no registered model 'n'; registered are: m"):
        tracker.registry.find("n", 1)


def test_tags_and_aliases_move(tracker: Tracker, weights: Path) -> None:
    one, two = (register(tracker, weights, adjusted=key) for key in ("1", "2"))
    registry = tracker.registry
    registry.set_alias(one, "final-sums")
    registry.set_alias(two, "final-sums")
    registry.drop_alias(one, "final-sums")
    assert registry.find("m", "final-sums") == registry.find("m", 2), "it is the other's by now"
    registry.drop_alias(two, "final-sums")
    assert registry.with_alias("final-sums") == []
    registry.set_tags(one, {"score/made/sums": "0.5"})
    assert registry.find("m", 1).tags["score/made/sums"] == "0.5"


def test_weights_that_were_changed_are_not_loaded(tracker: Tracker, weights: Path) -> None:
    one = register(tracker, weights)
    folder = tracker.registry.folder(one)
    (folder / "model.safetensors").unlink()  # not the file that its link shares
    (folder / "model.safetensors").write_bytes(b"others")
    with pytest.raises(SpecError, match=f"are not those that were kept: {one.tags['ttt.files']} then"):
        tracker.registry.folder(one)
    (folder / "config.json").unlink()
    with pytest.raises(SpecError, match="has no weights of its own"):
        tracker.registry.folder(one)
    old = Version("m", 7, (), {"ttt.digest": "d"}, one.run_id, one.source)
    tracker.registry.check_weights(old, "d")
    with pytest.raises(SpecError, match="version 7 of 'm' has other weights than were kept: their digest was d, is e"):
        tracker.registry.check_weights(old, "e")
