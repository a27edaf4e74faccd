"""Greedy generation by vLLM (the extra `vllm`), whose engine holds the weights for as long as it is needed."""

from __future__ import annotations

import copy
import os
from functools import cached_property
from tempfile import TemporaryDirectory
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ttt.engine.precision import on_gpu, precision
from ttt.engine.scoring.decoding import GreedyPrompts
from ttt.engine.scoring.generation_options import end_tokens
from ttt.spec import Trainer

FRACTION_OF_FREE_MEMORY = 0.9
"""Of a GPU's; the optimiser's state stays on it when scores are taken during training."""


class VllmDecoder:
    """Continues `GreedyPrompts` as GreedyDecoder does, with the model's weights as they are when it is first asked.

    The engine is a process of its own, which takes a minute to begin. Meanwhile the model is in main memory.
    """

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, trainer: Trainer, max_length: int):
        self.model, self.tokenizer, self.trainer, self.max_length = model, tokenizer, trainer, max_length
        self.device = model.device

    def __enter__(self) -> VllmDecoder:
        return self

    def __exit__(self, *error: object) -> None:
        if "engine" in self.__dict__:
            self.engine.llm_engine.engine_core.shutdown()
            self.model.to(self.device)  # type: ignore[arg-type]

    @cached_property
    def engine(self) -> Any:
        os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
        os.environ.setdefault("VLLM_WORKER_MULTIPROC_METHOD", "spawn")  # torch's threads do not survive a fork
        from vllm import LLM

        memory: dict[str, float] = {}
        self.model.cpu()
        if on_gpu(self.trainer):
            torch.cuda.empty_cache()
            free, total = torch.cuda.mem_get_info()
            memory["gpu_memory_utilization"] = FRACTION_OF_FREE_MEMORY * free / total
        with TemporaryDirectory() as folder:
            _merged(self.model).save_pretrained(folder)
            self.tokenizer.save_pretrained(folder)
            return LLM(
                folder,
                dtype={"32": "float32", "bf16": "bfloat16"}[precision(self.trainer)],
                max_model_len=self.max_length,
                generation_config="vllm",  # the model's own would sample; its ends are given with each prompt
                **memory,
            )

    def decode(self, work: GreedyPrompts) -> list[tuple[int, list[int]]]:
        """(index, new tokens) of every prompt; a stop string is the end of its tokens."""
        from vllm import SamplingParams

        greedy = SamplingParams(
            temperature=0,
            max_tokens=work.n_new,
            stop=list(work.until),
            stop_token_ids=end_tokens(self.model, self.tokenizer),
            skip_special_tokens=False,
        )
        prompts = [{"prompt_token_ids": list(ids)} for _, ids in work.prompts]
        done = self.engine.generate(prompts, greedy, use_tqdm=work.progress)
        return [(index, list(of.outputs[0].token_ids)) for (index, _), of in zip(work.prompts, done, strict=True)]


def _merged(model: Any) -> Any:
    """The model with its low-rank adapters, if it has any, added to its weights."""
    return copy.deepcopy(model).merge_and_unload() if hasattr(model, "merge_and_unload") else model
