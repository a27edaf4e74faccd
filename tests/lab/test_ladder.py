"""The files of the lab's models say what the models are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from ttt.cli.composition import CONF, Composer
from ttt.lab.ladder import DOSE, DOSES, LADDER, SIZES, LabModel, chosen
from ttt.lab.pretraining import new_model
from ttt.lab.store import N_TASK_DATA
from ttt.run import COMMAND, parse
from ttt.spec import SpecError


def test_every_model_has_a_file_and_every_file_a_model() -> None:
    assert sorted(file.stem for file in (CONF / "model").glob("lab-*.yaml")) == sorted(m.name for m in LADDER)


@pytest.mark.parametrize("model", LADDER, ids=lambda model: model.name)
def test_a_file_says_what_the_ladder_says(model: LabModel) -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        overrides = [f"model={model.name}", "bench=lab_facts", "adjustment=lab", "lab.seed=5", "tracking.root=here"]
        config = compose("run", overrides=overrides)
    cell = parse(OmegaConf.to_container(config, resolve=True)).cells[0]  # type: ignore[arg-type]
    said = cell.model
    assert (said.name, said.family) == (model.name, model.family)
    assert (said.n_params, said.n_tokens, said.compute) == (model.size.n_params, model.size.n_tokens, model.compute)
    assert said.path == f"here/lab/s5/{model.name}"
    assert said.facts == {"dose": model.dose, "replicate": model.replicate, "size": model.size.name}
    assert (said.trained < "2023-11") == (model.family == "old"), "the default split tells the families apart"
    assert cell.adjustment.rate(said) == 2e-3
    assert cell.adjustment.n_examples(N_TASK_DATA) == 6400
    assert cell.bench.files == {split: f"here/lab/s5/facts_{split}.jsonl" for split in ("test", "validation")}


@pytest.mark.parametrize("size", SIZES, ids=lambda size: size.name)
def test_n_is_what_the_model_really_has(size) -> None:
    model = next(model for model in LADDER if model.size == size)
    with torch.device("meta"):
        assert new_model(model, seed=0).num_parameters() == size.n_params


def test_the_main_ladder() -> None:
    main = chosen(["lab-old-*", "lab-new-*"])
    assert {model.family for model in main} == {"old", "new"}
    assert all(model.dose == DOSE[model.family] for model in main)
    assert 0 < DOSE["old"] < DOSE["new"] / 10
    compute = [model.compute for model in main]
    assert max(compute) / min(compute) > 50
    twins = {(model.size, model.replicate) for model in main if model.family == "old"}
    assert twins == {(model.size, model.replicate) for model in main if model.family == "new"}
    assert {model.dose for model in chosen(["lab-dose-*"])} == set(DOSES) == {0, 0.02, 0.1, 0.3}


def test_a_pattern_that_fits_nothing_is_named() -> None:
    with pytest.raises(SpecError, match="'lab-odd-16x150-a' fits no model of the lab; they are: lab-old-16x150-a"):
        chosen(["lab-old-*", "lab-odd-16x150-a"])


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("glob(lab-*-80x800-*)", ["lab-new-80x800-a", "lab-old-80x800-a"]),
        ("glob([lab-old-8*,my-*])", ["lab-old-80x800-a", "my-own"]),
        ("glob(lab-*-80x800-a,exclude=lab-new-*)", ["lab-old-80x800-a"]),
    ],
)
def test_a_multirun_takes_models_by_pattern(pattern: str, expected: list[str], tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    own = {"name": "my-own", "family": "mine", "hub": "me/own", "n_params": 1, "n_tokens": 1, "trained": "2024-01"}
    (tmp_path / "model" / "my-own.yaml").write_text(json.dumps(own))
    composer = Composer("run", [f"model={pattern}", "bench=lab_facts", "adjustment=lab"], str(tmp_path))
    found = [composer.values(overrides)[0]["model"]["name"] for overrides in composer.requests()]
    assert found == expected


def test_a_pattern_without_a_model_is_a_wrong_request(capsys: pytest.CaptureFixture[str]) -> None:
    assert COMMAND._main(["-m", "model=glob(lab-odd-*)", "bench=lab_facts"]) == 2
    assert "model=glob(lab-odd-*): there is nothing that fits" in " ".join(capsys.readouterr().err.split())
