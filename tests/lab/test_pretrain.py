"""A tiny ladder made, kept, repaired, and used by a cell as any other model."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.cells import request as ask
from tests.cells import run_cell
from ttt.lab.ladder import LabModel, ModelSize
from ttt.lab.pretraining import pretrain
from ttt.lab.store import FACTS, WEIGHTS, LabStore
from ttt.pretrain import Request, parse, show, work
from ttt.spec import SpecError, Tracking
from ttt.tracking import Tracker

OLD = LabModel("lab-old-16x150-a", "old", ModelSize(16, 4), 0.0, "a")
NEW = LabModel("lab-new-16x150-a", "new", ModelSize(24, 6), 0.1, "a")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Request, dict[str, Any]]:
    root = tmp_path_factory.mktemp("mlruns")
    asked = Request("lab", [OLD, NEW], LabStore(root / "lab" / "s7", 7), 1, Tracking(root=str(root)))
    return asked, work(asked)


def test_models_are_made_and_known(made: tuple[Request, dict[str, Any]]) -> None:
    asked, result = made
    assert result["n_made"] == 2
    assert [(row["n_tokens"], row["dose"]) for row in result["models"]] == [(4096, 0.0), (6144, 0.1)]
    tracker = Tracker(asked.tracking)
    runs = {run.info.run_name: run for run in tracker.runs("lab/pretrain", "pretrain")}
    assert set(runs) == {OLD.name, NEW.name}
    params = runs[NEW.name].data.params
    assert params["n_params"] == str(NEW.size.n_params)
    assert (params["dose"], params["seed"], params["width"], params["steps"]) == ("0.1", "7", "24", "6")
    assert float(params["compute"]) == pytest.approx(NEW.compute, rel=1e-3)
    assert params["digest"] == result["models"][1]["digest"]
    losses = tracker.client.get_metric_history(runs[NEW.name].info.run_id, "train/loss")
    assert [point.step for point in losses] == [1, 2, 3, 4, 5, 6]
    assert losses[-1].value == pytest.approx(result["models"][1]["loss"])
    assert losses[-1].value < losses[0].value
    assert tracker.artifact(runs[NEW.name].info.run_id, "sample.txt")
    assert not list((asked.store.folder / "making").iterdir())


def test_a_second_time_nothing_is_made_and_torch_stays_away(made: tuple[Request, dict[str, Any]]) -> None:
    asked, first = made
    again = work(asked)
    assert again["n_made"] == 0
    assert [row["key"] for row in again["models"]] == [row["key"] for row in first["models"]]
    code = (
        "import sys; from pathlib import Path;"
        "from ttt.lab.ladder import LabModel, ModelSize; from ttt.lab.store import LabStore;"
        "from ttt.pretrain import Request, show, work; from ttt.spec import Tracking;"
        f"asked = Request('lab', [{OLD!r}], LabStore(Path({str(asked.store.folder)!r}), 7), 1, Tracking());"
        "show([work(asked)]); assert not {'torch', 'mlflow'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert "0 made, 1 were there" in done.stdout, done.stderr


@pytest.mark.parametrize("name", [FACTS, WEIGHTS])
def test_a_damaged_model_is_made_again(
    made: tuple[Request, dict[str, Any]], caplog: pytest.LogCaptureFixture, name: str
) -> None:
    asked, first = made
    file = asked.store.folder / OLD.name / name
    whole = file.read_bytes()
    file.write_bytes(whole[:-20])
    again = work(asked)
    assert f"the lab's model {OLD.name} is damaged, and made again: {file}" in caplog.text
    assert again["n_made"] == 1
    assert file.read_bytes() == whole
    assert again["models"][0]["digest"] == first["models"][0]["digest"]


def test_the_same_model_comes_out_again(made: tuple[Request, dict[str, Any]], tmp_path: Path) -> None:
    asked, first = made
    again = pretrain(OLD, LabStore(tmp_path, 7), lambda step: None)
    assert again.digest == first["models"][0]["digest"]
    facts = (asked.store.folder / OLD.name / FACTS).read_text()
    assert (again.folder / FACTS).read_text() == facts, "what is in the folder belongs to a cell's key"
    other = pretrain(OLD, LabStore(tmp_path, 8), lambda step: None)
    twin = pretrain(replace(OLD, name="lab-old-16x150-b"), LabStore(tmp_path, 7), lambda step: None)
    assert len({again.digest, other.digest, twin.digest}) == 3


def test_what_is_half_made_or_made_otherwise_is_missing(made: tuple[Request, dict[str, Any]], tmp_path: Path) -> None:
    asked, _ = made
    store = asked.store
    assert store.facts(OLD) is not None
    assert store.facts(replace(OLD, size=ModelSize(16, 5))) is None, "another recipe"
    assert LabStore(store.folder, 8).facts(OLD) is None, "another world"
    half = LabStore(tmp_path, 7)
    place = tmp_path / OLD.name
    place.mkdir()
    (place / "model.safetensors").write_bytes(b"half")
    assert half.facts(OLD) is None
    done = pretrain(OLD, half, lambda step: None)
    assert half.facts(OLD) is None, "complete, but not yet in its place"
    half.finish(OLD, done.folder)
    facts = half.facts(OLD)
    assert facts
    assert facts["digest"] == done.digest
    assert not half.making(OLD).exists()


@pytest.mark.slow
def test_a_killed_command_is_taken_up_again(tmp_path: Path) -> None:
    """The workers end with the command, nothing unfinished is taken for a model, the second attempt makes it."""
    name = NEW.name
    command = [sys.executable, "-m", "ttt.pretrain", f"models=[{name}]", f"tracking.root={tmp_path}"]
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
    making = tmp_path / "lab" / "s0" / "making"
    while not (making.exists() and any(making.iterdir())):
        assert first.poll() is None
        time.sleep(0.05)
    first.kill()
    assert first.stderr is not None
    first.stderr.read()  # ends when the last process that holds it has ended
    assert not (tmp_path / "lab" / "s0" / name).exists()
    out = tmp_path / "out.json"
    subprocess.run([*command, f"output={out}"], check=True, capture_output=True)
    assert json.loads(out.read_text())["n_made"] == 1
    assert (tmp_path / "lab" / "s0" / name / FACTS).exists()


def cell(made: tuple[Request, dict[str, Any]], conf: Path, *overrides: str) -> Any:
    store = made[0].store
    fixed = [f"model={NEW.name}", "adjustment.examples=64", f"lab.folder={store.folder}", *overrides]
    return ask(conf, Path(made[0].tracking.root), *fixed, bench="lab_facts", adjustment="lab")


def test_a_cell_takes_it_as_any_model(made: tuple[Request, dict[str, Any]], conf: Path) -> None:
    asked = cell(made, conf)
    result = run_cell(asked.cells[0], asked.trainer, Tracker(asked.tracking))
    assert result.n_items == 256
    assert result.digest_base == made[1]["models"][1]["digest"]
    assert result.digest_adjusted != result.digest_base
    assert 0.1 < result.base["score"] < 0.4, "after six steps it knows nothing"  # type: ignore[operator]
    tracker = Tracker(asked.tracking)
    data = tracker.client.get_run(result.run_id).data
    assert (data.metrics["task_data/n_examples"], data.metrics["task_data/n_leaked"]) == (3200, 0)
    prompts = tracker.read_json(result.run_id, "prompts_adjusted.json")["data"]
    first = made[0].store.world.questions("facts", "test")[0]
    assert prompts[0][0] == f"Question : what is the {first['relation']} of {first['entity']} ? Answer :"


def test_without_pretraining_the_message_says_what_to_do(conf: Path, tmp_path: Path) -> None:
    missing = ask(conf, tmp_path, f"model={NEW.name}", "lab.seed=3", bench="lab_facts", adjustment="lab")
    with pytest.raises(SpecError, match=r"first: python -m ttt.pretrain lab.seed=3 models=\[lab-new-16x150-a\]"):
        run_cell(missing.cells[0], missing.trainer, Tracker(missing.tracking))
    other = ask(conf, tmp_path, "lab.seed=3", bench="lab_facts", adjustment="none")
    with pytest.raises(SpecError, match=r"facts_validation.jsonl; make it first: python -m ttt.pretrain lab.seed=3$"):
        run_cell(other.cells[0], other.trainer, Tracker(other.tracking))


def test_the_request(capsys: pytest.CaptureFixture[str], made: tuple[Request, dict[str, Any]]) -> None:
    config = {
        "suite": "lab",
        "models": ["lab-dose-*"],
        "lab": {"seed": 1, "folder": "mlruns/lab/s1"},
        "n_jobs": 2,
        "tracking": {},
        "output": None,
    }
    assert len(parse(config).models) == 12
    with pytest.raises(SpecError, match="fits no model of the lab"):
        parse({**config, "models": ["pythia-*"]})
    show([made[1]])
    assert NEW.name in capsys.readouterr().out
    json.dumps(made[1])
