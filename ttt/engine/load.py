"""A model and its tokenizer, from the hub, a folder or a GGUF file; and digests of what is in memory."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from ttt.spec import Bench, Model, SpecError


def load(model: Model) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model in evaluation mode on the CPU, and its tokenizer.

    safetensors are preferred, remote code is refused unless `model.trust_remote_code`, and a float type other than
    `model.dtype` (float32 unless set) is converted. Raises SpecError when there is nothing to load.
    """
    if model.path and not Path(model.path).expanduser().exists():
        raise SpecError(f"model.path: no folder {model.path}")
    source = str(Path(model.path).expanduser()) if model.path else str(model.hub)
    if model.path and model.gguf_file and not (Path(source) / model.gguf_file).is_file():
        raise SpecError(f"model.gguf_file: no file {model.gguf_file} in {model.path}")
    options: dict[str, Any] = {"trust_remote_code": model.trust_remote_code}
    if not model.path:
        options["revision"] = model.revision
    if model.gguf_file:
        options["gguf_file"] = model.gguf_file
    dtype = getattr(torch, model.dtype or "float32")
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, **options)
        weights = AutoModelForCausalLM.from_pretrained(source, dtype=dtype, **options)
    except (OSError, ValueError, ImportError, KeyError) as error:
        raise SpecError(f"model '{model.name}': {source} cannot be loaded: {error}") from error
    if model.gguf_file:
        _forget_quantization(weights)
    return weights.eval(), tokenizer


def _forget_quantization(model: Any) -> None:
    """GGUF weights are full floats once loaded, but transformers goes on taking the model for one it cannot save."""
    model.hf_quantizer, model.is_quantized = None, False
    for attribute in ("quantization_config", "_pre_quantization_dtype"):
        if hasattr(model.config, attribute):
            delattr(model.config, attribute)


def check_tokenizer(tokenizer: PreTrainedTokenizerBase, model: Model, bench: Bench) -> None:
    """Raise SpecError if the tokenizer lacks what the bench needs of it."""
    if tokenizer.eos_token_id is None:
        raise SpecError(f"model '{model.name}': its tokenizer has no end-of-sequence token, which ends every answer")
    if bench.chat_template and not tokenizer.chat_template:
        raise SpecError(f"bench.chat_template: the tokenizer of model '{model.name}' has no chat template")


def digest(model: PreTrainedModel) -> str:
    """SHA-256 over names, shapes, types and values of the weights in memory (tied weights once a name)."""
    sha = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        sha.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        sha.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy())
    return sha.hexdigest()
