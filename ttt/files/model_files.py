"""The files that a model is loaded from: those of one folder, each of them known, and nothing outside it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from ttt.spec import Model, SpecError

ADAPTER = "adapter_config.json"
INDEXES = {"model.safetensors.index.json": "model.safetensors", "pytorch_model.bin.index.json": "pytorch_model.bin"}
"""Which file names the parts of the weights, and which one makes it needless; in the order of transformers' choice."""
CONFIGS = ("config.json", "tokenizer_config.json", "generation_config.json")
BESIDE_GGUF = (".json", ".jinja", ".model", ".txt")
"""Of the files beside a GGUF file, transformers reads the tokenizer's settings and the chat template."""
BESIDE_WEIGHTS = (*BESIDE_GGUF, ".tiktoken")
"""Of a hub's model these are downloaded, and the weights once: many stand there in five formats."""
CHECKPOINT = re.compile(r"checkpoint-\d+")
"""What a training leaves in a model's folder, each a model of its own, often many times the size of the result."""


def files_of(folder: Path, gguf_file: str | None = None, hub: str | None = None) -> dict[str, Path]:
    """All files of a model's folder by their names in it, links followed; with a GGUF file, it and what goes with it.

    Hidden folders (a download's or git's records) and a training's checkpoints are not among them, and nothing may be
    loaded from there. Raises SpecError for what is no model, or would be loaded from elsewhere; `hub` is the id that
    its messages name where the folder is a snapshot of the hub's.
    """
    model = f"model.hub: {hub}" if hub else f"model.path: {folder}"
    if not folder.is_dir():
        hint = f"; model.path={folder.parent} model.gguf_file={folder.name}" if folder.suffix == ".gguf" else ""
        raise SpecError(f"{model} is a file; give the folder that it is in{hint}")
    try:
        files = {file.relative_to(folder).as_posix(): file for file in _below(folder, _allowed(folder))}
    except (OSError, RuntimeError) as error:  # the latter for links in a circle
        raise SpecError(f"{model} cannot be read: {error}") from error
    if ADAPTER in files:
        _refuse_adapter(files[ADAPTER], hub or str(folder))
    if gguf_file:
        weights = _inside(gguf_file, "model.gguf_file")
        if weights not in files:
            raise SpecError(f"model.gguf_file: no file {gguf_file} in {hub or folder}")
        read = {name: file for name, file in files.items() if name == weights or _is_read_beside_gguf(name)}
        _check(read)
        return read
    if "config.json" not in files:
        there = ", ".join(sorted(files)[:8]) or "nothing"
        named = next((name for name in files if name.endswith(".gguf")), None)
        hint = f"; say model.gguf_file={named}" if named else ""
        raise SpecError(f"{model} has no config.json (there is {there}){hint}")
    _check(files)
    for index, instead in INDEXES.items():
        if instead in files:  # and what comes after it is not read
            break
        if index in files:
            missing = [shard for shard in _shards_of(files[index]) if shard not in files]
            if missing:
                raise SpecError(f"{files[index]}: its file of weights {missing[0]!r} is missing ({len(missing)} are)")
            break
    return files


def downloaded(model: Model, commit: str) -> Path:
    """The folder in the local cache with what a hub's model is loaded from at a commit; off line, what is there.

    Raises SpecError if it cannot be had, or would be loaded from elsewhere.
    """
    from huggingface_hub import snapshot_download  # after it is known whether the hub answers

    def get(*names: str) -> Path:
        assert model.hub
        try:
            return Path(snapshot_download(model.hub, revision=commit, allow_patterns=list(names)))
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split())[:1000]
            raise SpecError(f"model '{model.name}': {model.hub} cannot be downloaded: {reason}") from error

    read = [f"*{ending}" for ending in (*BESIDE_WEIGHTS, *[".py"] * model.trust_remote_code)]
    (whole, whole_of_old), indexes = INDEXES.values(), list(INDEXES)
    folder = get(*read, model.gguf_file or whole)
    if not model.gguf_file and not (folder / whole).is_file():
        index = next((folder / index for index in indexes if (folder / index).is_file()), None)
        get(*(_shards_of(index) if index else [whole_of_old]))
    files_of(folder, model.gguf_file, model.hub)
    return folder


def _check(files: Mapping[str, Path]) -> None:
    for name, file in files.items():
        if name in CONFIGS:
            _check_config(read_json(file), str(file))
        elif name.endswith(tuple(INDEXES)):
            _shards_of(file)


def _is_read_beside_gguf(name: str) -> bool:
    path = PurePosixPath(name)
    return path.suffix in BESIDE_GGUF and (len(path.parts) == 1 or path.parts[0] == "additional_chat_templates")


def _allowed(folder: Path) -> tuple[Path, ...]:
    """Where the links of a folder may lead: into itself; a snapshot in the hub's cache is made of links to its blobs.

    A stranger's link would have any file of the user's read, and saved with the adjusted model.
    """
    folder = folder.resolve()
    repository = folder.parent.parent
    is_snapshot = folder.parent.name == "snapshots" and repository.name.startswith("models--")
    return (folder, repository / "blobs") if is_snapshot else (folder,)


def _below(folder: Path, allowed: tuple[Path, ...], above: tuple[Path, ...] = ()) -> Iterator[Path]:
    above = (*above, folder.resolve())
    for entry in sorted(folder.iterdir()):
        if entry.is_dir() and (entry.name.startswith(".") or CHECKPOINT.fullmatch(entry.name)):
            continue
        place = entry.resolve()
        if place.exists() and not any(place.is_relative_to(root) for root in allowed):
            raise SpecError(f"{entry} is a link to {place}, outside the model's folder: put a copy in its place")
        if not entry.is_dir():
            yield entry
        elif place not in above:
            yield from _below(entry, allowed, above)


def _refuse_adapter(file: Path, model: str) -> None:
    """An adapter's base model is loaded from wherever the file says, and what is loaded cannot be saved whole."""
    base = read_json(file).get("base_model_name_or_path")
    raise SpecError(
        f"model: {model} holds an adapter ({ADAPTER}, of the base model {base!r}), whose base is no part of it. Merge "
        "them first: peft.AutoPeftModelForCausalLM.from_pretrained(FOLDER).merge_and_unload().save_pretrained(MERGED), "
        "save the tokenizer there, and give model.path=MERGED"
    )


def _check_config(config: Mapping[str, Any], where: str) -> None:
    """Raise SpecError for a configuration that has files or code loaded from elsewhere."""
    if config.get("transformers_weights") is not None:
        _inside(str(config["transformers_weights"]), f"{where}: transformers_weights")
    for field in ("attn_implementation", "_attn_implementation"):
        if "/" in str(config.get(field)):
            raise SpecError(f"{where}: {field} names the code of another repository ({config[field]!r}); remove it")


def _shards_of(index: Path) -> list[str]:
    """The files that an index of weights names; SpecError for one that is no index, or names what is outside."""
    named = read_json(index).get("weight_map")
    if not isinstance(named, dict) or not all(isinstance(shard, str) for shard in named.values()):
        raise SpecError(f"{index}: weight_map does not map tensors to files")
    return [_inside(shard, f"{index}: weight_map") for shard in sorted(set(named.values()))]


def _inside(name: str, where: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise SpecError(f"{where}: {name!r} is outside the model's folder, and nothing outside it is loaded")
    return path.as_posix()


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object; SpecError naming the file where it is none."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SpecError(f"{file} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise SpecError(f"{file} cannot be read: a JSON object is needed, it is a {type(content).__name__}")
    return content
