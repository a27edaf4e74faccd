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

from tests.cells import request
from tests.conftest import make_tiny_model
from ttt.cell.result import CellResult
from ttt.cell.run import run_cell
from ttt.run import Request
from ttt.spec import SpecError
from ttt.tracking import RunLog, Tracker

EXPERIMENT = "default/sums"


def do(asked: Request, force: bool = False) -> tuple[CellResult, list[str]]:
    said: list[str] = []
    return run_cell(asked.cell, asked.trainer, Tracker(asked.tracking), force, said.append), said


@pytest.fixture(scope="module")
def other_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("models") / "other", seed=1)


@pytest.fixture(scope="module")
def undisturbed(conf: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[CellResult, Request]:
    asked = request(conf, tmp_path_factory.mktemp("mlruns"))
    return do(asked)[0], asked


@pytest.fixture(scope="module")
def stopped(conf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store whose adjusted cell has stopped with its weights trained and saved, and some answers kept."""
    root = tmp_path_factory.mktemp("stopped")
    asked = request(conf, root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunLog, "weights", None)
        with pytest.raises(TypeError):
            do(asked)
    [weights] = root.glob("cells/*/weights")
    assert [file.name for file in weights.parent.glob("answers/*")]
    return root


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


def cell_of(asked: Request) -> Path:
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
    change(cell_of(again), other_model)
    result, said = do(again)
    assert message in caplog.text
    assert any(line.endswith("adjusting") for line in said)
    assert result.digest_adjusted == undisturbed[0].digest_adjusted
    assert (result.adjusted, result.gain) == (undisturbed[0].adjusted, undisturbed[0].gain)
    assert not Tracker(again.tracking).leftovers(result.key)


def test_kept_weights_as_they_were_are_gone_on_with(
    undisturbed: tuple[CellResult, Request], again: Request, caplog: pytest.LogCaptureFixture
) -> None:
    result, said = do(again)
    assert not any(line.endswith("adjusting") for line in said)
    assert (result.adjusted, result.digest_adjusted) == (undisturbed[0].adjusted, undisturbed[0].digest_adjusted)
    assert not [record for record in caplog.records if record.name.startswith("ttt")]


def test_edited_answers_are_asked_again(
    undisturbed: tuple[CellResult, Request], again: Request, caplog: pytest.LogCaptureFixture
) -> None:
    [file] = cell_of(again).glob("answers/*")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    lines = [[line, batch, [[index, -5.0 * index, True] for index, *_ in answers]] for line, batch, answers in lines]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    result, _ = do(again)
    assert f"{len(lines)} of {len(lines)} lines are damaged" in caplog.text
    assert result.adjusted == undisturbed[0].adjusted


def test_force_begins_without_what_was_left(
    undisturbed: tuple[CellResult, Request], again: Request, other_model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cell = cell_of(again)
    copy_weights(cell, other_model)
    for answers in cell.glob("answers/*"):
        answers.write_bytes(b"\xff")
    tracker = Tracker(again.tracking)
    [failed] = tracker.client.search_runs([tracker.experiment(EXPERIMENT)], "attributes.status = 'FAILED'")
    with caplog.at_level(logging.WARNING):
        result, said = do(again, force=True)
    assert "damaged" not in caplog.text
    assert any(line.endswith("adjusting") for line in said)
    assert result.adjusted == undisturbed[0].adjusted
    assert result.run_id != failed.info.run_id
    assert tracker.client.get_run(failed.info.run_id).data.tags["ttt.superseded"] == result.run_id
    assert do(again)[0] == result


def copy_of(asked: Request, conf: Path, root: Path) -> tuple[Request, Tracker, Path]:
    """A copy of a finished store; the folder of its adjusted cell's artifacts."""
    copied = request(conf, copy_store(Path(asked.tracking.root), root))
    tracker = Tracker(copied.tracking)
    [run] = [run for run in tracker.runs(EXPERIMENT, "cell") if run.data.tags["ttt.adjustment"] == "smoke"]
    folder = tracker.artifact(run.info.run_id, "model")
    assert folder is not None
    assert root in folder.parents
    return copied, tracker, folder.parent


def version(asked: Request) -> Request:
    model = asked.cell.model.model_copy(update={"version": 2})
    cell = asked.cell.model_copy(update={"model": model}).base()
    return Request(cell, asked.trainer, asked.tracking, False)


@pytest.mark.parametrize("with_files", [True, False])
def test_swapped_weights_of_a_version_are_not_scored(
    undisturbed: tuple[CellResult, Request], conf: Path, tmp_path: Path, other_model: Path, with_files: bool
) -> None:
    copied, tracker, folder = copy_of(undisturbed[1], conf, tmp_path / "mlruns")
    kept = tracker.client.get_model_version("tiny-sums", "2").tags["files"]
    if not with_files:  # as a version from before its files had a digest
        tracker.client.delete_model_version_tag("tiny-sums", "2", "files")
        assert do(version(copied))[0].base == undisturbed[0].adjusted
    (folder / "model" / "model.safetensors").unlink()  # not the file that its link shares
    shutil.copy(other_model / "model.safetensors", folder / "model")
    digest = kept if with_files else undisturbed[0].digest_adjusted
    with pytest.raises(SpecError, match=rf"version 2 of 'tiny-sums'.*{digest}.*now$" if with_files else digest):
        do(version(copied))


def test_a_version_is_of_its_model_and_bench_and_its_run_is_there(
    undisturbed: tuple[CellResult, Request], conf: Path, tmp_path: Path
) -> None:
    _, tracker, _ = copy_of(undisturbed[1], conf, tmp_path / "mlruns")
    tracker.client.rename_registered_model("tiny-sums", "tiny-s-sums")  # as another model's, by the same name
    with pytest.raises(SpecError, match="is of model 'tiny' on bench 'sums', not of 'tiny-s' on 'sums'"):
        tracker.registered("tiny-s", "sums", 2)
    tracker.client.rename_registered_model("tiny-s-sums", "tiny-sums")
    tracker.client.delete_run(undisturbed[0].run_id)
    with pytest.raises(SpecError, match=f"belongs to run {undisturbed[0].run_id}, which was deleted"):
        tracker.registered("tiny", "sums", 2)


def test_items_that_are_not_those_of_the_score_are_not_paired(
    undisturbed: tuple[CellResult, Request], conf: Path, tmp_path: Path
) -> None:
    copied, tracker, _ = copy_of(undisturbed[1], conf, tmp_path / "mlruns")
    [base] = [run for run in tracker.runs(EXPERIMENT, "cell") if run.data.tags["ttt.adjustment"] == "none"]
    file = tracker.artifact(base.info.run_id, "items/base.parquet")
    assert file is not None
    items = pd.read_parquet(file)
    items.assign(correct=1.0 - items["correct"]).to_parquet(file)
    result, said = do(copied, force=True)
    assert f"run {base.info.run_id}: items/base.parquet is not what was logged" in " ".join(said)
    assert result.gain == undisturbed[0].gain, "the base is scored again"
    [base] = [run for run in tracker.runs(EXPERIMENT, "cell") if run.data.tags["ttt.adjustment"] == "none"]
    file = tracker.artifact(base.info.run_id, "items/base.parquet")
    assert file is not None
    file.unlink()
    result, said = do(copied, force=True)
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
    result, said = do(copied)
    assert re.search(rf"done before, and now again, since run {undisturbed[0].run_id}.*result\.json", " ".join(said))
    assert result.run_id != undisturbed[0].run_id
    assert result.adjusted == undisturbed[0].adjusted
