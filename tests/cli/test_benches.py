"""`benches=[...]`: one request on several benches, each composed as `bench=NAME` is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_composition import BENCH, own, write
from tests.test_masking import echo
from ttt.cli.composition import Composer
from ttt.run import parse
from ttt.spec import SpecError


def values(*overrides: str) -> dict[str, Any]:
    composer = Composer("run", list(overrides))
    return composer.values(composer.texts)[0]


def test_each_bench_is_composed_as_if_it_were_asked_for_alone() -> None:
    overrides = ["bench.limit=7", "task_data@bench=commonsense_qa", "+bench.files_by=subject", "seed=3"]
    asked = values("benches=[mmlu,arc_challenge_mc,gsm8k]", *overrides)
    alone = [values(f"bench={name}", *overrides) for name in ("mmlu", "arc_challenge_mc", "gsm8k")]
    assert asked["benches"] == [one["bench"] for one in alone]
    assert [bench["limit"] for bench in asked["benches"]] == [7, 7, 7]
    assert [bench["task_data"][0]["name"] for bench in asked["benches"]] == ["commonsense_qa"] * 3
    assert {**asked, "benches": None} == {**alone[0], "benches": None}, "the first is `bench` as well"
    assert alone[0]["benches"] == []


def test_a_pattern_takes_the_shipped_benches_and_ones_own(tmp_path: Path) -> None:
    write(tmp_path / "bench" / "mine_mc.yaml", {**BENCH, "name": "mine_mc"})
    chosen = own(tmp_path, "benches=glob(*_mc)")["benches"]
    names = ["arc_challenge_mc", "hellaswag_mc", "mine_mc", "truthfulqa_mc2_mc", "winogrande_mc"]
    assert [bench["name"] for bench in chosen] == names


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["benches=[mmlu,gsm8k]", "bench=mmlu"], "bench and benches exclude each other"),
        (["benches=[]"], "benches=[]: names no bench"),
        (["benches=glob(nothing*)"], "benches=glob(nothing*): names no bench"),
        (["benches=[mmlu,gsm8k,mmlu]"], "benches: mmlu is named twice"),
        (["benches=[gsm9k,mmlu]"], "benches: there is no 'gsm9k'; the choices are: gsm8k, "),
        (["benches=[mmlu,gsm9k,mnlu]"], "benches: there is no 'mnlu'; the choices are: mmlu, "),
        (["benches=[../bench/mmlu]"], "benches: there is no '../bench/mmlu'"),
        (["benches=mmlu"], "benches=mmlu: names of benches, as a list, are wanted"),
        (["benches=[mmlu]", "benches=[gsm8k]"], "benches: is given twice"),
        (["-m", "benches=[mmlu],[gsm8k]"], "benches: a multirun has one list for all its jobs"),
        (["benches=[mmlu,gsm8k]", "bench.name=same"], "benches: mmlu and gsm8k both have the name 'same'"),
        (["benches=[mmlu,gsm8k]", "adjustment.name='${bench.name}'"], "adjustment: differs between bench 'mmlu'"),
        (["benches=[mmlu,gsm8k]", "modle=x"], "modle: there is no such key; the keys are: model, "),
    ],
)
def test_what_cannot_be_asked_of_several_benches_is_refused(argv: list[str], expected: str, tmp_path: Path) -> None:
    done = echo(tmp_path, *argv)
    said = " ".join(done.stderr.split())
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert said.count(expected) == 1, said
    assert list(tmp_path.iterdir()) == []


def test_every_fault_of_every_bench_is_in_one_message_that_names_the_bench(tmp_path: Path) -> None:
    write(tmp_path / "bench" / "bare.yaml", {**BENCH, "name": "bare"})
    with pytest.raises(SpecError) as refused:
        parse(own(tmp_path, "benches=[mmlu,bare,gsm8k]", "bench.limit=-3", "seed=-1"))
    limit, seed, *others = str(refused.value).splitlines()
    assert limit.startswith("bench.limit: -3"), "what all have is said once"
    assert seed.startswith("seed: -1")
    assert others == []
    with pytest.raises(SpecError) as refused:
        parse(own(tmp_path, "benches=[mmlu,bare,gsm8k]"))
    assert str(refused.value).startswith("bench=bare: bench.task_data: bench 'bare' has no task data")
    with pytest.raises(SpecError) as refused:
        own(tmp_path, "benches=[mmlu,bare]", "bench.task_data.0.split=x")
    assert str(refused.value).startswith("bench=bare: ")


@pytest.mark.parametrize("launcher", ["basic", "joblib"])
def test_every_job_of_a_multirun_has_all_benches(launcher: str, tmp_path: Path) -> None:
    write(tmp_path / "my" / "bench" / "mine.yaml", {**BENCH, "files": {"test": "t.jsonl"}, "name": "mine"})
    argv = ["-m", f"hydra/launcher={launcher}", "--config-dir", "my", "adjustment=none", "output=out.json"]
    done = echo(tmp_path, *argv, "model=pythia-70m,pythia-160m", "benches=[mine,gsm8k]", "bench.limit=5")
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "out.json").read_text())
    assert [result["cell"]["model"]["name"] for result in results] == ["pythia-70m", "pythia-160m"]
    for result in results:
        assert [(bench["name"], bench["limit"]) for bench in result["benches"]] == [("mine", 5), ("gsm8k", 5)]
        assert result["benches"][0]["files"] == {"test": str(tmp_path / "my" / "bench" / "t.jsonl")}


def test_a_bench_that_is_swept_over_is_one_a_job(tmp_path: Path) -> None:
    done = echo(tmp_path, "-m", "bench=mmlu,gsm8k", "output=out.json")
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "out.json").read_text())
    assert [[bench["name"] for bench in result["benches"]] for result in results] == [["mmlu"], ["gsm8k"]]


def test_the_configuration_is_shown_with_the_benches(tmp_path: Path) -> None:
    done = echo(tmp_path, "--cfg", "job", "benches=[mmlu,gsm8k]")
    assert done.returncode == 0, done.stderr
    assert "benches:\n- mmlu\n- gsm8k\n" in done.stdout
    assert "name: mmlu\n" in done.stdout
