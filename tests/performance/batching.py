"""Generation against transformers' own continuous batching: the same prompts and number of new tokens."""

from __future__ import annotations

import json
from typing import Any

import torch
from transformers import GenerationConfig

from tests.performance.model import DATA
from tests.performance.pairs import Line, compare
from ttt.engine.scoring.decoding import GreedyDecoder, GreedyPrompts

N_NEW = 64


def batching(model: Any, tokenizer: Any, n: int, rounds: int) -> Line:
    """`n` questions of GSM8K, each behind the same five, to `N_NEW` new tokens."""
    rows = [json.loads(line) for line in (DATA / "gsm8k" / "train.jsonl").read_text().splitlines()[: n + 5]]
    shots = "".join(f"Question: {row['question']}\nAnswer: {row['answer']}\n\n" for row in rows[:5])
    prompts = [tokenizer.encode(f"{shots}Question: {row['question']}\nAnswer:") for row in rows[5:]]

    def ours() -> list[list[int]]:
        waiting = GreedyPrompts([(i, tuple(ids)) for i, ids in enumerate(prompts)], (), N_NEW, n, 2048, False)
        with torch.inference_mode():
            return [new for _, new in sorted(GreedyDecoder(model, tokenizer).decode(waiting))]

    def peer() -> list[list[int]]:
        end = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.eos_token_id}
        config = GenerationConfig(max_new_tokens=N_NEW, do_sample=False, **end)
        outputs = model.generate_batch(inputs=prompts, generation_config=config)
        by_prompt = {tuple(output.prompt_ids): output.generated_tokens for output in outputs.values()}
        return [list(by_prompt[tuple(ids)]) for ids in prompts]

    def equal(a: list[list[int]], b: list[list[int]]) -> str:
        return f"{sum(x == y for x, y in zip(a, b, strict=True))} of {n} token sequences equal"

    name = f"continuous batching ({n} questions, {N_NEW} new tokens; peer: transformers)"
    return compare(name, ours, peer, rounds, lambda: n * N_NEW, 2, equal)
