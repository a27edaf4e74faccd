"""A store as people treat it: looked into, moved, copied, deleted from, locked, damaged, full of long values."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.stores import Made, adjustment, ask, item_table, made_models, write
from ttt.cell.read import read_result
from ttt.cell.resolve import KeyedCell, read_back
from ttt.cell.result import CellResult
from ttt.compare import COMMAND
from ttt.comparison.cells import facts_of
from ttt.comparison.options import Options
from ttt.comparison.versions import version_conclusions
from ttt.spec import Cell, SpecError, Tracking, check
from ttt.study.ingested import judge_ingested
from ttt.tracking import StoreError, Tracker, last_step
from ttt.tracking.run_log import RunLog

EXPERIMENT = "made/sums"


def opened(root: Path) -> Tracker:
    return Tracker(Tracking(root=str(root)))


def finished(tracker: Tracker, text: str = "hello") -> RunLog:
    with tracker.run(EXPERIMENT, "a run", {"ttt.kind": "cell", "ttt.key": "k"}) as run:
        assert run.artifacts is not None
        run.artifacts.mkdir(parents=True)
        (run.artifacts / "note.json").write_text(f'"{text}"')  # MLflow keeps the places of what it writes in memory
    return run


def made(root: Path, n: int = 2) -> list[Made]:
    items = {"base": item_table([0.0, 1.0] * 20), "adjusted": item_table([1.0, 1.0, 0.0, 1.0] * 10)}
    cells = [Made(model, 0.5, 0.75, items=items) for model in made_models(n)]
    write(root, cells)
    return cells


def content(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def test_looking_things_up_writes_nothing(root: Path) -> None:
    before = content(root)
    tracker = opened(root)
    assert tracker.find("a/b", "k") is None
    assert tracker.unfinished("a/b", "k") is None
    assert tracker.runs("a/b", "cell") == []
    assert tracker.leftovers("k") == []
    with pytest.raises(SpecError, match="has no finished cells on bench 'b'"):
        ask(tracker, "items", ["b"], Options(suite="a"), ["x", "y"])
    assert content(root) == before


def test_a_reading_command_makes_no_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [f"tracking.root={tmp_path / 'typo'}", "suite=made", "benches=[sums,others]"]
    assert COMMAND._main(command) == 2
    assert "there is no store in" in capsys.readouterr().err
    assert not (tmp_path / "typo").exists()


def test_a_deleted_experiment_is_told_with_the_way_back(root: Path) -> None:
    tracker = opened(root)
    run = finished(tracker)
    number = tracker.experiment(EXPERIMENT)
    tracker.client.delete_experiment(number)
    for look in (lambda: tracker.runs(EXPERIMENT, "cell"), lambda: tracker.run(EXPERIMENT, "x", {}).__enter__()):
        with pytest.raises(SpecError, match=f"'{EXPERIMENT}' was deleted .* restore -x {number}"):
            look()
    tracker.client.restore_experiment(number)
    found = tracker.find(EXPERIMENT, "k")
    assert found is not None
    assert found.info.run_id == run.run_id


def test_a_deleted_run_is_as_if_it_were_not(root: Path) -> None:
    tracker = opened(root)
    run = finished(tracker)
    tracker.client.delete_run(run.run_id)
    assert tracker.find(EXPERIMENT, "k") is None
    assert tracker.runs(EXPERIMENT, "cell") == []


def test_a_finished_cell_without_its_artifacts_is_done_again(root: Path) -> None:
    models = made_models(3)
    tracker = write(root, [Made(model, 0.5, 0.75) for model in models])
    said: list[str] = []
    for i, (model, damage) in enumerate(zip(models, ("removed", "cut", "another version"), strict=True)):
        cell = Cell(suite="made", model=model, bench=Made(model, 0, 0).bench, adjustment=adjustment())
        found = tracker.find(EXPERIMENT, f"{i:020d}")
        assert found is not None
        file = tracker.artifact(found.info.run_id, "result.json")
        assert file is not None
        if damage == "removed":
            shutil.rmtree(file.parent)
        elif damage == "cut":
            file.write_text(file.read_text()[:20])
        assert read_back(KeyedCell(cell, f"{i:020d}", "32"), tracker, said.append) is None
        assert found.info.run_id in said[-1]
    assert ["has no result.json" in said[0], "is damaged" in said[1], "another version" in said[2]] == [True] * 3
    with pytest.raises(SpecError, match="no adjusted cells on 'sums' with checkpoints"):
        judge_ingested(tracker, "made", "sums", 0.1, 0.01, "2023-11")


def test_versions_whose_runs_are_gone_are_left_out(root: Path) -> None:
    cells = made(root)
    tracker = opened(root)
    runs = tracker.runs(EXPERIMENT, "cell")
    for run in runs:
        tracker.registry.register("several", run.info.run_id, "items", {"cell/made/sums": run.info.run_id})
    tracker.client.create_model_version("several", source=(root / "weights").as_uri())
    with closing(sqlite3.connect(tracker.database)) as database, database:
        for table in ("metrics", "latest_metrics", "params", "tags", "runs"):  # as `mlflow gc` does
            database.execute(f"DELETE FROM {table} WHERE run_uuid = ?", (runs[0].info.run_id,))
    found = version_conclusions(tracker, "several", Options(suite="made"))
    assert [row.version for row in found.versions] == ["several v2"]
    assert {left.version for left in found.left_out} == {"several v1", "several v3"}
    assert found.versions[0].model in {cell.model.name for cell in cells}


def test_long_facts_come_back_whole(root: Path) -> None:
    facts = {"card": "a word and " * 1500, "open": True}
    model = made_models(1)[0].model_copy(update={"facts": facts})
    tracker = write(root, [Made(model, 0.5, 0.75)])
    (run,) = tracker.runs(EXPERIMENT, "cell")
    assert facts_of(run)["facts"] == facts
    assert "facts.2" not in run.data.params
    with pytest.raises(ValueError, match=r"ttt.note has 9,000 characters, and MLflow keeps 8,000"):
        tracker.open(run.info.run_id).tags({"ttt.note": "x" * 9000})


def test_the_step_of_a_metric(root: Path) -> None:
    tracker = write(root, [Made(made_models(1)[0], 0.5, 0.75)])
    (run,) = tracker.runs(EXPERIMENT, "cell")
    assert last_step(run, "adjusted/score") == 1000
    assert last_step(run, "nothing") is None


def test_a_locked_database_is_a_failure_and_no_wrong_request(root: Path) -> None:
    with closing(sqlite3.connect(root / "mlflow.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match="is locked by another process"):
            Tracker(Tracking(root=str(root), uri=f"sqlite:///{root / 'mlflow.db'}?timeout=0.1"))


def test_a_damaged_database_and_one_of_another_mlflow_are_named(root: Path, tmp_path: Path) -> None:
    for name, damage in (("cut", b"SQLite format 3\0" + b"x" * 5000), ("text", b"hello" * 1000)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mlflow.db").write_bytes(damage)
        with pytest.raises(SpecError, match="is damaged, or no SQLite database"):
            opened(tmp_path / name)
    with closing(sqlite3.connect(root / "mlflow.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = 'future'")
    with pytest.raises(SpecError, match=r"its schema is future, and this MLflow's \w+: .*mlflow db upgrade"):
        opened(root)


def test_an_empty_file_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").touch()
    assert opened(tmp_path).runs(EXPERIMENT, "cell") == []


def test_artifacts_that_go_elsewhere_are_told(root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tracker = opened(root)
    tracker.client.create_experiment(EXPERIMENT, artifact_location=(tmp_path / "theirs").as_uri())
    with tracker.run(EXPERIMENT, "a run", {}):
        pass
    assert f"keeps its artifacts outside of {root}: file://{tmp_path}/theirs/" in caplog.text


@pytest.mark.parametrize("base", [5, {"score": "x"}])
def test_a_result_of_another_form_is_named_by_its_run(base: Any, root: Path) -> None:
    made(root, 1)
    tracker = opened(root)
    [run] = tracker.runs("made/sums", "cell")
    file = tracker.artifact(run.info.run_id, "result.json")
    assert file is not None
    file.write_text(json.dumps({**dict.fromkeys(CellResult.__dataclass_fields__), "base": base, "adjusted": {}}))
    with pytest.raises(SpecError, match=f"run {run.info.run_id}: its result.json is damaged"):
        read_result(tracker, run.info.run_id)


def test_what_is_left_behind_a_link_is_not_cleared(root: Path, tmp_path: Path) -> None:
    tracker = opened(root)
    tracker.folder("k").mkdir(parents=True)
    (tmp_path / "mine").mkdir()
    (tracker.folder("k") / "link").symlink_to(tmp_path / "mine")
    tracker.clear("k")
    assert tracker.leftovers("k") == []
    assert (tmp_path / "mine").is_dir()


@pytest.mark.parametrize("name", ["", "~nobody-of-this-name/x"])
def test_a_root_that_names_nothing_is_a_wrong_request(name: str) -> None:
    with pytest.raises(SpecError, match="root: "):
        check(Tracking, {"root": name})


def test_a_root_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SpecError, match=r"tracking.root: .*file/mlruns cannot be made"):
        opened(tmp_path / "file" / "mlruns")
