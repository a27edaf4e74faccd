"""Prompts at the end of the context, in architectures that count positions differently, against lm-eval's `hf`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from tests.cells import request
from ttt.engine.batches import collate
from ttt.engine.lm import Backend
from ttt.engine.training.adjust import Adjusting
from ttt.engine.training.data import encode
from ttt.engine.training.loop import Keeping
from ttt.engine.training.step import negative_log_likelihood
from ttt.spec import SpecError, Trainer
from ttt.tasks.task_data import Example

CPU = Trainer(accelerator="cpu", precision="32", threads=1, progress=False, eval_tokens=300)
CONTEXT = 64
SIZE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
GPT_NEO = {"hidden_size": 32, "num_layers": 2, "num_heads": 2, "intermediate_size": 64, "window_size": 16}
SMALL: dict[str, tuple[str, dict[str, Any]]] = {
    "GPTNeoX": ("GPTNeoXForCausalLM", {**SIZE, "max_position_embeddings": CONTEXT, "intermediate_size": 64}),
    "GPT2": ("GPT2LMHeadModel", {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": CONTEXT}),
    "OPT": (
        "OPTForCausalLM",
        {**SIZE, "ffn_dim": 64, "max_position_embeddings": CONTEXT, "word_embed_proj_dim": 32, "pad_token_id": 1},
    ),
    "GPTNeo": (
        "GPTNeoForCausalLM",
        {**GPT_NEO, "attention_types": [[["global", "local"], 1]], "max_position_embeddings": CONTEXT},
    ),
    "GPTNeo, global": (
        "GPTNeoForCausalLM",
        {**GPT_NEO, "attention_types": [[["global"], 2]], "max_position_embeddings": CONTEXT},
    ),
    "Bloom": ("BloomForCausalLM", {"hidden_size": 32, "n_layer": 2, "n_head": 2}),
    "Llama": ("LlamaForCausalLM", {**SIZE, "max_position_embeddings": CONTEXT, "intermediate_size": 64}),
    "Mistral": (
        "MistralForCausalLM",
        {**SIZE, "max_position_embeddings": CONTEXT, "intermediate_size": 64, "sliding_window": 16,
         "num_key_value_heads": 2},
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def make(tiny_model: Path) -> Callable[[str], tuple[Any, Any]]:
    """A random model of an architecture, and the byte-level tokenizer."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_model, model_max_length=CONTEXT)

    def of(name: str) -> tuple[Any, Any]:
        kind, options = SMALL[name]
        model_class = getattr(transformers, kind)
        torch.manual_seed(0)
        config = model_class.config_class(vocab_size=257, bos_token_id=0, eos_token_id=0, **options)
        model = model_class(config).eval()
        torch.nn.init.normal_(model.get_output_embeddings().weight, std=0.5)
        model.generation_config.pad_token_id = 0
        return model, tokenizer

    return of


def asked(kind: str, arguments: list[tuple[Any, ...]]) -> list[Instance]:
    return [Instance(kind, {}, pair, 0, ("few", place, 1)) for place, pair in enumerate(arguments)]  # type: ignore[arg-type]


@pytest.mark.parametrize("name", SMALL)
def test_prompts_that_fill_the_context(make: Callable[[str], tuple[Any, Any]], name: str) -> None:
    model, tokenizer = make(name)
    ours, theirs = Backend(model, tokenizer, CPU), HFLM(pretrained=model, tokenizer=tokenizer, batch_size=1)
    assert ours.max_length == CONTEXT
    shared = "What they share. " * 2
    pairs = [(shared + "a" * n, " yes" * m) for n in (1, 2, 9, 26, 27, 60) for m in (1, 2, 8)]
    pairs += [("q" * n, "abc"[:m]) for n in (1, 30, CONTEXT - 1, CONTEXT, CONTEXT + 7) for m in (1, 3)]
    pairs += [("w", "z" * CONTEXT), ("", "said at once")]
    requests = asked("loglikelihood", pairs)
    for mine, reference in zip(ours.loglikelihood(requests), theirs.loglikelihood(requests), strict=True):
        assert mine[0] == pytest.approx(reference[0], abs=2e-4)
        assert mine[1] == reference[1]
    prompts = [shared[:n] + "x" * m for n, m in ((0, 3), (0, 43), (0, 44), (0, 90), (34, 1), (34, 7), (34, 10))]
    generations = asked("generate_until", [(p, {"until": ["\n"], "max_gen_toks": 20}) for p in prompts])
    assert ours.generate_until(generations) == theirs.generate_until(generations)
    rolling = asked("loglikelihood_rolling", [("some words " * n,) for n in (1, 5, 20)])
    assert ours.loglikelihood_rolling(rolling) == pytest.approx(theirs.loglikelihood_rolling(rolling), abs=2e-3)


@pytest.mark.parametrize("name", ["GPT2", "OPT", "GPTNeo"])
def test_task_data_longer_than_the_positions(make: Callable[[str], tuple[Any, Any]], name: str) -> None:
    model, tokenizer = make(name)
    backend = Backend(model, tokenizer, CPU)
    examples = {0: Example("short", " answer"), 1: Example("long" * 50, " answer"), 2: Example("a", " long" * 50)}
    rows, n_cut = encode(backend, examples, max_tokens=600)
    assert n_cut == 2
    assert [len(row.ids) for row in rows.values()] == [len("short answer") + 1, CONTEXT, CONTEXT]
    assert [row.n_targets for row in rows.values()] == [8, 8, CONTEXT - 1]
    assert tokenizer.decode(rows[1].ids).endswith("long answer<|end|>")
    assert torch.isfinite(negative_log_likelihood(model, collate(list(rows.values()))))


@pytest.fixture(scope="module")
def joining() -> Any:
    """A byte-level tokenizer in which "ab" is one token, as pieces of words are."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {symbol: i for i, symbol in enumerate(["<|end|>", *alphabet[:255], "ab"])}
    tokenizer = Tokenizer(models.BPE(vocabulary, [("a", "b")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>", model_max_length=CONTEXT)


@pytest.mark.parametrize(
    ("prompt", "option", "message"),
    [
        ("What? a", "b", "task 'few', document 1, option 0: 'b' adds no token to the prompt, which ends in 'What? a'"),
        ("What?", "", "task 'few', document 1, option 0: '' adds no token"),
        ("", "", "task 'few', document 1, option 0: '' adds no token"),
        ("", "<|end|>", "task 'few', document 1, option 0: '<|end|>' adds no token"),
        ("What?", "x" * 65, "task 'few', document 1, option 0: its 65 tokens do not fit the context of 64 tokens"),
    ],
)
def test_what_cannot_be_scored_is_named(
    make: Callable[[str], tuple[Any, Any]], joining: Any, prompt: str, option: str, message: str
) -> None:
    backend = Backend(make("GPT2")[0], joining, CPU)
    with pytest.raises(SpecError) as refused:
        backend.loglikelihood(asked("loglikelihood", [("What?", " yes"), (prompt, option)]))
    assert message in str(refused.value)


def test_answers_that_join_their_prompts_are_refused(
    make: Callable[[str], tuple[Any, Any]], joining: Any, conf: Path, tmp_path: Path
) -> None:
    backend, cell = Backend(make("GPT2")[0], joining, CPU), request(conf, tmp_path).cells[0]
    examples = [Example("What? a", " b"), Example("What? a", "b")]
    with pytest.raises(SpecError, match=r"the answers of 1 examples add no token .*, such as 'b' after 'What"):
        Adjusting(backend, cell, examples, CPU, Keeping(tmp_path))


def test_a_task_that_wants_more_than_the_context_is_named(make: Callable[[str], tuple[Any, Any]]) -> None:
    backend = Backend(*make("GPT2"), CPU)
    with pytest.raises(SpecError, match="task 'few', document 0, option 0 asks for 64 new tokens"):
        backend.generate_until(asked("generate_until", [("a", {"until": [], "max_gen_toks": 64})]))
    backend.truncation = "refuse"
    few = {"until": [], "max_gen_toks": 20}
    with pytest.raises(SpecError, match="task 'few', document 1, option 0 has 70 tokens, 44 fit"):
        backend.generate_until(asked("generate_until", [("a", few), ("b" * 70, few)]))
    with pytest.raises(SpecError, match="task 'few', document 0, option 0 has 72 tokens, 65 fit"):
        backend.loglikelihood(asked("loglikelihood", [("b" * 70, "cd")]))
