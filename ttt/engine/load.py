"""A model and its tokenizer, from the hub, a folder or a GGUF file; and digests of what is in memory."""

from __future__ import annotations

import hashlib
import logging
import pickle
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from ttt.engine import distributed
from ttt.engine.shards import sharding, whole
from ttt.files.model_files import downloaded, read_json
from ttt.files.model_source import model_source
from ttt.spec import Bench, Model, SpecError

log = logging.getLogger(__name__)


def load(
    model: Model, source: str | None = None, shard: bool = False
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model in evaluation mode on the CPU, and its tokenizer, from the files that `source` names.

    With `shard` each process of a launch reads its own part of every weight, to its own device (`ttt.engine.shards`).
    Collective.

    `source` is a `model_source`, by default that of now: a hub's model is taken from its commit, and local files that
    are no longer those of the digest are refused. safetensors are preferred, pickles are read for tensors alone, remote
    code is refused unless `model.trust_remote_code`, and a float type other than `model.dtype` (float32 unless set) is
    converted. Raises SpecError when there is nothing to load, only a part of the
    model, or a tokenizer that does not fit it.
    """
    source = source or distributed.on_rank_zero(lambda: model_source(model))
    place, options = _place(model, source)
    dtype = getattr(torch, model.dtype or "float32")
    if shard and model.gguf_file:
        raise SpecError("trainer.shard=true: a GGUF file is only read whole; save the model as safetensors first")
    try:
        divided = {"distributed_config": sharding(place, **options)} if shard else {}
        tokenizer = AutoTokenizer.from_pretrained(place, **options)
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            place, dtype=dtype, weights_only=True, output_loading_info=True, **options, **divided
        )
        weights, report = loaded
    except pickle.UnpicklingError as error:
        raise SpecError(
            f"model '{model.name}': a pickle among the weights in {place} is damaged or holds more than tensors, which "
            "could run code, and is not loaded; give the weights as safetensors"
        ) from error
    except Exception as error:  # a broken or hostile file fails anywhere in transformers, and in any way
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise SpecError(f"model '{model.name}': {place} cannot be loaded: {reason[:1000]}") from error
    if model.path and (now := distributed.on_rank_zero(lambda: model_source(model))) != source:
        raise SpecError(f"model.path: {place} was changed while it was being loaded: its digest was {source}, is {now}")
    _check_whole(report, model, place)
    _check_sizes(weights, tokenizer, model)
    if model.gguf_file:
        _forget_quantization(weights)
    return weights.eval(), tokenizer


def load_tokenizer(model: Model, source: str) -> PreTrainedTokenizerBase:
    """The model's tokenizer alone, as `load` has it."""
    place, options = _place(model, source)
    try:
        return AutoTokenizer.from_pretrained(place, **options)
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise SpecError(f"model '{model.name}': the tokenizer in {place} cannot be loaded: {reason[:1000]}") from error


def _place(model: Model, source: str) -> tuple[str, dict[str, Any]]:
    """The folder that a model is loaded from, and transformers' options for it."""
    options: dict[str, Any] = {"trust_remote_code": model.trust_remote_code}
    if model.gguf_file:
        options["gguf_file"] = model.gguf_file
    # Not by the hub's id: transformers would take a folder of that name where there is one.
    return str(Path(model.path).expanduser() if model.path else downloaded(model, source.rpartition("@")[2])), options


def save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write the model and its tokenizer as Hugging Face's files; shards are gathered at rank zero. Collective.

    Rank zero alone writes, and the others wait for it.
    """
    is_main = distributed.rank() == 0
    model.save_pretrained(folder, is_main_process=is_main)
    if is_main:
        tokenizer.init_kwargs.pop("local_files_only", None)  # of this process's surroundings, and not of the tokenizer
        tokenizer.save_pretrained(folder)
    distributed.barrier()


def _check_whole(report: dict[str, Any], model: Model, place: str) -> None:
    """transformers draws at random what the files lack, and leaves out what the architecture has no place for."""
    missing, unused = sorted(report["missing_keys"]), sorted(report["unexpected_keys"])
    if missing:
        raise SpecError(
            f"model '{model.name}': {len(missing)} tensors of its architecture are not in the files of {place}, such "
            f"as {missing[0]}: a part is missing, or config.json is another model's"
        )
    if unused:
        log.warning(
            f"model '{model.name}': {len(unused)} tensors in the files of {place} are not used, such as {unused[0]}; "
            "if they belong to the model, its config.json is another model's"
        )


def _forget_quantization(model: Any) -> None:
    """GGUF weights are full floats once loaded, but transformers goes on taking the model for one it cannot save."""
    model.hf_quantizer, model.is_quantized = None, False
    for attribute in ("quantization_config", "_pre_quantization_dtype"):
        if hasattr(model.config, attribute):
            delattr(model.config, attribute)


def _check_sizes(weights: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, model: Model) -> None:
    """Raise SpecError if the tokenizer has no vocabulary, or tokens that the model has no embeddings for."""
    vocabulary = tokenizer.get_vocab()
    if not set(vocabulary) - set(tokenizer.all_special_tokens):
        raise SpecError(
            f"model '{model.name}': its tokenizer has no vocabulary ({len(vocabulary)} tokens, all of them special): "
            "are the tokenizer's files (tokenizer.json, tokenizer.model, vocab.json) beside the weights?"
        )
    embeddings: Any = weights.get_input_embeddings()
    if not isinstance(embeddings, torch.nn.Embedding):
        kind = type(embeddings).__name__
        raise SpecError(f"model '{model.name}': its input embeddings are a {kind}; a torch.nn.Embedding is needed")
    # Nothing is padded with the tokenizer's own token, which some models have added without an embedding for it.
    largest = max(vocabulary, key=lambda token: -1 if token == tokenizer.pad_token else vocabulary[token])
    if vocabulary[largest] >= embeddings.num_embeddings:
        raise SpecError(
            f"model '{model.name}': its tokenizer's ids go to {vocabulary[largest]:,} ({largest!r}), the model has "
            f"{embeddings.num_embeddings:,} embeddings: they belong to two models, or tokens were added without them"
        )


def as_stored(model: Model) -> bool:
    """Whether a local model is loaded in the type of its files, so that it has the digest that it was saved with."""
    assert model.path
    stored = read_json(Path(model.path).expanduser() / "config.json").get("dtype")
    return bool(stored == (model.dtype or "float32"))


def check_tokenizer(tokenizer: PreTrainedTokenizerBase, model: Model, bench: Bench) -> None:
    """Raise SpecError if the tokenizer lacks what the bench needs of it."""
    if tokenizer.eos_token_id is None:
        raise SpecError(f"model '{model.name}': its tokenizer has no end-of-sequence token, which ends every answer")
    if bench.chat_template and not tokenizer.chat_template:
        raise SpecError(f"bench.chat_template: the tokenizer of model '{model.name}' has no chat template")


def digest(model: PreTrainedModel) -> str:
    """SHA-256 over names, shapes, types and values of the weights in memory (tied weights once a name).

    Collective where the weights are divided: one tensor at a time is gathered.
    """
    sha = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        sha.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        values: Any = whole(tensor.detach()).cpu().contiguous().view(torch.uint8).numpy()
        sha.update(values)
    return sha.hexdigest()
