"""An adjusted model is trained once, whichever benches ask for it and in whatever order, and scored on each."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from tests.cells import do, request
from ttt.cell.result import CellResult
from ttt.spec import SpecError
from ttt.tracking import Tracker

BENCHES = ("sums", "sums_cloze", "sums_other")


def trainings(tracker: Tracker, suite: str = "default") -> list[str]:
    """Ids of the runs in which a model was adjusted."""
    return [run.info.run_id for run in tracker.runs(f"{suite}/adjusting", "adjusting")]


def scores(results: list[CellResult]) -> dict[str, object]:
    return {r.bench: (r.base, r.adjusted, r.gain, r.checkpoints, r.digest_adjusted) for r in results}


def test_three_benches_in_any_order_together_or_apart_make_two_trainings(conf: Path, tmp_path: Path) -> None:
    expected = None
    for number, order in enumerate(itertools.permutations(BENCHES)):
        asked = request(conf, tmp_path / str(number), f"benches=[{','.join(order)}]", "adjustment.evaluate_at=[2]")
        results, tracker, said = do(asked)
        assert [result.bench for result in results] == list(order)
        expected = expected or scores(results)
        assert scores(results) == expected
        assert len(trainings(tracker)) == 2
        assert sum(line.endswith(": adjusting") for line in said) == 2
    apart = []
    for bench in BENCHES:
        results, tracker, _ = do(request(conf, tmp_path / "apart", bench=bench))
        apart += results
    assert expected
    assert {r.bench: (r.base, r.adjusted) for r in apart} == {b: of[:2] for b, of in expected.items()}  # type: ignore[index]
    assert len(trainings(tracker)) == 2


@pytest.fixture(scope="module")
def kept(conf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which `sums` is done, with weights kept on the way."""
    root = tmp_path_factory.mktemp("kept")
    do(request(conf, root, "adjustment.evaluate_at=[1,3]", "tracking.keep_checkpoints=true"))
    return root


def test_a_later_bench_is_scored_without_training(conf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ttt.cell import model

    do(request(conf, tmp_path, bench="sums_cloze", adjustment="none"))
    [first], tracker, _ = do(request(conf, tmp_path))
    loaded = []
    real = model.load
    monkeypatch.setattr(model, "load", lambda what, *rest: (loaded.append(what.path), real(what, *rest))[1])
    [later], _, said = do(request(conf, tmp_path, bench="sums_cloze"))
    assert len(loaded) == 1, "the adjusted weights alone"
    assert str(loaded[0]).endswith("/model")
    assert later.adjusted_model == first.adjusted_model
    assert later.digest_adjusted == first.digest_adjusted
    assert any("adjusted before, run" in line for line in said)
    assert not any(line.endswith(": adjusting") for line in said)
    [run_id] = trainings(tracker)
    assert first.adjusted_model == {"key": tracker.read_run(run_id).data.tags["ttt.key"], "run_id": run_id}  # type: ignore[union-attr]
    assert tracker.artifact(run_id, "model/model.safetensors")
    for result in (first, later):
        assert tracker.artifact(result.run_id, "model") is None, "the weights are kept once"


def test_a_later_bench_is_scored_on_the_way_where_the_weights_were_kept(conf: Path, kept: Path) -> None:
    together, _, _ = do(
        request(conf, kept.parent / "together", "benches=[sums,sums_cloze]", "adjustment.evaluate_at=[1,3]")
    )
    [later], tracker, said = do(
        request(conf, kept, "adjustment.evaluate_at=[1,3]", "tracking.keep_checkpoints=true", bench="sums_cloze")
    )
    assert later.checkpoints == together[1].checkpoints
    assert [point["n_examples"] for point in later.checkpoints] == [8, 24, 32]
    assert len(trainings(tracker)) == 1
    assert not any(line.endswith(": adjusting") for line in said)


def test_without_them_it_says_what_training_again_would_cost(conf: Path, tmp_path: Path) -> None:
    do(request(conf, tmp_path))
    asked = request(conf, tmp_path, "adjustment.evaluate_at=[1,2]", bench="sums_cloze")
    with pytest.raises(
        SpecError, match=r"after steps 1, 2, .*force=true trains again \([\d,]+ tokens, .*keep_checkpoints"
    ):
        do(asked)
    [result], tracker, _ = do(asked, force=True)
    assert [point["n_examples"] for point in result.checkpoints] == [8, 16, 32]
    assert len(trainings(tracker)) == 1, "the first training is superseded"


def test_another_suite_scores_the_same_weights(conf: Path, tmp_path: Path) -> None:
    [first], _, _ = do(request(conf, tmp_path))
    [second], tracker, _ = do(request(conf, tmp_path, "suite=other"))
    assert second.adjusted_model == first.adjusted_model
    assert second.version == first.version == "2"
    assert not trainings(tracker, "other")
    assert [version.number for version in tracker.registry.versions("tiny")] == [1, 2]


def test_a_budget_that_is_the_same_in_examples_is_the_same_model(conf: Path, tmp_path: Path) -> None:
    [first], tracker, _ = do(request(conf, tmp_path))
    [second], _, _ = do(
        request(conf, tmp_path, "adjustment.name=of_epochs", "adjustment.examples=null", "adjustment.epochs=0.4")
    )
    assert second.key != first.key
    assert second.adjusted_model == first.adjusted_model
    for other in ("adjustment.learning_rate=1e-4", "seed=1", "adjustment.examples=40", "adjustment.clip=0.5"):
        do(request(conf, tmp_path, other))
    assert len(trainings(tracker)) == 5


def test_without_kept_weights_every_command_trains_once(conf: Path, tmp_path: Path) -> None:
    off = "tracking.keep_weights=false"
    results, tracker, said = do(request(conf, tmp_path, off, "benches=[sums,sums_cloze]"))
    assert sum(line.endswith(": adjusting") for line in said) == 1
    assert not tracker.registry.versions("tiny")[1:]
    [later], tracker, said = do(request(conf, tmp_path, off, "bench.limit=8"))
    assert sum(line.endswith(": adjusting") for line in said) == 1
    assert later.digest_adjusted == results[0].digest_adjusted
    assert not list(tmp_path.glob("cells/*/weights"))


def test_adapters_are_shared_too(conf: Path, tmp_path: Path) -> None:
    results, tracker, _ = do(
        request(conf, tmp_path, "benches=[sums,sums_cloze]", "adjustment.examples=16", adjustment="lora")
    )
    assert len({result.digest_adjusted for result in results}) == 1
    assert results[0].digest_adjusted != results[0].digest_base
    assert len(trainings(tracker)) == 1


def test_scores_on_the_way_are_asked_of_a_done_cell_and_take_its_place(conf: Path, tmp_path: Path) -> None:
    [first], tracker, _ = do(request(conf, tmp_path, "tracking.keep_checkpoints=true", "adjustment.evaluate_at=[1,3]"))
    [plain], _, _ = do(request(conf, tmp_path))
    assert plain == first, "a request for fewer scores is done"
    with pytest.raises(SpecError, match="to be scored after steps 2"):
        do(request(conf, tmp_path, "adjustment.evaluate_at=[2]"))
    [again], _, _ = do(request(conf, tmp_path, "adjustment.evaluate_at=[2]"), force=True)
    assert again.key == first.key
    assert [run.info.run_id for run in tracker.runs("default/sums", "cell")][:1] == [again.run_id]
    assert len(tracker.runs("default/sums", "cell")) == 2, "with the base model's"


def test_facts_of_a_model_that_changed_are_said(conf: Path, tmp_path: Path) -> None:
    do(request(conf, tmp_path))
    _, _, said = do(request(conf, tmp_path, "model.n_params=50_000"))
    assert any("n_params of the model is '50000' now, and '40000' in its run" in line for line in said)


def test_a_try_on_a_part_does_not_stand_for_the_bench(conf: Path, tmp_path: Path) -> None:
    [whole], tracker, _ = do(request(conf, tmp_path))
    do(request(conf, tmp_path, "bench.limit=8"))
    assert tracker.registry.find("tiny", 2).tags["cell/default/sums"] == whole.run_id
    with pytest.raises(SpecError, match="'adjusting': the experiment <suite>/adjusting holds other runs"):
        request(conf, tmp_path, "bench.name=adjusting")


def test_a_training_goes_on_for_another_suite_in_the_run_it_has(
    conf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ttt.engine.training.step import TrainingStep

    real, calls = TrainingStep.take, []

    def failing(self: TrainingStep, *arguments: object) -> float:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(TrainingStep, "take", failing)
    with pytest.raises(KeyboardInterrupt):
        do(request(conf, tmp_path))
    monkeypatch.undo()
    [result], tracker, _ = do(request(conf, tmp_path, "suite=other"))
    assert result.adjusted_model
    [run_id] = trainings(tracker)
    assert result.adjusted_model["run_id"] == run_id
    assert [step for step, _ in tracker.open(run_id).history("train/loss")] == [8, 16, 24, 32]


def test_jobs_of_a_multirun_over_benches_are_scored_on_the_way_each(
    conf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ttt.tracking import PARENT_ENV

    together, _, _ = do(request(conf, tmp_path / "one", "benches=[sums,sums_cloze]", "adjustment.evaluate_at=[2]"))
    monkeypatch.setenv(PARENT_ENV, "0" * 32)
    apart = []
    for bench in ("sums", "sums_cloze"):
        results, tracker, _ = do(request(conf, tmp_path / "jobs", "adjustment.evaluate_at=[2]", bench=bench))
        apart += results
    assert scores(apart) == scores(together)
    assert len(trainings(tracker)) == 1
