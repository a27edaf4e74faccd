"""What a task wants of a generation: where it stops, how long it may be, and whether and how it is drawn."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from lm_eval.models.utils import handle_stop_sequences, normalize_gen_kwargs
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from ttt.engine.scoring.groups import Ids
from ttt.spec import SpecError, nearest

OF_SAMPLING = ("temperature", "top_p", "top_k", "min_p", "typical_p", "epsilon_cutoff", "eta_cutoff", "top_h")
"""Options that say nothing where the most likely token is taken."""
N_NEW = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")
"""lm-eval's names of the tokens at most."""
OWN = (
    *("eos_token_id", "pad_token_id", "bos_token_id", "decoder_start_token_id", "stop_strings", "max_length"),
    *("num_return_sequences", "return_dict_in_generate", "output_scores", "output_logits", "output_attentions"),
    *("output_hidden_states", "transformers_version", "_from_model_config"),
)
"""Options of transformers that are set here, by the model, by `until` and by `max_gen_toks`."""
GENERATION = frozenset(GenerationConfig().to_dict()) - {*OWN, *N_NEW, "do_sample"}
NUMBERS = (
    *OF_SAMPLING,
    *("repetition_penalty", "encoder_repetition_penalty", "length_penalty", "diversity_penalty", "guidance_scale"),
)
COUNTS = (
    *("top_k", "num_beams", "num_beam_groups", "no_repeat_ngram_size", "encoder_no_repeat_ngram_size"),
    *("min_length", "min_new_tokens"),
)
UNCHANGING: Mapping[str, Any] = {
    **dict.fromkeys(("repetition_penalty", "encoder_repetition_penalty", "guidance_scale", "num_beams"), 1),
    **dict.fromkeys(("no_repeat_ngram_size", "encoder_no_repeat_ngram_size", "min_length", "min_new_tokens"), 0),
    **dict.fromkeys(("bad_words_ids", "suppress_tokens", "begin_suppress_tokens", "sequence_bias")),
    **dict.fromkeys(("forced_bos_token_id", "forced_eos_token_id", "exponential_decay_length_penalty")),
    **dict.fromkeys(("watermarking_config", "penalty_alpha", "dola_layers")),
}
"""Options that change which token is the most likely, and the values with which they do not; nothing is one of each."""


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

    Raises SpecError for an option that generation does not have, or that is set here, and for values of other types.
    """
    check_options(asked)
    given = dict(normalize_gen_kwargs(dict(asked), 256))
    until = tuple(handle_stop_sequences(given.pop("until"), eos=eos))
    n_new = int(given.pop("max_gen_toks"))
    samples = bool(given.pop("do_sample")) and float(given.get("temperature", 1.0)) != 0
    options = {name: value for name, value in given.items() if samples or name not in OF_SAMPLING}
    return Wanted(until, n_new, samples, json.dumps(options, sort_keys=True))


def check_options(asked: Any, where: str = "generation_kwargs") -> None:
    """Raise SpecError for what is no `generation_kwargs`, naming the field after `where`."""
    if not isinstance(asked, Mapping):
        raise SpecError(f"{where}: {asked!r} is no mapping of options")
    for name, value in asked.items():
        field = f"{where}.{name}"
        if name in OWN:
            raise SpecError(f"{field}: is set by ttt; a task says `until`, and `max_gen_toks`")
        if name == "until":
            needed, good = (
                "a text or a list of texts",
                all(isinstance(text, str) for text in (value if isinstance(value, list) else [value])),
            )
        elif name in N_NEW:
            needed, good = "a whole number from 1", value is None or (_is_number(value, int) and value >= 1)
        elif name == "do_sample":
            needed, good = "true or false", value is None or isinstance(value, bool)
        elif name not in GENERATION:
            choices = nearest(str(name), {*GENERATION, *N_NEW, "until", "do_sample"}, 8)
            raise SpecError(f"{where}: {name!r} is no option of generation; the nearest are: {choices}")
        elif name == "temperature":  # lm-eval takes no null
            needed, good = "a number from 0", _is_number(value, int | float) and value >= 0
        elif name in COUNTS:
            needed, good = "a whole number from 0", value is None or (_is_number(value, int) and value >= 0)
        elif name in NUMBERS:
            needed, good = "a number from 0", value is None or (_is_number(value, int | float) and value >= 0)
        else:
            continue
        if not good:
            raise SpecError(f"{field}: {value!r} is not {needed}")
    try:
        GenerationConfig(**{name: value for name, value in asked.items() if name in GENERATION}).validate()
    except (TypeError, ValueError, AttributeError) as error:
        raise SpecError(f"{where}: {error}") from error


def _is_number(value: Any, kind: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def changes_greedy_decoding(model: PreTrainedModel) -> bool:
    """Whether the model's own generation config has something done to the logits, or searches with beams."""
    config = getattr(model, "generation_config", None)
    return any(getattr(config, name, None) not in (None, value, [], {}) for name, value in UNCHANGING.items())


def end_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Token ids that end an answer: the tokenizer's, and those that the model's generation config has beside it."""
    config = getattr(model, "generation_config", None)
    named = getattr(config, "eos_token_id", None)
    several = named if isinstance(named, list | tuple) else [] if named is None else [named]
    return sorted({int(tokenizer.eos_token_id), *map(int, several)})


def draw_seed(seed: int, prompt: Ids, repeat: int) -> int:
    """The seed of one draw, by what is asked and by how often it was asked before: no order or batch changes it."""
    return int(np.random.SeedSequence([seed, repeat, *prompt]).generate_state(1, np.uint64)[0] >> 1)
