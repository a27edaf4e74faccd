"""What only the command line may allow: code that comes with a model, the environment, passwords in addresses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_composition import BENCH, MODEL, own, write
from tests.test_masking import echo
from ttt.catalogue.definitions import Definitions
from ttt.cli.composition import Composer
from ttt.spec import SpecError


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTT_ALLOWED_ENVIRONMENT", "")
    monkeypatch.setenv("TTT_SECRETS", "{}")


def test_code_that_comes_with_a_model_is_trusted_by_the_command_line_alone(tmp_path: Path) -> None:
    write(tmp_path / "model" / "m.yaml", {**MODEL, "trust_remote_code": True})
    write(tmp_path / "model" / "yes.yaml", {**MODEL, "trust_remote_code": "${oc.decode:'yes'}"})
    inline = {"task": "t", "dataset_kwargs": {"trust_remote_code": True}}
    write(tmp_path / "bench" / "b.yaml", {**BENCH, "tasks": [inline]})
    for chosen in (["model=m"], ["model=yes"], ["model=m", "bench.trust_remote_code=true"]):
        with pytest.raises(SpecError, match=r"say model.trust_remote_code=true|no such key"):
            own(tmp_path, *chosen)
    with pytest.raises(SpecError, match=r"say bench.tasks.0.dataset_kwargs.trust_remote_code=true"):
        own(tmp_path, "model=m", "model.trust_remote_code=true", "bench=b")
    composer = Composer("run", ["model=m", "model.trust_remote_code=true"], str(tmp_path))
    values, trusted = composer.values(composer.texts)
    assert values["model"]["trust_remote_code"] is True
    assert trusted == [
        f"model.trust_remote_code=true: code that comes with model 'm' ({tmp_path}/model/w) is trusted, and will run"
    ]
    assert own(tmp_path, "model=m", "model.trust_remote_code=false")["model"]["trust_remote_code"] is False


def test_files_get_no_environment_that_was_not_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANTED", "t0ken")
    direct, nested, default = "${oc.env:PLANTED}", "${oc.${.way}:PLANTED}", "${oc.env:PLANTED,none}"
    made = "${oc.create:{a:${oc.env:PLANTED}}}"
    for name, value in {"a": direct, "b": nested, "c": default, "d": made}.items():
        write(tmp_path / "model" / f"{name}.yaml", {**MODEL, "facts": {"t": value, "way": "env"}})
        with pytest.raises(SpecError, match=r"environment variable PLANTED .* allow_env=\[PLANTED\]"):
            json.dumps(own(tmp_path, f"model={name}"))
        with pytest.raises(SpecError, match="PLANTED"):
            Definitions([tmp_path]).model(name)
    write(tmp_path / "model" / "e.yaml", {**MODEL, "allow_env": ["PLANTED"], "facts": {"t": direct}})
    with pytest.raises(SpecError, match="PLANTED"):
        Definitions([tmp_path]).model("e")
    assert own(tmp_path, "model=a", "allow_env=[PLANTED]")["model"]["facts"]["t"] == "t0ken"
    own_words = own(tmp_path, "model=smollm2-135m-instruct", "model.path='${oc.env:PLANTED}/x'")
    assert own_words["model"]["path"] == "t0ken/x"
    with pytest.raises(SpecError, match="ABSENT is not set"):
        own(tmp_path, "model.path='${oc.env:ABSENT}/x'")


@pytest.mark.parametrize(
    ("facts", "where"),
    [
        ({"t": "see ${tracking.uri}"}, "model.facts.t"),
        ({"t": ["${tracking.uri}"]}, "model.facts.t.0"),
        ("${oc.create:\"{'${tracking.uri}': 1}\"}", "model.facts"),
        ("${oc.create:\"{'${tracking.uri}': {}}\"}", "model.facts"),
        ({"t": "${oc.decode:'[${tracking.uri}]'}"}, "model.facts.t"),
        ({"t": "${tracking[${.way}]}", "way": "uri"}, "model.facts.t"),
        ({"t": "${oc.dict.values:tracking}"}, "model.facts.t.1"),
    ],
)
def test_an_address_with_a_password_stays_out_of_files(facts: Any, where: str, tmp_path: Path) -> None:
    write(tmp_path / "model" / "m.yaml", {**MODEL, "facts": facts})
    done = echo(tmp_path, "--config-dir", str(tmp_path), "model=m", "bench=gsm8k", "tracking.uri=http://u:geh,eim@h")
    assert done.returncode == 2, done.stdout
    assert f"{where}: holds the password of tracking.uri" in " ".join(done.stderr.split())
    assert "geh" not in done.stderr
