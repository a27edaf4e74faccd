"""What a cell reads back (weights, answers, versions, results, items) is what was written, or made again or refused."""

from __future__ import annotations

import json
import logging
import re
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.cells import do, request
from tests.conftest import make_tiny_model
from ttt.cell.result import CellResult
from ttt.run import Request
from ttt.spec import SpecError
from ttt.tracking import RunLog, Tracker

EXPERIMENT = "default/sums"


def one(asked: Request, force: bool = False) -> tuple[CellResult, list[str]]:
    [result], _, said = do(asked, force)
    return result, said


@pytest.fixture(scope="module")
def other_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("models") / "other", seed=1)


@pytest.fixture(scope="module")
def undisturbed(conf: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[CellResult, Request]:
    asked = request(conf, tmp_path_factory.mktemp("mlruns"))
    return one(asked)[0], asked


@pytest.fixture(scope="module")
def stopped(conf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store whose adjusting has stopped with its weights trained and saved."""
    root = tmp_path_factory.mktemp("stopped")
    asked = request(conf, root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunLog, "weights", None)
        with pytest.raises(TypeError):
            one(asked)
    assert list(root.glob("cells/*/weights"))
    return root


@pytest.fixture
def answered(conf: Path, tmp_path: Path) -> tuple[Request, Path]:
    """A store whose cell has stopped with all answers of its adjusted model kept, and the file of these."""
    asked = request(conf, tmp_path / "answered")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ttt.cell.run.log_adjusted", None)
        with pytest.raises(TypeError):
            one(asked)
    [file] = tmp_path.glob("answered/cells/*/answers/*")
    return asked, file


@pytest.fixture
def again(conf: Path, stopped: Path, tmp_path: Path) -> Request:
    """That store, to be gone on with."""
    return request(conf, copy_store(stopped, tmp_path / "mlruns"))


def copy_store(before: Path, root: Path) -> Path:
    """A copy whose artifacts are its own."""
    shutil.copytree(before, root)
    with sqlite3.connect(root / "mlflow.db") as base:
        for table, column in (
            ("runs", "artifact_uri"),
            ("experiments", "artifact_location"),
            ("model_versions", "source"),
            ("model_versions", "storage_location"),
        ):
            base.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (before.as_uri(), root.as_uri()))
    return root


def folder_of(asked: Request) -> Path:
    [weights] = Path(asked.tracking.root).glob("cells/*/weights")
    return weights.parent


def copy_weights(cell: Path, other: Path) -> None:
    shutil.copy(other / "model.safetensors", cell / "weights" / "model.safetensors")


def edit_facts(cell: Path, other: Path) -> None:
    digest, facts = json.loads((cell / "adjusted.json").read_text())
    (cell / "adjusted.json").write_text(json.dumps([digest, {**facts, "n_tokens": 1}]))


DAMAGE: dict[str, tuple[Callable[[Path, Path], object], str]] = {
    "swapped weights": (copy_weights, "weights is damaged, and made again: its digest was files:"),
    "cut weights": (lambda c, o: (c / "weights/model.safetensors").write_bytes(b"cut"), "weights is damaged"),
    "half of the files": (lambda c, o: (c / "weights/config.json").unlink(), "has no config.json"),
    "no files": (lambda c, o: (shutil.rmtree(c / "weights"), (c / "weights").mkdir()), "has no config.json"),
    "cut facts": (lambda c, o: (c / "adjusted.json").write_text('["ab", {"n_ste'), "adjusted.json is damaged"),
    "edited facts": (edit_facts, "adjusted.json is damaged"),
    "no facts": (lambda c, o: (c / "adjusted.json").unlink(), "adjusted.json tells no digest"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_kept_weights_that_are_not_what_was_kept_are_made_again(
    undisturbed: tuple[CellResult, Request],
    again: Request,
    other_model: Path,
    caplog: pytest.LogCaptureFixture,
    case: str,
) -> None:
    change, message = DAMAGE[case]
    change(folder_of(again), other_model)
    result, said = one(again)
    assert message in caplog.text
    assert any(line.endswith("adjusting") for line in said)
    assert result.digest_adjusted == undisturbed[0].digest_adjusted
    assert (result.adjusted, result.gain) == (undisturbed[0].adjusted, undisturbed[0].gain)
    assert not Tracker(again.tracking).leftovers(result.key)


def test_kept_weights_as_they_were_are_gone_on_with(
    undisturbed: tuple[CellResult, Request], again: Request, caplog: pytest.LogCaptureFixture
) -> None:
    result, said = one(again)
    assert not any(line.endswith("adjusting") for line in said)
    assert (result.adjusted, result.digest_adjusted) == (undisturbed[0].adjusted, undisturbed[0].digest_adjusted)
    assert not [record for record in caplog.records if record.name.startswith("ttt")]


def test_edited_answers_are_asked_again(
    undisturbed: tuple[CellResult, Request], answered: tuple[Request, Path], caplog: pytest.LogCaptureFixture
) -> None:
    asked, file = answered
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    lines = [[line, batch, [[index, -5.0 * index, True] for index, *_ in answers]] for line, batch, answers in lines]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    result, _ = one(asked)
    assert f"{len(lines)} of {len(lines)} lines are damaged" in caplog.text
    assert result.adjusted == undisturbed[0].adjusted


def test_force_begins_without_what_was_left(
    undisturbed: tuple[CellResult, Request], again: Request, other_model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    copy_weights(folder_of(again), other_model)
    tracker = Tracker(again.tracking)
    [failed] = tracker.client.search_runs([tracker.experiment("default/adjusting")], "attributes.status = 'FAILED'")
    with caplog.at_level(logging.WARNING):
        result, said = one(again, force=True)
    assert "damaged" not in caplog.text
    assert any(line.endswith("adjusting") for line in said)
    assert result.adjusted == undisturbed[0].adjusted
    assert result.adjusted_model
    assert result.adjusted_model["run_id"] != failed.info.run_id
    superseded = tracker.client.get_run(failed.info.run_id).data.tags["ttt.superseded"]
    assert superseded == result.adjusted_model["run_id"]
    assert one(again)[0] == result


def test_force_asks_all_again(answered: tuple[Request, Path], undisturbed: tuple[CellResult, Request]) -> None:
    asked, file = answered
    file.write_bytes(b"\xff")
    assert one(asked, force=True)[0].adjusted == undisturbed[0].adjusted


def copy_of(asked: Request, conf: Path, root: Path) -> tuple[Request, Tracker, Path]:
    """A copy of a finished store; the folder of its adjusted cell's artifacts (see `weights_of`)."""
    copied = request(conf, copy_store(Path(asked.tracking.root), root))
    tracker = Tracker(copied.tracking)
    [run] = [run for run in tracker.runs(EXPERIMENT, "cell") if run.data.tags["ttt.adjustment"] == "smoke"]
    file = tracker.artifact(run.info.run_id, "result.json")
    assert file is not None
    assert root in file.parents
    return copied, tracker, file.parent


def weights_of(tracker: Tracker) -> Path:
    [run] = tracker.runs("default/adjusting", "adjusting")
    folder = tracker.artifact(run.info.run_id, "model")
    assert folder is not None
    return folder


def version(asked: Request) -> Request:
    model = asked.cells[0].model.model_copy(update={"version": 2})
    cell = asked.cells[0].model_copy(update={"model": model}).base()
    return Request((cell,), asked.trainer, asked.tracking)


@pytest.mark.parametrize("with_files", [True, False])
def test_swapped_weights_of_a_version_are_not_scored(
    undisturbed: tuple[CellResult, Request], conf: Path, tmp_path: Path, other_model: Path, with_files: bool
) -> None:
    copied, tracker, _ = copy_of(undisturbed[1], conf, tmp_path / "mlruns")
    kept = tracker.registry.find("tiny", 2).tags["ttt.files"]
    if not with_files:  # as a version that was kept without a digest of its files
        tracker.client.delete_model_version_tag("tiny", "2", "ttt.files")
        assert one(version(copied))[0].base == undisturbed[0].adjusted
    weights = weights_of(tracker)
    (weights / "model.safetensors").unlink()  # not the file that its link shares
    shutil.copy(other_model / "model.safetensors", weights)
    digest = kept if with_files else undisturbed[0].digest_adjusted
    with pytest.raises(SpecError, match=rf"version 2 of 'tiny'.*{digest}.*now$" if with_files else digest):
        one(version(copied))


def test_a_version_whose_run_was_deleted_is_refused(
    undisturbed: tuple[CellResult, Request], conf: Path, tmp_path: Path
) -> None:
    copied, tracker, _ = copy_of(undisturbed[1], conf, tmp_path / "mlruns")
    assert undisturbed[0].adjusted_model
    run_id = undisturbed[0].adjusted_model["run_id"]
    tracker.client.delete_run(run_id)
    with pytest.raises(SpecError, match=f"belongs to run {run_id}, which was deleted"):
        one(version(copied))


def test_items_that_are_not_those_of_the_score_are_not_paired(
    undisturbed: tuple[CellResult, Request], conf: Path, tmp_path: Path
) -> None:
    copied, tracker, _ = copy_of(undisturbed[1], conf, tmp_path / "mlruns")
    [base] = [run for run in tracker.runs(EXPERIMENT, "cell") if run.data.tags["ttt.adjustment"] == "none"]
    file = tracker.artifact(base.info.run_id, "items/base.parquet")
    assert file is not None
    items = pd.read_parquet(file)
    items.assign(correct=1.0 - items["correct"]).to_parquet(file)
    result, said = one(copied, force=True)
    assert f"run {base.info.run_id}: items/base.parquet is not what was logged" in " ".join(said)
    assert result.gain == undisturbed[0].gain, "the base is scored again"
    [base] = [run for run in tracker.runs(EXPERIMENT, "cell") if run.data.tags["ttt.adjustment"] == "none"]
    file = tracker.artifact(base.info.run_id, "items/base.parquet")
    assert file is not None
    file.unlink()
    result, said = one(copied, force=True)
    assert "is missing" in " ".join(said)
    assert result.gain == undisturbed[0].gain


@pytest.mark.parametrize("damage", ["edited", "cut"])
def test_a_result_that_is_not_the_runs_is_not_read_back(
    undisturbed: tuple[CellResult, Request], conf: Path, tmp_path: Path, damage: str
) -> None:
    copied, _, folder = copy_of(undisturbed[1], conf, tmp_path / "mlruns")
    file = folder / "result.json"
    content = json.loads(file.read_text())
    content["adjusted"]["score"] = 0.999
    file.write_text(json.dumps(content) if damage == "edited" else file.read_text()[:100])
    result, said = one(copied)
    assert re.search(rf"done before, and now again, since run {undisturbed[0].run_id}.*result\.json", " ".join(said))
    assert result.run_id != undisturbed[0].run_id
    assert result.adjusted == undisturbed[0].adjusted
