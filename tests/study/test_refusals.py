"""Studies that are refused for what was asked: before any work, and without a run that seems to have failed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import sums, write_jsonl
from tests.studies import arguments, asked, do
from ttt.masking import shown_uri
from ttt.saturate import COMMAND, Request
from ttt.spec import SpecError
from ttt.study.run import saturate
from ttt.tracking import Tracker


def test_wrong_requests_are_refused(conf: Path, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="'batch_size' is not searched over; the fields are"):
        asked(conf, tmp_path, "+study.search.batch_size={choices: [1, 2]}")
    with pytest.raises(SpecError, match=r"benches: a study is of one bench, .*begin a study for each"):
        asked(conf, tmp_path, "benches=[sums,sums_generate]")
    with pytest.raises(SpecError, match=r"(?s)seed: -1.*tracking.uris: unknown field"):
        asked(conf, tmp_path, "seed=-1", "+tracking.uris=x")
    with pytest.raises(SpecError, match="is not among those searched"):
        asked(conf, tmp_path, "study.search.learning_rate={low: 2.0, high: 4.0, relative: true}")
    made = asked(conf, tmp_path)
    with pytest.raises(SpecError, match="has no budget to judge"):
        saturate(made.cell.base(), made.study, made.trainer, Tracker(made.tracking))


def of_all_items_together(made: Request, folder: Path) -> Request:
    """The same study by a validation split whose score is the median of its items, which lie all at 0 or 1."""
    bench = made.cell.bench
    metric = {"metric": "acc", "aggregation": "median", "higher_is_better": True}
    task = {**bench.tasks[0], "validation_split": "validation", "metric_list": [metric]}  # type: ignore[dict-item]
    files = {**bench.files, "validation": str(write_jsonl(folder / "validation.jsonl", sums(9, seed=9)))}
    changed = bench.model_copy(update={"tasks": (task,), "files": files})
    return replace(made, cell=made.cell.model_copy(update={"bench": changed}))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("study.n_rungs=9", r"n_rungs: 9 rungs .* at least 4 are needed"),
        ("study.validation=split", "has no validation split beside its test split"),
        ("study.n_validation=2", r"bench\.metric: acc,none is no mean over items"),
        ("study.storage=sqlite:////nowhere/studies.db", r"study\.storage: .* cannot be used"),
        ("model.version=7", r"model\.version: there is no registered model 'tiny'"),
        ("model.version=final-sums", r"model\.version: there is no registered model 'tiny'"),
    ],
)
def test_a_refused_study_leaves_no_run(more: str, message: str, conf: Path, tmp_path: Path) -> None:
    made = asked(conf, tmp_path / "root", more)
    if "no mean" in message:
        made = of_all_items_together(made, tmp_path)
    with pytest.raises(SpecError, match=message):
        do(made)
    assert not Tracker(made.tracking).is_made


@pytest.mark.parametrize(
    ("storage", "code"),
    [
        ("sqlite:///file:FOLDER/optuna.db?uri=true&token=geh3imes", 0),
        ("mysql://me:geh3imes@127.0.0.1:1/studies", 2),
        ("sqlite:////nowhere/x.db?token=geh3imes", 2),
        ("geh3imes", 2),
    ],
)
def test_the_password_of_a_storage_is_neither_kept_nor_told(
    storage: str, code: int, conf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("TTT_SECRETS", "{}")
    uri = storage.replace("FOLDER", str(tmp_path))
    small = ("study.n_trials=1", "study.n_rungs=2", "study.compare_schedules=false")
    assert COMMAND._main([*arguments(conf, tmp_path, *small), f"study.storage={uri}"]) == code
    captured = capsys.readouterr()
    if "=" in storage or "@" in storage:
        assert "geh3imes" not in captured.out + captured.err
    assert code == 0 or f"study.storage: {shown_uri(uri)} cannot be used" in captured.err
    kept = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert kept or code
    found = [str(file) for file in kept if b"geh3imes" in file.read_bytes()]
    assert not found or storage == "geh3imes"
