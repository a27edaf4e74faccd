"""A model is the files of its folder: each is in its source's digest, and what lies outside is refused."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ttt.files.hashing import file_digest
from ttt.files.model_source import model_source
from ttt.spec import Model, SpecError


def model_at(path: Path, **fields: Any) -> Model:
    facts = {"name": "t", "family": "t", "n_params": 1, "n_tokens": 1, "trained": "2024-01"}
    return Model(path=str(path), **facts, **fields)  # type: ignore[arg-type]


@pytest.fixture
def folder(tiny_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


def in_parts(folder: Path, place: str) -> None:
    """Replace the weights by an index that names one file."""
    (folder / "model.safetensors").unlink()
    index = {"metadata": {}, "weight_map": {"gpt_neox.embed_in.weight": place}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def edit(file: Path, **fields: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))


@pytest.mark.parametrize(
    "name",
    ["model.safetensors", "tokenizer.json", "parts/a.safetensors", "additional_chat_templates/tool.jinja", "code/m.py"],
)
def test_every_file_is_in_the_source(folder: Path, name: str) -> None:
    in_parts(folder, "parts/a.safetensors")
    file = folder / name
    file.parent.mkdir(exist_ok=True)
    for other in {"parts/a.safetensors", name}:
        (folder / other).parent.mkdir(exist_ok=True)
        (folder / other).write_bytes(b"one")
    before = model_source(model_at(folder))
    file.write_bytes(b"two")
    assert model_source(model_at(folder)) != before
    file.write_bytes(b"one")
    assert model_source(model_at(folder)) == before


def test_names_belong_to_the_source(folder: Path) -> None:
    (folder / "a.txt").write_text("one")
    before = model_source(model_at(folder))
    (folder / "a.txt").rename(folder / "b.txt")
    assert model_source(model_at(folder)) != before


def test_a_file_of_the_same_size_and_time_is_another_file(tmp_path: Path) -> None:
    file, other = tmp_path / "weights", tmp_path / "other"
    file.write_bytes(b"one")
    os.utime(file, (1_000_000_000, 1_000_000_000))
    before = file_digest(file)
    file.write_bytes(b"two")
    os.utime(file, (1_000_000_000, 1_000_000_000))
    after = file_digest(file)
    assert after != before
    other.write_bytes(b"six")
    os.utime(other, (1_000_000_000, 1_000_000_000))
    other.replace(file)
    assert file_digest(file) not in (before, after)


def test_a_snapshot_of_the_hubs_cache_is_what_its_links_lead_to(folder: Path, tmp_path: Path) -> None:
    snapshot, blobs = tmp_path / "models--x" / "snapshots" / "abc", tmp_path / "models--x" / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    for place, file in enumerate(sorted(folder.iterdir())):
        shutil.copy(file, blobs / str(place))
        (snapshot / file.name).symlink_to(f"../../blobs/{place}")
    assert model_source(model_at(snapshot)) == model_source(model_at(folder))
    (snapshot / "model.safetensors").resolve().write_bytes(b"other")
    assert model_source(model_at(snapshot)) != model_source(model_at(folder))


def test_a_link_in_a_circle_ends(folder: Path) -> None:
    before = model_source(model_at(folder))
    (folder / "again").symlink_to(folder)
    assert model_source(model_at(folder)) == before


SECRET = "aws_secret_access_key = 42"
LINKS: dict[str, Callable[[Path, Path], None]] = {
    "a chat template": lambda f, s: ((f / "chat_template.jinja").unlink(), (f / "chat_template.jinja").symlink_to(s))[
        1
    ],
    "relative": lambda f, s: (f / "README.md").symlink_to("../home/.aws/credentials"),
    "by way of a link inside": lambda f, s: ((f / "b").symlink_to(s), (f / "a.txt").symlink_to("b"))[1],
    "a folder": lambda f, s: (f / "additional_chat_templates").symlink_to(s.parent),
    "all there is": lambda f, s: (f / "root").symlink_to("/"),
    "blobs beside a folder": lambda f, s: (f / "README.md").symlink_to("../../blobs/other"),
}


@pytest.mark.parametrize("case", LINKS)
@pytest.mark.parametrize("gguf_file", [None, "a.gguf"])
def test_a_link_out_of_the_folder_is_refused(folder: Path, tmp_path: Path, case: str, gguf_file: str | None) -> None:
    """What is read from a model's folder is saved again with the adjusted model."""
    secret = tmp_path / "home" / ".aws" / "credentials"
    secret.parent.mkdir(parents=True)
    secret.write_text(SECRET)
    (tmp_path.parent / "blobs").mkdir(exist_ok=True)
    (tmp_path.parent / "blobs" / "other").write_text(SECRET)
    (folder / "a.gguf").write_bytes(b"one")
    LINKS[case](folder, secret)
    with pytest.raises(SpecError, match=r"is a link to /.*, outside the model's folder"):
        model_source(model_at(folder, gguf_file=gguf_file))


def test_a_snapshots_links_lead_to_its_own_blobs_alone(folder: Path, tmp_path: Path) -> None:
    """A stranger's folder may have the names of the hub's cache."""
    snapshot, other = tmp_path / "models--x" / "snapshots" / "abc", tmp_path / "models--y" / "blobs"
    shutil.copytree(folder, snapshot)
    other.mkdir(parents=True)
    (other / "1").write_text(SECRET)
    (snapshot / "README.md").symlink_to("../../../models--y/blobs/1")
    with pytest.raises(SpecError, match="outside the model's folder"):
        model_source(model_at(snapshot))
    (snapshot / "README.md").unlink()
    (tmp_path / "models--x" / "blobs").symlink_to(other)
    (snapshot / "README.md").symlink_to("../../blobs/1")
    with pytest.raises(SpecError, match="outside the model's folder"):
        model_source(model_at(snapshot))


def test_a_link_to_itself_is_refused(folder: Path) -> None:
    (folder / "README.md").symlink_to("README.md")
    with pytest.raises(SpecError, match=r"cannot be read: .*README\.md"):
        model_source(model_at(folder))


def test_an_index_beside_whole_weights_is_not_read(folder: Path) -> None:
    (folder / "pytorch_model.bin.index.json").write_text('{"weight_map": {"a": "gone.bin"}}')
    model_source(model_at(folder))


@pytest.mark.parametrize("place", [".cache/a.safetensors", "checkpoint-500/a.safetensors"])
def test_records_and_checkpoints_of_a_training_are_no_part_of_a_model(folder: Path, place: str) -> None:
    before = model_source(model_at(folder))
    (folder / place).parent.mkdir()
    (folder / place).write_bytes(b"large")
    assert model_source(model_at(folder)) == before
    in_parts(folder, place)
    with pytest.raises(SpecError, match="is missing"):
        model_source(model_at(folder))


def adapter(folder: Path) -> None:
    (folder / "adapter_config.json").write_text(
        json.dumps({"base_model_name_or_path": "org/base", "peft_type": "LORA"})
    )


OUTSIDE: dict[str, tuple[Callable[[Path], None], str]] = {
    "index above": (lambda f: in_parts(f, "../other.safetensors"), "'../other.safetensors' is outside"),
    "index below and above": (lambda f: in_parts(f, "a/../../other.safetensors"), "is outside the model's folder"),
    "index absolute": (lambda f: in_parts(f, "/other.safetensors"), "'/other.safetensors' is outside"),
    "an index that is not read": (
        lambda f: (f / "pytorch_model.bin.index.json").write_text('{"weight_map": {"a": "../b"}}') and None,
        "'../b' is outside",
    ),
    "a configuration's weights": (
        lambda f: edit(f / "config.json", transformers_weights="../other.safetensors"),
        "transformers_weights: '../other.safetensors' is outside",
    ),
    "a configuration's kernel": (
        lambda f: edit(f / "config.json", attn_implementation="evil/kernel"),
        "attn_implementation names the code of another repository",
    ),
    "an adapter": (
        adapter,
        r"holds an adapter \(adapter_config.json, of the base model 'org/base'\).*merge_and_unload",
    ),
    "a part that is missing": (
        lambda f: in_parts(f, "a.safetensors"),
        "its file of weights 'a.safetensors' is missing",
    ),
    "no index": (
        lambda f: ((f / "model.safetensors").unlink(), (f / "model.safetensors.index.json").write_text("{"))[0],
        "model.safetensors.index.json cannot be read",
    ),
    "an index of something": (
        lambda f: (f / "model.safetensors.index.json").write_text('{"weight_map": [1]}') and None,
        "weight_map does not map tensors to files",
    ),
    "a cut configuration": (lambda f: (f / "config.json").write_text('{"a":') and None, "config.json cannot be read"),
    "a configuration of a list": (lambda f: (f / "config.json").write_text("[1]") and None, "a JSON object is needed"),
    "ends of texts that cannot be read": (
        lambda f: (f / "generation_config.json").write_text('{"eos_token_id": [1,') and None,
        "generation_config.json cannot be read",
    ),
    "no configuration": (lambda f: (f / "config.json").unlink(), "has no config.json .there is chat_template.jinja"),
    "an empty folder": (lambda f: (shutil.rmtree(f), f.mkdir())[0], "has no config.json .there is nothing"),
    "a link that leads nowhere": (lambda f: (f / "vocab.txt").symlink_to("../gone.txt"), "no file .*gone.txt"),
}


@pytest.mark.parametrize("case", OUTSIDE)
def test_what_is_not_a_models_folder_is_refused_by_name(folder: Path, case: str) -> None:
    change, message = OUTSIDE[case]
    change(folder)
    with pytest.raises(SpecError, match=message):
        model_source(model_at(folder))


def test_of_a_gguf_file_the_file_and_what_is_read_with_it_is_the_source(tmp_path: Path) -> None:
    (tmp_path / "a.gguf").write_bytes(b"one")
    (tmp_path / "b.gguf").write_bytes(b"other")
    model = model_at(tmp_path, gguf_file="a.gguf")
    before = model_source(model)
    (tmp_path / "b.gguf").write_bytes(b"changed")
    (tmp_path / "package.py").write_text("pass")
    assert model_source(model) == before
    (tmp_path / "tokenizer_config.json").write_text("{}")
    assert model_source(model) != before
    for name in ("../a.gguf", str(tmp_path / "a.gguf")):
        with pytest.raises(SpecError, match="is outside the model's folder"):
            model_source(model_at(tmp_path, gguf_file=name))
    with pytest.raises(SpecError, match=r"no file c\.gguf"):
        model_source(model_at(tmp_path, gguf_file="c.gguf"))
    with pytest.raises(SpecError, match=r"is a file; .* model.gguf_file=a.gguf"):
        model_source(model_at(tmp_path / "a.gguf"))
