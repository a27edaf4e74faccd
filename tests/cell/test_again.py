"""Asking again: what is done is made whole, and trained again once where that is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cell.test_adjusted import trainings
from tests.cells import do, request
from ttt.cell.complete import FACTS_NOW
from ttt.cell.superseded import TRAINED_AGAIN
from ttt.comparison.alike import reasons_of
from ttt.comparison.cells import cell_rows, finished_cells
from ttt.comparison.options import Options
from ttt.engine.training.step import TrainingStep
from ttt.spec import SpecError
from ttt.tracking import PARENT_ENV, Tracker
from ttt.tracking.run_life import COMMAND_ENV

BOTH = "benches=[sums,sums_cloze]"


@pytest.fixture
def root(conf: Path, tmp_path: Path) -> Path:
    """A store with two benches of one adjusted model."""
    do(request(conf, tmp_path / "mlruns", BOTH))
    return tmp_path / "mlruns"


def cell_of(tracker: Tracker, bench: str) -> Any:
    [run] = [run for run in tracker.runs(f"default/{bench}", "cell") if run.data.tags["ttt.adjustment"] == "smoke"]
    return run


def trains(said: list[str]) -> int:
    return sum(line == "tiny smoke s0: adjusting" for line in said)


def test_a_training_that_is_repeated_leaves_no_cell_that_names_the_one_before(conf: Path, root: Path) -> None:
    before = {run.info.run_id for run in Tracker(request(conf, root).tracking).runs("default/adjusting", "adjusting")}
    [forced], tracker, said = do(request(conf, root), force=True)
    assert trains(said) == 1
    [training] = trainings(tracker)
    [former] = before
    assert training != former
    assert forced.adjusted_model
    assert forced.adjusted_model["run_id"] == training
    assert cell_of(tracker, "sums_cloze").data.tags["ttt.adjusted_model"] == training
    [sibling], _, said = do(request(conf, root, bench="sums_cloze"))
    assert trains(said) == 0
    assert sibling.adjusted_model == forced.adjusted_model
    version = tracker.registry.find("tiny", "adjusted-sums")
    assert (version.run_id, str(version.number)) == (training, forced.version)
    assert sibling.version == forced.version
    assert version.tags["cell/default/sums_cloze"] == sibling.run_id
    assert tracker.registry.find("tiny", 2).tags["ttt.superseded"] == forced.version
    old, new = (tracker.artifact(run, "model/model.safetensors") for run in (former, training))
    assert old
    assert new
    assert old.samefile(new), "equal weights are kept once"
    assert reasons_of(finished_cells(tracker, "sums_cloze", Options())) == []


def test_scores_of_weights_that_others_have_replaced_are_marked_and_made_again(
    conf: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = TrainingStep.take
    monkeypatch.setattr(TrainingStep, "take", lambda self, step, batches, rate: real(self, step, batches, 1.5 * rate))
    [forced], tracker, said = do(request(conf, root), force=True)
    monkeypatch.undo()
    [training] = trainings(tracker)
    assert cell_of(tracker, "sums_cloze").data.tags[TRAINED_AGAIN] == training
    assert any("has superseded with other weights" in line for line in said)
    assert "ttt.superseded" not in tracker.registry.find("tiny", "adjusted-sums").tags
    runs = [
        run for run in finished_cells(tracker, "sums_cloze", Options()) if run.data.tags["ttt.adjustment"] == "smoke"
    ]
    [reason] = reasons_of(runs)
    assert reason.startswith("1 of 1 cells have scores of a training that a later one has superseded")
    tracker.client.delete_tag(runs[0].info.run_id, TRAINED_AGAIN)  # as where a kill came before it was written
    [run] = [r for r in finished_cells(tracker, "sums_cloze", Options()) if r.data.tags["ttt.adjustment"] == "smoke"]
    assert reasons_of([run])
    [again], _, said = do(request(conf, root, bench="sums_cloze"))
    assert trains(said) == 0
    assert again.digest_adjusted == forced.digest_adjusted
    assert again.adjusted_model == forced.adjusted_model
    assert reasons_of([cell_of(tracker, "sums_cloze")]) == []


def test_a_multirun_that_is_forced_trains_once(conf: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PARENT_ENV, "0" * 32)
    n_trained = 0
    for command in ("first", "second"):
        monkeypatch.setenv(COMMAND_ENV, command)
        for bench in ("sums", "sums_cloze"):
            results, tracker, said = do(request(conf, root, bench=bench), force=True)
            n_trained += trains(said)
            assert results[0].adjusted_model
        [training] = trainings(tracker)
        for bench in ("sums", "sums_cloze"):
            assert cell_of(tracker, bench).data.tags["ttt.adjusted_model"] == training
    assert n_trained == 2, "once a command, over both benches"


def test_what_was_deleted_from_the_registry_is_registered_again(conf: Path, root: Path) -> None:
    tracker = Tracker(request(conf, root).tracking)
    tracker.client.delete_registered_model("tiny")
    results, _, said = do(request(conf, root, BOTH))
    assert trains(said) == 0
    versions = tracker.registry.versions("tiny")
    assert [(v.tags["ttt.kind"], v.aliases) for v in versions] == [
        ("base", ("base",)),
        ("adjusted", ("adjusted-sums",)),
    ]
    assert [result.version for result in results] == ["2", "2"]
    for result in results:
        assert versions[1].tags[f"cell/default/{result.bench}"] == result.run_id
    tracker.client.delete_model_version("tiny", "2")
    [result, _], _, _ = do(request(conf, root, BOTH))
    assert tracker.registry.find("tiny", "adjusted-sums").number == int(result.version or 0)
    assert do(request(conf, root, BOTH))[0][0] == result
    _, _, said = do(request(conf, root, "model.version=adjusted-sums", adjustment="none"))
    assert (
        f"model.version=adjusted-sums: version {result.version} of 'tiny', smoke on sums, 32 examples, seed 0"
        in (said[0])
    )


def test_what_was_not_registered_or_kept_is_when_it_is_asked_for_or_said_why_not(conf: Path, tmp_path: Path) -> None:
    off = request(conf, tmp_path / "a", "tracking.register_models=false")
    [first], tracker, _ = do(off)
    assert (first.version, tracker.registry.models()) == (None, [])
    [second], _, said = do(request(conf, tmp_path / "a"))
    assert trains(said) == 0
    assert second.version == "2"
    assert tracker.registry.find("tiny", "adjusted-sums").number == 2
    asked = "adjustment.evaluate_at=[1]"
    do(request(conf, tmp_path / "b", "tracking.keep_weights=false", asked))
    [_], tracker, said = do(request(conf, tmp_path / "b", asked))
    assert any("its adjusted weights are not kept" in line and "force=true trains again (" in line for line in said)
    do(request(conf, tmp_path / "b", asked), force=True)
    assert [version.number for version in tracker.registry.versions("tiny")] == [1, 2]
    _, _, said = do(request(conf, tmp_path / "b", asked, "tracking.keep_checkpoints=true"))
    assert any("its weights after steps 1 are not kept" in line for line in said)


def test_scores_beyond_the_last_step_are_refused_before_the_work(conf: Path, root: Path, tmp_path: Path) -> None:
    for place in (root, tmp_path / "empty"):
        with pytest.raises(SpecError, match=r"evaluate_at: 5: adjusting ends at step 4 \(32 examples, 8 a step\)"):
            do(request(conf, place, "adjustment.evaluate_at=[2,5]"))
    assert not list((tmp_path / "empty").glob("cells/*/answers"))


def test_what_adjusting_cost_is_counted_once_on_the_run_that_adjusted(conf: Path, root: Path) -> None:
    results, tracker, _ = do(request(conf, root, BOTH))
    [training] = trainings(tracker)
    run = tracker.get_run(training)
    for result in results:
        cell = cell_of(tracker, result.bench)
        assert result.training_seconds == run.data.metrics["train/seconds"]
        assert result.seconds == cell.data.metrics["adjusted/seconds"]
        assert not {"train/seconds", "train/n_tokens", "train/tokens_per_second"} & cell.data.metrics.keys()
        runs = [one for one in finished_cells(tracker, result.bench, Options()) if one.info.run_id == result.run_id]
        [row] = cell_rows(runs, "score")
        assert row.seconds == pytest.approx(result.seconds + result.training_seconds)  # type: ignore[operator]


def test_facts_that_were_corrected_count_from_then_on(conf: Path, root: Path) -> None:
    _, tracker, said = do(request(conf, root, "model.n_params=50_000"))
    assert any("n_params of the model is '50000' now, and '40000' in its run" in line for line in said)
    from ttt.comparison.cells import facts_of
    from ttt.comparison.current import corrected_facts

    cell = cell_of(tracker, "sums")
    assert facts_of(cell)["n_params"] == 50_000
    assert "tiny: n_params is 50000, and was 40000 when it was scored" in corrected_facts([cell])
    do(request(conf, root, "model.n_tokens=null", "model.trained=null"))
    unknown = facts_of(cell_of(tracker, "sums"))
    assert (unknown["n_tokens"], unknown["trained"], unknown["n_params"]) == (None, None, 40_000)
    do(request(conf, root))
    cell = cell_of(tracker, "sums")
    assert (facts_of(cell)["n_params"], cell.data.tags[FACTS_NOW], corrected_facts([cell])) == (40_000, "{}", [])
