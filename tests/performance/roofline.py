"""What bounds 25 shots drawn for each document: the layers' matrix products and attention, timed by themselves.

Prints seconds of `hf`, of ours, and of the parts, in turn: `python -m tests.performance.roofline [documents]`.
"""

from __future__ import annotations

import statistics
import sys
from functools import partial

import torch
from lm_eval.evaluator import evaluate as harness_evaluate
from lm_eval.models.huggingface import HFLM
from torch.nn.functional import linear, scaled_dot_product_attention

from tests.performance.evaluation import benches
from tests.performance.model import loaded
from tests.performance.pairs import seconds
from ttt.engine.lm import Backend
from ttt.spec import Trainer
from ttt.tasks.bench import load_tasks

ROUNDS = 3


def main() -> None:
    model, tokenizer = loaded()
    limit = int(sys.argv[1]) if len(sys.argv) > 1 else 16
    bench = benches(1.0)["multiple choice, 25 shots a document"]
    options = {"task_dict": load_tasks(bench), "limit": limit, "bootstrap_iters": 0}
    ours = Backend(model, tokenizer, Trainer(precision="32", progress=False))
    hf = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=1, device="cpu")
    (samples,) = harness_evaluate(ours, **options)["samples"].values()
    lengths = [len(tokenizer.encode(sample["arguments"][0][0])) for sample in samples]
    layers = model.model.layers
    products = [part for layer in layers for part in layer.modules() if isinstance(part, torch.nn.Linear)]
    inputs = {width: torch.randn(max(lengths), width) for width in {part.in_features for part in products}}
    config = model.config
    head = torch.randn(1, config.num_attention_heads, max(lengths), config.head_dim)

    @torch.inference_mode()
    def multiply() -> None:
        for n in lengths:
            for part in products:
                linear(inputs[part.in_features][:n], part.weight)

    @torch.inference_mode()
    def attend() -> None:
        for n in lengths:
            for _ in layers:
                scaled_dot_product_attention(head[:, :, :n], head[:, :, :n], head[:, :, :n], is_causal=True)

    works = {
        "hf": partial(harness_evaluate, hf, **options),
        "ours": partial(harness_evaluate, ours, **options),
        "products": multiply,
        "attention": attend,
    }
    times = [{name: seconds(work)[0] for name, work in works.items()} for _ in range(ROUNDS)]
    print(f"{len(lengths)} documents, {sum(lengths):,} tokens; medians of {ROUNDS} rounds, seconds")
    for name in works:
        print(f"{name:10} {statistics.median(of[name] for of in times):8.1f}")
    print(f"{'both parts':10} {statistics.median(of['products'] + of['attention'] for of in times):8.1f}")


if __name__ == "__main__":
    main()
