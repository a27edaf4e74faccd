"""What fails, is damaged or is refused while models are adjusted, and what of it the next command still has."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cell.test_adjusted import trainings
from tests.cells import do, request
from ttt.cell import model
from ttt.spec import SpecError
from ttt.tracking import Tracker


def fail_at_the_second_scoring(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bench `sums` fails when it is scored for the second time."""
    real, calls = model.evaluate, list[str]()

    def failing(backend: object, bench: object, *rest: object) -> object:
        calls.append(bench.name)  # type: ignore[attr-defined]
        if bench.name == "sums" and calls.count("sums") == 2:  # type: ignore[attr-defined]
            raise ValueError("out of paper")
        return real(backend, bench, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(model, "evaluate", failing)


def test_weights_that_are_gone_or_damaged_are_trained_again(
    conf: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    [first], tracker, _ = do(request(conf, tmp_path))
    assert first.adjusted_model
    weights = tracker.artifact(first.adjusted_model["run_id"], "model/model.safetensors")
    assert weights
    weights.write_bytes(weights.read_bytes()[:-4] + b"cut!")
    [later], _, said = do(request(conf, tmp_path, bench="sums_cloze"))
    assert "is not what was kept" in caplog.text
    assert any(line.endswith(": adjusting") for line in said)
    assert later.digest_adjusted == first.digest_adjusted
    [again] = trainings(tracker)
    assert later.adjusted_model
    assert later.adjusted_model["run_id"] == again != first.adjusted_model["run_id"]


def test_a_bench_that_fails_stops_no_other(conf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_at_the_second_scoring(monkeypatch)
    asked = request(conf, tmp_path, "benches=[sums,sums_cloze]")
    with pytest.raises(RuntimeError, match=r"1 of 2 benches failed\ntiny smoke s0 on sums: out of paper"):
        do(asked)
    monkeypatch.undo()
    results, tracker, said = do(asked)
    assert any("on sums_cloze: done before" in line for line in said)
    assert len(trainings(tracker)) == 1
    assert [result.bench for result in results] == ["sums", "sums_cloze"]


def test_all_faults_of_all_benches_come_before_the_weights(conf: Path, tmp_path: Path) -> None:
    asked = request(conf, tmp_path, "benches=[sums,sums_cloze]", "bench.task_data=[{name: mine, files: none.jsonl}]")
    with pytest.raises(SpecError, match=r"none\.jsonl"):
        do(asked)
    folder = tmp_path / "cells"
    assert not list(folder.glob("*/answers"))


def test_a_training_that_fails_leaves_the_base_model_to_the_next(
    conf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ttt.engine.training.step import NonFiniteLossError, TrainingStep

    [alone], _, _ = do(request(conf, tmp_path / "alone", bench="sums_other"))
    real, calls = TrainingStep.take, []

    def failing(self: TrainingStep, *arguments: object) -> float:
        calls.append(1)
        if len(calls) == 3:
            raise NonFiniteLossError("the loss is nan")
        return real(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(TrainingStep, "take", failing)
    asked = request(conf, tmp_path, "benches=[sums,sums_other]")
    with pytest.raises(RuntimeError, match="1 of 2 benches failed"):
        do(asked)
    monkeypatch.undo()
    results, _, _ = do(asked)
    assert results[1].digest_adjusted == alone.digest_adjusted
    assert results[1].adjusted == alone.adjusted


def test_a_kill_between_the_weights_and_the_end_of_their_run_loses_no_score_on_the_way(
    conf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ttt.cell import adjusting

    monkeypatch.setattr(adjusting, "_record", None)
    with pytest.raises(TypeError):
        do(request(conf, tmp_path))
    monkeypatch.undo()
    later = request(conf, tmp_path, "adjustment.evaluate_at=[2]", bench="sums_cloze")
    with pytest.raises(SpecError, match="to be scored after steps 2"):
        do(later)
    [result], _, _ = do(later, force=True)
    assert [point["n_examples"] for point in result.checkpoints] == [16, 32]


def test_a_bench_that_fails_on_the_way_stops_no_other(
    conf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_at_the_second_scoring(monkeypatch)
    asked = request(conf, tmp_path, "benches=[sums,sums_cloze]", "adjustment.evaluate_at=[2]")
    with pytest.raises(RuntimeError, match="1 of 2 benches failed"):
        do(asked)
    assert len(Tracker(asked.tracking).runs("default/sums_cloze", "cell")) == 2


def test_an_alias_stays_with_the_newest_model_and_damaged_weights_get_another_version(
    conf: Path, tmp_path: Path
) -> None:
    [first], tracker, _ = do(request(conf, tmp_path))
    do(request(conf, tmp_path, "adjustment.learning_rate=1e-4"))
    assert tracker.registry.find("tiny", "adjusted-sums").number == 3
    do(request(conf, tmp_path, "suite=other"))
    assert tracker.registry.find("tiny", "adjusted-sums").number == 3, "the same work in another suite moves nothing"
    assert first.adjusted_model
    weights = tracker.artifact(first.adjusted_model["run_id"], "model/model.safetensors")
    assert weights
    weights.write_bytes(weights.read_bytes()[:-4] + b"cut!")
    [again], _, _ = do(request(conf, tmp_path, bench="sums_cloze"))
    assert again.version == "4"
    assert tracker.registry.folder(tracker.registry.find("tiny", 4)).exists()


def test_leaks_stop_a_request_that_wants_it_whatever_was_done_before(conf: Path, tmp_path: Path) -> None:
    do(request(conf, tmp_path))
    with pytest.raises(SpecError, match="leak"):
        do(request(conf, tmp_path, "bench.leak=fail"))
