"""What a task wants of a generation: where it stops, how long it may be, and whether and how it is drawn."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from lm_eval.models.utils import handle_stop_sequences, normalize_gen_kwargs
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from ttt.engine.sharing import Ids
from ttt.spec import SpecError

OF_SAMPLING = ("temperature", "top_p", "top_k", "min_p", "typical_p", "epsilon_cutoff", "eta_cutoff", "top_h")
"""Options that say nothing where the most likely token is taken."""


@dataclass(frozen=True)
class Wanted:
    """How prompts are continued. Hashable, so that prompts can be grouped by it."""

    until: tuple[str, ...]
    """Stop strings, the end of the sequence among them."""
    n_new: int
    """Tokens at most."""
    samples: bool
    options: str
    """Of transformers' `GenerationConfig`, as JSON; `{}` for plain greedy decoding."""


def wanted(asked: Mapping[str, Any], eos: str) -> Wanted:
    """A task's `generation_kwargs` as lm-eval reads them; a temperature of 0 is greedy, whatever `do_sample` says.

    Raises SpecError for an option that generation does not have.
    """
    given = dict(normalize_gen_kwargs(dict(asked), 256))
    until = tuple(handle_stop_sequences(given.pop("until"), eos=eos))
    n_new = int(given.pop("max_gen_toks"))
    samples = bool(given.pop("do_sample")) and float(given.get("temperature", 1.0)) != 0
    options = {name: value for name, value in given.items() if samples or name not in OF_SAMPLING}
    known = GenerationConfig()
    for name in options:
        if not hasattr(known, name):
            raise SpecError(f"generation_kwargs: {name!r} is no option of transformers' GenerationConfig")
    return Wanted(until, n_new, samples, json.dumps(options, sort_keys=True))


def end_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Token ids that end an answer: the tokenizer's, and those that the model's generation config has beside it."""
    config = getattr(model, "generation_config", None)
    named = getattr(config, "eos_token_id", None)
    several = named if isinstance(named, list | tuple) else [] if named is None else [named]
    return sorted({int(tokenizer.eos_token_id), *map(int, several)})


def draw_seed(seed: int, prompt: Ids, repeat: int) -> int:
    """The seed of one draw, by what is asked and by how often it was asked before: no order or batch changes it."""
    return int(np.random.SeedSequence([seed, repeat, *prompt]).generate_state(1, np.uint64)[0] >> 1)
