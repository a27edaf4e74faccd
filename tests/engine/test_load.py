"""Loading a model: nothing in its files runs, what is loaded is whole and has the digest, and its parts fit."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.files.test_source import edit, model_at
from tests.hub import standing_in
from ttt.engine.load import digest, load
from ttt.files.model_source import model_source
from ttt.spec import SpecError


@pytest.fixture
def folder(tiny_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


class Runs:
    """Unpickled, it makes a file."""

    def __init__(self, file: Path):
        self.file = file

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.file}",)


@pytest.mark.parametrize("form", ["pickle", "zip", "part"])
def test_a_pickle_that_would_run_is_refused(folder: Path, tmp_path: Path, form: str) -> None:
    ran = tmp_path / "ran"
    (folder / "model.safetensors").unlink()
    name = "pytorch_model-00001-of-00001.bin" if form == "part" else "pytorch_model.bin"
    if form == "pickle":
        (folder / name).write_bytes(pickle.dumps({"a": Runs(ran)}))
    else:
        torch.save({"a": Runs(ran)}, folder / name)
    if form == "part":
        index = {"metadata": {}, "weight_map": {"a": name}}
        (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    with pytest.raises(SpecError, match="could run code, and is not loaded; give the weights as safetensors"):
        load(model_at(folder))
    assert not ran.exists()
    pickle.loads(pickle.dumps(Runs(ran)))
    assert ran.exists(), "the pickle is one that runs"


def test_what_lies_beside_the_weights_does_not_run(folder: Path, tmp_path: Path, tiny_model: Path) -> None:
    ran = tmp_path / "ran"
    for name in (
        "pytorch_model.bin",
        "training_args.bin",
        "optimizer.pt",
        "vocab.pkl",
        "scheduler.pt",
        "adapter_model.bin",
    ):
        (folder / name).write_bytes(pickle.dumps(Runs(ran)))
    code = f"import pathlib\npathlib.Path({str(ran)!r}).touch()\n"
    (folder / "custom_generate").mkdir()
    for name in ("modeling.py", "tokenization.py", "custom_generate/generate.py", "setup.py", "__init__.py"):
        (folder / name).write_text(code)
    edit(folder / "config.json", auto_map={"AutoModelForCausalLM": "modeling.M", "AutoConfig": "modeling.C"})
    edit(folder / "tokenizer_config.json", auto_map={"AutoTokenizer": ["tokenization.T", None]})
    model, _ = load(model_at(folder))
    assert digest(model) == digest(load(model_at(tiny_model))[0])
    edit(folder / "config.json", model_type="unheard-of")
    with pytest.raises(SpecError, match="custom code"):
        load(model_at(folder))
    assert not ran.exists()


def test_old_pickles_of_tensors_are_read(folder: Path, tiny_model: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    assert digest(load(model_at(folder))[0]) == digest(load(model_at(tiny_model))[0])


def test_files_that_change_after_their_digest_was_taken_are_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = model_at(folder)
    source = model_source(model)
    loaded, _ = load(model, source)
    stamp = (folder / "model.safetensors").stat()
    weights = load_file(folder / "model.safetensors")
    name = min(weights)
    save_file({**weights, name: weights[name] + 1}, folder / "model.safetensors", {"format": "pt"})
    os.utime(folder / "model.safetensors", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert (folder / "model.safetensors").stat().st_size == stamp.st_size
    with pytest.raises(SpecError, match=f"was changed while it was being loaded: its digest was {source}, is files:"):
        load(model, source)
    assert digest(load(model)[0]) != digest(loaded)


DAMAGE: dict[str, Any] = {
    "cut weights": lambda f: (f / "model.safetensors").write_bytes((f / "model.safetensors").read_bytes()[:-100]),
    "weights that are none": lambda f: (f / "model.safetensors").write_bytes(b"hello"),
    "empty weights": lambda f: (f / "model.safetensors").write_bytes(b""),
    "no weights": lambda f: (f / "model.safetensors").unlink(),
    "unheard-of architecture": lambda f: edit(f / "config.json", model_type="unheard-of"),
    "a field of another type": lambda f: edit(f / "config.json", hidden_size="wide"),
    "a negative size": lambda f: edit(f / "config.json", vocab_size=-3),
    "no heads": lambda f: edit(f / "config.json", num_attention_heads=0),
    "another width": lambda f: edit(f / "config.json", hidden_size=48),
    "no tokenizer": lambda f: (f / "tokenizer.json").unlink(),
    "a cut tokenizer": lambda f: (f / "tokenizer.json").write_text('{"model": {'),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_folder_is_refused_in_one_message(folder: Path, case: str) -> None:
    DAMAGE[case](folder)
    with pytest.raises(SpecError, match=f"model 't': {folder} cannot be loaded: .") as refused:
        load(model_at(folder))
    assert "\n" not in str(refused.value)


def test_tensors_that_the_files_lack_are_not_drawn_at_random(folder: Path) -> None:
    edit(folder / "config.json", num_hidden_layers=3)
    with pytest.raises(
        SpecError, match=r"12 tensors of its architecture are not in the files of .* gpt_neox\.layers\.2"
    ):
        load(model_at(folder))


def test_tensors_that_are_left_out_are_named(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    edit(folder / "config.json", num_hidden_layers=1)
    load(model_at(folder))
    assert "12 tensors in the files of" in caplog.text
    assert "are not used, such as gpt_neox.layers.1" in caplog.text


def test_a_tokenizer_of_another_model_is_refused(folder: Path, tmp_path: Path) -> None:
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["model"]["vocab"]["zz"] = 257
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(SpecError, match=r"ids go to 257 \('zz'\), the model has 257 embeddings"):
        load(model_at(folder))


def test_a_token_for_padding_needs_no_embedding(folder: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"pad_token": "[PAD]"})
    assert tokenizer.pad_token_id == 257
    tokenizer.save_pretrained(folder)
    assert load(model_at(folder))[1].pad_token == "[PAD]"


def test_a_tokenizer_without_its_files_is_refused(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").unlink()
    with pytest.raises(SpecError, match=r"has no vocabulary \(2 tokens, all of them special\)"):
        load(model_at(folder))


def test_other_embeddings_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import GPTNeoXForCausalLM

    monkeypatch.setattr(GPTNeoXForCausalLM, "get_input_embeddings", lambda self: torch.nn.Linear(2, 2))
    with pytest.raises(SpecError, match="its input embeddings are a Linear"):
        load(model_at(folder))


HUB = """
import json, os, sys
from pathlib import Path
from tests.files.test_source import model_at
from ttt.engine.load import digest, load
from ttt.files.model_source import model_source
from ttt.spec import SpecError

repository, tiny = Path(sys.argv[1]), sys.argv[2]
os.chdir(sys.argv[3])
assert Path("org/tiny/config.json").exists()  # a folder here, of the hub's name
model = model_at(Path(tiny)).model_copy(update={"path": None, "hub": "org/tiny"})
source = model_source(model)
(repository / "refs" / "main").write_text("b" * 40)  # the branch moves on
weights, _ = load(model, source)
print(json.dumps([source, digest(weights) == digest(load(model_at(Path(tiny)))[0])]))
[snapshot] = repository.glob("snapshots/*")
(snapshot / "adapter_config.json").write_text('{"base_model_name_or_path": "org/base"}')
try:
    load(model, source)
except SpecError as error:
    print(json.dumps(str(error)))
"""


def test_of_a_hubs_model_the_commit_of_its_source_is_loaded(tiny_model: Path, tmp_path: Path) -> None:
    repository, commit = tmp_path / "hub" / "models--org--tiny", "a" * 40
    shutil.copytree(tiny_model, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    here = tmp_path / "here"
    other = load_file(tiny_model / "model.safetensors")
    shutil.copytree(tiny_model, here / "org" / "tiny")
    save_file(
        {name: 2 * tensor for name, tensor in other.items()}, here / "org/tiny/model.safetensors", {"format": "pt"}
    )
    environment = {**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", HUB, str(repository), str(tiny_model), str(here)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    loaded, refused = (json.loads(line) for line in done.stdout.splitlines())
    assert loaded == [f"hub:org/tiny@{commit}", True]
    assert "org/tiny holds an adapter" in refused


DOWNLOAD = """
import json, sys
from pathlib import Path
from tests.files.test_source import model_at
from ttt.engine.load import digest, load
from ttt.files.model_source import model_source
from ttt.files.model_files import downloaded
from ttt.spec import SpecError

for name in sys.argv[2:]:
    model = model_at(Path(sys.argv[1])).model_copy(update={"path": None, "hub": name})
    try:
        source = model_source(model)
        right = digest(load(model, source)[0]) == digest(load(model_at(Path(sys.argv[1])))[0])
        folder = downloaded(model, source.rpartition("@")[2])
        print(json.dumps([right, sorted(file.name for file in folder.rglob("*") if file.is_file())]))
    except SpecError as error:
        print(json.dumps(str(error)))
"""


def test_of_a_hubs_model_the_weights_are_downloaded_in_one_format(tiny_model: Path, tmp_path: Path) -> None:
    models = tmp_path / "hub" / "models" / "org"
    weights = load_file(tiny_model / "model.safetensors")
    for name in ("safe", "parts", "old", "adapter", "outside"):
        folder = Path(shutil.copytree(tiny_model, models / name))
        for copy in ("flax_model.msgpack", "model.onnx", "pytorch_model.bin", "tf_model.h5", "a.gguf", "code.py"):
            (folder / copy).write_bytes(b"a copy")
        if name != "safe":
            (folder / "model.safetensors").unlink()
    torch.save(weights, models / "old" / "pytorch_model.bin")
    save_file(weights, models / "parts" / "a.safetensors", {"format": "pt"})
    index = {"metadata": {}, "weight_map": dict.fromkeys(weights, "a.safetensors")}
    (models / "parts" / "model.safetensors.index.json").write_text(json.dumps(index))
    (models / "adapter" / "adapter_config.json").write_text('{"base_model_name_or_path": "org/base"}')
    (models / "outside" / "model.safetensors.index.json").write_text('{"weight_map": {"a": "../a.safetensors"}}')
    with standing_in(tmp_path / "hub") as endpoint:
        environment = {**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "0", "HF_ENDPOINT": endpoint}
        names = [f"org/{name}" for name in ("safe", "parts", "old", "adapter", "outside", "none")]
        command = [sys.executable, "-c", DOWNLOAD, str(tiny_model), *names, str(tmp_path)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    answered = [json.loads(line) for line in done.stdout.splitlines()]
    beside = {file.name for file in tiny_model.iterdir()} - {"model.safetensors"}
    assert answered[:3] == [
        [True, sorted({*beside, "model.safetensors"})],
        [True, sorted({*beside, "a.safetensors", "model.safetensors.index.json"})],
        [True, sorted({*beside, "pytorch_model.bin"})],
    ]
    for message, part in zip(
        answered[3:], ("holds an adapter", "is outside", "the hub has no model", "is no hub id"), strict=True
    ):
        assert part in message
