"""The facts of the shipped models: what their families, sizes and dates say."""

from __future__ import annotations

import csv
from collections import Counter

import pytest

from tests.catalogue.test_definitions import CONF, ROOT, load
from ttt.spec import Model

MODELS_TSV = ROOT.parent / "shared" / "published" / "MODELS.tsv"


MODELS = sorted(path.stem for path in (CONF / "model").glob("*.yaml") if not path.stem.startswith("lab-"))


@pytest.mark.parametrize("name", MODELS)
def test_model_facts(name):
    fields = load("model", name)
    assert fields["name"] == name
    assert list(fields)[:9] == [
        *("name", "family", "hub", "revision", "n_params", "n_tokens", "trained", "kind", "languages")
    ]
    assert type(fields["n_params"]) is int
    assert 5e7 < fields["n_params"] < 1e11
    assert type(fields["n_tokens"]) is int
    assert 1e11 < fields["n_tokens"] < 2e13
    assert "2021-01" <= fields["trained"] <= "2024-12"
    assert fields["languages"] in (["en"], ["en", "zh"])
    assert fields["hub"].count("/") == 1
    assert Model(**fields).compute == 6.0 * fields["n_params"] * fields["n_tokens"]


def test_every_model_has_its_own_hub_id():
    ids = Counter(load("model", name)["hub"].lower() for name in MODELS)
    assert [hub for hub, n in ids.items() if n > 1] == []


def test_the_low_rate_in_spite_of_size_is_gemma_7b_alone():
    assert [name for name in MODELS if load("model", name).get("low_learning_rate")] == ["gemma-7b"]


@pytest.mark.real
def test_models_are_those_of_the_paper():
    if not MODELS_TSV.exists():
        pytest.skip(f"no {MODELS_TSV.name} beside the checkout")
    with MODELS_TSV.open(encoding="utf-8") as file:
        rows = {row["name"]: row for row in csv.DictReader(file, delimiter="\t")}
    assert len(rows) == 53
    assert set(MODELS) == {*rows, "smollm2-135m-instruct"}
    for name, row in rows.items():
        fields = load("model", name)
        assert (str(fields["n_params"]), str(fields["n_tokens"])) == (row["n_params"], row["n_tokens"]), name
        assert (fields["trained"], fields["family"]) == (row["trained"], row["family"]), name
        assert ",".join(fields["languages"]) == row["languages"], name
        assert fields["kind"] == "base"
        assert (fields["hub"] == row["hub"]) == (name not in {"baichuan-7b", "yi-6b"}), name
