"""Specs: every fault at once, each with the field, the value and the choices; and what makes a cell itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cells import request
from ttt.cell.key import cell_key
from ttt.engine.precision import arithmetic
from ttt.files.model_source import model_source
from ttt.files.rows import DataFiles
from ttt.spec import Adjustment, Cell, Model, SpecError, TaskDataset, Tracking, Trainer, check

MODEL = {"name": "m", "family": "f", "hub": "o/m", "n_params": 10, "n_tokens": 20, "trained": "2024-01"}


def test_every_fault_at_once() -> None:
    faulty = {**MODEL, "n_params": "many", "trained": "2024-13", "kind": "chat", "pth": "x"}
    with pytest.raises(SpecError) as caught:
        check(Model, faulty, "model")
    message = str(caught.value)
    assert len(message.splitlines()) == 4
    for part in ("model.n_params: 'many'", "model.trained: '2024-13'", "'base' or 'instruct'", "pth: unknown field"):
        assert part in message
    assert "the fields are: path," in message, "the nearest come first"


def test_vllm_is_asked_for_only_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ttt.resources.find_spec", lambda name: None)
    with pytest.raises(SpecError, match=r"trainer\.generator: 'vllm' is not installed"):
        check(Trainer, {"generator": "vllm"}, "trainer")


def test_who_generates_is_part_of_the_key_where_something_is_generated(
    conf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ttt.resources.find_spec", lambda name: "found")
    by_torch, by_vllm = (Trainer(precision="32", generator=generator) for generator in ("torch", "vllm"))
    letters, texts = (request(conf, tmp_path, bench=bench).cells[0].bench for bench in ("sums", "sums_generate"))
    assert arithmetic(by_vllm, letters) == arithmetic(by_torch, letters) == arithmetic(by_torch, texts) == "32"
    assert arithmetic(by_vllm, texts) == "32, vllm"


def test_specs_are_frozen_and_have_units() -> None:
    model = check(Model, MODEL)
    assert model.compute == 6 * 10 * 20
    with pytest.raises(ValueError, match="frozen"):
        model.n_params = 5
    assert Adjustment(name="a", method="full", epochs=1.5).n_examples(100) == 150
    assert Adjustment(name="a", method="full", epochs=1.5, examples=7).n_examples(100) == 7


def key(cell: Cell, **changes: Any) -> str:
    return cell_key(cell, **{"source": "s", "precision": "32", "files": DataFiles(), "train_tokens": 4096, **changes})


def test_the_key_changes_with_all_that_changes_scores(conf: Path, tmp_path: Path) -> None:
    def cell(*overrides: str, **options: str) -> Cell:
        return request(conf, tmp_path, *overrides, **options).cells[0]

    mine = cell()
    assert key(mine) == key(cell())
    changed = [
        cell("seed=1"),
        cell("bench.version=2"),
        cell("bench.num_fewshot=1"),
        cell("bench.limit=3"),
        cell("adjustment.learning_rate=1e-5"),
        cell("adjustment.examples=16"),
        cell("bench.task_data_seed=1"),
        cell(adjustment="full"),
    ]
    keys = [key(mine), key(mine, source="t"), key(mine, precision="bf16"), *(key(other) for other in changed)]
    assert len(set(keys)) == len(keys)
    same = [cell("suite=other"), cell("trainer.eval_tokens=99")]
    assert {key(other) for other in same} == {key(mine)}


def test_base_scores_are_shared(conf: Path, tmp_path: Path) -> None:
    cells = [request(conf, tmp_path, *o).cells[0].base() for o in (["seed=1"], ["adjustment.examples=8"], [])]
    assert len({key(cell) for cell in cells}) == 1


def test_the_key_follows_the_content_of_files(
    conf: Path, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "train.jsonl"
    keys = []
    for text in ('{"prompt": "a", "answer": " b"}\n', '{"prompt": "a", "answer": " c"}\n'):
        file.write_text(text)
        keys.append(key(request(conf, tmp_path, f"bench.task_data=[{{name: x, files: {file}}}]").cells[0]))
        file.unlink()
    assert keys[0] != keys[1]
    file.write_text('{"prompt": "a", "answer": " b"}\n')
    (tmp_path / "link.jsonl").symlink_to(file)
    monkeypatch.chdir(tmp_path)
    for spelling in ("train.jsonl", "../" + tmp_path.name + "/train.jsonl", "link.jsonl", str(file)):
        keys.append(key(request(conf, tmp_path, f"bench.task_data=[{{name: x, files: {spelling}}}]").cells[0]))
    assert set(keys[2:]) == {keys[0]}, "however the path is written"
    model = Model(**{**MODEL, "hub": None, "path": str(tiny_model)})
    assert model_source(model).startswith("files:")
    with pytest.raises(SpecError, match="no folder"):
        model_source(model.model_copy(update={"path": str(tmp_path / "none")}))


@pytest.mark.parametrize("version", [-1, 0, 1.5, True, "a b", [1]], ids=str)
def test_what_is_no_version_is_refused_in_one_clean_line(version: Any) -> None:
    with pytest.raises(SpecError) as caught:
        check(Model, MODEL | {"version": version}, "model")
    assert str(caught.value).startswith(f"model.version: {version!r} is no version of a registered model: give its num")
    assert check(Model, MODEL | {"version": 2}).version == 2
    assert check(Model, MODEL | {"version": "final-gsm8k"}).version == "final-gsm8k"


def test_a_fault_of_a_field_that_may_have_several_types_is_one_line_without_their_names() -> None:
    faulty = {"name": "t", "files": 3}
    with pytest.raises(SpecError) as caught:
        check(TaskDataset, faulty, "bench.task_data")
    assert str(caught.value) == (
        "bench.task_data.files: 3: input should be a valid string, or input should be a valid tuple"
    )


def test_weights_on_the_way_are_not_kept_without_those_at_the_end() -> None:
    with pytest.raises(SpecError, match=r"^tracking: keep_checkpoints: true keeps weights on the way beside"):
        check(Tracking, {"keep_checkpoints": True, "keep_weights": False}, "tracking")


def test_scores_after_the_last_step_are_refused() -> None:
    adjustment = Adjustment(name="a", method="full", examples=30, batch_size=8, evaluate_at=(1, 4))
    adjustment.refuse_stops_beyond(30)
    with pytest.raises(SpecError, match=r"evaluate_at: 4: adjusting ends at step 3 \(24 examples, 8 a step\)"):
        adjustment.refuse_stops_beyond(24)
